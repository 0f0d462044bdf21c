//! One apply at a time: an object in the artifact bucket that says who is at work and since when.
//!
//! ```text
//!   put If-None-Match: *  ──▶ mine, renewed every minute until released
//!         │ someone was first
//!         ▼
//!   read ── not renewed for ten minutes, or my own from a run that died ──▶ put If-Match: <etag>
//!         └ otherwise: refused, with owner and time
//! ```
//!
//! A lock that was taken over is not the former owner's any more, whether or not that has noticed: neither its
//! renewal nor its release touches an object that carries another token.
//!
//! It saves work and is a courtesy: CloudFormation itself refuses two operations on one stack. Ten minutes
//! lie beyond the five of clock skew with which AWS still accepts a request, so that a wrong clock here does
//! not declare a living owner dead.
//!
//! Whether a lock of this very machine belongs to a run that died is known for certain: a living run holds
//! the operating system's lock on a local file with the same token, and the system lets go when it dies. The
//! token is noted before the bucket hears of it, so that no moment to die in is left out.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::failure::Failure;
use super::lock_owner::LockOwner;
use crate::observed::Identity;
use crate::world::artifacts::{Bucket, ConditionalWrite, SmallObject};

pub const KEY: &str = "apply.lock";
const RENEW_INTERVAL: Duration = Duration::from_secs(60);
const LAPSES_AFTER_SECONDS: i64 = 600;

/// A lock that is held. Dropped without [`Lock::release`], it lapses.
#[derive(Debug)]
pub struct Lock {
    bucket: Bucket,
    /// Tells this run from any other.
    token: String,
    renewal: JoinHandle<()>,
    /// The tag of what was written last, as far as its answer came.
    etag: Arc<Mutex<String>>,
    lost: watch::Receiver<Option<LockLost>>,
    /// Held as long as the process lives; the operating system ends it otherwise.
    local: Option<File>,
}

/// What became of a lock that is not ours any more.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LockLost {
    To(Box<LockOwner>),
    /// It is not there: the run that took it over has finished, or somebody removed it.
    Gone,
}

impl From<LockLost> for Failure {
    fn from(lost: LockLost) -> Self {
        Self::LockLost {
            owner: match lost {
                LockLost::To(owner) => Some(owner),
                LockLost::Gone => None,
            },
        }
    }
}

/// Where the local half of locks is kept.
pub fn state_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .or_else(|| variable("LOCALAPPDATA"))
        .map(|directory| directory.join("sitefence"))
}

/// Takes the lock, or tells who has it.
pub async fn take(
    bucket: Bucket,
    identity: &Identity,
    topology: &str,
    verb: &str,
    breaks: bool,
) -> Result<Lock, Failure> {
    // Without a place for it the lock in the bucket still works; only a run that died has to lapse.
    let mut local = open_local(identity, topology);
    let dead_tokens = local.as_mut().map(tokens).unwrap_or_default();

    let now = Timestamp::now();
    let owner = LockOwner {
        by: identity.arn.clone(),
        host: host_name(),
        verb: verb.to_owned(),
        since: now.to_string(),
        renewed: now.to_string(),
        token: token(now),
    };
    if let Some(file) = &mut local {
        // A token that could not be noted costs ten minutes after a crash, no more.
        let _ = note(
            file,
            &[&dead_tokens[..], std::slice::from_ref(&owner.token)].concat(),
        );
    }
    let body = serde_json::to_vec(&owner).unwrap_or_default();
    let etag = match bucket.put_if(KEY, body.clone(), None).await? {
        ConditionalWrite::Written { etag } => etag,
        ConditionalWrite::Lost => {
            let Some(object) = bucket.get(KEY).await? else {
                // It was released this very moment.
                return Err(Failure::Overtaken);
            };
            let holder = read(&object);
            if holder.token == owner.token {
                // The first attempt was written and its answer was lost.
                object.etag
            } else if breaks || dead_tokens.contains(&holder.token) || has_lapsed(&object, now) {
                match bucket.put_if(KEY, body.clone(), Some(&object.etag)).await? {
                    ConditionalWrite::Written { etag } => etag,
                    ConditionalWrite::Lost => return Err(Failure::Overtaken),
                }
            } else {
                if let Some(file) = &mut local {
                    let _ = note(file, &dead_tokens);
                }
                return Err(Failure::Locked {
                    takes_over_at: lapses_at(&object),
                    owner: Box::new(holder),
                });
            }
        }
    };
    let local = local.map(|mut file| {
        let _ = note(&mut file, std::slice::from_ref(&owner.token));
        file
    });
    let (sender, lost) = watch::channel(None);
    let etag = Arc::new(Mutex::new(etag));
    Ok(Lock {
        token: owner.token.clone(),
        renewal: tokio::spawn(renew(bucket.clone(), owner, Arc::clone(&etag), sender)),
        bucket,
        etag,
        lost,
        local,
    })
}

/// Removes the lock of a run that died here when all but letting go was done: a run that then finds nothing to do takes no
/// lock, and would leave this one in everybody else's way.
pub async fn tidy(bucket: &Bucket, identity: &Identity, topology: &str) -> Result<(), Failure> {
    let Some(mut local) = open_local(identity, topology) else {
        return Ok(());
    };
    let dead_tokens = tokens(&mut local);
    if dead_tokens.is_empty() {
        return Ok(());
    }
    if let Some(object) = bucket.get(KEY).await?
        && dead_tokens.contains(&read(&object).token)
    {
        // A run that takes it over this very moment keeps it.
        bucket.delete_if(KEY, &object.etag).await?;
    }
    let _ = note(&mut local, &[]);
    Ok(())
}

