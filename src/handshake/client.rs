//! The client's side of the opening handshake (RFC 6455, section 4.1).

use alloc::{
    borrow::{Cow, ToOwned},
    boxed::Box,
    string::String,
    vec::Vec,
};
use core::{fmt, str};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Agreed, accept_key, are_unique_tokens, check_header,
    deflate::{self, DeflateParams},
    extensions::{Extension, Malformed, extensions},
    is_reserved,
    url::{Url, is_target, split_authority},
};
use crate::{
    config::{Config, DeflateConfig},
    error::{HandshakeError, ResponseError},
    http::{Brief, HeadError, Headers, list_has, parse_response, write_field},
};

/// What a client asks for: the URL, and what goes into the opening handshake beside the fixed parts.
///
/// Only the URL is checked at once; the rest when the request is written.
///
/// ```
/// use sockless::{ClientRequest, Config, Connection};
///
/// let request = ClientRequest::new("ws://example.com/chat?room=1")?
///     .subprotocol("chat.v2")
///     .subprotocol("chat.v1")
///     .header("Authorization", "Bearer mF_9.B5f-4.1JqM");
/// let mut out = Vec::new();
/// let seed = [7; 32]; // from the operating system: see `Connection::client`
/// let connection = Connection::client(&request, Config::default(), seed, &mut out)?;
/// assert!(out.starts_with(b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n"));
/// # Ok::<(), sockless::HandshakeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRequest {
    url: Url,
    origin: Option<String>,
    subprotocols: Vec<String>,
    require_subprotocol: bool,
    headers: Vec<(String, String)>,
}

impl ClientRequest {
    /// A request for a `ws` or `wss` URL (section 3).
    ///
    /// Non-ASCII characters have to be percent-encoded, host names in their ASCII form. There is no user name in
    /// these URLs.
    ///
    /// # Errors
    /// [`Url`](HandshakeError::Url), [`Host`](HandshakeError::Host) or [`Target`](HandshakeError::Target): which part
    /// is invalid.
    pub fn new(url: &str) -> Result<Self, HandshakeError> {
        Ok(Self::from_url(Url::parse(url)?))
    }

    /// A request from its parts: the value of the `Host` header (host, and port if it is not the scheme's default),
    /// and the request target, a path with perhaps a query. For a transport that no URL describes.
    ///
    /// # Errors
    /// [`Host`](HandshakeError::Host) or [`Target`](HandshakeError::Target): which part is invalid.
    pub fn from_parts(host: &str, target: &str) -> Result<Self, HandshakeError> {
        let (name, port) = split_authority(host)?;
        if !is_target(target) {
            return Err(HandshakeError::Target);
        }
        Ok(Self::from_url(Url {
            secure: false,
            host: name.to_owned(),
            port,
            target: target.to_owned(),
        }))
    }

    const fn from_url(url: Url) -> Self {
        Self {
            url,
            origin: None,
            subprotocols: Vec::new(),
            require_subprotocol: false,
            headers: Vec::new(),
        }
    }

