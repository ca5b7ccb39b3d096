//! A server's large messages, which are written from where they are and not copied to the output.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, IoSlice},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use sockless::{
    Config, Event, Message, PreparedMessage, Role, SendError,
    adapter::{
        Error, Settings,
        poll::{Transport, WebSocket},
    },
    timers::Timeouts,
};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Cancel, Canceller, Faults, Simulation, Task, Vectored},
    polled::{Ws, engine, message, open, settings},
    random::Rng,
};

use super::end::End;

/// From this length on, a payload is not copied.
const LARGE: usize = 16 << 10;

/// Polls a future once, for no task.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    super::poll_once(future, Waker::noop())
}

/// A call of a conversation.
#[derive(Clone, Copy, Debug)]
enum Call {
    Send(usize),
    Feed(usize),
    Prepared(usize),
    Ping,
    /// Receives a message, and a Ping before it.
    Receive,
    Flush,
}

fn random_calls(rng: &mut Rng) -> Vec<Call> {
    let count = 1 + rng.below(7);
    let mut call = || {
        let len = match rng.below(3) {
            0 => rng.below(200),
            1 => LARGE - 2 + rng.below(4),
            _ => 65_530 + rng.below(2000),
        };
        match rng.below(9) {
            0..4 => Call::Send(len),
            4 => Call::Feed(len),
            5 => Call::Prepared(len),
            6 => Call::Ping,
            7 => Call::Receive,
            _ => Call::Flush,
        }
    };
    (0..count).map(|_| call()).collect()
}

/// Runs the calls, whose futures may be dropped. A call that was dropped is not repeated: below the
/// high-water mark, what it sends is in the output.
async fn run(end: &mut End, canceller: &Canceller, calls: &[Call]) {
    for (n, call) in calls.iter().enumerate() {
        match *call {
            Call::Send(len) => _ = canceller.attempt(end.send(&message(n, len))).await,
            Call::Feed(len) => _ = canceller.attempt(end.feed(&message(n, len))).await,
            Call::Prepared(len) => {
                let prepared = PreparedMessage::binary(message(0, len).as_bytes());
                _ = canceller.attempt(end.send_prepared(&prepared)).await;
            }
            Call::Ping => _ = canceller.attempt(end.ping(b"!")).await,
            Call::Receive => _ = canceller.retry(async || end.recv().await).await.unwrap(),
            Call::Flush => _ = canceller.attempt(end.flush()).await,
        }
    }
    canceller.retry(async || end.flush().await).await.unwrap();
}

/// Runs them on an engine. Returns its output, in which every payload is copied.
fn expected(role: Role, deflate: bool, calls: &[Call]) -> Vec<u8> {
    let (mut engine, mut out) = (engine(role, deflate), Vec::new());
    for (n, call) in calls.iter().enumerate() {
        match *call {
            Call::Send(len) | Call::Feed(len) => match message(n, len) {
                Message::Text(text) => engine.send_text(&text, &mut out).unwrap(),
                Message::Binary(data) => engine.send_binary(&data, &mut out).unwrap(),
            },
            Call::Prepared(len) => {
                let prepared = PreparedMessage::binary(message(0, len).as_bytes());
                engine.send_prepared(&prepared, &mut out).unwrap();
            }
            Call::Ping => engine.ping(b"!", &mut out).unwrap(),
            Call::Receive => engine.pong(b"?", &mut out).unwrap(),
            Call::Flush => {}
        }
    }
    out
}

