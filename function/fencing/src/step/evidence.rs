//! What has to be true before a site may be fenced.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::restored::{has_gone_back, not_gone_back};
use super::script::{Halt, Position, Script};
use super::{Call, Fault};
use crate::accelerator::{Mark, Outcome, Reading, Unfit, Waiver, remember};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Decision, Record};
use crate::replication::{self, Sight};
use crate::settings::Mode;
use crate::words::{Fenced, SiteName, Survivor};

/// Another relay node that still sees the other site delays a decision for so long. After that the primary's word
/// counts: its view is what every node's backups go by.
pub const DIVIDED_SECONDS: u32 = 60;

/// A primary relay node that has been running for less and knows of no other relay node may have been shut out of its own
/// site: measured after a kill -9 of the primary, the site missed it after 45 seconds only, and let the new one in 93 to
/// 110 seconds after the kill. Until then that one is a site of its own, and shows no other one however well the link is.
pub const SHUT_OUT_SECONDS: u32 = 120;

/// A division that was noted longer ago than this is another story, and its time starts over. Longer than the longest
/// group interval that a topology may have, else a lasting one would never be decided.
const DIVISION_FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(65);

/// Refuses while an operator's hold or the quiet time after a recovery forbids new decisions.
pub(super) fn allowed(script: &Script<'_>, record: &Record) -> Result<(), Halt> {
    not_held(record)?;
    match record.quiet_until(script.settings, script.now()) {
        None => Ok(()),
        Some(until) => {
            let sentence = format!("no new decision before {until}: a site was brought back only recently");
            Err(Halt::Answer(Answer::new(Status::NotNow, sentence)))
        }
    }
}

/// Refuses while an operator's hold forbids new decisions.
pub(super) fn not_held(record: &Record) -> Result<(), Halt> {
    match &record.hold {
        None => Ok(()),
        Some(hold) => {
            let sentence = format!("held by {} since {}: {}", hold.by, hold.since, hold.reason);
            Err(Halt::Answer(Answer::new(Status::NotNow, sentence)))
        }
    }
}

/// Where nothing is to be written, the end: what would have been done.
pub(super) fn only_observed(script: &Script<'_>, what: &str) -> Result<(), Halt> {
    if script.settings.mode == Mode::Act {
        return Ok(());
    }
    let sentence = format!("would {what}; mode is observe, nothing is done");
    // Alertmanager need not send again what changes nothing; an operator asked for something and did not get it.
    let status = if script.for_an_alert() {
        Status::Done
    } else {
        Status::NotNow
    };
    Err(Halt::Answer(Answer::new(status, sentence)))
}

/// What the site's own Infinispan shows of the other site *now*. Only that is evidence: an alert can be old, and a
/// link can have healed since. The answer is [`Sees`](Sight::Sees), [`Misses`](Sight::Misses) or
/// [`Divided`](Sight::Divided).
pub(super) fn sight(
    script: &mut Script<'_>,
    asked: Position,
    own: &SiteName,
    peer: &SiteName,
) -> Result<Sight, Halt> {
    let views = match script.views(asked)? {
        Ok(views) => views,
        Err(fault) => return Err(script.failed(&fault)),
    };
    let what = match replication::sight(&views, own, peer) {
        known @ (Sight::Sees | Sight::Misses | Sight::Divided) => return Ok(known),
        Sight::Nothing => {
            "its primary relay node did not answer, so nobody knows whether it sees the other site".to_owned()
        }
        Sight::WrongSite => {
            let stray = views.iter().find(|view| view.local_site != own.as_str());
            format!(
                "calls itself `{}`: the endpoint leads to another site",
                stray.map_or("", |view| &view.local_site)
            )
        }
    };
    Err(script.failed(&Fault {
        whom: format!("{own}'s Infinispan"),
        what,
    }))
}

/// The same as the primary has it, [`Sees`](Sight::Sees) or [`Misses`](Sight::Misses): for everything but a new
/// decision, which is not taken in a hurry.
pub(super) fn misses(
    script: &mut Script<'_>,
    asked: Position,
    own: &SiteName,
    peer: &SiteName,
) -> Result<Sight, Halt> {
    Ok(match sight(script, asked, own, peer)? {
        Sight::Divided => Sight::Misses,
        known => known,
    })
}

