//! Each site's Infinispan: what it sees, and what it replicates.
//!
//! Four things about its REST interface decide whether a fence is real:
//!
//! * **200 is no success.** Switching all caches answers 200 with an object of results; a cache that failed
//!   has a sentence there instead of `"ok"`.
//! * **An empty view is no view.** Only relay nodes know the other site; the others show nothing on a
//!   healthy link. So nodes are asked, each over a connection of its own, until those that matter were heard.
//! * **`mixed` is not `offline`.** A cache that still replicates still waits for the lost site.
//! * **A node answers for itself.** What one says of its backup holds for that node, so all are asked ([`everywhere`]).

mod everywhere;
mod hear;
mod line;
mod read;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fencing::health::{Ending, Reach, Refusal, leads_elsewhere};
use fencing::losses::CACHES_AT_MOST;
use fencing::replication::{Backup, CacheFailure, CachePush, View};
use fencing::settings::Settings;
use fencing::step::Fault;
use fencing::words::SiteName;
use futures_util::future::{join, join_all};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

use self::hear::Hearing;

use self::rest::{Answered, Rest, Trouble};
use crate::losses::{Keys, Sizes};
use crate::world::certificates::Shown;
use crate::world::secrets::Secrets;
use crate::world::tls;

/// The longest that a decision waits for views, whichever node hangs.
const VIEWS_WITHIN: Duration = Duration::from_millis(4500);

/// What a deep check spends on meeting every relay node; most meet them at once.
const LOOK_FOR_VIEWS: Duration = Duration::from_millis(2000);

/// The Infinispans of both sites.
#[derive(Debug)]
pub struct Infinispan {
    sites: BTreeMap<SiteName, Result<Rest, String>>,
    /// The cache that shows a node's age: one that both sites have.
    aged_by: Option<String>,
}

/// What an Infinispan says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The site that it says it is.
    pub site: String,
    /// The caches that it has.
    pub caches: BTreeSet<String>,
    /// Whether the one by which a node's age is known keeps statistics; nothing where it is not among them.
    pub keeps_statistics: Option<bool>,
}

impl Infinispan {
    /// Where the settings say they are. `root` is where the function's zip was unpacked; a site with
    /// `ca/<site>.pem` there is verified against that and nothing else. What cannot be set up is reported when
    /// the site is called, so that one broken bundle does not silence the other site.
    pub fn new(settings: &Settings, root: Option<&Path>, secrets: &Arc<Secrets>) -> Self {
        let sites = settings
            .found
            .infinispan_urls
            .iter()
            .map(|(site, url)| {
                let rest = roots(root, site).and_then(|(roots, authorities)| {
                    let shown = Arc::new(Shown::new(authorities));
                    let name = settings.infinispan_names.get(site).map(String::as_str);
                    let connector =
                        tls::noting_connector(roots, &shown, name).map_err(|error| tls::chain(&error))?;
                    Rest::new(url, connector, shown, Arc::clone(secrets))
                });
                if let Err(problem) = &rest {
                    tracing::error!("{site}'s Infinispan cannot be called: {problem}");
                }
                (site.clone(), rest)
            })
            .collect();
        Self {
            sites,
            aged_by: settings.cleared_caches.first().cloned(),
        }
    }

    /// Opens a connection to each site ahead of the first call. Returns when they are open.
    pub async fn open_ahead(&self) {
        join_all(self.sites.values().flatten().map(Rest::open_ahead)).await;
    }

    /// Gives up the connections that are still being opened.
    pub fn give_up_opening(&self) {
        self.sites.values().flatten().for_each(Rest::give_up_opening);
    }

    /// Asks nodes of a site for their views until what was heard settles whether it sees the other site.
    pub async fn views(&self, at: &SiteName) -> Result<Vec<View>, Fault> {
        let rest = self.at(at)?;
        let peer = self.sites.keys().find(|site| *site != at).unwrap_or(at);
        Hearing::begin(rest)
            .settled(peer, Instant::now() + VIEWS_WITHIN)
            .await
            .map_err(|what| fault(at, what))
    }

    /// For how many seconds a node has been running at least. A server does not say when it started, but each cache says
    /// when it did; none where that cache keeps no statistics. What describes a cache does not name the node, so it is
    /// asked for over a connection that is known to lead there.
    pub async fn age(&self, at: &SiteName, node: &str) -> Result<Option<u64>, Fault> {
        let rest = self.at(at)?;
        let Some(cache) = &self.aged_by else {
            return Ok(None);
        };
        everywhere::of_node(rest, node, &statistics_of(cache))
            .await
            .and_then(|body| read::age(&body))
            .map_err(|what| fault(at, what))
    }

