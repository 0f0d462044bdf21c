//! `provision init`: a topology to start from, by flags, by what two clusters and AWS have, or by questions.
//!
//! Flags win over what was found; on a terminal, what is left is asked for, and what was found is proposed. Nothing is
//! changed anywhere but for the files that are written: the topology, and the authority of each Infinispan that shows
//! a certificate of its own. Such a file counts only once somebody compared its fingerprint.

mod conversation;

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;
use serde_json::json;

use self::conversation::{
    Conversation, InputCheck, as_accelerator, as_context, as_name, as_namespace, as_platform, as_region,
    as_secret, as_site, as_username, settle_regions,
};
use super::cloud;
use super::completions::{contexts, regions};
use super::{CommandError, Exit, OutputFormat, print, print_json, say, topology_file};
use crate::files;
use crate::observed::found::{Authority, AwsFound, ClusterFound};
use crate::report::draft::{Draft, Entry, SiteDraft, found};
use crate::run::console::Console;
use crate::run::init;
use crate::topology::{self, MARK, Region, SiteName};
use crate::world::kubernetes::Contexts;
use crate::yaml::shortened;

/// What is proposed where nothing says otherwise.
const USUAL_NAME: &str = "keycloak";
const USUAL_REGION: &str = "us-east-1";
/// Why it was not seen differs from machine to machine, and helps nobody who reads the file later.
const UNSEEN_CERTIFICATE: &str = "Its Infinispan's certificate could not be read from here. If your own authority \
                                  issued it, name that authority's PEM file as infinispan.caBundle.";
