//! The AWS Regions this version knows, and which of the services that a deployment stands on each of them has.
//!
//! AWS opens Regions with some services and adds the others over years. What is missing shows only when a
//! stack fails half-way, so `validate` says it first. The table is AWS's own lists as of [`AS_OF`]:
//!
//! - function URLs: the Lambda developer guide, "Creating and managing Lambda function URLs";
//! - multi-Region strong consistency: the DynamoDB developer guide, "Global tables: multi-Region strong
//!   consistency" (replicas and witness of one table all lie in one set);
//! - Route 53's health checkers: the API reference of `HealthCheckConfig`, member `Regions`.
//!
//! Global Accelerator publishes no list that could be kept here: it refuses an endpoint when it is added,
//! which is before this program ever sees the accelerator.

use std::borrow::Cow;

use super::suggest::closest;

/// When the table was last compared with AWS's lists.
pub const AS_OF: &str = "November 2026";

/// The Region sets of DynamoDB's multi-Region strong consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrongSet {
    America,
    Europe,
    Asia,
}

impl StrongSet {
    pub const ALL: [Self; 3] = [Self::America, Self::Europe, Self::Asia];

    /// The Regions of the set.
    pub fn regions(self) -> impl Iterator<Item = &'static str> {
        TABLE
            .iter()
            .filter(move |services| services.strong_set == Some(self))
            .map(|services| services.region)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Services {
    pub region: &'static str,
    /// Whether a Lambda function can have a URL there.
    pub function_urls: bool,
    /// The set in which it can hold a replica of a strongly consistent register.
    pub strong_set: Option<StrongSet>,
    /// Whether Route 53 checks health from there.
    pub health_checkers: bool,
}

const fn row(
    region: &'static str,
    function_urls: bool,
    strong_set: Option<StrongSet>,
    health_checkers: bool,
) -> Services {
    Services {
        region,
        function_urls,
        strong_set,
        health_checkers,
    }
}

/// The Regions of the commercial partition, the only one that Global Accelerator serves.
#[rustfmt::skip]
pub const TABLE: &[Services] = &[
    row("af-south-1", true, None, false),
    row("ap-east-1", true, None, false),
    row("ap-east-2", false, None, false),
    row("ap-northeast-1", true, Some(StrongSet::Asia), true),
    row("ap-northeast-2", true, Some(StrongSet::Asia), false),
    row("ap-northeast-3", true, Some(StrongSet::Asia), false),
    row("ap-south-1", true, None, false),
    row("ap-south-2", false, None, false),
    row("ap-southeast-1", true, None, true),
    row("ap-southeast-2", true, None, true),
    row("ap-southeast-3", true, None, false),
    row("ap-southeast-4", false, None, false),
    row("ap-southeast-5", false, None, false),
    row("ap-southeast-6", false, None, false),
    row("ap-southeast-7", false, None, false),
    row("ca-central-1", true, None, false),
    row("ca-west-1", false, None, false),
    row("eu-central-1", true, Some(StrongSet::Europe), false),
    row("eu-central-2", false, None, false),
    row("eu-north-1", true, None, false),
    row("eu-south-1", true, None, false),
    row("eu-south-2", false, None, false),
    row("eu-west-1", true, Some(StrongSet::Europe), true),
    row("eu-west-2", true, Some(StrongSet::Europe), false),
    row("eu-west-3", true, Some(StrongSet::Europe), false),
    row("il-central-1", false, None, false),
    row("me-central-1", false, None, false),
    row("me-south-1", true, None, false),
    row("mx-central-1", true, None, false),
    row("sa-east-1", true, None, true),
    row("us-east-1", true, Some(StrongSet::America), true),
    row("us-east-2", true, Some(StrongSet::America), false),
    row("us-west-1", true, None, true),
    row("us-west-2", true, Some(StrongSet::America), true),
];

/// The codes of all Regions.
pub fn known() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|services| services.region)
}

/// What `region` has; `None` for a Region that this version does not know.
pub fn services(region: &str) -> Option<&'static Services> {
    TABLE.iter().find(|services| services.region == region)
}

/// The codes of the Regions that have what `has` asks for.
pub fn having(has: impl Fn(&Services) -> bool) -> Vec<&'static str> {
    TABLE
        .iter()
        .filter(|services| has(services))
        .map(|services| services.region)
        .collect()
}

/// The partitions without Global Accelerator, by how their Regions begin.
const OTHER_PARTITIONS: &[(&str, &str)] = &[
    ("cn-", "AWS China"),
    ("us-gov-", "AWS GovCloud"),
    ("us-iso", "an isolated AWS partition"),
    ("eu-iso", "an isolated AWS partition"),
    ("eusc-", "the AWS European Sovereign Cloud"),
];

/// What was probably meant by a text that is no Region.
pub fn hint(text: &str) -> Cow<'static, str> {
    let lower = text.trim().to_ascii_lowercase();
    if let Some((_, partition)) = OTHER_PARTITIONS
        .iter()
        .find(|(prefix, _)| lower.starts_with(prefix))
    {
        return Cow::Owned(format!(
            "this is a Region of {partition}, which has no Global Accelerator: only Regions of the commercial partition are supported"
        ));
    }
    // An Availability Zone is a Region's code and a letter.
    if let Some(region) = lower
        .strip_suffix(|last: char| last.is_ascii_lowercase())
        .and_then(services)
    {
        return Cow::Owned(format!(
            "this is an Availability Zone; its Region is `{}`",
            region.region
        ));
    }
    match closest(&lower, known()) {
        Some(region) => Cow::Owned(format!("did you mean `{region}`?")),
        None => Cow::Borrowed("Regions look like eu-west-1; `aws account list-regions` lists yours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_said() {
        for (text, said) in [
            ("eu-west-1a", "Availability Zone; its Region is `eu-west-1`"),
            ("EU-WEST-1", "did you mean `eu-west-1`?"),
            ("eu-wset-1", "did you mean `eu-west-1`?"),
            ("cn-north-1", "AWS China, which has no Global Accelerator"),
            ("us-gov-west-1", "AWS GovCloud"),
            ("us-iso-east-1", "isolated"),
            ("eusc-de-east-1", "Sovereign"),
            ("Ireland", "list-regions"),
        ] {
            assert!(hint(text).contains(said), "{text}: {}", hint(text));
        }
    }

    #[test]
    fn the_table_is_sorted_and_has_whole_sets() {
        assert!(TABLE.is_sorted_by(|a, b| a.region < b.region));
        // A table with strong consistency has three places, so a set has at least as many.
        for set in StrongSet::ALL {
            assert!(set.regions().count() >= 3, "{set:?}");
        }
        // A function beside a replica must be reachable there.
        assert!(TABLE.iter().all(|s| s.strong_set.is_none() || s.function_urls));
    }
}
