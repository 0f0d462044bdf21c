//! The stand-in of Global Accelerator, asked by the real SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_globalaccelerator::Client;
use aws_sdk_globalaccelerator::config::retry::RetryConfig;
use aws_sdk_globalaccelerator::config::timeout::TimeoutConfig;
use aws_sdk_globalaccelerator::config::{BehaviorVersion, Region};
use aws_sdk_globalaccelerator::error::ProvideErrorMetadata;
use aws_sdk_globalaccelerator::types::{EndpointConfiguration, EndpointIdentifier, HealthState};
use tests::standins::accelerator::{
    Accelerator, AcceleratorStandIn, Endpoint, Fault, Health, Operation, Outcome, Undocumented, World,
    balancer_arn,
};

const REGION: &str = "eu-west-1";

fn balancers() -> [String; 2] {
    ["site-a", "site-b"].map(|site| balancer_arn(REGION, site))
}

/// One Region, two sites, and enough accelerators of others to fill more than two pages.
fn started() -> AcceleratorStandIn {
    let [a, b] = balancers();
    let ours = Accelerator::in_one_region("keycloak", REGION, &[&a, &b]).tag("topology", "keycloak");
    AcceleratorStandIn::start(World::new().with_decoys(23).with(ours)).unwrap()
}

fn client_for(url: &str, region: &'static str) -> Client {
    let config = aws_sdk_globalaccelerator::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(Duration::from_secs(10))
                .build(),
        )
        .build();
    Client::from_conf(config)
}

fn client(stand_in: &AcceleratorStandIn) -> Client {
    client_for(&stand_in.url(), "us-west-2")
}

fn group_arn(stand_in: &AcceleratorStandIn) -> String {
    stand_in
        .world()
        .accelerator("keycloak")
        .unwrap()
        .groups()
        .next()
        .unwrap()
        .arn
        .clone()
}

fn keep(arn: &str) -> EndpointConfiguration {
    EndpointConfiguration::builder()
        .endpoint_id(arn)
        .weight(128)
        .build()
}

async fn leave_only(client: &Client, group: &str, arn: &str) -> Result<(), String> {
    let call = client
        .update_endpoint_group()
        .endpoint_group_arn(group)
        .endpoint_configurations(keep(arn));
    call.send().await.map(|_| ()).map_err(|error| code(&error))
}

fn code<E: ProvideErrorMetadata>(error: &E) -> String {
    error.code().unwrap_or("no code").to_owned()
}

#[tokio::test]
async fn the_accelerator_is_found_only_by_those_who_turn_pages() {
    let stand_in = started();
    let client = client(&stand_in);
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_accelerators()
            .set_next_token(token)
            .send()
            .await
            .unwrap();
        token = page.next_token().map(str::to_owned);
        pages.push(page.accelerators().to_vec());
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 4]);
    let found: Vec<_> = pages
        .into_iter()
        .flatten()
        .filter(|one| one.name() == Some("keycloak"))
        .collect();
    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(found.dns_name().unwrap().ends_with(".awsglobalaccelerator.com"));
    assert!(
        found
            .dual_stack_dns_name()
            .unwrap()
            .ends_with(".dualstack.awsglobalaccelerator.com")
    );
    let all = client.list_accelerators().max_results(100).send().await.unwrap();
    assert_eq!((all.accelerators().len(), all.next_token()), (24, None));
}

#[tokio::test]
async fn bad_page_requests_are_refused() {
    let stand_in = started();
    let client = client(&stand_in);
    let refused = client
        .list_accelerators()
        .next_token("nonsense")
        .send()
        .await
        .unwrap_err();
    assert!(
        refused
            .as_service_error()
            .unwrap()
            .is_invalid_next_token_exception()
    );
    let refused = client
        .list_accelerators()
        .max_results(0)
        .send()
        .await
        .unwrap_err();
    assert!(
        refused
            .as_service_error()
            .unwrap()
            .is_invalid_argument_exception()
    );
    // A token of one list is no token of another.
    let first = client.list_accelerators().max_results(3).send().await.unwrap();
    let arn = stand_in.world().accelerator("keycloak").unwrap().arn.clone();
    let call = client
        .list_listeners()
        .accelerator_arn(arn)
        .set_next_token(first.next_token);
    assert!(
        call.send()
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_invalid_next_token_exception()
    );
}

