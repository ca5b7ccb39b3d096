//! Events as lines.

use super::{call::fin_word, line::Lines};
use crate::{
    event::Event,
    handshake::{Headers, Response},
};

pub(super) fn write(event: &Event<'_>, lines: &mut Lines<'_>) {
    match event {
        Event::Request(request) => {
            lines.line("event request").word(request.method()).url(request.target());
            write_fields(request.headers(), lines);
        }
        Event::Open(response) => {
            lines.line("event open");
            write_response(response, lines);
        }
        Event::Refused(refusal) => {
            lines.line("event refused");
            lines.word(if refusal.is_complete { "complete" } else { "incomplete" });
            lines.secret(&refusal.body);
            write_response(&refusal.response, lines);
        }
        Event::Text(text) => _ = lines.line("event text").secret(text.as_bytes()),
        Event::Binary(data) => _ = lines.line("event binary").secret(data),
        Event::Chunk(chunk) => {
            lines.line("event chunk").kind(chunk.kind()).secret(chunk.as_bytes());
            lines.word(match (chunk.message_end, chunk.frame_end) {
                (false, true) => "frame_end",
                (fin, _) => fin_word(fin),
            });
            if !chunk.reserved.is_empty() {
                lines.bits(chunk.reserved);
            }
        }
        Event::Ping(payload) => _ = lines.line("event ping").secret(payload),
        Event::Pong(payload) => _ = lines.line("event pong").secret(payload),
        Event::Close(Some(frame)) => {
            lines
                .line("event close")
                .word(frame.code.0)
                .secret(frame.reason.as_bytes());
        }
        Event::Close(None) => _ = lines.line("event close none").public(""),
    }
}

fn write_response(response: &Response<'_>, lines: &mut Lines<'_>) {
    lines.word(response.status());
    write_fields(response.headers(), lines);
}

fn write_fields(headers: Headers<'_>, lines: &mut Lines<'_>) {
    for (name, value) in headers {
        lines.field(name, value);
    }
}
