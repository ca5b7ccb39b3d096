//! Polled connections that several tasks wait for: each is woken, in any order of the tasks, also
//! when tasks migrate and when futures are dropped while they wait.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use futures_sink::Sink;
use futures_util::{
    SinkExt, StreamExt,
    future::{Either, select},
    stream::{SplitSink, SplitStream},
};
use sockless::{
    CloseCode, Event, Message, Role,
    adapter::{
        Error,
        poll::{Clock, Reader, Writer},
    },
    timers::{Due, Timeouts},
};
use support::{
    ROLES, frame,
    pipe::{Cancel, Canceller, Faults, PipeEnd, Rng, Simulation, Task, VirtualClock, WakeFlag},
    polled::{self, Ws, message, open, seconds, settings},
};

/// How long tasks wait before they drop a future.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);

/// The halves that `futures_util` makes of an unsplit connection.
fn split(ws: Ws) -> (SplitSink<Ws, Message<'static>>, SplitStream<Ws>) {
    StreamExt::split(ws)
}

/// Two open connections over a pipe of a few bytes with faults, with a high-water mark of a few
/// bytes.
fn pair(seed: u64) -> (Simulation, [Ws; 2]) {
    let mut rng = Rng(seed);
    let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
    let (mut server, mut client) = simulation.pipe([1 + rng.below(40), 1 + rng.below(40)]);
    server.faults = Faults::random(seed ^ 1);
    client.faults = Faults::random(seed ^ 2);
    let high_water = [10, 50, 200][rng.below(3)];
    let [server_clock, client_clock] = [simulation.clock(), simulation.clock()];
    let ends = [
        open(server, server_clock, Role::Server, high_water),
        open(client, client_clock, Role::Client, high_water),
    ];
    (simulation, ends)
}

fn messages(seed: u64) -> Vec<Message<'static>> {
    let mut rng = Rng(seed);
    (0..5).map(|n| message(n, [0, 3, 30, 150][rng.below(4)])).collect()
}

/// Runs two ends, each in a task that sends, made by `send`, and a task that receives. The last one
/// to have sent closes.
fn exchange<S: Sink<Message<'static>, Error = Error> + Unpin, R>(
    seed: u64,
    split: impl Fn(Ws) -> (S, R),
    send: impl AsyncFn(&mut S, Vec<Message<'static>>),
    receive: impl AsyncFn(&mut R) -> Vec<Message<'static>>,
) {
    let (mut simulation, ends) = pair(seed);
    let left = Cell::new(2);
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for ws in ends {
        let (mut sink, mut stream) = split(ws);
        let (send, receive, left) = (&send, &receive, &left);
        tasks.push(Box::pin(async move {
            send(&mut sink, messages(seed)).await;
            left.set(left.get() - 1);
            if left.get() == 0 {
                sink.close().await.unwrap();
            }
        }));
        tasks.push(Box::pin(async move {
            assert_eq!(receive(&mut stream).await, messages(seed), "{seed}");
        }));
    }
    simulation.run(tasks);
}

async fn send_all(sink: &mut (impl Sink<Message<'static>, Error = Error> + Unpin), messages: Vec<Message<'static>>) {
    for (n, message) in messages.into_iter().enumerate() {
        if n % 2 == 0 {
            sink.feed(message).await.unwrap();
        } else {
            sink.send(message).await.unwrap();
        }
    }
    sink.flush().await.unwrap();
}

async fn receive_all<S: StreamExt<Item = Result<Message<'static>, Error>> + Unpin>(
    stream: &mut S,
) -> Vec<Message<'static>> {
    let mut messages = Vec::new();
    while let Some(message) = stream.next().await {
        messages.push(message.unwrap());
    }
    messages
}

/// F60: an unsplit connection that `futures_util` has split, both halves in tasks of their own.
#[test]
fn f60_halves_of_futures_util_in_two_tasks() {
    for seed in 0..400 {
        exchange(seed, split, send_all, receive_all);
    }
}

/// F60: the same with the halves of this crate, as sink and stream.
#[test]
fn f60_halves_in_two_tasks() {
    for seed in 0..400 {
        let split = |ws: Ws| {
            let (reader, writer) = ws.split();
            (writer, reader)
        };
        exchange(seed, split, send_all, receive_all);
    }
}

