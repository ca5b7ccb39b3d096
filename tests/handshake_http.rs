//! The opening handshake with the types of the `http` crate: HTTP is done by another
//! implementation, here the parser and writer of tungstenite.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use sockless::{
    Accept, ClientRequest, Config, Connection, Event, Request, Role, State,
    error::{LocalHandshakeError, RequestError, ResponseError},
};
use support::{
    heads::{
        ACCEPT, Answer, Fields, KEY, NONCE, REQUEST_FIELDS, RESPONSE_FIELDS, SEED, drain, head, invalid_name,
        invalid_value, plain, request_edits, reserved, with,
    },
    pair::{Endpoint, Pair},
    quoted, quoted_to,
};
use tungstenite::handshake::{client, machine::TryParse, server};

use super::errors::{expected_status, request_errors};

/// Another implementation reads a request.
fn parse_request(bytes: &[u8]) -> http::Request<()> {
    let (len, request) = server::Request::try_parse(bytes).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    request
}

/// Another implementation reads a response.
fn parse_response(bytes: &[u8]) -> http::Response<Option<Vec<u8>>> {
    let (len, response) = client::Response::try_parse(bytes).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    response
}

/// Another implementation writes a response.
fn write_response(response: &http::Response<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    server::write_response(&mut bytes, response).unwrap();
    bytes
}

fn header_map(fields: &[(&str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            )
        })
        .collect()
}

fn http_request(fields: &[(&str, &str)]) -> http::Request<()> {
    let mut request = http::Request::new(());
    *request.headers_mut() = header_map(fields);
    request
}

fn http_response(fields: &[(&str, &str)]) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = header_map(fields);
    response
}

/// R032 R033 R050 R053 R054 R055: A server whose HTTP is done by others, and a client of this
/// crate: messages flow.
#[test]
fn s4_2_a_server_with_another_http_implementation() {
    let wanted = ClientRequest::new("ws://example.com/chat?room=1")
        .unwrap()
        .subprotocol("a")
        .subprotocol("b")
        .origin("http://example.com");
    let mut sent = Vec::new();
    let client = Connection::client(&wanted, Config::default(), SEED, &mut sent).unwrap();

    let parsed = parse_request(&sent);
    let request = Request::from_http(&parsed).unwrap();
    assert_eq!((request.target(), request.host()), ("/chat?room=1", "example.com"));
    assert!(request.is_same_origin() && request.is_upgrade());
    let accept = Accept::new()
        .subprotocol(request.choose_subprotocol(&["b"]))
        .headers(&[("Set-Cookie", "a=1"), ("set-cookie", "b=2")]);
    let (response, negotiated) = request.to_http_response(&accept, &Config::default()).unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["connection"], "Upgrade");
    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
    let cookies: Vec<&HeaderValue> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(negotiated.subprotocol.as_deref(), Some("b"));
    let server = Connection::upgraded_server(&negotiated, Config::default());
    let mut pair = Pair::new(client, server);
    pair.server.out.extend(write_response(&response));

    let events = pair.carry(Role::Server);
    assert!(matches!(&events[..], [Event::Open(response)] if response.subprotocol() == Some("b")));
    for text in ["hello", "", "\u{1F600}"] {
        pair.client.engine.send_text(text, &mut pair.client.out).unwrap();
        assert_eq!(pair.carry(Role::Client), [Event::Text(text.into())]);
        let Endpoint { engine, out, .. } = &mut pair.server;
        engine.send_binary(text.as_bytes(), out).unwrap();
        assert_eq!(pair.carry(Role::Server), [Event::Binary(text.as_bytes().into())]);
    }
    pair.client.engine.close(None, "", &mut pair.client.out).unwrap();
    pair.carry(Role::Client);
    pair.carry(Role::Server);
    for end in [&pair.client, &pair.server] {
        assert_eq!(end.engine.state(), State::Closed);
    }
}

