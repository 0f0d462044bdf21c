//! A write that was refused comes back: what stays in queues and sockets while the link is down.
//!
//! Between the loss and its being noticed each backup is sent, and waits. Its writer is told 500, and the kernel keeps
//! it. These scenes hold what docs/protocol.md says about it.

use std::time::{Duration, Instant};

use tests::servers::{Plan, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

/// What docs/protocol.md tells people to count on.
const NOTHING_COMES_AFTER: Duration = Duration::from_secs(300);

with_both_versions!(
    a_refused_write_arrives_when_the_link_heals,
    after_five_minutes_nothing_that_was_refused_arrives,
);

/// A write that b was refused and that is on its way, and a's newer one of the same key.
async fn contested(stage: &Stage) {
    stage.servers.cut().unwrap();
    let refused = stage.servers.put(1, "contested", "stale, by b").await;
    assert_eq!(refused.status, 500, "{refused:?}");
    stage.fence(0).await;
    assert_eq!(stage.servers.put(0, "contested", "newer, by a").await.status, 204);
}

async fn a_refused_write_arrives_when_the_link_heals(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    let servers = &stage.servers;
    let lost = Instant::now();
    contested(&stage).await;
    // What is refused after the view was lost is refused at once, and was never sent.
    servers.until_seen(1, false, LIMIT).await.unwrap();
    assert_eq!(servers.put(1, "unsent", "by b").await.status, 500);
    let age = lost.elapsed();
    servers.heal().unwrap();
    let what = "the refused write has not come";
    let came = servers
        .until(what, LIMIT, async || {
            servers.get(0, "contested").await.as_deref() == Some("stale, by b")
        })
        .await
        .unwrap();
    println!("{}: {age:?} old, it came {came:?} after the link", version.name());
    stage.linked().await;
    assert_eq!(servers.get(0, "unsent").await, None);
}

async fn after_five_minutes_nothing_that_was_refused_arrives(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    let lost = Instant::now();
    contested(&stage).await;
    // The one scene about time: connections end by timers, and nothing can be asked whether they have.
    tokio::time::sleep(NOTHING_COMES_AFTER.saturating_sub(lost.elapsed())).await;
    stage.servers.heal().unwrap();
    stage.linked().await;
    // What is on its way arrives before the sites see each other.
    let now = stage.servers.get(0, "contested").await;
    assert_eq!(now.as_deref(), Some("newer, by a"));
}
