//! Polled connections over transports with injected faults: short reads and writes, spurious
//! `Pending`, interruptions, failures.

use std::{
    io::{self, ErrorKind},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use sockless::{
    ClientRequest, CloseCode, Message, Role,
    adapter::{
        Error, Settings,
        poll::{Incoming, Transport, WebSocket},
    },
    timers::Timeouts,
};
use support::{
    REQUEST, ROLES,
    faults::{self, PlainPipe, receive_all},
    frame, frames, peer_of,
    pipe::{self, Faults, PipeEnd, Simulation, Task},
    polled::{self, Ws, message, open, open_with_timeouts, settings},
    script,
};

/// R116 (F34): a transport that ends or fails after any number of bytes: all complete messages
/// before that are received, and the end is reported once.
#[test]
fn f34_input_before_a_failure_is_received() {
    faults::input_ends_at_any_byte::<PlainPipe>(300);
}

/// R116 (F34): the peer shuts down its sending direction after any number of bytes: the
/// connection writes all output before it reports the end.
#[test]
fn f34_output_is_written_after_a_half_close() {
    faults::peer_half_closes_at_any_byte::<PlainPipe>();
}

/// R116 (F34): writing fails after any number of bytes: the transport is read to its end.
#[test]
fn f34_input_after_a_write_failure_is_received() {
    faults::output_breaks_after_any_byte::<PlainPipe>();
}

/// R116 (F34): a transport that ends or fails after any number of bytes of the handshake, in
/// both roles and directions: the handshake fails, and the transport is shut down. A complete
/// handshake opens the connection.
#[test]
fn f34_an_incomplete_handshake_fails() {
    faults::handshake_breaks_at_any_byte::<PlainPipe>();
}

/// A refusal whose body ends with the transport is reported with its body.
#[test]
fn a_refusal_body_ends_with_the_transport() {
    faults::refusal_ends_with_the_transport::<PlainPipe>();
}

/// F62: a refusal whose body breaks off is reported, whether the transport is reset or silent.
#[test]
fn f62_a_refusal_is_reported_whatever_ends_its_body() {
    faults::refusal_breaks_off::<PlainPipe>(true);
}

/// A handshake whose future is dropped ends the connection.
#[test]
fn f35_a_cancelled_handshake_ends_the_connection() {
    for role in ROLES {
        for point in 0..5 {
            let mut simulation = Simulation::new(point as u64);
            let (local, mut remote) = simulation.pipe([10, 10]);
            let clock = simulation.clock();
            let local: Task<'_> = Box::pin(async move {
                let canceller = pipe::Canceller::new(pipe::Cancel::Once(point));
                let done = match role {
                    Role::Server => {
                        let done = canceller
                            .attempt(Incoming::new(local, clock, Settings::default()))
                            .await;
                        done.is_some()
                    }
                    Role::Client => {
                        let request = ClientRequest::new("ws://example.com/").unwrap();
                        let done = canceller
                            .attempt(Ws::client(local, clock, &request, Settings::default()))
                            .await;
                        done.is_some()
                    }
                };
                assert!(!done);
            });
            let head = match role {
                Role::Server => REQUEST.into(),
                Role::Client => script::server_response(REQUEST.as_bytes()),
            };
            let remote: Task<'_> = Box::pin(async move {
                assert!(remote.write_all(&head).await.is_err());
                remote.read(usize::MAX).await;
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// F49: after writing has failed, the transport is read to its end, and replies are not buffered.
#[test]
fn f49_replies_are_not_buffered_after_a_write_failure() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x89, &[1; 125]).repeat(100),
            frame(peer, 0x81, b"bcd"),
            frame(peer, 0x88, &[3, 232]),
        ]
        .concat();
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([100, 0]);
        remote.output.borrow_mut().push(&input);
        remote.half_close();
        remote.input.borrow_mut().read_closed = true;
        let mut ws = open(local, simulation.clock(), role, 500);
        simulation.block_on(async {
            assert_eq!(ws.recv().await.unwrap(), Some(message(1, 3)));
            assert!(ws.engine_mut().1.capacity() < 10_000);
            let (received, error) = receive_all(&mut ws).await;
            assert!(received.is_empty() && error.is_none(), "{error:?}");
        });
        drop(remote);
    }
}

/// R096 R137 (F49): a peer sends Pings without end and reads no Pong: the buffered Pongs are
/// bounded, and the peer times out.
#[test]
fn f49_a_ping_flood_is_bounded() {
    for role in ROLES {
        let mut simulation = Simulation::new(0);
        let (local, mut remote) = simulation.pipe([100, 1000]);
        let input = std::rc::Rc::clone(&local.input);
        let clock = simulation.clock();
        let mut ws = open_with_timeouts(local, clock, role);
        let flood: Task<'_> = Box::pin(async move {
            let ping = frame(peer_of(role), 0x89, &[1; 125]);
            while remote.write_all(&ping).await.is_ok() {}
        });
        let local: Task<'_> = Box::pin(async move {
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
            assert_eq!(ws.engine_mut().1.capacity(), 0);
        });
        simulation.run(vec![flood, local]);
        let accepted = input.borrow().all_written.len();
        assert!((100..=200_000).contains(&accepted), "{accepted}");
    }
}

