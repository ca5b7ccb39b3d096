//! The frames of a request stream (RFC 9114, sections 4.1 and 7): HEADERS, then DATA.

use std::{
    fmt, io,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use http3::{
    error::Code,
    proto::varint::VarInt,
    qpack::{self, HeaderField},
};
use quinn::{Connection, ReadError, WriteError};
use tokio::task::coop;

use crate::{MAX_HEADERS, quic::varint};

const DATA: u64 = 0x0;
const HEADERS: u64 = 0x1;

/// The other frames of RFC 9114, section 11.2.1, among them those that it reserves. None of them
/// may be on the stream of a CONNECT (section 4.4).
const UNEXPECTED: [u64; 9] = [0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xd];

/// How many bytes are read at a time.
const READ_SIZE: usize = 16 << 10;

/// A list of header fields.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The pseudo-headers, with their colon.
    pub pseudo_headers: Vec<(String, String)>,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Fields {
    /// Returns the pseudo-headers.
    pub fn pseudo_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let list = self.pseudo_headers.iter();
        list.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let list = self.headers.iter();
        list.map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Returns the value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the status of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let mut status = self.pseudo_headers.iter();
        let (_, value) = status.find(|(name, _)| name == ":status")?;
        value.parse().ok()
    }

    /// Takes the fields of a QPACK field section. `None`: the message is malformed (RFC 9114,
    /// sections 4.2 and 4.3).
    ///
    /// Which pseudo-headers there are is checked by those who use them.
    fn from_section(section: Vec<HeaderField>) -> Option<Self> {
        let mut fields = Self::default();
        for field in section {
            let (name, value) = field.into_inner();
            HeaderValue::from_bytes(&value).ok()?;
            if name.starts_with(b":") {
                if !fields.headers.is_empty() {
                    return None;
                }
                let name = String::from_utf8(name.into_owned()).ok()?;
                let value = String::from_utf8(value.into_owned()).ok()?;
                fields.pseudo_headers.push((name, value));
            } else {
                let name = HeaderName::from_lowercase(&name).ok()?;
                fields.headers.push((name.as_str().to_owned(), value.into_owned()));
            }
        }
        Some(fields)
    }
}

/// Returns the bytes of a HEADERS frame.
///
/// # Errors
/// A field is too long for QPACK.
pub fn headers_frame<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> io::Result<Bytes> {
    let fields = fields.into_iter().map(|(name, value)| HeaderField::new(name, value));
    let mut section = BytesMut::new();
    qpack::encode_stateless(&mut section, fields).map_err(|error| io::Error::other(error.to_string()))?;
    let mut frame = BytesMut::new();
    put_header(HEADERS, section.len(), &mut frame);
    frame.put(section);
    Ok(frame.freeze())
}

/// Appends the header of a DATA frame.
pub fn put_data_header(len: usize, out: &mut BytesMut) {
    put_header(DATA, len, out);
}

fn put_header(kind: u64, len: usize, out: &mut BytesMut) {
    for number in [kind, len as u64] {
        let number = VarInt::from_u64(number).expect("a length below 2^62");
        number.encode(out);
    }
}

/// What ends a stream, or its connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer has reset its direction of the stream, or does not read the other one any more.
    Reset(Code),
    /// The connection is lost.
    Lost(io::Error),
    /// The peer violates HTTP/3. This ends the stream: RFC 9114, section 8.
    Stream(Code, &'static str),
    /// The peer violates HTTP/3. This has ended the connection.
    Connection(Code, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(code) => write!(f, "the peer has reset the stream with {code}"),
            Self::Lost(error) => error.fmt(f),
            Self::Stream(code, text) => write!(f, "{text}: the stream ends with {code}"),
            Self::Connection(code, text) => write!(f, "{text}: the connection ends with {code}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Lost(error) => error,
            Error::Reset(_) => Self::new(io::ErrorKind::ConnectionReset, error),
            Error::Stream(..) | Error::Connection(..) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(Code::from(code.into_inner())),
            error => Self::Lost(error.into()),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Reset(Code::from(code.into_inner())),
            error => Self::Lost(error.into()),
        }
    }
}

/// The peer's direction of a request stream.
///
/// It reads only what is needed, and holds at most [`MAX_HEADERS`] and one read. So a peer whose
/// data nobody reads is stopped by the flow control of QUIC.
#[derive(Debug)]
pub struct Receiver {
    connection: Connection,
    recv: quinn::RecvStream,
    /// What has arrived and was not used.
    input: BytesMut,
    /// How many bytes of the payload of the current frame are still to come, those in `input`
    /// included.
    payload: u64,
    /// Whether it is a DATA frame.
    is_data: bool,
    has_ended: bool,
}

impl Receiver {
    /// Takes a stream from its beginning. A violation closes `connection`.
    #[must_use]
    pub fn new(connection: Connection, recv: quinn::RecvStream) -> Self {
        Self {
            connection,
            recv,
            input: BytesMut::new(),
            payload: 0,
            is_data: false,
            has_ended: false,
        }
    }

    /// Sends STOP_SENDING, if the stream has not ended.
    pub fn stop(&mut self, code: Code) {
        if !self.has_ended {
            self.has_ended = true;
            let _closed = self.recv.stop(varint(code));
        }
    }

