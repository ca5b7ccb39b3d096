//! How long a blocking stream waits: until a deadline of ours, or as long as its owner has set.

use core::{fmt, time::Duration};
use std::{
    io::{self, ErrorKind, Read},
    net::{Shutdown, TcpStream},
    time::Instant,
};

use crate::Teardown;

/// The shortest wait, because a timeout of zero is an error.
const LEAST: Duration = Duration::from_millis(1);

/// What can be done with a stream besides reading and writing: with TCP all of it, with a stream of another kind nothing.
pub(super) struct Means<S> {
    timeouts: Option<Timeouts<S>>,
    finish: fn(&mut S, Teardown, Option<Instant>),
}

type Timeouts<S> = [Timeout<S>; 2];

/// How to ask for a timeout, and how to set it.
#[derive(Clone, Copy)]
struct Timeout<S> {
    get: fn(&S) -> io::Result<Option<Duration>>,
    set: fn(&S, Option<Duration>) -> io::Result<()>,
}

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Read,
    Write,
}

impl<S> Means<S> {
    pub(super) const NONE: Self = Self {
        timeouts: None,
        finish: |_, _, _| {},
    };

    /// For a closed connection, once its output is written; the peer has until then.
    pub(super) fn finish(&self, stream: &mut S, teardown: Teardown, until: Option<Instant>) {
        (self.finish)(stream, teardown, until);
    }
}

impl Means<TcpStream> {
    pub(super) const TCP: Self = Self {
        timeouts: Some([
            Timeout {
                get: TcpStream::read_timeout,
                set: TcpStream::set_read_timeout,
            },
            Timeout {
                get: TcpStream::write_timeout,
                set: TcpStream::set_write_timeout,
            },
        ]),
        finish: finish_tcp,
    };
}

/// The patience with one direction of a stream.
pub(super) struct Patience<S> {
    timeout: Option<Timeout<S>>,
    /// What the owner of the stream has set.
    owners: Option<Duration>,
    /// What was last set here, as the stream reports it.
    ours: Option<Option<Duration>>,
    /// Since when it has been waited for.
    since: Option<Instant>,
}

impl<S> Patience<S> {
    pub(super) fn new(means: &Means<S>, direction: Direction) -> Self {
        Self {
            timeout: means.timeouts.as_ref().map(|timeouts| {
                let [read, write] = timeouts;
                match direction {
                    Direction::Read => Timeout { ..*read },
                    Direction::Write => Timeout { ..*write },
                }
            }),
            owners: None,
            ours: None,
            since: None,
        }
    }

    /// Before a call that may block: it will return when the deadline has come, or before.
    pub(super) fn prepare(&mut self, stream: &S, now: Instant, deadline: Option<Instant>) -> io::Result<()> {
        let Some(timeout) = &self.timeout else {
            return Ok(());
        };
        if self.ours.is_none() && deadline.is_none() {
            return Ok(());
        }
        let set = (timeout.get)(stream)?;
        if self.ours != Some(set) {
            self.owners = set;
        }
        self.since.get_or_insert(now);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now).max(LEAST));
        // Deadlines mostly move away, with everything that is received. To set less than is left, and leave it as long as it
        // is about right, spares a system call each time.
        let fits = match (left, set) {
            (Some(left), Some(set)) if self.ours == Some(Some(set)) => set <= left && set >= left / 2,
            (left, set) => left == set,
        };
        if !fits || self.owners.is_some() {
            let ours = left
                .map(|left| (left - left / 8).max(LEAST))
                .into_iter()
                .chain(self.owners)
                .min();
            if set != ours {
                (timeout.set)(stream, ours)?;
            }
            self.ours = Some((timeout.get)(stream)?);
        }
        Ok(())
    }

    /// Something was read or written.
    pub(super) fn renew(&mut self) {
        self.since = None;
    }

    /// After a call that has not waited long enough for the owner of the stream: whether to try again.
    pub(super) fn lasts(&mut self, error: &io::Error, now: Instant) -> bool {
        if self.ours.is_none() || !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return false;
        }
        let waited = self
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let lasts = self.owners.is_none_or(|owners| waited < owners);
        if !lasts {
            self.since = None;
        }
        lasts
    }
}

impl<S> fmt::Debug for Means<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").finish_non_exhaustive()
    }
}

/// Closes a TCP stream in an orderly way (RFC 6455, section 7.1.1): closing it while bytes of the peer are unread would
/// send a reset, and that can destroy our last bytes before the peer has read them.
fn finish_tcp(tcp: &mut TcpStream, teardown: Teardown, until: Option<Instant>) {
    if teardown == Teardown::Close && tcp.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut sink = [0; 1024];
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A timeout of zero is an error, and the end of this.
        if tcp.set_read_timeout(left).is_err() || !matches!(tcp.read(&mut sink), Ok(1..)) {
            break;
        }
    }
    let _closed = tcp.shutdown(Shutdown::Both);
}
