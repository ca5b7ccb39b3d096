//! An open connection: sends the input, writes what is received, and ends.

use std::{
    future::pending,
    io::{IsTerminal, stdin},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sockless::{
    CloseCode, CloseStatus, ClosedBy, Event, Message,
    adapter::{
        Error,
        tokio::{Reader, Writer},
    },
};
use tokio::{
    signal,
    sync::{
        Notify,
        mpsc::{Receiver, Sender, channel},
    },
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{
    dial::{AnyWebSocket, Transport, millis},
    escape::escaped_line,
    exit::{Exit, Failure},
    input::{self, Input, Outgoing},
    options::{Encoding, Options},
    output::Output,
};

type Stream = Box<dyn Transport>;

/// Runs the connection to its end. Returns the exit status.
///
/// # Errors
/// Why it did not end well.
pub(crate) async fn run(ws: AnyWebSocket, options: &Options, output: &Output) -> Result<Exit, Failure> {
    let (reader, writer) = ws.split();
    let input = input::start(output).await;
    let is_terminal = stdin().is_terminal();
    if is_terminal && !options.verbose {
        output.status("connected; Ctrl-D closes").await;
    }
    let sender = Sending {
        writer: writer.clone(),
        encoding: options.encoding,
        is_terminal,
        count: Arc::default(),
    };
    let interrupt = Notify::new();
    let mut session = Session {
        reader,
        writer,
        options,
        output,
        is_terminal,
        started: Instant::now(),
        received: 0,
        sent: Arc::clone(&sender.count),
        wait: None,
        failure: None,
        interrupt: &interrupt,
        interrupted: false,
    };
    tokio::select! {
        // First, because an interrupt is not noticed before this is polled.
        biased;
        exit = interrupted(&interrupt) => exit,
        ended = session.receive(input, sender) => ended,
    }
}

/// Reports the first interrupt. The second one ends the program, whatever it waits for: a reader of
/// its output that does not read, or the server.
async fn interrupted(first: &Notify) -> Result<Exit, Failure> {
    let _result = signal::ctrl_c().await;
    first.notify_one();
    let _result = signal::ctrl_c().await;
    process::exit(Exit::Interrupted as i32);
}

struct Session<'a> {
    reader: Reader<Stream>,
    writer: Writer<Stream>,
    options: &'a Options,
    output: &'a Output,
    is_terminal: bool,
    started: Instant,
    received: u64,
    sent: Arc<AtomicU64>,
    /// After the end of the input: how long to receive, and until when if nothing is received.
    wait: Option<(Duration, Instant)>,
    /// What was wrong with the input.
    failure: Option<Failure>,
    /// Reports the first interrupt.
    interrupt: &'a Notify,
    interrupted: bool,
}

impl Session<'_> {
    async fn receive(&mut self, input: Receiver<Input>, sending: Sending) -> Result<Exit, Failure> {
        let (reports, mut bad_lines) = channel(1);
        let mut sending = Some(tokio::spawn(sending.run(input, reports)));
        loop {
            let deadline = self.wait.map(|(_, until)| until);
            tokio::select! {
                biased;
                () = self.interrupt.notified() => {
                    self.interrupted = true;
                    self.close().await;
                }
                Some(text) = bad_lines.recv() => self.output.status(&text).await,
                sent = ended(&mut sending) => {
                    sending = None;
                    self.input_ended(sent).await;
                }
                event = self.reader.recv_event() => match event {
                    Ok(Some(event)) => self.event(event).await,
                    Ok(None) => return self.end(None).await,
                    Err(error) => return self.end(Some(error)).await,
                },
                () = until(deadline) => self.close().await,
            }
        }
    }

    /// Writes what has arrived.
    async fn event(&mut self, event: Event<'static>) {
        match event {
            Event::Text(text) => self.message(Message::Text(text)).await,
            Event::Binary(data) => self.message(Message::Binary(data)).await,
            Event::Ping(payload) => self.report(format!("Ping received{}", quoted(&payload))).await,
            Event::Pong(payload) => {
                let text = match self.reader.round_trip() {
                    Some(time) => format!("Pong received, round trip {}", millis(time)),
                    None => format!("Pong received{}", quoted(&payload)),
                };
                self.report(text).await;
            }
            _ => {}
        }
    }

    async fn message(&mut self, message: Message<'static>) {
        self.received += 1;
        let written = self.output.message(&message).await;
        self.reader.recycle(message);
        if let Some((wait, until)) = &mut self.wait {
            *until = later(*wait);
        }
        if !written {
            // Nothing reads the standard output any more, such as `head`.
            self.close().await;
        }
    }

    /// `Err`: what was wrong with the input.
    async fn input_ended(&mut self, sent: Result<(), String>) {
        if let Err(text) = sent {
            self.failure = Some(Failure::usage(text));
            self.close().await;
        } else if self.is_terminal {
            self.close().await;
        } else if let Some(wait) = self.options.wait {
            self.wait = Some((wait, later(wait)));
        }
    }

    /// Begins to close. How it ends is what the reader reports.
    async fn close(&mut self) {
        self.wait = None;
        let _result = self.writer.close(CloseCode::NORMAL, "").await;
    }

    async fn end(&mut self, error: Option<Error>) -> Result<Exit, Failure> {
        let status = self.reader.close_status();
        let how = status
            .as_ref()
            .map_or_else(|| "the connection has ended".to_owned(), described);
        self.report(format!(
            "{} messages sent, {} received, in {:.3} s",
            self.sent.load(Relaxed),
            self.received,
            self.started.elapsed().as_secs_f64()
        ))
        .await;
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match error {
            None if self.options.verbose || self.is_terminal => self.output.status(&how).await,
            None => {}
            Some(_) if self.interrupted => {}
            Some(Error::Closed(_)) => return Err(Failure::new(Exit::ErrorCode, how)),
            Some(error) => return Err(Failure::new(Exit::Lost, format!("the connection was lost: {error}"))),
        }
        Ok(if self.interrupted {
            Exit::Interrupted
        } else {
            Exit::Success
        })
    }

    /// Writes a report, with `-v`.
    async fn report(&self, text: String) {
        if self.options.verbose {
            self.output.status(&text).await;
        }
    }
}

