//! The rechunking law: however the input is cut, the events, the errors and the output are the same.

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
        drive::{joined, run, run_whole},
        options::{Opening, Options, cuts},
        reference::may_become_text,
    },
    open, peer_of, reserved_bits, reserved_opcode, too_big,
};

proptest! {
    #![proptest_config(streams::cases(1000))]

    /// R068 R071 R084 R098: what a server says of a client's bytes does not depend on the cut.
    #[test]
    fn s5_2_a_server_does_not_see_the_cut(data in prop_oneof![streams::valid_input(Role::Server), streams::input(Role::Server)]) {
        laws::rechunk(&data);
    }

    /// R068 R084 R098: what a client says of a server's bytes does not depend on the cut.
    #[test]
    fn s5_2_a_client_does_not_see_the_cut(data in prop_oneof![streams::valid_input(Role::Client), streams::input(Role::Client)]) {
        laws::rechunk(&data);
    }

    /// R032 R058: a request, valid or not, and what follows it, in any cut.
    #[test]
    fn s4_2_1_a_request_does_not_depend_on_the_cut(mut options in any::<[u8; 5]>(), head in streams::opening(Role::Server)) {
        options[0] &= !1;
        laws::rechunk(&[&streams::any_opening(options), &head[..]].concat());
    }

    /// R021 R027: a response, valid or not, and what follows it, in any cut.
    #[test]
    fn s4_1_a_response_does_not_depend_on_the_cut(mut options in any::<[u8; 5]>(), head in streams::opening(Role::Client)) {
        options[0] |= 1;
        laws::rechunk(&[&streams::any_opening(options), &head[..]].concat());
    }

    /// R071: a payload unmasked in any pieces is the payload.
    #[test]
    fn s5_3_any_pieces_are_masked_as_the_whole(data in vec(any::<u8>(), 0..3000), key in any::<[u8; 4]>(), seed in any::<u8>()) {
        let mut expected = data.clone();
        let turned = mask_naively(&mut expected, key);
        let mut actual = data;
        let (mut from, mut key) = (0, key);
        for to in cuts(seed, actual.len()).into_iter().chain([actual.len()]) {
            key = mask::apply(&mut actual[from..to], key);
            from = to;
        }
        prop_assert_eq!((actual, key), (expected, turned));
    }

    /// R098 R099: any bytes, and text with a byte changed, in any pieces.
    #[test]
    fn s8_1_any_text_is_judged_as_the_whole(
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

/// R068 R071 R084 R098 R099: all ways to cut a short stream, and all ways to cut a longer one twice.
#[test]
fn s5_2_every_cut_of_short_streams_gives_the_same() {
    for (role, chunks) in [
        (Role::Server, false),
        (Role::Server, true),
        (Role::Client, false),
        (Role::Client, true),
    ] {
        let options = options(role, chunks, Opening::Done);
        for stream in streams::short_streams(role) {
            let check = checker(&options, &stream);
            let len = stream.len();
            if len <= 10 {
                for set in 0..1_u32 << (len - 1) {
                    check(&(1..len).filter(|at| set >> (at - 1) & 1 == 1).collect::<Vec<_>>());
                }
            } else {
                check(&(1..len).collect::<Vec<_>>());
                for first in 1..len {
                    check(&[first]);
                    // In a long stream the second cut comes soon after the first.
                    for second in first + 1..len.min(first + 12) {
                        check(&[first, second]);
                    }
                }
            }
        }
    }
}

/// R029 R068: every cut of an opening handshake and the frames behind it, in both roles.
#[test]
fn s4_1_every_cut_of_an_opening_gives_the_same() {
    for role in [Role::Server, Role::Client] {
        let sender = peer_of(role);
        let stream = [
            frame(sender, 0x81, b"first"),
            frame(sender, 0x89, b""),
            frame(sender, 0x88, b""),
        ]
        .concat();
        let options = options(role, false, Opening::WellFormed);
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
            let check = checker(&options, &input);
            check(&(1..input.len()).collect::<Vec<_>>());
            for at in 1..input.len() {
                check(&[at]);
                check(&[at, at + 1].map(|at| at.min(input.len() - 1)));
            }
        }
    }
}

fn options(role: Role, chunks: bool, opening: Opening) -> Options {
    let (mut options, _) = Options::read(&[]);
    options.role = role;
    options.chunks = chunks;
    options.opening = opening;
    options
}

/// Compares a cut with the whole.
fn checker<'a>(options: &'a Options, input: &'a [u8]) -> impl Fn(&[usize]) + 'a {
    let outcome = |cuts: &[usize]| {
        let mut outcome = run(options, input, cuts);
        outcome.events = joined(outcome.events);
        outcome
    };
    let whole = outcome(&[]);
    move |cuts| {
        assert_eq!(outcome(cuts), whole, "{input:x?} cut at {cuts:?}");
        for (room, patient) in [(2, false), (1000, false), (2, true), (1000, true)] {
            let mut kept = run_whole(options, input, cuts, room, patient);
            kept.events = joined(kept.events);
            assert_eq!(
                kept, whole,
                "{input:x?} cut at {cuts:?}, in a buffer of {room}, {patient}"
            );
        }
    }
}

/// R071: all lengths to 130 at all alignments, in one piece and in two.
#[test]
fn s5_3_mask_is_a_byte_loop_at_every_length_alignment_and_cut() {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    for len in 0..=130 {
        let plain: Vec<u8> = (0..len as u8).collect();
        let mut expected = plain.clone();
        let turned = mask_naively(&mut expected, key);
        for align in 0..8 {
            for at in 0..=len {
                let mut buf = vec![0xEE; align + len + 9];
                buf[align..align + len].copy_from_slice(&plain);
                let next = mask::apply(&mut buf[align..align + at], key);
                assert_eq!(mask::apply(&mut buf[align + at..align + len], next), turned);
                assert_eq!(buf[align..align + len], expected, "{len} bytes at {align}, cut at {at}");
                let around = buf[..align].iter().chain(&buf[align + len..]);
                assert!(around.copied().all(|byte| byte == 0xEE), "bytes around are left alone");
            }
        }
    }
}

/// The RFC's definition, and the key as it goes on.
fn mask_naively(bytes: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
    [0, 1, 2, 3].map(|i| key[(bytes.len() + i) % 4])
}

/// R098 R099: texts that end, begin or go wrong inside a code point, in every pair of cuts.
#[test]
fn s8_1_every_cut_of_adversarial_texts_is_judged_as_the_whole() {
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

/// R099: all sequences of up to four bytes at the borders of what is valid, in every cut.
#[test]
fn s8_1_every_sequence_of_border_bytes_is_judged_as_the_whole() {
    const BORDERS: [u8; 17] = [
        0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
    ];
    let count = BORDERS.len();
    for number in 0..count.pow(4) {
        let bytes = [0, 1, 2, 3].map(|i| BORDERS[number / count.pow(i) % count]);
        for cuts in [&[][..], &[1], &[2], &[3], &[1, 2, 3]] {
            check_validator(&bytes, cuts);
        }
    }
}

/// The bytes in pieces: what is text comes out, and it fails in the piece with the byte behind which no continuation
/// helps.
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
            assert_eq!(validator.unfinished(), [], "a new text begins");
            assert_eq!(validator.push(b"new").text, "new");
            return;
        }
        assert!(piece.result.is_ok(), "{bytes:x?} up to {to} can still become text");
        assert_eq!([text.as_bytes(), validator.unfinished()].concat(), bytes[..to]);
        assert_eq!(validator.missing(), missing(&bytes[..to]), "{bytes:x?} up to {to}");
    }
    assert_eq!(
        validator.finish().is_ok(),
        std::str::from_utf8(bytes).is_ok(),
        "{bytes:x?}"
    );
    assert_eq!(validator.push("ß".as_bytes()).text, "ß", "a new text begins");
}

