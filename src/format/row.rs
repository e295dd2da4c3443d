//! What the rows of a table are: its keys, and its values as bytes and back. A table is a type here (`schema::table`), so that a
//! key or a value of one cannot get into another.

use super::schema::Table;
use super::{Reader, Reason, Writer, check_frame, finish_frame};
use crate::model::id::ChangeSeq;
use crate::model::row_id::RowId;

/// A table whose values need nothing but their key to be read.
pub(crate) trait Row: Table {
    /// A value to be written.
    type New<'a>;
    /// A value that was read.
    type Value<'v>;

    fn write(value: Self::New<'_>, w: &mut Writer<'_>);

    /// Need not look whether the value is used up.
    fn read<'v>(key: &Self::Key, r: &mut Reader<'v>) -> Result<Self::Value<'v>, Reason>;
}

/// Encodes the row of a table: its frame, and what is written into it.
#[inline]
pub(crate) fn encode<T: Table>(key: &T::Key, out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) {
    write(&mut Writer::frame(out));
    finish_frame(T::TAG, key.as_ref(), out);
}

/// Checks the frame of a table's row, and reads what is in it.
#[inline]
pub(crate) fn open<'v, T: Table>(key: &T::Key, value: &'v [u8]) -> Result<Reader<'v>, Reason> {
    check_frame(T::TAG, key.as_ref(), value).map(Reader::new)
}

/// Decodes the row of a table.
#[inline]
pub(crate) fn decode<'v, T: Row>(key: &T::Key, value: &'v [u8]) -> Result<T::Value<'v>, Reason> {
    let mut r = open::<T>(key, value)?;
    let value = T::read(key, &mut r)?;
    r.end()?;
    Ok(value)
}

macro_rules! rows {
    ($($table:ident: $kind:ident $($of:ident)?;)+) => {
        $(rows!(@$kind $table $($of)?);)+
    };
    (@number $table:ident) => {
        impl Row for table::$table {
            type New<'a> = u64;
            type Value<'v> = u64;

            fn write(number: u64, w: &mut Writer<'_>) {
                w.number(number);
            }

            fn read(_: &Self::Key, r: &mut Reader<'_>) -> Result<u64, Reason> {
                r.number()
            }
        }
    };
    (@number $table:ident $of:ident) => {
        impl Row for table::$table {
            type New<'a> = $of;
            type Value<'v> = $of;

            fn write(number: $of, w: &mut Writer<'_>) {
                w.number(number.0);
            }

            fn read(_: &Self::Key, r: &mut Reader<'_>) -> Result<$of, Reason> {
                r.number().map($of)
            }
        }
    };
    (@nothing $table:ident) => {
        impl Row for table::$table {
            type New<'a> = ();
            type Value<'v> = ();

            fn write((): (), _: &mut Writer<'_>) {}

            fn read(_: &Self::Key, _: &mut Reader<'_>) -> Result<(), Reason> {
                Ok(())
            }
        }
    };
}
use super::schema::table;

// The indexes, and what is one number.
rows! {
    Ids: number RowId;
    Jobs: nothing;
    States: nothing;
    Checkpoints: number ChangeSeq;
    Labels: nothing;
    Completions: nothing;
    LastChanges: number RowId;
    TaskNames: number;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_of_its_table_and_its_key_alone_and_is_used_up() {
        let (key, mut out) = (7u64.to_be_bytes(), Vec::new());
        encode::<table::LastChanges>(&key, &mut out, |w| table::LastChanges::write(RowId(300), w));
        assert_eq!(decode::<table::LastChanges>(&key, &out), Ok(RowId(300)));
        assert!(decode::<table::LastChanges>(&8u64.to_be_bytes(), &out).is_err());
        assert!(decode::<table::Ids>(&key, &out).is_err());
        encode::<table::LastChanges>(&key, &mut out, |w| w.rest(&[3, 3]));
        assert_eq!(decode::<table::LastChanges>(&key, &out), Err("1 bytes are left over".into()));
    }
}
