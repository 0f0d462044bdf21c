//! A site that administrators have drained, before the real function: it does not win, and an operator's word has it
//! serve again.

use fencing::contract::Envelope;
use fencing::step::Task;
use tests::standins::infinispan::BackupStatus;
use tests::standins::runtime_api::Ended;

use crate::fencer::{Fencer, LIMIT};

/// Site A is drained and has lost site B, which is in the accelerator or not.
async fn drained(alone: bool) -> Fencer {
    let fencer = Fencer::start().await;
    let (a, b) = (fencer.balancer(0), fencer.balancer(1));
    for group in fencer.accelerator.world().groups_mut() {
        for endpoint in group.endpoints.iter_mut().filter(|endpoint| endpoint.id == a) {
            endpoint.weight = 0;
        }
    }
    if alone {
        fencer.accelerator.world().remove_by_hand(&b);
    }
    fencer.infinispan.cut_link();
    let refused = fencer.report(0).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("site-a is drained"), "{}", refused.body);
    if alone {
        assert!(fencer.comes_to_measure("OnlyDrainedLeft", 1).await);
    } else {
        // The next request's lines come after those of this one.
        fencer.minute().await;
        let log = fencer.function.log();
        assert!(
            log.reached(LIMIT, |lines| lines
                .iter()
                .any(|line| line.contains("DeepCheckRan")))
                .await
        );
        assert_eq!(fencer.measured("OnlyDrainedLeft"), 0);
    }
    assert!(fencer.accelerator.writes().is_empty());
    fencer
}

#[tokio::test]
async fn a_drained_site_does_not_win_over_one_that_serves() {
    drained(false).await;
}

#[tokio::test]
async fn the_only_site_left_is_drained_and_an_operator_has_it_serve() {
    let fencer = drained(true).await;
    let weight = |fencer: &Fencer| {
        let id = fencer.balancer(0);
        let world = fencer.accelerator.world();
        let mut groups = world.accelerator("keycloak").unwrap().groups();
        groups.find_map(|group| group.endpoint(&id)).unwrap().weight
    };
    let task = Task::Fence {
        fenced: fencer.topology.sites[1].name.clone(),
        by: "ana".to_owned(),
    };
    let fence = Envelope::Operate { task }.event();
    let ended = fencer.function.invoke(&fence).await.unwrap();
    assert!(matches!(ended, Ended::Answered(_)), "{ended:?}");
    assert_eq!(weight(&fencer), 128);
    assert_eq!(fencer.backup(0), BackupStatus::Offline);
    let answer = fencer.report(0).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
