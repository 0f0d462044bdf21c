//! Bringing a site back, with what was written during the split.

use fencing::answer::Status;
use tests::servers::{Plan, Version};

use crate::operator::Command;
use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(what_was_written_during_a_split_is_at_both_sites_after_a_rejoin);

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
