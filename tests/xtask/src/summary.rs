//! One line over all test programs of a run: `cargo test` itself tells a result per program only, forty lines
//! among which a failure or a skipped test is easily overlooked.

use std::fmt;

/// What the test programs said so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    programs: u32,
    passed: u32,
    failed: u32,
    ignored: u32,
    names_of_failed: Vec<String>,
    /// What tests said that could not run on this machine, and why.
    skipped: Vec<String>,
}

impl Summary {
    /// Reads one line of `cargo test`'s output.
    pub(crate) fn read(&mut self, line: &str) {
        // test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
        if let Some(result) = line.strip_prefix("test result: ") {
            self.programs += 1;
            for part in result.split([';', '.']) {
                match part.trim().split_once(' ') {
                    Some((count, "passed")) => self.passed += count.parse().unwrap_or(0),
                    Some((count, "failed")) => self.failed += count.parse().unwrap_or(0),
                    Some((count, "ignored")) => self.ignored += count.parse().unwrap_or(0),
                    _ => {}
                }
            }
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.names_of_failed.push(name.to_owned());
        } else if line.starts_with("skipped: ") {
            self.skipped.push(line.to_owned());
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.names_of_failed {
            writeln!(formatter, "failed: {name}")?;
        }
        for line in &self.skipped {
            writeln!(formatter, "{line}")?;
        }
        let Self {
            programs,
            passed,
            failed,
            ignored,
            ..
        } = self;
        write!(
            formatter,
            "tests: {passed} passed, {failed} failed, {ignored} ignored, in {programs} programs"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up_and_failures_are_named() {
        let mut summary = Summary::default();
        for line in [
            "running 3 tests",
            "skipped: the_rule_fires: promtool is not installed",
            "test words::a_name_is_closed ... ok",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test both_sites_report_and_one_survives ... FAILED",
            "test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            summary.read(line);
        }
        assert_eq!(
            summary.to_string(),
            "failed: both_sites_report_and_one_survives\nskipped: the_rule_fires: promtool is not installed\ntests: 6 passed, 1 failed, 1 ignored, in 2 programs"
        );
    }
}
