//! Calls of polled connections that are dropped while they wait: they keep no waker, and what they
//! would have sent stays within the bound of the output.

use std::{
    cell::RefCell,
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use sockless::{
    CloseCode, Config, Delivery, MessageKind, PreparedMessage, Role, handshake::Negotiated, timers::Timeouts,
};
use support::{
    ROLES, frame,
    pipe::{Simulation, WakeFlag},
    polled::{Ws, message, open, settings},
};

use super::{end::End, poll_once};

/// Makes wakers, and counts those that something has kept.
#[derive(Default)]
struct CountedWakers(RefCell<Vec<Weak<WakeFlag>>>);

impl CountedWakers {
    fn make(&self) -> Waker {
        let flag = Arc::new(WakeFlag::default());
        self.0.borrow_mut().push(Arc::downgrade(&flag));
        Waker::from(flag)
    }

    fn kept(&self) -> usize {
        self.0.borrow().iter().filter(|flag| flag.strong_count() > 0).count()
    }
}

/// F61: 10,000 calls of a writing half, each polled once by a task of its own and dropped while the
/// transport is stalled, leave no waker and no memory.
#[test]
fn f61_dropped_calls_of_a_writer_keep_no_waker() {
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([10, 100]);
    let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    let wakers = CountedWakers::default();
    wakers.0.borrow_mut().reserve(100_000);
    // Until the output is above the high-water mark, a dropped call has appended its frame.
    let mut poll_all = || {
        assert!(poll_once(writer.send(&message(0, 500)), &wakers.make()).is_pending());
        assert!(poll_once(writer.flush(), &wakers.make()).is_pending());
        assert!(poll_once(writer.ping(&[0; 125]), &wakers.make()).is_pending());
        assert!(poll_once(writer.pong(&[0; 125]), &wakers.make()).is_pending());
        let _ready = poll_once(writer.feed(&message(0, 500)), &wakers.make());
        assert!(poll_once(reader.recv(), &wakers.make()).is_pending());
    };
    (0..3).for_each(|_| poll_all());
    let used = measure(|| (0..10_000).for_each(|_| poll_all()));
    // The transport keeps the waker of the last read.
    assert!(wakers.kept() <= 1, "{}", wakers.kept());
    // What is left are the allocations of the counted wakers, to which the test has weak pointers.
    assert!(used.count_current <= 60_000, "{used:?}");
    let _pending = poll_once(writer.close(CloseCode::NORMAL, ""), &wakers.make());
    assert!(wakers.kept() <= 1);
}

/// F61: the same with clones of the writer that are sinks, and are dropped.
#[test]
fn f61_dropped_sinks_keep_no_waker() {
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([10, 100]);
    let (_reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    assert!(poll_once(writer.send(message(0, 2000)), Waker::noop()).is_pending());
    let wakers = CountedWakers::default();
    for _ in 0..10_000 {
        let mut writer = writer.clone();
        assert!(
            poll_once(
                futures_util::SinkExt::send(&mut writer, message(0, 500)),
                &wakers.make()
            )
            .is_pending()
        );
    }
    assert_eq!(wakers.kept(), 0);
}

/// F61: the same with a whole connection. The transport keeps its own two wakers, those of the last
/// read and of the last write.
#[test]
fn f61_dropped_calls_keep_no_waker() {
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([10, 100]);
    let mut ws = open(local, simulation.clock(), Role::Server, 1000);
    let wakers = CountedWakers::default();
    for _ in 0..10_000 {
        assert!(poll_once(ws.send(&message(0, 500)), &wakers.make()).is_pending());
        assert!(poll_once(ws.flush(), &wakers.make()).is_pending());
        assert!(poll_once(ws.recv(), &wakers.make()).is_pending());
        assert!(poll_once(ws.ping(b""), &wakers.make()).is_pending());
    }
    assert!(wakers.kept() <= 2, "{}", wakers.kept());
}

/// F61: a dropped call leaves the connection to the next task alone, which then needs no shared
/// waker: only the transport still has the waker.
#[test]
fn f61_each_dropped_call_takes_its_waker_along() {
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([10, 100]);
    let mut ws = open(local, simulation.clock(), Role::Server, 1000);
    let is_alone = |poll: &mut dyn FnMut(&Waker)| {
        let flag = Arc::new(WakeFlag::default());
        poll(&Waker::from(Arc::clone(&flag)));
        // `flag`, and the transport's.
        Arc::strong_count(&flag) == 2
    };
    assert!(is_alone(&mut |waker| assert!(poll_once(ws.recv(), waker).is_pending())));
    assert!(is_alone(&mut |waker| assert!(
        poll_once(ws.recv_event(), waker).is_pending()
    )));
    assert!(is_alone(&mut |waker| assert!(
        poll_once(ws.recv_chunk(), waker).is_pending()
    )));
    assert!(is_alone(&mut |waker| assert!(
        poll_once(ws.send(&message(0, 500)), waker).is_pending()
    )));
    assert!(is_alone(&mut |waker| assert!(
        poll_once(ws.flush(), waker).is_pending()
    )));
}

/// F61: readers, writers and calls that are dropped while they wait keep no waker: of a whole
/// connection and of halves.
#[test]
fn f61_every_kind_of_dropped_call_keeps_no_waker() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([10, 100]);
        remote.output.borrow_mut().push(&frame(Role::Client, 0x82, b"whole"));
        let ws = open(local, simulation.clock(), Role::Server, 10);
        let mut end = End::new(ws, in_halves);
        let flag = Arc::new(WakeFlag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        macro_rules! is_released {
            ($what:expr) => {
                // The pipe keeps one for each direction, and this test has two.
                {
                    remote.output.borrow_mut().forget_wakers();
                    remote.input.borrow_mut().forget_wakers();
                    assert_eq!(Arc::strong_count(&flag), 2, "{} in halves: {in_halves}", $what);
                }
            };
        }
        {
            let mut reader = pin!(async { end.reader().await.unwrap().map(drop) });
            assert!(reader.as_mut().poll(&mut cx).is_ready());
        }
        let prepared = PreparedMessage::text("");
        macro_rules! drop_pending {
            ($what:expr, $call:expr) => {{
                let mut call = pin!($call);
                assert!(call.as_mut().poll(&mut cx).is_pending(), $what);
            }
            is_released!($what);};
        }
        match &mut end {
            End::Whole(ws) => {
                drop_pending!("recv", ws.recv());
                drop_pending!("recv_with", ws.recv_with(|_| ()));
                drop_pending!("recv_batch", ws.recv_batch(|_, _| Ok(())));
                drop_pending!("recv_chunk", ws.recv_chunk());
                drop_pending!("recv_event", ws.recv_event());
                drop_pending!("reader", async { ws.reader().await.map(|_| ()) });
                drop_pending!("send", ws.send(vec![0; 100]));
                drop_pending!("recv_batch, without room", ws.recv_batch(|_, _| Ok(())));
                drop_pending!("feed", ws.feed("more"));
                drop_pending!("send_prepared", ws.send_prepared(&prepared));
                drop_pending!("send_fragment", ws.send_fragment(MessageKind::Text, b"", true));
                drop_pending!("writer", async { ws.writer(MessageKind::Text).unwrap().finish().await });
            }
            End::Halves(reader, writer) => {
                drop_pending!("recv", reader.recv());
                drop_pending!("recv_with", reader.recv_with(|_| ()));
                drop_pending!("recv_chunk", reader.recv_chunk());
                drop_pending!("recv_event", reader.recv_event());
                drop_pending!("reader", async { reader.reader().await.map(|_| ()) });
                drop_pending!("send", writer.send(vec![0; 100]));
                drop_pending!("feed", writer.feed("more"));
                drop_pending!("send_prepared", writer.send_prepared(&prepared));
                drop_pending!("send_fragment", writer.send_fragment(MessageKind::Text, b"", true));
                drop_pending!("writer", async {
                    writer.writer(MessageKind::Text).unwrap().finish().await
                });
            }
        }
        // One that was polled, and not awaited.
        let mut writer = end.writer(MessageKind::Binary).unwrap();
        assert!(writer.poll_finish(&mut cx).is_pending());
        drop(writer);
        is_released!("MessageWriter");
    }
}

/// F61: a reader in the middle of its message that is dropped while it waits keeps no waker.
#[test]
fn f61_a_dropped_message_reader_keeps_no_waker() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([100, 100]);
        remote.output.borrow_mut().push(&frame(Role::Client, 0x02, b"begin"));
        let config = Config::new().delivery(Delivery::Chunks);
        let engine = support::upgraded(Role::Server, &Negotiated::default(), config);
        let ws = Ws::upgraded(local, simulation.clock(), engine, settings(100, Timeouts::none()));
        let mut end = End::new(ws, in_halves);
        let flag = Arc::new(WakeFlag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        simulation.block_on(async {
            let mut reader = end.reader().await.unwrap().unwrap();
            let mut buf = [0; 10];
            assert!(matches!(reader.poll_read(&mut cx, &mut buf), Poll::Ready(Ok(5))));
            assert!(reader.poll_read(&mut cx, &mut buf).is_pending());
            remote.output.borrow_mut().forget_wakers();
            assert_eq!(Arc::strong_count(&flag), 3, "it waits");
            drop(reader);
            assert_eq!(Arc::strong_count(&flag), 2, "in halves: {in_halves}");
        });
    }
}

