//! The events, the errors and the output do not depend on how the input is cut.

use std::borrow::Cow;

use proptest::{collection::vec, prelude::*};
use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Event, ProtocolError, Role, mask, utf8::Validator,
};

use crate::streams;
use support::{
    Length, feed_cut, frame, header,
    laws::{
        self,
        endpoint::{join_chunks, run_with_input_buffer, run_with_receive, run_with_receive_whole},
        options::{Opening, Options, cuts},
        reference::may_become_text,
    },
    non_minimal_length, open, peer_of, reserved_bits, reserved_opcode, too_big,
};

proptest! {
    #![proptest_config(streams::cases(1000))]

    /// R068 R071 R084 R098: The outcome of a server does not depend on the cuts of its input.
    #[test]
    fn s5_2_the_outcome_of_a_server_does_not_depend_on_the_cuts(data in prop_oneof![streams::valid_input(Role::Server), streams::input(Role::Server)]) {
        laws::rechunk(&data);
    }

    /// R068 R084 R098: The outcome of a client does not depend on the cuts of its input.
    #[test]
    fn s5_2_the_outcome_of_a_client_does_not_depend_on_the_cuts(data in prop_oneof![streams::valid_input(Role::Client), streams::input(Role::Client)]) {
        laws::rechunk(&data);
    }

    /// R032 R058: A request, valid or not, and the bytes after it, in any cut.
    #[test]
    fn s4_2_1_the_outcome_of_a_request_does_not_depend_on_the_cuts(mut options in any::<[u8; 5]>(), head in streams::opening(Role::Server)) {
        options[0] &= !1;
        laws::rechunk(&[&streams::with_arbitrary_opening(options), &head[..]].concat());
    }

    /// R021 R027: A response, valid or not, and the bytes after it, in any cut.
    #[test]
    fn s4_1_the_outcome_of_a_response_does_not_depend_on_the_cuts(mut options in any::<[u8; 5]>(), head in streams::opening(Role::Client)) {
        options[0] |= 1;
        laws::rechunk(&[&streams::with_arbitrary_opening(options), &head[..]].concat());
    }

    /// R071: A payload that is unmasked in any pieces is the payload.
    #[test]
    fn s5_3_masking_does_not_depend_on_the_cuts(data in vec(any::<u8>(), 0..3000), key in any::<[u8; 4]>(), seed in any::<u8>()) {
        let mut expected = data.clone();
        let rotated = mask_bytewise(&mut expected, key);
        let mut actual = data;
        let (mut from, mut key) = (0, key);
        for to in cuts(seed, actual.len()).into_iter().chain([actual.len()]) {
            key = mask::apply(&mut actual[from..to], key);
            from = to;
        }
        prop_assert_eq!((actual, key), (expected, rotated));
    }

    /// R098 R099: Any text, and text with bytes inserted, in any pieces.
    #[test]
    fn s8_1_the_validation_of_text_does_not_depend_on_the_cuts(
        text in "\\PC{0,40}",
        damage in vec((any::<u16>(), any::<u8>()), 0..2),
        seed in any::<u8>(),
    ) {
        let mut bytes = text.into_bytes();
        for (at, byte) in damage {
            let at = usize::from(at) % (bytes.len() + 1);
            bytes.insert(at, byte);
        }
        check_validator(&bytes, &cuts(seed, bytes.len()));
    }
}

/// R068 R071 R084 R098 R099: All ways to cut a short stream, and all ways to cut a longer one at
/// two places.
#[test]
fn s5_2_every_cut_of_short_streams_has_the_same_outcome() {
    for (role, chunk_delivery) in [
        (Role::Server, false),
        (Role::Server, true),
        (Role::Client, false),
        (Role::Client, true),
    ] {
        let options = options(role, chunk_delivery, Opening::Done);
        for stream in streams::short_streams(role) {
            let check = assert_same_outcome(&options, &stream);
            let len = stream.len();
            if len <= 10 {
                for set in 0..1_u32 << (len - 1) {
                    check(&(1..len).filter(|at| set >> (at - 1) & 1 == 1).collect::<Vec<_>>());
                }
            } else {
                check(&(1..len).collect::<Vec<_>>());
                for first in 1..len {
                    check(&[first]);
                    // The second cut is at most 11 bytes after the first.
                    for second in first + 1..len.min(first + 12) {
                        check(&[first, second]);
                    }
                }
            }
        }
    }
}

