//! The opening handshake of a client: responses, refusals, proxies, URLs; and extended CONNECT.

use std::{hint::black_box, iter};

use ::support::heads::CONNECT_FIELDS;
use sockless::{Accept, ClientRequest, Connection, Event, Request, State, frame::ReservedBits, proxy::Proxy};

use super::{
    Order, Workload,
    handshake::subprotocol,
    linear,
    support::{Arriving, SEED, config, repeat},
};
use crate::RunMessages;

pub const ALL: &[Workload] = &[
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
        let version: (&str, &[u8]) = ("sec-websocket-version", b"13");
        let headers = iter::repeat_n((black_box(name), value.as_bytes()), n).chain([version]);
        let request = Request::from_connect(CONNECT_FIELDS, headers).expect("a valid request");
        let accepted = request.acceptance(&Accept::new(), &config());
        black_box(accepted.expect("a valid request"));
    })
}

fn connect_response(n: usize) -> RunMessages {
    let request = ClientRequest::new("wss://example.com/").expect("a URL");
    let (_, expected) = request.connect_fields(&config()).expect("a valid request");
    repeat(move || {
        let headers = iter::repeat_n((black_box("a"), &b"b"[..]), n);
        let negotiated = expected.check_response(200, headers);
        assert!(matches!(negotiated, Ok(Some(_))), "{negotiated:?}");
    })
}
