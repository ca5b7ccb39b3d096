//! The adapter for tokio, over TCP on the loopback interface and on a clock that stands still.
#![cfg(feature = "tokio")]

use std::{future::Future, time::Duration};

use sockless::{
    CloseCode,
    adapter::{Message, tokio as ws},
};
use tokio::net::TcpListener;

/// How long a test waits for the network before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, future).await })
        .expect("it ends in time")
}

#[test]
fn a_conversation_over_tcp() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut ws = ws::accept(tcp).await.unwrap();
            while let Some(message) = ws.recv().await.unwrap() {
                ws.feed(message).await.unwrap();
            }
            assert!(ws.closure().unwrap().is_clean());
        };
        let client = async {
            let mut ws = ws::connect(&url).await.unwrap();
            for len in [0, 1, 1000, 100_000, 3_000_000] {
                let message = Message::Binary((0..len).map(|n| n as u8).collect());
                ws.send(&message).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), Some(message));
            }
            ws.close(CloseCode::NORMAL, "bye").await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), None);
            assert!(ws.closure().unwrap().is_clean());
        };
        tokio::join!(server, client);
    });
}
