//! A WebSocket client for the command line: `wscat --help` says how to use it.

mod dial;
mod editor;
mod escape;
mod exit;
mod hex;
mod input;
mod options;
mod output;
mod record;
mod session;
mod tls;

use std::{
    io::{self, Write},
    process,
};

use tokio::{signal, task::spawn_blocking};

use crate::{
    exit::{Exit, Failure},
    options::{Command, HELP, Options},
    output::Output,
};

fn main() {
    let exit = match options::parse(lexopt::Parser::from_env()) {
        Ok(Command::Help) => {
            print(HELP);
            Exit::Success
        }
        Ok(Command::Version) => {
            print(concat!("wscat ", env!("CARGO_PKG_VERSION"), "\n"));
            Exit::Success
        }
        Ok(Command::Connect(options)) => connect(&options),
        Err(failure) => {
            eprintln!("wscat: {}\nwscat --help shows all options.", failure.text);
            failure.exit
        }
    };
    // The thread that reads the input may wait for a line: it ends with the process.
    process::exit(exit as i32);
}

/// A reader that has gone, such as a pager, is no error.
fn print(text: &str) {
    let _result = io::stdout().write_all(text.as_bytes());
}

fn connect(options: &Options) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("wscat: cannot start: {error}");
            return Exit::NoConnection;
        }
    };
    let output = Output::start(options);
    runtime.block_on(async {
        let ended = match dial::open(options, &output).await {
            Ok(ws) => session::run(ws, options, &output).await,
            Err(failure) => Err(failure),
        };
        tokio::select! {
            exit = finish(ended, output) => exit,
            // Nobody reads the output.
            _ = signal::ctrl_c() => process::exit(Exit::Interrupted as i32),
        }
    })
}

/// Writes what is left, and why the program ends.
async fn finish(ended: Result<Exit, Failure>, output: Output) -> Exit {
    let exit = match ended {
        Ok(exit) => exit,
        Err(Failure { exit, text }) => {
            output.status(&text).await;
            exit
        }
    };
    // A panic was reported.
    let _result = spawn_blocking(move || output.finish()).await;
    exit
}
