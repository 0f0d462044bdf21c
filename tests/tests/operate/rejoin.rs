//! `provision rejoin` where a person handles Keycloak, where Keycloak does not serve yet, and where credentials run out:
//! beside a function that answers by a script.

use std::collections::VecDeque;
use std::path::Path as FilePath;

use provisioner::topology::Platform;
use tests::skip;
use tests::standins::kubernetes::{
    ClusterStandIn, Context, Fault, SiteObjects, Target, Verb, World, operators_definitions, write_kubeconfig,
};

use super::*;

const NO_TERMINAL: &str = "there is no `script`, of util-linux, that would play a terminal";

/// What happens around a command.
type Event = Box<dyn FnOnce() + Send>;

/// A function's answers, one after the other, what happens just before each, and how often STS still says that the credentials have expired.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Value>>>,
    events: Arc<Mutex<VecDeque<Event>>>,
    expired: Arc<Mutex<u32>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

/// STS; DynamoDB is asked at the same address, and has no table here.
async fn identity(State(scripted): State<Scripted>, body: String) -> Response {
    let is_expired = body.contains("Action=GetCallerIdentity") && {
        let mut expired = scripted.expired.lock().unwrap();
        let is_expired = *expired > 0;
        *expired = expired.saturating_sub(1);
        is_expired
    };
    if !is_expired {
        return sts().await.into_response();
    }
    let body = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
        <Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
        <RequestId>r</RequestId></ErrorResponse>"#;
    (StatusCode::FORBIDDEN, [("content-type", "text/xml")], body).into_response()
}

async fn answer(State(scripted): State<Scripted>, body: String) -> Response {
    let event: Value = serde_json::from_str(&body).unwrap();
    if event["sitefence"] == "count" {
        let sessions = json!({"cache": "sessions", "givenUp": 5, "kept": 7, "onlyGivenUp": 2});
        let losses = json!({"givenUp": event["given_up"], "kept": event["kept"], "caches": [sessions]});
        let answer = json!({"status": "done", "sentence": "counted", "losses": losses});
        return answer.to_string().into_response();
    }
    scripted.asked.lock().unwrap().push(event["task"].clone());
    let event = scripted.events.lock().unwrap().pop_front();
    if let Some(happen) = event {
        happen();
    }
    let answer = scripted.answers.lock().unwrap().pop_front();
    answer.unwrap().to_string().into_response()
}

/// Serves it for as long as the runtime lives; its address.
fn serve(runtime: &tokio::runtime::Runtime, scripted: &Scripted) -> String {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/", post(identity))
        .route("/2015-03-31/functions/{name}/invocations", post(answer))
        .with_state(scripted.clone());
    runtime.spawn(async move { axum::serve(listener, app).await });
    url
}

fn says(sentence: &str, next: Option<&str>, number: u8) -> Value {
    let mut answer = json!({
        "status": if next.is_some() { "not-now" } else { "done" }, "sentence": sentence,
        "step": {"number": number, "of": 6},
    });
    if let Some(next) = next {
        answer["next"] = json!({"do": next});
    }
    answer
}

/// The command with these words; a kubeconfig may lie beside the topology.
fn provision(home: &FilePath, url: &str, arguments: &str) -> Provision {
    Provision::new(home)
        .unwrap()
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("KUBECONFIG", &home.join("kubeconfig").display().to_string())
        .args(arguments.split(' '))
}

/// What a person with a terminal sees who types this.
fn on_a_terminal(home: &FilePath, url: &str, arguments: &str, typed: &str) -> Option<(Option<i32>, String)> {
    provision(home, url, arguments).on_a_terminal(typed).unwrap()
}

/// The stale site's cluster, which a kubeconfig in `home` names.
fn cluster(home: &FilePath) -> Arc<ClusterStandIn> {
    let cluster = ClusterStandIn::builder("site-b", Platform::Openshift)
        .definitions(operators_definitions(Platform::Openshift))
        .site(&SiteObjects::new("site-b", "keycloak"))
        .start()
        .unwrap();
    let context = Context::administrator("site-b", &cluster);
    write_kubeconfig(&home.join("kubeconfig"), &[context]).unwrap();
    Arc::new(cluster)
}

/// From the first step to the last.
fn a_whole_rejoin() -> [Value; 4] {
    [
        says(
            "site-b's Keycloak has to be scaled to zero",
            Some("stop-keycloak"),
            1,
        ),
        says("site-b no longer replicates to site-a", Some("again"), 1),
        says(
            "site-b is up to date: its Keycloak can be started",
            Some("start-keycloak"),
            6,
        ),
        says("site-b is back: both sites serve", None, 6),
    ]
}

