//! A suspicion: a site's monitoring sees the other out of view, and nobody has waited yet to see whether that lasts.
//!
//! ```text
//!   [register ∥ endpoint groups ∥ the reporter's view ∥ who saw the other site last]
//!     ├─ anything against a fence, or nobody is known to have seen it ──▶ left to SiteOffline
//!     └─ wait, look, wait, look …            nothing is written, no claim is taken
//!          ├─ seen, silent, another node, seen by another relay node at last ──▶ left to SiteOffline
//!          └─ at last [view ∥ register ∥ endpoint groups], then how long the node has been running
//!               └─ as an alert: decide, carry out
//! ```
//!
//! `SiteOffline` waits in Prometheus, where evaluations, a group's wait and its interval come on top of the
//! wait itself. This one arrives at once, and the function waits itself: it asks the same node again and again, and
//! decides only if that has missed the other site all along.
//!
//! `SiteOffline` is the fallback for everything. So whatever keeps this from a decision is no failure: the answer is 200,
//! because Alertmanager counts any other as a notification that failed, and the alert that is counted comes seconds later.
//! For the same reason it notes nothing and raises no alarm; those belong to the alert. Only where the register or the
//! accelerator does not answer, or somebody else is at work, it is 503 as for an alert: then the alert would fail, too.
//!
//! **A node that has just become its site's relay node must not convict.** Until it has joined the bridge it shows no
//! other site: up to twenty seconds, where the node before it died as the bridge's coordinator. Such a view lasts as long
//! as a lost link's and looks like it. So the node has to be one that the deep check has seen with the other site in
//! view, and it has to have been running since before that: a node that was restarted may have its old name.
//!
//! **A site with one relay node is out of view whenever that is restarted**, however good the witness. So the suspect has
//! to have two of them, as the same check has counted; nobody asks the suspect now.

use jiff::{SignedDuration, Timestamp};

use super::alert::{fence, ours, rejoining, resume};
use super::evidence::{Because, allowed, obstacle, reading};
use super::script::{Halt, Position, Script};
use super::{Call, Fault};
use crate::answer::{Answer, Status};
use crate::contract::alert::LEFT;
use crate::health::{LOOK_WITHIN_SECONDS, RelayWitness};
use crate::register::{Record, State};
use crate::replication::{Sight, primary, sight};
use crate::words::{Fenced, Reporter, Survivor, Suspect};

/// So much of the time before an alert arrived counts. Its beginning comes from another clock.
const BEFORE_AT_MOST: SignedDuration = SignedDuration::from_secs(2);

/// The fewest times that are looked.
const LOOKS_AT_LEAST: u32 = 3;

/// Between two of them passes so much at least, and no more than that.
const APART_AT_LEAST: u32 = 1000;
const APART_AT_MOST: u32 = 2000;

/// Looks may take so much longer than the longest that are meant: each waits a moment for a relay node that hangs. After
/// that a fence could come too late.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// What a function's timeout has to leave beside the suspicion itself: [`LATE_AFTER`], and a fence with its answer.
pub const ROOM_SECONDS: u32 = 8;

/// A site with fewer relay nodes is out of view whenever its only one is restarted: measured, 11 to 13 seconds with a
/// `kill -9` and an immediate start. Of 118 restarts of one of two, one `kill -9` got the site fenced.
const RELAYS_AT_LEAST: u32 = 2;

/// The check asks the nodes up to so long before it writes down when it did.
const CHECK_TAKES: SignedDuration = SignedDuration::from_secs(LOOK_WITHIN_SECONDS as i64 + 1);

pub(super) fn suspicion(
    script: &mut Script<'_>,
    reporter: &Reporter,
    suspect: &Suspect,
    since: Option<Timestamp>,
) -> Result<Answer, Halt> {
    let suspicion = Suspicion {
        reporter,
        suspect,
        since,
        arrived: script.now(),
    };
    match suspicion.judge(script) {
        Ok(answer) | Err(Halt::Answer(answer)) if answer.status == Status::NotNow => {
            Ok(left(&answer.sentence))
        }
        end => end,
    }
}

