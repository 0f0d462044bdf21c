//! Destroying what was applied, and nothing else.

use tests::standins::gate::Moment;

use crate::assert_run;
use crate::world::{Cloud, REGION, block_on, decide_in};

#[test]
fn destroy_leaves_what_was_there_before_and_a_second_one_finds_nothing() {
    let cloud = Cloud::new();
    let before = cloud.inventory();
    assert_eq!(cloud.apply().code, Some(0));
    assert_ne!(cloud.inventory(), before);

    let destroyed = cloud.run(&["destroy", "--yes"]);
    assert_run!(destroyed, cloud);
    assert_eq!(cloud.inventory(), before);

    let again = cloud.run(&["destroy", "--yes"]);
    assert_run!(again, cloud);

    // The names are free again, those of secrets included.
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(cloud.accelerator.writes().is_empty());
}

#[test]
fn destroy_is_refused_while_a_site_is_fenced_unless_forced() {
    let cloud = Cloud::new();
    let before = cloud.inventory();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.decide("complete");
    cloud.counter.reset();
    let refused = cloud.run(&["destroy", "--yes"]);
    assert_run!(refused, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
    let forced = cloud.run(&["destroy", "--yes", "--force"]);
    assert_eq!(forced.code, Some(0), "{forced}");
    assert_eq!(cloud.inventory(), before);
}

/// The last alert may fence a site while its function is being taken away; then only the register knows of it.
#[test]
fn a_register_that_was_decided_in_while_the_function_went_is_kept() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.counter.reset();
    assert_eq!(cloud.run(&["destroy", "--yes"]).code, Some(0));
    let changes = cloud.counter.changes();
    let function_goes = changes.iter().position(|it| it == "DeleteStack").unwrap();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.counter.reset();

    let aws = cloud.aws.clone();
    cloud.counter.stop_at(function_goes, Moment::After, move || {
        let decides = move || decide_in(&aws, "sitefence-demo-register", "complete");
        std::thread::spawn(decides).join().unwrap();
    });
    let kept = cloud.run(&["destroy", "--yes"]);
    assert_eq!(kept.code, Some(3), "{kept}");
    let told = "error: a site was fenced while the function was being removed: the register is `complete`, epoch 4 \
                (site-b is fenced, site-a serves)";
    assert!(kept.stderr.contains(told), "{kept}");
    assert!(cloud.inventory().contains_key("table sitefence-demo-register"));

    // The function is put back, and finds what was decided.
    cloud.counter.reset();
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
}

#[test]
fn a_bucket_that_somebody_deleted_is_made_again_by_apply_and_hinders_no_destroy() {
    let cloud = Cloud::new();
    let before = cloud.inventory();
    assert_eq!(cloud.apply().code, Some(0));
    let applied = cloud.inventory();
    cloud.lose_the_bucket();
    let again = cloud.apply();
    assert_eq!(again.code, Some(0), "{again}");
    assert_eq!(cloud.inventory(), applied);

    cloud.lose_the_bucket();
    let destroyed = cloud.run(&["destroy", "--yes"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(cloud.inventory(), before);
}

#[test]
fn a_register_that_is_to_be_kept_stays_and_is_taken_over_again() {
    let cloud = Cloud::new();
    cloud.write_topology("topology.yaml", "register: { retain: true }");
    assert_eq!(cloud.apply().code, Some(0));
    cloud.decide("open");
    let destroyed = cloud.run(&["destroy", "--yes"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert!(
        destroyed
            .stderr
            .contains("      = AWS::DynamoDB::Table sitefence-demo-register  kept"),
        "{destroyed}"
    );
    assert!(
        destroyed
            .stdout
            .ends_with("kept eu-west-1 AWS::DynamoDB::Table sitefence-demo-register\n"),
        "{destroyed}"
    );
    assert!(cloud.inventory().contains_key("table sitefence-demo-register"));

    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    let items = block_on(cloud.aws.items(REGION, "sitefence-demo-register")).unwrap();
    assert!(
        items.iter().any(|item| item["epoch"] == 4),
        "the history went on: {items:?}"
    );
}

/// CloudFormation deletes by the template that was deployed, and nobody has told it.
#[test]
fn a_register_that_is_to_be_kept_since_the_last_apply_is_not_deleted() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.write_topology("topology.yaml", "register: { retain: true }");
    let refused = cloud.run(&["destroy", "--yes"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains(
            "error: the topology keeps the register's table `sitefence-demo-register`, but its stack"
        ),
        "{refused}"
    );
    assert!(
        refused.stderr.contains("hint: `provision apply` first"),
        "{refused}"
    );

    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(cloud.run(&["destroy", "--yes"]).code, Some(0));
    assert!(cloud.inventory().contains_key("table sitefence-demo-register"));
}

#[test]
fn a_stack_of_our_name_that_is_not_ours_is_left_alone() {
    let cloud = Cloud::new();
    block_on(async {
        aws_sdk_cloudformation::Client::new(&cloud.aws.sdk_config(REGION))
            .create_stack()
            .stack_name("sitefence-demo-register")
            .template_body("Resources: { Topic: { Type: 'AWS::SNS::Topic' } }")
            .send()
            .await
            .unwrap();
    });
    for verb in ["apply", "destroy"] {
        let zip = ["--function-zip", "given.zip"];
        let arguments: Vec<&str> = [verb, "--yes"]
            .into_iter()
            .chain(zip.into_iter().filter(|_| verb == "apply"))
            .collect();
        let run = cloud.run(&arguments);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(
            run.stderr
                .contains("the stack sitefence-demo-register in eu-west-1 exists and is not ours"),
            "{run}"
        );
    }
    assert!(cloud.inventory().contains_key("stack sitefence-demo-register"));
}
