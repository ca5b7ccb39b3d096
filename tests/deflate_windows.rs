//! Windows of permessage-deflate against zlib (here `zlib-rs`), which nobody here wrote: what is sent decodes in a window of
//! exactly the negotiated size, and whatever zlib makes is understood.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use sockless::{
    Config, Connection, Event, MessageKind, Role,
    deflate::{DeflateConfig, DeflateParams, WindowBits},
    handshake::Negotiated,
};
use support::{feed_cut, frame, frames};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Strategy as ZlibStrategy};

/// What RFC 7692, section 7.2.1, has a sender remove from the end of a message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

fn open(role: Role, bits: u8, takeover: bool, config: Config) -> Connection {
    let bits = WindowBits::new(bits).unwrap();
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(DeflateParams {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    });
    support::upgraded(role, &negotiated, config)
}

/// A part of a message, by the distances that make an encoder reach for the end of its window.
#[derive(Clone, Debug)]
enum Part {
    /// Bytes that do not repeat.
    Noise(usize),
    /// So many bytes of what was sent so long ago, in this message or another.
    Again { back: usize, len: usize },
    /// One byte again and again.
    Run(u8, usize),
    /// A few letters in no order: short matches everywhere.
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
        2 => (1..window + window / 2).prop_map(Part::Noise),
        2 => around.clone().prop_map(Part::Noise),
        4 => (around, 3_usize..300).prop_map(|(back, len)| Part::Again { back, len }),
        1 => (any::<u8>(), 1..2 * window).prop_map(|(byte, len)| Part::Run(byte, len)),
        1 => (1..2 * window).prop_map(Part::Letters),
    ];
    prop::collection::vec(part, 0..5)
}

/// Writes messages one after another, so that one may repeat what another had.
fn write(messages: &[Vec<Part>], seed: u32) -> Vec<Vec<u8>> {
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
                Part::Noise(len) => all.extend((0..len).map(|_| random())),
                Part::Run(byte, len) => all.resize(all.len() + len, byte),
                Part::Letters(len) => all.extend((0..len).map(|_| b'a' + random() % 3)),
                Part::Again { back, len } => {
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

/// Inflates into a window of exactly `2^bits` bytes: a byte at a time, because zlib also looks back into the room it
/// writes to.
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
    Err("too much".to_owned())
}

/// Inflates in a ring of exactly `2^bits` bytes, where a longer distance yields the wrong bytes. Without takeover, the
/// ring is another for each message.
struct Ring {
    inflater: Box<miniz_oxide::inflate::core::DecompressorOxide>,
    ring: Vec<u8>,
    at: usize,
}

impl Ring {
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

fn kinds() -> impl Strategy<Value = (u8, Vec<Vec<Part>>)> {
    (8_u8..=15).prop_flat_map(|bits| (Just(bits), prop::collection::vec(parts(bits), 1..6)))
}

/// How a message is cut into frames: by the engine, at a size; or by the caller.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Whole,
    Sized(usize),
    ByHand(usize),
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        3 => Just(Framing::Whole),
        1 => (1_usize..3000).prop_map(Framing::Sized),
        1 => (1_usize..3000).prop_map(Framing::ByHand),
    ]
}

fn send(sender: &mut Connection, data: &[u8], framing: Framing) -> Vec<u8> {
    let mut out = Vec::new();
    if let Framing::ByHand(size) = framing {
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

/// A message taken from the wire: whether it is compressed, and its payload.
fn message(sender: Role, wire: &[u8]) -> (bool, Vec<u8>) {
    let frames = frames(sender, wire);
    let payload = frames.iter().flat_map(|(_, payload)| payload.iter().copied()).collect();
    (frames[0].0 & 0x40 != 0, payload)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// R162 R164 R175 R182 (F43): for every window, level and way of cutting, with and without takeover: what is sent
    /// decodes, in a window of exactly that size, by two decoders that are not ours.
    #[test]
    fn s7_1_2_what_is_sent_decodes_in_the_agreed_window(
        (bits, messages) in kinds(),
        level in 0_u8..=9,
        takeover: bool,
        release: bool,
        server: bool,
        framing in framing(),
        seed: u32,
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let fragment_size = match framing {
            Framing::Sized(size) => NonZeroUsize::new(size),
            _ => None,
        };
        let deflate = DeflateConfig::new().level(level).threshold(0).release(release);
        let config = Config::new().deflate(deflate).fragment_size(fragment_size);
        let mut sender = open(role, bits, takeover, config);
        let mut zlib = Inflate::new(false, bits);
        let mut ring = Ring::new(bits);
        for (at, data) in write(&messages, seed).iter().enumerate() {
            let (compressed, payload) = message(role, &send(&mut sender, data, framing));
            if !compressed {
                prop_assert!(payload == *data);
                continue;
            }
            if !takeover {
                zlib.reset(false);
                ring = Ring::new(bits);
            }
            let payload = [&payload[..], &TAIL].concat();
            let in_window = inflate(&mut zlib, &payload, data.len());
            prop_assert!(in_window.as_ref() == Ok(data), "message {at} by zlib: {:?}", in_window.err());
            let in_ring = ring.inflate(&payload);
            prop_assert!(in_ring.as_ref() == Ok(data), "message {at} in a ring: {:?}", in_ring.err());
        }
    }

    /// R171 R175 R176 R177 R182: everything that zlib makes, with any window, level, strategy and memory, flushed within
    /// messages in any way, arrives, wherever the wire is cut.
    #[test]
    fn s7_2_2_what_zlib_makes_is_understood(
        (bits, messages) in kinds().prop_map(|(bits, messages)| (bits.max(9), messages)),
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
        let data = write(&messages, seed);
        let mut wire = Vec::new();
        for message in &data {
            if !takeover {
                deflate.reset();
            }
            let mut payload = Vec::new();
            for piece in message.chunks(piece) {
                compress(&mut deflate, piece, flush, &mut payload);
            }
            compress(&mut deflate, &[], DeflateFlush::SyncFlush, &mut payload);
            // A message of nothing flushes nothing: zlib then says that there is no progress.
            let payload = payload.strip_suffix(&TAIL).unwrap_or(&[0]);
            wire.extend(frame(peer, 0xC2, payload));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.sort_unstable();
        let role = support::peer_of(peer);
        let config = Config::new().deflate(DeflateConfig::default());
        let outcome = feed_cut(&mut open(role, bits, takeover, config), &wire, &cuts);
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
