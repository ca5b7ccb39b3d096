//! TLS over a blocking TCP stream, with handles for two threads.

mod handshake;
mod read_call;
mod records;

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Mutex,
};

use self::{
    read_call::ReadCall,
    records::{Received, Sent},
};
use super::socket::Socket;
use crate::adapter::{lock, try_lock};

/// How much is encrypted at a time, in bytes: one record. So a write that is slow returns now and
/// then.
const WRITE_LEN: usize = 16 << 10;

/// TLS over TCP, of a client or of a server.
///
/// It can be read in one thread and written in another, over two [handles](Socket::try_clone), as a
/// `TcpStream` can: while one thread waits for the socket, nothing is locked that the other one
/// needs.
///
/// ```no_run
/// use std::{net::TcpListener, sync::Arc, time::Duration};
/// use sockless::adapter::{Error, std_net::{self, TlsStream}};
///
/// /// Serves one client over TLS.
/// fn serve(listener: &TcpListener, config: Arc<rustls::ServerConfig>) -> Result<(), Error> {
///     let (tcp, _) = listener.accept()?;
///     let mut ws = std_net::accept(TlsStream::accept(tcp, config, Duration::from_secs(10))?)?;
///     while let Some(message) = ws.recv()? {
///         ws.send(message)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TlsStream {
    tcp: TcpStream,
    shared: Arc<Shared>,
}

/// What the handles share.
#[derive(Debug)]
struct Shared {
    /// Never locked while the socket is waited for. The others are locked before it and not after.
    connection: Mutex<rustls::Connection>,
    /// Locked by the thread that reads.
    received: Mutex<Received>,
    /// Locked by the thread that writes.
    sent: Mutex<Sent>,
}

impl TlsStream {
    fn new(tcp: TcpStream, connection: rustls::Connection, received: Received) -> Self {
        let shared = Shared {
            connection: Mutex::new(connection),
            received: Mutex::new(received),
            sent: Mutex::default(),
        };
        Self {
            tcp,
            shared: Arc::new(shared),
        }
    }

    /// Returns the TCP stream, for its options and addresses. Bytes that are written to it directly
    /// break the connection.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        &self.tcp
    }

    /// Calls a function with the connection of `rustls`: for the certificates of the peer, the
    /// version and the cipher suite. Other threads wait meanwhile.
    pub fn with_connection<V>(&self, call: impl FnOnce(&rustls::Connection) -> V) -> V {
        call(&lock(&self.shared.connection))
    }

    /// Sends what is encrypted, unless another thread is sending: that one looks for more at the
    /// end.
    ///
    /// So a thread that reads never waits for the peer to take what another thread writes.
    fn send_replies(&self) -> io::Result<()> {
        while self.with_connection(|connection| connection.wants_write()) {
            let Some(mut sent) = try_lock(&self.shared.sent) else {
                return Ok(());
            };
            self.send(&mut sent)?;
        }
        Ok(())
    }

    /// Sends all that is encrypted.
    fn send(&self, sent: &mut Sent) -> io::Result<()> {
        loop {
            sent.write(&self.tcp)?;
            if !sent.take(&mut lock(&self.shared.connection))? {
                return Ok(());
            }
        }
    }

    /// Sends all that is encrypted, unless the call before this one has failed to.
    fn send_again(&self, sent: &mut Sent) -> io::Result<()> {
        match sent.error.take() {
            Some(error) => Err(error),
            None => self.send(sent),
        }
    }

    /// Reads from the socket once, for at most the rest of the timeout of the call.
    fn receive(&self, received: &mut Received, call: &mut ReadCall) -> io::Result<()> {
        call.limit(&self.tcp)?;
        let len = received.fill(&self.tcp)?;
        if len == 0 {
            // Notes the end.
            lock(&self.shared.connection).read_tls(&mut io::empty())?;
        }
        Ok(())
    }

    fn read_within(&self, buf: &mut [u8], call: &mut ReadCall) -> io::Result<usize> {
        let mut received = lock(&self.shared.received);
        loop {
            let mut connection = lock(&self.shared.connection);
            match connection.reader().read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            let processed = received.process(&mut connection);
            drop(connection);
            // An alert. If it cannot be sent, what was received is still to be read.
            let _later = self.send_replies();
            if !processed? {
                self.receive(&mut received, call)?;
            }
        }
    }
}

impl Read for TlsStream {
    /// Returns 0 after the peer's `close_notify`. An end without it is `UnexpectedEof`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut call = ReadCall::default();
        let read = self.read_within(buf, &mut call);
        call.end(&self.tcp);
        read
    }
}

impl Write for TlsStream {
    /// Encrypts up to 16 KiB. If the socket takes them only in part before its timeout, the next
    /// call writes the rest first.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = data.get(..WRITE_LEN).unwrap_or(data);
        let mut sent = lock(&self.shared.sent);
        self.send_again(&mut sent)?;
        let len = lock(&self.shared.connection).writer().write(data)?;
        match self.send(&mut sent) {
            Ok(()) => {
                drop(sent);
                let _later = self.send_replies();
            }
            Err(error) => sent.error = Some(error),
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut sent = lock(&self.shared.sent);
        self.send_again(&mut sent)?;
        drop(sent);
        self.send_replies()
    }
}

impl Socket for TlsStream {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.tcp.read_timeout()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_read_timeout(timeout)
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.tcp.write_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_write_timeout(timeout)
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            tcp: self.tcp.try_clone()?,
            shared: Arc::clone(&self.shared),
        })
    }

    /// Sends `close_notify` before the sending side is closed (RFC 8446, section 6.1), unless
    /// another thread is writing.
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            lock(&self.shared.connection).send_close_notify();
            let _tried = self.send_replies();
        }
        self.tcp.shutdown(how)
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.tcp.set_nodelay(nodelay)
    }
}
