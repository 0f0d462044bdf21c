//! Whether a cluster would take what we are going to write: asked by dry runs, which change nothing.

use serde_json::Value;

use super::ClusterLooker;
use crate::observed::cluster::{CONFIG_MAPS, DryRun, PROMETHEUS_RULES, Resource};
use crate::preflight::cluster_problem::UNDECLARED;
use crate::preflight::ours::resource;
use crate::render::user_workload::{self, ConfigMapChange, names};
use crate::render::{ENVIRONMENT_PROXY, ObjectDocument, ObjectKind, without_environment_proxy};
use crate::topology::SecretDelivery;
use crate::world::kubernetes::{AppliedObject, ApplyMode, ClusterError, Target};

/// Whether a definition is too old for a field that is only there by default.
fn knows_no_environment_proxy(answer: &Result<AppliedObject, ClusterError>) -> bool {
    matches!(answer, Err(ClusterError::Refused { message, .. })
        if message.contains(UNDECLARED) && message.contains(ENVIRONMENT_PROXY))
}

impl ClusterLooker<'_> {
    /// Whether our two lines would be taken, and whose alerts they would move.
    pub(super) async fn user_workload(&mut self) -> Result<(), ClusterError> {
        let config_map = self.reading.standing.user_workload.clone();
        if user_workload::uses_platform(self.reading.cluster_monitoring.as_ref(), config_map.as_ref()) {
            return Ok(());
        }
        let target = Target {
            resource: CONFIG_MAPS,
            namespace: names::NAMESPACE,
            name: names::CONFIG,
        };
        let answer = match user_workload::merge(config_map.as_ref(), self.topology.name.as_str()) {
            Ok(ConfigMapChange::Create(body)) => self.cluster.create(target, &body, true).await,
            Ok(ConfigMapChange::Replace(body)) => self.cluster.replace(target, &body, true).await,
            Ok(ConfigMapChange::None | ConfigMapChange::Delete { .. }) | Err(_) => return Ok(()),
        };
        match answer {
            Ok(_) => {}
            Err(ClusterError::Refused { message, .. }) => self.reading.config_map_refused = Some(message),
            Err(error) => self.noted(Err(error))?,
        }
        self.reading.others_rules = self.of_others(PROMETHEUS_RULES).await?;
        let configs = resource(self.site.platform, ObjectKind::AlertmanagerConfig);
        if self.is_served(&configs) {
            self.reading.others_configs = self.of_others(configs).await?;
        }
        Ok(())
    }

    /// How many objects of a kind are other people's. That nobody may count them is no reason to stop by itself.
    async fn of_others(&self, resource: Resource) -> Result<Option<usize>, ClusterError> {
        let ours = self.topology.object_name();
        let is_other = |object: &&Value| {
            let text = |pointer: &str| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            // The cluster's own are heeded elsewhere.
            !text("/metadata/namespace").starts_with("openshift-") && text("/metadata/name") != ours
        };
        match self.cluster.list_everywhere(resource).await {
            Ok(objects) => Ok(Some(objects.iter().filter(is_other).count())),
            Err(error) if error.is_unreached() => Err(error),
            Err(_) => Ok(None),
        }
    }

    pub(super) async fn dry_run(&mut self, document: &ObjectDocument) -> Result<(), ClusterError> {
        let resource = resource(self.site.platform, document.kind);
        let is_delivered_by_others =
            document.kind == ObjectKind::Secret && self.topology.secret_delivery == SecretDelivery::Manual;
        if !self.is_served(&resource) || is_delivered_by_others {
            return Ok(());
        }
        let mut body = document.value.clone();
        let is_secret = document.kind == ObjectKind::Secret;
        if let (true, Some(fields)) = (is_secret, body.as_object_mut()) {
            // What is rendered are placeholders, and the values are nobody's before they are written.
            fields.remove("stringData");
        }
        let (namespace, name) = (self.site.namespace.to_string(), self.topology.object_name());
        let target = Target {
            resource,
            namespace: &namespace,
            name: &name,
        };
        let mode = |force| ApplyMode { dry_run: true, force };
        let mut answer = self.cluster.apply(target, &body, mode(is_secret)).await;
        if self.topology.monitoring.proxy.is_none() && knows_no_environment_proxy(&answer) {
            self.reading.lacks_environment_proxy = true;
            body = without_environment_proxy(body);
            answer = self.cluster.apply(target, &body, mode(is_secret)).await;
        }
        let mut conflicts = Vec::new();
        if let Ok(AppliedObject::Conflicts(found)) = &answer {
            conflicts.clone_from(found);
            answer = self.cluster.apply(target, &body, mode(true)).await;
        }
        let dry_run = match answer {
            Ok(AppliedObject::Done(mut after)) => {
                if let (true, Some(fields)) = (is_secret, after.as_object_mut()) {
                    fields.remove("data");
                }
                DryRun::Accepted { after, conflicts }
            }
            Ok(AppliedObject::Conflicts(conflicts)) => DryRun::Refused {
                message: format!("it conflicts with {} even by force", conflicts.len()),
            },
            Err(ClusterError::Refused { code: 404, .. }) => {
                self.reading.lacks_namespace = true;
                return Ok(());
            }
            Err(ClusterError::Refused { message, .. }) => DryRun::Refused { message },
            Err(error) => return self.noted(Err(error)),
        };
        self.reading.dry_runs.insert(document.kind, dry_run);
        Ok(())
    }
}
