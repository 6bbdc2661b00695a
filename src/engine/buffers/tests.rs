//! What the pool promises, without any I/O.

use std::{collections::HashSet, ops::Range};

use super::{Buffer, BufferPool, Registration, SizeClass};
use crate::{
    engine::{Kind, Runtime},
    limits,
};

fn in_pool(registered_bytes: usize, soft_max_bytes: usize, case: impl Fn(&BufferPool)) {
    for kind in [Kind::Epoll, Kind::IoUring] {
        let Ok(mut runtime) = Runtime::new(kind) else {
            eprintln!("SKIPPED {kind}: unavailable");
            continue;
        };
        let driver = runtime.driver();
        runtime.block_on(async {
            case(&BufferPool::new(&driver, soft_max_bytes, registered_bytes));
        });
    }
}

fn span(buffer: &mut Buffer) -> Range<usize> {
    buffer.clear();
    let start = buffer.spare_mut().as_ptr() as usize;
    start..start + buffer.capacity()
}

#[test]
fn buffers_never_overlap_and_start_on_pages() {
    in_pool(limits::REGISTERED_BYTES_PER_WORKER, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let classes = SizeClass::ALL.into_iter().cycle().take(150);
        let mut buffers: Vec<Buffer> = classes.map(|class| pool.take(class)).collect();
        // Some come back and are given again.
        buffers.truncate(100);
        buffers.extend(SizeClass::ALL.map(|class| pool.take(class)));
        let mut spans: Vec<_> = buffers.iter_mut().map(span).collect();
        assert!(spans.iter().all(|span| span.start % 4096 == 0));
        spans.sort_by_key(|span| span.start);
        assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let indices: Vec<u16> = buffers.iter().filter_map(Buffer::registered_index).collect();
        let distinct: HashSet<u16> = indices.iter().copied().collect();
        assert_eq!(distinct.len(), indices.len());
        if let Registration::Registered(_) = pool.registered() {
            assert!(!indices.is_empty());
        }
    });
}

#[test]
fn the_buffer_freed_last_is_given_first_and_registered_ones_before_others() {
    in_pool(64 * 1024, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let mut buffers: Vec<Buffer> = (0..6).map(|_| pool.take(SizeClass::Small)).collect();
        let plain_starts_at = buffers.iter().position(|b| b.registered_index().is_none()).unwrap();
        assert!(buffers[plain_starts_at..].iter().all(|b| b.registered_index().is_none()));
        let last = buffers.pop().unwrap();
        let mut freed = buffers.pop().unwrap();
        let place = span(&mut freed);
        drop(last);
        drop(freed);
        assert_eq!(span(&mut pool.take(SizeClass::Small)), place);
    });
}

#[test]
fn above_the_soft_budget_every_buffer_is_small_and_counted() {
    in_pool(0, 2 * SizeClass::Large.bytes(), |pool| {
        let first = pool.take(SizeClass::Large);
        let second = pool.take(SizeClass::Large);
        assert_eq!((second.class(), pool.shrunk()), (SizeClass::Large, 0));
        let third = pool.take(SizeClass::Medium);
        assert_eq!((third.class(), pool.shrunk()), (SizeClass::Small, 1));
        assert_eq!(third.capacity(), SizeClass::Small.bytes());
        let small = pool.take(SizeClass::Small);
        assert_eq!((small.class(), pool.shrunk()), (SizeClass::Small, 1), "as asked for");
        drop(first);
        assert_eq!(pool.take(SizeClass::Medium).class(), SizeClass::Medium);
    });
}

#[test]
fn bytes_in_use_are_those_of_the_buffers_out() {
    in_pool(limits::REGISTERED_BYTES_PER_WORKER, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let buffers = SizeClass::ALL.map(|class| pool.take(class));
        assert_eq!(pool.bytes_in_use(), SizeClass::ALL.map(SizeClass::bytes).iter().sum::<usize>());
        drop(buffers);
        assert_eq!(pool.bytes_in_use(), 0);
    });
}

