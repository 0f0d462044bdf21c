//! What a topology costs a month: from the documents that are rendered, and from the calls that the function makes.
//!
//! Resources are counted in the documents, the calls of a quiet minute from the looks that the function takes in one.
//! Prices are list prices without free tiers, as they were read; a bill has taxes, tiers and discounts that are nobody's
//! here to know. A fence costs nothing worth counting.

use std::fmt::Write as _;

use fencing::health::{Probe, STEADY, probes};
use fencing::settings::Found;
use serde::Serialize;
use serde_json::Value;

use crate::render::{Document, DocumentKind, WATCHDOG_REPEAT_INTERVAL};
use crate::topology::{Architecture, Region, Topology};

/// A month, as AWS counts it.
const MINUTES: u64 = 730 * 60;

/// Where prices differ between Regions, these are of eu-west-1, in millionths of a US dollar. Read in November 2026.
mod price {
    pub(super) const DASHBOARD: u64 = 3_000_000;
    pub(super) const ALARM: u64 = 100_000;
    pub(super) const METRIC: u64 = 300_000;
    pub(super) const SECRET: u64 = 400_000;
    /// Of a check of an AWS endpoint, and of each of its features: HTTPS, a string, ten seconds.
    pub(super) const HEALTH_CHECK: u64 = 500_000;
    pub(super) const HEALTH_CHECK_FEATURE: u64 = 1_000_000;
    // Of a million.
    pub(super) const SECRET_READS: u64 = 5_000_000;
    pub(super) const REQUESTS: u64 = 200_000;
    pub(super) const TABLE_READS: u64 = 141_500;
    pub(super) const TABLE_WRITES: u64 = 705_000;
    pub(super) const TOPIC_CALLS: u64 = 500_000;
    /// Of a million GB-seconds.
    pub(super) const ARM: u64 = 13_333_400;
    pub(super) const X86: u64 = 16_666_700;
    /// Of a GB of logs.
    pub(super) const LOGS: u64 = 570_000;
}

/// How long the minute's look takes, and a watchdog's stamp: with the accelerator's API across an ocean, five round trips
/// and one to a table nearby.
const LOOK_MS: u64 = 600;
const STAMP_MS: u64 = 10;

/// What a look writes to the log.
const LOGGED_BYTES: u64 = 2_000;

/// The register takes a write for each kibibyte; a check's result has about so many.
const RESULT_KIB: u64 = 4;

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    pub what: &'static str,
    /// In millionths of a US dollar a month.
    pub micro_usd: u64,
    /// How it is counted.
    pub why: String,
}

/// Counts resources of a type in all templates.
fn count(documents: &[Document], kind: &str) -> u64 {
    let found = resources(documents).filter(|resource| resource["Type"] == kind);
    u64::try_from(found.count()).unwrap_or(u64::MAX)
}

fn resources(documents: &[Document]) -> impl Iterator<Item = &Value> {
    documents
        .iter()
        .filter(|document| matches!(document.kind, DocumentKind::Stack { .. }))
        .filter_map(|document| document.value["Resources"].as_object())
        .flat_map(serde_json::Map::values)
}

/// The calls that one quiet minute of one function makes to a service that counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Minute {
    secrets: u64,
    table_reads: u64,
    table_writes: u64,
    topic: u64,
}

fn minute(topology: &Topology, region: &Region) -> Minute {
    // With a topic, whichever account it belongs to.
    let found = Found {
        topic_arn: "a topic".to_owned(),
        ..Found::default()
    };
    let mut minute = Minute {
        // The secrets that callers present are read by the code that compares them.
        secrets: 2,
        table_writes: RESULT_KIB,
        ..Minute::default()
    };
    for probe in probes(&topology.settings(region, found)) {
        match probe {
            Probe::WebhookSecret | Probe::HealthSecret | Probe::InfinispanSecret => minute.secrets += 1,
            Probe::Register | Probe::Watchdog { .. } | Probe::LastCheckup | Probe::LastDrill => {
                minute.table_reads += 1;
            }
            Probe::RegisterWrite => minute.table_writes += 1,
            Probe::Subscriptions => minute.topic += 1,
            // Neither counts calls.
            Probe::Accelerator | Probe::Endpoints | Probe::Infinispan { .. } | Probe::Certificate { .. } => {}
        }
    }
    minute
}

/// What `times` of something cost where `price` is that of a million.
const fn of_a_million(times: u64, price: u64) -> u64 {
    times.saturating_mul(price) / 1_000_000
}

/// The bill of a month without a fence, the largest first.
pub fn monthly(topology: &Topology, documents: &[Document]) -> Vec<Cost> {
    let mut bill = Vec::new();
    let mut each = |what, number: u64, price: u64, of: &str| {
        if number > 0 {
            let why = format!("{number} {of}");
            bill.push(Cost {
                what,
                micro_usd: number.saturating_mul(price),
                why,
            });
        }
    };
    let functions = u64::try_from(topology.regions.len()).unwrap_or(u64::MAX);
    each(
        "dashboards",
        count(documents, "AWS::CloudWatch::Dashboard"),
        price::DASHBOARD,
        "at 3.00",
    );
    each(
        "alarms",
        count(documents, "AWS::CloudWatch::Alarm"),
        price::ALARM,
        "at 0.10",
    );
    // Each function measures since when there was no drill, whether or not anybody is reminded.
    let drills = 1;
    let steady = u64::try_from(STEADY.len() + drills + topology.sites.len()).unwrap_or(u64::MAX);
    each(
        "metrics",
        steady.saturating_mul(functions),
        price::METRIC,
        "at 0.30 that are written each minute; the others only when there is something to measure",
    );
    each(
        "secrets",
        count(documents, "AWS::SecretsManager::Secret"),
        price::SECRET,
        "at 0.40; Infinispan's is yours",
    );
    let mut checks = 0_u64;
    for check in resources(documents).filter(|resource| resource["Type"] == "AWS::Route53::HealthCheck") {
        let config = &check["Properties"]["HealthCheckConfig"];
        let features = match config["Type"].as_str() {
            Some("HTTPS_STR_MATCH") => 2 + u64::from(config["RequestInterval"] == 10),
            _ => 0,
        };
        checks += price::HEALTH_CHECK + features * price::HEALTH_CHECK_FEATURE;
    }
    if checks > 0 {
        bill.push(Cost {
            what: "health checks",
            micro_usd: checks,
            why: "at 0.50, and 1.00 each for HTTPS, for the string, for asking every ten seconds".to_owned(),
        });
    }
    calls(topology, functions, &mut bill);
    bill.sort_by_key(|cost| std::cmp::Reverse(cost.micro_usd));
    bill
}

