//! What is scaled, looked for. A site's Keycloak is the custom resource, else the StatefulSet or the Deployment; what a
//! drill scales is a Deployment. And the pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde_json::Value;

use super::{Cluster, ClusterError, Target};
use crate::observed::cluster::{DEPLOYMENTS, KEYCLOAKS, PODS, STATEFUL_SETS};
use crate::observed::workload::{BY_DRILL, BY_REJOIN, Workload};
use crate::topology::Site;

impl Cluster {
    /// A site's Keycloak and its pods; `None` where there is none of the topology's name.
    pub async fn keycloak(&self, site: &Site) -> Result<Option<Workload>, ClusterError> {
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
        let chosen = selector(workload.as_ref().map(|(_, object)| object), &name);
        let Some((resource, object)) = custom.map(|custom| (KEYCLOAKS, custom)).or(workload) else {
            return Ok(None);
        };
        let mut pods = self.list(PODS, &namespace).await?;
        pods.retain(|pod| is_chosen(pod, &chosen));
        Ok(Some(Workload {
            annotation: BY_REJOIN,
            resource,
            namespace,
            object,
            pods,
        }))
    }

    /// What is left of a Keycloak that somebody has deleted: no object, and the pods that are still ending.
    pub async fn left_of_keycloak(&self, site: &Site) -> Result<Workload, ClusterError> {
        let namespace = site.keycloak.namespace.as_ref().unwrap_or(&site.namespace);
        let mut pods = self.list(PODS, namespace.as_str()).await?;
        let name = site.keycloak.name.as_str();
        let of_the_operator = selector(None, name);
        pods.retain(|pod| is_chosen(pod, &of_the_operator) || was_run_by(pod, name));
        Ok(Workload {
            annotation: BY_REJOIN,
            resource: KEYCLOAKS,
            namespace: namespace.to_string(),
            object: Value::Null,
            pods,
        })
    }

    /// A Deployment and its pods, as a drill scales it; `None` where there is none.
    pub async fn deployment(&self, namespace: &str, name: &str) -> Result<Option<Workload>, ClusterError> {
        let found = self.get(Target {
            resource: DEPLOYMENTS,
            namespace,
            name,
        });
        let Some(object) = found.await? else {
            return Ok(None);
        };
        let chosen = selector(Some(&object), name);
        let mut pods = self.list(PODS, namespace).await?;
        pods.retain(|pod| is_chosen(pod, &chosen));
        Ok(Some(Workload {
            annotation: BY_DRILL,
            resource: DEPLOYMENTS,
            namespace: namespace.to_owned(),
            object,
            pods,
        }))
    }
}

/// What chooses a workload's pods; without a workload the labels that the operator of the custom resource of this name
/// gives, while it has not made the StatefulSet yet. A selector that cannot be read chooses every pod: that none is
/// left must never be concluded from not knowing which.
fn selector(workload: Option<&Value>, name: &str) -> Selector {
    let of_the_operator = || LabelSelector {
        match_labels: Some(
            [("app", "keycloak"), ("app.kubernetes.io/instance", name)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        ..LabelSelector::default()
    };
    let labels = workload.map_or_else(of_the_operator, |workload| {
        serde_json::from_value(workload["spec"]["selector"].clone()).unwrap_or_default()
    });
    Selector::try_from(labels).unwrap_or_default()
}

fn is_chosen(pod: &Value, selector: &Selector) -> bool {
    let labels: BTreeMap<String, String> =
        serde_json::from_value(pod["metadata"]["labels"].clone()).unwrap_or_default();
    selector.matches(&labels)
}

/// Whether a pod was made for a StatefulSet or a Deployment of this name. It says so also after that is deleted.
fn was_run_by(pod: &Value, name: &str) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| {
        let of = owner["name"].as_str().unwrap_or_default();
        match owner["kind"].as_str() {
            Some("StatefulSet") => of == name,
            // A Deployment's has a hash behind the name.
            Some("ReplicaSet") => of.rsplit_once('-').is_some_and(|(of, _)| of == name),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_counts_by_all_of_the_selector_and_by_one_that_nobody_can_read() {
        let pod = json!({"metadata": {"labels": {"app": "keycloak", "part": "server"}}});
        let chosen = |selector_of: Value| {
            let workload = json!({"spec": {"selector": selector_of}});
            is_chosen(&pod, &selector(Some(&workload), "keycloak"))
        };
        for (selector_of, is_one) in [
            (json!({"matchLabels": {"app": "keycloak"}}), true),
            (
                json!({"matchLabels": {"app": "keycloak", "part": "other"}}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["keycloak"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["keycloak"]}]}),
                false,
            ),
            (json!({}), true),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "Like"}]}),
                true,
            ),
            (Value::Null, true),
        ] {
            assert_eq!(chosen(selector_of.clone()), is_one, "{selector_of}");
        }
        assert!(
            !is_chosen(&pod, &selector(None, "keycloak")),
            "it is of no instance"
        );
    }
    #[test]
    fn a_pod_is_known_by_what_ran_it_after_that_is_gone() {
        for (kind, owner, is_one) in [
            ("StatefulSet", "keycloak", true),
            ("StatefulSet", "keycloak-db", false),
            ("ReplicaSet", "keycloak-6d4cf56db6", true),
            ("ReplicaSet", "keycloak-db-6d4cf56db6", false),
            ("ReplicaSet", "keycloak", false),
            ("Job", "keycloak", false),
        ] {
            let pod = json!({"metadata": {"ownerReferences": [{"kind": kind, "name": owner}]}});
            assert_eq!(was_run_by(&pod, "keycloak"), is_one, "{kind} {owner}");
        }
        assert!(!was_run_by(&json!({"metadata": {}}), "keycloak"));
    }
}
