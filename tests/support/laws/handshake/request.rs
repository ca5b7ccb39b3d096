//! The law of a server: any request.

use sockless::{Event, ProtocolError, Request, Role, State};

use super::{Options, sha1::sha1};
use crate::{
    feed,
    heads::{Answer, decode_base64},
    laws::heads::{self, Found, Head, is_authority, is_token},
};

/// What is appended to a key (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The outcome of any request of a client does not depend on the cuts. It is accepted if and only
/// if a slow check accepts it, and what it says is reported. A refusal is a well-formed response,
/// and the memory is bounded by the limits.
pub fn handshake_request(data: &[u8]) {
    let (options, input) = Options::read(data);
    let outcome = options.run(Role::Server, input);
    let is_head_request = input
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .is_some_and(|start| input[start..].starts_with(b"HEAD "));
    match expected_request(options, input) {
        Expected::Incomplete => {
            assert_eq!(
                (outcome.events, outcome.error, &outcome.out[..]),
                (vec![], None, &[][..])
            );
            let mut server = options.open(Role::Server);
            feed(&mut server, input);
            assert_eq!(server.state(), State::Opening);
            assert_eq!(server.receive_eof(), Err(Box::new(ProtocolError::HandshakeEof)));
        }
        Expected::Refused => {
            let Some(ProtocolError::Request(error)) = outcome.error else {
                panic!("{outcome:?}");
            };
            assert_eq!(outcome.events, []);
            let answer = Answer::read(&outcome.out);
            assert_eq!(answer.status, error.status());
            answer.assert_closes();
            if is_head_request {
                assert_eq!(answer.body, b"");
            } else {
                answer.assert_ends_the_connection();
                assert_eq!(answer.body, format!("{error}\n").into_bytes());
            }
            let expects_names = answer.status == 426;
            assert_eq!(answer.all("Sec-WebSocket-Version") == ["13"], expects_names);
        }
        Expected::Head(head) => {
            let Some(Event::Request(request)) = outcome.events.first() else {
                panic!("{outcome:?}");
            };
            check_request(request, &head);
            let answer = Answer::read(&outcome.out);
            if request.is_upgrade() {
                assert_eq!(answer.status, 101);
                // The answer to a key (RFC 6455, section 4.2.2, step 5.4).
                let key = head.values("sec-websocket-key")[0];
                assert_eq!(
                    decode_base64(answer.one("Sec-WebSocket-Accept")),
                    sha1(&[key, GUID].concat())
                );
                assert!(answer.all("Content-Length").is_empty() && answer.all("Sec-WebSocket-Extensions").is_empty());
            } else {
                assert_eq!((answer.status, outcome.error), (200, None));
                assert_eq!(answer.body, if is_head_request { &b""[..] } else { b"plain" });
            }
        }
    }
}

/// What a request says, and what is reported of it.
fn check_request(request: &Request<'_>, head: &Head) {
    let [method, target, _] = &head.words;
    assert_eq!((request.method(), request.target()), (&method[..], &target[..]));
    let fields = request.headers().map(|(name, value)| (name.to_owned(), value.to_vec()));
    assert_eq!(fields.collect::<Vec<_>>(), head.fields);
    let text = |name: &str| {
        head.values(name)
            .first()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(request.origin(), text("origin").as_deref());
    let host = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.split(['/', '?']).next().unwrap_or_default().into(),
        _ => text("host").unwrap_or_default(),
    };
    assert_eq!(request.host(), host);
    if request.is_upgrade() {
        let (_, subprotocols) = head.list("sec-websocket-protocol");
        let reported: Vec<Vec<u8>> = request.subprotocols().map(|name| name.into()).collect();
        assert_eq!(reported, subprotocols);
        let values = head.values("sec-websocket-extensions").into_iter();
        let extensions: Vec<_> = values.flat_map(|value| heads::extensions(value).unwrap()).collect();
        let reported = request.extensions().map(|extension| heads::owned(&extension));
        assert_eq!(reported.collect::<Vec<_>>(), extensions);
    }
}

