//! The opening handshake, from the construction of a connection until it is open: in one read, and
//! in reads of one byte.

use std::hint::black_box;

use bench_support::config;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sockless::{Accept, ClientRequest, Config, Connection, Event, State};
use support::heads::{BROWSER_REQUEST, REQUEST};

/// The response to the key of RFC 6455, section 1.3.
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The headers that a proxy adds to the response of a server.
const PROXY_HEADERS: &[u8] = b"\r\n\
    Server: nginx\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Via: 1.1 proxy.example.com\r\n\
    Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n\
    Set-Cookie: route=31d4d96e407aad42; Path=/; Secure; HttpOnly\r\n\
    X-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\n\r\n";

/// The lengths of a read.
const READS: [(&str, usize); 2] = [("whole", usize::MAX), ("by 1 byte", 1)];

/// Receives a request as a server, and accepts it.
fn serve(head: &mut [u8], read_len: usize, out: &mut Vec<u8>) -> Connection {
    let mut connection = Connection::server(Config::default());
    for mut input in head.chunks_mut(read_len) {
        while let Some(event) = connection.receive(&mut input, out).unwrap() {
            match event {
                Event::Request(request) => connection.accept(&request, &Accept::new(), out).unwrap(),
                event => panic!("{event:?}"),
            }
        }
    }
    connection
}

/// Sends a request as a client, and receives the response if there is one.
fn connect(request: &ClientRequest, response: Option<&mut [u8]>, read_len: usize, out: &mut Vec<u8>) -> Connection {
    // With the same seed, the key is the same every time.
    let mut connection = Connection::client(request, Config::default(), [7; 32], out).unwrap();
    let mut opened = 0;
    for mut input in response.into_iter().flat_map(|response| response.chunks_mut(read_len)) {
        while let Some(event) = connection.receive(&mut input, out).unwrap() {
            assert!(matches!(event, Event::Open(_)));
            opened += 1;
        }
    }
    assert_eq!(opened == 1, connection.state() == State::Open);
    connection
}

fn server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake/server");
    for (name, head) in [("short", REQUEST), ("browser", BROWSER_REQUEST)] {
        for (how, read_len) in READS {
            let mut out = Vec::new();
            serve(&mut head.to_owned().into_bytes(), read_len, &mut out);
            assert_eq!(sorted_lines(&out), sorted_lines(RESPONSE.as_bytes()));
            let len = out.len();

            let mut read = vec![0; head.len()];
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{name}/{how}"), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    read.copy_from_slice(black_box(head.as_bytes()));
                    let connection = serve(&mut read, read_len, &mut out);
                    assert_eq!((connection.state(), out.len()), (State::Open, len));
                    connection
                });
            });
        }
    }
}

fn client(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake/client");
    let request = ClientRequest::new("ws://example.com/chat?room=1").unwrap();
    let mut out = Vec::new();
    connect(&request, None, usize::MAX, &mut out);
    assert!(out.starts_with(b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n"));
    let len = out.len();
    let mut short = Vec::new();
    serve(&mut out, usize::MAX, &mut short);
    let long = [short.trim_ascii_end(), PROXY_HEADERS].concat();

    for (name, response) in [("short", short), ("proxy", long)] {
        for (how, read_len) in READS {
            let mut read = vec![0; response.len()];
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{name}/{how}"), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    read.copy_from_slice(black_box(&response));
                    let connection = connect(&request, Some(&mut read), read_len, &mut out);
                    assert_eq!((connection.state(), out.len()), (State::Open, len));
                    connection
                });
            });
        }
    }
}

/// Returns the lines of a head without their order, which has no meaning.
fn sorted_lines(head: &[u8]) -> Vec<&str> {
    let mut lines: Vec<&str> = std::str::from_utf8(head).unwrap().split("\r\n").collect();
    lines.sort_unstable();
    lines
}

criterion_group!(name = handshake; config = config(); targets = server, client);
criterion_main!(handshake);
