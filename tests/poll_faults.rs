//! Polled connections over transports that are slow, whimsical, or break.
#![cfg(any(feature = "tokio", feature = "futures-io"))]

mod support;

#[path = "support/pipe.rs"]
mod pipe;
#[path = "support/polled.rs"]
mod polled;

use std::{
    io::{self, ErrorKind},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pipe::{End, Moods, Rng, Task, World};
use polled::{ROLES, Ws, message, open, seconds, settings, timed};
use sockless::{
    ClientRequest, Event, ProtocolError,
    adapter::{
        Error, Message,
        poll::{Incoming, Settings, Transport, WebSocket},
    },
    frame::Role,
    timers::Timeouts,
};
use support::{feed, frame, frames, peer_of};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Messages, fragments, pings, and at last a Close.
fn conversation(peer: Role) -> Vec<u8> {
    [
        frame(peer, 0x81, "aé€😀".as_bytes()),
        frame(peer, 0x02, &[7; 300]),
        frame(peer, 0x89, b"ping"),
        frame(peer, 0x80, &[8; 100]),
        frame(peer, 0x82, b""),
        frame(peer, 0x89, b"pong"),
        frame(peer, 0x82, &[9; 5000]),
        frame(peer, 0x88, &[3, 232]),
    ]
    .concat()
}

/// The messages that are complete in that.
fn messages(role: Role, input: &[u8]) -> Vec<Message> {
    let events = feed(&mut polled::engine(role, false), input).events;
    let message = |event| match event {
        Event::Text(text) => Some(Message::Text(text.into_owned())),
        Event::Binary(data) => Some(Message::Binary(data.into_owned())),
        _ => None,
    };
    events.into_iter().filter_map(message).collect()
}

/// Receives until it has ended, in one way, and stays so.
async fn outcome(ws: &mut Ws) -> (Vec<Message>, Option<Error>) {
    let mut messages = Vec::new();
    let error = loop {
        match ws.recv().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    for _ in 0..3 {
        assert_eq!(ws.recv().await.unwrap(), None);
        assert!(ws.send("more").await.is_err());
    }
    (messages, error)
}

/// F34 F35 R116: whatever the transport does, when it ends or breaks after any number of bytes, everything before that
/// arrives, and there is one outcome.
#[test]
fn f34_a_transport_that_fails_at_any_byte_loses_nothing_before() {
    for role in ROLES {
        let input = &conversation(peer_of(role));
        let mut rng = Rng(1);
        for seed in 0..300 {
            let broken = [None, Some(ErrorKind::ConnectionReset), Some(ErrorKind::TimedOut)][rng.below(3)];
            let cut = if seed % 10 == 0 {
                input.len()
            } else {
                rng.below(input.len())
            };
            let mut world = World::new(seed);
            let (mut local, mut remote) = world.pipe([1 << 16, 0]);
            local.moods = Moods::wild(seed);
            remote.output.borrow_mut().push(&input[..cut]);
            remote.output.borrow_mut().broken = broken;
            remote.half_close();
            let mut ws = open(local, world.clock(), role, 1000);
            let local: Task<'_> = Box::pin(async move {
                let (received, error) = outcome(&mut ws).await;
                assert_eq!(received, messages(role, &input[..cut]), "{seed}");
                match (error, broken) {
                    (None, _) => assert!(cut == input.len() && ws.closure().unwrap().is_clean()),
                    (Some(Error::Io(error)), Some(kind)) => assert!(error.kind() == kind && cut < input.len()),
                    (Some(Error::Protocol(ProtocolError::UnexpectedEof)), None) => assert!(cut < input.len()),
                    other => panic!("{seed} {cut}: {other:?}"),
                }
            });
            let replies = if cut < input.len() { None } else { Some(()) };
            let remote: Task<'_> = Box::pin(async move {
                let sent = remote.read(usize::MAX).await;
                if replies.is_some() {
                    let expected = [(0x8A, b"ping".to_vec()), (0x8A, b"pong".to_vec()), (0x88, vec![3, 232])];
                    assert_eq!(frames(role, &sent), expected, "{seed}");
                }
            });
            world.run(vec![local, remote]);
        }
    }
}

