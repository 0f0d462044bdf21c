//! Runs the real `provision` and shows what it says, as it says it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::DemoError;
use super::screen::Screen;

/// `provision`, in a folder and an environment of its own.
#[derive(Debug)]
pub(super) struct Provision {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    brief: bool,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) line: String,
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    pub(super) fn json(&self) -> Result<Value, DemoError> {
        serde_json::from_str(&self.stdout).map_err(|_| DemoError::Output {
            command: self.line.clone(),
            what: "JSON",
            output: self.stdout.clone(),
        })
    }

    /// For a claim that turned out to be untrue.
    pub(super) fn seen(&self) -> String {
        format!(
            "`{}` ended with {:?}\n{}{}",
            self.line, self.code, self.stderr, self.stdout
        )
    }
}

impl Provision {
    pub(super) fn new(program: &Path, folder: &Path, environment: Vec<(String, String)>) -> Self {
        Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            environment,
            brief: false,
        }
    }

    /// Leaves out of its talk what is said of single resources.
    pub(super) fn briefly(mut self) -> Self {
        self.brief = true;
        self
    }

    /// Runs it. Its talk is shown line by line; its data, which would be the next program's input, is kept.
    pub(super) async fn run(&self, screen: &Screen, arguments: &[&str]) -> Result<Ran, DemoError> {
        let line = format!("provision {}", arguments.join(" "));
        screen.command(&line);
        let mut child = Command::new(&self.program)
            .args(arguments)
            .current_dir(&self.folder)
            // Nothing of the reader's own AWS account may come in, neither profile nor credentials.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("COLUMNS", "74")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(DemoError::file(&self.program))?;
        let (out, talk) = (child.stdout.take(), child.stderr.take());
        let keep = async {
            let mut data = String::new();
            match out {
                Some(mut out) => out.read_to_string(&mut data).await.map(|_| data),
                None => Ok(data),
            }
        };
        let show = async {
            let mut said = String::new();
            if let Some(talk) = talk {
                let mut lines = BufReader::new(talk).lines();
                let mut folded = Folded::default();
                while let Some(line) = lines.next_line().await? {
                    let is_detail = line.is_empty() || line.starts_with("  ");
                    // The same at each run, and shown at the top.
                    let is_place = line.starts_with("AWS_ENDPOINT_URL");
                    let shown = if (self.brief && is_detail) || is_place {
                        Vec::new()
                    } else {
                        folded.next(&line)
                    };
                    for line in shown {
                        screen.quote(&line);
                    }
                    said.push_str(&line);
                    said.push('\n');
                }
                if let Some(last) = folded.end() {
                    screen.quote(&last);
                }
            }
            Ok(said)
        };
        let (stdout, stderr, status) =
            tokio::try_join!(keep, show, child.wait()).map_err(DemoError::file(&self.program))?;
        Ok(Ran {
            line,
            code: status.code(),
            stdout,
            stderr,
        })
    }
}

/// Folds what would push everything else off the screen: CloudFormation's events, two for each resource, and the
/// resources of a stack that goes.
#[derive(Debug, Default)]
struct Folded {
    what: &'static str,
    count: usize,
}

impl Folded {
    /// What to show when `line` comes: that line, or nothing yet.
    fn next(&mut self, line: &str) -> Vec<String> {
        let what = match line.strip_prefix("  ").map(str::trim_start) {
            Some(text)
                if ["CREATE_", "UPDATE_", "DELETE_"]
                    .iter()
                    .any(|it| text.starts_with(it)) =>
            {
                "events"
            }
            Some(text) if text.starts_with("- AWS::") => "resources",
            _ => {
                return self.end().into_iter().chain([line.to_owned()]).collect();
            }
        };
        let ended = if what == self.what { None } else { self.end() };
        self.what = what;
        self.count += 1;
        ended.into_iter().collect()
    }

    fn end(&mut self) -> Option<String> {
        let (what, count) = (self.what, std::mem::take(&mut self.count));
        (count > 0).then(|| format!("      … {count} {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_resources_are_counted_and_all_else_is_shown() {
        let mut folded = Folded::default();
        let mut shown: Vec<String> = Vec::new();
        for line in [
            "to be removed: demo",
            "  - the-stack  delete: destroy",
            "      - AWS::S3::Bucket b",
            "      - AWS::SNS::Topic t",
            "eu-west-1: deleting the-stack",
            "  DELETE_IN_PROGRESS           AWS::S3::Bucket b",
        ] {
            shown.extend(folded.next(line));
        }
        shown.extend(folded.end());
        assert_eq!(
            shown,
            [
                "to be removed: demo",
                "  - the-stack  delete: destroy",
                "      … 2 resources",
                "eu-west-1: deleting the-stack",
                "      … 1 events",
            ]
        );
    }
}
