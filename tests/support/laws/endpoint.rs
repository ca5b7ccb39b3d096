//! An endpoint under test, with a simulated application, whose invariants are checked after every
//! call.

use allocation_counter::AllocationInfo;
use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Event, InputBuffer, Message, Request, Role, State,
};

use super::options::{Decision, Opening, Options};
use crate::{Outcome, frame, open, peer_of, without_fast_paths};

/// The code of the Close frame that an application with `closes_early` sends.
pub const EARLY_CLOSE: CloseCode = CloseCode::GOING_AWAY;

/// The maximum length of a response to an opening handshake.
const MAX_RESPONSE: usize = 512;

/// A client with a fixed seed, and its request.
pub fn client_with_request(config: Config) -> (Connection, Vec<u8>) {
    let mut out = Vec::new();
    let request = ClientRequest::new("ws://example.com/chat").unwrap();
    let client = Connection::client(&request, config, [7; 32], &mut out).unwrap();
    (client, out)
}

/// Receives the input with [`Connection::receive`] in a new connection, then the end of the
/// transport, and returns the outcome. Runs with fast paths and without, and asserts that events,
/// error and output are equal.
pub fn run_with_receive(options: &Options, input: &[u8], cuts: &[usize]) -> Outcome {
    let [fast, general] = with_and_without_fast_paths(options).map(|options| {
        let mut endpoint = TestEndpoint::new(&options);
        endpoint.feed_cut(input, cuts);
        endpoint.finish();
        endpoint.outcome
    });
    assert_eq!(fast, general, "the fast paths and the general path report the same");
    fast
}

/// The options with fast paths and without.
pub fn with_and_without_fast_paths(options: &Options) -> [Options; 2] {
    [true, false].map(|fast_paths| Options {
        fast_paths,
        ..options.clone()
    })
}

/// Like [`run_with_receive`] with [`Connection::receive_whole`]. The buffer keeps an incomplete
/// message of up to `capacity` bytes. If `waits`, the engine is not called before as many bytes are
/// there as [`Connection::wanted`] says.
pub fn run_with_receive_whole(
    options: &Options,
    input: &[u8],
    cuts: &[usize],
    capacity: usize,
    waits: bool,
) -> Outcome {
    let mut endpoint = TestEndpoint::new(options);
    let mut kept = Vec::new();
    let mut wanted = 0;
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let is_incomplete = !kept.is_empty();
        kept.extend_from_slice(&input[from..to]);
        from = to;
        if waits && kept.len() < wanted && kept.len() <= capacity {
            continue;
        }
        let before = kept.clone();
        let events = endpoint.outcome.events.len();
        endpoint.feed_whole(&mut kept);
        if before.len() < wanted && endpoint.outcome.error.is_none() {
            assert_eq!(
                endpoint.outcome.events.len(),
                events,
                "fewer bytes than wanted yield no event"
            );
            assert!(
                kept == before || !is_incomplete || waits,
                "an incomplete message stays in the buffer"
            );
        }
        if kept.len() > capacity {
            endpoint.feed(&mut kept);
            kept.clear();
        }
        let wants = endpoint.connection.wanted(&kept);
        assert_ne!(wants, 0);
        wanted = kept.len() + wants;
    }
    // The incomplete rest.
    endpoint.feed(&mut kept);
    endpoint.finish();
    endpoint.outcome
}

/// Like [`run_with_receive`] with an [`InputBuffer`] that may become `limit` bytes long. Asserts
/// that events, error and output are those of [`Connection::receive`] after each piece.
pub fn run_with_input_buffer(options: &Options, input: &[u8], cuts: &[usize], limit: usize) -> Outcome {
    let mut plain = TestEndpoint::new(options);
    let mut buffered = TestEndpoint::new(options);
    let mut buffer = InputBuffer::with_limit(limit);
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let piece = &input[from..to];
        from = to;
        plain.feed(&mut piece.to_vec());
        buffered.feed_input_buffer(&mut buffer, piece);
        // A read that fills the room postpones the validation of text on a client. This ends that.
        buffered.feed_input_buffer(&mut buffer, &[]);
        let progress = |endpoint: &TestEndpoint| {
            let outcome = &endpoint.outcome;
            // A piece may take several reads, so that there are more chunks.
            let is_whole = |event: &&Event<'_>| !matches!(event, Event::Chunk(_));
            let events = outcome.events.iter().filter(is_whole).count();
            (events, outcome.out.len(), outcome.error)
        };
        assert_eq!(progress(&buffered), progress(&plain), "after {to} bytes");
    }
    plain.outcome.events = join_chunks(plain.outcome.events);
    buffered.outcome.events = join_chunks(buffered.outcome.events);
    assert_eq!(buffered.outcome, plain.outcome);
    // A connection that is ended between two reads.
    buffered.finish();
    let result = buffer.receive(&mut buffered.connection, &mut Vec::new());
    let error = buffered.connection.receive_eof().err();
    assert_eq!(result, error.map_or(Ok(None), Err), "nothing follows the end");
    buffered.outcome
}

