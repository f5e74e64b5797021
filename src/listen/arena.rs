//! Memory to read into: arenas of a thread, cut into slices that are handed on without a copy.
//!
//! An arena is used again once its last slice is gone. Slices are let go in about the order in which they were made, so the
//! oldest arena is the one to look at; fresh memory from the kernel, which has to be cleared, is seldom needed, even while
//! a million lines wait for analysis. When fewer wait, the arenas that are too many go one by one.

use std::{cell::RefCell, collections::VecDeque, io};

use bytes::{Bytes, BytesMut};

const ARENA_BYTES: usize = 256 * 1024;
/// Arenas of a thread that are kept for the time when their slices are gone: 64 MiB.
const USED_MAX: usize = 256;
/// Arenas of a thread that are kept while none of their slices is in use: 8 MiB.
const FREE_MAX: usize = 32;

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
        let lacks_room = |arena: &&mut BytesMut| arena.capacity() < room;
        if let Some(current) = self.current.as_mut().filter(lacks_room) {
            let is_free = current.try_reclaim(room);
            self.give_up_one_of_many();
            if !is_free {
                self.used.extend(self.current.take());
                self.current = self.recycle(room);
            }
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

    fn give_up_one_of_many(&mut self) {
        let free = self.used.get_mut(FREE_MAX);
        if free.is_some_and(|arena| arena.try_reclaim(ARENA_BYTES)) {
            self.used.pop_front();
        }
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
    fn arenas_that_are_too_many_go_one_by_one() {
        let take = || {
            let fill = |buffer: &mut BytesMut| {
                buffer.resize(ARENA_BYTES, 0);
                Ok(())
            };
            read(ARENA_BYTES, fill).unwrap().0
        };
        let kept = || ARENAS.with_borrow(|arenas| arenas.used.len());
        let held: Vec<Bytes> = (0..2 * USED_MAX).map(|_| take()).collect();
        assert!((USED_MAX - 1..=USED_MAX).contains(&kept()), "{}", kept());
        drop(held);
        (0..10).for_each(|_| drop(take()));
        assert!((USED_MAX - 12..USED_MAX - 8).contains(&kept()), "{}", kept());
        (0..USED_MAX).for_each(|_| drop(take()));
        assert_eq!(kept(), FREE_MAX);
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
