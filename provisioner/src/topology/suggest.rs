//! "Did you mean": the nearest of a few known words.

/// The word of `known` that `text` was most likely meant to be, if one is near enough to be worth saying.
pub(crate) fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    known
        .into_iter()
        .map(|word| {
            let distance = strsim::damerau_levenshtein(&lower, &word.to_lowercase());
            // One that is part of the other is near whatever its length: `repeat` for `repeatInterval`,
            // `kubecontext` for `context`.
            let word_lower = word.to_lowercase();
            let is_part = lower.len() >= 4
                && word.len() >= 4
                && (word_lower.starts_with(&lower)
                    || lower.starts_with(&word_lower)
                    || lower.ends_with(&word_lower));
            (if is_part { distance.min(1) } else { distance }, word)
        })
        .filter(|(distance, word)| {
            *distance <= (word.len() / 3).clamp(1, 3).min(word.len().saturating_sub(1))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Words that others use for one of ours.
const SYNONYMS: &[(&str, &str)] = &[
    ("amd64", "x86_64"),
    ("x86-64", "x86_64"),
    ("x64", "x86_64"),
    ("intel", "x86_64"),
    ("aarch64", "arm64"),
    ("graviton", "arm64"),
    ("arm", "arm64"),
    ("rosa", "openshift"),
    ("ocp", "openshift"),
    ("okd", "openshift"),
    ("aro", "openshift"),
    ("eks", "kubernetes"),
    ("aks", "kubernetes"),
    ("gke", "kubernetes"),
    ("k8s", "kubernetes"),
    ("kube", "kubernetes"),
    ("vanilla", "kubernetes"),
    ("dynamodb", "table"),
    ("global", "strong"),
    ("mrsc", "strong"),
    ("active", "act"),
    ("enforce", "act"),
    ("dry-run", "observe"),
    ("dryrun", "observe"),
    ("audit", "observe"),
    ("external-secrets", "manual"),
    ("none", "manual"),
];

/// Like [`closest`], but also by what others call it.
pub(crate) fn meant<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = text.trim().to_lowercase();
    let synonym = SYNONYMS
        .iter()
        .filter(|(other, _)| *other == lower)
        .find_map(|(_, ours)| known.iter().copied().find(|word| word == ours));
    synonym.or_else(|| closest(&lower, known.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::{closest, meant};

    #[test]
    fn the_words_of_others_are_understood() {
        for (text, known, word) in [
            ("amd64", &["arm64", "x86_64"][..], Some("x86_64")),
            ("ROSA", &["openshift", "kubernetes"], Some("openshift")),
            ("eks", &["openshift", "kubernetes"], Some("kubernetes")),
            ("Openshift4", &["openshift", "kubernetes"], Some("openshift")),
            ("eks", &["act", "observe"], None),
        ] {
            assert_eq!(meant(text, known), word, "{text}");
        }
    }

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["region", "regions", "namespace", "repeatInterval", "name"];
        for (text, word) in [
            ("regoin", Some("region")),
            ("Region", Some("region")),
            ("name_space", Some("namespace")),
            ("repeat", Some("repeatInterval")),
            ("repeat_interval", Some("repeatInterval")),
            ("nmae", Some("name")),
            ("kubernetes", None),
            ("kube_namespace", Some("namespace")),
            ("namespaces", Some("namespace")),
            ("", None),
        ] {
            assert_eq!(closest(text, known), word, "{text}");
        }
    }
}
