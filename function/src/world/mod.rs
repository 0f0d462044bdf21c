//! Everything outside the process, behind one trait.
//!
//! `Cloud` is the real one. Tests have others, in memory, with clocks of their own: that is why even the
//! time and the waiting come through here, and why nobody else in this crate reads a clock or sets a timer.
//!
//! A call is a value ([`Call`]) and so is its reply ([`Event`]): a world translates one into the other and
//! decides nothing. Dropping the future of a call abandons it; it may have taken effect all the same, which
//! the protocol knows.

#[cfg(feature = "cloud")]
pub mod accelerator;
pub mod apart;
#[cfg(feature = "cloud")]
pub mod aws;
#[cfg(feature = "cloud")]
pub mod certificates;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(feature = "cloud")]
pub mod connection;
#[cfg(feature = "cloud")]
pub mod digest;
#[cfg(feature = "cloud")]
pub mod infinispan;
#[cfg(feature = "cloud")]
pub mod journal;
#[cfg(feature = "cloud")]
mod lookout;
#[cfg(feature = "cloud")]
pub mod notices;
#[cfg(feature = "cloud")]
pub mod register;
#[cfg(feature = "cloud")]
pub mod secrets;
#[cfg(feature = "cloud")]
pub mod tls;

use std::future::Future;
use std::time::Duration;

use fencing::answer::Notice;
use fencing::health::{Checkup, Forced, Kept, Probe, Seen};
use fencing::metrics::Measured;
use fencing::register::Record;
use fencing::register::near::NearMiss;
use fencing::rehearsal::SplitBrain;
use fencing::step::{Call, Event, Fault};
use fencing::words::{Reporter, SiteName};
use secrecy::SecretString;

#[cfg(feature = "cloud")]
pub use self::cloud::{Cloud, CloudError};
use crate::losses::{Keys, Sizes};
use crate::moment::Moment;

/// The outside of the function.
pub trait World {
    fn moment(&self) -> Moment;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;

    /// Carries out one call of the protocol, once or more often: each is safe to repeat. It may take as long
    /// as it likes; the driver abandons it at its deadline. A [`Call::Pause`] or [`Call::Wait`] never gets here: the
    /// driver [sleeps](Self::sleep).
    fn call(&self, call: &Call) -> impl Future<Output = Event>;

    /// Reads the webhook's secret as it is stored now.
    fn webhook_secret(&self) -> impl Future<Output = Result<SecretString, Fault>>;

    /// Stamps that a site's watchdog alert has come through.
    fn stamp(&self, reporter: &Reporter) -> impl Future<Output = Result<(), Fault>>;

    /// Keeps a copy of a revision that was written, for people to look up; best effort.
    fn chronicle(&self, record: &Record) -> impl Future<Output = ()>;

    /// Counts a notice and, where its cause wants that, tells people, and what the register says; best effort.
    fn tell(&self, notice: &Notice, record: Option<&Record>) -> impl Future<Output = ()>;

    /// Makes ready for a first event what is slow: a password that a fence needs, connections over which nothing is sent.
    /// Who caused it is not known yet, so it asks the hosts that a fence rests on for nothing. It may be dropped at any
    /// point.
    fn prepare(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Gives up what [`prepare`](Self::prepare) has begun and not ended: an answer is given, and the process may be
    /// frozen in the middle of it.
    fn put_away(&self) {}

    /// Lets go of what was abandoned: once this returns, this process hands no byte of it to the network any
    /// more, also when it is frozen now and thawed much later.
    fn settle(&self) -> impl Future<Output = ()>;
}

/// What watching the watchman needs of the outside beside that: looks that change nothing, a place to keep
/// their result, and a way to say numbers.
pub trait Lookout: World {
    /// Takes one look; a fault is silence. It may take as long as it likes.
    fn look(&self, probe: &Probe) -> impl Future<Output = Result<Seen, Fault>>;

    /// Reads the secret in the path of the health check as it is stored now.
    fn health_secret(&self) -> impl Future<Output = Result<SecretString, Fault>>;

    /// Keeps what a deep check came to.
    fn keep(&self, checkup: &Checkup) -> impl Future<Output = Result<(), Fault>>;

    fn force(&self, forced: &Forced) -> impl Future<Output = Result<(), Fault>>;

    /// Keeps what a drill measured.
    fn measured_by_drill(&self, measured: &SplitBrain) -> impl Future<Output = Result<(), Fault>>;

    fn kept(&self) -> impl Future<Output = Result<Kept, Fault>>;

    /// Keeps that a site's suspicion was over by itself; whether nobody had kept that before.
    fn near_miss(&self, site: &SiteName, miss: NearMiss) -> impl Future<Output = Result<bool, Fault>>;

    /// How many entries each cache of a site has that is replicated to the other one.
    fn sizes(&self, at: &SiteName, backup: &SiteName) -> impl Future<Output = Result<Sizes, Fault>>;

    /// The keys of one cache, so many of them at most.
    fn keys(&self, at: &SiteName, cache: &str, at_most: u64) -> impl Future<Output = Result<Keys, Fault>>;

    fn measure(&self, measured: Measured);

    /// Writes down what was measured since it was written down last.
    fn publish(&self);
}
