//! The workloads that are counted. Each is a closure that processes a number of messages.

#[cfg(feature = "relay")]
mod relay;

use std::{borrow::Cow, hint::black_box, num::NonZeroUsize};

use sockless::{
    Accept, ClientRequest, Config, Connection, Delivery, Event, InputBuffer, PreparedMessage, State,
    handshake::Negotiated,
};
use support::heads::{BROWSER_REQUEST, REQUEST};

use crate::RunMessages;

pub struct Workload {
    pub name: &'static str,
    /// The number of messages after which the workload repeats. A run is a multiple of it.
    pub period: u64,
}

const fn workload(name: &'static str) -> Workload {
    Workload { name, period: PERIOD }
}

/// The number of messages in a stream.
const PERIOD: u64 = 200;

#[cfg(not(feature = "relay"))]
pub const ALL: [Workload; 34] = [
    workload("receive/server/binary/16"),
    workload("receive/server/binary/125"),
    workload("receive/server/binary/1024"),
    workload("receive/server/binary/16384"),
    workload("receive/server/ascii/125"),
    workload("receive/server/ascii/1024"),
    workload("receive/server/chinese/1024"),
    workload("receive/client/binary/16"),
    workload("receive/client/binary/1024"),
    workload("receive/server/binary/4096/fragments"),
    workload("receive/server/chinese/4096/fragments"),
    workload("receive/server/binary/4096/by 1460"),
    workload("receive/server/chinese/4096/by 1460"),
    workload("receive/server/binary/125/by 131"),
    workload("receive/server/binary/125/by 1"),
    workload("receive/server/chinese/1024/by 1"),
    workload("receive/server/binary/4096/whole by 1460"),
    workload("receive/server/binary/125/whole by 1"),
    workload("input buffer/server/binary/16"),
    workload("input buffer/server/binary/1024"),
    workload("input buffer/server/binary/4096/by 1460"),
    workload("input buffer/server/ascii/4096/by 1460"),
    workload("input buffer/server/binary/125/by 1"),
    workload("receive/server/chinese/4096/chunks"),
    workload("receive/server/ping/16"),
    workload("send/server/16"),
    workload("send/server/1024"),
    workload("send/client/16"),
    workload("send/client/125"),
    workload("send/client/1024"),
    workload("send/server/1024/prepared"),
    workload("handshake/server/short"),
    workload("handshake/server/browser"),
    workload("handshake/client"),
];

#[cfg(feature = "relay")]
pub const ALL: [Workload; 4] = [
    workload("relay/125"),
    workload("relay/16384"),
    workload("unmask then mask/125"),
    workload("unmask then mask/16384"),
];

/// Prepares the workload of that name. Returns the closure to run.
pub fn start(name: &str) -> Option<RunMessages> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        ["receive", end, content, size] => Some(receive(end, content, size.parse().ok()?, "")),
        ["receive", end, content, size, how] => Some(receive(end, content, size.parse().ok()?, how)),
        ["input buffer", end, content, size] => Some(receive_buffered(end, content, size.parse().ok()?, 64 << 10)),
        ["input buffer", end, content, size, how] => {
            let read = how.strip_prefix("by ")?.parse().ok()?;
            Some(receive_buffered(end, content, size.parse().ok()?, read))
        }
        ["send", "server", size, "prepared"] => Some(send_prepared(size.parse().ok()?)),
        ["send", end, size] => Some(send(end, size.parse().ok()?)),
        #[cfg(feature = "relay")]
        ["relay", size] => Some(relay::relay(size.parse().ok()?)),
        #[cfg(feature = "relay")]
        ["unmask then mask", size] => Some(relay::unmask_then_mask(size.parse().ok()?)),
        ["handshake", "server", "short"] => Some(serve(REQUEST)),
        ["handshake", "server", "browser"] => Some(serve(BROWSER_REQUEST)),
        ["handshake", "client"] => Some(connect()),
        _ => None,
    }
}

fn open(end: &str, config: Config) -> Connection {
    match end {
        "server" => Connection::upgraded_server(&Negotiated::default(), config),
        _ => Connection::upgraded_client(&Negotiated::default(), config, [7; 32]),
    }
}

fn text(content: &str, len: usize) -> String {
    let sample = match content {
        "chinese" => "道可道非常道名可名非常名無名天地之始有名萬物之母",
        _ => "It is a truth universally acknowledged, that a single man must be in want of a wife. ",
    };
    let mut text = String::new();
    for char in sample.chars().cycle() {
        if text.len() + char.len_utf8() > len {
            break;
        }
        text.push(char);
    }
    text.extend(std::iter::repeat_n('.', len - text.len()));
    text
}

/// Returns [`PERIOD`] messages, as the peer of `end` sends them with `config`.
fn stream(end: &str, content: &str, size: usize, config: Config) -> Vec<u8> {
    let mut peer = open(if end == "server" { "client" } else { "server" }, config);
    let text = text(content, size);
    let mut stream = Vec::new();
    for _ in 0..PERIOD {
        let sent = match content {
            "binary" => peer.send_binary(text.as_bytes(), &mut stream),
            "ping" => peer.ping(text.as_bytes(), &mut stream),
            _ => peer.send_text(&text, &mut stream),
        };
        sent.expect("an open connection");
    }
    stream
}

