//! A game server and its client: binary messages that begin with an id and are a protobuf after it.
//!
//! ```text
//! cargo run --release --bin game -- serve
//! cargo run --release --bin game -- play ws://127.0.0.1:9015/connect Ada
//! ```

mod client;
mod messages;
mod server;

use std::{process::ExitCode, time::Duration};

use sockless_applications::{AnyError, Args, run_async, usage};

const HELP: &str = "\
A game: players move on a field, and see each other move.

usage: game serve [--listen ADDRESS] [--read-deadline SECONDS]
       game play URL NAME

  --listen ADDRESS         where to listen (127.0.0.1:9015); with port 0, on a free port
  --read-deadline SECONDS  a player from whom nothing arrives for so long is disconnected (20)

The server is at the path /connect. The player reads steps from the standard input, one in a line,
such as `1 -2`, and ends with it.";

fn main() -> ExitCode {
    run_async("game", HELP, application)
}

async fn application(mut args: Args) -> Result<(), AnyError> {
    let listen = args.option("--listen", String::from("127.0.0.1:9015"))?;
    let read_deadline = Duration::from_secs(args.option("--read-deadline", 20)?);
    match args.next::<String>("the command")?.as_str() {
        "serve" => {
            args.end()?;
            server::serve(&listen, read_deadline).await
        }
        "play" => {
            let (url, name) = (args.next::<String>("the URL")?, args.next("the name")?);
            args.end()?;
            client::play(&url, name).await
        }
        command => Err(usage(format!("there is no command {command:?}"))),
    }
}