/// F60: two clones of a writer are sinks in two tasks.
#[test]
fn f60_two_sinks_in_two_tasks() {
    for seed in 0..300 {
        let (mut simulation, [server, client]) = pair(seed);
        let (mut client_sink, mut client_stream) = split(client);
        let (mut server, writer) = server.split();
        let left = Cell::new(2);
        let writing = |mut writer: Writer<PipeEnd, VirtualClock>| {
            let left = &left;
            async move {
                send_all(&mut writer, messages(seed)).await;
                left.set(left.get() - 1);
                if left.get() == 0 {
                    SinkExt::<Message<'static>>::close(&mut writer).await.unwrap();
                }
            }
        };
        simulation.run(vec![
            Box::pin(writing(writer.clone())),
            Box::pin(writing(writer)),
            Box::pin(async { assert!(receive_all(&mut server).await.is_empty()) }),
            Box::pin(async { assert_eq!(receive_all(&mut client_stream).await.len(), 10) }),
            Box::pin(async { client_sink.flush().await.unwrap() }),
        ]);
    }
}

/// F60: an echo by `StreamExt::forward`, from a connection to itself. The close after the end of
/// the stream succeeds.
#[test]
fn f60_forward_to_itself() {
    for seed in 0..300 {
        let (mut simulation, [server, client]) = pair(seed);
        let (sink, stream) = split(server);
        let (mut client_sink, mut client_stream) = split(client);
        let (received, mut clock) = (Cell::new(false), simulation.clock());
        simulation.run(vec![
            Box::pin(async { stream.forward(sink).await.unwrap() }),
            Box::pin(async {
                send_all(&mut client_sink, messages(seed)).await;
                while !received.get() {
                    clock.sleep(TICK).await;
                }
                client_sink.close().await.unwrap();
            }),
            Box::pin(async {
                for expected in messages(seed) {
                    assert_eq!(client_stream.next().await.unwrap().unwrap(), expected);
                }
                received.set(true);
                assert!(client_stream.next().await.is_none());
            }),
        ]);
    }
}

/// F60: calls race with a timeout, and are dropped and repeated, in the tasks of both halves.
#[test]
fn f60_select_with_timeouts() {
    /// Calls `call` until it is done in time.
    async fn retry<T>(clock: &mut VirtualClock, mut call: impl AsyncFnMut() -> T) -> T {
        loop {
            if let Either::Left((done, _)) = select(pin!(call()), pin!(clock.sleep(TICK))).await {
                return done;
            }
        }
    }
    for seed in 0..300 {
        let (mut simulation, ends) = pair(seed);
        let left = Cell::new(2);
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for ws in ends {
            let [mut send_clock, mut receive_clock] = [simulation.clock(), simulation.clock()];
            let (mut reader, writer) = ws.split();
            let left = &left;
            tasks.push(Box::pin(async move {
                for message in messages(seed) {
                    retry(&mut send_clock, async || writer.feed(&message).await)
                        .await
                        .unwrap();
                    retry(&mut send_clock, async || writer.flush().await).await.unwrap();
                }
                left.set(left.get() - 1);
                if left.get() == 0 {
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                }
            }));
            tasks.push(Box::pin(async move {
                let mut received = Vec::new();
                while let Some(message) = retry(&mut receive_clock, async || reader.recv().await).await.unwrap() {
                    received.push(message);
                }
                assert_eq!(received, messages(seed));
            }));
        }
        simulation.run(tasks);
    }
}

/// F60: a writer waits for room. The other task writes output while it receives: the writer
/// continues, although the pipe is full again.
#[test]
fn f60_a_writer_continues_when_the_other_task_has_written() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
        let (local, mut remote) = simulation.pipe([100, 100]);
        let (mut sink, mut stream) = split(open(local, simulation.clock(), Role::Server, 300));
        let (mut first_clock, mut second_clock) = (simulation.clock(), simulation.clock());
        let fed = Cell::new(false);
        simulation.run(vec![
            Box::pin(async { assert!(stream.next().await.unwrap().is_err()) }),
            Box::pin(async {
                sink.feed(message(0, 500)).await.unwrap();
                // The sink of `futures_util` holds one message.
                sink.feed(message(1, 4)).await.unwrap();
                sink.feed(message(1, 4)).await.unwrap();
                fed.set(true);
            }),
            Box::pin(async {
                first_clock.sleep(seconds(1)).await;
                for _ in 0..2 {
                    remote.read(100).await;
                    remote.write_all(&frame(Role::Client, 0x89, b"")).await.unwrap();
                }
                second_clock.sleep(seconds(1)).await;
                assert!(fed.get(), "{seed}");
                drop(remote);
            }),
        ]);
    }
}

