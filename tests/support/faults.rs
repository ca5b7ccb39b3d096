//! The tests that every polled adapter passes, over the pipes of [`pipe`](super::pipe) with
//! injected faults.

use std::{io::ErrorKind, rc::Rc};

use sockless::{
    Accept, ClientRequest, Config, Connection, Message, ProtocolError, Role,
    adapter::{
        Error,
        poll::{Clock, Incoming, Settings, Transport, WebSocket},
    },
    handshake::Response,
    timers::Timeouts,
};

use crate::{
    REQUEST, ROLES, peer_of,
    pipe::{End, Moods, Rng, Task, VirtualClock, World},
    polled::{engine, seconds, settings},
    script::{answer, conversation, fed, messages, written},
};

/// A way to make connections over the end of a pipe.
pub trait Adapter: Sized {
    type Transport: Transport;
    type Clock: Clock;

    fn upgraded(
        end: End,
        clock: VirtualClock,
        engine: Connection,
        settings: Settings,
    ) -> WebSocket<Self::Transport, Self::Clock>;

    fn incoming(
        end: End,
        clock: VirtualClock,
        settings: Settings,
    ) -> impl Future<Output = Result<Incoming<Self::Transport, Self::Clock>, Error>>;

    fn client(
        end: End,
        clock: VirtualClock,
        request: &ClientRequest,
        settings: Settings,
    ) -> impl Future<Output = Opened<Self>>;
}

/// The open connection of a client, and the response to its request.
pub type Opened<A> = Result<
    (
        WebSocket<<A as Adapter>::Transport, <A as Adapter>::Clock>,
        Response<'static>,
    ),
    Error,
>;

/// Connections directly over the pipe.
pub struct Bare;

impl Adapter for Bare {
    type Transport = End;
    type Clock = VirtualClock;

    fn upgraded(end: End, clock: VirtualClock, engine: Connection, settings: Settings) -> WebSocket<End, VirtualClock> {
        WebSocket::upgraded(end, clock, engine, settings)
    }

    async fn incoming(end: End, clock: VirtualClock, settings: Settings) -> Result<Incoming<End, VirtualClock>, Error> {
        Incoming::new(end, clock, settings).await
    }

    async fn client(
        end: End,
        clock: VirtualClock,
        request: &ClientRequest,
        settings: Settings,
    ) -> Result<(WebSocket<End, VirtualClock>, Response<'static>), Error> {
        WebSocket::client(end, clock, request, settings).await
    }
}

/// Receives until the connection ends. Asserts that later calls return the end again.
pub async fn outcome<T: Transport, C: Clock>(ws: &mut WebSocket<T, C>) -> (Vec<Message<'static>>, Option<Error>) {
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

/// An open connection with a low high-water mark, without timeouts.
fn open<A: Adapter>(end: End, clock: VirtualClock, role: Role) -> WebSocket<A::Transport, A::Clock> {
    A::upgraded(end, clock, engine(role, false), settings(1000, Timeouts::none()))
}

/// The ways in which a read direction ends: with the end of the stream, or with an error.
const READ_ERRORS: [Option<ErrorKind>; 3] = [None, Some(ErrorKind::ConnectionReset), Some(ErrorKind::TimedOut)];

/// Whether `error` is the one that `broken` has to cause.
fn is_expected_error(error: &Error, broken: Option<ErrorKind>) -> bool {
    match (error, broken) {
        (Error::Io(error), Some(kind)) => error.kind() == kind,
        (Error::Protocol(error), None) => {
            matches!(**error, ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof)
        }
        _ => false,
    }
}

/// The input ends or breaks after any number of bytes.
pub fn fails_at_any_byte<A: Adapter>(seeds: u64) {
    for role in ROLES {
        let input = &conversation(peer_of(role));
        let mut rng = Rng(1);
        for seed in 0..seeds {
            let broken = READ_ERRORS[rng.below(3)];
            let cut = if seed % 10 == 0 {
                input.len()
            } else {
                rng.below(input.len())
            };
            let input = &input[..cut];
            let is_whole = seed % 10 == 0;
            let mut world = World::new(seed);
            let (mut local, mut remote) = world.pipe([1 << 16, 0]);
            local.moods = Moods::wild(seed);
            remote.output.borrow_mut().push(input);
            remote.output.borrow_mut().broken = broken;
            remote.half_close();
            let mut ws = open::<A>(local, world.clock(), role);
            let local: Task<'_> = Box::pin(async move {
                let (received, error) = outcome(&mut ws).await;
                assert_eq!(received, messages(role, input), "{seed}");
                match error {
                    None => assert!(is_whole && ws.close_status().unwrap().is_clean()),
                    Some(error) => assert!(
                        !is_whole && is_expected_error(&error, broken),
                        "{seed} {cut}: {error:?}"
                    ),
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                let (sent, expected) = (remote.read(usize::MAX).await, written(role, &[], input));
                // Output that was not written before the break is lost.
                let expected = if is_whole || broken.is_none() {
                    &expected[..]
                } else {
                    &expected[..sent.len()]
                };
                assert_eq!(sent, expected, "{seed}");
            });
            world.run(vec![local, remote]);
        }
    }
}

