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

/// What to do with a recording.
#[derive(Clone, Copy)]
enum Action {
    Show,
    Replay,
    Har,
    Pcap,
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let action = match args.next().as_deref() {
        Some("show") => Some(Action::Show),
        Some("replay") => Some(Action::Replay),
        Some("har") => Some(Action::Har),
        Some("pcap") => Some(Action::Pcap),
        _ => None,
    };
    let paths: Vec<_> = args.collect();
    let (Some(action), false) = (action, paths.is_empty()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut exit = ExitCode::SUCCESS;
    for path in paths {
        if let Err(error) = read(action, &path) {
            eprintln!("{path}: {error}");
            exit = ExitCode::FAILURE;
        }
    }
    exit
}

fn read(action: Action, path: &str) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let recording = Recording::parse(&text)?;
    let mut stdout = io::stdout().lock();
    match action {
        Action::Show => write!(stdout, "{}", recording.conversation())?,
        Action::Replay => {
            let connection = recording.replay()?;
            writeln!(
                stdout,
                "{path}: the same events and bytes; {:?} at the end",
                connection.state()
            )?;
        }
        Action::Har => stdout.write_all(recording.to_har().as_bytes())?,
        Action::Pcap => stdout.write_all(&recording.to_pcap()?)?,
    }
    Ok(())
}
