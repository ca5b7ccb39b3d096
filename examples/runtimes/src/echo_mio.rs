//! An echo server with thousands of connections on one thread: an event loop around [`Connection`],
//! on `mio`, without an adapter.
//!
//! ```text
//! cargo run --release -p sockless-runtimes --bin echo_mio -- --listen 127.0.0.1:9002
//! ```
//!
//! An idle connection holds a [`Client`] and nothing else: all connections share one input buffer
//! and one output buffer. `tests/idle_memory/run` measures it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::{env, error::Error, mem, time::Duration, time::Instant};

use mio::{Events, Interest, Poll, Registry, Token, net::TcpListener, net::TcpStream};
use sockless::timers::{Due, Timeouts, Timers};
use sockless::{Accept, Config, Connection, Event, State, Teardown, deflate::DeflateConfig};

const USAGE: &str =
    "usage: echo_mio [--listen ADDR] [--max-message-size BYTES] [--deflate] [--deflate-threshold BYTES]";
const LISTENER: Token = Token(0);
/// How much is read at a time, in bytes. All replies to one read leave in one write.
const INPUT_SIZE: usize = 64 << 10;
/// While more bytes than this are unwritten, the connection is not read: messages need replies.
///
/// A peer that does not read costs this and the replies to one read, until it misses a deadline.
const HIGH_WATER: usize = 64 << 10;
/// How often deadlines are checked. They are seconds, so a pass over all connections is cheaper
/// than a priority queue, which each message would reorder.
const DEADLINE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// One connection.
struct Client {
    ws: Connection,
    timers: Timers<Instant>,
    /// The output that the socket has not taken. It is allocated only while there is some.
    backlog: VecDeque<u8>,
    tcp: TcpStream,
}

/// What all connections share.
struct Shared {
    registry: Registry,
    input: Vec<u8>,
    out: Vec<u8>,
    now: Instant,
}

impl Client {
    /// Writes the backlog, reads once and replies. Returns whether there may be more to read.
    ///
    /// `mio` is edge-triggered: it reports input once, and again only after a read has returned
    /// `WouldBlock`.
    ///
    /// # Errors
    /// The transport has ended or failed, or the peer has missed a deadline.
    fn process(&mut self, token: Token, shared: &mut Shared) -> io::Result<bool> {
        self.write(token, shared)?;
        // Above the limit, reading continues when the socket has become writable.
        let may_read = self.backlog.len() <= HIGH_WATER || self.ws.state() == State::Closed;
        let read = non_blocking(may_read, || self.tcp.read(&mut shared.input))?;
        match read {
            Some(0) if self.backlog.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            // A peer that has closed only its sending side can still read the backlog.
            Some(0) => _ = self.ws.receive_eof(),
            Some(n) => self.receive(n, shared),
            None => {}
        }
        // After reading, because what has arrived may postpone the deadline.
        match self.timers.handle_timeout(shared.now) {
            None => {}
            Some(Due::Ping(payload)) => _ = self.ws.ping(&payload, &mut shared.out),
            // The peer has missed a deadline. (`Due::Idle`, which is off by default, would require
            // a Close frame instead.)
            Some(_) => return Err(ErrorKind::TimedOut.into()),
        }
        self.write(token, shared)?;
        Ok(read > Some(0))
    }

    /// Handles the events in the first `n` bytes of the input.
    fn receive(&mut self, n: usize, Shared { input, out, now, .. }: &mut Shared) {
        let mut input = &mut input[..n];
        let (assembled_len, mut has_message) = (self.ws.assembled_len(), false);
        // After an error, the connection is closed, and `out` holds the Close frame or the HTTP
        // response for the peer.
        while let Ok(Some(event)) = self.ws.receive(&mut input, out) {
            // The first event is the request. Later calls change nothing.
            self.timers.opened(*now);
            has_message |= matches!(event, Event::Text(_) | Event::Binary(_));
            // Sending fails only after a Close frame. Then the message needs no reply.
            let _is_done = match event {
                // Any page may connect: this server has no secrets.
                Event::Request(request) => self.ws.accept(&request, &Accept::new().any_origin(), out).is_ok(),
                Event::Text(text) => self.ws.send_text(&text, out).is_ok(),
                Event::Binary(data) => self.ws.send_binary(&data, out).is_ok(),
                Event::Pong(payload) => self.timers.pong(&payload, *now).is_some(),
                _ => true, // the engine has already answered Pings and the Close frame
            };
        }
        // Messages and pieces of a message prove that the peer is alive. Control frames do not
        // count.
        if has_message || self.ws.assembled_len() > assembled_len {
            self.timers.received(*now);
        }
    }

