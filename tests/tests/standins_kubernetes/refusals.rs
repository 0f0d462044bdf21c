//! What the server refuses, and its words for it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tests::standins::kubernetes::Credentials;

use super::*;

#[tokio::test]
async fn a_wrong_token_is_nobody() {
    let cluster = started();
    let client = client_of(Context {
        credentials: Credentials::Token("guessed".to_owned()),
        ..Context::administrator("site-a", &cluster)
    })
    .await;
    let refused = status(secrets(&client).list(&ListParams::default()).await);
    assert_eq!((refused.code, refused.message.as_str()), (401, "Unauthorized"));
    assert!(cluster.calls().all().iter().all(|call| call.user.is_none()));
}

#[tokio::test]
async fn a_program_can_bring_the_token() {
    let cluster = started();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("login");
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": cluster.token()},
    });
    let mut file = std::fs::File::create(&program).unwrap();
    writeln!(file, "#!/bin/sh\necho '{credential}'").unwrap();
    drop(file);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let client = client_of(Context {
        credentials: Credentials::Exec(vec![program.to_string_lossy().into_owned()]),
        ..Context::administrator("site-a", &cluster)
    })
    .await;
    assert!(secrets(&client).list(&ListParams::default()).await.is_ok());
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let (cluster, other) = (started(), started());
    let mut config = config_of(Context::administrator("site-a", &cluster)).await;
    config.root_cert = config_of(Context::administrator("site-a", &other))
        .await
        .root_cert;
    let client = Client::try_from(config).unwrap();
    let error = secrets(&client).list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(error, kube::Error::Service(_)), "{error:?}");
    assert!(cluster.calls().all().is_empty());
}

#[tokio::test]
async fn what_rules_do_not_grant_is_forbidden_in_the_servers_words() {
    let cluster = started();
    let manifests = [
        json!({
            "kind": "Role", "metadata": {"name": "sitefence", "namespace": NAMESPACE},
            "rules": [
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "patch"], "resourceNames": ["webhook"]},
                {"apiGroups": ["monitoring.coreos.com"], "resources": ["prometheusrules"], "verbs": ["*"]},
            ],
        }),
        json!({
            "kind": "RoleBinding", "metadata": {"name": "sitefence", "namespace": NAMESPACE},
            "roleRef": {"kind": "Role", "name": "sitefence"},
            "subjects": [{"kind": "User", "name": "ops"}],
        }),
    ];
    let token = cluster.add_user("ops", &manifests);
    let client = client_of(Context {
        credentials: Credentials::Token(token),
        ..Context::administrator("site-a", &cluster)
    })
    .await;
    assert_eq!(status(secrets(&client).get("webhook").await).code, 404);
    let refused = status(secrets(&client).get("other").await);
    assert_eq!((refused.code, refused.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        refused.message,
        "secrets \"other\" is forbidden: User \"ops\" cannot get resource \"secrets\" in API group \"\" in the \
         namespace \"keycloak\""
    );
    let refused = status(secrets(&client).list(&ListParams::default()).await);
    assert_eq!(
        refused.message,
        "secrets is forbidden: User \"ops\" cannot list resource \"secrets\" in API group \"\" in the namespace \
         \"keycloak\""
    );
    // Applying what is not there creates it, which is a right of its own.
    let wanted = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "webhook", "namespace": NAMESPACE}, "data": {},
    });
    let refused = status(apply(&secrets(&client), "provision", &wanted).await);
    assert!(
        refused.message.contains("cannot create resource"),
        "{}",
        refused.message
    );
    assert!(rules(&client).list(&ListParams::default()).await.is_ok());
    let elsewhere: Api<DynamicObject> = Api::all_with(
        client.clone(),
        &resource("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules"),
    );
    let refused = status(elsewhere.list(&ListParams::default()).await);
    assert!(
        refused.message.ends_with("at the cluster scope"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn one_may_ask_what_one_may() {
    let cluster = started();
    let client = administrator(&cluster).await;
    let reviews: Api<DynamicObject> = Api::all_with(
        client,
        &resource(
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            "selfsubjectaccessreviews",
        ),
    );
    let review = |verb: &str| {
        object(json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
            "spec": {"resourceAttributes": {"namespace": NAMESPACE, "verb": verb, "resource": "secrets"}},
        }))
    };
    cluster.deny("delete", "secrets", None);
    for (verb, expected) in [("get", true), ("delete", false)] {
        let answer = reviews
            .create(&PostParams::default(), &review(verb))
            .await
            .unwrap();
        assert_eq!(answer.data["status"]["allowed"], expected, "{verb}");
    }
    assert!(cluster.changes().is_empty());
    cluster.lift_denials();
    let answer = reviews
        .create(&PostParams::default(), &review("delete"))
        .await
        .unwrap();
    assert_eq!(answer.data["status"]["allowed"], true);
}

