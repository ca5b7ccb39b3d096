//! A transport in memory: reads copy from a stream that repeats, writes copy into a ring buffer.
//! Neither waits.

use std::{
    cell::RefCell,
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

/// The maximum length of a read from the kernel.
pub const READ: usize = 64 << 10;
/// The longest copy that the C library makes without the instruction `rep movsb`. With it, a copy
/// takes up to thirty times as long at some distances of the two buffers, so that where the
/// allocator puts them would decide: see `benches/alignment.rs`. So the wire copies in pieces of
/// this length.
const MAX_COPY: usize = 2 << 10;

/// Copies `from` to the front of `to`.
#[inline]
fn copy(mut from: &[u8], mut to: &mut [u8]) {
    while let Some((piece, rest)) = from.split_at_checked(MAX_COPY) {
        let (place, free) = to.split_at_mut(MAX_COPY);
        place.copy_from_slice(piece);
        (from, to) = (rest, free);
    }
    to[..from.len()].copy_from_slice(from);
}

/// The size of the ring buffer.
pub const RING: usize = 256 << 10;

pub struct Wire {
    stream: Vec<u8>,
    /// The position in `stream`.
    position: usize,
    /// The maximum length of a read.
    max_read: usize,
    ring: Rc<RefCell<Ring>>,
}

/// The ring buffer of the written bytes. It is shared, because not every peer gives access to its
/// transport.
pub struct Ring {
    bytes: Vec<u8>,
    position: usize,
}

impl Wire {
    pub fn new(stream: Vec<u8>, max_read: usize) -> Self {
        Self {
            stream,
            position: 0,
            max_read,
            ring: Rc::new(RefCell::new(Ring {
                bytes: vec![0; RING],
                position: 0,
            })),
        }
    }

    pub fn ring(&self) -> Rc<RefCell<Ring>> {
        Rc::clone(&self.ring)
    }

    /// Returns the bytes of the next read, of at most `len` bytes.
    #[inline]
    fn next(&mut self, len: usize) -> &[u8] {
        let from = self.position;
        let len = (self.stream.len() - from).min(self.max_read).min(len);
        self.position += len;
        if self.position == self.stream.len() {
            self.position = 0;
        }
        &self.stream[from..from + len]
    }

    #[inline]
    pub fn read_into(&mut self, buffer: &mut [u8]) -> usize {
        let bytes = self.next(buffer.len());
        copy(bytes, buffer);
        bytes.len()
    }

    /// For a crate that writes every frame at once: what it writes between two flushes is written
    /// together, if there is more than one frame of `batch`.
    pub fn buffered(self, batch: u64) -> BufWriter<Self> {
        // A `BufWriter` without capacity passes all writes on.
        BufWriter::with_capacity(if batch > 1 { READ } else { 0 }, self)
    }

    /// Reads at most `len` bytes to the end of `buffer`.
    #[inline]
    pub fn append_to(&mut self, buffer: &mut BytesMut, len: usize) {
        for piece in self.next(len).chunks(MAX_COPY) {
            buffer.extend_from_slice(piece);
        }
    }

    #[inline]
    pub fn write_all(&mut self, bytes: &[u8]) {
        self.ring.borrow_mut().write_all(bytes);
    }
}

impl Ring {
    #[inline]
    pub fn write_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let free = &mut self.bytes[self.position..];
            let (front, rest) = bytes.split_at(bytes.len().min(free.len()));
            copy(front, free);
            self.position += front.len();
            if self.position == self.bytes.len() {
                self.position = 0;
            }
            bytes = rest;
        }
    }

    /// Changes the size. The next write is at the start.
    pub fn resize(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.position = 0;
    }

    /// Returns the bytes written since the last call, which must be fewer than the size.
    pub fn take_written(&mut self) -> Vec<u8> {
        let written = self.bytes[..self.position].to_vec();
        self.position = 0;
        written
    }
}

impl Read for Wire {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_into(buffer))
    }
}

impl Write for Wire {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        for part in parts {
            self.write_all(part);
        }
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut rest = self.get_mut().next(buffer.remaining());
        while let Some((piece, after)) = rest.split_at_checked(MAX_COPY) {
            buffer.put_slice(piece);
            rest = after;
        }
        buffer.put_slice(rest);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write_vectored(parts))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a future over a transport that never waits.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}
