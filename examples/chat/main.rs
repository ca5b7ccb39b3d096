//! A chat room for browsers: one port serves the page and its WebSockets, and each message goes to
//! every guest.
//!
//! ```text
//! cargo run --release --example chat -- --listen 127.0.0.1:9001
//! ```
//!
//! Each guest has two threads, one for each half of the WebSocket. The reading thread passes a
//! message to the [`Room`], which puts it into the queue of each guest. The writing thread sends
//! what is in the queue. The room never waits.
//!
//! One guest who misbehaves does not disturb the others:
//!
//! | what it does | what happens | file |
//! |---|---|---|
//! | opens many connections at once or in a short time | 429 or 503 | `limits.rs` |
//! | joins and leaves again and again | it is counted, not announced by name | `room.rs` |
//! | sends too much | it is closed with 1008 | `room.rs` |
//! | does not read | it is closed: the queue is full, or a write times out | `queue.rs` |
//! | has a long name, or control characters or markup in it | the name is cleaned | `text.rs` |
//! | is a page of another site, or uses another host name | 403 | `hosts.rs` |
//!
//! Ctrl-C ends the chat with a Close frame to each guest: see `shutdown.rs`.

mod bucket;
mod hosts;
mod limits;
mod options;
mod queue;
mod room;
mod shutdown;
mod text;

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use sockless::adapter::std_net::{self, Reader, WebSocket, Writer};
use sockless::adapter::{Error, Settings};
use sockless::timers::Timeouts;
use sockless::{Accept, CloseCode, Config, Event};

use limits::{Limits, Permit, Refusal};
use options::{HELP, Options};
use queue::Queue;
use room::Room;

const PAGE: &[u8] = include_bytes!("page.html");
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");
const TEXT: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");
/// How many seconds a client that was refused should wait.
const RETRY: (&str, &str) = ("Retry-After", "10");

