//! A peer that says nothing does not keep a stream.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use bytes::Bytes;
use http3::error::{Code, ConnectionError};
use quinn::{TransportConfig, VarInt};
use sockless_http3::{
    LIMIT,
    client::{Error, Http3},
    quic,
    request::{Error as StreamError, headers_frame},
    server,
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    Server, VALID,
    carrier::{config, run_paused, settings},
    endpoints, endpoints_with,
};

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

/// A server that allows no streams of requests is an error for the client after a while.
#[test]
fn a_server_without_room_for_a_stream_is_an_error() {
    run_paused(async {
        let mut limits = TransportConfig::default();
        limits.max_concurrent_bidi_streams(VarInt::from_u32(0));
        let (server, client) = endpoints_with(|config, _| _ = config.transport_config(Arc::new(limits)));
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let connection = server.accept().await.unwrap().await.unwrap();
            server::serve(connection, std::future::pending(), |_| async {}).await
        });
        let http3 = Http3::connect(&client, address, "localhost").await.unwrap();
        let request = sockless::ClientRequest::new("wss://localhost/").unwrap();
        let started = Instant::now();
        let Err(Error::Io(error)) = http3.open(&request, config(false), settings()).await else {
            panic!("opened, or another error");
        };
        assert_eq!(error.to_string(), "no room for a stream from the server within 10s");
        assert!(started.elapsed() < LIMIT + LIMIT / 2, "{:?}", started.elapsed());
    });
}

type Serving = JoinHandle<Result<(), ConnectionError>>;

/// Serves a client of QUIC with these limits. Returns its connection, what makes the server send
/// GOAWAY, and the task of the server.
async fn serve(limits: TransportConfig) -> (quinn::Connection, Arc<Notify>, Serving) {
    let (endpoint, client) = endpoints_with(|_, config| _ = config.transport_config(Arc::new(limits)));
    let connecting = client.connect(endpoint.local_addr().unwrap(), "localhost").unwrap();
    let shutdown = Arc::new(Notify::new());
    let told = shutdown.clone();
    let serving = tokio::spawn(async move {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        server::serve(connection, told.notified(), |_| async {}).await
    });
    (connecting.await.unwrap(), shutdown, serving)
}

/// Waits until the server gives the client up.
async fn given_up(connection: &quinn::Connection, serving: Serving) {
    let started = Instant::now();
    let served = timeout(3 * LIMIT, serving).await.expect("the server ends").unwrap();
    assert!(served.is_err());
    assert!(started.elapsed() < LIMIT + LIMIT / 2, "{:?}", started.elapsed());
    let quinn::ConnectionError::ApplicationClosed(close) = connection.closed().await else {
        panic!("not closed by the server");
    };
    assert_eq!(close.error_code.into_inner(), Code::H3_INTERNAL_ERROR.value());
}

/// A client that allows no streams, or no bytes on them, is given up.
#[test]
fn a_client_without_room_for_a_control_stream_is_given_up() {
    run_paused(async {
        let (mut no_streams, mut no_bytes) = <(TransportConfig, TransportConfig)>::default();
        no_streams.max_concurrent_uni_streams(VarInt::from_u32(0));
        no_bytes.stream_receive_window(VarInt::from_u32(0));
        for limits in [no_streams, no_bytes] {
            let (connection, _, serving) = serve(limits).await;
            given_up(&connection, serving).await;
        }
    });
}

/// A client that has room for the settings, and not for GOAWAY, is given up.
#[test]
fn a_client_without_room_for_goaway_is_given_up() {
    run_paused(async {
        let (connection, _, serving) = serve(TransportConfig::default()).await;
        let mut control = connection.accept_uni().await.unwrap();
        let mut settings = [0; 100];
        let len = control.read(&mut settings).await.unwrap().unwrap();
        serving.abort();

        let mut limits = TransportConfig::default();
        limits.stream_receive_window(VarInt::try_from(len).unwrap());
        let (connection, shutdown, serving) = serve(limits).await;
        // The settings have arrived. To read them would make room.
        let _control = connection.accept_uni().await.unwrap();
        shutdown.notify_one();
        given_up(&connection, serving).await;
    });
}

/// After GOAWAY, a client that goes on to send requests does not keep its connection.
#[test]
fn requests_after_goaway_do_not_keep_the_connection() {
    run_paused(async {
        let (connection, shutdown, mut serving) = serve(TransportConfig::default()).await;
        let started = Instant::now();
        shutdown.notify_one();
        let request = headers_frame(VALID).unwrap();
        let mut streams = Vec::new();
        let served = loop {
            tokio::select! {
                served = &mut serving => break served.unwrap(),
                () = sleep(LIMIT - Duration::from_secs(1)) => {}
            }
            assert!(started.elapsed() < 3 * LIMIT, "the connection goes on");
            if let Ok((mut send, recv)) = connection.open_bi().await {
                let _closed = send.write_all(&request).await;
                streams.push((send, recv));
            }
        };
        assert!(served.is_ok());
        assert!(started.elapsed() < LIMIT + LIMIT / 2, "{:?}", started.elapsed());
    });
}