#[tokio::test]
async fn two_listeners_with_two_regions_each_are_listed_page_by_page() {
    let [a, b] = [
        balancer_arn("eu-west-1", "site-a"),
        balancer_arn("eu-central-1", "site-b"),
    ];
    let groups: [(&str, &[&str]); 2] = [("eu-west-1", &[&a]), ("eu-central-1", &[&b])];
    let ours = Accelerator::new("keycloak")
        .listener(443, &groups)
        .listener(8443, &groups);
    let stand_in = AcceleratorStandIn::start(World::new().with(ours)).unwrap();
    let client = client(&stand_in);
    let arn = stand_in.world().accelerator("keycloak").unwrap().arn.clone();

    let mut listeners = client
        .list_listeners()
        .accelerator_arn(&arn)
        .into_paginator()
        .page_size(1)
        .items()
        .send();
    let mut seen = Vec::new();
    while let Some(listener) = listeners.next().await {
        let listener = listener.unwrap().listener_arn.unwrap();
        let mut groups = client
            .list_endpoint_groups()
            .listener_arn(listener)
            .into_paginator()
            .page_size(1)
            .items()
            .send();
        while let Some(group) = groups.next().await {
            let group = group.unwrap();
            let ids: Vec<String> = group
                .endpoint_descriptions()
                .iter()
                .filter_map(|one| one.endpoint_id.clone())
                .collect();
            seen.push((group.endpoint_group_region.unwrap(), ids));
        }
    }
    let expected = [
        ("eu-west-1".to_owned(), vec![a]),
        ("eu-central-1".to_owned(), vec![b]),
    ];
    assert_eq!(seen, [expected.clone(), expected].concat());
    assert_eq!(
        stand_in
            .calls()
            .matching(|call| call.is(Operation::ListEndpointGroups))
            .len(),
        4
    );
}

#[tokio::test]
async fn describing_shows_what_is_there_and_its_tags() {
    let stand_in = started();
    let client = client(&stand_in);
    let arn = stand_in.world().accelerator("keycloak").unwrap().arn.clone();
    let described = client
        .describe_accelerator()
        .accelerator_arn(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(described.accelerator().unwrap().name(), Some("keycloak"));
    let tags = client
        .list_tags_for_resource()
        .resource_arn(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(
        tags.tags().iter().map(|tag| tag.value()).collect::<Vec<_>>(),
        ["keycloak"]
    );

    let [_, b] = balancers();
    assert_eq!(stand_in.world().set_health(&b, Health::Unhealthy), 1);
    let group = client
        .describe_endpoint_group()
        .endpoint_group_arn(group_arn(&stand_in));
    let group = group.send().await.unwrap().endpoint_group.unwrap();
    let health: Vec<_> = group
        .endpoint_descriptions()
        .iter()
        .map(|one| one.health_state.clone().unwrap())
        .collect();
    assert_eq!(health, [HealthState::Healthy, HealthState::Unhealthy]);
    assert_eq!(group.endpoint_descriptions()[1].health_reason(), Some("Timeout"));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_by_its_own_error() {
    let stand_in = started();
    let client = client(&stand_in);
    let error = client
        .describe_accelerator()
        .accelerator_arn("arn:none")
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_accelerator_not_found_exception()
    );
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    let error = client
        .list_endpoint_groups()
        .listener_arn("arn:none")
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_listener_not_found_exception()
    );
    let error = client
        .describe_endpoint_group()
        .endpoint_group_arn("arn:none")
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_endpoint_group_not_found_exception()
    );
}

