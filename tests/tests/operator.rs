//! What prometheus-operator makes of our objects: the real one once, kept in `operator/`, and the stand-in compared with it.
//!
//! The first test writes the files where it is asked to (`UPDATE_GOLDEN=1 cargo xtask real kubernetes --test operator`), else
//! it compares them with what the operator does now; it needs a real API server and is skipped elsewhere. The second
//! one needs nothing, and holds `tests::monitoring::operator` to the files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use provisioner::topology::Platform;
use serde_json::{Value, json};
use tests::crds::operators_monitoring_definitions;
use tests::monitoring::operator::{self, Pod};
use tests::skip::impossible;
use tests::standins::kubernetes::ClusterStandIn;

/// Names the program of the operator.
const PROGRAM: &str = "SITEFENCE_PROMETHEUS_OPERATOR";
const NAMESPACE: &str = "keycloak";
const WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What OpenShift's monitoring operator gives the users' Alertmanager to begin with.
const OPENSHIFTS: &str = "global:\n  http_config:\n    proxy_from_environment: true\nreceivers:\n- name: Default\nroute:\n  \
                          group_by:\n  - namespace\n  receiver: Default\n";

/// The sites of the example `local`, each with its platform.
const SITES: [(Platform, &str); 2] = [(Platform::Openshift, "site-a"), (Platform::Kubernetes, "site-b")];

fn word(platform: Platform) -> &'static str {
    match platform {
        Platform::Openshift => "openshift",
        Platform::Kubernetes => "kubernetes",
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operator")
}

/// One of our objects, as it is rendered.
fn rendered(site: &str, kind: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/local/clusters");
    let text = std::fs::read_to_string(folder.join(site).join(format!("{kind}.yaml"))).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// The values of the Secrets that these objects name.
fn secret(name: &str, key: &str) -> Option<String> {
    let value = match (name, key) {
        ("infinispan-generated-operator-secret", "username") => "operator",
        ("infinispan-generated-operator-secret", "password") => "operators-password",
        (_, "url") => "https://abc.lambda-url.eu-west-1.on.aws/webhook",
        (_, "username") => "keycloak",
        (_, "password") => "its-password",
        _ => return None,
    };
    Some(value.to_owned())
}

fn secrets() -> Vec<Value> {
    let of = |name: &str, keys: &[&str]| {
        let data = keys
            .iter()
            .map(|key| ((*key).to_owned(), json!(secret(name, key))));
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE},
            "stringData": data.collect::<serde_json::Map<String, Value>>(),
        })
    };
    let ours = rendered("site-a", "alertmanagerconfig")["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    vec![
        of("infinispan-generated-operator-secret", &["username", "password"]),
        of(&ours, &["url", "username", "password"]),
    ]
}

/// The servers that select our objects, as a cluster of that platform has them.
fn servers(platform: Platform) -> Vec<Value> {
    let metadata = json!({"name": "main", "namespace": NAMESPACE});
    let mut alertmanager = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "Alertmanager", "metadata": metadata,
        "spec": {"replicas": 1, "version": "v0.28.1", "alertmanagerConfigSelector": {}},
    });
    let mut prometheus = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": metadata,
        "spec": {"replicas": 1, "version": "v3.5.0", "podMonitorSelector": {}, "ruleSelector": {}},
    });
    if platform == Platform::Kubernetes {
        return vec![alertmanager, prometheus];
    }
    alertmanager["spec"]["configSecret"] = json!("base");
    for (field, value) in [
        ("enforcedNamespaceLabel", json!("namespace")),
        ("overrideHonorLabels", json!(true)),
        ("overrideHonorTimestamps", json!(true)),
        ("ignoreNamespaceSelectors", json!(true)),
    ] {
        prometheus["spec"][field] = value;
    }
    let base = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "base", "namespace": NAMESPACE},
        "stringData": {"alertmanager.yaml": OPENSHIFTS},
    });
    vec![base, alertmanager, prometheus]
}

