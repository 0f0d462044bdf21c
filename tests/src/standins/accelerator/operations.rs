//! What each operation does to the world.
//!
//! Pure: a world and an input in, an answer out, the world changed for writes. Where the service's
//! documentation is silent, [`Undocumented`] says which way it goes, and tests try both.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};

use super::wire::{self, EndpointConfiguration, Operation, ServiceError, parse};
use super::world::{Accelerator, ENDPOINTS_PER_GROUP, Endpoint, EndpointGroup, Listener, Owner, World};

/// What the service's documentation leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undocumented {
    /// `RemoveEndpoints` of an endpoint that is not there: refused with `InvalidArgumentException`
    /// instead of ignored.
    pub removing_an_absent_endpoint_fails: bool,
    /// `RemoveEndpoints` of the last endpoint of a group: likewise.
    pub removing_the_last_endpoint_fails: bool,
    /// `AddEndpoints` of an endpoint that is there already: likewise, instead of taking the new settings.
    pub adding_a_present_endpoint_fails: bool,
}

/// The lenient reading, which is also the commoner one among AWS services.
impl Default for Undocumented {
    fn default() -> Self {
        Self {
            removing_an_absent_endpoint_fails: false,
            removing_the_last_endpoint_fails: false,
            adding_a_present_endpoint_fails: false,
        }
    }
}

/// `endpoints` is what reads of endpoint groups see: the world, or an older state of it.
pub(super) fn read(operation: Operation, body: &Bytes, world: &World, endpoints: &World) -> Answer {
    match operation {
        Operation::ListAccelerators => list_accelerators(body, world),
        Operation::DescribeAccelerator => describe_accelerator(body, world),
        Operation::ListListeners => list_listeners(body, world),
        Operation::ListEndpointGroups => list_endpoint_groups(body, endpoints),
        Operation::DescribeEndpointGroup => describe_endpoint_group(body, endpoints),
        Operation::ListTagsForResource => list_tags(body, world),
        Operation::UpdateEndpointGroup
        | Operation::AddEndpoints
        | Operation::RemoveEndpoints
        | Operation::TagResource
        | Operation::UntagResource => Err(ServiceError::invalid(format!(
            "{} is not a read",
            operation.name()
        ))),
    }
}

pub(super) fn write(operation: Operation, body: &Bytes, world: &mut World, open: Undocumented) -> Answer {
    match operation {
        Operation::UpdateEndpointGroup => update_endpoint_group(body, world),
        Operation::AddEndpoints => add_endpoints(body, world, open),
        Operation::RemoveEndpoints => remove_endpoints(body, world, open),
        Operation::TagResource => tag(body, world),
        Operation::UntagResource => untag(body, world),
        _ => Err(ServiceError::invalid(format!(
            "{} is not a write",
            operation.name()
        ))),
    }
}

type Answer = Result<Value, ServiceError>;

fn list_accelerators(body: &Bytes, world: &World) -> Answer {
    let input: wire::ListAccelerators = parse(body)?;
    let page = Page::of(
        input.max_results,
        input.next_token.as_deref(),
        world.accelerators.len(),
        "all",
    )?;
    Ok(page.answer("Accelerators", &world.accelerators, wire::accelerator))
}

fn describe_accelerator(body: &Bytes, world: &World) -> Answer {
    let input: wire::DescribeAccelerator = parse(body)?;
    let accelerator = find_accelerator(world, &input.accelerator_arn)?;
    Ok(json!({"Accelerator": wire::accelerator(accelerator)}))
}

fn list_listeners(body: &Bytes, world: &World) -> Answer {
    let input: wire::ListListeners = parse(body)?;
    let listeners = &find_accelerator(world, &input.accelerator_arn)?.listeners;
    let scope = &input.accelerator_arn;
    let page = Page::of(
        input.max_results,
        input.next_token.as_deref(),
        listeners.len(),
        scope,
    )?;
    Ok(page.answer("Listeners", listeners, wire::listener))
}

