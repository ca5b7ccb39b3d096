//! Copies of payload, by the distance of the two buffers modulo a page.
//!
//! The copy of a C library may be many times slower at some distances. Which ones depends on the
//! processor and on the library.
//! `cargo bench -p sockless-benches --bench alignment` prints, for each copy of payload that the
//! crate makes, the fastest and the slowest distance, and the same for the copy of the library.

use std::{hint::black_box, time::Instant};

use bench_support::{frame_len, open, peer_of};
use sockless::{Config, Connection, Event, Role, mask};

/// The length of a payload.
const LEN: usize = 16 << 10;
const PAGE: usize = 4096;
/// The distances that are measured: destination minus source, modulo a page.
const DISTANCES: std::ops::RangeInclusive<isize> = -64..=64;
/// How often a copy is made in one measurement.
const COPIES: u32 = 50;

/// A copy of payload that is made somewhere.
trait Copying {
    /// Returns where the payload is copied to.
    fn destination(&mut self) -> usize;
    /// Copies the payload of `source`, and calls `check` with the copy.
    fn copy(&mut self, source: &mut [u8], check: fn(&[u8]));
    /// Where in the source the payload begins.
    fn payload_at(&self) -> usize {
        0
    }
    /// What the payload is copied from.
    fn source(&self) -> Vec<u8> {
        payload()
    }
}

fn payload() -> Vec<u8> {
    (0..LEN).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// What the C library does.
struct Library(Vec<u8>);

impl Copying for Library {
    fn destination(&mut self) -> usize {
        self.0.as_ptr() as usize
    }

    fn copy(&mut self, source: &mut [u8], check: fn(&[u8])) {
        self.0.clear();
        self.0.extend_from_slice(source);
        check(&self.0);
    }
}

/// A message that is sent.
struct Send(Connection, Vec<u8>);

impl Copying for Send {
    fn destination(&mut self) -> usize {
        self.1.as_ptr() as usize + frame_len(self.0.role(), LEN) - LEN
    }

    fn copy(&mut self, source: &mut [u8], check: fn(&[u8])) {
        self.1.clear();
        self.0.send_binary(source, &mut self.1).unwrap();
        check(&self.1);
    }
}

/// A message that arrives in two reads, and is assembled.
struct Receive(Connection, Option<usize>);

impl Copying for Receive {
    fn destination(&mut self) -> usize {
        self.1.unwrap_or_default()
    }

    fn payload_at(&self) -> usize {
        frame_len(peer_of(self.0.role()), LEN) - LEN
    }

    fn source(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        open(peer_of(self.0.role()), Config::default())
            .send_binary(&payload(), &mut frame)
            .unwrap();
        frame
    }

    fn copy(&mut self, source: &mut [u8], check: fn(&[u8])) {
        let mut out = Vec::new();
        let (mut first, mut second) = source.split_at_mut(LEN / 2);
        assert!(self.0.receive(&mut first, &mut out).unwrap().is_none());
        let event = self.0.receive(&mut second, &mut out).unwrap().unwrap();
        let Event::Binary(std::borrow::Cow::Owned(data)) = &event else {
            panic!("it is assembled")
        };
        check(data);
        self.1 = Some(data.as_ptr() as usize);
        self.0.recycle(event);
    }
}

fn main() {
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        60
    } else {
        1
    };
    println!("Nanoseconds for {LEN} bytes, by destination minus source modulo {PAGE}:\n");
    println!("| copy | median | fastest | at | slowest | at | ratio |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let mut copies: [(&str, Box<dyn Copying>); 5] = [
        ("of the C library", Box::new(Library(Vec::with_capacity(LEN)))),
        (
            "server sends",
            Box::new(Send(open(Role::Server, Config::default()), Vec::with_capacity(2 * LEN))),
        ),
        (
            "client sends",
            Box::new(Send(open(Role::Client, Config::default()), Vec::with_capacity(2 * LEN))),
        ),
        (
            "server receives",
            Box::new(Receive(open(Role::Server, Config::default()), None)),
        ),
        (
            "client receives",
            Box::new(Receive(open(Role::Client, Config::default()), None)),
        ),
    ];
    for (name, copy) in &mut copies {
        let figures = sweep(&mut **copy, rounds);
        let mut sorted = figures.clone();
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (median, low, high) = (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1]);
        println!(
            "| {name} | {:.0} | {:.0} | {} | {:.0} | {} | {:.2} |",
            median.1,
            low.1,
            low.0,
            high.1,
            high.0,
            high.1 / median.1
        );
    }
}

/// The copy is the payload, or a frame with it.
fn verify(copied: &[u8]) {
    let (mut data, mask) = match copied.len() - LEN {
        0 => (copied.to_vec(), None),
        4 => (copied[4..].to_vec(), None),
        _ => (copied[8..].to_vec(), Some([copied[4], copied[5], copied[6], copied[7]])),
    };
    mask::apply(&mut data, mask.unwrap_or_default());
    assert!(data == payload());
}

fn look(copied: &[u8]) {
    black_box(copied);
}

/// Returns the nanoseconds of a copy at each distance, the best of the rounds.
fn sweep(copy: &mut dyn Copying, rounds: usize) -> Vec<(isize, f64)> {
    let source = copy.source();
    let mut buf = vec![0; source.len() + 3 * PAGE];
    copy.copy(&mut source.clone(), |_| ());
    let mut figures: Vec<(isize, f64)> = DISTANCES.map(|distance| (distance, f64::MAX)).collect();
    for _ in 0..rounds {
        for (distance, best) in &mut figures {
            // The payload is to be at this address modulo a page.
            let wanted = copy.destination().wrapping_sub(*distance as usize) % PAGE;
            let now = (buf.as_ptr() as usize + copy.payload_at()) % PAGE;
            let skip = (PAGE + wanted - now) % PAGE;
            let place = &mut buf[skip..skip + source.len()];
            place.copy_from_slice(&source);
            copy.copy(place, verify);
            let start = Instant::now();
            for _ in 0..COPIES {
                copy.copy(place, look);
            }
            *best = best.min(start.elapsed().as_nanos() as f64 / f64::from(COPIES));
            assert!(place == source, "the source is unchanged");
        }
    }
    figures
}
