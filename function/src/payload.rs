//! Alertmanager's webhook payload, version 4, as much of it as is needed.
//!
//! Read by hand instead of by derive for three reasons: a derived reader refuses a field that stands twice,
//! which JSON allows; it would build ten thousand maps of labels to use four of each; and fields that newer
//! Alertmanagers add, however deep, are skipped here without being built at all. Of a field that stands
//! twice the last one counts, as with most readers of JSON.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// A payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) version: String,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) truncated: u64,
}

/// Whether an alert goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It does.
    Firing,
    /// It is over.
    Resolved,
}

/// An alert with the labels that count.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) state: State,
    pub(crate) alertname: Option<String>,
    pub(crate) topology: Option<String>,
    pub(crate) reporter: Option<String>,
    pub(crate) site: Option<String>,
}

/// Something read from an object, field by field.
trait Fields: Sized {
    const WHAT: &'static str;
    type Draft: Default;
    /// Takes the value of `key` out of the map, or leaves it and says so.
    fn take<'de, A: MapAccess<'de>>(
        draft: &mut Self::Draft,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error>;
    fn finish<E: Error>(draft: Self::Draft) -> Result<Self, E>;
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut draft = T::Draft::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if !T::take(&mut draft, &key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        T::finish(draft)
    }
}

#[derive(Default)]
struct PayloadDraft {
    version: Option<String>,
    alerts: Option<Vec<Alert>>,
    truncated: Option<u64>,
}

impl Fields for Payload {
    const WHAT: &'static str = "an Alertmanager payload";
    type Draft = PayloadDraft;

    fn take<'de, A: MapAccess<'de>>(
        draft: &mut PayloadDraft,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        match key {
            "version" => draft.version = Some(map.next_value()?),
            "alerts" => draft.alerts = Some(map.next_value()?),
            "truncatedAlerts" => draft.truncated = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish<E: Error>(draft: PayloadDraft) -> Result<Self, E> {
        Ok(Self {
            version: draft.version.ok_or_else(|| E::missing_field("version"))?,
            alerts: draft.alerts.ok_or_else(|| E::missing_field("alerts"))?,
            truncated: draft.truncated.unwrap_or_default(),
        })
    }
}

#[derive(Default)]
struct AlertDraft {
    state: Option<State>,
    labels: Labels,
}

impl Fields for Alert {
    const WHAT: &'static str = "an alert";
    type Draft = AlertDraft;

    fn take<'de, A: MapAccess<'de>>(
        draft: &mut AlertDraft,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        match key {
            "status" => draft.state = Some(map.next_value()?),
            "labels" => draft.labels = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish<E: Error>(draft: AlertDraft) -> Result<Self, E> {
        Ok(Self {
            state: draft.state.ok_or_else(|| E::missing_field("status"))?,
            alertname: draft.labels.alertname,
            topology: draft.labels.topology,
            reporter: draft.labels.reporter,
            site: draft.labels.site,
        })
    }
}

#[derive(Default)]
struct Labels {
    alertname: Option<String>,
    topology: Option<String>,
    reporter: Option<String>,
    site: Option<String>,
}

impl Fields for Labels {
    const WHAT: &'static str = "an alert's labels";
    type Draft = Self;

    fn take<'de, A: MapAccess<'de>>(draft: &mut Self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        let label = match key {
            "alertname" => &mut draft.alertname,
            "topology" => &mut draft.topology,
            "reporter" => &mut draft.reporter,
            "site" => &mut draft.site,
            _ => return Ok(false),
        };
        *label = Some(map.next_value()?);
        Ok(true)
    }

    fn finish<E: Error>(draft: Self) -> Result<Self, E> {
        Ok(draft)
    }
}

macro_rules! deserialize {
    ($($type:ident),*) => {
        $(impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(Reader(PhantomData))
            }
        })*
    };
}

deserialize!(Payload, Alert, Labels);
