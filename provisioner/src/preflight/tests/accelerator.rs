//! The accelerator, its listeners and whose they are.

use super::*;

#[test]
fn an_accelerator_is_known_by_arn_and_by_either_name() {
    let (arn, name, dual) = (
        "arn:aws:globalaccelerator::1:accelerator/x",
        "a1.awsglobalaccelerator.com",
        "a2.dualstack.awsglobalaccelerator.com",
    );
    for (wanted, is_it) in [
        (arn, true),
        (name, true),
        (dual, true),
        ("A1.AWSGlobalAccelerator.com", true),
        ("a1.awsglobalaccelerator.com.", true),
        ("a3.awsglobalaccelerator.com", false),
        ("arn:aws:globalaccelerator::1:accelerator/y", false),
        ("", false),
    ] {
        assert_eq!(is_wanted(wanted, arn, name, Some(dual)), is_it, "{wanted}");
    }
    assert!(!is_wanted("", arn, "", None));
}

#[test]
fn each_flaw_of_the_accelerator_is_named() {
    let cases: Vec<(Observed, &str)> = vec![
        (
            with(|it| it.accelerator = None),
            "no accelerator of account 123456789012 is called `a3da6a6cbd4e27b02.awsglobalaccelerator.com`",
        ),
        (
            with(|it| it.accelerator.as_mut().unwrap().enabled = false),
            "the accelerator `keycloak` is disabled",
        ),
        (
            with(|it| it.listeners.clear()),
            "the accelerator `keycloak` has no endpoint that belongs to one of the sites",
        ),
        (
            with(|it| it.endpoints.extend([tagged("b", None)])),
            "the endpoint arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/b/1 has no tag `site`",
        ),
        (
            with(|it| it.endpoints.extend([tagged("b", Some("site-x"))])),
            "loadbalancer/net/b/1 is tagged `site=site-x`, and the topology has no such site",
        ),
        (
            with(|it| {
                it.listeners[0].groups[0].endpoints.push("eipalloc-1".into());
                it.endpoints.insert("eipalloc-1".into(), EndpointReading::Other);
            }),
            "the endpoint eipalloc-1 is in a listener of the sites and is no load balancer",
        ),
        (
            with(|it| drop(it.endpoints.insert(balancer("b"), EndpointReading::Gone))),
            "loadbalancer/net/b/1 names a load balancer that is gone",
        ),
        (
            with(|it| {
                it.listeners[0].groups[0].endpoints.push(balancer("c"));
                it.endpoints.extend([tagged("c", Some("site-b"))]);
            }),
            "site `site-b` has 2 load balancers in one listener (port 443)",
        ),
        (
            with(|it| it.listeners[0].groups[0].endpoints.truncate(1)),
            "site `site-b` has no endpoint in the listener of port 443",
        ),
        (
            with(|it| it.listeners.push(listener("l2", "8443", &[balancer("b")]))),
            "site `site-a` has no endpoint in the listener of port 8443",
        ),
    ];
    for (observed, expected) in cases {
        let found = problems(&topology(), &observed);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{expected}: {found:#?}"
        );
    }
}

#[test]
fn a_listener_without_our_sites_is_nobody_s_business() {
    let observed = with(|it| {
        it.listeners.push(listener("l2", "25", &["eipalloc-1".into()]));
        it.endpoints.insert("eipalloc-1".into(), EndpointReading::Other);
    });
    let found = judge(&topology(), &observed, 0).unwrap().found;
    assert_eq!(found.endpoint_group_arns, [GROUP]);
}

#[test]
fn an_untagged_balancer_is_named_even_when_no_site_is_found() {
    let observed = with(|it| it.endpoints = [tagged("a", None), tagged("b", None)].into());
    let found = problems(&topology(), &observed);
    assert_eq!(found.len(), 3, "{found:#?}");
    let hint = judge(&topology(), &observed, 0).unwrap_err()[1].hint();
    assert!(
        hint.contains(&format!(
            "aws elbv2 add-tags --region eu-west-1 --resource-arns {} --tags Key=site,Value=site-a",
            balancer("a")
        )),
        "{hint}"
    );
}

