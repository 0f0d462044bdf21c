//! The files a topology names: CA bundles, which travel to the function inside its zip.

use std::path::{Path as FsPath, PathBuf};

use fencing::certificate::Certificate;
use fencing::health::ENDING_WARNS_DAYS;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::checks::Clash;
use super::{SiteName, Topology};
use crate::yaml::Path;

/// A bundle larger than this is a mistake: all authorities of an operating system fit in less.
const MOST_BYTES: usize = 512 * 1024;

/// Reads a file the topology names; the edge hands this in.
pub type ReadFile<'a> = &'a dyn Fn(&FsPath) -> std::io::Result<Vec<u8>>;

/// The CA bundle of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    pub site: SiteName,
    /// Where it was read, relative to the working directory.
    pub path: PathBuf,
    pub pem: Vec<u8>,
}

/// How an authority stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is trusted, and will not be for long.
    EndsSoon,
    /// Nobody trusts it any more, nor any other of its bundle.
    Ended,
    /// Nobody trusts it yet, nor any other of its bundle.
    NotYet,
}

/// An authority in a bundle that ends soon, or one of a bundle in which none is trusted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub site: SiteName,
    pub path: PathBuf,
    pub authority: String,
    pub validity: Validity,
    /// From then on nobody trusts it; where nobody does yet, from then on they do.
    pub at: Timestamp,
}

/// The authorities that end within the days in which the function's check tells of certificates. One that has ended
/// stays behind its successor as a rule, and harms nobody; if none of a bundle is trusted now, all of it is reported.
pub fn endings(bundles: &[CaBundle], now: Timestamp) -> Vec<Expiry> {
    let soon = now.saturating_add(SignedDuration::from_hours(24 * i64::from(ENDING_WARNS_DAYS)));
    let soon = soon.unwrap_or(Timestamp::MAX);
    let of_bundle = bundles.iter().flat_map(|bundle| {
        let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(&bundle.pem).filter_map(Result::ok);
        let certificates: Vec<Certificate> =
            sections.filter_map(|(_, der)| Certificate::read(&der)).collect();
        let is_trusted = |it: &Certificate| it.begins <= now && now < it.ends;
        let none_is = !certificates.iter().any(is_trusted);
        let told = certificates.into_iter().filter_map(move |it| {
            let (validity, at) = if none_is && it.ends <= now {
                (Validity::Ended, it.ends)
            } else if none_is {
                (Validity::NotYet, it.begins)
            } else if is_trusted(&it) && it.ends <= soon {
                (Validity::EndsSoon, it.ends)
            } else {
                return None;
            };
            Some((it.name, validity, at))
        });
        told.map(|(authority, validity, at)| Expiry {
            site: bundle.site.clone(),
            path: bundle.path.clone(),
            authority,
            validity,
            at,
        })
    });
    of_bundle.collect()
}

/// Reads the bundles that `topology` names, relative to `folder`, and says what is wrong with them.
pub(super) fn read(
    topology: &Topology,
    folder: &FsPath,
    read_file: ReadFile<'_>,
) -> (Vec<CaBundle>, Vec<Clash>) {
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
            Err((message, hint)) => complaints.push(Clash {
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
            format!("has {} bytes; the limit is {MOST_BYTES}", pem.len()),
            "only the authorities that sign Infinispan's certificate are needed",
        ));
    }
    let lines = || pem.split(|byte| *byte == b'\n');
    let is_indented =
        |line: &[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN") && !line.starts_with(b"-----");
    if lines().any(is_indented) {
        return Some((
            "is indented, so it cannot be read as PEM".to_owned(),
            "remove the spaces at the start of each line; PEM that is copied out of YAML has them",
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
                    "holds a block that is not a certificate".to_owned(),
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// In days from now: when the authorities of a bundle end, and which of them are reported.
    #[test]
    fn authorities_that_expire_within_a_month_are_reported() {
        let now: Timestamp = "2026-12-20T00:00:00Z".parse().unwrap();
        let pem = |years: &[i32]| {
            let mut pem = Vec::new();
            for year in years {
                let begins = if *year > 2040 { 2030 } else { 2020 };
                let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
                params
                    .distinguished_name
                    .push(rcgen::DnType::CommonName, format!("root of {year}"));
                params.not_before = rcgen::date_time_ymd(begins, 1, 1);
                params.not_after = rcgen::date_time_ymd(*year, 1, 1);
                let key = rcgen::KeyPair::generate().unwrap();
                pem.extend(params.self_signed(&key).unwrap().pem().into_bytes());
            }
            pem
        };
        for (years, told) in [
            (&[2031][..], &[][..]),
            (&[2027], &[("root of 2027", Validity::EndsSoon)]),
            (&[2027, 2031], &[("root of 2027", Validity::EndsSoon)]),
            (&[2026, 2031, 2041], &[]),
            (&[2026], &[("root of 2026", Validity::Ended)]),
            (&[2041], &[("root of 2041", Validity::NotYet)]),
            (
                &[2026, 2041],
                &[
                    ("root of 2026", Validity::Ended),
                    ("root of 2041", Validity::NotYet),
                ],
            ),
        ] {
            let bundle = CaBundle {
                site: SiteName::new("site-a").unwrap(),
                path: PathBuf::from("ca.pem"),
                pem: pem(years),
            };
            let endings = endings(&[bundle], now);
            let names: Vec<(&str, Validity)> = endings
                .iter()
                .map(|ending| (ending.authority.as_str(), ending.validity))
                .collect();
            assert_eq!(names, told, "{years:?}");
        }
    }

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
                "holds a block that is not a certificate",
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
