//! Polled connections as `Stream` and `Sink`; the memory that they use; handing over the transport.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Poll, Waker},
};

use allocation_counter::measure;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use sockless::{
    Chunk, CloseCode, Config, Delivery, Event, Message, Role, SendError,
    adapter::{Error, Settings},
    handshake::Negotiated,
};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Simulation, Task},
    polled::{Ws, message, open, open_with_timeouts, seconds},
};

/// The payload of a Close frame with code 1000.
const CLOSE: [u8; 2] = [3, 232];

/// Waits for the next item.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// Polls a future once, for no task.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    super::poll_once(future, Waker::noop())
}

/// A stream of messages ends with the connection or after an error. It is fused and reports that it
/// is terminated.
#[test]
fn a_stream_is_fused() {
    for role in ROLES {
        for clean in [false, true] {
            let peer = peer_of(role);
            let mut simulation = Simulation::new(0);
            let (local, remote) = simulation.pipe([1000, 0]);
            let end = if clean {
                frame(peer, 0x88, &CLOSE)
            } else {
                frame(peer, 0x83, b"")
            };
            remote
                .output
                .borrow_mut()
                .push(&[frame(peer, 0x81, b"bcd"), end].concat());
            remote.half_close();
            let mut ws = open(local, simulation.clock(), role, 1000);
            simulation.block_on(async {
                assert_eq!(next(&mut ws).await.unwrap().unwrap(), message(1, 3));
                assert!(!ws.is_terminated());
                if !clean {
                    assert!(matches!(next(&mut ws).await, Some(Err(Error::Protocol(_)))));
                    assert!(ws.is_terminated());
                }
                for _ in 0..3 {
                    assert!(next(&mut ws).await.is_none());
                    assert!(ws.is_terminated());
                }
            });
        }
    }
}

/// The reading half is a stream that ends in the same way.
#[test]
fn a_reader_is_a_stream() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([1000, 0]);
    remote.output.borrow_mut().push(&frame(Role::Client, 0x81, b"bcd"));
    remote.half_close();
    let (mut reader, _writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    simulation.block_on(async {
        assert_eq!(next(&mut reader).await.unwrap().unwrap(), message(1, 3));
        assert!(next(&mut reader).await.unwrap().is_err());
        assert!(next(&mut reader).await.is_none());
    });
}

/// Sends through a sink, as `SinkExt::send_all` and `SinkExt::close` do.
async fn send_all_and_close<S: Sink<Message<'static>, Error = Error> + Unpin>(sink: &mut S) {
    for n in 0..5 {
        poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await.unwrap();
        Pin::new(&mut *sink).start_send(message(n, 300)).unwrap();
    }
    poll_fn(|cx| Pin::new(&mut *sink).poll_flush(cx)).await.unwrap();
    for _ in 0..3 {
        poll_fn(|cx| Pin::new(&mut *sink).poll_close(cx)).await.unwrap();
    }
    let error = Pin::new(&mut *sink).start_send(message(0, 1)).unwrap_err();
    assert!(matches!(error, Error::Send(SendError::Closing)), "{error:?}");
}

