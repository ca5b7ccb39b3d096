//! The server's side of the opening handshake (RFC 6455, section 4.2).

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::{fmt, str};

use super::{
    accept::Accept,
    accept_key::accept_key,
    fields::{check_header, is_reserved},
    negotiated::Negotiated,
    rules::{check_headers, check_line},
};
use crate::{
    config::Config,
    deflate::{DeflateConfig, negotiation},
    error::{LocalHandshakeError, RequestError},
    escaped::Escaped,
    extensions::{Extension, extensions},
    http::{Field, HeadError, Headers, list_elements, parse_request},
};

/// What stands before the target of the only method there is.
const GET: &str = "GET ";

/// A client's opening handshake, checked against the rules of RFC 6455, section 4.2.1, and waiting for a decision.
///
/// It borrows from the input if the whole head lay in it; [`into_owned`](Self::into_owned) makes a copy for a
/// decision that takes time.
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'b> {
    head: Head<'b>,
    upgrade: bool,
    /// Where the key stands in raw bytes, so that nobody walks them once more for it; 0 if that is not known.
    key_at: u32,
}

#[derive(Clone, PartialEq, Eq)]
enum Head<'b> {
    /// The bytes of the head; the target follows `"GET "`.
    Raw {
        bytes: Cow<'b, [u8]>,
        target_len: usize,
    },
    List(Box<List<'b>>),
}

#[derive(Clone, PartialEq, Eq)]
struct List<'b> {
    target: Cow<'b, str>,
    fields: Vec<Field<'b>>,
}

impl<'b> Request<'b> {
    /// Reads a whole head, from the request line to the blank line.
    pub(crate) fn from_head(head: Cow<'b, [u8]>, max_headers: usize, plain: bool) -> Result<Self, RequestError> {
        let (upgrade, key_at, target_len) = parse_request(&head, max_headers, |request| {
            let target = request.path.unwrap_or_default();
            check_line(request.method.unwrap_or_default(), target, request.version)?;
            // As they are at hand: to find them in the head once more costs as much as to parse it.
            let fields = request.headers.iter();
            let key = check_headers(fields.map(|field| (field.name, field.value.trim_ascii())), plain)?;
            // The parser lends what it finds from the head.
            let key_at = key.map_or(0, |key| key.as_ptr().addr().wrapping_sub(head.as_ptr().addr()));
            Ok::<_, RequestError>((key.is_some(), key_at, target.len()))
        })??;
        Ok(Self {
            head: Head::Raw {
                bytes: head,
                target_len,
            },
            upgrade,
            key_at: key_at.try_into().unwrap_or(0),
        })
    }

    /// Checks a request that another HTTP implementation has parsed from HTTP/1.1, by the same rules.
    ///
    /// Continue with [`acceptance`](Self::acceptance), send its headers with status 101, and hand the stream to
    /// [`Connection::upgraded_server`](crate::Connection::upgraded_server).
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
    /// assert!(headers.contains(&("Sec-WebSocket-Accept".into(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into())));
    /// let connection = Connection::upgraded_server(&negotiated, Config::default());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The rule that the request breaks; [`RequestError::status`] is the answer.
    pub fn from_list(
        method: &str,
        target: &'b str,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
    ) -> Result<Self, RequestError> {
        check_line(method, target, Some(1))?;
        let fields: Vec<Field<'b>> = headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        check_headers(Headers::of_list(&fields), false)?;
        let target = target.into();
        Ok(Self {
            head: Head::List(Box::new(List { target, fields })),
            upgrade: true,
            key_at: 0,
        })
    }

    /// The request target: a path with perhaps a query, or an absolute URI (RFC 9112, section 3.2).
    #[must_use]
    pub fn target(&self) -> &str {
        match &self.head {
            Head::Raw { bytes, target_len } => bytes
                .get(GET.len()..GET.len() + target_len)
                .and_then(|target| str::from_utf8(target).ok())
                .unwrap_or_default(),
            Head::List(list) => &list.target,
        }
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        match &self.head {
            Head::Raw { bytes, .. } => Headers::of_head(bytes),
            Head::List(list) => Headers::of_list(&list.fields),
        }
    }

    /// Whether the request asks for a WebSocket. False only for a plain GET that
    /// [`plain_requests`](crate::Config::plain_requests) lets through.
    #[must_use]
    pub const fn is_upgrade(&self) -> bool {
        self.upgrade
    }

