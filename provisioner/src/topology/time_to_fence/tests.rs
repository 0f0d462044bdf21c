//! The worst case as tables: what was read or stated, and what is promised and advised then.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::sample::topology_from;

/// Both sites as Keycloak's guide has them, but with short heartbeats.
fn guide(topology: &Topology) -> Readings {
    let detection = Some(FailureDetection::OF_THE_GUIDE);
    let sites = topology.sites.iter();
    detected_so(sites.map(|site| (site.name.clone(), detection)).collect())
}

/// With two relay nodes at each of these sites, which agree, and a first cache that keeps statistics.
fn detected_so(detections: BTreeMap<SiteName, Option<FailureDetection>>) -> Readings {
    let each = |(site, detection): (&SiteName, &Option<FailureDetection>)| {
        let detection = detection.unwrap_or(FailureDetection::OF_THE_OPERATOR);
        (site.clone(), relays::proposed(detection))
    };
    Readings {
        relay_nodes: detections.keys().map(|site| (site.clone(), 2)).collect(),
        heartbeats: detections.iter().map(each).collect(),
        statistics: detections.keys().map(|site| (site.clone(), true)).collect(),
        detections,
        ..Readings::default()
    }
}

fn fallbacks(topology: &Topology, read: &Readings) -> Vec<Option<u32>> {
    let cases = worst_cases(topology, read);
    let totals = cases
        .iter()
        .map(|case| case.fallback.as_ref().map(|it| it.total_seconds));
    totals.collect()
}

fn totals(topology: &Topology, read: &Readings) -> Vec<u32> {
    let cases = worst_cases(topology, read);
    cases.iter().map(|case| case.total_seconds).collect()
}

#[test]
fn with_the_guide_s_failure_detection_and_short_heartbeats_a_site_is_fenced_within_41_seconds() {
    let topology = topology_from("");
    assert_eq!(totals(&topology, &guide(&topology)), [41, 41]);
    assert_eq!(fallbacks(&topology, &guide(&topology)), [Some(49), Some(49)]);
    assert_eq!(advice(&topology, &guide(&topology)), []);
}

#[test]
fn without_suspicions_a_site_is_fenced_by_the_alert_alone() {
    let topology = topology_from("alerting: { suspicion: 0s }");
    let read = guide(&topology);
    assert_eq!(totals(&topology, &read), [49, 49]);
    assert_eq!(fallbacks(&topology, &read), [None, None]);
    let said = advice(&topology, &read);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].path, "alerting.suspicion");
    assert!(said[0].what.contains("the worst case is 10s shorter"), "{said:?}");
    // Where the alert waits for no longer than the look would take, nothing is lost.
    let hasty = topology_from("alerting: { suspicion: 0s, for: 5s, groupWait: 0s }");
    let said = advice(&hasty, &read);
    assert!(said.iter().all(|it| it.path != "alerting.suspicion"), "{said:?}");
}

#[test]
fn a_file_whose_timeout_leaves_no_time_to_look_goes_on_without_suspicions() {
    let topology = topology_from("function: { timeout: 12s }");
    assert_eq!(topology.alerting.suspicion.seconds(), 0);
    let said = advice(&topology, &Readings::default());
    let needs =
        "off; with a `function.timeout` of 13s or longer (it is 12s) and 5s the function checks for itself";
    assert!(said.iter().any(|it| it.what.starts_with(needs)), "{said:?}");
    let topology = topology_from("function: { timeout: 13s }");
    assert_eq!(topology.alerting.suspicion.seconds(), 5);
}

/// The other site misses it while it restarts, for longer than anybody looks.
#[test]
fn a_site_with_one_relay_node_is_fenced_by_the_alert_alone() {
    let topology = topology_from("");
    let mut read = guide(&topology);
    read.relay_nodes.insert(topology.sites[0].name.clone(), 1);
    assert_eq!(totals(&topology, &read), [49, 39]);
    assert_eq!(fallbacks(&topology, &read), [None, Some(49)]);
    let said = advice(&topology, &read);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].what.contains("site-a has one relay node") && said[0].what.ends_with("10s shorter"),
        "{said:?}"
    );
    // Where nobody can object, nobody is waited for.
    let cases = worst_cases(&topology, &read);
    let looks = cases[1].stages.iter().find(|stage| stage.name == "look").unwrap();
    assert_eq!(looks.seconds, 5);
    assert!(!looks.why.contains("another relay node"), "{}", looks.why);
    assert!(
        cases[1].delays.iter().all(|stage| stage.name != "disagreement"),
        "{:?}",
        cases[1].delays
    );
}

