//! Requests that ask for no WebSocket, on a server that takes them: `Config::plain_requests`.

use sockless::{
    Accept, Config, Connection, Event, Request, State,
    error::{LocalHandshakeError, RequestError},
};
use support::{
    heads::{Answer, REQUEST_FIELDS, assert_denied, drain, head, listed, request, request_with, undecided, with},
    quoted,
};

fn plain_requests() -> Config {
    Config::new().plain_requests(true)
}

/// The name and the value of a header.
type Field<'a> = (&'a str, &'a str);

const HOST: [Field<'_>; 1] = [("Host", "example.com")];

/// R032 R049: With `plain_requests`, a GET without Upgrade is reported, and can be answered like
/// any other.
#[test]
fn plain_requests_are_reported_if_wanted() {
    let config = plain_requests();
    let plain = head("GET /health?x HTTP/1.1", &[("Host", "example.com"), ("Accept", "*/*")]);
    for cut in 0..plain.len() {
        let mut server = Connection::server(config.clone());
        let mut out = Vec::new();
        let mut events = drain(&mut server, &plain[..cut], &mut out).unwrap();
        events.extend(drain(&mut server, &plain[cut..], &mut out).unwrap());
        let [Event::Request(request)] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(!request.is_upgrade());
        assert_eq!((request.target(), request.host()), ("/health?x", "example.com"));
        // It cannot be accepted.
        assert_eq!(
            server.accept(request, &Accept::new(), &mut out),
            Err(LocalHandshakeError::NotAnUpgrade)
        );
        assert_eq!(
            request.acceptance(&Accept::new(), &Config::default()).map(|_| ()),
            Err(LocalHandshakeError::NotAnUpgrade)
        );
        assert_eq!((out.len(), server.state()), (0, State::Opening));
        server
            .reject(200, &[("Content-Type", "text/plain")], b"fine", &mut out)
            .unwrap();
        let answer = Answer::read(&out);
        assert_eq!(
            (answer.line.as_str(), &answer.body[..]),
            ("HTTP/1.1 200 OK", &b"fine"[..])
        );
        answer.assert_ends_the_connection();
        assert_eq!(server.state(), State::Closed);
    }
    // It is plain if it asks for no WebSocket, whatever else it asks for; other headers of a
    // handshake are not checked.
    let others: [&[&str]; 4] = [&[], &["h2c"], &["websockets"], &[""]];
    for upgrade in others {
        let fields = with(&with(&REQUEST_FIELDS, "Upgrade", upgrade), "Sec-WebSocket-Key", &["x"]);
        let (_, request) = undecided(config.clone(), &head("GET / HTTP/1.1", &fields));
        assert!(!request.is_upgrade(), "{upgrade:?}");
    }
    // An upgrade is an upgrade.
    let (mut server, request) = undecided(config.clone(), &request());
    assert!(request.is_upgrade());
    server.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
}

/// R032 R033 R034 R035: `plain_requests` allows nothing else.
#[test]
fn plain_requests_have_rules_too() {
    let config = plain_requests();
    let rows = [
        (
            head("POST / HTTP/1.1", &HOST),
            RequestError::UnsupportedMethod { method: quoted("POST") },
        ),
        (
            head("GET * HTTP/1.1", &HOST),
            RequestError::InvalidTarget { target: quoted("*") },
        ),
        (head("GET / HTTP/1.1", &[]), RequestError::MissingHost),
        (
            head("GET / HTTP/1.1", &with(&HOST, "Content-Length", &["3"])),
            RequestError::ContentLength { value: quoted("3") },
        ),
        (
            head("GET / HTTP/1.1", &with(&HOST, "Origin", &["a", "b"])),
            RequestError::RepeatedOrigin,
        ),
        (
            head("GET / HTTP/1.1", &with(&HOST, "Upgrade", &["websocket"])),
            RequestError::MissingConnection,
        ),
        (request_with("Sec-WebSocket-Key", &[]), RequestError::MissingKey),
        (
            request_with("Sec-WebSocket-Version", &["8"]),
            RequestError::UnsupportedVersion { version: quoted("8") },
        ),
    ];
    for (input, error) in rows {
        assert_denied(&config, &input, error);
    }
    // Off by default: a plain request is rejected.
    assert_denied(
        &Config::default(),
        &head("GET / HTTP/1.1", &HOST),
        RequestError::MissingUpgrade,
    );
    assert_denied(
        &Config::default(),
        &head("GET / HTTP/1.1", &with(&HOST, "Upgrade", &["h2c"])),
        RequestError::InvalidUpgrade { value: quoted("h2c") },
    );
    let fields: Vec<(&str, &[u8])> = listed(&HOST).collect();
    assert_eq!(
        Request::from_list("GET", "/", fields),
        Err(RequestError::MissingUpgrade)
    );
}

/// R032 R049: HEAD, OPTIONS and HTTP/1.0 reach the application as GET does, wherever the request is
/// cut.
#[test]
fn f78_health_checks_reach_the_application() {
    let table: [(&str, &[Field<'_>], &str, &str); 8] = [
        ("GET /health HTTP/1.1", &HOST, "GET", "/health"),
        ("HEAD /health HTTP/1.1", &HOST, "HEAD", "/health"),
        ("OPTIONS /health HTTP/1.1", &HOST, "OPTIONS", "/health"),
        ("OPTIONS * HTTP/1.1", &HOST, "OPTIONS", "*"),
        ("GET /health HTTP/1.0", &HOST, "GET", "/health"),
        // HTTP/1.0 has no Host header: HAProxy sends this by default.
        ("OPTIONS / HTTP/1.0", &[], "OPTIONS", "/"),
        ("HEAD / HTTP/1.0", &[("Connection", "keep-alive")], "HEAD", "/"),
        (
            "GET http://example.com/health HTTP/1.0",
            &[],
            "GET",
            "http://example.com/health",
        ),
    ];
    for (line, fields, method, target) in table {
        let input = head(line, fields);
        for cut in 0..input.len() {
            let mut server = Connection::server(plain_requests());
            let mut out = Vec::new();
            let mut events = drain(&mut server, &input[..cut], &mut out).unwrap();
            events.extend(drain(&mut server, &input[cut..], &mut out).unwrap());
            let [Event::Request(request)] = &events[..] else {
                panic!("{line}: {events:?}");
            };
            assert!(!request.is_upgrade());
            assert_eq!((request.method(), request.target()), (method, target), "{line}");
            assert_eq!(
                server.accept(request, &Accept::new(), &mut out),
                Err(LocalHandshakeError::NotAnUpgrade)
            );
            server
                .reject(200, &[("Content-Type", "text/plain")], b"fine", &mut out)
                .unwrap();
            let answer = Answer::read(&out);
            assert_eq!(answer.line, "HTTP/1.1 200 OK", "{line}");
            assert_eq!(answer.one("Content-Length"), "4", "{line}");
            assert_eq!(answer.one("Connection"), "close", "{line}");
            let body: &[u8] = if method == "HEAD" { b"" } else { b"fine" };
            assert_eq!(answer.body, body, "{line}");
            assert_eq!(server.state(), State::Closed);
        }
    }
}

/// R033: Other methods have no place here, and who asks for a WebSocket uses GET and HTTP/1.1.
#[test]
fn f78_the_rules_of_a_handshake_stay() {
    let method = |method: &str| RequestError::UnsupportedMethod { method: quoted(method) };
    let version = RequestError::UnsupportedHttpVersion {
        version: quoted("HTTP/1.0"),
    };
    let table: [(&str, &[Field<'_>], RequestError); 10] = [
        ("POST / HTTP/1.1", &HOST, method("POST")),
        ("head / HTTP/1.1", &HOST, method("head")),
        ("TRACE / HTTP/1.1", &HOST, method("TRACE")),
        ("HEAD / HTTP/1.1", &REQUEST_FIELDS, method("HEAD")),
        ("OPTIONS / HTTP/1.0", &REQUEST_FIELDS, method("OPTIONS")),
        ("GET / HTTP/1.0", &REQUEST_FIELDS, version),
        ("HEAD / HTTP/1.1", &[], RequestError::MissingHost),
        (
            "GET * HTTP/1.1",
            &HOST,
            RequestError::InvalidTarget { target: quoted("*") },
        ),
        (
            "HEAD * HTTP/1.0",
            &HOST,
            RequestError::InvalidTarget { target: quoted("*") },
        ),
        (
            "OPTIONS / HTTP/1.1",
            &[("Host", "h"), ("Content-Length", "2")],
            RequestError::ContentLength { value: quoted("2") },
        ),
    ];
    for (line, fields, error) in table {
        let input = head(line, fields);
        let outcome = support::heads::serve(&plain_requests(), &input);
        assert_eq!(outcome.error, Some(error.into()), "{line}");
        let answer = Answer::read(&outcome.out);
        assert_eq!(answer.status, error.status(), "{line}");
        assert_eq!(answer.body.is_empty(), line.starts_with("HEAD"), "{line}");
        answer.assert_closes();
    }
    // Off by default.
    for (line, error) in [
        ("OPTIONS / HTTP/1.1", method("OPTIONS")),
        ("GET / HTTP/1.0", version),
        ("OPTIONS * HTTP/1.1", method("OPTIONS")),
    ] {
        assert_denied(&Config::default(), &head(line, &HOST), error);
    }
}

/// R032: "The server MUST NOT send content in the response to HEAD" (RFC 9110, section 9.3.2), not
/// for an error either, whether the server takes such requests or not.
#[test]
fn f78_no_answer_to_head_has_a_body() {
    for config in [Config::default(), plain_requests()] {
        for input in [
            head("HEAD / HTTP/1.1", &with(&HOST, "Host", &["a b"])),
            head("HEAD / HTTP/1.1", &with(&HOST, "Bad name", &["x"])),
            head("HEAD / HTTP/1.1", &with(&HOST, "X", &["x"; 200])),
            head("HEAD / HTTP/1.1", &with(&HOST, "X", &["x".repeat(20_000).as_str()])),
            b"HEAD / HTTP/2.0\r\n\r\n".to_vec(),
        ] {
            let outcome = support::heads::serve(&config, &input);
            assert!(outcome.error.is_some());
            let answer = Answer::read(&outcome.out);
            assert!(answer.body.is_empty(), "{answer:?}");
            answer.assert_closes();
            assert_ne!(answer.one("Content-Length"), "0");
        }
    }
    // The length stays that of the body that GET would get; statuses without a body have none.
    let (mut server, _) = undecided(plain_requests(), &head("HEAD / HTTP/1.1", &HOST));
    let mut out = Vec::new();
    server.reject(404, &[], &[b'x'; 1000], &mut out).unwrap();
    let answer = Answer::read(&out);
    answer.assert_closes();
    assert_eq!((answer.one("Content-Length"), answer.body.len()), ("1000", 0));
}