/// R029 R068: Every cut of an opening handshake and of the frames after it, in both roles.
#[test]
fn s4_1_every_cut_of_an_opening_handshake_has_the_same_outcome() {
    for role in [Role::Server, Role::Client] {
        let sender = peer_of(role);
        let stream = [
            frame(sender, 0x81, b"first"),
            frame(sender, 0x89, b""),
            frame(sender, 0x88, b""),
        ]
        .concat();
        let options = options(role, false, Opening::Valid);
        let valid = options.opening_bytes();
        let mut openings = vec![
            valid.clone(),
            [b"\r\n", &valid[..]].concat(),
            b"nonsense\r\n\r\n".to_vec(),
        ];
        if role == Role::Client {
            openings.extend([
                [b"HTTP/1.1 103 Early Hints\r\n\r\n", &valid[..]].concat(),
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
                b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
                    .to_vec(),
                b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nhelo\r\n2".to_vec(),
            ]);
        }
        for opening in openings {
            let input = [&opening[..], &stream].concat();
            let check = assert_same_outcome(&options, &input);
            check(&(1..input.len()).collect::<Vec<_>>());
            for at in 1..input.len() {
                check(&[at]);
                check(&[at, at + 1].map(|at| at.min(input.len() - 1)));
            }
        }
    }
}

fn options(role: Role, chunk_delivery: bool, opening: Opening) -> Options {
    let (mut options, _) = Options::read(&[]);
    options.role = role;
    options.chunk_delivery = chunk_delivery;
    options.opening = opening;
    options
}

/// Asserts that the outcome for given cuts is the outcome of the whole input.
fn assert_same_outcome<'a>(options: &'a Options, input: &'a [u8]) -> impl Fn(&[usize]) + 'a {
    let outcome = |cuts: &[usize]| {
        let mut outcome = run_with_receive(options, input, cuts);
        outcome.events = join_chunks(outcome.events);
        outcome
    };
    let whole = outcome(&[]);
    move |cuts| {
        assert_eq!(outcome(cuts), whole, "{input:x?} cut at {cuts:?}");
        for (capacity, waits) in [(2, false), (1000, false), (2, true), (1000, true)] {
            let mut kept = run_with_receive_whole(options, input, cuts, capacity, waits);
            kept.events = join_chunks(kept.events);
            assert_eq!(
                kept, whole,
                "{input:x?} cut at {cuts:?}, capacity {capacity}, waits: {waits}"
            );
        }
        let mut buffered = run_with_input_buffer(options, input, cuts, usize::MAX);
        buffered.events = join_chunks(buffered.events);
        assert_eq!(buffered, whole, "{input:x?} cut at {cuts:?}, in an input buffer");
    }
}

/// R071: All lengths up to 130, at all alignments, in one piece and in two.
#[test]
fn s5_3_masking_equals_a_byte_loop_for_every_length_alignment_and_cut() {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    for len in 0..=130 {
        let plain: Vec<u8> = (0..len as u8).collect();
        let mut expected = plain.clone();
        let rotated = mask_bytewise(&mut expected, key);
        for align in 0..8 {
            for at in 0..=len {
                let mut buf = vec![0xEE; align + len + 9];
                buf[align..align + len].copy_from_slice(&plain);
                let next = mask::apply(&mut buf[align..align + at], key);
                assert_eq!(mask::apply(&mut buf[align + at..align + len], next), rotated);
                assert_eq!(buf[align..align + len], expected, "{len} bytes at {align}, cut at {at}");
                let around = buf[..align].iter().chain(&buf[align + len..]);
                assert!(
                    around.copied().all(|byte| byte == 0xEE),
                    "the bytes around do not change"
                );
            }
        }
    }
}

