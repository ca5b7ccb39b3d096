//! A connection in one thread.

use alloc::vec::Vec;
use core::{fmt, mem, time::Duration};
use std::{
    io::{self, Read, Write},
    time::Instant,
};

use super::{
    input::Input,
    patience::{Direction, Means, Patience},
};
use crate::{
    ClientRequest, CloseCode, Closure, Connection, Event, Response, SendError, State,
    adapter::{
        AsMessage, Error, Message, Settings,
        driver::{Driver, Received},
        output::is_fatal,
    },
};

/// A blocking WebSocket over any stream.
///
/// It delivers whole messages and answers pings and the closing handshake while it [receives](Self::recv). With manual
/// replies, take [`recv_event`](Self::recv_event).
///
/// Over TCP, [`Settings::timeouts`] are kept by whatever call waits, by means of the timeouts of the socket. Those that its
/// owner sets limit a single call, as ever. Over other streams, deadlines are looked at when a read or a write returns, and
/// somebody else has to see to it that it does.
///
/// When a connection over TCP has ended, the call that reports it closes the stream in an orderly way first (RFC 6455, section
/// 7.1.1), within [`Timeouts::close`](crate::timers::Timeouts::close).
pub struct WebSocket<S> {
    pub(super) stream: S,
    pub(super) driver: Driver,
    pub(super) input: Input,
    /// An event whose replies are not written yet.
    pub(super) event: Option<Event<'static>>,
    pub(super) means: Means<S>,
    pub(super) reading: Patience<S>,
    pub(super) writing: Patience<S>,
    finished: bool,
}

impl<S: Read + Write> WebSocket<S> {
    /// Opens a connection as a client over a stream that is connected already: TCP, or TLS for `wss`.
    ///
    /// # Errors
    /// The request cannot be sent, the transport fails, the server breaks the protocol or [refuses](Error::Refused).
    pub fn client(
        stream: S,
        request: &ClientRequest,
        settings: impl Into<Settings>,
    ) -> Result<(Self, Response<'static>), Error> {
        Self::open(stream, request, &settings.into(), Means::NONE)
    }

    pub(super) fn open(
        stream: S,
        request: &ClientRequest,
        settings: &Settings,
        means: Means<S>,
    ) -> Result<(Self, Response<'static>), Error> {
        let driver = Driver::client(request, settings, Instant::now())?;
        let mut ws = Self::new(stream, driver, means);
        loop {
            match ws.recv_event()? {
                Some(Event::Open(response)) => return Ok((ws, response)),
                Some(Event::Refused(refusal)) => return Err(Error::Refused(refusal)),
                Some(_) => {}
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            }
        }
    }

    /// Goes on with a connection whose handshake is done, with an [engine that was upgraded](Connection::upgraded). Of the
    /// settings, those of the engine have no effect any more.
    #[must_use]
    pub fn upgraded(stream: S, engine: Connection, settings: impl Into<Settings>) -> Self {
        Self::going_on(stream, engine, &settings.into(), Means::NONE)
    }

    pub(super) fn going_on(stream: S, engine: Connection, settings: &Settings, means: Means<S>) -> Self {
        Self::new(stream, Driver::upgraded(engine, settings, Instant::now()), means)
    }

    /// What whoever did the handshake has read from the stream beyond it: it comes before what is read from now on.
    #[must_use]
    pub fn read_ahead(mut self, bytes: &[u8]) -> Self {
        self.input.prefill(bytes);
        self
    }

    /// A server that waits for a request.
    pub(super) fn waiting(stream: S, settings: &Settings, means: Means<S>) -> Self {
        Self::new(stream, Driver::server(settings, Instant::now()), means)
    }

    fn new(stream: S, driver: Driver, means: Means<S>) -> Self {
        Self {
            stream,
            driver,
            input: Input::new(),
            event: None,
            reading: Patience::new(&means, Direction::Read),
            writing: Patience::new(&means, Direction::Write),
            means,
            finished: false,
        }
    }

