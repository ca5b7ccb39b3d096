//! What a recorder does in a connection: see `recorder`. Without the feature `recording`, there is
//! nothing here but a macro that is empty.

/// Returns from the method with the result of `$again`, which is recorded as `$call`, if the
/// connection has a recorder. Meanwhile it has none.
#[cfg(feature = "recording")]
macro_rules! recorded {
    ($self:ident, $out:ident, $call:expr, $again:expr) => {
        if let Some(recorder) = $self.recorder.take() {
            let (before, at) = ($self.recorded_settings(), $out.len());
            let result = $again;
            let outcome = crate::recorder::Outcome {
                out: $out.get(at..).unwrap_or_default(),
                error: result.as_ref().err().map(|error| error as _),
                ..Default::default()
            };
            $self.record(recorder, &$call, &outcome, before);
            return result;
        }
    };
}

#[cfg(not(feature = "recording"))]
macro_rules! recorded {
    ($self:ident, $out:ident, $call:expr, $again:expr) => {};
}

pub(super) use recorded;

#[cfg(feature = "recording")]
mod with_recorder {
    use alloc::{boxed::Box, vec::Vec};

    use crate::{
        config::Config,
        connection::Connection,
        error::{LocalHandshakeError, ProtocolError, SendError},
        event::Event,
        handshake::{ClientRequest, Negotiated},
        message::MessageKind,
        recorder::{Call, Outcome, Recorder, Settings, Start},
        role::Role,
        send::PreparedMessage,
        state::Command,
    };

    impl Recorder {
        /// Returns what [`Connection::server`] returns, recorded.
        #[must_use]
        pub fn server(self, config: Config) -> Connection {
            let connection = Connection::server(config.clone());
            connection.start_recording(self, &Start::Server, &config, &[])
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
            let start = Start::Client { request, seed: &seed };
            let head = out.get(at..).unwrap_or_default();
            Ok(connection.start_recording(self, &start, &config, head))
        }

        /// Returns what [`Connection::upgraded_server`] returns, recorded.
        #[must_use]
        pub fn upgraded_server(self, negotiated: &Negotiated, config: Config) -> Connection {
            let connection = Connection::upgraded_server(negotiated, config.clone());
            let start = Start::Upgraded { negotiated, seed: None };
            connection.start_recording(self, &start, &config, &[])
        }

        /// Returns what [`Connection::upgraded_client`] returns, recorded.
        #[must_use]
        pub fn upgraded_client(self, negotiated: &Negotiated, config: Config, seed: [u8; 32]) -> Connection {
            let connection = Connection::upgraded_client(negotiated, config.clone(), seed);
            let seed = Some(&seed);
            let start = Start::Upgraded { negotiated, seed };
            connection.start_recording(self, &start, &config, &[])
        }
    }

    impl Connection {
        fn start_recording(mut self, mut recorder: Recorder, start: &Start<'_>, config: &Config, out: &[u8]) -> Self {
            let role: Role = self.role();
            if recorder.start(role, start, config, out, self.recorded_settings()) {
                self.recorder = Some(Box::new(recorder));
            }
            self
        }

        pub(in crate::connection) fn recorded_settings(&self) -> Settings {
            Settings {
                max_message_size: self.receiver.max_message_size(),
                #[cfg(feature = "deflate")]
                compression: self.sender.is_compression_enabled(),
                #[cfg(not(feature = "deflate"))]
                compression: false,
            }
        }

        /// Returns what a recorder in memory has written since the last call.
        pub(crate) fn take_recorded(&mut self) -> alloc::string::String {
            self.recorder
                .as_mut()
                .map(|recorder| recorder.take_text())
                .unwrap_or_default()
        }

        /// Ends the recording.
        pub(crate) fn stop_recording(&mut self) {
            self.recorder = None;
        }

        /// Records a call, and gives the recorder back.
        #[cold]
        pub(in crate::connection) fn record(
            &mut self,
            mut recorder: Box<Recorder>,
            call: &Call<'_>,
            outcome: &Outcome<'_>,
            before: Settings,
        ) {
            if recorder.call(call, outcome, before, self.recorded_settings()) {
                self.recorder = Some(recorder);
            }
        }

