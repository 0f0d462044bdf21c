//! A cluster whose only way out is a proxy: the real Alertmanager asks it for the function.

use serde_json::{Value, json};
use tests::monitoring::{Alertmanager, knows_environment_proxy, operator};
use tests::programs::Program;
use tests::skip;
use tests::standins::proxy::Proxy;

use crate::examples::examples;

/// Nobody has it, so that only a proxy could lead there; and it is not this machine, for which none is asked.
const FUNCTION: &str = "https://function.sitefence.test/webhook";

/// The rendered configuration with a proxy chosen in the topology.
fn configuration(proxy: &str) -> Value {
    let examples = examples();
    let example = examples.iter().find(|example| example.name == "minimal").unwrap();
    let mut topology = example.topology.clone();
    topology.monitoring.proxy = Some(proxy.to_owned().try_into().unwrap());
    let documents = provisioner::render::render(&topology).unwrap();
    let config = documents
        .iter()
        .find(|document| document.value["kind"] == "AlertmanagerConfig")
        .unwrap();
    let secrets = |_: &str, key: &str| {
        Some(
            if key.starts_with("url") {
                FUNCTION
            } else {
                "secret"
            }
            .to_owned(),
        )
    };
    let mut configuration = operator::alertmanager_configuration(&config.value, &secrets).unwrap();
    for route in configuration["route"]["routes"][0]["routes"]
        .as_array_mut()
        .unwrap()
    {
        route["group_wait"] = json!("50ms");
    }
    configuration
}

/// Fires the alert that fences and returns the first tunnel that the proxy was asked for.
async fn asked(alertmanager: &Alertmanager, proxy: &Proxy) -> Option<String> {
    let labels = json!({
        "alertname": "SiteOffline", "namespace": "keycloak", "topology": "keycloak",
        "reporter": "site-a", "site": "site-b",
    });
    alertmanager.fire(&labels).await.unwrap();
    proxy.first_asked().await
}

#[tokio::test]
async fn a_proxy_that_the_topology_names_is_asked_for_the_function() {
    let test = "a_proxy_that_the_topology_names_is_asked_for_the_function";
    let Some(program) = Program::Alertmanager.for_test(test) else {
        return;
    };
    let proxy = Proxy::start().unwrap();
    let alertmanager = Alertmanager::start(&program, &configuration(&proxy.url())).unwrap();
    let asked = asked(&alertmanager, &proxy).await;
    assert_eq!(asked.as_deref(), Some("function.sitefence.test:443"));
}

#[tokio::test]
async fn the_environment_s_proxy_is_asked_for_the_function() {
    let test = "the_environment_s_proxy_is_asked_for_the_function";
    let Some(program) = Program::Alertmanager.for_test(test) else {
        return;
    };
    if !knows_environment_proxy(&program) {
        skip::impossible(test, "this Alertmanager is older than 0.26");
        return;
    }
    let proxy = Proxy::start().unwrap();
    let environment = [("HTTPS_PROXY", proxy.url())];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let configuration = configuration("environment");
    let alertmanager = Alertmanager::start_with(&program, &configuration, &environment).unwrap();
    let asked = asked(&alertmanager, &proxy).await;
    assert_eq!(asked.as_deref(), Some("function.sitefence.test:443"));
}
