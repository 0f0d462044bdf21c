//! What was seen in, problems out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accelerator;
mod register;
mod secrets;

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

/// As a new account has it.
#[test]
fn an_account_with_few_executions_is_warned_of_what_a_flood_does() {
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
            "the function `keycloak-failover` in eu-west-1 fences, too",
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
fn all_problems_are_reported_at_once() {
    let observed = with(|it| {
        it.endpoints.extend([tagged("b", None)]);
        it.infinispan_secrets.clear();
        it.regions[0].guide_functions.push("guide".into());
    });
    assert!(problems(&topology(), &observed).len() >= 3);
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
        hint.starts_with("a stale site that serves loses writes; once it is up to date"),
        "{hint}"
    );
}

#[test]
fn of_a_silent_region_the_functions_settings_are_known() {
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
