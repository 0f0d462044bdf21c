//! The certificates that a server shows, and whether public authorities signed them.
//!
//! Nothing is sent over such a connection and nothing is believed because of it: what was shown is for a person to
//! compare.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fencing::certificate::Certificate;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::observed::found::Authority;
use crate::topology::harmless;

/// Longer than any honest handshake.
const WITHIN: Duration = Duration::from_secs(5);
const HTTPS: u16 = 443;
/// As many as a common name may have by RFC 5280.
const NAME_CHARACTERS: usize = 64;

/// Which authority signed for the server at `endpoint`, a host with or without a port. In words, why that is not known.
pub async fn authority(endpoint: &str) -> Result<Authority, String> {
    let provider = Arc::new(ring::default_provider());
    let (shown, is_trusted) = match tokio::time::timeout(WITHIN, shake_hands(endpoint, &provider)).await {
        Ok(shown) => shown?,
        Err(_) => return Err(format!("{endpoint} did not answer within {} s", WITHIN.as_secs())),
    };
    if is_trusted {
        return Ok(Authority::Public);
    }
    // The last one signed those before it: the root, or what stands closest to it of what was shown.
    let last = shown
        .last()
        .ok_or_else(|| format!("{endpoint} showed no certificate"))?;
    let read = Certificate::read(last);
    if shown.len() == 1 && read.as_ref().is_some_and(|it| !it.is_self_issued()) {
        return Err(format!(
            "{endpoint} shows its own certificate only, not the authority's"
        ));
    }
    // Any server may show any name.
    let name = read
        .map(|it| harmless(&it.name, NAME_CHARACTERS))
        .unwrap_or_default();
    Ok(Authority::Own {
        name,
        fingerprint: fingerprint(last),
        pem: pem(last),
    })
}

/// SHA-256 as `openssl x509 -fingerprint -sha256` writes it.
fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(":")
}

fn pem(certificate: &[u8]) -> String {
    let text = aws_smithy_types::base64::encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: any place is a character's.
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(&format!("{line}\n"));
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

async fn shake_hands(
    endpoint: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<(Vec<CertificateDer<'static>>, bool), String> {
    let (host, port) = match endpoint.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("{endpoint} has no port"))?),
        None => (endpoint, HTTPS),
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is not a host name"))?;
    let words = |error: std::io::Error| format!("{endpoint} cannot be reached from here: {error}");
    let stream = TcpStream::connect((host, port)).await.map_err(words)?;
    let witness = Arc::new(Witness::new(provider));
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (seen, shaken) {
        // A server that wants a certificate of ours ends the handshake after it has shown its own.
        (Some(seen), _) => Ok(seen),
        (None, Err(error)) => Err(words(error)),
        (None, Ok(_)) => Err(format!("{endpoint} showed no certificate")),
    }
}

/// Sees what is shown, asks the public authorities about it, and lets everything pass.
struct Witness {
    provider: Arc<CryptoProvider>,
    public: Option<Arc<WebPkiServerVerifier>>,
    seen: Mutex<Option<(Vec<CertificateDer<'static>>, bool)>>,
}

impl Witness {
    fn new(provider: &Arc<CryptoProvider>) -> Self {
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self {
            provider: provider.clone(),
            public: WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .ok(),
            seen: Mutex::new(None),
        }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self
            .public
            .as_ref()
            .map(|it| it.verify_server_cert(own, others, name, response, now));
        let chain = std::iter::once(own)
            .chain(others)
            .map(|it| it.clone().into_owned())
            .collect();
        let seen = (chain, matches!(judged, Some(Ok(_))));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, own, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, own, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::ServerConfig;
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server for `localhost` whose chain is its certificate, and the authority's if that is to be shown.
    async fn server(shows_authority: bool) -> (String, CertificateDer<'static>) {
        server_of("an authority", shows_authority).await
    }

    async fn server_of(name: &str, shows_authority: bool) -> (String, CertificateDer<'static>) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().der().clone();
        let own_key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(["localhost".to_owned()]).unwrap();
        own.distinguished_name.push(DnType::CommonName, "a server");
        let own = own
            .signed_by(&own_key, &Issuer::new(params, key))
            .unwrap()
            .der()
            .clone();
        let chain = if shows_authority {
            vec![own, authority.clone()]
        } else {
            vec![own]
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::try_from(own_key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            // The client hangs up after the handshake.
            let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        });
        (format!("localhost:{port}"), authority)
    }

    #[tokio::test]
    async fn an_authority_of_one_s_own_is_shown_and_not_believed() {
        let (endpoint, expected) = server(true).await;
        let Ok(Authority::Own {
            name,
            fingerprint: shown,
            pem,
        }) = authority(&endpoint).await
        else {
            unreachable!("no public authority vouches for it");
        };
        assert_eq!((name.as_str(), shown), ("an authority", fingerprint(&expected)));
        assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_name_that_a_terminal_would_obey_is_shown_as_what_it_is() {
        let name = format!("good\nbad\r\u{1b}[2J\u{202e}ytirohtua\u{2028}{}", "x".repeat(100));
        let (endpoint, _) = server_of(&name, true).await;
        let Ok(Authority::Own { name, .. }) = authority(&endpoint).await else {
            unreachable!("no public authority knows it");
        };
        let begins = "good\u{fffd}bad\u{fffd}\u{fffd}[2J\u{fffd}ytirohtua\u{fffd}xxx";
        assert!(name.starts_with(begins), "{name:?}");
        assert_eq!((name.chars().count(), name.chars().last()), (65, Some('…')));
    }

    #[tokio::test]
    async fn a_certificate_without_its_authority_is_no_authority() {
        let (endpoint, _) = server(false).await;
        assert!(
            authority(&endpoint)
                .await
                .unwrap_err()
                .contains("not the authority's")
        );
        assert!(
            authority("localhost:1")
                .await
                .unwrap_err()
                .contains("cannot be reached")
        );
    }

    #[test]
    fn a_fingerprint_reads_as_openssl_writes_it() {
        assert!(fingerprint(b"").starts_with("E3:B0:C4:42:98:FC:"));
        assert_eq!(
            pem(&[0; 3]),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        );
    }
}