/// The peer closes its sending direction after any number of bytes, while much output is pending
/// that the peer reads slowly.
pub fn half_closed_at_any_byte<A: Adapter>() {
    for role in ROLES {
        let input = &conversation(peer_of(role));
        for cut in (0..input.len()).step_by(71).chain([input.len()]) {
            let input = &input[..cut];
            let mut world = World::new(cut as u64);
            let (mut local, mut remote) = world.pipe([7, 0]);
            local.moods = Moods::wild(cut as u64);
            remote.output.borrow_mut().push(input);
            remote.half_close();
            let channel = Rc::clone(&local.output);
            let mut ws = open::<A>(local, world.clock(), role);
            let local: Task<'_> = Box::pin(async move {
                for message in fed() {
                    ws.feed(message).await.unwrap();
                }
                let (received, error) = outcome(&mut ws).await;
                assert!(channel.borrow().ended);
                assert_eq!(channel.borrow().carried, written(role, &fed(), input), "{cut}");
                assert_eq!(received, messages(role, input));
                assert!(error.is_none_or(|error| is_expected_error(&error, None)));
            });
            let remote: Task<'_> = Box::pin(async move { drop(remote.read(usize::MAX).await) });
            world.run(vec![local, remote]);
        }
    }
}

/// The output breaks after any number of bytes, and there is more to read.
pub fn deaf_after_any_byte<A: Adapter>() {
    for role in ROLES {
        let input = &conversation(peer_of(role));
        let all = written(role, &fed(), &[]);
        for at in (0..all.len() - 1).step_by(29) {
            let mut world = World::new(at as u64);
            let (mut local, mut remote) = world.pipe([1, 0]);
            local.moods = Moods::wild(at as u64);
            remote.output.borrow_mut().push(input);
            remote.half_close();
            let channel = Rc::clone(&local.output);
            let mut ws = open::<A>(local, world.clock(), role);
            let local: Task<'_> = Box::pin(async move {
                let mut errors = 0;
                for message in fed() {
                    errors += usize::from(ws.send(message).await.is_err());
                }
                let (received, error) = outcome(&mut ws).await;
                assert_eq!(received, messages(role, input), "{at}");
                assert!(errors > 0 && error.is_none(), "{at}: {error:?}");
            });
            let remote: Task<'_> = Box::pin(async move {
                remote.read(at).await;
            });
            world.run(vec![local, remote]);
            let channel = channel.borrow();
            let written_len = channel.carried.len();
            assert!(
                channel.carried == all[..written_len] && (at..=at + 1).contains(&written_len),
                "{written_len} of {at}"
            );
        }
    }
}

/// Performs the opening handshake, and receives the messages after it.
async fn handshake<A: Adapter>(role: Role, end: End, clock: VirtualClock) -> Result<Vec<Message<'static>>, Error> {
    let settings = settings(1000, Timeouts::none());
    let mut ws = match role {
        Role::Server => {
            let incoming = A::incoming(end, clock, settings).await?;
            incoming.accept(&Accept::new()).await?
        }
        Role::Client => {
            let request = ClientRequest::new("ws://example.com/").unwrap();
            A::client(end, clock, &request, settings).await?.0
        }
    };
    let (received, error) = outcome(&mut ws).await;
    assert!(error.is_none(), "{error:?}");
    Ok(received)
}