/// While another relay node still sees the site it goes on, until the function has to answer or the alert is there.
#[test]
fn a_look_lasts_as_long_as_the_timeout_allows_but_never_longer_than_the_alert_takes() {
    for (settings, seconds) in [
        ("", 7),
        ("alerting: { suspicion: 7s }", 7),
        ("function: { timeout: 13s }", 5),
        ("function: { timeout: 18s }", 10),
        ("function: { timeout: 60s }\nalerting: { groupInterval: 90s }", 15),
        (
            "function: { timeout: 60s }\nalerting: { groupInterval: 90s, suspicion: 14s }",
            15,
        ),
    ] {
        let topology = topology_from(settings);
        let cases = worst_cases(&topology, &guide(&topology));
        let look = cases[0].stages.iter().find(|stage| stage.name == "look").unwrap();
        assert_eq!(look.seconds, seconds, "{settings}");
        assert_eq!(cases[0].total_seconds, 34 + seconds, "{settings}");
        let usual = topology.alerting.suspicion.seconds();
        let goes_on = format!("up to {seconds} s instead of {usual} s");
        assert_eq!(look.why.contains(&goes_on), seconds > usual, "{}", look.why);
    }
    // One that is meant to last longer than the alert takes decides nothing: the alert does, beside it.
    let patient =
        topology_from("function: { timeout: 60s }\nalerting: { groupInterval: 90s, suspicion: 15s }");
    assert_eq!(totals(&patient, &guide(&patient)), [49, 49]);
}

/// As Keycloak's guide has it, with the heartbeats that the operator's webhook adds.
#[test]
fn relay_nodes_that_disagree_are_counted_and_what_would_spare_that_is_said() {
    let topology = topology_from("");
    let [a, b] = topology.sites.each_ref().map(|site| site.name.clone());
    let mut read = guide(&topology);
    for site in [&a, &b] {
        read.heartbeats
            .insert(site.clone(), Some(Heartbeats::OF_THE_OPERATOR));
    }
    let cases = worst_cases(&topology, &read);
    assert_eq!(totals(&topology, &read), [49 + 80, 49 + 80]);
    assert_eq!(fallbacks(&topology, &read), [None, None]);
    assert_eq!(cases[0].sooner.as_ref().unwrap().total_seconds, 41);
    let names: Vec<&str> = cases[0].stages.iter().map(|stage| stage.name).collect();
    assert_eq!(names[names.len() - 3..], ["dispatch", "disagreement", "function"]);
    let said = advice(&topology, &read);
    assert_eq!(said.len(), 2, "{said:?}");
    for (advice, site, lost) in [(&said[0], "site-a", "site-b"), (&said[1], "site-b", "site-a")] {
        assert_eq!(advice.path, "spec.service.sites.local.discovery.heartbeats");
        let start = format!(
            "`interval: 2000` and `timeout: 6000` in the Infinispan resource of {site} make the worst case for {lost} 88s"
        );
        assert!(advice.what.starts_with(&start), "{advice:?}");
        assert!(advice.what.contains("with 10s and 30s"), "{advice:?}");
    }
    // Whose relay nodes they are: those of the site that is left.
    read.heartbeats.insert(b, Some(Heartbeats::SHORT));
    assert_eq!(totals(&topology, &read), [41, 129]);
    assert_eq!(advice(&topology, &read).len(), 1);
    read.relay_nodes.insert(a, 1);
    assert_eq!(totals(&topology, &read), [49, 39]);
    // Without a suspicion the alert waits for them all the same.
    let alone = topology_from("alerting: { suspicion: 0s }");
    let [survivor, _] = alone.sites.each_ref().map(|site| site.name.clone());
    let mut read = guide(&alone);
    read.heartbeats.insert(survivor, None);
    assert_eq!(totals(&alone, &read), [49, 129]);
    let said = advice(&alone, &read);
    assert!(
        said.iter().any(|it| it.what.contains("80s shorter: without any")),
        "{said:?}"
    );
}

