//! What tests and the demo do with the local AWS, beside what Sitefence does.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerTypeEnum, Tag};
use aws_sdk_secretsmanager::types::ReplicaRegionType;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::{LocalAws, ROOT_KEY};

#[derive(Debug, thiserror::Error)]
pub enum LocalAwsError {
    /// The SDK's own words, its chain of causes included.
    #[error("{call} failed: {message}")]
    Call { call: &'static str, message: String },
    #[error("{call} answered without {what}")]
    Incomplete { call: &'static str, what: &'static str },
    #[error("{request} got no answer: {message}")]
    NoAnswer { request: String, message: String },
    #[error("{request} was answered {status}: {body}")]
    Refused {
        request: String,
        status: u16,
        body: String,
    },
}

/// An answer of a Function URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl LocalAws {
    fn root(&self) -> Credentials {
        Credentials::new(
            self.key.as_str(),
            ROOT_KEY,
            None,
            None,
            "root of an account of the local AWS",
        )
    }

    /// For any SDK client of this AWS, as root. It brings the same TLS-able ring client that Sitefence uses.
    pub fn sdk_config(&self, region: &str) -> SdkConfig {
        let http_client =
            aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(self.url())
            .credentials_provider(SharedCredentialsProvider::new(self.root()))
            .http_client(http_client.build_https())
            .build()
    }

    /// Makes a network load balancer, tagged with its site if one is given; the answer is its ARN.
    pub async fn create_balancer(
        &self,
        region: &str,
        name: &str,
        site: Option<&str>,
    ) -> Result<String, LocalAwsError> {
        const CALL: &str = "CreateLoadBalancer";
        let client = aws_sdk_elasticloadbalancingv2::Client::new(&self.sdk_config(region));
        let tags = site.map(|site| vec![Tag::builder().key("site").value(site).build()]);
        let created = client
            .create_load_balancer()
            .name(name)
            .r#type(LoadBalancerTypeEnum::Network)
            .set_tags(tags)
            .send()
            .await
            .map_err(|error| failed(CALL, &error))?;
        let arn = created
            .load_balancers()
            .first()
            .and_then(|balancer| balancer.load_balancer_arn());
        arn.map(str::to_owned).ok_or(LocalAwsError::Incomplete {
            call: CALL,
            what: "an ARN",
        })
    }

