//! The server's side of the opening handshake over HTTP/1.1 (RFC 6455, sections 4.2, 4.3, 4.4, 9.1,
//! 10 and 11.3).

use sockless::{
    Accept, ClosedBy, Config, Connection, Delivery, Event, ProtocolError, Request, Role, SendError, State, Teardown,
    error::{LocalHandshakeError, RequestError},
};
use support::{
    feed_cut, frame,
    heads::{
        self, ACCEPT, Answer, KEY, REQUEST_FIELDS, admitted, assert_denied, drain, head, invalid_name, invalid_value,
        listed, request, request_edits, request_of_fields, request_of_len, request_with, reserved, serve, undecided,
        with,
    },
    quoted, quoted_to, reserved_bits,
};

fn denied(input: &[u8], error: RequestError) -> Answer {
    assert_denied(&Config::default(), input, error)
}

/// The values of the fields with a name.
fn values<'a>(request: &'a Request<'_>, name: &str) -> Vec<&'a [u8]> {
    let fields = request.headers();
    fields
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// Fields whose names are as long as those that have a meaning have none, whatever their values.
#[test]
fn s4_2_1_other_fields_are_ignored() {
    for len in 1..40 {
        let name = "x".repeat(len);
        for value in ["", ",", "needle", "=,;", "0", "13, 13"] {
            let mut fields = REQUEST_FIELDS.to_vec();
            fields.push((&name, value));
            let request = admitted(&head("GET / HTTP/1.1", &fields));
            assert_eq!(values(&request, &name), [value.as_bytes()]);
        }
    }
}

/// The method is checked before the target: a method that is no request for a WebSocket says most.
#[test]
fn s4_2_1_the_method_is_checked_first() {
    for method in ["HEAD", "OPTIONS"] {
        let input = head(&format!("{method} chat HTTP/1.1"), &REQUEST_FIELDS);
        denied(&input, RequestError::UnsupportedMethod { method: quoted(method) });
    }
}

/// A head ends with the first blank line, wherever the input is cut and whatever follows.
#[test]
fn s4_2_1_a_head_ends_with_the_first_blank_line() {
    let text = String::from_utf8(request()).unwrap();
    for head in [text.clone(), text.replace("\r\n", "\n")] {
        let input = head.clone() + &"\n".repeat(80);
        for cut in 0..head.len() {
            let (front, back) = input.as_bytes().split_at(cut);
            let (mut server, mut out) = (Connection::server(Config::new()), Vec::new());
            assert_eq!(server.receive(&mut &mut front.to_vec()[..], &mut out), Ok(None));
            let mut back = back.to_vec();
            let mut rest = &mut back[..];
            assert!(
                matches!(server.receive(&mut rest, &mut out), Ok(Some(Event::Request(_)))),
                "{cut}"
            );
            assert_eq!(rest.len(), 80);
        }
    }
}

// The request: section 4.2.1, in its order.

/// R032: Bytes that are not an HTTP/1.1 head are answered with 400. Similar valid heads are
/// accepted.
#[test]
fn s4_2_1_malformed_heads_get_400() {
    let fields = &head("", &REQUEST_FIELDS)[2..];
    let at_line = |line: &[u8]| [line, b"\r\n", fields].concat();
    let with_line = |line: &[u8]| [b"GET / HTTP/1.1\r\n", line, b"\r\n", fields].concat();
    let valid = [
        at_line(b"GET / HTTP/1.1"),
        with_line(b"X: a"),
        with_line(b"X:a"),
        with_line(b"X:"),
        with_line(b"X:\t a\tb \t"),
        with_line(b"X: \xFF\x80"),
        with_line(b"!#$%&'*+-.^_`|~09azAZ: a"),
    ];
    for row in valid {
        admitted(&row);
    }
    let invalid_lines = [
        &b"GET /"[..],
        b"GET",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET / HTTP/1.1 a",
        b"GET /\0 HTTP/1.1",
        b"GET /\x7F HTTP/1.1",
        b"GET /\xFF HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"G\0T / HTTP/1.1",
        b"GET / HTTP/1.1\rX",
    ];
    for line in invalid_lines {
        let error = RequestError::InvalidRequestLine { line: quoted(line) };
        denied(&at_line(line), error);
    }
    // The excerpt ends before what may be the value of a header.
    let error = RequestError::InvalidRequestLine {
        line: quoted_to("G:T / HTTP/1.1", 1),
    };
    denied(&at_line(b"G:T / HTTP/1.1"), error);
    let invalid_fields = [
        (&b"X"[..], 2),
        (b": a", 2),
        (b"X : a", 2),
        (b" X: a", 2),
        (b"X y: a", 2),
        (b"X(: a", 2),
        (b"\xC3\xA9: a", 2),
        (b"X: a\0", 2),
        (b"X: a\x7F", 2),
        (b"X: a\x1B[2J", 2),
        (b"X: a\rY: b", 2),
        (b"X: a\r\n folded", 3),
        (b"X: a\r\n\tfolded", 3),
    ];
    for (line, number) in invalid_fields {
        denied(&with_line(line), RequestError::InvalidHeaderLine { number });
        let last = [b"GET / HTTP/1.1\r\n", &fields[..fields.len() - 2], line, b"\r\n\r\n"].concat();
        let error = RequestError::InvalidHeaderLine {
            number: number + REQUEST_FIELDS.len(),
        };
        denied(&last, error);
    }
}

/// F77: The excerpt of a line ends before the value of a header, a query string, a fragment and the
/// authority of a URL.
#[test]
fn s4_2_1_the_error_of_a_line_has_no_secret() {
    for line in [
        "Authorization: needle",
        "Cookie:needle",
        "GET /?token=needle",
        "GET /?token=needle HTTP/1.1 x",
        "GET /#needle HTTP/1.1 x",
        "GET http://name:needle@h/ HTTP/1.1 x",
        "GET /a b?token=needle HTTP/1.1",
        "GET / b:needle HTTP/1.1",
        "GET / HTTP/9.9?needle",
        "GET ws://name:needle@h/ HTTP/1.1",
        "GET http://name:needle@h/# HTTP/1.1",
        "GET ?needle HTTP/1.1",
        "GET /?needle# HTTP/1.1",
        "GET /p#needle HTTP/1.1",
    ] {
        let outcome = serve(&Config::default(), &head(line, &REQUEST_FIELDS));
        let text = outcome.error.unwrap().to_string();
        assert!(!text.contains("needle"), "{line}: {text}");
        assert!(!outcome.out.windows(6).any(|bytes| bytes == b"needle"), "{line}");
    }
    for field in [
        "Authorization: needle\0",
        "Authorization: a\r\n needle",
        "Cookie needle",
    ] {
        let input = [&b"GET / HTTP/1.1\r\n"[..], field.as_bytes(), b"\r\n\r\n"].concat();
        let outcome = serve(&Config::default(), &input);
        assert!(!outcome.error.unwrap().to_string().contains("needle"), "{field}");
    }
}

/// R032 R033: Text in the place of the version is an unsupported version (505). Text after a
/// version is an invalid request line (400).
#[test]
fn s4_2_1_a_request_line_has_a_version() {
    for version in [
        "",
        " HTTP/1.1",
        "a HTTP/1.1",
        "http/1.1",
        "HTTP/1",
        "HTTPS/1.1",
        "HTTP/1.",
        "HTTP/11",
    ] {
        let error = RequestError::UnsupportedHttpVersion {
            version: quoted(version),
        };
        denied(&head(&format!("GET / {version}"), &REQUEST_FIELDS), error);
    }
    for version in ["HTTP/1.1 ", "HTTP/1.10", "HTTP/1.1a"] {
        let line = format!("GET / {version}");
        let error = RequestError::InvalidRequestLine { line: quoted(&line) };
        denied(&head(&line, &REQUEST_FIELDS), error);
    }
    admitted(&head("GET / HTTP/1.1", &REQUEST_FIELDS));
}

/// R032: "a recipient MAY recognize a single LF as a line terminator" (RFC 9112, section 2.2): in
/// any mixture.
#[test]
fn s4_2_1_a_line_may_end_with_a_line_feed() {
    let request = String::from_utf8(request_with("Origin", &["null"])).unwrap();
    let ends: Vec<usize> = request.match_indices("\r\n").map(|(at, _)| at).collect();
    // One line end without its CR, all but one, all.
    let mut rows = vec![request.replace("\r\n", "\n")];
    for at in &ends {
        rows.push([&request[..*at], &request[at + 1..]].concat());
        rows.push(
            [
                request[..*at].replace("\r\n", "\n"),
                request[*at..]
                    .replacen("\r\n", "\r", 1)
                    .replace("\r\n", "\n")
                    .replacen('\r', "\r\n", 1),
            ]
            .concat(),
        );
    }
    for row in rows {
        let request = admitted(row.as_bytes());
        assert_eq!((request.target(), request.origin()), ("/", Some("null")), "{row:?}");
        assert_eq!(request.headers().count(), REQUEST_FIELDS.len() + 1, "{row:?}");
        let frames = [row.as_bytes(), &frame(Role::Client, 0x82, b"\n\n")].concat();
        assert_eq!(
            serve(&Config::default(), &frames).events[1..],
            [Event::Binary(b"\n\n"[..].into())],
            "{row:?}"
        );
    }
    // A CR alone does not end a line.
    let error = RequestError::InvalidRequestLine {
        line: quoted_to("GET / HTTP/1.1\rHost: example.com", "GET / HTTP/1.1\rHost".len()),
    };
    denied(request.replacen("\r\n", "\r", 1).as_bytes(), error);
}

/// R033: The method is GET, in capitals. Any other is answered with 405 and `Allow: GET`.
#[test]
fn s4_2_1_1_method_is_get() {
    let with_method = |method: &str| head(&format!("{method} / HTTP/1.1"), &REQUEST_FIELDS);
    admitted(&with_method("GET"));
    for method in [
        "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get", "Get", "GE", "GETS", "*",
    ] {
        let error = RequestError::UnsupportedMethod { method: quoted(method) };
        let answer = denied(&with_method(method), error);
        assert_eq!(answer.line, "HTTP/1.1 405 Method Not Allowed", "{method}");
        assert_eq!(answer.one("Allow"), "GET", "{method}");
    }
}

/// R033: The version is HTTP/1.1. Any other is answered with 505.
#[test]
fn s4_2_1_1_version_is_http_1_1() {
    let with_version = |version: &str| head(&format!("GET / {version}"), &REQUEST_FIELDS);
    admitted(&with_version("HTTP/1.1"));
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/3.0"] {
        let error = RequestError::UnsupportedHttpVersion {
            version: quoted(version),
        };
        let answer = denied(&with_version(version), error);
        assert_eq!(answer.line, "HTTP/1.1 505 HTTP Version Not Supported", "{version}");
    }
}

