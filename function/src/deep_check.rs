//! The deep check's driver: takes every look side by side, has them judged, and keeps and reports the result.
//!
//! It runs after the sweep, in the time that the sweep has left: a fence waits for nobody's health. What a
//! look means is decided in [`fencing::health`]; here is only how long each may take.

use std::pin::pin;
use std::time::Duration;

use fencing::health::{
    Checkup, LOOK_WITHIN_SECONDS, LastFailure, Level, Look, Probe, Seen, judge, measured, probes,
};
use fencing::register::Record;
use fencing::settings::Settings;
use fencing::step::Fault;
use futures_util::future::{Either, join, join_all, join3, select};

use crate::run::Budget;
use crate::world::Lookout;

/// Kept back for keeping the result.
const KEEPING: Duration = Duration::from_secs(2);

/// With less than this nothing is looked at: what is cut off half-way would be reported as a failure.
const LEAST: Duration = Duration::from_secs(1);

/// Runs a deep check, if there is time for it. `record` is the register's, where it was read just before, and is not read
/// again; `callers` are the looks at the secrets that callers present, which the handler takes itself; `failed` is what the
/// handler could not do since the check before.
pub async fn deep_check<W: Lookout>(
    settings: &Settings,
    world: &W,
    budget: Budget,
    record: Option<Record>,
    failed: Option<LastFailure>,
    callers: impl Future<Output = Vec<Look>>,
) -> Option<Checkup> {
    let left = budget.left(world.moment());
    let limit = Duration::from_secs(LOOK_WITHIN_SECONDS.into()).min(left.saturating_sub(KEEPING));
    if limit < LEAST {
        tracing::warn!(
            left_ms = millis(left),
            "the schedule's other work has left no time for the deep check"
        );
        return None;
    }
    let stop = world.moment().uptime + limit;
    let known = record.map(|record| Look {
        probe: Probe::Register,
        took_ms: 0,
        seen: Ok(Seen::Register(Some(Box::new(record)))),
    });
    let (sites, others): (Vec<Probe>, Vec<Probe>) = probes(settings)
        .into_iter()
        .filter(|probe| known.is_none() || *probe != Probe::Register)
        .partition(|probe| matches!(probe, Probe::Infinispan { .. }));
    let (certificates, others): (Vec<Probe>, Vec<Probe>) = others
        .into_iter()
        .partition(|probe| matches!(probe, Probe::Certificate { .. }));
    let look = async |probe: Probe| {
        let began = world.moment().uptime;
        let within = stop.saturating_sub(began);
        let seen = match select(pin!(world.look(&probe)), pin!(world.sleep(within))).await {
            Either::Left((seen, _)) => seen,
            Either::Right(_) => Err(late(&probe, within)),
        };
        let took_ms = millis(world.moment().uptime.saturating_sub(began));
        Look { probe, took_ms, seen }
    };
    // The sites are asked with the password that is stored now, so that comes first; the rest is side by side.
    let (with_password, others): (Vec<Probe>, Vec<Probe>) = others
        .into_iter()
        .partition(|probe| *probe == Probe::InfinispanSecret);
    let asked_sites = async {
        let mut looks = join_all(with_password.into_iter().map(&look)).await;
        looks.extend(join_all(sites.into_iter().map(&look)).await);
        // What they have shown of themselves meanwhile.
        looks.extend(join_all(certificates.into_iter().map(&look)).await);
        looks
    };
    let (mut looks, asked_sites, callers) =
        join3(join_all(others.into_iter().map(&look)), asked_sites, callers).await;
    looks.extend(asked_sites);
    looks.extend(callers);
    looks.extend(known);
    world.settle().await;

    let judged = judge(settings, world.moment().wall, &looks);
    let checkup = Checkup {
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        last_failure: failed.or(judged.last_failure),
        ..judged
    };
    say(settings, &checkup);
    for one in measured(&checkup) {
        world.measure(one);
    }
    let enough = world.sleep(budget.left_beside(world.moment()));
    match select(pin!(world.keep(&checkup)), pin!(enough)).await {
        Either::Left((Ok(()), _)) => {}
        Either::Left((Err(fault), _)) => tracing::error!(%fault, "a deep check's result was not stored"),
        Either::Right(_) => tracing::error!("a deep check's result was not stored in time"),
    }
    world.settle().await;
    Some(checkup)
}

/// Times a look that somebody else takes.
pub async fn timed<W: Lookout>(
    world: &W,
    probe: Probe,
    look: impl Future<Output = Result<Seen, Fault>>,
) -> Look {
    let began = world.moment().uptime;
    let seen = look.await;
    Look {
        probe,
        took_ms: millis(world.moment().uptime.saturating_sub(began)),
        seen,
    }
}

/// What fails, a line for each in the log, where alarms send people; and a line for the whole.
fn say(settings: &Settings, checkup: &Checkup) {
    for check in checkup.at_level(Level::Fails) {
        tracing::warn!(
            topology = %settings.topology,
            check = check.name,
            took_ms = check.took_ms,
            hint = check.hint.as_deref().unwrap_or_default(),
            "{}",
            check.found
        );
    }
    let names = |level| {
        let names: Vec<&str> = checkup.at_level(level).map(|check| check.name.as_str()).collect();
        names.join(",")
    };
    tracing::info!(
        topology = %settings.topology,
        failing = names(Level::Fails),
        warnings = names(Level::Warns),
        "checked everything that a fence needs"
    );
}

fn late(probe: &Probe, within: Duration) -> Fault {
    Fault {
        whom: probe.name(),
        what: format!("no answer within {} ms", within.as_millis()),
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Reads what a health check is answered from: the record and what is kept, side by side.
pub async fn look_up<W: Lookout>(
    world: &W,
    within: Duration,
) -> (
    Result<Option<Box<Record>>, Fault>,
    Result<fencing::health::Kept, Fault>,
) {
    let none = || Fault {
        whom: "the register".to_owned(),
        what: format!("no answer within {} ms", within.as_millis()),
    };
    let record = async {
        match world.call(&fencing::step::Call::ReadRegister).await {
            fencing::step::Event::Register(record) => record,
            _ => Err(none()),
        }
    };
    let read = match select(pin!(join(record, world.kept())), pin!(world.sleep(within))).await {
        Either::Left((read, _)) => read,
        Either::Right(_) => (Err(none()), Err(none())),
    };
    world.settle().await;
    read
}
