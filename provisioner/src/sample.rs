//! A world as literals, for the tables of tests: two sites of one Region, everything as it should be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use fencing::accelerator::Outcome;
use fencing::register::{Decision, Hold, Record, State};
use fencing::words::{Epoch, Fenced, SiteName, Survivor};
use jiff::Timestamp;

use crate::observed::cluster::{ClusterReading, Looks};
use crate::observed::*;
use crate::package::{self, Package};
use crate::plan::{OUTPUT_WEBHOOK_SECRET, ParameterValue, Plan, StackGoal, Step};
use crate::preflight::Findings;
use crate::preflight::ours::{Choices, Clusters};
use crate::render::{StackDocument, Template, parameters};
use crate::topology::names::{StackKind, TAG_TOPOLOGY};
use crate::topology::{Region, Topology};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const GROUP: &str =
    "arn:aws:globalaccelerator::123456789012:accelerator/acc/listener/l1/endpoint-group/g1";

/// The version that whatever has versions is given.
const VERSION: &str = "v1";

pub(crate) fn topology_from(extra: &str) -> Topology {
    let text = format!(
        "
name: prod
regions: [eu-west-1]
accelerator: a3da6a6cbd4e27b02.awsglobalaccelerator.com
infinispan: {{ username: developer, passwordSecret: prod/infinispan }}
sites:
  - name: site-a
    region: eu-west-1
    platform: openshift
    context: a
    namespace: keycloak
    infinispan: {{ endpoint: a.example.com }}
  - name: site-b
    region: eu-west-1
    platform: openshift
    context: b
    namespace: keycloak
    infinispan: {{ endpoint: b.example.com }}
{extra}
"
    );
    crate::topology::parse(text.as_bytes(), "sample.yaml").unwrap_or_else(|errors| panic!("{errors:?}"))
}

pub(crate) fn topology() -> Topology {
    topology_from("")
}

pub(crate) fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

pub(crate) fn balancer(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:loadbalancer/net/{name}/1")
}

pub(crate) fn tagged(name: &str, tag: Option<&str>) -> (String, EndpointReading) {
    let arn = balancer(name);
    (
        arn.clone(),
        EndpointReading::Balancer(BalancerReading {
            arn,
            site: tag.map(str::to_owned),
        }),
    )
}

pub(crate) fn listener(name: &str, ports: &str, endpoints: &[String]) -> ListenerReading {
    let arn = format!("arn:aws:globalaccelerator::{ACCOUNT}:accelerator/acc/listener/{name}");
    ListenerReading {
        ports: vec![ports.to_owned()],
        groups: vec![GroupReading {
            arn: format!("{arn}/endpoint-group/g1"),
            region: REGION.into(),
            endpoints: endpoints.to_vec(),
        }],
        arn,
    }
}

