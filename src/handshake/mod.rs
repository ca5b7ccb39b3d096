//! The opening handshake (RFC 6455, section 4), on lists of header fields.
//!
//! The rules are the same for every source of a head. [`Connection`](crate::Connection) applies
//! them to HTTP/1.1 bytes. [`Request::from_list`] and [`Expected::check`] apply them to a head that
//! another HTTP implementation has parsed. [`Request::from_connect`] and
//! [`ClientRequest::connect_fields`] are for the extended CONNECT of HTTP/2 (RFC 8441) and HTTP/3
//! (RFC 9220).

mod accept;
mod accept_key;
pub(crate) mod answer;
pub(crate) mod basic_auth;
#[cfg(feature = "recording")]
pub(crate) mod choice;
mod client_request;
mod connect;
mod connect_fields;
mod expected;
mod fields;
#[cfg(feature = "http")]
mod http_types;
mod negotiated;
mod origin;
mod own_extensions;
pub(crate) mod proxy_url;
pub(crate) mod refusal_body;
mod request;
mod response;
mod rules;
mod url;

pub use self::{
    accept::Accept,
    client_request::ClientRequest,
    connect_fields::ConnectFields,
    expected::Expected,
    negotiated::Negotiated,
    origin::Scheme,
    request::Request,
    response::{Refusal, Response},
};
pub use crate::{extensions::Extension, http::Headers};
