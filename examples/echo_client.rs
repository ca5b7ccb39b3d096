//! Sends every message back, as the client that the fuzzing server of the Autobahn Testsuite tests.
//!
//! ```text
//! cargo run --example echo_client -- ws://127.0.0.1:9001
//! ```

use std::{env, error::Error, net::TcpStream, process::ExitCode};

use sockless::adapter::std_net::{self, WebSocket};
use sockless::adapter::{self, Message};
use sockless::{ClientRequest, Config, DeflateConfig};

/// The suite's largest messages have 16 MiB, which is the default limit. This leaves room for more.
const MAX_MESSAGE: u64 = 32 << 20;

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let (Some(base), None) = (args.next(), args.next()) else {
        eprintln!("usage: echo_client BASE_URL");
        return ExitCode::from(2);
    };
    match run(base.trim_end_matches('/')) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {base}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(base: &str) -> Result<(), Box<dyn Error>> {
    let Some(Message::Text(count)) = listen(&format!("{base}/getCaseCount"))? else {
        return Err("the server did not say how many cases there are".into());
    };
    for case in 1..=count.trim().parse::<u32>()? {
        // In many cases the server breaks the protocol, so that an error is the right end.
        match echo(&format!("{base}/runCase?case={case}&agent=sockless")) {
            Ok(()) => println!("case {case} of {count}: closed"),
            Err(error) => println!("case {case} of {count}: {error}"),
        }
    }
    listen(&format!("{base}/updateReports?agent=sockless"))?;
    Ok(())
}

/// Sends every message back until the connection is closed.
fn echo(url: &str) -> Result<(), adapter::Error> {
    let mut ws = connect(url)?;
    while let Some(message) = ws.recv()? {
        // Unlike `send`, this does not write yet: the answers to messages that came together leave together, before
        // `recv` waits for more.
        ws.feed(message)?;
    }
    Ok(())
}

/// The server's first message, if there is one before it closes the connection.
fn listen(url: &str) -> Result<Option<Message>, adapter::Error> {
    let mut ws = connect(url)?;
    let first = ws.recv()?;
    while ws.recv()?.is_some() {}
    Ok(first)
}

fn connect(url: &str) -> Result<WebSocket<TcpStream>, adapter::Error> {
    let mut config = Config::default();
    config.max_message_size = MAX_MESSAGE;
    config.deflate = Some(DeflateConfig::default());
    let (ws, _response) = std_net::connect_with(&ClientRequest::new(url)?, config)?;
    Ok(ws)
}
