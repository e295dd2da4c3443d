//! The bytes of what an entry of the change log keeps of the header before it.

use super::execution::{decode_labels, desired, desired_code, encode_labels, state};
use super::{Reader, Reason, Writer};
use crate::model::execution::{DesiredState, Labels};
use crate::model::id::{ExecutionId, Revision};
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::row_id::PayloadVersion;
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::model::undo::{Undo, changing_parts};

const PAYLOAD: u64 = 1 << 12;

/// How the former value of a part is written.
trait Former: Sized {
    fn write(&self, w: &mut Writer<'_>);

    fn read(r: &mut Reader<'_>, lifecycle: &Lifecycle) -> Result<Self, Reason>;
}

macro_rules! bytes_of_undo {
    ($($bit:literal $part:ident: $of:ty,)*) => {
        const KNOWN: u64 = PAYLOAD $(| 1 << $bit)*;

        /// Bits of what is there, then the payload's version, then the parts in the order of their bits.
        pub(super) fn encode_undo(undo: &Undo, w: &mut Writer<'_>) {
            let mut there = if undo.payload_version.is_some() { PAYLOAD } else { 0 };
            $(there |= u64::from(undo.$part.is_some()) << $bit;)*
            w.number(there);
            undo.payload_version.iter().for_each(|old| w.number(old.0));
            $(undo.$part.iter().for_each(|old| old.write(w));)*
        }

        pub(super) fn decode_undo(r: &mut Reader<'_>, lifecycle: &Lifecycle) -> Result<Box<Undo>, Reason> {
            let there = r.number()?;
            if there & !KNOWN != 0 {
                return Err(format!("the entry has unknown parts ({there:#x})"));
            }
            let mut undo = Box::<Undo>::default();
            if there & PAYLOAD != 0 {
                undo.payload_version = Some(PayloadVersion(r.number()?));
            }
            $(if there & 1 << $bit != 0 {
                undo.$part = Some(<$of>::read(r, lifecycle)?);
            })*
            Ok(undo)
        }
    };
}

changing_parts!(bytes_of_undo);

impl Former for Option<Text> {
    fn write(&self, w: &mut Writer<'_>) {
        w.byte(u8::from(self.is_some()));
        self.iter().for_each(|text| w.id(text));
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        match r.byte()? {
            0 => Ok(None),
            _ => r.id().map(Some),
        }
    }
}

impl Former for Option<ExecutionId> {
    fn write(&self, w: &mut Writer<'_>) {
        w.byte(u8::from(self.is_some()));
        self.iter().for_each(|id| w.id(id.as_str()));
    }

    fn read(r: &mut Reader<'_>, lifecycle: &Lifecycle) -> Result<Self, Reason> {
        Ok(<Option<Text>>::read(r, lifecycle)?.map(ExecutionId::from_stored))
    }
}

impl Former for Option<Timestamp> {
    fn write(&self, w: &mut Writer<'_>) {
        w.byte(u8::from(self.is_some()));
        // The place of a time that there is none of has the same length.
        w.time(self.unwrap_or(Timestamp::from_nanos(0)));
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        let is_some = r.byte()? != 0;
        let time = r.time()?;
        Ok(is_some.then_some(time))
    }
}

impl Former for Timestamp {
    fn write(&self, w: &mut Writer<'_>) {
        w.time(*self);
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        r.time()
    }
}

impl Former for State {
    fn write(&self, w: &mut Writer<'_>) {
        w.byte(self.code());
    }

    fn read(r: &mut Reader<'_>, lifecycle: &Lifecycle) -> Result<Self, Reason> {
        state(r.byte()?, lifecycle)
    }
}

impl Former for DesiredState {
    fn write(&self, w: &mut Writer<'_>) {
        w.byte(desired_code(*self));
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        desired(r.byte()?)
    }
}

impl Former for Labels {
    fn write(&self, w: &mut Writer<'_>) {
        encode_labels(self, w);
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        decode_labels(r)
    }
}

impl Former for Revision {
    fn write(&self, w: &mut Writer<'_>) {
        w.number(self.0);
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        r.number().map(Revision)
    }
}

impl Former for u64 {
    fn write(&self, w: &mut Writer<'_>) {
        w.number(*self);
    }

    fn read(r: &mut Reader<'_>, _: &Lifecycle) -> Result<Self, Reason> {
        r.number()
    }
}
