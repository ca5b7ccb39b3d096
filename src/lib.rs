//! A WebSocket protocol engine without sockets: bytes in, events out, bytes out.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc
)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::exhaustive_enums
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod close;
mod error;
pub mod frame;
pub mod mask;
pub mod utf8;

pub use close::CloseCode;
#[cfg(feature = "alloc")]
pub use engine::*;
pub use error::{HandshakeError, ProtocolError, RequestError, ResponseError, SendError};

#[cfg(feature = "std")]
pub mod adapter;
#[cfg(feature = "alloc")]
mod closure;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod connection;
#[cfg(feature = "alloc")]
mod event;
#[cfg(feature = "alloc")]
pub mod handshake;
#[cfg(feature = "alloc")]
mod http;
#[cfg(feature = "alloc")]
mod keys;
#[cfg(feature = "alloc")]
mod message;
#[cfg(feature = "alloc")]
mod receive;
#[cfg(feature = "alloc")]
mod send;
#[cfg(feature = "alloc")]
mod state;

#[cfg(feature = "alloc")]
mod engine {
    pub use crate::{
        close::CloseFrame,
        closure::{ClosedBy, Closure, Teardown},
        config::{Config, Delivery},
        connection::{Connection, Endpoint, Parts},
        event::{Chunk, Data, Event},
        handshake::{
            Agreed,
            answer::Accept,
            client::{ClientRequest, Expected, Refusal, Response},
            extensions::Extension,
            server::Request,
        },
        http::Headers,
        state::State,
    };
}
