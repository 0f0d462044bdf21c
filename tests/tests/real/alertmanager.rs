//! A running Alertmanager with the configuration that prometheus-operator makes of the rendered AlertmanagerConfig,
//! posting to the real function.
//!
//! Waiting is for deliveries, never for time. What does not come cannot be waited for; so the watchdog, which comes
//! again each second here, serves as the clock: three of its rounds without a delivery are silence.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::monitoring::{Alertmanager, Prometheus, operator};
use tests::programs::Program;
use tests::standins::accelerator::{Call, Fault, Operation};
use tests::standins::function_url::Delivery;
use tests::standins::infinispan::BackupStatus;

use crate::examples::examples;
use crate::fencer::{Fencer, LIMIT, PASSWORD};

pub(crate) const SITE_OFFLINE: &str = "SiteOffline";
pub(crate) const WATCHDOG: &str = "FencingPathWatchdog";
const NEVER: &str = "1h";

/// How the rendered intervals are shortened.
pub(crate) struct Scale {
    group_interval: &'static str,
    repeat_interval: &'static str,
}

/// A site's Alertmanager, posting to the function.
struct Site {
    fencer: Fencer,
    alertmanager: Alertmanager,
}

impl Site {
    /// None where there is no Alertmanager to be had.
    async fn start(test: &str, scale: &Scale) -> Option<Self> {
        let program = Program::Alertmanager.for_test(test)?;
        let fencer = Fencer::start().await;
        let mut configuration = configuration(&fencer, 0);
        scale.apply(&mut configuration);
        let alertmanager = Alertmanager::start(&program, &configuration).unwrap();
        Some(Self { fencer, alertmanager })
    }

    /// The labels that Prometheus gives an alert of the rendered rule, at the site of this index.
    fn labels(&self, alert: &str, reporter: usize) -> Value {
        labels(&self.fencer, alert, reporter)
    }

    async fn fire(&self, labels: &Value) {
        self.alertmanager.fire(labels).await.unwrap();
    }

    async fn until(&self, what: &str, holds: impl FnMut(&[Delivery]) -> bool) {
        self.fencer.until(what, holds).await;
    }

    /// Waits while the watchdog comes by three times, whatever else does.
    async fn let_time_pass(&self) {
        let count = |deliveries: &[Delivery]| of(deliveries, WATCHDOG).count();
        let before = count(&self.fencer.url.deliveries().all());
        self.fire(&self.labels(WATCHDOG, 0)).await;
        self.until("three more rounds of the watchdog", |deliveries| {
            count(deliveries) >= before + 3
        })
        .await;
    }

    fn deliveries(&self, alert: &str) -> Vec<Delivery> {
        of(&self.fencer.url.deliveries().all(), alert).cloned().collect()
    }
}

pub(crate) fn of<'a>(deliveries: &'a [Delivery], alert: &'a str) -> impl Iterator<Item = &'a Delivery> {
    deliveries
        .iter()
        .filter(move |delivery| delivery.alert() == alert)
}

pub(crate) fn configuration(fencer: &Fencer, site: usize) -> Value {
    let examples = examples();
    let example = examples.iter().find(|example| example.name == "local").unwrap();
    let config = example.document(&example.topology.sites[site], "AlertmanagerConfig");
    let name = fencer.topology.object_name();
    let secrets = |secret: &str, key: &str| fencer.secret(key).filter(|_| *secret == *name);
    operator::alertmanager_configuration(config, &secrets).unwrap()
}

pub(crate) fn labels(fencer: &Fencer, alert: &str, reporter: usize) -> Value {
    let examples = examples();
    let example = examples.iter().find(|example| example.name == "local").unwrap();
    let site = &fencer.topology.sites[reporter];
    let rules = &example.document(site, "PrometheusRule")["spec"]["groups"][0]["rules"];
    let rule = rules
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["alert"] == alert)
        .unwrap();
    let mut labels = rule["labels"].clone();
    labels["alertname"] = Value::from(alert);
    labels
}

