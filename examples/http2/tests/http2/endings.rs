//! How WebSockets end: resets, GOAWAY, lost connections.

use h2::Reason;
use sockless::{
    CloseCode, Connection, Message, ProtocolError,
    adapter::{Error, tokio::Io},
    handshake::Negotiated,
};
use sockless_http2::client::WebSocket;
use tokio::io::AsyncWriteExt;

use crate::{Server, config, run};

/// Echoes a message: the WebSocket is unharmed.
async fn check(ws: &mut WebSocket) {
    ws.feed("still here").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Message::Text("still here".into())));
}

fn is_eof(error: &Error) -> bool {
    matches!(error, Error::Protocol(error) if **error == ProtocolError::UnexpectedEof)
}

fn is_reset(error: &Error) -> bool {
    matches!(error, Error::Io(_)) || is_eof(error)
}

/// The bytes of a masked message, and of a Close frame.
fn frames() -> (Vec<u8>, Vec<u8>) {
    let mut engine = Connection::upgraded_client(&Negotiated::default(), config(false), [7; 32]);
    let (mut message, mut close) = (Vec::new(), Vec::new());
    engine.send_binary(&[7; 1000], &mut message).unwrap();
    engine.close(CloseCode::NORMAL, "", &mut close).unwrap();
    (message, close)
}

/// R201: A stream that the client resets, at any point and with any reason, is a lost WebSocket on
/// the server, except after the closing handshake. Other streams of the connection are unharmed.
#[test]
fn a_reset_by_the_client_ends_one_stream() {
    run(async {
        let mut server = Server::start().await;
        let http2 = server.connect().await;
        let mut other = server.open(&http2, "/echo", config(true)).await.unwrap();
        let (message, _) = frames();
        for (number, len) in [0, 1, 2, 5, 8, 9, 500, message.len()].into_iter().enumerate() {
            for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
                let path = format!("/reset/{number}/{}", u32::from(reason));
                let ws = server.open(&http2, &path, config(false)).await.unwrap();
                let Io(mut stream) = ws.into_parts().transport;
                stream.write_all(&message[..len]).await.unwrap();
                // Flow control: what was written is on its way when the reset is.
                check(&mut other).await;
                stream.reset(reason);
                let error = server.end_of(&path).await.unwrap_err();
                assert!(is_reset(&error), "{path}: {error}");
                check(&mut other).await;
            }
        }
    });
}

/// R201: The end of the stream (END_STREAM) without a Close frame is the end of the transport.
#[test]
fn an_end_of_stream_without_a_close_frame_is_reported() {
    run(async {
        let mut server = Server::start().await;
        let http2 = server.connect().await;
        let mut other = server.open(&http2, "/echo", config(true)).await.unwrap();
        let (message, close) = frames();
        for len in [0, 1, 500, message.len()] {
            let path = format!("/ended/{len}");
            let ws = server.open(&http2, &path, config(false)).await.unwrap();
            let Io(mut stream) = ws.into_parts().transport;
            stream.write_all(&message[..len]).await.unwrap();
            stream.shutdown().await.unwrap();
            let error = server.end_of(&path).await.unwrap_err();
            assert!(is_eof(&error), "{path}: {error}");
        }
        // After a Close frame, it is the end of a clean closing handshake.
        let ws = server.open(&http2, "/closed", config(false)).await.unwrap();
        let Io(mut stream) = ws.into_parts().transport;
        stream.write_all(&close).await.unwrap();
        stream.shutdown().await.unwrap();
        server.end_of("/closed").await.unwrap();
        check(&mut other).await;
    });
}

/// R201: A client that drops a WebSocket resets its stream, and a server that does so ends it.
#[test]
fn a_dropped_websocket_ends_its_stream() {
    run(async {
        let mut server = Server::start().await;
        let http2 = server.connect().await;
        let mut other = server.open(&http2, "/echo", config(true)).await.unwrap();
        drop(server.open(&http2, "/dropped", config(false)).await.unwrap());
        let error = server.end_of("/dropped").await.unwrap_err();
        assert!(is_reset(&error), "{error}");

        let mut ws = server.open(&http2, "/drop", config(false)).await.unwrap();
        ws.send("now").await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert!(is_reset(&error), "{error}");
        check(&mut other).await;
    });
}

/// A violation of the protocol on one stream fails that WebSocket with a Close frame, and no other.
#[test]
fn a_violation_fails_one_stream() {
    run(async {
        let mut server = Server::start().await;
        let http2 = server.connect().await;
        let mut other = server.open(&http2, "/echo", config(true)).await.unwrap();
        let mut ws = server.open(&http2, "/violation", config(false)).await.unwrap();
        // A frame that is not masked.
        ws.engine_mut().1.extend_from_slice(b"\x82\x01x");
        ws.flush().await.unwrap();
        let Error::Closed(status) = ws.recv().await.unwrap_err() else {
            panic!("no Close frame");
        };
        assert_eq!(status.code(), CloseCode::PROTOCOL_ERROR);
        assert!(matches!(server.end_of("/violation").await, Err(Error::Protocol(_))));
        check(&mut other).await;
    });
}

/// After GOAWAY, WebSockets that are open go on and close as usual, and no new ones are opened.
/// Then the connection ends.
#[test]
fn after_goaway_open_websockets_go_on() {
    run(async {
        let mut server = Server::start().await;
        let http2 = server.connect().await;
        let mut ws = server.open(&http2, "/open", config(true)).await.unwrap();
        check(&mut ws).await;
        server.shutdown.notify_one();
        // The first GOAWAY has no last stream yet: the server waits for a PING before the second.
        let mut refused = false;
        for n in 0..100 {
            check(&mut ws).await;
            match server.open(&http2, &format!("/late/{n}"), config(false)).await {
                Ok(mut late) => {
                    late.close(CloseCode::NORMAL, "").await.unwrap();
                    assert_eq!(late.recv().await.unwrap(), None);
                }
                Err(error) => {
                    refused = true;
                    assert!(!error.to_string().is_empty());
                    break;
                }
            }
        }
        assert!(refused);
        check(&mut ws).await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
        server.end_of("/open").await.unwrap();
        while *server.ended.lock().unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    });
}

/// A connection that is lost is an error for all of its WebSockets, on both sides. What had arrived
/// before is delivered.
#[test]
fn a_lost_connection_ends_all_websockets() {
    run(async {
        let mut server = Server::start().await;
        let http2 = server.connect().await;
        let mut all = Vec::new();
        for n in 0..10 {
            let mut ws = server.open(&http2, &format!("/lost/{n}"), config(true)).await.unwrap();
            check(&mut ws).await;
            all.push(ws);
        }
        server.drop.notify_one();
        for mut ws in all {
            let error = ws.recv().await.unwrap_err();
            assert!(is_reset(&error), "{error}");
        }
        for _ in 0..10 {
            let (_, end) = server.ends.recv().await.unwrap();
            assert!(is_reset(&end.unwrap_err()));
        }
    });
}
