//! The opening handshake, over scripted transports.

use std::{
    error::Error as _,
    io::{self, ErrorKind, Read, Write},
};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Event, ProtocolError, Role,
    adapter::{
        Error,
        std_net::{self, Incoming, WebSocket},
    },
    error::{LocalHandshakeError, RequestError},
};
use support::{REQUEST, frame, frames, pair::Endpoint, quoted};

use super::{ScriptedTransport, close, io_kind, text};

/// A client's transport to an echo server in memory. A read and a write transfer at most `max_len`
/// bytes.
struct EchoServer {
    server: Endpoint,
    max_len: usize,
}

impl Read for EchoServer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.server.take(buf.len().min(self.max_len));
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for EchoServer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(self.max_len);
        self.server.receive(&mut buf[..n].to_vec());
        assert_eq!(self.server.error, None);
        for event in self.server.take_events() {
            let Endpoint { engine, out, .. } = &mut self.server;
            match event {
                Event::Text(text) => engine.send_text(&text, out).unwrap(),
                Event::Binary(data) => engine.send_binary(&data, out).unwrap(),
                _ => {}
            }
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The handshake and the messages of a client, a few bytes at a time in both directions.
#[test]
fn a_client_works_over_a_slow_transport() {
    for max_len in [1, 2, 3, 7, 50, usize::MAX] {
        let server = EchoServer {
            server: Endpoint::new(Connection::server(Config::default())),
            max_len,
        };
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let (mut ws, response) = WebSocket::client(server, &request, Config::default()).unwrap();
        assert_eq!(response.status(), 101);
        ws.send("echo").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(text("echo")), "{max_len}");
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(ws.recv().unwrap(), None, "{max_len}");
        assert!(ws.close_status().unwrap().is_clean());
    }
}

/// The handshake of a server, with frames directly after the request, in reads of several lengths.
#[test]
fn a_server_works_over_a_slow_transport() {
    let input = [
        REQUEST.as_bytes(),
        &frame(Role::Client, 0x81, b"early"),
        &close(Role::Client, 1000),
    ]
    .concat();
    for piece in [1, 2, 5, 100, REQUEST.len(), REQUEST.len() + 1, input.len()] {
        let script = ScriptedTransport::reading(input.chunks(piece).map(<[u8]>::to_vec));
        let incoming = Incoming::new(script, Config::default()).unwrap();
        assert_eq!(incoming.request().target(), "/");
        let mut ws = incoming.accept(&Accept::new()).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(text("early")), "{piece}");
        assert_eq!(ws.recv().unwrap(), None, "{piece}");
        let written = &ws.get_ref().written;
        assert!(written.starts_with(b"HTTP/1.1 101 "));
        let end = written.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(
            frames(Role::Server, &written[end..]),
            [(0x88, vec![0x03, 0xE8])],
            "{piece}"
        );
    }
}

/// An invalid request is an error.
#[test]
fn an_invalid_request_is_an_error() {
    let script = ScriptedTransport::reading([b"PUT / HTTP/1.1\r\n\r\n".to_vec()]);
    let error = Incoming::new(script, Config::default()).unwrap_err();
    let expected = ProtocolError::Request(RequestError::UnsupportedMethod { method: quoted("PUT") });
    assert!(
        matches!(&error, Error::Protocol(found) if **found == expected),
        "{error:?}"
    );
}

/// R116: a transport that ends or fails during the handshake is an error, for a server and for a
/// client.
#[test]
fn the_end_of_the_transport_during_the_handshake_is_an_error() {
    for end in 0..REQUEST.len() {
        let front = REQUEST.as_bytes()[..end].to_vec();
        let script = ScriptedTransport::reading([front.clone()].into_iter().filter(|bytes| !bytes.is_empty()));
        let error = Incoming::new(script, Config::default()).unwrap_err();
        assert!(
            matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof),
            "{end}: {error:?}"
        );
        let mut script = ScriptedTransport::reading([front].into_iter().filter(|bytes| !bytes.is_empty()));
        script.reads.push_back(Err(ErrorKind::ConnectionReset));
        let error = Incoming::new(script, Config::default()).unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{end}");
    }
    let request = ClientRequest::new("ws://example.com/").unwrap();
    for front in [
        "",
        "HTTP/1.1 1",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    ] {
        let script = ScriptedTransport::reading([front.into()].into_iter().filter(|bytes: &Vec<u8>| !bytes.is_empty()));
        let error = WebSocket::client(script, &request, Config::default()).unwrap_err();
        assert!(
            matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof),
            "{front}: {error:?}"
        );
    }
}

