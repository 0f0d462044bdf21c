//! What to do about each failure, in a sentence.

use fencing::answer::Status;

use super::{Failure, KEYCLOAK_CONTROLLED};
use crate::observed::cause::StackCause;
use crate::preflight::causes;
use crate::topology::{Region, SiteName};

/// Where nothing else is to be done.
const AGAIN: &str = "run the same command again: it continues where it stopped";

fn then_again(first: &str) -> String {
    format!("{first}, then {AGAIN}")
}

impl Failure {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SignIn(error) => Some(error.hint()),
            Self::Call(error) => error.hint(),
            Self::Elf(error) => Some(error.hint()),
            Self::Package(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::File { .. } => Some("name a zip that `provision build` wrote, or let it be built".into()),
            Self::Unwritable { .. } | Self::Unprintable { .. } | Self::Documents(_) | Self::Page(_) => None,
            Self::Problems(_) | Self::Envelope(_) => None,
            Self::Cluster(error) => error
                .hint()
                .or_else(|| Some(AGAIN.into())),
            Self::ClusterProblem(problem) => Some(problem.hint()),
            Self::NotRolledOut { .. } => Some(then_again("look at the pods of that namespace")),
            Self::WatchdogsSilent { .. } => Some(
                "run the same command again to keep waiting: longer with --wait, not at all with --no-wait".into(),
            ),
            Self::Stack { cause, region, .. } => hints(cause.as_deref(), region).or_else(|| {
                Some(then_again("remove the cause"))
            }),
            Self::ChangeSet {
                reason,
                causes,
                unread,
                region,
                ..
            } => {
                let told = StackCause::new("", "", None, reason);
                let unread = unread.as_deref().filter(|_| causes::is_withheld(reason));
                hints(causes, region)
                    .or_else(|| {
                        unread.map(|error| {
                            format!(
                                "what it found is in the change set's events, which could not be read ({error}): \
                                 allow cloudformation:DescribeEvents, and the next run shows it"
                            )
                        })
                    })
                    .or_else(|| hints([&told], region))
                    .or_else(|| {
                        Some("the same change is refused each time: remove the cause, then run the same command again".into())
                    })
            }
            Self::FunctionNotReady { reason, region, .. } => {
                let cause = StackCause::new("Function", "AWS::Lambda::Function", None, reason);
                hints([&cause], region)
                    .or_else(|| Some(then_again("remove the cause")))
            }
            Self::ForeignCode { .. } => Some(
                "somebody deploys to it without CloudFormation, or writes to its bucket: CloudTrail's \
                 UpdateFunctionCode and PutObject say who; stop that first, then run the same command again, which \
                 puts ours back"
                    .into(),
            ),
            Self::NoReplicaYet { region, .. } => Some(format!(
                "Secrets Manager replicates it within seconds: run the same command again; if it stays away, \
                 `provision plan` shows the state of its replica in {region}"
            )),
            Self::NoOutput { .. } => Some(format!("somebody else changed the stack meanwhile; {AGAIN}")),
            Self::Locked { takes_over_at, .. } => Some(format!(
                "wait for it; if it died, its lock expires at {takes_over_at}, or take it over now with --break-lock"
            )),
            Self::LockLost { .. } => Some("look at `provision plan` before you continue".into()),
            Self::NotDeployed { .. } => Some(
                "`provision apply` deploys it; is this the account and the topology that you mean?".into(),
            ),
            Self::FunctionFailed { .. } | Self::NoAnswer { .. } => Some(
                "its log says more; if this command is newer than the function, `provision apply` first"
                    .into(),
            ),
            Self::NotDone { status, .. } => match status {
                Status::Retry => Some("try again in a moment; the function's log says more".into()),
                Status::NotNow | Status::Foreign | Status::Done => None,
            },
            Self::DecidedMeanwhile { register } => Some(format!(
                "the function is gone, but the register still exists: `provision apply` puts the function back; or bring \
                 {} back (docs/runbook.md, chapter `A site is fenced`), then destroy with --force",
                register.fenced().map_or("the site", SiteName::as_str)
            )),
            Self::NotMarked { .. } => Some(
                "somebody else applies another topology to it, or a tool strips tags: two deployments on one accelerator \
                 would empty it between them"
                    .into(),
            ),
            Self::NoKeycloak { .. } => Some(
                "name it in the site's `keycloak`; if it runs elsewhere, stop it yourself and add --keycloak manual"
                    .into(),
            ),
            Self::NoDeployment { .. } => Some(
                "name it, and its namespace, in the site's `operator` or `router` in the topology".into(),
            ),
            Self::NotInOrder { .. } => Some("correct that first. `provision drill` without options runs all the same".into()),
            Self::DrillLeft { file, .. } => Some(format!("provision drill {file} --restore")),
            Self::NotFenced { .. } => Some(
                "the link is whole again; `provision drill` without options shows how far an alert gets, and the \
                 runbook's chapter `A drill that fenced nobody` where to look"
                    .into(),
            ),
            Self::WorkloadSlow { .. } => Some(then_again("look at the pods of that namespace")),
            Self::Controlled { owner, code, .. } if *code == KEYCLOAK_CONTROLLED => Some(format!(
                "pause it first: {}; or stop Keycloak yourself, with --keycloak manual",
                owner.pause
            )),
            Self::Controlled { owner, .. } => Some(format!("pause it first: {}", owner.pause)),
            Self::KeycloakCameBack { .. } => Some(
                "the rejoin is abandoned and the site stays fenced; find out who did it, then run the same command \
                 again".into(),
            ),
            Self::ClusterNeeded { .. } => {
                Some("make the cluster reachable, or stop Keycloak yourself, with --keycloak manual".into())
            }
            Self::RegisterUnread { .. } => Some(AGAIN.into()),
            Self::NoSuchEpoch { .. } | Self::NothingDecided { .. } => Some("`provision history` lists the epochs \
                                                                            that there were".into()),
            Self::StillApart { .. } => {
                Some("repair the link between the sites; --give-up-after waits longer".into())
            }
            Self::SurvivorLives { .. } => Some(
                "while the survivor is alive, promoting the other site loses data. If you know that it is dead, add \
                 --survivor-is-lost"
                    .into(),
            ),
            Self::Unposted { .. } => Some(
                "Alertmanager may still reach it, by another way out; behind a proxy, set HTTPS_PROXY here"
                    .into(),
            ),
            Self::NotRehearsed { status, .. } => Some(about_answer(*status).into()),
            Self::Overtaken => Some("run the same command again and read the new plan".into()),
            Self::Interrupted => {
                Some("run the same command again to continue. Requests that were already sent may still take effect".into())
            }
            Self::DrillStopped { next, .. } => Some(next.clone()),
            Self::FaultyPlan { .. } => {
                Some("this is a bug in provision; nothing was changed: please report it with the topology".into())
            }
            Self::StaysStopped(failure) => {
                let stopped = "the functions stay stopped until `provision reconcile`";
                Some(match failure.hint() {
                    Some(hint) => format!("{hint}\nhint: {stopped}"),
                    None => stopped.to_owned(),
                })
            }
            Self::Declined => None,
            Self::NoTerminal => Some("add --yes to consent in advance; `provision plan` shows what would change".into()),
        }
    }
}

/// What to do about an answer that is no rehearsal's.
fn about_answer(status: u16) -> &'static str {
    match status {
        200 => {
            "the function is older than this command and does not support rehearsals: `provision apply` first"
        }
        401 => "something on the way drops the credentials; Alertmanager's alerts get the same answer",
        403 => {
            "if the function said so, its secret was changed in the last minute, or is not the one in Secrets Manager; if \
             Lambda said so (`Forbidden`), the URL lacks one of its two permissions: `provision apply` puts both back"
        }
        404 | 405 => {
            "the address leads elsewhere: `provision plan` shows whether the function's URL has changed"
        }
        422 => "the function was deployed for another topology: `provision plan` shows the difference",
        429 => "Lambda is throttling requests, alerts included: raise function.reservedConcurrency",
        _ => "the function's log says more; alerts get the same answer",
    }
}

/// What to do about causes, each kind once.
fn hints<'a>(causes: impl IntoIterator<Item = &'a StackCause>, region: &Region) -> Option<String> {
    let mut hints: Vec<String> = causes
        .into_iter()
        .filter_map(|cause| causes::hint(cause, region.as_str()))
        .collect();
    hints.dedup();
    (!hints.is_empty()).then(|| hints.join("\nhint: "))
}
