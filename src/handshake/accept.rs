//! The server's choices in an acceptance.

use core::fmt;

use super::response::Response;
use crate::{config::Config, deflate::DeflateConfig, escaped::RedactedFields, frame::ReservedBits};

/// The choices of a server that accepts a request: a subprotocol, further headers of the response,
/// and the limits and options of the connection, if they depend on the request.
///
/// The `Debug` output has `<redacted>` in place of the value of a `Set-Cookie` header, as that of
/// [`Headers`](super::Headers).
#[derive(Clone, Default)]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    decline_deflate: bool,
    config: Option<&'a Config>,
    extensions: &'a [(&'a str, ReservedBits)],
    forwarded: Option<&'a Response<'a>>,
}

impl<'a> Accept<'a> {
    /// Creates an acceptance without a subprotocol and without further headers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            headers: &[],
            decline_deflate: false,
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
    /// A header that the handshake itself sets makes the acceptance fail.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
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

    /// Accepts extensions that the caller implements (RFC 6455, section 9): the name of each with the
    /// parameters that answer the client's [offer](crate::Request::extensions), and the reserved
    /// bits that it uses.
    ///
    /// The client may set these bits on the frames of messages from here on, and
    /// [`Chunk::reserved`](crate::Chunk::reserved) shows them;
    /// [`send_fragment_with`](crate::Connection::send_fragment_with) sets them. Without an extension
    /// that uses it, a reserved bit fails the connection with 1002. An extension that uses the first
    /// bit takes the place of permessage-deflate, which is then declined.
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

    /// Passes the choices of another server on, as a proxy does: the subprotocol and the extensions of
    /// its response, permessage-deflate among them.
    ///
    /// They take the place of [`subprotocol`](Self::subprotocol),
    /// [`extensions`](Self::extensions) and permessage-deflate of the configuration. The client must
    /// have offered them: see [`ClientRequest::forwarding`](crate::ClientRequest::forwarding).
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
            .field("config", &self.config)
            .field("extensions", &self.extensions)
            .field("forwarded", &self.forwarded)
            .finish()
    }
}