/// R033: The target is a path with an optional query, or an absolute `http` or `https` URI.
/// Anything else is answered with 400.
#[test]
fn s4_2_1_1_target_is_a_resource_name_or_an_absolute_uri() {
    let with_target = |target: &str| head(&format!("GET {target} HTTP/1.1"), &REQUEST_FIELDS);
    let valid = [
        "/",
        "/chat",
        "/chat?room=1&name=%C3%A9",
        "/?",
        "//two",
        "/a:b@c;d=e,f/~.-_!$'()*+",
        "http://example.com/chat?room=1",
        "https://example.com/chat",
        "HTTP://EXAMPLE.COM/",
        "http://example.com",
    ];
    for target in valid {
        assert_eq!(admitted(&with_target(target)).target(), target);
        assert_eq!(
            Request::from_list("GET", target, listed(&REQUEST_FIELDS))
                .unwrap()
                .target(),
            target
        );
    }
    let invalid_target = |target: &str| RequestError::InvalidTarget {
        target: quoted_to(target, target.find('?').unwrap_or(target.len())),
    };
    let invalid_byte = |target: &str, byte: u8| RequestError::InvalidTargetByte {
        target: quoted_to(target, target.find('#').unwrap_or(target.len())),
        byte,
    };
    let invalid = [
        ("*", invalid_target("*")),
        ("chat", invalid_target("chat")),
        ("?room=1", invalid_target("?room=1")),
        ("example.com:80", invalid_target("example.com:80")),
        ("http:/example.com/", invalid_target("http:/example.com/")),
        ("http://", invalid_target("http://")),
        ("https://", invalid_target("https://")),
        ("ws://example.com/", invalid_target("ws://example.com/")),
        ("wss://example.com/", invalid_target("wss://example.com/")),
        ("ftp://example.com/", invalid_target("ftp://example.com/")),
        ("/chat#fragment", invalid_byte("/chat#fragment", b'#')),
        ("/#", invalid_byte("/#", b'#')),
        ("/\u{e9}", invalid_byte("/\u{e9}", 0xC3)),
    ];
    for (target, error) in invalid {
        denied(&with_target(target), error);
        assert_eq!(
            Request::from_list("GET", target, listed(&REQUEST_FIELDS)),
            Err(error),
            "{target}"
        );
    }
}

/// R034: There is one Host header, and it names a host.
#[test]
fn s4_2_1_2_host_is_present_once() {
    for host in [
        "example.com",
        "example.com:8080",
        "127.0.0.1:80",
        "[::1]",
        "[2001:db8::1]:443",
        "EXAMPLE.com",
        "a_b",
    ] {
        assert_eq!(admitted(&request_with("Host", &[host])).host(), host);
    }
    let invalid_host = |host: &str| RequestError::InvalidHost { host: quoted(host) };
    let invalid_port = |port: &str| RequestError::InvalidPort { port: quoted(port) };
    let invalid: [(&[&str], RequestError); 16] = [
        (&[], RequestError::MissingHost),
        (&[""], invalid_host("")),
        (&[":80"], invalid_host(":80")),
        (&["example.com", "example.com"], RequestError::RepeatedHost),
        (&["example.com", "example.org"], RequestError::RepeatedHost),
        (&["", ""], RequestError::RepeatedHost),
        (&["exa mple.com"], invalid_host("exa mple.com")),
        (&["example.com/"], invalid_host("example.com/")),
        (&["\u{e9}"], invalid_host("\u{e9}")),
        (&["::1"], invalid_host("::1")),
        (&["user@example.com"], RequestError::UserInfoInHost),
        (&["user:secret@example.com:80"], RequestError::UserInfoInHost),
        (&["http://example.com"], invalid_port("//example.com")),
        (&["example.com:0"], invalid_port("0")),
        (&["example.com:65536"], invalid_port("65536")),
        (&["example.com:x"], invalid_port("x")),
    ];
    for (hosts, error) in invalid {
        denied(&request_with("Host", hosts), error);
    }
}

/// R035: The Upgrade header names `websocket` in any case, alone or in a list. Otherwise the answer
/// is 426 with `Upgrade: websocket`.
#[test]
fn s4_2_1_3_upgrade_names_websocket() {
    let valid: [&[&str]; 8] = [
        &["websocket"],
        &["WebSocket"],
        &["WEBSOCKET"],
        &["h2c, websocket"],
        &["websocket,h2c"],
        &["\th2c\t ,\twebsocket\t"],
        &["h2c", "websocket"],
        &["websocket", "h2c"],
    ];
    for row in valid {
        assert!(admitted(&request_with("Upgrade", row)).is_upgrade(), "{row:?}");
    }
    let invalid: [&[&str]; 11] = [
        &[],
        &[""],
        &[","],
        &["h2c"],
        &["h2c", "x"],
        &["websockets"],
        &["websocke"],
        &["web socket"],
        &["websocket/13"],
        &["websocket; q=1"],
        &["\"websocket\""],
    ];
    for row in invalid {
        let error = match row {
            [] => RequestError::MissingUpgrade,
            [value, ..] => RequestError::InvalidUpgrade { value: quoted(value) },
        };
        let answer = denied(&request_with("Upgrade", row), error);
        assert_eq!(answer.line, "HTTP/1.1 426 Upgrade Required", "{row:?}");
        assert_eq!(answer.one("Upgrade"), "websocket", "{row:?}");
        assert_eq!(answer.one("Connection"), "close, Upgrade", "{row:?}");
    }
}

/// R036: The Connection header is a list, in one line or several, with `Upgrade` in any case.
#[test]
fn s4_2_1_4_connection_has_the_token_upgrade() {
    let valid: [&[&str]; 8] = [
        &["Upgrade"],
        &["upgrade"],
        &["UPGRADE"],
        &["keep-alive, Upgrade"],
        &["Upgrade,keep-alive"],
        &["keep-alive \t,\t upgrade"],
        &["keep-alive", "Upgrade"],
        &["Upgrade", "keep-alive"],
    ];
    for row in valid {
        admitted(&request_with("Connection", row));
    }
    let invalid: [&[&str]; 8] = [
        &[],
        &[""],
        &["close"],
        &["keep-alive"],
        &["keep-alive Upgrade"],
        &["Upgrades"],
        &["Upgrad"],
        &["keep-alive; Upgrade"],
    ];
    for row in invalid {
        let error = match row {
            [] => RequestError::MissingConnection,
            [value, ..] => RequestError::InvalidConnection { value: quoted(value) },
        };
        denied(&request_with("Connection", row), error);
    }
}

/// R037 R013: The key is the base64 form of 16 bytes. The spare bits of the last character are
/// ignored (erratum 3150).
#[test]
fn s4_2_1_5_key_is_sixteen_bytes() {
    let valid = [
        KEY,
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "//////////////////////==",
        "+/+/+/+/+/+/+/+/+/+/+w==",
        // The RFC's own sample before the erratum, and the other spare bits.
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZf==",
    ];
    for key in valid {
        admitted(&request_with("Sec-WebSocket-Key", &[key]));
    }
    let invalid = [
        "",
        "AAAAAAAAAAAAAAAAAAAA",         // 15 bytes
        "AAAAAAAAAAAAAAAAAAAAAAA=",     // 17 bytes
        "AAAAAAAAAAAAAAAAAAAAAAAA",     // 18 bytes
        "AAAAAAAAAAAAAAAAAAAAAAAAAA==", // 19 bytes
        "AAAAAAAAAAAAAAAAAAAAAA",       // without padding
        "AAAAAAAAAAAAAAAAAAAAAA=",      // with half of it
        "AAAAAAAAAAAAAAAAAAAAAA===",    // with too much
        "AAAAAAAAAAAAAAAAAAAAA===",     // not a length of base64
        "--__--__--__--__--__-w==",     // the alphabet for URLs
        "AAAAAAAAAAA AAAAAAAAAAA==",    // white space
        "AAAAAAAAAA=AAAAAAAAAAA==",     // padding in the middle
        "AAAAAAAAAA!AAAAAAAAAAA==",     // not base64
        "the sample nonce",             // 16 bytes, not encoded
    ];
    for key in invalid {
        let error = RequestError::InvalidKey { len: key.len() };
        denied(&request_with("Sec-WebSocket-Key", &[key]), error);
    }
}

