//! The `Debug` output of everything that holds a head of the opening handshake.

use std::fmt::Debug;

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Delivery, Event, InputBuffer, Relay, Request, Role,
    proxy::Proxy,
};
use support::{
    ROLES, feed, frame,
    heads::{
        ACCEPT, CONNECT_FIELDS, KEY, NONCE, REQUEST_FIELDS, RESPONSE_FIELDS, SEED, drain, head, listed, opened, plain,
        refusal, undecided, with,
    },
    open, peer_of,
};

/// Header fields whose values are secrets.
const SECRETS: [(&str, &str); 5] = [
    ("Authorization", "Bearer needle"),
    ("PROXY-AUTHORIZATION", "Basic needle"),
    ("cookie", "session=needle; theme=needle"),
    ("Set-Cookie", "session=needle; Secure"),
    ("Sec-WebSocket-Protocol", "chat, needle"),
];

/// Header fields whose values are URLs, and the part that is shown.
const URLS: [(&str, &str, &str); 7] = [
    (
        "Location",
        "https://h/login?token=needle",
        "\"https://h/login?<redacted>\"",
    ),
    ("location", "/p#access_token=needle", "\"/p#<redacted>\""),
    ("LOCATION", "https://needle:needle@h/", "\"https://<redacted>\""),
    ("Content-Location", "/?needle", "\"/?<redacted>\""),
    (
        "Referer",
        "https://example.com/a?needle#needle",
        "\"https://example.com/a?<redacted>\"",
    ),
    ("Referer", "https://example.com/a", "\"https://example.com/a\""),
    ("Referer", "needle@h", "\"<redacted>\""),
];

