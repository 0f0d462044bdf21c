//! What CloudFormation refuses ends in the resource that is in the way, who has it, and what to do.
//!
//! The local AWS does not look at a change set before it is executed, as AWS does since November 2025. What AWS
//! answers then is laid ready in the gate, in the shape that its reference documents.

use crate::assert_run;
use crate::world::Cloud;

/// As `DescribeChangeSet` tells of a change set that the early validation refused: without a word of why.
const REFUSED: &str = "<DescribeChangeSetResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
<DescribeChangeSetResult>
<ChangeSetId>arn:aws:cloudformation:eu-west-1:111122223333:changeSet/sitefence-apply/1</ChangeSetId>
<Status>FAILED</Status><ExecutionStatus>UNAVAILABLE</ExecutionStatus>
<StatusReason>The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot \
Early Validation errors, use the DescribeEvents API for detailed failure information.</StatusReason>
</DescribeChangeSetResult></DescribeChangeSetResponse>";

/// As `DescribeEvents` lists what that validation found, asked with the change set's ARN.
fn events(logical_id: &str, kind: &str, reason: &str) -> String {
    format!(
        "<DescribeEventsResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
<DescribeEventsResult><OperationEvents><member>
<EventId>1</EventId><EventType>VALIDATION_ERROR</EventType>
<LogicalResourceId>{logical_id}</LogicalResourceId><ResourceType>{kind}</ResourceType>
<ValidationFailureMode>FAIL</ValidationFailureMode><ValidationName>NAME_CONFLICT_VALIDATION</ValidationName>
<ValidationStatus>FAILED</ValidationStatus><ValidationStatusReason>{reason}</ValidationStatusReason>
<ValidationPath>/Resources/{logical_id}</ValidationPath>
</member></OperationEvents></DescribeEventsResult></DescribeEventsResponse>"
    )
}

const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: someone is not \
authorized to perform: cloudformation:DescribeEvents</Message></Error></ErrorResponse>";

fn position(asked: &[String], operation: &str) -> usize {
    let found = asked.iter().position(|it| it.starts_with(operation));
    found.unwrap_or_else(|| panic!("nobody asked for {operation}: {asked:#?}"))
}

#[test]
fn what_the_early_validation_found_is_told_with_who_has_the_name() {
    let cloud = Cloud::new();
    let bucket = format!("sitefence-demo-{}-eu-west-1", cloud.account);
    let exists = format!("Resource of type 'AWS::S3::Bucket' with identifier '{bucket}' already exists.");
    cloud.counter.answer("DescribeChangeSet", 200, REFUSED);
    cloud.counter.answer(
        "DescribeEvents",
        200,
        events("Bucket", "AWS::S3::Bucket", &exists),
    );
    let run = cloud.apply();
    assert_run!(run, cloud);
    let asked = cloud.counter.asked();
    assert!(
        position(&asked, "DescribeEvents") < position(&asked, "DeleteChangeSet"),
        "the events go with the change set: {asked:#?}"
    );

    // A stack that has it is told, and nothing is advised to be removed by hand.
    let owned = format!(
        "<DescribeStackResourcesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
<DescribeStackResourcesResult><StackResources><member><StackName>older</StackName><LogicalResourceId>Code\
</LogicalResourceId><PhysicalResourceId>{bucket}</PhysicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>\
<ResourceStatus>CREATE_COMPLETE</ResourceStatus><Timestamp>2026-01-01T00:00:00Z</Timestamp></member></StackResources>\
</DescribeStackResourcesResult></DescribeStackResourcesResponse>"
    );
    cloud.counter.answer("DescribeStackResources", 200, owned);
    let run = cloud.apply();
    assert!(
        run.stderr.contains(&format!(
            "hint: {bucket} belongs to the stack `older` (its Code): give the topology another `name`, or delete that stack"
        )) && !run.stderr.contains("s3 rb"),
        "{run}"
    );
}

/// To run again changes nothing about a name that is taken, nor about a right that is missing.
#[test]
fn where_the_events_cannot_be_read_the_right_for_it_is_named() {
    let cloud = Cloud::new();
    cloud.counter.answer("DescribeChangeSet", 200, REFUSED);
    cloud.counter.answer("DescribeEvents", 403, DENIED);
    let run = cloud.apply();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr
            .contains("allow cloudformation:DescribeEvents, and the next run says it")
            && !run.stderr.contains("hint: run the same command again"),
        "{run}"
    );
}
