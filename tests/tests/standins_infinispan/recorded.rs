//! The stand-in beside real servers: played again with it, what those answered comes out.

use tests::servers::{Answer, Asker, USERS};
use tests::standins::infinispan::{InfinispanPair, Link, Push, Release};
use tests::transcript::{Ask, World, play};

/// The stand-in as a world to play in.
struct StandIn {
    pair: InfinispanPair,
    asker: Asker,
}

impl StandIn {
    fn start(release: Release) -> Self {
        let mut builder = InfinispanPair::builder(["site-a", "site-b"])
            .nodes(1)
            .caches(&["sessions", "work", "alone", "elsewhere"])
            .release(release);
        for (user, password, role) in USERS {
            builder = builder.user(user, password, role);
        }
        let pair = builder.start().unwrap();
        for cluster in &mut pair.world().clusters {
            for (name, third) in [("alone", false), ("elsewhere", true)] {
                let cache = cluster.caches.get_mut(name).unwrap();
                cache.statistics = false;
                let backup = cache.backup.take().unwrap();
                cache.third = third.then(|| ("site-c".to_owned(), backup));
            }
        }
        let asker = Asker::new(pair.authority()).unwrap();
        Self { pair, asker }
    }
}

impl World for StandIn {
    async fn happens(&mut self, what: &str) {
        match what {
            "the link is lost" => self.pair.lose_link(),
            "the sites lose each other from view" => self.pair.world().link = Link::Cut,
            "the link heals" => self.pair.heal_link(),
            "the pushes of site-a end" => {
                for cache in ["sessions", "work"] {
                    let path = format!("/rest/v2/caches/{cache}/x-site/backups?action=push-state-status");
                    let ask = Ask {
                        site: 0,
                        method: "GET",
                        path: &path,
                        who: "developer",
                        body: "",
                    };
                    while is_sending(&self.pair, cache) {
                        self.asked(&ask).await;
                    }
                }
            }
            other => panic!("`{other}` cannot happen"),
        }
    }

    async fn asked(&mut self, ask: &Ask<'_>) -> Answer {
        let endpoint = self.pair.sites()[ask.site].endpoint();
        let user = match ask.who {
            "nobody" => None,
            "wrong" => Some(("developer", "wrong")),
            who => USERS
                .iter()
                .find(|user| user.0 == who)
                .map(|(user, password, _)| (*user, *password)),
        };
        self.asker
            .ask(&endpoint, ask.method, ask.path, user, ask.body)
            .await
    }
}

fn is_sending(pair: &InfinispanPair, cache: &str) -> bool {
    let world = pair.world();
    let backup = world.cluster("site-a").unwrap().caches[cache].backup.unwrap();
    matches!(backup.push, Push::Sending { .. })
}

#[tokio::test]
async fn the_stand_in_answers_as_infinispan_16_did() {
    let recorded = include_str!("../../recorded/infinispan/rest-16.0.5.txt");
    assert!(recorded.matches("\n  ").count() > 80, "that is no record");
    let played = play(recorded, &mut StandIn::start(Release::Sixteen)).await;
    assert_same(recorded, &played);
}

#[tokio::test]
async fn the_stand_in_answers_as_infinispan_15_did() {
    let recorded = include_str!("../../recorded/infinispan/rest-15.0.13.txt");
    assert!(recorded.matches("\n  ").count() > 80, "that is no record");
    let played = play(recorded, &mut StandIn::start(Release::Fifteen)).await;
    assert_same(recorded, &played);
}

/// All lines that differ, each with the question before it.
fn assert_same(recorded: &str, played: &str) {
    let mut question = "";
    let mut differences = Vec::new();
    for (recorded, played) in recorded.lines().zip(played.lines()) {
        if recorded != played {
            differences.push(format!("{question}\n  real     {recorded}\n  stand-in {played}"));
        }
        if !recorded.starts_with("  ") {
            question = recorded;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(recorded.lines().count(), played.lines().count());
}
