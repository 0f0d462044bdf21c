//! The files a topology names: CA bundles, which travel to the function inside its zip.

use std::path::{Path as FsPath, PathBuf};

use rustls_pki_types::pem::{PemObject, SectionKind};

use super::checks::Complaint;
use super::{SiteName, Topology};
use crate::yaml::Path;

/// A bundle larger than this is a mistake: all authorities of an operating system fit in less.
const MOST_BYTES: usize = 512 * 1024;

/// Reads a file the topology names; the edge hands this in.
pub type ReadFile<'a> = &'a dyn Fn(&FsPath) -> std::io::Result<Vec<u8>>;

/// The CA bundle of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    /// Whose Infinispan it verifies.
    pub site: SiteName,
    /// Where it was read, relative to the working directory.
    pub path: PathBuf,
    /// Its content, PEM.
    pub pem: Vec<u8>,
}

/// Reads the bundles that `topology` names, relative to `folder`, and says what is wrong with them.
pub(super) fn read(
    topology: &Topology,
    folder: &FsPath,
    read_file: ReadFile<'_>,
) -> (Vec<CaBundle>, Vec<Complaint>) {
    let mut bundles = Vec::new();
    let mut complaints = Vec::new();
    for (index, site) in topology.sites.iter().enumerate() {
        let Some(file) = &site.infinispan.ca_bundle else {
            continue;
        };
        let path = folder.join(file.as_str());
        let verdict = read_file(&path)
            .map_err(|error| {
                (
                    format!("cannot read `{}`: {error}", path.display()),
                    "the path is relative to the topology file; export the authority of Infinispan's certificate there as PEM",
                )
            })
            .and_then(|pem| match fault(&pem) {
                None => Ok(pem),
                Some((message, hint)) => Err((format!("`{}` {message}", path.display()), hint)),
            });
        match verdict {
            Ok(pem) => bundles.push(CaBundle {
                site: site.name.clone(),
                path,
                pem,
            }),
            Err((message, hint)) => complaints.push(Complaint {
                at: Path::of(&format!("sites[{index}].infinispan.caBundle")),
                rests_on: Vec::new(),
                message,
                hint: hint.to_owned(),
            }),
        }
    }
    (bundles, complaints)
}

/// What is wrong with a bundle, and what to do.
fn fault(pem: &[u8]) -> Option<(String, &'static str)> {
    if pem.len() > MOST_BYTES {
        return Some((
            format!("has {} bytes, at most {MOST_BYTES} are taken", pem.len()),
            "only the authorities that sign Infinispan's certificate are needed",
        ));
    }
    let lines = || pem.split(|byte| *byte == b'\n');
    let is_indented =
        |line: &[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN") && !line.starts_with(b"-----");
    if lines().any(is_indented) {
        return Some((
            "is indented, and PEM is not read that way".to_owned(),
            "remove the blanks at the start of each line; they come along when PEM is copied out of YAML",
        ));
    }
    let count = |mark: &[u8]| lines().filter(|line| line.starts_with(mark)).count();
    if count(b"-----BEGIN ") > count(b"-----END ") {
        return Some((
            "ends in the middle of a block: there is a BEGIN line without its END line".to_owned(),
            "export it again, whole",
        ));
    }
    let mut certificates = 0_usize;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section {
            Ok((SectionKind::Certificate, der)) if is_der_sequence(&der) => certificates += 1,
            Ok((SectionKind::Certificate, _)) => {
                return Some((
                    "holds a certificate that is none".to_owned(),
                    "export it again, as PEM",
                ));
            }
            Ok((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _)) => {
                return Some((
                    "holds a private key, which would travel to AWS".to_owned(),
                    "keep the BEGIN CERTIFICATE blocks only",
                ));
            }
            Ok(_) => {}
            Err(error) => return Some((format!("is not PEM: {error}"), "export it again, as PEM")),
        }
    }
    (certificates == 0).then(|| {
        (
            "holds no certificate".to_owned(),
            "a PEM file has at least one BEGIN CERTIFICATE block; `openssl x509 -inform der` converts",
        )
    })
}

/// Whether this begins as a certificate does and is as long as it says: enough to catch a text in PEM's
/// clothes; the TLS library of the function judges the rest.
fn is_der_sequence(der: &[u8]) -> bool {
    match der {
        [0x30, short, rest @ ..] if *short < 0x80 => rest.len() == usize::from(*short),
        [0x30, 0x81, a, rest @ ..] => rest.len() == usize::from(*a),
        [0x30, 0x82, a, b, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*a, *b])),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_pass() {
        // Two DER sequences that hold nothing much: what a certificate says is not judged here.
        let good = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
        assert_eq!(fault(good.as_bytes()), None);
        assert_eq!(fault(format!("comment\n{good}{good}").as_bytes()), None);
        for (text, said) in [
            ("", "holds no certificate"),
            ("hello", "holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
                "holds a certificate that is none",
            ),
            (
                "-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n",
                "is not PEM",
            ),
            ("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n", "ends in the middle"),
            (
                "  -----BEGIN CERTIFICATE-----\n  MAMCAQE=\n  -----END CERTIFICATE-----\n",
                "is indented",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n",
                "holds a private key",
            ),
        ] {
            let message = fault(text.as_bytes())
                .map(|(message, _)| message)
                .unwrap_or_default();
            assert!(message.starts_with(said), "{text:?} gives {message:?}");
        }
        assert!(fault(&vec![b' '; MOST_BYTES + 1]).is_some_and(|(message, _)| message.contains("bytes")));
    }
}
