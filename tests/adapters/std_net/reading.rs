//! What is read, over a scripted transport: few bytes at a time, interruptions, timeouts, ends.

use std::{error::Error as _, io::ErrorKind};

use sockless::{CloseCode, ClosedBy, Message, ProtocolError, Role, SendError, adapter::Error};
use support::{ROLES, frame, frames, peer_of, reserved_opcode};

use super::{Script, binary, close, io_kind, over, received, text};

/// R104: however few bytes a read yields, the messages are the same, and after them the clean end, again and again.
#[test]
fn s6_2_short_reads() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x81, "aé€😀".as_bytes()),
            frame(peer, 0x02, &[7; 200]),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, &[8; 100]),
            frame(peer, 0x82, b""),
            close(peer, 1000),
        ]
        .concat();
        for piece in (1..40).chain([100, input.len()]) {
            let mut ws = over(role, Script::reading(input.chunks(piece).map(<[u8]>::to_vec)));
            let message = [&[7; 200][..], &[8; 100]].concat();
            assert_eq!(ws.recv().unwrap(), Some(text("aé€😀")), "{piece}");
            assert_eq!(ws.recv().unwrap(), Some(binary(&message)), "{piece}");
            assert_eq!(ws.recv().unwrap(), Some(binary(b"")), "{piece}");
            for _ in 0..3 {
                assert_eq!(ws.recv().unwrap(), None, "{piece}");
            }
            let status = ws.close_status().unwrap();
            assert!(status.is_clean() && status.by == ClosedBy::Peer);
            let replies = frames(role, &ws.get_ref().written);
            assert_eq!(replies, [(0x8A, b"ping".to_vec()), (0x88, vec![0x03, 0xE8])], "{piece}");
        }
    }
}

/// R104: a message larger than what is read at a time.
#[test]
fn s6_2_large_messages() {
    for role in ROLES {
        let payload: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut ws = over(role, Script::reading([frame(peer_of(role), 0x82, &payload)]));
        assert_eq!(ws.recv().unwrap(), Some(Message::from(payload)));
    }
}

/// A read that is interrupted is repeated.
#[test]
fn reads_that_are_interrupted_are_repeated() {
    let mut script = Script::reading([frame(Role::Client, 0x81, b"text")]);
    script.reads.push_front(Err(ErrorKind::Interrupted));
    script.reads.push_front(Err(ErrorKind::Interrupted));
    assert_eq!(over(Role::Server, script).recv().unwrap(), Some(text("text")));
}

/// R104: a read that times out, or would block, at any byte: the caller hears of it, calls again, and nothing is lost and
/// nothing comes twice.
#[test]
fn s6_2_reads_that_time_out_are_resumed() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x81, b"one"),
            frame(peer, 0x01, b"t"),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, b"wo"),
            close(peer, 1000),
        ]
        .concat();
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            for cut in 0..=input.len() {
                let (front, back) = input.split_at(cut);
                let mut script = Script::default();
                for bytes in [front, back].into_iter().filter(|bytes| !bytes.is_empty()) {
                    script.reads.push_back(Ok(bytes.to_vec()));
                }
                script.reads.insert(usize::from(cut > 0), Err(kind));
                let mut ws = over(role, script);
                let (mut messages, mut timeouts) = (Vec::new(), 0);
                loop {
                    match ws.recv() {
                        Ok(Some(message)) => messages.push(message),
                        Ok(None) => break,
                        Err(error) => {
                            assert_eq!(io_kind(&error), Some(kind));
                            timeouts += 1;
                        }
                    }
                }
                assert_eq!(messages, [text("one"), text("two")], "cut at {cut}");
                // Behind the Close nothing is read any more.
                assert_eq!(timeouts, usize::from(cut < input.len()), "cut at {cut}");
                let replies = frames(role, &ws.get_ref().written);
                assert_eq!(
                    replies,
                    [(0x8A, b"ping".to_vec()), (0x88, vec![0x03, 0xE8])],
                    "cut at {cut}"
                );
            }
        }
    }
}

/// R116 R110: the end of the transport without a Close is an error, at every byte, and stays one.
#[test]
fn s7_2_1_the_transport_ends_without_a_close() {
    for role in ROLES {
        let input = [frame(peer_of(role), 0x01, b"be"), frame(peer_of(role), 0x80, b"gun")].concat();
        for end in 0..=input.len() {
            let mut ws = over(role, Script::reading([input[..end].to_vec()]));
            let first = received(ws.recv());
            if end == input.len() {
                assert_eq!(first, Ok(Some(text("begun"))));
            } else {
                assert_eq!(first, Err(ProtocolError::UnexpectedEof), "{role:?}: {end}");
            }
            for _ in 0..2 {
                assert_eq!(
                    received(ws.recv()),
                    Err(ProtocolError::UnexpectedEof),
                    "{role:?}: {end}"
                );
            }
            let status = ws.close_status().unwrap();
            assert_eq!((status.by, status.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        }
    }
}

/// R116: a transport that breaks inside a frame is an error of its own kind.
#[test]
fn s7_2_1_the_transport_is_reset() {
    for role in ROLES {
        let input = frame(peer_of(role), 0x81, b"text");
        for end in 0..input.len() {
            let mut script = Script::reading([input[..end].to_vec()].into_iter().filter(|bytes| !bytes.is_empty()));
            script.reads.push_back(Err(ErrorKind::ConnectionReset));
            let mut ws = over(role, script);
            let error = ws.recv().unwrap_err();
            assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{role:?}: {end}");
            assert!(error.source().is_none() && error.to_string().contains("reset"));
        }
    }
}

/// R110 R116: with that the connection has failed: 1006, and nothing more can be sent.
#[test]
fn s7_2_1_a_reset_fails_the_connection() {
    for role in ROLES {
        let mut script = Script::default();
        script.reads.push_back(Err(ErrorKind::ConnectionReset));
        let mut ws = over(role, script);
        assert_eq!(io_kind(&ws.recv().unwrap_err()), Some(ErrorKind::ConnectionReset));
        let status = ws.close_status().expect("a connection that is lost is closed");
        assert_eq!((status.by, status.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        assert!(matches!(ws.feed("more"), Err(SendError::Closing)));
    }
}

/// R112 R113 R140: what the peer does wrong is an error, after the Close that it is due was written; and it stays one.
#[test]
fn s7_1_7_a_violation_is_answered_and_reported() {
    for role in ROLES {
        let peer = peer_of(role);
        for (bytes, error, code) in [
            (frame(peer, 0x83, b""), reserved_opcode(0x83), [0x03, 0xEA]),
            (frame(peer, 0x81, b"\xFF"), ProtocolError::InvalidUtf8, [0x03, 0xEF]),
        ] {
            let good = frame(peer, 0x81, b"good");
            let behind = frame(peer, 0x81, b"behind");
            let mut ws = over(role, Script::reading([[good, bytes, behind.clone()].concat(), behind]));
            assert_eq!(received(ws.recv()), Ok(Some(text("good"))));
            for _ in 0..3 {
                assert_eq!(received(ws.recv()), Err(error), "{role:?}");
            }
            assert_eq!(frames(role, &ws.get_ref().written), [(0x88, code.to_vec())]);
            assert!(matches!(ws.send("more"), Err(Error::Send(SendError::Closing))));
        }
    }
}