/// F34 F35: Whatever is sent in which order, whatever the transport takes at a time, with or
/// without vectored writes, and wherever futures are dropped: the bytes on the wire are those of
/// the engine's output, in which every payload is copied.
#[test]
fn f34_the_output_is_that_of_the_engine() {
    for seed in 0..150 {
        let mut rng = Rng(seed);
        let calls = random_calls(&mut rng);
        let receives = calls.iter().filter(|call| matches!(call, Call::Receive)).count();
        let deflate = cfg!(feature = "deflate") && rng.below(4) == 0;
        let vectored = [Vectored::Yes, Vectored::Yes, Vectored::FirstSlice, Vectored::No][rng.below(4)];
        let cancel = match rng.below(3) {
            0 => Cancel::Never,
            1 => Cancel::Once(rng.below(20)),
            _ => Cancel::After(1 + rng.below(3)),
        };
        let (in_halves, migrates) = (rng.below(2) == 0, rng.below(2) == 0);
        for role in ROLES {
            let mut simulation = Simulation::new(seed).migrating(migrates);
            let (mut local, mut remote) = simulation.pipe([1 + rng.below(40_000), 0]);
            local.vectored = vectored;
            local.faults = Faults::random(seed);
            local.faults.max_len = [100, 5000, 100_000][rng.below(3)];
            let peer = peer_of(role);
            let input = [frame(peer, 0x89, b"?"), frame(peer, 0x81, b"text")].concat();
            remote.output.borrow_mut().push(&input.repeat(receives));
            let settings = settings(1 << 24, Timeouts::none());
            let ws = Ws::upgraded(local, simulation.clock(), engine(role, deflate), settings);
            let (mut end, canceller) = (End::new(ws, in_halves), Canceller::new(cancel));
            let (calls, expected) = (&calls, expected(role, deflate, &calls));
            simulation.run(vec![
                Box::pin(async move {
                    run(&mut end, &canceller, calls).await;
                    drop(end);
                }),
                Box::pin(async move {
                    let written = remote.read(usize::MAX).await;
                    assert!(written == expected, "{seed} {role:?} {calls:?}");
                }),
            ]);
        }
    }
}

/// F35: A large `send` that is dropped at any await point has sent its message whole or, if it
/// waited for room, not at all.
#[test]
fn f35_a_cancelled_large_send_writes_a_whole_frame_or_nothing() {
    let run = |in_halves, cancel, vectored| {
        let mut simulation = Simulation::new(3);
        let (mut local, mut remote) = simulation.pipe([9000, 0]);
        local.vectored = vectored;
        local.faults = Faults::slow(20_000, 3);
        let mut end = End::new(open(local, simulation.clock(), Role::Server, 300), in_halves);
        let canceller = Canceller::new(cancel);
        let done = RefCell::new(Vec::new());
        let wire = RefCell::new(Vec::new());
        simulation.run(vec![
            Box::pin(async {
                for n in 0..4 {
                    let is_done = canceller.attempt(end.send(&message(n, LARGE + n))).await.is_some();
                    let is_pinged = canceller.attempt(end.ping(&[n as u8])).await.is_some();
                    done.borrow_mut().extend([is_done, is_pinged]);
                }
                canceller.retry(async || end.flush().await).await.unwrap();
                drop(end);
            }),
            Box::pin(async { *wire.borrow_mut() = remote.read(usize::MAX).await }),
        ]);
        let mut sent = frames(Role::Server, &wire.into_inner()).into_iter().peekable();
        let all = (0..4).flat_map(|n| {
            let first = if n % 2 == 0 { 0x82 } else { 0x81 };
            [(first, message(n, LARGE + n).into_bytes()), (0x89, vec![n as u8])]
        });
        for (expected, is_done) in all.zip(done.into_inner()) {
            if sent.peek() == Some(&expected) {
                sent.next();
            } else {
                assert!(!is_done, "{cancel:?}");
            }
        }
        assert_eq!(sent.next(), None, "{cancel:?}");
        canceller.await_points.get()
    };
    for in_halves in [false, true] {
        for vectored in [Vectored::Yes, Vectored::FirstSlice] {
            let await_points = run(in_halves, Cancel::Never, vectored);
            assert!(await_points > 10, "{await_points}");
            for cancel in (0..await_points).map(Cancel::Once).chain((1..4).map(Cancel::After)) {
                run(in_halves, cancel, vectored);
            }
        }
    }
}

