//! HTTPS to one site's Infinispan: authentication, connections, and a way out of dead ones.
//!
//! One address leads to several nodes, and some questions must reach a certain one; so there are two ways to
//! ask: over a connection that is kept open, and afresh, over one of its own. The pooled connection is the one that
//! leads to the primary relay node, as soon as that was met ([`super::hear`]). A
//! pooled connection may have died unseen while the function was frozen; what gets no answer on it soon is
//! asked again afresh. That is for questions, and for a cut, which may be made twice. Whatever else changes
//! something is sent once, on a connection of its own: of two requests one may be carried out long after the
//! other was answered and the next step was begun, and a clear that comes late empties the kept site.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fencing::contract::AGENT;
use fencing::credentials::{Credentials, ENDS_A_LINE};
use futures_util::future::{Either, join_all, select};
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT, WWW_AUTHENTICATE};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use super::line::NodeLine;
use crate::credentials::basic_header;
use crate::world::certificates::Shown;
use crate::world::digest::{Challenge, Nonce, challenges};
use crate::world::secrets::Secrets;
use crate::world::tls::{Connector, chain};

const ATTEMPT_LIMIT: Duration = Duration::from_millis(4000);

/// After so long without an answer on the pooled connection, the same is asked afresh beside it.
const PATIENCE: Duration = Duration::from_millis(1200);

/// The largest answer that is read: a status of a thousand caches takes a hundred kilobytes.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// How many connections a site is asked over before it is known where they lead. A fence needs the word of each relay node;
/// it is recommended to have two.
pub(super) const AT_FIRST: usize = 2;

/// See [`super::super::aws`]: the schedule uses connections every minute.
const IDLE_LIMIT: Duration = Duration::from_secs(90);

pub(super) type Client = HyperClient<Connector, Full<Bytes>>;

/// An answer, whatever it says.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection failed; another one may not.
    Way(String),
    /// Somebody is there who cannot prove to be the one that is meant. Another node may.
    Untrusted(String),
    /// We were understood, and refused, or have nothing to present.
    Refused(String),
}

impl Trouble {
    pub(super) fn what(self) -> String {
        match self {
            Self::Way(what) | Self::Untrusted(what) | Self::Refused(what) => what,
        }
    }
}

/// Whether a request failed because of the other side's certificate.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // What was made into an I/O error is left out of its chain of sources.
    let hidden = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    hidden.is_some_and(|hidden| is_untrusted(hidden)) || error.source().is_some_and(is_untrusted)
}

/// The connections that are kept open.
#[derive(Debug)]
struct Connections {
    /// For whatever is asked or done.
    pooled: Client,
    /// Those that lead to further relay nodes.
    relays: Vec<Client>,
    /// Those on which each node was asked for its own word.
    lines: Vec<NodeLine>,
    /// How many nodes the site has, as one of them said last.
    nodes: Option<usize>,
}

/// What a request goes over.
pub(super) trait Carrier: Sync {
    fn carry(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Trouble>> + Send;

    /// The nonce of the node at its end, where it leads to one: each node has nonces of its own.
    fn nonce(&self) -> Option<&LastNonce> {
        None
    }
}

/// The nonce that was accepted last, if the server wants Digest, and how often it was used.
pub(super) type LastNonce = Mutex<Option<(Nonce, u32)>>;

impl Carrier for Client {
    async fn carry(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Trouble> {
        self.request(request).await.map_err(|error| {
            if is_untrusted(&error) {
                Trouble::Untrusted(chain(&error))
            } else {
                Trouble::Way(chain(&error))
            }
        })
    }
}

/// Whether this refuses the way in which we proved ourselves, and not us. Real servers say so with a 403 without a
/// challenge, as if a right were lacking.
fn takes_another_mechanism(answered: &Answered) -> bool {
    answered.status == StatusCode::FORBIDDEN && answered.body.starts_with(b"ISPN080052")
}

#[derive(Debug)]
pub(super) struct Rest {
    authority: Authority,
    connector: Connector,
    shown: Arc<Shown>,
    open: Mutex<Connections>,
    secrets: Arc<Secrets>,
    nonce: LastNonce,
}

impl Rest {
    pub(super) fn new(
        url: &str,
        connector: Connector,
        shown: Arc<Shown>,
        secrets: Arc<Secrets>,
    ) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("its address `{url}` is not a URL: {error}"))?;
        if uri.scheme() != Some(&Scheme::HTTPS) || !matches!(uri.path(), "" | "/") {
            return Err(format!(
                "its address `{url}` is not of the form https://host[:port]"
            ));
        }
        let authority = uri
            .authority()
            .cloned()
            .ok_or_else(|| format!("its address `{url}` names no host"))?;
        Ok(Self {
            authority,
            open: Mutex::new(Connections {
                pooled: client(&connector),
                relays: Vec::new(),
                lines: Vec::new(),
                nodes: None,
            }),
            connector,
            shown,
            secrets,
            nonce: Mutex::default(),
        })
    }

