//! The heap memory of a connection, measured by a counting allocator.
//!
//! `cargo bench -p sockless-benches --bench memory` measures with `miniz_oxide`, and with
//! `--features zlib-rs` it measures with `zlib-rs`. It counts bytes, so one run is enough.
//! Documented limits are asserted.

use allocation_counter::measure;
use bench_support::{
    Content, ROLES, SEGMENT, SIZES, params, peer_of,
    receiving::{Receiver, Stream},
    sending::{Messages, Sender},
    upgraded, with_deflate,
};
use sockless::{Config, Connection, Event, Role, deflate::DeflateConfig, handshake::Negotiated};

/// The length of a message.
const LEN: usize = 20_000;
/// The number of messages in the measurements that count allocations.
const MESSAGES: u64 = 20;

/// The negotiated compression.
#[derive(Clone, Copy)]
struct Compression {
    bits: u8,
    takeover: bool,
    /// The state is released between messages.
    release: bool,
    low_memory: bool,
}

impl Compression {
    const fn new(bits: u8, takeover: bool, release: bool) -> Self {
        Self {
            bits,
            takeover,
            release,
            low_memory: false,
        }
    }
}

type Mode = Option<Compression>;

fn open(role: Role, mode: Mode) -> Connection {
    let (mut config, mut negotiated) = (Config::default(), Negotiated::default());
    if let Some(Compression {
        bits,
        takeover,
        release,
        low_memory,
    }) = mode
    {
        let deflate = DeflateConfig::new().release(release).low_memory(low_memory);
        config = config.deflate(deflate);
        negotiated = with_deflate(params(bits, !takeover));
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
    println!("`Connection`: {} bytes. Bytes of its heap:\n", size_of::<Connection>());
    println!("| compression | new | sending {LEN} bytes | after that | receiving {LEN} bytes | after that |");
    println!("|---|---|---|---|---|---|");
    let windows = [15, 12, 9];
    let modes = windows.into_iter().flat_map(|bits| {
        [(true, false), (true, true), (false, false), (false, true)]
            .map(|(takeover, release)| Some(Compression::new(bits, takeover, release)))
    });
    let low_memory = (8..=12).rev().flat_map(|bits| {
        [false, true].map(|release| {
            Some(Compression {
                low_memory: true,
                ..Compression::new(bits, true, release)
            })
        })
    });
    for mode in std::iter::once(None).chain(modes).chain(low_memory) {
        print_compression_row(mode);
    }
    println!("\n| new connection, compression | heap |\n|---|---|");
    ROLES.into_iter().for_each(print_new_rows);
    println!("\nAllocations during {MESSAGES} messages:\n");
    println!("| | received | in 8 frames | in segments | in 8 frames and segments | sent | in 8 frames |");
    println!("|---|---|---|---|---|---|---|");
    ROLES.into_iter().for_each(print_allocation_rows);
    println!(
        "\nAllocations during {MESSAGES} compressed messages of {LEN} bytes, received in segments and sent:\n\n| | |\n|---|---|"
    );
    for role in ROLES {
        print_compressed_row(role, true);
        print_compressed_row(role, false);
    }
}

/// Prints the heap of a connection that is new, sends, receives, and has done so.
fn print_compression_row(mode: Mode) {
    let mut ends = None;
    let new = measure(|| ends = Some((open(Role::Server, mode), open(Role::Server, mode))));
    let (mut sender, mut receiver) = ends.unwrap();
    let mut out = Vec::with_capacity(4 * LEN);
    let mut round = |seed| {
        let text = message(seed);
        out.clear();
        let sending = measure(|| sender.send_text(&text, &mut out).unwrap());
        let mut input = Vec::new();
        let mut client = open(Role::Client, mode.map(|mode| Compression::new(mode.bits, false, false)));
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
        // The memory of the message belongs to the application.
        let message_capacity = match event {
            Some(Event::Text(text)) => text.into_owned().capacity() as i64,
            _ => 0,
        };
        (sending, receiving, message_capacity)
    };
    let (sending, receiving, message_capacity) = round(0);
    let name = mode.map_or_else(
        || "none".to_owned(),
        |mode| {
            let takeover = if mode.takeover { "takeover" } else { "no takeover" };
            let release = if mode.release { ", release" } else { "" };
            let low_memory = if mode.low_memory { ", low memory" } else { "" };
            format!("{} bits, {takeover}{release}{low_memory}", mode.bits)
        },
    );
    println!(
        "| {name} | {} | {} | {} | {} | {} |",
        new.bytes_current / 2,
        sending.bytes_max,
        sending.bytes_current,
        receiving.bytes_max,
        receiving.bytes_current - message_capacity,
    );
}

/// Prints the heap of a new connection, with and without compression.
fn print_new_rows(role: Role) {
    for (name, mode) in [("none", None), ("negotiated", Some(Compression::new(15, true, false)))] {
        let mut connection = None;
        let new = measure(|| connection = Some(open(role, mode)));
        println!("| {role:?}, {name} | {} |", new.bytes_current);
        let limit = match role {
            Role::Server => 0,
            Role::Client => 512,
        };
        assert!(mode.is_some() || new.bytes_current <= limit);
    }
}

/// Prints the allocations while messages are received, recycled, and sent: there are none.
fn print_allocation_rows(role: Role) {
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
                let mut receiver = Receiver::new(stream);
                measure(|| _ = receiver.run(MESSAGES)).count_total
            });
            let sent = [None, frame].map(|frame| {
                let mut sender = Sender::new(Messages {
                    role,
                    content,
                    size,
                    frame,
                    batch: 1,
                });
                measure(|| _ = sender.run(MESSAGES)).count_total
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

/// Prints the allocations while compressed messages are received in segments, and sent.
fn print_compressed_row(role: Role, takeover: bool) {
    let mode = Some(Compression::new(15, takeover, false));
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
    let used = measure(|| (0..MESSAGES).for_each(|_| exchange()));
    let takeover = if takeover { "takeover" } else { "no takeover" };
    println!("| {role:?}, {takeover} | {} |", used.count_total);
}
