//! Polled connections on a clock that jumps: who is silent, or slow, for how long.

use std::time::Duration;

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Delivery, Event, Message, ProtocolError, Role,
    adapter::{
        Error,
        poll::{Incoming, Settings},
    },
    timers::{Due, Timeouts},
};
use support::{
    REQUEST, ROLES, frame, frames, peer_of,
    pipe::{self, PipeEnd, Simulation, Task, VirtualClock},
    polled::{self, Ws, message, open_with_timeouts, seconds, settings},
};

/// A world with a pipe of that capacity, a clock for each end, and the time since it began.
fn world(capacity: usize) -> (Simulation, [(PipeEnd, VirtualClock); 2], impl Fn() -> Duration + Clone) {
    let mut world = Simulation::new(1);
    let (local, remote) = world.pipe([capacity, capacity]);
    let ends = [(local, world.clock()), (remote, world.clock())];
    let time = world.time();
    let start = time();
    (world, ends, move || time() - start)
}

fn due<T>(result: Result<T, Error>) -> Option<Due> {
    match result {
        Err(Error::TimedOut(due)) => Some(due),
        _ => None,
    }
}

/// The opening handshake has its deadline in both roles, whether the peer sends nothing or a byte now and then.
#[test]
fn a_handshake_that_takes_too_long() {
    for role in ROLES {
        for piece in [0, 1] {
            let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(1000);
            let local: Task<'_> = Box::pin(async move {
                let settings = Settings::default();
                let due = match role {
                    Role::Server => due(Incoming::new(local, clock, settings).await),
                    Role::Client => {
                        let request = ClientRequest::new("ws://example.com/").unwrap();
                        due(Ws::client(local, clock, &request, settings).await)
                    }
                };
                assert_eq!(due, Some(Due::Handshake));
                assert_eq!(time(), seconds(10));
            });
            let drip: &[u8] = if role == Role::Server {
                REQUEST.as_bytes()
            } else {
                b"HTTP/1.1 101 Switching Protocols\r\n"
            };
            let remote: Task<'_> = Box::pin(async move {
                for byte in drip.iter().filter(|_| piece > 0) {
                    if remote.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    pause.sleep(seconds(1)).await;
                }
                remote.read(usize::MAX).await;
            });
            world.run(vec![local, remote]);
        }
    }
}

/// A peer that is silent is noticed after the time for a Ping and that for its Pong: one error, then the end.
#[test]
fn a_silent_peer_is_noticed() {
    for role in ROLES {
        let (mut world, [(local, clock), (mut remote, _)], time) = world(1000);
        let mut ws = open_with_timeouts(local, clock, role);
        let local: Task<'_> = Box::pin(async move {
            assert_eq!(due(ws.recv().await), Some(Due::Pong));
            assert_eq!(time(), seconds(40));
            for _ in 0..3 {
                assert_eq!(ws.recv().await.unwrap(), None);
            }
            assert!(ws.send("more").await.is_err());
        });
        let remote: Task<'_> = Box::pin(async move {
            let sent = frames(role, &remote.read(usize::MAX).await);
            assert!(matches!(&sent[..], [(0x89, ping)] if ping.len() == 8), "{sent:?}");
        });
        world.run(vec![local, remote]);
    }
}

/// A peer that answers pings lives for hours, and how long it takes is known; any other Pong is none.
#[test]
fn a_peer_that_answers_lives() {
    for role in ROLES {
        let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(1000);
        let mut ws = open_with_timeouts(local, clock, role);
        let local: Task<'_> = Box::pin(async move {
            assert_eq!(ws.round_trip(), None);
            assert_eq!(ws.recv().await.unwrap(), Some(message(1, 10)));
            assert_eq!(ws.round_trip(), Some(seconds(3)));
            assert!(time() > seconds(7200));
            assert_eq!(due(ws.recv().await), Some(Due::Pong));
        });
        let ping = if role == Role::Client { 14 } else { 10 };
        let remote: Task<'_> = Box::pin(async move {
            for _ in 0..400 {
                let pings = frames(role, &remote.read(ping).await);
                pause.sleep(seconds(3)).await;
                remote
                    .write_all(&frame(peer_of(role), 0x8A, &pings[0].1))
                    .await
                    .unwrap();
            }
            remote
                .write_all(&frame(peer_of(role), 0x81, b"bcdefghijk"))
                .await
                .unwrap();
            loop {
                // Pongs that nobody asked for prove nothing.
                pause.sleep(seconds(5)).await;
                if remote
                    .write_all(&frame(peer_of(role), 0x8A, b"unasked!"))
                    .await
                    .is_err()
                {
                    break;
                }
            }
        });
        world.run(vec![local, remote]);
    }
}

