//! The blocking adapter over transports that are whimsical, and break: in one thread, and its two halves.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    rc::Rc,
};

use sockless::{
    Accept, ClientRequest, Config, Message, ProtocolError, Role,
    adapter::{
        Error,
        std_net::{Incoming, WebSocket},
    },
};
use support::{
    REQUEST, ROLES, frames, open, peer_of,
    script::{complete_messages, expected_output, outgoing_messages, peer_input, server_response},
};

/// How a transport is, until it breaks.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Few bytes, an interruption.
    Awake,
    /// A timeout too.
    Wild,
    /// A byte, a timeout, a byte.
    Drip,
}

/// What happens behind so many bytes of one direction.
#[derive(Clone, Copy)]
struct Fault {
    at: usize,
    kind: ErrorKind,
    once: bool,
}

impl Fault {
    const NONE: Self = Self::new(usize::MAX, ErrorKind::Other);

    const fn new(at: usize, kind: ErrorKind) -> Self {
        let once = !matches!(kind, ErrorKind::ConnectionReset);
        Self { at, kind, once }
    }

    /// How many bytes there are before it.
    fn room(&mut self, done: usize) -> io::Result<usize> {
        if done < self.at {
            return Ok(self.at - done);
        }
        if self.once {
            self.at = usize::MAX;
        }
        Err(self.kind.into())
    }
}

/// A transport that gives and takes as a seed chooses. Of what there is to read it gives so many bytes, and then its end.
#[derive(Clone)]
struct Whims {
    seed: u64,
    mood: Mood,
    /// For a client that is to be answered: what comes behind the answer.
    input: Vec<u8>,
    answers: bool,
    cut: usize,
    read: usize,
    reading: Fault,
    writing: Fault,
    written: Rc<RefCell<Vec<u8>>>,
}

impl Whims {
    fn new(seed: u64, mood: Mood, input: &[u8]) -> Self {
        Self {
            seed,
            mood,
            input: input.to_vec(),
            answers: false,
            cut: usize::MAX,
            read: 0,
            reading: Fault::NONE,
            writing: Fault::NONE,
            written: Rc::default(),
        }
    }

