//! Looks at what exists, for a topology that does not exist yet. Reads only, and goes on without whatever does not
//! answer: what could not be read is a sentence for the file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::exposed::{self, Gets};
use super::observe::{GUIDE_VARIABLES, endpoints};
use crate::observed::EndpointReading;
use crate::observed::cluster::{
    CONFIG_MAPS, INFINISPANS, INGRESSES, KEYCLOAKS, MONITORING, OPENSHIFT, PROMETHEUS_RULES, PROMETHEUSES,
    Resource, SERVICES,
};
use crate::observed::found::{
    Authority, AwsFound, BalancerFound, ClusterFound, InfinispanFound, balancer_hosts, region_of_host,
    rule_labels,
};
use crate::render::user_workload::{self, names};
use crate::topology::{Platform, Region, SiteName};
use crate::world::accelerator::Accelerators;
use crate::world::aws::Aws;
use crate::world::balancers::Balancers;
use crate::world::functions::Functions;
use crate::world::kubernetes::{Cluster, ClusterError, ConnectError, Contexts};
use crate::world::presented;

/// Where OpenShift's own balancer belongs to.
const ROUTERS: &str = "openshift-ingress";
/// An accelerator that holds one balancer is no deployment of two sites.
const ENDPOINTS_OF_A_PAIR: usize = 2;

/// A cluster, by its context.
pub async fn cluster(contexts: &Contexts, name: &SiteName, context: &str) -> ClusterFound {
    let mut found = ClusterFound {
        context: context.to_owned(),
        ..ClusterFound::default()
    };
    match contexts.reach(name, context).await {
        Ok(cluster) => {
            let mut looker = InitLooker { cluster, found };
            if let Err(error) = looker.look().await {
                looker.problem(&error);
            }
            looker.found
        }
        Err(error) => {
            found.problems.push(match error {
                ConnectError::Unreached(unreached) => unreached.what,
                ConnectError::Problem(problem) => problem.to_string(),
            });
            found
        }
    }
}

impl Gets for InitLooker {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn taken(&mut self, answer: Result<Option<Value>, ClusterError>) -> Result<Option<Value>, ClusterError> {
        self.noted(answer)
    }
}

struct InitLooker {
    cluster: Cluster,
    found: ClusterFound,
}

impl InitLooker {
    fn problem(&mut self, error: &ClusterError) {
        self.found.problems.push(error.to_string());
    }

    /// An answer; where a right is lacking, that is noted, and there is none.
    fn noted<T: Default>(&mut self, answer: Result<T, ClusterError>) -> Result<T, ClusterError> {
        match answer {
            Err(error) if !error.is_unreached() => {
                self.problem(&error);
                Ok(T::default())
            }
            other => other,
        }
    }

    /// The objects of a kind in all namespaces, in full. There are few of those that are asked for.
    async fn everywhere(&mut self, resource: Resource) -> Result<Vec<Value>, ClusterError> {
        let listed = self.cluster.list_everywhere(resource).await;
        let mut objects = Vec::new();
        for object in self.noted(listed)? {
            let text = |pointer: &str| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            objects.extend(
                self.get(resource, text("/metadata/namespace"), text("/metadata/name"))
                    .await?,
            );
        }
        Ok(objects)
    }

    async fn look(&mut self) -> Result<(), ClusterError> {
        let groups = self.cluster.groups().await?;
        let is_openshift = groups.contains_key(OPENSHIFT);
        let platform = if is_openshift {
            Platform::Openshift
        } else {
            Platform::Kubernetes
        };
        self.found.platform = Some(platform);
        let serves = |resource: &Resource| {
            groups
                .get(resource.group)
                .is_some_and(|it| it.contains(resource.version))
        };
        if serves(&INFINISPANS) {
            let objects = self.everywhere(INFINISPANS).await?;
            self.found.infinispans = objects.iter().filter_map(InfinispanFound::of).collect();
            self.found.drop_what_is_no_name();
            for index in 0..self.found.infinispans.len() {
                let infinispan = &self.found.infinispans[index];
                let (namespace, name) = (infinispan.namespace.clone(), infinispan.name.clone());
                let endpoint = exposed::endpoint(self, platform, &namespace, &name).await?;
                self.found.infinispans[index].endpoint = endpoint;
            }
            self.found.infinispans.sort_by_key(|it| it.site.is_none());
        }
        if serves(&KEYCLOAKS) {
            for object in self.everywhere(KEYCLOAKS).await? {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                self.found
                    .keycloaks
                    .extend(text("/metadata/namespace").zip(text("/metadata/name")));
            }
            self.found.drop_what_is_no_name();
        }
        let kinds = self.cluster.kinds(MONITORING, PROMETHEUS_RULES.version).await;
        let kinds: BTreeSet<String> = self.noted(kinds)?;
        self.found.has_monitoring = kinds.contains(PROMETHEUS_RULES.kind);
        if is_openshift {
            let config = self
                .get(CONFIG_MAPS, names::CLUSTER_NAMESPACE, names::CLUSTER_CONFIG)
                .await?;
            self.found.user_workload = user_workload::is_enabled(config.as_ref());
        } else if kinds.contains(PROMETHEUSES.kind) {
            let all = self.everywhere(PROMETHEUSES).await?;
            self.found.rule_labels = all
                .iter()
                .map(rule_labels)
                .find(|it| !it.is_empty())
                .unwrap_or_default();
        }
        self.balancers(is_openshift).await
    }