/// The longest message that is read, in bytes. A longer one fails the connection with 1009.
/// [`text::MAX_MESSAGE`] is shorter: the room says so to the guest.
const MAX_MESSAGE_SIZE: u64 = 64 << 10;
/// How long one call may wait for a client: for its request, or until it reads.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to answer a Close frame and to close the transport.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same as both, for a client that is refused: it must not hold a thread for long.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args = env::args_os().skip(1);
    let args: Vec<_> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    match options::parse(args.iter().cloned()) {
        Ok(Some(options)) => start(options, &args).unwrap_or_else(|error| {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }),
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("chat: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

#[cfg_attr(not(unix), allow(unused_variables))]
fn start(options: Options, args: &[String]) -> io::Result<ExitCode> {
    #[cfg(unix)]
    if !options.until_eof {
        return shutdown::run_in_child(args);
    }
    run(options).map(|()| ExitCode::SUCCESS)
}

/// Whether the chat shall end.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// What all connections share.
struct Chat {
    /// The host names of the command line.
    hosts: Vec<String>,
    room: Mutex<Room>,
}

fn run(options: Options) -> io::Result<()> {
    let Options {
        listen,
        hosts,
        until_eof,
    } = options;
    // On Unix, std sets SO_REUSEADDR: after a restart the address is free at once.
    let listener = TcpListener::bind(&listen).map_err(|error| {
        let text = format!("cannot listen on {listen}: {error}; --listen ADDRESS chooses another");
        io::Error::new(error.kind(), text)
    })?;
    let local = listener.local_addr()?;
    let mut stdout = io::stdout();
    writeln!(stdout, "chat: open http://{local}/")?;
    stdout.flush()?;
    if until_eof {
        shutdown::watch_stdin(&HAS_ENDED, local)?;
    }

    let limits = Arc::new(Mutex::new(Limits::default()));
    let room = Mutex::new(Room::default());
    let chat = Arc::new(Chat { hosts, room });
    thread::Builder::new().spawn({
        let chat = Arc::clone(&chat);
        move || loop {
            thread::sleep(room::SUMMARY_INTERVAL);
            lock(&chat.room).announce_summary();
        }
    })?;
    accept_connections(&listener, &chat, &limits);
    drop(listener);
    shutdown::close_all(&chat.room, &limits);
    Ok(())
}

/// Serves connections until the chat ends.
fn accept_connections(listener: &TcpListener, chat: &Arc<Chat>, limits: &Arc<Mutex<Limits>>) {
    loop {
        let accepted = listener.accept();
        if HAS_ENDED.load(Ordering::SeqCst) {
            return;
        }
        let served = accepted.and_then(|(tcp, peer)| {
            // Without a permit, the socket is closed at once.
            let Some(permit) = limits::admit(limits, peer.ip(), Instant::now()) else {
                return Ok(());
            };
            let chat = Arc::clone(chat);
            // Unlike `thread::spawn`, this does not panic when there are too many threads.
            thread::Builder::new()
                .spawn(move || serve(&chat, tcp, peer, &permit))
                .map(drop)
        });
        if let Err(error) = served {
            eprintln!("chat: {error}");
            // There are no more sockets or threads. An immediate retry would keep the processor
            // busy.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Serves one connection, from the request to the end.
fn serve(chat: &Chat, tcp: TcpStream, peer: SocketAddr, permit: &Permit) {
    if let Some(refusal) = permit.refusal() {
        // There may be many of these, so errors are not logged.
        let _result = refuse(tcp, refusal);
    } else if let Err(error) = serve_admitted(chat, tcp, permit) {
        eprintln!("chat: {peer}: {error}");
    }
}

/// The settings of a connection that must close within `close_timeout`.
fn settings(close_timeout: Duration) -> Settings {
    let config = Config::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        // Reports a GET that does not ask for a WebSocket, instead of answering it with 426.
        .plain_requests(true);
    Settings::from(config).timeouts(Timeouts::new().close(close_timeout))
}

/// Answers a connection that the limits refuse. The request is read first: a socket that is closed
/// with unread input resets the connection, and the client would not get the response.
fn refuse(tcp: TcpStream, refusal: Refusal) -> Result<(), Error> {
    tcp.set_read_timeout(Some(REFUSAL_TIMEOUT))?;
    tcp.set_write_timeout(Some(REFUSAL_TIMEOUT))?;
    let incoming = std_net::incoming(tcp, settings(REFUSAL_TIMEOUT))?;
    incoming.reject(refusal.status(), &[TEXT, RETRY], refusal.text().as_bytes())
}

fn serve_admitted(chat: &Chat, tcp: TcpStream, permit: &Permit) -> Result<(), Error> {
    tcp.set_read_timeout(Some(TIMEOUT))?;
    tcp.set_write_timeout(Some(TIMEOUT))?;
    let local = tcp.local_addr()?;

    // The engine answers an invalid request, and this returns the error.
    let incoming = std_net::incoming(tcp, settings(CLOSE_TIMEOUT))?;
    let request = incoming.request();
    // Browsers let any page open a WebSocket to any host. Only the server can refuse foreign pages.
    // One of them can have a host name that leads to this address ("DNS rebinding"): for a browser,
    // it then has the same origin as the chat.
    let hosts = hosts::hosts_at(local, &chat.hosts);
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let accept = Accept::new().hosts(&hosts);
    if let Err(error) = request.check_origin(&accept) {
        let text = format!("{error}\nThe option --host of the chat names its hosts.\n");
        return incoming.reject(error.status(), &[TEXT], text.as_bytes());
    }
    let target = request.target();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != "/" {
        return incoming.reject(404, &[TEXT], b"There is nothing here but the chat, at /.\n");
    }
    if !request.is_upgrade() {
        return incoming.reject(200, &[HTML], PAGE);
    }
    let name = text::name_in(query);
    serve_guest(chat, incoming.accept(&accept)?, name.as_deref(), permit)
}

fn serve_guest(chat: &Chat, ws: WebSocket<TcpStream>, name: Option<&str>, permit: &Permit) -> Result<(), Error> {
    // A guest may listen without sending, for any time.
    ws.get_ref().set_read_timeout(None)?;
    let tcp = ws.get_ref().try_clone()?;
    let (reader, writer) = ws.split()?;
    let queue = Arc::new(Queue::default());
    thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, || {
            // If the connection is closing, the reader ends it. Otherwise the guest does not read,
            // or the transport has failed: shutting the socket down wakes the reader up.
            if !matches!(write_lines(&writer, &queue), Ok(()) | Err(Error::Send(_))) {
                let _result = tcp.shutdown(Shutdown::Both);
            }
        })?;
        let is_announced = permit.take_announcement(Instant::now());
        let guest = lock(&chat.room).join(name, is_announced, Arc::clone(&queue));
        let result = read_messages(&chat.room, guest, reader);
        lock(&chat.room).leave(guest);
        // Wakes the writing thread up, if the guest does not read.
        let _result = tcp.shutdown(Shutdown::Both);
        result
    })
}

fn read_messages(room: &Mutex<Room>, guest: u64, mut reader: Reader<TcpStream, TcpStream>) -> Result<(), Error> {
    // `None` is the end of the closing handshake, whichever end started it. After the room has
    // dismissed the guest, this reads on until the guest's Close frame.
    while let Some(event) = reader.recv_event()? {
        match event {
            Event::Text(text) => lock(room).say(guest, &text, Instant::now()),
            Event::Binary(_) => lock(room).dismiss(guest, CloseCode::UNSUPPORTED_DATA, "the chat takes text only"),
            Event::Ping(data) | Event::Pong(data) => lock(room).count(guest, data.len(), Instant::now()),
            _ => {}
        }
    }
    Ok(())
}

fn write_lines(writer: &Writer<TcpStream>, queue: &Queue) -> Result<(), Error> {
    loop {
        match queue.next() {
            Ok(line) => writer.send(&*line)?,
            // If the guest has closed the connection, this is an error, and nothing is sent.
            Err(close) => return writer.close(close.code, close.reason),
        }
    }
}

/// Locks also after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
