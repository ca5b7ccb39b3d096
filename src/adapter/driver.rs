//! What all adapters have in common: the engine, its output and its deadlines.

use alloc::{borrow::Cow, boxed::Box, format, string::String, vec::Vec};
use core::{mem, time::Duration};
use std::{io, time::Instant};

use super::{Error, Settings, input::Input};
use crate::{
    Accept, Chunk, ClientRequest, CloseCode, Connection, Delivery, Event, Message, ProtocolError, Request, SendError,
    State,
    error::LocalHandshakeError,
    frame::ReservedBits,
    handshake::Refusal,
    timers::{Due, Timers},
};

/// An engine with its output and its deadlines. It neither reads nor writes nor waits.
pub(super) struct Driver {
    pub(super) engine: Connection,
    /// The output of the engine.
    pub(super) out: Vec<u8>,
    /// Pings and Pongs, if the engine divides messages into fragments: they leave between these.
    pub(super) control: Vec<u8>,
    /// How many bytes of `out` are replies, such as Pongs.
    pub(super) reply_bytes: usize,
    pub(super) timers: Timers<Instant>,
    /// [`Settings::high_water`].
    pub(super) high_water: usize,
    /// [`Connection::assembled_len`] after the last input.
    assembled_len: usize,
    /// The deadline that the peer has missed. The connection is lost.
    missed_deadline: Option<(Due, Duration)>,
    /// A recycled allocation, for the next message that is complete in the input.
    spare: Vec<u8>,
}

