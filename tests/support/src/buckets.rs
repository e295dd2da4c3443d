//! Buckets as plain maps, and operations on both.

use std::collections::BTreeMap;

use execstore::buckets::{Bucket, BucketMut, BucketRow};
use execstore::{Change, ChangeKind, Readable, Writer};

use crate::dice::Dice;

/// A bucket as plain maps; or what buckets lie in that lie in no other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plain {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    sequence: u64,
    buckets: BTreeMap<String, Plain>,
    logged: bool,
    /// One in it is logged, or was.
    logged_within: bool,
}

/// What an entry of the change log says of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub kind: ChangeKind,
    pub path: Vec<String>,
    /// Key, value after, whether there was a row before.
    pub row: Option<(Vec<u8>, Option<Vec<u8>>, bool)>,
}

impl Logged {
    /// What a change says, if it is about a bucket.
    pub fn of(change: &Change) -> Option<Self> {
        let path = change.bucket()?.iter().map(|name| name.to_string()).collect();
        let row = change.row().map(|row| (row.key.clone(), row.value.clone(), row.was_there));
        Some(Self { kind: change.kind(), path, row })
    }
}

impl Plain {
    fn put(&mut self, (key, value): (Vec<u8>, Vec<u8>), path: &[String], log: &mut Vec<Logged>) -> bool {
        let was_there = self.rows.insert(key.clone(), value.clone()).is_some();
        if self.logged {
            let row = Some((key, Some(value), was_there));
            log.push(Logged { kind: ChangeKind::RowPut, path: path.to_vec(), row });
        }
        !was_there
    }

    fn gone(
        &self,
        removed: Option<(Vec<u8>, Vec<u8>)>,
        path: &[String],
        log: &mut Vec<Logged>,
    ) -> Option<BucketRow> {
        let (key, value) = removed?;
        if self.logged {
            let row = Some((key.clone(), None, true));
            log.push(Logged { kind: ChangeKind::RowDeleted, path: path.to_vec(), row });
        }
        Some(BucketRow { key, value })
    }

    fn delete_bucket(&mut self, name: &str, path: &[String], log: &mut Vec<Logged>) -> bool {
        let Some(bucket) = self.buckets.remove(name) else { return false };
        if bucket.logged || bucket.logged_within {
            let path = path.iter().cloned().chain([name.to_owned()]).collect();
            log.push(Logged { kind: ChangeKind::BucketDeleted, path, row: None });
        }
        true
    }
}

const NAMES: [&str; 3] = ["a", "ab", "b"];

fn bytes(dice: &mut Dice, most: u64) -> Vec<u8> {
    (0..dice.roll(most)).map(|_| [0, 1, b'a', 0xfe, 0xff][dice.roll(5) as usize]).collect()
}

/// One operation on a bucket, in the store and in the model: every result must be equal.
fn act(
    b: &mut BucketMut<'_, '_>,
    plain: &mut Plain,
    path: &[String],
    log: &mut Vec<Logged>,
    dice: &mut Dice,
) {
    let row = |(key, value): (Vec<u8>, Vec<u8>)| BucketRow { key, value };
    match dice.roll(13) {
        0..=3 => {
            let (key, value) = (bytes(dice, 5), bytes(dice, 80));
            assert_eq!(b.put(&key, &value).unwrap(), plain.put((key, value), path, log));
        }
        4 => {
            let key = bytes(dice, 5);
            let removed = plain.rows.remove_entry(&key);
            assert_eq!(b.delete(&key).unwrap(), plain.gone(removed, path, log).is_some());
        }
        5 => {
            let key = bytes(dice, 4);
            let removed = plain.rows.remove_entry(&key);
            assert_eq!(b.take(&key).unwrap(), plain.gone(removed, path, log).map(|row| row.value));
        }
        6 => {
            let first = plain.rows.pop_first();
            assert_eq!(b.pop_first().unwrap(), plain.gone(first, path, log));
        }
        7 => {
            let through = bytes(dice, 3);
            let due = plain.rows.first_key_value().is_some_and(|(key, _)| *key <= through);
            let first = if due { plain.rows.pop_first() } else { None };
            assert_eq!(b.pop_first_through(&through).unwrap(), plain.gone(first, path, log));
            assert_eq!(b.contains_key(&through).unwrap(), plain.rows.contains_key(&through));
        }
        8 => {
            let last = plain.rows.pop_last();
            assert_eq!(b.pop_last().unwrap(), plain.gone(last, path, log));
        }
        9 => {
            plain.sequence += 1;
            assert_eq!(b.next_sequence().unwrap(), plain.sequence);
        }
        10 => {
            let name = NAMES[dice.roll(3) as usize];
            assert_eq!(b.delete_bucket(name).unwrap(), plain.delete_bucket(name, path, log));
        }
        11 => {
            plain.logged = dice.roll(3) > 0;
            b.set_logged(plain.logged).unwrap();
        }
        _ => {
            let name = NAMES[dice.roll(3) as usize];
            let inner = plain.buckets.entry(name.into()).or_default();
            let within: Vec<_> = path.iter().cloned().chain([name.to_owned()]).collect();
            act(&mut b.open_bucket(name).unwrap(), inner, &within, log, dice);
            plain.logged_within |= inner.logged || inner.logged_within;
        }
    }
    assert_eq!(b.is_logged(), plain.logged);
    assert_eq!((b.len(), b.sequence()), (plain.rows.len() as u64, plain.sequence));
    assert_eq!(b.first().unwrap(), plain.rows.clone().pop_first().map(row));
    let names: Vec<_> = b.buckets().unwrap().map(|name| name.unwrap().to_string()).collect();
    assert_eq!(names, plain.buckets.keys().cloned().collect::<Vec<_>>());
}

