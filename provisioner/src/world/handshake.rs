//! A handshake with a site's Infinispan, as the function would have one: nothing is asked over it.
//!
//! From here the host may be out of reach although the function reaches it; then nothing is known, which is no fault.

use std::sync::Arc;
use std::time::Duration;

use function::world::certificates::Noting;
use rustls::client::WebPkiServerVerifier;
use rustls::{CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::observed::handshake::Mistrust;

const WITHIN: Duration = Duration::from_secs(3);
const HTTPS_PORT: u16 = 443;

/// By what a server is to be known.
#[derive(Debug, Clone)]
pub struct ExpectedCertificate {
    /// The authorities of the topology; the public ones where it names none.
    pub authorities: Option<Vec<u8>>,
    /// A name that it may prove beside the host.
    pub name: Option<String>,
}

/// Shakes hands with `https://host[:port]`. Nothing, where it is trusted or out of reach.
pub async fn look(url: &str, expected: &ExpectedCertificate) -> Option<Mistrust> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?.to_owned();
    let address = (host.clone(), uri.port_u16().unwrap_or(HTTPS_PORT));
    let config = config(expected)?;
    let server = ServerName::try_from(host).ok()?;
    let shaken = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let connector = TlsConnector::from(Arc::new(config));
        let failed = connector.connect(server, stream).await.err()?;
        let error = failed.get_ref()?.downcast_ref::<Error>()?;
        Some(mistrust(error, expected.authorities.is_some()))
    };
    tokio::time::timeout(WITHIN, shaken).await.ok().flatten()
}

fn config(expected: &ExpectedCertificate) -> Option<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    match &expected.authorities {
        // What cannot be read there `validate` has reported.
        Some(pem) => {
            let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
            let _ = roots.add_parsable_certificates(certificates);
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .ok()?;
    let name = expected
        .name
        .clone()
        .and_then(|name| ServerName::try_from(name).ok());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        // Dangerous is what a verifier of one's own may leave out. This is the function's: it asks the usual one, and no
        // verdict can be another here than there.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Noting::new(verifier, Arc::default(), name)))
        .with_no_client_auth();
    Some(config)
}

/// What the TLS library's error means to the person who has to mend it.
fn mistrust(error: &Error, is_own: bool) -> Mistrust {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Mistrust::Plain,
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            Mistrust::Name {
                proves: presented.iter().map(|name| bare(name).to_owned()).collect(),
            }
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Mistrust::Authority { is_own }
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Mistrust::Ended
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => Mistrust::NotYet,
        other => Mistrust::Other(other.to_string()),
    }
}

/// The name in `DnsName("a.example.com")`.
fn bare(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn authority() -> (Issuer<'static, KeyPair>, Vec<u8>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        (Issuer::new(params, key), pem)
    }

    /// A server that proves `name` in those years, by this authority; its address.
    async fn server(issuer: &Issuer<'static, KeyPair>, name: &str, years: [i32; 2]) -> String {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        format!("https://localhost:{port}")
    }

    #[tokio::test]
    async fn name_authority_and_time_are_distinguished() {
        const OWN: &str = "infinispan.keycloak.svc";
        let (issuer, pem) = authority();
        let (stranger, _) = authority();
        let expected = ExpectedCertificate {
            authorities: Some(pem),
            name: Some(OWN.to_owned()),
        };
        let of_another = Mistrust::Name {
            proves: vec!["other.keycloak.svc".to_owned()],
        };
        for (issuer, name, years, found) in [
            (&issuer, OWN, [2020, 2090], None),
            (&issuer, "localhost", [2020, 2090], None),
            (&issuer, "other.keycloak.svc", [2020, 2090], Some(of_another)),
            (
                &stranger,
                OWN,
                [2020, 2090],
                Some(Mistrust::Authority { is_own: true }),
            ),
            (&issuer, OWN, [2020, 2021], Some(Mistrust::Ended)),
            (&issuer, OWN, [2090, 2091], Some(Mistrust::NotYet)),
        ] {
            let url = server(issuer, name, years).await;
            assert_eq!(look(&url, &expected).await, found, "{name} {years:?}");
        }
        // By public authorities nobody here is known.
        let public = ExpectedCertificate {
            authorities: None,
            name: None,
        };
        let url = server(&issuer, "localhost", [2020, 2090]).await;
        assert_eq!(
            look(&url, &public).await,
            Some(Mistrust::Authority { is_own: false })
        );
    }

    #[tokio::test]
    async fn plain_http_is_reported_and_silence_is_not() {
        let expected = ExpectedCertificate {
            authorities: None,
            name: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let answers = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            // Until the other end has read it and goes.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        });
        assert_eq!(look(&url, &expected).await, Some(Mistrust::Plain));
        answers.await.unwrap();
        assert_eq!(look("https://localhost:1", &expected).await, None);
    }
}
