//! Lists page by page, and what does not exist.

use super::*;

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