/// F60: the writer polls the clock last, when a deadline has just passed, and is done: the next
/// deadline still wakes the reader, and the silent peer times out.
#[test]
fn f60_a_deadline_wakes_the_other_task() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
        let (local, mut remote) = simulation.pipe([10, 100]);
        let clock = simulation.clock();
        let (mut other, mut third, time) = (simulation.clock(), simulation.clock(), simulation.time());
        let (mut sink, mut stream) = split(polled::open_with_timeouts(local, clock, Role::Server));
        let start = time();
        simulation.run(vec![
            Box::pin(async {
                let error = stream.next().await.unwrap().unwrap_err();
                assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
                assert_eq!(time() - start, seconds(40));
            }),
            Box::pin(async {
                // At the deadline of the Ping. The message is longer than the pipe.
                other.sleep(seconds(20)).await;
                sink.send(message(0, 100)).await.unwrap();
            }),
            Box::pin(async {
                third.sleep(seconds(20)).await;
                remote.read(usize::MAX).await;
            }),
        ]);
    }
}

/// F60: a reader receives a Close frame and is not polled any more: the writer that waits has the
/// deadline of the closing handshake, and not the later one that it has waited for before.
#[test]
fn f60_a_nearer_deadline_reaches_the_other_task() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
        let (local, mut remote) = simulation.pipe([10, 100]);
        let (clock, mut pause, time) = (simulation.clock(), simulation.clock(), simulation.time());
        let (mut reader, writer) = polled::open_with_timeouts(local, clock, Role::Server).split();
        let start = time();
        simulation.run(vec![
            Box::pin(async {
                let event = reader.recv_event().await.unwrap();
                assert!(matches!(event, Some(Event::Close(_))), "{event:?}");
            }),
            Box::pin(async {
                assert!(writer.send(message(0, 100)).await.is_err());
                assert_eq!(time() - start, seconds(6));
            }),
            Box::pin(async {
                pause.sleep(seconds(1)).await;
                remote.write_all(&frame(Role::Client, 0x88, &[3, 232])).await.unwrap();
                pause.sleep(seconds(100)).await;
            }),
        ]);
    }
}

/// Polls a future once, with this waker.
fn poll_once<F: Future>(future: F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// F60: a connection that one task waits for, for one thing or another, allocates nothing for that.
#[test]
fn f60_one_task_needs_no_shared_waker() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([10, 100]);
        let mut ws = open(local, simulation.clock(), role, 50);
        let waker = Waker::from(Arc::new(WakeFlag::default()));
        let mut cx = Context::from_waker(&waker);
        assert!(poll_once(ws.send(message(0, 100)), &waker).is_pending());
        // The input buffer of the thread is allocated.
        assert!(poll_once(ws.recv(), &waker).is_pending());
        let used = measure(|| {
            for _ in 0..10 {
                assert!(ws.poll_recv(&mut cx).is_pending());
                assert!(Sink::<Message<'_>>::poll_flush(Pin::new(&mut ws), &mut cx).is_pending());
                assert!(poll_once(ws.recv(), &waker).is_pending());
                assert!(poll_once(ws.flush(), &waker).is_pending());
            }
        });
        assert_eq!(used.count_total, 0, "{used:?}");
        drop(remote);
    }
}

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
        assert!(poll_once(SinkExt::send(&mut writer, message(0, 500)), &wakers.make()).is_pending());
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

