//! Who may ask, and how: Digest and Basic, a wrong password, a user without ADMIN, addresses that were swapped.

use tests::servers::{Plan, Version};

use crate::stage::Stage;

#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn digest_alone_and_basic_alone_will_do_and_a_wrong_password_is_named() {
    let test = "digest_alone_and_basic_alone_will_do_and_a_wrong_password_is_named";
    for version in Version::ALL {
        for mechanisms in ["DIGEST", "BASIC"] {
            let plan = Plan {
                mechanisms,
                ..Plan::small(version)
            };
            let Some(stage) = Stage::set(test, plan).await else {
                return;
            };
            let health = stage.health_after_a_minute().await;
            assert!(!health.contains("infinispan"), "{mechanisms}: {health}");
            stage.set_password("misspelt").await;
            let health = stage.health_after_a_minute().await;
            let told = "it does not accept user `developer` with the password from its secret (401)";
            assert!(health.contains(told), "{mechanisms}: {health}");
        }
    }
}

#[tokio::test]
#[ignore = "takes minutes: cargo xtask real infinispan"]
async fn swapped_addresses_are_named_and_fence_nobody() {
    for version in Version::ALL {
        let Some(stage) = Stage::set(
            "swapped_addresses_are_named_and_fence_nobody",
            Plan::small(version),
        )
        .await
        else {
            return;
        };
        stage.servers.swap(0, 1);
        stage.servers.swap(1, 0);
        // Connections that are open already lead where they led.
        stage.function.kill();
        let health = stage.health_after_a_minute().await;
        assert!(
            health.contains("its address leads to the Infinispan of"),
            "{health}"
        );
        let answer = stage.alert(0).await;
        assert_ne!(answer.status, 200, "{}", answer.body);
        assert!(stage.accelerator.writes().is_empty());
    }
}
