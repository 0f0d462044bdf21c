//! What every node of a site says of its backup, and asking those that were left out.
//!
//! Whether replication to the other site is cut, each node decides for itself, by a number that it keeps. Infinispan 15
//! asks all nodes when one is asked. Infinispan 16 does not: the node that is asked answers for itself, and hands a cut
//! on through a cache that all nodes have, whatever becomes of that. So a node that hung just then, or had left its
//! site's cluster for a moment, goes on replicating to a site that is lost, its users' writes fail, and the node that
//! was cut says `offline`; asked once more, it has nothing to do and asks nobody else. The other way round is no better: a
//! node that misses that replication is on again keeps from the other site what is written through it.
//!
//! So the word of one node is not enough. Each is asked over a connection of its own, as many as the site says that it
//! has, as far as they are met: where a balancer leads one caller to the same node for ever, only that one is asked. A
//! node that says something else than what was asked for is asked itself, over the connection on which it said so. What
//! only one node can say, such as how long it has been running, is asked over these connections, too.

use std::time::Duration;

use bytes::Bytes;
use fencing::replication::Backup;
use fencing::step::VIEW_ASKS;
use futures_util::future::join_all;
use http::Method;
use tokio::time::{Instant, timeout_at};

use super::line::NodeLine;
use super::rest::{Rest, Trouble};
use super::{read, succeeded};

/// What all nodes are asked within, beside the one that is met first.
const WITHIN: Duration = Duration::from_millis(1500);

/// What those are given of it that were asked before: one that hangs must not keep others from being asked at all.
const AGAIN_WITHIN: Duration = Duration::from_millis(600);

/// What one node is given to say something of its own, once it was met.
const SAID_WITHIN: Duration = Duration::from_millis(1500);

/// How long those that were left out may take to do what they are asked.
const TOLD_WITHIN: Duration = Duration::from_millis(1000);

/// How many connections are opened at once; each costs a handshake.
const AT_ONCE: usize = 3;

/// After so many times of opening some without meeting anybody new, nobody new is expected.
const FRUITLESS_AT_MOST: usize = 2;

/// What nodes say together.
pub(super) fn together(said: impl IntoIterator<Item = Backup>) -> Option<Backup> {
    let mut said = said.into_iter();
    let first = said.next()?;
    Some(if said.all(|other| other == first) {
        first
    } else {
        Backup::Mixed
    })
}

/// What the nodes that are met say of the backup at `path`. None where the site has one node only, which was asked.
///
/// How many there are is one node's word, too, and one that is out of its site's cluster counts itself alone. So a node that
/// was met before is asked whatever was said since.
pub(super) async fn asked(rest: &Rest, path: &str) -> Option<Backup> {
    let known = rest.take_lines();
    if known.is_empty() && rest.nodes() == Some(1) {
        return None;
    }
    let (is_first, began) = (known.is_empty(), Instant::now());
    let lines = again(rest, known, path, began + AGAIN_WITHIN).await;
    let lines = met(rest, lines, path, began + WITHIN).await;
    let said = together(lines.iter().filter_map(|line| line.said));
    // The one node of a site is asked over the pool.
    if !(is_first && rest.nodes() == Some(1)) {
        rest.keep_lines(lines);
    }
    said
}

/// Tells those nodes once more that said something else the last time.
pub(super) async fn told(rest: &Rest, path: &str, wanted: Backup) {
    let (behind, others): (Vec<NodeLine>, Vec<NodeLine>) = rest
        .take_lines()
        .into_iter()
        .partition(|line| line.said.is_some_and(|said| said != wanted));
    rest.keep_lines(others);
    let by = Instant::now() + TOLD_WITHIN;
    let telling = behind.into_iter().map(async |line| {
        let answered = timeout_at(by, rest.exchange(&line, &Method::POST, path)).await;
        // What it says now is read afterwards.
        matches!(answered, Ok(Ok(_))).then_some(line)
    });
    rest.keep_lines(join_all(telling).await.into_iter().flatten().collect());
}

