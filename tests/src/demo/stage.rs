//! What the demo plays on: a local AWS with two tagged balancers and Infinispan's password, an accelerator in front
//! of them, two Infinispan clusters, two Kubernetes clusters; and a folder with the example as an operator would have it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use provisioner::topology::{self, Architecture, Topology};
use serde_json::Value;
use tempfile::TempDir;

use super::{DemoError, Function, clusters};
use crate::standins::accelerator::{Accelerator, AcceleratorStandIn, World};
use crate::standins::function_urls::FunctionUrls;
use crate::standins::infinispan::{InfinispanPair, Role};
use crate::standins::kubernetes::ClusterStandIn;
use crate::standins::local_aws::LocalAws;

/// The example that is played unless another is asked for.
pub const EXAMPLE: &str = "local.yaml";
/// The topology's name in it, by which mails call it.
pub(super) const NAME: &str = "demo";

/// The file with both clusters' contexts, beside the topology.
const KUBECONFIG: &str = "kubeconfig";

/// The file with the authority of Function URLs, beside it.
const INTERNET_AUTHORITY: &str = "internet.pem";

/// The function beside it, where `provision` carries none.
const FUNCTION_ZIP: &str = "function.zip";

/// More accelerators than one page of the API holds come before the one that is wanted.
const OTHER_ACCELERATORS: usize = 11;

/// The accelerator's name, which only its owner sees.
pub const ACCELERATOR: &str = "keycloak";

/// Everything that runs, and what it is made from.
#[derive(Debug)]
pub struct Stage {
    pub example: &'static str,
    pub topology: Topology,
    pub infinispan: InfinispanPair,
    pub accelerator: AcceleratorStandIn,
    pub aws: LocalAws,
    function_urls: FunctionUrls,
    function_flags: &'static [&'static str],
    /// Each site's balancer, by ARN.
    pub balancers: [String; 2],
    /// Each site's cluster.
    pub clusters: [ClusterStandIn; 2],
    /// What the clusters held before.
    pub clusters_before: [BTreeMap<String, Value>; 2],
    /// Where `provision` is run.
    pub folder: TempDir,
}

impl Stage {
    /// Sets it up for an example in `examples`.
    pub async fn set(examples: &Path, example: &'static str) -> Result<Self, DemoError> {
        let path = examples.join(example);
        let text = fs::read_to_string(&path).map_err(DemoError::file(&path))?;
        let topology = topology::parse(text.as_bytes(), example).map_err(|mistakes| DemoError::Example {
            path: path.clone(),
            reason: mistakes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        })?;
        let names = [0, 1].map(|index| topology.sites[index].name.to_string());
        let region = topology.first_region().to_string();

        let accelerator = AcceleratorStandIn::start(World::new())?;
        let aws = LocalAws::builder()
            .global_accelerator(&accelerator.url())
            .start()?;
        let mut balancers = [String::new(), String::new()];
        for (balancer, site) in balancers.iter_mut().zip(&topology.sites) {
            let name = format!("keycloak-{}", site.name);
            *balancer = aws
                .create_balancer(site.region.as_str(), &name, Some(site.name.as_str()))
                .await?;
        }
        let mut ours = {
            let [a, b] = &topology.sites;
            let [at_a, at_b] = balancers.each_ref().map(String::as_str);
            if a.region == b.region {
                Accelerator::in_one_region(ACCELERATOR, a.region.as_str(), &[at_a, at_b])
            } else {
                Accelerator::in_two_regions(
                    ACCELERATOR,
                    [(a.region.as_str(), at_a), (b.region.as_str(), at_b)],
                )
            }
        };
        ours.dns_name = topology.accelerator.to_string();
        *accelerator.world() = World::new().with_decoys(OTHER_ACCELERATORS).with(ours);

        let password = password();
        let secret = topology.infinispan.password_secret.to_string();
        aws.create_secret(&region, &secret, &password).await?;
        for other in topology.regions.iter().filter(|other| other.as_str() != region) {
            aws.replicate_secret(&region, &secret, other.as_str()).await?;
        }
        let infinispan = InfinispanPair::builder(names.each_ref().map(String::as_str))
            .user(topology.infinispan.username.as_str(), &password, Role::Admin)
            .start()?;

        let folder = tempfile::Builder::new()
            .prefix("sitefence-demo-")
            .tempdir()
            .map_err(DemoError::file(std::env::temp_dir()))?;
        let regions: Vec<&str> = topology.regions.iter().map(|region| region.as_str()).collect();
        let function_urls = FunctionUrls::start(&aws, &regions)?;
        let authority = folder.path().join(INTERNET_AUTHORITY);
        fs::write(&authority, function_urls.authority().pem()).map_err(DemoError::file(&authority))?;
        let clusters = clusters::start(&topology)?;
        let kubeconfig = folder.path().join(KUBECONFIG);
        clusters::write_contexts(&kubeconfig, &topology, &clusters).map_err(DemoError::file(&kubeconfig))?;
        let stage = Self {
            example,
            topology,
            clusters_before: clusters::inventory(&clusters),
            clusters,
            infinispan,
            accelerator,
            aws,
            function_urls,
            function_flags: &[],
            balancers,
            folder,
        };
        stage.lay_out(&path, text)?;
        Ok(stage)
    }