/// F61: a future that is dropped for a new task each time leaves no memory behind.
#[test]
fn f61_wakers_of_readers_and_writers_are_not_kept() {
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([1 << 20, 100]);
    let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    let new_waker = || Waker::from(Arc::new(WakeFlag::default()));
    let mut poll = |waker: &Waker| {
        let mut cx = Context::from_waker(waker);
        assert!(pin!(reader.reader()).poll(&mut cx).is_pending());
        let mut message = writer.writer(MessageKind::Text).unwrap();
        assert!(message.poll_finish(&mut cx).is_ready());
    };
    poll(&new_waker());
    let used = measure(|| (0..1000).for_each(|_| poll(&new_waker())));
    assert!(used.count_current < 10, "{used:?}");
}

/// Wakers of finished tasks are not kept: memory is bounded when a writer sends from a new task
/// each time, and when many tasks poll a reader.
#[test]
fn wakers_of_finished_tasks_are_not_kept() {
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([1 << 20, 100]);
    let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    let new_waker = || Waker::from(Arc::new(WakeFlag::default()));
    let mut poll = |waker: &Waker| {
        let mut cx = Context::from_waker(waker);
        assert!(pin!(reader.recv()).poll(&mut cx).is_pending());
        assert!(pin!(writer.send("")).poll(&mut cx).is_ready());
    };
    poll(&new_waker());
    let used = measure(|| (0..1000).for_each(|_| poll(&new_waker())));
    assert!(used.count_current < 10, "{used:?}");
}

