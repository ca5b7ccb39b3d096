//! Blocking connections over anything that reads and writes, `std::net::TcpStream` first of all.
//!
//! ```no_run
//! use sockless::adapter::{Message, std_net};
//!
//! let mut ws = std_net::connect("ws://127.0.0.1:9001/")?;
//! ws.send("hello")?;
//! while let Some(message) = ws.recv()? {
//!     println!("{message:?}");
//!     ws.close(sockless::CloseCode::NORMAL, "")?;
//! }
//! # Ok::<(), sockless::adapter::Error>(())
//! ```

mod incoming;
mod split;

use alloc::vec::Vec;
use core::{fmt, time::Duration};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Instant,
};

pub use self::{
    incoming::Incoming,
    split::{Reader, Writer},
};
use super::{AsMessage, Error, Input, Message, MessageRef, Output, is_fatal};
use crate::{
    Accept, ClientRequest, CloseCode, Closure, Config, Connection, Delivery, Event, Response, SendError, State,
    Teardown,
};

/// How long a closed connection waits for the peer to close its side too.
const LINGER: Duration = Duration::from_secs(2);

/// What to do with a stream whose connection is closed.
type Finish<S> = fn(&mut S, Teardown);

/// Connects to a `ws` URL over TCP, without Nagle's algorithm.
///
/// For `wss`, headers or subprotocols, see [`WebSocket::client`].
///
/// # Errors
/// The URL is invalid, the transport fails, the server breaks the protocol or [refuses](Error::Refused).
pub fn connect(url: &str) -> Result<WebSocket<TcpStream>, Error> {
    let (ws, _response) = connect_with(&ClientRequest::new(url)?, Config::default())?;
    Ok(ws)
}

/// Connects over TCP with a request and a configuration of one's own; also returns the server's response.
///
/// # Errors
/// As [`connect`]; and `wss` is unsupported here, because TLS is another stream: see [`WebSocket::client`].
pub fn connect_with(
    request: &ClientRequest,
    config: Config,
) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    if request.is_secure() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "wss needs a TLS stream").into());
    }
    client(TcpStream::connect((request.host(), request.port()))?, request, config)
}

/// Opens a connection over a TCP stream that is connected already, with timeouts of one's own for example, without Nagle's
/// algorithm.
///
/// # Errors
/// The request cannot be sent, the transport fails, the server breaks the protocol or [refuses](Error::Refused).
pub fn client(
    tcp: TcpStream,
    request: &ClientRequest,
    config: Config,
) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    tcp.set_nodelay(true)?;
    WebSocket::open(tcp, request, config, finish_tcp)
}

/// Accepts a WebSocket on a TCP stream, whatever the client asks for, without Nagle's algorithm.
///
/// Whatever page it comes from, too: a server that browsers reach, and that trusts their cookies or their place in the
/// network, takes [`incoming`](fn@incoming) and checks [`Request::is_same_origin`](crate::Request::is_same_origin).
///
/// # Errors
/// The transport fails, or the request is invalid and was answered so.
pub fn accept(tcp: TcpStream) -> Result<WebSocket<TcpStream>, Error> {
    incoming(tcp, Config::default())?.accept(&Accept::new())
}

/// Reads the opening handshake from a TCP stream, without Nagle's algorithm, and leaves the decision to the caller.
///
/// # Errors
/// The transport fails, or the request is invalid and was answered so.
pub fn incoming(tcp: TcpStream, config: Config) -> Result<Incoming<TcpStream>, Error> {
    tcp.set_nodelay(true)?;
    Incoming::read(WebSocket::waiting(tcp, config, finish_tcp))
}

/// A blocking WebSocket over any stream.
///
/// It delivers whole messages ([`Delivery::Chunks`] is for those who drive [`Connection`] themselves) and answers
/// pings and the closing handshake while it [receives](Self::recv). With manual replies, take
/// [`recv_event`](Self::recv_event).
///
/// When a connection over TCP has ended, the call that reports it closes the stream in an orderly way, which may take it up
/// to two seconds.
pub struct WebSocket<S> {
    stream: S,
    engine: Connection,
    input: Input,
    output: Output,
    /// An event whose replies are not written yet.
    event: Option<Event<'static>>,
    finish: Finish<S>,
    finished: bool,
}

impl<S: Read + Write> WebSocket<S> {
    /// Opens a connection as a client over a stream that is connected already: TCP, or TLS for `wss`.
    ///
    /// # Errors
    /// The request cannot be sent, the transport fails, the server breaks the protocol or [refuses](Error::Refused).
    pub fn client(stream: S, request: &ClientRequest, config: Config) -> Result<(Self, Response<'static>), Error> {
        Self::open(stream, request, config, |_, _| {})
    }

    fn open(
        stream: S,
        request: &ClientRequest,
        config: Config,
        finish: Finish<S>,
    ) -> Result<(Self, Response<'static>), Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut output = Output::default();
        let engine = Connection::client(request, messages(config), seed, &mut output.buf)?;
        let mut ws = Self::new(stream, engine, output, finish);
        loop {
            match ws.recv_event()? {
                Some(Event::Open(response)) => return Ok((ws, response)),
                Some(Event::Refused(refusal)) => return Err(Error::Refused(refusal)),
                Some(_) => {}
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            }
        }
    }

    /// Goes on with a connection whose handshake is done.
    #[must_use]
    pub fn upgraded(stream: S, engine: Connection) -> Self {
        Self::new(stream, engine, Output::default(), |_, _| {})
    }

    /// A server that waits for a request.
    fn waiting(stream: S, config: Config, finish: Finish<S>) -> Self {
        let engine = Connection::server(messages(config));
        Self::new(stream, engine, Output::default(), finish)
    }

