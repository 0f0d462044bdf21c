//! Everything outside the process, behind one trait.
//!
//! [`Cloud`] is the real one. Tests have others, in memory, with clocks of their own: that is why even the
//! time and the waiting come through here, and why nobody else in this crate reads a clock or sets a timer.
//!
//! A call is a value ([`Call`]) and so is its reply ([`Event`]): a world translates one into the other and
//! decides nothing. Dropping the future of a call abandons it; it may have taken effect all the same, which
//! the protocol knows.

pub mod accelerator;
pub mod aws;
mod cloud;
pub mod digest;
pub mod infinispan;
pub mod notices;
pub mod register;
pub mod secrets;
pub mod tls;

use std::future::Future;
use std::time::Duration;

use fencing::answer::Notice;
use fencing::register::Record;
use fencing::step::{Call, Event, Fault};
use fencing::words::Reporter;
use secrecy::SecretString;

pub use self::cloud::{Cloud, CloudError};
use crate::moment::Moment;

/// The outside of the function.
pub trait World {
    /// What time it is.
    fn moment(&self) -> Moment;

    /// Waits.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;

    /// Carries out one call of the protocol, once or more often: each is safe to repeat. It may take as long
    /// as it likes; the driver abandons it at its deadline. A [`Call::Pause`] never gets here: the driver
    /// [sleeps](Self::sleep).
    fn call(&self, call: &Call) -> impl Future<Output = Event>;

    /// Reads the webhook's secret as it is stored now.
    fn webhook_secret(&self) -> impl Future<Output = Result<SecretString, Fault>>;

    /// Stamps that a site's watchdog alert has come through.
    fn stamp(&self, reporter: &Reporter) -> impl Future<Output = Result<(), Fault>>;

    /// Keeps a copy of a revision that was written, for people to look up; best effort.
    fn chronicle(&self, record: &Record) -> impl Future<Output = ()>;

    /// Counts a notice and, where its cause wants that, tells people; best effort.
    fn tell(&self, notice: &Notice) -> impl Future<Output = ()>;

    /// Lets go of what was abandoned: once this returns, no byte of it is sent any more, also when the
    /// process is frozen now and thawed much later.
    fn settle(&self) -> impl Future<Output = ()>;
}
