//! What polled connections report when they end and when a deadline is missed, and that what came
//! before is not lost.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_util::SinkExt;
use sockless::{
    CloseCode, Event, Role,
    adapter::Error,
    timers::{Due, Timeouts},
};
use support::{
    ROLES, frame,
    pipe::{Simulation, Task},
    polled::{self, Ws, message, seconds, settings},
};

use super::end::receive_rest;

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

/// A Close frame that the application appends through `engine_mut` starts the deadline of the
/// close.
#[test]
fn s7_1_1_a_close_through_engine_mut_has_a_deadline() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, _silent) = simulation.pipe([1000, 1000]);
        let time = simulation.time();
        let start = time();
        let mut ws = polled::open_with_timeouts(local, simulation.clock(), role);
        let (engine, out) = ws.engine_mut();
        engine.close(CloseCode::NORMAL, "", out).unwrap();
        simulation.block_on(async {
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut { due: Due::Close, .. }), "{error:?}");
        });
        assert_eq!(time() - start, seconds(5));
    }
}

/// A peer that stops reading times out, too, for a connection that has fed a message and receives.
#[test]
fn a_peer_that_stops_reading_times_out_while_receiving() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, _silent) = simulation.pipe([1000, 1000]);
        let time = simulation.time();
        let start = time();
        let mut ws = polled::open_with_timeouts(local, simulation.clock(), role);
        simulation.block_on(async {
            ws.feed(message(0, 10_000)).await.unwrap();
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
            assert!(ws.close_status().is_some() && ws.feed("late").await.is_err());
        });
        assert_eq!(time() - start, seconds(40));
    }
}