fn list_endpoint_groups(body: &Bytes, world: &World) -> Answer {
    let input: wire::ListEndpointGroups = parse(body)?;
    let groups = &find_listener(world, &input.listener_arn)?.groups;
    let page = Page::of(
        input.max_results,
        input.next_token.as_deref(),
        groups.len(),
        &input.listener_arn,
    )?;
    Ok(page.answer("EndpointGroups", groups, wire::group))
}

fn describe_endpoint_group(body: &Bytes, world: &World) -> Answer {
    let input: wire::DescribeEndpointGroup = parse(body)?;
    let groups = || world.accelerators.iter().flat_map(Accelerator::groups);
    let group = groups().find(|group| group.arn == input.endpoint_group_arn);
    Ok(json!({"EndpointGroup": wire::group(group.ok_or_else(|| no_group(&input.endpoint_group_arn))?)}))
}

fn list_tags(body: &Bytes, world: &World) -> Answer {
    let input: wire::ListTagsForResource = parse(body)?;
    let accelerator = find_accelerator(world, &input.resource_arn)?;
    let tags: Vec<Value> = accelerator
        .tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    Ok(json!({"Tags": tags}))
}

fn tag(body: &Bytes, world: &mut World) -> Answer {
    let input: wire::TagResource = parse(body)?;
    let accelerator = find_accelerator_mut(world, &input.resource_arn)?;
    for tag in input.tags {
        accelerator.tags.retain(|(key, _)| *key != tag.key);
        accelerator.tags.push((tag.key, tag.value));
    }
    Ok(json!({}))
}

fn untag(body: &Bytes, world: &mut World) -> Answer {
    let input: wire::UntagResource = parse(body)?;
    let accelerator = find_accelerator_mut(world, &input.resource_arn)?;
    // Of a tag that is not there nothing has to be taken away.
    accelerator.tags.retain(|(key, _)| !input.tag_keys.contains(key));
    Ok(json!({}))
}