    /// Cuts replication of all caches at a site. The survivor's users are waiting for it, and it may be made twice:
    /// so it is asked for like a question.
    pub async fn take_offline(&self, at: &SiteName, backup: &SiteName) -> Result<Vec<CacheFailure>, Fault> {
        let path = format!("/rest/v2/container/x-site/backups/{backup}?action=take-offline");
        let rest = self.at(at)?;
        let (answer, ()) = join(
            rest.ask(Method::POST, &path),
            everywhere::told(rest, &path, Backup::Offline),
        )
        .await;
        switched(at, backup, answer)
    }

    /// Lets all caches at a site replicate again.
    pub async fn bring_online(&self, at: &SiteName, backup: &SiteName) -> Result<Vec<CacheFailure>, Fault> {
        let path = format!("/rest/v2/container/x-site/backups/{backup}?action=bring-online");
        let rest = self.at(at)?;
        let (answer, ()) = join(
            rest.tell_once(&path),
            everywhere::told(rest, &path, Backup::Online),
        )
        .await;
        switched(at, backup, answer)
    }

    /// Switches all caches at a site: `start-push-state`.
    pub async fn switch(
        &self,
        at: &SiteName,
        backup: &SiteName,
        action: &str,
    ) -> Result<Vec<CacheFailure>, Fault> {
        let path = format!("/rest/v2/container/x-site/backups/{backup}?action={action}");
        let answer = self.at(at)?.tell_once(&path).await;
        switched(at, backup, answer)
    }

    /// Reads whether a site replicates to the other: every node of it that is met.
    pub async fn backup(&self, at: &SiteName, backup: &SiteName) -> Result<Backup, Fault> {
        let path = format!("/rest/v2/container/x-site/backups/{backup}");
        let (first, others) = join(self.get(at, &path), everywhere::asked(self.at(at)?, &path)).await;
        let first = first
            .and_then(|body| read::backup(&body))
            .map_err(|what| fault(at, what))?;
        Ok(everywhere::together([first].into_iter().chain(others)).unwrap_or(first))
    }

    /// Whether a site would do what a fence asks, by a call that needs ADMIN and changes nothing, and could say which site it
    /// sees. A fault is silence: the site may be lost. One that answers in another way than a fence needs is no use either, but
    /// that is not what being lost looks like.
    pub async fn reach(&self, at: &SiteName, backup: &SiteName) -> Result<Reach, Fault> {
        let rest = match self.at(at) {
            Ok(rest) => rest,
            Err(fault) => return Ok(Reach::Refuses(Refusal::Other, fault.what)),
        };
        let path = format!("/rest/v2/container/x-site/backups/{backup}");
        let answer = match rest.try_ask(Method::GET, &path).await {
            Ok(answer) => answer,
            Err(Trouble::Way(what)) => return Err(fault(at, what)),
            Err(Trouble::Untrusted(what)) => return Ok(Reach::Refuses(Refusal::Certificate, what)),
            Err(Trouble::Refused(what)) => return Ok(Reach::Refuses(Refusal::Credentials, what)),
        };
        let why = match answer.status.as_u16() {
            403 => Refusal::Rights,
            404 => Refusal::Site,
            _ => Refusal::Other,
        };
        // A router without a pod behind it answers 503, and so does a server on its way down.
        let is_silence = answer.status.is_server_error();
        match succeeded(answer).and_then(|body| Ok((read::backup(&body)?, read::offline(&body)))) {
            // Where nobody could be heard, that is for the judge to say.
            Ok((Backup::Mixed, offline)) if !offline.is_empty() => {
                Ok(Reach::Mixed(offline, every_view(rest).await))
            }
            Ok((backup, _)) => {
                let (views, others) = join(every_view(rest), everywhere::asked(rest, &path)).await;
                let backup = everywhere::together([backup].into_iter().chain(others)).unwrap_or(backup);
                Ok(Reach::Answers(backup, views))
            }
            Err(what) if is_silence => Err(fault(at, what)),
            Err(what) if why == Refusal::Site => {
                // A site does not back up to itself: the other one's Infinispan says the same as one whose sites are
                // called otherwise.
                let views = every_view(rest).await;
                let stray = views.iter().find(|view| view.local_site == backup.as_str());
                let what = stray.map_or(what, |stray| leads_elsewhere(&stray.local_site));
                Ok(Reach::Refuses(why, what))
            }
            Err(what) => Ok(Reach::Refuses(why, what)),
        }
    }

