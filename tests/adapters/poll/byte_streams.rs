//! Binary messages as a stream of bytes.

use std::{cell::RefCell, future::poll_fn, io, rc::Rc};

use sockless::{
    Config, Delivery, MessageKind, Role, SendError,
    adapter::{Error, poll::ByteStream},
    handshake::Negotiated,
    timers::{Due, Timeouts},
};
use support::{
    ROLES, frame, frames,
    pipe::{Cancel, Canceller, Faults, PipeEnd, Simulation, Task, VirtualClock},
    polled::{Ws, engine, message, open, seconds, settings},
    random::Rng,
};

use super::end::inner;
use crate::adapters::{begun_messages, engine as engine_with_deflate};

type Stream = ByteStream<PipeEnd, VirtualClock>;

async fn read(stream: &mut Stream, buf: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| stream.poll_read(cx, buf)).await
}

async fn write(stream: &mut Stream, data: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| stream.poll_write(cx, data)).await
}

async fn flush(stream: &mut Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_flush(cx)).await
}

async fn shut_down(stream: &mut Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_shutdown(cx)).await
}

fn open_chunks(end: PipeEnd, clock: VirtualClock, role: Role, high_water: usize) -> Ws {
    let config = Config::new().delivery(Delivery::Chunks);
    let engine = support::upgraded(role, &Negotiated::default(), config);
    Ws::upgraded(end, clock, engine, settings(high_water, Timeouts::none()))
}

/// Two ends send and receive at the same time, each in two tasks that share the stream as the
/// `split` of the runtimes does, over a pipe of a few bytes: all bytes arrive, no task waits for
/// ever, and the end is the end of the stream. Every call may be dropped and made again.
#[test]
fn f60_bytes_arrive_in_both_directions() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
        let (mut server, mut client) = simulation.pipe([1 + rng.below(40), 1 + rng.below(40)]);
        server.faults = Faults::random(seed ^ 1);
        client.faults = Faults::random(seed ^ 2);
        let high_water = [10, 50, 200][rng.below(3)];
        let clocks = [simulation.clock(), simulation.clock()];
        let data: Vec<u8> = message(2, 800).as_bytes().to_vec();
        let left = Rc::new(RefCell::new(2));
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
            let ws = match seed % 3 {
                0 => open(end, clock, role, high_water),
                _ => open_chunks(end, clock, role, high_water),
            };
            let stream = Rc::new(RefCell::new(ws.into_byte_stream()));
            let (reading, left, data) = (Rc::clone(&stream), Rc::clone(&left), data.clone());
            let cancel = [Cancel::Never, Cancel::After(1), Cancel::After(3)][rng.below(3)];
            let sent = data.clone();
            tasks.push(Box::pin(async move {
                let canceller = Canceller::new(cancel);
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let piece = &rest[..rest.len().min(90)];
                    let written = canceller
                        .retry(async || poll_fn(|cx| stream.borrow_mut().poll_write(cx, piece)).await)
                        .await
                        .unwrap();
                    rest = &rest[written..];
                }
                canceller
                    .retry(async || poll_fn(|cx| stream.borrow_mut().poll_flush(cx)).await)
                    .await
                    .unwrap();
                *left.borrow_mut() -= 1;
                if *left.borrow() == 0 {
                    canceller
                        .retry(async || poll_fn(|cx| stream.borrow_mut().poll_shutdown(cx)).await)
                        .await
                        .unwrap();
                }
            }));
            tasks.push(Box::pin(async move {
                let canceller = Canceller::new(cancel);
                let (mut all, mut buf) = (Vec::new(), vec![0; [1, 13, 2000][seed as usize % 3]]);
                loop {
                    let read = canceller
                        .retry(async || poll_fn(|cx| reading.borrow_mut().poll_read(cx, &mut buf)).await)
                        .await;
                    match read.unwrap() {
                        0 => break,
                        len => all.extend_from_slice(&buf[..len]),
                    }
                }
                assert!(all == data, "{seed}");
                assert!(reading.borrow().get_ref().close_status().unwrap().is_clean());
                let again = poll_fn(|cx| reading.borrow_mut().poll_read(cx, &mut buf)).await;
                assert_eq!(again.unwrap(), 0, "again at the end");
            }));
        }
        simulation.run(tasks);
    }
}

/// Each write is one message of at most 64 KiB, an empty one is none, and empty messages of the
/// peer are not the end.
#[test]
fn writes_are_binary_messages() {
    for role in ROLES {
        let mut simulation = Simulation::new(1);
        let (local, mut remote) = simulation.pipe([1 << 20, 1000]);
        let peer = support::peer_of(role);
        for data in [&b""[..], b"", b"data", b""] {
            remote.output.borrow_mut().push(&frame(peer, 0x82, data));
        }
        let mut stream = open(local, simulation.clock(), role, 1 << 20).into_byte_stream();
        let sent = simulation.block_on(async {
            assert_eq!(write(&mut stream, b"").await.unwrap(), 0);
            assert_eq!(write(&mut stream, b"first").await.unwrap(), 5);
            assert_eq!(write(&mut stream, &[0; 100_000]).await.unwrap(), 64 << 10);
            flush(&mut stream).await.unwrap();
            let mut buf = [0; 10];
            assert_eq!(read(&mut stream, &mut []).await.unwrap(), 0);
            assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 4);
            drop(stream);
            remote.read(usize::MAX).await
        });
        let sent = frames(role, &sent);
        let sent: Vec<_> = sent.iter().map(|(first, data)| (*first, data.len())).collect();
        assert_eq!(sent, [(0x82, 5), (0x82, 64 << 10)]);
    }
}

