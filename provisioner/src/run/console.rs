//! The person at the other end: messages go to stderr, so that stdout carries data only.
//!
//! On a terminal a bar shows how far things are and the events scroll above it; elsewhere every event is a
//! plain line. Consent is asked for on a terminal only: a pipe cannot agree to anything.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How much is said. A process has one reader, so this is the process's, as a log's level is.
static VOLUME: AtomicU8 = AtomicU8::new(Volume::Usual as u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    Quiet,
    Usual,
    /// And each call, between whose lines no bar can stand.
    Calls,
}

/// Sets how much is said from now on.
pub fn set_volume(volume: Volume) {
    VOLUME.store(volume as u8, Ordering::Relaxed);
}

fn is(volume: Volume) -> bool {
    VOLUME.load(Ordering::Relaxed) == volume as u8
}

#[derive(Debug, Clone)]
pub struct Console {
    is_terminal: bool,
    bar: Arc<Mutex<Option<ProgressBar>>>,
    /// Whether a question waits for its answer.
    asking: Arc<AtomicBool>,
    /// The steps that are under way: one at a time in AWS, one for each cluster.
    under_way: Arc<Mutex<Vec<String>>>,
}

/// Nobody is there who could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTerminal;

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            bar: Arc::new(Mutex::new(None)),
            asking: Arc::new(AtomicBool::new(false)),
            under_way: Arc::default(),
        }
    }

    fn with_bar<T>(&self, act: impl FnOnce(&mut Option<ProgressBar>) -> T) -> T {
        // A thread that panicked while holding it left no half-done bar.
        act(&mut self.bar.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn say(&self, line: &str) {
        self.with_bar(|bar| match bar {
            Some(bar) => bar.println(line),
            // Messages that nobody can read must not stop the work: a closed stderr is no error.
            None => {
                let _ = writeln!(anstream::stderr(), "{line}");
            }
        });
    }

    /// Says how far things are, unless that is not wanted.
    pub fn progress(&self, line: &str) {
        if !is(Volume::Quiet) {
            self.say(line);
        }
    }

    pub fn begin(&self, steps: usize) {
        if !self.is_terminal || steps == 0 || !is(Volume::Usual) {
            return;
        }
        let bar = ProgressBar::new(steps as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} [{bar:20}] {pos}/{len} {wide_msg} {elapsed}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        self.with_bar(|slot| *slot = Some(bar));
    }

    /// Says which step is next.
    pub fn step(&self, text: &str) {
        self.with_steps(|steps| steps.push(text.to_owned()));
        if is(Volume::Quiet) {
            return;
        }
        self.with_bar(|bar| match bar {
            Some(bar) => {
                bar.set_message(text.to_owned());
                bar.println(text);
            }
            None => {
                let _ = writeln!(anstream::stderr(), "{text}");
            }
        });
    }

    fn with_steps<T>(&self, act: impl FnOnce(&mut Vec<String>) -> T) -> T {
        act(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is being done just now.
    pub fn under_way(&self) -> Vec<String> {
        self.with_steps(|steps| steps.clone())
    }

    /// A step is done; `text` is what was said when it began, if anything was.
    pub fn done(&self, text: Option<&str>) {
        self.with_steps(|steps| steps.retain(|step| Some(step.as_str()) != text));
        self.with_bar(|bar| {
            if let Some(bar) = bar {
                bar.inc(1);
            }
        });
    }

    /// All steps are done, or no more will be.
    pub fn end(&self) {
        if let Some(bar) = self.with_bar(Option::take) {
            bar.finish_and_clear();
        }
    }

    /// Whether a question waits for its answer: then nothing is under way that would have to be finished first.
    pub fn is_asking(&self) -> bool {
        self.asking.load(Ordering::SeqCst)
    }

    /// Whether somebody is there who could be asked.
    pub fn can_ask(&self) -> bool {
        self.is_terminal && std::io::stdin().is_terminal()
    }

    /// Asks a question and reads one line.
    pub fn ask(&self, question: &str) -> Result<String, NoTerminal> {
        if !self.can_ask() {
            return Err(NoTerminal);
        }
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{question} ");
        let _ = stderr.flush();
        let mut answer = String::new();
        self.asking.store(true, Ordering::SeqCst);
        let read = std::io::stdin().lock().read_line(&mut answer);
        self.asking.store(false, Ordering::SeqCst);
        match read {
            Ok(_) => Ok(answer.trim().to_owned()),
            Err(_) => Err(NoTerminal),
        }
    }
}
