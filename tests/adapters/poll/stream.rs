//! Polled connections as `Stream` and `Sink`; what they hold and what they leave.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use sockless::{CloseCode, Event, Message, Role, SendError, adapter::Error};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Simulation, Task},
    polled::{Ws, message, open, open_with_timeouts, seconds},
};

const CLOSE: [u8; 2] = [3, 232];

/// The next item.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A stream of messages ends with the connection, and after an error; it stays at its end and says so.
#[test]
fn a_stream_is_fused() {
    for role in ROLES {
        for clean in [false, true] {
            let peer = peer_of(role);
            let mut world = Simulation::new(0);
            let (local, remote) = world.pipe([1000, 0]);
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
            let mut ws = open(local, world.clock(), role, 1000);
            world.block_on(async {
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

/// The same for the reading half, which ends like the whole.
#[test]
fn a_reader_is_a_stream() {
    let mut world = Simulation::new(0);
    let (local, remote) = world.pipe([1000, 0]);
    remote.output.borrow_mut().push(&frame(Role::Client, 0x81, b"bcd"));
    remote.half_close();
    let (mut reader, _writer) = open(local, world.clock(), Role::Server, 1000).split();
    world.block_on(async {
        assert_eq!(next(&mut reader).await.unwrap().unwrap(), message(1, 3));
        assert!(next(&mut reader).await.unwrap().is_err());
        assert!(next(&mut reader).await.is_none());
    });
}

/// Sends through a sink, as `SinkExt::send_all` and `close` do.
async fn pour<S: Sink<Message<'static>, Error = Error> + Unpin>(sink: &mut S) {
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

/// A sink waits for room, writes everything, and closes once, with 1000; both in one piece and as a half.
#[test]
fn a_sink_closes_once() {
    for role in ROLES {
        for halves in [false, true] {
            let mut world = Simulation::new(0);
            let (local, mut remote) = world.pipe([50, 0]);
            let mut ws = open(local, world.clock(), role, 100);
            let local: Task<'_> = Box::pin(async move {
                if halves {
                    let (_reader, mut writer) = ws.split();
                    pour(&mut writer).await;
                } else {
                    pour(&mut ws).await;
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                let sent = frames(role, &remote.read(usize::MAX).await);
                let firsts: Vec<u8> = sent.iter().map(|(first, _)| *first).collect();
                assert_eq!(firsts, [0x82, 0x81, 0x82, 0x81, 0x82, 0x88]);
                assert_eq!(sent[5].1, CLOSE);
            });
            world.run(vec![local, remote]);
        }
    }
}

/// F49: with messages given back, a steady stream in both directions allocates nothing, whether a message lies whole in
/// what is read or is assembled.
#[test]
fn recycled_messages_allocate_nothing() {
    for role in ROLES {
        for len in [100, 5000, 100_000] {
            let mut world = Simulation::new(0);
            let (local, remote) = world.pipe([1 << 24, 0]);
            let whole = frame(peer_of(role), 0x82, &vec![7; len]);
            let lane = std::rc::Rc::clone(&remote.output);
            let count = 40 + 400_000 / len;
            lane.borrow_mut().push(&whole.repeat(count));
            remote.input.borrow_mut().reserve(1 << 24);
            let mut ws = open(local, world.clock(), role, 1 << 20);
            let mut echo = |times| {
                for _ in 0..times {
                    let Poll::Ready(Ok(Some(message))) = now(ws.recv()) else {
                        panic!()
                    };
                    assert!(now(ws.send(&message)).is_ready());
                    ws.recycle(message);
                }
            };
            // Until as much is read at a time as ever is.
            echo(count / 2);
            let used = measure(|| echo(count / 4));
            assert_eq!(used.count_total, 0, "{role:?} {len} {used:?}");
        }
    }
}

/// While a connection waits and nothing is in progress, it holds no buffers, however much it has read and written; a
/// message in progress holds no more than itself. What the connections of a thread share is bounded.
#[test]
fn an_idle_connection_holds_no_buffers() {
    let shared = measure(|| {
        let mut world = Simulation::new(0);
        let (local, remote) = world.pipe([1 << 24, 0]);
        let mut ws = open_with_timeouts(local, world.clock(), ROLES[0]);
        for _ in 0..10 {
            let whole = frame(peer_of(ROLES[0]), 0x82, &[7; 300_000]);
            remote.output.borrow_mut().push(&whole);
            let Poll::Ready(Ok(Some(message))) = now(ws.recv()) else {
                panic!()
            };
            assert!(now(ws.send(&message)).is_ready());
            assert!(now(ws.recv()).is_pending());
        }
    });
    assert!((1..=192 << 10).contains(&shared.bytes_current), "{shared:?}");
    for role in ROLES {
        let peer = peer_of(role);
        let mut world = Simulation::new(0);
        let (local, remote) = world.pipe([1 << 24, 0]);
        let mut made = None;
        let clock = world.clock();
        remote.input.borrow_mut().reserve(1 << 21);
        remote.output.borrow_mut().reserve(1 << 21);
        let fresh = measure(|| made = Some(open_with_timeouts(local, clock, role)));
        let mut ws: Ws = made.unwrap();
        let used = measure(|| {
            assert!(now(ws.recv()).is_pending());
        });
        assert_eq!(used.bytes_current, 0, "{used:?}");
        let whole = frame(peer, 0x82, &[7; 300_000]);
        let used = measure(|| {
            for _ in 0..3 {
                remote.output.borrow_mut().push(&whole);
                let Poll::Ready(Ok(Some(message))) = now(ws.recv()) else {
                    panic!()
                };
                assert!(now(ws.send(&message)).is_ready());
            }
            assert!(now(ws.recv()).is_pending());
        });
        // What the engine of a client keeps for its keys may be there from the first frame on.
        assert!(used.bytes_current <= 1024, "{used:?} {fresh:?}");
        let used = measure(|| {
            remote.output.borrow_mut().push(&whole[..1000]);
            assert!(now(ws.recv()).is_pending());
        });
        assert!(used.bytes_current < 70_000, "{used:?}");
    }
}

/// Echoes one message, and waits for the next.
fn echo(ws: &mut Ws, send: bool) {
    let Poll::Ready(Ok(Some(message))) = now(ws.recv()) else {
        panic!()
    };
    if send {
        assert!(now(ws.send(&message)).is_ready());
    } else {
        assert!(now(ws.feed(&message)).is_ready());
    }
    ws.recycle(message);
    assert!(now(ws.recv()).is_pending());
}

/// Connections that have received a message, and perhaps answered it, and now wait for something else hold no buffers,
/// though one beside them in the same thread has made those of the thread large.
#[test]
fn a_slow_handler_holds_no_buffers() {
    const SLOW: usize = 50;
    for role in ROLES {
        for answers in [false, true] {
            let peer = peer_of(role);
            let mut world = Simulation::new(0);
            let (heavy, remote) = world.pipe([1 << 24, 0]);
            remote.input.borrow_mut().reserve(1 << 24);
            remote.output.borrow_mut().reserve(1 << 20);
            let whole = frame(peer, 0x82, &vec![7; 120_000]);
            let mut heavy = open(heavy, world.clock(), role, 64 << 10);
            let mut work = || {
                remote.output.borrow_mut().push(&whole);
                echo(&mut heavy, true);
            };
            let (mut slow, mut ends) = (Vec::new(), Vec::new());
            for _ in 0..SLOW {
                let (local, remote) = world.pipe([1 << 16, 0]);
                remote.input.borrow_mut().reserve(1 << 10);
                remote.output.borrow_mut().push(&frame(peer, 0x82, b"small"));
                slow.push(open(local, world.clock(), role, 64 << 10));
                ends.push(remote);
            }
            for _ in 0..5 {
                work();
            }
            let used = measure(|| {
                for ws in &mut slow {
                    let Poll::Ready(Ok(Some(message))) = now(ws.recv()) else {
                        panic!()
                    };
                    if answers {
                        assert!(now(ws.send(&message)).is_ready());
                    }
                    work();
                }
            });
            assert!(used.bytes_current < 1024 * SLOW as i64, "{role:?} {answers} {used:?}");
        }
    }
}

/// F49: the same with large messages, one at a time, and a wait after each: what was written from is not made anew for
/// each of them.
#[test]
fn large_messages_with_waits_allocate_nothing() {
    for role in ROLES {
        for len in [100, 60_000, 70_000, 120_000] {
            for send in [false, true] {
                let mut world = Simulation::new(0);
                let (local, remote) = world.pipe([1 << 24, 0]);
                remote.input.borrow_mut().reserve(1 << 23);
                remote.output.borrow_mut().reserve(1 << 20);
                let whole = frame(peer_of(role), 0x82, &vec![7; len]);
                let mut ws = open(local, world.clock(), role, 64 << 10);
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

/// F49: neither is it for the answers to many Pings at a time.
#[test]
fn many_pings_with_waits_allocate_nothing() {
    for role in ROLES {
        let mut world = Simulation::new(0);
        let (local, remote) = world.pipe([1 << 24, 0]);
        remote.input.borrow_mut().reserve(1 << 22);
        remote.output.borrow_mut().reserve(1 << 17);
        let pings = frame(peer_of(role), 0x89, &[7; 125]).repeat(200);
        let mut ws = open(local, world.clock(), role, 1 << 20);
        let mut answer = |times| {
            for _ in 0..times {
                remote.output.borrow_mut().push(&pings);
                assert!(now(ws.recv()).is_pending());
            }
        };
        answer(20);
        let used = measure(|| answer(20));
        assert_eq!(used.count_total, 0, "{role:?} {used:?}");
    }
}

/// What was fed and left while the connection waits leaves no buffer behind, though it is below the high-water mark.
#[test]
fn what_was_fed_leaves_no_buffer_behind() {
    let mut world = Simulation::new(0);
    let (mut idle, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let (local, remote) = world.pipe([1 << 16, 0]);
        remote.input.borrow_mut().reserve(1 << 16);
        idle.push(open_with_timeouts(local, world.clock(), Role::Server));
        ends.push(remote);
    }
    let message = vec![7; 20_000];
    let used = measure(|| {
        for ws in &mut idle {
            assert!(now(ws.feed(&message)).is_ready());
            assert!(now(ws.recv()).is_pending());
        }
    });
    assert!(used.bytes_current < 192 << 10, "{used:?}");
}

/// The answer to a Ping is on its way when the Ping is reported, whatever its receiver does next.
#[test]
fn a_pong_leaves_before_its_ping_is_reported() {
    for role in ROLES {
        let mut world = Simulation::new(0);
        let (local, remote) = world.pipe([1000, 0]);
        remote.output.borrow_mut().push(&frame(peer_of(role), 0x89, b"there?"));
        let mut ws = open(local, world.clock(), role, 1000);
        let Poll::Ready(Ok(Some(Event::Ping(payload)))) = now(ws.recv_event()) else {
            panic!()
        };
        assert_eq!(*payload, *b"there?");
        let sent = frames(role, &remote.input.borrow().all_written);
        assert_eq!(sent, [(0x8A, b"there?".to_vec())]);
    }
}

/// Who takes the transport over gets what was read and not processed: whole frames and the message in progress.
#[test]
fn a_takeover_gets_what_was_not_processed() {
    for role in ROLES {
        let peer = peer_of(role);
        for cut in 0..8 {
            let mut world = Simulation::new(0);
            let (local, remote) = world.pipe([1000, 0]);
            let rest = [frame(peer, 0x82, b"second"), frame(peer, 0x81, b"third")].concat();
            let rest = &rest[..rest.len() - cut];
            remote
                .output
                .borrow_mut()
                .push(&[frame(peer, 0x81, b"bcd"), rest.to_vec()].concat());
            let mut ws = open(local, world.clock(), role, 1000);
            assert!(matches!(now(ws.recv()), Poll::Ready(Ok(Some(_)))));
            let (_transport, unread) = ws.into_parts();
            assert_eq!(unread, rest);
        }
    }
}

/// What whoever did the handshake has read too much comes first.
#[test]
fn what_was_read_ahead_comes_first() {
    let mut world = Simulation::new(0);
    let (local, remote) = world.pipe([1000, 1000]);
    let large = vec![7; 100_000];
    let ahead = [frame(Role::Client, 0x82, &large), frame(Role::Client, 0x01, b"over ")].concat();
    remote.output.borrow_mut().push(&frame(Role::Client, 0x80, b"the seam"));
    let mut ws = open(local, world.clock(), Role::Server, 1000).read_ahead(&ahead);
    assert_eq!(
        now(ws.recv()).map(Result::unwrap),
        Poll::Ready(Some(Message::from(large)))
    );
    assert_eq!(
        now(ws.recv()).map(Result::unwrap),
        Poll::Ready(Some(Message::from("over the seam")))
    );
}

/// The next call writes what was put into the output by hand; a Close by hand ends it all the same.
#[test]
fn the_engine_is_within_reach() {
    let mut world = Simulation::new(0);
    let (local, mut remote) = world.pipe([1000, 100]);
    let clock = world.clock();
    let mut pause = world.clock();
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
    world.run(vec![local, remote]);
}
