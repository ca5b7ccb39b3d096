//! Polled connections over transports that are slow, whimsical, or break.

use std::{
    io::{self, ErrorKind},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use sockless::{
    ClientRequest, Role,
    adapter::{
        Error,
        poll::{Incoming, Settings, Transport, WebSocket},
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

/// R116 (F34 F35): whatever the transport does, when it ends or breaks after any number of bytes, everything before that
/// arrives, and there is one outcome.
#[test]
fn f34_a_transport_that_fails_at_any_byte_loses_nothing_before() {
    faults::input_ends_at_any_byte::<PlainPipe>(300);
}

/// R116 (F34 F35): the peer ends its sending direction after any number of bytes: all that was to be written is written,
/// before the end is reported.
#[test]
fn f34_a_half_closed_transport_is_written_to_its_end() {
    faults::peer_half_closes_at_any_byte::<PlainPipe>();
}

/// R116 (F34 F35): a transport that breaks under what is written, after any number of bytes, is read to its end.
#[test]
fn f34_a_transport_that_is_deaf_after_any_byte() {
    faults::output_breaks_after_any_byte::<PlainPipe>();
}

/// R116 (F34 F35): a handshake that ends or breaks after any number of bytes is an error, in both roles and directions, and
/// leaves the transport; a whole one opens.
#[test]
fn f34_a_handshake_that_breaks_at_any_byte() {
    faults::handshake_breaks_at_any_byte::<PlainPipe>();
}

/// A refusal whose body ends with the transport arrives with its body.
#[test]
fn a_refusal_ends_with_the_transport() {
    faults::refusal_ends_with_the_transport::<PlainPipe>();
}

/// A handshake that is given up half way ends the connection.
#[test]
fn f35_a_handshake_that_is_cancelled_ends_the_connection() {
    for role in ROLES {
        for point in 0..5 {
            let mut world = Simulation::new(point as u64);
            let (local, mut remote) = world.pipe([10, 10]);
            let clock = world.clock();
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
            world.run(vec![local, remote]);
        }
    }
}

/// F49: nothing can be written any more, though there is more to read: it is read to its end, and the replies that cannot
/// leave fill no memory.
#[test]
fn f49_a_transport_that_cannot_be_written_is_read_to_its_end() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x89, &[1; 125]).repeat(100),
            frame(peer, 0x81, b"bcd"),
            frame(peer, 0x88, &[3, 232]),
        ]
        .concat();
        let mut world = Simulation::new(0);
        let (local, remote) = world.pipe([100, 0]);
        remote.output.borrow_mut().push(&input);
        remote.half_close();
        remote.input.borrow_mut().read_closed = true;
        let mut ws = open(local, world.clock(), role, 500);
        world.block_on(async {
            assert_eq!(ws.recv().await.unwrap(), Some(message(1, 3)));
            assert!(ws.engine_mut().1.capacity() < 10_000);
            let (received, error) = receive_all(&mut ws).await;
            assert!(received.is_empty() && error.is_none(), "{error:?}");
        });
        drop(remote);
    }
}

/// R096 R137 (F49): a peer that floods with pings and takes no pong: what is held for it is bounded, and it is given up.
#[test]
fn f49_a_flood_of_pings_is_bounded() {
    for role in ROLES {
        let mut world = Simulation::new(0);
        let (local, mut remote) = world.pipe([100, 1000]);
        let lane = std::rc::Rc::clone(&local.input);
        let clock = world.clock();
        let mut ws = open_with_timeouts(local, clock, role);
        let flood: Task<'_> = Box::pin(async move {
            let ping = frame(peer_of(role), 0x89, &[1; 125]);
            while remote.write_all(&ping).await.is_ok() {}
        });
        let local: Task<'_> = Box::pin(async move {
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
            assert_eq!(ws.engine_mut().1.capacity(), 0);
        });
        world.run(vec![flood, local]);
        let taken = lane.borrow().all_written.len();
        assert!((100..=200_000).contains(&taken), "{taken}");
    }
}

/// A transport that takes a little at a time and then has to wait.
struct Sips {
    taken: usize,
    waits: bool,
}

impl Transport for Sips {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = data.len().min(500);
        self.taken += n;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// F07: a large message that leaves in many small writes is not moved for each of them: that would be 270 gigabytes here.
#[test]
fn f07_a_large_message_in_small_writes_takes_linear_time() {
    const LEN: usize = 16 << 20;
    let mut world = Simulation::new(0);
    let transport = Sips { taken: 0, waits: false };
    let engine = polled::engine(Role::Server, false);
    let mut ws = WebSocket::upgraded(transport, (), engine, Settings::default());
    let data = vec![0; LEN];
    let start = Instant::now();
    world.block_on(async { ws.send(&data).await.unwrap() });
    assert!(ws.get_ref().taken > LEN);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

/// A byte every second, for longer than any deadline: nothing is lost, nobody is given up.
#[test]
fn a_slow_drip_is_received() {
    faults::bytes_arrive_slowly::<PlainPipe>(Timeouts::default());
}

/// R106 R107: the peer ends its sending direction right behind its Close: the answer still arrives.
#[test]
fn a_half_close_behind_the_close_is_clean() {
    for role in ROLES {
        for seed in 0..50 {
            let mut world = Simulation::new(seed);
            let (mut local, mut remote) = world.pipe([3, 0]);
            local.faults = Faults::random(seed);
            remote.output.borrow_mut().push(&frame(peer_of(role), 0x88, &[3, 232]));
            remote.half_close();
            let mut ws = open(local, world.clock(), role, 1000);
            let local: Task<'_> = Box::pin(async move {
                ws.feed(message(0, 100)).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), None);
                assert!(ws.close_status().unwrap().is_clean());
            });
            let remote: Task<'_> = Box::pin(async move {
                let sent = frames(role, &remote.read(usize::MAX).await);
                assert_eq!(sent[1..], [(0x88, vec![3, 232])]);
            });
            world.run(vec![local, remote]);
        }
    }
}

/// A transport that takes nothing and says so with 0.
struct Full(PipeEnd);

impl Transport for Full {
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

/// R102: a transport that takes nothing is an error, and no endless loop.
#[test]
fn a_transport_that_takes_nothing_is_an_error() {
    let mut world = Simulation::new(0);
    let (local, remote) = world.pipe([100, 100]);
    let clock = world.clock();
    let engine = polled::engine(Role::Server, false);
    let mut ws = WebSocket::upgraded(Full(local), clock, engine, settings(1000, Timeouts::none()));
    world.block_on(async {
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
