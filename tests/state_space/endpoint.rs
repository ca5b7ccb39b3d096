//! One end: the connection, what its application has asked for, and what it has to say of itself.
//!
//! What is expected is computed here from RFC 6455 alone: from the calls that were made and the
//! events that were received, not from the state machine of the crate.

use std::collections::VecDeque;

use sockless::{Accept, CloseCode, ClosedBy, Connection, MessageKind, ProtocolError, Request, Role, State, Teardown};

use support::{
    known::{self, CloseBody, Item, Opening},
    role_name,
};

use super::{
    calls::{Call, Expected, Settings},
    explore::{Violation, require, require_equal},
    network::{Direction, RSV1},
};

/// A message that the application has sent, or begun to send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) kind: MessageKind,
    pub(super) data: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) role: Role,
    pub(super) settings: Settings,
    pub(super) engine: Connection,
    pub(super) output: Direction,
    pub(super) opening: Opening,
    pub(super) request: Option<Request<'static>>,
    pub(super) close_sent: Option<CloseBody>,
    pub(super) close_received: Option<CloseBody>,
    pub(super) closed_by: Option<ClosedBy>,
    pub(super) error: Option<ProtocolError>,
    pub(super) sent: Vec<Sent>,
    /// The last of the messages sent is not complete.
    pub(super) in_message: bool,
    pub(super) received: Vec<Item>,
    /// What has arrived, in chunks, of a message that is not complete.
    pub(super) chunks: Vec<u8>,
    /// The Pings that the application has to answer.
    pub(super) pings: VecDeque<Vec<u8>>,
    pub(super) pings_sent: usize,
}

impl Endpoint {
    pub(super) fn new(role: Role, settings: Settings, engine: Connection, opening: Opening) -> Self {
        let mut output = Direction::new(role);
        output.head = (opening == Opening::Accepted).then_some(0);
        Self {
            role,
            settings,
            engine,
            output,
            opening,
            request: None,
            close_sent: None,
            close_received: None,
            closed_by: None,
            error: None,
            sent: Vec::new(),
            in_message: false,
            received: Vec::new(),
            chunks: Vec::new(),
            pings: VecDeque::new(),
            pings_sent: 0,
        }
    }

    pub(super) fn expected_state(&self) -> State {
        known::expected_state(
            self.opening,
            [&self.close_sent, &self.close_received],
            self.error.is_some(),
        )
    }

    /// Makes a call that is permitted, and checks what it writes.
    pub(super) fn call(&mut self, call: Call) -> Result<(), Violation> {
        let expected = self.expected_frames(call);
        self.make(call)
            .map_err(|error| Violation::new("a call that the RFC permits is accepted", format!("{call}: {error}")))?;
        self.note(call);
        self.check_written(&expected)
    }

    /// Makes a call that is not permitted. It has to fail in the expected way, and to write
    /// nothing.
    pub(super) fn call_refused(&mut self, call: Call, expected: &str) -> Result<(), Violation> {
        let before = self.output.written.len();
        let result = self.make(call);
        let end = role_name(self.role);
        let agrees = result.as_ref().err().is_some_and(|error| error == expected);
        require(agrees, "a call that the RFC forbids is refused", || {
            format!("{end}: {call}: {result:?}, where {expected} is expected")
        })?;
        require_equal(
            &self.output.written.len(),
            &before,
            "a refused call writes nothing",
            end,
        )
    }

    fn make(&mut self, call: Call) -> Result<(), String> {
        let (close, kind) = (self.close_body(call), self.fragment_kind());
        let (engine, out) = (&mut self.engine, &mut self.output.written);
        let text = |error: sockless::SendError| format!("{error:?}");
        match call {
            Call::Accept => {
                let request = self.request.as_ref().ok_or("there is no request")?;
                let result = engine.accept(request, &Accept::new().any_origin(), out);
                return result.map_err(|error| format!("{error:?}"));
            }
            Call::Reject => {
                return engine
                    .reject(403, &[], b"no", out)
                    .map_err(|error| format!("{error:?}"));
            }
            Call::KeepAlive(payload) => engine.ping(&payload, out),
            Call::Ping => engine.ping(format!("{}", self.pings_sent).as_bytes(), out),
            Call::LongPing => engine.ping(&[0; 126], out),
            Call::Pong => engine.pong(self.pings.front().map_or(&b"-"[..], |ping| ping), out),
            Call::Text => {
                let data = self.settings.text(self.sent.len());
                engine.send_text(&data, out)
            }
            Call::Fragment | Call::LastFragment => {
                let data = self.settings.fragment(self.sent.len(), self.in_message, call);
                engine.send_fragment(kind, &data, call == Call::LastFragment, out)
            }
            Call::OtherKind => {
                let other = match kind {
                    MessageKind::Text => MessageKind::Binary,
                    MessageKind::Binary => MessageKind::Text,
                };
                engine.send_fragment(other, b"", true, out)
            }
            Call::NotText => engine.send_fragment(MessageKind::Text, b"\xFF", false, out),
            Call::Close | Call::CloseAnswer | Call::CloseMandatory | Call::CloseReserved | Call::CloseEmpty => {
                match close {
                    None => engine.close(None, "", out),
                    Some((code, reason)) => engine.close(CloseCode(code), &reason, out),
                }
            }
        }
        .map_err(text)
    }

