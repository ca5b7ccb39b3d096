//! A recording as a conversation that a person can read.

use alloc::vec::Vec;
use core::{
    fmt::{self, Formatter},
    time::Duration,
};

use super::{
    Recording,
    entry::{CallLine, ConstructorLine, EventLine, Fields},
    field::Data,
    recorded_call::{Item, RecordedCall, Shown},
};
use crate::{
    escaped::Escaped,
    frame::{Header, Opcode},
    mask,
    recorder::kind_name,
};

/// A recording for a person: one line for each event and each call, with the seconds since the
/// first one. Its `Display` form is not a format that programs should read.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a>(Recording<'a>);

impl<'a> Recording<'a> {
    /// Returns the conversation as text for a person: what was received and sent when, with at most
    /// 64 bytes of each payload.
    #[must_use]
    pub const fn conversation(self) -> Conversation<'a> {
        Conversation(self)
    }
}

impl fmt::Display for Conversation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = None;
        for item in self.0.items() {
            match item {
                Item::Call(recorded) => {
                    let since = recorded.at.saturating_sub(*first.get_or_insert(recorded.at));
                    write_recorded_call(f, since, &recorded)?;
                }
                Item::Url(url) => writeln!(f, "{:14}to        {}", "", Shown(url))?,
                Item::Truncated => writeln!(f, "{:14}the rest was not recorded: it was too long", "")?,
            }
        }
        Ok(())
    }
}

/// Writes the time and who has acted, in columns.
fn begin(f: &mut Formatter<'_>, at: Duration, actor: &str) -> fmt::Result {
    write!(f, "{:>5}.{:06}  {actor:10}", at.as_secs(), at.subsec_micros())
}

fn write_recorded_call(f: &mut Formatter<'_>, at: Duration, recorded: &RecordedCall<'_>) -> fmt::Result {
    match (&recorded.call, &recorded.error) {
        (CallLine::Receive(_), error) => {
            if let Some(event) = &recorded.event {
                begin(f, at, "received")?;
                write_event(f, event)?;
            }
            if let Some(error) = error {
                begin(f, at, "failed")?;
                writeln!(f, "{}", Text(*error))?;
            }
            write_replies(f, at, recorded.out)
        }
        (call, Some(error)) => {
            begin(
                f,
                at,
                if matches!(call, CallLine::ReceiveEof) {
                    "ended"
                } else {
                    "failed"
                },
            )?;
            write_call(f, call)?;
            writeln!(f, ": {}", Text(*error))
        }
        (call, None) => {
            begin(f, at, actor(call))?;
            write_call(f, call)?;
            writeln!(f)?;
            if let Some(event) = &recorded.event {
                begin(f, at, "received")?;
                write_event(f, event)?;
            }
            if matches!(
                call,
                CallLine::Constructor(ConstructorLine::Client) | CallLine::Accept { .. } | CallLine::Reject(..)
            ) {
                write_head(f, recorded.out)?;
            }
            Ok(())
        }
    }
}

