//! What real servers answer to every call in every state, beside what they answered when it was recorded.

use std::path::Path;

use tests::servers::{Answer, Plan, SITES, Servers, USERS, Version};
use tests::transcript::{Ask, World, play};

use crate::stage::{LIMIT, this_scene, with_both_versions};

/// Real servers as a world to play in.
struct Real(Servers);

impl World for Real {
    async fn happens(&mut self, what: &str) {
        match what {
            "the link is lost" => self.0.cut().unwrap(),
            "the link heals" => {
                self.0.heal().unwrap();
                for site in 0..2 {
                    self.0.until_seen(site, true, LIMIT).await.unwrap();
                }
            }
            "the sites lose each other from view" => {
                for site in 0..2 {
                    self.0.until_seen(site, false, LIMIT).await.unwrap();
                }
            }
            "the pushes of site-a end" => {
                let servers = &self.0;
                servers
                    .until("a push does not end", LIMIT, async || {
                        for cache in ["sessions", "work"] {
                            let path =
                                format!("/rest/v2/caches/{cache}/x-site/backups?action=push-state-status");
                            let pushes = servers.ask(0, 0, "GET", &path).await.json();
                            if pushes[SITES[1]] == "SENDING" {
                                return false;
                            }
                        }
                        true
                    })
                    .await
                    .unwrap();
            }
            other => panic!("`{other}` cannot happen"),
        }
    }

    async fn asked(&mut self, ask: &Ask<'_>) -> Answer {
        let user = match ask.who {
            "nobody" => None,
            "wrong" => Some(("developer", "wrong")),
            who => USERS
                .iter()
                .find(|user| user.0 == who)
                .map(|(user, password, _)| (*user, *password)),
        };
        self.0
            .ask_as(ask.site, 0, ask.method, ask.path, user, ask.body)
            .await
    }
}

with_both_versions!(real_servers_answer_as_recorded);

/// With `UPDATE_RECORDED=1` it is written anew; `git diff` shows what a new version says differently.
async fn real_servers_answer_as_recorded(version: Version) {
    let name = format!("rest-{}.txt", version.name().trim_end_matches(".Final"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recorded/infinispan")
        .join(name);
    let recorded = std::fs::read_to_string(&path).unwrap();
    let servers = Servers::for_test(&this_scene(), Plan::small(version)).await;
    let Some(servers) = servers.unwrap() else {
        return;
    };
    let played = play(&recorded, &mut Real(servers)).await;
    if std::env::var_os("UPDATE_RECORDED").is_some() {
        std::fs::write(&path, played).unwrap();
    } else {
        let differs = recorded
            .lines()
            .zip(played.lines())
            .find(|(before, now)| before != now);
        assert_eq!(differs, None, "{}", path.display());
    }
}
