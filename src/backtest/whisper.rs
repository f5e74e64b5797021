//! Whisper files, as carbon-cache writes them.
//!
//! A file begins with a header and a list of archives; an archive is a ring of slots of 12 bytes, a timestamp (4 bytes) and a
//! value (a double), all big-endian. Each keeps a step and so many of them; the finest comes first.

use std::{fs, path::Path};

use crate::line::Timestamp;

const HEADER_BYTES: usize = 16;
const ARCHIVE_BYTES: usize = 12;
const SLOT_BYTES: usize = 12;

/// Archives that anybody has in a file.
const ARCHIVES_MAX: usize = 1_000;

/// One archive of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Archive {
    /// Where it begins (bytes).
    offset: usize,
    /// Seconds from slot to slot.
    step: i64,
    slots: usize,
}

/// The points of the archive with this step, or of the finest one, in the order of their times.
///
/// # Errors
/// When the file cannot be read, is no whisper file, or has no such archive: why, for people.
pub(super) fn read(path: &Path, step: Option<i64>) -> Result<Vec<(Timestamp, f64)>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    points(&bytes, step)
}

fn points(bytes: &[u8], step: Option<i64>) -> Result<Vec<(Timestamp, f64)>, String> {
    let archives = archives(bytes)?;
    let archive = match step {
        Some(step) => archives.iter().find(|archive| archive.step == step).ok_or_else(|| {
            let steps: Vec<_> = archives.iter().map(|archive| format!("{} s", archive.step)).collect();
            format!(
                "it has no archive with a step of {step} s; there is {}",
                steps.join(", ")
            )
        })?,
        None => archives.first().ok_or("it has no archive")?,
    };
    let slots = &bytes[archive.offset..archive.offset + archive.slots * SLOT_BYTES];
    let mut points: Vec<_> = slots
        .chunks_exact(SLOT_BYTES)
        .map(|slot| {
            let (time, value) = slot.split_at(4);
            let value = f64::from_be_bytes(value.try_into().expect("8 bytes are left"));
            (i64::from(be_u32(time)), value)
        })
        .filter(|&(timestamp, _)| timestamp > 0)
        .collect();
    points.sort_by_key(|&(timestamp, _)| timestamp);
    // A slot that was passed over in the last round still holds what was there in the round before.
    let span = archive
        .step
        .saturating_mul(i64::try_from(archive.slots).unwrap_or(i64::MAX));
    let newest = points.last().map_or(0, |&(timestamp, _)| timestamp);
    points.retain(|&(timestamp, _)| timestamp > newest - span);
    Ok(points)
}

fn archives(bytes: &[u8]) -> Result<Vec<Archive>, String> {
    let header = bytes.get(..HEADER_BYTES).ok_or("it is too short for a whisper file")?;
    let count = usize::try_from(be_u32(&header[12..])).unwrap_or(usize::MAX);
    if count == 0 || count > ARCHIVES_MAX {
        return Err(format!("it is no whisper file: it says that it has {count} archives"));
    }
    let list = bytes
        .get(HEADER_BYTES..HEADER_BYTES + count * ARCHIVE_BYTES)
        .ok_or("its list of archives is cut off")?;
    let archive = |(number, fields): (usize, &[u8])| {
        let [offset, step, slots] = [0, 4, 8].map(|place| be_u32(&fields[place..]));
        let archive = Archive {
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
            step: step.into(),
            slots: usize::try_from(slots).unwrap_or(usize::MAX),
        };
        let end = archive
            .slots
            .checked_mul(SLOT_BYTES)
            .and_then(|bytes| bytes.checked_add(archive.offset));
        if archive.step == 0 || archive.slots == 0 || end.is_none_or(|end| end > bytes.len()) {
            return Err(format!("its archive {} is cut off, or empty", number + 1));
        }
        Ok(archive)
    };
    list.chunks_exact(ARCHIVE_BYTES).enumerate().map(archive).collect()
}

/// The number that `bytes` begin with.
fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("4 bytes are 4 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with these archives: step, and slots.
    fn file(archives: &[(u32, &[(u32, f64)])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [1_u32, 86_400, 0.5_f32.to_bits(), u32::try_from(archives.len()).unwrap()] {
            bytes.extend(field.to_be_bytes());
        }
        let mut offset = HEADER_BYTES + archives.len() * ARCHIVE_BYTES;
        for (step, slots) in archives {
            for field in [offset.try_into().unwrap(), *step, u32::try_from(slots.len()).unwrap()] {
                bytes.extend(u32::to_be_bytes(field));
            }
            offset += slots.len() * SLOT_BYTES;
        }
        for (timestamp, value) in archives.iter().flat_map(|(_, slots)| slots.iter()) {
            bytes.extend(timestamp.to_be_bytes());
            bytes.extend(value.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn a_ring_is_read_from_its_oldest_slot_on() {
        // 1010 has been passed over: its slot holds 980.
        let fine: &[_] = &[(1000, 5.0), (980, 3.0), (990, 4.0), (0, 0.0), (1020, 7.5)];
        let coarse: &[_] = &[(960, 1.0), (0, 0.0)];
        let bytes = file(&[(10, fine), (60, coarse)]);
        assert_eq!(
            points(&bytes, None),
            Ok(vec![(980, 3.0), (990, 4.0), (1000, 5.0), (1020, 7.5)])
        );
        assert_eq!(points(&bytes, Some(60)), Ok(vec![(960, 1.0)]));
        let error = points(&bytes, Some(30)).unwrap_err();
        assert!(error.contains("10 s, 60 s"), "{error}");
        let three: &[_] = &[(1000, 5.0), (990, 4.0), (940, 1.0)];
        assert_eq!(
            points(&file(&[(10, three)]), None),
            Ok(vec![(990, 4.0), (1000, 5.0)]),
            "of an earlier round"
        );
    }

    #[test]
    fn whatever_a_file_holds_is_read_or_refused() {
        let whole = file(&[(10, &[(1000, 5.0), (1010, 3.0)]), (60, &[(960, 1.0)])]);
        for end in 0..whole.len() {
            assert!(points(&whole[..end], None).is_err(), "cut at {end}");
        }
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[place] ^= 1 << bit;
                // Whatever it says, it does not panic.
                let _ = points(&damaged, None);
            }
        }
    }
}
