//! How a connection ends: by a reset where something may be under way on it, and in order where nothing is.
//!
//! What was handed to the kernel and not yet delivered would be sent again and again after its caller has given up: a
//! write that was abandoned because the network was gone, or because the process was frozen, would arrive in another
//! time. So a connection begins as one that is reset when it is dropped. But a server logs each reset as a fault, and
//! most connections end with every request answered: those take their leave of TLS and of TCP as anybody else does.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

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

/// Opens connections that end in order once nothing is under way on them.
#[derive(Debug, Clone)]
pub struct Orderly(pub HttpsConnector<Resetting>);

impl Service<Uri> for Orderly {
    type Response = Stream;
    type Error = <HttpsConnector<Resetting> as Service<Uri>>::Error;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            Ok(Stream {
                inner: connecting.await?,
                unanswered: false,
            })
        })
    }
}

/// An open connection.
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
            let given_up = tokio::time::timeout(Duration::from_millis(200), asked).await;
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
