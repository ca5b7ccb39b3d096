//! Sends every message back, as the client that the fuzzing server of the Autobahn Testsuite tests.
//!
//! ```text
//! cargo run -p sockless-runtimes --bin echo_client -- ws://127.0.0.1:9001
//! cargo run -p sockless-runtimes --bin echo_client --features tokio -- --runtime tokio ws://127.0.0.1:9001
//! ```

use std::{env, error::Error, process::ExitCode};

use sockless::adapter::{self, std_net};
use sockless::{ClientRequest, Config, Message, deflate::DeflateConfig};

/// The suite's largest messages have 16 MiB, which is the default limit. This leaves room for more.
const MAX_MESSAGE: u64 = 32 << 20;

/// What a connection is for.
#[derive(Clone, Copy)]
enum Task {
    /// Send every message back until the connection is closed.
    Echo,
    /// Take the first message, and whatever else comes.
    Listen,
}

type First = Result<Option<Message<'static>>, adapter::Error>;
/// Connects to a URL, does the task and returns the first message, if it is to be taken.
type Run = fn(&str, Task) -> First;

fn main() -> ExitCode {
    let args: Vec<String> = env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let (run, base): (Run, _) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [base] | ["--runtime", "std", base] => (on_a_thread, base),
        #[cfg(feature = "tokio")]
        ["--runtime", "tokio", base] => (on_tokio, base),
        #[cfg(feature = "smol")]
        ["--runtime", "smol", base] => (on_smol, base),
        _ => {
            eprintln!("usage: echo_client [--runtime std|tokio|smol] BASE_URL");
            return ExitCode::from(2);
        }
    };
    match all_cases(run, base.trim_end_matches('/')) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {base}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all_cases(run: Run, base: &str) -> Result<(), Box<dyn Error>> {
    let Some(Message::Text(count)) = run(&format!("{base}/getCaseCount"), Task::Listen)? else {
        return Err("the server did not say how many cases there are".into());
    };
    for case in 1..=count.trim().parse::<u32>()? {
        // In many cases the server breaks the protocol, so that an error is the right end.
        match run(&format!("{base}/runCase?case={case}&agent=sockless"), Task::Echo) {
            Ok(_) => println!("case {case} of {count}: closed"),
            Err(error) => println!("case {case} of {count}: {error}"),
        }
    }
    run(&format!("{base}/updateReports?agent=sockless"), Task::Listen)?;
    Ok(())
}

fn config() -> Config {
    Config::new()
        .max_message_size(MAX_MESSAGE)
        .deflate(DeflateConfig::default())
}

fn on_a_thread(url: &str, task: Task) -> First {
    let (mut ws, _response) = std_net::connect_with(&ClientRequest::new(url)?, config())?;
    let mut first = None;
    while let Some(message) = ws.recv()? {
        match task {
            // Unlike `send`, this does not write yet: the answers to messages that came together leave together,
            // before `recv` waits for more.
            Task::Echo => ws.feed(message)?,
            Task::Listen => _ = first.get_or_insert(message),
        }
    }
    Ok(first)
}

/// As [`on_a_thread`], for executors.
#[cfg(any(feature = "tokio", feature = "smol"))]
async fn converse<T, C>(mut ws: adapter::poll::WebSocket<T, C>, task: Task) -> First
where
    T: adapter::poll::Transport,
    C: adapter::poll::Clock,
{
    let mut first = None;
    while let Some(message) = ws.recv().await? {
        match task {
            Task::Echo => ws.feed(message).await?,
            Task::Listen => _ = first.get_or_insert(message),
        }
    }
    Ok(first)
}

#[cfg(feature = "tokio")]
#[tokio::main(flavor = "current_thread")]
async fn on_tokio(url: &str, task: Task) -> First {
    let (ws, _response) = adapter::tokio::connect_with(&ClientRequest::new(url)?, config()).await?;
    converse(ws, task).await
}

#[cfg(feature = "smol")]
fn on_smol(url: &str, task: Task) -> First {
    smol::block_on(async {
        let request = ClientRequest::new(url)?;
        let tcp = smol::net::TcpStream::connect((request.host(), request.port())).await?;
        tcp.set_nodelay(true)?;
        let clock = adapter::futures_io::Timer::new(smol::Timer::at);
        let (ws, _response) = adapter::futures_io::client(tcp, clock, &request, config()).await?;
        converse(ws, task).await
    })
}
