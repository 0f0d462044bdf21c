//! A proxy between an operator's machine and the world: `CONNECT`, and then bytes both ways.
//!
//! What it lets through is encrypted, so all that it knows is who was asked for: the list of a test that wants to
//! know whether calls went this way.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::calls::CallLog;
use super::server::StartError;

/// Only a test that fails waits so long.
const ASKED_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// A running proxy; dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<CallLog<String>>,
    _stop: oneshot::Sender<()>,
}

/// Where names lead that nobody resolves: a part of the name, and the address.
type Detour = Option<(&'static str, SocketAddr)>;

impl Proxy {
    pub fn start() -> Result<Self, StartError> {
        Self::taking(None)
    }

    /// The same, where every name with `part` in it leads to `address`.
    pub fn leading(part: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        Self::taking(Some((part, address)))
    }

    fn taking(detour: Detour) -> Result<Self, StartError> {
        const WHAT: &str = "a proxy";
        let port = |source| StartError::Port { what: WHAT, source };
        let thread = |source| StartError::Thread { what: WHAT, source };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(port)?;
        listener.set_nonblocking(true).map_err(port)?;
        let address = listener.local_addr().map_err(port)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(thread)?;
        let asked: Arc<CallLog<String>> = Arc::default();
        let recording = Arc::clone(&asked);
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(WHAT.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = accept(listener, recording, detour) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(thread)?;
        Ok(Self {
            address,
            asked,
            _stop: stop,
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `host:port` of the first tunnel that is asked for; nothing, where nobody asks for one for long.
    pub async fn first_asked(&self) -> Option<String> {
        self.asked.reached(ASKED_WITHIN, |asked| !asked.is_empty()).await;
        self.asked.all().into_iter().next()
    }

    /// `host:port` of every tunnel that was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.all()
    }
}

async fn accept(
    listener: std::net::TcpListener,
    asked: Arc<CallLog<String>>,
    detour: Detour,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A tunnel that breaks is its two ends' business.
        tokio::spawn(tunnel(stream, Arc::clone(&asked), detour));
    }
}

async fn tunnel(mut client: TcpStream, asked: Arc<CallLog<String>>, detour: Detour) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split_whitespace();
    let (Some("CONNECT"), Some(target)) = (words.next(), words.next()) else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await;
    };
    asked.record(target.to_owned());
    let connected = match detour.filter(|(part, _)| target.contains(part)) {
        Some((_, address)) => TcpStream::connect(address).await,
        None => TcpStream::connect(target).await,
    };
    let Ok(mut server) = connected else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
