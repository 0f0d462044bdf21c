//! Regions that do not answer.

use super::*;

#[test]
fn a_region_that_does_not_answer_hinders_only_itself() {
    for (silent, steps) in [
        (
            OTHER,
            [
                "lock",
                "upload eu-west-1",
                "update eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        // Also the one with the secrets, the register and the lock.
        (
            REGION,
            [
                "lock",
                "upload eu-central-1",
                "update eu-central-1 fencing",
                "ready eu-central-1",
                "unlock",
            ],
        ),
    ] {
        let plan = planned_without(&deployed_in_two(), &new_code(), &[silent]);
        assert_eq!(words(&plan), steps, "{silent}");
        assert_eq!(
            (unreached(&plan), deferred(&plan)),
            (vec![silent], Vec::<String>::new())
        );
        assert!(!plan.is_whole());
        let Some(Step::TakeLock { region, .. }) = plan.steps.first() else {
            panic!("{plan:?}");
        };
        assert_ne!(region.as_str(), silent);
        // What is left out now the next plan finds.
        let half = carried_out(deployed_in_two(), &two_regions().0, &plan, &findings());
        let rest = planned_without(&half, &new_code(), &[]);
        assert!(
            words(&rest).contains(&format!("update {silent} fencing")),
            "{rest:?}"
        );
        assert!(rest.is_whole());
    }
}

#[test]
fn what_rests_on_a_silent_region_waits_for_it() {
    // A first apply: nobody knows where the secret will be, or whether the register stands.
    let plan = planned_without(&empty_world(), &package(), &[REGION]);
    assert_eq!(
        words(&plan),
        [
            "create eu-central-1 artifacts",
            "lock",
            "upload eu-central-1",
            "unlock"
        ]
    );
    assert_eq!(
        deferred(&plan),
        ["eu-central-1 sitefence-prod-fencing: it needs what eu-west-1 will say"]
    );
    let half = carried_out(empty_world(), &two_regions().0, &plan, &findings());
    let rest = planned_without(&half, &package(), &[]);
    let whole = carried_out(half, &two_regions().0, &rest, &findings());
    assert_eq!(words(&planned_without(&whole, &package(), &[])), [""; 0]);

    // Both silent: nothing is done, and it is said.
    let plan = planned_without(&deployed_in_two(), &new_code(), &[REGION, OTHER]);
    assert_eq!(
        (words(&plan), unreached(&plan)),
        (Vec::new(), vec![OTHER, REGION])
    );
}

#[test]
fn a_silent_region_that_has_nothing_of_ours_is_nobody_s_business() {
    let plan = planned_without(&deployed_in_two(), &package(), &["us-east-1"]);
    assert!(plan.is_whole() && !plan.has_changes(), "{plan:?}");
}
