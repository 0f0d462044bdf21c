//! Whether a site's Keycloak serves, by what its ready pods answer: the gate before the site's way back into the
//! accelerator.
//!
//! ```text
//!   fewer ready pods than wanted ─────────────▶ not yet
//!   a pod answers with an error ──────────────▶ not yet
//!   a pod cannot be asked ── just now ────────▶ ask again
//!                         └─ for a while ─────▶ its own probe has to do
//!   a pod has nothing to ask ─────────────────▶ its own probe has to do
//!   each of them answers yes ─────────────────▶ it serves
//! ```

use std::time::Duration;

use serde_json::Value;

use crate::yaml::shortened;

/// For how long in a row pods are asked again that cannot be asked.
const ASKED_FOR: Duration = Duration::from_secs(20);

/// What came of asking a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodAnswer {
    /// It says yes.
    Yes,
    /// It says no, by this status.
    No(u16),
    /// It does not have what was asked for, and will not.
    NotServed,
    /// It names no port at which it could be asked.
    NoPort,
    /// It was not asked, and why.
    NotAsked(String),
}

impl PodAnswer {
    /// The API server passes the pod's status on. It has own ones, too: for who may not ask, and for pods that it does not
    /// reach or know.
    pub fn of(code: u16, body: &str) -> Self {
        let status = serde_json::from_str::<Value>(body).is_ok_and(|answer| answer["kind"] == "Status");
        // A Status in JSON, or plain text, as of a pod that is not reached.
        let is_own = status || body.contains("error trying to reach service");
        match code {
            200..300 => Self::Yes,
            // A pod may refuse, too, and then it does not serve.
            401 | 403 if status => Self::NotAsked("`get` on pods/proxy is denied".to_owned()),
            _ if is_own || [502, 504].contains(&code) => Self::NotAsked(format!(
                "the API server answers {code}: {}",
                shortened(body.trim(), 120)
            )),
            404 => Self::NotServed,
            _ => Self::No(code),
        }
    }
}

/// What a ready pod answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPod {
    pub pod: String,
    pub answer: PodAnswer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// As many pods as are wanted are ready, and each of them says yes.
    Yes,
    /// Fewer are ready.
    TooFew,
    /// One says no: which, and what it answers.
    Refused(String),
    /// One cannot be asked just now, and why.
    Unasked(String),
    /// Whether it serves will not be said, and why: that its pods are ready has to do.
    Unchecked(String),
}