/// The function asks the survivor's node for its age.
#[test]
fn without_statistics_of_the_first_cache_a_site_is_fenced_by_the_alert_alone() {
    let topology = topology_from("");
    let mut read = guide(&topology);
    let look = |read: &Readings| {
        let cases = worst_cases(&topology, read);
        let look = cases[1].stages.iter().find(|stage| stage.name == "look");
        look.map(|stage| stage.why.clone().into_owned())
    };
    assert!(!look(&read).unwrap().contains("assumed"));
    read.statistics.remove(&topology.sites[0].name);
    let assumed = look(&read).unwrap();
    assert!(
        assumed.contains("assumed: the survivor's cache actionTokens keeps statistics"),
        "{assumed}"
    );
    assert_eq!(totals(&topology, &read), [41, 41]);
    assert_eq!(advice(&topology, &read), []);
    read.statistics.insert(topology.sites[0].name.clone(), false);
    assert_eq!(totals(&topology, &read), [41, 49]);
    let said = advice(&topology, &read);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].path, "caches[0]");
    assert!(
        said[0]
            .what
            .contains("actionTokens of site-a keeps no statistics"),
        "{said:?}"
    );
}

#[test]
fn the_alert_has_to_get_through_beside_the_looks() {
    let said = |settings: &str| {
        let topology = topology_from(settings);
        let advice = advice(&topology, &guide(&topology)).into_iter();
        let busy = advice.filter(|it| it.what.contains("keeps an execution busy"));
        busy.count()
    };
    assert_eq!(said("function: { reservedConcurrency: 2 }"), 1);
    assert_eq!(said("function: { reservedConcurrency: 3 }"), 1);
    assert_eq!(said("function: { reservedConcurrency: 4 }"), 0);
    assert_eq!(
        said("function: { reservedConcurrency: 2 }\nalerting: { suspicion: 0s }"),
        0
    );
    assert_eq!(said(""), 0);
}

#[test]
fn what_shorter_settings_would_save_is_said_and_adds_up_to_less_than_thirty_seconds() {
    let topology = topology_from("");
    let of = |topology: &Topology, read: &Readings| -> Vec<(&str, u32)> {
        let savings = savings(topology, read);
        savings
            .iter()
            .map(|saving| (saving.path, saving.seconds))
            .collect()
    };
    assert_eq!(
        of(&topology, &guide(&topology)),
        [
            ("spec.container.extraJvmOpts", 11),
            ("alerting.scrapeInterval", 3),
            ("alerting.evaluationInterval", 3)
        ]
    );
    // From the operator's own.
    assert_eq!(of(&topology, &Readings::default())[0].1, 42);
    let quick = topology_from("alerting: { scrapeInterval: 2s, evaluationInterval: 2s }");
    let sites = quick.sites.iter();
    let tried = sites.map(|site| (site.name.clone(), Some(FailureDetection::SHORT)));
    let tried = detected_so(tried.collect());
    assert_eq!(of(&quick, &tried), []);
    assert_eq!(totals(&quick, &tried), [24, 24]);
    assert_eq!(totals(&topology, &tried), [30, 30]);
}

