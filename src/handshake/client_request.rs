//! A client's request (RFC 6455, section 4.1).

use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
    vec::Vec,
};
use core::fmt;

use super::{
    accept_key::{accept_key, base64},
    basic_auth::basic_credentials,
    expected::Expected,
    fields::{check_added_header, check_header, check_subprotocols},
    own_extensions::{self, OwnOffer},
    request::Request,
    scheme::Scheme,
    url::{Url, encode_target, split_authority, without_brackets},
};
use crate::{
    config::Config,
    deflate::{DeflateConfig, negotiation},
    error::{Excerpt, LocalHandshakeError},
    escaped::{Redacted, RedactedFields, RedactedUrl},
    frame::ReservedBits,
    http::write_field,
};

/// How many extensions of another client are passed on. Each answer is compared with each offer,
/// and in a proxy both come from peers.
const MAX_FORWARDED: usize = 64;

/// A client's request: the URL, and the optional parts of the opening handshake.
///
/// [`new`](Self::new) checks the URL. The other parts are checked when the request is written, by
/// [`Connection::client`](crate::Connection::client) for example.
///
/// The `Debug` output has `<redacted>` in place of the query string, of the subprotocols, which can
/// be a bearer token, and of the header values that [`Headers`](super::Headers) redacts.
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
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRequest {
    pub(super) url: Url,
    pub(super) origin: Option<String>,
    pub(super) subprotocols: Vec<String>,
    pub(super) require_subprotocol: bool,
    pub(super) headers: Vec<(String, String)>,
    pub(super) extensions: Vec<OwnOffer>,
}

impl ClientRequest {
    /// Creates a request for a `ws` or `wss` URL (RFC 6455, section 3). `http` and `https` are
    /// other names for these schemes, as in browsers (WHATWG WebSockets Standard).
    ///
    /// A user name and a password are refused: use [`basic_auth`](Self::basic_auth).
    ///
    /// Characters that are not allowed in a path or a query, such as `[`, `|`, a space, and those
    /// that are not ASCII, are percent-encoded. Control characters, a space at the end, and a
    /// backslash in the path are an error, because programs disagree about what they mean. A host
    /// name must be in its ASCII form, and what is in brackets must be an IPv6 address without a
    /// zone.
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the URL.
    pub fn new(url: &str) -> Result<Self, LocalHandshakeError> {
        Ok(Self::from_url(Url::parse(url)?))
    }

    /// Creates a request from its parts, for a transport that no URL describes.
    ///
    /// `host` is the value of the `Host` header: the host, and the port unless it is the default of
    /// the scheme. `target` is a path with an optional query, percent-encoded as in
    /// [`new`](Self::new).
    ///
    /// # Errors
    /// Returns the error of the first invalid part.
    pub fn from_parts(host: &str, target: &str) -> Result<Self, LocalHandshakeError> {
        let (name, port) = split_authority(host).map_err(|error| error.in_url(false))?;
        let target = encode_target(target)?;
        Ok(Self::from_url(Url {
            scheme: Scheme::Http,
            host: name.to_owned(),
            port,
            target,
        }))
    }