impl Scripted {
    /// What the function was told of Keycloak, call by call.
    fn told(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|task| task["keycloak"].clone()).collect()
    }

    fn happening(&self, events: impl IntoIterator<Item = Event>) {
        self.events.lock().unwrap().extend(events);
    }
}

fn scripted(answers: impl IntoIterator<Item = Value>) -> Scripted {
    Scripted {
        answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        ..Scripted::default()
    }
}

#[test]
fn a_person_who_handles_keycloak_is_asked_for_each_step_and_nothing_goes_on_before() {
    let name = "a_person_who_handles_keycloak_is_asked_for_each_step_and_nothing_goes_on_before";
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rejoin = "rejoin site-b topology.yaml --keycloak manual";

    let all = scripted(a_whole_rejoin());
    let url = serve(&runtime, &all);
    let typed = "site-b\nstopped\nready\n";
    let Some((code, seen)) = on_a_terminal(home.path(), &url, rejoin, typed) else {
        skip::skipped(name, NO_TERMINAL);
        return;
    };
    assert_eq!(code, Some(0), "{seen}");
    for said in [
        "entries of    site-b    site-a  only site-b\nsessions           5         7            2  stay there alone\n",
        "type site-b to continue:",
        "step 1 of 6: site-b no longer replicates to site-a",
        "Scale Keycloak of site-b to 0",
        "Scale Keycloak of site-b back",
        "step 6 of 6: site-b is back",
    ] {
        assert!(seen.contains(said), "{said}: {seen}");
    }
    assert_eq!(all.told(), ["unknown", "stopped", "stopped", "ready"]);

    // Whoever types something else has agreed to nothing.
    let stopped = scripted(a_whole_rejoin());
    let url = serve(&runtime, &stopped);
    let (code, seen) = on_a_terminal(home.path(), &url, rejoin, "site-b\nno\n").unwrap();
    assert_eq!(
        (code, stopped.asked.lock().unwrap().len()),
        (Some(1), 1),
        "{seen}"
    );
    let other = scripted(a_whole_rejoin());
    let url = serve(&runtime, &other);
    let (code, seen) = on_a_terminal(home.path(), &url, rejoin, "site-a\n").unwrap();
    assert_eq!((code, other.asked.lock().unwrap().len()), (Some(1), 0), "{seen}");
}

/// What happens in a cluster, which is there for as long as the test holds it.
fn at(cluster: &Arc<ClusterStandIn>, happen: impl FnOnce(&ClusterStandIn) + Send + 'static) -> Event {
    let cluster = Arc::clone(cluster);
    Box::new(move || happen(&cluster))
}

fn scaled(cluster: &ClusterStandIn, instances: u64) {
    let keycloak = ["Keycloak", "keycloak", "keycloak"];
    let edit = |keycloak: &mut Value| keycloak["spec"]["instances"] = instances.into();
    cluster.world().edit_as("kubectl-scale", keycloak, edit).unwrap();
}

fn deleted(world: &mut World, and_its_pods: bool) {
    for kind in ["Keycloak", "StatefulSet"] {
        assert!(world.remove(kind, "keycloak", "keycloak"), "{kind}");
    }
    for pod in ["keycloak-0", "keycloak-1"] {
        assert!(!and_its_pods || world.remove("Pod", "keycloak", pod), "{pod}");
    }
}

