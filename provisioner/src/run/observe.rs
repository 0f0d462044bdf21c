//! Looks at everything a plan needs, and changes nothing.
//!
//! Questions that do not depend on one another are asked at the same time, so that planning takes a second
//! and not one per question. What the answers mean is [`crate::preflight`]'s business.
//!
//! A Region that does not answer ends nobody's look but its own: it is noted as unreached, with the call that
//! shows it. That an answer was "no" is another matter, and ends everything.

mod accelerator;
mod answers;
mod keys;

use std::collections::{BTreeMap, BTreeSet};

use fencing::accelerator::OWNER_TAG;
use fencing::words::SiteName;
use jiff::Timestamp;

pub(super) use self::accelerator::endpoints;
use self::accelerator::{look_at_accelerator, tagged_balancers};
use self::answers::{Answers, all, each, first_answer};
use super::Session;
use super::clusters;
use super::webhook::{WebhookValues, outputs};
use crate::observed::{
    Identity, Observed, RegionReading, RegionStanding, SecretReading, Standing, TableReading,
};
use crate::package::PACKAGES;
use crate::plan::OutputReading;
use crate::plan::clusters::heard;
use crate::preflight::ours::Choices;
use crate::preflight::{former_registers, infinispan_urls, sites_to_search};
use crate::render::{ObjectDocument, Template};
use crate::topology::names::{HEALTH_REGION, StackKind, health_region};
use crate::topology::{Region, Topology};
use crate::world::account;
use crate::world::artifacts::Bucket;
use crate::world::aws::Aws;
use crate::world::call::CallError;
use crate::world::cloudformation::Stacks;
use crate::world::functions::Functions;
use crate::world::register::Table;
use crate::world::secrets::Secrets;

/// Environment variables by which the guide's function is known.
pub(super) const GUIDE_VARIABLES: [&str; 2] = ["INFINISPAN_SITE_ENDPOINTS", "WEBHOOK_USER_SECRET"];

/// Who is signed in, as the first of the function's Regions that answers has it.
pub(super) async fn identity(session: &Session, topology: &Topology) -> Result<Identity, CallError> {
    let aws = &session.aws;
    let ask = async |region: &Region| account::identity(&aws.sts(region), region).await;
    let known = session
        .identity
        .get_or_try_init(|| first_answer(topology.first_region(), &topology.regions, ask));
    known.await.cloned()
}

