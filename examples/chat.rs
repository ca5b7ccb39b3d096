//! A chat room for browsers: the page and its WebSockets on one port, every message to everyone.
//!
//! ```text
//! cargo run --example chat -- --listen 127.0.0.1:9001
//! ```
//!
//! Each guest has two threads, one for each half of the WebSocket. Between them stands the [`Room`], which puts lines
//! into the guests' queues and never waits: a guest that reads too slowly is dismissed instead.

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

/// The longest message, in bytes. Whoever sends a longer one is disconnected with 1009.
const MAX_MESSAGE: u64 = 64 << 10;
/// How many lines may wait for one guest. They are shared, so a line that waits for many guests is in memory once.
const QUEUE: usize = 256;
/// How long one call may wait for a client: for its request, for its answer to our Close, or for it to read.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after each message of a guest. It holds up nobody but the guest, and keeps one who floods the room from
/// filling the queues of all the others.
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
            // Out of sockets or threads: trying again at once would only keep the processor busy.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// One connection, from the request to the end.
fn serve(room: &Mutex<Room>, tcp: TcpStream) -> Result<(), Error> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let config = Config::new()
        .max_message_size(MAX_MESSAGE)
        // A GET that is not for a WebSocket is reported too, instead of being answered with 426.
        .plain_requests(true);

    // An invalid request is answered by the engine, and is an error here.
    let incoming = std_net::incoming(tcp, config)?;
    let request = incoming.request();
    if request.target() != "/" {
        return incoming.reject(404, &[TEXT], b"There is nothing here but the chat, at /.\n");
    }
    if !request.is_upgrade() {
        return incoming.reject(200, &[HTML], PAGE);
    }
    // Browsers let any page open a WebSocket to any host: only the server can refuse those of strangers.
    if !request.is_same_origin() {
        return incoming.reject(403, &[TEXT], b"The chat is for its own page only.\n");
    }
    let ws = incoming.accept(&Accept::new())?;

    // Guests may listen for as long as they like.
    ws.get_ref().set_read_timeout(None)?;
    let tcp = ws.get_ref().try_clone()?;
    let (reader, writer) = ws.split()?;
    let (queue, lines) = mpsc::sync_channel(QUEUE);
    thread::Builder::new().spawn(move || {
        // A connection that is closing already is in the reader's hands. Otherwise the reader may be waiting in vain, for
        // a guest that neither reads nor closes: this wakes it up.
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
    // `None` is the end of the closing handshake, whoever began it.
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
    // The room has let go of the queue. If the guest left by itself, this is an error and sends nothing.
    writer.close(CloseCode::POLICY_VIOLATION, "send text, and read what you are sent")?;
    // The reader, in its own thread, now waits for the guest's Close.
    thread::sleep(PATIENCE);
    Ok(())
}

/// Everyone in the room. Nothing that can block is done while it is locked.
#[derive(Default)]
struct Room {
    arrived: u64,
    /// Dropping a guest's queue tells its writer to close.
    queues: BTreeMap<u64, SyncSender<Arc<str>>>,
}

impl Room {
    fn join(&mut self, queue: SyncSender<Arc<str>>) -> u64 {
        self.arrived += 1;
        self.queues.insert(self.arrived, queue);
        self.tell(format!("guest {} joined", self.arrived));
        self.arrived
    }

    fn say(&mut self, guest: u64, text: &str) {
        // What a dismissed guest still says, until its Close arrives, is not for the others.
        if self.queues.contains_key(&guest) {
            self.tell(format!("guest {guest}: {text}"));
        }
    }

    fn leave(&mut self, guest: u64) {
        // A dismissed guest has left already.
        if self.queues.remove(&guest).is_some() {
            self.tell(format!("guest {guest} left"));
        }
    }

    /// Queues a line for everyone, and dismisses those whose queue is full, which is news for the others.
    fn tell(&mut self, line: String) {
        let mut news = vec![line];
        while let Some(line) = news.pop() {
            let line: Arc<str> = line.into();
            self.queues.retain(|guest, queue| {
                let keeps_up = queue.try_send(Arc::clone(&line)).is_ok();
                if !keeps_up {
                    news.push(format!("guest {guest} left"));
                }
                keeps_up
            });
        }
    }
}

/// A panic in another thread is no reason to close the room.
fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
