//! Shared code of the benches: roles, sizes and contents of messages, receiving, sending, and
//! comparisons in rounds.

#![allow(missing_docs, reason = "the package is not published")]

pub mod receiving;
pub mod sending;

use std::time::Duration;

use criterion::Criterion;
use sockless::Role;
pub use support::{ROLES, content::Content, frames, open, params, peer_of, upgraded, with_deflate};

pub const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];
/// The maximum length of a read from the kernel.
pub const READ: usize = 64 << 10;
/// The payload of a TCP segment.
pub const SEGMENT: usize = 1460;

/// Returns the name of the criterion group of a role.
pub fn group(bench: &str, role: Role) -> String {
    match role {
        Role::Server => format!("{bench}/server"),
        Role::Client => format!("{bench}/client"),
    }
}

/// Returns the length of a frame of `sender`, with its header.
pub const fn frame_len(sender: Role, len: usize) -> usize {
    let header = match len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    let key = match sender {
        Role::Client => 4,
        Role::Server => 0,
    };
    header + key + len
}

pub fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20)
        .nresamples(2000)
}

/// Returns a function that works for about `time` and returns the nanoseconds per message. `run`
/// processes a number of messages and returns the time.
pub fn turn(time: Duration, mut run: impl FnMut(u64) -> Duration) -> impl FnMut() -> f64 {
    let mut count = 1;
    while run(count) < time {
        count *= 2;
    }
    move || run(count).as_nanos() as f64 / count as f64
}

/// Runs rounds. In each round every function has one turn, and the first one changes from round to
/// round, so that noise of the machine affects all.
pub fn rounds<const N: usize>(count: usize, mut turns: [&mut dyn FnMut() -> f64; N]) -> Vec<[f64; N]> {
    (0..count)
        .map(|round| {
            let mut figures = [0.0; N];
            for turn in 0..N {
                let at = (round + turn) % N;
                figures[at] = turns[at]();
            }
            figures
        })
        .collect()
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