/// A sink waits while its output is above the high-water mark, writes everything, and sends one
/// Close frame with code 1000. This holds for a whole connection and for a writing half.
#[test]
fn a_sink_sends_one_close_frame() {
    for role in ROLES {
        for halves in [false, true] {
            let mut simulation = Simulation::new(0);
            let (local, mut remote) = simulation.pipe([50, 0]);
            let mut ws = open(local, simulation.clock(), role, 100);
            let local: Task<'_> = Box::pin(async move {
                if halves {
                    let (_reader, mut writer) = ws.split();
                    send_all_and_close(&mut writer).await;
                } else {
                    send_all_and_close(&mut ws).await;
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                let sent = frames(role, &remote.read(usize::MAX).await);
                let firsts: Vec<u8> = sent.iter().map(|(first, _)| *first).collect();
                assert_eq!(firsts, [0x82, 0x81, 0x82, 0x81, 0x82, 0x88]);
                assert_eq!(sent[5].1, CLOSE);
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// With recycled messages, receiving and sending allocate nothing, whether a message is whole in
/// one read or is assembled.
#[test]
fn recycled_messages_allocate_nothing() {
    for role in ROLES {
        for len in [100, 5000, 100_000] {
            let mut simulation = Simulation::new(0);
            let (local, remote) = simulation.pipe([1 << 24, 0]);
            let whole = frame(peer_of(role), 0x82, &vec![7; len]);
            let input = std::rc::Rc::clone(&remote.output);
            let count = 40 + 400_000 / len;
            input.borrow_mut().push(&whole.repeat(count));
            remote.input.borrow_mut().reserve(1 << 24);
            let mut ws = open(local, simulation.clock(), role, 1 << 20);
            let mut echo = |times| {
                for _ in 0..times {
                    let Poll::Ready(Ok(Some(message))) = poll_once(ws.recv()) else {
                        panic!()
                    };
                    assert!(poll_once(ws.send(&message)).is_ready());
                    ws.recycle(message);
                }
            };
            // Until the size of a read has grown to its maximum.
            echo(count / 2);
            let used = measure(|| echo(count / 4));
            assert_eq!(used.count_total, 0, "{role:?} {len} {used:?}");
        }
    }
}

/// docs/DESIGN.md, "The adapters": a polled connection is one allocation, besides a client's key
/// stream.
#[test]
fn a_connection_is_one_allocation() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, _remote) = simulation.pipe([0, 0]);
        let clock = simulation.clock();
        let mut ws = None;
        let created = measure(|| ws = Some(open_with_timeouts(local, clock, role)));
        assert_eq!(size_of::<Ws>(), size_of::<usize>());
        let expected = if role == Role::Client { 2 } else { 1 };
        assert_eq!(created.count_current, expected, "{role:?}: {created:?}");
    }
}

/// A connection that waits with nothing in progress holds no buffers, however much it has read and
/// written. A message in progress holds its own bytes only. The buffers that the connections of a
/// thread share are bounded.
#[test]
fn an_idle_connection_holds_no_buffers() {
    let shared = measure(|| {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1 << 24, 0]);
        let mut ws = open_with_timeouts(local, simulation.clock(), ROLES[0]);
        for _ in 0..10 {
            let whole = frame(peer_of(ROLES[0]), 0x82, &[7; 300_000]);
            remote.output.borrow_mut().push(&whole);
            let Poll::Ready(Ok(Some(message))) = poll_once(ws.recv()) else {
                panic!()
            };
            assert!(poll_once(ws.send(&message)).is_ready());
            assert!(poll_once(ws.recv()).is_pending());
        }
    });
    assert!((1..=192 << 10).contains(&shared.bytes_current), "{shared:?}");
    for role in ROLES {
        let peer = peer_of(role);
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1 << 24, 0]);
        let mut created = None;
        let clock = simulation.clock();
        remote.input.borrow_mut().reserve(1 << 21);
        remote.output.borrow_mut().reserve(1 << 21);
        let new = measure(|| created = Some(open_with_timeouts(local, clock, role)));
        let mut ws: Ws = created.unwrap();
        let used = measure(|| {
            assert!(poll_once(ws.recv()).is_pending());
        });
        assert_eq!(used.bytes_current, 0, "{used:?}");
        let whole = frame(peer, 0x82, &[7; 300_000]);
        let used = measure(|| {
            for _ in 0..3 {
                remote.output.borrow_mut().push(&whole);
                let Poll::Ready(Ok(Some(message))) = poll_once(ws.recv()) else {
                    panic!()
                };
                assert!(poll_once(ws.send(&message)).is_ready());
            }
            assert!(poll_once(ws.recv()).is_pending());
        });
        // A client's generator of mask keys may be allocated with the first frame.
        assert!(used.bytes_current <= 1024, "{used:?} {new:?}");
        let used = measure(|| {
            remote.output.borrow_mut().push(&whole[..1000]);
            assert!(poll_once(ws.recv()).is_pending());
        });
        assert!(used.bytes_current < 70_000, "{used:?}");
    }
}

