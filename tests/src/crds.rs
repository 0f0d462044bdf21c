//! The schemas of prometheus-operator's kinds, from the operator's own source package.
//!
//! Go's module proxy serves it and `go` checks it against `tests/crds/go.sum`; nothing of it is compiled, and nothing
//! is copied into this repository. A machine without Go has no schemas: then whoever needs them says so and goes
//! without.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use provisioner::topology::Platform;
use serde_json::{Value, json};

const MODULE: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";

/// The kinds that Sitefence writes.
const FILES: [&str; 3] = ["alertmanagerconfigs", "podmonitors", "prometheusrules"];

/// Those that prometheus-operator itself wants to see before it does anything, beside them.
const OPERATORS: [&str; 6] = [
    "alertmanagers",
    "prometheuses",
    "prometheusagents",
    "probes",
    "servicemonitors",
    "scrapeconfigs",
];

/// Why there are no schemas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSchemas {
    #[error("`go` is not installed, so the schemas of prometheus-operator cannot be fetched")]
    NoGo,
    #[error("the schemas of prometheus-operator could not be fetched: {0}")]
    Fetch(String),
    #[error("{path} is no CustomResourceDefinition: {message}")]
    Read { path: PathBuf, message: String },
}

/// The definitions as a cluster of this platform has them: OpenShift serves v1beta1 of AlertmanagerConfig, too.
pub fn monitoring_definitions(platform: Platform) -> Result<Vec<Value>, NoSchemas> {
    static FULL: OnceLock<Result<Vec<Value>, NoSchemas>> = OnceLock::new();
    static PLAIN: OnceLock<Result<Vec<Value>, NoSchemas>> = OnceLock::new();
    match platform {
        Platform::Openshift => FULL
            .get_or_init(|| read_all("prometheus-operator-crd-full"))
            .clone(),
        Platform::Kubernetes => PLAIN.get_or_init(|| read_all("prometheus-operator-crd")).clone(),
    }
}

/// The same, with all that prometheus-operator looks for.
pub fn operators_monitoring_definitions(platform: Platform) -> Result<Vec<Value>, NoSchemas> {
    let mut all = monitoring_definitions(platform)?;
    all.extend(read_these("prometheus-operator-crd-full", &OPERATORS)?);
    Ok(all)
}

fn read_all(folder: &str) -> Result<Vec<Value>, NoSchemas> {
    read_these(folder, &FILES)
}

fn read_these(folder: &str, names: &[&str]) -> Result<Vec<Value>, NoSchemas> {
    let folder = module()?.join("example").join(folder);
    names
        .iter()
        .map(|name| read(&folder.join(format!("monitoring.coreos.com_{name}.yaml"))))
        .collect()
}

/// Where the module's source is, fetched on first use.
fn module() -> Result<PathBuf, NoSchemas> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crds"))
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env_remove("GOFLAGS")
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoSchemas::NoGo),
        Err(error) => return Err(NoSchemas::Fetch(error.to_string())),
    };
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match said["Dir"].as_str().filter(|_| output.status.success()) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Err(NoSchemas::Fetch(said["Error"].as_str().map_or_else(
            || String::from_utf8_lossy(&output.stderr).into_owned(),
            str::to_owned,
        ))),
    }
}

fn read(path: &Path) -> Result<Value, NoSchemas> {
    let unreadable = |message: String| NoSchemas::Read {
        path: path.to_owned(),
        message,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let mut definition: Value = serde_yaml::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if definition["kind"] != "CustomResourceDefinition" {
        return Err(unreadable("another kind".to_owned()));
    }
    // What belongs to the operator's own packaging, and a megabyte of it would be shown with each object.
    definition["metadata"] = json!({"name": definition["metadata"]["name"]});
    Ok(definition)
}
