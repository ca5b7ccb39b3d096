//! Tunnels through a proxy (RFC 9110, section 9.3.6).

use proptest::{collection::vec, prelude::*};
use sockless::{
    Config,
    error::LocalHandshakeError,
    handshake::Response,
    proxy::{Connect, Proxy, ProxyError},
};
use support::{quoted, quoted_to};

const OPEN: &[u8] = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r\n";

fn config() -> Config {
    Config::new().max_head_size(200).max_headers(5).max_refusal_body(10)
}

/// The request of a proxy for a tunnel to `example.com`.
fn requested(proxy: &Proxy) -> String {
    let mut out = b"before".to_vec();
    proxy.connect("example.com", 443, &config(), &mut out).unwrap();
    String::from_utf8(out).unwrap().split_off("before".len())
}

fn connect() -> Connect {
    let proxy = Proxy::new("http://proxy.example:3128").unwrap();
    proxy.connect("example.com", 443, &config(), &mut Vec::new()).unwrap()
}

/// What comes of an answer in these pieces, after which the proxy closes the connection: the status
/// that opens the tunnel and the first bytes that came through it, or an error.
fn outcome<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(u16, Vec<u8>), ProxyError> {
    let mut connect = connect();
    let mut opened: Option<(u16, Vec<u8>)> = None;
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        match connect.receive(&mut input) {
            Ok(None) if opened.is_none() => assert!(input.is_empty(), "all of an incomplete answer is taken"),
            Ok(response) => {
                let status = response.as_ref().map(Response::status);
                let (_, through) = opened.get_or_insert_with(|| (status.unwrap(), Vec::new()));
                through.extend_from_slice(input);
            }
            Err(error) => {
                assert_eq!(connect.receive(&mut &mut [1, 2][..]), Err(error.clone()), "it repeats");
                assert_eq!(connect.receive_eof(), Err(error.clone()));
                return Err(error);
            }
        }
    }
    connect.receive_eof()?;
    Ok(opened.unwrap())
}

/// The outcome of an answer, which is the same in single bytes and with every cut.
fn answered(answer: &[u8]) -> Result<(u16, Vec<u8>), ProxyError> {
    let expected = outcome([answer]);
    assert_eq!(outcome(answer.chunks(1)), expected, "{}", answer.escape_ascii());
    for cut in 0..=answer.len() {
        assert_eq!(
            outcome([&answer[..cut], b"", &answer[cut..]]),
            expected,
            "{} at {cut}",
            answer.escape_ascii()
        );
    }
    expected
}

/// The status, the body and whether it is complete.
fn refused(answer: &[u8]) -> (u16, Vec<u8>, bool) {
    match answered(answer) {
        Err(ProxyError::Refused(refusal)) => (refusal.response.status(), refusal.body, refusal.is_complete),
        other => panic!("{other:?}"),
    }
}

