//! How WebSockets end: resets, GOAWAY, lost connections.

use http3::error::Code;
use sockless::{
    CloseCode, Connection, Message, ProtocolError,
    adapter::{Error, tokio::Io},
    handshake::Negotiated,
};
use sockless_http3::{WebSocket, client};
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

/// The bytes of a masked message, and of a Close frame.
fn frames() -> (Vec<u8>, Vec<u8>) {
    let mut engine = Connection::upgraded_client(&Negotiated::default(), config(false), [7; 32]);
    let (mut message, mut close) = (Vec::new(), Vec::new());
    engine.send_binary(&[7; 1000], &mut message).unwrap();
    engine.close(CloseCode::NORMAL, "", &mut close).unwrap();
    (message, close)
}

/// R205: A stream that the client resets, at any point and with any code, is a lost WebSocket on
/// the server. Other streams of the connection are unharmed.
#[test]
fn a_reset_by_the_client_ends_one_stream() {
    run(async {
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut other = server.open(&http3, "/echo", config(true)).await.unwrap();
        let (message, _) = frames();
        for (number, len) in [0, 1, 2, 5, 8, 9, 500, message.len()].into_iter().enumerate() {
            for code in [Code::H3_REQUEST_CANCELLED, Code::H3_INTERNAL_ERROR, Code::H3_NO_ERROR] {
                let path = format!("/reset/{number}/{code}");
                let ws = server.open(&http3, &path, config(false)).await.unwrap();
                let Io(mut stream) = ws.into_parts().transport;
                stream.write_all(&message[..len]).await.unwrap();
                stream.flush().await.unwrap();
                stream.reset(code);
                let error = server.end_of(&path).await.unwrap_err();
                if code == Code::H3_NO_ERROR {
                    assert!(is_eof(&error), "{path}: {error}");
                } else {
                    let text = format!("the peer has reset the stream with {code}");
                    assert!(error.to_string().contains(&text), "{path}: {error}");
                }
                check(&mut other).await;
            }
        }
    });
}

/// R205: FIN without a Close frame is the end of the transport. After a Close frame, it is the end
/// of a clean closing handshake.
#[test]
fn an_end_of_stream_without_a_close_frame_is_reported() {
    run(async {
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut other = server.open(&http3, "/echo", config(true)).await.unwrap();
        let (message, close) = frames();
        for len in [0, 1, 500, message.len()] {
            let path = format!("/ended/{len}");
            let ws = server.open(&http3, &path, config(false)).await.unwrap();
            let Io(mut stream) = ws.into_parts().transport;
            stream.write_all(&message[..len]).await.unwrap();
            stream.shutdown().await.unwrap();
            let error = server.end_of(&path).await.unwrap_err();
            assert!(is_eof(&error), "{path}: {error}");
        }
        let ws = server.open(&http3, "/closed", config(false)).await.unwrap();
        let Io(mut stream) = ws.into_parts().transport;
        stream.write_all(&close).await.unwrap();
        stream.shutdown().await.unwrap();
        server.end_of("/closed").await.unwrap();
        check(&mut other).await;
    });
}

/// R205: Dropping a WebSocket resets its stream with H3_REQUEST_CANCELLED.
#[test]
fn a_dropped_websocket_resets_its_stream() {
    run(async {
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut other = server.open(&http3, "/echo", config(true)).await.unwrap();
        drop(server.open(&http3, "/dropped", config(false)).await.unwrap());
        let error = server.end_of("/dropped").await.unwrap_err();
        assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{error}");

        let mut ws = server.open(&http3, "/drop", config(false)).await.unwrap();
        ws.send("now").await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{error}");
        check(&mut other).await;
    });
}

/// A violation of the protocol on one stream fails that WebSocket with a Close frame, and no other.
#[test]
fn a_violation_fails_one_stream() {
    run(async {
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut other = server.open(&http3, "/echo", config(true)).await.unwrap();
        let mut ws = server.open(&http3, "/violation", config(false)).await.unwrap();
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
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut ws = server.open(&http3, "/open", config(true)).await.unwrap();
        check(&mut ws).await;
        server.shutdown.notify_one();
        let refused = loop {
            check(&mut ws).await;
            match server.open(&http3, "/late", config(false)).await {
                Ok(mut late) => {
                    late.close(CloseCode::NORMAL, "").await.unwrap();
                    assert_eq!(late.recv().await.unwrap(), None);
                }
                Err(error) => break error,
            }
        };
        // One that was on its way when the server sent GOAWAY is rejected.
        let is_known = match &refused {
            client::Error::GoingAway => true,
            error => error.to_string().contains("H3_REQUEST_REJECTED"),
        };
        assert!(is_known, "{refused}");
        check(&mut ws).await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
        server.end_of("/open").await.unwrap();
    });
}

/// A connection that is lost is an error for all of its WebSockets, on both sides.
#[test]
fn a_lost_connection_ends_all_websockets() {
    run(async {
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut all = Vec::new();
        for n in 0..10 {
            let mut ws = server.open(&http3, &format!("/lost/{n}"), config(true)).await.unwrap();
            check(&mut ws).await;
            all.push(ws);
        }
        server.drop.notify_one();
        for mut ws in all {
            assert!(matches!(ws.recv().await, Err(Error::Io(_))));
        }
        for _ in 0..10 {
            let (_, end) = server.ends.recv().await.unwrap();
            assert!(matches!(end, Err(Error::Io(_))));
        }
    });
}