/// What a slow check says of an input.
#[derive(Debug)]
enum Expected {
    Incomplete,
    Refused,
    Head(Head),
}

/// RFC 6455, section 4.2.1, and RFC 9112, with the strictness that docs/DESIGN.md describes.
fn expected_request(options: Options, input: &[u8]) -> Expected {
    let is_request_line = |words: &[&[u8]]| match words {
        [method, target, version] => {
            let is_target_byte = |byte: &u8| byte.is_ascii_graphic() || !byte.is_ascii();
            is_token(method)
                && !target.is_empty()
                && target.iter().all(is_target_byte)
                && std::str::from_utf8(target).is_ok()
                && (*version == b"HTTP/1.0" || *version == b"HTTP/1.1")
        }
        _ => false,
    };
    let head = match heads::read(input, options.limits, is_request_line) {
        Found::Incomplete => return Expected::Incomplete,
        Found::Invalid => return Expected::Refused,
        Found::Head(head) => head,
    };
    let is_handshake = !options.plain_requests || head.names("upgrade", "websocket");
    let is_valid = if is_handshake {
        is_valid_request(&head, &["GET"], "HTTP/1.1") && is_valid_handshake(&head)
    } else {
        is_valid_request(&head, &["GET", "HEAD", "OPTIONS"], &head.words[2])
    };
    if is_valid {
        Expected::Head(head)
    } else {
        Expected::Refused
    }
}

fn is_valid_request(head: &Head, methods: &[&str], version: &str) -> bool {
    let [method, target, head_version] = &head.words;
    let absolute = target
        .split_once("://")
        .filter(|(scheme, _)| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let is_target = match absolute {
        Some(authority) => is_authority(authority.as_bytes()),
        None => target.starts_with('/') || target == "*" && method == "OPTIONS",
    };
    let is_host = match head.values("host")[..] {
        [] => head_version == "HTTP/1.0",
        [host] => is_authority(host),
        _ => false,
    };
    methods.contains(&&method[..])
        && head_version == version
        && is_target
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && is_host
        && has_origin_and_no_body(head)
}

/// At most one origin, and no announced body.
pub(in crate::laws) fn has_origin_and_no_body(head: &Head) -> bool {
    let origin = head.values("origin");
    let (_, lengths) = head.list("content-length");
    origin.len() <= 1
        && origin.iter().all(|origin| origin.is_ascii())
        && head.values("transfer-encoding").is_empty()
        && head.values("content-length").is_empty() == lengths.is_empty()
        && lengths.iter().all(|length| length.iter().all(|digit| *digit == b'0'))
}

fn is_valid_handshake(head: &Head) -> bool {
    let is_key = |key: &[u8]| {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/';
        key.len() == 24 && key[..22].iter().all(is_digit) && key[22..] == *b"=="
    };
    head.names("upgrade", "websocket")
        && head.names("connection", "upgrade")
        && matches!(head.values("sec-websocket-key")[..], [key] if is_key(key))
        && has_version_and_offers(head)
}

/// The version, and valid lists of subprotocols and extensions.
pub(in crate::laws) fn has_version_and_offers(head: &Head) -> bool {
    let (_, subprotocols) = head.list("sec-websocket-protocol");
    let is_unique = |(at, name): (usize, &Vec<u8>)| !subprotocols[..at].contains(name);
    let extensions = head.values("sec-websocket-extensions");
    head.values("sec-websocket-version") == [b"13"]
        && subprotocols.iter().all(|name| is_token(name))
        && subprotocols.iter().enumerate().all(is_unique)
        && !head.has_only_commas("sec-websocket-protocol")
        && extensions.iter().all(|value| heads::extensions(value).is_some())
        && !head.has_only_commas("sec-websocket-extensions")
}
