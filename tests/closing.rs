//! Control frames and the end of a connection: RFC 6455, sections 5.5 (control frames), 7 (closing
//! the connection), 6.1 (sending) and 10.7 (invalid data).

use sockless::{
    Accept, ClientRequest, CloseCode, CloseFrame, CloseStatus, ClosedBy, Config, Connection, Delivery, Event,
    MessageKind, ProtocolError, Request, Role, SendError, State, Teardown,
    error::{LocalHandshakeError, RequestError, ResponseError},
    frame::Header,
};
use support::{
    Length, Outcome, REQUEST, ROLES, control_frame_too_long, feed, feed_bytewise, fragmented_control_frame, frame,
    frames, header, heads::REQUEST_FIELDS, interleaved_message, non_minimal_length, open, pair::Pair, peer_of, quoted,
    reserved_bits, reserved_opcode, too_big,
};

use super::errors::request_errors;

/// The first bytes of a Close, a Ping and a Pong.
const CONTROL_FRAMES: [u8; 3] = [0x88, 0x89, 0x8A];

/// Receives `input` in one piece and byte by byte, asserts that both outcomes are equal, and
/// returns the outcome.
fn receive(role: Role, config: &Config, input: &[u8]) -> Outcome {
    let whole = feed(&mut open(role, config.clone()), input);
    let bytewise = feed_bytewise(&mut open(role, config.clone()), input);
    assert_eq!(whole, bytewise, "{role:?}: {input:02x?}");
    whole
}

/// The payload of a Close frame.
fn close_body(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}

/// A Close frame of `sender`.
fn close(sender: Role, code: u16, reason: &str) -> Vec<u8> {
    frame(sender, 0x88, &close_body(code, reason.as_bytes()))
}

/// Whether a Close frame may carry `code`: sections 7.4.1 and 7.4.2, and the IANA registry that
/// they establish.
fn rfc_permits(code: u16) -> bool {
    match code {
        0..=999 => false,
        1000..=1003 => true,
        // 1004 is reserved; 1005 and 1006 are for local use
        1004..=1006 => false,
        1007..=1014 => true,
        // "TLS handshake", for local use
        1015 => false,
        // unassigned, in the range of the protocol
        1016..=2999 => false,
        3000..=3999 => true,
        4000..=4999 => true,
        5000.. => false,
    }
}

// 5.5: control frames

/// R082: "All control frames MUST have a payload length of 125 bytes or less": a longer one that is
/// received fails the connection.
#[test]
fn s5_5_a_control_frame_of_more_than_125_bytes_fails_the_connection() {
    for role in ROLES {
        for first in CONTROL_FRAMES {
            for (form, len) in [
                (Length::Medium, 126),
                (Length::Medium, 0),
                (Length::Medium, 65_535),
                (Length::Long, 126),
                (Length::Long, 1 << 16),
                (Length::Long, u64::MAX),
            ] {
                let bytes = header(first, role == Role::Server, form, len);
                let outcome = receive(role, &Config::default(), &bytes[..2]);
                let row = format!("{role:?}: {first:02x}, {form:?} {len}");
                assert_eq!(outcome.error, Some(control_frame_too_long(first)), "{row}");
                assert_eq!(frames(role, &outcome.out), [(0x88, close_body(1002, b""))], "{row}");
            }
            let body = if first == 0x88 {
                close_body(1000, &[b'x'; 123])
            } else {
                vec![0xFE; 125]
            };
            let outcome = receive(role, &Config::default(), &frame(peer_of(role), first, &body));
            assert_eq!(
                (outcome.error, outcome.events.len()),
                (None, 1),
                "{role:?}: {first:02x}"
            );
        }
    }
}

/// R082: A longer control frame is not sent, and the refused command changes nothing.
#[test]
fn s5_5_a_control_frame_of_more_than_125_bytes_is_not_sent() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        for len in [126, 127, 1000, 65_536] {
            let before = format!("{connection:?}");
            let payload = vec![0; len];
            assert_eq!(
                connection.ping(&payload, &mut out),
                Err(SendError::ControlFrameTooLong { len }),
                "{len}"
            );
            assert_eq!(
                connection.pong(&payload, &mut out),
                Err(SendError::ControlFrameTooLong { len }),
                "{len}"
            );
            assert_eq!((out.len(), format!("{connection:?}")), (0, before), "{len}");
        }
        connection.ping(&[1; 125], &mut out).unwrap();
        connection.pong(&[2; 125], &mut out).unwrap();
        assert_eq!(frames(role, &out), [(0x89, vec![1; 125]), (0x8A, vec![2; 125])]);
    }
}

/// R093 R094 R095: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response",
/// with "identical application data". The Pong is in the output when the call returns.
#[test]
fn s5_5_2_a_ping_is_answered_with_its_payload() {
    for role in ROLES {
        for len in 0..=125 {
            let payload: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(77)).collect();
            let outcome = receive(role, &Config::default(), &frame(peer_of(role), 0x89, &payload));
            assert_eq!(outcome.events, [Event::Ping(payload.clone().into())], "{role:?}: {len}");
            assert_eq!(frames(role, &outcome.out), [(0x8A, payload)], "{role:?}: {len}");
        }
    }
}

/// R096: Every Ping is answered, in order, although the RFC requires a Pong for the latest Ping
/// only.
#[test]
fn s5_5_3_every_ping_is_answered() {
    for role in ROLES {
        let pings: Vec<u8> = (0..10).flat_map(|i| frame(peer_of(role), 0x89, &[i])).collect();
        let outcome = receive(role, &Config::default(), &pings);
        let expected: Vec<_> = (0..10).map(|i| (0x8A, vec![i])).collect();
        assert_eq!(frames(role, &outcome.out), expected, "{role:?}");
        assert_eq!(outcome.events.len(), 10);
    }
}

/// R093 R096: Without `auto_pong`, the engine sends no Pong. The caller may answer the latest Ping
/// only.
#[test]
fn s5_5_2_without_auto_pong_the_caller_answers_pings() {
    for role in ROLES {
        let config = Config::new().auto_pong(false);
        let pings: Vec<u8> = (0..3).flat_map(|i| frame(peer_of(role), 0x89, &[i])).collect();
        assert_eq!(receive(role, &config, &pings).out, [], "{role:?}");
        let mut connection = open(role, config);
        let mut outcome = feed(&mut connection, &pings);
        let Some(Event::Ping(payload)) = outcome.events.pop() else {
            panic!("{role:?}: {:?}", outcome.events);
        };
        connection.pong(&payload, &mut outcome.out).unwrap();
        assert_eq!(frames(role, &outcome.out), [(0x8A, vec![2])]);
    }
}

/// R097: "A Pong frame MAY be sent unsolicited"; "A response to an unsolicited Pong frame is not
/// expected."
#[test]
fn s5_5_3_a_pong_gets_no_answer() {
    for role in ROLES {
        let begun = frame(peer_of(role), 0x01, b"begun");
        for before in [&[][..], &begun] {
            for payload in [&b""[..], b"unsolicited", &[0xFF; 125]] {
                let input = [before, &frame(peer_of(role), 0x8A, payload)].concat();
                let outcome = receive(role, &Config::default(), &input);
                assert_eq!(outcome.events, [Event::Pong(payload.into())], "{role:?}");
                assert_eq!((outcome.error, outcome.out), (None, Vec::new()), "{role:?}");
            }
        }
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        connection.pong(b"heartbeat", &mut out).unwrap();
        assert_eq!(frames(role, &out), [(0x8A, b"heartbeat".to_vec())]);
        connection.close(None, "", &mut Vec::new()).unwrap();
        let outcome = feed(&mut connection, &frame(peer_of(role), 0x8A, b""));
        assert_eq!((outcome.events.len(), outcome.out.len()), (1, 0), "{role:?}, closing");
    }
}

/// R093: An endpoint answers Pings until it receives the peer's Close frame, also after it has sent
/// its own.
#[test]
fn s5_5_2_a_ping_after_a_sent_close_is_answered() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        connection.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
        let mut outcome = feed(&mut connection, &frame(peer_of(role), 0x89, b"?"));
        assert_eq!(frames(role, &outcome.out), [(0x8A, b"?".to_vec())], "{role:?}");
        outcome.out.clear();
        connection.pong(b"unsolicited", &mut outcome.out).unwrap();
        assert_eq!(
            frames(role, &outcome.out),
            [(0x8A, b"unsolicited".to_vec())],
            "{role:?}"
        );
        feed(&mut connection, &close(peer_of(role), 1000, ""));
        assert_eq!(connection.pong(b"", &mut outcome.out), Err(SendError::Closing));
    }
}

// 5.5.1: Close

/// R083: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
#[test]
fn s5_5_1_a_close_of_one_byte_fails_the_connection() {
    for role in ROLES {
        for byte in 0..=u8::MAX {
            let outcome = receive(role, &Config::default(), &frame(peer_of(role), 0x88, &[byte]));
            assert_eq!(
                outcome.error,
                Some(ProtocolError::TruncatedCloseCode),
                "{role:?}: {byte}"
            );
            assert_eq!(outcome.events, []);
            assert_eq!(frames(role, &outcome.out), [(0x88, close_body(1002, b""))]);
        }
    }
}

