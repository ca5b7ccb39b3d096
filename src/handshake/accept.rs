//! How a server accepts.

/// How a server accepts: with which subprotocol and which headers beside those of the handshake.
#[derive(Clone, Debug, Default)]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    decline_deflate: bool,
}

impl<'a> Accept<'a> {
    /// Without a subprotocol, without headers of one's own.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            headers: &[],
            decline_deflate: false,
        }
    }

    /// The subprotocol to use, one of those [offered](crate::Request::subprotocols), or none (section 4.2.2).
    #[must_use]
    pub const fn subprotocol(mut self, subprotocol: Option<&'a str>) -> Self {
        self.subprotocol = subprotocol;
        self
    }

    /// Further headers of the response, such as a cookie. Those that belong to the handshake are refused.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Declines permessage-deflate for this connection, whatever the configuration says: for a client whose
    /// implementation is known to be broken, or a connection that carries secrets.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    #[must_use]
    pub const fn decline_deflate(mut self) -> Self {
        self.decline_deflate = true;
        self
    }

    pub(super) const fn declines_deflate(&self) -> bool {
        self.decline_deflate
    }

    pub(super) const fn chosen_subprotocol(&self) -> Option<&'a str> {
        self.subprotocol
    }

    pub(super) const fn extra_headers(&self) -> &'a [(&'a str, &'a str)] {
        self.headers
    }
}
