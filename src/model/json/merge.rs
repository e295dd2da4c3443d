//! A merge patch applied to a document, and a document written anew: text to text, in time linear in both, whatever their depth.

use std::collections::HashMap;

use super::scan::{Nodes, TooLong, plain, unescape};
use crate::model::part::part;

/// What becomes of the values that are written.
pub(crate) trait Values {
    type Error: From<TooLong>;

    /// The object counts as one value that is no object.
    fn is_one(&self, object: &str) -> bool;

    /// The list has objects in it that count as one value.
    fn holds_ones(&self, list: &str) -> bool;

    /// The object stays as it is spelt, with all that is in it, if none of it counts as one value. Not asked where a patch is applied.
    fn stays(&self, object: &str) -> bool;

    /// What follows is the member of this key, given with its quotes.
    fn enter(&mut self, key: &str);

    /// It was.
    fn leave(&mut self);

    /// Writes a value that is no object, or counts as none.
    fn write(&mut self, value: &str, out: &mut String) -> Result<(), Self::Error>;
}

/// Notes on the values of a patch.
const FRESH: u32 = 0;
/// It was merged into a value of the target, or a later member of the same key replaces it.
const SPENT: u32 = 1;

/// Notes on the values of a target; beyond these, the place in the patch of what is applied to it, and two more.
const UNTOUCHED: u32 = 0;
const REMOVED: u32 = 1;
const APPLIED: u32 = 2;

/// Applies a merge patch. What it does not name keeps its text; of repeated keys the last counts.
pub(crate) fn merge<V: Values>(target: &str, patch: &str, values: &mut V) -> Result<String, V::Error> {
    let (mut target, mut patch) = (Nodes::members(target)?, Nodes::members(patch)?);
    if !patch.is_object(0) || values.is_one(patch.text(0)) {
        let mut out = String::new();
        values.write(patch.text(0), &mut out)?;
        return Ok(out);
    }
    let whole = target.is_object(0) && !values.is_one(target.text(0));
    pair_up(&mut target, whole, &mut patch, values);
    let mut writing = Writing { target: &target, patch: &patch, values, out: String::new(), patching: true };
    writing.object(whole.then_some(0), 0)?;
    Ok(writing.out)
}

/// Writes a document anew: its values as [`Values::write`] says, its members and their order as they are.
pub(crate) fn rewrite<V: Values>(document: &str, values: &mut V) -> Result<String, V::Error> {
    let (none, mut nodes) = (Nodes::members("")?, Nodes::members(document)?);
    note_ones(&mut nodes, values);
    let mut writing = Writing { target: &none, patch: &nodes, values, out: String::new(), patching: false };
    writing.value(0)?;
    Ok(writing.out)
}

/// Notes on each object and list whether it or something in it is an object that counts as one value.
fn note_ones<V: Values>(nodes: &mut Nodes<'_>, values: &V) {
    let mut open: Vec<(u32, u32)> = Vec::new();
    for place in 0..nodes.nodes.len() as u32 {
        while open.last().is_some_and(|(_, after)| *after <= place) {
            close(nodes, &mut open);
        }
        let text = nodes.text(place);
        let ones = match text.as_bytes().first() {
            Some(b'{') => values.is_one(text),
            Some(b'[') => values.holds_ones(text),
            _ => continue,
        };
        if ones {
            nodes.note(place, 1);
        }
        open.push((place, nodes.after(place)));
    }
    while !open.is_empty() {
        close(nodes, &mut open);
    }
}

fn close(nodes: &mut Nodes<'_>, open: &mut Vec<(u32, u32)>) {
    let noted = open.pop().and_then(|(place, _)| nodes.node(place)).is_some_and(|node| node.note != 0);
    if let (true, Some((outer, _))) = (noted, open.last()) {
        nodes.note(*outer, 1);
    }
}

