//! A register that moves while one of two Regions is silent: its function knows the former register only.

use tests::provision::Run;

use crate::world::{APPLY, Cloud, OTHER_REGION, REGION, THIRD_REGION, aws_half, decide_at, hold_at};

const TABLE: &str = "sitefence-demo-register";
/// Where the register moves to.
const FOURTH_REGION: &str = "eu-north-1";

fn run(cloud: &Cloud, arguments: &[&str]) -> Run {
    let provision = cloud.provision().env("AWS_MAX_ATTEMPTS", "1");
    provision.args(aws_half(arguments)).run().unwrap()
}

#[test]
fn a_decision_in_either_register_of_a_half_finished_move_is_seen() {
    let cloud = Cloud::in_two_regions();
    assert_eq!(run(&cloud, APPLY).code, Some(0));
    hold_at(&cloud.aws, THIRD_REGION, TABLE);
    let file = cloud.home.path().join("topology.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let moved = text.replace(THIRD_REGION, FOURTH_REGION);
    std::fs::write(&file, moved).unwrap();
    cloud.counter.lose_region(OTHER_REGION);
    let applied = run(&cloud, APPLY);
    assert_eq!(applied.code, Some(1), "{applied}");
    let changed = format!("{REGION}: changing sitefence-demo-fencing");
    assert!(applied.stderr.contains(&changed), "{applied}");
    cloud.counter.find_region(OTHER_REGION);

    let plan = run(&cloud, &["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let told = "warning: functions of two Regions know different registers (sitefence-demo-register in eu-north-1, \
                sitefence-demo-register in eu-west-3)";
    assert!(plan.stderr.contains(told), "{plan}");

    for decided_in in [THIRD_REGION, FOURTH_REGION] {
        decide_at(&cloud.aws, decided_in, TABLE, "complete");
        cloud.counter.reset();
        let refused = run(&cloud, &["destroy", "--yes"]);
        assert_eq!(refused.code, Some(3), "{decided_in}: {refused}");
        let told = "error: the register is `complete`, epoch 4 (site-b is fenced, site-a serves)";
        assert!(refused.stderr.contains(told), "{refused}");
        assert_eq!(cloud.counter.changes(), [""; 0]);
        decide_at(&cloud.aws, decided_in, TABLE, "open");
    }
    let destroyed = run(&cloud, &["destroy", "--yes"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    let confirmed = "checking that sitefence-demo-register in eu-west-3 and sitefence-demo-register in eu-north-1 \
                     are unchanged";
    assert!(destroyed.stderr.contains(confirmed), "{destroyed}");
}
