//! The calls of a connection that has a recorder.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{Connection, recorded::recorded};
use crate::{
    config::Config,
    error::{LocalHandshakeError, ProtocolError, SendError},
    event::Event,
    handshake::{ClientRequest, Negotiated},
    message::MessageKind,
    recorder::{Call, Constructor, Outcome, Recorder, Settings},
    send::PreparedMessage,
    state::Command,
};

impl Recorder {
    /// Returns what [`Connection::server`] returns, recorded.
    #[must_use]
    pub fn server(self, config: Config) -> Connection {
        let connection = Connection::server(config.clone());
        connection.start_recording(self, &Constructor::Server, &config, &[])
    }

    /// Returns what [`Connection::client`] returns, recorded.
    ///
    /// # Errors
    /// Those of `Connection::client`. Nothing was recorded.
    pub fn client(
        self,
        request: &ClientRequest,
        config: Config,
        seed: [u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<Connection, LocalHandshakeError> {
        let at = out.len();
        let connection = Connection::client(request, config.clone(), seed, out)?;
        let constructor = Constructor::Client { request, seed: &seed };
        let head = out.get(at..).unwrap_or_default();
        Ok(connection.start_recording(self, &constructor, &config, head))
    }

    /// Returns what [`Connection::upgraded_server`] returns, recorded.
    #[must_use]
    pub fn upgraded_server(self, negotiated: &Negotiated, config: Config) -> Connection {
        let connection = Connection::upgraded_server(negotiated, config.clone());
        connection.start_recording(self, &Constructor::UpgradedServer(negotiated), &config, &[])
    }

    /// Returns what [`Connection::upgraded_client`] returns, recorded.
    #[must_use]
    pub fn upgraded_client(self, negotiated: &Negotiated, config: Config, seed: [u8; 32]) -> Connection {
        let connection = Connection::upgraded_client(negotiated, config.clone(), seed);
        let constructor = Constructor::UpgradedClient {
            negotiated,
            seed: &seed,
        };
        connection.start_recording(self, &constructor, &config, &[])
    }
}

impl Connection {
    fn start_recording(
        mut self,
        mut recorder: Recorder,
        constructor: &Constructor<'_>,
        config: &Config,
        out: &[u8],
    ) -> Self {
        if recorder.constructor(constructor, config, out, self.recorded_settings()) {
            self.give_recorder(Box::new(recorder));
        }
        self
    }

    pub(super) fn recorded_settings(&self) -> Settings {
        Settings {
            max_message_size: self.receiver.max_message_size(),
            #[cfg(feature = "deflate")]
            compression: self.sender.is_compression_enabled(),
            #[cfg(not(feature = "deflate"))]
            compression: false,
        }
    }

    #[inline(always)]
    pub(super) fn has_recorder(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.recorder.is_some())
    }

    pub(super) fn take_recorder(&mut self) -> Option<Box<Recorder>> {
        let recorder = self.cold.as_mut()?.recorder.take();
        self.update_path();
        recorder
    }

    fn give_recorder(&mut self, recorder: Box<Recorder>) {
        self.cold.get_or_insert_default().recorder = Some(recorder);
        self.update_path();
    }

    /// Returns what a recorder in memory has written since the last call.
    pub(crate) fn take_recorded(&mut self) -> String {
        let recorder = self.cold.as_mut().and_then(|cold| cold.recorder.as_mut());
        recorder.map(|recorder| recorder.take_text()).unwrap_or_default()
    }

    /// Ends the recording.
    pub(crate) fn stop_recording(&mut self) {
        let _ended = self.take_recorder();
    }

    /// Records a call, and gives the recorder back.
    #[cold]
    pub(super) fn record(
        &mut self,
        mut recorder: Box<Recorder>,
        call: &Call<'_>,
        outcome: &Outcome<'_>,
        before: Settings,
    ) {
        if recorder.call(call, outcome, before, self.recorded_settings()) {
            self.give_recorder(recorder);
        }
    }

    /// Receives, and records the bytes that the call has consumed, as they were before it unmasked
    /// them. After an error, all are recorded: nothing says which ones it has looked at.
    #[cold]
    pub(super) fn receive_recorded<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let Some(mut recorder) = self.take_recorder() else {
            return self.receive(input, out);
        };
        recorder.unread.update(input);
        let (before, at, len) = (self.recorded_settings(), out.len(), input.len());
        let result = self.receive(input, out);
        let consumed = if result.is_err() { len } else { len - input.len() };
        let outcome = Outcome {
            out: out.get(at..).unwrap_or_default(),
            ..event_or_error(&result)
        };
        if consumed == 0 && outcome.is_empty() {
            self.give_recorder(recorder);
        } else {
            let bytes = recorder.unread.consume(consumed);
            self.record(recorder, &Call::Receive(&bytes), &outcome, before);
        }
        result
    }

