//! What a connection costs in heap, by a counting allocator: `cargo bench -p sockless-benches --bench memory`, with `--features zlib-rs` for the
//! other back end of permessage-deflate. It measures bytes, and so needs no repetition. What is promised is asserted.

use allocation_counter::measure;
use bench_support::{
    Content, ROLES, SEGMENT, SIZES, peer_of,
    receiving::{Receiving, Stream},
    sending::{Messages, Sending},
    upgraded,
};
use sockless::{
    Config, Connection, Event, Role,
    deflate::{DeflateConfig, DeflateParams, WindowBits},
    handshake::Negotiated,
};

const LEN: usize = 20_000;
/// How many messages are counted.
const MESSAGES: u64 = 20;

/// How compression is negotiated: window bits, takeover, and whether working state is given back between messages.
type Mode = Option<(u8, bool, bool)>;

fn open(role: Role, mode: Mode) -> Connection {
    let (mut config, mut negotiated) = (Config::default(), Negotiated::default());
    if let Some((bits, takeover, release)) = mode {
        let deflate = DeflateConfig::new().release(release);
        config = config.deflate(deflate);
        let bits = WindowBits::new(bits).unwrap();
        negotiated.deflate = Some(DeflateParams {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: !takeover,
            server_max_window_bits: bits,
            client_max_window_bits: bits,
        });
    }
    upgraded(role, &negotiated, config)
}

fn message(seed: usize) -> String {
    let mut text = String::new();
    for n in seed.. {
        text += &format!("{{\"id\":{n},\"price\":{}}},", n * 37 % 1009);
        if text.len() >= LEN {
            break;
        }
    }
    text
}

fn main() {
    println!("A connection: {} bytes, and heap:\n", size_of::<Connection>());
    println!("| compression | new | sends {LEN} bytes | then idle | receives as many | then idle |");
    println!("|---|---|---|---|---|---|");
    let windows = [15, 12, 9];
    let modes = windows.into_iter().flat_map(|bits| {
        [(true, false), (true, true), (false, false), (false, true)]
            .map(|(takeover, release)| Some((bits, takeover, release)))
    });
    for mode in std::iter::once(None).chain(modes) {
        row(mode);
    }
    println!("\n| open and idle, compression | heap |\n|---|---|");
    ROLES.into_iter().for_each(idle);
    println!("\nAllocations in {MESSAGES} messages:\n");
    println!("| | received | in 8 frames | in segments | in both | sent | in 8 frames |");
    println!("|---|---|---|---|---|---|---|");
    ROLES.into_iter().for_each(steady);
    println!(
        "\nAllocations in {MESSAGES} compressed messages of {LEN} bytes, in segments and out:\n\n| | |\n|---|---|"
    );
    for role in ROLES {
        compressed(role, true);
        compressed(role, false);
    }
}

fn row(mode: Mode) {
    let mut ends = None;
    let born = measure(|| ends = Some((open(Role::Server, mode), open(Role::Server, mode))));
    let (mut sender, mut receiver) = ends.unwrap();
    let mut out = Vec::with_capacity(4 * LEN);
    let mut round = |seed| {
        let text = message(seed);
        out.clear();
        let sending = measure(|| sender.send_text(&text, &mut out).unwrap());
        let mut input = Vec::new();
        let mut client = open(Role::Client, mode.map(|(bits, ..)| (bits, false, false)));
        client.send_text(&text, &mut input).unwrap();
        let mut event = None;
        let receiving = measure(|| {
            let mut rest = &mut input[..];
            event = receiver
                .receive(&mut rest, &mut Vec::new())
                .unwrap()
                .map(Event::into_owned);
        });
        assert!(event.as_ref() == Some(&Event::Text(text.into())));
        // What the message itself takes is the application's.
        let own = match event {
            Some(Event::Text(text)) => text.into_owned().capacity() as i64,
            _ => 0,
        };
        (sending, receiving, own)
    };
    let (sending, receiving, own) = round(0);
    let name = mode.map_or_else(
        || "none".to_owned(),
        |(bits, takeover, release)| {
            let takeover = if takeover { "takeover" } else { "no takeover" };
            format!("{bits} bits, {takeover}{}", if release { ", release" } else { "" })
        },
    );
    println!(
        "| {name} | {} | {} | {} | {} | {} |",
        born.bytes_current / 2,
        sending.bytes_max,
        sending.bytes_current,
        receiving.bytes_max,
        receiving.bytes_current - own,
    );
}

/// An open end that did nothing yet, by role and by whether compression is negotiated.
fn idle(role: Role) {
    for (name, mode) in [("none", None), ("negotiated", Some((15, true, false)))] {
        let mut connection = None;
        let born = measure(|| connection = Some(open(role, mode)));
        println!("| {role:?}, {name} | {} |", born.bytes_current);
        let promised = match role {
            Role::Server => 0,
            Role::Client => 512,
        };
        assert!(mode.is_some() || born.bytes_current <= promised);
    }
}

/// Messages that come and go, and are given back: what is allocated for them.
fn steady(role: Role) {
    for content in [Content::Binary, Content::Mixed] {
        for size in SIZES {
            let whole = Stream::new(role, content, size);
            let frame = Some(size.div_ceil(8));
            let received = [
                whole,
                Stream { frame, ..whole },
                Stream { read: SEGMENT, ..whole },
                Stream {
                    frame,
                    read: SEGMENT,
                    ..whole
                },
            ]
            .map(|stream| {
                let mut receiving = Receiving::new(stream);
                measure(|| _ = receiving.run(MESSAGES)).count_total
            });
            let sent = [None, frame].map(|frame| {
                let mut sending = Sending::new(Messages {
                    role,
                    content,
                    size,
                    frame,
                    batch: 1,
                });
                measure(|| _ = sending.run(MESSAGES)).count_total
            });
            let [whole, frames, segments, both] = received;
            println!(
                "| {role:?}, {} {size} | {whole} | {frames} | {segments} | {both} | {} | {} |",
                content.name(),
                sent[0],
                sent[1],
            );
            assert_eq!((received, sent), ([0; 4], [0; 2]));
        }
    }
}

/// The same for compressed messages, in pieces.
fn compressed(role: Role, takeover: bool) {
    let mode = Some((15, takeover, false));
    let (mut end, mut peer) = (open(role, mode), open(peer_of(role), mode));
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    let text = message(0);
    let mut exchange = || {
        wire.clear();
        out.clear();
        allocation_counter::opt_out(|| peer.send_text(&text, &mut wire).unwrap());
        let mut received = 0;
        for mut piece in wire.chunks_mut(SEGMENT) {
            while let Some(event) = end.receive(&mut piece, &mut out).unwrap() {
                assert!(matches!(&event, Event::Text(got) if *got == text));
                end.recycle(event);
                received += 1;
            }
        }
        assert_eq!(received, 1);
        end.send_text(&text, &mut out).unwrap();
        assert!(out.len() < text.len());
    };
    exchange();
    exchange();
    let steady = measure(|| (0..MESSAGES).for_each(|_| exchange()));
    let takeover = if takeover { "takeover" } else { "no takeover" };
    println!("| {role:?}, {takeover} | {} |", steady.count_total);
}
