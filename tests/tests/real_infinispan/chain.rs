//! The whole chain at both sites: the servers' own metrics, Prometheus and Alertmanager with what is rendered for a
//! topology with every default, the function.
//!
//! ```text
//!   nodes ─ /metrics ─▶ Prometheus ─▶ Alertmanager ─▶ a process of the function      (the same at the other site)
//! ```
//!
//! Each site's alerts meet a process of their own, as Lambda starts a second one where the first is busy looking.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fencing::contract::Envelope;
use provisioner::check::documents;
use provisioner::topology::{Topology, parse};
use serde_json::{Value, json};
use tests::monitoring::operator::{self, Pod};
use tests::monitoring::{Alertmanager, Prometheus};
use tests::programs::Program;
use tests::servers::{Plan, SITES, USERS};
use tests::standins::function_url::{Delivery, FunctionUrl, Upstream};
use tests::standins::runtime_api::FunctionProcess;

use crate::stage::{LIMIT, PASSWORD, Stage, this_scene};

/// How often Lambda's schedule comes.
const SCHEDULE: Duration = Duration::from_secs(60);

/// How often the deliveries are looked through.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The two programs of a site.
struct Running {
    prometheus: Prometheus,
    // Held so that it lives as long.
    _alertmanager: Alertmanager,
}

struct Monitoring {
    url: FunctionUrl,
    /// What Prometheus scrapes.
    job: Value,
    /// The spec of the PrometheusRule.
    rules: Value,
    /// Alertmanager's configuration.
    routes: Value,
    running: Running,
}

impl Running {
    fn start(programs: &Programs, job: &Value, rules: &Value, routes: &Value) -> Self {
        let alertmanager = Alertmanager::start(&programs.alertmanager, routes).unwrap();
        let interval = rules["groups"][0]["interval"].as_str().unwrap();
        let address = alertmanager.address().to_string();
        Self {
            prometheus: Prometheus::start(&programs.prometheus, job, rules, interval, &address).unwrap(),
            _alertmanager: alertmanager,
        }
    }
}

struct Programs {
    alertmanager: PathBuf,
    prometheus: PathBuf,
}

pub(crate) struct Chain {
    pub(crate) stage: Stage,
    sites: Vec<Monitoring>,
    programs: Programs,
    schedule: tokio::task::JoinHandle<()>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.schedule.abort();
    }
}

