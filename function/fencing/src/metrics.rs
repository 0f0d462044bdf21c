//! The metrics: each that the function can write, and the one form in which it does.
//!
//! A metric is a line of CloudWatch's embedded metric format on standard output: no call, no permission,
//! nothing that can fail. Alarms and dashboard are rendered from the same names, so that neither can listen
//! for something that nobody says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::answer::Cause;
use crate::words::{SiteName, TopologyName};

/// The namespace of all of them.
pub const NAMESPACE: &str = "Sitefence";

/// The dimension of all of them.
pub const DIMENSION_TOPOLOGY: &str = "topology";

/// The second dimension of those that are one site's.
pub const DIMENSION_SITE: &str = "site";

/// The field that says why, where a metric has reasons.
pub const FIELD_REASON: &str = "reason";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// One for each notice of this cause.
    Cause(Cause),
    /// One for each watchdog alert that came through from a site.
    WatchdogSeen,
    /// For how long a decision has been under way; nothing while none is.
    DecisionAge,
    /// For how long an operator's hold has lasted; nothing while there is none.
    Held,
    /// How much longer than intended it has lasted; nothing before that.
    HoldOverdue,
    /// For how long a loss has not been fenced; nothing while there is none, nor before the intended end of a hold.
    Unfenced,
    /// One for each deep check that ran to its end.
    DeepCheckRan,
    /// How many parts of a deep check failed.
    DeepCheckFailures,
    /// How many parts of a deep check gave cause for concern, and no more.
    DeepCheckWarnings,
    /// One for each deep check that found the accelerator without its owner's tag, or with another's.
    NotOurs,
    /// For how long no drill has cut the link: since the last one, or since this was first looked at.
    Undrilled,
    /// From a genuine alert's arrival to its answer.
    FenceMilliseconds,
    /// How long a site suspected the other one, where that ended by itself and nobody was fenced. The site is the one that
    /// reported it.
    NearMiss,
}

impl Metric {
    pub fn all() -> impl Iterator<Item = Self> {
        let causes = Cause::ALL.into_iter().map(Self::Cause);
        causes.chain([
            Self::WatchdogSeen,
            Self::DecisionAge,
            Self::Held,
            Self::HoldOverdue,
            Self::Unfenced,
            Self::DeepCheckRan,
            Self::DeepCheckFailures,
            Self::DeepCheckWarnings,
            Self::NotOurs,
            Self::Undrilled,
            Self::FenceMilliseconds,
            Self::NearMiss,
        ])
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Cause(cause) => cause.metric(),
            Self::WatchdogSeen => "WatchdogSeen",
            Self::DecisionAge => "DecisionAgeSeconds",
            Self::Held => "HeldSeconds",
            Self::HoldOverdue => "HoldOverdueSeconds",
            Self::Unfenced => "UnfencedSeconds",
            Self::DeepCheckRan => "DeepCheckRan",
            Self::DeepCheckFailures => "DeepCheckFailures",
            Self::DeepCheckWarnings => "DeepCheckWarnings",
            Self::NotOurs => "AcceleratorNotOurs",
            Self::Undrilled => "UndrilledSeconds",
            Self::FenceMilliseconds => "FenceMilliseconds",
            Self::NearMiss => "NearMissSeconds",
        }
    }

    /// Its unit, as CloudWatch spells it.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::DecisionAge
            | Self::Held
            | Self::HoldOverdue
            | Self::Unfenced
            | Self::Undrilled
            | Self::NearMiss => "Seconds",
            Self::FenceMilliseconds => "Milliseconds",
            _ => "Count",
        }
    }

    /// Whether it is written once for each site, under [`DIMENSION_SITE`].
    pub const fn is_of_a_site(self) -> bool {
        matches!(self, Self::WatchdogSeen | Self::NearMiss)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub metric: Metric,
    /// Whose, where the metric is a site's.
    pub site: Option<SiteName>,
    pub value: u64,
    /// Why, where it may have several reasons. A field of the line, to be read by people and searched for; as a
    /// dimension it would make a metric of each reason, and an alarm would have to know them all.
    pub reason: Option<&'static str>,
}

impl Measured {
    /// Of the whole topology.
    pub fn new(metric: Metric, value: u64) -> Self {
        Self {
            metric,
            site: None,
            value,
            reason: None,
        }
    }

    pub fn of(site: &SiteName, metric: Metric, value: u64) -> Self {
        Self {
            metric,
            site: Some(site.clone()),
            value,
            reason: None,
        }
    }

    /// The same for a reason.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
}

/// What the measurements of one line have in common: the site and the reason.
type Line<'a> = (Option<&'a SiteName>, Option<&'a str>);

/// What was measured, in the embedded metric format: one line for the topology and one for each site and each reason
/// that is spoken of, since a line can give a dimension or a field one value only.
pub fn lines(topology: &TopologyName, at: Timestamp, measured: &[Measured]) -> Vec<Value> {
    let mut by_line: BTreeMap<Line<'_>, BTreeMap<Metric, Vec<u64>>> = BTreeMap::new();
    for one in measured {
        let metrics = by_line.entry((one.site.as_ref(), one.reason)).or_default();
        metrics.entry(one.metric).or_default().push(one.value);
    }
    let lines = by_line.into_iter().map(|((site, reason), metrics)| {
        let mut line = line(topology, site, at, &metrics);
        if let (Some(reason), Some(fields)) = (reason, line.as_object_mut()) {
            fields.insert(FIELD_REASON.to_owned(), json!(reason));
        }
        line
    });
    lines.collect()
}

