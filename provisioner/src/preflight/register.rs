//! Whether the register can be used, and whether a decision that is in force forbids a change.

use std::collections::BTreeSet;

use fencing::settings::{Found, Settings};

use super::{Examination, forbidden, foreign_stacks, unusable};
use crate::observed::cluster::{ClusterLook, ClusterStanding, Looks};
use crate::observed::{RegisterPlace, Replicas, StackHealth, Standing, TableReading};
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::topology::names::StackKind;
use crate::topology::{Region, RegisterKind, Topology};
use fencing::register::items::KEY;

impl Examination<'_> {
    pub(super) fn register(&mut self) {
        let table = self.topology.table_name();
        let region = self
            .topology
            .register_region(self.topology.first_region())
            .clone();
        let stack = self.topology.stack_name(StackKind::Register);
        let owned = self.topology.owns_register();
        let has_stack = self
            .observed
            .standing
            .stack(&region, StackKind::Register)
            .is_some_and(|stack| stack.status.ends_with("_COMPLETE") && stack.status != "ROLLBACK_COMPLETE");
        match &self.observed.standing.register {
            None if self.observed.standing.register_unread.is_some() => {}
            None if !owned => self.problems.push(Problem::NoSharedTable { table, region }),
            None if has_stack => self.problems.push(Problem::RegisterGone { table, region, stack }),
            None => {}
            Some(reading) => {
                self.shape(reading, &table, &region);
                if !self.changes_kind(&region) {
                    self.consistency(reading, &table, &region);
                }
                self.only_copy(reading, &table, &region, &stack);
                if owned
                    && self
                        .observed
                        .standing
                        .stack(&region, StackKind::Register)
                        .is_none()
                {
                    if reading.topology.as_deref() != Some(self.topology.name.as_str()) {
                        self.problems.push(Problem::NameTaken {
                            what: "the table",
                            name: table,
                            region,
                            stack,
                        });
                    } else if !self.topology.register.retain {
                        self.problems.push(Problem::KeptTable { table, region });
                    }
                }
            }
        }
    }

    /// A stack that only a new one helps is deleted, and a table that it does not keep goes with it: with whatever was
    /// decided, while functions go by it.
    fn only_copy(&mut self, reading: &TableReading, table: &str, region: &Region, stack: &str) {
        let standing = self.observed.standing.stack(region, StackKind::Register);
        let goes = standing
            .filter(|stack| stack.condition() == StackHealth::Broken)
            .and_then(|stack| {
                let mut tables = stack.resources.iter();
                tables.find(|it| it.is_table() && it.stands() && !stack.keeps(it))
            });
        if let Some(resource) = goes.filter(|_| !reading.item.is_open()) {
            self.problems.push(Problem::RegisterInBrokenStack {
                table: table.to_owned(),
                region: region.clone(),
                stack: stack.to_owned(),
                resource: resource.logical_id.clone(),
            });
        }
    }

    fn shape(&mut self, reading: &TableReading, table: &str, region: &Region) {
        let found = match &reading.hash_key {
            Some((name, kind)) if name == KEY && kind == "S" => {
                if !reading.has_range_key {
                    return;
                }
                "it has a range key".to_owned()
            }
            Some((name, kind)) => format!("its hash key is `{name}` of type {kind}"),
            None => "it has no hash key".to_owned(),
        };
        self.problems.push(Problem::TableShape {
            table: table.to_owned(),
            region: region.clone(),
            found,
        });
    }

    /// Whether a conditional write means the same to every function. The file can only say what is wanted;
    /// this looks at the table that is there.
    fn consistency(&mut self, reading: &TableReading, table: &str, region: &Region) {
        let (table, region) = (table.to_owned(), region.to_owned());
        let replicas = match (&reading.replicas, self.topology.register.kind) {
            (Replicas::Eventual(others), _) => {
                self.problems.push(Problem::EventualRegister {
                    table,
                    region,
                    others: others.iter().cloned().collect(),
                });
                return;
            }
            (_, RegisterKind::Table) => return,
            (Replicas::None, RegisterKind::Strong) => {
                self.problems.push(Problem::NotStrong { table, region });
                return;
            }
            (Replicas::Strong(others), RegisterKind::Strong) => others,
        };
        for wanted in self.topology.register_regions() {
            if *wanted != region && !replicas.contains(wanted.as_str()) {
                self.problems.push(Problem::NoRegisterReplica {
                    table: table.clone(),
                    region: wanted.clone(),
                    has: std::iter::once(region.to_string())
                        .chain(replicas.iter().cloned())
                        .collect(),
                });
            }
        }
    }

    /// A table of one Region and a global table are two types to CloudFormation, and it cannot turn one into
    /// the other: AWS warns that trying may delete the table.
    fn changes_kind(&mut self, region: &Region) -> bool {
        let wanted = match self.topology.register.kind {
            RegisterKind::Table => "AWS::DynamoDB::Table",
            RegisterKind::Strong => "AWS::DynamoDB::GlobalTable",
        };
        let standing = self.observed.standing.stack(region, StackKind::Register);
        let is_other = self.topology.owns_register()
            && standing.is_some_and(|stack| {
                let mut resources = stack.resources.iter();
                resources.any(|resource| resource.is_table() && resource.kind != wanted && resource.stands())
            });
        if is_other {
            self.problems.push(Problem::RegisterKindChanges {
                stack: self.topology.stack_name(StackKind::Register),
                region: region.clone(),
                wanted: self.topology.register.kind,
            });
        }
        is_other
    }

    /// While a decision is in force, what it rests on stays.
    pub(super) fn decision_in_force(&mut self, found: &Found) {
        let (topology, standing) = (self.topology, &self.observed.standing);
        let mut functions = standing.regions.values().filter_map(|it| it.function.as_ref());
        if functions.any(|function| function.settings().is_none()) {
            self.warnings.push(Warning::UnreadableSettings);
        }
        let mut changes: Vec<String> = Vec::new();
        for deployed in standing.told() {
            changes.extend(changes_of_ground(topology, &deployed, found));
        }
        let used: BTreeSet<RegisterPlace> = standing
            .told()
            .filter_map(|told| RegisterPlace::of(&told))
            .collect();
        // What a move has left behind counts while no function tells which one is used.
        let former = standing.former_registers.iter();
        let former: Vec<_> = former
            .filter(|(place, _)| used.is_empty() || used.contains(place))
            .collect();
        if used.is_empty() {
            changes.extend(former.iter().map(|(place, _)| register_change(topology, place)));
        }
        changes.sort();
        changes.dedup();
        // The one that is moved to counts once a function uses it; before that, its history is judged apart.
        let uses_wanted = used.iter().any(|place| !is_elsewhere(topology, place));
        let wanted = standing.register.iter().filter(|_| uses_wanted);
        let in_use = former.iter().map(|(_, table)| *table).chain(wanted);
        let closed = in_use.map(|table| &table.item).filter(|item| !item.is_open());
        for (what, register) in closed.flat_map(|item| changes.iter().map(move |what| (what, item))) {
            self.problems.push(Problem::DecisionInForce {
                what: what.clone(),
                register: register.clone(),
            });
        }
        if let Some(why) = &standing.register_unread {
            self.problems
                .extend(changes.into_iter().map(|what| Problem::RegisterUnread {
                    what,
                    why: why.clone(),
                }));
        }
        if are_several(topology, standing, &used) {
            self.warnings.push(Warning::RegistersDiffer {
                registers: used.iter().map(ToString::to_string).collect(),
            });
        }
        let to = wanted_register(topology).to_string();
        for (place, table) in former {
            let (from, to) = (place.to_string(), to.clone());
            if used.contains(place) && table.item.is_open() && !table.item.is_held() {
                self.problems.push(Problem::MovesUnheld {
                    from: from.clone(),
                    to: to.clone(),
                });
            }
            // An item that is there already is only taken with the operator's word.
            let resumed = standing.register.as_ref().filter(|table| table.holds_item);
            self.warnings.push(Warning::RegisterMoves {
                from,
                to,
                resumed: resumed.map(|table| table.item.epoch()),
            });
        }
        for region in standing.regions.keys() {
            let mut wanted = topology.regions.iter();
            if wanted.all(|wanted| wanted != region) && standing.stack(region, StackKind::Fencing).is_some() {
                self.warnings.push(Warning::RegionLeft {
                    region: region.clone(),
                });
            }
        }
    }
}

