//! What a pod answers that is asked by way of the API server: `pods/https:NAME:PORT/proxy/lb-check`. Every pod is Keycloak's.

use bytes::Bytes;
use http::Response;

use super::Outcome;
use super::path::ResourcePath;
use super::world::World;
use crate::standins::server::{Received, Reply};

pub(super) fn ask(received: &Received, path: &ResourcePath, world: &World) -> (Outcome, Reply) {
    let name = path.name.as_deref().unwrap_or_default();
    let pod = match name.split(':').collect::<Vec<_>>().as_slice() {
        [_, pod, _] => *pod,
        _ => name,
    };
    let namespace = path.namespace.as_deref().unwrap_or_default();
    let (code, text) = match world.get("Pod", namespace, pod) {
        None => (
            404,
            format!(r#"{{"kind":"Status","message":"pods {pod} not found"}}"#),
        ),
        Some(_) if !received.uri.path().ends_with("/proxy/lb-check") => (404, "no such path".to_owned()),
        Some(_) if world.lb_check == 200 => (200, r#"{"status":"UP"}"#.to_owned()),
        Some(_) => (world.lb_check, r#"{"status":"DOWN"}"#.to_owned()),
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    (Outcome::Answered(code), Reply::Answer(response))
}