/// R202: Through a proxy, the client asks for a tunnel to the server, with its port also where it
/// is the default.
#[test]
fn rfc9110_s9_3_6_the_request_exactly() {
    let proxy = Proxy::new("http://proxy.example:3128").unwrap();
    assert_eq!((proxy.host(), proxy.port()), ("proxy.example", 3128));
    assert_eq!(
        requested(&proxy),
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"
    );
    let with_headers = proxy
        .header("User-Agent", "x")
        .basic_auth("Aladdin", "open sesame")
        .unwrap();
    assert_eq!(
        requested(&with_headers),
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: x\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    for host in ["::1", "[::1]"] {
        let mut out = Vec::new();
        with_headers.connect(host, 80, &config(), &mut out).unwrap();
        assert!(out.starts_with(b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n"));
    }
}

/// The address and the credentials of a proxy, as a URL has them (RFC 7617).
#[test]
fn what_the_url_of_a_proxy_says() {
    for (url, host, port, credentials) in [
        ("http://p", "p", 80, None),
        ("HTTP://p:3128/", "p", 3128, None),
        ("http://[::1]:3128", "::1", 3128, None),
        // "Aladdin:open sesame", of the RFC
        (
            "http://Aladdin:open%20sesame@p:1",
            "p",
            1,
            Some("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        // "test:123£", of the RFC
        ("http://test:123%C2%A3@p", "p", 80, Some("dGVzdDoxMjPCow==")),
        ("http://test:123\u{a3}@p", "p", 80, Some("dGVzdDoxMjPCow==")),
        // "a:b@c%", "a:b:c", "a:" and ":"
        ("http://a:b%40c%@p", "p", 80, Some("YTpiQGMl")),
        ("http://a:b@c%@p", "p", 80, Some("YTpiQGMl")),
        ("http://a:b:c@p", "p", 80, Some("YTpiOmM=")),
        ("http://a@p", "p", 80, Some("YTo=")),
        ("http://@p", "p", 80, Some("Og==")),
    ] {
        let proxy = Proxy::new(url).expect(url);
        assert_eq!((proxy.host(), proxy.port()), (host, port), "{url}");
        let request = requested(&proxy);
        let sent = request
            .split_once("Proxy-Authorization: Basic ")
            .map(|(_, rest)| rest.trim_end());
        assert_eq!(sent, credentials, "{url}");
    }
}

#[test]
fn an_invalid_proxy_is_refused() {
    let scheme = |url: &str, len| LocalHandshakeError::InvalidProxyScheme {
        url: quoted_to(url, len),
    };
    let path = |url: &str, len| LocalHandshakeError::PathInProxyUrl {
        url: quoted_to(url, len),
    };
    for (url, error) in [
        ("", scheme("", 0)),
        ("p:3128", scheme("p:3128", 6)),
        ("https://p", scheme("https://p", 9)),
        ("socks5://user:secret@p", scheme("socks5://user:secret@p", 9)),
        ("http://p/path?secret", path("http://p/path?secret", 13)),
        ("http://u:a/b@p", path("http://u:a/b@p", 7)),
        ("http://p#x", path("http://p#x", 8)),
        ("http://", LocalHandshakeError::MissingHost),
        ("http://u:p@", LocalHandshakeError::MissingHost),
        ("http://p p", LocalHandshakeError::InvalidHost { host: quoted("p p") }),
        (
            "http://u:secret@p:x",
            LocalHandshakeError::InvalidPort { port: quoted("x") },
        ),
        ("http://a%3Ab:c@p", LocalHandshakeError::InvalidCredentials),
        ("http://a:b%0A@p", LocalHandshakeError::InvalidCredentials),
        ("http://a:b%00@p", LocalHandshakeError::InvalidCredentials),
        ("http://a:%FF@p", LocalHandshakeError::InvalidCredentials),
    ] {
        assert_eq!(Proxy::new(url), Err(error), "{url}");
    }
}

/// Nothing that is not one line with a host and a port can be sent.
#[test]
fn an_invalid_request_is_refused_and_nothing_is_appended() {
    let proxy = Proxy::new("http://p").unwrap();
    let mut out = Vec::new();
    for (host, port) in [
        ("", 80),
        ("h h", 80),
        ("h\r\nX: y", 80),
        ("u@h", 80),
        ("[::1", 80),
        ("h", 0),
    ] {
        assert!(proxy.connect(host, port, &config(), &mut out).is_err(), "{host}:{port}");
    }
    for (name, value) in [("X y", "z"), ("X", "y\r\nZ: z"), ("host", "h"), ("Content-Length", "1")] {
        let proxy = proxy.clone().header(name, value);
        assert!(proxy.connect("h", 80, &config(), &mut out).is_err(), "{name}: {value}");
    }
    assert!(out.is_empty());
}

/// F77: Credentials are not in the output of `Debug`.
#[test]
fn f77_a_proxy_is_shown_without_credentials() {
    let proxy = Proxy::new("http://user:needle@p:3128").unwrap();
    let shown = format!("{proxy:?}");
    let encoded = requested(&proxy);
    let encoded = encoded.split_once("Basic ").unwrap().1.trim_end();
    assert!(
        !shown.contains("needle") && !shown.contains(encoded) && shown.contains("3128"),
        "{shown}"
    );
    assert!(shown.contains("<redacted>"), "{shown}");
}

/// R202: Any 2xx opens the tunnel; what follows the head came through it, in whatever cut.
#[test]
fn rfc9110_s9_3_6_a_successful_answer_opens_the_tunnel() {
    assert_eq!(answered(OPEN), Ok((200, Vec::new())));
    assert_eq!(answered(b"HTTP/1.0 200 OK\r\n\r\n"), Ok((200, Vec::new())));
    assert_eq!(
        answered(b"\r\nHTTP/1.1 299\n\n\x16\x03\0"),
        Ok((299, b"\x16\x03\0".to_vec()))
    );
    let through = [OPEN, b"\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n"].concat();
    assert_eq!(answered(&through), Ok((200, through[OPEN.len()..].to_vec())));
    // "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in a
    // successful response to CONNECT."
    for field in ["Content-Length: 3", "Content-Length: x", "Transfer-Encoding: chunked"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\nabcdef");
        assert_eq!(answered(answer.as_bytes()), Ok((200, b"abcdef".to_vec())), "{field}");
    }
}

/// Informational responses come before the answer.
#[test]
fn informational_responses_are_skipped_within_the_limit() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n";
    assert_eq!(answered(&[interim, interim, OPEN].concat()), Ok((200, Vec::new())));
    assert_eq!(
        answered(&interim.repeat(10)),
        Err(ProxyError::HeadTooLong { limit: 200 })
    );
}

/// Every other answer is a refusal, with its status, its headers and the start of its body.
#[test]
fn a_refusal_is_surfaced() {
    let body = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
        Content-Length: 4\r\n\r\nlogin";
    assert_eq!(refused(body), (407, b"logi".to_vec(), true));
    let Err(ProxyError::Refused(refusal)) = answered(body) else {
        unreachable!()
    };
    let headers = refusal.response.headers();
    assert_eq!(headers.get("proxy-authenticate"), Some(&b"Basic realm=\"p\""[..]));
    for (answer, expected) in [
        ("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", (502, "", true)),
        ("HTTP/1.0 503 No\r\n\r\nby the end", (503, "by the end", true)),
        ("HTTP/1.0 503 No\r\n\r\nby the end of it", (503, "by the end", false)),
        (
            "HTTP/1.1 302 Go\r\nLocation: http://x/\r\nContent-Length: 9\r\n\r\ncut",
            (302, "cut", false),
        ),
        (
            "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            (500, "abc", true),
        ),
        // What is wrong with a body does not hide the status.
        (
            "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef",
            (500, "abc", false),
        ),
        ("HTTP/1.1 500 No\r\nContent-Length: x\r\n\r\nabc", (500, "", false)),
        ("HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n", (0, "", true)),
    ] {
        let (status, body, is_complete) = expected;
        assert_eq!(
            refused(answer.as_bytes()),
            (status, body.into(), is_complete),
            "{answer}"
        );
    }
}

/// A peer that is no HTTP proxy is noticed at its first byte or its first line; heads are limited.
#[test]
fn garbage_has_a_precise_error() {
    let first_byte = |byte| ProxyError::InvalidFirstByte { byte };
    let line = |line: &str| ProxyError::InvalidStatusLine { line: quoted(line) };
    for (answer, error) in [
        (&b"\x05\x00"[..], first_byte(5)),
        (b"\x15\x03\x01\x00\x02", first_byte(0x15)),
        (b"<html>", first_byte(b'<')),
        (b"SSH-2.0-x\r\n", line("SSH-2.0-x")),
        (b"220 smtp\r\n", line("220 smtp")),
        (b"HTTP/1.1 20 OK\r\n", line("HTTP/1.1 20 OK")),
        (
            b"HTTP/2.0 200 OK\r\n",
            ProxyError::UnsupportedHttpVersion {
                version: quoted("HTTP/2.0"),
            },
        ),
        (
            b"HTTP/1.1 200 OK\r\nA: b\r\nno field\r\n\r\n",
            ProxyError::InvalidHeaderLine { number: 3 },
        ),
        (
            b"HTTP/1.1 200 OK\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n",
            ProxyError::TooManyHeaders { limit: 5 },
        ),
        (b"HTTP/1.1 101 Switching\r\n\r\n", ProxyError::SwitchingProtocols),
        (b"", ProxyError::UnexpectedEof),
        (b"\r\n", ProxyError::UnexpectedEof),
        (b"HTTP/1.1 200 OK\r\nVia: p\r\n", ProxyError::UnexpectedEof),
    ] {
        assert_eq!(answered(answer), Err(error), "{}", answer.escape_ascii());
    }
    for endless in [
        &b"A"[..],
        b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let mut answer = endless.to_vec();
        answer.extend(endless.repeat(300));
        assert_eq!(answered(&answer), Err(ProxyError::HeadTooLong { limit: 200 }));
    }
}

/// Memory is limited by the settings and not by what the proxy sends.
#[cfg(feature = "laws")]
#[test]
fn memory_is_bounded() {
    for start in [
        &b"HTTP/1.1 200 OK\r\nA: "[..],
        b"HTTP/1.1 403 No\r\n\r\n",
        b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    ] {
        let mut connect = connect();
        assert_eq!(connect.receive(&mut &mut start.to_vec()[..]), Ok(None));
        let mut piece = vec![b'x'; 1 << 16];
        let held = allocation_counter::measure(|| {
            for _ in 0..16 {
                let _failed = connect.receive(&mut &mut piece[..]);
            }
        });
        assert!(held.bytes_max < 1 << 11, "{} bytes", held.bytes_max);
    }
}

proptest! {
    /// What comes of an answer, valid or not, does not depend on how it is cut.
    #[test]
    fn the_outcome_does_not_depend_on_the_cuts(
        start in prop::sample::select(vec![
            &b"HTTP/1.1 200 OK\r\nVia: p\r\n\r\n\x16\x03\x01"[..],
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 OK\n\nthrough",
            b"HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nlogin",
            b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ]),
        damage in vec((any::<u16>(), any::<u8>()), 0..3),
        mut cuts in vec(any::<u16>(), 0..8),
    ) {
        let mut answer = start.to_vec();
        for (at, byte) in damage {
            let at = usize::from(at) % (answer.len() + 1);
            answer.insert(at, byte);
        }
        cuts.iter_mut().for_each(|cut| *cut %= u16::try_from(answer.len() + 1).unwrap());
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().map(usize::from).chain([answer.len()]) {
            pieces.push(&answer[from..to]);
            from = to;
        }
        prop_assert_eq!(outcome(pieces), outcome([&answer[..]]));
    }
}
