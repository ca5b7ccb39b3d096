//! An endpoint with an application that follows its options, watched at every step.

use allocation_counter::AllocationInfo;
use sockless::{Accept, ClientRequest, CloseCode, Config, Connection, Event, Message, Request, Role, State};

use super::options::{Answer, Opening, Options};
use crate::{Outcome, frame, open, peer_of};

/// The code of the Close that an application sends early.
pub const OUR_CLOSE: CloseCode = CloseCode::GOING_AWAY;

/// The longest answer to an opening handshake.
const MAX_ANSWER: usize = 512;

/// A client with a fixed seed, and its request.
pub fn connect(config: Config) -> (Connection, Vec<u8>) {
    let mut out = Vec::new();
    let request = ClientRequest::new("ws://example.com/chat").unwrap();
    let client = Connection::client(&request, config, [7; 32], &mut out).unwrap();
    (client, out)
}

/// Feeds a fresh endpoint to the end, and what may come after that; twice, as the fast paths yield what the general path
/// does: the same events, error and output.
pub fn run(options: &Options, input: &[u8], cuts: &[usize]) -> Outcome {
    let [fast, general] = both_ways(options).map(|options| {
        let mut drive = Drive::new(&options);
        drive.feed_cut(input, cuts);
        drive.finish();
        drive.outcome
    });
    assert_eq!(fast, general, "the fast paths yield what the general path does");
    fast
}

/// The options with and without fast paths.
pub fn both_ways(options: &Options) -> [Options; 2] {
    [true, false].map(|fast_paths| Options {
        fast_paths,
        ..options.clone()
    })
}

/// As [`run`], but through a buffer that keeps up to `room` bytes of a message that has not come as a whole; and that waits
/// for as much as is wanted, if it is `patient`.
pub fn run_whole(options: &Options, input: &[u8], cuts: &[usize], room: usize, patient: bool) -> Outcome {
    let mut drive = Drive::new(options);
    let mut kept = Vec::new();
    let mut wanted = 0;
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let is_begun = !kept.is_empty();
        kept.extend_from_slice(&input[from..to]);
        from = to;
        if patient && kept.len() < wanted && kept.len() <= room {
            continue;
        }
        let had = kept.clone();
        let events = drive.outcome.events.len();
        drive.feed_whole(&mut kept);
        if had.len() < wanted && drive.outcome.error.is_none() {
            assert_eq!(
                drive.outcome.events.len(),
                events,
                "less than is wanted leads to nothing"
            );
            assert!(kept == had || !is_begun || patient, "and a beginning stays where it is");
        }
        if kept.len() > room {
            drive.feed(&mut kept);
            kept.clear();
        }
        let wants = drive.connection.wanted(&kept);
        assert_ne!(wants, 0);
        wanted = kept.len() + wants;
    }
    // What is judged before it is whole.
    drive.feed(&mut kept);
    drive.finish();
    drive.outcome
}

/// The heap that a fresh endpoint needs, once it is born, for the input; events are dropped as they come.
pub fn peak_heap(options: &Options, input: &[u8], cuts: &[usize]) -> AllocationInfo {
    let mut drive = Drive::new(options);
    drive.keeps = false;
    // Whoever owns the output has its own memory.
    drive.outcome.out.reserve(4096 + 4 * input.len());
    let mut input = input.to_vec();
    let mut rest = &mut input[..];
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for &to in cuts {
        let (piece, behind) = rest.split_at_mut(to - from);
        pieces.push(piece);
        (from, rest) = (to, behind);
    }
    pieces.push(rest);
    allocation_counter::measure(|| {
        for piece in &mut pieces {
            drive.feed(piece);
        }
    })
}

#[derive(Debug)]
pub struct Drive {
    connection: Connection,
    options: Options,
    pub outcome: Outcome,
    /// Whether events are kept.
    keeps: bool,
    /// A request that the application takes its time to accept.
    waiting: Option<Request<'static>>,
    fed: usize,
    pieces: usize,
    calls: usize,
    pings: usize,
    /// The size of the output when the connection opened.
    out_before: usize,
}

impl Drive {
    pub fn new(options: &Options) -> Self {
        match (options.opening, options.role) {
            (Opening::Done, _) => Self::open(options),
            (_, Role::Server) => Self::with(Connection::server(options.config()), options),
            (_, Role::Client) => Self::with(connect(options.config()).0, options),
        }
    }

    /// An endpoint that is open from the beginning.
    pub fn open(options: &Options) -> Self {
        let mut drive = Self::with(open(options.role, options.config()), options);
        drive.opened();
        drive
    }

    fn with(mut connection: Connection, options: &Options) -> Self {
        if !options.fast_paths {
            connection.disable_fast_paths();
        }
        Self {
            connection,
            options: options.clone(),
            outcome: Outcome::default(),
            keeps: true,
            waiting: None,
            fed: 0,
            pieces: 0,
            calls: 0,
            pings: 0,
            out_before: 0,
        }
    }

    pub fn state(&self) -> State {
        self.connection.state()
    }

