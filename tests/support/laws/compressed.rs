//! The laws of connections on which permessage-deflate is negotiated.

use allocation_counter::measure;
use sockless::{
    Connection, Role,
    deflate::{DeflateConfig, DeflateParams, WindowBits},
    handshake::Negotiated,
};

use super::{
    conversation::Conversation,
    drive::joined,
    options::{Cursor, cuts},
};
use crate::{Outcome, feed_cut, peer_of, without_fast_paths};

/// What a connection with compression needs to know.
#[derive(Clone, Copy)]
struct Agreement {
    role: Role,
    bits: u8,
    takeover: bool,
    release: bool,
    chunks: bool,
    /// The limit on messages.
    limit: u64,
    level: u8,
    fragments: u8,
}

impl Agreement {
    const LEN: usize = 4;

    fn read(cursor: &mut Cursor<'_>) -> Self {
        let [first, second, level, fragments] = cursor.array::<{ Self::LEN }>();
        let bit = |bit: u32| first >> bit & 1 == 1;
        Self {
            role: if bit(0) { Role::Client } else { Role::Server },
            bits: 8 + second % 8,
            takeover: bit(1),
            release: bit(2),
            chunks: bit(3),
            limit: if bit(4) { 100 } else { 64 << 10 },
            level: level % 10,
            fragments,
        }
    }

    fn open(self, role: Role) -> Connection {
        let deflate = DeflateConfig::new()
            .level(self.level)
            .threshold(0)
            .release(self.release);
        let config = super::options::fragments_of(self.fragments)
            .deflate(deflate)
            .max_message_size(self.limit)
            .delivery(super::options::delivery(self.chunks));
        let bits = WindowBits::new(self.bits).unwrap();
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(DeflateParams {
            server_no_context_takeover: !self.takeover,
            client_no_context_takeover: !self.takeover,
            server_max_window_bits: bits,
            client_max_window_bits: bits,
        });
        crate::upgraded(role, &negotiated, config)
    }
}

/// Any bytes from the peer: the same events, error and output in two cuts, within the memory promised.
pub fn compressed_bytes(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let agreement = Agreement::read(&mut cursor);
    let seeds = [cursor.byte(), cursor.byte()];
    let input = cursor.rest();
    let [one, other] = seeds.map(|seed| {
        let mut outcome = feed_cut(&mut agreement.open(agreement.role), input, &cuts(seed, input.len()));
        outcome.events = joined(outcome.events);
        outcome
    });
    assert_eq!(one, other);
    let connection = || agreement.open(agreement.role);
    let mut general = feed_cut(
        &mut without_fast_paths(connection()),
        input,
        &cuts(seeds[0], input.len()),
    );
    general.events = joined(general.events);
    assert_eq!(general, one, "the fast paths yield what the general path does");
    for mut connection in [connection(), without_fast_paths(connection())] {
        let mut kept = feed_whole(&mut connection, input, &cuts(seeds[0], input.len()));
        kept.events = joined(kept.events);
        assert_eq!(kept, one);
    }

    let mut bytes = input.to_vec();
    let heap = measure(|| {
        let (mut connection, mut rest, mut out) = (agreement.open(agreement.role), &mut bytes[..], Vec::new());
        while let Ok(Some(_event)) = connection.receive(&mut rest, &mut out) {}
    });
    // A message that grows is held three times for a moment; then the inflater, its window, and another copy of that in one
    // of the back ends; a piece to deliver; and the replies.
    let bound = 3 * agreement.limit + (64 << 10) + 3 * (1 << agreement.bits) + (64 << 10) + input.len() as u64;
    assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
}

/// As [`feed_cut`], but messages are kept until they are whole; what is left at the end is taken as it is.
fn feed_whole(connection: &mut Connection, input: &[u8], cuts: &[usize]) -> Outcome {
    let (mut outcome, mut kept, mut from) = (Outcome::default(), Vec::new(), 0);
    for to in cuts.iter().copied().chain([input.len()]) {
        kept.extend_from_slice(&input[from..to]);
        from = to;
        let mut rest = &mut kept[..];
        while outcome.error.is_none() {
            match connection.receive_whole(&mut rest, &mut outcome.out) {
                Ok(Some(event)) => outcome.events.push(event.into_owned()),
                Ok(None) => break,
                Err(error) => outcome.error = Some(*error),
            }
        }
        let left = rest.len();
        kept.drain(..kept.len() - left);
    }
    if outcome.error.is_none() {
        let last = feed_cut(connection, &kept, &[]);
        outcome.events.extend(last.events);
        outcome.out.extend(last.out);
        outcome.error = last.error;
    }
    outcome
}

/// Whole conversations arrive as they were sent, however they were fragmented and cut.
pub fn compressed_roundtrip(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let mut agreement = Agreement::read(&mut cursor);
    let seeds = [cursor.byte(), cursor.byte()];
    let conversation = Conversation::read(&mut cursor);
    agreement.limit = 16 << 20;
    let (mut sender, mut out) = (agreement.open(agreement.role), Vec::new());
    conversation.send(&mut sender, &mut out);
    let mut same = Vec::new();
    conversation.send(&mut without_fast_paths(agreement.open(agreement.role)), &mut same);
    assert_eq!(out, same, "the fast path sends what the general path does");
    let receiver = Agreement {
        chunks: false,
        ..agreement
    };
    for seed in seeds {
        let mut receiver = receiver.open(peer_of(agreement.role));
        let outcome = feed_cut(&mut receiver, &out, &cuts(seed, out.len()));
        assert_eq!((outcome.events, outcome.error), (conversation.events(), None));
    }
}

/// Input for [`compressed_bytes`] from that of [`compressed_roundtrip`]: what the peer sends in that conversation.
pub fn compressed_input(data: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(data);
    let agreement = Agreement::read(&mut cursor);
    let seeds = [cursor.byte(), cursor.byte()];
    let conversation = Conversation::read(&mut cursor);
    let (mut sender, mut wire) = (agreement.open(peer_of(agreement.role)), Vec::new());
    conversation.send(&mut sender, &mut wire);
    [&data[..Agreement::LEN.min(data.len())], &seeds, &wire].concat()
}
