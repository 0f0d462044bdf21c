//! Environment variables: one that is set to nothing counts as not set.
//!
//! `AWS_ENDPOINT_URL= provision plan` is how a shell takes a variable back for one command, and how a CI system
//! passes on one that it does not have. The AWS and Kubernetes libraries read their variables themselves; an
//! empty one is to them an address that cannot be called, a profile without a name, a file that is not there, and
//! some of them panic over it. So the process starts over without such variables before anything has looked:
//! changing one's own environment is not safe, and would have to be done before the first thread runs anyway.
//! `--profile` and `--region` become variables in the same way. Each of the two reasons starts the process over once at
//! the most: a variable remembers the process that was started over, which keeps its id through it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Command;

/// Variables that somebody reads here, beside all that begin with `AWS_`.
const READ: [&str; 13] = [
    "ALL_PROXY",
    "CARGO_HOME",
    "HOSTNAME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBECONFIG",
    "LOGNAME",
    "NO_COLOR",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "USER",
    "XDG_CACHE_HOME",
];

/// Remember, for each reason, the process that was started over. A child has another id.
const WITHOUT_EMPTY: &str = "PROVISION_STARTED_OVER_WITHOUT_EMPTY";
const WITH_FLAGS: &str = "PROVISION_STARTED_OVER_WITH_FLAGS";

/// The variables that are set to nothing, of those that somebody reads here.
fn empty(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<OsString> {
    variables
        .filter(|(name, value)| value.is_empty() && is_read(name))
        .map(|(name, _)| name)
        .collect()
}

fn is_read(name: &OsStr) -> bool {
    // Proxy variables are read in both spellings.
    name.to_str().is_some_and(|name| {
        let name = name.to_ascii_uppercase();
        name.starts_with("AWS_") || READ.contains(&name.as_str())
    })
}

/// Starts the process over without the variables that are set to nothing, if there are any.
pub fn without_empty_variables() {
    let empty = empty(std::env::vars_os());
    if !empty.is_empty() {
        // Comes back only where it failed; then the verb runs with the variables as they are.
        let _ = start_over(WITHOUT_EMPTY, |again| {
            for name in &empty {
                again.env_remove(name);
            }
        });
    }
}

/// Starts the process over with these variables, each set or taken out, unless they are so already.
pub fn start_over_with(variables: &[(&str, Option<&str>)]) -> io::Result<()> {
    let is_so =
        |(name, value): &(&str, Option<&str>)| std::env::var_os(name).as_deref() == value.map(OsStr::new);
    if variables.iter().all(is_so) {
        return Ok(());
    }
    Err(start_over(WITH_FLAGS, |again| {
        for (name, value) in variables {
            match value {
                Some(value) => again.env(name, value),
                None => again.env_remove(name),
            };
        }
    }))
}

/// Starts the process over in an environment that `change` alters, once for each reason. Comes back only where that
/// failed.
#[cfg(unix)]
fn start_over(reason: &str, change: impl FnOnce(&mut Command)) -> io::Error {
    use std::os::unix::process::CommandExt;

    let id = std::process::id().to_string();
    if std::env::var_os(reason).is_some_and(|it| it == *id) {
        return io::Error::other("the process was started over for this already, and it did not help");
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    change(&mut again);
    again.env(reason, id);
    again.exec()
}

/// Other systems cannot put a program in a process's place.
#[cfg(not(unix))]
fn start_over(_: &str, _: impl FnOnce(&mut Command)) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_set_to_nothing_is_dropped_if_somebody_here_reads_it() {
        let variables = [
            ("AWS_ENDPOINT_URL", ""),
            ("AWS_PROFILE", "prod"),
            ("https_proxy", ""),
            ("KUBECONFIG", ""),
            ("SOMEBODY_ELSES", ""),
        ];
        let dropped = empty(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        assert_eq!(dropped, ["AWS_ENDPOINT_URL", "https_proxy", "KUBECONFIG"]);
    }
}