/// Sends the lines of the input, while the session receives.
struct Sending {
    writer: Writer<Stream>,
    encoding: Encoding,
    is_terminal: bool,
    /// How many messages were sent.
    count: Arc<AtomicU64>,
}

impl Sending {
    async fn run(self, mut input: Receiver<Input>, reports: Sender<String>) -> Result<(), String> {
        let mut lines = 0_u64;
        loop {
            let line = match input.recv().await {
                None | Some(Input::End(Ok(()))) => return Ok(()),
                Some(Input::End(Err(error))) => return Err(format!("the input cannot be read: {error}")),
                Some(Input::Line(line)) => line,
            };
            lines += 1;
            let sent = match input::message(line, self.encoding) {
                Ok(Outgoing::Text(text)) => self.writer.send(text).await,
                Ok(Outgoing::Binary(data)) => self.writer.send(data).await,
                Err(error) if self.is_terminal => {
                    // With the connection, the reader of the reports ends too.
                    let _closed = reports.send(format!("not sent: {error}")).await;
                    continue;
                }
                Err(error) => return Err(format!("line {lines} of the input was not sent: {error}")),
            };
            if sent.is_err() {
                // The reader reports why.
                return Ok(());
            }
            self.count.fetch_add(1, Relaxed);
        }
    }
}

/// Waits for the end of the input. Never returns after that.
async fn ended(sending: &mut Option<JoinHandle<Result<(), String>>>) -> Result<(), String> {
    match sending {
        Some(task) => task.await.unwrap_or(Ok(())),
        None => pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// The instant after a time, which may be too long for the clock.
fn later(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now + Duration::from_secs(1 << 30))
}

/// The payload of a Ping or a Pong, if there is one.
fn quoted(payload: &[u8]) -> String {
    if payload.is_empty() {
        return String::new();
    }
    format!(" with \"{}\"", payload.escape_ascii())
}

/// Says who closed, with which code and reason.
fn described(status: &CloseStatus) -> String {
    let (by, frame) = match status.by {
        ClosedBy::Us => ("closed by this side", &status.sent),
        ClosedBy::Peer => ("closed by the server", &status.received),
        _ => return "the connection ended without a Close frame".to_owned(),
    };
    let Some(Some(frame)) = frame else {
        return format!("{by} without a code");
    };
    let meaning = frame.code.meaning().map(|meaning| format!(" ({meaning})"));
    let mut text = format!("{by} with code {}{}", frame.code, meaning.unwrap_or_default());
    if !frame.reason.is_empty() {
        text += &format!(": {}", escaped_line(frame.reason.as_bytes()));
    }
    text
}
