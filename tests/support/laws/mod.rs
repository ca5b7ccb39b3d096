//! What holds for any bytes: the bodies that property tests and fuzz targets share.
//!
//! Each law takes raw bytes and makes of them what it needs: the options of an endpoint, the cuts of the input, what
//! the peer sends or a conversation. A fuzzer calls it with bytes that it mutates, a property test with the same bytes
//! made from something that has structure. A law that is broken panics.

#[cfg(feature = "deflate")]
pub mod compressed;
pub mod conversation;
pub mod drive;
pub mod options;
pub mod reference;

use sockless::{
    Event, ProtocolError, Role, State,
    frame::{Header, Opcode},
};

use crate::{feed_cut, frames, open, peer_of, without_fast_paths};

use self::{
    conversation::Conversation,
    drive::{Drive, both_ways, joined, messages, peak_heap, run, run_whole},
    options::{Answer, Cursor, Opening, Options, cuts},
    reference::Verdict,
};

/// Any bytes from a client: no panic, and events, errors and replies as the reference says, within the memory promised.
pub fn server_bytes(data: &[u8]) {
    any_bytes(Role::Server, data);
}

/// Any bytes from a server.
pub fn client_bytes(data: &[u8]) {
    any_bytes(Role::Client, data);
}

fn any_bytes(role: Role, data: &[u8]) {
    let (mut options, stream) = Options::read(data);
    options.role = role;
    let opening = options.opening_bytes();
    let input = [&opening, stream].concat();
    let mut outcome = run(&options, &input, &cuts(options.cuts[0], input.len()));
    let is_open = match options.opening {
        Opening::Done => true,
        Opening::WellFormed => {
            assert!(matches!(outcome.events.remove(0), Event::Request(_) | Event::Open(_)));
            // Early data over the limit fail before they are looked at.
            (role == Role::Client || options.answer != Answer::Reject) && !options.is_too_early(stream)
        }
        Opening::Any => false,
    };
    if is_open {
        let verdict = reference::receive(role, stream, options.limits());
        check_events(&options, outcome.events, outcome.error, &verdict);
        if options.opening == Opening::Done {
            assert_eq!(frames(role, &outcome.out), replies(&options, &verdict));
        }
    }
    let heap = peak_heap(&options, &input, &cuts(options.cuts[1], input.len()));
    // An assembled message grows by doubling, and while it is moved both allocations are held.
    let bound = 3 * input.len() as u64 + (64 << 10) + 1024;
    assert!(heap.bytes_max <= bound, "{} > {bound}: {heap:?}", heap.bytes_max);
    // Linear in what was received, however it came: nothing is joined or copied again and again.
    let bound = 8 * input.len() as u64 + (192 << 10);
    assert!(heap.bytes_total <= bound, "{} > {bound}: {heap:?}", heap.bytes_total);
}

/// The events of either delivery say what the reference says.
fn check_events(options: &Options, events: Vec<Event<'static>>, error: Option<ProtocolError>, verdict: &Verdict) {
    if options.chunks {
        let (messages, unfinished) = messages(events);
        assert_eq!(messages, verdict.events, "joined chunks are the messages");
        assert_eq!(unfinished, verdict.unfinished, "a chunk comes as soon as its bytes do");
    } else {
        assert_eq!(events, verdict.events);
    }
    assert_eq!(error, verdict.error);
}

/// What an open endpoint has sent when it has received what the verdict says, automatically and by hand.
fn replies(options: &Options, verdict: &Verdict) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    if options.closing {
        frames.push((0x88, drive::OUR_CLOSE.0.to_be_bytes().to_vec()));
    }
    for event in &verdict.events {
        match event {
            Event::Ping(payload) if options.auto_pong || options.by_hand => frames.push((0x8A, payload.to_vec())),
            Event::Close(frame) if !options.closing && (options.auto_close || options.by_hand) => {
                let body = frame.as_ref().map_or(vec![], |frame| match frame.code.0 {
                    // "1010 ... is not used by the server" (section 7.4.1), so that neither end repeats it.
                    1010 => 1000_u16.to_be_bytes().to_vec(),
                    code => code.to_be_bytes().to_vec(),
                });
                frames.push((0x88, body));
            }
            _ => {}
        }
    }
    if let Some(error) = verdict.error {
        if !options.closing {
            frames.push((0x88, reference::close_code(error).to_be_bytes().to_vec()));
        }
    }
    frames
}