/// R007 R008 R009 R012 R015 R024 R029: A client whose HTTP is done by others, and a server of this
/// crate.
#[test]
fn s4_1_a_client_above_another_http_implementation() {
    let wanted = ClientRequest::new("wss://example.com:444/chat?room=1")
        .unwrap()
        .subprotocol("a")
        .header("Cookie", "a=1")
        .header("Cookie", "b=2");
    let (request, expected) = wanted.to_http(NONCE, &Config::default()).unwrap();
    assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
    assert_eq!(request.uri(), "/chat?room=1");
    assert_eq!(request.headers()["host"], "example.com:444");
    assert_eq!(request.headers()["sec-websocket-key"], KEY);
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    assert_eq!(request.headers().get_all("cookie").iter().count(), 2);
    assert_eq!(request.headers().get("origin"), None);

    // Another implementation would write it like this.
    let fields: Fields<'_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let mut answer = Vec::new();
    let mut server = Connection::server(Config::default());
    let events = drain(
        &mut server,
        &head(&format!("GET {} HTTP/1.1", request.uri()), &fields),
        &mut Vec::new(),
    )
    .unwrap();
    let [Event::Request(asked)] = &events[..] else {
        panic!("{events:?}");
    };
    let accept = Accept::new().subprotocol(Some("a"));
    server.accept(asked, &accept, &mut answer).unwrap();
    let response = parse_response(&answer);
    let negotiated = expected.check_http(&response).unwrap().unwrap();
    assert_eq!(negotiated.subprotocol.as_deref(), Some("a"));
    let client = Connection::upgraded_client(&negotiated, Config::default(), SEED);

    let mut pair = Pair::new(client, server);
    pair.client.engine.send_text("hello", &mut pair.client.out).unwrap();
    assert_eq!(pair.carry(Role::Client), [Event::Text("hello".into())]);
    pair.server.engine.send_text("world", &mut pair.server.out).unwrap();
    assert_eq!(pair.carry(Role::Server), [Event::Text("world".into())]);
}

/// R032 R034 R035 R036 R037 R038 R039 R040 R051 R130: The rules are the same for a request that
/// another implementation has parsed.
#[test]
fn s4_2_1_a_parsed_request_follows_the_same_rules() {
    for (name, values, error) in request_edits() {
        let parsed = http_request(&with(&REQUEST_FIELDS, name, values));
        let found = Request::from_http(&parsed).map(|request| {
            request.acceptance(&Accept::new(), &Config::default()).unwrap().0[2]
                .1
                .clone()
        });
        assert_eq!(
            found,
            error.map_or_else(|| Ok(ACCEPT.to_owned()), Err),
            "{name}: {values:?}"
        );
    }
}

/// R033: The host of an absolute URI counts, and not the Host header (RFC 9112, section 3.2.2).
#[test]
fn f83_the_host_of_an_absolute_target_counts() {
    for (uri, target, host, allowed) in [
        ("http://evil.example:81/a?b", "/a?b", "evil.example:81", false),
        ("http://example.com", "/", "example.com", true),
        ("/a", "/a", "example.com", true),
    ] {
        let mut request = http_request(&with(&REQUEST_FIELDS, "Origin", &["http://example.com"]));
        *request.uri_mut() = uri.parse().unwrap();
        let request = Request::from_http(&request).unwrap();
        assert_eq!((request.target(), request.host()), (target, host));
        assert_eq!(request.is_same_origin(), allowed, "{uri}");
        assert_eq!(request.check_origin(&Accept::new()).is_ok(), allowed, "{uri}");
    }
    let mut request = http_request(&REQUEST_FIELDS);
    *request.uri_mut() = "http://user@example.com/".parse().unwrap();
    let target = quoted("/");
    assert_eq!(
        Request::from_http(&request),
        Err(RequestError::InvalidTarget { target })
    );
}

