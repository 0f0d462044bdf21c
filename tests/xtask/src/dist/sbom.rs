//! The bill of materials of a program, as CycloneDX 1.5: every crate that is linked in, from what cargo itself says.
//!
//! `cargo tree` resolves the features for the target, Cargo.lock has the checksums. The same lock gives the same
//! bytes: there is neither a serial number nor a time in it.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::failure::Failure;
use crate::workspace::Workspace;

const PACKAGE: &str = "provisioner";
const HINT: &str = "install Rust by https://rustup.rs";

/// The bill of `provision` for a target.
pub(crate) fn of(workspace: &Workspace, target: &str) -> Result<String, Failure> {
    let tree = Command::cargo(
        workspace,
        &["tree", "--locked", "--package", PACKAGE, "--target", target],
    )
    .arguments(&["--edges", "normal", "--prefix", "none", "--format", "{p}\t{l}"])
    .answer()
    .ok_or_else(|| Failure::Usage {
        what: "`cargo tree` does not answer".to_owned(),
        hint: HINT.to_owned(),
    })?;
    let path = workspace.root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).map_err(|source| Failure::File { path, source })?;
    Ok(bill(&tree, &checksums(&lock), env!("CARGO_PKG_VERSION")))
}

/// By name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut sums = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (field("name"), field("version"), field("checksum"))
        {
            sums.insert((name, version), checksum);
        }
    }
    sums
}

fn bill(tree: &str, checksums: &BTreeMap<(String, String), String>, version: &str) -> String {
    let mut components = BTreeMap::new();
    for line in tree.lines() {
        // What was printed before is marked.
        let line = line.trim_end_matches(" (*)");
        let (package, licence) = line.split_once('\t').unwrap_or((line, ""));
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(|it| it.strip_prefix('v')))
        else {
            continue;
        };
        let key = (name.to_owned(), version.to_owned());
        // Our own have no checksum: they are what is described.
        if let Some(checksum) = checksums.get(&key) {
            components.insert(key, (licence.to_owned(), checksum));
        }
    }
    let components: Vec<String> = components
        .iter()
        .map(|((name, version), (licence, checksum))| {
            let licences = if licence.is_empty() {
                String::new()
            } else {
                // The old way to write OR.
                format!(", \"licenses\": [{{\"expression\": {}}}]", quoted(&licence.replace(" / ", "/").replace('/', " OR ")))
            };
            format!(
                "    {{\"type\": \"library\", \"bom-ref\": {purl}, \"name\": {}, \"version\": {}, \"purl\": {purl}, \
                 \"hashes\": [{{\"alg\": \"SHA-256\", \"content\": {}}}]{licences}}}",
                quoted(name),
                quoted(version),
                quoted(checksum),
                purl = quoted(&format!("pkg:cargo/{name}@{version}")),
            )
        })
        .collect();
    format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \"metadata\": {{\"component\": \
         {{\"type\": \"application\", \"bom-ref\": \"provision\", \"name\": \"provision\", \"version\": {}}}}},\n  \"components\": [\n{}\n  ]\n}}\n",
        quoted(version),
        components.join(",\n")
    )
}

/// Names, versions and licences hold nothing that JSON would have to escape but these.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_that_is_not_ours_stands_once_with_its_checksum() {
        let lock = "[[package]]\nname = \"hex\"\nversion = \"0.4.3\"\nchecksum = \"ab12\"\n\n[[package]]\nname = \"fencing\"\nversion = \"0.1.0\"\n";
        let tree = "provisioner v0.1.0 (/a/place)\tApache-2.0\nhex v0.4.3\tMIT/Apache-2.0\nfencing v0.1.0 (/a/place)\t\nhex v0.4.3\tMIT/Apache-2.0 (*)\n";
        let bill = bill(tree, &checksums(lock), "0.1.0");
        assert_eq!(bill.matches("pkg:cargo/hex@0.4.3").count(), 2, "{bill}");
        assert!(
            bill.contains("\"content\": \"ab12\"") && bill.contains("\"MIT OR Apache-2.0\""),
            "{bill}"
        );
        assert!(!bill.contains("fencing") && !bill.contains("/a/place"), "{bill}");
    }
}
