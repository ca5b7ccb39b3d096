//! A server's large messages, which are written from where they are and not copied to the output.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use allocation_counter::measure;
use proptest::prelude::*;
use sockless::{
    CloseCode, Config, Connection, Message, MessageKind, PreparedMessage, Role, SendError,
    adapter::{
        AsMessage, Error,
        std_net::{Reader, WebSocket, Writer},
    },
};
use support::{ROLES, frame, frames, open, peer_of};

use super::{io_kind, is_timeout, text};

/// From this length on, a payload is not copied.
const LARGE: usize = 16 << 10;

/// What a write does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Takes so many bytes at most.
    Take(usize),
    Fail(ErrorKind),
    Panic,
}

/// A transport with scripted writes. After the script, it takes everything.
#[derive(Debug, Default)]
struct Script {
    writes: VecDeque<Step>,
    input: VecDeque<u8>,
    written: Vec<u8>,
    /// The lengths of the slices of each write.
    calls: Vec<Vec<usize>>,
    /// It has no vectored writes: the first slice is written.
    first_slice_only: bool,
}

/// Halves have one handle each.
#[derive(Clone, Debug, Default)]
struct Handle(Arc<Mutex<Script>>);

impl Handle {
    fn new(writes: impl IntoIterator<Item = Step>) -> Self {
        let handle = Self::default();
        handle.0.lock().unwrap().writes = writes.into_iter().collect();
        handle
    }

    fn written(&self) -> Vec<u8> {
        self.0.lock().unwrap().written.clone()
    }

    fn calls(&self) -> Vec<Vec<usize>> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }
}

impl Read for Handle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().input.read(buf)
    }
}

