//! Flow control: who does not read stalls its own stream only.

use std::time::Duration;

use sockless::{CloseCode, Message};
use tokio::time::timeout;

use super::{config, run};
use crate::{Carrier, MANY, STREAM_WINDOW, Server, WebSocket};

/// Sends until nothing is taken any more. Returns how many bytes were taken.
async fn fill(ws: &mut WebSocket) -> usize {
    let (mut sent, chunk) = (0, vec![7; 16 << 10]);
    while timeout(Duration::from_millis(300), ws.send(chunk.as_slice()))
        .await
        .is_ok()
    {
        sent += chunk.len();
        assert!(sent < 64 << 20, "the peer takes everything");
    }
    sent
}

async fn exchange(mut ws: WebSocket, rounds: usize) {
    let message = Message::Binary(vec![9; 4 << 10].into());
    for _ in 0..rounds {
        ws.feed(&message).await.unwrap();
        assert!(ws.recv().await.unwrap() == Some(message.clone()));
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
}

async fn exchange_on_all(server: &Server, carrier: &Carrier, number: usize) {
    let mut tasks = Vec::new();
    for _ in 0..number {
        let ws = server.open(carrier, "/echo", config(false)).await.unwrap();
        tasks.push(tokio::spawn(exchange(ws, 5)));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Of many WebSockets on one connection, one client sends and does not receive. It is stopped after
/// a bounded number of bytes, and all others finish.
#[test]
fn a_client_that_does_not_receive_stalls_its_own_stream_only() {
    run(async {
        let server = Server::start();
        let carrier = server.connect().await;
        let mut stalled = server.open(&carrier, "/echo", config(false)).await.unwrap();
        let sent = fill(&mut stalled).await;
        // Its window in each direction, and what is buffered in between.
        assert!(sent < 30 * STREAM_WINDOW as usize, "{sent}");
        exchange_on_all(&server, &carrier, MANY).await;
        // Nothing is lost: it receives all of it when it begins to.
        let mut received = 0;
        while received < sent {
            received += stalled.recv().await.unwrap().unwrap().len();
        }
    });
}

/// Applications on the server that do not receive stall their own streams only: the client is
/// stopped after about one window.
#[test]
fn a_server_that_does_not_receive_stalls_its_own_stream_only() {
    run(async {
        let server = Server::start();
        let carrier = server.connect().await;
        let mut stalled = Vec::new();
        for n in 0..20 {
            let path = format!("/unread/{n}");
            stalled.push(server.open(&carrier, &path, config(false)).await.unwrap());
        }
        for ws in &mut stalled {
            let sent = fill(ws).await;
            assert!(sent < 4 * STREAM_WINDOW as usize, "{sent}");
        }
        exchange_on_all(&server, &carrier, 100).await;
    });
}