/// The allocations of a new connection while it receives the input. Events are dropped.
pub fn heap_use(options: &Options, input: &[u8], cuts: &[usize]) -> AllocationInfo {
    let mut endpoint = TestEndpoint::new(options);
    endpoint.collects_events = false;
    // The output is not measured.
    endpoint.outcome.out.reserve(4096 + 4 * input.len());
    let mut input = input.to_vec();
    let mut rest = &mut input[..];
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for &to in cuts {
        let (piece, after) = rest.split_at_mut(to - from);
        pieces.push(piece);
        (from, rest) = (to, after);
    }
    pieces.push(rest);
    allocation_counter::measure(|| {
        for piece in &mut pieces {
            endpoint.feed(piece);
        }
    })
}

/// A connection, its application, and what is observed.
#[derive(Debug)]
pub struct TestEndpoint {
    connection: Connection,
    options: Options,
    pub outcome: Outcome,
    /// Whether events are collected.
    collects_events: bool,
    /// A request that the application accepts later.
    pending_request: Option<Request<'static>>,
    received: usize,
    pieces: usize,
    calls: usize,
    pings: usize,
    /// The length of the output when the connection opened.
    out_len_at_open: usize,
}

impl TestEndpoint {
    pub fn new(options: &Options) -> Self {
        match (options.opening, options.role) {
            (Opening::Done, _) => Self::open(options),
            (_, Role::Server) => Self::with_connection(Connection::server(options.config()), options),
            (_, Role::Client) => Self::with_connection(client_with_request(options.config()).0, options),
        }
    }

    /// An endpoint that is open from the start.
    pub fn open(options: &Options) -> Self {
        let mut endpoint = Self::with_connection(open(options.role, options.config()), options);
        endpoint.opened();
        endpoint
    }

    fn with_connection(connection: Connection, options: &Options) -> Self {
        Self {
            connection: if options.fast_paths {
                connection
            } else {
                without_fast_paths(connection)
            },
            options: options.clone(),
            outcome: Outcome::default(),
            collects_events: true,
            pending_request: None,
            received: 0,
            pieces: 0,
            calls: 0,
            pings: 0,
            out_len_at_open: 0,
        }
    }

    pub fn state(&self) -> State {
        self.connection.state()
    }

    pub fn has_pending_request(&self) -> bool {
        self.pending_request.is_some()
    }

    pub fn into_connection(self) -> Connection {
        self.connection
    }

    pub fn feed_cut(&mut self, input: &[u8], cuts: &[usize]) {
        let mut from = 0;
        for to in cuts.iter().copied().chain([input.len()]) {
            self.feed(&mut input[from..to].to_vec());
            from = to;
        }
    }

    /// Receives one piece, and reacts as the application does.
    pub fn feed(&mut self, piece: &mut [u8]) {
        self.feed_with::<false>(piece);
    }

    /// Receives the content of `buffer`, and leaves an incomplete message in it.
    pub fn feed_whole(&mut self, buffer: &mut Vec<u8>) {
        let left = self.feed_with::<true>(buffer);
        buffer.drain(..buffer.len() - left);
    }

    /// Receives one piece through a buffer, in as many reads as it needs.
    pub fn feed_input_buffer(&mut self, buffer: &mut InputBuffer, piece: &[u8]) {
        self.received += piece.len();
        let mut rest = piece;
        loop {
            let room = buffer.room();
            assert!(!room.is_empty());
            let (front, after) = rest.split_at(rest.len().min(room.len()));
            room[..front.len()].copy_from_slice(front);
            buffer.filled(front.len());
            rest = after;
            self.pieces += 1;
            while self.outcome.error.is_none() {
                match buffer.receive(&mut self.connection, &mut self.outcome.out) {
                    Ok(Some(event)) => {
                        self.react(&event);
                        self.outcome.events.push(event.into_owned());
                    }
                    Ok(None) => break,
                    Err(error) => self.outcome.error = Some(*error),
                }
                self.check_output();
            }
            if rest.is_empty() {
                return;
            }
        }
    }

