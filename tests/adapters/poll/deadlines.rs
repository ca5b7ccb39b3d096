//! Deadlines of polled connections, on a virtual clock that advances when all tasks wait.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Delivery, Event, Message, ProtocolError, Role,
    adapter::{
        Error, Settings,
        poll::{Clock, Incoming, Transport, WebSocket},
    },
    timers::{Due, Timeouts},
};
use support::{
    REQUEST, ROLES, frame, frames, peer_of,
    pipe::{self, PipeEnd, Simulation, Task, VirtualClock},
    polled::{self, Ws, message, open_with_timeouts, seconds, settings},
};

use super::poll_once;

/// Returns a simulation, the two ends of a pipe of that capacity with a clock for each, and a
/// function that returns the time since the start.
fn new_simulation(capacity: usize) -> (Simulation, [(PipeEnd, VirtualClock); 2], impl Fn() -> Duration + Clone) {
    let mut simulation = Simulation::new(1);
    let (local, remote) = simulation.pipe([capacity, capacity]);
    let ends = [(local, simulation.clock()), (remote, simulation.clock())];
    let time = simulation.time();
    let start = time();
    (simulation, ends, move || time() - start)
}

/// Returns the deadline that was missed, if that is the error.
fn due<T>(result: Result<T, Error>) -> Option<Due> {
    match result {
        Err(Error::TimedOut { due, .. }) => Some(due),
        _ => None,
    }
}

