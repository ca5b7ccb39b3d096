//! The part of io_uring that the server needs, with a safe interface. All `unsafe` code is here.
//!
//! What the kernel reads or writes belongs to [`Ring`] for that time:
//!
//! * Input is received into *provided buffers*: the kernel chooses one for each completion. It is
//!   the program's from the completion until [`Ring::release`], and [`Input`] stands for it. The
//!   engine unmasks in it.
//! * Output is a `Vec` that [`Ring::send`] takes and its completion returns. So nothing can
//!   overwrite it while it is being sent.
//!
//! The kernel stops using this memory some time after the ring is closed, so a ring that is dropped
//! does not free it.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// How many buffers the kernel has to receive into, a power of two, and the length of each: a
/// message of 16 KiB fits into one with its header, and is then borrowed from it.
///
/// They are used one after the other, so more of them would not fit into the L2 cache. When there
/// is none left, receiving stops until [`Ring::receive`] is called again.
const BUFFERS: u16 = 128;
const BUFFER_LEN: usize = 20 << 10;
const BUFFER_GROUP: u16 = 0;
/// How many operations are submitted at a time, and how many completions may wait. If there are
/// more, the kernel keeps them, which is slower.
const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 32 << 10;

/// The operation of a completion is in the upper half of its user data, a number in the lower half.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const CANCEL: u64 = 3;

/// A ring, and all memory that the kernel uses.
pub(crate) struct Ring {
    uring: IoUring,
    buffers: Buffers,
    /// What is being sent, by the number of the operation.
    sends: ManuallyDrop<Vec<Option<Send>>>,
    free_sends: Vec<u32>,
    completions: Vec<cqueue::Entry>,
}

struct Send {
    client: u32,
    data: Vec<u8>,
    start: usize,
}

/// What has happened.
pub(crate) enum Completion {
    /// A client has connected. `is_last`: no further one is accepted until [`Ring::accept`].
    Accepted { tcp: io::Result<TcpStream>, is_last: bool },
    /// A client has sent something. `is_last`: no more is received until [`Ring::receive`].
    Received {
        client: u32,
        input: io::Result<Input>,
        is_last: bool,
    },
    /// Some of the output was sent: the `data` from `start` to `end`.
    Sent {
        client: u32,
        data: Vec<u8>,
        end: io::Result<usize>,
    },
}

/// A buffer with input. It must be passed to [`Ring::release`].
#[must_use]
pub(crate) struct Input {
    /// `None` at the end of the stream.
    buffer: Option<u16>,
    len: usize,
}

impl Input {
    pub(crate) const fn is_end(&self) -> bool {
        self.len == 0
    }
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_submit_all()
            // Work in the kernel is done when this thread asks for completions, in batches.
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(SUBMISSIONS)?;
        let buffers = Buffers::new(&uring)?;
        Ok(Self {
            uring,
            buffers,
            sends: ManuallyDrop::default(),
            free_sends: Vec::new(),
            completions: Vec::new(),
        })
    }

    /// Accepts clients until a completion that is the last.
    pub(crate) fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build();
        self.push(accept.user_data(user_data(ACCEPT, 0)))
    }

    /// Receives from a client until a completion that is the last. The caller keeps the socket open
    /// until then.
    pub(crate) fn receive(&mut self, client: u32, tcp: &TcpStream) -> io::Result<()> {
        let receive = opcode::RecvMulti::new(Fd(tcp.as_raw_fd()), BUFFER_GROUP).build();
        self.push(receive.user_data(user_data(RECEIVE, client)))
    }

    /// Stops receiving from a client. Its last completion may still have input.
    pub(crate) fn cancel_receive(&mut self, client: u32) -> io::Result<()> {
        let cancel = opcode::AsyncCancel::new(user_data(RECEIVE, client)).build();
        self.push(cancel.user_data(user_data(CANCEL, 0)))
    }

    /// Sends the data from `start` on, which is not the end. The caller keeps the socket open until
    /// the completion.
    pub(crate) fn send(&mut self, client: u32, tcp: &TcpStream, data: Vec<u8>, start: usize) -> io::Result<()> {
        let number = self.free_sends.pop().unwrap_or_else(|| {
            self.sends.push(None);
            self.sends.len() as u32 - 1
        });
        let rest = &data[start..];
        // A longer rest is sent in parts.
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(Fd(tcp.as_raw_fd()), rest.as_ptr(), len).build();
        // Moving the `Vec` does not move what it holds.
        self.sends[number as usize] = Some(Send { client, data, start });
        self.push(send.user_data(user_data(SEND, number)))
    }

    fn push(&mut self, operation: squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: the memory of the operation, if it has any, is in `self.sends` until its
            // completion, and is not freed before.
            if unsafe { self.uring.submission().push(&operation) }.is_ok() {
                return Ok(());
            }
            self.uring.submit()?;
        }
    }

    /// Submits the operations, waits until there is a completion or until the time is over, and
    /// passes the completions on.
    pub(crate) fn wait(
        &mut self,
        limit: Duration,
        mut on: impl FnMut(&mut Self, Completion) -> io::Result<()>,
    ) -> io::Result<()> {
        let limit = Timespec::from(limit);
        match self
            .uring
            .submitter()
            .submit_with_args(1, &SubmitArgs::new().timespec(&limit))
        {
            Ok(_) => {}
            Err(error) => match error.raw_os_error() {
                // The time is over, a signal has come, or completions must be taken first.
                Some(libc_errno::ETIME | libc_errno::EINTR | libc_errno::EBUSY) => {}
                _ => return Err(error),
            },
        }
        let mut completions = mem::take(&mut self.completions);
        completions.extend(self.uring.completion());
        for entry in completions.drain(..) {
            if let Some(completion) = self.completion(&entry) {
                on(self, completion)?;
            }
        }
        self.completions = completions;
        Ok(())
    }

    fn completion(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let (operation, number) = (entry.user_data() >> 32, entry.user_data() as u32);
        let result = match entry.result() {
            result @ 0.. => Ok(result as usize),
            error => Err(io::Error::from_raw_os_error(-error)),
        };
        let is_last = !cqueue::more(entry.flags());
        Some(match operation {
            ACCEPT => Completion::Accepted {
                // SAFETY: this is a new file descriptor, and no one else has it.
                tcp: result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }.into()),
                is_last,
            },
            RECEIVE => Completion::Received {
                client: number,
                input: result.map(|len| Input {
                    buffer: cqueue::buffer_select(entry.flags()),
                    len,
                }),
                is_last,
            },
            SEND => {
                let Send { client, data, start } = self.sends[number as usize].take()?;
                self.free_sends.push(number);
                Completion::Sent {
                    client,
                    data,
                    end: result.map(|sent| start + sent),
                }
            }
            _ => return None,
        })
    }

    /// Returns the bytes of an input, in the buffer into which the kernel has received them.
    pub(crate) fn bytes(&mut self, input: &Input) -> &mut [u8] {
        self.buffers.bytes(input)
    }

    /// Gives the buffer of an input back to the kernel.
    pub(crate) fn release(&mut self, input: Input) {
        if let Some(buffer) = input.buffer {
            self.buffers.provide(buffer);
        }
    }
}

