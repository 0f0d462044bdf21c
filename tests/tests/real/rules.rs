//! The rules of every example under `promtool test rules`: which series make which alert, after how long, with which
//! labels and words.
//!
//! A case is a minute or more of series, a sample every five seconds, and what is expected at some instants. Each is
//! tried for both sites of every example, in every spelling that Infinispan has for the metrics.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::programs::Program;
use tests::standins::exporter::Spelling;

use crate::examples::{Example, examples};

const STEP: u64 = 5;

/// One site's rules, and what its cases are made of.
struct Subject<'a> {
    rules: &'a Value,
    spelling: Spelling,
    namespace: String,
    /// The Infinispan resource, whose pods are called after it.
    cluster: String,
    reporter: String,
    peer: String,
    /// `for` of `SiteOffline`, in seconds.
    pending: u64,
    /// `for` of `SiteSuspected`, which has one only against the preferred survivor.
    preference: u64,
}

/// What is expected at an instant: for each alert that is looked at, the series that fire it.
struct Case {
    name: &'static str,
    series: Vec<Value>,
    /// Second, alert, and how often it fires then.
    expected: Vec<(u64, &'static str, Vec<Value>)>,
}

impl Subject<'_> {
    fn rule(&self, alert: &str) -> &Value {
        self.rules["spec"]["groups"][0]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|rule| rule["alert"] == alert)
            .unwrap()
    }

    /// What `infinispan-0` is called here.
    fn pod(&self, name: &str) -> String {
        name.replace("infinispan", &self.cluster)
    }

    /// A series of the view, at one pod, about one site.
    fn view(&self, pod: &str, site: &str, values: &str) -> Value {
        self.view_in(&self.namespace, pod, site, values)
    }

    fn view_in(&self, namespace: &str, pod: &str, site: &str, values: &str) -> Value {
        let (metric, pod) = (self.spelling.view(), self.pod(pod));
        json!({
            "series": format!(
                "{metric}{{namespace=\"{namespace}\",pod=\"{pod}\",node=\"{pod}-1\",cache_manager=\"default\",site=\"{site}\"}}"
            ),
            "values": values,
        })
    }

    fn cut(&self, cache: &str, pod: &str, site: &str, values: &str) -> Value {
        let pod = self.pod(pod);
        json!({
            "series": format!(
                "{}{{namespace=\"{}\",pod=\"{pod}\",cache=\"{cache}\",site=\"{site}\"}}",
                self.spelling.admin(cache, site),
                self.namespace
            ),
            "values": values,
        })
    }

    /// An alert with its rule's own labels and words; `series` are the labels that it has of the series.
    fn fires(&self, alert: &str, series: &[(&str, &str)]) -> Value {
        let rule = self.rule(alert);
        let mut labels = rule["labels"].clone();
        for (name, value) in series {
            if labels[*name].is_null() {
                labels[*name] = Value::from(*value);
            }
        }
        let label = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
        let mut annotations = rule["annotations"].clone();
        for text in annotations.as_object_mut().unwrap().values_mut() {
            let written = text.as_str().unwrap();
            *text = Value::from(
                written
                    .replace("{{ $labels.site }}", &label("site"))
                    .replace("{{ $labels.cache }}", &label("cache")),
            );
        }
        json!({"exp_labels": labels, "exp_annotations": annotations})
    }

    fn offline(&self) -> Vec<Value> {
        vec![self.fires("SiteOffline", &[])]
    }

    /// A sample every step, so many of each value.
    fn cases(&self) -> Vec<Case> {
        let pending = self.pending;
        let peer = self.peer.as_str();
        // Samples that cover `for` and one more, and those that stop one short of it.
        let (enough, short) = (pending / STEP + 1, pending / STEP - 1);
        let last = |seconds: u64| seconds + 2 * STEP;
        // Where the other site is the preferred survivor, nothing fires before its own suspicion has had its time.
        let early = match self.preference {
            0 => vec![self.fires("SiteSuspected", &[])],
            _ => vec![],
        };
        let mut cases = vec![
            Case {
                name: "both pods answer and the relay sees the other site",
                series: vec![
                    self.view("infinispan-0", peer, "1x30"),
                    self.view("infinispan-1", peer, "2x30"),
                ],
                expected: vec![
                    (0, "SiteOffline", vec![]),
                    (150, "SiteOffline", vec![]),
                    (150, "SiteViewAbsent", vec![]),
                ],
            },
            Case {
                name: "the relay loses the other site, while another pod is no relay",
                series: vec![
                    self.view("infinispan-0", peer, &format!("1x4 0x{}", enough + 10)),
                    self.view("infinispan-1", peer, "2x60"),
                ],
                expected: vec![
                    // Out of view from the fifth sample after the first, which is at 25 s.
                    (25 + pending - STEP, "SiteOffline", vec![]),
                    (25 + pending, "SiteOffline", self.offline()),
                    (25 + pending + 30, "SiteOffline", self.offline()),
                ],
            },
            Case {
                name: "the first sample without the other site is a suspicion, and its return the end of one",
                series: vec![
                    self.view(
                        "infinispan-0",
                        peer,
                        &format!("1x4 0x{} 1x20", self.preference / STEP + 2),
                    ),
                    self.view("infinispan-1", peer, "2x60"),
                ],
                expected: vec![
                    (20, "SiteSuspected", vec![]),
                    (
                        25 + self.preference - self.preference.min(STEP),
                        "SiteSuspected",
                        early,
                    ),
                    (
                        25 + self.preference,
                        "SiteSuspected",
                        vec![self.fires("SiteSuspected", &[])],
                    ),
                    (last(25 + self.preference) + 2 * STEP, "SiteSuspected", vec![]),
                ],
            },
            Case {
                name: "a pod that lost itself from the others takes itself for the primary, and sees nobody",
                series: vec![
                    self.view("infinispan-0", peer, "1x60"),
                    self.view("infinispan-1", peer, "2x4 0x60"),
                    self.view("infinispan-2", peer, "2x60"),
                ],
                expected: vec![
                    (last(25 + pending), "SiteOffline", vec![]),
                    (300, "SiteOffline", vec![]),
                ],
            },
            Case {
                name: "nobody sees the other site, whoever takes himself for the primary",
                series: vec![
                    self.view("infinispan-0", peer, "0x60"),
                    self.view("infinispan-1", peer, "2x4 0x60"),
                    self.view("infinispan-2", peer, "2x60"),
                ],
                expected: vec![
                    (pending - STEP, "SiteOffline", vec![]),
                    (last(25 + pending), "SiteOffline", self.offline()),
                ],
            },
            Case {
                name: "the view comes back",
                series: vec![self.view("infinispan-0", peer, &format!("0x{enough} 1x20"))],
                expected: vec![
                    (pending, "SiteOffline", self.offline()),
                    (last(pending) + STEP, "SiteOffline", vec![]),
                ],
            },
            Case {
                name: "no pod is a relay: that is not the same as a lost site",
                series: vec![
                    self.view("infinispan-0", peer, "2x60"),
                    self.view("infinispan-1", peer, "2x60"),
                ],
                expected: vec![
                    (last(pending), "SiteOffline", vec![]),
                    (300, "SiteOffline", vec![]),
                ],
            },
            Case {
                name: "a pod that becomes relay shows 0 for less than `for`",
                series: vec![
                    self.view("infinispan-0", peer, "1x5 stale"),
                    self.view("infinispan-1", peer, &format!("2x6 0x{short} 1x40")),
                ],
                expected: (0..40)
                    .map(|index| (index * STEP, "SiteOffline", vec![]))
                    .collect(),
            },
            Case {
                name: "a pod that goes away in the middle leaves no series and no alert of a lost site",
                series: vec![self.view("infinispan-0", peer, &format!("1x5 0x{short} stale _x60"))],
                expected: (0..60)
                    .map(|index| (index * STEP, "SiteOffline", vec![]))
                    .collect(),
            },
            Case {
                name: "the link flaps faster than `for`",
                series: vec![self.view("infinispan-0", peer, &"0 1 ".repeat(60))],
                expected: (0..120)
                    .map(|index| (index * STEP, "SiteOffline", vec![]))
                    .collect(),
            },
            Case {
                name: "only what the reporter says about itself is 0",
                series: vec![
                    self.view("infinispan-0", &self.reporter, "0x60"),
                    self.view("infinispan-0", peer, "1x60"),
                ],
                expected: vec![
                    (last(pending), "SiteOffline", vec![]),
                    (300, "SiteOffline", vec![]),
                ],
            },
            Case {
                name: "another Infinispan of the same cluster lost a site of that name",
                series: vec![
                    self.view_in("elsewhere", "infinispan-0", peer, "0x60"),
                    self.view("infinispan-0", peer, "1x60"),
                ],
                expected: vec![
                    (last(pending), "SiteOffline", vec![]),
                    (300, "SiteOffline", vec![]),
                ],
            },
            Case {
                name: "a second Infinispan of the namespace lost a site of that name, and its first is upgraded",
                series: vec![
                    self.view("second-0", peer, "0x60"),
                    self.view("infinispan-2-0", peer, "1x60"),
                ],
                expected: vec![
                    (last(pending), "SiteOffline", vec![]),
                    (300, "SiteOffline", vec![]),
                    (300, "SiteViewAbsent", vec![]),
                ],
            },
        ];
        cases.extend(self.cases_of_other_alerts());
        cases
    }

    fn cases_of_other_alerts(&self) -> Vec<Case> {
        let peer = self.peer.as_str();
        let cut = |cache: &str| self.fires("ReplicationCut", &[("cache", cache)]);
        vec![
            Case {
                name: "there is no series at all",
                series: vec![json!({"series": "up{namespace=\"other\"}", "values": "1x60"})],
                expected: vec![
                    (115, "SiteViewAbsent", vec![]),
                    (120, "SiteViewAbsent", vec![self.fires("SiteViewAbsent", &[])]),
                    (200, "SiteOffline", vec![]),
                    (200, "ReplicationCut", vec![]),
                ],
            },
            Case {
                name: "only the series about the reporter itself is there",
                series: vec![self.view("infinispan-0", &self.reporter, "1x60")],
                expected: vec![(125, "SiteViewAbsent", vec![self.fires("SiteViewAbsent", &[])])],
            },
            Case {
                name: "only the series of another Infinispan of the namespace is there",
                series: vec![self.view("second-0", peer, "1x60")],
                expected: vec![(125, "SiteViewAbsent", vec![self.fires("SiteViewAbsent", &[])])],
            },
            Case {
                name: "the series comes back in time",
                series: vec![self.view("infinispan-0", peer, "_x20 1x40")],
                expected: vec![(120, "SiteViewAbsent", vec![]), (300, "SiteViewAbsent", vec![])],
            },
            Case {
                name: "replication is cut although the sites see each other",
                series: vec![
                    self.view("infinispan-0", peer, "1x60"),
                    self.cut("sessions", "infinispan-0", peer, "1 0x60"),
                    self.cut("sessions", "infinispan-1", peer, "1x60"),
                    self.cut("work", "infinispan-0", peer, "1x60"),
                    self.cut("work", "infinispan-0", &self.reporter, "0x60"),
                ],
                expected: vec![
                    (60, "ReplicationCut", vec![]),
                    (65, "ReplicationCut", vec![cut("sessions")]),
                    (65, "SiteOffline", vec![]),
                ],
            },
            Case {
                name: "the watchdog fires from the first evaluation on, whatever the series say",
                series: vec![self.view("infinispan-0", peer, "0x60")],
                expected: vec![
                    (
                        0,
                        "FencingPathWatchdog",
                        vec![self.fires("FencingPathWatchdog", &[])],
                    ),
                    (
                        300,
                        "FencingPathWatchdog",
                        vec![self.fires("FencingPathWatchdog", &[])],
                    ),
                ],
            },
        ]
    }
}

