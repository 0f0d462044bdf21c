//! What a build needs: cargo, the target's standard library, zig with `cargo-zigbuild`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::BuildError;

/// The zig that is installed where none is: from PyPI, where it comes as a wheel for every platform.
pub const ZIG_VERSION: &str = "0.17.1";
/// The `cargo-zigbuild` that is installed with it.
pub const CARGO_ZIGBUILD_VERSION: &str = "0.24.0";
/// Written into a directory of tools when all are in it.
const COMPLETE: &str = ".complete";

/// A program that runs without what `provision` signs in with: build scripts and macros of some hundred crates are
/// code of strangers.
pub(super) fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_credential(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable leads to an account or a cluster.
fn is_credential(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with("AWS_") || name == "KUBECONFIG")
}

/// Runs a program for its output; `None` if it is not there or fails.
async fn output(program: impl AsRef<OsStr>, arguments: &[&str], directory: Option<&Path>) -> Option<String> {
    let mut command = bare(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let output = command.output().await.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program for its effect. What it prints goes to stderr: stdout is for data.
async fn run(
    program: impl AsRef<OsStr>,
    arguments: &[&str],
    directory: Option<&Path>,
) -> Result<(), BuildError> {
    let shown = std::iter::once(program.as_ref().to_string_lossy().into_owned())
        .chain(arguments.iter().map(|argument| (*argument).to_owned()))
        .collect::<Vec<_>>()
        .join(" ");
    let mut command = bare(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()))
        .kill_on_drop(true);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    match command.status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(BuildError::Failed {
            command: shown,
            status: status.to_string(),
        }),
        Err(source) => Err(BuildError::Unstartable {
            command: shown,
            source,
        }),
    }
}

pub(super) async fn require_cargo() -> Result<(), BuildError> {
    match output("cargo", &["--version"], None).await {
        Some(_) => Ok(()),
        None => Err(BuildError::NoProgram { program: "cargo" }),
    }
}

/// The target's standard library is there, or rustup brings it. Asked for in the source's directory, whose
/// toolchain file counts.
pub(super) async fn require_target(
    source: &Path,
    target: &'static str,
    say: impl Fn(&str),
) -> Result<(), BuildError> {
    let directory = output(
        "rustc",
        &["--print", "target-libdir", "--target", target],
        Some(source),
    )
    .await;
    if directory.is_some_and(|directory| Path::new(&directory).is_dir()) {
        return Ok(());
    }
    if output("rustup", &["--version"], None).await.is_none() {
        return Err(BuildError::NoTarget { target });
    }
    say(&format!("installing the Rust target {target}"));
    run("rustup", &["target", "add", target], Some(source)).await
}

/// `cargo zigbuild` works. Returns the PATH to call it with, where that is not our own.
pub(super) async fn require_zig(say: impl Fn(&str)) -> Result<Option<OsString>, BuildError> {
    let has_zig = match output("zig", &["version"], None).await {
        Some(_) => true,
        None => output(python(), &["-m", "ziglang", "version"], None)
            .await
            .is_some(),
    };
    if has_zig && output("cargo-zigbuild", &["--version"], None).await.is_some() {
        return Ok(None);
    }
    let tools = cache_directory(|name| {
        std::env::var_os(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    })
    .ok_or(BuildError::NoCache)?
    .join(format!("zig-{ZIG_VERSION}-zigbuild-{CARGO_ZIGBUILD_VERSION}"));
    let binaries = tools.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if !tools.join(COMPLETE).is_file() {
        install(&tools, &binaries, say).await?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let joined = std::env::join_paths(std::iter::once(binaries).chain(std::env::split_paths(&path)));
    Ok(Some(joined.unwrap_or(path)))
}

async fn install(tools: &Path, binaries: &Path, say: impl Fn(&str)) -> Result<(), BuildError> {
    if output(python(), &["--version"], None).await.is_none() {
        return Err(BuildError::NoProgram {
            program: "zig (or python3, which can install it)",
        });
    }
    say(&format!("installing zig {ZIG_VERSION} into {}", tools.display()));
    let directory = tools.to_string_lossy().into_owned();
    // An interrupted installation is started again.
    run(python(), &["-m", "venv", "--clear", &directory], None).await?;
    let zig = format!("ziglang=={ZIG_VERSION}");
    let zigbuild = format!("cargo-zigbuild=={CARGO_ZIGBUILD_VERSION}");
    run(
        binaries.join(python()),
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &zig,
            &zigbuild,
        ],
        None,
    )
    .await?;
    let marker = tools.join(COMPLETE);
    std::fs::write(&marker, b"").map_err(|source| BuildError::Unreadable { path: marker, source })
}

const fn python() -> &'static str {
    if cfg!(windows) { "python" } else { "python3" }
}

/// Where tools of ours are kept.
fn cache_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .or_else(|| variable("LOCALAPPDATA"))
        .map(|directory| directory.join("sitefence"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_gets_nothing_that_leads_to_an_account() {
        for (name, is) in [
            ("AWS_SECRET_ACCESS_KEY", true),
            ("AWS_PROFILE", true),
            ("KUBECONFIG", true),
            ("CARGO_HOME", false),
            ("PATH", false),
        ] {
            assert_eq!(is_credential(OsStr::new(name)), is, "{name}");
        }
    }
}
