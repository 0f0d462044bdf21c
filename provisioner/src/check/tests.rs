//! Each promise is broken here, in one document of a rendered example, and must be missed by nobody.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{PROMISES, breaches};
use crate::render::{Document, render};
use crate::topology::{Topology, parse};

const EVERY_SETTING: &str = include_str!("../../../examples/every-setting.yaml");
const TWO_ZONES: &str = include_str!("../../../examples/two-zones.yaml");
const TWO_REGIONS: &str = include_str!("../../../examples/two-regions.yaml");

fn topology(text: &str) -> Topology {
    parse(text.as_bytes(), "example.yaml").unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

/// One way to break a promise.
struct Break {
    example: &'static str,
    document: &'static str,
    change: fn(&mut Value),
    /// Part of the promise's sentence.
    promise: &'static str,
    /// Part of what is found.
    found: &'static str,
}

const FENCING: &str = "aws/eu-west-1/fencing.yaml";
const HEALTH: &str = "aws/us-east-1/health.yaml";
const RULE: &str = "clusters/site-a/prometheusrule.yaml";
const CONFIG: &str = "clusters/site-a/alertmanagerconfig.yaml";

fn properties<'a>(template: &'a mut Value, id: &str) -> &'a mut Value {
    template
        .pointer_mut(&format!("/Resources/{id}/Properties"))
        .unwrap_or_else(|| panic!("no {id}"))
}

fn set(value: &mut Value, pointer: &str, to: Value) {
    *value
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("nothing at {pointer}")) = to;
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => assert!(
            fields.remove(&name.replace("~1", "/")).is_some(),
            "nothing at {pointer}"
        ),
        Some(Value::Array(items)) => {
            items.remove(name.parse().unwrap());
        }
        _ => panic!("nothing at {pointer}"),
    }
}

/// Renames a metric on the dashboard.
fn dashboard(template: &mut Value, from: &str, to: &str) {
    let parts = properties(template, "Dashboard")
        .pointer_mut("/DashboardBody/Fn::Join/1")
        .unwrap();
    for part in parts.as_array_mut().unwrap() {
        if let Some(text) = part.as_str() {
            *part = json!(text.replace(from, to));
        }
    }
}

fn config<'a>(template: &'a mut Value, id: &str) -> &'a mut Value {
    properties(template, id)
        .pointer_mut("/HealthCheckConfig")
        .unwrap()
}

fn statement<'a>(template: &'a mut Value, sid: &str) -> &'a mut Value {
    let statements = template
        .pointer_mut("/Resources/Role/Properties/Policies/0/PolicyDocument/Statement")
        .unwrap();
    statements
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|s| s["Sid"] == sid)
        .unwrap_or_else(|| panic!("no {sid}"))
}

fn rule<'a>(object: &'a mut Value, alert: &str) -> &'a mut Value {
    let rules = object.pointer_mut("/spec/groups/0/rules").unwrap();
    rules
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|r| r["alert"] == alert)
        .unwrap_or_else(|| panic!("no {alert}"))
}

macro_rules! breaks {
    ($($example:ident $document:expr, $change:expr => $promise:literal, $found:literal;)*) => {
        &[$(Break { example: $example, document: $document, change: $change, promise: $promise, found: $found }),*]
    };
}

