//! How WebSockets end: resets, GOAWAY.

use http3::error::Code;
use sockless::{CloseCode, adapter::tokio::Io};
use sockless_http3::client;
use tokio::io::AsyncWriteExt;

use crate::{
    Server,
    carrier::{
        config,
        endings::{check, frames, is_eof},
        run,
    },
};

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
                let error = server.ends.of(&path).await.unwrap_err();
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

/// R205: Dropping a WebSocket resets its stream with H3_REQUEST_CANCELLED.
#[test]
fn a_dropped_websocket_resets_its_stream() {
    run(async {
        let mut server = Server::start();
        let http3 = server.connect().await;
        let mut other = server.open(&http3, "/echo", config(true)).await.unwrap();
        drop(server.open(&http3, "/dropped", config(false)).await.unwrap());
        let error = server.ends.of("/dropped").await.unwrap_err();
        assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{error}");

        let mut ws = server.open(&http3, "/drop", config(false)).await.unwrap();
        ws.send("now").await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{error}");
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
        server.ends.of("/open").await.unwrap();
    });
}

/// The connection lasts as long as one of its WebSockets.
#[test]
fn a_websocket_keeps_its_connection() {
    run(async {
        let server = Server::start();
        let http3 = server.connect().await;
        let mut ws = server.open(&http3, "/echo", config(false)).await.unwrap();
        drop(http3);
        check(&mut ws).await;
    });
}