/// F68: 200,000 Pings and Pongs, each cancelled while the transport is stalled: the output stays
/// within the high-water mark and one frame.
#[test]
fn f68_cancelled_pings_wait_for_room() {
    const HIGH_WATER: usize = 1000;
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, _remote) = simulation.pipe([10, 100]);
        let mut ws = open(local, simulation.clock(), role, HIGH_WATER);
        for n in 0..200_000 {
            let payload = [0; 125];
            let waits = if n % 2 == 0 {
                poll_once(ws.ping(&payload), Waker::noop()).is_pending()
            } else {
                poll_once(ws.pong(&payload), Waker::noop()).is_pending()
            };
            assert!(waits);
        }
        let len = ws.engine_mut().1.len();
        assert!((HIGH_WATER..HIGH_WATER + 131).contains(&len), "{len}");
    }
}

/// F68: the same with a writing half. The Pings that were not cancelled are sent, in order.
#[test]
fn f68_pings_of_a_writer_wait_for_room() {
    let mut simulation = Simulation::new(0);
    let (local, mut remote) = simulation.pipe([10, 100]);
    let (reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    let used = measure(|| {
        for _ in 0..200_000 {
            assert!(poll_once(writer.ping(&[1; 125]), Waker::noop()).is_pending());
        }
    });
    assert!(used.bytes_current < 10_000, "{used:?}");
    simulation.run(vec![
        Box::pin(async move {
            writer.pong(b"end").await.unwrap();
            drop((reader, writer));
        }),
        Box::pin(async move {
            let sent = support::frames(Role::Server, &remote.read(usize::MAX).await);
            let (end, pings) = sent.split_last().unwrap();
            assert_eq!(*end, (0x8A, b"end".to_vec()));
            assert!(pings.len() <= 9 && pings.iter().all(|(first, _)| *first == 0x89));
        }),
    ]);
}
