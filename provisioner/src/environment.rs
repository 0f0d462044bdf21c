//! Environment variables: one that is set to nothing counts as not set.
//!
//! `AWS_ENDPOINT_URL= provision plan` is how a shell takes a variable back for one command, and how a CI system
//! passes on one that it does not have. The AWS and Kubernetes libraries read their variables themselves; an
//! empty one is to them an address that cannot be called, a profile without a name, a file that is not there, and
//! some of them panic over it. So the process starts over without such variables before anything has looked:
//! changing one's own environment is not safe, and would have to be done before the first thread runs anyway.

use std::ffi::{OsStr, OsString};

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
#[cfg(unix)]
pub fn without_empty_variables() {
    use std::os::unix::process::CommandExt;

    let empty = empty(std::env::vars_os());
    let (false, Ok(program)) = (empty.is_empty(), std::env::current_exe()) else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    for name in empty {
        again.env_remove(name);
    }
    // Comes back only where it failed; then the verb runs with the variables as they are.
    let _ = again.exec();
}

/// Starts the process over without the variables that are set to nothing, if there are any.
#[cfg(not(unix))]
pub fn without_empty_variables() {}

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
