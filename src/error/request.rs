//! Errors in a client's opening handshake.

use super::excerpt::Excerpt;

/// An error in a client's opening handshake (RFC 6455, section 4.2.1).
///
/// The server answers it with [`status`](Self::status). The response's body is the error's text.
///
/// No variant holds a key, a query string, a user name or a password. None holds a subprotocol
/// either: browsers can send a bearer token as a subprotocol only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// The first byte is that of a TLS record (RFC 6455, section 4.1).
    Tls {
        /// The byte: 0x15 or 0x16.
        byte: u8,
    },
    /// The first byte cannot begin an HTTP request (RFC 9112, section 3).
    InvalidFirstByte {
        /// The byte.
        byte: u8,
    },
    /// The first line is not an HTTP request line (RFC 9112, section 3).
    InvalidRequestLine {
        /// The line, up to the first `:`, `?` or `#`.
        line: Excerpt,
    },
    /// A line after the request line is not a header field (RFC 9112, section 5).
    InvalidHeaderLine {
        /// The number of the line. The request line has the number 1.
        number: usize,
    },
    /// The head is longer than the limit (RFC 6455, section 10.4).
    HeadTooLong {
        /// [`Config::max_head_size`](crate::Config::max_head_size), in bytes.
        limit: usize,
    },
    /// The head has more header fields than the limit (RFC 6455, section 10.4).
    TooManyHeaders {
        /// [`Config::max_headers`](crate::Config::max_headers).
        limit: usize,
    },
    /// The method is not GET (RFC 6455, section 4.2.1).
    UnsupportedMethod {
        /// The method.
        method: Excerpt,
    },
    /// The HTTP version is not 1.1 (RFC 6455, section 4.2.1).
    UnsupportedHttpVersion {
        /// The text in the place of the version, up to the first `:`, `?` or `#`.
        version: Excerpt,
    },
    /// The request target is neither a path nor an `http` or `https` URI (RFC 6455, section 4.2.1).
    InvalidTarget {
        /// The target, without its query string.
        target: Excerpt,
    },
    /// The request target has a byte that must be percent-encoded (RFC 3986, section 2.1).
    InvalidTargetByte {
        /// The target, without its query string.
        target: Excerpt,
        /// The first such byte.
        byte: u8,
    },
    /// The Host header is missing (RFC 6455, section 4.2.1).
    MissingHost,
    /// There is more than one Host header (RFC 9112, section 3.2).
    RepeatedHost,
    /// The Host header or `:authority` does not name a host (RFC 3986, section 3.2.2).
    InvalidHost {
        /// The value of the header.
        host: Excerpt,
    },
    /// The Host header or `:authority` has a user name or a password (RFC 9110, section 7.2).
    UserInfoInHost,
    /// The port in the Host header or `:authority` is not a number from 1 to 65535 (RFC 3986,
    /// section 3.2.3).
    InvalidPort {
        /// The text after the host's colon.
        port: Excerpt,
    },
    /// There is more than one Origin header (RFC 6454, section 7.3).
    RepeatedOrigin,
    /// The Origin header is not ASCII (RFC 6454, section 7.1).
    InvalidOrigin {
        /// The value of the header.
        origin: Excerpt,
    },
    /// The Origin header does not name the server's own host and port, and
    /// [`Accept`](crate::Accept) allows only pages of the server's own origin (RFC 6455, section
    /// 10.2).
    ForeignOrigin {
        /// The value of the header.
        origin: Excerpt,
    },
    /// The Origin header names the server's own host and port, with another scheme than
    /// [`Accept::public_scheme`](crate::Accept::public_scheme) (RFC 6455, section 10.2).
    ForeignScheme {
        /// The value of the header.
        origin: Excerpt,
        /// Whether the scheme has to be `https`, and not `http`.
        requires_https: bool,
    },
    /// The Origin header is not one of [`Accept::origins`](crate::Accept::origins) (RFC 6455,
    /// section 10.2).
    UnlistedOrigin {
        /// The value of the header.
        origin: Excerpt,
    },
    /// The host that the request is for is not one of [`Accept::hosts`](crate::Accept::hosts) (RFC
    /// 9110, section 7.2).
    UnlistedHost {
        /// The host.
        host: Excerpt,
    },
    /// The Content-Length header is neither a number below 2^64 nor a list of such numbers (RFC
    /// 9110, section 8.6).
    InvalidContentLength {
        /// The value of the header.
        value: Excerpt,
    },
    /// There are two Content-Length values that differ, in one header or in two (RFC 9112, section
    /// 6.3).
    DifferentContentLengths {
        /// The first value that differs from the one before it.
        value: Excerpt,
    },
    /// The Content-Length header announces a body (RFC 9112, section 6.2).
    ContentLength {
        /// The value of the header.
        value: Excerpt,
    },
    /// The Transfer-Encoding header announces a body (RFC 9112, section 6.1).
    TransferEncoding {
        /// The value of the header.
        value: Excerpt,
    },
    /// The Upgrade header is missing (RFC 6455, section 4.2.1).
    MissingUpgrade,
    /// The Upgrade header does not name `websocket` (RFC 6455, section 4.2.1).
    InvalidUpgrade {
        /// The value of the first such header.
        value: Excerpt,
    },
    /// The Connection header is missing (RFC 6455, section 4.2.1).
    MissingConnection,
    /// The Connection header does not name `Upgrade` (RFC 6455, section 4.2.1).
    InvalidConnection {
        /// The value of the first such header.
        value: Excerpt,
    },
    /// The Sec-WebSocket-Key header is missing (RFC 6455, section 4.2.1).
    MissingKey,
    /// There is more than one Sec-WebSocket-Key header (RFC 6455, section 11.3.1).
    RepeatedKey,
    /// The Sec-WebSocket-Key header is not the base64 form of 16 bytes (RFC 6455, section 4.2.1).
    InvalidKey {
        /// The length of the value, in bytes. A valid one has 24.
        len: usize,
    },
    /// The Sec-WebSocket-Version header is missing (RFC 6455, section 4.2.1).
    MissingVersion,
    /// There is more than one Sec-WebSocket-Version header (RFC 6455, section 11.3.5).
    RepeatedVersion,
    /// The Sec-WebSocket-Version header is not 13 (RFC 6455, section 4.2.1).
    UnsupportedVersion {
        /// The value of the header.
        version: Excerpt,
    },
    /// The Sec-WebSocket-Protocol header has commas and no subprotocol (RFC 6455, section 4.3).
    EmptySubprotocolList,
    /// An offered subprotocol is not a token (RFC 6455, section 4.1).
    InvalidSubprotocol {
        /// The position of the subprotocol in the client's list. The first has the position 1.
        position: usize,
    },
    /// A subprotocol is offered twice (RFC 6455, section 4.1).
    RepeatedSubprotocol {
        /// The position of the second occurrence in the client's list. The first subprotocol has
        /// the position 1.
        position: usize,
    },
    /// The Sec-WebSocket-Extensions header has commas and no extension (RFC 6455, section 9.1).
    EmptyExtensionList,
    /// The Sec-WebSocket-Extensions header violates its grammar (RFC 6455, section 9.1).
    InvalidExtensions {
        /// The value of the header, from the invalid extension on.
        value: Excerpt,
    },
    /// An extended CONNECT lacks a pseudo-header that it needs (RFC 8441, section 4).
    MissingPseudoHeader {
        /// The name of the pseudo-header.
        name: &'static str,
    },
    /// A pseudo-header of an extended CONNECT occurs twice (RFC 9113, section 8.3).
    RepeatedPseudoHeader {
        /// The name of the pseudo-header.
        name: &'static str,
    },
    /// An extended CONNECT has a pseudo-header that is unknown, or one among its header fields (RFC
    /// 9113, section 8.3).
    UnexpectedPseudoHeader {
        /// The name of the pseudo-header.
        name: Excerpt,
    },
    /// The method of a request over HTTP/2 or HTTP/3 is not CONNECT (RFC 8441, section 5).
    UnsupportedConnectMethod {
        /// The method.
        method: Excerpt,
    },
    /// The HTTP version of an extended CONNECT is neither 2 nor 3 (RFC 8441, section 4).
    UnsupportedConnectVersion {
        /// The version.
        version: Excerpt,
    },
    /// The `:protocol` of an extended CONNECT is not `websocket` (RFC 9220, section 3).
    UnsupportedProtocol {
        /// The value of the pseudo-header.
        protocol: Excerpt,
    },
    /// The `:scheme` of an extended CONNECT is neither `http` nor `https` (RFC 8441, section 5).
    InvalidScheme {
        /// The value of the pseudo-header.
        scheme: Excerpt,
    },
    /// The `:path` of an extended CONNECT does not begin with a slash (RFC 9113, section 8.3.1).
    InvalidPath {
        /// The value of the pseudo-header, without its query string.
        path: Excerpt,
    },
    /// The Host header of an extended CONNECT differs from its `:authority` (RFC 9113, section
    /// 8.3.1).
    DifferentHost {
        /// The value of the header.
        host: Excerpt,
    },
    /// An extended CONNECT has a header that belongs to a connection of HTTP/1.1, such as Upgrade
    /// or Connection (RFC 8441, section 5).
    ConnectionHeader {
        /// The name of the header.
        name: Excerpt,
    },
    /// More bytes than the limit arrived before the server answered (RFC 6455, section 4.1).
    TooMuchEarlyData {
        /// [`Config::max_head_size`](crate::Config::max_head_size), in bytes.
        limit: usize,
    },
}

