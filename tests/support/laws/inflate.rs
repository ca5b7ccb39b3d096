//! The law of the inflaters: any compressed payloads, against a slow decoder and `zlib-rs`.

use allocation_counter::measure;
use sockless::{Connection, Event, ProtocolError, Role, deflate::DeflateConfig};
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{
    options::{Cursor, cuts, delivery},
    rfc1951::{self, End},
};
use crate::{Outcome, feed_cut, frame, params, peer_of, upgraded, with_deflate};

/// The bytes at the end of a message that are not sent (RFC 7692, section 7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// No more blocks than these are free: `miniz_oxide`'s inflater limits them by the bytes of the
/// payload, and each has at least ten bits.
const FREE_BLOCKS: usize = 512;

/// The maximum number of messages. Further ones find no further failures.
const MAX_MESSAGES: usize = 8;

/// The options of a connection with permessage-deflate that receives.
#[derive(Clone, Copy, Debug)]
struct Options {
    role: Role,
    /// The window of one of the two connections. The other one has 15 bits.
    bits: u8,
    takeover: bool,
    release: bool,
    chunks: bool,
    limit: u64,
    seeds: [u8; 2],
}

impl Options {
    fn read(cursor: &mut Cursor<'_>) -> Self {
        let [first, second, cut, fragments] = cursor.array();
        let bit = |bit: u32| first >> bit & 1 == 1;
        Self {
            role: if bit(0) { Role::Client } else { Role::Server },
            bits: 8 + second % 7,
            takeover: bit(1),
            release: bit(2),
            chunks: bit(3),
            limit: [100, 2000, 20, 40_000][usize::from(first >> 4) % 4],
            seeds: [cut, fragments],
        }
    }

    fn open(self) -> Connection {
        let config = sockless::Config::new()
            .deflate(DeflateConfig::new().release(self.release))
            .max_message_size(self.limit)
            .delivery(delivery(self.chunks));
        upgraded(self.role, &with_deflate(params(self.bits, !self.takeover)), config)
    }
}

/// What a payload and the tail inflate to.
struct Inflated {
    /// At most as many bytes as the limit, and what precedes an error.
    plain: Vec<u8>,
    error: Option<ProtocolError>,
}

/// For any compressed payloads, both back ends deliver the bytes and the error of a slow decoder
/// with a window of exactly the negotiated size, in any cut and any fragments, and the memory is
/// bounded.
///
/// With the feature `zlib-rs`, windows of 15 bits have that back end, and smaller ones
/// `miniz_oxide`.
pub fn inflate(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let options = Options::read(&mut cursor);
    let payloads = payloads(cursor);
    for bits in [15, options.bits] {
        compare(Options { bits, ..options }, &payloads);
    }
}

/// The input of [`inflate`] with these payloads.
pub fn input(options: [u8; 4], payloads: &[&[u8]]) -> Vec<u8> {
    let mut input = options.to_vec();
    for payload in payloads {
        let len = u16::try_from(payload.len()).unwrap();
        input.extend_from_slice(&len.to_le_bytes());
        input.extend_from_slice(payload);
    }
    input
}

/// The payloads of messages: each after its length.
fn payloads(mut cursor: Cursor<'_>) -> Vec<&[u8]> {
    let mut payloads = Vec::new();
    while !cursor.rest().is_empty() && payloads.len() < MAX_MESSAGES {
        let len = usize::from(u16::from_le_bytes(cursor.array()));
        let rest = cursor.rest();
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        payloads.push(payload);
        cursor = Cursor::new(rest);
    }
    payloads
}

fn compare(options: Options, payloads: &[&[u8]]) {
    let mut expected: Vec<Inflated> = Vec::new();
    let mut history = Vec::new();
    for payload in payloads {
        let window = &history[history.len().saturating_sub(1 << options.bits)..];
        let inflated = inflate_message(options.bits, window, payload, options.limit);
        let has_failed = inflated.error.is_some();
        if options.takeover {
            history.extend_from_slice(&inflated.plain);
        }
        expected.push(inflated);
        if has_failed {
            break;
        }
    }
    let wire = wire(options, payloads);
    let [cut, other_cut] = [options.seeds[0], options.seeds[1] ^ 1];
    for seed in [cut, other_cut] {
        let outcome = feed_cut(&mut options.open(), &wire, &cuts(seed, wire.len()));
        check(options, payloads, &expected, outcome);
    }
    let mut bytes = wire;
    let heap = measure(|| {
        let (mut connection, mut rest, mut out) = (options.open(), &mut bytes[..], Vec::new());
        while let Ok(Some(_event)) = connection.receive(&mut rest, &mut out) {}
    });
    // An assembled message that grows, the inflater with its window, a piece to deliver, and the
    // reply.
    let bound = 3 * options.limit + 3 * (1 << options.bits) + (128 << 10);
    assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
}