impl Driver {
    /// Creates a client's connection. The request is in the output.
    pub(super) fn client(request: &ClientRequest, settings: &Settings, now: Instant) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut out = Vec::new();
        let engine = Connection::client(request, settings.config.clone(), seed, &mut out)?;
        Ok(Self {
            out,
            ..Self::new(engine, settings, now)
        })
    }

    /// Creates a server's connection, which waits for a request.
    pub(super) fn server(settings: &Settings, now: Instant) -> Self {
        Self::new(Connection::server(settings.config.clone()), settings, now)
    }

    /// Continues a connection whose opening handshake is done.
    pub(super) fn upgraded(engine: Connection, settings: &Settings, now: Instant) -> Self {
        let mut driver = Self::new(engine, settings, now);
        driver.timers.opened(now);
        driver
    }

    fn new(engine: Connection, settings: &Settings, now: Instant) -> Self {
        Self {
            engine,
            out: Vec::new(),
            control: Vec::new(),
            reply_bytes: 0,
            timers: Timers::new(settings.timeouts, now),
            high_water: settings.high_water,
            assembled_len: 0,
            missed_deadline: None,
            spare: Vec::new(),
        }
    }

    /// Appends the acceptance of a request. If the request is not allowed, appends a response with
    /// status 403 instead, and if the acceptance cannot be sent, one with status 500.
    pub(super) fn accept(
        &mut self,
        request: &Request<'_>,
        accept: &Accept<'_>,
        now: Instant,
    ) -> Result<(), LocalHandshakeError> {
        let accepted = self.engine.accept(request, accept, &mut self.out);
        match accepted {
            Ok(()) => self.timers.opened(now),
            Err(LocalHandshakeError::NotAllowed { error }) => {
                let headers = [("Content-Type", "text/plain; charset=utf-8")];
                let _rejected = self.reject(error.status(), &headers, format!("{error}\n").as_bytes());
            }
            Err(_) => self.reject_with_500(),
        }
        accepted
    }

    /// Appends the rejection of a request. If it cannot be sent, appends a response with status 500
    /// instead.
    pub(super) fn reject(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), LocalHandshakeError> {
        let rejected = self.engine.reject(status, headers, body, &mut self.out);
        if rejected.is_err() {
            self.reject_with_500();
        }
        rejected
    }

    fn reject_with_500(&mut self) {
        let _rejected = self.engine.reject(500, &[], b"", &mut self.out);
    }

    /// Fails if the engine delivers chunks, and the caller receives whole messages. Nothing has
    /// changed.
    pub(super) fn check_delivery<T: FromEvent>(&self) -> Result<(), Error> {
        if T::IS_WHOLE && self.engine.delivery() == Delivery::Chunks {
            return Err(wrong_delivery());
        }
        Ok(())
    }

    /// Takes the next event off the front of the input.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "a message that is returned by a call goes through memory once more; measured"
    )]
    pub(super) fn receive<'a>(&mut self, input: &'a mut Input) -> Result<Received<'a>, Box<ProtocolError>> {
        let Input {
            buf,
            start,
            end,
            read_at,
            ..
        } = input;
        let mut rest = buf.get_mut(*start..*end).unwrap_or_default();
        let out_len = self.out.len();
        // An `Event` is large, and moving it costs more than receiving it: messages are taken out
        // of it at once.
        let received = match self.engine.receive(&mut rest, &mut self.out) {
            Ok(Some(Event::Binary(data))) => {
                self.timers.received(*read_at);
                Ok(Received::Message(Message::Binary(Cow::Owned(into_owned(
                    data,
                    &mut self.spare,
                )))))
            }
            Ok(Some(Event::Text(text))) => {
                self.timers.received(*read_at);
                Ok(Received::Message(Message::Text(Cow::Owned(into_owned_text(
                    text,
                    &mut self.spare,
                )))))
            }
            Ok(Some(event)) => {
                self.update_timers(&event, *read_at);
                let reply_len = self.out.len() - out_len;
                self.reply_bytes += reply_len;
                // A Close frame is the last frame, and not moved.
                if matches!(event, Event::Ping(_)) && self.engine.fragments_messages() {
                    self.control.extend(self.out.drain(out_len..));
                }
                Ok(if reply_len > 0 {
                    Received::Replied(event)
                } else {
                    Received::Event(event)
                })
            }
            Ok(None) => {
                self.update_assembled_len(*read_at);
                Ok(Received::NeedsInput)
            }
            Err(error) => Err(error),
        };
        *start = *end - rest.len();
        if !self.control.is_empty() && self.engine.state() != State::Open {
            self.put_control_before_close(out_len);
        }
        received
    }

    fn update_timers(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Pong(payload) => _ = self.timers.pong(payload, now),
            Event::Open(_) => self.timers.opened(now),
            Event::Chunk(_) => self.timers.received(now),
            // `deadline` notices the end of the connection.
            _ => {}
        }
    }

    /// Notes that more of a message has arrived: the peer is alive, though there is no event yet.
    fn update_assembled_len(&mut self, now: Instant) {
        let len = self.engine.assembled_len();
        if len != mem::replace(&mut self.assembled_len, len) && len > 0 {
            self.timers.received(now);
        }
    }

    /// Appends a message.
    #[inline]
    pub(super) fn feed(&mut self, message: Message<'_>) -> Result<(), SendError> {
        match message {
            Message::Text(text) => self.engine.send_text(&text, &mut self.out),
            Message::Binary(data) => self.engine.send_binary(&data, &mut self.out),
        }
    }

    /// Appends a Ping of the application.
    pub(super) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.append_ping(payload)?;
        self.timers.ping_sent();
        Ok(())
    }

    /// Appends a Ping of the application or of the timers.
    fn append_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let (engine, out) = self.control_output();
        engine.ping(payload, out)
    }

    /// Appends a Pong.
    pub(super) fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let (engine, out) = self.control_output();
        engine.pong(payload, out)
    }

    /// The engine, and the output for a Ping or a Pong.
    fn control_output(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        let is_apart = self.engine.fragments_messages();
        (
            &mut self.engine,
            if is_apart { &mut self.control } else { &mut self.out },
        )
    }

    /// Appends a Close frame.
    pub(super) fn close(&mut self, code: Option<CloseCode>, reason: &str, now: Instant) -> Result<(), SendError> {
        let out_len = self.out.len();
        self.engine.close(code, reason, &mut self.out)?;
        self.put_control_before_close(out_len);
        self.timers.closing(now);
        Ok(())
    }

    /// Puts the control frames that are kept apart before the Close frame that was appended at
    /// `close_at`, if one was: after it, nothing may be sent (RFC 6455, section 5.5.1).
    fn put_control_before_close(&mut self, close_at: usize) {
        if self.out.len() > close_at {
            let control = mem::take(&mut self.control);
            self.out.splice(close_at..close_at, control);
        }
    }

    /// Returns the next deadline, for a caller that is about to wait.
    pub(super) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        // A Close frame of either side, a refusal, a failure: the time for the end of the
        // connection starts here.
        if matches!(self.engine.state(), State::Closing | State::Closed) {
            self.timers.closing(now);
        }
        self.timers.poll_timeout()
    }

    /// Appends the Ping or the Close frame that is due.
    ///
    /// Fails if the peer has missed a deadline, as all later calls do.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        while let Some(due) = self.timers.handle_timeout(now) {
            match due {
                Due::Ping(payload) => _ = self.append_ping(&payload),
                Due::Idle => _ = self.close(Some(CloseCode::GOING_AWAY), "idle", now),
                Due::Handshake | Due::Pong | Due::Close => {
                    self.missed_deadline = Some((due, self.timers.limit(due)));
                    (self.out, self.control) = (Vec::new(), Vec::new());
                }
            }
        }
        self.check_deadlines()
    }

    /// Fails if the peer has missed a deadline.
    pub(super) fn check_deadlines(&self) -> Result<(), Error> {
        match self.missed_deadline {
            Some((due, limit)) => Err(Error::TimedOut { due, limit }),
            None => Ok(()),
        }
    }

    /// Returns the error of a call that writes after the connection has ended, because of a missed
    /// deadline or because the transport has failed.
    #[cold]
    pub(super) fn not_connected(&self) -> io::Error {
        let text = match self.check_deadlines() {
            Err(error) => format!("nothing can be written any more: {error}"),
            Ok(()) => String::from("nothing can be written any more: the transport has failed"),
        };
        io::Error::new(io::ErrorKind::NotConnected, text)
    }

    /// Returns how a closed connection ended. A code that is no success is an error.
    pub(super) fn outcome(&self) -> Result<(), Error> {
        match self.engine.close_status() {
            Some(status) if !status.is_success() => Err(Error::Closed(Box::new(status.clone()))),
            // Without a status: a handshake that was rejected or refused.
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that the transport has failed, or that the peer has missed a deadline, when all input
    /// is processed. Returns the outcome of the connection.
    ///
    /// A result that is known does not depend on how the transport ends: a refusal whose body is
    /// incomplete, a clean end, a violation. Otherwise, the cause says more than the engine, which
    /// knows only that the transport has ended.
    pub(super) fn transport_lost(&mut self, cause: Error) -> Result<Option<Box<Refusal>>, Error> {
        match self.engine.receive_eof() {
            Ok(Some(Event::Refused(mut refusal))) => {
                refusal.is_complete = false;
                Ok(Some(refusal))
            }
            Ok(_) => self.outcome().map(|()| None),
            Err(error) => match *error {
                ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof => Err(cause),
                _ => Err(error.into()),
            },
        }
    }

    /// Notes that the transport has stopped taking output, in a call that writes and began at
    /// `started`.
    ///
    /// If a deadline passed before that call, nobody has looked for it: the Pong may have arrived
    /// and is not read yet. The peer gets its time again.
    pub(super) fn write_stalled(&mut self, started: Instant) {
        if self.timers.poll_timeout().is_some_and(|deadline| deadline < started) {
            self.timers.written(started);
        }
    }

    /// Keeps the allocation of a message: the first for messages that lie whole in the input, the
    /// next for messages that the engine assembles.
    #[inline]
    pub(super) fn recycle(&mut self, message: Message<'static>) {
        if self.spare.capacity() == 0 {
            self.spare = message.into_bytes();
            self.spare.clear();
        } else {
            self.engine.recycle(message.into());
        }
    }
}

#[cold]
fn wrong_delivery() -> Error {
    let text = "recv returns whole messages, and Config::delivery is Delivery::Chunks: call recv_chunk or recv_event";
    io::Error::new(io::ErrorKind::InvalidInput, text).into()
}

/// What [`Driver::receive`] found in the input.
pub(super) enum Received<'a> {
    /// A message.
    Message(Message<'static>),
    /// Another event.
    Event(Event<'a>),
    /// Another event, and the engine has appended a reply to the output.
    Replied(Event<'a>),
    /// Nothing: all of the input is processed.
    NeedsInput,
}

/// What a call of an adapter that receives returns: messages or chunks alone, or every event.
pub(super) trait FromEvent: Sized {
    /// Whether it stands for whole messages, and not for chunks.
    const IS_WHOLE: bool = false;

    fn from_message(message: Message<'static>) -> Self;

    /// Converts an event that is not a message. `None` skips it: the adapter has done what it
    /// requires.
    fn from_event(event: Event<'_>) -> Option<Self>;
}

impl FromEvent for Message<'static> {
    const IS_WHOLE: bool = true;

    #[inline]
    fn from_message(message: Message<'static>) -> Self {
        message
    }

    #[inline]
    fn from_event(_event: Event<'_>) -> Option<Self> {
        None
    }
}

/// A whole message is one chunk.
impl FromEvent for Chunk<'static> {
    fn from_message(message: Message<'static>) -> Self {
        Chunk::new(message, ReservedBits::NONE, true, true)
    }

    fn from_event(event: Event<'_>) -> Option<Self> {
        match event {
            Event::Chunk(chunk) => Some(chunk.into_owned()),
            _ => None,
        }
    }
}

impl FromEvent for Event<'static> {
    fn from_message(message: Message<'static>) -> Self {
        message.into()
    }

    fn from_event(event: Event<'_>) -> Option<Self> {
        Some(event.into_owned())
    }
}

/// Like [`Cow::into_owned`], with the allocation `spare`.
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
