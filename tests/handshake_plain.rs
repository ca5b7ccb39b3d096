//! Requests that ask for no WebSocket, on a server that takes them: `Config::plain_requests`.

use sockless::{
    Accept, Config, Connection, Event, State,
    error::{LocalHandshakeError, RequestError},
};
use support::{
    heads::{Answer, REQUEST_FIELDS, assert_denied, drain, head, undecided, with},
    quoted,
};

fn plain_requests() -> Config {
    Config::new().plain_requests(true)
}

/// The name and the value of a header.
type Field<'a> = (&'a str, &'a str);

const HOST: [Field<'_>; 1] = [("Host", "example.com")];

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