const BY_FLAG: &str = "";
/// What follows, and what for.
const VERBS: [(&str, &str); 3] = [
    ("validate", "checks everything that can be checked offline"),
    ("plan", "shows what would change, and how long fencing takes"),
    ("apply", "puts it in place"),
];

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file to write; `-` is stdout
    #[arg(short = 'o', long, value_name = "FILE", default_value = topology_file::USUAL, value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    /// Find what can be found in the clusters of the two --context, and in AWS
    #[arg(long)]
    from_clusters: bool,
    /// Ask nothing, even on a terminal
    #[arg(long)]
    no_questions: bool,
    /// The deployment's name
    #[arg(long)]
    name: Option<String>,
    /// The function's Regions, separated by commas
    #[arg(long, value_name = "REGION", value_delimiter = ',', add = ArgValueCandidates::new(regions))]
    regions: Vec<String>,
    /// The Region of the register, if the sites are in two Regions
    #[arg(long, value_name = "REGION", add = ArgValueCandidates::new(regions))]
    register_region: Option<String>,
    /// The accelerator's DNS name or ARN
    #[arg(long)]
    accelerator: Option<String>,
    /// The Infinispan user with ADMIN rights
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    /// The secret with its password
    #[arg(long, value_name = "SECRET")]
    password_secret: Option<String>,
    /// A site's name. Give it once for each site; the options below follow in the same order
    #[arg(long, value_name = "NAME", help_heading = "Sites")]
    site: Vec<String>,
    /// The kubeconfig's context
    #[arg(long, value_name = "CONTEXT", help_heading = "Sites", add = ArgValueCandidates::new(contexts))]
    context: Vec<String>,
    /// The Region of its load balancer; given once, it applies to both sites
    #[arg(long, value_name = "REGION", help_heading = "Sites", add = ArgValueCandidates::new(regions))]
    site_region: Vec<String>,
    /// openshift or kubernetes; given once, it applies to both sites
    #[arg(long, value_name = "PLATFORM", help_heading = "Sites")]
    platform: Vec<String>,
    /// The namespace of its Infinispan; given once, it applies to both sites
    #[arg(long, value_name = "NAMESPACE", help_heading = "Sites")]
    namespace: Vec<String>,
    /// The SHA-256 fingerprint of an authority that you have verified, with or without colons
    #[arg(long, value_name = "FINGERPRINT", help_heading = "Sites")]
    trust: Vec<String>,
    /// Where AWS is asked first, and the Region that is proposed.
    #[arg(from_global)]
    region: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Init {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        self.refuse_what_means_nothing()?;
        self.refuse_what_is_there(&self.out)?;
        let mut draft = if self.from_clusters {
            self.found()?
        } else {
            blank()
        };
        self.flags(&mut draft)?;
        let console = Console::new();
        if !self.no_questions && console.can_ask() {
            Conversation { console: &console }.hold(&mut draft)?;
        }
        self.trusted(&mut draft)?;
        self.written(draft)
    }

    /// Flags that nothing would be made of.
    fn refuse_what_means_nothing(&self) -> Result<(), CommandError> {
        for (flag, values) in [
            ("site", &self.site),
            ("context", &self.context),
            ("site-region", &self.site_region),
            ("platform", &self.platform),
            ("namespace", &self.namespace),
        ] {
            if values.len() > 2 {
                return Err(CommandError::new(
                    Exit::Invalid,
                    format!(
                        "--{flag} is given {} times, but there are two sites",
                        values.len()
                    ),
                )
                .hint("give each flag once for each site, in the same order"));
            }
        }
        if !self.trust.is_empty() && !self.from_clusters {
            return Err(CommandError::new(
                Exit::Invalid,
                "--trust needs --from-clusters: without looking, there is no authority to trust",
            )
            .hint("add --from-clusters --context A --context B, or leave --trust out"));
        }
        Ok(())
    }

    fn refuse_what_is_there(&self, path: &Path) -> Result<(), CommandError> {
        if self.force || is_stdout(path) || !path.exists() {
            return Ok(());
        }
        Err(
            CommandError::new(Exit::Invalid, format!("{} is there already", path.display()))
                .code("wouldOverwrite")
                .hint("name another file with -o, or overwrite it with --force"),
        )
    }

    fn found(&self) -> Result<Draft, CommandError> {
        let [a, b] = self.context.as_slice() else {
            return Err(
                CommandError::new(Exit::Invalid, "--from-clusters needs two clusters")
                    .hint("name them: --context A --context B"),
            );
        };
        let known = Contexts::read();
        for context in [a, b] {
            if !known.names().contains(context) {
                let names = known.names();
                let hint = match names.as_slice() {
                    [] => "there is no kubeconfig, or none that can be read: set KUBECONFIG".to_owned(),
                    names => format!("it has {}", names.join(", ")),
                };
                return Err(CommandError::new(
                    Exit::Invalid,
                    format!("the kubeconfig has no context `{}`", shortened(context, 80)),
                )
                .code("unknownContext")
                .hint(hint));
            }
        }
        let region = self.region.clone().or_else(|| std::env::var("AWS_REGION").ok());
        let region = Region::new(region.unwrap_or_else(|| USUAL_REGION.to_owned())).map_err(|error| {
            CommandError::new(Exit::Invalid, error.to_string()).hint(error.hint.into_owned())
        })?;
        let (clusters, aws, authorities) = cloud::finish_without_failure(async {
            // Until they tell their own names.
            let named = |name: &str| SiteName::new(name);
            let clusters = match (named("first-cluster"), named("second-cluster")) {
                (Ok(first), Ok(second)) => {
                    let (a, b) = tokio::join!(
                        init::cluster(&known, &first, a),
                        init::cluster(&known, &second, b)
                    );
                    [a, b]
                }
                _ => <[ClusterFound; 2]>::default(),
            };
            let (aws, authorities) =
                tokio::join!(init::aws(&region, &clusters), init::authorities(&clusters));
            (clusters, aws, authorities)
        })?;
        Ok(drafted(clusters, &aws, authorities))
    }

    /// What the flags say wins over what was found.
    fn flags(&self, draft: &mut Draft) -> Result<(), CommandError> {
        let set = |entry: &mut Entry, flag: &str, value: Option<&String>, judge: InputCheck| {
            let Some(value) = value else { return Ok(()) };
            judge(value).map_err(|error| CommandError::new(Exit::Invalid, format!("--{flag}: {error}")))?;
            *entry = Entry::known(value, BY_FLAG);
            Ok::<(), CommandError>(())
        };
        set(&mut draft.name, "name", self.name.as_ref(), as_name)?;
        set(
            &mut draft.accelerator,
            "accelerator",
            self.accelerator.as_ref(),
            as_accelerator,
        )?;
        set(
            &mut draft.username,
            "username",
            self.username.as_ref(),
            as_username,
        )?;
        set(
            &mut draft.password_secret,
            "password-secret",
            self.password_secret.as_ref(),
            as_secret,
        )?;
        for (index, site) in draft.sites.iter_mut().enumerate() {
            set(&mut site.name, "site", self.site.get(index), as_site)?;
            set(&mut site.context, "context", self.context.get(index), as_context)?;
            let shared = |values: &'_ [String]| match values {
                [both] => Some(both.clone()),
                each => each.get(index).cloned(),
            };
            set(
                &mut site.region,
                "site-region",
                shared(&self.site_region).as_ref(),
                as_region,
            )?;
            set(
                &mut site.platform,
                "platform",
                shared(&self.platform).as_ref(),
                as_platform,
            )?;
            set(
                &mut site.namespace,
                "namespace",
                shared(&self.namespace).as_ref(),
                as_namespace,
            )?;
        }
        if let Some(region) = self.region.as_ref().filter(|_| !self.from_clusters) {
            as_region(region)
                .map_err(|error| CommandError::new(Exit::Invalid, format!("--region: {error}")))?;
            // Of clusters that were looked at it is known that their balancers were not found there.
            for site in draft.sites.iter_mut().filter(|site| !site.region.is_known()) {
                site.region = Entry::known(region, "by --region");
            }
        }
        for region in &self.regions {
            as_region(region)
                .map_err(|error| CommandError::new(Exit::Invalid, format!("--regions: {error}")))?;
        }
        if !self.regions.is_empty() {
            draft.regions.values.clone_from(&self.regions);
            draft.regions.remark.clear();
        }
        settle_regions(draft);
        if let Some(region) = &self.register_region {
            let entry = draft.register_region.get_or_insert_default();
            set(entry, "register-region", Some(region), as_region)?;
        }
        Ok(())
    }

    /// Who is trusted by a flag. A fingerprint that nobody showed is a mistake, or worse.
    fn trusted(&self, draft: &mut Draft) -> Result<(), CommandError> {
        let bare = |text: &str| text.replace(':', "").to_lowercase();
        let given: Vec<String> = self.trust.iter().map(|it| bare(it)).collect();
        let shown: Vec<&str> = draft
            .sites
            .iter()
            .filter_map(|site| Some(site.authority.as_ref()?.fingerprint.as_str()))
            .collect();
        for (it, written) in given.iter().zip(&self.trust) {
            if !shown.iter().any(|shown| bare(shown) == *it) {
                let hint = match shown.as_slice() {
                    [] => "neither site showed an authority of its own".to_owned(),
                    shown => format!("the SHA-256 shown was {}", shown.join(", ")),
                };
                return Err(CommandError::new(
                    Exit::Invalid,
                    format!(
                        "no Infinispan shows the authority given with --trust {}",
                        shortened(written, 80)
                    ),
                )
                .hint(hint));
            }
        }
        for authority in draft.sites.iter_mut().filter_map(|site| site.authority.as_mut()) {
            authority.is_trusted |= given.contains(&bare(&authority.fingerprint));
        }
        Ok(())
    }

    fn written(&self, mut draft: Draft) -> Result<Exit, CommandError> {
        if is_stdout(&self.out) {
            for authority in draft.sites.iter_mut().filter_map(|site| site.authority.as_mut()) {
                authority.is_written = false;
            }
            print(&draft.text())?;
            return Ok(Exit::Done);
        }
        let text = draft.text();
        let folder = self.out.parent().unwrap_or(Path::new(""));
        let mut files = Vec::new();
        for authority in draft.sites.iter().filter_map(|site| site.authority.as_ref()) {
            let path = folder.join(&authority.file);
            self.refuse_what_is_there(&path)?;
            files.push((path, authority.pem.clone()));
        }
        files.push((self.out.clone(), text.clone()));
        for (path, content) in &files {
            let unwritable = |error: std::io::Error| {
                CommandError::new(
                    Exit::Failed,
                    format!("{} cannot be written: {error}", path.display()),
                )
            };
            if let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
                std::fs::create_dir_all(parent).map_err(unwritable)?;
            }
            std::fs::write(path, content).map_err(unwritable)?;
        }
        let file = self.out.display().to_string();
        let missing = draft.missing();
        let mistakes = topology::load(text.as_bytes(), &file, &|path| {
            files::read(path, files::CA_BUNDLE_BYTES)
        })
        .err()
        .unwrap_or_default();
        // A file that does not validate has nothing to be planned.
        let verbs = if mistakes.is_empty() {
            &VERBS[..]
        } else {
            &VERBS[..1]
        };
        let next: Vec<(String, &str)> = verbs
            .iter()
            .map(|(verb, purpose)| {
                let line = match file.as_str() {
                    topology_file::USUAL => format!("provision {verb}"),
                    _ => format!("provision {verb} {}", shlex::try_quote(&file).unwrap_or_default()),
                };
                (line, *purpose)
            })
            .collect();
        match self.output {
            OutputFormat::Text => {
                let mut answer: String = files
                    .iter()
                    .map(|(path, _)| format!("{}\n", path.display()))
                    .collect();
                print(&std::mem::take(&mut answer))?;
                for missing in &missing {
                    say(&format!("still to fill in: {}: {}", missing.path, missing.remark));
                }
                for site in &draft.sites {
                    if let Some(it) = site.authority.as_ref().filter(|it| !it.is_trusted) {
                        say(&format!(
                            "nobody has confirmed the authority `{}` in {}: SHA-256 {}",
                            it.name, it.file, it.fingerprint
                        ));
                    }
                }
                // Each mark is listed above.
                for mistake in mistakes.iter().filter(|it| !it.snippet.contains(MARK)) {
                    say(&mistake.to_string());
                }
                let width = next.iter().map(|(line, _)| line.chars().count()).max();
                let lines: Vec<String> = next
                    .iter()
                    .map(|(line, purpose)| format!("  {line:0$}    {purpose}", width.unwrap_or_default()))
                    .collect();
                say(&format!("next:\n{}", lines.join("\n")));
            }
            OutputFormat::Json => print_json(&json!({
                "files": files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(),
                "missing": missing.iter().map(|it| json!({"path": it.path, "remark": it.remark})).collect::<Vec<_>>(),
                "mistakes": mistakes.iter().map(topology::Diagnostic::as_json).collect::<Vec<_>>(),
                "authorities": draft.sites.iter().filter_map(|site| site.authority.as_ref()).map(|it| json!({
                    "file": it.file, "name": it.name, "sha256": it.fingerprint, "trusted": it.is_trusted,
                })).collect::<Vec<_>>(),
                "next": next.iter().map(|(line, _)| line).collect::<Vec<_>>(),
            }))?,
        }
        Ok(Exit::Done)
    }
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Nothing was looked at.
fn blank() -> Draft {
    let site = |name: &str| SiteDraft {
        name: Entry::unknown(
            "the same as its Infinispan's `spec.service.sites.local.name` and its load balancer's tag `site`",
        ),
        region: Entry::unknown("the Region of its load balancer"),
        platform: Entry::unknown("openshift or kubernetes"),
        context: Entry::unknown(format!("of {name}: `kubectl config get-contexts`")),
        namespace: Entry::unknown("its Infinispan's"),
        ..SiteDraft::default()
    };
    Draft {
        name: Entry::known(USUAL_NAME, "your choice; fixed by the first apply"),
        regions: Entry::unknown("for two zones of one Region, that Region"),
        accelerator: Entry::unknown("`aws globalaccelerator list-accelerators --region us-west-2`"),
        username: Entry::unknown(
            "a user with ADMIN rights at both Infinispans; Keycloak's guide calls it developer",
        ),
        password_secret: Entry::unknown(
            "the secret's name: `aws secretsmanager create-secret --name keycloak/infinispan --secret-string …`",
        ),
        sites: [site("the first site"), site("the second site")],
        ..Draft::default()
    }
}

