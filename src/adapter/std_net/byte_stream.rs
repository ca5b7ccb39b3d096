//! Binary messages as a stream of bytes.

use core::fmt;
use std::{
    io::{self, Read, Write},
    time::Instant,
};

use super::{
    Reader, WebSocket, Writer,
    output::Output,
    read_loop::{Duplex, ReadLoop},
    unless_fatal, unless_repeatable,
};
use crate::{
    Chunk, CloseCode, Message, MessageKind, SendError,
    adapter::{
        Error,
        driver::Outgoing,
        pieces::{STREAM_MESSAGE_LEN, Unread, closed_in_message, text_in_byte_stream},
    },
};

/// A stream of bytes in both directions over binary messages, for a tunnel: returned by
/// [`WebSocket::into_byte_stream`]. For two threads, there are [`ByteReader`] and [`ByteWriter`].
///
/// **Reading.** Where messages begin and end has no meaning. It is at its end when the connection
/// [ended well](crate::CloseStatus::is_success); any other end is an error, see [`Error`]: a stream
/// that was cut off, even in the middle of a message, is told from one that is complete. A text
/// message is an error, `InvalidData`, and closes the connection with 1003 (RFC 6455, section
/// 7.4.1). Pings are answered while it reads.
///
/// **Writing.** Each write is one binary message, of at most 64 KiB, and waits until it is written.
/// A write that returns an error has sent nothing; if a transport with a timeout takes only a part
/// of the message, the next call writes the rest. [`flush`](Write::flush) writes all of it.
///
/// **The end.** [`shutdown`](Self::shutdown) sends a Close frame with code 1000. A WebSocket has no
/// end of one direction: the peer answers with its Close frame, and sends nothing after that. Read
/// to the end for what it has sent before. Dropped without it, the peer gets an error.
///
/// ```
/// use std::io::{Read, Write};
/// use sockless::adapter::{Error, std_net::WebSocket};
///
/// /// Sends a request over a WebSocket, and returns the response.
/// fn ask<S: Read + Write>(ws: WebSocket<S>, request: &[u8]) -> std::io::Result<Vec<u8>> {
///     let mut stream = ws.into_byte_stream();
///     stream.write_all(request)?;
///     let mut response = vec![0; 100];
///     stream.read_exact(&mut response)?;
///     stream.shutdown()?;
///     stream.read_to_end(&mut response)?;
///     Ok(response)
/// }
/// ```
pub struct ByteStream<S> {
    ws: WebSocket<S>,
    input: ByteInput,
}

/// The reading half of a stream of bytes: returned by [`Reader::into_byte_reader`]. It reads as
/// [`ByteStream`] does.
pub struct ByteReader<R, W> {
    reader: Reader<R, W>,
    input: ByteInput,
}

/// The writing half of a stream of bytes: returned by [`Writer::into_byte_writer`]. It writes as
/// [`ByteStream`] does.
///
/// ```no_run
/// use std::{io, net::TcpStream, thread};
/// use sockless::adapter::std_net;
///
/// /// Carries a TCP connection through a WebSocket.
/// fn tunnel(mut tcp: TcpStream, url: &str) -> io::Result<()> {
///     let (reader, writer) = std_net::connect(url)?.split()?;
///     let (mut from_peer, mut to_peer) = (reader.into_byte_reader(), writer.into_byte_writer());
///     thread::scope(|scope| {
///         let mut local = tcp.try_clone()?;
///         scope.spawn(move || {
///             io::copy(&mut local, &mut to_peer)?;
///             to_peer.shutdown()
///         });
///         io::copy(&mut from_peer, &mut tcp)?;
///         tcp.shutdown(std::net::Shutdown::Both)
///     })
/// }
/// ```
pub struct ByteWriter<W> {
    writer: Writer<W>,
}

impl<S: Read + Write> WebSocket<S> {
    /// Returns the connection as a stream of bytes over binary messages.
    ///
    /// With [`Delivery::Chunks`](crate::Delivery::Chunks), bytes are read as they arrive. With
    /// [`Delivery::Messages`](crate::Delivery::Messages), messages are assembled before.
    #[must_use]
    pub fn into_byte_stream(self) -> ByteStream<S> {
        ByteStream {
            ws: self,
            input: ByteInput::default(),
        }
    }
}

impl<R: Read, W: Write> Reader<R, W> {
    /// Returns the reading half as the reading half of a stream of bytes.
    #[must_use]
    pub fn into_byte_reader(self) -> ByteReader<R, W> {
        ByteReader {
            reader: self,
            input: ByteInput::default(),
        }
    }
}

