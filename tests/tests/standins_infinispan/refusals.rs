//! Credentials, certificates, faults and silence.

use super::*;

#[tokio::test]
async fn reading_needs_a_password_and_sites_need_the_right_to_administer() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    for wrong in [
        None,
        Some((USER, "wrong")),
        Some(("", PASSWORD)),
        Some((USER, "p@ss:wörd")),
    ] {
        let answer = asker
            .as_user(wrong, Method::GET, site, "/rest/v2/container")
            .await
            .unwrap();
        assert_eq!(answer.status, 401);
        // What was tried is what is offered again; who tries nothing may choose.
        let offered = if wrong.is_some() { "Basic " } else { "Digest " };
        assert!(answer.challenge.unwrap().starts_with(offered));
    }
    let viewer = Some(("viewer", "viewer"));
    let may = asker
        .as_user(viewer, Method::GET, site, "/rest/v2/container")
        .await
        .unwrap();
    assert_eq!(may.status, 200, "so a readable container proves nothing");
    let get = asker.as_user(viewer, Method::GET, site, BACKUP_B).await.unwrap();
    let post = asker
        .as_user(viewer, Method::POST, site, TAKE_B_OFFLINE)
        .await
        .unwrap();
    assert_eq!((get.status, post.status), (403, 403));
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
    assert!(pair.set_role("viewer", Role::Admin));
    let post = asker
        .as_user(viewer, Method::POST, site, TAKE_B_OFFLINE)
        .await
        .unwrap();
    assert_eq!(post.status, 200);
    assert!(pair.set_password(USER, "rotated"));
    let old = asker
        .as_user(Some((USER, PASSWORD)), Method::GET, site, BACKUP_B)
        .await
        .unwrap();
    assert_eq!(old.status, 401);
    let health = asker
        .as_user(None, Method::GET, site, "/rest/v2/container/health/status")
        .await
        .unwrap();
    assert_eq!((health.status, health.text.as_str()), (200, "HEALTHY"));
}

/// As real servers do that take Digest alone: a 403 without a challenge, as if a right were lacking.
#[tokio::test]
async fn a_mechanism_that_is_not_taken_is_refused_by_name() {
    let pair = InfinispanPair::builder(["site-a", "site-b"])
        .user(USER, PASSWORD, Role::Admin)
        .digest_alone()
        .start()
        .unwrap();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    let refused = asker
        .as_user(Some((USER, PASSWORD)), Method::GET, site, BACKUP_B)
        .await
        .unwrap();
    assert_eq!((refused.status, refused.challenge), (403, None));
    assert!(
        refused.text.starts_with("ISPN080052") && refused.text.contains("'BASIC'"),
        "{}",
        refused.text
    );
    let nobody = asker.as_user(None, Method::GET, site, BACKUP_B).await.unwrap();
    assert_eq!(nobody.status, 401);
    assert!(nobody.challenge.unwrap().starts_with("Digest "));
}

#[tokio::test]
async fn ordered_faults_are_met_once_and_logged() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    for status in [401, 403, 500, 503] {
        site.faults()
            .next(Operation::TakeOffline, 1, &Fault::Status(status));
        assert_eq!(asker.post(site, TAKE_B_OFFLINE).await.status, status);
    }
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
    site.faults()
        .next(Operation::TakeOffline, 1, &Fault::ClosedBeforeEffect);
    let credentials = Some((USER, PASSWORD));
    assert!(
        asker
            .as_user(credentials, Method::POST, site, TAKE_B_OFFLINE)
            .await
            .is_err()
    );
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Online));
    site.faults()
        .next(Operation::TakeOffline, 1, &Fault::AppliedReplyLost);
    assert!(
        asker
            .as_user(credentials, Method::POST, site, TAKE_B_OFFLINE)
            .await
            .is_err()
    );
    assert_eq!(pair.world().replication("site-a"), Some(BackupStatus::Offline));
    let writes = pair
        .calls()
        .matching(|call| call.operation.is_some_and(Operation::writes));
    assert_eq!(writes.len(), 6);
    assert!(writes.iter().all(|call| call.user.as_deref() == Some(USER)));
    assert_eq!(writes[5].outcome, Outcome::Met(Fault::AppliedReplyLost));
    assert_eq!(writes[5].backup_site.as_deref(), Some("site-b"));
}