    fn feed_with<const WHOLE: bool>(&mut self, piece: &mut [u8]) -> usize {
        self.received += piece.len();
        self.pieces += 1;
        let mut input = piece;
        while self.outcome.error.is_none() {
            let (before, state) = (input.len(), self.state());
            let out = &mut self.outcome.out;
            let result = if WHOLE {
                self.connection.receive_whole(&mut input, out)
            } else {
                self.connection.receive(&mut input, out)
            };
            assert!(input.len() <= before && order(self.connection.state()) >= order(state));
            self.calls += 1;
            match result {
                Ok(Some(event)) => {
                    assert_ne!(state, State::Closed, "no event after the connection is closed");
                    self.react(&event);
                    if self.collects_events {
                        self.outcome.events.push(event.into_owned());
                    }
                }
                Ok(None) if WHOLE && !input.is_empty() => break,
                Ok(None) => {
                    assert!(input.is_empty(), "`None` means that the input is empty");
                    let again = self.connection.receive(&mut &mut [][..], &mut self.outcome.out);
                    assert!(matches!(again, Ok(None)), "an empty input means `None`");
                    break;
                }
                Err(error) => {
                    assert_eq!(self.state(), State::Closed);
                    assert_eq!(self.connection.close_status().unwrap().error, Some(*error));
                    self.outcome.error = Some(*error);
                }
            }
            // Each event consumes a byte, except an empty end of a frame. Each piece and an error
            // need one more call.
            assert!(self.calls <= self.received + self.pieces + 2, "{} calls", self.calls);
            self.check_output();
        }
        input.len()
    }

    fn react(&mut self, event: &Event<'_>) {
        let out = &mut self.outcome.out;
        let app_replies = self.options.app_replies;
        match event {
            Event::Request(request) if !request.is_upgrade() => {
                self.connection.reject(200, &[], b"hello", out).unwrap();
            }
            Event::Request(request) => match self.options.decision {
                Decision::AcceptLate if self.collects_events => {
                    self.pending_request = Some(request.clone().into_owned())
                }
                Decision::Accept | Decision::AcceptLate => self.accept(request),
                Decision::Reject => self.connection.reject(403, &[("X", "y")], b"no", out).unwrap(),
            },
            Event::Open(_) => self.opened(),
            Event::Ping(payload) => {
                self.pings += 1;
                if app_replies && !self.options.auto_pong {
                    self.connection.pong(payload, out).unwrap();
                }
            }
            Event::Close(frame) if app_replies && self.connection.state() == State::Closing => {
                let code = frame.as_ref().map(|frame| match frame.code {
                    CloseCode::MANDATORY_EXTENSION => CloseCode::NORMAL,
                    code => code,
                });
                self.connection.close(code, "", out).unwrap();
            }
            _ => {}
        }
    }

    fn accept(&mut self, request: &Request<'_>) {
        self.connection
            .accept(request, &Accept::new().any_origin(), &mut self.outcome.out)
            .unwrap();
        self.opened();
    }

    fn opened(&mut self) {
        assert_eq!(self.state(), State::Open);
        self.out_len_at_open = self.outcome.out.len();
        assert!(self.out_len_at_open <= MAX_RESPONSE);
        if self.options.closes_early {
            self.connection.close(EARLY_CLOSE, "", &mut self.outcome.out).unwrap();
            self.out_len_at_open = self.outcome.out.len();
        }
    }

    /// Asserts that the replies are bounded by what they answer.
    fn check_output(&self) {
        let out = self.outcome.out.len() - self.out_len_at_open;
        if self.state() == State::Opening || self.connection.close_status().is_none() && self.state() == State::Closed {
            assert!(out <= MAX_RESPONSE);
            return;
        }
        // A Pong has the payload of its Ping, and one Close frame answers a Close frame or an
        // error. A client's frames also have a mask key of 4 bytes.
        let (keys, close) = match self.options.role {
            Role::Server => (0, 4),
            Role::Client => (4 * self.pings, 8),
        };
        let failed_early = matches!(self.outcome.error, Some(sockless::ProtocolError::Request(_)));
        let answer = if failed_early { MAX_RESPONSE } else { close };
        assert!(
            out <= self.received + keys + answer,
            "{out} bytes for {}",
            self.received
        );
    }