/// Refuses while the reporter does not miss the other site beyond doubt: it sees it, or another of its relay nodes
/// does and has not done so for [`DIVIDED_SECONDS`] against the primary, or the primary may be shut out of its own site.
pub(super) fn missed(
    script: &mut Script<'_>,
    record: &Record,
    asked: Position,
    own: &SiteName,
    peer: &SiteName,
) -> Result<(), Halt> {
    let seen = sight(script, asked, own, peer)?;
    let now = script.now();
    let noted = record.divided_since.get(own).copied();
    let (noting, sentence) = match seen {
        Sight::Sees => (None, format!("{own} reports {peer} offline but sees it now")),
        Sight::Divided => {
            let since = noted.filter(|since| {
                let lasts = now.duration_since(*since);
                !lasts.is_negative() && lasts <= DIVISION_FORGOTTEN_AFTER
            });
            let since = since.unwrap_or(now);
            if now.duration_since(since) >= SignedDuration::from_secs(DIVIDED_SECONDS.into()) {
                return not_shut_out(script, asked, own, peer);
            }
            let sentence = format!(
                "{own}'s primary relay node does not see {peer}, but another one of its relay nodes does: after \
                 {DIVIDED_SECONDS} seconds of this the primary's view decides"
            );
            (Some(since), sentence)
        }
        _ => return not_shut_out(script, asked, own, peer),
    };
    if noting != noted && script.settings.mode == Mode::Act {
        let others = record.divided_since.iter().filter(|(site, _)| *site != own);
        let mut divided_since: BTreeMap<_, _> = others.map(|(site, at)| (site.clone(), *at)).collect();
        divided_since.extend(noting.map(|since| (own.clone(), since)));
        let signed = format!("{own}'s alert (request {})", script.executor());
        script.write(Record {
            divided_since,
            ..record.revised(&signed, now)
        })?;
    }
    Err(Halt::Answer(Answer::new(Status::NotNow, sentence)))
}

/// Refuses where the primary relay node has only just started and knows of no other relay node. Where it does, a fence is
/// not kept waiting for this question.
///
/// A node that does not say how long it has been running is believed: whether a lost site is fenced must not hang on
/// statistics.
fn not_shut_out(
    script: &mut Script<'_>,
    asked: Position,
    own: &SiteName,
    peer: &SiteName,
) -> Result<(), Halt> {
    let Ok(views) = script.views(asked)? else {
        return Ok(());
    };
    for node in replication::alone(&views) {
        let age = script.start(Call::ReadAge {
            at: own.clone(),
            node: node.clone(),
        });
        if let Ok(Some(seconds)) = script.age(age)?
            && seconds < u64::from(SHUT_OUT_SECONDS)
        {
            let sentence = format!(
                "{own}'s primary relay node {node} does not see {peer}, but it was started {seconds} seconds ago and \
                 knows of no other relay node: it may not have found its own site yet; after {SHUT_OUT_SECONDS} seconds \
                 its view decides"
            );
            return Err(Halt::Answer(Answer::new(Status::NotNow, sentence)));
        }
    }
    Ok(())
}

/// The reading, or the end.
pub(super) fn reading(script: &mut Script<'_>, asked: Position) -> Result<Reading, Halt> {
    match script.accelerator(asked)? {
        Ok(reading) => Ok(reading),
        Err(fault) => Err(script.failed(&fault)),
    }
}

/// Refuses where the accelerator is another deployment's: each has its own register, so both would decide, and
/// together leave nobody in it.
///
/// And refuses where the register has gone back.
///
/// It is the last thing in the way of a fence that somebody is waiting for, and a tag. So one that is gone is no
/// reason to refuse, and one that cannot be read only if the last deep check saw another's: an alarm tells either.
pub(super) fn owned(script: &mut Script<'_>, record: &Record, reading: &Reading) -> Result<(), Halt> {
    not_gone_back(script, record, reading)?;
    let mark = &reading.mark;
    let ours = script.settings.found.owner.clone();
    if ours.is_empty() {
        return Ok(());
    }
    let known = match mark {
        Mark::Absent => return Ok(()),
        Mark::Names(owner) => owner.clone(),
        Mark::Unread(why) => {
            let asked = script.start(Call::ReadMark);
            let seen = match script.marked(asked)? {
                Ok(seen) => seen,
                // It is in the register, without which nothing is decided anyway.
                Err(fault) => return Err(script.failed(&fault)),
            };
            let seen = seen.filter(|seen| seen.counts_at(script.now()));
            match seen.map(|seen| seen.mark) {
                Some(Mark::Names(owner)) => owner,
                Some(_) => return Ok(()),
                None => {
                    let sentence =
                        format!("the accelerator's owner is not known, and it is assumed to be ours: {why}");
                    script.say(Cause::OwnerUnknown, sentence);
                    return Ok(());
                }
            }
        }
    };
    if known == ours {
        return Ok(());
    }
    let sentence = format!(
        "the accelerator belongs to `{known}`, this is `{ours}`: two deployments would empty it between them"
    );
    script.say(Cause::AnothersAccelerator, sentence.clone());
    Err(Halt::Answer(Answer::new(Status::Retry, sentence)))
}

