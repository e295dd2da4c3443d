//! A disk that keeps apart what was written since the last flush, and what a power cut may leave of it.
//!
//! Until a flush has returned any subset of the writes before it may be on the disk, each whole or in parts of 512 bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::dice::Dice;

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR: usize = 512;

const CHUNK: usize = 4096;

/// The bytes of a disk. A copy shares what neither has changed since.
#[derive(Clone)]
pub struct Image {
    len: u64,
    chunks: BTreeMap<u64, Arc<[u8; CHUNK]>>,
}

impl Image {
    /// A disk of zeros.
    pub fn empty(len: u64) -> Self {
        Self { len, chunks: BTreeMap::new() }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads a file; zeros take no memory.
    pub fn load(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut image = Self::empty(file.metadata()?.len());
        let mut chunk = [0; CHUNK];
        for place in 0..image.len.div_ceil(CHUNK as u64) {
            let offset = place * CHUNK as u64;
            let wanted = chunk.len().min((image.len - offset) as usize);
            file.read_exact_at(&mut chunk[..wanted], offset)?;
            if chunk[..wanted].iter().any(|byte| *byte != 0) {
                image.write(offset, &chunk[..wanted]);
            }
        }
        Ok(image)
    }

    /// Writes a sparse file.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.len)?;
        for (place, chunk) in &self.chunks {
            let offset = place * CHUNK as u64;
            file.write_all_at(&chunk[..CHUNK.min((self.len - offset) as usize)], offset)?;
        }
        Ok(())
    }

    /// Reads what lies there, at most to the end of the disk.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = self.len.min(offset.saturating_add(len as u64));
        let mut out = vec![0; end.saturating_sub(offset) as usize];
        for (place, from, to) in pieces(offset, out.len()) {
            if let Some(chunk) = self.chunks.get(&place) {
                let inside = (offset + from as u64) as usize % CHUNK;
                out[from..to].copy_from_slice(&chunk[inside..inside + to - from]);
            }
        }
        out
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (place, from, to) in pieces(offset, data.len()) {
            let inside = (offset + from as u64) as usize % CHUNK;
            let chunk = self.chunks.entry(place).or_insert_with(|| Arc::new([0; CHUNK]));
            Arc::make_mut(chunk)[inside..inside + to - from].copy_from_slice(&data[from..to]);
        }
    }
}

/// The chunks that a range lies in, each with the part of the range.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = offset + from as u64;
        let to = len.min(from + CHUNK - at as usize % CHUNK);
        let piece = (from < len).then_some((at / CHUNK as u64, from, to));
        from = to;
        piece
    })
}

/// A disk in use.
pub struct Disk {
    durable: Image,
    now: Image,
    pending: Vec<(u64, Arc<[u8]>)>,
}

impl Disk {
    pub fn new(image: Image) -> Self {
        Self { durable: image.clone(), now: image, pending: Vec::new() }
    }

    pub fn len(&self) -> u64 {
        self.now.len()
    }

    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        self.now.read(offset, len)
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        self.now.write(offset, data);
        self.pending.push((offset, data.into()));
    }

    /// What was written is on the disk.
    pub fn flush(&mut self) {
        for (offset, data) in self.pending.drain(..) {
            for (place, ..) in pieces(offset, data.len()) {
                if let Some(chunk) = self.now.chunks.get(&place) {
                    self.durable.chunks.insert(place, chunk.clone());
                }
            }
        }
    }

    /// How many writes are uncertain.
    pub fn unflushed(&self) -> usize {
        self.pending.len()
    }

    /// What a power cut leaves now: one of the possible images.
    pub fn cut(&self, dice: &mut Dice) -> Image {
        let mut image = self.durable.clone();
        let way = Way::random(dice, self.pending.len() as u64);
        for (nth, (offset, data)) in self.pending.iter().enumerate() {
            let mut from = 0;
            let lot = dice.next();
            while from < data.len() {
                let sector = (offset + from as u64) / SECTOR as u64;
                let to = data.len().min(((sector + 1) * SECTOR as u64 - offset) as usize);
                if way.keeps(nth as u64, lot, dice) {
                    image.write(offset + from as u64, &data[from..to]);
                }
                from = to;
            }
        }
        image
    }
}

/// How a cut chooses among the writes that were not flushed.
enum Way {
    None,
    All,
    /// Each with this chance, in eighths.
    Some(u64),
    /// Each sector with this chance, in eighths.
    Torn(u64),
    /// Those before this one, and parts of it.
    Before(u64),
    /// All but this one.
    Without(u64),
    /// This one alone.
    Only(u64),
}

