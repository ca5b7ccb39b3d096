//! Which web pages may open a connection, and under which names a server is reached (RFC 6455,
//! section 10.2).

use sockless::{
    Accept, Config, Connection, Request, State,
    error::{LocalHandshakeError, RequestError},
    handshake::Scheme,
};
use support::{
    heads::{Answer, REQUEST_FIELDS, admitted, assert_denied, head, listed, request_with, undecided, with},
    quoted,
};

fn request_from(origin: Option<&str>, host: &str) -> Request<'static> {
    let fields = with(&with(&REQUEST_FIELDS, "Host", &[host]), "Origin", origin.as_slice());
    undecided(Config::default(), &head("GET / HTTP/1.1", &fields)).1
}

/// What an acceptance makes of a request, by every way to accept one.
fn judge(origin: Option<&str>, host: &str, accept: &Accept<'_>) -> Result<(), RequestError> {
    let fields = with(&with(&REQUEST_FIELDS, "Host", &[host]), "Origin", origin.as_slice());
    let input = head("GET / HTTP/1.1", &fields);
    let (mut server, request) = undecided(Config::default(), &input);
    let judged = request.check_origin(accept);
    let as_local = judged.map_err(|error| LocalHandshakeError::NotAllowed { error });
    let mut out = Vec::new();
    assert_eq!(server.accept(&request, accept, &mut out), as_local);
    assert_eq!(request.acceptance(accept, &Config::default()).map(|_| ()), as_local);
    let request = Request::from_list("GET", "/", listed(&fields)).unwrap();
    assert_eq!(request.check_origin(accept), judged);
    match judged {
        Ok(()) => assert!(out.starts_with(b"HTTP/1.1 101 ") && server.state() == State::Open),
        Err(error) => {
            assert_eq!(error.status(), 403);
            // Nothing has changed, and the caller rejects.
            assert_eq!((out.len(), server.state()), (0, State::Opening));
            server.reject(error.status(), &[], b"", &mut out).unwrap();
            assert_eq!(Answer::read(&out).line, "HTTP/1.1 403 Forbidden");
        }
    }
    judged
}

fn foreign(origin: &str) -> RequestError {
    RequestError::ForeignOrigin { origin: quoted(origin) }
}

fn unlisted(origin: &str) -> RequestError {
    RequestError::UnlistedOrigin { origin: quoted(origin) }
}