/// A refusal is an error with the status, the headers and the body of the response.
#[test]
fn a_refusal_is_an_error_with_the_response() {
    let response = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nnope";
    for piece in [1, 10, response.len()] {
        let script = ScriptedTransport::reading(response.as_bytes().chunks(piece).map(<[u8]>::to_vec));
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let error = WebSocket::client(script, &request, Config::default()).unwrap_err();
        assert!(error.to_string().contains("401"), "{error}");
        let Error::Refused(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.response.status(), 401);
        assert_eq!(refusal.response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
        assert_eq!((&refusal.body[..], refusal.is_complete), (&b"nope"[..], true));
    }
}

/// A refusal whose body ends with the transport, or is truncated by its end, is reported with its
/// body: by a whole connection, and by the reading half of an engine that has sent its request.
#[test]
fn a_refusal_body_ends_with_the_transport() {
    for (length, is_complete) in [("", true), ("Content-Length: 10\r\n", false)] {
        let response = format!("HTTP/1.1 403 Forbidden\r\n{length}\r\ngo away");
        for piece in [1, 10, response.len()] {
            let script = || ScriptedTransport::reading(response.as_bytes().chunks(piece).map(<[u8]>::to_vec));
            let request = ClientRequest::new("ws://example.com/").unwrap();
            let Err(Error::Refused(whole)) = WebSocket::client(script(), &request, Config::default()) else {
                panic!()
            };
            let engine = Connection::client(&request, Config::default(), [7; 32], &mut Vec::new()).unwrap();
            let ws = WebSocket::upgraded(script(), engine, Config::default());
            let (mut reader, _writer) = ws.split_with(|script| Ok((script, io::sink()))).unwrap();
            let Ok(Some(Event::Refused(half))) = reader.recv_event() else {
                panic!()
            };
            for refusal in [whole, half] {
                assert_eq!(refusal.response.status(), 403);
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"go away"[..], is_complete));
            }
        }
    }
}

/// F62: a refusal whose body is cut off is reported with its status, its headers and what has
/// arrived, whether the transport ends, fails or times out: by a whole connection, and by a reading
/// half.
#[test]
fn f62_a_refusal_is_reported_whatever_ends_its_body() {
    let ends = [
        None,
        Some(ErrorKind::ConnectionReset),
        Some(ErrorKind::WouldBlock),
        Some(ErrorKind::TimedOut),
    ];
    for length in ["", "Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        for end in ends {
            let body = if length.starts_with('T') { "64\r\nsay" } else { "say" };
            let response = format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n{length}\r\n{body}");
            let script = || {
                let mut script = ScriptedTransport::reading([response.clone().into_bytes()]);
                script.reads.extend(end.map(Err));
                script
            };
            let request = ClientRequest::new("ws://example.com/").unwrap();
            let error = WebSocket::client(script(), &request, Config::default()).unwrap_err();
            let Error::Refused(whole) = error else {
                panic!("{length} {end:?}: {error:?}")
            };
            let mut refusals = vec![whole];
            // A reader can call again after a timeout.
            if matches!(end, None | Some(ErrorKind::ConnectionReset)) {
                let engine = Connection::client(&request, Config::default(), [7; 32], &mut Vec::new()).unwrap();
                let ws = WebSocket::upgraded(script(), engine, Config::default());
                let (mut reader, _writer) = ws.split_with(|script| Ok((script, io::sink()))).unwrap();
                let event = reader.recv_event().unwrap();
                let Some(Event::Refused(half)) = event else {
                    panic!("{length} {end:?}: {event:?}")
                };
                refusals.push(half);
                assert!(reader.recv_event().unwrap().is_none());
            }
            for refusal in refusals {
                assert_eq!(refusal.response.status(), 401);
                assert_eq!(refusal.response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
                let is_complete = end.is_none() && length.is_empty();
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"say"[..], is_complete));
            }
        }
    }
}

/// An acceptance that cannot be sent is an error, and so are an invalid URL and a URL that needs
/// TLS.
#[test]
fn invalid_acceptances_and_urls_are_errors() {
    let script = ScriptedTransport::reading([REQUEST.into()]);
    let incoming = Incoming::new(script, Config::default()).unwrap();
    let error = incoming.accept(&Accept::new().subprotocol(Some("chat"))).unwrap_err();
    let expected = LocalHandshakeError::SubprotocolNotOffered {
        subprotocol: quoted("chat"),
    };
    assert!(
        matches!(error, Error::LocalHandshake(found) if found == expected),
        "{error:?}"
    );
    assert_eq!(error.to_string(), expected.to_string());
    assert!(error.source().is_none(), "the text of the error has the cause");
    let error = std_net::connect("ftp://127.0.0.1:1/").unwrap_err();
    let expected = LocalHandshakeError::InvalidScheme {
        url: quoted("ftp://127.0.0.1:1/"),
    };
    assert!(
        matches!(error, Error::LocalHandshake(found) if found == expected),
        "{error:?}"
    );
    if cfg!(not(feature = "rustls")) {
        let error = std_net::connect("wss://127.0.0.1:1/").unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::Unsupported));
    }
}
