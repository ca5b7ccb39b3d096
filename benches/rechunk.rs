//! Receiving the same stream in reads of at most 64 KiB, a segment, a frame or a byte: nanoseconds
//! per message.
//!
//! In addition to the figures of criterion, it prints a table of the cost of short reads. The
//! figures are of rounds in which the lengths of the reads alternate, so that noise of the machine
//! affects all.

use std::{env, time::Duration};

use bench_support::{
    Content, READ, ROLES, SEGMENT, SIZES, config, frame_len, median, peer_of,
    receiving::{Receiver, Stream, bench},
    rounds, turn,
};
use criterion::{Criterion, criterion_group, criterion_main};
use sockless::Role;

/// The approximate time of one turn, for the table.
const TURN: Duration = Duration::from_millis(1);
const ROUNDS: usize = 41;

fn reads(criterion: &mut Criterion) {
    for role in ROLES {
        for content in Content::ALL {
            for size in SIZES {
                let frame = frame_len(peer_of(role), size);
                let lengths = [
                    (" whole", READ),
                    (" by 1460 bytes", SEGMENT),
                    (" by frames", frame),
                    (" by 1 byte", 1),
                ];
                for (how, read) in lengths.into_iter().filter(|&(_, read)| is_measured(size, read)) {
                    let stream = Stream {
                        read,
                        ..Stream::new(role, content, size)
                    };
                    bench(criterion, "rechunk", how, stream);
                }
            }
        }
    }
    // Without `--bench`, criterion only tests.
    if env::args().any(|arg| arg == "--bench") {
        print_table();
    }
}

/// Returns whether a read of this length is measured. No read is longer than one of the kernel.
/// Long messages in reads of one byte take too long and show nothing new.
const fn is_measured(size: usize, read: usize) -> bool {
    read <= READ && (read > 1 || size <= READ)
}

fn print_table() {
    println!(
        "ns per message in one read; the ratio to that in reads of 1,460 bytes; ns per byte in reads of one byte, which are \
         parts of a copied segment; with both methods.\n"
    );
    println!(
        "| receives | one read | 1,460 bytes, `receive` | `receive_whole` | 1 byte, `receive` | `receive_whole` |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for role in ROLES {
        for content in Content::ALL {
            for size in SIZES {
                print_row(role, content, size);
            }
        }
    }
}

/// Prints the medians of the rounds, and the median of the ratios within each round.
fn print_row(role: Role, content: Content, size: usize) {
    let reads = [(READ, false), (SEGMENT, false), (SEGMENT, true), (1, false), (1, true)];
    let mut turns = reads.map(|(read, receive_whole)| {
        let mut receiver = Receiver::new(Stream {
            read,
            receive_whole,
            ..Stream::new(role, content, size)
        });
        turn(TURN, move |count| receiver.run(count))
    });
    let rounds = rounds(ROUNDS, turns.each_mut().map(|turn| turn as &mut dyn FnMut() -> f64));
    let wire_len = frame_len(peer_of(role), size) as f64;
    let ratio = |index: usize| median(rounds.iter().map(|times| times[index] / times[0]));
    let per_byte = |index: usize| median(rounds.iter().map(|times| times[index] / wire_len));
    println!(
        "| {role:?}, {} {size} | {:.1} | {:.2} | {:.2} | {:.1} | {:.1} |",
        content.name(),
        median(rounds.iter().map(|times| times[0])),
        ratio(1),
        ratio(2),
        per_byte(3),
        per_byte(4),
    );
}

criterion_group!(name = rechunk; config = config(); targets = reads);
criterion_main!(rechunk);
