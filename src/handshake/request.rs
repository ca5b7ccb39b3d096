//! A client's request as a server receives it (RFC 6455, section 4.2).

use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use core::{fmt, str};

use super::{
    accept::Accept,
    origin::OriginRelation,
    rules::{CheckedRequest, Method, RequestLine, check_request},
    url::absolute_authority,
};
use crate::{
    error::RequestError,
    escaped::RedactedUrl,
    extensions::{Extension, parse_extensions},
    http::{Field, HeadError, Headers, is_tls, list_elements, parse_request},
};

/// A client's request for a WebSocket. It is valid (RFC 6455, section 4.2.1), and the caller must
/// accept or reject it.
///
/// A request borrows from the input if the head is complete there. For a decision that takes time,
/// [`into_owned`](Self::into_owned) copies it.
///
/// ```
/// use sockless::{Config, Connection, Event};
///
/// let mut head = *b"GET /chat?room=7 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://example.com\r\n\
///     Sec-WebSocket-Protocol: chat.v2, chat.v1\r\nCookie: session=1\r\n\r\n";
/// let (mut ws, mut out) = (Connection::server(Config::new()), Vec::new());
/// let event = ws.receive(&mut &mut head[..], &mut out)?;
/// let Some(Event::Request(request)) = event else { panic!("{event:?}") };
/// assert_eq!((request.host(), request.target()), ("example.com", "/chat?room=7"));
/// assert_eq!(request.choose_subprotocol(&["chat.v1"]), Some("chat.v1"));
/// assert_eq!(request.headers().get("cookie"), Some(&b"session=1"[..]));
/// assert!(request.is_same_origin());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The `Debug` output has `<redacted>` in place of the query string, and of the header values that
/// [`Headers`] redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'b> {
    head: Head<'b>,
    method: Method,
    origin: OriginRelation,
    is_upgrade: bool,
    /// The offset of the key in `Head::Bytes`, which saves a search. 0 if it is not known.
    key_offset: u32,
}

#[derive(Clone, PartialEq, Eq)]
enum Head<'b> {
    /// The bytes of the head, which begin with the method, a space and the target.
    Bytes { bytes: Cow<'b, [u8]>, target_len: usize },
    /// A head that another HTTP implementation has parsed.
    Parsed(Box<ParsedHead<'b>>),
}

#[derive(Clone, PartialEq, Eq)]
struct ParsedHead<'b> {
    target: Cow<'b, str>,
    /// The host that an extended CONNECT is for, or that the target had.
    authority: Option<Cow<'b, str>>,
    fields: Vec<Field<'b>>,
}

impl<'b> Request<'b> {
    /// Parses a complete head, from the request line to the blank line, and checks it.
    pub(crate) fn from_head(
        head: Cow<'b, [u8]>,
        max_headers: usize,
        plain_requests: bool,
    ) -> Result<Self, RequestError> {
        let (found, target_len) = parse_request(&head, max_headers, |request| {
            let line = RequestLine {
                method: request.method.unwrap_or_default(),
                target: request.path.unwrap_or_default(),
                authority: None,
                minor_version: request.version,
            };
            // `Headers::from_head` would search for the fields again, which takes as long as
            // parsing. The parser has removed the white space around values.
            let fields = request.headers.iter().map(|field| (field.name, field.value));
            let CheckedRequest { method, origin, key } = check_request(&line, fields, plain_requests)?;
            // The value borrows from the head.
            let key_offset = key.map(|key| key.as_ptr().addr().wrapping_sub(head.as_ptr().addr()));
            Ok::<_, RequestError>(((method, origin, key_offset), line.target.len()))
        })?;
        let (method, origin, key_offset) = found;
        Ok(Self {
            head: Head::Bytes {
                bytes: head,
                target_len,
            },
            method,
            origin,
            is_upgrade: key_offset.is_some(),
            key_offset: key_offset.and_then(|offset| offset.try_into().ok()).unwrap_or(0),
        })
    }

