//! What a connection costs in heap, by a counting allocator: `cargo bench --bench memory`, with `--features zlib-rs` for the
//! other back end of permessage-deflate. It measures bytes, and so needs no repetition.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use allocation_counter::measure;
use sockless::{Agreed, Config, Connection, DeflateConfig, DeflateParams, Endpoint, Event, WindowBits};

const CLIENT: Endpoint = Endpoint::Client { seed: [7; 32] };
const LEN: usize = 20_000;

/// How compression is agreed: window bits, takeover, and whether working state is given back between messages.
type Mode = Option<(u8, bool, bool)>;

fn open(endpoint: Endpoint, mode: Mode) -> Connection {
    let (mut config, mut agreed) = (Config::default(), Agreed::default());
    if let Some((bits, takeover, release)) = mode {
        let mut deflate = DeflateConfig::default();
        deflate.release = release;
        config.deflate = Some(deflate);
        let bits = WindowBits::new(bits).unwrap();
        agreed.deflate = Some(DeflateParams {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: !takeover,
            server_max_window_bits: bits,
            client_max_window_bits: bits,
        });
    }
    Connection::upgraded(endpoint, &agreed, config)
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
    for (name, endpoint) in [("server", Endpoint::Server), ("client", CLIENT)] {
        steady(name, endpoint);
    }
}

fn row(mode: Mode) {
    let mut ends = None;
    let born = measure(|| ends = Some((open(Endpoint::Server, mode), open(Endpoint::Server, mode))));
    let (mut sender, mut receiver) = ends.unwrap();
    let mut out = Vec::with_capacity(4 * LEN);
    let mut round = |seed| {
        let text = message(seed);
        out.clear();
        let sending = measure(|| sender.send_text(&text, &mut out).unwrap());
        let mut input = Vec::new();
        let mut client = open(CLIENT, mode.map(|(bits, ..)| (bits, false, false)));
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

/// Messages that come and go: what is allocated for each.
fn steady(name: &str, endpoint: Endpoint) {
    let mut idle = None;
    let born = measure(|| idle = Some(open(endpoint, None)));
    let mut end = idle.unwrap();
    let mut peer = open(if name == "server" { CLIENT } else { Endpoint::Server }, None);
    let (mut wire, mut out) = (Vec::with_capacity(1 << 16), Vec::with_capacity(1 << 16));
    let data = [0x5A; 5000];
    let mut exchange = || {
        wire.clear();
        out.clear();
        peer.send_binary(&data, &mut wire).unwrap();
        // In pieces, so that it has to be assembled.
        for piece in wire.chunks_mut(1460) {
            let mut rest = piece;
            while let Some(event) = end.receive(&mut rest, &mut out).unwrap() {
                end.recycle(event);
            }
        }
        end.send_binary(&data, &mut out).unwrap();
    };
    exchange();
    let steady = measure(|| (0..100).for_each(|_| exchange()));
    println!(
        "\nAn idle open {name}: {} bytes of heap; {} allocations in 100 messages of 5,000 bytes in and out.",
        born.bytes_current, steady.count_total
    );
    assert_eq!(steady.count_total, 0);
}
