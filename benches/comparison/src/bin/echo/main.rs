//! Compares `sockless` with other WebSocket crates: echo servers over the loopback interface.
//!
//! ```text
//! cargo run --release --no-default-features --features echo --bin echo -- [--rounds N] [--turn MS]
//!     [--best] [--csv FILE] [--server TEXT] [--external NAME ADDR PID] [FILTER...]
//! ```
//!
//! Each server is a process of its own. One client, a thread that only compares bytes, sends to one
//! server at a time. The figure is the processor time of the server per message, user and system
//! together, because the load of the machine affects it least. In parentheses is its ratio to
//! `sockless mio`, the median over the rounds. After it is the number of messages per second, which
//! depends as much on the client. Linux only.
//!
//! * `FILTER` selects the workloads whose name contains it, and `--server` the servers.
//! * `--external` adds a server that is running already.
//! * `--turn` is the time of one turn, in milliseconds.
//! * `--best` prints the best round of each server instead of medians, for a machine with much
//!   other work.
//! * `--csv` writes the figures of the table to a file.

mod child;
mod client;
mod connection;
mod servers;
mod work;

use std::{env, fmt::Write as _, fs, time::Duration};

use child::Server;
use client::Sample;
use comparison::median;
use work::Work;

/// The server to which the ratios are.
const BASE: &str = "sockless mio";

struct Options {
    rounds: usize,
    turn: Duration,
    best: bool,
    csv: Option<String>,
    servers: Vec<String>,
    externals: Vec<Server>,
    filters: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        rounds: 5,
        turn: Duration::from_millis(250),
        best: false,
        csv: None,
        servers: Vec::new(),
        externals: Vec::new(),
        filters: Vec::new(),
    };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        let number = |text: String| text.parse().expect("a number");
        match &*arg {
            "--rounds" => options.rounds = number(value()) as usize,
            "--turn" => options.turn = Duration::from_millis(number(value())),
            "--best" => options.best = true,
            "--csv" => options.csv = Some(value()),
            "--server" => options.servers.push(value()),
            "--external" => {
                let (name, address) = (value(), value().parse().expect("an address"));
                let pid = number(value()) as u32;
                options.externals.push(Server::external(name, address, pid));
            }
            _ if arg.starts_with("--") => panic!("unknown option {arg}"),
            _ => options.filters.push(arg),
        }
    }
    options
}

fn is_selected(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter))
}

/// Measures all servers with one workload. Returns the samples of each server, by round.
fn measure(servers: &[Server], work: &Work, options: &Options) -> Vec<Vec<Sample>> {
    let mut samples = vec![Vec::new(); servers.len()];
    for round in 0..options.rounds {
        // Each round starts with another server, so that the server before is not always the same.
        for turn in 0..servers.len() {
            let at = (round + turn) % servers.len();
            samples[at].push(client::measure(&servers[at], work, options.turn));
        }
    }
    samples
}

/// The result of a server with one workload.
struct Figure {
    nanoseconds: f64,
    ratio: f64,
    rate: f64,
}

fn figure(samples: &[Sample], base: &[Sample], best: bool) -> Figure {
    if best {
        let least = |samples: &[Sample]| samples.iter().map(Sample::nanoseconds).fold(f64::INFINITY, f64::min);
        return Figure {
            nanoseconds: least(samples),
            ratio: least(samples) / least(base),
            rate: samples.iter().map(Sample::rate).fold(0.0, f64::max),
        };
    }
    let pairs = samples.iter().zip(base);
    let ratios = pairs.map(|(sample, base)| sample.nanoseconds() / base.nanoseconds());
    Figure {
        nanoseconds: median(samples.iter().map(Sample::nanoseconds).collect()),
        ratio: median(ratios.collect()),
        rate: median(samples.iter().map(Sample::rate).collect()),
    }
}

fn main() {
    // This process is one of the servers.
    if let (Some("--serve"), Some(name)) = (env::args().nth(1).as_deref(), env::args().nth(2)) {
        return child::serve(&name);
    }
    let mut options = options();
    let names = servers::ALL.iter().map(|(name, _)| *name);
    let names = names.filter(|name| *name == BASE || is_selected(name, &options.servers));
    let mut servers: Vec<Server> = names.map(Server::start).collect();
    servers.append(&mut options.externals);
    let base = servers.iter().position(|server| server.name == BASE).unwrap();

    println!(
        "| ns of the server (ratio), messages/s | {} |",
        names_of(&servers).join(" | ")
    );
    println!("|---|{}", "---|".repeat(servers.len()));
    let mut csv = String::from("workload,server,nanoseconds,ratio,messages_per_second\n");
    for work in work::all().filter(|work| is_selected(&work.to_string(), &options.filters)) {
        let samples = measure(&servers, &work, &options);
        print!("| {work} |");
        for (server, server_samples) in servers.iter().zip(&samples) {
            let Figure {
                nanoseconds,
                ratio,
                rate,
            } = figure(server_samples, &samples[base], options.best);
            print!(" {nanoseconds:.0} ({ratio:.2}), {:.0} k |", rate / 1e3);
            writeln!(csv, "\"{work}\",{},{nanoseconds:.1},{ratio:.3},{rate:.0}", server.name).unwrap();
        }
        println!();
    }
    if let Some(path) = options.csv {
        fs::write(path, csv).expect("the file can be written");
    }
}

fn names_of(servers: &[Server]) -> Vec<&str> {
    servers.iter().map(|server| &*server.name).collect()
}
