//! The stand-in of two Infinispan clusters, asked over TLS as the function asks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod entries;
mod recorded;
mod refusals;
mod sites;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tests::standins::infinispan::{
    BackupStatus, CacheFault, Fault, InfinispanPair, Operation, Outcome, Push, Role, ServerCertificate, Site,
    WriteError,
};

const USER: &str = "developer";
/// Percent signs and colons must arrive as they are.
const PASSWORD: &str = "p%40ss:wörd";
const TAKE_B_OFFLINE: &str = "/rest/v2/container/x-site/backups/site-b?action=take-offline";
const BRING_B_ONLINE: &str = "/rest/v2/container/x-site/backups/site-b?action=bring-online";
const BACKUP_B: &str = "/rest/v2/container/x-site/backups/site-b";

fn started() -> InfinispanPair {
    InfinispanPair::builder(["site-a", "site-b"])
        .user(USER, PASSWORD, Role::Admin)
        .user("viewer", "viewer", Role::Observer)
        .start()
        .unwrap()
}

/// A client with a pool of connections of its own.
struct Asker(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

struct Answer {
    status: u16,
    challenge: Option<String>,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }
}

impl Asker {
    fn new(pair: &InfinispanPair) -> Self {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(pair.authority().client().unwrap())
            .https_only()
            .enable_http1()
            .build();
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    async fn as_user(
        &self,
        user: Option<(&str, &str)>,
        method: Method,
        site: &Site,
        path: &str,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", site.url()));
        if let Some((user, password)) = user {
            let credentials = BASE64.encode(format!("{user}:{password}"));
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        let sent = self.0.request(request.body(Full::default()).unwrap());
        let answer = tokio::time::timeout(Duration::from_secs(10), sent)
            .await
            .map_err(|_| "timeout")?;
        let answer = answer.map_err(|error| {
            let mut causes = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                causes = format!("{causes}: {next}");
                cause = next.source();
            }
            causes
        })?;
        let status = answer.status().as_u16();
        let challenge = answer
            .headers()
            .get("www-authenticate")
            .map(|one| one.to_str().unwrap().to_owned());
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Answer {
            status,
            challenge,
            text: String::from_utf8(body.to_vec()).unwrap(),
        })
    }

    async fn get(&self, site: &Site, path: &str) -> Answer {
        self.as_user(Some((USER, PASSWORD)), Method::GET, site, path)
            .await
            .unwrap()
    }

    async fn post(&self, site: &Site, path: &str) -> Answer {
        self.as_user(Some((USER, PASSWORD)), Method::POST, site, path)
            .await
            .unwrap()
    }
}
