//! WebSockets (RFC 6455) with compression (RFC 7692): an engine without sockets, bytes in, events
//! out, bytes out, and adapters for std, tokio, smol, hyper and axum.
//!
//! # Which part to use
//!
//! | you have | use | first call |
//! |---|---|---|
//! | threads | [`adapter::std_net`] | `connect(url)`, `accept(tcp)` |
//! | tokio | [`adapter::tokio`], feature `tokio` | `connect(url).await`, `accept(tcp).await` |
//! | smol, other executors | [`adapter::futures_io`], feature `futures-io` | `client`, `accept` |
//! | hyper or axum | [`adapter::hyper`], feature `hyper` | `upgrade(&mut request, …)` |
//! | an event loop, io_uring, HTTP/3, a device | [`Connection`] | `Connection::server`, `receive` |
//!
//! A client with an adapter; `recv` answers Pings and the closing handshake, and keeps the
//! deadlines:
//!
//! ```no_run
//! use sockless::{CloseCode, adapter::std_net};
//!
//! let mut ws = std_net::connect("ws://127.0.0.1:9001/")?;
//! ws.send("hello")?;
//! println!("{:?}", ws.recv()?);
//! ws.close(CloseCode::NORMAL, "")?;
//! while ws.recv()?.is_some() {} // until both have closed; an error if that went wrong
//! # Ok::<(), sockless::adapter::Error>(())
//! ```
//!
//! # The model
//!
//! The engine owns no socket, no input or output buffer, no clock and no source of randomness. The
//! caller passes the bytes that it has read, and a `Vec` to append to, and gets events:
//!
//! ```text
//!              borrowed                                              borrowed
//!         input: &mut &mut [u8]                                  out: &mut Vec<u8>
//!                  │                                                     ▲
//!                  ▼                                                     │
//!    ┌──────────────────────────┐      Pong, Close        ┌──────────────────────────┐
//!    │ receive                  │────────────────────────▶│ send_text, ping, close … │
//!    └──────────────────────────┘                         └──────────────────────────┘
//!                  │
//!                  ▼
//!           Event: borrows from the input, or owns what had to be assembled
//! ```
//!
//! A connection begins with a request or a response, is [`Open`](State::Open), and ends with a
//! Close frame in each direction, with a violation, or with the end of the transport:
//!
//! <div>
#![doc = include_str!("../docs/states.svg")]
//! </div>
//!
//! # The pages
//!
//! * [Embedding](docs::embedding): a loop of your own in five steps, and a section for each kind of
//!   runtime, for TLS, proxies, HTTP/2, HTTP/3 and devices.
//! * [Migrating](docs::migrating) from tungstenite, tokio-tungstenite, fastwebsockets and axum.
//! * [Comparison](docs::compare), [security](docs::security), [compression](docs::deflate),
//!   [performance](docs::performance), and the [other pages](docs).
//!
//! # A connection from start to end
//!
//! Both ends of a connection, here in one thread and with memory for a network:
//!
//! ```
//! use sockless::{Accept, ClientRequest, CloseCode, Config, Connection, Event, State};
//!
//! // The client's request is in its output; the server waits for one.
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//! let request = ClientRequest::new("ws://example.com/chat")?.subprotocol("chat.v1");
//! let seed = [0x5E; 32]; // an application takes 32 bytes from the operating system
//! let mut client = Connection::client(&request, Config::default(), seed, &mut to_server)?;
//! let mut server = Connection::server(Config::default());
//!
//! // The server decides; its response is in its output.
//! let mut input = &mut to_server[..];
//! let event = server.receive(&mut input, &mut to_client)?;
//! let Some(Event::Request(request)) = event else { panic!() };
//! assert_eq!(request.target(), "/chat");
//! let chosen = request.choose_subprotocol(&["chat.v2", "chat.v1"]);
//! server.accept(&request, &Accept::new().subprotocol(chosen), &mut to_client)?;
//!
//! to_server.clear();
//! let mut input = &mut to_client[..];
//! let event = client.receive(&mut input, &mut to_server)?;
//! let Some(Event::Open(response)) = event else { panic!() };
//! assert_eq!(response.subprotocol(), Some("chat.v1"));
//!
//! // A message that is complete in the input is borrowed from it. The caller can send meanwhile.
//! client.send_text("hello", &mut to_server)?;
//! to_client.clear();
//! let mut input = &mut to_server[..];
//! while let Some(event) = server.receive(&mut input, &mut to_client)? {
//!     if let Event::Text(text) = event {
//!         server.send_text(&text, &mut to_client)?;
//!     }
//! }
//!
//! // The client answers the closing handshake by itself.
//! server.close(CloseCode::NORMAL, "that is all", &mut to_client)?;
//! assert_eq!(server.state(), State::Closing);
//! to_server.clear();
//! let mut input = &mut to_client[..];
//! while let Some(_event) = client.receive(&mut input, &mut to_server)? {}
//! assert_eq!(client.state(), State::Closed);
//!
//! // The status says who closed, why, and whether cleanly.
//! let mut input = &mut to_server[..];
//! while let Some(_event) = server.receive(&mut input, &mut to_client)? {}
//! let status = server.close_status().expect("the connection is closed");
//! assert!(status.is_clean());
//! assert_eq!(status.code(), CloseCode::NORMAL);
//! status.clone().into_result()?; // an error if the peer has closed with another code
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`InputBuffer`] is a buffer to read into. [`PreparedMessage`] is a message for many connections.
//! [`Connection`] documents which calls there are and in which order; [`adapter::std_net`] is the
//! loop around it for blocking streams.
//!
//! # The layers
//!
//! * [`Connection`] is the whole protocol.
//! * [`handshake`] holds the rules of the opening handshake on plain lists of headers, for callers
//!   with an HTTP implementation of their own, HTTP/2 and HTTP/3 included;
//!   [`Connection::upgraded_server`] and [`Connection::upgraded_client`] continue from there.
//! * [`frame`], [`mask`] and [`utf8`] are the codec, for proxies and small devices: no allocation,
//!   and no dependencies without the feature `simd`.
//! * [`timers`] has deadlines on the caller's clock, and the delays before connecting again.
//! * `adapter` has the loops around the engine: blocking, tokio, and any other executor.
//!
//! # Duties of the caller
//!
//! * The transport. A `wss` URL means TLS with SNI around all bytes, the handshake included, and at
//!   most one connection to the same address in the handshake at a time (RFC 6455, section 4.1).
//! * Time. A peer may fall silent anywhere: [`timers`] has the deadlines, the clock is the
//!   caller's. A client that connects again after a failure waits a random time first, longer each
//!   time (section 7.2.3): [`timers::Backoff`] has the delays.
//! * Back pressure. A Pong is never longer than the Ping that caused it, except for a client's mask
//!   key of four bytes, and besides there is at most one HTTP response and one Close frame. So it
//!   is enough not to read while there is much to write.
//! * The order: what to write when, when not to read, how to end. The
//!   [contract](docs::embedding#the-contract) is the whole list.
//! * Policy: who may connect, and what a proxy does. By default, [`Accept`] allows web pages of the
//!   server's own origin, and clients that are no browsers; it has settings for others. A proxy
//!   that forwards frames does not change their fragmentation if an extension was negotiated that
//!   it does not know (section 5.4): [`Relay`] keeps it.
//!
//! # Features
//!
//! * `std` (default): [`adapter::std_net`], with seeds from the operating system. Implies `alloc`.
//! * `alloc`: [`Connection`] and the handshakes.
//! * `deflate` (default): permessage-deflate (RFC 7692) with `miniz_oxide`; off until
//!   [`Config::deflate`] turns it on. Implies `alloc`.
//! * `zlib-rs`: permessage-deflate with `zlib-rs`, which is faster. Implies `std` and `deflate`.
//! * `simd`: masking and the validation of long text use SIMD, chosen by run-time CPU detection, by
//!   the crates `fearless_simd` and `simdutf8`. Implies `std`.
//! * `http`: conversions from and to the types of the `http` crate. Implies `std`.
//! * `bytes`: conversions from and to `Bytes` of the `bytes` crate, which the adapters send too.
//!   Implies `alloc`.
//! * `recording`: connections that are recorded as text, replayed, and exported to HAR and pcap.
//!   Implies `alloc`.
//! * `tokio`, `futures-io`: adapters for executors. Imply `std`.
//! * `tracing`: events of the adapters for subscribers of the `tracing` crate, when a connection
//!   opens, ends, or misses a deadline: see [`adapter`]. Implies `std`.
//! * `rustls`: `wss` URLs in [`adapter::std_net`], with the crate `rustls`. Implies `std`.
//! * `tokio-rustls`: the same in `adapter::tokio` too. Implies `tokio` and `rustls`.
//! * `hyper`: upgrades inside hyper 1 and axum, over HTTP/1.1 and HTTP/2. Implies `http`, `tokio`.
//!
//! Without features, the codec remains. No feature changes the behaviour of what is there without
//! it, except that `zlib-rs` compresses to other bytes, that
//! [`ProtocolError::TooManyDeflateBlocks`] is raised only where `miniz_oxide` inflates, and that a
//! block without an end is found [earlier](docs::deflate#time) by `zlib-rs`.
//!
#![cfg_attr(feature = "tokio", doc = "[`adapter::tokio`]: adapter::tokio")]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "[`adapter::tokio`]: https://docs.rs/sockless/latest/sockless/adapter/tokio/index.html"
)]
#![cfg_attr(feature = "futures-io", doc = "[`adapter::futures_io`]: adapter::futures_io")]
#![cfg_attr(
    not(feature = "futures-io"),
    doc = "[`adapter::futures_io`]: https://docs.rs/sockless/latest/sockless/adapter/futures_io/index.html"
)]
#![cfg_attr(feature = "hyper", doc = "[`adapter::hyper`]: adapter::hyper")]
#![cfg_attr(
    not(feature = "hyper"),
    doc = "[`adapter::hyper`]: https://docs.rs/sockless/latest/sockless/adapter/hyper/index.html"
)]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(
        clippy::alloc_instead_of_core,
        clippy::std_instead_of_core,
        clippy::std_instead_of_alloc,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::exhaustive_enums,
        clippy::exhaustive_structs
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod close_code;
pub mod error;
pub mod frame;
mod input;
pub mod mask;
mod message;
mod reserved_bits;
mod role;
pub mod timers;
pub mod utf8;

pub use close_code::CloseCode;
#[cfg(feature = "alloc")]
pub use engine::*;
#[doc(inline)]
pub use error::{ProtocolError, SendError};
pub use message::MessageKind;
pub use role::Role;
// Crates before 1.0 whose types are in the signatures of this one: the application must use the
// same version.
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub use rustls;
#[cfg(feature = "tokio-rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-rustls")))]
pub use tokio_rustls;

#[cfg(feature = "std")]
pub mod adapter;
#[cfg(feature = "alloc")]
mod close;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod connection;
#[cfg(feature = "alloc")]
mod copy;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(all(feature = "alloc", not(feature = "deflate")))]
#[path = "deflate/stub.rs"]
mod deflate;
#[cfg(all(doc, not(doctest)))]
pub mod docs;
#[cfg(feature = "alloc")]
mod escaped;
#[cfg(feature = "alloc")]
mod event;
#[cfg(feature = "alloc")]
mod extensions;
#[cfg(feature = "alloc")]
pub mod handshake;
#[cfg(feature = "alloc")]
mod http;
#[cfg(feature = "alloc")]
mod input_buffer;
#[cfg(feature = "alloc")]
mod message_assembler;
#[cfg(feature = "alloc")]
mod message_limits;
#[cfg(feature = "alloc")]
pub mod proxy;
#[cfg(feature = "alloc")]
mod receive;
#[cfg(feature = "recording")]
mod recorder;
#[cfg(feature = "recording")]
#[cfg_attr(docsrs, doc(cfg(feature = "recording")))]
pub mod recording;
#[cfg(feature = "alloc")]
mod relay;
#[cfg(feature = "alloc")]
mod send;
#[cfg(feature = "alloc")]
mod state;

#[cfg(feature = "alloc")]
mod engine {
    #[doc(inline)]
    pub use crate::handshake::{Accept, ClientRequest, Request};
    pub use crate::{
        close::{CloseFrame, CloseStatus, ClosedBy, Teardown},
        config::{Config, Delivery},
        connection::{Connection, Parts},
        event::{Chunk, Event},
        input_buffer::InputBuffer,
        message::{Message, NotText},
        relay::Relay,
        send::PreparedMessage,
        state::State,
    };
}

/// The examples of the README compile.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
