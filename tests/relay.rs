//! `Relay`: frames passed between a client and a server.

use proptest::{collection::vec, prelude::*};
use sockless::{
    CloseCode, Config, Event, MessageKind, ProtocolError, Relay, Role, State, Teardown, frame::ReservedBits,
};
use support::{
    KEY, Length, ROLES, frame, frames, header,
    laws::{
        options::{cuts, with_fragment_size},
        reference,
    },
    open, peer_of, reserved_bits, too_big,
};

use crate::streams::{cases, conversation, stream};

const SEED: [u8; 32] = [9; 32];

fn relay() -> Relay {
    Relay::new(&Config::new(), SEED)
}

/// A relay with what it has sent to each side.
struct Relayed {
    relay: Relay,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

impl Relayed {
    fn new(relay: Relay) -> Self {
        Self {
            relay,
            to_client: Vec::new(),
            to_server: Vec::new(),
        }
    }

    fn forward(&mut self, from: Role, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        let (to_other, back) = match from {
            Role::Client => (&mut self.to_server, &mut self.to_client),
            Role::Server => (&mut self.to_client, &mut self.to_server),
        };
        let result = self.relay.forward(from, &mut input, to_other, back);
        assert!(input.is_empty(), "everything is consumed");
        result.map_err(|error| *error)
    }

    /// Forwards `bytes` in pieces that end at `cuts`, up to the first error.
    fn forward_cut(&mut self, from: Role, bytes: &[u8], cuts: &[usize]) -> Result<(), ProtocolError> {
        let mut at = 0;
        for to in cuts.iter().copied().chain([bytes.len()]) {
            self.forward(from, &bytes[at..to])?;
            at = to;
        }
        Ok(())
    }

    fn to(&mut self, side: Role) -> &mut Vec<u8> {
        match side {
            Role::Client => &mut self.to_client,
            Role::Server => &mut self.to_server,
        }
    }

