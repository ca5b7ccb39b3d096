//! Errors of the caller in the opening handshake.

use core::fmt;

use super::{excerpt::Excerpt, request::RequestError};

/// A request, an acceptance or a rejection that cannot be sent. Nothing was sent and nothing has
/// changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LocalHandshakeError {
    /// The URL does not begin with `ws://` or `wss://`, or `http://` or `https://` in their place
    /// (RFC 6455, section 3).
    InvalidScheme {
        /// The URL, without user name, password, query string and fragment.
        url: Excerpt,
    },
    /// The URL has a fragment (RFC 6455, section 3).
    FragmentInUrl {
        /// The URL, without user name, password, query string and fragment.
        url: Excerpt,
    },
    /// A user name or a password precedes the host (RFC 6455, section 3).
    UserInfoInUrl,
    /// The user name for the authentication scheme "Basic" has a colon, or the user name or the
    /// password has a control character or is not UTF-8 (RFC 7617, section 2).
    InvalidCredentials,
    /// The URL of a proxy does not begin with `http://` (RFC 9110, section 4.2.1).
    InvalidProxyScheme {
        /// The URL, without user name, password, query string and fragment.
        url: Excerpt,
    },
    /// The URL of a proxy has a path, a query string or a fragment (RFC 9110, section 9.3.6).
    PathInProxyUrl {
        /// The URL, without user name, password, query string and fragment.
        url: Excerpt,
    },
    /// The URL has no host, or the host is empty (RFC 6455, section 3).
    MissingHost,
    /// The host is not a host name or address (RFC 3986, section 3.2.2).
    InvalidHost {
        /// The host, with the port if there is one.
        host: Excerpt,
    },
    /// The port is not a number from 1 to 65535 (RFC 3986, section 3.2.3).
    InvalidPort {
        /// The text after the host's colon.
        port: Excerpt,
    },
    /// The request target does not begin with a slash (RFC 9112, section 3.2.1).
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
        /// The offset of the byte in the target.
        offset: usize,
    },
    /// The request target is longer than 65,534 bytes, the limit of the `http` crate (RFC 9110,
    /// section 4.1).
    TargetTooLong {
        /// The length of the target, in bytes.
        len: usize,
    },
    /// A header name is not a token (RFC 9110, section 5.1).
    InvalidHeaderName {
        /// The name, up to the first colon.
        name: Excerpt,
    },
    /// A header value has a control character (RFC 9110, section 5.5).
    InvalidHeaderValue {
        /// The name of the header.
        name: Excerpt,
    },
    /// The header is one that the handshake itself sets or must not have: `Host`, `Connection`,
    /// `Upgrade`, `Origin`, `Sec-WebSocket-…`, `Content-Length` or `Transfer-Encoding` (RFC 6455,
    /// sections 4.1 and 4.2.2).
    ReservedHeader {
        /// The name of the header.
        name: Excerpt,
    },
    /// The header belongs to a connection of HTTP/1.1, and the handshake is over HTTP/2 or HTTP/3
    /// (RFC 9113, section 8.2.2).
    ConnectionHeader {
        /// The name of the header.
        name: Excerpt,
    },
    /// An offered subprotocol is not a token (RFC 6455, section 4.1).
    InvalidSubprotocol {
        /// The position of the subprotocol among those offered. The first has the position 1.
        position: usize,
    },
    /// A subprotocol is offered twice (RFC 6455, section 4.1).
    RepeatedSubprotocol {
        /// The position of the second occurrence among those offered. The first subprotocol has the
        /// position 1.
        position: usize,
    },
    /// The acceptance does not allow the request: see [`Accept`](crate::Accept).
    NotAllowed {
        /// Why, with the [status](RequestError::status) of the response to the client.
        error: RequestError,
    },
    /// The acceptance names a subprotocol that the client did not offer (RFC 6455, section 4.2.2).
    SubprotocolNotOffered {
        /// The subprotocol.
        subprotocol: Excerpt,
    },
    /// The text of an extension is not one name with valid parameters (RFC 6455, section 9.1).
    InvalidExtension {
        /// The text.
        extension: Excerpt,
    },
    /// The acceptance has an extension that the client did not offer (RFC 6455, section 9.1).
    ExtensionNotOffered {
        /// The name of the extension.
        name: Excerpt,
    },
    /// The acceptance has an extension twice, or the request offers permessage-deflate while
    /// `Config::deflate` offers it too (RFC 6455, section 9.1).
    RepeatedExtension {
        /// The name of the extension.
        name: Excerpt,
    },
    /// The acceptance has two extensions that use one reserved bit (RFC 6455, section 9.1).
    ReservedBitConflict {
        /// The name of the second extension.
        name: Excerpt,
    },
    /// The status of a rejection is not in the range 200 to 599 (RFC 9110, section 15).
    InvalidStatus {
        /// The status.
        status: u16,
    },
    /// The rejection has a body, and its status allows none (RFC 9110, section 6.4.1).
    BodyNotAllowed {
        /// The status: 204, 205 or 304.
        status: u16,
    },
    /// No request is waiting for an answer (RFC 6455, section 4.2.2).
    NoRequest,
    /// The request is not a WebSocket handshake, so it can only be rejected (RFC 6455, section
    /// 4.2.1).
    NotAnUpgrade,
    /// The request is an extended CONNECT. [`Request::acceptance`](crate::Request::acceptance)
    /// accepts it, and not [`Connection::accept`](crate::Connection::accept) (RFC 8441, section 5).
    ExtendedConnect,
}

