//! The server's choices in an acceptance.

use core::fmt;

use super::{
    origin::{OriginPolicy, Pages},
    response::Response,
    scheme::Scheme,
};
use crate::{config::Config, deflate::DeflateConfig, escaped::RedactedFields, frame::ReservedBits};

/// The choices of a server that accepts a request: which web pages may connect, a subprotocol,
/// further headers of the response, and the limits and options of the connection, if they depend on
/// the request.
///
/// ```
/// use sockless::{Accept, Config};
///
/// let small = Config::new().max_message_size(4096);
/// let accept = Accept::new()
///     .origins(&["https://example.com"]) // the pages that may connect
///     .subprotocol(Some("chat.v1")) // one that the request offers: `Request::choose_subprotocol`
///     .headers(&[("Set-Cookie", "seen=1")])
///     .config(&small);
/// ```
///
/// # Web pages of other sites
///
/// Browsers do not apply the same-origin policy to WebSockets. Any page that a user visits can open
/// a connection to any server that the user's browser reaches, and the browser sends the user's
/// cookies for that server: cross-site WebSocket hijacking. Servers on the local host or in a local
/// network are reached in this way too. All that tells the server is the `Origin` header of the
/// request (RFC 6455, section 10.2).
///
/// So by default the only pages that may connect are those of the server's own origin: the `Origin`
/// header has the host and the port that the request is for. A request without an `Origin` header
/// is accepted: no browser sends it, and no other client is kept out by a header that it can
/// choose.
///
/// * [`origins`](Self::origins) lists the origins of the pages that may connect.
/// * [`any_origin`](Self::any_origin) turns the check off.
/// * [`public_scheme`](Self::public_scheme) says whether the server's own pages come over TLS.
/// * [`hosts`](Self::hosts) lists the names of the server itself, against DNS rebinding.
///
/// A request that is not allowed cannot be accepted, and gets a response with status 403:
/// [`Connection::accept`](crate::Connection::accept) and the functions for other HTTP
/// implementations return [`LocalHandshakeError::NotAllowed`], and the adapters send the response.
///
/// A proxy in front of the server must pass on the `Host` header, or the server must list its
/// origins.
///
/// [`LocalHandshakeError::NotAllowed`]: crate::error::LocalHandshakeError::NotAllowed
///
/// The `Debug` output has `<redacted>` in place of the value of a `Set-Cookie` header, as that of
/// [`Headers`](super::Headers).
#[derive(Clone, Default)]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    pub(super) decline_deflate: bool,
    policy: OriginPolicy<'a>,
    config: Option<&'a Config>,
    extensions: &'a [(&'a str, ReservedBits)],
    forwarded: Option<&'a Response<'a>>,
}

