//! `http` and `https`, which `ws` and `wss` are other names for.

/// The scheme of the web pages that belong to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "no other scheme has WebSockets")]
pub enum Scheme {
    /// `http`, and `ws` for WebSockets.
    Http,
    /// `https`, and `wss` for WebSockets.
    Https,
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}
