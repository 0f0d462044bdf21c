//! Secrets: the one with Infinispan's password, which people make, and ours, which the first Region's stack makes and
//! Secrets Manager replicates.

use super::Examination;
use crate::observed::SecretReading;
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::topology::names::{StackKind, TAG_REGIONS};

impl Examination<'_> {
    pub(super) fn secrets(&mut self) {
        let first_region = self.topology.first_region();
        let name = self.topology.infinispan.password_secret.to_string();
        for known in &self.topology.regions {
            let (name, region) = (name.clone(), known.clone());
            match self.observed.infinispan_secrets.get(known.as_str()) {
                None if self.observed.unreached.contains_key(known.as_str()) => {}
                None if known == first_region => self.problems.push(Problem::NoSecret { name, region }),
                None => self.problems.push(Problem::NoReplica {
                    name,
                    first_region: first_region.clone(),
                    region,
                }),
                Some(secret) if secret.is_being_deleted => {
                    self.problems.push(Problem::SecretBeingDeleted { name, region });
                }
                Some(secret) if secret.version.is_none() => {
                    self.problems.push(Problem::SecretWithoutValue { name, region });
                }
                Some(secret) => {
                    let odd = secret.oddity.clone();
                    self.warnings
                        .extend(odd.map(|what| Warning::OddSecret { name, what }));
                }
            }
        }
        let webhook = self.observed.webhook_oddity.clone();
        let name = self.topology.webhook_secret_name();
        self.warnings
            .extend(webhook.map(|what| Warning::OddSecret { name, what }));
    }

    /// The first Region's stack makes the webhook's secret, and its replicas hold the name in the others. So the
    /// first Region cannot become another one, unless none of the old ones stays.
    pub(super) fn home_of_secrets(&mut self) {
        let first = self.topology.first_region().as_str();
        let fencing = self.observed.standing.regions.values();
        let fencing = fencing.filter_map(|region| region.stacks.get(&StackKind::Fencing));
        let mut formers = fencing.filter_map(|stack| stack.tags.get(TAG_REGIONS));
        let Some(former) = formers.next() else { return };
        let former: Vec<&str> = former.split_whitespace().collect();
        let stays = |region: &&str| {
            self.topology
                .regions
                .iter()
                .any(|wanted| wanted.as_str() == *region)
        };
        if let Some(home) = former.first()
            && *home != first
            && former.iter().any(stays)
        {
            self.problems.push(Problem::SecretsMove {
                from: (*home).to_owned(),
                to: first.to_owned(),
            });
        }
    }

    /// The names of our secrets must be free, or the secrets ours. One that was deleted by hand keeps its name for
    /// days, and a stack that wants it fails over it.
    pub(super) fn own_secrets(&mut self) {
        let first = self.topology.first_region();
        let is_made = self.observed.standing.stack(first, StackKind::Fencing).is_some();
        let seen = self.observed.own_secrets.iter();
        let seen = seen
            .flat_map(|(region, secrets)| secrets.iter().map(move |(name, secret)| (region, name, secret)));
        for (region, name, secret) in seen {
            let is_replica_of_ours = secret.primary_region.as_deref() == Some(first.as_str());
            let (name, region) = (name.clone(), region.clone());
            if secret.is_being_deleted {
                self.problems.push(Problem::OwnSecretBeingDeleted {
                    name,
                    region,
                    is_made,
                });
            } else if !is_made && !is_replica_of_ours {
                self.problems.push(Problem::NameTaken {
                    what: "the secret",
                    name,
                    region,
                    stack: self.topology.stack_name(StackKind::Fencing),
                });
            }
        }
    }

    /// A replica that does not follow holds an old password, or none.
    pub(super) fn replicas(&mut self) {
        let infinispan = self.topology.infinispan.password_secret.to_string();
        let theirs = self
            .observed
            .infinispan_secrets
            .values()
            .map(|secret| (&infinispan, secret));
        let ours = self.observed.own_secrets.values().flatten();
        let secrets: Vec<(&String, &SecretReading)> = theirs.chain(ours).collect();
        for (name, secret) in secrets {
            for behind in secret
                .replicas_behind
                .iter()
                .filter(|it| self.topology.regions.contains(&it.region))
            {
                self.warnings.push(Warning::ReplicaBehind {
                    name: name.clone(),
                    region: behind.region.clone(),
                    why: behind.why.clone(),
                });
            }
        }
    }
}
