//! Every error with its text. To review the texts, read [`TEXTS`] from top to bottom.

use std::{collections::BTreeSet, error::Error, fmt::Debug, fs, path::Path};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Message, MessageKind, ProtocolError, Request, Role,
    SendError,
    error::{Excerpt, LocalHandshakeError, RequestError, ResponseError},
    frame::ReservedBits,
    handshake::{Expected, Scheme},
    proxy::{Proxy, ProxyError},
    utf8,
};
use support::{
    control_frame_too_long, feed, fragmented_control_frame, frame,
    heads::{
        CONNECT_FIELDS, KEY, REQUEST_FIELDS, RESPONSE_FIELDS, SEED, connect_request, connect_with, connect_without,
        drain, head, hear, plain, request, request_of_fields, request_of_len, request_with, response_with, serve,
        undecided, with,
    },
    interleaved_message, open, reserved_bits,
};

/// The texts, each after its type and variant, in the order of [`errors`]. A text has one line;
/// here it is wrapped.
const TEXTS: &str = r#"
ProtocolError::ReservedBits
    the peer sent a frame with RSV1 and RSV2 set, and no negotiated extension gives that a meaning
    (RFC 6455, section 5.2)
ProtocolError::ReservedOpcode
    the peer sent a frame with the reserved opcode 0x3 (RFC 6455, section 5.2)
ProtocolError::UnmaskedFrame
    the client sent a frame that is not masked (RFC 6455, section 5.1)
ProtocolError::MaskedFrame
    the server sent a frame that is masked (RFC 6455, section 5.1)
ProtocolError::NonMinimalLength
    the peer sent a frame whose payload length takes 16 bits and fits into fewer (RFC 6455, section
    5.2)
ProtocolError::LengthOverflow
    the peer sent a frame that announces more than 2^63 - 1 bytes of payload (RFC 6455, section 5.2)
ProtocolError::FragmentedControlFrame
    the peer sent a Ping frame that is fragmented (RFC 6455, section 5.5)
ProtocolError::ControlFrameTooLong
    the peer sent a Ping frame that announces more than 125 bytes (RFC 6455, section 5.5)
ProtocolError::UnexpectedContinuation
    the peer sent a continuation frame, but no message is in progress (RFC 6455, section 5.4)
ProtocolError::InterleavedMessage
    the peer began a text message before the message in progress had ended (RFC 6455, section 5.4)
ProtocolError::TruncatedCloseCode
    the peer sent a Close frame with a body of one byte, too short for a code (RFC 6455, section
    5.5.1)
ProtocolError::InvalidCloseCode
    the peer sent a Close frame with the code 1005, which may not be sent (RFC 6455, section 7.4)
ProtocolError::InvalidCloseReason
    the peer sent a Close frame whose reason is not UTF-8 (RFC 6455, section 5.5.1)
ProtocolError::InvalidUtf8
    the peer sent a text message that is not UTF-8 (RFC 6455, section 8.1)
ProtocolError::InvalidDeflate
    the peer sent a compressed message that is not valid DEFLATE, or that refers to data before the
    window (RFC 7692, section 7.2.2)
ProtocolError::TooManyDeflateBlocks
    the peer sent compressed messages with more than one DEFLATE block for each 6 bytes and 512
    more, a limit that no setting changes (RFC 6455, section 10.4)
ProtocolError::MessageTooBig
    the peer sent a message of at least 101 bytes, which is over Config::max_message_size = 100 (RFC
    6455, section 10.4)
ProtocolError::MessageTooBig
    the peer sent a compressed message that is over Config::max_message_size = 100: it inflates to
    more bytes, or has more than twice as many and 64 KiB on the wire (RFC 6455, section 10.4)
ProtocolError::TooManyFragments
    the peer sent a message in more frames than Config::max_fragments = 2 (RFC 6455, section 10.4)
ProtocolError::UnexpectedEof
    the transport ended before the closing handshake was complete (RFC 6455, section 7.1.5)
ProtocolError::HandshakeEof
    the transport ended before the opening handshake was complete (RFC 6455, section 4)
ProtocolError::Request
    the client's opening handshake has the method "PUT" instead of "GET" (RFC 6455, section 4.2.1)
ProtocolError::Response
    the server's opening handshake has no Upgrade header (RFC 6455, section 4.1)
RequestError::Tls
    the client's opening handshake begins with the byte 0x16, which looks like TLS, and the server
    expects a connection without TLS (RFC 6455, section 4.1)
RequestError::InvalidFirstByte
    the client's opening handshake begins with the byte 0x81, which cannot begin an HTTP request
    (RFC 9112, section 3)
RequestError::InvalidRequestLine
    the client's opening handshake begins with "SSH-2.0-OpenSSH_9.2", which is not an HTTP request
    line (RFC 9112, section 3)
RequestError::InvalidRequestLine
    the client's opening handshake begins with "GET /"..., which is not an HTTP request line (RFC
    9112, section 3)
RequestError::InvalidHeaderLine
    line 7 of the client's opening handshake is not a valid HTTP header field (RFC 9112, section 5)
RequestError::HeadTooLong
    the client's opening handshake is longer than Config::max_head_size = 200 bytes (RFC 6455,
    section 10.4)
RequestError::TooManyHeaders
    the client's opening handshake has more header fields than Config::max_headers = 5 (RFC 6455,
    section 10.4)
RequestError::UnsupportedMethod
    the client's opening handshake has the method "POST" instead of "GET" (RFC 6455, section 4.2.1)
RequestError::UnsupportedHttpVersion
    the client's opening handshake has the HTTP version "HTTP/1.0" instead of "HTTP/1.1" (RFC 6455,
    section 4.2.1)
RequestError::UnsupportedHttpVersion
    the client's opening handshake has the HTTP version "path HTTP/1.1" instead of "HTTP/1.1" (RFC
    6455, section 4.2.1)
RequestError::InvalidTarget
    the client's request target is "*", which is neither a path nor an http or https URI (RFC 6455,
    section 4.2.1)
RequestError::InvalidTarget
    the client's request target is "ws://"..., which is neither a path nor an http or https URI (RFC
    6455, section 4.2.1)
RequestError::InvalidTargetByte
    the client's request target is "/chat"... and has the byte 0x23, which must be percent-encoded
    (RFC 3986, section 2.1)
RequestError::MissingHost
    the client's opening handshake has no Host header (RFC 6455, section 4.2.1)
RequestError::RepeatedHost
    the client's opening handshake has more than one Host header (RFC 9112, section 3.2)
RequestError::InvalidHost
    the client's Host header or :authority is "exa mple.com", which is not a host name or address
    (RFC 3986, section 3.2.2)
RequestError::UserInfoInHost
    the client's Host header or :authority has a user name or a password, and neither is allowed
    there (RFC 9110, section 7.2)
RequestError::InvalidPort
    the client's Host header or :authority has the port "99999", which is not a number from 1 to
    65535 (RFC 3986, section 3.2.3)
RequestError::RepeatedOrigin
    the client's opening handshake has more than one Origin header (RFC 6454, section 7.3)
RequestError::InvalidOrigin
    the client's Origin header is "https://b\xc3\xbccher.example", which is not ASCII (RFC 6454,
    section 7.1)
RequestError::ForeignOrigin
    the client's Origin header is "https://evil.example", which does not name the host of the
    request, and neither Accept::origins nor Accept::any_origin is set to allow it (RFC 6455,
    section 10.2)
RequestError::ForeignScheme
    the client's Origin header is "http://example.com", which does not have the scheme of
    Accept::public_scheme, "https" (RFC 6455, section 10.2)
RequestError::UnlistedOrigin
    the client's Origin header is "https://evil.example", which is not one of Accept::origins (RFC
    6455, section 10.2)
RequestError::UnlistedHost
    the client's request is for the host "example.com", which is not one of Accept::hosts (RFC 9110,
    section 7.2)
RequestError::InvalidContentLength
    the client's Content-Length header is "5 bytes", which is not a number below 2^64 (RFC 9110,
    section 8.6)
RequestError::DifferentContentLengths
    the client's opening handshake has a second Content-Length, "5", which differs from the first
    (RFC 9112, section 6.3)
RequestError::ContentLength
    the client's opening handshake announces a body with Content-Length "5", and may not have one
    (RFC 9112, section 6.2)
