//! Hearing the nodes of one site: which sites do they see?
//!
//! One address leads to several nodes, and the question is for certain ones: the primary relay node, and those
//! beside it. Nobody can be addressed, so nodes are asked over one connection after another, and the node that answers
//! says who it is. What keeps that short is remembering: the connection on which the primary was met becomes the
//! pooled one, and those to other relay nodes stay open beside it. So as a rule the first question, which costs one
//! round trip, settles it; strangers are asked, over new connections, only where it does not.

use std::collections::BTreeSet;
use std::time::Duration;

use fencing::replication::{View, every_relay_node_was_heard, settles};
use fencing::step::VIEW_ASKS;
use fencing::words::SiteName;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use tokio::time::{Instant, timeout_at};

use super::rest::{AT_FIRST, Client, Rest, Trouble};
use super::{read, succeeded};

/// After so long without an answer on the connections that are open, others are asked.
const FIRST_PATIENCE: Duration = Duration::from_millis(150);

/// A new connection that hangs holds up the next ones for so long.
const PATIENCE: Duration = Duration::from_millis(600);

/// How many new connections are tried at once; each costs a handshake.
const AT_ONCE: usize = 3;

/// Once the primary has said that it misses the other site, the other relay nodes have so long to object: the
/// survivor's users are waiting, and one of them may hang.
const OBJECTIONS: Duration = Duration::from_millis(600);

/// What a node says of itself, and how many nodes its site has as far as it knows.
type Asked = (Client, Result<(View, usize), String>);

pub(super) struct Hearing<'a> {
    rest: &'a Rest,
    asked: FuturesUnordered<BoxFuture<'a, Asked>>,
    /// How many more may be asked.
    left: usize,
    patience: Duration,
    /// Who answered, over which connection.
    nodes: Vec<Client>,
    views: Vec<View>,
    /// How many there are, as the best informed of them says.
    counted: usize,
    /// Why the last one that gave no usable answer did not.
    trouble: Option<String>,
}

impl<'a> Hearing<'a> {
    /// Asks over the connections that are open, and the first time over as many as were opened ahead: nobody knows yet
    /// where they lead.
    pub(super) fn begin(rest: &'a Rest) -> Self {
        let mut hearing = Self {
            rest,
            asked: FuturesUnordered::new(),
            left: usize::from(VIEW_ASKS),
            patience: FIRST_PATIENCE,
            nodes: Vec::new(),
            views: Vec::new(),
            counted: 0,
            trouble: None,
        };
        let mut clients = rest.warm();
        if rest.nodes().is_none() {
            clients.resize_with(AT_FIRST, || rest.stranger());
        }
        hearing.ask(clients);
        hearing
    }

    fn ask(&mut self, clients: Vec<Client>) {
        self.left = self.left.saturating_sub(clients.len());
        let rest = self.rest;
        self.asked
            .extend(clients.into_iter().map(|client| -> BoxFuture<'a, Asked> {
                Box::pin(async move {
                    let answer = rest.exchange(&client, &Method::GET, "/rest/v2/container").await;
                    let said = answer.map_err(Trouble::what).and_then(succeeded);
                    let said = said.and_then(|body| {
                        let nodes = read::member(&body).map_or(0, |member| member.nodes);
                        Ok((read::view(&body)?, nodes))
                    });
                    (client, said)
                })
            }));
    }

    fn heard(&mut self, (client, said): Asked) {
        match said {
            Ok((view, nodes)) => {
                self.nodes.push(client);
                self.views.push(view);
                self.counted = self.counted.max(nodes);
            }
            Err(what) => self.trouble = Some(what),
        }
    }

    /// Goes on asking until `enough` was heard, or nobody is left to be asked.
    async fn until(&mut self, enough: impl Fn(&[View]) -> bool) {
        while !enough(&self.views) {
            let mut patience = Box::pin(tokio::time::sleep(self.patience));
            loop {
                // Nobody is left to be asked: wait for those that were.
                let answer = if self.left == 0 {
                    self.asked.next().await
                } else {
                    match select(self.asked.next(), &mut patience).await {
                        Either::Left((answer, _)) => answer,
                        Either::Right(_) => None,
                    }
                };
                let Some(answer) = answer else { break };
                self.heard(answer);
                if enough(&self.views) {
                    return;
                }
            }
            if self.left == 0 {
                return;
            }
            let strangers = (0..AT_ONCE.min(self.left)).map(|_| self.rest.stranger());
            let strangers = strangers.collect();
            self.ask(strangers);
            self.patience = PATIENCE;
        }
    }

    /// What a decision needs to know, as soon as possible: the primary's view and, where that misses the other site,
    /// those of the relay nodes beside it.
    pub(super) async fn settled(mut self, peer: &SiteName, by: Instant) -> Result<Vec<View>, String> {
        let primary = |views: &[View]| views.iter().any(View::is_primary);
        if timeout_at(by, self.until(primary)).await.is_ok() {
            let by = by.min(Instant::now() + OBJECTIONS);
            // A node that did not object in time has not objected.
            let _ = timeout_at(by, self.until(|views| settles(views, peer))).await;
        }
        self.end()
    }

    /// Every relay node's view. Nobody waits for it, so that what was begun is also ended: a server logs each
    /// handshake that is broken off.
    pub(super) async fn thorough(mut self, by: Instant) -> Result<Vec<View>, String> {
        // What was heard by then counts.
        let _ = timeout_at(by, async {
            self.until(every_relay_node_was_heard).await;
            while let Some(answer) = self.asked.next().await {
                self.heard(answer);
            }
        })
        .await;
        self.end()
    }

    /// Keeps the connections that lead to relay nodes, and hands over what was heard.
    fn end(self) -> Result<Vec<View>, String> {
        // Where the nodes of a site have lost each other, more are met than any of them knows of.
        let met: BTreeSet<&str> = self.views.iter().map(|view| view.node_address.as_str()).collect();
        if self.counted > 0 {
            self.rest.have_nodes(self.counted.max(met.len()));
        }
        let mut primary = None;
        let mut others: Vec<(&str, Client)> = Vec::new();
        for (client, view) in self.nodes.iter().zip(&self.views) {
            let known = others.iter().any(|(address, _)| *address == view.node_address);
            if view.is_primary() {
                primary.get_or_insert_with(|| client.clone());
            } else if view.counts() && !known {
                others.push((&view.node_address, client.clone()));
            }
        }
        if let Some(primary) = primary {
            let others = others.into_iter().map(|(_, client)| client).collect();
            let all = every_relay_node_was_heard(&self.views);
            self.rest.keep(primary, all.then_some(others));
        }
        match (self.views, self.trouble) {
            (views, Some(trouble)) if views.is_empty() => Err(trouble),
            (views, None) if views.is_empty() => Err("none of its nodes answered in time".to_owned()),
            (views, _) => Ok(views),
        }
    }
}
