//! Passes the version of the compiler to the program: the counts depend on it.

use std::{env, process::Command};

fn main() {
    let rustc = env::var("RUSTC").expect("cargo sets RUSTC");
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("the version is UTF-8");
    println!("cargo::rustc-env=RUSTC_VERSION={}", version.trim());
}
