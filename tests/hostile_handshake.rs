//! The ways in which opening handshakes have failed in the field: F14 to F26 of the list of failure
//! modes, each a test.

use sockless::{
    Accept, ClientRequest, Config, Connection, Event, ProtocolError, Request, Role, State,
    error::{LocalHandshakeError, RequestError, ResponseError},
};
use support::{
    feed_cut, frame,
    heads::{
        self, ACCEPT, Answer, CLIENT_ACCEPT, KEY, REQUEST_FIELDS, RESPONSE_FIELDS, admitted, assert_denied,
        assert_fails, dial, drain, head, listed, opened, plain, refusal, request, request_of_fields, request_of_len,
        request_with, response, response_with, serve, undecided, with,
    },
    quoted, quoted_to, reserved_opcode,
};

const KIB: usize = 1 << 10;

/// What comes of bytes without end, and the most memory that was held on the way.
fn flood(mut connection: Connection, start: &[u8], pattern: &[u8], len: usize) -> (Result<(), ProtocolError>, u64) {
    let mut out = Vec::with_capacity(KIB);
    let mut piece = Vec::with_capacity(KIB + pattern.len());
    let mut result = drain(&mut connection, start, &mut out).map(|_| ());
    let held = allocation_counter::measure(|| {
        let mut fed = 0;
        while fed < len {
            piece.clear();
            while piece.len() < KIB {
                piece.extend_from_slice(pattern);
            }
            fed += piece.len();
            let mut rest = &mut piece[..];
            loop {
                match connection.receive(&mut rest, &mut out) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        result = Err(*error);
                        break;
                    }
                }
            }
        }
    });
    assert!(out.len() < KIB, "one answer at most: {}", out.escape_ascii());
    (result, held.bytes_max)
}

/// A server, or a client that waits for its answer, with a head limit of 80 KiB.
fn roomy() -> Config {
    Config::new().max_head_size(80 * KIB)
}

/// Does the work on two sizes of input, one 64 times the other: it has to come to an end with an
/// outcome. (That a head is searched once, a test beside `HeadReader` shows, which can count.)
fn at_two_sizes<T>(prepare: impl Fn(usize) -> T, work: impl Fn(T)) {
    for size in [KIB, 64 * KIB] {
        work(prepare(size));
    }
}

/// R137 F14: A head with more headers than the limit is rejected. No header is taken for a missing
/// one.
#[test]
fn f14_too_many_headers() {
    for count in [129, 130, 2000] {
        let input = request_of_fields(count);
        assert_denied(&roomy(), &input, RequestError::TooManyHeaders { limit: 128 });
        let config = roomy().max_headers(count);
        let outcome = serve(&config, &input);
        assert!(matches!(outcome.events[..], [Event::Request(_)]), "{count}");
        assert_eq!(Answer::read(&outcome.out).one("Sec-WebSocket-Accept"), ACCEPT);
        // Needed ones first, in the middle, or last.
        let names: Vec<String> = (REQUEST_FIELDS.len()..count)
            .map(|number| format!("X-{number}"))
            .collect();
        for at in [0, count / 2, count - REQUEST_FIELDS.len()] {
            let mut fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
            fields.splice(at..at, REQUEST_FIELDS);
            let outcome = serve(&config, &head("GET / HTTP/1.1", &fields));
            assert_eq!(outcome.error, None, "{count} at {at}");
            // A missing header is found, however many others there are.
            for (name, error) in [
                ("Host", RequestError::MissingHost),
                ("Upgrade", RequestError::MissingUpgrade),
                ("Connection", RequestError::MissingConnection),
                ("Sec-WebSocket-Key", RequestError::MissingKey),
                ("Sec-WebSocket-Version", RequestError::MissingVersion),
            ] {
                let fields = with(&fields, name, &[]);
                assert_denied(&config, &head("GET / HTTP/1.1", &fields), error);
            }
        }
    }
    let many = response_with("X", &["y"; 2000]);
    assert_fails(&plain(), &many, ResponseError::TooManyHeaders { limit: 128 });
}

/// R138 F14: A limit is a bound and not a reservation: memory is that of the headers received.
#[test]
fn f14_a_large_limit_on_headers_reserves_nothing() {
    let mut bytes = request();
    let mut out = Vec::with_capacity(KIB);
    for limit in [128, 1 << 16, usize::MAX] {
        let config = Config::new().max_headers(limit);
        let mut server = Connection::server(config);
        let held = allocation_counter::measure(|| {
            let mut rest = &mut bytes[..];
            let event = server.receive(&mut rest, &mut out);
            assert!(matches!(event, Ok(Some(Event::Request(_)))), "{limit}");
        });
        assert!(held.bytes_max < 12 * KIB as u64, "{limit}: {} bytes", held.bytes_max);
    }
}

