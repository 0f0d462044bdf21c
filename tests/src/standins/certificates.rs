//! A certificate authority for one test run.
//!
//! The function verifies Infinispan's certificate against the topology's CA bundle and never without, so
//! a stand-in needs what a cluster has: an authority whose certificate is written to a file, and a server
//! certificate it signed. A second authority that nobody trusts makes the refusal testable.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate cannot be made")]
    Make(#[from] rcgen::Error),
    #[error("the certificate cannot be used for TLS")]
    Use(#[from] rustls::Error),
}

/// An authority that signs for as long as it lives.
pub struct TestAuthority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// The key is only good for tests, and still prints nowhere.
impl std::fmt::Debug for TestAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestAuthority").finish_non_exhaustive()
    }
}

/// How long a server certificate is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    Current,
    Expired,
}

impl TestAuthority {
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// The CA bundle, as a topology's `caBundle` names it.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server with a certificate for `names`, DNS names and addresses alike.
    pub fn server(
        &self,
        names: &[&str],
        validity: Validity,
    ) -> Result<Arc<rustls::ServerConfig>, CertificateError> {
        let (certificate, key) = self.signed(names, validity)?;
        let chain = vec![certificate.der().clone(), self.certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Arc::new(config))
    }

    /// The same as a file for a server of another make: key and certificates.
    pub fn server_pem(&self, names: &[&str]) -> Result<String, CertificateError> {
        let (certificate, key) = self.signed(names, Validity::Current)?;
        Ok(key.serialize_pem() + &certificate.pem() + &self.certificate.pem())
    }

    fn signed(&self, names: &[&str], validity: Validity) -> Result<(Certificate, KeyPair), CertificateError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "infinispan");
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
        if validity == Validity::Expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 12, 31);
        }
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }

    /// A client that trusts this authority and no other.
    pub fn client(&self) -> Result<rustls::ClientConfig, CertificateError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.certificate.der().to_vec()))?;
        Ok(rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

/// Given explicitly, so that a stand-in works whether or not the process installed a default.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