/// What the answers of all ready pods mean, where so many are wanted. One that cannot be asked was not for `unasked_for` in
/// a row.
pub fn serving(ready: &[AskedPod], wanted: usize, unasked_for: Duration) -> Serving {
    // Nobody serves where nobody is.
    if ready.len() < wanted.max(1) {
        return Serving::TooFew;
    }
    let (mut unasked, mut unchecked) = (None, None);
    for AskedPod { pod, answer } in ready {
        match answer {
            PodAnswer::Yes => {}
            PodAnswer::No(code) => return Serving::Refused(format!("{pod} answers {code}")),
            PodAnswer::NotAsked(why) => unasked = unasked.or_else(|| Some(why.clone())),
            // Without the feature `multi-site` there is none, and it will not come.
            PodAnswer::NotServed => unchecked = Some(format!("{pod} has none")),
            PodAnswer::NoPort => unchecked = Some(format!("pod {pod} names no port `https` or `http`")),
        }
    }
    match (unasked, unchecked) {
        (Some(why), _) if unasked_for < ASKED_FOR => Serving::Unasked(why),
        (Some(why), _) | (None, Some(why)) => Serving::Unchecked(why),
        (None, None) => Serving::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is Keycloak's own answer, and what the API server's, which passes Keycloak's on.
    #[test]
    fn a_pods_own_answer_is_distinguished_from_the_api_servers() {
        let answered = |code, body: &str| match PodAnswer::of(code, body) {
            PodAnswer::Yes => "yes".to_owned(),
            PodAnswer::No(code) => format!("no, {code}"),
            PodAnswer::NotServed => "none".to_owned(),
            PodAnswer::NoPort => "no port".to_owned(),
            PodAnswer::NotAsked(why) if why.contains("denied") => "denied".to_owned(),
            PodAnswer::NotAsked(_) => "not asked".to_owned(),
        };
        let status = |message: &str| {
            format!(r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}"}}"#)
        };
        let pretty = "{\n  \"kind\": \"Status\",\n  \"status\": \"Failure\"\n}\n";
        let without_the_feature = r#"{"error":"Unable to find matching target resource method"}"#;
        for (code, body, meaning) in [
            (200, r#"{"status":"UP"}"#.to_owned(), "yes"),
            (503, r#"{"status":"DOWN"}"#.to_owned(), "no, 503"),
            (500, String::new(), "no, 500"),
            (404, without_the_feature.to_owned(), "none"),
            (404, status("pods keycloak-0 not found"), "not asked"),
            (403, status("pods keycloak-0 is forbidden"), "denied"),
            (401, pretty.to_owned(), "denied"),
            // The pod's own: a filter in front of Keycloak, or Keycloak itself.
            (403, String::new(), "no, 403"),
            (401, r#"{"error":"HTTP 401 Unauthorized"}"#.to_owned(), "no, 401"),
            (
                403,
                r#"<p>no object of "kind":"Status"</p>"#.to_owned(),
                "no, 403",
            ),
            (
                503,
                "error trying to reach service: timeout".to_owned(),
                "not asked",
            ),
            (502, String::new(), "not asked"),
        ] {
            assert_eq!(answered(code, &body), meaning, "{code} {body}");
        }
    }

    #[test]
    fn a_keycloak_serves_where_all_that_are_wanted_are_ready_and_each_says_so() {
        use PodAnswer::{No, NoPort, NotAsked, NotServed, Yes};
        let away = || NotAsked("away".to_owned());
        let (at_once, later) = (Duration::ZERO, ASKED_FOR);
        let refused = |pod: usize| Serving::Refused(format!("keycloak-{pod} answers 503"));
        let unasked = Serving::Unasked("away".to_owned());
        let unchecked = |why: &str| Serving::Unchecked(why.to_owned());
        for (answers, wanted, unasked_for, meaning) in [
            (vec![Yes, Yes], 2, at_once, Serving::Yes),
            (vec![Yes, Yes], 1, at_once, Serving::Yes),
            // No pod is asked: readiness has followed what they answered.
            (vec![], 2, at_once, Serving::TooFew),
            (vec![], 2, later, Serving::TooFew),
            (vec![], 0, later, Serving::TooFew),
            (vec![Yes], 3, later, Serving::TooFew),
            // Nor does one pass for the others that cannot be asked.
            (vec![away()], 3, later, Serving::TooFew),
            (vec![NotServed], 3, later, Serving::TooFew),
            (vec![Yes, No(503)], 2, at_once, refused(1)),
            (vec![Yes, Yes, No(503)], 2, later, refused(2)),
            (vec![No(503), away()], 2, later, refused(0)),
            (vec![NotServed, No(503)], 2, later, refused(1)),
            (vec![Yes, away()], 2, at_once, unasked.clone()),
            (vec![NotServed, away()], 2, at_once, unasked),
            (vec![Yes, away()], 2, later, unchecked("away")),
            (vec![Yes, NotServed], 2, at_once, unchecked("keycloak-1 has none")),
            (
                vec![NoPort, Yes],
                2,
                at_once,
                unchecked("pod keycloak-0 names no port `https` or `http`"),
            ),
        ] {
            let ready: Vec<AskedPod> = answers
                .iter()
                .enumerate()
                .map(|(number, answer)| AskedPod {
                    pod: format!("keycloak-{number}"),
                    answer: answer.clone(),
                })
                .collect();
            assert_eq!(
                serving(&ready, wanted, unasked_for),
                meaning,
                "{answers:?}, {wanted} wanted, {unasked_for:?}"
            );
        }
    }
}