/// One mistake, one message: that the site is not in the listener follows from the missing tag.
#[test]
fn one_untagged_balancer_is_taken_for_the_site_that_misses() {
    let observed = with(|it| it.endpoints.extend([tagged("b", None)]));
    let found = judge(&topology(), &observed, 0).unwrap_err();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].hint().ends_with("--tags Key=site,Value=site-b"),
        "{}",
        found[0].hint()
    );
}

#[test]
fn one_listener_may_have_other_balancers_than_the_next() {
    let observed = with(|it| {
        it.listeners
            .push(listener("l2", "8443", &[balancer("a2"), balancer("b2")]));
        it.endpoints
            .extend([tagged("a2", Some("site-a")), tagged("b2", Some("site-b"))]);
    });
    let found = judge(&topology(), &observed, 0).unwrap().found;
    assert_eq!(found.balancers[&site("site-a")], [balancer("a"), balancer("a2")]);
    assert_eq!(found.endpoint_group_arns.len(), 2);
}

#[test]
fn a_fenced_site_keeps_its_balancer_though_it_is_out() {
    let topology = topology();
    let mut observed = deployed(&topology, "complete");
    observed.listeners[0].groups[0].endpoints.truncate(1);
    assert_eq!(
        sites_to_search(&topology, &observed.listeners, &observed.endpoints),
        [(site("site-b"), crate::topology::Region::from(REGION))]
    );
    observed.balancers_elsewhere = [(site("site-b"), vec![balancer("b")])].into();
    let findings = judge(&topology, &observed, 0).unwrap();
    assert_eq!(findings.found.balancers[&site("site-b")], [balancer("b")]);
    assert_eq!(findings.warnings, []);

    // Its balancer was replaced during the repair.
    observed.balancers_elsewhere = [(site("site-b"), vec![balancer("new")])].into();
    assert_eq!(
        judge(&topology, &observed, 0).unwrap().found.balancers[&site("site-b")],
        [balancer("new")]
    );

    // Another deployment's balancer has the same tag: the known one is ours.
    observed.balancers_elsewhere = [(site("site-b"), vec![balancer("other"), balancer("b")])].into();
    assert_eq!(
        judge(&topology, &observed, 0).unwrap().found.balancers[&site("site-b")],
        [balancer("b")]
    );

    observed.balancers_elsewhere = [(site("site-b"), vec![balancer("x"), balancer("y")])].into();
    let found = problems(&topology, &observed);
    assert!(
        found[0].contains("2 load balancers in eu-west-1 are tagged `site=site-b`"),
        "{found:?}"
    );

    observed.balancers_elsewhere.clear();
    let found = problems(&topology, &observed);
    assert!(
        found[0].contains("no load balancer in eu-west-1 is tagged `site=site-b`"),
        "{found:?}"
    );
}

#[test]
fn a_site_that_was_taken_out_by_hand_is_a_warning_once_deployed() {
    let topology = topology();
    let mut observed = deployed(&topology, "open");
    observed.listeners[0].groups[0].endpoints.truncate(1);
    observed.balancers_elsewhere = [(site("site-b"), vec![balancer("b")])].into();
    let findings = judge(&topology, &observed, 0).unwrap();
    assert!(
        matches!(&findings.warnings[..], [Warning::SiteTakenOut { .. }]),
        "{:?}",
        findings.warnings
    );
}

#[test]
fn other_tools_that_manage_the_accelerator_are_named() {
    let observed = with(|it| {
        it.accelerator_tags
            .insert("aga.k8s.aws/stack".to_owned(), "shop/front".to_owned());
    });
    let findings = judge(&topology(), &observed, 0).unwrap();
    let told: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
    assert!(
        told.iter().any(|it| it.starts_with(
            "the accelerator is managed by the AWS Load Balancer Controller (GlobalAccelerator shop/front): it puts \
             a fenced site's endpoint back within minutes and strips the tag"
        )),
        "{told:?}"
    );
}

#[test]
fn a_balancer_in_another_region_than_its_site_is_a_problem() {
    let observed = with(|it| {
        let moved = balancer("b").replace(REGION, "eu-north-1");
        it.listeners[0].groups[0].endpoints[1].clone_from(&moved);
        let (_, reading) = tagged("b", Some("site-b"));
        let EndpointReading::Balancer(reading) = reading else {
            unreachable!()
        };
        it.endpoints.insert(
            moved.clone(),
            EndpointReading::Balancer(BalancerReading {
                arn: moved,
                ..reading
            }),
        );
    });
    let found = problems(&topology(), &observed);
    assert!(
        found.iter().any(|it| it
            .contains("site `site-b` is in eu-west-1 according to the topology, but its load balancer")
            && it.contains("is in eu-north-1")),
        "{found:?}"
    );
}