    /// What `provision` finds AWS and the clusters by.
    pub fn environment(&self) -> Vec<(String, String)> {
        let kubeconfig = self.folder.path().join(KUBECONFIG);
        let mut environment = self.aws.client_environment();
        let authority = self.folder.path().join(INTERNET_AUTHORITY);
        environment.extend([
            ("KUBECONFIG".to_owned(), kubeconfig.display().to_string()),
            ("HTTPS_PROXY".to_owned(), self.function_urls.proxy_url()),
            ("AWS_CA_BUNDLE".to_owned(), authority.display().to_string()),
        ]);
        environment
    }

    /// The name of a site.
    pub fn site(&self, index: usize) -> &str {
        self.topology.sites[index].name.as_str()
    }

    /// The Region of the function and of the secrets; of several the first.
    pub fn region(&self) -> &str {
        self.topology.first_region().as_str()
    }

    /// Every Region in which something of ours can be.
    pub fn regions(&self) -> BTreeSet<&str> {
        let registers = self.topology.register_regions();
        let all = self.topology.regions.iter().chain(registers);
        all.map(|region| region.as_str()).collect()
    }

    /// The example and its CA bundles. The one thing that the example cannot know is at which port this run's
    /// Infinispan clusters answer; an operator would write his hosts there.
    fn lay_out(&self, source: &Path, mut text: String) -> Result<(), DemoError> {
        let example = |reason: String| DemoError::Example {
            path: source.to_owned(),
            reason,
        };
        for site in &self.topology.sites {
            let (Some(endpoint), Some(bundle)) = (&site.infinispan.endpoint, &site.infinispan.ca_bundle)
            else {
                return Err(example(format!("{} has no endpoint or no caBundle", site.name)));
            };
            let written = endpoint.to_string();
            if text.matches(&written).count() != 1 {
                return Err(example(format!("`{written}` does not stand there exactly once")));
            }
            let Some(cluster) = self.infinispan.site(site.name.as_str()) else {
                return Err(example(format!("no Infinispan was started for {}", site.name)));
            };
            text = text.replace(&written, &cluster.endpoint());
            let bundle = self.folder.path().join(bundle.as_str());
            if let Some(parent) = bundle.parent() {
                fs::create_dir_all(parent).map_err(DemoError::file(parent))?;
            }
            fs::write(&bundle, self.infinispan.authority().pem()).map_err(DemoError::file(&bundle))?;
        }
        let copy = self.folder.path().join(self.example);
        fs::write(&copy, text).map_err(DemoError::file(&copy))
    }

    /// Lays the function beside the topology, unless `provision` carries it.
    pub fn provide(&mut self, function: &Function) -> Result<(), DemoError> {
        match function {
            Function::Built(binary) => {
                self.pack(binary)?;
                self.function_flags = &["--function-zip", FUNCTION_ZIP];
            }
            Function::Carried(architecture) => self.deploy_for(*architecture)?,
        }
        Ok(())
    }

    /// How `provision` is given the function.
    pub fn function_flags(&self) -> &'static [&'static str] {
        self.function_flags
    }

    /// The topology for another processor than the examples' own.
    fn deploy_for(&self, architecture: Architecture) -> Result<(), DemoError> {
        let path = self.folder.path().join(self.example);
        let text = fs::read_to_string(&path).map_err(DemoError::file(&path))?;
        let text = text.replace("architecture: x86_64", &format!("architecture: {architecture}"));
        fs::write(&path, text).map_err(DemoError::file(&path))
    }

    /// Packs the function's binary as somebody who built it himself would.
    pub fn pack(&self, binary: &Path) -> Result<(), DemoError> {
        let bytes = fs::read(binary).map_err(DemoError::file(binary))?;
        let packed =
            provisioner::package::pack(&bytes, &Default::default()).map_err(|error| DemoError::Example {
                path: binary.to_owned(),
                reason: error.to_string(),
            })?;
        let path = self.folder.path().join(FUNCTION_ZIP);
        fs::write(&path, packed.zip).map_err(DemoError::file(&path))
    }
}

/// One that nobody could have written into an example.
fn password() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("{:016x}%40\"é", RandomState::new().hash_one(std::process::id()))
}
