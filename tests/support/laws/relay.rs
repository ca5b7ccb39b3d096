//! The law of a relay: any bytes of both sides, against connections that get them directly.

use allocation_counter::measure;
use sockless::{CloseFrame, Config, Event, ProtocolError, Relay, Role};

use super::{
    options::{Cursor, cuts},
    reference,
};
use crate::{Outcome, ROLES, feed, open, peer_of};

const SEED: [u8; 32] = [9; 32];

#[derive(Clone, Copy, Debug)]
struct Options {
    small_limits: bool,
    answers_pings: bool,
    answers_close: bool,
    /// Each transport ends after its bytes.
    ends: bool,
    seeds: [u8; 2],
    order: u8,
}

impl Options {
    fn config(self) -> Config {
        if self.small_limits {
            Config::new().max_message_size(100).max_fragments(3)
        } else {
            Config::new()
        }
    }

    fn relay(self) -> Relay {
        Relay::new(&self.config(), SEED)
            .answer_pings(self.answers_pings)
            .answer_close(self.answers_close)
    }
}

/// For any bytes of a client and a server: a relay finds the violation that a connection finds,
/// what arrives is what a connection gets directly, no invalid frame leaves, nothing depends on the
/// cuts, and the output and the memory are bounded.
pub fn relay(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let [bits, first, second, order] = cursor.array();
    let len = usize::from(u16::from_be_bytes(cursor.array()));
    let bit = |bit: u32| bits >> bit & 1 == 1;
    let options = Options {
        small_limits: bit(0),
        answers_pings: bit(1),
        answers_close: bit(2),
        ends: bit(3),
        seeds: [first, second],
        order,
    };
    let (of_client, of_server) = cursor.rest().split_at(len.min(cursor.rest().len()));
    one_side(options, Role::Client, of_client);
    one_side(options, Role::Server, of_server);
    both_sides(options, of_client, of_server);
}

/// The input of [`relay`] with these bytes of a client and of a server.
pub fn input(options: [u8; 4], of_client: &[u8], of_server: &[u8]) -> Vec<u8> {
    let len = u16::try_from(of_client.len()).unwrap_or(u16::MAX);
    [&options, &len.to_be_bytes()[..], of_client, of_server].concat()
}

/// A relay, and what it has sent to each side.
struct Relayed {
    relay: Relay,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

impl Relayed {
    fn new(options: Options) -> Self {
        Self {
            relay: options.relay(),
            to_client: Vec::new(),
            to_server: Vec::new(),
        }
    }

    fn to(&mut self, side: Role) -> &mut Vec<u8> {
        match side {
            Role::Client => &mut self.to_client,
            Role::Server => &mut self.to_server,
        }
    }