    /// The balancers in front of its Keycloak: of a Service or an Ingress beside it, or of OpenShift's routers.
    async fn balancers(&mut self, is_openshift: bool) -> Result<(), ClusterError> {
        let mut namespaces: BTreeSet<String> =
            self.found.keycloaks.iter().map(|(at, _)| at.clone()).collect();
        namespaces.extend(self.found.infinispans.iter().map(|it| it.namespace.clone()));
        if is_openshift {
            namespaces.insert(ROUTERS.to_owned());
        }
        for namespace in namespaces {
            for resource in [SERVICES, INGRESSES] {
                // Only a help in finding the balancer: a right that is lacking here is not worth a word.
                match self.cluster.list(resource, &namespace).await {
                    Ok(objects) => self
                        .found
                        .balancers
                        .extend(objects.iter().flat_map(balancer_hosts)),
                    Err(error) if error.is_unreached() => return Err(error),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// What AWS has of a deployment whose clusters are these.
pub async fn aws(region: &Region, clusters: &[ClusterFound; 2]) -> AwsFound {
    let mut found = AwsFound::default();
    let aws = match Aws::sign_in(region.as_str()).await {
        Ok(aws) => aws,
        Err(error) => {
            found
                .problems
                .push(format!("AWS could not be asked: {error}. {}", error.hint()));
            return found;
        }
    };
    match accelerators(&aws, clusters).await {
        Ok(accelerators) => found.accelerators = accelerators,
        Err(problem) => found.problems.push(problem),
    }
    let mut regions: BTreeSet<Region> = clusters
        .iter()
        .flat_map(|cluster| cluster.balancers.iter().filter_map(|host| region_of_host(host)))
        .collect();
    regions.extend(
        found
            .accelerators
            .iter()
            .flat_map(|(_, all)| all.iter().map(|it| it.region.clone())),
    );
    for region in regions {
        match Functions::new(aws.lambda(&region), &region).all().await {
            Ok(functions) => found.guides.extend(
                functions
                    .into_iter()
                    .filter(|it| {
                        GUIDE_VARIABLES
                            .iter()
                            .all(|name| it.environment.contains_key(*name))
                    })
                    .map(|it| (it.name, it.environment)),
            ),
            Err(error) => found.problems.push(error.to_string()),
        }
    }
    found
}

async fn accelerators(
    aws: &Aws,
    clusters: &[ClusterFound; 2],
) -> Result<Vec<(String, Vec<BalancerFound>)>, String> {
    let accelerators = Accelerators::new(aws.global_accelerator());
    let all = accelerators.all().await.map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    let mut hosts: BTreeMap<Region, BTreeMap<String, String>> = BTreeMap::new();
    for accelerator in all {
        let listeners = accelerators
            .listeners(&accelerator.arn)
            .await
            .map_err(|error| error.to_string())?;
        let count: usize = listeners
            .iter()
            .flat_map(|it| &it.groups)
            .map(|it| it.endpoints.len())
            .sum();
        if count < ENDPOINTS_OF_A_PAIR {
            continue;
        }
        let readings = endpoints(aws, &listeners)
            .await
            .map_err(|error| error.to_string())?
            .readings;
        let mut balancers = Vec::new();
        for reading in readings.into_values() {
            let EndpointReading::Balancer(balancer) = reading else {
                continue;
            };
            let Some(region) = balancer.arn.split(':').nth(3).and_then(Region::seen) else {
                continue;
            };
            // Host names are asked for where tags do not tell.
            let by_host = balancer.site.is_none() && clusters.iter().any(|it| !it.balancers.is_empty());
            if by_host && !hosts.contains_key(&region) {
                let named = Balancers::new(aws.load_balancing(&region), &region).hosts().await;
                hosts.insert(region.clone(), named.map_err(|error| error.to_string())?);
            }
            balancers.push(BalancerFound {
                host: hosts.get(&region).and_then(|it| it.get(&balancer.arn)).cloned(),
                arn: balancer.arn,
                region,
                site: balancer.site,
            });
        }
        if balancers.len() >= ENDPOINTS_OF_A_PAIR {
            found.push((accelerator.dns_name, balancers));
        }
    }
    Ok(found)
}

/// Which authority signed for each site's Infinispan, or why that is not known.
pub async fn authorities(clusters: &[ClusterFound; 2]) -> [Option<Result<Authority, String>>; 2] {
    let ask = async |cluster: &ClusterFound| {
        let endpoint = cluster.infinispans.first()?.endpoint.clone()?;
        Some(presented::authority(&endpoint).await)
    };
    let [a, b] = clusters;
    let (a, b) = tokio::join!(ask(a), ask(b));
    [a, b]
}