const fn user_data(operation: u64, number: u32) -> u64 {
    operation << 32 | number as u64
}

/// The buffers, and the ring in which the kernel finds those that it may use.
///
/// The memory is never freed: see above.
struct Buffers {
    memory: *mut u8,
    entries: *mut BufRingEntry,
    tail: u16,
}

impl Buffers {
    fn new(uring: &IoUring) -> io::Result<Self> {
        let entries: *mut BufRingEntry = pages(BUFFERS as usize * size_of::<BufRingEntry>()).cast();
        let memory = pages(BUFFERS as usize * BUFFER_LEN);
        // SAFETY: `entries` has the alignment of a page and that length, and is never freed.
        unsafe {
            let submitter = uring.submitter();
            submitter.register_buf_ring_with_flags(entries as u64, BUFFERS, BUFFER_GROUP, 0)?;
        }
        let mut buffers = Self {
            memory,
            entries,
            tail: 0,
        };
        (0..BUFFERS).for_each(|buffer| buffers.provide(buffer));
        Ok(buffers)
    }

    fn bytes(&mut self, input: &Input) -> &mut [u8] {
        let Some(buffer) = input.buffer else { return &mut [] };
        assert!(buffer < BUFFERS && input.len <= BUFFER_LEN);
        // SAFETY: the slice is inside of `memory`. The kernel has given this buffer away, and gets
        // it back only in `provide`, for which the one `Input` of the buffer is needed.
        unsafe { slice::from_raw_parts_mut(self.memory.add(buffer as usize * BUFFER_LEN), input.len) }
    }

    /// The kernel does not use this buffer, and the program does not use it any more.
    fn provide(&mut self, buffer: u16) {
        let index = (self.tail % BUFFERS) as usize;
        // SAFETY: `index` is in the ring, and `entries` is initialized: it was zeroed. The kernel
        // reads an entry only after `tail` has passed it. There are as many entries as buffers, so
        // it has read the one that was here before. The tail lies in the padding of the first
        // entry.
        unsafe {
            let entry = &mut *self.entries.add(index);
            entry.set_addr(self.memory.add(buffer as usize * BUFFER_LEN) as u64);
            entry.set_len(BUFFER_LEN as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut());
            tail.store(self.tail, Ordering::Release);
        }
    }
}

/// Returns zeroed memory with the alignment of a page. It is never freed.
fn pages(len: usize) -> *mut u8 {
    let layout = Layout::from_size_align(len, 4096).expect("the sizes are constants");
    // SAFETY: the sizes are not 0.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

/// Numbers of errors, which are the same on all architectures of Linux that Rust supports, but for
/// MIPS and SPARC.
pub(crate) mod libc_errno {
    pub(crate) const EINTR: i32 = 4;
    pub(crate) const EBUSY: i32 = 16;
    pub(crate) const ETIME: i32 = 62;
    pub(crate) const ENOBUFS: i32 = 105;
    pub(crate) const ECANCELED: i32 = 125;
}
