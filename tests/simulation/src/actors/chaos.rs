//! What nobody asked for: links, deaths, restarts, clocks, secrets, and people who know better.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::accelerator::listener_of;
use fencing::register::State;
use serde_json::json;

use super::{Stage, alert, post};
use crate::layout::{Layout, SITES, USER, balancer};
use crate::reality::{Keycloak, Reality};
use crate::sim::Core;
use crate::watcher::{Circumstance, Kind};

/// What has to be done to the functions' processes.
enum Processes {
    LeftAlone,
    ClockSet,
}

/// Bad luck, every so many seconds at the latest.
pub async fn chaos(stage: Stage, pace: u64) {
    while !stage.calm() {
        stage.sim.pause(5, pace).await;
        if stage.calm() {
            return;
        }
        let now = stage.sim.clock.now();
        let luck = bad_luck(&mut stage.sim.core(), now);
        let Some((what, processes)) = luck else { continue };
        match processes {
            Processes::LeftAlone => {}
            Processes::ClockSet => stage.fleet.set_a_clock(),
        }
        stage.note(|| format!("       {what}"));
    }
}

fn bad_luck(core: &mut Core, now: std::time::Duration) -> Option<(String, Processes)> {
    let index = core.dice.below(2) as usize;
    let choice = core.dice.below(100);
    let reality = &mut core.reality;
    let both_alive = reality.sites[0].alive && reality.sites[1].alive;
    let mut processes = Processes::LeftAlone;
    let what = match choice {
        0..34 => {
            reality.link = !reality.link;
            reality.half = (!reality.link && choice < 6).then_some(index);
            reality.hands.link = Some(now);
            match (reality.link, reality.half) {
                (true, _) => "the link is whole".to_owned(),
                (false, None) => "the link is lost".to_owned(),
                (false, Some(index)) => format!("the link is lost, but {} sees the other", SITES[index]),
            }
        }
        34..40 if both_alive => {
            reality.sites[index].alive = false;
            reality.hands.sites[index] = Some(now);
            format!("{} dies", SITES[index])
        }
        34..50 if !reality.sites[index].alive => {
            reality.revive(index, now);
            format!("{} is back", SITES[index])
        }
        50..56 => {
            reality.sites[index].restart(now);
            reality.hands.sites[index] = Some(now);
            format!("{}'s Infinispan starts anew", SITES[index])
        }
        56..60 => {
            reality.sites[index].slandered = !reality.sites[index].slandered;
            reality.hands.groups = Some(now);
            format!("the accelerator's opinion of {} changes", SITES[index])
        }
        60..64 => {
            reality.password = format!("s3cret-{}", now.as_millis());
            reality.rotated_at = now;
            "the webhook's secret is rotated".to_owned()
        }
        70..76 => {
            let shows = reality.sees_other(index);
            let site = &mut reality.sites[index];
            site.stuck = site.stuck.is_none().then_some(shows);
            let what = if site.stuck.is_some() {
                "stays as it is"
            } else {
                "follows again"
            };
            format!("the view of {}'s second relay node {what}", SITES[index])
        }
        64..70 if !reality.rude => {
            processes = Processes::ClockSet;
            "a clock is set".to_owned()
        }
        _ => return None,
    };
    Some((what, processes))
}

/// People with access to the console and to Infinispan.
pub async fn people(stage: Stage, layout: Layout) {
    while !stage.calm() {
        stage.sim.pause(20, 150).await;
        if stage.calm() {
            return;
        }
        let now = stage.sim.clock.now();
        let what = meddle(&mut stage.sim.core(), layout, now);
        let Some((what, watches)) = what else { continue };
        stage.note(|| format!("       by hand: {what}"));
        if watches {
            // Whoever has just recovered a site looks for a while and touches nothing.
            stage.sim.pause(120, 180).await;
        }
    }
}

