//! One guest: what it sends goes to the broker, what the broker has goes to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockless::adapter::Error;
use sockless::adapter::tokio::{Reader, WebSocket, Writer};
use sockless::{CloseCode, Message};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::bucket::{self, Bucket};
use crate::room::Seat;
use crate::{Chat, text};

/// How many messages of a guest may wait until the broker has stored them. Further ones are
/// refused.
const MAX_WAITING: usize = 16;
/// How long a guest is not read while that many wait and the broker is there.
const WAIT: Duration = Duration::from_secs(1);
/// After this time, a guest is told that its message is delayed.
const DELAYED: Duration = Duration::from_secs(1);

/// A message that waits for the broker.
struct Waiting {
    /// Is returned when the broker has stored the message.
    _place: OwnedSemaphorePermit,
    text: String,
    /// Whether the guest knows that it is delayed.
    is_told: bool,
}

/// Serves a guest until its connection has ended. `permit` limits how many there are: it is
/// returned when nothing of the guest waits for the broker any more.
pub(crate) async fn serve(
    chat: &Arc<Chat>,
    ws: WebSocket<TcpStream>,
    name: Option<&str>,
    permit: OwnedSemaphorePermit,
) -> Result<(), Error> {
    let Seat {
        number,
        lines,
        dismissed,
    } = chat.room.join();
    let name = format!("{} on {} ({number})", name.unwrap_or("guest"), chat.server);
    chat.room.tell(number, &format!("you are {name}"));
    let (outbox, waiting) = mpsc::unbounded_channel();
    // Not a part of this task: what the guest has sent is published, also after it has left.
    tokio::spawn(publish(Arc::clone(chat), number, name, waiting, permit));

    let (reader, writer) = ws.split();
    let write = async {
        tokio::select! {
            biased;
            Ok(close) = dismissed => writer.close(close.code, close.reason).await,
            result = write_lines(&writer, lines) => result,
        }
    };
    let result = tokio::select! {
        result = read_messages(chat, number, reader, outbox) => result,
        // Once there is nothing to write, the reader goes on until the connection has ended.
        Err(error) = write => Err(error),
    };
    chat.room.leave(number);
    result
}

async fn write_lines(writer: &Writer<TcpStream>, mut lines: mpsc::Receiver<Arc<str>>) -> Result<(), Error> {
    while let Some(line) = lines.recv().await {
        match writer.send(&*line).await {
            // The guest has closed the connection: the reader ends it.
            Err(Error::Send(_)) => break,
            result => result?,
        }
    }
    Ok(())
}

async fn read_messages(
    chat: &Chat,
    guest: u64,
    mut reader: Reader<TcpStream>,
    outbox: mpsc::UnboundedSender<Waiting>,
) -> Result<(), Error> {
    let places = Arc::new(Semaphore::new(MAX_WAITING));
    let mut bucket = Bucket::new(bucket::MESSAGE_BURST, bucket::BYTES_PER_SECOND, Instant::now());
    // `None` is the end of the closing handshake, whichever end started it.
    while let Some(message) = reader.recv().await? {
        if !bucket.take(bucket::message_cost(message.len()), Instant::now()) {
            let reason = "you send too much in a short time";
            chat.room.dismiss(guest, CloseCode::POLICY_VIOLATION, reason);
        } else if let Message::Text(text) = message {
            send(chat, guest, &text, &places, &outbox).await;
        } else {
            let reason = "the chat takes text only";
            chat.room.dismiss(guest, CloseCode::UNSUPPORTED_DATA, reason);
        }
    }
    Ok(())
}

/// Puts a message into the outbox, or tells the guest why not. In either case the guest sees what
/// becomes of it: the message in the room, or a line that begins with `delayed` or `not sent`.
///
/// A guest that was dismissed may send until its Close frame arrives. The others do not get that.
async fn send(chat: &Chat, guest: u64, text: &str, places: &Arc<Semaphore>, outbox: &mpsc::UnboundedSender<Waiting>) {
    if !chat.room.has(guest) {
        return;
    }
    let text = match text::clean_message(text) {
        Ok(text) => text,
        Err(too_long) => return chat.room.tell(guest, &format!("not sent: {too_long}")),
    };
    let is_told = !chat.broker.is_up();
    let limit = if is_told { Duration::ZERO } else { WAIT };
    let Ok(Ok(_place)) = timeout(limit, Arc::clone(places).acquire_owned()).await else {
        let line = format!("not sent, because {MAX_WAITING} messages of yours wait already: {text}");
        return chat.room.tell(guest, &line);
    };
    if is_told {
        tell_delayed(chat, guest, &text);
    }
    let waiting = Waiting { _place, text, is_told };
    // The task that publishes runs as long as this outbox is open.
    let _result = outbox.send(waiting);
}

fn tell_delayed(chat: &Chat, guest: u64, text: &str) {
    let line = format!("delayed, until the broker is there again: {text}");
    chat.room.tell(guest, &line);
}

/// Publishes what a guest sends, one after the other, so that the order is kept.
async fn publish(
    chat: Arc<Chat>,
    guest: u64,
    name: String,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    _permit: OwnedSemaphorePermit,
) {
    let _result = chat.broker.publish(&format!("{name} joined")).await;
    while let Some(Waiting { _place, text, is_told }) = waiting.recv().await {
        let line = format!("{name}: {text}");
        let publish = chat.broker.publish(&line);
        tokio::pin!(publish);
        let result = tokio::select! {
            biased;
            result = &mut publish => result,
            () = sleep(DELAYED), if !is_told => {
                tell_delayed(&chat, guest, &text);
                publish.await
            }
        };
        if result.is_err() {
            let line = format!("it is not known whether this was sent: {text}");
            chat.room.tell(guest, &line);
        }
    }
    // The outbox is closed: the guest has left.
    let _result = chat.broker.publish(&format!("{name} left")).await;
}
