//! Messages and the closing handshake.

use sockless::{CloseCode, Message, adapter::Error, handshake::Negotiated};

use super::{config, run};
use crate::Server;

/// A text that compresses well, or bytes that do not.
pub(crate) fn message(len: usize, is_text: bool) -> Message<'static> {
    if is_text {
        let text = "naïve Ωμέγα 日本語 🦀 ".chars().cycle().take(len);
        return Message::Text(text.collect::<String>().into());
    }
    let mut state = 1_u32;
    let bytes = (0..len).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    Message::Binary(bytes.collect::<Vec<u8>>().into())
}

/// R199 R200 R203: Messages of all sizes are echoed, with compression and without, and both ends
/// close cleanly.
#[test]
fn messages_are_echoed() {
    for compressed in [false, true] {
        run(async {
            let mut server = Server::start();
            let carrier = server.connect().await;
            let mut ws = server.open(&carrier, "/echo", config(compressed)).await.unwrap();
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
            let status = server.ends.of("/echo").await.unwrap();
            assert!(status.contains("the peer closed") && status.contains("bye"), "{status}");
        });
    }
}

/// R203 R205: A server closes with a code and a reason.
#[test]
fn a_server_closes() {
    run(async {
        let mut server = Server::start();
        let carrier = server.connect().await;
        let mut ws = server.open(&carrier, "/close", config(true)).await.unwrap();
        let Err(Error::Closed(status)) = ws.recv().await else {
            panic!("no Close frame");
        };
        assert_eq!((u16::from(status.code()), status.reason()), (4001, "enough"));
        assert!(status.is_clean());
        server.ends.of("/close").await.unwrap();
    });
}

/// Many WebSockets on one connection, each in its own task.
#[test]
fn a_connection_carries_many() {
    run(async {
        let server = Server::start();
        let carrier = server.connect().await;
        let mut tasks = Vec::new();
        for n in 0..200 {
            let path = format!("/echo/{n}");
            let mut ws = server.open(&carrier, &path, config(n % 2 == 0)).await.unwrap();
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
