//! `proxy`: a client and a server of this crate, with the proxy between them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Message, MessageKind,
    adapter::{
        Error,
        std_net::{self, Incoming, MaybeTlsStream, WebSocket},
    },
    deflate::DeflateConfig,
};

use crate::process::Process;

const PROXY: &str = env!("CARGO_BIN_EXE_proxy");

fn config() -> Config {
    Config::new().deflate(DeflateConfig::new().threshold(0))
}

/// Starts a server for one connection, and a proxy for it.
fn start<T: Send + 'static>(
    serve: impl FnOnce(Incoming<TcpStream>) -> T + Send + 'static,
) -> (Process, String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("ws://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        serve(std_net::incoming(tcp, config()).unwrap())
    });
    let (proxy, url) = Process::serve(PROXY, &[&to]);
    (proxy, url, server)
}

fn connect(url: &str) -> Result<WebSocket<MaybeTlsStream>, Error> {
    let request = ClientRequest::new(&format!("{url}path?query"))?
        .origin("http://page.example")
        .subprotocol("v2")
        .header("Cookie", "id=7");
    Ok(std_net::connect_with(&request, config())?.0)
}

/// Compressed messages and fragments of any length pass in both directions, and the closing
/// handshake with its code.
#[test]
fn what_two_ends_negotiate_passes() {
    let (_proxy, url, server) = start(|incoming| {
        let request = incoming.request();
        assert_eq!(request.target(), "/path?query");
        assert_eq!(request.origin(), Some("http://page.example"));
        assert_eq!(request.headers().get("cookie"), Some(&b"id=7"[..]));
        let accept = Accept::new().any_origin().subprotocol(Some("v2"));
        let mut ws = incoming.accept(&accept).unwrap();
        // Sent together with the response, or right after it.
        ws.send("first").unwrap();
        assert!(ws.negotiated().deflate.is_some());
        while let Some(message) = ws.recv().unwrap() {
            ws.send(message).unwrap();
        }
        let status = ws.close_status().unwrap();
        (status.code(), status.reason().to_owned())
    });
    let mut ws = connect(&url).unwrap();
    let negotiated = ws.negotiated();
    assert_eq!(negotiated.subprotocol.as_deref(), Some("v2"));
    assert!(negotiated.deflate.is_some());
    assert_eq!(ws.recv().unwrap(), Some("first".into()));
    for len in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let text = "the same again and again "
            .chars()
            .cycle()
            .take(len)
            .collect::<String>();
        ws.send(text.as_str()).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::text(text)));
    }
    ws.send_fragment(MessageKind::Binary, b"one ", false).unwrap();
    ws.ping(b"between").unwrap();
    ws.send_fragment(MessageKind::Binary, b"two", true).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::binary(&b"one two"[..])));
    ws.close(CloseCode::NORMAL, "that is all").unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(server.join().unwrap(), (CloseCode::NORMAL, "that is all".into()));
}

#[test]
fn the_server_closes_with_a_code() {
    let (_proxy, url, server) = start(|incoming| {
        let mut ws = incoming.accept(&Accept::new().any_origin()).unwrap();
        ws.close(CloseCode::INTERNAL_ERROR, "out of order").unwrap();
        let _ended = ws.recv();
    });
    let Err(Error::Closed(status)) = connect(&url).unwrap().recv() else {
        panic!("no Close frame")
    };
    assert_eq!(status.code(), CloseCode::INTERNAL_ERROR);
    assert_eq!(status.reason(), "out of order");
    server.join().unwrap();
}

/// Each end hears that the other is lost.
#[test]
fn an_end_without_a_close_frame() {
    let (proxy, url, server) = start(|incoming| drop(incoming.accept(&Accept::new().any_origin()).unwrap()));
    let Err(Error::Closed(status)) = connect(&url).unwrap().recv() else {
        panic!("no Close frame")
    };
    assert_eq!(status.code(), CloseCode::BAD_GATEWAY);
    server.join().unwrap();
    proxy.wait_for_error("the server: the transport ended", 1);

    let (_proxy, url, server) = start(|incoming| incoming.accept(&Accept::new().any_origin()).unwrap().recv());
    drop(connect(&url).unwrap());
    // 1001 is a success.
    assert_eq!(server.join().unwrap().unwrap(), None);
}

