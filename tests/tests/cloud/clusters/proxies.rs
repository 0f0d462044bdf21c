//! A kubeconfig may name a proxy in front of a cluster.

use tests::standins::proxy::Proxy;

use super::*;

#[test]
fn a_proxy_of_the_kubeconfig_is_used_for_its_cluster_alone() {
    let sites = Sites::new();
    let proxy = Proxy::start().unwrap();
    sites.write_kubeconfig(&[
        Context {
            proxy_url: Some(proxy.url()),
            ..Context::administrator("site-a", &sites.a)
        },
        Context::administrator("site-b", &sites.b),
    ]);
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    let asked = proxy.asked();
    let address = sites.a.url().replace("https://", "");
    assert!(
        !asked.is_empty() && asked.iter().all(|it| *it == address),
        "{asked:?}"
    );
    assert!(!sites.b.calls().all().is_empty());
}
