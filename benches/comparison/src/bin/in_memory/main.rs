//! sockless beside other WebSocket crates: the same work in memory, in one process, in rounds in which each takes its turn.
//!
//! ```text
//! cargo run --release --bin in_memory -- [--curves] [--rounds N] [--least] [--buffer BYTES] [--csv FILE] [FILTER...]
//! ```
//!
//! writes a table to standard output: nanoseconds a message, the median over the rounds, and in brackets the median over the
//! rounds of the ratio to us: above 1 means slower than us. Machines are shared and noisy: the ratios count. A filter picks
//! the workloads whose name contains it. `--buffer` is what the harness reads into where a crate leaves that to its caller,
//! 16 KiB and the header of a frame if nothing is said. `--least` takes the best round of each instead of medians, for a machine with so much other
//! work that medians tell of that. `--curves` takes other workloads, those that the plots are drawn from: more sizes, and
//! streams that are cut more or less finely. Every result is verified byte by byte before anything is timed.
//!
//! What a connection holds is counted by another program, `cargo run --release --bin memory`.

mod peer;
mod peers;
mod wire;
mod work;

use std::{fmt::Write as _, fs, time::Duration};

use comparison::median;
use peer::Bench;
use work::Work;

/// How long one turn of one peer takes, about.
const TURN: Duration = Duration::from_millis(1);

struct Options {
    curves: bool,
    rounds: usize,
    least: bool,
    buffer: usize,
    csv: Option<String>,
    filters: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        curves: false,
        rounds: 51,
        least: false,
        buffer: work::BUFFER,
        csv: None,
        filters: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--curves" => options.curves = true,
            "--rounds" => options.rounds = args.next().and_then(|n| n.parse().ok()).expect("--rounds N"),
            "--least" => options.least = true,
            "--buffer" => options.buffer = args.next().and_then(|n| n.parse().ok()).expect("--buffer BYTES"),
            "--csv" => options.csv = Some(args.next().expect("--csv FILE")),
            _ if arg.starts_with("--") => panic!("{arg} is no option"),
            _ => options.filters.push(arg),
        }
    }
    options
}

/// What the rounds said of a peer: nanoseconds and ratio to us.
type Figure = Option<(f64, f64)>;

fn nanoseconds((count, elapsed): (u64, Duration)) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

/// How often it has to be done for one turn.
fn calibrate(bench: &mut dyn Bench) -> u64 {
    let mut count = 1;
    loop {
        // The best of a few: one that was interrupted would make all turns too short.
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
    let mut benches: Vec<_> = peers::ALL.iter().map(|(_, start)| start(work)).collect();
    let counts: Vec<u64> = benches
        .iter_mut()
        .map(|bench| bench.as_mut().map_or(0, |bench| calibrate(&mut **bench)))
        .collect();
    let mut figures = vec![Vec::new(); benches.len()];
    for round in 0..options.rounds {
        // Another one begins each round, so that nobody always follows the same neighbour's caches.
        for turn in 0..benches.len() {
            let at = (round + turn) % benches.len();
            if let Some(bench) = &mut benches[at] {
                figures[at].push(nanoseconds(bench.run(counts[at])));
            }
        }
    }
    let ours = figures[0].clone();
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let figure = |theirs: Vec<f64>| {
        if options.least {
            return (!theirs.is_empty()).then(|| (least(&theirs), least(&theirs) / least(&ours)));
        }
        let ratios = theirs.iter().zip(&ours).map(|(theirs, ours)| theirs / ours).collect();
        (!theirs.is_empty()).then(|| (median(theirs), median(ratios)))
    };
    figures.into_iter().map(figure).collect()
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
    let names = peers::ALL.map(|(name, _)| name);
    println!("| ns a message (ratio to us) | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    let mut csv = String::from("workload,peer,nanoseconds,ratio\n");
    let mut floors = Vec::new();
    let works = if options.curves { work::curves } else { work::all };
    let mut works = works(options.buffer);
    works.retain(|work| {
        let name = work.to_string();
        options.filters.is_empty() || options.filters.iter().any(|filter| name.contains(filter))
    });
    assert!(!works.is_empty(), "no workload has such a name");
    for work in works {
        let name = work.to_string();
        let figures = measure(&work, &options);
        println!(
            "| {name} | {} |",
            figures.iter().map(cell).collect::<Vec<_>>().join(" | ")
        );
        for (peer, figure) in names.iter().zip(&figures) {
            if let Some((time, ratio)) = figure {
                writeln!(csv, "\"{name}\",{peer},{time:.2},{ratio:.3}").unwrap();
                if *peer == "floor" {
                    floors.push(ratio.recip());
                }
            }
        }
    }
    if !floors.is_empty() {
        let mean = (floors.iter().map(|ratio| ratio.ln()).sum::<f64>() / floors.len() as f64).exp();
        let most = floors.iter().copied().fold(0.0, f64::max);
        println!("\nOur time to the floor: {mean:.2} in the geometric mean, {most:.2} at most.");
    }
    if let Some(path) = options.csv {
        fs::write(path, csv).expect("the file can be written");
    }
}
