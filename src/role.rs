//! The two ends of a connection.

/// Which end of the connection this is. It decides who masks (RFC 6455, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Role {
    /// Opens the connection; masks what it sends.
    Client,
    /// Accepts the connection; never masks.
    Server,
}
