//! The extended CONNECT of HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220), on lists of fields.

use proptest::{collection::vec, prelude::*, sample::select};
use sockless::{
    Accept, ClientRequest, CloseCode, ClosedBy, Config, Connection, Event, ProtocolError, Request, Role, State,
    Teardown,
    error::{LocalHandshakeError, RequestError, ResponseError},
    frame::ReservedBits,
    handshake::{ConnectFields, Negotiated, Scheme},
};
use support::{
    ROLES,
    heads::{
        CONNECT_FIELDS, Fields, KEY, NONCE, REQUEST_FIELDS, SEED, connect_request, connect_with, connect_without,
        invalid_name, invalid_value, plain, request_edits, reserved, undecided, with,
    },
    pair::{Endpoint, Pair},
    peer_of, quoted, quoted_to,
};

use super::errors::{expected_status, request_errors};

const VERSION: [(&str, &str); 1] = [("sec-websocket-version", "13")];

/// Fields with values as bytes.
fn bytes<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a [u8])> {
    fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect()
}

/// What a server makes of an extended CONNECT.
fn connect<'a>(
    pseudo_headers: &[(&'a str, &'a str)],
    headers: &[(&'a str, &'a str)],
) -> Result<Request<'a>, RequestError> {
    Request::from_connect(pseudo_headers.iter().copied(), bytes(headers))
}

fn fields_of(request: &ClientRequest) -> ConnectFields {
    request.connect_fields(&Config::default()).unwrap().0
}

/// R192 R194 R195 R196 R203: A client's request has all pseudo-headers, and what HTTP/2 and HTTP/3
/// omit is not there.
#[test]
fn rfc8441_s5_the_fields_of_a_client_exactly() {
    assert_eq!(
        fields_of(&plain()).iter().collect::<Vec<_>>(),
        [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "example.com"),
            (":path", "/"),
            ("sec-websocket-version", "13"),
        ]
    );
    let full = ClientRequest::new("wss://example.com:8443/chat?room=1")
        .unwrap()
        .origin("https://example.com")
        .subprotocol("chat.v2")
        .subprotocol("chat.v1")
        .header("User-Agent", "X")
        .header("TE", "trailers");
    assert_eq!(
        fields_of(&full).iter().collect::<Vec<_>>(),
        [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "example.com:8443"),
            (":path", "/chat?room=1"),
            ("sec-websocket-version", "13"),
            ("origin", "https://example.com"),
            ("sec-websocket-protocol", "chat.v2, chat.v1"),
            ("user-agent", "X"),
            ("te", "trailers"),
        ]
    );
    for (url, scheme, authority) in [
        ("ws://h:80/", "http", "h"),
        ("wss://h:443/", "https", "h"),
        ("ws://h:443/", "http", "h:443"),
        ("wss://[::1]:1/", "https", "[::1]:1"),
    ] {
        let fields = fields_of(&ClientRequest::new(url).unwrap()).pseudo_headers;
        assert_eq!(
            (fields[2].1.as_str(), fields[3].1.as_str()),
            (scheme, authority),
            "{url}"
        );
    }
    assert_eq!(
        fields_of(&ClientRequest::from_parts("h", "/x").unwrap()).pseudo_headers[2].1,
        "http"
    );
}