/// R038 R037: There is one key.
#[test]
fn s11_3_1_key_occurs_once() {
    admitted(&request_with("Sec-WebSocket-Key", &[KEY]));
    for keys in [&[][..], &[KEY, KEY], &[KEY, ""], &["", KEY]] {
        let error = if keys.is_empty() {
            RequestError::MissingKey
        } else {
            RequestError::RepeatedKey
        };
        denied(&request_with("Sec-WebSocket-Key", keys), error);
    }
}

/// R039 R046 R047: The version is 13. Any other is answered with 426 and `Sec-WebSocket-Version:
/// 13`.
#[test]
fn s4_2_1_6_version_is_13() {
    admitted(&request_with("Sec-WebSocket-Version", &["13"]));
    for version in [
        "", "8", "12", "14", "013", "+13", "13.0", "0x0D", "1 3", "13, 8", "13, 13", "13;",
    ] {
        let error = RequestError::UnsupportedVersion {
            version: quoted(version),
        };
        let answer = denied(&request_with("Sec-WebSocket-Version", &[version]), error);
        assert_eq!(answer.line, "HTTP/1.1 426 Upgrade Required", "{version}");
        assert_eq!(answer.one("Sec-WebSocket-Version"), "13", "{version}");
        assert_eq!(answer.one("Upgrade"), "websocket", "{version}");
        assert_eq!(answer.one("Connection"), "close, Upgrade", "{version}");
    }
}

/// R040 R046: There is one version in a request.
#[test]
fn s11_3_5_version_occurs_once() {
    admitted(&request_with("Sec-WebSocket-Version", &["13"]));
    for versions in [&[][..], &["13", "13"], &["13", "8"], &["8", "13"]] {
        let error = if versions.is_empty() {
            RequestError::MissingVersion
        } else {
            RequestError::RepeatedVersion
        };
        let answer = denied(&request_with("Sec-WebSocket-Version", versions), error);
        assert_eq!(answer.one("Sec-WebSocket-Version"), "13", "{versions:?}");
    }
}

/// R041: The caller can read the origin. Clients that are not browsers send none.
#[test]
fn s4_2_1_7_origin_is_exposed() {
    assert_eq!(admitted(&request()).origin(), None);
    for origin in ["https://example.com", "null", "http://[::1]:8080", "anything"] {
        assert_eq!(admitted(&request_with("Origin", &[origin])).origin(), Some(origin));
    }
    // RFC 6454, section 7.3: "the user agent MUST NOT include more than one Origin header field"
    denied(
        &request_with("Origin", &["http://example.com", "http://example.com"]),
        RequestError::RepeatedOrigin,
    );
}

/// R042: Headers that mean nothing here are ignored, and passed on in their order, with their
/// values trimmed.
#[test]
fn s4_2_1_10_other_headers_are_ignored() {
    let mut fields = REQUEST_FIELDS.to_vec();
    fields.insert(0, ("X-First", "1"));
    fields.insert(3, ("Cookie", "  a=1; b=2\t"));
    fields.push(("Cookie", "c=3"));
    fields.push(("Sec-WebSocket-Unheard-Of", "\"(,;=)\""));
    fields.push(("X-Empty", ""));
    let request = admitted(&head("GET / HTTP/1.1", &fields));
    let expected: Vec<(&str, &[u8])> = fields
        .iter()
        .map(|(name, value)| (*name, value.trim().as_bytes()))
        .collect();
    assert_eq!(request.headers().collect::<Vec<_>>(), expected);
    assert_eq!(request.headers().get("cookie"), Some(&b"a=1; b=2"[..]), "the first one");
    assert_eq!(request.headers().get("x-empty"), Some(&b""[..]));
    assert_eq!(request.headers().get("x-absent"), None);
    assert_eq!(values(&request, "COOKIE"), [&b"a=1; b=2"[..], b"c=3"]);
}

/// R028: Header names are compared without regard to case.
#[test]
fn s4_1_header_names_have_no_case() {
    let cases: [fn(&str) -> String; 3] = [str::to_ascii_uppercase, str::to_ascii_lowercase, |name| {
        name.chars()
            .enumerate()
            .map(|(at, char)| {
                if at % 2 == 0 {
                    char.to_ascii_lowercase()
                } else {
                    char.to_ascii_uppercase()
                }
            })
            .collect()
    }];
    let mut fields = REQUEST_FIELDS.to_vec();
    fields.extend([
        ("Origin", "http://example.com"),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Extensions", "foo"),
    ]);
    for case in cases {
        let names: Vec<String> = fields.iter().map(|(name, _)| case(name)).collect();
        let cased: Vec<(&str, &str)> = names
            .iter()
            .zip(&fields)
            .map(|(name, (_, value))| (name.as_str(), *value))
            .collect();
        let request = admitted(&head("GET / HTTP/1.1", &cased));
        assert_eq!(request.host(), "example.com", "{cased:?}");
        assert_eq!(request.origin(), Some("http://example.com"), "{cased:?}");
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat"], "{cased:?}");
        assert_eq!(request.extensions().count(), 1, "{cased:?}");
        // An invalid header is found in any case.
        for (name, error) in [
            ("Host", RequestError::RepeatedHost),
            ("Origin", RequestError::RepeatedOrigin),
            ("Sec-WebSocket-Key", RequestError::RepeatedKey),
            ("Sec-WebSocket-Version", RequestError::RepeatedVersion),
            (
                "Sec-WebSocket-Protocol",
                RequestError::RepeatedSubprotocol { position: 2 },
            ),
        ] {
            let at = fields.iter().position(|(field, _)| *field == name).unwrap();
            let mut twice = cased.clone();
            twice.push(cased[at]);
            denied(&head("GET / HTTP/1.1", &twice), error);
        }
        for (name, value, error) in [
            (
                "Content-Length",
                "1",
                RequestError::ContentLength { value: quoted("1") },
            ),
            (
                "Transfer-Encoding",
                "chunked",
                RequestError::TransferEncoding {
                    value: quoted("chunked"),
                },
            ),
        ] {
            let name = case(name);
            let mut body = cased.clone();
            body.push((&name, value));
            denied(&head("GET / HTTP/1.1", &body), error);
        }
    }
}

/// R032: A request that announces a body is rejected, because the body would be taken for frames.
#[test]
fn s4_2_1_a_request_has_no_body() {
    admitted(&request_with("Content-Length", &["0"]));
    for length in ["1", "5", "18446744073709551615"] {
        let error = RequestError::ContentLength { value: quoted(length) };
        denied(&request_with("Content-Length", &[length]), error);
    }
    for coding in ["chunked", "identity", "gzip, chunked"] {
        let error = RequestError::TransferEncoding { value: quoted(coding) };
        denied(&request_with("Transfer-Encoding", &[coding]), error);
    }
}

/// R032: An invalid header is found in any place, first or last.
#[test]
fn s4_2_1_the_order_of_headers_does_not_matter() {
    let broken = [
        ("Host", "a b", RequestError::InvalidHost { host: quoted("a b") }),
        ("Upgrade", "h2c", RequestError::InvalidUpgrade { value: quoted("h2c") }),
        (
            "Connection",
            "close",
            RequestError::InvalidConnection { value: quoted("close") },
        ),
        ("Sec-WebSocket-Key", "short", RequestError::InvalidKey { len: 5 }),
        (
            "Sec-WebSocket-Version",
            "8",
            RequestError::UnsupportedVersion { version: quoted("8") },
        ),
        (
            "Sec-WebSocket-Protocol",
            "a b",
            RequestError::InvalidSubprotocol { position: 1 },
        ),
        (
            "Sec-WebSocket-Extensions",
            "a b",
            RequestError::InvalidExtensions { value: quoted("a b") },
        ),
        (
            "Content-Length",
            "1",
            RequestError::ContentLength { value: quoted("1") },
        ),
    ];
    let mut reversed = REQUEST_FIELDS;
    reversed.reverse();
    admitted(&head("GET / HTTP/1.1", &reversed));
    for (name, value, error) in broken {
        let last = with(&REQUEST_FIELDS, name, &[value]);
        let first: Vec<(&str, &str)> = last.iter().rev().copied().collect();
        denied(&head("GET / HTTP/1.1", &last), error);
        denied(&head("GET / HTTP/1.1", &first), error);
    }
}

// Subprotocols: sections 4.1, 4.2.2 and 11.3.4.

/// R051 R016 R017: Several lines are one list, in the client's order.
#[test]
fn s11_3_4_subprotocol_lines_are_one_list() {
    let valid: [(&[&str], &[&str]); 6] = [
        (&[], &[]),
        (&["chat"], &["chat"]),
        (&["chat, superchat"], &["chat", "superchat"]),
        (&["chat,superchat ,\tx"], &["chat", "superchat", "x"]),
        (&["chat", "superchat, x"], &["chat", "superchat", "x"]),
        (
            &["!#$%&'*+-.^_`|~", "Chat", "chat"],
            &["!#$%&'*+-.^_`|~", "Chat", "chat"],
        ),
    ];
    for (lines, expected) in valid {
        let request = admitted(&request_with("Sec-WebSocket-Protocol", lines));
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), expected, "{lines:?}");
    }
}