    /// The `Host` header: the host name that the client wants, with a port if it is not the default.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text("host").unwrap_or_default()
    }

    /// The `Origin` header, which browsers always send: where the page that opens the connection comes from. A client
    /// that is not a browser usually sends none, and can send anything (sections 4.2.2 and 10.2).
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.text("origin")
    }

    /// Whether the page that opens the connection comes from the host that it connects to, or there is no page because
    /// there is no `Origin`.
    ///
    /// Browsers do not apply the same-origin policy to WebSockets. A server that trusts cookies has to check the
    /// origin, with this or with a list of its own, and to [`reject`](crate::Connection::reject) with 403 otherwise.
    #[must_use]
    pub fn is_same_origin(&self) -> bool {
        let Some(origin) = self.origin() else {
            return true;
        };
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let default_port = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => ":80",
            _ if scheme.eq_ignore_ascii_case("https") => ":443",
            _ => return false,
        };
        let strip = |authority: &str| {
            authority
                .strip_suffix(default_port)
                .unwrap_or(authority)
                .to_ascii_lowercase()
        };
        strip(authority) == strip(self.host())
    }

    /// The subprotocols that the client offers, in its order of preference (section 4.1, step 10).
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.headers()
            .all("sec-websocket-protocol")
            .flat_map(list_elements)
            .filter_map(|element| str::from_utf8(element).ok())
    }

    /// The first of `supported` that the client offers too: the choice by the server's preference (section 4.2.2).
    #[must_use]
    pub fn choose_subprotocol<'s>(&self, supported: &'s [impl AsRef<str>]) -> Option<&'s str> {
        supported
            .iter()
            .map(AsRef::as_ref)
            .find(|supported| self.subprotocols().any(|offered| offered == *supported))
    }

    /// The extensions that the client offers, in its order of preference (section 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.headers()
            .all("sec-websocket-extensions")
            .flat_map(extensions)
            .filter_map(Result::ok)
    }

    /// The headers of the 101 response that accepts the request, for a server whose HTTP is done by others.
    ///
    /// # Errors
    /// As [`Connection::accept`](crate::Connection::accept).
    pub fn acceptance(
        &self,
        accept: &Accept<'_>,
        config: &Config,
    ) -> Result<(Vec<(String, String)>, Negotiated), LocalHandshakeError> {
        let mut headers = Vec::new();
        let negotiated = self.accept_fields(accept, config.deflate_settings(), |name, value| {
            headers.push((name.into(), String::from_utf8_lossy(value).into_owned()));
        })?;
        Ok((headers, negotiated))
    }

    /// Checks the acceptance and gives the fields of the response to `field` (section 4.2.2, step 5).
    pub(super) fn accept_fields(
        &self,
        accept: &Accept<'_>,
        deflate: Option<&DeflateConfig>,
        mut field: impl FnMut(&str, &[u8]),
    ) -> Result<Negotiated, LocalHandshakeError> {
        if !self.upgrade {
            return Err(LocalHandshakeError::NotAnUpgrade);
        }
        if let Some(chosen) = accept.chosen_subprotocol() {
            if !self.subprotocols().any(|offered| offered == chosen) {
                return Err(LocalHandshakeError::SubprotocolNotOffered);
            }
        }
        for (name, value) in accept.extra_headers() {
            check_header(name, value.as_bytes())?;
            if is_reserved(name) {
                return Err(LocalHandshakeError::ReservedHeader);
            }
        }
        field("Upgrade", b"websocket");
        field("Connection", b"Upgrade");
        field("Sec-WebSocket-Accept", &accept_key(self.key()));
        if let Some(subprotocol) = accept.chosen_subprotocol() {
            field("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        let deflate = deflate
            .filter(|_| !accept.declines_deflate())
            .and_then(|config| negotiation::accept(config, self.extensions()));
        if let Some((answer, _)) = &deflate {
            field("Sec-WebSocket-Extensions", answer.as_bytes());
        }
        for (name, value) in accept.extra_headers() {
            field(name, value.as_bytes());
        }
        Ok(Negotiated::new(
            accept.chosen_subprotocol().map(Into::into),
            deflate.map(|(_, params)| params),
        ))
    }

    /// The same request, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Request<'static> {
        let head = match self.head {
            Head::Raw { bytes, target_len } => Head::Raw {
                bytes: Cow::Owned(bytes.into_owned()),
                target_len,
            },
            Head::List(list) => Head::List(Box::new(List {
                target: Cow::Owned(list.target.into_owned()),
                fields: list
                    .fields
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned())))
                    .collect(),
            })),
        };
        Request {
            head,
            upgrade: self.upgrade,
            key_at: self.key_at,
        }
    }

    /// The key, which is 24 characters (section 4.1, step 7).
    fn key(&self) -> &[u8] {
        let key = match &self.head {
            Head::Raw { bytes, .. } if self.key_at > 0 => bytes.get(self.key_at as usize..),
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
        f.debug_struct("Request")
            .field("target", &Escaped(self.target().as_bytes()))
            .field("headers", &self.headers())
            .finish()
    }
}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Syntax => Self::Syntax,
            HeadError::Version => Self::HttpVersion,
            HeadError::TooLong => Self::HeadTooLong,
            HeadError::TooManyHeaders => Self::TooManyHeaders,
        }
    }
}