/// R196 R198: A request and an acceptance cannot get a header that HTTP/2 does not allow, or that
/// the handshake sets itself.
#[test]
fn rfc8441_s5_added_headers_are_checked() {
    let not_allowed = |name: &str| LocalHandshakeError::ConnectionHeader { name: quoted(name) };
    let rows = [
        (("Keep-Alive", "timeout=5"), not_allowed("Keep-Alive")),
        (("proxy-connection", "close"), not_allowed("proxy-connection")),
        (("TE", "gzip"), not_allowed("TE")),
        (("Connection", "close"), reserved("Connection")),
        (("Upgrade", "websocket"), reserved("Upgrade")),
        (("Host", "example.com"), reserved("Host")),
        (("Transfer-Encoding", "chunked"), reserved("Transfer-Encoding")),
        (("Sec-WebSocket-Key", KEY), reserved("Sec-WebSocket-Key")),
        ((":path", "/"), invalid_name(":path")),
        (("X", "a\r\nb: c"), invalid_value("X")),
    ];
    let server = connect_request();
    for ((name, value), error) in rows {
        let client = plain().header(name, value).connect_fields(&Config::default());
        assert_eq!(client.map(|_| ()), Err(error), "{name}");
        let headers = [(name, value)];
        let accepted = server.acceptance(&Accept::new().headers(&headers), &Config::default());
        assert_eq!(accepted.map(|_| ()), Err(error), "{name}");
    }
    let repeated = plain().subprotocol("a").subprotocol("a");
    assert_eq!(
        repeated.connect_fields(&Config::default()).map(|_| ()),
        Err(LocalHandshakeError::RepeatedSubprotocol { position: 2 })
    );
}

