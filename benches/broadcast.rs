//! One message of 1 KiB for 100,000 server connections in memory: nanoseconds per connection.
//!
//! It verifies that nothing is allocated and, for a vectored write, nothing is copied.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bench_support::{Content, config, open, params, upgraded, with_deflate};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sockless::{Config, Connection, PreparedMessage, Role, deflate::DeflateConfig};

const CONNECTIONS: usize = 100_000;
const SIZE: usize = 1 << 10;

struct Peer {
    connection: Connection,
    out: Vec<u8>,
}

fn peers(connection: impl Fn() -> Connection) -> Vec<Peer> {
    let peer = || Peer {
        connection: connection(),
        out: Vec::with_capacity(SIZE + 16),
    };
    (0..CONNECTIONS).map(|_| peer()).collect()
}

fn compressing(no_context_takeover: bool) -> Connection {
    let negotiated = with_deflate(params(15, no_context_takeover));
    upgraded(Role::Server, &negotiated, Config::new().deflate(DeflateConfig::new()))
}

/// Runs a way to send, once for each connection and iteration.
fn bench(criterion: &mut Criterion, name: &str, peers: &mut [Peer], mut send: impl FnMut(&mut Peer)) {
    let mut group = criterion.benchmark_group("broadcast/server");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            let mut rest = usize::try_from(iterations).expect("a count");
            while rest > 0 {
                let len = rest.min(peers.len());
                let turn = &mut peers[..len];
                turn.iter_mut().for_each(|peer| peer.out.clear());
                let start = Instant::now();
                turn.iter_mut().for_each(&mut send);
                elapsed += start.elapsed();
                rest -= len;
            }
            elapsed
        });
    });
}

fn broadcast(criterion: &mut Criterion) {
    let text = String::from_utf8(Content::Ascii.message(0, SIZE)).expect("ASCII");
    let message = PreparedMessage::text(&text);
    let plain = || open(Role::Server, Config::default());
    let mut all = peers(plain);
    let expected = all[0].connection.prepared_frame(&message).expect("open").to_vec();
    assert_eq!(expected.len(), SIZE + 4);
    for peer in &mut all {
        let frame = peer.connection.prepared_frame(&message).expect("open");
        assert!(frame == expected);
        peer.connection.send_prepared(&message, &mut peer.out).expect("open");
        assert!(peer.out == expected);
    }
    bench(criterion, "a plain copy", &mut all, |peer| {
        peer.out.extend_from_slice(black_box(&expected));
    });
    bench(criterion, "send_prepared", &mut all, |peer| {
        peer.connection
            .send_prepared(black_box(&message), &mut peer.out)
            .expect("open");
    });
    bench(criterion, "prepared_frame, nothing copied", &mut all, |peer| {
        black_box(peer.connection.prepared_frame(black_box(&message)).expect("open"));
    });
    bench(criterion, "send_text", &mut all, |peer| {
        peer.connection
            .send_text(black_box(&text), &mut peer.out)
            .expect("open");
    });
    drop(all);

    for (name, no_context_takeover) in [("takeover", false), ("no takeover", true)] {
        let mut all = peers(|| compressing(no_context_takeover));
        let frame = all[0].connection.prepared_frame(&message).expect("open");
        assert!(frame.len() < SIZE, "compressed");
        let name = format!("prepared_frame, compressed once, {name}");
        bench(criterion, &name, &mut all, |peer| {
            black_box(peer.connection.prepared_frame(black_box(&message)).expect("open"));
        });
    }
}

criterion_group!(name = benches; config = config(); targets = broadcast);
criterion_main!(benches);
