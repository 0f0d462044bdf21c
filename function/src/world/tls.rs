//! TLS for both kinds of hosts: AWS's, and each site's Infinispan. Verification cannot be switched off; there
//! is no code for it.
//!
//! AWS's hosts are verified against Mozilla's roots, compiled in as ready-made anchors: nothing is read from
//! disk and nothing is parsed at start, where loading the system's 144 certificates costs 0.7 ms of CPU for
//! each client. Narrowing them to Amazon's own would save nothing more and would break behind an endpoint
//! variable or a TLS-inspecting egress with a public certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tower_service::Service;

/// How long a TCP connection may take to open. A host of the own Region answers in milliseconds, one across
/// an ocean in a fifth of a second, a lost one never.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);

/// A connector for HTTP over TCP, with TLS where the address says so.
pub type Connector = HttpsConnector<Resetting>;

/// TCP connections that end by a reset when they are dropped. What was handed to the kernel and not yet delivered
/// would else be sent again and again after its caller has given up: a write that was abandoned because the network
/// was gone, or because the process was frozen, would arrive in another time.
#[derive(Debug, Clone)]
pub struct Resetting(HttpConnector);

impl Service<Uri> for Resetting {
    type Response = TokioIo<TcpStream>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            let stream = connecting.await?;
            // Fails only for a socket that is closed already.
            let _ = stream.inner().set_zero_linger();
            Ok(stream)
        })
    }
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The bundle holds nothing.
    #[error("the CA bundle holds no certificate")]
    Empty,
    /// Not PEM.
    #[error("the CA bundle is not PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// PEM, but no certificate authority.
    #[error("certificate {number} of the CA bundle cannot be trusted as a root")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// Why.
        #[source]
        source: rustls::Error,
    },
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
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_LIMIT));
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    let builder = match plain {
        Plain::Refused => builder.https_only(),
        Plain::Allowed => builder.https_or_http(),
    };
    Ok(builder.enable_http1().wrap_connector(Resetting(http)))
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

    /// The other end reads an error, not an orderly end.
    #[tokio::test]
    async fn a_connection_that_is_dropped_is_reset() {
        use tokio::io::AsyncReadExt as _;
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}", server.local_addr().unwrap())
            .parse()
            .unwrap();
        let mut connector = Resetting(HttpConnector::new());
        let (client, server) = tokio::join!(connector.call(to), server.accept());
        drop(client.unwrap());
        let error = server.unwrap().0.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
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
