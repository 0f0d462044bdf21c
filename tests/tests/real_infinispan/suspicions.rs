//! A site is suspected as soon as it is out of view, and the function looks for itself.

use std::time::Instant;

use tests::servers::{Plan, SITES, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(
    a_suspicion_fences_without_waiting_for_the_alert,
    a_site_of_one_relay_node_is_left_to_the_alert,
    a_relay_node_that_takes_over_convicts_nobody,
);

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
            "left to SiteOffline: site-a has one relay node, and a restart of it looks like a lost site"
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