    /// Waits for the next message. `None`: the connection was closed in an orderly way; [`closure`](Self::closure)
    /// says how.
    ///
    /// What [`feed`](Self::feed) left in the output is written before it blocks.
    ///
    /// # Errors
    /// The transport failed, or ended without a closing handshake, or the peer broke the protocol.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.next()
    }

    /// Waits for the next event of any kind: as [`recv`](Self::recv), but Ping, Pong and Close are reported too.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        self.next()
    }

    /// The next event of those that are asked for.
    fn next<R: Received>(&mut self) -> Result<Option<R>, Error> {
        loop {
            if let Err(error) = self.driver.check() {
                return self.give_up(error);
            }
            if self.event.is_some() {
                // If this fails, the event is there when the caller comes back.
                self.write_to_read()?;
                match self.event.take().and_then(R::other) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            // A reply does not wait until the caller comes back; what was fed does.
            match self.input.receive(&mut self.driver, &mut self.event) {
                Ok(Some(Some(event))) => return Ok(Some(event)),
                Ok(Some(None)) => continue,
                Ok(None) => {}
                Err(error) => {
                    // The peer may not read any more what it did wrong.
                    let _written = self.write();
                    self.finish();
                    return Err(error.into());
                }
            }
            if self.driver.engine.state() == State::Closed {
                self.write_to_read()?;
                self.finish();
                let event = self.driver.engine.receive_eof()?;
                return Ok(event.and_then(R::other));
            }
            match self.read() {
                Ok(0) => {
                    let event = self.driver.engine.receive_eof()?;
                    if let Some(event) = event.and_then(R::other) {
                        return Ok(Some(event));
                    }
                }
                Ok(_) => {}
                Err(Error::Io(error)) if !is_fatal(&error) => return Err(error.into()),
                Err(error) => return self.give_up(error),
            }
        }
    }

    /// The transport is lost. The engine learns of it; what is reported is the cause.
    fn give_up<T>(&mut self, error: Error) -> Result<T, Error> {
        let _lost = self.driver.engine.receive_eof();
        self.finish();
        Err(error)
    }

    /// Reads once, as long as the deadlines allow.
    fn read(&mut self) -> Result<usize, Error> {
        // Not by the present time: what proves the peer alive may just have arrived.
        self.driver.handle_timeout(self.input.read)?;
        loop {
            self.write_to_read()?;
            // The peer may have been given up while writing.
            self.driver.check()?;
            let now = Instant::now();
            self.reading.prepare(&self.stream, now, self.driver.deadline(now));
            match self.input.fill(&mut self.stream) {
                Ok(n) => {
                    self.reading.renew();
                    return Ok(n);
                }
                Err(error) if is_fatal(&error) => return Err(error.into()),
                Err(error) => {
                    let now = Instant::now();
                    self.driver.handle_timeout(now)?;
                    if !self.reading.lasts(&error, now) {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    /// Writes everything, as long as the deadlines allow.
    fn write(&mut self) -> io::Result<()> {
        let (begun, mut stalled) = (Instant::now(), false);
        while self.driver.output.is_pending() {
            let now = Instant::now();
            self.writing.prepare(&self.stream, now, self.driver.deadline(now));
            let written = self.driver.output.flush(&mut self.stream);
            let now = Instant::now();
            if self.driver.note_writing(now) {
                self.writing.renew();
            }
            if let Err(error) = written {
                if !mem::replace(&mut stalled, true) {
                    self.driver.begin_stall(begun);
                }
                if self.driver.handle_timeout(now).is_err() {
                    return self.driver.output.check();
                }
                if !self.writing.lasts(&error, now) {
                    return Err(error);
                }
            }
        }
        self.writing.renew();
        self.driver.output.check()
    }

    /// As [`write`](Self::write) for one who goes on reading: the peer may have said why it went.
    fn write_to_read(&mut self) -> io::Result<()> {
        match self.write() {
            Err(error) if is_fatal(&error) => Ok(()),
            written => written,
        }
    }

    /// Sends a message and waits until it is written.
    ///
    /// # Errors
    /// The transport failed, or the connection is closing. After a timeout the message is in the output, perhaps half of it
    /// written: [`flush`](Self::flush) goes on, another `send` would send it twice.
    pub fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.feed(message)?;
        Ok(self.flush()?)
    }

    /// Puts a message into the output. It is written with the next [`flush`](Self::flush) or [`send`](Self::send), or
    /// before [`recv`](Self::recv) blocks: so a server that answers many messages of one read writes once.
    ///
    /// # Errors
    /// The connection is closing.
    pub fn feed(&mut self, message: impl AsMessage) -> Result<(), SendError> {
        self.driver.feed(message.as_message())
    }

    /// Writes what is in the output.
    ///
    /// # Errors
    /// The transport failed. A further call goes on where this one stopped.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write()
    }

    /// Sends a Ping with at most 125 bytes.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or the payload is too long.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.driver.engine.ping(payload, &mut self.driver.output.buf)?;
        Ok(self.flush()?)
    }

    /// Sends a Pong with at most 125 bytes, unsolicited or, with manual replies, as an answer.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.driver.engine.pong(payload, &mut self.driver.output.buf)?;
        Ok(self.flush()?)
    }

    /// Begins the closing handshake. Go on with [`recv`](Self::recv) until it returns `None`.
    ///
    /// # Errors
    /// The transport failed, the connection is closing already, or the code or reason may not be sent.
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.driver.close(code.into(), reason, Instant::now())?;
        Ok(self.flush()?)
    }

    /// Gives the memory of a message back, so that a steady stream of messages allocates nothing. The connection holds
    /// it, however large, until the next message takes it.
    pub fn recycle(&mut self, message: Message) {
        self.driver.recycle(message);
    }

    /// The time that the peer took to answer the last Ping of [`Timeouts::ping`](crate::timers::Timeouts::ping).
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.driver.timers.round_trip()
    }

    /// How the connection was closed, or is being closed.
    #[must_use]
    pub fn closure(&self) -> Option<&Closure> {
        self.driver.engine.closure()
    }

    /// The engine and the output, for everything that has no method here. The output is written with the next call.
    pub const fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        (&mut self.driver.engine, &mut self.driver.output.buf)
    }

    /// The stream.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream, and what was read from it and not processed, as
    /// [`Parts::unread`](crate::Parts::unread) has it. Output that is not written is lost: [`flush`](Self::flush) first.
    #[must_use]
    pub fn into_parts(self) -> (S, Vec<u8>) {
        let mut unread = self.driver.engine.into_parts().unread;
        unread.extend_from_slice(self.input.unread());
        self.reading.restore(&self.stream);
        self.writing.restore(&self.stream);
        (self.stream, unread)
    }

    pub(super) fn finish(&mut self) {
        if let (false, Some(teardown)) = (self.finished, self.driver.engine.teardown()) {
            self.finished = true;
            let until = self.driver.linger(Instant::now());
            self.means.finish(&mut self.stream, teardown, until);
        }
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("engine", &self.driver.engine)
            .finish_non_exhaustive()
    }
}
