//! Splits: what real servers do, and what the function makes of it.

use tests::servers::{Plan, USERS, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

/// The one scene that every run of the tests plays: from health over a wrong password and a false alert to a fence.
#[tokio::test]
async fn a_lost_link_is_fenced_and_the_survivor_writes_again() {
    lost_link(Version::Sixteen).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn a_lost_link_of_infinispan_15_is_fenced_and_the_survivor_writes_again() {
    lost_link(Version::Fifteen).await;
}

async fn lost_link(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    let servers = &stage.servers;
    // One cache is replicated to a third site only, which is no fault of the fence.
    let health = stage.health_after_a_minute().await;
    assert!(health.starts_with("FENCER-"), "{health}");
    assert!(!health.contains("infinispan"), "{health}");
    stage.set_password("misspelt").await;
    let health = stage.health_after_a_minute().await;
    let told = "it does not accept user `developer` with the password from its secret (401)";
    assert!(health.contains(told), "{health}");
    stage.set_password(USERS[0].1).await;
    let health = stage.health_after_a_minute().await;
    assert!(!health.contains("infinispan"), "{health}");
    assert_eq!(servers.put(0, "before", "by a").await.status, 204);
    assert_eq!(servers.get(1, "before").await.as_deref(), Some("by a"));

    // A false alert: the sites see each other.
    let answer = stage.alert(0).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(stage.accelerator.writes().is_empty());

    servers.cut().unwrap();
    let refused = servers.put(0, "refused", "by a").await;
    assert_eq!(refused.status, 500, "{refused:?}");
    // What was refused has been done here all the same.
    assert_eq!(servers.get(0, "refused").await.as_deref(), Some("by a"));

    let told = stage.fence(0).await;
    assert!(told.starts_with("fenced site-b"), "{told}");
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(stage.backup(1).await, "online");
    assert_eq!(stage.endpoints(), ["site-a"]);
    assert_eq!(servers.put(0, "after", "by a").await.status, 204);
    assert_eq!(servers.put(1, "after", "by b").await.status, 500);
    let other = stage.alert(1).await;
    assert_eq!(other.status, 200, "{}", other.body);
    assert_eq!(stage.backup(1).await, "online", "never both");

    // The link heals: the cut stays, and nobody puts a site back by himself.
    servers.heal().unwrap();
    servers.until_seen(0, true, LIMIT).await.unwrap();
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(servers.get(1, "after").await.as_deref(), Some("by b"));
    stage.minute().await;
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(stage.endpoints(), ["site-a"]);
}

with_both_versions!(a_survivor_that_restarts_is_cut_again, a_site_that_hangs_is_fenced);

/// The survivor restarts and forgets the cut, seeing the other site or not: it is made again.
async fn a_survivor_that_restarts_is_cut_again(version: Version) {
    let Some(mut stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    stage.servers.cut().unwrap();
    stage.fence(0).await;
    for linked in [false, true] {
        if linked {
            stage.servers.heal().unwrap();
            stage.linked().await;
        }
        let node = &mut stage.servers.sites[0].nodes[0];
        node.kill();
        node.start().unwrap();
        stage.servers.until_seen(0, linked, LIMIT).await.unwrap();
        assert_eq!(stage.backup(0).await, "online", "it has forgotten");
        stage.until_cut(0).await;
        assert_eq!(stage.servers.put(0, "after", "by a").await.status, 204);
        assert_eq!(stage.endpoints(), ["site-a"], "linked: {linked}");
    }
}

/// A site's only node hangs, which is noticed as a lost link is.
async fn a_site_that_hangs_is_fenced(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    stage.servers.sites[1].nodes[0].hang().unwrap();
    stage.fence(0).await;
    assert_eq!(stage.endpoints(), ["site-a"]);
    assert_eq!(stage.servers.put(0, "after", "by a").await.status, 204);
    // It wakes, and nothing of what it missed reaches it.
    stage.servers.sites[1].nodes[0].wake().unwrap();
    stage.linked().await;
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(stage.servers.get(1, "after").await, None);
}
