//! A chat room for browsers: one port serves the page and its WebSockets, and each message goes to
//! every guest.
//!
//! ```text
//! cargo run --example chat -- --listen 127.0.0.1:9001
//! ```
//!
//! Each guest has two threads, one for each half of the WebSocket. The reading thread passes a
//! message to the [`Room`], which puts it into the queue of each guest. The writing thread sends
//! what is in the queue. The room never waits: it removes a guest that reads too slowly.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{convert::Infallible, env, thread};

use sockless::adapter::Error;
use sockless::adapter::std_net::{self, Reader, Writer};
use sockless::{Accept, CloseCode, Config, Message};

const PAGE: &[u8] = include_bytes!("chat.html");
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");
const TEXT: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");

/// The longest message, in bytes. A longer one fails the connection with 1009.
const MAX_MESSAGE_SIZE: u64 = 64 << 10;
/// How many lines may wait for one guest. The queues share a line, so it is in memory once.
const QUEUE_LEN: usize = 256;
/// How long one call may wait for a client: for its request, for its Close frame, or until it
/// reads.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after each message of a guest. It delays this guest alone, and prevents a guest from
/// filling the queues of the others.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let listen = match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => "127.0.0.1:9001".to_owned(),
        (Some("--listen"), Some(address), None) => address,
        _ => {
            eprintln!("usage: chat [--listen ADDR]");
            return ExitCode::from(2);
        }
    };
    let Err(error) = run(&listen);
    eprintln!("chat: {listen}: {error}");
    ExitCode::FAILURE
}

fn run(listen: &str) -> io::Result<Infallible> {
    // On Unix, std sets SO_REUSEADDR: after a restart the address is free at once.
    let listener = TcpListener::bind(listen)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "chat: open http://{}/", listener.local_addr()?)?;
    stdout.flush()?;

    let room = Arc::new(Mutex::new(Room::default()));
    loop {
        let served = listener.accept().and_then(|(tcp, peer)| {
            let room = Arc::clone(&room);
            // Unlike `thread::spawn`, this does not panic when there are too many threads.
            thread::Builder::new().spawn(move || {
                if let Err(error) = serve(&room, tcp) {
                    eprintln!("chat: {peer}: {error}");
                }
            })
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
fn serve(room: &Mutex<Room>, tcp: TcpStream) -> Result<(), Error> {
    tcp.set_read_timeout(Some(TIMEOUT))?;
    tcp.set_write_timeout(Some(TIMEOUT))?;
    let config = Config::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        // Reports a GET that does not ask for a WebSocket, instead of answering it with 426.
        .plain_requests(true);

    // The engine answers an invalid request, and this returns the error.
    let incoming = std_net::incoming(tcp, config)?;
    let request = incoming.request();
    if request.target() != "/" {
        return incoming.reject(404, &[TEXT], b"There is nothing here but the chat, at /.\n");
    }
    if !request.is_upgrade() {
        return incoming.reject(200, &[HTML], PAGE);
    }
    // Browsers let any page open a WebSocket to any host. Only the server can refuse foreign pages.
    if !request.is_same_origin() {
        return incoming.reject(403, &[TEXT], b"The chat is for its own page only.\n");
    }
    let ws = incoming.accept(&Accept::new())?;

    // A guest may listen without sending, for any time.
    ws.get_ref().set_read_timeout(None)?;
    let tcp = ws.get_ref().try_clone()?;
    let (reader, writer) = ws.split()?;
    let (queue, lines) = mpsc::sync_channel(QUEUE_LEN);
    thread::Builder::new().spawn(move || {
        // If the connection is closing already, the reader ends it. Otherwise the reader may wait
        // for a guest that neither reads nor closes: shutting the socket down wakes it up.
        if !matches!(write_lines(&writer, lines), Err(Error::Send(_))) {
            let _result = tcp.shutdown(Shutdown::Both);
        }
    })?;

    let guest = lock(room).join(queue);
    let result = read_messages(room, guest, reader);
    lock(room).leave(guest);
    result
}

fn read_messages(room: &Mutex<Room>, guest: u64, mut reader: Reader<TcpStream, TcpStream>) -> Result<(), Error> {
    // `None` is the end of the closing handshake, whichever end started it. If the guest closes
    // with a code that is no success, it is an error.
    while let Some(message) = reader.recv()? {
        match message {
            Message::Text(text) => lock(room).say(guest, &text),
            Message::Binary(_) => lock(room).leave(guest),
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn write_lines(writer: &Writer<TcpStream>, lines: Receiver<Arc<str>>) -> Result<(), Error> {
    for line in lines {
        writer.send(&*line)?;
    }
    // The room has dropped the queue. If the guest has closed the connection, this is an error, and
    // nothing is sent.
    writer.close(CloseCode::POLICY_VIOLATION, "send text, and read what you are sent")?;
    // Meanwhile the reader, in its own thread, waits for the guest's Close frame.
    thread::sleep(TIMEOUT);
    Ok(())
}

/// The guests. Nothing that can block is done while it is locked.
#[derive(Default)]
struct Room {
    /// The number of the last guest.
    last_guest: u64,
    /// The writing thread of a guest closes the connection when its queue is dropped.
    queues: BTreeMap<u64, SyncSender<Arc<str>>>,
}

impl Room {
    fn join(&mut self, queue: SyncSender<Arc<str>>) -> u64 {
        self.last_guest += 1;
        self.queues.insert(self.last_guest, queue);
        self.broadcast(format!("guest {} joined", self.last_guest));
        self.last_guest
    }

    fn say(&mut self, guest: u64, text: &str) {
        // A guest that was removed may send until its Close frame arrives. The others do not get
        // that.
        if self.queues.contains_key(&guest) {
            self.broadcast(format!("guest {guest}: {text}"));
        }
    }

    fn leave(&mut self, guest: u64) {
        // The room may have removed the guest already.
        if self.queues.remove(&guest).is_some() {
            self.broadcast(format!("guest {guest} left"));
        }
    }

    /// Queues a line for every guest. Removes the guests whose queue is full, and tells the others.
    fn broadcast(&mut self, line: String) {
        let mut lines = vec![line];
        while let Some(line) = lines.pop() {
            let line: Arc<str> = line.into();
            self.queues.retain(|guest, queue| {
                let keeps_up = queue.try_send(Arc::clone(&line)).is_ok();
                if !keeps_up {
                    lines.push(format!("guest {guest} left"));
                }
                keeps_up
            });
        }
    }
}

/// Locks the room, also after a panic of another thread.
fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
