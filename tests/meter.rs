//! `Meter`: what passes through a connection, counted.

use proptest::prelude::*;
use sockless::{
    Config, Event, Role,
    frame::{Meter, Traffic},
};
use support::{
    Length, ROLES, feed_cut, frame, frames, header,
    laws::options::{cuts, with_fragment_size},
    open, peer_of,
};

use crate::streams::{cases, conversation, stream};

/// What another decoder counts in the frames of `sender`.
fn count(sender: Role, bytes: &[u8]) -> Traffic {
    let frames = frames(sender, bytes);
    let of = |opcode| frames.iter().filter(|(first, _)| first % 16 == opcode).count() as u64;
    let data = || frames.iter().filter(|(first, _)| first % 16 < 8);
    let mut traffic = Traffic::default();
    traffic.messages = data().filter(|(first, _)| *first >= 128).count() as u64;
    traffic.frames = frames.len() as u64;
    traffic.pings = of(9);
    traffic.pongs = of(10);
    traffic.wire_bytes = bytes.len() as u64;
    traffic.payload_bytes = data().map(|(_, payload)| payload.len() as u64).sum();
    traffic
}

/// What a meter counts in bytes that arrive in pieces.
fn measure(bytes: &[u8], cuts: &[usize]) -> Traffic {
    let (mut meter, mut from) = (Meter::default(), 0);
    for to in cuts.iter().copied().chain([bytes.len()]) {
        meter.add(&bytes[from..to]);
        from = to;
    }
    meter.traffic()
}

proptest! {
    #![proptest_config(cases(300))]

    /// For any cut, a meter counts what another decoder finds in the bytes: of a conversation, and
    /// of the replies to it.
    #[test]
    fn a_meter_counts_what_is_on_the_wire(conversation in conversation(), client: bool, seed: u8, size: u8) {
        let role = if client { Role::Client } else { Role::Server };
        let (mut sender, mut sent) = (open(role, with_fragment_size(size)), Vec::new());
        conversation.send(&mut sender, &mut sent);
        let outcome = feed_cut(&mut open(peer_of(role), Config::new()), &sent, &[]);
        for (role, bytes) in [(role, sent), (peer_of(role), outcome.out)] {
            prop_assert_eq!(measure(&bytes, &cuts(seed, bytes.len())), count(role, &bytes));
        }
    }

    /// For any bytes, the counts do not depend on the cuts, and nothing is counted that was not
    /// there.
    #[test]
    fn the_counts_of_any_bytes_do_not_depend_on_the_cuts(bytes in stream(Role::Server), seeds: [u8; 2]) {
        let [first, second] = seeds.map(|seed| measure(&bytes, &cuts(seed, bytes.len())));
        prop_assert_eq!(first, second);
        prop_assert!(first.wire_bytes <= bytes.len() as u64);
        prop_assert!(first.payload_bytes <= first.wire_bytes && first.frames * 2 <= first.wire_bytes);
    }
}

/// Of a frame in progress, the payload so far counts; of a header, nothing before it is complete.
#[test]
fn a_frame_in_progress_counts_as_far_as_it_has_arrived() {
    for role in ROLES {
        let bytes = frame(role, 0x82, &[b'x'; 300]);
        let header = bytes.len() - 300;
        let mut meter = Meter::new();
        for (at, byte) in bytes.iter().enumerate() {
            let traffic = meter.traffic();
            let arrived = if at < header { 0 } else { at };
            assert_eq!(traffic.wire_bytes, arrived as u64);
            assert_eq!(traffic.payload_bytes, arrived.saturating_sub(header) as u64);
            assert_eq!((traffic.frames, traffic.messages), (u64::from(at >= header), 0));
            meter.add(&[*byte]);
        }
        assert_eq!(meter.traffic(), count(role, &bytes));
    }
}

/// Lengths near 2^63 overflow nothing, whatever follows.
#[test]
fn announced_lengths_are_not_counted() {
    let mut bytes = header(0x82, false, Length::Long, (1 << 63) - 1);
    bytes.extend_from_slice(&[0x82; 100]);
    let traffic = measure(&bytes, &[3]);
    assert_eq!(
        (traffic.frames, traffic.wire_bytes, traffic.payload_bytes),
        (1, 110, 100)
    );
}

/// Nothing counts after a Close frame, nor after a header that no endpoint may send.
#[test]
fn the_counts_end_with_the_frames() {
    for role in ROLES {
        let valid = frame(role, 0x81, b"abc");
        let late = frame(role, 0x81, b"late");
        let close = frame(role, 0x88, &1000_u16.to_be_bytes());
        let closed = [&valid[..], &close].concat();
        for first in [0x83, 0x8B, 0x09, 0x08] {
            let input = [&valid[..], &frame(role, first, b"abc"), &late].concat();
            for at in 0..input.len() {
                assert_eq!(measure(&input, &[at]), count(role, &valid), "{first:x} {at}");
            }
        }
        let input = [&closed[..], &late].concat();
        for at in 0..input.len() {
            assert_eq!(measure(&input, &[at]), count(role, &closed), "{at}");
        }
        let empty = frame(role, 0x88, &[]);
        assert_eq!(measure(&[&empty[..], &late].concat(), &[]), count(role, &empty));
    }
}

/// The caller begins with what is left of the input when the connection is open.
#[test]
fn counting_begins_when_the_connection_is_open() {
    use sockless::{Accept, Connection};

    let early = frame(Role::Client, 0x82, b"early");
    let mut input = [support::REQUEST.as_bytes(), &early].concat();
    let (mut server, mut out) = (Connection::server(Config::new()), Vec::new());
    let (mut received, mut input) = (Meter::new(), &mut input[..]);
    while let Some(event) = server.receive(&mut input, &mut out).unwrap() {
        if let Event::Request(request) = &event {
            server.accept(request, &Accept::new(), &mut out).unwrap();
            received.add(input);
        }
    }
    assert_eq!(received.traffic(), count(Role::Client, &early));
}

/// The bytes of the payloads and those of the messages say how small compression makes them.
#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_count_in_both_forms() {
    use sockless::deflate::DeflateConfig;
    use support::pair::Pair;

    let config = || Config::new().deflate(DeflateConfig::new());
    let mut pair = Pair::open(config(), config());
    let text = "abc".repeat(1000);
    pair.client.engine.send_text(&text, &mut pair.client.out).unwrap();
    let mut meter = Meter::new();
    meter.add(&pair.client.out);
    pair.deliver_all();
    for event in pair.server.take_events() {
        let Event::Text(text) = event else { panic!() };
        meter.add_message_bytes(text.len() as u64);
    }
    let traffic = meter.traffic();
    assert_eq!((traffic.messages, traffic.message_bytes), (1, 3000));
    assert!(traffic.payload_bytes < 100, "{traffic:?}");
}
