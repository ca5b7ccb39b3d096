//! Close codes (RFC 6455, section 7.4).

use core::fmt;

/// A close status code (RFC 6455, section 7.4).
///
/// A newtype and not an enum: 3000 to 4999 belong to libraries and applications, which write
/// `CloseCode(4000)`.
///
/// ```
/// use sockless::CloseCode;
///
/// assert_eq!(CloseCode::TOO_BIG.0, 1009);
/// assert_eq!(CloseCode::TOO_BIG.meaning(), Some("message too big"));
/// assert!(CloseCode(4000).is_valid_on_wire());
/// // 1006 says that no Close frame has arrived: none can have it.
/// assert!(!CloseCode::ABNORMAL.is_valid_on_wire());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a wrapper and nothing else")]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away: a server shuts down, a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that the endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame held no code. Never on the wire (section 7.4.1).
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: there was no Close frame at all. Never on the wire (section 7.4.1).
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that do not fit the type of the message, such as invalid UTF-8 in text.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: the message broke a policy of the receiver.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the client needed an extension that the server did not negotiate. Sent by clients
    /// only.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition at the sender.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway received an invalid answer from upstream (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire (section 7.4.1).
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Returns whether the code may be in a Close frame, sent or received: the registered ones of
    /// 1000 to 2999 that are not reserved for local use, and all of 3000 to 4999 (sections 7.4.1
    /// and 7.4.2).
    #[must_use]
    pub const fn is_valid_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns what the code means, in two or three words; `None` for a code without a constant
    /// here, such as those of applications.
    #[must_use]
    pub const fn meaning(self) -> Option<&'static str> {
        Some(match self {
            Self::NORMAL => "normal closure",
            Self::GOING_AWAY => "going away",
            Self::PROTOCOL_ERROR => "protocol error",
            Self::UNSUPPORTED_DATA => "unsupported data",
            Self::NO_STATUS => "no code",
            Self::ABNORMAL => "no Close frame",
            Self::INVALID_DATA => "invalid data",
            Self::POLICY_VIOLATION => "policy violation",
            Self::TOO_BIG => "message too big",
            Self::MANDATORY_EXTENSION => "mandatory extension",
            Self::INTERNAL_ERROR => "internal error",
            Self::SERVICE_RESTART => "service restart",
            Self::TRY_AGAIN_LATER => "try again later",
            Self::BAD_GATEWAY => "bad gateway",
            Self::TLS_HANDSHAKE => "TLS handshake failed",
            _ => return None,
        })
    }

    /// Returns whether the WHATWG `WebSocket.close()` method lets a script send the code: 1000, or
    /// 3000 to 4999.
    ///
    /// The engine sends any code that is [valid on the wire](Self::is_valid_on_wire); a binding
    /// that offers the browser's interface checks with this first.
    #[must_use]
    pub const fn is_allowed_to_scripts(self) -> bool {
        matches!(self.0, 1000 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}
