//! Errors in a server's opening handshake.

use core::fmt;

use super::excerpt::Excerpt;

/// An error in a server's opening handshake (RFC 6455, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseError {
    /// The first byte is that of a TLS record (RFC 6455, section 4.1).
    Tls {
        /// The byte: 0x15 or 0x16.
        byte: u8,
    },
    /// The first byte cannot begin an HTTP response (RFC 9112, section 4).
    InvalidFirstByte {
        /// The byte.
        byte: u8,
    },
    /// The first line is not an HTTP status line (RFC 9112, section 4).
    InvalidStatusLine {
        /// The line, up to the first `:`, `?` or `#`.
        line: Excerpt,
    },
    /// A line after the status line is not a header field (RFC 9112, section 5).
    InvalidHeaderLine {
        /// The number of the line. The status line has the number 1.
        number: usize,
    },
    /// The head is longer than the limit (RFC 6455, section 10.4). The heads of informational
    /// responses before it count too.
    HeadTooLong {
        /// [`Config::max_head_size`](crate::Config::max_head_size), in bytes.
        limit: usize,
    },
    /// The head has more header fields than the limit (RFC 6455, section 10.4).
    TooManyHeaders {
        /// [`Config::max_headers`](crate::Config::max_headers).
        limit: usize,
    },
    /// The HTTP version is not 1.1 (RFC 6455, section 4.1).
    UnsupportedHttpVersion {
        /// The version.
        version: Excerpt,
    },
    /// The HTTP version of the response to an extended CONNECT is neither 2 nor 3 (RFC 8441,
    /// section 4).
    UnsupportedConnectVersion {
        /// The version.
        version: Excerpt,
    },
    /// The response to an extended CONNECT has the status 101, which HTTP/2 and HTTP/3 do not have
    /// (RFC 9113, section 8.6).
    SwitchingProtocols,
    /// The response to an extended CONNECT has a header that belongs to a connection of HTTP/1.1,
    /// such as Upgrade or Connection (RFC 9113, section 8.2.2).
    ConnectionHeader {
        /// The name of the header.
        name: Excerpt,
    },
    /// The Upgrade header is missing (RFC 6455, section 4.1).
    MissingUpgrade,
    /// There is more than one Upgrade header (RFC 6455, section 4.1).
    RepeatedUpgrade,
    /// The Upgrade header is not `websocket` (RFC 6455, section 4.1).
    InvalidUpgrade {
        /// The value of the header.
        value: Excerpt,
    },
    /// The Connection header is missing (RFC 6455, section 4.1).
    MissingConnection,
    /// The Connection header does not name `Upgrade` (RFC 6455, section 4.1).
    InvalidConnection {
        /// The value of the first such header.
        value: Excerpt,
    },
    /// The Sec-WebSocket-Accept header is missing (RFC 6455, section 4.1).
    MissingAccept,
    /// There is more than one Sec-WebSocket-Accept header (RFC 6455, section 11.3.3).
    RepeatedAccept,
    /// The Sec-WebSocket-Accept header does not match the client's key (RFC 6455, section 4.1).
    InvalidAccept {
        /// The value of the header.
        value: Excerpt,
    },
    /// The Sec-WebSocket-Extensions header violates its grammar (RFC 6455, section 9.1).
    InvalidExtensions {
        /// The value of the header, from the invalid extension on.
        value: Excerpt,
    },
    /// The Sec-WebSocket-Extensions header has commas and no extension (RFC 6455, section 9.1).
    EmptyExtensionList,
    /// The server accepts an extension that the client did not offer (RFC 6455, section 4.1).
    ExtensionNotOffered {
        /// The name of the extension.
        name: Excerpt,
    },
    /// The server accepts more than one extension (RFC 6455, section 4.1).
    SecondExtension {
        /// The name of the second extension.
        name: Excerpt,
    },
    /// The server accepts an extension twice (RFC 6455, section 9.1).
    RepeatedExtension {
        /// The name of the extension.
        name: Excerpt,
    },
    /// The server accepts two extensions that use one reserved bit (RFC 6455, section 9.1).
    ReservedBitConflict {
        /// The name of an extension that uses it.
        name: Excerpt,
    },
    /// The parameters of permessage-deflate are invalid, or differ from the offer (RFC 7692,
    /// section 7.1).
    InvalidExtensionParameters {
        /// The parameters.
        parameters: Excerpt,
    },
    /// The Sec-WebSocket-Protocol header has commas and no subprotocol (RFC 6455, section 11.3.4).
    EmptySubprotocolList,
    /// The server chooses more than one subprotocol (RFC 6455, section 11.3.4).
    SeveralSubprotocols,
    /// The server chooses a subprotocol that the client did not offer (RFC 6455, section 4.1).
    SubprotocolNotOffered {
        /// The subprotocol.
        subprotocol: Excerpt,
    },
    /// The server chooses no subprotocol, and
    /// [`require_subprotocol`](crate::ClientRequest::require_subprotocol) is set (RFC 6455,
    /// section 1.9).
    MissingSubprotocol,
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
    /// A chunk of the body does not begin with its size (RFC 9112, section 7.1).
    InvalidChunkSize {
        /// The line in the place of the size.
        line: Excerpt,
    },
    /// A line between two chunks of the body is longer than the limit (RFC 9112, section 7.1).
    ChunkLineTooLong {
        /// The limit in bytes, which no setting changes.
        limit: usize,
    },
    /// A chunk of the body is not followed by a line end (RFC 9112, section 7.1).
    MissingChunkEnd,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { byte } => write!(
                f,
                "the server's opening handshake begins with the byte {byte:#04x}, which looks like TLS, and the client \
                 expects a connection without TLS (RFC 6455, section 4.1)"
            ),
            Self::InvalidFirstByte { byte } => write!(
                f,
                "the server's opening handshake begins with the byte {byte:#04x}, which cannot begin an HTTP response \
                 (RFC 9112, section 4)"
            ),
            Self::InvalidStatusLine { line } => write!(
                f,
                "the server's opening handshake begins with {line}, which is not an HTTP status line \
                 (RFC 9112, section 4)"
            ),
            Self::InvalidHeaderLine { number } => write!(
                f,
                "line {number} of the server's opening handshake is not a valid HTTP header field (RFC 9112, section 5)"
            ),
            Self::HeadTooLong { limit } => write!(
                f,
                "the server's opening handshake is longer than Config::max_head_size = {limit} bytes \
                 (RFC 6455, section 10.4)"
            ),
            Self::TooManyHeaders { limit } => write!(
                f,
                "the server's opening handshake has more header fields than Config::max_headers = {limit} \
                 (RFC 6455, section 10.4)"
            ),
            Self::UnsupportedHttpVersion { version } => write!(
                f,
                "the server's opening handshake has the HTTP version {version} instead of \"HTTP/1.1\" \
                 (RFC 6455, section 4.1)"
            ),
            Self::UnsupportedConnectVersion { version } => write!(
                f,
                "the server's response to an extended CONNECT has the HTTP version {version} instead of \"HTTP/2.0\" or \
                 \"HTTP/3.0\" (RFC 8441, section 4)"
            ),
            Self::SwitchingProtocols => f.write_str(
                "the server's response to an extended CONNECT has the status 101, which HTTP/2 and HTTP/3 do not have \
                 (RFC 9113, section 8.6)",
            ),
            Self::ConnectionHeader { name } => write!(
                f,
                "the server's response to an extended CONNECT has the header {name}, which HTTP/2 and HTTP/3 do not \
                 allow (RFC 9113, section 8.2.2)"
            ),
            Self::MissingUpgrade => {
                f.write_str("the server's opening handshake has no Upgrade header (RFC 6455, section 4.1)")
            }
            Self::RepeatedUpgrade => {
                f.write_str("the server's opening handshake has more than one Upgrade header (RFC 6455, section 4.1)")
            }
            Self::InvalidUpgrade { value } => write!(
                f,
                "the server's Upgrade header is {value} instead of \"websocket\" (RFC 6455, section 4.1)"
            ),
            Self::MissingConnection => {
                f.write_str("the server's opening handshake has no Connection header (RFC 6455, section 4.1)")
            }
            Self::InvalidConnection { value } => write!(
                f,
                "the server's Connection header is {value}, which does not name \"Upgrade\" (RFC 6455, section 4.1)"
            ),
            Self::MissingAccept => {
                f.write_str("the server's opening handshake has no Sec-WebSocket-Accept header (RFC 6455, section 4.1)")
            }
            Self::RepeatedAccept => f.write_str(
                "the server's opening handshake has more than one Sec-WebSocket-Accept header \
                 (RFC 6455, section 11.3.3)",
            ),
            Self::InvalidAccept { value } => write!(
                f,
                "the server's Sec-WebSocket-Accept header is {value}, which does not match the client's key \
                 (RFC 6455, section 4.1)"
            ),
            Self::InvalidExtensions { value } => write!(
                f,
                "the server's Sec-WebSocket-Extensions header is malformed at {value} (RFC 6455, section 9.1)"
            ),
            Self::EmptyExtensionList => f.write_str(
                "the server's Sec-WebSocket-Extensions header has commas and no extension (RFC 6455, section 9.1)",
            ),
            Self::ExtensionNotOffered { name } => write!(
                f,
                "the server's opening handshake accepts the extension {name}, which the client did not offer \
                 (RFC 6455, section 4.1)"
            ),
            Self::SecondExtension { name } => write!(
                f,
                "the server's opening handshake accepts a second extension, {name}, and the client offered at most one \
                 (RFC 6455, section 4.1)"
            ),
            Self::RepeatedExtension { name } => write!(
                f,
                "the server's opening handshake accepts the extension {name} twice (RFC 6455, section 9.1)"
            ),
            Self::ReservedBitConflict { name } => write!(
                f,
                "the server's opening handshake accepts two extensions that use one reserved bit, one of them {name} \
                 (RFC 6455, section 9.1)"
            ),
            Self::InvalidExtensionParameters { parameters } => write!(
                f,
                "the server's opening handshake accepts permessage-deflate with {parameters}, which is invalid or \
                 does not match the client's offer (RFC 7692, section 7.1)"
            ),
            Self::EmptySubprotocolList => f.write_str(
                "the server's Sec-WebSocket-Protocol header has commas and no subprotocol (RFC 6455, section 11.3.4)",
            ),
            Self::SeveralSubprotocols => f.write_str(
                "the server's opening handshake chooses more than one subprotocol (RFC 6455, section 11.3.4)",
            ),
            Self::SubprotocolNotOffered { subprotocol } => write!(
                f,
                "the server's opening handshake chooses the subprotocol {subprotocol}, which the client did not offer \
                 (RFC 6455, section 4.1)"
            ),
            Self::MissingSubprotocol => f.write_str(
                "the server's opening handshake chooses no subprotocol, and ClientRequest::require_subprotocol \
                 requires one (RFC 6455, section 1.9)",
            ),
            Self::InvalidContentLength { value } => write!(
                f,
                "the server's Content-Length header is {value}, which is not a number below 2^64 (RFC 9110, section 8.6)"
            ),
            Self::DifferentContentLengths { value } => write!(
                f,
                "the server's opening handshake has a second Content-Length, {value}, which differs from the first \
                 (RFC 9112, section 6.3)"
            ),
            Self::InvalidChunkSize { line } => write!(
                f,
                "a chunk in the body of the server's response begins with {line} instead of its size in hexadecimal \
                 (RFC 9112, section 7.1)"
            ),
            Self::ChunkLineTooLong { limit } => write!(
                f,
                "a line between two chunks in the body of the server's response is longer than {limit} bytes \
                 (RFC 9112, section 7.1)"
            ),
            Self::MissingChunkEnd => f.write_str(
                "a chunk in the body of the server's response is not followed by a line end (RFC 9112, section 7.1)",
            ),
        }
    }
}

impl core::error::Error for ResponseError {}