/// R084: A reason that is not valid UTF-8 fails the connection with the code 1007, wherever the
/// input is cut.
#[test]
fn s5_5_1_a_reason_that_is_not_utf8_fails_the_connection() {
    let invalid: [&[u8]; 12] = [
        b"\x80",
        b"\xFF",
        b"\xC3",
        b"ok\xE2\x82",
        b"\xF0\x9F\x98",
        b"\xC0\x80",
        b"\xE0\x80\xAF",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xC3\x28",
        b"ends well\xFEok",
        &[0xBF; 123],
    ];
    for role in ROLES {
        for reason in invalid {
            for code in [1000, 4999] {
                let input = frame(peer_of(role), 0x88, &close_body(code, reason));
                let outcome = receive(role, &Config::default(), &input);
                let row = format!("{role:?}: {code} {reason:02x?}");
                assert_eq!(outcome.error, Some(ProtocolError::InvalidCloseReason), "{row}");
                assert_eq!(outcome.events, [], "{row}");
                assert_eq!(frames(role, &outcome.out), [(0x88, close_body(1007, b""))], "{row}");
            }
        }
        // Of two errors, the one in the earlier bytes is reported.
        let input = frame(peer_of(role), 0x88, &close_body(999, b"\xFF"));
        let outcome = receive(role, &Config::default(), &input);
        assert_eq!(
            outcome.error,
            Some(ProtocolError::InvalidCloseCode { code: CloseCode(999) })
        );
    }
}

/// R083 R084 R088 R110 R111: A code and a reason are delivered as they were sent, wherever the
/// input is cut, and the engine answers with the same code.
#[test]
fn s5_5_1_close_frames_are_delivered_and_echoed() {
    let longest = "é".repeat(61) + "x";
    assert_eq!(longest.len(), CloseFrame::MAX_REASON);
    for role in ROLES {
        for reason in ["", "bye", "aé€😀", "\0", &longest] {
            for code in [1000, 1001, 3000, 4999] {
                let input = close(peer_of(role), code, reason);
                let outcome = receive(role, &Config::default(), &input);
                let row = format!("{role:?}: {code} {reason:?}");
                let event = Event::Close(Some(CloseFrame::new(code, reason)));
                assert_eq!((outcome.error, outcome.events), (None, vec![event]), "{row}");
                assert_eq!(frames(role, &outcome.out), [(0x88, close_body(code, b""))], "{row}");
                let mut connection = open(role, Config::default());
                feed(&mut connection, &input);
                let status = connection.close_status().unwrap();
                assert_eq!((status.code(), status.reason()), (CloseCode(code), reason), "{row}");
            }
        }
    }
}

/// R088 R110: An empty Close frame is answered with an empty one. The code 1005 is reported and not
/// sent.
#[test]
fn s5_5_1_an_empty_close_is_echoed_empty() {
    for role in ROLES {
        let outcome = receive(role, &Config::default(), &frame(peer_of(role), 0x88, b""));
        assert_eq!(
            (outcome.error, outcome.events),
            (None, vec![Event::Close(None)]),
            "{role:?}"
        );
        assert_eq!(frames(role, &outcome.out), [(0x88, Vec::new())], "{role:?}");
        let mut connection = open(role, Config::default());
        feed(&mut connection, &frame(peer_of(role), 0x88, b""));
        let status = connection.close_status().unwrap();
        assert_eq!((status.code(), status.reason()), (CloseCode::NO_STATUS, ""), "{role:?}");
        assert_eq!((&status.sent, &status.received), (&Some(None), &Some(None)), "{role:?}");
    }
}

/// R119 R120 R121 R122 R123 R124 R110: Of all codes, the valid ones are delivered and echoed. The
/// others fail the connection with the code 1002.
#[test]
fn s7_4_every_received_code_is_validated() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut connection = open(role, Config::default());
            let outcome = feed(&mut connection, &close(peer_of(role), code, ""));
            let row = format!("{role:?}: {code}");
            let status = connection.close_status().unwrap();
            let reply = if rfc_permits(code) {
                assert_eq!(outcome.error, None, "{row}");
                assert_eq!(outcome.events, [Event::Close(Some(CloseFrame::new(code, "")))], "{row}");
                assert_eq!((status.code(), status.is_clean()), (CloseCode(code), true), "{row}");
                // The code 1010 is "not used by the server" (section 7.4.1), so a server answers
                // 1000.
                if code == 1010 { 1000 } else { code }
            } else {
                let expected = ProtocolError::InvalidCloseCode { code: CloseCode(code) };
                assert_eq!(outcome.error, Some(expected), "{row}");
                assert_eq!(outcome.events, [], "{row}");
                assert_eq!(
                    (status.code(), status.is_clean()),
                    (CloseCode::ABNORMAL, false),
                    "{row}"
                );
                1002
            };
            assert_eq!(frames(role, &outcome.out), [(0x88, close_body(reply, b""))], "{row}");
            assert_eq!(CloseCode(code).is_valid_on_wire(), rfc_permits(code), "{row}");
        }
    }
}

/// R119 R120 R121 R122 R123 R124 R127: Of all codes, only the valid ones are sent, and 1010 only by
/// a client.
#[test]
fn s7_4_every_sent_code_is_validated() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut connection = open(role, Config::default());
            let mut out = Vec::new();
            let sent = connection.close(CloseCode(code), "why", &mut out);
            let row = format!("{role:?}: {code}");
            if rfc_permits(code) && !(code == 1010 && role == Role::Server) {
                assert_eq!(sent, Ok(()), "{row}");
                assert_eq!(frames(role, &out), [(0x88, close_body(code, b"why"))], "{row}");
                assert_eq!(connection.state(), State::Closing, "{row}");
            } else {
                let expected = SendError::InvalidCloseCode { code: CloseCode(code) };
                assert_eq!((sent, out.len()), (Err(expected), 0), "{row}");
                assert_eq!(connection.state(), State::Open, "{row}");
                assert_eq!(connection.close_status(), None, "{row}");
            }
        }
    }
}

/// R126 R127: The named codes have the numbers of section 7.4.1 and of the IANA registry.
#[test]
fn s7_4_1_named_codes_have_their_numbers() {
    let names = [
        (CloseCode::NORMAL, 1000),
        (CloseCode::GOING_AWAY, 1001),
        (CloseCode::PROTOCOL_ERROR, 1002),
        (CloseCode::UNSUPPORTED_DATA, 1003),
        (CloseCode::NO_STATUS, 1005),
        (CloseCode::ABNORMAL, 1006),
        (CloseCode::INVALID_DATA, 1007),
        (CloseCode::POLICY_VIOLATION, 1008),
        (CloseCode::TOO_BIG, 1009),
        (CloseCode::MANDATORY_EXTENSION, 1010),
        (CloseCode::INTERNAL_ERROR, 1011),
        (CloseCode::SERVICE_RESTART, 1012),
        (CloseCode::TRY_AGAIN_LATER, 1013),
        (CloseCode::BAD_GATEWAY, 1014),
        (CloseCode::TLS_HANDSHAKE, 1015),
    ];
    for (code, number) in names {
        assert_eq!(u16::from(code), number);
        assert_eq!(CloseCode::from(number), code);
        assert_eq!(
            (code.to_string(), format!("{code:?}")),
            (format!("{number}"), format!("CloseCode({number})"))
        );
    }
}

/// R126: Each registered code has a meaning that a log can show; the others have none.
#[test]
fn s7_4_1_registered_codes_have_a_meaning() {
    let meanings = [
        (1000, "normal closure"),
        (1001, "going away"),
        (1002, "protocol error"),
        (1003, "unsupported data"),
        (1005, "no code"),
        (1006, "no Close frame"),
        (1007, "invalid data"),
        (1008, "policy violation"),
        (1009, "message too big"),
        (1010, "mandatory extension"),
        (1011, "internal error"),
        (1012, "service restart"),
        (1013, "try again later"),
        (1014, "bad gateway"),
        (1015, "TLS handshake failed"),
    ];
    for code in 0..=u16::MAX {
        let expected = meanings.iter().find(|(known, _)| *known == code);
        assert_eq!(
            CloseCode(code).meaning(),
            expected.map(|(_, meaning)| *meaning),
            "{code}"
        );
    }
}

/// R125: `is_allowed_to_scripts` accepts the codes that a script in a browser may send. A Close
/// frame can be sent without a code.
#[test]
fn s7_4_codes_that_a_script_in_a_browser_may_send() {
    for code in 0..=u16::MAX {
        let expected = code == 1000 || (3000..5000).contains(&code);
        assert_eq!(CloseCode(code).is_allowed_to_scripts(), expected, "{code}");
    }
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        connection.close(None, "", &mut out).unwrap();
        assert_eq!(frames(role, &out), [(0x88, Vec::new())]);
        assert_eq!(connection.close_status().unwrap().sent, Some(None));
    }
}