/// What stands of a topology.
pub async fn standing(session: &Session, topology: &Topology) -> Result<Standing, CallError> {
    let aws = &session.aws;
    // Asked for beside the stacks: neither tells anything that the other needs.
    let asked = async { Ok::<_, CallError>(register(aws, topology).await) };
    let (identity, register) = tokio::try_join!(identity(session, topology), asked)?;

    let mut wanted: BTreeSet<Region> = topology.regions.iter().cloned().collect();
    wanted.extend(topology.register_regions().iter().cloned());
    wanted.insert(health_region());
    let mut regions: BTreeMap<Region, RegionStanding> = BTreeMap::new();
    let mut unreached = BTreeMap::new();
    // What stands may tell of further Regions, which may tell of further ones.
    loop {
        let unseen: Vec<Region> = wanted
            .iter()
            .filter(|it| !regions.contains_key(*it) && !unreached.contains_key(*it))
            .cloned()
            .collect();
        if unseen.is_empty() {
            break;
        }
        let seen = each(unseen.into_iter().map(|region| {
            let (aws, topology, account_id) = (aws.clone(), topology.clone(), identity.account_id.clone());
            (region.clone(), async move {
                region_standing(&aws, &topology, &account_id, &region).await
            })
        }))
        .await?;
        unreached.extend(seen.unreached);
        for standing in seen.by_region.values() {
            for stack in standing.stacks.values() {
                wanted.extend(stack.former_regions());
            }
            let told = standing
                .function
                .as_ref()
                .and_then(|function| function.settings());
            wanted.extend(told.and_then(|told| Region::seen(&told.register_region)));
        }
        regions.extend(seen.by_region);
    }

    let mut standing = Standing {
        identity,
        regions,
        unreached,
        register_unread: None,
        register: None,
        former_registers: BTreeMap::new(),
    };
    match register {
        Ok(register) => standing.register = register,
        Err(error) if error.is_outage() => standing.register_unread = Some(error.to_string()),
        Err(error) => return Err(error),
    }
    for place in former_registers(topology, &standing) {
        let role_arn = place.role_arn.as_deref();
        match table(aws, &place.region, &place.table, role_arn, topology).await {
            Ok(None) => {}
            Ok(Some(register)) => {
                standing.former_registers.insert(place, register);
            }
            Err(error) if error.is_outage() => standing.register_unread = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(standing)
}

/// The register's table: of a strongly consistent one's replicas the first that answers, all of them being
/// the same.
async fn register(aws: &Aws, topology: &Topology) -> Result<Option<TableReading>, CallError> {
    let (name, role_arn) = (topology.table_name(), &topology.register.role_arn);
    let role_arn = role_arn.as_ref().map(ToString::to_string);
    let first = topology.register_region(topology.first_region());
    let ask = async |region: &Region| table(aws, region, &name, role_arn.as_deref(), topology).await;
    first_answer(first, topology.register_regions(), ask).await
}

async fn table(
    aws: &Aws,
    region: &Region,
    name: &str,
    role_arn: Option<&str>,
    topology: &Topology,
) -> Result<Option<TableReading>, CallError> {
    let client = aws.dynamodb(region, role_arn).await;
    Table::new(client, region, name).read(&topology.name).await
}

async fn region_standing(
    aws: &Aws,
    topology: &Topology,
    account_id: &str,
    region: &Region,
) -> Result<RegionStanding, CallError> {
    let client = aws.cloudformation(region);
    let kinds = StackKind::ALL
        .into_iter()
        .filter(|kind| *kind != StackKind::Health || region.as_str() == HEALTH_REGION);
    let stacks = all(kinds.map(|kind| {
        let stacks = Stacks::new(client.clone(), region);
        let name = topology.stack_name(kind);
        async move {
            let Some(mut stack) = stacks.describe(&name).await? else {
                return Ok(None);
            };
            // By id: should the stack be replaced meanwhile, the answers still belong together.
            let (template, resources) =
                tokio::try_join!(stacks.template(&stack.id), stacks.resources(&stack.id))?;
            (stack.template, stack.resources) = (Template::read(template), resources);
            Ok(Some((kind, stack)))
        }
    }));
    // Elsewhere there can be neither function nor bucket of ours, and an account may forbid to look.
    let is_function_region = topology.regions.contains(region);
    let function = async || {
        let functions = Functions::new(aws.lambda(region), region);
        functions.by_name(&topology.function_name()).await
    };
    let packages = async |bucket: &str| {
        let bucket = Bucket::new(aws.s3(region), region, bucket, account_id);
        bucket.newest(PACKAGES).await
    };
    let name = topology.bucket_name(account_id, region);
    // Where they most likely are they are asked for beside the stacks.
    let ahead = async {
        if is_function_region {
            Some(tokio::join!(function(), packages(&name)))
        } else {
            None
        }
    };
    let (stacks, ahead) = tokio::join!(stacks, ahead);
    let stacks = stacks?;
    let mut standing = RegionStanding {
        stacks: stacks.into_iter().flatten().collect(),
        ..RegionStanding::default()
    };
    if !is_function_region && standing.stacks.is_empty() {
        return Ok(standing);
    }
    let (found, listed) = ahead.unzip();
    standing.function = match found {
        Some(found) => found?,
        None => function().await?,
    };
    let bucket = standing
        .stacks
        .get(&StackKind::Artifacts)
        .into_iter()
        .flat_map(|stack| &stack.resources)
        .find(|resource| resource.kind == "AWS::S3::Bucket" && resource.status != "DELETE_COMPLETE")
        .and_then(|resource| resource.physical_id.clone());
    // One that others may not look into says nothing: CloudFormation will.
    standing.bucket_is_taken =
        !standing.stacks.contains_key(&StackKind::Artifacts) && matches!(listed, Some(Ok(Some(_))));
    // By what the stack made: another's bucket of the name is nothing to us, whatever it answered.
    if let Some(bucket) = bucket {
        let keys = match listed {
            Some(listed) if bucket == name => listed?,
            _ => packages(&bucket).await?,
        };
        standing.bucket_is_gone = keys.is_none();
        standing.artifacts = keys.unwrap_or_default();
    }
    Ok(standing)
}

/// Everything that `plan` and `apply` need.
pub async fn observe(
    session: &Session,
    topology: &Topology,
    objects: &[ObjectDocument],
    choices: Choices,
) -> Result<Observed, CallError> {
    let aws = &session.aws;
    let (seen, standing, infinispan_secrets, own_secrets, accelerators, regions, boundary_exists, topics) = tokio::try_join!(
        async { Ok(clusters::look(session, topology, objects, choices).await) },
        standing(session, topology),
        infinispan_secrets(aws, topology),
        own_secrets(aws, topology),
        async {
            let seen = look_at_accelerator(aws, topology).await?;
            let endpoints = endpoints(aws, &seen.3).await?;
            Ok((seen, endpoints))
        },
        each(function_regions(topology).into_iter().map(|region| {
            let (aws, topology) = (aws.clone(), topology.clone());
            (region.clone(), async move {
                region_reading(&aws, &topology, &region).await
            })
        })),
        boundary_exists(aws, topology),
        async { Ok(keys::existing_topics(aws, topology).await) },
    )?;
    let infinispan_secrets_found: BTreeMap<Region, SecretReading> = infinispan_secrets
        .by_region
        .into_iter()
        .filter_map(|(region, secret)| Some((region, secret?)))
        .collect();
    let ((accelerators, accelerator, mut accelerator_tags, listeners), endpoints) = accelerators;
    let search = sites_to_search(topology, &listeners, &endpoints.readings);
    let account_id = &standing.identity.account_id;
    let policies = keys::policies(
        aws,
        topology,
        account_id,
        &infinispan_secrets_found,
        &topics,
        &standing.unreached,
    );
    let balancers_elsewhere = each(search.into_iter().map(|(site, region)| {
        let aws = aws.clone();
        (region.clone(), async move {
            let arns = tagged_balancers(&aws, &site, &region).await?;
            Ok((site, arns))
        })
    }));
    let (keys, balancers_elsewhere) = tokio::join!(policies, balancers_elsewhere);
    let balancers_elsewhere = balancers_elsewhere?;
    let mut unreached = standing.unreached.clone();
    let questions = [
        infinispan_secrets.unreached,
        own_secrets.unreached,
        regions.unreached,
        endpoints.unreached,
        balancers_elsewhere.unreached,
    ];
    for (region, what) in questions.into_iter().flatten() {
        unreached.entry(region).or_insert(what);
    }
    let wanted = if seen.has_secrets() {
        WebhookValues::of(session, topology, &outputs(topology, &standing)).await?
    } else {
        WebhookValues::default()
    };
    let silent = topology
        .url_keys()
        .filter(|(_, region)| unreached.contains_key(region));
    let silent_keys: Vec<String> = silent.map(|(key, _)| key).collect();
    let clusters = seen.compared(&wanted, &silent_keys);
    let heard = if clusters.is_empty() || standing.register_unread.is_some() {
        BTreeSet::new()
    } else {
        match stamps(session, topology).await {
            Ok(stamps) => heard(&stamps, Timestamp::now()),
            Err(error) if error.is_outage() => BTreeSet::new(),
            Err(error) => return Err(error),
        }
    };
    Ok(Observed {
        unreached,
        infinispan_urls: infinispan_urls(topology, &clusters, &standing),
        clusters,
        heard,
        standing,
        accelerators,
        accelerator,
        owner: accelerator_tags.remove(OWNER_TAG),
        accelerator_tags,
        listeners,
        endpoints: endpoints.readings,
        balancers_elsewhere: balancers_elsewhere.by_region.into_values().collect(),
        keys,
        topics,
        infinispan_secrets: infinispan_secrets_found,
        regions: regions.by_region.into_values().collect(),
        boundary_exists,
        own_secrets: own_secrets.by_region,
        webhook_oddity: wanted.oddity,
    })
}

/// When each site's watchdog last reached the function, as the register has it: of its replicas the first that
/// answers.
pub async fn stamps(
    session: &Session,
    topology: &Topology,
) -> Result<BTreeMap<SiteName, Timestamp>, CallError> {
    let (name, role_arn) = (topology.table_name(), &topology.register.role_arn);
    let role_arn = role_arn.as_ref().map(ToString::to_string);
    let ask = async |region: &Region| {
        let client = session.aws.dynamodb(region, role_arn.as_deref()).await;
        let table = Table::new(client, region, &name);
        let [a, b] = topology.sites.each_ref().map(|site| site.name.clone());
        let (of_a, of_b) = tokio::try_join!(table.seen(&topology.name, &a), table.seen(&topology.name, &b))?;
        let stamps = [(a, of_a), (b, of_b)].into_iter();
        Ok(stamps.filter_map(|(site, stamp)| Some((site, stamp?))).collect())
    };
    let first = topology.register_region(topology.first_region());
    first_answer(first, topology.register_regions(), ask).await
}

/// The secret with Infinispan's password in each function Region, where it is.
async fn infinispan_secrets(
    aws: &Aws,
    topology: &Topology,
) -> Result<Answers<Option<SecretReading>>, CallError> {
    let wanted = topology.infinispan.password_secret.as_str();
    each(topology.regions.iter().cloned().map(|region| {
        let secrets = Secrets::new(aws.secrets_manager(&region), &region);
        // A replica differs from its original by the Region in its ARN.
        let wanted = if wanted.starts_with("arn:") {
            OutputReading::ReplicaIn(region.clone()).read(wanted)
        } else {
            wanted.to_owned()
        };
        let username = topology.infinispan.username.to_string();
        (region, async move { secrets.examine(&wanted, &username).await })
    }))
    .await
}

/// The secrets of our names, wherever one of them may be.
async fn own_secrets(
    aws: &Aws,
    topology: &Topology,
) -> Result<Answers<BTreeMap<String, SecretReading>>, CallError> {
    let asks_from_outside = topology.health.route53.then(health_region);
    let regions: BTreeSet<Region> = topology
        .regions
        .iter()
        .cloned()
        .chain(asks_from_outside)
        .collect();
    each(regions.into_iter().map(|region| {
        let secrets = Secrets::new(aws.secrets_manager(&region), &region);
        let mut names = vec![topology.health_secret_name()];
        if topology.regions.contains(&region) {
            names.push(topology.webhook_secret_name());
        }
        (region, async move {
            let seen = all(names.into_iter().map(|name| {
                let secrets = secrets.clone();
                async move { Ok(secrets.describe(&name).await?.map(|secret| (name, secret))) }
            }));
            Ok(seen.await?.into_iter().flatten().collect())
        })
    }))
    .await
}

/// The function Regions, and the sites': a guide's function runs in one of these.
fn function_regions(topology: &Topology) -> BTreeSet<Region> {
    topology
        .regions
        .iter()
        .chain(topology.sites.iter().map(|site| &site.region))
        .cloned()
        .collect()
}

async fn boundary_exists(aws: &Aws, topology: &Topology) -> Result<bool, CallError> {
    match &topology.function.permissions_boundary {
        Some(arn) => account::policy_exists(&aws.iam(topology.first_region()), arn.as_str()).await,
        None => Ok(true),
    }
}

async fn region_reading(aws: &Aws, topology: &Topology, region: &Region) -> Result<RegionReading, CallError> {
    let functions = Functions::new(aws.lambda(region), region);
    let iam = aws.iam(region);
    let known = topology.regions.iter().find(|known| *known == region);
    let role_names: Vec<String> = known
        .map(|region| vec![topology.role_name(region)])
        .unwrap_or_default();
    let name = topology.function_name();
    let asks_for_concurrency = known.is_some() && topology.function.reserved_concurrency.is_some();
    let (limits, all_functions, reserved_concurrency, roles) = tokio::try_join!(
        functions.limits(),
        functions.all(),
        async {
            if asks_for_concurrency {
                functions.reserved_concurrency(&name).await
            } else {
                Ok(0)
            }
        },
        all(role_names.into_iter().map(|role| {
            let iam = iam.clone();
            async move {
                account::role_exists(&iam, &role)
                    .await
                    .map(|exists| exists.then_some(role))
            }
        })),
    )?;
    Ok(RegionReading {
        region: region.clone(),
        limits,
        reserved_concurrency,
        neighbours: all_functions
            .iter()
            .filter_map(|function| function.neighbour(topology.name.as_str()))
            .collect(),
        guide_functions: all_functions
            .into_iter()
            .filter(|function| {
                GUIDE_VARIABLES
                    .iter()
                    .all(|name| function.environment.contains_key(*name))
            })
            .map(|function| function.name)
            .collect(),
        roles: roles.into_iter().flatten().collect(),
    })
}