/// Echoes one message and waits for the next.
fn echo(ws: &mut Ws, send: bool) {
    let Poll::Ready(Ok(Some(message))) = poll_once(ws.recv()) else {
        panic!()
    };
    if send {
        assert!(poll_once(ws.send(&message)).is_ready());
    } else {
        assert!(poll_once(ws.feed(&message)).is_ready());
    }
    ws.recycle(message);
    assert!(poll_once(ws.recv()).is_pending());
}

/// Connections whose application is busy with a message hold no buffers, whether the message is
/// answered or not, although another connection of the same thread has grown the shared buffers.
#[test]
fn a_slow_handler_holds_no_buffers() {
    const SLOW: usize = 50;
    for role in ROLES {
        for answers in [false, true] {
            let peer = peer_of(role);
            let mut simulation = Simulation::new(0);
            let (busy, remote) = simulation.pipe([1 << 24, 0]);
            remote.input.borrow_mut().reserve(1 << 24);
            remote.output.borrow_mut().reserve(1 << 20);
            let whole = frame(peer, 0x82, &vec![7; 120_000]);
            let mut busy = open(busy, simulation.clock(), role, 64 << 10);
            let mut echo_large = || {
                remote.output.borrow_mut().push(&whole);
                echo(&mut busy, true);
            };
            let (mut slow, mut ends) = (Vec::new(), Vec::new());
            for _ in 0..SLOW {
                let (local, remote) = simulation.pipe([1 << 16, 0]);
                remote.input.borrow_mut().reserve(1 << 10);
                remote.output.borrow_mut().push(&frame(peer, 0x82, b"small"));
                slow.push(open(local, simulation.clock(), role, 64 << 10));
                ends.push(remote);
            }
            for _ in 0..5 {
                echo_large();
            }
            let used = measure(|| {
                for ws in &mut slow {
                    let Poll::Ready(Ok(Some(message))) = poll_once(ws.recv()) else {
                        panic!()
                    };
                    if answers {
                        assert!(poll_once(ws.send(&message)).is_ready());
                    }
                    echo_large();
                }
            });
            assert!(used.bytes_current < 1024 * SLOW as i64, "{role:?} {answers} {used:?}");
        }
    }
}

/// The same with large messages and a wait after each: the output buffer is not allocated again for
/// each message.
#[test]
fn large_messages_with_waits_allocate_nothing() {
    for role in ROLES {
        for len in [100, 60_000, 70_000, 120_000] {
            for send in [false, true] {
                let mut simulation = Simulation::new(0);
                let (local, remote) = simulation.pipe([1 << 24, 0]);
                remote.input.borrow_mut().reserve(1 << 23);
                remote.output.borrow_mut().reserve(1 << 20);
                let whole = frame(peer_of(role), 0x82, &vec![7; len]);
                let mut ws = open(local, simulation.clock(), role, 64 << 10);
                let mut echoes = |times| {
                    for _ in 0..times {
                        remote.output.borrow_mut().push(&whole);
                        echo(&mut ws, send);
                    }
                };
                echoes(20);
                let used = measure(|| echoes(20));
                assert_eq!(used.count_total, 0, "{role:?} {len} {send} {used:?}");
            }
        }
    }
}

/// The same for the Pongs that answer many Pings of one read.
#[test]
fn many_pings_with_waits_allocate_nothing() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1 << 24, 0]);
        remote.input.borrow_mut().reserve(1 << 22);
        remote.output.borrow_mut().reserve(1 << 17);
        let pings = frame(peer_of(role), 0x89, &[7; 125]).repeat(200);
        let mut ws = open(local, simulation.clock(), role, 1 << 20);
        let mut answer = |times| {
            for _ in 0..times {
                remote.output.borrow_mut().push(&pings);
                assert!(poll_once(ws.recv()).is_pending());
            }
        };
        answer(20);
        let used = measure(|| answer(20));
        assert_eq!(used.count_total, 0, "{role:?} {used:?}");
    }
}

