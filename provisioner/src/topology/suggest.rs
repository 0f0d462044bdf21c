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

#[cfg(test)]
mod tests {
    use super::closest;

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