#[tokio::test]
async fn what_is_not_there_or_there_already_is_said_so() {
    let cluster = started();
    let client = administrator(&cluster).await;
    let api = config_maps(&client);
    let missing = status(api.get("settings").await);
    assert_eq!(
        (missing.code, missing.message.as_str()),
        (404, "configmaps \"settings\" not found")
    );
    create(&api, config_map("settings", json!({}))).await.unwrap();
    let there = status(create(&api, config_map("settings", json!({}))).await);
    assert_eq!((there.code, there.reason.as_str()), (409, "AlreadyExists"));
    let elsewhere: Api<DynamicObject> =
        Api::namespaced_with(client, "nowhere", &resource("v1", "ConfigMap", "configmaps"));
    let mut map = config_map("settings", json!({}));
    map["metadata"]["namespace"] = json!("nowhere");
    let refused = status(create(&elsewhere, map).await);
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (404, "namespaces \"nowhere\" not found")
    );
}

#[tokio::test]
async fn what_no_object_may_be_is_invalid() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    for (map, said) in [
        (config_map("Settings", json!({})), "metadata.name: Invalid value"),
        (
            config_map("settings", json!({"a b": "1"})),
            "data[a b]: Invalid value",
        ),
    ] {
        let name = map["metadata"]["name"].as_str().unwrap().to_owned();
        let params = PatchParams::apply("provision");
        let refused = status(api.patch(&name, &params, &Patch::Apply(&map)).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(refused.message.contains(said), "{}", refused.message);
    }
    let mut labelled = config_map("settings", json!({}));
    labelled["metadata"]["labels"] = json!({"topology": "not a label"});
    assert_eq!(status(apply(&api, "provision", &labelled).await).code, 422);

    // What does not fit into the type is not judged at all.
    let number = config_map("settings", json!({"a": 1}));
    let refused = status(apply(&api, "provision", &number).await);
    assert_eq!(refused.code, 500);
    assert!(
        refused.message.starts_with(
            "failed to create typed patch object (keycloak/settings; /v1, Kind=ConfigMap): .data.a: "
        ),
        "{}",
        refused.message
    );
    assert_eq!(status(create(&api, number).await).code, 400);
}

#[tokio::test]
async fn what_this_stand_in_does_not_know_it_refuses_and_records() {
    if ClusterStandIn::is_real() {
        return;
    }
    let cluster = started();
    let client = administrator(&cluster).await;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets?watch=true");
    let watch = http::Request::get(path).body(Vec::new()).unwrap();
    let refused = status(client.request::<Value>(watch).await);
    assert_eq!(refused.code, 501);
    assert!(
        refused.message.ends_with("does not know how to watch"),
        "{}",
        refused.message
    );
    let strategic = secrets(&client)
        .patch(
            "webhook",
            &PatchParams::default(),
            &Patch::Strategic(json!({"data": {}})),
        )
        .await;
    assert_eq!(status(strategic).code, 415);
    let request = http::Request::get("/openapi/v3").body(Vec::new()).unwrap();
    let refused = status(client.request::<Value>(request).await);
    assert!(
        refused.message.contains("does not know /openapi/v3"),
        "{}",
        refused.message
    );
    assert_eq!(cluster.calls().all().len(), 3);
}

