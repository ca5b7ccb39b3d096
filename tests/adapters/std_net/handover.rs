//! What was read before, what is left behind, and the engine within.

use std::io::ErrorKind;

use sockless::{Accept, Config, Connection, Event, Role, adapter::std_net::WebSocket};
use support::{REQUEST, ROLES, frame, frames, open, peer_of};

use super::{Script, binary, is_timeout, over, text};

/// Who takes the stream over gets what was read and not processed: whole frames, and the message in progress.
#[test]
fn a_takeover_gets_what_was_not_processed() {
    for role in ROLES {
        let peer = peer_of(role);
        let rest = [frame(peer, 0x81, b"two"), frame(peer, 0x01, b"thr"), vec![0x80]].concat();
        let input = [&frame(peer, 0x81, b"one")[..], &rest].concat();
        let mut ws = over(role, Script::reading([input.clone()]));
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        let (_, unread) = ws.into_parts();
        assert_eq!(unread, rest, "not looked at yet");

        let mut script = Script::reading([input]);
        script.reads.push_back(Err(ErrorKind::WouldBlock));
        let mut ws = over(role, script);
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        assert_eq!(ws.recv().unwrap(), Some(text("two")));
        assert!(is_timeout(&ws.recv().unwrap_err()));
        let (script, unread) = ws.into_parts();
        assert_eq!(script.reads.len(), 0, "read already");
        let next = [&unread[..], &frame(peer, 0x80, b"ee")[1..]].concat();
        let mut ws = over(role, Script::reading([next]));
        assert_eq!(ws.recv().unwrap(), Some(text("three")));
    }
}

/// What whoever did the handshake has read too much is part of the stream.
#[test]
fn what_was_read_ahead_comes_first() {
    let large = vec![7; 40_000];
    let mut ahead = frame(Role::Client, 0x82, &large);
    let (half, message) = (
        frame(Role::Client, 0x01, b"over "),
        frame(Role::Client, 0x80, b"the seam"),
    );
    ahead.extend(half);
    let script = Script::reading([message]);
    let engine = open(Role::Server, Config::default());
    let mut ws = WebSocket::upgraded(script, engine, Config::default()).read_ahead(&ahead);
    assert_eq!(ws.recv().unwrap(), Some(binary(&large)));
    assert_eq!(ws.recv().unwrap(), Some(text("over the seam")));
}

/// A connection that was driven by hand before goes on with what it has received: also what came before it was accepted.
#[test]
fn a_connection_with_early_messages_goes_on() {
    let mut engine = Connection::server(Config::default());
    let mut head = REQUEST.as_bytes().to_vec();
    let Ok(Some(Event::Request(request))) = engine.receive(&mut &mut head[..], &mut Vec::new()) else {
        panic!("a request");
    };
    let mut early = frame(Role::Client, 0x81, b"early");
    assert_eq!(engine.receive(&mut &mut early[..], &mut Vec::new()), Ok(None));
    engine.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
    let mut script = Script::default();
    script.reads.push_back(Err(ErrorKind::WouldBlock));
    let mut ws = WebSocket::upgraded(script, engine, Config::default());
    assert_eq!(ws.recv().unwrap(), Some(text("early")));
}

/// The engine and the output are within reach; what is put there is written with the next call.
#[test]
fn the_engine_is_within_reach() {
    let mut ws = over(Role::Server, Script::default());
    let (engine, out) = ws.engine_mut();
    engine.pong(b"by hand", out).unwrap();
    ws.flush().unwrap();
    assert_eq!(
        frames(Role::Server, &ws.get_ref().written),
        [(0x8A, b"by hand".to_vec())]
    );
    assert!(format!("{ws:?}").starts_with("WebSocket"));
}