fn update_endpoint_group(body: &Bytes, world: &mut World) -> Answer {
    let input: wire::UpdateEndpointGroup = parse(body)?;
    let balancers = world.balancers.clone();
    let group = find_group(world, &input.endpoint_group_arn)?;
    // All or nothing: everything is checked before anything is changed.
    let endpoints = match input.endpoint_configurations {
        None => group.endpoints.clone(),
        Some(configurations) => configured(group, &configurations, &balancers)?,
    };
    if let Some(dial) = input.traffic_dial_percentage
        && !(0.0..=100.0).contains(&dial)
    {
        return Err(ServiceError::invalid(format!(
            "TrafficDialPercentage {dial} is not in 0 to 100"
        )));
    }
    group.endpoints = endpoints;
    let check = &mut group.health_check;
    replace(&mut group.traffic_dial_percentage, input.traffic_dial_percentage);
    replace(&mut check.port, input.health_check_port);
    replace(&mut check.protocol, input.health_check_protocol);
    replace(&mut check.interval_seconds, input.health_check_interval_seconds);
    replace(&mut check.threshold_count, input.threshold_count);
    if input.health_check_path.is_some() {
        check.path = input.health_check_path;
    }
    if let Some(overrides) = input.port_overrides {
        group.port_overrides = overrides
            .iter()
            .map(|one| (one.listener_port, one.endpoint_port))
            .collect();
    }
    Ok(json!({"EndpointGroup": wire::group(group)}))
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn add_endpoints(body: &Bytes, world: &mut World, open: Undocumented) -> Answer {
    let input: wire::AddEndpoints = parse(body)?;
    if input.endpoint_configurations.is_empty() {
        return Err(ServiceError::invalid(
            "EndpointConfigurations must have at least one member",
        ));
    }
    let balancers = world.balancers.clone();
    let group = find_group(world, &input.endpoint_group_arn)?;
    let added = configured(group, &input.endpoint_configurations, &balancers)?;
    if open.adding_a_present_endpoint_fails
        && let Some(present) = added
            .iter()
            .find(|endpoint| group.endpoint(&endpoint.id).is_some())
    {
        return Err(ServiceError::invalid(format!(
            "endpoint {} is in the group already",
            present.id
        )));
    }
    let mut endpoints = group.endpoints.clone();
    endpoints.retain(|endpoint| added.iter().all(|new| new.id != endpoint.id));
    endpoints.extend(added.iter().cloned());
    check_quota(endpoints.len())?;
    group.endpoints = endpoints;
    Ok(json!({
        "EndpointDescriptions": added.iter().map(wire::endpoint).collect::<Vec<_>>(),
        "EndpointGroupArn": group.arn,
    }))
}

fn remove_endpoints(body: &Bytes, world: &mut World, open: Undocumented) -> Answer {
    let input: wire::RemoveEndpoints = parse(body)?;
    if input.endpoint_identifiers.is_empty() {
        return Err(ServiceError::invalid(
            "EndpointIdentifiers must have at least one member",
        ));
    }
    let group = find_group(world, &input.endpoint_group_arn)?;
    let mut endpoints = group.endpoints.clone();
    for identifier in &input.endpoint_identifiers {
        let named = |endpoint: &Endpoint| {
            endpoint.id == identifier.endpoint_id
                && identifier
                    .client_ip_preservation_enabled
                    .is_none_or(|preserved| preserved == endpoint.client_ip_preservation)
        };
        let before = endpoints.len();
        endpoints.retain(|endpoint| !named(endpoint));
        if before == endpoints.len() && open.removing_an_absent_endpoint_fails {
            let id = &identifier.endpoint_id;
            return Err(ServiceError::invalid(format!(
                "endpoint {id} is not in the group"
            )));
        }
    }
    if endpoints.is_empty() && !group.endpoints.is_empty() && open.removing_the_last_endpoint_fails {
        return Err(ServiceError::invalid(
            "the last endpoint of the group cannot be removed",
        ));
    }
    group.endpoints = endpoints;
    Ok(json!({}))
}

/// The endpoints that configurations make, those kept in the group keeping their health.
fn configured(
    group: &EndpointGroup,
    configurations: &[EndpointConfiguration],
    balancers: &BTreeMap<String, Owner>,
) -> Result<Vec<Endpoint>, ServiceError> {
    check_quota(configurations.len())?;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for configuration in configurations {
        let id = configuration
            .endpoint_id
            .as_deref()
            .ok_or_else(|| ServiceError::invalid("an EndpointConfiguration has no EndpointId"))?;
        match balancers.get(id) {
            None => {
                return Err(ServiceError::invalid(format!(
                    "endpoint {id} does not exist or is not active"
                )));
            }
            Some(Owner::Another { attachment_arn })
                if configuration.attachment_arn.as_ref() != Some(attachment_arn) =>
            {
                let message = format!("endpoint {id} is not this account's and no attachment of it is given");
                return Err(ServiceError::new("AccessDeniedException", message));
            }
            Some(Owner::Another { .. } | Owner::ThisAccount) => {}
        }
        if endpoints.iter().any(|endpoint| endpoint.id == id) {
            return Err(ServiceError::invalid(format!("endpoint {id} is given twice")));
        }
        let mut endpoint = Endpoint::just_added(id);
        if let Some(present) = group.endpoint(id) {
            endpoint.health = present.health;
            endpoint.health_reason = present.health_reason.clone();
        }
        if let Some(weight) = configuration.weight {
            endpoint.weight = u8::try_from(weight)
                .map_err(|_| ServiceError::invalid(format!("Weight {weight} is not in 0 to 255")))?;
        }
        replace(
            &mut endpoint.client_ip_preservation,
            configuration.client_ip_preservation_enabled,
        );
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn check_quota(endpoints: usize) -> Result<(), ServiceError> {
    if endpoints <= ENDPOINTS_PER_GROUP {
        return Ok(());
    }
    let message = format!("{endpoints} endpoints are more than the {ENDPOINTS_PER_GROUP} a group may have");
    Err(ServiceError::new("LimitExceededException", message))
}

fn find_accelerator<'w>(world: &'w World, arn: &str) -> Result<&'w Accelerator, ServiceError> {
    let found = world
        .accelerators
        .iter()
        .find(|accelerator| accelerator.arn == arn);
    found.ok_or_else(|| {
        ServiceError::new(
            "AcceleratorNotFoundException",
            format!("no accelerator {arn} in this account"),
        )
    })
}

fn find_accelerator_mut<'w>(world: &'w mut World, arn: &str) -> Result<&'w mut Accelerator, ServiceError> {
    find_accelerator(world, arn)?;
    let mut accelerators = world.accelerators.iter_mut();
    let found = accelerators.find(|accelerator| accelerator.arn == arn);
    found.ok_or_else(|| ServiceError::invalid(format!("no accelerator {arn}")))
}

