//! The calls of an application: what they send, and when the RFC permits them.

use std::fmt;

use sockless::{Role, State};
use support::known::{CloseBody, Opening};

use super::{
    endpoint::Endpoint,
    network::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT},
};

/// What an application can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Accept,
    Reject,
    Text,
    /// The next fragment of a message, or the first.
    Fragment,
    LastFragment,
    Ping,
    /// The Ping that `timers` asks for.
    KeepAlive([u8; 8]),
    /// Answers the oldest Ping that is not answered, or is unsolicited.
    Pong,
    Close,
    /// Answers a Close frame with its code.
    CloseAnswer,
    CloseEmpty,
    /// The code 1010, which only a client may send.
    CloseMandatory,
    /// A code that nobody may send.
    CloseReserved,
    /// A Ping of 126 bytes.
    LongPing,
    /// A fragment of the other kind than the message in progress.
    OtherKind,
    /// A fragment of text that is not UTF-8.
    NotText,
}

impl Call {
    /// All calls whose refusal is checked in every state.
    pub(super) const ALL: [Self; 14] = [
        Self::Accept,
        Self::Reject,
        Self::Text,
        Self::Fragment,
        Self::LastFragment,
        Self::Ping,
        Self::Pong,
        Self::Close,
        Self::CloseEmpty,
        Self::CloseMandatory,
        Self::CloseReserved,
        Self::LongPing,
        Self::OtherKind,
        Self::NotText,
    ];
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Reject => "reject with 403",
            Self::Text => "send_text",
            Self::Fragment => "send_fragment",
            Self::LastFragment => "send_fragment, the last one",
            Self::Ping => "ping",
            Self::KeepAlive(_) => "ping, which is due",
            Self::Pong => "pong",
            Self::Close => "close",
            Self::CloseAnswer => "close, with the code received",
            Self::CloseEmpty => "close without a code",
            Self::CloseMandatory => "close with 1010",
            Self::CloseReserved => "close with 1005",
            Self::LongPing => "ping with 126 bytes",
            Self::OtherKind => "send_fragment of the other kind",
            Self::NotText => "send_fragment of text that is not UTF-8",
        })
    }
}

/// How an end is configured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    /// The application answers Pings and Close frames.
    pub(super) manual: bool,
    /// Messages are delivered in chunks.
    pub(super) chunks: bool,
    /// A message is sent in frames of one byte.
    pub(super) divided: bool,
    /// Messages are compressed, so that their frames are not known beforehand.
    pub(super) compressed: bool,
}

impl Settings {
    /// The text of the message with this number: it has a code point of two bytes. If messages are
    /// compressed, every other one gets smaller, and refers to the one before it.
    pub(super) fn text(self, number: usize) -> String {
        let front = match (self.compressed, number % 2) {
            (false, _) => "",
            (true, 0) => "wxyz",
            (true, _) => "aaaaaaaaaaaaaaaawxyz",
        };
        format!("{front}{number}ü")
    }

    /// A fragment of the message with this number. It ends inside of a code point, unless it is the
    /// last one.
    pub(super) fn fragment(self, sent: usize, in_message: bool, call: Call) -> Vec<u8> {
        let digit = b'0' + u8::try_from(sent).unwrap_or_default();
        match (in_message, call == Call::LastFragment) {
            (false, false) => vec![digit, 0xC3],
            (false, true) => vec![digit],
            (true, false) => vec![0xBC, 0xC3],
            (true, true) => vec![0xBC],
        }
    }
}

/// A frame that has to be written.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// The first byte, without RSV1.
    pub(super) first: u8,
    /// `None` if it may be compressed.
    pub(super) payload: Option<Vec<u8>>,
}

impl Expected {
    const fn new(first: u8, payload: Vec<u8>) -> Self {
        let payload = Some(payload);
        Self { first, payload }
    }

    pub(super) const fn pong(payload: Vec<u8>) -> Self {
        Self::new(FIN | PONG, payload)
    }

    pub(super) fn close(body: Option<&(u16, String)>) -> Self {
        let payload = body.map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
        Self::new(FIN | CLOSE, payload.unwrap_or_default())
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.first)?;
        match &self.payload {
            Some(payload) => write!(f, " \"{}\"", payload.escape_ascii()),
            None => Ok(()),
        }
    }
}

