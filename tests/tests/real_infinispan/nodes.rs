//! Sites of several nodes: which of them sees the other site, and what becomes of that.

use serde_json::Value;
use tests::servers::{Plan, Servers, Version};

use crate::stage::{MERGE, SUSPICION, Stage};

/// What each node of a site says of itself.
async fn containers(servers: &Servers, site: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for node in 0..servers.sites[site].nodes.len() {
        all.push(servers.ask(site, node, "GET", "/rest/v2/container").await.json());
    }
    all
}

/// With one relay node of two the function meets it, whichever it is, and a fence holds on every node.
#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn of_two_nodes_the_one_relay_node_is_met() {
    for version in Version::ALL {
        let plan = Plan {
            nodes: 2,
            ..Plan::small(version)
        };
        let Some(stage) = Stage::set("of_two_nodes_the_one_relay_node_is_met", plan).await else {
            return;
        };
        let said = containers(&stage.servers, 0).await;
        let relays: Vec<&Value> = said.iter().filter(|node| node["relay_node"] == true).collect();
        assert_eq!(relays.len(), 1, "{said:#?}");
        assert_eq!(
            relays[0]["relay_nodes_address"][0], relays[0]["node_address"],
            "the primary"
        );
        for other in said.iter().filter(|node| node["relay_node"] == false) {
            assert_eq!(
                other["sites_view"],
                serde_json::json!([]),
                "it sees nobody, itself included"
            );
        }
        stage.servers.cut().unwrap();
        stage.servers.until_seen(0, false, SUSPICION).await.unwrap();
        stage.fence(0).await;
        for node in 0..2 {
            let path = "/rest/v2/container/x-site/backups/site-b";
            let backup = stage.servers.ask(0, node, "GET", path).await.json();
            assert_eq!(backup["status"], "offline", "node {node}");
        }
    }
}

/// The relay node is cut off alone, or dies: another one takes over, and nobody is fenced.
#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn a_relay_node_that_dies_fences_nobody() {
    for version in Version::ALL {
        let plan = Plan {
            nodes: 2,
            relays: 2,
            ..Plan::small(version)
        };
        let Some(mut stage) = Stage::set("a_relay_node_that_dies_fences_nobody", plan).await else {
            return;
        };
        let said = containers(&stage.servers, 0).await;
        let primary = said
            .iter()
            .position(|node| node["relay_nodes_address"][0] == node["node_address"])
            .unwrap();
        stage.servers.sites[0].nodes[primary].kill();
        let other = 1 - primary;
        let what = "the other node is not the primary";
        let servers = &stage.servers;
        servers
            .until(what, MERGE, async || {
                let node = servers.ask(0, other, "GET", "/rest/v2/container").await.json();
                node["relay_nodes_address"][0] == node["node_address"]
                    && node["sites_view"]
                        .as_array()
                        .is_some_and(|sites| sites.len() == 2)
            })
            .await
            .unwrap();
        let answer = stage.alert(0).await;
        assert_eq!(answer.status, 429, "{}", answer.body);
        assert!(stage.accelerator.writes().is_empty());
    }
}