/// Some operations on buckets of a few names, in the store and in the model.
pub fn acts(w: &mut Writer<'_>, plain: &mut Plain, log: &mut Vec<Logged>, dice: &mut Dice) {
    for _ in 0..=dice.roll(6) {
        let name = NAMES[dice.roll(3) as usize];
        if dice.roll(40) == 0 {
            assert_eq!(w.delete_bucket(name).unwrap(), plain.delete_bucket(name, &[], log));
            continue;
        }
        let bucket = plain.buckets.entry(name.into()).or_default();
        act(&mut w.open_bucket(name).unwrap(), bucket, &[name.to_owned()], log, dice);
    }
}

fn compare<V: Readable>(found: &Bucket<'_, V>, plain: &Plain, dice: &mut Dice) {
    assert_eq!((found.len(), found.sequence()), (plain.rows.len() as u64, plain.sequence));
    assert_eq!(found.is_logged(), plain.logged);
    let rows = |list: execstore::List<'_, BucketRow>| -> Vec<(Vec<u8>, Vec<u8>)> {
        list.map(Result::unwrap).map(|row| (row.key, row.value)).collect()
    };
    let of = |range: &mut dyn Iterator<Item = (&Vec<u8>, &Vec<u8>)>| -> Vec<_> {
        range.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    assert_eq!(rows(found.iter().unwrap()), of(&mut plain.rows.iter()));
    let prefix = bytes(dice, 3);
    let with_prefix = &mut plain.rows.iter().filter(|(key, _)| key.starts_with(&prefix));
    assert_eq!(rows(found.with_prefix(&prefix).unwrap()), of(with_prefix));
    let (low, high) = (bytes(dice, 4), bytes(dice, 4));
    if low <= high {
        let range = || found.range(low.clone()..=high.clone()).unwrap();
        let mut reversed: Vec<_> =
            range().rev().map(Result::unwrap).map(|row| (row.key, row.value)).collect();
        reversed.reverse();
        assert_eq!(rows(range()), reversed);
        assert_eq!(reversed, of(&mut plain.rows.range(low.clone()..=high.clone())));
    }
    for (name, inner) in &plain.buckets {
        compare(&found.bucket(name).unwrap(), inner, dice);
    }
    let names: Vec<_> = found.buckets().unwrap().map(|name| name.unwrap().to_string()).collect();
    assert_eq!(names, plain.buckets.keys().cloned().collect::<Vec<_>>());
}

/// Every bucket.
pub fn compare_all(r: &impl Readable, plain: &Plain, dice: &mut Dice) {
    let names: Vec<_> = r.buckets().unwrap().map(|name| name.unwrap().to_string()).collect();
    assert_eq!(names, plain.buckets.keys().cloned().collect::<Vec<_>>());
    for (name, inner) in &plain.buckets {
        compare(&r.bucket(name).unwrap(), inner, dice);
    }
}
