//! Windows of permessage-deflate, compared with other implementations: what is sent is inflated by
//! `zlib-rs`, `miniz_oxide` and a slow decoder with a window of exactly the negotiated size, and
//! everything that `zlib-rs` deflates is received.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use sockless::{Config, Connection, Event, MessageKind, Role, deflate::DeflateConfig};
use support::{
    feed_cut, frame, frames,
    laws::rfc1951::{self, End},
    params, upgraded, with_deflate,
};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Strategy as ZlibStrategy};

/// The bytes that a sender removes from the end of a message (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

fn open(role: Role, bits: u8, takeover: bool, config: Config) -> Connection {
    upgraded(role, &with_deflate(params(bits, !takeover)), config)
}

/// A part of a message. The distances are chosen so that a deflater refers to the end of its
/// window.
#[derive(Clone, Debug)]
enum Part {
    /// Bytes that do not repeat.
    Incompressible(usize),
    /// `len` bytes from `back` bytes earlier, in this message or an earlier one.
    Repeat { back: usize, len: usize },
    /// One byte, repeated.
    Run(u8, usize),
    /// Random letters of a small alphabet, with many short matches.
    Letters(usize),
}

fn parts(bits: u8) -> impl Strategy<Value = Vec<Part>> {
    let window = 1_usize << bits;
    let around = prop_oneof![
        3 => window.saturating_sub(4)..window + 9,
        1 => window - window / 8..window + window / 4,
        1 => Just(2 * window),
        2 => 1..window,
        1 => 1_usize..300,
    ]
    .boxed();
    let part = prop_oneof![
        2 => (1..window + window / 2).prop_map(Part::Incompressible),
        2 => around.clone().prop_map(Part::Incompressible),
        4 => (around, 3_usize..300).prop_map(|(back, len)| Part::Repeat { back, len }),
        1 => (any::<u8>(), 1..2 * window).prop_map(|(byte, len)| Part::Run(byte, len)),
        1 => (1..2 * window).prop_map(Part::Letters),
    ];
    prop::collection::vec(part, 0..5)
}

/// Builds messages one after another, so that one may repeat bytes of an earlier one.
fn build_messages(messages: &[Vec<Part>], seed: u32) -> Vec<Vec<u8>> {
    let (mut all, mut state) = (Vec::new(), seed | 1);
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut written = Vec::new();
    for parts in messages {
        let start = all.len();
        for part in parts {
            match *part {
                Part::Incompressible(len) => all.extend((0..len).map(|_| random())),
                Part::Run(byte, len) => all.resize(all.len() + len, byte),
                Part::Letters(len) => all.extend((0..len).map(|_| b'a' + random() % 3)),
                Part::Repeat { back, len } => {
                    for _ in 0..len {
                        let byte = all.len().checked_sub(back).map_or(0, |at| all[at]);
                        all.push(byte);
                    }
                }
            }
        }
        written.push(all[start..].to_vec());
    }
    written
}

/// Inflates with a window of exactly `2^bits` bytes. The output buffer has one byte, because zlib
/// also refers to bytes in its output buffer.
fn inflate(zlib: &mut Inflate, mut input: &[u8], len: usize) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    while plain.len() <= len {
        let mut byte = [0];
        let (from_in, from_out) = (zlib.total_in(), zlib.total_out());
        let status = zlib.decompress(input, &mut byte, InflateFlush::NoFlush);
        input = &input[usize::try_from(zlib.total_in() - from_in).unwrap()..];
        if zlib.total_out() == from_out {
            return match status {
                Ok(_) if input.is_empty() => Ok(plain),
                other => Err(format!("after {} bytes: {other:?}", plain.len())),
            };
        }
        plain.push(byte[0]);
    }
    Err("more than the message".to_owned())
}

/// Inflates into a ring buffer of exactly `2^bits` bytes. A longer distance yields wrong bytes.
/// Without context takeover, each message has a new ring buffer.
struct RingInflater {
    inflater: Box<miniz_oxide::inflate::core::DecompressorOxide>,
    ring: Vec<u8>,
    at: usize,
}

