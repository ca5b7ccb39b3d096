//! Lines of a recording: a name and fields.

use alloc::{format, string::String};
use core::fmt::{self, Write};

use crate::{escaped::public_len, frame::ReservedBits, message::MessageKind};

/// The header fields whose values are no secret. An application may have a key in any other.
const PUBLIC_FIELDS: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "origin",
    "sec-websocket-extensions",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// Writes the lines of one call. With `is_redacted`, secrets are replaced by their length.
pub(super) struct Lines<'t> {
    pub(super) text: &'t mut String,
    pub(super) is_redacted: bool,
}

impl Lines<'_> {
    /// Begins a line, after the end of the one before.
    pub(super) fn line(&mut self, name: &str) -> &mut Self {
        self.end();
        self.text.push_str(name);
        self
    }

    /// Ends the last line.
    pub(super) fn end(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// A word or a number.
    pub(super) fn word(&mut self, word: impl fmt::Display) -> &mut Self {
        // Writing to a `String` cannot fail.
        let _written = write!(self.text, " {word}");
        self
    }

    pub(super) fn kind(&mut self, kind: MessageKind) -> &mut Self {
        self.word(kind_name(kind))
    }

    pub(super) fn bits(&mut self, bits: ReservedBits) -> &mut Self {
        let [rsv1, rsv2, rsv3] = [bits.rsv1, bits.rsv2, bits.rsv3].map(u8::from);
        self.word(format_args!("{rsv1}{rsv2}{rsv3}"))
    }

    /// Data that is never secret.
    pub(super) fn public(&mut self, data: impl AsRef<[u8]>) -> &mut Self {
        self.text.push(' ');
        write_data(self.text, data.as_ref());
        self
    }

    /// Data that may be secret.
    pub(super) fn secret(&mut self, data: impl AsRef<[u8]>) -> &mut Self {
        if self.is_redacted {
            self.word(format_args!("<{}>", data.as_ref().len()))
        } else {
            self.public(data)
        }
    }

    /// The name and the value of a header field.
    pub(super) fn field(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.public(name);
        if PUBLIC_FIELDS.iter().any(|public| name.eq_ignore_ascii_case(public)) {
            self.public(value)
        } else {
            self.secret(value)
        }
    }

    /// A URL or the target of a request: only the scheme and the host are no secret. A path can
    /// have a key as a query can.
    pub(super) fn url(&mut self, url: &str) -> &mut Self {
        if !self.is_redacted {
            return self.public(url);
        }
        let front = url.get(..public_len(url.as_bytes())).unwrap_or_default();
        let host_at = front.find("://").map_or(0, |colon| colon + 3);
        let host = front.get(host_at..).unwrap_or_default();
        let path_at = host.find('/').map_or(front.len(), |slash| host_at + slash);
        match url.split_at_checked(path_at) {
            None | Some(("", _)) => self.secret(url),
            Some((public, "")) => self.public(public),
            Some((public, rest)) => {
                self.public(public);
                let _written = write!(self.text, "+<{}>", rest.len());
                self
            }
        }
    }

    /// The text of an error: what it quotes may be secret.
    pub(super) fn error(&mut self, text: &str) -> &mut Self {
        match (text.find('"'), text.rfind('"')) {
            (Some(first), Some(last)) if self.is_redacted && first < last => {
                let (start, rest) = text.split_at(first);
                let end = rest.get(last - first..).unwrap_or_default();
                self.public(format!("{start}\"...{end}"))
            }
            _ => self.public(text),
        }
    }
}

pub(crate) const fn kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    }
}

/// Writes bytes as text with escapes or, if more than a quarter of them would need one of four
/// characters, as hexadecimal digits.
fn write_data(text: &mut String, data: &[u8]) {
    let is_plain = |byte: &&u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
    let escapes = data.len() - data.iter().filter(is_plain).count();
    if escapes > data.len() / 4 {
        text.push_str("0x");
        let _written = data.iter().try_for_each(|byte| write!(text, "{byte:02x}"));
        return;
    }
    text.push('"');
    for byte in data {
        match byte {
            b'\'' => text.push('\''),
            _ => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    text.push('"');
}
