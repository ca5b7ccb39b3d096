//! The stream of a client: TCP, with TLS or without.

use core::time::Duration;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
};

use super::socket::Socket;
#[cfg(feature = "rustls")]
use super::tls::TlsStream;

/// The stream of a connection that [`connect`](super::connect()) has opened: TCP for a `ws` URL,
/// and TLS over TCP for a `wss` URL, with the feature `rustls`.
#[derive(Debug)]
#[non_exhaustive]
pub enum MaybeTlsStream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    Tls(TlsStream),
}

impl MaybeTlsStream {
    /// Returns the TCP stream, for its options and addresses.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for MaybeTlsStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buf),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for MaybeTlsStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(data),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl Socket for MaybeTlsStream {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.get_ref().read_timeout()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.get_ref().set_read_timeout(timeout)
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.get_ref().write_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.get_ref().set_write_timeout(timeout)
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Plain(tcp) => tcp.try_clone().map(Self::Plain),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.try_clone().map(Self::Tls),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.shutdown(how),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.shutdown(how),
        }
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.get_ref().set_nodelay(nodelay)
    }
}
