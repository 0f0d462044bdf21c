//! The function's zip: the same input gives the same bytes, so that applying unchanged code changes nothing.
//!
//! ```text
//!   bootstrap        the binary, mode 0755
//!   ca/<site>.pem    the authorities that a site's Infinispan is verified with
//! ```
//!
//! Entries are sorted, their time is the format's first, their owner is nobody. Whoever hands in a ready zip
//! hands in the binary only: authorities always come from the topology.

mod digest;
pub mod elf;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use fencing::words::SiteName;
use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

pub use self::digest::sha256;

/// The name that `provided.al2023` starts.
pub const BOOTSTRAP: &str = "bootstrap";
/// What Lambda takes from a bucket, unpacked. A binary of ours has some megabytes; a zip that unpacks to more is refused
/// unread.
const UNPACKED_LIMIT_BYTES: u64 = 250 * 1024 * 1024;
const COMPRESSION_LEVEL: i64 = 9;

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("the zip cannot be read")]
    NoZip {
        #[source]
        source: zip::result::ZipError,
    },
    #[error("the zip holds no `{BOOTSTRAP}`, but {}", if entries.is_empty() { "nothing".to_owned() } else { entries.join(", ") })]
    NoBootstrap { entries: Vec<String> },
    #[error("`{BOOTSTRAP}` has {bytes} bytes, and Lambda takes {UNPACKED_LIMIT_BYTES}")]
    TooLarge { bytes: u64 },
    #[error("the zip cannot be written")]
    Unwritable {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl PackageError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoZip { .. } | Self::NoBootstrap { .. } | Self::TooLarge { .. } => {
                Some("`provision build` writes a zip that fits".into())
            }
            Self::Unwritable { .. } => None,
        }
    }
}

/// The function's zip, as far as a plan needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// SHA-256 of the zip, in hexadecimal.
    pub sha256: String,
    pub bytes: u64,
}

impl Package {
    /// Where the bucket keeps it: the same content always under the same key.
    pub fn key(&self) -> String {
        format!("{PACKAGES}{}.zip", self.sha256)
    }
}

/// The SHA-256 that the package under a key must have, in hexadecimal: the key says it, and need not tell the truth.
pub fn sha256_of_key(key: &str) -> Option<&str> {
    key.strip_prefix(PACKAGES)?.strip_suffix(".zip")
}

/// What all packages' keys begin with.
pub const PACKAGES: &str = "function/";

/// A package with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFunction {
    /// What a plan needs to know.
    pub package: Package,
    pub zip: Vec<u8>,
    /// The binary's size before packing.
    pub bootstrap_bytes: u64,
}

/// Packs a binary with the sites' authorities.
pub fn pack(
    bootstrap: &[u8],
    ca_bundles: &BTreeMap<SiteName, Vec<u8>>,
) -> Result<PackedFunction, PackageError> {
    let mut entries = BTreeMap::from([(BOOTSTRAP.to_owned(), (0o755, bootstrap))]);
    for (site, pem) in ca_bundles {
        entries.insert(format!("ca/{site}.pem"), (0o644, pem.as_slice()));
    }
    let zip = write(&entries).map_err(|source| PackageError::Unwritable { source })?;
    Ok(PackedFunction {
        package: Package {
            sha256: sha256(&zip),
            bytes: zip.len() as u64,
        },
        zip,
        bootstrap_bytes: bootstrap.len() as u64,
    })
}

fn write(
    entries: &BTreeMap<String, (u32, &[u8])>,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, (mode, content)) in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(COMPRESSION_LEVEL))
            .last_modified_time(DateTime::default())
            .unix_permissions(*mode);
        zip.start_file(name, options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The binary in a zip.
pub fn bootstrap_of(zip: &[u8]) -> Result<Vec<u8>, PackageError> {
    let no_zip = |source| PackageError::NoZip { source };
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(no_zip)?;
    let Some(index) = archive.index_for_name(BOOTSTRAP) else {
        return Err(PackageError::NoBootstrap {
            entries: archive
                .file_names()
                .flatten()
                .map(|name| name.into_owned())
                .collect(),
        });
    };
    let entry = archive.by_index(index).map_err(no_zip)?;
    if entry.size() > UNPACKED_LIMIT_BYTES {
        return Err(PackageError::TooLarge { bytes: entry.size() });
    }
    let mut bootstrap = Vec::new();
    // The size in the directory is the sender's word; what is read is bounded all the same.
    let read = entry
        .take(UNPACKED_LIMIT_BYTES + 1)
        .read_to_end(&mut bootstrap)
        .map_err(|error| no_zip(error.into()))?;
    if read as u64 > UNPACKED_LIMIT_BYTES {
        return Err(PackageError::TooLarge { bytes: read as u64 });
    }
    Ok(bootstrap)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bundles() -> BTreeMap<SiteName, Vec<u8>> {
        ["site-b", "site-a"]
            .into_iter()
            .map(|name| {
                (
                    SiteName::new(name).unwrap(),
                    format!("the authority of {name}").into_bytes(),
                )
            })
            .collect()
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let bundles = bundles();
        let first = pack(b"a binary", &bundles).unwrap();
        let second = pack(b"a binary", &bundles).unwrap();
        assert_eq!(first, second);
        assert_ne!(first.package, pack(b"another binary", &bundles).unwrap().package);
        assert_ne!(
            first.package,
            pack(b"a binary", &BTreeMap::new()).unwrap().package
        );
        // The format and its compression are pinned: a change would redeploy every function.
        assert_eq!(
            pack(b"a binary", &BTreeMap::new()).unwrap().package.sha256,
            "5a648573283eee87b3b96fd3e15c3645d56b98e0be7a0d42c127c14fc1b291e4"
        );
    }

    #[test]
    fn a_zip_holds_an_executable_and_the_authorities() {
        let packed = pack(b"a binary", &bundles()).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(packed.zip.as_slice())).unwrap();
        let entries: Vec<(String, Option<u32>)> = (0..zip.len())
            .map(|index| {
                let entry = zip.by_index(index).unwrap();
                (
                    entry.name().unwrap().into_owned(),
                    entry.unix_mode().map(|mode| mode & 0o777),
                )
            })
            .collect();
        assert_eq!(
            entries,
            [
                ("bootstrap".to_owned(), Some(0o755)),
                ("ca/site-a.pem".to_owned(), Some(0o644)),
                ("ca/site-b.pem".to_owned(), Some(0o644)),
            ]
        );
        assert_eq!(bootstrap_of(&packed.zip).unwrap(), b"a binary");
        assert_eq!(
            packed.package.key(),
            format!("function/{}.zip", sha256(&packed.zip))
        );
    }

    #[test]
    fn a_zip_without_a_binary_is_refused() {
        let other = write(&BTreeMap::from([(
            "lambda_function.py".to_owned(),
            (0o644, b"x".as_slice()),
        )]))
        .unwrap();
        let error = bootstrap_of(&other).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the zip holds no `bootstrap`, but lambda_function.py"
        );
        assert!(matches!(
            bootstrap_of(b"not a zip"),
            Err(PackageError::NoZip { .. })
        ));
    }
}
