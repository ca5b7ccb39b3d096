//! The blocking adapter over transports with injected faults: short reads and writes,
//! interruptions, timeouts, failures. Whole connections and halves.

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

/// What the calls of a transport return before it fails.
#[derive(Clone, Copy, PartialEq)]
enum Calls {
    /// Short reads and writes, and interruptions.
    Interrupted,
    /// The same, and timeouts.
    TimingOut,
    /// Single bytes, and timeouts.
    SingleBytes,
}

/// An error after a number of bytes of one direction.
#[derive(Clone, Copy)]
struct Fault {
    /// The number of bytes before the error.
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

    /// Returns the number of bytes before the error, or the error.
    fn bytes_before(&mut self, done: usize) -> io::Result<usize> {
        if done < self.at {
            return Ok(self.at - done);
        }
        if self.once {
            self.at = usize::MAX;
        }
        Err(self.kind.into())
    }
}

/// A transport with faults that a seed chooses.
#[derive(Clone)]
struct FaultyTransport {
    seed: u64,
    calls: Calls,
    input: Vec<u8>,
    /// Whether the response to the client's request is inserted before the input.
    sends_response: bool,
    /// The number of bytes of the input before the end.
    input_len: usize,
    read: usize,
    read_fault: Fault,
    write_fault: Fault,
    written: Rc<RefCell<Vec<u8>>>,
}

impl FaultyTransport {
    fn new(seed: u64, calls: Calls, input: &[u8]) -> Self {
        Self {
            seed,
            calls,
            input: input.to_vec(),
            sends_response: false,
            input_len: usize::MAX,
            read: 0,
            read_fault: Fault::NONE,
            write_fault: Fault::NONE,
            written: Rc::default(),
        }
    }

    /// Returns the next random number.
    fn random(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    /// Returns the maximum number of bytes of the next call, or an error after which the call can
    /// be repeated.
    fn max_len(&mut self) -> io::Result<usize> {
        let random = self.random() % 10;
        match (random, self.calls) {
            (0..5, Calls::SingleBytes) => Err(ErrorKind::WouldBlock.into()),
            (_, Calls::SingleBytes) => Ok(1),
            (0, _) => Err(ErrorKind::Interrupted.into()),
            (1, Calls::TimingOut) => Err(ErrorKind::WouldBlock.into()),
            (2, Calls::TimingOut) => Err(ErrorKind::TimedOut.into()),
            (1..4, _) => Ok(1),
            (n, _) => Ok(usize::try_from(n * n * n).unwrap()),
        }
    }
}

impl Read for FaultyTransport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.sends_response) {
            let response = server_response(&self.written.borrow());
            if response.is_empty() {
                self.input.clear();
            }
            self.input.splice(0..0, response);
        }
        let max_len = self.max_len()?.min(buf.len());
        let max_len = max_len.min(self.read_fault.bytes_before(self.read)?);
        let rest = &self.input[self.read..self.input_len.min(self.input.len())];
        let n = max_len.min(rest.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for FaultyTransport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let max_len = self.max_len()?.min(buf.len());
        let n = max_len.min(self.write_fault.bytes_before(self.written.borrow().len())?);
        self.written.borrow_mut().extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.max_len().map(drop)
    }
}

