//! The processes that functions run in.

use std::fs;
use std::io;

use rustix::process::{Pid, Signal, kill_process};

use super::{ACCOUNT, LocalAws, ROOT_KEY};

impl LocalAws {
    /// Kills every process of a function where it stands, as the loss of its machine does: nothing of it runs on,
    /// and nobody is told. The next invocation starts a new one. Says how many there were.
    ///
    /// Who is who is read from `/proc`, so this needs Linux.
    pub fn kill_function(&self, region: &str, name: &str) -> io::Result<usize> {
        let account = if self.key == ROOT_KEY { ACCOUNT } else { &self.key };
        let wanted = [
            format!("MINISTACK_EDITION={}", self.server.nonce),
            format!("AWS_REGION={region}"),
            format!("AWS_LAMBDA_FUNCTION_NAME={name}"),
        ];
        let mut killed = 0;
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let process = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(process) = process.and_then(Pid::from_raw) else {
                continue;
            };
            // Somebody else's process, or one that has ended meanwhile.
            let Ok(environment) = fs::read(entry.path().join("environ")) else {
                continue;
            };
            let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
            let is_wanted = wanted
                .iter()
                .all(|variable| variables.contains(&variable.as_bytes()))
                && variables.iter().any(|variable| is_of(variable, account));
            if is_wanted {
                kill_process(process, Signal::KILL)?;
                killed += 1;
            }
        }
        Ok(killed)
    }
}

/// Whether a variable of a function names its account: the secrets and topics that it is told of do.
fn is_of(variable: &[u8], account: &str) -> bool {
    String::from_utf8_lossy(variable).contains(&format!(":{account}:"))
}
