//! The lines of a recording, parsed.

use core::time::Duration;

use super::{
    error::RecordingError,
    field::{Data, Line, expected},
};
use crate::{
    close_code::CloseCode,
    frame::ReservedBits,
    message::MessageKind,
    recorder::{FIRST_LINE, TRUNCATED, fin_word, kind_name},
};

/// A line that is neither blank nor a comment.
pub(super) enum Entry<'a> {
    First,
    At(Duration),
    Argument(Argument<'a>),
    Set(Set),
    Call(CallLine<'a>),
    Outcome(OutcomeLine<'a>),
    Truncated,
}

pub(super) enum Argument<'a> {
    Config(&'a str, u64),
    Seed(Data<'a>),
    Url(Data<'a>),
    Origin(Data<'a>),
    Subprotocol(Data<'a>),
    RequireSubprotocol,
    Header(Data<'a>, Data<'a>),
    Extension(Data<'a>, ReservedBits),
    DeclineDeflate,
    AnyOrigin,
    Origins(Line<'a>),
    IsHttps(bool),
    Hosts(Line<'a>),
    Forwarding,
    Reserved(ReservedBits),
    /// The window sizes of server and client, and whether they have no context takeover.
    Deflate([u8; 2], [bool; 2]),
}

/// A setting that is changed.
pub(super) enum Set {
    MaxMessageSize(u64),
    #[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "there is none"))]
    Compression(bool),
}

pub(super) enum CallLine<'a> {
    Constructor(ConstructorLine),
    Receive(Data<'a>),
    ReceiveEof,
    Accept { has_config: bool },
    Reject(u16, Data<'a>),
    RejectNotAllowed,
    Send(MessageKind, Data<'a>),
    SendFragment(MessageKind, Data<'a>, bool, ReservedBits),
    SendHeader(MessageKind, u64),
    SendInPlace(MessageKind, Data<'a>),
    SendFragmentHeader(MessageKind, Data<'a>, bool),
    SendPrepared(MessageKind, Data<'a>),
    PreparedFrame(MessageKind, Data<'a>),
    Ping(Data<'a>),
    Pong(Data<'a>),
    Close(Option<CloseCode>, Data<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConstructorLine {
    Server,
    Client,
    UpgradedServer,
    UpgradedClient,
}

impl ConstructorLine {
    pub(super) const fn is_client(self) -> bool {
        matches!(self, Self::Client | Self::UpgradedClient)
    }
}

pub(super) enum OutcomeLine<'a> {
    Out(Data<'a>),
    Borrowed(Data<'a>),
    Error(Data<'a>),
    Event(EventLine<'a>),
}

pub(super) enum EventLine<'a> {
    Request {
        method: &'a str,
        target: Data<'a>,
        fields: Fields<'a>,
    },
    Open(u16, Fields<'a>),
    Refused {
        is_complete: bool,
        body: Data<'a>,
        status: u16,
        fields: Fields<'a>,
    },
    Message(MessageKind, Data<'a>),
    Chunk {
        kind: MessageKind,
        data: Data<'a>,
        message_end: bool,
    },
    Ping(Data<'a>),
    Pong(Data<'a>),
    Close(Option<CloseCode>, Data<'a>),
}

/// The header fields at the end of a line.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(Line<'a>);

impl<'a> Iterator for Fields<'a> {
    type Item = (Data<'a>, Data<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.data("").ok()?, self.0.data("").ok()?))
    }
}

impl<'a> Entry<'a> {
    /// Parses a line.
    pub(super) fn parse(text: &'a str, number: usize) -> Result<Self, RecordingError> {
        let whole = Line { number, rest: text };
        if text == FIRST_LINE {
            return Ok(Self::First);
        }
        let mut line = whole;
        let entry = match line.word("a line of a recording")? {
            "at" => Self::At(instant(&mut line)?),
            "with" => Self::Argument(Argument::parse(&mut line)?),
            "set" => Self::Set(Set::parse(&mut line)?),
            "out" => Self::Outcome(OutcomeLine::Out(line.data(BYTES)?)),
            "borrowed" => Self::Outcome(OutcomeLine::Borrowed(line.data(BYTES)?)),
            "error" => Self::Outcome(OutcomeLine::Error(line.data(TEXT)?)),
            "event" => Self::Outcome(OutcomeLine::Event(EventLine::parse(&mut line)?)),
            TRUNCATED => Self::Truncated,
            name => match CallLine::parse(name, &mut line)? {
                Some(call) => Self::Call(call),
                None => return Err(expected(&whole, "the name of a line")),
            },
        };
        line.end()?;
        Ok(entry)
    }
}

const BYTES: &str = "data, as in \"abc\\r\\n\" or 0x0d0a,";
const TEXT: &str = "a text in quotation marks";
const KIND: &str = "text or binary";
const END: &str = "end or more";
const KINDS: [(&str, MessageKind); 2] = [
    (kind_name(MessageKind::Text), MessageKind::Text),
    (kind_name(MessageKind::Binary), MessageKind::Binary),
];
const ENDS: [(&str, bool); 2] = [(fin_word(true), true), (fin_word(false), false)];
const FLAGS: [(&str, bool); 2] = [("1", true), ("0", false)];

/// Seconds, with six decimals.
fn instant(line: &mut Line<'_>) -> Result<Duration, RecordingError> {
    const WHAT: &str = "a time in seconds with six decimals";
    let whole = *line;
    let (seconds, micros) = line.word(WHAT)?.split_once('.').unwrap_or_default();
    let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (seconds.parse(), micros.parse::<u32>()) {
        (Ok(whole_seconds), Ok(rest)) if is_decimal(seconds) && is_decimal(micros) && micros.len() == 6 => {
            Ok(Duration::new(whole_seconds, rest * 1000))
        }
        _ => Err(expected(&whole, WHAT)),
    }
}

fn bits(line: &mut Line<'_>) -> Result<ReservedBits, RecordingError> {
    const WHAT: &str = "three reserved bits, as in 010,";
    let whole = *line;
    match line.word(WHAT)?.as_bytes() {
        word @ [b'0' | b'1', b'0' | b'1', b'0' | b'1'] => {
            let is_set = |at| word.get(at) == Some(&b'1');
            Ok(ReservedBits::new([is_set(0), is_set(1), is_set(2)]))
        }
        _ => Err(expected(&whole, WHAT)),
    }
}

fn optional_bits(line: &mut Line<'_>) -> Result<ReservedBits, RecordingError> {
    if line.is_at_end() {
        return Ok(ReservedBits::NONE);
    }
    bits(line)
}

/// Checks pairs of a name and a value, and takes them.
fn fields<'a>(line: &mut Line<'a>) -> Result<Fields<'a>, RecordingError> {
    let fields = Fields(*line);
    while !line.is_at_end() {
        line.data("the name of a header field")?;
        line.data("the value of a header field")?;
    }
    Ok(fields)
}

/// Checks a list of texts, and takes it.
fn list<'a>(line: &mut Line<'a>) -> Result<Line<'a>, RecordingError> {
    let list = *line;
    while !line.is_at_end() {
        line.data(TEXT)?;
    }
    Ok(list)
}

fn close_body<'a>(line: &mut Line<'a>) -> Result<(Option<CloseCode>, Data<'a>), RecordingError> {
    let code = if line.rest.starts_with("none") {
        line.one_of("a close code or none", &[("none", None)])?
    } else {
        Some(CloseCode(line.number("a close code or none")?))
    };
    Ok((code, line.data(TEXT)?))
}

impl<'a> Argument<'a> {
    fn parse(line: &mut Line<'a>) -> Result<Self, RecordingError> {
        let whole = *line;
        Ok(match line.word("the name of an argument")? {
            "config" => {
                let name = line.word("the name of a setting")?;
                Self::Config(name, line.number("the value of a setting")?)
            }
            "seed" => Self::Seed(line.data("a seed of 32 bytes")?),
            "url" => Self::Url(line.data(TEXT)?),
            "origin" => Self::Origin(line.data(TEXT)?),
            "subprotocol" => Self::Subprotocol(line.data(TEXT)?),
            "require_subprotocol" => Self::RequireSubprotocol,
            "header" => Self::Header(line.data(TEXT)?, line.data(TEXT)?),
            "extension" => Self::Extension(line.data(TEXT)?, bits(line)?),
            "decline_deflate" => Self::DeclineDeflate,
            "any_origin" => Self::AnyOrigin,
            "origins" => Self::Origins(list(line)?),
            "public_scheme" => Self::IsHttps(line.one_of("http or https", &[("https", true), ("http", false)])?),
            "hosts" => Self::Hosts(list(line)?),
            "forwarding" => Self::Forwarding,
            "reserved" => Self::Reserved(bits(line)?),
            "deflate" => {
                let window = "the size of a window";
                let flag = "0 or 1";
                Self::Deflate(
                    [line.number(window)?, line.number(window)?],
                    [line.one_of(flag, &FLAGS)?, line.one_of(flag, &FLAGS)?],
                )
            }
            _ => return Err(expected(&whole, "the name of an argument")),
        })
    }
}

impl Set {
    fn parse(line: &mut Line<'_>) -> Result<Self, RecordingError> {
        let whole = *line;
        Ok(match line.word("the name of a setting")? {
            "max_message_size" => Self::MaxMessageSize(line.number("a size in bytes")?),
            "compression" => Self::Compression(line.one_of("0 or 1", &FLAGS)?),
            _ => return Err(expected(&whole, "the name of a setting")),
        })
    }
}

impl<'a> CallLine<'a> {
    /// Parses the arguments of a call. `None` if there is no such call.
    fn parse(name: &str, line: &mut Line<'a>) -> Result<Option<Self>, RecordingError> {
        Ok(Some(match name {
            "server" => Self::Constructor(ConstructorLine::Server),
            "client" => Self::Constructor(ConstructorLine::Client),
            "upgraded_server" => Self::Constructor(ConstructorLine::UpgradedServer),
            "upgraded_client" => Self::Constructor(ConstructorLine::UpgradedClient),
            "receive" => Self::Receive(line.data(BYTES)?),
            "receive_eof" => Self::ReceiveEof,
            "accept" => Self::Accept {
                has_config: !line.is_at_end() && line.one_of("config or nothing", &[("config", true)])?,
            },
            "reject" => Self::Reject(line.number("a status")?, line.data(BYTES)?),
            "reject_not_allowed" => Self::RejectNotAllowed,
            "send_header" => Self::SendHeader(line.one_of(KIND, &KINDS)?, line.number("a length in bytes")?),
            "ping" => Self::Ping(line.data(BYTES)?),
            "pong" => Self::Pong(line.data(BYTES)?),
            "close" => {
                let (code, reason) = close_body(line)?;
                Self::Close(code, reason)
            }
            "send"
            | "send_fragment"
            | "send_in_place"
            | "send_fragment_header"
            | "send_prepared"
            | "prepared_frame" => {
                let (kind, data) = (line.one_of(KIND, &KINDS)?, line.data(BYTES)?);
                match name {
                    "send" => Self::Send(kind, data),
                    "send_in_place" => Self::SendInPlace(kind, data),
                    "send_prepared" => Self::SendPrepared(kind, data),
                    "prepared_frame" => Self::PreparedFrame(kind, data),
                    "send_fragment" => {
                        let fin = line.one_of(END, &ENDS)?;
                        Self::SendFragment(kind, data, fin, optional_bits(line)?)
                    }
                    _ => Self::SendFragmentHeader(kind, data, line.one_of(END, &ENDS)?),
                }
            }
            _ => return Ok(None),
        }))
    }
}

impl<'a> EventLine<'a> {
    fn parse(line: &mut Line<'a>) -> Result<Self, RecordingError> {
        let whole = *line;
        Ok(match line.word("the name of an event")? {
            "request" => Self::Request {
                method: line.word("a method")?,
                target: line.data(TEXT)?,
                fields: fields(line)?,
            },
            "open" => Self::Open(line.number("a status")?, fields(line)?),
            "refused" => Self::Refused {
                is_complete: line.one_of("complete or incomplete", &[("complete", true), ("incomplete", false)])?,
                body: line.data(BYTES)?,
                status: line.number("a status")?,
                fields: fields(line)?,
            },
            "text" => Self::Message(MessageKind::Text, line.data(BYTES)?),
            "binary" => Self::Message(MessageKind::Binary, line.data(BYTES)?),
            "chunk" => {
                let (kind, data) = (line.one_of(KIND, &KINDS)?, line.data(BYTES)?);
                let ends = [("end", true), ("frame_end", false), ("more", false)];
                let message_end = line.one_of("end, frame_end or more", &ends)?;
                optional_bits(line)?;
                Self::Chunk {
                    kind,
                    data,
                    message_end,
                }
            }
            "ping" => Self::Ping(line.data(BYTES)?),
            "pong" => Self::Pong(line.data(BYTES)?),
            "close" => {
                let (code, reason) = close_body(line)?;
                Self::Close(code, reason)
            }
            _ => return Err(expected(&whole, "the name of an event")),
        })
    }
}