    /// Checks a request that another HTTP implementation has parsed from HTTP/1.1.
    ///
    /// The caller continues with [`acceptance`](Self::acceptance), sends its headers with status
    /// 101, and calls [`Connection::upgraded_server`](crate::Connection::upgraded_server) for the
    /// stream.
    ///
    /// ```
    /// use sockless::{Accept, Config, Connection, Request};
    ///
    /// let headers: [(&str, &[u8]); 5] = [
    ///     ("host", b"example.com"),
    ///     ("upgrade", b"websocket"),
    ///     ("connection", b"Upgrade"),
    ///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("sec-websocket-version", b"13"),
    /// ];
    /// let request = Request::from_list("GET", "/chat", headers)?;
    /// let (headers, negotiated) = request.acceptance(&Accept::new(), &Config::default())?;
    /// let accept = ("Sec-WebSocket-Accept".into(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into());
    /// assert!(headers.contains(&accept));
    /// let connection = Connection::upgraded_server(&negotiated, Config::default());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the first error in the request. [`RequestError::status`] is the status of the
    /// response.
    pub fn from_list(
        method: &str,
        target: &'b str,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
    ) -> Result<Self, RequestError> {
        Self::from_split_target(method, target, None, headers)
    }

    /// Checks a request as [`from_list`](Self::from_list) does. Its target may be an absolute URI
    /// whose authority is apart.
    pub(super) fn from_split_target(
        method: &str,
        target: &'b str,
        authority: Option<&'b str>,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
    ) -> Result<Self, RequestError> {
        let line = RequestLine {
            method,
            target,
            authority,
            minor_version: Some(1),
        };
        let fields: Vec<Field<'b>> = headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let CheckedRequest { method, origin, .. } = check_request(&line, Headers::from_fields(&fields), false)?;
        Ok(Self::parsed(target, authority, fields, method, origin))
    }

    /// Creates a request that another HTTP implementation has parsed, and that is valid.
    pub(super) fn parsed(
        target: &'b str,
        authority: Option<&'b str>,
        fields: Vec<Field<'b>>,
        method: Method,
        origin: OriginRelation,
    ) -> Self {
        Self {
            head: Head::Parsed(Box::new(ParsedHead {
                target: target.into(),
                authority: authority.map(Cow::Borrowed),
                fields,
            })),
            method,
            origin,
            is_upgrade: true,
            key_offset: 0,
        }
    }

    /// Returns the method: `GET`, or `CONNECT` for a request over HTTP/2 or HTTP/3, or also `HEAD`
    /// or `OPTIONS` for a request that [`plain_requests`](crate::Config::plain_requests) allows.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// Returns the request target: a path with an optional query, or an absolute URI, or `*` for
    /// `OPTIONS` (RFC 9112, section 3.2).
    #[must_use]
    pub fn target(&self) -> &str {
        match &self.head {
            Head::Bytes { bytes, target_len } => bytes
                .get(self.method().len() + 1..)
                .and_then(|rest| rest.get(..*target_len))
                .and_then(|target| str::from_utf8(target).ok())
                .unwrap_or_default(),
            Head::Parsed(head) => &head.target,
        }
    }

