//! Echoes of 125 bytes on many connections, one after another: what a message touches of a
//! connection that is not in a cache.
//!
//! `cargo bench -p sockless-benches --bench scale` prints nanoseconds for an echo, beside a floor
//! that keeps one cache line of state for a connection, with the same buffers, unmasking and
//! output.

use std::{hint::black_box, time::Instant};

use bench_support::{open, peer_of};
use sockless::{Config, Connection, Event, Role, mask};
use support::random::Rng;

const LEN: usize = 125;
const NUMBERS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
/// How many echoes are measured at a time, at least.
const ECHOES: usize = 1_000_000;

/// A connection as small as possible.
#[repr(align(64))]
struct Line {
    messages: u64,
    max_message_size: u64,
    is_open: bool,
}

fn main() {
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (echoes, numbers) = if is_bench {
        (ECHOES, &NUMBERS[..])
    } else {
        (1_000, &NUMBERS[..2])
    };
    println!("| connections | in order | floor | ratio | shuffled | floor | ratio |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for &number in numbers {
        let connections: Vec<Connection> = (0..number).map(|_| open(Role::Server, Config::default())).collect();
        let lines = (0..number)
            .map(|_| Line {
                messages: 0,
                max_message_size: 1 << 20,
                is_open: true,
            })
            .collect();
        let (mut connections, mut lines): (_, Vec<Line>) = (connections, lines);
        let mut order: Vec<u32> = (0..number as u32).collect();
        let mut row = format!("| {number} |");
        for _shuffled in [false, true] {
            let [mut ours, mut floor] = [f64::MAX; 2];
            for _ in 0..5 {
                ours = ours.min(measure(&order, echoes, |at, frame, out| {
                    echo(&mut connections[at], frame, out)
                }));
                floor = floor.min(measure(&order, echoes, |at, frame, out| {
                    echo_in_line(&mut lines[at], frame, out)
                }));
            }
            row += &format!(" {ours:.0} | {floor:.0} | {:.2} |", ours / floor);
            shuffle(&mut order);
        }
        println!("{row}");
    }
}

fn shuffle(order: &mut [u32]) {
    let mut rng = Rng(1);
    for at in (1..order.len()).rev() {
        order.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
    }
}

/// Returns the nanoseconds of an echo.
fn measure(order: &[u32], echoes: usize, mut echo: impl FnMut(usize, &mut [u8], &mut Vec<u8>)) -> f64 {
    let payload: Vec<u8> = (0..LEN as u8).collect();
    let mut frame = Vec::new();
    open(peer_of(Role::Server), Config::default())
        .send_binary(&payload, &mut frame)
        .unwrap();
    let mut out = Vec::with_capacity(1 << 10);
    let mut place = frame.clone();
    let rounds = echoes.div_ceil(order.len());
    let start = Instant::now();
    for _ in 0..rounds {
        for &at in order {
            place.copy_from_slice(&frame);
            out.clear();
            echo(at as usize, black_box(&mut place), &mut out);
            black_box(&out);
        }
    }
    let time = start.elapsed().as_nanos() as f64 / (rounds * order.len()) as f64;
    assert!(out.len() == LEN + 2 && out.ends_with(&payload));
    time
}

fn echo(connection: &mut Connection, mut frame: &mut [u8], out: &mut Vec<u8>) {
    while let Some(event) = connection.receive(&mut frame, out).unwrap() {
        let Event::Binary(data) = event else {
            panic!("not a message")
        };
        connection.send_binary(&data, out).unwrap();
    }
}

fn echo_in_line(line: &mut Line, frame: &mut [u8], out: &mut Vec<u8>) {
    let Some((&mut [0x82, len, a, b, c, d], payload)) = frame.split_first_chunk_mut() else {
        panic!("not a message")
    };
    assert!(line.is_open && usize::from(len & 0x7F) == payload.len() && u64::from(len) <= line.max_message_size);
    line.messages += 1;
    mask::apply(payload, [a, b, c, d]);
    out.extend_from_slice(&[0x82, len & 0x7F]);
    out.extend_from_slice(payload);
}
