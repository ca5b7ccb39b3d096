//! permessage-deflate (RFC 7692): its settings, its negotiation, and DEFLATE as it uses it.
//!
//! Messages are a stream of raw DEFLATE blocks, with a window that may be kept between them
//! (sections 6 and 7.2). Which library does the work, only the back end knows.

mod backend;
mod config;
mod deflater;
mod inflater;
mod low_memory;
mod miniz;
pub(crate) mod negotiation;
mod params;
mod pool;
mod progress;
mod window;
#[cfg(feature = "zlib-rs")]
mod zlib;

pub use self::{
    config::{DeflateConfig, WindowBits},
    params::DeflateParams,
    pool::DeflatePool,
};
pub(crate) use self::{
    deflater::Deflater,
    inflater::{InflateError, Inflated, Inflater, MAX_FINISH},
    params::DirectionParams,
};

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;

    fn inflate(inflater: &mut Inflater, payload: &[u8]) -> Result<Vec<u8>, InflateError> {
        let (mut rest, mut plain) = (payload, Vec::new());
        loop {
            let progress = inflater.inflate(rest);
            plain.extend_from_slice(progress.output);
            rest = &rest[progress.consumed..];
            progress.result?;
            if progress.done {
                break;
            }
        }
        loop {
            let progress = inflater.finish(&[], usize::MAX);
            plain.extend_from_slice(progress.output);
            progress.result?;
            if progress.done {
                break;
            }
        }
        inflater.end_message();
        Ok(plain)
    }

    fn direction(level: u8, bits: u8, takeover: bool, release: bool) -> DirectionParams {
        DirectionParams {
            bits,
            takeover,
            release,
            level,
            low_memory: false,
        }
    }

    #[test]
    fn the_examples_of_the_rfc_deflate_and_inflate() {
        let mut deflater = Deflater::new(direction(6, 15, true, false));
        assert_eq!(
            deflater.deflate(b"Hello", true),
            [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]
        );
        assert_eq!(deflater.deflate(b"Hello", true), [0xf2, 0x00, 0x11, 0x00, 0x00]);
        let mut inflater = Inflater::new(direction(6, 15, true, false));
        for payload in [
            &[0xf2u8, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
        ] {
            assert_eq!(inflate(&mut inflater, payload).unwrap(), b"Hello", "{payload:x?}");
        }
        assert_eq!(inflate(&mut inflater, &[0]).unwrap(), b"");
        assert_eq!(inflate(&mut inflater, &[]).unwrap(), b"");
        assert_eq!(inflate(&mut inflater, &[0xf2, 0x48, 0xcd]), Err(InflateError::Corrupt));
        let mut inflater = Inflater::new(direction(6, 15, true, false));
        assert_eq!(
            inflate(&mut inflater, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            Err(InflateError::Corrupt)
        );
    }

    #[test]
    fn every_window_level_and_mode_inflates_what_it_deflates() {
        for bits in 8..=15u8 {
            for level in [1, 6, 9] {
                for takeover in [false, true] {
                    for (release, low_memory) in [(false, false), (false, true), (true, false), (true, true)] {
                        let params = direction(level, bits, takeover, release);
                        let mut deflater = Deflater::new(if low_memory { params.sending(true) } else { params });
                        let mut inflater = Inflater::new(params);
                        let mut random = 1u32;
                        for n in 0..60usize {
                            let mut message: Vec<u8> = vec![];
                            for at in 0..n * 40 {
                                random = random.wrapping_mul(1664525).wrapping_add(1013904223);
                                message.push(if at % 7 < 5 {
                                    b'a' + (at % 11) as u8
                                } else {
                                    (random >> 24) as u8
                                });
                            }
                            let payload = deflater.deflate(&message, true).to_vec();
                            deflater.end_message(true);
                            assert_eq!(
                                inflate(&mut inflater, &payload).unwrap(),
                                message,
                                "{bits} {level} {takeover} {release} {low_memory} {n}"
                            );
                        }
                    }
                }
            }
        }
    }
}