/// The messages in fragments, which depend on a seed.
fn wire(options: Options, payloads: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for payload in payloads {
        let mut ends = cuts(options.seeds[1], payload.len());
        ends.truncate(40);
        ends.push(payload.len());
        let mut from = 0;
        for (number, to) in ends.iter().copied().enumerate() {
            let first = if number == 0 { 0x42 } else { 0x00 };
            let fin = if number + 1 == ends.len() { 0x80 } else { 0x00 };
            wire.extend(frame(peer_of(options.role), first | fin, &payload[from..to]));
            from = to;
        }
    }
    wire
}

fn check(options: Options, payloads: &[&[u8]], expected: &[Inflated], outcome: Outcome) {
    let mut delivered = vec![Vec::new()];
    let mut is_whole = false;
    for event in outcome.events {
        if std::mem::take(&mut is_whole) {
            delivered.push(Vec::new());
        }
        let last = delivered.last_mut().unwrap();
        match event {
            Event::Binary(data) => {
                assert!(!options.chunks);
                *last = data.into_owned();
                is_whole = true;
            }
            Event::Chunk(chunk) => {
                last.extend_from_slice(chunk.as_bytes());
                is_whole = chunk.message_end;
            }
            event => panic!("{event:?}"),
        }
    }
    let complete = if is_whole { delivered.len() } else { delivered.len() - 1 };
    let unfinished = if is_whole { Vec::new() } else { delivered.pop().unwrap() };
    if outcome.error == Some(ProtocolError::TooManyDeflateBlocks) {
        let len: usize = payloads.iter().map(|payload| payload.len()).sum();
        assert!(len * 8 >= FREE_BLOCKS * 10, "{len} bytes have not so many blocks");
        assert!(!is_zlib(options.bits), "zlib-rs has no such limit");
    } else {
        let error = expected.last().and_then(|message| message.error);
        assert_eq!(outcome.error, error, "{options:?}");
        assert_eq!(complete, expected.len() - usize::from(error.is_some()), "{options:?}");
    }
    for (message, expected) in delivered.iter().zip(expected) {
        assert_eq!(*message, expected.plain, "{options:?}");
    }
    if outcome.error.is_some() {
        assert!(expected[complete].plain.starts_with(&unfinished), "{options:?}");
    } else {
        assert_eq!(unfinished, [], "a message has ended");
    }
}

/// Whether the back end is `zlib-rs`. It refuses a block whose codes have none for its end at once,
/// and `miniz_oxide` where it ends without one.
fn is_zlib(bits: u8) -> bool {
    cfg!(feature = "zlib-rs") && bits == 15
}

/// The message that a payload and the tail inflate to (RFC 7692, section 7.2.2). It has to end
/// where a block ends, at the end of a byte.
fn inflate_message(bits: u8, history: &[u8], payload: &[u8], limit: u64) -> Inflated {
    let (max, window_size) = (usize::try_from(limit).unwrap(), 1 << bits);
    let data = [payload, &TAIL].concat();
    let (mut plain, mut at) = (Vec::new(), 0);
    // No payload, or a block with BFINAL may end it.
    while at != payload.len() && at != data.len() {
        let window = [history, &plain[..]].concat();
        let window = &window[window.len().saturating_sub(window_size)..];
        let max = max - plain.len();
        let inflate = |requires_end| rfc1951::inflate(&data[at..], window, window_size, max, requires_end, false);
        if bits == 15 {
            check_stream(&inflate(true), window, &data[at..]);
        }
        let stream = inflate(is_zlib(bits));
        plain.extend_from_slice(&stream.plain);
        let error = match stream.end {
            End::Stream(len) => {
                at += len;
                continue;
            }
            End::Block => None,
            End::Full => Some(ProtocolError::MessageTooBig { size: None, limit }),
            End::Inside | End::Error => Some(ProtocolError::InvalidDeflate),
        };
        return Inflated { plain, error };
    }
    Inflated { plain, error: None }
}

/// Asserts that `zlib-rs`, which always has a window of 15 bits, finds the same.
fn check_stream(found: &rfc1951::Inflated, window: &[u8], input: &[u8]) {
    let mut zlib = Inflate::new(false, 15);
    if !window.is_empty() {
        // A raw stream has no checksum to match.
        let _checksum = zlib.set_dictionary(window);
    }
    let mut room = vec![0; found.plain.len() + 1];
    let status = zlib.decompress(input, &mut room, InflateFlush::NoFlush);
    let produced = usize::try_from(zlib.total_out()).unwrap();
    let len = found.plain.len();
    assert_eq!(room[..produced.min(len)], found.plain);
    assert_eq!(produced > len, found.end == End::Full);
    let consumed = usize::try_from(zlib.total_in()).unwrap();
    match found.end {
        End::Stream(len) => assert!(status == Ok(Status::StreamEnd) && consumed == len, "{status:?}"),
        End::Block => assert!(status.is_ok() && consumed == input.len(), "{status:?}"),
        // It may need fewer bits to find an error.
        End::Inside | End::Error => assert_ne!(status, Ok(Status::StreamEnd)),
        End::Full => {}
    }
}
