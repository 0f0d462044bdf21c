//! What is scaled to none for a while, and the pods that it runs: a site's Keycloak for a rejoin, the Infinispan
//! operator and the gossip router for a drill.
//!
//! ```text
//!   Keycloak custom resource, spec.instances ─▶ its operator ─▶ StatefulSet of the same name ─▶ pods
//!   or, without the operator: StatefulSet or Deployment, spec.replicas ─────────────────────▶ pods
//! ```
//!
//! What counts is pods, not what somebody asked for: a pod that is still ending writes.

use serde_json::{Value, json};

use super::access::word;
use super::cluster::{FIELD_MANAGER, KEYCLOAKS, Resource};
use super::repository::{self, ARGO_CD, FLUX};
use super::status::KeycloakState;

/// The annotation with the count from before, while a rejoin keeps a Keycloak at none.
pub const BY_REJOIN: &str = "sitefence.io/keycloak-replicas";
/// The same while a drill keeps a Deployment at none.
pub const BY_DRILL: &str = "sitefence.io/drill-replicas";

/// Who would put the count of replicas back as soon as it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// By which name the cluster knows it.
    pub name: String,
    pub pause: String,
}

/// The path at which Keycloak says whether it can serve, its caches and its database included.
const LB_CHECK: &str = "lb-check";

/// Where a pod is asked that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LbCheck {
    pub pod: String,
    /// Scheme, pod and port, as the API server's proxy takes them; none of a pod that does not say at which port it
    /// serves.
    pub address: Option<String>,
    pub path: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The annotation that remembers its count while it is kept at none.
    pub annotation: &'static str,
    /// The kind of the object that says how many replicas there are to be.
    pub resource: Resource,
    pub namespace: String,
    pub object: Value,
    /// The pods that it runs.
    pub pods: Vec<Value>,
}

