//! How WebSockets end: resets, GOAWAY.

use h2::Reason;
use sockless::{CloseCode, adapter::tokio::Io};
use tokio::io::AsyncWriteExt;

use crate::{
    Server,
    carrier::{
        config,
        endings::{check, frames},
        run,
    },
    is_lost,
};

/// R201: A stream that the client resets, at any point and with any reason, is a lost WebSocket on
/// the server, except after the closing handshake. Other streams of the connection are unharmed.
#[test]
fn a_reset_by_the_client_ends_one_stream() {
    run(async {
        let mut server = Server::start();
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
                let error = server.ends.of(&path).await.unwrap_err();
                assert!(is_lost(&error), "{path}: {error}");
                check(&mut other).await;
            }
        }
    });
}

/// R201: A client that drops a WebSocket resets its stream, and a server that does so ends it.
#[test]
fn a_dropped_websocket_ends_its_stream() {
    run(async {
        let mut server = Server::start();
        let http2 = server.connect().await;
        let mut other = server.open(&http2, "/echo", config(true)).await.unwrap();
        drop(server.open(&http2, "/dropped", config(false)).await.unwrap());
        let error = server.ends.of("/dropped").await.unwrap_err();
        assert!(is_lost(&error), "{error}");

        let mut ws = server.open(&http2, "/drop", config(false)).await.unwrap();
        ws.send("now").await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert!(is_lost(&error), "{error}");
        check(&mut other).await;
    });
}

/// After GOAWAY, WebSockets that are open go on and close as usual, and no new ones are opened.
/// Then the connection ends.
#[test]
fn after_goaway_open_websockets_go_on() {
    run(async {
        let mut server = Server::start();
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
        server.ends.of("/open").await.unwrap();
        while *server.ended.lock().unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    });
}
