//! The end of a compressed message (RFC 7692, section 7.2.2): which payloads are complete messages,
//! and that each has one outcome in any cut, with any delivery and both back ends.

use proptest::{prelude::*, sample::Index};
use sockless::{CloseCode, Connection, Event, ProtocolError, Role};
use support::{feed, feed_bytewise, feed_cut, frame, frames, params};

use super::deflate::{HELLO, compress_all, incompressible, json, open, stored_block, upgraded, with_chunks};

/// The last four bytes of DEFLATE data that a sender removes.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What is received of a message, however it arrives: its bytes, or the close code of its error.
fn outcome(
    make: &dyn Fn() -> Connection,
    first_byte: u8,
    payload: &[u8],
    cuts: Option<&[usize]>,
) -> Result<Vec<u8>, CloseCode> {
    let input = frame(Role::Server, first_byte, payload);
    let outcome = match cuts {
        Some(cuts) => feed_cut(&mut make(), &input, cuts),
        None => feed_bytewise(&mut make(), &input),
    };
    let mut bytes = Vec::new();
    for event in &outcome.events {
        match event {
            Event::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Event::Binary(data) => bytes.extend_from_slice(data),
            Event::Chunk(chunk) => bytes.extend_from_slice(chunk.as_bytes()),
            event => panic!("{event:?}"),
        }
    }
    match outcome.error {
        Some(error) => Err(error.close_code()),
        None => Ok(bytes),
    }
}

/// Asserts that a message has the same outcome whole, in two parts and byte by byte, with both
/// deliveries, and with the inflater of each window size. Returns the outcome.
///
/// With the feature `zlib-rs`, windows of 15 bits have another back end than windows of 14.
#[track_caller]
fn outcome_of(first_byte: u8, payload: &[u8], limit: u64) -> Result<Vec<u8>, CloseCode> {
    let mut first = None;
    for (bits, chunks) in [(15, false), (15, true), (14, false), (14, true)] {
        let make = || {
            let config = compress_all().max_message_size(limit);
            let config = if chunks { with_chunks(config) } else { config };
            upgraded(Role::Client, params(bits, false), config)
        };
        for cuts in [Some(&[][..]), Some(&[2 + payload.len() / 2]), None] {
            let found = outcome(&make, first_byte, payload, cuts);
            let expected = first.get_or_insert_with(|| found.clone());
            assert_eq!(
                &found, expected,
                "{bits} bits, chunks: {chunks}, {cuts:?}, {payload:02x?}"
            );
        }
    }
    first.unwrap()
}

/// R165 R176 R184 R210 (F69): Every way to end DEFLATE data that the tail completes is the end of a
/// message: an empty stored block, whether it is final or not, after any blocks.
#[test]
fn f69_a_message_ends_where_the_tail_completes_a_block() {
    let hello = |end: &[u8]| [&HELLO[..6], end].concat();
    for (payload, expected) in [
        // The tail completes an empty stored block, or a final one.
        (hello(&[0x00]), "Hello"),
        (hello(&[0x04]), "Hello"),
        (vec![0x00], ""),
        (vec![0x01], ""),
        (vec![], ""),
        // The blocks of Go's `Flush`, and those of `Close` after it.
        (hello(&[0x00, 0x00, 0x00, 0xff, 0xff, 0x01]), "Hello"),
        (hello(&[0x00, 0x00, 0x00, 0xff, 0xff, 0x00]), "Hello"),
        // A final block, with and without the empty block after it (section 7.2.3.4).
        ([&[HELLO[0] | 1], &HELLO[1..], &[0x00]].concat(), "Hello"),
        ([&[HELLO[0] | 1], &HELLO[1..]].concat(), "Hello"),
        // Two streams.
        ([&[HELLO[0] | 1], &HELLO[1..], &HELLO[..]].concat(), "HelloHello"),
        (
            [&[HELLO[0] | 1], &HELLO[1..], &[HELLO[0] | 1], &HELLO[1..]].concat(),
            "HelloHello",
        ),
    ] {
        assert_eq!(outcome_of(0xC1, &payload, 100), Ok(expected.into()), "{payload:02x?}");
        // What follows the end is the beginning of something else, and that has no end.
        for garbage in [
            &[0xff][..],
            &[0x06],
            &[0x00, 0x05],
            &[0x00, 0x00, 0x00, 0xff, 0xff, 0x02],
        ] {
            let payload = [&payload[..], garbage].concat();
            if payload.len() > garbage.len() {
                assert_eq!(
                    outcome_of(0xC1, &payload, 100),
                    Err(CloseCode::INVALID_DATA),
                    "{payload:02x?}"
                );
            }
        }
    }
}