fn topology(stage: &Stage) -> Topology {
    let text = include_str!("../../../examples/minimal.yaml");
    let text = text.replace(
        "\nname: keycloak\n",
        &format!("\nname: {}\n", stage.settings.topology),
    );
    parse(text.as_bytes(), "minimal.yaml").unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

impl Chain {
    /// None where this machine cannot have one of the programs, which is told.
    pub(crate) async fn set(plan: Plan) -> Option<Self> {
        let scene = this_scene();
        let programs = Programs {
            alertmanager: Program::Alertmanager.for_test(&scene)?,
            prometheus: Program::Prometheus.for_test(&scene)?,
        };
        let stage = Stage::set(plan).await?;
        let topology = topology(&stage);
        assert_eq!(
            topology.alerting.suspicion.seconds(),
            stage.settings.suspicion_seconds
        );
        let rendered = documents(&topology).unwrap();
        let mut sites = Vec::new();
        for (index, site) in topology.sites.iter().enumerate() {
            let object = |kind: &str| -> Value {
                let folder = format!("clusters/{}/", site.name);
                let found = rendered
                    .iter()
                    .find(|it| it.path.starts_with(&folder) && it.value["kind"] == kind);
                found.unwrap_or_else(|| panic!("no {kind}")).value.clone()
            };
            let process = match index {
                0 => Arc::clone(&stage.function),
                _ => stage.another_process(),
            };
            let url = FunctionUrl::start(Upstream::Process(process)).unwrap();
            let secret = |name: &str, key: &str| {
                let [(user, password, _), _] = USERS;
                let text = match key {
                    "url" => format!("{}webhook", url.url()),
                    "username" if name == topology.object_name() => "keycloak".to_owned(),
                    "password" if name == topology.object_name() => PASSWORD.to_owned(),
                    "username" => user.to_owned(),
                    "password" => password.to_owned(),
                    _ => return None,
                };
                Some(text)
            };
            let config = object("AlertmanagerConfig");
            let routes = operator::alertmanager_configuration(&config, &secret).unwrap();
            let nodes = stage.servers.sites[index].nodes.iter().enumerate();
            let pods: Vec<Pod> = nodes
                .map(|(number, node)| Pod {
                    name: format!("infinispan-{number}"),
                    address: node.aside(),
                })
                .collect();
            let mut job = operator::scrape_job(&object("PodMonitor"), site.platform, &pods, &secret).unwrap();
            // The operator's own port speaks plainly; here the metrics are where REST is.
            job["scheme"] = json!("https");
            job["tls_config"] = json!({"insecure_skip_verify": true});
            let rules = object("PrometheusRule")["spec"].clone();
            let running = Running::start(&programs, &job, &rules, &routes);
            sites.push(Monitoring {
                url,
                job,
                rules,
                routes,
                running,
            });
        }
        let schedule = tokio::spawn(every_minute(Arc::clone(&stage.function)));
        let chain = Self {
            stage,
            sites,
            programs,
            schedule,
        };
        chain.watched(Instant::now()).await;
        Some(chain)
    }

    /// A watchdog of each site has come through since then.
    async fn watched(&self, since: Instant) {
        for index in 0..SITES.len() {
            let since_then = |it: &Delivery| it.alert() == "FencingPathWatchdog" && it.arrived > since;
            let came = self.until(index, since_then).await;
            assert_eq!(came.status, 200, "{came:?}");
        }
    }

    /// Both sites' Prometheus and Alertmanager as after a quiet quarter of an hour. For that long Prometheus sends an
    /// alert's end again and again, and an Alertmanager before 0.32 keeps the alert's group for a while each time: an
    /// alert that begins anew meanwhile waits for the group's next interval, not for `groupWait`. Sites that lose each
    /// other for the first time in a quarter of an hour never meet that.
    pub(crate) async fn after_a_quiet_time(&mut self) {
        let since = Instant::now();
        for site in &mut self.sites {
            site.running = Running::start(&self.programs, &site.job, &site.rules, &site.routes);
        }
        self.watched(since).await;
    }

    /// A pod goes, killed or asked to end, and another one comes in its place at another address, where its site's
    /// Prometheus finds it.
    pub(crate) async fn replace(&mut self, site: usize, node: usize, killed: bool) {
        let before = self.stage.servers.sites[site].nodes[node].aside();
        self.stage.servers.replace(site, node, killed).unwrap();
        let now = self.stage.servers.sites[site].nodes[node].aside();
        let monitoring = &mut self.sites[site];
        let found = monitoring.job.to_string().replace(&before, &now);
        monitoring.job = serde_json::from_str(&found).unwrap();
        monitoring
            .running
            .prometheus
            .scrape(&monitoring.job)
            .await
            .unwrap();
    }

    /// All that came from a site so far.
    pub(crate) fn deliveries(&self, site: usize) -> Vec<Delivery> {
        self.sites[site].url.deliveries().all()
    }

    /// What came of an alert's beginning, from either site.
    pub(crate) fn of(&self, alert: &str) -> Vec<Delivery> {
        let all = (0..SITES.len()).flat_map(|site| self.deliveries(site));
        all.filter(|it| it.alert() == alert && it.payload["status"] == "firing")
            .collect()
    }

    async fn until(&self, site: usize, meant: impl Fn(&Delivery) -> bool) -> Delivery {
        let began = Instant::now();
        loop {
            if let Some(found) = self.deliveries(site).into_iter().find(&meant) {
                return found;
            }
            assert!(began.elapsed() < LIMIT, "{:#?}", self.deliveries(site));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The delivery whose answer says that a site was fenced, after `from`.
    pub(crate) async fn fenced(&self, from: Instant) -> Delivery {
        let began = Instant::now();
        loop {
            let all = (0..SITES.len()).flat_map(|site| self.deliveries(site));
            let mut fences =
                all.filter(|it| it.answered > from && it.status == 200 && it.answer.contains("fenced site-"));
            if let Some(found) = fences.next() {
                return found;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{:#?}\n{:#?}",
                self.of("SiteSuspected"),
                self.of("SiteOffline")
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The schedule looks at once, too, so that there are witnesses of a healthy link.
async fn every_minute(function: Arc<FunctionProcess>) {
    loop {
        // A process that ends is its scene's business.
        let _ = function.invoke(&Envelope::Sweep {}.event()).await;
        tokio::time::sleep(SCHEDULE).await;
    }
}
