//! Whom a site sees, asked of its nodes over real TLS: one address, several nodes, and connections decide who answers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::common::server::{Asked, Given, given};
use crate::infinispan::{Scene, a, b, container, scene, tells};
use fencing::health::Reach;
use fencing::replication::{Backup, Sight, View, sight};

const BOTH: &[&str] = &["site-a", "site-b"];
const OWN: &[&str] = &["site-a"];
const RELAYS: &[&str] = &["n1", "n2"];
const HANGS: Duration = Duration::from_secs(60);

async fn heard(scene: &Scene) -> Vec<View> {
    scene.infinispan.views(&a()).await.unwrap()
}

fn seen(views: &[View]) -> Sight {
    sight(views, &a(), &b())
}

/// A pod that is no relay node.
fn pod() -> Given {
    tells("n3", RELAYS, &[])
}

/// The connections over which something was asked.
fn used(scene: &Scene) -> BTreeSet<usize> {
    scene
        .server
        .asked()
        .iter()
        .map(|asked| asked.connection)
        .collect()
}

/// How many questions it takes to hear enough, once it is known where the connections lead, and what was heard; each
/// connection leads to a node that says this. On a busy machine an answer may be so late that others are asked,
/// rightly: then all is done again.
async fn questions(view: Given) -> (usize, Sight) {
    for _ in 0..50 {
        let view = view.clone();
        let scene = scene(move |asked| {
            if asked.path.ends_with("/container") {
                view.clone()
            } else {
                given(200, r#"{"status":"online"}"#)
            }
        })
        .await;
        // The minute's check ends what it begins.
        scene.infinispan.reach(&a(), &b()).await.unwrap();
        let (before, began) = (scene.server.asked().len(), Instant::now());
        let sight = seen(&heard(&scene).await);
        if began.elapsed() < Duration::from_millis(150) {
            return (scene.server.asked().len() - before, sight);
        }
    }
    panic!("this machine never answers in time");
}

/// The way of every fence: the primary is at the other end of the connection that is open, and nobody else matters.
#[tokio::test]
async fn one_question_settles_it_where_the_only_relay_node_answers() {
    for (view, expected) in [(BOTH, Sight::Sees), (OWN, Sight::Misses)] {
        assert_eq!(questions(tells("n1", &["n1"], view)).await, (1, expected));
    }
    // And where there is another one, whose objection would change nothing.
    assert_eq!(questions(tells("n1", RELAYS, BOTH)).await, (1, Sight::Sees));
}

/// A process that has just started does not know where its connections lead: it asks over two of them at once, and needs
/// no third where they lead to both relay nodes.
#[tokio::test]
async fn both_relay_nodes_are_heard_at_once_over_the_first_connections() {
    let node = |asked: &Asked| match (asked.path.as_str(), asked.connection % 2) {
        ("/rest/v2/container", 0) => tells("n1", RELAYS, OWN),
        ("/rest/v2/container", _) => tells("n2", RELAYS, OWN),
        _ => given(404, ""),
    };
    for _ in 0..50 {
        let (scene, began) = (scene(node).await, Instant::now());
        assert_eq!(seen(&heard(&scene).await), Sight::Misses);
        // Otherwise an answer may have been so late that others were asked, rightly.
        if began.elapsed() < Duration::from_millis(150) {
            assert_eq!((scene.server.asked().len(), scene.server.connections()), (2, 2));
            return;
        }
    }
    panic!("this machine never answers in time");
}

#[tokio::test]
async fn others_are_asked_on_connections_of_their_own_until_the_primary_is_met() {
    for primary in 0..10 {
        let scene = scene(move |asked| match asked.connection {
            it if it == primary => container(true, OWN),
            _ => container(false, &[]),
        })
        .await;
        let views = heard(&scene).await;
        assert_eq!(seen(&views), Sight::Misses, "on connection {primary}: {views:?}");
        assert_eq!(used(&scene).len(), scene.server.asked().len(), "each on its own");
    }
    let scene = scene(|_| container(false, &[])).await;
    assert_eq!(seen(&heard(&scene).await), Sight::Nothing);
    assert_eq!(scene.server.asked().len(), 10);
}

/// What was demoted by a merge, or is a relay node beside the primary, does not decide.
#[tokio::test]
async fn a_node_that_is_not_the_primary_does_not_settle_it() {
    let scene = scene(|asked| match asked.connection {
        0 => tells("n4", RELAYS, BOTH).after(Duration::ZERO),
        1 => tells("n2", RELAYS, OWN),
        2 => pod(),
        _ => tells("n1", RELAYS, OWN),
    })
    .await;
    let views = heard(&scene).await;
    assert_eq!(seen(&views), Sight::Misses, "{views:?}");
    assert!(views.iter().any(View::is_primary), "{views:?}");
}

#[tokio::test]
async fn another_relay_node_is_asked_for_its_objection() {
    let scene = scene(|asked| match asked.connection {
        0 => tells("n1", RELAYS, OWN),
        1 | 2 => pod(),
        _ => tells("n2", RELAYS, BOTH),
    })
    .await;
    assert_eq!(seen(&heard(&scene).await), Sight::Divided);
}

/// From then on the first question is for those that matter, and so is whatever else is asked or done.
#[tokio::test]
async fn the_connections_to_relay_nodes_are_kept() {
    let node = |asked: &Asked| match (asked.path.as_str(), asked.connection % 3) {
        ("/rest/v2/container", 1) => tells("n2", RELAYS, OWN),
        ("/rest/v2/container", 2) => tells("n1", RELAYS, OWN),
        ("/rest/v2/container", _) => pod(),
        _ => given(200, r#"{"status":"online"}"#),
    };
    let scene = scene(node).await;
    // The minute's check hears them all, and ends what it begins.
    scene.infinispan.reach(&a(), &b()).await.unwrap();
    let (asked, connections) = (scene.server.asked().len(), scene.server.connections());
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(seen(&heard(&scene).await), Sight::Misses);
    }
    // On a busy machine an answer may be so late that others are asked, rightly.
    if began.elapsed() < Duration::from_millis(150) {
        let all = (scene.server.asked().len(), scene.server.connections());
        assert_eq!(
            all,
            (asked + 6, connections),
            "one question to each relay node, and no further connection"
        );
    }
    let _ = scene.infinispan.pushes(&a(), &b()).await;
    let last = scene.server.asked().pop().unwrap();
    assert_eq!(last.connection % 3, 2, "everything else goes to the primary");
}

#[tokio::test]
async fn a_node_that_hangs_or_breaks_holds_up_nobody_for_long() {
    // The one whose connection is open.
    let scene = scene(|asked| match asked.connection {
        0 => container(false, &[]).after(HANGS),
        1 => given(500, "out of\nmemory"),
        2 => given(200, "no JSON"),
        _ => container(true, BOTH),
    })
    .await;
    let began = Instant::now();
    assert_eq!(seen(&heard(&scene).await), Sight::Sees);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // One of each batch.
    let late = self::scene(|asked| match asked.connection {
        1 | 5 => container(false, &[]).after(HANGS),
        9 => container(true, OWN),
        _ => container(false, &[]),
    })
    .await;
    let began = Instant::now();
    assert_eq!(seen(&heard(&late).await), Sight::Misses);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());

    // A relay node that could object: the survivor's users are waiting.
    let mute = self::scene(|asked| match asked.connection {
        0 => tells("n1", RELAYS, OWN),
        it if it % 2 == 0 => tells("n2", RELAYS, BOTH).after(HANGS),
        _ => pod(),
    })
    .await;
    let began = Instant::now();
    assert_eq!(seen(&heard(&mute).await), Sight::Misses);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // All of them.
    let broken = self::scene(|_| given(500, "out of\nmemory")).await;
    let fault = broken.infinispan.views(&a()).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "site-a's Infinispan: it answers 500: out of memory"
    );
}

