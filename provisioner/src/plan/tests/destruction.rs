//! What goes, in which order, and what is kept.

use super::*;

#[test]
fn everything_goes_functions_first_and_the_lock_s_bucket_last() {
    let topology = topology();
    let plan = destroy::plan(&topology, &deployed(), &Looks::new(), true);
    assert_eq!(
        words(&plan),
        [
            "lock",
            "unmark",
            "delete eu-west-1 fencing",
            "confirm epoch 0",
            "unprotect sitefence-prod-register",
            "delete eu-west-1 register",
            "unlock",
            "empty eu-west-1",
            "delete eu-west-1 artifacts",
        ]
    );
    let after = carried_out(deployed(), &topology, &plan, &findings());
    assert_eq!(
        words(&destroy::plan(&topology, &after, &Looks::new(), true)),
        [""; 0]
    );
}

#[test]
fn a_destruction_continues_after_any_step() {
    let topology = topology();
    let whole = destroy::plan(&topology, &deployed(), &Looks::new(), true);
    for cut in 0..=whole.steps.len() {
        let mut part = whole.clone();
        part.steps.truncate(cut);
        let left = carried_out(deployed(), &topology, &part, &findings());
        let rest = destroy::plan(&topology, &left, &Looks::new(), true);
        let end = carried_out(left, &topology, &rest, &findings());
        assert!(
            end.regions.values().all(|region| region.stacks.is_empty()),
            "after {cut} steps"
        );
    }
}

/// An earlier run may have been interrupted right after the function went, whose last call then still runs.
#[test]
fn a_register_waits_for_functions_of_which_nobody_knows_when_they_went() {
    let topology = topology_from("function: { timeout: 14s }");
    let mut standing = deployed();
    let region = standing.regions.get_mut(REGION).unwrap();
    region.stacks.remove(&StackKind::Fencing);
    region.function = None;
    let plan = destroy::plan(&topology, &standing, &Looks::new(), true);
    assert_eq!(
        words(&plan)[..4],
        [
            "lock",
            "confirm epoch 0",
            "unprotect sitefence-prod-register",
            "delete eu-west-1 register"
        ]
    );
    let waits = |step: &Step| {
        matches!(
            step,
            Step::ConfirmEpoch {
                timeout_seconds: 14,
                ..
            }
        )
    };
    assert!(plan.steps.iter().any(waits), "{:?}", plan.steps);
    // The one that is deployed may be slower than what the file says by now.
    let plan = destroy::plan(&topology, &deployed(), &Looks::new(), true);
    let waits = |step: &Step| {
        matches!(
            step,
            Step::ConfirmEpoch {
                timeout_seconds: 15,
                ..
            }
        )
    };
    assert!(plan.steps.iter().any(waits), "{:?}", plan.steps);
}

#[test]
fn a_shared_table_loses_only_this_topology_s_items() {
    let topology = topology_from("register: { table: shared }");
    let mut standing = deployed();
    standing
        .regions
        .get_mut(REGION)
        .unwrap()
        .stacks
        .remove(&StackKind::Register);
    let steps = words(&destroy::plan(&topology, &standing, &Looks::new(), true));
    assert_eq!(
        steps,
        [
            "lock",
            "unmark",
            "delete eu-west-1 fencing",
            "confirm epoch 0",
            "forget shared",
            "unlock",
            "empty eu-west-1",
            "delete eu-west-1 artifacts"
        ]
    );
    let kept = topology_from("register: { table: shared, retain: true }");
    assert!(
        !words(&destroy::plan(&kept, &standing, &Looks::new(), true)).contains(&"forget shared".to_owned())
    );
}

#[test]
fn only_a_new_decision_that_is_in_force_keeps_the_register() {
    for (state, known, keeps) in [
        ("complete", 0, true),
        ("decided", 0, true),
        ("complete", 1, false),
        ("open", 0, false),
    ] {
        assert_eq!(
            table(state).item.was_decided_after(known),
            keeps,
            "{state} {known}"
        );
    }
}

#[test]
fn destruction_is_refused_while_a_decision_is_in_force() {
    let topology = topology();
    for state in ["decided", "isolated", "complete", "rejoining"] {
        let mut standing = deployed();
        standing.register = Some(table(state));
        let problems = judge_destruction(&topology, &standing, &Looks::new(), false).unwrap_err();
        assert!(problems[0].is_unsafe(), "{state}");
        assert!(
            problems[0].to_string().contains("site-b is fenced"),
            "{}",
            problems[0]
        );
        assert_eq!(
            judge_destruction(&topology, &standing, &Looks::new(), true),
            Ok(()),
            "{state}"
        );
    }
    assert_eq!(
        judge_destruction(&topology, &deployed(), &Looks::new(), false),
        Ok(())
    );
}

#[test]
fn a_register_outlives_the_function_that_cannot_be_removed_yet() {
    let (topology, _) = two_regions();
    let mut standing = deployed_in_two();
    let silent = standing.regions.remove(OTHER).unwrap();
    standing.unreached.insert(OTHER.into(), "no answer".to_owned());
    let plan = destroy::plan(&topology, &standing, &Looks::new(), true);
    assert_eq!(
        words(&plan),
        [
            "lock",
            "delete eu-west-1 fencing",
            "unlock",
            "empty eu-west-1",
            "delete eu-west-1 artifacts"
        ]
    );
    assert_eq!(unreached(&plan), [OTHER]);
    assert_eq!(
        deferred(&plan),
        [
            "eu-west-1 sitefence-prod-register: the function in eu-central-1 may still be deployed, and needs it"
        ]
    );
    let mut half = carried_out(standing, &topology, &plan, &findings());
    half.unreached.clear();
    half.regions.insert(OTHER.into(), silent);
    let rest = destroy::plan(&topology, &half, &Looks::new(), true);
    assert!(rest.is_whole());
    let end = carried_out(half, &topology, &rest, &findings());
    assert!(
        end.regions.values().all(|region| region.stacks.is_empty()),
        "{end:?}"
    );
}

#[test]
fn a_register_that_cannot_be_read_forbids_destruction_unless_forced() {
    let (topology, _) = two_regions();
    let mut standing = deployed_in_two();
    standing.register_unread = Some("no answer".to_owned());
    let looks = Looks::new();
    let problems = judge_destruction(&topology, &standing, &looks, false).unwrap_err();
    assert!(
        matches!(&problems[..], [problem @ Problem::RegisterSilent { .. }] if problem.is_unsafe()),
        "{problems:?}"
    );
    assert_eq!(judge_destruction(&topology, &standing, &looks, true), Ok(()));
    // Where nothing stands there is nothing to lose.
    let mut nothing = empty_world();
    nothing.register_unread = Some("no answer".to_owned());
    assert_eq!(judge_destruction(&topology, &nothing, &looks, false), Ok(()));
}