const BREAKS: &[Break] = breaks! {
    TWO_ZONES FENCING, |t| remove(t, "/Resources/InvokePermission") => "both of its permissions", "no permission for lambda:InvokeFunction";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/UrlPermission") => "both of its permissions", "no permission for lambda:InvokeFunctionUrl";
    TWO_ZONES FENCING, |t| set(properties(t, "InvokePermission"), "/Action", json!("lambda:InvokeFunctoin")) => "both of its permissions", "InvokeFunctoin";
    TWO_ZONES FENCING, |t| remove(properties(t, "InvokePermission"), "/InvokedViaFunctionUrl") => "both of its permissions", "opens lambda:InvokeFunction to everyone";
    TWO_ZONES FENCING, |t| set(properties(t, "FunctionUrl"), "/AuthType", json!("AWS_IAM")) => "both of its permissions", "not exactly one URL";
    TWO_ZONES FENCING, |t| set(statement(t, "TellPeople"), "/Action", json!("sns:*")) => "named actions", "sns:*";
    TWO_ZONES FENCING, |t| set(statement(t, "WriteItsLog"), "/Action", json!(["logs:PutLogEvents", "logs:Create*"])) => "named actions", "logs:Create*";
    TWO_ZONES FENCING, |t| properties(t, "Role")["ManagedPolicyArns"] = json!(["arn:aws:iam::aws:policy/GlobalAcceleratorFullAccess"]) => "named actions", "managed policies";
    TWO_ZONES FENCING, |t| t["Resources"]["Extra"] = json!({"Type": "AWS::IAM::Policy", "Properties": {}}) => "named actions", "do not look into";
    TWO_ZONES FENCING, |t| statement(t, "TellPeople")["NotAction"] = json!("iam:PassRole") => "named actions", "by exclusion";
    TWO_ZONES FENCING, |t| set(statement(t, "FenceAtTheAccelerator"), "/Resource", json!("*")) => "named resources", "FenceAtTheAccelerator";
    TWO_ZONES FENCING, |t| remove(statement(t, "ReadItsSecrets"), "/Resource") => "named resources", "ReadItsSecrets";
    TWO_ZONES FENCING, |t| remove(statement(t, "KeepTheRegister"), "/Condition") => "items of other topologies", "reached under";
    TWO_ZONES FENCING, |t| set(statement(t, "KeepTheRegister"), "/Action/0", json!("dynamodb:Scan")) => "items of other topologies", "dynamodb:Scan";
    TWO_ZONES FENCING, |t| set(statement(t, "KeepTheRegister"), "/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys/1", json!("keycloak*")) => "items of other topologies", "keycloak*";
    TWO_ZONES FENCING, |t| t["Resources"]["Group"] = json!({"Type": "AWS::GlobalAccelerator::EndpointGroup", "Properties": {}}) => "touches the accelerator", "EndpointGroup";
    TWO_ZONES FENCING, |t| set(properties(t, "Function"), "/Environment/Variables/SITEFENCE_SITES", json!("site-b=eu-west-1,site-a=eu-west-1")) => "exactly the settings", "read back as";
    TWO_ZONES FENCING, |t| remove(properties(t, "Function"), "/Environment/Variables/SITEFENCE_BALANCERS") => "exactly the settings", "SITEFENCE_BALANCERS";
    TWO_ZONES FENCING, |t| set(properties(t, "Function"), "/Environment/Variables/SITEFENCE_BALANCERS", json!({"Ref": "InfinispanUrls"})) => "exactly the settings", "SITEFENCE_BALANCERS";
    TWO_ZONES FENCING, |t| properties(t, "Function")["Environment"]["Variables"]["DEBUG"] = json!("1") => "exactly the settings", "DEBUG is read by nobody";
    TWO_ZONES FENCING, |t| properties(t, "Function")["Environment"]["Variables"]["MORE"] = json!("x".repeat(4_000)) => "what Lambda allows", "4096 are allowed";
    TWO_ZONES FENCING, |t| t["Description"] = json!("{{resolve:ssm:x}}") => "expanded", "{{resolve";
    TWO_ZONES FENCING, |t| properties(t, "Function")["Description"] = json!({"Fn::Sub": "x"}) => "expanded", "Fn::Sub";
    TWO_ZONES FENCING, |t| t["Description"] = json!("${AWS::AccountId}") => "expanded", "${AWS";
    TWO_ZONES FENCING, |t| set(properties(t, "Role"), "/RoleName", json!("r".repeat(65))) => "names fit", "65 characters";
    TWO_ZONES "aws/eu-west-1/artifacts.yaml", |t| set(properties(t, "Bucket"), "/BucketName/Fn::Join/1/0", json!("other")) => "names fit", "the bucket would be";
    TWO_ZONES FENCING, |t| set(properties(t, "Function"), "/Tags", json!([])) => "topology's tag", "`Function` has no tag";
    TWO_REGIONS "aws/eu-central-1/register.yaml", |t| remove(properties(t, "Table"), "/Tags") => "topology's tag", "`Table` has no tag";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/Function/DependsOn") => "log group stands", "may start before";
    TWO_ZONES FENCING, |t| remove(properties(t, "LogGroup"), "/RetentionInDays") => "log group stands", "for ever";
    TWO_ZONES FENCING, |t| set(properties(t, "LogGroup"), "/LogGroupName", json!("/aws/lambda/other")) => "log group stands", "has no log group";
    TWO_ZONES FENCING, |t| set(properties(t, "EveryMinute"), "/ScheduleExpression", json!("rate(1 hour)")) => "every minute", "does not come";
    TWO_ZONES FENCING, |t| set(properties(t, "EveryMinute"), "/Targets/0/Input", json!("{}")) => "every minute", "sends";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/SchedulePermission") => "every minute", "may not invoke";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/EveryMinute") => "every minute", "0 schedules";
    TWO_ZONES FENCING, |t| set(properties(t, "PathSilentSiteA"), "/TreatMissingData", json!("notBreaching")) => "heartbeat", "PathSilentSiteA";
    TWO_ZONES FENCING, |t| set(properties(t, "FunctionErrors"), "/TreatMissingData", json!("breaching")) => "heartbeat", "FunctionErrors";
    TWO_ZONES FENCING, |t| remove(properties(t, "HeldTooLong"), "/AlarmActions") => "heartbeat", "notifies nobody";
    TWO_ZONES FENCING, |t| properties(t, "FenceHappened")["AlarmActions"] = json!([{"Ref": "Topic"}]) => "heartbeat", "notifies a second time";
    TWO_ZONES FENCING, |t| set(properties(t, "HeldTooLong"), "/Dimensions", json!([])) => "heartbeat", "other topologies";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/PathSilentSiteB") => "heartbeat", "no alarm listens to WatchdogSeen site-b";
    EVERY_SETTING "aws/us-east-1/health.yaml", |t| set(properties(t, "NoFunctionHealthy"), "/TreatMissingData", json!("missing")) => "heartbeat", "NoFunctionHealthy";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/DeepCheckNotRunning") => "heartbeat", "no alarm listens to DeepCheckRan";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/DeepCheckFailing") => "heartbeat", "no alarm listens to DeepCheckFailures";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/DecisionStuck") => "heartbeat", "no alarm listens to DecisionAgeSeconds";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/HeldTooLong") => "heartbeat", "no alarm listens to HoldOverdueSeconds";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/FenceHappened") => "heartbeat", "no alarm listens to FenceDecided";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/FenceCompleted") => "heartbeat", "no alarm listens to FenceCompleted";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/FunctionErrors") => "heartbeat", "no alarm listens to Errors";
    TWO_ZONES FENCING, |t| remove(t, "/Resources/FunctionThrottled") => "heartbeat", "no alarm listens to Throttles";
    TWO_ZONES FENCING, |t| set(properties(t, "HeldTooLong"), "/MetricName", json!("HoldOverdueMinutes")) => "what the function measures", "nobody writes HoldOverdueMinutes";
    TWO_ZONES FENCING, |t| set(properties(t, "PathSilentSiteA"), "/Dimensions/1/Value", json!("site-c")) => "what the function measures", "nobody writes WatchdogSeen";
    TWO_ZONES FENCING, |t| dashboard(t, "DeepCheckRan", "DeepCheckRuns") => "what the function measures", "nobody writes DeepCheckRuns";
    TWO_ZONES FENCING, |t| dashboard(t, "DeepCheckRan", "DeepCheckFailures") => "what the function measures", "does not show DeepCheckRan";
    EVERY_SETTING HEALTH, |t| set(config(t, "FunctionEuWest1"), "/EnableSNI", json!(false)) => "each function is asked from outside", "EnableSNI";
    EVERY_SETTING HEALTH, |t| set(config(t, "FunctionEuWest1"), "/SearchString", json!("OK")) => "each function is asked from outside", "SearchString";
    EVERY_SETTING HEALTH, |t| set(config(t, "FunctionEuWest1"), "/ResourcePath", json!("/health/guess")) => "each function is asked from outside", "ResourcePath";
    EVERY_SETTING HEALTH, |t| remove(config(t, "FunctionEuWest1"), "/ResourcePath/Fn::Join/1/4") => "each function is asked from outside", "ResourcePath";
    EVERY_SETTING HEALTH, |t| set(config(t, "FunctionEuWest1"), "/RequestInterval", json!(20)) => "each function is asked from outside", "RequestInterval 20";
    EVERY_SETTING HEALTH, |t| set(config(t, "FunctionEuWest1"), "/Type", json!("HTTPS")) => "each function is asked from outside", "Type";
    EVERY_SETTING HEALTH, |t| set(config(t, "FunctionEuWest1"), "/FullyQualifiedDomainName", json!({"Ref": "HostEuCentral1"})) => "each function is asked from outside", "nobody asks the function in eu-west-1";
    EVERY_SETTING HEALTH, |t| remove(config(t, "AnyFunction"), "/ChildHealthChecks/0") => "each function is asked from outside", "the checks together";
    EVERY_SETTING HEALTH, |t| remove(t, "/Resources/FunctionEuWest1Unhealthy") => "each function is asked from outside", "no alarm listens to `FunctionEuWest1`";
    EVERY_SETTING HEALTH, |t| remove(t, "/Resources/NoFunctionHealthy") => "each function is asked from outside", "no alarm listens to `AnyFunction`";
    EVERY_SETTING FENCING, |t| remove(properties(t, "HealthSecret"), "/ReplicaRegions/1") => "each function is asked from outside", "does not get to us-east-1";
    TWO_ZONES FENCING, |t| set(properties(t, "WebhookSecret"), "/GenerateSecretString/PasswordLength", json!(8)) => "generated, never written", "WebhookSecret";
    TWO_ZONES FENCING, |t| properties(t, "WebhookSecret")["SecretString"] = json!("changeme") => "generated, never written", "WebhookSecret";
    TWO_ZONES FENCING, |t| t["Parameters"]["WebhookPassword"] = json!({"Type": "String", "NoEcho": true}) => "generated, never written", "takes a secret";
    TWO_ZONES FENCING, |t| remove(properties(t, "Function"), "/Code/S3ObjectVersion") => "one version of one object", "takes any S3ObjectVersion";
    TWO_ZONES "aws/eu-west-1/artifacts.yaml", |t| set(properties(t, "Bucket"), "/PublicAccessBlockConfiguration/BlockPublicAcls", json!(false)) => "the bucket is private", "not private";
    TWO_ZONES "aws/eu-west-1/artifacts.yaml", |t| set(properties(t, "Bucket"), "/VersioningConfiguration/Status", json!("Suspended")) => "the bucket is private", "versioned";
    TWO_ZONES "aws/eu-west-1/artifacts.yaml", |t| properties(t, "Bucket")["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] = json!(30) => "the bucket is private", "forgets packages";
    TWO_ZONES "aws/eu-west-1/artifacts.yaml", |t| remove(t, "/Resources/BucketPolicy") => "the bucket is private", "without TLS";
    EVERY_SETTING FENCING, |t| remove(properties(t, "WebhookSecret"), "/ReplicaRegions") => "password is one", "replicated to {}";
    EVERY_SETTING "aws/eu-central-1/fencing.yaml", |t| t["Resources"]["Other"] = json!({"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "sitefence/keycloak-world/webhook", "GenerateSecretString": {"PasswordLength": 40}}}) => "password is one", "a second password";
    TWO_ZONES FENCING, |t| set(properties(t, "WebhookSecret"), "/Name", json!("other")) => "password is one", "nothing makes";
    EVERY_SETTING "aws/eu-west-1/register.yaml", |t| properties(t, "Table")["TimeToLiveSpecification"] = json!({"Enabled": true, "AttributeName": "until"}) => "the register is on demand", "has TimeToLiveSpecification";
    TWO_ZONES "aws/eu-west-1/register.yaml", |t| remove(properties(t, "Table"), "/PointInTimeRecoverySpecification") => "the register is on demand", "cannot be recovered";
    TWO_ZONES "aws/eu-west-1/register.yaml", |t| set(properties(t, "Table"), "/DeletionProtectionEnabled", json!(false)) => "the register is on demand", "can be deleted by anybody";
    EVERY_SETTING "aws/eu-west-1/register.yaml", |t| remove(properties(t, "Table"), "/Replicas/1/DeletionProtectionEnabled") => "the register is on demand", "can be deleted by anybody";
    TWO_ZONES "aws/eu-west-1/register.yaml", |t| set(properties(t, "Table"), "/BillingMode", json!("PROVISIONED")) => "the register is on demand", "capacity";
    TWO_ZONES "aws/eu-west-1/register.yaml", |t| set(t, "/Resources/Table/UpdateReplacePolicy", json!("Delete")) => "the register is on demand", "against the topology's will";
    TWO_REGIONS "aws/eu-central-1/register.yaml", |t| set(t, "/Resources/Table/DeletionPolicy", json!("Delete")) => "the register is on demand", "against the topology's will";
    EVERY_SETTING "aws/eu-west-1/register.yaml", |t| set(properties(t, "Table"), "/MultiRegionConsistency", json!("EVENTUAL")) => "the register is on demand", "eventually consistent";
    EVERY_SETTING "aws/eu-west-1/register.yaml", |t| remove(properties(t, "Table"), "/GlobalTableWitnesses") => "the register is on demand", "no quorum";
    TWO_ZONES RULE, |o| set(o, "/metadata/namespace", json!("other")) => "one site has one namespace", "`other`";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/labels/namespace", json!("other")) => "one site has one namespace", "SiteOffline";
    TWO_ZONES "clusters/site-a/kustomization.yaml", |o| o["namespace"] = json!("other") => "one site has one namespace", "moves";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/labels/reporter", json!("site-b")) => "labels are what the function expects", "reporter `site-b`";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/labels/topology", json!("other")) => "labels are what the function expects", "topology `other`";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/labels/severity", json!("critical")) => "labels are what the function expects", "do not carry the same labels";
    TWO_ZONES RULE, |o| set(rule(o, "FencingPathWatchdog"), "/alert", json!("Watchdog")) => "labels are what the function expects", "no alert FencingPathWatchdog";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/expr", json!("max by (namespace, site) (vendor_jgroups_site_view_status{namespace=\"keycloak\",site=\"site-b\"} != 2) == 0")) => "both names of the metric", "(vendor_)?";
    TWO_ZONES RULE, |o| set(rule(o, "SiteViewAbsent"), "/expr", json!("absent({__name__=~\"(vendor_)?jgroups_site_view_status\",namespace=\"keycloak\",site=\"site-a\"})")) => "both names of the metric", "site=\"site-b\"";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/expr", json!("min by (namespace, site) ({__name__=~\"(vendor_)?jgroups_site_view_status\",namespace=\"keycloak\",site=\"site-b\"}) == 0")) => "both names of the metric", "no relay node sees";
    TWO_ZONES RULE, |o| set(rule(o, "FencingPathWatchdog"), "/expr", json!("vector(0) > 0")) => "both names of the metric", "always fire";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/annotations/summary", json!("{{ $labels.reporter }} reports")) => "annotations speak", "speaks of reporter";
    TWO_ZONES RULE, |o| set(rule(o, "FencingPathWatchdog"), "/annotations/summary", json!("{{ $labels.site }}")) => "annotations speak", "speaks of site";
    TWO_ZONES FENCING, |t| set(properties(t, "Function"), "/Timeout", json!(60)) => "leave each other time", "believes 15";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/0/groupInterval", json!("10s")) => "leave each other time", "gives up after 10";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/0/repeatInterval", json!("1s")) => "leave each other time", "repeated every 1 ";
    TWO_ZONES RULE, |o| set(rule(o, "SiteOffline"), "/for", json!("1s")) => "leave each other time", "does not wait for";
    TWO_ZONES "clusters/site-a/podmonitor.yaml", |o| set(o, "/spec/podMetricsEndpoints/0/scrapeTimeout", json!("10s")) => "leave each other time", "longer than its interval";
    TWO_ZONES CONFIG, |o| set(o, "/apiVersion", json!("monitoring.coreos.com/v1alpha1")) => "reaches every function", "does not serve";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/matchers/0/value", json!("other")) => "reaches every function", "other topologies' alerts";
    TWO_ZONES CONFIG, |o| set(o, "/spec/receivers/1/webhookConfigs/0/urlSecret/key", json!("uri")) => "reaches every function", "uri";
    TWO_ZONES CONFIG, |o| remove(o, "/spec/receivers/1/webhookConfigs/0/httpConfig/basicAuth/password") => "reaches every function", "no password";
    TWO_ZONES CONFIG, |o| set(o, "/spec/receivers/1/webhookConfigs/0/sendResolved", json!(false)) => "reaches every function", "end of an alert";
    TWO_ZONES CONFIG, |o| remove(o, "/spec/route/routes/0") => "reaches every function", "not exactly one route";
    EVERY_SETTING "clusters/dublin/alertmanagerconfig.yaml", |o| remove(o, "/spec/receivers/1/webhookConfigs/1") => "reaches every function", "url-eu-central-1";
    TWO_ZONES CONFIG, |o| remove(o, "/spec/route/routes/1") => "route of its own", "0 routes";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/1/groupBy", json!(["namespace"])) => "route of its own", "shares its group";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/1/repeatInterval", json!("4h")) => "route of its own", "every minute";
    TWO_ZONES RULE, |o| set(rule(o, "SiteSuspected"), "/alert", json!("Suspected")) => "a suspicion reaches", "no alert SiteSuspected";
    TWO_ZONES RULE, |o| set(rule(o, "SiteSuspected"), "/expr", json!("vector(1)")) => "a suspicion reaches", "expr for a suspicion";
    TWO_ZONES RULE, |o| set(rule(o, "SiteSuspected"), "/labels/severity", json!("critical")) => "a suspicion reaches", "labels for a suspicion";
    TWO_ZONES RULE, |o| rule(o, "SiteSuspected")["for"] = json!("5s") => "a suspicion reaches", "waits in Prometheus";
    EVERY_SETTING "clusters/dublin/prometheusrule.yaml", |o| set(rule(o, "SiteSuspected"), "/for", json!("5s")) => "a suspicion reaches", "waits in Prometheus";
    TWO_ZONES CONFIG, |o| remove(o, "/spec/route/routes/2") => "a suspicion reaches", "0 routes";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/2/groupWait", json!("5s")) => "a suspicion reaches", "waits in Alertmanager";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/2/groupBy", json!(["namespace"])) => "a suspicion reaches", "shares its group";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/2/receiver", json!("nobody")) => "a suspicion reaches", "does not go where";
    TWO_ZONES CONFIG, |o| set(o, "/spec/route/routes/2/groupInterval", json!("9s")) => "a suspicion reaches", "gives up after 9";
    TWO_ZONES FENCING, |t| set(properties(t, "Function"), "/Timeout", json!(9)) => "a suspicion reaches", "looks for 5 before";
    TWO_ZONES RULE, |o| remove(o, "/metadata/labels/sitefence.io~1topology") => "topology's labels", "sitefence.io/topology";
    TWO_REGIONS "clusters/dublin/prometheusrule.yaml", |o| remove(o, "/metadata/labels/release") => "topology's labels", "pass it over";
    TWO_ZONES "by-hand/site-a/secret.yaml", |o| set(o, "/stringData/password", json!("hunter2")) => "no secret value", "`password`";
    TWO_ZONES "by-hand/site-a/secret.yaml", |o| o["data"] = json!({"password": "aHVudGVyMg=="}) => "no secret value", "encoded";
    TWO_ZONES CONFIG, |o| set(o, "/spec/receivers/1/webhookConfigs/0/httpConfig/basicAuth/password", json!("hunter2")) => "no secret value", "holds a text";
    TWO_ZONES "clusters/site-a/kustomization.yaml", |o| remove(o, "/resources/1") => "`kubectl apply -k`", "beside it lie";
    TWO_ZONES "clusters/site-a/kustomization.yaml", |o| set(o, "/resources/0", json!("../../by-hand/site-a/secret.yaml")) => "`kubectl apply -k`", "it lists";
};