/// R085 R125: A reason of 123 bytes is sent, and one of 124 bytes is refused: it is neither
/// truncated nor dropped. The limit counts bytes, not characters.
#[test]
fn s5_5_1_a_reason_has_at_most_123_bytes() {
    for role in ROLES {
        for unit in ["x", "é", "€", "😀"] {
            for start in ["", "x", "xx", "xxx"] {
                for n in 0..=124 / unit.len() {
                    let reason = start.to_owned() + &unit.repeat(n);
                    let mut connection = open(role, Config::default());
                    let mut out = Vec::new();
                    let sent = connection.close(CloseCode::NORMAL, &reason, &mut out);
                    let row = format!("{role:?}: {} bytes, {reason}", reason.len());
                    if reason.len() <= 123 {
                        assert_eq!(sent, Ok(()), "{row}");
                        assert_eq!(
                            frames(role, &out),
                            [(0x88, close_body(1000, reason.as_bytes()))],
                            "{row}"
                        );
                        let outcome = receive(peer_of(role), &Config::default(), &out);
                        assert_eq!(
                            outcome.events,
                            [Event::Close(Some(CloseFrame::new(1000, reason)))],
                            "{row}"
                        );
                    } else {
                        assert_eq!(
                            (sent, out.len()),
                            (Err(SendError::ReasonTooLong { len: reason.len() }), 0),
                            "{row}"
                        );
                        assert_eq!(connection.state(), State::Open, "{row}");
                    }
                }
            }
        }
    }
}

/// R083: A reason is not sent without a code.
#[test]
fn s5_5_1_a_reason_without_a_code_is_not_sent() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        let sent = connection.close(None, "why", &mut out);
        assert_eq!((sent, out.len()), (Err(SendError::ReasonWithoutCode), 0));
        assert_eq!((connection.state(), connection.close_status()), (State::Open, None));
    }
}

/// R087: "The application MUST NOT send any more data frames after sending a Close frame". What was
/// sent earlier precedes the Close frame in the output.
#[test]
fn s5_5_1_nothing_is_sent_after_a_close() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        connection.send_text("last", &mut out).unwrap();
        connection.close(CloseCode::GOING_AWAY, "", &mut out).unwrap();
        let refused = Err(SendError::Closing);
        assert_eq!(connection.send_text("x", &mut out), refused);
        assert_eq!(connection.send_binary(b"x", &mut out), refused);
        assert_eq!(
            connection.send_fragment(MessageKind::Text, b"x", true, &mut out),
            refused
        );
        assert_eq!(connection.send_header(MessageKind::Text, 1, &mut out), refused);
        assert_eq!(connection.ping(b"x", &mut out), refused);
        assert_eq!(connection.close(CloseCode::NORMAL, "", &mut out), refused);
        assert_eq!(
            frames(role, &out),
            [(0x81, b"last".to_vec()), (0x88, close_body(1001, b""))]
        );
    }
}

/// R089 R102: The answer to a Close frame does not wait for the end of a message that is being sent
/// in fragments. Further fragments are refused.
#[test]
fn s5_5_1_a_close_is_answered_while_a_message_is_being_sent() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        connection
            .send_fragment(MessageKind::Text, b"begun", false, &mut out)
            .unwrap();
        out.extend(feed(&mut connection, &close(peer_of(role), 1000, "")).out);
        assert_eq!(
            frames(role, &out),
            [(0x01, b"begun".to_vec()), (0x88, close_body(1000, b""))]
        );
        let rest = connection.send_fragment(MessageKind::Text, b"rest", true, &mut out);
        assert_eq!(rest, Err(SendError::Closing));
    }
}

/// R092 R093 R114: "Further data received is discarded": frames after a Close frame, valid or not,
/// are neither delivered nor answered, in the same input or a later one.
#[test]
fn s1_4_nothing_is_delivered_after_a_close() {
    for role in ROLES {
        let peer = peer_of(role);
        for after in [
            frame(peer, 0x81, b"late"),
            frame(peer, 0x89, b"late"),
            close(peer, 1001, "again"),
            frame(peer, 0x83, b""),
            frame(role, 0x81, b"wrong direction"),
            vec![0xFF; 100],
        ] {
            for (config, replies) in [(Config::default(), 1), (Config::new().auto_close(false), 0)] {
                let first = close(peer, 1000, "bye");
                let outcome = receive(role, &config, &[&first[..], &after].concat());
                let row = format!("{role:?}: {after:02x?}");
                assert_eq!(outcome.error, None, "{row}");
                assert_eq!(
                    outcome.events,
                    [Event::Close(Some(CloseFrame::new(1000, "bye")))],
                    "{row}"
                );
                assert_eq!(frames(role, &outcome.out).len(), replies, "{row}");
                let mut connection = open(role, config);
                feed(&mut connection, &first);
                let before = format!("{connection:?}");
                assert_eq!(feed(&mut connection, &after), Outcome::default(), "{row}");
                assert_eq!(format!("{connection:?}"), before, "{row}");
            }
        }
    }
}

/// R087: Messages are delivered after a sent Close frame, until the peer's Close frame arrives.
#[test]
fn s5_5_1_messages_are_received_after_a_sent_close() {
    for role in ROLES {
        let peer = peer_of(role);
        let mut connection = open(role, Config::default());
        feed(&mut connection, &frame(peer, 0x01, b"be"));
        connection.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
        let input = [
            frame(peer, 0x80, b"gun"),
            frame(peer, 0x82, b"next"),
            close(peer, 1000, ""),
        ];
        let outcome = feed(&mut connection, &input.concat());
        let expected = [
            Event::Text("begun".into()),
            Event::Binary(b"next"[..].into()),
            Event::Close(Some(CloseFrame::new(1000, ""))),
        ];
        assert_eq!(
            (&outcome.events[..], outcome.out),
            (&expected[..], Vec::new()),
            "{role:?}"
        );
    }
}

// 7: the end of a connection

/// R108 R109 R110 R111: The local endpoint sends a Close frame (`Closing`), and then receives the
/// peer's (`Closed`, clean). The reported code and reason are those of the peer.
#[test]
fn s7_1_the_local_endpoint_closes_first() {
    for role in ROLES {
        for config in [Config::default(), Config::new().auto_close(false)] {
            let mut connection = open(role, config);
            let mut out = Vec::new();
            assert_eq!((connection.state(), connection.close_status()), (State::Open, None));
            connection.close(CloseCode(4001), "ours", &mut out).unwrap();
            assert_eq!((connection.state(), connection.teardown()), (State::Closing, None));
            let expected = CloseStatus::clone(connection.close_status().unwrap());
            assert_eq!(expected.sent, Some(Some(CloseFrame::new(4001, "ours"))));
            assert_eq!(
                (expected.by, expected.received, expected.error),
                (ClosedBy::Us, None, None)
            );
            assert_eq!(
                connection.close_status().unwrap().code(),
                CloseCode::ABNORMAL,
                "no Close frame is received yet"
            );
            assert!(!connection.close_status().unwrap().is_clean());

            let outcome = feed(&mut connection, &close(peer_of(role), 4002, "theirs"));
            assert_eq!(
                (outcome.events.len(), outcome.out.len()),
                (1, 0),
                "a Close frame that answers is not answered"
            );
            assert_eq!(connection.state(), State::Closed);
            let status = connection.close_status().unwrap();
            assert_eq!((status.by, status.is_clean()), (ClosedBy::Us, true), "{role:?}");
            assert_eq!((status.code(), status.reason()), (CloseCode(4002), "theirs"));
            assert_eq!(status.sent, Some(Some(CloseFrame::new(4001, "ours"))));
        }
    }
}

/// R088 R108 R109: The call that receives the peer's Close frame also answers it. The connection is
/// then closed, and clean.
#[test]
fn s7_1_the_peer_closes_first() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let outcome = feed(&mut connection, &close(peer_of(role), 4002, "theirs"));
        assert_eq!(frames(role, &outcome.out), [(0x88, close_body(4002, b""))]);
        assert_eq!(connection.state(), State::Closed);
        let status = connection.close_status().unwrap();
        assert_eq!((status.by, status.is_clean()), (ClosedBy::Peer, true), "{role:?}");
        assert_eq!((status.code(), status.reason()), (CloseCode(4002), "theirs"));
        assert_eq!(status.sent, Some(Some(CloseFrame::new(4002, ""))));
        assert_eq!(status.received, Some(Some(CloseFrame::new(4002, "theirs"))));
    }
}