/// Whether functions know different registers. All replicas of a strongly consistent table are one.
fn are_several(topology: &Topology, standing: &Standing, used: &BTreeSet<RegisterPlace>) -> bool {
    let registers = used.iter().map(|place| {
        let is_strong = |table: &TableReading| matches!(table.replicas, Replicas::Strong(_));
        let is_replica = standing.former_registers.get(place).is_some_and(is_strong);
        is_elsewhere(topology, place).then(|| {
            let region = (!is_replica).then_some(&place.region);
            (region, &place.table, &place.role_arn)
        })
    });
    registers.collect::<BTreeSet<_>>().len() > 1
}

/// What it is called when decisions are kept elsewhere from now on.
fn register_change(topology: &Topology, from: &RegisterPlace) -> String {
    format!("the register ({from} → {})", wanted_register(topology))
}

/// What of a decision's ground the topology would change, in words.
fn changes_of_ground(topology: &Topology, deployed: &Settings, found: &Found) -> Vec<String> {
    let mut changes = Vec::new();
    let mut before: Vec<_> = deployed
        .sites
        .iter()
        .map(|site| (site.name.to_string(), site.region.clone()))
        .collect();
    let mut after: Vec<_> = topology
        .sites
        .iter()
        .map(|site| (site.name.to_string(), site.region.to_string()))
        .collect();
    before.sort();
    after.sort();
    if before != after {
        let words = |sites: &[(String, String)]| {
            sites
                .iter()
                .map(|(name, region)| format!("{name} in {region}"))
                .collect::<Vec<_>>()
                .join(" and ")
        };
        changes.push(format!("the sites ({} → {})", words(&before), words(&after)));
    }
    if !found.accelerator_arn.is_empty() && deployed.found.accelerator_arn != found.accelerator_arn {
        changes.push(format!(
            "the accelerator ({} → {})",
            deployed.found.accelerator_arn, found.accelerator_arn
        ));
    }
    if let Some(register) = RegisterPlace::of(deployed).filter(|place| is_elsewhere(topology, place)) {
        changes.push(register_change(topology, &register));
    }
    // A rejoin and a promotion wait by it for everybody who began before, and those run as long as their settings allow.
    let (before, after) = (deployed.timeout_seconds, topology.function.timeout.seconds());
    if after < before {
        changes.push(format!("the function's timeout ({before}s → {after}s)"));
    }
    changes
}

