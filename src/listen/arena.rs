//! Memory to read into: arenas, cut into slices that are handed on without a copy.
//!
//! A thread cuts up an arena of its own; those that are used up wait in a pool, and are used again once their last slice is
//! gone. Slices that wait for analysis are let go in the order in which they were made, so the oldest arena is one to look
//! at; where lines are only forwarded, the newest ones are free at once, and still in cache. Fresh memory from the kernel,
//! which has to be cleared, is seldom needed, even while a million lines wait for analysis.
//!
//! The pool is as large as the backlog was. Once a second, three quarters of what is free and too much go, so that little
//! is left some seconds after it. The lock is taken for each arena that is used up, not for each read.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard},
};

use bytes::{Bytes, BytesMut};
use tracing::debug;

/// More than half a megabyte: up to there the allocator lays blocks side by side in areas of 4 MiB, which it gives back as a
/// whole or not at all. After a backlog of a million lines that was 35 MB, for 23 arenas of 256 KiB that were left.
const ARENA_BYTES: usize = 576 * 1024;
/// Arenas that are kept for the time when their slices are gone: 128 MiB, a backlog of a million long lines.
const USED_MAX: usize = (128 << 20) / ARENA_BYTES;
/// Arenas that are kept while none of their slices is in use: 4 MiB.
const FREE_MAX: usize = (4 << 20) / ARENA_BYTES;
/// The newest that are looked at.
const NEWEST: usize = 4;

thread_local! {
    /// The arena that is being cut up.
    static CURRENT: RefCell<Option<BytesMut>> = const { RefCell::new(None) };
}

static POOL: Mutex<Pool> = Mutex::new(Pool(VecDeque::new()));

/// Arenas that are used up, the oldest first.
struct Pool(VecDeque<BytesMut>);

impl Pool {
    fn get() -> MutexGuard<'static, Self> {
        POOL.lock().expect("nobody panics with the lock held")
    }

    /// Puts in one that is used up, and takes one out that has `room` again, if there is one.
    fn exchange(&mut self, used_up: BytesMut, room: usize) -> Option<BytesMut> {
        let newest = self.0.len().saturating_sub(NEWEST)..self.0.len();
        let mut places = newest.rev().chain([0]);
        let free = places.find(|&place| self.0.get_mut(place).is_some_and(|arena| arena.try_reclaim(room)));
        let again = free.and_then(|place| self.0.remove(place));
        if self.0.len() >= USED_MAX {
            // Its slices live on.
            self.0.pop_front();
        }
        self.0.push_back(used_up);
        again
    }

    /// Lets go of three quarters of the arenas that are free and too many.
    fn shrink(&mut self) {
        let free: Vec<usize> = (0..self.0.len())
            .filter(|&place| self.0[place].try_reclaim(ARENA_BYTES))
            .collect();
        let too_many = free.len().saturating_sub(FREE_MAX);
        for &place in free[..too_many - too_many / 4].iter().rev() {
            self.0.remove(place);
        }
    }
}

/// Gives memory back that has been needed for a backlog and is no more. To be called once a second.
pub fn give_back_memory() {
    Pool::get().shrink();
    // The allocator looks at what it could give back to the system when it has much to do, and when a thread ends.
    let passing = std::thread::Builder::new().name("give-back".to_owned());
    if let Err(error) = passing.spawn(|| drop(std::hint::black_box(Box::new(0_u8)))) {
        debug!(%error, "no thread to give memory back");
    }
}

/// A buffer with `room` bytes behind its end.
fn with_room(current: &mut Option<BytesMut>, room: usize) -> &mut BytesMut {
    if let Some(used_up) = current.take_if(|arena| arena.capacity() < room && !arena.try_reclaim(room)) {
        *current = Pool::get().exchange(used_up, room);
    }
    current.get_or_insert_with(|| BytesMut::with_capacity(ARENA_BYTES.max(room)))
}

/// Has `fill` write up to `room` bytes behind the end of a buffer that has room for them, and takes what is in it then.
///
/// # Errors
/// Those of `fill`; what it has written is forgotten.
pub(super) fn read<T>(room: usize, fill: impl FnOnce(&mut BytesMut) -> io::Result<T>) -> io::Result<(Bytes, T)> {
    CURRENT.with_borrow_mut(|current| {
        let buffer = with_room(current, room);
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

    /// An arena that is used up, and a slice of it.
    fn used_up() -> (BytesMut, Bytes) {
        let mut arena = BytesMut::with_capacity(ARENA_BYTES);
        arena.resize(ARENA_BYTES, 0);
        let slice = arena.split().freeze();
        (arena, slice)
    }

    /// A pool of so many arenas, and their slices.
    fn pool_of(count: usize) -> (Pool, VecDeque<Bytes>) {
        let mut pool = Pool(VecDeque::new());
        let mut slices = VecDeque::new();
        for _ in 0..count {
            let (arena, slice) = used_up();
            slices.push_back(slice);
            assert!(pool.exchange(arena, ARENA_BYTES).is_none(), "all slices are held");
        }
        (pool, slices)
    }

    fn exchange(pool: &mut Pool) -> Option<*const u8> {
        let again = pool.exchange(used_up().0, ARENA_BYTES)?;
        Some(again.as_ptr())
    }

    #[test]
    fn an_arena_is_used_again_once_its_slices_are_gone() {
        let (mut pool, mut slices) = pool_of(20);
        let oldest = slices.pop_front().unwrap().as_ptr();
        assert_eq!(exchange(&mut pool), Some(oldest), "the backlog lets go of the oldest");
        let (mut pool, mut slices) = pool_of(20);
        let newest = slices.pop_back().unwrap().as_ptr();
        assert_eq!(
            exchange(&mut pool),
            Some(newest),
            "what was only forwarded is free, and in cache"
        );
        let (mut pool, mut slices) = pool_of(20);
        let middle = slices.remove(10).unwrap();
        drop(middle);
        assert_eq!(exchange(&mut pool), None);
    }

    #[test]
    fn a_pool_is_no_larger_than_its_bound() {
        let (pool, slices) = pool_of(USED_MAX + 50);
        assert_eq!(pool.0.len(), USED_MAX);
        assert!(slices.iter().all(|slice| slice.len() == ARENA_BYTES), "slices live on");
    }

    #[test]
    fn what_is_free_and_too_much_goes_bit_by_bit() {
        let (mut pool, mut slices) = pool_of(100);
        pool.shrink();
        assert_eq!(pool.0.len(), 100, "what is in use stays");
        slices.truncate(20);
        let kept = |pool: &mut Pool| {
            pool.shrink();
            pool.0.len()
        };
        assert_eq!(kept(&mut pool), 20 + FREE_MAX + (80 - FREE_MAX) / 4);
        assert_eq!(kept(&mut pool), 20 + FREE_MAX + (80 - FREE_MAX) / 16);
        (0..10).for_each(|_| pool.shrink());
        assert_eq!(kept(&mut pool), 20 + FREE_MAX);
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
