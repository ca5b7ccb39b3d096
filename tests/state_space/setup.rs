//! What a configuration is, and the two ends of it.

#[cfg(feature = "deflate")]
use sockless::deflate::DeflateConfig;
use sockless::{ClientRequest, Config, Delivery, Role, handshake::Negotiated};
use support::known::Opening;

use super::{
    calls::{Call, Settings},
    connect::{Begin, Connect},
    conversation::{Action, Amount},
    endpoint::Endpoint,
};

/// A configuration of both ends, and what can happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) name: &'static str,
    pub(super) client: Settings,
    pub(super) server: Settings,
    /// The conversation begins with the opening handshake.
    pub(super) handshake: bool,
    #[cfg(feature = "deflate")]
    pub(super) no_context_takeover: bool,
    pub(super) max_message_size: u64,
    /// What happens before the exploration.
    pub(super) prefix: &'static [Action],
    pub(super) calls: &'static [Call],
    pub(super) amounts: &'static [Amount],
    /// The transport can end.
    pub(super) breaks: bool,
    /// How many bytes arrive at a time at the end of each conversation.
    pub(super) piece: usize,
    pub(super) depth: usize,
}

/// An open connection with automatic replies, whose messages are delivered whole.
pub(super) const OPEN: Setup = Setup {
    name: "",
    client: AUTOMATIC,
    server: AUTOMATIC,
    handshake: false,
    #[cfg(feature = "deflate")]
    no_context_takeover: false,
    max_message_size: 1000,
    prefix: &[],
    calls: &[Call::Text, Call::Fragment, Call::LastFragment, Call::Ping, Call::Close],
    amounts: &[Amount::Byte, Amount::All],
    breaks: false,
    piece: usize::MAX,
    depth: 0,
};

pub(super) const AUTOMATIC: Settings = Settings {
    manual: false,
    chunks: false,
    divided: false,
    compressed: false,
};

pub(super) const MANUAL: Settings = Settings {
    manual: true,
    ..AUTOMATIC
};

pub(super) const CHUNKS: Settings = Settings {
    chunks: true,
    ..AUTOMATIC
};

pub(super) const MANUAL_CHUNKS: Settings = Settings { chunks: true, ..MANUAL };

#[cfg(feature = "deflate")]
pub(super) const COMPRESSED: Settings = Settings {
    compressed: true,
    ..AUTOMATIC
};

impl Setup {
    /// The two ends before anything happens.
    pub(super) fn ends(&self, connect: &dyn Connect) -> [Endpoint; 2] {
        let (client, server) = (self.config(self.client), self.config(self.server));
        if self.handshake {
            let request = ClientRequest::new("ws://h/").unwrap();
            let mut out = Vec::new();
            let client = connect.connect(Begin::Client(&request, &mut out), client);
            let server = connect.connect(Begin::Server, server);
            let mut ends = [
                Endpoint::new(Role::Client, self.client, client, Opening::Begun),
                Endpoint::new(Role::Server, self.server, server, Opening::Begun),
            ];
            ends[0].output.head = Some(out.len());
            ends[0].output.written = out;
            return ends;
        }
        let negotiated = self.negotiated();
        let client = connect.connect(Begin::Upgraded(Role::Client, &negotiated), client);
        let server = connect.connect(Begin::Upgraded(Role::Server, &negotiated), server);
        [
            Endpoint::new(Role::Client, self.client, client, Opening::Accepted),
            Endpoint::new(Role::Server, self.server, server, Opening::Accepted),
        ]
    }

    fn config(&self, settings: Settings) -> Config {
        let delivery = if settings.chunks {
            Delivery::Chunks
        } else {
            Delivery::Messages
        };
        let config = Config::new()
            .auto_pong(!settings.manual)
            .auto_close(!settings.manual)
            .delivery(delivery)
            .max_message_size(self.max_message_size)
            .fragment_size(settings.divided.then_some(std::num::NonZeroUsize::MIN));
        #[cfg(feature = "deflate")]
        let config = config.deflate(settings.compressed.then(|| {
            DeflateConfig::new()
                .threshold(0)
                .server_no_context_takeover(self.no_context_takeover)
                .client_no_context_takeover(self.no_context_takeover)
        }));
        config
    }

    fn negotiated(&self) -> Negotiated {
        #[cfg(feature = "deflate")]
        if self.client.compressed {
            return support::with_deflate(support::params(15, self.no_context_takeover));
        }
        Negotiated::default()
    }
}
