//! What goes wrong on order, and what is refused without one.

use super::*;

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