/// HTTP versions that `Request::from_http` and `Expected::check_http` reject.
const OTHER_VERSIONS: [(Version, &str); 4] = [
    (Version::HTTP_09, "HTTP/0.9"),
    (Version::HTTP_10, "HTTP/1.0"),
    (Version::HTTP_2, "HTTP/2.0"),
    (Version::HTTP_3, "HTTP/3.0"),
];

/// R033: Method, version and target of a parsed request.
#[test]
fn s4_2_1_1_a_parsed_request_line_follows_the_same_rules() {
    let valid = || http_request(&REQUEST_FIELDS);
    assert_eq!(Request::from_http(&valid()).unwrap().target(), "/");
    for method in [Method::POST, Method::HEAD, Method::CONNECT, Method::OPTIONS] {
        let mut request = valid();
        let error = RequestError::UnsupportedMethod {
            method: quoted(method.as_str()),
        };
        *request.method_mut() = method;
        assert_eq!(Request::from_http(&request), Err(error));
    }
    for (version, text) in OTHER_VERSIONS {
        let mut request = valid();
        *request.version_mut() = version;
        let error = RequestError::UnsupportedHttpVersion { version: quoted(text) };
        assert_eq!(Request::from_http(&request), Err(error), "{version:?}");
    }
    for (uri, target) in [
        ("/", Ok("/")),
        ("/chat?room=1", Ok("/chat?room=1")),
        ("http://example.com/chat?room=1", Ok("/chat?room=1")),
        ("http://example.com", Ok("/")),
        ("*", Err(RequestError::InvalidTarget { target: quoted("*") })),
        (
            "example.com:443",
            Err(RequestError::InvalidTarget {
                target: quoted("example.com:443"),
            }),
        ),
        (
            "ftp://example.com/a?b",
            Err(RequestError::InvalidTarget {
                target: quoted_to("ftp://example.com/a?b", 19),
            }),
        ),
    ] {
        let mut request = valid();
        *request.uri_mut() = uri.parse().unwrap();
        let found = Request::from_http(&request);
        assert_eq!(
            found.as_ref().map(Request::target),
            target.as_ref().map(|target| *target),
            "{uri}"
        );
    }
}

/// R050 R052 R019: An acceptance that cannot be sent as bytes is an error here too.
#[test]
fn s4_2_2_an_acceptance_cannot_break_the_response() {
    let parsed = http_request(&REQUEST_FIELDS);
    let request = Request::from_http(&parsed).unwrap();
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<LocalHandshakeError>);
    let headers: [Row<'_>; 5] = [
        (&[("X", "y")], None),
        (
            &[("Sec-WebSocket-Extensions", "x")],
            Some(reserved("Sec-WebSocket-Extensions")),
        ),
        (&[("upgrade", "x")], Some(reserved("upgrade"))),
        (&[("X Y", "x")], Some(invalid_name("X Y"))),
        (&[("X", "a\r\nY: b")], Some(invalid_value("X"))),
    ];
    for (headers, error) in headers {
        let found = request.to_http_response(&Accept::new().headers(headers), &Config::default());
        assert_eq!(found.map(|_| ()), error.map_or(Ok(()), Err), "{headers:?}");
    }
    assert_eq!(
        request
            .to_http_response(&Accept::new().subprotocol(Some("a")), &Config::default())
            .map(|_| ()),
        Err(LocalHandshakeError::SubprotocolNotOffered {
            subprotocol: quoted("a")
        })
    );
}

/// R032 R033 R046 R047 R058: Each error has its response, with the headers that belong to its
/// status.
#[test]
fn s4_2_2_a_rejection_has_its_status_and_headers() {
    for error in request_errors() {
        let status = expected_status(error);
        let response = error.to_http();
        assert_eq!(error.status(), status, "{error:?}");
        assert_eq!(response.status().as_u16(), status, "{error:?}");
        let answer = Answer::read(&write_response(&response));
        assert_eq!(answer.status, status, "{error:?}");
        let allow: &[&str] = if status == 405 { &["GET"] } else { &[] };
        assert_eq!(answer.all("Allow"), allow, "{error:?}");
        let (upgrade, version): (&[&str], &[&str]) = if status == 426 {
            (&["websocket"], &["13"])
        } else {
            (&[], &[])
        };
        assert_eq!(answer.all("Upgrade"), upgrade, "{error:?}");
        assert_eq!(answer.all("Sec-WebSocket-Version"), version, "{error:?}");
    }
}