#[test]
fn what_cannot_be_known_is_counted_as_the_operator_s_own() {
    let topology = topology_from("");
    let [a, b] = topology.sites.each_ref().map(|site| site.name.clone());
    // Nobody looked; both say nothing; b alone says something, and it is b that notices the loss of a.
    let nothing = detected_so([(a.clone(), None), (b.clone(), None)].into());
    let one = detected_so([(a, None), (b, Some(FailureDetection::OF_THE_GUIDE))].into());
    for (read, expected, paths) in [
        (
            Readings::default(),
            [160, 160],
            [
                "sites[].infinispan.failureDetection",
                "sites[].infinispan.failureDetection",
                "spec.service.sites.local.maxRelayNodes",
                "spec.service.sites.local.maxRelayNodes",
            ]
            .as_slice(),
        ),
        (nothing, [72, 72], ["spec.container.extraJvmOpts"; 2].as_slice()),
        (one, [41, 72], &["spec.container.extraJvmOpts"]),
    ] {
        assert_eq!(totals(&topology, &read), expected, "{read:?}");
        let advice = advice(&topology, &read);
        assert_eq!(advice.iter().map(|it| it.path).collect::<Vec<_>>(), paths);
        let line = "`-Djgroups.xsite.fd.interval=2000 -Djgroups.xsite.fd.timeout=15000`";
        let of_relays = |it: &Advice| it.what.contains("relay node");
        assert!(
            advice.iter().all(|it| it.what.contains(line) || of_relays(it)),
            "{advice:?}"
        );
    }
}

#[test]
fn the_topology_states_it_for_clusters_that_cannot_be_read() {
    let mut topology = topology_from("");
    for site in &mut topology.sites {
        site.infinispan.failure_detection = Some(FailureDetection::OF_THE_GUIDE);
    }
    for site in &mut topology.sites {
        site.infinispan.relay_nodes = Some(3);
        site.infinispan.heartbeats = Some(Heartbeats::SHORT);
    }
    let read = Readings::default();
    let cases = worst_cases(&topology, &read);
    assert_eq!(cases[0].total_seconds, 41);
    assert_eq!(cases[0].stages[0].basis, Basis::Stated);
    assert_eq!(advice(&topology, &read), []);
    // What was read is so, whatever is stated.
    let read = topology.sites.each_ref().map(|site| (site.name.clone(), None));
    assert_eq!(totals(&topology, &detected_so(read.into())), [72, 72]);
}

#[test]
fn the_alert_against_the_preferred_survivor_waits_longer() {
    let topology = topology_from("preferredSurvivor: site-a");
    assert_eq!(totals(&topology, &guide(&topology)), [61, 41]);
    assert_eq!(fallbacks(&topology, &guide(&topology)), [Some(69), Some(49)]);
}

#[test]
fn quiet_time_is_an_outage_and_counted() {
    let topology = topology_from("register: { cooldown: 30s }");
    let cases = worst_cases(&topology, &guide(&topology));
    // No suspicion decides in it, and so it is the alert that has to.
    let fallback = cases[0].fallback.as_ref().unwrap();
    assert_eq!(fallback.total_seconds, 79);
    assert!(fallback.stages.iter().any(|stage| stage.name == "cooldown"));
}

#[test]
fn the_guide_s_intervals_are_slow_and_it_is_said_why() {
    let paths = |topology: &Topology| -> Vec<&str> {
        let advice = advice(topology, &guide(topology));
        advice.iter().map(|advice| advice.path).collect()
    };
    let topology = topology_from(
        "alerting: { groupWait: 60s, groupInterval: 90s, evaluationInterval: 30s }\nmonitoring: { podMonitor: false }",
    );
    assert_eq!(totals(&topology, &guide(&topology))[0], 20 + 30 + 30 + 1 + 7 + 3);
    assert_eq!(paths(&topology), ["alerting.groupWait", "monitoring.podMonitor"]);
    let topology = topology_from("function: { reservedConcurrency: 49 }");
    let said: Vec<String> = advice(&topology, &Readings::default())
        .into_iter()
        .map(|advice| advice.what)
        .collect();
    let cap = |it: &String| it.contains("all but 490 requests a second");
    assert!(said.iter().any(cap), "{said:?}");
    let topology = topology_from("function: { reservedConcurrency: 50 }");
    assert!(!paths(&topology).contains(&"function.reservedConcurrency"));
    // What Alertmanager takes when nothing is said.
    let topology = topology_from("alerting: { repeatInterval: 4h, scrapeInterval: 20s, for: 20s }");
    assert_eq!(
        paths(&topology),
        ["alerting.scrapeInterval", "alerting.repeatInterval"]
    );
}
