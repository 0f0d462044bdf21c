//! Functions in several Regions.
//!
//! The local AWS keeps Regions apart and replicates secrets from one to another as AWS does, at once. It does not
//! replicate DynamoDB tables with strong consistency, so the register here is of kind `table`; what is rendered
//! for the kind `strong` is the golden files' to show.

use std::collections::BTreeMap;

use fencing::settings::Settings;
use serde_json::Value;

use crate::world::{Cloud, OTHER_REGION, REGION, THIRD_REGION, block_on};

const FUNCTION: &str = "sitefence-demo-fencing";

/// What the function of a Region is told.
pub(crate) fn settings(cloud: &Cloud, region: &str, function: &str) -> Settings {
    let lambda = aws_sdk_lambda::Client::new(&cloud.aws.sdk_config(region));
    let function = lambda.get_function_configuration().function_name(function);
    let environment = block_on(function.send()).unwrap().environment.unwrap();
    let variables = environment.variables.unwrap();
    Settings::from_environment(|name| variables.get(name).cloned()).unwrap()
}

/// The stacks of every Region that a test here uses.
fn stacks(cloud: &Cloud) -> BTreeMap<&'static str, Vec<String>> {
    [REGION, OTHER_REGION, THIRD_REGION, "eu-north-1"]
        .into_iter()
        .map(|region| {
            let inventory = cloud.inventory_of(region);
            let stacks = inventory
                .keys()
                .filter_map(|name| name.strip_prefix("stack sitefence-demo-"));
            (region, stacks.map(str::to_owned).collect())
        })
        .collect()
}

fn in_three_regions(first: &[&str], second: &[&str], third: &[&str]) -> BTreeMap<&'static str, Vec<String>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    [
        (REGION, owned(first)),
        (OTHER_REGION, owned(second)),
        (THIRD_REGION, owned(third)),
        ("eu-north-1", Vec::new()),
    ]
    .into()
}

#[test]
fn each_region_gets_a_function_and_all_share_one_register_and_one_password() {
    let cloud = Cloud::in_two_regions();
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(
        stacks(&cloud),
        in_three_regions(
            &["artifacts", "fencing"],
            &["artifacts", "fencing"],
            &["register"]
        )
    );
    let urls: Vec<&str> = applied.stdout.lines().collect();
    assert_eq!(urls.len(), 2, "{applied}");
    assert!(
        urls[0].starts_with("eu-central-1  ") && urls[1].starts_with("eu-west-1  "),
        "{applied}"
    );

    let passwords = [REGION, OTHER_REGION].map(|region| {
        let settings = settings(&cloud, region, FUNCTION);
        assert_eq!(settings.register_region, THIRD_REGION);
        assert_eq!(
            settings.secrets_region, region,
            "a function outlives the other's Region"
        );
        for secret in [&settings.found.webhook_secret, &settings.found.infinispan_secret] {
            assert!(secret.contains(&format!(":secretsmanager:{region}:")), "{secret}");
        }
        assert!(
            settings.found.topic_arn.contains(&format!(":{region}:")),
            "{}",
            settings.found.topic_arn
        );
        block_on(cloud.aws.secret(region, &settings.found.webhook_secret)).unwrap()
    });
    assert_eq!(passwords[0], passwords[1]);
    assert!(passwords[0].len() >= 32);

    cloud.counter.reset();
    let again = cloud.apply();
    assert!(
        again.stderr.contains("nothing to do") && again.code == Some(0),
        "{again}"
    );
    assert_eq!(cloud.counter.changes(), [""; 0]);

    let destroyed = cloud.run(&["destroy", "--yes"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(stacks(&cloud), in_three_regions(&[], &[], &[]));
    for region in [REGION, OTHER_REGION, THIRD_REGION] {
        let left: Vec<String> = cloud
            .inventory_of(region)
            .into_keys()
            .filter(|name| name.contains("sitefence"))
            .collect();
        assert_eq!(left, [""; 0], "{region}");
    }
}

#[test]
fn a_region_that_the_topology_leaves_is_cleared_and_the_rest_stays() {
    let cloud = Cloud::in_two_regions();
    let replicated = cloud
        .aws
        .replicate_secret(REGION, "demo/infinispan", "eu-north-1");
    block_on(replicated).unwrap();
    cloud.write_topology_in("topology.yaml", &[REGION, OTHER_REGION, "eu-north-1"], "");
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(stacks(&cloud)["eu-north-1"], ["artifacts", "fencing"]);

    cloud.write_topology_in("topology.yaml", &[REGION, OTHER_REGION], "");
    let plan = cloud.run(&["plan", "--function-zip", "given.zip", "--output", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert!(
        plan.to_string()
            .contains("the topology no longer uses eu-north-1"),
        "{plan:#}"
    );
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(
        stacks(&cloud),
        in_three_regions(
            &["artifacts", "fencing"],
            &["artifacts", "fencing"],
            &["register"]
        )
    );
    let secret = settings(&cloud, OTHER_REGION, FUNCTION).found.webhook_secret;
    assert!(block_on(cloud.aws.secret(OTHER_REGION, &secret)).is_ok());
    assert!(cloud.apply().stderr.contains("nothing to do"));
}

#[test]
fn a_secret_that_was_not_replicated_is_missed_in_its_region_before_anything_is_made() {
    let cloud = Cloud::in_two_regions();
    cloud.write_topology_in("topology.yaml", &[REGION, OTHER_REGION, "eu-north-1"], "");
    let refused = cloud.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains(
            "the secret `demo/infinispan` is in eu-west-1 and not in eu-north-1, where a function needs it too"
        ),
        "{refused}"
    );
    assert!(
        refused.stderr.contains("--add-replica-regions Region=eu-north-1"),
        "{refused}"
    );
    assert_eq!(cloud.counter.changes(), [""; 0]);
}
