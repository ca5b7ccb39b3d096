//! Frames as bytes: RFC 6455, sections 5.1 (overview), 5.2 (framing) and 5.3 (masking).
//!
//! The tests of the codec need no feature of the crate. The module `connection` tests the same
//! rules on a [`Connection`](sockless::Connection).

use std::slice;

use sockless::{
    MessageKind, ProtocolError, Role,
    frame::{Decoder, Header, Item, Opcode, ReservedBits},
    mask,
};
use support::{
    ROLES, control_frame_too_long, fragmented_control_frame, interleaved_message, non_minimal_length, reserved_bits,
    reserved_opcode,
};

const OPCODES: [(Opcode, u8); 6] = [
    (Opcode::Continuation, 0x0),
    (Opcode::Text, 0x1),
    (Opcode::Binary, 0x2),
    (Opcode::Close, 0x8),
    (Opcode::Ping, 0x9),
    (Opcode::Pong, 0xA),
];

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Sets of reserved bits, as sets of numbers.
#[test]
fn s5_2_reserved_bits_are_a_set() {
    let set = |bits: u8| ReservedBits {
        rsv1: bits & 1 > 0,
        rsv2: bits & 2 > 0,
        rsv3: bits & 4 > 0,
    };
    for a in 0..8 {
        assert_eq!(set(a).is_empty(), a == 0);
        for b in 0..8 {
            assert_eq!(set(a).union(set(b)), set(a | b));
            assert_eq!(set(a).without(set(b)), set(a & !b));
        }
    }
}

/// The possible rests of a header after its first two bytes: the extended length, and the mask key
/// if there is one.
fn header_tails(second: u8) -> Vec<Vec<u8>> {
    let lengths: Vec<Vec<u8>> = match second & 0x7F {
        126 => [0, 125, 126, 127, 256, 65_535]
            .iter()
            .map(|len: &u16| len.to_be_bytes().to_vec())
            .collect(),
        127 => [
            0,
            125,
            126,
            65_535,
            65_536,
            1 << 32,
            (1 << 63) - 1,
            1 << 63,
            (1 << 63) + 5,
            u64::MAX,
        ]
        .iter()
        .map(|len: &u64| len.to_be_bytes().to_vec())
        .collect(),
        _ => vec![Vec::new()],
    };
    let key = if second & 0x80 != 0 { &KEY[..] } else { &[] };
    lengths.into_iter().map(|len| [&len, key].concat()).collect()
}

/// An independent implementation of section 5: the rule that a header breaks, and the number of
/// bytes that it takes to know. The rules are checked in the order of the bytes that they concern.
fn expected_violation(role: Role, in_message: bool, bytes: &[u8]) -> Option<(usize, ProtocolError)> {
    let (first, second) = (bytes[0], bytes[1]);
    if first & 0x70 != 0 {
        return Some((1, reserved_bits(first)));
    }
    let fin = first & 0x80 != 0;
    let is_control = match (first & 0x0F, in_message) {
        (0x0, true) | (0x1 | 0x2, false) => false,
        (0x0, false) => return Some((1, ProtocolError::UnexpectedContinuation)),
        (0x1 | 0x2, true) => return Some((1, interleaved_message(first))),
        (0x8..=0xA, _) if fin => true,
        (0x8..=0xA, _) => return Some((1, fragmented_control_frame(first))),
        (0x3..=0x7 | 0xB..=0xF, _) => return Some((1, reserved_opcode(first))),
        (0x10.., _) => unreachable!("four bits"),
    };
    match (role, second & 0x80 != 0) {
        (Role::Server, false) => return Some((2, ProtocolError::UnmaskedFrame)),
        (Role::Client, true) => return Some((2, ProtocolError::MaskedFrame)),
        (Role::Server, true) | (Role::Client, false) => {}
    }
    let short = second & 0x7F;
    if is_control && short > 125 {
        return Some((2, control_frame_too_long(first)));
    }
    match short {
        126 if bytes[2] == 0 && bytes[3] < 126 => Some((4, non_minimal_length(16))),
        127 if bytes[2] & 0x80 != 0 => Some((3, ProtocolError::LengthOverflow)),
        127 if bytes[2..8] == [0; 6] => Some((8, non_minimal_length(64))),
        _ => None,
    }
}

/// A decoder, if `in_message` after a first fragment without FIN.
fn decoder(role: Role, in_message: bool) -> Decoder {
    let mut decoder = Decoder::new(role);
    if in_message {
        let mut masked = [0x01, 0x80, 0, 0, 0, 0];
        let mut unmasked = [0x01, 0x00];
        let bytes = match role {
            Role::Server => &mut masked[..],
            Role::Client => &mut unmasked[..],
        };
        assert_eq!(first_error(&mut decoder, bytes, usize::MAX), None);
        assert!(decoder.is_in_message() && decoder.is_between_frames());
    }
    decoder
}

/// Decodes `bytes` in pieces of `step` bytes. Returns the first error and the number of bytes that
/// the decoder had received by then.
fn first_error(decoder: &mut Decoder, bytes: &[u8], step: usize) -> Option<(usize, ProtocolError)> {
    let mut bytes = bytes.to_vec();
    let mut given = 0;
    for mut piece in bytes.chunks_mut(step) {
        given += piece.len();
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(_)) => {}
                Ok(None) => break assert!(piece.is_empty(), "`None` means that the input is empty"),
                Err(error) => return Some((given, error)),
            }
        }
    }
    None
}

/// Calls `check` with every first byte and every second byte, inside a message and outside, with
/// the extended lengths of [`header_tails`], and with the expected violation.
fn for_each_header(role: Role, mut check: impl FnMut(bool, &[u8], Option<(usize, ProtocolError)>)) {
    for in_message in [false, true] {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for tail in header_tails(second) {
                    let bytes = [&[first, second][..], &tail].concat();
                    check(in_message, &bytes, expected_violation(role, in_message, &bytes));
                }
            }
        }
    }
}

