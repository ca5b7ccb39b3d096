//! The law of two connected ends: any calls, permitted or not, and any deliveries.
//!
//! What is permitted, and what has to be written for it, is computed from RFC 6455: from the calls
//! that were accepted and the events that were received, not from the state machine of the crate.

use std::collections::VecDeque;

use allocation_counter::measure;
use sockless::{
    Accept, ClientRequest, CloseCode, CloseFrame, ClosedBy, Config, Connection, Event, MessageKind, PreparedMessage,
    ProtocolError, Request, Role, SendError, State, Teardown, frame::Header,
};

use super::{
    options::{Cursor, delivery},
    reference::may_become_text,
};
use crate::{ROLES, frames};

/// The maximum number of steps. Further ones find no further failures.
const MAX_STEPS: usize = 150;

/// What texts are made of: it has code points of every length.
const TEXT: &str = "aé€😀";

/// The code and the reason of a Close frame; `None` if it is empty.
type CloseBody = Option<(u16, String)>;

/// What an end receives.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseBody),
}

/// How far the opening handshake is, for one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Begun,
    /// Server: the application has the request.
    Deciding,
    Accepted,
    Refused,
}

/// A call that sends.
#[derive(Clone, Debug)]
enum Call {
    Message(MessageKind, Vec<u8>),
    InPlace(MessageKind, Vec<u8>),
    Prepared(MessageKind, Vec<u8>),
    Fragment(MessageKind, Vec<u8>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseBody),
    ReasonWithoutCode,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    chunks: bool,
    auto_pong: bool,
    auto_close: bool,
    fragment_size: u8,
    compressed: bool,
}

impl Settings {
    fn read(bits: u8, fragment_size: u8, compressed: bool) -> Self {
        let bit = |bit: u32| bits >> bit & 1 == 1;
        Self {
            chunks: bit(0),
            auto_pong: !bit(1),
            auto_close: !bit(2),
            fragment_size: if bit(3) { fragment_size } else { 0 },
            compressed,
        }
    }

    fn config(self) -> Config {
        let config = super::options::with_fragment_size(self.fragment_size)
            .delivery(delivery(self.chunks))
            .auto_pong(self.auto_pong)
            .auto_close(self.auto_close);
        #[cfg(feature = "deflate")]
        if self.compressed {
            return config.deflate(sockless::deflate::DeflateConfig::new().threshold(20));
        }
        config
    }
}

/// One end: the connection, and what is known of it.
struct End {
    role: Role,
    settings: Settings,
    engine: Connection,
    /// What the other end has not received yet.
    out: Vec<u8>,
    /// What the other end has to receive, in order.
    sent: VecDeque<Item>,
    opening: Opening,
    request: Option<Request<'static>>,
    close_sent: Option<CloseBody>,
    close_received: Option<CloseBody>,
    closed_by: Option<ClosedBy>,
    error: Option<ProtocolError>,
    /// The message in progress that this end sends.
    sending: Option<(MessageKind, Vec<u8>)>,
    /// The chunks of the message in progress that this end receives.
    receiving: Vec<u8>,
    /// Its input has ended.
    input_ended: bool,
}

/// For any calls on two connected ends and any deliveries: what the RFC permits is accepted, writes
/// the frames that it has to and nothing else; anything else is refused with the right error,
/// writes nothing and changes nothing. What is sent is received, in order and whole. At the end,
/// everything is delivered, and both ends are closed, clean, and report the same. The memory is
/// bounded by what has arrived.
pub fn pair(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let [bits, client_bits, server_bits, client_size, server_size] = cursor.array();
    let compressed = cfg!(feature = "deflate") && bits & 1 == 1;
    let mut pair = Pair::new(
        Settings::read(client_bits, client_size, compressed),
        Settings::read(server_bits, server_size, compressed),
    );
    if bits & 2 == 0 {
        pair.complete_handshake();
    }
    for _ in 0..MAX_STEPS {
        if cursor.rest().is_empty() {
            break;
        }
        pair.step(&mut cursor);
        pair.check();
    }
    pair.finish();
}

struct Pair {
    client: End,
    server: End,
    /// A transport has ended.
    broken: bool,
}

