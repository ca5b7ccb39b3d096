//! The resident memory of a million idle connections in one process, as Linux counts it.
//!
//! `cargo bench -p sockless-benches --bench idle_memory` prints it for connections without
//! compression, and for those that have received and sent a compressed message and keep no working
//! state: without context takeover, it belongs to a pool; with it, `low_memory` and `release` leave
//! the windows. Each row is measured in a process of its own, so that no memory of another is used
//! again.

use std::{
    env, fs,
    process::{Command, ExitCode, Stdio},
};

use bench_support::{params, upgraded, with_deflate};
use sockless::{
    Config, Connection, Event, Role,
    deflate::{DeflateConfig, DeflatePool},
    handshake::Negotiated,
};

/// What has been negotiated. Every connection echoes [`ECHOES`] texts before it is idle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    NoTakeover,
    /// Context takeover in both directions, with windows of so many bits.
    Takeover(u8),
}

impl Mode {
    fn negotiated(self) -> Negotiated {
        match self {
            Self::Plain => Negotiated::default(),
            Self::NoTakeover => with_deflate(params(15, true)),
            Self::Takeover(bits) => with_deflate(params(bits, false)),
        }
    }

    fn config(self) -> Config {
        match self {
            Self::Plain => Config::new(),
            Self::NoTakeover => Config::new().deflate(DeflateConfig::new()),
            Self::Takeover(_) => Config::new().deflate(DeflateConfig::new().low_memory(true).release(true)),
        }
    }
}

const ROWS: [(&str, Mode); 4] = [
    ("no compression", Mode::Plain),
    (
        "permessage-deflate without context takeover, and a pool",
        Mode::NoTakeover,
    ),
    (
        "with context takeover of 9 bits, `low_memory` and `release`",
        Mode::Takeover(9),
    ),
    ("the same with 10 bits", Mode::Takeover(10)),
];
const NUMBER: usize = 1_000_000;
/// Together, the texts fill windows of 10 bits.
const ECHOES: usize = 10;
const TEXT: &str = "{\"id\":17,\"user\":\"mallory\",\"room\":\"lobby\",\"text\":\"good morning, everybody\",\"sent\":1700000000,\
                    \"edited\":false,\"seen\":[]}";

fn main() -> ExitCode {
    if !cfg!(target_os = "linux") {
        println!("the resident memory is known on Linux only");
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, row, number] = &args[..] {
        if flag == "--row" {
            let (row, number) = (row.parse::<usize>().unwrap(), number.parse().unwrap());
            println!("{:.0}", resident_bytes_each(ROWS[row].1, number));
            return ExitCode::SUCCESS;
        }
    }
    let number = if args.iter().any(|arg| arg == "--bench") {
        NUMBER
    } else {
        10_000
    };
    println!("| {number} idle connections of a server | resident bytes each |\n|---|--:|");
    for (row, (name, mode)) in ROWS.iter().enumerate() {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--row", &row.to_string(), &number.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}");
        let bytes = String::from_utf8(output.stdout).unwrap();
        let bytes: f64 = bytes.trim().parse().unwrap();
        println!("| {name} | {bytes} |");
        // Documented: the value, and no heap. What the allocator adds is for the whole vector.
        let max = size_of::<Connection>() as f64 * 1.1;
        assert!(*mode != Mode::Plain || bytes < max, "{bytes} bytes");
    }
    ExitCode::SUCCESS
}

fn resident_bytes_each(mode: Mode, number: usize) -> f64 {
    // What the first connection needs once, and the buffers.
    let (mut out, mut pool) = (Vec::with_capacity(1 << 10), DeflatePool::new(1));
    let frames = frames(mode);
    drop(idle(mode, &frames, &mut out, &mut pool));
    let before = resident_bytes();
    let connections: Vec<Connection> = (0..number).map(|_| idle(mode, &frames, &mut out, &mut pool)).collect();
    let after = resident_bytes();
    assert_eq!(connections.len(), number);
    (after - before) as f64 / number as f64
}

/// A connection that has received the texts in `frames` and sent them back.
fn idle(mode: Mode, frames: &[u8], out: &mut Vec<u8>, pool: &mut DeflatePool) -> Connection {
    let mut server = upgraded(Role::Server, &mode.negotiated(), mode.config());
    let mut frames = frames.to_vec();
    let mut input = &mut frames[..];
    server.borrow_deflate_state(pool);
    out.clear();
    while let Some(event) = server.receive(&mut input, out).unwrap() {
        let Event::Text(text) = event else { panic!("not a text") };
        assert_eq!(text, TEXT);
        server.send_text(&text, out).unwrap();
    }
    assert!(!out.is_empty());
    server.return_deflate_state(pool);
    server
}

/// The frames of a client, the same for each connection.
fn frames(mode: Mode) -> Vec<u8> {
    let mut client = upgraded(Role::Client, &mode.negotiated(), mode.config());
    let mut frames = Vec::new();
    for _ in 0..ECHOES {
        client.send_text(TEXT, &mut frames).unwrap();
    }
    frames
}

/// The anonymous memory of this process that is in RAM.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
