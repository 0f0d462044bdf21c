//! Runs a command beside two real Kubernetes API servers: `cargo xtask real kubernetes` builds and starts it.

#![allow(clippy::print_stderr)] // why the command could not be run

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use tests::standins::kubernetes::real::{RealServers, VARIABLE};

const USAGE: &str = "usage: kubernetes APISERVER COMMAND [ARGUMENTS]\n\n  \
    APISERVER  the program `kube-apiserver`\n  \
    COMMAND    what to run: it finds the servers by the file that SITEFENCE_REAL_KUBERNETES names";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(server), Some(command)) = (arguments.next(), arguments.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let servers = match RealServers::start(&PathBuf::from(server), 2) {
        Ok(servers) => servers,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut command = Command::new(command);
    command.args(arguments).env(VARIABLE, servers.described());
    match command.status() {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("error: the command cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
