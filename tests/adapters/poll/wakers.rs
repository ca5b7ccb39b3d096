//! Wakers of polled connections whose halves run in separate tasks: no wake-up is lost, in any
//! order of the tasks.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use sockless::{
    CloseCode, Event, Message, Role,
    adapter::{Error, poll::Reader},
    timers::{Due, Timeouts},
};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Cancel, Canceller, Faults, PipeEnd, Simulation, Task},
    polled::{self, Ws, message, open, seconds, settings},
    random::Rng,
};

use super::end::receive_rest;

/// The messages that one end has received.
type Received = Rc<RefCell<Vec<Message<'static>>>>;

/// Receives until the end of the connection.
async fn receive_all<C: sockless::adapter::poll::Clock>(mut reader: Reader<PipeEnd, C>, received: Received) {
    *received.borrow_mut() = receive_rest(&mut reader).await;
    assert!(reader.close_status().unwrap().is_clean());
}

/// Runs both ends of one connection, each with a reader and two writers, all in separate tasks.
fn exchange_messages(seed: u64) {
    let mut rng = Rng(seed);
    let mut simulation = Simulation::new(seed);
    let (mut server, mut client) = simulation.pipe([1 + rng.below(40), 1 + rng.below(40)]);
    server.faults = Faults::random(seed ^ 1);
    client.faults = Faults::random(seed ^ 2);
    let high_water = [10, 50, 200][rng.below(3)];
    let clocks = [simulation.clock(), simulation.clock()];
    let lengths: Vec<usize> = (0..2).map(|_| [0, 3, 30, 150][rng.below(4)]).collect();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let mut ends = Vec::new();
    let writers_left = Rc::new(Cell::new(4));
    for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
        let (reader, writer) = open(end, clock, role, high_water).split();
        let received = Received::default();
        ends.push(Rc::clone(&received));
        tasks.push(Box::pin(receive_all(reader, received)));
        for w in 0..2 {
            let (writer, lengths, writers_left) = (writer.clone(), lengths.clone(), Rc::clone(&writers_left));
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
                writers_left.set(writers_left.get() - 1);
                if writers_left.get() == 0 {
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                }
            }));
        }
    }
    simulation.run(tasks);
    for received in ends {
        let received = received.borrow();
        for w in 0..2 {
            // A message was sent once, or fed and sent.
            let mut of_writer: Vec<_> = received
                .iter()
                .filter(|m| matches!(m, Message::Text(_)) == (w == 1))
                .collect();
            of_writer.dedup();
            let mut sent: Vec<_> = lengths
                .iter()
                .enumerate()
                .map(|(n, len)| message(w + 2 * n, *len))
                .collect();
            sent.dedup();
            assert_eq!(of_writer, sent.iter().collect::<Vec<_>>());
        }
    }
}

/// F35: two readers and four writers over a pipe of a few bytes: everything that is sent is
/// received, in any order of the tasks.
#[test]
fn f35_halves_receive_all_messages_in_any_task_order() {
    for seed in 0..1500 {
        exchange_messages(seed);
    }
}

