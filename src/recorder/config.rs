//! A configuration as names and numbers.

use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::config::{Config, Delivery};
#[cfg(feature = "deflate")]
use crate::deflate::{DeflateConfig, WindowBits};

/// Returns the settings that differ from the default.
pub(crate) fn settings(config: &Config) -> Vec<(&'static str, u64)> {
    let default = all(&Config::new());
    let mut settings = all(config);
    settings.retain(|setting| !default.contains(setting));
    settings
}

fn all(config: &Config) -> Vec<(&'static str, u64)> {
    let fragment_size = config.fragment_size.map_or(0, NonZeroUsize::get);
    #[cfg_attr(
        not(feature = "deflate"),
        allow(unused_mut, reason = "the settings of deflate follow")
    )]
    let mut settings = Vec::from([
        ("max_message_size", config.max_message_size),
        ("max_fragments", config.max_fragments.into()),
        ("max_head_size", config.max_head_size as u64),
        ("max_headers", config.max_headers as u64),
        ("max_refusal_body", config.max_refusal_body as u64),
        ("chunks", (config.delivery == Delivery::Chunks).into()),
        ("fragment_size", fragment_size as u64),
        ("auto_pong", config.auto_pong.into()),
        ("auto_close", config.auto_close.into()),
        ("plain_requests", config.plain_requests.into()),
    ]);
    #[cfg(feature = "deflate")]
    if let Some(deflate) = config.deflate_settings() {
        settings.extend([
            ("deflate", 1),
            (
                "deflate.server_max_window_bits",
                deflate.server_max_window_bits.get().into(),
            ),
            (
                "deflate.client_max_window_bits",
                deflate.client_max_window_bits.get().into(),
            ),
            (
                "deflate.server_no_context_takeover",
                deflate.server_no_context_takeover.into(),
            ),
            (
                "deflate.client_no_context_takeover",
                deflate.client_no_context_takeover.into(),
            ),
            ("deflate.fallback", deflate.fallback.into()),
            ("deflate.level", deflate.level.into()),
            ("deflate.threshold", deflate.threshold as u64),
            ("deflate.release", deflate.release.into()),
            ("deflate.low_memory", deflate.low_memory.into()),
        ]);
    }
    settings
}

/// Returns the configuration with one more setting. `None` if there is no such setting or value.
pub(crate) fn apply(config: Config, name: &str, value: u64) -> Option<Config> {
    let size = usize::try_from(value).ok();
    let enabled = match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    Some(match name {
        "max_message_size" => config.max_message_size(value),
        "max_fragments" => config.max_fragments(value.try_into().ok()?),
        "max_head_size" => config.max_head_size(size?),
        "max_headers" => config.max_headers(size?),
        "max_refusal_body" => config.max_refusal_body(size?),
        "chunks" => config.delivery(if enabled? { Delivery::Chunks } else { Delivery::Messages }),
        "fragment_size" => config.fragment_size(NonZeroUsize::new(size?)),
        "auto_pong" => config.auto_pong(enabled?),
        "auto_close" => config.auto_close(enabled?),
        "plain_requests" => config.plain_requests(enabled?),
        #[cfg(feature = "deflate")]
        _ => {
            let deflate = config.deflate_settings().cloned().unwrap_or_default();
            config.deflate(apply_deflate(deflate, name, value)?)
        }
        #[cfg(not(feature = "deflate"))]
        _ => return None,
    })
}

#[cfg(feature = "deflate")]
fn apply_deflate(deflate: DeflateConfig, name: &str, value: u64) -> Option<DeflateConfig> {
    let enabled = value == 1;
    let bits = || WindowBits::new(value.try_into().ok()?);
    Some(match name {
        "deflate" => deflate,
        "deflate.server_max_window_bits" => deflate.server_max_window_bits(bits()?),
        "deflate.client_max_window_bits" => deflate.client_max_window_bits(bits()?),
        "deflate.server_no_context_takeover" => deflate.server_no_context_takeover(enabled),
        "deflate.client_no_context_takeover" => deflate.client_no_context_takeover(enabled),
        "deflate.fallback" => deflate.fallback(enabled),
        "deflate.level" => deflate.level(value.try_into().ok()?),
        "deflate.threshold" => deflate.threshold(value.try_into().ok()?),
        "deflate.release" => deflate.release(enabled),
        "deflate.low_memory" => deflate.low_memory(enabled),
        _ => return None,
    })
}