    /// The frames that a side has got since the last call.
    fn take_frames(&mut self, side: Role) -> Vec<(u8, Vec<u8>)> {
        let bytes = std::mem::take(self.to(side));
        frames(peer_of(side), &bytes)
    }
}

fn close_frame(code: u16) -> (u8, Vec<u8>) {
    (0x88, code.to_be_bytes().to_vec())
}

/// The code that says to `side` that the other one is lost.
fn code_of_loss(side: Role) -> u16 {
    match side {
        Role::Client => 1014,
        Role::Server => 1001,
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// R081: The same frames arrive, with the same fragments, for any cut; the bytes do not
    /// depend on the cuts.
    #[test]
    fn s5_4_frames_arrive_as_they_were_sent(
        conversation in conversation(), client: bool, seeds: [u8; 2], size: u8,
    ) {
        let from = if client { Role::Client } else { Role::Server };
        let (mut sender, mut sent) = (open(from, with_fragment_size(size)), Vec::new());
        conversation.send(&mut sender, &mut sent);
        let [first, second] = seeds.map(|seed| {
            let mut relayed = Relayed::new(relay());
            relayed.forward_cut(from, &sent, &cuts(seed, sent.len())).unwrap();
            relayed
        });
        prop_assert!(first.to_client == second.to_client && first.to_server == second.to_server);
        let mut relayed = first;
        prop_assert_eq!(relayed.take_frames(peer_of(from)), frames(from, &sent));
        prop_assert_eq!(relayed.take_frames(from), []);
    }

    /// A side that breaks a rule on frames gets the code, the other one hears that it is lost, and
    /// what came before arrives, for any bytes and any cut. No output has an incomplete frame, but
    /// for one that is incomplete in the input.
    #[test]
    fn violations_are_found_on_the_side_that_made_them(
        client: bool,
        (of_client, of_server) in (stream(Role::Server), stream(Role::Client)),
        seed: u8, small: bool, answers: [bool; 2],
    ) {
        let (from, bytes) = if client { (Role::Client, of_client) } else { (Role::Server, of_server) };
        let config = if small { Config::new().max_message_size(100).max_fragments(3) } else { Config::new() };
        let relay = Relay::new(&config, SEED).answer_pings(answers[0]).answer_close(answers[1]);
        let mut relayed = Relayed::new(relay);
        let result = relayed.forward_cut(from, &bytes, &cuts(seed, bytes.len()));
        let expected = expected(from, &bytes, small, answers);
        prop_assert_eq!(result.err(), expected.error);
        if let Some(error) = expected.error {
            prop_assert_eq!(relayed.forward(from, b"more"), Err(error), "the error is repeated");
        }
        let arrived = reference::frames(peer_of(from), relayed.to(peer_of(from)));
        let arrived: Vec<_> = arrived.0.into_iter().map(|frame| (frame.first, frame.len, frame.payload)).collect();
        prop_assert_eq!(arrived, expected.passed_on);
        prop_assert_eq!(relayed.take_frames(from), expected.answers);
    }

    /// Each call appends at most as many bytes as it consumes, and what the documentation says
    /// besides, whatever both sides send.
    #[test]
    fn the_output_is_bounded(
        of_client in stream(Role::Server), of_server in stream(Role::Client),
        order in vec(any::<bool>(), 40), piece in 1..200_usize, answers: [bool; 2],
    ) {
        let relay = relay().answer_pings(answers[0]).answer_close(answers[1]);
        let mut relayed = Relayed::new(relay);
        let (mut client, mut server) = (&of_client[..], &of_server[..]);
        for client_first in order {
            let (from, rest) = if client_first { (Role::Client, &mut client) } else { (Role::Server, &mut server) };
            let (now, later) = rest.split_at(piece.min(rest.len()));
            *rest = later;
            let before = relayed.to_client.len() + relayed.to_server.len();
            let _result = relayed.forward(from, now);
            let after = relayed.to_client.len() + relayed.to_server.len();
            // At most one Ping for each two bytes.
            let pings = if from == Role::Server && answers[0] { now.len() / 2 + 1 } else { 0 };
            prop_assert!(after - before <= now.len() + 4 * pings + 400, "{} for {}", after - before, now.len());
        }
    }
}

#[derive(Debug, Default)]
struct Expected {
    error: Option<ProtocolError>,
    /// First bytes, announced lengths, and what arrives of the payloads.
    passed_on: Vec<(u8, u64, Vec<u8>)>,
    answers: Vec<(u8, Vec<u8>)>,
}

/// What a relay does with the bytes of one side, by the reference decoder.
fn expected(from: Role, bytes: &[u8], small: bool, [answers_pings, answers_close]: [bool; 2]) -> Expected {
    let mut expected = Expected::default();
    let (found, header_error) = reference::frames(peer_of(from), bytes);
    let (max_size, max_fragments) = if small { (100, 3) } else { (16 << 20, 131_072) };
    let (mut size, mut fragments) = (0_u64, 0);
    let mut error = header_error;
    for frame in found {
        let opcode = frame.opcode();
        if opcode < 8 {
            if opcode > 0 {
                (size, fragments) = (0, 0);
            }
            size = size.saturating_add(frame.len);
            fragments += 1;
            if size > max_size {
                error = Some(too_big(size, max_size));
                break;
            }
            if fragments > max_fragments {
                error = Some(ProtocolError::TooManyFragments { limit: max_fragments });
                break;
            }
            expected.passed_on.push((frame.first, frame.len, frame.payload));
        } else if !frame.is_whole() {
            // An incomplete control frame is not passed on.
        } else if opcode == 8 {
            // The content of a Close frame is checked by a connection.
            let mut connection = open(peer_of(from), Config::new());
            let outcome = support::feed(&mut connection, &support::frame(from, 0x88, &frame.payload));
            if outcome.error.is_some() {
                error = outcome.error;
                break;
            }
            expected.passed_on.push((0x88, frame.len, frame.payload));
            if answers_close {
                expected.answers.extend(frames(peer_of(from), &outcome.out));
            }
            return expected;
        } else if opcode == 9 && answers_pings {
            expected.answers.push((0x8A, frame.payload));
        } else {
            expected.passed_on.push((frame.first, frame.len, frame.payload));
        }
    }
    if let Some(error) = error {
        expected.answers.push(close_frame(reference::close_code(error)));
        let code = code_of_loss(peer_of(from)).to_be_bytes();
        expected.passed_on.push((0x88, 2, code.to_vec()));
    }
    expected.error = error;
    expected
}

/// R059 R061: Frames to the server are masked with fresh keys, not with those of the client; frames
/// to the client are not masked.
#[test]
fn s5_3_frames_to_the_server_have_fresh_keys() {
    let mut relayed = Relayed::new(relay());
    let sent = frame(Role::Client, 0x82, &[0; 8]);
    for _ in 0..3 {
        relayed.forward(Role::Client, &sent).unwrap();
    }
    let keys: Vec<&[u8]> = relayed.to_server.chunks(14).map(|frame| &frame[2..6]).collect();
    assert!(keys.iter().all(|key| **key != KEY) && keys[0] != keys[1] && keys[1] != keys[2]);
    assert_eq!(frames(Role::Client, &relayed.to_server), vec![(0x82, vec![0; 8]); 3]);
    relayed
        .forward(Role::Server, &frame(Role::Server, 0x82, b"abc"))
        .unwrap();
    assert_eq!(relayed.to_client, [0x82, 3, b'a', b'b', b'c']);
}

/// R092: A closing handshake is passed on, with code and reason, and its answer back.
#[test]
fn s5_5_1_a_closing_handshake_is_passed_on() {
    for side in ROLES {
        let other = peer_of(side);
        let mut relayed = Relayed::new(relay());
        relayed.forward(side, &frame(side, 0x88, b"\x03\xE9bye")).unwrap();
        assert_eq!(relayed.take_frames(other), [(0x88, b"\x03\xE9bye".to_vec())]);
        assert_eq!(relayed.take_frames(side), []);
        // What the other side still has to say arrives.
        relayed.forward(other, &frame(other, 0x81, b"last")).unwrap();
        assert_eq!(relayed.take_frames(side), [(0x81, b"last".to_vec())]);
        // What comes after a Close frame is discarded.
        relayed.forward(side, &frame(side, 0x81, b"late")).unwrap();
        assert_eq!(relayed.take_frames(other), []);
        assert_eq!(ROLES.map(|side| relayed.relay.teardown(side)), [None, None]);
        relayed.forward(other, &frame(other, 0x88, b"\x03\xE8")).unwrap();
        assert_eq!(relayed.take_frames(side), [close_frame(1000)]);
        assert_eq!(relayed.relay.teardown(Role::Client), Some(Teardown::Close));
        assert_eq!(relayed.relay.teardown(Role::Server), Some(Teardown::AwaitPeer));
        for side in ROLES {
            let mut out = Vec::new();
            relayed.relay.receive_eof(side, &mut out).unwrap();
            assert_eq!(out, []);
        }
    }
}

/// R091: Both sides can close at the same time.
#[test]
fn s5_5_1_close_frames_cross() {
    let mut relayed = Relayed::new(relay());
    for side in ROLES {
        relayed.forward(side, &frame(side, 0x88, b"\x03\xE9")).unwrap();
    }
    for side in ROLES {
        assert_eq!(relayed.take_frames(side), [close_frame(1001)]);
        assert!(relayed.relay.teardown(side).is_some());
    }
}

/// By choice, the relay answers a Close frame itself; the other side's answer is not passed back.
#[test]
fn s5_5_1_a_close_is_answered_by_choice() {
    for side in ROLES {
        let other = peer_of(side);
        let mut relayed = Relayed::new(relay().answer_close(true));
        relayed.forward(side, &frame(side, 0x88, b"\x03\xF2why")).unwrap();
        // 1010 may not be echoed by a server.
        assert_eq!(relayed.take_frames(side), [close_frame(1000)]);
        assert_eq!(relayed.take_frames(other), [(0x88, b"\x03\xF2why".to_vec())]);
        assert!(relayed.relay.teardown(side).is_some() && relayed.relay.teardown(other).is_none());
        let rest = [
            frame(other, 0x82, b"data"),
            frame(other, 0x89, b"?"),
            frame(other, 0x88, &[]),
        ]
        .concat();
        relayed.forward(other, &rest).unwrap();
        // The side has closed, so the relay answers the Ping for it.
        assert_eq!(relayed.take_frames(other), [(0x8A, b"?".to_vec())]);
        assert_eq!(relayed.take_frames(side), []);
        assert!(relayed.relay.teardown(other).is_some());
    }
}

/// By choice, the relay answers Pings itself; Pongs are passed on.
#[test]
fn s5_5_2_pings_are_answered_by_choice() {
    for side in ROLES {
        let sent = [frame(side, 0x89, b"?"), frame(side, 0x8A, b"!")].concat();
        let mut relayed = Relayed::new(relay());
        relayed.forward(side, &sent).unwrap();
        assert_eq!(relayed.take_frames(peer_of(side)), frames(side, &sent));
        assert_eq!(relayed.take_frames(side), []);
        let mut relayed = Relayed::new(relay().answer_pings(true));
        relayed.forward(side, &sent).unwrap();
        assert_eq!(relayed.take_frames(peer_of(side)), [(0x8A, b"!".to_vec())]);
        assert_eq!(relayed.take_frames(side), [(0x8A, b"?".to_vec())]);
    }
}

/// F96: The Close frame for a side that has broken a rule waits for the end of a frame. If the
/// transport of that side ends meanwhile, it can be closed: nothing waits for the other side.
#[test]
fn f96_a_side_that_has_failed_and_ended_can_be_closed() {
    for side in ROLES {
        let other = peer_of(side);
        let mut relayed = Relayed::new(relay());
        let large = frame(other, 0x82, &[b'x'; 300]);
        relayed.forward(other, &large[..100]).unwrap();
        let error = relayed.forward(side, &frame(side, 0x83, b"")).unwrap_err();
        assert_eq!(relayed.relay.teardown(side), None, "the Close frame waits");
        assert_eq!(relayed.relay.receive_eof(side, &mut Vec::new()), Err(Box::new(error)));
        assert_eq!(relayed.relay.teardown(side), Some(Teardown::Close));
    }
}

/// A transport that ends after one Close frame has ended too early, whichever side sent it.
#[test]
fn s7_1_5_the_transport_of_a_side_ends_inside_of_a_closing_handshake() {
    for side in ROLES {
        for ended in ROLES {
            let mut relayed = Relayed::new(relay());
            relayed.forward(side, &frame(side, 0x88, b"\x03\xE9")).unwrap();
            let mut out = Vec::new();
            let eof = relayed.relay.receive_eof(ended, &mut out).map_err(|error| *error);
            assert_eq!(eof, Err(ProtocolError::UnexpectedEof));
            // The other side of the one that sent the Close frame has it already.
            let expected = match ended == side {
                true => vec![],
                false => vec![close_frame(code_of_loss(side))],
            };
            assert_eq!(frames(ended, &out), expected);
        }
    }
}

/// No frame is sent inside of another: an answer waits for the end of the frame that is being
/// forwarded, and of several Pongs only the last one is sent.
#[test]
fn s5_4_no_frame_is_interrupted() {
    for side in ROLES {
        let other = peer_of(side);
        let mut relayed = Relayed::new(relay().answer_pings(true));
        let large = frame(other, 0x02, &[b'x'; 300]);
        let (front, back) = large.split_at(100);
        relayed.forward(other, front).unwrap();
        relayed
            .forward(side, &[frame(side, 0x89, b"1"), frame(side, 0x89, b"2")].concat())
            .unwrap();
        // A violation of this side has its answer after the frame, too.
        assert_eq!(
            relayed.forward(side, &[0x83]),
            Err(ProtocolError::ReservedOpcode { opcode: 3 })
        );
        assert_eq!(relayed.relay.teardown(side), None);
        assert_eq!(relayed.take_frames(other), [close_frame(code_of_loss(other))]);
        relayed.forward(other, back).unwrap();
        let expected = [(0x02, vec![b'x'; 300]), (0x8A, b"2".to_vec()), close_frame(1002)];
        assert_eq!(relayed.take_frames(side), expected);
        assert_eq!(relayed.relay.teardown(side), Some(Teardown::Close));
        // Nothing more is forwarded to it, and the other side closes as usual.
        let rest = [frame(other, 0x80, b"rest"), frame(other, 0x88, &[])].concat();
        relayed.forward(other, &rest).unwrap();
        assert_eq!(relayed.take_frames(side), []);
        assert!(relayed.relay.teardown(other).is_some());
    }
}

/// If the transport of one side ends, the other side gets a Close frame; inside of a frame,
/// it can only be dropped.
#[test]
fn s7_1_5_the_transport_of_a_side_ends() {
    for side in ROLES {
        let other = peer_of(side);
        for (sent, is_interrupted) in [(0, false), (100, true)] {
            let mut relayed = Relayed::new(relay());
            let large = frame(side, 0x82, &[b'x'; 300]);
            relayed.forward(side, &large[..sent]).unwrap();
            let len = relayed.to(other).len();
            let mut out = Vec::new();
            let eof = relayed.relay.receive_eof(side, &mut out).map_err(|error| *error);
            assert_eq!(eof, Err(ProtocolError::UnexpectedEof));
            assert_eq!(relayed.forward(side, b"x"), Err(ProtocolError::UnexpectedEof));
            assert_eq!(relayed.to(other).len(), len);
            assert_eq!(relayed.relay.teardown(side), Some(Teardown::Close));
            if is_interrupted {
                assert_eq!(out, []);
                assert_eq!(relayed.relay.teardown(other), Some(Teardown::Close));
            } else {
                assert_eq!(frames(side, &out), [close_frame(code_of_loss(other))]);
                assert_eq!(relayed.relay.teardown(other), None);
                relayed
                    .forward(other, &frame(other, 0x88, &code_of_loss(other).to_be_bytes()))
                    .unwrap();
                assert!(relayed.relay.teardown(other).is_some());
            }
        }
    }
}

/// R063: Reserved bits pass only where they were negotiated.
#[test]
fn s9_reserved_bits_pass_where_they_were_negotiated() {
    for side in ROLES {
        for bits in 1..8_u8 {
            let first = 0x82 | bits << 4;
            let sent = frame(side, first, b"abc");
            let mut relayed = Relayed::new(relay());
            assert_eq!(relayed.forward(side, &sent), Err(reserved_bits(first)));
            assert_eq!(relayed.take_frames(side), [close_frame(1002)]);
            let reserved = ReservedBits {
                rsv1: bits & 4 > 0,
                rsv2: bits & 2 > 0,
                rsv3: bits & 1 > 0,
            };
            let mut relayed = Relayed::new(relay().reserved(reserved));
            relayed.forward(side, &sent).unwrap();
            assert_eq!(relayed.take_frames(peer_of(side)), [(first, b"abc".to_vec())]);
        }
    }
}

/// R137 F04: A message without end takes no memory, and an announced length takes none.
#[test]
fn s10_4_memory_does_not_grow_with_messages() {
    for side in ROLES {
        let mut relay = Relay::new(&Config::new().max_message_size(u64::MAX), SEED);
        let mut head = header(0x82, side == Role::Client, Length::Long, (1 << 63) - 1);
        if side == Role::Client {
            head.extend_from_slice(&KEY);
        }
        let (mut out, mut back) = (Vec::with_capacity(70_000), Vec::new());
        relay.forward(side, &mut &mut head[..], &mut out, &mut back).unwrap();
        let mut piece = vec![b'x'; 64 << 10];
        let used = allocation_counter::measure(|| {
            for _ in 0..100 {
                out.clear();
                relay.forward(side, &mut &mut piece[..], &mut out, &mut back).unwrap();
            }
        });
        assert_eq!((out.len(), used.count_total), (64 << 10, 0));
    }
}

/// A client and a server of this crate talk through a relay, with the opening handshake of a proxy.
mod proxy {
    use sockless::{Accept, ClientRequest, Connection, error::LocalHandshakeError};
    use support::{
        heads::{drain, plain, undecided},
        pair::Endpoint,
        quoted,
    };

    use super::*;

    struct Proxied {
        client: Endpoint,
        server: Endpoint,
        relayed: Relayed,
    }

    /// Opens both connections, and a relay between them. The server accepts as `accept` says.
    fn connect(request: &ClientRequest, client: Config, server: Config, accept: &Accept<'_>) -> Proxied {
        let mut bytes = Vec::new();
        let client = Connection::client(request, client, [1; 32], &mut bytes).unwrap();
        let (mut front, received) = undecided(Config::new(), &bytes);
        let passed_on = ClientRequest::new("ws://backend/").unwrap().forwarding(&received);
        bytes.clear();
        let mut back = Connection::client(&passed_on, Config::new(), [2; 32], &mut bytes).unwrap();
        let (mut server, at_server) = undecided(server, &bytes);
        let mut response = Vec::new();
        server.accept(&at_server, accept, &mut response).unwrap();
        let mut events = drain(&mut back, &response, &mut Vec::new()).unwrap();
        let Event::Open(response) = events.remove(0) else {
            panic!()
        };
        let mut head = Vec::new();
        front
            .accept(&received, &Accept::new().any_origin().forwarding(&response), &mut head)
            .unwrap();
        let mut client = Endpoint::new(client);
        client.receive(&mut head);
        assert!(matches!(client.take_events()[..], [Event::Open(_)]));
        Proxied {
            client,
            server: Endpoint::new(server),
            relayed: Relayed::new(relay().negotiated(&response)),
        }
    }

    impl Proxied {
        /// Moves all output, until there is none.
        fn deliver_all(&mut self) {
            loop {
                let from_client = self.client.take(usize::MAX);
                let from_server = self.server.take(usize::MAX);
                self.relayed.forward(Role::Client, &from_client).unwrap();
                self.relayed.forward(Role::Server, &from_server).unwrap();
                let mut to_client = std::mem::take(&mut self.relayed.to_client);
                let mut to_server = std::mem::take(&mut self.relayed.to_server);
                if to_client.is_empty() && to_server.is_empty() {
                    return;
                }
                self.client.receive(&mut to_client);
                self.server.receive(&mut to_server);
            }
        }

        fn talk_and_close(&mut self) {
            let text = "a text that is repeated, a text that is repeated";
            for _ in 0..2 {
                self.client.engine.send_text(text, &mut self.client.out).unwrap();
                let half = text.len() / 2;
                for (part, fin) in [(&text[..half], false), (&text[half..], true)] {
                    self.server
                        .engine
                        .send_fragment(MessageKind::Text, part.as_bytes(), fin, &mut self.server.out)
                        .unwrap();
                }
                self.server.engine.ping(b"?", &mut self.server.out).unwrap();
                self.deliver_all();
                let expected = [Event::Text(text.into()), Event::Pong(b"?"[..].into())];
                assert_eq!(self.server.take_events(), expected);
                let expected = [Event::Text(text.into()), Event::Ping(b"?"[..].into())];
                assert_eq!(self.client.take_events(), expected);
            }
            self.client
                .engine
                .close(CloseCode::NORMAL, "done", &mut self.client.out)
                .unwrap();
            self.deliver_all();
            for end in [&self.client, &self.server] {
                assert_eq!(end.engine.state(), State::Closed);
                assert!(end.engine.close_status().unwrap().is_clean());
            }
            assert!(ROLES.iter().all(|side| self.relayed.relay.teardown(*side).is_some()));
        }
    }

    #[test]
    fn ends_talk_through_a_relay() {
        let request = plain().subprotocol("a").subprotocol("b").origin("http://example.com");
        let accept = Accept::new().any_origin().subprotocol(Some("b"));
        let mut proxied = connect(&request, Config::new(), Config::new(), &accept);
        proxied.talk_and_close();
    }

    /// Compressed messages pass as they are, with context takeover from end to end.
    #[cfg(feature = "deflate")]
    #[test]
    fn s6_compressed_messages_pass_through_a_relay() {
        use sockless::deflate::{DeflateConfig, WindowBits};

        let deflate = DeflateConfig::new()
            .threshold(0)
            .server_max_window_bits(WindowBits::new(10).unwrap())
            .fallback(true);
        let config = || Config::new().deflate(deflate.clone());
        let mut proxied = connect(&plain(), config(), config(), &Accept::new());
        proxied
            .client
            .engine
            .send_text(&"abc".repeat(100), &mut proxied.client.out)
            .unwrap();
        let sent = frames(Role::Client, &proxied.client.out);
        assert_eq!(sent[0].0, 0xC1);
        proxied.deliver_all();
        assert_eq!(proxied.server.take_events(), [Event::Text("abc".repeat(100).into())]);
        proxied.talk_and_close();
        // RSV1 on a later frame is a violation still.
        let mut proxied = connect(&plain(), config(), config(), &Accept::new());
        let input = [frame(Role::Client, 0x42, b"x"), frame(Role::Client, 0xC0, b"")].concat();
        assert_eq!(proxied.relayed.forward(Role::Client, &input), Err(reserved_bits(0xC0)));
    }

    /// An extension that the proxy does not know passes, with any reserved bits.
    #[test]
    fn s9_an_unknown_extension_passes_through_a_relay() {
        let request = plain().extension("x-own; a=\"b\"; c", ReservedBits::RSV3);
        let answer = [("x-own; d", ReservedBits::RSV3)];
        let accept = Accept::new().extensions(&answer);
        let mut proxied = connect(&request, Config::new(), Config::new(), &accept);
        proxied
            .client
            .engine
            .send_fragment_with(
                MessageKind::Text,
                b"x",
                true,
                ReservedBits::RSV3,
                &mut proxied.client.out,
            )
            .unwrap();
        proxied.deliver_all();
        assert_eq!(proxied.server.take_events(), [Event::Text("x".into())]);
        assert_eq!(proxied.server.engine.message_reserved_bits(), ReservedBits::RSV3);
    }

    /// The offers and the answers are those of the ends, exactly.
    #[test]
    fn offers_and_answers_are_passed_on() {
        let request = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://a.example\r\n\
            Cookie: secret\r\nSec-WebSocket-Protocol: a, b\r\n\
            Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate\r\n\
            Sec-WebSocket-Extensions: x-y; z=\"1\"\r\n\r\n";
        let (mut front, received) = undecided(Config::new(), request.as_bytes());
        let passed_on = plain().subprotocol("not this").forwarding(&received);
        let mut head = Vec::new();
        let mut back = Connection::client(&passed_on, Config::new(), [2; 32], &mut head).unwrap();
        let (_, at_server) = undecided(Config::new(), &head);
        let text = String::from_utf8(head).unwrap();
        let line = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate, \
            x-y; z=\"1\"\r\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("Sec-WebSocket-Protocol: a, b\r\n") && text.contains("Origin: http://a.example\r\n"));
        assert!(!text.contains("secret"));

        let answer = [
            ("x-y; z=2", ReservedBits::NONE),
            ("permessage-deflate; server_max_window_bits=10", ReservedBits::RSV1),
        ];
        let fields = at_server
            .acceptance(&Accept::new().any_origin().extensions(&answer), &Config::new())
            .unwrap()
            .0;
        let mut response = b"HTTP/1.1 101 X\r\n".to_vec();
        for (name, value) in fields {
            response.extend(format!("{name}: {value}\r\n").bytes());
        }
        response.extend_from_slice(b"\r\n");
        let Event::Open(response) = drain(&mut back, &response, &mut Vec::new()).unwrap().remove(0) else {
            panic!()
        };
        let mut head = Vec::new();
        front
            .accept(&received, &Accept::new().any_origin().forwarding(&response), &mut head)
            .unwrap();
        let text = String::from_utf8(head).unwrap();
        let line = "Sec-WebSocket-Extensions: x-y; z=2, permessage-deflate; server_max_window_bits=10\r\n";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("Sec-WebSocket-Protocol"));
    }

    /// R137 F15: Each answer is compared with each offer, and both are a peer's: so only the first
    /// 64 offers are passed on.
    #[test]
    fn f15_a_full_list_of_offers_is_limited() {
        let offers: Vec<String> = (0..1000).map(|number| format!("x{number}")).collect();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Extensions: {}\r\n\r\n",
            offers.join(", ")
        );
        let (_, received) = undecided(Config::new(), request.as_bytes());
        assert_eq!(received.extensions().count(), 1000);
        let mut head = Vec::new();
        Connection::client(&plain().forwarding(&received), Config::new(), [2; 32], &mut head).unwrap();
        let (_, at_server) = undecided(Config::new(), &head);
        let passed_on: Vec<_> = at_server
            .extensions()
            .map(|extension| extension.name().to_owned())
            .collect();
        assert_eq!(passed_on, offers[..64]);
    }

