//! Infinispan over real TLS: its traps, its two ways of authentication, and dead connections.

mod nodes;
mod trust;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::server::{Asked, Authority, Given, Server, given};
use crate::common::{settings, site};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::health::{Reach, Refusal};
use fencing::replication::{Backup, Push, View};
use fencing::settings::Settings;
use fencing::words::SiteName;
use function::world::aws::Aws;
use function::world::infinispan::Infinispan;
use function::world::secrets::Secrets;
use serde_json::json;

/// An Infinispan for site-a, its CA, and a Secrets Manager beside it.
pub(crate) struct Scene {
    pub(crate) infinispan: Infinispan,
    pub(crate) server: Server,
    secrets: Server,
    _ca: tempfile::TempDir,
}

pub(crate) async fn scene(script: impl Fn(&Asked) -> Given + Send + Sync + 'static) -> Scene {
    scene_with(Arc::new(Mutex::new("p:w".to_owned())), script).await
}

async fn scene_with(
    password: Arc<Mutex<String>>,
    script: impl Fn(&Asked) -> Given + Send + Sync + 'static,
) -> Scene {
    scene_of(Authority::new(), password, script).await
}

async fn scene_of(
    authority: Authority,
    password: Arc<Mutex<String>>,
    script: impl Fn(&Asked) -> Given + Send + Sync + 'static,
) -> Scene {
    scene_called(None, authority, password, script).await
}

/// The settings know another name of the server than the host that is dialled.
async fn scene_called(
    name: Option<&str>,
    authority: Authority,
    password: Arc<Mutex<String>>,
    script: impl Fn(&Asked) -> Given + Send + Sync + 'static,
) -> Scene {
    let server = Server::tls(&authority, script).await;
    let ca = tempfile::tempdir().unwrap();
    std::fs::create_dir(ca.path().join("ca")).unwrap();
    std::fs::write(ca.path().join("ca/site-a.pem"), &authority.pem).unwrap();
    let store = Server::plain(move |_| {
        let secret = password.lock().unwrap().clone();
        given(200, json!({"SecretString": secret}).to_string())
    })
    .await;
    let mut settings = at(server.port);
    settings.infinispan_names = name
        .map(|name| (site("site-a"), name.to_owned()))
        .into_iter()
        .collect();
    let infinispan = Infinispan::new(&settings, Some(ca.path()), &secrets(&store));
    Scene {
        infinispan,
        server,
        secrets: store,
        _ca: ca,
    }
}

fn at(port: u16) -> Settings {
    let mut settings = settings();
    let url = format!("https://localhost:{port}");
    settings.found.infinispan_urls = [(site("site-a"), url.clone()), (site("site-b"), url)].into();
    settings
}

fn secrets(store: &Server) -> Arc<Secrets> {
    let url = format!("http://127.0.0.1:{}", store.port);
    let aws = Aws::from_environment(&move |name| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some(url.clone()),
        _ => None,
    })
    .unwrap();
    Arc::new(Secrets::new(&aws, &settings()))
}

pub(crate) fn a() -> SiteName {
    site("site-a")
}

pub(crate) fn b() -> SiteName {
    site("site-b")
}

/// What the node `n1` tells, which is the one relay node or none.
pub(crate) fn container(relay: bool, seen: &[&str]) -> Given {
    let node = if relay { "n1" } else { "n0" };
    tells(node, &["n1"], seen)
}

/// A server whose site has no other node says so, and to whatever else it is asked this.
fn alone(asked: &Asked, otherwise: Given) -> Given {
    match asked.path.as_str() {
        "/rest/v2/container" => given(200, member("n1", &["n1"]).to_string()),
        _ => otherwise,
    }
}

/// What a node tells of itself and of its site's cluster.
pub(crate) fn member(node: &str, members: &[&str]) -> serde_json::Value {
    json!({
        "relay_node": node == "n1", "node_address": node, "relay_nodes_address": ["n1"],
        "local_site": "site-a", "sites_view": ["site-a"], "cluster_members": members,
    })
}

/// What was asked over the connection that serves everything, and not over the one on which a node says who it is.
fn questions_of_the_pool(scene: &Scene) -> Vec<Asked> {
    let asked = scene.server.asked();
    let introduces = |connection: usize| {
        let mut others = asked.iter().filter(|asked| asked.connection == connection);
        others.any(|asked| asked.path == "/rest/v2/container")
    };
    asked
        .iter()
        .filter(|asked| !introduces(asked.connection))
        .cloned()
        .collect()
}

