//! Compares `sockless` with other WebSocket crates, the peers: the same work in memory, in one
//! process, in rounds in which each crate has one turn.
//!
//! ```text
//! cargo run --release --bin in_memory -- [--curves | --buffers] [--rounds N] [--best [--passes N]]
//!     [--csv FILE] [--peer TEXT] [FILTER...]
//! ```
//!
//! It prints a table: the median over the rounds of the nanoseconds per message, and in parentheses
//! the median over the rounds of the ratio to `sockless`. A ratio above 1 means slower than
//! `sockless`. On a shared, noisy machine, the ratios matter more than the times. Every result is
//! verified byte by byte before anything is timed.
//!
//! * `FILTER` selects the workloads whose name contains it.
//! * `--best` prints the best round of each crate instead of medians, for a machine that has other
//!   work. With `--passes`, all workloads are measured that often, and the best round of all
//!   counts: what slows a machine down may last for longer than a workload.
//! * `--curves` runs the workloads of the plots instead: more sizes, and reads of more lengths.
//! * `--buffers` runs workloads with other input buffers than the 16 KiB and a frame header of the
//!   others, for the crates that leave the buffer to the caller.
//! * `--csv` writes the figures of the table to a file.
//! * `--peer` selects the crates whose name contains it, beside `sockless`: for a profile.
//!
//! Another program measures the memory of a connection: `cargo run --release --bin memory`.

mod peer;
mod peers;
mod wire;
mod work;

use std::{fmt::Write as _, fs, time::Duration};

use comparison::median;
use peer::Bench;
use work::Work;

/// The approximate time of one turn.
const TURN: Duration = Duration::from_millis(1);

struct Options {
    works: fn() -> Vec<Work>,
    rounds: usize,
    best: bool,
    passes: usize,
    csv: Option<String>,
    peer: String,
    filters: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        works: work::all,
        rounds: 51,
        best: false,
        passes: 1,
        csv: None,
        peer: String::new(),
        filters: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--curves" => options.works = work::curves,
            "--buffers" => options.works = work::buffers,
            "--rounds" => options.rounds = args.next().and_then(|n| n.parse().ok()).expect("--rounds N"),
            "--best" => options.best = true,
            "--passes" => options.passes = args.next().and_then(|n| n.parse().ok()).expect("--passes N"),
            "--csv" => options.csv = Some(args.next().expect("--csv FILE")),
            "--peer" => options.peer = args.next().expect("--peer TEXT"),
            _ if arg.starts_with("--") => panic!("unknown option {arg}"),
            _ => options.filters.push(arg),
        }
    }
    options
}

/// The result of a crate: nanoseconds per message, and the ratio to `sockless`.
type Figure = Option<(f64, f64)>;

/// Returns the nanoseconds per message.
fn nanoseconds((count, elapsed): (u64, Duration)) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

/// Returns the number of messages for one turn.
fn calibrate(bench: &mut dyn Bench) -> u64 {
    let mut count = 1;
    loop {
        // The best of five: an interrupted run would make all turns too short.
        let time = (0..5)
            .map(|_| nanoseconds(bench.run(count)))
            .fold(f64::INFINITY, f64::min);
        let turn = TURN.as_nanos() as f64;
        if time * count as f64 >= turn / 3.0 {
            return (turn / time).ceil() as u64;
        }
        count *= 2;
    }
}

fn measure(work: &Work, options: &Options) -> Vec<Figure> {
    let start = |(at, (name, start)): (usize, &peers::Entry)| {
        if at == 0 || name.contains(&options.peer) {
            start(work)
        } else {
            None
        }
    };
    let mut benches: Vec<_> = peers::ALL.iter().enumerate().map(start).collect();
    let counts: Vec<u64> = benches
        .iter_mut()
        .map(|bench| bench.as_mut().map_or(0, |bench| calibrate(&mut **bench)))
        .collect();
    let mut figures = vec![Vec::new(); benches.len()];
    for round in 0..options.rounds {
        // Each round starts with another crate, so that cache effects of the crate before are not
        // always the same.
        for turn in 0..benches.len() {
            let at = (round + turn) % benches.len();
            if let Some(bench) = &mut benches[at] {
                figures[at].push(nanoseconds(bench.run(counts[at])));
            }
        }
    }
    let sockless = figures[0].clone();
    let best = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let figure = |times: Vec<f64>| {
        if options.best {
            return (!times.is_empty()).then(|| (best(&times), best(&times) / best(&sockless)));
        }
        let pairs = times.iter().zip(&sockless);
        let ratios = pairs.map(|(time, sockless)| time / sockless).collect();
        (!times.is_empty()).then(|| (median(times), median(ratios)))
    };
    figures.into_iter().map(figure).collect()
}

/// Measures all workloads.
fn measure_all(works: &[Work], options: &Options) -> Vec<Vec<Figure>> {
    let mut all: Vec<_> = works.iter().map(|work| measure(work, options)).collect();
    for _ in 1..options.passes {
        assert!(options.best, "more passes than one are for the best round");
        for (work, figures) in works.iter().zip(&mut all) {
            for (best, figure) in figures.iter_mut().zip(measure(work, options)) {
                *best = best.zip(figure).map(|((a, ratio), (b, _))| (a.min(b), ratio));
            }
            let sockless = figures[0].expect("it is measured").0;
            for (time, ratio) in figures.iter_mut().flatten() {
                *ratio = *time / sockless;
            }
        }
    }
    all
}

fn cell(figure: &Figure) -> String {
    let Some((time, ratio)) = figure else {
        return "–".into();
    };
    let digits = if *time < 100.0 { 1 } else { 0 };
    format!("{time:.digits$} ({ratio:.2})")
}

fn main() {
    let options = options();
    // The adapter for tokio has deadlines.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without I/O can be built");
    let _guard = runtime.enter();
    let names = peers::ALL.map(|(name, _)| name);
    println!("| ns per message (ratio to sockless) | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    let mut csv = String::from("workload,peer,nanoseconds,ratio\n");
    let mut ratios_to_floor = Vec::new();
    let mut works = (options.works)();
    works.retain(|work| {
        let name = work.to_string();
        options.filters.is_empty() || options.filters.iter().any(|filter| name.contains(filter))
    });
    assert!(!works.is_empty(), "no workload matches the filters");
    for (work, figures) in works.iter().zip(measure_all(&works, &options)) {
        let name = work.to_string();
        println!(
            "| {name} | {} |",
            figures.iter().map(cell).collect::<Vec<_>>().join(" | ")
        );
        for (peer, figure) in names.iter().zip(&figures) {
            if let Some((time, ratio)) = figure {
                writeln!(csv, "\"{name}\",\"{peer}\",{time:.2},{ratio:.3}").unwrap();
                if *peer == "floor" {
                    ratios_to_floor.push(ratio.recip());
                }
            }
        }
    }
    if !ratios_to_floor.is_empty() {
        let log_sum: f64 = ratios_to_floor.iter().map(|ratio| ratio.ln()).sum();
        let mean = (log_sum / ratios_to_floor.len() as f64).exp();
        let max = ratios_to_floor.iter().copied().fold(0.0, f64::max);
        println!("\nRatio of sockless to the floor: {mean:.2} in the geometric mean, {max:.2} at most.");
    }
    if let Some(path) = options.csv {
        fs::write(path, csv).expect("the file can be written");
    }
}
