//! A task of the function that takes several calls: each is reported when it says something new, and made again where a
//! dependency failed, where somebody else is at work, or where the credentials ran out meanwhile.

use std::time::Duration;

use fencing::answer::{Next, Status};
use fencing::step::Task;
use tokio::time::Instant;

use super::operate;
use super::{Failure, Session};
use crate::report::Operated;
use crate::topology::Topology;
use crate::world::aws::Aws;
use crate::world::call::CallError;

/// How often a call is made again that a dependency failed, and after how long.
const RETRIES: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// How often it is said that nothing has changed.
const REMIND_EVERY: Duration = Duration::from_secs(30);
/// For how long credentials that ran out are waited for, and how often they are looked for again.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(3600);
const CREDENTIALS_EVERY: Duration = Duration::from_secs(15);
/// What AWS calls credentials that were good once.
const RAN_OUT: [&str; 4] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "UnrecognizedClientException",
];

pub(super) struct Calls<'a> {
    /// A copy, since it signs in again when credentials run out.
    session: Session,
    topology: &'a Topology,
    began: Instant,
    said: String,
    /// Since when that is so, and when it was said last.
    since: Instant,
    reminded: Instant,
}

impl<'a> Calls<'a> {
    pub(super) fn new(session: &Session, topology: &'a Topology) -> Self {
        Self {
            session: session.clone(),
            topology,
            began: Instant::now(),
            said: String::new(),
            since: Instant::now(),
            reminded: Instant::now(),
        }
    }

    /// Says something, with how long this has been going on.
    pub(super) fn say(&self, sentence: &str) {
        let seconds = self.began.elapsed().as_secs();
        self.session.console.say(&format!("{seconds:>4} s  {sentence}"));
    }

    /// Has the function make one step.
    pub(super) async fn make(&mut self, task: impl Fn(String) -> Task) -> Result<Operated, Failure> {
        let mut failed = 0;
        loop {
            self.session.interrupt.check()?;
            let operated = match operate::operate(&self.session, self.topology, &task).await {
                Ok(operated) => operated,
                Err(Failure::Call(error)) if ran_out(&error) => {
                    self.sign_in_again().await?;
                    continue;
                }
                // A network that is away: it costs nothing to ask again.
                Err(Failure::Call(error)) if error.is_outage() && failed < RETRIES => {
                    failed += 1;
                    self.session.interrupt.pause(RETRY_AFTER).await?;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let sentence = operated.answer.sentence.clone();
            if sentence != self.said {
                let step = operated.answer.step;
                let step = step.map(|step| format!("step {} of {}: ", step.number, step.of));
                self.say(&format!("{}{sentence}", step.unwrap_or_default()));
                self.said = sentence;
                self.since = Instant::now();
                self.reminded = self.since;
            } else if self.reminded.elapsed() >= REMIND_EVERY {
                self.reminded = Instant::now();
                let seconds = self.since.elapsed().as_secs();
                self.session
                    .console
                    .say(&format!("        unchanged for {seconds} s: {sentence}"));
            }
            let is_to_be_repeated =
                operated.answer.status == Status::Retry && operated.answer.next == Next::Nothing;
            if !is_to_be_repeated || failed >= RETRIES {
                return Ok(operated);
            }
            failed += 1;
            self.session.interrupt.pause(RETRY_AFTER).await?;
        }
    }

    /// Waits as the function asked, by a clock that nobody sets.
    pub(super) async fn wait(&self, seconds: u32) -> Result<(), Failure> {
        self.say(&format!(
            "waiting {seconds} s: what was begun before will have ended by then"
        ));
        let wait = Duration::from_secs(seconds.into());
        self.session.interrupt.pause(wait).await
    }

    /// Nothing is lost meanwhile: all progress is in the register.
    async fn sign_in_again(&mut self) -> Result<(), Failure> {
        self.say("the AWS credentials have expired: sign in again in another terminal, and this continues");
        let began = Instant::now();
        loop {
            self.session.interrupt.pause(CREDENTIALS_EVERY).await?;
            match Aws::sign_in(self.topology.first_region().as_str()).await {
                Ok(aws) => {
                    self.session.aws = aws;
                    return Ok(());
                }
                Err(error) if began.elapsed() >= CREDENTIALS_WITHIN => return Err(error.into()),
                Err(_) => {}
            }
        }
    }
}

fn ran_out(error: &CallError) -> bool {
    matches!(error, CallError::Unsigned { .. }) || RAN_OUT.iter().any(|code| error.is(code))
}