/// What a node tells that takes these for its relay nodes.
pub(crate) fn tells(node: &str, relays: &[&str], seen: &[&str]) -> Given {
    let container = json!({
        "relay_node": relays.contains(&node), "node_address": node, "relay_nodes_address": relays,
        "local_site": "site-a", "sites_view": seen, "cluster_members": ["n1", "n2", "n3"],
    });
    given(200, container.to_string())
}

/// Lets every task of this thread run until each waits for something from outside. A pool gets a connection back in a
/// task of its own, after the answer was read; in production that has the time until the next event.
async fn all_is_quiet() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn take_offline_presents_user_and_password_and_reads_the_body() {
    let scene = scene(|_| given(200, r#"{"sessions":"ok","work":"Exception on work : timed out"}"#)).await;
    let failures = scene.infinispan.take_offline(&a(), &b()).await.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].cache, "work");
    let asked = &scene.server.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        (
            "POST",
            "/rest/v2/container/x-site/backups/site-b?action=take-offline"
        )
    );
    assert_eq!(
        asked.header("authorization"),
        format!("Basic {}", STANDARD.encode("developer:p:w"))
    );
}

/// A real server knows no backup of a site to itself. That says nothing about the topology's names.
#[tokio::test]
async fn an_address_that_leads_to_the_other_site_is_called_that() {
    let scene = scene(|asked| match asked.path.as_str() {
        "/rest/v2/container" => {
            let container = json!({
                "relay_node": true, "node_address": "n1", "relay_nodes_address": ["n1"],
                "local_site": "site-b", "sites_view": ["site-a", "site-b"],
            });
            given(200, container.to_string())
        }
        _ => given(404, ""),
    })
    .await;
    let reach = scene.infinispan.reach(&a(), &b()).await.unwrap();
    let told = "its address leads to the Infinispan of `site-b`".to_owned();
    assert_eq!(reach, Reach::Refuses(Refusal::Site, told));
}

