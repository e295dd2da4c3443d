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

/// How a call ended that did not return.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unwound<P> {
    /// With a value of ours, thrown through somebody else's code (`resume_unwind`).
    With(P),
    /// In a panic, which said this.
    Panicked(String),
}

/// Runs what may unwind with a value of ours.
pub(crate) fn caught_with<T, P: 'static>(call: impl FnOnce() -> T) -> Result<T, Unwound<P>> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| match panic.downcast() {
        Ok(value) => Unwound::With(*value),
        Err(panic) => {
            let said = message(&*panic);
            dropped(panic);
            Unwound::Panicked(said)
        }
    })
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

    #[test]
    fn a_value_that_was_thrown_comes_back() {
        #[derive(Debug, PartialEq)]
        struct Thrown(u8);

        assert_eq!(caught_with::<_, Thrown>(|| 7), Ok(7));
        let thrown = caught_with::<(), Thrown>(|| std::panic::resume_unwind(Box::new(Thrown(3))));
        assert_eq!(thrown, Err(Unwound::With(Thrown(3))));
        assert_eq!(caught_with::<(), Thrown>(|| panic!("why")), Err(Unwound::Panicked("why".to_owned())));
        let other = caught_with::<(), Thrown>(|| std::panic::panic_any(Explosive));
        assert_eq!(other, Err(Unwound::Panicked("for no stated reason".to_owned())));
    }
}
