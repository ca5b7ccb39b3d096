//! The echo servers, each as in the documentation of its crate, with TCP_NODELAY set. Each has one
//! thread, except those with a thread for each connection.

mod bare;
mod floor;
mod sockless;
mod threads;
mod tokio;

use std::net::TcpListener;

/// A function that runs a server until the process ends.
type RunServer = fn(TcpListener);

/// The columns of the table.
pub const ALL: [(&str, RunServer); 17] = [
    ("floor", bare::run::<floor::Floor>),
    ("sockless mio", bare::run::<sockless::Bare>),
    ("sockless tokio loop", bare::run_on_tokio::<sockless::Bare>),
    ("sockless tokio batch", sockless::tokio_batch),
    ("sockless tokio", sockless::tokio),
    ("sockless smol", sockless::smol),
    ("tokio-tungstenite", tokio::tungstenite),
    ("tokio-tungstenite batched", tokio::tungstenite_batched),
    ("tokio-websockets", tokio::websockets),
    ("tokio-websockets batched", tokio::websockets_batched),
    ("sockudo-ws", tokio::sockudo),
    ("sockudo-ws batched", tokio::sockudo_batched),
    ("fastwebsockets", tokio::fastwebsockets),
    // A thread for each connection.
    ("sockless std batch", threads::sockless_batch),
    ("sockless std", threads::sockless),
    ("tungstenite", threads::tungstenite),
    ("floor threads", threads::floor),
];
