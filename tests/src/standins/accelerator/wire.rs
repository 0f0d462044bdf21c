//! AWS JSON 1.1 as Global Accelerator speaks it: requests in, answers and errors out.
//!
//! Inputs deny unknown fields. The real service ignores them, but here a field that nobody reads is a
//! mistake of the caller or a gap of the stand-in, and either should be noticed by the first test.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{Accelerator, Endpoint, EndpointGroup, Listener};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET_PREFIX: &str = "GlobalAccelerator_V20180706.";

/// The Region of the control plane; requests signed for another one are refused.
pub const CONTROL_PLANE_REGION: &str = "us-west-2";

/// The operations this stand-in knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    ListAccelerators,
    DescribeAccelerator,
    ListListeners,
    ListEndpointGroups,
    DescribeEndpointGroup,
    UpdateEndpointGroup,
    AddEndpoints,
    RemoveEndpoints,
    ListTagsForResource,
    TagResource,
    UntagResource,
}

impl Operation {
    pub const ALL: [Self; 11] = [
        Self::ListAccelerators,
        Self::DescribeAccelerator,
        Self::ListListeners,
        Self::ListEndpointGroups,
        Self::DescribeEndpointGroup,
        Self::UpdateEndpointGroup,
        Self::AddEndpoints,
        Self::RemoveEndpoints,
        Self::ListTagsForResource,
        Self::TagResource,
        Self::UntagResource,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ListAccelerators => "ListAccelerators",
            Self::DescribeAccelerator => "DescribeAccelerator",
            Self::ListListeners => "ListListeners",
            Self::ListEndpointGroups => "ListEndpointGroups",
            Self::DescribeEndpointGroup => "DescribeEndpointGroup",
            Self::UpdateEndpointGroup => "UpdateEndpointGroup",
            Self::AddEndpoints => "AddEndpoints",
            Self::RemoveEndpoints => "RemoveEndpoints",
            Self::ListTagsForResource => "ListTagsForResource",
            Self::TagResource => "TagResource",
            Self::UntagResource => "UntagResource",
        }
    }

    /// Whether it changes endpoints: the calls that the protocol counts.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::UpdateEndpointGroup | Self::AddEndpoints | Self::RemoveEndpoints
        )
    }

    /// Whether it changes a tag.
    pub(super) fn tags(self) -> bool {
        matches!(self, Self::TagResource | Self::UntagResource)
    }

    /// Whether it shows endpoints, and so can show old ones.
    pub(super) fn reads_endpoints(self) -> bool {
        matches!(self, Self::ListEndpointGroups | Self::DescribeEndpointGroup)
    }

    /// The operation a request names, or the name it gave.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let target = headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let named = target.strip_prefix(TARGET_PREFIX);
        named
            .and_then(|name| Self::ALL.into_iter().find(|known| known.name() == name))
            .ok_or_else(|| named.unwrap_or(target).to_owned())
    }
}

/// An error as the service words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceError {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl ServiceError {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }
}

pub(super) fn answer(result: Result<Value, ServiceError>, request_number: u64) -> Response<Bytes> {
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        // Every error of this service is served as 400, also the internal one.
        Err(error) => (
            StatusCode::BAD_REQUEST,
            json!({"__type": error.kind, "Message": error.message}),
        ),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static(CONTENT_TYPE));
    if let Ok(id) = http::HeaderValue::from_str(&format!("00000000-0000-4000-8000-{request_number:012x}")) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// The parts of a signature that say who and where; the signature itself is not verified, since the
