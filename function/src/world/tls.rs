//! TLS for both kinds of hosts: AWS's, and each site's Infinispan. Verification cannot be switched off; there
//! is no code for it.
//!
//! AWS's hosts are verified against Mozilla's roots, compiled in as ready-made anchors: nothing is read from
//! disk and nothing is parsed at start, where loading the system's 144 certificates costs 0.7 ms of CPU for
//! each client. Narrowing them to Amazon's own would save nothing more and would break behind an endpoint
//! variable or a TLS-inspecting egress with a public certificate.

use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::world::certificates::{Noting, Shown};
use crate::world::connection::{Orderly, Resetting};

/// How long a TCP connection may take to open. A host of the own Region answers in milliseconds, one across
/// an ocean in a fifth of a second, a lost one never.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);

/// A connector for HTTP over TCP, with TLS where the address says so.
pub type Connector = Orderly;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the CA bundle holds no certificate")]
    Empty,
    #[error("the CA bundle is not PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// PEM, but no certificate authority.
    #[error("certificate {number} of the CA bundle cannot be trusted as a root")]
    Certificate {
        /// Counted from 1.
        number: usize,
        #[source]
        source: rustls::Error,
    },
    #[error("no certificate can be verified")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
    /// No name that a certificate could have.
    #[error("the server's name is not a name")]
    Name(#[source] rustls_pki_types::InvalidDnsNameError),
    /// Never with the versions compiled in.
    #[error("no TLS version is available")]
    Versions(#[source] rustls::Error),
}

/// The roots that public certificates hang from.
pub fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// The roots of a topology's own bundle, and no others.
pub fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let certificate = certificate.map_err(TlsError::Pem)?;
        roots.add(certificate).map_err(|source| TlsError::Certificate {
            number: index + 1,
            source,
        })?;
    }
    if roots.is_empty() {
        return Err(TlsError::Empty);
    }
    Ok(roots)
}

/// The certificates of a topology's own bundle, which distinguish its authorities when one expires.
pub fn certificates_from_pem(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

/// Which addresses a connector accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// `https://` only.
    Refused,
    /// `http://` too: a local endpoint that the environment names.
    Allowed,
}

/// A connector that trusts `roots`. Ring is named here and nowhere left to a default, so no other crypto
/// library can slip in.
pub fn connector(roots: RootCertStore, plain: Plain) -> Result<Connector, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(over(config, plain))
}

/// The same, `https://` only, which notes what certificates it is shown, and takes those that are made out to the
/// server's other name, too.
pub fn noting_connector(
    roots: RootCertStore,
    shown: &Arc<Shown>,
    name: Option<&str>,
) -> Result<Connector, TlsError> {
    let name = name
        .map(|name| ServerName::try_from(name.to_owned()))
        .transpose()
        .map_err(TlsError::Name)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(TlsError::Verifier)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        // Dangerous is what a verifier of one's own may leave out; this one asks the usual one and adds nothing.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Noting::new(verifier, Arc::clone(shown), name)))
        .with_no_client_auth();
    Ok(over(config, Plain::Refused))
}

fn over(config: ClientConfig, plain: Plain) -> Connector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_LIMIT));
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    let builder = match plain {
        Plain::Refused => builder.https_only(),
        Plain::Allowed => builder.https_or_http(),
    };
    Orderly::new(builder.enable_http1().wrap_connector(Resetting(http)))
}

/// An error and its causes in one line, each once. What comes out of HTTP and TLS names hosts and reasons,
/// never headers.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn public_roots_are_there_without_reading_anything() {
        assert!(public_roots().len() > 100);
        assert!(connector(public_roots(), Plain::Refused).is_ok());
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        assert!(matches!(roots_from_pem(b""), Err(TlsError::Empty)));
        assert!(matches!(roots_from_pem(b"no pem at all"), Err(TlsError::Empty)));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            roots_from_pem(broken),
            Err(TlsError::Certificate { number: 1, .. })
        ));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(roots_from_pem(cut).is_err());
    }
}