/// R032 R016: The offered subprotocols are unique tokens, over all lines. Otherwise the request is
/// rejected.
#[test]
fn s4_1_10_offered_subprotocols_are_unique_tokens() {
    let repeated = |position| RequestError::RepeatedSubprotocol { position };
    let no_token = |position| RequestError::InvalidSubprotocol { position };
    let invalid: [(&[&str], RequestError); 13] = [
        (&["a, a"], repeated(2)),
        (&["a, b, a"], repeated(3)),
        (&["a", "a"], repeated(2)),
        (&["a, b", "c, b"], repeated(4)),
        (&["a b"], no_token(1)),
        (&["a/b"], no_token(1)),
        (&["\"a\""], no_token(1)),
        (&["a;q=1"], no_token(1)),
        (&["\u{e9}"], no_token(1)),
        (&["a", "b c"], no_token(2)),
        (&["a(b)"], no_token(1)),
        (&["a@b"], no_token(1)),
        // The check of all tokens precedes the search for repetitions.
        (&["a, a, b", "c d"], no_token(4)),
    ];
    for (lines, error) in invalid {
        denied(&request_with("Sec-WebSocket-Protocol", lines), error);
    }
    admitted(&request_with("Sec-WebSocket-Protocol", &["a, A", "b"]));
}

/// R050: The one chosen is offered by the client, and of those it is the first that the server
/// likes.
#[test]
fn s4_2_2_subprotocol_is_chosen_by_the_server() {
    let request = admitted(&request_with("Sec-WebSocket-Protocol", &["a, b", "c"]));
    let table: [(&[&str], Option<&str>); 7] = [
        (&[], None),
        (&["x"], None),
        (&["A"], None),
        (&["c", "a"], Some("c")),
        (&["x", "b", "a"], Some("b")),
        (&["a", "b", "c"], Some("a")),
        (&[""], None),
    ];
    for (supported, expected) in table {
        assert_eq!(request.choose_subprotocol(supported), expected, "{supported:?}");
    }
    assert_eq!(admitted(&heads::request()).choose_subprotocol(&["a"]), None);
}

/// R050 R051: The response names the chosen subprotocol once; without one it has no such header.
#[test]
fn s4_2_2_response_names_the_subprotocol_or_has_no_header() {
    let offer = request_with("Sec-WebSocket-Protocol", &["a", "b"]);
    for chosen in [Some("b"), Some("a"), None] {
        let (mut server, request) = undecided(Config::default(), &offer);
        let mut out = Vec::new();
        let accept = Accept::new().subprotocol(chosen);
        server.accept(&request, &accept, &mut out).unwrap();
        let answer = Answer::read(&out);
        assert_eq!(
            answer.all("Sec-WebSocket-Protocol"),
            chosen.into_iter().collect::<Vec<_>>()
        );
        let (fields, negotiated) = request.acceptance(&accept, &Config::default()).unwrap();
        assert_eq!(negotiated.subprotocol.as_deref(), chosen);
        assert_eq!(fields, answer.fields, "the same without a connection");
    }
}

/// R050: A subprotocol that was not offered cannot be chosen. Nothing changes, and another answer
/// is possible.
#[test]
fn s4_2_2_a_subprotocol_that_was_not_offered_is_refused() {
    let offers: [(&[&str], &[&str]); 3] = [
        (&["a, b"], &["c", "A", "", "a, b", "a ", " a", "a\r\nX: y"]),
        (&["ab"], &["a", "b", "abc"]),
        (&[], &["a", ""]),
    ];
    for (offer, choices) in offers {
        for choice in choices {
            let (mut server, request) = undecided(Config::default(), &request_with("Sec-WebSocket-Protocol", offer));
            let accept = Accept::new().subprotocol(Some(choice));
            let mut out = b"before".to_vec();
            let error = LocalHandshakeError::SubprotocolNotOffered {
                subprotocol: quoted(choice),
            };
            assert_eq!(
                server.accept(&request, &accept, &mut out),
                Err(error),
                "{offer:?} {choice:?}"
            );
            assert_eq!(request.acceptance(&accept, &Config::default()).map(|_| ()), Err(error));
            assert_eq!((out.as_slice(), server.state()), (&b"before"[..], State::Opening));
            server.accept(&request, &Accept::new(), &mut out).unwrap();
            assert_eq!(server.state(), State::Open);
        }
    }
}

// Extensions: section 9.1.

/// R130 R018 R135: Extensions and their parameters come in the client's order.
#[test]
fn s9_1_extensions_follow_their_grammar() {
    type Params<'a> = Vec<(&'a str, Option<String>)>;
    let offer = "permessage-deflate; client_max_window_bits; server_max_window_bits=10,foo ;\ta\t=\tb;c,bar";
    let request = admitted(&request_with("Sec-WebSocket-Extensions", &[offer]));
    let found: Vec<(&str, Params<'_>)> = request
        .extensions()
        .map(|extension| {
            let params = extension
                .params()
                .map(|(name, value)| (name, value.map(|value| value.into_owned())));
            (extension.name(), params.collect())
        })
        .collect();
    let expected = [
        (
            "permessage-deflate",
            vec![
                ("client_max_window_bits", None),
                ("server_max_window_bits", Some("10".into())),
            ],
        ),
        ("foo", vec![("a", Some("b".into())), ("c", None)]),
        ("bar", vec![]),
    ];
    assert_eq!(found, expected);
    assert_eq!(admitted(&heads::request()).extensions().count(), 0);
}

/// R130: A malformed list of extensions fails the handshake, even if another line is valid.
#[test]
fn s9_1_malformed_extensions_fail_the_handshake() {
    let malformed = [
        ";;",
        ";",
        "=",
        "a;",
        "a;;b",
        "a;=b",
        "a;b=",
        "a; b=\"",
        "a; b=\"c",
        "a; b=\"\"",
        "a; b=\"c\\",
        "a; b=\"c\"d",
        "a; b=\"c\" d",
        "a; b=\"c\\\"",
        "a; b c",
        "a b",
        "a=b",
        "a; b=c=d",
        "a; b=c d",
        "\"a\"",
        "a/b",
        "a; \"b\"",
        "a; b='c d'",
        "a; b=\u{e9}",
        "a; b=\"\u{e9}\"",
        "\u{e9}",
        "a; b=\"c\td\"",
    ];
    for value in malformed {
        let name = "Sec-WebSocket-Extensions";
        let error = RequestError::InvalidExtensions { value: quoted(value) };
        denied(&request_with(name, &[value]), error);
        denied(&request_with(name, &["x", value]), error);
        denied(&request_with(name, &[value, "x"]), error);
        // The excerpt in the error begins with the malformed element.
        denied(&request_with(name, &[&format!("x; y=\"z\" , {value}")]), error);
        let parsed = with(&REQUEST_FIELDS, name, &[value]);
        assert_eq!(Request::from_list("GET", "/", listed(&parsed)), Err(error), "{value}");
    }
    // Bytes that cannot be in an HTTP head, from a head that another implementation has parsed.
    for value in [
        &b"a\0"[..],
        b"a; b=\"\0\"",
        b"a; b=\"\xFF\"",
        b"a; b=\"c\\\0\"",
        b"\x80",
    ] {
        let fields = listed(&REQUEST_FIELDS).chain([("sec-websocket-extensions", value)]);
        assert_eq!(
            Request::from_list("GET", "/", fields),
            Err(RequestError::InvalidExtensions { value: quoted(value) }),
            "{}",
            value.escape_ascii()
        );
    }
}

/// R131: An unescaped quoted value is a token. It is returned without quotes and escapes.
#[test]
fn s9_1_quoted_values_are_tokens() {
    let valid = [
        ("client_max_window_bits=\"10\"", "10"),
        ("b=\"c\"", "c"),
        ("b=\"c\\d\"", "cd"),
        ("b=\"\\c\\d\"", "cd"),
        ("b = \"c\" ", "c"),
        ("b=\"!#$%&'*+-.^_`|~\"", "!#$%&'*+-.^_`|~"),
    ];
    for (param, value) in valid {
        let request = admitted(&request_with("Sec-WebSocket-Extensions", &[&format!("a; {param}")]));
        let extension = request.extensions().next().unwrap();
        let (_, found) = extension.params().next().unwrap();
        assert_eq!(found.as_deref(), Some(value), "{param}");
    }
    for value in [
        "1 0", "", " 10", "10 ", "1\\\\0", "1\\\"0", "1/0", "1=0", "(10)", "1\\ 0",
    ] {
        let value = format!("a; client_max_window_bits=\"{value}\"");
        denied(
            &request_with("Sec-WebSocket-Extensions", &[&value]),
            RequestError::InvalidExtensions { value: quoted(&value) },
        );
    }
}

/// R132 R057: Several lines form one list.
#[test]
fn s9_1_several_lines_are_one_list() {
    for lines in [
        &["a; p=1, b, c; q"][..],
        &["a; p=1", "b, c; q"],
        &["a; p=1, b", "c; q"],
        &["a; p=1", "b", "c; q"],
    ] {
        let request = admitted(&request_with("Sec-WebSocket-Extensions", lines));
        let names: Vec<&str> = request.extensions().map(|extension| extension.name()).collect();
        assert_eq!(names, ["a", "b", "c"], "{lines:?}");
        let counts: Vec<usize> = request
            .extensions()
            .map(|extension| extension.params().count())
            .collect();
        assert_eq!(counts, [1, 0, 1], "{lines:?}");
    }
    // An element does not continue in the next line.
    denied(
        &request_with("Sec-WebSocket-Extensions", &["a; p=\"1", "b\""]),
        RequestError::InvalidExtensions {
            value: quoted("a; p=\"1"),
        },
    );
}