/// The same bytes in two cuts, and with messages kept until they are whole: the same events, error and output.
pub fn rechunk(data: &[u8]) {
    let (options, stream) = Options::read(data);
    let input = [&options.opening_bytes(), stream].concat();
    let [one, other] = options.cuts.map(|seed| {
        let mut outcome = run(&options, &input, &cuts(seed, input.len()));
        outcome.events = joined(outcome.events);
        outcome
    });
    assert_eq!(one, other);
    let room = usize::from(options.spare) * 4;
    for options in both_ways(&options) {
        for patient in [false, true] {
            let mut kept = run_whole(&options, &input, &cuts(options.cuts[1], input.len()), room, patient);
            kept.events = joined(kept.events);
            assert_eq!(kept, one);
        }
    }
}

/// A fresh engine that gets what another has not read, and then the rest, reports exactly the remaining events.
pub fn takeover(data: &[u8]) {
    let (mut options, stream) = Options::read(data);
    options.chunks = false;
    options.closing = false;
    options.small = false;
    if options.opening == Opening::Any {
        // Raw bytes hardly make it through a handshake, and a refusal is no stream to take over.
        options.opening = Opening::WellFormed;
    }
    if options.is_too_early(stream) {
        return;
    }
    let input = [&options.opening_bytes(), stream].concat();
    let whole = run(&options, &input, &[]);
    let at = usize::from(options.spare) * (input.len() + 1) / 256;
    let (before, after) = input.split_at(at);

    let mut first = Drive::new(&options);
    first.feed_cut(before, &cuts(options.cuts[0], before.len()));
    if first.is_deciding() && options.by_hand {
        // Accepted, and some of what came before that is processed.
        first.answer(options.cuts[1] % 4);
    }
    let state = first.state();
    let deciding = first.is_deciding();
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
    let mut second = if state == State::Opening && !deciding {
        Drive::new(&options)
    } else {
        Drive::open(&options)
    };
    let input = [&unread[..], after].concat();
    second.feed_cut(&input, &cuts(options.cuts[1], input.len()));
    second.finish();
    events.append(&mut second.outcome.events);
    assert_eq!(events, whole.events, "taken over after {at} bytes");
    assert_eq!(second.outcome.error, whole.error, "taken over after {at} bytes");
}

/// Headers, and whole conversations, arrive as they were sent.
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

    let (mut sender, mut out) = (open(role, options::fragments_of(fragment_size)), Vec::new());
    conversation.send(&mut sender, &mut out);
    assert_eq!(frames(role, &out), conversation.frames(fragment_size.into()));
    let mut general = without_fast_paths(open(role, options::fragments_of(fragment_size)));
    let mut same = Vec::new();
    conversation.send(&mut general, &mut same);
    assert_eq!(out, same, "the fast path sends what the general path does");
    for seed in seeds {
        let receiver = || open(peer_of(role), sockless::Config::default());
        for mut receiver in [receiver(), without_fast_paths(receiver())] {
            let outcome = feed_cut(&mut receiver, &out, &cuts(seed, out.len()));
            assert_eq!((outcome.events, outcome.error), (conversation.events(), None));
            assert_eq!(frames(peer_of(role), &outcome.out), conversation.replies());
        }
    }
}

/// What encodes decodes to the same, and the other way round.
fn header_roundtrip(cursor: &mut Cursor<'_>) {
    let bytes = cursor.rest();
    if let Ok(Some((header, used))) = Header::decode(bytes) {
        assert_eq!(header.encode(&mut [0; Header::MAX_LEN]).unwrap(), &bytes[..used]);
    }
    let bits = cursor.byte();
    let header = Header {
        fin: bits & 1 > 0,
        rsv1: bits & 2 > 0,
        rsv2: bits & 4 > 0,
        rsv3: bits & 8 > 0,
        mask: (bits & 16 > 0).then(|| cursor.array()),
        opcode: [
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ][usize::from(cursor.byte()) % 6],
        // Lengths of all magnitudes.
        len: u64::from_be_bytes(cursor.array()) >> (cursor.byte() % 64),
    };
    let mut buf = [0; Header::MAX_LEN];
    let legal = match header.opcode {
        Opcode::Close | Opcode::Ping | Opcode::Pong => header.fin && header.len < 126,
        Opcode::Continuation | Opcode::Text | Opcode::Binary => header.len < 1 << 63,
    };
    match header.encode(&mut buf) {
        Ok(bytes) => {
            assert!(legal);
            assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
            for end in 0..bytes.len() {
                assert_eq!(Header::decode(&bytes[..end]), Ok(None));
            }
        }
        Err(_) => assert!(!legal),
    }
}
