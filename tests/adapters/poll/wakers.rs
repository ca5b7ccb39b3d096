//! Polled connections whose halves work from tasks of their own: no wake is lost, in whatever order they run.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
};

use allocation_counter::measure;
use sockless::{
    CloseCode, Message, Role,
    adapter::{Error, poll::Reader},
    timers::{Due, Timeouts},
};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{self, Cancel, Canceller, Faults, Rng, Simulation, Task, WakeFlag},
    polled::{self, Ws, message, open, seconds, settings},
};

type Received = Rc<RefCell<Vec<Message<'static>>>>;

/// Receives to the end.
async fn drain<C: sockless::adapter::poll::Clock>(mut reader: Reader<pipe::PipeEnd, C>, received: Received) {
    while let Some(message) = reader.recv().await.unwrap() {
        received.borrow_mut().push(message);
    }
    assert!(reader.close_status().unwrap().is_clean());
}

/// Both ends of one connection, each with a reader and two writers, everything in tasks of its own.
fn converse(seed: u64) {
    let mut rng = Rng(seed);
    let mut world = Simulation::new(seed);
    let (mut server, mut client) = world.pipe([1 + rng.below(40), 1 + rng.below(40)]);
    server.faults = Faults::random(seed ^ 1);
    client.faults = Faults::random(seed ^ 2);
    let high_water = [10, 50, 200][rng.below(3)];
    let clocks = [world.clock(), world.clock()];
    let lengths: Vec<usize> = (0..2).map(|_| [0, 3, 30, 150][rng.below(4)]).collect();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let mut ends = Vec::new();
    let closing = Rc::new(Cell::new(4));
    for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
        let (reader, writer) = open(end, clock, role, high_water).split();
        let received = Received::default();
        ends.push(Rc::clone(&received));
        tasks.push(Box::pin(drain(reader, received)));
        for w in 0..2 {
            let (writer, lengths, closing) = (writer.clone(), lengths.clone(), Rc::clone(&closing));
            let mut rng = Rng(rng.below(1 << 30) as u64);
            tasks.push(Box::pin(async move {
                for (n, len) in lengths.iter().enumerate() {
                    match rng.below(3) {
                        0 => writer.feed(message(w + 2 * n, *len)).await.unwrap(),
                        1 => writer.ping(b"ping").await.unwrap(),
                        _ => {}
                    }
                    writer.send(message(w + 2 * n, *len)).await.unwrap();
                }
                closing.set(closing.get() - 1);
                if closing.get() == 0 {
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                }
            }));
        }
    }
    world.run(tasks);
    for received in ends {
        let received = received.borrow();
        for w in 0..2 {
            // A message was fed before it was sent, or was not.
            let mut mine: Vec<_> = received
                .iter()
                .filter(|m| matches!(m, Message::Text(_)) == (w == 1))
                .collect();
            mine.dedup();
            let mut sent: Vec<_> = lengths
                .iter()
                .enumerate()
                .map(|(n, len)| message(w + 2 * n, *len))
                .collect();
            sent.dedup();
            assert_eq!(mine, sent.iter().collect::<Vec<_>>());
        }
    }
}

/// F35: two readers and four writers over a pipe of a few bytes: all that is sent arrives, in every order of tasks.
#[test]
fn f35_halves_converse_in_every_order() {
    for seed in 0..1500 {
        converse(seed);
    }
}

/// F49: both ends send more than the high-water mark at once: the readers read, whatever the writers do.
#[test]
fn halves_exchange_large_messages() {
    for seed in 0..100 {
        let mut world = Simulation::new(seed);
        let (server, client) = world.pipe([16, 16]);
        let clocks = [world.clock(), world.clock()];
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
            let (mut reader, writer) = open(end, clock, role, 100).split();
            tasks.push(Box::pin(async move { writer.send(message(0, 1000)).await.unwrap() }));
            tasks.push(Box::pin(async move {
                assert_eq!(reader.recv().await.unwrap(), Some(message(0, 1000)));
            }));
        }
        world.run(tasks);
    }
}

/// F49: a reader that only reads answers every ping, though the pipe for its pongs is full most of the time, and stops
/// reading while they are many.
#[test]
fn f49_a_reader_that_only_reads_answers() {
    for seed in 0..100 {
        for role in ROLES {
            let peer = peer_of(role);
            let mut world = Simulation::new(seed);
            let (mut local, mut remote) = world.pipe([20, 20]);
            local.faults = Faults::random(seed);
            let (mut reader, _writer) = open(local, world.clock(), role, 60).split();
            let pings = [frame(peer, 0x89, b"ping").repeat(60), frame(peer, 0x81, b"text")].concat();
            let pong = frame(role, 0x8A, b"ping").len();
            remote.output.borrow_mut().push(&pings);
            world.run(vec![
                Box::pin(async move {
                    assert_eq!(reader.recv().await.unwrap(), Some(Message::Text("text".into())));
                    // The last pongs leave with the next call.
                    assert!(reader.recv().await.is_err());
                }),
                Box::pin(async move {
                    let pongs = remote.read(60 * pong).await;
                    assert_eq!(frames(role, &pongs), vec![(0x8A, b"ping".to_vec()); 60]);
                }),
            ]);
        }
    }
}

