//! One Java program in its namespace: a server, or a gossip router.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::ServersError;
use super::network::Place;

/// Runs a program until standard input is closed, which the kernel does when we are gone.
const ON_A_LEASH: &str = r#""$@" & child=$!; exec >/dev/null 2>&1; cat; kill -9 "$child""#;

/// How long Kubernetes waits for a pod that was asked to end.
const GRACE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Small, and soon started: there are many of them on few processors.
const JAVA: [&str; 4] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xmx320m",
    // As the server's own start script has it.
    "-Djava.net.preferIPv4Stack=true",
];

/// Stand in the arguments for the addresses that a program and its site have when it is started.
pub(super) const DOOR: &str = "{door}";
pub(super) const LINK: &str = "{link}";
pub(super) const MEMBERS: &str = "{members}";

/// A program that can be started, killed, stopped and started again.
#[derive(Debug)]
pub struct Node {
    pub(super) place: Place,
    /// With [`DOOR`], [`LINK`] and [`MEMBERS`] where addresses belong.
    arguments: Vec<String>,
    /// Where the nodes of its site are.
    pub(super) members: String,
    folder: PathBuf,
    running: Option<(Child, Option<ChildStdin>)>,
}

impl Node {
    pub(super) fn new(place: Place, folder: &Path, arguments: Vec<String>) -> Self {
        Self {
            place,
            arguments,
            members: String::new(),
            folder: folder.to_owned(),
            running: None,
        }
    }

    /// Starts it, or starts it again.
    pub fn start(&mut self) -> Result<(), ServersError> {
        let failed = ServersError::files("a server");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(&failed)?;
        let arguments = self.arguments.iter().map(|argument| {
            argument
                .replace(DOOR, &self.place.door)
                .replace(LINK, &self.place.link)
                .replace(MEMBERS, &self.members)
        });
        let mut child = Command::new("sh")
            .args(["-c", ON_A_LEASH, "sh", "nice", "-n", "5", "ip", "netns", "exec"])
            .args([&self.place.namespace, "java"])
            .args(JAVA)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(&failed)?)
            .stderr(log)
            .spawn()
            .map_err(&failed)?;
        let leash = child.stdin.take();
        self.running = Some((child, leash));
        Ok(())
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        if let Some((mut child, leash)) = self.running.take() {
            // Stopped or not: what is killed ends.
            drop(leash);
            let _ = child.wait();
        }
    }

    /// Asks it to end and waits until it has, as a pod is ended; one that does not is killed.
    pub fn stop(&mut self) -> Result<(), ServersError> {
        self.terminate()?;
        let began = Instant::now();
        while !self.pids()?.is_empty() && began.elapsed() < GRACE {
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill();
        Ok(())
    }

    /// Asks it to end, as a rolling restart does.
    pub fn terminate(&self) -> Result<(), ServersError> {
        self.signal(Signal::TERM)
    }

    /// Hangs it: it keeps its connections and answers nothing.
    pub fn hang(&self) -> Result<(), ServersError> {
        self.signal(Signal::STOP)
    }

    pub fn wake(&self) -> Result<(), ServersError> {
        self.signal(Signal::CONT)
    }

    /// Cuts this one off from the other site, alone.
    pub fn cut(&self) -> Result<(), ServersError> {
        self.place.cut()
    }

    pub fn heal(&self) -> Result<(), ServersError> {
        self.place.heal()
    }

    /// Keeps this one and every other that is parted from reaching each other within their site.
    pub(super) fn part(&self) -> Result<(), ServersError> {
        self.place.isolate(true)
    }

    pub(super) fn join(&self) -> Result<(), ServersError> {
        self.place.isolate(false)
    }

    /// Where this process reaches its REST API.
    pub fn authority(&self) -> String {
        format!("{}:11222", self.place.door)
    }

    /// The same where it takes Basic, whatever callers may prove themselves by.
    pub fn aside(&self) -> String {
        format!("{}:11223", self.place.door)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("out.log")
    }

    /// The last that it said, for a failure's report.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<(), ServersError> {
        let failed = ServersError::files("a server's process");
        for pid in self.pids()? {
            match kill_process(pid, signal) {
                // It has ended by itself meanwhile.
                Err(Errno::SRCH) => {}
                other => other.map_err(|error| failed(error.into()))?,
            }
        }
        Ok(())
    }

    fn pids(&self) -> Result<Vec<Pid>, ServersError> {
        let output = Command::new("ip")
            .args(["netns", "pids", &self.place.namespace])
            .output()
            .map_err(ServersError::files("a server's process"))?;
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        let pids = listed.lines().filter_map(|line| line.trim().parse().ok());
        Ok(pids.filter_map(Pid::from_raw).collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