RequestError::TransferEncoding
    the client's opening handshake announces a body with Transfer-Encoding "chunked", and may not
    have one (RFC 9112, section 6.1)
RequestError::MissingUpgrade
    the client's opening handshake has no Upgrade header (RFC 6455, section 4.2.1)
RequestError::InvalidUpgrade
    the client's Upgrade header is "h2c", which does not name "websocket" (RFC 6455, section 4.2.1)
RequestError::MissingConnection
    the client's opening handshake has no Connection header (RFC 6455, section 4.2.1)
RequestError::InvalidConnection
    the client's Connection header is "keep-alive", which does not name "Upgrade" (RFC 6455, section
    4.2.1)
RequestError::MissingKey
    the client's opening handshake has no Sec-WebSocket-Key header (RFC 6455, section 4.2.1)
RequestError::RepeatedKey
    the client's opening handshake has more than one Sec-WebSocket-Key header (RFC 6455, section
    11.3.1)
RequestError::InvalidKey
    the client's Sec-WebSocket-Key header, 6 bytes long, is not the base64 form of 16 bytes, which
    is 24 bytes long (RFC 6455, section 4.2.1)
RequestError::MissingVersion
    the client's opening handshake has no Sec-WebSocket-Version header (RFC 6455, section 4.2.1)
RequestError::RepeatedVersion
    the client's opening handshake has more than one Sec-WebSocket-Version header (RFC 6455, section
    11.3.5)
RequestError::UnsupportedVersion
    the client's Sec-WebSocket-Version header is "8" instead of "13" (RFC 6455, section 4.2.1)
RequestError::EmptySubprotocolList
    the client's Sec-WebSocket-Protocol header has commas and no subprotocol (RFC 6455, section 4.3)
RequestError::InvalidSubprotocol
    subprotocol 2 of the client's opening handshake has a character that is not allowed (RFC 6455,
    section 4.1)
RequestError::RepeatedSubprotocol
    subprotocol 3 of the client's opening handshake repeats an earlier one (RFC 6455, section 4.1)
RequestError::EmptyExtensionList
    the client's Sec-WebSocket-Extensions header has commas and no extension (RFC 6455, section 9.1)
RequestError::InvalidExtensions
    the client's Sec-WebSocket-Extensions header is malformed at "x-a; b=\"c d\", x-e" (RFC 6455,
    section 9.1)
RequestError::MissingPseudoHeader
    the client's extended CONNECT has no :authority pseudo-header (RFC 8441, section 4)
RequestError::RepeatedPseudoHeader
    the client's extended CONNECT has more than one :path pseudo-header (RFC 9113, section 8.3)
RequestError::UnexpectedPseudoHeader
    the client's extended CONNECT has the pseudo-header ":status", which is unknown or after a
    header field (RFC 9113, section 8.3)
RequestError::UnsupportedConnectMethod
    the client's extended CONNECT has the method "GET" instead of "CONNECT" (RFC 8441, section 5)
RequestError::UnsupportedConnectVersion
    the client's extended CONNECT has the HTTP version "HTTP/1.1" instead of "HTTP/2.0" or
    "HTTP/3.0" (RFC 8441, section 4)
RequestError::UnsupportedProtocol
    the client's extended CONNECT has the :protocol "connect-udp" instead of "websocket" (RFC 9220,
    section 3)
RequestError::InvalidScheme
    the client's extended CONNECT has the :scheme "wss", which is neither "http" nor "https" (RFC
    8441, section 5)
RequestError::InvalidPath
    the client's extended CONNECT has the :path "chat"..., which does not begin with a slash (RFC
    9113, section 8.3.1)
RequestError::DifferentHost
    the client's Host header is "example.org", which is not the :authority of the request (RFC 9113,
    section 8.3.1)
RequestError::ConnectionHeader
    the client's extended CONNECT has the header "connection", which HTTP/2 and HTTP/3 do not allow
    (RFC 8441, section 5)
RequestError::TooMuchEarlyData
    the client's opening handshake is followed by more than Config::max_head_size = 200 bytes before
    the server's answer (RFC 6455, section 4.1)
ResponseError::Tls
    the server's opening handshake begins with the byte 0x15, which looks like TLS, and the client
    expects a connection without TLS (RFC 6455, section 4.1)
ResponseError::InvalidFirstByte
    the server's opening handshake begins with the byte 0x81, which cannot begin an HTTP response
    (RFC 9112, section 4)
ResponseError::InvalidStatusLine
    the server's opening handshake begins with "SSH-2.0-OpenSSH_9.2", which is not an HTTP status
    line (RFC 9112, section 4)
ResponseError::InvalidStatusLine
    the server's opening handshake begins with "HTTP/1.1 101x", which is not an HTTP status line
    (RFC 9112, section 4)
ResponseError::InvalidHeaderLine
    line 5 of the server's opening handshake is not a valid HTTP header field (RFC 9112, section 5)
ResponseError::HeadTooLong
    the server's opening handshake is longer than Config::max_head_size = 100 bytes (RFC 6455,
    section 10.4)
ResponseError::TooManyHeaders
    the server's opening handshake has more header fields than Config::max_headers = 8 (RFC 6455,
    section 10.4)
ResponseError::UnsupportedHttpVersion
    the server's opening handshake has the HTTP version "HTTP/1.0" instead of "HTTP/1.1" (RFC 6455,
    section 4.1)
ResponseError::UnsupportedConnectVersion
    the server's response to an extended CONNECT has the HTTP version "HTTP/1.1" instead of
    "HTTP/2.0" or "HTTP/3.0" (RFC 8441, section 4)
ResponseError::SwitchingProtocols
    the server's response to an extended CONNECT has the status 101, which HTTP/2 and HTTP/3 do not
    have (RFC 9113, section 8.6)
ResponseError::ConnectionHeader
    the server's response to an extended CONNECT has the header "upgrade", which HTTP/2 and HTTP/3
    do not allow (RFC 9113, section 8.2.2)
ResponseError::MissingUpgrade
    the server's opening handshake has no Upgrade header (RFC 6455, section 4.1)
ResponseError::RepeatedUpgrade
    the server's opening handshake has more than one Upgrade header (RFC 6455, section 4.1)
ResponseError::InvalidUpgrade
    the server's Upgrade header is "h2c" instead of "websocket" (RFC 6455, section 4.1)
ResponseError::MissingConnection
    the server's opening handshake has no Connection header (RFC 6455, section 4.1)
ResponseError::InvalidConnection
    the server's Connection header is "close", which does not name "Upgrade" (RFC 6455, section 4.1)
ResponseError::MissingAccept
    the server's opening handshake has no Sec-WebSocket-Accept header (RFC 6455, section 4.1)
ResponseError::RepeatedAccept
    the server's opening handshake has more than one Sec-WebSocket-Accept header (RFC 6455, section
    11.3.3)
ResponseError::InvalidAccept
    the server's Sec-WebSocket-Accept header is "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", which does not match
    the client's key (RFC 6455, section 4.1)
ResponseError::InvalidExtensions
    the server's Sec-WebSocket-Extensions header is malformed at "x-a; b=\"c d\"" (RFC 6455, section
    9.1)
ResponseError::EmptyExtensionList
    the server's Sec-WebSocket-Extensions header has commas and no extension (RFC 6455, section 9.1)
ResponseError::ExtensionNotOffered
    the server's opening handshake accepts the extension "permessage-deflate", which the client did
    not offer (RFC 6455, section 4.1)
ResponseError::SecondExtension
    the server's opening handshake accepts a second extension, "x-webkit-deflate-frame", and the
    client offered at most one (RFC 6455, section 4.1)
ResponseError::RepeatedExtension
    the server's opening handshake accepts the extension "x-own" twice (RFC 6455, section 9.1)
ResponseError::ReservedBitConflict
    the server's opening handshake accepts two extensions that use one reserved bit, one of them
    "x-other" (RFC 6455, section 9.1)
ResponseError::InvalidExtensionParameters
    the server's opening handshake accepts permessage-deflate with "server_max_window_bits=16;
    client_no_c"..., which is invalid or does not match the client's offer (RFC 7692, section 7.1)