/// A head with a header of so many bytes that repeat a pattern.
fn filled(name: &str, pattern: &str, len: usize) -> Vec<u8> {
    let value = pattern.repeat(len / pattern.len());
    let values = [value.as_str()];
    match name {
        "Connection" | "Upgrade" => {
            let rest = REQUEST_FIELDS
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| *value);
            request_with(name, &[values[0], rest.unwrap_or_default()])
        }
        _ => request_with(name, &values),
    }
}

const FILLERS: [&str; 14] = [
    " ",
    "\t",
    ",",
    ";",
    "\"",
    "\\",
    "a,",
    ", ",
    "a;b,",
    "a;b=\"c\",",
    "\"\\",
    "a; ",
    "=",
    "a \t",
];

const LISTS: [&str; 6] = [
    "Connection",
    "Upgrade",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Origin",
    "X",
];

/// R137 F15: 60 KiB of separators, quotes and white space in any list: checked, whole or dripped,
/// with memory in proportion.
#[test]
fn f15_lists_of_separators() {
    for name in LISTS {
        for pattern in FILLERS {
            let input = filled(name, pattern, 60 * KIB);
            let outcome = serve(&roomy(), &input);
            let decided = outcome.error.is_some() != matches!(outcome.events[..], [Event::Request(_)]);
            assert!(decided, "{name}: {pattern:?}");
            let (mut whole, mut out) = (input.clone(), Vec::with_capacity(KIB));
            let mut server = Connection::server(roomy());
            let held = allocation_counter::measure(|| {
                let mut rest = &mut whole[..];
                // The outcome is the one above.
                let event = server.receive(&mut rest, &mut out);
                assert_eq!(event.err(), outcome.error.map(Box::new), "{name}: {pattern:?}");
            });
            assert!(
                held.bytes_max <= 16 * input.len() as u64,
                "{name}: {pattern:?}: {} bytes at once",
                held.bytes_max
            );
            assert!(
                held.count_total <= input.len() as u64 / 4,
                "{name}: {pattern:?}: {} allocations",
                held.count_total
            );
        }
    }
    for name in ["Connection", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
        for pattern in FILLERS {
            let value = pattern.repeat(15 * KIB / pattern.len());
            let outcome = heads::hear(&plain(), &Config::default(), &response_with(name, &[&value]));
            // An empty value is taken as absent.
            let is_absent = pattern.trim().is_empty() && name != "Connection";
            assert_eq!(outcome.error.is_none(), is_absent, "{name}: {pattern:?}");
        }
    }
}

/// Asserts that a whole request has an outcome: an event or an error.
fn assert_has_outcome(mut server: Connection, mut input: Vec<u8>) {
    let result = server.receive(&mut &mut input[..], &mut Vec::new());
    assert!(!matches!(result, Ok(None)), "the server waits for more");
}

/// R137 F15: A list that fills the head is checked.
#[test]
fn f15_full_lists_are_checked() {
    for name in ["Connection", "Upgrade", "Sec-WebSocket-Extensions", "Origin", "X"] {
        for pattern in ["a,", "a;b=\"c\",", " ", "\"\\"] {
            at_two_sizes(
                |size| (Connection::server(roomy()), filled(name, pattern, size)),
                |(server, input)| assert_has_outcome(server, input),
            );
        }
    }
}

/// A request that offers as many subprotocols as fit, all of them different.
fn distinct_subprotocols(len: usize) -> Vec<u8> {
    let names: Vec<String> = (0..len / 5).map(|number| format!("{number:04x}")).collect();
    request_with("Sec-WebSocket-Protocol", &[&names.join(",")])
}

/// R137 F15: So are subprotocols that all differ.
#[test]
fn f15_full_lists_of_subprotocols_are_checked() {
    at_two_sizes(
        |size| (Connection::server(roomy()), distinct_subprotocols(size)),
        |(server, input)| assert_has_outcome(server, input),
    );
}