/// The input of an opening handshake ends or breaks after any number of bytes, or its output
/// breaks. A complete one opens the connection.
pub fn handshake_breaks_at_any_byte<A: Adapter>() {
    let (mut out, request) = (Vec::new(), ClientRequest::new("ws://example.com/").unwrap());
    Connection::client(&request, Config::default(), [7; 32], &mut out).unwrap();
    let (request, response) = (out.len(), answer(REQUEST.as_bytes()).len());
    for role in ROLES {
        let frames_after_head = &conversation(peer_of(role))[..];
        let (input, output) = match role {
            Role::Server => (REQUEST.len(), response),
            Role::Client => (response, request),
        };
        let reads = READ_ERRORS
            .into_iter()
            .flat_map(|broken| (0..=input).map(move |cut| (cut, broken, usize::MAX)));
        let writes = (0..output - 1).map(|output_limit| (usize::MAX, None, output_limit));
        for (cut, broken, output_limit) in reads.chain(writes) {
            let mut world = World::new(cut as u64);
            let (mut local, mut remote) = world.pipe([1, 1 << 16]);
            local.moods = Moods::wild((cut ^ output_limit) as u64);
            let (clock, channel) = (world.clock(), Rc::clone(&local.output));
            let (is_deaf, is_whole) = (output_limit < output, cut == input);
            let local: Task<'_> = Box::pin(async move {
                match handshake::<A>(role, local, clock).await {
                    Ok(received) => assert!(is_whole && received == messages(role, frames_after_head), "{cut}"),
                    Err(Error::Io(error)) if is_deaf => {
                        assert!(role == Role::Server && error.kind() == ErrorKind::BrokenPipe);
                    }
                    // A client continues to read after its output breaks, and the peer has closed
                    // the transport.
                    Err(error) => {
                        assert!(
                            !is_whole && is_expected_error(&error, broken),
                            "{cut} {output_limit}: {error:?}"
                        );
                        assert!(!is_deaf || role == Role::Client);
                    }
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                let mut head = match role {
                    Role::Server => REQUEST.into(),
                    Role::Client => answer(&remote.read(output_limit.min(request)).await),
                };
                if is_whole {
                    head.extend(frames_after_head);
                } else {
                    head.truncate(cut);
                    remote.output.borrow_mut().broken = broken;
                }
                remote.output.borrow_mut().push(&head);
                if !is_deaf {
                    remote.half_close();
                    remote.read(usize::MAX).await;
                } else if role == Role::Server {
                    remote.read(output_limit).await;
                }
            });
            world.run(vec![local, remote]);
            assert!(channel.borrow().ended);
        }
    }
}

/// The body of a refusal ends with the transport, or is truncated by it.
pub fn refusal_ends_with_the_transport<A: Adapter>() {
    for (length, is_complete) in [("", true), ("Content-Length: 10\r\n", false)] {
        for seed in 0..50 {
            let mut world = World::new(seed);
            let (mut local, mut remote) = world.pipe([1 << 10, 0]);
            local.moods = Moods::wild(seed);
            let clock = world.clock();
            let response = format!("HTTP/1.1 403 Forbidden\r\n{length}\r\ngo away");
            remote.output.borrow_mut().push(response.as_bytes());
            remote.half_close();
            let local: Task<'_> = Box::pin(async move {
                let request = ClientRequest::new("ws://example.com/").unwrap();
                let settings = settings(1000, Timeouts::none());
                let refusal = match A::client(local, clock, &request, settings).await {
                    Err(Error::Refused(refusal)) => refusal,
                    Err(error) => panic!("{error:?}"),
                    Ok(_) => panic!(),
                };
                assert_eq!(refusal.response.status(), 403);
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"go away"[..], is_complete));
            });
            let remote: Task<'_> = Box::pin(async move {
                remote.read(usize::MAX).await;
            });
            world.run(vec![local, remote]);
        }
    }
}

/// One byte arrives each second, for longer than any timeout.
pub fn drips<A: Adapter>(timeouts: Timeouts) {
    for role in ROLES {
        let input = conversation(peer_of(role));
        let mut world = World::new(0);
        let (local, mut remote) = world.pipe([1000, 1000]);
        let (clock, mut pause) = (world.clock(), world.clock());
        let expected = messages(role, &input);
        let mut ws = A::upgraded(local, clock, engine(role, false), settings(1000, timeouts));
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
