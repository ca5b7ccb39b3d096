//! One message as a reader: dropped, cancelled, and ended in the middle.

use std::{cell::Cell, future::poll_fn, io};

use sockless::{
    CloseCode, Config, Connection, Delivery, Event, Message, MessageKind, ProtocolError, Role,
    adapter::Error,
    handshake::Negotiated,
    timers::{Due, Timeouts},
};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Cancel, Canceller, Faults, Simulation, yield_now},
    polled::{self, Ws, message, seconds, settings},
};

use super::end::{End, PipeReader, inner};

async fn read(reader: &mut PipeReader<'_>, buf: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| reader.poll_read(cx, buf)).await
}

/// Reads to the end, with a buffer of `len` bytes.
async fn read_all(reader: &mut PipeReader<'_>, len: usize, canceller: &Canceller) -> io::Result<Vec<u8>> {
    let (mut buf, mut all) = (vec![0; len], Vec::new());
    loop {
        match canceller.retry(async || read(reader, &mut buf).await).await? {
            0 => return Ok(all),
            read => all.extend_from_slice(&buf[..read]),
        }
    }
}

fn engine(role: Role, deflate: bool, delivery: Delivery) -> Connection {
    #[allow(unused_mut, reason = "mutable only with permessage-deflate")]
    let mut negotiated = Negotiated::default();
    #[cfg(feature = "deflate")]
    if deflate {
        negotiated.deflate = polled::engine(role, true).negotiated().deflate;
    }
    let _unused = deflate;
    support::upgraded(role, &negotiated, Config::new().delivery(delivery))
}

/// One run: a connection over a slow pipe with faults.
#[derive(Clone, Copy, Debug)]
struct Case {
    role: Role,
    deflate: bool,
    in_halves: bool,
    delivery: Delivery,
    cancel: Cancel,
    seed: u64,
}

impl Case {
    /// Runs `script` on a connection that receives `input`. Returns how many await points there
    /// were, and the frames that were written.
    fn run(self, input: &[u8], script: impl AsyncFnOnce(&mut End, &Canceller)) -> (usize, Vec<(u8, Vec<u8>)>) {
        let mut simulation = Simulation::new(self.seed).migrating(self.seed % 2 == 0);
        let (mut local, mut remote) = simulation.pipe([50, 0]);
        local.faults = Faults::slow(90, self.seed);
        remote.output.borrow_mut().push(input);
        remote.half_close();
        let engine = engine(self.role, self.deflate, self.delivery);
        let ws = Ws::upgraded(local, simulation.clock(), engine, settings(100, Timeouts::none()));
        let mut end = End::new(ws, self.in_halves);
        let canceller = Canceller::new(self.cancel);
        let mut written = Vec::new();
        simulation.run(vec![
            Box::pin(async {
                script(&mut end, &canceller).await;
                drop(end);
            }),
            Box::pin(async { written = remote.read(usize::MAX).await }),
        ]);
        (canceller.await_points.get(), frames(self.role, &written))
    }
}

fn for_each_case(mut check: impl FnMut(Case)) {
    for role in ROLES {
        for deflate in [false, cfg!(feature = "deflate")] {
            for in_halves in [false, true] {
                for delivery in [Delivery::Messages, Delivery::Chunks] {
                    check(Case {
                        role,
                        deflate,
                        in_halves,
                        delivery,
                        cancel: Cancel::Never,
                        seed: 1,
                    });
                }
            }
        }
    }
}

/// Messages of one and of several frames, with Pings between and inside them, and a Close frame.
fn input(role: Role, deflate: bool) -> (Vec<u8>, Vec<Message<'static>>) {
    let mut peer = polled::engine(peer_of(role), deflate);
    let mut out = Vec::new();
    let messages: Vec<_> = [0, 301, 700, 3, 4096]
        .into_iter()
        .map(|len| message(len, len))
        .collect();
    for message in &messages {
        peer.ping(b"between", &mut out).unwrap();
        let (kind, data) = (message.kind(), message.as_bytes());
        let (first, rest) = data.split_at(data.len() / 3);
        peer.send_fragment(kind, first, false, &mut out).unwrap();
        peer.ping(b"inside", &mut out).unwrap();
        peer.send_fragment(kind, b"", false, &mut out).unwrap();
        peer.send_fragment(kind, rest, true, &mut out).unwrap();
    }
    peer.close(CloseCode::NORMAL, "end", &mut out).unwrap();
    (out, messages)
}

