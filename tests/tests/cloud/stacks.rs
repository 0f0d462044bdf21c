//! Stacks in states that an earlier run, or another person, left them in.

use std::io::{BufRead, BufReader};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{ChangeSetType, ResourceSignalStatus, Tag};
use tests::provision::Run;
use tests::standins::gate::Moment;

use crate::world::{APPLY, Cloud, REGION, aws_half, block_on};

const STACK: &str = "sitefence-demo-fencing";

/// A stack that comes to life, or does not, when it is told to.
const WAITING: &str = "
Resources:
  Signal:
    Type: AWS::CloudFormation::WaitCondition
    CreationPolicy: { ResourceSignal: { Count: 1, Timeout: PT10M } }
";

async fn begin_stack(client: &Client) {
    let tag = Tag::builder().key("sitefence:topology").value("demo").build();
    let created = client
        .create_stack()
        .stack_name(STACK)
        .template_body(WAITING)
        .tags(tag)
        .send()
        .await;
    created.unwrap();
    until(client, "CREATE_IN_PROGRESS").await;
}

async fn signal(client: &Client, status: ResourceSignalStatus) {
    let signal = client
        .signal_resource()
        .stack_name(STACK)
        .logical_resource_id("Signal")
        .unique_id("the test")
        .status(status);
    // The resource may not have got to waiting yet.
    for _ in 0..200 {
        if signal.clone().send().await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the stack does not wait for a signal");
}

async fn until(client: &Client, status: &str) {
    for _ in 0..500 {
        let stacks = client.describe_stacks().stack_name(STACK).send().await.unwrap();
        if stacks.stacks()[0].stack_status().unwrap().as_str() == status {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the stack does not become {status}");
}

#[test]
fn a_stack_that_never_came_to_life_is_replaced() {
    let cloud = Cloud::new();
    block_on(async {
        let client = Client::new(&cloud.aws.sdk_config(REGION));
        begin_stack(&client).await;
        signal(&client, ResourceSignalStatus::Failure).await;
        until(&client, "ROLLBACK_COMPLETE").await;
    });
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(
        plan.stdout
            .contains("it is ROLLBACK_COMPLETE, and only a new one helps"),
        "{plan}"
    );
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(
        applied.stderr.contains("deleting sitefence-demo-fencing"),
        "{applied}"
    );
    assert!(cloud.apply().stderr.contains("nothing to do"));
}

/// Two first applies at the same time have no lock yet, and give their change sets the same name.
#[test]
fn what_another_run_has_prepared_is_not_executed() {
    const BUCKET: &str = "sitefence-demo-artifacts";
    let cloud = Cloud::new();
    let config = cloud.aws.sdk_config(REGION);
    let others = config.clone();
    cloud
        .counter
        .stop_on("CreateChangeSet", 0, Moment::Before, move || {
            let prepares = move || {
                let prepared = Client::new(&others)
                    .create_change_set()
                    .stack_name(BUCKET)
                    .change_set_name("sitefence-apply")
                    .change_set_type(ChangeSetType::Create)
                    .description("made by provision, run of somebody else")
                    .tags(Tag::builder().key("sitefence:topology").value("demo").build())
                    .template_body("Resources: { Topic: { Type: AWS::SNS::Topic } }");
                block_on(prepared.send()).unwrap();
            };
            std::thread::spawn(prepares).join().unwrap();
        });
    let run = cloud.apply();
    assert_eq!(run.code, Some(1), "{run}");
    let stacks = Client::new(&config).describe_stacks();
    let stacks = block_on(stacks.send()).unwrap();
    let standing = stacks.stacks().iter();
    let standing: Vec<(&str, &str)> = standing
        .map(|it| (it.stack_name().unwrap(), it.stack_status().unwrap().as_str()))
        .collect();
    assert_eq!(standing, [(BUCKET, "REVIEW_IN_PROGRESS")], "{run}");
    // Whoever comes next makes everything anew.
    let next = cloud.apply();
    assert_eq!(next.code, Some(0), "{next}");
}

/// Applies while somebody is at work on a stack, and returns what was said.
pub(crate) fn apply_beside_another(cloud: &Cloud) -> String {
    let client = Client::new(&cloud.aws.sdk_config(REGION));
    block_on(begin_stack(&client));
    let mut child = cloud.provision().args(aws_half(APPLY)).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("waiting for sitefence-demo-fencing") {
        let count = stderr.read_line(&mut heard).unwrap();
        assert!(count > 0, "it ended without waiting: {heard}");
    }
    assert_eq!(cloud.counter.changes(), [""; 0], "nothing is begun meanwhile");
    block_on(signal(&client, ResourceSignalStatus::Success));
    std::io::Read::read_to_string(&mut stderr, &mut heard).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{heard}");
    assert!(heard.ends_with("done\n"), "{heard}");
    heard
}

#[test]
fn apply_waits_for_a_stack_that_someone_is_at_work_on() {
    let cloud = Cloud::new();
    apply_beside_another(&cloud);
    assert!(cloud.apply().stderr.contains("nothing to do"));
}

/// Waiting needs nobody's consent; CloudFormation is asked to change something only with it.
#[test]
fn a_rollback_that_failed_is_continued_only_with_consent() {
    let cloud = Cloud::new();
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    cloud.counter.reset();
    cloud.counter.pretend(
        "<StackStatus>CREATE_COMPLETE<",
        "<StackStatus>UPDATE_ROLLBACK_FAILED<",
    );
    for verb in [&["apply", "--function-zip", "given.zip"][..], &["destroy"]] {
        let refused = cloud.run(verb);
        assert_eq!(refused.code, Some(2), "{refused}");
        assert!(
            refused
                .stderr
                .contains("sitefence-demo-fencing  its rollback failed and is continued")
                && refused
                    .stderr
                    .contains("error: this needs consent, and there is no terminal to ask on"),
            "{refused}"
        );
        assert_eq!(cloud.counter.changes(), [""; 0], "{verb:?}");
        let agreed = cloud.run(&[verb, &["--yes"]].concat());
        // There is no such rollback here.
        assert_eq!(agreed.code, Some(1), "{agreed}");
        assert_eq!(cloud.counter.changes(), ["ContinueUpdateRollback"], "{verb:?}");
        cloud.counter.reset();
    }
}
