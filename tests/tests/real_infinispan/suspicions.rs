//! A site is suspected as soon as it is out of view, and the function looks for itself.

use std::collections::BTreeMap;
use std::time::Instant;

use tests::servers::{Plan, SITES, Version};

use crate::stage::{ALERT_EVERY, LIMIT, Stage, with_both_versions};

with_both_versions!(
    a_suspicion_fences_without_waiting_for_the_alert,
    a_site_of_one_relay_node_is_left_to_the_alert,
    a_relay_node_that_takes_over_convicts_nobody,
    a_pod_that_its_own_site_has_shut_out_convicts_nobody,
);

/// How often a pod is moved until its site shuts it out, which it need not.
const MOVES_AT_MOST: usize = 5;

/// Each node of a site is a relay node.
fn two_nodes(version: Version) -> Plan {
    Plan {
        nodes: 2,
        relays: 2,
        ..Plan::small(version)
    }
}

async fn watched(plan: Plan) -> Option<Stage> {
    let stage = Stage::set(plan).await?;
    // The minute's check notes who sees the other site.
    stage.minute().await;
    Some(stage)
}

async fn a_suspicion_fences_without_waiting_for_the_alert(version: Version) {
    let Some(stage) = watched(two_nodes(version)).await else {
        return;
    };
    // A flap that is over: the sites see each other.
    let answer = stage.suspect(0).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "left to SiteOffline: site-a sees site-b again")
    );
    stage.servers.cut().unwrap();
    stage.servers.until_seen(0, false, LIMIT).await.unwrap();
    let began = Instant::now();
    let answer = stage.suspect(0).await;
    println!("decided and carried out after {:?}", began.elapsed());
    assert!(answer.body.starts_with("fenced site-b"), "{}", answer.body);
    assert_eq!(stage.endpoints(), ["site-a"]);
    assert_eq!(stage.backup(0).await, "offline");
    assert_eq!(stage.servers.put(0, "after", "by a").await.status, 204);
    // The alert that follows finds it done.
    let answer = stage.alert(0).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Whose restart takes it out of the other's view for some ten seconds, however good that one's witness is.
async fn a_site_of_one_relay_node_is_left_to_the_alert(version: Version) {
    let Some(mut stage) = watched(Plan::small(version)).await else {
        return;
    };
    stage.servers.sites[0].nodes[0].kill();
    stage.servers.until_seen(1, false, LIMIT).await.unwrap();
    let answer = stage.suspect(1).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            200,
            "left to SiteOffline: site-a has only one relay node, and its restart looks like a lost site"
        )
    );
    assert!(stage.accelerator.writes().is_empty());
}

async fn a_relay_node_that_takes_over_convicts_nobody(version: Version) {
    let Some(mut stage) = watched(two_nodes(version)).await else {
        return;
    };
    let primaries = stage.servers.primaries(0).await;
    stage.servers.sites[0].nodes[primaries[0]].kill();
    let other = 1 - primaries[0];
    let takes_over = async || stage.servers.primaries(0).await == [other];
    stage
        .servers
        .until("nobody takes over", LIMIT, takes_over)
        .await
        .unwrap();
    // Until it has the other site in view, and once it has.
    loop {
        let answer = stage.suspect(0).await;
        assert_eq!(answer.status, 200, "{}: {}", SITES[0], answer.body);
        assert!(
            answer.body.starts_with("left to SiteOffline: "),
            "{}",
            answer.body
        );
        if stage.servers.sees(0).await == Some(true) {
            break;
        }
    }
    assert!(stage.accelerator.writes().is_empty());
}

/// The primary is killed, and a pod of its name starts at another address before its site has missed it: that is a site of
/// its own for a while, and sees nobody. The alert is posted all the time, without the wait that Prometheus would make.
async fn a_pod_that_its_own_site_has_shut_out_convicts_nobody(version: Version) {
    let Some(mut stage) = watched(two_nodes(version)).await else {
        return;
    };
    for moves in 1..=MOVES_AT_MOST {
        let primary = stage.servers.primaries(0).await[0];
        stage.servers.replace(0, primary, true).unwrap();
        let is_let_in = stage.servers.until_joined(0, 2, LIMIT);
        tokio::pin!(is_let_in);
        let mut answers = BTreeMap::new();
        loop {
            tokio::select! {
                let_in = &mut is_let_in => {
                    let_in.unwrap();
                    break;
                }
                answer = async {
                    tokio::time::sleep(ALERT_EVERY).await;
                    stage.alert(0).await
                } => {
                    assert!(stage.accelerator.writes().is_empty(), "{} {}", answer.status, answer.body);
                    *answers.entry((answer.status, answer.body)).or_insert(0) += 1;
                }
            }
        }
        stage.linked().await;
        println!("move {moves}: {answers:#?}");
        let refusal = answers
            .keys()
            .find(|(_, answer)| answer.contains("knows of no other relay node"));
        if let Some((status, _)) = refusal {
            assert_eq!(*status, 429);
            return;
        }
    }
    panic!("{MOVES_AT_MOST} pods that moved, and none was ever shut out");
}
