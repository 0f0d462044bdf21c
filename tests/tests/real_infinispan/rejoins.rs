//! Bringing a site back: what was written during the split, and a link that flaps meanwhile.

use std::collections::BTreeMap;
use std::time::Instant;

use fencing::answer::Status;
use tests::servers::{Plan, Servers, Version};

use crate::operator::Command;
use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(
    what_was_written_during_a_split_is_at_both_sites_after_a_rejoin,
    a_link_that_flaps_at_each_step_only_delays_a_rejoin,
);

async fn what_was_written_during_a_split_is_at_both_sites_after_a_rejoin(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    let servers = &stage.servers;
    for (cache, key) in [("sessions", "changed"), ("work", "removed")] {
        let answer = servers.put_by(0, 0, cache, key, "before").await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(servers.get_from(1, cache, key).await.as_deref(), Some("before"));
    }
    servers.cut().unwrap();
    stage.fence(0).await;
    // The fenced site misses the other one, too: what it is asked to write now is never sent.
    servers.until_seen(1, false, LIMIT).await.unwrap();
    assert_eq!(servers.put(1, "stale", "by b").await.status, 500);
    assert_eq!(servers.put(0, "changed", "during").await.status, 204);
    assert_eq!(servers.put(0, "new", "during").await.status, 204);
    assert_eq!(servers.remove(0, "work", "removed").await.status, 204);
    servers.heal().unwrap();
    stage.linked().await;
    assert_eq!(servers.get(1, "changed").await.as_deref(), Some("before"));

    let answer = Command::rejoin(&stage, 1).finished().await;
    assert_eq!(answer.status, Status::Done, "{}", answer.sentence);
    assert_eq!(stage.endpoints(), ["site-a", "site-b"]);
    assert_eq!(stage.record().await["state"], "open");
    both_replicate(&stage).await;
    for key in ["changed", "new"] {
        assert_eq!(servers.get(1, key).await.as_deref(), Some("during"), "{key}");
    }
    // Its caches that hold no state of users are cleared, for a push does not remove anything.
    assert_eq!(servers.get_from(1, "work", "removed").await, None);
    assert_eq!(servers.get(0, "stale").await, None, "nothing of b's reached a");

    // And from there to the next fence.
    stage.all_are_healthy();
    servers.cut().unwrap();
    stage.fence(1).await;
    assert_eq!(stage.endpoints(), ["site-b"]);
    assert_eq!(servers.put(1, "second", "by b").await.status, 204);
}

/// Both sites replicate, and what one writes the other has.
pub(crate) async fn both_replicate(stage: &Stage) {
    for site in 0..2 {
        assert_eq!(stage.backup(site).await, "online");
        let (key, value) = (format!("together-{site}"), "by one");
        let answer = stage.servers.put(site, &key, value).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(stage.servers.get(1 - site, &key).await.as_deref(), Some(value));
    }
}

/// So many sessions that pushing them takes a while.
const SESSIONS: usize = 3000;

async fn fill(servers: &Servers) {
    let value = "x".repeat(4000);
    let write = async |from: usize| {
        for number in (from..SESSIONS).step_by(8) {
            let answer = servers.put(0, &format!("session-{number}"), &value).await;
            assert_eq!(answer.status, 204, "{answer:?}");
        }
    };
    let writers = [0, 1, 2, 3, 4, 5, 6, 7].map(write);
    futures_util::future::join_all(writers).await;
}

/// The link goes away for the time of one call, at each step twice, and with it what was under way.
async fn a_link_that_flaps_at_each_step_only_delays_a_rejoin(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    let servers = &stage.servers;
    servers.cut().unwrap();
    stage.fence(0).await;
    fill(servers).await;
    servers.heal().unwrap();

    let mut flaps: BTreeMap<String, u32> = BTreeMap::new();
    let mut acknowledged = Vec::new();
    let began = Instant::now();
    while stage.record().await["state"] != "open" {
        // On a slow machine a flap may have become a loss; then the rejoin is off, and is asked for again.
        stage.linked().await;
        let mut rejoin = Command::rejoin(&stage, 1);
        loop {
            assert!(began.elapsed() < 6 * LIMIT, "{:#}", stage.record().await);
            let step = step_of(&stage).await;
            let flap = step.is_some_and(|step| {
                let times = flaps.entry(step).or_default();
                *times += 1;
                *times <= 2
            });
            if flap {
                servers.cut().unwrap();
            }
            let answer = rejoin.call().await;
            println!("{flap} {:?} {}", answer.status, answer.sentence);
            servers.heal().unwrap();
            // Users go on meanwhile; what they are told is done has to be there at the end.
            let key = format!("meanwhile-{}", acknowledged.len());
            if servers.put(0, &key, "by a").await.status == 204 {
                acknowledged.push(key);
            }
            if !rejoin.follow(&answer).await {
                break;
            }
        }
    }
    println!("{}: {flaps:?}, {:?}", version.name(), began.elapsed());
    for step in [
        "cut-stale",
        "clear",
        "restore-stale",
        "push",
        "await-push",
        "readd",
    ] {
        assert!(flaps.contains_key(step), "{step} was not reached: {flaps:?}");
    }
    assert_eq!(stage.endpoints(), ["site-a", "site-b"]);
    both_replicate(&stage).await;
    for key in acknowledged {
        for site in 0..2 {
            assert_eq!(
                servers.get(site, &key).await.as_deref(),
                Some("by a"),
                "{key} at {site}"
            );
        }
    }
    for site in 0..2 {
        for number in 0..SESSIONS {
            let key = format!("session-{number}");
            assert!(servers.get(site, &key).await.is_some(), "{key} at {site}");
        }
    }
}

/// Which step of a rejoin comes next.
async fn step_of(stage: &Stage) -> Option<String> {
    let record = stage.record().await;
    record["rejoin"]["step"]["at"].as_str().map(str::to_owned)
}