fn find_listener<'w>(world: &'w World, arn: &str) -> Result<&'w Listener, ServiceError> {
    let mut listeners = world
        .accelerators
        .iter()
        .flat_map(|accelerator| &accelerator.listeners);
    listeners.find(|listener| listener.arn == arn).ok_or_else(|| {
        ServiceError::new(
            "ListenerNotFoundException",
            format!("no listener {arn} in this account"),
        )
    })
}

fn find_group<'w>(world: &'w mut World, arn: &str) -> Result<&'w mut EndpointGroup, ServiceError> {
    world
        .groups_mut()
        .find(|group| group.arn == arn)
        .ok_or_else(|| no_group(arn))
}

fn no_group(arn: &str) -> ServiceError {
    ServiceError::new(
        "EndpointGroupNotFoundException",
        format!("no endpoint group {arn} in this account"),
    )
}

/// One page of a list: ten at a time unless asked otherwise, which is why the eleventh accelerator is the
/// one that nobody finds.
struct Page {
    from: usize,
    to: usize,
    next_token: Option<String>,
}

impl Page {
    const DEFAULT: usize = 10;
    const MOST: i64 = 100;

    fn of(
        max_results: Option<i64>,
        token: Option<&str>,
        total: usize,
        scope: &str,
    ) -> Result<Self, ServiceError> {
        let size = match max_results {
            None => Self::DEFAULT,
            Some(asked) if (1..=Self::MOST).contains(&asked) => {
                usize::try_from(asked).unwrap_or(Self::DEFAULT)
            }
            Some(asked) => {
                return Err(ServiceError::invalid(format!(
                    "MaxResults {asked} is not in 1 to 100"
                )));
            }
        };
        let from = match token {
            None => 0,
            Some(token) => Self::position(token, scope)
                .filter(|from| *from <= total)
                .ok_or_else(|| ServiceError::new("InvalidNextTokenException", "NextToken is not valid"))?,
        };
        let to = total.min(from + size);
        let next_token = (to < total).then(|| BASE64.encode(format!("{to} of {scope}")));
        Ok(Self { from, to, next_token })
    }

    fn position(token: &str, scope: &str) -> Option<usize> {
        let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        let (position, of) = text.split_once(" of ")?;
        (of == scope).then(|| position.parse().ok()).flatten()
    }

    fn answer<T>(&self, name: &str, items: &[T], show: impl Fn(&T) -> Value) -> Value {
        let shown: Vec<Value> = items.iter().take(self.to).skip(self.from).map(show).collect();
        let mut answer = json!({name: shown});
        if let Some(token) = &self.next_token {
            answer["NextToken"] = json!(token);
        }
        answer
    }
}
