//! Writes what happens to a connection as lines of text.

mod call;
pub(crate) mod config;
mod event;
mod line;
mod unread_input;

use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use core::{
    fmt::{self, Display},
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

pub(crate) use self::{
    call::{Call, fin_word},
    line::kind_name,
};
use self::{
    line::Lines,
    unread_input::{MAX_SPARE, UnreadInput},
};
use crate::{
    config::Config,
    event::Event,
    handshake::{ClientRequest, Negotiated},
};

/// The first line of a recording.
pub(crate) const FIRST_LINE: &str = "sockless recording 1";

/// The last line of a recording that has reached its limit.
pub(crate) const TRUNCATED: &str = "truncated";

type WriteLines = Box<dyn FnMut(&str) + Send + Sync>;
type Clock = Box<dyn FnMut() -> Duration + Send + Sync>;

/// Records a connection: every call with its arguments, every event, every error, and the output,
/// as lines of text.
///
/// It makes the connection, and is part of it from then on. The format is in `docs/RECORDING.md`;
/// [`Recording`](crate::recording::Recording) reads it.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use sockless::{Config, handshake::Negotiated, recording::{Recorder, Recording}};
///
/// let text = Arc::new(Mutex::new(String::new()));
/// let file = text.clone(); // here in memory
/// let recorder = Recorder::new(move |lines| file.lock().unwrap().push_str(lines));
///
/// let mut server = recorder.upgraded_server(&Negotiated::default(), Config::default());
/// let (mut bytes, mut out) = (*b"\x81\x85\0\0\0\0hello", Vec::new());
/// while let Some(_event) = server.receive(&mut &mut bytes[..], &mut out)? {
///     server.send_text("hello yourself", &mut out)?;
///     # break;
/// }
///
/// let text = text.lock().unwrap();
/// let recording = Recording::parse(&text)?;
/// recording.replay()?;
/// println!("{}", recording.conversation());
/// # assert_eq!(recording.conversation().to_string().lines().count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **What it costs.** Each call copies its data into lines, which take up to four times as many
/// bytes, and passes them to the `write` of [`new`](Self::new). The recorder keeps at most 16 KiB
/// of that, and a copy of the input that the connection has left in the caller's buffer. A
/// connection without a recorder tests a pointer when it sends, in at most eight instructions, and
/// nothing if the feature `recording` is off.
///
/// **Secrets.** A recording has everything: payload, cookies, credentials, the seed. With
/// [`redact`](Self::redact) it has none of them.
pub struct Recorder {
    /// `None` keeps the lines until [`take_text`](Self::take_text).
    write: Option<WriteLines>,
    clock: Option<Clock>,
    is_redacted: bool,
    limit: u64,
    /// The lines that were not passed to `write` yet.
    text: String,
    /// How many bytes were passed to `write`.
    written: u64,
    last_at: Option<Duration>,
    /// A copy of the input that the connection has not consumed.
    pub(crate) unread: UnreadInput,
    /// The settings of the connection that can be changed at any time, as the last line found them.
    settings: Settings,
}

/// The settings that calls change which have no other effect.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) max_message_size: u64,
    pub(crate) compression: bool,
}

pub(crate) enum Constructor<'a> {
    Server,
    Client {
        request: &'a ClientRequest,
        seed: &'a [u8; 32],
    },
    UpgradedServer(&'a Negotiated),
    UpgradedClient {
        negotiated: &'a Negotiated,
        seed: &'a [u8; 32],
    },
}

/// What a call has done.
#[derive(Default)]
pub(crate) struct Outcome<'a> {
    pub(crate) out: &'a [u8],
    /// What the caller writes after the output, from where it is.
    pub(crate) borrowed: &'a [u8],
    pub(crate) event: Option<&'a Event<'a>>,
    pub(crate) error: Option<&'a dyn Display>,
}

impl Outcome<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty() && self.borrowed.is_empty() && self.event.is_none() && self.error.is_none()
    }
}

impl Recorder {
    /// The default of [`limit`](Self::limit): 64 MiB.
    pub const DEFAULT_LIMIT: u64 = 64 << 20;

    /// Returns a recorder that passes its lines to `write`: after each call of the connection, its
    /// constructor included, the complete lines of that call, each once. `write` handles its own
    /// errors, and must not use the connection.
    ///
    /// With the feature `std`, the recording has the time of each call, by the system's clock.
    /// Without it, the recording has no times unless [`clock`](Self::clock) is set.
    pub fn new(write: impl FnMut(&str) + Send + Sync + 'static) -> Self {
        Self {
            write: Some(Box::new(write)),
            #[cfg(feature = "std")]
            clock: Some(system_clock()),
            limit: Self::DEFAULT_LIMIT,
            ..Self::in_memory()
        }
    }

    /// Returns a recorder without a clock that keeps what it writes.
    pub(crate) fn in_memory() -> Self {
        Self {
            write: None,
            clock: None,
            is_redacted: false,
            limit: u64::MAX,
            text: String::new(),
            written: 0,
            last_at: None,
            unread: UnreadInput::default(),
            settings: Settings::default(),
        }
    }