impl Lock {
    /// Fails if someone took the lock over.
    pub fn check(&self) -> Result<(), Failure> {
        match self.lost.borrow().clone() {
            Some(lost) => Err(lost.into()),
            None => Ok(()),
        }
    }

    /// Lets go; fails if there was nothing to let go of, because someone took the lock over. A bucket that is gone
    /// took the lock with it.
    pub async fn release(self) -> Result<(), Failure> {
        self.renewal.abort();
        // The renewal must not write after the removal.
        let _ = self.renewal.await;
        let noticed = self.lost.borrow().clone();
        let lost = match noticed {
            Some(lost) => Some(lost),
            None => {
                let etag = tag(&self.etag).clone();
                // Unless it is what was written last, somebody has to look whose it is.
                if self.bucket.delete_if(KEY, &etag).await? {
                    None
                } else {
                    remove(&self.bucket, &self.token).await?
                }
            }
        };
        if let Some(mut file) = self.local {
            let _ = note(&mut file, &[]);
        }
        match lost {
            Some(lost) => Err(lost.into()),
            None => Ok(()),
        }
    }
}

/// Removes the lock that carries `token`; any other stays, and is what the lock was lost to. One that is not there
/// is nobody's, and need not be removed.
async fn remove(bucket: &Bucket, token: &str) -> Result<Option<LockLost>, Failure> {
    loop {
        let Some(object) = bucket.get(KEY).await? else {
            return Ok(None);
        };
        match holds(Some(&object), token) {
            // A renewal that was under way when it was ended may still arrive in between.
            Ok(etag) if bucket.delete_if(KEY, &etag).await? => return Ok(None),
            Ok(_) => {}
            Err(lost) => return Ok(Some(lost)),
        }
    }
}

/// The tag of the lock's object if it carries `token`; else what became of the lock.
fn holds(object: Option<&SmallObject>, token: &str) -> Result<String, LockLost> {
    let object = object.ok_or(LockLost::Gone)?;
    let holder = read(object);
    if holder.token == token {
        Ok(object.etag.clone())
    } else {
        Err(LockLost::To(Box::new(holder)))
    }
}

fn tag(etag: &Mutex<String>) -> MutexGuard<'_, String> {
    etag.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn renew(
    bucket: Bucket,
    owner: LockOwner,
    etag: Arc<Mutex<String>>,
    lost: watch::Sender<Option<LockLost>>,
) {
    let body = serde_json::to_vec(&owner).unwrap_or_default();
    loop {
        tokio::time::sleep(RENEW_INTERVAL).await;
        // A renewal that fails is tried again a minute later; ten fit before the lock lapses.
        let known = tag(&etag).clone();
        match bucket.put_if(KEY, body.clone(), Some(&known)).await {
            Ok(ConditionalWrite::Written { etag: new }) => *tag(&etag) = new,
            Ok(ConditionalWrite::Lost) => {
                let Ok(object) = bucket.get(KEY).await else {
                    continue;
                };
                match holds(object.as_ref(), &owner.token) {
                    // Written by an attempt whose answer was lost.
                    Ok(written) => *tag(&etag) = written,
                    Err(what) => {
                        lost.send_replace(Some(what));
                        return;
                    }
                }
            }
            Err(_) => {}
        }
    }
}

fn read(object: &SmallObject) -> LockOwner {
    let renewed = Timestamp::from_second(object.modified_at_seconds)
        .map(|time| time.to_string())
        .unwrap_or_default();
    let unknown = || "someone unknown".to_owned();
    let owner = serde_json::from_slice::<LockOwner>(&object.body).unwrap_or_else(|_| LockOwner {
        by: unknown(),
        host: unknown(),
        verb: "apply".to_owned(),
        since: renewed.clone(),
        renewed: String::new(),
        token: String::new(),
    });
    LockOwner { renewed, ..owner }
}

fn has_lapsed(object: &SmallObject, now: Timestamp) -> bool {
    now.as_second() - object.modified_at_seconds > LAPSES_AFTER_SECONDS
}

fn lapses_at(object: &SmallObject) -> String {
    Timestamp::from_second(object.modified_at_seconds + LAPSES_AFTER_SECONDS)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// The local half of the lock, if nobody alive on this machine holds it.
fn open_local(identity: &Identity, topology: &str) -> Option<File> {
    let directory = state_directory(|name| {
        std::env::var_os(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    })?;
    std::fs::create_dir_all(&directory).ok()?;
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(format!("{}-{topology}.lock", identity.account_id)))
        .ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// What runs noted that never let go, one token a line.
fn tokens(file: &mut File) -> Vec<String> {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match read {
        Ok(_) => text.lines().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}

fn note(file: &mut File, tokens: &[String]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(tokens.join("\n").as_bytes())?;
    file.sync_all()
}

/// Different for every run; nobody gains anything by guessing it.
pub(super) fn token(now: Timestamp) -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i128(now.as_nanosecond());
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}

fn host_name() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "an unnamed machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_with_our_token_is_our_lock() {
        let object = |body: &str| SmallObject {
            body: body.as_bytes().to_vec(),
            etag: "tag".to_owned(),
            modified_at_seconds: 0,
        };
        let of = |token: &str| {
            object(&format!(
                r#"{{"by":"ada","host":"h","verb":"apply","since":"s","token":"{token}"}}"#
            ))
        };
        assert_eq!(holds(Some(&of("ours")), "ours"), Ok("tag".to_owned()));
        assert!(matches!(holds(Some(&of("other")), "ours"), Err(LockLost::To(owner)) if owner.by == "ada"));
        // The run that took it over may have finished by now.
        assert_eq!(holds(None, "ours"), Err(LockLost::Gone));
        assert!(matches!(holds(Some(&object("?")), "ours"), Err(LockLost::To(_))));
    }
}
