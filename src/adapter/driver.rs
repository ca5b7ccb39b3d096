//! What every adapter has: the engine, the output that is not written yet, and the deadlines.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::mem;
use std::{io, time::Instant};

use super::{Error, Message, MessageRef, Settings, input::Input, output::Output};
use crate::{
    Accept, ClientRequest, CloseCode, Config, Connection, Delivery, Event, HandshakeError, ProtocolError, Request,
    SendError, State,
    timers::{Due, Timers},
};

#[derive(Debug)]
pub(super) struct Driver {
    pub(super) engine: Connection,
    pub(super) output: Output,
    pub(super) timers: Timers<Instant>,
    /// With more than this to write, in bytes, nothing is read.
    pub(super) high_water: usize,
    /// Bytes of replies, such as Pongs, in the output.
    pub(super) unwritten_replies: usize,
    /// What was assembled of the message in progress when it was last looked at.
    assembled_len: usize,
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
            assembled_len: 0,
            unwritten_replies: 0,
            given_up: None,
            spare: Vec::new(),
        }
    }

    /// Appends the acceptance of a request. If it cannot be sent, appends a response with status 500 instead.
    pub(super) fn accept(
        &mut self,
        request: &Request<'_>,
        accept: &Accept<'_>,
        now: Instant,
    ) -> Result<(), HandshakeError> {
        let accepted = self.engine.accept(request, accept, &mut self.output.buf);
        match accepted {
            Ok(()) => self.timers.opened(now),
            Err(_) => self.reject_with_500(),
        }
        accepted
    }

    /// Appends the rejection of a request. If it cannot be sent, appends a response with status 500 instead.
    pub(super) fn reject(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), HandshakeError> {
        let rejected = self.engine.reject(status, headers, body, &mut self.output.buf);
        if rejected.is_err() {
            self.reject_with_500();
        }
        rejected
    }

    fn reject_with_500(&mut self) {
        let _rejected = self.engine.reject(500, &[], b"", &mut self.output.buf);
    }

    /// Takes the next event off the front of `input`, which was read at `now`.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "a message that is returned by a call goes through memory once more; measured"
    )]
    pub(super) fn receive<'a>(&mut self, input: &'a mut Input, now: Instant) -> Result<Received<'a>, ProtocolError> {
        let Input { buf, start, end, .. } = input;
        let mut rest = buf.get_mut(*start..*end).unwrap_or_default();
        let output_len = self.output.buf.len();
        // An `Event` is large, and moving it costs more than receiving it: messages are taken out of it at once.
        let received = match self.engine.receive(&mut rest, &mut self.output.buf) {
            Ok(Some(Event::Binary(data))) => {
                self.timers.received(now);
                Ok(Received::Message(Message::Binary(into_owned(data, &mut self.spare))))
            }
            Ok(Some(Event::Text(text))) => {
                self.timers.received(now);
                Ok(Received::Message(Message::Text(into_owned_text(text, &mut self.spare))))
            }
            Ok(Some(event)) => {
                self.update_timers(&event, now);
                let reply_len = self.output.buf.len() - output_len;
                self.unwritten_replies += reply_len;
                Ok(if reply_len > 0 {
                    Received::Replied(event)
                } else {
                    Received::Event(event)
                })
            }
            Ok(None) => {
                self.note_assembled(now);
                Ok(Received::NeedsInput)
            }
            Err(error) => Err(error),
        };
        *start = *end - rest.len();
        received
    }

    fn update_timers(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Pong(payload) => _ = self.timers.pong(payload, now),
            Event::Open(_) => self.timers.opened(now),
            Event::Chunk(_) => self.timers.received(now),
            // What ends the connection is seen in its state: see `deadline`.
            _ => {}
        }
    }

    /// Notes that more of a message has arrived: the peer is alive, though there is no event yet.
    fn note_assembled(&mut self, now: Instant) {
        let len = self.engine.assembled_len();
        if len != mem::replace(&mut self.assembled_len, len) && len > 0 {
            self.timers.received(now);
        }
    }

    /// Puts a message into the output.
    #[inline]
    pub(super) fn feed(&mut self, message: MessageRef<'_>) -> Result<(), SendError> {
        match message {
            MessageRef::Text(text) => self.engine.send_text(text, &mut self.output.buf),
            MessageRef::Binary(data) => self.engine.send_binary(data, &mut self.output.buf),
        }
    }

    /// Appends a Ping.
    pub(super) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.engine.ping(payload, &mut self.output.buf)
    }

    /// Appends a Pong.
    pub(super) fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.engine.pong(payload, &mut self.output.buf)
    }

    /// Appends a Close frame.
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

/// What [`Driver::receive`] found in the input.
pub(super) enum Received<'a> {
    /// A message.
    Message(Message),
    /// Another event.
    Event(Event<'a>),
    /// Another event, to which the engine has appended a reply to the output.
    Replied(Event<'a>),
    /// Nothing: all of the input is processed.
    NeedsInput,
}

/// What a call that receives returns: messages alone, or every event.
pub(super) trait FromEvent: Sized {
    fn from_message(message: Message) -> Self;

    /// Converts an event that is not a message. `None` skips it: the adapter has done all that it requires.
    fn from_event(event: Event<'_>) -> Option<Self>;
}

impl FromEvent for Message {
    #[inline]
    fn from_message(message: Message) -> Self {
        message
    }

    #[inline]
    fn from_event(_event: Event<'_>) -> Option<Self> {
        None
    }
}

impl FromEvent for Event<'static> {
    fn from_message(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(data) => Self::Binary(data.into()),
        }
    }

    fn from_event(event: Event<'_>) -> Option<Self> {
        Some(event.into_owned())
    }
}

/// [`Cow::into_owned`] with a recycled allocation.
fn into_owned(data: Cow<'_, [u8]>, spare: &mut Vec<u8>) -> Vec<u8> {
    match data {
        Cow::Borrowed(data) => {
            let mut owned = mem::take(spare);
            owned.extend_from_slice(data);
            owned
        }
        Cow::Owned(data) => data,
    }
}

fn into_owned_text(text: Cow<'_, str>, spare: &mut Vec<u8>) -> String {
    match text {
        Cow::Borrowed(text) => {
            let mut owned = String::from_utf8(mem::take(spare)).unwrap_or_default();
            owned.push_str(text);
            owned
        }
        Cow::Owned(text) => text,
    }
}
