//! An echo server with thousands of connections on one thread, on io_uring: an event loop around
//! [`Connection`], without an adapter. `echo_mio` of `examples/runtimes` is the same with epoll.
//!
//! ```text
//! cargo run --release --bin echo_uring -- --listen 127.0.0.1:9002
//! ```
//!
//! * One operation accepts all clients, and one for each client receives all its input
//!   (*multishot*).
//! * The kernel receives into a buffer that it takes from a ring. The engine unmasks there, and an
//!   idle connection has no buffer.
//! * The replies to one input are one operation that sends them. Their buffer belongs to the ring
//!   until that is complete; what is to be sent in the meantime waits in another one.
//! * All operations are submitted, and all completions fetched, in one system call.
//!
//! Needs Linux 6.1, and that the use of io_uring is allowed: some containers forbid it.
//! `compare.rs` measures it beside `echo_mio`.

mod ring;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, io, mem};

use sockless::timers::{Due, Timeouts, Timers};
use sockless::{Accept, Config, Connection, Event, State, Teardown};

use ring::{Completion, Input, Ring, libc_errno};

const USAGE: &str = "usage: echo_uring [--listen ADDR] [--max-message-size BYTES]";
/// While more bytes than this are unsent, the connection is not read: messages need replies.
const HIGH_WATER: usize = 64 << 10;
/// How often deadlines are checked. They are seconds, so a pass over all connections is cheaper
/// than a priority queue, which each message would reorder.
const DEADLINE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The buffers for output that are kept: their number, and the length of the largest.
const SPARE_BUFFERS: usize = 64;
const SPARE_BUFFER_LEN: usize = 32 << 10;

/// One connection. It is kept until none of its operations is in progress.
struct Client {
    ws: Connection,
    timers: Timers<Instant>,
    tcp: TcpStream,
    /// The output after that which is being sent.
    backlog: Vec<u8>,
    /// How many bytes are being sent, and since when. 0: none.
    sending: usize,
    sending_since: Instant,
    receiving: Receiving,
    /// The peer has ended its direction. The connection is dropped after the output is sent.
    has_ended: bool,
    /// The socket is shut down. The last completions are awaited.
    is_dropped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiving {
    No,
    Yes,
    /// It was cancelled, and the last completion has not come.
    Stopping,
}

/// What all connections share.
struct Server {
    config: Config,
    listener: TcpListener,
    is_accepting: bool,
    clients: Vec<Option<Box<Client>>>,
    free_numbers: Vec<u32>,
    /// The output of the connection that is being processed. Empty at other times.
    out: Vec<u8>,
    spare_buffers: Vec<Vec<u8>>,
    now: Instant,
}

impl Server {
    fn complete(&mut self, ring: &mut Ring, completion: Completion) -> io::Result<()> {
        match completion {
            Completion::Accepted { tcp, is_last } => {
                self.is_accepting &= !is_last;
                // After an error, such as too many sockets, the next deadline check tries again.
                let Ok(tcp) = tcp else { return Ok(()) };
                self.add(ring, tcp)
            }
            Completion::Received { client, input, is_last } => {
                if is_last {
                    self.client(client).receiving = Receiving::No;
                }
                match input {
                    Ok(input) => {
                        self.received(ring, client, &input);
                        ring.release(input);
                    }
                    Err(error) => match error.raw_os_error() {
                        // There was no buffer, or receiving was stopped. It continues below.
                        Some(libc_errno::ENOBUFS | libc_errno::ECANCELED) => {}
                        _ => self.drop_connection(client),
                    },
                }
                self.proceed(ring, client)
            }
            Completion::Sent { client, data, end } => {
                self.sent(ring, client, data, end)?;
                self.proceed(ring, client)
            }
        }
    }

