//! sockless beside other WebSocket crates: whole echo servers over loopback, one thread each.
//!
//! ```text
//! cargo run --release --no-default-features --features echo --bin echo -- [--rounds N] [--turn MS] [--least] [--csv FILE]
//!     [--server TEXT] [--external NAME ADDR PID] [FILTER...]
//! ```
//!
//! Each server is a process of its own, and one client, a thread that does little more than compare bytes, drives one after
//! the other. The figure is the processor time of the server, user and system together, by the message: what else the machine
//! does disturbs that least. In brackets is its ratio to the bare event loop, the median over the rounds; beside it stands
//! how many messages passed in a second, which is as much a figure of the client. A filter picks the workloads whose name
//! contains it, `--server` the servers; `--external` adds one that listens already. `--least` takes the best round of each
//! instead of medians, for a machine with so much other work that medians tell of that. Linux only.

mod child;
mod client;
mod servers;
mod work;

use std::{env, fmt::Write as _, fs, time::Duration};

use child::Server;
use client::Sample;
use comparison::median;
use work::Work;

/// What the ratios are to.
const BASE: &str = "sockless mio";

struct Options {
    rounds: usize,
    turn: Duration,
    least: bool,
    csv: Option<String>,
    servers: Vec<String>,
    externals: Vec<Server>,
    filters: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        rounds: 5,
        turn: Duration::from_millis(250),
        least: false,
        csv: None,
        servers: Vec::new(),
        externals: Vec::new(),
        filters: Vec::new(),
    };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs more"));
        let number = |text: String| text.parse().expect("a number");
        match &*arg {
            "--rounds" => options.rounds = number(value()) as usize,
            "--turn" => options.turn = Duration::from_millis(number(value())),
            "--least" => options.least = true,
            "--csv" => options.csv = Some(value()),
            "--server" => options.servers.push(value()),
            "--external" => {
                let (name, address) = (value(), value().parse().expect("an address"));
                let pid = number(value()) as u32;
                options.externals.push(Server::external(name, address, pid));
            }
            _ if arg.starts_with("--") => panic!("{arg} is no option"),
            _ => options.filters.push(arg),
        }
    }
    options
}

fn picked(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter))
}

/// The samples of each server, by round.
fn measure(servers: &[Server], work: &Work, options: &Options) -> Vec<Vec<Sample>> {
    let mut samples = vec![Vec::new(); servers.len()];
    for round in 0..options.rounds {
        // Another one begins each round, so that nobody always follows the same neighbour.
        for turn in 0..servers.len() {
            let at = (round + turn) % servers.len();
            samples[at].push(client::drive(&servers[at], work, options.turn));
        }
    }
    samples
}

/// What the rounds said of a server at a workload.
struct Figure {
    nanoseconds: f64,
    ratio: f64,
    rate: f64,
}

fn figure(theirs: &[Sample], base: &[Sample], least: bool) -> Figure {
    if least {
        let best = |samples: &[Sample]| samples.iter().map(Sample::nanoseconds).fold(f64::INFINITY, f64::min);
        return Figure {
            nanoseconds: best(theirs),
            ratio: best(theirs) / best(base),
            rate: theirs.iter().map(Sample::rate).fold(0.0, f64::max),
        };
    }
    let ratios = theirs.iter().zip(base);
    let ratios = ratios.map(|(theirs, base)| theirs.nanoseconds() / base.nanoseconds());
    Figure {
        nanoseconds: median(theirs.iter().map(Sample::nanoseconds).collect()),
        ratio: median(ratios.collect()),
        rate: median(theirs.iter().map(Sample::rate).collect()),
    }
}

fn main() {
    // A child: one of the servers.
    if let (Some("--serve"), Some(name)) = (env::args().nth(1).as_deref(), env::args().nth(2)) {
        return child::serve(&name);
    }
    let mut options = options();
    let names = servers::ALL.iter().map(|(name, _)| *name);
    let names = names.filter(|name| *name == BASE || picked(name, &options.servers));
    let mut servers: Vec<Server> = names.map(Server::start).collect();
    servers.append(&mut options.externals);
    let base = servers.iter().position(|server| server.name == BASE).unwrap();

    println!(
        "| ns of the server (ratio), messages/s | {} |",
        names_of(&servers).join(" | ")
    );
    println!("|---|{}", "---|".repeat(servers.len()));
    let mut csv = String::from("workload,server,nanoseconds,ratio,messages_per_second\n");
    for work in work::all().filter(|work| picked(&work.to_string(), &options.filters)) {
        let samples = measure(&servers, &work, &options);
        print!("| {work} |");
        for (server, theirs) in servers.iter().zip(&samples) {
            let Figure {
                nanoseconds,
                ratio,
                rate,
            } = figure(theirs, &samples[base], options.least);
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
