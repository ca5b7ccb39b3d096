//! Messages and the closing handshake.

use sockless::{CloseCode, Message, handshake::Negotiated};

use crate::{Server, config, run};

/// A text that compresses well, or bytes that do not.
fn message(len: usize, is_text: bool) -> Message<'static> {
    if is_text {
        Message::Text(
            "naïve Ωμέγα 日本語 🦀 "
                .chars()
                .cycle()
                .take(len)
                .collect::<String>()
                .into(),
        )
    } else {
        let mut state = 1_u32;
        let bytes = (0..len).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        Message::Binary(bytes.collect::<Vec<u8>>().into())
    }
}

/// R199 R200: Messages of all sizes are echoed, with compression and without, and both ends close
/// cleanly.
#[test]
fn messages_are_echoed() {
    for compressed in [false, true] {
        run(async {
            let mut server = Server::start().await;
            let http2 = server.connect().await;
            let mut ws = server.open(&http2, "/echo", config(compressed)).await.unwrap();
            let Negotiated { deflate, .. } = ws.negotiated();
            assert_eq!(deflate.is_some(), compressed);
            for len in [0, 1, 125, 126, 16_384, 65_535, 65_536, 200_000, 1 << 20] {
                for is_text in [false, true] {
                    let message = message(len, is_text);
                    // Both directions at once: the echo begins before all of it is sent.
                    ws.feed(&message).await.unwrap();
                    assert!(ws.recv().await.unwrap() == Some(message), "{len}");
                }
            }
            ws.close(CloseCode::NORMAL, "bye").await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), None);
            assert!(ws.close_status().unwrap().is_clean());
            let status = server.end_of("/echo").await.unwrap();
            assert!(status.contains("the peer closed") && status.contains("bye"), "{status}");
        });
    }
}

/// Many WebSockets on one connection, each in its own task.
#[test]
fn a_connection_carries_many() {
    run(async {
        let server = Server::start().await;
        let http2 = server.connect().await;
        let mut tasks = Vec::new();
        for n in 0..200 {
            let mut ws = server
                .open(&http2, &format!("/echo/{n}"), config(n % 2 == 0))
                .await
                .unwrap();
            tasks.push(tokio::spawn(async move {
                for k in 0..10 {
                    let text = format!("message {k} of {n}").repeat(1 + 20 * k);
                    ws.feed(text.as_str()).await.unwrap();
                    assert_eq!(ws.recv().await.unwrap(), Some(Message::Text(text.into())));
                }
                ws.close(CloseCode::NORMAL, "").await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), None);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The same server speaks HTTP/1.1 on the same port.
#[test]
fn the_port_speaks_http_1_too() {
    run(async {
        let mut server = Server::start().await;
        let url = format!("ws://{}/one", server.address);
        let request = sockless::ClientRequest::new(&url).unwrap();
        let connected = sockless::adapter::tokio::connect_with(&request, config(true)).await;
        let (mut ws, response) = connected.unwrap();
        assert_eq!(response.status(), 101);
        assert!(ws.negotiated().deflate.is_some());
        let message = message(300_000, true);
        ws.feed(&message).await.unwrap();
        assert!(ws.recv().await.unwrap() == Some(message));
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
        server.end_of("/one").await.unwrap();
    });
}
