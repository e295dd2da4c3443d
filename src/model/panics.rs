//! A caller's own code, run and dropped where a panic of it must not end what the store does for others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs it. If it panics, gives what it said.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let said = message(&*panic);
        dropped(panic);
        said
    })
}

/// Drops it, whether or not it panics when it is dropped.
pub(crate) fn dropped<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // What a panic carries may panic in its turn, and what that carries.
        std::mem::forget(panic);
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "for no stated reason".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            std::panic::panic_any(Explosive);
        }
    }

    #[test]
    fn whatever_panics_stays_here() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("why")), Err::<(), _>("why".to_owned()));
        assert_eq!(caught(|| panic!("{}", "why")), Err::<(), _>("why".to_owned()));
        let said = caught(|| std::panic::panic_any(Explosive));
        assert_eq!(said, Err::<(), _>("for no stated reason".to_owned()));
        dropped(Explosive);
    }
}