impl Pair {
    fn new(client: Settings, server: Settings) -> Self {
        let (mut out, request) = (Vec::new(), ClientRequest::new("ws://example.com/").unwrap());
        let engine = Connection::client(&request, client.config(), [3; 32], &mut out).unwrap();
        let mut pair = Self {
            client: End::new(Role::Client, client, engine),
            server: End::new(Role::Server, server, Connection::server(server.config())),
            broken: false,
        };
        pair.client.out = out;
        pair
    }

    fn ends(&mut self, role: Role) -> (&mut End, &mut End) {
        match role {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    fn complete_handshake(&mut self) {
        while self.client.opening == Opening::Begun {
            self.deliver(Role::Client, usize::MAX);
            if self.server.opening == Opening::Deciding {
                self.server.accept();
            }
            self.deliver(Role::Server, usize::MAX);
        }
    }

    fn step(&mut self, cursor: &mut Cursor<'_>) {
        let choice = cursor.byte();
        let role = ROLES[usize::from(choice >> 7)];
        match choice % 32 {
            0..=7 => self.deliver(role, cursor.byte().into()),
            8..=11 => self.deliver(role, usize::MAX),
            12 => self.ends(role).0.accept(),
            13 if choice & 0x60 == 0x60 => self.ends(role).0.reject(),
            14 if choice & 0x60 == 0x60 => self.end_input(role),
            _ => {
                let end = self.ends(role).0;
                let call = end.read_call(choice, cursor);
                end.call(&call);
            }
        }
    }

    /// Delivers up to `len` bytes of one end to the other.
    fn deliver(&mut self, from: Role, len: usize) {
        let (sender, receiver) = self.ends(from);
        if receiver.input_ended {
            sender.out.clear();
            return;
        }
        let rest = sender.out.split_off(len.min(sender.out.len()));
        let bytes = std::mem::replace(&mut sender.out, rest);
        receiver.receive(bytes, &mut sender.sent);
    }

    /// The input of an end ends.
    fn end_input(&mut self, role: Role) {
        self.broken = true;
        self.ends(role).0.end_input();
    }

    fn check(&self) {
        for end in [&self.client, &self.server] {
            end.check();
        }
    }

    /// Delivers everything, answers what the applications have to answer, and closes.
    fn finish(&mut self) {
        for round in 0.. {
            assert!(round < 20, "the closing handshake ends");
            while !self.client.out.is_empty() || !self.server.out.is_empty() {
                self.deliver(Role::Client, usize::MAX);
                self.deliver(Role::Server, usize::MAX);
            }
            self.check();
            if self.client.is_done() && self.server.is_done() {
                break;
            }
            if self.broken {
                self.end_input(Role::Client);
                self.end_input(Role::Server);
            } else if self.server.opening == Opening::Deciding {
                self.server.accept();
            } else if self.server.close_received.is_some() && self.server.close_sent.is_none() {
                self.server.call(&Call::Close(Some((1000, String::new()))));
            } else if self.client.close_sent.is_none() {
                self.client.call(&Call::Close(Some((1000, "done".to_owned()))));
            }
        }
        for end in [&mut self.client, &mut self.server] {
            assert_eq!(end.engine.state(), State::Closed);
            assert!(end.engine.teardown().is_some());
            end.call(&Call::Ping(Vec::new()));
            end.call(&Call::Message(MessageKind::Text, b"late".to_vec()));
        }
        if self.broken || self.client.opening == Opening::Refused {
            return;
        }
        assert_eq!(self.client.close_sent, self.server.close_received);
        assert_eq!(self.server.close_sent, self.client.close_received);
        for end in [&self.client, &self.server] {
            assert!(end.engine.close_status().unwrap().is_clean());
        }
        assert_eq!(self.client.engine.teardown(), Some(Teardown::AwaitPeer));
        assert_eq!(self.server.engine.teardown(), Some(Teardown::Close));
    }
}

impl End {
    fn new(role: Role, settings: Settings, engine: Connection) -> Self {
        Self {
            role,
            settings,
            engine,
            out: Vec::new(),
            sent: VecDeque::new(),
            opening: Opening::Begun,
            request: None,
            close_sent: None,
            close_received: None,
            closed_by: None,
            error: None,
            sending: None,
            receiving: Vec::new(),
            input_ended: false,
        }
    }

    /// The state that RFC 6455 has for what has happened.
    fn expected_state(&self) -> State {
        let closes = usize::from(self.close_sent.is_some()) + usize::from(self.close_received.is_some());
        match (self.opening, closes) {
            _ if self.error.is_some() => State::Closed,
            (Opening::Begun | Opening::Deciding, _) => State::Opening,
            (Opening::Refused, _) | (Opening::Accepted, 2) => State::Closed,
            (Opening::Accepted, 0) => State::Open,
            (Opening::Accepted, _) => State::Closing,
        }
    }

    fn is_done(&self) -> bool {
        self.expected_state() == State::Closed
    }

    fn check(&self) {
        assert_eq!(self.engine.state(), self.expected_state());
        let body = |frame: &Option<Option<CloseFrame<'_>>>| frame.as_ref().map(|frame| body_of(frame.as_ref()));
        let reported = self.engine.close_status().map(|status| {
            let (sent, received) = (body(&status.sent), body(&status.received));
            (status.by, sent, received, status.error)
        });
        let expected = self
            .closed_by
            .map(|by| (by, self.close_sent.clone(), self.close_received.clone(), self.error));
        assert_eq!(reported, expected, "an end reports the close as it was");
        assert_eq!(self.engine.teardown().is_some(), self.is_done());
    }

    /// All that the engine shows.
    fn shown(&self) -> String {
        let engine = &self.engine;
        format!(
            "{engine:?} {:?} {:?} {:?} {}",
            engine.close_status(),
            engine.teardown(),
            engine.negotiated(),
            engine.assembled_len()
        )
    }

    fn accept(&mut self) {
        let Some(request) = &self.request else {
            return;
        };
        let before = (self.out.len(), self.shown());
        let result = self.engine.accept(request, &Accept::new().any_origin(), &mut self.out);
        if self.opening == Opening::Deciding && self.error.is_none() {
            assert_eq!(result, Ok(()));
            self.opening = Opening::Accepted;
        } else {
            assert!(result.is_err());
            assert_eq!((self.out.len(), self.shown()), before, "a refused call changes nothing");
        }
    }

    fn reject(&mut self) {
        let before = (self.out.len(), self.shown());
        let result = self.engine.reject(403, &[], b"no", &mut self.out);
        if self.opening == Opening::Deciding && self.error.is_none() {
            assert_eq!(result, Ok(()));
            self.opening = Opening::Refused;
        } else {
            assert!(result.is_err());
            assert_eq!((self.out.len(), self.shown()), before, "a refused call changes nothing");
        }
    }

    fn read_call(&self, choice: u8, cursor: &mut Cursor<'_>) -> Call {
        let kind = if choice & 0x40 == 0 {
            MessageKind::Text
        } else {
            MessageKind::Binary
        };
        let size = cursor.byte();
        let len = match size {
            0..=199 => usize::from(size % 32),
            200..=239 => 120 + usize::from(size % 16),
            240..=253 => usize::from(size) * 5,
            254 => 65_535,
            255 => 65_536,
        };
        let is_damaged = choice & 0x20 != 0 && size % 4 == 0;
        let message = || {
            let mut data: Vec<u8> = TEXT.bytes().cycle().take(len).collect();
            let valid = String::from_utf8_lossy(&data)
                .chars()
                .filter(|char| *char != '\u{FFFD}')
                .map(char::len_utf8)
                .sum();
            data.truncate(valid);
            if is_damaged {
                data.push(0xFF);
            }
            data
        };
        match choice % 32 {
            15..=17 => Call::Message(kind, message()),
            18 => Call::InPlace(kind, message()),
            19 => Call::Prepared(kind, message()),
            20..=24 => {
                let from = self.sending.as_ref().map_or(0, |(_, data)| data.len());
                let mut data: Vec<u8> = TEXT.bytes().cycle().skip(from % TEXT.len()).take(len).collect();
                if is_damaged {
                    data.push(0xFF);
                }
                // Mostly of the kind of the message in progress.
                let kind = match &self.sending {
                    Some((kind, _)) if choice & 0x60 != 0x60 => *kind,
                    _ => kind,
                };
                Call::Fragment(kind, data, cursor.byte() % 3 == 0)
            }
            25 | 26 => Call::Ping(vec![size; len.min(127)]),
            27 => Call::Pong(vec![size; len.min(127)]),
            28 if choice & 0x60 == 0 => Call::ReasonWithoutCode,
            28 | 29 if choice & 0x20 != 0 => {
                let code = match size % 4 {
                    0 => u16::from_be_bytes(cursor.array()),
                    1 => 1000 + u16::from(cursor.byte() % 20),
                    2 => 2990 + u16::from(cursor.byte()) * 8,
                    _ => 1000,
                };
                Call::Close(Some((code, "x".repeat(len.min(130)))))
            }
            30 if choice & 0x60 == 0x60 => Call::Close(None),
            _ => Call::Fragment(kind, vec![b'a'; len.min(3)], false),
        }
    }

    /// How a call has to fail now, if it has to.
    fn refusal(&self, call: &Call) -> Option<SendError> {
        let has_close = self.close_sent.is_some() || self.close_received.is_some();
        match self.expected_state() {
            State::Opening => return Some(SendError::NotOpen),
            State::Closed => return Some(SendError::Closing),
            State::Open | State::Closing => {}
        }
        let is_too_late = match call {
            // "an endpoint MAY send the remaining fragments before sending a Close frame" (RFC
            // 6455, section 5.5.1)
            Call::Fragment(..) if self.sending.is_some() => self.close_sent.is_some(),
            Call::Pong(_) => self.close_received.is_some(),
            Call::Close(_) | Call::ReasonWithoutCode => self.close_sent.is_some(),
            _ => has_close,
        };
        if is_too_late {
            return Some(SendError::Closing);
        }
        match call {
            Call::Message(..) | Call::InPlace(..) | Call::Prepared(..) if self.sending.is_some() => {
                Some(SendError::MessageInProgress)
            }
            Call::InPlace(MessageKind::Text, data) if std::str::from_utf8(data).is_err() => {
                Some(SendError::InvalidUtf8)
            }
            Call::Fragment(kind, ..) if self.sending.as_ref().is_some_and(|(begun, _)| begun != kind) => {
                Some(SendError::KindChanged)
            }
            Call::Fragment(MessageKind::Text, data, fin) => {
                let begun = self.sending.as_ref().map_or(&[][..], |(_, data)| data);
                let text = [begun, data].concat();
                let is_valid = if *fin {
                    std::str::from_utf8(&text).is_ok()
                } else {
                    may_become_text(&text)
                };
                (!is_valid).then_some(SendError::InvalidUtf8)
            }
            Call::Ping(payload) | Call::Pong(payload) if payload.len() > 125 => {
                Some(SendError::ControlFrameTooLong { len: payload.len() })
            }
            Call::ReasonWithoutCode => Some(SendError::ReasonWithoutCode),
            Call::Close(Some((code, reason))) => {
                let may_be_sent = match code {
                    1010 => self.role == Role::Client,
                    1000..=1014 => !matches!(code, 1004..=1006),
                    _ => (3000..=4999).contains(code),
                };
                if !may_be_sent {
                    Some(SendError::InvalidCloseCode { code: CloseCode(*code) })
                } else if reason.len() > 123 {
                    Some(SendError::ReasonTooLong { len: reason.len() })
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Makes a call, and checks its result and what it writes.
    fn call(&mut self, call: &Call) {
        let refusal = self.refusal(call);
        let before = refusal.map(|_| self.shown());
        let len = self.out.len();
        let result = self.make(call);
        if let Some(error) = refusal {
            // Texts of these calls are `str`, which is always UTF-8.
            if let Some(result) = result {
                assert_eq!(result, Err(error), "{call:?}");
            }
            assert_eq!(self.out.len(), len, "a refused call writes nothing");
            assert_eq!(Some(self.shown()), before, "a refused call changes nothing");
            return;
        }
        let Some(result) = result else {
            return;
        };
        assert_eq!(result, Ok(()), "{call:?}");
        let expected = self.note(call);
        self.check_frames(len, &expected);
    }

    /// `None` if the types do not let the call be made.
    fn make(&mut self, call: &Call) -> Option<Result<(), SendError>> {
        let (engine, out) = (&mut self.engine, &mut self.out);
        Some(match call {
            Call::Message(MessageKind::Text, data) => engine.send_text(std::str::from_utf8(data).ok()?, out),
            Call::Message(MessageKind::Binary, data) => engine.send_binary(data, out),
            Call::InPlace(kind, data) => {
                let mut buf = [&[0; Header::MAX_LEN], &data[..]].concat();
                let before = buf.clone();
                match engine.send_in_place(*kind, &mut buf) {
                    Ok(frame) => {
                        out.extend_from_slice(frame);
                        Ok(())
                    }
                    Err(error) => {
                        assert_eq!(buf, before, "a refused call leaves the buffer as it is");
                        Err(error)
                    }
                }
            }
            Call::Prepared(kind, data) => {
                let message = match kind {
                    MessageKind::Text => PreparedMessage::text(std::str::from_utf8(data).ok()?),
                    MessageKind::Binary => PreparedMessage::binary(data),
                };
                engine.send_prepared(&message, out)
            }
            Call::Fragment(kind, data, fin) => engine.send_fragment(*kind, data, *fin, out),
            Call::Ping(payload) => engine.ping(payload, out),
            Call::Pong(payload) => engine.pong(payload, out),
            Call::Close(None) => engine.close(None, "", out),
            Call::Close(Some((code, reason))) => engine.close(CloseCode(*code), reason, out),
            Call::ReasonWithoutCode => engine.close(None, "x", out),
        })
    }

    /// Notes what a call does that was accepted. Returns the frames that it has to write: first
    /// bytes, and payloads, unless they may be compressed.
    fn note(&mut self, call: &Call) -> Vec<(u8, Option<Vec<u8>>)> {
        let opcode = |kind: MessageKind| match kind {
            MessageKind::Text => 1,
            MessageKind::Binary => 2,
        };
        let compressed = self.settings.compressed;
        match call {
            Call::Message(kind, data) => {
                self.sent.push_back(Item::Message(*kind, data.clone()));
                if compressed {
                    // How many fragments there are depends on its compressed length.
                    return Vec::new();
                }
                let size = match self.settings.fragment_size {
                    0 => data.len().max(1),
                    size => size.into(),
                };
                let pieces: Vec<&[u8]> = if data.is_empty() {
                    vec![&[]]
                } else {
                    data.chunks(size).collect()
                };
                let last = pieces.len() - 1;
                let first = |at: usize| (if at == last { 0x80 } else { 0 }) | (if at == 0 { opcode(*kind) } else { 0 });
                let frames = pieces.iter().enumerate();
                frames.map(|(at, piece)| (first(at), Some(piece.to_vec()))).collect()
            }
            Call::InPlace(kind, data) | Call::Prepared(kind, data) => {
                self.sent.push_back(Item::Message(*kind, data.clone()));
                let may_be_compressed = compressed && matches!(call, Call::Prepared(..));
                vec![(0x80 | opcode(*kind), (!may_be_compressed).then(|| data.clone()))]
            }
            Call::Fragment(kind, data, fin) => {
                let first = if self.sending.is_some() { 0 } else { opcode(*kind) };
                let sending = self.sending.get_or_insert_with(|| (*kind, Vec::new()));
                sending.1.extend_from_slice(data);
                if *fin {
                    self.sent
                        .extend(self.sending.take().map(|(kind, data)| Item::Message(kind, data)));
                }
                let fin = if *fin { 0x80 } else { 0 };
                vec![(fin | first, (!compressed).then(|| data.clone()))]
            }
            Call::Ping(payload) => {
                self.sent.push_back(Item::Ping(payload.clone()));
                vec![(0x89, Some(payload.clone()))]
            }
            Call::Pong(payload) => {
                self.sent.push_back(Item::Pong(payload.clone()));
                vec![(0x8A, Some(payload.clone()))]
            }
            Call::Close(body) => vec![self.note_close(body.clone())],
            Call::ReasonWithoutCode => Vec::new(),
        }
    }

    fn note_close(&mut self, body: CloseBody) -> (u8, Option<Vec<u8>>) {
        let payload = body
            .as_ref()
            .map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
        self.sent.push_back(Item::Close(body.clone()));
        self.close_sent = Some(body);
        self.closed_by.get_or_insert(ClosedBy::Us);
        (0x88, Some(payload.unwrap_or_default()))
    }

    /// Checks the frames that were written from an offset on.
    fn check_frames(&self, from: usize, expected: &[(u8, Option<Vec<u8>>)]) {
        let written = frames(self.role, &self.out[from..]);
        if expected.is_empty() && self.settings.compressed {
            return;
        }
        assert_eq!(written.len(), expected.len());
        for ((first, payload), (expected_first, expected)) in written.iter().zip(expected) {
            match expected {
                Some(expected) => assert_eq!((first, payload), (expected_first, expected)),
                None => assert_eq!(first & !0x40, *expected_first),
            }
        }
    }

    /// Receives bytes of the other end, which has sent the items.
    fn receive(&mut self, mut bytes: Vec<u8>, expected: &mut VecDeque<Item>) {
        let len = self.out.len();
        let arrived = bytes.len() + self.engine.assembled_len();
        let mut input = &mut bytes[..];
        let mut replies = Vec::new();
        loop {
            self.out.reserve(64 << 10);
            let (engine, out) = (&mut self.engine, &mut self.out);
            let mut result = Ok(None);
            let heap = measure(|| result = engine.receive(&mut input, out));
            let bound = 3 * arrived as u64 + (if self.settings.compressed { 8 << 20 } else { 80 << 10 });
            assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
            match result {
                Ok(None) => break,
                Ok(Some(event)) => self.take(event.into_owned(), expected, &mut replies),
                Err(error) => panic!("an honest end finds no violation: {error:?}"),
            }
        }
        assert!(input.is_empty(), "`None` means that the input is empty");
        if self.opening == Opening::Accepted && self.out.len() > len {
            self.check_frames(len, &replies);
        } else {
            assert!(replies.is_empty());
        }
    }

    fn take(&mut self, event: Event<'static>, expected: &mut VecDeque<Item>, replies: &mut Vec<(u8, Option<Vec<u8>>)>) {
        assert!(
            self.close_received.is_none() && self.error.is_none(),
            "no event after the end"
        );
        let item = match event {
            Event::Request(request) => {
                self.request = Some(request);
                self.opening = Opening::Deciding;
                return;
            }
            Event::Open(_) => {
                self.opening = Opening::Accepted;
                return;
            }
            Event::Refused(refusal) => {
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"no"[..], true));
                self.opening = Opening::Refused;
                return;
            }
            Event::Chunk(chunk) => {
                self.receiving.extend_from_slice(chunk.as_bytes());
                if !chunk.message_end {
                    return;
                }
                Item::Message(chunk.kind(), std::mem::take(&mut self.receiving))
            }
            Event::Text(text) => Item::Message(MessageKind::Text, text.into_owned().into_bytes()),
            Event::Binary(data) => Item::Message(MessageKind::Binary, data.into_owned()),
            Event::Ping(payload) => Item::Ping(payload.into_owned()),
            Event::Pong(payload) => Item::Pong(payload.into_owned()),
            Event::Close(frame) => Item::Close(body_of(frame.as_ref())),
            event => panic!("{event:?}"),
        };
        assert_eq!(
            Some(&item),
            expected.pop_front().as_ref(),
            "what is sent arrives in order"
        );
        match item {
            Item::Ping(payload) if self.settings.auto_pong => {
                self.sent.push_back(Item::Pong(payload.clone()));
                replies.push((0x8A, Some(payload)));
            }
            Item::Close(body) => {
                self.closed_by.get_or_insert(ClosedBy::Peer);
                self.close_received = Some(body.clone());
                if self.close_sent.is_none() && self.settings.auto_close {
                    // What a server may receive and not send (RFC 6455, section 7.4.1).
                    let echo = body.map(|(code, _)| (if code == 1010 { 1000 } else { code }, String::new()));
                    replies.push(self.note_close(echo));
                }
            }
            Item::Ping(_) | Item::Pong(_) | Item::Message(..) => {}
        }
    }

    fn end_input(&mut self) {
        self.input_ended = true;
        let before = self.expected_state();
        let result = self.engine.receive_eof();
        let expected = match before {
            _ if self.error.is_some() => self.error,
            State::Closed => None,
            State::Opening => {
                if let Ok(Some(Event::Refused(_))) = result {
                    self.opening = Opening::Refused;
                    return;
                }
                Some(ProtocolError::HandshakeEof)
            }
            State::Open | State::Closing => Some(ProtocolError::UnexpectedEof),
        };
        assert_eq!(result.map_err(|error| *error), expected.map_or(Ok(None), Err));
        if before != State::Closed {
            self.error = expected;
            self.closed_by.get_or_insert(ClosedBy::Transport);
        }
    }
}

fn body_of(frame: Option<&CloseFrame<'_>>) -> CloseBody {
    frame.map(|frame| (frame.code.0, frame.reason.to_string()))
}
