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

use super::{Script, close, io_kind, text};

/// A client's transport with a server behind it that accepts everything and echoes; both directions carry so many bytes
/// at a time.
struct Echo {
    server: Endpoint,
    piece: usize,
}

impl Read for Echo {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.server.take(buf.len().min(self.piece));
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Echo {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(self.piece);
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

/// A client's handshake and conversation, a few bytes at a time in both directions.
#[test]
fn a_client_over_a_slow_transport() {
    for piece in [1, 2, 3, 7, 50, usize::MAX] {
        let echo = Echo {
            server: Endpoint::new(Connection::server(Config::default())),
            piece,
        };
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let (mut ws, response) = WebSocket::client(echo, &request, Config::default()).unwrap();
        assert_eq!(response.status(), 101);
        ws.send("echo").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(text("echo")), "{piece}");
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(ws.recv().unwrap(), None, "{piece}");
        assert!(ws.close_status().unwrap().is_clean());
    }
}

/// A server's handshake, with frames right behind the request, in any pieces.
#[test]
fn a_server_over_a_slow_transport() {
    let input = [
        REQUEST.as_bytes(),
        &frame(Role::Client, 0x81, b"early"),
        &close(Role::Client, 1000),
    ]
    .concat();
    for piece in [1, 2, 5, 100, REQUEST.len(), REQUEST.len() + 1, input.len()] {
        let script = Script::reading(input.chunks(piece).map(<[u8]>::to_vec));
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

/// A request that breaks a rule is answered and is an error.
#[test]
fn an_invalid_request_is_answered() {
    let script = Script::reading([b"PUT / HTTP/1.1\r\n\r\n".to_vec()]);
    let error = Incoming::new(script, Config::default()).unwrap_err();
    let expected = ProtocolError::Request(RequestError::UnsupportedMethod { method: quoted("PUT") });
    assert!(
        matches!(&error, Error::Protocol(found) if **found == expected),
        "{error:?}"
    );
}

/// R116: a transport that ends or breaks inside of the handshake, for a server and for a client.
#[test]
fn the_transport_ends_during_the_handshake() {
    for end in 0..REQUEST.len() {
        let front = REQUEST.as_bytes()[..end].to_vec();
        let script = Script::reading([front.clone()].into_iter().filter(|bytes| !bytes.is_empty()));
        let error = Incoming::new(script, Config::default()).unwrap_err();
        assert!(
            matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof),
            "{end}: {error:?}"
        );
        let mut script = Script::reading([front].into_iter().filter(|bytes| !bytes.is_empty()));
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
        let script = Script::reading([front.into()].into_iter().filter(|bytes: &Vec<u8>| !bytes.is_empty()));
        let error = WebSocket::client(script, &request, Config::default()).unwrap_err();
        assert!(
            matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof),
            "{front}: {error:?}"
        );
    }
}

/// A handshake that was refused: status, headers and body are there.
#[test]
fn a_refusal_is_an_error_with_an_answer() {
    let response = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nnope";
    for piece in [1, 10, response.len()] {
        let script = Script::reading(response.as_bytes().chunks(piece).map(<[u8]>::to_vec));
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

/// A refusal whose body ends with the transport, or is cut by its end, arrives with its body: from the whole connection,
/// and from a half of one that another has begun.
#[test]
fn a_refusal_ends_with_the_transport() {
    for (length, is_complete) in [("", true), ("Content-Length: 10\r\n", false)] {
        let response = format!("HTTP/1.1 403 Forbidden\r\n{length}\r\ngo away");
        for piece in [1, 10, response.len()] {
            let script = || Script::reading(response.as_bytes().chunks(piece).map(<[u8]>::to_vec));
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

/// An acceptance that cannot be sent is an error; so is a URL that is none, and one that needs TLS.
#[test]
fn what_cannot_be_asked_or_answered_is_an_error() {
    let script = Script::reading([REQUEST.into()]);
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
    assert!(error.source().is_none(), "its text has it all");
    let error = std_net::connect("http://127.0.0.1:1/").unwrap_err();
    let expected = LocalHandshakeError::InvalidScheme {
        url: quoted("http://127.0.0.1:1/"),
    };
    assert!(
        matches!(error, Error::LocalHandshake(found) if found == expected),
        "{error:?}"
    );
    let error = std_net::connect("wss://127.0.0.1:1/").unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::Unsupported));
}