    /// Offers a subprotocol; the first offered is the most preferred (section 4.1, step 10).
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocols.push(subprotocol.into());
        self
    }

    /// Fails the handshake if subprotocols were offered and the server chose none, as browsers do (WHATWG). RFC 6455
    /// leaves that open; default false.
    #[must_use]
    pub const fn require_subprotocol(mut self, require: bool) -> Self {
        self.require_subprotocol = require;
        self
    }

    /// Sets the `Origin` header (section 4.1, step 8). Only browsers have to send it; absent by default.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds a header, such as `Authorization` or `Cookie`. Those that belong to the handshake are refused.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether the scheme is `wss`: all bytes, the handshake included, have to travel inside TLS with SNI, which is
    /// the caller's transport (section 4.1).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.url.secure
    }

    /// The host to connect to, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to: the URL's, or 80 for `ws` and 443 for `wss` (section 3).
    #[must_use]
    pub fn port(&self) -> u16 {
        match (self.url.port, self.url.secure) {
            (Some(port), _) => port,
            (None, false) => 80,
            (None, true) => 443,
        }
    }

    /// The request target: path and query (section 3).
    #[must_use]
    pub fn target(&self) -> &str {
        &self.url.target
    }

    /// The header fields of the request, in order, for a client whose HTTP is done by others: send them with a GET of
    /// [`target`](Self::target), and judge the response with [`Expected::check`].
    ///
    /// `nonce` is fresh for every connection, from a strong source of randomness (section 4.1, step 7).
    ///
    /// # Errors
    /// What of the request cannot be sent.
    pub fn fields(
        &self,
        nonce: [u8; 16],
        config: &Config,
    ) -> Result<(Vec<(String, String)>, Expected), HandshakeError> {
        let mut fields = Vec::new();
        let expected = self.write(nonce, config.deflate_settings(), |name, value| {
            fields.push((name.to_owned(), value.to_owned()));
        })?;
        Ok((fields, expected))
    }

    /// Writes the request head.
    pub(crate) fn write_head(
        &self,
        nonce: [u8; 16],
        deflate: Option<&DeflateConfig>,
        out: &mut Vec<u8>,
    ) -> Result<Expected, HandshakeError> {
        let start = out.len();
        for part in ["GET ", self.target(), " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        let written = self.write(nonce, deflate, |name, value| write_field(out, name, value.as_bytes()));
        match written {
            Ok(_) => out.extend_from_slice(b"\r\n"),
            Err(_) => out.truncate(start),
        }
        written
    }

    /// Checks everything, then gives the fields to `field`.
    fn write(
        &self,
        nonce: [u8; 16],
        deflate: Option<&DeflateConfig>,
        mut field: impl FnMut(&str, &str),
    ) -> Result<Expected, HandshakeError> {
        self.check()?;
        let key = STANDARD.encode(nonce);
        field("Host", &self.url.authority());
        field("Upgrade", "websocket");
        field("Connection", "Upgrade");
        field("Sec-WebSocket-Key", &key);
        field("Sec-WebSocket-Version", "13");
        if let Some(origin) = &self.origin {
            field("Origin", origin);
        }
        if !self.subprotocols.is_empty() {
            field("Sec-WebSocket-Protocol", &self.subprotocols.join(", "));
        }
        if let Some(config) = deflate {
            field("Sec-WebSocket-Extensions", &deflate::offer(config));
        }
        for (name, value) in &self.headers {
            field(name, value);
        }
        Ok(Expected {
            deflate: deflate.cloned(),
            accept: accept_key(key.as_bytes()),
            subprotocols: self.subprotocols.clone(),
            require_subprotocol: self.require_subprotocol,
        })
    }

    fn check(&self) -> Result<(), HandshakeError> {
        if !are_unique_tokens(self.subprotocols.iter().map(String::as_bytes)) {
            return Err(HandshakeError::Subprotocol);
        }
        if let Some(origin) = &self.origin {
            check_header("origin", origin.as_bytes())?;
        }
        for (name, value) in &self.headers {
            check_header(name, value.as_bytes())?;
            if is_reserved(name) {
                return Err(HandshakeError::ReservedHeader);
            }
        }
        Ok(())
    }
}

/// What the response to a [`ClientRequest`] has to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    accept: [u8; 28],
    subprotocols: Vec<String>,
    require_subprotocol: bool,
    deflate: Option<DeflateConfig>,
}

