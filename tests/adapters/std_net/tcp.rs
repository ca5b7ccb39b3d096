//! Whole connections over TCP on the loopback interface.

#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use sockless::{
    Accept, ClientRequest, CloseCode, ClosedBy, Config, Connection, Event, ProtocolError, Role,
    adapter::{Error, Settings, std_net},
    error::RequestError,
    timers::{Due, Timeouts},
};
use support::{REQUEST, ROLES, feed, frame, frames, quoted, reserved_opcode};

use super::{
    TEST_TIMEOUT, accept_tcp, binary, close, closed_with, io_kind, is_timeout, listen, pair, raw_client_and_server,
    read_head, received, text, with_timeouts,
};

/// Messages and Pings in both directions over TCP. Either side closes.
#[test]
fn messages_are_exchanged_over_tcp() {
    for closer in ROLES {
        let (mut client, mut server) = pair();
        client.send("to the server").unwrap();
        assert_eq!(server.recv().unwrap(), Some(text("to the server")));
        let large = vec![7; 1 << 20];
        thread::scope(|scope| {
            scope.spawn(|| server.send(&large[..]).unwrap());
            assert_eq!(client.recv().unwrap(), Some(binary(&large)));
        });
        client.ping(b"?").unwrap();
        assert_eq!(server.recv_event().unwrap(), Some(Event::Ping(b"?"[..].into())));
        assert_eq!(client.recv_event().unwrap(), Some(Event::Pong(b"?"[..].into())));
        let (first, second) = match closer {
            Role::Client => (&mut client, &mut server),
            Role::Server => (&mut server, &mut client),
        };
        first.close(CloseCode(4000), "bye").unwrap();
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(closed_with(&second.recv()), Some(CloseCode(4000))));
            assert_eq!(first.recv().unwrap(), None);
        });
        let closed = first.close_status().unwrap();
        assert!(closed.is_clean() && closed.by == ClosedBy::Us, "{closer:?}");
        let closed = second.close_status().unwrap();
        assert!(closed.is_clean() && closed.by == ClosedBy::Peer, "{closer:?}");
        assert_eq!((closed.code(), closed.reason()), (CloseCode(4000), "bye"), "{closer:?}");
    }
}

/// A stream of the file system has halves for two threads, and deadlines, as a TCP stream has.
#[cfg(unix)]
#[test]
fn a_unix_stream_has_halves_and_deadlines() {
    let (client, server) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut reader, writer) = std_net::accept(server).unwrap().split().unwrap();
            thread::scope(|scope| {
                scope.spawn(|| writer.send("to the client").unwrap());
                assert_eq!(reader.recv().unwrap(), Some(text("to the server")));
            });
        });
        let request = ClientRequest::new("ws://localhost/").unwrap();
        let (mut ws, _response) = std_net::client(client, &request, Config::new()).unwrap();
        ws.send("to the server").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(text("to the client")));
    });

    let (mut silent, server) = UnixStream::pair().unwrap();
    silent.write_all(REQUEST.as_bytes()).unwrap();
    let moment = Duration::from_millis(10);
    let settings = Settings::new().timeouts(Timeouts::none().ping(moment).pong(moment));
    let mut ws = std_net::incoming(server, settings)
        .unwrap()
        .accept(&Accept::new())
        .unwrap();
    let error = ws.recv().unwrap_err();
    assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
}

/// R091: both ends close at the same time.
#[test]
fn s7_1_both_ends_close_at_the_same_time_over_tcp() {
    let (mut client, mut server) = pair();
    client.close(CloseCode::NORMAL, "").unwrap();
    server.close(CloseCode::GOING_AWAY, "").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.recv().unwrap(), None));
        assert_eq!(client.recv().unwrap(), None);
    });
    assert_eq!(client.close_status().unwrap().code(), CloseCode::GOING_AWAY);
    assert_eq!(server.close_status().unwrap().code(), CloseCode::NORMAL);
}

/// TCP_NODELAY is set at both ends.
#[test]
fn tcp_nodelay_is_set() {
    let (client, server) = pair();
    assert!(client.get_ref().nodelay().unwrap());
    assert!(server.get_ref().nodelay().unwrap());
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let incoming = std_net::incoming(accept_tcp(&listener), Config::default()).unwrap();
            let server = incoming.accept(&Accept::new()).unwrap();
            assert!(server.get_ref().nodelay().unwrap());
        });
        let request = ClientRequest::new(&url).unwrap();
        let (client, _) = std_net::connect_with(&request, Config::default()).unwrap();
        assert!(client.get_ref().get_ref().nodelay().unwrap());
    });
}