/// Output below the high-water mark that is written while the connection waits leaves no buffer
/// allocated.
#[test]
fn a_fed_message_leaves_no_buffer_allocated() {
    let mut simulation = Simulation::new(0);
    let (mut idle, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let (local, remote) = simulation.pipe([1 << 16, 0]);
        remote.input.borrow_mut().reserve(1 << 16);
        idle.push(open_with_timeouts(local, simulation.clock(), Role::Server));
        ends.push(remote);
    }
    let message = vec![7; 20_000];
    let used = measure(|| {
        for ws in &mut idle {
            assert!(poll_once(ws.feed(&message)).is_ready());
            assert!(poll_once(ws.recv()).is_pending());
        }
    });
    assert!(used.bytes_current < 192 << 10, "{used:?}");
}

/// The Pong is written before the Ping is reported.
#[test]
fn a_pong_is_written_before_the_ping_is_reported() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1000, 0]);
        remote.output.borrow_mut().push(&frame(peer_of(role), 0x89, b"there?"));
        let mut ws = open(local, simulation.clock(), role, 1000);
        let Poll::Ready(Ok(Some(Event::Ping(payload)))) = poll_once(ws.recv_event()) else {
            panic!()
        };
        assert_eq!(*payload, *b"there?");
        let sent = frames(role, &remote.input.borrow().all_written);
        assert_eq!(sent, [(0x8A, b"there?".to_vec())]);
    }
}

/// `into_parts` returns the bytes that were read and not processed: whole frames and the message in
/// progress.
#[test]
fn into_parts_returns_unprocessed_input() {
    for role in ROLES {
        let peer = peer_of(role);
        for cut in 0..8 {
            let mut simulation = Simulation::new(0);
            let (local, remote) = simulation.pipe([1000, 0]);
            let rest = [frame(peer, 0x82, b"second"), frame(peer, 0x81, b"third")].concat();
            let rest = &rest[..rest.len() - cut];
            remote
                .output
                .borrow_mut()
                .push(&[frame(peer, 0x81, b"bcd"), rest.to_vec()].concat());
            let mut ws = open(local, simulation.clock(), role, 1000);
            assert!(matches!(poll_once(ws.recv()), Poll::Ready(Ok(Some(_)))));
            let parts = ws.into_parts();
            assert!(parts.lossless && parts.unsent.is_empty());
            let unread = parts.unread;
            assert_eq!(unread, rest);
        }
    }
}

/// The bytes passed to `read_ahead` are processed before the bytes of the transport.
#[test]
fn read_ahead_bytes_are_processed_first() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([1000, 1000]);
    let large = vec![7; 100_000];
    let ahead = [frame(Role::Client, 0x82, &large), frame(Role::Client, 0x01, b"first ")].concat();
    remote.output.borrow_mut().push(&frame(Role::Client, 0x80, b"second"));
    let mut ws = open(local, simulation.clock(), Role::Server, 1000).read_ahead(&ahead);
    assert_eq!(
        poll_once(ws.recv()).map(Result::unwrap),
        Poll::Ready(Some(Message::from(large)))
    );
    assert_eq!(
        poll_once(ws.recv()).map(Result::unwrap),
        Poll::Ready(Some(Message::from("first second")))
    );
}

/// Output that the application appends through `engine_mut` is written by the next call. A Close
/// frame among it closes the connection.
#[test]
fn output_appended_through_engine_mut_is_written() {
    let mut simulation = Simulation::new(0);
    let (local, mut remote) = simulation.pipe([1000, 100]);
    let clock = simulation.clock();
    let mut pause = simulation.clock();
    let mut ws = open_with_timeouts(local, clock, Role::Server);
    let local: Task<'_> = Box::pin(async move {
        let (engine, out) = ws.engine_mut();
        engine.send_text("bcd", out).unwrap();
        engine.close(CloseCode::NORMAL, "", out).unwrap();
        assert!(matches!(ws.close(None, "").await, Err(Error::Send(SendError::Closing))));
        assert_eq!(ws.recv().await.unwrap(), None);
    });
    let remote: Task<'_> = Box::pin(async move {
        let sent = frames(Role::Server, &remote.read(9).await);
        assert_eq!(sent, [(0x81, b"bcd".to_vec()), (0x88, CLOSE.to_vec())]);
        pause.sleep(seconds(1)).await;
        remote.write_all(&frame(Role::Client, 0x88, &CLOSE)).await.unwrap();
    });
    simulation.run(vec![local, remote]);
}