    /// What handshakes with this site have shown.
    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    fn kept(&self) -> MutexGuard<'_, Connections> {
        // Consistent after every statement, so a panic elsewhere has not harmed it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the connections that the first hearing takes.
    pub(super) async fn open_ahead(&self) {
        if let Ok(to) = self.uri("/") {
            let opening = (0..AT_FIRST).map(|_| self.connector.open_ahead(to.clone()));
            join_all(opening).await;
        }
    }

    /// Gives it up while it is still being opened.
    pub(super) fn give_up_opening(&self) {
        self.connector.give_up_opening();
    }

    /// The connections that are open, the pooled one first.
    pub(super) fn warm(&self) -> Vec<Client> {
        let kept = self.kept();
        std::iter::once(&kept.pooled)
            .chain(&kept.relays)
            .cloned()
            .collect()
    }

    /// A connection to whichever node it leads to.
    pub(super) fn stranger(&self) -> Client {
        client(&self.connector)
    }

    /// Keeps the connection to the primary relay node for everything, and those to others where they are known.
    pub(super) fn keep(&self, primary: Client, others: Option<Vec<Client>>) {
        let mut kept = self.kept();
        kept.pooled = primary;
        if let Some(others) = others {
            kept.relays = others;
        }
    }

    /// How many nodes the site has, if one of them has said so.
    pub(super) fn nodes(&self) -> Option<usize> {
        self.kept().nodes
    }

    pub(super) fn have_nodes(&self, nodes: usize) {
        self.kept().nodes = Some(nodes);
    }

    /// A connection that is no other one's, to whichever node it leads to.
    pub(super) async fn open_line(&self) -> Result<NodeLine, String> {
        let to = self.uri("/").map_err(Trouble::what)?;
        NodeLine::open(self.connector.clone(), to).await
    }

    /// Takes those that are open; callers that ask meanwhile open others.
    pub(super) fn take_lines(&self) -> Vec<NodeLine> {
        std::mem::take(&mut self.kept().lines)
    }

    /// Takes the one to a certain node.
    pub(super) fn take_line(&self, node: &str) -> Option<NodeLine> {
        let mut kept = self.kept();
        let index = kept.lines.iter().position(|line| line.node == node)?;
        Some(kept.lines.swap_remove(index))
    }

    /// Keeps one to each node.
    pub(super) fn keep_lines(&self, lines: Vec<NodeLine>) {
        let mut kept = self.kept();
        for line in lines {
            if kept.lines.iter().all(|known| known.node != line.node) {
                kept.lines.push(line);
            }
        }
    }