    /// Writes the output. What the socket does not take moves to the backlog.
    fn write(&mut self, token: Token, shared: &Shared) -> io::Result<()> {
        let had_backlog = !self.backlog.is_empty();
        let may_write = !had_backlog && !shared.out.is_empty();
        let written = non_blocking(may_write, || self.tcp.write(&shared.out))?.unwrap_or(0);
        self.backlog.extend(&shared.out[written..]);
        while let Some(n) = non_blocking(!self.backlog.is_empty(), || self.tcp.write(self.backlog.as_slices().0))? {
            self.backlog.drain(..n);
            // The peer reads, so it is alive. Its Pong follows when it has read what precedes the
            // Ping.
            self.timers.written(shared.now);
        }
        // Frees the allocation of an empty backlog.
        self.backlog.shrink_to(4 * self.backlog.len());
        let has_backlog = !self.backlog.is_empty();
        if has_backlog != had_backlog {
            let interest = if has_backlog {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            shared.registry.reregister(&mut self.tcp, token, interest)?;
        }
        if self.ws.close_status().is_some() {
            self.timers.closing(shared.now);
        }
        // Closing a socket with unread bytes would send a reset, which can destroy the last output
        // on its way to the peer. So this closes the sending side only (in each call, without
        // further effect), and `process` reads until the peer has closed its side or a deadline has
        // passed.
        if self.ws.teardown() == Some(Teardown::Close) && !has_backlog {
            self.tcp.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

/// Makes a call if `wanted`. Returns `None` if it was not made, would block, or was interrupted.
fn non_blocking<T>(wanted: bool, call: impl FnOnce() -> io::Result<T>) -> io::Result<Option<T>> {
    match wanted.then(call) {
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
    // No token is used twice, so an event of an old connection cannot reach a new one.
    let (mut last_token, mut ready, mut next_check) = (LISTENER, BTreeSet::new(), shared.now);
    loop {
        // A connection that may have more to read waits for the next poll, and is then processed
        // together with all that have become ready. So a flood does not starve the others.
        let timeout = if ready.is_empty() {
            DEADLINE_CHECK_INTERVAL
        } else {
            Duration::ZERO
        };
        non_blocking(true, || poll.poll(&mut events, Some(timeout)))?;
        ready.extend(events.iter().map(|event| event.token()));
        shared.now = Instant::now();
        if shared.now >= next_check {
            next_check = shared.now + DEADLINE_CHECK_INTERVAL;
            let has_expired = |client: &Client| client.timers.poll_timeout().is_some_and(|at| at <= shared.now);
            let expired = clients.iter().filter(|(_, client)| has_expired(client));
            ready.extend(expired.map(|(token, _)| token).chain([&LISTENER]));
        }
        for token in mem::take(&mut ready) {
            match clients.get_mut(&token).map(|client| client.process(token, &mut shared)) {
                Some(Ok(may_have_more)) => ready.extend(may_have_more.then_some(token)),
                // Dropping the socket closes and deregisters it.
                Some(Err(_)) => drop(clients.remove(&token)),
                // After an error, such as too many sockets, the next deadline check tries again.
                None => {
                    while let Ok((mut tcp, _)) = listener.accept() {
                        last_token.0 += 1;
                        // If registering fails, the client misses the deadline of the handshake.
                        let _result = tcp.set_nodelay(true);
                        let _result = shared.registry.register(&mut tcp, last_token, Interest::READABLE);
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
            // Here, and not in `write`, which may fail: no connection may get the output of another
            // one.
            shared.out.clear();
            shared.out.shrink_to(INPUT_SIZE);
        }
    }
}