/// A text message is an error, which remains, whole and in pieces, and nothing of it or after it is
/// returned. What came before it is. The connection is closed with 1003.
#[test]
fn text_is_an_error() {
    for in_chunks in [false, true] {
        let mut simulation = Simulation::new(1);
        let (local, mut remote) = simulation.pipe([1000, 1000]);
        for (first, data) in [(0x82, &b"before"[..]), (0x01, b"te"), (0x80, b"xt"), (0x82, b"after")] {
            remote.output.borrow_mut().push(&frame(Role::Client, first, data));
        }
        let clock = simulation.clock();
        let ws = match in_chunks {
            true => open_chunks(local, clock, Role::Server, 1000),
            false => open(local, clock, Role::Server, 1000),
        };
        let mut stream = ws.into_byte_stream();
        simulation.block_on(async {
            let mut buf = [0; 10];
            assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 6);
            for _ in 0..3 {
                let error = read(&mut stream, &mut buf).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert!(error.to_string().contains("text message"), "{error}");
            }
            let error = write(&mut stream, b"late").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            drop(stream);
            assert_eq!(remote.read(usize::MAX).await, [0x88, 2, 0x03, 0xEB]);
        });
    }
}

/// Only a Close frame with success is the end of the stream: a transport that ends, in a message
/// or not, a code that is no success, a violation and a reset are errors.
#[test]
fn only_a_close_frame_is_the_end() {
    let data = frame(Role::Client, 0x82, b"data");
    let code = |code: u16| frame(Role::Client, 0x88, &code.to_be_bytes());
    let cases: [(Vec<u8>, Option<io::ErrorKind>); 7] = [
        (code(1000), None),
        (code(1001), None),
        (frame(Role::Client, 0x88, b""), None),
        (code(1011), Some(io::ErrorKind::ConnectionAborted)),
        (Vec::new(), Some(io::ErrorKind::UnexpectedEof)),
        (frame(Role::Client, 0x02, b""), Some(io::ErrorKind::UnexpectedEof)),
        (frame(Role::Client, 0x83, b""), Some(io::ErrorKind::InvalidData)),
    ];
    for in_chunks in [false, true] {
        for (end, kind) in &cases {
            let mut simulation = Simulation::new(1);
            let (local, mut remote) = simulation.pipe([1000, 1000]);
            remote.output.borrow_mut().push(&[&data[..], end].concat());
            remote.half_close();
            let clock = simulation.clock();
            let ws = match in_chunks {
                true => open_chunks(local, clock, Role::Server, 1000),
                false => open(local, clock, Role::Server, 1000),
            };
            let mut stream = ws.into_byte_stream();
            simulation.run(vec![
                Box::pin(async move {
                    let mut buf = [0; 10];
                    assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 4);
                    match read(&mut stream, &mut buf).await {
                        Ok(len) => assert_eq!((len, None), (0, *kind)),
                        Err(error) => {
                            assert_eq!(Some(error.kind()), *kind, "{error:?}");
                            assert!(inner(&error).is_some());
                            assert!(read(&mut stream, &mut buf).await.is_err(), "not the end of the stream");
                        }
                    }
                }),
                Box::pin(async move { drop(remote.read(usize::MAX).await) }),
            ]);
        }
    }
}

/// The connection is lost, or closed, inside a message that has begun to arrive: what has arrived
/// is returned, and then the error; it is not the end of the stream.
#[test]
fn the_end_inside_a_message_is_an_error() {
    let begin = frame(Role::Client, 0x02, b"begin");
    let close = frame(Role::Client, 0x88, &1000_u16.to_be_bytes());
    for input in [begin.clone(), [&begin[..], &close].concat()] {
        let mut simulation = Simulation::new(1);
        let (local, mut remote) = simulation.pipe([1000, 1000]);
        remote.output.borrow_mut().push(&input);
        remote.half_close();
        let mut stream = open_chunks(local, simulation.clock(), Role::Server, 1000).into_byte_stream();
        simulation.run(vec![
            Box::pin(async move {
                let mut buf = [0; 10];
                assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 5);
                let error = read(&mut stream, &mut buf).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }),
            Box::pin(async move { drop(remote.read(usize::MAX).await) }),
        ]);
    }
}

