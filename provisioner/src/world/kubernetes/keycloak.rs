//! A site's Keycloak, looked for: the custom resource, else the StatefulSet or the Deployment; and its pods.

use super::{Cluster, ClusterError, Target};
use crate::observed::cluster::{DEPLOYMENTS, KEYCLOAKS, PODS, STATEFUL_SETS};
use crate::observed::keycloak::{Keycloak, carries, labels_of};
use crate::topology::Site;

impl Cluster {
    /// A site's Keycloak and its pods; `None` where there is none of the topology's name.
    pub async fn keycloak(&self, site: &Site) -> Result<Option<Keycloak>, ClusterError> {
        let name = site.keycloak.name.to_string();
        let namespace = site
            .keycloak
            .namespace
            .as_ref()
            .unwrap_or(&site.namespace)
            .to_string();
        let at = |resource| Target {
            resource,
            namespace: &namespace,
            name: &name,
        };
        let (custom, set, deployment) = tokio::try_join!(
            self.get(at(KEYCLOAKS)),
            self.get(at(STATEFUL_SETS)),
            self.get(at(DEPLOYMENTS)),
        )?;
        let workload = set
            .map(|set| (STATEFUL_SETS, set))
            .or(deployment.map(|deployment| (DEPLOYMENTS, deployment)));
        let labels = labels_of(workload.as_ref().map(|(_, object)| object), &name);
        let Some((resource, object)) = custom.map(|custom| (KEYCLOAKS, custom)).or(workload) else {
            return Ok(None);
        };
        let mut pods = self.list(PODS, &namespace).await?;
        pods.retain(|pod| carries(pod, &labels));
        Ok(Some(Keycloak {
            resource,
            namespace,
            object,
            pods,
        }))
    }
}
