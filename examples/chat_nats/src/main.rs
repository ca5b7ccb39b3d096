//! [`examples/chat`](../../chat) on several servers, which a broker connects to one chat room.
//!
//! ```text
//! nats-server -js -sd /tmp/chat
//! cargo run --release -- --server a --listen 127.0.0.1:9001
//! cargo run --release -- --server b --listen 127.0.0.1:9002
//! ```
//!
//! Each server has its own guests, and all of them see the same lines in the same order: a message
//! goes to the broker (NATS, with a stream of JetStream), and comes back from it to every server. A
//! guest is shown as `Ana on a (2)`: the second guest of the server `a`.
//!
//! | what happens | what the guest sees | file |
//! |---|---|---|
//! | the broker has gone | `the broker has gone: …`, and `… is back` later | `main.rs` |
//! | a message while it has gone | `delayed, …`, and the message when it is sent | `guest.rs` |
//! | too many such messages | `not sent, …` | `guest.rs` |
//! | the broker stops while it stores a message | the message, once | `broker.rs` |
//! | the broker no longer has lines that a server has not read | how many | `broker.rs` |
//! | a guest does not read | it is closed with 1008; the others are not delayed | `room.rs` |
//! | a guest sends too much | it is closed with 1008 | `guest.rs` |
//!
//! This is what Ana saw when the broker was killed and started again (Bob, on the other server, saw
//! the same, with `delayed` for his own message instead of hers):
//!
//! ```text
//! Bob on b (1) joined
//! Ana on a (1): before
//! the broker has gone: messages are delayed
//! delayed, until the broker is there again: in the middle
//! the broker is back
//! Ana on a (1): in the middle
//! Bob on b (1): message 1
//! ```
//!
//! What the broker guarantees is not built again here: it orders and stores the lines, and drops
//! those that are published twice. If a server is killed, its guests lose their connections, and
//! the messages that it had announced as delayed are lost with it. The limits for each address, the
//! check of the host name, and the end with a Close frame to each guest after Ctrl-C are in
//! [`examples/chat`](../../chat), and are not repeated here.

mod broker;
#[path = "../../chat/bucket.rs"]
#[allow(dead_code, reason = "the limits of addresses are not here")]
mod bucket;
mod guest;
mod options;
mod room;
#[path = "../../chat/text.rs"]
mod text;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use sockless::adapter::{Error, Settings, tokio::incoming};
use sockless::timers::Timeouts;
use sockless::{Accept, Config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use broker::{Broker, Read};
use options::{HELP, Options};
use room::Room;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const PAGE: &[u8] = include_bytes!("../../chat/page.html");
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");
const TEXT: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");
/// How many guests there may be, with those that have left and whose messages wait for the broker.
const MAX_GUESTS: usize = 1000;
/// The longest message that is read, in bytes. A longer one fails the connection with 1009.
const MAX_MESSAGE_SIZE: u64 = 64 << 10;
/// How long a guest may take to answer a Close frame and to close the transport.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// There are no more sockets: a retry at once would keep the processor busy.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// What all connections share.
struct Chat {
    /// The name of this server.
    server: String,
    room: Room,
    broker: Broker,
}

fn main() -> ExitCode {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match options::parse(args) {
        Ok(Some(options)) => match run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("chat_nats: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("chat_nats: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> Result<(), AnyError> {
    let Options { server, listen, broker } = options;
    let listener = TcpListener::bind(&listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let (broker, room) = (Broker::connect(&broker).await?, Room::default());
    let chat = Arc::new(Chat { server, room, broker });
    tokio::spawn(tell_of_the_broker(Arc::clone(&chat)));
    tokio::spawn({
        let chat = Arc::clone(&chat);
        async move { chat.broker.read(|read| show(&chat.room, &read)).await }
    });
    println!("chat_nats: open http://{}/", listener.local_addr()?);
    let guests = Arc::new(Semaphore::new(MAX_GUESTS));
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let (chat, permit) = (Arc::clone(&chat), Arc::clone(&guests).try_acquire_owned().ok());
                tokio::spawn(async move {
                    if let Err(error) = serve(&chat, tcp, permit).await {
                        eprintln!("chat_nats: {peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("chat_nats: {error}");
                tokio::time::sleep(ACCEPT_DELAY).await;
            }
        }
    }
}

fn show(room: &Room, read: &Read) {
    match read {
        Read::Line(line) => room.tell_all(line),
        Read::Missed(count) => room.tell_all(&format!("{count} lines were missed: the broker has them no more")),
        Read::Reset => room.tell_all("lines may have been missed: the broker has lost its store"),
    }
}

/// Tells the guests of this server when the broker has gone, and when it is back.
async fn tell_of_the_broker(chat: Arc<Chat>) {
    let mut link = chat.broker.link();
    while link.wait_for(|link| link.is_up).await.is_ok() {
        if link.wait_for(|link| !link.is_up).await.is_err() {
            return;
        }
        chat.room.tell_all("the broker has gone: messages are delayed");
        if link.wait_for(|link| link.is_up).await.is_ok() {
            chat.room.tell_all("the broker is back");
        }
    }
}

/// Serves one connection, from the request to the end. Without a permit, it is refused.
async fn serve(chat: &Arc<Chat>, tcp: TcpStream, permit: Option<OwnedSemaphorePermit>) -> Result<(), Error> {
    // If this fails, messages wait for acknowledgements.
    let _result: io::Result<()> = tcp.set_nodelay(true);
    let config = Config::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        // Reports a GET that does not ask for a WebSocket, instead of answering it with 426.
        .plain_requests(true);
    let settings = Settings::from(config).timeouts(Timeouts::new().close(CLOSE_TIMEOUT));
    // The engine answers an invalid request, and this returns the error.
    let incoming = incoming(tcp, settings).await?;
    let Some(permit) = permit else {
        return incoming.reject(503, &[TEXT], b"The chat is full.\n").await;
    };
    let request = incoming.request();
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    if path != "/" {
        return incoming
            .reject(404, &[TEXT], b"There is nothing here but the chat, at /.\n")
            .await;
    }
    if !request.is_upgrade() {
        return incoming.reject(200, &[HTML], PAGE).await;
    }
    let name = text::name_in(query);
    // Pages of another origin get a response with status 403. A page whose host name leads to this
    // address ("DNS rebinding") has the origin of the chat: `examples/chat` knows its hosts, and
    // refuses that too.
    let ws = incoming.accept(&Accept::new()).await?;
    guest::serve(chat, ws, name.as_deref(), permit).await
}
