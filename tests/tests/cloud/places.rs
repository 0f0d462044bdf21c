//! Endpoints that lead to the wrong site, and caches that are not there: `plan` and `apply` ask, where they may.

use tests::provision::Run;
use tests::standins::infinispan::{InfinispanPair, Role};

use crate::stacks::apply_beside_another;
use crate::world::{APPLY, Cloud};

const SWAPPED: &str = "leads to the Infinispan of site `site-a`";
const UNVERIFIED: &str = "not verified: whether each endpoint leads to its own site's Infinispan";

/// A world whose Infinispans answer here.
struct Here {
    cloud: Cloud,
    pair: InfinispanPair,
}

impl Here {
    fn new() -> Self {
        let pair = InfinispanPair::builder(["site-a", "site-b"])
            .user("developer", "its password", Role::Admin)
            .start()
            .unwrap();
        let cloud = Cloud::new();
        std::fs::write(cloud.home.path().join("ca.pem"), pair.authority().pem()).unwrap();
        let here = Self { cloud, pair };
        here.write(["site-a", "site-b"], "");
        here
    }

    /// A topology whose sites have the endpoints of these.
    fn write(&self, of: [&str; 2], extra: &str) {
        self.cloud.write_topology("topology.yaml", extra);
        let path = self.cloud.home.path().join("topology.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = ["site-a", "site-b"].into_iter().zip(of);
        let text = lines.fold(text, |text, (site, of)| {
            let endpoint = self.pair.site(of).unwrap().endpoint();
            text.replace(
                &format!("endpoint: infinispan.{site}.example.com"),
                &format!("endpoint: '{endpoint}', caBundle: ca.pem"),
            )
        });
        std::fs::write(path, text).unwrap();
    }

    fn plan(&self, more: &[&str]) -> Run {
        let plan = [&["plan", "--function-zip", "given.zip"], more].concat();
        let plan = self.cloud.run(&plan);
        assert_eq!(plan.code, Some(0), "{plan}");
        assert!(!plan.stderr.contains("its password"), "{plan}");
        plan
    }
}

#[test]
fn a_plan_signs_in_where_the_function_does_and_tells_who_answers() {
    let here = Here::new();
    // Nothing is deployed, and a host in a file is no reason to send it a password.
    let first = here.plan(&[]);
    assert!(first.stderr.contains("neither site was asked"), "{first}");
    assert!(
        here.pair.calls().all().is_empty(),
        "{:?}",
        here.pair.calls().all()
    );
    let asked = here.plan(&["--sign-in"]);
    assert!(!asked.stderr.contains(UNVERIFIED), "{asked}");
    assert!(!asked.stderr.contains("leads to"), "{asked}");

    assert_eq!(here.cloud.run(APPLY).code, Some(0));
    let good = here.plan(&[]);
    assert!(!good.stderr.contains("warning"), "{good}");
    here.write(["site-b", "site-a"], "");
    let swapped = here.plan(&[]);
    assert!(swapped.stderr.contains(SWAPPED), "{swapped}");
    assert!(
        swapped
            .stderr
            .contains("leads to the Infinispan of site `site-b`"),
        "{swapped}"
    );
    // Whoever applies without a plan is told, too, and of nothing else.
    let applied = here.cloud.run(APPLY);
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(applied.stderr.contains(SWAPPED), "{applied}");
    assert_eq!(applied.stderr.matches("warning: ").count(), 2, "{applied}");
    // Another secret may be sent nowhere.
    here.write(["site-a", "site-b"], "");
    here.pair.calls().forget();
    let path = here.cloud.home.path().join("topology.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    tests_secret(&here.cloud);
    std::fs::write(&path, text.replace("demo/infinispan", "demo/another")).unwrap();
    let other = here.plan(&[]);
    assert!(other.stderr.contains("neither site was asked"), "{other}");
    assert!(here.pair.calls().all().is_empty());
}

#[test]
fn what_is_wrong_at_a_site_is_reported_although_a_stack_has_to_settle_first() {
    const MISTRUSTED: &str = "no public authority signed its certificate";
    let here = Here::new();
    let path = here.cloud.home.path().join("topology.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(", caBundle: ca.pem", "")).unwrap();
    let said = apply_beside_another(&here.cloud);
    assert_eq!(said.matches(MISTRUSTED).count(), 2, "{said}");
}

fn tests_secret(cloud: &Cloud) {
    crate::world::block_on(
        cloud
            .aws
            .create_secret(crate::world::REGION, "demo/another", "s3cret"),
    )
    .unwrap();
}

#[test]
fn a_misspelt_cache_and_a_silent_site_are_in_the_plan() {
    let here = Here::new();
    assert_eq!(here.cloud.run(APPLY).code, Some(0));
    here.write(["site-a", "site-b"], "caches: [work, actionToken, loginFailures]");
    let plan = here.plan(&[]);
    assert!(
        plan.stderr.contains(
            "`caches` names `actionToken`, and the Infinispan of both sites has no such cache: a rejoin stops where it \
             should clear it; did you mean `actionTokens`?"
        ),
        "{plan}"
    );
    assert!(!plan.stderr.contains("`work`"), "{plan}");
    here.pair.site("site-b").unwrap().die();
    let plan = here.plan(&[]);
    assert!(
        plan.stderr.contains("of site `site-a` has no such cache"),
        "{plan}"
    );
    assert!(plan.stderr.contains(UNVERIFIED), "{plan}");
    assert!(plan.stderr.contains("(site-b: "), "{plan}");
    // A right that is lacking is no silence, and is told with its name.
    here.pair.set_password("developer", "changed");
    let plan = here.plan(&[]);
    assert!(
        plan.stderr
            .contains("site-a: it does not accept user `developer`"),
        "{plan}"
    );
}
