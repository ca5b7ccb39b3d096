//! What the program writes: messages to the standard output, reports to the standard error.
//!
//! One thread writes, so that the order is that of the connection, and a reader that is slow delays
//! nothing but the messages.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use sockless::Message;
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{Receiver, Sender, channel},
};

use crate::{
    editor::Screen,
    escape::{escaped_line, push_escaped},
    hex,
    options::{Encoding, Options},
};

/// How many items wait to be written, before more are received.
const QUEUE_LEN: usize = 64;
/// How many bytes wait to be written, as they are written, before more are received. One message
/// may be longer: it waits alone, and at most one more is prepared meanwhile.
const QUEUE_BYTES: u32 = 16 << 20;

/// Items for the writing thread, with a bound on their number and on their bytes.
struct Queue {
    items: Sender<(Item, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
}

/// The other end. A permit is returned when its item is written.
type Items = Receiver<(Item, OwnedSemaphorePermit)>;

enum Item {
    Message(Vec<u8>),
    Report(String),
    /// From now on, a line is edited on the screen.
    Screen(Screen),
}

/// The writing thread.
pub(crate) struct Output {
    queue: Queue,
    thread: JoinHandle<()>,
    /// The standard output has failed: nothing reads it any more.
    is_closed: Arc<AtomicBool>,
    form: Form,
}

/// How messages are written.
#[derive(Clone, Copy)]
struct Form {
    is_terminal: bool,
    raw: bool,
    binary: Encoding,
}

impl Output {
    pub(crate) fn start(options: &Options) -> Self {
        let (queue, items) = Queue::new();
        let is_closed = Arc::new(AtomicBool::new(false));
        let writer = Arc::clone(&is_closed);
        Self {
            queue,
            thread: thread::spawn(move || write_all(items, &writer)),
            is_closed,
            form: Form {
                is_terminal: io::stdout().is_terminal(),
                raw: options.raw,
                binary: options.encoding,
            },
        }
    }

    /// Writes a message. `false`: nothing reads the standard output any more.
    pub(crate) async fn message(&self, message: &Message<'_>) -> bool {
        self.queue.push(Item::Message(self.form.message(message))).await && !self.is_closed.load(Relaxed)
    }

    /// Writes a report in lines that begin with `*`. Text of the peer in it may be as it came.
    pub(crate) async fn status(&self, text: &str) {
        let mut report = String::new();
        for line in text.split('\n') {
            report += &format!("* {}\n", escaped_line(line.as_bytes()));
        }
        // The thread ends last.
        let _closed = self.queue.push(Item::Report(report)).await;
    }

    /// From now on, writes above the line that is edited.
    pub(crate) async fn above(&self, screen: Screen) {
        let _closed = self.queue.push(Item::Screen(screen)).await;
    }

    /// Waits until everything is written.
    pub(crate) fn finish(self) {
        drop(self.queue);
        // A panic of the thread was reported.
        let _result = self.thread.join();
    }
}

impl Queue {
    fn new() -> (Self, Items) {
        let (items, receiver) = channel(QUEUE_LEN);
        let bytes = Arc::new(Semaphore::new(QUEUE_BYTES as usize));
        (Self { items, bytes }, receiver)
    }

    /// Waits for a place. `false`: the thread has ended.
    async fn push(&self, item: Item) -> bool {
        let len = match &item {
            Item::Message(message) => message.len(),
            Item::Report(report) => report.len(),
            Item::Screen(_) => 0,
        };
        let permits = u32::try_from(len).unwrap_or(QUEUE_BYTES).min(QUEUE_BYTES);
        let Ok(permit) = Arc::clone(&self.bytes).acquire_many_owned(permits).await else {
            return false;
        };
        self.items.send((item, permit)).await.is_ok()
    }
}

impl Form {
    fn message(self, message: &Message<'_>) -> Vec<u8> {
        let is_hex = matches!(message, Message::Binary(_)) && self.binary != Encoding::Binary;
        let data = message.as_bytes();
        if self.raw {
            return data.to_vec();
        }
        if self.is_terminal {
            let mut line = "< ".to_owned();
            if is_hex {
                line += &format!("{} ({} bytes)", hex::format(data, " "), data.len());
            } else {
                push_escaped(data, &mut line);
            }
            line.push('\n');
            return line.into_bytes();
        }
        let mut line = if is_hex {
            hex::format(data, "").into_bytes()
        } else {
            data.to_vec()
        };
        line.push(b'\n');
        line
    }
}

/// Writes until the other end of the queue is dropped.
fn write_all(mut items: Items, is_closed: &AtomicBool) {
    let mut screen: Option<Screen> = None;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let reports_to_screen = stderr.is_terminal();
    while let Some((item, _permit)) = items.blocking_recv() {
        let written = match (item, &mut screen) {
            (Item::Screen(new), _) => {
                screen = Some(new);
                Ok(())
            }
            (Item::Message(message), Some(screen)) => screen.print(String::from_utf8_lossy(&message).into_owned()),
            (Item::Report(report), Some(screen)) if reports_to_screen => screen.print(report),
            (Item::Message(message), None) => {
                let mut stdout = stdout.lock();
                stdout.write_all(&message).and_then(|()| stdout.flush())
            }
            (Item::Report(report), _) => {
                // Nobody can be told that this has failed.
                let _result = stderr.lock().write_all(report.as_bytes());
                Ok(())
            }
        };
        if written.is_err() {
            is_closed.store(true, Relaxed);
        }
    }
    if let Some(screen) = screen {
        screen.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Whether an item is queued at once.
    async fn has_place(queue: &Queue, len: usize) -> bool {
        let push = queue.push(Item::Message(vec![b'x'; len]));
        timeout(Duration::ZERO, push).await.is_ok()
    }

    /// Messages of any length, and few of them if they are long.
    #[test]
    fn the_queue_has_a_bound_in_bytes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(async {
            let (queue, mut items) = Queue::new();
            let max = QUEUE_BYTES as usize;
            assert!(has_place(&queue, max + 1).await, "longer than the bound, and alone");
            assert!(!has_place(&queue, 1).await);
            drop(items.recv().await);
            assert!(has_place(&queue, max / 2).await);
            assert!(has_place(&queue, max / 2).await);
            assert!(!has_place(&queue, 1).await);
            drop(items.recv().await);
            assert!(has_place(&queue, 1).await);
        });
    }
}
