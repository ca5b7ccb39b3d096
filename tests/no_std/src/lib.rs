//! Uses the codec and, with the feature `alloc`, the connection without the standard library.

#![no_std]

use core::panic::PanicInfo;

use sockless::{
    Role,
    frame::{Decoder, Item},
    utf8::Validator,
};

/// Returns the number of bytes of valid text that a server receives in `input`. Returns
/// `usize::MAX` if the input violates the protocol.
pub fn count_text(input: &mut [u8]) -> usize {
    let mut decoder = Decoder::new(Role::Server);
    let mut text = Validator::new();
    let (mut rest, mut count) = (input, 0);
    loop {
        match decoder.decode(&mut rest) {
            Ok(None) => return count,
            Ok(Some(Item::Header(_))) => {}
            Ok(Some(Item::Payload { data, end: _ })) => match text.push(data).result {
                Ok(()) => count += data.len(),
                Err(_) => return usize::MAX,
            },
            Err(_) => return usize::MAX,
        }
    }
}

/// A function for C code.
#[unsafe(no_mangle)]
pub extern "C" fn consume() -> usize {
    let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    count_text(&mut bytes)
}

#[cfg(feature = "alloc")]
mod with_alloc {
    extern crate alloc;

    use core::{
        alloc::{GlobalAlloc, Layout},
        ptr,
    };

    use alloc::vec::Vec;
    use sockless::{Config, Connection, Event};

    /// An allocator that always fails, so that the library links.
    struct FailingAllocator;

    // SAFETY: it never returns memory.
    unsafe impl GlobalAlloc for FailingAllocator {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static ALLOCATOR: FailingAllocator = FailingAllocator;

    /// Receives with a server's connection.
    #[unsafe(no_mangle)]
    pub extern "C" fn serve() -> bool {
        let (mut server, mut out) = (Connection::server(Config::default()), Vec::new());
        let mut input = &mut [b'G'][..];
        matches!(server.receive(&mut input, &mut out), Ok(Some(Event::Request(_))))
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
