//! Runs both examples and connects to them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sockless::{
    ClientRequest, CloseCode, Config, Connection, Event, Message, State, Teardown,
    adapter::Settings,
    deflate::{DeflateConfig, DeflateParams, WindowBits},
    handshake::Negotiated,
};
use sockless_http2::client::{Error, Http2};
use support::REQUEST;

const EXAMPLES: [&str; 2] = [env!("CARGO_BIN_EXE_axum"), env!("CARGO_BIN_EXE_hyper")];
const SEED: [u8; 32] = [0x5E; 32];

/// A running example.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(example: &str, options: &[&str]) -> Self {
        let mut child = Command::new(example)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.strip_prefix("listening on ws://").unwrap();
        let address = address.strip_suffix("/\n").unwrap().parse().unwrap();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn config(compressed: bool) -> Config {
    Config::new().deflate(compressed.then(|| DeflateConfig::new().threshold(0)))
}

/// Returns the bytes that the client sends after the request, and the events of the echo.
fn early(compressed: bool) -> (Vec<u8>, Vec<Event<'static>>) {
    let mut negotiated = Negotiated::default();
    negotiated.deflate = compressed.then_some(DeflateParams {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    });
    let mut client = Connection::upgraded_client(&negotiated, config(compressed), SEED);
    let (mut out, large) = (Vec::new(), vec![7; 100_000]);
    client.send_text("early", &mut out).unwrap();
    client.ping(b"ping", &mut out).unwrap();
    client.send_binary(&large, &mut out).unwrap();
    client.send_text("", &mut out).unwrap();
    client.close(CloseCode::NORMAL, "", &mut out).unwrap();
    let events = vec![
        Event::Text("early".into()),
        Event::Pong(b"ping".into()),
        Event::Binary(large.into()),
        Event::Text("".into()),
    ];
    (out, events)
}

/// Sends a request together with the first `together` of the early bytes, and receives to the end.
fn converse(server: &Server, compressed: bool, together: usize) {
    let url = format!("ws://{}/", server.address);
    let mut bytes = Vec::new();
    let request = ClientRequest::new(&url).unwrap();
    let mut client = Connection::client(&request, config(compressed), SEED, &mut bytes).unwrap();
    let (early, expected) = early(compressed);
    let together = together.min(early.len());
    bytes.extend(&early[..together]);
    let mut tcp = server.connect();
    tcp.write_all(&bytes).unwrap();

    let (mut buf, mut out, mut rest) = ([0; 4096], Vec::new(), &early[together..]);
    let (mut events, mut received) = (Vec::new(), 0);
    while client.state() != State::Closed {
        let n = tcp.read(&mut buf).unwrap();
        assert_ne!(n, 0, "{events:?}");
        received += n;
        let mut input = &mut buf[..n];
        while let Some(event) = client.receive(&mut input, &mut out).unwrap() {
            if let Event::Open(response) = &event {
                let extensions = response.headers().get("sec-websocket-extensions");
                assert_eq!(extensions.is_some(), compressed);
                tcp.write_all(rest).unwrap();
                rest = &[];
            } else {
                events.push(event.into_owned());
            }
        }
    }
    let Some(Event::Close(Some(frame))) = events.pop() else {
        panic!("{events:?}");
    };
    assert_eq!(frame.code, CloseCode::NORMAL);
    assert!(events == expected, "{together}");
    assert_eq!(received < 10_000, compressed, "{received}");
    // The server closes the transport.
    assert_eq!(client.teardown(), Some(Teardown::AwaitPeer));
    assert_eq!(tcp.read(&mut buf).unwrap(), 0);
}

/// Both also accept WebSockets over HTTP/2, as many as they allow on one connection, and refuse
/// other requests there.
#[test]
fn websockets_over_http_2() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for example in EXAMPLES {
        let server = Server::start(example, &["--deflate", "--deflate-threshold", "0"]);
        runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(server.address).await.unwrap();
            let http2 = Http2::connect(tcp).await.unwrap();
            for n in 0..10 {
                let request = ClientRequest::new(&format!("ws://{}/", server.address)).unwrap();
                let opened = http2.open(&request, config(n % 2 == 0), Settings::new()).await;
                let (mut ws, response) = opened.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(ws.negotiated().deflate.is_some(), n % 2 == 0);
                for len in [0, 1000, 300_000] {
                    let message = Message::Text("0123456789".repeat(len / 10).into());
                    ws.feed(&message).await.unwrap();
                    assert!(ws.recv().await.unwrap() == Some(message));
                }
                ws.close(CloseCode::NORMAL, "").await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), None);
                assert!(ws.close_status().unwrap().is_clean());
            }
            let request = ClientRequest::new(&format!("ws://{}/", server.address)).unwrap();
            let request = request.origin("http://evil.example");
            let Err(Error::Refused(response)) = http2.open(&request, config(false), Settings::new()).await else {
                panic!("not refused");
            };
            assert_eq!(response.status(), 403);
            assert!(response.body().starts_with(b"the client's Origin"), "{response:?}");
        });
    }
}

#[test]
fn bytes_after_the_request_are_not_lost() {
    for example in EXAMPLES {
        let server = Server::start(example, &[]);
        for together in [0, 1, 2, 5, 11, 12, 20, 30, 1_000, 10_000, usize::MAX] {
            converse(&server, false, together);
        }
    }
}

#[test]
fn compression_is_used_as_negotiated() {
    for example in EXAMPLES {
        let server = Server::start(example, &["--deflate", "--deflate-threshold", "0"]);
        for together in [0, 1, 10, usize::MAX] {
            converse(&server, true, together);
        }
        // A client that does not offer compression gets none.
        converse(&server, false, usize::MAX);
    }
}

/// Sends a request. Returns the head of the response and the length of its body.
fn send_request(server: &Server, request: &str) -> (String, usize) {
    let mut tcp = server.connect();
    tcp.write_all(request.as_bytes()).unwrap();
    let (mut head, mut tcp) = (String::new(), BufReader::new(tcp));
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(tcp.read_line(&mut head).unwrap(), 0, "{head}");
    }
    head.make_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    tcp.read_exact(&mut vec![0; length]).unwrap();
    (head, length)
}

#[test]
fn invalid_requests_are_refused() {
    let rows: [(&str, &str, &str, &[&str]); 7] = [
        (
            "GET",
            "GET",
            "101",
            &[
                "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
                "upgrade: websocket",
            ],
        ),
        (
            "Upgrade: websocket\r\n",
            "",
            "426",
            &[
                "sec-websocket-version: 13",
                "upgrade: websocket",
                "connection: close, upgrade",
            ],
        ),
        (
            "Version: 13",
            "Version: 8",
            "426",
            &["sec-websocket-version: 13", "upgrade: websocket"],
        ),
        ("ZQ==", "ZQ", "400", &[]),
        ("Connection: Upgrade\r\n", "", "400", &[]),
        ("GET", "POST", "405", &["allow: get"]),
        ("HTTP/1.1", "HTTP/1.0", "505", &[]),
    ];
    for example in EXAMPLES {
        let server = Server::start(example, &[]);
        for (old, new, status, fields) in rows {
            let (head, length) = send_request(&server, &REQUEST.replacen(old, new, 1));
            assert_eq!(head.split(' ').nth(1), Some(status), "{head}");
            for field in fields {
                assert!(head.lines().any(|line| line == *field), "{field}: {head}");
            }
            assert_eq!(length == 0, status == "101", "{head}");
        }
    }
}