/// Notes on the values of both what meets what, each object once.
fn pair_up<V: Values>(target: &mut Nodes<'_>, whole: bool, patch: &mut Nodes<'_>, values: &V) {
    let mut pairs = vec![(whole.then_some(0), 0)];
    // What the keys stand for that are spelt with escapes, one behind the other, and where each ends; and the one that is looked for.
    let (mut spelt, mut ends, mut sought) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((into, from)) = pairs.pop() {
        spelt.clear();
        ends.clear();
        let mut members = 0;
        for key in patch.members_of(from).map(|(key, _)| patch.text(key)) {
            if plain(key).is_none() {
                unescape(key, &mut spelt);
                ends.push(spelt.len());
            }
            members += 1;
        }
        let mut keys = Keys::of(members);
        let (mut start, mut ends) = (0, ends.iter());
        let mut next_spelt = || {
            let end = ends.next().copied().unwrap_or(start);
            let key = part(spelt.as_slice(), start..end);
            start = end;
            key
        };
        let mut next = patch.first_in(from);
        while let Some((key, value)) = next {
            let key = plain(patch.text(key)).unwrap_or_else(&mut next_spelt);
            if let Some(earlier) = keys.put(key, value) {
                patch.note(earlier, SPENT);
            }
            next = patch.next_in(from, value);
        }
        let mut next = into.and_then(|into| target.first_in(into));
        while let (Some(into), Some((key, value))) = (into, next) {
            let key = plain(target.text(key)).unwrap_or_else(|| {
                sought.clear();
                unescape(target.text(key), &mut sought);
                &sought
            });
            if let Some((given, met)) = keys.get(key) {
                let removes = patch.text(given) == "null";
                // Of repeated keys readers take the last, so that is the one to patch; all of them are removed.
                if let (Some(earlier), false) = (met.replace(value), removes) {
                    target.note(earlier, UNTOUCHED);
                }
                target.note(value, if removes { REMOVED } else { given.saturating_add(APPLIED) });
            }
            next = target.next_in(into, value);
        }
        keys.each(|given, met| {
            if met.is_some() {
                patch.note(given, SPENT);
            }
            if patch.is_object(given) && !values.is_one(patch.text(given)) {
                let into = met.filter(|met| target.is_object(*met) && !values.is_one(target.text(*met)));
                pairs.push((into, given));
            }
        });
    }
}

/// The members of a patch's object by what their keys stand for, and what of the target each met last.
struct Keys<'k> {
    members: Vec<Member<'k>>,
    /// The places of the members: where there are many they are not compared one by one.
    places: Option<HashMap<&'k [u8], u32>>,
}

/// The key, the value, and the value of the target that it met last.
struct Member<'k>(&'k [u8], u32, Met);

type Met = Option<u32>;

/// Up to so many are compared one by one, without hashing.
const FEW: usize = 8;

impl<'k> Keys<'k> {
    /// For an object of so many members.
    fn of(members: usize) -> Self {
        let places = (members > FEW).then(|| HashMap::with_capacity(members));
        Self { members: Vec::with_capacity(members), places }
    }

    /// Gives the value that had the key before.
    fn put(&mut self, key: &'k [u8], value: u32) -> Option<u32> {
        let next = self.members.len() as u32;
        let known = match &mut self.places {
            Some(places) => Some(*places.entry(key).or_insert(next)).filter(|place| *place != next),
            None => (0..).zip(&self.members).find(|(_, member)| member.0 == key).map(|(place, _)| place),
        };
        match known.and_then(|place| self.members.get_mut(place as usize)) {
            Some(member) => Some(std::mem::replace(&mut member.1, value)),
            None => {
                self.members.push(Member(key, value, None));
                None
            }
        }
    }

    fn get(&mut self, key: &[u8]) -> Option<(u32, &mut Met)> {
        let member = match &self.places {
            Some(places) => self.members.get_mut(*places.get(key)? as usize),
            None => self.members.iter_mut().find(|member| member.0 == key),
        };
        member.map(|member| (member.1, &mut member.2))
    }

    /// In the order of the text.
    fn each(self, mut each: impl FnMut(u32, Met)) {
        self.members.into_iter().for_each(|Member(_, value, met)| each(value, met));
    }
}

