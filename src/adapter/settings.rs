//! What an adapter is configured with.

use crate::{Config, timers::Timeouts};

/// The settings of a connection: those of its engine, and those of its adapter.
///
/// Functions that take settings also take a [`Config`].
///
/// ```
/// use core::time::Duration;
/// use sockless::{Config, adapter::Settings, timers::Timeouts};
///
/// let settings = Settings::new()
///     .config(Config::new().max_message_size(1 << 20))
///     .timeouts(Timeouts::new().idle(Duration::from_secs(300)))
///     .high_water(256 << 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    pub(super) config: Config,
    pub(super) timeouts: Timeouts,
    pub(super) high_water: usize,
    #[cfg(feature = "recording")]
    pub(super) recorders: Option<super::recorders::Recorders>,
}

impl Settings {
    /// Returns the default settings.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            config: Config::new(),
            timeouts: Timeouts::new(),
            high_water: 64 << 10,
            #[cfg(feature = "recording")]
            recorders: None,
        }
    }

    /// Sets the limits and options of the engine.
    ///
    /// With [`Delivery::Chunks`](crate::Delivery::Chunks), receive with `recv_chunk` or
    /// `recv_event`: `recv` returns whole messages and fails.
    #[must_use]
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets how long to wait for a silent peer.
    ///
    /// In a polled connection, the time without a message counts from when the caller waits for the
    /// next one: until then, the peer may have waited for the caller.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the limit of the output, in bytes. Default 64 KiB, which keeps a fast connection busy.
    ///
    /// A polled adapter delays what appends to the output while more than this is unwritten:
    /// `feed`, `send`, `feed_prepared`, `send_prepared`, `send_fragment`, `ping`, `pong`, and the
    /// writers of messages and of streams of bytes. A single message may exceed it.
    ///
    /// A blocking adapter holds all that is fed. Before it appends a fragment, a Ping, a Pong, or
    /// what such a writer is given, to more than this, it writes the output.
    ///
    /// `recv_batch` passes no message while more than this is unwritten.
    ///
    /// Every adapter stops reading while more than this of replies, such as Pongs, is unwritten.
    #[must_use]
    pub const fn high_water(mut self, bytes: usize) -> Self {
        self.high_water = bytes;
        self
    }

    /// Records connections: `new` is called for each, and returns its recorder, or `None` for one
    /// that is not recorded. Default: none is.
    ///
    /// It has no effect on a connection of another engine, as
    /// [`Recorder::upgraded_server`](crate::recording::Recorder::upgraded_server) makes one. What
    /// the recorder writes to must not use the connection, and holds it up while it writes.
    ///
    /// ```
    /// use std::{fs::File, io::Write};
    /// use sockless::{adapter::Settings, recording::Recorder};
    ///
    /// let settings = Settings::new().record(|| {
    ///     let mut file = File::create("conversation.txt").ok()?;
    ///     // What cannot be written is missing at the end.
    ///     Some(Recorder::new(move |lines| _ = file.write_all(lines.as_bytes())))
    /// });
    /// ```
    #[cfg(feature = "recording")]
    #[cfg_attr(docsrs, doc(cfg(feature = "recording")))]
    #[must_use]
    pub fn record(mut self, new: impl Fn() -> Option<crate::recording::Recorder> + Send + Sync + 'static) -> Self {
        self.recorders = Some(super::recorders::Recorders::new(new));
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self::new().config(config)
    }
}