/// F61: a future that is dropped while others wait: the others are still woken.
#[test]
fn f61_the_others_are_woken_after_a_dropped_call() {
    for seed in 0..300 {
        let (mut simulation, [server, client]) = pair(seed);
        let (mut reader, writer) = server.split();
        let (mut sink, mut stream) = split(client);
        let mut clock = simulation.clock();
        let sending = Cell::new(3);
        let done = || sending.set(sending.get() - 1);
        simulation.run(vec![
            Box::pin(async {
                abandon_calls(&writer).await;
                send_all(&mut writer.clone(), messages(seed)).await;
                done();
            }),
            Box::pin(async {
                writer.send(message(1, 90)).await.unwrap();
                done();
            }),
            Box::pin(async {
                send_all(&mut sink, messages(seed)).await;
                done();
            }),
            Box::pin(async {
                while sending.get() > 0 {
                    clock.sleep(TICK).await;
                }
                writer.close(CloseCode::NORMAL, "").await.unwrap();
            }),
            Box::pin(async { assert_eq!(receive_rest(&mut reader).await, messages(seed)) }),
            Box::pin(async { assert!(receive_all(&mut stream).await.len() >= 6) }),
        ]);
    }
}

/// Sends messages, and drops each call at its first to third await point.
async fn abandon_calls(writer: &Writer<PipeEnd, VirtualClock>) {
    for n in 0..20 {
        let canceller = Canceller::new(Cancel::After(1 + n % 3));
        let _cancelled = canceller.attempt(writer.send(message(n, 100))).await;
    }
}

async fn receive_rest<C: Clock>(reader: &mut Reader<PipeEnd, C>) -> Vec<Message<'static>> {
    let mut received = Vec::new();
    while let Some(message) = reader.recv().await.unwrap() {
        received.push(message);
    }
    received
}

/// F67: after a closing handshake, `flush` and `close` of a sink succeed, whatever becomes of the
/// transport: the peer closes it, leaves it open until the time is up, or resets it.
#[test]
fn f67_a_sink_is_flushed_and_closed_after_a_clean_end() {
    for role in ROLES {
        for halves in [false, true] {
            for end in 0..3 {
                clean_end(role, halves, end);
            }
        }
    }
}

fn clean_end(role: Role, halves: bool, end: usize) {
    let mut simulation = Simulation::new(0);
    let (local, mut remote) = simulation.pipe([1000, 1000]);
    let (clock, mut pause) = (simulation.clock(), simulation.clock());
    let mut ws = polled::open_with_timeouts(local, clock, role);
    let local: Task<'_> = Box::pin(async move {
        ws.send("last").await.unwrap();
        if halves {
            let (mut reader, mut writer) = ws.split();
            assert_eq!(reader.recv().await.unwrap(), None);
            assert!(reader.close_status().unwrap().is_clean());
            writer.flush().await.unwrap();
            SinkExt::<&str>::flush(&mut writer).await.unwrap();
            SinkExt::<&str>::close(&mut writer).await.unwrap();
        } else {
            assert_eq!(ws.recv().await.unwrap(), None);
            assert!(ws.close_status().unwrap().is_clean());
            ws.flush().await.unwrap();
            SinkExt::<&str>::flush(&mut ws).await.unwrap();
            SinkExt::<&str>::close(&mut ws).await.unwrap();
        }
    });
    let remote: Task<'_> = Box::pin(async move {
        remote
            .write_all(&frame(support::peer_of(role), 0x88, &[3, 232]))
            .await
            .unwrap();
        match end {
            0 => pause.sleep(seconds(1)).await,
            1 => pause.sleep(seconds(100)).await,
            _ => {
                pause.sleep(seconds(1)).await;
                remote.output.borrow_mut().read_error = Some(std::io::ErrorKind::ConnectionReset);
                pause.sleep(seconds(1)).await;
            }
        }
    });
    simulation.run(vec![local, remote]);
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

/// F74: two ends that both send more than the transport takes before they receive stand still,
/// until the peer has not answered a Ping in time. This is documented at `send`.
#[test]
fn f74_two_ends_that_only_send_time_out() {
    for seed in 0..20 {
        let mut simulation = Simulation::new(seed);
        let (server, client) = simulation.pipe([1000, 1000]);
        let time = simulation.time();
        let start = time();
        let failed = Rc::new(RefCell::new(Vec::new()));
        let ends = [(server, Role::Server), (client, Role::Client)];
        let tasks = ends.map(|(end, role)| -> Task<'_> {
            let mut ws = polled::open_with_timeouts(end, simulation.clock(), role);
            let (time, failed) = (time.clone(), Rc::clone(&failed));
            Box::pin(async move {
                let error = ws.send(message(0, 10_000)).await.unwrap_err();
                assert!(matches!(error, Error::Io(_)), "{error:?}");
                failed.borrow_mut().push(time() - start);
            })
        });
        simulation.run(tasks.into());
        assert_eq!(*failed.borrow(), [seconds(40); 2]);
    }
}

