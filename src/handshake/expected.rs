//! How a client judges the response (RFC 6455, section 4.1).

use alloc::{boxed::Box, string::String, vec::Vec};

use super::negotiated::Negotiated;
use crate::{
    deflate::{DeflateConfig, DeflateParams, negotiation},
    error::ResponseError,
    extensions::{Extension, Malformed, extensions},
    http::list_has,
};

/// What the response to a [`ClientRequest`](super::ClientRequest) has to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub(super) accept: [u8; 28],
    pub(super) subprotocols: Vec<String>,
    pub(super) require_subprotocol: bool,
    pub(super) deflate: Option<DeflateConfig>,
}

impl Expected {
    /// Judges the headers of a response with status 101 over HTTP/1.1 (section 4.1, items 2 to 6). Another status is
    /// no WebSocket handshake: what it means, HTTP says.
    ///
    /// # Errors
    /// The rule that the response breaks; the connection must not be used.
    pub fn check<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Negotiated, ResponseError> {
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
        Ok(Negotiated::new(subprotocol, deflate))
    }

    /// "the client MUST _Fail the WebSocket Connection_" on an extension that was not offered, and on an answer that does
    /// not fit the offer (RFC 6455, section 4.1; RFC 7692, section 7).
    fn check_extension(&self, extension: &Extension<'_>) -> Result<DeflateParams, ResponseError> {
        match &self.deflate {
            Some(config) if extension.name() == negotiation::NAME => {
                negotiation::check_answer(config, extension).ok_or(ResponseError::ExtensionParameters)
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