impl<W: Write> Writer<W> {
    /// Returns the writing half as the writing half of a stream of bytes.
    #[must_use]
    pub const fn into_byte_writer(self) -> ByteWriter<W> {
        ByteWriter { writer: self }
    }
}

/// What was received of a stream of bytes and is not read yet.
#[derive(Default)]
struct ByteInput {
    unread: Unread,
    /// A text message was received: the stream has failed.
    has_failed: bool,
}

impl ByteInput {
    fn read<R: Read>(
        &mut self,
        buf: &mut [u8],
        read_loop: &mut ReadLoop<R>,
        connection: &mut impl Duplex<R>,
    ) -> io::Result<usize> {
        while self.unread.is_empty() && !self.has_failed && !buf.is_empty() {
            match read_loop.next::<Chunk<'static>>(connection)? {
                Some(chunk) if chunk.kind() == MessageKind::Binary => self.unread.set(chunk.data),
                Some(_text) => {
                    self.has_failed = true;
                    // If the connection is closing already, the peer gets no other Close frame.
                    let _closed = connection
                        .core()
                        .driver
                        .close(Some(CloseCode::UNSUPPORTED_DATA), "", Instant::now());
                    unless_fatal(connection.flush_replies())?;
                }
                None if connection.core().driver.engine.is_in_message() => return Err(closed_in_message()),
                None => return Ok(0),
            }
        }
        if self.has_failed {
            return Err(text_in_byte_stream());
        }
        Ok(self.unread.read(buf))
    }
}

/// Sends a message of bytes off the front of `data`. Returns how many.
fn write<W: Write>(mut output: Output<'_, W>, data: &[u8]) -> io::Result<usize> {
    let data = data.get(..STREAM_MESSAGE_LEN).unwrap_or(data);
    if data.is_empty() {
        return Ok(0);
    }
    output.make_room()?;
    unless_repeatable(output.send(&Outgoing::Message(Message::from(data))))?;
    Ok(data.len())
}

/// Sends a Close frame, if none was sent, and writes all output.
fn shutdown<W: Write>(mut output: Output<'_, W>) -> io::Result<()> {
    let closed = output.with_core(|core| core.driver.close(Some(CloseCode::NORMAL), "", Instant::now()));
    match closed {
        Ok(()) | Err(SendError::Closing) => output.flush(),
        Err(error) => Err(Error::from(error).into()),
    }
}

impl<S: Read + Write> ByteStream<S> {
    /// Closes the connection with code 1000, and writes all output. Read to the end after that.
    ///
    /// # Errors
    /// The transport failed. After a timeout, a further call continues.
    pub fn shutdown(&mut self) -> io::Result<()> {
        shutdown(Output::Unsplit(&mut self.ws.unsplit))
    }

    /// Returns the connection.
    #[must_use]
    pub const fn get_ref(&self) -> &WebSocket<S> {
        &self.ws
    }
}

impl<W: Write> ByteWriter<W> {
    /// Closes the connection with code 1000, and writes all output. The other half reads to the end
    /// after that.
    ///
    /// # Errors
    /// The transport failed. After a timeout, a further call continues.
    pub fn shutdown(&mut self) -> io::Result<()> {
        shutdown(Output::Half(&self.writer.shared))
    }

    /// Returns the half of the connection.
    #[must_use]
    pub const fn get_ref(&self) -> &Writer<W> {
        &self.writer
    }
}

impl<R: Read, W: Write> ByteReader<R, W> {
    /// Returns the half of the connection.
    #[must_use]
    pub const fn get_ref(&self) -> &Reader<R, W> {
        &self.reader
    }
}

impl<S: Read + Write> Read for ByteStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf, &mut self.ws.read_loop, &mut self.ws.unsplit)
    }
}

impl<R: Read, W: Write> Read for ByteReader<R, W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input
            .read(buf, &mut self.reader.read_loop, &mut self.reader.duplex)
    }
}

impl<S: Read + Write> Write for ByteStream<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        write(Output::Unsplit(&mut self.ws.unsplit), data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ws.flush()
    }
}

impl<W: Write> Write for ByteWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        write(Output::Half(&self.writer.shared), data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl<S> fmt::Debug for ByteStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByteStream").field(&self.ws).finish()
    }
}

impl<R, W> fmt::Debug for ByteReader<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteReader").finish_non_exhaustive()
    }
}

impl<W> fmt::Debug for ByteWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteWriter").finish_non_exhaustive()
    }
}
