//! TLS over a blocking TCP stream, with handles for two threads.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Mutex, TryLockError},
    time::Instant,
};

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::{limit::Limit, socket::Socket};
use crate::adapter::{
    Error, lock,
    tls::{client_config, explain, failed, server_name},
};

/// How much is read from the socket at a time, in bytes: about one record.
const READ_LEN: usize = 16 << 10;

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
    received: Mutex<Records>,
    /// Locked by the thread that writes.
    sent: Mutex<Records>,
}

/// Encrypted bytes on their way: `buf` from `start` to `end`.
#[derive(Debug, Default)]
struct Records {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// The error of a write whose bytes count as written: the next call returns it, and does not
    /// wait for the socket again.
    error: Option<io::Error>,
}

impl TlsStream {
    /// Connects as a client, over a TCP stream that is connected to the server. `host` is the name
    /// or the IP address that the certificate must have; a name is sent by SNI. `limit` ends the
    /// handshake.
    ///
    /// The list for ALPN in the configuration is replaced by `http/1.1`.
    ///
    /// # Errors
    /// The handshake failed: [`Error::Tls`]. The transport failed, or the limit has passed.
    pub fn connect(
        tcp: TcpStream,
        host: &str,
        config: &Arc<ClientConfig>,
        limit: impl Into<Option<Duration>>,
    ) -> Result<Self, Error> {
        Self::connect_within(tcp, host, Some(config), &[], Limit::new(limit.into()))
    }

    /// `unread` was read from the stream.
    pub(super) fn connect_within(
        tcp: TcpStream,
        host: &str,
        config: Option<&ClientConfig>,
        unread: &[u8],
        limit: Limit,
    ) -> Result<Self, Error> {
        let failed = |error| failed(Some(host), error);
        let config = client_config(config).map_err(failed)?;
        let connection = ClientConnection::new(config, server_name(host)?).map_err(failed)?;
        Self::handshake(tcp, connection.into(), Some(host), unread, limit)
    }

    /// Accepts a client, over a TCP stream. `limit` ends the handshake.
    ///
    /// A browser that offers HTTP/2 by ALPN needs a configuration that chooses `http/1.1`.
    ///
    /// # Errors
    /// The handshake failed: [`Error::Tls`]. The transport failed, or the limit has passed.
    pub fn accept(
        tcp: TcpStream,
        config: Arc<ServerConfig>,
        limit: impl Into<Option<Duration>>,
    ) -> Result<Self, Error> {
        let connection = ServerConnection::new(config).map_err(|error| failed(None, error))?;
        Self::handshake(tcp, connection.into(), None, &[], Limit::new(limit.into()))
    }

    fn handshake(
        tcp: TcpStream,
        mut connection: rustls::Connection,
        host: Option<&str>,
        unread: &[u8],
        limit: Limit,
    ) -> Result<Self, Error> {
        let owner_timeouts = (tcp.read_timeout()?, tcp.write_timeout()?);
        let mut received = Records::default();
        received.append(unread);
        let done = shake_hands(&tcp, &mut connection, host, &mut received, limit);
        done?;
        tcp.set_read_timeout(owner_timeouts.0)?;
        tcp.set_write_timeout(owner_timeouts.1)?;
        let shared = Shared {
            connection: Mutex::new(connection),
            received: Mutex::new(received),
            sent: Mutex::default(),
        };
        Ok(Self {
            tcp,
            shared: Arc::new(shared),
        })
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
            let mut sent = match self.shared.sent.try_lock() {
                Ok(sent) => sent,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            self.send(&mut sent)?;
        }
        Ok(())
    }