ResponseError::EmptySubprotocolList
    the server's Sec-WebSocket-Protocol header has commas and no subprotocol (RFC 6455, section
    11.3.4)
ResponseError::SeveralSubprotocols
    the server's opening handshake chooses more than one subprotocol (RFC 6455, section 11.3.4)
ResponseError::SubprotocolNotOffered
    the server's opening handshake chooses the subprotocol "Chat", which the client did not offer
    (RFC 6455, section 4.1)
ResponseError::MissingSubprotocol
    the server's opening handshake chooses no subprotocol, and ClientRequest::require_subprotocol
    requires one (RFC 6455, section 1.9)
ResponseError::InvalidContentLength
    the server's Content-Length header is "12 bytes", which is not a number below 2^64 (RFC 9110,
    section 8.6)
ResponseError::DifferentContentLengths
    the server's opening handshake has a second Content-Length, "13", which differs from the first
    (RFC 9112, section 6.3)
ResponseError::InvalidChunkSize
    a chunk in the body of the server's response begins with "twelve" instead of its size in
    hexadecimal (RFC 9112, section 7.1)
ResponseError::ChunkLineTooLong
    a line between two chunks in the body of the server's response is longer than 256 bytes (RFC
    9112, section 7.1)
ResponseError::MissingChunkEnd
    a chunk in the body of the server's response is not followed by a line end (RFC 9112, section
    7.1)
SendError::NotOpen
    nothing can be sent before the opening handshake is complete (RFC 6455, section 6.1)
SendError::Closing
    this cannot be sent any more: a Close frame was sent or received, the opening handshake was
    rejected or refused, or the connection has failed (RFC 6455, section 5.5.1)
SendError::ControlFrameTooLong
    the payload of a Ping or Pong is 126 bytes long and may have at most 125 (RFC 6455, section 5.5)
SendError::ReasonTooLong
    the close reason is 124 bytes long and may have at most 123 (RFC 6455, section 5.5.1)
SendError::InvalidCloseCode
    the close code 1006 may not be sent by this end (RFC 6455, section 7.4)
SendError::ReasonWithoutCode
    a close reason needs a close code before it (RFC 6455, section 5.5.1)
SendError::MessageInProgress
    a fragmented message is in progress and must end before another begins (RFC 6455, section 5.4)
SendError::KindChanged
    a fragment must be text or binary as the message in progress is (RFC 6455, section 5.4)
SendError::InvalidUtf8
    the text message is not UTF-8 (RFC 6455, section 5.6)
SendError::MaskRequired
    a client must mask the payload, so it cannot send a header alone or a prepared frame (RFC 6455, section 5.1)
SendError::ReservedBitsNotNegotiated
    a fragment cannot have RSV2 set, because no negotiated extension gives that a meaning (RFC 6455,
    section 5.2)
SendError::PayloadTooLong
    the payload is 9223372036854775808 bytes long and may have at most 2^63 - 1 (RFC 6455, section
    5.2)
SendError::NoRoomForHeader
    the buffer has 13 bytes and needs 14 before the payload, for the header (RFC 6455, section 5.2)
SendError::MessageCompressed
    the message in progress is compressed, so a payload cannot be sent as it is (RFC 7692, section 6.1)
LocalHandshakeError::InvalidScheme
    the URL "" does not begin with "ws://" or "wss://" (RFC 6455, section 3)
LocalHandshakeError::InvalidScheme
    the URL "ftp://h/" does not begin with "ws://" or "wss://" (RFC 6455, section 3)
LocalHandshakeError::InvalidScheme
    the URL "ftps://"... does not begin with "ws://" or "wss://" (RFC 6455, section 3)
LocalHandshakeError::InvalidScheme
    the URL "example.com/chat"... does not begin with "ws://" or "wss://" (RFC 6455, section 3)
LocalHandshakeError::FragmentInUrl
    the URL "ws://h/"... has a fragment, which a WebSocket URL cannot have (RFC 6455, section 3)
LocalHandshakeError::UserInfoInUrl
    a user name or a password precedes the host, and a WebSocket URL can have neither:
    ClientRequest::basic_auth sends them in a header (RFC 6455, section 3)
LocalHandshakeError::InvalidCredentials
    the user name has a colon, or the user name or the password has a control character or is not UTF-8
    (RFC 7617, section 2)
LocalHandshakeError::InvalidProxyScheme
    the URL "socks5://"... of the proxy does not begin with "http://", and no other kind of proxy is
    supported (RFC 9110, section 4.2.1)
LocalHandshakeError::PathInProxyUrl
    the URL "http://"... of the proxy has a path, a query string or a fragment, which CONNECT does
    not use (RFC 9110, section 9.3.6)
LocalHandshakeError::MissingHost
    the host is missing (RFC 6455, section 3)
LocalHandshakeError::InvalidHost
    the host "h " is not a host name, an IPv4 address or an IPv6 address in brackets (RFC 3986,
    section 3.2.2)
LocalHandshakeError::InvalidHost
    the host "2001:db8::1" is not a host name, an IPv4 address or an IPv6 address in brackets (RFC
    3986, section 3.2.2)
LocalHandshakeError::InvalidPort
    the port "99999" is not a number from 1 to 65535 (RFC 3986, section 3.2.3)
LocalHandshakeError::InvalidTarget
    the request target "chat"... does not begin with a slash (RFC 9112, section 3.2.1)
LocalHandshakeError::InvalidTargetByte
    the request target "/a\tb"... has the byte 0x09 at offset 2, which must be percent-encoded (RFC
    3986, section 2.1)
LocalHandshakeError::TargetTooLong
    the request target is 100000 bytes long, and the http crate takes at most 65534 (RFC 9110,
    section 4.1)
LocalHandshakeError::InvalidHeaderName
    the header name "Authorization"... is empty or has a character that is not allowed (RFC 9110,
    section 5.1)
LocalHandshakeError::InvalidHeaderValue
    the value of the header "Authorization" has a control character (RFC 9110, section 5.5)
LocalHandshakeError::ReservedHeader
    the header "Host" cannot be added: the handshake sets it itself, or must not have it (RFC 6455,
    section 4)
LocalHandshakeError::ConnectionHeader
    the header "Keep-Alive" cannot be added, because HTTP/2 and HTTP/3 do not allow it (RFC 9113,
    section 8.2.2)
LocalHandshakeError::InvalidSubprotocol
    offered subprotocol 2 is empty or has a character that is not allowed (RFC 6455, section 4.1)
LocalHandshakeError::RepeatedSubprotocol
    offered subprotocol 3 repeats an earlier one (RFC 6455, section 4.1)
LocalHandshakeError::NotAllowed
    the client's request is for the host "example.com", which is not one of Accept::hosts (RFC 9110,
    section 7.2)
LocalHandshakeError::SubprotocolNotOffered
    the subprotocol "chat" cannot be accepted, because the client did not offer it (RFC 6455,
    section 4.2.2)
LocalHandshakeError::InvalidExtension
    the extension "x-own; a b" is not one name with valid parameters (RFC 6455, section 9.1)
LocalHandshakeError::ExtensionNotOffered
    the extension "x-own" cannot be accepted, because the client did not offer it (RFC 6455, section
    9.1)
LocalHandshakeError::RepeatedExtension
    the extension "x-own" cannot be negotiated twice (RFC 6455, section 9.1)
LocalHandshakeError::ReservedBitConflict
    the extension "x-other" uses a reserved bit that another accepted extension uses (RFC 6455,
    section 9.1)
LocalHandshakeError::InvalidStatus
    a request cannot be rejected with the status 101, which is not in the range 200 to 599 (RFC
    9110, section 15)
LocalHandshakeError::BodyNotAllowed
    a response with the status 204 cannot have a body (RFC 9110, section 6.4.1)
LocalHandshakeError::NoRequest
    no request is waiting to be accepted or rejected (RFC 6455, section 4.2.2)
LocalHandshakeError::NotAnUpgrade
    the request is not a WebSocket handshake and can only be rejected (RFC 6455, section 4.2.1)
LocalHandshakeError::ExtendedConnect
    the request is an extended CONNECT, which Request::acceptance accepts and not Connection::accept
    (RFC 8441, section 5)
ProxyError::Refused
    the proxy refused the tunnel with status 407: it asks for credentials, or does not accept those
    of Proxy::basic_auth (RFC 9110, section 15.5.8)
