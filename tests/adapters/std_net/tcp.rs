//! Over TCP on the loopback interface.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use sockless::{
    Accept, ClientRequest, CloseCode, ClosedBy, Config, Connection, Event, ProtocolError, Role,
    adapter::{Error, std_net},
    error::RequestError,
};
use support::{ROLES, feed, frame, frames, quoted, reserved_opcode};

use super::{PATIENCE, binary, by_hand, close, io_kind, is_timeout, listen, next, pair, patient, received, text};

/// A conversation over TCP, in both directions, closed by either side.
#[test]
fn a_conversation_over_tcp() {
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
            scope.spawn(|| assert_eq!(second.recv().unwrap(), None));
            assert_eq!(first.recv().unwrap(), None);
        });
        let closed = first.close_status().unwrap();
        assert!(closed.is_clean() && closed.by == ClosedBy::Us, "{closer:?}");
        let closed = second.close_status().unwrap();
        assert!(closed.is_clean() && closed.by == ClosedBy::Peer, "{closer:?}");
        assert_eq!((closed.code(), closed.reason()), (CloseCode(4000), "bye"), "{closer:?}");
    }
}

/// R091: both close at once.
#[test]
fn s7_1_both_close_at_once_over_tcp() {
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

/// Nagle's algorithm is off on both sides.
#[test]
fn nagles_algorithm_is_off() {
    let (client, server) = pair();
    assert!(client.get_ref().nodelay().unwrap());
    assert!(server.get_ref().nodelay().unwrap());
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let incoming = std_net::incoming(next(&listener), Config::default()).unwrap();
            let server = incoming.accept(&Accept::new()).unwrap();
            assert!(server.get_ref().nodelay().unwrap());
        });
        let request = ClientRequest::new(&url).unwrap();
        let (client, _) = std_net::connect_with(&request, Config::default()).unwrap();
        assert!(client.get_ref().nodelay().unwrap());
    });
}

/// A server that rejects: the client has its answer, and both are done.
#[test]
fn a_rejection_over_tcp() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let incoming = std_net::incoming(next(&listener), Config::default()).unwrap();
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

/// R106: a request that breaks a rule is answered, and the answer survives what the client has still sent.
#[test]
fn s7_1_1_the_answer_to_an_invalid_request_is_not_destroyed() {
    let (listener, _) = listen();
    let mut client = patient(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    client.write_all(b"PUT / HTTP/1.1\r\n\r\n").unwrap();
    client.write_all(&[b'x'; 64 << 10]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let error = std_net::accept(next(&listener)).unwrap_err();
            let expected = ProtocolError::Request(RequestError::UnsupportedMethod { method: quoted("PUT") });
            assert!(matches!(error, Error::Protocol(error) if *error == expected));
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end, and no reset");
        assert!(answer.starts_with(b"HTTP/1.1 405 "));
        drop(client);
    });
}

/// R106 R107 R092: after the closing handshake the server ends the transport at once; what the client has sent behind its
/// Close does not turn that into a reset.
#[test]
fn s7_1_1_the_transport_is_closed_in_an_orderly_way() {
    let (mut client, mut server) = by_hand();
    client.write_all(&close(Role::Client, 1000)).unwrap();
    client.write_all(&frame(Role::Client, 0x82, &[0; 64 << 10])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(server.recv().unwrap(), None);
            drop(server);
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end, and no reset");
        assert_eq!(frames(Role::Server, &answer), [(0x88, vec![0x03, 0xE8])]);
        drop(client);
    });
}

/// R106 R113: a violation is answered with a Close that survives what the peer has still sent.
#[test]
fn s7_1_1_the_answer_to_a_violation_is_not_destroyed() {
    let (mut client, mut server) = by_hand();
    client.write_all(&frame(Role::Client, 0x83, b"")).unwrap();
    client.write_all(&frame(Role::Client, 0x82, &[0; 64 << 10])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(received(server.recv()), Err(reserved_opcode(0x83)));
            drop(server);
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end, and no reset");
        assert_eq!(frames(Role::Server, &answer), [(0x88, vec![0x03, 0xEA])]);
        drop(client);
    });
}

/// R115 R107: a client waits for the server to end the transport, though not for ever.
#[test]
fn s7_1_1_a_client_waits_for_the_server() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut tcp = next(&listener);
            let mut engine = Connection::server(Config::default());
            let mut bytes = [0; 4096];
            let mut seen = Vec::new();
            while engine.close_status().is_none() {
                let n = tcp.read(&mut bytes).unwrap();
                let outcome = feed(&mut engine, &bytes[..n]);
                seen.extend(outcome.events);
                tcp.write_all(&outcome.out).unwrap();
            }
            // The client has our Close, and does not end the transport before us.
            tcp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let error = tcp.read(&mut bytes).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            );
            tcp.shutdown(Shutdown::Write).unwrap();
            tcp.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(tcp.read(&mut bytes).unwrap(), 0, "now it does");
        });
        let mut client = std_net::connect(&url).unwrap();
        client.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(client.recv().unwrap(), None);
        assert!(client.close_status().unwrap().is_clean());
    });
}

/// R116: the peer is gone: in the middle of the handshake, between frames, and inside a frame.
#[test]
fn s7_2_1_the_peer_goes_away_over_tcp() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| drop(next(&listener)));
        let error = std_net::connect(&url).unwrap_err();
        let gone = matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof);
        let reset = matches!(
            io_kind(&error),
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        );
        assert!(gone || reset, "{error:?}");
    });
    for bytes in [&b""[..], &frame(Role::Client, 0x81, b"text")[..7]] {
        let (mut client, mut server) = by_hand();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(received(server.recv()), Err(ProtocolError::UnexpectedEof));
    }
}

/// R116: a reset inside a frame, and one inside the handshake.
#[test]
fn s7_2_1_the_transport_is_reset_over_tcp() {
    let (mut client, mut server) = by_hand();
    client.write_all(&frame(Role::Client, 0x81, b"text")[..7]).unwrap();
    server.send("unread").unwrap();
    client.peek(&mut [0]).unwrap();
    // What a process does that closes a socket with bytes in it that it has not read.
    drop(client);
    let error = server.recv().unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{error:?}");

    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| next(&listener).peek(&mut [0]).unwrap());
        let error = std_net::connect(&url).unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{error:?}");
    });
}

/// R104: a read timeout of the socket in the middle of a message: the next call goes on.
#[test]
fn s6_2_timeouts_over_tcp() {
    let (mut client, mut server) = by_hand();
    server
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    for byte in frame(Role::Client, 0x81, b"text") {
        assert!(is_timeout(&server.recv().unwrap_err()));
        client.write_all(&[byte]).unwrap();
    }
    server.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(server.recv().unwrap(), Some(text("text")));
}

/// A write timeout in the middle of a large message: the next flush goes on, and the peer gets all of it, once.
#[test]
fn f35_write_timeouts_over_tcp() {
    let (client, mut server) = by_hand();
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
            server.get_ref().set_write_timeout(Some(PATIENCE)).unwrap();
            server.send("next").unwrap();
            server.get_ref().shutdown(Shutdown::Write).unwrap();
        });
        let mut bytes = Vec::new();
        (&client).read_to_end(&mut bytes).unwrap();
        let expected = [(0x82, large.clone()), (0x81, b"next".to_vec())];
        assert!(frames(Role::Server, &bytes) == expected, "{} bytes", bytes.len());
    });
}
