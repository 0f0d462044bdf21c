//! What was seen in, problems out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{is_wanted, judge, judge_history, sites_to_search};
use crate::observed::{
    BalancerReading, EndpointReading, FunctionReading, Neighbour, Observed, RegisterPlace, ReplicaBehind,
    Replicas, SecretReading, TableReading,
};
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::sample::*;
use crate::topology::Topology;
use crate::topology::names::StackKind;

fn problems(topology: &Topology, observed: &Observed) -> Vec<String> {
    match judge(topology, observed, 2_000_000) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// A world that differs from the good one by `change`.
fn with(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut observed = observed();
    change(&mut observed);
    observed
}

/// The good world with `topology` deployed in it, and the register in `state`.
fn deployed(topology: &Topology, state: &str) -> Observed {
    with(|observed| {
        let region = observed.standing.regions.get_mut(REGION).unwrap();
        region.function = Some(function(topology, &findings()));
        region.stacks.insert(
            StackKind::Fencing,
            stack(
                "CREATE_COMPLETE",
                &[("AWS::Lambda::Function", &topology.function_name())],
            ),
        );
        region
            .stacks
            .insert(StackKind::Register, stack("CREATE_COMPLETE", &[]));
        observed.standing.register = Some(table(state));
    })
}

#[test]
fn the_good_world_yields_what_the_function_needs_to_know() {
    let findings = judge(&topology(), &observed(), 2_000_000).unwrap();
    let found = &findings.found;
    assert_eq!(found.endpoint_group_arns, [GROUP]);
    assert_eq!(found.balancers[&site("site-a")], [balancer("a")]);
    assert_eq!(found.balancers[&site("site-b")], [balancer("b")]);
    assert_eq!(found.infinispan_urls[&site("site-a")], "https://a.example.com");
    assert_eq!(found.register_table, "sitefence-prod-register");
    assert!(findings.infinispan_secrets[REGION].ends_with("prod/infinispan-AbCdEf"));
    assert_eq!(findings.warnings, []);
}

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

    // Its balancer was made anew during the repair.
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

/// As a new account has it.
#[test]
fn an_account_with_few_executions_is_told_what_a_flood_does() {
    for (executions, reserved, warns) in [(10, "", true), (49, "", true), (50, "", false)] {
        let observed = with(|it| it.regions[0].limits.unreserved_concurrency = executions);
        let findings = judge(&topology_from(reserved), &observed, 0).unwrap();
        let warned = findings
            .warnings
            .iter()
            .any(|it| matches!(it, Warning::FewExecutions { .. }));
        assert_eq!(warned, warns, "{executions}");
    }
}

/// A secret of our name.
fn own_secret(observed: &mut Observed, change: impl FnOnce(&mut SecretReading)) {
    let mut secret = observed.infinispan_secrets[REGION].clone();
    change(&mut secret);
    let name = topology().webhook_secret_name();
    observed
        .own_secrets
        .insert(REGION.into(), [(name, secret)].into());
}

#[test]
fn secrets_of_ours_are_ours_once_the_stack_stands() {
    let topology = topology();
    let mut observed = deployed(&topology, "open");
    own_secret(&mut observed, |_| {});
    assert!(judge(&topology, &observed, 0).is_ok());
    own_secret(&mut observed, |secret| secret.is_being_deleted = true);
    let problems = judge(&topology, &observed, 0).unwrap_err();
    assert!(
        problems.iter().any(|it| it
            .hint()
            .starts_with("the function needs it: aws secretsmanager restore-secret")),
        "{problems:?}"
    );
}

#[test]
fn a_replica_that_does_not_follow_is_a_warning() {
    for (region, warns) in [(REGION, true), ("ap-south-1", false)] {
        let observed = with(|it| {
            let secret = it.infinispan_secrets.get_mut(REGION).unwrap();
            secret.replicas_behind = vec![ReplicaBehind {
                region: region.to_owned(),
                why: "Failed: the KMS key is disabled".to_owned(),
            }];
        });
        let findings = judge(&topology(), &observed, 0).unwrap();
        let warned = findings.warnings.iter().any(|it| {
            it.to_string().starts_with(
                "the secret `prod/infinispan` is not the same in eu-west-1 (Failed: the KMS key is disabled)",
            )
        });
        assert_eq!(warned, warns, "{region}: {:?}", findings.warnings);
    }
}

#[test]
fn code_that_was_not_deployed_is_named() {
    let topology = topology();
    for (runs, warns) in [("ab".repeat(32), false), ("ee".repeat(32), true)] {
        let mut observed = deployed(&topology, "open");
        let region = observed.standing.regions.get_mut(REGION).unwrap();
        region.function.as_mut().unwrap().code_sha256 = Some(runs.clone());
        let stack = region.stacks.get_mut(&StackKind::Fencing).unwrap();
        let key = format!("function/{}.zip", "ab".repeat(32));
        stack.parameters.insert("ArtifactKey".to_owned(), key);
        let findings = judge(&topology, &observed, 0).unwrap();
        let warned = findings.warnings.iter().any(|it| {
            it.to_string()
                .contains("runs code that is not ours: its package's SHA-256 is ee")
        });
        assert_eq!(warned, warns, "{runs}: {:?}", findings.warnings);
    }
}

#[test]
fn whoever_else_keeps_the_accelerator_is_named() {
    let observed = with(|it| {
        it.accelerator_tags
            .insert("aga.k8s.aws/stack".to_owned(), "shop/front".to_owned());
    });
    let findings = judge(&topology(), &observed, 0).unwrap();
    let told: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
    assert!(
        told.iter().any(|it| it.starts_with(
            "the accelerator is kept by the AWS Load Balancer Controller (GlobalAccelerator shop/front): it puts a fenced \
             site's endpoint back within minutes and strips the tag"
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
            .contains("site `site-b` is in eu-west-1 by the topology, and its load balancer")
            && it.contains("is in eu-north-1")),
        "{found:?}"
    );
}

#[test]
fn each_flaw_of_the_account_is_named() {
    let demanding = topology_from(
        "function: { reservedConcurrency: 10, permissionsBoundary: 'arn:aws:iam::123456789012:policy/boundary' }",
    );
    let shared = topology_from("register: { table: shared }");
    let cases: Vec<(&Topology, Observed, &str)> = vec![
        (
            &demanding,
            with(|it| it.boundary_exists = false),
            "the permissions boundary arn:aws:iam::123456789012:policy/boundary does not exist",
        ),
        (
            &demanding,
            with(|it| it.regions[0].limits.unreserved_concurrency = 109),
            "eu-west-1 cannot spare 10 concurrent executions: 109 are unreserved, and AWS keeps 100 back",
        ),
        (
            &demanding,
            with(|it| it.regions[0].limits.code_bytes_used = 80_530_636_000),
            "eu-west-1 has no room for 2000000 more bytes of code",
        ),
        (
            &demanding,
            with(|it| it.regions[0].roles.extend(["sitefence-prod-eu-west-1".into()])),
            "the role `sitefence-prod-eu-west-1` exists in eu-west-1 and does not belong to the stack",
        ),
        (
            &demanding,
            with(|it| it.infinispan_secrets.clear()),
            "there is no secret `prod/infinispan` in eu-west-1",
        ),
        (
            &demanding,
            with(|it| it.infinispan_secrets.get_mut(REGION).unwrap().is_being_deleted = true),
            "the secret `prod/infinispan` in eu-west-1 is being deleted",
        ),
        (
            &demanding,
            with(|it| it.infinispan_secrets.get_mut(REGION).unwrap().version = None),
            "the secret `prod/infinispan` in eu-west-1 has no value",
        ),
        (
            &demanding,
            with(|it| own_secret(it, |secret| secret.is_being_deleted = true)),
            "the secret `sitefence/prod/webhook`, which is the topology's own, is waiting to be deleted in eu-west-1",
        ),
        (
            &demanding,
            with(|it| own_secret(it, |_| {})),
            "the secret `sitefence/prod/webhook` exists in eu-west-1 and does not belong to the stack",
        ),
        (
            &demanding,
            with(|it| drop(it.infinispan_urls.remove(&site("site-b")))),
            "site `site-b` has no Infinispan endpoint",
        ),
        (
            &demanding,
            with(|it| it.regions[0].guide_functions.push("keycloak-failover".into())),
            "the function `keycloak-failover` in eu-west-1 fences too",
        ),
        (
            &shared,
            with(|it| it.owner = None),
            "the register's table `shared` does not exist in eu-west-1",
        ),
        (
            &shared,
            with(|it| {
                let mut table = table("open");
                table.hash_key = Some(("id".into(), "S".into()));
                it.owner = None;
                it.standing.register = Some(table);
            }),
            "the register's table `shared` in eu-west-1 has the wrong key: its hash key is `id` of type S",
        ),
        (
            &demanding,
            with(|it| {
                let mut table = table("open");
                table.topology = None;
                it.standing.register = Some(table);
            }),
            "the table `sitefence-prod-register` exists in eu-west-1",
        ),
        (
            &demanding,
            with(|it| it.standing.register = Some(table("open"))),
            "a table `sitefence-prod-register` was kept in eu-west-1",
        ),
        (
            &demanding,
            with(|it| {
                let region = it.standing.regions.get_mut(REGION).unwrap();
                region
                    .stacks
                    .insert(StackKind::Register, stack("CREATE_COMPLETE", &[]));
            }),
            "the register's table `sitefence-prod-register` is gone from eu-west-1",
        ),
    ];
    for (topology, observed, expected) in cases {
        let found = problems(topology, &observed);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{expected}: {found:#?}"
        );
        assert_eq!(found.len(), 1, "{found:#?}");
    }
    assert_eq!(problems(&demanding, &observed()), [""; 0]);
}

#[test]
fn all_problems_are_told_at_once() {
    let observed = with(|it| {
        it.endpoints.extend([tagged("b", None)]);
        it.infinispan_secrets.clear();
        it.regions[0].guide_functions.push("guide".into());
    });
    assert!(problems(&topology(), &observed).len() >= 3);
}

#[test]
fn what_a_decision_rests_on_stays_while_it_is_in_force() {
    let deployed_topology = topology();
    let other_site = {
        let mut topology = topology();
        topology.sites[0].name = site("site-c");
        topology
    };
    let other_region = {
        let mut topology = topology();
        topology.sites[1].region = "eu-west-2".into();
        topology
    };
    let other_register = topology_from("register: { table: elsewhere }");
    for state in ["decided", "isolated", "complete", "rejoining"] {
        for (what, topology, change) in [
            ("the sites", &other_site, None),
            ("the sites", &other_region, None),
            ("the register", &other_register, None),
            (
                "the accelerator",
                &deployed_topology,
                Some("arn:aws:globalaccelerator::1:accelerator/other"),
            ),
        ] {
            let mut observed = deployed(&deployed_topology, state);
            as_former(&mut observed.standing, table(state));
            if let Some(arn) = change {
                observed.accelerator.as_mut().unwrap().arn = arn.to_owned();
            }
            let found = judge(topology, &observed, 0).unwrap_err();
            let refused = found
                .iter()
                .find(|problem| matches!(problem, Problem::DecisionInForce { .. }));
            let refused = refused.unwrap_or_else(|| panic!("{what} in {state}: {found:?}"));
            assert!(refused.to_string().starts_with(what), "{refused}");
            assert!(refused.is_unsafe());
        }
        // Whoever waits for others has to wait as long as those may run.
        let observed = deployed(&deployed_topology, state);
        let shorter = topology_from("function: { timeout: 6s }");
        let found = judge(&shorter, &observed, 0).unwrap_err();
        assert!(
            matches!(&found[..], [Problem::DecisionInForce { what, .. }] if what == "the function's timeout (15s → 6s)"),
            "{found:?}"
        );
        let longer = topology_from("function: { timeout: 16s }");
        assert_eq!(judge(&longer, &observed, 0).map(|_| ()), Ok(()), "{state}");
        // Anything else may change: the memory, the code, the balancer of the fenced site.
        let observed = deployed(&deployed_topology, state);
        let slower = topology_from("function: { memory: 512 }");
        assert_eq!(judge(&slower, &observed, 0).map(|_| ()), Ok(()), "{state}");
    }
    // And with an open register all of it may.
    let mut observed = deployed(&deployed_topology, "open");
    observed.accelerator.as_mut().unwrap().arn = "arn:aws:globalaccelerator::1:accelerator/other".to_owned();
    assert_eq!(judge(&deployed_topology, &observed, 0).map(|_| ()), Ok(()));
}

/// A function that still knows the former register and one that knows the new one would decide without each other.
#[test]
fn a_register_moves_only_while_nobody_can_decide_in_the_former_one() {
    let moved = topology_from("register: { table: elsewhere }");
    let mut observed = deployed(&topology(), "open");
    as_former(&mut observed.standing, table("open"));
    let found = judge(&moved, &observed, 0).unwrap_err();
    assert!(
        matches!(&found[..], [Problem::MovesUnheld { from, to }]
            if from == "sitefence-prod-register in eu-west-1" && to == "elsewhere in eu-west-1"),
        "{found:?}"
    );
    assert!(found[0].is_unsafe());
    for former in observed.standing.former_registers.values_mut() {
        hold(former, true);
    }
    assert_eq!(judge(&moved, &observed, 0).map(|_| ()), Ok(()));
    // Nobody decides in a table that is gone.
    observed.standing.former_registers.clear();
    assert_eq!(judge(&moved, &observed, 0).map(|_| ()), Ok(()));
}

/// Somebody tried to delete the register's stack, and the table's protection held it. A new stack would have a new table.
#[test]
fn a_register_that_has_decided_does_not_go_with_its_broken_stack() {
    for (status, state, refused) in [
        ("DELETE_FAILED", "complete", true),
        ("DELETE_FAILED", "open", false),
        ("CREATE_COMPLETE", "complete", false),
    ] {
        let mut observed = deployed(&topology(), state);
        let stacks = &mut observed.standing.regions.get_mut(REGION).unwrap().stacks;
        stacks.insert(
            StackKind::Register,
            stack(status, &[("AWS::DynamoDB::Table", "sitefence-prod-register")]),
        );
        let problems = judge(&topology(), &observed, 0).err().unwrap_or_default();
        let found = problems
            .iter()
            .find(|problem| matches!(problem, Problem::RegisterInBrokenStack { .. }));
        assert_eq!(found.is_some(), refused, "{status} {state}: {problems:?}");
        if let Some(problem) = found {
            assert!(problem.is_unsafe());
            assert!(
                problem.hint().contains("--retain-resources It"),
                "{}",
                problem.hint()
            );
        }
    }
}

/// A table restored from a backup has a new name, so its item comes in through `apply` only.
#[test]
fn an_item_that_is_there_already_is_gone_on_from_only_when_its_epoch_is_confirmed() {
    let before = topology();
    let moved = topology_from("register: { table: elsewhere }");
    let mut standing = deployed(&before, "open").standing;
    let restored = standing.register.as_mut().unwrap();
    restored.holds_item = true;
    record(restored).epoch = fencing::words::Epoch(4);
    // Nothing moves: it is the item that is in use.
    assert_eq!(judge_history(&before, &standing, None), Ok(()));
    for (resumed, accepted) in [(None, false), (Some(3), false), (Some(5), false), (Some(4), true)] {
        let judged = judge_history(&moved, &standing, resumed);
        assert_eq!(judged.is_ok(), accepted, "{resumed:?}: {judged:?}");
        for problem in judged.err().into_iter().flatten() {
            assert!(problem.is_unsafe());
            assert!(problem.to_string().contains("epoch 4"), "{problem}");
            assert!(problem.hint().ends_with("--resume-epoch 4"), "{}", problem.hint());
        }
    }
    // A fresh table needs no word.
    standing.register.as_mut().unwrap().holds_item = false;
    assert_eq!(judge_history(&moved, &standing, None), Ok(()));
    // And where nothing is deployed, nothing moves.
    standing.register.as_mut().unwrap().holds_item = true;
    standing.regions.clear();
    assert_eq!(judge_history(&moved, &standing, None), Ok(()));
}

#[test]
fn every_function_needs_the_secret_beside_it() {
    let mut topology = topology();
    topology.regions.push("eu-central-1".into());
    let problems = judge(&topology, &observed(), 0).unwrap_err();
    assert!(
        matches!(&problems[..], [Problem::NoReplica { .. }]),
        "{problems:?}"
    );
    assert!(
        problems[0].hint().contains(
            "--region eu-west-1 --secret-id prod/infinispan --add-replica-regions Region=eu-central-1"
        ),
        "{}",
        problems[0].hint()
    );
}

#[test]
fn every_hint_says_what_to_do() {
    let observed = with(|it| it.accelerator = None);
    let hint = judge(&topology(), &observed, 0).unwrap_err()[0].hint();
    assert!(
        hint.contains("a3da6a6cbd4e27b02.awsglobalaccelerator.com  keycloak"),
        "{hint}"
    );
    let observed = with(|it| it.infinispan_secrets.clear());
    let hint = judge(&topology(), &observed, 0).unwrap_err()[0].hint();
    assert!(
        hint.contains("create-secret --region eu-west-1 --name prod/infinispan"),
        "{hint}"
    );
    let observed = with(|it| {
        it.listeners[0].groups[0].endpoints.truncate(1);
        it.balancers_elsewhere = [(site("site-b"), vec![balancer("b")])].into();
    });
    let hint = judge(&topology(), &observed, 0).unwrap_err()[0].hint();
    assert!(
        hint.contains("add-endpoints") && hint.contains(&balancer("b")),
        "{hint}"
    );
    assert!(
        hint.starts_with("a stale site that serves loses writes; once it is in step"),
        "{hint}"
    );
}

#[test]
fn a_register_is_used_only_where_a_condition_means_the_same_everywhere() {
    let regions = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let shared = topology_from("register: { table: shared }");
    let strong = topology_from(
        "register: { kind: strong, table: shared, regions: [eu-west-1, eu-west-2], witness: eu-west-3 }",
    );
    let cases: Vec<(&Topology, Replicas, Option<&str>)> = vec![
        (&shared, Replicas::None, None),
        // One replica of a strong table is as good as a table.
        (&shared, Replicas::Strong(regions(&["eu-west-2"])), None),
        (
            &shared,
            Replicas::Eventual(regions(&["eu-west-2", "us-east-1"])),
            Some(
                "the register's table `shared` in eu-west-1 is an eventually consistent global table, also in \
                 eu-west-2, us-east-1: two functions could decide for different sites in the same second, and the \
                 last writer would be believed",
            ),
        ),
        // A global table of the old kind does not tell where it is.
        (
            &shared,
            Replicas::Eventual(regions(&[])),
            Some("in eu-west-1 is an eventually consistent global table: two functions"),
        ),
        (&strong, Replicas::Strong(regions(&["eu-west-2"])), None),
        (
            &strong,
            Replicas::Eventual(regions(&["eu-west-2"])),
            Some("is an eventually consistent global table, also in eu-west-2"),
        ),
        (
            &strong,
            Replicas::None,
            Some("in eu-west-1 is a table of one Region, and the topology wants a strong one"),
        ),
        (
            &strong,
            Replicas::Strong(regions(&["eu-central-1"])),
            Some("has no replica in eu-west-2, only in eu-west-1, eu-central-1"),
        ),
    ];
    for (topology, replicas, expected) in cases {
        let observed = with(|it| {
            it.owner = None;
            it.standing.register = Some(TableReading {
                replicas: replicas.clone(),
                ..table("open")
            });
        });
        let found = judge(topology, &observed, 0).err().unwrap_or_default();
        match expected {
            None => assert_eq!(found, [], "{replicas:?}"),
            Some(expected) => {
                let [problem] = found.as_slice() else {
                    panic!("{replicas:?}: {found:#?}");
                };
                assert!(problem.to_string().contains(expected), "{problem}");
                let is_eventual = matches!(replicas, Replicas::Eventual(_));
                assert_eq!(problem.is_unsafe(), is_eventual, "{problem}");
            }
        }
    }
}

#[test]
fn a_table_is_not_turned_into_a_global_table_nor_back() {
    let strong =
        topology_from("register: { kind: strong, regions: [eu-west-1, eu-west-2], witness: eu-west-3 }");
    for (topology, standing, refused) in [
        (&topology(), "AWS::DynamoDB::Table", false),
        (&topology(), "AWS::DynamoDB::GlobalTable", true),
        (&strong, "AWS::DynamoDB::Table", true),
    ] {
        let observed = with(|it| {
            let region = it.standing.regions.get_mut(REGION).unwrap();
            let made = stack("CREATE_COMPLETE", &[(standing, "sitefence-prod-register")]);
            region.stacks.insert(StackKind::Register, made);
            it.standing.register = Some(table("open"));
        });
        let found = problems(topology, &observed);
        let is_refused = found
            .iter()
            .any(|problem| problem.contains("holds a register of another kind than"));
        assert_eq!(is_refused, refused, "{standing}: {found:#?}");
        assert!(found.len() <= 1, "{found:#?}");
    }
}

#[test]
fn of_a_silent_region_is_known_what_the_functions_were_told() {
    let unseen = |observed: &mut Observed| {
        let unseen = EndpointReading::Unseen {
            region: "eu-central-1".into(),
        };
        observed.endpoints.insert(balancer("b"), unseen);
        observed
            .unreached
            .insert("eu-central-1".into(), "no answer".to_owned());
    };
    let mut known = deployed(&topology(), "open");
    unseen(&mut known);
    let found = judge(&topology(), &known, 0).unwrap().found;
    assert_eq!(found.balancers[&site("site-b")], [balancer("b")]);

    // Nothing is deployed: nobody remembers.
    let found = problems(&topology(), &with(unseen));
    assert!(
        found.contains(&format!(
            "it is not known which site the endpoint {} belongs to: eu-central-1 does not answer",
            balancer("b")
        )),
        "{found:#?}"
    );
}

#[test]
fn a_secret_in_a_silent_region_is_not_called_missing() {
    let mut topology = topology();
    topology.regions.push("eu-central-1".into());
    let silent = with(|it| {
        it.unreached.insert("eu-central-1".into(), "no answer".to_owned());
    });
    let findings = judge(&topology, &silent, 0).unwrap();
    assert_eq!(findings.unreached.len(), 1);
}

#[test]
fn what_a_decision_may_rest_on_stays_while_the_register_is_silent() {
    let mut silent = deployed(&topology(), "open");
    silent.standing.register = None;
    silent.standing.register_unread = Some("no answer".to_owned());
    // New code may come.
    assert_eq!(problems(&topology(), &silent), [""; 0]);
    // Another accelerator may not.
    silent.accelerator.as_mut().unwrap().arn = "arn:aws:globalaccelerator::1:accelerator/other".to_owned();
    let refused = judge(&topology(), &silent, 0).unwrap_err();
    assert!(
        matches!(&refused[..], [problem @ Problem::RegisterUnread { .. }] if problem.is_unsafe()),
        "{refused:#?}"
    );
}

#[test]
fn the_secrets_stay_in_the_region_that_was_first() {
    // The Regions when it was applied, those wanted now, whether that is refused.
    for (before, now, refused) in [
        ("eu-west-1", vec!["eu-west-1"], false),
        ("eu-west-1", vec!["eu-west-1", "eu-central-1"], false),
        ("eu-west-1 eu-central-1", vec!["eu-west-1"], false),
        // Everything moves: nothing of the old is in the way.
        ("eu-north-1", vec!["eu-west-1"], false),
        ("eu-central-1 eu-west-1", vec!["eu-west-1"], true),
        ("eu-central-1 eu-west-1", vec!["eu-west-1", "eu-central-1"], true),
        ("eu-central-1", vec!["eu-west-1", "eu-central-1"], true),
    ] {
        let mut topology = topology();
        topology.regions = now
            .iter()
            .map(|region| (*region).to_owned().try_into().unwrap())
            .collect();
        let observed = with(|it| {
            let mut made = stack("CREATE_COMPLETE", &[]);
            made.tags
                .insert("sitefence:regions".to_owned(), before.to_owned());
            let region = it.standing.regions.get_mut(REGION).unwrap();
            region.stacks.insert(StackKind::Fencing, made);
        });
        let found = problems(&topology, &observed);
        let is_refused = found
            .iter()
            .any(|problem| problem.contains("the webhook's secret lives in"));
        assert_eq!(is_refused, refused, "{before} → {now:?}: {found:#?}");
    }
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
        // And it is written anew, with the register where it is now.
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