/// R165 R176 (F69): The next message refers to the window that this one leaves, however it ends.
#[test]
fn f69_the_window_is_kept_after_every_end() {
    for end in [&[0x00][..], &[0x04], &[0x00, 0x00, 0x00, 0xff, 0xff, 0x01]] {
        for bits in [14, 15] {
            let first = frame(Role::Server, 0xC1, &[&HELLO[..6], end].concat());
            let second = frame(Role::Server, 0xC1, &[0xf2, 0x00, 0x11, 0x00, 0x00]);
            let mut client = upgraded(Role::Client, params(bits, false), compress_all());
            let events = feed(&mut client, &[first, second].concat()).events;
            assert_eq!(
                events,
                ["Hello", "Hello"].map(|text| Event::Text(text.into())),
                "{end:02x?}"
            );
        }
    }
}

/// R165 (F69): Whatever an independent compressor ends a message with is understood.
#[test]
fn f69_every_flush_of_zlib_is_understood() {
    use zlib_rs::{Deflate, DeflateFlush};

    let data = json(3000, 3);
    for level in [0, 1, 6, 9] {
        for (flush, ends) in [
            (DeflateFlush::SyncFlush, 1),
            (DeflateFlush::FullFlush, 1),
            (DeflateFlush::SyncFlush, 30),
            (DeflateFlush::Finish, 1),
        ] {
            let mut zlib = Deflate::new(level, false, 15);
            let mut out = vec![0; 20_000];
            let step = data.len() / ends;
            for piece in data.as_bytes().chunks(step) {
                let from = usize::try_from(zlib.total_out()).unwrap();
                zlib.compress(piece, &mut out[from..], flush).unwrap();
            }
            out.truncate(usize::try_from(zlib.total_out()).unwrap());
            let payload = out.strip_suffix(&TAIL).unwrap_or(&out);
            assert_eq!(
                outcome_of(0xC1, payload, 1 << 20),
                Ok(data.clone().into()),
                "{level} {flush:?} {ends}"
            );
        }
    }
}

/// R165 R176 (F47, F82): The message is what the payload and the tail inflate to. A stored block
/// that lacks exactly the bytes of the tail is completed by it; one that lacks more or fewer bytes
/// has no end, and nothing but the payload and the tail is delivered.
#[test]
fn f82_the_tail_is_part_of_the_data() {
    for data in [0, 10, 1000, 1020, 1024, 2044] {
        for missing in [1, 3, 4, 5, 9, 20, 24, 90] {
            for last in [0, 1] {
                let mut payload = stored_block(&vec![b'x'; data + missing]);
                payload[0] |= last;
                payload.truncate(5 + data);
                let found = outcome_of(0xC2, &payload, 1 << 20);
                if missing == TAIL.len() {
                    assert_eq!(found, Ok([&vec![b'x'; data][..], &TAIL].concat()));
                    continue;
                }
                assert_eq!(found, Err(CloseCode::INVALID_DATA), "{data} of {}", data + missing);
                let mut client = upgraded(Role::Client, params(15, false), with_chunks(compress_all()));
                let outcome = feed(&mut client, &frame(Role::Server, 0xC2, &payload));
                assert_eq!(outcome.error, Some(ProtocolError::InvalidDeflate));
                let delivered = outcome.events.iter().flat_map(|event| match event {
                    Event::Chunk(chunk) => chunk.as_bytes().to_vec(),
                    event => panic!("{event:?}"),
                });
                let delivered = delivered.collect::<Vec<_>>();
                assert!(delivered[..data].iter().all(|byte| *byte == b'x'));
                assert!(TAIL.starts_with(&delivered[data..]));
            }
        }
    }
}

