//! What only the site has that was fenced, as real servers count it.

use fencing::answer::Status;
use tests::servers::{Plan, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(what_only_one_site_has_is_counted);

async fn what_only_one_site_has_is_counted(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    let servers = &stage.servers;
    for key in ["ana", "ben"] {
        assert_eq!(servers.put(0, key, "both").await.status, 204);
    }
    let listed = servers
        .ask(1, 0, "GET", "/rest/v2/caches/sessions?action=keys&limit=1")
        .await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1), "{listed:?}");
    let none = servers
        .ask(1, 0, "GET", "/rest/v2/caches/work?action=keys&limit=10")
        .await;
    assert_eq!(none.json().as_array().map(Vec::len), Some(0), "{none:?}");
    servers.cut().unwrap();
    stage.fence(0).await;
    servers.until_seen(1, false, LIMIT).await.unwrap();
    // A write that is refused is there all the same.
    assert_eq!(servers.put(1, "cleo", "by b").await.status, 500);
    assert_eq!(servers.put_by(1, 0, "work", "job", "by b").await.status, 500);
    assert_eq!(servers.put(0, "dora", "by a").await.status, 204);

    let answer = stage.count(1, 0).await;
    assert_eq!(answer.status, Status::Done, "{answer:?}");
    let losses = answer.losses.unwrap();
    assert!(losses.silent.is_empty(), "{losses:?}");
    let of = |name: &str| {
        let cache = losses.caches.iter().find(|it| it.cache == name).unwrap();
        (cache.given_up, cache.kept, cache.only_given_up)
    };
    assert_eq!(of("sessions"), (Some(3), Some(3), Some(1)), "{losses:?}");
    assert_eq!(of("work"), (Some(1), Some(0), Some(1)), "{losses:?}");
}
