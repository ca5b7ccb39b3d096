//! Counts the instructions of the main paths under callgrind and compares them with `baseline.txt`.
//!
//! ```text
//! cargo run --release                 # compares; fails where a path takes 3 % more than the baseline says
//! BLESS=1 cargo run --release         # writes the baseline anew, for a change that is worth it: commit it, with the reason
//! cargo run --release -- receive      # only the workloads whose name contains a word
//! ```
//!
//! Needs valgrind. Counts do not depend on what else the machine does; they do depend on the compiler, on the C library and
//! on what the processor offers to code that asks. All that is in the first line of the baseline. Where it differs, the
//! counts are shown, nothing is judged, and the run succeeds: bless on the machine that judges, and again when its compiler
//! changes, in a commit of its own.
//!
//! A count is the difference of two runs of different length, divided by how many messages one was longer, so that what is
//! done once does not count.

mod workloads;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use workloads::Workload;

/// How much more than the baseline is a failure, and how much less is worth a note.
const TOLERANCE: f64 = 0.03;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, count] = &args[..]
        && flag == "--run"
    {
        let mut run = workloads::start(name).expect("a name of the list");
        run(count.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let wanted = |workload: &&Workload| args.is_empty() || args.iter().any(|word| workload.name.contains(&**word));
    let counts: Vec<(&str, f64)> = workloads::ALL
        .iter()
        .filter(wanted)
        .map(|workload| (workload.name, count(workload)))
        .collect();
    if env::var_os("BLESS").is_some() {
        assert!(args.is_empty(), "a baseline has all workloads");
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
    let (there, lines) = text.split_once('\n').unwrap_or_default();
    let baseline = |name: &str| {
        let line = lines
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse::<f64>().ok()
    };
    let mut worse = 0;
    println!("{:40}{:>12}{:>12}", "instructions a message", "baseline", "now");
    for (name, now) in counts {
        let Some(before) = baseline(name) else {
            println!("{name:40}{:>12}{now:>12.1}  not in the baseline", "");
            worse += 1;
            continue;
        };
        let change = now / before - 1.0;
        let verdict = match change {
            change if change > TOLERANCE => {
                worse += 1;
                "WORSE"
            }
            change if change < -TOLERANCE => "better; bless it",
            _ => "",
        };
        println!(
            "{name:40}{before:>12.1}{now:>12.1} {:>+6.1} %  {verdict}",
            change * 100.0
        );
    }
    let here = environment();
    if there != here {
        println!("Not judged. The baseline is of\n  {there}\nand this is\n  {here}");
        return ExitCode::SUCCESS;
    }
    if worse > 0 {
        println!("{worse} worse than the baseline by more than {} %", TOLERANCE * 100.0);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.txt")
}

/// What the counts depend on, beside the code.
fn environment() -> String {
    let first_line = |program: &str, arg: &str| {
        let output = Command::new(program).arg(arg).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.lines().next()?.to_owned())
    };
    let valgrind = first_line("valgrind", "--version").expect("valgrind is installed");
    let libc = first_line("getconf", "GNU_LIBC_VERSION").unwrap_or_else(|| "another C library".into());
    // The key stream of a client asks for it.
    #[cfg(target_arch = "x86_64")]
    let vectors = if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "no AVX2"
    };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = env::consts::ARCH;
    format!("{}; {valgrind}; {libc}; {vectors}", env!("RUSTC_VERSION"))
}

/// Instructions a message.
fn count(workload: &Workload) -> f64 {
    let run = |count: u64| collected(workload.name, count) as f64;
    let (short, long) = (workload.period, workload.period * 3);
    (run(long) - run(short)) / (long - short) as f64
}

fn collected(name: &str, count: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("the program knows where it is"))
        .args(["--run", name, &count.to_string()])
        // The plain copies of the C library, whatever the processor has.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
        )
        .output()
        .expect("valgrind is installed");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let collected = log
        .split("Collected : ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    collected
        .and_then(|count| count.parse().ok())
        .expect("callgrind tells its count")
}
