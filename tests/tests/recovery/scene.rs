//! A deployment, and what happens around it: minutes that pass, alerts, links that break, operators who are stopped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use provisioner::topology::Platform;
use serde_json::{Value, json};
use tests::demo::{ACCELERATOR, EXAMPLE, Stage, basic, payload, value_of};
use tests::provision::{Provision, Run};
use tests::standins::infinispan::BackupStatus;
use tests::standins::kubernetes::{Context, Credentials, write_kubeconfig};
use tests::tools;

pub(crate) const KEPT: &str = "site-a";
pub(crate) const STALE: &str = "site-b";
/// What an operator's command says of a step begins with the seconds since it began.
const STEP: &str = " s  ";

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    runtime: tokio::runtime::Runtime,
}

fn function() -> PathBuf {
    let binary = tools::target_directory().unwrap().join("debug/bootstrap");
    assert!(
        binary.is_file(),
        "{} is not built: `cargo build --workspace --bins`",
        binary.display()
    );
    binary
}

impl Scene {
    /// Deployed, with waits as short as a topology may have them; the first minute has passed.
    pub(crate) fn deployed() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let stage = runtime.block_on(Stage::set(&examples, EXAMPLE)).unwrap();
        let scene = Self { stage, runtime };
        let file = scene.stage.folder.path().join(EXAMPLE);
        let topology = std::fs::read_to_string(&file).unwrap();
        let hurried = topology.replace(
            "function:\n",
            "claim: { renewInterval: 2s }\nfunction:\n  timeout: 5s\n",
        );
        assert_ne!(hurried, topology);
        std::fs::write(&file, hurried).unwrap();
        scene.stage.pack(&function()).unwrap();
        let run = scene.run(&[
            "apply",
            EXAMPLE,
            "--yes",
            "--function-zip",
            "function.zip",
            "--no-wait",
        ]);
        assert_eq!(run.code, Some(0), "{run}");
        scene.as_ada(&["rejoin.yaml"]);
        scene
    }

    /// From now on `provision` has the rights of these manifests in each cluster, and no others.
    pub(crate) fn as_ada(&self, files: &[&str]) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/rbac");
        let manifests = |operators: &str| -> Vec<Value> {
            let texts = files
                .iter()
                .map(|file| std::fs::read_to_string(format!("{folder}/{file}")).unwrap());
            let text = texts.collect::<Vec<_>>().join("\n---\n");
            text.replace(
                "kind: Group\n    name: sitefence-operators",
                "kind: User\n    name: ada",
            )
            .replace("openshift-operators", operators)
            .split("\n---\n")
            .map(|document| serde_yaml::from_str(document).unwrap())
            .collect()
        };
        let contexts = [0, 1].map(|index| {
            let cluster = &self.stage.clusters[index];
            let operators = match self.stage.topology.sites[index].platform {
                Platform::Openshift => "openshift-operators",
                Platform::Kubernetes => "operators",
            };
            let manifests = manifests(operators);
            Context {
                name: self.stage.site(index),
                cluster,
                credentials: Credentials::Token(cluster.add_user("ada", &manifests)),
                proxy_url: None,
            }
        });
        write_kubeconfig(&self.stage.folder.path().join("kubeconfig"), &contexts).unwrap();
    }

    pub(crate) fn provision(&self, arguments: &[&str]) -> Provision {
        let environment = self.stage.environment();
        environment
            .iter()
            .fold(
                Provision::new(self.stage.folder.path()).unwrap(),
                |provision, (name, value)| provision.env(name, value),
            )
            .args(arguments)
    }

    /// What a person with a terminal sees who types this; `None` where nothing here plays a terminal.
    pub(crate) fn on_a_terminal(&self, arguments: &[&str], typed: &str) -> Option<(Option<i32>, String)> {
        self.provision(arguments).on_a_terminal(typed).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.provision(arguments).run().unwrap()
    }

    /// Runs it until it says of a step what none before has said, then kills it where it stands; or to its end. Its exit
    /// code, and what it said.
    pub(crate) fn run_on(&self, arguments: &[&str], known: &mut Vec<String>) -> (Option<i32>, Vec<String>) {
        Self::kill_at_new_step(self.provision(arguments), known)
    }

    /// The same where the register does not answer.
    pub(crate) fn run_on_without_register(
        &self,
        arguments: &[&str],
        known: &mut Vec<String>,
    ) -> (Option<i32>, Vec<String>) {
        Self::kill_at_new_step(self.without_register(arguments), known)
    }

    /// Nobody listens where the register is looked for.
    pub(crate) fn without_register(&self, arguments: &[&str]) -> Provision {
        self.provision(arguments)
            .env("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
            .env("AWS_MAX_ATTEMPTS", "1")
    }

    fn kill_at_new_step(provision: Provision, known: &mut Vec<String>) -> (Option<i32>, Vec<String>) {
        Self::kill_at(provision, |line| Self::is_new_step(line, known))
    }

    /// Whether it says of a step what none before has said.
    pub(crate) fn is_new_step(line: &str, known: &mut Vec<String>) -> bool {
        let step = line.split_once(STEP).map(|(_, step)| step.to_owned());
        let new = step.filter(|step| !step.starts_with("waiting") && !known.contains(step));
        let is_new = new.is_some();
        known.extend(new);
        is_new
    }

    /// Runs it until it says such a line, then kills it where it stands; or to its end. Its exit code, and what it said.
    pub(crate) fn run_until(
        &self,
        arguments: &[&str],
        is_there: impl FnMut(&str) -> bool,
    ) -> (Option<i32>, Vec<String>) {
        Self::kill_at(self.provision(arguments), is_there)
    }

    /// Runs it, and asks it to stop as Ctrl-C does when it says such a line; what came of it at its own end.
    pub(crate) fn interrupted_at(
        &self,
        arguments: &[&str],
        mut is_there: impl FnMut(&str) -> bool,
    ) -> (Option<i32>, Vec<String>) {
        let mut child = self.provision(arguments).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let mut told = Vec::new();
        let mut asked = false;
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if !asked && is_there(&line) {
                rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
                asked = true;
            }
            told.push(line);
        }
        (child.wait().unwrap().code(), told)
    }

    fn kill_at(provision: Provision, mut is_there: impl FnMut(&str) -> bool) -> (Option<i32>, Vec<String>) {
        let mut child = provision.spawn().unwrap();
        let said = child.stderr.take().unwrap();
        let mut told = Vec::new();
        for line in BufReader::new(said).lines() {
            let line = line.unwrap();
            told.push(line.clone());
            if is_there(&line) {
                child.kill().unwrap();
                break;
            }
        }
        (child.wait().unwrap().code(), told)
    }

    pub(crate) fn minute(&self) {
        let function = self.stage.topology.function_name();
        let minute = json!({"sitefence": "sweep"});
        self.runtime
            .block_on(self.stage.aws.invoke(self.stage.region(), &function, &minute))
            .unwrap();
    }

    fn alert(&self, reporter: usize, name: &str) -> (u16, String) {
        let site = &self.stage.topology.sites[reporter];
        let object = self.stage.topology.object_name();
        let secret = self.stage.clusters[reporter]
            .world()
            .get("Secret", site.namespace.as_str(), &object)
            .cloned()
            .unwrap();
        let value = |key: &str| value_of(&secret, key).unwrap();
        let labels = [
            ("alertname", name),
            ("namespace", site.namespace.as_str()),
            ("topology", self.stage.topology.name.as_str()),
            ("reporter", site.name.as_str()),
            ("site", self.stage.site(1 - reporter)),
            ("severity", "critical"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let body = payload(&labels, &object, Timestamp::now()).to_string();
        let authorization = basic(&value("username"), &value("password"));
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let url = secret["data"]
            .as_object()
            .unwrap()
            .keys()
            .find(|key| key.starts_with("url"))
            .map(|key| value(key))
            .unwrap();
        let answer = self
            .runtime
            .block_on(self.stage.aws.post(&url, "webhook", &headers, body))
            .unwrap();
        (answer.status, answer.body)
    }

    /// This site's monitoring reports the other one offline.
    pub(crate) fn report(&self, reporter: usize) -> (u16, String) {
        self.alert(reporter, "SiteOffline")
    }

    /// Both sites' watchdogs come through, and a minute passes.
    pub(crate) fn watched(&self) {
        for site in 0..2 {
            let (status, body) = self.alert(site, "FencingPathWatchdog");
            assert_eq!(status, 200, "{body}");
        }
        self.minute();
    }

    /// How many gossip routers run, in both clusters.
    pub(crate) fn routers(&self) -> usize {
        let count = |index: usize| {
            let world = self.stage.clusters[index].world();
            let pods = world.of("Pod", "keycloak");
            pods.iter()
                .filter(|pod| pod["metadata"]["labels"]["name"] == "infinispan-router")
                .count()
        };
        count(0) + count(1)
    }

    /// What happens around an operator's command while it runs: without gossip routers the link is down, and the
    /// monitoring of the first site reports it; minutes pass.
    pub(crate) fn meanwhile<T>(&self, command: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut is_cut = false;
                while !over.load(Ordering::SeqCst) {
                    let cut = self.routers() == 0;
                    match (is_cut, cut) {
                        (false, true) => self.stage.infinispan.cut_link(),
                        (true, false) => self.stage.infinispan.heal_link(),
                        _ => {}
                    }
                    is_cut = cut;
                    if cut {
                        self.report(0);
                    }
                    self.minute();
                }
            });
            // Also where the command panics: the other thread must end.
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
            over.store(true, Ordering::SeqCst);
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What `status` comes to, for programs.
    pub(crate) fn status(&self) -> (i32, Value) {
        let run = self.run(&["status", EXAMPLE, "--within", "20s", "--output", "json"]);
        let status = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
        (run.code.unwrap(), status)
    }

    /// Which sites' balancers are in the accelerator.
    pub(crate) fn endpoints(&self) -> Vec<&str> {
        let world = self.stage.accelerator.world();
        let ids: Vec<String> = world.accelerator(ACCELERATOR).unwrap().endpoint_ids().concat();
        let sites = [KEPT, STALE].into_iter().zip(&self.stage.balancers);
        sites
            .filter(|(_, balancer)| ids.contains(balancer))
            .map(|(site, _)| site)
            .collect()
    }

    /// Each site's replication to the other.
    pub(crate) fn replication(&self) -> [Option<BackupStatus>; 2] {
        let world = self.stage.infinispan.world();
        [KEPT, STALE].map(|site| world.replication(site))
    }

    /// How many replicas the stale site's Keycloak is to have, and how many pods of it there are.
    pub(crate) fn keycloak(&self) -> (u64, usize) {
        let world = self.stage.clusters[1].world();
        let keycloak = world.get("Keycloak", "keycloak", "keycloak").unwrap();
        let pods = world.of("Pod", "keycloak");
        let pods = pods
            .iter()
            .filter(|pod| pod["metadata"]["labels"]["app"] == "keycloak");
        (keycloak["spec"]["instances"].as_u64().unwrap(), pods.count())
    }
}
