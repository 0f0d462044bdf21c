//! Suspicions on the whole chain: a lost link is fenced by one, and what is no lost link by none.
//!
//! How often each is tried is `SITEFENCE_ROUNDS`; other heartbeats to the gossip routers than ours are tried with
//! `SITEFENCE_HEARTBEATS=INTERVAL,TIMEOUT`, in milliseconds.

use std::time::{Duration, Instant};

use fencing::answer::Status;
use jiff::Timestamp;
use provisioner::topology::FailureDetection;
use tests::servers::{Plan, SITES, Version};
use tests::standins::function_url::Delivery;

use crate::chain::Chain;
use crate::operator::Command;
use crate::stage::{LIMIT, with_both_versions};

with_both_versions!(
    a_lost_link_is_fenced_by_a_suspicion,
    restarts_of_relay_nodes_fence_nobody,
    pods_that_move_fence_nobody,
    a_link_that_flaps_fences_nobody,
    a_relay_node_that_hangs_is_suspected_of_nothing_where_there_is_another,
    a_lost_link_is_fenced_sooner_with_a_shorter_failure_detection,
    restarts_and_flaps_fence_nobody_with_a_shorter_failure_detection,
);

const ROUNDS: &str = "SITEFENCE_ROUNDS";
const OTHER_HEARTBEATS: &str = "SITEFENCE_HEARTBEATS";

fn rounds(usually: usize) -> usize {
    let stated = std::env::var(ROUNDS).ok();
    stated.map_or(usually, |stated| stated.parse().unwrap())
}

/// What docs/assumptions.md asks for: a gossip router that is out of reach is missed before its site is.
const HEARTBEATS: [u32; 2] = [2_000, 6_000];

/// An interval and a timeout in milliseconds, where others are to be tried.
fn stated(variable: &str) -> Option<[u32; 2]> {
    let stated = std::env::var(variable).ok()?;
    let (interval, timeout) = stated.split_once(',').unwrap();
    Some([interval, timeout].map(|milliseconds| milliseconds.parse().unwrap()))
}

/// As the operator's custom resource makes them where each pod is to be a relay node.
fn two_relays(version: Version) -> Plan {
    Plan {
        nodes: 2,
        relays: 2,
        heartbeats: stated(OTHER_HEARTBEATS).unwrap_or(HEARTBEATS),
        ..Plan::small(version)
    }
}

/// The same with the failure detection that `plan` proposes to who wants a shorter one.
fn quick(version: Version) -> Plan {
    let FailureDetection { interval, timeout } = FailureDetection::SHORT;
    Plan {
        detection: [interval, timeout].map(|it| it.seconds() * 1000),
        ..two_relays(version)
    }
}

/// The sites see each other again, and the schedule has seen that.
async fn settled(chain: &Chain) {
    let servers = &chain.stage.servers;
    for site in 0..SITES.len() {
        let nodes = servers.sites[site].nodes.len();
        servers.until_joined(site, nodes, LIMIT).await.unwrap();
    }
    chain.stage.linked().await;
    chain.stage.minute().await;
}

fn nobody_is_fenced(chain: &Chain) {
    let writes = chain.stage.accelerator.writes();
    assert!(
        writes.is_empty(),
        "{writes:#?}\n{:#?}\n{:#?}",
        chain.of("SiteSuspected"),
        chain.of("SiteOffline")
    );
}

/// Since when an alert has been pending at its Prometheus.
fn began(delivery: &Delivery) -> Timestamp {
    let began = delivery.payload["alerts"][0]["startsAt"].as_str();
    began.unwrap_or_default().parse().unwrap()
}

fn told(chain: &Chain) {
    for alert in ["SiteSuspected", "SiteOffline"] {
        for delivery in chain.of(alert) {
            println!("{alert}: {} {}", delivery.status, delivery.answer);
        }
    }
}

async fn a_lost_link_is_fenced_by_a_suspicion(version: Version) {
    cuts(two_relays(version)).await;
}

async fn a_lost_link_is_fenced_sooner_with_a_shorter_failure_detection(version: Version) {
    cuts(quick(version)).await;
}