/// R165 R176 (F82): A block that ends after the tail is not the end of a message, though it has no
/// output and is as long as an empty stored block from where the payload ends. Here, the tail and
/// the first bits after it are the end of the lengths of codes.
#[test]
fn f82_a_block_that_ends_after_the_tail_is_no_end() {
    let mut stream = Vec::new();
    let mut push = |value: usize, len: usize| stream.extend((0..len).map(|at| (value >> at & 1) as u8));
    // Not final, with dynamic codes: 279 lengths of literals, 30 of distances, 18 of lengths.
    push(0, 1);
    push(2, 2);
    push(279 - 257, 5);
    push(29, 5);
    push(14, 4);
    // Lengths: 0 has the code 0, 1 has 10, and 17, which repeats a length of 0, has 11.
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        push(
            [1, 2, 0][[0, 1, 17]
                .iter()
                .position(|used| *used == symbol)
                .map_or(2, |at| at.min(1))],
            3,
        );
    }
    let zeros = |count: usize, push: &mut dyn FnMut(usize, usize)| {
        push(3, 2);
        push(count - 3, 3);
    };
    (0..25).for_each(|_| zeros(10, &mut push));
    zeros(6, &mut push);
    // The end of a block has a code of one bit.
    push(1, 2);
    push(0, 5);
    assert_eq!(stream.len() % 8, 0);
    let payload: Vec<u8> = stream
        .chunks(8)
        .map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
        .collect();
    assert_eq!(outcome_of(0xC2, &payload, 100), Err(CloseCode::INVALID_DATA));
    for bits in [14, 15] {
        let input = [frame(Role::Server, 0x42, &payload), frame(Role::Server, 0x80, b"")].concat();
        let outcome = feed(&mut upgraded(Role::Client, params(bits, false), compress_all()), &input);
        assert_eq!(
            (outcome.error, outcome.events.len()),
            (Some(ProtocolError::InvalidDeflate), 0)
        );
        // With the rest of the lengths, the end of the block and the empty one of a flush, it is a
        // message.
        let whole = [&payload[..], &[0, 0, 0xFF, 0xFF, 0]].concat();
        assert_eq!(outcome_of(0xC2, &whole, 100), Ok(vec![]));
    }
}

/// R149 (F82): What a stored block takes from after the tail is not in excess of the limit: the
/// tail is judged as without a limit, and is no text here.
#[test]
fn f82_what_follows_the_tail_is_not_too_much() {
    let data = 10;
    let mut payload = stored_block(&vec![b'x'; data + TAIL.len() + 2]);
    payload.truncate(5 + data);
    let input = [frame(Role::Server, 0x41, &payload), frame(Role::Server, 0x80, b"")].concat();
    for limit in [data + TAIL.len(), 1 << 20] {
        for bits in [14, 15] {
            let config = compress_all().max_message_size(limit as u64);
            for config in [config.clone(), with_chunks(config)] {
                let outcome = feed(&mut upgraded(Role::Client, params(bits, false), config), &input);
                assert_eq!(outcome.error, Some(ProtocolError::InvalidUtf8), "{limit} {bits}");
            }
        }
    }
}

/// Messages of several kinds and ends, as payloads.
fn payloads() -> Vec<Vec<u8>> {
    let (mut sender, mut out) = (open(Role::Server), Vec::new());
    sender.send_text(&json(90, 1), &mut out).unwrap();
    let mut other = open(Role::Server);
    other.send_text(&json(400, 5), &mut out).unwrap();
    other = open(Role::Server);
    other.send_binary(&incompressible(100, 7), &mut out).unwrap();
    let mut payloads: Vec<_> = frames(Role::Server, &out)
        .into_iter()
        .map(|(_, payload)| payload)
        .collect();
    payloads.push([&stored_block("größe".as_bytes())[..], &[0]].concat());
    payloads.push([&[HELLO[0] | 1], &HELLO[1..]].concat());
    payloads.push([&[HELLO[0] | 1], &HELLO[1..], &[0]].concat());
    payloads.push([&HELLO[..6], &[0x04]].concat());
    payloads
}

/// R171 R186 (F45, F47, F70): A message that is truncated, continued or has a wrong bit, anywhere,
/// has one outcome, with a limit that some of them exceed.
#[test]
fn f70_a_damaged_message_has_one_outcome() {
    let mut damaged = payloads();
    for payload in &payloads() {
        damaged.extend((0..payload.len()).map(|end| payload[..end].to_vec()));
        damaged.extend((0..=u8::MAX).step_by(15).map(|byte| [&payload[..], &[byte]].concat()));
        damaged.extend((0..8 * payload.len()).step_by(3).map(|bit| {
            let mut payload = payload.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            payload
        }));
    }
    let mut codes = Vec::new();
    for payload in &damaged {
        for first_byte in [0xC1, 0xC2] {
            for limit in [6, 92, 405, 1 << 20] {
                codes.push(outcome_of(first_byte, payload, limit).err());
            }
        }
    }
    for code in [None, Some(CloseCode::INVALID_DATA), Some(CloseCode::TOO_BIG)] {
        assert!(codes.contains(&code), "{code:?}");
    }
}

