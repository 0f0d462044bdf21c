//! The function beside a Python one that was written after the guide's description: one run, one machine, one emulator of
//! Lambda's runtime interface, the same clouds over TLS.
//!
//! ```text
//!   bench ──▶ runtime interface ──▶ bootstrap │ python -m awslambdaric
//!     ▲                                  │
//!     └── trace ── accelerator, register, secrets, topic, both Infinispans ◀┘
//! ```
//!
//! What a machine adds depends on the machine, so only what stands side by side in one run compares. Round trips do not:
//! they are counted from the trace of a run in which each call takes a tenth of a second, as the longest chain of calls
//! of which each began when the one before was answered.
//!
//! `cargo xtask bench function` builds what is measured and calls this.

// Saying what was measured is this program's job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod lambda;
mod outside;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fencing::settings::sample::{self, SITES, by_site};
use fencing::settings::{Found, Settings};
use serde_json::{Value, json};

use crate::lambda::{Answered, Process, Program};
use crate::outside::{CUT, DNS_NAME, HEALTH_SECRET, Outside, PASSWORD, aws, infinispan};
use crate::wire::{Entry, Identity, Slowness, Trace, sequential, serve};

/// Whatever stops a measurement; it is shown as it is.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

const NEAR: Slowness = Slowness {
    per_call: Duration::ZERO,
    round_trip: Duration::ZERO,
};
const SLOW: Slowness = Slowness {
    per_call: Duration::from_millis(100),
    round_trip: Duration::ZERO,
};
const FAR: Slowness = Slowness {
    per_call: Duration::ZERO,
    round_trip: Duration::from_millis(100),
};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(function), Some(python), Some(guide)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("error: usage: bench BOOTSTRAP PYTHON GUIDE; `cargo xtask bench function` knows all three");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let measured = runtime
        .map_err(Trouble::from)
        .and_then(|runtime| runtime.block_on(measure(&function, &python, &guide)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// The clouds, and whoever is measured against them.
struct Stage {
    outside: Arc<Outside>,
    trace: Arc<Trace>,
    ours: Program,
    theirs: Program,
    _root: tempfile::TempDir,
}

impl Stage {
    async fn set(slowness: Slowness, function: &Path, python: &Path, guide: &Path) -> Result<Self, Trouble> {
        let identity = Identity::new()?;
        let (outside, trace) = (Arc::new(Outside::default()), Arc::new(Trace::default()));
        let start = async |answers| serve(&identity, slowness, Arc::clone(&trace), answers).await;
        let root = tempfile::tempdir()?;
        std::fs::create_dir(root.path().join("ca"))?;
        let bundle = root.path().join("ca").join("aws.pem");
        std::fs::write(&bundle, &identity.authority)?;
        let mut hosts = Vec::new();
        for site in SITES {
            std::fs::write(
                root.path().join("ca").join(format!("{site}.pem")),
                &identity.authority,
            )?;
            let port = start(infinispan(&outside, site)).await?;
            hosts.push((site, format!("127.0.0.1:{port}")));
        }
        let mut environment = vec![
            ("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "test".to_owned()),
            ("AWS_REGION".to_owned(), "eu-west-1".to_owned()),
            ("AWS_DEFAULT_REGION".to_owned(), "eu-west-1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME".to_owned(), "fencing".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), "256".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION".to_owned(), "1".to_owned()),
            ("AWS_CA_BUNDLE".to_owned(), bundle.display().to_string()),
            ("LAMBDA_TASK_ROOT".to_owned(), root.path().display().to_string()),
        ];
        for service in [
            "DYNAMODB",
            "GLOBAL_ACCELERATOR",
            "SECRETS_MANAGER",
            "SNS",
            "ELASTIC_LOAD_BALANCING_V2",
        ] {
            let port = start(aws(&outside)).await?;
            environment.push((
                format!("AWS_ENDPOINT_URL_{service}"),
                format!("https://127.0.0.1:{port}"),
            ));
        }
        let url = |site: &str| {
            let host = hosts
                .iter()
                .find(|(of, _)| *of == site)
                .map(|(_, host)| host.as_str());
            format!("https://{}", host.unwrap_or_default())
        };
        let settings = Settings {
            found: Found {
                infinispan_urls: by_site(url),
                ..sample::settings().found
            },
            ..sample::settings()
        };
        let told = settings.environment().into_iter();
        let ours = told.map(|(variable, value)| (variable.name.to_owned(), value));
        let endpoints: Value = hosts
            .iter()
            .map(|(site, host)| ((*site).to_owned(), json!(host)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let theirs = [
            ("INFINISPAN_USER", "developer".to_owned()),
            ("INFINISPAN_USER_SECRET", "infinispan".to_owned()),
            ("INFINISPAN_SITE_ENDPOINTS", endpoints.to_string()),
            ("SECRETS_REGION", "eu-west-1".to_owned()),
            ("WEBHOOK_USER", "keycloak".to_owned()),
            ("WEBHOOK_USER_SECRET", "webhook".to_owned()),
            // It stands among our sources, and leaves nothing behind there.
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        let theirs = theirs.map(|(name, value)| (name.to_owned(), value));
        Ok(Self {
            outside,
            trace,
            ours: Program {
                name: "Sitefence",
                command: vec![function.into()],
                directory: root.path().to_owned(),
                environment: environment.iter().cloned().chain(ours).collect(),
            },
            theirs: Program {
                name: "Python",
                command: vec![
                    python.into(),
                    "-m".into(),
                    "awslambdaric".into(),
                    "fencing.handler".into(),
                ],
                directory: guide.to_owned(),
                environment: environment.into_iter().chain(theirs).collect(),
            },
            _root: root,
        })
    }

    /// One fence, from a split to a survivor that writes alone.
    async fn fence(&self, process: &Process) -> Result<Fence, Trouble> {
        self.outside.reset(false);
        self.trace.take();
        let before = process.cpu();
        let answered = process.invoke(&alert("firing")).await?;
        let cpu = process.cpu().saturating_sub(before);
        let (calls, connections) = self.trace.take();
        if !matches!(answered.status(), 200 | 204) || !self.outside.is_fenced() {
            return Err(format!("no fence: {}", answered.answer).into());
        }
        let cut = calls.iter().find(|call| call.what == CUT).map(|call| call.ended);
        let cut = cut.ok_or("no call cut replication")?;
        Ok(Fence {
            until_cut: cut - answered.began,
            since_spawn: cut - process.spawned,
            answered,
            cpu,
            calls,
            connections,
        })
    }
}

struct Fence {
    answered: Answered,
    until_cut: Duration,
    since_spawn: Duration,
    cpu: Duration,
    calls: Vec<Entry>,
    connections: usize,
}

fn event(method: &str, path: &str, password: Option<&str>, body: &Value) -> Value {
    let mut headers = json!({"content-type": "application/json", "user-agent": "Alertmanager/0.28.1"});
    if let Some(password) = password {
        headers["authorization"] = json!(format!("Basic {}", BASE64.encode(format!("keycloak:{password}"))));
    }
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}}, "body": body.to_string(), "isBase64Encoded": false,
    })
}

fn payload(name: &str, status: &str) -> Value {
    json!({
        "version": "4", "status": status, "truncatedAlerts": 0, "receiver": "fencing",
        "alerts": [{
            "status": status, "startsAt": "2026-11-21T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "annotations": {},
            "labels": {
                "alertname": name, "topology": "keycloak-test", "reporter": SITES[0], "site": SITES[1],
                "accelerator": DNS_NAME,
            },
        }],
    })
}

fn alert(status: &str) -> Value {
    event(
        "POST",
        "/webhook",
        Some(PASSWORD),
        &payload("SiteOffline", status),
    )
}

/// The middle, and what one in a hundred takes longer than.
fn middle(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// From the least to the most: whether the first connection leads to the primary relay node is up to the balancer.
fn span(mut all: Vec<Duration>) -> String {
    all.sort();
    match (all.first(), all.last()) {
        (Some(least), Some(most)) => format!("{} to {}", ms(*least), ms(*most)),
        _ => String::new(),
    }
}

fn p99(mut all: Vec<Duration>) -> Duration {
    all.sort();
    let index = (all.len() * 99).div_ceil(100).saturating_sub(1);
    all.get(index).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

fn row(what: &str, ours: Duration, theirs: Duration) {
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64().max(1e-9);
    println!("| {what} | {} | {} | {ratio:.0}× |", ms(ours), ms(theirs));
}

fn plain(what: &str, ours: impl std::fmt::Display, theirs: impl std::fmt::Display) {
    println!("| {what} | {ours} | {theirs} | |");
}

/// What several fences of one program came to.
#[derive(Default)]
struct Samples {
    start: Vec<Duration>,
    start_cpu: Vec<Duration>,
    first: Vec<Duration>,
    first_cut: Vec<Duration>,
    cold: Vec<Duration>,
    warm: Vec<Duration>,
    warm_cut: Vec<Duration>,
    warm_cpu: Vec<Duration>,
    peak_kib: u64,
    warm_calls: usize,
    warm_connections: usize,
    first_connections: usize,
    first_trips: Vec<(usize, usize)>,
    trips: (usize, usize),
}

async fn sample(stage: &Stage, program: &Program, starts: usize, warm: usize) -> Result<Samples, Trouble> {
    let mut samples = Samples::default();
    for start in 0..starts {
        stage.outside.reset(false);
        stage.trace.take();
        let process = Process::start(program).await?;
        samples.start.push(process.first_poll);
        samples.start_cpu.push(process.start_cpu);
        // What was opened before the first event belongs to it, too.
        let opened = stage.trace.connections.load(std::sync::atomic::Ordering::SeqCst);
        let first = stage.fence(&process).await?;
        samples.first_trips.push((
            sequential(&first.calls, Some(CUT)),
            sequential(&first.calls, None),
        ));
        samples.first_connections = opened + first.connections;
        samples.first.push(first.answered.took());
        samples.first_cut.push(first.until_cut);
        samples.cold.push(first.since_spawn);
        if start + 1 < starts {
            continue;
        }
        for _ in 0..warm {
            let fence = stage.fence(&process).await?;
            samples.trips = (
                sequential(&fence.calls, Some(CUT)),
                sequential(&fence.calls, None),
            );
            (samples.warm_calls, samples.warm_connections) = (fence.calls.len(), fence.connections);
            samples.warm.push(fence.answered.took());
            samples.warm_cut.push(fence.until_cut);
            samples.warm_cpu.push(fence.cpu);
        }
        samples.peak_kib = process.peak_kib();
    }
    Ok(samples)
}

async fn measure(function: &Path, python: &Path, guide: &Path) -> Result<(), Trouble> {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "load before: {}\n",
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    );
    println!("| | Sitefence | Python | ratio |\n|---|---|---|---|");
    near(function, python, guide).await?;
    for (slowness, of, starts, warm) in [
        (SLOW, "100 ms a call", 6, 3),
        (FAR, "100 ms round-trip time", 5, 3),
    ] {
        let stage = Stage::set(slowness, function, python, guide).await?;
        let ours = sample(&stage, &stage.ours, starts, warm).await?;
        let theirs = sample(&stage, &stage.theirs, starts, warm).await?;
        plain(
            &format!("{of}: process start until the cut"),
            span(ours.cold),
            span(theirs.cold),
        );
        plain(
            &format!("{of}: first alert until the cut"),
            span(ours.first_cut),
            span(theirs.first_cut),
        );
        row(
            &format!("{of}: warm until the cut"),
            middle(ours.warm_cut),
            middle(theirs.warm_cut),
        );
        row(
            &format!("{of}: warm until the answer"),
            middle(ours.warm),
            middle(theirs.warm),
        );
        if slowness == SLOW {
            let trips = |(cut, answer): (usize, usize)| format!("{cut} and {answer}");
            let different = |all: Vec<(usize, usize)>| {
                let all: BTreeSet<_> = all.into_iter().collect();
                all.into_iter().map(trips).collect::<Vec<_>>().join(", or ")
            };
            plain(
                "sequential calls of a first alert, until the cut and until the answer",
                different(ours.first_trips),
                different(theirs.first_trips),
            );
            plain(
                "sequential calls of a warm one, until the cut and until the answer",
                trips(ours.trips),
                trips(theirs.trips),
            );
            counts(&stage).await?;
            stage.outside.leave_one_relay_node();
            let lone = sample(&stage, &stage.ours, 1, 3).await?;
            plain(
                "sequential calls of a warm one, with one relay node at each site",
                trips(lone.trips),
                "",
            );
        }
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "\nload after: {}",
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

async fn near(function: &Path, python: &Path, guide: &Path) -> Result<(), Trouble> {
    let stage = Stage::set(NEAR, function, python, guide).await?;
    let ours = sample(&stage, &stage.ours, 21, 1000).await?;
    let theirs = sample(&stage, &stage.theirs, 7, 100).await?;
    row(
        "start until the first poll",
        middle(ours.start),
        middle(theirs.start),
    );
    row(
        "processor time of that",
        middle(ours.start_cpu),
        middle(theirs.start_cpu),
    );
    row("first alert, fenced", middle(ours.first), middle(theirs.first));
    row(
        "warm alert, fenced",
        middle(ours.warm.clone()),
        middle(theirs.warm.clone()),
    );
    row("warm, 99th percentile", p99(ours.warm), p99(theirs.warm));
    row(
        "processor time of a warm one",
        middle(ours.warm_cpu),
        middle(theirs.warm_cpu),
    );
    let mib = |kib: u64| {
        // Below 2^53 in any case.
        #[allow(clippy::cast_precision_loss)]
        let mib = kib as f64 / 1024.0;
        format!("{mib:.1} MiB")
    };
    plain("memory, peak", mib(ours.peak_kib), mib(theirs.peak_kib));
    plain("calls of a warm fence", ours.warm_calls, theirs.warm_calls);
    plain(
        "connections that it opens",
        ours.warm_connections,
        theirs.warm_connections,
    );
    plain(
        "connections of a first one, those at the start included",
        ours.first_connections,
        theirs.first_connections,
    );

    // Everything else that is asked of the function, side by side where both know it.
    let ours = Process::start(&stage.ours).await?;
    let theirs = Process::start(&stage.theirs).await?;
    stage.outside.reset(true);
    for (what, event, both) in others() {
        let mine = repeated(&stage, &ours, &event, 101).await?;
        if both {
            row(what, mine, repeated(&stage, &theirs, &event, 31).await?);
        } else {
            plain(what, ms(mine), "");
        }
    }
    flood(&stage, &ours, &theirs).await
}

async fn repeated(
    stage: &Stage,
    process: &Process,
    event: &Value,
    times: usize,
) -> Result<Duration, Trouble> {
    let mut all = Vec::new();
    for _ in 0..times {
        all.push(process.invoke(event).await?.took());
    }
    stage.trace.take();
    Ok(middle(all))
}

/// What else is asked of the function, by name, and whether the other one knows it.
fn others() -> [(&'static str, Value, bool); 5] {
    let watchdog = payload("FencingPathWatchdog", "firing");
    let health = format!("/health/{HEALTH_SECRET}");
    [
        ("resolved alert", alert("resolved"), true),
        ("stranger without credentials", stranger(), true),
        (
            "watchdog",
            event("POST", "/webhook", Some(PASSWORD), &watchdog),
            false,
        ),
        ("the minute's look", json!({"sitefence": "sweep"}), false),
        ("health question", event("GET", &health, None, &json!({})), false),
    ]
}

fn stranger() -> Value {
    event("POST", "/webhook", None, &json!({}))
}

/// How many calls each of them makes in a process that is warm, and how many of those one after the other.
async fn counts(stage: &Stage) -> Result<(), Trouble> {
    let process = Process::start(&stage.ours).await?;
    stage.outside.reset(true);
    // The first of each kind opens connections.
    for round in 0..2 {
        for (what, event, _) in others() {
            stage.trace.take();
            process.invoke(&event).await?;
            let (calls, _) = stage.trace.take();
            if round == 1 {
                let told = format!(
                    "{}, {} one after the other",
                    calls.len(),
                    sequential(&calls, None)
                );
                plain(&format!("calls of: {what}"), told, "");
            }
        }
    }
    Ok(())
}

/// Strangers, one right after the other, for as long as it takes a genuine alert that stands behind them.
async fn flood(stage: &Stage, ours: &Process, theirs: &Process) -> Result<(), Trouble> {
    let stranger = stranger();
    let mut rates = Vec::new();
    for (process, strangers) in [(ours, 2000_u32), (theirs, 500)] {
        stage.trace.take();
        let (began, before) = (Instant::now(), process.cpu());
        for _ in 0..strangers {
            process.invoke(&stranger).await?;
        }
        let each = began.elapsed() / strangers;
        let cpu = process.cpu().saturating_sub(before) / strangers;
        let calls = stage.trace.take().0.len();
        let fence = stage.fence(process).await?;
        rates.push((each, cpu, calls, fence.answered.took()));
    }
    let [
        (each, cpu, calls, after),
        (their_each, their_cpu, their_calls, their_after),
    ] = rates.as_slice()
    else {
        return Ok(());
    };
    row("a stranger in a flood", *each, *their_each);
    row("processor time of one", *cpu, *their_cpu);
    plain("calls that a flood causes", calls, their_calls);
    row("an alert right behind it, fenced", *after, *their_after);
    Ok(())
}