/// F80: `into_parts` returns the output that is not written.
#[test]
fn f80_into_parts_drops_nothing() {
    for role in ROLES {
        for capacity in 0..40 {
            let mut simulation = Simulation::new(0);
            let (local, _remote) = simulation.pipe([capacity, 1000]);
            let mut ws = open(local, simulation.clock(), role, 1000);
            let _interrupted = poll_once(ws.send("a message"));
            assert!(poll_once(ws.feed("fed")).is_ready());
            let parts = ws.into_parts();
            let written = parts.transport.output.borrow().all_written.clone();
            let output = [&written[..], &parts.unsent].concat();
            assert_eq!(
                frames(role, &output),
                [(0x81, b"a message".to_vec()), (0x81, b"fed".to_vec())]
            );
        }
    }
}

/// F80: What was negotiated can be asked for, whole and in halves.
#[test]
fn f80_negotiated_can_be_asked_for() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, _remote) = simulation.pipe([1000, 1000]);
        let mut negotiated = Negotiated::default();
        negotiated.subprotocol = Some("chat".into());
        let engine = support::upgraded(role, &negotiated, Config::default());
        let ws = Ws::upgraded(local, simulation.clock(), engine, Settings::new());
        assert_eq!(ws.negotiated(), negotiated);
        let (reader, writer) = ws.split();
        assert_eq!(
            (reader.negotiated(), writer.negotiated()),
            (negotiated.clone(), negotiated)
        );
    }
}

/// F80: With chunk delivery, chunks are received as they arrive, whole and in halves; `recv` fails
/// and loses nothing, and a stream of messages ends with the error.
#[test]
fn f80_chunks_are_received() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1000, 1000]);
        let engine = support::upgraded(
            Role::Server,
            &Negotiated::default(),
            Config::new().delivery(Delivery::Chunks),
        );
        let mut ws = Ws::upgraded(local, simulation.clock(), engine, Settings::new());
        let write = |bytes: &[u8]| remote.output.borrow_mut().push(bytes);
        let input = frame(Role::Client, 0x82, b"abcdef");
        write(&input[..8]);
        let check = |chunk: Poll<Result<Option<Chunk<'static>>, Error>>, data: &[u8], is_end: bool| match chunk {
            Poll::Ready(Ok(Some(chunk))) => assert_eq!((chunk.as_bytes(), chunk.message_end), (data, is_end)),
            other => panic!("{other:?}"),
        };
        let is_refused = |error: &Error| matches!(error, Error::Io(error) if error.to_string().contains("recv_chunk"));
        if in_halves {
            let (mut reader, _writer) = ws.split();
            assert!(matches!(poll_once(reader.recv()), Poll::Ready(Err(error)) if is_refused(&error)));
            check(poll_once(reader.recv_chunk()), b"ab", false);
            write(&input[8..]);
            check(poll_once(reader.recv_chunk()), b"cdef", true);
            let next = poll_once(poll_fn(|cx| Pin::new(&mut reader).poll_next(cx)));
            assert!(matches!(next, Poll::Ready(Some(Err(error))) if is_refused(&error)));
            let next = poll_once(poll_fn(|cx| Pin::new(&mut reader).poll_next(cx)));
            assert!(matches!(next, Poll::Ready(None)));
        } else {
            assert!(matches!(poll_once(ws.recv()), Poll::Ready(Err(error)) if is_refused(&error)));
            check(poll_once(ws.recv_chunk()), b"ab", false);
            write(&input[8..]);
            check(poll_once(ws.recv_chunk()), b"cdef", true);
            let next = poll_once(poll_fn(|cx| Pin::new(&mut ws).poll_next(cx)));
            assert!(matches!(next, Poll::Ready(Some(Err(error))) if is_refused(&error)));
            assert!(ws.is_terminated());
            // The connection has not ended.
            write(&frame(Role::Client, 0x82, b"more"));
            check(poll_once(ws.recv_chunk()), b"more", true);
        }
    }
}
