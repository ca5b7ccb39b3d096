//! Makes the calls of a recording again, and compares what they do.
//!
//! The connection is recorded again, so events, errors and output are compared as the lines that
//! stand for them.

mod arguments;

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Display;

use self::arguments::{Arguments, Reason, bytes, text};
use super::{
    Recording, ReplayError,
    entry::{CallLine, ConstructorLine, Entry, Set},
    field::Data,
};
use crate::{
    connection::Connection,
    error::{LocalHandshakeError, RequestError},
    event::Event,
    frame::Header,
    handshake::Request,
    message::MessageKind,
    recorder::Recorder,
    send::PreparedMessage,
};

impl Recording<'_> {
    /// Makes all calls of the recording again, on a new connection with the same seed, and returns
    /// it. Every call has done what the recording says: the same event or error, and the same bytes
    /// of output.
    ///
    /// The instants do not matter: a connection has no clock. What permessage-deflate compresses to
    /// depends on the library: replay with the one, `miniz_oxide` or `zlib-rs`, that the recording
    /// was made with.
    ///
    /// # Errors
    /// [`Difference`](ReplayError::Difference) names the first line that is not the same.
    /// [`Redacted`](ReplayError::Redacted) if the recording was redacted: it lacks the bytes.
    /// [`Impossible`](ReplayError::Impossible) if a call cannot be made: a text that is not UTF-8,
    /// a request that there was not, or an acceptance that passes on the answer of another server,
    /// which is not in the recording.
    pub fn replay(self) -> Result<Connection, ReplayError> {
        let mut replay = Replay::default();
        for entry in self.entries() {
            // It was checked.
            let Ok((line, entry)) = entry else { continue };
            replay.line = line.number;
            match entry {
                Entry::At(_) => continue,
                Entry::Truncated => break,
                _ => {}
            }
            if !matches!(entry, Entry::Outcome(_)) {
                replay.compare_end()?;
            }
            let is_comparable = replay.take(entry)?;
            replay.recorded.push((line.number, line.rest));
            if is_comparable {
                replay.compare()?;
            }
        }
        replay.line += 1;
        replay.compare_end()?;
        match replay.connection {
            Some(mut connection) => {
                connection.stop_recording();
                Ok(connection)
            }
            None => Err(impossible(replay.line - 1, "it does not begin")),
        }
    }
}

#[derive(Default)]
struct Replay<'a> {
    /// The number of the line, from 1.
    line: usize,
    connection: Option<Connection>,
    arguments: Arguments,
    request: Option<Request<'static>>,
    not_allowed: Option<RequestError>,
    out: Vec<u8>,
    /// The lines of the recording that were not compared.
    recorded: Vec<(usize, &'a str)>,
    /// The lines of the replay that were not compared, the next one last.
    replayed: Vec<String>,
}

fn impossible(line: usize, reason: impl Display) -> ReplayError {
    let reason = reason.to_string();
    ReplayError::Impossible { line, reason }
}