        /// Receives, and records the bytes that the call has consumed, as they were before it
        /// unmasked them. After an error, all are recorded: nothing says which ones it has looked
        /// at.
        #[cold]
        pub(in crate::connection) fn receive_recorded<'b, const WHOLE: bool>(
            &mut self,
            input: &mut &'b mut [u8],
            out: &mut Vec<u8>,
        ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
            let Some(mut recorder) = self.recorder.take() else {
                return self.receive_with::<WHOLE>(input, out);
            };
            let (before, at) = (self.recorded_settings(), out.len());
            // What was left of the last input comes first again, unchanged.
            match input.get(recorder.ahead.len()..) {
                Some(new) => recorder.ahead.extend_from_slice(new),
                None => recorder.ahead = input.to_vec(),
            }
            let result = self.receive_with::<WHOLE>(input, out);
            let left = if result.is_err() { 0 } else { input.len() };
            let consumed = recorder.ahead.len() - left;
            let outcome = Outcome {
                out: out.get(at..).unwrap_or_default(),
                event: result.as_ref().ok().and_then(Option::as_ref),
                error: result.as_ref().err().map(|error| error as _),
                ..Outcome::default()
            };
            let has_outcome = !outcome.out.is_empty() || outcome.event.is_some() || outcome.error.is_some();
            if consumed == 0 && !has_outcome {
                self.recorder = Some(recorder);
                return result;
            }
            let rest = recorder.ahead.split_off(consumed);
            let bytes = core::mem::replace(&mut recorder.ahead, rest);
            self.record(recorder, &Call::Receive(&bytes), &outcome, before);
            result
        }

        pub(in crate::connection) fn receive_eof_recorded(
            &mut self,
        ) -> Result<Option<Event<'static>>, Box<ProtocolError>> {
            let recorder = self.recorder.take();
            let before = self.recorded_settings();
            let result = self.receive_eof();
            if let Some(recorder) = recorder {
                let outcome = Outcome {
                    event: result.as_ref().ok().and_then(Option::as_ref),
                    error: result.as_ref().err().map(|error| error as _),
                    ..Outcome::default()
                };
                self.record(recorder, &Call::ReceiveEof, &outcome, before);
            }
            result
        }

        #[cold]
        pub(in crate::connection) fn send_recorded(
            &mut self,
            kind: MessageKind,
            data: &[u8],
            out: &mut Vec<u8>,
        ) -> Result<(), SendError> {
            recorded!(self, out, Call::Send(kind, data), self.send_recorded(kind, data, out));
            self.sender_for(Command::SendData)?.message(kind, data, out)
        }

        pub(in crate::connection) fn send_in_place_recorded<'b>(
            &mut self,
            kind: MessageKind,
            buf: &'b mut [u8],
        ) -> Result<&'b [u8], SendError> {
            let recorder = self.recorder.take();
            let before = self.recorded_settings();
            let payload = buf.get(crate::frame::Header::MAX_LEN..).map(<[u8]>::to_vec);
            let result = self.send_in_place(kind, buf);
            // A buffer without room for a header is no call that can be repeated.
            match (recorder, payload) {
                (Some(recorder), Some(payload)) => {
                    let call = Call::SendInPlace(kind, &payload);
                    self.record(recorder, &call, &borrowed(&result), before);
                }
                (recorder, _) => self.recorder = recorder,
            }
            result
        }

        pub(in crate::connection) fn send_fragment_header_recorded(
            &mut self,
            kind: MessageKind,
            payload: &mut [u8],
            fin: bool,
            out: &mut Vec<u8>,
        ) -> Result<(), SendError> {
            let recorder = self.recorder.take();
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

        pub(in crate::connection) fn prepared_frame_recorded<'m>(
            &mut self,
            message: &'m PreparedMessage,
        ) -> Result<&'m [u8], SendError> {
            let recorder = self.recorder.take();
            let before = self.recorded_settings();
            let result = self.prepared_frame(message);
            if let Some(recorder) = recorder {
                let call = Call::PreparedFrame(message.kind(), message.payload());
                self.record(recorder, &call, &borrowed(&result), before);
            }
            result
        }
    }

    fn borrowed<'a, E: core::fmt::Display>(result: &'a Result<&'a [u8], E>) -> Outcome<'a> {
        Outcome {
            borrowed: result.as_ref().copied().unwrap_or_default(),
            error: result.as_ref().err().map(|error| error as _),
            ..Outcome::default()
        }
    }
}