#[tokio::test]
async fn what_is_immutable_stays() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let secret = |kind: &str, value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "webhook", "namespace": NAMESPACE},
            "type": kind, "immutable": true, "data": {"url": value},
        })
    };
    create(&api, secret("Opaque", "dQ==")).await.unwrap();
    for (patch, field) in [
        (
            json!({"data": {"url": "ZQ=="}}),
            "data: Forbidden: field is immutable",
        ),
        (json!({"type": "kubernetes.io/basic-auth"}), "type: Invalid value"),
    ] {
        let changed = api
            .patch("webhook", &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        let refused = status(changed);
        assert_eq!(refused.code, 422);
        assert!(refused.message.contains(field), "{}", refused.message);
    }
    let no_base64 = secret("Opaque", "no base64!");
    api.delete("webhook", &DeleteParams::default()).await.unwrap();
    assert_eq!(status(create(&api, no_base64).await).code, 400);
}

#[tokio::test]
async fn only_json_is_answered_and_only_known_parameters_are_heeded() {
    if ClusterStandIn::is_real() {
        return;
    }
    let cluster = started();
    let client = administrator(&cluster).await;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    let protobuf = http::Request::get(&path)
        .header("accept", "application/vnd.kubernetes.protobuf")
        .body(Vec::new())
        .unwrap();
    assert_eq!(status(client.request::<Value>(protobuf).await).code, 406);
    let unknown = http::Request::get(format!("{path}?fancy=1"))
        .body(Vec::new())
        .unwrap();
    let refused = status(client.request::<Value>(unknown).await);
    assert!(
        refused.message.contains("the parameter 'fancy'"),
        "{}",
        refused.message
    );
    let scale = http::Request::get(format!(
        "/apis/apps/v1/namespaces/{NAMESPACE}/deployments/x/scale"
    ))
    .body(Vec::new())
    .unwrap();
    let refused = status(client.request::<Value>(scale).await);
    assert!(
        refused.message.contains("the subresource 'scale'"),
        "{}",
        refused.message
    );
    let selected = secrets(&client)
        .list(&ListParams::default().fields("type=Opaque"))
        .await;
    assert!(status(selected).message.contains("the parameter 'fieldSelector'"));
}

#[tokio::test]
async fn a_cluster_wide_role_holds_everywhere_and_can_be_listed() {
    let cluster = started();
    let manifests = [
        json!({"kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
        ]}),
        json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": "reader"},
            "roleRef": {"kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "ops", "namespace": "ci"}],
        }),
    ];
    let token = cluster.add_user("system:serviceaccount:ci:ops", &manifests);
    let client = client_of(Context {
        credentials: Credentials::Token(token),
        ..Context::administrator("site-a", &cluster)
    })
    .await;
    let everywhere: Api<DynamicObject> = Api::all_with(client.clone(), &resource("v1", "Secret", "secrets"));
    assert!(
        !everywhere
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        status(create(&config_maps(&client), config_map("x", json!({}))).await).code,
        403
    );
    let reviews: Api<DynamicObject> = Api::all_with(
        client,
        &resource(
            "authorization.k8s.io/v1",
            "SelfSubjectRulesReview",
            "selfsubjectrulesreviews",
        ),
    );
    let review = object(json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "metadata": {},
        "spec": {"namespace": NAMESPACE},
    }));
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    let rules = answer.data["status"]["resourceRules"].as_array().unwrap();
    // Beside what every user may ask about himself.
    assert!(
        rules.iter().any(|rule| rule["verbs"] == json!(["get", "list"])),
        "{rules:?}"
    );
    assert_eq!(answer.data["status"]["incomplete"], false);
}
