//! What a client asks for (RFC 6455, section 4.1).

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    accept_key::accept_key,
    expected::Expected,
    fields::{are_unique_tokens, check_header, is_reserved},
    url::{Url, is_target, split_authority},
};
use crate::{
    config::Config,
    deflate::{DeflateConfig, negotiation},
    error::LocalHandshakeError,
    http::write_field,
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
/// # Ok::<(), sockless::error::LocalHandshakeError>(())
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
    /// [`Url`](LocalHandshakeError::Url), [`Host`](LocalHandshakeError::Host) or [`Target`](LocalHandshakeError::Target): which part
    /// is invalid.
    pub fn new(url: &str) -> Result<Self, LocalHandshakeError> {
        Ok(Self::from_url(Url::parse(url)?))
    }

    /// A request from its parts: the value of the `Host` header (host, and port if it is not the scheme's default),
    /// and the request target, a path with perhaps a query. For a transport that no URL describes.
    ///
    /// # Errors
    /// [`Host`](LocalHandshakeError::Host) or [`Target`](LocalHandshakeError::Target): which part is invalid.
    pub fn from_parts(host: &str, target: &str) -> Result<Self, LocalHandshakeError> {
        let (name, port) = split_authority(host)?;
        if !is_target(target) {
            return Err(LocalHandshakeError::Target);
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
    ) -> Result<(Vec<(String, String)>, Expected), LocalHandshakeError> {
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
    ) -> Result<Expected, LocalHandshakeError> {
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
    ) -> Result<Expected, LocalHandshakeError> {
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
            field("Sec-WebSocket-Extensions", &negotiation::offer(config));
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

    fn check(&self) -> Result<(), LocalHandshakeError> {
        if !are_unique_tokens(self.subprotocols.iter().map(String::as_bytes)) {
            return Err(LocalHandshakeError::Subprotocol);
        }
        if let Some(origin) = &self.origin {
            check_header("origin", origin.as_bytes())?;
        }
        for (name, value) in &self.headers {
            check_header(name, value.as_bytes())?;
            if is_reserved(name) {
                return Err(LocalHandshakeError::ReservedHeader);
            }
        }
        Ok(())
    }
}
