//! Memory to read into: arenas of a thread, cut into slices that are handed on without a copy.
//!
//! An arena is used again once its last slice is gone. Slices are let go in about the order in which they were made, so the
//! oldest arena is the one to look at; fresh memory from the kernel, which has to be cleared, is seldom needed.

use std::{cell::RefCell, collections::VecDeque, io};

use bytes::{Bytes, BytesMut};

const ARENA_BYTES: usize = 256 * 1024;
/// Arenas of a thread that are kept for the time when their slices are gone: 8 MiB.
const USED_MAX: usize = 32;

thread_local! {
    static ARENAS: RefCell<Arenas> = RefCell::default();
}

/// The arena that is being cut up, and those that are used up, the oldest first.
#[derive(Default)]
struct Arenas {
    current: Option<BytesMut>,
    used: VecDeque<BytesMut>,
}

impl Arenas {
    /// A buffer with `room` bytes behind its end.
    fn with_room(&mut self, room: usize) -> &mut BytesMut {
        let full = |arena: &mut BytesMut| arena.capacity() < room && !arena.try_reclaim(room);
        if let Some(used) = self.current.take_if(full) {
            self.used.push_back(used);
        }
        if self.current.is_none() {
            self.current = self.recycle(room);
        }
        self.current
            .get_or_insert_with(|| BytesMut::with_capacity(ARENA_BYTES.max(room)))
    }

    fn recycle(&mut self, room: usize) -> Option<BytesMut> {
        let mut oldest = self.used.pop_front()?;
        if oldest.try_reclaim(room) {
            return Some(oldest);
        }
        if self.used.len() < USED_MAX {
            self.used.push_front(oldest);
        }
        None
    }
}

/// Has `fill` write up to `room` bytes behind the end of a buffer that has room for them, and takes what is in it then.
///
/// # Errors
/// Those of `fill`; what it has written is forgotten.
pub(super) fn read<T>(room: usize, fill: impl FnOnce(&mut BytesMut) -> io::Result<T>) -> io::Result<(Bytes, T)> {
    ARENAS.with_borrow_mut(|arenas| {
        let buffer = arenas.with_room(room);
        match fill(buffer) {
            Ok(result) => Ok((buffer.split().freeze(), result)),
            Err(error) => {
                buffer.clear();
                Err(error)
            }
        }
    })
}

/// Lets go of the arena behind a small slice, by copying it: a queue full of small slices would keep an arena for each.
pub(super) fn unpin(slice: Bytes) -> Bytes {
    if slice.len() < ARENA_BYTES / 32 {
        Bytes::copy_from_slice(&slice)
    } else {
        slice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_each_other_in_one_arena() {
        let put = |text: &'static [u8]| {
            read(100, |buffer| {
                buffer.extend_from_slice(text);
                Ok(())
            })
        };
        let (first, ()) = put(b"one").unwrap();
        let failed = read(100, |buffer| {
            buffer.extend_from_slice(b"lost");
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let (second, ()) = put(b"two").unwrap();
        assert_eq!((&*first, &*second), (&b"one"[..], &b"two"[..]));
        assert_eq!(first.as_ptr().wrapping_add(3), second.as_ptr());
    }

    #[test]
    fn an_arena_is_used_again_once_its_slices_are_gone() {
        let take = || {
            let fill = |buffer: &mut BytesMut| {
                buffer.resize(ARENA_BYTES, 0);
                Ok(())
            };
            read(ARENA_BYTES, fill).unwrap().0
        };
        let held: Vec<Bytes> = (0..3).map(|_| take()).collect();
        let places: Vec<_> = held.iter().map(|slice| slice.as_ptr()).collect();
        drop(held);
        let again: Vec<Bytes> = (0..3).map(|_| take()).collect();
        assert!(again.iter().all(|slice| places.contains(&slice.as_ptr())));
    }

    #[test]
    fn there_is_always_room() {
        for _ in 0..20 {
            let (slice, room) = read(200_000, |buffer| {
                let room = buffer.capacity() - buffer.len();
                buffer.resize(200_000, 0);
                Ok(room)
            })
            .unwrap();
            assert!(room >= 200_000);
            assert_eq!(slice.len(), 200_000);
        }
    }
}
