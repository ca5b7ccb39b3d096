//! The opening handshake: heads, lists, bodies of refusals, URLs, proxies, HTTP/2.

use std::hint::black_box;

use sockless::{
    Accept, ClientRequest, Connection, Event, ProtocolError, Request, State, error::RequestError, frame::ReservedBits,
    proxy::Proxy,
};

use super::{
    Order, Workload, linear,
    support::{Arriving, SEED, config, numbered, repeat, request_with, serve},
};
use crate::RunMessages;

pub const ALL: &[Workload] = &[
    linear("request head, byte by byte", "bytes of a cookie", 4096, |n| {
        cookie(n, 1)
    }),
    linear("request head, in one input", "bytes of a cookie", 32768, |n| {
        cookie(n, 0)
    }),
    linear("request headers, byte by byte", "headers", 500, |n| {
        serve(&request_with(&"a: b\r\n".repeat(n)), 1, config())
    }),
    linear("request headers, in one input", "headers", 1000, |n| {
        serve(&request_with(&"a: b\r\n".repeat(n)), 0, config())
    }),
    linear("request headers that are looked up", "headers", 1000, headers_looked_up),
    linear("request from a list of fields", "cookies", 1000, request_from_list),
    linear("empty lines before a request, byte by byte", "empty lines", 2000, |n| {
        serve(&("\r\n".repeat(n) + &request_with("")), 1, config())
    }),
    linear("elements of `Connection`", "elements", 2000, |n| {
        serve(
            &request_with(&format!("Connection: {}\r\n", "a,".repeat(n))),
            0,
            config(),
        )
    }),
    linear("headers `Connection`", "headers", 1000, |n| {
        serve(&request_with(&"Connection: a\r\n".repeat(n)), 0, config())
    }),
    linear("request target", "bytes of a path", 16384, |n| target("", n)),
    linear(
        "request target that is an absolute URI",
        "bytes of a path",
        16384,
        |n| target("http://example.com", n),
    ),
    linear("request that is invalid at its end", "headers", 1000, |n| {
        let head = request_with(&("a: b\r\n".repeat(n) + "no colon\r\n"));
        invalid_request(&head, |error| matches!(error, RequestError::InvalidHeaderLine { .. }))
    }),
    linear("subprotocols in one header", "subprotocols", 1000, |n| {
        let list = numbered(n, ", ", subprotocol);
        serve(
            &request_with(&format!("Sec-WebSocket-Protocol: {list}\r\n")),
            0,
            config(),
        )
    })
    .order(Order::Sorting),
    linear("subprotocols in headers of their own", "subprotocols", 1000, |n| {
        serve(
            &request_with(&numbered(n, "", |index| {
                format!("Sec-WebSocket-Protocol: {}\r\n", subprotocol(index))
            })),
            0,
            config(),
        )
    })
    .order(Order::Sorting),
    linear(
        "subprotocols of which the last is a repetition",
        "subprotocols",
        500,
        |n| {
            let list = numbered(n, ", ", |index| subprotocol(index % (n - 1)));
            let head = request_with(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
            invalid_request(&head, |error| matches!(error, RequestError::RepeatedSubprotocol { .. }))
        },
    )
    .order(Order::Sorting),
    linear("subprotocols without an element", "commas", 8192, |n| {
        let head = request_with(&format!("Sec-WebSocket-Protocol: {}\r\n", ",".repeat(n)));
        invalid_request(&head, |error| matches!(error, RequestError::EmptySubprotocolList))
    }),
    linear("choosing one of 8 subprotocols", "subprotocols offered", 500, |n| {
        choose_subprotocol(n, 8)
    }),
    linear(
        "choosing one of n subprotocols",
        "subprotocols offered, and supported",
        50,
        |n| choose_subprotocol(n, n),
    )
    .order(Order::Quadratic),
    linear("extensions that are offered", "extensions", 1000, |n| {
        offers(&numbered(n, ", ", |index| format!("x-{index:06}")))
    }),
    linear("extensions without an element", "commas", 8192, |n| {
        let head = request_with(&format!("Sec-WebSocket-Extensions: {}\r\n", ",".repeat(n)));
        invalid_request(&head, |error| matches!(error, RequestError::EmptyExtensionList))
    }),
    linear("parameters of an extension", "parameters", 1000, |n| {
        offers(&format!("x{}", "; a=b".repeat(n)))
    }),
    linear("quoted parameter of an extension", "bytes", 8192, |n| {
        offers(&format!("x; a=\"{}\"", "\\b".repeat(n)))
    }),
    linear(
        "extension of the server's own among others",
        "extensions offered",
        1000,
        own_extension,
    ),
    linear("origins that are allowed", "origins listed", 500, |n| {
        check_origin(n, |accept, listed| accept.origins(listed))
    }),
    linear("hosts that are allowed", "hosts listed", 500, |n| {
        check_origin(n, |accept, listed| accept.any_origin().hosts(listed))
    }),
    linear("rejection with headers", "headers", 500, reject),
    linear("frames before the decision, byte by byte", "Pings", 500, |n| {
        early_frames(n, 1)
    }),
    linear("frames before the decision, in one input", "Pings", 500, |n| {
        early_frames(n, 0)
    }),
    linear("response head, byte by byte", "bytes of a cookie", 4096, |n| {
        connect(&format!("Set-Cookie: {}\r\n", "c".repeat(n)), "", 1)
    }),
    linear("response headers, in one input", "headers", 1000, |n| {
        connect(&"a: b\r\n".repeat(n), "", 0)
    }),
    linear("interim responses, byte by byte", "responses", 200, |n| {
        connect("", &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(n), 1)
    }),
    linear("interim responses, in one input", "responses", 200, |n| {
        connect("", &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(n), 0)
    }),
    linear(
        "parameters of an extension in a response",
        "parameters",
        1000,
        answered_extension,
    ),
    linear("elements of `Connection` in a response", "elements", 1000, |n| {
        connect(&format!("Connection: {}\r\n", "a,".repeat(n)), "", 0)
    }),
    linear("refusal with a length, byte by byte", "bytes of the body", 4096, |n| {
        refused(&format!("Content-Length: {n}\r\n"), &"b".repeat(n), 1)
    }),
    linear("refusal until the end, byte by byte", "bytes of the body", 4096, |n| {
        refused("", &"b".repeat(n), 1)
    }),
    linear("refusal in chunks, byte by byte", "chunks", 1000, |n| {
        refused("Transfer-Encoding: chunked\r\n", &("1\r\nb\r\n".repeat(n) + "0\r\n"), 1)
    }),
    linear("refusal in chunks, in one input", "chunks", 1000, |n| {
        refused("Transfer-Encoding: chunked\r\n", &("1\r\nb\r\n".repeat(n) + "0\r\n"), 0)
    }),
    linear("answer of a proxy, byte by byte", "bytes of a header", 4096, |n| {
        tunnel(&format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(n)), true)
    }),
    linear("interim answers of a proxy, byte by byte", "answers", 200, |n| {
        tunnel(
            &("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(n) + "HTTP/1.1 200 OK\r\n\r\n"),
            true,
        )
    }),
    linear("refusal of a proxy, byte by byte", "bytes of the body", 4096, |n| {
        tunnel(
            &format!("HTTP/1.1 407 No\r\nContent-Length: {n}\r\n\r\n{}", "b".repeat(n)),
            false,
        )
    }),
    linear("URL that is percent-encoded", "bytes of a path", 8192, |n| {
        url(format!("ws://example.com/{}", "ä".repeat(n / 2)))
    }),
    linear("URL with a long query", "bytes of a query", 8192, |n| {
        url(format!("ws://example.com/?{}", "a&".repeat(n / 2)))
    }),
    linear("headers that a client adds", "headers", 500, client_headers),
    linear(
        "subprotocols that a client offers",
        "subprotocols",
        500,
        client_subprotocols,
    )
    .order(Order::Sorting),
    linear("extended CONNECT: headers", "headers", 1000, |n| {
        extended_connect(n, "a", "b")
    }),
    linear("extended CONNECT: cookies", "headers", 1000, |n| {
        extended_connect(n, "cookie", "a=b")
    }),
    linear("extended CONNECT: extensions", "headers", 1000, |n| {
        extended_connect(n, "sec-websocket-extensions", "x; a=b")
    }),
    linear(
        "extended CONNECT: headers of the response",
        "headers",
        1000,
        connect_response,
    ),
];

/// Returns a name for each number, which are all different and in no order.
fn subprotocol(index: usize) -> String {
    format!("p{:07}", index * 7919 % 1_000_003)
}

fn cookie(n: usize, piece: usize) -> RunMessages {
    serve(
        &request_with(&format!("Cookie: {}\r\n", "c".repeat(n))),
        piece,
        config(),
    )
}

fn target(authority: &str, n: usize) -> RunMessages {
    let head = request_with("").replace("/chat", &format!("{authority}/{}", "p".repeat(n)));
    serve(&head, 0, config())
}

/// Returns a request that arrived, for work that needs no connection.
fn request(lines: &str) -> Request<'static> {
    let mut connection = Connection::server(config());
    let mut found = None;
    Arriving::new(request_with(lines), 0).receive(&mut connection, &mut Vec::new(), |_, event, _| {
        found = Some(event.into_owned());
    });
    match found {
        Some(Event::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn headers_looked_up(n: usize) -> RunMessages {
    let request = request(&("a: b\r\n".repeat(n) + "last: 1\r\n"));
    repeat(move || assert_eq!(black_box(&request).headers().get("last"), Some(&b"1"[..])))
}

fn request_from_list(n: usize) -> RunMessages {
    let cookies: Vec<String> = (0..n).map(|index| format!("c={index:06}")).collect();
    repeat(move || {
        let required: [(&str, &[u8]); 5] = [
            ("host", b"example.com"),
            ("upgrade", b"websocket"),
            ("connection", b"Upgrade"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", b"13"),
        ];
        let cookies = cookies.iter().map(|cookie| ("cookie", cookie.as_bytes()));
        let request = Request::from_list("GET", "/", required.into_iter().chain(cookies));
        black_box(request.expect("a valid request"));
    })
}

/// A server that answers an invalid request.
fn invalid_request(head: &str, is_expected: fn(&RequestError) -> bool) -> RunMessages {
    let mut arriving = Arriving::new(head, 0);
    repeat(move || {
        let mut connection = Connection::server(config());
        let input = arriving.pieces().next();
        let error = connection.receive(&mut input.expect("the head"), &mut Vec::new());
        match error.map_err(|error| *error) {
            Err(ProtocolError::Request(error)) if is_expected(&error) => {}
            other => panic!("{other:?}"),
        }
    })
}

fn choose_subprotocol(offered: usize, supported: usize) -> RunMessages {
    let list = numbered(offered, ", ", subprotocol);
    let request = request(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
    let supported: Vec<String> = (0..supported).map(|index| format!("q{index:06}")).collect();
    repeat(move || assert_eq!(black_box(&request).choose_subprotocol(&supported), None))
}

fn offers(list: &str) -> RunMessages {
    serve(
        &request_with(&format!("Sec-WebSocket-Extensions: {list}\r\n")),
        0,
        config(),
    )
}

fn own_extension(n: usize) -> RunMessages {
    let list = numbered(n, ", ", |index| format!("x-{index:06}"));
    let request = request(&format!("Sec-WebSocket-Extensions: {list}\r\n"));
    let last = format!("x-{:06}", n - 1);
    repeat(move || {
        let own = [(&*last, ReservedBits::RSV2)];
        let accepted = request.acceptance(&Accept::new().extensions(&own), &config());
        black_box(accepted.expect("the last extension that is offered"));
    })
}

/// The list has the host and the origin of the request at its end.
fn check_origin(n: usize, allow: for<'a> fn(Accept<'a>, &'a [&'a str]) -> Accept<'a>) -> RunMessages {
    let request = request("Origin: https://example.com\r\n");
    let names: Vec<String> = (0..n).map(|index| format!("https://{index:06}.com")).collect();
    repeat(move || {
        let mut listed: Vec<&str> = names.iter().map(String::as_str).collect();
        listed.extend(["https://example.com", "example.com"]);
        request
            .check_origin(&allow(Accept::new(), &listed))
            .expect("it is listed");
    })
}

fn reject(n: usize) -> RunMessages {
    let mut arriving = Arriving::new(request_with(""), 0);
    repeat(move || {
        let mut connection = Connection::server(config());
        let mut out = Vec::new();
        let headers = vec![("a", black_box("b")); n];
        arriving.receive(&mut connection, &mut out, |connection, _, out| {
            connection.reject(403, &headers, b"", out).expect("a valid rejection");
        });
        assert!(black_box(out).len() > n * 6);
    })
}

/// A client that does not wait for the response, and a server that decides later.
fn early_frames(n: usize, piece: usize) -> RunMessages {
    let mut head = Arriving::new(request_with(""), 0);
    let mut frames = Arriving::new(b"\x89\x80abcd".repeat(n), piece);
    repeat(move || {
        let mut connection = Connection::server(config());
        let mut out = Vec::new();
        let mut request = None;
        head.receive(&mut connection, &mut out, |_, event, _| {
            request = Some(event.into_owned())
        });
        frames.receive(&mut connection, &mut out, |_, event, _| panic!("{event:?}"));
        let Some(Event::Request(request)) = request else {
            panic!("{request:?}")
        };
        connection
            .accept(&request, &Accept::new(), &mut out)
            .expect("a valid request");
        let mut events = 0;
        while let Some(Event::Ping(_)) = connection.receive(&mut &mut [][..], &mut out).expect("valid frames") {
            events += 1;
        }
        assert_eq!(events, n);
    })
}

/// A client that receives `interim` and a response with more header lines.
fn connect(lines: &str, interim: &str, piece: usize) -> RunMessages {
    let request = ClientRequest::new("ws://example.com/").expect("a URL");
    let mut answer = Vec::new();
    let mut head = Vec::new();
    let mut server = Connection::server(config());
    Connection::client(&request, config(), SEED, &mut head).expect("a valid request");
    Arriving::new(head, 0).receive(&mut server, &mut answer, |server, event, out| {
        let Event::Request(request) = event else {
            panic!("{event:?}")
        };
        server.accept(&request, &Accept::new(), out).expect("a valid request");
    });
    let response = String::from_utf8(answer).expect("a head");
    let response = format!(
        "{interim}{}{lines}\r\n",
        response.strip_suffix("\r\n").expect("a blank line")
    );
    let mut arriving = Arriving::new(response, piece);
    repeat(move || {
        let mut out = Vec::new();
        let mut client = Connection::client(&request, config(), SEED, &mut out).expect("a valid request");
        let events = arriving.receive(&mut client, &mut out, |_, _, _| {});
        assert_eq!((client.state(), events), (State::Open, 1));
    })
}

fn answered_extension(n: usize) -> RunMessages {
    let request = ClientRequest::new("ws://example.com/").expect("a URL");
    let (_, expected) = request
        .extension("x-own", ReservedBits::RSV2)
        .connect_fields(&config())
        .expect("a valid request");
    let answer = format!("x-own{}", "; a=b".repeat(n));
    repeat(move || {
        let fields = [("sec-websocket-extensions", black_box(&answer).as_bytes())];
        let negotiated = expected.check(fields).expect("the extension that is offered");
        assert_eq!(negotiated.reserved, ReservedBits::RSV2);
    })
}

fn refused(lines: &str, body: &str, piece: usize) -> RunMessages {
    let request = ClientRequest::new("ws://example.com/").expect("a URL");
    let mut arriving = Arriving::new(format!("HTTP/1.1 403 Forbidden\r\n{lines}\r\n{body}"), piece);
    repeat(move || {
        let mut out = Vec::new();
        let mut client = Connection::client(&request, config(), SEED, &mut out).expect("a valid request");
        let events = arriving.receive(&mut client, &mut out, |_, event, _| {
            assert!(matches!(event, Event::Refused(_)), "{event:?}");
        });
        let is_refused = events == 1 || matches!(client.receive_eof(), Ok(Some(Event::Refused(_))));
        assert!(is_refused);
    })
}

fn tunnel(answer: &str, is_open: bool) -> RunMessages {
    let proxy = Proxy::new("http://proxy.example.com:3128").expect("a URL");
    let mut arriving = Arriving::new(answer, 1);
    repeat(move || {
        let mut out = Vec::new();
        let mut connect = proxy
            .connect("example.com", 443, &config(), &mut out)
            .expect("a valid request");
        let results = arriving.pieces().map(|mut input| connect.receive(&mut input));
        let opened = results.filter(|result| matches!(result, Ok(Some(_)))).count();
        assert_eq!(opened == 1, is_open);
        let refused = connect.receive(&mut &mut [][..]).is_err();
        assert_eq!(refused, !is_open);
    })
}

fn url(url: String) -> RunMessages {
    repeat(move || {
        let request = ClientRequest::new(black_box(&url)).expect("a URL");
        assert!(black_box(request).target().len() > url.len() / 2);
    })
}

fn client_headers(n: usize) -> RunMessages {
    let names: Vec<String> = (0..n).map(|index| format!("x-{index:06}")).collect();
    repeat(move || {
        let request = ClientRequest::new("ws://example.com/").expect("a URL");
        let request = names
            .iter()
            .fold(request, |request, name| request.header(name, "value"));
        let mut out = Vec::new();
        Connection::client(&request, config(), SEED, &mut out).expect("a valid request");
        assert!(out.len() > n * 17);
    })
}

fn client_subprotocols(n: usize) -> RunMessages {
    let names: Vec<String> = (0..n).map(subprotocol).collect();
    repeat(move || {
        let request = ClientRequest::new("ws://example.com/").expect("a URL");
        let request = names.iter().fold(request, ClientRequest::subprotocol);
        let mut out = Vec::new();
        Connection::client(&request, config(), SEED, &mut out).expect("a valid request");
        assert!(out.len() > n * 9);
    })
}

fn extended_connect(n: usize, name: &'static str, value: &'static str) -> RunMessages {
    repeat(move || {
        let pseudo_headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", "/chat"),
            (":authority", "example.com"),
        ];
        let version: (&str, &[u8]) = ("sec-websocket-version", b"13");
        let headers = std::iter::repeat_n((black_box(name), value.as_bytes()), n).chain([version]);
        let request = Request::from_connect(pseudo_headers, headers).expect("a valid request");
        let accepted = request.acceptance(&Accept::new(), &config());
        black_box(accepted.expect("a valid request"));
    })
}

fn connect_response(n: usize) -> RunMessages {
    let request = ClientRequest::new("wss://example.com/").expect("a URL");
    let (_, expected) = request.connect_fields(&config()).expect("a valid request");
    repeat(move || {
        let headers = std::iter::repeat_n((black_box("a"), &b"b"[..]), n);
        let negotiated = expected.check_response(200, headers);
        assert!(matches!(negotiated, Ok(Some(_))), "{negotiated:?}");
    })
}