/// What is counted by calls.
fn calls(topology: &Topology, functions: u64, bill: &mut Vec<Cost>) {
    let minute = minute(topology, topology.first_region());
    let looks = MINUTES.saturating_mul(functions);
    // Both clusters post to every function.
    let stamps = MINUTES.saturating_mul(60) / u64::from(WATCHDOG_REPEAT_INTERVAL.seconds()) * 2 * functions;
    let mut call = |what, micro_usd, why| bill.push(Cost { what, micro_usd, why });
    call(
        "secret reads",
        of_a_million(minute.secrets * looks, price::SECRET_READS),
        format!(
            "{} a minute: what is read is what callers have to present by now",
            minute.secrets
        ),
    );
    let memory = u64::from(topology.function.memory_mib);
    let gb_seconds = (looks * LOOK_MS + stamps * STAMP_MS) * memory / 1024 / 1000;
    let processor = match topology.function.architecture {
        Architecture::Arm64 => price::ARM,
        Architecture::X86_64 => price::X86,
    };
    call(
        "the function's runs",
        of_a_million(looks + stamps, price::REQUESTS) + of_a_million(gb_seconds, processor),
        format!("each minute {LOOK_MS} ms at {memory} MiB, and each watchdog {STAMP_MS} ms"),
    );
    // A write is paid for at each replica.
    let replicas = u64::try_from(topology.register_regions().len())
        .unwrap_or(u64::MAX)
        .max(1);
    call(
        "the register",
        of_a_million(minute.table_reads * looks, price::TABLE_READS)
            + of_a_million(
                (minute.table_writes * looks + stamps) * replicas,
                price::TABLE_WRITES,
            ),
        format!(
            "{} reads and {} writes a minute, one write for each watchdog",
            minute.table_reads, minute.table_writes
        ),
    );
    call(
        "the topic",
        of_a_million(minute.topic * looks, price::TOPIC_CALLS),
        "whether somebody is subscribed, each minute".to_owned(),
    );
    call(
        "logs",
        of_a_million(LOGGED_BYTES * looks, price::LOGS) / 1000,
        format!("{LOGGED_BYTES} bytes a minute at 0.57 for a GB"),
    );
}

/// The bill as a table.
pub fn cost_text(bill: &[Cost]) -> String {
    let total: u64 = bill.iter().map(|cost| cost.micro_usd).sum();
    let mut text = format!(
        "monthly cost: about {} USD, at list prices of November 2026 without free tiers\n",
        dollars(total)
    );
    for cost in bill {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:>6}  {:<19} {}",
            dollars(cost.micro_usd),
            cost.what,
            cost.why
        );
    }
    text
}

/// With cents, rounded to the nearest.
fn dollars(micro_usd: u64) -> String {
    let cents = (micro_usd + 5_000) / 10_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::check;
    use crate::sample;

    fn bill(topology: &Topology) -> Vec<Cost> {
        monthly(topology, &check::documents(topology).unwrap())
    }

    fn of(bill: &[Cost], what: &str) -> Option<u64> {
        bill.iter()
            .find(|cost| cost.what == what)
            .map(|cost| cost.micro_usd)
    }

    /// What the function does in a minute, as its own tests count it: three secrets, the record, the check before, the
    /// last drill, two watchdogs; a probe and a result of some kibibytes.
    #[test]
    fn a_minute_is_counted_from_the_looks_of_the_function() {
        let topology = sample::topology_from("");
        let counted = minute(&topology, topology.first_region());
        let wanted = Minute {
            secrets: 3,
            table_reads: 5,
            table_writes: 1 + RESULT_KIB,
            topic: 1,
        };
        assert_eq!(counted, wanted);
    }

    #[test]
    fn a_dashboard_that_is_not_wanted_is_not_paid_for() {
        let mut topology = sample::topology_from("");
        let with = bill(&topology);
        assert_eq!(of(&with, "dashboards"), Some(3_000_000));
        assert_eq!(of(&with, "metrics"), Some(1_800_000));
        assert_eq!(of(&with, "health checks"), None);
        topology.monitoring.dashboard = false;
        let without = bill(&topology);
        assert_eq!(of(&without, "dashboards"), None);
        let total = |bill: &[Cost]| bill.iter().map(|cost| cost.micro_usd).sum::<u64>();
        assert_eq!(total(&with) - total(&without), 3_000_000);
    }

    #[test]
    fn cents_are_rounded_to_the_nearest() {
        for (micro_usd, text) in [
            (0, "0.00"),
            (4_999, "0.00"),
            (5_000, "0.01"),
            (7_694_999, "7.69"),
            (12_345_678, "12.35"),
        ] {
            assert_eq!(dollars(micro_usd), text);
        }
    }
}
