//! The client's side of the opening handshake over HTTP/1.1 (RFC 6455, sections 3, 4.1, 9.1 and
//! 11.3).

use sockless::{
    ClientRequest, CloseCode, Config, Connection, Event, MessageKind, ProtocolError, Role, SendError, State, Teardown,
    error::{LocalHandshakeError, ResponseError},
    handshake::Expected,
};
use support::{
    feed_cut, frame,
    heads::{
        ACCEPT, Answer, CLIENT_ACCEPT, CLIENT_KEY, Fields, KEY, NONCE, RESPONSE_FIELDS, SEED, assert_fails,
        decode_base64, dial, drain, head, hear, invalid_name, invalid_value, listed, opened, plain, refusal, reserved,
        response, response_with, with,
    },
    quoted, quoted_to, reserved_bits, reserved_opcode,
};

/// The bytes of the request that a client sends.
fn sent(request: &ClientRequest) -> Vec<u8> {
    let mut out = Vec::new();
    Connection::client(request, Config::default(), SEED, &mut out).unwrap();
    out
}

/// The request that a client sends, taken apart.
fn read(request: &ClientRequest) -> Answer {
    let answer = Answer::read(&sent(request));
    assert!(answer.body.is_empty(), "nothing follows the head");
    answer
}

fn offer(subprotocols: &[&str]) -> ClientRequest {
    let offers = subprotocols.iter().copied();
    offers.fold(plain(), |request, subprotocol| request.subprotocol(subprotocol))
}

// The URL: section 3.

/// R002 R003 R008 R009: The parts of a URL: scheme, host, port, the Host header and the target.
#[test]
fn s3_what_a_url_says() {
    let table = [
        // URL, secure, host, port, Host, target
        ("ws://example.com", false, "example.com", 80, "example.com", "/"),
        ("ws://example.com/", false, "example.com", 80, "example.com", "/"),
        (
            "wss://example.com/chat",
            true,
            "example.com",
            443,
            "example.com",
            "/chat",
        ),
        ("WSS://h", true, "h", 443, "h", "/"),
        ("Ws://H/P", false, "H", 80, "H", "/P"),
        // The resource name: the path, or "/", and the query.
        ("ws://h?x=1", false, "h", 80, "h", "/?x=1"),
        ("ws://h/?x=1", false, "h", 80, "h", "/?x=1"),
        ("ws://h/p/q?x=1&y=/?:@", false, "h", 80, "h", "/p/q?x=1&y=/?:@"),
        ("ws://h//", false, "h", 80, "h", "//"),
        (
            "ws://h/a:b@c;d=e,f!$&'()*+~._-",
            false,
            "h",
            80,
            "h",
            "/a:b@c;d=e,f!$&'()*+~._-",
        ),
        ("ws://h/%20%C3%A9%23", false, "h", 80, "h", "/%20%C3%A9%23"),
        ("ws://h/?%23", false, "h", 80, "h", "/?%23"),
        ("ws://h/?a://b", false, "h", 80, "h", "/?a://b"),
        // The port is in the Host header if it is not the default of the scheme.
        ("ws://h:80/", false, "h", 80, "h", "/"),
        ("ws://h:81/", false, "h", 81, "h:81", "/"),
        ("ws://h:443", false, "h", 443, "h:443", "/"),
        ("wss://h:443", true, "h", 443, "h", "/"),
        ("http://h/p?q", false, "h", 80, "h", "/p?q"),
        ("https://h", true, "h", 443, "h", "/"),
        ("HTTPS://h:443/", true, "h", 443, "h", "/"),
        ("https://h:80/", true, "h", 80, "h:80", "/"),
        ("HttP://h:80/", false, "h", 80, "h", "/"),
        ("wss://h:80", true, "h", 80, "h:80", "/"),
        ("wss://h:8443?x", true, "h", 8443, "h:8443", "/?x"),
        ("ws://h:1", false, "h", 1, "h:1", "/"),
        ("ws://h:65535", false, "h", 65535, "h:65535", "/"),
        ("ws://h:0080", false, "h", 80, "h", "/"),
        ("ws://h:", false, "h", 80, "h", "/"),
        ("wss://h:/p", true, "h", 443, "h", "/p"),
        // Addresses, IPv6 in brackets.
        ("ws://127.0.0.1:9001/", false, "127.0.0.1", 9001, "127.0.0.1:9001", "/"),
        ("ws://[::1]", false, "::1", 80, "[::1]", "/"),
        (
            "ws://[2001:DB8::1]:80/p",
            false,
            "2001:DB8::1",
            80,
            "[2001:DB8::1]",
            "/p",
        ),
        (
            "wss://[::ffff:1.2.3.4]:444",
            true,
            "::ffff:1.2.3.4",
            444,
            "[::ffff:1.2.3.4]:444",
            "/",
        ),
        // Names.
        (
            "ws://xn--bcher-kva.example",
            false,
            "xn--bcher-kva.example",
            80,
            "xn--bcher-kva.example",
            "/",
        ),
        ("ws://a_b-c.d~e", false, "a_b-c.d~e", 80, "a_b-c.d~e", "/"),
        ("ws://b%C3%BCcher", false, "b%C3%BCcher", 80, "b%C3%BCcher", "/"),
    ];
    for (url, secure, host, port, header, target) in table {
        let request = ClientRequest::new(url).expect(url);
        assert_eq!(
            (request.is_secure(), request.host(), request.port(), request.target()),
            (secure, host, port, target),
            "{url}"
        );
        let sent = read(&request);
        assert_eq!(sent.line, format!("GET {target} HTTP/1.1"), "{url}");
        assert_eq!(sent.one("Host"), header, "{url}");
    }
}

/// R001: A URL with a fragment is an error. A percent-encoded `#` is not a fragment.
#[test]
fn s3_a_url_has_no_fragment() {
    for url in [
        "ws://h/p#f",
        "ws://h#f",
        "ws://h/#",
        "ws://h/p?q#",
        "wss://h/?#f",
        "ws://h:80#",
        "ws://h/p#f?q",
    ] {
        let public_len = url.find(['?', '#']).unwrap();
        let error = LocalHandshakeError::FragmentInUrl {
            url: quoted_to(url, public_len),
        };
        assert_eq!(ClientRequest::new(url), Err(error), "{url}");
    }
    for (url, target) in [("ws://h/p%23f", "/p%23f"), ("ws://h?q%23", "/?q%23")] {
        assert_eq!(ClientRequest::new(url).unwrap().target(), target);
    }
    for (target, offset) in [("/p#f", 2), ("/#", 1)] {
        let error = LocalHandshakeError::InvalidTargetByte {
            target: quoted_to(target, offset),
            byte: b'#',
            offset,
        };
        assert_eq!(ClientRequest::from_parts("h", target), Err(error));
    }
}

fn invalid_scheme(url: &str) -> LocalHandshakeError {
    LocalHandshakeError::InvalidScheme { url: quoted(url) }
}

fn invalid_host(host: &str) -> LocalHandshakeError {
    LocalHandshakeError::InvalidHost { host: quoted(host) }
}

fn invalid_port(port: &str) -> LocalHandshakeError {
    LocalHandshakeError::InvalidPort { port: quoted(port) }
}

/// The error of a target that has a byte at an offset that must be percent-encoded.
fn invalid_byte(target: &str, offset: usize) -> LocalHandshakeError {
    LocalHandshakeError::InvalidTargetByte {
        target: quoted_to(target, target.find('?').unwrap_or(target.len())),
        byte: target.as_bytes()[offset],
        offset,
    }
}

