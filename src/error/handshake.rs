//! Errors of the opening handshake.

use core::fmt;

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
    /// A request, an acceptance or a rejection that cannot be sent. Nothing was sent and nothing has changed.
    LocalHandshakeError {
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
