//! The relay node in trouble while its site is well: killed, hung, cut off alone.

use std::time::Duration;

use fencing::step::SHUT_OUT_SECONDS;
use tests::servers::{Plan, SITES, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(
    a_relay_node_that_dies_fences_nobody,
    a_relay_node_that_hangs_fences_nobody_where_there_is_another,
    a_relay_node_that_hangs_is_a_lost_site_where_there_is_no_other,
    a_primary_relay_node_cut_off_alone_decides_after_its_minute,
    the_only_relay_node_cut_off_alone_is_a_lost_link,
);

/// Two nodes at each site, and the primary relay node of the first site.
async fn two_nodes(version: Version, relays: usize) -> Option<(Stage, usize)> {
    let plan = Plan {
        nodes: 2,
        relays,
        ..Plan::small(version)
    };
    let stage = Stage::set(plan).await?;
    let primaries = stage.servers.primaries(0).await;
    assert_eq!(primaries.len(), 1, "{primaries:?}");
    Some((stage, primaries[0]))
}

/// Another node takes over; until it has, writes fail, and afterwards they do not.
async fn until_served(stage: &Stage, by: usize) {
    let servers = &stage.servers;
    let what = "the other node does not serve";
    let serves = async || {
        servers.sees(0).await == Some(true)
            && servers.sees(1).await == Some(true)
            && servers.put_by(0, by, "sessions", "after", "by a").await.status == 204
            && servers.put(1, "after", "by b").await.status == 204
    };
    let took = servers.until(what, LIMIT, serves).await.unwrap();
    println!("writes went on after {took:?}");
}

/// A primary that knows of no other relay node is believed once it has been running for a while. A loss that ends before
/// that fences nobody.
async fn until_believed(stage: &Stage, site: usize) {
    let servers = &stage.servers;
    let primary = servers.primaries(site).await[0];
    let is_old_enough = async || {
        let answer = servers
            .ask(site, primary, "GET", "/rest/v2/caches/sessions?action=stats")
            .await;
        answer.json()["time_since_start"].as_u64() >= Some(u64::from(SHUT_OUT_SECONDS))
    };
    let limit = Duration::from_secs(2 * u64::from(SHUT_OUT_SECONDS));
    servers
        .until("the relay node is too young", limit, is_old_enough)
        .await
        .unwrap();
}

async fn fences_nobody(stage: &Stage) {
    for (reporter, site) in SITES.iter().enumerate() {
        let answer = stage.alert(reporter).await;
        assert_eq!(answer.status, 429, "{site}: {}", answer.body);
    }
    assert!(stage.accelerator.writes().is_empty());
}

async fn a_relay_node_that_dies_fences_nobody(version: Version) {
    let Some((mut stage, primary)) = two_nodes(version, 2).await else {
        return;
    };
    stage.servers.sites[0].nodes[primary].kill();
    until_served(&stage, 1 - primary).await;
    fences_nobody(&stage).await;
}

async fn a_relay_node_that_hangs_fences_nobody_where_there_is_another(version: Version) {
    let Some((stage, primary)) = two_nodes(version, 2).await else {
        return;
    };
    stage.servers.sites[0].nodes[primary].hang().unwrap();
    until_served(&stage, 1 - primary).await;
    fences_nobody(&stage).await;
    // It wakes, and may call itself the primary for a while; nor does that fence anybody.
    stage.servers.sites[0].nodes[primary].wake().unwrap();
    fences_nobody(&stage).await;
    stage.servers.until_joined(0, 2, LIMIT).await.unwrap();
    until_served(&stage, primary).await;
    fences_nobody(&stage).await;
}

/// The other site misses it before its own does, and reports that.
async fn a_relay_node_that_hangs_is_a_lost_site_where_there_is_no_other(version: Version) {
    let Some((stage, relay)) = two_nodes(version, 1).await else {
        return;
    };
    until_believed(&stage, 1).await;
    stage.servers.sites[0].nodes[relay].hang().unwrap();
    stage.fence(1).await;
    assert_eq!(stage.endpoints(), ["site-b"]);
    assert_eq!(stage.servers.put(1, "after", "by b").await.status, 204);
    stage.servers.sites[0].nodes[relay].wake().unwrap();
}

/// The primary's word is the outage: its site's backups fail. As long as another relay node sees the other site that
/// is doubted for a minute.
async fn a_primary_relay_node_cut_off_alone_decides_after_its_minute(version: Version) {
    let Some((stage, primary)) = two_nodes(version, 2).await else {
        return;
    };
    stage.servers.sites[0].nodes[primary].cut().unwrap();
    stage.servers.until_seen(0, false, LIMIT).await.unwrap();
    let answer = stage.alert(0).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(
        answer.body.contains("another one of its relay nodes does"),
        "{}",
        answer.body
    );
    let told = stage.fence(0).await;
    assert!(told.starts_with("fenced site-b"), "{told}");
    for node in 0..2 {
        let answer = stage.servers.put_by(0, node, "sessions", "after", "by a").await;
        assert_eq!(answer.status, 204, "node {node}: {answer:?}");
    }
}

async fn the_only_relay_node_cut_off_alone_is_a_lost_link(version: Version) {
    let Some((stage, relay)) = two_nodes(version, 1).await else {
        return;
    };
    stage.servers.sites[0].nodes[relay].cut().unwrap();
    stage.fence(0).await;
    assert_eq!(stage.endpoints(), ["site-a"]);
    for node in 0..2 {
        let answer = stage.servers.put_by(0, node, "sessions", "after", "by a").await;
        assert_eq!(answer.status, 204, "node {node}: {answer:?}");
    }
}