    const fn from_url(url: Url) -> Self {
        Self {
            url,
            origin: None,
            subprotocols: Vec::new(),
            require_subprotocol: false,
            headers: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// Offers a subprotocol. The first one offered is the most preferred (RFC 6455, section 4.1,
    /// step 10).
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocols.push(subprotocol.into());
        self
    }

    /// Sets whether the handshake fails if subprotocols are offered and the server chooses none, as
    /// in browsers (WHATWG WebSockets Standard). RFC 6455 does not say. Default: false.
    #[must_use]
    pub const fn require_subprotocol(mut self, require: bool) -> Self {
        self.require_subprotocol = require;
        self
    }

    /// Sets the `Origin` header (RFC 6455, section 4.1, step 8). Only browsers must send it.
    /// Default: no such header.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds a header, such as `Authorization` or `Cookie`.
    ///
    /// `Host`, `Connection`, `Upgrade`, `Origin`, `Sec-WebSocket-…` and headers that announce a
    /// body make the request fail when it is written.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds an `Authorization` header with a user name and a password (RFC 7617). Anyone who sees
    /// the connection can read them, unless it is a `wss` one.
    ///
    /// ```
    /// use sockless::ClientRequest;
    ///
    /// let request = ClientRequest::new("wss://example.com/")?;
    /// let request = request.basic_auth("Aladdin", "open sesame")?;
    /// # Ok::<(), sockless::error::LocalHandshakeError>(())
    /// ```
    ///
    /// # Errors
    /// The user name has a colon, or one of them has a control character.
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self, LocalHandshakeError> {
        Ok(self.header("Authorization", basic_credentials(user, password)?))
    }

    /// Offers an extension that the caller implements (RFC 6455, section 9): its name with its
    /// parameters, and the reserved bits that it uses if the server accepts it.
    ///
    /// Several offers with one name are alternatives, the preferred one first.
    /// [`Response::extensions`](super::Response::extensions) has what the server answers, and the
    /// caller checks the parameters: a client that cannot go on with them closes with 1010. The
    /// engine checks that the extension was offered, that none is accepted twice, and that no two
    /// use the same reserved bit.
    ///
    /// [`Chunk::reserved`](crate::Chunk::reserved) shows the bits of received frames;
    /// [`send_fragment_with`](crate::Connection::send_fragment_with) sets them.
    ///
    /// ```
    /// use sockless::{ClientRequest, frame::ReservedBits};
    ///
    /// let request = ClientRequest::new("ws://example.com/")?
    ///     .extension("x-checksum; algorithm=crc32", ReservedBits::RSV2);
    /// # Ok::<(), sockless::error::LocalHandshakeError>(())
    /// ```
    #[must_use]
    pub fn extension(mut self, extension: impl Into<String>, reserved: ReservedBits) -> Self {
        let text = extension.into();
        self.extensions.push(OwnOffer { text, reserved });
        self
    }

    /// Passes the offers of another client on, as a proxy does: its origin, its subprotocols and
    /// its extensions, permessage-deflate among them. They take the place of those that were set
    /// before. Of more than 64 extensions, the first 64 are passed on.
    ///
    /// Other headers, such as `Cookie`, are for the caller to pass on or not. With
    /// `Config::deflate`, the request would offer permessage-deflate twice and fails.
    ///
    /// The connection itself does not know what the extensions mean: once it is open, frames are
    /// for a [`Relay`](crate::Relay). The server's choices go back with
    /// [`Accept::forwarding`](crate::Accept::forwarding).
    #[must_use]
    pub fn forwarding(mut self, request: &Request<'_>) -> Self {
        self.origin = request.origin().map(String::from);
        self.subprotocols = request.subprotocols().map(String::from).collect();
        self.extensions = request
            .extensions()
            .take(MAX_FORWARDED)
            .map(|extension| OwnOffer {
                text: extension.to_text(),
                reserved: ReservedBits::NONE,
            })
            .collect();
        self
    }

    /// Returns whether the scheme is `wss`. The caller must then provide a transport with TLS and
    /// SNI, and send the opening handshake over it too (RFC 6455, section 4.1).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self.url.scheme, Scheme::Https)
    }

