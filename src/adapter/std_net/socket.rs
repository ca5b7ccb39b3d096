//! A blocking stream with timeouts.

use core::time::Duration;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
};

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
    fn set_nodelay(&self, _nodelay: bool) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for TcpStream {
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

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.set_nodelay(nodelay)
    }
}
