//! The stand-in of two Infinispan clusters, asked over TLS as the function asks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tests::standins::infinispan::{
    BackupStatus, CacheFault, Fault, InfinispanPair, Operation, Outcome, Push, Role, ServerCertificate, Site,
    WriteError,
};

const USER: &str = "developer";
/// Percent signs and colons must arrive as they are.
const PASSWORD: &str = "p%40ss:wörd";
const TAKE_B_OFFLINE: &str = "/rest/v2/container/x-site/backups/site-b?action=take-offline";
const BRING_B_ONLINE: &str = "/rest/v2/container/x-site/backups/site-b?action=bring-online";
const BACKUP_B: &str = "/rest/v2/container/x-site/backups/site-b";

fn started() -> InfinispanPair {
    InfinispanPair::builder(["site-a", "site-b"])
        .user(USER, PASSWORD, Role::Admin)
        .user("viewer", "viewer", Role::Observer)
        .start()
        .unwrap()
}

/// A client with a pool of connections of its own.
struct Asker(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

struct Answer {
    status: u16,
    challenge: Option<String>,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }
}

impl Asker {
    fn new(pair: &InfinispanPair) -> Self {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(pair.authority().client().unwrap())
            .https_only()
            .enable_http1()
            .build();
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    async fn as_user(
        &self,
        user: Option<(&str, &str)>,
        method: Method,
        site: &Site,
        path: &str,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", site.url()));
        if let Some((user, password)) = user {
            let credentials = BASE64.encode(format!("{user}:{password}"));
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        let sent = self.0.request(request.body(Full::default()).unwrap());
        let answer = tokio::time::timeout(Duration::from_secs(10), sent)
            .await
            .map_err(|_| "timeout")?;
        let answer = answer.map_err(|error| {
            let mut causes = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                causes = format!("{causes}: {next}");
                cause = next.source();
            }
            causes
        })?;
        let status = answer.status().as_u16();
        let challenge = answer
            .headers()
            .get("www-authenticate")
            .map(|one| one.to_str().unwrap().to_owned());
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Answer {
            status,
            challenge,
            text: String::from_utf8(body.to_vec()).unwrap(),
        })
    }

    async fn get(&self, site: &Site, path: &str) -> Answer {
        self.as_user(Some((USER, PASSWORD)), Method::GET, site, path)
            .await
            .unwrap()
    }

    async fn post(&self, site: &Site, path: &str) -> Answer {
        self.as_user(Some((USER, PASSWORD)), Method::POST, site, path)
            .await
            .unwrap()
    }
}

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

#[tokio::test]
async fn reading_needs_a_password_and_sites_need_the_right_to_administer() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    for wrong in [
        None,
        Some((USER, "wrong")),
        Some(("", PASSWORD)),
        Some((USER, "p@ss:wörd")),
    ] {
        let answer = asker
            .as_user(wrong, Method::GET, site, "/rest/v2/container")
            .await
            .unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.challenge.as_deref(), Some("Basic realm=\"default\""));
    }
    let viewer = Some(("viewer", "viewer"));
    let may = asker
        .as_user(viewer, Method::GET, site, "/rest/v2/container")
        .await
        .unwrap();
    assert_eq!(may.status, 200, "so a readable container proves nothing");
    let get = asker.as_user(viewer, Method::GET, site, BACKUP_B).await.unwrap();
    let post = asker
        .as_user(viewer, Method::POST, site, TAKE_B_OFFLINE)
        .await
        .unwrap();
    assert_eq!((get.status, post.status), (403, 403));
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
    assert!(pair.set_role("viewer", Role::Admin));
    let post = asker
        .as_user(viewer, Method::POST, site, TAKE_B_OFFLINE)
        .await
        .unwrap();
    assert_eq!(post.status, 200);
    assert!(pair.set_password(USER, "rotated"));
    let old = asker
        .as_user(Some((USER, PASSWORD)), Method::GET, site, BACKUP_B)
        .await
        .unwrap();
    assert_eq!(old.status, 401);
    let health = asker
        .as_user(None, Method::GET, site, "/rest/v2/container/health/status")
        .await
        .unwrap();
    assert_eq!((health.status, health.text.as_str()), (200, "HEALTHY"));
}

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
    assert_eq!(push_status(&asker, kept, "actionTokens").await, "ERROR");
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
        Push::Canceled
    );
}

