//! The verdict of tungstenite.

use std::{
    convert::Infallible,
    io::{self, Read, Write},
};

use sockless::{Event, Role};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{self, WebSocketConfig},
};

use crate::{case::Case, verdict::Verdict};

/// A transport in memory, from which pieces arrive.
struct Transport {
    incoming: Vec<u8>,
    read: usize,
    /// Where the pieces end.
    cuts: Vec<usize>,
    outgoing: Vec<u8>,
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let cut = self.cuts.partition_point(|&cut| cut <= self.read);
        let end = self.cuts.get(cut).copied().unwrap_or(self.incoming.len());
        let len = buf.len().min(end - self.read);
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buf[..len].copy_from_slice(&self.incoming[self.read..][..len]);
        self.read += len;
        Ok(len)
    }
}

impl Write for Transport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn verdict(case: &Case) -> Verdict {
    let incoming = case.stream();
    let transport = Transport {
        cuts: case.cuts(incoming.len()),
        incoming,
        read: 0,
        outgoing: Vec::new(),
    };
    let limit = usize::try_from(case.limit).ok();
    let config = WebSocketConfig::default()
        .read_buffer_size(2048)
        .max_frame_size(limit)
        .max_message_size(limit);
    let role = match case.role {
        Role::Client => protocol::Role::Client,
        Role::Server => protocol::Role::Server,
    };
    let mut peer = WebSocket::from_raw_socket(transport, role, Some(config));
    if case.closes_first {
        let frame = protocol::CloseFrame {
            code: 1000.into(),
            reason: "".into(),
        };
        peer.close(Some(frame)).expect("the connection is open");
        peer.get_mut().outgoing.clear();
    }
    let mut verdict = Verdict::default();
    let Err(error) = read_all(&mut peer, &mut verdict);
    verdict.violation = match error {
        Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Error::ConnectionClosed => None,
        Error::Protocol(_) => Some(1002),
        Error::Utf8(_) => Some(1007),
        Error::Capacity(_) => Some(1009),
        error => panic!("{error:?}"),
    };
    verdict.replies = support::frames(case.role, &peer.get_ref().outgoing);
    as_violation(&mut verdict);
    verdict
}

/// Reads up to an error or a Close frame. What answers it is sent then.
fn read_all(peer: &mut WebSocket<Transport>, verdict: &mut Verdict) -> Result<Infallible, Error> {
    loop {
        match peer.read()? {
            Message::Text(text) => verdict.text(text.to_string()),
            Message::Binary(data) => verdict.events.push(Event::Binary(data.to_vec().into())),
            Message::Ping(data) => verdict.events.push(Event::Ping(data.to_vec().into())),
            Message::Pong(data) => verdict.events.push(Event::Pong(data.to_vec().into())),
            Message::Close(frame) => {
                match frame {
                    None => verdict.events.push(Event::Close(None)),
                    Some(frame) => verdict.close(frame.code.into(), frame.reason.to_string()),
                }
                peer.flush()?;
                return Err(Error::ConnectionClosed);
            }
            Message::Frame(frame) => panic!("{frame}"),
        }
    }
}

/// Tungstenite reports a Close frame with a forbidden code as one with 1002 and a reason that no
/// case has, and answers it with that.
fn as_violation(verdict: &mut Verdict) {
    if let Some(Event::Close(Some(frame))) = verdict.events.last() {
        if frame.reason == "Protocol violation" {
            verdict.violation = Some(frame.code.0);
            verdict.events.pop();
            verdict.replies.pop();
        }
    }
}
