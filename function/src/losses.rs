//! Counts what only one site has, before an operator gives it up. It reads and nothing else, and is bounded in caches, in
//! bytes and in time: sizes first, all side by side; then keys, one cache after the other, where sizes leave it open. A
//! cache that was not counted is named all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use fencing::losses::{CACHES_AT_MOST, CacheLoss, KEYS_AT_MOST, Losses};
use fencing::step::Fault;
use fencing::words::SiteName;
use futures_util::future::{Either, join, select};

use crate::run::Budget;
use crate::world::Lookout;

/// Kept back for the answer.
const ANSWERING: Duration = Duration::from_millis(500);

/// Counts, for as long as there is time.
pub(crate) async fn count<W: Lookout>(
    world: &W,
    given_up: &SiteName,
    kept: &SiteName,
    budget: Budget,
) -> Losses {
    let until = world.moment().uptime + budget.left(world.moment()).saturating_sub(ANSWERING);
    let asked = join(
        in_time(world, until, given_up, world.sizes(given_up, kept)),
        in_time(world, until, kept, world.sizes(kept, given_up)),
    );
    let (there, here) = asked.await;
    let mut silent: Vec<String> = [&there, &here]
        .into_iter()
        .filter_map(|sizes| sizes.as_ref().err().map(ToString::to_string))
        .collect();
    let (there, here) = (there.unwrap_or_default(), here.unwrap_or_default());
    let names: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
    let more = names.len().saturating_sub(CACHES_AT_MOST);
    if more > 0 {
        silent.push(format!(
            "{more} more caches, after the first {CACHES_AT_MOST} by name"
        ));
    }
    let size = |sizes: &Sizes, name: &String| sizes.get(name).copied().flatten();
    let mut caches = Vec::new();
    for name in names.into_iter().take(CACHES_AT_MOST) {
        let sizes = CacheLoss::of_sizes(name, size(&there, name), size(&here, name));
        let cache = match sizes.settled_by_sizes() {
            Ok(settled) => settled,
            Err(open) => compared(world, open, given_up, kept, until).await,
        };
        caches.push(cache);
    }
    world.settle().await;
    Losses {
        given_up: given_up.clone(),
        kept: kept.clone(),
        caches,
        silent,
    }
}

/// How many keys only the first site has of a cache.
async fn compared<W: Lookout>(
    world: &W,
    cache: CacheLoss,
    given_up: &SiteName,
    kept: &SiteName,
    until: Duration,
) -> CacheLoss {
    let asked = join(
        in_time(
            world,
            until,
            given_up,
            world.keys(given_up, &cache.cache, KEYS_AT_MOST + 1),
        ),
        in_time(
            world,
            until,
            kept,
            world.keys(kept, &cache.cache, KEYS_AT_MOST + 1),
        ),
    );
    match asked.await {
        (Ok(there), Ok(here)) => {
            // It grew meanwhile, or its size was not the number of its keys: a part compared with a part says nothing.
            let most = usize::try_from(KEYS_AT_MOST).unwrap_or(usize::MAX);
            if there.len().max(here.len()) > most {
                return cache.not_compared(format!("more than {KEYS_AT_MOST} entries"));
            }
            let only = there.difference(&here).count();
            CacheLoss {
                only_given_up: u64::try_from(only).ok(),
                ..cache
            }
        }
        (Err(fault), _) | (_, Err(fault)) => cache.not_compared(fault.to_string()),
    }
}

async fn in_time<W: Lookout, T>(
    world: &W,
    until: Duration,
    whom: &SiteName,
    asked: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let left = until.saturating_sub(world.moment().uptime);
    match select(pin!(asked), pin!(world.sleep(left))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(Fault {
            whom: format!("{whom}'s Infinispan"),
            what: "no answer in time".to_owned(),
        }),
    }
}

/// How many entries each of a site's caches has, where it says.
pub type Sizes = BTreeMap<String, Option<u64>>;
/// The keys of a cache, as digests: what is compared has to be the same, and nobody has to read it.
pub type Keys = BTreeSet<u128>;