/// A Close frame inside a message is an error of all further reads, also if nothing of the message
/// was delivered before.
#[test]
fn a_close_frame_inside_a_message_is_an_error() {
    for (role, delivery) in ROLES
        .into_iter()
        .flat_map(|role| [Delivery::Chunks, Delivery::Messages].map(|delivery| (role, delivery)))
    {
        for &(first, payload) in begun_messages() {
            let mut simulation = Simulation::new(1);
            let (local, mut remote) = simulation.pipe([1000, 1000]);
            let peer = support::peer_of(role);
            let close = frame(peer, 0x88, &1000_u16.to_be_bytes());
            let input = [frame(peer, first, payload), close].concat();
            remote.output.borrow_mut().push(&input);
            remote.half_close();
            let engine = engine_with_deflate(role, Config::new().delivery(delivery));
            let ws = Ws::upgraded(local, simulation.clock(), engine, settings(1000, Timeouts::none()));
            let mut stream = ws.into_byte_stream();
            simulation.run(vec![
                Box::pin(async move {
                    let (mut all, mut buf) = (Vec::new(), [0; 10]);
                    let error = loop {
                        match read(&mut stream, &mut buf).await {
                            Ok(0) => panic!("the end of the stream: {delivery:?} {first:#X} {payload:?}"),
                            Ok(len) => all.extend_from_slice(&buf[..len]),
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                    let error = read(&mut stream, &mut buf).await.unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "again");
                    if (delivery, first) == (Delivery::Chunks, 0x02) {
                        assert_eq!(all, payload);
                    }
                }),
                Box::pin(async move { drop(remote.read(usize::MAX).await) }),
            ]);
        }
    }
}

/// To shut the stream down sends a Close frame. What the peer has sent before its own is still
/// read, and nothing can be written any more.
#[test]
fn a_shutdown_is_a_close_frame() {
    let mut simulation = Simulation::new(1);
    let (local, mut remote) = simulation.pipe([1000, 1000]);
    let mut stream = open(local, simulation.clock(), Role::Server, 1000).into_byte_stream();
    simulation.run(vec![
        Box::pin(async move {
            for _ in 0..2 {
                shut_down(&mut stream).await.unwrap();
            }
            let error = write(&mut stream, b"late").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert!(
                matches!(inner(&error), Some(Error::Send(SendError::Closing))),
                "{error:?}"
            );
            let mut buf = [0; 10];
            assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 6);
            assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 0);
            assert!(stream.get_ref().close_status().unwrap().is_clean());
        }),
        Box::pin(async move {
            assert_eq!(remote.read(4).await, [0x88, 2, 3, 0xE8]);
            remote.write_all(&frame(Role::Client, 0x82, b"before")).await.unwrap();
            remote.write_all(&frame(Role::Client, 0x88, &[3, 0xE8])).await.unwrap();
        }),
    ]);
}

/// A message of which a part was received or skipped before does not get into the stream.
#[test]
fn a_stream_begins_with_a_message() {
    let mut simulation = Simulation::new(1);
    let (local, remote) = simulation.pipe([1000, 1000]);
    for (first, data) in [(0x01, &b"fir"[..]), (0x80, b"st"), (0x82, b"second")] {
        remote.output.borrow_mut().push(&frame(Role::Client, first, data));
    }
    let mut ws = open_chunks(local, simulation.clock(), Role::Server, 1000);
    simulation.block_on(async {
        let reader = ws.reader().await.unwrap().unwrap();
        assert!(reader.is_text());
        drop(reader);
        let mut stream = ws.into_byte_stream();
        let mut buf = [0; 10];
        assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..6], b"second");
    });
}

/// Nothing can be written while a message in fragments is in progress.
#[test]
fn a_message_in_progress_is_an_error_of_the_stream() {
    let mut simulation = Simulation::new(1);
    let (local, _remote) = simulation.pipe([1000, 1000]);
    let mut ws = open(local, simulation.clock(), Role::Server, 1000);
    simulation.block_on(async {
        ws.send_fragment(MessageKind::Binary, b"begun", false).await.unwrap();
        let error = write(&mut ws.into_byte_stream(), b"data").await.unwrap_err();
        assert!(
            matches!(inner(&error), Some(Error::Send(SendError::MessageInProgress))),
            "{error:?}"
        );
    });
}

/// A silent peer times out, for whichever direction waits.
#[test]
fn a_silent_peer_times_out() {
    for writes in [false, true] {
        let mut simulation = Simulation::new(1);
        let (local, _remote) = simulation.pipe([if writes { 10 } else { 1000 }, 1000]);
        let time = simulation.time();
        let start = time();
        let settings = settings(100, Timeouts::new());
        let ws = Ws::upgraded(local, simulation.clock(), engine(Role::Server, false), settings);
        let mut stream = ws.into_byte_stream();
        simulation.block_on(async {
            if writes {
                assert_eq!(write(&mut stream, &[0; 500]).await.unwrap(), 500);
                assert!(flush(&mut stream).await.is_err());
            } else {
                let error = read(&mut stream, &mut [0; 10]).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                let is_pong = matches!(inner(&error), Some(Error::TimedOut { due: Due::Pong, .. }));
                assert!(is_pong, "{error:?}");
            }
            assert_eq!(time() - start, seconds(40));
        });
    }
}