/// R193 R197 R198 R199: A server's acceptance has status 200, and neither a key's answer nor what
/// HTTP/2 omits.
#[test]
fn rfc8441_s5_the_acceptance_of_a_server_exactly() {
    let headers = [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat.v2, chat.v1"),
        ("origin", "https://example.com"),
        ("cookie", "a=1"),
    ];
    let request = connect(&connect_with(":path", "/chat?room=1"), &headers).unwrap();
    for request in [&request, &request.clone().into_owned()] {
        assert_eq!((request.method(), request.target()), ("CONNECT", "/chat?room=1"));
        assert_eq!((request.host(), request.is_same_origin()), ("example.com", true));
        assert!(request.is_upgrade());
        assert_eq!(request.headers().collect::<Vec<_>>(), bytes(&headers));
        let accept = Accept::new()
            .subprotocol(request.choose_subprotocol(&["chat.v1"]))
            .headers(&[("Set-Cookie", "b=2")]);
        let (headers, negotiated) = request.acceptance(&accept, &Config::default()).unwrap();
        assert_eq!(request.acceptance_status(), 200);
        assert_eq!(
            headers,
            [("sec-websocket-protocol", "chat.v1"), ("set-cookie", "b=2")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(negotiated.subprotocol.as_deref(), Some("chat.v1"));
    }
    let upgrade = Request::from_list("GET", "/", bytes(&REQUEST_FIELDS)).unwrap();
    assert_eq!(upgrade.acceptance_status(), 101);
}

/// R192 R194 R195 R204: Each pseudo-header is there once, and has a value that is allowed. (F58:
/// any CONNECT was taken for a WebSocket.)
#[test]
fn f58_pseudo_headers_are_checked() {
    for (name, _) in CONNECT_FIELDS {
        let error = RequestError::MissingPseudoHeader { name };
        assert_eq!(connect(&connect_without(name), &VERSION), Err(error));
        let value = CONNECT_FIELDS.into_iter().find(|(other, _)| *other == name).unwrap();
        let error = RequestError::RepeatedPseudoHeader { name };
        assert_eq!(connect(&[&CONNECT_FIELDS[..], &[value]].concat(), &VERSION), Err(error));
        // Among the headers, it is an error too: a carrier would have to be wrong twice.
        let error = RequestError::UnexpectedPseudoHeader { name: quoted(name) };
        assert_eq!(connect(&CONNECT_FIELDS, &[VERSION[0], value]), Err(error));
    }
    // The order does not matter.
    let reversed: Fields<'_> = CONNECT_FIELDS.into_iter().rev().collect();
    assert!(connect(&reversed, &VERSION).is_ok());
    let method = |method: &str| RequestError::UnsupportedConnectMethod { method: quoted(method) };
    let protocol = |protocol: &str| RequestError::UnsupportedProtocol {
        protocol: quoted(protocol),
    };
    let scheme = |scheme: &str| RequestError::InvalidScheme { scheme: quoted(scheme) };
    let host = |host: &str| RequestError::InvalidHost { host: quoted(host) };
    let path = |path: &str| RequestError::InvalidPath { path: quoted(path) };
    let rows = [
        (":method", "GET", Some(method("GET")), 405),
        (":method", "connect", Some(method("connect")), 405),
        (":method", "", Some(method("")), 405),
        (":protocol", "WebSocket", None, 200),
        (":protocol", "connect-udp", Some(protocol("connect-udp")), 501),
        (":protocol", "webtransport", Some(protocol("webtransport")), 501),
        (":protocol", "websocket, x", Some(protocol("websocket, x")), 501),
        (":protocol", "", Some(protocol("")), 501),
        (":scheme", "http", None, 200),
        (":scheme", "HTTPS", None, 200),
        (":scheme", "wss", Some(scheme("wss")), 400),
        (":scheme", "", Some(scheme("")), 400),
        (":authority", "[::1]:8080", None, 200),
        (":authority", "", Some(host("")), 400),
        (":authority", "exa mple.com", Some(host("exa mple.com")), 400),
        (":authority", "a@example.com", Some(RequestError::UserInfoInHost), 400),
        (
            ":authority",
            "h:0",
            Some(RequestError::InvalidPort { port: quoted("0") }),
            400,
        ),
        (":path", "/chat?a=%20", None, 200),
        (":path", "", Some(path("")), 400),
        (":path", "*", Some(path("*")), 400),
        (":path", "chat", Some(path("chat")), 400),
        (":path", "http://example.com/", Some(path("http://example.com/")), 400),
        (
            ":path",
            "/a b",
            Some(RequestError::InvalidTargetByte {
                target: quoted("/a b"),
                byte: b' ',
            }),
            400,
        ),
        (
            ":path",
            "/\u{e9}?secret",
            Some(RequestError::InvalidTargetByte {
                target: quoted_to("/\u{e9}?secret", 3),
                byte: 0xC3,
            }),
            400,
        ),
        (
            ":status",
            "200",
            Some(RequestError::UnexpectedPseudoHeader {
                name: quoted(":status"),
            }),
            400,
        ),
        (
            "host",
            "example.com",
            Some(RequestError::UnexpectedPseudoHeader { name: quoted("host") }),
            400,
        ),
    ];
    for (name, value, error, status) in rows {
        let mut pseudo_headers = connect_with(name, value);
        if !CONNECT_FIELDS.iter().any(|(known, _)| *known == name) {
            pseudo_headers.push((name, value));
        }
        let found = connect(&pseudo_headers, &VERSION);
        match error {
            None => assert_eq!(found.unwrap().acceptance_status(), status, "{name}: {value}"),
            Some(error) => {
                assert_eq!(found, Err(error), "{name}: {value}");
                assert_eq!(error.connect_response().0, status, "{name}: {value}");
            }
        }
    }
}

/// R196: Connection, Upgrade, and a Host that is not the authority are refused.
#[test]
fn rfc8441_s5_headers_of_http_1_are_refused() {
    let with_version = |name, value| connect(&CONNECT_FIELDS, &[VERSION[0], (name, value)]);
    for (name, value) in [
        ("connection", "upgrade"),
        ("Connection", ""),
        ("upgrade", "websocket"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers, deflate"),
    ] {
        let error = RequestError::ConnectionHeader { name: quoted(name) };
        assert_eq!(with_version(name, value), Err(error));
        assert_eq!(error.connect_response(), (400, &[][..]));
    }
    for (name, value) in [("te", "trailers"), ("host", "example.com"), ("Host", "EXAMPLE.com")] {
        assert_eq!(with_version(name, value).unwrap().host(), "example.com");
    }
    for host in ["example.org", "example.com:443", "sub.example.com"] {
        let error = RequestError::DifferentHost { host: quoted(host) };
        assert_eq!(with_version("host", host), Err(error));
    }
    assert_eq!(
        with_version("host", ""),
        Err(RequestError::InvalidHost { host: quoted("") })
    );
    assert_eq!(
        connect(
            &CONNECT_FIELDS,
            &[VERSION[0], ("host", "example.com"), ("host", "example.com")]
        ),
        Err(RequestError::RepeatedHost)
    );
}

/// R197: Neither end looks at a key or at its answer, present or absent, valid or not.
#[test]
fn rfc8441_s5_key_and_accept_are_ignored() {
    let (_, expected) = plain().connect_fields(&Config::default()).unwrap();
    for value in [KEY, "", "x"] {
        let key = ("sec-websocket-key", value);
        let request = connect(&CONNECT_FIELDS, &[VERSION[0], key, key]).unwrap();
        let (headers, _) = request.acceptance(&Accept::new(), &Config::default()).unwrap();
        assert_eq!(headers, []);
        let accept = ("sec-websocket-accept", value.as_bytes());
        let found = expected.check_response(200, [accept, accept]);
        assert_eq!(found, Ok(Some(Negotiated::default())));
    }
}

/// R199: 2xx opens the connection, 101 is an error, everything else is a response of HTTP.
#[test]
fn rfc8441_s5_the_status_decides() {
    let (_, expected) = plain().connect_fields(&Config::default()).unwrap();
    let (_, expected_101) = plain().fields(NONCE, &Config::default()).unwrap();
    // "A client MUST ignore any Content-Length ... in a successful response to CONNECT" (RFC 9110,
    // section 9.3.6).
    let headers = [("content-length", &b"5"[..])];
    for status in 100..=599 {
        let found = expected.check_response(status, headers);
        match status {
            200..=299 => assert_eq!(found, Ok(Some(Negotiated::default())), "{status}"),
            101 => assert_eq!(found, Err(ResponseError::SwitchingProtocols)),
            _ => assert_eq!(found, Ok(None), "{status}"),
        }
        // Over HTTP/1.1, only 101 does. Here it has no fields.
        let error = match status {
            101 => Err(ResponseError::MissingUpgrade),
            _ => Ok(None),
        };
        assert_eq!(expected_101.check_response(status, headers), error, "{status}");
    }
    for name in ["connection", "Upgrade", "transfer-encoding"] {
        let error = ResponseError::ConnectionHeader { name: quoted(name) };
        let headers = [(name, &b"websocket"[..])];
        assert_eq!(expected.check_response(200, headers), Err(error));
        // In a refusal, they are the carrier's.
        assert_eq!(expected.check_response(403, headers), Ok(None));
    }
}

/// R046 R199 R204: The response to an invalid request can be sent over HTTP/2: it has no header
/// that belongs to a connection, and no status that needs one.
#[test]
fn rfc8441_s5_a_rejection_has_its_status_and_headers() {
    for error in request_errors() {
        let status = expected_status(error);
        let (found, headers) = error.connect_response();
        assert_eq!(found, if status == 426 { 400 } else { status }, "{error:?}");
        let expected: &[(&str, &str)] = match error {
            RequestError::UnsupportedConnectMethod { .. } => &[("allow", "CONNECT")],
            RequestError::MissingVersion | RequestError::RepeatedVersion | RequestError::UnsupportedVersion { .. } => {
                &[("sec-websocket-version", "13")]
            }
            _ => &[],
        };
        assert_eq!(headers, expected, "{error:?}");
    }
}

/// R198 F58: What is wrong in a request over HTTP/1.1 is wrong in an extended CONNECT, and the
/// error is the same.
#[test]
fn f58_both_handshakes_follow_the_same_rules() {
    let mut compared = 0;
    for (name, values, error) in request_edits() {
        // What the second kind of handshake has in another place, or must not have.
        let is_of_http_1 = [
            "Host",
            "Upgrade",
            "Connection",
            "Sec-WebSocket-Key",
            "Transfer-Encoding",
        ];
        if is_of_http_1.contains(&name) {
            continue;
        }
        compared += 1;
        let headers = with(&[("Sec-WebSocket-Version", "13")], name, values);
        let found = connect(&CONNECT_FIELDS, &headers).map(|_| ());
        assert_eq!(found, error.map_or(Ok(()), Err), "{name}: {values:?}");
    }
    assert_eq!(compared, 10);
    for (version, error) in [
        (&[][..], RequestError::MissingVersion),
        (&["8"], RequestError::UnsupportedVersion { version: quoted("8") }),
        (&["13", "13"], RequestError::RepeatedVersion),
    ] {
        let headers = with(&VERSION, "sec-websocket-version", version);
        assert_eq!(connect(&CONNECT_FIELDS, &headers), Err(error));
        assert_eq!(error.connect_response(), (400, &[("sec-websocket-version", "13")][..]));
    }
}

/// R136 R198 F58: A page of another origin is not allowed, and the host of the request is
/// `:authority`.
#[test]
fn f58_a_foreign_page_is_not_allowed() {
    let request_from = |origin| connect(&CONNECT_FIELDS, &[VERSION[0], ("origin", origin)]).unwrap();
    let foreign = request_from("https://evil.example");
    assert!(!foreign.is_same_origin());
    let error = RequestError::ForeignOrigin {
        origin: quoted("https://evil.example"),
    };
    assert_eq!(foreign.check_origin(&Accept::new()), Err(error));
    assert_eq!(error.connect_response(), (403, &[][..]));
    assert_eq!(
        foreign.acceptance(&Accept::new(), &Config::default()).map(|_| ()),
        Err(LocalHandshakeError::NotAllowed { error })
    );
    for accept in [
        Accept::new().any_origin(),
        Accept::new().origins(&["https://evil.example"]),
    ] {
        assert!(foreign.acceptance(&accept, &Config::default()).is_ok());
    }
    let own = request_from("https://example.com");
    assert!(own.acceptance(&Accept::new(), &Config::default()).is_ok());
    let hosts = Accept::new().hosts(&["localhost"]);
    let error = RequestError::UnlistedHost {
        host: quoted("example.com"),
    };
    assert_eq!(own.check_origin(&hosts), Err(error));
}

/// F58: An extended CONNECT is not accepted with a response of HTTP/1.1.
#[test]
fn f58_a_connection_of_http_1_does_not_accept_an_extended_connect() {
    let (mut server, request) = undecided(Config::default(), &support::heads::request());
    let mut out = Vec::new();
    assert_eq!(
        server.accept(&connect_request(), &Accept::new(), &mut out),
        Err(LocalHandshakeError::ExtendedConnect)
    );
    assert_eq!((out.len(), server.state()), (0, State::Opening));
    server.accept(&request, &Accept::new(), &mut out).unwrap();
}

/// The values that headers of generated requests and responses have.
const VALUES: [&str; 30] = [
    "13",
    "8",
    "",
    " ",
    ",",
    "chat",
    "chat.v1, chat.v2",
    "chat, chat",
    "chat,, superchat,",
    "bearer x",
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=9, permessage-deflate",
    "permessage-deflate; server_max_window_bits=99",
    "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
    "x-unknown; a=\"b\", permessage-deflate",
    "permessage-deflate;",
    "https://example.com",
    "http://example.com",
    "https://example.com:443",
    "https://example.com:8443",
    "https://evil.example",
    "http://localhost:9001",
    "null",
    "https://b\u{fc}cher.example",
    "0",
    "0, 0",
    "5",
    "5, 6",
    "x",
];

const NAMES: [&str; 6] = [
    "sec-websocket-version",
    "Sec-WebSocket-Protocol",
    "sec-websocket-extensions",
    "origin",
    "content-length",
    "x",
];

const AUTHORITIES: [&str; 8] = [
    "example.com",
    "EXAMPLE.com:443",
    "example.com:8443",
    "localhost:9001",
    "[::1]",
    "exa mple.com",
    "h:99999",
    "",
];

fn headers() -> impl Strategy<Value = Fields<'static>> {
    let valid = (any::<bool>(), vec((select(&NAMES[..]), select(&VALUES[..])), 0..4));
    valid.prop_map(|(has_version, mut fields)| {
        if has_version {
            fields.push(VERSION[0]);
        }
        fields
    })
}

fn config() -> Config {
    #[cfg(feature = "deflate")]
    return Config::new().deflate(sockless::deflate::DeflateConfig::new());
    #[cfg(not(feature = "deflate"))]
    Config::new()
}

/// The choices of servers with different policies.
fn acceptances<'a>(subprotocol: Option<&'a str>) -> [Accept<'a>; 8] {
    [
        Accept::new(),
        Accept::new().subprotocol(subprotocol),
        Accept::new().subprotocol(Some("not offered")),
        Accept::new().any_origin().headers(&[("X-Y", "z")]),
        Accept::new().public_scheme(Scheme::Https),
        Accept::new().origins(&["https://evil.example", "null"]),
        Accept::new().hosts(&["example.com", "localhost:9001"]),
        Accept::new().extensions(&[("x-unknown; c", ReservedBits::RSV2)]),
    ]
}

/// The headers of an acceptance without those that only HTTP/1.1 has, with lower-case names.
fn comparable(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let only_http_1 = ["upgrade", "connection", "sec-websocket-accept"];
    headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !only_http_1.contains(&name.as_str()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// R198 R203: A server judges origin, version, subprotocols, extensions and host of both kinds
    /// of handshake alike, accepts alike, and negotiates alike.
    #[test]
    fn f58_a_server_judges_both_handshakes_alike(headers in headers(), authority in select(&AUTHORITIES[..])) {
        let upgrade = with(&REQUEST_FIELDS, "Host", &[authority]);
        let upgrade = with(&upgrade, "Sec-WebSocket-Version", &[]);
        let upgrade = [&upgrade[..], &headers].concat();
        let upgrade = Request::from_list("GET", "/chat?a", bytes(&upgrade));
        let pseudo_headers: Fields<'_> = connect_with(":authority", authority)
            .into_iter()
            .map(|(name, value)| (name, if name == ":path" { "/chat?a" } else { value }))
            .collect();
        let connect = connect(&pseudo_headers, &headers);
        prop_assert_eq!(upgrade.as_ref().err(), connect.as_ref().err());
        let (Ok(upgrade), Ok(connect)) = (upgrade, connect) else {
            return Ok(());
        };
        prop_assert_eq!((upgrade.target(), upgrade.host()), (connect.target(), connect.host()));
        prop_assert_eq!(upgrade.origin(), connect.origin());
        prop_assert_eq!(upgrade.is_same_origin(), connect.is_same_origin());
        prop_assert!(upgrade.subprotocols().eq(connect.subprotocols()));
        prop_assert!(upgrade.extensions().eq(connect.extensions()));
        let chosen = upgrade.choose_subprotocol(&["chat.v2", "chat"]);
        for accept in acceptances(chosen) {
            prop_assert_eq!(upgrade.check_origin(&accept), connect.check_origin(&accept));
            let upgraded = upgrade.acceptance(&accept, &config());
            let connected = connect.acceptance(&accept, &config());
            let upgraded = upgraded.map(|(headers, negotiated)| (comparable(headers), negotiated));
            prop_assert_eq!(upgraded, connected);
        }
    }

    /// R198 R203: A client judges the choices of a server in both kinds of handshake alike.
    #[test]
    fn f58_a_client_judges_both_handshakes_alike(headers in headers(), require in any::<bool>()) {
        let request = plain()
            .subprotocol("chat")
            .subprotocol("superchat")
            .require_subprotocol(require)
            .extension("x-unknown", ReservedBits::RSV2);
        let (_, connect) = request.connect_fields(&config()).unwrap();
        let (_, upgrade) = request.fields(NONCE, &config()).unwrap();
        let only_http_1 = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", support::heads::ACCEPT),
        ];
        let upgraded = upgrade.check_response(101, bytes(&[&only_http_1[..], &headers].concat()));
        let connected = connect.check_response(200, bytes(&headers));
        prop_assert_eq!(upgraded, connected);
    }

    /// R137: Any list of fields has an outcome.
    #[test]
    fn s10_7_any_extended_connect_has_an_outcome(
        pseudo_headers in vec((select(&[":method", ":protocol", ":scheme", ":authority", ":path", ":x", ""][..]), ".{0,9}"), 0..7),
        headers in vec((".{0,9}", vec(any::<u8>(), 0..9)), 0..5),
    ) {
        let pseudo_headers = pseudo_headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        if let Err(error) = Request::from_connect(pseudo_headers, headers.iter().copied()) {
            prop_assert!((400..=599).contains(&error.connect_response().0));
        }
        let _ = Request::from_connect(CONNECT_FIELDS, headers.iter().copied().chain(bytes(&VERSION)));
        let (_, expected) = plain().connect_fields(&Config::default()).unwrap();
        let _ = expected.check_response(200, headers);
    }
}

/// How a stream of HTTP/2 or HTTP/3 ends in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// END_STREAM, or FIN.
    Finished,
    /// RST_STREAM with CANCEL, or a stream error H3_REQUEST_CANCELLED.
    Reset,
}