ProxyError::Refused
    the proxy refused the tunnel with status 403 instead of 2xx (RFC 9110, section 9.3.6)
ProxyError::InvalidFirstByte
    the proxy's answer to CONNECT begins with the byte 0x05, which cannot begin an HTTP response
    (RFC 9112, section 4)
ProxyError::InvalidStatusLine
    the proxy's answer to CONNECT begins with "SSH-2.0-OpenSSH_9.2", which is not an HTTP status line
    (RFC 9112, section 4)
ProxyError::UnsupportedHttpVersion
    the proxy's answer to CONNECT has the HTTP version "HTTP/2.0" instead of "HTTP/1.1" (RFC 9112,
    section 2.3)
ProxyError::InvalidHeaderLine
    line 2 of the proxy's answer to CONNECT is not a valid HTTP header field (RFC 9112, section 5)
ProxyError::HeadTooLong
    the proxy's answer to CONNECT is longer than Config::max_head_size = 200 bytes (RFC 9112,
    section 5)
ProxyError::TooManyHeaders
    the proxy's answer to CONNECT has more header fields than Config::max_headers = 5 (RFC 9112,
    section 5)
ProxyError::SwitchingProtocols
    the proxy's answer to CONNECT has the status 101, which answers another request (RFC 9110,
    section 15.2.2)
ProxyError::UnexpectedEof
    the proxy closed the connection before its answer to CONNECT was complete (RFC 9112, section 8)
utf8::InvalidUtf8
    the bytes are not UTF-8 (RFC 3629, section 3)
message::NotText
    the message is binary, of 2 bytes, and text was expected (RFC 6455, section 5.6)
adapter::Error::Io
    the cable is cut
adapter::Error::Io
    the cable is cut
adapter::Error::Io
    the transport took none of 6 bytes
adapter::Error::Io
    nothing can be written any more: the peer did not complete the closing handshake within
    Timeouts::close = 0ns
adapter::Error::Io
    the connection to "example.com" needs TLS, because the scheme of its URL is "wss" or "https":
    enable the feature "rustls" of sockless, or use `client` with a TLS stream (RFC 6455, section 3)
adapter::Error::TimedOut
    the peer did not complete the opening handshake within 10s (Timeouts::handshake, or the limit of
    the call)
adapter::Error::TimedOut
    the peer did not answer a Ping within Timeouts::pong = 1.5s
adapter::Error::TimedOut
    the peer did not complete the closing handshake within Timeouts::close = 5s
adapter::Error::Protocol
    the transport ended before the closing handshake was complete (RFC 6455, section 7.1.5)
adapter::Error::Closed
    the peer closed the connection with code 1011 (internal error) and reason "no\nspace"
adapter::Error::Closed
    this endpoint closed the connection with code 1000 (normal closure), and the peer answered with
    code 4000
adapter::Error::Send
    this cannot be sent any more: a Close frame was sent or received, the opening handshake was
    rejected or refused, or the connection has failed (RFC 6455, section 5.5.1)
adapter::Error::LocalHandshake
    no request is waiting to be accepted or rejected (RFC 6455, section 4.2.2)
adapter::Error::Refused
    the server refused the WebSocket with status 403 instead of 101
adapter::Error::Proxy
    the proxy closed the connection before its answer to CONNECT was complete (RFC 9112, section 8)
adapter::Error::Tls
    the TLS handshake with "h\x00" failed: it is neither a DNS name nor an IP address, so that no
    certificate can have it (RFC 6455, section 4.1)
adapter::ReuniteError
    the halves cannot be joined: they are of different connections, or there are clones of the writer
"#;

/// An error, with the name of its type and variant.
struct Row {
    name: String,
    error: Box<dyn Error>,
}

/// Every error, by type, and in the order of the variants. Most are caused by input.
fn errors() -> Vec<Row> {
    let mut rows = Vec::new();
    add(&mut rows, "ProtocolError", protocol_errors());
    add(&mut rows, "RequestError", request_errors());
    add(&mut rows, "ResponseError", response_errors());
    add(&mut rows, "SendError", send_errors());
    add(&mut rows, "LocalHandshakeError", local_handshake_errors());
    add(&mut rows, "ProxyError", proxy_errors());
    add(
        &mut rows,
        "utf8",
        vec![utf8::Validator::new().push(b"\xFF").result.unwrap_err()],
    );
    add(
        &mut rows,
        "message",
        vec![Message::from([1, 2]).into_text().unwrap_err()],
    );
    #[cfg(feature = "std")]
    add(&mut rows, "adapter::Error", adapter_errors());
    #[cfg(feature = "std")]
    add(&mut rows, "adapter", vec![reunite_error()]);
    rows
}

fn add<E: Error + 'static>(rows: &mut Vec<Row>, kind: &str, errors: Vec<E>) {
    rows.extend(errors.into_iter().map(|error| Row {
        name: format!("{kind}::{}", variant(&error)),
        error: Box::new(error),
    }));
}

/// The name of a variant.
fn variant(error: &impl Debug) -> String {
    let shown = format!("{error:?}");
    let len = shown.find([' ', '(', '{']).unwrap_or(shown.len());
    shown[..len].to_owned()
}

