//! Sites of several nodes: whichever of them is asked, the relay node is met, and a fence holds on all of them.

use std::time::Instant;

use serde_json::json;
use tests::servers::{Plan, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(
    two_nodes_with_one_relay_node_are_fenced,
    two_nodes_with_two_relay_nodes_are_fenced,
    three_nodes_with_one_relay_node_are_fenced,
    three_nodes_with_two_relay_nodes_are_fenced,
    a_node_that_hangs_while_its_site_is_cut_is_cut_when_it_wakes,
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

/// Its site hands a cut on to it, and cannot. What any other node says of its own backup says nothing about this one's.
async fn a_node_that_hangs_while_its_site_is_cut_is_cut_when_it_wakes(version: Version) {
    let plan = Plan {
        nodes: 3,
        ..Plan::small(version)
    };
    let Some(stage) = Stage::set(plan).await else {
        return;
    };
    let servers = &stage.servers;
    let primary = servers.primaries(0).await[0];
    let hung = (primary + 1) % 3;
    servers.cut().unwrap();
    servers.until_seen(0, false, LIMIT).await.unwrap();
    servers.sites[0].nodes[hung].hang().unwrap();
    let hanging = Instant::now();
    stage.fence(0).await;
    println!("fenced {:?} after it hung", hanging.elapsed());
    servers.sites[0].nodes[hung].wake().unwrap();
    let took = servers.until_joined(0, 3, LIMIT).await.unwrap();
    println!("its site has it again {took:?} after it woke");
    until_every_node_is_cut(&stage, 3).await;
}

/// Minutes pass until each node of the first site says that it is cut off, and then each of them writes.
pub(crate) async fn until_every_node_is_cut(stage: &Stage, nodes: usize) {
    let servers = &stage.servers;
    let every_node = async || {
        stage.minute().await;
        for node in 0..nodes {
            let status = stage.backup_by(0, node).await;
            if status != "offline" {
                println!("node {node} says {status}");
                return false;
            }
        }
        true
    };
    let took = servers
        .until("a node is not cut", LIMIT, every_node)
        .await
        .unwrap();
    println!("every node is cut after {took:?}");
    // After a merge the nodes first share out their entries anew.
    let every_node_writes = async || {
        for node in 0..nodes {
            let answer = servers.put_by(0, node, "sessions", "after", "by a").await;
            if answer.status != 204 {
                println!("node {node} answers {}: {}", answer.status, answer.body);
                return false;
            }
        }
        true
    };
    let what = "a node does not write";
    servers.until(what, LIMIT, every_node_writes).await.unwrap();
}
