//! The encoding of events.

use super::{Reader, Reason, Writer, check_frame, finish_frame};
use crate::model::events::{Event, NewEvent};
use crate::model::id::EventSeq;
use crate::model::json::Json;
use crate::model::time::Timestamp;

/// Encodes the row of an event.
pub(crate) fn encode_event(table: u8, key: &[u8], event: &NewEvent, now: Timestamp, out: &mut Vec<u8>) {
    let mut w = Writer::frame(out);
    w.time(event.time.unwrap_or(now));
    w.text(&event.topic);
    w.text(&event.message);
    w.rest(event.details.as_ref().map_or("", Json::as_str).as_bytes());
    finish_frame(table, key, out);
}

/// Decodes the row of an event.
pub(crate) fn decode_event(table: u8, key: &[u8], seq: EventSeq, value: &[u8]) -> Result<Event, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let time = r.time()?;
    let (topic, message) = (r.text()?.into(), r.text()?.into());
    let details = match r.rest()? {
        "" => Json::from_stored("{}"),
        text => Json::from_stored(text),
    };
    Ok(Event { seq, topic, message, time, details })
}

/// Whether a row can be decoded.
pub(crate) fn check_event(table: u8, key: &[u8], value: &[u8]) -> Result<(), Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    r.time()?;
    r.text()?;
    r.text()?;
    r.rest().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back() {
        let now = Timestamp::from_nanos(77);
        let details = Json::from_text("{\"a\": [1]}").unwrap();
        for event in [
            NewEvent::new(""),
            NewEvent::new("t").message("m").at(Timestamp::from_nanos(-1)).details(details.clone()),
        ] {
            let mut out = Vec::new();
            encode_event(2, b"k", &event, now, &mut out);
            let back = decode_event(2, b"k", EventSeq(4), &out).unwrap();
            for end in 0..=out.len() {
                let mut cut = out.get(..end).unwrap().to_vec();
                finish_frame(2, b"k", &mut cut);
                let is_good = decode_event(2, b"k", EventSeq(4), &cut).is_ok();
                assert_eq!(check_event(2, b"k", &cut).is_ok(), is_good, "{end}");
            }
            assert_eq!((back.topic, back.message), (event.topic, event.message));
            assert_eq!(back.time, event.time.unwrap_or(now));
            assert_eq!(back.details.as_str(), event.details.as_ref().map_or("{}", Json::as_str));
        }
    }
}
