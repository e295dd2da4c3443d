//! The encoding of a link between executions: which of those that have had an id it leads to.

use super::{Reader, Reason, Writer, check_frame, finish_frame};
use crate::model::text::Text;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkTo {
    /// The number of the execution; 0 if there was none of the id yet.
    pub(crate) target: u64,
    /// Of a previous attempt that was deleted: the one before it that is nearest, by id and number.
    pub(crate) over: Option<(Text, u64)>,
}

/// Encodes a row of the table `links`.
pub(crate) fn encode_link(table: u8, key: &[u8], to: &LinkTo, out: &mut Vec<u8>) {
    let mut w = Writer::frame(out);
    w.number(to.target);
    if let Some((id, number)) = &to.over {
        w.number(*number);
        w.id(id);
    }
    finish_frame(table, key, out);
}

/// Decodes a row of the table `links`.
pub(crate) fn decode_link(table: u8, key: &[u8], value: &[u8]) -> Result<LinkTo, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let target = r.number()?;
    let over = match r.end() {
        Ok(()) => None,
        Err(_) => {
            let number = r.number()?;
            Some((r.id()?, number))
        }
    };
    r.end()?;
    Ok(LinkTo { target, over })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back() {
        for over in [
            None,
            Some((Text::from("a"), 0)),
            Some((Text::from("01890a5d-ac96-774b-bcce-b302099a8057"), 300)),
        ] {
            for target in [0, 7, u64::MAX] {
                let (to, mut out) = (LinkTo { target, over: over.clone() }, Vec::new());
                encode_link(12, b"k", &to, &mut out);
                assert_eq!(decode_link(12, b"k", &out).unwrap(), to);
                assert!(decode_link(12, b"l", &out).is_err());
            }
        }
    }
}
