//! The server's choices in an acceptance.

use core::fmt;

use crate::escaped::RedactedFields;

/// The choices of a server that accepts a request: a subprotocol, and further headers of the
/// response.
///
/// The `Debug` output has `<redacted>` in place of the value of a `Set-Cookie` header, as that of
/// [`Headers`](super::Headers).
#[derive(Clone, Default)]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    decline_deflate: bool,
}

impl<'a> Accept<'a> {
    /// Creates an acceptance without a subprotocol and without further headers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            headers: &[],
            decline_deflate: false,
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

    pub(super) const fn declines_deflate(&self) -> bool {
        self.decline_deflate
    }

    pub(super) const fn chosen_subprotocol(&self) -> Option<&'a str> {
        self.subprotocol
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
            .finish()
    }
}