/// Without messages the connection is closed with 1001, whatever pongs say; and then the closing handshake has its deadline.
#[test]
fn an_idle_connection_is_closed() {
    for role in ROLES {
        for answers in [false, true] {
            let (mut world, [(local, clock), (mut remote, _)], time) = world(1000);
            let timeouts = Timeouts::new().idle(seconds(90));
            let mut ws = Ws::upgraded(local, clock, polled::engine(role, false), settings(1000, timeouts));
            let local: Task<'_> = Box::pin(async move {
                let ended = ws.recv().await;
                let sent = ws.close_status().unwrap().sent.clone().unwrap().unwrap();
                assert_eq!(sent.code, CloseCode::GOING_AWAY);
                if answers {
                    assert_eq!((ended.unwrap(), time()), (None, seconds(90)));
                } else {
                    assert_eq!((due(ended), time()), (Some(Due::Close), seconds(95)));
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                loop {
                    let header = remote.read(2).await;
                    let Some(len) = header.get(1) else { break };
                    let len = usize::from(len & 0x7F) + if role == Role::Client { 4 } else { 0 };
                    let whole = [header, remote.read(len).await].concat();
                    let (first, payload) = frames(role, &whole).remove(0);
                    match first {
                        0x89 => remote.write_all(&frame(peer_of(role), 0x8A, &payload)).await.unwrap(),
                        _ if answers => {
                            remote.write_all(&frame(peer_of(role), 0x88, &payload)).await.unwrap();
                            break;
                        }
                        _ => {}
                    }
                }
            });
            world.run(vec![local, remote]);
        }
    }
}

/// A peer that sends a message now and then is neither silent nor idle, though it answers no Ping: messages that lie whole
/// in what is read, and those of an engine that delivers chunks.
#[test]
fn a_peer_that_sends_is_alive() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(1000);
            let timeouts = Timeouts::new().idle(seconds(10)).ping(seconds(5));
            let config = Config::new().delivery(delivery);
            let engine = support::open(role, config);
            let mut ws = Ws::upgraded(local, clock, engine, settings(1000, timeouts));
            let local: Task<'_> = Box::pin(async move {
                for _ in 0..20 {
                    let event = ws.recv_event().await.unwrap().unwrap();
                    assert!(matches!(event, Event::Text(_) | Event::Chunk(_)), "{event:?}");
                }
                assert_eq!(time(), seconds(20 * 3));
            });
            let remote: Task<'_> = Box::pin(async move {
                for _ in 0..20 {
                    pause.sleep(seconds(3)).await;
                    remote.write_all(&frame(peer_of(role), 0x81, b"abc")).await.unwrap();
                }
                assert_eq!(remote.read(usize::MAX).await, b"", "nobody had to ask");
            });
            world.run(vec![local, remote]);
        }
    }
}

/// R107 R115: both Close frames have passed, and the peer does not close the transport: that is no error, and it ends.
#[test]
fn a_clean_close_that_the_peer_does_not_complete_is_no_error() {
    for role in ROLES {
        let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(1000);
        let mut ws = open_with_timeouts(local, clock, role);
        let local: Task<'_> = Box::pin(async move {
            assert_eq!(ws.recv().await.unwrap(), None);
            assert_eq!(time(), seconds(6));
            assert!(ws.close_status().unwrap().is_clean());
        });
        let remote: Task<'_> = Box::pin(async move {
            pause.sleep(seconds(1)).await;
            remote.write_all(&frame(peer_of(role), 0x88, &[3, 232])).await.unwrap();
            pause.sleep(seconds(60)).await;
        });
        world.run(vec![local, remote]);
    }
}

/// R115: a peer that never ends its messages does not put off the end of the closing handshake, however fast they come.
#[test]
fn a_close_is_not_put_off_by_messages() {
    for role in ROLES {
        for endless in [false, true] {
            let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(5000);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = world.clock();
            let local: Task<'_> = Box::pin(async move {
                ws.close(CloseCode::NORMAL, "").await.unwrap();
                let error = loop {
                    match ws.recv().await {
                        Ok(message) => assert!(message.is_some()),
                        Err(error) => break error,
                    }
                    if endless {
                        // There is always more to read.
                        work.sleep(Duration::from_millis(100)).await;
                    }
                    assert!(time() < seconds(20));
                };
                assert!(matches!(error, Error::TimedOut(Due::Close)), "{error:?}");
                assert!(time() >= seconds(5));
            });
            let remote: Task<'_> = Box::pin(async move {
                let message = frame(peer_of(role), 0x82, &[0; 3000]);
                while remote.write_all(&message).await.is_ok() {
                    if !endless {
                        pause.sleep(seconds(1)).await;
                    }
                }
            });
            world.run(vec![local, remote]);
        }
    }
}

