//! Reading from a blocking stream: the loop of a whole connection and of its reading half.

use alloc::boxed::Box;
use core::ops::ControlFlow::{self, Break, Continue};
use std::{
    io::{self, Read},
    time::Instant,
};

use super::{access::Access, input::Input, is_fatal, socket::SocketHooks, socket_timeout::SocketTimeout, unless_fatal};
use crate::{
    Event, Message, ProtocolError, State,
    adapter::{
        Batch, Error,
        received::{FromEvent, Received, Source},
        take::{Borrow, Each, Owned, Take},
    },
};

/// What the loop needs of its connection.
pub(super) trait Duplex<R>: Access {
    /// The stream to read from.
    fn stream(&mut self) -> &mut R;

    /// Writes all output. Waits for a writer in another thread.
    fn flush(&mut self) -> io::Result<()>;

    /// Writes all output that no writer in another thread is about to write. Never waits for such a
    /// writer.
    fn flush_replies(&mut self) -> io::Result<()>;
}

/// The reading direction of a connection.
pub(super) struct ReadLoop<R> {
    pub(super) input: Input,
    /// An event whose reply is not written yet.
    held_event: Option<Event<'static>>,
    pub(super) timeout: SocketTimeout<R>,
    /// `None`: a stream of unknown type.
    hooks: Option<SocketHooks<R>>,
    is_torn_down: bool,
}

impl<R> ReadLoop<R> {
    pub(super) fn new(hooks: Option<SocketHooks<R>>) -> Self {
        Self {
            input: Input::new(Instant::now()),
            held_event: None,
            timeout: SocketTimeout::read(hooks.as_ref()),
            hooks,
            is_torn_down: false,
        }
    }

    /// Whether an event is not returned yet, and is not in the input any more.
    pub(super) const fn holds_event(&self) -> bool {
        self.held_event.is_some()
    }

    /// The same for another stream, which has no hooks.
    pub(super) fn without_hooks<S>(self) -> ReadLoop<S> {
        ReadLoop {
            input: self.input,
            held_event: self.held_event,
            ..ReadLoop::new(None)
        }
    }
}

impl<R: Read> ReadLoop<R> {
    /// Waits for the next event of those that `T` stands for. `None`: the connection ended well.
    pub(super) fn next<T: FromEvent>(&mut self, connection: &mut impl Duplex<R>) -> Result<Option<T>, Error> {
        self.receive(connection, &mut Owned::new())
    }

    /// Waits for the next message and passes it to `function`, borrowed from the input if it lies
    /// whole in there. The core is not locked then. `None`: the connection ended well.
    pub(super) fn next_with<V>(
        &mut self,
        connection: &mut impl Duplex<R>,
        function: impl FnOnce(Message<'_>) -> V,
    ) -> Result<Option<V>, Error> {
        self.receive(connection, &mut Borrow(&mut Some(function)))
    }

    /// Waits for messages and passes those of one read to `function`, borrowed. The core is locked
    /// then. Returns how many they were. `None`: the connection ended well.
    pub(super) fn next_batch(
        &mut self,
        connection: &mut impl Duplex<R>,
        mut function: impl FnMut(Message<'_>, &mut Batch<'_>) -> Result<(), Error>,
    ) -> Result<Option<usize>, Error> {
        self.receive(connection, &mut Each::new(&mut function))?.transpose()
    }

    /// Waits for the next event that `take` takes. `None`: the connection ended well.
    fn receive<K: Take>(&mut self, connection: &mut impl Duplex<R>, take: &mut K) -> Result<Option<K::Output>, Error> {
        connection.core().driver.begin_receiving::<K::Call>()?;
        loop {
            if let Break(ended) = self.before_receiving(connection, take)? {
                return Ok(ended);
            }
            let mut core = connection.core();
            let failure = match core.driver.receive(&mut self.input, take.has_taken()) {
                Ok(Received::Message(message)) => match take.message(message, core) {
                    Continue(_) if take.is_ended() => return Ok(take.taken()),
                    Continue(_) => continue,
                    Break(taken) => return Ok(taken),
                },
                Ok(Received::Event(event)) => match take.event(event) {
                    None => continue,
                    event => return Ok(event),
                },
                Ok(Received::Replied(event)) => {
                    self.held_event = Some(event.into_owned());
                    continue;
                }
                Ok(Received::Skipped) => continue,
                Ok(Received::NeedsInput) => None,
                Err(error) => Some(error),
            };
            drop(core);
            // A failure is found again.
            if let Some(taken) = take.taken() {
                return Ok(Some(taken));
            }
            if let Break(ended) = self.after_input(connection, failure, take)? {
                return Ok(ended);
            }
        }
    }

    /// Does what comes before receiving: writes a reply, and ends a connection that is lost. Breaks
    /// with what the call returns.
    fn before_receiving<K: Take>(
        &mut self,
        connection: &mut impl Duplex<R>,
        take: &mut K,
    ) -> Result<ControlFlow<Option<K::Output>>, Error> {
        let is_full = K::APPENDS && connection.core().is_above_high_water();
        if self.held_event.is_some() || is_full {
            if let Some(taken) = take.taken() {
                return Ok(Break(Some(taken)));
            }
        }
        if is_full {
            // After a fatal error, nothing is left to write.
            unless_fatal(connection.flush())?;
        }
        if self.held_event.is_some() {
            // A reply is written at once. What was fed waits until the input is processed. If this
            // fails, a later call returns the event.
            unless_fatal(connection.flush_replies())?;
            if let Some(event) = self.held_event.take().and_then(|event| take.event(event)) {
                return Ok(Break(Some(event)));
            }
        }
        // What was read before is received first.
        if self.input.is_processed {
            let checked = connection.core().driver.check_deadlines();
            if let Err(error) = checked {
                let event = self.abort(connection, error)?;
                return Ok(Break(event.and_then(|event| take.event(event))));
            }
        }
        Ok(Continue(()))
    }

    /// Reads more, when all input is processed, or ends a connection that is closed or has failed.
    /// Breaks with what the call returns.
    fn after_input<K: Take>(
        &mut self,
        connection: &mut impl Duplex<R>,
        failure: Option<Box<ProtocolError>>,
        take: &mut K,
    ) -> Result<ControlFlow<Option<K::Output>>, Error> {
        if let Some(error) = failure {
            return Err(self.fail(connection, error));
        }
        let state = {
            let driver = &mut connection.core().driver;
            driver.input_processed(self.input.kept_len(), self.input.read_at());
            driver.engine.state()
        };
        if state != State::Closed {
            let event = self.read_or_abort(connection)?;
            let taken = event.and_then(|event| take.event(event));
            return Ok(taken.map_or(Continue(()), |taken| Break(Some(taken))));
        }
        unless_fatal(connection.flush())?;
        self.teardown(connection);
        connection.core().driver.outcome()?;
        Ok(Break(None))
    }

    /// Reads once. Returns the event that the end of the stream completes, such as the body of a
    /// refusal.
    fn read_or_abort(&mut self, connection: &mut impl Duplex<R>) -> Result<Option<Event<'static>>, Error> {
        match self.read(connection) {
            Ok(0) => {
                let ended = connection.core().driver.engine.receive_eof();
                ended.map_err(|error| {
                    // Without waiting for a writer in another thread, which may wait for this peer.
                    let _written = connection.flush_replies();
                    self.teardown(connection);
                    error.into()
                })
            }
            Ok(_) => Ok(None),
            Err(Error::Io(error)) if !is_fatal(&error) => Err(error.into()),
            Err(error) => self.abort(connection, error),
        }
    }