/// A transport that accepts at most 500 bytes in every second write and is pending in the others.
struct ShortWrites {
    written: usize,
    is_pending: bool,
}

impl Transport for ShortWrites {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.is_pending = !self.is_pending;
        if self.is_pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = data.len().min(500);
        self.written += n;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// F07: the rest of a large message is not moved at each small write. That would move 270 gigabytes
/// here.
#[test]
fn f07_a_large_message_in_small_writes_takes_linear_time() {
    const LEN: usize = 16 << 20;
    let mut simulation = Simulation::new(0);
    let transport = ShortWrites {
        written: 0,
        is_pending: false,
    };
    let engine = polled::engine(Role::Server, false);
    let mut ws = WebSocket::upgraded(transport, (), engine, Settings::default());
    let data = vec![0; LEN];
    let start = Instant::now();
    simulation.block_on(async { ws.send(&data).await.unwrap() });
    assert!(ws.get_ref().written > LEN);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

/// One byte per second, for longer than any deadline: everything is received, and no deadline is
/// missed.
#[test]
fn one_byte_per_second_misses_no_deadline() {
    faults::bytes_arrive_slowly::<PlainPipe>(Timeouts::default());
}

/// R106 R107: the peer shuts down its sending direction directly after its Close frame: it still
/// receives the Close frame in reply.
#[test]
fn a_half_close_after_the_close_frame_is_clean() {
    for role in ROLES {
        for seed in 0..50 {
            let mut simulation = Simulation::new(seed);
            let (mut local, mut remote) = simulation.pipe([3, 0]);
            local.faults = Faults::random(seed);
            remote.output.borrow_mut().push(&frame(peer_of(role), 0x88, &[3, 232]));
            remote.half_close();
            let mut ws = open(local, simulation.clock(), role, 1000);
            let local: Task<'_> = Box::pin(async move {
                ws.feed(message(0, 100)).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), None);
                assert!(ws.close_status().unwrap().is_clean());
            });
            let remote: Task<'_> = Box::pin(async move {
                let sent = frames(role, &remote.read(usize::MAX).await);
                assert_eq!(sent[1..], [(0x88, vec![3, 232])]);
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// A transport whose writes return 0.
struct ZeroWrites(PipeEnd);

impl Transport for ZeroWrites {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

/// R102: a write that returns 0 is an error and not an endless loop.
#[test]
fn a_write_of_zero_bytes_is_an_error() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([100, 100]);
    let clock = simulation.clock();
    let engine = polled::engine(Role::Server, false);
    let mut ws = WebSocket::upgraded(ZeroWrites(local), clock, engine, settings(1000, Timeouts::none()));
    simulation.block_on(async {
        let error = ws.send("text").await.unwrap_err();
        assert!(
            matches!(&error, Error::Io(error) if error.kind() == ErrorKind::WriteZero),
            "{error:?}"
        );
        drop(remote);
        assert!(ws.recv().await.is_err());
        assert_eq!(ws.recv().await.unwrap(), None);
    });
}

/// F75: The peer closes because it failed, or because it refused a message: that is an error, once,
/// in both roles, whole, in halves and as a stream. After a success there is none.
#[test]
fn f75_a_close_that_is_no_success_is_an_error() {
    let code_of = |result: Result<Option<Message<'static>>, Error>| match result {
        Err(Error::Closed(status)) => Some(status.code()),
        other => {
            assert_eq!(other.unwrap(), None);
            None
        }
    };
    for role in ROLES {
        for code in [1000, 1001, 1009, 1011, 4000].map(CloseCode) {
            let is_success = matches!(code, CloseCode::NORMAL | CloseCode::GOING_AWAY);
            let expected = (!is_success).then_some(code);
            for in_halves in [false, true] {
                let mut simulation = Simulation::new(1);
                let (local, mut remote) = simulation.pipe([1000, 1000]);
                let mut ws = open(local, simulation.clock(), role, 1000);
                let local: Task<'_> = Box::pin(async move {
                    let (end, again) = if in_halves {
                        let (mut reader, _writer) = ws.split();
                        (reader.recv().await, reader.recv().await)
                    } else {
                        (ws.recv().await, ws.recv().await)
                    };
                    assert_eq!(code_of(end), expected);
                    assert_eq!(again.unwrap(), None);
                });
                let remote: Task<'_> = Box::pin(async move {
                    let close = frame(peer_of(role), 0x88, &code.0.to_be_bytes());
                    remote.write_all(&close).await.unwrap();
                    remote.read(if role == Role::Client { 8 } else { 4 }).await;
                });
                simulation.run(vec![local, remote]);
            }
        }
    }
}
