//! Carrying out a decision: out of the accelerator, then replication cut at the survivor, both read back.
//!
//! Every step is absolute and may be done twice, late, or by two executors. What a call answered never
//! counts; what is read afterwards does. No call goes to the fenced site.

use super::evidence::only_observed;
use super::held::Held;
use super::script::{Halt, Position, Script};
use super::{Call, Fault};
use crate::accelerator::{Group, GroupOutcome, Outcome, Reading};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Decision, Record, State};
use crate::replication::Backup;
use crate::settings::Settings;
use crate::words::SiteName;

/// Takes over a decision under way, unless somebody else is at work.
pub(super) fn claim(script: &mut Script<'_>, record: &Record, by: &str) -> Result<Record, Halt> {
    unclaimed(script, record)?;
    only_observed(script, &format!("carry out epoch {}: {by}", record.epoch))?;
    let by = format!("{by} (request {})", script.executor());
    let claimed = Record {
        claim: script.fresh_claim(),
        waiting: false,
        ..record.revised(&by, script.now())
    };
    script.write(claimed)
}

/// Refuses while somebody else is at work.
pub(super) fn unclaimed(script: &Script<'_>, record: &Record) -> Result<(), Halt> {
    let executor = script.executor();
    let ttl_seconds = script.settings.claim.ttl_seconds();
    if let Some(other) = record.claimed_by_another(&executor, script.now(), ttl_seconds) {
        let sentence = format!(
            "epoch {} is {} and request {} is at work on it until {}",
            record.epoch, record.state, other.owner, other.until
        );
        return Err(Halt::Answer(Answer::new(Status::Retry, sentence)));
    }
    Ok(())
}

/// Brings a claimed decision to its end, and returns the record as complete.
///
/// `reading` is what this invocation saw of the accelerator. For a decision just taken it is the evidence,
/// and only what differs gets written. A decision that is resumed is written whole: a reading may lag behind
/// an earlier epoch, and show a survivor that this epoch has taken out. Once it is out of the accelerator, a
/// reading tells whether people have put it back meanwhile.
pub(super) fn complete(
    script: &mut Script<'_>,
    record: Record,
    reading: Option<&Reading>,
) -> Result<Record, Halt> {
    let decision = decision_of(script, &record)?;
    let (at, backup) = (decision.survivor.0.clone(), decision.fenced.0.clone());
    let state = record.state;
    let mut held = Held::new(record);
    match (state, reading) {
        (State::Decided, evidence) => balance(script, &mut held, &decision, evidence)?,
        (_, Some(reading)) if !reading.serves_alone(script.settings, &decision.outcome, &at) => {
            balance(script, &mut held, &decision, None)?;
        }
        _ => {}
    }
    if state == State::Decided {
        let isolated = Record {
            state: State::Isolated,
            claim: script.fresh_claim(),
            ..held.record.revised(&held.record.by, script.now())
        };
        // The register is written beside the next step, not before it: the survivor's users are waiting.
        held.write_beside(script, isolated);
    }
    let cutting = script.start(Call::TakeOffline {
        at: at.clone(),
        backup: backup.clone(),
    });
    let cut = cut(script, &mut held, cutting, &decision)?;
    held.settle(script)?;
    if let Err(fault) = cut {
        let sentence =
            format!("{backup} is out of the accelerator, but replication is not cut at {at}: {fault}");
        script.say(Cause::DependencyFailed, sentence.clone());
        return Err(script.give_up(&held.record, Answer::new(Status::Retry, sentence)));
    }
    if state != State::Decided && reading.is_none() {
        look_again(script, &mut held, &decision)?;
    }
    let record = held.record;
    if record.unsettled {
        let once = Record {
            claim: None,
            ..record.revised(&record.by, script.now())
        };
        let once = script.write(once)?;
        return Err(Halt::Answer(carried_out_once(&once)));
    }
    let again = record.completed;
    let complete = Record {
        state: State::Complete,
        claim: None,
        pushes_cleared: None,
        completed: true,
        ..record.revised(&record.by, script.now())
    };
    let complete = script.write(complete)?;
    // Not before it is written: where the write is lost somebody else completes it, and says so, or another decision has
    // taken its place. The survivor writes again since the cut, and nobody waits for this. What put it right again was
    // said by the executor that set out to.
    if !again {
        let sentence = format!(
            "{} (request {})",
            fenced(&complete, &decision, false),
            script.executor()
        );
        script.say(Cause::Completed, sentence);
    }
    Ok(complete)
}