#[tokio::test]
async fn ordered_faults_are_met_once_and_logged() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    for status in [401, 403, 500, 503] {
        site.faults()
            .next(Operation::TakeOffline, 1, &Fault::Status(status));
        assert_eq!(asker.post(site, TAKE_B_OFFLINE).await.status, status);
    }
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
    site.faults()
        .next(Operation::TakeOffline, 1, &Fault::ClosedBeforeEffect);
    let credentials = Some((USER, PASSWORD));
    assert!(
        asker
            .as_user(credentials, Method::POST, site, TAKE_B_OFFLINE)
            .await
            .is_err()
    );
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
    site.faults()
        .next(Operation::TakeOffline, 1, &Fault::AppliedReplyLost);
    assert!(
        asker
            .as_user(credentials, Method::POST, site, TAKE_B_OFFLINE)
            .await
            .is_err()
    );
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Offline));
    let writes = pair
        .calls()
        .matching(|call| call.operation.is_some_and(Operation::writes));
    assert_eq!(writes.len(), 6);
    assert!(writes.iter().all(|call| call.user.as_deref() == Some(USER)));
    assert_eq!(writes[5].outcome, Outcome::Met(Fault::AppliedReplyLost));
    assert_eq!(writes[5].backup_site.as_deref(), Some("site-b"));
}

#[tokio::test]
async fn a_hanging_call_hangs_with_and_without_its_effect() {
    let pair = started();
    let site = pair.site("site-a").unwrap();
    for (fault, status) in [
        (Fault::Hang, BackupStatus::Online),
        (Fault::AppliedThenHang, BackupStatus::Offline),
    ] {
        site.faults().next(Operation::TakeOffline, 1, &fault);
        let asker = Asker::new(&pair);
        let asking = asker.post(site, TAKE_B_OFFLINE);
        tokio::select! {
            answer = asking => panic!("answered {}", answer.status),
            arrived = pair.calls().reached(Duration::from_secs(10), |calls| {
                calls.iter().any(|call| call.outcome == Outcome::Met(fault.clone()))
            }) => assert!(arrived),
        }
        assert_eq!(pair.world().replication("site-a"), Some(status));
    }
}

#[tokio::test]
async fn a_dead_site_refuses_and_a_silent_one_says_nothing() {
    let pair = started();
    let site = pair.site("site-b").unwrap();
    let address = site.endpoint();
    site.die();
    let refused = std::net::TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    site.come_back();
    assert_eq!(
        Asker::new(&pair).get(site, "/rest/v2/container").await.status,
        200
    );
    let kept_alive = Asker::new(&pair);
    kept_alive.get(site, "/rest/v2/container").await;
    site.ignore_clients();
    assert!(pair.world().joined(), "only its clients are ignored");
    for asker in [kept_alive, Asker::new(&pair)] {
        let asking = asker.get(site, "/rest/v2/container");
        let silence = tokio::time::timeout(Duration::from_millis(200), asking).await;
        assert!(silence.is_err(), "both old and new connections hear nothing");
    }
    site.die_silently();
    assert!(!pair.world().joined());
    site.come_back();
    assert_eq!(
        Asker::new(&pair).get(site, "/rest/v2/container").await.status,
        200
    );
}

#[tokio::test]
async fn certificates_that_do_not_prove_the_site_are_refused_by_its_clients() {
    for (certificate, complaint) in [
        (ServerCertificate::Untrusted, "unknownissuer"),
        (ServerCertificate::Expired, "expired"),
        (ServerCertificate::OtherName, "not valid for name"),
    ] {
        let pair = InfinispanPair::builder(["site-a", "site-b"])
            .user(USER, PASSWORD, Role::Admin)
            .certificate("site-b", certificate)
            .start()
            .unwrap();
        let asker = Asker::new(&pair);
        assert_eq!(
            asker
                .get(pair.site("site-a").unwrap(), "/rest/v2/container")
                .await
                .status,
            200
        );
        let site = pair.site("site-b").unwrap();
        let credentials = Some((USER, PASSWORD));
        let refused = asker
            .as_user(credentials, Method::GET, site, "/rest/v2/container")
            .await;
        let Err(refused) = refused else {
            panic!("{certificate:?} was accepted")
        };
        assert!(refused.to_lowercase().contains(complaint), "{refused}");
        assert!(site.calls().is_empty(), "no credentials were sent to it");
    }
}

#[tokio::test]
async fn what_the_stand_in_does_not_know_it_says() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    for (method, path) in [
        (Method::GET, "/rest/v3/container"),
        (
            Method::POST,
            "/rest/v2/container/x-site/backups/site-b?action=destroy",
        ),
        (
            Method::GET,
            "/rest/v2/container/x-site/backups/site-b?action=take-offline",
        ),
        (Method::DELETE, "/rest/v2/caches/work"),
    ] {
        let answer = asker
            .as_user(Some((USER, PASSWORD)), method, site, path)
            .await
            .unwrap();
        assert_eq!(answer.status, 404);
        assert!(
            answer.text.contains("does not know") && answer.text.contains(path),
            "{}",
            answer.text
        );
    }
    assert!(site.calls().iter().all(|call| call.operation.is_none()));
}
