//! A transport in memory: reads copy out of a cyclic image, writes copy into a ring. Neither ever waits.

use std::{
    cell::RefCell,
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub const RING: usize = 256 << 10;

pub struct Wire {
    image: Vec<u8>,
    read_at: usize,
    /// How many bytes a read brings at most.
    read: usize,
    ring: Rc<RefCell<Ring>>,
}

/// What is written; shared, as not every peer shows its transport.
pub struct Ring {
    bytes: Vec<u8>,
    at: usize,
}

impl Wire {
    pub fn new(image: Vec<u8>, read: usize) -> Self {
        Self {
            image,
            read_at: 0,
            read,
            ring: Rc::new(RefCell::new(Ring {
                bytes: vec![0; RING],
                at: 0,
            })),
        }
    }

    pub fn ring(&self) -> Rc<RefCell<Ring>> {
        Rc::clone(&self.ring)
    }

    /// What the next read brings, to be copied once.
    #[inline]
    pub fn next(&mut self, room: usize) -> &[u8] {
        let from = self.read_at;
        let len = (self.image.len() - from).min(self.read).min(room);
        self.read_at += len;
        if self.read_at == self.image.len() {
            self.read_at = 0;
        }
        &self.image[from..from + len]
    }

    #[inline]
    pub fn read_into(&mut self, buffer: &mut [u8]) -> usize {
        let bytes = self.next(buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.ring.borrow_mut().put(bytes);
    }
}

impl Ring {
    #[inline]
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = &mut self.bytes[self.at..];
            let (front, rest) = bytes.split_at(bytes.len().min(room.len()));
            room[..front.len()].copy_from_slice(front);
            self.at += front.len();
            if self.at == self.bytes.len() {
                self.at = 0;
            }
            bytes = rest;
        }
    }

    /// Makes it hold less or more; it starts at its beginning.
    pub fn resize(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.at = 0;
    }

    /// What was written since the last call, if it is less than the ring holds.
    pub fn take_written(&mut self) -> Vec<u8> {
        let written = self.bytes[..self.at].to_vec();
        self.at = 0;
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
        self.put(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        for part in parts {
            self.put(part);
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
        let bytes = self.get_mut().next(buffer.remaining());
        buffer.put_slice(bytes);
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

/// Runs what never waits.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}