fn protocol_errors() -> Vec<ProtocolError> {
    let config = || Config::new().max_message_size(100).max_fragments(2);
    let client = |input: &[u8]| feed(&mut open(Role::Client, config()), input).error.unwrap();
    let from_server = |first: u8, payload: &[u8]| frame(Role::Server, first, payload);
    let fragments = |firsts: &[u8]| {
        firsts
            .iter()
            .flat_map(|first| from_server(*first, b""))
            .collect::<Vec<_>>()
    };
    let put = head("PUT / HTTP/1.1", &REQUEST_FIELDS);
    let mut errors = vec![
        client(&from_server(0xE1, b"")),
        client(&from_server(0x83, b"")),
        feed(&mut open(Role::Server, config()), &from_server(0x81, b""))
            .error
            .unwrap(),
        client(&frame(Role::Client, 0x81, b"")),
        client(&[0x82, 126, 0, 125]),
        client(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        client(&from_server(0x09, b"")),
        client(&from_server(0x89, &[0; 126])),
        client(&from_server(0x80, b"")),
        client(&fragments(&[0x01, 0x81])),
        client(&from_server(0x88, b"\x03")),
        client(&from_server(0x88, &1005_u16.to_be_bytes())),
        client(&from_server(0x88, b"\x03\xE8\xFF")),
        client(&from_server(0x81, b"\xFF")),
    ];
    let [invalid_deflate, too_many_blocks, inflates_too_big] = compression_errors();
    errors.extend([
        invalid_deflate,
        too_many_blocks,
        client(&from_server(0x82, &[0; 101])),
        inflates_too_big,
        client(&fragments(&[0x01, 0x00, 0x00])),
        *open(Role::Client, config()).receive_eof().unwrap_err(),
        *Connection::server(config()).receive_eof().unwrap_err(),
        serve(&config(), &put).error.unwrap(),
        hear(&plain(), &config(), &response_with("Upgrade", &[])).error.unwrap(),
    ]);
    errors
}

/// A message that is not DEFLATE, one of empty blocks, and one that inflates to more than the
/// limit.
#[cfg(feature = "deflate")]
fn compression_errors() -> [ProtocolError; 3] {
    use sockless::deflate::{DeflateConfig, DeflateParams, WindowBits};

    let negotiated = support::with_deflate(DeflateParams {
        // Of both back ends, the one for smaller windows has a limit on blocks.
        server_max_window_bits: WindowBits::MIN,
        ..support::params(15, false)
    });
    let config = || {
        Config::new()
            .max_message_size(100)
            .deflate(DeflateConfig::new().threshold(0))
    };
    let client = |input: &[u8]| {
        let mut client = support::upgraded(Role::Client, &negotiated, config());
        feed(&mut client, input).error.unwrap()
    };
    let mut large = Vec::new();
    let mut server = support::upgraded(Role::Server, &negotiated, config());
    server.send_binary(&[0; 1000], &mut large).unwrap();
    let empty_blocks = [0x03, 0x00].repeat(1000);
    [
        client(&frame(Role::Server, 0xC2, b"\x06")),
        client(&frame(Role::Server, 0xC2, &empty_blocks)),
        client(&large),
    ]
}

#[cfg(not(feature = "deflate"))]
fn compression_errors() -> [ProtocolError; 3] {
    [
        ProtocolError::InvalidDeflate,
        ProtocolError::TooManyDeflateBlocks,
        support::inflates_too_big(100),
    ]
}

/// The error of a request for example.com, from a page of an origin, that the acceptance does not
/// allow.
fn not_allowed(origin: &str, accept: &Accept<'_>) -> RequestError {
    let (_, request) = undecided(Config::new(), &request_with("Origin", &[origin]));
    request.check_origin(accept).unwrap_err()
}

/// An error of each variant, as its input causes it.
pub(super) fn request_errors() -> Vec<RequestError> {
    let error = |config: &Config, input: &[u8]| match serve(config, input).error {
        Some(ProtocolError::Request(error)) => error,
        other => panic!("{other:?}"),
    };
    let server = |input: &[u8]| error(&Config::new(), input);
    let line = |line: &str| server(&head(line, &REQUEST_FIELDS));
    let field = |name: &str, values: &[&str]| server(&request_with(name, values));
    let early = {
        let (mut server, _) = undecided(Config::new().max_head_size(200), &request());
        match drain(&mut server, &[0; 201], &mut Vec::new()) {
            Err(ProtocolError::Request(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    vec![
        server(b"\x16\x03\x01\x02\x00\x01"),
        server(b"\x81\x85"),
        server(b"SSH-2.0-OpenSSH_9.2\r\n"),
        line("GET /?token=secret HTTP/1.1 x"),
        server(&head("GET / HTTP/1.1", &with(&REQUEST_FIELDS, "Bad name", &["x"]))),
        error(&Config::new().max_head_size(200), &request_of_len(201)),
        error(&Config::new().max_headers(5), &request_of_fields(6)),
        line("POST / HTTP/1.1"),
        line("GET / HTTP/1.0"),
        line("GET /a path HTTP/1.1"),
        line("GET * HTTP/1.1"),
        line("GET ws://user:secret@example.com/chat HTTP/1.1"),
        line("GET /chat?token=secret#top HTTP/1.1"),
        field("Host", &[]),
        field("Host", &["example.com", "example.org"]),
        field("Host", &["exa mple.com"]),
        field("Host", &["user:secret@example.com"]),
        field("Host", &["example.com:99999"]),
        field("Origin", &["https://example.com", "null"]),
        field("Origin", &["https://b\u{fc}cher.example"]),
        not_allowed("https://evil.example", &Accept::new()),
        not_allowed("http://example.com", &Accept::new().public_scheme(Scheme::Https)),
        not_allowed("https://evil.example", &Accept::new().origins(&["null"])),
        not_allowed("https://example.com", &Accept::new().hosts(&["localhost"])),
        field("Content-Length", &["5 bytes"]),
        field("Content-Length", &["0, 5"]),
        field("Content-Length", &["5"]),
        field("Transfer-Encoding", &["chunked"]),
        field("Upgrade", &[]),
        field("Upgrade", &["h2c"]),
        field("Connection", &[]),
        field("Connection", &["keep-alive"]),
        field("Sec-WebSocket-Key", &[]),
        field("Sec-WebSocket-Key", &[KEY, KEY]),
        field("Sec-WebSocket-Key", &["secret"]),
        field("Sec-WebSocket-Version", &[]),
        field("Sec-WebSocket-Version", &["13", "8"]),
        field("Sec-WebSocket-Version", &["8"]),
        field("Sec-WebSocket-Protocol", &[","]),
        field("Sec-WebSocket-Protocol", &["chat, bearer secret="]),
        field("Sec-WebSocket-Protocol", &["chat, secret, chat"]),
        field("Sec-WebSocket-Extensions", &[","]),
        field("Sec-WebSocket-Extensions", &["permessage-deflate, x-a; b=\"c d\", x-e"]),
        connect(&connect_without(":authority"), &[]),
        connect(&[&CONNECT_FIELDS[..], &[(":path", "/")]].concat(), &[]),
        connect(&[&CONNECT_FIELDS[..], &[(":status", "200")]].concat(), &[]),
        connect(&connect_with(":method", "GET"), &[]),
        connect_over_http_1(),
        connect(&connect_with(":protocol", "connect-udp"), &[]),
        connect(&connect_with(":scheme", "wss"), &[]),
        connect(&connect_with(":path", "chat?token=secret"), &[]),
        connect(&CONNECT_FIELDS, &[("host", "example.org")]),
        connect(&CONNECT_FIELDS, &[("connection", "upgrade")]),
        early,
    ]
}

/// The status that answers an invalid request.
pub(super) const fn expected_status(error: RequestError) -> u16 {
    match error {
        RequestError::ForeignOrigin { .. }
        | RequestError::ForeignScheme { .. }
        | RequestError::UnlistedOrigin { .. }
        | RequestError::UnlistedHost { .. } => 403,
        RequestError::UnsupportedMethod { .. } | RequestError::UnsupportedConnectMethod { .. } => 405,
        RequestError::MissingUpgrade
        | RequestError::InvalidUpgrade { .. }
        | RequestError::MissingVersion
        | RequestError::RepeatedVersion
        | RequestError::UnsupportedVersion { .. } => 426,
        RequestError::HeadTooLong { .. } | RequestError::TooManyHeaders { .. } => 431,
        RequestError::UnsupportedProtocol { .. } => 501,
        RequestError::UnsupportedHttpVersion { .. } | RequestError::UnsupportedConnectVersion { .. } => 505,
        RequestError::Tls { .. }
        | RequestError::InvalidFirstByte { .. }
        | RequestError::InvalidRequestLine { .. }
        | RequestError::InvalidHeaderLine { .. }
        | RequestError::InvalidTarget { .. }
        | RequestError::InvalidTargetByte { .. }
        | RequestError::MissingHost
        | RequestError::RepeatedHost
        | RequestError::InvalidHost { .. }
        | RequestError::UserInfoInHost
        | RequestError::InvalidPort { .. }
        | RequestError::RepeatedOrigin
        | RequestError::InvalidOrigin { .. }
        | RequestError::InvalidContentLength { .. }
        | RequestError::DifferentContentLengths { .. }
        | RequestError::ContentLength { .. }
        | RequestError::TransferEncoding { .. }
        | RequestError::MissingConnection
        | RequestError::InvalidConnection { .. }
        | RequestError::MissingKey
        | RequestError::RepeatedKey
        | RequestError::InvalidKey { .. }
        | RequestError::EmptySubprotocolList
        | RequestError::InvalidSubprotocol { .. }
        | RequestError::RepeatedSubprotocol { .. }
        | RequestError::EmptyExtensionList
        | RequestError::InvalidExtensions { .. }
        | RequestError::MissingPseudoHeader { .. }
        | RequestError::RepeatedPseudoHeader { .. }
        | RequestError::UnexpectedPseudoHeader { .. }
        | RequestError::InvalidScheme { .. }
        | RequestError::InvalidPath { .. }
        | RequestError::DifferentHost { .. }
        | RequestError::ConnectionHeader { .. }
        | RequestError::TooMuchEarlyData { .. } => 400,
        // None is listed.
        _ => 0,
    }
}

/// The error of an extended CONNECT.
fn connect(pseudo_headers: &[(&str, &str)], headers: &[(&str, &str)]) -> RequestError {
    Request::from_connect(pseudo_headers.iter().copied(), support::heads::listed(headers)).unwrap_err()
}

#[cfg(feature = "http")]
fn connect_over_http_1() -> RequestError {
    Request::from_http_connect(&http::Request::new(()), Some("websocket")).unwrap_err()
}

#[cfg(not(feature = "http"))]
fn connect_over_http_1() -> RequestError {
    RequestError::UnsupportedConnectVersion {
        version: support::quoted("HTTP/1.1"),
    }
}

#[cfg(feature = "http")]
fn response_over_http_1(expected: &Expected) -> ResponseError {
    expected.check_http(&http::Response::new(())).unwrap_err()
}

#[cfg(not(feature = "http"))]
fn response_over_http_1(_: &Expected) -> ResponseError {
    ResponseError::UnsupportedConnectVersion {
        version: support::quoted("HTTP/1.1"),
    }
}

fn response_errors() -> Vec<ResponseError> {
    let error = |request: &ClientRequest, config: &Config, input: &[u8]| match hear(request, config, input).error {
        Some(ProtocolError::Response(error)) => error,
        other => panic!("{other:?}"),
    };
    let client = |input: &[u8]| error(&plain(), &Config::new(), input);
    let line = |line: &str| client(&head(line, &RESPONSE_FIELDS));
    let field = |name: &str, values: &[&str]| client(&response_with(name, values));
    let chunked = |body: &str| {
        let head = head("HTTP/1.1 500 x", &[("Transfer-Encoding", "chunked")]);
        client(&[&head, body.as_bytes()].concat())
    };
    let body = |fields: &[(&str, &str)]| client(&head("HTTP/1.1 500 x", fields));
    let own = |answer: &str| {
        let request = plain()
            .extension("x-own", ReservedBits::RSV2)
            .extension("x-other", ReservedBits::RSV2);
        error(
            &request,
            &Config::new(),
            &response_with("Sec-WebSocket-Extensions", &[answer]),
        )
    };
    let chat = || plain().subprotocol("chat");
    let long = response_with("X", &["x"; 6]);
    let (_, expected) = plain().connect_fields(&Config::new()).unwrap();
    vec![
        client(b"\x15\x03\x01\0\x02\x02\x28"),
        client(b"\x81\x05hello"),
        client(b"SSH-2.0-OpenSSH_9.2\r\n"),
        line("HTTP/1.1 101x"),
        client(&response_with("Bad name", &["x"])),
        error(&plain(), &Config::new().max_head_size(100), &long),
        error(&plain(), &Config::new().max_headers(8), &long),
        line("HTTP/1.0 101 Switching Protocols"),
        response_over_http_1(&expected),
        expected.check_response(101, []).unwrap_err(),
        expected
            .check_response(200, [("upgrade", &b"websocket"[..])])
            .unwrap_err(),
        field("Upgrade", &[]),
        field("Upgrade", &["websocket", "websocket"]),
        field("Upgrade", &["h2c"]),
        field("Connection", &[]),
        field("Connection", &["close"]),
        field("Sec-WebSocket-Accept", &[]),
        field("Sec-WebSocket-Accept", &["a", "b"]),
        field("Sec-WebSocket-Accept", &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
        field("Sec-WebSocket-Extensions", &["x-a; b=\"c d\""]),
        field("Sec-WebSocket-Extensions", &[","]),
        field("Sec-WebSocket-Extensions", &["permessage-deflate"]),
        field(
            "Sec-WebSocket-Extensions",
            &["permessage-deflate, x-webkit-deflate-frame"],
        ),
        own("x-own, x-own"),
        own("x-own, x-other"),
        invalid_extension_parameters(),
        error(
            &chat(),
            &Config::new(),
            &response_with("Sec-WebSocket-Protocol", &[","]),
        ),
        error(
            &chat(),
            &Config::new(),
            &response_with("Sec-WebSocket-Protocol", &["chat, secret"]),
        ),
        error(
            &chat(),
            &Config::new(),
            &response_with("Sec-WebSocket-Protocol", &["Chat"]),
        ),
        error(
            &chat().require_subprotocol(true),
            &Config::new(),
            &response_with("X", &[]),
        ),
        body(&[("Content-Length", "12 bytes")]),
        body(&[("Content-Length", "12"), ("Content-Length", "13")]),
        chunked("twelve\r\n"),
        chunked(&format!("5;{}", "x".repeat(300))),
        chunked("5\r\nhello, world\r\n"),
    ]
}

#[cfg(feature = "deflate")]
fn invalid_extension_parameters() -> ResponseError {
    use sockless::deflate::DeflateConfig;

    let answer = response_with(
        "Sec-WebSocket-Extensions",
        &["permessage-deflate; server_max_window_bits=16; client_no_context_takeover"],
    );
    let outcome = hear(&plain(), &Config::new().deflate(DeflateConfig::new()), &answer);
    match outcome.error {
        Some(ProtocolError::Response(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[cfg(not(feature = "deflate"))]
fn invalid_extension_parameters() -> ResponseError {
    ResponseError::InvalidExtensionParameters {
        parameters: support::quoted("server_max_window_bits=16; client_no_context_takeover"),
    }
}

fn send_errors() -> Vec<SendError> {
    let mut out = Vec::new();
    let server = || open(Role::Server, Config::new());
    let mut closing = server();
    closing.close(None, "", &mut out).unwrap();
    let mut fragmented = server();
    fragmented
        .send_fragment(MessageKind::Text, b"x", false, &mut out)
        .unwrap();
    let refused = [
        Connection::server(Config::new()).send_text("x", &mut out),
        closing.send_text("x", &mut out),
        server().ping(&[0; 126], &mut out),
        server().close(CloseCode::NORMAL, &"x".repeat(124), &mut out),
        server().close(CloseCode(1006), "", &mut out),
        server().close(None, "x", &mut out),
        fragmented.send_text("x", &mut out),
        fragmented.send_fragment(MessageKind::Binary, b"x", true, &mut out),
        server().send_fragment(MessageKind::Text, b"\xFF", true, &mut out),
        open(Role::Client, Config::new()).send_header(MessageKind::Text, 1, &mut out),
        server().send_fragment_with(MessageKind::Text, b"x", true, ReservedBits::RSV2, &mut out),
        server().send_header(MessageKind::Binary, 1 << 63, &mut out),
        server().send_in_place(MessageKind::Binary, &mut [0; 13]).map(drop),
    ];
    #[allow(unused_mut, reason = "compression is a feature")]
    let mut errors = Vec::from(refused.map(Result::unwrap_err));
    #[cfg(feature = "deflate")]
    {
        let mut compressed = crate::deflate::open(Role::Server);
        compressed
            .send_fragment(MessageKind::Text, b"x", false, &mut out)
            .unwrap();
        let refused = compressed.send_fragment_header(MessageKind::Text, &mut [], true, &mut out);
        errors.push(refused.unwrap_err());
    }
    errors
}

/// The error of an acceptance with these extensions.
fn accept_with_extensions(request: &[u8], extensions: &[(&str, ReservedBits)]) -> LocalHandshakeError {
    let (mut server, received) = undecided(Config::new(), request);
    let accept = Accept::new().extensions(extensions);
    server.accept(&received, &accept, &mut Vec::new()).unwrap_err()
}

fn local_handshake_errors() -> Vec<LocalHandshakeError> {
    let offer = request_with("Sec-WebSocket-Extensions", &["x-own, x-other"]);
    let url = |url: &str| ClientRequest::new(url).unwrap_err();
    let asked = |request: ClientRequest| {
        let made = Connection::client(&request, Config::new(), SEED, &mut Vec::new());
        made.map(|_| ()).unwrap_err()
    };
    let (mut server, received) = undecided(Config::new(), &request());
    let (mut page_server, page) = undecided(
        Config::new().plain_requests(true),
        &head("GET / HTTP/1.1", &[("Host", "example.com")]),
    );
    let mut out = Vec::new();
    vec![
        url(""),
        url("ftp://h/"),
        url("ftps://user:secret@h/"),
        url("example.com/chat?token=secret"),
        url("ws://h/#x"),
        url("ws://user:pass@h/"),
        plain().basic_auth("us:er", "secret").unwrap_err(),
        Proxy::new("socks5://user:secret@h:1080").unwrap_err(),
        Proxy::new("http://user:sec/ret@h:3128").unwrap_err(),
        url("ws:///"),
        url("ws://h /"),
        url("ws://2001:db8::1/"),
        url("ws://h:99999/"),
        ClientRequest::from_parts("h", "chat?token=secret").unwrap_err(),
        url("ws://h/a\tb?token=secret"),
        target_too_long(),
        asked(plain().header("Authorization: Bearer secret", "")),
        asked(plain().header("Authorization", "Bearer secret\n")),
        asked(plain().header("Host", "example.org")),
        plain()
            .header("Keep-Alive", "timeout=5")
            .connect_fields(&Config::new())
            .unwrap_err(),
        asked(plain().subprotocol("chat").subprotocol("bearer secret=")),
        asked(plain().subprotocol("secret").subprotocol("chat").subprotocol("secret")),
        server
            .accept(&received, &Accept::new().hosts(&["localhost"]), &mut out)
            .unwrap_err(),
        server
            .accept(&received, &Accept::new().subprotocol(Some("chat")), &mut out)
            .unwrap_err(),
        asked(plain().extension("x-own; a b", ReservedBits::NONE)),
        accept_with_extensions(&request(), &[("x-own", ReservedBits::RSV2)]),
        accept_with_extensions(&offer, &[("x-own", ReservedBits::NONE), ("x-own", ReservedBits::RSV2)]),
        accept_with_extensions(
            &offer,
            &[("x-own", ReservedBits::RSV2), ("x-other", ReservedBits::RSV2)],
        ),
        server.reject(101, &[], b"", &mut out).unwrap_err(),
        server.reject(204, &[], b"x", &mut out).unwrap_err(),
        Connection::server(Config::new())
            .reject(403, &[], b"", &mut out)
            .unwrap_err(),
        page_server.accept(&page, &Accept::new(), &mut out).unwrap_err(),
        page_server
            .accept(&connect_request(), &Accept::new(), &mut out)
            .unwrap_err(),
    ]
}

fn proxy_errors() -> Vec<ProxyError> {
    let answer = |answer: &str| {
        let config = Config::new().max_head_size(200).max_headers(5);
        let proxy = Proxy::new("http://user:secret@h").unwrap();
        let mut connect = proxy.connect("h", 80, &config, &mut Vec::new()).unwrap();
        let mut answer = answer.as_bytes().to_vec();
        let received = connect.receive(&mut &mut answer[..]);
        received.and_then(|_| connect.receive_eof()).unwrap_err()
    };
    vec![
        answer("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
        answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nCookie: secret\r\n\r\n"),
        answer("\x05\x00"),
        answer("SSH-2.0-OpenSSH_9.2\r\n"),
        answer("HTTP/2.0 200 OK\r\n"),
        answer("HTTP/1.1 200 OK\r\nProxy secret: x\r\n\r\n"),
        answer(&format!("HTTP/1.1 200 OK\r\nVia: {}", "x".repeat(200))),
        answer(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(6))),
        answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        answer("HTTP/1.1 200 OK\r\n"),
    ]
}

#[cfg(feature = "http")]
fn target_too_long() -> LocalHandshakeError {
    let target = format!("/{}", "x".repeat(99_999));
    let request = ClientRequest::from_parts("h", &target).unwrap();
    request.to_http([0; 16], &Config::new()).map(|_| ()).unwrap_err()
}

#[cfg(not(feature = "http"))]
fn target_too_long() -> LocalHandshakeError {
    LocalHandshakeError::TargetTooLong { len: 100_000 }
}

/// A transport that has no input, and that writes have this result on.
#[cfg(feature = "std")]
struct Transport(Result<usize, &'static str>);

#[cfg(feature = "std")]
impl std::io::Read for Transport {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::TimedOut.into())
    }
}

#[cfg(feature = "std")]
impl std::io::Write for Transport {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.map(|len| len.min(data.len())).map_err(std::io::Error::other)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An open connection of a server.
#[cfg(feature = "std")]
fn over(
    written: Result<usize, &'static str>,
    timeouts: sockless::timers::Timeouts,
) -> sockless::adapter::std_net::WebSocket<Transport> {
    use sockless::adapter::{Settings, std_net::WebSocket};

    let engine = open(Role::Server, Config::new());
    WebSocket::upgraded(Transport(written), engine, Settings::new().timeouts(timeouts))
}

#[cfg(feature = "std")]
fn adapter_errors() -> Vec<sockless::adapter::Error> {
    use core::time::Duration;

    use sockless::{
        adapter::Error,
        timers::{Due, Timeouts},
    };
    use support::heads::refusal;

    let refused = refusal(
        &Config::new(),
        &head("HTTP/1.1 403 Forbidden", &[("Content-Length", "0")]),
    );
    let [cut, cut_again] = {
        let mut ws = over(Err("the cable is cut"), Timeouts::none());
        [ws.send("text").unwrap_err(), ws.send("text").unwrap_err()]
    };
    let took_nothing = over(Ok(0), Timeouts::none()).send("text").unwrap_err();
    let late = {
        let mut ws = over(Ok(100), Timeouts::none().close(Duration::ZERO));
        ws.close(None, "").unwrap();
        ws.recv().unwrap_err();
        Error::Io(ws.flush().unwrap_err())
    };
    vec![
        cut,
        cut_again,
        took_nothing,
        late,
        #[cfg(not(feature = "rustls"))]
        sockless::adapter::std_net::connect("wss://example.com/").unwrap_err(),
        Error::TimedOut {
            due: Due::Handshake,
            limit: Duration::from_millis(10000),
        },
        Error::TimedOut {
            due: Due::Pong,
            limit: Duration::from_millis(1500),
        },
        Error::TimedOut {
            due: Due::Close,
            limit: Duration::from_millis(5000),
        },
        Error::Protocol(Box::new(ProtocolError::UnexpectedEof)),
        Error::Closed(Box::new(closed_by_peer())),
        Error::Closed(Box::new(closed_by_both())),
        Error::Send(SendError::Closing),
        Error::LocalHandshake(LocalHandshakeError::NoRequest),
        Error::Refused(Box::new(refused)),
        Error::Proxy(ProxyError::UnexpectedEof),
        #[cfg(feature = "rustls")]
        tls_error(),
    ]
}

/// The error of two halves of different connections.
#[cfg(feature = "std")]
fn reunite_error() -> impl Error {
    let split = || {
        let ws = over(Ok(100), sockless::timers::Timeouts::none());
        ws.split_with(|_stream| Ok((std::io::empty(), std::io::sink())))
            .unwrap()
    };
    let ((reader, _), (_, writer)) = (split(), split());
    let join = |_, _| Transport(Ok(100));
    sockless::adapter::std_net::WebSocket::reunite_with(reader, writer, join).unwrap_err()
}

/// The error of a name that is sent to no one, so that nothing has to listen for it.
#[cfg(feature = "rustls")]
fn tls_error() -> sockless::adapter::Error {
    use std::{net, sync::Arc};

    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    sockless::adapter::std_net::TlsStream::connect(tcp, "h\0", Arc::new(config), None).unwrap_err()
}

/// The status after a Close frame of the peer.
#[cfg(feature = "std")]
fn closed_by_peer() -> sockless::CloseStatus {
    let mut server = open(Role::Server, Config::new());
    feed(&mut server, &frame(Role::Client, 0x88, b"\x03\xF3no\nspace"));
    server.close_status().unwrap().clone()
}

/// The status after a Close frame of each end, with different codes.
#[cfg(feature = "std")]
fn closed_by_both() -> sockless::CloseStatus {
    let mut server = open(Role::Server, Config::new());
    server.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
    feed(&mut server, &frame(Role::Client, 0x88, &4000_u16.to_be_bytes()));
    server.close_status().unwrap().clone()
}

/// Names and texts, as [`TEXTS`] lists them.
fn listed() -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in TEXTS.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("    "), rows.last_mut()) {
            (Some(part), Some((_, text))) => {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(part);
            }
            _ => rows.push((line.to_owned(), String::new())),
        }
    }
    if cfg!(not(feature = "std")) {
        rows.retain(|(name, _)| !name.starts_with("adapter::"));
    }
    if cfg!(feature = "rustls") {
        rows.retain(|(_, text)| !text.contains("enable the feature"));
    } else {
        rows.retain(|(name, _)| name != "adapter::Error::Tls");
    }
    rows
}

/// F76: The text of every error, as a log has it.
#[test]
fn f76_every_error_has_a_text_for_a_log() {
    let found: Vec<(String, String)> = errors()
        .iter()
        .map(|row| (row.name.clone(), row.error.to_string()))
        .collect();
    let listed = listed();
    for (found, listed) in found.iter().zip(&listed) {
        assert_eq!(found, listed);
    }
    assert_eq!(found.len(), listed.len());
}

/// F76: Each text is one line, ends with a section of an RFC, and names the right handshake.
#[test]
fn f76_texts_are_complete() {
    for Row { name, error } in errors() {
        let text = error.to_string();
        assert!(text.bytes().all(|byte| (b' '..0x7F).contains(&byte)), "{name}: {text}");
        let is_local = [
            "adapter::Error::Io",
            // It says what the peer has sent, and no rule is broken.
            "adapter::Error::Closed",
            "adapter::Error::TimedOut",
            "adapter::Error::Refused",
            "adapter::ReuniteError",
        ];
        if !is_local.contains(&name.as_str()) {
            let section = text.rsplit_once(" (RFC ").unwrap_or_else(|| panic!("{name}: {text}")).1;
            let (rfc, section) = section
                .strip_suffix(')')
                .and_then(|text| text.split_once(", section "))
                .unwrap();
            assert!(rfc.parse::<u16>().is_ok_and(|number| number > 2000), "{name}: {text}");
            assert!(
                section.split('.').all(|part| part.parse::<u8>().is_ok()),
                "{name}: {text}"
            );
        }
        if name.starts_with("ProxyError") {
            assert!(text.contains("the proxy"), "{name}: {text}");
        }
        let is_opening = ["RequestError", "ResponseError", "LocalHandshakeError"];
        if is_opening.iter().any(|kind| name.starts_with(kind)) || name == "ProtocolError::HandshakeEof" {
            assert!(!text.contains("closing"), "{name}: {text}");
        }
        if name.starts_with("RequestError") {
            assert!(text.contains("the client's"), "{name}: {text}");
        }
        if name.starts_with("ResponseError") {
            assert!(text.contains("the server's"), "{name}: {text}");
        }
        let mut source = error.source();
        while let Some(error) = source {
            let other = error.to_string();
            assert!(
                !text.contains(&other) && !other.contains(&text),
                "{name}: {text} / {other}"
            );
            source = error.source();
        }
    }
}

/// F77: The errors are caused by input with secrets, and have none, neither in `Display` nor in
/// `Debug`.
#[test]
fn f77_no_error_has_a_secret() {
    for Row { name, error } in errors() {
        for shown in [error.to_string(), format!("{error:?}")] {
            // These texts name what is secret, and not its value.
            let shown = [
                "a user name or a password",
                "the user name has",
                "the user name or the password has",
            ]
            .iter()
            .fold(shown, |shown, words| shown.replace(words, ""));
            for secret in ["secret", "pass", "user", KEY] {
                assert!(!shown.contains(secret), "{name}: {shown}");
            }
        }
    }
}

/// Every variant that the source declares is among [`errors`].
#[test]
fn every_variant_is_listed() {
    let sources = [
        (
            "ProtocolError",
            "pub enum ProtocolError {",
            include_str!("../src/error/protocol.rs"),
            20,
        ),
        (
            "RequestError",
            "pub enum RequestError {",
            include_str!("../src/error/request.rs"),
            30,
        ),
        (
            "ResponseError",
            "pub enum ResponseError {",
            include_str!("../src/error/response.rs"),
            25,
        ),
        (
            "SendError",
            "pub enum SendError {",
            include_str!("../src/error/send.rs"),
            10,
        ),
        (
            "LocalHandshakeError",
            "pub enum LocalHandshakeError {",
            include_str!("../src/error/local_handshake.rs"),
            15,
        ),
        (
            "ProxyError",
            "pub enum ProxyError {",
            include_str!("../src/proxy/error.rs"),
            9,
        ),
        #[cfg(feature = "std")]
        (
            "adapter::Error",
            "pub enum Error {",
            include_str!("../src/adapter/error.rs"),
            6,
        ),
    ];
    let names: BTreeSet<String> = errors().into_iter().map(|row| row.name).collect();
    let structs = ["utf8::InvalidUtf8", "message::NotText", "adapter::ReuniteError"];
    let mut declared = BTreeSet::from(structs.map(String::from));
    if cfg!(not(feature = "std")) {
        declared.remove("adapter::ReuniteError");
    }
    for (kind, start, source, least) in sources {
        let (_, after) = source.split_once(start).unwrap();
        let (body, _) = after.split_once("\n}").unwrap();
        let variants: Vec<String> = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(char::is_uppercase))
            .filter_map(|line| line.split(['(', ',', ' ']).next())
            .map(|name| format!("{kind}::{name}"))
            .collect();
        assert!(variants.len() >= least, "{kind}: {variants:?}");
        declared.extend(variants);
    }
    if cfg!(not(feature = "rustls")) {
        declared.remove("adapter::Error::Tls");
    }
    assert_eq!(names, declared);
}

/// Every type of error that the source declares is among [`errors`].
#[test]
fn every_type_is_listed() {
    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let implementations = source.lines().filter_map(|line| line.split_once("error::Error for "));
            found.extend(implementations.map(|(_, rest)| rest.split([' ', '<']).next().unwrap().to_owned()));
        }
    }
    let mut found = BTreeSet::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src")), &mut found);
    let expected = [
        "CloseStatus", // as `adapter::Error::Closed`
        "Error",
        "InvalidUtf8",
        "LocalHandshakeError",
        "NotText",
        "ProtocolError",
        "ProxyError",
        "Rejection", // a `RequestError` or a `LocalHandshakeError`, with its text
        "RequestError",
        "ResponseError",
        "ReuniteError",
        "SendError",
        "TlsError", // as `adapter::Error::Tls`
    ];
    assert_eq!(found, expected.map(String::from).into());
}

/// The text of an error names the frame that it is about.
#[test]
fn texts_name_the_frame() {
    for (first, name) in [(0x08, "Close"), (0x09, "Ping"), (0x0A, "Pong")] {
        let text = fragmented_control_frame(first).to_string();
        assert!(
            text.contains(&format!(" sent a {name} frame that is fragmented")),
            "{text}"
        );
        let text = control_frame_too_long(0x80 | first).to_string();
        assert!(text.contains(&format!(" sent a {name} frame that announces")), "{text}");
    }
    for (first, name) in [(0x81, "text"), (0x82, "binary")] {
        let text = interleaved_message(first).to_string();
        assert!(text.contains(&format!(" began a {name} message before")), "{text}");
    }
}

/// The text of an error names the reserved bits that are set.
#[test]
fn texts_name_the_reserved_bits() {
    for (first, names) in [
        (0xC1, "RSV1"),
        (0xA1, "RSV2"),
        (0x91, "RSV3"),
        (0xE1, "RSV1 and RSV2"),
        (0xD1, "RSV1 and RSV3"),
        (0xB1, "RSV2 and RSV3"),
        (0xF1, "RSV1 and RSV2 and RSV3"),
    ] {
        let text = reserved_bits(first).to_string();
        assert!(text.contains(&format!(" with {names} set,")), "{text}");
    }
}

/// An excerpt of [`Excerpt::MAX_LEN`] bytes is not cut off, one of more is.
#[test]
fn excerpts_are_cut_off_at_their_limit() {
    for (len, rest) in [(37, ""), (38, ""), (39, "...")] {
        let excerpt = Excerpt::new(&b"x".repeat(len));
        let quoted = "x".repeat(len.min(Excerpt::MAX_LEN));
        assert_eq!(excerpt.as_bytes(), quoted.as_bytes());
        assert_eq!(excerpt.to_string(), format!("\"{quoted}\"{rest}"));
        assert_eq!(format!("{excerpt:?}"), excerpt.to_string());
    }
    for (len, text) in [(0, r#"""..."#), (2, r#""ab"..."#), (3, r#""abc""#), (4, r#""abc""#)] {
        assert_eq!(Excerpt::truncated(b"abc", len).to_string(), text);
    }
}

/// `receive` returns its error in a box. The connection keeps a copy.
#[test]
fn errors_are_small() {
    assert!(size_of::<ProtocolError>() <= 64);
}

/// The name of a frame in the text of an error, by its opcode.
#[test]
fn an_error_names_the_frame() {
    for (opcode, name) in [
        (0, "continuation"),
        (1, "text"),
        (2, "binary"),
        (8, "Close"),
        (9, "Ping"),
        (10, "Pong"),
    ] {
        let text = ProtocolError::FragmentedControlFrame { opcode }.to_string();
        assert!(
            text.starts_with(&format!("the peer sent a {name} frame that ")),
            "{text}"
        );
    }
}