/// R171 R186 (F45, F47): The same with an empty last frame, and the same error.
#[test]
fn f47_damaged_messages_have_the_same_error_in_any_cut() {
    let mut damaged = payloads();
    for payload in &payloads() {
        damaged.extend((0..payload.len()).map(|end| payload[..end].to_vec()));
        damaged.extend((0..=u8::MAX).step_by(5).map(|byte| [&payload[..], &[byte]].concat()));
        damaged.extend((0..8 * payload.len()).map(|bit| {
            let mut payload = payload.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            payload
        }));
    }
    for payload in &damaged {
        for limit in [500, 1 << 20] {
            let make = || {
                let config = compress_all().max_message_size(limit);
                upgraded(Role::Client, params(15, false), config)
            };
            let after = frame(Role::Server, 0x81, b"after");
            let one = [&frame(Role::Server, 0xC1, payload)[..], &after].concat();
            let whole = feed(&mut make(), &one);
            assert_eq!(feed_bytewise(&mut make(), &one), whole, "{payload:x?}");
            let (front, end) = (frame(Role::Server, 0x41, payload), frame(Role::Server, 0x80, b""));
            let apart = [&front[..], &end, &after].concat();
            assert_eq!(feed(&mut make(), &apart), whole, "{payload:x?}");
            assert_eq!(feed_bytewise(&mut make(), &apart), whole, "{payload:x?}");
        }
    }
}

/// R171 (F70): The codes of a block have none for its end. It is no message with either back end,
/// in any cut; what `miniz_oxide` makes of it first is within the limit.
#[test]
fn f70_a_block_without_an_end_is_an_error() {
    let payload = [
        0xec, 0x93, 0x41, 0x0a, 0xc2, 0x30, 0x10, 0x45, 0x6f, 0xe4, 0x19, 0x9b, 0xd2, 0x2e, 0x42, 0x18, 0x1a, 0x08,
        0x2e, 0x84, 0x28, 0x14, 0xd4, 0x52, 0x28, 0x44, 0x5c, 0xc8, 0x14, 0xc5, 0xcb, 0x98, 0x3f, 0x69, 0x8a, 0x2b,
        0x6e, 0x51, 0xcf, 0x60, 0xb6, 0x6f, 0xf3, 0xe0, 0xf3, 0x7e, 0x56,
    ];
    assert_eq!(outcome_of(0xC2, &payload, 1 << 20), Err(CloseCode::INVALID_DATA));
    for bits in [14, 15] {
        let config = with_chunks(compress_all().max_message_size(20));
        let mut client = upgraded(Role::Client, params(bits, false), config);
        let outcome = feed(&mut client, &frame(Role::Server, 0xC2, &payload));
        assert!(outcome.error.is_some());
        let delivered = outcome.events.iter().map(|event| match event {
            Event::Chunk(chunk) => chunk.as_bytes().len(),
            event => panic!("{event:?}"),
        });
        assert!(delivered.sum::<usize>() <= 20);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// R171 R186 (F70): Any damage has one outcome.
    #[test]
    fn f70_any_damage_has_one_outcome(
        which in any::<Index>(),
        edits in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        end in any::<Index>(),
        random in prop::collection::vec(any::<u8>(), 0..60),
        limit in 0_u64..600,
    ) {
        let payloads = payloads();
        let mut payload = which.get(&payloads).clone();
        for (place, byte) in edits {
            let place = place.index(payload.len());
            payload[place] = byte;
        }
        payload.truncate(1 + end.index(payload.len()));
        outcome_of(0xC1, &payload, limit).ok();
        payload.extend(&random);
        outcome_of(0xC2, &payload, limit).ok();
        outcome_of(0xC2, &random, limit).ok();
    }
}

/// An empty block of fixed codes, again and again: ten bits each.
fn empty_fixed_blocks(count: usize) -> Vec<u8> {
    bits(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0].repeat(count))
}