/// R004 R001: A URL with an invalid part is an error.
#[test]
fn s3_an_invalid_url_is_refused() {
    const MISSING: LocalHandshakeError = LocalHandshakeError::MissingHost;
    const USER_INFO: LocalHandshakeError = LocalHandshakeError::UserInfoInUrl;
    let table = [
        ("", invalid_scheme("")),
        ("h", invalid_scheme("h")),
        ("//h", invalid_scheme("//h")),
        ("://h", invalid_scheme("://h")),
        ("ws:h", invalid_scheme("ws:h")),
        ("ws:/h", invalid_scheme("ws:/h")),
        ("ws//h", invalid_scheme("ws//h")),
        (" ws://h", invalid_scheme(" ws://h")),
        ("ws ://h", invalid_scheme("ws ://h")),
        ("ftp://h", invalid_scheme("ftp://h")),
        ("httpss://h", invalid_scheme("httpss://h")),
        ("http:/h", invalid_scheme("http:/h")),
        ("wsss://h", invalid_scheme("wsss://h")),
        ("w://h", invalid_scheme("w://h")),
        (
            "/p?u=ws://h",
            LocalHandshakeError::InvalidScheme {
                url: quoted_to("/p?u=ws://h", 2),
            },
        ),
        ("ws://", MISSING),
        ("ws:///p", MISSING),
        ("ws://?q", MISSING),
        ("ws://:80", MISSING),
        ("ws://h:0", invalid_port("0")),
        ("ws://h:65536", invalid_port("65536")),
        ("ws://h:99999999999999999999", invalid_port("99999999999999999999")),
        ("ws://h:x", invalid_port("x")),
        ("ws://h:-1", invalid_port("-1")),
        ("ws://h:+1", invalid_port("+1")),
        ("ws://h:1 ", invalid_port("1 ")),
        ("ws://h:80:80", invalid_host("h:80:80")),
        ("ws://user@h", USER_INFO),
        ("https://user:secret@h/", USER_INFO),
        ("ws://user:secret@h/", USER_INFO),
        ("ws://user:12@h:80/", USER_INFO),
        ("ws://@h/", USER_INFO),
        ("ws://:@/", USER_INFO),
        ("ws://h h/", invalid_host("h h")),
        ("ws://h /", invalid_host("h ")),
        ("ws://h\r\nX: y/", invalid_host("h\r\nX: y")),
        ("ws://h\n", invalid_host("h\n")),
        ("ws://h\0/", invalid_host("h\0")),
        ("ws://h\\p", invalid_host("h\\p")),
        ("ws://h%", invalid_host("h%")),
        ("ws://h%2", invalid_host("h%2")),
        ("ws://h%2x", invalid_host("h%2x")),
        ("ws://h\"", invalid_host("h\"")),
        ("ws://b\u{fc}cher/", invalid_host("b\u{fc}cher")),
        ("ws://::1/", invalid_host("::1")),
        ("ws://2001:db8::1/", invalid_host("2001:db8::1")),
        ("ws://[::1", invalid_host("[::1")),
        ("ws://[::1/", invalid_host("[::1")),
        ("ws://[]", invalid_host("[]")),
        ("ws://[::1]x", invalid_host("[::1]x")),
        ("ws://[::1]80", invalid_host("[::1]80")),
        ("ws://[::g]", invalid_host("[::g]")),
        ("ws://[h]", invalid_host("[h]")),
        ("ws://[::1]:x", invalid_port("x")),
        ("ws://[\u{e9}", invalid_host("[\u{e9}")),
        ("ws://[::1]\u{e9}", invalid_host("[::1]\u{e9}")),
        ("ws://h]", invalid_host("h]")),
        ("ws://h/ ", invalid_byte("/ ", 1)),
        ("ws://h/a\tb", invalid_byte("/a\tb", 2)),
        ("ws://h/ HTTP/1.1\r\nX: y", invalid_byte("/ HTTP/1.1\r\nX: y", 10)),
        ("ws://h/a\nb", invalid_byte("/a\nb", 2)),
        ("ws://h/a\rb", invalid_byte("/a\rb", 2)),
        ("ws://h/\0", invalid_byte("/\0", 1)),
        ("ws://h/\u{7f}", invalid_byte("/\u{7f}", 1)),
        ("ws://h/a\\b", invalid_byte("/a\\b", 2)),
    ];
    for (url, error) in table {
        assert_eq!(ClientRequest::new(url), Err(error), "{url:?}");
    }
}

/// F77: The text of an error has no user name, no password and no query string, even if the URL is
/// so wrong that their ends cannot be found.
#[test]
fn s3_the_error_of_a_url_has_no_secret() {
    for url in [
        "ws://name:needle@h:99999/",
        "ws://name:needle@h /",
        "ws://name:needle@",
        "ws://name:nee/dle@h/",
        "ws://name:nee?dle@h/",
        "ws://name:nee#dle@h/",
        "ws://needle:x/y@h/",
        "http://name:needle@h/",
        "http://needle@h/p?q#f",
        "http://name:nee?dle@h/",
        "ftp://name:needle@h/",
        "ftp://needle@h/p?q#f",
        "ftp://name:nee?dle@h/",
        "name:needle@h",
        "name:nee/dle@h",
        "needle?1://x@y",
        "ftp://h/?token=needle",
        "h/?token=needle",
        "h?token=needle",
        "h#needle",
        "ws://h/p?token=needle&a ",
        "ws://h?needle \0",
        "ws://h/p?needle#f",
        "ws://h/p#needle",
    ] {
        let text = ClientRequest::new(url).unwrap_err().to_string();
        assert!(!text.contains("nee") && !text.contains("name:"), "{url}: {text}");
    }
    for (host, target) in [
        ("name:needle@h", "/"),
        ("h?token=needle", "/"),
        ("h", "?token=needle"),
        ("h", "p?token=needle"),
        ("h", "http://name:needle@h/"),
        ("h", "/p?token=needle#"),
    ] {
        let text = ClientRequest::from_parts(host, target).unwrap_err().to_string();
        assert!(
            !text.contains("nee") && !text.contains("name:"),
            "{host} {target}: {text}"
        );
    }
}

/// R004 R008 R009: A request from parts is checked as one from a URL.
#[test]
fn s3_a_request_from_parts() {
    let valid = [
        ("example.com", "/chat?x", "example.com", 80),
        ("h:8080", "/", "h:8080", 8080),
        ("[::1]:8080", "/", "[::1]:8080", 8080),
        ("[::1]", "//", "[::1]", 80),
    ];
    for (host, target, header, port) in valid {
        let request = ClientRequest::from_parts(host, target).unwrap();
        assert_eq!((request.is_secure(), request.port()), (false, port), "{host}");
        let sent = read(&request);
        assert_eq!(sent.line, format!("GET {target} HTTP/1.1"));
        assert_eq!(sent.one("Host"), header);
    }
    let invalid_target = |target: &str, public_len: usize| LocalHandshakeError::InvalidTarget {
        target: quoted_to(target, public_len),
    };
    let invalid = [
        ("", "/", LocalHandshakeError::MissingHost),
        ("h/", "/", invalid_host("h/")),
        ("h\r\nX: y", "/", invalid_host("h\r\nX: y")),
        ("h h", "/", invalid_host("h h")),
        ("u@h", "/", LocalHandshakeError::UserInfoInUrl),
        ("h:0", "/", invalid_port("0")),
        ("[::1", "/", invalid_host("[::1")),
        ("h", "", invalid_target("", 0)),
        ("h", "p", invalid_target("p", 1)),
        ("h", "?q", invalid_target("?q", 0)),
        ("h", "*", invalid_target("*", 1)),
        ("h", "http://h/", invalid_target("http://h/", 9)),
        ("h", "/a ", invalid_byte("/a ", 2)),
        ("h", "/ HTTP/1.1\r\nX: y", invalid_byte("/ HTTP/1.1\r\nX: y", 10)),
        ("h", "/\0", invalid_byte("/\0", 1)),
    ];
    for (host, target, error) in invalid {
        assert_eq!(
            ClientRequest::from_parts(host, target),
            Err(error),
            "{host:?} {target:?}"
        );
    }
}

/// A user name and a password are sent in a header (RFC 7617, section 2).
#[test]
fn rfc7617_s2_basic_credentials() {
    let header = |user: &str, password: &str| {
        let request = ClientRequest::new("ws://h/").unwrap();
        request
            .basic_auth(user, password)
            .map(|request| read(&request).one("Authorization").to_owned())
    };
    for (user, password, value) in [
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ("", ":", "Basic Ojo="),
    ] {
        assert_eq!(header(user, password).as_deref(), Ok(value));
    }
    for (user, password) in [("a:b", "c"), ("a\n", "b"), ("a", "b\0"), ("a", "\u{85}")] {
        assert_eq!(header(user, password), Err(LocalHandshakeError::InvalidCredentials));
    }
}

/// R006: A `wss` URL is known as one, so that the caller can put TLS below; the bytes inside are
/// the same.
#[test]
fn s4_1_wss_is_the_callers_transport() {
    let (ws, wss) = (
        ClientRequest::new("ws://h/p").unwrap(),
        ClientRequest::new("wss://h/p").unwrap(),
    );
    assert_eq!((ws.is_secure(), wss.is_secure()), (false, true));
    assert_eq!(sent(&ws), sent(&wss));
}

// The request: section 4.1, in its order.