/// Cuts the link, and brings the site back before the next one.
async fn cuts(plan: Plan) {
    let Some(mut chain) = Chain::set(plan).await else {
        return;
    };
    let mut took = Vec::new();
    let rounds = rounds(1);
    for round in 0..rounds {
        settled(&chain).await;
        // At another moment of the intervals each time.
        tokio::time::sleep(Duration::from_millis(1_300 * (round as u64 % 8))).await;
        let (cut, by_the_clock) = (Instant::now(), Timestamp::now());
        let servers = &chain.stage.servers;
        servers.cut().unwrap();
        let (fence, of_a, of_b) = tokio::join!(
            chain.fenced(cut),
            servers.until_seen(0, false, LIMIT),
            servers.until_seen(1, false, LIMIT),
        );
        let seconds = |at: Instant| at.duration_since(cut).as_secs_f64();
        println!(
            "cut {round}: missed by {} after {:.1} s, by {} after {:.1} s; {} from {:.1} s on, arrived after {:.1} s, \
             fenced after {:.1} s: {}",
            SITES[0],
            of_a.unwrap().as_secs_f64(),
            SITES[1],
            of_b.unwrap().as_secs_f64(),
            fence.alert(),
            began(&fence).duration_since(by_the_clock).as_secs_f64(),
            seconds(fence.arrived),
            seconds(fence.answered),
            fence.answer
        );
        took.push(seconds(fence.answered));
        assert_eq!(chain.stage.endpoints().len(), 1);
        let survivor = SITES.iter().position(|site| chain.stage.endpoints() == [*site]);
        let survivor = survivor.unwrap();
        assert_eq!(chain.stage.backup(survivor).await, "offline");
        if fence.alert() != "SiteSuspected" {
            told(&chain);
        }
        if rounds == 1 {
            assert_eq!(fence.alert(), "SiteSuspected", "{fence:?}");
        }
        if round + 1 < rounds {
            chain.stage.servers.heal().unwrap();
            chain.stage.linked().await;
            let answer = Command::rejoin(&chain.stage, 1 - survivor).finished().await;
            assert_eq!(answer.status, Status::Done, "{}", answer.sentence);
            chain.stage.all_are_healthy();
            chain.after_a_quiet_time().await;
        }
    }
    took.sort_by(f64::total_cmp);
    println!(
        "{} cuts: {:.1} / {:.1} / {:.1} s",
        took.len(),
        took[0],
        took[took.len() / 2],
        took[took.len() - 1]
    );
}

async fn restarts_of_relay_nodes_fence_nobody(version: Version) {
    let Some(mut chain) = Chain::set(two_relays(version)).await else {
        return;
    };
    restarts(&mut chain).await;
    told(&chain);
}

async fn restarts_and_flaps_fence_nobody_with_a_shorter_failure_detection(version: Version) {
    let Some(mut chain) = Chain::set(quick(version)).await else {
        return;
    };
    flaps(&chain, &[3]).await;
    restarts(&mut chain).await;
    told(&chain);
}

/// One at each site at a time, in turn the primary and the other one, killed and asked to end.
async fn restarts(chain: &mut Chain) {
    settled(chain).await;
    let mut restarted = 0;
    for round in 0..rounds(2).div_ceil(SITES.len()) {
        let from = Instant::now();
        for site in 0..SITES.len() {
            let primary = chain.stage.servers.primaries(site).await[0];
            let is_primary = (round + site) % 2 == 0;
            let killed = round / 2 % 2 == site;
            let node = if is_primary { primary } else { 1 - primary };
            let node = &mut chain.stage.servers.sites[site].nodes[node];
            if killed {
                node.kill();
            } else {
                node.stop().unwrap();
            }
            node.start().unwrap();
            restarted += 1;
        }
        settled(chain).await;
        nobody_is_fenced(chain);
        let took = from.elapsed().as_secs_f64();
        println!("{restarted} restarts, the last ones after {took:.1} s");
    }
}

/// A pod goes, and another one comes in its place with another address: killed and asked to end, in turn the primary
/// and the other one, in turn at either site. A killed primary's replacement may be a site of its own for a while that
/// sees nobody.
async fn pods_that_move_fence_nobody(version: Version) {
    let Some(mut chain) = Chain::set(two_relays(version)).await else {
        return;
    };
    for round in 0..rounds(2) {
        settled(&chain).await;
        let site = round % 2;
        let primary = chain.stage.servers.primaries(site).await[0];
        let node = if round / 2 % 2 == 0 { primary } else { 1 - primary };
        chain.replace(site, node, round % 3 == 0).await;
        settled(&chain).await;
        nobody_is_fenced(&chain);
        println!("{} moves", round + 1);
    }
    told(&chain);
}

/// Shorter than what Infinispan loses a site by with the failure detection of the guide, and that is shorter than its
/// timeout: what got lost the kernel sends again after 6 and then after 13 seconds, and not in between. So a link that is
/// away for ten seconds may be away for Infinispan's fifteen, and its site is truly lost then.
async fn a_link_that_flaps_fences_nobody(version: Version) {
    let Some(chain) = Chain::set(two_relays(version)).await else {
        return;
    };
    for _ in 0..rounds(1) {
        flaps(&chain, &[3, 8]).await;
    }
    told(&chain);
}

async fn flaps(chain: &Chain, lasting: &[u64]) {
    for seconds in lasting {
        settled(chain).await;
        chain.stage.servers.cut().unwrap();
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
        chain.stage.servers.heal().unwrap();
        chain.stage.linked().await;
        nobody_is_fenced(chain);
        println!("away for {seconds} s");
    }
}

async fn a_relay_node_that_hangs_is_suspected_of_nothing_where_there_is_another(version: Version) {
    let Some(chain) = Chain::set(two_relays(version)).await else {
        return;
    };
    settled(&chain).await;
    let servers = &chain.stage.servers;
    let primary = servers.primaries(0).await[0];
    servers.sites[0].nodes[primary].hang().unwrap();
    let serves = async || {
        servers.sees(0).await == Some(true)
            && servers.sees(1).await == Some(true)
            && servers.put(1, "after", "by b").await.status == 204
    };
    servers
        .until("the other node does not serve", LIMIT, serves)
        .await
        .unwrap();
    servers.sites[0].nodes[primary].wake().unwrap();
    settled(&chain).await;
    nobody_is_fenced(&chain);
    told(&chain);
}
