//! "Did you mean": the nearest of a few known words.

/// The word of `known` that `text` was most likely meant to be, if one is near enough to be worth saying.
pub(crate) fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    known
        .into_iter()
        .map(|word| {
            let distance = strsim::damerau_levenshtein(&lower, &word.to_lowercase());
            // A word that begins with the other is near whatever its length: `repeat` for `repeatInterval`.
            let begins = lower.len() >= 4 && word.to_lowercase().starts_with(&lower);
            (if begins { distance.min(1) } else { distance }, word)
        })
        .filter(|(distance, word)| *distance <= (word.len() / 3).clamp(1, 3))
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
            ("", None),
        ] {
            assert_eq!(closest(text, known), word, "{text}");
        }
    }
}
