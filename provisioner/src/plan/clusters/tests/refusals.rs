//! What is refused, each with what was found.

use super::*;

#[test]
fn a_change_by_another_hand_is_refused_with_its_name_or_taken_back() {
    let mut case = Case::new(topology(), applied);
    change(&mut case.looks, "site-a", |reading| {
        let rule = reading
            .standing
            .objects
            .get_mut(&ObjectKind::PrometheusRule)
            .unwrap();
        rule["spec"]["groups"][0]["interval"] = json!("60s");
        if let Some(DryRun::Accepted { conflicts, .. }) =
            reading.dry_runs.get_mut(&ObjectKind::PrometheusRule)
        {
            conflicts.push(Conflict {
                manager: "kubectl-edit".to_owned(),
                field: ".spec.groups".to_owned(),
            });
        }
    });
    assert_eq!(
        case.problems(),
        [
            "PrometheusRule sitefence-prod of site `site-a` was changed by others: `kubectl-edit` holds .spec.groups"
        ]
    );
    case.choices.force_conflicts = true;
    assert_eq!(case.problems(), [""; 0]);
    let plan = case.plan();
    let Some(Step::ApplyObject(goal)) = plan.steps.get(1) else {
        panic!("{plan:?}")
    };
    assert!(goal.force);
    assert_eq!(
        goal.change.properties[0].path,
        "spec.groups[sitefence-prod].interval"
    );
    assert_eq!(goal.change.drifted[0].manager, "kubectl-edit");
}

#[test]
fn a_password_that_others_put_there_is_a_conflict_too() {
    let mut case = Case::new(topology(), applied);
    change(&mut case.looks, "site-a", |reading| {
        reading.secret.insert("password".to_owned(), Comparison::Differs);
        let secret = reading.standing.objects.get_mut(&ObjectKind::Secret).unwrap();
        let managers = secret["metadata"]["managedFields"].as_array_mut().unwrap();
        managers.push(json!({
            "manager": "external-secrets", "operation": "Update",
            "fieldsV1": { "f:data": { "f:password": {} } },
        }));
    });
    assert_eq!(
        case.problems(),
        [
            "Secret sitefence-prod of site `site-a` was changed by others: `external-secrets` holds .data.password"
        ]
    );
}

