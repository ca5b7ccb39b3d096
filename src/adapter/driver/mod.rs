//! What all adapters have in common: the engine, its output and its deadlines.

mod receive;
mod send;

pub(in crate::adapter) use self::send::Outgoing;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;
use std::{io, time::Instant};

use super::{Error, Settings, received::ChunkConsumer, trace::Trace};
use crate::{
    Accept, ClientRequest, CloseCode, Connection, Event, ProtocolError, Request, State,
    error::LocalHandshakeError,
    handshake::Refusal,
    timers::{Due, Timers},
};

/// An engine with its output and its deadlines. It neither reads nor writes nor waits.
pub(in crate::adapter) struct Driver {
    pub(in crate::adapter) engine: Connection,
    /// The output of the engine.
    pub(in crate::adapter) out: Vec<u8>,
    /// Pings and Pongs, if the engine divides messages into fragments: they leave between these.
    pub(in crate::adapter) control: Vec<u8>,
    /// How many bytes of `out` and `control` are replies, such as Pongs.
    pub(in crate::adapter) reply_bytes: usize,
    pub(in crate::adapter) timers: Timers<Instant>,
    /// [`Settings::high_water`].
    pub(in crate::adapter) high_water: usize,
    /// Something of a message was received, and not reported to the timers.
    has_unreported_message: bool,
    /// How much of the message in progress had arrived after the last input.
    incomplete_len: usize,
    /// The deadline that the peer has missed. The connection is lost.
    missed_deadline: Option<(Due, Duration)>,
    /// A recycled allocation, for the next message that is complete in the input.
    spare: Vec<u8>,
    /// Whom the call that receives takes chunks for.
    chunk_consumer: ChunkConsumer,
    /// A [reader](ChunkConsumer::SameReader) has not read its message to the end.
    is_in_reader: bool,
    /// The rest of the message in progress is not returned: its reader was dropped.
    skips_message: bool,
    /// The half that has begun a message in fragments, and has not ended it.
    message_sender: Option<SenderId>,
    trace: Trace,
}

/// Identifies who sends the fragments of a message, so that nobody else's come between them: a
/// handle of a writer, or a [`MessageWriter`](crate::adapter::std_net::MessageWriter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adapter) struct SenderId(u64);

impl SenderId {
    /// The one of a connection that is not split.
    pub(in crate::adapter) const UNSPLIT: Self = Self(0);

    /// The one of a writer that has a number from 1 on.
    pub(in crate::adapter) const fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of a writer.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(in crate::adapter) const fn number(self) -> u64 {
        self.0
    }
}

