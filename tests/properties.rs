//! Laws that hold for any input, tested with conversations, whole or damaged, in both roles and
//! with both deliveries.

use std::path::Path;

use allocation_counter::AllocationInfo;
use proptest::prelude::*;
use sockless::{
    Config, Connection, Delivery, ProtocolError, Role,
    frame::{Decoder, Header, Item, Opcode},
};

use crate::{
    fuzzing::{self, Seeds},
    streams,
};
use support::{
    Length, ROLES, frame, header,
    laws::{
        self,
        options::{Opening, Options, cuts},
        reference::{self, Limits},
    },
    open, peer_of, too_big,
};

proptest! {
    #![proptest_config(streams::cases(1000))]

    /// R139 R104 R063 R064 R073 R074 R076 R082 R083 R084 R099 R137: For any bytes from a client,
    /// the outcome of the server is that of the reference decoder.
    #[test]
    fn s6_2_a_server_agrees_with_the_reference_decoder(data in streams::input(Role::Server)) {
        laws::server_bytes(&data);
    }

    /// R139 R104 R062 R063 R064 R073 R074 R076 R082 R083 R084 R099 R137: For any bytes from a
    /// server, the outcome of the client is that of the reference decoder.
    #[test]
    fn s6_2_a_client_agrees_with_the_reference_decoder(data in streams::input(Role::Client)) {
        laws::client_bytes(&data);
    }

    /// R032 R058 R139: For any opening handshake of a client, the server does not panic, and its
    /// response and memory are bounded.
    #[test]
    fn s10_7_a_server_is_bounded_for_any_opening_handshake(options in any::<[u8; 5]>(), head in streams::opening(Role::Server)) {
        laws::server_bytes(&[&streams::with_arbitrary_opening(options), &head[..]].concat());
    }

    /// R021 R027 R139: For any response of a server, the client does not panic, and its memory is
    /// bounded.
    #[test]
    fn s10_7_a_client_is_bounded_for_any_opening_handshake(options in any::<[u8; 5]>(), head in streams::opening(Role::Client)) {
        laws::client_bytes(&[&streams::with_arbitrary_opening(options), &head[..]].concat());
    }

    /// A second server that receives the unread bytes of the first reports the remaining events, at
    /// any point.
    #[test]
    fn into_parts_of_a_server_loses_no_bytes(data in prop_oneof![streams::valid_input(Role::Server), streams::input(Role::Server)]) {
        laws::takeover(&data);
    }

    /// A second client that receives the unread bytes of the first reports the remaining events, at
    /// any point.
    #[test]
    fn into_parts_of_a_client_loses_no_bytes(data in prop_oneof![streams::valid_input(Role::Client), streams::input(Role::Client)]) {
        laws::takeover(&data);
    }

    /// R067 R072 R075 R077 R078 R079 R098 R103: What one endpoint sends in any fragments arrives at
    /// the other.
    #[test]
    fn s5_4_a_conversation_arrives_as_it_was_sent(header in any::<[u8; 20]>(), steps in streams::conversation_bytes()) {
        laws::frame_roundtrip(&[&header[..], &steps].concat());
    }

    /// R104 R068 R071: The decoder of frames agrees with the reference decoder, in any cut.
    #[test]
    fn s5_2_the_decoder_agrees_with_the_reference_decoder(
        (role, bytes) in prop_oneof![
            streams::stream(Role::Server).prop_map(|bytes| (Role::Server, bytes)),
            streams::stream(Role::Client).prop_map(|bytes| (Role::Client, bytes)),
        ],
        seed in any::<u8>(),
    ) {
        let (frames, error) = reference::frames(role, &bytes);
        let decoded = decode(role, &bytes, &cuts(seed, bytes.len()));
        prop_assert_eq!(decoded, (frames, error));
    }
}

#[cfg(feature = "deflate")]
proptest! {
    #![proptest_config(streams::cases(300))]

    /// R171 R186 R187: With permessage-deflate, the outcome of any input does not depend on the
    /// cuts, and the memory is bounded (F36, F45).
    #[test]
    fn s6_2_the_outcome_of_compressed_bytes_does_not_depend_on_the_cuts(
        header in any::<[u8; 6]>(),
        steps in streams::conversation_bytes(),
        damage in proptest::collection::vec(any::<(u8, u16, u8)>(), 0..3),
    ) {
        let mut input = laws::compressed::compressed_input(&[&header[..], &steps].concat());
        for (kind, at, value) in damage {
            let mut bytes = input.split_off(6);
            streams::damage_bytes(&mut bytes, kind, at, value);
            input.append(&mut bytes);
        }
        laws::compressed::compressed_bytes(&input);
    }

    /// R165 R170 R171: What one endpoint sends compressed, in any fragments, arrives at the other.
    #[test]
    fn s6_a_compressed_conversation_arrives_as_it_was_sent(
        header in any::<[u8; 6]>(),
        steps in streams::conversation_bytes(),
    ) {
        laws::compressed::compressed_roundtrip(&[&header[..], &steps].concat());
    }
}