/// R088 R108 R109: Without `auto_close`, the caller answers with any code and reason. The state is
/// `Closing` until then.
#[test]
fn s7_1_the_peer_closes_first_without_auto_close() {
    for role in ROLES {
        for (code, reason) in [(Some(CloseCode(4003)), "ours"), (None, "")] {
            let mut connection = open(role, Config::new().auto_close(false));
            let mut outcome = feed(&mut connection, &close(peer_of(role), 1000, "theirs"));
            assert_eq!((outcome.events.len(), outcome.out.len()), (1, 0));
            assert_eq!((connection.state(), connection.teardown()), (State::Closing, None));
            let status = connection.close_status().unwrap();
            assert_eq!((status.by, status.is_clean()), (ClosedBy::Peer, false));
            // Only a Close frame can be sent now.
            let refused = Err(SendError::Closing);
            assert_eq!(connection.send_text("x", &mut outcome.out), refused);
            assert_eq!(connection.ping(b"", &mut outcome.out), refused);
            assert_eq!(connection.pong(b"", &mut outcome.out), refused);
            connection.close(code, reason, &mut outcome.out).unwrap();
            let body = code.map_or(Vec::new(), |code| close_body(code.into(), reason.as_bytes()));
            assert_eq!(frames(role, &outcome.out), [(0x88, body)]);
            assert_eq!(connection.close(None, "", &mut outcome.out), refused);
            assert_eq!(connection.state(), State::Closed);
            let status = connection.close_status().unwrap();
            assert_eq!((status.by, status.is_clean()), (ClosedBy::Peer, true), "{role:?}");
            assert_eq!((status.code(), status.reason()), (CloseCode::NORMAL, "theirs"));
        }
    }
}

/// R091: Both endpoints send a Close frame before they receive the other's. That completes the
/// closing handshake: neither sends a second Close frame.
#[test]
fn s7_1_both_endpoints_close_at_the_same_time() {
    for piece in [usize::MAX, 1] {
        let mut pair = Pair::open(Config::default(), Config::default());
        pair.max_piece = piece;
        pair.client
            .engine
            .close(CloseCode(4001), "c", &mut pair.client.out)
            .unwrap();
        pair.server
            .engine
            .close(CloseCode(4002), "s", &mut pair.server.out)
            .unwrap();
        pair.deliver_all();
        for (end, sent, received) in [
            (&pair.client, (4001, "c"), (4002, "s")),
            (&pair.server, (4002, "s"), (4001, "c")),
        ] {
            assert_eq!(end.engine.state(), State::Closed);
            let status = end.engine.close_status().unwrap();
            assert!(status.is_clean());
            assert_eq!(status.by, ClosedBy::Us, "each endpoint sent its Close frame first");
            assert_eq!(status.sent, Some(Some(CloseFrame::new(sent.0, sent.1))));
            assert_eq!(status.received, Some(Some(CloseFrame::new(received.0, received.1))));
            assert_eq!(
                end.events,
                [Event::Close(Some(CloseFrame::new(received.0, received.1)))]
            );
        }
    }
}

/// R090 R107 R115 R140: `teardown` says what to do with the transport. A server closes it at once,
/// a client waits for the server after a clean end, and an endpoint that failed the connection
/// closes it.
#[test]
fn s7_1_1_teardown_says_which_endpoint_closes_the_transport() {
    for situation in situations() {
        let mut connection = (situation.build)();
        let expected = match (situation.end, connection.role()) {
            (End::None, _) => None,
            (End::Clean, Role::Client) => Some(Teardown::AwaitPeer),
            (End::Clean, Role::Server) | (End::Failed(_) | End::Answered, _) => Some(Teardown::Close),
        };
        assert_eq!(connection.teardown(), expected, "{}", situation.name);
        assert_eq!(
            connection.teardown().is_some(),
            connection.state() == State::Closed,
            "{}",
            situation.name
        );
        // The end of the transport does not change the result.
        let _end = connection.receive_eof();
        if expected.is_some() {
            assert_eq!(connection.teardown(), expected, "{}", situation.name);
        }
    }
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    /// Both Close frames have arrived.
    Clean,
    /// The response to the opening handshake had another status than 101.
    Answered,
    Failed(ProtocolError),
}

/// A connection in a certain state, and how it got there.
struct Situation {
    name: &'static str,
    state: State,
    end: End,
    build: fn() -> Connection,
}

/// A server that has received `input` and has not accepted a request.
fn server_with(input: &str) -> Connection {
    let mut server = Connection::server(Config::default());
    let mut bytes = input.as_bytes().to_vec();
    let mut rest = &mut bytes[..];
    while let Ok(Some(_)) = server.receive(&mut rest, &mut Vec::new()) {}
    server
}

/// A client that has received `input`.
fn client_with(input: &str) -> Connection {
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let mut client = Connection::client(&request, Config::default(), [1; 32], &mut Vec::new()).unwrap();
    feed(&mut client, input.as_bytes());
    client
}

/// An open connection whose local endpoint has sent a Close frame.
fn with_close_sent(role: Role) -> Connection {
    let mut connection = open(role, Config::default());
    connection.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
    connection
}

/// A connection that has received a Close frame and not answered it.
fn with_close_received(role: Role) -> Connection {
    let mut connection = open(role, Config::new().auto_close(false));
    feed(&mut connection, &close(peer_of(role), 1000, "bye"));
    connection
}

/// An open connection that has received `input`.
fn open_with(role: Role, input: &[u8]) -> Connection {
    let mut connection = open(role, Config::default());
    feed(&mut connection, input);
    connection
}

/// The connection after the end of the transport, which is an error.
fn disconnected(mut connection: Connection) -> Connection {
    let expected = match connection.state() {
        State::Opening => ProtocolError::HandshakeEof,
        _ => ProtocolError::UnexpectedEof,
    };
    assert_eq!(connection.receive_eof(), Err(Box::new(expected)));
    connection
}

/// An open connection that has sent the first fragment of a text, which ends inside a character.
fn in_outgoing_message(role: Role) -> Connection {
    let mut connection = open(role, Config::default());
    connection
        .send_fragment(MessageKind::Text, b"\xC3", false, &mut Vec::new())
        .unwrap();
    connection
}

