//! Extensions that the caller implements (RFC 6455, section 9): what may be offered and answered.

use alloc::{borrow::Cow, string::String};

use crate::{
    error::{Excerpt, LocalHandshakeError},
    extensions::{Extension, parse_extensions},
    frame::ReservedBits,
};

/// An extension that the caller of a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnOffer {
    /// The name with its parameters.
    pub(super) text: String,
    /// The bits that it uses, if the server accepts it.
    pub(super) reserved: ReservedBits,
}

impl OwnOffer {
    /// Whether this is an offer of the extension with that name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        parse(&self.text).is_ok_and(|extension| extension.name() == name)
    }
}

/// Parses the name and the parameters of one extension.
pub(super) fn parse(text: &str) -> Result<Extension<'_>, LocalHandshakeError> {
    let mut extensions = parse_extensions(text.as_bytes());
    match (extensions.next(), extensions.next()) {
        (Some(Ok(extension)), None) => Ok(extension),
        _ => Err(LocalHandshakeError::InvalidExtension {
            extension: Excerpt::new(text.as_bytes()),
        }),
    }
}

/// Checks the extensions that a server accepts, against those that the client offers. Returns the
/// bits that they use.
pub(super) fn check_answers<'a>(
    answers: &[(&str, ReservedBits)],
    offered: impl Iterator<Item = Extension<'a>> + Clone,
) -> Result<ReservedBits, LocalHandshakeError> {
    let mut reserved = ReservedBits::NONE;
    for (index, (text, bits)) in answers.iter().enumerate() {
        let name = parse(text)?.name();
        let excerpt = Excerpt::new(name.as_bytes());
        if !offered.clone().any(|offer| offer.name() == name) {
            return Err(LocalHandshakeError::ExtensionNotOffered { name: excerpt });
        }
        let mut earlier = answers.iter().take(index);
        if earlier.any(|(text, _)| parse(text).is_ok_and(|extension| extension.name() == name)) {
            return Err(LocalHandshakeError::RepeatedExtension { name: excerpt });
        }
        if !bits.intersection(reserved).is_empty() {
            return Err(LocalHandshakeError::ReservedBitConflict { name: excerpt });
        }
        reserved = reserved.union(*bits);
    }
    Ok(reserved)
}

/// Checks the extensions that another server has accepted, against those that the client offers.
pub(super) fn check_forwarded<'a>(
    answers: impl Iterator<Item = Extension<'a>>,
    offered: impl Iterator<Item = Extension<'a>> + Clone,
) -> Result<(), LocalHandshakeError> {
    for answer in answers {
        if !offered.clone().any(|offer| offer.name() == answer.name()) {
            return Err(LocalHandshakeError::ExtensionNotOffered {
                name: Excerpt::new(answer.name().as_bytes()),
            });
        }
    }
    Ok(())
}

/// Returns the value of a Sec-WebSocket-Extensions header; `None` if it has no element.
///
/// "foo, bar" means that bar processes what foo has made of the data (RFC 6455, section 9.1), so
/// permessage-deflate comes last.
pub(super) fn join<'a>(own: impl Iterator<Item = &'a str>, deflate: Option<&'a str>) -> Option<Cow<'a, str>> {
    let mut elements = own.chain(deflate);
    let mut value = Cow::Borrowed(elements.next()?);
    for element in elements {
        let value = value.to_mut();
        value.push_str(", ");
        value.push_str(element);
    }
    Some(value)
}
