//! How WebSockets end: the end of the stream, violations, lost connections.

use sockless::{
    CloseCode, Connection, Message, ProtocolError,
    adapter::{Error, tokio::Io},
    handshake::Negotiated,
};
use tokio::io::AsyncWriteExt;

use super::{config, run};
use crate::{Server, WebSocket, is_lost};

/// Echoes a message: the WebSocket is unharmed.
pub(crate) async fn check(ws: &mut WebSocket) {
    ws.feed("still here").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Message::Text("still here".into())));
}

pub(crate) fn is_eof(error: &Error) -> bool {
    matches!(error, Error::Protocol(error) if **error == ProtocolError::UnexpectedEof)
}

/// The bytes of a masked message, and of a Close frame.
pub(crate) fn frames() -> (Vec<u8>, Vec<u8>) {
    let mut engine = Connection::upgraded_client(&Negotiated::default(), config(false), [7; 32]);
    let (mut message, mut close) = (Vec::new(), Vec::new());
    engine.send_binary(&[7; 1000], &mut message).unwrap();
    engine.close(CloseCode::NORMAL, "", &mut close).unwrap();
    (message, close)
}

/// R201 R205: The end of the stream (END_STREAM, FIN) without a Close frame is the end of the
/// transport. After a Close frame, it is the end of a clean closing handshake.
#[test]
fn an_end_of_stream_without_a_close_frame_is_reported() {
    run(async {
        let mut server = Server::start();
        let carrier = server.connect().await;
        let mut other = server.open(&carrier, "/echo", config(true)).await.unwrap();
        let (message, close) = frames();
        for len in [0, 1, 500, message.len()] {
            let path = format!("/ended/{len}");
            let ws = server.open(&carrier, &path, config(false)).await.unwrap();
            let Io(mut stream) = ws.into_parts().transport;
            stream.write_all(&message[..len]).await.unwrap();
            stream.shutdown().await.unwrap();
            let error = server.ends.of(&path).await.unwrap_err();
            assert!(is_eof(&error), "{path}: {error}");
        }
        let ws = server.open(&carrier, "/closed", config(false)).await.unwrap();
        let Io(mut stream) = ws.into_parts().transport;
        stream.write_all(&close).await.unwrap();
        stream.shutdown().await.unwrap();
        server.ends.of("/closed").await.unwrap();
        check(&mut other).await;
    });
}

/// A violation of the protocol on one stream fails that WebSocket with a Close frame, and no other.
#[test]
fn a_violation_fails_one_stream() {
    run(async {
        let mut server = Server::start();
        let carrier = server.connect().await;
        let mut other = server.open(&carrier, "/echo", config(true)).await.unwrap();
        let mut ws = server.open(&carrier, "/violation", config(false)).await.unwrap();
        // A frame that is not masked.
        ws.engine_mut().1.extend_from_slice(b"\x82\x01x");
        ws.flush().await.unwrap();
        let Error::Closed(status) = ws.recv().await.unwrap_err() else {
            panic!("no Close frame");
        };
        assert_eq!(status.code(), CloseCode::PROTOCOL_ERROR);
        assert!(matches!(server.ends.of("/violation").await, Err(Error::Protocol(_))));
        check(&mut other).await;
    });
}

/// A connection that is lost is an error for all of its WebSockets, on both sides.
#[test]
fn a_lost_connection_ends_all_websockets() {
    run(async {
        let mut server = Server::start();
        let carrier = server.connect().await;
        let mut all = Vec::new();
        for n in 0..10 {
            let mut ws = server
                .open(&carrier, &format!("/lost/{n}"), config(true))
                .await
                .unwrap();
            check(&mut ws).await;
            all.push(ws);
        }
        server.drop.notify_one();
        for mut ws in all {
            let error = ws.recv().await.unwrap_err();
            assert!(is_lost(&error), "{error}");
        }
        for _ in 0..10 {
            let (_, end) = server.ends.next().await;
            let error = end.unwrap_err();
            assert!(is_lost(&error), "{error}");
        }
    });
}