/// F74: the ways out that `send` documents: `feed` and then `recv`, or halves in two tasks.
#[test]
fn f74_feed_and_recv_do_not_stand_still() {
    for seed in 0..20 {
        for halves in [false, true] {
            let mut simulation = Simulation::new(seed);
            let (server, client) = simulation.pipe([1000, 1000]);
            let clocks = [simulation.clock(), simulation.clock()];
            let mut tasks: Vec<Task<'_>> = Vec::new();
            let sent = Rc::new(Cell::new(0));
            for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
                let mut ws = polled::open_with_timeouts(end, clock, role);
                if halves {
                    let (mut reader, writer) = ws.split();
                    let sent = Rc::clone(&sent);
                    tasks.push(Box::pin(async move {
                        writer.send(message(0, 10_000)).await.unwrap();
                        sent.set(sent.get() + 1);
                        if sent.get() == 2 {
                            writer.close(CloseCode::NORMAL, "").await.unwrap();
                        }
                    }));
                    tasks.push(Box::pin(async move {
                        assert_eq!(receive_rest(&mut reader).await, [message(0, 10_000)]);
                    }));
                } else {
                    tasks.push(Box::pin(async move {
                        ws.feed(message(0, 10_000)).await.unwrap();
                        assert_eq!(ws.recv().await.unwrap(), Some(message(0, 10_000)));
                        ws.flush().await.unwrap();
                    }));
                }
            }
            simulation.run(tasks);
        }
    }
}

/// F62: the reader has returned a Close frame, and a writer waits until the time for the end is up:
/// the reader reports the clean end, and not the deadline.
#[test]
fn f62_a_clean_close_is_reported_after_a_missed_deadline() {
    for seed in 0..50 {
        let mut simulation = Simulation::new(seed);
        let (local, mut remote) = simulation.pipe([10, 100]);
        let (clock, mut pause) = (simulation.clock(), simulation.clock());
        let (mut reader, writer) = polled::open_with_timeouts(local, clock, Role::Server).split();
        simulation.run(vec![
            Box::pin(async move {
                writer.feed(message(0, 100)).await.unwrap();
                let event = reader.recv_event().await.unwrap();
                assert!(matches!(event, Some(Event::Close(_))), "{event:?}");
                assert!(writer.flush().await.is_err(), "the Close frame was not written");
                assert_eq!(reader.recv().await.unwrap(), None);
                assert!(reader.close_status().unwrap().is_clean());
            }),
            Box::pin(async move {
                remote.write_all(&frame(Role::Client, 0x88, &[3, 232])).await.unwrap();
                pause.sleep(seconds(100)).await;
            }),
        ]);
    }
}

/// F62: messages that were read are received although a writer has missed a deadline since.
#[test]
fn f62_messages_before_a_missed_deadline_are_received() {
    for seed in 0..50 {
        let mut simulation = Simulation::new(seed);
        let (local, mut remote) = simulation.pipe([10, 1000]);
        let (clock, mut pause) = (simulation.clock(), simulation.clock());
        let timeouts = Timeouts::new();
        let engine = polled::engine(Role::Server, false);
        let (mut reader, writer) = Ws::upgraded(local, clock, engine, settings(100, timeouts)).split();
        let received = Rc::new(RefCell::new(Vec::new()));
        let all = Rc::clone(&received);
        simulation.run(vec![
            Box::pin(async move {
                let first = reader.recv().await.unwrap();
                all.borrow_mut().extend(first);
                assert!(writer.send(message(0, 500)).await.is_err());
                let error = loop {
                    match reader.recv().await {
                        Ok(Some(message)) => all.borrow_mut().push(message),
                        Ok(None) => panic!("no error"),
                        Err(error) => break error,
                    }
                };
                assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
                assert_eq!(reader.recv().await.unwrap(), None);
            }),
            Box::pin(async move {
                let three = frame(Role::Client, 0x81, b"bcd").repeat(3);
                remote.write_all(&three).await.unwrap();
                pause.sleep(seconds(100)).await;
            }),
        ]);
        assert_eq!(*received.borrow(), vec![message(1, 3); 3]);
    }
}
