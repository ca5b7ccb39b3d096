//! Compares the instructions of each message with a committed baseline.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{
    callgrind::count_instructions,
    workloads::{self, Workload},
};

/// The relative difference from the baseline above which a larger count is a failure and a smaller
/// one is reported.
const TOLERANCE: f64 = 0.03;

/// Compares the counts with the baseline.
pub fn check(args: &[String]) -> ExitCode {
    let is_selected = |workload: &&Workload| args.is_empty() || args.iter().any(|word| workload.name.contains(&**word));
    let counts: Vec<(&str, f64)> = workloads::ALL
        .iter()
        .filter(is_selected)
        .map(|workload| (workload.name, count(workload)))
        .collect();
    if env::var_os("BLESS").is_some() {
        assert!(args.is_empty(), "BLESS=1 needs all workloads: run it without arguments");
        let lines: String = counts
            .iter()
            .map(|(name, count)| format!("{name} {count:.1}\n"))
            .collect();
        fs::write(baseline_path(), format!("{}\n{lines}", environment())).expect("the baseline can be written");
        print!("{lines}");
        return ExitCode::SUCCESS;
    }
    compare(&counts)
}

fn compare(counts: &[(&str, f64)]) -> ExitCode {
    let text = fs::read_to_string(baseline_path()).unwrap_or_default();
    let (baseline_environment, lines) = text.split_once('\n').unwrap_or_default();
    let baseline = |name: &str| {
        let line = lines
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse::<f64>().ok()
    };
    let mut failures = 0;
    println!("{:40}{:>12}{:>12}", "instructions per message", "baseline", "now");
    for (name, now) in counts {
        let Some(before) = baseline(name) else {
            println!("{name:40}{:>12}{now:>12.1}  not in the baseline", "");
            failures += 1;
            continue;
        };
        let change = now / before - 1.0;
        let verdict = match change {
            change if change > TOLERANCE => {
                failures += 1;
                "WORSE"
            }
            change if change < -TOLERANCE => "better; write a new baseline",
            _ => "",
        };
        println!(
            "{name:40}{before:>12.1}{now:>12.1} {:>+6.1} %  {verdict}",
            change * 100.0
        );
    }
    let environment = environment();
    if baseline_environment != environment {
        println!(
            "Not compared: the environments differ. The baseline is of\n  {baseline_environment}\nand this run is of\n  {environment}"
        );
        return ExitCode::SUCCESS;
    }
    if failures > 0 {
        println!(
            "{failures} workloads take over {} % more instructions than the baseline, or are not in it",
            TOLERANCE * 100.0
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn baseline_path() -> PathBuf {
    let name = if cfg!(feature = "relay") {
        "baseline-relay.txt"
    } else {
        "baseline.txt"
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Returns what the counts depend on besides the code.
fn environment() -> String {
    let first_line = |program: &str, arg: &str| {
        let output = Command::new(program).arg(arg).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.lines().next()?.to_owned())
    };
    let valgrind = first_line("valgrind", "--version").expect("valgrind is installed");
    let libc = first_line("getconf", "GNU_LIBC_VERSION").unwrap_or_else(|| "unknown C library".into());
    // The generator of mask keys detects AVX2.
    #[cfg(target_arch = "x86_64")]
    let instruction_set = if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "no AVX2"
    };
    #[cfg(not(target_arch = "x86_64"))]
    let instruction_set = env::consts::ARCH;
    format!("{}; {valgrind}; {libc}; {instruction_set}", env!("RUSTC_VERSION"))
}

/// Returns the instructions per message.
fn count(workload: &Workload) -> f64 {
    let run = |count: u64| count_instructions(workload.name, count, None) as f64;
    let (short, long) = (workload.period, workload.period * 3);
    (run(long) - run(short)) / (long - short) as f64
}
