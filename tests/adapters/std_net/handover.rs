//! Handing over a connection: input that was read before, input that is not processed, and access
//! to the engine.

use std::io::ErrorKind;

use sockless::{Accept, Config, Connection, Event, Role, adapter::std_net::WebSocket};
use support::{REQUEST, ROLES, frame, frames, open, peer_of};

use super::{ScriptedTransport, binary, is_timeout, open_over, text};

/// `into_parts` returns the bytes that were read and not processed: whole frames and the message in
/// progress.
#[test]
fn into_parts_returns_unprocessed_input() {
    for role in ROLES {
        let peer = peer_of(role);
        let rest = [frame(peer, 0x81, b"two"), frame(peer, 0x01, b"thr"), vec![0x80]].concat();
        let input = [&frame(peer, 0x81, b"one")[..], &rest].concat();
        let mut ws = open_over(role, ScriptedTransport::reading([input.clone()]));
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        let (_, unread) = ws.into_parts();
        assert_eq!(unread, rest, "not decoded yet");

        let mut script = ScriptedTransport::reading([input]);
        script.reads.push_back(Err(ErrorKind::WouldBlock));
        let mut ws = open_over(role, script);
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        assert_eq!(ws.recv().unwrap(), Some(text("two")));
        assert!(is_timeout(&ws.recv().unwrap_err()));
        let (script, unread) = ws.into_parts();
        assert_eq!(script.reads.len(), 0, "everything is read");
        let next = [&unread[..], &frame(peer, 0x80, b"ee")[1..]].concat();
        let mut ws = open_over(role, ScriptedTransport::reading([next]));
        assert_eq!(ws.recv().unwrap(), Some(text("three")));
    }
}

/// The bytes passed to `read_ahead` are processed before the bytes of the stream.
#[test]
fn read_ahead_bytes_are_processed_first() {
    let large = vec![7; 40_000];
    let mut ahead = frame(Role::Client, 0x82, &large);
    let (first, second) = (
        frame(Role::Client, 0x01, b"first "),
        frame(Role::Client, 0x80, b"second"),
    );
    ahead.extend(first);
    let script = ScriptedTransport::reading([second]);
    let engine = open(Role::Server, Config::default());
    let mut ws = WebSocket::upgraded(script, engine, Config::default()).read_ahead(&ahead);
    assert_eq!(ws.recv().unwrap(), Some(binary(&large)));
    assert_eq!(ws.recv().unwrap(), Some(text("first second")));
}

/// An engine that was used without the adapter before continues with the input that it holds. Here
/// it has received a message before it accepted the request.
#[test]
fn an_upgraded_engine_delivers_early_messages() {
    let mut engine = Connection::server(Config::default());
    let mut head = REQUEST.as_bytes().to_vec();
    let Ok(Some(Event::Request(request))) = engine.receive(&mut &mut head[..], &mut Vec::new()) else {
        panic!("no request");
    };
    let mut early = frame(Role::Client, 0x81, b"early");
    assert_eq!(engine.receive(&mut &mut early[..], &mut Vec::new()), Ok(None));
    engine.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
    let mut script = ScriptedTransport::default();
    script.reads.push_back(Err(ErrorKind::WouldBlock));
    let mut ws = WebSocket::upgraded(script, engine, Config::default());
    assert_eq!(ws.recv().unwrap(), Some(text("early")));
}

/// Output that the application appends through `engine_mut` is written by the next call.
#[test]
fn output_appended_through_engine_mut_is_written() {
    let mut ws = open_over(Role::Server, ScriptedTransport::default());
    let (engine, out) = ws.engine_mut();
    engine.pong(b"manual", out).unwrap();
    ws.flush().unwrap();
    assert_eq!(
        frames(Role::Server, &ws.get_ref().written),
        [(0x8A, b"manual".to_vec())]
    );
    assert!(format!("{ws:?}").starts_with("WebSocket"));
}
