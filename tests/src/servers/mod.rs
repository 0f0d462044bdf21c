//! Two sites of real Infinispan servers, to be judged by.
//!
//! What the function does is only right if it is right about the servers that it meets. The stand-in of
//! [`crate::standins::infinispan`] is quick and can be told to fail; these are slow and are the truth. They come from
//! Maven Central, a version at a time ([`distribution`]), live in network namespaces whose link can be cut
//! ([`network`]), and are configured as Keycloak's guide has it (`tests/infinispan/infinispan.xml`). Where Java,
//! Maven or root's rights are missing, a test says that it is skipped.

mod asking;
mod distribution;
mod front;
mod network;
mod node;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::standins::certificates::{CertificateError, TestAuthority};
use crate::standins::infinispan::Role;
pub use asking::{Answer, Asker};
pub use distribution::Version;
use front::Front;
use network::Network;
pub use node::Node;
use node::{DOOR, LINK, MEMBERS};

pub const SITES: [&str; 2] = ["site-a", "site-b"];

pub const USERS: [(&str, &str, Role); 2] = [
    ("developer", "s3cret of infinispan", Role::Admin),
    ("viewer", "viewer's", Role::Observer),
];

/// What a server takes by itself from users of a file.
const OWN_MECHANISMS: &str = "DIGEST BASIC";

/// What the Infinispan operator sets where its resource says nothing.
const OWN_HEARTBEATS: [u32; 2] = [10_000, 30_000];

/// How long servers may take to start and to see each other, on a machine that is busy.
const START_LIMIT: Duration = Duration::from_secs(400);

/// How often somebody is asked who has nothing to say by himself.
const ASK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// This machine cannot have them.
    #[error("{0}")]
    Missing(String),
    #[error("{what} cannot be used")]
    Files { what: String, source: io::Error },
    #[error("{what} failed:\n{said}")]
    Step { what: String, said: String },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("{what} within {} s; the nodes' last words:\n{said}", limit.as_secs())]
    Late {
        what: String,
        limit: Duration,
        said: String,
    },
}

