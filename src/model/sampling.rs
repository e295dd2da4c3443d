//! Which executions are worth keeping. Pure.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

/// Chooses the executions to be kept: all of some sources, a share of others.
///
/// The choice depends on the id alone, so every node makes the same one, and it is the same when it is asked again. Changing a
/// share from 10 to 20 percent keeps the first ten.
///
/// ```
/// use execstore::sampling::Sampling;
/// let sampling = Sampling::share(0.1).source("editor", 1.0).source("health-check", 0.0);
/// assert!(sampling.keeps("editor", "e-1"));
/// assert!(!sampling.keeps("health-check", "e-1"));
/// let kept = (0..10_000).filter(|n| sampling.keeps("api", &n.to_string())).count();
/// assert!((800..1_200).contains(&kept));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Sampling {
    share: f64,
    sources: BTreeMap<String, f64>,
}

impl Sampling {
    /// Keeps this share, from 0 to 1, of the executions of every source that has none of its own.
    pub fn share(share: f64) -> Self {
        Self { share, sources: BTreeMap::new() }
    }

    /// Keeps another share of the executions of a source.
    pub fn source(mut self, source: impl AsRef<str>, share: f64) -> Self {
        self.sources.insert(source.as_ref().to_owned(), share);
        self
    }

    /// `true` if the execution of this id and source is to be kept. A share that is no number keeps nothing.
    pub fn keeps(&self, source: &str, id: impl AsRef<str>) -> bool {
        let share = self.sources.get(source).copied().unwrap_or(self.share);
        // 53 bits, as many as a double has: a number from 0 to below 1.
        let place = (xxh3_64(id.as_ref().as_bytes()) >> 11) as f64 / (1u64 << 53) as f64;
        place < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_share_keeps_what_a_smaller_one_keeps() {
        let kept = |share| -> Vec<u32> {
            (0..2_000).filter(|n| Sampling::share(share).keeps("s", n.to_string())).collect()
        };
        assert!(kept(0.0).is_empty() && kept(-1.0).is_empty() && kept(f64::NAN).is_empty());
        assert_eq!(kept(1.0).len(), 2_000);
        let (few, more) = (kept(0.2), kept(0.5));
        assert!((300..500).contains(&few.len()) && (850..1_150).contains(&more.len()));
        assert!(few.iter().all(|n| more.contains(n)));
    }
}
