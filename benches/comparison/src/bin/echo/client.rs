//! The client: all connections on one thread, and no work except comparing every byte.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use crate::{
    child::Server,
    connection::{Connection, TIMEOUT},
    work::{CONNECTIONS, Work},
};

/// The time before the measurement, in which the buffers of the server grow.
const WARM_UP: Duration = Duration::from_millis(30);

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
    let mut client = Client::connect(server, work).unwrap_or_else(|error| panic!("{}: {error}", server.name));
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

impl Client {
    fn connect(server: &Server, work: &Work) -> io::Result<Self> {
        let (poll, (sent, expected)) = (Poll::new()?, work.batches());
        let mut connections = Vec::new();
        for index in 0..CONNECTIONS {
            let mut connection = Connection::open(server.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut connection.tcp, Token(index), interest)?;
            connections.push(connection);
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
