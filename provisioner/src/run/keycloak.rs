//! A site's Keycloak in its cluster: how many pods it has, and how it is scaled to none and back.
//!
//! ```text
//!   Keycloak custom resource, spec.instances ─▶ its operator ─▶ StatefulSet of the same name ─▶ pods
//!   or, without the operator: StatefulSet or Deployment, spec.replicas ─────────────────────▶ pods
//! ```
//!
//! What counts is pods, not what somebody asked for: a pod that is still ending writes. The count from before is
//! remembered in an annotation of the very object that is scaled, in the same write: so whoever resumes a rejoin,
//! from whatever machine, finds it, and no crash can come between the two.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Failure, Session};
use crate::observed::cluster::{DEPLOYMENTS, KEYCLOAKS, PODS, Resource, STATEFUL_SETS};
use crate::observed::status::KeycloakState;
use crate::topology::Site;
use crate::world::kubernetes::{Cluster, ClusterError, Target, Written};

/// The annotation with the count from before.
pub const REMEMBERED: &str = "sitefence.io/keycloak-replicas";
/// How often pods are counted while they go or come.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a write is tried that somebody else was faster than.
const ATTEMPTS: usize = 5;
/// Managers that put a field back to what stands in a repository.
const CONTROLLERS: [&str; 4] = ["argocd", "kustomize-controller", "helm-controller", "flux"];

/// A Keycloak as found.
#[derive(Debug, Clone, PartialEq)]
pub struct Keycloak {
    /// The kind of the object that is scaled.
    resource: Resource,
    namespace: String,
    object: Value,
    pods: Vec<Value>,
}

impl Keycloak {
    /// Which object is scaled, as people write it.
    pub fn title(&self) -> String {
        let name = self.object.pointer("/metadata/name").and_then(Value::as_str);
        format!(
            "{} {}/{}",
            self.resource.kind,
            self.namespace,
            name.unwrap_or_default()
        )
    }

    fn field(&self) -> &'static str {
        match self.resource == KEYCLOAKS {
            true => "instances",
            false => "replicas",
        }
    }

    fn asked_for(&self) -> Option<u64> {
        self.object["spec"][self.field()].as_u64()
    }

    fn remembered(&self) -> Option<u64> {
        let text = self.object["metadata"]["annotations"][REMEMBERED].as_str();
        text.and_then(|text| text.parse().ok())
    }

    /// As `status` shows it.
    pub fn state(&self) -> KeycloakState {
        KeycloakState {
            wanted: self.asked_for(),
            pods: self.pods.len(),
            ready: self.pods.iter().filter(|pod| is_ready(pod)).count(),
        }
    }

    /// Who would put the count back as soon as it is changed, if anybody.
    pub fn controller(&self) -> Option<&str> {
        let fields = self.object["metadata"]["managedFields"].as_array()?;
        let field = format!("f:{}", self.field());
        fields
            .iter()
            .filter(|entry| !entry["fieldsV1"]["f:spec"][&field].is_null())
            .filter_map(|entry| entry["manager"].as_str())
            .find(|manager| CONTROLLERS.iter().any(|known| manager.contains(known)))
    }

    /// The object scaled to none, with the count from before in it.
    fn stopped(&self) -> Value {
        let mut object = self.object.clone();
        // Both kinds mean one by saying nothing. A count of none was remembered earlier, or was there before us.
        let before = self.remembered().or(self.asked_for()).unwrap_or(1);
        object["metadata"]["annotations"][REMEMBERED] = json!(before.to_string());
        object["spec"][self.field()] = json!(0);
        object
    }

    /// The object as it was before, and how many pods that means.
    fn started(&self) -> (Value, u64) {
        let mut object = self.object.clone();
        let wanted = self.remembered().or(self.asked_for()).unwrap_or(1).max(1);
        object["spec"][self.field()] = json!(wanted);
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove(REMEMBERED);
        }
        (object, wanted)
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let is = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(is)) && pod["metadata"]["deletionTimestamp"].is_null()
}

/// Whether a pod carries all these labels.
fn carries(pod: &Value, labels: &BTreeMap<String, String>) -> bool {
    let labelled = |(key, value): (&String, &String)| pod["metadata"]["labels"][key] == json!(value);
    !labels.is_empty() && labels.iter().all(labelled)
}

/// A cluster that does not serve a kind has no object of it.
async fn get(cluster: &Cluster, target: Target<'_>) -> Result<Option<Value>, ClusterError> {
    match cluster.get(target).await {
        Err(ClusterError::Refused { code: 404, .. }) => Ok(None),
        answer => answer,
    }
}

