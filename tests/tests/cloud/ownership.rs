//! Whose the accelerator is: the mark that `apply` writes and `destroy` takes away, and a second topology on it.

use fencing::accelerator::OWNER_TAG;
use tests::provision::Run;

use crate::world::{Cloud, REGION, hold_in};

fn owner(cloud: &Cloud) -> Option<String> {
    let world = cloud.accelerator.world();
    let mut tags = world.accelerator("keycloak").unwrap().tags.iter();
    tags.find(|(key, _)| key == OWNER_TAG)
        .map(|(_, value)| value.clone())
}

fn set_owner(cloud: &Cloud, owner: Option<&str>) {
    let mut world = cloud.accelerator.world();
    let tags = &mut world.accelerator_mut("keycloak").unwrap().tags;
    tags.retain(|(key, _)| key != OWNER_TAG);
    tags.extend(owner.map(|owner| (OWNER_TAG.to_owned(), owner.to_owned())));
}

fn apply_another(cloud: &Cloud) -> Run {
    let text = std::fs::read_to_string(cloud.home.path().join("topology.yaml")).unwrap();
    let another = text.replacen("name: demo", "name: another", 1);
    std::fs::write(cloud.home.path().join("another.yaml"), another).unwrap();
    cloud.run(&["apply", "another.yaml", "--yes", "--function-zip", "given.zip"])
}

/// The issue's own case: two files, the same accelerator, the same sites.
#[test]
fn a_second_topology_is_refused_by_the_mark_and_by_the_function_that_stands() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    let ours = format!("{}/{REGION}/sitefence-demo-register/demo", cloud.account);
    assert_eq!(owner(&cloud).as_deref(), Some(ours.as_str()));
    let before = cloud.inventory();
    let refused = apply_another(&cloud);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains(&format!("belongs to `{ours}`")),
        "{refused}"
    );

    // Some tool has stripped the mark; the function still stands.
    set_owner(&cloud, None);
    let refused = apply_another(&cloud);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(refused.stderr.contains("sitefence-demo-fencing"), "{refused}");
    assert_eq!((owner(&cloud), cloud.inventory()), (None, before));

    // The next apply of ours writes it again, and nothing else.
    cloud.counter.reset();
    let again = cloud.apply();
    assert_eq!(again.code, Some(0), "{again}");
    assert_eq!(owner(&cloud).as_deref(), Some(ours.as_str()));
    let stacks = cloud.counter.changes();
    assert!(
        !stacks.iter().any(|change| change.ends_with("ChangeSet")),
        "{stacks:?}"
    );

    // Once it has gone, the accelerator is free.
    let destroyed = cloud.run(&["destroy", "--yes"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(owner(&cloud), None);
    let applied = apply_another(&cloud);
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(owner(&cloud).unwrap().ends_with("/another"));
    assert!(cloud.accelerator.writes().is_empty());
}

#[test]
fn a_mark_that_does_not_stay_ends_the_apply_before_a_function_stands() {
    let cloud = Cloud::new();
    cloud.accelerator.strip_tags();
    let refused = cloud.apply();
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(refused.stderr.contains("but carries nothing"), "{refused}");
    let made: Vec<String> = cloud.inventory().into_keys().collect();
    assert!(!made.iter().any(|it| it.contains("fencing")), "{made:?}");
}

#[test]
fn destroy_leaves_another_s_mark_alone() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    set_owner(&cloud, Some("somebody else's"));
    let destroyed = cloud.run(&["destroy", "--yes"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(owner(&cloud).as_deref(), Some("somebody else's"));
}

#[test]
fn a_register_that_moves_takes_the_mark_along() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    hold_in(&cloud.aws, "sitefence-demo-register");
    cloud.write_topology("topology.yaml", "register: { regions: [eu-central-1] }");
    let moved = cloud.apply();
    assert_eq!(moved.code, Some(0), "{moved}");
    let ours = format!("{}/eu-central-1/sitefence-demo-register/demo", cloud.account);
    assert_eq!(owner(&cloud).as_deref(), Some(ours.as_str()));
}