/// R137 R016 F15: Memory is in proportion to the list, and a repeated subprotocol is found among
/// many.
#[test]
fn f15_many_subprotocols() {
    let mut input = distinct_subprotocols(60 * KIB);
    let mut server = Connection::server(roomy());
    let len = input.len();
    let held = allocation_counter::measure(|| {
        let mut rest = &mut input[..];
        let event = server.receive(&mut rest, &mut Vec::new());
        assert!(matches!(event, Ok(Some(Event::Request(_)))));
    });
    assert!(held.bytes_max <= 16 * len as u64, "{} bytes at once", held.bytes_max);
    for count in [2, 10, 31, 32, 33, 34, 64, 65, 100, 1000] {
        let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        let request = admitted(&request_with("Sec-WebSocket-Protocol", &[&names.join(",")]));
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), names, "in their order");
        let pairs = [(0, count - 1), (count / 2, count - 1), (0, 1), (count - 2, count - 1)];
        for (one, other) in pairs {
            let unique = names[other];
            names[other] = if one == other { continue } else { names[one] };
            for lines in [
                vec![names.join(",")],
                names.iter().map(|name| (*name).to_owned()).collect(),
            ] {
                let config = roomy().max_headers(2000);
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let input = request_with("Sec-WebSocket-Protocol", &lines);
                let error = RequestError::RepeatedSubprotocol { position: other + 1 };
                assert_denied(&config, &input, error);
            }
            names[other] = unique;
        }
        names[count - 1] = "b c";
        let input = request_with("Sec-WebSocket-Protocol", &[&names.join(",")]);
        let error = RequestError::InvalidSubprotocol { position: count };
        assert_denied(&Config::default(), &input, error);
    }
}

/// R068 F15: A head that drips and never ends is no error before its limit: one line or many, of a
/// request or a response.
#[test]
fn f15_dripped_heads_wait_for_their_end() {
    for pattern in ["x", "x\r\ny: "] {
        let field = |size: usize| format!("X: {}", pattern.repeat(size / pattern.len()));
        let config = roomy().max_headers(1 << 14);
        let drip = |mut connection: Connection, input: &[u8]| {
            let mut out = Vec::new();
            for byte in input {
                let mut byte = [*byte];
                let mut rest = &mut byte[..];
                assert_eq!(connection.receive(&mut rest, &mut out), Ok(None), "no end of the head");
            }
        };
        at_two_sizes(
            |size| {
                (
                    Connection::server(config.clone()),
                    format!("GET / HTTP/1.1\r\n{}", field(size)),
                )
            },
            |(server, input)| drip(server, input.as_bytes()),
        );
        at_two_sizes(
            |size| (dial(&plain(), &config), format!("HTTP/1.1 101 x\r\n{}", field(size))),
            |(client, input)| drip(client, input.as_bytes()),
        );
    }
}