/// What a site that may be lost looks like, and what it does not look like.
#[tokio::test]
async fn a_look_tells_silence_from_refusal() {
    let refuses = |why| Some(Err(why));
    for (status, body, reach) in [
        (200, r#"{"status":"online"}"#, Some(Ok(Backup::Online))),
        (200, r#"{"status":"offline"}"#, Some(Ok(Backup::Offline))),
        (
            200,
            r#"{"status":"mixed","online":["a"],"offline":["b"],"mixed":["c"]}"#,
            Some(Ok(Backup::Mixed)),
        ),
        (200, r#"{"status":"mixed"}"#, Some(Ok(Backup::Mixed))),
        (200, "<html>a login page</html>", refuses(Refusal::Other)),
        (400, "", refuses(Refusal::Other)),
        (401, "", refuses(Refusal::Credentials)),
        (403, "", refuses(Refusal::Rights)),
        (404, "", refuses(Refusal::Site)),
        (500, "", None),
        (503, "Application is not available", None),
    ] {
        let scene = scene(move |asked| match asked.path.as_str() {
            "/rest/v2/container" => container(true, &["site-a", "site-b"]),
            "/rest/v2/container/x-site/backups/site-b" => given(status, body),
            other => given(418, other),
        })
        .await;
        let seen = match scene.infinispan.reach(&a(), &b()).await {
            Ok(Reach::Answers(backup, views)) => {
                assert!(views.iter().any(View::is_primary), "{views:?}");
                Some(Ok(backup))
            }
            Ok(Reach::Mixed(offline, views)) => {
                assert!(views.iter().any(View::is_primary), "{views:?}");
                assert_eq!(offline, ["b", "c"]);
                Some(Ok(Backup::Mixed))
            }
            Ok(Reach::Refuses(why, _)) => Some(Err(why)),
            Err(_) => None,
        };
        assert_eq!(seen, reach, "{status} {body}");
        assert!(scene.server.asked().iter().all(|asked| asked.method == "GET"));
    }
    // There is no bundle for site-b, so its certificate is nobody's.
    let scene = scene(|_| given(200, r#"{"status":"online"}"#)).await;
    let reach = scene.infinispan.reach(&b(), &a()).await;
    assert!(
        matches!(reach, Ok(Reach::Refuses(Refusal::Certificate, _))),
        "{reach:?}"
    );
    assert!(scene.server.asked().is_empty());
    // Nobody listens.
    let nobody = Infinispan::new(&at(1), None, &secrets(&scene.secrets));
    assert!(nobody.reach(&a(), &b()).await.is_err());
}

/// A connection that died while the function was frozen gives no sign: the same is asked on another one.
#[tokio::test]
async fn a_dead_connection_is_gone_around() {
    let scene = scene(|asked| {
        let reply = given(200, r#"{"status":"offline"}"#);
        if asked.connection == 0 && asked.path.contains("x-site") {
            reply.after(Duration::from_secs(60))
        } else {
            reply
        }
    })
    .await;
    // The first question opens the connection; what it is answered does not matter.
    let _ = scene.infinispan.pushes(&a(), &b()).await;
    let began = Instant::now();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// The second of two requests would be answered, and the first might be carried out long after that.
#[tokio::test]
async fn what_changes_something_is_sent_once_and_silence_is_a_fault() {
    let scene = scene(|asked| {
        let reply = given(204, "");
        if asked.path.contains("action=") {
            reply.after(Duration::from_secs(60))
        } else {
            reply
        }
    })
    .await;
    let caches = ["sessions".to_owned(), "work".to_owned()];
    let (site_a, site_b) = (a(), b());
    let (cleared, pushed, switched) = tokio::join!(
        scene.infinispan.clear(&site_a, "work"),
        scene
            .infinispan
            .each(&site_a, &site_b, "start-push-state", &caches),
        scene.infinispan.switch(&site_a, &site_b, "bring-online"),
    );
    for what in [
        cleared.unwrap_err().what,
        pushed.unwrap_err().what,
        switched.unwrap_err().what,
    ] {
        assert!(what.contains("no answer within"), "{what}");
    }
    let asked = scene.server.asked();
    let mut told: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    told.sort_unstable();
    let once: BTreeSet<&str> = told.iter().copied().collect();
    assert_eq!(told, once.into_iter().collect::<Vec<_>>());
    assert_eq!(told.len(), 4, "{told:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let scene = scene(|_| given(200, "x".repeat(2 * 1024 * 1024))).await;
    let fault = scene.infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(fault.what.contains("cannot be read"), "{fault}");
}

#[tokio::test]
async fn pushes_are_started_read_and_forgotten_cache_by_cache() {
    let scene = scene(|asked| match asked.path.as_str() {
        "/rest/v2/caches" => given(200, r#"["sessions","work","local-only","___internal"]"#),
        path if path.starts_with("/rest/v2/caches/local-only") => given(404, ""),
        path if path.contains("push-state-status") && asked.method == "GET" => given(
            200,
            if path.contains("work") {
                r#"{"site-b":"SENDING"}"#
            } else {
                r#"{"site-b":"OK"}"#
            },
        ),
        path if path.contains("sessions") && path.contains("start-push-state") => given(500, "no such node"),
        _ => given(204, ""),
    })
    .await;
    let pushes = scene.infinispan.pushes(&a(), &b()).await.unwrap();
    let told: Vec<(&str, Push)> = pushes
        .iter()
        .map(|push| (push.cache.as_str(), push.push))
        .collect();
    assert_eq!(told, [("sessions", Push::Ok), ("work", Push::Sending)]);

    let caches = ["sessions".to_owned(), "work".to_owned()];
    let failures = scene
        .infinispan
        .each(&a(), &b(), "start-push-state", &caches)
        .await
        .unwrap();
    assert_eq!((failures.len(), failures[0].cache.as_str()), (1, "sessions"));
    scene.infinispan.clear_pushes(&a(), &caches).await.unwrap();
    scene.infinispan.clear(&a(), "a cache").await.unwrap();
    let asked = scene.server.asked();
    let last = asked.last().unwrap();
    assert_eq!(
        (last.method.as_str(), last.path.as_str()),
        ("POST", "/rest/v2/caches/a%20cache?action=clear")
    );
    assert!(
        asked
            .iter()
            .any(|asked| asked.path == "/rest/v2/caches/work/x-site/local?action=clear-push-state-status")
    );
}