/// The frames and the error that a decoder finds, as frames of the reference decoder.
fn decode(role: Role, bytes: &[u8], cuts: &[usize]) -> (Vec<reference::Frame>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(role);
    let mut frames: Vec<reference::Frame> = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes[from..to].to_vec();
        from = to;
        let mut input = &mut piece[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(None) => {
                    assert!(input.is_empty());
                    break;
                }
                Ok(Some(Item::Header(header))) => frames.push(reference::Frame {
                    first: first_byte(&header),
                    len: header.len,
                    key: header.mask,
                    payload: Vec::new(),
                }),
                Ok(Some(Item::Payload { data, end })) => {
                    let frame = frames.last_mut().unwrap();
                    assert!(!data.is_empty() || frame.len == 0, "an empty piece is an empty frame");
                    frame.payload.extend_from_slice(data);
                    assert_eq!(end, frame.is_whole());
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut input), Err(error), "errors are final");
                    return (frames, Some(error));
                }
            }
        }
    }
    let in_header = frames.last().is_none_or(reference::Frame::is_whole);
    let whole: usize = frames.iter().map(|frame| header_len(frame) + frame.payload.len()).sum();
    assert_eq!(decoder.is_between_frames(), in_header && whole == bytes.len());
    (frames, None)
}

fn first_byte(header: &Header) -> u8 {
    let opcode = match header.opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    let bits = [
        (header.fin, 128),
        (header.reserved.rsv1, 64),
        (header.reserved.rsv2, 32),
        (header.reserved.rsv3, 16),
    ];
    bits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum::<u8>() + opcode
}

fn header_len(frame: &reference::Frame) -> usize {
    let key = if frame.key.is_some() { 4 } else { 0 };
    key + match frame.len {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    }
}

/// R060 R062 R063 R064 R065 R066 R073 R074 R076 R082: Every first byte with every second byte, in
/// both roles, between messages and inside one.
#[test]
fn s5_2_every_pair_of_first_bytes_agrees_with_the_reference_decoder() {
    // Extended lengths, and the bytes after them.
    const MEDIUM: [&[u8]; 5] = [
        &[],
        &[0, 125],
        &[0, 126],
        &[255, 255, 1, 2, 3, 4],
        &[0, 1, 0, 0, 0, 0, b'x'],
    ];
    const LONG: [&[u8]; 7] = [
        &[128],
        &[0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 1, 0, 0],
        &[0, 0, 0, 0, 0, 0, 255, 255],
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, b'x'],
        &[127; 13],
        &[128; 13],
    ];
    let limits = Limits {
        message_size: 1 << 40,
        fragments: 9,
    };
    let config = Config::new()
        .max_message_size(limits.message_size)
        .max_fragments(limits.fragments);
    for role in ROLES {
        for before in [vec![], frame(peer_of(role), 0x01, b"")] {
            for (first, second) in (0..=255).flat_map(|first| (0..=255).map(move |second| (first, second))) {
                for after in match second % 128 {
                    126 => &MEDIUM[..],
                    127 => &LONG[..],
                    _ => &MEDIUM[..1],
                } {
                    let bytes = [&before[..], &[first, second], after].concat();
                    assert_eq!(decode(role, &bytes, &[]), reference::frames(role, &bytes), "{bytes:x?}");
                    let outcome = support::feed(&mut open(role, config.clone()), &bytes);
                    let expected = reference::receive(role, &bytes, limits);
                    assert_eq!(
                        (outcome.events, outcome.error),
                        (expected.events, expected.error),
                        "{bytes:x?}"
                    );
                }
            }
        }
    }
}

/// R119 R120 R121 R122 R123 R124 R127: Every close code is validated and answered as the reference
/// decoder says, in both roles, by the engine and by the application.
#[test]
fn s7_4_every_close_code_agrees_with_the_reference_decoder() {
    for code in (0..=5_100_u16).chain([9_999, 65_535]) {
        for app_replies in [0, 0b1_1000] {
            for (role, law) in [
                (Role::Server, laws::server_bytes as fn(&[u8])),
                (Role::Client, laws::client_bytes),
            ] {
                let close = frame(peer_of(role), 0x88, &code.to_be_bytes());
                law(&[&[app_replies, 0, 0, 0, 0], &close[..]].concat());
            }
        }
    }
}

