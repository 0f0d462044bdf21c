//! One connection to one node.
//!
//! A pool is free to open another connection for the next request, and that may lead to another node. Where it matters
//! that the one who says its name is the one who answers afterwards, both have to go over the same connection.

use bytes::Bytes;
use fencing::replication::Backup;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use tokio::sync::Mutex;
use tower_service::Service as _;

use super::rest::{Carrier, LastNonce, Trouble};
use crate::world::tls::{Connector, chain};

#[derive(Debug)]
pub(super) struct NodeLine {
    sender: Mutex<SendRequest<Full<Bytes>>>,
    nonce: LastNonce,
    host: HeaderValue,
    /// Who is at the other end, once it has said so.
    pub(super) node: String,
    /// What it said last of its backup.
    pub(super) said: Option<Backup>,
}

impl NodeLine {
    pub(super) async fn open(mut connector: Connector, to: Uri) -> Result<Self, String> {
        let host = to.authority().map_or("", |authority| authority.as_str());
        let host =
            HeaderValue::from_str(host).map_err(|error| format!("`{host}` is not a host name: {error}"))?;
        std::future::poll_fn(|context| connector.poll_ready(context))
            .await
            .map_err(|error| chain(&*error))?;
        let stream = connector.call(to).await.map_err(|error| chain(&*error))?;
        let (sender, connection) = handshake(stream).await.map_err(|error| chain(&error))?;
        // Ends with its sender, or with the connection; its next use then fails.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            sender: Mutex::new(sender),
            nonce: LastNonce::default(),
            host,
            node: String::new(),
            said: None,
        })
    }
}

impl Carrier for NodeLine {
    fn nonce(&self) -> Option<&LastNonce> {
        Some(&self.nonce)
    }

    async fn carry(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Trouble> {
        request.headers_mut().insert(HOST, self.host.clone());
        // As a server reads it: a whole address is for proxies.
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = Uri::from(path);
        }
        let mut sender = self.sender.lock().await;
        let gone = |error: hyper::Error| Trouble::Way(chain(&error));
        sender.ready().await.map_err(gone)?;
        sender.send_request(request).await.map_err(gone)
    }
}
