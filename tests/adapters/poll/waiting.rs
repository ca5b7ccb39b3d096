//! Polled connections that several tasks wait for: each is woken, in any order of the tasks, also
//! when tasks migrate and when futures are dropped while they wait.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
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
    adapter::{Error, poll::Writer},
    timers::Due,
};
use support::{
    ROLES, frame,
    pipe::{Cancel, Canceller, Faults, PipeEnd, Simulation, Task, VirtualClock, WakeFlag},
    polled::{self, Ws, message, open, seconds},
    random::Rng,
};

use super::{end::receive_rest, poll_once};

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
