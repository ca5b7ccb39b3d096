//! The client's check of a response (RFC 6455, section 4.1).

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{fields::is_connection_specific, negotiated::Negotiated};
use crate::{
    deflate::{DeflateConfig, DeflateParams, negotiation},
    error::{Excerpt, ResponseError},
    escaped::{Escaped, Redacted},
    extensions::{Extension, parse_extensions},
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
        let mut choices = ChoiceFields::default();
        for (name, value) in headers {
            let value = value.trim_ascii();
            choices.add(name, value)?;
            if self.accept.is_some() {
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
        if choices.extensions.has_only_empty_elements() {
            return Err(ResponseError::EmptyExtensionList);
        }
        let deflate = match choices.extension {
            None => None,
            Some(extension) => Some(self.check_extension(&extension)?),
        };
        let subprotocol = self.check_subprotocol(choices.subprotocol)?;
        Ok(Negotiated::new(subprotocol, deflate))
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
            (None, _) if !value.is_empty() => Err(ResponseError::EmptySubprotocolList),
            (None, _) if self.require_subprotocol && !self.subprotocols.is_empty() => {
                Err(ResponseError::MissingSubprotocol)
            }
            (None, _) => Ok(None),
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

/// The header fields with what the server has chosen, over any version of HTTP.
#[derive(Default)]
struct ChoiceFields<'a> {
    subprotocol: Option<&'a [u8]>,
    extension: Option<Extension<'a>>,
    extensions: ListShape,
}

impl<'a> ChoiceFields<'a> {
    fn add(&mut self, name: &str, value: &'a [u8]) -> Result<(), ResponseError> {
        if name.eq_ignore_ascii_case("sec-websocket-protocol") {
            if self.subprotocol.replace(value).is_some() {
                return Err(ResponseError::SeveralSubprotocols);
            }
        } else if name.eq_ignore_ascii_case("sec-websocket-extensions") {
            self.extensions.add(value);
            for extension in parse_extensions(value) {
                let extension = extension.map_err(|error| ResponseError::InvalidExtensions {
                    value: Excerpt::new(error.rest),
                })?;
                if self.extension.replace(extension).is_some() {
                    return Err(ResponseError::SecondExtension {
                        name: Excerpt::new(extension.name().as_bytes()),
                    });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subprotocols: Vec<Redacted> = self.subprotocols.iter().map(|_| Redacted).collect();
        f.debug_struct("Expected")
            .field("accept", &self.accept.as_ref().map(|accept| Escaped(accept)))
            .field("subprotocols", &subprotocols)
            .field("require_subprotocol", &self.require_subprotocol)
            .field("deflate", &self.deflate)
            .finish()
    }
}