impl RingInflater {
    fn new(bits: u8) -> Self {
        Self {
            inflater: Box::default(),
            ring: vec![0xEE; 1 << bits],
            at: 0,
        }
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<Vec<u8>, String> {
        use miniz_oxide::inflate::{TINFLStatus, core::decompress, core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT};
        let mut plain = Vec::new();
        loop {
            let (status, consumed, produced) = decompress(
                &mut self.inflater,
                input,
                &mut self.ring,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            plain.extend_from_slice(&self.ring[self.at..self.at + produced]);
            self.at = (self.at + produced) % self.ring.len();
            input = &input[consumed..];
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(plain),
                other => return Err(format!("after {} bytes: {other:?}", plain.len())),
            }
        }
    }
}

fn window_and_messages() -> impl Strategy<Value = (u8, Vec<Vec<Part>>)> {
    (8_u8..=15).prop_flat_map(|bits| (Just(bits), prop::collection::vec(parts(bits), 1..6)))
}

/// How a message is divided into frames: by the engine, by the engine with a fragment size, or by
/// the caller.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Whole,
    Sized(usize),
    ByCaller(usize),
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        3 => Just(Framing::Whole),
        1 => (1_usize..3000).prop_map(Framing::Sized),
        1 => (1_usize..3000).prop_map(Framing::ByCaller),
    ]
}

fn send(sender: &mut Connection, data: &[u8], framing: Framing) -> Vec<u8> {
    let mut out = Vec::new();
    if let Framing::ByCaller(size) = framing {
        for piece in data.chunks(size) {
            sender
                .send_fragment(MessageKind::Binary, piece, false, &mut out)
                .unwrap();
        }
        sender.send_fragment(MessageKind::Binary, &[], true, &mut out).unwrap();
    } else {
        sender.send_binary(data, &mut out).unwrap();
    }
    out
}

/// Whether the message in `bytes` is compressed, and its payload.
fn compressed_and_payload(sender: Role, bytes: &[u8]) -> (bool, Vec<u8>) {
    let frames = frames(sender, bytes);
    let payload = frames.iter().flat_map(|(_, payload)| payload.iter().copied()).collect();
    (frames[0].0 & 0x40 != 0, payload)
}

