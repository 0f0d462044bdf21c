//! Sites of several nodes: whichever of them is asked, the relay node is met, and a fence holds on all of them.

use serde_json::json;
use tests::servers::{Plan, Version};

use crate::stage::{Stage, with_both_versions};

with_both_versions!(
    two_nodes_with_one_relay_node_are_fenced,
    two_nodes_with_two_relay_nodes_are_fenced,
    three_nodes_with_one_relay_node_are_fenced,
    three_nodes_with_two_relay_nodes_are_fenced,
);

async fn two_nodes_with_one_relay_node_are_fenced(version: Version) {
    fenced(version, 2, 1).await;
}

async fn two_nodes_with_two_relay_nodes_are_fenced(version: Version) {
    fenced(version, 2, 2).await;
}

async fn three_nodes_with_one_relay_node_are_fenced(version: Version) {
    fenced(version, 3, 1).await;
}

async fn three_nodes_with_two_relay_nodes_are_fenced(version: Version) {
    fenced(version, 3, 2).await;
}

async fn fenced(version: Version, nodes: usize, relays: usize) {
    let plan = Plan {
        nodes,
        relays,
        ..Plan::small(version)
    };
    let Some(stage) = Stage::set(plan).await else {
        return;
    };
    let servers = &stage.servers;
    for site in 0..2 {
        // Nodes that start at the same time may first be alone and then merge; whoever was demoted then still calls itself
        // a relay node.
        let mut seeing = 0;
        for node in 0..nodes {
            let said = servers.container(site, node).await;
            let listed = said["relay_nodes_address"].as_array();
            if listed.is_some_and(|listed| listed.contains(&said["node_address"])) {
                seeing += 1;
            } else if said["relay_node"] == false {
                let sees = &said["sites_view"];
                assert_eq!(*sees, json!([]), "it sees nobody, itself included");
            }
        }
        assert_eq!(seeing, relays);
        assert_eq!(servers.primaries(site).await.len(), 1);
    }
    // Ten times, that each node is met first: what a node says that is no relay node is no loss.
    for _ in 0..10 {
        let answer = stage.alert(0).await;
        assert_eq!(answer.status, 429, "{}", answer.body);
    }
    let health = stage.health_after_a_minute().await;
    assert!(!health.contains("infinispan"), "{health}");
    assert!(stage.accelerator.writes().is_empty());

    servers.cut().unwrap();
    stage.fence(0).await;
    assert_eq!(stage.endpoints(), ["site-a"]);
    for node in 0..nodes {
        assert_eq!(stage.backup_by(0, node).await, "offline", "node {node}");
        let answer = servers.put_by(0, node, "sessions", "after", "by a").await;
        assert_eq!(answer.status, 204, "node {node}: {answer:?}");
    }
}
