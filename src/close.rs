//! Close frames, and how a connection ended (RFC 6455, sections 5.5.1 and 7.1).

use alloc::{borrow::Cow, boxed::Box};
use core::{error, fmt};

use crate::{
    close_code::CloseCode,
    error::{ProtocolError, SendError},
    frame::header::Header,
    role::Role,
};

/// The content of a Close frame that has a body (RFC 6455, section 5.5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the protocol has these two")]
pub struct CloseFrame<'b> {
    /// Why the connection is closed.
    pub code: CloseCode,
    /// A text for debugging, at most 123 bytes, often empty. It is not meant for end users (section
    /// 5.5.1), and it comes from the peer: escape it before you log it.
    pub reason: Cow<'b, str>,
}

impl<'b> CloseFrame<'b> {
    /// The longest reason in bytes: a control payload of 125 less the code.
    pub const MAX_REASON: usize = Header::MAX_CONTROL_PAYLOAD - 2;

    /// Returns the content of a Close frame.
    #[must_use]
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Cow<'b, str>>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
    }

    /// Returns the same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame::new(self.code, self.reason.into_owned())
    }

    /// Decodes the body of a Close frame; `None` if it is empty.
    pub(crate) fn decode(body: Cow<'b, [u8]>) -> Result<Option<Self>, ProtocolError> {
        let code = match *body {
            [] => return Ok(None),
            // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
            // integer"
            [_] => return Err(ProtocolError::TruncatedCloseCode),
            [high, low, ..] => CloseCode(u16::from_be_bytes([high, low])),
        };
        if !code.is_valid_on_wire() {
            return Err(ProtocolError::InvalidCloseCode { code });
        }
        let reason = match body {
            Cow::Borrowed(body) => reason(body).map(Cow::Borrowed),
            Cow::Owned(body) => reason(&body).map(|reason| Cow::Owned(reason.into())),
        };
        reason.map(|reason| Some(Self { code, reason }))
    }

    /// Encodes the body of the Close frame that `sender` sends into the front of `buf`, and returns
    /// what it takes of it.
    pub(crate) fn encode<'a>(
        frame: Option<&CloseFrame<'_>>,
        sender: Role,
        buf: &'a mut [u8; Header::MAX_CONTROL_PAYLOAD],
    ) -> Result<&'a [u8], SendError> {
        let Some(CloseFrame { code, reason }) = frame else {
            return Ok(&[]);
        };
        // "1010 ... is not used by the server" (section 7.4.1)
        if !code.is_valid_on_wire() || (*code == CloseCode::MANDATORY_EXTENSION && sender == Role::Server) {
            return Err(SendError::InvalidCloseCode { code: *code });
        }
        if reason.len() > CloseFrame::MAX_REASON {
            return Err(SendError::ReasonTooLong { len: reason.len() });
        }
        let code = u16::from(*code).to_be_bytes();
        for (slot, byte) in buf.iter_mut().zip(code.iter().chain(reason.as_bytes())) {
            *slot = *byte;
        }
        Ok(buf.get(..code.len() + reason.len()).unwrap_or_default())
    }

    /// The Close frame that answers this one: "typically echos the status code it received"
    /// (section 5.5.1).
    pub(crate) fn echo(&self) -> CloseFrame<'static> {
        let code = match self.code {
            // The one code that a server may receive and not send.
            CloseCode::MANDATORY_EXTENSION => CloseCode::NORMAL,
            code => code,
        };
        CloseFrame::new(code, "")
    }
}

fn reason(body: &[u8]) -> Result<&str, ProtocolError> {
    core::str::from_utf8(body.get(2..).unwrap_or_default()).map_err(|_| ProtocolError::InvalidCloseReason)
}

/// The side that closed a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there are no others")]
pub enum ClosedBy {
    /// This endpoint sent the first Close frame, or found that the peer broke the protocol.
    Us,
    /// The peer sent the first Close frame.
    Peer,
    /// The transport ended before either did.
    Transport,
}

/// How a connection was closed, or is being closed (RFC 6455, section 7.1).
///
/// A clean close need not be a success: the peer may have closed because it failed, with 1011, or
/// because it refused a message, with 1009. [`into_result`](Self::into_result) tells the two apart,
/// and the text says how it was:
///
/// ```
/// # use sockless::{CloseCode, Config, Connection, handshake::Negotiated};
/// # let negotiated = Negotiated::default();
/// # let mut server = Connection::upgraded_server(&negotiated, Config::default());
/// # let mut client = Connection::upgraded_client(&negotiated, Config::default(), [7; 32]);
/// # let (mut sent, mut out) = (Vec::new(), Vec::new());
/// # server.close(CloseCode::TOO_BIG, "", &mut sent)?;
/// # let mut input = &mut sent[..];
/// # while client.receive(&mut input, &mut out)?.is_some() {}
/// let status = client.close_status().expect("the connection is closed").clone();
/// assert!(status.is_clean() && !status.is_success());
/// assert_eq!(
///     status.into_result().unwrap_err().to_string(),
///     "the peer closed the connection with code 1009 (message too big)"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseStatus {
    /// The side that closed first. If both ends sent a Close frame at the same time, this one did:
    /// it sent before it received.
    pub by: ClosedBy,
    /// The Close frame sent: `None` if none was, `Some(None)` if it was empty.
    pub sent: Option<Option<CloseFrame<'static>>>,
    /// The Close frame received: `None` if none was, `Some(None)` if it was empty.
    pub received: Option<Option<CloseFrame<'static>>>,
    /// The error with which the connection failed, if it did.
    pub error: Option<ProtocolError>,
}