impl ServersError {
    fn files(what: &str) -> impl Fn(io::Error) -> Self {
        let what = what.to_owned();
        move |source| Self::Files {
            what: what.clone(),
            source,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub version: Version,
    /// Nodes of each site.
    pub nodes: usize,
    /// `maxRelayNodes`.
    pub relays: usize,
    /// Interval and timeout of the failure detection between the sites, in milliseconds.
    pub detection: [u32; 2],
    /// Interval and timeout of the heartbeats between a relay node and the gossip routers, in milliseconds.
    pub heartbeats: [u32; 2],
    /// What the servers let callers prove themselves by.
    pub mechanisms: &'static str,
}

impl Plan {
    /// One node at each site.
    pub fn small(version: Version) -> Self {
        Self {
            version,
            nodes: 1,
            relays: 1,
            // As Keycloak's guide has it; the operator's own default is 8 and 40 seconds.
            detection: [2_000, 15_000],
            heartbeats: OWN_HEARTBEATS,
            mechanisms: OWN_MECHANISMS,
        }
    }
}

/// Two sites; dropping them ends everything.
#[derive(Debug)]
pub struct Servers {
    // In the order in which they have to go.
    pub sites: [Site; 2],
    network: Network,
    asker: Asker,
    authority: TestAuthority,
    _folder: TempDir,
}

#[derive(Debug)]
pub struct Site {
    pub nodes: Vec<Node>,
    pub router: Node,
    front: Front,
}

impl Site {
    /// As a topology's `infinispan.endpoint` takes it.
    pub fn endpoint(&self) -> String {
        self.front.address.to_string()
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.endpoint())
    }

    /// Its address leads to where its nodes are now, and those that start find each other there.
    fn find(&mut self) {
        let members = self.nodes.iter().map(|node| format!("{}[7800]", node.place.door));
        let members = members.collect::<Vec<_>>().join(",");
        for node in &mut self.nodes {
            node.members.clone_from(&members);
        }
        self.front
            .lead_to(self.nodes.iter().map(Node::authority).collect());
    }
}

impl Servers {
    /// Starts them and waits until they see each other. None where this machine cannot have them, which is told.
    pub async fn for_test(test: &str, plan: Plan) -> Result<Option<Self>, ServersError> {
        match Self::start(plan).await {
            Ok(servers) => Ok(Some(servers)),
            Err(ServersError::Missing(what)) => {
                crate::skip::impossible(test, &what);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub async fn start(plan: Plan) -> Result<Self, ServersError> {
        let class_path = plan.version.class_path()?;
        let authority = TestAuthority::new("Sitefence test authority")?;
        let folder = tempfile::Builder::new()
            .prefix("sitefence-infinispan-")
            .tempdir()
            .map_err(ServersError::files("a folder for the servers"))?;
        let mut network = Network::make()?;
        let mut places = Vec::new();
        for site in 0..2 {
            for index in 0..=plan.nodes {
                places.push(network.place(site, index)?);
            }
        }
        let (first, second) = places.split_at(plan.nodes + 1);
        let router_of = |places: &[network::Place]| format!("{}[12001]", places[plan.nodes].link);
        let routers = format!("{},{}", router_of(first), router_of(second));
        let site = |index: usize, places: &[network::Place]| -> Result<Site, ServersError> {
            let mut nodes = Vec::new();
            for (number, place) in places[..plan.nodes].iter().enumerate() {
                let name = format!("infinispan-{}-{number}", SITES[index]);
                let root = folder.path().join(&name);
                lay_out(&root, plan, &authority, &place.door)?;
                let mut arguments: Vec<String> = [
                    (
                        "jgroups.xsite.fd.interval",
                        plan.detection[0].to_string().as_str(),
                    ),
                    ("jgroups.xsite.fd.timeout", plan.detection[1].to_string().as_str()),
                    ("heartbeat.interval", &plan.heartbeats[0].to_string()),
                    ("heartbeat.timeout", &plan.heartbeats[1].to_string()),
                    ("link.address", LINK),
                    ("routers", &routers),
                    ("members", MEMBERS),
                    ("site", SITES[index]),
                    ("other", SITES[1 - index]),
                    ("node", &name),
                    ("relays", &plan.relays.to_string()),
                    ("infinispan.bind.address", DOOR),
                    ("jgroups.bind.address", DOOR),
                ]
                .map(|(name, value)| format!("-D{name}={value}"))
                .to_vec();
                arguments.extend(["-cp", &class_path, "org.infinispan.server.Bootstrap"].map(str::to_owned));
                arguments.extend(
                    [
                        "-s",
                        &root.display().to_string(),
                        "-c",
                        "infinispan.xml",
                        "-n",
                        &name,
                        "-b",
                        DOOR,
                    ]
                    .map(str::to_owned),
                );
                nodes.push(Node::new(place.clone(), &root, arguments));
            }
            let at = &places[plan.nodes];
            let root = folder.path().join(format!("router-{}", SITES[index]));
            fs::create_dir_all(&root).map_err(ServersError::files("a folder for a router"))?;
            // As the Infinispan operator starts one.
            let [reaper_interval, expiry] = plan.heartbeats.map(|milliseconds| milliseconds.to_string());
            let arguments = [
                "-cp",
                &class_path,
                "org.jgroups.stack.GossipRouter",
                "-bind_addr",
                &at.link,
                "-port",
                "12001",
                "-suspect",
                "false",
                "-expiry",
                &expiry,
                "-reaper_interval",
                &reaper_interval,
            ]
            .map(str::to_owned);
            let front = Front::open(Vec::new());
            let mut site = Site {
                nodes,
                router: Node::new(at.clone(), &root, arguments.to_vec()),
                front: front.map_err(ServersError::files("a site's address"))?,
            };
            site.find();
            Ok(site)
        };
        let mut servers = Self {
            sites: [site(0, first)?, site(1, second)?],
            network,
            asker: Asker::new(&authority)?,
            authority,
            _folder: folder,
        };
        for site in &mut servers.sites {
            site.router.start()?;
        }
        for site in &mut servers.sites {
            for node in &mut site.nodes {
                node.start()?;
            }
        }
        for site in 0..2 {
            servers.until_joined(site, plan.nodes, START_LIMIT).await?;
            servers.until_seen(site, true, START_LIMIT).await?;
        }
        Ok(servers)
    }

    pub fn authority(&self) -> &TestAuthority {
        &self.authority
    }

    /// The link between the sites goes dead.
    pub fn cut(&self) -> Result<(), ServersError> {
        self.network.cut()
    }

    pub fn heal(&self) -> Result<(), ServersError> {
        self.network.heal()
    }

    /// The nodes of a site lose each other, and nothing else.
    pub fn part(&self, site: usize) -> Result<(), ServersError> {
        self.sites[site].nodes.iter().try_for_each(Node::part)
    }

    /// They find each other again.
    pub fn join(&self, site: usize) -> Result<(), ServersError> {
        self.sites[site].nodes.iter().try_for_each(Node::join)
    }

    /// A site's address leads to the nodes of another.
    pub fn swap(&self, site: usize, to: usize) {
        let nodes = self.sites[to].nodes.iter().map(Node::authority).collect();
        self.sites[site].front.lead_to(nodes);
    }

    /// A pod goes and another one comes in its place: the same name, another address. It is killed, or asked to end.
    pub fn replace(&mut self, site: usize, node: usize, killed: bool) -> Result<(), ServersError> {
        let site = &mut self.sites[site];
        let moved = &mut site.nodes[node];
        if killed {
            moved.kill();
        } else {
            moved.stop()?;
        }
        moved.place.move_away()?;
        certify(moved.folder(), &self.authority, &moved.place.door)?;
        site.find();
        site.nodes[node].start()
    }

    /// Asks one node as somebody, where everybody is met.
    pub async fn ask_as(
        &self,
        site: usize,
        node: usize,
        method: &str,
        path: &str,
        user: Option<(&str, &str)>,
        body: &str,
    ) -> Answer {
        let authority = self.sites[site].nodes[node].authority();
        self.asker.ask(&authority, method, path, user, body).await
    }

    /// Asks one node as the user who may do everything.
    pub async fn ask(&self, site: usize, node: usize, method: &str, path: &str) -> Answer {
        self.tell(site, node, method, path, "").await
    }

    async fn tell(&self, site: usize, node: usize, method: &str, path: &str, body: &str) -> Answer {
        let [(user, password, _), _] = USERS;
        let authority = self.sites[site].nodes[node].aside();
        let user = Some((user, password));
        self.asker.ask(&authority, method, path, user, body).await
    }

    /// A write of Keycloak's, of a session.
    pub async fn put(&self, site: usize, key: &str, value: &str) -> Answer {
        self.put_by(site, 0, "sessions", key, value).await
    }

    /// A write into a cache, by one node.
    pub async fn put_by(&self, site: usize, node: usize, cache: &str, key: &str, value: &str) -> Answer {
        let path = format!("/rest/v2/caches/{cache}/{key}");
        self.tell(site, node, "PUT", &path, value).await
    }

    pub async fn get(&self, site: usize, key: &str) -> Option<String> {
        self.get_from(site, "sessions", key).await
    }

    pub async fn get_from(&self, site: usize, cache: &str, key: &str) -> Option<String> {
        let answer = self
            .ask(site, 0, "GET", &format!("/rest/v2/caches/{cache}/{key}"))
            .await;
        (answer.status == 200).then_some(answer.body)
    }

    pub async fn remove(&self, site: usize, cache: &str, key: &str) -> Answer {
        self.ask(site, 0, "DELETE", &format!("/rest/v2/caches/{cache}/{key}"))
            .await
    }

    /// What a node says of itself and of the sites; null where it says nothing.
    pub async fn container(&self, site: usize, node: usize) -> Value {
        self.ask(site, node, "GET", "/rest/v2/container").await.json()
    }

    /// The nodes of a site that call themselves its primary relay node: one, unless they have lost each other.
    pub async fn primaries(&self, site: usize) -> Vec<usize> {
        let mut primaries = Vec::new();
        for node in 0..self.sites[site].nodes.len() {
            if is_primary(&self.container(site, node).await) {
                primaries.push(node);
            }
        }
        primaries
    }

    /// Whether the primary relay node of a site sees the other one.
    pub async fn sees(&self, site: usize) -> Option<bool> {
        for node in 0..self.sites[site].nodes.len() {
            let view = self.container(site, node).await;
            if is_primary(&view)
                && let Some(sites) = view["sites_view"].as_array()
                && sites.iter().any(|name| name == SITES[site])
            {
                return Some(sites.iter().any(|name| name == SITES[1 - site]));
            }
        }
        None
    }

    /// Waits until a site sees the other one, or no longer does; how long that took.
    pub async fn until_seen(
        &self,
        site: usize,
        seen: bool,
        limit: Duration,
    ) -> Result<Duration, ServersError> {
        let what = if seen { "does not see" } else { "still sees" };
        let what = format!("{} {what} {}", SITES[site], SITES[1 - site]);
        self.until(&what, limit, async || self.sees(site).await == Some(seen))
            .await
    }

    /// Waits until every node of a site is up and knows so many, itself included.
    pub async fn until_joined(
        &self,
        site: usize,
        nodes: usize,
        limit: Duration,
    ) -> Result<Duration, ServersError> {
        let what = format!("the nodes of {} do not know {nodes} of each other", SITES[site]);
        self.until(&what, limit, async || {
            for node in 0..self.sites[site].nodes.len() {
                if self.container(site, node).await["cluster_size"] != nodes {
                    return false;
                }
            }
            true
        })
        .await
    }

    /// Waits until something holds, which is asked again and again; how long that took.
    pub async fn until(
        &self,
        what: &str,
        limit: Duration,
        holds: impl AsyncFn() -> bool,
    ) -> Result<Duration, ServersError> {
        let began = Instant::now();
        while !holds().await {
            if began.elapsed() > limit {
                let nodes = self.sites.iter().flat_map(|site| &site.nodes);
                return Err(ServersError::Late {
                    what: what.to_owned(),
                    limit,
                    said: nodes.map(Node::last_words).collect::<Vec<_>>().join("\n--\n"),
                });
            }
            // The servers tell nobody of a change.
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(began.elapsed())
    }
}

fn is_primary(node: &Value) -> bool {
    node["relay_node"] == true
        && !node["node_address"].is_null()
        && node["relay_nodes_address"][0] == node["node_address"]
}

/// All connectors, as a server has them by itself; where mechanisms are chosen, REST alone.
fn connectors(mechanisms: &str) -> String {
    match mechanisms {
        OWN_MECHANISMS => String::new(),
        chosen => format!("<rest-connector><authentication mechanisms=\"{chosen}\"/></rest-connector>"),
    }
}

/// A server's root, as its start script would find it.
fn lay_out(root: &Path, plan: Plan, authority: &TestAuthority, address: &str) -> Result<(), ServersError> {
    let failed = ServersError::files("a server's root");
    for folder in ["conf", "data", "log", "lib"] {
        fs::create_dir_all(root.join(folder)).map_err(&failed)?;
    }
    let configuration = include_str!("../../infinispan/infinispan.xml")
        .replace("${schema}", plan.version.schema())
        .replace("${connectors}", &connectors(plan.mechanisms));
    let of_users = |field: fn(&(&str, &str, Role)) -> String| -> String {
        USERS
            .iter()
            .map(|user| format!("{}={}\n", user.0, field(user)))
            .collect()
    };
    let role = |user: &(&str, &str, Role)| match user.2 {
        Role::Admin => "admin".to_owned(),
        Role::Observer => "observer".to_owned(),
    };
    certify(root, authority, address)?;
    for (name, text) in [
        ("infinispan.xml", configuration),
        (
            "log4j2.xml",
            include_str!("../../infinispan/log4j2.xml").to_owned(),
        ),
        ("users.properties", of_users(|user| user.1.to_owned())),
        ("groups.properties", of_users(role)),
    ] {
        fs::write(root.join("conf").join(name), text).map_err(&failed)?;
    }
    Ok(())
}

/// A certificate for a server at an address.
fn certify(root: &Path, authority: &TestAuthority, address: &str) -> Result<(), ServersError> {
    let pem = authority.server_pem(&["localhost", "127.0.0.1", address])?;
    fs::write(
        root.join("conf/server.pem"),
        format!("{}{}", pem.certificate, pem.key),
    )
    .map_err(ServersError::files("a server's certificate"))
}
