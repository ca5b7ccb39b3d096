//! An echo client, which the fuzzing server of the Autobahn Testsuite tests.
//!
//! ```text
//! cargo run -p sockless-runtimes --bin echo_client -- ws://127.0.0.1:9001
//! cargo run -p sockless-runtimes --bin echo_client --features tokio -- \
//!     --runtime tokio ws://127.0.0.1:9001
//! ```

use std::{env, error::Error, process::ExitCode};

use sockless::adapter::{self, std_net};
use sockless::{ClientRequest, Config, Message, deflate::DeflateConfig};

/// The limit on received messages, in bytes: twice the largest message of the suite.
const MAX_MESSAGE_SIZE: u64 = 32 << 20;

/// What to do with the messages of a connection.
#[derive(Clone, Copy)]
enum Task {
    /// Sends every message back until the connection is closed.
    Echo,
    /// Keeps the first message and ignores the others.
    KeepFirst,
}

/// The first message, for [`Task::KeepFirst`].
type FirstMessage = Result<Option<Message<'static>>, adapter::Error>;
/// Connects to a URL and does the task until the connection is closed.
type Converse = fn(&str, Task) -> FirstMessage;

fn main() -> ExitCode {
    let args: Vec<String> = env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let (converse, base): (Converse, _) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [base] | ["--runtime", "std", base] => (on_thread, base),
        #[cfg(feature = "tokio")]
        ["--runtime", "tokio", base] => (on_tokio, base),
        #[cfg(feature = "smol")]
        ["--runtime", "smol", base] => (on_smol, base),
        _ => {
            eprintln!("usage: echo_client [--runtime std|tokio|smol] BASE_URL");
            return ExitCode::from(2);
        }
    };
    match run_cases(converse, base.trim_end_matches('/')) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {base}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_cases(converse: Converse, base: &str) -> Result<(), Box<dyn Error>> {
    let Some(Message::Text(count)) = converse(&format!("{base}/getCaseCount"), Task::KeepFirst)? else {
        return Err("the server did not send the number of cases".into());
    };
    for case in 1..=count.trim().parse::<u32>()? {
        // In many cases the server breaks the protocol. Then an error is correct.
        match converse(&format!("{base}/runCase?case={case}&agent=sockless"), Task::Echo) {
            Ok(_) => println!("case {case} of {count}: closed"),
            Err(error) => println!("case {case} of {count}: {error}"),
        }
    }
    converse(&format!("{base}/updateReports?agent=sockless"), Task::KeepFirst)?;
    Ok(())
}

fn config() -> Config {
    Config::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        .deflate(DeflateConfig::default())
}

fn on_thread(url: &str, task: Task) -> FirstMessage {
    let (mut ws, _response) = std_net::connect_with(&ClientRequest::new(url)?, config())?;
    let mut first = None;
    while let Some(message) = ws.recv()? {
        match task {
            // `feed` does not write. `recv` writes before it waits, so the replies to the messages
            // of one read leave in one write.
            Task::Echo => ws.feed(message)?,
            Task::KeepFirst => _ = first.get_or_insert(message),
        }
    }
    Ok(first)
}

/// Does the task like [`on_thread`], for executors.
#[cfg(any(feature = "tokio", feature = "smol"))]
async fn converse_polled<T, C>(mut ws: adapter::poll::WebSocket<T, C>, task: Task) -> FirstMessage
where
    T: adapter::poll::Transport,
    C: adapter::poll::Clock,
{
    let mut first = None;
    while let Some(message) = ws.recv().await? {
        match task {
            Task::Echo => ws.feed(message).await?,
            Task::KeepFirst => _ = first.get_or_insert(message),
        }
    }
    Ok(first)
}

#[cfg(feature = "tokio")]
#[tokio::main(flavor = "current_thread")]
async fn on_tokio(url: &str, task: Task) -> FirstMessage {
    let (ws, _response) = adapter::tokio::connect_with(&ClientRequest::new(url)?, config()).await?;
    converse_polled(ws, task).await
}

#[cfg(feature = "smol")]
fn on_smol(url: &str, task: Task) -> FirstMessage {
    smol::block_on(async {
        let request = ClientRequest::new(url)?;
        let tcp = smol::net::TcpStream::connect((request.host(), request.port())).await?;
        tcp.set_nodelay(true)?;
        let clock = adapter::futures_io::Timer::new(smol::Timer::at);
        let (ws, _response) = adapter::futures_io::client(tcp, clock, &request, config()).await?;
        converse_polled(ws, task).await
    })
}
