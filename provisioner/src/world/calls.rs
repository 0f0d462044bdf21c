//! Each call as it is answered, for people who ask with `-v`: which, where, how it ended, how long it took.
//!
//! What a call carries is never shown, neither bodies nor headers: passwords are read and written by these calls.
//! A line is made from what names the call: the operation, the path, and the Region and service that it was signed
//! for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tower::Service;

/// The target of our events.
pub const TARGET: &str = "provision::calls";

fn is_heard() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

fn tell(call: &str, ended: &str, since: Instant, more: impl FnOnce() -> String) {
    let took = since.elapsed().as_millis();
    if tracing::enabled!(target: TARGET, tracing::Level::TRACE) {
        tracing::trace!(target: TARGET, "{call}: {ended}, {took} ms ({})", more());
    } else {
        tracing::debug!(target: TARGET, "{call}: {ended}, {took} ms");
    }
}

/// An HTTP client of AWS whose calls are shown.
#[derive(Debug)]
pub(super) struct CountedClient(pub(super) SharedHttpClient);

impl HttpClient for CountedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ToldConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct ToldConnector(SharedHttpConnector);

impl HttpConnector for ToldConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !is_heard() {
            return self.0.call(request);
        }
        let call = aws_call(&request);
        let address = without_user(without_query(request.uri()));
        let since = Instant::now();
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let (ended, id) = match &answer {
                Ok(answer) => {
                    let id = ["x-amzn-requestid", "x-amz-request-id"]
                        .into_iter()
                        .find_map(|name| answer.headers().get(name))
                        .unwrap_or("none");
                    (answer.status().as_u16().to_string(), id.to_owned())
                }
                Err(error) => (format!("no answer ({error})"), "none".to_owned()),
            };
            tell(&call, &ended, since, || format!("{address}, request {id}"));
            answer
        })
    }
}

fn without_query(uri: &str) -> &str {
    uri.split('?').next().unwrap_or_default()
}

/// An address without the user and the password that may stand before its host.
pub fn without_user(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// What a request to AWS is called.
fn aws_call(request: &HttpRequest) -> String {
    let header = |name: &str| request.headers().get(name);
    // AWS4-HMAC-SHA256 Credential=KEY/20261121/eu-west-1/lambda/aws4_request, …
    let scope = header("authorization").and_then(|it| it.split("Credential=").nth(1));
    let mut scope = scope.unwrap_or_default().split(['/', ',']).skip(2);
    let (region, service) = (scope.next(), scope.next());
    // Once by a header, once in a form, else by the path.
    let operation = header("x-amz-target")
        .and_then(|target| target.rsplit('.').next())
        .map(str::to_owned)
        .or_else(|| {
            let body = std::str::from_utf8(request.body().bytes()?).ok()?;
            let action = body.strip_prefix("Action=")?.split('&').next()?;
            Some(action.to_owned())
        })
        .unwrap_or_else(|| {
            let path = request
                .uri()
                .split_once("://")
                .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
            format!("{} {}", request.method(), without_query(path.unwrap_or("/")))
        });
    format!(
        "{} {operation} in {}",
        service.unwrap_or("aws"),
        region.unwrap_or("no Region")
    )
}

/// A cluster's client whose calls are shown.
#[derive(Debug, Clone)]
pub(super) struct Traced<S> {
    pub(super) inner: S,
    pub(super) cluster: String,
}

impl<S, B, C> Service<http::Request<B>> for Traced<S>
where
    S: Service<http::Request<B>, Response = http::Response<C>>,
    S::Future: Send + 'static,
    S::Error: fmt::Display,
    C: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if !is_heard() {
            return Box::pin(self.inner.call(request));
        }
        let call = format!("{} {} {}", self.cluster, request.method(), request.uri().path());
        let address = without_user(&request.uri().to_string());
        let since = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let ended = match &answer {
                Ok(answer) => answer.status().as_u16().to_string(),
                Err(error) => format!("no answer ({error})"),
            };
            tell(&call, &ended, since, || address);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn request(uri: &str, headers: &[(&'static str, &str)], body: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_uri(uri.to_owned()).unwrap();
        let signed =
            "AWS4-HMAC-SHA256 Credential=AKIASECRET/20261121/eu-west-1/SERVICE/aws4_request, Signature=5e";
        for (name, value) in headers {
            let value = match *name {
                "authorization" => signed.replace("SERVICE", value),
                _ => (*value).to_owned(),
            };
            request.headers_mut().insert(*name, value);
        }
        request
    }

    #[test]
    fn an_address_is_shown_without_its_user() {
        for (uri, shown) in [
            (
                "http://user:s3cret@127.0.0.1:1/a?b=@c",
                "http://127.0.0.1:1/a?b=@c",
            ),
            ("https://user@x", "https://x"),
            ("https://user:a@b@x:443?q", "https://x:443?q"),
            ("https://x/a@b", "https://x/a@b"),
            ("/api/v1/a@b", "/api/v1/a@b"),
        ] {
            assert_eq!(without_user(uri), shown);
        }
    }

    #[test]
    fn a_call_is_known_by_its_operation_and_carries_nothing() {
        let table = "DynamoDB_20120810.GetItem";
        for (request, called) in [
            (
                request(
                    "https://x/",
                    &[("authorization", "dynamodb"), ("x-amz-target", table)],
                    "{\"k\": \"s3cret\"}",
                ),
                "dynamodb GetItem in eu-west-1",
            ),
            (
                request(
                    "https://x/",
                    &[("authorization", "sts")],
                    "Action=GetCallerIdentity&Version=2011-06-15",
                ),
                "sts GetCallerIdentity in eu-west-1",
            ),
            (
                request(
                    "https://x/2015-03-31/functions?Marker=s3cret",
                    &[("authorization", "lambda")],
                    "",
                ),
                "lambda GET /2015-03-31/functions in eu-west-1",
            ),
            (request("https://x", &[], ""), "aws GET / in no Region"),
        ] {
            assert_eq!(aws_call(&request), called);
        }
    }
}