impl Scale {
    pub(crate) fn apply(&self, configuration: &mut Value) {
        let routes = configuration["route"]["routes"][0]["routes"]
            .as_array_mut()
            .unwrap();
        assert_eq!(routes.len(), 3);
        for route in routes {
            let is_watchdog = route["matchers"].to_string().contains(WATCHDOG);
            for (interval, scaled) in [
                ("group_wait", "50ms"),
                (
                    "group_interval",
                    if is_watchdog { "500ms" } else { self.group_interval },
                ),
                (
                    "repeat_interval",
                    if is_watchdog { "1s" } else { self.repeat_interval },
                ),
            ] {
                assert!(route[interval].is_string(), "{route}");
                // A suspicion waits for nothing as it is.
                if route[interval] != "0s" {
                    route[interval] = Value::from(scaled);
                }
            }
        }
    }
}

const PATIENT: Scale = Scale {
    group_interval: NEVER,
    repeat_interval: NEVER,
};
pub(crate) const EAGER: Scale = Scale {
    group_interval: "500ms",
    repeat_interval: NEVER,
};

#[tokio::test]
async fn an_alert_fences_once_with_credentials_as_they_are_and_then_there_is_silence() {
    let test = "an_alert_fences_once_with_credentials_as_they_are_and_then_there_is_silence";
    let Some(site) = Site::start(test, &EAGER).await else {
        return;
    };
    site.fencer.infinispan.cut_link();
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    site.until("an answer to the alert", |all| {
        of(all, SITE_OFFLINE).next().is_some()
    })
    .await;
    site.let_time_pass().await;
    let deliveries = site.deliveries(SITE_OFFLINE);
    let [delivery] = deliveries.as_slice() else {
        panic!("{deliveries:#?}");
    };
    assert_eq!(delivery.status, 200, "{delivery:?}");
    assert_eq!(
        delivery.credentials,
        Some(("keycloak".to_owned(), PASSWORD.to_owned()))
    );
    assert_eq!(delivery.path, "/webhook");
    let (payload, name) = (&delivery.payload, site.fencer.topology.object_name());
    assert_eq!(payload["receiver"], format!("keycloak/{name}/fencing"));
    assert_eq!(payload["alerts"].as_array().unwrap().len(), 1);
    let mut grouped: Vec<&String> = payload["groupLabels"].as_object().unwrap().keys().collect();
    grouped.sort();
    assert_eq!(grouped, ["alertname", "namespace", "reporter", "site"]);
    assert_eq!(site.fencer.accelerator.writes().len(), 1);
    let mut infinispan = site.fencer.infinispan.world();
    assert_eq!(infinispan.replication("site-a"), Some(BackupStatus::Offline));
    assert!(
        infinispan
            .put("site-a", "sessions", "a login", "somebody")
            .is_ok()
    );
}

#[tokio::test]
async fn a_503_is_tried_again_within_the_same_flush() {
    let Some(site) = Site::start("a_503_is_tried_again_within_the_same_flush", &PATIENT).await else {
        return;
    };
    site.fencer.infinispan.cut_link();
    site.fencer.accelerator.go_away();
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    site.until("two 503", |all| {
        of(all, SITE_OFFLINE).filter(|it| it.status == 503).count() >= 2
    })
    .await;
    assert!(site.fencer.accelerator.writes().is_empty());
    site.fencer.accelerator.come_back();
    // The next flush of the group would be in an hour.
    site.until("a 200", |all| of(all, SITE_OFFLINE).any(|it| it.status == 200))
        .await;
    assert_eq!(site.fencer.accelerator.writes().len(), 1);
}

