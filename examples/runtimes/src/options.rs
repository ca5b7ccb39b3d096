//! The options of `echo_server`.

use sockless::{
    Config,
    deflate::{DeflateConfig, WindowBits},
};

pub(crate) const USAGE: &str = "\
usage: echo_server [OPTION]...
  --listen ADDR             where to listen; 127.0.0.1:9002 by default
  --runtime NAME            std (the default); tokio and smol, with the features of these names
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

pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) runtime: String,
    pub(crate) config: Config,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) origins: Vec<String>,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            listen: "127.0.0.1:9002".to_owned(),
            runtime: "std".to_owned(),
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
            "--runtime" => self.runtime = value,
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