impl Way {
    fn random(dice: &mut Dice, pending: u64) -> Self {
        let one = dice.roll(pending);
        match dice.roll(9) {
            0 => Self::None,
            1 => Self::All,
            2 => Self::Some(4),
            3 => Self::Some([1, 7][dice.roll(2) as usize]),
            4 => Self::Torn(4),
            5 => Self::Torn([1, 7][dice.roll(2) as usize]),
            6 => Self::Before(one),
            7 => Self::Without(one),
            _ => Self::Only(one),
        }
    }

    /// Whether the next sector of the write is kept. `lot` is the write's own.
    fn keeps(&self, nth: u64, lot: u64, dice: &mut Dice) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(chance) => lot % 8 < *chance,
            Self::Torn(chance) => dice.roll(8) < *chance,
            Self::Before(one) => nth < *one || (nth == *one && dice.roll(2) == 0),
            Self::Without(one) => nth != *one,
            Self::Only(one) => nth == *one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(byte: u8, sectors: usize) -> Vec<u8> {
        vec![byte; sectors * SECTOR]
    }

    /// The first byte of each sector of a cut; sectors are never mixed within themselves.
    fn sectors(image: &Image) -> Vec<u8> {
        let bytes = image.read(0, image.len() as usize);
        bytes
            .chunks(SECTOR)
            .map(|sector| {
                assert!(sector.iter().all(|byte| *byte == sector[0]));
                sector[0]
            })
            .collect()
    }

    fn cuts(disk: &Disk) -> Vec<Vec<u8>> {
        let mut dice = Dice::new(5);
        let mut cuts: Vec<_> = (0..2_000).map(|_| sectors(&disk.cut(&mut dice))).collect();
        cuts.sort();
        cuts.dedup();
        cuts
    }

    #[test]
    fn what_was_flushed_stays() {
        let mut disk = Disk::new(Image::empty(20 * SECTOR as u64));
        disk.write(SECTOR as u64, &filled(1, 3));
        disk.write(7 * SECTOR as u64, &filled(2, 9));
        disk.flush();
        assert_eq!(disk.unflushed(), 0);
        let kept = sectors(&disk.durable);
        assert_eq!(kept[..12], [0, 1, 1, 1, 0, 0, 0, 2, 2, 2, 2, 2]);
        assert_eq!(cuts(&disk), [kept]);
    }

    #[test]
    fn what_was_not_flushed_is_lost_torn_and_reordered() {
        let mut disk = Disk::new(Image::empty(4 * SECTOR as u64));
        disk.write(0, &filled(1, 4));
        disk.flush();
        disk.write(0, &filled(2, 2));
        disk.write(SECTOR as u64, &filled(3, 2));
        disk.write(3 * SECTOR as u64, &filled(4, 1));
        // Each sector by itself, and the last one is never anything but old or new.
        let mut possible = Vec::new();
        for first in [1, 2] {
            for second in [1, 2, 3] {
                for third in [1, 3] {
                    for fourth in [1, 4] {
                        possible.push(vec![first, second, third, fourth]);
                    }
                }
            }
        }
        assert_eq!(cuts(&disk), possible);
    }

    #[test]
    fn reads_see_what_was_written_and_not_what_a_cut_would_leave() {
        let mut disk = Disk::new(Image::empty(10_000));
        disk.write(4_000, &[7; 200]);
        assert_eq!(disk.read(3_999, 4), [0, 7, 7, 7]);
        assert_eq!(disk.read(4_198, 4), [7, 7, 0, 0]);
        assert_eq!(disk.read(9_998, 100), [0, 0]);
        assert_eq!(disk.read(20_000, 1), Vec::<u8>::new());
    }

    #[test]
    fn a_copy_is_not_changed_by_writes_to_the_disk() {
        let mut disk = Disk::new(Image::empty(10_000));
        disk.write(0, &[1; 10_000]);
        disk.flush();
        let copy = disk.cut(&mut Dice::new(1));
        disk.write(0, &[2; 10_000]);
        disk.flush();
        assert_eq!(copy.read(0, 10_000), [1; 10_000]);
    }

    #[test]
    fn an_image_saved_and_loaded_is_the_same() {
        let path = std::env::temp_dir().join(format!("powercut-image-{}", std::process::id()));
        let mut image = Image::empty(100_001);
        image.write(8_000, &[1; 500]);
        image.write(99_990, &[2; 11]);
        image.save(&path).unwrap();
        let loaded = Image::load(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(loaded.read(0, 200_000), image.read(0, 200_000));
        assert_eq!(loaded.chunks.len(), 3);
    }
}