    /// Asks over the pooled connection, and afresh when that stays silent or breaks.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Answered, String> {
        self.try_ask(method, path).await.map_err(Trouble::what)
    }

    /// The same, telling apart why there is no answer.
    pub(super) async fn try_ask(&self, method: Method, path: &str) -> Result<Answered, Trouble> {
        let pool = self.kept().pooled.clone();
        let mut pooled = pin!(self.exchange(&pool, &method, path));
        let broken = match tokio::time::timeout(PATIENCE, &mut pooled).await {
            Ok(Ok(answered)) => return Ok(answered),
            Ok(Err(refused @ Trouble::Refused(_))) => return Err(refused),
            Ok(Err(Trouble::Way(_) | Trouble::Untrusted(_))) => true,
            Err(_) => false,
        };
        let other = client(&self.connector);
        let afresh = pin!(self.exchange(&other, &method, path));
        if broken {
            return afresh.await;
        }
        match select(pooled, afresh).await {
            Either::Left((Ok(answered), _)) | Either::Right((Ok(answered), _)) => Ok(answered),
            Either::Left((Err(_), afresh)) => afresh.await,
            Either::Right((Err(_), pooled)) => pooled.await,
        }
    }

    /// Tells something, once.
    pub(super) async fn tell_once(&self, path: &str) -> Result<Answered, String> {
        let client = client(&self.connector);
        self.exchange(&client, &Method::POST, path)
            .await
            .map_err(Trouble::what)
    }

    /// Asks over a given connection.
    pub(super) async fn exchange(
        &self,
        client: &impl Carrier,
        method: &Method,
        path: &str,
    ) -> Result<Answered, Trouble> {
        let mut credentials = self.secrets.infinispan().await.map_err(Trouble::Refused)?;
        let last = client.nonce().unwrap_or(&self.nonce);
        // A new connection may lead to the node that gave us the pool's.
        let mut nonce = next_nonce(last).or_else(|| next_nonce(&self.nonce));
        // A nonce is another node's or has expired, so a refusal that offers a new one is no verdict on the
        // password; the third such refusal is.
        let mut nonces_tried = 0;
        let mut secret_was_reread = false;
        loop {
            let header =
                authorization(&credentials, nonce.as_ref(), method, path).map_err(Trouble::Refused)?;
            let mut reply = self.send(client, method, path, Some(header)).await?;
            if takes_another_mechanism(&reply.answered) {
                // It says which only to somebody who presents nothing.
                reply = self.send(client, method, path, None).await?;
            }
            if reply.answered.status != StatusCode::UNAUTHORIZED {
                if let Some((nonce, count)) = nonce {
                    remember(last, nonce, count);
                }
                return Ok(reply.answered);
            }
            match reply.offers.into_iter().next() {
                Some(Challenge::Digest(offered)) if nonces_tried < 2 => {
                    nonces_tried += 1;
                    nonce = Some((offered, 1));
                    continue;
                }
                Some(Challenge::Basic) if nonce.is_some() => {
                    nonce = None;
                    continue;
                }
                _ => {}
            }
            let other = if secret_was_reread {
                None
            } else {
                secret_was_reread = true;
                let other = self.secrets.infinispan_instead_of(&credentials).await;
                other.map_err(Trouble::Refused)?
            };
            let Some(other) = other else {
                let why = if credentials.ends_a_line() {
                    format!("; {ENDS_A_LINE}")
                } else {
                    String::new()
                };
                return Err(Trouble::Refused(format!(
                    "it does not accept user `{}` with the password from its secret (401){why}",
                    credentials.username
                )));
            };
            credentials = other;
            nonces_tried = 0;
        }
    }

    fn uri(&self, path: &str) -> Result<Uri, Trouble> {
        Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| Trouble::Refused(format!("`{path}` is not a path: {error}")))
    }

    async fn send(
        &self,
        way: &impl Carrier,
        method: &Method,
        path: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Received, Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.uri(path)?)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, AGENT)
            .body(Full::default())
            .map_err(|error| Trouble::Refused(error.to_string()))?;
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let received = async {
            let reply = way.carry(request).await?;
            let status = reply.status();
            let offers = challenges(
                reply
                    .headers()
                    .get_all(WWW_AUTHENTICATE)
                    .iter()
                    .filter_map(|value| value.to_str().ok()),
            );
            let body = Limited::new(reply.into_body(), BODY_LIMIT_BYTES)
                .collect()
                .await
                .map_err(|error| Trouble::Way(format!("its answer cannot be read: {error}")))?
                .to_bytes();
            Ok(Received {
                answered: Answered { status, body },
                offers,
            })
        };
        let late = |_| {
            let what = format!("no answer within {} ms", ATTEMPT_LIMIT.as_millis());
            Err(Trouble::Way(what))
        };
        tokio::time::timeout(ATTEMPT_LIMIT, received)
            .await
            .unwrap_or_else(late)
    }
}

fn next_nonce(last: &LastNonce) -> Option<(Nonce, u32)> {
    let mut known = last.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, count) = known.as_mut()?;
    *count = count.saturating_add(1);
    known.clone()
}

/// Keeps a nonce for the next call. Of one that is known already, the higher count is kept.
fn remember(last: &LastNonce, nonce: Nonce, count: u32) {
    let mut known = last.lock().unwrap_or_else(PoisonError::into_inner);
    let count = match known.as_ref() {
        Some((same, used)) if same.is_same_as(&nonce) => count.max(*used),
        _ => count,
    };
    *known = Some((nonce, count));
}

struct Received {
    answered: Answered,
    offers: Vec<Challenge>,
}

/// A client with a pool of its own. Making one costs nothing; its first request opens a connection, and
/// dropping it closes that.
fn client(connector: &Connector) -> Client {
    HyperClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .build(connector.clone())
}

fn authorization(
    credentials: &Credentials,
    nonce: Option<&(Nonce, u32)>,
    method: &Method,
    path: &str,
) -> Result<HeaderValue, String> {
    let text = Zeroizing::new(match nonce {
        None => basic_header(credentials).expose_secret().to_owned(),
        Some((nonce, count)) => {
            let mut random = [0; 16];
            rustls::crypto::ring::default_provider()
                .secure_random
                .fill(&mut random)
                .map_err(|_| "the system gives no random bytes".to_owned())?;
            nonce.answer(credentials, method.as_str(), path, *count, &hex::encode(random))
        }
    });
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| format!("user `{}` is not allowed in a header", credentials.username))?;
    // Keeps it out of every debug print of the request.
    value.set_sensitive(true);
    Ok(value)
}