pub(crate) fn standing() -> Standing {
    Standing {
        identity: Identity {
            account_id: ACCOUNT.to_owned(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/operator"),
        },
        regions: [REGION, "us-east-1"]
            .into_iter()
            .map(|region| (region.into(), RegionStanding::default()))
            .collect(),
        unreached: BTreeMap::new(),
        register_unread: None,
        register: None,
        former_registers: BTreeMap::new(),
    }
}

pub(crate) fn observed() -> Observed {
    let accelerator = AcceleratorReading {
        arn: format!("arn:aws:globalaccelerator::{ACCOUNT}:accelerator/acc"),
        name: "keycloak".to_owned(),
        dns_name: "a3da6a6cbd4e27b02.awsglobalaccelerator.com".to_owned(),
        dual_stack_dns_name: None,
        enabled: true,
    };
    Observed {
        own_secrets: BTreeMap::new(),
        keys: BTreeMap::new(),
        topics: BTreeMap::new(),
        accelerator_tags: BTreeMap::new(),
        webhook_oddity: None,
        standing: standing(),
        unreached: BTreeMap::new(),
        accelerators: vec![accelerator.clone()],
        accelerator: Some(accelerator),
        owner: Some(topology().owner(ACCOUNT)),
        listeners: vec![listener("l1", "443", &[balancer("a"), balancer("b")])],
        endpoints: [tagged("a", Some("site-a")), tagged("b", Some("site-b"))].into(),
        balancers_elsewhere: BTreeMap::new(),
        infinispan_secrets: [(
            REGION.into(),
            SecretReading {
                oddity: None,
                arn: format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:prod/infinispan-AbCdEf"),
                is_being_deleted: false,
                version: Some("v1".to_owned()),
                key: None,
                primary_region: None,
                replicas_behind: Vec::new(),
            },
        )]
        .into(),
        infinispan_urls: [
            ("site-a", "https://a.example.com"),
            ("site-b", "https://b.example.com"),
        ]
        .into_iter()
        .map(|(name, url)| (site(name), url.to_owned()))
        .collect(),
        regions: vec![RegionReading {
            region: REGION.into(),
            limits: LambdaLimits {
                unreserved_concurrency: 1000,
                code_bytes_limit: 80_530_636_800,
                code_bytes_used: 0,
            },
            reserved_concurrency: 0,
            neighbours: Vec::new(),
            guide_functions: Vec::new(),
            roles: BTreeSet::new(),
        }],
        boundary_exists: true,
        clusters: BTreeMap::new(),
        heard: BTreeSet::new(),
    }
}

pub(crate) fn package() -> Package {
    Package {
        sha256: "ab".repeat(32),
        bytes: 2_000_000,
        version: Some("0.2.0".to_owned()),
    }
}

pub(crate) fn documents(regions: &[&str]) -> Vec<StackDocument> {
    let document = |kind, region: &str, template: &str| StackDocument {
        kind,
        region: Region::new(region).unwrap(),
        template: Template::read(template),
    };
    let mut documents = vec![document(
        StackKind::Register,
        regions[0],
        "Resources:\n  Table: { Type: 'AWS::DynamoDB::Table' }\n",
    )];
    for region in regions {
        documents.push(document(
            StackKind::Artifacts,
            region,
            "Resources:\n  Bucket: { Type: 'AWS::S3::Bucket' }\n",
        ));
        documents.push(document(
            StackKind::Fencing,
            region,
            "Parameters:
  ArtifactBucket: { Type: String }
  ArtifactKey: { Type: String }
  ArtifactVersion: { Type: String }
  AcceleratorArn: { Type: String }
  Balancers: { Type: String }
  RegisterTable: { Type: String }
  Optional: { Type: String, Default: x }
Resources:
  Role: { Type: 'AWS::IAM::Role' }
  Function: { Type: 'AWS::Lambda::Function' }
",
        ));
    }
    documents
}

/// A plan that leaves the clusters out.
pub(crate) fn no_clusters() -> Clusters<'static> {
    static LOOKS: Looks<ClusterReading> = Looks::new();
    static HEARD: BTreeSet<SiteName> = BTreeSet::new();
    Clusters {
        choices: Choices::default(),
        looks: &LOOKS,
        documents: &[],
        heard: &HEARD,
    }
}

/// What the good world tells.
pub(crate) fn findings() -> Findings {
    crate::preflight::judge(&topology(), &observed(), 0).unwrap()
}

pub(crate) fn stack(status: &str, resources: &[(&str, &str)]) -> StackReading {
    StackReading {
        id: format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/s/1"),
        status: status.to_owned(),
        reason: None,
        template: Template::default(),
        parameters: BTreeMap::new(),
        outputs: BTreeMap::new(),
        tags: [(TAG_TOPOLOGY.to_owned(), "prod".to_owned())].into(),
        resources: resources
            .iter()
            .map(|(kind, name)| ResourceReading {
                logical_id: "It".to_owned(),
                kind: (*kind).to_owned(),
                physical_id: Some((*name).to_owned()),
                status: "CREATE_COMPLETE".to_owned(),
            })
            .collect(),
    }
}

pub(crate) fn table(state: &str) -> TableReading {
    let decided = state != "open";
    TableReading {
        arn: format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/sitefence-prod-register"),
        replicas: Replicas::None,
        hash_key: Some(("pk".to_owned(), "S".to_owned())),
        has_range_key: false,
        topology: Some("prod".to_owned()),
        holds_item: decided,
        item: RegisterReading::Record(Box::new(Record {
            state: State::ALL
                .into_iter()
                .find(|known| known.to_string() == state)
                .unwrap(),
            epoch: Epoch(u64::from(decided)),
            decision: decided.then(|| Decision {
                survivor: Survivor(SiteName::new("site-a").unwrap()),
                fenced: Fenced(SiteName::new("site-b").unwrap()),
                outcome: Outcome::default(),
                by: "site-a".to_owned(),
                evidence: "a test".to_owned(),
                decided_at: Timestamp::UNIX_EPOCH,
                alerted_at: None,
            }),
            ..Record::empty()
        })),
    }
}

/// The record in a table.
pub(crate) fn record(table: &mut TableReading) -> &mut Record {
    match &mut table.item {
        RegisterReading::Record(record) => record,
        RegisterReading::Unread(unread) => panic!("{unread}"),
    }
}

/// Puts an operator's hold on, or takes it off.
pub(crate) fn hold(table: &mut TableReading, on: bool) {
    record(table).hold = on.then(|| Hold {
        by: "ana".to_owned(),
        reason: "work".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
    });
}