/// R116: a handshake that ends or breaks after any number of bytes is an error, in both roles, and leaves the transport.
#[test]
fn a_handshake_that_breaks_at_any_byte() {
    for role in ROLES {
        let head: &[u8] = match role {
            Role::Server => REQUEST,
            Role::Client => b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
        };
        for broken in [None, Some(ErrorKind::ConnectionReset)] {
            for cut in 0..head.len() {
                let mut world = World::new(cut as u64);
                let (mut local, mut remote) = world.pipe([1000, 0]);
                local.moods = Moods::wild(cut as u64);
                let lane = std::rc::Rc::clone(&local.output);
                remote.output.borrow_mut().push(&head[..cut]);
                remote.output.borrow_mut().broken = broken;
                remote.half_close();
                let clock = world.clock();
                let local: Task<'_> = Box::pin(async move {
                    let error = match role {
                        Role::Server => Incoming::new(local, clock, Settings::default()).await.map(drop),
                        Role::Client => {
                            let request = ClientRequest::new("ws://example.com/").unwrap();
                            Ws::client(local, clock, &request, Settings::default()).await.map(drop)
                        }
                    };
                    match (error.unwrap_err(), broken) {
                        (Error::Io(error), Some(kind)) => assert_eq!(error.kind(), kind),
                        (Error::Protocol(ProtocolError::UnexpectedEof), None) => {}
                        other => panic!("{other:?}"),
                    }
                });
                world.run(vec![
                    local,
                    Box::pin(async move { drop(remote.read(usize::MAX).await) }),
                ]);
                assert!(lane.borrow().ended);
            }
        }
    }
}

/// A handshake that is given up half way ends the connection.
#[test]
fn f35_a_handshake_that_is_cancelled_ends_the_connection() {
    for role in ROLES {
        for point in 0..5 {
            let mut world = World::new(point as u64);
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
            let remote: Task<'_> = Box::pin(async move {
                assert!(remote.write_all(REQUEST).await.is_err());
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
        let mut world = World::new(0);
        let (local, remote) = world.pipe([100, 0]);
        remote.output.borrow_mut().push(&input);
        remote.half_close();
        remote.input.borrow_mut().deaf = true;
        let mut ws = open(local, world.clock(), role, 500);
        world.block_on(async {
            assert_eq!(ws.recv().await.unwrap(), Some(message(1, 3)));
            assert!(ws.engine_mut().1.capacity() < 10_000);
            let (received, error) = outcome(&mut ws).await;
            assert!(received.is_empty() && error.is_none(), "{error:?}");
        });
        drop(remote);
    }
}

/// R096 R137 F49: a peer that floods with pings and takes no pong: what is held for it is bounded, and it is given up.
#[test]
fn f49_a_flood_of_pings_is_bounded() {
    for role in ROLES {
        let mut world = World::new(0);
        let (local, mut remote) = world.pipe([100, 1000]);
        let lane = std::rc::Rc::clone(&local.input);
        let clock = world.clock();
        let mut ws = timed(local, clock, role);
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
        let taken = lane.borrow().carried.len();
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
    let mut world = World::new(0);
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
    for role in ROLES {
        let input = conversation(peer_of(role));
        let mut world = World::new(0);
        let (local, mut remote) = world.pipe([1000, 1000]);
        let (clock, mut pause) = (world.clock(), world.clock());
        let expected = messages(role, &input);
        let mut ws = timed(local, clock, role);
        let local: Task<'_> = Box::pin(async move {
            let (received, error) = outcome(&mut ws).await;
            assert_eq!(received, expected);
            assert!(error.is_none(), "{error:?}");
        });
        let remote: Task<'_> = Box::pin(async move {
            for byte in input {
                remote.write_all(&[byte]).await.unwrap();
                pause.sleep(seconds(1)).await;
            }
        });
        world.run(vec![local, remote]);
    }
}

/// R106 R107: the peer ends its sending direction right behind its Close: the answer still arrives.
#[test]
fn a_half_close_behind_the_close_is_clean() {
    for role in ROLES {
        for seed in 0..50 {
            let mut world = World::new(seed);
            let (mut local, mut remote) = world.pipe([3, 0]);
            local.moods = Moods::wild(seed);
            remote.output.borrow_mut().push(&frame(peer_of(role), 0x88, &[3, 232]));
            remote.half_close();
            let mut ws = open(local, world.clock(), role, 1000);
            let local: Task<'_> = Box::pin(async move {
                ws.feed(message(0, 100)).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), None);
                assert!(ws.closure().unwrap().is_clean());
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
struct Full(End);

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
    let mut world = World::new(0);
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
