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

    // What the file is called on this machine changes nothing, and by the topology's name it is found.
    let file = |name: &str| cloud.home.path().join(name);
    std::fs::rename(file("topology.yaml"), file("another.yaml")).unwrap();
    for named in ["another.yaml", "demo"] {
        let plan = cloud.run(&[
            "plan",
            "--function-zip",
            "given.zip",
            "--detailed-exitcode",
            named,
        ]);
        assert_eq!(plan.code, Some(0), "{named}: {plan}");
        assert!(plan.stdout.contains("\nnothing to do\n"), "{named}: {plan}");
    }

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

/// SHA-256 of what the function runs, as Lambda has it.
fn runs(cloud: &Cloud) -> String {
    let function = block_on(async {
        aws_sdk_lambda::Client::new(&cloud.aws.sdk_config(REGION))
            .get_function_configuration()
            .function_name("sitefence-demo-fencing")
            .send()
            .await
            .unwrap()
    });
    function.code_sha256.unwrap()
}

/// CloudFormation compares templates, and there is no code in one.
#[test]
fn code_that_somebody_else_deployed_is_named_and_put_back() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    let ours = runs(&cloud);
    block_on(async {
        let theirs = aws_sdk_lambda::primitives::Blob::new(fake_function("theirs", 62));
        aws_sdk_lambda::Client::new(&cloud.aws.sdk_config(REGION))
            .update_function_code()
            .function_name("sitefence-demo-fencing")
            .zip_file(theirs)
            .send()
            .await
            .unwrap();
    });
    assert_ne!(runs(&cloud), ours);
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert!(
        plan.stderr
            .contains("warning: sitefence-demo-fencing in eu-west-1 runs code that is not ours: its package's SHA-256 is")
            && plan.stdout.contains("Code.S3ObjectVersion: "),
        "{plan}"
    );
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(runs(&cloud), ours);
    let again = cloud.apply();
    assert!(again.stderr.contains("nothing to do"), "{again}");
}

/// Whoever can write to the bucket can write under our key, too.
#[test]
fn what_somebody_puts_under_our_key_is_never_deployed() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    let ours = runs(&cloud);
    let (s3, bucket) = (cloud.s3(), cloud.bucket());
    block_on(async {
        let listed = s3.list_objects_v2().bucket(&bucket).send().await.unwrap();
        let key = listed.contents()[0].key().unwrap();
        let put = s3.put_object().bucket(&bucket).key(key);
        put.body(fake_function("theirs", 62).into()).send().await.unwrap();
    });
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(applied.stderr.contains("uploading the function"), "{applied}");
    assert_eq!(runs(&cloud), ours);
    let again = cloud.apply();
    assert!(again.stderr.contains("nothing to do"), "{again}");
}

/// Between the upload and the end somebody else deploys: what runs then is not what was applied.
#[test]
fn an_apply_after_which_other_code_runs_has_failed() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    let pretended = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    cloud.counter.answer(
        "GET /2015-03-31/functions/sitefence-demo-fencing/configuration",
        200,
        format!(r#"{{"FunctionName":"sitefence-demo-fencing","State":"Active","LastUpdateStatus":"Successful","CodeSha256":"{pretended}"}}"#),
    );
    let run = cloud.apply();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr
            .contains("error: the function sitefence-demo-fencing in eu-west-1 runs code that is not ours"),
        "{run}"
    );
}

#[test]
fn a_test_message_goes_through_the_topic_when_it_is_asked_for() {
    let cloud = Cloud::new();
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(!cloud.counter.changes().contains(&"Publish".to_owned()));
    cloud.counter.reset();
    let tested = cloud.run(&[
        "apply",
        "--yes",
        "--function-zip",
        "given.zip",
        "--test-notification",
    ]);
    assert_eq!(tested.code, Some(0), "{tested}");
    assert_eq!(cloud.counter.changes(), ["Publish"]);
    assert!(
        tested
            .stderr
            .contains("a test message was sent through arn:aws:sns:eu-west-1:"),
        "{tested}"
    );
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
fn what_was_changed_by_hand_is_shown_as_drift() {
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