/// Masks as the RFC defines it, and returns the key for the bytes after.
fn mask_bytewise(bytes: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
    [0, 1, 2, 3].map(|i| key[(bytes.len() + i) % 4])
}

/// R098 R099: Texts that end, start or fail inside a code point, at any two cuts.
#[test]
fn s8_1_every_cut_of_hostile_texts_has_the_same_outcome() {
    let texts: [&[u8]; 22] = [
        b"",
        b"ascii only, and more than sixteen bytes of it",
        "κόσμε".as_bytes(),
        "\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}".as_bytes(),
        "𝄞𝄞𝄞".as_bytes(),
        b"stray \x80 continuation",
        b"overlong \xC0\xAF",
        b"overlong \xC1\xBF",
        b"overlong \xE0\x80\xAF",
        b"overlong \xE0\x9F\xBF",
        b"overlong \xF0\x80\x80\xAF",
        b"overlong \xF0\x8F\xBF\xBF",
        b"surrogate \xED\xA0\x80",
        b"surrogates \xED\xAD\xBF\xED\xBF\xBF",
        b"beyond \xF4\x90\x80\x80",
        b"beyond \xF5\x80\x80\x80",
        b"no lead \xFE\xFF",
        b"truncated \xF0\x9D\x84",
        b"truncated \xE2\x82",
        b"truncated \xC3",
        b"truncated \xF0\x9D\x84 and on",
        b"\xE2\x82\xE2\x82\xAC",
    ];
    for text in texts {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                check_validator(text, &[first, second]);
            }
        }
        check_validator(text, &(1..text.len()).collect::<Vec<_>>());
    }
}

/// R099: All sequences of four bytes from the boundaries of valid ranges, in several cuts.
#[test]
fn s8_1_every_sequence_of_boundary_bytes_has_the_same_outcome() {
    const BOUNDARIES: [u8; 17] = [
        0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
    ];
    let count = BOUNDARIES.len();
    for number in 0..count.pow(4) {
        let bytes = [0, 1, 2, 3].map(|i| BOUNDARIES[number / count.pow(i) % count]);
        for cuts in [&[][..], &[1], &[2], &[3], &[1, 2, 3]] {
            check_validator(&bytes, cuts);
        }
    }
}

/// Validates `bytes` in pieces. Asserts that the valid text is returned, and that validation fails
/// in the piece with the first byte after which no continuation is valid.
fn check_validator(bytes: &[u8], cuts: &[usize]) {
    let fails_at = (0..bytes.len()).find(|&at| !may_become_text(&bytes[..=at]));
    let mut validator = Validator::new();
    let (mut text, mut from) = (String::new(), 0);
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let piece = validator.push(&bytes[from..to]);
        text.extend(piece.split);
        text.push_str(piece.text);
        from = to;
        if let Some(at) = fails_at.filter(|&at| at < to) {
            assert!(piece.result.is_err(), "{bytes:x?} fails at byte {at}");
            let valid = std::str::from_utf8(&bytes[..at]).map_or_else(|error| error.valid_up_to(), str::len);
            assert_eq!(text.as_bytes(), &bytes[..valid], "{bytes:x?}");
            assert_eq!(validator.unfinished(), [], "a new text starts");
            assert_eq!(validator.push(b"new").text, "new");
            return;
        }
        assert!(piece.result.is_ok(), "{bytes:x?} up to {to} may become text");
        assert_eq!([text.as_bytes(), validator.unfinished()].concat(), bytes[..to]);
        assert_eq!(
            validator.missing(),
            missing_bytes(&bytes[..to]),
            "{bytes:x?} up to {to}"
        );
    }
    assert_eq!(
        validator.finish().is_ok(),
        std::str::from_utf8(bytes).is_ok(),
        "{bytes:x?}"
    );
    assert_eq!(validator.push("ß".as_bytes()).text, "ß", "a new text starts");
}