    /// The client sends text in fragments, the server binary data.
    pub(super) const fn fragment_kind(&self) -> MessageKind {
        match self.role {
            Role::Client => MessageKind::Text,
            Role::Server => MessageKind::Binary,
        }
    }

    /// Notes what a call has done that was accepted.
    fn note(&mut self, call: Call) {
        match call {
            Call::Accept | Call::Reject => {
                let accepted = call == Call::Accept;
                self.opening = if accepted { Opening::Accepted } else { Opening::Refused };
                self.output.head = Some(self.output.written.len());
            }
            Call::Text => self.sent.push(Sent {
                kind: MessageKind::Text,
                data: self.settings.text(self.sent.len()).into_bytes(),
            }),
            Call::Fragment | Call::LastFragment => self.note_fragment(call),
            Call::Ping => self.pings_sent += 1,
            Call::Pong => drop(self.pings.pop_front()),
            Call::Close | Call::CloseAnswer | Call::CloseMandatory | Call::CloseEmpty => {
                self.close_sent = Some(self.close_body(call));
                self.closed_by.get_or_insert(ClosedBy::Us);
            }
            Call::KeepAlive(_) | Call::LongPing | Call::OtherKind | Call::NotText | Call::CloseReserved => {}
        }
    }

    fn note_fragment(&mut self, call: Call) {
        let data = self.settings.fragment(self.sent.len(), self.in_message, call);
        if !self.in_message {
            self.sent.push(Sent {
                kind: self.fragment_kind(),
                data: Vec::new(),
            });
        }
        if let Some(message) = self.sent.last_mut() {
            message.data.extend(data);
        }
        self.in_message = call == Call::Fragment;
    }

    /// Checks the frames that were written since the last call.
    pub(super) fn check_written(&mut self, expected: &[Expected]) -> Result<(), Violation> {
        let from = self.output.read_frames()?;
        let written = &self.output.frames[from..];
        let agree = written.len() == expected.len()
            && written.iter().zip(expected).all(|(frame, expected)| {
                frame.first & !RSV1 == expected.first
                    && (frame.first & RSV1 == 0 || expected.payload.is_none())
                    && expected
                        .payload
                        .as_ref()
                        .is_none_or(|payload| *payload == frame.payload)
            });
        require(agree, "an end writes what the RFC asks of it, and nothing else", || {
            let written: Vec<_> = written.iter().map(ToString::to_string).collect();
            format!(
                "the {} has written {written:?}, where {expected:?} is expected",
                role_name(self.role)
            )
        })
    }

    /// Checks what the engine says of itself against what has happened.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let end = role_name(self.role);
        let expected = self.expected_state();
        require_equal(&self.engine.state(), &expected, "the state is that of the RFC", end)?;
        let teardown = match (expected, self.role) {
            (State::Closed, Role::Client) if self.is_clean() => Some(Teardown::AwaitPeer),
            (State::Closed, _) => Some(Teardown::Close),
            _ => None,
        };
        require_equal(
            &self.engine.teardown(),
            &teardown,
            "the server closes the transport first",
            end,
        )?;
        let reported = self.engine.close_status().map(|status| {
            let [sent, received] = known::closes_of(status);
            (status.by, sent, received, status.error, status.is_clean())
        });
        let expected = self.closed_by.map(|by| {
            let (sent, received) = (self.close_sent.clone(), self.close_received.clone());
            (by, sent, received, self.error, self.is_clean())
        });
        require_equal(&reported, &expected, "an end reports the close as it was", end)
    }

    /// Whether both Close frames have passed, and nothing went wrong.
    pub(super) const fn is_clean(&self) -> bool {
        self.close_sent.is_some() && self.close_received.is_some() && self.error.is_none()
    }
}
