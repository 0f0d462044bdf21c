//! What cannot or must not be done is said before anything is changed.

use tests::standins::accelerator::{Accelerator, World};

use crate::assert_run;
use crate::world::{Cloud, Flaws, REGION, fake_function};

const PLAN: &[&str] = &["plan", "--function-zip", "given.zip"];

#[test]
fn an_accelerator_that_does_not_exist_is_compared_with_those_that_do() {
    let cloud = Cloud::new();
    cloud.write_topology_for("topology.yaml", "a0000000000000000.awsglobalaccelerator.com", "");
    let run = cloud.apply();
    assert_run!(run, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn an_untagged_balancer_is_named_with_the_command_that_tags_it() {
    let cloud = Cloud::with(Flaws {
        untagged_balancer: true,
        ..Flaws::default()
    });
    let run = cloud.apply();
    assert_run!(run, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

/// A build takes minutes, and here there is not even a compiler.
#[test]
fn what_is_in_the_way_is_reported_before_the_function_is_built() {
    let cloud = Cloud::new();
    cloud.write_topology_for("topology.yaml", "a0000000000000000.awsglobalaccelerator.com", "");
    let without_compiler = |verb: &[&str]| {
        let arguments = [verb, &["--only", "aws"]].concat();
        cloud.provision().env("PATH", "").args(arguments).run().unwrap()
    };
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        let run = without_compiler(verb);
        assert!(
            run.stderr.contains("a0000000000000000.awsglobalaccelerator.com"),
            "{run}"
        );
        assert!(!run.stderr.contains("cargo"), "{run}");
    }
    // What is not in the way lets the build begin.
    cloud.write_topology("topology.yaml", "");
    let run = without_compiler(&["plan"]);
    assert!(run.stderr.contains("cargo"), "{run}");
}

#[test]
fn all_that_is_wrong_is_reported_in_one_run() {
    let cloud = Cloud::with(Flaws {
        untagged_balancer: true,
        no_secret: true,
        ..Flaws::default()
    });
    cloud.write_topology("topology.yaml", "register: { table: shared }");
    let run = cloud.apply();
    assert_run!(run, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn without_infinispans_secret_the_command_that_makes_it_is_shown() {
    let cloud = Cloud::with(Flaws {
        no_secret: true,
        ..Flaws::default()
    });
    let run = cloud.apply();
    assert_run!(run, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn a_second_listener_without_a_site_is_seen() {
    let cloud = Cloud::new();
    *cloud.accelerator.world() = World::new().with(
        Accelerator::in_one_region("keycloak", REGION, &[&cloud.balancers[0], &cloud.balancers[1]])
            .listener(8443, &[(REGION, &[cloud.balancers[0].as_str()])]),
    );
    let run = cloud.apply();
    assert_run!(run, cloud);
}

#[test]
fn a_live_deployment_of_the_guide_is_a_second_fencer() {
    let cloud = Cloud::new();
    cloud.deploy_the_guides(&[]);
    let run = cloud.apply();
    assert_run!(run, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn a_function_for_another_processor_is_refused() {
    let cloud = Cloud::new();
    std::fs::write(cloud.function_zip(), fake_function("for Graviton", 183)).unwrap();
    assert_run!(cloud.apply(), cloud);
}

#[test]
fn without_consent_and_without_a_terminal_nothing_is_changed() {
    let cloud = Cloud::new();
    let run = cloud.run(&["apply", "--function-zip", "given.zip"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.ends_with(
        "error: this needs consent, and there is no terminal to ask on\nhint: add --yes to consent in advance; \
         `provision plan` shows what would change\n"
    ));
    assert_eq!(cloud.counter.changes(), [""; 0]);

    assert_eq!(cloud.apply().code, Some(0));
    cloud.counter.reset();
    let run = cloud.run(&["destroy"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("- sitefence-demo-register  delete"), "{run}");
    assert!(
        run.stderr
            .contains("this needs consent, and there is no terminal to ask on"),
        "{run}"
    );
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn an_accelerator_that_stays_silent_is_an_error_with_its_name() {
    let cloud = Cloud::new();
    cloud.accelerator.go_away();
    let run = cloud.run(PLAN);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr
            .contains("error: GlobalAccelerator:ListAccelerators in us-west-2 got no usable answer"),
        "{run}"
    );
}
