//! Counts allocations where performance.md gives a budget. One test, so that nothing else allocates meanwhile.
// A global allocator cannot be written without it; every method hands its arguments on unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sip_core::Message;
use sip_core::endpoint::Fingerprints;

struct Counting;

static MADE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system allocator does all the work under the same contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MADE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An INVITE as a phone behind two proxies sends it.
const INVITE: &str = include_str!("invite.sip");

#[test]
fn parsing_an_invite_and_making_its_key_takes_two_allocations() {
    let fingerprints = Fingerprints::new(&[1; 32]);
    let text = INVITE.replace('\n', "\r\n");
    let run = |bytes: Bytes| {
        let before = MADE.load(Ordering::Relaxed);
        let message = Message::parse(bytes).unwrap();
        let key = fingerprints.server(&message, "INVITE").unwrap();
        black_box(key);
        (MADE.load(Ordering::Relaxed) - before, message)
    };
    let (made, message) = run(Bytes::from(text.clone().into_bytes()));
    assert!(made <= 2, "{made} allocations");
    let (again, _) = run(message.bytes().clone());
    assert!(again <= made, "{again} allocations the second time");
    assert_eq!(message.validate(), Ok(()));
    assert_eq!(message.bytes().len(), text.len());
}
