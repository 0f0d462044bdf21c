//! A scripted HTTP server on loopback, with or without TLS: what was asked is recorded, what is answered is
//! up to the test.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The connection it came over, counted from 0.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) after: Duration,
}

pub(crate) fn given(status: u16, body: impl Into<String>) -> Given {
    Given {
        status,
        headers: Vec::new(),
        body: body.into(),
        after: Duration::ZERO,
    }
}

impl Given {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}

type Reply = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;
type Script = Arc<dyn Fn(&Asked) -> Given + Send + Sync>;

pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    broken_off: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    names: Arc<Mutex<Vec<Option<String>>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Without TLS.
    pub(crate) async fn plain(script: impl Fn(&Asked) -> Given + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(script)).await
    }

    /// With TLS, as `localhost`.
    pub(crate) async fn tls(
        authority: &Authority,
        script: impl Fn(&Asked) -> Given + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(authority.acceptor()), Arc::new(script)).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many connections ended in a handshake, or by a reset.
    pub(crate) fn broken_off(&self) -> usize {
        self.broken_off.load(Ordering::SeqCst)
    }

    /// How many connections have ended.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// What each handshake that was finished had asked for (SNI).
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.names.lock().unwrap().clone()
    }

    async fn start(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let (broken_off, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (breaks, ends) = (Arc::clone(&broken_off), Arc::clone(&ended));
        let names = Arc::new(Mutex::new(Vec::new()));
        let named = Arc::clone(&names);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection = accepted.fetch_add(1, Ordering::SeqCst);
                let (tls, script, seen) = (tls.clone(), Arc::clone(&script), Arc::clone(&seen));
                let (breaks, ends) = (Arc::clone(&breaks), Arc::clone(&ends));
                let named = Arc::clone(&named);
                tokio::spawn(async move {
                    let whole = match tls {
                        None => serve(stream, connection, script, seen).await,
                        // A client that does not trust us hangs up; that is its right.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => {
                                let name = stream.get_ref().1.server_name().map(str::to_owned);
                                named.lock().unwrap().push(name);
                                serve(stream, connection, script, seen).await
                            }
                            Err(_) => false,
                        },
                    };
                    breaks.fetch_add(usize::from(!whole), Ordering::SeqCst);
                    ends.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            port,
            asked,
            connections,
            broken_off,
            ended,
            names,
            task,
        }
    }
}

/// Whether the connection ended in order.
async fn serve<S>(stream: S, connection: usize, script: Script, seen: Arc<Mutex<Vec<Asked>>>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        let reply: Reply = Box::pin(async move {
            let (head, body) = request.into_parts();
            let asked = Asked {
                connection,
                method: head.method.to_string(),
                path: head.uri.to_string(),
                headers: head.headers,
                body: body.collect().await.unwrap().to_bytes(),
            };
            seen.lock().unwrap().push(asked.clone());
            let given = script(&asked);
            tokio::time::sleep(given.after).await;
            let mut response = Response::builder().status(given.status);
            for (name, value) in given.headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::from(given.body)).unwrap())
        });
        reply
    });
    // A client that gives up closes the connection in the middle; nothing is wrong with that.
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    served.await.is_ok()
}

/// A certificate authority of one's own.
pub(crate) struct Authority {
    pub(crate) pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::ending(2050, 2040)
    }

    /// One that ends at the beginning of a year, and has signed a certificate that ends at that of another.
    pub(crate) fn ending(authority: i32, certificate: i32) -> Self {
        Self::made(authority, certificate, "localhost")
    }

    /// One that has signed a certificate for another name than the host that is dialled.
    pub(crate) fn for_name(name: &str) -> Self {
        Self::made(2050, 2040, name)
    }

    fn made(authority: i32, certificate: i32, name: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "the authority");
        ca.not_after = date_time_ymd(authority, 1, 1);
        let pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the server");
        params.not_after = date_time_ymd(certificate, 1, 1);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            pem,
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![self.certificate.clone()], key)
                .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
