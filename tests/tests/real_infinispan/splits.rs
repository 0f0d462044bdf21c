//! Splits: what real servers do, and what the function makes of it.

use tests::servers::{Plan, Version};

use crate::stage::{MERGE, SUSPICION, Stage};

/// The one scene that every run of the tests plays: from health over a false alert to a fence.
#[tokio::test]
async fn a_lost_link_is_fenced_and_the_survivor_writes_again() {
    let test = "a_lost_link_is_fenced_and_the_survivor_writes_again";
    lost_link(test, Version::Sixteen).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn a_lost_link_of_infinispan_15_is_fenced_and_the_survivor_writes_again() {
    let test = "a_lost_link_of_infinispan_15_is_fenced_and_the_survivor_writes_again";
    lost_link(test, Version::Fifteen).await;
}

async fn lost_link(test: &str, version: Version) {
    let Some(stage) = Stage::set(test, Plan::small(version)).await else {
        return;
    };
    let servers = &stage.servers;
    let health = stage.health_after_a_minute().await;
    assert!(health.starts_with("FENCER-"), "{health}");
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
    let noticed = servers.until_seen(0, false, SUSPICION).await.unwrap();
    println!(
        "{}: the view was lost within {noticed:?} after the first refused write",
        version.name()
    );

    // One cache is replicated to a third site only, which is no fault of the fence.
    let told = stage.fence(0).await;
    assert!(told.starts_with("fenced site-b"), "{told}");
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(stage.backup(1).await, "online");
    assert_eq!(stage.endpoints(), ["site-a"]);
    assert_eq!(servers.put(0, "after", "by a").await.status, 204);
    assert_eq!(servers.put(1, "after", "by b").await.status, 500);
    let other = stage.alert(1).await;
    assert_ne!(other.status, 503, "{}", other.body);
    assert_eq!(stage.backup(1).await, "online", "never both");

    // The link heals: the refused write arrives, the cut stays.
    servers.heal().unwrap();
    servers.until_seen(0, true, MERGE).await.unwrap();
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(servers.get(1, "refused").await.as_deref(), Some("by a"));
    assert_eq!(servers.get(1, "after").await.as_deref(), Some("by b"));
    stage.minute().await;
    assert_eq!(
        stage.endpoints(),
        ["site-a"],
        "nobody puts a site back by himself"
    );
}

/// The survivor restarts and forgets the cut, seeing the other site or not: it is made again.
#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn a_survivor_that_restarts_is_cut_again() {
    for version in Version::ALL {
        let Some(mut stage) = Stage::set("a_survivor_that_restarts_is_cut_again", Plan::small(version)).await
        else {
            return;
        };
        stage.servers.cut().unwrap();
        stage.servers.until_seen(0, false, SUSPICION).await.unwrap();
        stage.fence(0).await;
        for linked in [false, true] {
            if linked {
                stage.servers.heal().unwrap();
                stage.servers.until_seen(0, true, MERGE).await.unwrap();
            }
            let node = &mut stage.servers.sites[0].nodes[0];
            node.kill();
            node.start().unwrap();
            stage.servers.until_seen(0, linked, MERGE).await.unwrap();
            assert_eq!(stage.backup(0).await, "online", "it has forgotten");
            for _ in 0..3 {
                stage.minute().await;
            }
            assert_eq!(stage.backup(0).await, "offline", "linked: {linked}");
        }
    }
}

/// A node that hangs is noticed as a lost link is.
#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn a_site_that_hangs_is_fenced() {
    for version in Version::ALL {
        let Some(stage) = Stage::set("a_site_that_hangs_is_fenced", Plan::small(version)).await else {
            return;
        };
        stage.servers.sites[1].nodes[0].hang().unwrap();
        stage.servers.until_seen(0, false, SUSPICION).await.unwrap();
        stage.fence(0).await;
        assert_eq!(stage.endpoints(), ["site-a"]);
        assert_eq!(stage.servers.put(0, "after", "by a").await.status, 204);
        stage.servers.sites[1].nodes[0].wake().unwrap();
    }
}