    /// Returns the host to connect to, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        without_brackets(&self.url.host)
    }

    /// Returns the port to connect to: that of the URL, or 80 for `ws` and 443 for `wss` (RFC 6455,
    /// section 3).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port.unwrap_or_else(|| self.url.scheme.default_port())
    }

    /// Returns the request target: path and query (RFC 6455, section 3).
    #[must_use]
    pub fn target(&self) -> &str {
        &self.url.target
    }

    /// Returns the header fields of the request in their order, for a client that uses another HTTP
    /// implementation.
    ///
    /// The caller must send them with a GET request for [`target`](Self::target), and pass the
    /// response to [`Expected::check`]. `nonce` must come from a strong source of randomness, and
    /// must be new for every connection (RFC 6455, section 4.1, step 7).
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the request.
    pub fn fields(
        &self,
        nonce: [u8; 16],
        config: &Config,
    ) -> Result<(Vec<(String, String)>, Expected), LocalHandshakeError> {
        let mut fields = Vec::new();
        let expected = self.write_fields(Some(nonce), config.deflate_settings(), |name, value| {
            fields.push((name.to_owned(), value.to_owned()));
        })?;
        Ok((fields, expected))
    }

    /// Appends the request head.
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
        let written = self.write_fields(Some(nonce), deflate, |name, value| {
            write_field(out, name, value.as_bytes())
        });
        match written {
            Ok(_) => out.extend_from_slice(b"\r\n"),
            Err(_) => out.truncate(start),
        }
        written
    }

    /// Checks the request, then calls `write_field` with each header field. An extended CONNECT has
    /// no key, and what HTTP/1.1 needs beside it is in the pseudo-headers (RFC 8441, section 5).
    pub(super) fn write_fields(
        &self,
        nonce: Option<[u8; 16]>,
        deflate: Option<&DeflateConfig>,
        mut write_field: impl FnMut(&str, &str),
    ) -> Result<Expected, LocalHandshakeError> {
        self.check(nonce.is_none(), deflate.is_some())?;
        // The base64 form of 16 bytes has 24 characters.
        let key: Option<[u8; 24]> = nonce.map(|nonce| base64(&nonce));
        if let Some(key) = &key {
            write_field("Host", &self.url.authority());
            write_field("Upgrade", "websocket");
            write_field("Connection", "Upgrade");
            write_field("Sec-WebSocket-Key", core::str::from_utf8(key).unwrap_or_default());
        }
        write_field("Sec-WebSocket-Version", "13");
        if let Some(origin) = &self.origin {
            write_field("Origin", origin);
        }
        if !self.subprotocols.is_empty() {
            write_field("Sec-WebSocket-Protocol", &self.subprotocols.join(", "));
        }
        if deflate.is_some() || !self.extensions.is_empty() {
            write_field("Sec-WebSocket-Extensions", &self.extensions_value(deflate));
        }
        for (name, value) in &self.headers {
            write_field(name, value);
        }
        Ok(Expected {
            deflate: deflate.cloned(),
            accept: key.map(|key| accept_key(&key)),
            subprotocols: self.subprotocols.clone(),
            require_subprotocol: self.require_subprotocol,
            extensions: self.extensions.clone(),
        })
    }

    /// The offers, those of the caller first. Out of line: most requests have none.
    #[inline(never)]
    fn extensions_value(&self, deflate: Option<&DeflateConfig>) -> String {
        let deflate = deflate.map(negotiation::offer);
        let own = self.extensions.iter().map(|offer| offer.text.as_str());
        own_extensions::join(own, deflate.as_deref()).map_or_else(String::new, Cow::into_owned)
    }

    /// The rules on the offers of the caller. Out of line, as above.
    #[inline(never)]
    fn check_extensions(&self, offers_deflate: bool) -> Result<(), LocalHandshakeError> {
        for offer in &self.extensions {
            let name = own_extensions::parse(&offer.text)?.name();
            if offers_deflate && name == negotiation::NAME {
                return Err(LocalHandshakeError::RepeatedExtension {
                    name: Excerpt::new(name.as_bytes()),
                });
            }
        }
        Ok(())
    }

    fn check(&self, is_connect: bool, offers_deflate: bool) -> Result<(), LocalHandshakeError> {
        check_subprotocols(self.subprotocols.iter().map(String::as_bytes))?;
        if let Some(origin) = &self.origin {
            check_header("Origin", origin)?;
        }
        for (name, value) in &self.headers {
            check_added_header(is_connect, name, value)?;
        }
        if !self.extensions.is_empty() {
            self.check_extensions(offers_deflate)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subprotocols: Vec<Redacted> = self.subprotocols.iter().map(|_| Redacted).collect();
        f.debug_struct("ClientRequest")
            .field("secure", &self.is_secure())
            .field("host", &self.url.authority())
            .field("target", &RedactedUrl(self.url.target.as_bytes()))
            .field("origin", &self.origin)
            .field("subprotocols", &subprotocols)
            .field("require_subprotocol", &self.require_subprotocol)
            .field("headers", &RedactedFields(&self.headers))
            .field("extensions", &self.extensions)
            .finish()
    }
}