    /// Sets the clock: `now` returns the time since the Unix epoch, or since any other instant. A
    /// recording has it in microseconds.
    #[must_use]
    pub fn clock(mut self, now: impl FnMut() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(now));
        self
    }

    /// Sets whether a recording has the length of what may be secret in place of it: of the bytes
    /// in and out, of payload and close reasons, of the seed, of paths and queries, of
    /// subprotocols, and of header fields except those that the handshake needs, such as `Host` and
    /// `Origin`. The text of an error has `"..."` in place of what it quotes. Default: false.
    ///
    /// Such a recording can be read and exported to HAR. It cannot be replayed, and not exported to
    /// pcap: it does not have the bytes. Names of hosts, extensions, status and close codes are in
    /// it, and the length and the time of each message.
    #[must_use]
    pub const fn redact(mut self, enabled: bool) -> Self {
        self.is_redacted = enabled;
        self
    }

    /// Sets how long a recording may become, in bytes of text. The call that would exceed it is
    /// replaced by a line that says so, and nothing is recorded after it. Default: 64 MiB.
    #[must_use]
    pub const fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Writes the call of the constructor. Returns whether the recording is within its limit.
    pub(crate) fn constructor(
        &mut self,
        constructor: &Constructor<'_>,
        config: &Config,
        out: &[u8],
        now: Settings,
    ) -> bool {
        self.lines().line(FIRST_LINE);
        self.write_time();
        let mut lines = self.lines();
        call::write_config(config, &mut lines);
        match constructor {
            Constructor::Server => _ = lines.line("server"),
            Constructor::Client { request, seed } => {
                call::write_choices(&request.choices(), &mut lines);
                lines.line("with seed").secret(seed);
                lines.line("client");
            }
            Constructor::UpgradedServer(negotiated) => {
                write_negotiated(negotiated, &mut lines);
                lines.line("upgraded_server");
            }
            Constructor::UpgradedClient { negotiated, seed } => {
                write_negotiated(negotiated, &mut lines);
                lines.line("with seed").secret(seed);
                lines.line("upgraded_client");
            }
        }
        let outcome = Outcome {
            out,
            ..Outcome::default()
        };
        self.finish(&outcome, now)
    }

    /// Writes a call; `before` are the settings before it, and `after` those after it. Returns
    /// whether the recording is within its limit.
    pub(crate) fn call(&mut self, call: &Call<'_>, outcome: &Outcome<'_>, before: Settings, after: Settings) -> bool {
        self.write_time();
        self.write_settings(before);
        call.write(&mut self.lines());
        self.finish(outcome, after)
    }

    fn lines(&mut self) -> Lines<'_> {
        Lines {
            text: &mut self.text,
            is_redacted: self.is_redacted,
        }
    }

    fn write_time(&mut self) {
        let Some(clock) = &mut self.clock else { return };
        let now = Duration::from_micros(clock().as_micros().try_into().unwrap_or(u64::MAX));
        if self.last_at != Some(now) {
            self.last_at = Some(now);
            let (seconds, micros) = (now.as_secs(), now.subsec_micros());
            self.lines().line("at").word(format_args!("{seconds}.{micros:06}"));
        }
    }

    fn write_settings(&mut self, now: Settings) {
        let last = self.settings;
        let mut lines = self.lines();
        if now.max_message_size != last.max_message_size {
            lines.line("set max_message_size").word(now.max_message_size);
        }
        if now.compression != last.compression {
            lines.line("set compression").word(u8::from(now.compression));
        }
    }

    fn finish(&mut self, outcome: &Outcome<'_>, after: Settings) -> bool {
        let mut lines = self.lines();
        if !outcome.out.is_empty() {
            lines.line("out").secret(outcome.out);
        }
        if !outcome.borrowed.is_empty() {
            lines.line("borrowed").secret(outcome.borrowed);
        }
        if let Some(event) = outcome.event {
            event::write(event, &mut lines);
        }
        if let Some(error) = outcome.error {
            lines.line("error").error(&error.to_string());
        }
        lines.end();
        self.settings = after;
        self.pass_lines()
    }

    /// Returns the lines that were kept.
    pub(crate) fn take_text(&mut self) -> String {
        core::mem::take(&mut self.text)
    }

    /// Passes the lines to `write`. Returns whether the recording is within its limit.
    fn pass_lines(&mut self) -> bool {
        let Some(write) = &mut self.write else { return true };
        let written = self.written.saturating_add(self.text.len() as u64);
        let is_within_limit = written <= self.limit;
        if !is_within_limit {
            self.text.clear();
            if self.written == 0 {
                self.text.push_str(FIRST_LINE);
                self.text.push('\n');
            }
            self.text.push_str(TRUNCATED);
            self.text.push('\n');
        }
        self.written = written;
        write(&self.text);
        self.text.clear();
        self.text.shrink_to(MAX_SPARE);
        is_within_limit
    }
}

fn write_negotiated(negotiated: &Negotiated, lines: &mut Lines<'_>) {
    if let Some(subprotocol) = &negotiated.subprotocol {
        lines.line("with subprotocol").secret(subprotocol.as_bytes());
    }
    if !negotiated.reserved.is_empty() {
        lines.line("with reserved").bits(negotiated.reserved);
    }
    #[cfg(feature = "deflate")]
    if let Some(params) = negotiated.deflate {
        lines
            .line("with deflate")
            .word(params.server_max_window_bits.get())
            .word(params.client_max_window_bits.get())
            .word(u8::from(params.server_no_context_takeover))
            .word(u8::from(params.client_no_context_takeover));
    }
}

/// The time since the Unix epoch when the recorder was made, and the time since then.
#[cfg(feature = "std")]
fn system_clock() -> Clock {
    use std::time::{Instant, SystemTime};

    let (start, epoch) = (Instant::now(), SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
    Box::new(move || epoch + start.elapsed())
}

/// If what it calls panics, the connection goes on without it.
impl UnwindSafe for Recorder {}
impl RefUnwindSafe for Recorder {}

/// Shows nothing of what was recorded.
impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("redact", &self.is_redacted)
            .field("limit", &self.limit)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
