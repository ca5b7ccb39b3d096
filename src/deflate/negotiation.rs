//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1).

use alloc::{format, string::String};

use super::{
    config::{DeflateConfig, WindowBits},
    params::DeflateParams,
};
use crate::extensions::Extension;

/// The name of the extension.
pub(crate) const NAME: &str = "permessage-deflate";

/// The parameters of permessage-deflate in one element of `Sec-WebSocket-Extensions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ElementParams {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// The value may be missing, in an offer.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl ElementParams {
    /// Returns `None` for a parameter that is unknown, repeated, or has an invalid value: a server
    /// declines such an offer, a client fails on such a response (RFC 7692, section 7).
    fn parse(extension: &Extension<'_>) -> Option<Self> {
        let mut element = Self::default();
        for (name, value) in extension.params() {
            let value = value.as_deref();
            let repeated = match name {
                "server_no_context_takeover" => {
                    core::mem::replace(&mut element.server_no_context_takeover, flag(value)?)
                }
                "client_no_context_takeover" => {
                    core::mem::replace(&mut element.client_no_context_takeover, flag(value)?)
                }
                "server_max_window_bits" => element.server_max_window_bits.replace(bits(value?)?).is_some(),
                "client_max_window_bits" => {
                    let value = match value {
                        None => None,
                        Some(value) => Some(bits(value)?),
                    };
                    element.client_max_window_bits.replace(value).is_some()
                }
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        Some(element)
    }

    fn write(&self) -> String {
        let mut text = String::from(NAME);
        if self.server_no_context_takeover {
            text.push_str("; server_no_context_takeover");
        }
        if self.client_no_context_takeover {
            text.push_str("; client_no_context_takeover");
        }
        if let Some(bits) = self.server_max_window_bits {
            text += &format!("; server_max_window_bits={}", bits.get());
        }
        match self.client_max_window_bits {
            None => {}
            Some(None) => text.push_str("; client_max_window_bits"),
            Some(Some(bits)) => text += &format!("; client_max_window_bits={}", bits.get()),
        }
        text
    }

    /// Returns the preferred offer of a client.
    fn offer(config: &DeflateConfig) -> Self {
        Self {
            server_no_context_takeover: config.server_no_context_takeover,
            client_no_context_takeover: config.client_no_context_takeover,
            server_max_window_bits: less_than_max(announced(config.server_max_window_bits)),
            // Always present: it permits the server to ask for less.
            client_max_window_bits: Some(less_than_max(announced(config.client_max_window_bits))),
        }
    }

    /// Returns the offer without a demand on the server.
    const fn without_demands(self) -> Self {
        Self {
            server_no_context_takeover: false,
            server_max_window_bits: None,
            ..self
        }
    }

    /// Returns a server's answer to an offer and the negotiated parameters; `None` declines.
    fn answer(&self, config: &DeflateConfig) -> Option<(Self, DeflateParams)> {
        let server = config.server_max_window_bits;
        let client = match self.client_max_window_bits {
            Some(offered) => offered
                .unwrap_or(WindowBits::MAX)
                .min(announced(config.client_max_window_bits)),
            // "client_max_window_bits" may not be answered unless it was offered (section 7.1.2.2):
            // such a client cannot be asked for less.
            None if config.client_max_window_bits < WindowBits::MAX => return None,
            None => WindowBits::MAX,
        };
        let params = DeflateParams {
            server_no_context_takeover: self.server_no_context_takeover || config.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover || config.client_no_context_takeover,
            server_max_window_bits: self
                .server_max_window_bits
                .map_or(server, |offered| offered.min(server)),
            client_max_window_bits: client,
        };
        let answer = Self {
            server_no_context_takeover: params.server_no_context_takeover,
            client_no_context_takeover: params.client_no_context_takeover,
            // Required if it was offered. Unsolicited, some clients have failed on it, and a
            // smaller window may be used without it.
            server_max_window_bits: self
                .server_max_window_bits
                .map(|offered| offered.min(announced(server))),
            client_max_window_bits: less_than_max(client).map(Some),
        };
        Some((answer, params))
    }

    /// Returns the parameters that an answer to this offer negotiates; `None` if it does not fit.
    fn check_answer(&self, answer: &Self, config: &DeflateConfig) -> Option<DeflateParams> {
        if self.server_no_context_takeover && !answer.server_no_context_takeover {
            return None;
        }
        let server = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(offered), Some(answered)) if answered <= offered => answered,
            (Some(_), _) => return None,
            (None, answered) => answered.unwrap_or(WindowBits::MAX),
        };
        let client = match (self.client_max_window_bits, answer.client_max_window_bits) {
            (_, None) => config.client_max_window_bits,
            (Some(offered), Some(Some(answered))) if answered <= offered.unwrap_or(WindowBits::MAX) => {
                answered.min(config.client_max_window_bits)
            }
            // Not offered, without a value, or more than was offered.
            (_, Some(_)) => return None,
        };
        Some(DeflateParams {
            server_no_context_takeover: answer.server_no_context_takeover,
            // The client keeps to its own hint, also if the server did not repeat it (section
            // 7.1.1.2).
            client_no_context_takeover: answer.client_no_context_takeover || config.client_no_context_takeover,
            server_max_window_bits: server,
            client_max_window_bits: client,
        })
    }
}

/// Returns a client's offer as the value of `Sec-WebSocket-Extensions`: alternatives, the preferred
/// one first (RFC 7692, section 5.2).
pub(crate) fn offer(config: &DeflateConfig) -> String {
    let first = ElementParams::offer(config);
    let second = first.without_demands();
    if config.fallback && second != first {
        format!("{}, {}", first.write(), second.write())
    } else {
        first.write()
    }
}

/// Returns a server's answer to the first offer that it can accept, and the negotiated parameters.
pub(crate) fn accept<'a>(
    config: &DeflateConfig,
    offers: impl Iterator<Item = Extension<'a>>,
) -> Option<(String, DeflateParams)> {
    offers
        .filter(|offer| offer.name() == NAME)
        .filter_map(|offer| ElementParams::parse(&offer)?.answer(config))
        .map(|(answer, params)| (answer.write(), params))
        .next()
}

/// Returns the parameters that a server's answer negotiates; `None` if it fits none of the offers.
pub(crate) fn check_answer(config: &DeflateConfig, answer: &Extension<'_>) -> Option<DeflateParams> {
    let answer = ElementParams::parse(answer)?;
    let first = ElementParams::offer(config);
    let second = config.fallback.then(|| first.without_demands());
    [Some(first), second]
        .into_iter()
        .flatten()
        .find_map(|offer| offer.check_answer(&answer, config))
}

/// Parses a parameter that has no value.
const fn flag(value: Option<&str>) -> Option<bool> {
    match value {
        None => Some(true),
        Some(_) => None,
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive"
fn bits(value: &str) -> Option<WindowBits> {
    if value.starts_with('0') || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    WindowBits::new(value.parse().ok()?)
}

/// Returns what is said to the peer of a window of this end's choice: at least 9 bits.
///
/// zlib has no raw deflater for 8 bits, so that most peers fail on an 8. It is said only to a peer
/// that has said it, and a sender may use less than was negotiated (section 7.1.2).
fn announced(bits: WindowBits) -> WindowBits {
    bits.max(WindowBits::MIN_OF_ZLIB)
}

fn less_than_max(bits: WindowBits) -> Option<WindowBits> {
    (bits < WindowBits::MAX).then_some(bits)
}