impl fmt::Display for LocalHandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidScheme { url } => write!(
                f,
                "the URL {url} does not begin with \"ws://\" or \"wss://\" (RFC 6455, section 3)"
            ),
            Self::FragmentInUrl { url } => write!(
                f,
                "the URL {url} has a fragment, which a WebSocket URL cannot have (RFC 6455, section 3)"
            ),
            Self::UserInfoInUrl => f.write_str(
                "a user name or a password precedes the host, and a WebSocket URL can have neither: \
                 ClientRequest::basic_auth sends them in a header (RFC 6455, section 3)",
            ),
            Self::InvalidCredentials => f.write_str(
                "the user name has a colon, or the user name or the password has a control character or is not UTF-8 \
                 (RFC 7617, section 2)",
            ),
            Self::InvalidProxyScheme { url } => write!(
                f,
                "the URL {url} of the proxy does not begin with \"http://\", and no other kind of proxy is supported \
                 (RFC 9110, section 4.2.1)"
            ),
            Self::PathInProxyUrl { url } => write!(
                f,
                "the URL {url} of the proxy has a path, a query string or a fragment, which CONNECT does not use \
                 (RFC 9110, section 9.3.6)"
            ),
            Self::MissingHost => f.write_str("the host is missing (RFC 6455, section 3)"),
            Self::InvalidHost { host } => write!(
                f,
                "the host {host} is not a host name, an IPv4 address or an IPv6 address in brackets \
                 (RFC 3986, section 3.2.2)"
            ),
            Self::InvalidPort { port } => write!(
                f,
                "the port {port} is not a number from 1 to 65535 (RFC 3986, section 3.2.3)"
            ),
            Self::InvalidTarget { target } => write!(
                f,
                "the request target {target} does not begin with a slash (RFC 9112, section 3.2.1)"
            ),
            Self::InvalidTargetByte { target, byte, offset } => write!(
                f,
                "the request target {target} has the byte {byte:#04x} at offset {offset}, which must be \
                 percent-encoded (RFC 3986, section 2.1)"
            ),
            Self::TargetTooLong { len } => write!(
                f,
                "the request target is {len} bytes long, and the http crate takes at most 65534 (RFC 9110, \
                 section 4.1)"
            ),
            Self::InvalidHeaderName { name } => {
                write!(
                    f,
                    "the header name {name} is empty or has a character that is not allowed (RFC 9110, section 5.1)"
                )
            }
            Self::InvalidHeaderValue { name } => write!(
                f,
                "the value of the header {name} has a control character (RFC 9110, section 5.5)"
            ),
            Self::ReservedHeader { name } => write!(
                f,
                "the header {name} cannot be added: the handshake sets it itself, or must not have it \
                 (RFC 6455, section 4)"
            ),
            Self::ConnectionHeader { name } => write!(
                f,
                "the header {name} cannot be added, because HTTP/2 and HTTP/3 do not allow it \
                 (RFC 9113, section 8.2.2)"
            ),
            Self::InvalidSubprotocol { position } => write!(
                f,
                "offered subprotocol {position} is empty or has a character that is not allowed (RFC 6455, section 4.1)"
            ),
            Self::RepeatedSubprotocol { position } => write!(
                f,
                "offered subprotocol {position} repeats an earlier one (RFC 6455, section 4.1)"
            ),
            Self::NotAllowed { error } => fmt::Display::fmt(error, f),
            Self::SubprotocolNotOffered { subprotocol } => write!(
                f,
                "the subprotocol {subprotocol} cannot be accepted, because the client did not offer it \
                 (RFC 6455, section 4.2.2)"
            ),
            Self::InvalidExtension { extension } => write!(
                f,
                "the extension {extension} is not one name with valid parameters (RFC 6455, section 9.1)"
            ),
            Self::ExtensionNotOffered { name } => write!(
                f,
                "the extension {name} cannot be accepted, because the client did not offer it (RFC 6455, section 9.1)"
            ),
            Self::RepeatedExtension { name } => write!(
                f,
                "the extension {name} cannot be negotiated twice (RFC 6455, section 9.1)"
            ),
            Self::ReservedBitConflict { name } => write!(
                f,
                "the extension {name} uses a reserved bit that another accepted extension uses (RFC 6455, section 9.1)"
            ),
            Self::InvalidStatus { status } => write!(
                f,
                "a request cannot be rejected with the status {status}, which is not in the range 200 to 599 \
                 (RFC 9110, section 15)"
            ),
            Self::BodyNotAllowed { status } => write!(
                f,
                "a response with the status {status} cannot have a body (RFC 9110, section 6.4.1)"
            ),
            Self::NoRequest => {
                f.write_str("no request is waiting to be accepted or rejected (RFC 6455, section 4.2.2)")
            }
            Self::NotAnUpgrade => f.write_str(
                "the request is not a WebSocket handshake and can only be rejected (RFC 6455, section 4.2.1)",
            ),
            Self::ExtendedConnect => f.write_str(
                "the request is an extended CONNECT, which Request::acceptance accepts and not Connection::accept \
                 (RFC 8441, section 5)",
            ),
        }
    }
}

impl core::error::Error for LocalHandshakeError {}
