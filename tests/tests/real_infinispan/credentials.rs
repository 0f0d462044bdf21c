//! Who may ask, and how: Digest and Basic, a wrong password, a user without ADMIN, addresses that were swapped.

use tests::servers::{Plan, USERS, Version};

use crate::stage::{Stage, with_both_versions};

with_both_versions!(
    digest_alone_will_do_and_a_wrong_password_is_named,
    basic_alone_will_do_and_a_wrong_password_is_named,
    a_user_without_the_right_is_named,
    swapped_addresses_are_named_and_fence_nobody,
);

async fn digest_alone_will_do_and_a_wrong_password_is_named(version: Version) {
    one_mechanism(version, "DIGEST").await;
}

async fn basic_alone_will_do_and_a_wrong_password_is_named(version: Version) {
    one_mechanism(version, "BASIC").await;
}

async fn one_mechanism(version: Version, mechanisms: &'static str) {
    let plan = Plan {
        mechanisms,
        ..Plan::small(version)
    };
    let Some(stage) = Stage::set(plan).await else {
        return;
    };
    let health = stage.health_after_a_minute().await;
    assert!(!health.contains("infinispan"), "{health}");
    stage.set_password("misspelt").await;
    let health = stage.health_after_a_minute().await;
    let told = "it does not accept user `developer` with the password from its secret (401)";
    assert!(health.contains(told), "{health}");
}

/// It could read everything, and cut nothing.
async fn a_user_without_the_right_is_named(version: Version) {
    let Some(stage) = Stage::set_for(Plan::small(version), USERS[1]).await else {
        return;
    };
    let health = stage.health_after_a_minute().await;
    assert!(health.contains("give `viewer` the role `admin`"), "{health}");
}

async fn swapped_addresses_are_named_and_fence_nobody(version: Version) {
    let Some(stage) = Stage::set(Plan::small(version)).await else {
        return;
    };
    stage.servers.swap(0, 1);
    stage.servers.swap(1, 0);
    // Connections that are open already lead where they led.
    stage.function.kill();
    let health = stage.health_after_a_minute().await;
    let told = "its address leads to the Infinispan of";
    assert!(health.contains(told), "{health}");
    let answer = stage.alert(0).await;
    assert_ne!(answer.status, 200, "{}", answer.body);
    assert!(stage.accelerator.writes().is_empty());
}
