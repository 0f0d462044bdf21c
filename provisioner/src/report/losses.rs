//! What only one site has, for the person who is asked for consent: numbers, and never a key.

use std::fmt::Write as _;

use fencing::losses::{CacheLoss, Losses};

/// The table, with what becomes of each cache: `cleared` are those that a rejoin empties. Without any, all goes that
/// only the one site has.
pub fn losses_text(losses: &Result<Losses, String>, given_up: &str, cleared: &[String]) -> String {
    let losses = match losses {
        Ok(losses) if !losses.caches.is_empty() => losses,
        Ok(losses) => return not_known(given_up, &losses.silent.join("; ")),
        Err(why) => return not_known(given_up, why),
    };
    let (there, here) = (losses.given_up.as_str(), losses.kept.as_str());
    let only = format!("only {there}");
    let width = |words: &mut dyn Iterator<Item = usize>, least: usize| words.fold(least, usize::max);
    let name = width(
        &mut losses.caches.iter().map(|cache| cache.cache.len()),
        "entries of".len(),
    );
    let (a, b, c) = (there.len().max(8), here.len().max(8), only.len());
    let mut text = format!("{:<name$}  {there:>a$}  {here:>b$}  {only:>c$}\n", "entries of");
    for cache in &losses.caches {
        let row = format!(
            "{:<name$}  {:>a$}  {:>b$}  {:>c$}  {}",
            cache.cache,
            number(cache.given_up),
            number(cache.kept),
            number(cache.only_given_up),
            becomes(cache, cleared)
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", row.trim_end());
    }
    for silent in &losses.silent {
        let _ = writeln!(text, "not counted: {silent}");
    }
    text
}

fn not_known(given_up: &str, why: &str) -> String {
    let why = match why {
        "" => "no cache is replicated",
        why => why,
    };
    format!("what only {given_up} has could not be counted: {why}\n")
}

fn number(counted: Option<u64>) -> String {
    counted.map_or_else(|| "?".to_owned(), |counted| counted.to_string())
}

fn becomes(cache: &CacheLoss, cleared: &[String]) -> String {
    if let Some(why) = &cache.not_compared {
        return format!("keys not compared: {why}");
    }
    let is_cleared = cleared.is_empty() || cleared.contains(&cache.cache);
    match cache.only_given_up {
        Some(0) | None => String::new(),
        Some(_) if is_cleared => "lost".to_owned(),
        Some(_) => "stay there alone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fencing::words::SiteName;

    use super::*;

    fn losses() -> Losses {
        let site = |name| SiteName::new(name).unwrap();
        let cache = |name: &str, given_up, kept, only_given_up| CacheLoss {
            only_given_up,
            ..CacheLoss::of_sizes(name, given_up, kept)
        };
        Losses {
            given_up: site("site-b"),
            kept: site("site-a"),
            caches: vec![
                cache("authenticationSessions", Some(9), Some(9), Some(0)),
                cache("sessions", Some(120), Some(118), Some(3)),
                cache("work", Some(3), Some(0), Some(3)),
                cache("offlineSessions", Some(20_000), Some(7), None)
                    .not_compared("more than 10000 entries".to_owned()),
            ],
            silent: Vec::new(),
        }
    }

    #[test]
    fn what_is_cleared_is_lost_and_the_rest_stays_where_it_is() {
        let text = losses_text(&Ok(losses()), "site-b", &["work".to_owned()]);
        assert_eq!(
            text,
            "entries of                site-b    site-a  only site-b\n\
             authenticationSessions         9         9            0\n\
             sessions                     120       118            3  stay there alone\n\
             work                           3         0            3  lost\n\
             offlineSessions            20000         7            ?  keys not compared: more than 10000 entries\n"
        );
        // Where the site is given up all of it is.
        let text = losses_text(&Ok(losses()), "site-b", &[]);
        assert!(
            text.contains("            3  lost\n") && !text.contains("stay"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_counted_is_said_with_its_reason() {
        let refused = Err("connection refused".to_owned());
        assert_eq!(
            losses_text(&refused, "site-b", &[]),
            "what only site-b has could not be counted: connection refused\n"
        );
        let half = Losses {
            silent: vec!["site-a's Infinispan: no answer in time".to_owned()],
            ..losses()
        };
        let text = losses_text(&Ok(half), "site-b", &[]);
        assert!(
            text.ends_with("not counted: site-a's Infinispan: no answer in time\n"),
            "{text}"
        );
    }
}