/// R005: `connect` has one connection in the opening handshake at a time: no second one while it
/// waits, and none after a failure.
#[test]
fn s4_1_connect_makes_one_connection_at_a_time() {
    let has_another = |listener: &TcpListener| {
        listener.set_nonblocking(true).unwrap();
        let accepted = listener.accept();
        listener.set_nonblocking(false).unwrap();
        accepted.is_ok()
    };
    for response in ["", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"] {
        let (listener, url) = listen();
        thread::scope(|scope| {
            let client = scope.spawn(|| std_net::connect(&url));
            let mut server = accept_tcp(&listener);
            // The client waits for a response from here on.
            read_head(&mut server);
            assert!(!has_another(&listener), "a second connection during the handshake");
            server.write_all(response.as_bytes()).unwrap();
            drop(server);
            assert!(client.join().unwrap().is_err());
            assert!(!has_another(&listener), "a second connection after {response:?}");
        });
    }
}

/// A rejection by the server is a refusal for the client, with status, headers and body.
#[test]
fn a_rejection_reaches_the_client_over_tcp() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let incoming = std_net::incoming(accept_tcp(&listener), Config::default()).unwrap();
            incoming.reject(403, &[("X-Why", "because")], b"go away").unwrap();
        });
        let error = std_net::connect(&url).unwrap_err();
        let Error::Refused(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.response.status(), 403);
        assert_eq!(refusal.response.headers().get("x-why"), Some(&b"because"[..]));
        assert_eq!(refusal.body, b"go away");
    });
}

/// R106: an invalid request is answered. The client receives the response although it has sent more
/// bytes after the request.
#[test]
fn s7_1_1_the_response_to_an_invalid_request_is_not_lost_in_a_reset() {
    let (listener, _) = listen();
    let mut client = with_timeouts(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    client.write_all(b"PUT / HTTP/1.1\r\n\r\n").unwrap();
    client.write_all(&[b'x'; 64 << 10]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let error = std_net::accept(accept_tcp(&listener)).unwrap_err();
            let expected = ProtocolError::Request(RequestError::UnsupportedMethod { method: quoted("PUT") });
            assert!(matches!(error, Error::Protocol(error) if *error == expected));
        });
        let mut received_bytes = Vec::new();
        client
            .read_to_end(&mut received_bytes)
            .expect("the transport ends without a reset");
        assert!(received_bytes.starts_with(b"HTTP/1.1 405 "));
        drop(client);
    });
}

/// R106 R107 R092: after the closing handshake, the server closes the transport at once. Bytes that
/// the client has sent after its Close frame do not cause a reset.
#[test]
fn s7_1_1_the_transport_is_closed_without_a_reset() {
    let (mut client, mut server) = raw_client_and_server();
    client.write_all(&close(Role::Client, 1000)).unwrap();
    client.write_all(&frame(Role::Client, 0x82, &[0; 64 << 10])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(server.recv().unwrap(), None);
            drop(server);
        });
        let mut received_bytes = Vec::new();
        client
            .read_to_end(&mut received_bytes)
            .expect("the transport ends without a reset");
        assert_eq!(frames(Role::Server, &received_bytes), [(0x88, vec![0x03, 0xE8])]);
        drop(client);
    });
}

/// R106 R113: a violation is answered with a Close frame. The peer receives it although it has sent
/// more bytes.
#[test]
fn s7_1_1_the_close_after_a_violation_is_not_lost_in_a_reset() {
    let (mut client, mut server) = raw_client_and_server();
    client.write_all(&frame(Role::Client, 0x83, b"")).unwrap();
    client.write_all(&frame(Role::Client, 0x82, &[0; 64 << 10])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(received(server.recv()), Err(reserved_opcode(0x83)));
            drop(server);
        });
        let mut received_bytes = Vec::new();
        client
            .read_to_end(&mut received_bytes)
            .expect("the transport ends without a reset");
        assert_eq!(frames(Role::Server, &received_bytes), [(0x88, vec![0x03, 0xEA])]);
        drop(client);
    });
}