/// R060 R062 R063 R064 R065 R066 R076 R082 R139: Every possible header is validated by the rules of
/// section 5, and the error is the same in one piece and byte by byte.
#[test]
fn s5_2_every_header_is_validated_in_the_order_of_its_bytes() {
    for role in ROLES {
        for_each_header(role, |in_message, bytes, expected| {
            for step in [usize::MAX, 1] {
                let found = first_error(&mut decoder(role, in_message), bytes, step);
                assert_eq!(
                    found.map(|(_, error)| error),
                    expected.map(|(_, error)| error),
                    "{role:?}, in a message: {in_message}, in pieces of {step}: {bytes:02x?}"
                );
            }
        });
    }
}

/// R060 R062 R063 R064 R066 R076 R082: A violation is reported at the first byte that makes it
/// certain, without further input.
#[test]
fn s5_2_a_violation_is_reported_at_the_byte_that_breaks_the_rule() {
    for role in ROLES {
        for_each_header(role, |in_message, bytes, expected| {
            // Lengths of 64 bits have a test of their own.
            if bytes[1] & 0x7F != 127 || expected.is_some_and(|(at, _)| at <= 2) {
                let found = first_error(&mut decoder(role, in_message), bytes, 1);
                assert_eq!(found, expected, "{role:?}, in a message: {in_message}: {bytes:02x?}");
            }
        });
    }
}

/// R065 R066: The first byte of a 64-bit length decides about its most significant bit, and the
/// sixth byte decides whether it could be shorter.
#[test]
fn s5_2_a_64_bit_length_fails_at_the_byte_that_breaks_the_rule() {
    for role in ROLES {
        for tail in header_tails(127) {
            let second = if role == Role::Server { 0xFF } else { 0x7F };
            let bytes = [&[0x82, second][..], &tail].concat();
            let expected = expected_violation(role, false, &bytes);
            assert_eq!(
                first_error(&mut Decoder::new(role), &bytes, 1),
                expected,
                "{role:?}: {bytes:02x?}"
            );
            let Some((at, error)) = expected else { continue };
            assert_eq!(Header::decode(&bytes[..at]), Err(error), "{bytes:02x?}");
            assert_eq!(Header::decode(&bytes[..at - 1]), Ok(None), "{bytes:02x?}");
        }
    }
}

/// R114: An error of the decoder is final: each later call returns it again, and decodes nothing.
#[test]
fn s7_1_7_errors_of_the_decoder_are_final() {
    let violations: [(Role, &[u8], ProtocolError); 8] = [
        (Role::Client, &[0xC1], reserved_bits(0xC1)),
        (Role::Client, &[0x83], reserved_opcode(0x83)),
        (Role::Client, &[0x80], ProtocolError::UnexpectedContinuation),
        (Role::Client, &[0x09], fragmented_control_frame(0x09)),
        (Role::Client, &[0x81, 0x80], ProtocolError::MaskedFrame),
        (Role::Server, &[0x81, 0x00], ProtocolError::UnmaskedFrame),
        (Role::Client, &[0x89, 126], control_frame_too_long(0x89)),
        (Role::Client, &[0x82, 126, 0, 1], non_minimal_length(16)),
    ];
    for (role, bytes, error) in violations {
        for step in [usize::MAX, 1] {
            let mut decoder = Decoder::new(role);
            assert_eq!(first_error(&mut decoder, bytes, step), Some((bytes.len(), error)));
            for valid in [&[][..], &[0x82, 0x00], &[0x82, 0x80, 1, 2, 3, 4]] {
                let mut valid = valid.to_vec();
                let mut input = &mut valid[..];
                assert_eq!(decoder.decode(&mut input), Err(error), "{role:?} {bytes:02x?}");
            }
        }
    }
}