impl<'a> Accept<'a> {
    /// Creates an acceptance for pages of the server's own origin, without a subprotocol and
    /// without further headers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            headers: &[],
            decline_deflate: false,
            policy: OriginPolicy::SAME_ORIGIN,
            config: None,
            extensions: &[],
            forwarded: None,
        }
    }

    /// Sets the subprotocol: one of those [offered](crate::Request::subprotocols), or none (RFC
    /// 6455, section 4.2.2).
    #[must_use]
    pub const fn subprotocol(mut self, subprotocol: Option<&'a str>) -> Self {
        self.subprotocol = subprotocol;
        self
    }

    /// Sets further headers of the response, such as a cookie.
    ///
    /// `Host`, `Connection`, `Upgrade`, `Origin`, `Sec-WebSocket-…` and headers that announce a
    /// body make the acceptance fail.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Accepts requests of any web page.
    ///
    /// For a public service that treats all clients alike. A server that trusts cookies, HTTP
    /// authentication, client certificates or its place in the network must not use it: every page
    /// that one of its users visits can then connect as that user (RFC 6455, section 10.2).
    #[must_use]
    pub const fn any_origin(mut self) -> Self {
        self.policy.pages = Pages::Any;
        self
    }

    /// Accepts requests of web pages with one of these origins, and no longer those of the server's
    /// own.
    ///
    /// An origin is a scheme, a host and a port that is not the default, such as
    /// `https://example.com` or `http://localhost:8080`, without a path: `https://example.com/`
    /// allows nothing. Scheme and host are
    /// compared without regard to ASCII case, and the default port may be present. `null` and the
    /// origins of browser extensions are compared as text.
    ///
    /// ```
    /// use sockless::{Accept, Request};
    ///
    /// let headers: [(&str, &[u8]); 6] = [
    ///     ("host", b"api.example.com"),
    ///     ("origin", b"https://www.example.com"),
    ///     ("upgrade", b"websocket"),
    ///     ("connection", b"Upgrade"),
    ///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("sec-websocket-version", b"13"),
    /// ];
    /// let request = Request::from_list("GET", "/", headers)?;
    /// assert_eq!(request.check_origin(&Accept::new()).unwrap_err().status(), 403);
    /// let accept = Accept::new().origins(&["https://www.example.com", "https://example.com"]);
    /// request.check_origin(&accept)?;
    /// # Ok::<(), sockless::error::RequestError>(())
    /// ```
    #[must_use]
    pub const fn origins(mut self, origins: &'a [&'a str]) -> Self {
        self.policy.pages = Pages::Listed(origins);
        self
    }

    /// Sets the scheme with which browsers load the pages of the server's own origin. Default:
    /// either.
    ///
    /// The engine cannot know it: a proxy may add TLS. With [`Scheme::Https`], a page that was
    /// loaded without TLS may not connect, although it names the same host: somebody on the network
    /// may have made it.
    #[must_use]
    pub const fn public_scheme(mut self, scheme: Scheme) -> Self {
        self.policy.scheme = Some(scheme);
        self
    }

    /// Accepts requests for these hosts only. Default: any host.
    ///
    /// A page of the server's own origin is one that has the same name as the server, and not one
    /// that the server has made. With DNS rebinding, the page of `http://evil.example` is loaded
    /// from a foreign server, then the name is given the address of this server, and `Origin` and
    /// `Host` agree. A server without TLS that only its own network or computer reaches must list
    /// its names: those that users type, such as `localhost` and `127.0.0.1`.
    ///
    /// An entry is a host name or an address, an IPv6 address in brackets, with an optional port.
    /// Without a port it allows every port. The list applies to requests without an `Origin` header
    /// too.
    ///
    /// ```
    /// # use sockless::Accept;
    /// let accept = Accept::new().hosts(&["localhost:9001", "127.0.0.1:9001", "[::1]:9001"]);
    /// ```
    #[must_use]
    pub const fn hosts(mut self, hosts: &'a [&'a str]) -> Self {
        self.policy.hosts = Some(hosts);
        self
    }

    /// Declines permessage-deflate for this connection, whatever the configuration says.
    ///
    /// For a client whose implementation is known to be broken, or a connection that carries
    /// secrets.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    #[must_use]
    pub const fn decline_deflate(mut self) -> Self {
        self.decline_deflate = true;
        self
    }

    pub(super) const fn origin_policy(&self) -> &OriginPolicy<'a> {
        &self.policy
    }

    /// Sets the limits and options of the connection from here on, in place of those that it was
    /// created with: by route, or by who the client is.
    ///
    /// What only the opening handshake needs has had its effect already, and is ignored:
    /// [`max_head_size`](Config::max_head_size), [`max_headers`](Config::max_headers),
    /// [`max_refusal_body`](Config::max_refusal_body) and
    /// [`plain_requests`](Config::plain_requests). All other settings replace those of the
    /// connection, permessage-deflate too, so begin with a copy of the configuration if one setting
    /// is to differ.
    ///
    /// ```
    /// use sockless::{Accept, Config, Connection, Delivery, Event, Request};
    ///
    /// /// Uploads are large, and delivered in chunks.
    /// const UPLOAD: Config = Config::new().max_message_size(1 << 30).delivery(Delivery::Chunks);
    /// const CHAT: Config = Config::new().max_message_size(4096);
    ///
    /// fn accept<'a>(request: &Request<'_>) -> Accept<'a> {
    ///     match request.target() {
    ///         "/upload" => Accept::new().config(&UPLOAD),
    ///         _ => Accept::new().config(&CHAT),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub const fn config(mut self, config: &'a Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Accepts extensions that the caller implements (RFC 6455, section 9): the name of each with
    /// the parameters that answer the client's [offer](crate::Request::extensions), and the
    /// reserved bits that it uses.
    ///
    /// The client may set these bits on the frames of messages from here on, and
    /// [`Chunk::reserved`](crate::Chunk::reserved) shows them;
    /// [`send_fragment_with`](crate::Connection::send_fragment_with) sets them. Without an
    /// extension that uses it, a reserved bit fails the connection with 1002. An extension that
    /// uses the first bit takes the place of permessage-deflate, which is then declined.
    ///
    /// ```
    /// use sockless::{Accept, frame::ReservedBits};
    ///
    /// let extensions = [("x-checksum; algorithm=crc32", ReservedBits::RSV2)];
    /// let accept = Accept::new().extensions(&extensions);
    /// ```
    #[must_use]
    pub const fn extensions(mut self, extensions: &'a [(&'a str, ReservedBits)]) -> Self {
        self.extensions = extensions;
        self
    }

    /// Passes the choices of another server on, as a proxy does: the subprotocol and the extensions
    /// of its response, permessage-deflate among them.
    ///
    /// They take the place of [`subprotocol`](Self::subprotocol),
    /// [`extensions`](Self::extensions) and permessage-deflate of the configuration. The client
    /// must have offered them: see [`ClientRequest::forwarding`](crate::ClientRequest::forwarding).
    ///
    /// The connection itself does not know what the extensions mean: frames are then for a
    /// [`Relay`](crate::Relay).
    #[must_use]
    pub const fn forwarding(mut self, response: &'a Response<'a>) -> Self {
        self.forwarded = Some(response);
        self
    }

    pub(super) const fn forwarded(&self) -> Option<&'a Response<'a>> {
        self.forwarded
    }

    pub(super) const fn own_extensions(&self) -> &'a [(&'a str, ReservedBits)] {
        match self.forwarded {
            Some(_) => &[],
            None => self.extensions,
        }
    }

    /// The limits and options that replace those of the connection.
    pub(crate) const fn chosen_config(&self) -> Option<&'a Config> {
        self.config
    }

    /// The settings of permessage-deflate for this connection; `default` are those that it was
    /// created with.
    pub(super) fn deflate<'d>(&'d self, default: Option<&'d DeflateConfig>) -> Option<&'d DeflateConfig> {
        if self.decline_deflate || self.forwarded.is_some() {
            return None;
        }
        self.config.map_or(default, Config::deflate_settings)
    }

    pub(super) fn chosen_subprotocol(&self) -> Option<&'a str> {
        match self.forwarded {
            Some(response) => response.subprotocol(),
            None => self.subprotocol,
        }
    }

    pub(super) const fn added_headers(&self) -> &'a [(&'a str, &'a str)] {
        self.headers
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("subprotocol", &self.subprotocol)
            .field("headers", &RedactedFields(self.headers))
            .field("decline_deflate", &self.decline_deflate)
            .field("policy", &self.policy)
            .field("config", &self.config)
            .field("extensions", &self.extensions)
            .field("forwarded", &self.forwarded)
            .finish()
    }
}
