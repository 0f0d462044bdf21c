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
//! It is an economy and a courtesy: CloudFormation itself refuses two operations on one stack. Ten minutes
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
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::failure::Failure;
use crate::plan::observed::Identity;
use crate::world::artifacts::{Bucket, ConditionalWrite, SmallObject};

/// The object's key.
pub const KEY: &str = "apply.lock";
const RENEW_INTERVAL: Duration = Duration::from_secs(60);
const LAPSES_AFTER_SECONDS: i64 = 600;

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// The caller's ARN.
    pub by: String,
    /// The machine's name.
    pub host: String,
    /// What is being done: `apply` or `destroy`.
    pub verb: String,
    /// Since when.
    pub since: String,
    /// When the owner was last heard of. Filled from the object's own time when it is read.
    #[serde(default, skip_serializing)]
    pub renewed: String,
    /// Tells this run from any other.
    pub token: String,
}

/// A lock that is held. Dropped without [`Lock::release`], it lapses.
#[derive(Debug)]
pub struct Lock {
    bucket: Bucket,
    renewal: JoinHandle<()>,
    taken_over: watch::Receiver<Option<LockOwner>>,
    /// Held as long as the process lives; the operating system ends it otherwise.
    local: Option<File>,
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
    let (sender, taken_over) = watch::channel(None);
    Ok(Lock {
        renewal: tokio::spawn(renew(bucket.clone(), owner, etag, sender)),
        bucket,
        taken_over,
        local,
    })
}

/// Removes the lock of a run that died here when all but letting go was done: whoever then finds nothing to do takes no
/// lock, and would leave it standing in everybody else's way.
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
        bucket.delete(KEY).await?;
    }
    let _ = note(&mut local, &[]);
    Ok(())
}

impl Lock {
    /// Fails if someone took the lock over.
    pub fn check(&self) -> Result<(), Failure> {
        match self.taken_over.borrow().clone() {
            Some(owner) => Err(Failure::LockLost {
                owner: Box::new(owner),
            }),
            None => Ok(()),
        }
    }

    /// Lets go. A bucket that is gone took the lock with it.
    pub async fn release(self) -> Result<(), Failure> {
        self.renewal.abort();
        // The renewal must not write after the removal.
        let _ = self.renewal.await;
        if self.taken_over.borrow().is_none() {
            match self.bucket.delete(KEY).await {
                Err(error) if !error.is("NoSuchBucket") => return Err(error.into()),
                _ => {}
            }
        }
        if let Some(mut file) = self.local {
            let _ = note(&mut file, &[]);
        }
        Ok(())
    }
}

async fn renew(
    bucket: Bucket,
    owner: LockOwner,
    mut etag: String,
    taken_over: watch::Sender<Option<LockOwner>>,
) {
    let body = serde_json::to_vec(&owner).unwrap_or_default();
    loop {
        tokio::time::sleep(RENEW_INTERVAL).await;
        // A renewal that fails is tried again a minute later; ten fit before the lock lapses.
        match bucket.put_if(KEY, body.clone(), Some(&etag)).await {
            Ok(ConditionalWrite::Written { etag: new }) => etag = new,
            Ok(ConditionalWrite::Lost) => {
                let Ok(Some(object)) = bucket.get(KEY).await else {
                    continue;
                };
                let holder = read(&object);
                if holder.token == owner.token {
                    // Written by an attempt whose answer was lost.
                    etag = object.etag;
                } else {
                    taken_over.send_replace(Some(holder));
                    return;
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
fn token(now: Timestamp) -> String {
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