/// What a certain node answers: over the connection that is open to it, or over new ones until one leads there.
pub(super) async fn of_node(rest: &Rest, node: &str, path: &str) -> Result<Bytes, String> {
    let mut trouble = format!("its node {node} can no longer be reached");
    if let Some(line) = rest.take_line(node) {
        match answer_of(rest, line, path, Instant::now() + AGAIN_WITHIN).await {
            Ok(body) => return Ok(body),
            Err(what) => trouble = what,
        }
    }
    for _ in 0..usize::from(VIEW_ASKS).div_ceil(AT_ONCE) {
        let by = Instant::now() + WITHIN;
        let opened = (0..AT_ONCE).map(async |_| {
            timeout_at(by, introduced(rest))
                .await
                .map_err(|_| "none of its nodes answered in time".to_owned())?
        });
        let mut met = None;
        for opened in join_all(opened).await {
            match opened {
                Ok((line, _)) if line.node == node => met = Some(line),
                Ok((line, _)) => rest.keep_lines(vec![line]),
                Err(what) => trouble = what,
            }
        }
        if let Some(line) = met {
            return answer_of(rest, line, path, Instant::now() + SAID_WITHIN).await;
        }
    }
    Err(trouble)
}

/// What is answered over a connection, which is kept where there is an answer.
async fn answer_of(rest: &Rest, line: NodeLine, path: &str, by: Instant) -> Result<Bytes, String> {
    let body = timeout_at(by, get(rest, &line, path))
        .await
        .map_err(|_| format!("its node {} did not answer in time", line.node))??;
    rest.keep_lines(vec![line]);
    Ok(body)
}

/// Asks over the connections that are open. Those that have ended are not kept.
async fn again(rest: &Rest, lines: Vec<NodeLine>, path: &str, by: Instant) -> Vec<NodeLine> {
    let asked = lines.into_iter().map(async |mut line| {
        let said = timeout_at(by, status(rest, &line, path)).await.ok()?.ok()?;
        line.said = Some(said);
        Some(line)
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Opens connections until each node was met, or nobody new is. Where nobody has said how many there are, the first one
/// that is met says so.
async fn met(rest: &Rest, mut lines: Vec<NodeLine>, path: &str, by: Instant) -> Vec<NodeLine> {
    let mut nodes = rest.nodes();
    let mut left = usize::from(VIEW_ASKS);
    let mut fruitless = 0;
    while left > 0 && fruitless < FRUITLESS_AT_MOST && Instant::now() < by {
        let missing = nodes.map_or(1, |nodes| nodes.saturating_sub(lines.len()));
        let at_once = missing.min(AT_ONCE).min(left);
        if at_once == 0 {
            break;
        }
        left -= at_once;
        fruitless += 1;
        let opened = (0..at_once).map(async |_| timeout_at(by, opened(rest, path)).await.ok()?.ok());
        for (line, known) in join_all(opened).await.into_iter().flatten() {
            // One that has left its site's cluster knows of itself only.
            nodes = nodes.max(Some(known));
            if lines.iter().all(|other| other.node != line.node) {
                lines.push(line);
                fruitless = 0;
            }
        }
    }
    if let Some(nodes) = nodes {
        rest.have_nodes(nodes);
    }
    lines
}

/// A connection to somebody who has said who it is, of how many, and then what its backup is.
async fn opened(rest: &Rest, path: &str) -> Result<(NodeLine, usize), String> {
    let (mut line, nodes) = introduced(rest).await?;
    line.said = Some(status(rest, &line, path).await?);
    Ok((line, nodes))
}

/// A connection to somebody who has said who it is, and of how many.
async fn introduced(rest: &Rest) -> Result<(NodeLine, usize), String> {
    let mut line = rest.open_line().await?;
    let member = read::member(&get(rest, &line, "/rest/v2/container").await?)?;
    line.node = member.name;
    Ok((line, member.nodes))
}

async fn status(rest: &Rest, line: &NodeLine, path: &str) -> Result<Backup, String> {
    read::backup(&get(rest, line, path).await?)
}

async fn get(rest: &Rest, line: &NodeLine, path: &str) -> Result<Bytes, String> {
    let answer = rest.exchange(line, &Method::GET, path).await;
    answer.map_err(Trouble::what).and_then(succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_differ_are_mixed() {
        use Backup::{Mixed, Offline, Online};
        for (said, expected) in [
            (&[][..], None),
            (&[Offline], Some(Offline)),
            (&[Online, Online], Some(Online)),
            (&[Offline, Offline, Online], Some(Mixed)),
            (&[Mixed, Mixed], Some(Mixed)),
        ] {
            assert_eq!(together(said.iter().copied()), expected);
        }
    }
}