    /// Reads the HEADERS frame of a message. `None`: the message is malformed.
    ///
    /// # Errors
    /// Those of [`Error`].
    pub async fn headers(&mut self) -> Result<Option<Fields>, Error> {
        let (kind, len) = std::future::poll_fn(|cx| self.poll_frame(cx))
            .await?
            .ok_or(Error::Stream(
                Code::H3_REQUEST_INCOMPLETE,
                "the stream has ended without headers",
            ))?;
        if kind != HEADERS {
            return Err(self.violation(Code::H3_FRAME_UNEXPECTED, "data came before the headers"));
        }
        if len > u64::from(MAX_HEADERS) {
            return Err(Error::Stream(Code::H3_EXCESSIVE_LOAD, "the headers are too long"));
        }
        while (self.input.len() as u64) < len {
            if std::future::poll_fn(|cx| self.poll_input(cx)).await? == 0 {
                return Err(self.truncated());
            }
        }
        let mut section = self.input.split_to(len as usize).freeze();
        self.payload = 0;
        match qpack::decode_stateless(&mut section, u64::from(MAX_HEADERS)) {
            Ok(decoded) => Ok(Fields::from_section(decoded.fields)),
            Err(qpack::DecoderError::HeaderTooLong(_)) => {
                Err(Error::Stream(Code::H3_EXCESSIVE_LOAD, "the headers are too long"))
            }
            Err(_) => Err(self.violation(Code::QPACK_DECOMPRESSION_FAILED, "the headers cannot be decoded")),
        }
    }

    /// Waits for data. Returns what has arrived of it, of which the caller takes any part from the
    /// front with [`consume`](Self::consume). It is empty after the end of the stream.
    ///
    /// # Errors
    /// Those of [`Error`].
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        while !self.is_data || self.available() == 0 {
            if self.is_data && self.payload > 0 {
                if ready!(self.poll_input(cx))? == 0 {
                    return Poll::Ready(Err(self.truncated()));
                }
                continue;
            }
            match ready!(self.poll_frame(cx))? {
                Some((DATA, _)) => {}
                Some(_) => {
                    return Poll::Ready(Err(
                        self.violation(Code::H3_FRAME_UNEXPECTED, "headers came after the headers")
                    ));
                }
                None => return Poll::Ready(Ok(&[])),
            }
        }
        Poll::Ready(Ok(&self.input[..self.available()]))
    }

    /// Takes data from the front.
    pub fn consume(&mut self, len: usize) {
        self.input.advance(len);
        self.payload -= len as u64;
    }

    /// How many bytes of data have arrived.
    fn available(&self) -> usize {
        let payload = usize::try_from(self.payload).unwrap_or(usize::MAX);
        self.input.len().min(payload)
    }

    /// Waits for the header of a DATA or HEADERS frame. Frames of unknown types are skipped (RFC
    /// 9114, section 9). `None` is the end of the stream.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(u64, u64)>, Error>> {
        loop {
            let skipped = self.available();
            self.consume(skipped);
            if self.payload == 0 {
                if let Some((kind, len)) = self.decode_header() {
                    self.payload = len;
                    self.is_data = kind == DATA;
                    if UNEXPECTED.contains(&kind) {
                        return Poll::Ready(Err(
                            self.violation(Code::H3_FRAME_UNEXPECTED, "a frame that is not for requests")
                        ));
                    }
                    if [DATA, HEADERS].contains(&kind) {
                        return Poll::Ready(Ok(Some((kind, len))));
                    }
                    continue;
                }
            }
            if ready!(self.poll_input(cx))? == 0 {
                if self.payload == 0 && self.input.is_empty() {
                    return Poll::Ready(Ok(None));
                }
                return Poll::Ready(Err(self.truncated()));
            }
        }
    }

    /// Takes the type and the length of a frame, if they have arrived.
    fn decode_header(&mut self) -> Option<(u64, u64)> {
        let mut input = &self.input[..];
        let kind = VarInt::decode(&mut input).ok()?;
        let len = VarInt::decode(&mut input).ok()?;
        let used = self.input.len() - input.len();
        self.input.advance(used);
        Some((kind.into(), len.into()))
    }

    /// Reads more. 0 is the end of the stream.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        if self.has_ended {
            return Poll::Ready(Ok(0));
        }
        // Frames that are skipped may arrive as fast as they are read: other tasks get their turn.
        let budget = ready!(coop::poll_proceed(cx));
        let start = self.input.len();
        self.input.resize(start + READ_SIZE, 0);
        let read = self.recv.poll_read(cx, &mut self.input[start..]);
        let len = match &read {
            Poll::Ready(Ok(len)) => *len,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.input.truncate(start + len);
        let read = ready!(read);
        budget.made_progress();
        self.has_ended = !matches!(read, Ok(1..));
        Poll::Ready(read.map_err(Error::from))
    }

    fn truncated(&mut self) -> Error {
        self.violation(Code::H3_FRAME_ERROR, "the stream has ended inside a frame")
    }

    /// Closes the connection.
    fn violation(&mut self, code: Code, text: &'static str) -> Error {
        self.has_ended = true;
        self.connection.close(varint(code), text.as_bytes());
        Error::Connection(code, text)
    }
}