/// The number of bytes that complete the text, found by trying.
fn missing_bytes(bytes: &[u8]) -> usize {
    const TRIED: [u8; 4] = [0x80, 0x90, 0xA0, 0xBF];
    let complete = |after: &[u8]| std::str::from_utf8(&[bytes, after].concat()).is_ok();
    if complete(&[]) {
        return 0;
    }
    let more = (1..=3).find(|&len: &u32| {
        (0..TRIED.len().pow(len)).any(|number| {
            let after: Vec<u8> = (0..len).map(|i| TRIED[number / 4_usize.pow(i) % 4]).collect();
            complete(&after)
        })
    });
    more.unwrap() as usize
}

/// The function `may_become_text`, which the tests above use, agrees with its definition: some
/// continuation is valid.
#[test]
fn bytes_may_become_text_if_some_continuation_is_valid() {
    const TRIED: [u8; 6] = [0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF];
    let continuations: Vec<Vec<u8>> = (0..=3)
        .flat_map(|len| (0..6_usize.pow(len)).map(move |n| (0..len).map(|i| TRIED[n / 6_usize.pow(i) % 6]).collect()))
        .collect();
    let check = |bytes: &[u8]| {
        let some = continuations
            .iter()
            .any(|after| std::str::from_utf8(&[bytes, after].concat()).is_ok());
        assert_eq!(may_become_text(bytes), some, "{bytes:x?}");
    };
    for first in 0..=0xFF {
        check(&[first]);
        for second in (0..=0xFF).filter(|_| first >= 0xC0) {
            check(&[first, second]);
        }
        for second in [0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF] {
            check(&[0xF0, second, first]);
            check(&[0xF4, second, first]);
        }
    }
}

/// Messages are borrowed after a message that was assembled, after a sent Close frame, and after a
/// handshake.
#[test]
fn messages_are_borrowed_again_after_an_assembled_one() {
    let (mut request, mut out) = (Vec::new(), Vec::new());
    let _client = Connection::client(
        &ClientRequest::new("ws://a/").unwrap(),
        Config::default(),
        [1; 32],
        &mut request,
    );
    let whole = frame(Role::Client, 0x82, b"whole");
    let assert_borrowed = |server: &mut Connection| {
        let (mut begun, mut out) = (whole.clone(), Vec::new());
        let mut half = &mut begun[..8];
        assert!(matches!(server.receive_whole(&mut half, &mut out), Ok(None)));
        assert_eq!(half.len(), 8, "an incomplete message stays in the buffer");
        let event = server.receive_whole(&mut &mut begun[..], &mut out);
        assert!(
            matches!(event, Ok(Some(Event::Binary(Cow::Borrowed(b"whole"))))),
            "{event:?}"
        );
    };
    let mut server = Connection::server(Config::default());
    let event = server.receive(&mut &mut request[..], &mut out).unwrap();
    let Some(Event::Request(request)) = event else {
        panic!("{event:?}")
    };
    server.accept(&request, &Accept::new(), &mut out).unwrap();
    assert_borrowed(&mut server);
    let pieces = frame(Role::Client, 0x82, b"in pieces");
    assert_eq!(feed_cut(&mut server, &pieces, &[9, 11]).events.len(), 1);
    assert_borrowed(&mut server);
    server.close(CloseCode::NORMAL, "", &mut out).unwrap();
    assert_borrowed(&mut server);
}