    pub(super) fn receive_eof_recorded(&mut self) -> Result<Option<Event<'static>>, Box<ProtocolError>> {
        let recorder = self.take_recorder();
        let before = self.recorded_settings();
        let result = self.receive_eof();
        if let Some(recorder) = recorder {
            self.record(recorder, &Call::ReceiveEof, &event_or_error(&result), before);
        }
        result
    }

    #[cold]
    pub(super) fn send_recorded(&mut self, kind: MessageKind, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        recorded!(self, out, Call::Send(kind, data), self.send_recorded(kind, data, out));
        self.sender_for(Command::SendData)?.message(kind, data, out)
    }

    #[cold]
    pub(super) fn send_prepared_recorded(
        &mut self,
        message: &PreparedMessage,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        recorded!(
            self,
            out,
            Call::SendPrepared(message.kind(), message.payload()),
            self.send_prepared(message, out)
        );
        self.send_prepared(message, out)
    }

    pub(super) fn send_in_place_recorded<'b>(
        &mut self,
        kind: MessageKind,
        buf: &'b mut [u8],
    ) -> Result<&'b [u8], SendError> {
        let recorder = self.take_recorder();
        let before = self.recorded_settings();
        let payload = buf.get(crate::frame::Header::MAX_LEN..).map(<[u8]>::to_vec);
        let result = self.send_in_place(kind, buf);
        // A buffer without room for a header is no call that can be repeated.
        match (recorder, payload) {
            (Some(recorder), Some(payload)) => {
                let call = Call::SendInPlace(kind, &payload);
                self.record(recorder, &call, &borrowed(&result), before);
            }
            (Some(recorder), None) => self.give_recorder(recorder),
            (None, _) => {}
        }
        result
    }

    pub(super) fn send_fragment_header_recorded(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let recorder = self.take_recorder();
        let (before, at) = (self.recorded_settings(), out.len());
        let data = payload.to_vec();
        let result = self.send_fragment_header(kind, payload, fin, out);
        if let Some(recorder) = recorder {
            let call = Call::SendFragmentHeader { kind, data: &data, fin };
            let frame = result.as_ref().map(|()| &*payload);
            let outcome = Outcome {
                out: out.get(at..).unwrap_or_default(),
                ..borrowed(&frame)
            };
            self.record(recorder, &call, &outcome, before);
        }
        result
    }

    pub(super) fn prepared_frame_recorded<'m>(&mut self, message: &'m PreparedMessage) -> Result<&'m [u8], SendError> {
        let recorder = self.take_recorder();
        let before = self.recorded_settings();
        let result = self.prepared_frame(message);
        if let Some(recorder) = recorder {
            let call = Call::PreparedFrame(message.kind(), message.payload());
            self.record(recorder, &call, &borrowed(&result), before);
        }
        result
    }
}

fn event_or_error<'a>(result: &'a Result<Option<Event<'_>>, Box<ProtocolError>>) -> Outcome<'a> {
    Outcome {
        event: result.as_ref().ok().and_then(Option::as_ref),
        error: result.as_ref().err().map(|error| error as _),
        ..Outcome::default()
    }
}

fn borrowed<'a, E: core::fmt::Display>(result: &'a Result<&'a [u8], E>) -> Outcome<'a> {
    Outcome {
        borrowed: result.as_ref().copied().unwrap_or_default(),
        error: result.as_ref().err().map(|error| error as _),
        ..Outcome::default()
    }
}
