//! The events for `tracing`, of blocking connections over scripted transports.

use std::{io::ErrorKind, net::TcpListener, net::TcpStream, time::Duration};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Role,
    adapter::{
        Settings,
        std_net::{self, Incoming, WebSocket},
    },
    timers::Timeouts,
};
use support::{
    ROLES, frame,
    heads::{REQUEST_FIELDS, head},
    peer_of, role_name,
    trace::{events, opened},
};

use super::{ScriptedTransport, close, open_over};

const DROPPED: &str = "DEBUG connection dropped role=\"server\"";

/// The request of a web page of the server's own origin, with secrets everywhere.
fn secret_request() -> Vec<u8> {
    let mut fields = REQUEST_FIELDS.to_vec();
    fields.extend([
        ("Authorization", "Bearer needle"),
        ("Cookie", "id=needle"),
        ("Sec-WebSocket-Protocol", "needle"),
    ]);
    head("GET /chat?token=needle HTTP/1.1", &fields)
}

/// A connection has an event at its start and one at its end, whatever it carries. They show
/// nothing of the requests and the messages.
#[test]
fn a_connection_is_traced_without_what_it_carries() {
    let input = [
        secret_request(),
        frame(Role::Client, 0x81, b"needle"),
        frame(Role::Client, 0x01, b"nee"),
        frame(Role::Client, 0x89, b"needle"),
        frame(Role::Client, 0x80, b"dle"),
        frame(Role::Client, 0x88, &[&[3, 232], &b"needle"[..]].concat()),
    ];
    let found = events(|| {
        let incoming = Incoming::new(ScriptedTransport::reading(input), Config::new()).unwrap();
        let accept = Accept::new().subprotocol(Some("needle"));
        let mut ws = incoming.accept(&accept).unwrap();
        ws.send("needle").unwrap();
        while ws.recv().unwrap().is_some() {}
        assert!(ws.recv().unwrap().is_none());
    });
    let expected = [
        opened(Role::Server).replace("has_subprotocol=false", "has_subprotocol=true"),
        "DEBUG connection closed role=\"server\" code=1000 by=Peer is_clean=true".to_owned(),
    ];
    assert_eq!(found, expected);
}

/// A code that is no success is told as it is, by whoever closes; and a connection that continues
/// another implementation's handshake has the same events.
#[test]
fn the_close_code_is_traced() {
    for role in ROLES {
        let found = events(|| {
            let script = ScriptedTransport::reading([close(peer_of(role), 1011)]);
            open_over(role, script).recv().unwrap_err();
        });
        let closed = format!(
            "DEBUG connection closed role=\"{}\" code=1011 by=Peer is_clean=true",
            role_name(role)
        );
        assert_eq!(found, [opened(role), closed]);
        let found = events(|| {
            let script = ScriptedTransport::reading([close(peer_of(role), 4000)]);
            let mut ws = open_over(role, script);
            ws.close(CloseCode::from(4000), "needle").unwrap();
            assert!(ws.recv().unwrap().is_none());
        });
        let closed = format!(
            "DEBUG connection closed role=\"{}\" code=4000 by=Us is_clean=true",
            role_name(role)
        );
        assert_eq!(found, [opened(role), closed]);
    }
}

/// Each failure has one event, however often the connection is asked: that with the text of the
/// error.
#[test]
fn a_failure_is_traced_once() {
    type Script = fn(Role) -> ScriptedTransport;
    let scripts: [Script; 4] = [
        |role| ScriptedTransport::reading([frame(peer_of(role), 0x83, b"needle")]),
        |role| ScriptedTransport::reading([frame(peer_of(role), 0x81, b"\xFF needle")]),
        |_| ScriptedTransport::default(),
        |_| ScriptedTransport {
            reads: [Err(ErrorKind::ConnectionReset)].into(),
            ..ScriptedTransport::default()
        },
    ];
    for role in ROLES {
        for script in scripts {
            for calls in 1..4 {
                let mut text = String::new();
                let found = events(|| {
                    let mut ws = open_over(role, script(role));
                    for _ in 0..calls {
                        let error = ws.recv().unwrap_err().to_string();
                        text = if text.is_empty() { error } else { text.clone() };
                    }
                });
                let failed = format!("INFO connection failed role=\"{}\" error={text}", role_name(role));
                assert_eq!(found, [opened(role), failed], "{calls} calls");
            }
        }
    }
}

