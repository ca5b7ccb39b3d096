//! The client's check of a response (RFC 6455, section 4.1).

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{fields::is_connection_specific, negotiated::Negotiated, own_extensions::OwnOffer};
use crate::{
    deflate::{DeflateConfig, DeflateParams, negotiation},
    error::{Excerpt, ResponseError},
    escaped::{Escaped, Redacted},
    extensions::{Extension, parse_extensions},
    frame::ReservedBits,
    http::{ListShape, list_elements, list_has},
};

/// The conditions that the response to a [`ClientRequest`](crate::ClientRequest) must meet.
///
/// The `Debug` output has `<redacted>` in place of each offered subprotocol, which can be a bearer
/// token.
#[derive(Clone, PartialEq, Eq)]
pub struct Expected {
    /// `None` for an extended CONNECT.
    pub(super) accept: Option<[u8; 28]>,
    pub(super) subprotocols: Vec<String>,
    pub(super) require_subprotocol: bool,
    pub(super) deflate: Option<DeflateConfig>,
    pub(super) extensions: Vec<OwnOffer>,
}

impl Expected {
    /// Checks the final response of a server by its status and its headers.
    ///
    /// Returns `None` for a status that accepts no WebSocket: another than 101 over HTTP/1.1, or
    /// another than 2xx to an extended CONNECT (RFC 8441, section 5). The caller handles such a
    /// response as HTTP does.
    ///
    /// # Errors
    /// Returns the first error in the response. The connection must not be used; a stream of HTTP/2
    /// or HTTP/3 is reset.
    pub fn check_response<'a>(
        &self,
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Option<Negotiated>, ResponseError> {
        match (self.accept, status) {
            (Some(_), 101) | (None, 200..=299) => self.check(headers).map(Some),
            (None, 101) => Err(ResponseError::SwitchingProtocols),
            _ => Ok(None),
        }
    }

    /// Checks the headers of a response that accepts the WebSocket: with status 101 over HTTP/1.1
    /// (RFC 6455, section 4.1, items 2 to 6), or with status 2xx to an extended CONNECT, where
    /// `Sec-WebSocket-Accept` is ignored (RFC 8441, section 5).
    ///
    /// A response with another status is not a WebSocket handshake: the caller handles it as HTTP
    /// does. [`check_response`](Self::check_response) tells them apart.
    ///
    /// # Errors
    /// Returns the first error in the response. The connection must not be used; a stream of HTTP/2
    /// or HTTP/3 is reset.
    pub fn check<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Negotiated, ResponseError> {
        let mut upgrade = UpgradeFields::default();
        let mut subprotocol = None;
        let mut extensions = Extensions::default();
        let mut extension_list = ListShape::default();
        for (name, value) in headers {
            let value = value.trim_ascii();
            let is = |field: &str| name.eq_ignore_ascii_case(field);
            if is("sec-websocket-protocol") {
                if subprotocol.replace(value).is_some() {
                    return Err(ResponseError::SeveralSubprotocols);
                }
            } else if is("sec-websocket-extensions") {
                extension_list.add(value);
                self.add_extensions(value, &mut extensions)?;
            } else if self.accept.is_some() {
                upgrade.add(name, value)?;
            } else if is_connection_specific(name, value) {
                return Err(ResponseError::ConnectionHeader {
                    name: Excerpt::new(name.as_bytes()),
                });
            }
        }
        if let Some(accept) = &self.accept {
            upgrade.check(accept)?;
        }
        if extension_list.has_only_empty_elements() {
            return Err(ResponseError::EmptyExtensionList);
        }
        let deflate = match extensions.engine {
            None => None,
            Some(extension) => Some(self.check_extension(&extension)?),
        };
        let subprotocol = self.check_subprotocol(subprotocol)?;
        let mut negotiated = Negotiated::new(subprotocol, deflate, ReservedBits::NONE);
        if !extensions.own.is_empty() {
            finish_own(&extensions.own, &mut negotiated)?;
        }
        Ok(negotiated)
    }

    /// Adds the extensions of one header to those that the server accepts.
    ///
    /// Out of line: most responses have none.
    #[inline(never)]
    fn add_extensions<'a>(&self, value: &'a [u8], accepted: &mut Extensions<'a>) -> Result<(), ResponseError> {
        for extension in parse_extensions(value) {
            let extension = extension.map_err(|error| ResponseError::InvalidExtensions {
                value: Excerpt::new(error.rest),
            })?;
            if let Some(offer) = self.own_offer(&extension) {
                add_own(&mut accepted.own, offer, extension)?;
                continue;
            }
            let name = Excerpt::new(extension.name().as_bytes());
            if !self.extensions.is_empty() && extension.name() != negotiation::NAME {
                return Err(ResponseError::ExtensionNotOffered { name });
            }
            if accepted.engine.replace(extension).is_some() {
                return Err(match self.extensions.is_empty() {
                    true => ResponseError::SecondExtension { name },
                    false => ResponseError::RepeatedExtension { name },
                });
            }
        }
        Ok(())
    }

    /// The offer of the caller's own that an extension answers.
    fn own_offer(&self, extension: &Extension<'_>) -> Option<&OwnOffer> {
        self.extensions.iter().find(|offer| offer.has_name(extension.name()))
    }

    /// Checks the extension that the server accepts. "the client MUST _Fail the WebSocket
    /// Connection_" if it was not offered, or if its parameters do not match the offer (RFC 6455,
    /// section 4.1; RFC 7692, section 7).
    fn check_extension(&self, extension: &Extension<'_>) -> Result<DeflateParams, ResponseError> {
        match &self.deflate {
            Some(config) if extension.name() == negotiation::NAME => negotiation::check_answer(config, extension)
                .ok_or_else(|| ResponseError::InvalidExtensionParameters {
                    parameters: Excerpt::new(extension.raw_parameters()),
                }),
            Some(_) | None => Err(ResponseError::ExtensionNotOffered {
                name: Excerpt::new(extension.name().as_bytes()),
            }),
        }
    }

    /// Checks the value of the Sec-WebSocket-Protocol header, if there is one. It names at most one
    /// subprotocol, beside empty elements.
    fn check_subprotocol(&self, value: Option<&[u8]>) -> Result<Option<Box<str>>, ResponseError> {
        let value = value.unwrap_or_default();
        if value.is_empty() {
            return match self.require_subprotocol && !self.subprotocols.is_empty() {
                true => Err(ResponseError::MissingSubprotocol),
                false => Ok(None),
            };
        }
        let mut elements = list_elements(value);
        match (elements.next(), elements.next()) {
            (Some(chosen), None) => {
                let offered = self.subprotocols.iter().find(|offered| offered.as_bytes() == chosen);
                let error = || ResponseError::SubprotocolNotOffered {
                    subprotocol: Excerpt::new(chosen),
                };
                offered.map(|offered| Some(offered.as_str().into())).ok_or_else(error)
            }
            // An offer that comes back as a list can hold a bearer token, so the error does not
            // quote it.
            (Some(_), Some(_)) => Err(ResponseError::SeveralSubprotocols),
            (None, _) => Err(ResponseError::EmptySubprotocolList),
        }
    }
}

