//! The register: what may change while a decision is in force, and which table holds one.

use super::*;

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
        // A command that waits for others has to wait as long as those may run.
        let observed = deployed(&deployed_topology, state);
        let shorter = topology_from("function: { timeout: 14s }");
        let found = judge(&shorter, &observed, 0).unwrap_err();
        assert!(
            matches!(&found[..], [Problem::DecisionInForce { what, .. }] if what == "the function's timeout (15s → 14s)"),
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
                 last write would count",
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
            Some("in eu-west-1 is a table of one Region, but the topology needs a strong one"),
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