fn line(
    topology: &TopologyName,
    site: Option<&SiteName>,
    at: Timestamp,
    metrics: &BTreeMap<Metric, Vec<u64>>,
) -> Value {
    let mut dimensions = vec![DIMENSION_TOPOLOGY];
    let mut line = Map::new();
    line.insert(DIMENSION_TOPOLOGY.to_owned(), json!(topology.as_str()));
    if let Some(site) = site {
        dimensions.push(DIMENSION_SITE);
        line.insert(DIMENSION_SITE.to_owned(), json!(site.as_str()));
    }
    let described: Vec<Value> = metrics
        .keys()
        .map(|metric| json!({"Name": metric.name(), "Unit": metric.unit()}))
        .collect();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": described,
            }],
        }),
    );
    for (metric, values) in metrics {
        let value = match values.as_slice() {
            [one] => json!(one),
            several => json!(several),
        };
        line.insert(metric.name().to_owned(), value);
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn topology() -> TopologyName {
        TopologyName::new("keycloak-prod").unwrap()
    }

    #[test]
    fn no_two_metrics_share_a_name() {
        let names: BTreeSet<&str> = Metric::all().map(Metric::name).collect();
        assert_eq!(names.len(), Metric::all().count());
        assert!(
            names.is_superset(&Cause::ALL.map(Cause::metric).into()),
            "{names:?}"
        );
    }

    /// CloudWatch takes any other word for no unit, and sums seconds with counts.
    #[test]
    fn only_spans_are_no_counts_and_few_are_a_sites() {
        let of_unit = |unit: &str| -> Vec<Metric> { Metric::all().filter(|it| it.unit() == unit).collect() };
        assert_eq!(
            of_unit("Seconds"),
            [
                Metric::DecisionAge,
                Metric::Held,
                Metric::HoldOverdue,
                Metric::Unfenced,
                Metric::Undrilled,
                Metric::NearMiss
            ]
        );
        assert_eq!(of_unit("Milliseconds"), [Metric::FenceMilliseconds]);
        assert_eq!(of_unit("Count").len(), Metric::all().count() - 7);
        let of_a_site: Vec<Metric> = Metric::all().filter(|it| it.is_of_a_site()).collect();
        assert_eq!(of_a_site, [Metric::WatchdogSeen, Metric::NearMiss]);
    }

    #[test]
    fn a_line_names_each_value_and_dimension_that_it_describes() {
        for metric in Metric::all() {
            let site = SiteName::new("site-a").unwrap();
            let measured = if metric.is_of_a_site() {
                Measured::of(&site, metric, 7)
            } else {
                Measured::new(metric, 7)
            };
            let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
            let lines = lines(&topology(), at, &[measured]);
            let [line] = lines.as_slice() else {
                unreachable!("{lines:?}")
            };
            let described = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(described["Namespace"], NAMESPACE);
            assert_eq!(described["Metrics"][0]["Name"], metric.name());
            assert_eq!(line[metric.name()], 7);
            assert_eq!(line["topology"], "keycloak-prod");
            let dimensions: Vec<&str> = described["Dimensions"][0]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
                .collect();
            assert!(dimensions.iter().all(|name| line[name].is_string()), "{line}");
            assert_eq!(dimensions.contains(&"site"), metric.is_of_a_site());
            assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_u64);
            assert!(!line.to_string().contains('\n'));
        }
    }

    #[test]
    fn one_line_says_it_all_but_for_sites() {
        let (a, b) = (SiteName::new("site-a").unwrap(), SiteName::new("site-b").unwrap());
        let lines = lines(
            &topology(),
            Timestamp::UNIX_EPOCH,
            &[
                Measured::new(Metric::DeepCheckRan, 1),
                Measured::of(&b, Metric::WatchdogSeen, 1),
                Measured::new(Metric::FenceMilliseconds, 12),
                Measured::new(Metric::FenceMilliseconds, 34),
                Measured::of(&a, Metric::WatchdogSeen, 1),
            ],
        );
        let told: Vec<(&Value, &Value)> = lines
            .iter()
            .map(|line| (&line["site"], &line["FenceMilliseconds"]))
            .collect();
        assert_eq!(
            told,
            [
                (&Value::Null, &json!([12, 34])),
                (&json!("site-a"), &Value::Null),
                (&json!("site-b"), &Value::Null)
            ]
        );
        assert!(super::lines(&topology(), Timestamp::UNIX_EPOCH, &[]).is_empty());
    }

    /// An alarm listens to one series, whatever the reason.
    #[test]
    fn a_reason_is_a_field_and_no_dimension() {
        let lines = lines(
            &topology(),
            Timestamp::UNIX_EPOCH,
            &[
                Measured::new(Metric::DeepCheckRan, 1),
                Measured::new(Metric::Unfenced, 60).because("hold"),
            ],
        );
        let told: Vec<(&Value, &Value)> = lines
            .iter()
            .map(|line| (&line["UnfencedSeconds"], &line["reason"]))
            .collect();
        assert_eq!(told, [(&Value::Null, &Value::Null), (&json!(60), &json!("hold"))]);
        for line in &lines {
            assert_eq!(
                line["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
                json!([["topology"]])
            );
        }
    }
}