#[tokio::test]
async fn a_hanging_call_hangs_with_and_without_its_effect() {
    let pair = started();
    let site = pair.site("site-a").unwrap();
    for (fault, status) in [
        (Fault::Hang, BackupStatus::Online),
        (Fault::AppliedThenHang, BackupStatus::Offline),
    ] {
        site.faults().next(Operation::TakeOffline, 1, &fault);
        let asker = Asker::new(&pair);
        let asking = asker.post(site, TAKE_B_OFFLINE);
        tokio::select! {
            answer = asking => panic!("answered {}", answer.status),
            arrived = pair.calls().reached(Duration::from_secs(10), |calls| {
                calls.iter().any(|call| call.outcome == Outcome::Met(fault.clone()))
            }) => assert!(arrived),
        }
        assert_eq!(pair.world().replication("site-a"), Some(status));
    }
}

#[tokio::test]
async fn a_dead_site_refuses_and_a_silent_one_says_nothing() {
    let pair = started();
    let site = pair.site("site-b").unwrap();
    let address = site.endpoint();
    site.die();
    let refused = std::net::TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    site.come_back();
    assert_eq!(
        Asker::new(&pair).get(site, "/rest/v2/container").await.status,
        200
    );
    let kept_alive = Asker::new(&pair);
    kept_alive.get(site, "/rest/v2/container").await;
    site.ignore_clients();
    assert!(pair.world().joined(), "only its clients are ignored");
    for asker in [kept_alive, Asker::new(&pair)] {
        let asking = asker.get(site, "/rest/v2/container");
        let silence = tokio::time::timeout(Duration::from_millis(200), asking).await;
        assert!(silence.is_err(), "both old and new connections hear nothing");
    }
    site.die_silently();
    assert!(!pair.world().joined());
    site.come_back();
    assert_eq!(
        Asker::new(&pair).get(site, "/rest/v2/container").await.status,
        200
    );
}

#[tokio::test]
async fn certificates_that_do_not_prove_the_site_are_refused_by_its_clients() {
    for (certificate, complaint) in [
        (ServerCertificate::Untrusted, "unknownissuer"),
        (ServerCertificate::Expired, "expired"),
        (ServerCertificate::OtherName, "not valid for name"),
    ] {
        let pair = InfinispanPair::builder(["site-a", "site-b"])
            .user(USER, PASSWORD, Role::Admin)
            .certificate("site-b", certificate)
            .start()
            .unwrap();
        let asker = Asker::new(&pair);
        assert_eq!(
            asker
                .get(pair.site("site-a").unwrap(), "/rest/v2/container")
                .await
                .status,
            200
        );
        let site = pair.site("site-b").unwrap();
        let credentials = Some((USER, PASSWORD));
        let refused = asker
            .as_user(credentials, Method::GET, site, "/rest/v2/container")
            .await;
        let Err(refused) = refused else {
            panic!("{certificate:?} was accepted")
        };
        assert!(refused.to_lowercase().contains(complaint), "{refused}");
        assert!(site.calls().is_empty(), "no credentials were sent to it");
    }
}

#[tokio::test]
async fn what_the_stand_in_does_not_know_it_says() {
    let pair = started();
    let (asker, site) = (Asker::new(&pair), pair.site("site-a").unwrap());
    for (method, path) in [
        (Method::GET, "/rest/v3/container"),
        (Method::DELETE, "/rest/v2/caches/work"),
    ] {
        let answer = asker
            .as_user(Some((USER, PASSWORD)), method, site, path)
            .await
            .unwrap();
        assert_eq!(answer.status, 404);
        assert!(
            answer.text.contains("does not know") && answer.text.contains(path),
            "{}",
            answer.text
        );
    }
    assert!(site.calls().iter().all(|call| call.operation.is_none()));
}
