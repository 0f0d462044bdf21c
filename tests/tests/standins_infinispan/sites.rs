//! Views, statuses, and failures that hide in a 200.

use super::*;

#[tokio::test]
async fn only_the_relay_node_has_a_view_and_a_connection_stays_with_its_node() {
    let pair = started();
    let site = pair.site("site-a").unwrap();
    let mut views = Vec::new();
    for _ in 0..4 {
        let asker = Asker::new(&pair);
        for _ in 0..2 {
            let container = asker.get(site, "/rest/v2/container").await.json();
            assert_eq!(container["local_site"], "site-a");
            views.push((
                container["relay_node"].as_bool().unwrap(),
                container["sites_view"].clone(),
            ));
        }
    }
    let (other, relay) = ((false, json!([])), (true, json!(["site-a", "site-b"])));
    let round = [other.clone(), other, relay.clone(), relay];
    assert_eq!(views, [round.clone(), round].concat());
    let connections: Vec<(u64, usize)> = site
        .calls()
        .iter()
        .map(|call| (call.connection, call.node))
        .collect();
    assert_eq!(
        connections,
        [(0, 0), (0, 0), (1, 1), (1, 1), (2, 0), (2, 0), (3, 1), (3, 1)]
    );
}

async fn view_of_relay(pair: &InfinispanPair, site: &str) -> Option<Value> {
    for _ in 0..10 {
        let container = Asker::new(pair)
            .get(pair.site(site).unwrap(), "/rest/v2/container")
            .await
            .json();
        if container["relay_node"] == true {
            return Some(container["sites_view"].clone());
        }
    }
    None
}

#[tokio::test]
async fn the_view_loses_the_other_site_when_the_link_is_cut_or_the_site_dies() {
    let pair = started();
    assert_eq!(
        view_of_relay(&pair, "site-a").await,
        Some(json!(["site-a", "site-b"]))
    );
    pair.cut_link();
    assert_eq!(view_of_relay(&pair, "site-a").await, Some(json!(["site-a"])));
    assert_eq!(view_of_relay(&pair, "site-b").await, Some(json!(["site-b"])));
    pair.heal_link();
    assert_eq!(
        view_of_relay(&pair, "site-b").await,
        Some(json!(["site-a", "site-b"]))
    );
    pair.site("site-b").unwrap().die();
    assert_eq!(view_of_relay(&pair, "site-a").await, Some(json!(["site-a"])));
    pair.site("site-b").unwrap().come_back();
    pair.site("site-a").unwrap().set_relay(None);
    assert_eq!(
        view_of_relay(&pair, "site-a").await,
        None,
        "between two relay nodes there is none"
    );
}

#[tokio::test]
async fn taking_offline_and_bringing_online_are_idempotent_and_seen_by_cache() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    let online = asker.get(site, BACKUP_B).await.json();
    assert_eq!(online, json!({"status": "online"}), "no lists unless mixed");
    for _ in 0..2 {
        let answer = asker.post(site, TAKE_B_OFFLINE).await;
        assert_eq!(answer.status, 200);
        let results = answer.json();
        assert_eq!(results.as_object().unwrap().len(), 8);
        assert!(
            results.as_object().unwrap().values().all(|result| result == "ok"),
            "{results}"
        );
        assert_eq!(
            asker.get(site, BACKUP_B).await.json(),
            json!({"status": "offline"})
        );
    }
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Offline));
    assert_eq!(
        pair.world().replication("site-b"),
        Some(BackupStatus::Online),
        "the other way is its own"
    );
    let all = asker.get(site, "/rest/v2/container/x-site/backups").await.json();
    assert_eq!(all, json!({"site-b": {"status": "offline"}}));

    // One cache alone makes the container mixed, and only then are caches named.
    let work = "/rest/v2/caches/work/x-site/backups/site-b";
    assert_eq!(
        asker
            .post(site, &format!("{work}?action=bring-online"))
            .await
            .status,
        200
    );
    let mixed = asker.get(site, BACKUP_B).await.json();
    assert_eq!(
        (&mixed["status"], &mixed["online"]),
        (&json!("mixed"), &json!(["work"]))
    );
    assert_eq!(
        (mixed["offline"].as_array().unwrap().len(), &mixed["mixed"]),
        (7, &json!([]))
    );
    assert_eq!(
        asker
            .get(site, "/rest/v2/caches/work/x-site/backups")
            .await
            .json(),
        json!({"site-b": {"status": "online"}})
    );
    let nodes = asker.get(site, work).await.json();
    assert_eq!(
        nodes,
        json!({"infinispan-site-a-0": "online", "infinispan-site-a-1": "online"})
    );
    asker.post(site, BRING_B_ONLINE).await;
    assert_eq!(
        asker.get(site, BACKUP_B).await.json(),
        json!({"status": "online"})
    );
}

