//! What a TLS handshake shows: the other end's certificates, and which of them ends first.
//!
//! A certificate that ends takes the survivor's Infinispan out of reach in the middle of the night, and with it every
//! fence. It is shown at each full handshake, so looking at it costs no connection of its own. It is noted only after
//! it was verified: [`Noting`] asks the verifier that would have been asked anyway and passes its verdict on, whatever
//! that is.
//!
//! Its verdict on one point only may be asked for twice: a certificate that does not prove the host that was dialled may
//! prove the name that the topology has for the server. Who signed it, and until when, is verified all the same,
//! and what the handshake asks for (SNI) stays the host, for routers go by it.

use std::sync::{Arc, Mutex, PoisonError};

use fencing::certificate::Certificate;
use fencing::health::Ending;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// What was shown last, and the authorities that signed it, if they are the topology's own.
#[derive(Debug, Default)]
pub struct Shown {
    chain: Mutex<Vec<CertificateDer<'static>>>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Shown {
    /// Nothing was shown yet. Authorities that are none of the topology's own are renewed by others, and left out.
    pub fn new(authorities: Vec<CertificateDer<'static>>) -> Self {
        Self {
            chain: Mutex::default(),
            authorities,
        }
    }

    /// Which certificate on the way from the server's to its authority ends first; none before a handshake.
    pub fn first_to_end(&self) -> Option<Ending> {
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let read = |all: &[CertificateDer<'_>]| -> Vec<Certificate> {
            all.iter().filter_map(|der| Certificate::read(der)).collect()
        };
        let (first, is_authority) = Certificate::first_to_end(&read(&chain), &read(&self.authorities))?;
        Some(Ending {
            subject: first.name,
            is_authority,
            at: first.ends,
        })
    }
}

/// A verifier that notes what it has accepted.
#[derive(Debug)]
pub struct Noting {
    verifier: Arc<WebPkiServerVerifier>,
    shown: Arc<Shown>,
    /// The server's other name.
    name: Option<ServerName<'static>>,
}

impl Noting {
    /// In front of a verifier.
    pub fn new(
        verifier: Arc<WebPkiServerVerifier>,
        shown: Arc<Shown>,
        name: Option<ServerName<'static>>,
    ) -> Self {
        Self {
            verifier,
            shown,
            name,
        }
    }
}

/// Whether a certificate was found in order except for the name that it is made out to.
fn is_for_another(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ask = |name: &ServerName<'_>| {
            self.verifier
                .verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        let verified = match (ask(server_name), &self.name) {
            (Err(error), Some(name)) if is_for_another(&error) => ask(name).map_err(|_| error)?,
            (verdict, _) => verdict?,
        };
        let chain = std::iter::once(end_entity).chain(intermediates);
        let chain = chain
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        *self.shown.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