    /// Forwards a piece, and checks what the documentation says of the output and the memory.
    fn forward(&mut self, from: Role, piece: &[u8], options: Options) -> Option<ProtocolError> {
        let before = self.to_client.len() + self.to_server.len();
        // A Ping of the server has at least two bytes, and its Pong has a mask key of four.
        let pings = if options.answers_pings && from == Role::Server {
            piece.len() / 2 + 1
        } else {
            0
        };
        let bound = piece.len() + 4 * pings + 400;
        self.to_client.reserve(bound);
        self.to_server.reserve(bound);
        let (to_other, back) = match from {
            Role::Client => (&mut self.to_server, &mut self.to_client),
            Role::Server => (&mut self.to_client, &mut self.to_server),
        };
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        let mut result = Ok(());
        let relay = &mut self.relay;
        let heap = measure(|| result = relay.forward(from, &mut input, to_other, back));
        assert!(input.is_empty(), "everything is consumed");
        // The payload of a control frame, a Pong, a Close frame, an error.
        assert!(heap.bytes_max <= 1024, "{heap:?}");
        let after = self.to_client.len() + self.to_server.len();
        assert!(after - before <= bound, "{} for {}", after - before, piece.len());
        result.err().map(|error| *error)
    }
}

/// One side sends, and the other is silent.
fn one_side(options: Options, from: Role, bytes: &[u8]) {
    let [first, second] = options.seeds.map(|seed| {
        let mut relayed = Relayed::new(options);
        let mut at = 0;
        let mut error = None;
        for to in cuts(seed, bytes.len()).into_iter().chain([bytes.len()]) {
            error = relayed.forward(from, &bytes[at..to], options);
            at = to;
            if error.is_some() {
                break;
            }
        }
        (error, relayed.to_client, relayed.to_server)
    });
    assert_eq!(first, second, "the cut matters");
    let (error, to_client, to_server) = first;
    let arrived = match from {
        Role::Client => to_server,
        Role::Server => to_client,
    };
    let receiver = || open(peer_of(from), options.config());
    let (direct, relayed) = (feed(&mut receiver(), bytes), feed(&mut receiver(), &arrived));
    compare(options, from, direct, error, relayed);
}

/// Compares what a connection gets directly with what it gets through a relay that has found an
/// error, or not.
fn compare(options: Options, from: Role, direct: Outcome, error: Option<ProtocolError>, relayed: Outcome) {
    let mut expected = direct.events;
    if options.answers_pings {
        expected.retain(|event| !matches!(event, Event::Ping(_)));
    }
    match direct.error {
        // What is inside of messages is for the other end to check. The relay may have found
        // another violation later.
        Some(ProtocolError::InvalidUtf8) => assert_eq!(relayed.error, Some(ProtocolError::InvalidUtf8)),
        None => assert_eq!((error, relayed.error), (None, None)),
        Some(violation) => {
            assert_eq!((error, relayed.error), (Some(violation), None));
            expected.push(Event::Close(Some(CloseFrame::new(code_of_loss(from), ""))));
        }
    }
    assert_eq!(relayed.events, expected);
}

/// The code that says that a side is lost.
const fn code_of_loss(lost: Role) -> u16 {
    match lost {
        Role::Client => 1001,
        Role::Server => 1014,
    }
}

/// Both sides send, in any order.
fn both_sides(options: Options, of_client: &[u8], of_server: &[u8]) {
    let mut relayed = Relayed::new(options);
    let [mut client_cuts, mut server_cuts] = [(of_client, 0), (of_server, 1)].map(|(bytes, seed)| {
        let mut ends = cuts(options.seeds[seed], bytes.len());
        ends.push(bytes.len());
        ends.into_iter()
    });
    let (mut at, mut errors, mut order) = ([0, 0], [None, None], u64::from(options.order) + 1);
    let mut has_ended = [false, false];
    while has_ended != [true, true] {
        order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let side = usize::from(order >> 40 & 1 == 1);
        let (from, bytes, ends) = match side {
            0 => (Role::Client, of_client, &mut client_cuts),
            _ => (Role::Server, of_server, &mut server_cuts),
        };
        match ends.next() {
            Some(to) => {
                let error = relayed.forward(from, &bytes[at[side]..to], options);
                assert!(errors[side].is_none() || error == errors[side], "an error is repeated");
                errors[side] = error;
                at[side] = to;
            }
            None if has_ended[side] => {}
            None => {
                has_ended[side] = true;
                if options.ends {
                    let mut out = Vec::new();
                    let result = relayed.relay.receive_eof(from, &mut out).map_err(|error| *error);
                    relayed.to(peer_of(from)).append(&mut out);
                    assert!(
                        errors[side].is_none() || result.err() == errors[side],
                        "an error is repeated"
                    );
                    assert!(relayed.relay.teardown(from).is_some());
                }
            }
        }
    }
    for from in ROLES {
        let (bytes, side) = if from == Role::Client {
            (of_client, 0)
        } else {
            (of_server, 1)
        };
        let direct = feed(&mut open(peer_of(from), options.config()), bytes);
        match direct.error {
            Some(ProtocolError::InvalidUtf8) => {}
            expected => assert_eq!(errors[side], expected),
        }
        check_output(from, bytes, relayed.to(peer_of(from)));
    }
}

/// What leaves for the other side of `from` is valid, and its data frames are those of `from`, as
/// far as they go.
fn check_output(from: Role, bytes: &[u8], output: &[u8]) {
    let (sent, _) = reference::frames(peer_of(from), bytes);
    let (arrived, error) = reference::frames(peer_of(from), output);
    assert_eq!(error, None, "no invalid frame leaves");
    let mut has_close = false;
    for (number, frame) in arrived.iter().enumerate() {
        assert!(
            number + 1 == arrived.len() || frame.is_whole(),
            "a frame is not interrupted"
        );
        // Pings are answered until the Close frame of the other side has arrived.
        assert!(!has_close || frame.opcode() == 10, "only Pongs follow a Close frame");
        if frame.opcode() == 8 {
            has_close = true;
            let mut receiver = open(peer_of(from), Config::new());
            let outcome = feed(&mut receiver, &crate::frame(from, 0x88, &frame.payload));
            assert_eq!(outcome.error, None, "a Close frame is valid");
        }
    }
    let is_data = |frame: &&reference::Frame| frame.opcode() < 8;
    let passed_on = arrived.iter().filter(is_data);
    for (arrived, sent) in passed_on.clone().zip(sent.iter().filter(is_data)) {
        assert_eq!((arrived.first, arrived.len), (sent.first, sent.len));
        assert!(sent.payload.starts_with(&arrived.payload));
    }
    assert!(passed_on.count() <= sent.iter().filter(is_data).count());
}
