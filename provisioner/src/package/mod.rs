//! The function's zip: the same input gives the same bytes, so that applying unchanged code changes nothing.
//!
//! ```text
//!   bootstrap        the binary, mode 0755
//!   ca/<site>.pem    the authorities that a site's Infinispan is verified with
//! ```
//!
//! Entries are sorted, their time is the format's first, their owner is nobody. Of a zip that somebody hands in,
//! only the binary is taken: authorities always come from the topology.

mod digest;
pub mod elf;
pub mod embedded;
mod version;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use fencing::words::SiteName;
use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

pub use self::digest::sha256;
pub use self::version::version_of;

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
    #[error(
        "this program is version {}, and carries the function of {}", env!("CARGO_PKG_VERSION"),
        version.as_ref().map_or_else(|| "no known version".to_owned(), |it| format!("version {it}"))
    )]
    OtherVersion { version: Option<String> },
    #[error("`{BOOTSTRAP}` has {bytes} bytes; Lambda's limit is {UNPACKED_LIMIT_BYTES}")]
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
            Self::OtherVersion { .. } => Some(
                "it was built with SITEFENCE_FUNCTIONS naming another version's folder: build it by `cargo xtask dist`, or \
                 hand in the right function with --function-zip"
                    .into(),
            ),
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
    /// The function's version, as its binary has it; one from before versions were written into it has none.
    pub version: Option<String>,
}

impl Package {
    /// Fails unless it is of the version that this program itself is. Which function a program carries was said when it
    /// was built, and may have been said wrong.
    pub fn is_ours(&self) -> Result<(), PackageError> {
        if self.version.as_deref() == Some(env!("CARGO_PKG_VERSION")) {
            Ok(())
        } else {
            Err(PackageError::OtherVersion {
                version: self.version.clone(),
            })
        }
    }

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
    pack_as(bootstrap, ca_bundles, |zip| {
        zip.start_file(BOOTSTRAP, options(PROGRAM))?;
        zip.write_all(bootstrap)?;
        Ok(())
    })
}

/// Packs the binary of a zip with the sites' authorities. It stays compressed as it is: building a release may take
/// minutes for what has to be done in a second here.
pub fn repack(zip: &[u8], ca_bundles: &BTreeMap<SiteName, Vec<u8>>) -> Result<PackedFunction, PackageError> {
    let bootstrap = bootstrap_of(zip)?;
    pack_as(&bootstrap, ca_bundles, |packed| {
        let mut archive = ZipArchive::new(Cursor::new(zip))?;
        let compressed = archive.by_name(BOOTSTRAP)?;
        packed.raw_copy_file_touch(compressed, DateTime::default(), Some(PROGRAM))?;
        Ok(())
    })
}

/// The mode of a program, and of what it only reads.
const PROGRAM: u32 = 0o755;
const DATA: u32 = 0o644;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(COMPRESSION_LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(mode)
}

/// Packs with the binary first, which `add` writes.
fn pack_as(
    bootstrap: &[u8],
    ca_bundles: &BTreeMap<SiteName, Vec<u8>>,
    add: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>) -> Result<(), Failed>,
) -> Result<PackedFunction, PackageError> {
    let write = || -> Result<Vec<u8>, Failed> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        add(&mut zip)?;
        for (site, pem) in ca_bundles {
            zip.start_file(format!("ca/{site}.pem"), options(DATA))?;
            zip.write_all(pem)?;
        }
        Ok(zip.finish()?.into_inner())
    };
    let zip = write().map_err(|source| PackageError::Unwritable { source })?;
    Ok(PackedFunction {
        package: Package {
            sha256: sha256(&zip),
            bytes: zip.len() as u64,
            version: version_of(bootstrap),
        },
        zip,
        bootstrap_bytes: bootstrap.len() as u64,
    })
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

    /// What was compressed better than here stays so, and nothing else of the other zip counts.
    #[test]
    fn a_repacked_binary_stays_compressed_as_it_was() {
        let text = "the function, ".repeat(100).into_bytes();
        let zip_of = |name: &str, method| {
            let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
            let options = SimpleFileOptions::default()
                .compression_method(method)
                .unix_permissions(0o600);
            zip.start_file(name, options).unwrap();
            zip.write_all(&text).unwrap();
            zip.finish().unwrap().into_inner()
        };
        let stored = zip_of(BOOTSTRAP, CompressionMethod::Stored);
        let repacked = repack(&stored, &bundles()).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(repacked.zip.as_slice())).unwrap();
        let entry = zip.by_name(BOOTSTRAP).unwrap();
        assert_eq!(entry.compressed_size(), text.len() as u64);
        assert_eq!(entry.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        drop(entry);
        assert_eq!(bootstrap_of(&repacked.zip).unwrap(), text);
        // A zip of ours comes out as it went in.
        let packed = pack(&text, &bundles()).unwrap();
        assert_eq!(repack(&packed.zip, &bundles()).unwrap(), packed);
        let damaged = {
            let mut zip = zip_of(BOOTSTRAP, CompressionMethod::Stored);
            let middle = zip.len() / 2;
            zip[middle] ^= 1;
            zip
        };
        assert!(matches!(
            repack(&damaged, &bundles()),
            Err(PackageError::NoZip { .. })
        ));
    }

    #[test]
    fn only_the_own_version_s_function_is_carried() {
        let of = |text: &str| pack(text.as_bytes(), &BTreeMap::new()).unwrap().package;
        of(&format!("\0{}\0", fencing::contract::AGENT))
            .is_ours()
            .unwrap();
        for (text, expected) in [
            (
                "sitefence-function/0.0.9 (fencing)",
                "carries the function of version 0.0.9",
            ),
            ("somebody else's", "carries the function of no known version"),
        ] {
            let error = of(text).is_ours().unwrap_err();
            assert!(error.to_string().ends_with(expected), "{error}");
            assert!(error.hint().unwrap().contains("--function-zip"));
        }
    }

    #[test]
    fn a_zip_without_a_binary_is_refused() {
        let mut other = ZipWriter::new(Cursor::new(Vec::new()));
        other.start_file("lambda_function.py", options(DATA)).unwrap();
        let other = other.finish().unwrap().into_inner();
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