/// An object that is being written: what is still to come of the target's members and of the patch's.
struct Open {
    target: u32,
    target_end: u32,
    patch: u32,
    patch_end: u32,
    first: bool,
    /// It is the value of a member.
    member: bool,
}

struct Writing<'a, 't, V> {
    target: &'a Nodes<'t>,
    patch: &'a Nodes<'t>,
    values: &'a mut V,
    out: String,
    /// Members that are null remove, and are not written.
    patching: bool,
}

/// The next member of an object.
enum Step<'t> {
    /// As it is in the target.
    Keep(&'t str, &'t str),
    /// A value of the patch, with the object in the target that it is applied to.
    Write(&'t str, u32, Option<u32>),
    End,
}

impl<'t, V: Values> Writing<'_, 't, V> {
    /// The value of a document that is written anew.
    fn value(&mut self, place: u32) -> Result<(), V::Error> {
        match self.goes_in(place) {
            true => self.object(None, place),
            false => self.leaf(place),
        }
    }

    /// The members of a value are written one by one.
    fn goes_in(&self, place: u32) -> bool {
        let text = self.patch.text(place);
        let noted = self.patch.node(place).is_some_and(|node| node.note != 0);
        let object = text.starts_with('{') && !self.values.is_one(text);
        object && (self.patching || noted || !self.values.stays(text))
    }

    fn leaf(&mut self, place: u32) -> Result<(), V::Error> {
        let text = self.patch.text(place);
        match text.starts_with('{') && !self.values.is_one(text) {
            // It stays as it is spelt.
            true => self.out.push_str(text),
            false => self.values.write(text, &mut self.out)?,
        }
        Ok(())
    }

    fn object(&mut self, target: Option<u32>, patch: u32) -> Result<(), V::Error> {
        let mut open = vec![self.begin(target, patch, false)];
        while let Some(object) = open.last_mut() {
            let step = Self::next(self.target, self.patch, self.patching, self.values, object);
            if matches!(step, Step::End) {
                self.out.push('}');
                if object.member {
                    self.values.leave();
                }
                open.pop();
                continue;
            }
            if !std::mem::replace(&mut object.first, false) {
                self.out.push(',');
            }
            let (Step::Keep(key, _) | Step::Write(key, ..)) = step else { continue };
            self.out.push_str(key);
            self.out.push(':');
            match step {
                Step::Keep(_, value) => self.out.push_str(value),
                Step::Write(_, value, into) => {
                    self.values.enter(key);
                    if self.goes_in(value) {
                        open.push(self.begin(into, value, true));
                    } else {
                        self.leaf(value)?;
                        self.values.leave();
                    }
                }
                Step::End => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, target: Option<u32>, patch: u32, member: bool) -> Open {
        self.out.push('{');
        let target_end = target.map_or(0, |target| self.target.after(target));
        Open {
            target: target.map_or(0, |target| target + 1),
            target_end,
            patch: patch + 1,
            patch_end: self.patch.after(patch),
            first: true,
            member,
        }
    }

    fn next(
        target: &Nodes<'t>,
        patch: &Nodes<'t>,
        patching: bool,
        values: &V,
        object: &mut Open,
    ) -> Step<'t> {
        while object.target.saturating_add(1) < object.target_end {
            let (key, value) = (object.target, object.target + 1);
            object.target = target.after(value);
            match target.node(value).map_or(REMOVED, |node| node.note) {
                UNTOUCHED => return Step::Keep(target.text(key), target.text(value)),
                REMOVED => {}
                applied => {
                    let text = target.text(value);
                    let into = (text.starts_with('{') && !values.is_one(text)).then_some(value);
                    return Step::Write(target.text(key), applied - APPLIED, into);
                }
            }
        }
        while object.patch.saturating_add(1) < object.patch_end {
            let (key, value) = (object.patch, object.patch + 1);
            object.patch = patch.after(value);
            let fresh = patch.node(value).is_some_and(|node| node.note == FRESH);
            if !patching || (fresh && patch.text(value) != "null") {
                return Step::Write(patch.text(key), value, None);
            }
        }
        Step::End
    }
}