    /// Which site answers there, and with which caches: any node knows.
    pub async fn inventory(&self, at: &SiteName) -> Result<Inventory, Fault> {
        let read = async {
            let container = self.get(at, "/rest/v2/container").await?;
            let names = self.get(at, "/rest/v2/caches").await?;
            let caches: BTreeSet<String> = read::names(&names)?.into_iter().collect();
            let keeps_statistics = match self.aged_by.as_ref().filter(|cache| caches.contains(*cache)) {
                Some(cache) => {
                    // Where that is not to be heard, the rest is.
                    let answer = self.get(at, &statistics_of(cache)).await;
                    answer
                        .and_then(|body| read::age(&body))
                        .ok()
                        .map(|age| age.is_some())
                }
                None => None,
            };
            Ok(Inventory {
                site: read::view(&container)?.local_site,
                caches,
                keeps_statistics,
            })
        };
        read.await.map_err(|what| fault(at, what))
    }

    /// Which of the certificates that a site has shown ends first. It asks nobody: handshakes have shown it, if there
    /// was one.
    pub fn first_to_end(&self, at: &SiteName) -> Option<Ending> {
        self.at(at).ok()?.shown().first_to_end()
    }

    pub async fn clear(&self, at: &SiteName, cache: &str) -> Result<(), Fault> {
        let path = format!("/rest/v2/caches/{}?action=clear", segment(cache));
        match self.tell(at, &path).await {
            Ok(_) => Ok(()),
            Err(what) => Err(fault(at, format!("cache `{cache}`: {what}"))),
        }
    }

    /// Does something about some caches' push to or from the other site, each by itself: `start-push-state`,
    /// `cancel-push-state`, `cancel-receive-state`. A cache is named as failed where Infinispan says so; one that
    /// nothing was heard of is a fault: it may still take effect.
    pub async fn each(
        &self,
        at: &SiteName,
        other: &SiteName,
        action: &str,
        caches: &[String],
    ) -> Result<Vec<CacheFailure>, Fault> {
        let rest = self.at(at)?;
        let started = caches.iter().map(async |cache| {
            let path = format!(
                "/rest/v2/caches/{}/x-site/backups/{other}?action={action}",
                segment(cache)
            );
            let answer = rest
                .tell_once(&path)
                .await
                .map_err(|what| fault(at, format!("cache `{cache}`: {what}")))?;
            Ok(succeeded(answer).err().map(|message| CacheFailure {
                cache: cache.clone(),
                message,
            }))
        });
        let started: Vec<Result<Option<CacheFailure>, Fault>> = join_all(started).await;
        started.into_iter().filter_map(Result::transpose).collect()
    }

    /// Reads how far the push of every cache that backs up to `backup` is.
    pub async fn pushes(&self, at: &SiteName, backup: &SiteName) -> Result<Vec<CachePush>, Fault> {
        let names = self
            .get(at, "/rest/v2/caches")
            .await
            .and_then(|body| read::names(&body))
            .map_err(|what| fault(at, what))?;
        let rest = self.at(at)?;
        let statuses = names.into_iter().map(async |cache| {
            let path = format!(
                "/rest/v2/caches/{}/x-site/backups?action=push-state-status",
                segment(&cache)
            );
            let answer = rest.ask(Method::GET, &path).await?;
            // A cache without any backup has no such resource.
            if answer.status.as_u16() == 404 {
                return Ok(None);
            }
            let push = read::push(&succeeded(answer)?, backup);
            push.map(|push| {
                push.map(|push| CachePush {
                    cache: cache.clone(),
                    push,
                })
            })
            .map_err(|what| format!("cache `{cache}`: {what}"))
        });
        join_all(statuses)
            .await
            .into_iter()
            .filter_map(Result::transpose)
            .collect::<Result<_, String>>()
            .map_err(|what| fault(at, what))
    }

    /// How many entries each cache has that backs up to `backup`. Of one that does not say, only the name is known, and
    /// those beyond what is counted are not asked.
    pub async fn sizes(&self, at: &SiteName, backup: &SiteName) -> Result<Sizes, Fault> {
        let replicated = self.pushes(at, backup).await?;
        let names: BTreeSet<String> = replicated.into_iter().map(|push| push.cache).collect();
        let sizes = names.into_iter().enumerate().map(async |(index, cache)| {
            let path = format!("/rest/v2/caches/{}?action=size", segment(&cache));
            let size = async || read::size(&self.get(at, &path).await.ok()?).ok();
            let size = if index < CACHES_AT_MOST {
                size().await
            } else {
                None
            };
            (cache, size)
        });
        Ok(join_all(sizes).await.into_iter().collect())
    }

