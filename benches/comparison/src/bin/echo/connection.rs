//! A connection of a client that compares bytes, and the processor time of a server.
//!
//! `examples/io_uring/src/compare.rs` has this file too.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Read, Write},
    net,
    time::Duration,
};

use mio::net::TcpStream;
use support::heads::{ACCEPT, REQUEST};

/// The maximum time until the next byte of a server.
pub const TIMEOUT: Duration = Duration::from_secs(20);

pub struct Connection {
    pub tcp: TcpStream,
    /// How much of the batch is written, and how much of its echo is read, in bytes. Before the
    /// first batch, the maximum.
    written: usize,
    read: usize,
}

impl Connection {
    /// Opens a connection and runs the handshake.
    pub fn open(address: impl net::ToSocketAddrs + fmt::Display) -> io::Result<Self> {
        let mut tcp = net::TcpStream::connect(&address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(TIMEOUT))?;
        tcp.write_all(REQUEST.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
            return Err(io::Error::other(format!("{address}: {head}")));
        }
        tcp.set_nonblocking(true)?;
        Ok(Self {
            tcp: TcpStream::from_std(tcp),
            written: usize::MAX,
            read: usize::MAX,
        })
    }

    /// Begins to send a batch, after the whole echo of the one before.
    pub fn begin(&mut self, sent: &[u8]) -> io::Result<()> {
        (self.written, self.read) = (0, 0);
        self.write(sent)
    }

    /// Whether the whole echo is read, or nothing was sent.
    pub fn is_done(&self, expected: &[u8]) -> bool {
        self.read >= expected.len()
    }

    /// Writes more of the batch.
    pub fn write(&mut self, sent: &[u8]) -> io::Result<()> {
        while self.written < sent.len() {
            match self.tcp.write(&sent[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads more of the echo, and compares it.
    pub fn read(&mut self, expected: &[u8], buffer: &mut [u8]) -> io::Result<()> {
        // After the last byte of a batch, the server sends nothing. So no event is missed.
        while !self.is_done(expected) {
            let n = match self.tcp.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            if expected.get(self.read..self.read + n) != Some(&buffer[..n]) {
                return Err(io::Error::other("the echo differs from the message"));
            }
            self.read += n;
        }
        Ok(())
    }
}

/// Returns the processor time of all threads of a process, those of the kernel among them, in
/// nanoseconds. The kernel updates it when a thread stops running, so it is exact only while all
/// threads wait.
pub fn processor_time(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    let time = |task: io::Result<fs::DirEntry>| {
        // A thread that has just ended has no file.
        let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.filter_map(time).sum()
}