/// R007 R008 R009 R010 R011 R012 R015 R014 R031: The least request, byte for byte: no origin, no
/// offer.
#[test]
fn s4_1_the_least_request_exactly() {
    let expected = "GET /chat?room=1 HTTP/1.1\r\n\
                    Host: example.com:8080\r\n\
                    Upgrade: websocket\r\n\
                    Connection: Upgrade\r\n\
                    Sec-WebSocket-Key: PgDvL4lfQNZ/W7joHwmloQ==\r\n\
                    Sec-WebSocket-Version: 13\r\n\
                    \r\n";
    let request = ClientRequest::new("ws://example.com:8080/chat?room=1").unwrap();
    let mut out = b"before".to_vec();
    let client = Connection::client(&request, Config::default(), SEED, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"));
    assert_eq!((client.state(), client.role()), (State::Opening, Role::Client));
    assert_eq!(sent(&request), expected.as_bytes(), "the same each time");
}

/// R014 R017 R019: Everything that can be added, byte for byte, in the order in which it was given.
#[test]
fn s4_1_the_full_request_exactly() {
    let request = ClientRequest::new("wss://example.com/")
        .unwrap()
        .header("Cookie", "a=1")
        .subprotocol("v2.chat")
        .origin("https://example.com")
        .header("X-Empty", "")
        .subprotocol("v1.chat")
        .header("cookie", "b=\"\u{e9}\"\t");
    let expected = "GET / HTTP/1.1\r\n\
                    Host: example.com\r\n\
                    Upgrade: websocket\r\n\
                    Connection: Upgrade\r\n\
                    Sec-WebSocket-Key: PgDvL4lfQNZ/W7joHwmloQ==\r\n\
                    Sec-WebSocket-Version: 13\r\n\
                    Origin: https://example.com\r\n\
                    Sec-WebSocket-Protocol: v2.chat, v1.chat\r\n\
                    Cookie: a=1\r\n\
                    X-Empty: \r\n\
                    cookie: b=\"\u{e9}\"\t\r\n\
                    \r\n";
    assert_eq!(String::from_utf8(sent(&request)).unwrap(), expected);
}

/// R012 R013: The key is the canonical base64 form of 16 bytes from the seed: fresh with a fresh
/// seed, and only then.
#[test]
fn s4_1_7_key_comes_from_the_seed() {
    let key = |seed: [u8; 32]| {
        let mut out = Vec::new();
        Connection::client(&plain(), Config::default(), seed, &mut out).unwrap();
        Answer::read(&out).one("Sec-WebSocket-Key").to_owned()
    };
    assert_eq!(
        key(SEED),
        CLIENT_KEY,
        "TC1 for ChaCha8 in draft-strombergson-chacha-test-vectors"
    );
    let mut keys: Vec<String> = (0..=255).map(|byte| key([byte; 32])).collect();
    let mut one_bit = SEED;
    one_bit[31] = 0x80;
    keys.push(key(one_bit));
    for key in &keys {
        assert_eq!(key.len(), 24);
        assert_eq!(decode_base64(key).len(), 16, "{key}");
        assert!("AQgw".contains(&key[21..22]), "{key}");
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 257, "two seeds, two keys");
    assert_eq!(key([7; 32]), key([7; 32]), "one seed, one key");
}

/// R069 R012: The mask keys follow the key of the handshake in the stream; no bytes are used
/// twice.
#[test]
fn s5_3_mask_keys_are_not_those_of_the_handshake() {
    let mut client = dial(&plain(), &Config::default());
    drain(&mut client, &response(), &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    client.send_binary(&[0; 4], &mut out).unwrap();
    client.send_binary(&[0; 4], &mut out).unwrap();
    let nonce = decode_base64(CLIENT_KEY);
    let (first, second) = (&out[2..6], &out[12..16]);
    assert_ne!(first, second);
    for mask in [first, second] {
        assert!(!nonce.windows(4).any(|four| four == mask));
    }
}

/// R016: Offered subprotocols are unique tokens. With any other, no byte of the request is sent.
#[test]
fn s4_1_10_subprotocols_are_unique_tokens() {
    // With the position of the subprotocol that is not a token.
    let invalid: [(&[&str], usize); 14] = [
        (&[""], 1),
        (&["a", ""], 2),
        (&["a,b"], 1),
        (&["a, b"], 1),
        (&[" a"], 1),
        (&["a "], 1),
        (&["a b"], 1),
        (&["a\tb"], 1),
        (&["a\r\nX: y"], 1),
        (&["a\0"], 1),
        (&["\u{e9}"], 1),
        (&["a/b"], 1),
        (&["a", "b", "\"a\"", "a"], 3),
        (&["a;q=1"], 1),
    ];
    for (row, position) in invalid {
        assert_refused(&offer(row), LocalHandshakeError::InvalidSubprotocol { position });
    }
    for separator in "()<>@,;:\\\"/[]?={} \t\u{7f}".chars() {
        assert_refused(
            &offer(&[&format!("a{separator}b")]),
            LocalHandshakeError::InvalidSubprotocol { position: 1 },
        );
    }
    let repeated: [(&[&str], usize); 4] = [
        (&["a", "a"], 2),
        (&["a", "b", "a"], 3),
        (&["b", "a", "a", "b"], 4),
        (&["a", "A", "b", "b"], 4),
    ];
    for (row, position) in repeated {
        assert_refused(&offer(row), LocalHandshakeError::RepeatedSubprotocol { position });
    }
    let tokens: String = (0x21..0x7F_u8)
        .map(char::from)
        .filter(|char| !"()<>@,;:\\\"/[]?={}".contains(*char))
        .collect();
    let sent = read(&offer(&[&tokens, "a", "A"]));
    assert_eq!(sent.one("Sec-WebSocket-Protocol"), format!("{tokens}, a, A"));
}

/// Asserts that a request fails and leaves the output unchanged.
fn assert_refused(request: &ClientRequest, error: LocalHandshakeError) {
    let mut out = b"before".to_vec();
    let refused = Connection::client(request, Config::default(), SEED, &mut out).map(|_| ());
    assert_eq!(refused, Err(error), "{request:?}");
    assert_eq!(out, b"before", "{request:?}");
    assert_eq!(
        request.fields(NONCE, &Config::default()).map(|_| ()),
        Err(error),
        "{request:?}"
    );
}

/// R019 R004: The caller can add neither a header that the handshake sets nor a malformed one.
/// Nothing is sent.
#[test]
fn s4_1_12_a_header_cannot_break_the_request() {
    let rows = [
        ("Host", "h", reserved("Host")),
        ("upgrade", "h2c", reserved("upgrade")),
        ("CONNECTION", "close", reserved("CONNECTION")),
        ("Origin", "null", reserved("Origin")),
        ("sec-websocket-key", KEY, reserved("sec-websocket-key")),
        ("Sec-WebSocket-Accept", ACCEPT, reserved("Sec-WebSocket-Accept")),
        ("Sec-WebSocket-Version", "8", reserved("Sec-WebSocket-Version")),
        ("SEC-WEBSOCKET-PROTOCOL", "a", reserved("SEC-WEBSOCKET-PROTOCOL")),
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate",
            reserved("Sec-WebSocket-Extensions"),
        ),
        ("Sec-WebSocket-", "", reserved("Sec-WebSocket-")),
        ("Content-Length", "0", reserved("Content-Length")),
        ("Transfer-Encoding", "chunked", reserved("Transfer-Encoding")),
        ("", "a", invalid_name("")),
        ("X Y", "a", invalid_name("X Y")),
        ("X:", "a", invalid_name("X:")),
        (" X", "a", invalid_name(" X")),
        ("X\r\nY", "a", invalid_name("X\r\nY")),
        ("X\n", "a", invalid_name("X\n")),
        ("X\0", "a", invalid_name("X\0")),
        ("\u{e9}", "a", invalid_name("\u{e9}")),
        ("X", "a\r\nY: b", invalid_value("X")),
        ("X", "a\r", invalid_value("X")),
        ("X", "\na", invalid_value("X")),
        ("X", "a\0b", invalid_value("X")),
        ("X", "\u{1b}", invalid_value("X")),
        ("X", "\u{7f}", invalid_value("X")),
    ];
    for (name, value, error) in rows {
        assert_refused(&plain().header(name, value), error);
        assert_refused(
            &plain().header("X-Fine", "1").header(name, value).header("X-Fine", "2"),
            error,
        );
    }
    for (name, value) in [
        ("Authorization", "Bearer a.b-c"),
        ("Sec-WebSocket", "a"),
        ("X-Host", ""),
        ("User-Agent", "\u{1F600}\t!"),
    ] {
        assert_eq!(read(&plain().header(name, value)).one(name), value);
    }
}

/// R014 R004: An origin is sent if it is set. It must be a valid header value.
#[test]
fn s4_1_8_origin_is_optional() {
    assert!(read(&plain()).all("Origin").is_empty());
    for origin in ["null", "https://example.com"] {
        assert_eq!(read(&plain().origin(origin)).one("Origin"), origin);
    }
    for origin in ["http://a\r\nX: y", "\n", "\0"] {
        assert_refused(&plain().origin(origin), invalid_value("Origin"));
    }
}

/// R018 R031 R134 R127: No extension is offered, none is in use.
#[test]
fn s9_no_extension_is_offered() {
    assert!(read(&offer(&["a"])).all("Sec-WebSocket-Extensions").is_empty());
    let mut client = dial(&plain(), &Config::default());
    let mut out = Vec::new();
    drain(&mut client, &response(), &mut out).unwrap();
    client.send_text("text", &mut out).unwrap();
    client
        .send_fragment(MessageKind::Binary, b"bin", false, &mut out)
        .unwrap();
    client.ping(b"", &mut out).unwrap();
    client
        .send_fragment(MessageKind::Binary, b"ary", true, &mut out)
        .unwrap();
    for (first, _) in support::frames(Role::Client, &out) {
        assert_eq!(first & 0x70, 0, "{first:#x}");
    }
    let compressed = frame(Role::Server, 0xC1, b"\xF2\x48\xCD\xC9\xC9\x07\x00");
    assert_eq!(drain(&mut client, &compressed, &mut out), Err(reserved_bits(0xC1)));
}

/// R127: A client that misses an extension can say so with 1010, which a server cannot.
#[test]
fn s7_4_1_only_a_client_sends_1010() {
    let mut client = dial(&plain(), &Config::default());
    let mut out = Vec::new();
    drain(&mut client, &response(), &mut out).unwrap();
    client
        .close(CloseCode::MANDATORY_EXTENSION, "permessage-deflate", &mut out)
        .unwrap();
    assert_eq!(
        support::frames(Role::Client, &out),
        [(0x88, b"\x03\xF2permessage-deflate".to_vec())]
    );
    let mut server = support::open(Role::Server, Config::default());
    out.clear();
    assert_eq!(
        server.close(CloseCode::MANDATORY_EXTENSION, "", &mut out),
        Err(SendError::InvalidCloseCode {
            code: CloseCode::MANDATORY_EXTENSION
        })
    );
    assert!(out.is_empty());
}

/// R020: Nothing can be sent before the response has come.
#[test]
fn s4_1_nothing_is_sent_before_the_response() {
    let response = response();
    let mut client = dial(&plain(), &Config::default());
    let mut out = Vec::new();
    for byte in &response[..response.len() - 1] {
        assert_eq!(client.state(), State::Opening);
        assert_eq!(client.send_text("x", &mut out), Err(SendError::NotOpen));
        assert_eq!(client.send_binary(b"x", &mut out), Err(SendError::NotOpen));
        assert_eq!(
            client.send_fragment(MessageKind::Text, b"x", true, &mut out),
            Err(SendError::NotOpen)
        );
        assert_eq!(client.ping(b"x", &mut out), Err(SendError::NotOpen));
        assert_eq!(client.pong(b"x", &mut out), Err(SendError::NotOpen));
        assert_eq!(client.close(CloseCode::NORMAL, "", &mut out), Err(SendError::NotOpen));
        assert_eq!(drain(&mut client, &[*byte], &mut out), Ok(Vec::new()));
        assert!(out.is_empty());
    }
    let events = drain(&mut client, &response[response.len() - 1..], &mut out).unwrap();
    assert!(matches!(events[..], [Event::Open(_)]));
    assert_eq!(client.state(), State::Open);
    client.send_text("x", &mut out).unwrap();
    assert_eq!(support::frames(Role::Client, &out), [(0x81, b"x".to_vec())]);
}

// The response: section 4.1, items 1 to 6.

/// R027 R028 R053: Answers that are odd and valid open the connection.
#[test]
fn s4_1_odd_answers_are_accepted() {
    let line = |line: &str| head(line, &RESPONSE_FIELDS);
    let rows = [
        // The reason phrase has no meaning.
        line("HTTP/1.1 101 Switching Protocols"),
        line("HTTP/1.1 101 null"),
        line("HTTP/1.1 101 "),
        line("HTTP/1.1 101"),
        line("HTTP/1.1 101 Web Socket Protocol Handshake"),
        line("HTTP/1.1 101 200 OK"),
        line("HTTP/1.1 101 \t\u{e9}"),
        // Names have no case, nor have the tokens.
        head(
            "HTTP/1.1 101 x",
            &[
                ("UPGRADE", "WebSocket"),
                ("connection", "UPGRADE"),
                ("sec-websocket-accept", CLIENT_ACCEPT),
            ],
        ),
        // White space around values.
        response_with("Sec-WebSocket-Accept", &[&format!(" \t{CLIENT_ACCEPT}\t ")]),
        response_with("Upgrade", &["  websocket  "]),
        // Connection is a list.
        response_with("Connection", &["keep-alive, upgrade"]),
        response_with("Connection", &["upgrade,keep-alive"]),
        response_with("Connection", &["keep-alive", "upgrade"]),
        response_with("Connection", &["upgrade", "keep-alive"]),
        // Lines that end with LF alone (RFC 9112, section 2.2).
        String::from_utf8(response())
            .unwrap()
            .replace("\r\n", "\n")
            .into_bytes(),
        // Other headers.
        response_with("Server", &["x"]),
        response_with("Sec-WebSocket-Version", &["13"]),
        response_with("Sec-WebSocket-Unheard-Of", &["\"(,;=)\"", ""]),
        response_with("Set-Cookie", &["a=1", "b=2"]),
        response_with("Content-Length", &["0"]),
    ];
    for row in rows {
        let response = opened(&plain(), &row);
        assert_eq!(response.status(), 101);
        assert_eq!(response.subprotocol(), None);
        let last = row.split(|byte| *byte == b'\n').rev().nth(2).unwrap();
        let (name, value) = response.headers().last().unwrap();
        assert_eq!(
            [name.as_bytes(), b":", value].concat(),
            [name.as_bytes(), b":", last[name.len() + 1..].trim_ascii()].concat()
        );
    }
}

/// R022: There is one Upgrade header, and its value is `websocket` in any case.
#[test]
fn s4_1_2_upgrade_is_websocket() {
    for value in ["websocket", "WebSocket", "WEBSOCKET"] {
        opened(&plain(), &response_with("Upgrade", &[value]));
    }
    let invalid: [&[&str]; 9] = [
        &[],
        &[""],
        &["foo"],
        &["websockets"],
        &["websocke"],
        &["web socket"],
        &["websocket, h2c"],
        &["h2c, websocket"],
        &["websocket", "websocket"],
    ];
    for row in invalid {
        let error = match row {
            [] => ResponseError::MissingUpgrade,
            ["websocket", ..] => ResponseError::RepeatedUpgrade,
            [value, ..] => ResponseError::InvalidUpgrade { value: quoted(value) },
        };
        assert_fails(&plain(), &response_with("Upgrade", row), error);
    }
}

/// R023: The Connection header is a list with `Upgrade` in any case.
#[test]
fn s4_1_3_connection_has_the_token_upgrade() {
    for value in ["Upgrade", "upgrade", "UPGRADE", "keep-alive, upgrade", "a,Upgrade\t,b"] {
        opened(&plain(), &response_with("Connection", &[value]));
    }
    let invalid: [&[&str]; 7] = [
        &[],
        &[""],
        &["close"],
        &["keep-alive"],
        &["Upgrades"],
        &["keep-alive upgrade"],
        &["close", "keep-alive"],
    ];
    for row in invalid {
        let error = match row {
            [] => ResponseError::MissingConnection,
            [value, ..] => ResponseError::InvalidConnection { value: quoted(value) },
        };
        assert_fails(&plain(), &response_with("Connection", row), error);
    }
}

/// R024 R056: There is one Sec-WebSocket-Accept header, and its value is exactly that for the key.
#[test]
fn s4_1_4_accept_fits_the_key() {
    assert_eq!(
        tungstenite::handshake::derive_accept_key(CLIENT_KEY.as_bytes()),
        CLIENT_ACCEPT
    );
    opened(&plain(), &response_with("Sec-WebSocket-Accept", &[CLIENT_ACCEPT]));
    let lower = CLIENT_ACCEPT.to_ascii_lowercase();
    let unpadded = CLIENT_ACCEPT.trim_end_matches('=');
    let longer = format!("{CLIENT_ACCEPT}=");
    let in_quotes = format!("\"{CLIENT_ACCEPT}\"");
    let list = format!("{CLIENT_ACCEPT}, {CLIENT_ACCEPT}");
    // Other spare bits decode to the same bytes, but the value differs.
    let spare = CLIENT_ACCEPT.replace("U=", "V=");
    assert_ne!(spare, CLIENT_ACCEPT);
    let invalid: [&[&str]; 13] = [
        &[],
        &[""],
        &[CLIENT_KEY],
        &[ACCEPT],
        &[&lower],
        &[unpadded],
        &[&CLIENT_ACCEPT[1..]],
        &[&longer],
        &[&in_quotes],
        &[&list],
        &[&spare],
        &[CLIENT_ACCEPT, CLIENT_ACCEPT],
        &[CLIENT_ACCEPT, ACCEPT],
    ];
    for row in invalid {
        let error = match row {
            [] => ResponseError::MissingAccept,
            [value] => ResponseError::InvalidAccept { value: quoted(value) },
            _ => ResponseError::RepeatedAccept,
        };
        assert_fails(&plain(), &response_with("Sec-WebSocket-Accept", row), error);
    }
    for at in 0..CLIENT_ACCEPT.len() {
        let mut wrong = CLIENT_ACCEPT.as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert_fails(
            &plain(),
            &response_with("Sec-WebSocket-Accept", &[&wrong]),
            ResponseError::InvalidAccept { value: quoted(&wrong) },
        );
    }
}

/// R025 R057 R128 R130: An extension that was not offered is an error, and so is a malformed list.
#[test]
fn s4_1_5_an_extension_that_was_not_offered_fails() {
    let name = "Sec-WebSocket-Extensions";
    let not_offered = |name: &str| ResponseError::ExtensionNotOffered { name: quoted(name) };
    let second = |name: &str| ResponseError::SecondExtension { name: quoted(name) };
    let unwanted: [(&[&str], ResponseError); 6] = [
        (&["permessage-deflate"], not_offered("permessage-deflate")),
        (
            &["permessage-deflate; server_max_window_bits=10"],
            not_offered("permessage-deflate"),
        ),
        (&["x"], not_offered("x")),
        (&["x; y=\"z\""], not_offered("x")),
        (&["x, y"], second("y")),
        (&["x", "y"], second("y")),
    ];
    for (row, error) in unwanted {
        assert_fails(&plain(), &response_with(name, row), error);
    }
    // With the excerpt in the error: the list from the malformed element on.
    let malformed: [(&[&str], &str); 6] = [
        (&["x;"], "x;"),
        (&["x; y=\"z"], "x; y=\"z"),
        (&["x y"], "x y"),
        (&["x y , z"], "x y , z"),
        (&["x", "y;"], "y;"),
        (&["x; y=\"1 0\""], "x; y=\"1 0\""),
    ];
    for (row, value) in malformed {
        let error = ResponseError::InvalidExtensions { value: quoted(value) };
        assert_fails(&plain(), &response_with(name, row), error);
    }
    // The order of the headers does not matter.
    let mut first: Fields<'_> = vec![(name, "permessage-deflate")];
    first.extend(RESPONSE_FIELDS);
    assert_fails(
        &plain(),
        &head("HTTP/1.1 101 x", &first),
        not_offered("permessage-deflate"),
    );
    opened(&plain(), &response());
}

/// R026 R051: A subprotocol in the response is one of those offered, in the same case, and there is
/// at most one.
#[test]
fn s4_1_6_subprotocol_is_one_of_those_offered() {
    let name = "Sec-WebSocket-Protocol";
    for chosen in ["a", "b.2", "C"] {
        let response = opened(&offer(&["a", "b.2", "C"]), &response_with(name, &[chosen]));
        assert_eq!(response.subprotocol(), Some(chosen));
    }
    let padded = opened(&offer(&["a"]), &response_with(name, &[" \ta "]));
    assert_eq!(padded.subprotocol(), Some("a"));
    let not_offered = |subprotocol: &str| ResponseError::SubprotocolNotOffered {
        subprotocol: quoted(subprotocol),
    };
    let table: [(&[&str], &[&str], ResponseError); 7] = [
        (&["a", "b"], &["c"], not_offered("c")),
        (&["a", "b"], &["A"], not_offered("A")),
        (&["a", "b"], &["a, b"], ResponseError::SeveralSubprotocols),
        (&["a", "b"], &["a", "b"], ResponseError::SeveralSubprotocols),
        (&["a", "b"], &["a", "a"], ResponseError::SeveralSubprotocols),
        (&["ab"], &["a"], not_offered("a")),
        (&[], &["a"], not_offered("a")),
    ];
    for (offered, answered, error) in table {
        assert_fails(&offer(offered), &response_with(name, answered), error);
    }
}

/// R030: With `require_subprotocol`, a response without a subprotocol fails if one was offered.
#[test]
fn whatwg_a_subprotocol_can_be_required() {
    let chosen = response_with("Sec-WebSocket-Protocol", &["a"]);
    let required = offer(&["a", "b"]).require_subprotocol(true);
    assert_eq!(opened(&required, &chosen).subprotocol(), Some("a"));
    assert_fails(&required, &response(), ResponseError::MissingSubprotocol);
    assert_fails(
        &required,
        &response_with("Sec-WebSocket-Protocol", &["c"]),
        ResponseError::SubprotocolNotOffered {
            subprotocol: quoted("c"),
        },
    );
    // None was offered, so none is required.
    opened(&plain().require_subprotocol(true), &response());
    // Off by default, and switched off.
    opened(&offer(&["a", "b"]), &response());
    opened(&required.require_subprotocol(false), &response());
    assert_eq!(sent(&offer(&["a"])), sent(&offer(&["a"]).require_subprotocol(true)));
}

/// R027: A response with status 101 over HTTP/1.0 fails, and so do bytes that are not an HTTP/1.1
/// response.
#[test]
fn s4_1_a_response_that_is_no_http_1_1_fails() {
    let line = |line: &str| head(line, &RESPONSE_FIELDS);
    opened(&plain(), &line("HTTP/1.1 101 x"));
    for version in ["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2"] {
        for rest in [" 101 x", " 101"] {
            let error = ResponseError::UnsupportedHttpVersion {
                version: quoted(version),
            };
            assert_fails(&plain(), &line(&format!("{version}{rest}")), error);
        }
    }
    let fields = &head("", &RESPONSE_FIELDS)[2..];
    let with_line = |field: &[u8]| [b"HTTP/1.1 101 x\r\n", field, b"\r\n", fields].concat();
    opened(&plain(), &with_line(b"X: \xFF"));
    for row in [
        "HTTP/1.1 101x",
        "HTTP/1.1 10",
        "HTTP/1.1 1O1 x",
        "HTTP/1.1 1010 x",
        "HTTP/1.1 +101 x",
        "HTTP/1.1  101 x",
        "HTTP/1.1 101 x\0",
        "HTTP/1.1 101 x\ry",
        "HTTP/1.1 101\tx",
        "HTTP/1.1\t101 x",
        "HTTP/1.10 101 x",
        "http/1.1 101 x",
    ] {
        let error = ResponseError::InvalidStatusLine { line: quoted(row) };
        assert_fails(&plain(), &line(row), error);
    }
    for row in [
        &b"X"[..],
        b": x",
        b"X : x",
        b"X y: x",
        b" X: x",
        b"X: \0",
        b"X: a\rb",
        b"X(: x",
    ] {
        let error = ResponseError::InvalidHeaderLine { number: 2 };
        assert_fails(&plain(), &with_line(row), error);
        let last = head("HTTP/1.1 101 x", &RESPONSE_FIELDS);
        let last = [&last[..last.len() - 2], row, b"\r\n\r\n"].concat();
        let error = ResponseError::InvalidHeaderLine { number: 5 };
        assert_fails(&plain(), &last, error);
    }
    for row in [b"X: a\r\n folded", b"X: a\r\n\tfolded"] {
        let error = ResponseError::InvalidHeaderLine { number: 3 };
        assert_fails(&plain(), &with_line(row), error);
    }
    for row in [&b"\0"[..], b" HTTP/1.1 101 x\r\n", b"\x81\x05hello"] {
        let error = ResponseError::InvalidFirstByte { byte: row[0] };
        assert_fails(&plain(), row, error);
    }
    // TLS: an alert and a handshake message.
    for row in [b"\x15\x03\x01\0\x02\x02\x28", b"\x16\x03\x03\0\x7A\x02\0"] {
        assert_fails(&plain(), row, ResponseError::Tls { byte: row[0] });
    }
    // A server of another protocol that sends first fails at its first line end.
    for (banner, shown) in [
        ("SSH-2.0-OpenSSH_9.6", "SSH-2.0-OpenSSH_9.6"),
        ("220 mail ESMTP", "220 mail ESMTP"),
        ("GET / HTTP/1.1", "GET / HTTP/1.1"),
        ("ICY 200 OK", "ICY 200 OK"),
        ("+OK POP3: ready?", "+OK POP3"),
    ] {
        let error = ResponseError::InvalidStatusLine {
            line: quoted_to(banner, shown.len()),
        };
        for rest in ["\r\n", "\n", "\r\n\r\n", "\r\nand more\r\n"] {
            assert_fails(&plain(), format!("{banner}{rest}").as_bytes(), error);
        }
    }
}

/// R027: Each violation fails alone, with its own error.
#[test]
fn s4_1_every_invalid_answer_fails_alone() {
    let rows = [
        ("Upgrade", "h2c", ResponseError::InvalidUpgrade { value: quoted("h2c") }),
        (
            "Connection",
            "close",
            ResponseError::InvalidConnection { value: quoted("close") },
        ),
        (
            "Sec-WebSocket-Accept",
            ACCEPT,
            ResponseError::InvalidAccept { value: quoted(ACCEPT) },
        ),
        (
            "Sec-WebSocket-Extensions",
            "x",
            ResponseError::ExtensionNotOffered { name: quoted("x") },
        ),
        (
            "Sec-WebSocket-Extensions",
            ";",
            ResponseError::InvalidExtensions { value: quoted(";") },
        ),
        (
            "Sec-WebSocket-Protocol",
            "b",
            ResponseError::SubprotocolNotOffered {
                subprotocol: quoted("b"),
            },
        ),
    ];
    let valid = with(&RESPONSE_FIELDS, "Sec-WebSocket-Protocol", &["a"]);
    opened(&offer(&["a"]), &head("HTTP/1.1 101 x", &valid));
    for (name, value, error) in rows {
        let last = with(&valid, name, &[value]);
        let first: Fields<'_> = last.iter().rev().copied().collect();
        assert_fails(&offer(&["a"]), &head("HTTP/1.1 101 x", &last), error);
        assert_fails(&offer(&["a"]), &head("HTTP/1.1 101 x", &first), error);
    }
}

/// R137 R027: The head of a response has the limits of a request's.
#[test]
fn s10_4_a_response_head_is_limited() {
    let of_len = |len: usize| {
        let bare = response_with("X", &[""]).len();
        let bytes = response_with("X", &[&"x".repeat(len - bare)]);
        assert_eq!(bytes.len(), len);
        bytes
    };
    opened(&plain(), &of_len(16_384));
    let too_long = |limit: usize| ResponseError::HeadTooLong { limit };
    assert_fails(&plain(), &of_len(16_385), too_long(16_384));
    assert_fails(&plain(), &[b'H'; 20_000], too_long(16_384));
    let of_fields = |count: usize| response_with("X", &vec!["x"; count - RESPONSE_FIELDS.len()]);
    opened(&plain(), &of_fields(128));
    let too_many = |limit: usize| ResponseError::TooManyHeaders { limit };
    assert_fails(&plain(), &of_fields(129), too_many(128));

    let config = Config::new().max_head_size(40_000).max_headers(200);
    for (input, error) in [
        (of_len(40_000), None),
        (of_len(40_001), Some(too_long(40_000))),
        (of_fields(200), None),
        (of_fields(201), Some(too_many(200))),
    ] {
        let outcome = hear(&plain(), &config, &input);
        assert_eq!(outcome.error, error.map(ProtocolError::Response));
        assert_eq!(outcome.events.len(), usize::from(error.is_none()));
    }
}

/// R021 R027: Informational responses may come first; they open nothing and mean nothing here.
#[test]
fn s4_1_interim_responses_are_skipped() {
    let interims = [
        head("HTTP/1.1 100 Continue", &[]),
        head("HTTP/1.1 102", &[("X", "y")]),
        head(
            "HTTP/1.1 103 Early Hints",
            &[("Link", "</style.css>"), ("Upgrade", "h2c")],
        ),
        // What would be a valid answer, were it not for its status.
        head("HTTP/1.1 199 x", &RESPONSE_FIELDS),
    ];
    for interim in &interims {
        opened(&plain(), &[&interim[..], &response()].concat());
        let outcome = hear(&plain(), &Config::default(), interim);
        assert_eq!(
            (outcome.error, outcome.events.len()),
            (None, 0),
            "the handshake continues"
        );
    }
    opened(&plain(), &[interims.concat(), response()].concat());
    let refused = [interims.concat(), head("HTTP/1.1 403 x", &[("Content-Length", "0")])].concat();
    assert_eq!(refusal(&Config::default(), &refused).response.status(), 403);
    // Half of an answer is none.
    let mut client = dial(&plain(), &Config::default());
    drain(&mut client, &interims.concat(), &mut Vec::new()).unwrap();
    assert_eq!(client.state(), State::Opening);
    assert_eq!(client.receive_eof(), Err(Box::new(ProtocolError::HandshakeEof)));
}

/// R137 R027: The limit applies to all heads together.
#[test]
fn s10_4_interim_responses_are_bounded() {
    let interim = head("HTTP/1.1 100 Continue", &[]);
    let forever = interim.repeat(16_384 / interim.len() + 1);
    assert_fails(&plain(), &forever, ResponseError::HeadTooLong { limit: 16_384 });
    let len = 2 * interim.len() + response().len();
    let config = Config::new().max_head_size(len);
    let fits = [interim.repeat(2), response()].concat();
    assert!(matches!(hear(&plain(), &config, &fits).events[..], [Event::Open(_)]));
    let config = Config::new().max_head_size(len - 1);
    let outcome = hear(&plain(), &config, &fits);
    // The error has the limit of the configuration, and not its rest.
    let error = ResponseError::HeadTooLong { limit: len - 1 };
    assert_eq!(outcome.error, Some(ProtocolError::Response(error)));
}

// Bytes in pieces.

/// R029 R068: Frames after the 101 are not lost, wherever the bytes are cut.
#[test]
fn s4_1_frames_after_a_response_are_not_lost() {
    let mut input = [
        head("HTTP/1.1 100 Continue", &[]),
        response_with("Sec-WebSocket-Protocol", &["a"]),
    ]
    .concat();
    input.extend(frame(Role::Server, 0x81, b"hello"));
    input.extend(frame(Role::Server, 0x89, b"?"));
    input.extend(frame(Role::Server, 0x02, b"ab"));
    input.extend(frame(Role::Server, 0x80, b"c"));
    input.extend(frame(Role::Server, 0x88, b"\x03\xE8"));
    let request = offer(&["a"]);
    let whole = hear(&request, &Config::default(), &input);
    assert_eq!(whole.error, None);
    match &whole.events[..] {
        [Event::Open(response), rest @ ..] => {
            assert_eq!(response.subprotocol(), Some("a"));
            assert_eq!(
                rest[..3],
                [
                    Event::Text("hello".into()),
                    Event::Ping(b"?"[..].into()),
                    Event::Binary(b"abc"[..].into())
                ]
            );
            assert!(matches!(rest[3..], [Event::Close(Some(_))]), "{rest:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        support::frames(Role::Client, &whole.out),
        [(0x8A, b"?".to_vec()), (0x88, b"\x03\xE8".to_vec())]
    );
    for cut in 1..input.len() {
        let mut client = dial(&request, &Config::default());
        assert_eq!(feed_cut(&mut client, &input, &[cut]), whole, "cut at {cut}");
        assert_eq!(client.teardown(), Some(Teardown::AwaitPeer));
    }
    for step in [2, 3, 5, 64] {
        let cuts: Vec<usize> = (step..input.len()).step_by(step).collect();
        let mut client = dial(&request, &Config::default());
        assert_eq!(feed_cut(&mut client, &input, &cuts), whole, "step {step}");
    }
}

/// R029: One frame too early, and bytes that are no frame: found after the blank line, not in
/// front of it.
#[test]
fn s4_1_bytes_after_a_response_are_frames() {
    let outcome = hear(&plain(), &Config::default(), &[&response()[..], b"\r\n"].concat());
    assert!(matches!(outcome.events[..], [Event::Open(_)]));
    // 0x0D is a frame with an opcode that is reserved.
    assert_eq!(outcome.error, Some(reserved_opcode(0x0D)));
}

/// R029 R068: A head that is complete in the input is borrowed from it, one that was collected is
/// owned; both say the same.
#[test]
fn s4_1_a_response_is_the_same_borrowed_and_owned() {
    let mut bytes = response_with("X", &["y"]);
    let owned = opened(&plain(), &bytes);
    let mut rest = &mut bytes[..];
    let mut client = dial(&plain(), &Config::default());
    let borrowed = client.receive(&mut rest, &mut Vec::new()).unwrap().unwrap();
    assert_eq!(borrowed, Event::Open(owned.clone()));
    assert_eq!(format!("{borrowed:?}"), format!("Open({owned:?})"));
    assert_eq!(borrowed.into_owned(), Event::Open(owned));
}

// Refusals: section 4.1, item 1.

/// R021 R031 R044: Any other status is a refusal, and says how to go on; nothing is followed,
/// nothing is sent.
#[test]
fn s4_1_1_another_status_is_a_refusal() {
    type Row<'a> = (&'a str, u16, &'a [(&'a str, &'a str)], &'a [u8]);
    let table: [Row<'_>; 13] = [
        ("HTTP/1.1 200 OK", 200, &[("Content-Length", "4")], b"page"),
        (
            "HTTP/1.1 301 Moved",
            301,
            &[("Location", "ws://example.org/"), ("Content-Length", "0")],
            b"",
        ),
        (
            "HTTP/1.1 302 Found",
            302,
            &[("Location", "/login"), ("Content-Length", "2")],
            b"go",
        ),
        (
            "HTTP/1.1 401 Unauthorized",
            401,
            &[("WWW-Authenticate", "Basic realm=\"x\""), ("Content-Length", "3")],
            b"who",
        ),
        ("HTTP/1.1 403 Forbidden", 403, &[("content-length", " 2 ")], b"no"),
        ("HTTP/1.0 403 Forbidden", 403, &[("Content-Length", "2")], b"no"),
        (
            "HTTP/1.1 426 Upgrade Required",
            426,
            &[("Sec-WebSocket-Version", "13, 8"), ("Content-Length", "0")],
            b"",
        ),
        ("HTTP/1.1 500", 500, &[("Content-Length", "0")], b""),
        (
            "HTTP/1.1 503 Service Unavailable",
            503,
            &[("Retry-After", "10"), ("Content-Length", "00")],
            b"",
        ),
        ("HTTP/1.1 204 No Content", 204, &[], b""),
        ("HTTP/1.1 304 Not Modified", 304, &[("Content-Length", "100")], b""),
        (
            "HTTP/1.1 200 OK",
            200,
            &[("Transfer-Encoding", "chunked")],
            b"0\r\n\r\n",
        ),
        ("HTTP/1.1 999 ?", 999, &[("Content-Length", "1")], b"\0"),
    ];
    for (line, status, fields, body) in table {
        let refused = refusal(&Config::default(), &[&head(line, fields)[..], body].concat());
        assert_eq!(refused.response.status(), status, "{line}");
        let expected: Vec<(&str, &[u8])> = fields
            .iter()
            .map(|(name, value)| (*name, value.trim().as_bytes()))
            .collect();
        assert_eq!(refused.response.headers().collect::<Vec<_>>(), expected, "{line}");
        let body = if body.starts_with(b"0\r\n") { b"" } else { body };
        assert_eq!((&refused.body[..], refused.is_complete), (body, true), "{line}");
    }
}

/// R021: A refusal closes the connection; nothing was open that could be closed, and what follows
/// is discarded.
#[test]
fn s4_1_1_a_refusal_closes_the_connection() {
    let mut input = head("HTTP/1.1 403 Forbidden", &[("Content-Length", "2")]);
    input.extend(b"no");
    let len = input.len();
    input.extend(response());
    input.extend(frame(Role::Server, 0x81, b"hello"));
    for cut in 0..input.len() {
        let mut client = dial(&plain(), &Config::default());
        let mut out = Vec::new();
        let mut events = drain(&mut client, &input[..cut], &mut out).unwrap();
        assert_eq!(events.len(), usize::from(cut >= len), "{cut}");
        assert_eq!(client.state() == State::Closed, cut >= len, "{cut}");
        events.extend(drain(&mut client, &input[cut..], &mut out).unwrap());
        assert!(matches!(&events[..], [Event::Refused(_)]), "{events:?}");
        assert_eq!(
            (client.state(), client.teardown()),
            (State::Closed, Some(Teardown::Close))
        );
        assert_eq!(client.close_status(), None);
        assert_eq!(client.receive_eof(), Ok(None));
        assert_eq!(client.send_text("x", &mut out), Err(SendError::Closing));
        assert!(out.is_empty());
    }
}

/// R048 R047: The versions that a server speaks are in its refusal.
#[test]
fn s4_4_a_refusal_lists_the_versions() {
    let fields = [
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Version", "8, 7"),
        ("Content-Length", "0"),
    ];
    let refused = refusal(&Config::default(), &head("HTTP/1.1 426 Upgrade Required", &fields));
    let versions: Vec<&[u8]> = refused
        .response
        .headers()
        .filter(|(name, _)| *name == "Sec-WebSocket-Version")
        .map(|(_, value)| value)
        .collect();
    assert_eq!(versions, [&b"13"[..], b"8, 7"]);
}

/// The refusal, after the transport has ended; in one piece and byte by byte.
fn refusal_at_eof(config: &Config, input: &[u8]) -> sockless::handshake::Refusal {
    let mut found = [1, usize::MAX].map(|piece| {
        let mut client = dial(&plain(), config);
        for bytes in input.chunks(piece) {
            assert_eq!(
                drain(&mut client, bytes, &mut Vec::new()),
                Ok(Vec::new()),
                "{}",
                input.escape_ascii()
            );
        }
        match client.receive_eof() {
            Ok(Some(Event::Refused(refusal))) => {
                assert_eq!(client.state(), State::Closed);
                assert_eq!(client.receive_eof(), Ok(None));
                *refusal
            }
            other => panic!("{}: {other:?}", input.escape_ascii()),
        }
    });
    assert_eq!(found[0], found[1]);
    let [refusal, _] = &mut found;
    refusal.clone()
}

/// R021: A body without a length ends with the transport, and is whole then.
#[test]
fn s4_1_1_a_body_may_end_with_the_transport() {
    for (fields, body) in [
        (&[][..], &b"sorry"[..]),
        (&[], b""),
        (&[("Connection", "close")], b"5\r\nsorry\r\n"),
        // Not chunked last: it ends with the transport (RFC 9112, section 6.3, item 4).
        (&[("Transfer-Encoding", "gzip")], b"\x1F\x8B"),
    ] {
        let input = [&head("HTTP/1.1 500 x", fields)[..], body].concat();
        let refused = refusal_at_eof(&Config::default(), &input);
        assert_eq!((&refused.body[..], refused.is_complete), (body, true), "{fields:?}");
    }
}

/// R021: What the transport cuts off is reported, and marked.
#[test]
fn s4_1_1_a_body_may_be_cut_off() {
    let length: &[(&str, &str)] = &[("Content-Length", "5")];
    let chunked: &[(&str, &str)] = &[("Transfer-Encoding", "chunked")];
    let table = [
        (length, &b""[..], &b""[..]),
        (length, b"sorr", b"sorr"),
        (chunked, b"", b""),
        (chunked, b"5", b""),
        (chunked, b"5\r", b""),
        (chunked, b"5\r\nsor", b"sor"),
        (chunked, b"5\r\nsorry", b"sorry"),
        (chunked, b"5\r\nsorry\r\n", b"sorry"),
        (chunked, b"5\r\nsorry\r\n0", b"sorry"),
    ];
    for (fields, body, kept) in table {
        let input = [&head("HTTP/1.1 500 x", fields)[..], body].concat();
        let refused = refusal_at_eof(&Config::default(), &input);
        assert_eq!(
            (&refused.body[..], refused.is_complete),
            (kept, false),
            "{}",
            body.escape_ascii()
        );
    }
    // In the middle of a head, there is nothing to report.
    let mut client = dial(&plain(), &Config::default());
    drain(&mut client, b"HTTP/1.1 500 x\r\n", &mut Vec::new()).unwrap();
    assert_eq!(client.receive_eof(), Err(Box::new(ProtocolError::HandshakeEof)));
}

/// R209 R021: The status and the headers of a refusal are reported although its body never
/// completes, wherever the transport stops.
#[test]
fn s4_1_1_a_refusal_is_reported_without_its_body() {
    for framing in [("Content-Length", "100"), ("Transfer-Encoding", "chunked")] {
        let head = head("HTTP/1.1 401 Unauthorized", &[("WWW-Authenticate", "Basic"), framing]);
        let input = [&head[..], b"40\r\nsorry"].concat();
        for end in head.len()..=input.len() {
            let refused = refusal_at_eof(&Config::default(), &input[..end]);
            assert_eq!((refused.response.status(), refused.is_complete), (401, false));
            assert_eq!(refused.response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
        }
    }
}

/// R021: A chunked body is put together (RFC 9112, section 7.1).
#[test]
fn s4_1_1_a_body_may_be_chunked() {
    let table = [
        (&b"5\r\nsorry\r\n0\r\n\r\n"[..], &b"sorry"[..]),
        (b"1\r\ns\r\n4\r\norry\r\n0\r\n\r\n", b"sorry"),
        (b"0A\r\n0123456789\r\n00\r\n\r\n", b"0123456789"),
        (b"b\r\n0123456789x\r\n0\r\n\r\n", b"0123456789x"),
        (b"5;name=value;other=\"v\"\r\nsorry\r\n0;x\r\n\r\n", b"sorry"),
        (b"5 ; x\r\nsorry\r\n0\r\n\r\n", b"sorry"),
        (b"0\r\n\r\n", b""),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        // Trailers and whatever follows are not waited for.
        (b"1\r\nx\r\n0\r\n", b"x"),
        (b"1\r\nx\r\n0\r\nX-Trailer: y\r\n\r\nHTTP/1.1 101 x\r\n\r\n", b"x"),
    ];
    let fields: [&[(&str, &str)]; 4] = [
        &[("Transfer-Encoding", "chunked")],
        &[("transfer-encoding", "CHUNKED")],
        &[("Transfer-Encoding", "gzip, chunked")],
        // The length does not count beside it (RFC 9112, section 6.3, item 3).
        &[("Content-Length", "3"), ("Transfer-Encoding", "chunked")],
    ];
    for (body, expected) in table {
        for fields in fields {
            let refused = refusal(
                &Config::default(),
                &[&head("HTTP/1.1 500 x", fields)[..], body].concat(),
            );
            assert_eq!(
                (&refused.body[..], refused.is_complete),
                (expected, true),
                "{} {fields:?}",
                body.escape_ascii()
            );
        }
    }
}

/// R021 R137: As much of a body is kept as the limit allows; whether there was more is known.
#[test]
fn s10_4_a_refusal_body_is_limited() {
    for limit in [0, 1, 10, 65_536] {
        let config = Config::new().max_refusal_body(limit);
        for len in [limit.saturating_sub(1), limit, limit + 1, limit + 1000] {
            let body = vec![b'x'; len];
            let length = len.to_string();
            let by_length = [&head("HTTP/1.1 500 x", &[("Content-Length", &length)])[..], &body].concat();
            let chunked = head("HTTP/1.1 500 x", &[("Transfer-Encoding", "chunked")]);
            let mut by_chunk = chunked.clone();
            let mut by_chunks = chunked;
            if len > 0 {
                by_chunk.extend(format!("{len:x}\r\n").bytes());
                by_chunk.extend(&body);
                by_chunk.extend(b"\r\n");
            }
            for piece in body.chunks(7) {
                by_chunks.extend(format!("{:x}\r\n", piece.len()).bytes());
                by_chunks.extend(piece);
                by_chunks.extend(b"\r\n");
            }
            by_chunk.extend(b"0\r\n\r\n");
            by_chunks.extend(b"0\r\n\r\n");
            for input in [&by_length, &by_chunk, &by_chunks] {
                let refused = refusal(&config, input);
                assert_eq!(refused.body.len(), len.min(limit), "{len} of {limit}");
                assert_eq!(refused.is_complete, len <= limit, "{len} of {limit}");
            }
            let by_eof = [&head("HTTP/1.1 500 x", &[])[..], &body].concat();
            let refused = if len <= limit {
                refusal_at_eof(&config, &by_eof)
            } else {
                refusal(&config, &by_eof)
            };
            assert_eq!(refused.body.len(), len.min(limit), "{len} of {limit}");
            assert_eq!(refused.is_complete, len <= limit, "{len} of {limit}");
        }
    }
    assert_eq!(Config::default(), Config::new().max_refusal_body(65_536));
}

/// R027 R021: An invalid Content-Length fails before the body.
#[test]
fn s4_1_1_a_malformed_length_fails() {
    let malformed = [
        "",
        "x",
        "-1",
        "+5",
        "5x",
        "0x5",
        "5 5",
        "5.0",
        "18446744073709551616",
        "\u{663}",
    ];
    for length in malformed {
        let input = [&head("HTTP/1.1 500 x", &[("Content-Length", length)])[..], b"sorry"].concat();
        let error = ResponseError::InvalidContentLength { value: quoted(length) };
        assert_fails(&plain(), &input, error);
    }
    let config = Config::new().max_refusal_body(3);
    for length in ["5", "005", "18446744073709551615"] {
        let input = [&head("HTTP/1.1 500 x", &[("Content-Length", length)])[..], b"sorry"].concat();
        assert_eq!(refusal(&config, &input).body, b"sor");
    }
}

/// R027: A line of a chunk may have 256 bytes before its line end.
#[test]
fn s4_1_1_the_lines_of_chunks_are_limited() {
    let head = head("HTTP/1.1 500 x", &[("Transfer-Encoding", "chunked")]);
    for len in [255, 256, 257] {
        let line = format!("5;{}\r\n", "x".repeat(len - 3));
        let input = [&head[..], line.as_bytes(), b"sorry\r\n0\r\n\r\n"].concat();
        if len > 256 {
            assert_fails(&plain(), &input, ResponseError::ChunkLineTooLong { limit: 256 });
        } else {
            assert_eq!(refusal(&Config::new(), &input).body, b"sorry");
        }
    }
}

/// R138: Of a body that is longer than the limit, no more than the limit is kept, in any pieces.
#[test]
fn r138_the_body_of_a_refusal_is_bounded() {
    let limit = 50_000;
    let config = Config::new().max_refusal_body(limit);
    let mut client = dial(&plain(), &config);
    let mut out = Vec::new();
    let head = head("HTTP/1.1 500 x", &[("Content-Length", "1000000")]);
    drain(&mut client, &[&head[..], &vec![b'x'; limit]].concat(), &mut out).unwrap();
    let mut rest = vec![b'x'; 900_000];
    let kept = allocation_counter::measure(|| {
        let event = client.receive(&mut &mut rest[..], &mut out).unwrap();
        assert!(matches!(event, Some(Event::Refused(_))), "{event:?}");
    });
    assert!(kept.bytes_max < 5 * limit as u64 / 2, "{kept:?}");
}

/// R027 R021: A malformed chunk fails.
#[test]
fn s4_1_1_a_malformed_chunk_fails() {
    let invalid_size = |line: &str| ResponseError::InvalidChunkSize { line: quoted(line) };
    let long_line = format!("5;{}\r\nsorry\r\n0\r\n\r\n", "x".repeat(1000));
    let long_end = format!("5\r\nsorry{}\r\n0\r\n\r\n", "x".repeat(1000));
    let malformed = [
        ("x\r\n", invalid_size("x")),
        ("-1\r\n", invalid_size("-1")),
        ("+1\r\n", invalid_size("+1")),
        ("0x5\r\nsorry\r\n0\r\n\r\n", invalid_size("0x5")),
        ("5 5\r\n", invalid_size("5 5")),
        ("5,5\r\n", invalid_size("5,5")),
        ("g\r\n", invalid_size("g")),
        ("10000000000000000\r\n", invalid_size("10000000000000000")),
        ("FFFFFFFFFFFFFFFFF\r\n", invalid_size("FFFFFFFFFFFFFFFFF")),
        ("5\r\nsorryx\r\n0\r\n\r\n", ResponseError::MissingChunkEnd),
        ("5\r\nsorry0\r\n\r\n", ResponseError::MissingChunkEnd),
        ("4\r\nsorry\r\n0\r\n\r\n", ResponseError::MissingChunkEnd),
        ("5\rx\n", invalid_size("5\rx")),
        (&long_line, ResponseError::ChunkLineTooLong { limit: 256 }),
        (&long_end, ResponseError::ChunkLineTooLong { limit: 256 }),
    ];
    for (body, error) in malformed {
        let head = head("HTTP/1.1 500 x", &[("Transfer-Encoding", "chunked")]);
        assert_fails(&plain(), &[&head[..], body.as_bytes()].concat(), error);
    }
}

/// R027: A chunk size has at least one digit (RFC 9112, section 7.1). A line without one is not the
/// last chunk.
#[test]
fn s4_1_1_a_chunk_without_a_size_fails() {
    for (body, line) in [
        ("\r\n", ""),
        ("5\r\nsorry\r\n\r\n", ""),
        (";x\r\n", ";x"),
        ("5\r\nsorry\r\n;x=0\r\n\r\n", ";x=0"),
    ] {
        let head = head("HTTP/1.1 500 x", &[("Transfer-Encoding", "chunked")]);
        let error = ResponseError::InvalidChunkSize { line: quoted(line) };
        assert_fails(&plain(), &[&head[..], body.as_bytes()].concat(), error);
    }
}

/// R027: Two lengths that differ are an "unrecoverable error" (RFC 9112, section 6.3, item 5).
#[test]
fn s4_1_1_two_lengths_fail() {
    let fields = [("Content-Length", "2"), ("Content-Length", "5")];
    for fields in [fields, [fields[1], fields[0]]] {
        let input = [&head("HTTP/1.1 500 x", &fields)[..], b"sorry"].concat();
        let error = ResponseError::DifferentContentLengths {
            value: quoted(fields[1].1),
        };
        assert_fails(&plain(), &input, error);
    }
}

/// R021: "Transfer-Encoding overrides the Content-Length"; not chunked, the body ends with the
/// transport (RFC 9112, section 6.3, items 3 and 4).
#[test]
fn s4_1_1_a_coding_overrides_the_length() {
    let fields = [("Transfer-Encoding", "gzip"), ("Content-Length", "2")];
    let input = [&head("HTTP/1.1 500 x", &fields)[..], b"\x1F\x8B\x08"].concat();
    let mut client = dial(&plain(), &Config::default());
    assert_eq!(drain(&mut client, &input, &mut Vec::new()), Ok(Vec::new()));
    assert!(matches!(client.receive_eof(), Ok(Some(Event::Refused(refusal))) if refusal.body == b"\x1F\x8B\x08"));
}

// A response that another HTTP implementation parsed.

/// R012 R010 R011 R015 R024: The fields of a request for another HTTP implementation, and the check
/// of its response.
#[test]
fn a_request_without_bytes() {
    let request = ClientRequest::new("wss://example.com:444/chat")
        .unwrap()
        .subprotocol("a")
        .subprotocol("b")
        .origin("null")
        .header("X", "y");
    let (fields, expected) = request.fields(NONCE, &Config::default()).unwrap();
    let sample = [
        ("Host", "example.com:444"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
        ("Origin", "null"),
        ("Sec-WebSocket-Protocol", "a, b"),
        ("X", "y"),
    ];
    let sample = sample.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields, sample);
    assert_ne!(request.fields([0; 16], &Config::default()).unwrap().1, expected);

    let answer = with(&RESPONSE_FIELDS, "Sec-WebSocket-Accept", &[ACCEPT]);
    let chosen = with(&answer, "Sec-WebSocket-Protocol", &["b"]);
    let negotiated = expected.check(listed(&chosen)).unwrap();
    assert_eq!(negotiated.subprotocol.as_deref(), Some("b"));
    assert_eq!(expected.check(listed(&answer)).unwrap().subprotocol, None);
    let client = Connection::upgraded_client(&negotiated, Config::default(), SEED);
    assert_eq!((client.state(), client.role()), (State::Open, Role::Client));
}

/// R022 R023 R024 R025 R026 R030 R056: The same rules apply to a parsed response.
#[test]
fn a_parsed_response_follows_the_same_rules() {
    let request = offer(&["a"]);
    let (_, expected) = request.fields(NONCE, &Config::default()).unwrap();
    let valid = with(&RESPONSE_FIELDS, "Sec-WebSocket-Accept", &[ACCEPT]);
    let rows: [(&str, &[&str], Option<ResponseError>); 16] = [
        ("Upgrade", &["WebSocket"], None),
        ("Upgrade", &[], Some(ResponseError::MissingUpgrade)),
        (
            "Upgrade",
            &["h2c"],
            Some(ResponseError::InvalidUpgrade { value: quoted("h2c") }),
        ),
        (
            "Upgrade",
            &["websocket", "websocket"],
            Some(ResponseError::RepeatedUpgrade),
        ),
        ("Connection", &["x", "y, upgrade"], None),
        (
            "Connection",
            &["close"],
            Some(ResponseError::InvalidConnection { value: quoted("close") }),
        ),
        ("Sec-WebSocket-Accept", &[" s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\t"], None),
        ("Sec-WebSocket-Accept", &[], Some(ResponseError::MissingAccept)),
        (
            "Sec-WebSocket-Accept",
            &[CLIENT_ACCEPT],
            Some(ResponseError::InvalidAccept {
                value: quoted(CLIENT_ACCEPT),
            }),
        ),
        (
            "Sec-WebSocket-Accept",
            &[ACCEPT, ACCEPT],
            Some(ResponseError::RepeatedAccept),
        ),
        (
            "Sec-WebSocket-Extensions",
            &["x"],
            Some(ResponseError::ExtensionNotOffered { name: quoted("x") }),
        ),
        (
            "Sec-WebSocket-Extensions",
            &["x;"],
            Some(ResponseError::InvalidExtensions { value: quoted("x;") }),
        ),
        ("Sec-WebSocket-Protocol", &["a"], None),
        (
            "Sec-WebSocket-Protocol",
            &["b"],
            Some(ResponseError::SubprotocolNotOffered {
                subprotocol: quoted("b"),
            }),
        ),
        (
            "Sec-WebSocket-Protocol",
            &["a", "a"],
            Some(ResponseError::SeveralSubprotocols),
        ),
        ("X", &["y"], None),
    ];
    for (name, values, error) in rows {
        let fields = with(&valid, name, values);
        assert_eq!(
            expected.check(listed(&fields)).map(|_| ()),
            error.map_or(Ok(()), Err),
            "{name}: {values:?}"
        );
        let lower: Vec<(String, &str)> = fields
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), *value))
            .collect();
        let lower = lower.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        assert_eq!(expected.check(lower).map(|_| ()), error.map_or(Ok(()), Err));
    }
    let required: Expected = request
        .require_subprotocol(true)
        .fields(NONCE, &Config::default())
        .unwrap()
        .1;
    assert_eq!(required.check(listed(&valid)), Err(ResponseError::MissingSubprotocol));
}
