//! Who else keeps the accelerator as it is, by what they write on it.
//!
//! A fence takes an endpoint out. A tool that has its own list of endpoints puts it back: a controller within minutes, a
//! stack or a configuration the next time that somebody applies it. The function takes it out again each time, and an
//! alarm says so; better to know it before the night on which it matters. Some also strip tags that they did not write,
//! ours with them, which says whose the accelerator is.

use std::collections::BTreeMap;

use fencing::accelerator::OWNER_TAG;

struct Keeper {
    /// A key that it writes, or the beginning of one where that ends with `/`.
    key: &'static str,
    /// A word that the value holds in any case of letters, where the key alone says nothing.
    word: Option<&'static str>,
    /// Who it is, by the tag's value.
    who: fn(&str) -> String,
    /// What it does, and what to do about that.
    does: &'static str,
}

const TERRAFORM: &str = "its next apply puts back the endpoints that the configuration names and strips the tags \
                         `sitefence:…`: set `lifecycle { ignore_changes = [endpoint_configuration] }` on the endpoint groups \
                         and `ignore_tags { key_prefixes = [\"sitefence:\"] }` on the provider";

/// By the sources of the controllers, and by what people write by custom: Terraform itself writes nothing.
const KEEPERS: [Keeper; 9] = [
    Keeper {
        key: "aga.k8s.aws/stack",
        word: None,
        who: |value| format!("the AWS Load Balancer Controller (GlobalAccelerator {value})"),
        does: "it puts a fenced site's endpoint back within minutes and strips the tags `sitefence:…`: manage the \
               accelerator by other means, since that controller has no setting to ignore endpoints",
    },
    Keeper {
        key: "aws-global-accelerator-controller-managed",
        word: None,
        who: |_| "the aws-global-accelerator-controller".to_owned(),
        does: "it puts a fenced site's endpoint back: take its annotations off the Services and Ingresses of both sites",
    },
    Keeper {
        key: "aws:cloudformation:stack-name",
        word: None,
        who: |value| format!("the CloudFormation stack `{value}`"),
        does: "an update of its endpoint groups puts back the endpoints that its template names: update it only while no site is \
               fenced",
    },
    Keeper {
        key: "crossplane-kind",
        word: None,
        who: |_| "Crossplane".to_owned(),
        does: "it puts a fenced site's endpoint back within minutes and strips the tags `sitefence:…`: leave \
               `endpointConfiguration` to `initProvider`, and the tags, too",
    },
    Keeper {
        key: "pulumi:",
        word: None,
        who: |_| "Pulumi".to_owned(),
        does: "its next update puts back the endpoints that the program names and strips the tags `sitefence:…`: set \
               `ignoreChanges` for both",
    },
    Keeper {
        key: "terraform",
        word: None,
        who: |_| "Terraform".to_owned(),
        does: TERRAFORM,
    },
    Keeper {
        key: "managed-by",
        word: Some("terraform"),
        who: |_| "Terraform".to_owned(),
        does: TERRAFORM,
    },
    Keeper {
        key: "managedby",
        word: Some("terraform"),
        who: |_| "Terraform".to_owned(),
        does: TERRAFORM,
    },
    Keeper {
        key: "managed_by",
        word: Some("terraform"),
        who: |_| "Terraform".to_owned(),
        does: TERRAFORM,
    },
];

/// Who keeps an accelerator by its tags, each with what comes of it.
pub(super) fn keepers(tags: &BTreeMap<String, String>) -> Vec<(String, &'static str)> {
    let of = |keeper: &Keeper| {
        let found = tags
            .iter()
            .filter(|(key, _)| key.as_str() != OWNER_TAG)
            .find(|(key, value)| {
                let key = key.to_lowercase();
                let fits =
                    key == keeper.key || (keeper.key.ends_with([':', '/']) && key.starts_with(keeper.key));
                let says = |word: &str| value.to_lowercase().contains(word);
                fits && keeper.word.is_none_or(says)
            });
        found.map(|(_, value)| ((keeper.who)(value), keeper.does))
    };
    let mut found: Vec<(String, &'static str)> = KEEPERS.iter().filter_map(of).collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keeper_is_known_by_what_it_writes() {
        for (tags, who) in [
            (&[][..], &[][..]),
            (
                &[("sitefence:owner", "1/eu/t/prod"), ("team", "terraform fans")],
                &[],
            ),
            (
                &[
                    ("elbv2.k8s.aws/cluster", "c"),
                    ("aga.k8s.aws/stack", "shop/front"),
                ],
                &["the AWS Load Balancer Controller (GlobalAccelerator shop/front)"],
            ),
            (
                &[("aws-global-accelerator-controller-managed", "true")],
                &["the aws-global-accelerator-controller"],
            ),
            (
                &[("aws:cloudformation:stack-name", "front")],
                &["the CloudFormation stack `front`"],
            ),
            (&[("ManagedBy", "Terraform Cloud")], &["Terraform"]),
            (
                &[("Terraform", "true"), ("managed-by", "terraform")],
                &["Terraform"],
            ),
            (&[("managed-by", "hand")], &[]),
            (&[("pulumi:project", "front")], &["Pulumi"]),
        ] {
            let tags = tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let found: Vec<String> = keepers(&tags.collect()).into_iter().map(|(who, _)| who).collect();
            assert_eq!(found, who);
        }
    }
}