/// What it means that a decision is carried out; `again` if it was before. Then it is no news who was fenced, and the
/// evidence of that time is none of now.
pub(super) fn fenced(record: &Record, decision: &Decision, again: bool) -> String {
    let (fenced, survivor, epoch) = (&decision.fenced, &decision.survivor, record.epoch);
    if again {
        format!("epoch {epoch} is carried out again: {fenced} is fenced, {survivor} survives")
    } else {
        format!("fenced {fenced}: {}, epoch {epoch}", decision.evidence)
    }
}

/// The accelerator could not be read before the cut, which the survivor's users were waiting for: that it held
/// exactly the survivor was read by the executor before. Nobody may call it complete without having looked.
fn look_again(script: &mut Script<'_>, held: &mut Held, decision: &Decision) -> Result<(), Halt> {
    let asked = script.start(Call::ReadAccelerator);
    held.wait(script, asked)?;
    match script.accelerator(asked)? {
        Ok(reading) if reading.serves_alone(script.settings, &decision.outcome, &decision.survivor.0) => {
            Ok(())
        }
        Ok(_) => balance(script, held, decision, None),
        Err(fault) => {
            let sentence = format!("replication is cut, but the accelerator cannot be read: {fault}");
            script.say(Cause::DependencyFailed, sentence.clone());
            Err(script.give_up(&held.record, Answer::new(Status::Retry, sentence)))
        }
    }
}

/// The answer while something of a broken rejoin may still be on its way.
pub(super) fn carried_out_once(record: &Record) -> Answer {
    let sentence = format!(
        "epoch {} is carried out again; a call of the rejoin that was broken off may still take effect, so the \
         schedule checks once more before it is complete",
        record.epoch
    );
    Answer::new(Status::NotNow, sentence)
}

/// The decision in force. A record that claims to have one and does not is damaged.
pub(super) fn decision_of(script: &mut Script<'_>, record: &Record) -> Result<Decision, Halt> {
    record.decision.clone().ok_or_else(|| {
        let what = format!(
            "it is {} and holds no decision: restore it or release by hand",
            record.state
        );
        script.failed(&Fault {
            whom: "the register".to_owned(),
            what,
        })
    })
}

/// Writes what a decision says into the accelerator, until that holds exactly the survivor.
///
/// Groups that end with someone in them go first, so that no listener is ever without an endpoint. The reply
/// to a write is the first reading; where it is missing or differs, or where it leaves a group unseen that
/// could hold the fenced site, the accelerator is read.
fn balance(
    script: &mut Script<'_>,
    held: &mut Held,
    decision: &Decision,
    evidence: Option<&Reading>,
) -> Result<(), Halt> {
    let outcome = &decision.outcome;
    let (keeping, emptying): (Vec<&GroupOutcome>, Vec<&GroupOutcome>) = to_write(outcome, evidence)
        .into_iter()
        .partition(|write| !write.endpoints.is_empty());
    let mut seen = evidence.cloned().unwrap_or_default();
    for (writes, last) in [(keeping, false), (emptying, true)] {
        let places: Vec<Position> = writes
            .iter()
            .map(|write| script.start(Call::WriteGroup((*write).clone())))
            .collect();
        let mut doubt: Option<Fault> = None;
        for (write, place) in writes.iter().zip(places) {
            held.wait(script, place)?;
            match script.group(place)? {
                Ok(group) => {
                    doubt = doubt.or(disagreement(&group, write));
                    seen = seen.updated(vec![group]);
                }
                Err(fault) => doubt = doubt.or(Some(fault)),
            }
        }
        let settings = script.settings;
        let enough = |reading: &Reading| {
            if last {
                covers_all(settings, reading) && reading.holds_exactly(settings, outcome, &decision.fenced)
            } else {
                // Others are emptied only once those are in.
                writes.iter().all(|write| shows(reading, write))
            }
        };
        if doubt.is_none() && enough(&seen) {
            continue;
        }
        // The reply did not show the outcome; the write may have taken effect all the same.
        let again = script.start(Call::ReadAccelerator);
        held.wait(script, again)?;
        let fault = match script.accelerator(again)? {
            Ok(reading) if enough(&reading) => {
                seen = reading;
                continue;
            }
            Ok(_) => doubt.unwrap_or_else(|| elsewhere(&decision.fenced.0)),
            Err(fault) => doubt.unwrap_or(fault),
        };
        let sentence = format!("the accelerator does not hold exactly the survivor yet: {fault}");
        script.say(Cause::DependencyFailed, sentence.clone());
        return Err(script.give_up(&held.record, Answer::new(Status::Retry, sentence)));
    }
    Ok(())
}

