//! Sends every message back, a thread per connection.
//!
//! ```text
//! cargo run --example echo_server -- --listen 127.0.0.1:9002 --subprotocol echo.v2 --subprotocol echo.v1
//! ```

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{convert::Infallible, env, thread};

use sockless::adapter::{Error, std_net};
use sockless::{Accept, Config, DeflateConfig, WindowBits};

const USAGE: &str = "\
usage: echo_server [OPTION]...
  --listen ADDR             where to listen; 127.0.0.1:9002 by default
  --max-message-size BYTES  fail connections that send a larger message
  --fragment BYTES          send messages in frames of at most so many bytes
  --deflate                 accept permessage-deflate; implied by the options that follow
  --server-window-bits N    compress with a window of at most 2^N bytes, 8 to 15
  --client-window-bits N    demand the same of clients
  --server-no-context-takeover, --client-no-context-takeover
                            start each message with an empty window
  --deflate-threshold BYTES send smaller messages as they are
  --subprotocol NAME        a subprotocol to agree to; repeatable, the preferred one first
  --origin ORIGIN           a page that may connect; repeatable, any page by default";

struct Options {
    listen: String,
    config: Config,
    subprotocols: Vec<String>,
    origins: Vec<String>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            listen: "127.0.0.1:9002".to_owned(),
            config: Config::default(),
            subprotocols: Vec::new(),
            origins: Vec::new(),
        };
        while let Some(name) = args.next() {
            let config = &mut options.config;
            match name.as_str() {
                "--deflate" => _ = deflate(config),
                "--server-no-context-takeover" => deflate(config).server_no_context_takeover = true,
                "--client-no-context-takeover" => deflate(config).client_no_context_takeover = true,
                _ => options.set(&name, args.next()?)?,
            }
        }
        Some(options)
    }

    fn set(&mut self, name: &str, value: String) -> Option<()> {
        let config = &mut self.config;
        match name {
            "--listen" => self.listen = value,
            "--max-message-size" => config.max_message_size = value.parse().ok()?,
            "--fragment" => config.fragment_size = Some(value.parse().ok()?),
            "--server-window-bits" => deflate(config).server_max_window_bits = WindowBits::new(value.parse().ok()?)?,
            "--client-window-bits" => deflate(config).client_max_window_bits = WindowBits::new(value.parse().ok()?)?,
            "--deflate-threshold" => deflate(config).threshold = value.parse().ok()?,
            "--subprotocol" => self.subprotocols.push(value),
            "--origin" => self.origins.push(value),
            _ => return None,
        }
        Some(())
    }
}

fn deflate(config: &mut Config) -> &mut DeflateConfig {
    config.deflate.get_or_insert_with(DeflateConfig::default)
}

fn main() -> ExitCode {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let Some(options) = Options::parse(args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let options = Arc::new(options);
    let Err(error) = run(&options);
    eprintln!("echo_server: {}: {error}", options.listen);
    ExitCode::FAILURE
}

fn run(options: &Arc<Options>) -> io::Result<Infallible> {
    let listener = TcpListener::bind(&options.listen)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on ws://{}/", listener.local_addr()?)?;
    stdout.flush()?;

    loop {
        let served = listener.accept().and_then(|(tcp, peer)| {
            let options = Arc::clone(options);
            // Unlike `thread::spawn`, this does not panic when there are too many threads.
            thread::Builder::new().spawn(move || {
                if let Err(error) = serve(tcp, &options) {
                    eprintln!("echo_server: {peer}: {error}");
                }
            })
        });
        if let Err(error) = served {
            eprintln!("echo_server: {error}");
            // Out of sockets or threads: trying again at once would only keep the processor busy.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn serve(tcp: TcpStream, options: &Options) -> Result<(), Error> {
    // An invalid request is answered by the engine, and is an error here.
    let incoming = std_net::incoming(tcp, options.config.clone())?;
    let request = incoming.request();
    // Only browsers have to say which page connects; other clients could say anything, so silence is no worse.
    if let Some(origin) = request.origin() {
        if !options.origins.is_empty() && !options.origins.iter().any(|allowed| allowed == origin) {
            return incoming.reject(403, &[("Content-Type", "text/plain")], b"foreign origin\n");
        }
    }
    let accept = Accept::new().subprotocol(request.choose_subprotocol(&options.subprotocols));
    let mut ws = incoming.accept(&accept)?;

    while let Some(message) = ws.recv()? {
        // Unlike `send`, this does not write yet: the answers to messages that came together leave together, before
        // `recv` waits for more.
        ws.feed(message)?;
    }
    Ok(())
}
