//! Sends every message back, one thread for thousands of connections: an event loop of one's own around [`Connection`],
//! on `mio`, without an adapter.
//!
//! ```text
//! cargo run --release -p sockless-runtimes --bin echo_mio -- --listen 127.0.0.1:9002
//! ```
//!
//! An idle connection is a [`Client`] and nothing else: there is one buffer to read into and one to write from, for all of
//! them. `tests/idle/run` measures it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::{env, error::Error, mem, time::Duration, time::Instant};

use mio::{Events, Interest, Poll, Registry, Token, net::TcpListener, net::TcpStream};
use sockless::timers::{Due, Timeouts, Timers};
use sockless::{Accept, Config, Connection, Event, State, Teardown, deflate::DeflateConfig};

const USAGE: &str = "echo_mio [--listen ADDR] [--max-message-size BYTES] [--deflate] [--deflate-threshold BYTES]";
const LISTENER: Token = Token(0);
/// What is waited for without and with a backlog.
const INTERESTS: [Interest; 2] = [Interest::READABLE, Interest::READABLE.add(Interest::WRITABLE)];
/// How much is read at a time. All answers to it leave in one write.
const INPUT_SIZE: usize = 64 << 10;
/// With more than this to write, nothing is read: what is received may have to be answered. So a peer that does not read
/// costs this and the answers to one read, until it misses a deadline.
const HIGH_WATER: usize = 64 << 10;
/// How often deadlines are looked at. They are in seconds, so a pass over all connections is cheaper than a queue that
/// every message would have to reorder.
const SWEEP: Duration = Duration::from_secs(1);

/// All that there is for one connection.
struct Client {
    ws: Connection,
    timers: Timers<Instant>,
    /// What the socket did not take. An allocation only while there is some.
    backlog: VecDeque<u8>,
    tcp: TcpStream,
}

/// What the connections share.
struct Shared {
    registry: Registry,
    input: Vec<u8>,
    out: Vec<u8>,
    now: Instant,
}

impl Client {
    /// Writes what waits, reads once and answers. True if there may be more to read: `mio` reports that something has
    /// arrived, and then nothing more until the socket was found empty. An error is the end of the transport.
    fn turn(&mut self, token: Token, shared: &mut Shared) -> io::Result<bool> {
        self.write(token, shared)?;
        // If not, it goes on when there is room for what waits, in the turn that this brings.
        let reads = self.backlog.len() <= HIGH_WATER || self.ws.state() == State::Closed;
        let read = attempt(reads, || self.tcp.read(&mut shared.input))?;
        match read {
            Some(0) if self.backlog.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            // A peer that has closed only its side can still read what it is due.
            Some(0) => _ = self.ws.receive_eof(),
            Some(n) => self.receive(n, shared),
            None => {}
        }
        // After reading: what had arrived may have put it off.
        match self.timers.handle_timeout(shared.now) {
            None => {}
            Some(Due::Ping(payload)) => _ = self.ws.ping(&payload, &mut shared.out),
            // `Due::Idle` would call for a Close, but has no deadline by default. The others call for this.
            Some(_) => return Err(ErrorKind::TimedOut.into()),
        }
        self.write(token, shared)?;
        Ok(read > Some(0))
    }

    /// This is the protocol.
    fn receive(&mut self, n: usize, Shared { input, out, now, .. }: &mut Shared) {
        let (mut input, assembled, mut is_heard) = (&mut input[..n], self.ws.assembled_len(), false);
        // After an error it is closed, and what tells the peer so is in the output.
        while let Ok(Some(event)) = self.ws.receive(&mut input, out) {
            // The first event is the request.
            self.timers.opened(*now);
            is_heard |= matches!(event, Event::Text(_) | Event::Binary(_));
            // Nothing to do if this fails: then we are closing, and what still comes is not answered.
            let _done = match event {
                Event::Request(request) => self.ws.accept(&request, &Accept::new(), out).is_ok(),
                Event::Text(text) => self.ws.send_text(&text, out).is_ok(),
                Event::Binary(data) => self.ws.send_binary(&data, out).is_ok(),
                Event::Pong(payload) => self.timers.pong(&payload, *now).is_some(),
                _ => true, // pings and the closing handshake are already answered
            };
        }
        // Messages are a sign of life, and so is the middle of one that takes minutes. Control frames are not.
        if is_heard || self.ws.assembled_len() > assembled {
            self.timers.received(*now);
        }
    }

