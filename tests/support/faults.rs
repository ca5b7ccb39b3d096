//! The tests that every polled adapter passes, over the pipes of [`pipe`](super::pipe) with
//! injected faults.

use std::{io::ErrorKind, rc::Rc};

use sockless::{
    Accept, ClientRequest, Config, Connection, Message, ProtocolError, Role,
    adapter::{
        Error, Settings,
        poll::{Clock, Incoming, Transport, WebSocket},
    },
    handshake::Response,
    timers::Timeouts,
};

use crate::{
    REQUEST, ROLES, peer_of,
    pipe::{Faults, PipeEnd, Simulation, Task, VirtualClock},
    polled::{engine, seconds, settings},
    random::Rng,
    script::{complete_messages, expected_output, outgoing_messages, peer_input, server_response},
};

/// A way to make connections over the end of a pipe.
pub trait Adapter: Sized {
    type Transport: Transport;
    type Clock: Clock;

    fn upgraded(
        end: PipeEnd,
        clock: VirtualClock,
        engine: Connection,
        settings: Settings,
    ) -> WebSocket<Self::Transport, Self::Clock>;

    fn incoming(
        end: PipeEnd,
        clock: VirtualClock,
        settings: Settings,
    ) -> impl Future<Output = Result<Incoming<Self::Transport, Self::Clock>, Error>>;

