//! The events of one execution's own history. Pure.

use serde::{Deserialize, Serialize};

use crate::model::fingerprint::Fingerprint;
use crate::model::id::EventSeq;
use crate::model::json::Json;
use crate::model::json::form::{given, is_default, request};
use crate::model::limits::{InputError, LongTexts, MAX_EVENT, MAX_MESSAGE, MAX_NAME, check_len, check_size};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// An event as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "EventForm")]
#[non_exhaustive]
pub struct Event {
    /// Its place in the execution's history, from 1.
    pub seq: EventSeq,
    /// What it is about, as the caller sorts its events.
    pub topic: Text,
    /// What happened, for people.
    pub message: Text,
    /// When it happened: as given, or the time of the write. May go back from one event to the next.
    pub time: Timestamp,
    /// More, for programs: a JSON object; `{}` if none was given.
    pub details: Json,
}

request! {
    /// An event to be appended.
    ///
    /// At most 256 bytes of topic, 64 KiB of message, and 1 MiB together with the details. A longer message is cut, unless the
    /// store was opened to [refuse](crate::options::LongTexts::Refuse) it.
    ///
    /// ```
    /// use execstore::{Json, NewEvent, Timestamp};
    /// let event = NewEvent::new("scheduling")
    ///     .message("bid accepted")
    ///     .details(Json::from_text(r#"{"node":"n-7","price":12}"#)?)
    ///     .at(Timestamp::from_nanos(1_700_000_000_000_000_000));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[must_use]
    pub struct NewEvent {
        pub(crate) topic: Text,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(crate) message: Text,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(crate) time: Option<Timestamp>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(crate) details: Option<Json>,
    }
}

impl NewEvent {
    /// An event of this topic, with no message, no details, and the time of the write.
    pub fn new(topic: impl AsRef<str>) -> Self {
        Self { topic: Text::from(topic.as_ref()), message: Text::new(), time: None, details: None }
    }

    /// Sets the message.
    pub fn message(mut self, message: impl AsRef<str>) -> Self {
        self.message = Text::from(message.as_ref());
        self
    }

    /// Sets the time, which is kept as given.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets the details: a JSON object. Another kind of document is refused when the event is written.
    pub fn details(mut self, details: impl Into<Json>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub(crate) fn fingerprint(&self, f: &mut Fingerprint) {
        f.text(&self.topic);
        f.text(&self.message);
        f.number(u64::from(self.time.is_some()));
        f.number(self.time.map_or(0, |time| time.as_nanos().cast_unsigned()));
        f.optional(self.details.as_ref().map(Json::as_str));
    }

    /// `true` if this is the event that is kept, as far as it says.
    pub(crate) fn is(&self, event: &Event) -> bool {
        let details = self.details.as_ref().map_or("{}", Json::as_str);
        self.topic == event.topic
            && self.message == event.message
            && self.time.is_none_or(|time| time == event.time)
            && details == event.details.as_str()
    }

    /// Makes the messages fit.
    pub(crate) fn fit_all(events: &mut [NewEvent], long: LongTexts) {
        events.iter_mut().for_each(|event| long.fit(&mut event.message, MAX_MESSAGE));
    }

    /// A long message is cut when it is stored, or refused, as the store was told.
    fn check_read(&self) -> Result<(), InputError> {
        Self { message: Text::new(), ..self.clone() }.check()
    }

    pub(crate) fn check(&self) -> Result<(), InputError> {
        check_len("event topic", &self.topic, MAX_NAME)?;
        check_len("event message", &self.message, MAX_MESSAGE)?;
        let details = self.details.as_ref().map_or(0, |details| details.as_str().len());
        check_size("event", self.topic.len() + self.message.len() + details, MAX_EVENT)?;
        match &self.details {
            Some(details) if !details.is_object() => Err(InputError::Invalid {
                what: "event details",
                reason: "they are not a JSON object".into(),
            }),
            _ => Ok(()),
        }
    }
}

/// The JSON of an event.
#[derive(Deserialize)]
struct EventForm {
    seq: EventSeq,
    topic: Text,
    message: Text,
    time: Timestamp,
    details: Json,
}

impl TryFrom<EventForm> for Event {
    type Error = InputError;

    fn try_from(form: EventForm) -> Result<Self, InputError> {
        let EventForm { seq, topic, message, time, details } = form;
        let new = NewEvent { topic, message, time: Some(time), details: Some(details.clone()) };
        new.check()?;
        let NewEvent { topic, message, .. } = new;
        Ok(Self { seq, topic, message, time, details })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_checked_at_the_boundaries() {
        assert!(NewEvent::new("t".repeat(MAX_NAME)).check().is_ok());
        assert!(NewEvent::new("t".repeat(MAX_NAME + 1)).check().is_err());
        assert!(NewEvent::new("t").message("m".repeat(MAX_MESSAGE)).check().is_ok());
        assert!(NewEvent::new("t").message("m".repeat(MAX_MESSAGE + 1)).check().is_err());
        let details = |bytes: usize| Json::from_text(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)));
        assert!(NewEvent::new("t").details(details(MAX_EVENT - 1).unwrap()).check().is_ok());
        assert!(NewEvent::new("t").details(details(MAX_EVENT).unwrap()).check().is_err());
        assert!(NewEvent::new("t").details(Json::null()).check().is_err());
        assert!(NewEvent::new("t").details(Json::from_text("[1]").unwrap()).check().is_err());
    }
}
