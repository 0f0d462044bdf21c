//! The HTTP/1.1 server under every stand-in, with the manners of a failing network.
//!
//! A stand-in must be able to do what web frameworks prevent: close a connection after taking a request,
//! never answer, refuse connections while it keeps its port. So this is hyper on a plain socket: the
//! handler says [`Reply::Close`] or [`Reply::Hang`] for one request, and [`Server::set_door`] does it to
//! all. The server has its own thread, so it answers while the test's thread blocks; it holds its port for
//! life: while it refuses connections, a bound socket that does not listen sits on the port, which is
//! what makes the kernel answer with a reset.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no port on 127.0.0.1 for the stand-in of {what}")]
    Port { what: &'static str, source: io::Error },
    #[error("no thread for the stand-in of {what}")]
    Thread { what: &'static str, source: io::Error },
    #[error("the real {what} behind the stand-in cannot be used: {said}")]
    Real { what: &'static str, said: String },
    #[error(transparent)]
    Certificate(#[from] super::certificates::CertificateError),
}

/// One request as a stand-in sees it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Which connection it came on, counted from 0 in the order they were accepted.
    pub(super) connection: u64,
}

/// What becomes of one request.
#[derive(Debug)]
pub(super) enum Reply {
    Answer(Response<Bytes>),
    /// The same, later: the round trip of a service that is far away.
    AnswerAfter(Duration, Response<Bytes>),
    /// The connection stays open and nothing comes.
    Hang,
    /// The connection is closed without a byte.
    Close,
}

/// How the server meets connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    /// New connections are refused and the existing ones are gone.
    Refusing,
    /// Connections are taken by the kernel and nothing ever comes back: a black hole.
    Silent,
}

const OPEN: u8 = 0;
const SILENT: u8 = 1;

enum Command {
    Door(Door, blocking::Sender<()>),
    DropConnections(blocking::Sender<()>),
    Stop,
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server for what has its answers at hand, and is looked at and edited from outside meanwhile.
    pub(super) fn answering<T: Send + Sync + 'static>(
        what: &'static str,
        tls: Option<Arc<rustls::ServerConfig>>,
        service: &Arc<T>,
        respond: fn(&T, &Received) -> Reply,
    ) -> Result<Self, StartError> {
        let service = Arc::clone(service);
        Self::start(what, tls, move |request| {
            std::future::ready(respond(&service, &request))
        })
    }

    /// Starts a server on a free port of 127.0.0.1; it answers from the moment this returns.
    pub(super) fn start<H, F>(
        what: &'static str,
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: H,
    ) -> Result<Self, StartError>
    where
        H: Fn(Received) -> F + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let port_error = |source| StartError::Port { what, source };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(port_error)?;
        listener.set_nonblocking(true).map_err(port_error)?;
        let address = listener.local_addr().map_err(port_error)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| StartError::Thread { what, source })?;
        let (commands, received) = mpsc::unbounded_channel();
        let silent = Arc::new(AtomicU8::new(OPEN));
        let site = Arc::new(Front {
            handler,
            tls: tls.map(TlsAcceptor::from),
            silent,
        });
        let thread = std::thread::Builder::new()
            .name(format!("stand-in {what}"))
            .spawn(move || runtime.block_on(run(address, listener, received, site)))
            .map_err(|source| StartError::Thread { what, source })?;
        Ok(Self {
            address,
            commands,
            thread: Some(thread),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the manners; when this returns, the next connection meets the new ones.
    pub(super) fn set_door(&self, door: Door) {
        self.and_wait(|done| Command::Door(door, done));
    }

    /// Closes every connection, as a restart of the process behind them does.
    pub(super) fn drop_connections(&self) {
        self.and_wait(Command::DropConnections);
    }

    fn and_wait(&self, command: impl FnOnce(blocking::Sender<()>) -> Command) {
        let (done, finished) = blocking::channel();
        // The thread ends only with this value, so both ends are there; were it gone, there would be
        // nothing left to wait for.
        if self.commands.send(command(done)).is_ok() {
            let _ = finished.recv();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Front<H> {
    handler: H,
    tls: Option<TlsAcceptor>,
    silent: Arc<AtomicU8>,
}

/// The port, listening or only held.
enum Port {
    Listening(TcpListener),
    Held(TcpSocket),
    /// Someone else took the port in the instant between the two; it stays refused or theirs.
    Lost,
}

async fn run<H, F>(
    address: SocketAddr,
    listener: std::net::TcpListener,
    mut commands: mpsc::UnboundedReceiver<Command>,
    front: Arc<Front<H>>,
) where
    H: Fn(Received) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let mut port = TcpListener::from_std(listener).map_or(Port::Lost, Port::Listening);
    let mut connections = JoinSet::new();
    let mut accepted = 0_u64;
    let mut door = Door::Open;
    loop {
        while connections.try_join_next().is_some() {}
        tokio::select! {
            command = commands.recv() => match command {
                None | Some(Command::Stop) => return,
                Some(Command::DropConnections(done)) => {
                    connections.shutdown().await;
                    let _ = done.send(());
                }
                Some(Command::Door(wanted, done)) => {
                    door = wanted;
                    let silent = if door == Door::Silent { SILENT } else { OPEN };
                    front.silent.store(silent, Ordering::SeqCst);
                    if door == Door::Refusing {
                        connections.shutdown().await;
                    }
                    port = turned(port, address, door);
                    let _ = done.send(());
                }
            },
            stream = accept(&port), if door == Door::Open => {
                if let Some(stream) = stream {
                    connections.spawn(serve(stream, accepted, Arc::clone(&front)));
                    accepted += 1;
                }
            }
        }
    }
}

async fn accept(port: &Port) -> Option<TcpStream> {
    match port {
        Port::Listening(listener) => listener.accept().await.ok().map(|(stream, _)| stream),
        Port::Held(_) | Port::Lost => std::future::pending().await,
    }
}

fn turned(port: Port, address: SocketAddr, door: Door) -> Port {
    match (door, port) {
        (Door::Refusing, Port::Listening(listener)) => {
            drop(listener);
            held(address).map_or(Port::Lost, Port::Held)
        }
        (Door::Open | Door::Silent, Port::Held(socket)) => {
            socket.listen(1024).map_or(Port::Lost, Port::Listening)
        }
        (Door::Open | Door::Silent, Port::Lost) => held(address)
            .and_then(|socket| socket.listen(1024))
            .map_or(Port::Lost, Port::Listening),
        (_, port) => port,
    }
}

fn held(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve<H, F>(stream: TcpStream, connection: u64, front: Arc<Front<H>>)
where
    H: Fn(Received) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // Without it small answers wait for the peer's delayed acknowledgement, and measured latency is the
    // kernel's instead of the function's.
    let _ = stream.set_nodelay(true);
    match &front.tls {
        None => converse(TokioIo::new(stream), connection, &front).await,
        Some(acceptor) => {
            // A client that does not trust the certificate ends here; that is its finding, not ours.
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(TokioIo::new(stream), connection, &front).await;
            }
        }
    }
}

async fn converse<S, H, F>(io: S, connection: u64, front: &Arc<Front<H>>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
    H: Fn(Received) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let service = service_fn(|request| answer(request, connection, Arc::clone(front)));
    // An error here is a client that went away or a reply that was to be lost.
    let _ = http1::Builder::new().serve_connection(io, service).await;
}

/// The service's error: hyper drops the connection on it, without a byte of answer.
#[derive(Debug, thiserror::Error)]
#[error("the stand-in closes this connection on purpose")]
struct ClosedOnPurpose;

async fn answer<H, F>(
    request: Request<Incoming>,
    connection: u64,
    front: Arc<Front<H>>,
) -> Result<Response<Full<Bytes>>, ClosedOnPurpose>
where
    H: Fn(Received) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    if front.silent.load(Ordering::SeqCst) == SILENT {
        return forever().await;
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| ClosedOnPurpose)?.to_bytes();
    let incoming = Received {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body,
        connection,
    };
    match (front.handler)(incoming).await {
        Reply::Answer(response) => Ok(response.map(Full::new)),
        Reply::AnswerAfter(delay, response) => {
            tokio::time::sleep(delay).await;
            Ok(response.map(Full::new))
        }
        Reply::Hang => forever().await,
        Reply::Close => Err(ClosedOnPurpose),
    }
}

async fn forever<T, E>() -> Result<T, E> {
    let never: Infallible = std::future::pending().await;
    match never {}
}
