//! The lamp on a Cortex-M4 without an operating system: the board MPS2 with the image AN386, whose
//! first UART is the transport. It takes 86 KB of flash. 32 of the 64 KiB of RAM are the heap.
//!
//! ```text
//! cargo build --release --target thumbv7em-none-eabihf
//! qemu-system-arm -M mps2-an386 -nographic -monitor none -serial tcp:127.0.0.1:9001 \
//!     -kernel target/thumbv7em-none-eabihf/release/sockless-firmware
//! ```
//!
//! QEMU connects to that port, and the UART is a WebSocket server on that connection. The test
//! `qemu` of the package above is the client.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::convert::Infallible;
use core::future::poll_fn;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;
use core::time::Duration;

use cortex_m::peripheral::syst::SystClkSource;
use embassy_futures::block_on;
use embedded_alloc::LlffHeap as Heap;
use embedded_io_async::{ErrorType, Read, Write};
use sockless::Connection;
use sockless::timers::Timeouts;
use sockless_embedded::lamp::{Lamp, config};
use sockless_embedded::{Clock, run};

const HEAP_LEN: usize = 32 << 10;
/// The frequency of the processor of this board, in Hz.
const FREQUENCY: u32 = 25_000_000;
/// The registers of the UART: data, state and control, and the divisor of the bit rate.
const UART: *mut u32 = 0x4000_4000 as *mut u32;
const DATA: usize = 0;
const STATE: usize = 1;
const CONTROL: usize = 2;
const DIVISOR: usize = 4;
const IS_OUTPUT_FULL: u32 = 1;
const HAS_INPUT: u32 = 2;

#[global_allocator]
static HEAP: Heap = Heap::empty();
/// Milliseconds since the start. It wraps after 49.7 days, and deadlines are wrong then: a device
/// that runs for longer needs 64 bits.
static NOW: AtomicU32 = AtomicU32::new(0);

#[cortex_m_rt::exception]
fn SysTick() {
    NOW.fetch_add(1, Ordering::Relaxed);
}

/// The UART, which is polled. A read takes what has arrived, so it loses nothing when it is
/// dropped.
struct Uart(());

impl Uart {
    fn new() -> Self {
        let uart = Self(());
        uart.write(DIVISOR, 16);
        uart.write(CONTROL, 3); // output and input are enabled
        uart
    }

    fn read(&self, register: usize) -> u32 {
        // SAFETY: this is a register of the UART of this board.
        unsafe { ptr::read_volatile(UART.add(register)) }
    }

    fn write(&self, register: usize, value: u32) {
        // SAFETY: this is a register of the UART of this board.
        unsafe { ptr::write_volatile(UART.add(register), value) }
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let mut len = 0;
            while len < buf.len() && Self::read(self, STATE) & HAS_INPUT != 0 {
                buf[len] = Self::read(self, DATA) as u8;
                len += 1;
            }
            if len == 0 { Poll::Pending } else { Poll::Ready(Ok(len)) }
        })
        .await
    }
}

impl Write for Uart {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            if Self::read(self, STATE) & IS_OUTPUT_FULL != 0 {
                return Poll::Pending;
            }
            Self::write(self, DATA, buf[0].into());
            Poll::Ready(Ok(1))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Ticks;

impl Clock for Ticks {
    fn now(&self) -> Duration {
        Duration::from_millis(NOW.load(Ordering::Relaxed).into())
    }

    async fn wait_until(&mut self, at: Duration) {
        poll_fn(|_| {
            if self.now() >= at {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: this is called once, before anything is allocated, and nothing else uses this memory.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_LEN);
    }
    let mut peripherals = cortex_m::Peripherals::take().expect("they are taken once");
    peripherals.SYST.set_clock_source(SystClkSource::Core);
    peripherals.SYST.set_reload(FREQUENCY / 1000 - 1);
    peripherals.SYST.clear_current();
    peripherals.SYST.enable_counter();
    peripherals.SYST.enable_interrupt();
    let mut uart = Uart::new();
    loop {
        // A UART is always connected: there is no deadline for the first byte of a request.
        let timeouts = Timeouts::new().handshake(None);
        let mut lamp = Lamp::new(|| 21, Duration::from_secs(2), Ticks);
        let ws = Connection::server(config());
        // After an error, the Close frame or the response is written, and the next client may come.
        let _result = block_on(run(&mut uart, &mut Ticks, timeouts, ws, Vec::new(), &mut lamp));
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