impl Workload {
    fn field(&self) -> &'static str {
        if self.resource == KEYCLOAKS {
            "instances"
        } else {
            "replicas"
        }
    }

    fn asked_for(&self) -> Option<u64> {
        self.object["spec"][self.field()].as_u64()
    }

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

    /// The count from before, if it is kept at none.
    pub fn remembered(&self) -> Option<u64> {
        let text = self.object["metadata"]["annotations"][self.annotation].as_str();
        text.and_then(|text| text.parse().ok())
    }

    /// A controller that keeps the count as it stands in a repository, if one does.
    pub fn controller(&self) -> Option<Owner> {
        let fields = self.object["metadata"]["managedFields"].as_array()?;
        let field = format!("f:{}", self.field());
        let name = fields
            .iter()
            .filter(|entry| !entry["fieldsV1"]["f:spec"][&field].is_null())
            .filter_map(|entry| entry["manager"].as_str())
            .find(|manager| repository::puts_back(manager))?;
        Some(Owner {
            name: name.to_owned(),
            pause: self.pause(),
        })
    }

    fn pause(&self) -> String {
        let metadata = &self.object["metadata"];
        if let Some(tracking) = metadata["annotations"][ARGO_CD].as_str() {
            let application = tracking.split(':').next().unwrap_or(tracking);
            return format!("argocd app set {} --sync-policy none", word(application));
        }
        for (label, kind) in FLUX {
            if let Some(name) = metadata["labels"][label].as_str() {
                let namespace = metadata["labels"][label.replace("/name", "/namespace")].as_str();
                return format!(
                    "flux suspend {kind} {} --namespace {}",
                    word(name),
                    word(namespace.unwrap_or("flux-system"))
                );
            }
        }
        "Argo CD: argocd app set APPLICATION --sync-policy none; Flux: flux suspend kustomization NAME"
            .to_owned()
    }

    /// KEDA's scaler among those of the namespace that would start it again.
    pub fn scaler(&self, scaled: &[Value]) -> Option<Owner> {
        let ours = self.object.pointer("/metadata/name");
        let scaler = scaled
            .iter()
            .find(|scaled| scaled.pointer("/spec/scaleTargetRef/name") == ours)?;
        let name = scaler["metadata"]["name"].as_str().unwrap_or_default();
        Some(Owner {
            name: format!("ScaledObject {name}"),
            pause: format!(
                "kubectl annotate scaledobject {name} --namespace {} autoscaling.keda.sh/paused-replicas=0",
                self.namespace
            ),
        })
    }

    /// How many pods there are to be where it serves: one at least.
    pub fn wanted(&self) -> usize {
        let wanted = self.asked_for().unwrap_or(1).max(1);
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    /// The object scaled to none, with the count from before in it.
    pub fn stopped(&self) -> Value {
        let mut object = self.object.clone();
        // Both kinds mean one by saying nothing. A count of none was remembered earlier, or was there before us.
        let before = self.remembered().or(self.asked_for()).unwrap_or(1);
        object["metadata"]["annotations"][self.annotation] = json!(before.to_string());
        object["spec"][self.field()] = json!(0);
        object
    }

    /// The object as it was before, and how many pods that means. A site goes back into the accelerator with a Keycloak,
    /// also where somebody had stopped that before the rejoin; whatever a drill scales comes back as it was.
    pub fn started(&self) -> (Value, u64) {
        let mut object = self.object.clone();
        let least = u64::from(self.annotation == BY_REJOIN);
        let wanted = self.remembered().or(self.asked_for()).unwrap_or(1).max(least);
        object["spec"][self.field()] = json!(wanted);
        if let Some(metadata) = object["metadata"].as_object_mut()
            && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
        {
            annotations.remove(self.annotation);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        (object, wanted)
    }

    /// The object without us among those who hold its fields. Where we hold none it is as it was.
    pub fn given_back(&self) -> Value {
        let mut object = self.object.clone();
        let managers = object.pointer_mut("/metadata/managedFields");
        if let Some(managers) = managers.and_then(Value::as_array_mut) {
            managers.retain(|entry| entry["manager"] != FIELD_MANAGER);
        }
        object
    }

    /// Where each ready pod of Keycloak is asked whether a balancer may send somebody there, by way of the API server.
    pub fn lb_checks(&self) -> Vec<LbCheck> {
        let options = self.object["spec"]["additionalOptions"].as_array();
        let prefix = options.into_iter().flatten().find_map(|option| {
            let is_prefix = option["name"] == "http-relative-path";
            option["value"].as_str().filter(|_| is_prefix)
        });
        let prefix = prefix.unwrap_or_default().trim_matches('/');
        let path = match prefix {
            "" => LB_CHECK.to_owned(),
            prefix => format!("{prefix}/{LB_CHECK}"),
        };
        let ready = self.pods.iter().filter(|pod| is_ready(pod));
        ready
            .map(|pod| {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                let containers = pod["spec"]["containers"].as_array();
                let ports = || {
                    let all = containers.into_iter().flatten();
                    all.filter_map(|container| container["ports"].as_array())
                        .flatten()
                };
                let at = |scheme: &str| {
                    let port = ports().find(|port| port["name"] == scheme)?;
                    Some(format!("{scheme}:{name}:{}", port["containerPort"].as_u64()?))
                };
                LbCheck {
                    pod: name.to_owned(),
                    address: at("https").or_else(|| at("http")),
                    path: path.clone(),
                }
            })
            .collect()
    }

    /// As `status` shows it.
    pub fn state(&self) -> KeycloakState {
        KeycloakState {
            wanted: self.asked_for(),
            pods: self.pods.len(),
            ready: self.pods.iter().filter(|pod| is_ready(pod)).count(),
        }
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let is = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(is)) && pod["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keycloak(object: Value) -> Workload {
        Workload {
            annotation: BY_REJOIN,
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
        assert_eq!(started, before.object, "nothing of ours is left");
    }

    #[test]
    fn a_count_left_out_is_one() {
        let before = keycloak(json!({"metadata": {"name": "keycloak"}, "spec": {}}));
        assert_eq!(keycloak(before.stopped()).started().1, 1);
    }

    #[test]
    fn what_a_drill_found_at_none_stays_at_none_and_a_rejoin_needs_a_keycloak() {
        let found = json!({"metadata": {"name": "it"}, "spec": {"instances": 0, "replicas": 0}});
        for (annotation, wanted) in [(BY_DRILL, 0), (BY_REJOIN, 1)] {
            let of = |object| Workload {
                annotation,
                ..keycloak(object)
            };
            let stopped = of(of(found.clone()).stopped());
            assert_eq!(stopped.remembered(), Some(0), "{annotation}");
            assert_eq!(stopped.started().1, wanted, "{annotation}");
        }
    }

    #[test]
    fn only_a_controller_that_holds_the_count_is_in_the_way() {
        let owned =
            |manager: &str, field: &str| json!([{"manager": manager, "fieldsV1": {"f:spec": {field: {}}}}]);
        for (manager, field, pause) in [
            (
                "argocd-controller",
                "f:instances",
                Some("argocd app set sso --sync-policy none"),
            ),
            (
                "kustomize-controller",
                "f:instances",
                Some("argocd app set sso --sync-policy none"),
            ),
            // It leaves the count alone.
            ("argocd-controller", "f:image", None),
            ("kubectl-edit", "f:instances", None),
        ] {
            let object = json!({"metadata": {
                "annotations": {ARGO_CD: "sso:k8s.keycloak.org/Keycloak:keycloak/keycloak"},
                "managedFields": owned(manager, field),
            }});
            let owner = keycloak(object).controller();
            assert_eq!(
                owner.map(|owner| owner.pause).as_deref(),
                pause,
                "{manager} {field}"
            );
        }
        let object = json!({"metadata": {
            "labels": {
                "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "gitops",
            },
            "managedFields": owned("kustomize-controller", "f:instances"),
        }});
        assert_eq!(
            keycloak(object).controller().map(|owner| owner.pause).as_deref(),
            Some("flux suspend kustomization apps --namespace gitops")
        );
    }

    #[test]
    fn keda_is_in_the_way_if_it_scales_this_one() {
        let ours = keycloak(json!({"metadata": {"name": "keycloak"}}));
        let scaler = |target: &str| json!({"metadata": {"name": "by-load"}, "spec": {"scaleTargetRef": {"name": target}}});
        assert_eq!(ours.scaler(&[scaler("other")]), None);
        let owner = ours.scaler(&[scaler("other"), scaler("keycloak")]);
        assert_eq!(
            owner.map(|owner| owner.name).as_deref(),
            Some("ScaledObject by-load")
        );
    }

    #[test]
    fn what_is_given_back_is_held_by_all_others() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "kubectl-edit"}, {"manager": FIELD_MANAGER, "operation": "Update"},
        ]}});
        let back = keycloak(object).given_back();
        assert_eq!(
            back["metadata"]["managedFields"],
            json!([{"manager": "kubectl-edit"}])
        );
        let untouched = keycloak(json!({"metadata": {"name": "keycloak"}, "spec": {}}));
        assert_eq!(untouched.given_back(), untouched.object);
    }

    #[test]
    fn each_ready_pod_is_asked_at_the_port_and_the_path_at_which_it_serves() {
        let pod = |name: &str, ports: Value| {
            json!({
                "metadata": {"name": name}, "spec": {"containers": [{"ports": ports}]},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            })
        };
        let port = |name: &str, number: u16| json!({"name": name, "containerPort": number});
        let mut starting = pod("keycloak-3", json!([port("https", 8443)]));
        starting["status"]["conditions"][0]["status"] = json!("False");
        let mut keycloak = keycloak(json!({"spec": {}}));
        keycloak.pods = vec![
            pod(
                "keycloak-0",
                json!([port("management", 9000), port("http", 8080), port("https", 8443)]),
            ),
            pod("keycloak-1", json!([port("http", 8080)])),
            pod("keycloak-2", json!([port("management", 9000)])),
            starting,
        ];
        let asked = |keycloak: &Workload| -> Vec<String> {
            let all = keycloak.lb_checks().into_iter();
            all.map(|check| format!("{} {}", check.address.as_deref().unwrap_or("nowhere"), check.path))
                .collect()
        };
        assert_eq!(
            asked(&keycloak),
            [
                "https:keycloak-0:8443 lb-check",
                "http:keycloak-1:8080 lb-check",
                "nowhere lb-check",
            ]
        );
        keycloak.object["spec"]["additionalOptions"] =
            json!([{"name": "http-relative-path", "value": "/auth"}]);
        assert_eq!(asked(&keycloak)[0], "https:keycloak-0:8443 auth/lb-check");
    }

    #[test]
    fn a_pod_that_is_ending_is_there_and_not_ready() {
        let mut pod = json!({
            "metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let state = |pod: &Value| {
            let keycloak = Workload {
                annotation: BY_REJOIN,
                resource: KEYCLOAKS,
                namespace: "keycloak".to_owned(),
                object: json!({"spec": {"instances": 2}}),
                pods: vec![pod.clone()],
            };
            let state = keycloak.state();
            (state.wanted, state.pods, state.ready)
        };
        assert_eq!(state(&pod), (Some(2), 1, 1));
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T20:00:00Z");
        assert_eq!(state(&pod), (Some(2), 1, 0));
    }
}
