//! Heads of both peers, valid and hostile, against a slow check.

use proptest::{collection::vec, prelude::*};
use sockless::Role;
use support::{
    frame,
    heads::{BROWSER_REQUEST, REQUEST_FIELDS, head, request_edits, response, response_with, with},
    laws::handshake::{handshake_request, handshake_response},
    peer_of,
};

use crate::streams::{cases, damage_bytes, opening};

proptest! {
    #![proptest_config(cases(2000))]

    /// R032 R033 R034 R035 R036 R037 R038 R039 R040 R046: Any request, in any cut, is accepted if
    /// and only if a slow check accepts it; a refusal is a well-formed response; the memory is
    /// bounded.
    #[test]
    fn s4_2_1_a_server_agrees_with_a_slow_check(
        options in any::<[u8; 3]>(),
        input in prop_oneof![opening(Role::Server), prop::sample::select(requests())],
        damage in vec(any::<(u8, u16, u8)>(), 0..4),
    ) {
        handshake_request(&damaged(options, input, &damage));
    }

    /// R021 R022 R023 R024 R025 R026 R029: Any response, in any cut, opens a connection if and only
    /// if a slow check accepts it; the body of a refusal is what a slow reader finds; the memory is
    /// bounded.
    #[test]
    fn s4_1_a_client_agrees_with_a_slow_check(
        options in any::<[u8; 3]>(),
        input in prop_oneof![opening(Role::Client), prop::sample::select(responses())],
        damage in vec(any::<(u8, u16, u8)>(), 0..4),
    ) {
        handshake_response(&damaged(options, input, &damage));
    }
}

fn damaged(options: [u8; 3], mut input: Vec<u8>, damage: &[(u8, u16, u8)]) -> Vec<u8> {
    for (kind, at, value) in damage {
        damage_bytes(&mut input, *kind, *at, *value);
    }
    [&options[..], &input].concat()
}

fn requests() -> Vec<Vec<u8>> {
    let mut requests: Vec<_> = request_edits()
        .iter()
        .map(|(name, values, _)| head("GET /a?b HTTP/1.1", &with(&REQUEST_FIELDS, name, values)))
        .collect();
    for target in [
        "http://example.com:080/a",
        "https://[::1]?x",
        "*",
        "/%00",
        "http://a:b",
        "/a#b",
    ] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            requests.push(head(&format!("{method} {target} HTTP/1.1"), &REQUEST_FIELDS));
            requests.push(head(&format!("{method} {target} HTTP/1.0"), &[("Host", "[::1]:1")]));
        }
    }
    for (name, value) in [
        ("Host", "a%2F:"),
        ("Host", "[::1%25eth0]"),
        ("Host", "user@a"),
        ("Content-Length", "0, 0"),
        ("Content-Length", ","),
        ("Sec-WebSocket-Extensions", "a; b=\"c\\d\" ;e = f,, g"),
        ("Sec-WebSocket-Extensions", ", ,"),
        ("Sec-WebSocket-Protocol", ", a , b"),
        ("Upgrade", "h2c/1,\twebsocket"),
        ("Origin", "null"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ9="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ9/"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ+=="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ===+"),
    ] {
        requests.push(head("GET / HTTP/1.1", &with(&REQUEST_FIELDS, name, &[value])));
    }
    requests.push(BROWSER_REQUEST.replace("\r\n", "\n").into());
    let plain = head("GET / HTTP/1.1", &[("Host", "a")]);
    requests.push([b"\r\n\n", &plain[..]].concat());
    requests
}

fn responses() -> Vec<Vec<u8>> {
    let frames = [frame(Role::Server, 0x81, b"hello"), frame(Role::Server, 0x88, b"")].concat();
    let mut responses = vec![
        [response(), frames].concat(),
        [
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\nLink: </a>\n\n",
            &response()[..],
        ]
        .concat(),
    ];
    for (name, value) in [
        ("Sec-WebSocket-Protocol", ", b"),
        ("Sec-WebSocket-Protocol", "c"),
        ("Sec-WebSocket-Extensions", "x-own; q=\"r\""),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Upgrade", "WebSocket"),
        ("Connection", "keep-alive, upgrade"),
    ] {
        responses.push(response_with(name, &[value]));
    }
    for (fields, body) in [
        ("Content-Length: 5", "hello"),
        ("Content-Length: 40", "hello"),
        ("Content-Length: 0, 0", ""),
        ("X: y", "until the end of the transport"),
        (
            "Transfer-Encoding: gzip, chunked",
            "5\r\nhello\r\nA ;x=y\r\n0123456789\r\n0\r\n\r\n",
        ),
        ("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFF\r\nhello"),
        ("Transfer-Encoding: gzip", "hello"),
    ] {
        for status in ["404 Not Found", "204", "302 \u{e4}"] {
            responses.push(format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n{body}").into());
        }
    }
    responses
}

pub(crate) fn seeds(receiver: Role) -> Vec<Vec<u8>> {
    let inputs = match peer_of(receiver) {
        Role::Client => requests(),
        Role::Server => responses(),
    };
    let options = |number: usize| [(number * 29) as u8, 1, (number * 17) as u8];
    inputs
        .iter()
        .enumerate()
        .map(|(number, input)| [&options(number)[..], input].concat())
        .collect()
}