    fn client(
        end: PipeEnd,
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
pub struct PlainPipe;

impl Adapter for PlainPipe {
    type Transport = PipeEnd;
    type Clock = VirtualClock;

    fn upgraded(
        end: PipeEnd,
        clock: VirtualClock,
        engine: Connection,
        settings: Settings,
    ) -> WebSocket<PipeEnd, VirtualClock> {
        WebSocket::upgraded(end, clock, engine, settings)
    }

    async fn incoming(
        end: PipeEnd,
        clock: VirtualClock,
        settings: Settings,
    ) -> Result<Incoming<PipeEnd, VirtualClock>, Error> {
        Incoming::new(end, clock, settings).await
    }

    async fn client(
        end: PipeEnd,
        clock: VirtualClock,
        request: &ClientRequest,
        settings: Settings,
    ) -> Result<(WebSocket<PipeEnd, VirtualClock>, Response<'static>), Error> {
        WebSocket::client(end, clock, request, settings).await
    }
}

/// Receives until the connection ends. Asserts that later calls return the end again.
pub async fn receive_all<T: Transport, C: Clock>(ws: &mut WebSocket<T, C>) -> (Vec<Message<'static>>, Option<Error>) {
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
fn open<A: Adapter>(end: PipeEnd, clock: VirtualClock, role: Role) -> WebSocket<A::Transport, A::Clock> {
    A::upgraded(end, clock, engine(role, false), settings(1000, Timeouts::none()))
}

/// The ways in which a read direction ends: with the end of the stream, or with an error.
const READ_ERRORS: [Option<ErrorKind>; 3] = [None, Some(ErrorKind::ConnectionReset), Some(ErrorKind::TimedOut)];

/// Whether `error` is the one that `broken` has to cause.
fn is_expected_error(error: &Error, read_error: Option<ErrorKind>) -> bool {
    match (error, read_error) {
        (Error::Io(error), Some(kind)) => error.kind() == kind,
        (Error::Protocol(error), None) => {
            matches!(**error, ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof)
        }
        _ => false,
    }
}

/// The input ends or breaks after any number of bytes.
pub fn input_ends_at_any_byte<A: Adapter>(seeds: u64) {
    for role in ROLES {
        let input = &peer_input(peer_of(role));
        let mut rng = Rng(1);
        for seed in 0..seeds {
            let read_error = READ_ERRORS[rng.below(3)];
            let cut = if seed % 10 == 0 {
                input.len()
            } else {
                rng.below(input.len())
            };
            let input = &input[..cut];
            let is_whole = seed % 10 == 0;
            let mut simulation = Simulation::new(seed);
            let (mut local, mut remote) = simulation.pipe([1 << 16, 0]);
            local.faults = Faults::random(seed);
            remote.output.borrow_mut().push(input);
            remote.output.borrow_mut().read_error = read_error;
            remote.half_close();
            let mut ws = open::<A>(local, simulation.clock(), role);
            let local: Task<'_> = Box::pin(async move {
                let (received, error) = receive_all(&mut ws).await;
                assert_eq!(received, complete_messages(role, input), "{seed}");
                match error {
                    None => assert!(is_whole && ws.close_status().unwrap().is_clean()),
                    Some(error) => assert!(
                        !is_whole && is_expected_error(&error, read_error),
                        "{seed} {cut}: {error:?}"
                    ),
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                let (sent, expected) = (remote.read(usize::MAX).await, expected_output(role, &[], input));
                // Output that was not written before the break is lost.
                let expected = if is_whole || read_error.is_none() {
                    &expected[..]
                } else {
                    &expected[..sent.len()]
                };
                assert_eq!(sent, expected, "{seed}");
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// The peer closes its sending direction after any number of bytes, while much output is pending
/// that the peer reads slowly.
pub fn peer_half_closes_at_any_byte<A: Adapter>() {
    for role in ROLES {
        let input = &peer_input(peer_of(role));
        for cut in (0..input.len()).step_by(71).chain([input.len()]) {
            let input = &input[..cut];
            let mut simulation = Simulation::new(cut as u64);
            let (mut local, mut remote) = simulation.pipe([7, 0]);
            local.faults = Faults::random(cut as u64);
            remote.output.borrow_mut().push(input);
            remote.half_close();
            let channel = Rc::clone(&local.output);
            let mut ws = open::<A>(local, simulation.clock(), role);
            let local: Task<'_> = Box::pin(async move {
                for message in outgoing_messages() {
                    ws.feed(message).await.unwrap();
                }
                let (received, error) = receive_all(&mut ws).await;
                assert!(channel.borrow().write_closed);
                assert_eq!(
                    channel.borrow().all_written,
                    expected_output(role, &outgoing_messages(), input),
                    "{cut}"
                );
                assert_eq!(received, complete_messages(role, input));
                assert!(error.is_none_or(|error| is_expected_error(&error, None)));
            });
            let remote: Task<'_> = Box::pin(async move { drop(remote.read(usize::MAX).await) });
            simulation.run(vec![local, remote]);
        }
    }
}

/// The output breaks after any number of bytes, and there is more to read.
pub fn output_breaks_after_any_byte<A: Adapter>() {
    for role in ROLES {
        let input = &peer_input(peer_of(role));
        let all = expected_output(role, &outgoing_messages(), &[]);
        for at in (0..all.len() - 1).step_by(29) {
            let mut simulation = Simulation::new(at as u64);
            let (mut local, mut remote) = simulation.pipe([1, 0]);
            local.faults = Faults::random(at as u64);
            remote.output.borrow_mut().push(input);
            remote.half_close();
            let channel = Rc::clone(&local.output);
            let mut ws = open::<A>(local, simulation.clock(), role);
            let local: Task<'_> = Box::pin(async move {
                let mut errors = 0;
                for message in outgoing_messages() {
                    errors += usize::from(ws.send(message).await.is_err());
                }
                let (received, error) = receive_all(&mut ws).await;
                assert_eq!(received, complete_messages(role, input), "{at}");
                assert!(errors > 0 && error.is_none(), "{at}: {error:?}");
            });
            let remote: Task<'_> = Box::pin(async move {
                remote.read(at).await;
            });
            simulation.run(vec![local, remote]);
            let channel = channel.borrow();
            let written_len = channel.all_written.len();
            assert!(
                channel.all_written == all[..written_len] && (at..=at + 1).contains(&written_len),
                "{written_len} of {at}"
            );
        }
    }
}

/// Performs the opening handshake, and receives the messages after it.
async fn handshake<A: Adapter>(role: Role, end: PipeEnd, clock: VirtualClock) -> Result<Vec<Message<'static>>, Error> {
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
    let (received, error) = receive_all(&mut ws).await;
    assert!(error.is_none(), "{error:?}");
    Ok(received)
}