/// R133 R131: A comma or semicolon in quotes does not separate. It is part of a value that is then
/// not a token.
#[test]
fn s9_1_quoted_separators_do_not_separate() {
    for value in [
        "x=\"a,b\"",
        "x=\"a;b\"",
        "x=\"a, y=b\"",
        "x=\"a\\,b\"",
        "x=\"a; y=\\\"b\\\"\"",
    ] {
        let value = format!("e; {value}");
        denied(
            &request_with("Sec-WebSocket-Extensions", &[&value]),
            RequestError::InvalidExtensions { value: quoted(&value) },
        );
    }
    // Where a separator is escaped away from its meaning, what follows stays one value.
    let request = admitted(&request_with(
        "Sec-WebSocket-Extensions",
        &["e; x=\"a\\b\"; y=\"c\", f"],
    ));
    let params: Vec<usize> = request
        .extensions()
        .map(|extension| extension.params().count())
        .collect();
    assert_eq!(params, [2, 0]);
}

/// R052 R128 R129: Without the option, the response has no extension, and the caller cannot add
/// one.
#[test]
fn s4_2_2_no_extension_is_accepted() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits, foo; bar=1",
    ] {
        let (mut server, request) = undecided(Config::default(), &request_with("Sec-WebSocket-Extensions", &[offer]));
        let mut out = Vec::new();
        let headers = [("Sec-WebSocket-Extensions", "permessage-deflate")];
        assert_eq!(
            server.accept(&request, &Accept::new().headers(&headers), &mut out),
            Err(reserved("Sec-WebSocket-Extensions"))
        );
        server.accept(&request, &Accept::new(), &mut out).unwrap();
        assert!(Answer::read(&out).all("Sec-WebSocket-Extensions").is_empty(), "{offer}");
        // The extension is not in use.
        let compressed = frame(Role::Client, 0xC1, b"\xF2\x48\xCD\xC9\xC9\x07\x00");
        assert_eq!(drain(&mut server, &compressed, &mut out), Err(reserved_bits(0xC1)));
    }
}

// The answer: section 4.2.2.

/// R053 R054 R055 R056 R050: The sample of section 1.3, byte for byte.
#[test]
fn s1_3_the_sample_is_answered_exactly() {
    let sample = "GET /chat HTTP/1.1\r\n\
                  Host: server.example.com\r\n\
                  Upgrade: websocket\r\n\
                  Connection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                  Origin: http://example.com\r\n\
                  Sec-WebSocket-Protocol: chat, superchat\r\n\
                  Sec-WebSocket-Version: 13\r\n\
                  \r\n";
    let (mut server, request) = undecided(Config::default(), sample.as_bytes());
    assert_eq!((request.target(), request.host()), ("/chat", "server.example.com"));
    assert_eq!(request.origin(), Some("http://example.com"));
    let mut out = b"before".to_vec();
    let accept = Accept::new()
        .subprotocol(request.choose_subprotocol(&["chat"]))
        .headers(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        .origins(&["http://example.com"]);
    assert_eq!(server.state(), State::Opening);
    server.accept(&request, &accept, &mut out).unwrap();
    assert_eq!(server.state(), State::Open);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "beforeHTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: chat\r\n\
         Set-Cookie: a=1\r\n\
         Set-Cookie: b=2\r\n\
         \r\n"
    );
}

/// R055: The accept value is made from the text of the key, canonical or not, without the white
/// space around it.
#[test]
fn s4_2_2_5_4_accept_is_made_from_the_text_of_the_key() {
    for key in [
        KEY,
        "dGhlIHNhbXBsZSBub25jZR==",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "//////////////////////==",
    ] {
        let expected = tungstenite::handshake::derive_accept_key(key.as_bytes());
        assert_eq!(key == KEY, expected == ACCEPT);
        for padded in [key.to_owned(), format!(" \t {key}\t ")] {
            let outcome = serve(&Config::default(), &request_with("Sec-WebSocket-Key", &[&padded]));
            let answer = Answer::read(&outcome.out);
            assert_eq!(answer.one("Sec-WebSocket-Accept"), expected, "{padded:?}");
        }
    }
}