/// F20: A rejection closes the connection.
#[test]
fn f20_a_rejection_ends_the_connection() {
    for error in request_errors() {
        let response = error.to_http();
        let options = response.headers()["connection"].to_str().unwrap();
        assert!(
            options.split(", ").any(|option| option == "close"),
            "{error:?}: {options}"
        );
    }
}

/// R046: "A sender of Upgrade MUST also send an "Upgrade" connection option" (RFC 9110, section
/// 7.8).
#[test]
fn s4_2_2_a_rejection_that_names_upgrade_names_it_in_connection() {
    for error in request_errors() {
        let answer = Answer::read(&write_response(&error.to_http()));
        let named = answer
            .all("Connection")
            .iter()
            .flat_map(|list| list.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
        assert_eq!(named, !answer.all("Upgrade").is_empty(), "{error:?}: {answer:?}");
    }
}

/// R022 R023 R024 R025 R026 R027 R056 R057: The same rules apply to a parsed response.
#[test]
fn s4_1_a_parsed_response_follows_the_same_rules() {
    let (_, expected) = plain().subprotocol("a").to_http(NONCE, &Config::default()).unwrap();
    let valid = with(&RESPONSE_FIELDS, "Sec-WebSocket-Accept", &[ACCEPT]);
    let rows: [(&str, &[&str], Option<ResponseError>); 12] = [
        ("x", &["y"], None),
        ("Upgrade", &[], Some(ResponseError::MissingUpgrade)),
        ("Upgrade", &["WebSocket"], None),
        (
            "Connection",
            &["close"],
            Some(ResponseError::InvalidConnection { value: quoted("close") }),
        ),
        ("Connection", &["keep-alive", "upgrade"], None),
        (
            "Sec-WebSocket-Accept",
            &[KEY],
            Some(ResponseError::InvalidAccept { value: quoted(KEY) }),
        ),
        (
            "Sec-WebSocket-Accept",
            &[ACCEPT, ACCEPT],
            Some(ResponseError::RepeatedAccept),
        ),
        (
            "Sec-WebSocket-Extensions",
            &["x", "y"],
            Some(ResponseError::SecondExtension { name: quoted("y") }),
        ),
        (
            "Sec-WebSocket-Extensions",
            &[","],
            Some(ResponseError::EmptyExtensionList),
        ),
        ("Sec-WebSocket-Protocol", &["a"], None),
        (
            "Sec-WebSocket-Protocol",
            &["A"],
            Some(ResponseError::SubprotocolNotOffered {
                subprotocol: quoted("A"),
            }),
        ),
        (
            "Sec-WebSocket-Protocol",
            &["a", "a"],
            Some(ResponseError::SeveralSubprotocols),
        ),
    ];
    for (name, values, error) in rows {
        let response = http_response(&with(&valid, name, values));
        let found = expected.check_http(&response).map(|negotiated| negotiated.is_some());
        assert_eq!(found, error.map_or(Ok(true), Err), "{name}: {values:?}");
    }
}

/// R021 R027: A parsed response with another status is not a handshake. One with another version is
/// an error.
#[test]
fn s4_1_1_a_parsed_response_with_another_status_is_a_refusal() {
    let (_, expected) = plain().to_http(NONCE, &Config::default()).unwrap();
    let valid = || http_response(&with(&RESPONSE_FIELDS, "Sec-WebSocket-Accept", &[ACCEPT]));
    assert!(matches!(expected.check_http(&valid()), Ok(Some(_))));
    for status in [100, 200, 204, 302, 401, 403, 426, 500] {
        for version in [Version::HTTP_11, Version::HTTP_10] {
            let mut response = valid();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.version_mut() = version;
            assert_eq!(expected.check_http(&response), Ok(None), "{status}");
        }
    }
    for (version, text) in OTHER_VERSIONS {
        let mut response = valid();
        *response.version_mut() = version;
        let error = ResponseError::UnsupportedHttpVersion { version: quoted(text) };
        assert_eq!(expected.check_http(&response), Err(error), "{version:?}");
    }
}

/// R016 R019: A request that cannot be sent as bytes is an error here too.
#[test]
fn s4_1_a_request_cannot_be_broken() {
    let rows = [
        (
            plain().subprotocol("a b"),
            LocalHandshakeError::InvalidSubprotocol { position: 1 },
        ),
        (
            plain().subprotocol("a").subprotocol("a"),
            LocalHandshakeError::RepeatedSubprotocol { position: 2 },
        ),
        (plain().header("Host", "h"), reserved("Host")),
        (plain().header("X Y", "z"), invalid_name("X Y")),
        (plain().header("X", "y\r\nZ: a"), invalid_value("X")),
        (plain().origin("\0"), invalid_value("Origin")),
        // Limits of the `http` crate.
        (
            ClientRequest::from_parts("h", &format!("/{}", "x".repeat(70_000))).unwrap(),
            LocalHandshakeError::TargetTooLong { len: 70_001 },
        ),
        (
            plain().header("x".repeat(70_000), ""),
            invalid_name(&"x".repeat(70_000)),
        ),
    ];
    for (request, error) in rows {
        assert_eq!(
            request.to_http(NONCE, &Config::default()).map(|_| ()),
            Err(error),
            "{request:?}"
        );
    }
    plain()
        .subprotocol("a")
        .header("X", "\u{e9}")
        .to_http(NONCE, &Config::default())
        .unwrap();
}

/// An extended CONNECT as hyper and h2 report it: the `:protocol` is beside it.
fn http_connect(uri: &str, fields: &[(&str, &str)]) -> http::Request<()> {
    let mut request = http_request(fields);
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.parse().unwrap();
    request
}

const VERSION: [(&str, &str); 1] = [("sec-websocket-version", "13")];

/// R192 R195 R196 R198 R199 R203: An extended CONNECT from a client to a server, with the types of
/// the `http` crate.
#[test]
fn rfc8441_s5_an_extended_connect_of_the_http_crate() {
    let wanted = ClientRequest::new("wss://example.com:8443/chat?room=1")
        .unwrap()
        .subprotocol("chat.v1")
        .header("Cookie", "a=1")
        .header("Cookie", "b=2");
    let (mut sent, expected) = wanted.to_http_connect(&Config::default()).unwrap();
    assert_eq!((sent.method(), sent.version()), (&Method::CONNECT, Version::HTTP_2));
    assert_eq!(sent.uri(), "https://example.com:8443/chat?room=1");
    assert_eq!(sent.headers()["sec-websocket-version"], "13");
    assert_eq!(sent.headers().get_all("cookie").iter().count(), 2);
    for name in ["host", "connection", "upgrade", "sec-websocket-key"] {
        assert_eq!(sent.headers().get(name), None);
    }
    for version in [Version::HTTP_2, Version::HTTP_3] {
        *sent.version_mut() = version;
        let request = Request::from_http_connect(&sent, Some("websocket")).unwrap();
        assert_eq!((request.target(), request.host()), ("/chat?room=1", "example.com:8443"));
        let accept = Accept::new().subprotocol(Some("chat.v1")).headers(&[("X", "y")]);
        let (mut response, negotiated) = request.to_http_response(&accept, &Config::default()).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["sec-websocket-protocol", "x"]);
        *response.version_mut() = version;
        assert_eq!(expected.check_http(&response), Ok(Some(negotiated)));
    }
    let too_long = ClientRequest::from_parts("h", &format!("/{}", "x".repeat(70_000))).unwrap();
    assert_eq!(
        too_long.to_http_connect(&Config::default()).map(|_| ()),
        Err(LocalHandshakeError::TargetTooLong { len: 70_001 })
    );
    // The `http` crate has no percent-encoded hosts.
    let encoded = ClientRequest::new("wss://ex%41mple.com/").unwrap();
    assert_eq!(
        encoded.to_http_connect(&Config::default()).map(|_| ()),
        Err(LocalHandshakeError::InvalidHost {
            host: quoted("ex%41mple.com")
        })
    );
}

