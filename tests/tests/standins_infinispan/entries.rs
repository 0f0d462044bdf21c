//! What replication, clears and state pushes do to entries.

use super::*;

#[tokio::test]
async fn keycloaks_writes_fail_until_replication_is_cut() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    pair.world().put("site-a", "sessions", "1", "x").unwrap();
    assert_eq!(pair.world().entries("site-b", "sessions"), ["1"]);
    pair.site("site-b").unwrap().die();
    let failed = pair.world().put("site-a", "sessions", "2", "x").unwrap_err();
    assert!(matches!(failed, WriteError::BackupFailed { .. }));
    asker.post(site, TAKE_B_OFFLINE).await;
    pair.world().put("site-a", "sessions", "2", "x").unwrap();
    site.restart();
    assert_eq!(
        pair.world().replication("site-a"),
        Some(BackupStatus::Online),
        "the restart forgot"
    );
    assert!(pair.world().put("site-a", "sessions", "3", "x").is_err());
    assert_eq!(
        Asker::new(&pair).get(site, BACKUP_B).await.json(),
        json!({"status": "online"})
    );
}

#[tokio::test]
async fn a_clear_wipes_both_sites_unless_the_backup_is_offline() {
    let pair = started();
    let (asker, stale) = (Asker::new(&pair), pair.site("site-b").unwrap());
    let clear = "/rest/v2/caches/actionTokens?action=clear";
    pair.world().put("site-a", "actionTokens", "kept", "x").unwrap();
    assert_eq!(
        asker
            .get(stale, "/rest/v2/caches/actionTokens?action=size")
            .await
            .json(),
        json!(1)
    );
    asker
        .post(
            stale,
            "/rest/v2/container/x-site/backups/site-a?action=take-offline",
        )
        .await;
    assert_eq!(asker.post(stale, clear).await.status, 204);
    assert!(pair.world().entries("site-b", "actionTokens").is_empty());
    assert_eq!(pair.world().entries("site-a", "actionTokens"), ["kept"]);
    asker
        .post(
            stale,
            "/rest/v2/container/x-site/backups/site-a?action=bring-online",
        )
        .await;
    assert_eq!(asker.post(stale, clear).await.status, 204);
    assert!(
        pair.world().entries("site-a", "actionTokens").is_empty(),
        "the trap of the recovery"
    );
    pair.cut_link();
    assert_eq!(asker.post(stale, clear).await.status, 500);
    assert_eq!(
        asker
            .post(stale, "/rest/v2/caches/none?action=clear")
            .await
            .status,
        404
    );
}

async fn push_status(asker: &Asker, site: &Site, cache: &str) -> Value {
    let path = format!("/rest/v2/caches/{cache}/x-site/backups?action=push-state-status");
    asker.get(site, &path).await.json()["site-b"].clone()
}

#[tokio::test]
async fn a_state_push_sends_what_is_there_and_deletes_nothing() {
    let pair = started();
    let (asker, kept) = (Asker::new(&pair), pair.site("site-a").unwrap());
    pair.world().set_replication("site-a", BackupStatus::Offline);
    pair.world().set_replication("site-b", BackupStatus::Offline);
    pair.world().put("site-a", "sessions", "new", "x").unwrap();
    pair.world().put("site-b", "sessions", "stale", "x").unwrap();
    assert_eq!(push_status(&asker, kept, "sessions").await, "IDLE");
    let push = "/rest/v2/container/x-site/backups/site-b?action=start-push-state";
    assert_eq!(asker.post(kept, push).await.json()["sessions"], "ok");
    assert_eq!(
        pair.world().replication("site-a"),
        Some(BackupStatus::Online),
        "a push brings it online"
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(push_status(&asker, kept, "sessions").await);
    }
    assert_eq!(seen, ["SENDING", "SENDING", "OK", "OK"]);
    assert_eq!(pair.world().entries("site-b", "sessions"), ["new", "stale"]);
    let clear = "/rest/v2/caches/sessions/x-site/local?action=clear-push-state-status";
    let cleared = asker.post(kept, clear).await;
    assert_eq!((cleared.status, cleared.json()), (200, json!("ok")));
    assert_eq!(push_status(&asker, kept, "sessions").await, "IDLE");
    assert_eq!(
        push_status(&asker, kept, "work").await,
        "SENDING",
        "each cache goes at its own pace"
    );
}

