//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1).

use alloc::{format, string::String};

use super::{
    config::{DeflateConfig, WindowBits},
    params::DeflateParams,
};
use crate::extensions::Extension;

/// The name of the extension.
pub(crate) const NAME: &str = "permessage-deflate";

/// The parameters of one element of `Sec-WebSocket-Extensions`, as they stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Element {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// The value may be missing, in an offer.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Element {
    /// `None` for a parameter that is unknown, repeated, or has an invalid value: reasons to decline an offer and to fail
    /// on a response (section 7).
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

    /// What a client asks for first.
    fn offer(config: &DeflateConfig) -> Self {
        Self {
            server_no_context_takeover: config.server_no_context_takeover,
            client_no_context_takeover: config.client_no_context_takeover,
            server_max_window_bits: less_than_max(config.server_max_window_bits),
            // Always there: it allows the server to ask for less.
            client_max_window_bits: Some(less_than_max(config.client_max_window_bits)),
        }
    }

    /// The same without a demand on the server.
    const fn without_demands(self) -> Self {
        Self {
            server_no_context_takeover: false,
            server_max_window_bits: None,
            ..self
        }
    }

    /// A server's answer to an offer, and what it means; `None` declines.
    fn answer(&self, config: &DeflateConfig) -> Option<(Self, DeflateParams)> {
        let server = self
            .server_max_window_bits
            .map_or(config.server_max_window_bits, |offered| {
                offered.min(config.server_max_window_bits)
            });
        let client = match self.client_max_window_bits {
            Some(offered) => offered.unwrap_or(WindowBits::MAX).min(config.client_max_window_bits),
            // "client_max_window_bits" may not be answered unless it was offered (section 7.1.2.2), so that a client
            // that does not know it cannot be held to less.
            None if config.client_max_window_bits < WindowBits::MAX => return None,
            None => WindowBits::MAX,
        };
        let params = DeflateParams {
            server_no_context_takeover: self.server_no_context_takeover || config.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover || config.client_no_context_takeover,
            server_max_window_bits: server,
            client_max_window_bits: client,
        };
        let answer = Self {
            server_no_context_takeover: params.server_no_context_takeover,
            client_no_context_takeover: params.client_no_context_takeover,
            // Due if it was asked for; unasked, some clients have failed on it, and a smaller window needs no word.
            server_max_window_bits: self.server_max_window_bits.map(|_| server),
            client_max_window_bits: less_than_max(client).map(Some),
        };
        Some((answer, params))
    }

    /// What a server's answer to this offer means; `None` if it does not fit.
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
            // A hint that the server did not take up is kept all the same (section 7.1.1.2).
            client_no_context_takeover: answer.client_no_context_takeover || config.client_no_context_takeover,
            server_max_window_bits: server,
            client_max_window_bits: client,
        })
    }
}

/// A client's offer as the value of `Sec-WebSocket-Extensions`: alternatives, the preferred one first (section 5.2).
pub(crate) fn offer(config: &DeflateConfig) -> String {
    let first = Element::offer(config);
    let second = first.without_demands();
    if config.fallback && second != first {
        format!("{}, {}", first.write(), second.write())
    } else {
        first.write()
    }
}

/// A server's answer to the first offer that it can accept, and what it means. What is declined is passed over.
pub(crate) fn accept<'a>(
    config: &DeflateConfig,
    offers: impl Iterator<Item = Extension<'a>>,
) -> Option<(String, DeflateParams)> {
    offers
        .filter(|offer| offer.name() == NAME)
        .filter_map(|offer| Element::parse(&offer)?.answer(config))
        .map(|(answer, params)| (answer.write(), params))
        .next()
}

/// What a server's answer means; `None` if it fits none of the offers.
pub(crate) fn check_answer(config: &DeflateConfig, answer: &Extension<'_>) -> Option<DeflateParams> {
    let answer = Element::parse(answer)?;
    let first = Element::offer(config);
    let second = config.fallback.then(|| first.without_demands());
    [Some(first), second]
        .into_iter()
        .flatten()
        .find_map(|offer| offer.check_answer(&answer, config))
}

/// A parameter without a value.
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

fn less_than_max(bits: WindowBits) -> Option<WindowBits> {
    (bits < WindowBits::MAX).then_some(bits)
}
