//! What is known of an end without its state machine: from the calls that were accepted and the
//! events that were received.

use std::fmt;

use sockless::{CloseFrame, CloseStatus, Connection, MessageKind, State};

/// The code and the reason of a Close frame; `None` if it is empty.
pub type CloseBody = Option<(u16, String)>;

/// What an end receives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseBody),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(kind, data) => write!(f, "{kind:?} \"{}\"", data.escape_ascii()),
            Self::Ping(payload) => write!(f, "Ping \"{}\"", payload.escape_ascii()),
            Self::Pong(payload) => write!(f, "Pong \"{}\"", payload.escape_ascii()),
            Self::Close(None) => f.write_str("Close"),
            Self::Close(Some((code, reason))) => write!(f, "Close {code} {reason:?}"),
        }
    }
}

/// How far the opening handshake is, for one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    Begun,
    /// Server: the application has the request.
    Deciding,
    Accepted,
    Refused,
}

/// The state that RFC 6455 has for what has happened. `closes`: the Close frames sent and received.
pub fn expected_state(opening: Opening, closes: [&Option<CloseBody>; 2], has_failed: bool) -> State {
    match (opening, closes.into_iter().flatten().count()) {
        _ if has_failed => State::Closed,
        (Opening::Begun | Opening::Deciding, _) => State::Opening,
        (Opening::Refused, _) | (Opening::Accepted, 2) => State::Closed,
        (Opening::Accepted, 0) => State::Open,
        (Opening::Accepted, _) => State::Closing,
    }
}

/// All that a connection shows.
pub fn shown(connection: &Connection) -> String {
    format!(
        "{connection:?} {:?} {:?} {:?} {}",
        connection.close_status(),
        connection.teardown(),
        connection.negotiated(),
        connection.assembled_len()
    )
}

pub fn body_of(frame: Option<&CloseFrame<'_>>) -> CloseBody {
    frame.map(|frame| (frame.code.0, frame.reason.to_string()))
}

/// The Close frames that a status reports, sent and received.
pub fn closes_of(status: &CloseStatus) -> [Option<CloseBody>; 2] {
    [&status.sent, &status.received].map(|frame| frame.as_ref().map(|frame| body_of(frame.as_ref())))
}