/// For a message that is longer than the caller's buffer, `wanted` is the number of missing bytes
/// of its frame.
#[test]
fn wanted_is_the_number_of_missing_bytes_of_a_frame() {
    for role in [Role::Server, Role::Client] {
        for opcode in [0x01, 0x02] {
            let mut connection = open(role, Config::default());
            let first = frame(peer_of(role), opcode, &[b'x'; 1000]);
            let mut out = Vec::new();
            let (front, rest) = first.split_at(first.len() - 900);
            assert_eq!(connection.receive(&mut &mut front.to_vec()[..], &mut out), Ok(None));
            assert_eq!(connection.wanted(&[]), 900);
            assert_eq!(connection.wanted(&rest[..300]), 600, "with the bytes in the buffer");
            assert_eq!(connection.wanted(rest), 1, "the frame is complete");
            let mut rest = rest.to_vec();
            let (most, last) = rest.split_at_mut(899);
            for (mut piece, wanted) in [(most, 1), (last, 1)] {
                assert_eq!(connection.receive_whole(&mut piece, &mut out), Ok(None));
                assert!(piece.is_empty());
                assert_eq!(connection.wanted(&[]), wanted);
            }
            let mut end = frame(peer_of(role), 0x80, b"end");
            let event = connection.receive_whole(&mut &mut end[..], &mut out).unwrap();
            assert!(matches!(
                event,
                Some(Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_)))
            ));
        }
    }
}

/// A message that arrives in pieces is borrowed from the caller's buffer, and `wanted` is the
/// number of missing bytes. A message that cannot be borrowed, and an invalid one, is not waited
/// for.
#[test]
fn a_message_in_pieces_is_borrowed_from_the_buffer() {
    for role in [Role::Server, Role::Client] {
        let sender = peer_of(role);
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            for first in [0x81, 0x82] {
                let bytes = frame(sender, first, &vec![b'x'; len]);
                let header = bytes.len() - len;
                let mut connection = open(role, Config::default());
                let mut calls = 0;
                let (mut buffer, mut filled) = (bytes.clone(), 0);
                loop {
                    let mut input = &mut buffer[..filled];
                    calls += 1;
                    match connection.receive_whole(&mut input, &mut Vec::new()).unwrap() {
                        None => {
                            assert_eq!(input.len(), filled, "an incomplete message stays in the buffer");
                            let wanted = connection.wanted(input);
                            assert!((filled + wanted <= header) || filled + wanted == bytes.len());
                            filled += wanted;
                        }
                        Some(Event::Text(Cow::Borrowed(text))) => break assert_eq!(text.len(), len),
                        Some(Event::Binary(Cow::Borrowed(data))) => break assert_eq!(data.len(), len),
                        Some(event) => panic!("{event:?}"),
                    }
                }
                // With no bytes, with two bytes, with the whole header, and with the payload.
                assert!(calls <= 4, "{calls} calls for {len} bytes");
            }
        }
        let masked = sender == Role::Client;
        let unmasked = match role {
            Role::Server => ProtocolError::UnmaskedFrame,
            Role::Client => ProtocolError::MaskedFrame,
        };
        let config = Config::new().max_message_size(1000);
        for (begun, result) in [
            (header(0x02, masked, Length::Short, 5), Ok(None)),
            (header(0x89, masked, Length::Short, 5), Ok(None)),
            (header(0x82, !masked, Length::Short, 5), Err(unmasked)),
            (header(0x83, masked, Length::Short, 5), Err(reserved_opcode(0x83))),
            (header(0xC2, masked, Length::Short, 5), Err(reserved_bits(0xC2))),
            (header(0x82, masked, Length::Medium, 5), Err(non_minimal_length(16))),
            (header(0x82, masked, Length::Medium, 1001), Err(too_big(1001, 1000))),
        ] {
            let mut connection = open(role, config.clone());
            let mut begun = [&begun[..], if masked { &[1, 2, 3, 4] } else { &[] }].concat();
            let mut input = &mut begun[..];
            let is_error = result.is_err();
            let found = connection.receive_whole(&mut input, &mut Vec::new());
            assert_eq!(found, result.map_err(Box::new));
            assert!(is_error || input.is_empty(), "{begun:x?}");
        }
    }
}