/// R137 R138 F16: The memory for endless heads, blank lines and early data is limited.
#[test]
fn f16_an_endless_request_is_bounded() {
    let limit = 16 << 10;
    let too_long = Err(ProtocolError::Request(RequestError::HeadTooLong { limit: 16 << 10 }));
    for (start, pattern) in [
        (&b""[..], &b"x"[..]),
        (b"", b"\r\n"),
        (b"", b"\n"),
        (b"GET /", b"x"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET / HTTP/1.1\r\nX: ", b" "),
        (b"GET / HTTP/1.1\r\nX: ", b"\r"),
    ] {
        let server = Connection::server(Config::default());
        let (result, held) = flood(server, start, pattern, KIB * KIB);
        assert_eq!(result, too_long, "{}", pattern.escape_ascii());
        assert!(held <= 4 * limit, "{}: {held} bytes", pattern.escape_ascii());
    }
    let (server, _) = undecided(Config::default(), &request());
    let (result, held) = flood(server, b"", b"\x82\x85", KIB * KIB);
    let error = RequestError::TooMuchEarlyData { limit: 16 << 10 };
    assert_eq!(result, Err(ProtocolError::Request(error)));
    assert!(held <= 4 * limit, "{held} bytes");
}

/// R137 R138 F16: The memory for endless responses is limited.
#[test]
fn f16_an_endless_response_is_bounded() {
    let limit = 16 << 10;
    let too_long = Err(ProtocolError::Response(ResponseError::HeadTooLong { limit: 16 << 10 }));
    for (start, pattern) in [
        (&b""[..], &b"H"[..]),
        (b"", b"\r\n"),
        (b"HTTP/1.1 101 ", b"x"),
        (b"HTTP/1.1 101 x\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103\r\nX: y\r\n\r\n"),
    ] {
        let client = dial(&plain(), &Config::default());
        let (result, held) = flood(client, start, pattern, KIB * KIB);
        assert_eq!(result, too_long, "{}", pattern.escape_ascii());
        assert!(held <= 4 * limit, "{}: {held} bytes", pattern.escape_ascii());
    }
    // An endless body is cut off at its limit.
    let limit = 64 << 10;
    for (fields, pattern) in [
        (&[][..], &b"x"[..]),
        (&[("Content-Length", "18446744073709551615")], b"x"),
        (&[("Transfer-Encoding", "chunked")], b"1\r\nx\r\n"),
    ] {
        let client = dial(&plain(), &Config::default());
        let start = head("HTTP/1.1 500 x", fields);
        let (result, held) = flood(client, &start, pattern, 8 * KIB * KIB);
        assert_eq!(result, Ok(()));
        assert!(held <= 4 * limit, "{held} bytes");
    }
    // A malformed body fails before it takes memory.
    for pattern in [&b"0"[..], b"1", b"5;", b" ", b"\r"] {
        let client = dial(&plain(), &Config::default());
        let start = head("HTTP/1.1 500 x", &[("Transfer-Encoding", "chunked")]);
        let (result, held) = flood(client, &start, pattern, KIB * KIB);
        assert_eq!(
            result,
            Err(ProtocolError::Response(ResponseError::ChunkLineTooLong { limit: 256 })),
            "{}",
            pattern.escape_ascii()
        );
        assert!(held <= 4 * KIB as u64, "{held} bytes");
    }
}

/// R137 F16: A request that announces a body is rejected before the body arrives.
#[test]
fn f16_a_request_with_a_body() {
    for length in ["1", "4294967296", "18446744073709551615"] {
        assert_denied(
            &Config::default(),
            &request_with("Content-Length", &[length]),
            RequestError::ContentLength { value: quoted(length) },
        );
    }
    let value = quoted("99999999999999999999999");
    assert_denied(
        &Config::default(),
        &request_with("Content-Length", &["99999999999999999999999"]),
        RequestError::InvalidContentLength { value },
    );
    assert_denied(
        &Config::default(),
        &request_with("Transfer-Encoding", &["chunked"]),
        RequestError::TransferEncoding {
            value: quoted("chunked"),
        },
    );
    admitted(&request_with("Content-Length", &["0"]));
}

/// R138: A head that is complete in the input costs no memory at all, as long and as full as it may
/// be.
#[test]
fn f16_a_whole_head_is_not_copied() {
    for mut bytes in [request(), request_of_fields(128), request_of_len(16 * KIB)] {
        let mut server = Connection::server(Config::default());
        let len = bytes.len();
        let held = allocation_counter::measure(|| {
            let mut rest = &mut bytes[..];
            let event = server.receive(&mut rest, &mut Vec::new());
            assert!(matches!(event, Ok(Some(Event::Request(_)))), "{len}");
        });
        assert_eq!(held.count_total, 0, "{len}");
    }
    let mut bytes = response();
    let mut client = dial(&plain(), &Config::default());
    let held = allocation_counter::measure(|| {
        let mut rest = &mut bytes[..];
        let event = client.receive(&mut rest, &mut Vec::new());
        assert!(matches!(event, Ok(Some(Event::Open(_)))));
    });
    assert_eq!(held.count_total, 0);
}

/// R131 R036 F17: Names are compared as a whole: no prefix and no anagram matches.
#[test]
fn f17_names_that_look_alike() {
    // Of the same length as those that are needed.
    for (name, alike) in [
        ("Host", "Hots"),
        ("Upgrade", "Upgarde"),
        ("Connection", "Connectoin"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Yek"),
        ("Sec-WebSocket-Version", "Sec-WebSocket-Versoin"),
    ] {
        let value = REQUEST_FIELDS.iter().find(|(field, _)| *field == name).unwrap().1;
        for alike in [
            alike,
            &name[1..],
            &name[..name.len() - 1],
            &format!("{name}X"),
            &format!("X{name}"),
        ] {
            let fields = with(&with(&REQUEST_FIELDS, name, &[]), alike, &[value]);
            let outcome = serve(&Config::default(), &head("GET / HTTP/1.1", &fields));
            assert!(outcome.error.is_some() && outcome.events.is_empty(), "{alike}");
            // And beside the right one, they are nothing.
            admitted(&head("GET / HTTP/1.1", &with(&REQUEST_FIELDS, alike, &["x", "y"])));
        }
    }
    let offer = "constructor; __proto__=1; toString; client_max_window_bitsX=9; client_max_window_bit=9; \
                 stib_wodniw_xam_tneilc=9, permessage-deflateX, permessage-deflat, epermessage-deflat";
    let request = admitted(&request_with("Sec-WebSocket-Extensions", &[offer]));
    let names: Vec<&str> = request.extensions().map(|extension| extension.name()).collect();
    assert_eq!(
        names,
        [
            "constructor",
            "permessage-deflateX",
            "permessage-deflat",
            "epermessage-deflat"
        ]
    );
    let params: Vec<&str> = request
        .extensions()
        .next()
        .unwrap()
        .params()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        params,
        [
            "__proto__",
            "toString",
            "client_max_window_bitsX",
            "client_max_window_bit",
            "stib_wodniw_xam_tneilc"
        ]
    );
    let request = admitted(&request_with("Sec-WebSocket-Protocol", &["constructor, chatX, hcat"]));
    assert_eq!(request.choose_subprotocol(&["chat", "construct", "__proto__"]), None);
    assert_eq!(request.choose_subprotocol(&["constructor"]), Some("constructor"));
    for value in ["websocketX", "wbesocket"] {
        let error = RequestError::InvalidUpgrade { value: quoted(value) };
        assert_denied(&Config::default(), &request_with("Upgrade", &[value]), error);
    }
    for value in ["UpgradeX", "Upgarde"] {
        let error = RequestError::InvalidConnection { value: quoted(value) };
        assert_denied(&Config::default(), &request_with("Connection", &[value]), error);
    }
}

/// R004 R016 R019 R050 F18: No part of a request or response can have CR, LF or NUL.
#[test]
fn f18_injection() {
    for bad in [
        "\r",
        "\n",
        "\0",
        "\r\n",
        "\r\nX: y",
        "\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
    ] {
        let text = format!("a{bad}b");
        // Client: host, path, query, subprotocol, origin, names and values of headers.
        let authority = text.split('/').next().unwrap();
        let error = LocalHandshakeError::InvalidHost {
            host: quoted(authority),
        };
        assert_eq!(ClientRequest::new(&format!("ws://{text}/")), Err(error), "{bad:?}");
        let target = format!("/{text}");
        let error = LocalHandshakeError::InvalidTargetByte {
            target: quoted(&target),
            byte: bad.as_bytes()[0],
            offset: 2,
        };
        assert_eq!(ClientRequest::new(&format!("ws://h{target}")), Err(error), "{bad:?}");
        let error = LocalHandshakeError::InvalidTargetByte {
            target: quoted_to(&format!("/?{text}"), 1),
            byte: bad.as_bytes()[0],
            offset: 3,
        };
        assert_eq!(ClientRequest::new(&format!("ws://h?{text}")), Err(error), "{bad:?}");
        assert!(ClientRequest::new(&format!("ws{bad}://h/")).is_err());
        assert!(ClientRequest::new(&format!("ws://h:80{bad}/")).is_err());
        assert!(ClientRequest::new(&format!("ws://[::1{bad}]/")).is_err());
        assert!(ClientRequest::from_parts(&text, "/").is_err());
        assert!(ClientRequest::from_parts("h", &format!("/{text}")).is_err());
        for request in [
            plain().subprotocol(&text),
            plain().origin(&text),
            plain().header(&text, "x"),
            plain().header("X", &text),
        ] {
            let mut out = Vec::new();
            assert!(Connection::client(&request, Config::default(), heads::SEED, &mut out).is_err());
            assert!(out.is_empty(), "{bad:?}");
        }
        // Server: subprotocol, names and values of headers.
        let (mut server, request) = undecided(Config::default(), &request_with("Sec-WebSocket-Protocol", &["a"]));
        let mut out = Vec::new();
        let (name, value) = ([(text.as_str(), "x")], [("X", text.as_str())]);
        for accept in [
            Accept::new().subprotocol(Some(&text)),
            Accept::new().headers(&name),
            Accept::new().headers(&value),
        ] {
            assert!(server.accept(&request, &accept, &mut out).is_err(), "{bad:?}");
        }
        assert_eq!(
            server.reject(403, &name, b"", &mut out),
            Err(heads::invalid_name(&text))
        );
        assert_eq!(
            server.reject(403, &value, b"", &mut out),
            Err(heads::invalid_value("X"))
        );
        assert!(out.is_empty(), "{bad:?}");
        assert_eq!(server.state(), State::Opening);
    }
    // The caller cannot set the reason phrase.
    for status in 200..600 {
        let (mut server, _) = undecided(Config::default(), &request());
        let mut out = Vec::new();
        server.reject(status, &[], b"", &mut out).unwrap();
        let line = Answer::read(&out).line;
        assert!(line.bytes().all(|byte| (b' '..0x7F).contains(&byte)), "{line}");
    }
    // The text of an error has no key, no query string and no other header.
    let fields = with(
        &with(&REQUEST_FIELDS, "X", &["needle"]),
        "Sec-WebSocket-Key",
        &["needle"],
    );
    let outcome = serve(&Config::default(), &head("GET /?needle HTTP/1.1", &fields));
    let error = RequestError::InvalidKey { len: "needle".len() };
    assert_eq!(outcome.error, Some(ProtocolError::Request(error)));
    assert!(!String::from_utf8(outcome.out).unwrap().contains("needle"));
    // The text is printable ASCII, in the log and in the response.
    for value in ["\u{e9}\u{202e}", "\t\"\\"] {
        for name in ["Host", "Origin", "Upgrade", "Connection", "Content-Length"] {
            for line in ["GET / HTTP/1.1", "G\u{e9}T / HTTP/1.1", "GET / \u{202e}"] {
                let value = format!("a{value}b");
                let outcome = serve(&Config::default(), &head(line, &with(&REQUEST_FIELDS, name, &[&value])));
                let printable = |text: &str| text.bytes().all(|byte| (b' '..0x7F).contains(&byte));
                let Some(error) = outcome.error else {
                    assert_eq!(name, "Origin");
                    continue;
                };
                let text = error.to_string();
                assert!(printable(&text), "{text}");
                let body = Answer::read(&outcome.out).body;
                assert_eq!(body, format!("{text}\n").as_bytes());
            }
        }
    }
}

/// R029 R068 F19: Bytes after a head are the first of the stream, none lost and none taken, at
/// every split.
#[test]
fn f19_bytes_after_the_handshake() {
    let (from_client, from_server) = (
        frame(Role::Client, 0x82, b"\r\n\r\n"),
        frame(Role::Server, 0x82, b"\r\n\r\n"),
    );
    let requests = [request(), request_with("X", &[""])];
    let responses = [
        response(),
        response_with("X", &[""]),
        response_with("Content-Length", &["4"]),
    ];
    let servers = requests.map(|head| (Role::Server, [head, from_client.repeat(2)].concat()));
    let clients = responses.map(|head| (Role::Client, [head, from_server.repeat(2)].concat()));
    for (role, input) in servers.into_iter().chain(clients) {
        for cut in 1..input.len() {
            let mut connection = match role {
                Role::Server => Connection::server(Config::default()),
                Role::Client => dial(&plain(), &Config::default()),
            };
            let outcome = feed_cut(&mut connection, &input, &[cut]);
            assert_eq!(outcome.error, None, "{role:?} cut at {cut}");
            assert_eq!(outcome.events.len(), 3, "{role:?} cut at {cut}");
            for event in &outcome.events[1..] {
                assert_eq!(*event, Event::Binary(b"\r\n\r\n"[..].into()), "{role:?} cut at {cut}");
            }
        }
    }
    // A line end too many is no part of the head: it is the header of a frame, and an invalid one.
    let extra = [&request()[..], b"\r\n\r\n"].concat();
    assert_eq!(serve(&Config::default(), &extra).error, Some(reserved_opcode(0x0D)));
}

/// R045 R058 F20: Input after a rejection is discarded, and the response tells intermediaries that
/// the connection is closed.
#[test]
fn f20_a_rejection_ends_the_connection() {
    let smuggled = b"GET /admin HTTP/1.1\r\nHost: internal\r\n\r\n";
    for status in [200, 204, 302, 304, 400, 403, 426, 503] {
        let (mut server, _) = undecided(Config::default(), &request());
        let mut out = Vec::new();
        server.reject(status, &[], b"", &mut out).unwrap();
        let answer = Answer::read(&out);
        answer.assert_ends_the_connection();
        assert_eq!(answer.status, status);
        for input in [&smuggled[..], &request(), &frame(Role::Client, 0x81, b"hello")] {
            assert_eq!(drain(&mut server, input, &mut out), Ok(Vec::new()), "{status}");
        }
        assert_eq!(Answer::read(&out), answer, "not a byte more");
    }
    // The same for an invalid request, and for input after it in the same piece.
    for (head, error) in [
        (request_with("Upgrade", &[]), RequestError::MissingUpgrade),
        (
            request_with("Sec-WebSocket-Version", &["8"]),
            RequestError::UnsupportedVersion { version: quoted("8") },
        ),
        (
            request_with("Content-Length", &["38"]),
            RequestError::ContentLength { value: quoted("38") },
        ),
    ] {
        assert_denied(&Config::default(), &[&head[..], smuggled].concat(), error);
    }
    // A client that was refused does not take what follows for frames.
    let refused = [
        head("HTTP/1.1 200 OK", &[("Content-Length", "0")]),
        frame(Role::Server, 0x81, b"hello"),
        response(),
    ];
    assert!(refusal(&Config::default(), &refused.concat()).body.is_empty());
}

/// R052 R128 R129 F21: An offer that cannot be taken is declined and not an error, whatever its
/// parameters are.
#[test]
fn f21_a_bad_offer_is_declined() {
    for offer in [
        "permessage-deflate; foo",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=99999",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; foo, permessage-deflate",
        "x-webkit-deflate-frame",
    ] {
        let outcome = serve(&Config::default(), &request_with("Sec-WebSocket-Extensions", &[offer]));
        assert_eq!(outcome.error, None, "{offer}");
        let answer = Answer::read(&outcome.out);
        assert_eq!(answer.status, 101, "{offer}");
        assert!(answer.all("Sec-WebSocket-Extensions").is_empty(), "{offer}");
        // All of it is there for whoever negotiates above.
        let request = admitted(&request_with("Sec-WebSocket-Extensions", &[offer]));
        assert_eq!(request.extensions().count(), offer.split(',').count(), "{offer}");
    }
}

/// R025 R130 F22: Invalid window bits in a response fail the handshake.
#[test]
fn f22_window_bits_out_of_range() {
    for bits in ["0", "7", "16", "99999", "-1", "\"7\""] {
        let answer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_fails(
            &plain(),
            &response_with("Sec-WebSocket-Extensions", &[&answer]),
            ResponseError::ExtensionNotOffered {
                name: quoted("permessage-deflate"),
            },
        );
    }
    for bits in ["", "\"\"", "\"", "1 0"] {
        let answer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_fails(
            &plain(),
            &response_with("Sec-WebSocket-Extensions", &[&answer]),
            ResponseError::InvalidExtensions {
                value: quoted(answer.trim()),
            },
        );
    }
}

/// R133 F23: A comma in a quoted string does not separate extensions, for a server and a client.
#[test]
fn f23_quoted_separators() {
    for value in [
        "a; b=\"x,y\"",
        "a; b=\"x, permessage-deflate\"",
        "a; b=\"x;y\"",
        "a; b=\"x\\\",y\"",
    ] {
        let name = "Sec-WebSocket-Extensions";
        assert_denied(
            &Config::default(),
            &request_with(name, &[value]),
            RequestError::InvalidExtensions { value: quoted(value) },
        );
        assert_fails(
            &plain(),
            &response_with(name, &[value]),
            ResponseError::InvalidExtensions { value: quoted(value) },
        );
    }
    let request = admitted(&request_with("Sec-WebSocket-Extensions", &["a; b=\"x\", c"]));
    assert_eq!(request.extensions().count(), 2);
}

/// R023 R036 F24: The Connection header is a list in any number of lines, for a server and a
/// client.
#[test]
fn f24_connection_is_a_list() {
    let valid: [&[&str]; 6] = [
        &["keep-alive, Upgrade"],
        &["Upgrade, keep-alive"],
        &["keep-alive", "Upgrade"],
        &["Upgrade", "keep-alive"],
        &["a,b,,c , UPGRADE,"],
        &["", "upgrade"],
    ];
    for row in valid {
        admitted(&request_with("Connection", row));
        opened(&plain(), &response_with("Connection", row));
    }
    let invalid: [&[&str]; 5] = [
        &["keep-alive"],
        &["keep-alive Upgrade"],
        &["UpgradeX", "XUpgrade"],
        &["Up", "grade"],
        &["no-upgrade"],
    ];
    for row in invalid {
        assert_denied(
            &Config::default(),
            &request_with("Connection", row),
            RequestError::InvalidConnection { value: quoted(row[0]) },
        );
        assert_fails(
            &plain(),
            &response_with("Connection", row),
            ResponseError::InvalidConnection { value: quoted(row[0]) },
        );
    }
}

/// R022 R023 R024 R025 R026 R027 R051 R056 F25: Each response with one violation fails.
#[test]
fn f25_every_invalid_answer_fails() {
    let request = plain().subprotocol("a").subprotocol("b");
    opened(&request, &response_with("Sec-WebSocket-Protocol", &["b"]));
    let not_offered = |subprotocol: &str| ResponseError::SubprotocolNotOffered {
        subprotocol: quoted(subprotocol),
    };
    let rows: [(&str, &[&str], ResponseError); 14] = [
        ("Upgrade", &[], ResponseError::MissingUpgrade),
        (
            "Upgrade",
            &["h2c"],
            ResponseError::InvalidUpgrade { value: quoted("h2c") },
        ),
        ("Connection", &[], ResponseError::MissingConnection),
        (
            "Connection",
            &["close"],
            ResponseError::InvalidConnection { value: quoted("close") },
        ),
        ("Sec-WebSocket-Accept", &[], ResponseError::MissingAccept),
        (
            "Sec-WebSocket-Accept",
            &[ACCEPT],
            ResponseError::InvalidAccept { value: quoted(ACCEPT) },
        ),
        (
            "Sec-WebSocket-Accept",
            &[KEY],
            ResponseError::InvalidAccept { value: quoted(KEY) },
        ),
        (
            "Sec-WebSocket-Extensions",
            &["permessage-deflate"],
            ResponseError::ExtensionNotOffered {
                name: quoted("permessage-deflate"),
            },
        ),
        (
            "Sec-WebSocket-Extensions",
            &["x-unknown"],
            ResponseError::ExtensionNotOffered {
                name: quoted("x-unknown"),
            },
        ),
        (
            "Sec-WebSocket-Extensions",
            &["a, a"],
            ResponseError::SecondExtension { name: quoted("a") },
        ),
        (
            "Sec-WebSocket-Extensions",
            &["a b"],
            ResponseError::InvalidExtensions { value: quoted("a b") },
        ),
        ("Sec-WebSocket-Protocol", &["c"], not_offered("c")),
        ("Sec-WebSocket-Protocol", &["B"], not_offered("B")),
        ("Sec-WebSocket-Protocol", &["a, b"], ResponseError::SeveralSubprotocols),
    ];
    for (name, values, error) in rows {
        assert_fails(&request, &response_with(name, values), error);
    }
    // The connection is not open: no frame is read and none can be sent.
    let input = [response_with("Upgrade", &["h2c"]), frame(Role::Server, 0x89, b"?")].concat();
    let mut client = dial(&plain(), &Config::default());
    let mut out = Vec::new();
    let error = ProtocolError::Response(ResponseError::InvalidUpgrade { value: quoted("h2c") });
    assert_eq!(drain(&mut client, &input, &mut out), Err(error));
    assert!(client.send_text("x", &mut out).is_err());
    assert!(out.is_empty());
    assert_eq!(client.state(), State::Closed);
}

/// R027 R053 R056 R038 F26: Any reason phrase is valid. A repeated header that may occur once is an
/// error.
#[test]
fn f26_odd_answers_and_duplicates() {
    for line in [
        "HTTP/1.1 101 null",
        "HTTP/1.1 101",
        "HTTP/1.1 101 ",
        "HTTP/1.1 101 OK 200",
    ] {
        opened(&plain(), &head(line, &RESPONSE_FIELDS));
    }
    for line in [
        "HTTP/1.1 1010 x",
        "HTTP/1.1 0101 x",
        "HTTP/1.1 101.0 x",
        "HTTP/1.1 -101 x",
        "HTTP/1.1 null",
    ] {
        let error = ResponseError::InvalidStatusLine { line: quoted(line) };
        assert_fails(&plain(), &head(line, &RESPONSE_FIELDS), error);
    }
    for (name, value, error) in [
        ("Sec-WebSocket-Accept", CLIENT_ACCEPT, ResponseError::RepeatedAccept),
        ("Upgrade", "websocket", ResponseError::RepeatedUpgrade),
        ("Sec-WebSocket-Protocol", "a", ResponseError::SeveralSubprotocols),
    ] {
        let offer = plain().subprotocol("a");
        opened(&offer, &response_with(name, &[value]));
        assert_fails(&offer, &response_with(name, &[value, value]), error);
    }
    for (name, value, error) in [
        ("Host", "example.com", RequestError::RepeatedHost),
        ("Origin", "null", RequestError::RepeatedOrigin),
        ("Sec-WebSocket-Key", KEY, RequestError::RepeatedKey),
        ("Sec-WebSocket-Version", "13", RequestError::RepeatedVersion),
    ] {
        admitted(&request_with(name, &[value]));
        assert_denied(&Config::default(), &request_with(name, &[value, value]), error);
        // Far more often than any counter can count.
        let config = roomy().max_headers(1000);
        assert_denied(&config, &request_with(name, &vec![value; 257]), error);
        assert_denied(&config, &request_with(name, &vec![value; 513]), error);
    }
    assert!(Request::from_list("GET", "/", listed(&REQUEST_FIELDS)).is_ok());
}