/// Asserts that no output has a secret, and that each has what is expected. Returns the first one.
fn assert_redacted(value: &dyn Debug, expected: &[&str]) -> String {
    let shown = format!("{value:?}");
    for shown in [&shown, &format!("{value:#?}")] {
        assert!(!shown.contains("needle"), "{shown}");
        assert!(shown.contains("<redacted>"), "{shown}");
        for part in expected {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    shown
}

/// The fields of a valid request with secrets.
fn request_fields() -> Vec<(&'static str, &'static str)> {
    let mut fields = REQUEST_FIELDS.to_vec();
    fields.extend(SECRETS);
    fields.extend(URLS.map(|(name, value, _)| (name, value)));
    fields
}

/// F77: A request, in all its forms, and the event with it.
#[test]
fn f77_a_request_is_shown_without_secrets() {
    let fields = request_fields();
    let bytes = head("GET /chat?token=needle HTTP/1.1", &fields);
    let (server, request) = undecided(Config::new(), &bytes);
    let parsed = Request::from_list("GET", "/chat?token=needle", listed(&fields)).unwrap();
    let mut expected = vec![
        "\"/chat?<redacted>\"",
        "\"Host\": \"example.com\"",
        "\"Upgrade\": \"websocket\"",
        // The key is not a secret: it proves that the server speaks the protocol, and no more.
        KEY,
    ];
    expected.extend(URLS.map(|(_, _, shown)| shown));
    for request in [&request, &request.clone().into_owned(), &parsed] {
        assert_redacted(request, &expected);
        assert_redacted(&Event::Request(request.clone()), &expected);
        let headers = assert_redacted(&request.headers(), &expected[1..]);
        for (name, _) in SECRETS {
            assert!(headers.contains(&format!("\"{name}\": <redacted>")), "{headers}");
        }
    }
    // The target may be a whole URL.
    let bytes = head("GET http://h/p?needle HTTP/1.1", &REQUEST_FIELDS);
    let (_, request) = undecided(Config::new(), &bytes);
    assert_redacted(&request, &["\"http://h/p?<redacted>\""]);
    assert!(!format!("{server:?}").contains("needle"));
}

/// F77: The connection itself, while a head arrives and after.
#[test]
fn f77_a_connection_is_shown_without_secrets() {
    // As text, and as a list of bytes.
    let needles = [
        String::from("needle"),
        format!("{:?}", b"needle").replace(['[', ']'], ""),
    ];
    let assert_hidden = |connection: &Connection| {
        let shown = format!("{connection:?}");
        for needle in &needles {
            assert!(!shown.contains(needle), "{shown}");
        }
    };
    let bytes = head("GET /chat?token=needle HTTP/1.1", &request_fields());
    for end in [bytes.len() - 1, 40, 20] {
        let mut server = Connection::server(Config::new());
        drain(&mut server, &bytes[..end], &mut Vec::new()).unwrap();
        assert_hidden(&server);
    }
    let offer = plain().subprotocol("needle").header("Authorization", "needle");
    let mut client = Connection::client(&offer, Config::new(), SEED, &mut Vec::new()).unwrap();
    assert_hidden(&client);
    let refused = head("HTTP/1.1 401 x", &[("Set-Cookie", "needle"), ("Content-Length", "100")]);
    drain(&mut client, &[&refused[..], b"needle"].concat(), &mut Vec::new()).unwrap();
    assert_hidden(&client);
    for input in [
        &b"GET http://name:needle@h/needle HTTP/1.1\r\nHost: h\r\n\r\n"[..],
        b"GET http://h/#needle HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let mut failed = Connection::server(Config::new());
        feed(&mut failed, input);
        assert!(failed.close_status().is_some());
        assert_hidden(&failed);
    }
    // The reason of a Close frame, sent and received.
    for role in ROLES {
        let mut closed = open(role, Config::new());
        feed(&mut closed, &frame(peer_of(role), 0x88, b"\x03\xE9needle"));
        assert_eq!(closed.close_status().unwrap().reason(), "needle");
        assert_hidden(&closed);
        let shown = format!("{closed:?}");
        assert!(shown.contains("Peer") && shown.contains("1001"), "{shown}");
        let mut closing = open(role, Config::new());
        closing.close(CloseCode::NORMAL, "needle", &mut Vec::new()).unwrap();
        assert_hidden(&closing);
    }
    // Frames before `accept`, and a message in progress.
    let (mut server, request) = undecided(Config::new(), &head("GET / HTTP/1.1", &REQUEST_FIELDS));
    drain(&mut server, &frame(Role::Client, 0x01, b"needle"), &mut Vec::new()).unwrap();
    assert_hidden(&server);
    server.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
    drain(&mut server, &[], &mut Vec::new()).unwrap();
    assert_eq!(server.assembled_len(), 6);
    assert_hidden(&server);
    let parts = server.into_parts();
    assert_eq!(format!("{parts:?}"), "Parts { unread: 12 bytes, lossless: true }");
}

/// F77: A response and a refusal, and the events with them.
#[test]
fn f77_a_response_is_shown_without_secrets() {
    let mut fields = RESPONSE_FIELDS.to_vec();
    fields.extend(SECRETS);
    fields.extend(URLS.map(|(name, value, _)| (name, value)));
    let fields = with(&fields, "Sec-WebSocket-Protocol", &["needle"]);
    let mut expected = vec!["101", "\"Upgrade\": \"websocket\""];
    expected.extend(URLS.map(|(_, _, shown)| shown));
    let response = opened(&plain().subprotocol("needle"), &head("HTTP/1.1 101 x", &fields));
    assert_redacted(&response, &expected);
    assert_redacted(&Event::Open(response.clone()), &expected);
    assert_redacted(&response.headers(), &expected[1..]);
    let refused = refusal(
        &Config::new(),
        &head("HTTP/1.1 302 x", &[&fields[..], &[("Content-Length", "0")]].concat()),
    );
    expected[0] = "302";
    assert_redacted(&refused, &expected);
    assert_redacted(&refused.response, &expected);
    assert_redacted(&Event::Refused(Box::new(refused)), &expected);
}

/// F77: What a client asks for, and what it expects then.
#[test]
fn f77_a_clients_request_is_shown_without_secrets() {
    let mut request = ClientRequest::new("wss://example.com:444/chat?token=needle")
        .unwrap()
        .origin("https://example.com")
        .subprotocol("chat")
        .subprotocol("needle")
        .header("User-Agent", "x");
    for (name, value) in SECRETS.into_iter().filter(|(name, _)| !name.starts_with("Sec-")) {
        request = request.header(name, value);
    }
    let shown = assert_redacted(
        &request,
        &[
            "\"example.com:444\"",
            "\"/chat?<redacted>\"",
            "\"https://example.com\"",
            "\"User-Agent\": \"x\"",
        ],
    );
    assert!(shown.contains("subprotocols: [<redacted>, <redacted>]"), "{shown}");
    let (_, expected) = request.fields(NONCE, &Config::new()).unwrap();
    let shown = assert_redacted(&expected, &[ACCEPT]);
    assert!(shown.contains("subprotocols: [<redacted>, <redacted>]"), "{shown}");
    assert_eq!(
        format!("{:?}", plain()),
        "ClientRequest { secure: false, host: \"example.com\", target: \"/\", origin: None, subprotocols: [], \
         require_subprotocol: false, headers: {}, extensions: [] }"
    );
}

/// F77: An extended CONNECT, at both ends.
#[test]
fn f77_an_extended_connect_is_shown_without_secrets() {
    let path = [(":path", "/chat?token=needle")];
    let pseudo_headers = CONNECT_FIELDS.into_iter().filter(|(name, _)| *name != ":path");
    let mut headers = vec![("sec-websocket-version", "13")];
    headers.extend(SECRETS);
    let listed = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let request = Request::from_connect(pseudo_headers.chain(path), listed).unwrap();
    for request in [&request, &request.clone().into_owned()] {
        assert_redacted(
            request,
            &["\"CONNECT\"", "authority: \"example.com\"", "\"/chat?<redacted>\""],
        );
    }
    let mut asked = ClientRequest::new("wss://example.com/chat?token=needle")
        .unwrap()
        .subprotocol("needle");
    for (name, value) in SECRETS.into_iter().filter(|(name, _)| !name.starts_with("Sec-")) {
        asked = asked.header(name, value);
    }
    let (fields, expected) = asked.connect_fields(&Config::new()).unwrap();
    assert_redacted(
        &fields,
        &[
            "\":authority\": \"example.com\"",
            "\":path\": \"/chat?<redacted>\"",
            "\"cookie\": <redacted>",
            "\"sec-websocket-protocol\": <redacted>",
        ],
    );
    assert_redacted(&expected, &["accept: None"]);
}

/// F77: The choices of a server.
#[test]
fn f77_an_acceptance_is_shown_without_secrets() {
    let headers = [("Set-Cookie", "needle"), ("Server", "x")];
    let accept = Accept::new().subprotocol(Some("chat")).headers(&headers);
    assert_redacted(
        &accept,
        &["\"chat\"", "\"Set-Cookie\": <redacted>", "\"Server\": \"x\""],
    );
}

/// F77: A URL is cut off, and what follows is hidden, also if it is long.
#[test]
fn f77_a_long_target_is_shown_without_secrets() {
    let path = format!("/{}", "a".repeat(80));
    let bytes = head(&format!("GET {path}?needle HTTP/1.1"), &REQUEST_FIELDS);
    let (_, request) = undecided(Config::new(), &bytes);
    assert_redacted(&request, &[&format!("\"{}...?<redacted>\"", &path[..64])]);
}

/// F77: What holds bytes of a peer, or bytes for it, shows how many they are.
#[test]
fn f77_buffers_are_shown_without_their_bytes() {
    let mut buffer = InputBuffer::new();
    buffer.room()[..6].copy_from_slice(b"needle");
    buffer.filled(6);
    let shown = format!("{buffer:?}");
    assert!(shown.starts_with("InputBuffer { unread: 6 bytes, len: "), "{shown}");
    assert!(!shown.contains("needle"), "{shown}");

    let mut relay = Relay::new(&Config::new(), SEED);
    assert_eq!(
        format!("{relay:?}"),
        "Relay { client_error: None, server_error: None, .. }"
    );
    let mut bytes = frame(Role::Server, 0x81, b"needle");
    let (mut out, mut back) = (Vec::new(), Vec::new());
    relay
        .forward(Role::Client, &mut &mut bytes[..], &mut out, &mut back)
        .unwrap_err();
    let expected = "Relay { client_error: Some(UnmaskedFrame), server_error: None, .. }";
    assert_eq!(format!("{relay:?}"), expected);
}

/// F77: The tunnel through a proxy, in each of its states.
#[test]
fn f77_a_tunnel_is_shown_without_secrets() {
    let refusal = "HTTP/1.1 407 needle\r\nX: needle\r\nContent-Length: 9\r\n\r\nneedle";
    for (answer, state) in [
        ("HTTP/1.1 200 needle\r\n", "waiting for the head"),
        (refusal, "waiting for the body of a refusal"),
        ("HTTP/1.1 200 needle\r\n\r\n", "open"),
        ("SSH-2.0-needle\r\n", "failed"),
    ] {
        let proxy = Proxy::new("http://needle:needle@p").unwrap();
        let mut connect = proxy.connect("needle", 443, &Config::new(), &mut Vec::new()).unwrap();
        let mut bytes = answer.as_bytes().to_vec();
        let _answer = connect.receive(&mut &mut bytes[..]);
        let shown = format!("{connect:?}");
        assert_eq!(shown, format!("Connect {{ state: {state}, .. }}"));
    }
}

/// F77: A recorder, which may have recorded secrets.
#[cfg(feature = "recording")]
#[test]
fn f77_a_recorder_is_shown_without_what_it_has_recorded() {
    let recorder = sockless::recording::Recorder::new(|_| {}).limit(5).redact(true);
    let shown = format!("{recorder:?}");
    assert_eq!(shown, "Recorder { redact: true, limit: 5, written: 0, .. }");
}

/// Of a value, and of a URL before what is redacted, at most 64 bytes are shown, and how long a
/// value is.
#[test]
fn long_values_are_cut_off() {
    let of_len = |len: usize| "/".repeat(len);
    for len in [63, 64, 65] {
        let (value, url) = (of_len(len), of_len(len) + "?needle");
        let mut fields = REQUEST_FIELDS.to_vec();
        fields.extend([("Server", &*value), ("Referer", &*value), ("Location", &*url)]);
        let shown = format!("{:?}", Request::from_list("GET", "/", listed(&fields)).unwrap());
        let (whole, redacted) = match len {
            65 => (
                format!("\"{}\"... (65 bytes)", of_len(64)),
                format!("\"{}...?<redacted>\"", of_len(64)),
            ),
            _ => (format!("\"{value}\""), format!("\"{value}?<redacted>\"")),
        };
        for expected in [
            format!("\"Server\": {whole},"),
            format!("\"Referer\": {whole},"),
            format!("\"Location\": {redacted}"),
        ] {
            assert!(shown.contains(&expected), "{expected}: {shown}");
        }
    }
}

/// F77: The scheme of a URL with a password may have any character that RFC 3986 permits.
#[test]
fn f77_a_scheme_is_shown_before_a_password() {
    for (url, expected) in [
        ("git+ssh://needle@h/", "\"git+ssh://<redacted>\""),
        ("a-b.2://needle@h/", "\"a-b.2://<redacted>\""),
        ("needle_x://needle@h/", "\"<redacted>\""),
        ("/@needle?needle", "\"/@needle?<redacted>\""),
    ] {
        let mut fields = REQUEST_FIELDS.to_vec();
        fields.push(("Referer", url));
        let shown = format!("{:?}", Request::from_list("GET", "/", listed(&fields)).unwrap());
        assert!(shown.contains(&format!("\"Referer\": {expected}")), "{shown}");
    }
}

/// F77: A chunk shows its payload as a message does.
#[test]
fn f77_a_chunk_is_shown_as_a_message_is() {
    let mut chunks = open(Role::Client, Config::new().delivery(Delivery::Chunks));
    let mut bytes = *b"\x01\x02\0a";
    let event = chunks.receive(&mut &mut bytes[..], &mut Vec::new()).unwrap().unwrap();
    assert_eq!(
        format!("{event:?}").replace("ReservedBits { rsv1: false, rsv2: false, rsv3: false }", "NONE"),
        r#"Chunk(Chunk { kind: Text, data: "\x00a", reserved: NONE, frame_end: true, message_end: false })"#
    );
}
