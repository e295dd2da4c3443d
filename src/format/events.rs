//! The encoding of events.

use super::schema::table;
use super::{Reader, Reason, Row, Writer, open, place_of};
use crate::model::events::{Event, NewEvent};
use crate::model::id::EventSeq;
use crate::model::json::Json;
use crate::model::time::Timestamp;

impl Row for table::Events {
    /// An event, and the time that it has if it says none.
    type New<'a> = (&'a NewEvent, Timestamp);
    type Value<'v> = Event;

    fn write((event, now): (&NewEvent, Timestamp), w: &mut Writer<'_>) {
        w.time(event.time.unwrap_or(now));
        w.text(&event.topic);
        w.text(&event.message);
        w.rest(event.details.as_ref().map_or("", Json::as_str).as_bytes());
    }

    fn read(key: &[u8; 16], r: &mut Reader<'_>) -> Result<Event, Reason> {
        let time = r.time()?;
        let (topic, message) = (r.text()?.into(), r.text()?.into());
        let details = match r.rest()? {
            "" => Json::from_stored("{}"),
            text => Json::from_stored(text),
        };
        Ok(Event { seq: EventSeq(place_of(key).1), topic, message, time, details })
    }
}

/// Whether a row can be decoded.
pub(crate) fn check_event(key: &[u8; 16], value: &[u8]) -> Result<(), Reason> {
    let mut r = open::<table::Events>(key, value)?;
    r.time()?;
    r.text()?;
    r.text()?;
    r.rest().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::schema::Tag;
    use crate::format::{decode, encode, finish_frame, place_row};
    use crate::model::row_id::RowId;

    #[test]
    fn events_come_back() {
        let now = Timestamp::from_nanos(77);
        let details = Json::from_text("{\"a\": [1]}").unwrap();
        for event in [
            NewEvent::new(""),
            NewEvent::new("t").message("m").at(Timestamp::from_nanos(-1)).details(details.clone()),
        ] {
            let (key, mut out) = (place_row(RowId(3), 4), Vec::new());
            encode::<table::Events>(&key, &mut out, |w| table::Events::write((&event, now), w));
            let back = decode::<table::Events>(&key, &out).unwrap();
            assert_eq!(back.seq, EventSeq(4));
            for end in 0..=out.len() {
                let mut cut = out.get(..end).unwrap().to_vec();
                finish_frame(Tag::Events, &key, &mut cut);
                let is_good = decode::<table::Events>(&key, &cut).is_ok();
                assert_eq!(check_event(&key, &cut).is_ok(), is_good, "{end}");
            }
            assert_eq!((back.topic, back.message), (event.topic, event.message));
            assert_eq!(back.time, event.time.unwrap_or(now));
            assert_eq!(back.details.as_str(), event.details.as_ref().map_or("{}", Json::as_str));
        }
    }
}
