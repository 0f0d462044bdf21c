//! Whom to trust, and who we are: certificates, names, passwords, Basic and Digest.

use super::*;

/// Of the server's certificate and the authority's in the bundle the one that ends first is told, once a handshake has
/// shown it; of one that was not accepted nothing is.
#[tokio::test]
async fn what_a_handshake_shows_tells_what_ends_first() {
    for (authority, certificate, subject, is_authority, at) in [
        (2050, 2041, "the server", false, "2041-01-01T00:00:00Z"),
        (2039, 2041, "the authority", true, "2039-01-01T00:00:00Z"),
    ] {
        let password = Arc::new(Mutex::new("p:w".to_owned()));
        let authority = Authority::ending(authority, certificate);
        let scene = scene_of(authority, password, |_| given(200, r#"{"status":"online"}"#)).await;
        assert_eq!(scene.infinispan.first_to_end(&a()), None);
        scene.infinispan.backup(&a(), &b()).await.unwrap();
        let ending = scene.infinispan.first_to_end(&a()).unwrap();
        assert_eq!(
            (
                ending.subject.as_str(),
                ending.is_authority,
                ending.at.to_string().as_str()
            ),
            (subject, is_authority, at)
        );
        // The same server, which site-b's bundle (there is none) does not vouch for.
        assert!(scene.infinispan.backup(&b(), &a()).await.is_err());
        assert_eq!(scene.infinispan.first_to_end(&b()), None);
    }
}

/// Behind a router that passes TLS on the server proves the name that it has in its cluster, and is asked for by the
/// host all the same, for the router goes by that. By whom its certificate is signed is verified in any case.
#[tokio::test]
async fn a_server_may_prove_its_own_name_and_is_asked_for_by_the_dialled_host() {
    const OWN: &str = "infinispan.keycloak.svc";
    for (proves, known, is_trusted) in [
        (OWN, Some(OWN), true),
        ("localhost", Some(OWN), true),
        (OWN, None, false),
        ("other.keycloak.svc", Some(OWN), false),
    ] {
        let password = Arc::new(Mutex::new("p:w".to_owned()));
        let scene = scene_called(known, Authority::for_name(proves), password, |asked| {
            alone(asked, given(200, r#"{"status":"online"}"#))
        })
        .await;
        // How many nodes there are is known before.
        let _ = scene.infinispan.views(&a()).await;
        all_is_quiet().await;
        let answer = scene.infinispan.backup(&a(), &b()).await;
        assert_eq!(answer.is_ok(), is_trusted, "{proves} {known:?} {answer:?}");
        if is_trusted {
            let names: BTreeSet<_> = scene.server.names().into_iter().collect();
            assert_eq!(names, BTreeSet::from([Some("localhost".to_owned())]), "{proves}");
        } else {
            let what = answer.unwrap_err().what;
            assert!(what.contains("not valid for name \"localhost\""), "{what}");
            assert_eq!(scene.server.asked().len(), 0);
        }
        // No bundle vouches for it at site-b.
        assert!(scene.infinispan.backup(&b(), &a()).await.is_err());
    }
}

/// There is a bundle for site-a and none for site-b, which is therefore verified against public roots.
#[tokio::test]
async fn a_server_that_the_topologys_ca_did_not_sign_is_refused() {
    let scene = scene(|_| given(200, "{}")).await;
    let fault = scene.infinispan.backup(&b(), &a()).await.unwrap_err();
    assert_eq!(fault.whom, "site-b's Infinispan");
    assert!(fault.what.contains("certificate"), "{fault}");
    assert_eq!(scene.server.asked().len(), 0);

    // A bundle that cannot be read silences its own site only, and with a reason.
    let broken = tempfile::tempdir().unwrap();
    std::fs::create_dir(broken.path().join("ca")).unwrap();
    std::fs::write(broken.path().join("ca/site-a.pem"), "no certificate").unwrap();
    let infinispan = Infinispan::new(
        &at(scene.server.port),
        Some(broken.path()),
        &secrets(&scene.secrets),
    );
    let fault = infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(
        fault
            .what
            .contains("site-a.pem: the CA bundle holds no certificate"),
        "{fault}"
    );

    let mut plain = at(scene.server.port);
    plain
        .found
        .infinispan_urls
        .insert(a(), "http://localhost:1".to_owned());
    let fault = Infinispan::new(&plain, None, &secrets(&scene.secrets))
        .backup(&a(), &b())
        .await
        .unwrap_err();
    assert!(fault.what.contains("https://host[:port]"), "{fault}");
}

#[tokio::test]
async fn refusals_say_what_to_look_at() {
    for (status, said) in [
        (403, "needs ADMIN"),
        (404, "knows no such site"),
        (503, "it answers 503: busy"),
    ] {
        let scene = scene(move |_| given(status, "busy")).await;
        let fault = scene.infinispan.backup(&a(), &b()).await.unwrap_err();
        assert!(fault.what.contains(said), "{fault}");
        let fault = scene.infinispan.take_offline(&a(), &b()).await.unwrap_err();
        assert!(fault.what.contains(said), "{fault}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_reported_and_a_changed_one_is_read_again() {
    let basic = |asked: &Asked, password: &str| {
        if asked.header("authorization")
            == format!("Basic {}", STANDARD.encode(format!("developer:{password}")))
        {
            given(200, r#"{"status":"offline"}"#)
        } else {
            given(401, "").with("www-authenticate", "Basic realm=\"default\"")
        }
    };
    let scene = scene(move |asked| basic(asked, "another")).await;
    let fault = scene.infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(fault.what.contains("does not accept user `developer`"), "{fault}");
    assert!(!fault.what.contains("p:w"), "{fault}");

    // It was changed at Infinispan, and then in its secret.
    let password = Arc::new(Mutex::new("old".to_owned()));
    let accepted = Arc::new(Mutex::new("old".to_owned()));
    let server_accepts = Arc::clone(&accepted);
    let scene = scene_with(Arc::clone(&password), move |asked| {
        basic(asked, &server_accepts.lock().unwrap())
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    *accepted.lock().unwrap() = "new".to_owned();
    *password.lock().unwrap() = "new".to_owned();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert_eq!(scene.secrets.asked().len(), 2);
    // While it stays wrong, it is not read over and over.
    *accepted.lock().unwrap() = "newer".to_owned();
    for _ in 0..3 {
        assert!(scene.infinispan.backup(&a(), &b()).await.is_err());
    }
    assert_eq!(scene.secrets.asked().len(), 2);
}

/// Each node has nonces of its own, as those of a cluster do.
#[tokio::test]
async fn digest_is_spoken_where_basic_is_not_offered() {
    let scene = scene(|asked| {
        let nonce = format!("nonce-{}", asked.connection);
        let header = asked.header("authorization");
        if header.starts_with("Digest ")
            && header.contains(&format!("nonce=\"{nonce}\""))
            && header.contains("username=\"developer\"")
            && header.contains(&format!("uri=\"{}\"", asked.path))
        {
            return alone(
                asked,
                given(200, r#"{"status":"mixed","online":["a"],"offline":["b"]}"#),
            );
        }
        given(401, "").with(
            "www-authenticate",
            format!("Digest realm=\"default\", nonce=\"{nonce}\", opaque=\"0\", algorithm=SHA-256, qop=auth"),
        )
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    let asked = questions_of_the_pool(&scene);
    assert_eq!(asked.len(), 2);
    all_is_quiet().await;
    // The nonce is known now: one round trip, with the next count.
    let before = scene.server.asked().len();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    let asked = scene.server.asked();
    assert_eq!(asked.len(), before + 1);
    assert!(
        asked
            .last()
            .unwrap()
            .header("authorization")
            .contains("nc=00000002")
    );

    let refusing = self::scene(|asked| {
        let nonce = asked.headers.len() + asked.path.len();
        given(401, "").with(
            "www-authenticate",
            format!("Digest realm=\"d\", nonce=\"{nonce}\", qop=auth"),
        )
    })
    .await;
    let fault = refusing.infinispan.backup(&a(), &b()).await.unwrap_err();
    assert!(fault.what.contains("does not accept"), "{fault}");
    assert!(questions_of_the_pool(&refusing).len() <= 4);
}

/// As real servers refuse a mechanism: a 403 that names none that they take.
#[tokio::test]
async fn a_mechanism_that_is_not_taken_is_no_lack_of_rights() {
    let scene = scene(|asked| match asked.header("authorization") {
        header if header.starts_with("Digest ") => alone(asked, given(200, r#"{"status":"offline"}"#)),
        "" => given(401, "").with("www-authenticate", "Digest realm=\"d\", nonce=\"n\", qop=auth"),
        _ => given(
            403,
            "ISPN080052: The request authentication mechanism 'BASIC' is not supported",
        ),
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert_eq!(questions_of_the_pool(&scene).len(), 3);
    all_is_quiet().await;
    // It is known now.
    let before = scene.server.asked().len();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert_eq!(scene.server.asked().len(), before + 1);
    // A server that takes nothing of what we have is named as such, and not asked for ever.
    let refusing = self::scene(|asked| match asked.header("authorization") {
        "" => given(401, "").with("www-authenticate", "Digest realm=\"d\", nonce=\"n\", qop=auth"),
        _ => given(
            403,
            "ISPN080052: The request authentication mechanism is not supported",
        ),
    })
    .await;
    assert!(refusing.infinispan.backup(&a(), &b()).await.is_err());
    assert!(
        refusing.server.asked().len() <= 24,
        "{}",
        refusing.server.asked().len()
    );
}
