//! Buckets as plain maps, and operations on both.

use std::collections::BTreeMap;

use execstore::buckets::{Bucket, BucketMut, BucketRow};
use execstore::{Readable, Writer};

use crate::dice::Dice;

/// A bucket as plain maps; or what buckets lie in that lie in no other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plain {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    sequence: u64,
    buckets: BTreeMap<String, Plain>,
}

const NAMES: [&str; 3] = ["a", "ab", "b"];

fn bytes(dice: &mut Dice, most: u64) -> Vec<u8> {
    (0..dice.roll(most)).map(|_| [0, 1, b'a', 0xfe, 0xff][dice.roll(5) as usize]).collect()
}

/// One operation on a bucket, in the store and in the model: every result must be equal.
fn act(b: &mut BucketMut<'_, '_>, plain: &mut Plain, dice: &mut Dice) {
    let row = |(key, value): (Vec<u8>, Vec<u8>)| BucketRow { key, value };
    match dice.roll(12) {
        0..=3 => {
            let (key, value) = (bytes(dice, 5), bytes(dice, 80));
            assert_eq!(b.put(&key, &value).unwrap(), plain.rows.insert(key, value).is_none());
        }
        4 => {
            let key = bytes(dice, 5);
            assert_eq!(b.delete(&key).unwrap(), plain.rows.remove(&key).is_some());
        }
        5 => {
            let key = bytes(dice, 4);
            assert_eq!(b.take(&key).unwrap(), plain.rows.remove(&key));
        }
        6 => assert_eq!(b.pop_first().unwrap(), plain.rows.pop_first().map(row)),
        7 => {
            let through = bytes(dice, 3);
            let due = plain.rows.first_key_value().is_some_and(|(key, _)| *key <= through);
            let first = if due { plain.rows.pop_first() } else { None };
            assert_eq!(b.pop_first_through(&through).unwrap(), first.map(row));
            assert_eq!(b.contains_key(&through).unwrap(), plain.rows.contains_key(&through));
        }
        8 => assert_eq!(b.pop_last().unwrap(), plain.rows.pop_last().map(row)),
        9 => {
            plain.sequence += 1;
            assert_eq!(b.next_sequence().unwrap(), plain.sequence);
        }
        10 => {
            let name = NAMES[dice.roll(3) as usize];
            assert_eq!(b.delete_bucket(name).unwrap(), plain.buckets.remove(name).is_some());
        }
        _ => {
            let name = NAMES[dice.roll(3) as usize];
            let inner = plain.buckets.entry(name.into()).or_default();
            act(&mut b.open_bucket(name).unwrap(), inner, dice);
        }
    }
    assert_eq!((b.len(), b.sequence()), (plain.rows.len() as u64, plain.sequence));
    assert_eq!(b.first().unwrap(), plain.rows.clone().pop_first().map(row));
    let names: Vec<_> = b.buckets().unwrap().map(|name| name.unwrap().to_string()).collect();
    assert_eq!(names, plain.buckets.keys().cloned().collect::<Vec<_>>());
}

/// Some operations on buckets of a few names, in the store and in the model.
pub fn acts(w: &mut Writer<'_>, plain: &mut Plain, dice: &mut Dice) {
    for _ in 0..=dice.roll(6) {
        let name = NAMES[dice.roll(3) as usize];
        if dice.roll(40) == 0 {
            assert_eq!(w.delete_bucket(name).unwrap(), plain.buckets.remove(name).is_some());
            continue;
        }
        act(&mut w.open_bucket(name).unwrap(), plain.buckets.entry(name.into()).or_default(), dice);
    }
}

fn compare<V: Readable>(found: &Bucket<'_, V>, plain: &Plain, dice: &mut Dice) {
    assert_eq!((found.len(), found.sequence()), (plain.rows.len() as u64, plain.sequence));
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
