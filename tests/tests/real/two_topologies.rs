//! Two topologies on one accelerator: two of the real functions, each with a register of its own, and both asked to
//! decide at once.

use fencing::contract::Envelope;
use fencing::contract::alert::SITE_OFFLINE;
use serde_json::{Value, json};
use tests::standins::accelerator::{Fault, Operation};
use tests::standins::infinispan::BackupStatus;
use tests::standins::runtime_api::{Ended, FunctionUrlRequest, HttpAnswer};

use crate::fencer::{Fencer, LIMIT, PASSWORD};

impl Fencer {
    pub(crate) async fn minute(&self) {
        let sweep = Envelope::Sweep {}.event();
        let ended = self.function.invoke(&sweep).await.unwrap();
        assert!(matches!(ended, Ended::Answered(_)), "{ended:?}");
    }

    /// The site of this index reports the other one.
    pub(crate) async fn report(&self, reporter: usize) -> HttpAnswer {
        let site = |index: usize| self.topology.sites[index].name.to_string();
        let labels = json!({
            "alertname": SITE_OFFLINE, "topology": self.topology.name.to_string(),
            "reporter": site(reporter), "site": site(1 - reporter),
        });
        let payload = json!({
            "version": "4", "status": "firing", "truncatedAlerts": 0,
            "alerts": [{"status": "firing", "labels": labels}],
        });
        let user = self.topology.webhook.username.as_str();
        let request = FunctionUrlRequest::post("/webhook", payload.to_string()).basic_auth(user, PASSWORD);
        self.function.request(&request).await.unwrap().expect("an answer")
    }

    pub(crate) fn backup(&self, index: usize) -> BackupStatus {
        let site = self.topology.sites[index].name.as_str();
        self.infinispan.world().replication(site).unwrap()
    }

    /// How often a metric that an alarm listens to was written by now.
    pub(crate) fn measured(&self, metric: &str) -> usize {
        measured(&self.function.log().all(), metric)
    }

    /// Whether it was written so often. What a process writes arrives after its answer at times, so it is waited for.
    pub(crate) async fn comes_to_measure(&self, metric: &str, times: usize) -> bool {
        let log = self.function.log();
        log.reached(LIMIT, |lines| measured(lines, metric) >= times).await
    }

    pub(crate) async fn decided(&self) -> bool {
        let items = self.register().await;
        items.iter().any(|item| !item["decision"].is_null())
    }
}

fn measured(log: &[String], metric: &str) -> usize {
    log.iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line[metric].as_f64().is_some_and(|value| value > 0.0))
        .count()
}

#[tokio::test]
async fn of_two_topologies_on_one_accelerator_one_decides_and_one_endpoint_is_left() {
    let ours = Fencer::start().await;
    let others = ours.beside().await;
    for fencer in [&ours, &others] {
        fencer.minute().await;
    }
    ours.infinispan.cut_link();
    let faults = ours.accelerator.faults();
    // The second time nobody can read whose it is: what the minute's check read counts then.
    for readable in [true, false] {
        if !readable {
            faults.always(Operation::ListTagsForResource, Fault::AccessDenied);
        }
        let (answer, refusal) = tokio::join!(ours.report(0), others.report(1));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(refusal.status, 503, "{}", refusal.body);
        assert!(
            refusal.body.contains("the accelerator belongs to"),
            "{}",
            refusal.body
        );
        let left = ours
            .accelerator
            .world()
            .accelerator("keycloak")
            .unwrap()
            .endpoint_ids();
        assert_eq!(left, [[ours.balancer(0)]]);
        assert_eq!(
            (ours.backup(0), ours.backup(1)),
            (BackupStatus::Offline, BackupStatus::Online)
        );
        assert!(ours.decided().await && !others.decided().await);
    }
    // The minute changes nothing of that, and says whose it is not.
    faults.lift(Operation::ListTagsForResource);
    for fencer in [&ours, &others] {
        fencer.minute().await;
    }
    let left = ours
        .accelerator
        .world()
        .accelerator("keycloak")
        .unwrap()
        .endpoint_ids();
    assert_eq!(left, [[ours.balancer(0)]]);
    for metric in ["AnothersAccelerator", "AcceleratorNotOurs"] {
        assert!(
            others.comes_to_measure(metric, 2).await,
            "{metric}: {:#?}",
            others.function.log().all()
        );
        assert_eq!(ours.measured(metric), 0, "{metric}");
    }
}