impl Endpoint {
    /// How a call has to fail now; `None` if it is permitted.
    pub(super) fn refusal(&self, call: Call) -> Option<String> {
        let state = self.expected_state();
        let has_close = self.close_sent.is_some() || self.close_received.is_some();
        let refused = match call {
            Call::Accept | Call::Reject => {
                return (self.opening != Opening::Deciding || self.error.is_some()).then(|| "NoRequest".to_owned());
            }
            _ if state == State::Opening => return Some("NotOpen".to_owned()),
            _ if state == State::Closed => true,
            // "an endpoint MAY send the remaining fragments before sending a Close frame" (RFC
            // 6455, section 5.5.1)
            Call::Fragment | Call::LastFragment | Call::OtherKind | Call::NotText if self.in_message => {
                self.close_sent.is_some()
            }
            Call::Text
            | Call::Fragment
            | Call::LastFragment
            | Call::OtherKind
            | Call::NotText
            | Call::Ping
            | Call::KeepAlive(_)
            | Call::LongPing => has_close,
            Call::Pong => self.close_received.is_some(),
            Call::Close | Call::CloseAnswer | Call::CloseEmpty | Call::CloseMandatory | Call::CloseReserved => {
                self.close_sent.is_some()
            }
        };
        if refused {
            return Some("Closing".to_owned());
        }
        self.invalid_argument(call).map(str::to_owned)
    }

    /// How a call fails that could be made with another argument, or after the message in progress.
    fn invalid_argument(&self, call: Call) -> Option<&'static str> {
        match call {
            Call::Text if self.in_message => Some("MessageInProgress"),
            Call::OtherKind if self.in_message => Some("KindChanged"),
            Call::NotText if self.in_message && self.role == Role::Server => Some("KindChanged"),
            Call::NotText => Some("InvalidUtf8"),
            Call::LongPing => Some("ControlFrameTooLong { len: 126 }"),
            Call::CloseMandatory if self.role == Role::Server => Some("InvalidCloseCode { code: CloseCode(1010) }"),
            Call::CloseReserved => Some("InvalidCloseCode { code: CloseCode(1005) }"),
            _ => None,
        }
    }

    /// The frames that a call has to write, if it is permitted.
    pub(super) fn expected_frames(&self, call: Call) -> Vec<Expected> {
        let number = self.sent.len();
        match call {
            Call::Text => self.message_frames(&self.settings.text(number).into_bytes()),
            Call::Fragment | Call::LastFragment => {
                let opcode = match (self.in_message, self.role) {
                    (true, _) => CONTINUATION,
                    (false, Role::Client) => TEXT,
                    (false, Role::Server) => BINARY,
                };
                let fin = if call == Call::LastFragment { FIN } else { 0 };
                let data = self.settings.fragment(number, self.in_message, call);
                vec![Expected {
                    first: fin | opcode,
                    payload: (!self.settings.compressed).then_some(data),
                }]
            }
            Call::Ping => vec![Expected::new(FIN | PING, number_of(self.pings_sent))],
            Call::KeepAlive(payload) => vec![Expected::new(FIN | PING, payload.to_vec())],
            Call::Pong => vec![Expected::pong(
                self.pings.front().cloned().unwrap_or_else(|| b"-".to_vec()),
            )],
            Call::Close | Call::CloseAnswer | Call::CloseMandatory | Call::CloseEmpty => {
                vec![Expected::close(self.close_body(call).as_ref())]
            }
            Call::Accept | Call::Reject | Call::LongPing | Call::OtherKind | Call::NotText | Call::CloseReserved => {
                Vec::new()
            }
        }
    }

    /// The content of the Close frame that a call sends.
    pub(super) fn close_body(&self, call: Call) -> CloseBody {
        let (code, reason) = match (call, self.role) {
            (Call::Close, Role::Client) => (4000, ""),
            (Call::Close, Role::Server) => (1001, "x"),
            (Call::CloseMandatory, _) => (1010, ""),
            (Call::CloseReserved, _) => (1005, ""),
            (Call::CloseAnswer, _) => match self.close_received.as_ref()? {
                // What a server may receive and not send (RFC 6455, section 7.4.1).
                Some((1010, _)) => (1000, ""),
                Some((code, _)) => (*code, ""),
                None => return None,
            },
            _ => return None,
        };
        Some((code, reason.to_owned()))
    }

    fn message_frames(&self, data: &[u8]) -> Vec<Expected> {
        if self.settings.compressed {
            let (first, payload) = (FIN | TEXT, None);
            return vec![Expected { first, payload }];
        }
        let size = if self.settings.divided { 1 } else { data.len() };
        let count = data.len().div_ceil(size);
        let frames = data.chunks(size).enumerate().map(|(index, piece)| {
            let opcode = if index == 0 { TEXT } else { CONTINUATION };
            let fin = if index + 1 == count { FIN } else { 0 };
            Expected::new(fin | opcode, piece.to_vec())
        });
        frames.collect()
    }
}

fn number_of(pings: usize) -> Vec<u8> {
    pings.to_string().into_bytes()
}