/// F49: a reading half answers every Ping, although the pipe for its Pongs is full most of the
/// time, with a writing half that does nothing and without one.
#[test]
fn f49_a_reader_answers_pings_without_help_of_a_writer() {
    for seed in 0..100 {
        for (role, keeps_writer) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
            let peer = peer_of(role);
            let mut simulation = Simulation::new(seed);
            let (mut local, mut remote) = simulation.pipe([20, 20]);
            local.faults = Faults::random(seed);
            let (mut reader, writer) = open(local, simulation.clock(), role, 60).split();
            let _writer = keeps_writer.then_some(writer);
            let pings = [frame(peer, 0x89, b"ping").repeat(60), frame(peer, 0x81, b"text")].concat();
            let pong = frame(role, 0x8A, b"ping").len();
            remote.output.borrow_mut().push(&pings);
            simulation.run(vec![
                Box::pin(async move {
                    assert_eq!(reader.recv().await.unwrap(), Some(Message::Text("text".into())));
                    // The last Pongs are written by the next call.
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

/// F49: while the unwritten replies are above the high-water mark, nothing is read. When a writer
/// has written them, the reader continues.
#[test]
fn f49_a_reader_continues_when_a_writer_has_written_the_replies() {
    for seed in 0..300 {
        // Each run has a new thread, whose input buffer has not grown.
        std::thread::spawn(move || read_above_high_water(seed)).join().unwrap();
    }
}

fn read_above_high_water(seed: u64) {
    let mut simulation = Simulation::new(seed);
    let (local, mut remote) = simulation.pipe([10, 100_000]);
    let clock = simulation.clock();
    let (mut reader, writer) = open(local, clock, Role::Server, 50).split();
    // Longer than one read.
    let ping = frame(Role::Client, 0x89, &[7; 100]);
    let input = [ping.repeat(200), frame(Role::Client, 0x81, b"text")].concat();
    remote.output.borrow_mut().push(&input);
    let unread = Rc::clone(&remote.output);
    let mut clock = simulation.clock();
    simulation.run(vec![
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
            assert!(unread.borrow().in_flight() > input.len() / 2, "the reader has stopped");
            let sent = remote.read(usize::MAX).await;
            let messages = |first| complete_frames(&sent).iter().filter(|(f, _)| *f == first).count();
            assert_eq!(messages(0x81), 3);
        }),
    ]);
}

/// Returns the complete frames of a server at the front of the bytes.
fn complete_frames(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut end = 0;
    while let Some(&len) = bytes.get(end + 1) {
        if end + 2 + usize::from(len) > bytes.len() {
            break;
        }
        end += 2 + usize::from(len);
    }
    frames(Role::Server, &bytes[..end])
}

/// F35: the future of a writer is dropped during a flush, at any await point, while the reader
/// waits: the reader writes the rest of the frame when the pipe has room.
#[test]
fn f35_the_reader_finishes_the_frame_of_a_cancelled_writer() {
    for seed in 0..100 {
        for point in 0..12 {
            let mut simulation = Simulation::new(seed);
            let (local, mut remote) = simulation.pipe([10, 100]);
            let clock = simulation.clock();
            let (mut reader, writer) = open(local, clock, Role::Server, 1000).split();
            simulation.run(vec![
                Box::pin(async move { assert!(reader.recv().await.is_err()) }),
                Box::pin(async move {
                    let canceller = Canceller::new(Cancel::Once(point));
                    let _cancelled = canceller.attempt(writer.send(message(0, 100))).await;
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

/// R115: a writer closes while the reader waits with no deadline or a later one: the deadline of
/// the closing handshake wakes the reader.
#[test]
fn a_close_by_the_writer_sets_the_readers_deadline() {
    for seed in 0..100 {
        for ping in [None, Some(seconds(20))] {
            let mut simulation = Simulation::new(seed);
            let (local, mut remote) = simulation.pipe([100, 100]);
            let (clock, mut other, time) = (simulation.clock(), simulation.clock(), simulation.time());
            let timeouts = Timeouts::new().ping(ping);
            let engine = polled::engine(Role::Server, false);
            let (mut reader, writer) = Ws::upgraded(local, clock, engine, settings(100, timeouts)).split();
            let start = time();
            simulation.run(vec![
                Box::pin(async move {
                    let error = reader.recv().await.unwrap_err();
                    assert!(matches!(error, Error::TimedOut { due: Due::Close, .. }), "{error:?}");
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

/// The writer polls the clock last, when a deadline has just passed, and is done: the next deadline
/// still wakes the reader, and the silent peer times out.
#[test]
fn a_deadline_wakes_the_reader_after_the_writer_polled_the_clock() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed);
        let (local, mut remote) = simulation.pipe([10, 100]);
        let (clock, mut other, mut third, time) = (
            simulation.clock(),
            simulation.clock(),
            simulation.clock(),
            simulation.time(),
        );
        let (mut reader, writer) = polled::open_with_timeouts(local, clock, Role::Server).split();
        let start = time();
        simulation.run(vec![
            Box::pin(async move {
                let error = reader.recv().await.unwrap_err();
                assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
                assert_eq!(time() - start, seconds(40));
            }),
            Box::pin(async move {
                // At the deadline of the Ping. The message is longer than the pipe.
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

/// The reader has handled a deadline, returned a message, and is not polled any more: the next
/// deadline wakes the writer that waits.
#[test]
fn a_deadline_wakes_the_writer_when_the_reader_is_not_polled() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed);
        let (mut local, mut remote) = simulation.pipe([10, 100]);
        local.faults.pending = 60;
        local.faults.rng = Rng(seed);
        let (clock, mut other, time) = (simulation.clock(), simulation.clock(), simulation.time());
        let (mut reader, writer) = polled::open_with_timeouts(local, clock, Role::Server).split();
        let start = time();
        let idle_reader = Rc::new(RefCell::new(None));
        let kept = Rc::clone(&idle_reader);
        simulation.run(vec![
            Box::pin(async move {
                assert_eq!(reader.recv().await.unwrap(), Some(message(1, 3)));
                *kept.borrow_mut() = Some(reader);
            }),
            Box::pin(async move {
                assert!(writer.send(message(0, 1000)).await.is_err());
                // The message postpones the deadline if it is read before the Ping is sent.
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

/// A Pong that is in the input already, after a message, brings the next deadline nearer: the
/// writer that waits is woken, and keeps it, although the reader is not polled any more.
#[test]
fn a_pong_in_the_input_sets_the_writers_deadline() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
        let (local, mut remote) = simulation.pipe([10, 100]);
        let (clock, mut other, mut third) = (simulation.clock(), simulation.clock(), simulation.clock());
        let time = simulation.time();
        let start = time();
        let timeouts = Timeouts::new().ping(seconds(5)).pong(seconds(60));
        let engine = polled::engine(Role::Server, false);
        let (mut reader, writer) = Ws::upgraded(local, clock, engine, settings(100, timeouts)).split();
        simulation.run(vec![
            Box::pin(async move {
                assert_eq!(reader.recv().await.unwrap(), Some(message(1, 3)));
                assert!(matches!(reader.recv_event().await.unwrap(), Some(Event::Pong(_))));
                other.sleep(seconds(200)).await;
                drop(reader);
            }),
            Box::pin(async move {
                assert!(writer.send(message(0, 1000)).await.is_err());
                // A Ping 5 seconds after the Pong, and 60 seconds for the next.
                assert_eq!(time() - start, seconds(6 + 5 + 60));
            }),
            Box::pin(async move {
                third.sleep(seconds(6)).await;
                let pong = frame(Role::Client, 0x8A, &1_u64.to_be_bytes());
                let input = [frame(Role::Client, 0x81, b"bcd"), pong].concat();
                remote.write_all(&input).await.unwrap();
                third.sleep(seconds(200)).await;
            }),
        ]);
    }
}

/// A reader that receives also writes output: a writer that waits for the output to drain
/// continues, although the pipe is full again.
#[test]
fn a_writer_continues_when_the_reader_has_written_output() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed);
        let (local, mut remote) = simulation.pipe([100, 100]);
        let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 300).split();
        let (mut first_clock, mut second_clock) = (simulation.clock(), simulation.clock());
        let done = Rc::new(Cell::new(false));
        let fed = Rc::clone(&done);
        simulation.run(vec![
            Box::pin(async move { assert!(reader.recv().await.is_err()) }),
            Box::pin(async move {
                writer.feed(message(0, 500)).await.unwrap();
                writer.feed("more").await.unwrap();
                fed.set(true);
            }),
            Box::pin(async move {
                first_clock.sleep(seconds(1)).await;
                for _ in 0..2 {
                    remote.read(100).await;
                    remote.write_all(&frame(Role::Client, 0x89, b"")).await.unwrap();
                }
                second_clock.sleep(seconds(1)).await;
                assert!(done.get(), "{seed}");
            }),
        ]);
    }
}