    /// Reads once, until a deadline or the owner's timeout has passed. Returns 0 at the end of the
    /// stream.
    fn read(&mut self, connection: &mut impl Duplex<R>) -> Result<usize, Error> {
        let is_over_reply_limit = {
            let mut core = connection.core();
            // At the time of the last read: a Pong that has arrived since then is not read yet.
            core.driver.handle_timeout(self.input.read_at)?;
            core.driver.reply_bytes > core.driver.high_water
        };
        if is_over_reply_limit {
            unless_fatal(connection.flush())?;
        }
        loop {
            unless_fatal(connection.flush_replies())?;
            let now = Instant::now();
            let deadline = {
                let mut core = connection.core();
                // A deadline may have passed while the output was written.
                core.driver.check_deadlines()?;
                core.read_deadline(now)
            };
            self.timeout.set(connection.stream(), now, deadline);
            match self.input.fill(connection.stream()) {
                Ok(len) => {
                    self.timeout.restart();
                    return Ok(len);
                }
                Err(error) if is_fatal(&error) => return Err(error.into()),
                Err(error) => {
                    let now = Instant::now();
                    connection.core().driver.handle_timeout(now)?;
                    if !self.timeout.should_retry(&error, now) {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    /// Ends a connection that has failed because of a violation.
    fn fail(&mut self, connection: &mut impl Duplex<R>, error: Box<ProtocolError>) -> Error {
        // The peer may not read any more.
        let _written = connection.flush();
        self.teardown(connection);
        error.into()
    }

    /// Ends a connection whose stream has failed, or whose peer has missed a deadline. Returns the
    /// refusal that was being received, `None` after a clean end, or an error.
    fn abort(&mut self, connection: &mut impl Duplex<R>, error: Error) -> Result<Option<Event<'static>>, Error> {
        let outcome = connection.core().driver.transport_lost(error);
        self.teardown(connection);
        Ok(outcome?.map(Event::Refused))
    }

    /// Closes the stream of a closed connection, once.
    pub(super) fn teardown(&mut self, connection: &mut impl Duplex<R>) {
        if self.is_torn_down {
            return;
        }
        let mut core = connection.core();
        if let Some(teardown) = core.driver.engine.teardown() {
            core.driver.trace_end();
            let deadline = core.teardown_deadline(Instant::now());
            drop(core);
            self.is_torn_down = true;
            if let Some(hooks) = &self.hooks {
                (hooks.teardown)(connection.stream(), teardown, deadline);
            }
        }
    }
}