#[tokio::test]
async fn a_function_that_dies_is_asked_again_and_finishes() {
    let Some(site) = Site::start("a_function_that_dies_is_asked_again_and_finishes", &PATIENT).await else {
        return;
    };
    site.fencer.infinispan.cut_link();
    let accelerator = &site.fencer.accelerator;
    accelerator
        .faults()
        .next(Operation::UpdateEndpointGroup, 1, &Fault::AppliedThenHang);
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    let written = accelerator
        .calls()
        .reached(LIMIT, |calls| calls.iter().any(Call::took_effect))
        .await;
    assert!(written);
    site.fencer.function.kill();
    site.until("a 200", |all| of(all, SITE_OFFLINE).any(|it| it.status == 200))
        .await;
    let deliveries = site.deliveries(SITE_OFFLINE);
    assert_eq!(deliveries[0].status, 502, "{deliveries:#?}");
    assert_eq!(
        site.fencer.infinispan.world().replication("site-a"),
        Some(BackupStatus::Offline)
    );
}

#[tokio::test]
async fn a_429_is_not_tried_again_within_the_flush() {
    let Some(site) = Site::start("a_429_is_not_tried_again_within_the_flush", &PATIENT).await else {
        return;
    };
    // The sites see each other: the alert is mistaken.
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    site.until("an answer", |all| of(all, SITE_OFFLINE).next().is_some())
        .await;
    site.let_time_pass().await;
    let deliveries = site.deliveries(SITE_OFFLINE);
    assert_eq!(
        deliveries.iter().map(|it| it.status).collect::<Vec<_>>(),
        [429],
        "{deliveries:#?}"
    );
}

#[tokio::test]
async fn a_429_is_sent_again_each_group_interval_until_it_is_time() {
    let Some(site) = Site::start("a_429_is_sent_again_each_group_interval_until_it_is_time", &EAGER).await
    else {
        return;
    };
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    site.until("three 429", |all| {
        of(all, SITE_OFFLINE).filter(|it| it.status == 429).count() >= 3
    })
    .await;
    assert!(site.fencer.accelerator.writes().is_empty());
    site.fencer.infinispan.cut_link();
    site.until("a 200", |all| of(all, SITE_OFFLINE).any(|it| it.status == 200))
        .await;
    assert_eq!(site.fencer.accelerator.writes().len(), 1);
}

#[tokio::test]
async fn the_watchdog_has_a_route_of_its_own_and_is_stamped() {
    let Some(site) = Site::start("the_watchdog_has_a_route_of_its_own_and_is_stamped", &PATIENT).await else {
        return;
    };
    site.fencer.infinispan.cut_link();
    site.let_time_pass().await;
    // A new alert is not held up by the group of the one that always fires.
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    site.until("the alert", |all| of(all, SITE_OFFLINE).next().is_some())
        .await;
    for delivery in site.fencer.url.deliveries().all() {
        let alerts = delivery.payload["alerts"].as_array().unwrap();
        assert_eq!(alerts.len(), 1, "{delivery:?}");
        assert_eq!(delivery.status, 200, "{delivery:?}");
    }
    let items = site.fencer.register().await;
    let topology = &site.fencer.topology.name;
    assert!(
        items
            .iter()
            .any(|item| item["pk"] == format!("{topology}#seen#site-a")),
        "{items:#?}"
    );
    assert!(
        !items
            .iter()
            .any(|item| item["pk"] == format!("{topology}#seen#site-b"))
    );
}

#[tokio::test]
async fn the_end_of_an_alert_is_sent_and_changes_nothing() {
    let Some(site) = Site::start("the_end_of_an_alert_is_sent_and_changes_nothing", &EAGER).await else {
        return;
    };
    site.fencer.infinispan.cut_link();
    let labels = site.labels(SITE_OFFLINE, 0);
    site.fire(&labels).await;
    site.until("the alert", |all| {
        of(all, SITE_OFFLINE).any(|it| it.status == 200)
    })
    .await;
    site.alertmanager.resolve(&labels).await.unwrap();
    site.until("its end", |all| {
        of(all, SITE_OFFLINE).any(|it| it.payload["status"] == "resolved" && it.status == 200)
    })
    .await;
    assert_eq!(site.fencer.accelerator.writes().len(), 1);
}