/// The opening handshake times out in both roles, whether the peer sends nothing or one byte per
/// second.
#[test]
fn a_slow_handshake_times_out() {
    for role in ROLES {
        for sends_bytes in [false, true] {
            let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
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
            let head: &[u8] = if role == Role::Server {
                REQUEST.as_bytes()
            } else {
                b"HTTP/1.1 101 Switching Protocols\r\n"
            };
            let remote: Task<'_> = Box::pin(async move {
                for byte in head.iter().filter(|_| sends_bytes) {
                    if remote.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    pause.sleep(seconds(1)).await;
                }
                remote.read(usize::MAX).await;
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A silent peer times out after the timeout of the Ping plus that of the Pong. The error is
/// returned once, then the end.
#[test]
fn a_silent_peer_times_out() {
    for role in ROLES {
        let (mut simulation, [(local, clock), (mut remote, _)], time) = new_simulation(1000);
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
        simulation.run(vec![local, remote]);
    }
}

/// A peer that answers Pings does not time out, and the round-trip time is measured. An unsolicited
/// Pong does not count.
#[test]
fn a_peer_that_answers_pings_does_not_time_out() {
    for role in ROLES {
        let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
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
                // Unsolicited Pongs: the peer times out all the same.
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
        simulation.run(vec![local, remote]);
    }
}

/// R208 (F63): The application sends Pings of its own beside those of the timers, and the peer
/// answers only the newest, never those of the timers. The connection stays open, whole and in
/// halves. Once the application stops, unsolicited Pongs do not keep it open.
#[test]
fn f63_a_peer_that_answers_only_the_newest_ping_does_not_time_out() {
    for role in ROLES {
        for in_halves in [false, true] {
            let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = simulation.clock();
            let mut tasks: Vec<Task<'_>> = Vec::new();
            let end = time.clone();
            if in_halves {
                let (mut reader, writer) = ws.split();
                tasks.push(Box::pin(async move {
                    assert_eq!(due(reader.recv().await), Some(Due::Pong));
                    assert_eq!(end(), seconds(591 + 20 + 20));
                }));
                tasks.push(Box::pin(async move {
                    for _ in 0..60 {
                        writer.ping(b"mine").await.unwrap();
                        work.sleep(seconds(10)).await;
                    }
                }));
            } else {
                tasks.push(Box::pin(async move {
                    let canceller = pipe::Canceller::new(pipe::Cancel::After(1));
                    for _ in 0..60 {
                        ws.ping(b"mine").await.unwrap();
                        work.sleep(seconds(2)).await;
                        assert!(canceller.attempt(ws.recv()).await.is_none());
                        work.sleep(seconds(8)).await;
                    }
                    assert_eq!(due(ws.recv().await), Some(Due::Pong));
                    assert!(end() >= seconds(591 + 20 + 20) && end() < seconds(660), "{:?}", end());
                }));
            }
            let header_len = if role == Role::Client { 6 } else { 2 };
            tasks.push(Box::pin(async move {
                let mut answered = 0;
                while answered < 60 {
                    let header = remote.read(header_len).await;
                    let len = usize::from(header[1] & 0x7F);
                    let ping = frames(role, &[header, remote.read(len).await].concat()).remove(0);
                    if ping.1 == b"mine" {
                        pause.sleep(seconds(1)).await;
                        let pong = frame(peer_of(role), 0x8A, &ping.1);
                        remote.write_all(&pong).await.unwrap();
                        answered += 1;
                    }
                }
                loop {
                    pause.sleep(seconds(5)).await;
                    let pong = frame(peer_of(role), 0x8A, b"mine");
                    if remote.write_all(&pong).await.is_err() {
                        break;
                    }
                }
            }));
            simulation.run(tasks);
        }
    }
}

/// Without messages, the connection is closed with code 1001, although the peer answers Pings.
/// After that, the closing handshake has its deadline.
#[test]
fn an_idle_connection_is_closed() {
    for role in ROLES {
        for answers_close in [false, true] {
            let (mut simulation, [(local, clock), (mut remote, _)], time) = new_simulation(1000);
            let timeouts = Timeouts::new().idle(seconds(90));
            let mut ws = Ws::upgraded(local, clock, polled::engine(role, false), settings(1000, timeouts));
            let local: Task<'_> = Box::pin(async move {
                let end = ws.recv().await;
                let sent = ws.close_status().unwrap().sent.clone().unwrap().unwrap();
                assert_eq!(sent.code, CloseCode::GOING_AWAY);
                if answers_close {
                    assert_eq!((end.unwrap(), time()), (None, seconds(90)));
                } else {
                    assert_eq!((due(end), time()), (Some(Due::Close), seconds(95)));
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
                        _ if answers_close => {
                            remote.write_all(&frame(peer_of(role), 0x88, &payload)).await.unwrap();
                            break;
                        }
                        _ => {}
                    }
                }
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A peer that sends messages is neither silent nor idle, although it answers no Ping. This holds
/// for whole messages and for chunks.
#[test]
fn messages_of_the_peer_postpone_the_deadlines() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
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
                assert_eq!(remote.read(usize::MAX).await, b"", "no Ping was sent");
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A message postpones the deadlines from when the caller waits for the next one: the peer may have
/// waited for the caller until then.
#[test]
fn a_message_counts_from_when_the_caller_waits() {
    for role in ROLES {
        let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
        let timeouts = Timeouts::new().idle(None).ping(seconds(5));
        let mut ws = Ws::upgraded(local, clock, polled::engine(role, false), settings(1000, timeouts));
        let mut work = simulation.clock();
        let local: Task<'_> = Box::pin(async move {
            assert_eq!(ws.recv().await.unwrap(), Some(message(1, 3)));
            work.sleep(seconds(4)).await;
            assert_eq!(ws.recv().await.unwrap(), None);
        });
        let remote: Task<'_> = Box::pin(async move {
            pause.sleep(seconds(2)).await;
            remote.write_all(&frame(peer_of(role), 0x81, b"bcd")).await.unwrap();
            let ping = remote.read(if role == Role::Client { 14 } else { 10 }).await;
            assert_eq!((ping[0], time()), (0x89, seconds(2 + 4 + 5)));
            remote.write_all(&frame(peer_of(role), 0x88, &[3, 232])).await.unwrap();
        });
        simulation.run(vec![local, remote]);
    }
}

/// A transport that has a message for each of the first reads.
struct OneEach(usize, Vec<u8>);

impl Transport for OneEach {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        self.0 -= 1;
        buf[..self.1.len()].copy_from_slice(&self.1);
        Poll::Ready(Ok(self.1.len()))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A clock that counts how often it is read.
struct Counting(Rc<Cell<u32>>);

impl Clock for Counting {
    fn now(&self) -> Instant {
        self.0.set(self.0.get() + 1);
        Instant::now()
    }

    fn poll_until(&mut self, _: Instant, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// The clock is not read for each read.
#[test]
fn the_clock_is_read_once_a_wait() {
    for role in ROLES {
        let count = Rc::new(Cell::new(0));
        let transport = OneEach(20, frame(peer_of(role), 0x82, b"abc"));
        let settings = settings(1000, Timeouts::new());
        let mut ws = WebSocket::upgraded(
            transport,
            Counting(Rc::clone(&count)),
            polled::engine(role, false),
            settings,
        );
        let before = count.get();
        for _ in 0..20 {
            assert!(poll_once(ws.recv(), Waker::noop()).is_ready());
        }
        assert_eq!(count.get() - before, 0);
        assert!(poll_once(ws.recv(), Waker::noop()).is_pending());
        assert_eq!(count.get() - before, 1);
    }
}

/// R107 R115: after both Close frames, the peer does not close the transport: the connection ends
/// without an error.
#[test]
fn a_transport_that_stays_open_after_a_clean_close_is_closed() {
    for role in ROLES {
        let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
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
        simulation.run(vec![local, remote]);
    }
}

/// R115: messages of the peer do not postpone the deadline of the closing handshake, however fast
/// they arrive.
#[test]
fn messages_do_not_postpone_the_close_deadline() {
    for role in ROLES {
        for is_fast in [false, true] {
            let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(5000);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = simulation.clock();
            let local: Task<'_> = Box::pin(async move {
                ws.close(CloseCode::NORMAL, "").await.unwrap();
                let error = loop {
                    match ws.recv().await {
                        Ok(message) => assert!(message.is_some()),
                        Err(error) => break error,
                    }
                    if is_fast {
                        // There is always more input.
                        work.sleep(Duration::from_millis(100)).await;
                    }
                    assert!(time() < seconds(20));
                };
                assert!(matches!(error, Error::TimedOut { due: Due::Close, .. }), "{error:?}");
                assert!(time() >= seconds(5));
            });
            let remote: Task<'_> = Box::pin(async move {
                let message = frame(peer_of(role), 0x82, &[0; 3000]);
                while remote.write_all(&message).await.is_ok() {
                    if !is_fast {
                        pause.sleep(seconds(1)).await;
                    }
                }
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A peer that stops reading times out while a call writes: that call fails, and so do later ones.
#[test]
fn a_peer_that_stops_reading_times_out() {
    for role in ROLES {
        let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(100);
        let mut ws = open_with_timeouts(local, clock, role);
        let local: Task<'_> = Box::pin(async move {
            assert!(ws.send(message(0, 10_000)).await.is_err());
            let failed_at = time();
            assert!(seconds(40) <= failed_at && failed_at <= seconds(51), "{failed_at:?}");
            assert!(ws.send("more").await.is_err());
            assert_eq!(due(ws.recv().await), Some(Due::Pong));
            assert_eq!(ws.recv().await.unwrap(), None);
        });
        let remote: Task<'_> = Box::pin(async move {
            pause.sleep(seconds(11)).await;
            remote.read(100).await;
            pause.sleep(seconds(1000)).await;
        });
        simulation.run(vec![local, remote]);
    }
}

/// A long message that is transferred slowly, for many times the timeout of the Pong, in either
/// direction: no deadline is missed.
#[test]
fn a_slow_transfer_does_not_time_out() {
    for role in ROLES {
        for sends in [false, true] {
            let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(100);
            let mut ws = open_with_timeouts(local, clock, role);
            let local: Task<'_> = Box::pin(async move {
                if sends {
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
                    if sends {
                        remote.read(100).await;
                    } else {
                        remote.write_all(piece).await.unwrap();
                    }
                }
                remote.read(usize::MAX).await;
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A Pong, or a Close frame in reply, that arrived before the deadline counts, although the
/// application reads it after the deadline.
#[test]
fn input_that_arrived_in_time_counts_when_it_is_read_late() {
    for role in ROLES {
        let (mut simulation, [(local, clock), (mut remote, mut pause)], _) = new_simulation(1000);
        let mut ws = open_with_timeouts(local, clock, role);
        let mut work = simulation.clock();
        let ping = if role == Role::Client { 14 } else { 10 };
        let local: Task<'_> = Box::pin(async move {
            let canceller = pipe::Canceller::new(pipe::Cancel::After(2));
            // The Ping is sent. After that, the connection is not polled for a long time.
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
        simulation.run(vec![local, remote]);
    }
}

/// A Pong has arrived and is not read yet, and the deadline has passed: a `send` that waits starts
/// the timeout again.
#[test]
fn a_send_after_a_long_pause_restarts_the_timeout() {
    for role in ROLES {
        for is_dead in [false, true] {
            let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(100);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = simulation.clock();
            let ping = if role == Role::Client { 14 } else { 10 };
            let local: Task<'_> = Box::pin(async move {
                let canceller = pipe::Canceller::new(pipe::Cancel::After(2));
                assert!(canceller.attempt(ws.recv()).await.is_none());
                work.sleep(seconds(300)).await;
                assert_eq!(ws.send(message(0, 5000)).await.is_err(), is_dead);
                let expected = if is_dead { 340 } else { 325 };
                assert_eq!(time(), seconds(expected));
            });
            let remote: Task<'_> = Box::pin(async move {
                let pings = frames(role, &remote.read(ping).await);
                remote
                    .write_all(&frame(peer_of(role), 0x8A, &pings[0].1))
                    .await
                    .unwrap();
                pause.sleep(seconds(if is_dead { 1000 } else { 305 })).await;
                remote.read(usize::MAX).await;
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// The deadline of the close starts when the Close frame is processed and not when it is read: the
/// peer gets the whole timeout, although the application was slow.
#[test]
fn the_close_deadline_starts_when_the_close_is_processed() {
    for role in ROLES {
        for violation in [false, true] {
            let (mut simulation, [(local, clock), (remote, mut pause)], time) = new_simulation(1000);
            let mut ws = open_with_timeouts(local, clock, role);
            let mut work = simulation.clock();
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
                let end = ws.recv().await;
                assert_eq!(end.is_err(), violation);
                assert_eq!(time(), seconds(62), "the connection waits for the peer");
            });
            let remote: Task<'_> = Box::pin(async move {
                pause.sleep(seconds(62)).await;
                drop(remote);
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A rejection that is sent late waits until the client closes the transport.
#[test]
fn a_late_rejection_waits_for_the_client() {
    let (mut simulation, [(local, clock), (remote, mut pause)], time) = new_simulation(1000);
    let mut work = simulation.clock();
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
    simulation.run(vec![local, remote]);
}

/// The deadlines of an accepted connection start with its acceptance. With the clock `()` there are
/// no deadlines.
#[test]
fn deadlines_start_with_the_acceptance() {
    for has_clock in [true, false] {
        let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
        let mut work = simulation.clock();
        remote.output.borrow_mut().push(REQUEST.as_bytes());
        let local: Task<'_> = Box::pin(async move {
            if has_clock {
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
        simulation.run(vec![local, remote]);
    }
}

/// Pings of the peer are reported as events and do not postpone the deadline of the Pong.
#[test]
fn pings_of_the_peer_do_not_postpone_the_pong_deadline() {
    let (mut simulation, [(local, clock), (mut remote, mut pause)], time) = new_simulation(1000);
    let mut ws = open_with_timeouts(local, clock, Role::Server);
    let local: Task<'_> = Box::pin(async move {
        let error = loop {
            match ws.recv_event().await {
                Ok(event) => assert!(matches!(event, Some(Event::Ping(_)))),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
        assert_eq!(time(), seconds(40));
    });
    let remote: Task<'_> = Box::pin(async move {
        while remote.write_all(&frame(Role::Client, 0x89, b"")).await.is_ok() {
            pause.sleep(seconds(1)).await;
        }
    });
    simulation.run(vec![local, remote]);
}