/// Looks for a site's Keycloak and its pods; `None` where there is none of the topology's name.
pub async fn look(cluster: &Cluster, site: &Site) -> Result<Option<Keycloak>, ClusterError> {
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
        get(cluster, at(KEYCLOAKS)),
        get(cluster, at(STATEFUL_SETS)),
        get(cluster, at(DEPLOYMENTS)),
    )?;
    let workload = match (set, deployment) {
        (Some(set), _) => Some((STATEFUL_SETS, set)),
        (None, Some(deployment)) => Some((DEPLOYMENTS, deployment)),
        (None, None) => None,
    };
    let selector = workload
        .as_ref()
        .map(|(_, object)| &object["spec"]["selector"]["matchLabels"]);
    let labels: BTreeMap<String, String> = match selector {
        Some(labels) => serde_json::from_value(labels.clone()).unwrap_or_default(),
        // The operator's own, while it has not made the StatefulSet yet.
        None => [("app", "keycloak"), ("app.kubernetes.io/instance", name.as_str())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    let Some((resource, object)) = custom.map(|custom| (KEYCLOAKS, custom)).or(workload) else {
        return Ok(None);
    };
    let mut pods = cluster.list(PODS, &namespace).await?;
    pods.retain(|pod| carries(pod, &labels));
    Ok(Some(Keycloak {
        resource,
        namespace,
        object,
        pods,
    }))
}

/// The same where there has to be one.
pub async fn find(cluster: &Cluster, site: &Site) -> Result<Keycloak, Failure> {
    let found = look(cluster, site).await?;
    found.ok_or_else(|| Failure::NoKeycloak {
        site: site.name.clone(),
        name: site.keycloak.name.to_string(),
        namespace: site
            .keycloak
            .namespace
            .as_ref()
            .unwrap_or(&site.namespace)
            .to_string(),
    })
}

/// Scales to none and waits until no pod is left.
pub async fn stop(
    session: &Session,
    cluster: &Cluster,
    site: &Site,
    within: Duration,
) -> Result<(), Failure> {
    write(cluster, site, Keycloak::stopped).await?;
    wait(session, cluster, site, within, "until none is left", |found| {
        found.pods.is_empty()
    })
    .await
}

/// Scales back and waits until as many pods as before are ready.
pub async fn start(
    session: &Session,
    cluster: &Cluster,
    site: &Site,
    within: Duration,
) -> Result<(), Failure> {
    // Read before the annotation goes with the write.
    let (_, wanted) = find(cluster, site).await?.started();
    write(cluster, site, |found| found.started().0).await?;
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let until = format!("until {wanted} are ready");
    wait(session, cluster, site, within, &until, |found| {
        found.state().ready >= wanted
    })
    .await
}

async fn write(cluster: &Cluster, site: &Site, change: impl Fn(&Keycloak) -> Value) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let found = find(cluster, site).await?;
        let changed = change(&found);
        if changed == found.object {
            return Ok(());
        }
        let target = Target {
            resource: found.resource,
            namespace: &found.namespace,
            name: site.keycloak.name.as_str(),
        };
        if cluster.replace(target, &changed).await? == Written::Done {
            return Ok(());
        }
    }
    Err(Failure::Overtaken)
}

async fn wait(
    session: &Session,
    cluster: &Cluster,
    site: &Site,
    within: Duration,
    until: &str,
    is_there: impl Fn(&Keycloak) -> bool,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut said = None;
    loop {
        let found = find(cluster, site).await?;
        if is_there(&found) {
            return Ok(());
        }
        let state = found.state();
        if said.as_ref() != Some(&state) {
            session.console.say(&format!(
                "{}: Keycloak has {} pods, {} ready; waiting {until}",
                site.name, state.pods, state.ready
            ));
            said = Some(state);
        }
        if began.elapsed() >= within {
            return Err(Failure::KeycloakSlow {
                site: site.name.clone(),
                until: until.to_owned(),
                seconds: within.as_secs(),
            });
        }
        session.interrupt.pause(LOOK_EVERY).await?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keycloak(object: Value) -> Keycloak {
        Keycloak {
            resource: KEYCLOAKS,
            namespace: "keycloak".to_owned(),
            object,
            pods: Vec::new(),
        }
    }

    #[test]
    fn the_count_from_before_survives_stopping_twice_and_comes_back() {
        let before = keycloak(json!({"metadata": {"name": "keycloak"}, "spec": {"instances": 3}}));
        let stopped = keycloak(before.stopped());
        assert_eq!(stopped.asked_for(), Some(0));
        let twice = keycloak(stopped.stopped());
        assert_eq!(twice, stopped, "a resumed command changes nothing");
        let (started, wanted) = twice.started();
        assert_eq!(wanted, 3);
        assert_eq!(started["spec"]["instances"], 3);
        assert_eq!(started["metadata"]["annotations"], json!({}));
    }

    #[test]
    fn a_count_left_out_is_one() {
        let before = keycloak(json!({"metadata": {"name": "keycloak"}, "spec": {}}));
        assert_eq!(keycloak(before.stopped()).started().1, 1);
    }

    #[test]
    fn only_a_controller_that_holds_the_count_stands_in_the_way() {
        for (manager, field, found) in [
            ("argocd-controller", "f:instances", Some("argocd-controller")),
            (
                "kustomize-controller",
                "f:instances",
                Some("kustomize-controller"),
            ),
            // It leaves the count alone.
            ("argocd-controller", "f:image", None),
            ("kubectl-edit", "f:instances", None),
        ] {
            let object = json!({"metadata": {"managedFields": [
                {"manager": manager, "fieldsV1": {"f:spec": {field: {}}}},
            ]}});
            assert_eq!(keycloak(object).controller(), found, "{manager} {field}");
        }
    }

    #[test]
    fn a_pod_counts_by_all_labels_of_the_selector() {
        let pod = json!({"metadata": {"labels": {"app": "keycloak", "part": "server"}}});
        let labels = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        assert!(carries(&pod, &labels(&[("app", "keycloak")])));
        assert!(!carries(&pod, &labels(&[("app", "keycloak"), ("part", "other")])));
        // Without a selector nothing is known to be ours.
        assert!(!carries(&pod, &labels(&[])));
    }

    #[test]
    fn a_pod_that_is_ending_is_not_ready() {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let mut pod = json!({"metadata": {}, "status": {"conditions": ready}});
        assert!(is_ready(&pod));
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T20:00:00Z");
        assert!(!is_ready(&pod));
    }
}
