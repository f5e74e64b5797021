//! Lines of carbon's plaintext protocol: where they end, what they say, and which of them are poison.
//!
//! Knows nothing of sockets, configuration or metrics: bytes come in, and what they mean comes out. A line is what
//! real carbon-cache takes for one, so nothing here is stricter than what the relay replaces:
//!
//! * fields are parted by what Python calls white space (vertical tabs and no-break spaces too);
//! * numbers are Python's floats (`1_000`, `5.`, `1e3`, `nan`), with a fast path for plain decimals;
//! * a line that would make carbon-cache hang up on its sender is *poison*: bytes that are not UTF-8, too many of
//!   them, or a timestamp that is not finite.
//!
//! A malformed line is weather rather than an error: `LineError` is `Copy` and costs no allocation.

mod blocks;
mod chunker;
mod number;
mod parse;
mod scan;

use bytes::Bytes;
pub use chunker::{Chunker, Cut};
pub use parse::{LineError, Sample, parse, parse_fields};
pub use scan::{Line, Poison, Scanned, scan, sift};

/// Bytes that hold whole lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The lines, newlines included.
    pub bytes: Bytes,
    /// How many there are.
    pub lines: u64,
}

/// Seconds since 1970-01-01T00:00:00Z, as carbon counts them.
pub type Timestamp = i64;

/// What Python's `str.split` parts fields by: Unicode's white space and the four ASCII separators.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
