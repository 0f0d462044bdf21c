//! How a connection begins, and how it ends: opened ahead where somebody will soon be in a hurry; ended by a reset where
//! something may be under way on it, and in order where nothing is.
//!
//! What was handed to the kernel and not yet delivered would be sent again and again after its caller has given up: a
//! write that was abandoned because the network was gone, or because the process was frozen, would arrive in another
//! time. So a connection begins as one that is reset when it is dropped. But a server logs each reset as a fault, and
//! most connections end with every request answered: those take their leave of TLS and of TCP as anybody else does.
//!
//! To open one takes two round trips, and to a host across an ocean each is a tenth of a second. So a process opens
//! those that a fence needs while it still waits for the secret by which it judges its first caller. Nothing is sent over
//! them: a host is asked for nothing before somebody has shown credentials. A caller that then wants a connection to that host
//! takes the one that is there, or waits for the one that is being opened. One that nobody has taken after some seconds
//! is closed: servers end those on which nothing comes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use crate::moment::Moment;

/// A connection that was opened ahead is offered for so long. The least patient servers wait for ten seconds.
const OFFERED_FOR: Duration = Duration::from_secs(5);

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Opens TCP connections that end by a reset when they are dropped.
#[derive(Debug, Clone)]
pub struct Resetting(pub HttpConnector);

impl Service<Uri> for Resetting {
    type Response = TokioIo<TcpStream>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            let stream = connecting.await?;
            // Fails only for a socket that is closed already.
            let _ = stream.inner().set_zero_linger();
            Ok(stream)
        })
    }
}

/// Opens connections that end in order once nothing is under way on them, some of them ahead.
#[derive(Debug, Clone)]
pub struct Orderly {
    https: HttpsConnector<Resetting>,
    /// Shared by all copies: whichever is called finds what was opened through another.
    ahead: Arc<Mutex<Vec<Ahead>>>,
    began: Instant,
}

impl Orderly {
    pub fn new(https: HttpsConnector<Resetting>) -> Self {
        Self {
            https,
            ahead: Arc::default(),
            began: Instant::now(),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Vec<Ahead>> {
        // Consistent after every statement, so a panic elsewhere has not harmed it.
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: Timestamp::now(),
            uptime: self.began.elapsed(),
        }
    }

    /// Opens a connection for the next caller of `to`. Returns once it is open, or is not going to be; it is opened also
    /// where nobody waits for that.
    pub fn open_ahead(&self, to: Uri) -> impl Future<Output = ()> + use<> {
        let connecting = self.https.clone().call(to.clone());
        let opened = Arc::new(AtomicBool::new(false));
        let is_open = Arc::clone(&opened);
        let (known, done) = oneshot::channel();
        let (taker, wanted) = oneshot::channel::<oneshot::Sender<Stream>>();
        let task = tokio::spawn(async move {
            // Where this fails, the caller that wants one opens it, and gets the reason if that fails, too.
            let Ok(inner) = connecting.await else { return };
            let mut stream = Stream {
                inner,
                unanswered: false,
            };
            is_open.store(true, Ordering::Relaxed);
            let _ = known.send(());
            match timeout(OFFERED_FOR, wanted).await {
                // One who has gone meanwhile has no use for it.
                Ok(Ok(taker)) => drop(taker.send(stream)),
                _ => {
                    let farewell =
                        std::future::poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context));
                    let _ = farewell.await;
                }
            }
        });
        self.ahead().push(Ahead {
            to,
            since: self.moment(),
            opened,
            opening: task.abort_handle(),
            given_up: Arc::default(),
            taker: Some(taker),
        });
        async move {
            let _ = done.await;
        }
    }

    /// Gives up those that are still being opened, also where somebody waits for one: the process may be frozen now, and
    /// a host would wait for the other half of a handshake.
    pub fn give_up_opening(&self) {
        self.ahead().retain(|ahead| {
            let is_open = ahead.is_open();
            if !is_open {
                ahead.given_up.store(true, Ordering::Relaxed);
                ahead.opening.abort();
            }
            is_open && ahead.taker.is_some()
        });
    }

    /// One that was opened ahead, if there is one that is young enough.
    fn take(&self, to: &Uri) -> Option<Taken> {
        let now = self.moment();
        let mut ahead = self.ahead();
        // One that somebody waits for stays here as long as it may have to be given up.
        ahead.retain(|one| one.taker.is_none() || now.perhaps_since(one.since) < OFFERED_FOR);
        let mut taken = None;
        for one in ahead.iter_mut().filter(|one| one.leads_to(to)) {
            let (sender, stream) = oneshot::channel();
            if one.taker.take().is_some_and(|taker| taker.send(sender).is_ok()) {
                let given_up = Arc::clone(&one.given_up);
                taken = Some(Taken { stream, given_up });
                break;
            }
        }
        ahead.retain(|one| one.taker.is_some() || !one.is_open());
        taken
    }
}

/// One that somebody waits for.
#[derive(Debug)]
struct Taken {
    stream: oneshot::Receiver<Stream>,
    given_up: Arc<AtomicBool>,
}

/// A connection that is open, or is being opened, before somebody wants it.
#[derive(Debug)]
struct Ahead {
    to: Uri,
    since: Moment,
    opened: Arc<AtomicBool>,
    opening: AbortHandle,
    given_up: Arc<AtomicBool>,
    /// Until somebody has taken it.
    taker: Option<oneshot::Sender<oneshot::Sender<Stream>>>,
}