/// The minute's look hears every relay node, also where the primary sees the other site, and ends what it begins.
#[tokio::test]
async fn a_look_hears_every_relay_node_and_breaks_nothing_off() {
    let scene = scene(
        |asked| match (asked.path.ends_with("/container"), asked.connection) {
            (false, _) => given(200, r#"{"status":"online"}"#),
            (true, 0) => tells("n1", RELAYS, BOTH),
            // What each node says of its backup is asked for beside, over connections of its own.
            (true, it) if it % 2 == 1 => tells("n2", RELAYS, OWN),
            (true, _) => pod().after(Duration::from_millis(200)),
        },
    )
    .await;
    let reach = scene.infinispan.reach(&a(), &b()).await.unwrap();
    let Reach::Answers(Backup::Online, views) = reach else {
        panic!("{reach:?}");
    };
    let names: BTreeSet<&str> = views.iter().map(|view| view.node_address.as_str()).collect();
    assert!(names.is_superset(&BTreeSet::from(["n1", "n2"])), "{names:?}");
    assert_eq!(
        used(&scene).len(),
        scene.server.connections(),
        "no handshake is broken off"
    );

    // Whoever never meets the primary never learns that the other site is lost, and fences nobody.
    for view in [container(false, &[]), given(500, "")] {
        let scene = self::scene(move |asked| {
            if asked.path.ends_with("/container") {
                view.clone()
            } else {
                given(200, r#"{"status":"online"}"#)
            }
        })
        .await;
        let reach = scene.infinispan.reach(&a(), &b()).await.unwrap();
        let Reach::Answers(Backup::Online, views) = reach else {
            panic!("{reach:?}");
        };
        assert_eq!(seen(&views), Sight::Nothing);
    }
}

/// A server logs what is broken off with a stack trace. Twenty minutes of checks, over nodes of which most are no relay
/// nodes, leave none, and neither does the end of the process.
#[tokio::test]
async fn twenty_checks_break_nothing_off() {
    let scene = scene(
        |asked| match (asked.path.ends_with("/container"), asked.connection % 4) {
            (false, _) => given(200, r#"{"status":"online"}"#),
            (true, 0) => tells("n1", RELAYS, BOTH),
            (true, 1) => tells("n2", RELAYS, BOTH),
            (true, _) => pod(),
        },
    )
    .await;
    for _ in 0..20 {
        let reach = scene.infinispan.reach(&a(), &b()).await.unwrap();
        assert!(matches!(reach, Reach::Answers(..)), "{reach:?}");
    }
    let Scene {
        infinispan, server, ..
    } = scene;
    drop(infinispan);
    let all_ended = async {
        while server.ended() < server.connections() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANGS, all_ended)
        .await
        .expect("an end of all connections");
    assert!(server.connections() >= 2);
    assert_eq!(server.broken_off(), 0, "of {}", server.connections());
}

/// A cache does not say whose it is, so the same connection is asked who that was.
#[tokio::test]
async fn a_nodes_age_is_read_from_a_cache_over_the_connection_that_leads_to_it() {
    const STATS: &str = "/rest/v2/caches/work?action=stats";
    let node = |asked: &Asked| match (asked.path.as_str(), asked.connection % 3) {
        ("/rest/v2/container", 1) => tells("n2", RELAYS, OWN),
        ("/rest/v2/container", 2) => tells("n1", RELAYS, OWN),
        ("/rest/v2/container", _) => pod(),
        (STATS, 2) => given(200, r#"{"time_since_start":77,"stores":0}"#),
        (STATS, _) => given(200, r#"{"time_since_start":9,"stores":0}"#),
        _ => given(404, ""),
    };
    let scene = scene(node).await;
    assert_eq!(seen(&heard(&scene).await), Sight::Misses);
    assert_eq!(scene.infinispan.age(&a(), "n1").await, Ok(Some(77)));
    // To meet the first of them, the second one was met, too: its connection is known.
    let asked = scene.server.asked().len();
    assert_eq!(scene.infinispan.age(&a(), "n2").await, Ok(Some(9)));
    assert_eq!(scene.server.asked().len(), asked + 1);
    // Both connections are known now: one question each.
    let (asked, connections) = (scene.server.asked().len(), scene.server.connections());
    assert_eq!(scene.infinispan.age(&a(), "n2").await, Ok(Some(9)));
    assert_eq!(scene.infinispan.age(&a(), "n1").await, Ok(Some(77)));
    assert_eq!(
        (scene.server.asked().len(), scene.server.connections()),
        (asked + 2, connections)
    );
    let gone = scene.infinispan.age(&a(), "n9").await.unwrap_err();
    assert_eq!(
        gone.to_string(),
        "site-a's Infinispan: its node n9 can no longer be reached"
    );
}

#[tokio::test]
async fn a_node_whose_cache_counts_nothing_has_no_age() {
    let node = |asked: &Asked| match asked.path.as_str() {
        "/rest/v2/container" => tells("n1", &["n1"], OWN),
        _ => given(200, r#"{"time_since_start":-1,"stores":-1}"#),
    };
    let scene = scene(node).await;
    heard(&scene).await;
    assert_eq!(scene.infinispan.age(&a(), "n1").await, Ok(None));
}