fn rendered(example: &str) -> (Topology, Vec<Document>) {
    let topology = topology(example);
    let documents = render(&topology).unwrap();
    (topology, documents)
}

#[test]
fn what_we_render_keeps_every_promise() {
    for example in [TWO_ZONES, TWO_REGIONS, EVERY_SETTING] {
        let (topology, documents) = rendered(example);
        assert_eq!(breaches(&topology, &documents), []);
    }
}

#[test]
fn a_broken_promise_is_noticed() {
    // Each example is rendered once: what is broken is a copy.
    let mut kept = BTreeMap::new();
    for case in BREAKS {
        let (topology, documents) = kept.entry(case.example).or_insert_with(|| rendered(case.example));
        let mut documents = documents.clone();
        let document = documents
            .iter_mut()
            .find(|document| document.path == case.document);
        let document = document.unwrap_or_else(|| panic!("no {}", case.document));
        (case.change)(&mut document.value);
        let found = breaches(topology, &documents);
        assert!(
            found
                .iter()
                .any(|breach| breach.promise.contains(case.promise) && breach.found.contains(case.found)),
            "{} changed to break `{}` with `{}`, but found {found:#?}",
            case.document,
            case.promise,
            case.found
        );
    }
}

#[test]
fn a_template_that_does_not_fit_into_a_request_is_noticed() {
    let (topology, mut documents) = rendered(TWO_ZONES);
    documents[0]
        .text
        .push_str(&"#".repeat(super::TEMPLATE_LIMIT_BYTES));
    let found = breaches(&topology, &documents);
    assert!(
        found
            .iter()
            .any(|breach| breach.promise.contains("fits into one request")),
        "{found:#?}"
    );
}

#[test]
fn every_promise_has_been_broken_once() {
    for (promise, _) in PROMISES {
        let is_broken = BREAKS.iter().any(|case| promise.contains(case.promise))
            || promise.contains("fits into one request");
        assert!(is_broken, "nothing breaks the promise that {promise}");
    }
}
