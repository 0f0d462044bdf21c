//! The survivor dies after the decision, and people make the other site the survivor.

use fencing::answer::Status;
use tests::servers::{Plan, Version};

use crate::operator::Command;
use crate::rejoins::both_replicate;
use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(a_survivor_that_dies_is_replaced_and_comes_back);

async fn a_survivor_that_dies_is_replaced_and_comes_back(version: Version) {
    let Some(mut stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    stage.servers.cut().unwrap();
    stage.fence(0).await;
    assert_eq!(stage.servers.put(0, "lost", "by a").await.status, 204);
    stage.servers.sites[0].nodes[0].kill();
    stage.servers.heal().unwrap();
    let promotion = Command::promote(&stage, 1);
    let warned = promotion.call().await;
    let answer = promotion.finished().await;
    assert_eq!(answer.status, Status::Done, "{}", answer.sentence);
    assert_eq!(stage.endpoints(), ["site-b"]);
    assert_eq!(stage.backup(1).await, "offline");
    assert_eq!(stage.servers.put(1, "after", "by b").await.status, 204);

    // The dead one comes back with empty caches and a backup that is online again. Nobody puts it back.
    stage.servers.sites[0].nodes[0].start().unwrap();
    stage.servers.until_seen(0, true, LIMIT).await.unwrap();
    stage.servers.until_seen(1, true, LIMIT).await.unwrap();
    assert_eq!(stage.backup(0).await, "online");
    let told = "after a restart it no longer knows that replication is cut";
    assert!(warned.sentence.contains(told), "{}", warned.sentence);
    stage.minute().await;
    stage.minute().await;
    assert_eq!(stage.endpoints(), ["site-b"]);
    assert_eq!(stage.backup(1).await, "offline");
    assert_eq!(stage.servers.get(0, "after").await, None);

    let answer = Command::rejoin(&stage, 0).finished().await;
    assert_eq!(answer.status, Status::Done, "{}", answer.sentence);
    assert_eq!(stage.endpoints(), ["site-a", "site-b"]);
    assert_eq!(stage.servers.get(0, "after").await.as_deref(), Some("by b"));
    both_replicate(&stage).await;
}