/// What was done, and whether that was all there was to do.
fn meddle(core: &mut Core, layout: Layout, now: std::time::Duration) -> Option<(String, bool)> {
    let record = core.reality.register();
    // A recovery takes longer than the schedule's minute; hardly anybody is faster.
    let is_time = record.pushes_are_cleared() || core.dice.permille(200);
    let recovers = core.reality.link && record.state == State::Complete && is_time && core.dice.permille(800);
    if recovers {
        return recover(core, layout, now).map(|what| (what, true));
    }
    tinker(core, layout, now).map(|what| (what, false))
}

/// The whole recovery, by hand. Not everybody pushes the state, and an earlier push may look like theirs.
fn recover(core: &mut Core, layout: Layout, now: std::time::Duration) -> Option<String> {
    let decision = core.reality.register().decision?;
    let careless = core.dice.permille(150);
    let reality = &mut core.reality;
    let fenced = reality.index(&decision.fenced.0);
    for site in 0..2 {
        reality.sites[site].switch_all(true);
        reality.sites[site].keycloak = Keycloak::Running;
        reality.hands.sites[site] = Some(now);
        reality.hands.keycloak[site] = Some(now);
    }
    if !careless {
        reality.sites[1 - fenced].push_all();
    }
    put_home(reality, layout, fenced, now);
    let how = if careless { ", and no state is pushed" } else { "" };
    Some(format!("{} brought back{how}", SITES[fenced]))
}

fn tinker(core: &mut Core, layout: Layout, now: std::time::Duration) -> Option<String> {
    let record = core.reality.register();
    let choice = core.dice.below(100);
    let index = core.dice.below(2) as usize;
    let reality = &mut core.reality;
    let sites = record
        .decision
        .as_ref()
        .map(|d| (reality.index(&d.survivor.0), reality.index(&d.fenced.0)));
    let Some((survivor, fenced)) = sites else {
        return match choice {
            0..8 => {
                reality.take_out(&balancer(index), now);
                Some(format!("{} out of the accelerator", SITES[index]))
            }
            8..40 => {
                put_home(reality, layout, index, now);
                Some(format!("{} into the accelerator", SITES[index]))
            }
            40..44 => {
                reality.sites[index].switch_all(false);
                reality.hands.sites[index] = Some(now);
                Some(format!("replication off at {}", SITES[index]))
            }
            44..52 => {
                reality.drain(index, layout.two_regions, now);
                Some(format!("{} drained", SITES[index]))
            }
            52..54 => {
                reality.undrain(now);
                Some("nobody drained any more".to_owned())
            }
            _ => None,
        };
    };
    match choice {
        0..10 => {
            put_home(reality, layout, fenced, now);
            Some(format!("{} back into the accelerator", SITES[fenced]))
        }
        10..18 => {
            reality.sites[survivor].switch_all(true);
            reality.hands.sites[survivor] = Some(now);
            Some(format!("replication on at {}", SITES[survivor]))
        }
        36..38 => {
            reality.take_out(&balancer(survivor), now);
            Some(format!("{} out of the accelerator", SITES[survivor]))
        }
        38..44 => {
            put_home(reality, layout, survivor, now);
            Some(format!("{} into the accelerator", SITES[survivor]))
        }
        44..48 => {
            reality.put_in(reality.groups.len() - 1, &balancer(fenced), now);
            Some(format!("{} into the last group", SITES[fenced]))
        }
        48..50 => {
            reality.put_in(0, "arn:of:a:stranger", now);
            Some("a stranger into the first group".to_owned())
        }
        50..54 => {
            reality.take_out("arn:of:a:stranger", now);
            Some("the stranger out".to_owned())
        }
        54..58 => {
            reality.sites[fenced].keycloak = Keycloak::Running;
            reality.hands.keycloak[fenced] = Some(now);
            Some(format!("Keycloak of {} started", SITES[fenced]))
        }
        _ => None,
    }
}

fn put_home(reality: &mut Reality, layout: Layout, index: usize, now: std::time::Duration) {
    for group in layout.home(index) {
        reality.put_in(group, &balancer(index), now);
    }
}

