//! The calls of a connection as lines.

use super::line::Lines;
use crate::{
    close_code::CloseCode, config::Config, frame::ReservedBits, handshake::choice::Choice, message::MessageKind,
};

/// A call of a connection, with its arguments.
pub(crate) enum Call<'a> {
    /// The bytes that the call has consumed.
    Receive(&'a [u8]),
    ReceiveEof,
    Accept {
        choices: &'a [Choice<'a>],
        config: Option<&'a Config>,
    },
    Reject {
        status: u16,
        headers: &'a [(&'a str, &'a str)],
        body: &'a [u8],
    },
    /// The rejection of a request that an acceptance did not allow.
    #[cfg(feature = "std")]
    RejectNotAllowed,
    Send(MessageKind, &'a [u8]),
    SendFragment {
        kind: MessageKind,
        data: &'a [u8],
        fin: bool,
        reserved: ReservedBits,
    },
    SendHeader(MessageKind, u64),
    SendInPlace(MessageKind, &'a [u8]),
    SendFragmentHeader {
        kind: MessageKind,
        data: &'a [u8],
        fin: bool,
    },
    SendPrepared(MessageKind, &'a [u8]),
    PreparedFrame(MessageKind, &'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(Option<CloseCode>, &'a str),
}

impl Call<'_> {
    pub(super) fn write(&self, lines: &mut Lines<'_>) {
        let message = |lines: &mut Lines<'_>, name, kind, data| {
            lines.line(name).kind(kind).secret(data);
        };
        match *self {
            Self::Receive(bytes) => _ = lines.line("receive").secret(bytes),
            Self::ReceiveEof => _ = lines.line("receive_eof"),
            Self::Accept { choices, config } => {
                if let Some(config) = config {
                    write_config(config, lines);
                }
                write_choices(choices, lines);
                lines.line("accept");
                if config.is_some() {
                    lines.word("config");
                }
            }
            Self::Reject { status, headers, body } => {
                for (name, value) in headers {
                    lines.line("with header").field(name, value.as_bytes());
                }
                lines.line("reject").word(status).secret(body);
            }
            #[cfg(feature = "std")]
            Self::RejectNotAllowed => _ = lines.line("reject_not_allowed"),
            Self::Send(kind, data) => message(lines, "send", kind, data),
            Self::SendFragment {
                kind,
                data,
                fin,
                reserved,
            } => {
                message(lines, "send_fragment", kind, data);
                lines.word(fin_word(fin));
                if !reserved.is_empty() {
                    lines.bits(reserved);
                }
            }
            Self::SendHeader(kind, len) => _ = lines.line("send_header").kind(kind).word(len),
            Self::SendInPlace(kind, data) => message(lines, "send_in_place", kind, data),
            Self::SendFragmentHeader { kind, data, fin } => {
                message(lines, "send_fragment_header", kind, data);
                lines.word(fin_word(fin));
            }
            Self::SendPrepared(kind, data) => message(lines, "send_prepared", kind, data),
            Self::PreparedFrame(kind, data) => message(lines, "prepared_frame", kind, data),
            Self::Ping(payload) => _ = lines.line("ping").secret(payload),
            Self::Pong(payload) => _ = lines.line("pong").secret(payload),
            Self::Close(Some(code), reason) => _ = lines.line("close").word(code.0).secret(reason),
            Self::Close(None, reason) => _ = lines.line("close").word("none").secret(reason),
        }
    }
}

pub(crate) const fn fin_word(fin: bool) -> &'static str {
    if fin { "end" } else { "more" }
}

pub(super) fn write_config(config: &Config, lines: &mut Lines<'_>) {
    for (name, value) in super::config::settings(config) {
        lines.line("with config").word(name).word(value);
    }
}

pub(super) fn write_choices(choices: &[Choice<'_>], lines: &mut Lines<'_>) {
    for choice in choices {
        match choice {
            Choice::Url(url) => lines.line("with url").url(url),
            Choice::Origin(origin) => lines.line("with origin").public(origin.as_bytes()),
            Choice::Subprotocol(name) => lines.line("with subprotocol").secret(name.as_bytes()),
            Choice::RequireSubprotocol => lines.line("with require_subprotocol"),
            Choice::Header(name, value) => lines.line("with header").field(name, value.as_bytes()),
            Choice::Extension(text, bits) => lines.line("with extension").public(text.as_bytes()).bits(*bits),
            Choice::DeclineDeflate => lines.line("with decline_deflate"),
            Choice::AnyOrigin => lines.line("with any_origin"),
            Choice::Origins(origins) => list(lines.line("with origins"), origins),
            Choice::PublicScheme(scheme) => lines.line("with public_scheme").word(scheme.as_str()),
            Choice::Hosts(hosts) => list(lines.line("with hosts"), hosts),
            Choice::Forwarding => lines.line("with forwarding"),
        };
    }
}

fn list<'l, 't>(lines: &'l mut Lines<'t>, values: &[&str]) -> &'l mut Lines<'t> {
    for value in values {
        lines.public(value);
    }
    lines
}