    /// Makes a secret; the answer is its ARN.
    pub async fn create_secret(
        &self,
        region: &str,
        name: &str,
        value: &str,
    ) -> Result<String, LocalAwsError> {
        const CALL: &str = "CreateSecret";
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk_config(region));
        let created = client
            .create_secret()
            .name(name)
            .secret_string(value)
            .send()
            .await;
        let created = created.map_err(|error| failed(CALL, &error))?;
        created.arn.ok_or(LocalAwsError::Incomplete {
            call: CALL,
            what: "an ARN",
        })
    }

    /// Replicates a secret to another Region, as an operator does.
    pub async fn replicate_secret(&self, region: &str, id: &str, to: &str) -> Result<(), LocalAwsError> {
        const CALL: &str = "ReplicateSecretToRegions";
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk_config(region));
        let there = ReplicaRegionType::builder().region(to).build();
        let replicated = client
            .replicate_secret_to_regions()
            .secret_id(id)
            .add_replica_regions(there)
            .send()
            .await;
        replicated.map(|_| ()).map_err(|error| failed(CALL, &error))
    }

    pub async fn secret(&self, region: &str, id: &str) -> Result<String, LocalAwsError> {
        const CALL: &str = "GetSecretValue";
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk_config(region));
        let value = client.get_secret_value().secret_id(id).send().await;
        let value = value.map_err(|error| failed(CALL, &error))?;
        value.secret_string.ok_or(LocalAwsError::Incomplete {
            call: CALL,
            what: "a string",
        })
    }

    /// Invokes a function by name, as the schedule and operators do; the answer is what it returned.
    pub async fn invoke(&self, region: &str, function: &str, event: &Value) -> Result<Value, LocalAwsError> {
        const CALL: &str = "Invoke";
        let client = aws_sdk_lambda::Client::new(&self.sdk_config(region));
        let payload = aws_sdk_lambda::primitives::Blob::new(event.to_string());
        let invoked = client.invoke().function_name(function).payload(payload).send();
        let invoked = invoked.await.map_err(|error| failed(CALL, &error))?;
        let payload = invoked.payload.map(|blob| blob.into_inner()).unwrap_or_default();
        if let Some(error) = invoked.function_error {
            return Err(LocalAwsError::Call {
                call: CALL,
                message: format!("{error}: {}", String::from_utf8_lossy(&payload)),
            });
        }
        serde_json::from_slice(&payload).map_err(|_| LocalAwsError::Incomplete {
            call: CALL,
            what: "JSON",
        })
    }

    /// All items of a table, each as plain JSON.
    pub async fn items(&self, region: &str, table: &str) -> Result<Vec<Value>, LocalAwsError> {
        const CALL: &str = "Scan";
        let client = aws_sdk_dynamodb::Client::new(&self.sdk_config(region));
        let mut items = client
            .scan()
            .table_name(table)
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| failed(CALL, &error))?;
            let value =
                serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| LocalAwsError::Call {
                    call: CALL,
                    message: error.to_string(),
                })?;
            all.push(value);
        }
        Ok(all)
    }

    /// Posts to a Function URL as the outside would: by its host, at this port.
    pub async fn post(
        &self,
        function_url: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<HttpAnswer, LocalAwsError> {
        self.request_function_url(Method::POST, function_url, path, headers, body.into())
            .await
    }

    pub async fn get(
        &self,
        function_url: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<HttpAnswer, LocalAwsError> {
        self.request_function_url(Method::GET, function_url, path, headers, Bytes::new())
            .await
    }

    async fn request_function_url(
        &self,
        method: Method,
        function_url: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<HttpAnswer, LocalAwsError> {
        let after_scheme = function_url
            .split_once("://")
            .map_or(function_url, |(_, rest)| rest);
        let host = after_scheme.split(['/', ':']).next().unwrap_or_default();
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, body).await
    }

    /// The lines in a log group, oldest first. There is no SDK crate for this one service, so the request
    /// is signed here.
    pub async fn log_lines(&self, region: &str, group: &str) -> Result<Vec<String>, LocalAwsError> {
        let mut lines = Vec::new();
        let mut input = json!({"logGroupName": group});
        loop {
            let answer = self
                .json_call(region, "logs", "Logs_20140328.FilterLogEvents", &input)
                .await?;
            let events = answer["events"].as_array().cloned().unwrap_or_default();
            lines.extend(
                events
                    .iter()
                    .filter_map(|event| event["message"].as_str().map(str::to_owned)),
            );
            match answer["nextToken"].as_str() {
                Some(token) => input["nextToken"] = json!(token),
                None => return Ok(lines),
            }
        }
    }

    /// A call of AWS JSON 1.1, signed by hand: for services of which the workspace has no SDK crate.
    pub async fn json_call(
        &self,
        region: &str,
        service: &str,
        target: &str,
        input: &Value,
    ) -> Result<Value, LocalAwsError> {
        let url = format!("{}/", self.url());
        let body = input.to_string();
        let unsigned = |error: &dyn std::fmt::Display| LocalAwsError::NoAnswer {
            request: target.to_owned(),
            message: error.to_string(),
        };
        let host = self.address().to_string();
        let headers = [
            ("host", host.as_str()),
            ("x-amz-target", target),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let identity = self.root().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            &url,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|error| unsigned(&error))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error| unsigned(&error))?
            .into_parts();
        let mut request = Request::builder().method(Method::POST).uri(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        let answer = self.send(request, Bytes::from(body)).await?;
        let refused = || LocalAwsError::Refused {
            request: target.to_owned(),
            status: answer.status,
            body: answer.body.clone(),
        };
        if answer.status != 200 {
            return Err(refused());
        }
        serde_json::from_str(&answer.body).map_err(|_| refused())
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<HttpAnswer, LocalAwsError> {
        let named = format!("{:?} {:?}", request.method_ref(), request.uri_ref());
        let no_answer = |message: String| LocalAwsError::NoAnswer {
            request: named.clone(),
            message,
        };
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let request = request
            .body(Full::new(body))
            .map_err(|error| no_answer(error.to_string()))?;
        let response = client
            .request(request)
            .await
            .map_err(|error| no_answer(chain(&error)))?;
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| no_answer(chain(&error)))?
            .to_bytes();
        let headers = head.headers.iter();
        Ok(HttpAnswer {
            status: head.status.as_u16(),
            headers: headers
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

fn failed(call: &'static str, error: &dyn std::error::Error) -> LocalAwsError {
    LocalAwsError::Call {
        call,
        message: chain(error),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
