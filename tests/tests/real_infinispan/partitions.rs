//! A site falls apart, and comes together again.
//!
//! Each part elects a relay node of its own, and both see the other site. After the merge one of them is relay node no
//! more; it goes on calling itself one, and shows for ever what it saw last.

use tests::servers::{Plan, Version};

use crate::nodes::until_every_node_is_cut;
use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(
    a_site_that_fell_apart_and_merged_loses_the_other_one,
    a_site_that_is_apart_while_it_is_cut_is_cut_as_a_whole_when_it_has_merged,
);

/// A site of two nodes falls apart, and either part sees the other site.
async fn apart(version: Version) -> Option<Stage> {
    let plan = Plan {
        nodes: 2,
        ..Plan::small(version)
    };
    let stage = Stage::set(plan).await?;
    let servers = &stage.servers;
    servers.part(0).unwrap();
    servers.until_joined(0, 1, LIMIT).await.unwrap();
    let what = "not both parts see the other site";
    let both_see = async || both_parts_see(&stage).await == Some(true);
    servers.until(what, LIMIT, both_see).await.unwrap();
    Some(stage)
}

/// Whether both parts see the other site, or both do not.
async fn both_parts_see(stage: &Stage) -> Option<bool> {
    let servers = &stage.servers;
    if servers.primaries(0).await.len() != 2 {
        return None;
    }
    let mut seen = Vec::new();
    for node in 0..2 {
        let said = servers.container(0, node).await;
        seen.push(said["sites_view"].to_string().contains("site-b"));
    }
    (seen[0] == seen[1]).then_some(seen[0])
}

async fn a_site_that_fell_apart_and_merged_loses_the_other_one(version: Version) {
    let Some(stage) = apart(version).await else {
        return;
    };
    let servers = &stage.servers;
    let answer = stage.alert(0).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(stage.accelerator.writes().is_empty());

    servers.join(0).unwrap();
    servers.until_joined(0, 2, LIMIT).await.unwrap();
    let what = "there is more than one primary relay node";
    let one = async || servers.primaries(0).await.len() == 1;
    servers.until(what, LIMIT, one).await.unwrap();
    let demoted = 1 - servers.primaries(0).await[0];
    stage.linked().await;
    let answer = stage.alert(0).await;
    assert_eq!(answer.status, 429, "{}", answer.body);

    servers.cut().unwrap();
    stage.fence(0).await;
    let said = servers.container(0, demoted).await;
    assert_eq!(said["relay_node"], true, "it still says so");
    assert!(
        said["sites_view"].to_string().contains("site-b"),
        "it has not noticed: {said}"
    );
    for node in 0..2 {
        let answer = servers.put_by(0, node, "sessions", "after", "by a").await;
        assert_eq!(answer.status, 204, "node {node}: {answer:?}");
    }
}

/// One part is met and cut off from the other site; nobody tells the other part. After the merge it goes on replicating
/// to a site that is lost, unless it is told, too.
async fn a_site_that_is_apart_while_it_is_cut_is_cut_as_a_whole_when_it_has_merged(version: Version) {
    let Some(stage) = apart(version).await else {
        return;
    };
    let servers = &stage.servers;
    servers.cut().unwrap();
    let both_miss = async || both_parts_see(&stage).await == Some(false);
    let what = "not both parts miss the other site";
    servers.until(what, LIMIT, both_miss).await.unwrap();
    stage.fence(0).await;
    for node in 0..2 {
        println!("apart, node {node} says {}", stage.backup_by(0, node).await);
    }
    servers.join(0).unwrap();
    servers.until_joined(0, 2, LIMIT).await.unwrap();
    until_every_node_is_cut(&stage, 2).await;
}
