//! Memory to read into: one arena a thread, cut into slices that are handed on without a copy.
//!
//! An arena lives until its last slice is gone. Slices are used and let go in about the order in which they were made, so
//! what is held beyond the bytes in use is about an arena a thread.

use std::{cell::RefCell, io};

use bytes::{Bytes, BytesMut};

const ARENA_BYTES: usize = 512 * 1024;

thread_local! {
    static ARENA: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Has `fill` write up to `room` bytes behind the end of a buffer that has room for them, and takes what is in it then.
///
/// # Errors
/// Those of `fill`; what it has written is forgotten.
pub(super) fn read<T>(room: usize, fill: impl FnOnce(&mut BytesMut) -> io::Result<T>) -> io::Result<(Bytes, T)> {
    ARENA.with_borrow_mut(|arena| {
        if arena.capacity() < room && !arena.try_reclaim(room) {
            *arena = BytesMut::with_capacity(ARENA_BYTES.max(room));
        }
        match fill(arena) {
            Ok(result) => Ok((arena.split().freeze(), result)),
            Err(error) => {
                arena.clear();
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
