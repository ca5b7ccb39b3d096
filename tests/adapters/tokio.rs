//! The adapter for tokio, over TCP on the loopback interface and with tokio's paused clock.

use std::{future::Future, time::Duration};

use sockless::{
    CloseCode, Config, Connection, Message, Role,
    adapter::{Error, Settings, tokio as ws},
    handshake::Negotiated,
    timers::Due,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
    time::{self, Instant, sleep},
};

use super::assert_handshake_timed_out;

/// How long a test waits for the network before it fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { time::timeout(TEST_TIMEOUT, future).await })
        .expect("the test ends before the timeout")
}

/// Messages of all sizes are echoed over TCP, and both ends close cleanly.
#[test]
fn messages_are_echoed_over_tcp() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut ws = ws::accept(tcp).await.unwrap();
            while let Some(message) = ws.recv().await.unwrap() {
                ws.feed(message).await.unwrap();
            }
            assert!(ws.close_status().unwrap().is_clean());
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
            assert!(ws.close_status().unwrap().is_clean());
        };
        tokio::join!(server, client);
    });
}

/// R005: `connect` has one connection in the opening handshake at a time: no second one while it
/// waits, and none after a failure.
#[test]
fn s4_1_connect_makes_one_connection_at_a_time() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let has_another = async || time::timeout(Duration::ZERO, listener.accept()).await.is_ok();
        let server = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(tcp.read_u8().await.unwrap());
            }
            // The client waits for a response.
            assert!(!has_another().await, "a second connection during the handshake");
        };
        let (result, ()) = tokio::join!(ws::connect(&url), server);
        assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
        assert!(!has_another().await, "a second connection after a failure");
    });
}

/// Runs with a clock that advances to the next timer when all tasks wait.
fn run_paused<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// Returns a server's connection, and the other end of its stream.
fn serve(capacity: usize) -> (ws::WebSocket<DuplexStream>, DuplexStream) {
    let (local, remote) = duplex(capacity);
    let engine = Connection::upgraded_server(&Negotiated::default(), Config::default());
    (ws::upgraded(local, engine, Settings::default()), remote)
}

/// Returns the seconds since `start`.
fn seconds_since(start: Instant) -> u64 {
    start.elapsed().as_secs()
}

/// A client that connects and sends nothing times out.
#[test]
fn a_slow_handshake_times_out() {
    run_paused(async {
        let start = Instant::now();
        let (local, _remote) = duplex(100);
        let error = ws::incoming(local, Settings::default()).await.unwrap_err();
        assert_handshake_timed_out(&error);
        assert_eq!(seconds_since(start), 10);
    });
}

/// A peer that answers no Ping times out in the reading half, although the writing half polled the
/// clock last.
#[test]
fn a_silent_peer_times_out() {
    run_paused(async {
        let start = Instant::now();
        let (ws, mut remote) = serve(10);
        let (mut reader, writer) = ws.split();
        let reading = async move {
            let error = reader.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
            assert_eq!(seconds_since(start), 40);
        };
        let writing = async move {
            sleep(Duration::from_secs(20)).await;
            writer.send("longer than the pipe").await.unwrap();
            sleep(Duration::from_secs(20)).await;
        };
        let peer = async {
            sleep(Duration::from_secs(20)).await;
            let mut sent = Vec::new();
            let _end = remote.read_to_end(&mut sent).await;
        };
        tokio::join!(reading, writing, peer);
    });
}

/// A peer that answers Pings does not time out. When it sends a Close frame and leaves the stream
/// open, the connection ends without an error.
#[test]
fn a_peer_that_answers_pings_does_not_time_out() {
    run_paused(async {
        let start = Instant::now();
        let (mut ws, mut remote) = serve(100);
        let reading = async {
            assert_eq!(ws.recv().await.unwrap(), None);
            assert_eq!(ws.round_trip(), Some(Duration::from_secs(2)));
            assert_eq!(seconds_since(start), 10 * 22 + 5);
        };
        let peer = async {
            let mut ping = [0; 10];
            for _ in 0..10 {
                remote.read_exact(&mut ping).await.unwrap();
                sleep(Duration::from_secs(2)).await;
                let pong = [&[0x8A, 0x88, 0, 0, 0, 0], &ping[2..]].concat();
                remote.write_all(&pong).await.unwrap();
            }
            remote.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232]).await.unwrap();
            sleep(Duration::from_secs(100)).await;
        };
        tokio::join!(reading, peer);
    });
}

/// A Close frame sent by the writing half sets an earlier deadline for the reading half that waits.
#[test]
fn a_close_by_the_writer_sets_the_readers_deadline() {
    run_paused(async {
        let start = Instant::now();
        let (ws, _remote) = serve(100);
        let (mut reader, writer) = ws.split();
        let reading = tokio::spawn(async move {
            let error = reader.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut { due: Due::Close, .. }), "{error:?}");
        });
        sleep(Duration::from_secs(1)).await;
        writer.close(CloseCode::NORMAL, "").await.unwrap();
        reading.await.unwrap();
        assert_eq!(seconds_since(start), 6);
    });
}