/// R115 R107: after the closing handshake, a client waits for the server to close the transport.
#[test]
fn s7_1_1_a_client_waits_for_the_server_to_close() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut tcp = accept_tcp(&listener);
            let mut engine = Connection::server(Config::default());
            let mut bytes = [0; 4096];
            let mut seen = Vec::new();
            while engine.close_status().is_none() {
                let n = tcp.read(&mut bytes).unwrap();
                let outcome = feed(&mut engine, &bytes[..n]);
                seen.extend(outcome.events);
                tcp.write_all(&outcome.out).unwrap();
            }
            // The client has received the Close frame and does not close the transport first.
            tcp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let error = tcp.read(&mut bytes).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            );
            tcp.shutdown(Shutdown::Write).unwrap();
            tcp.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
            assert_eq!(tcp.read(&mut bytes).unwrap(), 0, "the client has closed the transport");
        });
        let mut client = std_net::connect(&url).unwrap();
        client.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(client.recv().unwrap(), None);
        assert!(client.close_status().unwrap().is_clean());
    });
}

/// R116: the peer closes the transport during the handshake, between frames, or inside a frame: an
/// error.
#[test]
fn s7_2_1_the_end_of_the_transport_is_an_error_over_tcp() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| drop(accept_tcp(&listener)));
        let error = std_net::connect(&url).unwrap_err();
        let eof = matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof);
        let reset = matches!(
            io_kind(&error),
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        );
        assert!(eof || reset, "{error:?}");
    });
    for bytes in [&b""[..], &frame(Role::Client, 0x81, b"text")[..7]] {
        let (mut client, mut server) = raw_client_and_server();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(received(server.recv()), Err(ProtocolError::UnexpectedEof));
    }
}

/// R116: a reset inside a frame or during the handshake is an I/O error.
#[test]
fn s7_2_1_a_reset_is_an_io_error_over_tcp() {
    let (mut client, mut server) = raw_client_and_server();
    client.write_all(&frame(Role::Client, 0x81, b"text")[..7]).unwrap();
    server.send("unread").unwrap();
    client.peek(&mut [0]).unwrap();
    // Closing a socket with unread bytes sends a reset.
    drop(client);
    let error = server.recv().unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{error:?}");

    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| accept_tcp(&listener).peek(&mut [0]).unwrap());
        let error = std_net::connect(&url).unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{error:?}");
    });
}

/// R104: after a read timeout of the socket inside a message, the next call continues.
#[test]
fn s6_2_a_read_continues_after_a_timeout_over_tcp() {
    let (mut client, mut server) = raw_client_and_server();
    server
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    for byte in frame(Role::Client, 0x81, b"text") {
        assert!(is_timeout(&server.recv().unwrap_err()));
        client.write_all(&[byte]).unwrap();
    }
    server.get_ref().set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    assert_eq!(server.recv().unwrap(), Some(text("text")));
}

/// After a write timeout of the socket inside a large message, the next flush continues. The peer
/// receives the message whole and once.
#[test]
fn f35_a_write_continues_after_a_timeout_over_tcp() {
    let (client, mut server) = raw_client_and_server();
    server
        .get_ref()
        .set_write_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let large = vec![7; 16 << 20];
    assert!(is_timeout(&server.send(&large[..]).unwrap_err()));
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(error) = server.flush() {
                assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                );
            }
            server.get_ref().set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
            server.send("next").unwrap();
            server.get_ref().shutdown(Shutdown::Write).unwrap();
        });
        let mut bytes = Vec::new();
        (&client).read_to_end(&mut bytes).unwrap();
        let expected = [(0x82, large.clone()), (0x81, b"next".to_vec())];
        assert!(frames(Role::Server, &bytes) == expected, "{} bytes", bytes.len());
    });
}

/// R106: after the end of the transport without a Close frame, too, the call that reports the end
/// closes the stream first. A peer that has closed only its sending side sees it, although the
/// application keeps the connection.
#[test]
fn s7_1_1_the_stream_is_closed_after_an_end_without_a_close_frame() {
    let (mut client, mut server) = raw_client_and_server();
    client.write_all(&[0x81, 0x85, 0, 0]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(received(server.recv()), Err(ProtocolError::UnexpectedEof));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);

    let (mut client, server) = raw_client_and_server();
    let (mut reader, _writer) = server.split().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(received(reader.recv()), Err(ProtocolError::UnexpectedEof));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}