/// The situations of a connection that differ for the tests below.
fn situations() -> Vec<Situation> {
    let mut situations = Vec::new();
    let mut add = |name, state, end, build| {
        situations.push(Situation {
            name,
            state,
            end,
            build,
        });
    };
    let eof = End::Failed(ProtocolError::UnexpectedEof);
    let handshake_eof = End::Failed(ProtocolError::HandshakeEof);
    add("server", State::Opening, End::None, || server_with(""));
    add("server, part of a request", State::Opening, End::None, || {
        server_with("GET / HT")
    });
    add("server, deciding", State::Opening, End::None, || server_with(REQUEST));
    add("server, deciding, early bytes", State::Opening, End::None, || {
        let mut server = server_with(REQUEST);
        feed(&mut server, &frame(Role::Client, 0x81, b"early"));
        server
    });
    add("client", State::Opening, End::None, || client_with(""));
    add("client, part of a response", State::Opening, End::None, || {
        client_with("HTTP/1.1 101 ")
    });
    add("client, part of a refusal", State::Opening, End::None, || {
        client_with("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno")
    });
    add("server, open", State::Open, End::None, || open_with(Role::Server, b""));
    add("client, open", State::Open, End::None, || open_with(Role::Client, b""));
    add("server, in a header", State::Open, End::None, || {
        open_with(Role::Server, &[0x81, 0xFE, 1])
    });
    add("client, in a header", State::Open, End::None, || {
        open_with(Role::Client, &[0x81])
    });
    add("server, in a message", State::Open, End::None, || {
        open_with(Role::Server, &frame(Role::Client, 0x01, b"\xC3"))
    });
    add("client, in a control frame", State::Open, End::None, || {
        open_with(Role::Client, &[0x01, 0x01, b'x', 0x89, 5, b'p'])
    });
    add("server, sending a message", State::Open, End::None, || {
        in_outgoing_message(Role::Server)
    });
    add("client, sending a message", State::Open, End::None, || {
        in_outgoing_message(Role::Client)
    });
    add("server, close sent", State::Closing, End::None, || {
        with_close_sent(Role::Server)
    });
    add("client, close sent", State::Closing, End::None, || {
        with_close_sent(Role::Client)
    });
    add("server, close received", State::Closing, End::None, || {
        with_close_received(Role::Server)
    });
    add("client, close received", State::Closing, End::None, || {
        with_close_received(Role::Client)
    });
    add("server, closed", State::Closed, End::Clean, || {
        open_with(Role::Server, &close(Role::Client, 1000, "bye"))
    });
    add("client, closed", State::Closed, End::Clean, || {
        let mut client = with_close_sent(Role::Client);
        feed(&mut client, &frame(Role::Server, 0x88, b""));
        client
    });
    add(
        "server, failed",
        State::Closed,
        End::Failed(ProtocolError::UnexpectedContinuation),
        || open_with(Role::Server, &frame(Role::Client, 0x80, b"")),
    );
    add(
        "client, failed",
        State::Closed,
        End::Failed(ProtocolError::InvalidUtf8),
        || open_with(Role::Client, &frame(Role::Server, 0x81, b"\xFF")),
    );
    add("server, lost", State::Closed, eof, || {
        disconnected(open_with(Role::Server, b""))
    });
    add("client, lost", State::Closed, eof, || {
        disconnected(with_close_sent(Role::Client))
    });
    add("server, lost before the request", State::Closed, handshake_eof, || {
        disconnected(server_with(""))
    });
    add(
        "server, invalid request",
        State::Closed,
        End::Failed(ProtocolError::Request(RequestError::UnsupportedMethod {
            method: quoted("PUT"),
        })),
        || server_with("PUT / HTTP/1.1\r\n\r\n"),
    );
    add(
        "client, invalid response",
        State::Closed,
        End::Failed(ProtocolError::Response(ResponseError::MissingUpgrade)),
        || client_with("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    );
    add("server, rejected", State::Closed, End::Answered, || {
        let mut server = server_with(REQUEST);
        server.reject(403, &[], b"", &mut Vec::new()).unwrap();
        server
    });
    add("client, refused", State::Closed, End::Answered, || {
        client_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    });
    for situation in &situations {
        assert_eq!((situation.build)().state(), situation.state, "{}", situation.name);
    }
    situations
}

/// R110 R116 R109: The end of the transport is an error, unless the closing handshake is complete
/// or the opening handshake was refused. Each later call returns the same error, and nothing is
/// sent.
#[test]
fn s7_2_1_the_transport_ends_in_every_situation() {
    for situation in situations() {
        let mut connection = (situation.build)();
        if situation.name.ends_with("part of a refusal") {
            // The incomplete refusal is reported instead of an error.
            let refused = connection.receive_eof();
            assert!(matches!(refused, Ok(Some(Event::Refused(_)))), "{refused:?}");
            assert_eq!(
                (connection.receive_eof(), connection.state()),
                (Ok(None), State::Closed)
            );
            continue;
        }
        let before = connection.close_status().cloned();
        let expected = match situation.end {
            End::None if connection.state() == State::Opening => Some(ProtocolError::HandshakeEof),
            End::None => Some(ProtocolError::UnexpectedEof),
            End::Clean | End::Answered => None,
            End::Failed(error) => Some(error),
        };
        for _ in 0..2 {
            let found = connection.receive_eof();
            assert_eq!(
                found,
                expected.map(Box::new).map_or(Ok(None), Err),
                "{}",
                situation.name
            );
            assert_eq!(connection.state(), State::Closed, "{}", situation.name);
        }
        let status = connection.close_status().cloned();
        match (situation.end, before, status) {
            (End::Clean, Some(before), Some(after)) => {
                assert_eq!(before, after, "{}", situation.name);
                assert!(after.is_clean(), "{}", situation.name);
            }
            (End::Answered, None, None) => {}
            (End::Failed(error), Some(before), Some(after)) => {
                assert_eq!(before, after, "{}", situation.name);
                assert_eq!(
                    (after.error, after.is_clean()),
                    (Some(error), false),
                    "{}",
                    situation.name
                );
            }
            (End::None, before, Some(after)) => {
                assert_eq!((after.error, after.is_clean()), (expected, false), "{}", situation.name);
                // The endpoint that closed first does not change.
                let by = before.as_ref().map_or(ClosedBy::Transport, |before| before.by);
                assert_eq!(after.by, by, "{}", situation.name);
                let received = before.and_then(|before| before.received);
                let (code, reason) = match &received {
                    None => (CloseCode::ABNORMAL, ""),
                    Some(_) => (CloseCode::NORMAL, "bye"),
                };
                assert_eq!((after.code(), after.reason()), (code, reason), "{}", situation.name);
                assert_eq!(after.received, received, "{}", situation.name);
            }
            (end, before, after) => panic!("{}: {end:?}, {before:?}, {after:?}", situation.name),
        }
    }
}

/// R116: A transport that ends inside a frame, at any byte, is an unclean end with the code 1006.
#[test]
fn s7_2_1_the_transport_ends_inside_a_frame() {
    for role in ROLES {
        let peer = peer_of(role);
        let bytes = [
            frame(peer, 0x01, "é".as_bytes()),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, &[b'x'; 126]),
            frame(peer, 0x88, &close_body(1000, b"bye")),
        ]
        .concat();
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            for end in 0..bytes.len() {
                let mut connection = open(role, Config::new().delivery(delivery));
                assert_eq!(feed(&mut connection, &bytes[..end]).error, None);
                let found = connection.receive_eof();
                assert_eq!(
                    found,
                    Err(Box::new(ProtocolError::UnexpectedEof)),
                    "{role:?} {delivery:?}: {end}"
                );
                let status = connection.close_status().unwrap();
                assert_eq!((status.by, status.is_clean()), (ClosedBy::Transport, false));
                assert_eq!((status.code(), status.reason()), (CloseCode::ABNORMAL, ""));
                assert_eq!((&status.sent, &status.received), (&None, &None));
                assert_eq!(connection.teardown(), Some(Teardown::Close));
            }
        }
    }
}

/// Each error that frames can cause, its close code, and frames of `sender` that cause it.
fn violations(sender: Role) -> Vec<(ProtocolError, u16, Vec<u8>)> {
    let masked = sender == Role::Client;
    let wrong_mask = match sender {
        Role::Client => ProtocolError::UnmaskedFrame,
        Role::Server => ProtocolError::MaskedFrame,
    };
    let too_many: Vec<u8> = [0x02, 0x00, 0x00, 0x00, 0x00, 0x80]
        .iter()
        .flat_map(|first| frame(sender, *first, b""))
        .collect();
    vec![
        (reserved_bits(0xC1), 1002, frame(sender, 0xC1, b"")),
        (reserved_opcode(0x83), 1002, frame(sender, 0x83, b"")),
        (wrong_mask, 1002, header(0x81, !masked, Length::Short, 0)),
        (non_minimal_length(16), 1002, header(0x81, masked, Length::Medium, 125)),
        (
            ProtocolError::LengthOverflow,
            1002,
            header(0x81, masked, Length::Long, 1 << 63),
        ),
        (fragmented_control_frame(0x09), 1002, frame(sender, 0x09, b"")),
        (
            control_frame_too_long(0x89),
            1002,
            header(0x89, masked, Length::Medium, 126),
        ),
        (ProtocolError::UnexpectedContinuation, 1002, frame(sender, 0x80, b"")),
        (
            interleaved_message(0x81),
            1002,
            [frame(sender, 0x01, b""), frame(sender, 0x81, b"")].concat(),
        ),
        (ProtocolError::TruncatedCloseCode, 1002, frame(sender, 0x88, b"x")),
        (
            ProtocolError::InvalidCloseCode {
                code: CloseCode::NO_STATUS,
            },
            1002,
            close(sender, 1005, ""),
        ),
        (
            ProtocolError::InvalidCloseReason,
            1007,
            frame(sender, 0x88, &close_body(1000, b"\xFF")),
        ),
        (ProtocolError::InvalidUtf8, 1007, frame(sender, 0x81, b"\xFF")),
        (too_big(101, 100), 1009, frame(sender, 0x82, &[0; 101])),
        (ProtocolError::TooManyFragments { limit: 5 }, 1008, too_many),
    ]
}

/// The limits that [`violations`] exceeds.
fn limited_config() -> Config {
    Config::new().max_message_size(100).max_fragments(5)
}

/// R126: Each error has its close code. An error that no Close frame can report has 1006.
#[test]
fn s7_4_1_every_error_has_a_close_code() {
    // `tests/deflate.rs` and `tests/deflate_end.rs` fail connections with errors of compression.
    let mut codes: Vec<(ProtocolError, u16)> = vec![
        (ProtocolError::UnexpectedEof, 1006),
        (ProtocolError::HandshakeEof, 1006),
        (ProtocolError::InvalidDeflate, 1007),
        (ProtocolError::TooManyDeflateBlocks, 1008),
    ];
    for role in ROLES {
        codes.extend(violations(role).into_iter().map(|(error, code, _)| (error, code)));
    }
    for (error, code) in &codes {
        assert_eq!(error.close_code(), CloseCode(*code), "{error:?}");
    }
    for error in request_errors() {
        assert_eq!(ProtocolError::from(error).close_code(), CloseCode::ABNORMAL);
    }
    for error in [
        ResponseError::MissingAccept,
        ResponseError::InvalidChunkSize { line: quoted("x") },
    ] {
        assert_eq!(ProtocolError::from(error).close_code(), CloseCode::ABNORMAL);
    }
    // The enum is non-exhaustive, so the list of its variants is read from its source.
    let source = include_str!("../src/error/protocol.rs");
    let (_, after) = source.split_once("pub enum ProtocolError {").unwrap();
    let (body, _) = after.split_once("\n}").unwrap();
    let declared: Vec<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(char::is_uppercase))
        .filter_map(|line| line.split(['(', ',', ' ']).next())
        .collect();
    assert!(declared.len() > 15, "{declared:?}");
    for name in declared {
        let is_variant = |error: &ProtocolError| format!("{error:?}").split(' ').next() == Some(name);
        let known = codes.iter().any(|(error, _)| is_variant(error));
        assert!(
            known || name == "Request" || name == "Response",
            "{name} is missing in this test"
        );
    }
}