    /// Returns all header fields, without pseudo-headers.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        match &self.head {
            Head::Bytes { bytes, .. } => Headers::from_head(bytes),
            Head::Parsed(head) => Headers::from_fields(&head.fields),
        }
    }

    /// Returns whether the request is a WebSocket handshake. It is false only for a request that
    /// [`plain_requests`](crate::Config::plain_requests) allows.
    #[must_use]
    pub const fn is_upgrade(&self) -> bool {
        self.is_upgrade
    }

    /// Returns the host that the request is for: the host name in the client's URL, and the port if
    /// it is not the default. It is empty if a request of HTTP/1.0 does not say.
    ///
    /// That is the `Host` header, except for a target that is an absolute URI: then the server
    /// "MUST ignore the received Host header field" (RFC 9112, section 3.2.2). Over HTTP/2 and
    /// HTTP/3 it is `:authority`.
    #[must_use]
    pub fn host(&self) -> &str {
        if let Head::Parsed(head) = &self.head {
            if let Some(authority) = &head.authority {
                return authority;
            }
        }
        match absolute_authority(self.target()) {
            Some(authority) => authority,
            None => self.text("host").unwrap_or_default(),
        }
    }

    /// Returns the `Origin` header: the origin of the page that opens the connection.
    ///
    /// Browsers always send it. Other clients usually send none, and can send any value (RFC 6455,
    /// sections 4.2.2 and 10.2).
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.text("origin")
    }

    /// Returns whether the `Origin` header names the [host](Self::host) of the request and its
    /// port, or is missing.
    ///
    /// Its scheme may be `http` or `https`. [`check_origin`](Self::check_origin) has the whole
    /// check, also of the scheme, and against DNS rebinding; whatever accepts a request makes that
    /// check too.
    #[must_use]
    pub fn is_same_origin(&self) -> bool {
        self.origin != OriginRelation::Foreign
    }

    /// Checks whether an acceptance allows the web page that opens the connection, and the host
    /// that the request is for: see [`Accept`].
    ///
    /// [`Connection::accept`](crate::Connection::accept) and [`acceptance`](Self::acceptance) make
    /// this check. Before them, it is useful for a response of the caller's own, and for requests
    /// that are not WebSocket handshakes.
    ///
    /// # Errors
    /// Returns why the request is not allowed. The status is 403.
    pub fn check_origin(&self, accept: &Accept<'_>) -> Result<(), RequestError> {
        let values = || (self.origin().unwrap_or_default(), self.host());
        accept.origin_policy().check(self.origin, values)
    }

    /// Returns the subprotocols that the client offers, in its order of preference (RFC 6455,
    /// section 4.1, step 10).
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.headers()
            .get_all("sec-websocket-protocol")
            .flat_map(list_elements)
            .filter_map(|element| str::from_utf8(element).ok())
    }

    /// Returns the first of `supported` that the client offers: the choice by the server's
    /// preference (RFC 6455, section 4.2.2).
    #[must_use]
    pub fn choose_subprotocol<'s>(&self, supported: &'s [impl AsRef<str>]) -> Option<&'s str> {
        supported
            .iter()
            .map(AsRef::as_ref)
            .find(|supported| self.subprotocols().any(|offered| offered == *supported))
    }

    /// Returns the extensions that the client offers, in its order of preference (RFC 6455, section
    /// 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> + Clone {
        self.headers()
            .get_all("sec-websocket-extensions")
            .flat_map(parse_extensions)
            .filter_map(Result::ok)
    }

    /// Returns whether the request is an extended CONNECT.
    pub(super) const fn is_connect(&self) -> bool {
        matches!(self.method, Method::Connect)
    }

    /// Converts to a request that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Request<'static> {
        let head = match self.head {
            Head::Bytes { bytes, target_len } => Head::Bytes {
                bytes: Cow::Owned(bytes.into_owned()),
                target_len,
            },
            Head::Parsed(head) => Head::Parsed(Box::new(ParsedHead {
                target: Cow::Owned(head.target.into_owned()),
                authority: head.authority.map(|authority| Cow::Owned(authority.into_owned())),
                fields: head
                    .fields
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned())))
                    .collect(),
            })),
        };
        Request {
            head,
            method: self.method,
            origin: self.origin,
            is_upgrade: self.is_upgrade,
            key_offset: self.key_offset,
        }
    }

    /// Returns the key, which has 24 characters (RFC 6455, section 4.1, step 7).
    pub(super) fn key(&self) -> &[u8] {
        let key = match &self.head {
            Head::Bytes { bytes, .. } if self.key_offset > 0 => bytes.get(self.key_offset as usize..),
            _ => self.headers().get("sec-websocket-key"),
        };
        key.and_then(|key| key.get(..24)).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<&str> {
        let value = self.headers().get(name)?;
        str::from_utf8(value).ok()
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown
            .field("method", &self.method())
            .field("target", &RedactedUrl(self.target().as_bytes()));
        if self.is_connect() {
            shown.field("authority", &self.host());
        }
        shown.field("headers", &self.headers()).finish()
    }
}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::FirstByte { byte } if is_tls(byte) => Self::Tls { byte },
            HeadError::FirstByte { byte } => Self::InvalidFirstByte { byte },
            HeadError::FirstLine { line } => Self::InvalidRequestLine { line },
            HeadError::Version { version } => Self::UnsupportedHttpVersion { version },
            HeadError::HeaderLine { number } => Self::InvalidHeaderLine { number },
            HeadError::TooLong { limit } => Self::HeadTooLong { limit },
            HeadError::TooManyHeaders { limit } => Self::TooManyHeaders { limit },
        }
    }
}
