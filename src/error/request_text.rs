//! The texts of errors in a client's opening handshake.

use core::fmt;

use super::request::RequestError;

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { byte } => write!(
                f,
                "the client's opening handshake begins with the byte {byte:#04x}, which looks like TLS, and the server \
                 expects a connection without TLS (RFC 6455, section 4.1)"
            ),
            Self::InvalidFirstByte { byte } => write!(
                f,
                "the client's opening handshake begins with the byte {byte:#04x}, which cannot begin an HTTP request \
                 (RFC 9112, section 3)"
            ),
            Self::InvalidRequestLine { line } => write!(
                f,
                "the client's opening handshake begins with {line}, which is not an HTTP request line \
                 (RFC 9112, section 3)"
            ),
            Self::InvalidHeaderLine { number } => write!(
                f,
                "line {number} of the client's opening handshake is not a valid HTTP header field (RFC 9112, section 5)"
            ),
            Self::HeadTooLong { limit } => write!(
                f,
                "the client's opening handshake is longer than Config::max_head_size = {limit} bytes \
                 (RFC 6455, section 10.4)"
            ),
            Self::TooManyHeaders { limit } => write!(
                f,
                "the client's opening handshake has more header fields than Config::max_headers = {limit} \
                 (RFC 6455, section 10.4)"
            ),
            Self::UnsupportedMethod { method } => write!(
                f,
                "the client's opening handshake has the method {method} instead of \"GET\" (RFC 6455, section 4.2.1)"
            ),
            Self::UnsupportedHttpVersion { version } => write!(
                f,
                "the client's opening handshake has the HTTP version {version} instead of \"HTTP/1.1\" \
                 (RFC 6455, section 4.2.1)"
            ),
            Self::InvalidTarget { target } => write!(
                f,
                "the client's request target is {target}, which is neither a path nor an http or https URI \
                 (RFC 6455, section 4.2.1)"
            ),
            Self::InvalidTargetByte { target, byte } => write!(
                f,
                "the client's request target is {target} and has the byte {byte:#04x}, which must be percent-encoded \
                 (RFC 3986, section 2.1)"
            ),
            Self::MissingHost => {
                f.write_str("the client's opening handshake has no Host header (RFC 6455, section 4.2.1)")
            }
            Self::RepeatedHost => {
                f.write_str("the client's opening handshake has more than one Host header (RFC 9112, section 3.2)")
            }
            Self::InvalidHost { host } => write!(
                f,
                "the client's Host header or :authority is {host}, which is not a host name or address \
                 (RFC 3986, section 3.2.2)"
            ),
            Self::UserInfoInHost => f.write_str(
                "the client's Host header or :authority has a user name or a password, and neither is allowed there \
                 (RFC 9110, section 7.2)",
            ),
            Self::InvalidPort { port } => write!(
                f,
                "the client's Host header or :authority has the port {port}, which is not a number from 1 to 65535 \
                 (RFC 3986, section 3.2.3)"
            ),
            Self::RepeatedOrigin => {
                f.write_str("the client's opening handshake has more than one Origin header (RFC 6454, section 7.3)")
            }
            Self::InvalidOrigin { origin } => write!(
                f,
                "the client's Origin header is {origin}, which is not ASCII (RFC 6454, section 7.1)"
            ),
            Self::ForeignOrigin { origin } => write!(
                f,
                "the client's Origin header is {origin}, which does not name the host of the request, and neither \
                 Accept::origins nor Accept::any_origin is set to allow it (RFC 6455, section 10.2)"
            ),
            Self::ForeignScheme { origin, requires_https } => write!(
                f,
                "the client's Origin header is {origin}, which does not have the scheme of Accept::public_scheme, \
                 \"{}\" (RFC 6455, section 10.2)",
                if *requires_https { "https" } else { "http" }
            ),
            Self::UnlistedOrigin { origin } => write!(
                f,
                "the client's Origin header is {origin}, which is not one of Accept::origins (RFC 6455, section 10.2)"
            ),
            Self::UnlistedHost { host } => write!(
                f,
                "the client's request is for the host {host}, which is not one of Accept::hosts (RFC 9110, section 7.2)"
            ),
            Self::InvalidContentLength { value } => write!(
                f,
                "the client's Content-Length header is {value}, which is not a number below 2^64 (RFC 9110, section 8.6)"
            ),
            Self::DifferentContentLengths { value } => write!(
                f,
                "the client's opening handshake has a second Content-Length, {value}, which differs from the first \
                 (RFC 9112, section 6.3)"
            ),
            Self::ContentLength { value } => write!(
                f,
                "the client's opening handshake announces a body with Content-Length {value}, and may not have one \
                 (RFC 9112, section 6.2)"
            ),
            Self::TransferEncoding { value } => write!(
                f,
                "the client's opening handshake announces a body with Transfer-Encoding {value}, and may not have one \
                 (RFC 9112, section 6.1)"
            ),
            Self::MissingUpgrade => {
                f.write_str("the client's opening handshake has no Upgrade header (RFC 6455, section 4.2.1)")
            }
            Self::InvalidUpgrade { value } => write!(
                f,
                "the client's Upgrade header is {value}, which does not name \"websocket\" (RFC 6455, section 4.2.1)"
            ),
            Self::MissingConnection => {
                f.write_str("the client's opening handshake has no Connection header (RFC 6455, section 4.2.1)")
            }
            Self::InvalidConnection { value } => write!(
                f,
                "the client's Connection header is {value}, which does not name \"Upgrade\" (RFC 6455, section 4.2.1)"
            ),
            Self::MissingKey => {
                f.write_str("the client's opening handshake has no Sec-WebSocket-Key header (RFC 6455, section 4.2.1)")
            }
            Self::RepeatedKey => f.write_str(
                "the client's opening handshake has more than one Sec-WebSocket-Key header (RFC 6455, section 11.3.1)",
            ),
            Self::InvalidKey { len } => write!(
                f,
                "the client's Sec-WebSocket-Key header, {len} bytes long, is not the base64 form of 16 bytes, which is \
                 24 bytes long (RFC 6455, section 4.2.1)"
            ),
            Self::MissingVersion => f.write_str(
                "the client's opening handshake has no Sec-WebSocket-Version header (RFC 6455, section 4.2.1)",
            ),
            Self::RepeatedVersion => f.write_str(
                "the client's opening handshake has more than one Sec-WebSocket-Version header \
                 (RFC 6455, section 11.3.5)",
            ),
            Self::UnsupportedVersion { version } => write!(
                f,
                "the client's Sec-WebSocket-Version header is {version} instead of \"13\" (RFC 6455, section 4.2.1)"
            ),
            Self::EmptySubprotocolList => f.write_str(
                "the client's Sec-WebSocket-Protocol header has commas and no subprotocol (RFC 6455, section 4.3)",
            ),
            Self::InvalidSubprotocol { position } => write!(
                f,
                "subprotocol {position} of the client's opening handshake has a character that is not allowed \
                 (RFC 6455, section 4.1)"
            ),
            Self::RepeatedSubprotocol { position } => write!(
                f,
                "subprotocol {position} of the client's opening handshake repeats an earlier one \
                 (RFC 6455, section 4.1)"
            ),
            Self::EmptyExtensionList => f.write_str(
                "the client's Sec-WebSocket-Extensions header has commas and no extension (RFC 6455, section 9.1)",
            ),
            Self::InvalidExtensions { value } => write!(
                f,
                "the client's Sec-WebSocket-Extensions header is malformed at {value} (RFC 6455, section 9.1)"
            ),
            Self::MissingPseudoHeader { name } => write!(
                f,
                "the client's extended CONNECT has no {name} pseudo-header (RFC 8441, section 4)"
            ),
            Self::RepeatedPseudoHeader { name } => write!(
                f,
                "the client's extended CONNECT has more than one {name} pseudo-header (RFC 9113, section 8.3)"
            ),
            Self::UnexpectedPseudoHeader { name } => write!(
                f,
                "the client's extended CONNECT has the pseudo-header {name}, which is unknown or after a header field \
                 (RFC 9113, section 8.3)"
            ),
            Self::UnsupportedConnectMethod { method } => write!(
                f,
                "the client's extended CONNECT has the method {method} instead of \"CONNECT\" (RFC 8441, section 5)"
            ),
            Self::UnsupportedConnectVersion { version } => write!(
                f,
                "the client's extended CONNECT has the HTTP version {version} instead of \"HTTP/2.0\" or \"HTTP/3.0\" \
                 (RFC 8441, section 4)"
            ),
            Self::UnsupportedProtocol { protocol } => write!(
                f,
                "the client's extended CONNECT has the :protocol {protocol} instead of \"websocket\" \
                 (RFC 9220, section 3)"
            ),
            Self::InvalidScheme { scheme } => write!(
                f,
                "the client's extended CONNECT has the :scheme {scheme}, which is neither \"http\" nor \"https\" \
                 (RFC 8441, section 5)"
            ),
            Self::InvalidPath { path } => write!(
                f,
                "the client's extended CONNECT has the :path {path}, which does not begin with a slash \
                 (RFC 9113, section 8.3.1)"
            ),
            Self::DifferentHost { host } => write!(
                f,
                "the client's Host header is {host}, which is not the :authority of the request \
                 (RFC 9113, section 8.3.1)"
            ),
            Self::ConnectionHeader { name } => write!(
                f,
                "the client's extended CONNECT has the header {name}, which HTTP/2 and HTTP/3 do not allow \
                 (RFC 8441, section 5)"
            ),
            Self::TooMuchEarlyData { limit } => write!(
                f,
                "the client's opening handshake is followed by more than Config::max_head_size = {limit} bytes before \
                 the server's answer (RFC 6455, section 4.1)"
            ),
        }
    }
}

impl core::error::Error for RequestError {}
