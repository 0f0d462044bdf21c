//! The whole way on the real programs: a pod's metrics, Prometheus with the rendered rules, Alertmanager with the
//! rendered routes, the function.

use serde_json::{Value, json};
use tests::monitoring::operator::{self, Pod};
use tests::monitoring::{Alertmanager, PROMETHEUS, Prometheus};
use tests::programs::Program;
use tests::standins::exporter::{Exporter, Spelling};
use tests::standins::function_url::Delivery;

use crate::alertmanager::{EAGER, SITE_OFFLINE, WATCHDOG, configuration, labels, of};
use crate::examples::examples;
use crate::fencer::Fencer;

const OPERATORS: [&str; 2] = ["operator", "operator's+own%40"];
const NODES: usize = 2;

/// The monitoring of one site.
struct Monitoring {
    fencer: Fencer,
    prometheus: Prometheus,
    // Held so that they live as long.
    _alertmanager: Alertmanager,
    _pods: Vec<Exporter>,
}

impl Monitoring {
    async fn start(test: &str, spelling: Spelling) -> Option<Self> {
        let (alertmanager, prometheus) = (
            Program::Alertmanager.for_test(test)?,
            Program::Prometheus.for_test(test)?,
        );
        let fencer = Fencer::start().await;
        let mut routes = configuration(&fencer, 0);
        EAGER.apply(&mut routes);
        let alertmanager = Alertmanager::start(&alertmanager, &routes).unwrap();
        let exporters: Vec<Exporter> = (0..NODES)
            .map(|node| Exporter::start(&fencer.infinispan, "site-a", node, spelling, OPERATORS).unwrap())
            .collect();
        let pods: Vec<Pod> = exporters
            .iter()
            .enumerate()
            .map(|(node, exporter)| Pod {
                name: format!("infinispan-{node}"),
                address: exporter.address(),
            })
            .collect();
        let examples = examples();
        let example = examples.iter().find(|example| example.name == "local").unwrap();
        let site = &example.topology.sites[0];
        let operators_secret = |name: &str, key: &str| {
            (name == "infinispan-generated-operator-secret").then(|| {
                let [user, password] = OPERATORS;
                if key == "username" { user } else { password }.to_owned()
            })
        };
        let monitor = example.document(site, "PodMonitor");
        let mut job = operator::scrape_job(monitor, site.platform, &pods, &operators_secret).unwrap();
        let mut rules = example.document(site, "PrometheusRule")["spec"].clone();
        scale(&mut job, &mut rules);
        let address = alertmanager.address().to_string();
        let prometheus = Prometheus::start(&prometheus, &job, &rules, "300ms", &address).unwrap();
        Some(Self {
            fencer,
            prometheus,
            _alertmanager: alertmanager,
            _pods: exporters,
        })
    }
}

/// Everything ten times as fast, or more.
fn scale(job: &mut Value, rules: &mut Value) {
    job["scrape_interval"] = json!("300ms");
    job["scrape_timeout"] = json!("300ms");
    for group in rules["groups"].as_array_mut().unwrap() {
        group["interval"] = json!("300ms");
        for rule in group["rules"].as_array_mut().unwrap() {
            if rule["alert"] == SITE_OFFLINE {
                rule["for"] = json!("900ms");
            }
        }
    }
}

/// The names of the series that Prometheus keeps of the pods, its own about the scrape left out.
async fn kept(prometheus: &Prometheus) -> Vec<String> {
    let job = "{job=~\".+/sitefence-.+\",__name__!~\"up|scrape_.*\"}";
    let found = prometheus
        .query(&format!("count by (__name__) ({job})"))
        .await
        .unwrap();
    let mut names: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|series| series["metric"]["__name__"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

async fn from_metric_to_fence(test: &str, spelling: Spelling) {
    let Some(monitoring) = Monitoring::start(test, spelling).await else {
        return;
    };
    let fencer = &monitoring.fencer;
    // The watchdog comes first, from a healthy site: its way works.
    fencer
        .until("the watchdog", |all| of(all, WATCHDOG).any(|it| it.status == 200))
        .await;
    fencer.infinispan.cut_link();
    fencer
        .until("the alert", |all| {
            of(all, SITE_OFFLINE).any(|it| it.status == 200)
        })
        .await;
    let all = fencer.url.deliveries().all();
    let alert: &Delivery = of(&all, SITE_OFFLINE).find(|it| it.status == 200).unwrap();
    let mut expected = labels(fencer, SITE_OFFLINE, 0);
    expected["prometheus"] = json!(PROMETHEUS);
    assert_eq!(alert.payload["alerts"][0]["labels"], expected, "{alert:?}");
    assert_eq!(fencer.accelerator.writes().len(), 1);
    assert_eq!(
        kept(&monitoring.prometheus).await,
        [spelling.admin("sessions", "site-b"), spelling.view().to_owned()]
    );
}

#[tokio::test]
async fn a_lost_link_becomes_a_fence() {
    from_metric_to_fence("a_lost_link_becomes_a_fence", Spelling::Sixteen).await;
}

#[tokio::test]
async fn a_lost_link_becomes_a_fence_under_the_metrics_older_name() {
    let test = "a_lost_link_becomes_a_fence_under_the_metrics_older_name";
    from_metric_to_fence(test, Spelling::Fifteen).await;
}
