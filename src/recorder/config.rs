//! A configuration as names and numbers.

use alloc::vec::Vec;
use core::{num::NonZeroUsize, ops::RangeInclusive};

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

/// Why a setting cannot be applied.
pub(crate) enum InvalidSetting {
    UnknownName,
    /// The value is not one of these.
    OutOfRange(RangeInclusive<u64>),
}

/// Returns the configuration with one more setting.
///
/// # Errors
/// There is no such setting, or it cannot have this value.
pub(crate) fn apply(config: Config, name: &str, value: u64) -> Result<Config, InvalidSetting> {
    Ok(match name {
        "max_message_size" => config.max_message_size(value),
        "max_fragments" => config.max_fragments(number(value, u32::MAX.into())?),
        "max_head_size" => config.max_head_size(size(value)?),
        "max_headers" => config.max_headers(size(value)?),
        "max_refusal_body" => config.max_refusal_body(size(value)?),
        "chunks" => config.delivery(if flag(value)? {
            Delivery::Chunks
        } else {
            Delivery::Messages
        }),
        "fragment_size" => config.fragment_size(NonZeroUsize::new(size(value)?)),
        "auto_pong" => config.auto_pong(flag(value)?),
        "auto_close" => config.auto_close(flag(value)?),
        "plain_requests" => config.plain_requests(flag(value)?),
        #[cfg(feature = "deflate")]
        "deflate" if !flag(value)? => config.deflate(None),
        #[cfg(feature = "deflate")]
        _ => {
            let deflate = config.deflate_settings().cloned().unwrap_or_default();
            config.deflate(apply_deflate(deflate, name, value)?)
        }
        #[cfg(not(feature = "deflate"))]
        _ => return Err(InvalidSetting::UnknownName),
    })
}

#[cfg(feature = "deflate")]
fn apply_deflate(deflate: DeflateConfig, name: &str, value: u64) -> Result<DeflateConfig, InvalidSetting> {
    let bits = || {
        let bits = number(value, u8::MAX.into()).ok().and_then(WindowBits::new);
        let [min, max] = [WindowBits::MIN, WindowBits::MAX].map(|bits| bits.get().into());
        bits.ok_or(InvalidSetting::OutOfRange(min..=max))
    };
    Ok(match name {
        "deflate" => deflate,
        "deflate.server_max_window_bits" => deflate.server_max_window_bits(bits()?),
        "deflate.client_max_window_bits" => deflate.client_max_window_bits(bits()?),
        "deflate.server_no_context_takeover" => deflate.server_no_context_takeover(flag(value)?),
        "deflate.client_no_context_takeover" => deflate.client_no_context_takeover(flag(value)?),
        "deflate.fallback" => deflate.fallback(flag(value)?),
        "deflate.level" => deflate.level(number(value, u8::MAX.into())?),
        "deflate.threshold" => deflate.threshold(size(value)?),
        "deflate.release" => deflate.release(flag(value)?),
        "deflate.low_memory" => deflate.low_memory(flag(value)?),
        _ => return Err(InvalidSetting::UnknownName),
    })
}

const fn flag(value: u64) -> Result<bool, InvalidSetting> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(InvalidSetting::OutOfRange(0..=1)),
    }
}

fn size(value: u64) -> Result<usize, InvalidSetting> {
    number(value, usize::MAX as u64)
}

/// Returns the value as a number of a type whose largest one is `max`.
fn number<T: TryFrom<u64>>(value: u64, max: u64) -> Result<T, InvalidSetting> {
    value.try_into().map_err(|_| InvalidSetting::OutOfRange(0..=max))
}