#[test]
fn a_person_may_stop_keycloak_by_deleting_it_and_is_believed_while_the_cluster_is_away() {
    if ClusterStandIn::is_real() {
        // Nobody runs pods there.
        return;
    }
    let name = "a_person_may_stop_keycloak_by_deleting_it_and_is_believed_while_the_cluster_is_away";
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rejoin = "rejoin site-b topology.yaml --keycloak manual --keycloak-within 2s";
    let typed = "site-b\nstopped\nready\n";

    // What is deleted may still have pods, and these write.
    let ending = cluster(home.path());
    let all = scripted(a_whole_rejoin());
    all.happening([at(&ending, |cluster| deleted(&mut cluster.world(), false))]);
    let url = serve(&runtime, &all);
    let Some((code, seen)) = on_a_terminal(home.path(), &url, rejoin, typed) else {
        skip::skipped(name, NO_TERMINAL);
        return;
    };
    assert_eq!((code, all.told()), (Some(1), vec!["unknown".into()]), "{seen}");
    assert!(
        seen.contains("Keycloak of site-b has 2 pods, 2 ready; waiting until none is left"),
        "{seen}"
    );

    let gone = cluster(home.path());
    let all = scripted(a_whole_rejoin());
    all.happening([
        at(&gone, |cluster| deleted(&mut cluster.world(), true)),
        at(&gone, ClusterStandIn::go_away),
    ]);
    let url = serve(&runtime, &all);
    let (code, seen) = on_a_terminal(home.path(), &url, rejoin, typed).unwrap();
    assert_eq!(code, Some(0), "{seen}");
    assert_eq!(all.told(), ["unknown", "stopped", "stopped", "ready"], "{seen}");
    assert_eq!(seen.matches("can no longer be checked").count(), 1, "{seen}");

    // Whoever says that it is ready is not believed where its pods say that they do not serve.
    let refusing = cluster(home.path());
    refusing.world().lb_check = 503;
    let all = scripted(a_whole_rejoin());
    all.happening([
        at(&refusing, |cluster| scaled(cluster, 0)),
        at(&refusing, |_| ()),
        at(&refusing, |cluster| scaled(cluster, 2)),
    ]);
    let url = serve(&runtime, &all);
    let longer = rejoin.replace("2s", "8s");
    let (code, seen) = on_a_terminal(home.path(), &url, &longer, typed).unwrap();
    assert_eq!(code, Some(1), "{seen}");
    assert_eq!(all.told(), ["unknown", "stopped", "stopped"], "{seen}");
    for said in [
        "Keycloak of site-b is ready, but does not serve yet: /lb-check of keycloak-0 answers 503",
        "gave up on Keycloak of site-b after 8 seconds of waiting until all are ready and each answers /lb-check \
         with 200",
    ] {
        assert!(seen.contains(said), "{said}: {seen}");
    }
}

/// Its pods say that they cannot serve, and so their own probe takes them out: then there is none that could be asked.
#[test]
fn a_site_does_not_go_back_while_no_pod_of_its_keycloak_is_ready() {
    if ClusterStandIn::is_real() {
        // Nobody runs pods there.
        return;
    }
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = cluster(home.path());
    cluster.world().lb_check = 503;
    let ask = Target::known(Verb::Get, "Pod").unwrap();
    let not_ready = |world: &mut World| {
        for pod in ["keycloak-0", "keycloak-1"] {
            let at = ["Pod", "keycloak", pod];
            let edit = |pod: &mut Value| pod["status"] = json!({"phase": "Pending", "conditions": []});
            world.edit_as("kubelet", at, edit).unwrap();
        }
    };
    cluster.faults().next(ask, 1, &Fault::Meanwhile(not_ready));
    // The other pod of that look.
    cluster.faults().next(ask, 1, &Fault::Meanwhile(|_| ()));
    cluster
        .faults()
        .next(ask, 1, &Fault::Meanwhile(|world| world.lb_check = 200));
    let all = scripted(a_whole_rejoin());
    let url = serve(&runtime, &all);
    let run = provision(home.path(), &url, "rejoin site-b topology.yaml --yes")
        .run()
        .unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(all.told(), ["unknown", "stopped", "stopped", "ready"], "{run}");
    let steps = [
        "does not serve yet: /lb-check of keycloak-",
        "Keycloak of site-b has 2 pods, 0 ready; waiting until 2 are ready",
        "Keycloak of site-b answers /lb-check with 200",
    ];
    let mut rest = run.stderr.as_str();
    for step in steps {
        let after = rest.split_once(step);
        assert!(after.is_some(), "{step}: {run}");
        rest = after.unwrap().1;
    }
    assert_eq!(cluster.faults().unmet(), 0, "{run}");
}

/// It takes as long as the command lets somebody sign in: a quarter of a minute.
#[test]
fn credentials_that_run_out_cost_nothing_but_the_time_to_sign_in_again() {
    let scripted = scripted([says("site-b is back: both sites serve", None, 6)]);
    *scripted.expired.lock().unwrap() = 1;
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = serve(&runtime, &scripted);
    let run = Provision::new(home.path())
        .unwrap()
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args([
            "rejoin",
            "site-b",
            "topology.yaml",
            "--keycloak",
            "manual",
            "--yes",
        ])
        .run()
        .unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        run.stderr
            .contains("the AWS credentials have expired: sign in again"),
        "{run}"
    );
    assert_eq!(run.stdout, "site-b is back: both sites serve\n", "{run}");
}
