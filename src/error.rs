//! Errors, sorted by who is to blame.
//!
//! | type | blame | what follows |
//! |---|---|---|
//! | [`ProtocolError`] | the peer | the connection has failed; the answer is in `out` |
//! | [`RequestError`], [`ResponseError`] | the peer, during the handshake | the same, as part of a [`ProtocolError`] |
//! | [`SendError`], [`HandshakeError`] | the caller | nothing has changed |

use core::fmt;

use crate::{close_code::CloseCode, utf8::InvalidUtf8};

/// Declares an error enum whose `Display` text is its first line of documentation, so that the two cannot differ.
macro_rules! error_enum {
    (
        $(#[$about:meta])+
        $name:ident {
            $( #[doc = $text:literal] $(#[doc = $more:literal])* $variant:ident, )+
            $( => #[doc = $outer:literal] $nested:ident($inner:ty), )*
        }
    ) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( #[doc = $text] $(#[doc = $more])* $variant, )+
            $( #[doc = $outer] $nested($inner), )*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$variant => f.write_str($text.trim()), )+
                    $( Self::$nested(inner) => write!(f, "{}: {inner}", $outer.trim()), )*
                }
            }
        }

        impl core::error::Error for $name {}
    };
}

error_enum! {
    /// The peer broke the protocol, one variant per rule (RFC 6455 sections in parentheses).
    ///
    /// When [`Connection::receive`](crate::Connection::receive) returns one, the connection has failed
    /// (section 7.1.7): the Close frame or HTTP answer that the peer is due stands in `out`, what comes in later
    /// is discarded, and later calls return the same error.
    ProtocolError {
        /// a reserved bit is set without an extension that gives it a meaning (5.2)
        ReservedBits,
        /// an opcode that is reserved (5.2)
        ReservedOpcode,
        /// a frame from a client is not masked (5.1)
        UnmaskedFrame,
        /// a frame from a server is masked (5.1)
        MaskedFrame,
        /// a payload length is not in its shortest form (5.2)
        NonMinimalLength,
        /// a 64-bit payload length has its most significant bit set (5.2)
        LengthOverflow,
        /// a control frame is fragmented (5.5)
        FragmentedControlFrame,
        /// a control frame holds more than 125 bytes (5.5)
        ControlFrameTooLong,
        /// a continuation frame, but no message is in progress (5.4)
        UnexpectedContinuation,
        /// a new data frame before the message in progress has ended (5.4)
        InterleavedMessage,
        /// the body of a Close frame is a single byte (5.5.1)
        TruncatedCloseCode,
        /// a close code that may not be sent (7.4)
        InvalidCloseCode,
        /// the reason in a Close frame is not UTF-8 (5.5.1)
        InvalidCloseReason,
        /// a text message is not UTF-8 (8.1)
        InvalidUtf8,
        /// a compressed message is not valid DEFLATE, or refers beyond the window (RFC 7692, 6.2)
        InvalidDeflate,
        /// a message is larger than the limit (10.4)
        MessageTooBig,
        /// a message has more fragments than the limit (10.4)
        TooManyFragments,
        /// the transport ended before the closing handshake was complete (7.1.5)
        UnexpectedEof,
        => /// the opening handshake of the client is invalid
        Request(RequestError),
        => /// the opening handshake of the server is invalid
        Response(ResponseError),
    }
}

impl ProtocolError {
    /// The close code that says this to the peer (RFC 6455, section 7.4.1).
    ///
    /// 1006 for the errors that no Close frame can answer: an end of the transport, a failed opening handshake.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::InvalidDeflate => CloseCode::INVALID_DATA,
            Self::MessageTooBig => CloseCode::TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            Self::UnexpectedEof | Self::Request(_) | Self::Response(_) => CloseCode::ABNORMAL,
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::NonMinimalLength
            | Self::LengthOverflow
            | Self::FragmentedControlFrame
            | Self::ControlFrameTooLong
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode => CloseCode::PROTOCOL_ERROR,
        }
    }
}

error_enum! {
    /// A client's opening handshake broke a rule (RFC 6455, section 4.2.1 unless another is given).
    RequestError {
        /// not an HTTP/1.1 request head (RFC 9112)
        Syntax,
        /// the head is longer than the limit (10.4)
        HeadTooLong,
        /// the head has more header fields than the limit (10.4)
        TooManyHeaders,
        /// the method is not GET
        Method,
        /// the HTTP version is below 1.1
        HttpVersion,
        /// the request target is neither a path nor an absolute URI
        Target,
        /// the Host header is missing, repeated or malformed
        Host,
        /// the Origin header is repeated or not ASCII (RFC 6454, 7.1)
        Origin,
        /// the request announces a body (RFC 9112, 6)
        Body,
        /// the Upgrade header does not name websocket
        Upgrade,
        /// the Connection header does not name Upgrade
        Connection,
        /// Sec-WebSocket-Key is missing, repeated, or not the base64 form of 16 bytes
        Key,
        /// Sec-WebSocket-Version is missing, repeated, or not 13
        Version,
        /// Sec-WebSocket-Protocol is not a list of unique tokens
        Subprotocol,
        /// Sec-WebSocket-Extensions does not follow its grammar (9.1)
        Extensions,
        /// more bytes came before the answer than may wait for it (4.1, 10.4)
        EarlyData,
    }
}