#[tokio::test]
async fn an_update_replaces_the_whole_list_and_resets_what_it_is_not_given_back() {
    let stand_in = started();
    let client = client(&stand_in);
    let (group, [a, b]) = (group_arn(&stand_in), balancers());
    for endpoint in stand_in
        .world()
        .groups_mut()
        .flat_map(|group| &mut group.endpoints)
    {
        *endpoint = endpoint.clone().weight(7).client_ip_preservation(true);
    }
    // Omitted: unchanged.
    client
        .update_endpoint_group()
        .endpoint_group_arn(&group)
        .traffic_dial_percentage(50.0)
        .send()
        .await
        .unwrap();
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a.clone(), b.clone()]]
    );
    // Given by its id alone: weight and client-IP preservation are the defaults again.
    let answer = client
        .update_endpoint_group()
        .endpoint_group_arn(&group)
        .endpoint_configurations(EndpointConfiguration::builder().endpoint_id(&a).build())
        .send()
        .await
        .unwrap();
    let left = answer.endpoint_group.unwrap();
    let [left] = left.endpoint_descriptions() else {
        panic!("{left:?}")
    };
    assert_eq!((left.endpoint_id(), left.weight), (Some(a.as_str()), Some(128)));
    assert_eq!(left.client_ip_preservation_enabled, Some(false));
    assert_eq!(
        left.health_state,
        Some(HealthState::Healthy),
        "an endpoint that stays keeps its health"
    );
    // Put back, the other one has to be checked first.
    let answer = client
        .update_endpoint_group()
        .endpoint_group_arn(&group)
        .endpoint_configurations(keep(&a))
        .endpoint_configurations(keep(&b))
        .send()
        .await
        .unwrap();
    let back = answer.endpoint_group.unwrap().endpoint_descriptions.unwrap();
    assert_eq!(back[1].health_state, Some(HealthState::Initial));
    // Empty: none.
    client
        .update_endpoint_group()
        .endpoint_group_arn(&group)
        .set_endpoint_configurations(Some(Vec::new()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[""; 0]]
    );
    assert_eq!(
        stand_in.writes().iter().filter(|call| call.took_effect()).count(),
        4
    );
}

#[tokio::test]
async fn an_update_that_is_wrong_in_one_place_changes_nothing() {
    let stand_in = started();
    let client = client(&stand_in);
    let (group, [a, b]) = (group_arn(&stand_in), balancers());
    let unknown = balancer_arn(REGION, "nowhere");
    let heavy = EndpointConfiguration::builder()
        .endpoint_id(&a)
        .weight(256)
        .build();
    for wrong in [
        vec![keep(&a), keep(&unknown)],
        vec![keep(&a), keep(&a)],
        vec![heavy],
    ] {
        let call = client.update_endpoint_group().endpoint_group_arn(&group);
        let error = call
            .set_endpoint_configurations(Some(wrong))
            .send()
            .await
            .unwrap_err();
        assert!(error.as_service_error().unwrap().is_invalid_argument_exception());
    }
    let many = (0..11)
        .map(|number| keep(&balancer_arn(REGION, &format!("many-{number}"))))
        .collect();
    let call = client.update_endpoint_group().endpoint_group_arn(&group);
    let error = call
        .set_endpoint_configurations(Some(many))
        .send()
        .await
        .unwrap_err();
    assert!(error.as_service_error().unwrap().is_limit_exceeded_exception());
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a, b]]
    );
    assert!(stand_in.writes().iter().all(|call| !call.took_effect()));
}

#[tokio::test]
async fn a_balancer_of_another_account_needs_its_attachment() {
    let [a, b] = balancers();
    let shared =
        "arn:aws:elasticloadbalancing:eu-west-1:999999999999:loadbalancer/net/theirs/0123456789abcdef";
    let attachment = "arn:aws:globalaccelerator::999999999999:attachment/1";
    let ours = Accelerator::in_one_region("keycloak", REGION, &[&a, &b]);
    let world = World::new().with(ours).with_shared_balancer(shared, attachment);
    let stand_in = AcceleratorStandIn::start(world).unwrap();
    let client = client(&stand_in);
    let group = group_arn(&stand_in);
    let add = |configuration| {
        client
            .add_endpoints()
            .endpoint_group_arn(&group)
            .endpoint_configurations(configuration)
            .send()
    };
    let error = add(keep(shared)).await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_access_denied_exception());
    let with = EndpointConfiguration::builder()
        .endpoint_id(shared)
        .attachment_arn(attachment)
        .build();
    add(with).await.unwrap();
    let error = client
        .update_endpoint_group()
        .endpoint_group_arn(&group)
        .endpoint_configurations(keep(shared))
        .send()
        .await
        .unwrap_err();
    assert!(
        error.as_service_error().unwrap().is_access_denied_exception(),
        "the description does not say which attachment it was"
    );
}