/// F60: Writers in several tasks send large messages, while a reader answers Pings: every frame is
/// whole, and the messages of each writer are in order. No task waits for a wake-up that was lost.
#[test]
fn f60_writers_of_large_messages_wake_each_other() {
    for seed in 0..40 {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 0);
        let (mut local, mut remote) = simulation.pipe([20_000, 0]);
        local.faults = Faults {
            max_len: 30_000,
            ..Faults::random(seed)
        };
        let input = [
            frame(Role::Client, 0x89, b"?").repeat(3),
            frame(Role::Client, 0x81, b"a"),
        ]
        .concat();
        remote.output.borrow_mut().push(&input);
        let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for n in 0..3 {
            let writer = writer.clone();
            tasks.push(Box::pin(async move {
                for len in 0..4 {
                    writer.send(&vec![n; LARGE + len]).await.unwrap();
                }
            }));
        }
        drop(writer);
        tasks.push(Box::pin(async move {
            assert_eq!(reader.recv().await.unwrap(), Some(Message::from("a")));
            assert!(matches!(reader.recv_event().await.unwrap(), Some(Event::Close(_))));
            assert_eq!(reader.recv().await.unwrap(), None);
        }));
        tasks.push(Box::pin(async move {
            let messages = 3 * 4 * (4 + LARGE) + 3 * 6;
            let sent = frames(Role::Server, &remote.read(messages + 3 * 3).await);
            remote.output.borrow_mut().push(&frame(Role::Client, 0x88, &[3, 232]));
            remote.half_close();
            for n in 0..3 {
                let of_writer = sent.iter().filter(|(first, data)| *first == 0x82 && data[0] == n);
                let lens: Vec<_> = of_writer.map(|(_, data)| data.len() - LARGE).collect();
                assert_eq!(lens, [0, 1, 2, 3], "{seed}");
            }
            assert_eq!(sent.iter().filter(|(first, _)| *first == 0x8A).count(), 3);
            remote.read(usize::MAX).await;
        }));
        simulation.run(tasks);
    }
}

/// R095: While more than the high-water mark is unwritten, a large message waits, and the output
/// does not grow. One message may exceed the mark, as one that is copied.
#[test]
fn a_large_message_waits_for_room() {
    for in_halves in [false, true] {
        for vectored in [Vectored::Yes, Vectored::FirstSlice, Vectored::No] {
            let mut simulation = Simulation::new(0);
            let (mut local, remote) = simulation.pipe([100, 0]);
            local.vectored = vectored;
            let (channel, ws) = (
                Rc::clone(&local.output),
                open(local, simulation.clock(), Role::Server, 1000),
            );
            let mut end = End::new(ws, in_halves);
            let pending = |end: &End| match end {
                End::Whole(ws) => ws.pending_bytes(),
                End::Halves(_, writer) => writer.pending_bytes(),
            };
            let large = message(0, LARGE);
            assert!(poll_once(end.send(&large)).is_pending());
            let unwritten = 4 + LARGE - channel.borrow().in_flight();
            assert_eq!(pending(&end), unwritten);
            for _ in 0..3 {
                assert!(poll_once(end.send(&large)).is_pending());
                assert!(poll_once(end.send_prepared(&PreparedMessage::binary(large.as_bytes()))).is_pending());
                assert_eq!(pending(&end), unwritten);
            }
            drop(remote);
        }
    }
}

/// What a write does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Takes so many bytes at most.
    Take(usize),
    Fail(ErrorKind),
    Pend,
    Panic,
}

/// A transport with scripted writes, after which it takes everything. Nothing is read. Clones share
/// it.
#[derive(Clone, Default)]
struct Script {
    writes: Rc<RefCell<Vec<Step>>>,
    written: Rc<RefCell<Vec<u8>>>,
    /// The lengths of the slices of each write.
    calls: Rc<RefCell<Vec<Vec<usize>>>>,
}