impl Ahead {
    fn is_open(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    fn leads_to(&self, to: &Uri) -> bool {
        self.to.scheme() == to.scheme() && self.to.authority() == to.authority()
    }
}

impl Service<Uri> for Orderly {
    type Response = Stream;
    type Error = <HttpsConnector<Resetting> as Service<Uri>>::Error;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let ahead = self.take(&to);
        let connecting = self.https.call(to);
        Box::pin(async move {
            if let Some(Taken { stream, given_up }) = ahead {
                if let Ok(stream) = stream.await {
                    return Ok(stream);
                }
                if given_up.load(Ordering::Relaxed) {
                    // Nobody waits for it any more, and another one would be as much in the way.
                    return Err("the connection was given up with the answer".into());
                }
            }
            Ok(Stream {
                inner: connecting.await?,
                unanswered: false,
            })
        })
    }
}

#[derive(Debug)]
pub struct Stream {
    inner: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// Something was written, and nothing has been read since.
    unanswered: bool,
}

impl Stream {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut MaybeHttpsStream<TokioIo<TcpStream>>> {
        Pin::new(&mut self.get_mut().inner)
    }

    fn tcp(&self) -> &TcpStream {
        match &self.inner {
            MaybeHttpsStream::Http(plain) => plain.inner(),
            MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.as_mut().inner().poll_read(context, buffer);
        // An answer, or the other end's own farewell.
        if let Poll::Ready(Ok(())) = read {
            self.unanswered = false;
        }
        read
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = true;
        self.inner().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = true;
        self.inner().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unanswered {
            // No farewell: what follows is that it is dropped.
            return Poll::Ready(Ok(()));
        }
        // Deprecated for what a linger with a time does to a dropped socket; this takes it off.
        #[allow(deprecated)]
        let _ = self.tcp().set_linger(None);
        self.inner().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use rustls::RootCertStore;
    use std::io::ErrorKind;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use crate::world::tls::{Plain, connector, public_roots};

    /// A server that answers each request on each connection, and counts both.
    async fn answering() -> (Uri, Arc<Mutex<(usize, usize)>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let counts = Arc::new(Mutex::new((0, 0)));
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.lock().unwrap().0 += 1;
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.unwrap_or(0) > 0 {
                        counted.lock().unwrap().1 += 1;
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        stream.write_all(answer).await.unwrap();
                    }
                });
            }
        });
        (to, counts)
    }

    #[tokio::test]
    async fn a_connection_that_was_opened_ahead_is_the_one_that_is_used() {
        let (to, counts) = answering().await;
        let connector = connector(public_roots(), Plain::Allowed).unwrap();
        connector.open_ahead(to.clone()).await;
        // The other end hears of it a moment later than we do.
        while counts.lock().unwrap().0 == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*counts.lock().unwrap(), (1, 0), "nothing is sent over it");
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector.clone());
        for requests in 1..=2 {
            let answer = client.get(to.clone()).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
            assert_eq!(*counts.lock().unwrap(), (1, requests));
        }
        assert!(connector.ahead().is_empty());
    }

    /// To another host, and after it was offered for too long, there is none.
    #[tokio::test]
    async fn a_connection_that_was_opened_ahead_leads_to_its_host_only_and_grows_old() {
        let (to, _) = answering().await;
        let mut connector = connector(public_roots(), Plain::Allowed).unwrap();
        connector.open_ahead(to.clone()).await;
        assert!(connector.take(&"http://127.0.0.1:1/".parse().unwrap()).is_none());
        // As if the process had been frozen meanwhile.
        connector.ahead()[0].since.wall -= OFFERED_FOR;
        assert!(connector.take(&to).is_none());
        assert!(connector.ahead().is_empty());
        assert!(connector.call(to).await.is_ok(), "another one is opened");
    }

    #[tokio::test]
    async fn what_is_not_open_when_the_process_may_be_frozen_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent: Uri = format!("https://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let connector = connector(public_roots(), Plain::Refused).unwrap();
        let opening = tokio::spawn(connector.open_ahead(silent));
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        assert!(accepted.read_buf(&mut hello).await.unwrap() > 0);
        connector.give_up_opening();
        opening.await.unwrap();
        assert!(connector.ahead().is_empty());
        let end = accepted.read_to_end(&mut hello).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    /// Nor is it finished because somebody was waiting for it, or opened a second time.
    #[tokio::test]
    async fn what_somebody_waits_for_is_given_up_with_the_rest() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent: Uri = format!("https://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let mut connector = connector(public_roots(), Plain::Refused).unwrap();
        let opening = tokio::spawn(connector.open_ahead(silent.clone()));
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        assert!(accepted.read_buf(&mut hello).await.unwrap() > 0);
        let wanted = tokio::spawn(connector.call(silent));
        connector.give_up_opening();
        opening.await.unwrap();
        let refused = wanted.await.unwrap().unwrap_err();
        assert!(refused.to_string().contains("given up"), "{refused}");
        assert!(connector.ahead().is_empty());
        let end = accepted.read_to_end(&mut hello).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    /// A client, and a server that reads one request, answers it if it is to, and tells how the connection ended.
    async fn ends(answers: bool) -> io::Result<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to: Uri = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let roots: RootCertStore = public_roots();
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector(roots, Plain::Allowed).unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(read > 0);
            if answers {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await
                    .unwrap();
            }
            stream.read(&mut request).await
        });
        let asked = client.get(to);
        if answers {
            let body = asked.await.unwrap().into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), "ok");
        } else {
            let given_up = timeout(Duration::from_millis(200), asked).await;
            assert!(given_up.is_err());
        }
        drop(client);
        server.await.unwrap()
    }

    #[tokio::test]
    async fn a_connection_on_which_all_is_answered_ends_in_order() {
        assert_eq!(ends(true).await.unwrap(), 0);
    }

    /// What was abandoned must not be delivered later.
    #[tokio::test]
    async fn a_connection_on_which_something_is_unanswered_is_reset() {
        assert_eq!(ends(false).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