/// The proxy fails a client that violates the protocol, before the server sees it.
#[test]
fn a_client_that_violates_the_protocol() {
    let (proxy, url, server) = start(|incoming| incoming.accept(&Accept::new().any_origin()).unwrap().recv());
    let mut parts = connect(&url).unwrap().into_parts();
    // A frame without a mask.
    parts.transport.write_all(b"\x81\x02hi").unwrap();
    let mut received = Vec::new();
    parts.transport.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"\x88\x02\x03\xEA", "a Close frame with 1002");
    drop(parts);
    assert_eq!(server.join().unwrap().unwrap(), None, "a Close frame with 1001");
    proxy.wait_for_error("the client: ", 1);
}

#[test]
fn refusals_pass() {
    let (_proxy, url, server) = start(|incoming| {
        incoming
            .reject(401, &[("WWW-Authenticate", "Basic")], b"not for you\n")
            .unwrap()
    });
    let Err(Error::Refused(refusal)) = connect(&url) else {
        panic!("not refused")
    };
    assert_eq!(
        (refusal.response.status(), &refusal.body[..]),
        (401, &b"not for you\n"[..])
    );
    assert_eq!(refusal.response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
    server.join().unwrap();

    let (_proxy, url) = Process::serve(PROXY, &["ws://127.0.0.1:1"]);
    let Err(Error::Refused(refusal)) = connect(&url) else {
        panic!("not refused")
    };
    assert_eq!(refusal.response.status(), 502);
    assert_eq!(refusal.body, b"the server cannot be reached\n");
}

/// The cookies of the server reach the client.
#[test]
fn cookies_pass() {
    let (_proxy, url, server) = start(|incoming| {
        let headers = [
            ("Set-Cookie", "id=8; HttpOnly"),
            ("X-Other", "1"),
            ("Set-Cookie", "seen=1"),
        ];
        let mut ws = incoming.accept(&Accept::new().any_origin().headers(&headers)).unwrap();
        ws.close(CloseCode::NORMAL, "").unwrap();
        ws.recv()
    });
    let request = ClientRequest::new(&url).unwrap();
    let (mut ws, response) = std_net::connect_with(&request, config()).unwrap();
    let cookies: Vec<_> = response
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value)
        .collect();
    assert_eq!(cookies, [&b"id=8; HttpOnly"[..], b"seen=1"]);
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(server.join().unwrap().unwrap(), None);
}

/// A client cannot choose which server the proxy connects to. Appended to its URL, the first target
/// would make the host `127.0.0.1http`.
#[test]
fn a_target_that_is_no_path_is_refused() {
    let (proxy, url) = Process::serve(PROXY, &["ws://127.0.0.1"]);
    let address = url.strip_prefix("ws://").unwrap().trim_end_matches('/');
    let targets = ["http://evil.example/path", "https://evil.example:8080/"];
    for target in targets {
        let mut tcp = TcpStream::connect(address).unwrap();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        tcp.write_all(head.as_bytes()).unwrap();
        let mut response = String::new();
        tcp.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 400 "), "{target}: {response:?}");
    }
    proxy.wait_for_error("evil.example", targets.len());
}

#[test]
fn the_url_of_the_server_has_a_host_and_no_more() {
    for url in [
        "wss://127.0.0.1",
        "ws://127.0.0.1/path",
        "ws://127.0.0.1?query",
        "https://127.0.0.1",
        "ftp://127.0.0.1",
    ] {
        let (status, _, stderr) = Process::start(PROXY, &["--listen", "127.0.0.1:0", url]).end();
        assert_eq!(status, Some(2), "{url}: {stderr}");
    }
}

/// A client that does not read is lost after a time, and the server hears of it.
#[test]
fn a_client_that_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("ws://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let incoming = std_net::incoming(tcp, Config::new()).unwrap();
        let mut ws = incoming.accept(&Accept::new().any_origin()).unwrap();
        // More than the buffers of the sockets take.
        let message = vec![0; 1 << 20];
        for _ in 0..64 {
            ws.send(&message[..]).unwrap();
        }
        ws.recv()
    });
    let (proxy, url) = Process::serve(PROXY, &["--stall-timeout", "1", &to]);
    let client = connect(&url).unwrap();
    proxy.wait_for_error("the client has taken nothing for 1s", 1);
    // 1001 is a success.
    assert_eq!(server.join().unwrap().unwrap(), None);
    drop(client);
}