/// The input of an opening handshake ends or breaks after any number of bytes, or its output
/// breaks. A complete one opens the connection.
pub fn handshake_breaks_at_any_byte<A: Adapter>() {
    let (mut out, request) = (Vec::new(), ClientRequest::new("ws://example.com/").unwrap());
    Connection::client(&request, Config::default(), [7; 32], &mut out).unwrap();
    let (request, response) = (out.len(), server_response(REQUEST.as_bytes()).len());
    for role in ROLES {
        let frames_after_head = &peer_input(peer_of(role))[..];
        let (input, output) = match role {
            Role::Server => (REQUEST.len(), response),
            Role::Client => (response, request),
        };
        let reads = READ_ERRORS
            .into_iter()
            .flat_map(|read_error| (0..=input).map(move |cut| (cut, read_error, usize::MAX)));
        let writes = (0..output - 1).map(|output_limit| (usize::MAX, None, output_limit));
        for (cut, read_error, output_limit) in reads.chain(writes) {
            let mut simulation = Simulation::new(cut as u64);
            let (mut local, mut remote) = simulation.pipe([1, 1 << 16]);
            local.faults = Faults::random((cut ^ output_limit) as u64);
            let (clock, channel) = (simulation.clock(), Rc::clone(&local.output));
            let (output_breaks, is_whole) = (output_limit < output, cut == input);
            let local: Task<'_> = Box::pin(async move {
                match handshake::<A>(role, local, clock).await {
                    Ok(received) => assert!(
                        is_whole && received == complete_messages(role, frames_after_head),
                        "{cut}"
                    ),
                    Err(Error::Io(error)) if output_breaks => {
                        assert!(role == Role::Server && error.kind() == ErrorKind::BrokenPipe);
                    }
                    // A client continues to read after its output breaks, and the peer has closed
                    // the transport.
                    Err(error) => {
                        assert!(
                            !is_whole && is_expected_error(&error, read_error),
                            "{cut} {output_limit}: {error:?}"
                        );
                        assert!(!output_breaks || role == Role::Client);
                    }
                }
            });
            let remote: Task<'_> = Box::pin(async move {
                let mut head = match role {
                    Role::Server => REQUEST.into(),
                    Role::Client => server_response(&remote.read(output_limit.min(request)).await),
                };
                if is_whole {
                    head.extend(frames_after_head);
                } else {
                    head.truncate(cut);
                    remote.output.borrow_mut().read_error = read_error;
                }
                remote.output.borrow_mut().push(&head);
                if !output_breaks {
                    remote.half_close();
                    remote.read(usize::MAX).await;
                } else if role == Role::Server {
                    remote.read(output_limit).await;
                }
            });
            simulation.run(vec![local, remote]);
            assert!(channel.borrow().write_closed);
        }
    }
}

/// The body of a refusal ends with the transport, or is truncated by it.
pub fn refusal_ends_with_the_transport<A: Adapter>() {
    for (length, is_complete) in [("", true), ("Content-Length: 10\r\n", false)] {
        for seed in 0..50 {
            let mut simulation = Simulation::new(seed);
            let (mut local, mut remote) = simulation.pipe([1 << 10, 0]);
            local.faults = Faults::random(seed);
            let clock = simulation.clock();
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
            simulation.run(vec![local, remote]);
        }
    }
}

/// The body of a refusal does not complete: the transport is reset, or, if the adapter has the
/// virtual clock, silent.
pub fn refusal_breaks_off<A: Adapter>(has_virtual_clock: bool) {
    for length in ["", "Content-Length: 100\r\n"] {
        for seed in 0..50 {
            let is_silent = has_virtual_clock && seed % 2 == 0;
            let mut simulation = Simulation::new(seed);
            let (mut local, mut remote) = simulation.pipe([1 << 10, 0]);
            local.faults = Faults::random(seed);
            let clock = simulation.clock();
            let response = format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n{length}\r\nsay");
            remote.output.borrow_mut().push(response.as_bytes());
            if !is_silent {
                remote.output.borrow_mut().read_error = Some(ErrorKind::ConnectionReset);
            }
            let local: Task<'_> = Box::pin(async move {
                let request = ClientRequest::new("ws://example.com/").unwrap();
                let timeouts = if is_silent { Timeouts::new() } else { Timeouts::none() };
                let refusal = match A::client(local, clock, &request, settings(1000, timeouts)).await {
                    Err(Error::Refused(refusal)) => refusal,
                    Err(error) => panic!("{error:?}"),
                    Ok(_) => panic!(),
                };
                assert_eq!(refusal.response.status(), 401);
                assert_eq!(refusal.response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"say"[..], false));
            });
            let remote: Task<'_> = Box::pin(async move {
                remote.read(usize::MAX).await;
            });
            simulation.run(vec![local, remote]);
        }
    }
}

/// One byte arrives each second, for longer than any timeout.
pub fn bytes_arrive_slowly<A: Adapter>(timeouts: Timeouts) {
    for role in ROLES {
        let input = peer_input(peer_of(role));
        let mut simulation = Simulation::new(0);
        let (local, mut remote) = simulation.pipe([1000, 1000]);
        let (clock, mut pause) = (simulation.clock(), simulation.clock());
        let expected = complete_messages(role, &input);
        let mut ws = A::upgraded(local, clock, engine(role, false), settings(1000, timeouts));
        let local: Task<'_> = Box::pin(async move {
            let (received, error) = receive_all(&mut ws).await;
            assert_eq!(received, expected);
            assert!(error.is_none(), "{error:?}");
        });
        let remote: Task<'_> = Box::pin(async move {
            for byte in input {
                remote.write_all(&[byte]).await.unwrap();
                pause.sleep(seconds(1)).await;
            }
        });
        simulation.run(vec![local, remote]);
    }
}
