//! The choices of a client's request and of an acceptance one by one, as a recording has them.

use alloc::{borrow::Cow, format, string::ToString, vec::Vec};

use super::{
    accept::Accept,
    client_request::ClientRequest,
    origin::{Pages, Scheme},
};
use crate::frame::ReservedBits;

/// One choice of a [`ClientRequest`] or of an [`Accept`].
pub(crate) enum Choice<'a> {
    Url(Cow<'a, str>),
    Origin(Cow<'a, str>),
    Subprotocol(Cow<'a, str>),
    RequireSubprotocol,
    Header(Cow<'a, str>, Cow<'a, str>),
    Extension(Cow<'a, str>, ReservedBits),
    DeclineDeflate,
    AnyOrigin,
    Origins(Vec<Cow<'a, str>>),
    PublicScheme(Scheme),
    Hosts(Vec<Cow<'a, str>>),
    /// The answer of another server is passed on. A recording cannot repeat it.
    Forwarding,
}

fn extension<'a>(text: &'a str, reserved: ReservedBits) -> Choice<'a> {
    Choice::Extension(text.into(), reserved)
}

fn header<'a>(name: &'a str, value: &'a str) -> Choice<'a> {
    Choice::Header(name.into(), value.into())
}

fn list<'a>(values: &[&'a str]) -> Vec<Cow<'a, str>> {
    values.iter().map(|&value| value.into()).collect()
}

impl ClientRequest {
    /// Returns all that the request was made of, in an order that makes the same request.
    pub(crate) fn choices(&self) -> Vec<Choice<'_>> {
        let scheme = if self.url.secure { "wss" } else { "ws" };
        let url = format!("{scheme}://{}{}", self.url.authority(), self.url.target);
        let mut choices = Vec::from([Choice::Url(url.into())]);
        choices.extend(self.origin.as_deref().map(|origin| Choice::Origin(origin.into())));
        let subprotocols = self.subprotocols.iter();
        choices.extend(subprotocols.map(|name| Choice::Subprotocol(name.into())));
        if self.require_subprotocol {
            choices.push(Choice::RequireSubprotocol);
        }
        choices.extend(self.headers.iter().map(|(name, value)| header(name, value)));
        let offers = self.extensions.iter();
        choices.extend(offers.map(|offer| extension(&offer.text, offer.reserved)));
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
            Pages::Listed(origins) => choices.push(Choice::Origins(list(origins))),
        }
        choices.extend(policy.scheme.map(Choice::PublicScheme));
        choices.extend(policy.hosts.map(|hosts| Choice::Hosts(list(hosts))));
        let subprotocol = self.chosen_subprotocol();
        choices.extend(subprotocol.map(|name| Choice::Subprotocol(name.to_string().into())));
        if self.decline_deflate {
            choices.push(Choice::DeclineDeflate);
        }
        let headers = self.added_headers().iter();
        choices.extend(headers.map(|(name, value)| header(name, value)));
        let answers = self.own_extensions().iter();
        choices.extend(answers.map(|(text, reserved)| extension(text, *reserved)));
        choices
    }
}