/// How a carrier ends its stream: as docs/EMBEDDING.md says.
fn end_of(connection: &Connection) -> End {
    match connection.teardown() {
        Some(Teardown::Close | Teardown::AwaitPeer) => End::Finished,
        None => End::Reset,
    }
}

/// A client and a server that have opened a connection by lists of fields.
fn open_pair(config: &Config) -> Pair {
    let wanted = ClientRequest::new("wss://example.com/chat")
        .unwrap()
        .subprotocol("chat.v2")
        .subprotocol("chat.v1")
        .origin("https://example.com");
    let (sent, expected) = wanted.connect_fields(config).unwrap();
    let pseudo_headers = sent.pseudo_headers.iter().map(|(name, value)| (*name, value.as_str()));
    let headers = sent.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = Request::from_connect(pseudo_headers, headers).unwrap();
    let accept = Accept::new()
        .public_scheme(Scheme::Https)
        .subprotocol(request.choose_subprotocol(&["chat.v1"]));
    let (headers, of_server) = request.acceptance(&accept, config).unwrap();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let status = request.acceptance_status();
    let of_client = expected.check_response(status, headers).unwrap().unwrap();
    assert_eq!(of_client, of_server);
    assert_eq!(of_client.subprotocol.as_deref(), Some("chat.v1"));
    Pair::new(
        Connection::upgraded_client(&of_client, config.clone(), SEED),
        Connection::upgraded_server(&of_server, config.clone()),
    )
}