    /// Accepts a pending request, and then takes `events` events of the data that arrived before.
    pub fn answer_late(&mut self, events: u8) {
        if let Some(request) = self.pending_request.take().filter(|_| self.outcome.error.is_none()) {
            self.accept(&request);
        }
        for _ in 0..events {
            match self.connection.receive(&mut &mut [][..], &mut self.outcome.out) {
                Ok(Some(event)) => self.outcome.events.push(event),
                Ok(None) => {}
                Err(error) => self.outcome.error = Some(*error),
            }
        }
    }

    /// Accepts a pending request, and checks what holds after the end of the connection.
    pub fn finish(&mut self) {
        if self.has_pending_request() {
            self.answer_late(0);
            self.feed(&mut []);
        }
        let (state, out) = (self.state(), self.outcome.out.len());
        let role = self.options.role;
        if state == State::Closed {
            let mut late = [frame(peer_of(role), 0x81, b"late"), frame(peer_of(role), 0x89, b"?")].concat();
            for _ in 0..2 {
                let result = self.connection.receive(&mut &mut late[..], &mut self.outcome.out);
                assert_eq!(result, self.outcome.error.map(Box::new).map_or(Ok(None), Err));
            }
            assert!(self.connection.send_text("late", &mut self.outcome.out).is_err());
            assert!(self.connection.ping(b"late", &mut self.outcome.out).is_err());
        }
        let eof = self.connection.receive_eof();
        assert_eq!(self.state(), State::Closed);
        match (state, eof) {
            (State::Closed, eof) => assert_eq!(eof, self.outcome.error.map(Box::new).map_or(Ok(None), Err)),
            (State::Opening, Ok(Some(event @ Event::Refused(_)))) => self.outcome.events.push(event),
            (State::Opening, eof) => assert_eq!(eof, Err(Box::new(sockless::ProtocolError::HandshakeEof))),
            (_, eof) => assert_eq!(eof, Err(Box::new(sockless::ProtocolError::UnexpectedEof))),
        }
        assert_eq!(
            self.outcome.out.len(),
            out,
            "nothing is sent after the connection is closed"
        );
    }
}

/// The order of the states.
fn order(state: State) -> u8 {
    match state {
        State::Opening => 0,
        State::Open => 1,
        State::Closing => 2,
        State::Closed => 3,
    }
}

/// The events, with the chunks of each frame joined, so that they do not depend on the cuts.
pub fn join_chunks(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let mut joined: Vec<Event<'static>> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Chunk(last)), Event::Chunk(next)) if !last.frame_end => {
                match (&mut last.data, &next.data) {
                    (Message::Text(text), Message::Text(more)) => text.to_mut().push_str(more),
                    (Message::Binary(data), Message::Binary(more)) => data.to_mut().extend_from_slice(more),
                    kinds => panic!("the chunks of a frame differ in kind: {kinds:?}"),
                }
                last.frame_end = next.frame_end;
                last.message_end = next.message_end;
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

/// The events, with a message for its chunks, and the bytes of the message in progress.
pub fn messages_from_chunks(events: Vec<Event<'static>>) -> (Vec<Event<'static>>, Vec<u8>) {
    let mut messages = Vec::new();
    let mut bytes = Vec::new();
    let mut kind = None;
    for event in events {
        let chunk = match event {
            Event::Chunk(chunk) => chunk,
            other => {
                messages.push(other);
                continue;
            }
        };
        assert!(
            chunk.frame_end || !chunk.as_bytes().is_empty(),
            "an empty chunk ends its frame"
        );
        assert!(chunk.frame_end || !chunk.message_end, "a message ends with a frame");
        let first_kind = *kind.get_or_insert_with(|| chunk.kind());
        assert_eq!(first_kind, chunk.kind());
        bytes.extend_from_slice(chunk.as_bytes());
        if chunk.message_end {
            let bytes = std::mem::take(&mut bytes);
            messages.push(match &chunk.data {
                Message::Text(_) => Event::Text(String::from_utf8(bytes).unwrap().into()),
                Message::Binary(_) => Event::Binary(bytes.into()),
            });
            kind = None;
        }
    }
    (messages, bytes)
}