/// R112 R113 R114 R126 R139 R140: Each error, in both roles, sends one Close frame with its code
/// and closes the connection. The close status names the error and which endpoint failed.
/// Everything that is received later is ignored.
#[test]
fn s7_1_7_every_error_fails_the_connection() {
    for role in ROLES {
        let peer = peer_of(role);
        for (error, code, bytes) in violations(peer) {
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                let config = limited_config().delivery(delivery);
                let row = format!("{role:?} {delivery:?}: {error:?}");
                let out = feed_bytewise(&mut open(role, config.clone()), &bytes).out;
                let mut connection = open(role, config);
                let mut outcome = feed(&mut connection, &bytes);
                assert_eq!(outcome.error, Some(error), "{row}");
                assert_eq!(frames(role, &outcome.out), [(0x88, close_body(code, b""))], "{row}");
                assert_eq!(outcome.out, out, "{row}");
                let expected = Some(Some(CloseFrame::new(code, "")));
                let status = connection.close_status().cloned().unwrap();
                assert_eq!((status.by, status.error), (ClosedBy::Us, Some(error)), "{row}");
                assert_eq!((&status.sent, &status.received), (&expected, &None), "{row}");
                assert_eq!((status.code(), status.reason()), (CloseCode::ABNORMAL, ""), "{row}");
                assert!(!status.is_clean(), "{row}");
                assert_eq!(
                    (connection.state(), connection.teardown()),
                    (State::Closed, Some(Teardown::Close))
                );

                // "An endpoint MUST NOT continue to attempt to process data": not even a Close
                // frame is processed.
                outcome.out.clear();
                let before = format!("{connection:?}");
                for input in [
                    frame(peer, 0x81, b"text"),
                    frame(peer, 0x89, b"ping"),
                    close(peer, code, ""),
                    frame(peer, 0x83, b""),
                    Vec::new(),
                ] {
                    let mut input = input;
                    let mut rest = &mut input[..];
                    assert_eq!(
                        connection.receive(&mut rest, &mut outcome.out),
                        Err(Box::new(error)),
                        "{row}"
                    );
                }
                assert_eq!(connection.receive_eof(), Err(Box::new(error)), "{row}");
                assert_eq!(
                    connection.send_text("x", &mut outcome.out),
                    Err(SendError::Closing),
                    "{row}"
                );
                assert_eq!(connection.pong(b"", &mut outcome.out), Err(SendError::Closing), "{row}");
                assert_eq!(
                    connection.close(None, "", &mut outcome.out),
                    Err(SendError::Closing),
                    "{row}"
                );
                assert_eq!(outcome.out, [], "{row}");
                assert_eq!(format!("{connection:?}"), before, "{row}");
            }
        }
    }
}

/// R113 R087: An error after a sent Close frame is reported, and no second Close frame is sent.
#[test]
fn s7_1_7_an_error_after_a_sent_close_sends_nothing() {
    for role in ROLES {
        for (error, _, bytes) in violations(peer_of(role)) {
            let mut connection = open(role, limited_config());
            connection.close(CloseCode(4000), "ours", &mut Vec::new()).unwrap();
            let outcome = feed(&mut connection, &bytes);
            let row = format!("{role:?}: {error:?}");
            assert_eq!((outcome.error, outcome.out), (Some(error), Vec::new()), "{row}");
            let status = connection.close_status().unwrap();
            assert_eq!((status.by, status.error), (ClosedBy::Us, Some(error)), "{row}");
            assert_eq!(status.sent, Some(Some(CloseFrame::new(4000, "ours"))), "{row}");
            assert!(!status.is_clean() && status.received.is_none(), "{row}");
            assert_eq!(connection.teardown(), Some(Teardown::Close), "{row}");
        }
    }
}

/// R113: No Close frame is sent before the connection is open: a failed server sends an HTTP
/// response, a failed client sends nothing.
#[test]
fn s7_1_7_a_failed_handshake_sends_no_close() {
    let mut server = Connection::server(Config::default());
    let outcome = feed(&mut server, b"PUT / HTTP/1.1\r\n\r\n");
    assert_eq!(
        outcome.error,
        Some(ProtocolError::Request(RequestError::UnsupportedMethod {
            method: quoted("PUT")
        }))
    );
    assert!(outcome.out.starts_with(b"HTTP/1.1 405 "), "{:?}", outcome.out);
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let mut client = Connection::client(&request, Config::default(), [1; 32], &mut Vec::new()).unwrap();
    let outcome = feed(&mut client, b"\x81\x02no");
    let error = ResponseError::InvalidFirstByte { byte: 0x81 };
    assert_eq!(outcome.error, Some(ProtocolError::Response(error)));
    assert_eq!(outcome.out, []);
    for connection in [server, client] {
        let status = connection.close_status().unwrap();
        assert_eq!(
            (status.by, &status.sent, status.is_clean()),
            (ClosedBy::Us, &None, false)
        );
    }
}

/// R112: A local failure and a Close frame of the peer differ in the close status, even with the
/// same code.
#[test]
fn s7_1_7_close_status_distinguishes_a_failure_from_a_received_close() {
    for role in ROLES {
        let peer = peer_of(role);
        let mut closed = open(role, Config::default());
        let outcome = feed(&mut closed, &close(peer, 1002, ""));
        assert_eq!((outcome.error, outcome.events.len()), (None, 1));
        let mut failed = open(role, Config::default());
        let outcome = feed(&mut failed, &frame(peer, 0x83, b""));
        assert_eq!((outcome.error.is_some(), outcome.events.len()), (true, 0));
        let (closed, failed) = (closed.close_status().unwrap(), failed.close_status().unwrap());
        assert_eq!((closed.by, failed.by), (ClosedBy::Peer, ClosedBy::Us));
        assert_eq!((closed.error, closed.is_clean()), (None, true));
        assert_eq!((failed.error, failed.is_clean()), (Some(reserved_opcode(0x83)), false));
        assert_eq!(
            (closed.code(), failed.code()),
            (CloseCode::PROTOCOL_ERROR, CloseCode::ABNORMAL)
        );
        assert_eq!(closed.sent, failed.sent, "both connections have sent 1002");
    }
}

/// R118 R115: A client sends a Close frame, waits for the server's, and then waits until the server
/// closes the transport.
#[test]
fn s7_3_a_client_closes_with_the_closing_handshake() {
    let mut pair = Pair::open(Config::default(), Config::default());
    pair.client
        .engine
        .close(CloseCode::GOING_AWAY, "", &mut pair.client.out)
        .unwrap();
    assert_eq!(pair.client.engine.teardown(), None, "the server has not answered yet");
    pair.deliver_all();
    assert_eq!(pair.server.engine.teardown(), Some(Teardown::Close));
    assert_eq!(pair.client.engine.teardown(), Some(Teardown::AwaitPeer));
    assert_eq!(pair.client.engine.receive_eof(), Ok(None));
    assert_eq!(pair.server.engine.receive_eof(), Ok(None));
}

// 6.1: commands in each state

type Command = fn(&mut Connection, &mut Vec<u8>) -> Result<(), SendError>;

/// The methods that send, each with a name.
const COMMANDS: [(&str, Command); 10] = [
    ("text", |ws, out| ws.send_text("x", out)),
    ("binary", |ws, out| ws.send_binary(b"x", out)),
    ("fragment", |ws, out| {
        ws.send_fragment(MessageKind::Binary, b"x", false, out)
    }),
    ("last fragment", |ws, out| {
        ws.send_fragment(MessageKind::Text, b"x", true, out)
    }),
    ("header", |ws, out| ws.send_header(MessageKind::Binary, 1, out)),
    ("in place", |ws, out| {
        let mut buf = [0; Header::MAX_LEN];
        out.extend_from_slice(ws.send_in_place(MessageKind::Binary, &mut buf)?);
        Ok(())
    }),
    ("fragment header", |ws, out| {
        ws.send_fragment_header(MessageKind::Binary, &mut [], false, out)
    }),
    ("ping", |ws, out| ws.ping(b"x", out)),
    ("pong", |ws, out| ws.pong(b"x", out)),
    ("close", |ws, out| ws.close(CloseCode::NORMAL, "x", out)),
];

/// What a connection reports and sends from now on. The text differs if the states of two
/// connections differ, mask keys included.
fn probe(mut connection: Connection) -> String {
    let before = format!("{connection:?}");
    let mut out = Vec::new();
    let text = connection.send_text("probe", &mut out);
    let pong = connection.pong(b"probe", &mut out);
    let peer = peer_of(connection.role());
    let outcome = feed(&mut connection, &frame(peer, 0x89, b"probe"));
    let close = connection.close(CloseCode::NORMAL, "probe", &mut out);
    format!("{before} {text:?} {pong:?} {outcome:?} {close:?} {out:02x?} {connection:?}")
}