/// Where the topology wants the register.
pub fn wanted_register(topology: &Topology) -> RegisterPlace {
    RegisterPlace {
        region: topology.register_region(topology.first_region()).clone(),
        table: topology.table_name(),
        role_arn: topology.register.role_arn.as_ref().map(ToString::to_string),
    }
}

/// Whether that is another register than the topology wants; a replica of it is not.
pub fn is_elsewhere(topology: &Topology, place: &RegisterPlace) -> bool {
    let wanted = wanted_register(topology);
    let same_table = place.table == wanted.table || place.table.ends_with(&format!("table/{}", wanted.table));
    let same_region = topology.register_regions().contains(&place.region);
    !(same_table && same_region && place.role_arn == wanted.role_arn)
}

/// The registers elsewhere that may hold a decision: each that a deployed function uses, and those that a move has
/// left standing, which functions used that may be gone by now.
pub fn former_registers(topology: &Topology, standing: &Standing) -> BTreeSet<RegisterPlace> {
    let used = standing.told().filter_map(|told| RegisterPlace::of(&told));
    let left = standing.regions.iter().filter_map(|(region, standing)| {
        let stack = standing.stacks.get(&StackKind::Register)?;
        // A table that is being made or deleted cannot be read.
        let is_settled = stack.condition() != StackHealth::Working;
        let mut tables = stack.resources.iter().filter(|it| it.is_table() && it.stands());
        Some(RegisterPlace {
            region: region.clone(),
            table: tables
                .find_map(|it| it.physical_id.clone())
                .filter(|_| is_settled)?,
            role_arn: None,
        })
    });
    used.chain(left)
        .filter(|place| is_elsewhere(topology, place))
        .collect()
}

