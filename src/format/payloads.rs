//! The encoding of payloads that have a row of their own.

use super::schema::table;
use super::{Reader, Reason, Row, Writer};
use crate::model::json::Json;

impl Row for table::Payloads {
    type New<'a> = &'a Json;
    type Value<'v> = Json;

    fn write(payload: &Json, w: &mut Writer<'_>) {
        w.rest(payload.as_str().as_bytes());
    }

    fn read(_: &[u8; 16], r: &mut Reader<'_>) -> Result<Json, Reason> {
        r.rest().map(Json::from_stored)
    }
}