/// R102 R087: Every command in every situation. An open connection permits each command, a
/// connection that has sent a Close frame permits a Pong, and one that has received a Close frame
/// permits a Close. Any other command returns an error and changes nothing.
#[test]
fn s6_1_the_state_decides_which_commands_are_permitted() {
    for situation in situations() {
        for (name, command) in COMMANDS {
            let mut connection = (situation.build)();
            let allowed = match (situation.name, name, situation.state) {
                (_, "header", State::Open) => connection.role() == Role::Server,
                (_, _, State::Open) => true,
                ("server, close sent" | "client, close sent", "pong", _) => true,
                ("server, close received" | "client, close received", "close", _) => true,
                _ => false,
            };
            // A message inside another message has a test of its own, in `fragmentation.rs`.
            let in_message = situation.name.ends_with("sending a message");
            if in_message && !matches!(name, "ping" | "pong" | "close") {
                continue;
            }
            let mut out = Vec::new();
            let sent = command(&mut connection, &mut out);
            let row = format!("{}: {name}", situation.name);
            if allowed {
                assert_eq!(sent, Ok(()), "{row}");
                assert_eq!(out[0] & 0x70, 0, "{row}: the output begins with a frame");
                continue;
            }
            let expected = match situation.state {
                State::Opening => SendError::NotOpen,
                State::Open => SendError::MaskRequired,
                State::Closing | State::Closed => SendError::Closing,
            };
            assert_eq!((sent, out.len()), (Err(expected), 0), "{row}");
            assert_eq!(
                probe(connection),
                probe((situation.build)()),
                "{row}: the refused command changed the connection"
            );
        }
    }
}

type InvalidCommand<'a> = dyn Fn(&mut Connection, &mut Vec<u8>) -> Result<(), SendError> + 'a;