    /// The keys of a cache, `at_most` of them, as digests.
    pub async fn keys(&self, at: &SiteName, cache: &str, at_most: u64) -> Result<Keys, Fault> {
        let path = format!("/rest/v2/caches/{}?action=keys&limit={at_most}", segment(cache));
        let asked = async {
            let answer = self
                .at(at)
                .map_err(|fault| fault.what)?
                .ask(Method::GET, &path)
                .await?;
            if !answer.status.is_success() {
                // What it says instead may quote a key.
                return Err(format!("it answers {}", answer.status.as_u16()));
            }
            read::keys(&answer.body)
        };
        asked
            .await
            .map_err(|what| fault(at, format!("cache `{cache}`: {what}")))
    }

    /// Forgets the push status of some caches.
    pub async fn clear_pushes(&self, at: &SiteName, caches: &[String]) -> Result<(), Fault> {
        let cleared = caches.iter().map(async |cache| {
            let path = format!(
                "/rest/v2/caches/{}/x-site/local?action=clear-push-state-status",
                segment(cache)
            );
            match self.tell(at, &path).await {
                Ok(_) => Ok(()),
                Err(what) => Err(fault(at, format!("cache `{cache}`: {what}"))),
            }
        });
        join_all(cleared).await.into_iter().collect()
    }

    fn at(&self, site: &SiteName) -> Result<&Rest, Fault> {
        match self.sites.get(site) {
            Some(Ok(rest)) => Ok(rest),
            Some(Err(problem)) => Err(fault(site, problem.clone())),
            None => Err(fault(site, "its address is not known".to_owned())),
        }
    }

    async fn get(&self, at: &SiteName, path: &str) -> Result<Bytes, String> {
        let rest = self.at(at).map_err(|fault| fault.what)?;
        succeeded(rest.ask(Method::GET, path).await?)
    }

    async fn tell(&self, at: &SiteName, path: &str) -> Result<Bytes, String> {
        let rest = self.at(at).map_err(|fault| fault.what)?;
        succeeded(rest.tell_once(path).await?)
    }
}

/// What every node has to say that is met in the time there is.
async fn every_view(rest: &Rest) -> Vec<View> {
    let heard = Hearing::begin(rest).thorough(Instant::now() + LOOK_FOR_VIEWS);
    heard.await.unwrap_or_default()
}

/// The authorities that verify a site's certificate, and those of them that are the topology's own.
fn roots(
    root: Option<&Path>,
    site: &SiteName,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let public = || Ok((tls::public_roots(), Vec::new()));
    let Some(root) = root else {
        return public();
    };
    let path = root.join("ca").join(format!("{site}.pem"));
    match std::fs::read(&path) {
        Ok(pem) => match tls::roots_from_pem(&pem) {
            Ok(roots) => Ok((roots, tls::certificates_from_pem(&pem))),
            Err(error) => Err(format!("{}: {}", path.display(), tls::chain(&error))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => public(),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn fault(at: &SiteName, what: String) -> Fault {
    Fault {
        whom: format!("{at}'s Infinispan"),
        what,
    }
}

/// The caches that a switch of all of them failed for.
fn switched(
    at: &SiteName,
    backup: &SiteName,
    answer: Result<Answered, String>,
) -> Result<Vec<CacheFailure>, Fault> {
    answer
        .and_then(succeeded)
        .and_then(|body| read::failures(&body, backup))
        .map_err(|what| fault(at, what))
}

/// The body of an answer that is a success, or a sentence about one that is not.
fn succeeded(answer: Answered) -> Result<Bytes, String> {
    let Answered { status, body } = answer;
    if status.is_success() {
        return Ok(body);
    }
    Err(match status.as_u16() {
        403 => "its user lacks a right for this (403); it needs ADMIN".to_owned(),
        404 => "it knows no such site or cache (404); are the topology's names those of its configuration?"
            .to_owned(),
        _ => {
            let said: String = String::from_utf8_lossy(&body)
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(200)
                .collect();
            format!("it answers {}: {}", status.as_u16(), said.trim())
        }
    })
}

/// All but what RFC 3986 never wants encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as one segment of a path.
fn statistics_of(cache: &str) -> String {
    format!("/rest/v2/caches/{}?action=stats", segment(cache))
}

fn segment(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_name_stays_one_segment() {
        for (name, path) in [
            ("work", "work"),
            ("a/b?c=d", "a%2Fb%3Fc%3Dd"),
            ("..", ".."),
            ("é%", "%C3%A9%25"),
        ] {
            assert_eq!(segment(name), path);
        }
    }
}
