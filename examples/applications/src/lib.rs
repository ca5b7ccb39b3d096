//! What the applications have in common: the command line, and accepting connections.
//!
//! Each application is a program of its own, to be read alone:
//!
//! | program | what it shows |
//! |---|---|
//! | `upload`, `upload_tokio` | a message of any size in flat memory: `writer` and `reader` |
//! | `broadcast` | a message for many connections, and one that does not read: `PreparedMessage` |
//! | `tunnel` | TCP through a WebSocket: `into_byte_stream` |
//! | `proxy` | frames passed on, compressed or not: `Relay` |
//! | `game` | binary messages with an id and a protobuf, limits, deadlines and bounded queues |
//! | `reconnect` | a client that survives a restart of its server: `Backoff` |
//! | `socks` | a client through a SOCKS5 proxy: `client`, over a stream that is connected already |

use std::{error::Error, net, process::ExitCode, str::FromStr, thread, time::Duration};

use tokio::net::{TcpListener, TcpStream};

/// How long a server waits when it cannot accept a connection. There are no more sockets or
/// threads: a retry at once would keep the processor busy.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// An error of an application, for `main`: its text is all that the user sees.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// The arguments of the command line.
pub struct Args {
    rest: Vec<String>,
}

/// A mistake in the command line.
#[derive(Debug)]
struct UsageError(String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UsageError {}

/// Runs an application. `--help` prints the help, and an error is printed with the name of the
/// program.
///
/// The status is 0 after success, 2 after a mistake in the command line and 1 after another error.
pub fn run(name: &str, help: &str, application: impl FnOnce(Args) -> Result<(), AnyError>) -> ExitCode {
    let rest: Vec<_> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{help}");
        return ExitCode::SUCCESS;
    }
    match application(Args { rest }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<UsageError>() => {
            eprintln!("{name}: {error}\n\n{help}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs an application in a runtime of tokio: see [`run`].
pub fn run_async<F>(name: &str, help: &str, application: impl FnOnce(Args) -> F) -> ExitCode
where
    F: Future<Output = Result<(), AnyError>>,
{
    run(name, help, |args| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(application(args));
        // A thread may still be reading the standard input.
        runtime.shutdown_background();
        result
    })
}

/// Listens on an address.
///
/// # Errors
/// The address, and what is wrong with it.
pub async fn bind(address: &str) -> Result<TcpListener, AnyError> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.map_err(|error| format!("{address}: {error}"))?)
}

/// Accepts connections for ever, and runs a task for each. Errors are printed.
pub async fn serve_each<F>(name: &'static str, listener: TcpListener, mut serve: impl FnMut(TcpStream) -> F)
where
    F: Future<Output = Result<(), AnyError>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let _result = tcp.set_nodelay(true);
                let served = serve(tcp);
                tokio::spawn(async move {
                    if let Err(error) = served.await {
                        eprintln!("{name}: {peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Listens, accepts connections for ever, and runs a thread for each. Errors are printed.
///
/// # Errors
/// The address, and what is wrong with it.
pub fn serve_each_on_threads(
    name: &str,
    address: &str,
    serve: impl Fn(net::TcpStream) -> Result<(), AnyError> + Sync,
) -> Result<(), AnyError> {
    let listener = net::TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    thread::scope(|scope| {
        loop {
            let served = listener.accept().and_then(|(tcp, peer)| {
                let _result = tcp.set_nodelay(true);
                let serve = &serve;
                thread::Builder::new().spawn_scoped(scope, move || {
                    if let Err(error) = serve(tcp) {
                        eprintln!("{name}: {peer}: {error}");
                    }
                })
            });
            if let Err(error) = served {
                eprintln!("{name}: {error}");
                thread::sleep(RETRY_DELAY);
            }
        }
    })
}

/// Returns an error of the command line.
pub fn usage(text: impl Into<String>) -> AnyError {
    UsageError(text.into()).into()
}

impl Args {
    /// Takes an option with a value, or returns the default.
    ///
    /// # Errors
    /// The value is missing or no `T`.
    pub fn option<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, AnyError> {
        let Some(at) = self.rest.iter().position(|arg| arg == name) else {
            return Ok(default);
        };
        if at + 1 == self.rest.len() {
            return Err(usage(format!("{name} needs a value")));
        }
        let value = self.rest.remove(at + 1);
        self.rest.remove(at);
        parse(name, &value)
    }

    /// Takes the next argument that is no option. Call this after [`option`](Self::option).
    ///
    /// # Errors
    /// It is missing or no `T`.
    pub fn next<T: FromStr>(&mut self, what: &str) -> Result<T, AnyError> {
        self.check_option()?;
        if self.rest.is_empty() {
            return Err(usage(format!("{what} is missing")));
        }
        let value = self.rest.remove(0);
        parse(what, &value)
    }

    /// Checks that all arguments were taken.
    ///
    /// # Errors
    /// One is left.
    pub fn end(self) -> Result<(), AnyError> {
        self.check_option()?;
        match self.rest.first() {
            None => Ok(()),
            Some(arg) => Err(usage(format!("the argument {arg:?} is one too many"))),
        }
    }

    fn check_option(&self) -> Result<(), AnyError> {
        match self.rest.iter().find(|arg| arg.starts_with("--")) {
            None => Ok(()),
            Some(option) => Err(usage(format!("there is no option {option:?} here"))),
        }
    }
}

fn parse<T: FromStr>(what: &str, value: &str) -> Result<T, AnyError> {
    value
        .parse()
        .map_err(|_| usage(format!("{what}: {value:?} is not what is expected")))
}