/// Readers and many writers on several threads, over a pipe of 64 bytes: everything is received,
/// and no task waits without end.
#[test]
fn halves_work_on_several_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap();
    let conversation = async {
        let (local, remote) = duplex(64);
        let end = |stream, role| {
            let engine = support::open(role, Config::default());
            let settings = Settings::new().high_water(200);
            ws::upgraded(stream, engine, settings)
        };
        let ends = [end(local, Role::Server), end(remote, Role::Client)];
        let mut tasks = Vec::new();
        for (mut reader, writer) in ends.map(ws::WebSocket::split) {
            tasks.push(tokio::spawn(async move {
                for _ in 0..4 * 200 {
                    assert!(reader.recv().await.unwrap().is_some());
                }
            }));
            for _ in 0..4 {
                let writer = writer.clone();
                tasks.push(tokio::spawn(async move {
                    for n in 0..200 {
                        writer.send(vec![7; n]).await.unwrap();
                    }
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
    };
    runtime
        .block_on(async { time::timeout(TEST_TIMEOUT, conversation).await })
        .expect("the test ends before the timeout");
}

/// The peer shuts down its sending direction: the adapter writes all output before it reports the
/// end.
#[test]
fn output_is_written_after_a_half_close_over_tcp() {
    const LEN: usize = 30 << 20;
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = async {
            let mut ws = ws::accept(listener.accept().await.unwrap().0).await.unwrap();
            ws.feed(vec![7; LEN]).await.unwrap();
            assert!(ws.recv().await.is_err(), "the peer sent no Close frame");
        };
        let client = async {
            let ws = ws::connect(&url).await.unwrap();
            let sockless::adapter::Parts {
                transport: io, unread, ..
            } = ws.into_parts();
            let mut tcp = io.0;
            tcp.shutdown().await.unwrap();
            sleep(Duration::from_millis(200)).await;
            let mut all = unread;
            tcp.read_to_end(&mut all).await.unwrap();
            assert_eq!(all.len(), LEN + 10);
        };
        tokio::join!(server, client);
    });
}

/// One message is written and read with the traits of tokio: 1 MiB in a message through a small
/// pipe, in flat memory.
#[test]
fn a_message_is_copied_with_the_traits_of_tokio() {
    run_paused(async {
        let (local, remote) = duplex(4096);
        let chunks = Config::new().delivery(sockless::Delivery::Chunks);
        let server = Connection::upgraded_server(&Negotiated::default(), chunks);
        let client = Connection::upgraded_client(&Negotiated::default(), Config::default(), [7; 32]);
        let mut server = ws::upgraded(local, server, Settings::default());
        let mut client = ws::upgraded(remote, client, Settings::default());
        let data: Vec<u8> = (0..1_u32 << 20).map(|n| (n % 251) as u8).collect();
        let sending = async {
            let mut message = client.writer(sockless::MessageKind::Binary).unwrap();
            tokio::io::copy(&mut &data[..], &mut message).await.unwrap();
            message.shutdown().await.unwrap();
            drop(message);
            client.send("next").await.unwrap();
        };
        let receiving = async {
            let mut message = server.reader().await.unwrap().unwrap();
            let mut received = Vec::new();
            message.read_to_end(&mut received).await.unwrap();
            assert!(received == data);
            drop(message);
            let mut text = String::new();
            let mut message = server.reader().await.unwrap().unwrap();
            message.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "next");
        };
        tokio::join!(sending, receiving);
    });
}

/// A tunnel: the byte stream is split by tokio, both directions are used at the same time, and the
/// shutdown of one end is the end of the other.
#[test]
fn a_byte_stream_is_split_by_tokio() {
    run_paused(async {
        let (local, remote) = duplex(100);
        let server = Connection::upgraded_server(&Negotiated::default(), Config::default());
        let client = Connection::upgraded_client(&Negotiated::default(), Config::default(), [7; 32]);
        let server = ws::upgraded(local, server, Settings::new().high_water(200)).into_byte_stream();
        let client = ws::upgraded(remote, client, Settings::new().high_water(200)).into_byte_stream();
        let (mut server_reader, mut server_writer) = tokio::io::split(server);
        let (mut client_reader, mut client_writer) = tokio::io::split(client);
        let echo = async {
            tokio::io::copy(&mut server_reader, &mut server_writer).await.unwrap();
        };
        let sending = async {
            for n in 0..50 {
                client_writer.write_all(&[n; 100]).await.unwrap();
            }
            client_writer.flush().await.unwrap();
        };
        let receiving = async {
            let mut echoed = vec![0; 5000];
            client_reader.read_exact(&mut echoed).await.unwrap();
            let expected: Vec<u8> = (0..50).flat_map(|n| [n; 100]).collect();
            assert!(echoed == expected);
        };
        let both = async { tokio::join!(sending, receiving) };
        tokio::pin!(echo);
        tokio::select! {
            _ = both => {}
            () = &mut echo => panic!("the echo ends after the shutdown"),
        }
        let closing = async {
            client_writer.shutdown().await.unwrap();
            assert_eq!(client_reader.read(&mut [0]).await.unwrap(), 0);
        };
        tokio::join!(echo, closing);
    });
}