/// How many bytes make it valid, found by trying.
fn missing(bytes: &[u8]) -> usize {
    const TRIED: [u8; 4] = [0x80, 0x90, 0xA0, 0xBF];
    let complete = |behind: &[u8]| std::str::from_utf8(&[bytes, behind].concat()).is_ok();
    if complete(&[]) {
        return 0;
    }
    let more = (1..=3).find(|&len: &u32| {
        (0..TRIED.len().pow(len)).any(|number| {
            let behind: Vec<u8> = (0..len).map(|i| TRIED[number / 4_usize.pow(i) % 4]).collect();
            complete(&behind)
        })
    });
    more.unwrap() as usize
}

/// The oracle of the tests above, by its own definition: some continuation makes the bytes valid.
#[test]
fn bytes_may_become_text_if_some_continuation_is_valid() {
    const TRIED: [u8; 6] = [0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF];
    let continuations: Vec<Vec<u8>> = (0..=3)
        .flat_map(|len| (0..6_usize.pow(len)).map(move |n| (0..len).map(|i| TRIED[n / 6_usize.pow(i) % 6]).collect()))
        .collect();
    let check = |bytes: &[u8]| {
        let some = continuations
            .iter()
            .any(|behind| std::str::from_utf8(&[bytes, behind].concat()).is_ok());
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

/// Behind a message that was assembled, behind our own Close, and behind a handshake, messages are lent again.
#[test]
fn messages_are_lent_behind_what_is_not() {
    let (mut request, mut out) = (Vec::new(), Vec::new());
    let _client = Connection::client(
        &ClientRequest::new("ws://a/").unwrap(),
        Config::default(),
        [1; 32],
        &mut request,
    );
    let whole = frame(Role::Client, 0x82, b"whole");
    let is_lent = |server: &mut Connection| {
        let (mut begun, mut out) = (whole.clone(), Vec::new());
        let mut half = &mut begun[..8];
        assert!(matches!(server.receive_whole(&mut half, &mut out), Ok(None)));
        assert_eq!(half.len(), 8, "left in the buffer");
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
    is_lent(&mut server);
    let pieces = frame(Role::Client, 0x82, b"in pieces");
    assert_eq!(feed_cut(&mut server, &pieces, &[9, 11]).events.len(), 1);
    is_lent(&mut server);
    server.close(CloseCode::NORMAL, "", &mut out).unwrap();
    is_lent(&mut server);
}

/// Of a message that is longer than the caller's buffer, `wanted` says what its frame lacks.
#[test]
fn what_a_frame_lacks_is_wanted() {
    for role in [Role::Server, Role::Client] {
        for opcode in [0x01, 0x02] {
            let mut connection = open(role, Config::default());
            let first = frame(peer_of(role), opcode, &[b'x'; 1000]);
            let mut out = Vec::new();
            let (front, rest) = first.split_at(first.len() - 900);
            assert_eq!(connection.receive(&mut &mut front.to_vec()[..], &mut out), Ok(None));
            assert_eq!(connection.wanted(&[]), 900);
            assert_eq!(connection.wanted(&rest[..300]), 600, "with what was read since");
            assert_eq!(connection.wanted(rest), 1, "it is there");
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

/// A message that comes in pieces is lent as a whole from the caller's buffer, and `wanted` says when; what cannot be lent,
/// or is wrong, is not waited for.
#[test]
fn a_message_is_lent_once_it_is_whole() {
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
                            assert_eq!(input.len(), filled, "it is left as it is");
                            let wanted = connection.wanted(input);
                            assert!((filled + wanted <= header) || filled + wanted == bytes.len());
                            filled += wanted;
                        }
                        Some(Event::Text(Cow::Borrowed(text))) => break assert_eq!(text.len(), len),
                        Some(Event::Binary(Cow::Borrowed(data))) => break assert_eq!(data.len(), len),
                        Some(event) => panic!("{event:?}"),
                    }
                }
                // Nothing; the two bytes that every header has; the header, with the longer form of its length; the payload.
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
            (
                header(0x82, masked, Length::Medium, 5),
                Err(ProtocolError::NonMinimalLength),
            ),
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
