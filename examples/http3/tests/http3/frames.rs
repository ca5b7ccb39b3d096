//! Frames of HTTP/3, cut and mixed in any way.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use sockless::{Connection, Event, handshake::Negotiated};
use sockless_http3::request::{Error, headers_frame};
use tokio::{
    task::coop::{consume_budget, has_budget_remaining},
    time::sleep,
};

use crate::{
    Server, VALID,
    carrier::{config, run, run_paused},
};

const H3_FRAME_UNEXPECTED: u64 = 0x105;
const H3_FRAME_ERROR: u64 = 0x106;
const QPACK_DECOMPRESSION_FAILED: u64 = 0x200;

fn request() -> Vec<u8> {
    headers_frame(VALID).unwrap().to_vec()
}

/// A DATA frame for each byte, whose length has 1, 2, 4 or 8 bytes; with frames of unknown types in
/// between (RFC 9114, section 9), which are longer than what the server reads at a time.
fn cut(bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (n, byte) in bytes.iter().enumerate() {
        let len: &[u8] = match n % 4 {
            0 => &[1],
            1 => &[0x40, 1],
            2 => &[0x80, 0, 0, 1],
            _ => &[0xc0, 0, 0, 0, 0, 0, 0, 1],
        };
        frames.extend_from_slice(&[&[0], len, &[*byte]].concat());
        // Empty, then an unknown type of 20,000 bytes.
        frames.extend_from_slice(&[0, 0]);
        if n % 10 == 0 {
            frames.extend_from_slice(&[0x21, 0x80, 0, 0x4e, 0x20]);
            frames.extend(std::iter::repeat_n(7, 20_000));
        }
    }
    frames
}

/// The frames of HTTP/3 are not those of the WebSocket.
#[test]
fn frames_are_cut_in_any_way() {
    run(async {
        let server = Server::start();
        let raw = server.raw().await;
        let mut engine = Connection::upgraded_client(&Negotiated::default(), config(false), [7; 32]);
        let mut message = Vec::new();
        engine.send_text("cut into pieces", &mut message).unwrap();
        let (mut send, mut recv) = raw.send(&request()).await;
        assert_eq!(recv.headers().await.unwrap().unwrap().status(), Some(200));
        // In parts: the server waits inside each frame.
        for part in cut(&message).chunks(13_000) {
            send.write_all(part).await.unwrap();
            raw.check().await;
        }
        let (mut out, mut received) = (Vec::new(), Vec::new());
        let echo = loop {
            let mut input = &mut received[..];
            if let Some(event) = engine.receive(&mut input, &mut out).unwrap() {
                break format!("{event:?}");
            }
            received.clear();
            let len = std::future::poll_fn(|cx| {
                recv.poll_data(cx).map_ok(|data| {
                    received.extend_from_slice(data);
                    data.len()
                })
            });
            let len = len.await.unwrap();
            assert!(len > 0);
            recv.consume(len);
        };
        assert_eq!(echo, format!("{:?}", Event::Text("cut into pieces".into())));
    });
}

/// A violation of HTTP/3 closes the connection with its error code (RFC 9114, sections 4.1, 4.4 and
/// 7.1; RFC 9204, section 2.2).
#[test]
fn violations_close_the_connection() {
    let headers = request();
    let rows: [(&str, Vec<u8>, u64); 7] = [
        ("DATA before HEADERS", vec![0, 1, b'x'], H3_FRAME_UNEXPECTED),
        ("SETTINGS", vec![4, 0], H3_FRAME_UNEXPECTED),
        ("a type of HTTP/2", vec![6, 0], H3_FRAME_UNEXPECTED),
        ("HEADERS twice", [&headers[..], &headers].concat(), H3_FRAME_UNEXPECTED),
        ("PUSH_PROMISE", [&headers[..], &[5, 1, 0]].concat(), H3_FRAME_UNEXPECTED),
        ("a part of HEADERS", headers[..10].to_vec(), H3_FRAME_ERROR),
        // A reference to a dynamic table that there is not.
        ("QPACK", vec![1, 3, 2, 0, 0x80], QPACK_DECOMPRESSION_FAILED),
    ];
    run(async {
        let server = Server::start();
        for (name, bytes, code) in rows {
            let raw = server.raw().await;
            let (mut send, _recv) = raw.send(&bytes).await;
            send.finish().unwrap();
            assert_eq!(raw.closed().await, code, "{name}");
        }
    });
}

/// A stream that ends inside a DATA frame.
#[test]
fn a_truncated_frame_closes_the_connection() {
    run(async {
        let server = Server::start();
        let raw = server.raw().await;
        let (mut send, mut recv) = raw.send(&request()).await;
        assert_eq!(recv.headers().await.unwrap().unwrap().status(), Some(200));
        send.write_all(&[0, 2, 0x81]).await.unwrap();
        send.finish().unwrap();
        assert_eq!(raw.closed().await, H3_FRAME_ERROR);
    });
}

/// Headers that are too long, on the wire or decoded, end one stream, before they are received.
#[test]
fn long_headers_end_one_stream() {
    run(async {
        let server = Server::start();
        let raw = server.raw().await;
        // Of 2^62 - 1 bytes.
        let endless = [&[1, 0xff], &[0xff; 7][..]].concat();
        let value = "x".repeat(20_000);
        let fields = VALID.into_iter().chain([("x-long", value.as_str())]);
        for bytes in [endless, headers_frame(fields).unwrap().to_vec()] {
            let (_send, mut recv) = raw.send(&bytes).await;
            let Err(Error::Reset(code)) = recv.headers().await else {
                panic!("no reset");
            };
            assert_eq!(code.to_string(), "H3_EXCESSIVE_LOAD");
        }
        raw.check().await;
    });
}

/// A stream whose bytes arrive as fast as they are read does not keep its thread: a read counts
/// towards the budget that tokio gives a task before others run.
#[test]
fn reads_count_towards_the_budget_of_the_task() {
    run_paused(async {
        let server = Server::start();
        let raw = server.raw().await;
        let (_send, mut recv) = raw.send(&headers_frame(VALID).unwrap()).await;
        // The response arrives.
        sleep(Duration::from_secs(1)).await;
        while has_budget_remaining() {
            consume_budget().await;
        }
        let mut headers = pin!(recv.headers());
        let is_pending = poll_fn(|cx| Poll::Ready(headers.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending, "it reads without a budget");
        assert_eq!(headers.await.unwrap().unwrap().status(), Some(200));
    });
}
