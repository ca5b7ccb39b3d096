//! Errors, each of the peer or of the caller.
//!
//! * [`ProtocolError`]: the peer violated the protocol. The connection has failed, and the Close
//!   frame or HTTP response for the peer is in `out`.
//! * [`RequestError`], [`ResponseError`]: the peer's opening handshake is invalid. They are parts
//!   of [`ProtocolError`].
//! * [`SendError`], [`LocalHandshakeError`]: the caller asked for something that cannot be sent.
//!   Nothing was sent and nothing has changed.
//!
//! A text says what was wrong, with the value, the limit and the setting that governs it. It ends
//! with the section of the RFC. An error quotes its input escaped and shortened ([`Excerpt`]), and
//! quotes no secret: no value of `Authorization` or `Cookie`, no query string, no user name or
//! password, no key, and no subprotocol that the client has offered.

mod excerpt;
mod local_handshake;
mod protocol;
mod request;
mod request_text;
mod response;
mod send;

pub use self::{
    excerpt::Excerpt, local_handshake::LocalHandshakeError, protocol::ProtocolError, request::RequestError,
    response::ResponseError, send::SendError,
};