/// Each deflater: matches of every length, and of the distances at which the symbols change, are
/// inflated.
#[test]
fn s7_2_1_matches_of_every_length_and_distance_inflate() {
    // Of 64 values, so that it gets smaller, and rarely repeats three bytes.
    let noise: Vec<u8> = build_messages(&[vec![Part::Incompressible(5000)]], 1)[0]
        .iter()
        .map(|byte| byte & 0x3F)
        .collect();
    let lengths = (3..=258).map(|length| (300, length));
    let distances = (1..12)
        .flat_map(|bits| [2 << bits, 3 << bits])
        .flat_map(|first: usize| [first - 1, first, first + 1, first + 2])
        .filter(|distance| (10..=4000).contains(distance))
        .map(|distance| (distance, 10));
    for (distance, length) in lengths.chain(distances) {
        let begin = &noise[..distance.max(600)];
        let repeated = &begin[begin.len() - distance..];
        let mut data = [begin, &repeated[..length]].concat();
        // The match ends here.
        data.push(repeated.get(length).map_or(0xFF, |byte| byte ^ 1));
        for low_memory in [false, true] {
            let deflate = DeflateConfig::new().threshold(0).low_memory(low_memory);
            let mut sender = open(Role::Server, 12, false, Config::new().deflate(deflate));
            let (compressed, payload) = compressed_and_payload(Role::Server, &send(&mut sender, &data, Framing::Whole));
            assert!(compressed, "{length} bytes at {distance}");
            let payload = [&payload[..], &TAIL].concat();
            let plain = inflate(&mut Inflate::new(false, 12), &payload, data.len());
            assert!(
                plain.as_ref() == Ok(&data),
                "{length} bytes at {distance}: {:?}",
                plain.err()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// R162 R164 R175 R182 (F43): Sent messages are inflated by three other implementations with a
    /// window of exactly the negotiated size, for every window, level and framing, with and without
    /// context takeover, and by each deflater. That of `low_memory` has at most 12 bits.
    #[test]
    fn s7_1_2_sent_messages_inflate_with_the_negotiated_window(
        (bits, messages) in window_and_messages(),
        level in 0_u8..=9,
        takeover: bool,
        release: bool,
        low_memory: bool,
        server: bool,
        framing in framing(),
        seed: u32,
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let fragment_size = match framing {
            Framing::Sized(size) => NonZeroUsize::new(size),
            _ => None,
        };
        let deflate = DeflateConfig::new().level(level).threshold(0).release(release).low_memory(low_memory);
        let config = Config::new().deflate(deflate).fragment_size(fragment_size);
        let mut sender = open(role, bits, takeover, config);
        let bits = if low_memory { bits.min(12) } else { bits };
        let mut zlib = Inflate::new(false, bits);
        let mut ring = RingInflater::new(bits);
        let mut history = Vec::new();
        for (at, data) in build_messages(&messages, seed).iter().enumerate() {
            let (compressed, payload) = compressed_and_payload(role, &send(&mut sender, data, framing));
            if !compressed {
                prop_assert!(payload == *data);
                continue;
            }
            if !takeover {
                zlib.reset(false);
                ring = RingInflater::new(bits);
                history.clear();
            }
            let payload = [&payload[..], &TAIL].concat();
            let in_window = inflate(&mut zlib, &payload, data.len());
            prop_assert!(in_window.as_ref() == Ok(data), "message {at} by zlib: {:?}", in_window.err());
            let in_ring = ring.inflate(&payload);
            prop_assert!(in_ring.as_ref() == Ok(data), "message {at} in a ring: {:?}", in_ring.err());
            let slowly = rfc1951::inflate(&payload, &history, 1 << bits, data.len(), true, false);
            prop_assert!(slowly.plain == *data && slowly.end == End::Block, "message {at}: {:?}", slowly.end);
            history.extend(data);
        }
    }

    /// R171 R175 R176 R177 R182 (F84): Everything that zlib deflates is received, with any window,
    /// level, strategy and memory level, with any flush within a message, wherever the input is
    /// cut. The flushes that end with no stored block are not as frequent as to exceed the limit on
    /// blocks.
    #[test]
    fn s7_2_2_everything_that_zlib_deflates_is_received(
        (bits, messages) in window_and_messages().prop_map(|(bits, messages)| (bits.max(9), messages)),
        level in 0..=9,
        mem_level in 1..=9,
        strategy in 0..5,
        flush in prop::sample::select(vec![DeflateFlush::NoFlush, DeflateFlush::PartialFlush, DeflateFlush::SyncFlush,
            DeflateFlush::FullFlush, DeflateFlush::Block]),
        piece in 1_usize..5000,
        takeover: bool,
        server: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        seed: u32,
    ) {
        let peer = if server { Role::Client } else { Role::Server };
        let mut deflate = Deflate::new_with_config(zlib_rs::DeflateConfig {
            level,
            window_bits: -i32::from(bits),
            mem_level,
            strategy: ZlibStrategy::try_from(strategy).unwrap(),
            ..zlib_rs::DeflateConfig::default()
        });
        let data = build_messages(&messages, seed);
        let piece = match flush {
            DeflateFlush::PartialFlush | DeflateFlush::Block => {
                piece.max(data.iter().map(Vec::len).sum::<usize>() / 200)
            }
            _ => piece,
        };
        let mut bytes = Vec::new();
        for message in &data {
            if !takeover {
                deflate.reset();
            }
            let mut payload = Vec::new();
            for piece in message.chunks(piece) {
                compress(&mut deflate, piece, flush, &mut payload);
            }
            compress(&mut deflate, &[], DeflateFlush::SyncFlush, &mut payload);
            // zlib writes nothing for an empty message, whose payload is one byte (section
            // 7.2.3.6).
            let payload = payload.strip_suffix(&TAIL).unwrap_or(&[0]);
            bytes.extend(frame(peer, 0xC2, payload));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let role = support::peer_of(peer);
        let config = Config::new().deflate(DeflateConfig::default());
        let outcome = feed_cut(&mut open(role, bits, takeover, config), &bytes, &cuts);
        let expected: Vec<_> = data.iter().map(|data| Event::Binary(data.into())).collect();
        prop_assert!(outcome.events == expected, "{:?}", outcome.error);
    }
}

fn compress(deflate: &mut Deflate, mut input: &[u8], flush: DeflateFlush, out: &mut Vec<u8>) {
    loop {
        let mut room = [0; 4096];
        let (from_in, from_out) = (deflate.total_in(), deflate.total_out());
        let _no_progress = deflate.compress(input, &mut room, flush);
        input = &input[usize::try_from(deflate.total_in() - from_in).unwrap()..];
        let made = usize::try_from(deflate.total_out() - from_out).unwrap();
        out.extend_from_slice(&room[..made]);
        if made < room.len() {
            assert!(input.is_empty());
            return;
        }
    }
}