/// Takes `reading` for the register that the first deployed function uses, which is not the topology's any more.
pub(crate) fn as_former(standing: &mut Standing, reading: TableReading) {
    let place = RegisterPlace::of(&standing.deployed().unwrap()).unwrap();
    standing.former_registers.insert(place, reading);
}

/// The deployed function, with the settings that `topology` and `found` give.
pub(crate) fn function(topology: &Topology, findings: &Findings) -> FunctionReading {
    let mut found = findings.found.clone();
    found.register_table = topology.table_name();
    found.infinispan_secret = findings.infinispan_secrets[REGION].clone();
    found.webhook_secret = "arn:secret".to_owned();
    found.health_secret = "arn:secret".to_owned();
    FunctionReading {
        name: topology.function_name(),
        arn: "arn:function".to_owned(),
        code_sha256: Some(package().sha256),
        environment: topology
            .settings(topology.first_region(), found)
            .environment()
            .into_iter()
            .map(|(variable, value)| (variable.name.to_owned(), value))
            .collect(),
    }
}

/// The world after a plan was carried out without a hitch.
pub(crate) fn carried_out(
    mut standing: Standing,
    topology: &Topology,
    plan: &Plan,
    findings: &Findings,
) -> Standing {
    for step in &plan.steps {
        match step {
            Step::CreateStack(goal) | Step::UpdateStack(goal) => {
                reach(&mut standing, topology, goal, findings);
            }
            Step::DeleteStack { kind, region, .. } => {
                let region = standing.regions.get_mut(region).unwrap();
                region.stacks.remove(kind);
                if *kind == StackKind::Fencing {
                    region.function = None;
                }
                if *kind == StackKind::Artifacts {
                    region.bucket_is_gone = false;
                }
                if *kind == StackKind::Register {
                    standing.register = None;
                }
            }
            Step::Upload { region, package, .. } => {
                standing
                    .regions
                    .get_mut(region)
                    .unwrap()
                    .artifacts
                    .insert(package.key(), VERSION.to_owned());
            }
            Step::EmptyBucket { region, .. } => standing.regions.get_mut(region).unwrap().artifacts.clear(),
            Step::ForgetItems { .. } => {
                if let Some(table) = &mut standing.register {
                    table.holds_item = false;
                }
            }
            _ => {}
        }
    }
    standing
}

fn reach(standing: &mut Standing, topology: &Topology, goal: &StackGoal, findings: &Findings) {
    let told = |value: &ParameterValue| match value {
        ParameterValue::Known(value) => value.clone(),
        ParameterValue::Uploaded { .. } | ParameterValue::SecretVersion { .. } => VERSION.to_owned(),
        ParameterValue::Output {
            region,
            kind,
            output,
            reading,
        } => {
            let outputs = standing.stack(region, *kind).map(|stack| &stack.outputs);
            reading.read(&outputs.unwrap()[*output])
        }
    };
    let mut parameters: BTreeMap<String, String> = goal
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), told(value)))
        .collect();
    let region = standing.regions.entry(goal.region.clone()).or_default();
    let resources: Vec<(&str, String)> = match goal.kind {
        StackKind::Artifacts => vec![("AWS::S3::Bucket", format!("bucket-{}", goal.region))],
        StackKind::Register => vec![("AWS::DynamoDB::Table", topology.table_name())],
        StackKind::Fencing => vec![
            ("AWS::Lambda::Function", topology.function_name()),
            ("AWS::IAM::Role", topology.role_name(topology.first_region())),
        ],
        StackKind::Health => Vec::new(),
    };
    let named: Vec<(&str, &str)> = resources
        .iter()
        .map(|(kind, name)| (*kind, name.as_str()))
        .collect();
    parameters.insert("Optional".to_owned(), "x".to_owned());
    region.stacks.insert(
        goal.kind,
        StackReading {
            template: goal.template.clone(),
            parameters,
            outputs: match goal.kind {
                StackKind::Fencing => [(
                    OUTPUT_WEBHOOK_SECRET.to_owned(),
                    format!("arn:aws:secretsmanager:{}:{ACCOUNT}:secret:webhook", goal.region),
                )]
                .into(),
                _ => BTreeMap::new(),
            },
            tags: goal.tags.clone(),
            ..stack("CREATE_COMPLETE", &named)
        },
    );
    match goal.kind {
        StackKind::Fencing => {
            let key = &goal.parameters[parameters::ARTIFACT_KEY];
            region.function = Some(FunctionReading {
                code_sha256: key.known().and_then(package::sha256_of_key).map(str::to_owned),
                ..function(topology, findings)
            });
        }
        StackKind::Register => standing.register = Some(table("open")),
        _ => {}
    }
}
