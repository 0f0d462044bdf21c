//! A world whose register does not answer, with a record of one's own in its place.
//!
//! `provision fence --force` carries a fence out where the register is out of reach. It is the same protocol, with the
//! same looks before and after each write; only what it would write into the register is kept here, and nobody else
//! reads it. That is no decision: it is safe only while nothing else can decide, which its caller has seen to,
//! and it has to be written down afterwards.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fencing::answer::Notice;
use fencing::register::Record;
use fencing::step::{Call, Event, Fault, Written};
use fencing::words::{Reporter, Rev};
use secrecy::SecretString;

use crate::moment::Moment;
use crate::world::World;

#[derive(Debug)]
pub struct Apart<'w, W> {
    world: &'w W,
    record: Mutex<Option<Box<Record>>>,
    touched: AtomicBool,
}

impl<'w, W: World> Apart<'w, W> {
    /// Everything of this world but its register.
    pub fn from(world: &'w W) -> Self {
        Self {
            world,
            record: Mutex::default(),
            touched: AtomicBool::default(),
        }
    }

    /// Whether anything outside was asked to change.
    pub fn has_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    fn write(&self, expect: Rev, record: &Record) -> Written {
        let mut kept = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().map_or(Rev(0), |kept| kept.rev) != expect {
            return Written::Lost(kept.clone());
        }
        *kept = Some(Box::new(record.clone()));
        Written::Stored
    }
}

impl<W: World> World for Apart<'_, W> {
    fn moment(&self) -> Moment {
        self.world.moment()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.world.sleep(duration)
    }

    async fn call(&self, call: &Call) -> Event {
        match call {
            Call::ReadRegister => {
                let kept = self.record.lock().unwrap_or_else(PoisonError::into_inner);
                Event::Register(Ok(kept.clone()))
            }
            Call::WriteRegister { expect, record } => Event::Written(self.write(*expect, record)),
            // They stand in the register.
            Call::ReadMark => Event::Marked(Ok(None)),
            Call::ReadWitnesses => Event::Witnesses(Ok(BTreeMap::new())),
            // How far this record has come says nothing.
            Call::NoteReached(_) => Event::Done(Ok(())),
            Call::ReadAccelerator
            | Call::ReadView { .. }
            | Call::ReadAge { .. }
            | Call::ReadBackup { .. } => self.world.call(call).await,
            call => {
                self.touched.store(true, Ordering::Relaxed);
                self.world.call(call).await
            }
        }
    }

    fn webhook_secret(&self) -> impl Future<Output = Result<SecretString, Fault>> {
        self.world.webhook_secret()
    }

    fn stamp(&self, reporter: &Reporter) -> impl Future<Output = Result<(), Fault>> {
        self.world.stamp(reporter)
    }

    async fn chronicle(&self, _record: &Record) {}

    /// People are notified once it is recorded: its epoch is none.
    async fn tell(&self, _notice: &Notice, _record: Option<&Record>) {}

    fn settle(&self) -> impl Future<Output = ()> {
        self.world.settle()
    }
}
