//! The AWS Regions this version knows, and which of them can share a strongly consistent register.

/// The Regions of the commercial partition, the only one that Global Accelerator serves.
pub const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The Region sets of DynamoDB's multi-Region strong consistency: replicas and witness of one table all lie
/// in one of them.
pub const STRONG_SETS: &[&[&str]] = &[
    &["us-east-1", "us-east-2", "us-west-2"],
    &["eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"],
    &["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"],
];

/// Whether this version knows the Region.
pub fn is_known(region: &str) -> bool {
    KNOWN.contains(&region)
}

/// The set that `region` belongs to, if a strongly consistent register can have a replica there.
pub fn strong_set_of(region: &str) -> Option<&'static [&'static str]> {
    STRONG_SETS.iter().copied().find(|set| set.contains(&region))
}
