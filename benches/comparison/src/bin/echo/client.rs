//! The client: all connections on one thread, and no work except comparing every byte.

use std::{
    io::{self, ErrorKind, Read, Write},
    net, thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use support::heads::{ACCEPT, REQUEST};

use crate::{
    child::Server,
    work::{CONNECTIONS, Work},
};

/// The time before the measurement, in which the buffers of the server grow.
const WARM_UP: Duration = Duration::from_millis(30);
/// The maximum time until the next byte of a server.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Sample {
    messages: u64,
    /// The processor time of the server, in nanoseconds.
    processor_time: u64,
    elapsed: Duration,
}

impl Sample {
    /// Returns the processor time per message.
    pub fn nanoseconds(&self) -> f64 {
        self.processor_time as f64 / self.messages as f64
    }

    /// Returns the messages per second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

/// Measures the server for about the time of a turn.
pub fn measure(server: &Server, work: &Work, turn: Duration) -> Sample {
    let mut client = Client::connect(server, work).expect("the server opens a connection");
    let mut run = |time| {
        client
            .run(time)
            .unwrap_or_else(|error| panic!("{}, {work}: {error}", server.name))
    };
    run(WARM_UP);
    let (before, start) = (idle_processor_time(server), Instant::now());
    let batches = run(turn);
    let elapsed = start.elapsed();
    Sample {
        messages: batches * work.depth as u64,
        processor_time: idle_processor_time(server) - before,
        elapsed,
    }
}

/// Returns the processor time of the server after it has become idle.
fn idle_processor_time(server: &Server) -> u64 {
    thread::sleep(Duration::from_millis(2));
    server.processor_time()
}

struct Client {
    poll: Poll,
    connections: Vec<Connection>,
    sent: Vec<u8>,
    expected: Vec<u8>,
    buffer: Vec<u8>,
}

struct Connection {
    tcp: TcpStream,
    /// The number of bytes of the batch that are written.
    written: usize,
    /// The number of bytes of the echo that are read.
    read: usize,
}

impl Client {
    fn connect(server: &Server, work: &Work) -> io::Result<Self> {
        let (poll, (sent, expected)) = (Poll::new()?, work.batches());
        let mut connections = Vec::new();
        for index in 0..CONNECTIONS {
            let mut tcp = TcpStream::from_std(open(server)?);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut tcp, Token(index), interest)?;
            let (written, read) = (sent.len(), expected.len());
            connections.push(Connection { tcp, written, read });
        }
        let buffer = vec![0; 256 << 10];
        Ok(Self {
            poll,
            connections,
            sent,
            expected,
            buffer,
        })
    }

    /// Sends batches on every connection for that time and waits for the last echoes. Returns the
    /// number of batches that were echoed.
    fn run(&mut self, time: Duration) -> io::Result<u64> {
        let (end, mut batches, mut busy_connections) = (Instant::now() + time, 0, self.connections.len());
        for connection in &mut self.connections {
            connection.begin(&self.sent)?;
        }
        let mut events = Events::with_capacity(2 * CONNECTIONS);
        while busy_connections > 0 {
            self.poll.poll(&mut events, Some(TIMEOUT))?;
            if events.is_empty() {
                return Err(io::Error::other("the server does not echo"));
            }
            let is_over = Instant::now() >= end;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if connection.is_done(&self.expected) {
                    continue;
                }
                connection.write(&self.sent)?;
                connection.read(&self.expected, &mut self.buffer)?;
                if connection.is_done(&self.expected) {
                    batches += 1;
                    if is_over {
                        busy_connections -= 1;
                    } else {
                        connection.begin(&self.sent)?;
                    }
                }
            }
        }
        Ok(batches)
    }
}

impl Connection {
    fn begin(&mut self, sent: &[u8]) -> io::Result<()> {
        (self.written, self.read) = (0, 0);
        self.write(sent)
    }

    fn is_done(&self, expected: &[u8]) -> bool {
        self.read == expected.len()
    }

    fn write(&mut self, sent: &[u8]) -> io::Result<()> {
        while self.written < sent.len() {
            match self.tcp.write(&sent[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, expected: &[u8], buffer: &mut [u8]) -> io::Result<()> {
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

/// Opens a connection and runs the handshake.
fn open(server: &Server) -> io::Result<net::TcpStream> {
    let mut tcp = net::TcpStream::connect(server.address)?;
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
        return Err(io::Error::other(format!("{}: {head}", server.name)));
    }
    tcp.set_nonblocking(true)?;
    Ok(tcp)
}