/// R043 R044 R045 R049 R136: Any status, headers and body can refuse; the connection is then
/// closed.
#[test]
fn s4_2_2_a_server_refuses_as_it_likes() {
    type Row<'a> = (u16, &'a [(&'a str, &'a str)], &'a [u8], &'a str);
    let table: [Row<'_>; 9] = [
        (
            401,
            &[("WWW-Authenticate", "Basic realm=\"chat\"")],
            b"who?",
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"chat\"\r\n\
             Content-Length: 4\r\nConnection: close\r\n\r\nwho?",
        ),
        (
            302,
            &[("Location", "https://example.org/chat")],
            b"",
            "HTTP/1.1 302 Found\r\nLocation: https://example.org/chat\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        (
            403,
            &[],
            b"",
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        (
            404,
            &[("Content-Type", "text/plain"), ("Content-Language", "en")],
            b"no such room\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Language: en\r\n\
             Content-Length: 16\r\nConnection: close\r\n\r\nno such room\r\n\r\n",
        ),
        (
            426,
            &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
            b"",
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Content-Length: 0\r\nConnection: close, Upgrade\r\n\r\n",
        ),
        (
            503,
            &[("Retry-After", "10")],
            b"\0\xFF",
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
        ),
        (204, &[], b"", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        (
            304,
            &[("ETag", "\"a\"")],
            b"",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nConnection: close\r\n\r\n",
        ),
        // A reason phrase has no meaning, but the space before it has to be there (RFC 9112,
        // section 4).
        (
            599,
            &[],
            b"x",
            "HTTP/1.1 599 \r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
        ),
    ];
    for (status, headers, body, expected) in table {
        let (mut server, _) = undecided(Config::default(), &request());
        let mut out = b"before".to_vec();
        server.reject(status, headers, body, &mut out).unwrap();
        assert!(
            out.starts_with(format!("before{expected}").as_bytes()) && out.ends_with(body),
            "{}",
            out.escape_ascii()
        );
        let answer = Answer::read(&out["before".len()..]);
        assert_eq!((answer.status, answer.body.as_slice()), (status, body));
        answer.assert_ends_the_connection();
        assert_eq!(server.state(), State::Closed, "{status}");
        assert_eq!(server.teardown(), Some(Teardown::Close), "{status}");
        assert_eq!(
            server.close_status(),
            None,
            "nothing was open that could have been closed"
        );
        assert_eq!(server.receive_eof(), Ok(None), "{status}");
    }
}

/// RFC 9112, section 4: A status has its usual reason phrase; one that is not listed has none.
#[test]
fn s4_2_2_a_rejection_has_the_usual_reason_phrase() {
    let phrases = [
        (200, "OK"),
        (204, "No Content"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (503, "Service Unavailable"),
        (505, "HTTP Version Not Supported"),
    ];
    for status in 200..600 {
        let (mut server, _) = undecided(Config::default(), &request());
        let mut out = Vec::new();
        server.reject(status, &[], b"", &mut out).unwrap();
        let phrase = phrases
            .iter()
            .find(|(known, _)| *known == status)
            .map_or("", |(_, phrase)| *phrase);
        let line = format!("HTTP/1.1 {status} {phrase}\r\n");
        assert!(out.starts_with(line.as_bytes()), "{}", out.escape_ascii());
    }
}

/// R032 R058: Each error of a client has its status line, and the body is the text of the error.
#[test]
fn s4_2_1_each_error_has_its_status_line() {
    let get = |fields: &[(&str, &str)]| head("GET / HTTP/1.1", fields);
    let few = Config::new().max_headers(5).max_head_size(4096);
    let with_field = |name: &str, value: &str| get(&with(&REQUEST_FIELDS, name, &[value]));
    // `max_headers` allows no further field, so each row replaces one.
    let table = [
        (
            b"\x16\x03\x01".to_vec(),
            RequestError::Tls { byte: 0x16 },
            "400 Bad Request",
        ),
        (
            head("GET * HTTP/1.1", &REQUEST_FIELDS),
            RequestError::InvalidTarget { target: quoted("*") },
            "400 Bad Request",
        ),
        (
            with_field("Host", ""),
            RequestError::InvalidHost { host: quoted("") },
            "400 Bad Request",
        ),
        (
            with_field("Connection", ""),
            RequestError::InvalidConnection { value: quoted("") },
            "400 Bad Request",
        ),
        (
            with_field("Sec-WebSocket-Key", ""),
            RequestError::InvalidKey { len: 0 },
            "400 Bad Request",
        ),
        (
            head("PUT / HTTP/1.1", &REQUEST_FIELDS),
            RequestError::UnsupportedMethod { method: quoted("PUT") },
            "405 Method Not Allowed",
        ),
        (
            with_field("Upgrade", ""),
            RequestError::InvalidUpgrade { value: quoted("") },
            "426 Upgrade Required",
        ),
        (
            with_field("Sec-WebSocket-Version", ""),
            RequestError::UnsupportedVersion { version: quoted("") },
            "426 Upgrade Required",
        ),
        (
            request_of_len(4097),
            RequestError::HeadTooLong { limit: 4096 },
            "431 Request Header Fields Too Large",
        ),
        (
            request_of_fields(6),
            RequestError::TooManyHeaders { limit: 5 },
            "431 Request Header Fields Too Large",
        ),
        (
            head("GET / HTTP/1.0", &REQUEST_FIELDS),
            RequestError::UnsupportedHttpVersion {
                version: quoted("HTTP/1.0"),
            },
            "505 HTTP Version Not Supported",
        ),
    ];
    for (input, error, status) in table {
        let answer = assert_denied(&few, &input, error);
        assert_eq!(answer.line, format!("HTTP/1.1 {status}"), "{error:?}");
        assert_eq!(answer.one("Content-Type"), "text/plain; charset=utf-8", "{error:?}");
        assert_eq!(answer.body, format!("{error}\n").as_bytes(), "{error:?}");
        assert_eq!(
            answer.all("Allow").is_empty(),
            !matches!(error, RequestError::UnsupportedMethod { .. }),
            "{error:?}"
        );
        let upgrades = matches!(
            error,
            RequestError::InvalidUpgrade { .. } | RequestError::UnsupportedVersion { .. }
        );
        assert_eq!(answer.all("Upgrade").is_empty(), !upgrades, "{error:?}");
        assert_eq!(answer.all("Sec-WebSocket-Version").is_empty(), !upgrades, "{error:?}");
        assert!(answer.all("Sec-WebSocket-Accept").is_empty(), "{error:?}");
    }
}

/// R058: Another protocol is found at its first byte, or at its first line end.
#[test]
fn s10_7_another_protocol_gets_400_at_once() {
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03";
    for garbage in [
        &tls[..],
        b"\x15\x03\x01\0\x02\x02\x28",
        b"\0",
        b"\xFF\xFF",
        b" GET / HTTP/1.1",
        b"\x81\x80\0\0\0\0",
        b"{\"a\":1}",
    ] {
        // A line end is not awaited.
        let error = match garbage[0] {
            byte @ (0x15 | 0x16) => RequestError::Tls { byte },
            byte => RequestError::InvalidFirstByte { byte },
        };
        let answer = denied(garbage, error);
        assert_eq!(answer.line, "HTTP/1.1 400 Bad Request");
        denied(&garbage[..1], error);
    }
    // The beginning of a request is not an error.
    for beginning in [
        &b"G"[..],
        b"GET",
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-x",
        b"GET / HTTP/1.1\n",
        b"POST /",
    ] {
        let outcome = serve(&Config::default(), beginning);
        assert_eq!((outcome.error, outcome.out.len()), (None, 0));
    }
    // An invalid first line fails at its end, because a client of another protocol may wait for an
    // answer to it.
    for line in ["SSH-2.0-OpenSSH_9.2", "EHLO example.com", "x"] {
        let error = RequestError::InvalidRequestLine { line: quoted(line) };
        for rest in ["\r\n", "\n", "\r\n\r\n", "\r\nX: y\r\n"] {
            let answer = denied(format!("{line}{rest}").as_bytes(), error);
            assert_eq!(answer.line, "HTTP/1.1 400 Bad Request");
        }
    }
    // HTTP/2 with prior knowledge begins with a request line of another version.
    let error = RequestError::UnsupportedHttpVersion {
        version: quoted("HTTP/2.0"),
    };
    denied(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", error);
}

/// R032: The transport ends before the head does.
#[test]
fn s4_2_1_half_a_head_is_no_request() {
    let request = request();
    for len in [0, 1, 10, request.len() - 1] {
        let mut server = Connection::server(Config::default());
        let mut out = Vec::new();
        assert_eq!(drain(&mut server, &request[..len], &mut out), Ok(Vec::new()), "{len}");
        assert_eq!(
            server.receive_eof(),
            Err(Box::new(ProtocolError::HandshakeEof)),
            "{len}"
        );
        assert_eq!((server.state(), out.len()), (State::Closed, 0), "{len}");
        assert_eq!(server.close_status().unwrap().by, ClosedBy::Transport, "{len}");
    }
}

// Limits: section 10.4.

/// R137: A head has at most as many bytes as the limit.
#[test]
fn s10_4_head_size_is_limited() {
    let larger = Config::new().max_head_size(32 << 10);
    let smaller = Config::new().max_head_size(200);
    for (config, limit) in [(Config::default(), 16_384), (larger, 32_768), (smaller, 200)] {
        let outcome = serve(&config, &request_of_len(limit));
        assert!(matches!(outcome.events[..], [Event::Request(_)]), "{limit}");
        let too_long = RequestError::HeadTooLong { limit };
        assert_denied(&config, &request_of_len(limit + 1), too_long);
        // The same without a blank line: as many bytes as the limit cannot become a head.
        let endless = [b"GET /", "x".repeat(limit - 5).as_bytes()].concat();
        assert_denied(&config, &endless, too_long);
        let outcome = serve(&config, &endless[..limit - 1]);
        assert_eq!((outcome.error, outcome.out.len()), (None, 0), "{limit}");
    }
}

/// R137: What follows a head does not count.
#[test]
fn s10_4_bytes_after_a_head_do_not_count() {
    let mut input = request_of_len(16_384);
    input.extend(frame(Role::Client, 0x82, &[7; 40_000]));
    let outcome = serve(&Config::default(), &input);
    assert!(
        matches!(&outcome.events[..], [Event::Request(_), Event::Binary(data)] if data.len() == 40_000),
        "{:?}",
        outcome.error
    );
}

/// R137: A head has at most as many fields as the limit.
#[test]
fn s10_4_header_count_is_limited() {
    let more = Config::new().max_headers(300);
    let fewer = Config::new().max_headers(5);
    for (config, limit) in [(Config::default(), 128), (more, 300), (fewer, 5)] {
        let outcome = serve(&config, &request_of_fields(limit));
        assert!(matches!(outcome.events[..], [Event::Request(_)]), "{limit}");
        assert_denied(
            &config,
            &request_of_fields(limit + 1),
            RequestError::TooManyHeaders { limit },
        );
    }
    let none = Config::new().max_headers(0);
    assert_denied(&none, &request(), RequestError::TooManyHeaders { limit: 0 });
}

/// R137: Blank lines before the request line are ignored, but they count.
#[test]
fn s10_4_blank_lines_before_a_request_are_ignored() {
    for blank in ["\r\n", "\n", "\r\n\r\n", "\n\r\n\n"] {
        let request = admitted(&[blank.as_bytes(), &request()].concat());
        assert_eq!(request.target(), "/", "{blank:?}");
        assert_eq!(request.headers().count(), REQUEST_FIELDS.len(), "{blank:?}");
    }
    let config = Config::new().max_head_size(300);
    let outcome = serve(&config, &[b"\r\n\r\n", &request_of_len(296)[..]].concat());
    assert!(matches!(outcome.events[..], [Event::Request(_)]));
    assert_denied(
        &config,
        &[b"\r\n\r\n", &request_of_len(297)[..]].concat(),
        RequestError::HeadTooLong { limit: 300 },
    );
    let outcome = serve(&config, "\r\n".repeat(150).as_bytes());
    assert_eq!((outcome.error, outcome.out.len()), (None, 0));
    assert_denied(
        &config,
        "\r\n".repeat(151).as_bytes(),
        RequestError::HeadTooLong { limit: 300 },
    );
}

// Bytes in pieces.

/// R068 R053: A head and the frames after it may be cut anywhere.
#[test]
fn s4_2_frames_after_a_request_are_not_lost() {
    let mut input = [&b"\r\n"[..], &request_with("Origin", &["http://example.com"])].concat();
    input.extend(frame(Role::Client, 0x81, b"hello"));
    input.extend(frame(Role::Client, 0x89, b"?"));
    input.extend(frame(Role::Client, 0x02, b"ab"));
    input.extend(frame(Role::Client, 0x80, b"c"));
    input.extend(frame(Role::Client, 0x88, b"\x03\xE8"));
    let whole = serve(&Config::default(), &input);
    assert_eq!(whole.error, None);
    match &whole.events[..] {
        [Event::Request(request), rest @ ..] => {
            assert_eq!(request.origin(), Some("http://example.com"));
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
    let answer = Answer::read(&whole.out);
    let frames = support::frames(Role::Server, &answer.body);
    assert_eq!(frames, [(0x8A, b"?".to_vec()), (0x88, b"\x03\xE8".to_vec())]);
    for cut in 1..input.len() {
        let mut server = Connection::server(Config::default());
        assert_eq!(feed_cut(&mut server, &input, &[cut]), whole, "cut at {cut}");
        assert_eq!(server.state(), State::Closed);
    }
    for step in [2, 3, 5, 64] {
        let cuts: Vec<usize> = (step..input.len()).step_by(step).collect();
        let mut server = Connection::server(Config::default());
        assert_eq!(feed_cut(&mut server, &input, &cuts), whole, "step {step}");
    }
}

/// R068: A head that is complete in the input is borrowed from it, one that was collected is owned;
/// both say the same.
#[test]
fn s4_2_a_request_is_the_same_borrowed_and_owned() {
    let input = request_with("Sec-WebSocket-Protocol", &["a, b"]);
    let mut bytes = input.clone();
    let mut rest = &mut bytes[..];
    let mut server = Connection::server(Config::default());
    let borrowed = server.receive(&mut rest, &mut Vec::new()).unwrap().unwrap();
    let owned = admitted(&input);
    assert_eq!(borrowed, Event::Request(owned.clone()));
    assert_eq!(owned.clone().into_owned(), owned);
    assert_eq!(format!("{borrowed:?}"), format!("Request({owned:?})"));
    assert_eq!(borrowed.into_owned(), Event::Request(owned));
}

// Bytes before the answer.

/// R032: What comes before `accept` is held, and reported afterwards in its order, before what
/// comes then.
#[test]
fn s4_2_early_data_is_held_and_replayed() {
    let early: Vec<u8> = [
        frame(Role::Client, 0x81, b"one"),
        frame(Role::Client, 0x89, b"two"),
        frame(Role::Client, 0x01, b"thr"),
        frame(Role::Client, 0x80, b"ee"),
        frame(Role::Client, 0x82, b"four"),
    ]
    .concat();
    let late = frame(Role::Client, 0x81, b"five");
    let expected = [
        Event::Text("one".into()),
        Event::Ping(b"two"[..].into()),
        Event::Text("three".into()),
        Event::Binary(b"four"[..].into()),
        Event::Text("five".into()),
    ];
    // Each time, another part of the frames comes early, in one piece and in many.
    for cut in 0..=early.len() {
        for piece in [1, usize::MAX] {
            let (mut server, request) = undecided(Config::default(), &request());
            let mut out = Vec::new();
            for bytes in early[..cut].chunks(piece) {
                assert_eq!(drain(&mut server, bytes, &mut out), Ok(Vec::new()), "held: {cut}");
            }
            assert_eq!((server.state(), out.len()), (State::Opening, 0));
            server.accept(&request, &Accept::new(), &mut out).unwrap();
            // All of it is there when the input is empty.
            let mut events = drain(&mut server, &[], &mut out).unwrap();
            events.extend(drain(&mut server, &early[cut..], &mut out).unwrap());
            events.extend(drain(&mut server, &late, &mut out).unwrap());
            assert_eq!(events, expected, "{cut} {piece}");
            let answer = Answer::read(&out);
            assert_eq!(support::frames(Role::Server, &answer.body), [(0x8A, b"two".to_vec())]);
        }
    }
}

/// R032: Early data and the rest may also come up in one go, with the next input.
#[test]
fn s4_2_early_data_comes_before_the_next_input() {
    let early = frame(Role::Client, 0x81, b"early");
    let late = frame(Role::Client, 0x81, b"late");
    for delivery in [Delivery::Messages, Delivery::Chunks] {
        let config = Config::new().delivery(delivery);
        let (mut server, request) = undecided(config, &request());
        let mut out = Vec::new();
        drain(&mut server, &early, &mut out).unwrap();
        server.accept(&request, &Accept::new(), &mut out).unwrap();
        let events = drain(&mut server, &late, &mut out).unwrap();
        let payloads: Vec<&[u8]> = events
            .iter()
            .map(|event| match event {
                Event::Text(text) => text.as_bytes(),
                Event::Chunk(chunk) => chunk.as_bytes(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(payloads, [&b"early"[..], b"late"], "{delivery:?}");
        server.send_text("open", &mut out).unwrap();
    }
}

/// R032: A Close that came early is answered, and what follows it is discarded.
#[test]
fn s4_2_an_early_close_is_answered() {
    let early = [
        frame(Role::Client, 0x88, b"\x03\xE8bye"),
        frame(Role::Client, 0x81, b"late"),
    ]
    .concat();
    let (mut server, request) = undecided(Config::default(), &request());
    let mut out = Vec::new();
    drain(&mut server, &early, &mut out).unwrap();
    server.accept(&request, &Accept::new(), &mut out).unwrap();
    let events = drain(&mut server, &[], &mut out).unwrap();
    assert!(matches!(&events[..], [Event::Close(Some(frame))] if frame.reason == "bye"));
    assert_eq!(server.state(), State::Closed);
    assert!(server.close_status().unwrap().is_clean());
    let answer = Answer::read(&out);
    assert_eq!(support::frames(Role::Server, &answer.body).len(), 1);
}

/// R032 R060: Early data has to follow the rules, too; what stood before the violation is reported.
#[test]
fn s4_2_early_data_is_validated() {
    let early = [frame(Role::Client, 0x81, b"ok"), frame(Role::Server, 0x81, b"unmasked")].concat();
    let (mut server, request) = undecided(Config::default(), &request());
    let mut out = Vec::new();
    drain(&mut server, &early, &mut out).unwrap();
    server.accept(&request, &Accept::new(), &mut out).unwrap();
    let mut none: &mut [u8] = &mut [];
    assert_eq!(server.receive(&mut none, &mut out), Ok(Some(Event::Text("ok".into()))));
    assert_eq!(
        server.receive(&mut none, &mut out),
        Err(Box::new(ProtocolError::UnmaskedFrame))
    );
    assert_eq!(
        server.receive(&mut none, &mut out),
        Err(Box::new(ProtocolError::UnmaskedFrame))
    );
    let answer = Answer::read(&out);
    assert_eq!(
        support::frames(Role::Server, &answer.body),
        [(0x88, b"\x03\xEA".to_vec())]
    );
}

/// R137 R032: At most `max_head_size` bytes are held before the answer. One more is answered with
/// 400, and the request cannot be accepted any more.
#[test]
fn s10_4_early_data_is_limited() {
    let small = Config::new().max_head_size(200);
    for (config, limit) in [(Config::default(), 16_384), (small, 200)] {
        for piece in [1, 7, usize::MAX] {
            let data = vec![0; limit];
            let (mut server, request) = undecided(config.clone(), &request());
            let mut out = Vec::new();
            for bytes in data.chunks(piece) {
                assert_eq!(drain(&mut server, bytes, &mut out), Ok(Vec::new()));
            }
            assert_eq!(drain(&mut server, &[], &mut out), Ok(Vec::new()));
            assert_eq!(out.len(), 0);
            let error = ProtocolError::Request(RequestError::TooMuchEarlyData { limit });
            assert_eq!(drain(&mut server, &[0], &mut out), Err(error), "{limit} {piece}");
            let answer = Answer::read(&out);
            assert_eq!(answer.line, "HTTP/1.1 400 Bad Request");
            answer.assert_ends_the_connection();
            heads::assert_failed(&mut server, error);
            let len = out.len();
            assert_eq!(
                server.accept(&request, &Accept::new(), &mut out),
                Err(LocalHandshakeError::NoRequest)
            );
            assert_eq!(
                server.reject(403, &[], b"", &mut out),
                Err(LocalHandshakeError::NoRequest)
            );
            assert_eq!(out.len(), len);
        }
        let (mut server, _) = undecided(config.clone(), &request());
        let error = ProtocolError::Request(RequestError::TooMuchEarlyData { limit });
        assert_eq!(
            drain(&mut server, &vec![0; limit + 1], &mut Vec::new()),
            Err(error),
            "at once"
        );
    }
}

/// R045 R140: After a rejection, what came early and what comes later is discarded.
#[test]
fn s4_2_2_a_rejected_client_is_not_heard() {
    let frames = [frame(Role::Client, 0x81, b"hello"), frame(Role::Client, 0x89, b"?")].concat();
    let (mut server, request) = undecided(Config::default(), &request());
    let mut out = Vec::new();
    drain(&mut server, &frames, &mut out).unwrap();
    server.reject(403, &[], b"no", &mut out).unwrap();
    let len = out.len();
    for input in [&frames[..], &heads::request(), b"\0", b""] {
        assert_eq!(drain(&mut server, input, &mut out), Ok(Vec::new()));
    }
    assert_eq!(out.len(), len, "nothing is answered");
    assert_eq!(
        server.accept(&request, &Accept::new(), &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!(server.send_text("x", &mut out), Err(SendError::Closing));
    assert_eq!(out.len(), len);
    assert!(server.into_parts().unread.is_empty());
}

/// R032: The transport ends while a request waits.
#[test]
fn s4_2_2_a_client_may_not_wait_for_the_answer() {
    let (mut server, request) = undecided(Config::default(), &request());
    assert_eq!(server.receive_eof(), Err(Box::new(ProtocolError::HandshakeEof)));
    assert_eq!(server.state(), State::Closed);
    assert_eq!(
        server.accept(&request, &Accept::new(), &mut Vec::new()),
        Err(LocalHandshakeError::NoRequest)
    );
}

/// R032: Bytes that wait for an answer can be taken over with the transport.
#[test]
fn s4_2_early_data_can_be_taken_over() {
    let early = frame(Role::Client, 0x81, b"hello");
    let (mut server, _) = undecided(Config::default(), &request());
    drain(&mut server, &early, &mut Vec::new()).unwrap();
    assert_eq!(server.into_parts().unread, early);
    let mut server = Connection::server(Config::default());
    drain(&mut server, b"GET /cha", &mut Vec::new()).unwrap();
    assert_eq!(server.into_parts().unread, b"GET /cha");
}

// Misuse by the caller: nothing is sent, nothing changes.

/// R019 R052: An acceptance has neither malformed headers nor headers that the handshake sets.
#[test]
fn s4_2_2_an_acceptance_cannot_break_the_response() {
    let rows = [
        ("Upgrade", "websocket", reserved("Upgrade")),
        ("connection", "close", reserved("connection")),
        ("Sec-WebSocket-Accept", ACCEPT, reserved("Sec-WebSocket-Accept")),
        ("SEC-WEBSOCKET-PROTOCOL", "a", reserved("SEC-WEBSOCKET-PROTOCOL")),
        ("sec-websocket-extensions", "a", reserved("sec-websocket-extensions")),
        ("Sec-WebSocket-Version", "13", reserved("Sec-WebSocket-Version")),
        ("Sec-WebSocket-", "", reserved("Sec-WebSocket-")),
        ("Content-Length", "0", reserved("Content-Length")),
        ("Transfer-Encoding", "chunked", reserved("Transfer-Encoding")),
        ("", "a", invalid_name("")),
        ("X Y", "a", invalid_name("X Y")),
        ("X:", "a", invalid_name("X:")),
        ("X\r\nY", "a", invalid_name("X\r\nY")),
        ("X\0", "a", invalid_name("X\0")),
        ("\u{e9}", "a", invalid_name("\u{e9}")),
        ("X", "a\r\nY: b", invalid_value("X")),
        ("X", "a\r", invalid_value("X")),
        ("X", "\na", invalid_value("X")),
        ("X", "a\0", invalid_value("X")),
        ("X", "\u{7f}", invalid_value("X")),
    ];
    for (name, value, error) in rows {
        let (mut server, request) = undecided(Config::default(), &request());
        let headers = [("X-Fine", "1"), (name, value)];
        let accept = Accept::new().headers(&headers);
        let mut out = b"before".to_vec();
        assert_eq!(
            server.accept(&request, &accept, &mut out),
            Err(error),
            "{name:?}: {value:?}"
        );
        assert_eq!(request.acceptance(&accept, &Config::default()).map(|_| ()), Err(error));
        assert_eq!(
            (out.as_slice(), server.state()),
            (&b"before"[..], State::Opening),
            "{name:?}: {value:?}"
        );
        server.accept(&request, &Accept::new(), &mut out).unwrap();
    }
    let fine = [
        ("X", ""),
        ("X", "a\tb"),
        ("X", "\u{e9}\u{1F600}"),
        ("Sec-WebSocke", "a"),
        ("Set-Cookie", "a=\"b\"; Secure"),
        ("!#$%&'*+-.^_`|~", "a"),
    ];
    let (mut server, request) = undecided(Config::default(), &request());
    let mut out = Vec::new();
    server
        .accept(&request, &Accept::new().headers(&fine), &mut out)
        .unwrap();
    let answer = Answer::read(&out);
    for (at, (name, value)) in fine.into_iter().enumerate() {
        assert_eq!(answer.fields[3 + at], (name.to_owned(), value.to_owned()));
    }
}

/// R043 R058: A rejection has a final status, well-formed headers, and a body only if the status
/// allows one.
#[test]
fn s4_2_2_a_rejection_cannot_break_the_response() {
    type Row<'a> = (u16, &'a [(&'a str, &'a str)], &'a [u8], LocalHandshakeError);
    let invalid_status = |status| LocalHandshakeError::InvalidStatus { status };
    let rows: [Row<'_>; 18] = [
        (101, &[], b"", invalid_status(101)),
        (100, &[], b"", invalid_status(100)),
        (199, &[], b"", invalid_status(199)),
        (600, &[], b"", invalid_status(600)),
        (0, &[], b"", invalid_status(0)),
        (4030, &[], b"", invalid_status(4030)),
        (204, &[], b"x", LocalHandshakeError::BodyNotAllowed { status: 204 }),
        (304, &[], b"x", LocalHandshakeError::BodyNotAllowed { status: 304 }),
        (403, &[("Connection", "keep-alive")], b"", reserved("Connection")),
        (403, &[("content-length", "0")], b"", reserved("content-length")),
        (
            403,
            &[("TRANSFER-ENCODING", "chunked")],
            b"",
            reserved("TRANSFER-ENCODING"),
        ),
        (403, &[("X", "a\r\nY: b")], b"", invalid_value("X")),
        (403, &[("X", "a\n")], b"", invalid_value("X")),
        (403, &[("X", "\0")], b"", invalid_value("X")),
        (403, &[("X\r\nY", "a")], b"", invalid_name("X\r\nY")),
        (403, &[("", "a")], b"", invalid_name("")),
        (403, &[("X ", "a")], b"", invalid_name("X ")),
        (403, &[("X", "fine"), ("Y:", "a")], b"", invalid_name("Y:")),
    ];
    for (status, headers, body, error) in rows {
        let (mut server, request) = undecided(Config::default(), &request());
        let mut out = b"before".to_vec();
        assert_eq!(
            server.reject(status, headers, body, &mut out),
            Err(error),
            "{status} {headers:?}"
        );
        assert_eq!(
            (out.as_slice(), server.state()),
            (&b"before"[..], State::Opening),
            "{status} {headers:?}"
        );
        server.accept(&request, &Accept::new(), &mut out).unwrap();
    }
    for status in 200..600 {
        let (mut server, _) = undecided(Config::default(), &request());
        let mut out = Vec::new();
        server.reject(status, &[], b"", &mut out).unwrap();
        let answer = Answer::read(&out);
        assert_eq!(answer.status, status);
        answer.assert_ends_the_connection();
    }
}

/// R043: "a server MUST NOT generate content in a 205 response" (RFC 9110, section 15.3.6).
#[test]
fn s4_2_2_a_rejection_with_205_has_no_body() {
    let (mut server, _) = undecided(Config::default(), &request());
    let mut out = Vec::new();
    assert_eq!(
        server.reject(205, &[], b"x", &mut out),
        Err(LocalHandshakeError::BodyNotAllowed { status: 205 }),
        "{}",
        out.escape_ascii()
    );
    assert_eq!((out.len(), server.state()), (0, State::Opening));
    server.reject(205, &[], b"", &mut out).unwrap();
    Answer::read(&out).assert_ends_the_connection();
}

/// R032: There is one answer to a request, and none without one.
#[test]
fn s4_2_2_a_request_is_answered_once() {
    let fields: Vec<(&str, &[u8])> = listed(&REQUEST_FIELDS).collect();
    let elsewhere = Request::from_list("GET", "/", fields).unwrap();
    let mut out = Vec::new();
    let mut server = Connection::server(Config::default());
    assert_eq!(
        server.accept(&elsewhere, &Accept::new(), &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!(
        server.reject(403, &[], b"", &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!((out.len(), server.state()), (0, State::Opening));

    let (mut server, request) = undecided(Config::default(), &request());
    server.accept(&request, &Accept::new(), &mut out).unwrap();
    let len = out.len();
    assert_eq!(
        server.accept(&request, &Accept::new(), &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!(
        server.reject(403, &[], b"", &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!((out.len(), server.state()), (len, State::Open));

    let (mut server, request) = undecided(Config::default(), &heads::request());
    server.reject(403, &[], b"", &mut out).unwrap();
    let len = out.len();
    assert_eq!(
        server.reject(403, &[], b"", &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!(
        server.accept(&request, &Accept::new(), &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!((out.len(), server.state()), (len, State::Closed));

    let mut client = heads::dial(&heads::plain(), &Config::default());
    assert_eq!(
        client.accept(&request, &Accept::new(), &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!(
        client.reject(403, &[], b"", &mut out),
        Err(LocalHandshakeError::NoRequest)
    );
    assert_eq!((out.len(), client.state()), (len, State::Opening));
}

/// R020: A server sends no frame before it has accepted.
#[test]
fn s4_2_2_nothing_is_sent_before_the_answer() {
    let (waiting, _) = undecided(Config::default(), &request());
    for mut server in [Connection::server(Config::default()), waiting] {
        let mut out = Vec::new();
        assert_eq!(server.send_text("x", &mut out), Err(SendError::NotOpen));
        assert_eq!(server.send_binary(b"x", &mut out), Err(SendError::NotOpen));
        assert_eq!(server.ping(b"x", &mut out), Err(SendError::NotOpen));
        assert_eq!(server.pong(b"x", &mut out), Err(SendError::NotOpen));
        assert_eq!(server.close(None, "", &mut out), Err(SendError::NotOpen));
        assert_eq!((out.len(), server.state()), (0, State::Opening));
    }
}

// A head that another HTTP implementation parsed.

/// R032 R055: The same rules apply to a parsed request, and the answer has the same fields.
#[test]
fn a_parsed_request_follows_the_same_rules() {
    for (name, values, error) in request_edits() {
        let fields = with(&REQUEST_FIELDS, name, values);
        let request = Request::from_list("GET", "/chat", listed(&fields));
        match (request, error) {
            (Ok(request), None) => {
                let (answer, negotiated) = request.acceptance(&Accept::new(), &Config::default()).unwrap();
                assert_eq!(negotiated.subprotocol, None);
                let expected = [
                    ("Upgrade", "websocket"),
                    ("Connection", "Upgrade"),
                    ("Sec-WebSocket-Accept", ACCEPT),
                ];
                let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
                assert_eq!(answer, expected, "{name}: {values:?}");
                assert_eq!(request.headers().count(), fields.len());
                assert!(request.is_upgrade());
                assert_eq!(request.clone().into_owned(), request);
                admitted(&head("GET /chat HTTP/1.1", &fields));
            }
            (Err(found), Some(expected)) => {
                assert_eq!(found, expected, "{name}: {values:?}");
                denied(&head("GET /chat HTTP/1.1", &fields), expected);
            }
            (found, _) => panic!("{name}: {values:?}: {found:?}"),
        }
    }
    let fields: Vec<(&str, &[u8])> = listed(&REQUEST_FIELDS).collect();
    assert_eq!(
        Request::from_list("POST", "/", fields),
        Err(RequestError::UnsupportedMethod { method: quoted("POST") })
    );
}

/// R051 R132: Values of a parsed request are trimmed, and its lines are lists, as those of a head.
#[test]
fn a_parsed_request_is_read_like_a_head() {
    let mut fields = with(&REQUEST_FIELDS, "Sec-WebSocket-Key", &[" dGhlIHNhbXBsZSBub25jZQ==\t"]);
    fields.extend([
        ("sec-websocket-protocol", " a ,b"),
        ("SEC-WEBSOCKET-PROTOCOL", "c "),
        ("sec-websocket-extensions", "x; y=1"),
        ("origin", " http://example.com "),
    ]);
    let request = Request::from_list("GET", "/", listed(&fields)).unwrap();
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(request.extensions().count(), 1);
    assert_eq!(request.origin(), Some("http://example.com"));
    assert!(request.is_same_origin());
    let accept = Accept::new().subprotocol(Some("c"));
    let (answer, negotiated) = request.acceptance(&accept, &Config::default()).unwrap();
    assert_eq!(negotiated.subprotocol.as_deref(), Some("c"));
    assert!(answer.contains(&("Sec-WebSocket-Accept".to_owned(), ACCEPT.to_owned())));
    assert!(answer.contains(&("Sec-WebSocket-Protocol".to_owned(), "c".to_owned())));
}
