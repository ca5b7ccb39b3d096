//! The opening handshake of a server: heads, lists, rejections, frames that arrive early.

use std::hint::black_box;

use ::support::heads::{REQUEST_FIELDS, listed, request_and};
use sockless::{Accept, Connection, Event, ProtocolError, Request, error::RequestError, frame::ReservedBits};

use super::{
    Order, Workload, linear,
    support::{Arriving, config, numbered, repeat, serve},
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
        serve(&request_and(&"a: b\r\n".repeat(n)), 1, config())
    }),
    linear("request headers, in one input", "headers", 1000, |n| {
        serve(&request_and(&"a: b\r\n".repeat(n)), 0, config())
    }),
    linear("request headers that are looked up", "headers", 1000, headers_looked_up),
    linear("request from a list of fields", "cookies", 1000, request_from_list),
    linear("empty lines before a request, byte by byte", "empty lines", 2000, |n| {
        serve(&("\r\n".repeat(n) + &request_and("")), 1, config())
    }),
    linear("elements of `Connection`", "elements", 2000, |n| {
        serve(
            &request_and(&format!("Connection: {}\r\n", "a,".repeat(n))),
            0,
            config(),
        )
    }),
    linear("headers `Connection`", "headers", 1000, |n| {
        serve(&request_and(&"Connection: a\r\n".repeat(n)), 0, config())
    }),
    linear("request target", "bytes of a path", 16384, |n| target("", n)),
    linear(
        "request target that is an absolute URI",
        "bytes of a path",
        16384,
        |n| target("http://example.com", n),
    ),
    linear("request that is invalid at its end", "headers", 1000, |n| {
        let head = request_and(&("a: b\r\n".repeat(n) + "no colon\r\n"));
        invalid_request(&head, |error| matches!(error, RequestError::InvalidHeaderLine { .. }))
    }),
    linear("subprotocols in one header", "subprotocols", 1000, |n| {
        let list = numbered(n, ", ", subprotocol);
        serve(
            &request_and(&format!("Sec-WebSocket-Protocol: {list}\r\n")),
            0,
            config(),
        )
    })
    .order(Order::Sorting),
    linear("subprotocols in headers of their own", "subprotocols", 1000, |n| {
        serve(
            &request_and(&numbered(n, "", |index| {
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
            let head = request_and(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
            invalid_request(&head, |error| matches!(error, RequestError::RepeatedSubprotocol { .. }))
        },
    )
    .order(Order::Sorting),
    linear("subprotocols without an element", "commas", 8192, |n| {
        let head = request_and(&format!("Sec-WebSocket-Protocol: {}\r\n", ",".repeat(n)));
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
        let head = request_and(&format!("Sec-WebSocket-Extensions: {}\r\n", ",".repeat(n)));
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
];

/// Returns a name for each number, which are all different and in no order.
pub fn subprotocol(index: usize) -> String {
    format!("p{:07}", index * 7919 % 1_000_003)
}

fn cookie(n: usize, piece: usize) -> RunMessages {
    serve(&request_and(&format!("Cookie: {}\r\n", "c".repeat(n))), piece, config())
}

fn target(authority: &str, n: usize) -> RunMessages {
    let head = request_and("").replacen('/', &format!("{authority}/{}", "p".repeat(n)), 1);
    serve(&head, 0, config())
}

/// Returns a request that arrived, for work that needs no connection.
fn request(lines: &str) -> Request<'static> {
    let mut connection = Connection::server(config());
    let mut found = None;
    Arriving::new(request_and(lines), 0).receive(&mut connection, &mut Vec::new(), |_, event, _| {
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
        let cookies = cookies.iter().map(|cookie| ("cookie", cookie.as_bytes()));
        let request = Request::from_list("GET", "/", listed(&REQUEST_FIELDS).chain(cookies));
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
        &request_and(&format!("Sec-WebSocket-Extensions: {list}\r\n")),
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
    let mut arriving = Arriving::new(request_and(""), 0);
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
    let mut head = Arriving::new(request_and(""), 0);
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