/// The header fields that only a response over HTTP/1.1 has.
#[derive(Default)]
struct UpgradeFields<'a> {
    has_upgrade: bool,
    names_upgrade: bool,
    connection: Option<&'a [u8]>,
    accept: Option<&'a [u8]>,
}

impl<'a> UpgradeFields<'a> {
    fn add(&mut self, name: &str, value: &'a [u8]) -> Result<(), ResponseError> {
        let is = |field: &str| name.eq_ignore_ascii_case(field);
        if is("upgrade") {
            if self.has_upgrade {
                return Err(ResponseError::RepeatedUpgrade);
            }
            // The value is not a list: "a value that is not an ASCII case-insensitive match" fails.
            if !value.eq_ignore_ascii_case(b"websocket") {
                return Err(ResponseError::InvalidUpgrade {
                    value: Excerpt::new(value),
                });
            }
            self.has_upgrade = true;
        } else if is("connection") {
            self.connection.get_or_insert(value);
            self.names_upgrade |= list_has(value, "upgrade");
        } else if is("sec-websocket-accept") && self.accept.replace(value).is_some() {
            return Err(ResponseError::RepeatedAccept);
        }
        Ok(())
    }

    fn check(&self, expected: &[u8]) -> Result<(), ResponseError> {
        if !self.has_upgrade {
            return Err(ResponseError::MissingUpgrade);
        }
        if !self.names_upgrade {
            return Err(match self.connection {
                None => ResponseError::MissingConnection,
                Some(value) => ResponseError::InvalidConnection {
                    value: Excerpt::new(value),
                },
            });
        }
        match self.accept {
            Some(accept) if accept == expected => Ok(()),
            Some(accept) => Err(ResponseError::InvalidAccept {
                value: Excerpt::new(accept),
            }),
            None => Err(ResponseError::MissingAccept),
        }
    }
}

/// The extensions that the server accepts.
#[derive(Default)]
struct Extensions<'a> {
    /// Of the engine: it can only be permessage-deflate.
    engine: Option<Extension<'a>>,
    own: Vec<OwnAnswer<'a>>,
}

/// An extension of the caller's own that the server accepts, and the bits that it uses.
type OwnAnswer<'a> = (Extension<'a>, ReservedBits);

/// Adds an extension of the caller's own that the server accepts.
#[cold]
fn add_own<'a>(own: &mut Vec<OwnAnswer<'a>>, offer: &OwnOffer, answer: Extension<'a>) -> Result<(), ResponseError> {
    let name = Excerpt::new(answer.name().as_bytes());
    if own.iter().any(|(earlier, _)| earlier.name() == answer.name()) {
        return Err(ResponseError::RepeatedExtension { name });
    }
    if own
        .iter()
        .any(|(_, earlier)| !offer.reserved.intersection(*earlier).is_empty())
    {
        return Err(ResponseError::ReservedBitConflict { name });
    }
    own.push((answer, offer.reserved));
    Ok(())
}

/// Adds the extensions of the caller's own to what was negotiated.
#[cold]
fn finish_own(own: &[OwnAnswer<'_>], negotiated: &mut Negotiated) -> Result<(), ResponseError> {
    if let (true, Some((extension, _))) = (
        negotiated.deflate_params().is_some(),
        own.iter().find(|(_, reserved)| reserved.rsv1),
    ) {
        return Err(ResponseError::ReservedBitConflict {
            name: Excerpt::new(extension.name().as_bytes()),
        });
    }
    negotiated.reserved = own.iter().fold(ReservedBits::NONE, |all, (_, bits)| all.union(*bits));
    Ok(())
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subprotocols: Vec<Redacted> = self.subprotocols.iter().map(|_| Redacted).collect();
        f.debug_struct("Expected")
            .field("accept", &self.accept.as_ref().map(|accept| Escaped(accept)))
            .field("subprotocols", &subprotocols)
            .field("require_subprotocol", &self.require_subprotocol)
            .field("deflate", &self.deflate)
            .field("extensions", &self.extensions)
            .finish()
    }
}