/// R194 R204: The rules of an extended CONNECT apply to the types of the `http` crate. (F58: any
/// CONNECT was taken for a WebSocket.)
#[test]
fn f58_a_parsed_connect_follows_the_same_rules() {
    let missing = |name| RequestError::MissingPseudoHeader { name };
    let uri = "https://example.com/chat";
    let rows = [
        (uri, Some("websocket"), None),
        ("https://example.com", Some("websocket"), None),
        (uri, None, Some(missing(":protocol"))),
        // A plain CONNECT has an authority only.
        ("example.com:443", None, Some(missing(":protocol"))),
        ("example.com:443", Some("websocket"), Some(missing(":scheme"))),
        ("/chat", Some("websocket"), Some(missing(":scheme"))),
        (
            uri,
            Some("connect-udp"),
            Some(RequestError::UnsupportedProtocol {
                protocol: quoted("connect-udp"),
            }),
        ),
    ];
    for (uri, protocol, error) in rows {
        let parsed = http_connect(uri, &VERSION);
        let found = Request::from_http_connect(&parsed, protocol).map(|_| ());
        assert_eq!(found, error.map_or(Ok(()), Err), "{uri} {protocol:?}");
    }
    let mut get = http_connect(uri, &VERSION);
    *get.method_mut() = Method::GET;
    assert_eq!(
        Request::from_http_connect(&get, Some("websocket")),
        Err(RequestError::UnsupportedConnectMethod { method: quoted("GET") })
    );
    let parsed = http_connect(uri, &[VERSION[0], ("upgrade", "websocket")]);
    assert_eq!(
        Request::from_http_connect(&parsed, Some("websocket")),
        Err(RequestError::ConnectionHeader {
            name: quoted("upgrade")
        })
    );
    for (version, text) in [
        (Version::HTTP_11, "HTTP/1.1"),
        (Version::HTTP_10, "HTTP/1.0"),
        (Version::HTTP_09, "HTTP/0.9"),
    ] {
        let mut parsed = http_connect(uri, &VERSION);
        *parsed.version_mut() = version;
        let error = RequestError::UnsupportedConnectVersion { version: quoted(text) };
        assert_eq!(Request::from_http_connect(&parsed, Some("websocket")), Err(error));
        // A response over HTTP/1.1 opens no WebSocket, whatever its status.
        let (_, expected) = plain().to_http_connect(&Config::default()).unwrap();
        let mut response = http::Response::new(());
        *response.version_mut() = version;
        let error = ResponseError::UnsupportedConnectVersion { version: quoted(text) };
        for status in [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS] {
            *response.status_mut() = status;
            assert_eq!(expected.check_http(&response), Err(error));
        }
        *response.status_mut() = StatusCode::FORBIDDEN;
        assert_eq!(expected.check_http(&response), Ok(None));
    }
}

/// R196 R199: A rejection over HTTP/2 has no header that belongs to a connection.
#[test]
fn rfc8441_s5_a_rejection_of_the_http_crate() {
    for error in request_errors() {
        let response = error.to_http_connect();
        let (status, list) = error.connect_response();
        assert_eq!(response.status().as_u16(), status, "{error:?}");
        assert_eq!(response.headers(), &header_map(list), "{error:?}");
        assert_eq!(response.headers().get("connection"), None, "{error:?}");
    }
}
