//! The opening handshake (RFC 6455, section 4): its rules, on plain lists of header fields.
//!
//! The rules do not care where a head came from. [`Connection`](crate::Connection) applies them to raw HTTP/1.1 bytes;
//! [`Request::from_list`] and [`Expected::check`] apply the same ones to a head that another HTTP implementation parsed.

mod accept;
mod accept_key;
pub(crate) mod answer;
mod client_request;
mod expected;
mod fields;
#[cfg(feature = "http")]
mod http_types;
mod negotiated;
pub(crate) mod refusal_body;
mod request;
mod response;
mod rules;
mod url;

pub use self::{
    accept::Accept,
    client_request::ClientRequest,
    expected::Expected,
    negotiated::Negotiated,
    request::Request,
    response::{Refusal, Response},
};
pub use crate::{extensions::Extension, http::Headers};
