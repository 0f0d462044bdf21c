//! A site falls apart, and comes together again.
//!
//! Each part elects a relay node of its own, and both see the other site. After the merge one of them is relay node no
//! more; it goes on calling itself one, and shows for ever what it saw last.

use tests::servers::{Plan, Version};

use crate::stage::{LIMIT, Stage, with_both_versions};

with_both_versions!(a_site_that_fell_apart_and_merged_loses_the_other_one);

async fn a_site_that_fell_apart_and_merged_loses_the_other_one(version: Version) {
    let plan = Plan {
        nodes: 2,
        ..Plan::small(version)
    };
    let Some(stage) = Stage::set(plan).await else {
        return;
    };
    let servers = &stage.servers;
    servers.part(0).unwrap();
    servers.until_joined(0, 1, LIMIT).await.unwrap();
    let what = "not both parts see the other site";
    let both_see = async || {
        for node in 0..2 {
            let said = servers.container(0, node).await;
            if !said["sites_view"].to_string().contains("site-b") {
                return false;
            }
        }
        servers.primaries(0).await.len() == 2
    };
    servers.until(what, LIMIT, both_see).await.unwrap();
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
