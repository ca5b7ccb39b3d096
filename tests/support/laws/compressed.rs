//! The laws of connections with permessage-deflate.

use allocation_counter::measure;
use sockless::{Connection, Role, deflate::DeflateConfig};

use super::{
    conversation::Conversation,
    endpoint::join_chunks,
    options::{Cursor, cuts},
};
use crate::{Outcome, feed_cut, params, peer_of, upgraded, with_deflate, without_fast_paths};

/// The options of a connection with permessage-deflate.
#[derive(Clone, Copy)]
struct DeflateOptions {
    role: Role,
    bits: u8,
    takeover: bool,
    release: bool,
    low_memory: bool,
    chunks: bool,
    /// The limit on the size of a message.
    limit: u64,
    level: u8,
    fragments: u8,
}

impl DeflateOptions {
    const LEN: usize = 4;

    fn read(cursor: &mut Cursor<'_>) -> Self {
        let [first, second, level, fragments] = cursor.array::<{ Self::LEN }>();
        let bit = |bit: u32| first >> bit & 1 == 1;
        Self {
            role: if bit(0) { Role::Client } else { Role::Server },
            bits: 8 + second % 8,
            takeover: bit(1),
            release: bit(2),
            low_memory: bit(5),
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
            .release(self.release)
            .low_memory(self.low_memory);
        let config = super::options::with_fragment_size(self.fragments)
            .deflate(deflate)
            .max_message_size(self.limit)
            .delivery(super::options::delivery(self.chunks));
        upgraded(role, &with_deflate(params(self.bits, !self.takeover)), config)
    }
}

/// For any bytes from the peer, events, error and output do not depend on the cuts and on the fast
/// paths, and the memory is bounded.
pub fn compressed_bytes(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let options = DeflateOptions::read(&mut cursor);
    let seeds = [cursor.byte(), cursor.byte()];
    let input = cursor.rest();
    let [first, second] = seeds.map(|seed| {
        let mut outcome = feed_cut(&mut options.open(options.role), input, &cuts(seed, input.len()));
        outcome.events = join_chunks(outcome.events);
        outcome
    });
    assert_eq!(first, second);
    let connection = || options.open(options.role);
    let mut general = feed_cut(
        &mut without_fast_paths(connection()),
        input,
        &cuts(seeds[0], input.len()),
    );
    general.events = join_chunks(general.events);
    assert_eq!(general, first, "the fast paths and the general path report the same");
    for mut connection in [connection(), without_fast_paths(connection())] {
        let mut kept = feed_whole(&mut connection, input, &cuts(seeds[0], input.len()));
        kept.events = join_chunks(kept.events);
        assert_eq!(kept, first);
    }

    let mut bytes = input.to_vec();
    let heap = measure(|| {
        let (mut connection, mut rest, mut out) = (options.open(options.role), &mut bytes[..], Vec::new());
        while let Ok(Some(_event)) = connection.receive(&mut rest, &mut out) {}
    });
    // An assembled message that grows, the inflater, its window (twice in one of the back ends), a
    // piece to deliver, and the replies.
    let bound = 3 * options.limit + (64 << 10) + 3 * (1 << options.bits) + (64 << 10) + input.len() as u64;
    assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
}

/// Like [`feed_cut`], but keeps an incomplete message in the buffer. Receives the incomplete rest
/// at the end.
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
        let rest_len = rest.len();
        kept.drain(..kept.len() - rest_len);
    }
    if outcome.error.is_none() {
        let last = feed_cut(connection, &kept, &[]);
        outcome.events.extend(last.events);
        outcome.out.extend(last.out);
        outcome.error = last.error;
    }
    outcome
}

/// A compressed conversation arrives as it was sent, for any fragments and cuts.
pub fn compressed_roundtrip(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let mut options = DeflateOptions::read(&mut cursor);
    let seeds = [cursor.byte(), cursor.byte()];
    let conversation = Conversation::read(&mut cursor);
    options.limit = 16 << 20;
    let (mut sender, mut out) = (options.open(options.role), Vec::new());
    conversation.send(&mut sender, &mut out);
    let mut out_of_general_path = Vec::new();
    conversation.send(
        &mut without_fast_paths(options.open(options.role)),
        &mut out_of_general_path,
    );
    assert_eq!(
        out, out_of_general_path,
        "the fast path and the general path send the same"
    );
    let receiver = DeflateOptions {
        chunks: false,
        ..options
    };
    for seed in seeds {
        let mut receiver = receiver.open(peer_of(options.role));
        let outcome = feed_cut(&mut receiver, &out, &cuts(seed, out.len()));
        assert_eq!((outcome.events, outcome.error), (conversation.events(), None));
    }
}

/// The input of [`compressed_bytes`] that the conversation of [`compressed_roundtrip`] produces.
pub fn compressed_input(data: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(data);
    let options = DeflateOptions::read(&mut cursor);
    let seeds = [cursor.byte(), cursor.byte()];
    let conversation = Conversation::read(&mut cursor);
    let (mut sender, mut bytes) = (options.open(peer_of(options.role)), Vec::new());
    conversation.send(&mut sender, &mut bytes);
    [&data[..DeflateOptions::LEN.min(data.len())], &seeds, &bytes].concat()
}
