//! The opening handshake (RFC 6455, section 4), on lists of header fields.
//!
//! The rules are the same for every source of a head. [`Connection`](crate::Connection) applies
//! them to HTTP/1.1 bytes. [`Request::from_list`] and [`Expected::check`] apply them to a head that
//! another HTTP implementation has parsed. [`Request::from_connect`] and
//! [`ClientRequest::connect_fields`] are for the extended CONNECT of HTTP/2 (RFC 8441) and HTTP/3
//! (RFC 9220).
//!
//! A client and a server that use other implementations of HTTP/1.1:
//!
//! ```
//! use sockless::{Accept, ClientRequest, Config, Connection, Request};
//!
//! let config = Config::new();
//! let request = ClientRequest::new("ws://example.com/chat")?;
//! let nonce = [7; 16]; // from the operating system
//! let (fields, expected) = request.fields(nonce, &config)?;
//!
//! // The server's implementation has parsed these.
//! let headers = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
//! let received = Request::from_list("GET", request.target(), headers)?;
//! let (response, negotiated) = received.acceptance(&Accept::new(), &config)?;
//! let server = Connection::upgraded_server(&negotiated, config.clone());
//!
//! // The response has the status 101. The client's implementation has parsed its headers.
//! let headers = response.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
//! let negotiated = expected.check(headers)?;
//! let seed = [8; 32]; // from the operating system
//! let client = Connection::upgraded_client(&negotiated, config, seed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod accept_key;
pub(crate) mod answer;
pub(crate) mod basic_auth;
#[cfg(feature = "recording")]
pub(crate) mod choice;
mod client_extended_connect;
mod client_request;
mod expected;
mod extended_connect;
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
mod scheme;
pub(crate) mod url;

pub use self::{
    accept::Accept,
    client_extended_connect::ConnectFields,
    client_request::ClientRequest,
    expected::Expected,
    negotiated::Negotiated,
    request::Request,
    response::{Refusal, Response},
    scheme::Scheme,
};
pub use crate::{extensions::Extension, http::Headers};