#[tokio::test]
async fn alerts_of_other_namespaces_topologies_and_names_do_not_arrive() {
    let test = "alerts_of_other_namespaces_topologies_and_names_do_not_arrive";
    let Some(site) = Site::start(test, &EAGER).await else {
        return;
    };
    let ours = site.labels(SITE_OFFLINE, 0);
    let with = |name: &str, value: &str| {
        let mut labels = ours.clone();
        labels[name] = json!(value);
        labels
    };
    for labels in [
        with("namespace", "elsewhere"),
        with("topology", "another"),
        with("alertname", "KeycloakIsSlow"),
        site.labels("SiteViewAbsent", 0),
        site.labels("ReplicationCut", 0),
    ] {
        site.fire(&labels).await;
    }
    site.let_time_pass().await;
    let others: Vec<Delivery> = site
        .fencer
        .url
        .deliveries()
        .matching(|delivery| delivery.alert() != WATCHDOG);
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn two_sites_that_report_each_other_leave_one_that_serves() {
    let test = "two_sites_that_report_each_other_leave_one_that_serves";
    let Some(site) = Site::start(test, &EAGER).await else {
        return;
    };
    let program = Program::Alertmanager.find().unwrap();
    let mut configuration = configuration(&site.fencer, 1);
    EAGER.apply(&mut configuration);
    let other = Alertmanager::start(&program, &configuration).unwrap();
    site.fencer.infinispan.cut_link();
    let (at_a, at_b) = (site.labels(SITE_OFFLINE, 0), site.labels(SITE_OFFLINE, 1));
    let (first, second) = tokio::join!(site.alertmanager.fire(&at_a), other.fire(&at_b));
    first.unwrap();
    second.unwrap();
    let by = |all: &[Delivery], reporter: &str, status: u16| {
        of(all, SITE_OFFLINE)
            .filter(|it| it.status == status && it.payload["commonLabels"]["reporter"] == reporter)
            .count()
    };
    site.until("a survivor, and the other one told that it is heard", |all| {
        by(all, "site-a", 200) >= 1 && by(all, "site-b", 200) >= 1
    })
    .await;
    assert_eq!(site.fencer.accelerator.writes().len(), 1);
    let endpoints = site
        .fencer
        .accelerator
        .world()
        .accelerator("keycloak")
        .unwrap()
        .endpoint_ids();
    assert!(
        endpoints.iter().all(|listener| listener.len() == 1),
        "{endpoints:?}"
    );
    let infinispan = site.fencer.infinispan.world();
    let cut = ["site-a", "site-b"].map(|name| infinispan.replication(name) == Some(BackupStatus::Offline));
    assert_eq!(cut.iter().filter(|it| **it).count(), 1);
}

/// The alert that kube-prometheus and OpenShift bring along for everybody's Alertmanager, with their window.
const STOCK_RULE: &str = "rate(alertmanager_notifications_failed_total[15m]) / ignoring(reason) group_left \
                          rate(alertmanager_notifications_total[15m]) > 0.01";
const STOCK_ALERT: &str = "AlertmanagerFailedToSendAlerts";
/// What stands for its quarter of an hour here.
const WINDOW: &str = "30s";

/// A Prometheus that looks at these Alertmanagers by the stock rule.
fn stock_prometheus(program: &Path, watched: [&Alertmanager; 2]) -> Prometheus {
    let job = json!({
        "job_name": "alertmanager",
        "scrape_interval": "300ms",
        "scrape_timeout": "300ms",
        "static_configs": [{"targets": watched.map(|it| it.address().to_string())}],
    });
    let rules = json!({"groups": [{"name": "alertmanager.rules", "rules": [
        {"alert": STOCK_ALERT, "expr": STOCK_RULE.replace("15m", WINDOW)},
    ]}]});
    let alertmanager = watched[0].address().to_string();
    Prometheus::start(program, &job, &rules, "300ms", &alertmanager).unwrap()
}

/// Waits until an expression has a result.
async fn until_true(prometheus: &Prometheus, expression: &str) {
    let began = Instant::now();
    while prometheus.query(expression).await.unwrap() == json!([]) {
        assert!(began.elapsed() < LIMIT, "never true: {expression}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// People have an alert on notifications that fail. What the fenced site reports changes nothing until somebody acts, so it
/// must not ring for as long as that takes.
#[tokio::test]
async fn what_the_fenced_site_reports_is_no_failed_notification() {
    const FAILED: &str = "alertmanager_notifications_failed_total";
    let test = "what_the_fenced_site_reports_is_no_failed_notification";
    let Some(prometheus) = Program::Prometheus.for_test(test) else {
        return;
    };
    let Some(site) = Site::start(test, &EAGER).await else {
        return;
    };
    let program = Program::Alertmanager.find().unwrap();
    let mut configuration = configuration(&site.fencer, 1);
    Scale {
        group_interval: "500ms",
        repeat_interval: "1s",
    }
    .apply(&mut configuration);
    let fenced = Alertmanager::start(&program, &configuration).unwrap();
    let prometheus = stock_prometheus(&prometheus, [&site.alertmanager, &fenced]);
    let rings = |whose: &Alertmanager| {
        format!(
            "ALERTS{{alertname=\"{STOCK_ALERT}\",instance=\"{}\"}}",
            whose.address()
        )
    };

    // While the sites see each other a report is refused, again and again, and that rings: else this would show nothing.
    site.fire(&site.labels(SITE_OFFLINE, 0)).await;
    site.until("a 429", |all| of(all, SITE_OFFLINE).any(|it| it.status == 429))
        .await;
    until_true(&prometheus, &rings(&site.alertmanager)).await;
    assert!(site.alertmanager.metric(FAILED).await.unwrap() >= 1.0);
    site.fencer.infinispan.cut_link();
    site.until("a 200", |all| of(all, SITE_OFFLINE).any(|it| it.status == 200))
        .await;

    fenced.fire(&site.labels(SITE_OFFLINE, 1)).await.unwrap();
    let by_the_fenced = |all: &[Delivery]| {
        of(all, SITE_OFFLINE)
            .filter(|it| it.payload["commonLabels"]["reporter"] == "site-b")
            .count()
    };
    site.until("three reports of the fenced site", |all| by_the_fenced(all) >= 3)
        .await;
    // Prometheus has counted them, so the rule has looked at them, too.
    let sent = format!(
        "increase(alertmanager_notifications_total{{integration=\"webhook\",instance=\"{}\"}}[{WINDOW}]) >= 2",
        fenced.address()
    );
    until_true(&prometheus, &sent).await;
    assert!(fenced.metric(FAILED).await.unwrap() < 0.5);
    let ever = format!("max_over_time({}[1h])", rings(&fenced));
    assert_eq!(prometheus.query(&ever).await.unwrap(), json!([]));
}

/// The operator refuses some configurations only when it builds Alertmanager's, and Alertmanager some that the
/// operator builds.
#[test]
fn every_examples_configuration_is_one_that_alertmanager_starts_with() {
    let test = "every_examples_configuration_is_one_that_alertmanager_starts_with";
    let Some(program) = Program::Alertmanager.for_test(test) else {
        return;
    };
    for example in examples() {
        for site in &example.topology.sites {
            let config = example.document(site, "AlertmanagerConfig");
            let mut asked = Vec::new();
            let asked_for = std::cell::RefCell::new(&mut asked);
            let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/certs/site-a.pem");
            let secrets = |name: &str, key: &str| {
                asked_for.borrow_mut().push(key.to_owned());
                // A ConfigMap's key is a file beside Alertmanager.
                if name == "trusted-authorities" {
                    return Some(authority.display().to_string());
                }
                Some(format!("https://example.com/{key}"))
            };
            let configuration = operator::alertmanager_configuration(config, &secrets).unwrap();
            Alertmanager::start(&program, &configuration).unwrap();
            let urls = asked.iter().filter(|key| key.starts_with("url")).count();
            assert_eq!(urls, example.topology.regions.len(), "{}", example.name);
        }
    }
}