/// The running operator; dropping it ends it.
struct RealOperator {
    child: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl RealOperator {
    fn start(program: &Path, cluster: &ClusterStandIn) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, cluster.address().unwrap().kubeconfig().to_string()).unwrap();
        let log = folder.path().join("log");
        let said = std::fs::File::create(&log).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["--web.listen-address=127.0.0.1:0", "--kubelet-endpoints=false"])
            .arg(format!("--namespaces={NAMESPACE}"))
            .env("KUBECONFIG", &kubeconfig)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            _folder: folder,
        }
    }

    /// What it has written into a Secret, once that speaks of ours.
    fn written(&self, cluster: &ClusterStandIn, name: &str, key: &str, ours: &str) -> Value {
        let end = Instant::now() + WITHIN;
        loop {
            let found = cluster.world().get("Secret", NAMESPACE, name).cloned();
            let data = found.and_then(|secret| Some(secret["data"][key].as_str()?.to_owned()));
            let text = data.map(|data| unpacked(&BASE64.decode(data).unwrap()));
            if let Some(text) = text.filter(|text| text.contains(ours)) {
                return serde_yaml::from_str(&text).unwrap();
            }
            assert!(
                Instant::now() < end,
                "{name} does not speak of {ours}; the operator said:\n{}",
                std::fs::read_to_string(&self.log).unwrap()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for RealOperator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// By the program that every system has.
fn unpacked(bytes: &[u8]) -> String {
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gzip.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(gzip.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_real_operator_makes_of_our_objects_what_is_kept() {
    const TEST: &str = "the_real_operator_makes_of_our_objects_what_is_kept";
    let Some(program) = std::env::var_os(PROGRAM).filter(|_| ClusterStandIn::is_real()) else {
        return impossible(
            TEST,
            "`cargo xtask real kubernetes` builds prometheus-operator and runs it",
        );
    };
    for (platform, site) in SITES {
        let cluster = ClusterStandIn::builder("monitored", platform)
            .definitions(operators_monitoring_definitions(platform).unwrap())
            .start()
            .unwrap();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let (config, monitor) = (rendered(site, "alertmanagerconfig"), rendered(site, "podmonitor"));
        let objects = [namespace].into_iter().chain(secrets()).chain(servers(platform));
        for object in objects.chain([config.clone(), monitor]) {
            cluster.world().put_as("kubectl-create", object).unwrap();
        }
        let operator = RealOperator::start(Path::new(&program), &cluster);
        let ours = config["metadata"]["name"].as_str().unwrap();
        let alertmanager = operator.written(
            &cluster,
            "alertmanager-main-generated",
            "alertmanager.yaml.gz",
            ours,
        );
        let prometheus = operator.written(&cluster, "prometheus-main", "prometheus.yaml.gz", ours);
        drop(operator);
        let made = json!({
            "alertmanager": alertmanager,
            "externalLabels": prometheus["global"]["external_labels"],
            "job": prometheus["scrape_configs"][0],
        });
        let file = folder().join(format!("{}.json", word(platform)));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&file, format!("{made:#}\n")).unwrap();
        }
        assert_eq!(made, kept(platform), "{}", file.display());
    }
}

fn kept(platform: Platform) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{}.json", word(platform)))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Discovery is all that differs: the stand-in has found the pods already.
#[test]
fn the_stand_in_makes_of_our_objects_what_the_real_operator_does() {
    for (platform, site) in SITES {
        let mut kept = kept(platform);
        let config = rendered(site, "alertmanagerconfig");
        let made = operator::alertmanager_configuration(&config, &secret).unwrap();
        assert_eq!(made, kept["alertmanager"], "{}", word(platform));
        let pods = [Pod {
            name: "infinispan-0".to_owned(),
            address: "127.0.0.1:1".to_owned(),
        }];
        let mut job = operator::scrape_job(&rendered(site, "podmonitor"), platform, &pods, &secret).unwrap();
        let discovered = kept["job"]
            .as_object_mut()
            .unwrap()
            .remove("kubernetes_sd_configs");
        assert_eq!(discovered.unwrap()[0]["role"], "pod");
        let targets = job.as_object_mut().unwrap().remove("static_configs").unwrap();
        assert_eq!(targets[0]["targets"], json!(["127.0.0.1:1"]));
        assert_eq!(job, kept["job"], "{}", word(platform));
    }
}
