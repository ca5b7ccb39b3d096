//! One file a peer.

mod fastwebsockets;
mod floor;
mod nexus;
mod ours;
mod sockudo;
mod tokio_websockets;
mod tungstenite;
mod yawc;

use crate::{
    peer::{Bench, Peer, bench},
    work::Work,
};

/// The name of a peer, and how to put it to work.
pub type Entry = (&'static str, fn(&Work) -> Option<Box<dyn Bench>>);

const fn entry<P: Peer>() -> Entry {
    (P::NAME, bench::<P>)
}

/// Us first: the others are compared to that.
pub const ALL: [Entry; 8] = [
    entry::<ours::Sockless>(),
    entry::<floor::Floor>(),
    entry::<nexus::Nexus>(),
    entry::<tokio_websockets::TokioWebsockets>(),
    entry::<sockudo::Sockudo>(),
    entry::<fastwebsockets::Fastwebsockets>(),
    entry::<yawc::Yawc>(),
    entry::<tungstenite::Tungstenite>(),
];
