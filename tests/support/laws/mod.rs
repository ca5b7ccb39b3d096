//! Laws that hold for any input. Property tests and fuzz targets share them.
//!
//! Each law takes raw bytes, and reads from them the options of an endpoint, the cuts of its input,
//! and what the peer sends. A fuzzer calls a law with mutated bytes, a property test with generated
//! ones. A law panics if it does not hold.

#[cfg(feature = "deflate")]
pub mod compressed;
pub mod connect;
pub mod conversation;
pub mod endpoint;
#[cfg(feature = "deflate")]
pub mod extensions;
pub mod handshake;
pub mod heads;
#[cfg(feature = "deflate")]
pub mod inflate;
pub mod options;
pub mod pair;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod polled;
#[cfg(feature = "recording")]
pub mod recording;
pub mod reference;
pub mod relay;
#[cfg(feature = "deflate")]
pub mod rfc1951;
pub mod url;

use sockless::{
    Event, ProtocolError, Role, State,
    frame::{Header, Opcode, ReservedBits},
};

use crate::{feed_cut, frames, open, peer_of, without_fast_paths};

use self::{
    conversation::Conversation,
    endpoint::{
        TestEndpoint, heap_use, join_chunks, messages_from_chunks, run_with_input_buffer, run_with_receive,
        run_with_receive_whole, with_and_without_fast_paths,
    },
    options::{Cursor, Decision, Opening, Options, cuts},
    reference::Expected,
};

/// For any bytes from a client, a server does not panic, its events, errors and replies are those
/// of the reference decoder, and its memory is bounded.
pub fn server_bytes(data: &[u8]) {
    any_bytes(Role::Server, data);
}

/// The same for a client and any bytes from a server.
pub fn client_bytes(data: &[u8]) {
    any_bytes(Role::Client, data);
}

fn any_bytes(role: Role, data: &[u8]) {
    let (mut options, stream) = Options::read(data);
    options.role = role;
    let opening = options.opening_bytes();
    let input = [&opening, stream].concat();
    let mut outcome = run_with_receive(&options, &input, &cuts(options.cuts[0], input.len()));
    let is_open = match options.opening {
        Opening::Done => true,
        Opening::Valid => {
            assert!(matches!(outcome.events.remove(0), Event::Request(_) | Event::Open(_)));
            // Early data over the limit fails before its frames are decoded.
            (role == Role::Client || options.decision != Decision::Reject) && !options.exceeds_early_data_limit(stream)
        }
        Opening::Arbitrary => false,
    };
    if is_open {
        let expected = reference::receive(role, stream, options.limits());
        check_events(&options, outcome.events, outcome.error, &expected);
        if options.opening == Opening::Done {
            assert_eq!(frames(role, &outcome.out), replies(&options, &expected));
        }
    }
    let heap = heap_use(&options, &input, &cuts(options.cuts[1], input.len()));
    // An assembled message grows by doubling, and both allocations exist while it is moved.
    let bound = 3 * input.len() as u64 + (64 << 10) + 1024;
    assert!(heap.bytes_max <= bound, "{} > {bound}: {heap:?}", heap.bytes_max);
    // Linear in the received bytes, for any cuts: nothing is copied repeatedly.
    let bound = 8 * input.len() as u64 + (192 << 10);
    assert!(heap.bytes_total <= bound, "{} > {bound}: {heap:?}", heap.bytes_total);
}

/// Asserts that the events equal those of the reference decoder, with either delivery.
fn check_events(options: &Options, events: Vec<Event<'static>>, error: Option<ProtocolError>, expected: &Expected) {
    if options.chunk_delivery {
        let (messages, unfinished) = messages_from_chunks(events);
        assert_eq!(messages, expected.events, "the joined chunks are the messages");
        assert_eq!(unfinished, expected.unfinished, "received bytes are delivered at once");
    } else {
        assert_eq!(events, expected.events);
    }
    assert_eq!(error, expected.error);
}

/// The frames that an open endpoint sends for the events of the reference decoder, by the engine
/// and by the application.
fn replies(options: &Options, expected: &Expected) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    if options.closes_early {
        frames.push((0x88, endpoint::EARLY_CLOSE.0.to_be_bytes().to_vec()));
    }
    for event in &expected.events {
        match event {
            Event::Ping(payload) if options.auto_pong || options.app_replies => frames.push((0x8A, payload.to_vec())),
            Event::Close(frame) if !options.closes_early && (options.auto_close || options.app_replies) => {
                let body = frame.as_ref().map_or(vec![], |frame| match frame.code.0 {
                    // "1010 ... is not used by the server" (section 7.4.1), so neither role echoes
                    // it.
                    1010 => 1000_u16.to_be_bytes().to_vec(),
                    code => code.to_be_bytes().to_vec(),
                });
                frames.push((0x88, body));
            }
            _ => {}
        }
    }
    if let Some(error) = expected.error {
        if !options.closes_early {
            frames.push((0x88, reference::close_code(error).to_be_bytes().to_vec()));
        }
    }
    frames
}

