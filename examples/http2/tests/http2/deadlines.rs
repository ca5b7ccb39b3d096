//! A peer that says nothing does not keep a connection.

use std::time::Duration;

use http::Response;
use sockless_http2::{
    client::{Error, Http2},
    server,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::Instant,
};

use crate::carrier::{config, run_paused, settings};

/// A client that sends nothing, or a part of what tells HTTP/2 from HTTP/1.1, or a part of a
/// request, is dropped after a while.
#[test]
fn a_client_without_a_request_is_dropped() {
    for sent in [
        "",
        "PRI",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET",
        "GET / HTTP/1.1\r\nhost",
    ] {
        run_paused(async {
            let (mut client, transport) = duplex(1 << 16);
            client.write_all(sent.as_bytes()).await.unwrap();
            let serving = tokio::spawn(server::serve(transport, |_| async { Response::new(String::new()) }));
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            assert!(serving.await.unwrap().is_err(), "{sent:?}");
        });
    }
}

/// A server that does not answer is an error for the client after a while: one that says nothing,
/// and one that does not send a response.
#[test]
fn a_server_without_an_answer_is_an_error() {
    run_paused(async {
        let (client, _server) = duplex(1 << 16);
        let limit = Duration::from_secs(30);
        let started = Instant::now();
        let Err(Error::Io(error)) = Http2::connect_within(client, limit).await else {
            panic!("connected, or another error");
        };
        assert_eq!(error.to_string(), "the server has sent no settings within 30s");
        assert_eq!(started.elapsed().as_secs(), 30);

        let (client, transport) = duplex(1 << 16);
        tokio::spawn(server::serve(transport, |_| std::future::pending()));
        let http2 = Http2::connect(client).await.unwrap();
        let request = sockless::ClientRequest::new("ws://localhost/").unwrap();
        let opened = http2.open(&request, config(false), settings()).await;
        let Err(Error::Io(error)) = opened else {
            panic!("opened, or another error");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the server has sent no response within 10s");
    });
}