/// R102: A command with an invalid argument returns an error in an open connection, and changes
/// nothing.
#[test]
fn s6_1_invalid_commands_change_nothing() {
    let long = "x".repeat(126);
    let wrong: [(&str, &InvalidCommand<'_>, SendError); 9] = [
        (
            "ping",
            &|ws, out| ws.ping(long.as_bytes(), out),
            SendError::ControlFrameTooLong { len: 126 },
        ),
        (
            "pong",
            &|ws, out| ws.pong(long.as_bytes(), out),
            SendError::ControlFrameTooLong { len: 126 },
        ),
        (
            "reason",
            &|ws, out| ws.close(CloseCode::NORMAL, &long[..124], out),
            SendError::ReasonTooLong { len: 124 },
        ),
        (
            "code",
            &|ws, out| ws.close(CloseCode::ABNORMAL, "", out),
            SendError::InvalidCloseCode {
                code: CloseCode::ABNORMAL,
            },
        ),
        (
            "no code",
            &|ws, out| ws.close(None, "x", out),
            SendError::ReasonWithoutCode,
        ),
        (
            "text",
            &|ws, out| ws.send_fragment(MessageKind::Text, b"ok\xFF", false, out),
            SendError::InvalidUtf8,
        ),
        (
            "text that ends inside a character",
            &|ws, out| ws.send_fragment(MessageKind::Text, b"ok\xC3", true, out),
            SendError::InvalidUtf8,
        ),
        (
            "header",
            &|ws, out| match ws.role() {
                Role::Server => ws.send_header(MessageKind::Text, 1 << 63, out),
                Role::Client => Err(SendError::PayloadTooLong { len: 1 << 63 }),
            },
            SendError::PayloadTooLong { len: 1 << 63 },
        ),
        (
            "1010",
            &|ws, out| match ws.role() {
                Role::Server => ws.close(CloseCode::MANDATORY_EXTENSION, "", out),
                Role::Client => Err(SendError::InvalidCloseCode {
                    code: CloseCode::MANDATORY_EXTENSION,
                }),
            },
            SendError::InvalidCloseCode {
                code: CloseCode::MANDATORY_EXTENSION,
            },
        ),
    ];
    for situation in situations()
        .into_iter()
        .filter(|situation| situation.state == State::Open)
    {
        for (name, command, error) in &wrong {
            if situation.name.ends_with("sending a message") && name.starts_with("header") {
                continue;
            }
            let mut connection = (situation.build)();
            let mut out = Vec::new();
            assert_eq!(
                command(&mut connection, &mut out),
                Err(*error),
                "{}: {name}",
                situation.name
            );
            assert_eq!(out, [], "{}: {name}", situation.name);
            assert_eq!(
                probe(connection),
                probe((situation.build)()),
                "{}: {name}",
                situation.name
            );
        }
    }
}

/// R102: `accept` and `reject` need a request that was reported and not answered yet. Any other
/// call returns an error and changes nothing.
#[test]
fn s6_1_accept_and_reject_need_an_unanswered_request() {
    let headers = REQUEST_FIELDS.map(|(name, value)| (name, value.as_bytes()));
    let request = Request::from_list("GET", "/", headers).unwrap();
    for situation in situations() {
        let deciding = situation.name.starts_with("server, deciding");
        let expected = if deciding {
            Ok(())
        } else {
            Err(LocalHandshakeError::NoRequest)
        };
        let mut connection = (situation.build)();
        let mut out = Vec::new();
        assert_eq!(
            connection.accept(&request, &Accept::new(), &mut out),
            expected,
            "{}",
            situation.name
        );
        let mut other = (situation.build)();
        assert_eq!(other.reject(404, &[], b"", &mut out), expected, "{}", situation.name);
        if deciding {
            let again = connection.accept(&request, &Accept::new(), &mut out);
            assert_eq!(again, Err(LocalHandshakeError::NoRequest), "{}", situation.name);
            assert_eq!(
                other.reject(404, &[], b"", &mut out),
                Err(LocalHandshakeError::NoRequest)
            );
        } else {
            assert_eq!(out, [], "{}", situation.name);
            assert_eq!(probe(connection), probe((situation.build)()), "{}", situation.name);
            assert_eq!(probe(other), probe((situation.build)()), "{}", situation.name);
        }
    }
}

// `into_parts`

/// The content of events without the borders of frames: the pieces of a message are joined, and
/// empty pieces are left out.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Part(MessageKind, Vec<u8>),
    MessageEnd,
    Other(Event<'static>),
}

/// The content of `events`.
fn content(events: Vec<Event<'static>>) -> Vec<Content> {
    let mut list = Vec::new();
    for event in events {
        let Event::Chunk(chunk) = event else {
            list.push(Content::Other(event));
            continue;
        };
        if let Some(Content::Part(_, part)) = list.last_mut() {
            part.extend_from_slice(chunk.as_bytes());
        } else if !chunk.as_bytes().is_empty() {
            list.push(Content::Part(chunk.kind(), chunk.as_bytes().to_vec()));
        }
        if chunk.message_end {
            list.push(Content::MessageEnd);
        }
    }
    list
}

/// Frames of all kinds, with characters that span frames.
fn all_kinds_of_frames(sender: Role) -> Vec<u8> {
    let long = "€".repeat(50);
    [
        frame(sender, 0x81, b"whole"),
        frame(sender, 0x01, b"a\xC3"),
        frame(sender, 0x89, b"ping"),
        frame(sender, 0x00, b""),
        frame(sender, 0x00, b"\xA9\xE2"),
        frame(sender, 0x8A, b""),
        frame(sender, 0x80, b"\x82\xACend"),
        frame(sender, 0x02, b""),
        frame(sender, 0x00, &[0xFF; 130]),
        frame(sender, 0x80, b""),
        frame(sender, 0x82, long.as_bytes()),
        frame(sender, 0x01, long.as_bytes()),
        frame(sender, 0x80, b""),
        close(sender, 1000, "bye"),
    ]
    .concat()
}

/// R104: `into_parts` returns every byte that was not reported, at any point of a stream. A new
/// connection that receives these bytes first reports the remaining events.
#[test]
fn s6_2_into_parts_returns_every_unreported_byte() {
    for role in ROLES {
        let input = all_kinds_of_frames(peer_of(role));
        let whole = feed(&mut open(role, Config::default()), &input);
        assert_eq!((whole.error, whole.events.len()), (None, 8));
        for cut in 0..=input.len() {
            for first in [feed, feed_bytewise] {
                let mut one = open(role, Config::default());
                let mut before = first(&mut one, &input[..cut]);
                let unread = one.into_parts().unread;
                let mut other = open(role, Config::default());
                let after = feed(&mut other, &[&unread, &input[cut..]].concat());
                assert_eq!(after.error, None, "{role:?}, cut at {cut}");
                before.events.extend(after.events);
                assert_eq!(before.events, whole.events, "{role:?}, cut at {cut}");
                let replies = [frames(role, &before.out), frames(role, &after.out)].concat();
                assert_eq!(replies, frames(role, &whole.out), "{role:?}, cut at {cut}");
            }
        }
    }
}

/// R104 R137: The bytes from `into_parts` fit the limits that the connection has met so far: the
/// message in progress has no more frames and no more bytes than it arrived with.
#[test]
fn s6_2_unread_bytes_stay_within_the_limits() {
    for role in ROLES {
        let peer = peer_of(role);
        for fragments in 1..4 {
            let config = Config::new()
                .max_fragments(fragments)
                .max_message_size(4 * u64::from(fragments));
            let mut input = Vec::new();
            for i in 0..fragments {
                let fin = if i + 1 == fragments { 0x80 } else { 0x00 };
                let opcode = if i == 0 { 0x01 } else { 0x00 };
                input.extend(frame(peer, fin | opcode, "😀".as_bytes()));
            }
            for cut in 0..input.len() {
                let mut one = open(role, config.clone());
                assert_eq!(feed_bytewise(&mut one, &input[..cut]), Outcome::default());
                let unread = one.into_parts().unread;
                let mut other = open(role, config.clone());
                let outcome = feed(&mut other, &[&unread, &input[cut..]].concat());
                let row = format!("{role:?}: {fragments} fragments, cut at {cut}");
                assert_eq!(outcome.error, None, "{row}");
                let text = "😀".repeat(usize::try_from(fragments).unwrap());
                assert_eq!(outcome.events, [Event::Text(text.into())], "{row}");
            }
        }
    }
}

/// R104: With chunk delivery, a part of a message may have been reported already. A continuation
/// frame then carries the rest.
#[test]
fn s6_2_into_parts_with_chunk_delivery_returns_every_unreported_byte() {
    let config = Config::new().delivery(Delivery::Chunks);
    for role in ROLES {
        let peer = peer_of(role);
        let input = all_kinds_of_frames(peer);
        let expected = content(feed(&mut open(role, config.clone()), &input).events);
        for cut in 0..=input.len() {
            for first in [feed, feed_bytewise] {
                let mut one = open(role, config.clone());
                let mut events = first(&mut one, &input[..cut]).events;
                let unread = one.into_parts().unread;
                let mut other = open(role, config.clone());
                // The reported chunks of the message in progress.
                let known = events.iter().fold(Vec::new(), |mut known, event| {
                    match event {
                        Event::Chunk(chunk) if chunk.message_end => known.clear(),
                        Event::Chunk(chunk) => known.push((chunk.kind(), chunk.as_bytes().len())),
                        _ => {}
                    }
                    known
                });
                let continues = unread.first().is_some_and(|first| first & 0x0F == 0x0);
                assert_eq!(
                    continues,
                    known.iter().any(|(_, len)| *len > 0),
                    "{role:?}, cut at {cut}"
                );
                if continues {
                    // The new connection has to know the kind of the message.
                    let opcode = if known[0].0 == MessageKind::Text { 0x01 } else { 0x02 };
                    assert_eq!(feed(&mut other, &frame(peer, opcode, b"")).error, None);
                }
                let after = feed(&mut other, &[&unread, &input[cut..]].concat());
                assert_eq!(after.error, None, "{role:?}, cut at {cut}");
                events.extend(after.events);
                assert_eq!(content(events), expected, "{role:?}, cut at {cut}");
            }
        }
    }
}

/// R104: During the opening handshake, `into_parts` returns the bytes of an incomplete head, or the
/// bytes after the head.
#[test]
fn s6_2_into_parts_during_the_handshake_returns_every_unreported_byte() {
    for end in 0..REQUEST.len() {
        assert_eq!(
            server_with(&REQUEST[..end]).into_parts().unread,
            &REQUEST.as_bytes()[..end]
        );
    }
    let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    for end in 0..response.len() {
        assert_eq!(
            client_with(&response[..end]).into_parts().unread,
            &response.as_bytes()[..end]
        );
    }
    // The request was reported; the frames after it were not.
    let early = [
        frame(Role::Client, 0x81, b"one"),
        frame(Role::Client, 0x81, b"two"),
        frame(Role::Client, 0x01, b"thr"),
        vec![0x80],
    ]
    .concat();
    let deciding = || {
        let mut server = Connection::server(Config::default());
        let mut head = REQUEST.as_bytes().to_vec();
        let Ok(Some(Event::Request(request))) = server.receive(&mut &mut head[..], &mut Vec::new()) else {
            panic!("a request");
        };
        let request = request.into_owned();
        for piece in early.clone().chunks_mut(5) {
            assert_eq!(server.receive(&mut { piece }, &mut Vec::new()), Ok(None));
        }
        (server, request)
    };
    assert_eq!(deciding().0.into_parts().unread, early);
    let (mut server, request) = deciding();
    server.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
    assert_eq!(server.into_parts().unread, early);
    // Some of these frames may have been reported after the request was accepted.
    for reported in 1..=3 {
        let (mut server, request) = deciding();
        server.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
        let mut events = Vec::new();
        for _ in 0..reported {
            events.extend(server.receive(&mut &mut [][..], &mut Vec::new()).unwrap());
        }
        let unread = server.into_parts().unread;
        let rest = [&unread[..], &frame(Role::Client, 0x80, b"ee")[1..]].concat();
        events.extend(feed(&mut open(Role::Server, Config::default()), &rest).events);
        assert_eq!(
            events,
            [
                Event::Text("one".into()),
                Event::Text("two".into()),
                Event::Text("three".into())
            ],
            "after {reported} calls"
        );
    }
}

/// R092 R114: A connection that has received a Close frame, or has failed, returns no unread bytes.
#[test]
fn s7_1_7_into_parts_of_a_closed_connection_returns_no_bytes() {
    for situation in situations() {
        let connection = (situation.build)();
        let over = situation.state == State::Closed || situation.name.ends_with("close received");
        if over {
            assert_eq!(connection.into_parts().unread, [], "{}", situation.name);
        }
    }
    for role in ROLES {
        // A sent Close frame does not end receiving.
        let mut connection = with_close_sent(role);
        let begun = frame(peer_of(role), 0x01, b"begun");
        feed(&mut connection, &begun);
        let unread = connection.into_parts().unread;
        let mut other = open(role, Config::default());
        let outcome = feed(&mut other, &[&unread[..], &frame(peer_of(role), 0x80, b"")].concat());
        assert_eq!(outcome.events, [Event::Text("begun".into())]);
    }
}

/// F75: A close is a success if the peer's code is 1000, 1001 or none, or if it is the code with
/// which this end has closed first; and only if the closing handshake is complete.
#[test]
fn f75_a_close_is_a_success_or_an_error() {
    let code_frame = |code: u16| frame(Role::Client, 0x88, &code.to_be_bytes());
    let after = |own: Option<u16>, peer: Option<Vec<u8>>| {
        let mut server = open(Role::Server, Config::new());
        let mut out = Vec::new();
        if let Some(code) = own {
            server.close(CloseCode(code), "", &mut out).unwrap();
        }
        match peer {
            Some(mut input) => _ = server.receive(&mut &mut input[..], &mut out).unwrap(),
            None if own.is_none() => _ = server.receive_eof().unwrap_err(),
            None => {}
        }
        let status = server.close_status().unwrap().clone();
        let text = status.to_string();
        match status.clone().into_result() {
            Ok(()) => assert!(status.is_success()),
            Err(error) => assert!(!status.is_success() && error.to_string() == text),
        }
        (status.is_success(), text)
    };
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 4999]) {
        let (is_success, text) = after(None, Some(code_frame(code)));
        assert_eq!(is_success, matches!(code, 1000 | 1001), "{text}");
        assert!(
            text.starts_with(&format!("the peer closed the connection with code {code}")),
            "{text}"
        );
        if code != 1010 {
            assert!(after(Some(code), Some(code_frame(code))).0);
        }
        assert_eq!(
            after(Some(1008), Some(code_frame(code))).0,
            matches!(code, 1000 | 1001 | 1008)
        );
    }
    let (is_success, text) = after(None, Some(frame(Role::Client, 0x88, b"")));
    assert_eq!(
        (is_success, &*text),
        (true, "the peer closed the connection with no code")
    );
    let mut body = 1011_u16.to_be_bytes().to_vec();
    body.extend("\x1B[2J\u{202E}\u{e9}".as_bytes());
    let (is_success, text) = after(None, Some(frame(Role::Client, 0x88, &body)));
    let expected =
        "the peer closed the connection with code 1011 (internal error) and reason \"\\u{1b}[2J\\u{202e}\\u{e9}\"";
    assert_eq!((is_success, &*text), (false, expected));
    let (is_success, text) = after(Some(1000), None);
    assert_eq!(
        (is_success, &*text),
        (
            false,
            "this endpoint is closing the connection with code 1000 (normal closure)"
        )
    );
    let (is_success, text) = after(None, None);
    assert_eq!((is_success, text), (false, ProtocolError::UnexpectedEof.to_string()));
    // A caller may leave out the error.
    let mut server = open(Role::Server, Config::new());
    server.receive_eof().unwrap_err();
    let mut status = server.close_status().unwrap().clone();
    status.error = None;
    assert_eq!(status.to_string(), "the transport ended without a Close frame");
}