    /// Whatever follows from the seed.
    fn dice(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    /// How many bytes go through.
    fn ask(&mut self) -> io::Result<usize> {
        let dice = self.dice() % 10;
        match (dice, self.mood) {
            (0..5, Mood::Drip) => Err(ErrorKind::WouldBlock.into()),
            (_, Mood::Drip) => Ok(1),
            (0, _) => Err(ErrorKind::Interrupted.into()),
            (1, Mood::Wild) => Err(ErrorKind::WouldBlock.into()),
            (2, Mood::Wild) => Err(ErrorKind::TimedOut.into()),
            (1..4, _) => Ok(1),
            (n, _) => Ok(usize::try_from(n * n * n).unwrap()),
        }
    }
}

impl Read for Whims {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.answers) {
            let answer = server_response(&self.written.borrow());
            if answer.is_empty() {
                self.input.clear();
            }
            self.input.splice(0..0, answer);
        }
        let most = self.ask()?.min(buf.len()).min(self.reading.room(self.read)?);
        let rest = &self.input[self.read..self.cut.min(self.input.len())];
        let n = most.min(rest.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for Whims {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let most = self.ask()?.min(buf.len());
        let n = most.min(self.writing.room(self.written.borrow().len())?);
        self.written.borrow_mut().extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ask().map(drop)
    }
}

/// Whether one is to try again.
fn is_late(error: &Error) -> bool {
    matches!(error, Error::Io(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Receives until it has ended, in one way, and brings nothing more.
fn outcome(
    mut recv: impl FnMut() -> Result<Option<Message<'static>>, Error>,
) -> (Vec<Message<'static>>, Option<Error>) {
    let mut messages = Vec::new();
    let error = (0..100_000).find_map(|_| match recv() {
        Ok(Some(message)) => {
            messages.push(message);
            None
        }
        Ok(None) => Some(None),
        Err(error) if is_late(&error) => None,
        Err(error) => Some(Some(error)),
    });
    let error = error.expect("it ends");
    for _ in 0..3 {
        let again = recv();
        assert_eq!(again.is_ok(), error.is_none(), "{again:?}");
        assert!(!matches!(again, Ok(Some(_))), "{again:?}");
    }
    (messages, error)
}

/// Feeds those messages and receives, in one thread or with the halves.
fn converse(
    role: Role,
    whims: Whims,
    halves: bool,
    fed: &[Message<'static>],
) -> (Vec<Message<'static>>, Option<Error>) {
    let mut ws = WebSocket::upgraded(whims, open(role, Config::default()), Config::default());
    if !halves {
        for message in fed {
            ws.feed(message).unwrap();
        }
        let outcome = outcome(|| ws.recv());
        assert!(matches!(ws.send("more"), Err(Error::Send(_))));
        return outcome;
    }
    let (mut reader, writer) = ws.split_with(|whims| Ok((whims.clone(), whims))).unwrap();
    for message in fed {
        // What it does not write is for the reader.
        let sent = writer.send(message);
        assert!(sent.as_ref().map_or_else(is_late, |()| true), "{sent:?}");
    }
    let outcome = outcome(|| reader.recv());
    assert!(matches!(writer.send("more"), Err(Error::Send(_))));
    outcome
}

/// R116 (F34 F35): whatever the transport does, when it ends or breaks after any number of bytes, everything before that
/// arrives, every reply leaves once, and there is one outcome.
#[test]
fn f34_a_transport_that_fails_at_any_byte_loses_nothing_before() {
    for (role, halves) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let input = peer_input(peer_of(role));
        for seed in 0..400_u64 {
            let cut = if seed % 8 == 0 {
                input.len()
            } else {
                (seed as usize * 7919) % input.len()
            };
            let mut whims = Whims::new(seed, Mood::Wild, &input[..cut]);
            let is_reset = seed / 8 % 2 == 1;
            if is_reset {
                whims.reading = Fault::new(cut, ErrorKind::ConnectionReset);
            }
            let sent = Rc::clone(&whims.written);
            let (received, error) = converse(role, whims, halves, &[]);
            assert_eq!(received, complete_messages(role, &input[..cut]), "{seed}");
            assert_eq!(*sent.borrow(), expected_output(role, &[], &input[..cut]), "{seed}");
            match error {
                None => assert_eq!(cut, input.len(), "{seed}"),
                Some(Error::Io(error)) => assert!(is_reset && error.kind() == ErrorKind::ConnectionReset),
                Some(Error::Protocol(error)) if *error == ProtocolError::UnexpectedEof => {
                    assert!(!is_reset && cut < input.len());
                }
                other => panic!("{seed}: {other:?}"),
            }
        }
    }
}

/// R116 (F34 F35): the peer ends its sending direction after any number of bytes: all that was to be written is written,
/// before the end is reported.
#[test]
fn f34_a_half_closed_transport_is_written_to_its_end() {
    for (role, halves) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let input = peer_input(peer_of(role));
        for cut in (0..input.len()).step_by(23).chain([input.len()]) {
            let input = &input[..cut];
            let whims = Whims::new(cut as u64, Mood::Wild, input);
            let sent = Rc::clone(&whims.written);
            let (received, _) = converse(role, whims, halves, &outgoing_messages());
            assert_eq!(received, complete_messages(role, input), "{cut}");
            assert_eq!(
                *sent.borrow(),
                expected_output(role, &outgoing_messages(), input),
                "{cut}"
            );
        }
    }
}

/// A byte now and then, in both directions: nothing is lost.
#[test]
fn a_slow_drip_is_received_and_written() {
    for (role, halves) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let input = peer_input(peer_of(role));
        let whims = Whims::new(1, Mood::Drip, &input);
        let sent = Rc::clone(&whims.written);
        let (received, error) = converse(role, whims, halves, &outgoing_messages());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(received, complete_messages(role, &input));
        assert_eq!(*sent.borrow(), expected_output(role, &outgoing_messages(), &input));
    }
}

/// R116 (F34 F35): both halves work, in any order, until one direction breaks after any number of bytes: what was read
/// before arrives, and what was sent before leaves whole, once and in order.
#[test]
fn f34_halves_over_a_transport_that_fails_at_any_byte() {
    for role in ROLES {
        let input = peer_input(peer_of(role));
        for seed in 0..400_u64 {
            let at = (seed as usize * 7919) % input.len();
            let mut whims = Whims::new(seed, Mood::Wild, &input);
            let is_deaf = seed % 2 == 0;
            let fault = Fault::new(at, ErrorKind::ConnectionReset);
            *(if is_deaf {
                &mut whims.writing
            } else {
                &mut whims.reading
            }) = fault;
            let sent = Rc::clone(&whims.written);
            let mut order = whims.clone();
            let ws = WebSocket::upgraded(whims, open(role, Config::default()), Config::default());
            let (mut reader, writer) = ws.split_with(|whims| Ok((whims.clone(), whims))).unwrap();
            let (mut taken, mut unwritten, mut lost) = (Vec::new(), false, false);
            let mut send = || {
                let n = taken.len();
                let result = if unwritten {
                    writer.flush().map_err(Error::from)
                } else {
                    let result = writer.send(vec![3; 2 * n]);
                    if result.as_ref().map_or_else(is_late, |()| true) {
                        taken.push((0x82, vec![3; 2 * n]));
                    }
                    result
                };
                unwritten = result.as_ref().is_err_and(is_late);
                lost |= matches!(&result, Err(error @ Error::Io(_)) if !is_late(error));
                result.is_ok()
            };
            let (received, error) = outcome(|| {
                while order.dice() % 2 == 0 {
                    send();
                }
                reader.recv()
            });
            // A connection that is over takes no more, and writes what it took.
            let rest = (0..1000).any(|_| send() || writer.flush().is_ok());
            if is_deaf {
                assert_eq!(received, complete_messages(role, &input), "{seed}");
                assert!(error.is_none(), "{seed}: {error:?}");
                let all = sent.borrow().len();
                assert!(all == at || all < at && !lost, "{seed}: {all} of {at}");
                let arrived = complete_messages(peer_of(role), &sent.borrow());
                let taken = taken.into_iter().map(|(_, data)| Message::from(data));
                assert!(taken.take(arrived.len()).eq(arrived), "{seed}");
                continue;
            }
            assert!(rest && !lost, "{seed}");
            assert_eq!(received, complete_messages(role, &input[..at]), "{seed}");
            assert!(
                matches!(&error, Some(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset),
                "{seed}: {error:?}"
            );
            let (data, replies): (Vec<_>, Vec<_>) = frames(role, &sent.borrow()).into_iter().partition(|f| f.0 == 0x82);
            assert_eq!(data, taken, "{seed}");
            assert_eq!(
                replies,
                frames(role, &expected_output(role, &[], &input[..at])),
                "{seed}"
            );
        }
    }
}

/// The opening handshake over that transport.
fn handshake(role: Role, mut whims: Whims) -> Result<WebSocket<Whims>, Error> {
    match role {
        Role::Server => Incoming::new(whims, Config::default())?.accept(&Accept::new()),
        Role::Client => {
            whims.answers = !whims.input.starts_with(b"HTTP");
            let request = ClientRequest::new("ws://example.com/").unwrap();
            WebSocket::client(whims, &request, Config::default()).map(|(ws, _)| ws)
        }
    }
}

/// What there is to read in that role, and how long the head is.
fn script(role: Role) -> (Vec<u8>, usize) {
    let conversation = peer_input(peer_of(role));
    match role {
        Role::Server => ([REQUEST.as_bytes(), &conversation].concat(), REQUEST.len()),
        Role::Client => (conversation, server_response(REQUEST.as_bytes()).len()),
    }
}

/// An interruption is none: the handshake and all behind it take place.
fn goes_on(role: Role, opened: Result<WebSocket<Whims>, Error>) {
    let mut ws = opened.unwrap();
    let (received, error) = outcome(|| ws.recv());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(received, complete_messages(role, &peer_input(peer_of(role))));
}

/// R116 (F34 F35): a handshake whose input ends, breaks or takes too long after any number of bytes is an error, and one
/// that is interrupted goes on, in both roles.
#[test]
fn f34_a_handshake_that_cannot_be_read_at_any_byte() {
    for role in ROLES {
        let (input, len) = script(role);
        for cut in 0..len {
            let mut whims = Whims::new(cut as u64, Mood::Awake, &input);
            whims.cut = cut;
            let written = Rc::clone(&whims.written);
            let error = handshake(role, whims).unwrap_err();
            assert!(
                matches!(&error, Error::Protocol(error) if **error == ProtocolError::HandshakeEof),
                "{error:?}"
            );
            assert_eq!(written.borrow().is_empty(), role == Role::Server);
            for kind in [
                ErrorKind::ConnectionReset,
                ErrorKind::WouldBlock,
                ErrorKind::TimedOut,
                ErrorKind::Interrupted,
            ] {
                let mut whims = Whims::new(cut as u64, Mood::Awake, &input);
                whims.reading = Fault::new(cut, kind);
                match handshake(role, whims) {
                    Err(Error::Io(error)) => assert!(error.kind() == kind && kind != ErrorKind::Interrupted),
                    opened if kind == ErrorKind::Interrupted => goes_on(role, opened),
                    other => panic!("{cut} {kind}: {other:?}"),
                }
            }
        }
    }
}

/// R116 (F34 F35): a handshake whose output breaks or takes too long after any number of bytes is an error, and one that is
/// interrupted goes on, in both roles. A client still reads why.
#[test]
fn f34_a_handshake_that_cannot_be_written_at_any_byte() {
    const REFUSAL: &[u8] = b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n";
    for role in ROLES {
        let (input, _) = script(role);
        let whole = Whims::new(0, Mood::Awake, &input);
        let written = Rc::clone(&whole.written);
        drop(handshake(role, whole).unwrap());
        let len = written.borrow().len();
        assert!(len > 100);
        for at in 0..len {
            let whims = |kind, input| {
                let mut whims = Whims::new(at as u64, Mood::Awake, input);
                whims.writing = Fault::new(at, kind);
                whims
            };
            goes_on(role, handshake(role, whims(ErrorKind::Interrupted, &input)));
            for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::ConnectionReset] {
                let whims = whims(kind, &input);
                let written = Rc::clone(&whims.written);
                match handshake(role, whims).unwrap_err() {
                    Error::Io(error) => assert_eq!(error.kind(), kind),
                    Error::Protocol(error) if *error == ProtocolError::HandshakeEof => {
                        assert!(role == Role::Client && kind == ErrorKind::ConnectionReset);
                    }
                    other => panic!("{at} {kind}: {other:?}"),
                }
                assert_eq!(written.borrow().len(), at);
            }
            if role == Role::Client {
                let error = handshake(role, whims(ErrorKind::ConnectionReset, REFUSAL)).unwrap_err();
                assert!(matches!(error, Error::Refused(_)), "{error:?}");
            }
        }
    }
}