impl RequestError {
    /// Returns the HTTP status of the response: 400, 403, 405, 426, 431, 501 or 505.
    ///
    /// Over HTTP/2 and HTTP/3, [`connect_response`](Self::connect_response) has the status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Tls { .. }
            | Self::InvalidFirstByte { .. }
            | Self::InvalidRequestLine { .. }
            | Self::InvalidHeaderLine { .. }
            | Self::InvalidTarget { .. }
            | Self::InvalidTargetByte { .. }
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::InvalidHost { .. }
            | Self::UserInfoInHost
            | Self::InvalidPort { .. }
            | Self::RepeatedOrigin
            | Self::InvalidOrigin { .. }
            | Self::InvalidContentLength { .. }
            | Self::DifferentContentLengths { .. }
            | Self::ContentLength { .. }
            | Self::TransferEncoding { .. }
            | Self::MissingConnection
            | Self::InvalidConnection { .. }
            | Self::MissingKey
            | Self::RepeatedKey
            | Self::InvalidKey { .. }
            | Self::EmptySubprotocolList
            | Self::InvalidSubprotocol { .. }
            | Self::RepeatedSubprotocol { .. }
            | Self::EmptyExtensionList
            | Self::InvalidExtensions { .. }
            | Self::MissingPseudoHeader { .. }
            | Self::RepeatedPseudoHeader { .. }
            | Self::UnexpectedPseudoHeader { .. }
            | Self::InvalidScheme { .. }
            | Self::InvalidPath { .. }
            | Self::DifferentHost { .. }
            | Self::ConnectionHeader { .. }
            | Self::TooMuchEarlyData { .. } => 400,
            Self::ForeignOrigin { .. }
            | Self::ForeignScheme { .. }
            | Self::UnlistedOrigin { .. }
            | Self::UnlistedHost { .. } => 403,
            Self::UnsupportedMethod { .. } | Self::UnsupportedConnectMethod { .. } => 405,
            Self::MissingUpgrade
            | Self::InvalidUpgrade { .. }
            | Self::MissingVersion
            | Self::RepeatedVersion
            | Self::UnsupportedVersion { .. } => 426,
            Self::HeadTooLong { .. } | Self::TooManyHeaders { .. } => 431,
            Self::UnsupportedProtocol { .. } => 501,
            Self::UnsupportedHttpVersion { .. } | Self::UnsupportedConnectVersion { .. } => 505,
        }
    }
}
