//! Ctrl-C, once: finish the current call, then stop and say how to go on. Twice, or while a question waits for its
//! answer: stop at once. SIGTERM counts as Ctrl-C, and so does a terminal that is gone, but only the first time: a shell that
//! hangs up says so to its jobs once more, and what a drill took down has to come up again.
//!
//! What AWS was asked to do goes on there either way; the next run finds it and waits for it.

use std::time::Duration;

use tokio::sync::watch;

use super::console::Console;
use super::failure::Failure;

/// What a shell reports for a program that Ctrl-C ended.
const EXIT_BY_SIGNAL: i32 = 130;

/// Whether someone wants to stop.
#[derive(Debug, Clone)]
pub struct Interrupt {
    wanted: watch::Receiver<bool>,
}

impl Interrupt {
    pub fn listen(console: Console) -> Self {
        let (sender, wanted) = watch::channel(false);
        tokio::spawn(async move {
            let hangs_up = !hangups_are_ignored();
            if signal(hangs_up).await.is_err() {
                // Without a handler the signal ends the process, which is as safe, only less polite.
                return;
            }
            if console.is_asking() {
                // The question's line is left as it stands; the shell's prompt begins a new one.
                console.say("");
                std::process::exit(EXIT_BY_SIGNAL);
            }
            let under_way = console.under_way();
            let at = if under_way.is_empty() {
                String::new()
            } else {
                format!(" ({})", under_way.join("; "))
            };
            console.say(&format!(
                "stopping after the current call{at}; Ctrl-C again to stop at once"
            ));
            // Nobody listens any more when the work has ended meanwhile.
            let _ = sender.send(true);
            if signal(false).await.is_ok() {
                std::process::exit(EXIT_BY_SIGNAL);
            }
        });
        Self { wanted }
    }

    /// Fails if someone wants to stop.
    pub fn check(&self) -> Result<(), Failure> {
        if *self.wanted.borrow() {
            Err(Failure::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Sleeps, but not through an interrupt.
    pub async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        let mut wanted = self.wanted.clone();
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            // The sender lives as long as the runtime; if it is gone, so is the reason to wait.
            _ = wanted.wait_for(|wanted| *wanted) => self.check(),
        }
    }
}

/// Somebody wants to stop. Once hangups are listened for, one never ends the process any more.
#[cfg(unix)]
async fn signal(hangs_up: bool) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // A CI job that is cancelled gets SIGTERM and deserves the same care.
    let mut terminated = signal(SignalKind::terminate())?;
    if !hangs_up {
        return tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminated.recv() => Ok(()),
        };
    }
    let mut hung_up = signal(SignalKind::hangup())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal(_hangs_up: bool) -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Whether the person who started this program wants it to outlive the terminal, as `nohup` does. A handler would end that. Where
/// it cannot be known, no handler is set either.
fn hangups_are_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores_hangups(&status))
}

/// The signals that a process ignores, in a mask whose lowest bit is SIGHUP.
fn ignores_hangups(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_started_outlives_its_terminal() {
        for (status, ignores) in [
            ("Name:\tprovision\nSigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001001\nSigCgt:\t0\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigIgn:\t0000000000000000\n", false),
            ("nothing of that", true),
        ] {
            assert_eq!(ignores_hangups(status), ignores, "{status}");
        }
    }
}