/// R136 R045: Whether the page that asks comes from the host that it asks.
#[test]
fn s10_2_same_origin() {
    let table = [
        // No page, no origin.
        (None, "example.com", true),
        // The port of the origin's scheme may be written or not.
        (Some("http://example.com"), "example.com", true),
        (Some("https://example.com"), "example.com", true),
        (Some("http://example.com:80"), "example.com", true),
        (Some("http://example.com"), "example.com:80", true),
        (Some("http://example.com:80"), "example.com:80", true),
        (Some("https://example.com:443"), "example.com", true),
        (Some("https://example.com"), "example.com:443", true),
        (Some("http://example.com:8080"), "example.com:8080", true),
        (Some("http://example.com:8080"), "example.com", false),
        (Some("http://example.com"), "example.com:8080", false),
        (Some("http://example.com:8080"), "example.com:8081", false),
        // The other scheme's port is another port.
        (Some("https://example.com:80"), "example.com", false),
        (Some("http://example.com:443"), "example.com", false),
        (Some("http://example.com"), "example.com:443", false),
        (Some("https://example.com"), "example.com:80", false),
        // Schemes and hosts have no case.
        (Some("http://EXAMPLE.com"), "example.COM", true),
        (Some("HTTP://example.com:80"), "example.com", true),
        (Some("HttpS://example.com"), "example.com:443", true),
        // Addresses.
        (Some("http://127.0.0.1"), "127.0.0.1:80", true),
        (Some("http://127.0.0.1"), "localhost", false),
        (Some("http://[::1]"), "[::1]", true),
        (Some("http://[::1]:80"), "[::1]", true),
        (Some("https://[::1]"), "[::1]:443", true),
        (Some("http://[::1]:8080"), "[::1]:8080", true),
        (Some("http://[2001:DB8::1]"), "[2001:db8::1]", true),
        (Some("http://[::1]"), "[::2]", false),
        (Some("http://[::80]"), "[::80]", true),
        (Some("http://[0:0::1]"), "[::1]", true),
        (Some("http://[::1]"), "[0:0:0:0:0:0:0:1]:80", true),
        // Other hosts, however alike they look.
        (Some("http://example.org"), "example.com", false),
        (Some("http://evil.example.com"), "example.com", false),
        (Some("http://example.com"), "www.example.com", false),
        (Some("http://notexample.com"), "example.com", false),
        (Some("http://example.com.evil.org"), "example.com", false),
        (Some("http://evil.org/example.com"), "example.com", false),
        (Some("http://example.com@evil.org"), "example.com", false),
        (Some("http://user@example.com"), "example.com", false),
        (Some("http://evil.org?example.com"), "example.com", false),
        (Some("http://example.com, http://evil.org"), "example.com", false),
        // What is no origin of a page on a host.
        (Some("null"), "example.com", false),
        (Some("null"), "null", false),
        (Some(""), "example.com", false),
        (Some("example.com"), "example.com", false),
        (Some("http:example.com"), "example.com", false),
        (Some("//example.com"), "example.com", false),
        (Some("http://"), "example.com", false),
        (Some("file://"), "example.com", false),
        (Some("file:///"), "example.com", false),
    ];
    for (origin, host, expected) in table {
        let fields = with(&with(&REQUEST_FIELDS, "Host", &[host]), "Origin", origin.as_slice());
        let request = admitted(&head("GET / HTTP/1.1", &fields));
        assert_eq!(request.is_same_origin(), expected, "{origin:?} at {host}");
        let request = Request::from_list("GET", "/", listed(&fields)).unwrap();
        assert_eq!(request.is_same_origin(), expected, "{origin:?} at {host}, listed");
    }
}

/// R136 R041: An unreadable Origin header is not taken for a missing one.
#[test]
fn s10_2_an_origin_that_is_not_text_is_refused() {
    let fields = &head("", &REQUEST_FIELDS)[2..];
    for origin in [&b"http://evil.example\xFF"[..], b"\xFF", b"http://\xC3\xA9.example"] {
        let input = [b"GET / HTTP/1.1\r\nOrigin: ", origin, b"\r\n", fields].concat();
        let error = RequestError::InvalidOrigin { origin: quoted(origin) };
        assert_denied(&Config::default(), &input, error);
        let listed = listed(&REQUEST_FIELDS).chain([("origin", origin)]);
        assert_eq!(Request::from_list("GET", "/", listed), Err(error));
    }
    admitted(&request_with("Origin", &["http://xn--9ca.example"]));
}

