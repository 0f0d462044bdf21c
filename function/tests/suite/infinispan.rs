//! Infinispan over real TLS: its traps, its two ways of authentication, and dead connections.

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
        "local_site": "site-a", "sites_view": seen,
    });
    given(200, container.to_string())
}

/// Of the server's certificate and the authority's in the bundle the one that ends first is told, once a handshake has
/// shown it; of one that was not accepted nothing is.
#[tokio::test]
async fn what_a_handshake_shows_tells_what_ends_first() {
    for (authority, certificate, subject, is_authority, at) in [
        (2050, 2041, "the server", false, "2041-01-01T00:00:00Z"),
        (2039, 2041, "the authority", true, "2039-01-01T00:00:00Z"),
    ] {
        let password = Arc::new(Mutex::new("p:w".to_owned()));
        let authority = Authority::ending(authority, certificate);
        let scene = scene_of(authority, password, |_| given(200, r#"{"status":"online"}"#)).await;
        assert_eq!(scene.infinispan.first_to_end(&a()), None);
        scene.infinispan.backup(&a(), &b()).await.unwrap();
        let ending = scene.infinispan.first_to_end(&a()).unwrap();
        assert_eq!(
            (
                ending.subject.as_str(),
                ending.is_authority,
                ending.at.to_string().as_str()
            ),
            (subject, is_authority, at)
        );
        // The same server, which site-b's bundle (there is none) does not vouch for.
        assert!(scene.infinispan.backup(&b(), &a()).await.is_err());
        assert_eq!(scene.infinispan.first_to_end(&b()), None);
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

/// Behind a router that passes TLS on the server proves the name that it has in its cluster, and is asked for by the
/// host all the same, for the router goes by that. By whom its certificate is signed is verified in any case.
#[tokio::test]
async fn a_server_may_prove_its_own_name_and_is_asked_for_by_the_dialled_host() {
    const OWN: &str = "infinispan.keycloak.svc";
    for (proves, known, is_trusted) in [
        (OWN, Some(OWN), true),
        ("localhost", Some(OWN), true),
        (OWN, None, false),
        ("other.keycloak.svc", Some(OWN), false),
    ] {
        let password = Arc::new(Mutex::new("p:w".to_owned()));
        let scene = scene_called(known, Authority::for_name(proves), password, |asked| {
            alone(asked, given(200, r#"{"status":"online"}"#))
        })
        .await;
        // How many nodes there are is known before.
        let _ = scene.infinispan.views(&a()).await;
        all_is_quiet().await;
        let answer = scene.infinispan.backup(&a(), &b()).await;
        assert_eq!(answer.is_ok(), is_trusted, "{proves} {known:?} {answer:?}");
        if is_trusted {
            assert_eq!(scene.server.names(), [Some("localhost".to_owned())], "{proves}");
        } else {
            let what = answer.unwrap_err().what;
            assert!(what.contains("not valid for name \"localhost\""), "{what}");
            assert_eq!(scene.server.asked().len(), 0);
        }
        // No bundle vouches for it at site-b.
        assert!(scene.infinispan.backup(&b(), &a()).await.is_err());
    }
}

/// There is a bundle for site-a and none for site-b, which is therefore verified against public roots.
#[tokio::test]
async fn a_server_that_the_topologys_ca_did_not_sign_is_refused() {
    let scene = scene(|_| given(200, "{}")).await;
    let fault = scene.infinispan.backup(&b(), &a()).await.unwrap_err();
    assert_eq!(fault.whom, "site-b's Infinispan");
    assert!(fault.what.contains("certificate"), "{fault}");
    assert_eq!(scene.server.asked().len(), 0);

    // A bundle that cannot be read silences its own site only, and with a reason.
    let broken = tempfile::tempdir().unwrap();
    std::fs::create_dir(broken.path().join("ca")).unwrap();
    std::fs::write(broken.path().join("ca/site-a.pem"), "no certificate").unwrap();
    let infinispan = Infinispan::new(
        &at(scene.server.port),
        Some(broken.path()),
        &secrets(&scene.secrets),
    );
    let fault = infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(
        fault
            .what
            .contains("site-a.pem: the CA bundle holds no certificate"),
        "{fault}"
    );

    let mut plain = at(scene.server.port);
    plain
        .found
        .infinispan_urls
        .insert(a(), "http://localhost:1".to_owned());
    let fault = Infinispan::new(&plain, None, &secrets(&scene.secrets))
        .backup(&a(), &b())
        .await
        .unwrap_err();
    assert!(fault.what.contains("https://host[:port]"), "{fault}");
}

#[tokio::test]
async fn refusals_say_what_to_look_at() {
    for (status, said) in [
        (403, "needs ADMIN"),
        (404, "knows no such site"),
        (503, "it answers 503: busy"),
    ] {
        let scene = scene(move |_| given(status, "busy")).await;
        let fault = scene.infinispan.backup(&a(), &b()).await.unwrap_err();
        assert!(fault.what.contains(said), "{fault}");
        let fault = scene.infinispan.take_offline(&a(), &b()).await.unwrap_err();
        assert!(fault.what.contains(said), "{fault}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_a_changed_one_is_read_again() {
    let basic = |asked: &Asked, password: &str| {
        if asked.header("authorization")
            == format!("Basic {}", STANDARD.encode(format!("developer:{password}")))
        {
            given(200, r#"{"status":"offline"}"#)
        } else {
            given(401, "").with("www-authenticate", "Basic realm=\"default\"")
        }
    };
    let scene = scene(move |asked| basic(asked, "another")).await;
    let fault = scene.infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(fault.what.contains("does not accept user `developer`"), "{fault}");
    assert!(!fault.what.contains("p:w"), "{fault}");

    // It was changed at Infinispan, and then in its secret.
    let password = Arc::new(Mutex::new("old".to_owned()));
    let accepted = Arc::new(Mutex::new("old".to_owned()));
    let server_accepts = Arc::clone(&accepted);
    let scene = scene_with(Arc::clone(&password), move |asked| {
        basic(asked, &server_accepts.lock().unwrap())
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    *accepted.lock().unwrap() = "new".to_owned();
    *password.lock().unwrap() = "new".to_owned();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert_eq!(scene.secrets.asked().len(), 2);
    // While it stays wrong, it is not read over and over.
    *accepted.lock().unwrap() = "newer".to_owned();
    for _ in 0..3 {
        assert!(scene.infinispan.backup(&a(), &b()).await.is_err());
    }
    assert_eq!(scene.secrets.asked().len(), 2);
}

/// Each node has nonces of its own, as those of a cluster do.
#[tokio::test]
async fn digest_is_spoken_where_basic_is_not_offered() {
    let scene = scene(|asked| {
        let nonce = format!("nonce-{}", asked.connection);
        let header = asked.header("authorization");
        if header.starts_with("Digest ")
            && header.contains(&format!("nonce=\"{nonce}\""))
            && header.contains("username=\"developer\"")
            && header.contains(&format!("uri=\"{}\"", asked.path))
        {
            return alone(
                asked,
                given(200, r#"{"status":"mixed","online":["a"],"offline":["b"]}"#),
            );
        }
        given(401, "").with(
            "www-authenticate",
            format!("Digest realm=\"default\", nonce=\"{nonce}\", opaque=\"0\", algorithm=SHA-256, qop=auth"),
        )
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    let asked = questions_of_the_pool(&scene);
    assert_eq!(asked.len(), 2);
    all_is_quiet().await;
    // The nonce is known now: one round trip, with the next count.
    let before = scene.server.asked().len();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    let asked = scene.server.asked();
    assert_eq!(asked.len(), before + 1);
    assert!(
        asked
            .last()
            .unwrap()
            .header("authorization")
            .contains("nc=00000002")
    );

    let refusing = self::scene(|asked| {
        let nonce = asked.headers.len() + asked.path.len();
        given(401, "").with(
            "www-authenticate",
            format!("Digest realm=\"d\", nonce=\"{nonce}\", qop=auth"),
        )
    })
    .await;
    let fault = refusing.infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(fault.what.contains("does not accept"), "{fault}");
    assert!(questions_of_the_pool(&refusing).len() <= 4);
}

/// As real servers refuse a mechanism: a 403 that names none that they take.
#[tokio::test]
async fn a_mechanism_that_is_not_taken_is_no_lack_of_rights() {
    let scene = scene(|asked| match asked.header("authorization") {
        header if header.starts_with("Digest ") => alone(asked, given(200, r#"{"status":"offline"}"#)),
        "" => given(401, "").with("www-authenticate", "Digest realm=\"d\", nonce=\"n\", qop=auth"),
        _ => given(
            403,
            "ISPN080052: The request authentication mechanism 'BASIC' is not supported",
        ),
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert_eq!(questions_of_the_pool(&scene).len(), 3);
    all_is_quiet().await;
    // It is known now.
    let before = scene.server.asked().len();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert_eq!(scene.server.asked().len(), before + 1);
    // A server that takes nothing of what we have is named as such, and not asked for ever.
    let refusing = self::scene(|asked| match asked.header("authorization") {
        "" => given(401, "").with("www-authenticate", "Digest realm=\"d\", nonce=\"n\", qop=auth"),
        _ => given(
            403,
            "ISPN080052: The request authentication mechanism is not supported",
        ),
    })
    .await;
    assert!(refusing.infinispan.backup(&a(), &b()).await.is_err());
    assert!(
        refusing.server.asked().len() <= 24,
        "{}",
        refusing.server.asked().len()
    );
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
async fn what_changes_something_is_told_once_and_silence_is_a_fault() {
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

/// Lets every task of this thread run until each waits for something from outside. A pool gets a connection back in a
/// task of its own, after the answer was read; in production that has the time until the next event.
async fn all_is_quiet() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_connection_serves_all_questions() {
    let scene = scene(|asked| alone(asked, given(200, r#"{"status":"online"}"#))).await;
    scene.infinispan.views(&a()).await.unwrap();
    for _ in 0..3 {
        all_is_quiet().await;
        scene.infinispan.backup(&a(), &b()).await.unwrap();
    }
    assert_eq!(scene.server.asked().len(), 4);
    assert_eq!(scene.server.connections(), 1);
}

/// Of three nodes behind one address, each says of its own backup what this says; who it is, is told by the connection.
/// What a node is told it does, unless it was told before; others do not hear of it.
async fn three_nodes(said: [&'static str; 3]) -> (Scene, Arc<Mutex<[&'static str; 3]>>) {
    let said = Arc::new(Mutex::new(said));
    let nodes = Arc::clone(&said);
    let scene = scene(move |asked| {
        let node = asked.connection % 3;
        match asked.path.as_str() {
            "/rest/v2/container" => {
                let names = ["n0", "n1", "n2"];
                given(200, member(names[node], &names).to_string())
            }
            path if path.ends_with("action=take-offline") => {
                nodes.lock().unwrap()[node] = "offline";
                given(200, r#"{"sessions":"ok"}"#)
            }
            path if path.ends_with("action=bring-online") => {
                nodes.lock().unwrap()[node] = "online";
                given(200, r#"{"sessions":"ok"}"#)
            }
            _ => given(200, json!({"status": nodes.lock().unwrap()[node]}).to_string()),
        }
    })
    .await;
    (scene, said)
}

/// As Infinispan 16 has it: what one node says of its backup says nothing about the others.
#[tokio::test]
async fn every_node_is_asked_whether_it_is_cut() {
    for (said, expected) in [
        (["offline"; 3], Backup::Offline),
        (["online"; 3], Backup::Online),
        (["offline", "offline", "online"], Backup::Mixed),
        (["online", "offline", "offline"], Backup::Mixed),
        (["offline", "mixed", "offline"], Backup::Mixed),
    ] {
        let (scene, _) = three_nodes(said).await;
        for look in 0..3 {
            let read = scene.infinispan.backup(&a(), &b()).await;
            assert_eq!(read, Ok(expected), "{said:?}, look {look}");
        }
        // One connection to each that was asked once, and what they were asked before stays known.
        assert!(scene.server.connections() <= 5, "{}", scene.server.connections());
        let reach = scene.infinispan.reach(&a(), &b()).await.unwrap();
        assert!(
            matches!(reach, Reach::Answers(backup, _) if backup == expected),
            "{reach:?}"
        );
    }
}

/// Told once more, the node that is cut already does nothing, and tells nobody.
#[tokio::test]
async fn a_node_that_was_left_out_is_told_itself() {
    let (scene, said) = three_nodes(["offline", "online", "online"]).await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    scene.infinispan.take_offline(&a(), &b()).await.unwrap();
    assert_eq!(*said.lock().unwrap(), ["offline"; 3]);
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    // Who did as it was told is not told again.
    let told = |scene: &Scene| {
        let asked = scene.server.asked();
        asked.iter().filter(|asked| asked.method == "POST").count()
    };
    let before = told(&scene);
    scene.infinispan.take_offline(&a(), &b()).await.unwrap();
    assert_eq!(told(&scene), before + 1);

    *said.lock().unwrap() = ["online", "online", "offline"];
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    scene.infinispan.bring_online(&a(), &b()).await.unwrap();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Online));
}

/// One that hangs is not waited for, and a balancer that leads to one node for ever is not asked for ever.
#[tokio::test]
async fn whoever_is_not_met_holds_up_nobody_for_long() {
    let hangs = scene(|asked| {
        let node = ["n0", "n1", "n2"][asked.connection % 3];
        let reply = match asked.path.as_str() {
            "/rest/v2/container" => given(200, member(node, &["n0", "n1", "n2"]).to_string()),
            _ => given(200, r#"{"status":"offline"}"#),
        };
        if node == "n2" {
            reply.after(Duration::from_secs(60))
        } else {
            reply
        }
    })
    .await;
    let began = Instant::now();
    assert_eq!(hangs.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

    let same = scene(|asked| match asked.path.as_str() {
        "/rest/v2/container" => given(200, member("n0", &["n0", "n1", "n2"]).to_string()),
        _ => given(200, r#"{"status":"offline"}"#),
    })
    .await;
    assert_eq!(same.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert!(same.server.connections() <= 8, "{}", same.server.connections());
}

/// Each part of a site that has fallen apart knows of its own nodes only. Once they have found each other again, either is
/// asked.
#[tokio::test]
async fn nodes_that_had_lost_each_other_are_asked_when_they_are_back() {
    let merged = Arc::new(Mutex::new(false));
    let are_merged = Arc::clone(&merged);
    let scene = scene(move |asked| {
        let node = ["n1", "n2"][asked.connection % 2];
        let status = ["offline", "online"][asked.connection % 2];
        let members: &[&str] = if *are_merged.lock().unwrap() {
            &["n1", "n2"]
        } else {
            std::slice::from_ref(&node)
        };
        match asked.path.as_str() {
            "/rest/v2/container" => given(200, member(node, members).to_string()),
            _ => given(200, json!({"status": status}).to_string()),
        }
    })
    .await;
    assert!(scene.infinispan.backup(&a(), &b()).await.is_ok());
    *merged.lock().unwrap() = true;
    // Each minute's look counts them.
    scene.infinispan.reach(&a(), &b()).await.unwrap();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
}
