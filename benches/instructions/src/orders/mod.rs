//! How the instructions of a piece of work grow with its input: a server must not take quadratic
//! time for what a peer sends.
//!
//! Each workload of [`all`] is counted for inputs of n, 2n and 4n. The ratio of the two increments,
//! (f(4n) - f(2n)) / (f(2n) - f(n)), does not depend on fixed costs: it is 2 for linear work, 4 for
//! quadratic work. A quadratic part that takes 2 % of the linear part at n is above the limit. The
//! ratio must not be far below its order either: then the workload does not do its work any more.
//!
//! The orders do not depend on the compiler, so they are checked in every environment. The table
//! of `docs/PERFORMANCE.md` lists them; `BLESS=1` writes it.

mod adapters;
mod client;
mod compression;
mod frames;
mod handshake;
mod support;

use std::{
    env, fs, iter,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{RunMessages, callgrind::count_instructions};

/// How the instructions may grow with n.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Constant,
    Linear,
    /// n log n.
    Sorting,
    Quadratic,
}

impl Order {
    const fn text(self) -> &'static str {
        match self {
            Self::Constant => "1",
            Self::Linear => "n",
            Self::Sorting => "n log n",
            Self::Quadratic => "n²",
        }
    }

    /// The ratios of increments that are permitted. For [`Constant`](Self::Constant), the ratio is
    /// f(4n) / f(n).
    const fn ratios(self) -> (f64, f64) {
        match self {
            Self::Constant => (0.9, 1.1),
            Self::Linear => (1.8, 2.1),
            Self::Sorting => (1.9, 2.5),
            Self::Quadratic => (3.0, 4.2),
        }
    }
}

/// A piece of work of which a peer or a caller chooses the size.
struct Workload {
    name: &'static str,
    /// What n counts.
    unit: &'static str,
    n: usize,
    order: Order,
    start: fn(usize) -> RunMessages,
}

const fn linear(name: &'static str, unit: &'static str, n: usize, start: fn(usize) -> RunMessages) -> Workload {
    Workload {
        name,
        unit,
        n,
        order: Order::Linear,
        start,
    }
}

impl Workload {
    const fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Returns the instructions for one input of this size, without those that prepare it.
    fn count(&self, n: usize) -> f64 {
        let count = count_instructions(&format!("{}@{n}", self.name), 1, Some(support::MEASURED));
        assert!(count > 0, "callgrind found no function {}", support::MEASURED);
        count as f64
    }

    fn measure(&self) -> Measured {
        let [first, second, third] = [1, 2, 4].map(|factor| self.count(self.n * factor));
        let ratio = match self.order {
            Order::Constant => third / first,
            _ => (third - second) / (second - first),
        };
        Measured {
            counts: [first, second, third],
            ratio,
        }
    }
}

struct Measured {
    /// For n, 2n and 4n.
    counts: [f64; 3],
    ratio: f64,
}

fn all() -> impl Iterator<Item = &'static Workload> {
    [
        handshake::ALL,
        client::ALL,
        frames::ALL,
        compression::ALL,
        adapters::ALL,
    ]
    .into_iter()
    .flatten()
}

/// Prepares the workload `name@n`.
pub fn start(name_and_size: &str) -> Option<RunMessages> {
    let (name, n) = name_and_size.rsplit_once('@')?;
    let workload = all().find(|workload| workload.name == name)?;
    Some((workload.start)(n.parse().ok()?))
}

/// Checks the orders of the workloads whose name contains one of `words`, or of all.
pub fn check(words: &[String]) -> ExitCode {
    let is_selected =
        |workload: &&Workload| words.is_empty() || words.iter().any(|word| workload.name.contains(&**word));
    let workloads: Vec<&Workload> = all().filter(is_selected).collect();
    let measured = measure(&workloads);
    let mut failures = 0;
    println!(
        "{:60}{:>8}{:>12}{:>12}{:>12}{:>7}",
        "instructions", "n", "n", "2n", "4n", "ratio"
    );
    for (workload, measured) in iter::zip(&workloads, &measured) {
        let (least, most) = workload.order.ratios();
        let verdict = if measured.ratio > most {
            failures += 1;
            format!("GROWS FASTER than {}", workload.order.text())
        } else if measured.ratio >= least {
            String::new()
        } else {
            failures += 1;
            format!("DOES NOT GROW as {}", workload.order.text())
        };
        let [first, second, third] = measured.counts;
        println!(
            "{:60}{:>8}{first:>12.0}{second:>12.0}{third:>12.0}{:>7.2}  {verdict}",
            workload.name, workload.n, measured.ratio
        );
    }
    println!("{} workloads, {failures} of another order than stated", workloads.len());
    let is_listed = !words.is_empty() || check_page(&iter::zip(workloads, measured).collect::<Vec<_>>());
    ExitCode::from(u8::from(failures > 0 || !is_listed))
}

/// Measures with a thread for each processor. The counts do not depend on it.
fn measure(workloads: &[&Workload]) -> Vec<Measured> {
    let next = AtomicUsize::new(0);
    let measure_some = || {
        iter::from_fn(|| {
            let index = next.fetch_add(1, Ordering::Relaxed);
            Some((index, workloads.get(index)?.measure()))
        })
        .collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut measured: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(measure_some)).collect();
        let results = workers.into_iter().map(|worker| worker.join());
        results
            .flat_map(|result| result.expect("every workload runs"))
            .collect()
    });
    measured.sort_by_key(|(index, _)| *index);
    measured.into_iter().map(|(_, measured)| measured).collect()
}

/// The page with the table, between the two lines that [`check_page`] looks for.
const PAGE: &str = "../../docs/PERFORMANCE.md";
const TABLE_START: &str =
    "| work | n is the number of | n | order | instructions for n | ratio |\n|---|---|--:|---|--:|--:|\n";

/// Writes the table with `BLESS=1`; otherwise, returns whether it lists these workloads. The counts
/// in it depend on the environment, and are not compared.
fn check_page(rows: &[(&Workload, Measured)]) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).expect("the page can be read");
    let (before, rest) = page.split_once(TABLE_START).expect("the page has the table");
    let (listed, after) = rest.split_once("\n\n").expect("text follows the table");
    let fixed_part = |workload: &Workload| {
        let Workload {
            name, unit, n, order, ..
        } = workload;
        format!("| {name} | {unit} | {n} | {} | ", order.text())
    };
    if env::var_os("BLESS").is_some() {
        let row = |(workload, measured): &(&Workload, Measured)| {
            format!(
                "{}{:.0} | {:.2} |",
                fixed_part(workload),
                measured.counts[0],
                measured.ratio
            )
        };
        let table = rows.iter().map(row).collect::<Vec<_>>().join("\n");
        fs::write(&path, format!("{before}{TABLE_START}{table}\n\n{after}")).expect("the page can be written");
        return true;
    }
    let is_current = listed.lines().count() == rows.len()
        && iter::zip(listed.lines(), rows).all(|(line, (workload, _))| line.starts_with(&fixed_part(workload)));
    if !is_current {
        println!("docs/PERFORMANCE.md does not list these workloads: BLESS=1 writes its table");
    }
    is_current
}
