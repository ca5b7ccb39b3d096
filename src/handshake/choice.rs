//! The choices of a client's request and of an acceptance one by one, as a recording has them.

use alloc::{format, string::String, vec::Vec};

use super::{accept::Accept, client_request::ClientRequest, origin::Pages, scheme::Scheme};
use crate::frame::ReservedBits;

/// One choice of a [`ClientRequest`] or of an [`Accept`].
pub(crate) enum Choice<'a> {
    Url(String),
    Origin(&'a str),
    Subprotocol(&'a str),
    RequireSubprotocol,
    Header(&'a str, &'a str),
    Extension(&'a str, ReservedBits),
    DeclineDeflate,
    AnyOrigin,
    Origins(&'a [&'a str]),
    PublicScheme(Scheme),
    Hosts(&'a [&'a str]),
    /// The answer of another server is passed on. A recording cannot repeat it.
    Forwarding,
}

impl ClientRequest {
    /// Returns all that the request was made of, in an order that makes the same request.
    pub(crate) fn choices(&self) -> Vec<Choice<'_>> {
        let scheme = if self.is_secure() { "wss" } else { "ws" };
        let url = format!("{scheme}://{}{}", self.url.authority(), self.url.target);
        let mut choices = Vec::from([Choice::Url(url)]);
        choices.extend(self.origin.as_deref().map(Choice::Origin));
        choices.extend(self.subprotocols.iter().map(|name| Choice::Subprotocol(name)));
        if self.require_subprotocol {
            choices.push(Choice::RequireSubprotocol);
        }
        choices.extend(self.headers.iter().map(|(name, value)| Choice::Header(name, value)));
        let offers = self.extensions.iter();
        choices.extend(offers.map(|offer| Choice::Extension(&offer.text, offer.reserved)));
        choices
    }
}

impl Accept<'_> {
    /// Returns all that the acceptance was made of, except for its configuration.
    pub(crate) fn choices(&self) -> Vec<Choice<'_>> {
        if self.forwarded().is_some() {
            return Vec::from([Choice::Forwarding]);
        }
        let mut choices = Vec::new();
        let policy = self.origin_policy();
        match policy.pages {
            Pages::SameOrigin => {}
            Pages::Any => choices.push(Choice::AnyOrigin),
            Pages::Listed(origins) => choices.push(Choice::Origins(origins)),
        }
        choices.extend(policy.scheme.map(Choice::PublicScheme));
        choices.extend(policy.hosts.map(Choice::Hosts));
        choices.extend(self.chosen_subprotocol().map(Choice::Subprotocol));
        if self.decline_deflate {
            choices.push(Choice::DeclineDeflate);
        }
        let headers = self.added_headers().iter();
        choices.extend(headers.map(|&(name, value)| Choice::Header(name, value)));
        let answers = self.own_extensions().iter();
        choices.extend(answers.map(|&(text, reserved)| Choice::Extension(text, reserved)));
        choices
    }
}