/// R065 R138: A header that announces 2^62 bytes reserves nothing. The first bytes of its payload
/// reserve at most 64 KiB.
#[test]
fn s10_4_an_announced_length_is_not_reserved() {
    for (role, delivery, first) in every_receiver() {
        let config = Config::new().max_message_size(u64::MAX).delivery(delivery);
        let mut bytes = header(first, role == Role::Server, Length::Long, 1 << 62);
        if role == Role::Server {
            bytes.extend_from_slice(&support::KEY);
        }
        // Pieces that end inside a code point.
        for (first_piece, piece) in [(0, 1), (0, 3), (0, 7), (1, 3), (1, 99), (2, 98), (3, 97), (4, 96)] {
            let mut connection = open(role, config.clone());
            let heap = heap_use(&mut connection, bytes.clone().chunks_mut(1));
            assert_eq!(heap.count_total, 0, "{role:?} {delivery:?} {first:x}");
            let mut payload = "𝄞".repeat(25).into_bytes();
            if role == Role::Server {
                mask_bytewise(&mut payload, support::KEY);
            }
            let bound = (64 << 10) + 2 * payload.len() as u64;
            let (front, rest) = payload.split_at_mut(first_piece);
            let heap = heap_use(&mut connection, std::iter::once(front).chain(rest.chunks_mut(piece)));
            assert!(
                heap.bytes_max <= bound,
                "{delivery:?} {first:x} {first_piece} {piece}: {heap:?}"
            );
        }
    }
}

/// R137 R138: A length over the limit fails at its header, and holds no memory.
#[test]
fn s10_4_a_length_over_the_limit_fails_at_its_header() {
    for (role, delivery, first) in every_receiver() {
        let config = Config::new().delivery(delivery);
        let mut bytes = header(first, role == Role::Server, Length::Long, (16 << 20) + 1);
        bytes.extend_from_slice(&support::KEY[..if role == Role::Server { 4 } else { 0 }]);
        let mut connection = open(role, config);
        let mut out = Vec::with_capacity(64);
        let heap = allocation_counter::measure(|| {
            let result = connection.receive(&mut &mut bytes[..], &mut out);
            assert_eq!(result, Err(Box::new(too_big((16 << 20) + 1, 16 << 20))));
        });
        assert!(heap.bytes_max < 256, "only the close status: {heap:?}");
    }
}

/// R078 R137: Many empty fragments allocate nothing.
#[test]
fn s5_4_empty_fragments_allocate_nothing() {
    for (role, delivery, first) in every_receiver() {
        let config = Config::new().delivery(delivery);
        let mut bytes = frame(peer_of(role), first & 0x7F, b"");
        bytes.extend(frame(peer_of(role), 0x00, b"").repeat(100_000));
        let heap = heap_use(&mut open(role, config), [&mut bytes[..]].into_iter());
        assert_eq!(heap.count_total, 0, "{role:?} {delivery:?} {first:x}: {heap:?}");
    }
}

/// R137: A message in small pieces needs memory and copies in proportion to its bytes.
#[test]
fn s10_4_the_memory_of_a_message_in_pieces_is_linear() {
    const LEN: usize = 300_000;
    for (role, delivery, first) in every_receiver() {
        let config = Config::new().delivery(delivery);
        for pieces in [1, 1000] {
            let mut bytes = frame(peer_of(role), first & 0x7F, &vec![b'x'; LEN / 2]);
            for _ in 0..5 {
                bytes.extend(frame(peer_of(role), 0x89, b"ping"));
                bytes.extend(frame(peer_of(role), 0x00, &vec![b'y'; LEN / 10]));
            }
            let heap = heap_use(&mut open(role, config.clone()), bytes.chunks_mut(pieces));
            let held = if delivery == Delivery::Chunks {
                1024
            } else {
                3 * bytes.len() as u64 + (64 << 10)
            };
            assert!(heap.bytes_max <= held, "{role:?} {delivery:?} {first:x}: {heap:?}");
            assert!(
                heap.bytes_total <= 8 * bytes.len() as u64,
                "{role:?} {delivery:?} {first:x}: {heap:?}"
            );
        }
    }
}

/// A message that is whole in the input is borrowed: nothing is allocated.
#[test]
fn a_whole_message_is_borrowed_without_an_allocation() {
    for (role, delivery, first) in every_receiver() {
        let config = Config::new().delivery(delivery);
        let mut bytes = Vec::new();
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            bytes.extend(frame(peer_of(role), first, &vec![b'x'; len]));
            bytes.extend(frame(peer_of(role), 0x8A, b"pong"));
        }
        let heap = heap_use(&mut open(role, config), [&mut bytes[..]].into_iter());
        assert_eq!(heap.count_total, 0, "{role:?} {delivery:?} {first:x}: {heap:?}");
    }
}