/// A block of fixed codes with one literal, again and again: 18 bits each.
fn small_fixed_blocks(count: usize) -> Vec<u8> {
    // The literal `0` has the code 0x30 of 8 bits.
    bits(&[0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(count))
}

/// Bits to bytes, the first bit the least significant, padded with an empty stored block.
fn bits(bits: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = bits
        .chunks(8)
        .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
        .collect();
    let in_last = bits.len() % 8;
    if in_last == 0 || in_last > 5 {
        bytes.push(0);
    }
    bytes
}

/// F84: Blocks that take an inflater far longer than their bytes are limited by the bytes, however
/// they arrive, in one message and in many.
#[test]
fn f84_blocks_are_limited_by_the_bytes() {
    let make = |chunks: bool| {
        // Windows of 14 bits have the back end that needs the limit.
        let config = if chunks {
            with_chunks(compress_all())
        } else {
            compress_all()
        };
        upgraded(Role::Client, params(14, false), config)
    };
    for chunks in [false, true] {
        for payload in [empty_fixed_blocks(10), small_fixed_blocks(10), empty_fixed_blocks(500)] {
            let found = outcome(&|| make(chunks), 0xC2, &payload, Some(&[]));
            assert!(found.is_ok(), "{found:?}");
        }
        for payload in [
            empty_fixed_blocks(1000),
            empty_fixed_blocks(100_000),
            small_fixed_blocks(1000),
            // Each a stream of its own.
            [0x03, 0x00].repeat(1000),
        ] {
            for cuts in [Some(&[][..]), Some(&[100]), None] {
                let found = outcome(&|| make(chunks), 0xC2, &payload, cuts);
                assert_eq!(found, Err(CloseCode::POLICY_VIOLATION), "{} bytes", payload.len());
            }
        }
        // The other back end needs no limit, and has none.
        let make_wide = || upgraded(Role::Client, params(15, false), compress_all());
        let found = outcome(&make_wide, 0xC2, &empty_fixed_blocks(1000), Some(&[]));
        assert_eq!(found.is_ok(), cfg!(feature = "zlib-rs"));
        // The credit is that of the connection.
        let messages = frame(Role::Server, 0xC2, &empty_fixed_blocks(40)).repeat(100);
        let outcome = feed(&mut make(chunks), &messages);
        assert_eq!(outcome.error, Some(ProtocolError::TooManyDeflateBlocks));
    }
}

/// F84: The tail pays once for the blocks of a message, whether it is consumed or not.
#[test]
fn f84_the_tail_pays_once() {
    // Two blocks in three bytes and the tail: seven bytes, of twelve.
    let message = frame(Role::Server, 0xC2, &empty_fixed_blocks(2));
    let mut client = upgraded(Role::Client, params(14, false), compress_all());
    let mut count = 0;
    while feed(&mut client, &message).error.is_none() {
        count += 1;
        assert!(count < 700, "the credit does not end");
    }
    assert!(count > 500, "{count}");
}

/// F84: Compressors stay within the limit whose blocks are the shortest: a flush after each byte,
/// messages of one byte, and messages of a few bytes that end with a last block.
#[test]
fn f84_compressors_stay_within_the_limit() {
    use zlib_rs::{Deflate, DeflateFlush};

    let data = incompressible(3000, 5);
    for (flush, level) in [(DeflateFlush::SyncFlush, 6), (DeflateFlush::FullFlush, 1)] {
        let mut zlib = Deflate::new(level, false, 15);
        let mut out = vec![0; 40_000];
        for byte in &data {
            let from = usize::try_from(zlib.total_out()).unwrap();
            zlib.compress(&[*byte], &mut out[from..], flush).unwrap();
        }
        out.truncate(usize::try_from(zlib.total_out()).unwrap());
        let payload = out.strip_suffix(&TAIL).unwrap();
        assert_eq!(outcome_of(0xC2, payload, 1 << 20).as_deref(), Ok(&data[..]));
    }
    for len in 0..8 {
        let mut client = upgraded(Role::Client, params(14, true), compress_all());
        let mut zlib_messages = Vec::new();
        for byte in &data {
            let mut zlib = Deflate::new(6, false, 15);
            let mut payload = vec![0; 200];
            zlib.compress(&vec![*byte; len], &mut payload, DeflateFlush::Finish)
                .unwrap();
            payload.truncate(usize::try_from(zlib.total_out()).unwrap());
            zlib_messages.extend(frame(Role::Server, 0xC2, &payload));
        }
        let outcome = feed(&mut client, &zlib_messages);
        assert_eq!((outcome.events.len(), outcome.error), (data.len(), None), "{len} bytes");
    }
    for no_context_takeover in [false, true] {
        let make = |role| upgraded(role, params(14, no_context_takeover), compress_all());
        let (mut server, mut out) = (make(Role::Server), Vec::new());
        for byte in &data {
            server.send_binary(&[*byte], &mut out).unwrap();
        }
        let outcome = feed(&mut make(Role::Client), &out);
        assert_eq!((outcome.events.len(), outcome.error), (data.len(), None));
    }
}