/// Events, error and output do not depend on the cuts of the input, nor on whether incomplete
/// messages stay in the buffer, of the caller or of the crate.
pub fn rechunk(data: &[u8]) {
    let (options, stream) = Options::read(data);
    let input = [&options.opening_bytes(), stream].concat();
    let [first_outcome, second_outcome] = options.cuts.map(|seed| {
        let mut outcome = run_with_receive(&options, &input, &cuts(seed, input.len()));
        outcome.events = join_chunks(outcome.events);
        outcome
    });
    assert_eq!(first_outcome, second_outcome);
    let capacity = usize::from(options.law_parameter) * 4;
    for options in with_and_without_fast_paths(&options) {
        for waits in [false, true] {
            let mut outcome =
                run_with_receive_whole(&options, &input, &cuts(options.cuts[1], input.len()), capacity, waits);
            outcome.events = join_chunks(outcome.events);
            assert_eq!(outcome, first_outcome);
        }
    }
    let mut outcome = run_with_input_buffer(&options, &input, &cuts(options.cuts[1], input.len()), capacity);
    outcome.events = join_chunks(outcome.events);
    assert_eq!(outcome, first_outcome);
}

/// A second connection that receives the unread bytes of the first, and then the rest of the input,
/// reports exactly the remaining events.
pub fn takeover(data: &[u8]) {
    let (mut options, stream) = Options::read(data);
    options.chunk_delivery = false;
    options.closes_early = false;
    options.small_limits = false;
    if options.opening == Opening::Arbitrary {
        // Arbitrary bytes rarely complete a handshake.
        options.opening = Opening::Valid;
    }
    if options.exceeds_early_data_limit(stream) {
        return;
    }
    let input = [&options.opening_bytes(), stream].concat();
    let whole = run_with_receive(&options, &input, &[]);
    let at = usize::from(options.law_parameter) * (input.len() + 1) / 256;
    let (before, after) = input.split_at(at);

    let mut first = TestEndpoint::new(&options);
    first.feed_cut(before, &cuts(options.cuts[0], before.len()));
    if first.has_pending_request() && options.app_replies {
        // The request is accepted, and some of the early data is processed.
        first.answer_late(options.cuts[1] % 4);
    }
    let state = first.state();
    let has_pending_request = first.has_pending_request();
    let mut events = std::mem::take(&mut first.outcome.events);
    if first.outcome.error.is_some() || matches!(events.last(), Some(Event::Close(_))) {
        return;
    }
    let unread = first.into_connection().into_parts().unread;
    assert!(unread.len() <= before.len() + Header::MAX_LEN);
    if state == State::Closed {
        assert_eq!(unread, []);
        return;
    }
    let mut second = if state == State::Opening && !has_pending_request {
        TestEndpoint::new(&options)
    } else {
        TestEndpoint::open(&options)
    };
    let input = [&unread[..], after].concat();
    second.feed_cut(&input, &cuts(options.cuts[1], input.len()));
    second.finish();
    events.append(&mut second.outcome.events);
    assert_eq!(events, whole.events, "after {at} bytes");
    assert_eq!(second.outcome.error, whole.error, "after {at} bytes");
}

/// A header that is encoded decodes to itself, and a conversation arrives as it was sent.
pub fn frame_roundtrip(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    header_roundtrip(&mut cursor);
    let role = if cursor.byte() % 2 == 0 {
        Role::Client
    } else {
        Role::Server
    };
    let fragment_size = cursor.byte();
    let seeds = [cursor.byte(), cursor.byte()];
    let conversation = Conversation::read(&mut cursor);

    let (mut sender, mut out) = (open(role, options::with_fragment_size(fragment_size)), Vec::new());
    conversation.send(&mut sender, &mut out);
    assert_eq!(frames(role, &out), conversation.frames(fragment_size.into()));
    let mut general = without_fast_paths(open(role, options::with_fragment_size(fragment_size)));
    let mut out_of_general_path = Vec::new();
    conversation.send(&mut general, &mut out_of_general_path);
    assert_eq!(
        out, out_of_general_path,
        "the fast path and the general path send the same"
    );
    for seed in seeds {
        let receiver = || open(peer_of(role), sockless::Config::default());
        for mut receiver in [receiver(), without_fast_paths(receiver())] {
            let outcome = feed_cut(&mut receiver, &out, &cuts(seed, out.len()));
            assert_eq!((outcome.events, outcome.error), (conversation.events(), None));
            assert_eq!(frames(peer_of(role), &outcome.out), conversation.replies());
        }
    }
}

/// A header that is encoded decodes to itself, and a header that is decoded encodes to itself.
fn header_roundtrip(cursor: &mut Cursor<'_>) {
    let bytes = cursor.rest();
    if let Ok(Some((header, used))) = Header::decode(bytes) {
        assert_eq!(header.encode(&mut [0; Header::MAX_LEN]).unwrap(), &bytes[..used]);
    }
    let bits = cursor.byte();
    let header = Header {
        fin: bits & 1 > 0,
        reserved: ReservedBits {
            rsv1: bits & 2 > 0,
            rsv2: bits & 4 > 0,
            rsv3: bits & 8 > 0,
        },
        mask: (bits & 16 > 0).then(|| cursor.array()),
        opcode: [
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ][usize::from(cursor.byte()) % 6],
        // Lengths of any magnitude.
        len: u64::from_be_bytes(cursor.array()) >> (cursor.byte() % 64),
    };
    let mut buf = [0; Header::MAX_LEN];
    let is_valid = match header.opcode {
        Opcode::Close | Opcode::Ping | Opcode::Pong => header.fin && header.len < 126,
        Opcode::Continuation | Opcode::Text | Opcode::Binary => header.len < 1 << 63,
    };
    match header.encode(&mut buf) {
        Ok(bytes) => {
            assert!(is_valid);
            assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
            for end in 0..bytes.len() {
                assert_eq!(Header::decode(&bytes[..end]), Ok(None));
            }
        }
        Err(_) => assert!(!is_valid),
    }
}