/// Reads all messages. Every future may be dropped and made again.
async fn read_messages(end: &mut End, canceller: &Canceller, messages: &[Message<'static>]) {
    let mut received = 0;
    loop {
        let reader = if let Some(reader) = canceller.attempt(end.reader()).await {
            reader
        } else {
            end.reader().await
        };
        let Some(mut reader) = reader.unwrap() else {
            break;
        };
        let expected = &messages[received];
        assert_eq!(reader.kind(), expected.kind());
        assert_eq!(reader.is_text(), expected.kind() == MessageKind::Text);
        assert_eq!(read(&mut reader, &mut []).await.unwrap(), 0);
        let all = read_all(&mut reader, [1, 7, 64, 5000][received % 4], canceller)
            .await
            .unwrap();
        assert!(all == expected.as_bytes(), "message {received}");
        assert_eq!(read(&mut reader, &mut [0; 9]).await.unwrap(), 0, "again at the end");
        received += 1;
    }
    assert_eq!(received, messages.len());
}

/// F35: messages are read, with buffers of any size, and every future of `reader` and of a read may
/// be dropped at any await point. Pings are answered meanwhile.
#[test]
fn f35_a_reader_reads_its_message_at_any_cancellation() {
    for_each_case(|case| {
        let (input, messages) = input(case.role, case.deflate);
        let run = |case: Case| {
            let (await_points, written) = case.run(&input, async |end, canceller| {
                read_messages(end, canceller, &messages).await;
            });
            let pongs = written.iter().filter(|(first, _)| *first == 0x8A).count();
            assert_eq!(pongs, 2 * messages.len(), "{case:?}");
            await_points
        };
        let await_points = run(case);
        assert!(await_points > 30, "{await_points}");
        let once = (0..await_points).step_by(3).map(Cancel::Once);
        for cancel in once.chain((1..4).map(Cancel::After)) {
            run(Case {
                cancel,
                seed: 2,
                ..case
            });
        }
    });
}

/// A reader that is dropped after any number of bytes: the rest of its message is skipped, by
/// whatever receives next. Nothing is received twice or out of order, and Pings are answered and
/// reported.
#[test]
fn a_message_that_is_not_read_to_its_end_is_skipped() {
    for_each_case(|case| {
        let (input, messages) = input(case.role, case.deflate);
        for read_len in [0, 1, 100, 233, 234, 699] {
            let (_, written) = case.run(&input, async |end, canceller| {
                for (n, expected) in messages.iter().enumerate() {
                    let mut reader = end.reader().await.unwrap().unwrap();
                    assert_eq!(reader.kind(), expected.kind());
                    if n % 2 == 1 {
                        let all = read_all(&mut reader, 50, canceller).await.unwrap();
                        assert!(all == expected.as_bytes(), "message {n} after one that was dropped");
                        continue;
                    }
                    let (mut buf, mut rest) = ([0; 64], read_len.min(expected.len()));
                    let mut prefix = Vec::new();
                    while rest > 0 {
                        let len = read(&mut reader, &mut buf[..rest.min(64)]).await.unwrap();
                        prefix.extend_from_slice(&buf[..len]);
                        rest -= len;
                    }
                    assert!(expected.as_bytes().starts_with(&prefix));
                }
                while let Some(event) = end.recv_event().await.unwrap() {
                    assert!(matches!(event, Event::Close(_) | Event::Ping(_)), "{event:?}");
                }
            });
            let pongs = written.iter().filter(|(first, _)| *first == 0x8A).count();
            assert_eq!(pongs, 2 * messages.len(), "{case:?}");
        }
    });
}

/// `recv_chunk` after a dropped reader returns the next message, and a reader after `recv_chunk`
/// the rest of the same.
#[test]
fn readers_and_chunks_alternate() {
    for in_halves in [false, true] {
        let mut peer = polled::engine(Role::Client, false);
        let mut input = Vec::new();
        for data in [&b"first"[..], b"second", b"third"] {
            let (begin, end) = data.split_at(2);
            peer.send_fragment(MessageKind::Text, begin, false, &mut input).unwrap();
            peer.send_fragment(MessageKind::Text, end, true, &mut input).unwrap();
        }
        let case = Case {
            role: Role::Server,
            deflate: false,
            in_halves,
            delivery: Delivery::Chunks,
            cancel: Cancel::Never,
            seed: 1,
        };
        case.run(&input, async |end, canceller| {
            let mut reader = end.reader().await.unwrap().unwrap();
            assert_eq!(read(&mut reader, &mut [0; 1]).await.unwrap(), 1);
            drop(reader);
            let mut second = Vec::new();
            while second.len() < 2 {
                let Some(Event::Chunk(chunk)) = end.recv_event().await.unwrap() else {
                    panic!("a chunk of the second message")
                };
                second.extend_from_slice(chunk.as_bytes());
            }
            let mut reader = end.reader().await.unwrap().unwrap();
            second.extend(read_all(&mut reader, 3, canceller).await.unwrap());
            assert_eq!(second, b"second");
            drop(reader);
            let mut reader = end.reader().await.unwrap().unwrap();
            assert_eq!(read_all(&mut reader, 3, canceller).await.unwrap(), b"third");
            drop(reader);
            assert!(end.reader().await.is_err(), "the end without a Close frame");
        });
    }
}

/// What ends a connection in the middle of a message is an error of the reader, and the outcome is
/// that of `recv`: a transport that ends, a Close frame, a violation, text that is not UTF-8.
#[test]
fn the_end_in_the_middle_of_a_message() {
    let text = |data: &[u8]| [frame(Role::Client, 0x01, b"be"), frame(Role::Client, 0x80, data)].concat();
    let begin = frame(Role::Client, 0x02, b"begin");
    let cut = |mut bytes: Vec<u8>| {
        bytes.pop();
        bytes
    };
    let close = frame(Role::Client, 0x88, &[3, 0xE8]);
    let failure = frame(Role::Client, 0x88, &[3, 0xF3]);
    /// The input, what is read of the message, and the error with that inside.
    type Ending<'a> = (Vec<u8>, &'a [u8], io::ErrorKind, Option<&'a str>);
    let cases: [Ending<'_>; 6] = [
        (
            begin.clone(),
            b"begin",
            io::ErrorKind::UnexpectedEof,
            Some("Protocol(UnexpectedEof)"),
        ),
        (
            cut([&begin[..], &frame(Role::Client, 0x80, b"cut")].concat()),
            b"begincu",
            io::ErrorKind::UnexpectedEof,
            Some("Protocol(UnexpectedEof)"),
        ),
        (
            [&begin[..], &close].concat(),
            b"begin",
            io::ErrorKind::UnexpectedEof,
            None,
        ),
        (
            [&begin[..], &failure].concat(),
            b"begin",
            io::ErrorKind::ConnectionAborted,
            Some("Closed("),
        ),
        (
            [&begin[..], &frame(Role::Client, 0x82, b"another")].concat(),
            b"begin",
            io::ErrorKind::InvalidData,
            Some("Protocol("),
        ),
        (
            text(b"gin\xFF"),
            b"begin",
            io::ErrorKind::InvalidData,
            Some("Protocol(InvalidUtf8"),
        ),
    ];
    for in_halves in [false, true] {
        for (input, expected, kind, error) in &cases {
            let case = Case {
                role: Role::Server,
                deflate: false,
                in_halves,
                delivery: Delivery::Chunks,
                cancel: Cancel::Never,
                seed: 1,
            };
            case.run(input, async |end, _| {
                let mut reader = end.reader().await.unwrap().unwrap();
                let (mut buf, mut all) = ([0; 3], Vec::new());
                let failed = loop {
                    match read(&mut reader, &mut buf).await {
                        Ok(0) => panic!("the message has not ended: {error:?}"),
                        Ok(len) => all.extend_from_slice(&buf[..len]),
                        Err(error) => break error,
                    }
                };
                assert_eq!((&all[..], failed.kind()), (*expected, *kind), "{failed:?}");
                let inner = inner(&failed).map(|error| format!("{error:?}"));
                match (error, &inner) {
                    (Some(error), Some(inner)) => assert!(inner.contains(error), "{inner}"),
                    (None, None) => {}
                    _ => panic!("{error:?} and {inner:?}"),
                }
                assert!(read(&mut reader, &mut buf).await.is_err(), "the error remains");
                drop(reader);
                assert!(end.recv_event().await.unwrap().is_none(), "the outcome was returned");
            });
        }
    }
}

/// A transport that fails in the middle of a message: its error is that of the reader.
#[test]
fn a_reset_in_the_middle_of_a_message() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([100, 100]);
    {
        let mut channel = remote.output.borrow_mut();
        channel.push(&frame(Role::Client, 0x02, b"begin"));
        channel.read_error = Some(io::ErrorKind::ConnectionReset);
    }
    let engine = engine(Role::Server, false, Delivery::Chunks);
    let mut ws = Ws::upgraded(local, simulation.clock(), engine, settings(100, Timeouts::none()));
    simulation.block_on(async {
        let mut reader = ws.reader().await.unwrap().unwrap();
        assert_eq!(read(&mut reader, &mut [0; 9]).await.unwrap(), 5);
        let error = read(&mut reader, &mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

/// A peer that stalls in the middle of a message is pinged, and misses the deadline: the reader
/// keeps it.
#[test]
fn a_peer_that_stalls_in_the_middle_of_a_message_times_out() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, mut remote) = simulation.pipe([100, 100]);
        remote.output.borrow_mut().push(&frame(Role::Client, 0x02, b"begin"));
        let engine = engine(Role::Server, false, Delivery::Chunks);
        let time = simulation.time();
        let start = time();
        let ws = Ws::upgraded(local, simulation.clock(), engine, settings(100, Timeouts::new()));
        let mut end = End::new(ws, in_halves);
        simulation.run(vec![
            Box::pin(async move {
                let mut reader = end.reader().await.unwrap().unwrap();
                assert_eq!(read(&mut reader, &mut [0; 9]).await.unwrap(), 5);
                let error = read(&mut reader, &mut [0; 9]).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                let is_pong = matches!(inner(&error), Some(Error::TimedOut { due: Due::Pong, .. }));
                assert!(is_pong, "{error:?}");
                assert_eq!(time() - start, seconds(40));
            }),
            Box::pin(async move { drop(remote.read(usize::MAX).await) }),
        ]);
    }
}

/// F49: empty fragments, and a flood of Pings inside a message, do not keep a read from yielding to
/// other tasks, and are answered within the bound of the output.
#[test]
fn f49_a_flood_inside_a_message_yields() {
    let mut simulation = Simulation::new(0);
    let (local, mut remote) = simulation.pipe([100, 100]);
    let flood = [frame(Role::Client, 0x89, b"ping"), frame(Role::Client, 0x00, b"")].concat();
    let input = [
        frame(Role::Client, 0x02, b"begin"),
        flood.repeat(1000),
        frame(Role::Client, 0x80, b"end"),
    ];
    let config = Config::new().delivery(Delivery::Chunks).max_fragments(1 << 20);
    let engine = support::upgraded(Role::Server, &Negotiated::default(), config);
    let settings = settings(200, Timeouts::none());
    let mut ws = Ws::upgraded(local, simulation.clock(), engine, settings);
    remote.output.borrow_mut().push(&input.concat());
    let has_run = Cell::new(0);
    let has_ended = Cell::new(false);
    simulation.run(vec![
        Box::pin(async {
            let mut reader = ws.reader().await.unwrap().unwrap();
            let all = read_all(&mut reader, 100, &Canceller::new(Cancel::Never))
                .await
                .unwrap();
            assert_eq!(all, b"beginend");
            drop(reader);
            ws.flush().await.unwrap();
            has_ended.set(true);
        }),
        Box::pin(async {
            while !has_ended.get() {
                has_run.set(has_run.get() + 1);
                yield_now().await;
            }
        }),
        Box::pin(async { drop(remote.read(1000 * 6).await) }),
    ]);
    assert!(has_run.get() > 10, "{has_run:?}");
}

/// The error of a message that is too large comes while it is read.
#[test]
fn a_message_over_the_limit_fails_its_reader() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([100, 100]);
    let begin = frame(Role::Client, 0x02, &[7; 60]);
    remote
        .output
        .borrow_mut()
        .push(&[&begin[..], &frame(Role::Client, 0x80, &[7; 60])].concat());
    let config = Config::new().delivery(Delivery::Chunks).max_message_size(100);
    let engine = support::upgraded(Role::Server, &Negotiated::default(), config);
    let mut ws = Ws::upgraded(local, simulation.clock(), engine, settings(200, Timeouts::none()));
    drop(remote);
    simulation.block_on(async {
        let mut reader = ws.reader().await.unwrap().unwrap();
        let error = read_all(&mut reader, 100, &Canceller::new(Cancel::Never))
            .await
            .unwrap_err();
        let is_too_big = matches!(
            inner(&error),
            Some(Error::Protocol(error)) if matches!(**error, ProtocolError::MessageTooBig { .. })
        );
        assert!(is_too_big, "{error:?}");
    });
}

/// The limit on messages can be set on an open connection, whole and in halves, from the next
/// message on.
#[test]
fn the_limit_on_messages_can_be_set() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1000, 1000]);
        for len in [100, 100] {
            remote
                .output
                .borrow_mut()
                .push(&frame(Role::Client, 0x82, &vec![7; len]));
        }
        let config = Config::new().max_message_size(100);
        let engine = support::upgraded(Role::Server, &Negotiated::default(), config);
        let ws = Ws::upgraded(local, simulation.clock(), engine, settings(200, Timeouts::none()));
        let mut end = End::new(ws, in_halves);
        drop(remote);
        simulation.block_on(async {
            assert!(matches!(end.recv_event().await.unwrap(), Some(Event::Binary(_))));
            end.set_max_message_size(99);
            let error = end.recv_event().await.unwrap_err();
            let is_too_big = matches!(
                &error,
                Error::Protocol(error) if matches!(**error, ProtocolError::MessageTooBig { .. })
            );
            assert!(is_too_big, "{error:?}");
        });
    }
}
