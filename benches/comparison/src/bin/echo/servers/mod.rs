//! The servers: each sends every message back, as its documentation has it, with one thread and without Nagle's algorithm.

mod bare;
mod floor;
mod sockless;
mod threads;
mod tokio;

use std::net::TcpListener;

/// Runs until the process ends.
type Run = fn(TcpListener);

/// The columns of the table.
pub const ALL: [(&str, Run); 14] = [
    ("floor", bare::run::<floor::Floor>),
    ("sockless mio", bare::run::<sockless::Bare>),
    ("sockless tokio", sockless::tokio),
    ("sockless smol", sockless::smol),
    ("tokio-tungstenite", tokio::tungstenite),
    ("tokio-tungstenite batched", tokio::tungstenite_batched),
    ("tokio-websockets", tokio::websockets),
    ("tokio-websockets batched", tokio::websockets_batched),
    ("sockudo-ws", tokio::sockudo),
    ("sockudo-ws batched", tokio::sockudo_batched),
    ("fastwebsockets", tokio::fastwebsockets),
    // A thread for each connection, by nature.
    ("sockless std", threads::sockless),
    ("tungstenite", threads::tungstenite),
    ("floor threads", threads::floor),
];
