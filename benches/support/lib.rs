//! What the benches share: roles, sizes and contents, what receives and what sends, and how two are compared.

#![allow(missing_docs, reason = "it is not published, and names and types say most of it")]

pub mod receiving;
pub mod sending;

use std::time::Duration;

use criterion::Criterion;
use sockless::Role;
pub use support::{ROLES, content::Content, frames, open, peer_of, upgraded};

pub const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];
/// What one read of a kernel copies at most.
pub const READ: usize = 64 << 10;
/// What a segment of TCP carries.
pub const SEGMENT: usize = 1460;

/// Roles have a group each.
pub fn group(bench: &str, role: Role) -> String {
    match role {
        Role::Server => format!("{bench}/server"),
        Role::Client => format!("{bench}/client"),
    }
}

/// The length on the wire of a frame that `sender` sends.
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

/// Rounds in which all take turns, another one first each time, so that the machine disturbs them alike.
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