/// Whether the register moves: every function that stands uses another. Where one uses it already, the move has begun.
fn moves(topology: &Topology, standing: &Standing) -> bool {
    let mut used = standing
        .told()
        .filter_map(|told| RegisterPlace::of(&told))
        .peekable();
    used.peek().is_some() && used.all(|place| is_elsewhere(topology, &place))
}

/// Whether the register is another one than that whose way is noted on the accelerator: the topology moves to it, or
/// nothing is in it. One that cannot be read may be the same.
pub fn register_is_anew(topology: &Topology, standing: &Standing) -> bool {
    let holds = match &standing.register {
        Some(table) => table.holds_item,
        None => standing.register_unread.is_some(),
    };
    !holds || moves(topology, standing)
}

/// Judges whether the register that is moved to is a fresh one. An item that is there already knows nothing of
/// what was decided since it was written, so an operator has to say that its epoch is the one to go on from.
pub fn judge_history(
    topology: &Topology,
    standing: &Standing,
    resume_epoch: Option<u64>,
) -> Result<(), Vec<Problem>> {
    match &standing.register {
        Some(table)
            if moves(topology, standing) && table.holds_item && resume_epoch != Some(table.item.epoch()) =>
        {
            Err(vec![Problem::UsedRegister {
                table: topology.table_name(),
                region: topology.register_region(topology.first_region()).clone(),
                epoch: table.item.epoch(),
            }])
        }
        _ => Ok(()),
    }
}

/// Judges what `destroy` needs to know: whether anyone relies on the register, and whether all is ours.
pub fn judge_destruction(
    topology: &Topology,
    standing: &Standing,
    looks: &Looks<ClusterStanding>,
    force: bool,
) -> Result<(), Vec<Problem>> {
    let mut problems = foreign_stacks(topology, standing);
    problems.extend(unusable(looks).into_iter().map(Problem::Cluster));
    for site in &topology.sites {
        let seen = looks.get(&site.name).and_then(ClusterLook::seen);
        let denied = seen.into_iter().flat_map(|standing| &standing.denied);
        problems.extend(denied.map(|denied| Problem::Cluster(forbidden(site, denied))));
    }
    match &standing.register_unread {
        Some(why) if standing.has_function() && !force => {
            problems.push(Problem::RegisterSilent { why: why.clone() });
        }
        _ => {}
    }
    let closed = standing.registers().map(|table| &table.item);
    for register in closed.filter(|item| !item.is_open() && !force) {
        let problem = Problem::NotOpen {
            register: register.clone(),
        };
        // Two replicas of one table say the same.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems.extend(register_not_kept(topology, standing));
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// The file says that the table is kept, but CloudFormation goes by the template that was deployed, which does not
/// know it yet. A table that is gone already needs nobody's word.
fn register_not_kept(topology: &Topology, standing: &Standing) -> Option<Problem> {
    let is_gone = standing.register.is_none() && standing.register_unread.is_none();
    if !topology.register.retain || !topology.owns_register() || is_gone {
        return None;
    }
    let region = topology.register_region(topology.first_region());
    let stack = standing.stack(region, StackKind::Register)?;
    let mut tables = stack.resources.iter().filter(|it| it.is_table() && it.stands());
    tables
        .any(|table| !stack.keeps(table))
        .then(|| Problem::RegisterNotKept {
            table: topology.table_name(),
            region: region.clone(),
            stack: topology.stack_name(StackKind::Register),
        })
}