#[tokio::test]
async fn failures_hide_in_a_200() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    site.faults().next(
        Operation::TakeOffline,
        1,
        &Fault::Caches(vec![
            (
                "sessions".to_owned(),
                CacheFault::Exception("TimeoutException: no answer".to_owned()),
            ),
            ("work".to_owned(), CacheFault::IncorrectSiteName),
            ("actionTokens".to_owned(), CacheFault::SaysOkAndStays),
            ("loginFailures".to_owned(), CacheFault::SaysOkAndIsHalfDone),
        ]),
    );
    let answer = asker.post(site, TAKE_B_OFFLINE).await;
    assert_eq!(answer.status, 200);
    let results = answer.json();
    assert_eq!(
        results["sessions"],
        "Exception on sessions : TimeoutException: no answer"
    );
    assert_eq!(results["work"], "Incorrect site name: site-b");
    assert_eq!(
        (&results["actionTokens"], &results["loginFailures"]),
        (&json!("ok"), &json!("ok"))
    );
    let status = asker.get(site, BACKUP_B).await.json();
    assert_eq!(status["status"], "mixed");
    assert_eq!(status["online"], json!(["actionTokens", "sessions", "work"]));
    assert_eq!(status["mixed"], json!(["loginFailures"]));
    let half = asker
        .get(site, "/rest/v2/caches/loginFailures/x-site/backups")
        .await
        .json();
    assert_eq!(half["site-b"]["status"], "mixed");
    asker.post(site, TAKE_B_OFFLINE).await;
    assert_eq!(
        asker.get(site, BACKUP_B).await.json()["status"],
        "offline",
        "the next attempt mends it"
    );
}

#[tokio::test]
async fn the_same_failure_on_one_cache_is_a_500() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    let fault = Fault::cache("work", CacheFault::Exception("no".to_owned()));
    site.faults().next(Operation::CacheTakeOffline, 1, &fault);
    let path = "/rest/v2/caches/work/x-site/backups/site-b?action=take-offline";
    let answer = asker.post(site, path).await;
    assert_eq!(answer.status, 500);
    assert!(answer.text.contains("Exception on work : no"), "{}", answer.text);
    assert_eq!(asker.post(site, path).await.status, 200);
    for path in [
        "/rest/v2/caches/work/x-site/backups/nowhere?action=take-offline",
        "/rest/v2/caches/none/x-site/backups/site-b?action=take-offline",
    ] {
        assert_eq!(asker.post(site, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_site_is_404_to_ask_and_200_to_act() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    assert_eq!(
        asker
            .get(site, "/rest/v2/container/x-site/backups/site-c")
            .await
            .status,
        404
    );
    let answer = asker
        .post(
            site,
            "/rest/v2/container/x-site/backups/site-c?action=take-offline",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["work"], "Incorrect site name: site-c");
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
}

#[tokio::test]
async fn without_caches_there_is_nothing_to_take_offline() {
    let pair = InfinispanPair::builder(["site-a", "site-b"])
        .caches(&[])
        .user(USER, PASSWORD, Role::Admin)
        .start()
        .unwrap();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    let answer = asker.post(site, TAKE_B_OFFLINE).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    assert_eq!(asker.get(site, BACKUP_B).await.status, 404);
}