    pub fn is_deciding(&self) -> bool {
        self.waiting.is_some()
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

    /// Feeds one piece and does what the application does.
    pub fn feed(&mut self, piece: &mut [u8]) {
        self.feed_with::<false>(piece);
    }

    /// Feeds what `buffer` holds, and leaves there what is left: the beginning of a message.
    pub fn feed_whole(&mut self, buffer: &mut Vec<u8>) {
        let left = self.feed_with::<true>(buffer);
        buffer.drain(..buffer.len() - left);
    }

    fn feed_with<const WHOLE: bool>(&mut self, piece: &mut [u8]) -> usize {
        self.fed += piece.len();
        self.pieces += 1;
        let mut input = piece;
        while self.outcome.error.is_none() {
            let (had, state) = (input.len(), self.state());
            let out = &mut self.outcome.out;
            let result = if WHOLE {
                self.connection.receive_whole(&mut input, out)
            } else {
                self.connection.receive(&mut input, out)
            };
            assert!(input.len() <= had && rank(self.connection.state()) >= rank(state));
            self.calls += 1;
            match result {
                Ok(Some(event)) => {
                    assert_ne!(state, State::Closed, "nothing comes after the end");
                    self.react(&event);
                    if self.keeps {
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
            // Each event needs a byte at least, but for the empty end of a frame; a piece and an error need one call.
            assert!(self.calls <= self.fed + self.pieces + 2, "{} calls", self.calls);
            self.check_output();
        }
        input.len()
    }

    fn react(&mut self, event: &Event<'_>) {
        let out = &mut self.outcome.out;
        let by_hand = self.options.by_hand;
        match event {
            Event::Request(request) if !request.is_upgrade() => {
                self.connection.reject(200, &[], b"hello", out).unwrap();
            }
            Event::Request(request) => match self.options.answer {
                Answer::AcceptLate if self.keeps => self.waiting = Some(request.clone().into_owned()),
                Answer::Accept | Answer::AcceptLate => self.accept(request),
                Answer::Reject => self.connection.reject(403, &[("X", "y")], b"no", out).unwrap(),
            },
            Event::Open(_) => self.opened(),
            Event::Ping(payload) => {
                self.pings += 1;
                if by_hand && !self.options.auto_pong {
                    self.connection.pong(payload, out).unwrap();
                }
            }
            Event::Close(frame) if by_hand && self.connection.state() == State::Closing => {
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
            .accept(request, &Accept::new(), &mut self.outcome.out)
            .unwrap();
        self.opened();
    }

    fn opened(&mut self) {
        assert_eq!(self.state(), State::Open);
        self.out_before = self.outcome.out.len();
        assert!(self.out_before <= MAX_ANSWER);
        if self.options.closing {
            self.connection.close(OUR_CLOSE, "", &mut self.outcome.out).unwrap();
            self.out_before = self.outcome.out.len();
        }
    }

    /// Replies are bounded by what they answer.
    fn check_output(&self) {
        let out = self.outcome.out.len() - self.out_before;
        if self.state() == State::Opening || self.connection.close_status().is_none() && self.state() == State::Closed {
            assert!(out <= MAX_ANSWER);
            return;
        }
        // A pong repeats a ping, and one Close answers a Close or an error. A client's frames have 4 bytes more than
        // those that they answer, for the key; a Close that answers two bytes or an error has a code.
        let (keys, close) = match self.options.role {
            Role::Server => (0, 4),
            Role::Client => (4 * self.pings, 8),
        };
        let failed_early = matches!(self.outcome.error, Some(sockless::ProtocolError::Request(_)));
        let answer = if failed_early { MAX_ANSWER } else { close };
        assert!(out <= self.fed + keys + answer, "{out} bytes for {}", self.fed);
    }

    /// The late answer, if the request still waits for one, and so many events of what came before it.
    pub fn answer(&mut self, events: u8) {
        if let Some(request) = self.waiting.take().filter(|_| self.outcome.error.is_none()) {
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

    /// The late answer, and what holds behind the end.
    pub fn finish(&mut self) {
        if self.is_deciding() {
            self.answer(0);
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
        assert_eq!(self.outcome.out.len(), out, "nothing is sent after the end");
    }
}

fn rank(state: State) -> u8 {
    match state {
        State::Opening => 0,
        State::Open => 1,
        State::Closing => 2,
        State::Closed => 3,
    }
}

/// The events with the chunks of each frame joined: how the input was cut cannot be seen in them any more.
pub fn joined(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let mut joined: Vec<Event<'static>> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Chunk(last)), Event::Chunk(next)) if !last.frame_end => {
                match (&mut last.data, &next.data) {
                    (Message::Text(text), Message::Text(more)) => text.to_mut().push_str(more),
                    (Message::Binary(data), Message::Binary(more)) => data.to_mut().extend_from_slice(more),
                    kinds => panic!("a frame of two kinds: {kinds:?}"),
                }
                last.frame_end = next.frame_end;
                last.message_end = next.message_end;
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

/// The messages that chunks are, between the other events; and the bytes of the message in progress.
pub fn messages(events: Vec<Event<'static>>) -> (Vec<Event<'static>>, Vec<u8>) {
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
        let begun = *kind.get_or_insert_with(|| chunk.kind());
        assert_eq!(begun, chunk.kind());
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