#[test]
fn a_burst_is_not_remembered_for_ever() {
    in_pool(0, usize::MAX, |pool| {
        let count = 2 * limits::POOL_FREE_BYTES_MAX / SizeClass::Large.bytes();
        drop((0..count).map(|_| pool.take(SizeClass::Large)).collect::<Vec<_>>());
        let kept = pool.free_bytes();
        assert!(kept <= limits::POOL_FREE_BYTES_MAX && kept > limits::POOL_FREE_BYTES_MAX / 2);
    });
}

#[test]
fn trimming_gives_back_what_nobody_needs_and_nothing_else() {
    in_pool(0, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let burst: Vec<Buffer> = (0..100).map(|_| pool.take(SizeClass::Small)).collect();
        drop(burst);
        pool.trim();
        let kept = pool.free_bytes();
        assert_eq!(kept, 100 * limits::BUFFER_SMALL_BYTES, "all were in use since the last time");
        for _ in 0..20 {
            drop((pool.take(SizeClass::Small), pool.take(SizeClass::Small)));
            pool.trim();
        }
        assert_eq!(pool.free_bytes(), 2 * limits::BUFFER_SMALL_BYTES);
    });
}

#[test]
fn registered_memory_never_exceeds_what_was_asked_for() {
    for bytes in [0, 30_000, 64 * 1024, limits::REGISTERED_BYTES_PER_WORKER, 1 << 30] {
        in_pool(bytes, limits::POOL_BYTES_SOFT_MAX, |pool| {
            if let Registration::Registered(registered) = pool.registered() {
                assert!(*registered <= bytes && *registered > 0);
            }
        });
    }
}

#[test]
fn plain_bytes_are_whole_records_that_fit_sealed() {
    assert_eq!(SizeClass::ALL.map(SizeClass::plain_bytes), [16_384, 65_536, 262_144]);
}

#[test]
fn filling_consuming_and_compacting_keep_the_bytes() {
    in_pool(0, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let mut buffer = pool.take(SizeClass::Small);
        assert!(buffer.is_empty() && buffer.spare_len() == buffer.capacity());
        buffer.spare_mut()[..4].copy_from_slice(b"abcd");
        buffer.fill(4);
        buffer.consume(1);
        assert_eq!((buffer.filled(), buffer.len()), (b"bcd".as_slice(), 3));
        assert_eq!(buffer.spare_len(), buffer.capacity() - 4);
        buffer.compact();
        assert_eq!(buffer.filled(), b"bcd");
        assert_eq!(buffer.spare_len(), buffer.capacity() - 3);
        buffer.filled_mut()[0] = b'B';
        assert_eq!(buffer.filled(), b"Bcd");
        buffer.consume(3);
        assert_eq!(buffer.spare_len(), buffer.capacity(), "an empty buffer starts anew");
    });
}

#[test]
#[should_panic(expected = "filled beyond the buffer")]
fn filling_beyond_the_end_is_our_bug() {
    in_pool(0, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let mut buffer = pool.take(SizeClass::Small);
        buffer.fill(buffer.capacity() + 1);
    });
}

/// Set in the process that has no memory to pin.
const UNPINNED: &str = "CAUSEWAY_TEST_UNPINNED";

#[test]
fn without_memory_to_pin_the_pool_works_unregistered_and_says_why() {
    let name = "engine::buffers::tests::in_a_process_without_memory_to_pin";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(UNPINNED, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// Does nothing unless the test above runs it.
#[test]
fn in_a_process_without_memory_to_pin() {
    if std::env::var_os(UNPINNED).is_none() {
        return;
    }
    crate::engine::process::pin_nothing();
    in_pool(limits::REGISTERED_BYTES_PER_WORKER, limits::POOL_BYTES_SOFT_MAX, |pool| {
        let Registration::Plain(reason) = pool.registered() else {
            panic!("nothing can be pinned: {:?}", pool.registered());
        };
        assert!(reason.contains("RLIMIT_MEMLOCK") || reason.contains("epoll"), "{reason}");
        assert_eq!(pool.take(SizeClass::Large).registered_index(), None);
    });
}