/// Receives a stream of [`PERIOD`] messages repeatedly, in reads of 64 KiB or as `how` says.
fn receive(end: &str, content: &str, size: usize, how: &str) -> RunMessages {
    let fragment_size = if how == "fragments" {
        NonZeroUsize::new(1000)
    } else {
        None
    };
    let stream = stream(end, content, size, Config::new().fragment_size(fragment_size));
    let whole = how.starts_with("whole ");
    let read = how
        .trim_start_matches("whole ")
        .strip_prefix("by ")
        .map_or(64 << 10, |n| n.parse().expect("a number"));
    let delivery = if how == "chunks" {
        Delivery::Chunks
    } else {
        Delivery::Messages
    };
    let mut connection = open(end, Config::new().delivery(delivery));
    let mut buffer = vec![0; 64 << 10];
    let mut out = Vec::new();
    Box::new(move |count| {
        let (mut seen, mut kept, mut wanted) = (0, 0, 0);
        for _ in 0..count / PERIOD {
            for piece in stream.chunks(read) {
                let filled = kept + piece.len();
                buffer[kept..filled].copy_from_slice(piece);
                kept = filled;
                if filled < wanted {
                    continue;
                }
                let mut input = &mut buffer[..filled];
                loop {
                    let event = match whole {
                        true => connection.receive_whole(&mut input, &mut out),
                        false => connection.receive(&mut input, &mut out),
                    };
                    let Some(event) = event.expect("a valid stream") else {
                        break;
                    };
                    seen += match &event {
                        Event::Text(text) => text.len(),
                        Event::Binary(data) | Event::Ping(data) => data.len(),
                        Event::Chunk(chunk) => chunk.as_bytes().len(),
                        other => panic!("{other:?}"),
                    };
                    if let Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_)) = event {
                        connection.recycle(event);
                    }
                }
                (kept, wanted) = (input.len(), 0);
                if kept > 0 {
                    wanted = kept + connection.wanted(input);
                    buffer.copy_within(filled - kept..filled, 0);
                }
                out.clear();
            }
        }
        assert_eq!(seen as u64, count * size as u64);
    })
}

/// Receives a stream of [`PERIOD`] messages repeatedly through an [`InputBuffer`].
fn receive_buffered(end: &str, content: &str, size: usize, read: usize) -> RunMessages {
    let stream = stream(end, content, size, Config::new());
    let mut connection = open(end, Config::new());
    let mut buffer = InputBuffer::new();
    let mut out = Vec::new();
    Box::new(move |count| {
        let mut seen = 0;
        for _ in 0..count / PERIOD {
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let room = buffer.room();
                let (piece, after) = rest.split_at(rest.len().min(read).min(room.len()));
                room[..piece.len()].copy_from_slice(piece);
                rest = after;
                buffer.filled(piece.len());
                while let Some(event) = buffer.receive(&mut connection, &mut out).expect("a valid stream") {
                    seen += match &event {
                        Event::Text(text) => text.len(),
                        Event::Binary(data) => data.len(),
                        other => panic!("{other:?}"),
                    };
                }
                out.clear();
            }
        }
        assert_eq!(seen as u64, count * size as u64);
    })
}

fn send_prepared(size: usize) -> RunMessages {
    let mut connection = open("server", Config::default());
    let message = PreparedMessage::binary(&vec![7; size]);
    let mut out = Vec::new();
    Box::new(move |count| {
        for at in 0..count {
            connection
                .send_prepared(black_box(&message), &mut out)
                .expect("an open connection");
            if at % 16 == 15 {
                black_box(&out);
                out.clear();
            }
        }
    })
}

fn send(end: &str, size: usize) -> RunMessages {
    let mut connection = open(end, Config::default());
    let payload = vec![7; size];
    let mut out = Vec::new();
    Box::new(move |count| {
        for at in 0..count {
            connection
                .send_binary(black_box(&payload), &mut out)
                .expect("an open connection");
            if at % 16 == 15 {
                black_box(&out);
                out.clear();
            }
        }
    })
}

fn serve(head: &'static str) -> RunMessages {
    let mut buffer = vec![0; head.len()];
    let mut out = Vec::new();
    Box::new(move |count| {
        for _ in 0..count {
            out.clear();
            answer(head.as_bytes(), &mut buffer, &mut out);
        }
    })
}

fn answer(head: &[u8], buffer: &mut [u8], out: &mut Vec<u8>) {
    let mut connection = Connection::server(Config::default());
    buffer.copy_from_slice(head);
    let mut input = buffer;
    while let Some(event) = connection.receive(&mut input, out).expect("a valid head") {
        let Event::Request(request) = event else {
            panic!("{event:?}")
        };
        connection
            .accept(&request, &Accept::new(), out)
            .expect("a valid request");
    }
    assert_eq!(connection.state(), State::Open);
}

fn connect() -> RunMessages {
    let request = ClientRequest::new("ws://example.com/chat?room=1").expect("a URL");
    let begin = move |out: &mut Vec<u8>| Connection::client(&request, Config::default(), [7; 32], out).expect("valid");
    let (mut head, mut response) = (Vec::new(), Vec::new());
    begin(&mut head);
    let mut buffer = vec![0; head.len()];
    answer(&head, &mut buffer, &mut response);
    let mut buffer = vec![0; response.len()];
    let mut out = Vec::new();
    Box::new(move |count| {
        for _ in 0..count {
            out.clear();
            let mut connection = begin(&mut out);
            buffer.copy_from_slice(&response);
            let mut input = &mut buffer[..];
            while let Some(event) = connection.receive(&mut input, &mut out).expect("a valid response") {
                black_box(&event);
            }
            assert_eq!(connection.state(), State::Open);
        }
    })
}
