//! The program against servers of this crate, in the process of the tests.

mod endings;
mod http2;
mod messages;
mod opening;
mod process;
mod record;
mod server;
#[cfg(unix)]
mod terminal;
mod tls;