/// R136 R045: Without a setting, pages of the server's own origin may connect, and clients that are
/// no browsers.
#[test]
fn f79_the_default_is_the_same_origin() {
    for accept in [Accept::new(), Accept::default()] {
        assert_eq!(judge(None, "example.com", &accept), Ok(()));
        for origin in ["http://example.com", "https://example.com", "HTTPS://EXAMPLE.com:443"] {
            assert_eq!(judge(Some(origin), "example.com", &accept), Ok(()), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "https://example.com.evil.example",
            "https://example.com:8443",
            "null",
            "",
            "file://",
            "chrome-extension://abc",
            "ws://example.com",
        ] {
            assert_eq!(
                judge(Some(origin), "example.com", &accept),
                Err(foreign(origin)),
                "{origin}"
            );
        }
    }
}

/// R136: Any page may connect if that is said by name.
#[test]
fn f79_any_origin_is_said_by_name() {
    let accept = Accept::new().any_origin();
    for origin in [None, Some("https://evil.example"), Some("null"), Some("")] {
        assert_eq!(judge(origin, "example.com", &accept), Ok(()), "{origin:?}");
    }
}

/// R136: The public scheme can be said, because the engine cannot know it.
#[test]
fn f79_the_public_scheme_can_be_said() {
    for (scheme, own, other) in [(Scheme::Https, "https", "http"), (Scheme::Http, "http", "https")] {
        let accept = Accept::new().public_scheme(scheme);
        assert_eq!(judge(Some(&format!("{own}://h")), "h", &accept), Ok(()));
        let origin = format!("{other}://h");
        let error = RequestError::ForeignScheme {
            origin: quoted(&origin),
            requires_https: scheme == Scheme::Https,
        };
        assert_eq!(judge(Some(&origin), "h", &accept), Err(error));
        let origin = format!("{own}://evil.example");
        assert_eq!(judge(Some(&origin), "h", &accept), Err(foreign(&origin)));
        assert_eq!(judge(None, "h", &accept), Ok(()));
    }
}

/// R136: The origins of other sites can be listed. The last setting counts.
#[test]
fn f79_origins_can_be_listed() {
    let accept = Accept::new().origins(&[
        "https://www.example.com",
        "http://localhost:8080",
        "http://[::1]",
        "null",
    ]);
    for origin in [
        "https://www.example.com",
        "https://www.example.com:443",
        "HTTPS://WWW.example.com",
        "http://localhost:8080",
        "http://[0::1]:80",
        "null",
    ] {
        assert_eq!(judge(Some(origin), "api.example.com", &accept), Ok(()), "{origin}");
    }
    for origin in [
        "http://www.example.com",
        "https://www.example.com:444",
        "https://example.com",
        "http://localhost",
        "http://127.0.0.1:8080",
        "http://api.example.com",
        "",
    ] {
        assert_eq!(
            judge(Some(origin), "api.example.com", &accept),
            Err(unlisted(origin)),
            "{origin}"
        );
    }
    assert_eq!(judge(None, "api.example.com", &accept), Ok(()));
    // An entry that is no origin allows nothing.
    let accept = Accept::new().origins(&["https://example.com/", "example.com", "*", "https://*"]);
    assert_eq!(
        judge(Some("https://example.com"), "h", &accept),
        Err(unlisted("https://example.com"))
    );
    let none = Accept::new().origins(&[]);
    assert_eq!(judge(Some("http://h"), "h", &none), Err(unlisted("http://h")));
    assert_eq!(judge(Some("http://h"), "x", &none.any_origin()), Ok(()));
    assert_eq!(
        judge(Some("http://h"), "x", &Accept::new().any_origin().origins(&[])),
        Err(unlisted("http://h"))
    );
}

/// R136: With DNS rebinding, a foreign page is of the same origin. A server that names its hosts
/// refuses it, and every other name.
#[test]
fn f83_a_server_can_name_its_hosts() {
    let (origin, host) = (Some("http://evil.example:9001"), "evil.example:9001");
    assert_eq!(judge(origin, host, &Accept::new()), Ok(()), "the attack");
    let unknown = |host: &str| RequestError::UnlistedHost { host: quoted(host) };
    let hosts = ["localhost:9001", "127.0.0.1:9001", "[::1]:9001", "chat.local"];
    for accept in [
        Accept::new().hosts(&hosts),
        Accept::new().hosts(&hosts).any_origin(),
        Accept::new().hosts(&hosts).origins(&["http://evil.example:9001"]),
    ] {
        assert_eq!(judge(origin, host, &accept), Err(unknown(host)));
        assert_eq!(judge(None, host, &accept), Err(unknown(host)));
        for host in [
            "localhost:9002",
            "localhost",
            "[::2]:9001",
            "xchat.local",
            "chat.local.",
        ] {
            assert_eq!(judge(None, host, &accept), Err(unknown(host)));
        }
        for host in [
            "localhost:9001",
            "LOCALHOST:9001",
            "[0:0::1]:9001",
            "chat.local",
            "chat.local:81",
        ] {
            assert_eq!(judge(None, host, &accept), Ok(()), "{host}");
        }
    }
    let accept = Accept::new().hosts(&hosts);
    assert_eq!(judge(Some("http://localhost:9001"), "localhost:9001", &accept), Ok(()));
    // One name of the server is not the origin of the other.
    assert_eq!(
        judge(Some("http://127.0.0.1:9001"), "localhost:9001", &accept),
        Err(foreign("http://127.0.0.1:9001"))
    );
    // The default port may be missing in the request, if the scheme has it.
    for (entry, scheme, allowed) in [
        ("h:80", None, true),
        ("h:443", None, true),
        ("h:81", None, false),
        ("h:443", Some(Scheme::Https), true),
        ("h:80", Some(Scheme::Https), false),
        ("h:80", Some(Scheme::Http), true),
    ] {
        let entries = [entry];
        let mut accept = Accept::new().hosts(&entries);
        if let Some(scheme) = scheme {
            accept = accept.public_scheme(scheme);
        }
        assert_eq!(judge(None, "h", &accept).is_ok(), allowed, "{entry} {scheme:?}");
    }
    assert_eq!(judge(None, "h", &Accept::new().hosts(&[])), Err(unknown("h")));
}

/// R033: The host of an absolute target counts, and not the Host header (RFC 9112, section 3.2.2).
#[test]
fn f83_the_host_of_an_absolute_target_counts() {
    let fields = with(
        &with(&REQUEST_FIELDS, "Host", &["localhost"]),
        "Origin",
        &["http://localhost"],
    );
    for (line, host, same) in [
        ("GET http://evil.example:81/ HTTP/1.1", "evil.example:81", false),
        ("GET http://localhost?q HTTP/1.1", "localhost", true),
        ("GET /http://evil.example/ HTTP/1.1", "localhost", true),
    ] {
        let (_, request) = undecided(Config::default(), &head(line, &fields));
        assert_eq!((request.host(), request.is_same_origin()), (host, same), "{line}");
        assert_eq!(request.check_origin(&Accept::new()).is_ok(), same);
        assert_eq!(request.check_origin(&Accept::new().hosts(&["localhost"])).is_ok(), same);
    }
}

/// The check can be made for requests that ask for no WebSocket, too: a page is not served under a
/// foreign name.
#[test]
fn f83_plain_requests_can_be_checked() {
    let accept = Accept::new().hosts(&["localhost"]);
    let config = Config::new().plain_requests(true);
    for (line, fields, allowed) in [
        ("GET / HTTP/1.1", &[("Host", "localhost:9001")][..], true),
        ("GET / HTTP/1.1", &[("Host", "evil.example")], false),
        ("GET / HTTP/1.0", &[], false),
    ] {
        let (_, request) = undecided(config.clone(), &head(line, fields));
        assert_eq!(request.check_origin(&accept).is_ok(), allowed, "{fields:?}");
    }
}

/// An owned request, and one that a connection has handed over, are judged alike.
#[test]
fn f79_an_owned_request_is_judged_alike() {
    for origin in ["http://h", "https://h:1", "null"] {
        let request = request_from(Some(origin), "h");
        let owned = request.clone().into_owned();
        assert_eq!(request.check_origin(&Accept::new()), owned.check_origin(&Accept::new()));
        assert_eq!(request.is_same_origin(), owned.is_same_origin());
    }
    let mut server = Connection::server(Config::default());
    let request = request_from(Some("http://h"), "h");
    assert_eq!(
        server.accept(&request, &Accept::new(), &mut Vec::new()),
        Err(LocalHandshakeError::NoRequest)
    );
}