#[test]
fn every_kind_of_wrong_cluster_is_refused_with_what_was_found() {
    type Flaw = fn(&mut ClusterReading);
    let cases: &[(Flaw, &str)] = &[
        (
            |it| drop(it.groups.remove(OPENSHIFT)),
            "site `site-a` has `platform: openshift`, but its cluster is not that: it lacks the API group \
             route.openshift.io, and it serves AlertmanagerConfig in v1alpha1, v1beta1",
        ),
        (
            |it| {
                it.kinds.remove("PodMonitor");
                it.kinds.remove("PrometheusRule");
            },
            "the cluster of site `site-a` has no PrometheusRule, no PodMonitor",
        ),
        (
            |it| {
                drop(
                    it.kinds
                        .insert("AlertmanagerConfig", ["v1alpha1".to_owned()].into()),
                );
            },
            "the cluster of site `site-a` serves AlertmanagerConfig in v1alpha1, and `platform: openshift` needs v1beta1",
        ),
        (
            |it| it.lacks_namespace = true,
            "the cluster of site `site-a` has no namespace `keycloak`",
        ),
        (
            |it| {
                it.infinispan = None;
                it.infinispans = vec!["ispn".to_owned()];
            },
            "the cluster of site `site-a` has no Infinispan `infinispan` in namespace keycloak",
        ),
        (
            |it| {
                it.infinispan = Some(InfinispanReading {
                    site: Some("site-b".to_owned()),
                    ..InfinispanReading::default()
                });
            },
            "the Infinispan `infinispan` in namespace keycloak of site `site-a` says that it is site `site-b`",
        ),
        (
            |it| {
                it.infinispan = Some(InfinispanReading::default());
            },
            "the Infinispan `infinispan` in namespace keycloak of site `site-a` does not say which site it is",
        ),
        (
            |it| it.cluster_monitoring = Some(config_map("enableUserWorkload: false")),
            "monitoring for user-defined projects is off in the cluster of site `site-a`",
        ),
        (
            |it| it.cluster_monitoring = None,
            "monitoring for user-defined projects is off in the cluster of site `site-a`",
        ),
        (
            |it| it.standing.user_workload = Some(config_map("alertmanager: {enabled: false}")),
            "openshift-user-workload-monitoring/user-workload-monitoring-config in the cluster of site `site-a` cannot \
             be added to: its config.yaml is laid out in a way that is not understood",
        ),
        (
            |it| {
                let object = json!({ "metadata": { "name": "sitefence-prod" } });
                it.standing.objects.insert(ObjectKind::PodMonitor, object);
            },
            "PodMonitor sitefence-prod in namespace keycloak of site `site-a` exists and is not ours",
        ),
        (
            |it| {
                let message = "spec.route.matchers: Required value".to_owned();
                it.dry_runs
                    .insert(ObjectKind::AlertmanagerConfig, DryRun::Refused { message });
            },
            "the cluster of site `site-a` would refuse AlertmanagerConfig sitefence-prod: spec.route.matchers: \
             Required value",
        ),
        (
            |it| {
                it.standing.denied.insert(Denied {
                    verb: "patch",
                    resource: "secrets".to_owned(),
                    namespace: Some("keycloak".to_owned()),
                    message: "User \"ada\" cannot patch".to_owned(),
                });
            },
            "context `a` may not `patch` `secrets` in namespace keycloak in the cluster of site `site-a`: User \"ada\" \
             cannot patch",
        ),
    ];
    for (flaw, expected) in cases {
        let mut case = Case::new(topology(), bare);
        change(&mut case.looks, "site-a", *flaw);
        assert_eq!(case.problems(), [*expected]);
    }
    assert_eq!(Case::new(topology(), bare).problems(), [""; 0]);
}

#[test]
fn a_live_guide_deployment_is_unsafe_and_other_configs_are_not_our_business() {
    let guide = json!({
        "metadata": { "name": "example-routing" },
        "spec": {
            "route": { "receiver": "default", "matchers": [{ "name": "alertname", "value": "SiteOffline" }] },
            "receivers": [{ "name": "default", "webhookConfigs": [{ "url": "https://x" }] }],
        },
    });
    let mut renamed = guide.clone();
    renamed["metadata"]["name"] = json!("failover");
    let mut elsewhere = renamed.clone();
    elsewhere["spec"]["route"]["matchers"][0]["value"] = json!("DiskFull");
    let mut by_mail = renamed.clone();
    by_mail["spec"]["receivers"] = json!([{ "name": "default", "emailConfigs": [{}] }]);
    for (config, is_live) in [
        (guide, true),
        (renamed, true),
        (elsewhere, false),
        (by_mail, false),
    ] {
        let mut case = Case::new(topology(), bare);
        change(&mut case.looks, "site-b", |reading| {
            reading.other_configs = vec![config.clone()];
        });
        let problems = case.with(|clusters| judge_clusters(&case.topology, &standing(), clusters));
        assert_eq!(
            problems.is_err_and(|problems| problems.iter().all(Problem::is_unsafe)),
            is_live,
            "{config}"
        );
    }
}

#[test]
fn without_the_aws_half_a_function_must_stand_already() {
    let mut case = Case::new(topology(), bare);
    case.choices.aws = false;
    assert_eq!(
        case.problems(),
        ["the function is not deployed yet, and without it there is nothing to put into the clusters"]
    );
    let mut standing = standing();
    let mut fencing = stack("CREATE_COMPLETE", &[]);
    fencing
        .outputs
        .insert("FunctionUrl".to_owned(), "https://x/".to_owned());
    let region = standing.regions.get_mut(REGION).unwrap();
    region.stacks.insert(StackKind::Fencing, fencing);
    case.with(|clusters| judge_clusters(&case.topology, &standing, clusters).unwrap());
    assert!(words(&case.plan()).contains(&"site-a Secret Create".to_owned()));
}