impl Driver {
    /// Creates a client's connection. The request is in the output.
    pub(in crate::adapter) fn client(
        request: &ClientRequest,
        settings: &Settings,
        now: Instant,
    ) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut out = Vec::new();
        let engine = settings.client(request, seed, &mut out)?;
        Ok(Self {
            out,
            ..Self::new(engine, settings, now)
        })
    }

    /// Creates a server's connection, which waits for a request.
    pub(in crate::adapter) fn server(settings: &Settings, now: Instant) -> Self {
        Self::new(settings.server(), settings, now)
    }

    /// Continues a connection whose opening handshake is done.
    pub(in crate::adapter) fn upgraded(engine: Connection, settings: &Settings, now: Instant) -> Self {
        let mut driver = Self::new(engine, settings, now);
        driver.timers.opened(now);
        driver.trace.opened(&driver.engine);
        driver
    }

    fn new(engine: Connection, settings: &Settings, now: Instant) -> Self {
        Self {
            trace: Trace::new(&engine),
            engine,
            out: Vec::new(),
            control: Vec::new(),
            reply_bytes: 0,
            timers: Timers::new(settings.timeouts, now),
            high_water: settings.high_water,
            has_unreported_message: false,
            incomplete_len: 0,
            missed_deadline: None,
            spare: Vec::new(),
            chunk_consumer: ChunkConsumer::Application,
            is_in_reader: false,
            skips_message: false,
            message_sender: None,
        }
    }

    /// Appends the acceptance of a request. If the request is not allowed, appends a response with
    /// status 403 instead, and if the acceptance cannot be sent, one with status 500.
    pub(in crate::adapter) fn accept(
        &mut self,
        request: &Request<'_>,
        accept: &Accept<'_>,
        now: Instant,
    ) -> Result<(), LocalHandshakeError> {
        let accepted = self.engine.accept(request, accept, &mut self.out);
        match accepted {
            Ok(()) => self.timers.opened(now),
            Err(LocalHandshakeError::NotAllowed { error }) => {
                let _rejected = self.engine.reject_with_error(error, &mut self.out);
            }
            Err(_) => self.reject_with_500(),
        }
        match &accepted {
            Ok(()) => self.trace.opened(&self.engine),
            Err(error) => self.trace.failed(error),
        }
        accepted
    }

    /// Appends the rejection of a request. If it cannot be sent, appends a response with status 500
    /// instead.
    pub(in crate::adapter) fn reject(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), LocalHandshakeError> {
        let rejected = self.engine.reject(status, headers, body, &mut self.out);
        if rejected.is_err() {
            self.reject_with_500();
        }
        self.trace.rejected(if rejected.is_ok() { status } else { 500 });
        rejected
    }

    fn reject_with_500(&mut self) {
        let _rejected = self.engine.reject(500, &[], b"", &mut self.out);
    }

    /// Returns the next deadline, for a caller that is about to wait.
    pub(in crate::adapter) fn deadline(&mut self, now: Instant) -> Option<Instant> {
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
    pub(in crate::adapter) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        while let Some(due) = self.timers.handle_timeout(now) {
            // There is one: it has just passed.
            let limit = self.timers.limit(due).unwrap_or_default();
            match due {
                Due::Ping(payload) => _ = self.append_ping(&payload),
                Due::Idle => {
                    self.trace.missed_deadline(&due, limit);
                    let _sent = self.close(Some(CloseCode::GOING_AWAY), "idle", now);
                }
                Due::Handshake | Due::Pong | Due::Close => {
                    self.trace.missed_deadline(&due, limit);
                    self.missed_deadline = Some((due, limit));
                    (self.out, self.control) = (Vec::new(), Vec::new());
                }
            }
        }
        self.check_deadlines()
    }

    /// Fails if the peer has missed a deadline.
    pub(in crate::adapter) fn check_deadlines(&self) -> Result<(), Error> {
        match self.missed_deadline {
            Some((due, limit)) => Err(Error::TimedOut { due, limit }),
            None => Ok(()),
        }
    }

    /// Returns the error of a call that writes after the connection has ended, because of a missed
    /// deadline or because the transport has failed.
    #[cold]
    pub(in crate::adapter) fn not_connected(&self) -> io::Error {
        let text = match self.check_deadlines() {
            Err(error) => format!("nothing can be written any more: {error}"),
            Ok(()) => String::from("nothing can be written any more: the transport has failed"),
        };
        io::Error::new(io::ErrorKind::NotConnected, text)
    }

    /// Returns how a closed connection ended. A code that is no success is an error.
    pub(in crate::adapter) fn outcome(&self) -> Result<(), Error> {
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
    pub(in crate::adapter) fn transport_lost(&mut self, cause: Error) -> Result<Option<Box<Refusal>>, Error> {
        match self.engine.receive_eof() {
            Ok(Some(Event::Refused(mut refusal))) => {
                refusal.is_complete = false;
                Ok(Some(refusal))
            }
            Ok(_) => self.outcome().map(|()| None),
            Err(error) => match *error {
                ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof => {
                    self.trace.failed(&cause);
                    Err(cause)
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Tells subscribers of `tracing` how the connection has ended. Only the first call counts.
    pub(in crate::adapter) fn trace_end(&mut self) {
        self.trace.ended(&self.engine);
    }

    /// Notes that the transport has stopped taking output, in a call that writes and began at
    /// `started`.
    ///
    /// If a deadline passed before that call, nobody has looked for it: the Pong may have arrived
    /// and is not read yet. The peer gets its time again.
    pub(in crate::adapter) fn write_stalled(&mut self, started: Instant) {
        self.report_message(|| started);
        if self.timers.poll_timeout().is_some_and(|deadline| deadline < started) {
            self.timers.written(started);
        }
    }
}
