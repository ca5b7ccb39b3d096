//! Reads recordings of connections: `docs/RECORDING.md`.
//!
//! ```text
//! cargo run --features recording --example recording -- show FILE
//! cargo run --features recording --example recording -- replay FILE...
//! cargo run --features recording --example recording -- har FILE >conversation.har
//! cargo run --features recording --example recording -- pcap FILE >conversation.pcap
//! ```

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write},
    process::ExitCode,
};

use sockless::recording::Recording;

const USAGE: &str = "usage: recording show|replay|har|pcap FILE...";

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let Some(action) = args.next() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut exit = ExitCode::SUCCESS;
    for path in args {
        if let Err(error) = read(&action, &path) {
            eprintln!("{path}: {error}");
            exit = ExitCode::FAILURE;
        }
    }
    exit
}

fn read(action: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let recording = Recording::parse(&text)?;
    let mut stdout = io::stdout().lock();
    match action {
        "show" => write!(stdout, "{}", recording.conversation())?,
        "replay" => {
            let connection = recording.replay()?;
            writeln!(
                stdout,
                "{path}: the same events and bytes; {:?} at the end",
                connection.state()
            )?;
        }
        "har" => stdout.write_all(recording.to_har().as_bytes())?,
        "pcap" => stdout.write_all(&recording.to_pcap()?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