/// Whether every group that could hold a site was seen.
fn covers_all(settings: &Settings, seen: &Reading) -> bool {
    settings
        .found
        .endpoint_group_arns
        .iter()
        .all(|arn| seen.groups.iter().any(|group| group.arn == *arn))
}

fn shows(reading: &Reading, write: &GroupOutcome) -> bool {
    reading
        .groups
        .iter()
        .any(|group| group.arn == write.arn && group.agrees_with(write))
}

/// The groups that were written are right, and still the accelerator as a whole is not.
fn elsewhere(fenced: &SiteName) -> Fault {
    Fault {
        whom: "the accelerator".to_owned(),
        what: format!(
            "somebody changed it meanwhile, or {fenced} is in a listener that was empty when this was decided: take \
             it out there by hand"
        ),
    }
}

/// Which groups to write: those that the decision's evidence showed to differ. When none did, all of them: a
/// reading may lag behind, and a decision is only believed once somebody has written it.
fn to_write<'a>(outcome: &'a Outcome, evidence: Option<&Reading>) -> Vec<&'a GroupOutcome> {
    let differs = |write: &&GroupOutcome| !evidence.is_some_and(|reading| shows(reading, write));
    let differing: Vec<&GroupOutcome> = outcome.groups.iter().filter(differs).collect();
    if differing.is_empty() {
        outcome.groups.iter().collect()
    } else {
        differing
    }
}

fn disagreement(group: &Group, write: &GroupOutcome) -> Option<Fault> {
    (!group.agrees_with(write)).then(|| Fault {
        whom: "the accelerator".to_owned(),
        what: if group.holds_those_of(write) {
            "the survivor is still drained there: its weight or its traffic dial is 0".to_owned()
        } else {
            format!(
                "a group holds {} endpoints, and not the {} that belong there",
                group.endpoints.len(),
                write.endpoints.len()
            )
        },
    })
}

/// Waits for the take-offline just started and reads whether replication is cut; once more if it is not.
fn cut(
    script: &mut Script<'_>,
    held: &mut Held,
    first: Position,
    decision: &Decision,
) -> Result<Result<(), Fault>, Halt> {
    let (at, backup) = (decision.survivor.0.clone(), decision.fenced.0.clone());
    match cut_once(script, held, first, &at, &backup)? {
        Err(Uncut::Still(_)) => {
            let again = script.start(Call::TakeOffline {
                at: at.clone(),
                backup: backup.clone(),
            });
            Ok(cut_once(script, held, again, &at, &backup)?.map_err(Uncut::into_fault))
        }
        // Where Infinispan does not answer, trying again is for the next delivery, not for this one.
        end => Ok(end.map_err(Uncut::into_fault)),
    }
}

enum Uncut {
    /// It answered, and replicates on.
    Still(Fault),
    Unread(Fault),
}

impl Uncut {
    fn into_fault(self) -> Fault {
        match self {
            Self::Still(fault) | Self::Unread(fault) => fault,
        }
    }
}

fn cut_once(
    script: &mut Script<'_>,
    held: &mut Held,
    taking: Position,
    at: &SiteName,
    backup: &SiteName,
) -> Result<Result<(), Uncut>, Halt> {
    held.wait(script, taking)?;
    let switched = script.switched(taking)?.fault();
    let read = script.start(Call::ReadBackup {
        at: at.clone(),
        backup: backup.clone(),
    });
    held.wait(script, read)?;
    Ok(match script.backup(read)? {
        Ok(Backup::Offline) => Ok(()),
        Ok(status) => Err(Uncut::Still(switched.unwrap_or_else(|| Fault {
            whom: format!("{at}'s Infinispan"),
            what: format!("its backup to {backup} is {status} after take-offline"),
        }))),
        Err(fault) => Err(Uncut::Unread(switched.unwrap_or(fault))),
    })
}
