//! HTTP/1.1 on the port of HTTP/2.

use sockless::CloseCode;

use crate::{
    Server,
    carrier::{config, messages::message, run},
};

/// The same server speaks HTTP/1.1 on the same port.
#[test]
fn the_port_speaks_http_1_too() {
    run(async {
        let mut server = Server::start();
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
        server.ends.of("/one").await.unwrap();
    });
}