impl Transport for Script {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.calls
            .borrow_mut()
            .push(slices.iter().map(|slice| slice.len()).collect());
        let step = self.writes.borrow_mut().pop();
        let max_len = match step {
            None => usize::MAX,
            Some(Step::Take(len)) => len,
            Some(Step::Fail(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Step::Pend) => return Poll::Pending,
            Some(Step::Panic) => std::panic::resume_unwind(Box::new(())),
        };
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let len = all.len().min(max_len);
        self.written.borrow_mut().extend_from_slice(&all[..len]);
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn over_script(role: Role, steps: &[Step]) -> (WebSocket<Script>, Script) {
    let script = Script::default();
    script.writes.borrow_mut().extend(steps.iter().rev());
    let ws = WebSocket::upgraded(script.clone(), (), engine(role, false), Settings::new());
    (ws, script)
}

fn is_ready(sent: impl Future<Output = Result<(), Error>>) {
    assert!(matches!(poll_once(sent), Poll::Ready(Ok(()))));
}

/// A server's large message leaves with what was fed before it in one write, of two slices. Below
/// 16 KiB, and as a client, which has to mask it, it is copied.
#[test]
fn a_large_message_leaves_in_one_write_of_two_slices() {
    for (role, len, calls) in [
        (Role::Server, LARGE, vec![2 + 3 + 4, LARGE]),
        (Role::Server, 1 << 20, vec![2 + 3 + 10, 1 << 20]),
        (Role::Server, LARGE - 1, vec![2 + 3 + 4 + LARGE - 1]),
        (Role::Client, LARGE, vec![6 + 3 + 8 + LARGE]),
    ] {
        let data = message(0, len);
        let (mut ws, script) = over_script(role, &[]);
        is_ready(ws.feed("fed"));
        is_ready(ws.send(&data));
        assert_eq!(*script.calls.borrow(), std::slice::from_ref(&calls), "{role:?} {len}");
        let (_reader, writer) = ws.split();
        is_ready(writer.feed("fed"));
        is_ready(writer.send(&data));
        assert_eq!(*script.calls.borrow(), [calls.clone(), calls]);
        if role == Role::Server {
            let prepared = PreparedMessage::binary(data.as_bytes());
            is_ready(writer.send_prepared(&prepared));
            let slices = script.calls.borrow().last().unwrap().len();
            assert_eq!(slices, 1, "nothing comes before it");
            is_ready(writer.feed("fed"));
            is_ready(writer.send_prepared(&prepared));
            let slices = script.calls.borrow().last().unwrap().len();
            assert_eq!(slices, if len >= LARGE { 2 } else { 1 });
        }
    }
}

/// F34: A transport takes any number of bytes, and then none: the frame continues where it broke
/// off.
#[test]
fn f34_a_large_message_continues_at_any_boundary() {
    let total = 5 + 4 + LARGE;
    let data = message(0, LARGE);
    let boundaries = (0..40).chain((40..total - 10).step_by(997)).chain(total - 10..=total);
    for taken in boundaries {
        let first = if taken == 0 { vec![] } else { vec![Step::Take(taken)] };
        for (second, is_pending) in [
            (Step::Pend, taken < total),
            (Step::Take(1), false),
            (Step::Fail(ErrorKind::Interrupted), false),
        ] {
            // `send` writes twice before it waits.
            let steps = [first.clone(), vec![second, second, Step::Take(3)]].concat();
            let (mut ws, script) = over_script(Role::Server, &steps);
            is_ready(ws.feed("fed"));
            let sent = poll_once(ws.send(&data));
            assert_eq!(sent.is_pending(), is_pending, "{taken} {second:?}");
            if is_pending {
                assert_eq!(ws.pending_bytes(), total - taken);
            }
            if poll_once(ws.ping(b"ping")).is_pending() {
                assert!(taken >= total, "{taken} {second:?}");
                // The Ping is in the output.
                while poll_once(ws.flush()).is_pending() {}
            }
            let expected = [
                (0x81, b"fed".to_vec()),
                (0x82, data.as_bytes().to_vec()),
                (0x89, b"ping".to_vec()),
            ];
            assert_eq!(
                frames(Role::Server, &script.written.borrow()),
                expected,
                "{taken} {second:?}"
            );
        }
    }
}

/// F34: After an error of the transport, and after one that takes nothing, nothing is kept, and
/// nothing is written.
#[test]
fn f34_a_fatal_error_drops_the_rest_of_a_large_message() {
    for (step, kind) in [
        (Step::Fail(ErrorKind::BrokenPipe), ErrorKind::BrokenPipe),
        (Step::Take(0), ErrorKind::WriteZero),
    ] {
        for taken in [1, 4, 5, 100, LARGE] {
            let (mut ws, script) = over_script(Role::Server, &[Step::Take(taken), step]);
            let data = message(0, LARGE);
            for _ in 0..3 {
                let Poll::Ready(Err(Error::Io(error))) = poll_once(ws.send(&data)) else {
                    panic!("{step:?} {taken}")
                };
                assert_eq!(error.kind(), kind);
                assert_eq!(ws.pending_bytes(), 0);
            }
            assert_eq!(script.written.borrow().len(), taken);
        }
    }
}

/// F34: A transport that panics does not break a frame off, if it has written nothing then.
#[test]
fn f34_a_panic_of_the_transport_breaks_no_frame_off() {
    for taken in [0, 2, 4, 5, 1000] {
        let first = if taken == 0 { vec![] } else { vec![Step::Take(taken)] };
        let (ws, script) = over_script(Role::Server, &[first, vec![Step::Panic]].concat());
        let (data, (_reader, writer)) = (message(0, LARGE), ws.split());
        let panicked = catch_unwind(AssertUnwindSafe(|| poll_once(writer.send(&data))));
        assert!(panicked.is_err());
        is_ready(writer.send("next"));
        let expected = [(0x82, data.into_bytes()), (0x81, b"next".to_vec())];
        assert_eq!(frames(Role::Server, &script.written.borrow()), expected, "{taken}");
    }
}

/// R102: A large message that cannot be sent is refused as a small one is, and nothing is written.
#[test]
fn a_large_message_is_refused_like_a_small_one() {
    for len in [1, LARGE] {
        let (ws, script) = over_script(Role::Server, &[]);
        let (_reader, writer) = ws.split();
        let (data, other) = (message(0, len), writer.clone());
        is_ready(writer.send_fragment(sockless::MessageKind::Text, b"begun", false));
        let written = script.written.borrow().len();
        let refused = |sent: Poll<Result<(), Error>>| match sent {
            Poll::Ready(Err(Error::Send(error))) => error,
            other => panic!("{other:?}"),
        };
        let prepared = PreparedMessage::binary(data.as_bytes());
        for _ in 0..2 {
            assert_eq!(refused(poll_once(other.send(&data))), SendError::MessageInProgress);
            assert_eq!(
                refused(poll_once(other.send_prepared(&prepared))),
                SendError::MessageInProgress
            );
        }
        assert_eq!(script.written.borrow().len(), written);
        is_ready(writer.close(sockless::CloseCode::NORMAL, ""));
        let written = script.written.borrow().len();
        assert_eq!(refused(poll_once(other.send(&data))), SendError::Closing);
        assert_eq!(refused(poll_once(other.send_prepared(&prepared))), SendError::Closing);
        assert_eq!(script.written.borrow().len(), written);
    }
}

/// With `fragment_size`, a large message is divided, and leaves as before; and so does a prepared
/// one, which is not divided.
#[test]
fn a_divided_message_is_copied() {
    let config = Config::new().fragment_size(std::num::NonZeroUsize::new(20_000));
    let script = Script::default();
    let mut ws = WebSocket::upgraded(script.clone(), (), support::open(Role::Server, config), Settings::new());
    is_ready(ws.send(message(0, 50_000)));
    is_ready(ws.feed(""));
    is_ready(ws.send_prepared(&PreparedMessage::binary(message(0, LARGE).as_bytes())));
    let sent = frames(Role::Server, &script.written.borrow());
    let firsts: Vec<_> = sent.iter().map(|(first, payload)| (*first, payload.len())).collect();
    let expected = [(0x02, 20_000), (0x00, 20_000), (0x80, 10_000), (0x81, 0), (0x82, LARGE)];
    assert_eq!(firsts, expected);
    assert!(script.calls.borrow().iter().all(|slices| slices.len() == 1));
}

/// A transport that takes everything, and keeps nothing.
struct Sink;

impl Transport for Sink {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A large message for a transport that takes it is not copied: what is allocated is a header.
#[test]
fn a_large_message_is_not_copied() {
    let data = message(0, 1 << 20);
    let prepared = PreparedMessage::binary(data.as_bytes());
    let mut ws = WebSocket::upgraded(Sink, (), engine(Role::Server, false), Settings::new());
    let used = measure(|| {
        is_ready(ws.send(&data));
        is_ready(ws.send_prepared(&prepared));
    });
    assert!(used.bytes_max <= 64, "{used:?}");
    let used = measure(|| is_ready(ws.send(&data)));
    assert_eq!(used.count_total, 0, "{used:?}");
    let (_reader, writer) = ws.split();
    let used = measure(|| {
        is_ready(writer.send(&data));
        is_ready(writer.send_prepared(&prepared));
    });
    assert!(used.bytes_max <= 64, "{used:?}");
    let mut stream = WebSocket::upgraded(Sink, (), engine(Role::Server, false), Settings::new()).into_byte_stream();
    let used = measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        for piece in data.as_bytes().chunks(64 << 10) {
            assert!(matches!(stream.poll_write(&mut cx, piece), Poll::Ready(Ok(len)) if len == piece.len()));
        }
        assert!(stream.poll_flush(&mut cx).is_ready());
    });
    assert!(used.bytes_max <= 64, "{used:?}");
}