impl Expected {
    /// Judges the headers of a response with status 101 over HTTP/1.1 (section 4.1, items 2 to 6). Another status is
    /// no WebSocket handshake: what it means, HTTP says.
    ///
    /// # Errors
    /// The rule that the response breaks; the connection must not be used.
    pub fn check<'a>(&self, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Agreed, ResponseError> {
        let (mut upgrade, mut connection) = (false, false);
        let mut accept = None;
        let mut subprotocol = None;
        let mut deflate = None;
        for (name, value) in headers {
            let value = value.trim_ascii();
            let is = |field: &str| name.eq_ignore_ascii_case(field);
            if is("upgrade") {
                // The whole value, not a list: "a value that is not an ASCII case-insensitive match" fails.
                if upgrade || !value.eq_ignore_ascii_case(b"websocket") {
                    return Err(ResponseError::Upgrade);
                }
                upgrade = true;
            } else if is("connection") {
                connection |= list_has(value, "upgrade");
            } else if is("sec-websocket-accept") {
                if accept.replace(value).is_some() {
                    return Err(ResponseError::Accept);
                }
            } else if is("sec-websocket-protocol") {
                if subprotocol.replace(value).is_some() {
                    return Err(ResponseError::Subprotocol);
                }
            } else if is("sec-websocket-extensions") {
                for extension in extensions(value) {
                    let extension = extension.map_err(|Malformed| ResponseError::ExtensionsSyntax)?;
                    if deflate.replace(extension).is_some() {
                        return Err(ResponseError::Extension);
                    }
                }
            }
        }
        if !upgrade {
            return Err(ResponseError::Upgrade);
        }
        if !connection {
            return Err(ResponseError::Connection);
        }
        if accept != Some(&self.accept) {
            return Err(ResponseError::Accept);
        }
        let deflate = match deflate {
            None => None,
            Some(extension) => Some(self.check_extension(&extension)?),
        };
        let subprotocol = self.check_subprotocol(subprotocol)?;
        Ok(Agreed::new(subprotocol, deflate))
    }

    /// "the client MUST _Fail the WebSocket Connection_" on an extension that was not offered, and on an answer that does
    /// not fit the offer (RFC 6455, section 4.1; RFC 7692, section 7).
    fn check_extension(&self, extension: &Extension<'_>) -> Result<DeflateParams, ResponseError> {
        match &self.deflate {
            Some(config) if extension.name() == deflate::NAME => {
                deflate::agree(config, extension).ok_or(ResponseError::ExtensionParameters)
            }
            Some(_) | None => Err(ResponseError::Extension),
        }
    }

    fn check_subprotocol(&self, chosen: Option<&[u8]>) -> Result<Option<Box<str>>, ResponseError> {
        let Some(chosen) = chosen else {
            return if self.require_subprotocol && !self.subprotocols.is_empty() {
                Err(ResponseError::MissingSubprotocol)
            } else {
                Ok(None)
            };
        };
        self.subprotocols
            .iter()
            .find(|offered| offered.as_bytes() == chosen)
            .map(|offered| Some(offered.as_str().into()))
            .ok_or(ResponseError::Subprotocol)
    }
}

/// A server's response head: status and header fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Response<'b> {
    head: Cow<'b, [u8]>,
    status: u16,
    /// The minor version of HTTP/1.
    version: u8,
}

impl<'b> Response<'b> {
    /// Reads a whole head, from the status line to the blank line.
    pub(crate) fn from_head(head: Cow<'b, [u8]>, max_headers: usize) -> Result<Self, ResponseError> {
        let (status, version) = parse_response(&head, max_headers, |response| (response.code, response.version))?;
        let (Some(status), Some(version)) = (status, version) else {
            return Err(ResponseError::Syntax);
        };
        Ok(Self { head, status, version })
    }

    /// Judges a response with status 101.
    pub(crate) fn check(&self, expected: &Expected) -> Result<Agreed, ResponseError> {
        if self.version != 1 {
            return Err(ResponseError::HttpVersion);
        }
        expected.check(self.headers())
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of_head(&self.head)
    }

    /// The subprotocol that the server chose, one of those offered.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        let value = self.headers().get("sec-websocket-protocol")?;
        str::from_utf8(value).ok()
    }

    /// The same response, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Response<'static> {
        Response {
            head: Cow::Owned(self.head.into_owned()),
            status: self.status,
            version: self.version,
        }
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers())
            .finish()
    }
}

/// A response that did not open a WebSocket: a redirect, a demand for credentials, an error (section 4.1, item 1).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Status and header fields; `Location`, `WWW-Authenticate` or `Sec-WebSocket-Version` say how to go on.
    pub response: Response<'static>,
    /// The body, as far as [`max_refusal_body`](crate::Config::max_refusal_body) allows.
    pub body: Vec<u8>,
    /// Whether the body is there as a whole: not cut off by the limit, nor by the end of the transport.
    pub is_complete: bool,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("response", &self.response)
            .field("body", &Brief(&self.body))
            .field("is_complete", &self.is_complete)
            .finish()
    }
}

impl From<HeadError> for ResponseError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Syntax => Self::Syntax,
            HeadError::Version => Self::HttpVersion,
            HeadError::TooLong => Self::HeadTooLong,
            HeadError::TooManyHeaders => Self::TooManyHeaders,
        }
    }
}
