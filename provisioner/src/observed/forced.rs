//! What `fence --force` leaves at the functions that it has stopped.
//!
//! It is for when the register does not answer, so the register cannot say what was done. The functions can, by tags:
//! they had to be stopped anyway, in every Region, and people who look at one of them see why it does not run.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::topology::SiteName;

const SITE: &str = "sitefence:forced-fence";
const STEP: &str = "sitefence:forced-step";
const AT: &str = "sitefence:forced-at";
const BY: &str = "sitefence:forced-by";
const CONCURRENCY: &str = "sitefence:concurrency-before";
const NONE: &str = "none";

pub const KEYS: [&str; 5] = [SITE, STEP, AT, BY, CONCURRENCY];

/// How far a forced fence came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForcedStep {
    /// Functions are being stopped, or were. Nothing else was done.
    Stopped,
    /// The fence was being carried out, or is.
    Begun,
    /// The same with the cut alone: the accelerator's API was down, too.
    CutAlone,
}

impl ForcedStep {
    const ALL: [Self; 3] = [Self::Stopped, Self::Begun, Self::CutAlone];

    /// The tag of the step alone.
    pub fn tag(self) -> BTreeMap<String, String> {
        BTreeMap::from([(STEP.to_owned(), self.word().to_owned())])
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Begun => "begun",
            Self::CutAlone => "cut-alone",
        }
    }
}

/// A fence by force that is not written down yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedFence {
    pub fenced: SiteName,
    pub step: ForcedStep,
    /// Since when.
    pub at: Timestamp,
    pub by: String,
    /// What was reserved for the function before it was stopped; nothing if nothing was.
    pub concurrency: Option<u32>,
}

impl ForcedFence {
    pub fn tags(&self) -> BTreeMap<String, String> {
        let concurrency = self
            .concurrency
            .map_or_else(|| NONE.to_owned(), |executions| executions.to_string());
        [
            (SITE, self.fenced.to_string()),
            (STEP, self.step.word().to_owned()),
            (AT, self.at.to_string()),
            (BY, self.by.clone()),
            (CONCURRENCY, concurrency),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// The tags of who is at it alone.
    pub fn signature(at: Timestamp, by: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(AT.to_owned(), at.to_string()), (BY.to_owned(), by.to_owned())])
    }

    /// What tags say, if they say it.
    pub fn read(tags: &BTreeMap<String, String>) -> Option<Self> {
        let concurrency = tags.get(CONCURRENCY)?;
        let step = tags.get(STEP)?;
        Some(Self {
            fenced: SiteName::new(tags.get(SITE)?).ok()?,
            step: ForcedStep::ALL.into_iter().find(|known| known.word() == step)?,
            at: tags.get(AT)?.parse().ok()?,
            by: tags.get(BY)?.clone(),
            concurrency: match concurrency.as_str() {
                NONE => None,
                number => Some(number.parse().ok()?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_left_is_read_as_it_was_written() {
        for step in ForcedStep::ALL {
            for concurrency in [None, Some(0), Some(7)] {
                let left = ForcedFence {
                    fenced: SiteName::new("site-b").unwrap(),
                    step,
                    at: "2026-11-21T10:00:00Z".parse().unwrap(),
                    by: "arn:aws:sts::1:assumed-role/ops/ana".to_owned(),
                    concurrency,
                };
                let tags = left.tags();
                assert_eq!(ForcedFence::read(&tags), Some(left.clone()));
                assert!(tags.keys().all(|key| KEYS.contains(&key.as_str())));
                for key in KEYS {
                    let mut less = left.tags();
                    less.remove(key);
                    assert_eq!(ForcedFence::read(&less), None, "{key}");
                }
            }
        }
    }
}
