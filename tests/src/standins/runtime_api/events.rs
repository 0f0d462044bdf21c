//! Events as Lambda words them, and answers as a Function URL reads them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// A request to a Function URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUrlRequest {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Option<Vec<u8>>,
    base64: bool,
}

impl FunctionUrlRequest {
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, None)
    }

    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path, Some(body.into()))
    }

    fn new(method: &str, target: &str, body: Option<Vec<u8>>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let host = "0123456789abcdef0123456789abcdef.lambda-url.eu-west-1.on.aws";
        let headers = [
            ("host", host),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
        ];
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body,
            base64: false,
        }
    }

    /// A header; its name arrives in lower case, as Lambda makes it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_lowercase(), value.to_owned());
        self
    }

    #[must_use]
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        let credentials = BASE64.encode(format!("{user}:{password}"));
        self.header("authorization", &format!("Basic {credentials}"))
    }

    /// The body travels as Base64, as Lambda does with content types that it takes for binary.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.base64 = true;
        self
    }

    /// Payload format 2.0.
    pub fn event(&self) -> Value {
        let host = self.headers.get("host").cloned().unwrap_or_default();
        let id = host.split('.').next().unwrap_or_default().to_owned();
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": self.headers,
            "requestContext": {
                "accountId": "anonymous",
                "apiId": id,
                "domainName": host,
                "domainPrefix": id,
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7",
                    "userAgent": self.headers.get("user-agent"),
                },
                "requestId": "11111111-1111-4111-8111-111111111111",
                "routeKey": "$default",
                "stage": "$default",
                "time": "21/Nov/2026:12:00:00 +0000",
                "timeEpoch": 1_795_262_400_000_u64,
            },
            "isBase64Encoded": false,
        });
        if !self.query.is_empty() {
            let pairs = self
                .query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            event["queryStringParameters"] = json!(pairs.collect::<BTreeMap<_, _>>());
        }
        if let Some(body) = &self.body {
            // Bytes that are no text can only travel as Base64, asked for or not.
            match std::str::from_utf8(body) {
                Ok(text) if !self.base64 => event["body"] = json!(text),
                _ => {
                    event["body"] = json!(BASE64.encode(body));
                    event["isBase64Encoded"] = json!(true);
                }
            }
        }
        event
    }
}

/// What a Function URL makes of a function's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl HttpAnswer {
    /// Without a `statusCode` the whole answer is the body of a 200: that is Lambda's rule.
    pub fn of(answer: &Value) -> Self {
        let status = answer["statusCode"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok());
        let Some(status) = status else {
            return Self {
                status: 200,
                headers: BTreeMap::new(),
                body: answer.to_string(),
            };
        };
        let headers = answer["headers"].as_object().into_iter().flatten();
        let text = answer["body"].as_str().unwrap_or_default();
        let body = if answer["isBase64Encoded"] == true {
            BASE64
                .decode(text)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        } else {
            text.to_owned()
        };
        Self {
            status,
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            body,
        }
    }
}

/// What an EventBridge rule sends each minute.
pub fn scheduled_event(rule_arn: &str) -> Value {
    json!({
        "version": "0",
        "id": "22222222-2222-4222-8222-222222222222",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-21T12:00:00Z",
        "region": "eu-west-1",
        "resources": [rule_arn],
        "detail": {},
    })
}
