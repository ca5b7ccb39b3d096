//! A blocking stream with timeouts: what a connection can do with it besides reading and writing.

use core::time::Duration;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Instant,
};

use crate::Teardown;

/// A blocking stream whose timeouts can be set, that has handles for two threads, and that can be
/// closed: what the functions of this module need, such as [`client`](super::client) and
/// [`incoming`](fn@super::incoming), besides reading and writing.
///
/// Each function has the contract of its namesake in [`TcpStream`]. Over a stream that has no such
/// functions, use [`WebSocket::client`](super::WebSocket::client) and
/// [`Incoming::new`](super::Incoming::new): deadlines are then checked when a read or a write
/// returns.
pub trait Socket: Read + Write + Sized {
    /// Returns the timeout for reading.
    ///
    /// # Errors
    /// The system has failed.
    fn read_timeout(&self) -> io::Result<Option<Duration>>;

    /// Sets the timeout for reading: a read fails with `WouldBlock` or `TimedOut` after it. It is
    /// that of all handles.
    ///
    /// # Errors
    /// The timeout is zero, or the system has failed.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns the timeout for writing.
    ///
    /// # Errors
    /// The system has failed.
    fn write_timeout(&self) -> io::Result<Option<Duration>>;

    /// Sets the timeout for writing, which also applies to flushing. It is that of all handles.
    ///
    /// # Errors
    /// The timeout is zero, or the system has failed.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns another handle of the stream: one thread reads from the one, another thread writes
    /// to the other, and neither waits for the other.
    ///
    /// # Errors
    /// The system has failed.
    fn try_clone(&self) -> io::Result<Self>;

    /// Closes the sending side, or both.
    ///
    /// # Errors
    /// The stream is not connected, or the system has failed.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Sets whether small writes are sent at once. A stream for which that has no meaning does
    /// nothing.
    ///
    /// # Errors
    /// The system has failed.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let _ = nodelay;
        Ok(())
    }
}

/// Implements [`Socket`] with the functions of the stream that have the same names.
macro_rules! socket {
    ($(#[$attribute:meta])* $stream:ty { $($own:item)* }) => {
        $(#[$attribute])*
        impl Socket for $stream {
            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.read_timeout()
            }

            fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(timeout)
            }

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.write_timeout()
            }

            fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_write_timeout(timeout)
            }

            fn try_clone(&self) -> io::Result<Self> {
                self.try_clone()
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.shutdown(how)
            }

            $($own)*
        }
    };
}

socket!(TcpStream {
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.set_nodelay(nodelay)
    }
});

socket!(
    #[cfg(unix)]
    #[cfg_attr(docsrs, doc(cfg(unix)))]
    UnixStream {}
);

/// The shortest timeout that is set: sockets refuse a timeout of zero.
pub(super) const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// The functions of a stream besides reading and writing.
pub(super) struct SocketHooks<S> {
    pub(super) read_timeout: TimeoutOption<S>,
    pub(super) write_timeout: TimeoutOption<S>,
    /// Closes the stream of a closed connection. Waits for the peer until the deadline at most.
    pub(super) teardown: fn(&mut S, Teardown, Option<Instant>),
}

/// How to get and to set one of the timeouts of a stream.
#[derive(Clone, Copy)]
pub(super) struct TimeoutOption<S> {
    pub(super) get: fn(&S) -> io::Result<Option<Duration>>,
    pub(super) set: fn(&S, Option<Duration>) -> io::Result<()>,
}

impl<S: Socket> SocketHooks<S> {
    pub(super) fn of() -> Self {
        Self {
            read_timeout: TimeoutOption {
                get: S::read_timeout,
                set: S::set_read_timeout,
            },
            write_timeout: TimeoutOption {
                get: S::write_timeout,
                set: S::set_write_timeout,
            },
            teardown,
        }
    }
}

/// Returns whether a timeout of the stream has passed, or the stream is in non-blocking mode.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Closes a stream in an orderly way (RFC 6455, section 7.1.1). Closing a socket with unread bytes
/// sends a reset, which can destroy the Close frame on its way to the peer.
fn teardown<S: Socket>(stream: &mut S, teardown: Teardown, deadline: Option<Instant>) {
    let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    // TLS has something to write at its end. A timeout of zero is an error.
    let _error = stream.set_write_timeout(left().map(|left| left.max(MIN_TIMEOUT)));
    if teardown == Teardown::Close && stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut sink = [0; 1024];
    loop {
        // A timeout of zero is an error and ends the loop.
        if stream.set_read_timeout(left()).is_err() {
            break;
        }
        match stream.read(&mut sink) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let _closed = stream.shutdown(Shutdown::Both);
}