/// The bytes of a header, according to the figure in section 5.2.
fn encoded(header: &Header) -> Vec<u8> {
    let (_, opcode) = OPCODES
        .into_iter()
        .find(|(opcode, _)| *opcode == header.opcode)
        .unwrap();
    let flags = [
        (header.fin, 0x80),
        (header.reserved.rsv1, 0x40),
        (header.reserved.rsv2, 0x20),
        (header.reserved.rsv3, 0x10),
    ];
    let first = flags
        .iter()
        .filter(|(set, _)| *set)
        .fold(opcode, |first, (_, bit)| first | bit);
    let masked = if header.mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match header.len {
        len @ 0..=125 => bytes.push(masked | u8::try_from(len).unwrap()),
        len @ 126..=65_535 => {
            bytes.push(masked | 126);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(masked | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(header.mask.iter().flatten());
    bytes
}

/// R066 R067 R068: A header is encoded according to the figure, with the shortest of the three
/// lengths. It decodes to itself as soon as its last byte is there.
#[test]
fn s5_2_an_encoded_header_decodes_to_itself() {
    let lengths = [
        0,
        1,
        125,
        126,
        127,
        255,
        256,
        65_535,
        65_536,
        u64::from(u32::MAX),
        (1 << 32) + 5,
        (1 << 63) - 1,
    ];
    for (opcode, _) in OPCODES {
        for flags in 0..16 {
            for mask in [None, Some(KEY)] {
                for len in lengths {
                    let header = Header {
                        fin: flags & 8 != 0 || opcode.is_control(),
                        reserved: ReservedBits {
                            rsv1: flags & 4 != 0,
                            rsv2: flags & 2 != 0,
                            rsv3: flags & 1 != 0,
                        },
                        opcode,
                        mask,
                        len: if opcode.is_control() { len.min(125) } else { len },
                    };
                    let mut buf = [0xEE; Header::MAX_LEN];
                    let bytes = header.encode(&mut buf).unwrap().to_vec();
                    assert_eq!(bytes, encoded(&header), "{header:?}");
                    for end in 0..bytes.len() {
                        assert_eq!(Header::decode(&bytes[..end]), Ok(None), "{header:?}, {end} bytes");
                    }
                    assert_eq!(Header::decode(&bytes), Ok(Some((header, bytes.len()))));
                    let longer = [&bytes[..], &[0xFF; 9]].concat();
                    assert_eq!(Header::decode(&longer), Ok(Some((header, bytes.len()))));
                }
            }
        }
    }
}

/// R065 R076 R082: A header that breaks a rule is not encoded.
#[test]
fn s5_2_headers_that_break_a_rule_are_not_encoded() {
    for (opcode, _) in OPCODES {
        for len in [126, 65_536, (1 << 63) - 1, 1 << 63, u64::MAX] {
            let expected = if opcode.is_control() {
                Err(control_frame_too_long(opcode as u8))
            } else if len >> 63 == 1 {
                Err(ProtocolError::LengthOverflow)
            } else {
                Ok(())
            };
            let header = Header::new(opcode, len);
            let encoded = header.encode(&mut [0; Header::MAX_LEN]).map(|_| ());
            assert_eq!(encoded, expected, "{header:?}");
        }
        let header = Header {
            fin: false,
            ..Header::new(opcode, 0)
        };
        let encoded = header.encode(&mut [0; Header::MAX_LEN]).map(|_| ());
        let expected = if opcode.is_control() {
            Err(fragmented_control_frame(opcode as u8))
        } else {
            Ok(())
        };
        assert_eq!(encoded, expected, "{header:?}");
    }
}

/// R064 R067: The opcodes have the numbers of section 5.2, and the other numbers are reserved.
#[test]
fn s5_2_opcodes_have_their_numbers() {
    for (opcode, bits) in OPCODES {
        assert_eq!(opcode.is_control(), bits >= 0x8, "{opcode:?}");
        let (header, used) = Header::decode(&[0x80 | bits, 0]).unwrap().unwrap();
        assert_eq!((header, used), (Header::new(opcode, 0), 2));
    }
    for bits in (0x3..=0x7).chain(0xB..=0xF) {
        for fin in [0x00, 0x80] {
            let decoded = Header::decode(slice::from_ref(&(fin | bits)));
            assert_eq!(decoded, Err(reserved_opcode(bits)), "{bits:x}");
        }
    }
    assert_eq!(Opcode::from(MessageKind::Text), Opcode::Text);
    assert_eq!(Opcode::from(MessageKind::Binary), Opcode::Binary);
}

/// R067 R071 R105: The examples of section 5.7.
#[test]
fn s5_7_the_examples_are_decoded() {
    let frames: [(Role, &[u8], Header, &[u8]); 4] = [
        (
            Role::Client,
            &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
            Header::new(Opcode::Text, 5),
            b"Hello",
        ),
        (
            Role::Server,
            &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
            Header {
                mask: Some(KEY),
                ..Header::new(Opcode::Text, 5)
            },
            b"Hello",
        ),
        (
            Role::Client,
            &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
            Header::new(Opcode::Ping, 5),
            b"Hello",
        ),
        (
            Role::Server,
            &[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
            Header {
                mask: Some(KEY),
                ..Header::new(Opcode::Pong, 5)
            },
            b"Hello",
        ),
    ];
    for (role, bytes, header, payload) in frames {
        assert_eq!(decode_all(role, bytes, &[]), [(header, payload.to_vec())]);
    }
    let lengths: [(&[u8], u64); 2] = [
        (&[0x82, 0x7E, 0x01, 0x00], 256),
        (&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
    ];
    for (bytes, len) in lengths {
        let header = Header::new(Opcode::Binary, len);
        assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
    }
}

/// The frames in `bytes`, which arrive in pieces that end at `cuts`. The pieces of each payload are
/// joined.
fn decode_all(role: Role, bytes: &[u8], cuts: &[usize]) -> Vec<(Header, Vec<u8>)> {
    let mut decoder = Decoder::new(role);
    let mut frames: Vec<(Header, Vec<u8>)> = Vec::new();
    let mut is_in_payload = false;
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes[from..to].to_vec();
        from = to;
        let mut input = &mut piece[..];
        loop {
            match decoder.decode(&mut input).unwrap() {
                None => break assert!(input.is_empty(), "`None` means that the input is empty"),
                Some(Item::Header(header)) => {
                    assert!(!is_in_payload, "a header before the end of the payload");
                    is_in_payload = true;
                    frames.push((header, Vec::new()));
                }
                Some(Item::Payload { data, end }) => {
                    assert!(is_in_payload, "a payload without a header");
                    let (header, payload) = frames.last_mut().unwrap();
                    assert!(
                        header.len == 0 || !data.is_empty(),
                        "an empty piece of a payload that is not empty"
                    );
                    payload.extend_from_slice(data);
                    assert_eq!(end, payload.len() as u64 == header.len);
                    is_in_payload = !end;
                }
            }
        }
        assert!(!(is_in_payload && decoder.is_between_frames()));
    }
    assert!(decoder.is_between_frames() && !decoder.is_in_message());
    frames
}

/// R081: A proxy that forwards frames with the codec, and masks them with a key of its own, keeps
/// the fragments and the reserved bit of a compressed message, wherever its input is cut.
#[test]
fn s5_4_a_proxy_keeps_fragments_and_reserved_bits() {
    const NEW_KEY: [u8; 4] = [0xA5, 0, 0x3C, 0xFF];
    let frames: [(bool, bool, Opcode, &[u8]); 6] = [
        (false, true, Opcode::Text, b"\xf2\x48"),
        (false, false, Opcode::Continuation, b""),
        (true, false, Opcode::Ping, b"between"),
        (false, false, Opcode::Continuation, b"\xcd"),
        (true, false, Opcode::Continuation, b"\xc9\xc9\x07\x00"),
        (true, false, Opcode::Binary, &[0x5A; 130]),
    ];
    let encoded_with = |key: [u8; 4]| {
        let mut bytes = Vec::new();
        for (fin, rsv1, opcode, payload) in frames {
            bytes.extend(encoded(&Header {
                fin,
                reserved: if rsv1 { ReservedBits::RSV1 } else { ReservedBits::NONE },
                mask: Some(key),
                ..Header::new(opcode, payload.len() as u64)
            }));
            bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        bytes
    };
    let (bytes, expected) = (encoded_with(KEY), encoded_with(NEW_KEY));
    for step in 1..=bytes.len() {
        let mut decoder = Decoder::new(Role::Server);
        decoder.allow_compressed();
        let (mut forwarded, mut key) = (Vec::new(), NEW_KEY);
        for piece in bytes.clone().chunks_mut(step) {
            let mut input = piece;
            while let Some(item) = decoder.decode(&mut input).unwrap() {
                match item {
                    Item::Header(header) => {
                        let mask = Some(NEW_KEY);
                        let mut buf = [0; Header::MAX_LEN];
                        forwarded.extend_from_slice(Header { mask, ..header }.encode(&mut buf).unwrap());
                        key = NEW_KEY;
                    }
                    Item::Payload { data, end: _ } => {
                        key = mask::apply(data, key);
                        forwarded.extend_from_slice(data);
                    }
                }
            }
        }
        assert!(forwarded == expected, "in pieces of {step} bytes");
    }
}

/// R212: Extensions of the caller's own and permessage-deflate may be negotiated in any order: each
/// bit is allowed where its extension gives it a meaning.
#[test]
fn s9_the_order_of_negotiation_does_not_matter() {
    let mut first = Decoder::new(Role::Client);
    first.allow_compressed();
    first.allow_reserved(ReservedBits::RSV2);
    let mut second = Decoder::new(Role::Client);
    second.allow_reserved(ReservedBits::RSV2);
    second.allow_compressed();
    for decoder in [first, second] {
        // Every set of bits, on the first frame of a message and on the one after it.
        for bits in 0..8u8 {
            for (is_first, allowed) in [(true, bits & 0b001 == 0), (false, bits & 0b101 == 0)] {
                let mut decoder = decoder.clone();
                let mut begin = [0x01, 0];
                let mut begin = if is_first { &mut [][..] } else { &mut begin };
                while decoder.decode(&mut begin).unwrap().is_some() {}
                let mut frame = [bits << 4 | u8::from(is_first), 0];
                let found = decoder.decode(&mut &mut frame[..]);
                assert_eq!(found.is_ok(), allowed, "{bits:03b}, first: {is_first}");
            }
        }
    }
}

/// R068 R071 R072 R104 R105: Wherever the input is cut, the decoder finds the same frames, and a
/// server's decoder unmasks them.
#[test]
fn s5_2_the_decoder_finds_the_same_frames_in_any_cut() {
    let frames: [(bool, Opcode, &[u8]); 9] = [
        (true, Opcode::Text, b"whole"),
        (false, Opcode::Text, b"be"),
        (true, Opcode::Ping, b"!"),
        (false, Opcode::Continuation, b""),
        (true, Opcode::Pong, b""),
        (true, Opcode::Continuation, b"gun"),
        (true, Opcode::Binary, b""),
        (true, Opcode::Binary, &[0x5A; 127]),
        (true, Opcode::Close, &[0x03, 0xE8]),
    ];
    for role in ROLES {
        let mask = (role == Role::Server).then_some(KEY);
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (fin, opcode, payload) in frames {
            let header = Header {
                fin,
                mask,
                ..Header::new(opcode, payload.len() as u64)
            };
            let mut buf = [0; Header::MAX_LEN];
            bytes.extend_from_slice(header.encode(&mut buf).unwrap());
            let key = mask.unwrap_or_default();
            bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            expected.push((header, payload.to_vec()));
        }
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                assert_eq!(
                    decode_all(role, &bytes, &[first, second]),
                    expected,
                    "cut at {first}, {second}"
                );
            }
        }
        let everywhere: Vec<usize> = (1..bytes.len()).collect();
        assert_eq!(decode_all(role, &bytes, &everywhere), expected);
    }
}

/// R138: The decoder allocates nothing, whatever length a header announces.
#[test]
fn s10_4_the_decoder_never_allocates() {
    let mut bytes = [
        0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5, 6, 7,
    ];
    let mut items = 0;
    let info = allocation_counter::measure(|| {
        let mut decoder = Decoder::new(Role::Server);
        for byte in &mut bytes {
            let mut input = slice::from_mut(byte);
            while decoder.decode(&mut input).unwrap().is_some() {
                items += 1;
            }
        }
    });
    assert_eq!(items, 4, "a header, and three bytes of payload");
    assert_eq!(info.count_total, 0);
}

/// R071: Byte `i` of a payload is masked with byte `i mod 4` of the key, wherever the payload is
/// cut.
#[test]
fn s5_3_masking_in_pieces_equals_masking_at_once() {
    let payload: Vec<u8> = (0..41_u8).map(|i| i.wrapping_mul(7)).collect();
    for len in 0..payload.len() {
        let expected: Vec<u8> = (0..len).map(|i| payload[i] ^ KEY[i % 4]).collect();
        for first in 0..=len {
            for second in first..=len {
                let mut data = payload[..len].to_vec();
                let key = mask::apply(&mut data[..first], KEY);
                let key = mask::apply(&mut data[first..second], key);
                let key = mask::apply(&mut data[second..], key);
                assert_eq!(data, expected, "{len} bytes, cut at {first} and {second}");
                let rotated: [u8; 4] = std::array::from_fn(|i| KEY[(len + i) % 4]);
                assert_eq!(key, rotated, "{len} bytes, cut at {first} and {second}");
            }
        }
    }
}

/// The same rules, on a connection.
#[cfg(feature = "alloc")]
mod connection {
    use std::collections::HashSet;

    use sockless::{
        CloseCode, CloseFrame, Config, Connection, Event, MessageKind, ProtocolError, Role, SendError, State,
    };

    use super::{expected_violation, header_tails};
    use support::{
        KEY, Length, Outcome, ROLES, feed, feed_bytewise, feed_cut, frame, frames, header, non_minimal_length, open,
        peer_of, reserved_bits, reserved_opcode, too_big,
    };

    /// Receives `input` in one piece and byte by byte, asserts that both outcomes are equal, and
    /// returns the outcome.
    fn receive(role: Role, input: &[u8]) -> Outcome {
        let whole = feed(&mut open(role, Config::default()), input);
        let bytewise = feed_bytewise(&mut open(role, Config::default()), input);
        assert_eq!(whole, bytewise, "{role:?}: {input:02x?}");
        whole
    }

    /// Whether `out` is one Close frame of `role` with the code and no reason.
    fn is_close(role: Role, out: &[u8], code: CloseCode) -> bool {
        frames(role, out) == [(0x88, u16::from(code).to_be_bytes().to_vec())]
    }

    /// Asserts that `input` fails the connection with `error` and the close code 1002. `before` is
    /// valid input that precedes it and needs no answer.
    fn assert_fails(role: Role, before: &[u8], input: &[u8], error: ProtocolError) {
        let both = [before, input].concat();
        let outcome = receive(role, &both);
        assert_eq!(outcome.error, Some(error), "{role:?}: {before:02x?} {input:02x?}");
        let in_two = feed_cut(&mut open(role, Config::default()), &both, &[before.len()]);
        assert_eq!(outcome, in_two, "{role:?}: {before:02x?} {input:02x?}");
        assert!(
            is_close(role, &outcome.out, CloseCode::PROTOCOL_ERROR),
            "{role:?}: {input:02x?}"
        );
    }

    /// R066 R071: A message of any length is sent as one frame. The frame is the same whatever the
    /// capacity of the output, and is appended to what is there. With enough capacity, nothing is
    /// allocated.
    #[test]
    fn s5_2_the_capacity_of_the_output_does_not_change_the_frame() {
        const BEFORE: &[u8] = b"before";
        const HEADER: usize = 8;
        for role in ROLES {
            for len in (0..=200).chain([1000, 65_535, 65_536]) {
                let payload: Vec<u8> = (0..len).map(|at: usize| (at * 7 + at / 251) as u8).collect();
                let sent = |capacity: usize| {
                    let mut connection = open(role, Config::default());
                    let mut out = Vec::with_capacity(BEFORE.len() + capacity);
                    out.extend_from_slice(BEFORE);
                    let before = out.capacity();
                    connection.send_binary(&payload, &mut out).unwrap();
                    assert!(len > 65_535 || capacity < HEADER + len || out.capacity() == before);
                    assert_eq!(&out[..BEFORE.len()], BEFORE);
                    // The key of the next frame does not depend on the capacity either.
                    out.reserve(1000);
                    connection.send_binary(b"next", &mut out).unwrap();
                    out.split_off(BEFORE.len())
                };
                let expected = sent(0);
                let both = [(0x82, payload.clone()), (0x82, b"next".to_vec())];
                assert_eq!(frames(role, &expected), both, "{role:?}, {len} bytes");
                for capacity in (len..len + 20).chain([1, 100_000]) {
                    assert!(sent(capacity) == expected, "{role:?}, {len} bytes, capacity {capacity}");
                }
            }
        }
    }

    /// An output buffer that is cleared after a message has the capacity for a message of the same
    /// length, with the longest header.
    #[test]
    fn an_output_buffer_has_capacity_for_a_second_message_of_the_same_length() {
        for role in ROLES {
            for len in [0, 16, 125, 126, 1000] {
                let (mut connection, mut out) = (open(role, Config::default()), Vec::new());
                connection.send_binary(&vec![1; len], &mut out).unwrap();
                assert!(out.capacity() >= 14 + len, "{role:?}, {len} bytes");
            }
        }
    }

    /// The output of each command of `role`, and of each automatic reply.
    fn every_kind_of_output(role: Role) -> Vec<(&'static str, Vec<u8>)> {
        let mut sent = Vec::new();
        let mut add = |name, command: &dyn Fn(&mut Connection, &mut Vec<u8>)| {
            let mut out = Vec::new();
            command(&mut open(role, Config::default()), &mut out);
            sent.push((name, out));
        };
        add("text", &|ws, out| ws.send_text("text", out).unwrap());
        add("binary", &|ws, out| ws.send_binary(b"\x00", out).unwrap());
        add("empty", &|ws, out| ws.send_binary(b"", out).unwrap());
        add("medium", &|ws, out| ws.send_binary(&[7; 126], out).unwrap());
        add("long", &|ws, out| ws.send_binary(&[7; 65_536], out).unwrap());
        add("fragments", &|ws, out| {
            ws.send_fragment(MessageKind::Text, b"be", false, out).unwrap();
            ws.send_fragment(MessageKind::Text, b"", false, out).unwrap();
            ws.send_fragment(MessageKind::Text, b"gun", true, out).unwrap();
        });
        add("ping", &|ws, out| ws.ping(b"ping", out).unwrap());
        add("pong", &|ws, out| ws.pong(b"", out).unwrap());
        add("close", &|ws, out| ws.close(CloseCode::NORMAL, "bye", out).unwrap());
        add("empty close", &|ws, out| ws.close(None, "", out).unwrap());
        let peer = peer_of(role);
        add("automatic pong", &|ws, out| {
            out.extend(feed(ws, &frame(peer, 0x89, b"?")).out);
        });
        add("automatic close", &|ws, out| {
            out.extend(feed(ws, &frame(peer, 0x88, b"")).out);
        });
        add("answer to a violation", &|ws, out| {
            out.extend(feed(ws, &frame(peer, 0x83, b"")).out);
        });
        sent
    }

    /// R059: "A client MUST mask all frames that it sends to the server", control frames included.
    #[test]
    fn s5_1_a_client_masks_every_frame() {
        for (name, out) in every_kind_of_output(Role::Client) {
            // `frames` asserts that each frame is masked.
            assert!(!frames(Role::Client, &out).is_empty(), "{name}");
            assert_eq!(out[1] & 0x80, 0x80, "{name}");
        }
    }

    /// R061: "A server MUST NOT mask any frames that it sends to the client."
    #[test]
    fn s5_1_a_server_masks_no_frame() {
        for (name, out) in every_kind_of_output(Role::Server) {
            assert!(!frames(Role::Server, &out).is_empty(), "{name}");
            assert_eq!(out[1] & 0x80, 0, "{name}");
        }
        let mut out = Vec::new();
        let mut server = open(Role::Server, Config::default());
        server.send_header(MessageKind::Binary, 1, &mut out).unwrap();
        assert_eq!(out, [0x82, 1]);
    }

    /// R059 R061: Each role receives what the other role sends.
    #[test]
    fn s5_1_what_one_role_sends_the_other_receives() {
        for role in ROLES {
            for (name, out) in every_kind_of_output(role) {
                let outcome = receive(peer_of(role), &out);
                assert_eq!(outcome.error, None, "{role:?}: {name}");
                assert_eq!(outcome.events.len(), 1, "{role:?}: {name}");
            }
        }
    }

    /// R060: "The server MUST close the connection upon receiving a frame that is not masked."
    #[test]
    fn s5_1_a_server_refuses_unmasked_frames() {
        assert_frames_of_the_same_role_fail(Role::Server, ProtocolError::UnmaskedFrame);
    }

    /// R062: "A client MUST close a connection if it detects a masked frame."
    #[test]
    fn s5_1_a_client_refuses_masked_frames() {
        assert_frames_of_the_same_role_fail(Role::Client, ProtocolError::MaskedFrame);
    }

    /// Asserts that frames with the mask bit of `role` itself fail the connection.
    fn assert_frames_of_the_same_role_fail(role: Role, error: ProtocolError) {
        let fragment = frame(peer_of(role), 0x01, b"first");
        for (before, first) in [
            (&[][..], 0x81),
            (&[], 0x82),
            (&[], 0x01),
            (&[], 0x02),
            (&[], 0x88),
            (&[], 0x89),
            (&[], 0x8A),
            (&fragment, 0x80),
            (&fragment, 0x00),
            (&fragment, 0x89),
        ] {
            // A frame as `role` itself sends it.
            assert_fails(role, before, &frame(role, first, b""), error);
            assert_fails(role, before, &frame(role, first, &[0; 125]), error);
        }
        for len in [126, 65_536] {
            assert_fails(role, &[], &frame(role, 0x82, &vec![0; len]), error);
        }
        // A key of zeroes is a mask too, although it does not change the payload.
        let zero_key = [&header(0x81, role == Role::Client, Length::Short, 0)[..], &[0; 4]].concat();
        assert_fails(role, &[], &zero_key, error);
    }

    /// R063 R101: A reserved bit fails the connection, with each opcode, inside a message and
    /// outside, because no extension was negotiated.
    #[test]
    fn s5_2_reserved_bits_fail_the_connection() {
        for role in ROLES {
            let fragment = frame(peer_of(role), 0x01, b"first");
            for before in [&[][..], &fragment] {
                for bits in 1..8 {
                    for opcode in 0..16 {
                        for fin in [0x00, 0x80] {
                            let bytes = frame(peer_of(role), fin | bits << 4 | opcode, b"");
                            assert_fails(role, before, &bytes, reserved_bits(bytes[0]));
                        }
                    }
                }
            }
        }
    }

    /// R063: A frame without reserved bits is accepted where its opcode is permitted.
    #[test]
    fn s5_2_frames_without_reserved_bits_are_accepted() {
        for role in ROLES {
            let fragment = frame(peer_of(role), 0x01, b"first");
            for (before, first) in [
                (&[][..], 0x81),
                (&[], 0x82),
                (&[], 0x01),
                (&[], 0x02),
                (&[], 0x88),
                (&[], 0x89),
                (&[], 0x8A),
                (&fragment, 0x00),
                (&fragment, 0x80),
                (&fragment, 0x88),
                (&fragment, 0x89),
                (&fragment, 0x8A),
            ] {
                let input = [before, &frame(peer_of(role), first, b"")].concat();
                assert_eq!(receive(role, &input).error, None, "{role:?}: {first:02x}");
            }
        }
    }

    /// R064: "If an unknown opcode is received, the receiving endpoint MUST fail the connection."
    #[test]
    fn s5_2_reserved_opcodes_fail_the_connection() {
        for role in ROLES {
            let fragment = frame(peer_of(role), 0x02, b"first");
            for before in [&[][..], &fragment] {
                for opcode in (0x3..=0x7).chain(0xB..=0xF) {
                    for fin in [0x00, 0x80] {
                        for payload in [&b""[..], &[0; 126]] {
                            let bytes = frame(peer_of(role), fin | opcode, payload);
                            assert_fails(role, before, &bytes, reserved_opcode(bytes[0]));
                        }
                    }
                }
            }
        }
    }

    /// R060 R062 R063 R064 R065 R066 R139: A connection validates a header in the order of the
    /// rules, in one piece and byte by byte.
    #[test]
    fn s5_2_the_reported_violation_does_not_depend_on_the_cuts() {
        for role in ROLES {
            for in_message in [false, true] {
                let before = if in_message {
                    frame(peer_of(role), 0x02, b"")
                } else {
                    Vec::new()
                };
                for first in 0..=u8::MAX {
                    for second in [0, 1, 125, 126, 127].map(|len| [len, 0x80 | len]).concat() {
                        for tail in header_tails(second) {
                            let head = [&[first, second][..], &tail].concat();
                            let outcome = receive(role, &[&before[..], &head].concat());
                            // A valid length above the limit on messages fails with that limit.
                            let expected = match expected_violation(role, in_message, &head) {
                                Some((_, error)) => Some(error),
                                None if second & 0x7F == 127 && tail[..5] != [0; 5] => {
                                    Some(too_big(u64::from_be_bytes(tail[..8].try_into().unwrap()), 16 << 20))
                                }
                                None => None,
                            };
                            assert_eq!(outcome.error, expected, "{role:?}: {before:02x?} {head:02x?}");
                        }
                    }
                }
            }
        }
    }

    /// Lengths around the limits of each form.
    const BOUNDARIES: [(usize, Length); 8] = [
        (0, Length::Short),
        (1, Length::Short),
        (125, Length::Short),
        (126, Length::Medium),
        (127, Length::Medium),
        (65_535, Length::Medium),
        (65_536, Length::Long),
        (65_537, Length::Long),
    ];

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    /// R066 R067: "The minimal number of bytes MUST be used to encode the length", in network byte
    /// order. The length does not include the key.
    #[test]
    fn s5_2_lengths_are_sent_in_their_shortest_form() {
        for role in ROLES {
            for (len, form) in BOUNDARIES {
                let data = payload(len);
                let mut out = Vec::new();
                open(role, Config::default()).send_binary(&data, &mut out).unwrap();
                let head = header(0x82, role == Role::Client, form, len as u64);
                let key = if role == Role::Client { 4 } else { 0 };
                assert_eq!(&out[..head.len()], head, "{role:?}: {len}");
                assert_eq!(out.len(), head.len() + key + len, "{role:?}: {len}");
                assert_eq!(frames(role, &out), [(0x82, data)], "{role:?}: {len}");
            }
        }
    }

    /// R067 R068: A length in its shortest form is understood wherever its header is cut, and the
    /// next frame is found after the payload.
    #[test]
    fn s5_2_every_form_of_length_is_received() {
        for role in ROLES {
            for (len, _) in BOUNDARIES {
                let data = payload(len);
                let message = frame(peer_of(role), 0x82, &data);
                let input = [&message[..], &frame(peer_of(role), 0x89, b"next")].concat();
                let expected = [Event::Binary(data.into()), Event::Ping(b"next"[..].into())];
                assert_eq!(receive(role, &input).events, expected, "{role:?}: {len}");
                for cut in 1..input.len().min(16) {
                    let outcome = feed_cut(&mut open(role, Config::default()), &input, &[cut]);
                    assert_eq!(outcome.events, expected, "{role:?}: {len}, cut at {cut}");
                    assert_eq!(outcome.error, None);
                }
            }
        }
    }

    /// R066: A length that is not in its shortest form fails the connection, so that all readers of
    /// a stream find the same frames.
    #[test]
    fn s5_2_longer_forms_of_a_length_fail_the_connection() {
        for role in ROLES {
            for (form, lengths) in [
                (Length::Medium, &[0, 1, 124, 125][..]),
                (Length::Long, &[0, 1, 125, 126, 127, 65_534, 65_535]),
            ] {
                for &len in lengths {
                    let error = non_minimal_length(if form == Length::Medium { 16 } else { 64 });
                    for first in [0x81, 0x82, 0x01] {
                        let mut bytes = header(first, role == Role::Server, form, len);
                        if role == Role::Server {
                            bytes.extend([0; 4]);
                        }
                        assert_fails(role, &[], &bytes, error);
                        // The whole frame fails too.
                        bytes.extend(vec![b'x'; usize::try_from(len).unwrap()]);
                        assert_fails(role, &[], &bytes, error);
                    }
                }
            }
        }
    }

    /// R065 R138: "The most significant bit MUST be 0". No memory is reserved for such a length.
    #[test]
    fn s5_2_a_length_with_its_most_significant_bit_fails_the_connection() {
        for role in ROLES {
            for len in [1 << 63, (1 << 63) + 1, u64::MAX, u64::MAX - 1, 0xFFFF_FFFF_0000_0000] {
                let config = Config::new().max_message_size(u64::MAX);
                let mut bytes = header(0x82, role == Role::Server, Length::Long, len);
                bytes.extend([0; 8]);
                assert_fails(role, &[], &bytes, ProtocolError::LengthOverflow);
                let mut connection = open(role, config);
                let mut out = Vec::with_capacity(64);
                let mut result = Ok(None);
                let info = allocation_counter::measure(|| result = connection.receive(&mut &mut bytes[..], &mut out));
                assert_eq!(
                    result,
                    Err(Box::new(ProtocolError::LengthOverflow)),
                    "{role:?}: {len:x}"
                );
                // Only the close status is allocated.
                assert!(info.bytes_total < 512, "{role:?}: {len:x}: {info:?}");
            }
        }
    }

    /// The mask keys of the frames in `out`, whose payloads are short.
    fn keys(out: &[u8]) -> Vec<[u8; 4]> {
        let mut keys = Vec::new();
        let mut rest = out;
        while let [_, len, a, b, c, d, after @ ..] = rest {
            keys.push([*a, *b, *c, *d]);
            rest = &after[usize::from(len & 0x7F)..];
        }
        assert!(rest.is_empty());
        keys
    }

    /// R069 R070: Each frame has a new mask key. The keys do not repeat, and each bit of them is
    /// random.
    #[test]
    fn s5_3_every_frame_has_a_fresh_key() {
        let mut out = Vec::new();
        let mut client = open(Role::Client, Config::default());
        for _ in 0..1000 {
            client.send_binary(b"the same payload", &mut out).unwrap();
        }
        let keys = keys(&out);
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 1000, "no key repeats");
        for bit in 0..32 {
            let set = keys
                .iter()
                .filter(|key| u32::from_be_bytes(**key) >> bit & 1 == 1)
                .count();
            assert!((400..600).contains(&set), "bit {bit} is set in {set} of 1000 keys");
        }
        // The difference between consecutive keys is not constant.
        let differences: HashSet<u32> = keys
            .windows(2)
            .map(|pair| u32::from_be_bytes(pair[1]).wrapping_sub(u32::from_be_bytes(pair[0])))
            .collect();
        assert!(differences.len() > 990, "{} differences", differences.len());
    }

    /// R069 R070: The mask keys depend on the seed alone, and neither on payloads nor on refused
    /// commands. Each frame takes one key.
    #[test]
    fn s5_3_mask_keys_depend_on_the_seed_alone() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let mut client = open(Role::Client, Config::default());
        for i in 0..8 {
            client.ping(&[i; 5], &mut one).unwrap();
        }
        let config = Config::new().fragment_size(std::num::NonZeroUsize::new(4));
        let mut client = open(Role::Client, config);
        client.send_text("three frames", &mut other).unwrap();
        assert_eq!(
            client.ping(&[0; 126], &mut other),
            Err(SendError::ControlFrameTooLong { len: 126 })
        );
        client
            .send_fragment(MessageKind::Text, b"a", false, &mut other)
            .unwrap();
        assert_eq!(
            client.send_fragment(MessageKind::Text, b"\xFF", false, &mut other),
            Err(SendError::InvalidUtf8)
        );
        client.pong(b"p", &mut other).unwrap();
        other.extend(feed(&mut client, &frame(Role::Server, 0x89, b"?")).out);
        client.send_fragment(MessageKind::Text, b"", true, &mut other).unwrap();
        client.close(CloseCode::NORMAL, "", &mut other).unwrap();
        assert_eq!(keys(&one), keys(&other));

        let negotiated = sockless::handshake::Negotiated::default();
        let mut other_client = Connection::upgraded_client(&negotiated, Config::default(), [8; 32]);
        let mut out = Vec::new();
        for i in 0..8 {
            other_client.ping(&[i; 5], &mut out).unwrap();
        }
        let known: HashSet<_> = keys(&one).into_iter().collect();
        assert!(
            keys(&out).iter().all(|key| !known.contains(key)),
            "another seed has other keys"
        );
    }

    /// R070: A client cannot send a header, and with it a mask key, before the payload is known.
    #[test]
    fn s10_3_a_key_is_not_sent_before_the_payload_is_known() {
        let mut out = Vec::new();
        let mut client = open(Role::Client, Config::default());
        for len in [0, 1, 126, u64::MAX] {
            let sent = client.send_header(MessageKind::Binary, len, &mut out);
            assert_eq!(sent, Err(SendError::MaskRequired), "{len}");
        }
        assert_eq!(out, [], "nothing is sent");
        // The frame has a copy of the payload: later changes of the caller's buffer have no effect.
        let mut data = *b"data";
        client.send_binary(&data, &mut out).unwrap();
        data.fill(0);
        assert_eq!(frames(Role::Client, &out), [(0x82, b"data".to_vec())], "{data:?}");
    }

    /// R071 R105: The index into the key starts at 0 in each frame, and continues across the pieces
    /// of a payload.
    #[test]
    fn s5_3_a_server_unmasks_what_it_receives() {
        let data = payload(1000);
        let mut input = Vec::new();
        let (mut rest, mut first) = (&data[..], 0x02);
        for len in [1, 2, 3, 5, 126, 7, 0, 300] {
            let (fragment, after) = rest.split_at(len);
            input.extend(frame(Role::Client, first, fragment));
            (rest, first) = (after, 0x00);
        }
        input.extend(frame(Role::Client, 0x80, rest));
        assert_eq!(
            receive(Role::Server, &input).events,
            [Event::Binary(data.clone().into())]
        );
        // A payload that is masked twice with one key is unchanged.
        let mut masked = data.clone();
        for (byte, key) in masked.iter_mut().zip(KEY.iter().cycle()) {
            *byte ^= key;
        }
        let input = frame(Role::Client, 0x82, &masked);
        assert!(input.ends_with(&data));
        assert_eq!(receive(Role::Server, &input).events, [Event::Binary(masked.into())]);
    }

    /// R071 R059: A client masks the payload, for any length, in one frame and in several.
    #[test]
    fn s5_3_a_client_masks_what_it_sends() {
        for fragment_size in [None, Some(1), Some(3), Some(64)] {
            let config = Config::new().fragment_size(fragment_size.and_then(std::num::NonZeroUsize::new));
            for len in (0..70).chain([125, 126, 127, 1000, 65_536]) {
                let data = payload(len);
                let mut out = Vec::new();
                open(Role::Client, config.clone()).send_binary(&data, &mut out).unwrap();
                let joined: Vec<u8> = frames(Role::Client, &out)
                    .into_iter()
                    .flat_map(|(_, payload)| payload)
                    .collect();
                assert_eq!(joined, data, "{len} bytes, {fragment_size:?}");
            }
        }
    }

    /// R112 R113 R114: An invalid frame leaves one Close frame in the output, and a close status
    /// with the error.
    #[test]
    fn s7_1_7_an_invalid_frame_fails_the_connection() {
        for role in ROLES {
            let mut connection = open(role, Config::default());
            let outcome = feed(&mut connection, &frame(peer_of(role), 0x83, b""));
            assert_eq!(outcome.error, Some(reserved_opcode(0x83)));
            assert!(is_close(role, &outcome.out, CloseCode::PROTOCOL_ERROR));
            assert_eq!(connection.state(), State::Closed);
            let status = connection.close_status().unwrap();
            assert_eq!(status.error, Some(reserved_opcode(0x83)));
            assert_eq!(status.sent, Some(Some(CloseFrame::new(CloseCode::PROTOCOL_ERROR, ""))));
            assert_eq!(status.received, None);
        }
    }
}