const fn actor(call: &CallLine<'_>) -> &'static str {
    match call {
        CallLine::Constructor(_) => "began",
        CallLine::ReceiveEof => "ended",
        CallLine::Accept { .. } => "accepted",
        CallLine::Reject(..) | CallLine::RejectNotAllowed => "rejected",
        _ => "sent",
    }
}

fn write_call(f: &mut Formatter<'_>, call: &CallLine<'_>) -> fmt::Result {
    match *call {
        CallLine::Constructor(constructor) => f.write_str(match constructor {
            ConstructorLine::Server => "as a server",
            ConstructorLine::Client => "as a client",
            ConstructorLine::UpgradedServer => "as an upgraded server",
            ConstructorLine::UpgradedClient => "as an upgraded client",
        }),
        CallLine::RejectNotAllowed => f.write_str("the request, which is not allowed"),
        CallLine::Receive(_) => Ok(()),
        CallLine::ReceiveEof => f.write_str("the transport"),
        CallLine::Accept { .. } => f.write_str("the request"),
        CallLine::Reject(status, body) => write!(f, "with {status} {}", Shown(body)),
        CallLine::Send(kind, data)
        | CallLine::SendInPlace(kind, data)
        | CallLine::SendPrepared(kind, data)
        | CallLine::PreparedFrame(kind, data) => write!(f, "{} {}", kind_name(kind), Shown(data)),
        CallLine::SendFragment(kind, data, fin, _) | CallLine::SendFragmentHeader(kind, data, fin) => {
            write!(f, "{} fragment {}{}", kind_name(kind), Shown(data), end(fin))
        }
        CallLine::SendHeader(kind, len) => write!(f, "header of {} ({len} bytes)", kind_name(kind)),
        CallLine::Ping(payload) => write!(f, "ping {}", Shown(payload)),
        CallLine::Pong(payload) => write!(f, "pong {}", Shown(payload)),
        CallLine::Close(code, reason) => write_close(f, code.map(|code| code.0), reason),
    }
}

fn write_event(f: &mut Formatter<'_>, event: &EventLine<'_>) -> fmt::Result {
    match *event {
        EventLine::Request { method, target, fields } => {
            writeln!(f, "request {method} {}", Shown(target))?;
            return write_fields(f, fields);
        }
        EventLine::Open(status, fields) => {
            writeln!(f, "response {status}: open")?;
            return write_fields(f, fields);
        }
        EventLine::Refused {
            is_complete,
            body,
            status,
            fields,
        } => {
            let rest = if is_complete { "" } else { " and more" };
            writeln!(f, "response {status}: refused with {}{rest}", Shown(body))?;
            return write_fields(f, fields);
        }
        EventLine::Message(kind, data) => write!(f, "{} {}", kind_name(kind), Shown(data))?,
        EventLine::Chunk {
            kind,
            data,
            message_end,
        } => write!(f, "{} chunk {}{}", kind_name(kind), Shown(data), end(message_end))?,
        EventLine::Ping(payload) => write!(f, "ping {}", Shown(payload))?,
        EventLine::Pong(payload) => write!(f, "pong {}", Shown(payload))?,
        EventLine::Close(code, reason) => write_close(f, code.map(|code| code.0), reason)?,
    }
    writeln!(f)
}

fn write_close(f: &mut Formatter<'_>, code: Option<u16>, reason: Data<'_>) -> fmt::Result {
    f.write_str("close")?;
    if let Some(code) = code {
        write!(f, " {code}")?;
    }
    if reason.len() > 0 {
        write!(f, " {}", Shown(reason))?;
    }
    Ok(())
}

fn write_fields(f: &mut Formatter<'_>, fields: Fields<'_>) -> fmt::Result {
    for (name, value) in fields {
        writeln!(f, "{:24}{}: {}", "", Text(name), Shown(value))?;
    }
    Ok(())
}

/// Writes the first line and the fields of a head that was sent.
fn write_head(f: &mut Formatter<'_>, head: Data<'_>) -> fmt::Result {
    let head = head.to_bytes().unwrap_or_default();
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        writeln!(f, "{:24}{}", "", line.escape_ascii())?;
    }
    Ok(())
}

/// Writes what the connection has sent by itself.
fn write_replies(f: &mut Formatter<'_>, at: Duration, out: Data<'_>) -> fmt::Result {
    let Some(bytes) = out.to_bytes() else {
        begin(f, at, "replied")?;
        return writeln!(f, "{}", Shown(out));
    };
    let mut rest = &bytes[..];
    if rest.starts_with(b"HTTP/") {
        begin(f, at, "replied")?;
        writeln!(f, "with a response")?;
        return write_head(f, out);
    }
    while let Ok(Some((header, used))) = Header::decode(rest) {
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        let end = used.saturating_add(len).min(rest.len());
        let mut payload: Vec<u8> = rest.get(used..end).unwrap_or_default().to_vec();
        if let Some(key) = header.mask {
            mask::apply(&mut payload, key);
        }
        begin(f, at, "replied")?;
        write_frame(f, header.opcode, &payload)?;
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(())
}

fn write_frame(f: &mut Formatter<'_>, opcode: Opcode, payload: &[u8]) -> fmt::Result {
    match (opcode, payload) {
        (Opcode::Close, [high, low, reason @ ..]) => {
            write!(f, "close {}", u16::from_be_bytes([*high, *low]))?;
            if !reason.is_empty() {
                write!(f, " {:?}", Escaped(reason))?;
            }
            writeln!(f)
        }
        (Opcode::Close, _) => writeln!(f, "close"),
        (Opcode::Pong, payload) => writeln!(f, "pong {:?}", Escaped(payload)),
        (opcode, payload) => writeln!(f, "{opcode:?} ({} bytes)", payload.len()),
    }
}

/// A text as it is, but for characters that cannot be seen or control the output.
struct Text<'a>(Data<'a>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bytes = self.0.to_bytes().unwrap_or_default();
        let text = alloc::string::String::from_utf8_lossy(&bytes);
        text.chars().try_for_each(|char| match char {
            '"' | '\'' | '\\' => write!(f, "{char}"),
            _ => write!(f, "{}", char.escape_debug()),
        })
    }
}

const fn end(is_end: bool) -> &'static str {
    if is_end { " (end)" } else { "" }
}