impl RequestError {
    /// The HTTP status that answers the error: 400, 405, 426, 431 or 505.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Syntax
            | Self::Target
            | Self::Host
            | Self::Origin
            | Self::Body
            | Self::Connection
            | Self::Key
            | Self::Subprotocol
            | Self::Extensions
            | Self::EarlyData => 400,
            Self::Method => 405,
            Self::Upgrade | Self::Version => 426,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::HttpVersion => 505,
        }
    }
}

error_enum! {
    /// A server's opening handshake broke a rule (RFC 6455, section 4.1 unless another is given).
    ResponseError {
        /// not an HTTP/1.1 response head (RFC 9112)
        Syntax,
        /// the head is longer than the limit (10.4)
        HeadTooLong,
        /// the head has more header fields than the limit (10.4)
        TooManyHeaders,
        /// the HTTP version is below 1.1
        HttpVersion,
        /// the Upgrade header is not websocket
        Upgrade,
        /// the Connection header does not name Upgrade
        Connection,
        /// Sec-WebSocket-Accept is missing, repeated, or does not fit the key
        Accept,
        /// Sec-WebSocket-Extensions does not follow its grammar (9.1)
        ExtensionsSyntax,
        /// an extension that was not offered, or more than one
        Extension,
        /// extension parameters that are invalid or do not fit the offer (RFC 7692, 7)
        ExtensionParameters,
        /// a subprotocol that was not offered, or more than one
        Subprotocol,
        /// no subprotocol, though the request required one (WHATWG)
        MissingSubprotocol,
        /// the chunked body of a refusal is malformed (RFC 9112, 7.1)
        Body,
    }
}

error_enum! {
    /// A command that cannot be carried out. Nothing was sent and nothing has changed.
    SendError {
        /// the opening handshake is not finished (6.1)
        NotOpen,
        /// a Close frame was already sent or received, or the connection has failed (5.5.1, 6.1)
        Closing,
        /// a control frame holds at most 125 bytes (5.5)
        ControlFrameTooLong,
        /// a close reason holds at most 123 bytes (5.5.1)
        ReasonTooLong,
        /// a close code that may not be sent: reserved, out of range, or 1010 from a server (7.4)
        InvalidCloseCode,
        /// a reason without a close code (5.5.1)
        ReasonWithoutCode,
        /// a fragmented message is in progress and has to end first (5.4)
        MessageInProgress,
        /// a fragment of another kind than the message in progress (5.4)
        KindChanged,
        /// the fragments of a text message are not UTF-8 (5.6)
        InvalidUtf8,
        /// a client has to mask the payload, so it cannot send a header alone (5.1)
        MaskRequired,
        /// a payload holds at most 2^63 - 1 bytes (5.2)
        PayloadTooLong,
    }
}

error_enum! {
    /// A request, an acceptance or a rejection that cannot be sent. Nothing was sent and nothing has changed.
    HandshakeError {
        /// not a ws or wss URL, or one with a fragment (3)
        Url,
        /// the request target has a byte that must be percent-encoded (RFC 3986)
        Target,
        /// the host is not a host name or address, with a port or without (RFC 3986)
        Host,
        /// a header name is not a token (RFC 9110, 5.1)
        HeaderName,
        /// a header value has a control character (RFC 9110, 5.5)
        HeaderValue,
        /// the header belongs to the handshake itself and cannot be set by hand (4.1, 4.2.2)
        ReservedHeader,
        /// a subprotocol is not a token, or is there twice (4.1)
        Subprotocol,
        /// a subprotocol that the client did not offer (4.2.2)
        SubprotocolNotOffered,
        /// a status outside 200 to 599, or one that allows no body together with a body (RFC 9110, 15)
        Status,
        /// no request is waiting for an answer
        NoRequest,
        /// the request does not ask for an upgrade; it can only be answered with a rejection
        NotAnUpgrade,
    }
}

impl From<RequestError> for ProtocolError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<ResponseError> for ProtocolError {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

impl From<InvalidUtf8> for ProtocolError {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

impl From<InvalidUtf8> for SendError {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}
