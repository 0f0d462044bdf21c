//! Both halves together: AWS and two clusters, one of OpenShift, one of a plain Kubernetes.

mod apply;
mod conflicts;
mod documents;
mod found;
mod init;
mod interruption;
mod outage;
mod proxies;
mod refusals;
mod rights;
mod versions;
mod watchdogs;

use std::collections::BTreeMap;

use provisioner::topology::Platform;
use serde_json::Value;
use tests::crds::{NoSchemas, monitoring_definitions};
use tests::provision::{Provision, Run};
use tests::standins::kubernetes::{
    ClusterStandIn, Context, Exposure, SiteObjects, open_monitoring_definitions, operators_definitions,
    write_kubeconfig,
};

use super::world::{APPLY, Cloud, REGION, block_on};

const NAMESPACE: &str = "keycloak";
const NAME: &str = "sitefence-demo";
const USER_WORKLOAD: [&str; 3] = [
    "ConfigMap",
    "openshift-user-workload-monitoring",
    "user-workload-monitoring-config",
];
const PLAN: &[&str] = &["plan", "--function-zip", "given.zip"];
const DESTROY: &[&str] = &["destroy", "--yes"];

/// A cloud and the two sites' clusters.
struct Sites {
    cloud: Cloud,
    a: ClusterStandIn,
    b: ClusterStandIn,
}

fn cluster(cloud: &Cloud, platform: Platform, site: &SiteObjects) -> ClusterStandIn {
    let definitions = match monitoring_definitions(platform) {
        Ok(definitions) => definitions,
        // Without a Go toolchain the kinds are served all the same, only not judged.
        Err(NoSchemas::NoGo) => open_monitoring_definitions(platform),
        Err(error) => panic!("{error}"),
    };
    ClusterStandIn::builder(&site.site, platform)
        .counter(&cloud.counter)
        .definitions(operators_definitions(platform))
        .definitions(definitions)
        .site(site)
        .start()
        .unwrap()
}

impl Sites {
    fn new() -> Self {
        let cloud = Cloud::new();
        let mut of_b = SiteObjects::new("site-b", NAMESPACE);
        of_b.exposure = Exposure::LoadBalancer("lb.site-b.example.com".to_owned(), 11222);
        let sites = Self {
            a: cluster(
                &cloud,
                Platform::Openshift,
                &SiteObjects::new("site-a", NAMESPACE),
            ),
            b: cluster(&cloud, Platform::Kubernetes, &of_b),
            cloud,
        };
        sites.write_topology("");
        sites.write_kubeconfig(&[
            Context::administrator("site-a", &sites.a),
            Context::administrator("site-b", &sites.b),
        ]);
        sites
    }

    fn write_kubeconfig(&self, contexts: &[Context<'_>]) {
        write_kubeconfig(&self.cloud.home.path().join("kubeconfig"), contexts).unwrap();
    }

    /// Neither site's Infinispan is named: the clusters know where they answer.
    fn write_topology(&self, extra: &str) {
        let accelerator = self.cloud.dns_name();
        let site = |name: &str, platform: &str| {
            format!(
                "  - {{ name: {name}, region: {REGION}, platform: {platform}, context: {name}, namespace: {NAMESPACE} }}"
            )
        };
        let text = format!(
            "name: demo
regions: [{REGION}]
accelerator: {accelerator}
infinispan: {{ username: developer, passwordSecret: demo/infinispan }}
sites:
{}
{}
function: {{ architecture: x86_64, timeout: 5s }}
claim: {{ renewInterval: 2s }}
{extra}
",
            site("site-a", "openshift"),
            site("site-b", "kubernetes"),
        );
        std::fs::write(self.cloud.home.path().join("topology.yaml"), text).unwrap();
    }

    fn provision(&self) -> Provision {
        let kubeconfig = self.cloud.home.path().join("kubeconfig");
        self.cloud
            .provision()
            .env("KUBECONFIG", &kubeconfig.display().to_string())
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.provision().args(arguments).run().unwrap()
    }

    fn apply(&self) -> Run {
        self.apply_with(&[])
    }

    /// Nobody's watchdog barks here, so nobody waits for it.
    fn apply_with(&self, more: &[&str]) -> Run {
        self.run(&[APPLY, &["--no-wait"], more].concat())
    }

    fn applied(&self) {
        let run = self.apply();
        assert_eq!(run.code, Some(0), "{run}");
    }

    /// Everything in both clusters, without what the servers keep for themselves.
    fn inventory(&self) -> [BTreeMap<String, Value>; 2] {
        [&self.a, &self.b].map(|cluster| cluster.world().inventory())
    }

    /// An object of ours at site-a.
    fn at_a(&self, kind: &str) -> Option<Value> {
        self.a.world().get(kind, NAMESPACE, NAME).cloned()
    }

    /// An object of ours at site-b.
    fn at_b(&self, kind: &str) -> Option<Value> {
        self.b.world().get(kind, NAMESPACE, NAME).cloned()
    }

    /// The password that the stack generated.
    fn password(&self) -> String {
        block_on(async {
            let answer = aws_sdk_secretsmanager::Client::new(&self.cloud.aws.sdk_config(REGION))
                .get_secret_value()
                .secret_id("sitefence/demo/webhook")
                .send()
                .await
                .unwrap();
            answer.secret_string.unwrap()
        })
    }

    /// Stamps a site's watchdog as the function would.
    fn bark(&self, site: &str, at: &str) {
        use aws_sdk_dynamodb::types::AttributeValue::{N, S};
        let seconds = at.parse::<jiff::Timestamp>().unwrap().as_second();
        block_on(async {
            aws_sdk_dynamodb::Client::new(&self.cloud.aws.sdk_config(REGION))
                .put_item()
                .table_name("sitefence-demo-register")
                .item("pk", S(format!("demo#seen#{site}")))
                .item("site", S(site.to_owned()))
                .item("seen_at", S(at.to_owned()))
                .item("seen_at_seconds", N(seconds.to_string()))
                .send()
                .await
                .unwrap();
        });
    }
}

/// The changes that were made in a cluster, as `verb kind`.
fn changes(cluster: &ClusterStandIn) -> Vec<String> {
    let calls = cluster.changes().into_iter();
    calls
        .map(|call| format!("{} {}", call.verb.name(), call.kind))
        .collect()
}

/// The shortest form of a Secret's value.
fn decoded(secret: &Value, key: &str) -> String {
    use base64::Engine as _;
    let text = secret["data"][key].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    String::from_utf8(bytes).unwrap()
}