impl Replay<'_> {
    /// Compares what was recorded up to here.
    fn compare(&mut self) -> Result<(), ReplayError> {
        for (line, recorded) in self.recorded.drain(..) {
            let replayed = self.replayed.pop().unwrap_or_default();
            if recorded != replayed {
                return Err(ReplayError::Difference {
                    line,
                    recorded: recorded.to_owned(),
                    replayed,
                });
            }
        }
        Ok(())
    }

    /// Checks that the last call has done no more than was recorded before this line.
    fn compare_end(&mut self) -> Result<(), ReplayError> {
        match self.replayed.pop() {
            None => Ok(()),
            Some(replayed) => Err(ReplayError::Difference {
                line: self.line,
                recorded: String::new(),
                replayed,
            }),
        }
    }

    /// Does what the line says. Returns whether lines can be compared: those of a call and of what
    /// it has done, but not its arguments.
    fn take(&mut self, entry: Entry<'_>) -> Result<bool, ReplayError> {
        let line = self.line;
        match entry {
            Entry::Argument(argument) => {
                let taken = self.arguments.take(argument);
                taken.map_err(|error| error.at(line))?;
                return Ok(false);
            }
            Entry::Set(set) => {
                let connection = self.connection()?;
                match set {
                    Set::MaxMessageSize(bytes) => connection.set_max_message_size(bytes),
                    #[cfg(feature = "deflate")]
                    Set::Compression(enabled) => connection.set_compression(enabled),
                    #[cfg(not(feature = "deflate"))]
                    Set::Compression(_) => return Err(self.impossible("the feature deflate is off")),
                }
                return Ok(false);
            }
            Entry::First => return Ok(false),
            Entry::At(_) | Entry::Outcome(_) | Entry::Truncated => return Ok(true),
            Entry::Call(call) => {
                let arguments = core::mem::take(&mut self.arguments);
                self.call(call, &arguments)?;
                self.out.clear();
            }
        }
        let replayed = self.connection()?.take_recorded();
        self.replayed = replayed.lines().rev().map(ToOwned::to_owned).collect();
        Ok(true)
    }

    fn connection(&mut self) -> Result<&mut Connection, ReplayError> {
        Ok(self.parts()?.0)
    }

    fn impossible(&self, reason: impl Display) -> ReplayError {
        impossible(self.line, reason)
    }

    fn bytes(&self, data: Data<'_>) -> Result<Vec<u8>, ReplayError> {
        bytes(data).map_err(|reason| reason.at(self.line))
    }

    fn construct(&mut self, constructor: ConstructorLine, arguments: &Arguments) -> Result<(), ReplayError> {
        let recorder = Recorder::in_memory();
        let config = arguments.config.clone();
        let negotiated = arguments.negotiated();
        let seed = match arguments.seed {
            Some(seed) if constructor.is_client() => seed,
            None if !constructor.is_client() => [0; 32],
            Some(_) => return Err(self.impossible("a server has no seed")),
            None => return Err(self.impossible("the seed is missing")),
        };
        self.connection = Some(match constructor {
            ConstructorLine::Server => recorder.server(config),
            ConstructorLine::UpgradedServer => recorder.upgraded_server(&negotiated, config),
            ConstructorLine::UpgradedClient => recorder.upgraded_client(&negotiated, config, seed),
            ConstructorLine::Client => {
                let request = arguments.request().map_err(|error| error.at(self.line))?;
                let connection = recorder.client(&request, config, seed, &mut self.out);
                connection.map_err(|error| self.impossible(error))?
            }
        });
        Ok(())
    }

    /// Makes a call. Its result is in what the connection has recorded.
    fn call(&mut self, call: CallLine<'_>, arguments: &Arguments) -> Result<(), ReplayError> {
        match call {
            CallLine::Constructor(constructor) => self.construct(constructor, arguments)?,
            CallLine::Receive(data) => self.receive(&mut self.bytes(data)?)?,
            CallLine::ReceiveEof => _ = self.connection()?.receive_eof(),
            CallLine::Accept { has_config } => self.accept(has_config, arguments)?,
            CallLine::Reject(status, body) => {
                let body = self.bytes(body)?;
                let headers = arguments.headers();
                let (connection, out) = self.parts()?;
                let _result = connection.reject(status, &headers, &body, out);
            }
            CallLine::RejectNotAllowed => self.reject_not_allowed()?,
            call => {
                let line = self.line;
                let (connection, out) = self.parts()?;
                send(connection, call, out).map_err(|reason| reason.at(line))?;
            }
        }
        Ok(())
    }

    fn parts(&mut self) -> Result<(&mut Connection, &mut Vec<u8>), ReplayError> {
        let line = self.line;
        let Self { connection, out, .. } = self;
        match connection {
            Some(connection) => Ok((connection, out)),
            None => Err(impossible(line, "there is no connection")),
        }
    }

    /// One call, which consumed all of it.
    fn receive(&mut self, mut input: &mut [u8]) -> Result<(), ReplayError> {
        let (connection, out) = self.parts()?;
        let event = connection.receive(&mut input, out);
        if let Ok(Some(Event::Request(request))) = event {
            self.request = Some(request.into_owned());
        }
        Ok(())
    }

    fn accept(&mut self, has_config: bool, arguments: &Arguments) -> Result<(), ReplayError> {
        let line = self.line;
        let lists = arguments.lists();
        let accept = arguments.accept(has_config, &lists).map_err(|error| error.at(line))?;
        let Self {
            connection,
            request,
            out,
            not_allowed,
            ..
        } = self;
        match (connection, request) {
            (Some(connection), Some(request)) => {
                if let Err(LocalHandshakeError::NotAllowed { error }) = connection.accept(request, &accept, out) {
                    *not_allowed = Some(error);
                }
                Ok(())
            }
            _ => Err(impossible(line, "there is no request")),
        }
    }

    #[cfg(feature = "std")]
    fn reject_not_allowed(&mut self) -> Result<(), ReplayError> {
        let Some(error) = self.not_allowed else {
            return Err(self.impossible("no request was not allowed"));
        };
        let (connection, out) = self.parts()?;
        let _result = connection.reject_with_error(error, out);
        Ok(())
    }

    #[cfg(not(feature = "std"))]
    fn reject_not_allowed(&self) -> Result<(), ReplayError> {
        Err(self.impossible("the feature std is off"))
    }
}

/// Makes a call that sends.
fn send(connection: &mut Connection, call: CallLine<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let _sent = match call {
        CallLine::Send(MessageKind::Text, data) => connection.send_text(&text(data)?, out),
        CallLine::Send(MessageKind::Binary, data) => connection.send_binary(&bytes(data)?, out),
        CallLine::SendFragment(kind, data, fin, reserved) => {
            connection.send_fragment_with(kind, &bytes(data)?, fin, reserved, out)
        }
        CallLine::SendHeader(kind, len) => connection.send_header(kind, len, out),
        CallLine::SendInPlace(kind, data) => {
            let mut buf = [&[0; Header::MAX_LEN], &bytes(data)?[..]].concat();
            connection.send_in_place(kind, &mut buf).map(drop)
        }
        CallLine::SendFragmentHeader(kind, data, fin) => {
            connection.send_fragment_header(kind, &mut bytes(data)?, fin, out)
        }
        CallLine::SendPrepared(kind, data) => connection.send_prepared(&prepared(kind, data)?, out),
        CallLine::PreparedFrame(kind, data) => connection.prepared_frame(&prepared(kind, data)?).map(drop),
        CallLine::Ping(payload) => connection.ping(&bytes(payload)?, out),
        CallLine::Pong(payload) => connection.pong(&bytes(payload)?, out),
        CallLine::Close(code, reason) => connection.close(code, &text(reason)?, out),
        _ => return Err(Reason::new("it is no call that sends")),
    };
    Ok(())
}

fn prepared(kind: MessageKind, data: Data<'_>) -> Result<PreparedMessage, Reason> {
    Ok(match kind {
        MessageKind::Text => PreparedMessage::text(&text(data)?),
        MessageKind::Binary => PreparedMessage::binary(&bytes(data)?),
    })
}