fn left(sentence: &str) -> Answer {
    Answer::new(Status::Done, format!("{LEFT}: {sentence}"))
}

fn leave<T>(sentence: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Answer(Answer::new(Status::NotNow, sentence)))
}

struct Suspicion<'a> {
    reporter: &'a Reporter,
    suspect: &'a Suspect,
    since: Option<Timestamp>,
    arrived: Timestamp,
}

/// What was asked for at the beginning.
struct Opening {
    accelerator: Position,
    view: Position,
    witnesses: Position,
}

/// The result of looking: the reporter misses the suspect.
struct Missed {
    /// Read with the last look.
    accelerator: Position,
    /// How often that was, for how long, in the words of the evidence.
    told: String,
}

impl Suspicion<'_> {
    fn judge(&self, script: &mut Script<'_>) -> Result<Answer, Halt> {
        let Self {
            reporter, suspect, ..
        } = self;
        ours(script, reporter, suspect)?;
        self.possible(script)?;
        let register = script.start(Call::ReadRegister);
        let asked = Opening {
            accelerator: script.start(Call::ReadAccelerator),
            view: self.look(script),
            witnesses: script.start(Call::ReadWitnesses),
        };
        let record = script.register(register)?;
        let by = format!("{reporter}'s suspicion");
        let mut missed = None;
        script.rounds(record, |script, record| match record.state {
            State::Open => self.open(script, record, &asked, &mut missed, &by),
            State::Decided | State::Isolated => {
                let last = missed
                    .as_ref()
                    .map_or(asked.accelerator, |missed: &Missed| missed.accelerator);
                resume(script, record, last, reporter, &by)
            }
            State::Complete => {
                let fenced = record.fenced().map_or_else(String::new, ToString::to_string);
                leave(format!("{fenced} is fenced, epoch {}", record.epoch))
            }
            State::Rejoining => Ok(rejoining(record)),
        })
    }

    /// Refuses where the function is not meant to look, or could not end in time.
    fn possible(&self, script: &Script<'_>) -> Result<(), Halt> {
        let settings = script.settings;
        let (seconds, timeout) = (settings.suspicion_seconds, settings.timeout_seconds);
        if seconds == 0 {
            return leave("suspicions are switched off");
        }
        if seconds.saturating_add(ROOM_SECONDS) > timeout {
            let sentence = format!(
                "a check of {seconds} seconds and a fence do not fit into the function's timeout of \
                         {timeout} seconds"
            );
            return leave(sentence);
        }
        Ok(())
    }

    fn look(&self, script: &mut Script<'_>) -> Position {
        script.start(Call::ReadView {
            at: self.reporter.0.clone(),
        })
    }

    fn open(
        &self,
        script: &mut Script<'_>,
        record: &Record,
        asked: &Opening,
        missed: &mut Option<Missed>,
        by: &str,
    ) -> Result<Answer, Halt> {
        let Self {
            reporter, suspect, ..
        } = self;
        allowed(script, record)?;
        if missed.is_none() {
            self.nothing_against(script, record, asked.accelerator)?;
            let (looked, newer) = self.miss(script, asked)?;
            *missed = Some(looked);
            if newer != *record {
                // What was seen holds all the same; what it means the newer one says.
                return Err(Halt::Rerun(Box::new(newer)));
            }
        }
        let Some(Missed { accelerator, told }) = missed else {
            return leave("nothing was checked");
        };
        self.nothing_against(script, record, *accelerator)?;
        let reading = reading(script, *accelerator)?;
        let because = Because {
            by,
            reason: told,
            alerted_at: self.since,
            waives_drained: false,
        };
        fence(script, record, &reading, reporter, suspect, &because)
    }

    /// Refuses where looking longer would be for nothing: the decision would be refused.
    fn nothing_against(
        &self,
        script: &mut Script<'_>,
        record: &Record,
        accelerator: Position,
    ) -> Result<(), Halt> {
        let reading = reading(script, accelerator)?;
        let (survivor, fenced) = (Survivor(self.reporter.0.clone()), Fenced(self.suspect.0.clone()));
        match obstacle(script, record, &reading, &survivor, &fenced) {
            None => Ok(()),
            Some(sentence) => leave(sentence),
        }
    }

    /// Looks until the suspect has been missing for long enough, and returns the register as it is then.
    fn miss(&self, script: &mut Script<'_>, asked: &Opening) -> Result<(Missed, Record), Halt> {
        let (node, _) = self.misses(script, asked.view)?;
        let witness = self.witness(script, asked.witnesses, &node)?;
        let settings = script.settings;
        let planned = pauses(self.since, self.arrived, settings.suspicion_seconds);
        // Where another relay node lags behind, there is time for some more looks.
        let most = settings.timeout_seconds.saturating_sub(ROOM_SECONDS) * 1000;
        let more = most.saturating_sub(planned.iter().sum()) / APART_AT_LEAST;
        let extra = std::iter::repeat_n(APART_AT_LEAST, usize::try_from(more).unwrap_or_default());
        let (mut whole, mut looks, mut found) = (0_u32, 1, None);
        // Who objects may only be silent for once: then two looks have to find nobody that does.
        let mut clear = 2;
        for pause in planned.iter().copied().chain(extra) {
            script.pass(pause)?;
            (whole, looks) = (whole + pause, looks + 1);
            let view = self.look(script);
            let last = (looks > planned.len()).then(|| {
                let register = script.start(Call::ReadRegister);
                (register, script.start(Call::ReadAccelerator))
            });
            let (now, doubted) = self.misses(script, view)?;
            if now != node {
                let reporter = self.reporter;
                return leave(format!(
                    "{reporter}'s primary relay node changed from {node} to {now} during the check, and only a node \
                     that does not see {} from beginning to end counts",
                    self.suspect
                ));
            }
            self.in_time(script)?;
            clear = if doubted { 0 } else { clear + 1 };
            found = last.filter(|_| clear >= 2);
            if found.is_some() {
                break;
            }
        }
        let Some((register, accelerator)) = found else {
            return leave(format!(
                "{}'s primary relay node does not see {}, but another one of its relay nodes does",
                self.reporter, self.suspect
            ));
        };
        // After the last look: a node that was restarted in between has not missed anybody.
        let age = script.start(Call::ReadAge {
            at: self.reporter.0.clone(),
            node: node.clone(),
        });
        let record = script.register(register)?;
        let age = script.age(age)?;
        self.in_time(script)?;
        self.has_run_since(script, &witness, age)?;
        let told = format!(
            "{} suspects it and did not see it in {looks} checks over {} seconds",
            self.reporter,
            whole / 1000
        );
        Ok((Missed { accelerator, told }, record))
    }

    /// Refuses where a fence could not end in time any more: something hung.
    fn in_time(&self, script: &Script<'_>) -> Result<(), Halt> {
        let most = script.settings.timeout_seconds.saturating_sub(ROOM_SECONDS);
        let most = SignedDuration::from_secs(most.into()) + LATE_AFTER;
        if script.now().duration_since(self.arrived) > most {
            return leave("the check took too long");
        }
        Ok(())
    }

    /// The node that misses the suspect, by one look, and whether another relay node sees it. Relay nodes notice a loss some
    /// seconds apart; what counts is that nobody sees the suspect at last.
    fn misses(&self, script: &mut Script<'_>, asked: Position) -> Result<(String, bool), Halt> {
        let Self {
            reporter, suspect, ..
        } = self;
        let views = match script.views(asked)? {
            Ok(views) => views,
            Err(fault) => return leave(fault.to_string()),
        };
        match sight(&views, &reporter.0, &suspect.0) {
            seen @ (Sight::Misses | Sight::Divided) => match primary(&views) {
                Some(node) => Ok((node.node_address.clone(), seen == Sight::Divided)),
                None => leave(format!(
                    "several nodes of {reporter} call themselves its primary relay node"
                )),
            },
            Sight::Sees => leave(format!("{reporter} sees {suspect} again")),
            Sight::Nothing => leave(format!("{reporter}'s primary relay node did not answer")),
            Sight::WrongSite => leave(format!(
                "the address of {reporter}'s Infinispan leads to another site"
            )),
        }
    }

    /// What is known of this node from before.
    fn witness(&self, script: &mut Script<'_>, asked: Position, node: &str) -> Result<RelayWitness, Halt> {
        let Self {
            reporter, suspect, ..
        } = self;
        let witnesses = match script.witnesses(asked)? {
            Ok(witnesses) => witnesses,
            Err(fault) => return leave(fault.to_string()),
        };
        let now = script.now();
        let of = |site| witnesses.get(site).filter(|witness| witness.counts_at(now));
        match of(&suspect.0) {
            Some(seen) if seen.relays >= RELAYS_AT_LEAST => {}
            Some(_) => {
                return leave(format!(
                    "{suspect} has only one relay node, and its restart looks like a lost site"
                ));
            }
            None => {
                return leave(format!(
                    "it is not known how many relay nodes {suspect} has: if it has only one, its restart looks like a lost site"
                ));
            }
        }
        match of(&reporter.0) {
            Some(witness) if witness.node == node => Ok(witness.clone()),
            _ => leave(format!(
                "{reporter}'s primary relay node, {node}, was not seen with {suspect} in view in the last three \
                 minutes: it may have only just become the primary"
            )),
        }
    }

    /// Refuses where the node may have been restarted since it saw the suspect.
    fn has_run_since(
        &self,
        script: &Script<'_>,
        witness: &RelayWitness,
        age: Result<Option<u64>, Fault>,
    ) -> Result<(), Halt> {
        let node = &witness.node;
        let since = script.now().duration_since(witness.at) + CHECK_TAKES;
        match age {
            Ok(Some(seconds)) if u128::from(seconds) * 1000 >= since.as_millis().unsigned_abs() => Ok(()),
            Ok(Some(seconds)) => leave(format!(
                "{node} was restarted {seconds} seconds ago, and has not been seen with {} in view since",
                self.suspect
            )),
            Ok(None) => leave(format!(
                "{node} does not say how long it has been running: the first of the topology's `caches` keeps no statistics"
            )),
            Err(fault) => leave(fault.to_string()),
        }
    }
}

