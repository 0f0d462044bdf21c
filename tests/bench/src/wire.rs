//! Servers over TLS, each with a trace of what it was asked, and with the two ways in which a cloud is slow: each call
//! takes its time, and each host is far away.
//!
//! Distance is made where a connection is accepted: every byte is handed on half a round trip after it came, in both
//! directions, and the first one a whole round trip later than that, which is what TCP's own handshake takes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_rustls::TlsAcceptor;

use crate::Trouble;

/// How slow the clouds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slowness {
    pub(crate) per_call: Duration,
    pub(crate) round_trip: Duration,
}

/// One call, from its last byte in to its answer out.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) what: String,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// What all servers together were asked.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) calls: Mutex<Vec<Entry>>,
    pub(crate) connections: AtomicUsize,
}

impl Trace {
    /// Hands over what was noted, and begins anew.
    pub(crate) fn take(&self) -> (Vec<Entry>, usize) {
        let calls = std::mem::take(&mut *self.calls.lock());
        (calls, self.connections.swap(0, Ordering::SeqCst))
    }
}

/// How many of these calls came one after the other: the longest chain of which each began when the one before had been
/// answered. `until` ends it at the first call of that name.
pub(crate) fn sequential(calls: &[Entry], until: Option<&str>) -> usize {
    let last = until.and_then(|what| calls.iter().find(|call| call.what == what));
    let mut order: Vec<&Entry> = calls
        .iter()
        .filter(|call| last.is_none_or(|last| call.ended <= last.ended))
        .collect();
    order.sort_by_key(|call| call.began);
    let mut depths: Vec<(Instant, usize)> = Vec::new();
    for call in order {
        let before = depths.iter().filter(|(ended, _)| *ended <= call.began);
        let depth = 1 + before.map(|(_, depth)| *depth).max().unwrap_or(0);
        depths.push((call.ended, depth));
    }
    depths.into_iter().map(|(_, depth)| depth).max().unwrap_or(0)
}

/// A request as the outside sees it.
pub(crate) struct Asked {
    /// Which of this server's connections it came over, counted from 0.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What it is answered, and what the trace calls it.
pub(crate) struct Given {
    pub(crate) what: String,
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

pub(crate) type Answers = Arc<dyn Fn(&Asked) -> Given + Send + Sync>;

/// A certificate for 127.0.0.1 and the authority that signed it.
pub(crate) struct Identity {
    pub(crate) authority: String,
    acceptor: TlsAcceptor,
}

impl Identity {
    pub(crate) fn new() -> Result<Self, Trouble> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "the authority");
        let pem = authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let mut own = CertificateParams::new(Vec::new())?;
        own.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        own.distinguished_name.push(DnType::CommonName, "the clouds");
        own.use_authority_key_identifier_extension = true;
        let certificate = own.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self {
            authority: pem,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

/// Starts a server and returns its port. It runs as long as the program.
pub(crate) async fn serve(
    identity: &Identity,
    slowness: Slowness,
    trace: Arc<Trace>,
    answers: Answers,
) -> Result<u16, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let acceptor = identity.acceptor.clone();
    tokio::spawn(async move {
        let mut connections = 0..;
        while let (Ok((stream, _)), Some(connection)) = (listener.accept().await, connections.next()) {
            trace.connections.fetch_add(1, Ordering::SeqCst);
            let (acceptor, trace, answers) = (acceptor.clone(), Arc::clone(&trace), Arc::clone(&answers));
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                // Who hangs up in the middle is right to.
                if slowness.round_trip.is_zero() {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer_all(stream, connection, slowness.per_call, trace, answers).await;
                    }
                } else if let Ok(stream) = acceptor.accept(far(stream, slowness.round_trip)).await {
                    answer_all(stream, connection, slowness.per_call, trace, answers).await;
                }
            });
        }
    });
    Ok(port)
}

async fn answer_all<S>(stream: S, connection: usize, per_call: Duration, trace: Arc<Trace>, answers: Answers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (trace, answers) = (Arc::clone(&trace), Arc::clone(&answers));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes);
            let began = Instant::now();
            let asked = Asked {
                connection,
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: head.headers,
                body: body.unwrap_or_default(),
            };
            let given = answers(&asked);
            if !per_call.is_zero() {
                tokio::time::sleep(per_call).await;
            }
            trace.calls.lock().push(Entry {
                what: given.what,
                began,
                ended: Instant::now(),
            });
            let mut response = Response::new(Full::new(Bytes::from(given.body)));
            *response.status_mut() = http::StatusCode::from_u16(given.status).unwrap_or_default();
            let kind = http::HeaderValue::from_static(given.kind);
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            Ok::<_, Infallible>(response)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The other end of a connection that is so far away.
fn far(stream: TcpStream, round_trip: Duration) -> DuplexStream {
    let (near, ours) = tokio::io::duplex(1 << 20);
    let (from_client, to_client) = stream.into_split();
    let (from_server, to_server) = tokio::io::split(ours);
    let now = Instant::now();
    tokio::spawn(carry(from_client, to_server, round_trip / 2, now + round_trip));
    tokio::spawn(carry(from_server, to_client, round_trip / 2, now));
    near
}

async fn carry(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin + Send,
    delay: Duration,
    not_before: Instant,
) {
    let (sender, mut under_way) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read) = from.read(&mut buffer).await
            && read > 0
        {
            let due = Instant::now().max(not_before) + delay;
            let bytes = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
            if sender.send((due, bytes)).is_err() {
                return;
            }
        }
    });
    while let Some((due, bytes)) = under_way.recv().await {
        sleep_until(due.into()).await;
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