/// F49: while more replies wait than the high-water mark allows, nothing is read; when a writer has written them, the
/// reader goes on.
#[test]
fn f49_a_reader_above_high_water_goes_on_when_a_writer_drains() {
    for seed in 0..300 {
        // Each in a thread whose read buffer has not grown.
        std::thread::spawn(move || above_high_water(seed)).join().unwrap();
    }
}

fn above_high_water(seed: u64) {
    let mut world = Simulation::new(seed);
    let (local, mut remote) = world.pipe([10, 100_000]);
    let clock = world.clock();
    let (mut reader, writer) = open(local, clock, Role::Server, 50).split();
    // More than is read at a time.
    let ping = frame(Role::Client, 0x89, &[7; 100]);
    let input = [ping.repeat(200), frame(Role::Client, 0x81, b"text")].concat();
    remote.output.borrow_mut().push(&input);
    let unread = Rc::clone(&remote.output);
    let mut clock = world.clock();
    world.run(vec![
        Box::pin(async move {
            assert_eq!(reader.recv().await.unwrap(), Some(Message::Text("text".into())));
            drop(reader);
        }),
        Box::pin(async move {
            for _ in 0..3 {
                writer.send("m").await.unwrap();
            }
        }),
        Box::pin(async move {
            clock.sleep(seconds(1)).await;
            assert!(unread.borrow().in_flight() > input.len() / 2, "nothing more is read");
            let sent = remote.read(usize::MAX).await;
            let messages = |first| frames_whole(&sent).iter().filter(|(f, _)| *f == first).count();
            assert_eq!(messages(0x81), 3);
        }),
    ]);
}

/// The frames of a server that are complete.
fn frames_whole(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut end = 0;
    while let Some(&len) = bytes.get(end + 1) {
        if end + 2 + usize::from(len) > bytes.len() {
            break;
        }
        end += 2 + usize::from(len);
    }
    frames(Role::Server, &bytes[..end])
}

/// F35: a writer is dropped in the middle of a flush, at any await point, while the reader is parked: the reader finishes
/// the frame when the pipe has room.
#[test]
fn f35_the_reader_finishes_what_a_writer_left() {
    for seed in 0..100 {
        for point in 0..12 {
            let mut world = Simulation::new(seed);
            let (local, mut remote) = world.pipe([10, 100]);
            let clock = world.clock();
            let (mut reader, writer) = open(local, clock, Role::Server, 1000).split();
            world.run(vec![
                Box::pin(async move { assert!(reader.recv().await.is_err()) }),
                Box::pin(async move {
                    let canceller = Canceller::new(Cancel::Once(point));
                    let _sent = canceller.attempt(writer.send(message(0, 100))).await;
                }),
                Box::pin(async move {
                    let sent = remote.read(102).await;
                    assert_eq!(frames(Role::Server, &sent), [(0x82, payload(&message(0, 100)))]);
                }),
            ]);
        }
    }
}

fn payload(message: &Message<'static>) -> Vec<u8> {
    message.as_bytes().to_vec()
}

/// R115: a writer closes while the reader is parked, with no deadline or a later one: the deadline of the closing handshake
/// wakes the reader.
#[test]
fn a_writer_that_closes_sets_the_readers_deadline() {
    for seed in 0..100 {
        for ping in [None, Some(seconds(20))] {
            let mut world = Simulation::new(seed);
            let (local, mut remote) = world.pipe([100, 100]);
            let (clock, mut other, time) = (world.clock(), world.clock(), world.time());
            let timeouts = Timeouts::new().ping(ping);
            let engine = polled::engine(Role::Server, false);
            let (mut reader, writer) = Ws::upgraded(local, clock, engine, settings(100, timeouts)).split();
            let start = time();
            world.run(vec![
                Box::pin(async move {
                    let error = reader.recv().await.unwrap_err();
                    assert!(matches!(error, Error::TimedOut(Due::Close)), "{error:?}");
                    assert_eq!(time() - start, seconds(6));
                }),
                Box::pin(async move {
                    other.sleep(seconds(1)).await;
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                }),
                Box::pin(async move { drop(remote.read(usize::MAX).await) }),
            ]);
        }
    }
}

