//! The law of polled adapters: any calls over a transport whose every call follows a script,
//! against an engine that is fed directly.

use std::{
    cell::RefCell,
    future::Future,
    io::{self, ErrorKind, IoSlice},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use sockless::{
    CloseCode, Config, Event, Message, ProtocolError, Role,
    adapter::{
        Error, Settings,
        poll::{Transport, WebSocket},
    },
    timers::Timeouts,
};

use super::{options::Cursor, reference};
use crate::{Outcome, feed, frames, open, peer_of, pipe::WakeFlag, polled::message};

/// The maximum number of polls of one future. A future that needs more hangs.
const MAX_POLLS: usize = 100_000;

/// What a transport does in its calls, and what has passed through it.
#[derive(Default)]
struct Script {
    /// What the next calls do. After them, each call is ready, for all bytes or for three.
    steps: Vec<u8>,
    is_slow: bool,
    at: usize,
    input: Vec<u8>,
    read: usize,
    /// The error that follows the input; without one, the end.
    read_error: Option<ErrorKind>,
    written: Vec<u8>,
    /// After that many bytes, writing fails.
    breaks_at: usize,
    is_broken: bool,
    is_shut: bool,
    is_vectored: bool,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

impl Script {
    /// The slot of the waker of one direction.
    fn waker(&mut self, is_read: bool) -> &mut Option<Waker> {
        if is_read {
            &mut self.read_waker
        } else {
            &mut self.write_waker
        }
    }

    /// How many bytes the next call may take; or that it is pending or interrupted. A waker is kept
    /// in the slot, or woken at once.
    fn step(&mut self, cx: &Context<'_>, is_read: bool) -> Poll<io::Result<usize>> {
        let last = if self.is_slow { 0x26 } else { 0xFF };
        let step = self.steps.get(self.at).copied().unwrap_or(last);
        self.at += 1;
        let slot = self.waker(is_read);
        *slot = None;
        match step % 16 {
            0..=3 => {
                *slot = Some(cx.waker().clone());
                Poll::Pending
            }
            4 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            5 => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            6..=9 => Poll::Ready(Ok(1 + usize::from(step) / 16)),
            10..=13 => Poll::Ready(Ok(1 + usize::from(step))),
            _ => Poll::Ready(Ok(usize::MAX)),
        }
    }
}

#[derive(Clone, Default)]
struct Scripted(Rc<RefCell<Script>>);

impl Transport for Scripted {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut script = self.0.borrow_mut();
        let max = match script.step(cx, true) {
            Poll::Ready(Ok(max)) => max,
            other => return other,
        };
        let rest = &script.input[script.read..];
        let len = rest.len().min(max).min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        script.read += len;
        match script.read_error {
            Some(kind) if len == 0 => Poll::Ready(Err(kind.into())),
            _ => Poll::Ready(Ok(len)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut script = self.0.borrow_mut();
        let max = match script.step(cx, false) {
            Poll::Ready(Ok(max)) => max,
            other => return other,
        };
        assert!(!script.is_shut, "nothing is written after the end");
        let room = script.breaks_at - script.written.len();
        if room == 0 {
            script.is_broken = true;
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let all = slices.iter().flat_map(|slice| slice.iter().copied());
        let before = script.written.len();
        script.written.extend(all.take(room.min(max)));
        Poll::Ready(Ok(script.written.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_vectored
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().step(cx, false).map_ok(|_| ())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut script = self.0.borrow_mut();
        let step = script.step(cx, false).map_ok(|_| ());
        script.is_shut |= matches!(step, Poll::Ready(Ok(())));
        step
    }
}

type Ws = WebSocket<Scripted, ()>;

/// Runs a future to its end, or drops it after it was pending that often. When it is pending, it
/// has woken its task, or the transport has its waker: no wakeup is lost.
fn run<F: Future>(script: &RefCell<Script>, future: F, cancel_after: Option<usize>) -> Option<F::Output> {
    let mut future = pin!(future);
    for pending in 1..MAX_POLLS {
        // Each poll has a waker of its own: only the last one counts.
        let flag = Arc::new(WakeFlag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if cancel_after == Some(pending) {
            return None;
        }
        let kept = |is_read: bool| script.borrow_mut().waker(is_read).take();
        let is_read_first = script.borrow().at % 2 == 0;
        for is_read in [is_read_first, !is_read_first] {
            if !flag.0.load(SeqCst) {
                kept(is_read).into_iter().for_each(Waker::wake);
            }
        }
        assert!(flag.0.load(SeqCst), "the wakeup is lost");
    }
    panic!("the future does not end");
}

/// What the application sees.
#[derive(Default)]
struct Seen {
    received: Vec<Message<'static>>,
    /// The first error of a call that receives.
    error: Option<Error>,
    has_ended: bool,
    /// Messages that are in the output, and those that may be.
    sent: Vec<Message<'static>>,
    attempted: Vec<Message<'static>>,
    pings: usize,
    closed: bool,
}

/// For any calls over any transport: what is received is what an engine receives that is fed
/// directly, and so is the end; what is written are the messages sent, the replies, and nothing
/// else. No wakeup is lost, and a dropped future loses nothing.
pub fn polled(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let [bits, limit, calls, steps] = cursor.array();
    let bit = |bit: u32| bits >> bit & 1 == 1;
    let role = if bit(0) { Role::Client } else { Role::Server };
    let rest = cursor.rest();
    let (calls, rest) = rest.split_at(rest.len().min(usize::from(calls % 32)));
    let (steps, input) = rest.split_at(rest.len().min(usize::from(steps)));
    let script = Rc::new(RefCell::new(Script {
        steps: steps.to_vec(),
        input: input.to_vec(),
        read_error: bit(1).then_some(ErrorKind::ConnectionReset),
        breaks_at: if bit(2) { 4 * usize::from(limit) } else { usize::MAX },
        is_vectored: bit(3),
        is_slow: bit(5),
        ..Script::default()
    }));
    let settings = Settings::new()
        .high_water(if bit(4) { 50 } else { 100_000 })
        .timeouts(Timeouts::none());
    let mut ws = Ws::upgraded(Scripted(Rc::clone(&script)), (), open(role, Config::new()), settings);
    let mut seen = Seen::default();
    for (number, call) in calls.iter().enumerate() {
        make_call(&mut ws, &script, &mut seen, number, *call);
    }
    while !seen.has_ended {
        receive(&mut ws, &script, &mut seen, 0, None);
    }
    check(role, &script.borrow(), &seen);
    for _ in 0..2 {
        assert!(matches!(run(&script, ws.recv(), None), Some(Ok(None))), "the end stays");
    }
    assert!(run(&script, ws.send("late"), None).unwrap().is_err());
}

fn make_call(ws: &mut Ws, script: &RefCell<Script>, seen: &mut Seen, number: usize, call: u8) {
    let cancel_after = match call / 32 {
        count @ 1..=3 => Some(count.into()),
        _ => None,
    };
    let len = [3, 200, 5000, 70_000][usize::from(call / 64)];
    let next = || message(number, len);
    match call % 16 {
        0..=6 if !seen.has_ended => receive(ws, script, seen, call, cancel_after),
        7..=9 => {
            if let Some(Ok(())) = run(script, ws.feed(next()), cancel_after) {
                seen.sent.push(next());
                seen.attempted.push(next());
            }
        }
        10 | 11 => {
            seen.attempted.push(next());
            if let Some(Ok(())) = run(script, ws.send(next()), None) {
                seen.sent.push(next());
            }
        }
        12 => {
            if let Some(Ok(())) = run(script, ws.ping(&[7; 3]), None) {
                seen.pings += 1;
            }
        }
        13 if call >= 0xC0 => {
            if run(script, ws.close(CloseCode::GOING_AWAY, "x"), None).unwrap().is_ok() {
                seen.closed = true;
            }
        }
        _ => drop(run(script, ws.flush(), cancel_after)),
    }
}

/// Receives once, in one of three ways.
fn receive(ws: &mut Ws, script: &RefCell<Script>, seen: &mut Seen, call: u8, cancel_after: Option<usize>) {
    let result = match call % 16 {
        0..=2 => run(script, ws.recv(), cancel_after),
        3 | 4 => run(script, ws.recv_with(|message| message.into_owned()), cancel_after),
        _ => match run(script, ws.recv_event(), cancel_after) {
            Some(Ok(Some(Event::Text(text)))) => Some(Ok(Some(Message::Text(text)))),
            Some(Ok(Some(Event::Binary(data)))) => Some(Ok(Some(Message::Binary(data)))),
            Some(Ok(Some(_))) => return,
            Some(Ok(None)) => Some(Ok(None)),
            Some(Err(error)) => Some(Err(error)),
            None => None,
        },
    };
    match result {
        None => {}
        Some(Ok(Some(message))) => seen.received.push(message),
        Some(Ok(None)) => seen.has_ended = true,
        Some(Err(error)) => {
            seen.error = Some(error);
            seen.has_ended = true;
        }
    }
}

fn check(role: Role, script: &Script, seen: &Seen) {
    let direct = feed(&mut open(role, Config::new()), &script.input);
    let messages = direct.events.iter().filter_map(|event| match event {
        Event::Text(text) => Some(Message::Text(text.clone())),
        Event::Binary(data) => Some(Message::Binary(data.clone())),
        _ => None,
    });
    assert_eq!(seen.received, messages.collect::<Vec<_>>());
    if !script.is_broken {
        check_end(&direct, script, seen);
    }
    check_written(role, &direct, script, seen);
}

/// How receiving ends follows from the input.
fn check_end(direct: &Outcome, script: &Script, seen: &Seen) {
    match (direct.error, direct.events.last()) {
        (Some(error), _) => {
            assert!(
                matches!(&seen.error, Some(Error::Protocol(found)) if **found == error),
                "{:?}",
                seen.error
            );
        }
        (None, Some(Event::Close(frame))) => {
            let is_success = frame.as_ref().is_none_or(|frame| matches!(frame.code.0, 1000 | 1001));
            match &seen.error {
                None => assert!(is_success),
                Some(Error::Closed(_)) => assert!(!is_success),
                other => panic!("{other:?}"),
            }
        }
        (None, _) => match (&seen.error, script.read_error) {
            (Some(Error::Io(error)), Some(kind)) => assert_eq!(error.kind(), kind),
            (Some(Error::Protocol(error)), None) => assert_eq!(**error, ProtocolError::UnexpectedEof),
            other => panic!("{other:?}"),
        },
    }
}

/// What was written: the messages, the replies, and at most one Close frame.
fn check_written(role: Role, direct: &Outcome, script: &Script, seen: &Seen) {
    let (written, error) = reference::frames(peer_of(role), &script.written);
    assert_eq!(error, None, "whole frames are written");
    let is_all = !script.is_broken && script.read_error.is_none();
    assert!(!is_all || written.iter().all(reference::Frame::is_whole));
    let (mut messages, mut pongs, mut closes) = (Vec::new(), Vec::new(), Vec::new());
    let mut pings = 0;
    for frame in written.into_iter().filter(reference::Frame::is_whole) {
        assert!(
            closes.is_empty() || frame.opcode() == 10,
            "only Pongs follow a Close frame"
        );
        match frame.opcode() {
            1 => messages.push(Message::Text(String::from_utf8(frame.payload).unwrap().into())),
            2 => messages.push(Message::Binary(frame.payload.into())),
            8 => closes.push(frame.payload),
            9 => pings += 1,
            10 => pongs.push(frame.payload),
            opcode => panic!("opcode {opcode}"),
        }
    }
    let expected_pongs: Vec<_> = direct
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Ping(payload) => Some(payload.to_vec()),
            _ => None,
        })
        .collect();
    if is_all {
        assert_eq!((&messages, pings), (&seen.sent, seen.pings));
        assert_eq!(pongs, expected_pongs);
        let replies = frames(role, &direct.out)
            .into_iter()
            .filter(|(first, _)| *first == 0x88);
        let reply = replies.map(|(_, payload)| payload).next();
        let own = seen.closed.then(|| b"\x03\xE9x".to_vec());
        assert_eq!(closes.first(), own.or(reply).as_ref());
    } else {
        let mut attempted = seen.attempted.iter();
        assert!(messages.iter().all(|message| attempted.any(|other| other == message)));
        assert!(expected_pongs.starts_with(&pongs));
    }
}
