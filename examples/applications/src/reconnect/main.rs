//! A client that survives a restart of its server: everything that it has to send arrives, once and
//! in order.
//!
//! ```text
//! cargo run --release --bin reconnect -- serve --directory /tmp/lines
//! cargo run --release --bin reconnect -- send ws://127.0.0.1:9016/ada
//! ```
//!
//! A WebSocket that was lost does not say how much of what was sent has arrived. So the server
//! confirms: its first message is how many lines it has of this client, and so is its answer to
//! each line. The client keeps a line until it is confirmed, and after a loss sends what is not.

mod client;
mod server;

use std::{path::Path, process::ExitCode, time::Duration};

use sockless::timers::Backoff;
use sockless_applications::{AnyError, Args, run_async, usage};

const HELP: &str = "\
Sends the lines of the standard input to a server, also if the server is restarted meanwhile.

usage: reconnect serve [--listen ADDRESS] --directory DIRECTORY
       reconnect send [--first-delay MS] [--max-delay MS] URL

  --listen ADDRESS       where to listen (127.0.0.1:9016); with port 0, on a free port
  --directory DIRECTORY  where the lines are written, to a file for each client
  --first-delay MS       the longest delay before the first new attempt to connect (5000)
  --max-delay MS         the longest delay before any attempt (60000)

The path of the URL is the name of the client: at most 32 lower-case letters and digits. A name is
used by one client at a time. The server takes a new client only if its directory has fewer than 100
files, and lines only up to 64 MiB for each client.";

fn main() -> ExitCode {
    run_async("reconnect", HELP, application)
}

async fn application(mut args: Args) -> Result<(), AnyError> {
    let listen = args.option("--listen", String::from("127.0.0.1:9016"))?;
    let directory = args.option("--directory", String::new())?;
    let first = Duration::from_millis(args.option("--first-delay", 5000)?);
    let max = Duration::from_millis(args.option("--max-delay", 60_000)?);
    match args.next::<String>("the command")?.as_str() {
        "serve" if directory.is_empty() => Err(usage("--directory is missing")),
        "serve" => {
            args.end()?;
            server::serve(&listen, Path::new(&directory))
        }
        "send" => {
            let url = args.next::<String>("the URL")?;
            args.end()?;
            let backoff = Backoff::new(getrandom::u64()?).first(first).max(max);
            client::send(&url, backoff).await
        }
        command => Err(usage(format!("there is no command {command:?}"))),
    }
}
