//! How much of an answer is read.
//!
//! A server that never stops talking, or something on the way that answers in its place, must cost neither
//! memory nor patience: the deadlines are in [`super::aws`] and [`super::kubernetes`], the size is bounded
//! here, for both clouds, below everything that parses. The largest honest answers (a template, a page of
//! a cluster's rules) have a few megabytes.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// The most bytes of one answer.
pub(super) const MOST_BYTES: usize = 32 * 1024 * 1024;

/// An HTTP client whose answers end.
#[derive(Debug)]
pub(super) struct Bounded {
    client: SharedHttpClient,
    most_bytes: usize,
}

impl Bounded {
    /// Bounds the answers of `client`.
    pub(super) fn new(client: SharedHttpClient, most_bytes: usize) -> Self {
        Self { client, most_bytes }
    }
}

impl HttpClient for Bounded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector {
            connector: self.client.http_connector(settings, components),
            most_bytes: self.most_bytes,
        })
    }
}

#[derive(Debug)]
struct BoundedConnector {
    connector: SharedHttpConnector,
    most_bytes: usize,
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.connector.call(request);
        let most_bytes = self.most_bytes;
        HttpConnectorFuture::new(async move {
            Ok(answer
                .await?
                .map(|body| SdkBody::from_body_1_x(Limited::new(body, most_bytes))))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_http_client::Builder;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request and does not stop.
    async fn endless() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ntransfer-encoding: chunked\r\n\r\n";
                    let _ = stream.write_all(head.as_bytes()).await;
                    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
                    while stream.write_all(chunk.as_bytes()).await.is_ok() {}
                });
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn an_answer_without_end_is_an_error() {
        let client = Bounded::new(Builder::new().build_http(), 64 * 1024);
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::for_tests())
            .endpoint_url(endless().await)
            .http_client(client)
            .build();
        let error = aws_sdk_sts::Client::from_conf(config)
            .get_caller_identity()
            .send()
            .await
            .unwrap_err();
        let said = format!("{error:?}");
        assert!(said.contains("LengthLimitError"), "{said}");
    }
}