    fn add(&mut self, ring: &mut Ring, tcp: TcpStream) -> io::Result<()> {
        // If this fails, messages wait for acknowledgements.
        let _result = tcp.set_nodelay(true);
        let number = self.free_numbers.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() as u32 - 1
        });
        self.clients[number as usize] = Some(Box::new(Client {
            ws: Connection::server(self.config.clone()),
            timers: Timers::new(Timeouts::default(), self.now),
            tcp,
            backlog: Vec::new(),
            sending: 0,
            sending_since: self.now,
            receiving: Receiving::No,
            has_ended: false,
            is_dropped: false,
        }));
        self.proceed(ring, number)
    }

    /// Returns a client whose operations are in progress.
    fn client(&mut self, number: u32) -> &mut Client {
        self.clients[number as usize]
            .as_mut()
            .expect("it is kept until its last completion")
    }

    /// Handles the events in an input.
    fn received(&mut self, ring: &mut Ring, number: u32, input: &Input) {
        let client = self.clients[number as usize]
            .as_mut()
            .expect("it is kept until its last completion");
        if client.is_dropped {
            return;
        }
        if input.is_end() {
            // Without output, this drops the connection; a peer that has closed only its sending
            // side can still read the rest.
            _ = client.ws.receive_eof();
            client.has_ended = true;
            return;
        }
        client.receive(ring.bytes(input), &mut self.out, self.now);
    }

    /// Sends the rest, or what has come in the meantime.
    fn sent(&mut self, ring: &mut Ring, number: u32, data: Vec<u8>, end: io::Result<usize>) -> io::Result<()> {
        let now = self.now;
        let client = self.client(number);
        client.sending = 0;
        let is_complete = end.as_ref().is_ok_and(|end| *end == data.len());
        // The socket was full, and has taken bytes again: the peer reads, so it is alive. Its Pong
        // follows when it has read what precedes the Ping.
        if end.is_ok() && (!is_complete || now - client.sending_since >= DEADLINE_CHECK_INTERVAL) {
            client.timers.written(now);
        }
        match end {
            Ok(end) if !is_complete && !client.is_dropped => {
                client.sending = data.len() - end;
                client.sending_since = now;
                return ring.send(number, &client.tcp, data, end);
            }
            Ok(_) => {}
            Err(_) => self.drop_connection(number),
        }
        self.recycle(data);
        Ok(())
    }

    /// Takes the next steps of a connection, after something has changed.
    fn proceed(&mut self, ring: &mut Ring, number: u32) -> io::Result<()> {
        self.write(ring, number)?;
        let now = self.now;
        let client = self.client(number);
        if client.ws.close_status().is_some() {
            client.timers.closing(now);
        }
        let unsent = client.sending + client.backlog.len();
        // Closing a socket with unread bytes would send a reset, which can destroy the last output
        // on its way to the peer. So this closes the sending side only (in each call, without
        // further effect), and the end of the input or a deadline drops the connection.
        if client.ws.teardown() == Some(Teardown::Close) && unsent == 0 {
            let _result = client.tcp.shutdown(Shutdown::Write);
        }
        if client.has_ended && unsent == 0 {
            self.drop_connection(number);
        }
        let client = self.client(number);
        if client.is_dropped {
            if client.receiving == Receiving::No && client.sending == 0 {
                self.clients[number as usize] = None;
                self.free_numbers.push(number);
            }
            return Ok(());
        }
        let may_receive = !client.has_ended && (unsent <= HIGH_WATER || client.ws.state() == State::Closed);
        match client.receiving {
            Receiving::No if may_receive => {
                client.receiving = Receiving::Yes;
                ring.receive(number, &client.tcp)
            }
            Receiving::Yes if !may_receive => {
                client.receiving = Receiving::Stopping;
                ring.cancel_receive(number)
            }
            _ => Ok(()),
        }
    }

    /// Sends the output, or keeps it until that which is being sent is complete.
    fn write(&mut self, ring: &mut Ring, number: u32) -> io::Result<()> {
        let (mut out, now) = (mem::take(&mut self.out), self.now);
        let client = self.client(number);
        if client.is_dropped {
            out.clear();
        } else if client.sending > 0 {
            client.backlog.extend_from_slice(&out);
            out.clear();
        } else if !client.backlog.is_empty() {
            client.backlog.extend_from_slice(&out);
            out.clear();
            mem::swap(&mut out, &mut client.backlog);
        }
        if out.is_empty() {
            self.out = out;
            return Ok(());
        }
        client.sending = out.len();
        client.sending_since = now;
        ring.send(number, &client.tcp, out, 0)?;
        self.out = self.spare_buffers.pop().unwrap_or_default();
        Ok(())
    }

    fn recycle(&mut self, mut data: Vec<u8>) {
        if data.capacity() <= SPARE_BUFFER_LEN && self.spare_buffers.len() < SPARE_BUFFERS {
            data.clear();
            self.spare_buffers.push(data);
        }
    }

    /// Shuts the socket down, so that the operations complete.
    fn drop_connection(&mut self, number: u32) {
        let client = self.client(number);
        client.is_dropped = true;
        client.backlog = Vec::new();
        let _result = client.tcp.shutdown(Shutdown::Both);
        self.out.clear();
    }

    fn check_deadlines(&mut self, ring: &mut Ring) -> io::Result<()> {
        if !self.is_accepting {
            self.is_accepting = true;
            ring.accept(&self.listener)?;
        }
        let now = self.now;
        for number in 0..self.clients.len() as u32 {
            let Some(client) = &mut self.clients[number as usize] else {
                continue;
            };
            if client.is_dropped {
                continue;
            }
            match client.timers.handle_timeout(now) {
                None => continue,
                Some(Due::Ping(payload)) => _ = client.ws.ping(&payload, &mut self.out),
                // The peer has missed a deadline. (`Due::Idle`, which is off by default, would
                // require a Close frame instead.)
                Some(_) => self.drop_connection(number),
            }
            self.proceed(ring, number)?;
        }
        Ok(())
    }
}

