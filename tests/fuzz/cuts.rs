//! Senders' bytes, cut anywhere: what comes out is what comes out in one piece.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use skyrelay::{
    intake::{ForwardInvalid, Sorter},
    line::{self, Chunker, Poison, Scanned},
};

use crate::{
    harness::{Allowed, Turn, none},
    lines, plain_line,
};

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It is whole, and goes on.
    Taken(Vec<u8>),
    /// It is held back. Of one that is too long, not all may have been read.
    HeldBack(Poison),
}

#[test]
fn cuts() {
    let turn = Turn::take();
    let inputs = (lines::chunk(), prop::collection::vec(0..90_usize, 0..40));
    let allowed = Allowed {
        heap_bytes: 400_000,
        panics: none,
    };
    turn.fuzz("cuts", allowed, &inputs, |((bytes, max_line_bytes), cuts)| {
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for &cut in cuts {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        let plain = plainly(bytes, *max_line_bytes);
        prop_assert_eq!(&receive(&[bytes], *max_line_bytes)?, &plain);
        prop_assert_eq!(&receive(&pieces, *max_line_bytes)?, &plain);
        Ok(())
    });
}

/// The fates of all lines, and what is left behind the last newline.
type Received = (Vec<Fate>, Vec<u8>);

fn plainly(bytes: &[u8], max_line_bytes: usize) -> Received {
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let mut fragment = lines.pop().unwrap_or_default();
    let fate = |line: &&[u8]| {
        let too_long = (line.len() > max_line_bytes).then_some(Poison::TooLong);
        too_long
            .or_else(|| plain_line::poison(line))
            .map_or_else(|| Fate::Taken(line.to_vec()), Fate::HeldBack)
    };
    let mut fates: Vec<Fate> = lines.iter().map(fate).collect();
    if fragment.len() > max_line_bytes {
        fates.push(Fate::HeldBack(Poison::TooLong));
        fragment = &[];
    }
    (fates, fragment.to_vec())
}

/// What a listener does, and the intake behind it.
fn receive(pieces: &[&[u8]], max_line_bytes: usize) -> Result<Received, TestCaseError> {
    let mut chunker = Chunker::new(max_line_bytes);
    let sorter = Sorter::new(3, max_line_bytes, ForwardInvalid::Forward);
    let mut fates = Vec::new();
    for piece in pieces {
        let mut buffer = BytesMut::with_capacity(chunker.begun_bytes() + piece.len());
        chunker.put_begun(&mut buffer);
        buffer.extend_from_slice(piece);
        let cut = chunker.cut(buffer.freeze());
        if let Some(chunk) = cut.chunk {
            take_in(&chunk, max_line_bytes, &sorter, &mut fates)?;
        }
        if cut.given_up.is_some() {
            fates.push(Fate::HeldBack(Poison::TooLong));
        }
        prop_assert!(chunker.begun_bytes() <= max_line_bytes);
    }
    Ok((fates, chunker.fragment().to_vec()))
}

fn take_in(chunk: &Bytes, max_line_bytes: usize, sorter: &Sorter, fates: &mut Vec<Fate>) -> Result<(), TestCaseError> {
    let before = fates.len();
    line::scan(chunk, max_line_bytes, |scanned| {
        fates.push(match scanned {
            Scanned::Line(line) => Fate::Taken(chunk[line.span].to_vec()),
            Scanned::Poison(_, poison) => Fate::HeldBack(poison),
        });
    });
    let fates = &fates[before..];
    let mut taken = Vec::new();
    for fate in fates {
        if let Fate::Taken(line) = fate {
            taken.extend_from_slice(line);
            taken.push(b'\n');
        }
    }
    for sorter in [sorter.clone(), sorter.going_by(ForwardInvalid::Forward, true)] {
        let outcome = sorter.sort(chunk, 0);
        let forwarded: Vec<u8> = outcome
            .forwarded
            .iter()
            .flat_map(|chunk| chunk.bytes.iter().copied())
            .collect();
        prop_assert_eq!(&forwarded, &taken);
        let lines: u64 = outcome.forwarded.iter().map(|chunk| chunk.lines).sum();
        prop_assert_eq!(
            lines,
            fates.iter().filter(|fate| matches!(fate, Fate::Taken(_))).count() as u64
        );
        prop_assert_eq!(outcome.lines, fates.len() as u64);
    }
    Ok(())
}
