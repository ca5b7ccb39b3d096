//! Errors, sorted by who is to blame.
//!
//! | type | who is to blame | what follows |
//! |---|---|---|
//! | [`ProtocolError`] | the peer | the connection has failed; the Close frame or HTTP response for the peer is in `out` |
//! | [`RequestError`], [`ResponseError`] | the peer, during the opening handshake | the same, as part of a [`ProtocolError`] |
//! | [`SendError`], [`LocalHandshakeError`] | the caller | nothing was sent and nothing has changed |
//!
//! A text says what was wrong, with the value, the limit and the setting that governs it, and ends with the section of the
//! RFC. What it quotes of the input is escaped and shortened ([`Excerpt`]); secrets are not quoted.

mod excerpt;
mod handshake;
mod protocol;
mod send;

pub use self::{
    excerpt::Excerpt,
    handshake::{LocalHandshakeError, RequestError, ResponseError},
    protocol::ProtocolError,
    send::SendError,
};
