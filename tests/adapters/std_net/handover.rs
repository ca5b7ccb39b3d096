//! Handing over a connection: input that was read before, input that is not processed, and access
//! to the engine.

use std::{io::ErrorKind, thread};

use sockless::{
    Accept, Chunk, ClientRequest, CloseCode, Config, Connection, Delivery, Event, Message, MessageKind, Role,
    adapter::{
        Parts, Settings,
        std_net::{self, WebSocket},
    },
};
use support::{REQUEST, ROLES, frame, frames, open, peer_of};

use super::{ScriptedTransport, accept_tcp, binary, io_kind, is_timeout, listen, open_over, text};

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
        let unread = ws.into_parts().unread;
        assert_eq!(unread, rest, "not decoded yet");

        let mut script = ScriptedTransport::reading([input]);
        script.reads.push_back(Err(ErrorKind::WouldBlock));
        let mut ws = open_over(role, script);
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        assert_eq!(ws.recv().unwrap(), Some(text("two")));
        assert!(is_timeout(&ws.recv().unwrap_err()));
        let Parts {
            transport: script,
            unread,
            ..
        } = ws.into_parts();
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

/// F80: `into_parts` returns the output that is not written, what an interrupted call has left and
/// what was fed after that, and says whether anything is lost.
#[test]
fn f80_into_parts_drops_nothing() {
    for role in ROLES {
        for written in 1..20 {
            let mut script = ScriptedTransport::writing([Ok(written), Err(ErrorKind::WouldBlock)]);
            script
                .reads
                .push_back(Ok(frame(peer_of(role), 0x81, b"ahead")[..3].to_vec()));
            script.reads.push_back(Err(ErrorKind::WouldBlock));
            let mut ws = open_over(role, script);
            assert!(is_timeout(&ws.send("interrupted message").unwrap_err()));
            ws.feed("fed").unwrap();
            let parts = ws.into_parts();
            assert!(parts.lossless);
            assert_eq!(parts.transport.written.len(), written);
            let output = [&parts.transport.written[..], &parts.unsent].concat();
            let messages = [(0x81, b"interrupted message".to_vec()), (0x81, b"fed".to_vec())];
            assert_eq!(frames(role, &output), messages);
            let shown = format!("{parts:?}");
            assert!(
                shown.contains(&format!("unsent: {} bytes", parts.unsent.len())),
                "{shown}"
            );
        }
        // The reply to an event is interrupted: the event is lost, the reply is not.
        let mut script = ScriptedTransport::reading([frame(peer_of(role), 0x89, b"?")]);
        script.writes = [Err(ErrorKind::WouldBlock)].into();
        let mut ws = open_over(role, script);
        assert!(is_timeout(&ws.recv_event().unwrap_err()));
        let parts = ws.into_parts();
        assert!(!parts.lossless);
        assert_eq!(frames(role, &parts.unsent), [(0x8A, b"?".to_vec())]);
    }
}

/// F80: What the handshake has negotiated can be asked for in both roles, whole and in halves.
#[test]
fn f80_negotiated_can_be_asked_for() {
    let (listener, url) = listen();
    let server = thread::spawn(move || {
        let incoming = std_net::incoming(accept_tcp(&listener), Settings::new()).unwrap();
        let mut ws = incoming.accept(&Accept::new().subprotocol(Some("chat.v1"))).unwrap();
        assert_eq!(ws.negotiated().subprotocol.as_deref(), Some("chat.v1"));
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.negotiated().subprotocol.as_deref(), Some("chat.v1"));
    });
    let request = ClientRequest::new(&url)
        .unwrap()
        .subprotocol("chat.v2")
        .subprotocol("chat.v1");
    let (ws, _response) = std_net::connect_with(&request, Settings::new()).unwrap();
    assert_eq!(ws.negotiated().subprotocol.as_deref(), Some("chat.v1"));
    let (mut reader, writer) = ws.split().unwrap();
    assert_eq!(reader.negotiated().subprotocol.as_deref(), Some("chat.v1"));
    assert_eq!(writer.negotiated(), reader.negotiated());
    writer.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(reader.recv().unwrap(), None);
    server.join().unwrap();

    let ws = open_over(Role::Server, ScriptedTransport::default());
    assert_eq!(ws.negotiated().subprotocol, None);
}

/// F80: With chunk delivery, chunks are received as they arrive, whole and in halves; `recv` fails
/// and loses nothing. With message delivery, a message is one chunk.
#[test]
fn f80_chunks_are_received() {
    let mut input = frame(Role::Client, 0x01, "h\u{e9}".as_bytes());
    input.extend(frame(Role::Client, 0x80, b"llo"));
    for cut in 0..input.len() {
        for in_halves in [false, true] {
            for delivery in [Delivery::Chunks, Delivery::Messages] {
                let engine = open(Role::Server, Config::new().delivery(delivery));
                let script = ScriptedTransport::reading(
                    [input[..cut].to_vec(), input[cut..].to_vec()]
                        .into_iter()
                        .filter(|piece| !piece.is_empty()),
                );
                let mut ws = WebSocket::upgraded(script, engine, Config::default());
                let mut received = Vec::new();
                let mut add = |chunk: Chunk<'static>| {
                    received.push(chunk);
                    !received.last().unwrap().message_end
                };
                if in_halves {
                    let (mut reader, _writer) = ws
                        .split_with(|script| Ok((script, ScriptedTransport::default())))
                        .unwrap();
                    while add(reader.recv_chunk().unwrap().unwrap()) {}
                } else {
                    if delivery == Delivery::Chunks {
                        let error = ws.recv().unwrap_err();
                        assert_eq!(io_kind(&error), Some(ErrorKind::InvalidInput));
                        assert!(error.to_string().contains("recv_chunk"), "{error}");
                    }
                    while add(ws.recv_chunk().unwrap().unwrap()) {}
                }
                let joined: Vec<u8> = received.iter().flat_map(|chunk| chunk.as_bytes().to_vec()).collect();
                assert_eq!(joined, "h\u{e9}llo".as_bytes());
                assert!(received.iter().all(|chunk| chunk.kind() == MessageKind::Text));
                assert_eq!(received.len() == 1, delivery == Delivery::Messages, "{received:?}");
            }
        }
    }
    // The setting of an adapter that opens the connection reaches its engine.
    let mut script = ScriptedTransport::reading([[REQUEST.as_bytes(), &input].concat()]);
    script.reads.push_back(Err(ErrorKind::WouldBlock));
    let incoming = std_net::Incoming::new(script, Config::new().delivery(Delivery::Chunks)).unwrap();
    let mut ws = incoming.accept(&Accept::new()).unwrap();
    assert!(matches!(ws.recv_event().unwrap(), Some(Event::Chunk(_))));
    assert_eq!(ws.recv_chunk().unwrap().unwrap().data, Message::from("llo"));
}