    /// Sends all that is encrypted.
    fn send(&self, sent: &mut Records) -> io::Result<()> {
        loop {
            sent.send(&self.tcp)?;
            sent.take(&mut lock(&self.shared.connection))?;
            if sent.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends all that is encrypted, unless the call before this one has failed to.
    fn send_again(&self, sent: &mut Records) -> io::Result<()> {
        match sent.error.take() {
            Some(error) => Err(error),
            None => self.send(sent),
        }
    }

    /// Reads from the socket once, for at most the rest of the timeout of the call.
    fn receive(&self, received: &mut Records, call: &mut Call) -> io::Result<()> {
        call.limit(&self.tcp)?;
        let len = received.fill(&self.tcp)?;
        if len == 0 {
            // Notes the end.
            lock(&self.shared.connection).read_tls(&mut io::empty())?;
        }
        Ok(())
    }

    fn read_within(&self, buf: &mut [u8], call: &mut Call) -> io::Result<usize> {
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

/// Reads and writes until the handshake is complete.
fn shake_hands(
    mut tcp: &TcpStream,
    connection: &mut rustls::Connection,
    host: Option<&str>,
    received: &mut Records,
    limit: Limit,
) -> Result<(), Error> {
    loop {
        let processed = received.process(connection);
        // The peer gets the alert for an error.
        while connection.wants_write() {
            let mut record = Vec::new();
            connection.write_tls(&mut record)?;
            let mut rest = &record[..];
            while !rest.is_empty() {
                let written = limit.write(tcp, || (&mut tcp).write(rest));
                let len = match (&processed, written) {
                    (Ok(_), written) => written?,
                    (Err(_), Ok(len)) => len,
                    (Err(_), Err(_)) => break,
                };
                rest = rest.get(len..).unwrap_or_default();
            }
        }
        let has_processed = processed.map_err(|error| explain(host, error))?;
        if !connection.is_handshaking() {
            return Ok(());
        }
        if !has_processed && limit.read(tcp, || received.fill(tcp))? == 0 {
            return Err(explain(host, ErrorKind::UnexpectedEof.into()));
        }
    }
}

impl Records {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn bytes(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    /// Adds bytes to those that are not processed.
    fn append(&mut self, bytes: &[u8]) {
        self.buf.truncate(self.end);
        self.buf.extend_from_slice(bytes);
        self.end = self.buf.len();
    }

    /// Reads once into the empty buffer.
    fn fill(&mut self, mut tcp: &TcpStream) -> io::Result<usize> {
        self.buf.resize(READ_LEN, 0);
        let len = tcp.read(&mut self.buf)?;
        (self.start, self.end) = (0, len);
        Ok(len)
    }

    /// Decrypts some of the bytes. Returns whether there were any.
    fn process(&mut self, connection: &mut rustls::Connection) -> io::Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        let mut bytes = self.bytes();
        self.start += connection.read_tls(&mut bytes)?;
        connection
            .process_new_packets()
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(true)
    }

    /// Takes what is encrypted into the empty buffer.
    fn take(&mut self, connection: &mut rustls::Connection) -> io::Result<()> {
        self.buf.clear();
        (self.start, self.end) = (0, 0);
        while connection.wants_write() {
            self.end += connection.write_tls(&mut self.buf)?;
        }
        Ok(())
    }

    /// Writes all bytes. After an error that is not fatal, a further call continues.
    fn send(&mut self, mut tcp: &TcpStream) -> io::Result<()> {
        while !self.is_empty() {
            match tcp.write(self.bytes()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.start += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A call that reads more than once from the socket, and ends with the timeout of one read: so the
/// bytes of a record that arrive one by one do not keep it from its deadline.
struct Call {
    started: Instant,
    reads: usize,
    /// The timeout of the socket, if it is changed.
    timeout: Option<Duration>,
}

impl Call {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            reads: 0,
            timeout: None,
        }
    }

    /// Sets the timeout for the next read.
    fn limit(&mut self, tcp: &TcpStream) -> io::Result<()> {
        self.reads += 1;
        if self.reads == 1 {
            return Ok(());
        }
        let Some(timeout) = self
            .timeout
            .map_or_else(|| tcp.read_timeout(), |timeout| Ok(Some(timeout)))?
        else {
            return Ok(());
        };
        let elapsed = self.started.elapsed();
        // Each change is a system call, so the timeout may pass an eighth late.
        if elapsed > timeout / 8 {
            let left = timeout.saturating_sub(elapsed);
            if left.is_zero() {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.timeout = Some(timeout);
            tcp.set_read_timeout(Some(left))?;
        }
        Ok(())
    }

    /// Sets the timeout as it was.
    fn end(self, tcp: &TcpStream) {
        if self.timeout.is_some() {
            let _error = tcp.set_read_timeout(self.timeout);
        }
    }
}

impl Read for TlsStream {
    /// Returns 0 after the peer's `close_notify`. An end without it is `UnexpectedEof`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut call = Call::new();
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