/// Returns whether the error is a timeout, after which the call can be repeated.
fn is_timeout(error: &Error) -> bool {
    matches!(error, Error::Io(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Receives until the end. Returns the messages and the error. Asserts that later calls return the
/// same.
fn receive_all(
    mut recv: impl FnMut() -> Result<Option<Message<'static>>, Error>,
) -> (Vec<Message<'static>>, Option<Error>) {
    let mut messages = Vec::new();
    let error = (0..100_000).find_map(|_| match recv() {
        Ok(Some(message)) => {
            messages.push(message);
            None
        }
        Ok(None) => Some(None),
        Err(error) if is_timeout(&error) => None,
        Err(error) => Some(Some(error)),
    });
    let error = error.expect("the connection ends");
    for _ in 0..3 {
        let again = recv();
        assert_eq!(again.is_ok(), error.is_none(), "{again:?}");
        assert!(!matches!(again, Ok(Some(_))), "{again:?}");
    }
    (messages, error)
}

/// Feeds the messages and receives until the end, with a whole connection or with halves.
fn feed_and_receive(
    role: Role,
    transport: FaultyTransport,
    halves: bool,
    fed: &[Message<'static>],
) -> (Vec<Message<'static>>, Option<Error>) {
    let mut ws = WebSocket::upgraded(transport, open(role, Config::default()), Config::default());
    if !halves {
        for message in fed {
            ws.feed(message).unwrap();
        }
        let result = receive_all(|| ws.recv());
        assert!(matches!(ws.send("more"), Err(Error::Send(_))));
        return result;
    }
    let (mut reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
    for message in fed {
        // After a timeout, the reader writes the rest.
        let sent = writer.send(message);
        assert!(sent.as_ref().map_or_else(is_timeout, |()| true), "{sent:?}");
    }
    let result = receive_all(|| reader.recv());
    assert!(matches!(writer.send("more"), Err(Error::Send(_))));
    result
}

/// R116 (F34): a transport that ends or fails after any number of bytes: all complete messages
/// before that are received, every reply is written once, and later calls return the same.
#[test]
fn f34_input_before_a_failure_is_received() {
    for (role, halves) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let input = peer_input(peer_of(role));
        for seed in 0..400_u64 {
            let len = if seed % 8 == 0 {
                input.len()
            } else {
                (seed as usize * 7919) % input.len()
            };
            let mut transport = FaultyTransport::new(seed, Calls::TimingOut, &input[..len]);
            let is_reset = seed / 8 % 2 == 1;
            if is_reset {
                transport.read_fault = Fault::new(len, ErrorKind::ConnectionReset);
            }
            let sent = Rc::clone(&transport.written);
            let (received, error) = feed_and_receive(role, transport, halves, &[]);
            assert_eq!(received, complete_messages(role, &input[..len]), "{seed}");
            assert_eq!(*sent.borrow(), expected_output(role, &[], &input[..len]), "{seed}");
            match error {
                None => assert_eq!(len, input.len(), "{seed}"),
                Some(Error::Io(error)) => assert!(is_reset && error.kind() == ErrorKind::ConnectionReset),
                Some(Error::Protocol(error)) if *error == ProtocolError::UnexpectedEof => {
                    assert!(!is_reset && len < input.len());
                }
                other => panic!("{seed}: {other:?}"),
            }
        }
    }
}

/// R116 (F34): the peer shuts down its sending direction after any number of bytes: the
/// connection writes all output before it reports the end.
#[test]
fn f34_output_is_written_after_a_half_close() {
    for (role, halves) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let input = peer_input(peer_of(role));
        for len in (0..input.len()).step_by(23).chain([input.len()]) {
            let input = &input[..len];
            let transport = FaultyTransport::new(len as u64, Calls::TimingOut, input);
            let sent = Rc::clone(&transport.written);
            let (received, _) = feed_and_receive(role, transport, halves, &outgoing_messages());
            assert_eq!(received, complete_messages(role, input), "{len}");
            assert_eq!(
                *sent.borrow(),
                expected_output(role, &outgoing_messages(), input),
                "{len}"
            );
        }
    }
}

/// Single bytes between timeouts, in both directions: nothing is lost.
#[test]
fn single_bytes_between_timeouts_lose_nothing() {
    for (role, halves) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let input = peer_input(peer_of(role));
        let transport = FaultyTransport::new(1, Calls::SingleBytes, &input);
        let sent = Rc::clone(&transport.written);
        let (received, error) = feed_and_receive(role, transport, halves, &outgoing_messages());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(received, complete_messages(role, &input));
        assert_eq!(*sent.borrow(), expected_output(role, &outgoing_messages(), &input));
    }
}

/// R116 (F34): the halves work in any order until one direction fails after any number of
/// bytes: everything read before is received, and everything sent before is written once and in
/// order.
#[test]
fn f34_halves_lose_nothing_before_a_failure() {
    for role in ROLES {
        let input = peer_input(peer_of(role));
        for seed in 0..400_u64 {
            let at = (seed as usize * 7919) % input.len();
            let mut transport = FaultyTransport::new(seed, Calls::TimingOut, &input);
            let write_fails = seed % 2 == 0;
            let fault = Fault::new(at, ErrorKind::ConnectionReset);
            *(if write_fails {
                &mut transport.write_fault
            } else {
                &mut transport.read_fault
            }) = fault;
            let sent = Rc::clone(&transport.written);
            let mut order = transport.clone();
            let ws = WebSocket::upgraded(transport, open(role, Config::default()), Config::default());
            let (mut reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
            let (mut accepted, mut has_output, mut has_failed) = (Vec::new(), false, false);
            let mut send = || {
                let n = accepted.len();
                let result = if has_output {
                    writer.flush().map_err(Error::from)
                } else {
                    let result = writer.send(vec![3; 2 * n]);
                    if result.as_ref().map_or_else(is_timeout, |()| true) {
                        accepted.push((0x82, vec![3; 2 * n]));
                    }
                    result
                };
                has_output = result.as_ref().is_err_and(is_timeout);
                has_failed |= matches!(&result, Err(error @ Error::Io(_)) if !is_timeout(error));
                result.is_ok()
            };
            let (received, error) = receive_all(|| {
                while order.random() % 2 == 0 {
                    send();
                }
                reader.recv()
            });
            // A closed connection accepts no message, and writes those that it has accepted.
            let is_flushed = (0..1000).any(|_| send() || writer.flush().is_ok());
            if write_fails {
                assert_eq!(received, complete_messages(role, &input), "{seed}");
                assert!(error.is_none(), "{seed}: {error:?}");
                let all = sent.borrow().len();
                assert!(all == at || all < at && !has_failed, "{seed}: {all} of {at}");
                let at_peer = complete_messages(peer_of(role), &sent.borrow());
                let accepted = accepted.into_iter().map(|(_, data)| Message::from(data));
                assert!(accepted.take(at_peer.len()).eq(at_peer), "{seed}");
                continue;
            }
            assert!(is_flushed && !has_failed, "{seed}");
            assert_eq!(received, complete_messages(role, &input[..at]), "{seed}");
            assert!(
                matches!(&error, Some(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset),
                "{seed}: {error:?}"
            );
            let (data, replies): (Vec<_>, Vec<_>) = frames(role, &sent.borrow()).into_iter().partition(|f| f.0 == 0x82);
            assert_eq!(data, accepted, "{seed}");
            assert_eq!(
                replies,
                frames(role, &expected_output(role, &[], &input[..at])),
                "{seed}"
            );
        }
    }
}

/// Runs the opening handshake over the transport.
fn handshake(role: Role, mut transport: FaultyTransport) -> Result<WebSocket<FaultyTransport>, Error> {
    match role {
        Role::Server => Incoming::new(transport, Config::default())?.accept(&Accept::new()),
        Role::Client => {
            transport.sends_response = !transport.input.starts_with(b"HTTP");
            let request = ClientRequest::new("ws://example.com/").unwrap();
            WebSocket::client(transport, &request, Config::default()).map(|(ws, _)| ws)
        }
    }
}

/// Returns the input in that role, and the length of the HTTP head before it.
fn input_and_head_len(role: Role) -> (Vec<u8>, usize) {
    let conversation = peer_input(peer_of(role));
    match role {
        Role::Server => ([REQUEST.as_bytes(), &conversation].concat(), REQUEST.len()),
        Role::Client => (conversation, server_response(REQUEST.as_bytes()).len()),
    }
}

/// Asserts that the handshake has succeeded and that all messages are received.
fn assert_opened(role: Role, opened: Result<WebSocket<FaultyTransport>, Error>) {
    let mut ws = opened.unwrap();
    let (received, error) = receive_all(|| ws.recv());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(received, complete_messages(role, &peer_input(peer_of(role))));
}

/// R116 (F34): a transport that ends, fails or times out after any number of bytes of the input
/// of the handshake: the handshake fails, in both roles. An interruption is ignored.
#[test]
fn f34_a_handshake_with_incomplete_input_fails() {
    for role in ROLES {
        let (input, head_len) = input_and_head_len(role);
        for len in 0..head_len {
            let mut transport = FaultyTransport::new(len as u64, Calls::Interrupted, &input);
            transport.input_len = len;
            let written = Rc::clone(&transport.written);
            let error = handshake(role, transport).unwrap_err();
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
                let mut transport = FaultyTransport::new(len as u64, Calls::Interrupted, &input);
                transport.read_fault = Fault::new(len, kind);
                match handshake(role, transport) {
                    Err(Error::Io(error)) => assert!(error.kind() == kind && kind != ErrorKind::Interrupted),
                    opened if kind == ErrorKind::Interrupted => assert_opened(role, opened),
                    other => panic!("{len} {kind}: {other:?}"),
                }
            }
        }
    }
}

/// R116 (F34): a transport that fails or times out after any number of bytes of the output of
/// the handshake: the handshake fails, in both roles. An interruption is ignored. A client still
/// reads the response of the server.
#[test]
fn f34_a_handshake_with_incomplete_output_fails() {
    const REFUSAL: &[u8] = b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n";
    for role in ROLES {
        let (input, _) = input_and_head_len(role);
        let transport = FaultyTransport::new(0, Calls::Interrupted, &input);
        let written = Rc::clone(&transport.written);
        drop(handshake(role, transport).unwrap());
        let len = written.borrow().len();
        assert!(len > 100);
        for at in 0..len {
            let transport = |kind, input| {
                let mut transport = FaultyTransport::new(at as u64, Calls::Interrupted, input);
                transport.write_fault = Fault::new(at, kind);
                transport
            };
            assert_opened(role, handshake(role, transport(ErrorKind::Interrupted, &input)));
            for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::ConnectionReset] {
                let transport = transport(kind, &input);
                let written = Rc::clone(&transport.written);
                match handshake(role, transport).unwrap_err() {
                    Error::Io(error) => assert_eq!(error.kind(), kind),
                    Error::Protocol(error) if *error == ProtocolError::HandshakeEof => {
                        assert!(role == Role::Client && kind == ErrorKind::ConnectionReset);
                    }
                    other => panic!("{at} {kind}: {other:?}"),
                }
                assert_eq!(written.borrow().len(), at);
            }
            if role == Role::Client {
                let error = handshake(role, transport(ErrorKind::ConnectionReset, REFUSAL)).unwrap_err();
                assert!(matches!(error, Error::Refused(_)), "{error:?}");
            }
        }
    }
}
