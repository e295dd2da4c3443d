//! The encoding of a link between executions: which of those that have had an id it leads to.

use super::schema::table;
use super::{Reader, Reason, Row, Writer};
use crate::model::row_id::RowId;
use crate::model::text::Text;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkTo {
    /// The number of the execution; 0 if there was none of the id yet.
    pub(crate) target: RowId,
    /// Of a previous attempt that was deleted: the one before it that is nearest, by id and number.
    pub(crate) over: Option<(Text, RowId)>,
}

impl Row for table::Links {
    type New<'a> = &'a LinkTo;
    type Value<'v> = LinkTo;

    fn write(to: &LinkTo, w: &mut Writer<'_>) {
        w.number(to.target.0);
        if let Some((id, number)) = &to.over {
            w.number(number.0);
            w.id(id);
        }
    }

    fn read(_: &[u8], r: &mut Reader<'_>) -> Result<LinkTo, Reason> {
        let target = RowId(r.number()?);
        let over = match r.end() {
            Ok(()) => None,
            Err(_) => {
                let number = RowId(r.number()?);
                Some((r.id()?, number))
            }
        };
        Ok(LinkTo { target, over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, encode};

    #[test]
    fn links_come_back() {
        for over in [
            None,
            Some((Text::from("a"), RowId(0))),
            Some((Text::from("01890a5d-ac96-774b-bcce-b302099a8057"), RowId(300))),
        ] {
            for target in [RowId::NONE, RowId(7), RowId::MAX] {
                let (to, mut out) = (LinkTo { target, over: over.clone() }, Vec::new());
                encode::<table::Links>(b"k", &mut out, |w| table::Links::write(&to, w));
                assert_eq!(decode::<table::Links>(b"k", &out).unwrap(), to);
                assert!(decode::<table::Links>(b"l", &out).is_err());
            }
        }
    }
}
