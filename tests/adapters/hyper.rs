//! The responses of the adapter for hyper, without a connection: `examples/http2` and
//! `examples/frameworks` have tests with one.

use std::{
    io::ErrorKind,
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, Request, Response, Version, header};
use hyper::ext::Protocol;
use sockless::{
    Accept, Config,
    adapter::{Error, Settings, hyper as ws},
    deflate::DeflateConfig,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request over HTTP/1.1.
fn upgrade_request() -> Request<()> {
    Request::get("/chat")
        .header("host", "example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", KEY)
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

/// A request over HTTP/2.
fn connect_request() -> Request<()> {
    Request::connect("https://example.com/chat")
        .version(Version::HTTP_2)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

fn both() -> [Request<()>; 2] {
    [upgrade_request(), connect_request()]
}

fn respond(request: &mut Request<()>, accept: &Accept<'_>, settings: Settings) -> Response<String> {
    match ws::upgrade(request, accept, settings) {
        Ok((response, _upgrade)) => response,
        Err(rejection) => rejection.into_http(),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// R199: A request is accepted over HTTP/1.1 with status 101, over HTTP/2 with 200 and no header of
/// HTTP/1.1. Both negotiate a subprotocol and compression.
#[test]
fn a_request_is_accepted_over_both_versions() {
    for (request, status) in both().into_iter().zip([101, 200]) {
        let mut request = request;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "b, a".parse().unwrap());
        headers.insert("sec-websocket-extensions", "permessage-deflate".parse().unwrap());
        let chosen = ws::request(&request).unwrap().choose_subprotocol(&["a", "b"]);
        let accept = Accept::new().subprotocol(chosen);
        let settings = Settings::new().config(Config::new().deflate(DeflateConfig::new()));
        let response = respond(&mut request, &accept, settings);
        assert_eq!(response.status(), status);
        let headers = response.headers();
        assert_eq!(header(headers, "sec-websocket-protocol"), Some("a"));
        assert_eq!(header(headers, "sec-websocket-extensions"), Some("permessage-deflate"));
        let accept = (status == 101).then_some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(header(headers, "sec-websocket-accept"), accept);
        assert_eq!(headers.contains_key(header::CONNECTION), status == 101);
        assert_eq!(response.body(), "");
    }
}

/// The settings that `Accept` chooses count, and not those that were passed.
#[test]
fn a_route_has_its_own_settings() {
    let compressed = Config::new().deflate(DeflateConfig::new());
    for mut request in both() {
        let headers = request.headers_mut();
        headers.insert("sec-websocket-extensions", "permessage-deflate".parse().unwrap());
        let accept = Accept::new().config(&compressed);
        let response = respond(&mut request, &accept, Settings::new());
        assert!(response.headers().contains_key("sec-websocket-extensions"));
    }
}

/// R046 R194 R204: A request that is not valid gets a response with the status and the headers of
/// its error, and its text as the body.
#[test]
fn f58_a_request_that_is_not_valid_gets_a_response() {
    type Change = fn(&mut Request<()>);
    type Row = (usize, Change, u16, &'static [(&'static str, &'static str)]);
    let rows: [Row; 12] = [
        (0, |request| *request.version_mut() = Version::HTTP_10, 505, &[]),
        (
            0,
            |request| *request.method_mut() = http::Method::POST,
            405,
            &[("allow", "GET")],
        ),
        (
            0,
            |request| _ = request.headers_mut().remove("sec-websocket-key"),
            400,
            &[],
        ),
        (
            0,
            |request| _ = request.headers_mut().remove("upgrade"),
            426,
            &[("connection", "close, Upgrade"), ("upgrade", "websocket")],
        ),
        (
            0,
            |request| {
                _ = request
                    .headers_mut()
                    .insert("sec-websocket-version", "8".parse().unwrap())
            },
            426,
            &[("sec-websocket-version", "13")],
        ),
        (1, |request| _ = request.extensions_mut().remove::<Protocol>(), 400, &[]),
        (
            1,
            |request| _ = request.extensions_mut().insert(Protocol::from_static("connect-udp")),
            501,
            &[],
        ),
        (
            1,
            |request| *request.method_mut() = http::Method::GET,
            405,
            &[("allow", "CONNECT")],
        ),
        (1, |request| *request.uri_mut() = "/chat".parse().unwrap(), 400, &[]),
        (
            1,
            |request| {
                _ = request
                    .headers_mut()
                    .insert("sec-websocket-version", "8".parse().unwrap())
            },
            400,
            &[("sec-websocket-version", "13")],
        ),
        (
            1,
            |request| _ = request.headers_mut().insert("upgrade", "websocket".parse().unwrap()),
            400,
            &[],
        ),
        (
            1,
            |request| {
                _ = request
                    .headers_mut()
                    .insert("origin", "https://evil.example".parse().unwrap())
            },
            403,
            &[],
        ),
    ];
    for (number, (which, change, status, headers)) in rows.into_iter().enumerate() {
        let mut request = both().into_iter().nth(which).unwrap();
        change(&mut request);
        let response = respond(&mut request, &Accept::new(), Settings::new());
        assert_eq!(response.status(), status, "row {number}");
        for (name, value) in headers {
            assert_eq!(header(response.headers(), name), Some(*value), "row {number}");
        }
        assert_eq!(
            response.headers().contains_key("connection"),
            which == 0,
            "row {number}"
        );
        let plain = header(response.headers(), "content-type");
        assert_eq!(plain, Some("text/plain; charset=utf-8"), "row {number}");
        assert!(response.body().contains("RFC "), "row {number}: {}", response.body());
    }
}

/// An acceptance that cannot be sent is a fault of the server: status 500, and nothing about it in
/// the body.
#[test]
fn an_acceptance_that_cannot_be_sent_gets_500() {
    for (mut request, connection) in both().into_iter().zip([Some("close"), None]) {
        let accept = Accept::new().subprotocol(Some("not-offered"));
        let rejection = ws::upgrade::<_, String>(&mut request, &accept, Settings::new()).unwrap_err();
        assert!(matches!(rejection.reason(), ws::Reason::Acceptance(_)));
        assert!(rejection.to_string().contains("not-offered"), "{rejection}");
        let response: Response<String> = rejection.into_http();
        assert_eq!(response.status(), 500);
        assert_eq!(header(response.headers(), "connection"), connection);
        assert_eq!(response.body(), "");
    }
}

/// A request that hyper cannot upgrade makes the future fail, and not wait.
#[test]
fn a_request_without_an_upgrade_fails() {
    for mut request in both() {
        let (_, upgrade) = ws::upgrade::<_, String>(&mut request, &Accept::new(), Settings::new()).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(Error::Io(error))) = pin!(upgrade).poll(&mut cx) else {
            panic!("no error");
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    }
}
