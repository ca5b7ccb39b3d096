//! The adapters, over transports in memory.

use std::{
    future::Future,
    hint::black_box,
    io::{self, Read, Write},
    net::Shutdown,
    num::NonZeroUsize,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use ::support::open;
use sockless::{
    MessageKind, Role,
    adapter::{
        Settings,
        poll::{Transport, WebSocket},
        std_net::{self, Socket},
    },
    timers::Timeouts,
};

use super::{
    Workload, linear,
    support::{config, repeat},
};
use crate::RunMessages;

pub const ALL: &[Workload] = &[
    linear("adapter: message, byte by byte", "bytes", 4096, |n| {
        recv(frames(1, n), 1, 1)
    }),
    linear("adapter: messages of 1 byte, in one read", "messages", 1000, |n| {
        recv(frames(n, 1), usize::MAX, n)
    }),
    linear("adapter: messages of 1 byte, in a batch", "messages", 1000, recv_batch),
    linear("adapter: message, read byte by byte", "bytes", 4096, read_message),
    linear("adapter: Pings, answered byte by byte", "Pings", 1000, |n| {
        recv(pings(n), usize::MAX, 1)
    }),
    linear("adapter: Pings of 1 message, byte by byte", "Pings", 500, |n| {
        recv(pings(n), 1, 1)
    }),
    linear("adapter: large message, written byte by byte", "bytes", 8192, |n| {
        write(1, n)
    }),
    linear(
        "adapter: messages of 1 byte, written byte by byte",
        "messages",
        500,
        |n| write(n, 1),
    ),
    linear(
        "adapter: message that is written byte by byte",
        "bytes",
        1000,
        write_message,
    ),
    linear(
        "adapter: Pongs between fragments, written byte by byte",
        "Pongs",
        1000,
        interleaved_pongs,
    ),
    linear("blocking adapter: message, byte by byte", "bytes", 4096, |n| {
        blocking_recv(frames(1, n), 1, 1)
    }),
    linear(
        "blocking adapter: messages of 1 byte, in one read",
        "messages",
        1000,
        |n| blocking_recv(frames(n, 1), usize::MAX, n),
    ),
    linear(
        "blocking adapter: large message, written byte by byte",
        "bytes",
        8192,
        |n| blocking_write(1, n),
    ),
    linear(
        "blocking adapter: messages of 1 byte, written byte by byte",
        "messages",
        500,
        |n| blocking_write(n, 1),
    ),
];

/// A peer that has sent bytes, and that takes one byte of each write.
struct Memory {
    bytes: Vec<u8>,
    at: usize,
    /// The most bytes that a read returns.
    read: usize,
    written: usize,
    /// Nothing is written until all has been read.
    is_full: bool,
}

impl Memory {
    fn new(bytes: &[u8], read: usize) -> Self {
        Self {
            bytes: bytes.to_vec(),
            at: 0,
            read,
            written: 0,
            is_full: false,
        }
    }
}

impl Read for Memory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let len = rest.len().min(self.read).min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let len = data.len().min(1);
        self.written += len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Memory {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.read(buf))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_full && self.at < self.bytes.len() {
            return Poll::Pending;
        }
        Poll::Ready(self.write(data))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Socket for Memory {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

fn settings() -> Settings {
    Settings::new().config(config()).timeouts(Timeouts::none())
}

fn upgraded(transport: Memory) -> WebSocket<Memory> {
    WebSocket::upgraded(transport, (), open(Role::Server, config()), settings())
}

/// A server that writes Pongs between the fragments of its messages.
fn interleaving(transport: Memory) -> WebSocket<Memory> {
    let config = config().fragment_size(NonZeroUsize::new(1000));
    let engine = open(Role::Server, config);
    WebSocket::upgraded(transport, (), engine, settings().high_water(1 << 30))
}

fn interleaved_pongs(n: usize) -> RunMessages {
    let bytes = pings(n);
    repeat(move || {
        let mut transport = Memory::new(&bytes, usize::MAX);
        transport.is_full = true;
        let mut ws = interleaving(transport);
        block_on(async {
            ws.feed(&[7; 2000]).await.expect("an open connection");
            let received = ws.recv().await.expect("a valid peer");
            black_box(received.expect("a message"));
            ws.flush().await.expect("a transport that works");
        });
        assert_eq!(ws.get_ref().written, 2000 + 8 + n * 6);
    })
}

/// Polls a future that may yield, and that waits for nothing.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Messages of a client.
fn frames(count: usize, len: usize) -> Vec<u8> {
    let mut client = open(Role::Client, config());
    let (mut out, data) = (Vec::new(), vec![7; len]);
    for _ in 0..count {
        client.send_binary(&data, &mut out).expect("an open connection");
    }
    out
}

/// Pings, and a message.
fn pings(count: usize) -> Vec<u8> {
    let mut out = b"\x89\x84\0\0\0\0ping".repeat(count);
    out.extend(frames(1, 1));
    out
}

fn recv(bytes: Vec<u8>, read: usize, count: usize) -> RunMessages {
    repeat(move || {
        let mut ws = upgraded(Memory::new(&bytes, read));
        block_on(async {
            for _ in 0..count {
                black_box(ws.recv().await.expect("a valid peer").expect("a message"));
            }
        });
    })
}

fn recv_batch(n: usize) -> RunMessages {
    let bytes = frames(n, 1);
    repeat(move || {
        let mut ws = upgraded(Memory::new(&bytes, usize::MAX));
        let mut received = 0;
        block_on(async {
            while received < n {
                let batch = ws.recv_batch(|message, batch| batch.feed(message));
                received += batch.await.expect("a valid peer").expect("messages");
            }
            ws.flush().await.expect("a transport that works");
        });
        assert_eq!(ws.get_ref().written, n * 3);
    })
}

fn read_message(n: usize) -> RunMessages {
    let bytes = frames(1, n);
    repeat(move || {
        let mut ws = upgraded(Memory::new(&bytes, usize::MAX));
        block_on(async {
            let mut reader = ws.reader().await.expect("a valid peer").expect("a message");
            let mut byte = [0];
            for _ in 0..n {
                let read = std::future::poll_fn(|cx| reader.poll_read(cx, &mut byte));
                assert_eq!(read.await.expect("a valid peer"), 1);
            }
        });
    })
}

fn write(count: usize, len: usize) -> RunMessages {
    let data = vec![7; len];
    repeat(move || {
        let mut ws = upgraded(Memory::new(&[], 0));
        block_on(async {
            for _ in 0..count {
                ws.feed(&data).await.expect("an open connection");
            }
            ws.flush().await.expect("a transport that works");
        });
        assert!(ws.get_ref().written > count * len);
    })
}

fn write_message(n: usize) -> RunMessages {
    repeat(move || {
        let mut ws = upgraded(Memory::new(&[], 0));
        block_on(async {
            let mut writer = ws.writer(MessageKind::Binary).expect("an open connection");
            for _ in 0..n {
                let written = std::future::poll_fn(|cx| writer.poll_write(cx, b"a"));
                assert_eq!(written.await.expect("an open connection"), 1);
            }
            writer.finish().await.expect("an open connection");
        });
        assert!(ws.get_ref().written > n);
    })
}

fn blocking(transport: Memory) -> std_net::WebSocket<Memory> {
    std_net::upgraded(transport, open(Role::Server, config()), settings())
}

fn blocking_recv(bytes: Vec<u8>, read: usize, count: usize) -> RunMessages {
    repeat(move || {
        let mut ws = blocking(Memory::new(&bytes, read));
        for _ in 0..count {
            black_box(ws.recv().expect("a valid peer").expect("a message"));
        }
    })
}

fn blocking_write(count: usize, len: usize) -> RunMessages {
    let data = vec![7; len];
    repeat(move || {
        let mut ws = blocking(Memory::new(&[], 0));
        for _ in 0..count {
            ws.feed(&data).expect("an open connection");
        }
        ws.flush().expect("a transport that works");
        assert!(ws.get_ref().written > count * len);
    })
}
