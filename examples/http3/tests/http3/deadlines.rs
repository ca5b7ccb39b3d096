//! A peer that says nothing does not keep a stream.

use std::io::ErrorKind;

use bytes::Bytes;
use sockless_http3::{
    client::{Error, Http3},
    quic,
    request::{Error as StreamError, headers_frame},
};
use tokio::runtime::Builder;

use crate::{Server, VALID, config, endpoints, settings};

/// Runs a test on the paused clock of tokio, which advances when all tasks wait.
fn run_paused<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

/// A request that does not arrive, or a part of one, is dropped after a while. Other streams are
/// unharmed.
#[test]
fn a_stream_without_a_request_is_dropped() {
    run_paused(async {
        let server = Server::start();
        let raw = server.raw().await;
        let request = headers_frame(VALID).unwrap();
        for len in [1, 2, 10] {
            let (_send, mut recv) = raw.send(&request[..len]).await;
            let Err(StreamError::Reset(code)) = recv.headers().await else {
                panic!("no reset");
            };
            assert_eq!(code.to_string(), "H3_REQUEST_INCOMPLETE");
        }
        raw.check().await;
    });
}

/// A server that does not answer is an error for the client after a while: one that sends no
/// settings, and one that sends no response.
#[test]
fn a_server_without_an_answer_is_an_error() {
    run_paused(async {
        for has_settings in [false, true] {
            let (server, client) = endpoints();
            let address = server.local_addr().unwrap();
            tokio::spawn(async move {
                let connection = server.accept().await.unwrap().await.unwrap();
                if has_settings {
                    let mut http3 = http3::server::builder();
                    http3.enable_extended_connect(true);
                    let connection = quic::Connection::new(connection.clone());
                    let mut http3 = http3.build::<_, Bytes>(connection).await.unwrap();
                    let _requests = http3.accept().await;
                    std::future::pending::<()>().await;
                }
                connection.closed().await;
            });
            let opened = async {
                let http3 = Http3::connect(&client, address, "localhost").await?;
                let request = sockless::ClientRequest::new("wss://localhost/")?;
                http3.open(&request, config(false), settings()).await
            };
            let Err(Error::Io(error)) = opened.await else {
                panic!("opened, or another error");
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            let text = if has_settings { "response" } else { "settings" };
            assert!(error.to_string().contains(text), "{error}");
        }
    });
}