    /// What the client has not offered is not passed back to it.
    #[test]
    fn answers_that_were_not_offered_are_not_passed_on() {
        let request = plain().subprotocol("a").extension("x-own", ReservedBits::NONE);
        let open = |subprotocol: Option<&str>, extensions: &[(&str, ReservedBits)]| {
            let mut head = Vec::new();
            let mut client = Connection::client(&request, Config::new(), [2; 32], &mut head).unwrap();
            let (mut server, received) = undecided(Config::new(), &head);
            let mut response = Vec::new();
            let accept = Accept::new().subprotocol(subprotocol).extensions(extensions);
            server.accept(&received, &accept, &mut response).unwrap();
            match drain(&mut client, &response, &mut Vec::new()).unwrap().remove(0) {
                Event::Open(response) => response,
                other => panic!("{other:?}"),
            }
        };
        for (response, expected) in [
            (
                open(Some("a"), &[]),
                LocalHandshakeError::SubprotocolNotOffered {
                    subprotocol: quoted("a"),
                },
            ),
            (
                open(None, &[("x-own", ReservedBits::NONE)]),
                LocalHandshakeError::ExtensionNotOffered { name: quoted("x-own") },
            ),
        ] {
            let (mut front, received) = undecided(Config::new(), support::REQUEST.as_bytes());
            let mut out = Vec::new();
            let accepted = front.accept(&received, &Accept::new().any_origin().forwarding(&response), &mut out);
            assert_eq!((accepted, out), (Err(expected), vec![]));
        }
    }
}