#[tokio::test]
async fn endpoints_are_added_and_removed_one_by_one_both_ways_the_documentation_can_be_read() {
    let stand_in = started();
    let client = client(&stand_in);
    let (group, [a, b]) = (group_arn(&stand_in), balancers());
    let remove = |arn: &str| {
        let identifier = EndpointIdentifier::builder().endpoint_id(arn).build().unwrap();
        client
            .remove_endpoints()
            .endpoint_group_arn(&group)
            .endpoint_identifiers(identifier)
            .send()
    };
    let add = |arn: &str| {
        client
            .add_endpoints()
            .endpoint_group_arn(&group)
            .endpoint_configurations(keep(arn))
            .send()
    };
    remove(&a).await.unwrap();
    remove(&a).await.unwrap();
    let added = add(&a).await.unwrap();
    assert_eq!(
        added.endpoint_descriptions()[0].health_state,
        Some(HealthState::Initial)
    );
    add(&a).await.unwrap();
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[b.clone(), a.clone()]]
    );

    stand_in.set_undocumented(Undocumented {
        removing_an_absent_endpoint_fails: true,
        removing_the_last_endpoint_fails: true,
        adding_a_present_endpoint_fails: true,
    });
    assert!(
        add(&a)
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_invalid_argument_exception()
    );
    remove(&b).await.unwrap();
    assert!(
        remove(&b)
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_invalid_argument_exception()
    );
    assert!(
        remove(&a)
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_invalid_argument_exception()
    );
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a]]
    );
}

#[tokio::test]
async fn faults_that_are_answered_change_nothing_and_are_met_in_order() {
    let stand_in = started();
    let client = client(&stand_in);
    let (group, [a, _]) = (group_arn(&stand_in), balancers());
    let before = stand_in.world().accelerator("keycloak").unwrap().endpoint_ids();
    let faults = stand_in.faults();
    faults.next(Operation::UpdateEndpointGroup, 2, &Fault::TransactionInProgress);
    faults.next(Operation::UpdateEndpointGroup, 1, &Fault::InternalServiceError);
    faults.next(Operation::UpdateEndpointGroup, 1, &Fault::Throttled);
    faults.next(Operation::UpdateEndpointGroup, 1, &Fault::AccessDenied);
    let mut met = Vec::new();
    for _ in 0..5 {
        met.push(leave_only(&client, &group, &a).await.unwrap_err());
    }
    assert_eq!(
        met,
        [
            "TransactionInProgressException",
            "TransactionInProgressException",
            "InternalServiceErrorException",
            "ThrottlingException",
            "AccessDeniedException"
        ]
    );
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        before
    );
    assert_eq!(faults.unmet(), 0);
    leave_only(&client, &group, &a).await.unwrap();
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a]]
    );
    faults.always(Operation::DescribeEndpointGroup, Fault::InternalServiceError);
    for _ in 0..2 {
        let error = client
            .describe_endpoint_group()
            .endpoint_group_arn(&group)
            .send()
            .await
            .unwrap_err();
        assert!(
            error
                .as_service_error()
                .unwrap()
                .is_internal_service_error_exception()
        );
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    }
    faults.lift(Operation::DescribeEndpointGroup);
    client
        .describe_endpoint_group()
        .endpoint_group_arn(&group)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_closed_connection_tells_nothing_of_whether_the_change_happened() {
    let stand_in = started();
    let client = client(&stand_in);
    let (group, [a, b]) = (group_arn(&stand_in), balancers());
    stand_in
        .faults()
        .next(Operation::UpdateEndpointGroup, 1, &Fault::ClosedBeforeEffect);
    stand_in
        .faults()
        .next(Operation::UpdateEndpointGroup, 1, &Fault::AppliedReplyLost);
    let first = leave_only(&client, &group, &a).await.unwrap_err();
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a.clone(), b.clone()]]
    );
    let second = leave_only(&client, &group, &a).await.unwrap_err();
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a]]
    );
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("no code", "no code"),
        "the caller cannot tell"
    );
    let effects: Vec<bool> = stand_in.writes().iter().map(|call| call.took_effect()).collect();
    assert_eq!(effects, [false, true]);
}

#[tokio::test]
async fn a_hanging_call_hangs_with_and_without_its_effect() {
    let stand_in = started();
    let (group, [a, b]) = (group_arn(&stand_in), balancers());
    for (fault, left) in [
        (Fault::Hang, vec![a.clone(), b.clone()]),
        (Fault::AppliedThenHang, vec![a.clone()]),
    ] {
        stand_in.calls().forget();
        stand_in.faults().next(Operation::UpdateEndpointGroup, 1, &fault);
        let client = client(&stand_in);
        let (group, a) = (group.clone(), a.clone());
        let waiting = tokio::spawn(async move { leave_only(&client, &group, &a).await });
        let arrived = stand_in.calls().reached(Duration::from_secs(10), |calls| {
            calls.iter().any(|call| call.outcome == Outcome::Met(fault))
        });
        assert!(arrived.await);
        assert!(!waiting.is_finished());
        waiting.abort();
        assert_eq!(
            stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
            [left]
        );
    }
}