/// Why a decision for this survivor would be refused as things are, from what was read anyway: nothing is asked and nobody
/// hears of it. [`decide`] asks for what this leaves open, and has the last word.
pub(super) fn obstacle(
    script: &Script<'_>,
    record: &Record,
    reading: &Reading,
    survivor: &Survivor,
    fenced: &Fenced,
) -> Option<String> {
    let settings = script.settings;
    let ours = &settings.found.owner;
    if let Mark::Names(owner) = &reading.mark
        && !ours.is_empty()
        && owner != ours
    {
        return Some(format!("the accelerator belongs to `{owner}`"));
    }
    if has_gone_back(script, record, reading) {
        return Some("the register was restored from a backup".to_owned());
    }
    if !settings.may_survive(&survivor.0) {
        return Some(format!("{survivor} is never to be left alone"));
    }
    let unfit = reading.outcome(settings, survivor, fenced, None).err()?;
    Some(format!("{fenced} would not be fenced: {unfit}"))
}

/// On whose word something is decided.
pub(super) struct Because<'a> {
    pub(super) by: &'a str,
    /// The first half of the evidence; what the accelerator shows is added.
    pub(super) reason: &'a str,
    /// Since when the alert has been firing, if it is one.
    pub(super) alerted_at: Option<Timestamp>,
    /// Whether it outweighs that of the administrators who have drained the survivor.
    pub(super) waives_drained: bool,
}

/// What the evidence adds where a decision lets a drained site serve.
pub(super) fn restored(outcome: &Outcome, survivor: &Survivor) -> String {
    if outcome.restores() {
        format!(", {survivor} was drained and gets its weight and its traffic dial back")
    } else {
        String::new()
    }
}

/// Turns complete evidence into a decision in the register, and returns the record as written.
pub(super) fn decide(
    script: &mut Script<'_>,
    record: &Record,
    reading: &Reading,
    survivor: &Survivor,
    fenced: &Fenced,
    because: &Because<'_>,
) -> Result<Record, Halt> {
    owned(script, record, reading)?;
    let settings = script.settings;
    if !settings.may_survive(&survivor.0) {
        // Where nobody else can survive either, the minute's check raises the alarm.
        let sentence = format!(
            "{fenced} is not fenced: {survivor} must never survive alone (`neverSurvivor` in the topology); what \
             {fenced} reports about {survivor} is acted on, and if {fenced} has died, there is `promote`"
        );
        return Err(Halt::Answer(Answer::new(Status::NotNow, sentence)));
    }
    let Because {
        by,
        reason,
        alerted_at,
        ..
    } = because;
    let waiver = because.waives_drained.then_some(Waiver {
        places: &record.places,
    });
    let outcome = match reading.outcome(settings, survivor, fenced, waiver) {
        Ok(outcome) => outcome,
        Err(unfit) => {
            let sentence = format!("{fenced} is not fenced: {unfit}");
            let cause = match unfit {
                Unfit::SurvivorDrained { alone: true, .. } => Cause::OnlyDrainedLeft,
                _ => Cause::Unexplained,
            };
            script.say(cause, sentence.clone());
            return Err(Halt::Answer(Answer::new(Status::NotNow, sentence)));
        }
    };
    let out = if reading.holds(settings, &fenced.0) {
        "both endpoints present".to_owned()
    } else {
        format!("{fenced} already out of the accelerator")
    };
    let restored = restored(&outcome, survivor);
    let evidence = format!("{reason}, {out}{restored}");
    only_observed(script, &format!("fence {fenced}: {evidence}"))?;
    let decision = Decision {
        survivor: survivor.clone(),
        fenced: fenced.clone(),
        outcome,
        by: (*by).to_owned(),
        evidence: evidence.clone(),
        decided_at: script.now(),
        alerted_at: *alerted_at,
    };
    let by = format!("{by} (request {})", script.executor());
    let served = reading.clone().restored(&decision.outcome);
    let decided = Record {
        claim: script.fresh_claim(),
        places: remember(&record.places, &served.places(settings)),
        ..record.decided(decision, &by)
    };
    let written = script.write(decided)?;
    // The request's id finds the function's log of it, from a mail as well.
    let sentence = format!(
        "fencing {fenced}: {evidence}, epoch {} (request {})",
        written.epoch,
        script.executor()
    );
    script.say(Cause::Decided, sentence);
    Ok(written)
}
