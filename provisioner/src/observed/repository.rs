//! Who puts an object back to what stands in a repository: Argo CD and Flux, known by what they write on it.

use serde_json::Value;

/// The managers that put a field back to what stands in a repository, by how their names begin.
const CONTROLLERS: [&str; 4] = ["argocd", "kustomize-controller", "helm-controller", "flux"];
/// What those write on the objects that they keep: by which name they know them.
pub const ARGO_CD: &str = "argocd.argoproj.io/tracking-id";
/// Argo CD's older way, where it is set up not to use the label that Helm uses, too.
const ARGO_CD_LABEL: &str = "argocd.argoproj.io/instance";
/// Flux's labels, each with the kind that keeps the object.
pub const FLUX: [(&str, &str); 2] = [
    ("kustomize.toolkit.fluxcd.io/name", "kustomization"),
    ("helm.toolkit.fluxcd.io/name", "helmrelease"),
];

/// Whether this field manager puts back what it finds changed.
pub fn puts_back(manager: &str) -> bool {
    CONTROLLERS.iter().any(|known| manager.starts_with(known))
}

/// By which name the one is known that keeps the whole object, if somebody does.
pub fn keeper(object: &Value) -> Option<String> {
    let metadata = &object["metadata"];
    let tracking = metadata["annotations"][ARGO_CD].as_str();
    let tracking = tracking.or_else(|| metadata["labels"][ARGO_CD_LABEL].as_str());
    if let Some(tracking) = tracking {
        let application = tracking.split(':').next().unwrap_or(tracking);
        return Some(format!("Argo CD's application {application}"));
    }
    for (label, kind) in FLUX {
        if let Some(name) = metadata["labels"][label].as_str() {
            return Some(format!("Flux's {kind} {name}"));
        }
    }
    let managers = metadata["managedFields"].as_array();
    managers
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["manager"].as_str())
        .find(|manager| puts_back(manager))
        .map(|manager| format!("`{manager}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_keeper_is_known_by_its_marks() {
        for (metadata, expected) in [
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "mon:/ConfigMap:x/y"}}),
                Some("Argo CD's application mon"),
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "cluster"}}),
                Some("Flux's kustomization cluster"),
            ),
            (
                json!({"managedFields": [{"manager": "argocd-controller"}]}),
                Some("`argocd-controller`"),
            ),
            (json!({"managedFields": [{"manager": "kubectl-edit"}]}), None),
            (json!({"managedFields": [{"manager": "influxdb-operator"}]}), None),
            (json!({}), None),
        ] {
            let found = keeper(&json!({ "metadata": metadata }));
            assert_eq!(found.as_deref(), expected);
        }
    }
}
