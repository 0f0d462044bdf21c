//! Which node answers: one connection for all questions, and a connection to each node where each has its own word.

use super::*;

#[tokio::test]
async fn one_connection_serves_all_questions() {
    let scene = scene(|asked| alone(asked, given(200, r#"{"status":"online"}"#))).await;
    scene.infinispan.views(&a()).await.unwrap();
    for _ in 0..3 {
        all_is_quiet().await;
        scene.infinispan.backup(&a(), &b()).await.unwrap();
    }
    let asked = scene.server.asked();
    let questions = asked.iter().filter(|asked| asked.path != "/rest/v2/container");
    let connections: Vec<usize> = questions.map(|asked| asked.connection).collect();
    assert_eq!(connections, [connections[0]; 3]);
}

/// Of three nodes behind one address, each says of its own backup what this says; who it is, is told by the connection.
/// What a node is told it does, unless it was told before; others do not hear of it.
async fn three_nodes(said: [&'static str; 3]) -> (Scene, Arc<Mutex<[&'static str; 3]>>) {
    let said = Arc::new(Mutex::new(said));
    let nodes = Arc::clone(&said);
    let scene = scene(move |asked| {
        let node = asked.connection % 3;
        match asked.path.as_str() {
            "/rest/v2/container" => {
                let names = ["n0", "n1", "n2"];
                given(200, member(names[node], &names).to_string())
            }
            path if path.ends_with("action=take-offline") => {
                nodes.lock().unwrap()[node] = "offline";
                given(200, r#"{"sessions":"ok"}"#)
            }
            path if path.ends_with("action=bring-online") => {
                nodes.lock().unwrap()[node] = "online";
                given(200, r#"{"sessions":"ok"}"#)
            }
            _ => given(200, json!({"status": nodes.lock().unwrap()[node]}).to_string()),
        }
    })
    .await;
    (scene, said)
}

/// As Infinispan 16 has it: what one node says of its backup says nothing about the others.
#[tokio::test]
async fn every_node_is_asked_whether_it_is_cut() {
    for (said, expected) in [
        (["offline"; 3], Backup::Offline),
        (["online"; 3], Backup::Online),
        (["offline", "offline", "online"], Backup::Mixed),
        (["online", "offline", "offline"], Backup::Mixed),
        (["offline", "mixed", "offline"], Backup::Mixed),
    ] {
        let (scene, _) = three_nodes(said).await;
        let mut connections = Vec::new();
        let began = Instant::now();
        for look in 0..3 {
            let read = scene.infinispan.backup(&a(), &b()).await;
            assert_eq!(read, Ok(expected), "{said:?}, look {look}");
            connections.push(scene.server.connections());
        }
        // What was opened to each is kept. On a busy machine an answer may be too late, and then another is opened.
        if began.elapsed() < Duration::from_millis(600) {
            assert_eq!(connections, [connections[0]; 3]);
        }
        let reach = scene.infinispan.reach(&a(), &b()).await.unwrap();
        assert!(
            matches!(reach, Reach::Answers(backup, _) if backup == expected),
            "{reach:?}"
        );
    }
}

/// Told once more, the node that is cut already does nothing, and tells nobody.
#[tokio::test]
async fn a_node_that_was_left_out_is_asked_itself() {
    let (scene, said) = three_nodes(["offline", "online", "online"]).await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    scene.infinispan.take_offline(&a(), &b()).await.unwrap();
    assert_eq!(*said.lock().unwrap(), ["offline"; 3]);
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    // Who did as it was told is not told again.
    let told = |scene: &Scene| {
        let asked = scene.server.asked();
        asked.iter().filter(|asked| asked.method == "POST").count()
    };
    let before = told(&scene);
    scene.infinispan.take_offline(&a(), &b()).await.unwrap();
    assert_eq!(told(&scene), before + 1);

    *said.lock().unwrap() = ["online", "online", "offline"];
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    scene.infinispan.bring_online(&a(), &b()).await.unwrap();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Online));
}

/// One that hangs is not waited for, and a balancer that leads to one node for ever is not asked for ever.
#[tokio::test]
async fn a_node_that_is_not_met_holds_up_nobody_for_long() {
    let hangs = scene(|asked| {
        let node = ["n0", "n1", "n2"][asked.connection % 3];
        let reply = match asked.path.as_str() {
            "/rest/v2/container" => given(200, member(node, &["n0", "n1", "n2"]).to_string()),
            _ => given(200, r#"{"status":"offline"}"#),
        };
        if node == "n2" {
            reply.after(Duration::from_secs(60))
        } else {
            reply
        }
    })
    .await;
    let began = Instant::now();
    assert_eq!(hangs.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

    let same = scene(|asked| match asked.path.as_str() {
        "/rest/v2/container" => given(200, member("n0", &["n0", "n1", "n2"]).to_string()),
        _ => given(200, r#"{"status":"offline"}"#),
    })
    .await;
    assert_eq!(same.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    assert!(same.server.connections() <= 8, "{}", same.server.connections());
}

/// A node that is out of its site's cluster says that it is alone. Whoever was met before is asked all the same: it may
/// be the one that goes on replicating.
#[tokio::test]
async fn a_node_that_calls_itself_alone_hides_nobody_who_was_met() {
    let apart = Arc::new(Mutex::new(false));
    let are_apart = Arc::clone(&apart);
    let scene = scene(move |asked| {
        let node = ["n1", "n2"][asked.connection % 2];
        let status = ["offline", "online"][asked.connection % 2];
        let mut says = member(node, &["n1", "n2"]);
        if *are_apart.lock().unwrap() {
            says = member(node, &[node]);
            says["relay_node"] = json!(true);
            says["relay_nodes_address"] = json!([node]);
        }
        match asked.path.as_str() {
            "/rest/v2/container" => given(200, says.to_string()),
            _ => given(200, json!({"status": status}).to_string()),
        }
    })
    .await;
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
    *apart.lock().unwrap() = true;
    let views = scene.infinispan.views(&a()).await.unwrap();
    assert_eq!(views.len(), 1, "{views:?}");
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
}

/// Nor does one that was met before and hangs now take the time in which others are met.
#[tokio::test]
async fn a_node_that_was_met_and_hangs_keeps_nobody_from_being_asked() {
    let met = Arc::new(Mutex::new(None));
    let were_met = Arc::clone(&met);
    let scene = scene(move |asked| {
        let first: Option<usize> = *were_met.lock().unwrap();
        let (node, status) = match first {
            Some(connections) if asked.connection >= connections => {
                [("n1", "offline"), ("n2", "online")][asked.connection % 2]
            }
            _ => ("n0", "offline"),
        };
        let reply = match asked.path.as_str() {
            "/rest/v2/container" => given(200, member(node, &["n0", "n1", "n2"]).to_string()),
            _ => given(200, json!({"status": status}).to_string()),
        };
        if first.is_some() && node == "n0" {
            reply.after(Duration::from_secs(60))
        } else {
            reply
        }
    })
    .await;
    // A balancer led all of them to one node.
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Offline));
    *met.lock().unwrap() = Some(scene.server.connections());
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
}

/// Each part of a site that has fallen apart knows of its own nodes only. Once they have found each other again, either is
/// asked.
#[tokio::test]
async fn nodes_that_had_lost_each_other_are_asked_when_they_are_back() {
    let merged = Arc::new(Mutex::new(false));
    let are_merged = Arc::clone(&merged);
    let scene = scene(move |asked| {
        let node = ["n1", "n2"][asked.connection % 2];
        let status = ["offline", "online"][asked.connection % 2];
        let members: &[&str] = if *are_merged.lock().unwrap() {
            &["n1", "n2"]
        } else {
            std::slice::from_ref(&node)
        };
        match asked.path.as_str() {
            "/rest/v2/container" => given(200, member(node, members).to_string()),
            _ => given(200, json!({"status": status}).to_string()),
        }
    })
    .await;
    assert!(scene.infinispan.backup(&a(), &b()).await.is_ok());
    *merged.lock().unwrap() = true;
    // Each minute's look counts them.
    scene.infinispan.reach(&a(), &b()).await.unwrap();
    assert_eq!(scene.infinispan.backup(&a(), &b()).await, Ok(Backup::Mixed));
}