/// A peer that stops reading is given up, by whoever writes: that call fails, and so does the next.
#[test]
fn a_peer_that_stops_reading_is_given_up() {
    for role in ROLES {
        let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(100);
        let mut ws = open_with_timeouts(local, clock, role);
        let local: Task<'_> = Box::pin(async move {
            assert!(ws.send(message(0, 10_000)).await.is_err());
            let late = time();
            assert!(seconds(40) <= late && late <= seconds(51), "{late:?}");
            assert!(ws.send("more").await.is_err());
            assert_eq!(due(ws.recv().await), Some(Due::Pong));
            assert_eq!(ws.recv().await.unwrap(), None);
        });
        let remote: Task<'_> = Box::pin(async move {
            pause.sleep(seconds(11)).await;
            remote.read(100).await;
            pause.sleep(seconds(1000)).await;
        });
        world.run(vec![local, remote]);
    }
}

/// A huge message that is received, or sent, slowly and steadily for many times the patience for a Pong: nobody is given up.
#[test]
fn a_slow_and_steady_transfer_is_not_given_up() {
    for role in ROLES {
        for upload in [false, true] {
            let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(100);
            let mut ws = open_with_timeouts(local, clock, role);
            let local: Task<'_> = Box::pin(async move {
                if upload {
                    ws.send(message(0, 20_000)).await.unwrap();
                } else {
                    assert_eq!(ws.recv().await.unwrap(), Some(message(0, 20_000)));
                }
                assert!(time() > seconds(1900), "{:?}", time());
            });
            let remote: Task<'_> = Box::pin(async move {
                let Message::Binary(payload) = message(0, 20_000) else {
                    unreachable!()
                };
                let whole = frame(peer_of(role), 0x82, &payload);
                for piece in whole.chunks(100) {
                    pause.sleep(seconds(10)).await;
                    if upload {
                        remote.read(100).await;
                    } else {
                        remote.write_all(piece).await.unwrap();
                    }
                }
                remote.read(usize::MAX).await;
            });
            world.run(vec![local, remote]);
        }
    }
}

/// What lies unread for longer than any deadline proves the peer alive all the same: a Pong, or the answer to a Close.
#[test]
fn what_has_arrived_counts_however_late_it_is_read() {
    for role in ROLES {
        let (mut world, [(local, clock), (mut remote, mut pause)], _) = world(1000);
        let mut ws = open_with_timeouts(local, clock, role);
        let mut work = world.clock();
        let ping = if role == Role::Client { 14 } else { 10 };
        let local: Task<'_> = Box::pin(async move {
            let canceller = pipe::Canceller::new(pipe::Cancel::After(2));
            // The Ping is sent, and then nobody polls for a long time.
            assert!(canceller.attempt(ws.recv()).await.is_none());
            work.sleep(seconds(300)).await;
            assert_eq!(ws.recv().await.unwrap(), Some(message(1, 3)));
            ws.close(CloseCode::NORMAL, "").await.unwrap();
            work.sleep(seconds(300)).await;
            assert_eq!(ws.recv().await.unwrap(), None);
        });
        let remote: Task<'_> = Box::pin(async move {
            let pings = frames(role, &remote.read(ping).await);
            remote
                .write_all(&frame(peer_of(role), 0x8A, &pings[0].1))
                .await
                .unwrap();
            pause.sleep(seconds(301)).await;
            remote.write_all(&frame(peer_of(role), 0x81, b"bcd")).await.unwrap();
            remote.read(if role == Role::Client { 8 } else { 4 }).await;
            remote.write_all(&frame(peer_of(role), 0x88, &[3, 232])).await.unwrap();
        });
        world.run(vec![local, remote]);
    }
}

/// A Pong that nobody has read for long does not end a connection whose next call is a `send` that has to wait.
#[test]
fn a_send_after_a_long_time_gives_the_peer_its_time() {
    for role in ROLES {
        for dead in [false, true] {
            let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(100);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = world.clock();
            let ping = if role == Role::Client { 14 } else { 10 };
            let local: Task<'_> = Box::pin(async move {
                let canceller = pipe::Canceller::new(pipe::Cancel::After(2));
                assert!(canceller.attempt(ws.recv()).await.is_none());
                work.sleep(seconds(300)).await;
                assert_eq!(ws.send(message(0, 5000)).await.is_err(), dead);
                let expected = if dead { 340 } else { 325 };
                assert_eq!(time(), seconds(expected));
            });
            let remote: Task<'_> = Box::pin(async move {
                let pings = frames(role, &remote.read(ping).await);
                remote
                    .write_all(&frame(peer_of(role), 0x8A, &pings[0].1))
                    .await
                    .unwrap();
                pause.sleep(seconds(if dead { 1000 } else { 305 })).await;
                remote.read(usize::MAX).await;
            });
            world.run(vec![local, remote]);
        }
    }
}

