//! The file that `KUBECONFIG` names, for any number of clusters and users.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::ClusterStandIn;

/// How a context signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    Token(String),
    /// A program that prints an ExecCredential, and its arguments.
    Exec(Vec<String>),
    /// A file that holds the token.
    TokenFile(PathBuf),
    Nobody,
}

#[derive(Debug)]
pub struct Context<'a> {
    pub name: &'a str,
    pub cluster: &'a ClusterStandIn,
    pub credentials: Credentials,
    /// A proxy in front of the cluster.
    pub proxy_url: Option<String>,
}

impl<'a> Context<'a> {
    pub fn administrator(name: &'a str, cluster: &'a ClusterStandIn) -> Self {
        Self {
            name,
            cluster,
            credentials: Credentials::Token(cluster.token()),
            proxy_url: None,
        }
    }
}

/// A kubeconfig with these contexts, none of which is the current one: whoever means a cluster has to name it.
pub fn kubeconfig(contexts: &[Context<'_>]) -> Value {
    let clusters: Vec<Value> = contexts.iter().map(cluster).collect();
    let users: Vec<Value> = contexts.iter().map(user).collect();
    let contexts: Vec<Value> = contexts
        .iter()
        .map(|context| json!({"name": context.name, "context": {"cluster": context.name, "user": context.name}}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "",
        "clusters": clusters, "users": users, "contexts": contexts,
    })
}

fn cluster(context: &Context<'_>) -> Value {
    let mut cluster = json!({
        "server": context.cluster.url(),
        "certificate-authority-data": BASE64.encode(context.cluster.authority().pem()),
    });
    if let Some(proxy) = &context.proxy_url {
        cluster["proxy-url"] = Value::from(proxy.as_str());
    }
    json!({"name": context.name, "cluster": cluster})
}

fn user(context: &Context<'_>) -> Value {
    let user = match &context.credentials {
        Credentials::Nobody => json!({}),
        Credentials::Token(token) => json!({"token": token}),
        Credentials::TokenFile(file) => json!({"tokenFile": file}),
        Credentials::Exec(words) => json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": words.first(),
            "args": words.get(1..),
            "interactiveMode": "Never",
        }}),
    };
    json!({"name": context.name, "user": user})
}

/// Writes it. JSON is YAML, too.
pub fn write_kubeconfig(path: &Path, contexts: &[Context<'_>]) -> io::Result<()> {
    std::fs::write(path, kubeconfig(contexts).to_string())
}