/// Both roles, both deliveries and both kinds of message.
fn every_receiver() -> impl Iterator<Item = (Role, Delivery, u8)> {
    ROLES.into_iter().flat_map(|role| {
        [Delivery::Messages, Delivery::Chunks]
            .into_iter()
            .flat_map(move |delivery| [(role, delivery, 0x81), (role, delivery, 0x82)])
    })
}

/// The allocations while `pieces` arrive. Events are dropped, and the output is kept.
fn heap_use<'b>(connection: &mut Connection, pieces: impl Iterator<Item = &'b mut [u8]>) -> AllocationInfo {
    let mut out = Vec::with_capacity(4096);
    allocation_counter::measure(|| {
        for mut input in pieces {
            while connection.receive(&mut input, &mut out).unwrap().is_some() {}
        }
    })
}

fn mask_bytewise(bytes: &mut [u8], key: [u8; 4]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

fn seeds() -> Vec<Seeds> {
    let inputs = |role: Role| {
        let mut inputs = Vec::new();
        let role_bit = u8::from(role == Role::Client);
        for options in [
            [0, 0, 0, 1, 128],
            [2, 0, 1, 2, 60],
            [28, 0, 3, 4, 200],
            [96, 0, 5, 6, 99],
            [0, 2, 1, 7, 230],
            [18, 10, 9, 1, 128],
        ] {
            for stream in streams::short_streams(role) {
                inputs.push([&[options[0] | role_bit], &options[1..], &stream].concat());
            }
        }
        let (mut options, _) = Options::read(&[]);
        options.role = role;
        options.opening = Opening::Valid;
        for second in [3, 11, 15, 19] {
            inputs.push(
                [
                    &[role_bit, second, 0, 1, 0],
                    &options.opening_bytes()[..],
                    &streams::short_streams(role)[4],
                ]
                .concat(),
            );
        }
        inputs
    };
    let both = [inputs(Role::Server), inputs(Role::Client)].concat();
    // A prefix of equal bytes, and then every kind of call.
    let conversations: Vec<Vec<u8>> = (0..=255)
        .map(|choice| [&[choice; 24][..], &[choice, 20, 0x40, 0x92, 5, 130, 9, 0xF0, 3, 8]].concat())
        .collect();
    vec![
        #[cfg(feature = "deflate")]
        (
            "compressed_bytes",
            laws::compressed::compressed_bytes,
            conversations
                .iter()
                .map(|bytes| laws::compressed::compressed_input(bytes))
                .collect(),
        ),
        #[cfg(feature = "deflate")]
        (
            "compressed_roundtrip",
            laws::compressed::compressed_roundtrip,
            conversations.clone(),
        ),
        ("server_bytes", laws::server_bytes, inputs(Role::Server)),
        ("client_bytes", laws::client_bytes, inputs(Role::Client)),
        ("rechunk", laws::rechunk, both.clone()),
        ("takeover", laws::takeover, both),
        #[cfg(feature = "recording")]
        (
            "recording",
            laws::recording::recording,
            crate::recording::recordings()
                .into_iter()
                .map(|(_, text)| text.into_bytes())
                .collect(),
        ),
        ("frame_roundtrip", laws::frame_roundtrip, conversations),
    ]
}

/// The laws hold for the seeds of the fuzz targets, and for what fuzzing has found, which
/// `fuzz/seeds` has. With `SEEDS` in the environment, the test also writes them to the corpora.
#[test]
fn the_laws_hold_for_the_seeds_of_the_fuzz_targets() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let targets = [seeds(), fuzzing::seeds()].concat();
    if cfg!(all(feature = "deflate", feature = "recording", feature = "tokio")) {
        for file in std::fs::read_dir(fuzz.join("seeds")).unwrap() {
            let name = file.unwrap().file_name();
            let is_target = targets.iter().any(|(target, ..)| name == *target);
            assert!(is_target, "fuzz/seeds has {name:?}, which is no target");
        }
    }
    for (target, law, mut inputs) in targets {
        assert!(!inputs.is_empty(), "{target}");
        inputs.extend(fuzzing::found(&fuzz.join("seeds").join(target)));
        inputs.iter().for_each(|input| law(input));
        if std::env::var_os("SEEDS").is_some() {
            let folder = fuzz.join("corpus").join(target);
            std::fs::create_dir_all(&folder).unwrap();
            for (number, input) in inputs.iter().enumerate() {
                std::fs::write(folder.join(format!("seed-{number}")), input).unwrap();
            }
        }
    }
}