/// Two deployments on one accelerator empty it between them: neither the tag nor a function may name another.
#[test]
fn another_deployment_s_accelerator_is_refused() {
    let other = "111111111111/eu-west-1/sitefence-other-register/other";
    let judged = |change: fn(&mut Observed, &str)| judge(&topology(), &with(|it| change(it, other)), 0);
    let problems = judged(|it, other| it.owner = Some(other.to_owned())).unwrap_err();
    assert!(
        matches!(problems.as_slice(), [Problem::AnothersAccelerator { owner, .. }] if owner == other),
        "{problems:?}"
    );
    assert!(problems.iter().all(Problem::is_unsafe));
    let neighbour = |arn: &str| Neighbour {
        function: "sitefence-other".to_owned(),
        topology: "other".to_owned(),
        accelerator_arn: arn.to_owned(),
    };
    let arn = observed().accelerator.unwrap().arn;
    let beside = |arn: &str| {
        judge(
            &topology(),
            &with(|it| it.regions[0].neighbours = vec![neighbour(arn)]),
            0,
        )
    };
    let problems = beside(&arn).unwrap_err();
    assert!(
        matches!(problems.as_slice(), [Problem::SharedAccelerator { topology, .. }] if topology == "other"),
        "{problems:?}"
    );
    assert!(problems.iter().all(Problem::is_unsafe));
    assert!(beside("arn:another:accelerator").is_ok());
    // A register of this topology that a move has left names the topology's own former mark; another topology's
    // stays another's, also with a register of that name.
    for (owner, refused) in [
        ("123456789012/eu-west-2/former/prod", false),
        ("210987654321/eu-west-1/by-role/prod", false),
        ("210987654321/eu-west-3/by-role/prod", false),
        ("123456789012/eu-west-2/former/other", true),
        ("123456789012/eu-west-3/former/prod", true),
        ("123456789012/eu-west-1/by-role/prod", true),
    ] {
        let left = with(|it| {
            let by_role = RegisterPlace {
                region: "eu-west-1".into(),
                table: "arn:aws:dynamodb:eu-west-1:210987654321:table/by-role".to_owned(),
                role_arn: Some("arn:aws:iam::210987654321:role/register".to_owned()),
            };
            let strong = TableReading {
                replicas: Replicas::Strong(["eu-west-3".to_owned()].into()),
                ..table("open")
            };
            let former = RegisterPlace {
                region: "eu-west-2".into(),
                table: "former".to_owned(),
                role_arn: None,
            };
            let registers = &mut it.standing.former_registers;
            registers.extend([(former, table("open")), (by_role, strong)]);
            it.owner = Some(owner.to_owned());
        });
        let judged = judge(&topology(), &left, 0);
        assert_eq!(judged.is_err(), refused, "{owner}: {judged:?}");
        // And it is written again, with the register where it is now.
        assert!(judged.map_or(true, |findings| findings.unmarked), "{owner}");
    }
    // One that says nothing yet is marked.
    assert!(judged(|it, _| it.owner = None).unwrap().unmarked);
    assert!(!judge(&topology(), &observed(), 0).unwrap().unmarked);
}

/// A function of another version is a neighbour, too: only what tells it apart is read.
#[test]
fn a_neighbour_is_known_by_two_variables() {
    let told = |topology: &str| FunctionReading {
        name: "f".to_owned(),
        arn: "arn:f".to_owned(),
        code_sha256: None,
        environment: [
            ("SITEFENCE_TOPOLOGY".to_owned(), topology.to_owned()),
            ("SITEFENCE_ACCELERATOR_ARN".to_owned(), "arn:a".to_owned()),
        ]
        .into(),
    };
    let known = told("other").neighbour("prod").unwrap();
    assert_eq!(
        (known.topology.as_str(), known.accelerator_arn.as_str()),
        ("other", "arn:a")
    );
    assert_eq!(told("prod").neighbour("prod"), None);
}
