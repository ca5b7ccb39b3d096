//! Counts the instructions of the main paths under callgrind and compares them with `baseline.txt`.
//!
//! ```text
//! cargo run --release                   # compares; fails at 3 % more instructions
//! BLESS=1 cargo run --release           # writes the baseline; commit it with the reason
//! cargo run --release -- receive        # only the workloads whose name contains a word
//! cargo run --release --features relay  # the workloads of `Relay` instead
//! cargo run --release --features orders # how the instructions grow with the input: see `orders`
//! ```
//!
//! It needs valgrind. The counts do not depend on the load of the machine. They depend on the
//! compiler, the C library, valgrind and the instruction sets of the processor, which are in the
//! first line of the baseline. If one of them differs, the program prints the counts, does not
//! compare them, and succeeds. Write the baseline on the machine that compares, and again, in a
//! separate commit, when its compiler changes.
//!
//! A count is the difference between two runs of different length, divided by the difference of
//! their numbers of messages. So the work that is done once does not count.

#[cfg(not(feature = "orders"))]
mod baseline;
mod callgrind;
#[cfg(feature = "orders")]
mod orders;
#[cfg(not(feature = "orders"))]
mod workloads;

use std::{env, process::ExitCode};

#[cfg(feature = "orders")]
use orders::{check, start};
#[cfg(not(feature = "orders"))]
use {baseline::check, workloads::start};

/// What a workload does: it processes a number of messages.
type RunMessages = Box<dyn FnMut(u64)>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, count] = &args[..]
        && flag == "--run"
    {
        let mut run = start(name).expect("the name of a workload");
        run(count.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    check(&args)
}
