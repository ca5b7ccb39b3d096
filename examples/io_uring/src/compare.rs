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

#[path = "../../../benches/comparison/src/bin/echo/connection.rs"]
mod connection;

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use connection::{Connection, TIMEOUT};
use mio::{Events, Interest, Poll, Token};
use sockless::Role;
use support::frame;

const SERVERS: [&str; 2] = ["echo_mio", "echo_uring"];

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

    /// Returns the processor time that the server has used, in nanoseconds. Waits until it is idle.
    fn processor_time(&self) -> u64 {
        thread::sleep(Duration::from_millis(5));
        connection::processor_time(self.child.id())
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
        let payload: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251) as u8).collect();
        let [sent, expected] = [Role::Client, Role::Server].map(|sender| frame(sender, 0x82, &payload));
        Self { sent, expected }
    }
}

impl Client {
    fn connect(server: &Server, number: usize) -> io::Result<Self> {
        let (poll, mut connections) = (Poll::new()?, Vec::new());
        for index in 0..number {
            let mut connection = Connection::open(&server.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut connection.tcp, Token(index), interest)?;
            connections.push(connection);
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
            connection.begin(&work.sent)?;
        }
        let (mut events, mut busy) = (Events::with_capacity(1024), active);
        while busy > 0 {
            self.poll.poll(&mut events, Some(TIMEOUT))?;
            if events.is_empty() {
                return Err(io::Error::other("the server does not echo"));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.is_done(&work.expected) {
                    connection.write(&work.sent)?;
                    connection.read(&work.expected, &mut self.buffer)?;
                    busy -= usize::from(connection.is_done(&work.expected));
                }
            }
        }
        Ok(())
    }
}