fn seconds(duration: &Value) -> u64 {
    let text = duration.as_str().unwrap();
    let (number, unit) = text.split_at(text.find(|it: char| it.is_alphabetic()).unwrap());
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        other => panic!("{other}"),
    };
    number.parse::<u64>().unwrap() * factor
}

fn subjects(example: &Example, spelling: Spelling) -> Vec<Subject<'_>> {
    let [a, b] = &example.topology.sites;
    [(a, b), (b, a)]
        .into_iter()
        .map(|(site, peer)| {
            let mut subject = Subject {
                rules: example.document(site, "PrometheusRule"),
                spelling,
                namespace: site.namespace.to_string(),
                cluster: site.infinispan.cluster.to_string(),
                reporter: site.name.to_string(),
                peer: peer.name.to_string(),
                pending: 0,
                preference: 0,
            };
            subject.pending = seconds(&subject.rule("SiteOffline")["for"]);
            let preference = &subject.rule("SiteSuspected")["for"];
            subject.preference = if preference.is_null() {
                0
            } else {
                seconds(preference)
            };
            subject
        })
        .collect()
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

/// All cases of one site, in one run.
fn judge(promtool: &Path, subject: &Subject<'_>, what: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    // The operator writes the spec as it is into the file that Prometheus reads.
    write(&folder.path().join("rules.yaml"), &subject.rules["spec"]);
    let cases = subject.cases();
    let tests: Vec<Value> = cases
        .iter()
        .map(|case| {
            let expected: Vec<Value> = case
                .expected
                .iter()
                .flat_map(|(second, alert, fires)| {
                    let at = format!("{second}s");
                    // What pages people fires whenever what fences does.
                    let people = (*alert == "SiteOffline").then(|| {
                        let fires: Vec<Value> =
                            fires.iter().map(|_| subject.fires("SiteLost", &[])).collect();
                        json!({"eval_time": at, "alertname": "SiteLost", "exp_alerts": fires})
                    });
                    let fencing = json!({"eval_time": at, "alertname": alert, "exp_alerts": fires});
                    std::iter::once(fencing).chain(people)
                })
                .collect();
            json!({
                "name": case.name, "interval": format!("{STEP}s"),
                "input_series": case.series, "alert_rule_test": expected,
            })
        })
        .collect();
    let count = tests.len();
    write(
        &folder.path().join("test.yaml"),
        &json!({
            "rule_files": ["rules.yaml"], "evaluation_interval": format!("{STEP}s"), "tests": tests,
        }),
    );
    let output = Command::new(promtool)
        .args(["test", "rules", "test.yaml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(said, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}:\n{said}");
    count
}

#[test]
fn every_examples_rules_fire_when_they_should_and_only_then() {
    let Some(promtool) =
        Program::Promtool.for_test("every_examples_rules_fire_when_they_should_and_only_then")
    else {
        return;
    };
    let mut judged = 0;
    for example in examples() {
        for spelling in Spelling::ALL {
            for subject in subjects(&example, spelling) {
                let what = format!("{}, rules of {}, {spelling:?}", example.name, subject.reporter);
                judged += judge(&promtool, &subject, &what);
            }
        }
    }
    assert!(judged >= 3 * 2 * 5 * 17, "only {judged} cases were judged");
}

/// The tests above cannot pass by accident: rules that are a little wrong do not.
#[test]
fn rules_that_are_wrong_are_found_out() {
    let Some(promtool) = Program::Promtool.for_test("rules_that_are_wrong_are_found_out") else {
        return;
    };
    let examples = examples();
    let example = examples.iter().find(|example| example.name == "minimal").unwrap();
    let site = &example.topology.sites[0];
    let right = example.document(site, "PrometheusRule").to_string();
    for (from, to) in [
        ("(vendor_)?jgroups", "jgroups"),
        ("!= 2) == 0", "!= 2) == 1"),
        ("(vendor|infinispan)_x_site", "infinispan_x_site"),
        ("|vendor_cache_manager_.+_x_site_admin_.+_status", ""),
        ("\"for\":\"10s\"", "\"for\":\"5s\""),
        ("max by (namespace, site)", "min by (namespace, site)"),
        (" != 2)", ")"),
        ("infinispan-([0-9]+-)?[0-9]+", ".+"),
        ("infinispan-([0-9]+-)?[0-9]+", "infinispan-[0-9]+"),
        ("vector(1)", "vector(1) == 0"),
    ] {
        assert!(right.contains(from), "{from}: {right}");
        let wrong: Value = serde_json::from_str(&right.replace(from, to)).unwrap();
        let caught = Spelling::ALL.into_iter().any(|spelling| {
            let subject = Subject {
                rules: &wrong,
                pending: 10,
                ..subjects(example, spelling).swap_remove(0)
            };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&promtool, &subject, to))).is_err()
        });
        assert!(caught, "{to} passes");
    }
}