/// The other half polls the clock when the deadline has just passed, and is done: the reader still keeps the next deadline,
/// and notices the silent peer in time.
#[test]
fn deadlines_wake_the_reader_whoever_polled_the_clock_last() {
    for seed in 0..300 {
        let mut world = Simulation::new(seed);
        let (local, mut remote) = world.pipe([10, 100]);
        let (clock, mut other, mut third, time) = (world.clock(), world.clock(), world.clock(), world.time());
        let (mut reader, writer) = polled::open_with_timeouts(local, clock, Role::Server).split();
        let start = time();
        world.run(vec![
            Box::pin(async move {
                let error = reader.recv().await.unwrap_err();
                assert!(matches!(error, Error::TimedOut(Due::Pong)), "{error:?}");
                assert_eq!(time() - start, seconds(40));
            }),
            Box::pin(async move {
                // Just as the Ping is due, and longer than the pipe.
                other.sleep(seconds(20)).await;
                writer.send(message(0, 100)).await.unwrap();
            }),
            Box::pin(async move {
                third.sleep(seconds(20)).await;
                remote.read(usize::MAX).await;
            }),
        ]);
    }
}

/// The reader deals with a deadline, has its message and is away: the writer that waits still keeps the next deadline.
#[test]
fn deadlines_wake_the_writer_though_the_reader_is_away() {
    for seed in 0..300 {
        let mut world = Simulation::new(seed);
        let (mut local, mut remote) = world.pipe([10, 100]);
        local.faults.pending = 60;
        local.faults.rng = Rng(seed);
        let (clock, mut other, time) = (world.clock(), world.clock(), world.time());
        let (mut reader, writer) = polled::open_with_timeouts(local, clock, Role::Server).split();
        let start = time();
        let away = Rc::new(RefCell::new(None));
        let kept = Rc::clone(&away);
        world.run(vec![
            Box::pin(async move {
                assert_eq!(reader.recv().await.unwrap(), Some(message(1, 3)));
                *kept.borrow_mut() = Some(reader);
            }),
            Box::pin(async move {
                assert!(writer.send(message(0, 1000)).await.is_err());
                // The message counts, if it is read before the Ping is due.
                assert!(time() - start <= seconds(60));
            }),
            Box::pin(async move {
                other.sleep(seconds(20)).await;
                remote.write_all(&frame(Role::Client, 0x81, b"bcd")).await.unwrap();
                other.sleep(seconds(100)).await;
            }),
        ]);
    }
}

/// A reader that has something to read makes room at the same time: a writer that waits for it goes on, though the pipe is
/// full again.
#[test]
fn a_writer_goes_on_when_the_reader_makes_room() {
    for seed in 0..300 {
        let mut world = Simulation::new(seed);
        let (local, mut remote) = world.pipe([100, 100]);
        let (mut reader, writer) = open(local, world.clock(), Role::Server, 300).split();
        let (mut soon, mut late) = (world.clock(), world.clock());
        let done = Rc::new(Cell::new(false));
        let fed = Rc::clone(&done);
        world.run(vec![
            Box::pin(async move { assert!(reader.recv().await.is_err()) }),
            Box::pin(async move {
                writer.feed(message(0, 500)).await.unwrap();
                writer.feed("more").await.unwrap();
                fed.set(true);
            }),
            Box::pin(async move {
                soon.sleep(seconds(1)).await;
                for _ in 0..2 {
                    remote.read(100).await;
                    remote.write_all(&frame(Role::Client, 0x89, b"")).await.unwrap();
                }
                late.sleep(seconds(1)).await;
                assert!(done.get(), "{seed}");
            }),
        ]);
    }
}

/// Memory is bounded: wakers of tasks that are done are not kept, for writers that send from a new task each time, and for a
/// reader that is polled by many.
#[test]
fn f49_wakers_of_tasks_that_are_done_are_not_kept() {
    let mut world = Simulation::new(0);
    let (local, _remote) = world.pipe([1 << 20, 100]);
    let (mut reader, writer) = open(local, world.clock(), Role::Server, 1000).split();
    let fresh = || Waker::from(Arc::new(WakeFlag::default()));
    let mut poll = |waker: &Waker| {
        let mut cx = Context::from_waker(waker);
        assert!(pin!(reader.recv()).poll(&mut cx).is_pending());
        assert!(pin!(writer.send("")).poll(&mut cx).is_ready());
    };
    poll(&fresh());
    let used = measure(|| (0..1000).for_each(|_| poll(&fresh())));
    assert!(used.count_current < 10, "{used:?}");
}
