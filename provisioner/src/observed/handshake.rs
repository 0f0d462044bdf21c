//! What a handshake with a site's Infinispan showed: whether the function would trust it.

/// Why the function would not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistrust {
    /// In order but for the name.
    #[error(
        "its certificate covers {}, and neither this host nor the server's name: set sites[].infinispan.serverName \
         to a name that it covers",
        names(proves)
    )]
    Name {
        /// The names that it proves.
        proves: Vec<String>,
    },
    #[error("{}", unsigned(*is_own))]
    Authority {
        /// Whether the topology names a bundle.
        is_own: bool,
    },
    #[error("its certificate has expired: renew it")]
    Ended,
    #[error("its certificate is not valid yet: renew it, or correct the clock of its issuer")]
    NotYet,
    #[error(
        "it answers in plain HTTP, and the function signs in over HTTPS only, because its password would be readable \
         on the way: set the Infinispan's spec.security.endpointEncryption"
    )]
    Plain,
    /// Whatever else the TLS library says.
    #[error("no TLS connection could be made: {0}")]
    Other(String),
}

fn unsigned(is_own: bool) -> &'static str {
    if is_own {
        "no authority in its caBundle signed its certificate: add the one that did"
    } else {
        "no public authority signed its certificate: name a file with the one that did in sites[].infinispan.caBundle"
    }
}

fn names(proves: &[String]) -> String {
    if proves.is_empty() {
        "no name".to_owned()
    } else {
        proves.join(", ")
    }
}
