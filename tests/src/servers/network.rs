//! Two sites' networks on this machine, with a link between them that can be cut.
//!
//! ```text
//!   a namespace per node                          a namespace per node
//!   ┌────────┐ ┌────────┐ ┌────────┐     ┌────────┐ ┌────────┐ ┌────────┐
//!   │ node 0 │ │ node 1 │ │ router │     │ router │ │ node 0 │ │ node 1 │
//!   └─┬────┬─┘ └─┬────┬─┘ └──────┬─┘     └─┬──────┘ └─┬────┬─┘ └─┬────┬─┘
//!     │    └─────┼────┴──────────┴── link ─┴──────────┴────┼─────┘    │
//!     └──────────┴──────────── door: REST, and each site's own cluster┴──── this process
//! ```
//!
//! A cut takes an end off its bridge: what is sent goes nowhere and nobody is told, as when a link is lost. The
//! kernel's own queues and retransmissions are part of what is tried.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::ServersError;
use super::distribution::{is_installed, run};

/// Networks of this process so far.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Everything that was made; dropping it takes it away.
#[derive(Debug)]
pub(super) struct Network {
    id: u32,
    devices: Vec<String>,
    namespaces: Vec<String>,
}

/// Where a node lives.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) namespace: String,
    /// Where this process and the nodes of its site reach it.
    pub(super) door: String,
    /// Where the other site reaches it.
    pub(super) link: String,
    /// The end of its link that a cut takes off.
    link_device: String,
    link_bridge: String,
}

impl Network {
    pub(super) fn make() -> Result<Self, ServersError> {
        if !is_installed("ip") {
            let what = "`ip` is not installed; on Debian and Ubuntu it is in the package iproute2";
            return Err(ServersError::Missing(what.to_owned()));
        }
        // Numbers of processes are unique while they live; the second octet of an address holds 256.
        let id = (std::process::id() % 25) * 10 + MADE.fetch_add(1, Ordering::Relaxed) % 10;
        let mut network = Self {
            id,
            devices: Vec::new(),
            namespaces: Vec::new(),
        };
        let door = network.name("door");
        if let Err(ServersError::Step { said, .. }) = network.bridge(&door) {
            return Err(ServersError::Missing(format!(
                "no network of its own can be made here, which takes root's rights: {said}"
            )));
        }
        let address = format!("10.213.{id}.254/24");
        ip(&["addr", "add", &address, "dev", &door])?;
        for site in 0..2 {
            network.bridge(&network.link_of(site))?;
        }
        let [near, far] = network.wire();
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far])?;
        network.devices.push(near.clone());
        for (end, site) in [(&near, 0), (&far, 1)] {
            ip(&["link", "set", end, "master", &network.link_of(site), "up"])?;
        }
        Ok(network)
    }

    fn name(&self, what: &str) -> String {
        format!("sf{}{what}", self.id)
    }

    fn link_of(&self, site: usize) -> String {
        self.name(&format!("link{site}"))
    }

    fn wire(&self) -> [String; 2] {
        [self.name("wire0"), self.name("wire1")]
    }

    fn bridge(&mut self, name: &str) -> Result<(), ServersError> {
        // What a killed run of this number left behind.
        let _ = ip(&["link", "del", name]);
        ip(&["link", "add", name, "type", "bridge"])?;
        self.devices.push(name.to_owned());
        ip(&["link", "set", name, "up"])
    }

    /// A namespace of a site, the `index`th there.
    pub(super) fn place(&mut self, site: usize, index: usize) -> Result<Place, ServersError> {
        let namespace = self.name(&format!("s{site}n{index}"));
        let _ = ip(&["netns", "del", &namespace]);
        ip(&["netns", "add", &namespace])?;
        self.namespaces.push(namespace.clone());
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        let host = site * 100 + index + 1;
        let place = Place {
            door: format!("10.213.{}.{host}", self.id),
            link: format!("10.214.{}.{host}", self.id),
            link_device: self.name(&format!("l{site}{index}")),
            link_bridge: self.link_of(site),
            namespace,
        };
        let door = (self.name(&format!("d{site}{index}")), self.name("door"));
        let link = (place.link_device.clone(), place.link_bridge.clone());
        for ((device, bridge), inside, address) in [(door, "door", &place.door), (link, "link", &place.link)]
        {
            let _ = ip(&["link", "del", &device]);
            ip(&[
                "link",
                "add",
                &device,
                "type",
                "veth",
                "peer",
                "name",
                inside,
                "netns",
                &place.namespace,
            ])?;
            self.devices.push(device.clone());
            ip(&["link", "set", &device, "master", &bridge, "up"])?;
            let address = format!("{address}/24");
            ip(&["-n", &place.namespace, "addr", "add", &address, "dev", inside])?;
            ip(&["-n", &place.namespace, "link", "set", inside, "up"])?;
        }
        Ok(place)
    }

    /// Nothing passes between the sites any more.
    pub(super) fn cut(&self) -> Result<(), ServersError> {
        ip(&["link", "set", &self.wire()[0], "nomaster"])
    }

    pub(super) fn heal(&self) -> Result<(), ServersError> {
        ip(&["link", "set", &self.wire()[0], "master", &self.link_of(0)])
    }
}

impl Place {
    /// This one alone is cut off from the other site, and from the routers.
    pub(super) fn cut(&self) -> Result<(), ServersError> {
        ip(&["link", "set", &self.link_device, "nomaster"])
    }

    pub(super) fn heal(&self) -> Result<(), ServersError> {
        ip(&["link", "set", &self.link_device, "master", &self.link_bridge])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = ip(&["netns", "del", namespace]);
        }
        // The kernel takes a namespace away when it has time; until then its names are in use.
        for device in &self.devices {
            let _ = ip(&["link", "del", device]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), ServersError> {
    let what = format!("ip {}", arguments.join(" "));
    run(Command::new("ip").args(arguments), &what)
}