    fn new(stream: S, engine: Connection, output: Output, finish: Finish<S>) -> Self {
        Self {
            stream,
            engine,
            input: Input::new(),
            output,
            event: None,
            finish,
            finished: false,
        }
    }

    /// Waits for the next message. `None`: the connection was closed in an orderly way; [`closure`](Self::closure)
    /// says how.
    ///
    /// What [`feed`](Self::feed) left in the output is written before it blocks.
    ///
    /// # Errors
    /// The transport failed, or ended without a closing handshake, or the peer broke the protocol.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.recv_event()? {
                None => return Ok(None),
                Some(Event::Text(text)) => return Ok(Some(Message::Text(text.into_owned()))),
                Some(Event::Binary(data)) => return Ok(Some(Message::Binary(data.into_owned()))),
                Some(_) => {}
            }
        }
    }

    /// Waits for the next event of any kind: as [`recv`](Self::recv), but Ping, Pong and Close are reported too.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        loop {
            if self.event.is_some() {
                // If this fails, the event is there when the caller comes back.
                self.output.flush_to_read(&mut self.stream)?;
                return Ok(self.event.take());
            }
            let pending = self.output.buf.len();
            match self.input.receive(&mut self.engine, &mut self.output.buf) {
                // A reply does not wait until the caller comes back; what was fed does.
                Ok(Some(event)) if self.output.buf.len() > pending => {
                    self.event = Some(event);
                    continue;
                }
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) => {
                    // The peer may not read any more what it did wrong.
                    let _written = self.flush();
                    self.finish();
                    return Err(error.into());
                }
            }
            self.output.flush_to_read(&mut self.stream)?;
            if self.engine.state() == State::Closed {
                self.finish();
                return Ok(self.engine.receive_eof()?);
            }
            match self.input.fill(&mut self.stream) {
                Ok(0) => {
                    if let Some(event) = self.engine.receive_eof()? {
                        return Ok(Some(event));
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    if is_fatal(&error) {
                        // The engine learns of it; what is reported is the cause.
                        let _lost = self.engine.receive_eof();
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// Sends a message and waits until it is written.
    ///
    /// # Errors
    /// The transport failed, or the connection is closing. After a timeout the message is in the output, perhaps half of it
    /// written: [`flush`](Self::flush) goes on, another `send` would send it twice.
    pub fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.feed(message)?;
        Ok(self.flush()?)
    }

    /// Puts a message into the output. It is written with the next [`flush`](Self::flush) or [`send`](Self::send), or
    /// before [`recv`](Self::recv) blocks: so a server that answers many messages of one read writes once.
    ///
    /// # Errors
    /// The connection is closing.
    pub fn feed(&mut self, message: impl AsMessage) -> Result<(), SendError> {
        feed(&mut self.engine, message.as_message(), &mut self.output.buf)
    }

    /// Writes what is in the output.
    ///
    /// # Errors
    /// The transport failed. A further call goes on where this one stopped.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush(&mut self.stream)
    }

    /// Sends a Ping with at most 125 bytes.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or the payload is too long.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.engine.ping(payload, &mut self.output.buf)?;
        Ok(self.flush()?)
    }

    /// Sends a Pong with at most 125 bytes, unsolicited or, with manual replies, as an answer.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.engine.pong(payload, &mut self.output.buf)?;
        Ok(self.flush()?)
    }

    /// Begins the closing handshake. Go on with [`recv`](Self::recv) until it returns `None`.
    ///
    /// # Errors
    /// The transport failed, the connection is closing already, or the code or reason may not be sent.
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.engine.close(code, reason, &mut self.output.buf)?;
        Ok(self.flush()?)
    }

    /// How the connection was closed, or is being closed.
    #[must_use]
    pub fn closure(&self) -> Option<&Closure> {
        self.engine.closure()
    }

    /// The engine and the output, for everything that has no method here. The output is written with the next call.
    pub const fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        (&mut self.engine, &mut self.output.buf)
    }

    /// The stream.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream, and what was read from it and not processed, as
    /// [`Parts::unread`](crate::Parts::unread) has it. Output that is not written is lost: [`flush`](Self::flush) first.
    #[must_use]
    pub fn into_parts(self) -> (S, Vec<u8>) {
        let mut unread = self.engine.into_parts().unread;
        unread.extend_from_slice(self.input.buf.get(self.input.start..self.input.end).unwrap_or_default());
        (self.stream, unread)
    }

    fn finish(&mut self) {
        if let (false, Some(teardown)) = (self.finished, self.engine.teardown()) {
            self.finished = true;
            (self.finish)(&mut self.stream, teardown);
        }
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

fn feed(engine: &mut Connection, message: MessageRef<'_>, out: &mut Vec<u8>) -> Result<(), SendError> {
    match message {
        MessageRef::Text(text) => engine.send_text(text, out),
        MessageRef::Binary(data) => engine.send_binary(data, out),
    }
}

fn messages(mut config: Config) -> Config {
    config.delivery = Delivery::Messages;
    config
}

/// Closes a TCP stream in an orderly way (RFC 6455, section 7.1.1): closing it while bytes of the peer are unread would
/// send a reset, and that can destroy our last bytes before the peer has read them.
fn finish_tcp(tcp: &mut TcpStream, teardown: Teardown) {
    let deadline = Instant::now() + LINGER;
    if teardown == Teardown::Close && tcp.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut sink = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // A timeout of zero is an error, and the end of this.
        if tcp.set_read_timeout(Some(left)).is_err() || !matches!(tcp.read(&mut sink), Ok(1..)) {
            break;
        }
    }
    let _closed = tcp.shutdown(Shutdown::Both);
}
