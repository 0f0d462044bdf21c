//! What only one site has is counted, within limits, and nothing is changed or written down.

use std::collections::BTreeMap;
use std::time::Duration;

use fencing::answer::{Answer, Status};
use fencing::contract::Envelope;
use fencing::losses::{KEYS_AT_MOST, Losses};
use fencing::settings::sample::site;
use function::losses::Keys;

use crate::common::{Memory, answered, ready};

/// A site whose caches have so many keys, counted from somewhere.
fn holding(caches: &[(&str, std::ops::Range<u128>)]) -> BTreeMap<String, Keys> {
    let caches = caches.iter();
    caches
        .map(|(cache, keys)| ((*cache).to_owned(), keys.clone().collect()))
        .collect()
}

async fn counted(world: &Memory) -> Losses {
    let handler = ready(world).await;
    let count = Envelope::Count {
        given_up: site("site-b"),
        kept: site("site-a"),
    };
    let answer: Answer = answered(&handler, count.event()).await;
    assert_eq!(answer.status, Status::Done, "{answer:?}");
    world.with(|state| assert!(state.effects.is_empty(), "{:?}", state.effects));
    *answer.losses.unwrap()
}

type Row<'a> = (&'a str, Option<u64>, Option<u64>, Option<u64>);

fn rows(losses: &Losses) -> Vec<Row<'_>> {
    let rows = losses.caches.iter();
    rows.map(|it| (it.cache.as_str(), it.given_up, it.kept, it.only_given_up))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn entries_are_counted_and_keys_compared() {
    let world = Memory::split();
    let most = u128::from(KEYS_AT_MOST);
    world.with(|state| {
        state.entries = [
            (
                site("site-a"),
                holding(&[("sessions", 5..20), ("work", 0..0), ("large", 0..most + 1)]),
            ),
            (
                site("site-b"),
                holding(&[("sessions", 0..10), ("work", 0..3), ("large", 0..7)]),
            ),
        ]
        .into();
    });
    let losses = counted(&world).await;
    assert_eq!(
        rows(&losses),
        [
            ("large", Some(7), Some(10_001), None),
            ("sessions", Some(10), Some(15), Some(5)),
            ("work", Some(3), Some(0), Some(3)),
        ]
    );
    let why = losses.caches[0].not_compared.as_deref();
    assert_eq!(why, Some("more than 10000 entries"));
    assert!(losses.silent.is_empty(), "{losses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_site_that_does_not_answer_is_named_and_the_other_one_counted() {
    let world = Memory::split();
    world.with(|state| {
        state.entries = [(site("site-b"), holding(&[("sessions", 0..10)]))].into();
    });
    let losses = counted(&world).await;
    assert_eq!(rows(&losses), [("sessions", Some(10), None, None)]);
    assert_eq!(losses.silent, ["site-a's Infinispan: connection refused"]);
}

/// The largest ones are those that do not say in time: left out, the rest would look like all there is.
#[tokio::test(start_paused = true)]
async fn a_cache_that_does_not_say_its_size_is_named() {
    let world = Memory::split();
    let all = holding(&[("mute", 0..9), ("work", 0..0)]);
    world.with(|state| {
        state.entries = [site("site-a"), site("site-b")]
            .map(|site| (site, all.clone()))
            .into();
    });
    let losses = counted(&world).await;
    assert_eq!(
        rows(&losses),
        [("mute", None, None, None), ("work", Some(0), Some(0), Some(0))]
    );
    assert!(losses.caches[0].not_compared.is_some(), "{losses:?}");
}

#[tokio::test(start_paused = true)]
async fn caches_beyond_the_limit_are_counted_in_one_sentence() {
    let world = Memory::split();
    let names: Vec<String> = (0..43).map(|number| format!("cache{number:02}")).collect();
    let all: Vec<(&str, std::ops::Range<u128>)> = names.iter().map(|name| (name.as_str(), 0..0)).collect();
    let all = holding(&all);
    world.with(|state| {
        state.entries = [site("site-a"), site("site-b")]
            .map(|site| (site, all.clone()))
            .into();
    });
    let losses = counted(&world).await;
    assert_eq!(losses.caches.len(), 40);
    assert_eq!(losses.silent, ["3 more caches, after the first 40 by name"]);
}

#[tokio::test(start_paused = true)]
async fn an_infinispan_that_lists_no_keys_costs_no_more_than_the_invocation() {
    let world = Memory::split();
    let full = holding(&[("loginFailures", 0..9), ("sessions", 0..9), ("work", 0..9)]);
    world.with(|state| {
        state.entries = [site("site-a"), site("site-b")]
            .map(|site| (site, full.clone()))
            .into();
        state.keys_hang = true;
    });
    let began = tokio::time::Instant::now();
    let losses = counted(&world).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for cache in &losses.caches {
        let why = cache.not_compared.as_deref().unwrap_or_default();
        assert!(why.ends_with("no answer in time"), "{cache:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_two_sites_are_counted() {
    let world = Memory::split();
    let handler = ready(&world).await;
    for (given_up, kept) in [("site-a", "site-a"), ("site-c", "site-a"), ("site-a", "site-c")] {
        let count = Envelope::Count {
            given_up: site(given_up),
            kept: site(kept),
        };
        let answer: Answer = answered(&handler, count.event()).await;
        assert_eq!((answer.status, answer.losses), (Status::Foreign, None));
    }
}
