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

use std::fs::File;
use std::process::Command;

use super::ServersError;
use super::distribution::{is_installed, run};

/// The third octet of an address, and half of each device's name.
const NUMBERS: std::ops::Range<u32> = 0..250;

/// So far apart are the addresses of one that moves.
const NODES_AT_MOST: usize = 10;

/// Everything that was made; dropping it takes it away.
#[derive(Debug)]
pub(super) struct Network {
    id: u32,
    /// Says that the number is taken. The lock is the kernel's and dies with us.
    _number: File,
    devices: Vec<String>,
    namespaces: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) namespace: String,
    /// Where this process and the nodes of its site reach it.
    pub(super) door: String,
    /// Where the other site reaches it.
    pub(super) link: String,
    /// Its end at the bridge of all doors.
    door_device: String,
    /// The end of its link that a cut takes off.
    link_device: String,
    link_bridge: String,
    /// Its number among the first addresses of all places.
    host: usize,
    moves: usize,
}

impl Network {
    pub(super) fn make() -> Result<Self, ServersError> {
        if !is_installed("ip") {
            let what = "`ip` is not installed; on Debian and Ubuntu it is in the package iproute2";
            return Err(ServersError::Missing(what.to_owned()));
        }
        let (id, number) = free_number()?;
        let mut network = Self {
            id,
            _number: number,
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
        // What a killed run of this number left behind.
        let _ = ip(&["link", "del", &near]);
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
            door_device: self.name(&format!("d{site}{index}")),
            link_device: self.name(&format!("l{site}{index}")),
            link_bridge: self.link_of(site),
            host,
            moves: 0,
            namespace,
        };
        let door = (place.door_device.clone(), self.name("door"));
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
            // `dev`, or a device called `link` is taken for another word.
            ip(&["-n", &place.namespace, "link", "set", "dev", inside, "up"])?;
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

    /// Has other addresses from now on, as another pod has.
    pub(super) fn move_away(&mut self) -> Result<(), ServersError> {
        self.moves += 1;
        let host = self.host + NODES_AT_MOST * self.moves;
        for (address, device) in [(&mut self.door, "door"), (&mut self.link, "link")] {
            let network = address.rsplit_once('.').map_or("", |(network, _)| network);
            let other = format!("{network}.{host}");
            for (what, address) in [("del", &*address), ("add", &other)] {
                let address = format!("{address}/24");
                ip(&["-n", &self.namespace, "addr", what, &address, "dev", device])?;
            }
            *address = other;
        }
        Ok(())
    }

    /// Isolated ends of a bridge do not reach each other; the bridge's own address reaches them all.
    pub(super) fn isolate(&self, isolated: bool) -> Result<(), ServersError> {
        let state = if isolated { "on" } else { "off" };
        ip(&[
            "link",
            "set",
            "dev",
            &self.door_device,
            "type",
            "bridge_slave",
            "isolated",
            state,
        ])
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

/// A number that no network has now, of this process or another.
fn free_number() -> Result<(u32, File), ServersError> {
    for id in NUMBERS {
        let path = std::env::temp_dir().join(format!("sitefence-network-{id}.lock"));
        let failed = ServersError::files("the lock of a network's number");
        let number = File::create(path).map_err(failed)?;
        if number.try_lock().is_ok() {
            return Ok((id, number));
        }
    }
    let what = format!("{} networks of servers are in use here", NUMBERS.len());
    Err(ServersError::Missing(what))
}

fn ip(arguments: &[&str]) -> Result<(), ServersError> {
    let what = format!("ip {}", arguments.join(" "));
    run(Command::new("ip").args(arguments), &what)
}
