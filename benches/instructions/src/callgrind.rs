//! Counts instructions.

use std::{env, process::Command};

/// The settings of the C library.
const TUNABLES: [&str; 4] = [
    // The same copy functions on every processor.
    "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
    // No work that an allocation does only beyond some size: what it costs grows evenly.
    "glibc.malloc.mxfast=0",
    "glibc.malloc.mmap_threshold=4294967296",
    "glibc.malloc.trim_threshold=4294967296",
];

/// Runs a workload under callgrind. Returns the instructions of the whole run, or, if `within` is
/// the name of a function with `*` for any text, those of its calls.
pub fn count_instructions(name: &str, count: u64, within: Option<&str>) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(within.map(|function| format!("--toggle-collect={function}")))
        .arg(env::current_exe().expect("the path of the program is known"))
        .args(["--run", name, &count.to_string()])
        .env("GLIBC_TUNABLES", TUNABLES.join(":"))
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
        .expect("callgrind prints its count")
}
