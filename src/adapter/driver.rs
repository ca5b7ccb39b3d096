//! What every adapter has: the engine, the output that is not written yet, and the deadlines.

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::{mem, time::Duration};
use std::{io, time::Instant};

use super::{Error, Message, MessageRef, Settings, output::Output};
use crate::{
    Accept, ClientRequest, CloseCode, Config, Connection, Delivery, Event, LocalHandshakeError, ProtocolError, Request,
    SendError, State,
    timers::{Due, Timers},
};

/// Who cannot be woken looks no more often than that.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Driver {
    pub(super) engine: Connection,
    pub(super) output: Output,
    pub(super) timers: Timers<Instant>,
    /// With more than this to write, in bytes, nothing is read.
    pub(super) high_water: usize,
    /// What was assembled of the message in progress when it was last looked at.
    assembled: usize,
    /// `Timeouts::close`.
    closing_limit: Option<Duration>,
    /// Why the peer was given up.
    given_up: Option<Due>,
    /// An allocation for the next message that lies whole in the input.
    spare: Vec<u8>,
}

impl Driver {
    /// A client, whose request is in the output.
    pub(super) fn client(request: &ClientRequest, settings: &Settings, now: Instant) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut out = Vec::new();
        let engine = Connection::client(request, config(settings), seed, &mut out)?;
        let mut driver = Self::new(engine, settings, now);
        driver.output.buf = out;
        Ok(driver)
    }

    /// A server that waits for a request.
    pub(super) fn server(settings: &Settings, now: Instant) -> Self {
        Self::new(Connection::server(config(settings)), settings, now)
    }

    /// A connection whose handshake is done.
    pub(super) fn upgraded(engine: Connection, settings: &Settings, now: Instant) -> Self {
        let mut driver = Self::new(engine, settings, now);
        driver.timers.opened(now);
        driver
    }

    fn new(engine: Connection, settings: &Settings, now: Instant) -> Self {
        Self {
            engine,
            output: Output::default(),
            timers: Timers::new(settings.timeouts, now),
            high_water: settings.high_water,
            assembled: 0,
            closing_limit: settings.timeouts.close,
            given_up: None,
            spare: Vec::new(),
        }
    }

    /// Puts the acceptance of a request into the output.
    pub(super) fn accept(
        &mut self,
        request: &Request<'_>,
        accept: &Accept<'_>,
        now: Instant,
    ) -> Result<(), LocalHandshakeError> {
        self.engine.accept(request, accept, &mut self.output.buf)?;
        self.timers.opened(now);
        Ok(())
    }

    /// Puts the rejection of a request into the output.
    pub(super) fn reject(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), LocalHandshakeError> {
        self.engine.reject(status, headers, body, &mut self.output.buf)
    }

    /// The next event in `input`: a message, or what `other` makes of it, knowing whether it has put something into the output.
    pub(super) fn receive<R: Received>(
        &mut self,
        input: &mut &mut [u8],
        now: Instant,
        other: impl FnOnce(Event<'_>, bool) -> Option<R>,
    ) -> Result<Option<Option<R>>, Box<ProtocolError>> {
        let before = self.output.buf.len();
        // As a `match` on the whole, and messages apart: an event is large, and to move it would cost more than to receive it.
        let message = match self.engine.receive(input, &mut self.output.buf) {
            Ok(Some(Event::Binary(data))) => Message::Binary(own(data, &mut self.spare)),
            Ok(Some(Event::Text(text))) => Message::Text(own_text(text, &mut self.spare)),
            Ok(Some(event)) => {
                self.note(&event, now);
                return Ok(Some(other(event, self.output.buf.len() > before)));
            }
            Ok(None) => {
                self.look_at_assembly(now);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.timers.received(now);
        Ok(Some(Some(R::message(message))))
    }

    fn note(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Pong(payload) => _ = self.timers.pong(payload, now),
            Event::Open(_) => self.timers.opened(now),
            Event::Chunk(_) => self.timers.received(now),
            // What ends the connection is seen in its state: see `deadline`.
            _ => {}
        }
    }

    /// A peer that is sending a large message is alive, though there is no event yet.
    fn look_at_assembly(&mut self, now: Instant) {
        let assembled = self.engine.assembled_len();
        if assembled != mem::replace(&mut self.assembled, assembled) && assembled > 0 {
            self.timers.received(now);
        }
    }

    /// Whether the transport has gone on writing after it had to wait.
    pub(super) fn note_writing(&mut self, now: Instant) -> bool {
        let moved = mem::take(&mut self.output.moved);
        if moved {
            self.timers.written(now);
        }
        moved
    }

    /// Puts a message into the output.
    #[inline]
    pub(super) fn feed(&mut self, message: MessageRef<'_>) -> Result<(), SendError> {
        match message {
            MessageRef::Text(text) => self.engine.send_text(text, &mut self.output.buf),
            MessageRef::Binary(data) => self.engine.send_binary(data, &mut self.output.buf),
        }
    }

    pub(super) fn close(&mut self, code: Option<CloseCode>, reason: &str, now: Instant) -> Result<(), SendError> {
        self.engine.close(code, reason, &mut self.output.buf)?;
        self.timers.closing(now);
        Ok(())
    }

    /// Does what is due: puts a Ping or a Close into the output, or says that the peer is given up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        while let Some(due) = self.timers.handle_timeout(now) {
            match due {
                Due::Ping(payload) => _ = self.engine.ping(&payload, &mut self.output.buf),
                Due::Idle => _ = self.close(Some(CloseCode::GOING_AWAY), "idle", now),
                Due::Handshake | Due::Pong | Due::Close => {
                    self.given_up = Some(due);
                    self.output.lose(io::ErrorKind::NotConnected);
                }
            }
        }
        self.check()
    }

    /// The next deadline, for one who is about to wait. Whatever has begun to end the connection, a Close of the peer or of
    /// ours, a refusal or a failure, the time for that begins here.
    pub(super) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if matches!(self.engine.state(), State::Closing | State::Closed) {
            self.timers.closing(now);
        }
        self.timers.poll_timeout()
    }

    /// The transport has begun to refuse what is written, at a time when nobody has looked at the deadlines for long. A Pong
    /// may have come meanwhile, and is not read here: the peer has its time anew.
    pub(super) fn begin_stall(&mut self, begun: Instant) {
        if self.timers.poll_timeout().is_some_and(|at| at < begun) {
            self.timers.written(begun);
        }
    }

    /// When to look at the deadlines again, for one who cannot be woken before: another may begin to close at any time.
    pub(super) fn next_look(&mut self, now: Instant) -> Result<Option<Instant>, Error> {
        self.check()?;
        let closing = self.closing_limit.and_then(|limit| now.checked_add(limit.max(LOOK)));
        Ok(self.deadline(now).into_iter().chain(closing).min())
    }

    /// How long to wait for a peer to close the transport, now that the connection is closed.
    pub(super) fn linger(&mut self, now: Instant) -> Option<Instant> {
        if self.given_up.is_some() {
            return Some(now);
        }
        self.timers.closing(now);
        self.timers.poll_timeout()
    }

    /// Whether the peer is not given up.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.given_up.map_or(Ok(()), |due| Err(Error::TimedOut(due)))
    }

    /// With so much to write, nothing is read: what is received may have to be answered.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn is_above_high_water(&self) -> bool {
        self.output.left() > self.high_water
    }

    /// Keeps the allocation of a message: one for those that the engine assembles, one for the others.
    #[inline]
    pub(super) fn recycle(&mut self, message: Message) {
        if self.spare.capacity() == 0 {
            self.spare = match message {
                Message::Text(text) => text.into_bytes(),
                Message::Binary(data) => data,
            };
            self.spare.clear();
        } else {
            self.engine.recycle(match message {
                Message::Text(text) => Event::Text(text.into()),
                Message::Binary(data) => Event::Binary(data.into()),
            });
        }
    }
}