impl CloseStatus {
    pub(crate) const fn new(by: ClosedBy) -> Self {
        Self {
            by,
            sent: None,
            received: None,
            error: None,
        }
    }

    /// Returns whether "the WebSocket connection is closed cleanly": both Close frames have passed,
    /// and nothing went wrong (RFC 6455, section 7.1.4).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.sent.is_some() && self.received.is_some() && self.error.is_none()
    }

    /// Returns whether the connection ended as both ends wanted: it is closed
    /// [cleanly](Self::is_clean), and the peer's code is 1000, 1001 or none, or this endpoint
    /// closed first and the peer answered with the same code.
    ///
    /// What 3000 to 4999 mean is agreed between applications: if the peer closes with one of these,
    /// it is no success here.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let is_success = matches!(
            self.code(),
            CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS
        );
        self.is_clean() && (is_success || self.by == ClosedBy::Us && self.code() == self.sent_code())
    }

    /// Returns the status as an error, unless the connection [ended well](Self::is_success).
    ///
    /// # Errors
    /// The peer closed with a code that is no success, there was no closing handshake, or it is not
    /// complete.
    pub fn into_result(self) -> Result<(), Box<Self>> {
        if self.is_success() { Ok(()) } else { Err(Box::new(self)) }
    }

    /// The code of the Close frame sent, like [`code`](Self::code).
    fn sent_code(&self) -> CloseCode {
        code(self.sent.as_ref())
    }

    /// Returns "the WebSocket connection close code" (RFC 6455, section 7.1.5): that of the Close
    /// frame received, 1005 if it held none, 1006 if there was none.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        code(self.received.as_ref())
    }

    /// Returns "the WebSocket connection close reason" (RFC 6455, section 7.1.6): that of the Close
    /// frame received, or an empty text.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.received {
            None | Some(None) => "",
            Some(Some(frame)) => &frame.reason,
        }
    }
}

/// The code of a Close frame that was sent or received, or was not.
fn code(frame: Option<&Option<CloseFrame<'_>>>) -> CloseCode {
    match frame {
        None => CloseCode::ABNORMAL,
        Some(None) => CloseCode::NO_STATUS,
        Some(Some(frame)) => frame.code,
    }
}

/// Says who closed the connection, with which code and reason. The reason is escaped.
impl fmt::Display for CloseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, first) = match (&self.error, self.by) {
            (Some(error), _) => return fmt::Display::fmt(error, f),
            (None, ClosedBy::Us) => ("this endpoint", &self.sent),
            (None, ClosedBy::Peer) => ("the peer", &self.received),
            (None, ClosedBy::Transport) => return f.write_str("the transport ended without a Close frame"),
        };
        let verb = if self.is_clean() { "closed" } else { "is closing" };
        write!(f, "{subject} {verb} the connection with {}", Described(first.as_ref()))?;
        if self.by == ClosedBy::Us && self.is_clean() && self.code() != self.sent_code() {
            write!(f, ", and the peer answered with {}", Described(self.received.as_ref()))?;
        }
        Ok(())
    }
}

impl error::Error for CloseStatus {}

/// The content of a Close frame in words.
struct Described<'a>(Option<&'a Option<CloseFrame<'static>>>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Some(frame)) = self.0 else {
            return f.write_str("no code");
        };
        write!(f, "code {}", frame.code)?;
        if let Some(meaning) = frame.code.meaning() {
            write!(f, " ({meaning})")?;
        }
        if !frame.reason.is_empty() {
            // Escaped: it comes from the peer.
            write!(f, " and reason \"{}\"", frame.reason.escape_default())?;
        }
        Ok(())
    }
}

/// How to close the transport of a closed connection, once the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6455 has these two")]
pub enum Teardown {
    /// Close it now (for TCP: shut down the sending side, read to the end, close). A server does so
    /// after the closing handshake, and either side after a failure (RFC 6455, sections 7.1.1 and
    /// 7.1.7).
    Close,
    /// Wait for the peer to close it, for a time that the caller chooses. A client does so after
    /// the closing handshake, so that TIME_WAIT stays with the server (RFC 6455, section 7.1.1).
    AwaitPeer,
}