/// So is that of a half.
#[test]
fn the_end_of_halves_is_traced_once() {
    let found = events(|| {
        let script = ScriptedTransport::reading([frame(Role::Client, 0x83, b"")]);
        let (mut reader, writer) = open_over(Role::Server, script)
            .split_with(|script| Ok((script, ScriptedTransport::default())))
            .unwrap();
        reader.recv().unwrap_err();
        reader.recv().unwrap_err();
        writer.send("more").unwrap_err();
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].starts_with("INFO connection failed role=\"server\" error="),
        "{found:?}"
    );
}

/// A connection that is left open, or taken apart.
#[test]
fn a_dropped_connection_is_traced() {
    let ws = || open_over(Role::Server, ScriptedTransport::default());
    assert_eq!(events(|| drop(ws())), [opened(Role::Server), DROPPED.to_owned()]);
    assert_eq!(
        events(|| drop(ws().into_parts())),
        [opened(Role::Server), DROPPED.to_owned()]
    );
}

/// The handshakes that do not open a connection, in both roles.
#[test]
fn a_handshake_that_fails_is_traced() {
    let incoming = |request: Vec<u8>| Incoming::new(ScriptedTransport::reading([request]), Config::new());
    let found = events(|| {
        incoming(secret_request()).unwrap().reject(401, &[], b"needle").unwrap();
    });
    assert_eq!(found, ["DEBUG handshake refused role=\"server\" status=401"]);
    let found = events(|| {
        incoming(secret_request())
            .unwrap()
            .reject(20, &[], b"needle")
            .unwrap_err();
    });
    assert_eq!(found, ["DEBUG handshake refused role=\"server\" status=500"]);

    let mut fields = REQUEST_FIELDS.to_vec();
    fields.push(("Origin", "http://evil.example"));
    let request = head("GET /chat?token=needle HTTP/1.1", &fields);
    let mut text = String::new();
    let found = events(|| {
        let accepted = incoming(request).unwrap().accept(&Accept::new());
        text = accepted.unwrap_err().to_string();
    });
    assert_eq!(found, [format!("INFO connection failed role=\"server\" error={text}")]);
    assert!(text.contains("evil.example"), "{text}");

    let found = events(|| {
        text = incoming(b"GET /needle HTTP/1.1\r\n\r\n".to_vec())
            .unwrap_err()
            .to_string()
    });
    assert_eq!(found, [format!("INFO connection failed role=\"server\" error={text}")]);

    let request = ClientRequest::new("ws://example.com/?needle").unwrap();
    let refusal = b"HTTP/1.1 401 x\r\nSet-Cookie: needle\r\nContent-Length: 6\r\n\r\nneedle";
    for len in [refusal.len(), refusal.len() - 1] {
        let found = events(|| {
            let script = ScriptedTransport::reading([refusal[..len].to_vec()]);
            WebSocket::client(script, &request, Config::new()).unwrap_err();
        });
        assert_eq!(found, ["DEBUG handshake refused role=\"client\" status=401"]);
    }
    let found = events(|| {
        let connected = WebSocket::client(ScriptedTransport::default(), &request, Config::new());
        text = connected.unwrap_err().to_string();
    });
    assert_eq!(found, [format!("INFO connection failed role=\"client\" error={text}")]);
}

/// The deadline has an event of its own, with the time that the peer had.
#[test]
fn a_missed_deadline_is_traced() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (tcp, _) = listener.accept().unwrap();
    let mut text = String::new();
    let found = events(|| {
        let limit = Duration::from_millis(20);
        let settings = Settings::new().timeouts(Timeouts::none().handshake(limit));
        text = std_net::incoming(tcp, settings).unwrap_err().to_string();
    });
    let expected = [
        "INFO deadline missed role=\"server\" deadline=\"handshake\" limit=20ms".to_owned(),
        format!("INFO connection failed role=\"server\" error={text}"),
    ];
    assert_eq!(found, expected);
}