/// How long to wait before each further look, in milliseconds: together what is left of the suspicion's time.
fn pauses(since: Option<Timestamp>, arrived: Timestamp, seconds: u32) -> Vec<u32> {
    let before = since.map_or(SignedDuration::ZERO, |since| arrived.duration_since(since));
    let before = before.clamp(SignedDuration::ZERO, BEFORE_AT_MOST);
    let whole = SignedDuration::from_secs(seconds.into()) - before;
    let whole = u32::try_from(whole.as_millis()).unwrap_or_default();
    let times = whole.div_ceil(APART_AT_MOST).max(LOOKS_AT_LEAST - 1);
    let each = whole.div_ceil(times).max(APART_AT_LEAST);
    vec![each; usize::try_from(times).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Rows: how long before its arrival the alert began, how long is to be looked, the waits.
    #[test]
    fn looks_are_spread_over_what_is_left_of_the_time() {
        let arrived = Timestamp::from_second(1_000_000).unwrap();
        for (before_ms, seconds, expected) in [
            (Some(0), 6, vec![2000; 3]),
            (None, 6, vec![2000; 3]),
            (Some(700), 6, vec![1767; 3]),
            // No more than two seconds count, whatever the site's clock says …
            (Some(3_600_000), 6, vec![2000; 2]),
            // … and none where it is ahead.
            (Some(-3_600_000), 6, vec![2000; 3]),
            // Three looks at least, a second apart at least.
            (Some(0), 1, vec![1000; 2]),
            (Some(1500), 2, vec![1000; 2]),
            (Some(5000), 2, vec![1000; 2]),
            (Some(0), 3, vec![1500; 2]),
            (Some(0), 12, vec![2000; 6]),
        ] {
            let since = before_ms.map(|before| arrived - SignedDuration::from_millis(before));
            assert_eq!(
                pauses(since, arrived, seconds),
                expected,
                "{before_ms:?} {seconds}"
            );
        }
    }
}