/// stand-in shares no secret with anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) access_key_id: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Signature {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let authorization = headers.get("authorization")?.to_str().ok()?;
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
        let credential = fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix("Credential="))?;
        let mut scope = credential.split('/');
        let access_key_id = scope.next()?.to_owned();
        let _date = scope.next()?;
        let region = scope.next()?.to_owned();
        let service = scope.next()?.to_owned();
        Some(Self {
            access_key_id,
            region,
            service,
        })
    }

    /// Whether the service would take it.
    pub(super) fn check(signature: Option<&Self>) -> Result<(), ServiceError> {
        let refuse = |message: String| Err(ServiceError::new("InvalidSignatureException", message));
        match signature {
            None => Err(ServiceError::new(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            )),
            Some(signature) if signature.region != CONTROL_PLANE_REGION => refuse(format!(
                "Credential should be scoped to a valid region, not '{}': the control plane of Global \
                 Accelerator is in {CONTROL_PLANE_REGION}.",
                signature.region
            )),
            Some(signature) if signature.service != "globalaccelerator" => refuse(format!(
                "Credential should be scoped to correct service: 'globalaccelerator', not '{}'.",
                signature.service
            )),
            Some(_) => Ok(()),
        }
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, ServiceError> {
    // An SDK sends `{}` for an input without members.
    serde_json::from_slice(body).map_err(|error| {
        ServiceError::new(
            "SerializationException",
            format!("the stand-in does not take this input: {error}"),
        )
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListAccelerators {
    pub(super) max_results: Option<i64>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeAccelerator {
    pub(super) accelerator_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListListeners {
    pub(super) accelerator_arn: String,
    pub(super) max_results: Option<i64>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListEndpointGroups {
    pub(super) listener_arn: String,
    pub(super) max_results: Option<i64>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeEndpointGroup {
    pub(super) endpoint_group_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct TagResource {
    pub(super) resource_arn: String,
    pub(super) tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct UntagResource {
    pub(super) resource_arn: String,
    pub(super) tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct UpdateEndpointGroup {
    pub(super) endpoint_group_arn: String,
    /// Omitted: unchanged. Empty: none.
    pub(super) endpoint_configurations: Option<Vec<EndpointConfiguration>>,
    pub(super) traffic_dial_percentage: Option<f64>,
    pub(super) health_check_port: Option<u16>,
    pub(super) health_check_protocol: Option<String>,
    pub(super) health_check_path: Option<String>,
    pub(super) health_check_interval_seconds: Option<u32>,
    pub(super) threshold_count: Option<u32>,
    pub(super) port_overrides: Option<Vec<PortOverride>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct AddEndpoints {
    pub(super) endpoint_group_arn: String,
    pub(super) endpoint_configurations: Vec<EndpointConfiguration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RemoveEndpoints {
    pub(super) endpoint_group_arn: String,
    pub(super) endpoint_identifiers: Vec<EndpointIdentifier>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListTagsForResource {
    pub(super) resource_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointConfiguration {
    #[serde(rename = "EndpointId")]
    pub(super) endpoint_id: Option<String>,
    #[serde(rename = "Weight")]
    pub(super) weight: Option<i64>,
    #[serde(rename = "ClientIPPreservationEnabled")]
    pub(super) client_ip_preservation_enabled: Option<bool>,
    #[serde(rename = "AttachmentArn")]
    pub(super) attachment_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointIdentifier {
    #[serde(rename = "EndpointId")]
    pub(super) endpoint_id: String,
    #[serde(rename = "ClientIPPreservationEnabled")]
    pub(super) client_ip_preservation_enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PortOverride {
    pub(super) listener_port: u16,
    pub(super) endpoint_port: u16,
}

pub(super) fn accelerator(accelerator: &Accelerator) -> Value {
    let mut value = json!({
        "AcceleratorArn": accelerator.arn,
        "Name": accelerator.name,
        "IpAddressType": if accelerator.dual_stack_dns_name.is_some() { "DUAL_STACK" } else { "IPV4" },
        "Enabled": accelerator.enabled,
        "IpSets": [{
            "IpFamily": "IPv4",
            "IpAddressFamily": "IPv4",
            "IpAddresses": accelerator.addresses.map(|address| address.to_string()),
        }],
        "DnsName": accelerator.dns_name,
        "Status": accelerator.status,
        "CreatedTime": 1_760_000_000.0,
        "LastModifiedTime": 1_760_000_000.0,
    });
    if let Some(name) = &accelerator.dual_stack_dns_name {
        value["DualStackDnsName"] = json!(name);
    }
    value
}

pub(super) fn listener(listener: &Listener) -> Value {
    json!({
        "ListenerArn": listener.arn,
        "PortRanges": [{"FromPort": listener.port, "ToPort": listener.port}],
        "Protocol": "TCP",
        "ClientAffinity": "NONE",
    })
}

pub(super) fn group(group: &EndpointGroup) -> Value {
    let check = &group.health_check;
    let overrides: Vec<Value> = group
        .port_overrides
        .iter()
        .map(|(listener, endpoint)| json!({"ListenerPort": listener, "EndpointPort": endpoint}))
        .collect();
    let mut value = json!({
        "EndpointGroupArn": group.arn,
        "EndpointGroupRegion": group.region,
        "EndpointDescriptions": group.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "TrafficDialPercentage": group.traffic_dial_percentage,
        "HealthCheckPort": check.port,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "ThresholdCount": check.threshold_count,
        "PortOverrides": overrides,
    });
    if let Some(path) = &check.path {
        value["HealthCheckPath"] = json!(path);
    }
    value
}

/// As the service describes it: there is no attachment ARN in here, so that of a cross-account endpoint
/// cannot be read back.
pub(super) fn endpoint(endpoint: &Endpoint) -> Value {
    let mut value = json!({
        "EndpointId": endpoint.id,
        "Weight": endpoint.weight,
        "HealthState": endpoint.health.as_str(),
        "ClientIPPreservationEnabled": endpoint.client_ip_preservation,
    });
    if let Some(reason) = &endpoint.health_reason {
        value["HealthReason"] = json!(reason);
    }
    value
}
