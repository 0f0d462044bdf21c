//! A write that was refused comes back: what stays in queues and sockets while the link is down.
//!
//! Between the loss and its being noticed each backup is sent, and waits. Its writer is told 500, and the kernel keeps
//! it. This scene holds what docs/protocol.md says about it.

use std::time::{Duration, Instant};

use tests::servers::{Plan, Version};

use crate::stage::{MERGE, SUSPICION, Stage};

#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn a_refused_write_arrives_when_the_link_heals() {
    for version in Version::ALL {
        let Some(stage) = Stage::set(
            "a_refused_write_arrives_when_the_link_heals",
            Plan::small(version),
        )
        .await
        else {
            return;
        };
        stage.servers.cut().unwrap();
        let lost = Instant::now();
        assert_eq!(stage.servers.put(1, "contested", "stale, by b").await.status, 500);
        stage.servers.until_seen(0, false, SUSPICION).await.unwrap();
        stage.fence(0).await;
        assert_eq!(stage.servers.put(0, "contested", "newer, by a").await.status, 204);
        // What is refused after the view was lost is refused at once, and was never sent.
        stage.servers.until_seen(1, false, SUSPICION).await.unwrap();
        assert_eq!(stage.servers.put(1, "unsent", "by b").await.status, 500);
        let age = lost.elapsed();
        stage.servers.heal().unwrap();
        let what = "the refused write has not come";
        let servers = &stage.servers;
        let came = servers
            .until(what, Duration::from_secs(60), async || {
                servers.get(0, "contested").await.as_deref() == Some("stale, by b")
            })
            .await
            .unwrap();
        println!("{}: {age:?} old, it came {came:?} after the link", version.name());
        stage.servers.until_seen(0, true, MERGE).await.unwrap();
        assert_eq!(stage.servers.get(0, "unsent").await, None);
    }
}
