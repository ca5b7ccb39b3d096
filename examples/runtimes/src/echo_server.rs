//! An echo server with a thread, a tokio task or a smol task for each connection.
//!
//! ```text
//! cargo run -p sockless-runtimes --bin echo_server -- --subprotocol echo.v2 --subprotocol echo.v1
//! cargo run -p sockless-runtimes --bin echo_server --features tokio -- --runtime tokio
//! ```

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::{env, fmt::Display, process::ExitCode, thread, time::Duration};

use sockless::adapter::{Error, std_net};
use sockless::{Accept, Request};

mod options;

use options::Options;

/// Returns the acceptance of a request. By default, any page may connect: this server has no
/// secrets.
fn accept_for<'a>(options: &'a Options, request: &Request<'_>) -> Accept<'a> {
    let accept = Accept::new().subprotocol(request.choose_subprotocol(&options.subprotocols));
    if options.origins.is_empty() {
        accept.any_origin()
    } else {
        accept.origins(&options.origins)
    }
}

fn main() -> ExitCode {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let Some(options) = Options::parse(args) else {
        eprintln!("{}", options::USAGE);
        return ExitCode::from(2);
    };
    // Threads and tasks that serve connections may live as long as the process.
    let options: &'static Options = Box::leak(Box::new(options));
    let result = listen(&options.listen).and_then(|listener| match options.runtime.as_str() {
        "std" => on_threads(&listener, options),
        #[cfg(feature = "tokio")]
        "tokio" => on_tokio::run(listener, options),
        #[cfg(feature = "smol")]
        "smol" => on_smol::run(listener, options),
        _ => Err(io::Error::other("the runtime is unknown, or its feature is off")),
    });
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("echo_server: {}: {error}", options.listen);
    ExitCode::FAILURE
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on ws://{}/", listener.local_addr()?)?;
    stdout.flush()?;
    Ok(listener)
}

fn log_error(peer: impl Display, error: impl Display) {
    eprintln!("echo_server: {peer}: {error}");
}

fn on_threads(listener: &TcpListener, options: &'static Options) -> io::Result<()> {
    loop {
        let served = listener.accept().and_then(|(tcp, peer)| {
            // Unlike `thread::spawn`, this does not panic when there are too many threads.
            thread::Builder::new().spawn(move || serve(tcp, options).unwrap_or_else(|error| log_error(peer, error)))
        });
        if let Err(error) = served {
            log_error(&options.listen, error);
            // There are no more sockets or threads. An immediate retry would keep the processor
            // busy.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn serve(tcp: TcpStream, options: &Options) -> Result<(), Error> {
    // The engine answers an invalid request, and this returns the error.
    let incoming = std_net::incoming(tcp, options.settings.clone())?;
    let accept = accept_for(options, incoming.request());
    // A page of an origin that is not allowed gets a response with status 403.
    let mut ws = incoming.accept(&accept)?;
    // `None` if the client closed with success. An error if it closed with another code, or if the
    // connection failed or was lost.
    while let Some(message) = ws.recv()? {
        // `feed` does not write. `recv` writes before it waits, so the replies to the messages of
        // one read leave in one write.
        ws.feed(message)?;
    }
    Ok(())
}

/// Serves one connection like [`serve`], in a task.
#[cfg(any(feature = "tokio", feature = "smol"))]
async fn serve_polled<T, C>(transport: T, clock: C, options: &Options) -> Result<(), Error>
where
    T: sockless::adapter::poll::Transport,
    C: sockless::adapter::poll::Clock,
{
    let incoming = sockless::adapter::poll::Incoming::new(transport, clock, options.settings.clone()).await?;
    let accept = accept_for(options, incoming.request());
    let mut ws = incoming.accept(&accept).await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use super::*;

    #[tokio::main]
    pub(super) async fn run(listener: TcpListener, options: &'static Options) -> io::Result<()> {
        use sockless::adapter::tokio::{Clock, Io};
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => {
                    _ = tokio::spawn(async move {
                        let _result = tcp.set_nodelay(true);
                        serve_polled(Io(tcp), Clock::default(), options)
                            .await
                            .unwrap_or_else(|error| log_error(peer, error));
                    })
                }
                Err(error) => {
                    log_error(&options.listen, error);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

#[cfg(feature = "smol")]
mod on_smol {
    use super::*;

    pub(super) fn run(listener: TcpListener, options: &'static Options) -> io::Result<()> {
        use sockless::adapter::futures_io::{Io, Timer};
        let listener = smol::net::TcpListener::from(smol::Async::new(listener)?);
        smol::block_on(async {
            loop {
                match listener.accept().await {
                    Ok((tcp, peer)) => smol::spawn(async move {
                        let _result = tcp.set_nodelay(true);
                        let clock = Timer::new(smol::Timer::at);
                        serve_polled(Io(tcp), clock, options)
                            .await
                            .unwrap_or_else(|error| log_error(peer, error));
                    })
                    .detach(),
                    Err(error) => {
                        log_error(&options.listen, error);
                        smol::Timer::after(Duration::from_millis(100)).await;
                    }
                }
            }
        })
    }
}