    /// Writes the output, and keeps what the socket does not take.
    fn write(&mut self, token: Token, shared: &Shared) -> io::Result<()> {
        let had_to_wait = !self.backlog.is_empty();
        let written = attempt(!had_to_wait && !shared.out.is_empty(), || self.tcp.write(&shared.out))?.unwrap_or(0);
        self.backlog.extend(&shared.out[written..]);
        while let Some(n) = attempt(!self.backlog.is_empty(), || self.tcp.write(self.backlog.as_slices().0))? {
            self.backlog.drain(..n);
            // A peer that makes room is alive. Its Pong comes when it has read all that is before the Ping.
            self.timers.written(shared.now);
        }
        // When nothing waits, this gives everything back.
        self.backlog.shrink_to(4 * self.backlog.len());
        let has_to_wait = !self.backlog.is_empty();
        if has_to_wait != had_to_wait {
            let interest = INTERESTS[usize::from(has_to_wait)];
            shared.registry.reregister(&mut self.tcp, token, interest)?;
        }
        if self.ws.close_status().is_some() {
            self.timers.closing(shared.now);
        }
        // Closing a socket while bytes of the peer are unread would send a reset, and that can destroy our last bytes
        // before the peer has read them. So this closes our side only (again and again, to no effect), and `turn` reads
        // until the peer has closed the other, or the deadline has come.
        if self.ws.teardown() == Some(Teardown::Close) && !has_to_wait {
            self.tcp.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

/// Makes a call that does not wait, if it is of use. `None` is "not now". (The poll alone waits, and so it alone can be
/// interrupted.)
fn attempt<T>(of_use: bool, call: impl FnOnce() -> io::Result<T>) -> io::Result<Option<T>> {
    match of_use.then(call) {
        Some(Err(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        result => result.transpose(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut config) = (SocketAddr::from(([127, 0, 0, 1], 9002)), Config::new());
    let mut deflate: Option<DeflateConfig> = None;
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match name.as_str() {
            "--listen" => listen = value()?.parse()?,
            "--max-message-size" => config = config.max_message_size(value()?.parse()?),
            "--deflate" => _ = deflate.get_or_insert_default(),
            "--deflate-threshold" => deflate = Some(deflate.unwrap_or_default().threshold(value()?.parse()?)),
            _ => return Err(USAGE.into()),
        }
    }
    let config = config.deflate(deflate);
    let (mut poll, mut events, mut listener) = (Poll::new()?, Events::with_capacity(1024), TcpListener::bind(listen)?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on ws://{}/", listener.local_addr()?);

    let mut shared = Shared {
        registry: poll.registry().try_clone()?,
        input: vec![0; INPUT_SIZE],
        out: Vec::new(),
        now: Instant::now(),
    };
    let mut clients = HashMap::<Token, Box<Client>>::new();
    // No token is used twice, so that no report for an old connection reaches a new one.
    let (mut last_token, mut turns, mut next_sweep) = (LISTENER, BTreeSet::new(), shared.now);
    loop {
        // Who has not finished comes again after those who have become ready: a flood does not starve the others.
        let wait = Some(if turns.is_empty() { SWEEP } else { Duration::ZERO });
        attempt(true, || poll.poll(&mut events, wait))?;
        turns.extend(events.iter().map(|event| event.token()));
        shared.now = Instant::now();
        if shared.now >= next_sweep {
            next_sweep = shared.now + SWEEP;
            let is_due = |client: &Client| client.timers.poll_timeout().is_some_and(|at| at <= shared.now);
            let due = clients.iter().filter(|(_, client)| is_due(client));
            turns.extend(due.map(|(token, _)| token).chain([&LISTENER]));
        }
        for token in mem::take(&mut turns) {
            match clients.get_mut(&token).map(|client| client.turn(token, &mut shared)) {
                Some(Ok(unfinished)) => turns.extend(unfinished.then_some(token)),
                // Which closes the socket, and so deregisters it.
                Some(Err(_)) => drop(clients.remove(&token)),
                // After any error, perhaps that there are no more sockets, the next sweep tries again.
                None => {
                    while let Ok((mut tcp, _)) = listener.accept() {
                        last_token.0 += 1;
                        // If one fails, the handshake does not come, and the deadline for it does.
                        let _fast = tcp.set_nodelay(true);
                        let _registered = shared.registry.register(&mut tcp, last_token, Interest::READABLE);
                        let client = Client {
                            ws: Connection::server(config.clone()),
                            timers: Timers::new(Timeouts::default(), shared.now),
                            backlog: VecDeque::new(),
                            tcp,
                        };
                        clients.insert(last_token, Box::new(client));
                    }
                }
            }
            // Here and not after the write, which may fail: nobody must get the output of another.
            shared.out.clear();
            shared.out.shrink_to(INPUT_SIZE);
        }
    }
}