#[test]
fn promtool_finds_nothing_to_say_about_the_rules() {
    let Some(promtool) = Program::Promtool.for_test("promtool_finds_nothing_to_say_about_the_rules") else {
        return;
    };
    for example in examples() {
        for site in &example.topology.sites {
            let folder = tempfile::tempdir().unwrap();
            let rules = &example.document(site, "PrometheusRule")["spec"];
            write(&folder.path().join("rules.yaml"), rules);
            let output = Command::new(&promtool)
                .args(["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"])
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}: {output:?}", example.name);
        }
    }
}

/// What real servers said, read by the PodMonitor's own pattern: exactly what a rule is about is kept.
#[test]
fn of_a_real_servers_page_the_rules_series_are_kept_and_nothing_else() {
    let examples = examples();
    let example = examples.iter().find(|example| example.name == "minimal").unwrap();
    let monitor = example.document(&example.topology.sites[0], "PodMonitor");
    let pattern = monitor["spec"]["podMetricsEndpoints"][0]["metricRelabelings"][0]["regex"]
        .as_str()
        .unwrap();
    // Prometheus takes a pattern for the whole of a name.
    let kept = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
    let pages = Spelling::ALL
        .into_iter()
        .flat_map(|spelling| spelling.recorded().iter().map(move |page| (spelling, page)));
    for (spelling, page) in pages {
        let names = page.lines().filter_map(|line| line.split(['{', ' ']).next());
        let is_meant = |name: &&str| {
            name.ends_with("jgroups_site_view_status")
                || name.contains("x_site_admin") && name.ends_with("_status")
        };
        let wanted: Vec<&str> = names.clone().filter(is_meant).collect();
        let found: Vec<&str> = names.clone().filter(|name| kept.is_match(name)).collect();
        assert_eq!(found, wanted, "{spelling:?}");
        for cache in ["sessions", "work"] {
            assert!(
                found.contains(&spelling.admin(cache, "site-b").as_str()),
                "{found:?}"
            );
        }
        assert!(found.contains(&spelling.view()), "{found:?}");
        assert!(names.count() > 20, "{spelling:?}: that is no page");
    }
}
