//! The engine of a blocking connection, and how its two directions reach it.

use alloc::vec::Vec;
use core::{mem, ops::DerefMut, time::Duration};
use std::{sync::Mutex, time::Instant};

use crate::{
    adapter::{
        Batch,
        batch::Answered,
        driver::{Driver, SenderId},
        lock,
        write_state::WriteState,
    },
    timers::Due,
};

/// The shortest interval at which a reader checks the deadlines while another thread may start the
/// closing handshake.
const MIN_RECHECK_INTERVAL: Duration = Duration::from_millis(100);

/// What both directions of a connection use.
pub(super) struct Core {
    pub(super) driver: Driver,
    /// The write loop has taken output that is not written, or not flushed.
    pub(super) has_unwritten: bool,
    /// How many bytes of output the write loop has taken and not written.
    pub(super) unwritten_len: usize,
    /// How many writers have appended to the output and are about to write it.
    pub(super) active_writers: usize,
    /// Whether the connection is split into halves.
    pub(super) is_split: bool,
    /// The number of the last [`SenderId`].
    last_sender: u64,
}

impl AsMut<Driver> for Core {
    fn as_mut(&mut self) -> &mut Driver {
        &mut self.driver
    }
}

impl Answered for Core {
    #[inline]
    fn batch(&mut self) -> Batch<'_> {
        Batch::new(&mut self.driver, None)
    }
}

impl Core {
    pub(super) const fn new(driver: Driver) -> Self {
        Self {
            driver,
            has_unwritten: false,
            unwritten_len: 0,
            active_writers: 0,
            is_split: false,
            last_sender: 0,
        }
    }

    /// Returns the identity of a handle that sends fragments.
    pub(super) const fn new_sender(&mut self) -> SenderId {
        self.last_sender += 1;
        SenderId::numbered(self.last_sender)
    }

    /// Returns whether there is output that no writer is about to write.
    pub(super) fn has_replies(&self) -> bool {
        self.active_writers == 0
            && (self.has_unwritten || !self.driver.out.is_empty() || !self.driver.control.is_empty())
    }

    /// Returns how many bytes of output are not written.
    pub(super) fn pending_bytes(&self) -> usize {
        self.unwritten_len + self.driver.pending_bytes()
    }

    /// Returns whether more output is unwritten than the high-water mark.
    #[inline]
    pub(super) fn is_above_high_water(&self) -> bool {
        self.pending_bytes() > self.driver.high_water
    }

    /// Moves the output to the end of `buf`, and control frames to where `state` writes them next.
    #[inline]
    pub(super) fn take_output(&mut self, buf: &mut Vec<u8>, state: &mut WriteState) {
        self.take_control(buf, state);
        let output = &mut self.driver.out;
        if output.is_empty() {
            return;
        }
        if self.driver.engine.fragments_messages() {
            state.begin_frames(buf.len());
        }
        if buf.is_empty() {
            mem::swap(buf, output);
        } else {
            buf.append(output);
        }
        self.driver.reply_bytes = 0;
    }

    /// Moves control frames to where `state` writes them next, if they are not in the output.
    #[inline]
    pub(super) fn take_control(&mut self, buf: &mut Vec<u8>, state: &mut WriteState) {
        if !self.driver.control.is_empty() {
            state.take_control(&mut self.driver.control, buf);
            self.driver.reply_bytes = 0;
        }
    }

    /// Takes the allocation of the written `buf` back, so that one serves both buffers.
    #[inline]
    pub(super) fn return_buffer(&mut self, buf: &mut Vec<u8>) {
        if self.driver.out.capacity() == 0 {
            mem::swap(buf, &mut self.driver.out);
        }
    }

    /// Returns until when a read may wait: for the next deadline, or for a nearer one that another
    /// thread may set meanwhile.
    pub(super) fn read_deadline(&mut self, now: Instant) -> Option<Instant> {
        let deadline = self.driver.deadline(now);
        if !self.is_split {
            return deadline;
        }
        let interval = self.driver.timers.limit(Due::Close);
        let recheck = interval.and_then(|interval| now.checked_add(interval.max(MIN_RECHECK_INTERVAL)));
        deadline.into_iter().chain(recheck).min()
    }

    /// Returns until when to wait for the peer to close the stream of a closed connection.
    pub(super) fn teardown_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.driver.check_deadlines().is_err() {
            return Some(now);
        }
        self.driver.timers.closing(now);
        self.driver.timers.poll_timeout()
    }
}

/// Access to the [`Core`]: direct in a whole connection, through a lock in its halves.
pub(super) trait Access {
    /// Locks the core. The guard must not be held while the stream is waited for.
    fn core(&mut self) -> impl DerefMut<Target = Core>;
}

impl Access for Core {
    #[inline]
    fn core(&mut self) -> impl DerefMut<Target = Self> {
        self
    }
}

impl Access for &Mutex<Core> {
    #[inline]
    fn core(&mut self) -> impl DerefMut<Target = Core> {
        lock(self)
    }
}