impl Write for Handle {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let script = &mut *self.0.lock().unwrap_or_else(|error| error.into_inner());
        script.calls.push(slices.iter().map(|slice| slice.len()).collect());
        let max_len = match script.writes.pop_front() {
            None => usize::MAX,
            Some(Step::Take(len)) => len,
            Some(Step::Fail(kind)) => return Err(kind.into()),
            Some(Step::Panic) => std::panic::resume_unwind(Box::new(())),
        };
        let slices = if script.first_slice_only { &slices[..1] } else { slices };
        let before = script.written.len();
        for slice in slices {
            let room = max_len - (script.written.len() - before);
            script.written.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Ok(script.written.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A whole connection, or its halves.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum End {
    Whole(WebSocket<Handle>),
    Halves(Reader<Handle, Handle>, Writer<Handle>),
}

macro_rules! call {
    ($end:expr, reader.$($call:tt)+) => {
        match $end {
            End::Whole(ws) => ws.$($call)+,
            End::Halves(reader, _) => reader.$($call)+,
        }
    };
    ($end:expr, writer.$($call:tt)+) => {
        match $end {
            End::Whole(ws) => ws.$($call)+,
            End::Halves(_, writer) => writer.$($call)+,
        }
    };
}

impl End {
    fn new(engine: Connection, handle: &Handle, in_halves: bool) -> Self {
        let ws = WebSocket::upgraded(handle.clone(), engine, Config::default());
        if !in_halves {
            return Self::Whole(ws);
        }
        let halves = |handle: Handle| Ok((handle.clone(), handle));
        let (reader, writer) = ws.split_with(halves).unwrap();
        Self::Halves(reader, writer)
    }

    fn server(handle: &Handle, in_halves: bool) -> Self {
        Self::new(open(Role::Server, Config::default()), handle, in_halves)
    }

    fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        call!(self, writer.send(message))
    }

    fn flush(&mut self) -> io::Result<()> {
        call!(self, writer.flush())
    }

    fn pending_bytes(&self) -> usize {
        call!(self, writer.pending_bytes())
    }
}

/// A payload in which no part is like another one.
fn payload(len: usize) -> Vec<u8> {
    let mut rng = 7_u32;
    let mut next = || {
        rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        rng.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// A server's large message leaves with what was fed before it in one write, of two slices. Below
/// 16 KiB, and as a client, which has to mask it, it is copied.
#[test]
fn a_large_message_leaves_in_one_write_of_two_slices() {
    for in_halves in [false, true] {
        for (role, len, calls) in [
            (Role::Server, LARGE, vec![vec![2 + 3 + 4, LARGE]]),
            (Role::Server, 1 << 20, vec![vec![2 + 3 + 10, 1 << 20]]),
            (Role::Server, LARGE - 1, vec![vec![2 + 3 + 4 + LARGE - 1]]),
            (Role::Client, LARGE, vec![vec![6 + 3 + 8 + LARGE]]),
        ] {
            let handle = Handle::default();
            let mut end = End::new(open(role, Config::default()), &handle, in_halves);
            call!(&mut end, writer.feed("fed")).unwrap();
            end.send(payload(len)).unwrap();
            assert_eq!(handle.calls(), calls, "{role:?} {len}");
            assert_eq!(end.pending_bytes(), 0);
            let expected = [(0x81, b"fed".to_vec()), (0x82, payload(len))];
            assert_eq!(frames(role, &handle.written()), expected);
        }
    }
}

/// The same for a message that is prepared.
#[test]
fn a_large_prepared_message_leaves_in_one_write_of_two_slices() {
    for in_halves in [false, true] {
        let (handle, data) = (Handle::default(), payload(LARGE));
        let prepared = PreparedMessage::binary(&data);
        let mut end = End::server(&handle, in_halves);
        call!(&mut end, writer.feed("fed")).unwrap();
        call!(&mut end, writer.send_prepared(&prepared)).unwrap();
        call!(&mut end, writer.send_prepared(&PreparedMessage::text("small"))).unwrap();
        assert_eq!(handle.calls(), [vec![5, 4 + LARGE], vec![7]]);
        let expected = [(0x81, b"fed".to_vec()), (0x82, data.clone()), (0x81, b"small".to_vec())];
        assert_eq!(frames(Role::Server, &handle.written()), expected);
    }
}

/// F34 F35: A write takes any number of bytes and the next one fails, after which it can be
/// repeated: the frame continues where it broke off, and the next one follows.
#[test]
fn f34_a_large_message_continues_at_any_boundary() {
    let total = 5 + 4 + LARGE;
    let data = payload(LARGE);
    let expected = [
        (0x81, b"fed".to_vec()),
        (0x82, data.clone()),
        (0x89, b"ping".to_vec()),
        (0x82, data.clone()),
    ];
    let boundaries = (0..40).chain((40..total - 10).step_by(997)).chain(total - 10..=total);
    for taken in boundaries {
        let first = if taken == 0 { vec![] } else { vec![Step::Take(taken)] };
        for failure in [
            Step::Fail(ErrorKind::WouldBlock),
            Step::Fail(ErrorKind::TimedOut),
            Step::Take(0),
            Step::Fail(ErrorKind::Interrupted),
            Step::Take(1),
        ] {
            for in_halves in [false, true] {
                let handle = Handle::new(first.iter().copied().chain([failure, Step::Take(3)]));
                let mut end = End::server(&handle, in_halves);
                call!(&mut end, writer.feed("fed")).unwrap();
                let sent = end.send(&data[..]);
                // All is taken before the failure.
                let fails = matches!(failure, Step::Fail(kind) if kind != ErrorKind::Interrupted)
                    || matches!(failure, Step::Take(0));
                assert_eq!(sent.is_err(), fails && taken < total, "{taken} {failure:?}");
                if let Err(error) = sent {
                    let repeatable = is_timeout(&error) || io_kind(&error) == Some(ErrorKind::WriteZero);
                    assert!(repeatable, "{error:?}");
                    assert_eq!(end.pending_bytes(), total - taken);
                }
                // If all was taken before the failure, the Ping fails, and is in the output.
                if call!(&mut end, writer.ping(b"ping")).is_err() {
                    assert!(taken >= total);
                    end.flush().unwrap();
                }
                end.send(&data[..]).unwrap();
                assert_eq!(
                    frames(Role::Server, &handle.written()),
                    expected,
                    "{taken} {failure:?} {in_halves}"
                );
            }
        }
    }
}

/// F34: A transport without vectored writes writes the header alone once. From then on, payloads
/// are copied, so that each message is one write.
#[test]
fn f34_without_vectored_writes_payloads_are_copied() {
    for in_halves in [false, true] {
        let handle = Handle::default();
        handle.0.lock().unwrap().first_slice_only = true;
        let mut end = End::server(&handle, in_halves);
        for calls in [
            vec![vec![4, LARGE], vec![LARGE]],
            vec![vec![4 + LARGE]],
            vec![vec![4 + LARGE]],
        ] {
            end.send(payload(LARGE)).unwrap();
            assert_eq!(handle.calls(), calls);
        }
        let sent = frames(Role::Server, &handle.written());
        assert_eq!(sent, vec![(0x82, payload(LARGE)); 3]);
    }
}

/// F34: After an error that ends the connection, nothing is kept, and nothing is written.
#[test]
fn f34_a_fatal_error_drops_the_rest_of_a_large_message() {
    for in_halves in [false, true] {
        for taken in [1, 9, 10, 100, LARGE] {
            let handle = Handle::new([Step::Take(taken), Step::Fail(ErrorKind::BrokenPipe)]);
            let mut end = End::server(&handle, in_halves);
            call!(&mut end, writer.feed("fed")).unwrap();
            let error = end.send(payload(LARGE)).unwrap_err();
            assert_eq!(io_kind(&error), Some(ErrorKind::BrokenPipe));
            assert_eq!(end.pending_bytes(), 0);
            for _ in 0..2 {
                assert_eq!(
                    io_kind(&end.send(payload(LARGE)).unwrap_err()),
                    Some(ErrorKind::BrokenPipe)
                );
            }
            assert_eq!(handle.written().len(), taken);
        }
    }
}

/// F34: A transport that panics does not break a frame off, if it has written nothing then.
#[test]
fn f34_a_panic_of_the_transport_breaks_no_frame_off() {
    for in_halves in [false, true] {
        for taken in [0, 2, 9, 10, 1000] {
            let first = if taken == 0 { vec![] } else { vec![Step::Take(taken)] };
            let handle = Handle::new(first.into_iter().chain([Step::Panic]));
            let mut end = End::server(&handle, in_halves);
            call!(&mut end, writer.feed("fed")).unwrap();
            let data = payload(LARGE);
            let panicked = catch_unwind(AssertUnwindSafe(|| end.send(&data)));
            assert!(panicked.is_err());
            handle.0.clear_poison();
            end.send("next").unwrap();
            let expected = [(0x81, b"fed".to_vec()), (0x82, data), (0x81, b"next".to_vec())];
            assert_eq!(frames(Role::Server, &handle.written()), expected, "{taken} {in_halves}");
        }
    }
}

/// R102: A large message that cannot be sent is refused as a small one is, and nothing is written.
#[test]
fn a_large_message_is_refused_like_a_small_one() {
    for in_halves in [false, true] {
        for len in [1, LARGE] {
            let (handle, prepared) = (Handle::default(), PreparedMessage::binary(&payload(len)));
            let mut end = End::server(&handle, in_halves);
            call!(&mut end, writer.send_fragment(MessageKind::Text, b"begun", false)).unwrap();
            let written = handle.written();
            for sent in [end.send(payload(len)), call!(&mut end, writer.send_prepared(&prepared))] {
                assert!(
                    matches!(sent, Err(Error::Send(SendError::MessageInProgress))),
                    "{sent:?}"
                );
            }
            assert_eq!(handle.written(), written);
            call!(&mut end, writer.close(CloseCode::NORMAL, "")).unwrap();
            let written = handle.written();
            for sent in [end.send(payload(len)), call!(&mut end, writer.send_prepared(&prepared))] {
                assert!(matches!(sent, Err(Error::Send(SendError::Closing))), "{sent:?}");
            }
            assert_eq!(handle.written(), written);
        }
    }
}

/// With `fragment_size`, a large message is divided, and leaves as before; and so does a prepared
/// one, which is not divided.
#[test]
fn a_divided_message_is_copied() {
    for in_halves in [false, true] {
        let handle = Handle::default();
        let config = Config::new().fragment_size(std::num::NonZeroUsize::new(20_000));
        let mut end = End::new(open(Role::Server, config), &handle, in_halves);
        end.send(payload(50_000)).unwrap();
        call!(
            &mut end,
            writer.send_prepared(&PreparedMessage::binary(&payload(LARGE)))
        )
        .unwrap();
        let sent = frames(Role::Server, &handle.written());
        let firsts: Vec<_> = sent.iter().map(|(first, payload)| (*first, payload.len())).collect();
        assert_eq!(firsts, [(0x02, 20_000), (0x00, 20_000), (0x80, 10_000), (0x82, LARGE)]);
        assert!(handle.calls().iter().all(|slices| slices.len() == 1));
    }
}

/// A compressed message is copied to the output, compressed. With compression turned off for it, it
/// is not.
#[cfg(feature = "deflate")]
#[test]
fn a_compressed_message_is_not_borrowed() {
    for in_halves in [false, true] {
        let handle = Handle::default();
        let engine = support::upgraded(
            Role::Server,
            &support::with_deflate(support::params(15, false)),
            Config::default(),
        );
        let mut end = End::new(engine, &handle, in_halves);
        let data = vec![7; LARGE];
        end.send(&data).unwrap();
        assert!(handle.written().len() < 200);
        call!(&mut end, writer.set_compression(false));
        end.send(&data).unwrap();
        call!(&mut end, writer.send_prepared(&PreparedMessage::binary(&data))).unwrap();
        let calls = handle.calls();
        assert_eq!(calls[0].len(), 1);
        assert_eq!(calls[1..], [vec![4, LARGE], vec![4 + LARGE]]);
    }
}

/// A transport that takes everything, and keeps nothing.
struct Sink;

impl Read for Sink {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A large message for a transport that takes it is not copied: what is allocated is a header.
#[test]
fn a_large_message_is_not_copied() {
    let data = payload(1 << 20);
    let prepared = PreparedMessage::binary(&data);
    let open = || WebSocket::upgraded(Sink, open(Role::Server, Config::default()), Config::default());
    let mut ws = open();
    let used = measure(|| {
        ws.send(&data[..]).unwrap();
        ws.send_prepared(&prepared).unwrap();
    });
    assert!(used.bytes_max <= 64, "{used:?}");
    let used = measure(|| ws.send(&data[..]).unwrap());
    assert_eq!(used.count_total, 0, "{used:?}");
    let (_reader, writer) = open().split_with(|_| Ok((Sink, Sink))).unwrap();
    let used = measure(|| {
        writer.send(&data[..]).unwrap();
        writer.send_prepared(&prepared).unwrap();
    });
    assert!(used.bytes_max <= 64, "{used:?}");
}

/// A transport that tells when a write begins, and waits until it may go on.
struct Gate {
    handle: Handle,
    begun: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.begun.send(()).unwrap();
        // Afterwards, all writes go on.
        let _closed = self.go_on.recv();
        self.handle.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While a thread writes a large message, those of other threads, Pings and the reader's Pongs wait
/// behind it, in order, and nothing comes into the middle of a frame.
#[test]
fn f35_other_threads_follow_a_large_message() {
    let handle = Handle::default();
    let (begun, has_begun) = mpsc::channel();
    let (let_go_on, go_on) = mpsc::channel();
    let input = [frame(Role::Client, 0x89, b"?"), frame(Role::Client, 0x81, b"!")].concat();
    handle.0.lock().unwrap().input.extend(input);
    let ws = WebSocket::upgraded(handle.clone(), open(Role::Server, Config::default()), Config::default());
    let gate = |stream: Handle| {
        let gate = Gate {
            handle: stream.clone(),
            begun,
            go_on,
        };
        Ok((stream, gate))
    };
    let (mut reader, writer) = ws.split_with(gate).unwrap();
    let (large, other) = (payload(LARGE), payload(2 * LARGE));
    thread::scope(|scope| {
        scope.spawn(|| writer.send(&large[..]).unwrap());
        has_begun.recv().unwrap();
        // Neither waits for the writer: the first is the reply of a reader.
        assert_eq!(reader.recv().unwrap(), Some(text("!")));
        assert!(writer.pending_bytes() >= 4 + LARGE);
        writer.feed("fed").unwrap();
        let waiting = scope.spawn(|| writer.send(&other[..]).unwrap());
        while writer.pending_bytes() < 4 + LARGE + 3 + 5 + 4 + 2 * LARGE {
            thread::yield_now();
        }
        assert!(!waiting.is_finished());
        drop(let_go_on);
    });
    let expected = [
        (0x82, large),
        (0x8A, b"?".to_vec()),
        (0x81, b"fed".to_vec()),
        (0x82, other),
    ];
    assert_eq!(frames(Role::Server, &handle.written()), expected);
}

/// A call of a conversation.
#[derive(Clone, Debug)]
enum Call {
    Send(usize, bool),
    Feed(usize),
    Prepared(usize),
    Ping(usize),
    /// Receives a message, and a Ping before it.
    Receive,
    Flush,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let len = prop_oneof![0..200_usize, LARGE - 3..LARGE + 3, 65_530..70_000_usize];
    let call = prop_oneof![
        4 => (len.clone(), any::<bool>()).prop_map(|(len, text)| Call::Send(len, text)),
        1 => len.clone().prop_map(Call::Feed),
        2 => len.prop_map(Call::Prepared),
        1 => (0..126_usize).prop_map(Call::Ping),
        1 => Just(Call::Receive),
        1 => Just(Call::Flush),
    ];
    prop::collection::vec(call, 1..8)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..20_usize).prop_map(Step::Take),
        (1..70_000_usize).prop_map(Step::Take),
        prop_oneof![Just(ErrorKind::WouldBlock), Just(ErrorKind::Interrupted)].prop_map(Step::Fail),
    ];
    prop::collection::vec(step, 0..20)
}

/// The message of a call.
fn outgoing(len: usize, is_text: bool) -> Message<'static> {
    if is_text {
        Message::from("a".repeat(len))
    } else {
        Message::from(payload(len))
    }
}

/// Runs the calls on an adapter. A call that timed out is not repeated, as its message is in the
/// output.
fn run(end: &mut End, calls: &[Call]) {
    for call in calls {
        let done = match *call {
            Call::Send(len, is_text) => end.send(outgoing(len, is_text)),
            Call::Feed(len) => call!(&mut *end, writer.feed(outgoing(len, false))).map_err(Error::from),
            Call::Prepared(len) => call!(&mut *end, writer.send_prepared(&PreparedMessage::binary(&payload(len)))),
            // What is above the high-water mark is written first, so that a Ping is appended.
            Call::Ping(len) => {
                while end.flush().is_err() {}
                call!(&mut *end, writer.ping(&payload(len)))
            }
            Call::Receive => {
                while let Err(error) = call!(&mut *end, reader.recv()) {
                    assert!(is_timeout(&error), "{error:?}");
                }
                Ok(())
            }
            Call::Flush => end.flush().map_err(Error::from),
        };
        assert!(done.as_ref().err().is_none_or(is_timeout), "{done:?}");
    }
    while end.flush().is_err() {}
}

/// Runs them on an engine. Returns its output.
fn expected(mut engine: Connection, calls: &[Call]) -> Vec<u8> {
    let mut out = Vec::new();
    for call in calls {
        match *call {
            Call::Send(len, true) => engine.send_text(&"a".repeat(len), &mut out).unwrap(),
            Call::Send(len, false) | Call::Feed(len) => engine.send_binary(&payload(len), &mut out).unwrap(),
            Call::Prepared(len) => {
                let prepared = PreparedMessage::binary(&payload(len));
                engine.send_prepared(&prepared, &mut out).unwrap();
            }
            Call::Ping(len) => engine.ping(&payload(len), &mut out).unwrap(),
            Call::Receive => engine.pong(b"?", &mut out).unwrap(),
            Call::Flush => {}
        }
    }
    out
}

/// What a client sends for a call that receives.
fn incoming(role: Role) -> Vec<u8> {
    let peer = peer_of(role);
    [frame(peer, 0x89, b"?"), frame(peer, 0x81, b"!")].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// F34 F35: Whatever is sent in which order, and whatever the transport takes at a time: the
    /// bytes on the wire are those of the engine's output, in which every payload is copied.
    #[test]
    fn f34_the_output_is_that_of_the_engine(
        calls in calls(),
        steps in steps(),
        in_halves: bool,
        first_slice_only: bool,
        is_compressed: bool,
    ) {
        for role in ROLES {
            let engine = || super::super::engine_if(is_compressed, role);
            let handle = Handle::new(steps.iter().copied());
            let receives = calls.iter().filter(|call| matches!(call, Call::Receive)).count();
            {
                let mut script = handle.0.lock().unwrap();
                script.first_slice_only = first_slice_only;
                script.input.extend(incoming(role).repeat(receives));
            }
            run(&mut End::new(engine(), &handle, in_halves), &calls);
            prop_assert!(handle.written() == expected(engine(), &calls), "{role:?}");
        }
    }
}