/// The engine's part of the settings: adapters deliver whole messages.
fn config(settings: &Settings) -> Config {
    let mut config = settings.config.clone();
    config.delivery = Delivery::Messages;
    config
}

/// What is asked for: messages alone, or every event.
pub(super) trait Received: Sized {
    fn message(message: Message) -> Self;

    /// `None`: an event that has done what it had to.
    fn other(event: Event<'_>) -> Option<Self>;
}

impl Received for Message {
    fn message(message: Message) -> Self {
        message
    }

    fn other(_event: Event<'_>) -> Option<Self> {
        None
    }
}

impl Received for Event<'static> {
    fn message(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(data) => Self::Binary(data.into()),
        }
    }

    fn other(event: Event<'_>) -> Option<Self> {
        Some(event.into_owned())
    }
}

/// [`Cow::into_owned`] with a recycled allocation.
fn own(data: Cow<'_, [u8]>, spare: &mut Vec<u8>) -> Vec<u8> {
    match data {
        Cow::Borrowed(data) => {
            let mut owned = mem::take(spare);
            owned.extend_from_slice(data);
            owned
        }
        Cow::Owned(data) => data,
    }
}

fn own_text(text: Cow<'_, str>, spare: &mut Vec<u8>) -> String {
    match text {
        Cow::Borrowed(text) => {
            let mut owned = String::from_utf8(mem::take(spare)).unwrap_or_default();
            owned.push_str(text);
            owned
        }
        Cow::Owned(text) => text,
    }
}