/// The deadline of a close begins when the Close is processed, and not when it was read: a peer gets its time to end the
/// transport, though the application was slow with the messages before.
#[test]
fn the_deadline_of_a_close_begins_when_it_is_processed() {
    for role in ROLES {
        for violation in [false, true] {
            let (mut world, [(local, clock), (remote, mut pause)], time) = world(1000);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = world.clock();
            let peer = peer_of(role);
            let end = if violation {
                frame(peer, 0x83, b"")
            } else {
                frame(peer, 0x88, &[3, 232])
            };
            remote
                .output
                .borrow_mut()
                .push(&[frame(peer, 0x81, b"bcd"), end].concat());
            let local: Task<'_> = Box::pin(async move {
                assert_eq!(ws.recv().await.unwrap(), Some(message(1, 3)));
                work.sleep(seconds(60)).await;
                let ended = ws.recv().await;
                assert_eq!(ended.is_err(), violation);
                assert_eq!(time(), seconds(62), "it waits for the peer");
            });
            let remote: Task<'_> = Box::pin(async move {
                pause.sleep(seconds(62)).await;
                drop(remote);
            });
            world.run(vec![local, remote]);
        }
    }
}

/// A rejection after a long decision waits for the client to take it.
#[test]
fn a_late_rejection_waits_for_the_client() {
    let (mut world, [(local, clock), (remote, mut pause)], time) = world(1000);
    let mut work = world.clock();
    remote.output.borrow_mut().push(REQUEST.as_bytes());
    let local: Task<'_> = Box::pin(async move {
        let incoming = Incoming::new(local, clock, Settings::default()).await.unwrap();
        work.sleep(seconds(8)).await;
        incoming.reject(403, &[], b"no").await.unwrap();
        assert_eq!(time(), seconds(10));
    });
    let remote: Task<'_> = Box::pin(async move {
        pause.sleep(seconds(10)).await;
        drop(remote);
    });
    world.run(vec![local, remote]);
}

/// An accepted connection is measured from its acceptance; without a clock that wakes, nothing is.
#[test]
fn deadlines_begin_with_the_acceptance() {
    for waking in [true, false] {
        let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(1000);
        let mut work = world.clock();
        remote.output.borrow_mut().push(REQUEST.as_bytes());
        let local: Task<'_> = Box::pin(async move {
            if waking {
                let incoming = Incoming::new(local, clock, Settings::default()).await.unwrap();
                work.sleep(seconds(8)).await;
                let mut ws = incoming.accept(&Accept::new()).await.unwrap();
                assert_eq!(due(ws.recv().await), Some(Due::Pong));
                assert_eq!(time(), seconds(48));
            } else {
                let incoming = Incoming::new(local, (), Settings::default()).await.unwrap();
                let mut ws = incoming.accept(&Accept::new()).await.unwrap();
                let error = ws.recv_event().await.unwrap_err();
                assert!(
                    matches!(&error, Error::Protocol(error) if **error == ProtocolError::UnexpectedEof),
                    "{error:?}"
                );
                assert_eq!(time(), seconds(100));
            }
        });
        let remote: Task<'_> = Box::pin(async move {
            pause.sleep(seconds(100)).await;
            remote.half_close();
            remote.read(usize::MAX).await;
        });
        world.run(vec![local, remote]);
    }
}

/// A peer whose events are all that comes: a Ping of its own is an event, and no reason to wait longer for a Pong.
#[test]
fn pings_of_the_peer_do_not_put_off_the_pong() {
    let (mut world, [(local, clock), (mut remote, mut pause)], time) = world(1000);
    let mut ws = open_with_timeouts(local, clock, Role::Server);
    let local: Task<'_> = Box::pin(async move {
        let error = loop {
            match ws.recv_event().await {
                Ok(event) => assert!(matches!(event, Some(Event::Ping(_)))),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TimedOut(Due::Pong)), "{error:?}");
        assert_eq!(time(), seconds(40));
    });
    let remote: Task<'_> = Box::pin(async move {
        while remote.write_all(&frame(Role::Client, 0x89, b"")).await.is_ok() {
            pause.sleep(seconds(1)).await;
        }
    });
    world.run(vec![local, remote]);
}
