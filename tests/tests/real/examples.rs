//! What the examples render to, as the operator's kinds.

use std::path::{Path, PathBuf};

use provisioner::check::documents as render;
use provisioner::topology::{Site, Topology, load};
use serde_json::Value;

/// An example that is read and rendered.
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) topology: Topology,
    documents: Vec<(String, Value)>,
}

pub(crate) fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Example::read(path)).collect()
}

impl Example {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let loaded = load(&bytes, &path.to_string_lossy(), &|file| std::fs::read(file));
        let topology = loaded
            .unwrap_or_else(|mistakes| panic!("{}: {mistakes:#?}", path.display()))
            .topology;
        let documents = render(&topology)
            .unwrap()
            .into_iter()
            .filter(|document| document.path.to_string().starts_with("clusters/"))
            .map(|document| {
                let value = serde_yaml::from_str(&document.text).unwrap();
                (document.path, value)
            })
            .collect();
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            topology,
            documents,
        }
    }

    /// A site's document of a kind.
    pub(crate) fn document(&self, site: &Site, kind: &str) -> &Value {
        let folder = format!("clusters/{}/", site.name);
        let found = self
            .documents
            .iter()
            .find(|(path, document)| path.starts_with(&folder) && document["kind"] == kind);
        &found
            .unwrap_or_else(|| panic!("{} has no {kind} for {}", self.name, site.name))
            .1
    }
}