/// R199 R200: After the handshake the connection is open, and its frames are those of RFC 6455: a
/// client masks, a server does not.
#[test]
fn rfc8441_s5_messages_flow_after_an_extended_connect() {
    let mut pair = open_pair(&Config::default());
    for role in ROLES {
        let Endpoint { engine, out, .. } = pair.endpoint(role);
        assert_eq!(engine.state(), State::Open);
        assert_eq!(engine.negotiated().subprotocol.as_deref(), Some("chat.v1"));
        engine.send_text("hello", out).unwrap();
        let is_masked = out[1] & 0x80 != 0;
        assert_eq!((out[0], is_masked), (0x81, role == Role::Client));
        assert_eq!(pair.carry(role), [Event::Text("hello".into())]);
    }
    pair.server.receive(&mut [0x81, 0x00]);
    assert_eq!(pair.server.error, Some(ProtocolError::UnmaskedFrame));
}

/// F58: What was negotiated reaches the engine: messages are compressed, and RSV1 is understood.
#[cfg(feature = "deflate")]
#[test]
fn f58_messages_are_compressed_after_an_extended_connect() {
    let mut pair = open_pair(&Config::new().deflate(sockless::deflate::DeflateConfig::new().threshold(0)));
    let text = "hello, ".repeat(100);
    for role in ROLES {
        let Endpoint { engine, out, .. } = pair.endpoint(role);
        assert!(engine.negotiated().deflate.is_some());
        engine.send_text(&text, out).unwrap();
        assert_eq!(out[0], 0xC1);
        assert!(out.len() < 100);
        assert_eq!(pair.carry(role), [Event::Text(text.as_str().into())]);
    }
}