#[tokio::test]
async fn a_state_push_can_fail_be_cancelled_and_lose_its_link() {
    let pair = started();
    let (asker, kept) = (Asker::new(&pair), pair.site("site-a").unwrap());
    let of = |cache: &str, action: &str| {
        format!("/rest/v2/caches/{cache}/x-site/backups/site-b?action={action}-push-state")
    };
    let fault = Fault::cache("sessions", CacheFault::PushEndsInError);
    kept.faults().next(Operation::CacheStartPushState, 1, &fault);
    for cache in ["sessions", "work", "actionTokens"] {
        assert_eq!(asker.post(kept, &of(cache, "start")).await.status, 200);
    }
    assert_eq!(
        asker.post(kept, &of("work", "start")).await.status,
        500,
        "one at a time"
    );
    assert_eq!(asker.post(kept, &of("work", "cancel")).await.status, 200);
    assert_eq!(push_status(&asker, kept, "work").await, "CANCELED");
    let mut last = Value::Null;
    for _ in 0..3 {
        last = push_status(&asker, kept, "sessions").await;
    }
    assert_eq!(last, "ERROR");
    assert_eq!(
        asker.post(kept, &of("sessions", "start")).await.status,
        200,
        "it can be repeated"
    );
    pair.cut_link();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(push_status(&asker, kept, "actionTokens").await);
    }
    assert_eq!(
        seen,
        ["SENDING", "SENDING", "SENDING", "ERROR"],
        "it hopes for a while"
    );
    pair.world().set_replication("site-a", BackupStatus::Offline);
    let refused = asker
        .post(
            kept,
            "/rest/v2/container/x-site/backups/site-b?action=start-push-state",
        )
        .await;
    assert_eq!(refused.status, 200);
    assert!(
        refused.json()["work"]
            .as_str()
            .unwrap()
            .starts_with("Unable to pushState to 'site-b'")
    );
    assert_eq!(
        pair.world().replication("site-a"),
        Some(BackupStatus::Online),
        "and it is online all the same"
    );
    assert_eq!(
        pair.world().cluster("site-a").unwrap().caches["work"]
            .backup
            .unwrap()
            .push,
        Push::Stuck,
        "it says SENDING, and nothing moves"
    );
    assert_eq!(push_status(&asker, kept, "work").await, "SENDING");
    let cancelled = asker.post(kept, &of("work", "cancel")).await;
    assert_eq!(cancelled.status, 500, "the other site cannot be told");
    assert_eq!(push_status(&asker, kept, "work").await, "CANCELED");
}

/// The start was sent before anybody noticed: it arrives, its answer does not, and both sides wait for each other.
#[tokio::test]
async fn a_push_whose_start_was_lost_is_in_the_way_of_the_next() {
    let pair = started();
    let (asker, kept) = (Asker::new(&pair), pair.site("site-a").unwrap());
    let to = |action: &str| format!("/rest/v2/caches/work/x-site/backups/site-b?action={action}-push-state");
    pair.lose_link();
    assert_eq!(asker.post(kept, &to("start")).await.status, 500);
    pair.heal_link();
    for _ in 0..4 {
        assert_eq!(push_status(&asker, kept, "work").await, "SENDING");
        let again = asker.post(kept, &to("start")).await;
        assert_eq!(again.status, 500);
        assert!(again.text.starts_with("ISPN012047: "), "{}", again.text);
    }
    assert_eq!(asker.post(kept, &to("cancel")).await.status, 200);
    assert_eq!(asker.post(kept, &to("start")).await.status, 200);
    assert_eq!(push_status(&asker, kept, "work").await, "SENDING");
    assert_eq!(push_status(&asker, kept, "work").await, "SENDING");
    assert_eq!(push_status(&asker, kept, "work").await, "OK");
}

/// It failed where it was made, and is there all the same; and it arrives as soon as the link heals.
#[tokio::test]
async fn a_refused_write_stays_and_comes_back() {
    let pair = started();
    pair.world()
        .put("site-a", "sessions", "contested", "newer")
        .unwrap();
    pair.lose_link();
    let refused = pair.world().put("site-b", "sessions", "contested", "stale");
    assert!(refused.is_err());
    let value =
        |site: &str| pair.world().cluster(site).unwrap().caches["sessions"].entries["contested"].clone();
    assert_eq!(
        (value("site-a"), value("site-b")),
        ("newer".to_owned(), "stale".to_owned())
    );
    pair.cut_link();
    assert!(pair.world().put("site-b", "sessions", "unsent", "x").is_err());
    pair.heal_link();
    assert_eq!(value("site-a"), "stale");
    assert_eq!(pair.world().entries("site-a", "sessions"), ["contested"]);
}
