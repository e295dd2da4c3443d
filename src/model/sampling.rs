//! Which executions are worth keeping. Pure.

use std::collections::BTreeMap;

use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Sampling {
    #[serde(serialize_with = "finite")]
    share: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "all_finite")]
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

/// JSON has no other numbers, and another would be written as `null`.
fn finite<S: Serializer>(share: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match share.is_finite() {
        true => serializer.serialize_f64(*share),
        false => Err(S::Error::custom(format!("the share {share} is no number in JSON"))),
    }
}

fn all_finite<S: Serializer>(sources: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match sources.iter().find(|(_, share)| !share.is_finite()) {
        None => sources.serialize(serializer),
        Some((source, share)) => {
            Err(S::Error::custom(format!("the share {share} of {source:?} is no number in JSON")))
        }
    }
}
