//! Applying, and applying again.

use serde_json::Value;

use crate::assert_run;
use crate::world::{Cloud, REGION, block_on, fake_function};

#[test]
fn an_apply_puts_everything_in_place_and_a_second_one_finds_nothing_to_do() {
    let cloud = Cloud::new();
    let endpoints = cloud.endpoints();

    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_run!(plan, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0], "a plan changes nothing");
    let code = cloud
        .run(&["plan", "--function-zip", "given.zip", "--detailed-exitcode"])
        .code;
    assert_eq!(code, Some(4));

    let applied = cloud.apply();
    assert_run!(applied, cloud);

    // CloudFormation's own events, as they came.
    assert!(
        applied
            .stderr
            .contains("  CREATE_COMPLETE              AWS::DynamoDB::Table Table\n"),
        "{applied}"
    );

    let inventory = cloud.inventory();
    for wanted in [
        "stack sitefence-demo-artifacts",
        "stack sitefence-demo-register",
        "stack sitefence-demo-fencing",
        "table sitefence-demo-register",
        "function sitefence-demo-fencing",
        "role sitefence-demo-eu-west-1",
        "secret sitefence/demo/webhook",
    ] {
        assert!(inventory.contains_key(wanted), "{wanted}: {inventory:#?}");
    }
    assert!(
        !inventory.values().any(|it| it.contains("apply.lock")),
        "{inventory:#?}"
    );

    // The environment of the function is what it reads at start.
    let function = block_on(async {
        aws_sdk_lambda::Client::new(&cloud.aws.sdk_config(REGION))
            .get_function_configuration()
            .function_name("sitefence-demo-fencing")
            .send()
            .await
            .unwrap()
    });
    let variables = function.environment.unwrap().variables.unwrap();
    let settings =
        fencing::settings::Settings::from_environment(|name| variables.get(name).cloned()).unwrap();
    assert_eq!(settings.found.balancers.len(), 2);
    let group = cloud
        .accelerator
        .world()
        .accelerator("keycloak")
        .unwrap()
        .groups()
        .next()
        .unwrap()
        .arn
        .clone();
    assert_eq!(settings.found.endpoint_group_arns, [group]);

    cloud.counter.reset();
    let again = cloud.apply();
    assert_run!(again, cloud);
    assert_eq!(
        cloud.counter.changes(),
        [""; 0],
        "nothing to do means to do nothing"
    );
    assert_eq!(cloud.inventory(), inventory);

    let plan = cloud.run(&[
        "plan",
        "--function-zip",
        "given.zip",
        "--detailed-exitcode",
        "--output",
        "json",
    ]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["hasChanges"], false);
    assert_eq!(plan["steps"], Value::Array(Vec::new()));

    assert_eq!(
        cloud.endpoints(),
        endpoints,
        "the endpoint group is nobody's to touch"
    );
    assert!(cloud.accelerator.writes().is_empty());
}

#[test]
fn a_changed_topology_is_planned_property_by_property_and_applied() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.write_topology("topology.yaml", "mode: observe\ntags: { owner: identity }");
    let before = cloud.inventory();

    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_run!(plan, cloud);
    assert_eq!(
        cloud.inventory(),
        before,
        "a plan leaves nothing, its change sets included"
    );

    assert_eq!(cloud.apply().code, Some(0));
    let again = cloud.apply();
    assert!(again.stderr.contains("nothing to do"), "{again}");
}

#[test]
fn new_code_is_uploaded_beside_the_old_and_deployed() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    std::fs::write(cloud.function_zip(), fake_function("another function", 62)).unwrap();
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    let inventory = cloud.inventory();
    let bucket = inventory
        .iter()
        .find(|(name, _)| name.starts_with("bucket"))
        .unwrap()
        .1;
    assert_eq!(
        bucket.split(' ').count(),
        2,
        "a rollback needs the code before: {bucket}"
    );
    assert!(cloud.apply().stderr.contains("nothing to do"));
}

/// `ListAccelerators` gives ten at a time, and twelve others come first.
#[test]
fn the_thirteenth_accelerator_is_found() {
    let cloud = Cloud::new();
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let names: Vec<String> = cloud
        .accelerator
        .world()
        .accelerators
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(
        names.iter().position(|name| name == "keycloak"),
        Some(12),
        "{names:?}"
    );
}

#[test]
fn either_dns_name_and_the_arn_name_the_accelerator() {
    let cloud = Cloud::new();
    let (dual_stack, arn) = {
        let world = cloud.accelerator.world();
        let accelerator = world.accelerator("keycloak").unwrap();
        (
            accelerator.dual_stack_dns_name.clone().unwrap(),
            accelerator.arn.clone(),
        )
    };
    assert_eq!(cloud.apply().code, Some(0));
    for name in [dual_stack, arn] {
        cloud.write_topology_for("topology.yaml", &name, "");
        let again = cloud.run(&["plan", "--function-zip", "given.zip", "--output", "json"]);
        assert_eq!(again.code, Some(0), "{again}");
        let plan: Value = serde_json::from_str(&again.stdout).unwrap();
        // Dashboard and descriptions may name it; the function must be told the same.
        let told = plan["steps"].as_array().unwrap().iter().all(|step| {
            step["parameters"]["AcceleratorArn"]
                .as_str()
                .is_none_or(|told| told.contains(":accelerator/"))
        });
        assert!(told, "{plan:#}");
    }
}

#[test]
fn a_fenced_site_stays_out_and_what_it_rests_on_stays_put() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.decide("complete");
    cloud.accelerator.world().remove_by_hand(&cloud.balancers[1]);
    let fenced = cloud.endpoints();

    let again = cloud.apply();
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stderr.contains("nothing to do"), "{again}");

    // New code may come.
    std::fs::write(cloud.function_zip(), fake_function("repaired", 62)).unwrap();
    assert_eq!(cloud.apply().code, Some(0));

    // Another accelerator, site or register may not.
    cloud.write_topology("elsewhere.yaml", "register: { table: another }");
    let refused = cloud.run(&["apply", "elsewhere.yaml", "--yes", "--function-zip", "given.zip"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused
            .stderr
            .contains("cannot change while a decision is in force: the register is `complete`, epoch 4"),
        "{refused}"
    );
    assert_eq!(cloud.endpoints(), fenced);
    assert!(cloud.accelerator.writes().is_empty());
}

#[test]
fn what_was_changed_by_hand_is_told_as_drift() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    block_on(async {
        aws_sdk_lambda::Client::new(&cloud.aws.sdk_config(REGION))
            .update_function_configuration()
            .function_name("sitefence-demo-fencing")
            .timeout(3)
            .send()
            .await
            .unwrap();
    });
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_run!(plan, cloud);
    let plan = cloud.run(&["plan", "--function-zip", "given.zip", "--output", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(
        plan["drifts"][0]["resources"][0]["logicalId"], "Function",
        "{plan:#}"
    );
}