/// R201 R205: A closing handshake ends the stream in both directions, the server's first.
#[test]
fn rfc8441_s5_a_closing_handshake_ends_the_stream() {
    for closer in ROLES {
        let mut pair = open_pair(&Config::default());
        for role in ROLES {
            assert_eq!(end_of(&pair.endpoint(role).engine), End::Reset, "an open connection");
        }
        let Endpoint { engine, out, .. } = pair.endpoint(closer);
        engine.close(CloseCode::NORMAL, "", out).unwrap();
        assert_eq!(end_of(engine), End::Reset, "the peer's Close frame is missing");
        pair.carry(closer);
        pair.carry(peer_of(closer));
        assert_eq!(pair.server.engine.teardown(), Some(Teardown::Close));
        assert_eq!(pair.client.engine.teardown(), Some(Teardown::AwaitPeer));
        for role in ROLES {
            let engine = &mut pair.endpoint(role).engine;
            assert_eq!(end_of(engine), End::Finished);
            // The peer's end, orderly or not, changes nothing.
            assert_eq!(engine.receive_eof(), Ok(None));
            assert!(engine.close_status().unwrap().is_clean());
        }
    }
}

/// R201 R205: A stream that ends without a closing handshake, by END_STREAM or by a reset, is a
/// lost connection. What came before is delivered.
#[test]
fn rfc8441_s5_a_stream_that_ends_early_is_a_lost_connection() {
    for role in ROLES {
        let mut pair = open_pair(&Config::default());
        let Endpoint { engine, out, .. } = pair.endpoint(peer_of(role));
        engine.send_text("before", out).unwrap();
        engine.send_text("cut", out).unwrap();
        let len = out.len() - 1;
        pair.deliver(peer_of(role), len);
        let Endpoint { engine, events, .. } = pair.endpoint(role);
        assert_eq!(*events, [Event::Text("before".into())]);
        assert_eq!(engine.receive_eof(), Err(Box::new(ProtocolError::UnexpectedEof)));
        let status = engine.close_status().unwrap();
        assert_eq!((status.by, status.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        assert_eq!(engine.teardown(), Some(Teardown::Close));
    }
}

/// R201 R205: After a violation, the Close frame is sent, and then the stream ends: a reset would
/// destroy it.
#[test]
fn rfc8441_s5_a_violation_ends_the_stream_after_the_close_frame() {
    let mut pair = open_pair(&Config::default());
    pair.server.receive(&mut [0x81, 0x00]);
    assert_eq!(pair.server.out[..2], [0x88, 0x02]);
    assert_eq!(end_of(&pair.server.engine), End::Finished);
    let [Event::Close(frame)] = &pair.carry(Role::Server)[..] else {
        panic!("no Close frame");
    };
    assert_eq!(frame.as_ref().map(|frame| frame.code), Some(CloseCode::PROTOCOL_ERROR));
}