fn drafted(
    clusters: [ClusterFound; 2],
    aws: &AwsFound,
    authorities: [Option<Result<Authority, String>>; 2],
) -> Draft {
    let mut clusters = clusters;
    for (cluster, authority) in clusters.iter_mut().zip(&authorities) {
        cluster.problems.sort();
        cluster.problems.dedup();
        if matches!(authority, Some(Err(_))) {
            cluster.problems.push(UNSEEN_CERTIFICATE.to_owned());
        }
    }
    let authorities = authorities.map(|it| it.and_then(Result::ok));
    let mut draft = found::drafted(&clusters, aws, &authorities);
    draft.name = Entry::known(USUAL_NAME, "your choice; fixed by the first apply");
    draft
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Verb};
    use crate::report::draft::AuthorityDraft;

    fn trusting(fingerprint: &str) -> Init {
        let words = ["provision", "init", "--from-clusters", "--trust", fingerprint];
        match Cli::try_parse_from(words).unwrap().verb {
            Verb::Init(init) => init,
            _ => unreachable!("init is what was typed"),
        }
    }

    #[test]
    fn a_fingerprint_that_nobody_showed_is_refused() {
        let mut draft = blank();
        let failure = trusting("AB:CD").trusted(&mut draft).unwrap_err();
        assert!(failure.to_string().contains("neither site showed"), "{failure}");
        draft.sites[1].authority = Some(AuthorityDraft {
            file: "certs/site-b.pem".to_owned(),
            pem: String::new(),
            name: "an authority".to_owned(),
            fingerprint: "AB:CD".to_owned(),
            is_trusted: false,
            is_written: true,
        });
        let is_trusted = |draft: &Draft| draft.sites[1].authority.as_ref().unwrap().is_trusted;
        let failure = trusting("AB:CE").trusted(&mut draft).unwrap_err();
        assert!(
            failure.to_string().contains("the SHA-256 shown was AB:CD"),
            "{failure}"
        );
        assert!(!is_trusted(&draft));
        trusting("abcd").trusted(&mut draft).unwrap();
        assert!(is_trusted(&draft));
    }
}
