//! What changes endpoints, and what must not.

use super::*;

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
async fn a_tag_is_set_replaced_and_taken_away_and_others_stay() {
    use aws_sdk_globalaccelerator::types::Tag;
    let stand_in = started();
    let client = client(&stand_in);
    let arn = stand_in.world().accelerator("keycloak").unwrap().arn.clone();
    let tags = async || {
        let answer = client
            .list_tags_for_resource()
            .resource_arn(&arn)
            .send()
            .await
            .unwrap();
        let tags = answer.tags.unwrap_or_default().into_iter();
        tags.map(|tag| (tag.key, tag.value)).collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(tags().await, [pair("topology", "keycloak")]);
    for value in ["first", "last"] {
        let tag = Tag::builder().key("owner").value(value).build().unwrap();
        let call = client.tag_resource().resource_arn(&arn).tags(tag);
        call.send().await.unwrap();
    }
    assert_eq!(
        tags().await,
        [pair("topology", "keycloak"), pair("owner", "last")]
    );
    // Taking away what is not there is no error, and an endpoint was never written.
    for _ in 0..2 {
        let call = client.untag_resource().resource_arn(&arn).tag_keys("owner");
        call.send().await.unwrap();
        assert_eq!(tags().await, [pair("topology", "keycloak")]);
    }
    assert!(stand_in.writes().is_empty());

    let tag = Tag::builder().key("owner").value("anybody").build().unwrap();
    let error = client.tag_resource().resource_arn("arn:none").tags(tag);
    let error = error.send().await.unwrap_err();
    assert_eq!(code(&error), "AcceleratorNotFoundException");
    let error = client.untag_resource().resource_arn("arn:none").tag_keys("owner");
    let error = error.send().await.unwrap_err();
    assert_eq!(code(&error), "AcceleratorNotFoundException");
}

#[tokio::test]
async fn a_tool_that_strips_tags_does_so_at_once() {
    use aws_sdk_globalaccelerator::types::Tag;
    let stand_in = started();
    let client = client(&stand_in);
    let arn = stand_in.world().accelerator("keycloak").unwrap().arn.clone();
    stand_in.strip_tags();
    let tag = Tag::builder().key("owner").value("us").build().unwrap();
    let call = client.tag_resource().resource_arn(&arn).tags(tag);
    call.send().await.unwrap();
    let answer = client
        .list_tags_for_resource()
        .resource_arn(&arn)
        .send()
        .await
        .unwrap();
    let left: Vec<&str> = answer.tags().iter().map(|tag| tag.key.as_str()).collect();
    assert_eq!(left, ["topology"]);
}
