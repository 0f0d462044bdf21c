//! A site's one address: each new connection meets its next node, as behind a balancer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::standins::locked;

#[derive(Debug)]
pub(super) struct Front {
    pub(super) address: SocketAddr,
    nodes: Arc<Mutex<Vec<String>>>,
    _stop: oneshot::Sender<()>,
}

impl Front {
    pub(super) fn open(nodes: Vec<String>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let nodes = Arc::new(Mutex::new(nodes));
        let behind = Arc::clone(&nodes);
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("a site's address".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = accept(listener, behind) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            nodes,
            _stop: stop,
        })
    }

    /// Leads elsewhere from now on.
    pub(super) fn lead_to(&self, nodes: Vec<String>) {
        *locked(&self.nodes) = nodes;
    }
}

async fn accept(listener: std::net::TcpListener, nodes: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut turn = 0;
    loop {
        let (mut client, _) = listener.accept().await?;
        let node = {
            let nodes = locked(&nodes);
            nodes.get(turn % nodes.len().max(1)).cloned()
        };
        turn += 1;
        tokio::spawn(async move {
            if let Some(node) = node
                && let Ok(mut server) = TcpStream::connect(node).await
            {
                // One that breaks is its two ends' business.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
