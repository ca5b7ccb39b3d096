//! The opening handshake, as far as blocking and polled adapters have it in common.

use alloc::{boxed::Box, format};
use std::io;

use super::{Error, trace};
use crate::{ClientRequest, Event, ProtocolError, Request, Role, error::Excerpt, handshake::Response};

/// Returns how a client's handshake ended. `None`: `event` did not end it.
pub(super) fn response(event: Option<Event<'static>>) -> Option<Result<Response<'static>, Error>> {
    match event {
        Some(Event::Open(response)) => Some(Ok(response)),
        Some(Event::Refused(refusal)) => {
            trace::refused(Role::Client, refusal.response.status());
            Some(Err(Error::Refused(refusal)))
        }
        Some(_) => None,
        None => Some(Err(unexpected_end())),
    }
}

/// Returns the request that a server waits for. `None`: `event` is another one.
pub(super) fn request(event: Option<Event<'static>>) -> Option<Result<Request<'static>, Error>> {
    match event {
        Some(Event::Request(request)) => Some(Ok(request)),
        Some(_) => None,
        None => Some(Err(unexpected_end())),
    }
}

fn unexpected_end() -> Error {
    Error::Protocol(Box::new(ProtocolError::HandshakeEof))
}

/// Returns the error of a `wss` URL in a build without TLS.
pub(super) fn needs_tls(request: &ClientRequest, feature: &str) -> Error {
    let text = format!(
        "the connection to {} needs TLS, because the scheme of its URL is \"wss\" or \"https\": enable the feature \
         {feature:?} of sockless, or use `client` with a TLS stream (RFC 6455, section 3)",
        Excerpt::new(request.host().as_bytes())
    );
    io::Error::new(io::ErrorKind::Unsupported, text).into()
}
