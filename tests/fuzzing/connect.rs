//! Lists of fields of extended CONNECTs and of the responses to them, and answers of proxies.

use proptest::{collection::vec, prelude::*};
use sockless::Role;
use support::laws::connect::connect;

use crate::streams::{cases, damage_bytes, opening};

const PSEUDO: &str = ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:authority: example.com\n:path: /\n";

const LINES: [&str; 24] = [
    "sec-websocket-version: 13",
    "sec-websocket-version: 8",
    "sec-websocket-protocol: a, b",
    "sec-websocket-protocol: b",
    "sec-websocket-extensions: x-own; p",
    "sec-websocket-extensions: ,",
    "origin: https://example.com",
    "host: EXAMPLE.com",
    "host: other",
    "content-length: 0",
    "content-length: 1",
    "te: trailers",
    "TE: gzip",
    "connection: upgrade",
    "upgrade: websocket",
    "transfer-encoding: chunked",
    "sec-websocket-key: x",
    ":path: /x",
    ":unknown: x",
    ":method: GET",
    "x: y",
    "user-agent: a:b",
    "sec-websocket-accept: x",
    "keep-alive",
];

const ANSWERS: [&str; 8] = [
    "HTTP/1.1 200 Connection established\r\n\r\nthrough",
    "HTTP/1.0 299\nContent-Length: 5\n\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 502 Bad Gateway\r\n\r\nto the end",
    "HTTP/1.1 502\r\nContent-Length: x\r\n\r\n",
];

proptest! {
    #![proptest_config(cases(3000))]

    /// R194 R196 R197 R198 R199 R204: Any fields of an extended CONNECT and of the response to it
    /// are judged as a slow check does, and so is any answer of a proxy (F58).
    #[test]
    fn rfc8441_s5_any_fields_agree_with_a_slow_check(
        options in any::<[u8; 3]>(),
        input in prop_oneof![
            vec(prop::sample::select(&LINES[..]), 0..5)
                .prop_map(|lines| [&[0], format!("{PSEUDO}{}\nsec-websocket-version: 13", lines.join("\n")).as_bytes()].concat()),
            vec(prop::sample::select(&LINES[2..]), 0..3)
                .prop_map(|lines| [&[2, 0, 0], lines.join("\n").as_bytes()].concat()),
            prop_oneof![prop::sample::select(&ANSWERS[..]).prop_map(|answer| answer.as_bytes().to_vec()), opening(Role::Client)]
                .prop_map(|answer| [&[3], &answer[..]].concat()),
        ],
        damage in vec(any::<(u8, u16, u8)>(), 0..3),
    ) {
        let mut bytes = input[1..].to_vec();
        for (kind, at, value) in damage {
            damage_bytes(&mut bytes, kind, at, value);
        }
        connect(&[&input[..1], &options[..], &bytes].concat());
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, line) in LINES.iter().enumerate() {
        let options = [(number * 29) as u8, 1, (number * 17) as u8];
        let request = format!("{PSEUDO}{line}\nsec-websocket-version: 13");
        seeds.push([&[0], &options[..], request.as_bytes()].concat());
        seeds.push([&[2][..], &options, &[130, 0], line.as_bytes()].concat());
        seeds.push(
            [
                &[2][..],
                &[0x38, 1, 5],
                &[128 + number as u8 % 8, number as u8],
                line.as_bytes(),
            ]
            .concat(),
        );
        let answer = ANSWERS[number % ANSWERS.len()];
        seeds.push([&[3], &options[..], answer.as_bytes()].concat());
    }
    seeds
}