#[tokio::test]
async fn lagging_reads_show_what_was_before_the_last_write() {
    let stand_in = started();
    let client = client(&stand_in);
    let (group, [a, _]) = (group_arn(&stand_in), balancers());
    stand_in.lag_reads_after_writes(2);
    leave_only(&client, &group, &a).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = client
            .describe_endpoint_group()
            .endpoint_group_arn(&group)
            .send()
            .await
            .unwrap();
        seen.push(
            answer
                .endpoint_group
                .unwrap()
                .endpoint_descriptions
                .unwrap()
                .len(),
        );
    }
    assert_eq!(seen, [2, 2, 1]);
}

#[tokio::test]
async fn endpoints_can_be_edited_by_hand_between_two_calls() {
    let stand_in = started();
    let [a, b] = balancers();
    assert_eq!(stand_in.world().remove_by_hand(&b), 1);
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a.clone()]]
    );
    let back = Endpoint::healthy(&b).weight(3);
    assert_eq!(stand_in.world().add_by_hand("keycloak", REGION, &back), 1);
    assert_eq!(stand_in.world().add_by_hand("keycloak", REGION, &back), 0);
    assert_eq!(
        stand_in.world().accelerator("keycloak").unwrap().endpoint_ids(),
        [[a, b]]
    );
    assert!(stand_in.calls().all().is_empty(), "hands leave no calls");
}

#[tokio::test]
async fn requests_signed_for_another_region_or_not_at_all_are_refused() {
    let stand_in = started();
    let client = client_for(&stand_in.url(), "eu-west-1");
    let error = client.list_accelerators().send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidSignatureException");
    assert!(error.message().unwrap().contains("us-west-2"), "{error:?}");
    let unsigned = raw(
        &stand_in,
        "GlobalAccelerator_V20180706.ListAccelerators",
        "{}",
        false,
    )
    .await;
    assert_eq!(unsigned.0, 400);
    assert!(
        unsigned.1.contains("MissingAuthenticationTokenException"),
        "{}",
        unsigned.1
    );
}

#[tokio::test]
async fn unknown_operations_and_unknown_fields_are_refused_in_words() {
    let stand_in = started();
    let (status, body) = raw(
        &stand_in,
        "GlobalAccelerator_V20180706.DeleteAccelerator",
        r#"{"AcceleratorArn":"x"}"#,
        true,
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        body.contains("UnknownOperationException") && body.contains("DeleteAccelerator"),
        "{body}"
    );
    let field = r#"{"MaxResults":10,"Filter":"mine"}"#;
    let (status, body) = raw(
        &stand_in,
        "GlobalAccelerator_V20180706.ListAccelerators",
        field,
        true,
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        body.contains("SerializationException") && body.contains("Filter"),
        "{body}"
    );
    let calls = stand_in.calls().all();
    assert!(
        calls
            .iter()
            .all(|call| matches!(call.outcome, Outcome::Refused { .. })),
        "{calls:?}"
    );
    assert_eq!(calls[0].operation, "DeleteAccelerator");
}

/// What the SDK would never send.
async fn raw(stand_in: &AcceleratorStandIn, target: &str, body: &str, signed: bool) -> (u16, String) {
    use http_body_util::{BodyExt, Full};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = http::Request::post(format!("{}/", stand_in.url())).header("x-amz-target", target);
    if signed {
        let scope = "Credential=AKIDTEST/20261121/us-west-2/globalaccelerator/aws4_request";
        request = request.header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"),
        );
    }
    let body = Full::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
    let response = client.request(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_control_plane_that_is_away_refuses_and_comes_back_on_the_same_port() {
    let stand_in = started();
    let client = client(&stand_in);
    client.list_accelerators().send().await.unwrap();
    for _ in 0..3 {
        stand_in.go_away();
        let error = client.list_accelerators().send().await.unwrap_err();
        assert!(error.as_service_error().is_none(), "{error:?}");
        let refused = std::net::TcpStream::connect(stand_in.url().strip_prefix("http://").unwrap());
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        stand_in.come_back();
        client.list_accelerators().send().await.unwrap();
    }
}

#[tokio::test]
async fn latency_is_added_to_every_answer() {
    let stand_in = started();
    let client = client(&stand_in);
    let latency = Duration::from_millis(60);
    stand_in.set_latency(latency);
    let before = Instant::now();
    client.list_accelerators().send().await.unwrap();
    assert!(before.elapsed() >= latency);
}
