#![allow(clippy::unwrap_used)]
use super::*;
use crate::timed_call::TimedCall;

#[test]
fn a_revision_waits_where_others_may_still_have_something_under_way() {
    let claim = || {
        Some(Claim {
            owner: "r1".to_owned(),
            until: Timestamp::UNIX_EPOCH,
        })
    };
    for (waiting, unsettled, state, claim, expected) in [
        (false, false, State::Isolated, None, false),
        (true, false, State::Decided, None, true),
        (false, true, State::Isolated, None, true),
        (false, true, State::Isolated, claim(), false),
        (false, true, State::Decided, None, false),
        (true, true, State::Isolated, None, true),
    ] {
        let record = Record {
            waiting,
            unsettled,
            state,
            claim,
            ..Record::empty()
        };
        assert_eq!(record.waits(), expected, "{record:?}");
    }
}

#[test]
fn an_episode_goes_on_while_no_hour_lies_in_between() {
    let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
    let mut record = Record::empty();
    let mut told = Vec::new();
    for minutes in [100, 101, 160, 221, 281, 100, 161] {
        let (next, episode) = record.happening("put-back", at(minutes));
        told.push((episode.times, episode.since));
        record = next;
    }
    let (first, second) = (at(100), at(221));
    let expected = [
        (1, first),
        (2, first),
        (3, first),
        (1, second),
        (2, second),
        (3, second),
        (1, at(161)),
    ];
    assert_eq!(told, expected);
    let (_, other) = record.happening("cut-forgotten", at(161));
    assert_eq!(other.times, 1);
}

/// A record in which everything is set.
fn busy() -> Record {
    let site = |text| SiteName::new(text).unwrap();
    Record {
        schema: SCHEMA,
        epoch: Epoch(4),
        rev: Rev(9),
        state: State::Rejoining,
        decision: Some(Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: Outcome::default(),
            by: "site-a's alert".to_owned(),
            evidence: "a test".to_owned(),
            decided_at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60),
            alerted_at: Some(Timestamp::UNIX_EPOCH),
        }),
        claim: Some(Claim {
            owner: "r1".to_owned(),
            until: Timestamp::UNIX_EPOCH,
        }),
        token: Some(Token::of(Rev(9), "r1")),
        waiting: true,
        unsettled: true,
        pushes_cleared: Some(Epoch(4)),
        rejoin: Some(Rejoin {
            session: "s1".to_owned(),
            step: RejoinStep::Push,
            restarts: 1,
        }),
        hold: Some(Hold {
            by: "ana".to_owned(),
            reason: "work".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            until: None,
        }),
        cooldown_until: Some(Timestamp::UNIX_EPOCH),
        divided_since: [(site("site-a"), Timestamp::UNIX_EPOCH)].into(),
        recovery_seen_at: Some(Timestamp::UNIX_EPOCH),
        refilled_at: Some(Timestamp::UNIX_EPOCH),
        completed: true,
        episodes: [("put-back".to_owned(), Episode::next(None, Timestamp::UNIX_EPOCH))].into(),
        noted_in: Some(Epoch(4)),
        restores: None,
        places: vec![Place {
            site: site("site-b"),
            group_arn: "arn".to_owned(),
            config: crate::accelerator::EndpointConfig {
                id: "id".to_owned(),
                weight: None,
                client_ip_preservation: None,
            },
        }],
        calls_before: CallsBefore::of(Rev(9), &[TimedCall::new("read the register", 7, None)]),
        by: "r1".to_owned(),
        written_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn nothing_of_an_epoch_is_left_in_the_next_nor_when_it_is_over() {
    let before = busy();
    let decision = before.decision.clone().unwrap();
    let bare = Record {
        rev: Rev(10),
        by: "r2".to_owned(),
        hold: before.hold.clone(),
        places: before.places.clone(),
        ..Record::empty()
    };
    let decided = Record {
        epoch: Epoch(5),
        state: State::Decided,
        written_at: decision.decided_at,
        decision: Some(decision.clone()),
        ..bare.clone()
    };
    assert_eq!(before.decided(decision, "r2"), decided);
    let (quiet, now) = (
        Timestamp::MAX,
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(7),
    );
    let opened = Record {
        epoch: Epoch(4),
        written_at: now,
        cooldown_until: Some(quiet),
        ..bare
    };
    assert_eq!(before.opened(quiet, "r2", now), opened);
}

#[test]
fn a_revision_keeps_everything_but_its_authorship() {
    let before = Record { schema: 0, ..busy() };
    let later = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(7);
    let after = Record {
        schema: SCHEMA,
        rev: Rev(10),
        by: "somebody else".to_owned(),
        written_at: later,
        token: None,
        calls_before: None,
        ..before.clone()
    };
    assert_eq!(before.revised("somebody else", later), after);
}
