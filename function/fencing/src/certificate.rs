//! When certificates end: so much of X.509 as that takes.
//!
//! Whether a certificate is to be trusted the TLS library judges. It does not say until when, so that is read here,
//! with the two names by which a chain hangs together.
//!
//! ```text
//!   Certificate ─ to be signed ─┬─ [0] version, serial number, algorithm
//!                               ├─ issuer
//!                               ├─ validity ─ not before, not after
//!                               └─ subject, …
//! ```

use jiff::Timestamp;
use yasna::tags::{TAG_UTCTIME, TAG_UTF8STRING};
use yasna::{ASN1Result, BERReader, Tag};

/// A chain is no longer than this; what comes after is ignored.
const LONGEST_CHAIN: usize = 8;

/// `commonName` in a name.
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];

/// What is read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its common name, or nothing.
    pub name: String,
    /// Before that nobody trusts it.
    pub begins: Timestamp,
    /// From then on nobody trusts it.
    pub ends: Timestamp,
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Certificate {
    /// Reads it; none where it is no certificate.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (issuer, (begins, ends), subject) = yasna::parse_der(der, |reader| {
            reader.read_sequence(|certificate| {
                let read = certificate.next().read_sequence(|signed| {
                    signed
                        .read_optional(|version| version.read_tagged(Tag::context(0), |it| it.read_i64()))?;
                    let _serial_number = signed.next().read_der()?;
                    let _algorithm = signed.next().read_der()?;
                    let issuer = signed.next().read_der()?;
                    let validity = signed
                        .next()
                        .read_sequence(|validity| Ok((time(validity.next())?, time(validity.next())?)))?;
                    let subject = signed.next().read_der()?;
                    // The key and what extends it; of no interest, and to be read to the end.
                    while signed.read_optional(|rest| rest.read_der())?.is_some() {}
                    Ok((issuer, validity, subject))
                })?;
                let _algorithm = certificate.next().read_der()?;
                let _signature = certificate.next().read_der()?;
                Ok(read)
            })
        })
        .ok()?;
        Some(Self {
            name: common_name(&subject).unwrap_or_default(),
            begins: Timestamp::from_second(begins).ok()?,
            ends: Timestamp::from_second(ends).ok()?,
            subject,
            issuer,
        })
    }

    /// Whether it signed itself, as an authority's own does.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Of the certificates on the way from the first of `shown` to its authority, by the names of their issuers, the
    /// one that ends first, and whether it is an authority's.
    pub fn first_to_end(shown: &[Self], authorities: &[Self]) -> Option<(Self, bool)> {
        let mut last = shown.first()?;
        let mut earliest = (last.clone(), false);
        let others: Vec<&Self> = shown.iter().skip(1).chain(authorities).collect();
        for _ in 1..LONGEST_CHAIN {
            if last.issuer == last.subject {
                break;
            }
            let Some(issuer) = others.iter().find(|it| it.subject == last.issuer) else {
                break;
            };
            last = issuer;
            if last.ends < earliest.0.ends {
                earliest = (last.clone(), true);
            }
        }
        Some(earliest)
    }
}

fn time(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    let is_short = reader.lookahead_tag()? == TAG_UTCTIME;
    Ok(if is_short {
        reader.read_utctime()?.datetime().unix_timestamp()
    } else {
        reader.read_generalized_time()?.datetime().unix_timestamp()
    })
}

fn common_name(name: &[u8]) -> Option<String> {
    let mut found = None;
    let read = yasna::parse_der(name, |reader| {
        reader.read_sequence_of(|set| {
            set.read_set_of(|part| {
                part.read_sequence(|part| {
                    let is_it = part.next().read_oid()?.components().as_slice() == COMMON_NAME;
                    let value = part.next();
                    let text = match value.lookahead_tag()? {
                        TAG_UTF8STRING => value.read_utf8string()?,
                        // PrintableString as a rule; whatever else it is, the bytes that are ASCII are readable.
                        _ => String::from_utf8_lossy(value.read_tagged_der()?.value()).into_owned(),
                    };
                    if is_it {
                        found = Some(text);
                    }
                    Ok(())
                })
            })
        })
    });
    read.ok()?;
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

    /// A certificate that ends with a year, by its authority or by itself, as DER, and the key that signs with it.
    fn made(name: &str, ends: i32, by: Option<&Issuer<'_, KeyPair>>) -> (Vec<u8>, Issuer<'static, KeyPair>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, "who");
        params.not_after = date_time_ymd(ends, 1, 1);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            Some(issuer) => params.signed_by(&key, issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        (certificate.der().to_vec(), Issuer::new(params, key))
    }

    fn read(der: &[u8]) -> Certificate {
        Certificate::read(der).unwrap()
    }

    /// Until 2049 the short form of a time is written, then the long one.
    #[test]
    fn a_certificate_tells_its_name_and_its_end() {
        for (year, at) in [(2031, "2031-01-01T00:00:00Z"), (2051, "2051-01-01T00:00:00Z")] {
            let certificate = read(&made("the server", year, None).0);
            assert_eq!(
                (certificate.name.as_str(), certificate.ends),
                ("the server", at.parse().unwrap())
            );
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let (der, _) = made("the server", 2031, None);
        let cut = der.split_last().unwrap().1;
        for der in [&b""[..], b"hello", &[0x30, 0x03, 0x02, 0x01, 0x01], cut] {
            assert_eq!(Certificate::read(der), None);
        }
    }

    /// Rows: when server, intermediate authority and root end; who ends first.
    #[test]
    fn the_first_to_end_on_the_way_to_the_authority() {
        for (server, between, root, expected) in [
            (2031, 2041, 2051, ("server", false)),
            (2041, 2031, 2051, ("between", true)),
            (2041, 2051, 2031, ("root", true)),
        ] {
            let (root, signs) = made("root", root, None);
            let (between, signs) = made("between", between, Some(&signs));
            let (server, _) = made("server", server, Some(&signs));
            let (stranger, _) = made("stranger", 2027, None);
            let shown = [&server, &between].map(|der| read(der));
            let authorities = [&stranger, &root].map(|der| read(der));
            let (first, is_authority) = Certificate::first_to_end(&shown, &authorities).unwrap();
            assert_eq!((first.name.as_str(), is_authority), expected);
        }
        assert_eq!(Certificate::first_to_end(&[], &[]), None);
    }
}
