//! Measures `echo_uring` beside `echo_mio`: the processor time of the server for each message.
//!
//! ```text
//! cargo run --release --bin compare -- [--connections N] [--rounds N] [--turn MS] [--limit RATIO]
//! ```
//!
//! In each round, each server is started as a process of its own, and all connections to it are
//! opened (10,000). Some of them send one message each, and the next when all echoes have arrived.
//! One client, a thread that only compares bytes, connects to one server at a time. The figure is
//! the processor time of the server, user and system together, over the messages: the median of the
//! rounds. In the last column is the median of the ratios of the rounds. With `--limit`, a ratio
//! above that is a failure.
//!
//! Both servers run with the same options of the compiler. Linux only. Needs `ulimit -n` above the
//! number of connections. `docs/PERFORMANCE.md` has figures.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

const SERVERS: [&str; 2] = ["echo_mio", "echo_uring"];
/// The maximum time until the next byte of a server.
const TIMEOUT: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct Server {
    child: Child,
    address: String,
}

/// The connections to one server.
struct Client {
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    tcp: TcpStream,
    /// How much of the message is written, and how much of the echo is read.
    written: usize,
    read: usize,
}

/// The bytes of a message and of its echo.
struct Work {
    sent: Vec<u8>,
    expected: Vec<u8>,
}

fn main() {
    let (mut connections, mut rounds, mut turn, mut limit) = (10_000, 5, Duration::from_millis(500), f64::MAX);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        let number = || value.parse::<u64>().expect("a number");
        match &*name {
            "--connections" => connections = number() as usize,
            "--rounds" => rounds = number(),
            "--turn" => turn = Duration::from_millis(number()),
            "--limit" => limit = value.parse().expect("a number"),
            _ => panic!("there is no option {name}"),
        }
    }
    let rows: Vec<_> = [1, 100, connections]
        .iter()
        .flat_map(|active| [16, 1 << 10, 16 << 10].map(|size| ((*active).min(connections), size)))
        .collect();
    // The samples of each row, by server and round.
    let mut samples = vec![[const { Vec::new() }; 2]; rows.len()];
    for _ in 0..rounds {
        for (index, name) in SERVERS.into_iter().enumerate() {
            let server = Server::start(name);
            let mut client = Client::connect(&server, connections)
                .unwrap_or_else(|error| panic!("{connections} connections (see `ulimit -n`): {error}"));
            for (row, (active, size)) in rows.iter().enumerate() {
                let sample = client.measure(&server, *active, &Work::new(*size), turn);
                samples[row][index].push(sample.unwrap_or_else(|error| panic!("{name}: {error}")));
            }
        }
    }
    println!("{connections} connections; processor time of the server for each message, in ns\n");
    println!(
        "| active | bytes | {} | {} | ratio |\n|---|---|---|---|---|",
        SERVERS[0], SERVERS[1]
    );
    let mut worst = 0f64;
    for ((active, size), samples) in rows.into_iter().zip(samples) {
        let ratios = samples[1]
            .iter()
            .zip(&samples[0])
            .map(|(uring, mio)| uring / mio)
            .collect();
        let [mio, uring] = samples.map(median);
        let ratio = median(ratios);
        worst = worst.max(ratio);
        println!("| {active} | {size} | {mio:.0} | {uring:.0} | {ratio:.2} |");
    }
    assert!(worst <= limit, "the ratio {worst:.2} is above {limit}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Server {
    /// Starts the program of that name, which is beside this one.
    fn start(name: &str) -> Self {
        let this = std::env::current_exe().expect("the path of the program is known");
        let program = this.parent().unwrap_or(Path::new(".")).join(name);
        let mut child = Command::new(&program)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("the server prints its address");
        let address = line.trim().strip_prefix("listening on ws://").expect("an address");
        let address = address.trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Returns the processor time of all threads, those of the kernel among them, in nanoseconds.
    /// The kernel updates it when a thread stops running, so this waits until they are idle.
    fn processor_time(&self) -> u64 {
        thread::sleep(Duration::from_millis(5));
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server runs");
        let time = |task: io::Result<fs::DirEntry>| {
            // A thread that has just ended has no file.
            let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.filter_map(time).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _result = self.child.kill();
        let _result = self.child.wait();
    }
}

impl Work {
    fn new(size: usize) -> Self {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let payload: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251) as u8).collect();
        let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        let (mut sent, mut expected) = (header(size, 0x80), header(size, 0));
        sent.extend(key);
        sent.extend(masked);
        expected.extend(&payload);
        Self { sent, expected }
    }
}

/// Returns a frame header without the key (RFC 6455, section 5.2).
fn header(len: usize, masked: u8) -> Vec<u8> {
    match u16::try_from(len).expect("no message is longer") {
        len @ 0..126 => vec![0x82, masked | len as u8],
        len => [&[0x82, masked | 126][..], &len.to_be_bytes()].concat(),
    }
}

impl Client {
    fn connect(server: &Server, number: usize) -> io::Result<Self> {
        let (poll, mut connections) = (Poll::new()?, Vec::new());
        for index in 0..number {
            let mut tcp = TcpStream::from_std(open(server)?);
            poll.registry()
                .register(&mut tcp, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            let (written, read) = (usize::MAX, usize::MAX);
            connections.push(Connection { tcp, written, read });
        }
        let buffer = vec![0; 256 << 10];
        Ok(Self {
            poll,
            connections,
            buffer,
        })
    }

    /// Returns the processor time of the server for a message, in nanoseconds.
    fn measure(&mut self, server: &Server, active: usize, work: &Work, turn: Duration) -> io::Result<f64> {
        self.turn(active, work)?; // its buffers grow
        let (before, start, mut messages) = (server.processor_time(), Instant::now(), 0);
        while start.elapsed() < turn {
            self.turn(active, work)?;
            messages += active;
        }
        Ok((server.processor_time() - before) as f64 / messages as f64)
    }

    /// Sends a message on the active connections, and waits for all echoes. The active connections
    /// are spread over all.
    fn turn(&mut self, active: usize, work: &Work) -> io::Result<()> {
        let step = self.connections.len() / active;
        for connection in self.connections.iter_mut().step_by(step).take(active) {
            (connection.written, connection.read) = (0, 0);
            connection.write(&work.sent)?;
        }
        let (mut events, mut busy) = (Events::with_capacity(1024), active);
        while busy > 0 {
            self.poll.poll(&mut events, Some(TIMEOUT))?;
            if events.is_empty() {
                return Err(io::Error::other("the server does not echo"));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if connection.read < work.expected.len() {
                    connection.write(&work.sent)?;
                    connection.read(&work.expected, &mut self.buffer)?;
                    busy -= usize::from(connection.read == work.expected.len());
                }
            }
        }
        Ok(())
    }
}

impl Connection {
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
        // After the last byte of an echo, the server sends nothing. So no event is missed.
        while self.read < expected.len() {
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
    let mut tcp = net::TcpStream::connect(&server.address)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(TIMEOUT))?;
    tcp.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    tcp.set_nonblocking(true)?;
    Ok(tcp)
}
