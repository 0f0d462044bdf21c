//! Builds the function: `cargo zigbuild` for a static musl binary of the topology's processor.
//!
//! A static binary starts in half the time and needs no glibc, so a build made anywhere runs on Lambda. Zig
//! is the cross linker (and compiles ring's C and assembly) on every host alike; where it is missing, a
//! pinned one is installed into a cache directory of ours and nothing else is touched.
//!
//! Paths of this machine are kept out of the binary: they would make the hash depend on who built it, and
//! show that person's home directory in every backtrace.

mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

pub use self::toolchain::{CARGO_ZIGBUILD_VERSION, ZIG_VERSION};
use crate::topology::Architecture;

/// The package with the function, and its binary.
const PACKAGE: &str = "function";
const BINARY: &str = "bootstrap";

/// Why there is no binary.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the source of the function is not here: {} is not a checkout of Sitefence", looked_at.display())]
    NoSource { looked_at: PathBuf },
    #[error("the program `{program}` is not installed")]
    NoProgram { program: &'static str },
    #[error("the Rust target {target} is not installed")]
    NoTarget { target: &'static str },
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: String },
    #[error("`{command}` cannot be started")]
    Unstartable {
        command: String,
        #[source]
        source: std::io::Error,
    },
    #[error("there is no place for tools: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    #[error("cargo built no `{BINARY}`")]
    NoBinary,
    #[error("the binary {} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl BuildError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSource { .. } => {
                "name a checkout with --source, or a zip that was built elsewhere with --function-zip".into()
            }
            Self::NoProgram { program: "cargo" } => {
                "install Rust from https://rustup.rs, or give a zip with --function-zip".into()
            }
            Self::NoProgram { program } => format!("install {program}, or give a zip with --function-zip"),
            Self::NoTarget { target } => format!(
                "rustup is not installed, so it cannot add it; install the standard library of {target} the way Rust \
                 was installed"
            ),
            Self::Failed { .. } => {
                "the lines above say why; --function-zip takes a zip that was built elsewhere".into()
            }
            Self::NoCache => "set XDG_CACHE_HOME to a directory that may be written to".into(),
            Self::Unstartable { .. } | Self::NoBinary | Self::Unreadable { .. } => return None,
        })
    }
}

/// How much the compiler tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// What is deployed: small, whatever it takes.
    #[default]
    Release,
    /// What tests and the demo deploy: the same without fat LTO.
    Quick,
}

impl Profile {
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Quick => "quick",
        }
    }
}

/// The Rust target of a processor.
pub const fn target(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "aarch64-unknown-linux-musl",
        Architecture::X86_64 => "x86_64-unknown-linux-musl",
    }
}

/// Builds the function from `source` (a checkout; found if not given) and returns the binary.
pub async fn build(
    architecture: Architecture,
    profile: Profile,
    source: Option<&Path>,
    say: impl Fn(&str),
) -> Result<Vec<u8>, BuildError> {
    let source = find_source(source)?;
    let target = target(architecture);
    toolchain::require_cargo().await?;
    toolchain::require_target(&source, target, &say).await?;
    let path_variable = toolchain::require_zig(&say).await?;

    say(&format!(
        "building the function for {architecture} (profile {})",
        profile.name()
    ));
    let mut command = toolchain::bare("cargo");
    command
        .args(["zigbuild", "--locked", "--package", PACKAGE, "--bin", BINARY])
        .args(["--target", target, "--profile", profile.name()])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(&source)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&source, profile))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if profile == Profile::Release {
        command.args(["--features", "shipped"]);
    }
    if let Some(path) = path_variable {
        command.env("PATH", path);
    }
    let shown = format!(
        "cargo zigbuild --package {PACKAGE} --target {target} --profile {}",
        profile.name()
    );
    let mut child = command.spawn().map_err(|source| BuildError::Unstartable {
        command: shown.clone(),
        source,
    })?;
    let mut executable = None;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            executable = built_executable(&line).or(executable);
        }
    }
    let status = child.wait().await.map_err(|source| BuildError::Unstartable {
        command: shown.clone(),
        source,
    })?;
    if !status.success() {
        return Err(BuildError::Failed {
            command: shown,
            status: status.to_string(),
        });
    }
    let path = executable.ok_or(BuildError::NoBinary)?;
    std::fs::read(&path).map_err(|source| BuildError::Unreadable { path, source })
}

/// The binary's path, if this is cargo's message about it.
fn built_executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_artifact =
        message.get("reason")? == "compiler-artifact" && message.get("target")?.get("name")? == BINARY;
    if !is_artifact {
        return None;
    }
    message.get("executable")?.as_str().map(PathBuf::from)
}

/// Takes this machine's directories out of the paths that panics and backtraces name.
fn rust_flags(source: &Path, profile: Profile) -> String {
    let mut flags = vec![format!("--remap-path-prefix={}=sitefence", source.display())];
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    if profile == Profile::Release {
        // Nothing unwinds in what is shipped (Cargo.toml says why), so it need not carry the tables.
        flags.push("-Cforce-unwind-tables=no".to_owned());
    }
    flags.join("\u{1f}")
}

fn find_source(given: Option<&Path>) -> Result<PathBuf, BuildError> {
    if let Some(given) = given {
        let given = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        return if is_source(&given) {
            Ok(given)
        } else {
            Err(BuildError::NoSource { looked_at: given })
        };
    }
    let here = std::env::current_dir().unwrap_or_default();
    // Empty in a program that carries the function: it came from elsewhere.
    let compiled_in = Some(Path::new(env!("SITEFENCE_SOURCE"))).filter(|path| path.is_absolute());
    here.ancestors()
        .chain(compiled_in)
        .find(|directory| is_source(directory))
        .map(Path::to_path_buf)
        .ok_or(BuildError::NoSource { looked_at: here })
}

/// Whether a directory is the workspace: other projects have a `function` too, but not these three together.
fn is_source(directory: &Path) -> bool {
    ["Cargo.lock", "function/Cargo.toml", "function/fencing/Cargo.toml"]
        .iter()
        .all(|file| directory.join(file).is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cargo_s_messages_tell_where_the_binary_is() {
        let artifact = r#"{"reason":"compiler-artifact","target":{"name":"bootstrap","kind":["bin"]},"executable":"/t/bootstrap"}"#;
        assert_eq!(built_executable(artifact), Some(PathBuf::from("/t/bootstrap")));
        for other in [
            r#"{"reason":"compiler-artifact","target":{"name":"function"},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "   Compiling function v0.1.0",
            "",
        ] {
            assert_eq!(built_executable(other), None, "{other}");
        }
    }

    #[test]
    fn a_directory_without_the_function_is_no_source() {
        let directory = tempfile::tempdir().unwrap();
        let error = find_source(Some(directory.path())).unwrap_err();
        assert!(matches!(error, BuildError::NoSource { .. }));
        assert!(error.hint().unwrap().contains("--function-zip"));
        assert!(is_source(&find_source(None).unwrap()));
    }
}
