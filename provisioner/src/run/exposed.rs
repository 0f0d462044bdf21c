//! Where a cluster exposes its Infinispan: looked up in the same places, whichever verb asks and whatever it makes of a
//! missing right.

use std::future::Future;

use serde_json::Value;

use crate::observed::cluster::{INGRESSES, ROUTES, Resource, SERVICES};
use crate::observed::cluster_endpoint;
use crate::topology::Platform;
use crate::world::kubernetes::{Cluster, ClusterError, Target};

/// Reads objects of a cluster.
pub(super) trait Gets: Send + Sync {
    fn cluster(&self) -> &Cluster;

    /// What is made of an answer, of a right that is lacking above all.
    fn taken(&mut self, answer: Result<Option<Value>, ClusterError>) -> Result<Option<Value>, ClusterError>;

    /// The object, if there is one.
    fn get(
        &mut self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Value>, ClusterError>> + Send {
        async move {
            let target = Target {
                resource,
                namespace,
                name,
            };
            let answer = self.cluster().get(target).await;
            self.taken(answer)
        }
    }
}

/// Whatever may not be read is not there: for what is only worth knowing.
pub(super) struct Quietly<'a>(pub(super) &'a Cluster);

impl Gets for Quietly<'_> {
    fn cluster(&self) -> &Cluster {
        self.0
    }

    fn taken(&mut self, answer: Result<Option<Value>, ClusterError>) -> Result<Option<Value>, ClusterError> {
        match answer {
            Err(error) if !error.is_unreached() => Ok(None),
            answer => answer,
        }
    }
}

/// The operator exposes the Infinispan `x` as `x-external`.
pub(super) async fn endpoint(
    cluster: &mut impl Gets,
    platform: Platform,
    namespace: &str,
    infinispan: &str,
) -> Result<Option<String>, ClusterError> {
    let name = format!("{infinispan}-external");
    if platform == Platform::Openshift {
        let route = cluster.get(ROUTES, namespace, &name).await?;
        return Ok(route.as_ref().and_then(cluster_endpoint::of_route));
    }
    let service = cluster.get(SERVICES, namespace, &name).await?;
    if let Some(host) = service.as_ref().and_then(cluster_endpoint::of_service) {
        return Ok(Some(host));
    }
    let ingress = cluster.get(INGRESSES, namespace, &name).await?;
    Ok(ingress.as_ref().and_then(cluster_endpoint::of_ingress))
}