impl Client {
    fn receive(&mut self, mut input: &mut [u8], out: &mut Vec<u8>, now: Instant) {
        let (assembled_len, mut has_message) = (self.ws.assembled_len(), false);
        // After an error, the connection is closed, and `out` holds the Close frame or the HTTP
        // response for the peer.
        while let Ok(Some(event)) = self.ws.receive(&mut input, out) {
            // The first event is the request. Later calls change nothing.
            self.timers.opened(now);
            has_message |= matches!(event, Event::Text(_) | Event::Binary(_));
            // Sending fails only after a Close frame. Then the message needs no reply.
            let _is_done = match event {
                // Any page may connect: this server has no secrets.
                Event::Request(request) => self.ws.accept(&request, &Accept::new().any_origin(), out).is_ok(),
                Event::Text(text) => self.ws.send_text(&text, out).is_ok(),
                Event::Binary(data) => self.ws.send_binary(&data, out).is_ok(),
                Event::Pong(payload) => self.timers.pong(&payload, now).is_some(),
                _ => true, // the engine has already answered Pings and the Close frame
            };
        }
        // Messages and pieces of a message prove that the peer is alive. Control frames do not
        // count.
        if has_message || self.ws.assembled_len() > assembled_len {
            self.timers.received(now);
        }
    }
}

fn main() -> ExitCode {
    let Err(error) = run();
    eprintln!("echo_uring: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<std::convert::Infallible, Box<dyn std::error::Error>> {
    let (mut listen, mut config) = (SocketAddr::from(([127, 0, 0, 1], 9002)), Config::new());
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match name.as_str() {
            "--listen" => listen = value()?.parse()?,
            "--max-message-size" => config = config.max_message_size(value()?.parse()?),
            _ => return Err(USAGE.into()),
        }
    }
    let mut ring = Ring::new().map_err(|error| format!("io_uring is not available: {error}"))?;
    let listener = TcpListener::bind(listen)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let mut server = Server {
        config,
        listener,
        is_accepting: false,
        clients: Vec::new(),
        free_numbers: Vec::new(),
        out: Vec::new(),
        spare_buffers: Vec::new(),
        now: Instant::now(),
    };
    let mut next_check = server.now;
    loop {
        server.now = Instant::now();
        if server.now >= next_check {
            next_check = server.now + DEADLINE_CHECK_INTERVAL;
            server.check_deadlines(&mut ring)?;
        }
        ring.wait(DEADLINE_CHECK_INTERVAL, |ring, completion| {
            server.complete(ring, completion)
        })?;
    }
}