/// The fenced site's balancer goes where it belongs.
pub fn put_back(core: &mut Core, layout: Layout, now: std::time::Duration) {
    let reality = &mut core.reality;
    if let Some(fenced) = reality.register().fenced().map(|name| reality.index(name)) {
        put_home(reality, layout, fenced, now);
    }
}

pub async fn strangers(stage: Stage) {
    while !stage.calm() {
        stage.sim.pause(20, 200).await;
        let choice = stage.sim.core().dice.below(4);
        let alerts = [alert("SiteOffline", "firing", SITES[0], SITES[1])];
        let mut request = post(USER, "guessed", &alerts);
        match choice {
            0 => {}
            1 => request["headers"] = json!({}),
            2 => {
                let encoded = STANDARD.encode("somebody:s3cret%40");
                request["headers"] = json!({"authorization": format!("Basic {encoded}")});
            }
            _ => request["sitefence"] = json!("sweep"),
        }
        let _ = stage.fleet.invoke(0, Kind::Stranger, request).await;
    }
}

/// What people do once they have read the alarms: the survivor is in, nobody is drained, strangers are out, and nobody stands
/// in a listener that is not his, or in one that a decision does not reach because people had moved everybody
/// out of it. Without a decision both are in. A listener of a decision that holds nobody is the function's to
/// fill, unless it has just done so.
pub fn tidy(core: &mut Core, layout: Layout, now: std::time::Duration) {
    let record = core.reality.register();
    let Core { reality, watcher, .. } = core;
    reality.take_out("arn:of:a:stranger", now);
    reality.undrain(now);
    for index in 0..2 {
        let survives = record
            .decision
            .as_ref()
            .is_none_or(|decision| reality.index(&decision.survivor.0) == index);
        let was_in = reality.is_in(index);
        if survives {
            let left_to_the_function = |group: &usize| {
                let listener = listener_of(&reality.groups[*group].arn);
                let decision = record.decision.as_ref().filter(|_| record.refilled_at.is_none());
                decision.is_some_and(|decision| reality.is_empty(&decision.outcome, listener))
            };
            let by_hand: Vec<usize> = layout
                .home(index)
                .into_iter()
                .filter(|group| !left_to_the_function(group))
                .collect();
            for group in by_hand {
                reality.put_in(group, &balancer(index), now);
            }
        }
        let home = layout.home(index);
        let reached = home.iter().all(|group| {
            record
                .decision
                .as_ref()
                .is_none_or(|decision| decision.outcome.covers(&reality.groups[*group].arn))
        });
        // Where the survivor stands by a decision that was carried out again lately, taking it out could leave the listener
        // empty, and whoever empties one within an hour of its being filled means it: they leave it there.
        let is_refilled = |reality: &Reality, group: usize| {
            let arn = &reality.groups[group].arn;
            let outcome = record.decision.as_ref().map(|decision| &decision.outcome.groups);
            survives
                && record.refilled_at.is_some()
                && outcome.into_iter().flatten().any(|write| {
                    write.arn == *arn && write.endpoints.iter().any(|config| config.id == balancer(index))
                })
        };
        // Nor is the fenced site put where the function is about to fill a listener that holds nobody.
        let is_left_empty = |reality: &Reality, group: usize| {
            let listener = listener_of(&reality.groups[group].arn);
            let decision = record.decision.as_ref();
            decision.is_some_and(|decision| reality.is_empty(&decision.outcome, listener))
        };
        for group in 0..reality.groups.len() {
            let leaves = !home.contains(&group) || !survives && !reached;
            if is_refilled(reality, group) {
                if leaves {
                    watcher.met.insert(Circumstance::RefilledListenerLeftAlone);
                }
            } else if leaves {
                reality.take_out_of(group, &balancer(index), now);
            } else if was_in && !survives {
                if is_left_empty(reality, group) {
                    watcher.met.insert(Circumstance::EmptyListenerLeftAlone);
                } else {
                    reality.put_in(group, &balancer(index), now);
                }
            }
        }
    }
}
