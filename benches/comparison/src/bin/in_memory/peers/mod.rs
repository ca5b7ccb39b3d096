//! The peers, one in each file.

mod fastwebsockets;
mod floor;
mod nexus;
mod sockless;
mod sockless_buffer;
mod sockless_tokio;
mod sockudo;
mod tokio_websockets;
mod tungstenite;
mod web_socket;
mod wtx;
mod yawc;

use crate::{
    peer::{Bench, Peer, bench},
    work::Work,
};

/// The name of a peer, and the function that creates its benches.
pub type Entry = (&'static str, fn(&Work) -> Option<Box<dyn Bench>>);

const fn entry<P: Peer>() -> Entry {
    (P::NAME, bench::<P>)
}

/// `sockless` is first: the ratios are to its time.
pub const ALL: [Entry; 12] = [
    entry::<sockless::Sockless>(),
    entry::<sockless_buffer::SocklessBuffer>(),
    entry::<sockless_tokio::SocklessTokio>(),
    entry::<floor::Floor>(),
    entry::<nexus::Nexus>(),
    entry::<tokio_websockets::TokioWebsockets>(),
    entry::<sockudo::Sockudo>(),
    entry::<fastwebsockets::Fastwebsockets>(),
    entry::<yawc::Yawc>(),
    entry::<wtx::Wtx>(),
    entry::<web_socket::WebSocketCrate>(),
    entry::<tungstenite::Tungstenite>(),
];
