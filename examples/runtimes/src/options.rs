//! The command line of `echo_server`.

use std::num::NonZeroUsize;

use sockless::{
    Config,
    adapter::Settings,
    deflate::{DeflateConfig, WindowBits},
};

pub(crate) const USAGE: &str = "\
usage: echo_server [OPTION]...
  --listen ADDR             address to listen on; default 127.0.0.1:9002
  --runtime NAME            std (default), tokio or smol; tokio and smol need the feature of that name
  --max-message-size BYTES  largest message to receive; a larger one fails the connection
  --fragment BYTES          largest payload of a frame to send; default: one frame for each message
  --deflate                 accept permessage-deflate; implied by the following options
  --server-window-bits N    compress with a window of at most 2^N bytes; 8 to 15, default 15
  --client-window-bits N    demand such a window of clients; 8 to 15, default 15
  --server-no-context-takeover, --client-no-context-takeover
                            the server, or the client, starts each message with an empty window
  --deflate-threshold BYTES smallest message to compress
  --low-memory              compress in little memory, with a window of at most 2^12 bytes
  --subprotocol NAME        subprotocol to accept; repeatable, the preferred one first
  --origin ORIGIN           origin that may connect; repeatable, default: any origin
  --record FOLDER           records each connection in a file of this folder; needs the feature recording";

pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) runtime: String,
    pub(crate) settings: Settings,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) origins: Vec<&'static str>,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let (mut listen, mut runtime) = ("127.0.0.1:9002".to_owned(), "std".to_owned());
        let (mut config, mut deflate) = (Config::new(), None::<DeflateConfig>);
        let (mut subprotocols, mut origins) = (Vec::new(), Vec::new());
        #[cfg_attr(not(feature = "recording"), allow(unused_mut, reason = "no option changes it"))]
        let mut settings = Settings::new();
        while let Some(name) = args.next() {
            match name.as_str() {
                "--listen" => listen = args.next()?,
                "--runtime" => runtime = args.next()?,
                "--max-message-size" => config = config.max_message_size(args.next()?.parse().ok()?),
                "--fragment" => config = config.fragment_size(args.next()?.parse::<NonZeroUsize>().ok()?),
                "--subprotocol" => subprotocols.push(args.next()?),
                #[cfg(feature = "recording")]
                "--record" => settings = record(settings, args.next()?.into()),
                "--origin" => origins.push(&*args.next()?.leak()),
                _ => deflate = Some(deflate_option(deflate.unwrap_or_default(), &name, &mut args)?),
            }
        }
        Some(Self {
            listen,
            runtime,
            settings: settings.config(config.deflate(deflate)),
            subprotocols,
            origins,
        })
    }
}

/// Records each connection in a file, with a number as its name.
#[cfg(feature = "recording")]
fn record(settings: Settings, folder: std::path::PathBuf) -> Settings {
    use std::{
        fs::File,
        io::Write,
        sync::atomic::{AtomicU32, Ordering},
    };

    let number = AtomicU32::new(1);
    settings.record(move || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let mut file = File::create(folder.join(format!("{number}.txt"))).ok()?;
        // What cannot be written is missing at the end.
        Some(sockless::recording::Recorder::new(move |lines| {
            _ = file.write_all(lines.as_bytes())
        }))
    })
}

fn deflate_option(
    deflate: DeflateConfig,
    name: &str,
    args: &mut impl Iterator<Item = String>,
) -> Option<DeflateConfig> {
    Some(match name {
        "--deflate" => deflate,
        "--server-no-context-takeover" => deflate.server_no_context_takeover(true),
        "--client-no-context-takeover" => deflate.client_no_context_takeover(true),
        "--server-window-bits" => deflate.server_max_window_bits(WindowBits::new(args.next()?.parse().ok()?)?),
        "--client-window-bits" => deflate.client_max_window_bits(WindowBits::new(args.next()?.parse().ok()?)?),
        "--low-memory" => deflate.low_memory(true),
        "--deflate-threshold" => deflate.threshold(args.next()?.parse().ok()?),
        _ => return None,
    })
}
