//! DEFLATE as permessage-deflate uses it (RFC 7692, sections 6 and 7.2): messages on a stream of raw blocks, with a window
//! that may be kept between them. What is negotiated, `handshake` knows; which library does the work, only the back end
//! knows.

mod deflater;
mod inflater;
mod miniz;
mod pool;
mod window;
#[cfg(feature = "zlib-rs")]
mod zlib;

#[cfg(not(feature = "zlib-rs"))]
pub(crate) use self::miniz::Deflate;
pub use self::pool::DeflatePool;
use self::window::Window;
#[cfg(feature = "zlib-rs")]
pub(crate) use self::zlib::Deflate;
pub(crate) use self::{
    deflater::Deflater,
    inflater::{Inflater, MAX_REST, Step},
};

/// How messages in one direction are compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    /// The window is 2^bits bytes.
    pub(crate) bits: u8,
    /// The window is kept between messages.
    pub(crate) takeover: bool,
    /// The working state is given back between messages.
    pub(crate) release: bool,
    /// How hard to compress; of no meaning to an inflater.
    pub(crate) level: u8,
}

/// The last four bytes of a message, which are not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// What a back end's inflater has done.
struct Run {
    consumed: usize,
    produced: usize,
    stop: Stop,
}

/// Why it stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// All input is consumed, and there is no output left.
    Input,
    /// The window has to make room.
    Output,
    /// A block has ended.
    Block,
    /// A block with BFINAL has ended.
    End,
    Corrupt,
}

/// What a back end's deflater does at the end of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    /// It writes everything, and an empty stored block.
    Sync,
    /// The same, and forgets everything.
    Full,
}

/// The inflater for a window size.
pub(crate) enum Inflate {
    Miniz(miniz::Inflate),
    #[cfg(feature = "zlib-rs")]
    Zlib(zlib::Inflate),
}

impl Inflate {
    /// An inflater whose stream may refer to the window's history.
    fn new(bits: u8, window: &Window) -> Self {
        match bits {
            #[cfg(feature = "zlib-rs")]
            zlib::BITS => Self::Zlib(zlib::Inflate::new(window)),
            _ => {
                let _ = window;
                Self::Miniz(miniz::Inflate::new())
            }
        }
    }

    /// Begins a new stream that may refer to the window's history.
    fn restart(&mut self, window: &Window) {
        match self {
            Self::Miniz(inflate) => {
                let _ = window;
                inflate.restart();
            }
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(inflate) => inflate.restart(window),
        }
    }

    /// Whether it keeps a history beside the window.
    const fn keeps_history(&self) -> bool {
        match self {
            Self::Miniz(_) => false,
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(_) => true,
        }
    }

    /// Whether it is the inflater for a window size.
    const fn serves(&self, bits: u8) -> bool {
        match self {
            #[cfg(feature = "zlib-rs")]
            Self::Miniz(_) => bits != zlib::BITS,
            #[cfg(not(feature = "zlib-rs"))]
            Self::Miniz(_) => {
                let _ = bits;
                true
            }
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(_) => bits == zlib::BITS,
        }
    }

    /// Inflates until the input is used up, the free part of the window is full, the stream ends, or, if
    /// `stop_at_block`, a block ends.
    fn run(&mut self, input: &[u8], window: &mut Window, stop_at_block: bool) -> Run {
        match self {
            Self::Miniz(inflate) => inflate.run(input, window, stop_at_block),
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(inflate) => inflate.run(input, window, stop_at_block),
        }
    }
}
#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::{inflater::Corrupt, *};

    fn inflate(inflater: &mut Inflater, payload: &[u8]) -> Result<Vec<u8>, Corrupt> {
        let (mut rest, mut plain) = (payload, Vec::new());
        loop {
            let step = inflater.inflate(rest);
            plain.extend_from_slice(step.output);
            rest = &rest[step.consumed..];
            step.result?;
            if step.done {
                break;
            }
        }
        loop {
            let step = inflater.finish(&[]);
            plain.extend_from_slice(step.output);
            step.result?;
            if step.done {
                break;
            }
        }
        inflater.end_message();
        Ok(plain)
    }

    fn dir(level: u8, bits: u8, takeover: bool, release: bool) -> Direction {
        Direction {
            bits,
            takeover,
            release,
            level,
        }
    }

    #[test]
    fn vectors() {
        let mut d = Deflater::new(dir(6, 15, true, false));
        assert_eq!(d.deflate(b"Hello", true), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        assert_eq!(d.deflate(b"Hello", true), [0xf2, 0x00, 0x11, 0x00, 0x00]);
        let mut i = Inflater::new(dir(6, 15, true, false));
        for v in [
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
            assert_eq!(inflate(&mut i, v).unwrap(), b"Hello", "{v:x?}");
        }
        assert_eq!(inflate(&mut i, &[0]).unwrap(), b"");
        assert_eq!(inflate(&mut i, &[]).unwrap(), b"");
        assert_eq!(inflate(&mut i, &[0xf2, 0x48, 0xcd]), Err(Corrupt));
        let mut i = Inflater::new(dir(6, 15, true, false));
        assert_eq!(inflate(&mut i, &[0xf2, 0x00, 0x11, 0x00, 0x00]), Err(Corrupt));
    }

    #[test]
    fn windows() {
        for bits in 8..=15u8 {
            for level in [1, 6, 9] {
                for takeover in [false, true] {
                    for release in [false, true] {
                        let mut d = Deflater::new(dir(level, bits, takeover, release));
                        let mut i = Inflater::new(dir(level, bits, takeover, release));
                        let mut x = 1u32;
                        for n in 0..60usize {
                            let mut m: Vec<u8> = vec![];
                            for k in 0..n * 40 {
                                x = x.wrapping_mul(1664525).wrapping_add(1013904223);
                                m.push(if k % 7 < 5 {
                                    b'a' + (k % 11) as u8
                                } else {
                                    (x >> 24) as u8
                                });
                            }
                            let c = d.deflate(&m, true).to_vec();
                            d.end_message(true);
                            assert_eq!(
                                inflate(&mut i, &c).unwrap(),
                                m,
                                "{bits} {level} {takeover} {release} {n}"
                            );
                        }
                    }
                }
            }
        }
    }
}
