//! Whether a cache keeps statistics, as its custom resource says.
//!
//! The function learns from a cache's statistics for how long a node has been running; without them it decides nothing on
//! a suspicion. Keycloak's guide makes each cache as a Cache resource, whose `template` is the cache's whole configuration
//! as YAML, JSON or XML. A cache keeps statistics only if that says so. What a named template says is not known here.

use serde_json::Value;

use crate::yaml;

/// What the Cache resources of a namespace say of one cache of an Infinispan; nothing where none is that cache, or says.
pub fn of_cache(objects: &[Value], cluster: &str, cache: &str) -> Option<bool> {
    let object = objects.iter().find(|object| {
        let spec = &object["spec"];
        let name = spec["name"].as_str().filter(|name| !name.is_empty());
        let name = name.or_else(|| object["metadata"]["name"].as_str());
        spec["clusterName"].as_str() == Some(cluster) && name == Some(cache)
    })?;
    let template = object["spec"]["template"].as_str()?.trim();
    if template.starts_with('<') {
        of_xml(template)
    } else {
        // JSON is YAML.
        of_tree(&yaml::read(template).ok()?)
    }
}

/// `distributedCache: { statistics: "true" }`, which may stand below the cache's name.
fn of_tree(template: &Value) -> Option<bool> {
    let mut at = template;
    loop {
        let (kind, below) = at.as_object().filter(|map| map.len() == 1)?.iter().next()?;
        if is_cache(kind) {
            return match &below["statistics"] {
                Value::Null => Some(false),
                Value::Bool(keeps) => Some(*keeps),
                Value::String(said) => said.parse().ok(),
                _ => None,
            };
        }
        at = below;
    }
}

/// `<distributed-cache statistics="true">`, of the first element that is a cache.
fn of_xml(template: &str) -> Option<bool> {
    let mut elements = template
        .split('<')
        .filter_map(|element| element.split('>').next());
    let element =
        elements.find(|element| element.split([' ', '\n', '\t', '/']).next().is_some_and(is_cache))?;
    let Some((_, after)) = element.split_once("statistics") else {
        return Some(false);
    };
    let said = after.trim_start().strip_prefix('=')?.trim_start();
    let said = said.trim_start_matches(['"', '\'']);
    said.split(['"', '\'']).next()?.parse().ok()
}

/// `distributed-cache`, `distributedCache`, `replicated-cache` and their like.
fn is_cache(kind: &str) -> bool {
    ["distributed", "replicated", "invalidation", "local", "scattered"]
        .iter()
        .any(|mode| {
            kind.strip_prefix(mode)
                .is_some_and(|rest| rest == "-cache" || rest == "Cache")
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache(name: &str, template: &str) -> Value {
        json!({
            "metadata": { "name": name.to_lowercase() },
            "spec": { "clusterName": "infinispan", "name": name, "template": template },
        })
    }

    #[test]
    fn a_cache_keeps_statistics_only_if_its_template_says_so() {
        for (template, expected) in [
            // As in Keycloak's guide.
            (
                "distributedCache:\n  mode: \"SYNC\"\n  owners: \"2\"\n  statistics: \"true\"\n  remoteTimeout: \"5000\"\n",
                Some(true),
            ),
            ("distributedCache:\n  mode: SYNC\n", Some(false)),
            ("distributedCache:\n  statistics: false\n", Some(false)),
            (
                "actionTokens:\n  replicatedCache:\n    statistics: true\n",
                Some(true),
            ),
            (
                r#"{"distributed-cache": {"mode": "SYNC", "statistics": true}}"#,
                Some(true),
            ),
            (r#"{"local-cache": {}}"#, Some(false)),
            (
                r#"<distributed-cache name="a" statistics="true"><encoding/></distributed-cache>"#,
                Some(true),
            ),
            (
                "<infinispan>\n<cache-container>\n<distributed-cache\n statistics = 'false'/></cache-container></infinispan>",
                Some(false),
            ),
            (r#"<distributed-cache mode="SYNC"/>"#, Some(false)),
            // What cannot be known from here.
            (r#"<distributed-cache statistics="${statistics}"/>"#, None),
            ("distributedCache:\n  statistics: \"${env.STATISTICS}\"\n", None),
            ("a: 1\nb: 2\n", None),
            ("<nothing/>", None),
            ("{", None),
            ("", None),
        ] {
            let objects = [cache("actionTokens", template)];
            assert_eq!(
                of_cache(&objects, "infinispan", "actionTokens"),
                expected,
                "{template}"
            );
        }
    }

    #[test]
    fn it_is_the_cache_of_that_name_in_that_infinispan() {
        let on = "distributedCache: { statistics: true }";
        let objects = [cache("work", on), cache("loginFailures", "distributedCache: {}")];
        assert_eq!(of_cache(&objects, "infinispan", "work"), Some(true));
        assert_eq!(of_cache(&objects, "infinispan", "loginFailures"), Some(false));
        assert_eq!(of_cache(&objects, "another", "work"), None);
        assert_eq!(of_cache(&objects, "infinispan", "actionTokens"), None);
        // Without a name of its own it is called as the resource is.
        let plain = json!({
            "metadata": { "name": "work" },
            "spec": { "clusterName": "infinispan", "name": "", "template": on },
        });
        assert_eq!(of_cache(&[plain], "infinispan", "work"), Some(true));
        let named = json!({
            "metadata": { "name": "work" },
            "spec": { "clusterName": "infinispan", "templateName": "org.infinispan.DIST_SYNC" },
        });
        assert_eq!(of_cache(&[named], "infinispan", "work"), None);
    }
}
