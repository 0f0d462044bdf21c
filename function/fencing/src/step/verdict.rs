//! What is to be done about a decision that the register calls complete, from what is seen of the world: a table.

use crate::replication::{Backup, Pushed, Sight};

/// What a completed decision and the world together mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    Fine,
    /// Infinispan forgot the cut: cut again.
    Recut,
    /// The fenced site is back in the accelerator while it cannot be in step: carry out the decision again.
    Refence,
    /// Both are back, and replicate: people recovered by hand.
    Recovered,
    /// Nothing we know: leave it alone.
    Unexplained,
}

/// What was seen of the accelerator, as far as it matters here: the survivor is in each listener of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Balance {
    /// The survivor and nobody else. In which group, is for people to arrange.
    Survivor,
    /// Both sites; the survivor's health is not worse.
    Both,
    /// Both sites, but the survivor looks worse or is drained: people may have put the other back for a reason.
    BothSurvivorWorse,
    Else,
}

/// The table: what to do about a decision that the register calls complete. `sight` and `pushed` are only asked
/// for where they matter (see [`needs_sight`] and [`needs_pushed`]).
///
/// That replication is on and the sites see each other says nothing about whether the fenced site is in step: a
/// survivor whose Infinispan restarted looks the same, and sends changes to a site that lacks what was before
/// them. What tells them apart is whether state was pushed.
pub fn verdict(balance: Balance, backup: Backup, sight: Option<Sight>, pushed: Option<Pushed>) -> Verdict {
    match (balance, backup, sight, pushed) {
        (Balance::Survivor, Backup::Offline, ..) => Verdict::Fine,
        (Balance::Survivor, Backup::Online | Backup::Mixed, Some(Sight::Misses), _)
        | (Balance::Survivor, Backup::Online | Backup::Mixed, Some(Sight::Sees), Some(Pushed::Nothing)) => {
            Verdict::Recut
        }
        (Balance::Both, Backup::Offline, ..) => Verdict::Refence,
        // The link was lost again before a recovery by hand was believed. The decision still stands.
        (Balance::Both, Backup::Online | Backup::Mixed, Some(Sight::Misses), _)
        | (Balance::Both, Backup::Online | Backup::Mixed, Some(Sight::Sees), Some(Pushed::Nothing)) => {
            Verdict::Refence
        }
        (
            Balance::Both | Balance::BothSurvivorWorse,
            Backup::Online,
            Some(Sight::Sees),
            Some(Pushed::All),
        ) => Verdict::Recovered,
        _ => Verdict::Unexplained,
    }
}

/// Whether the survivor's view has to be asked for.
pub fn needs_sight(balance: Balance, backup: Backup) -> bool {
    backup != Backup::Offline && balance != Balance::Else
}

/// Whether the survivor has to be asked what state it pushed.
pub fn needs_pushed(sight: Option<Sight>) -> bool {
    sight == Some(Sight::Sees)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row by row as docs/protocol.md has it, and everything that is in no row.
    #[test]
    fn each_row_of_the_table() {
        use Backup::{Mixed, Offline, Online};
        use Sight::{Misses, Sees};
        const ALL: [Pushed; 3] = [Pushed::Nothing, Pushed::Some, Pushed::All];
        use Balance::{Both, BothSurvivorWorse, Else, Survivor};
        use Verdict::{Fine, Recovered, Recut, Refence, Unexplained};
        for (balance, backup, sight, expected) in [
            (Survivor, Offline, None, [Fine; 3]),
            (Survivor, Online, Some(Misses), [Recut; 3]),
            (Survivor, Mixed, Some(Misses), [Recut; 3]),
            (Survivor, Online, Some(Sees), [Recut, Unexplained, Unexplained]),
            (Survivor, Mixed, Some(Sees), [Recut, Unexplained, Unexplained]),
            (Both, Offline, None, [Refence; 3]),
            (Both, Online, Some(Sees), [Refence, Unexplained, Recovered]),
            (Both, Online, Some(Misses), [Refence; 3]),
            (Both, Mixed, Some(Misses), [Refence; 3]),
            (Both, Mixed, Some(Sees), [Refence, Unexplained, Unexplained]),
            (BothSurvivorWorse, Offline, None, [Unexplained; 3]),
            (
                BothSurvivorWorse,
                Online,
                Some(Sees),
                [Unexplained, Unexplained, Recovered],
            ),
            (BothSurvivorWorse, Online, Some(Misses), [Unexplained; 3]),
            (BothSurvivorWorse, Mixed, Some(Sees), [Unexplained; 3]),
            (Else, Offline, None, [Unexplained; 3]),
            (Else, Online, None, [Unexplained; 3]),
            (Else, Mixed, None, [Unexplained; 3]),
        ] {
            for (pushed, expected) in ALL.into_iter().zip(expected) {
                let asked = needs_pushed(sight).then_some(pushed);
                assert_eq!(
                    verdict(balance, backup, sight, asked),
                    expected,
                    "{balance:?} {backup:?} {sight:?} {pushed:?}"
                );
            }
            assert_eq!(
                needs_sight(balance, backup),
                sight.is_some(),
                "{balance:?} {backup:?}"
            );
        }
    }
}
