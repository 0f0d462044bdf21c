//! Ctrl-C, once: finish the current call, then stop and say how to go on. Twice, or while a question waits for its
//! answer: stop at once.
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
            if signal().await.is_err() {
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
            if signal().await.is_ok() {
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

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // A CI job that is cancelled gets SIGTERM and deserves the same care.
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminated.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
