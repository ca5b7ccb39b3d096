//! The client.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
};

use sockless::{
    CloseCode,
    adapter::{self, Error},
    timers::Backoff,
};
use sockless_applications::AnyError;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin},
    time::sleep,
};

/// How many lines the client keeps. While so many are not confirmed, it does not read more.
const QUEUE_LEN: usize = 1000;

/// What the client has to send.
struct Queue {
    input: Lines<BufReader<Stdin>>,
    is_at_end: bool,
    /// The lines that are not confirmed. The first `sent` of them were sent over this connection.
    lines: VecDeque<String>,
    sent: usize,
    /// How many lines the server has. `None` before the first connection.
    confirmed: Option<u64>,
}

impl Queue {
    /// The server has `count` lines.
    fn confirm(&mut self, count: u64) -> Result<(), AnyError> {
        let new = count.checked_sub(self.confirmed.unwrap_or(count));
        let new = new.and_then(|new| usize::try_from(new).ok().filter(|new| *new <= self.lines.len()));
        let Some(new) = new else {
            return Err(format!("the server has {count} lines, which are not those that were sent").into());
        };
        self.lines.drain(..new);
        self.sent = self.sent.saturating_sub(new);
        self.confirmed = Some(count);
        Ok(())
    }
}

pub(crate) async fn send(url: &str, mut backoff: Backoff) -> Result<(), AnyError> {
    let mut queue = Queue {
        input: BufReader::new(stdin()).lines(),
        is_at_end: false,
        lines: VecDeque::new(),
        sent: 0,
        confirmed: None,
    };
    loop {
        let error = match send_until_lost(url, &mut queue, &mut backoff).await {
            Ok(()) => return Ok(()),
            Err(error) if may_retry(&error) => error,
            Err(error) => return Err(error),
        };
        let delay = backoff.next_delay();
        eprintln!("reconnect: {error}; next attempt in {delay:.1?}");
        sleep(delay).await;
    }
}

/// Whether another attempt may succeed: not if the server does not want this client.
fn may_retry(error: &AnyError) -> bool {
    match error.downcast_ref() {
        Some(Error::Refused(refusal)) => !matches!(refusal.response.status(), 400..=407 | 409..=428),
        Some(Error::Closed(status)) => status.code() != CloseCode::POLICY_VIOLATION,
        Some(Error::LocalHandshake(_)) | None => false,
        Some(_) => true,
    }
}

/// Connects, and sends until all is confirmed or the connection is lost.
async fn send_until_lost(url: &str, queue: &mut Queue, backoff: &mut Backoff) -> Result<(), AnyError> {
    let mut ws = adapter::tokio::connect(url).await?;
    queue.sent = 0;
    let mut is_welcome = false;
    while !(is_welcome && queue.is_at_end && queue.lines.is_empty()) {
        tokio::select! {
            message = ws.recv() => {
                // It may be a restart, with an orderly end.
                let ended = || Error::Io(io::Error::new(ErrorKind::ConnectionAborted, "the server has ended"));
                let message = message?.ok_or_else(ended)?;
                let count = message.as_text().and_then(|text| text.parse().ok());
                queue.confirm(count.ok_or("the server has sent something else than a number")?)?;
                // Now the server is known to work.
                is_welcome = true;
                backoff.reset();
            }
            line = queue.input.next_line(), if !queue.is_at_end && queue.lines.len() < QUEUE_LEN => match line? {
                Some(line) => queue.lines.push_back(line),
                None => queue.is_at_end = true,
            }
        }
        // Not before the server has said where to begin.
        if is_welcome {
            for line in queue.lines.range(queue.sent..) {
                ws.feed(line.as_str()).await?;
                queue.sent += 1;
            }
        }
    }
    ws.close(CloseCode::NORMAL, "").await?;
    // All is confirmed: it does not matter how the connection ends.
    while ws.recv().await.is_ok_and(|message| message.is_some()) {}
    Ok(())
}
