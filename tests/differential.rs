//! Messages to and from another implementation, tungstenite, arrive as they were sent.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use proptest::prelude::*;
use sockless::{CloseFrame, Config, Connection, Event, MessageKind, Role, State};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{
        self,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use crate::streams;
use support::{
    feed, feed_cut, frames,
    laws::{
        conversation::{Conversation, SendCall},
        options::{cuts, with_fragment_size},
    },
    open, peer_of, without_fast_paths,
};

/// A transport in memory that reads and writes a few bytes at a time.
#[derive(Debug)]
struct MemoryTransport {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    piece: usize,
}

impl Read for MemoryTransport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buf.len().min(self.piece);
        self.incoming.read(&mut buf[..len])
    }
}

impl Write for MemoryTransport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let len = buf.len().min(self.piece);
        self.outgoing.extend_from_slice(&buf[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenite_endpoint(role: Role, piece: usize) -> WebSocket<MemoryTransport> {
    let transport = MemoryTransport {
        incoming: VecDeque::new(),
        outgoing: Vec::new(),
        piece,
    };
    let role = match role {
        Role::Client => protocol::Role::Client,
        Role::Server => protocol::Role::Server,
    };
    WebSocket::from_raw_socket(transport, role, None)
}

/// Everything that tungstenite has received, and whether it reports that the connection is closed.
fn read_all(tungstenite: &mut WebSocket<MemoryTransport>) -> (Vec<Message>, bool) {
    let mut messages = Vec::new();
    loop {
        match tungstenite.read() {
            Ok(message) => messages.push(message),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (messages, false),
            Err(Error::ConnectionClosed) => return (messages, true),
            Err(error) => panic!("{error} after {messages:?}"),
        }
    }
}

fn tungstenite_close(frame: Option<&CloseFrame<'_>>) -> Option<protocol::CloseFrame> {
    frame.map(|frame| protocol::CloseFrame {
        code: frame.code.0.into(),
        reason: frame.reason.to_string().into(),
    })
}

/// The event as a message of tungstenite.
fn tungstenite_message(event: &Event<'_>) -> Message {
    match event {
        Event::Text(text) => Message::text(text.to_string()),
        Event::Binary(data) => Message::binary(data.to_vec()),
        Event::Ping(data) => Message::Ping(data.to_vec().into()),
        Event::Pong(data) => Message::Pong(data.to_vec().into()),
        Event::Close(frame) => Message::Close(tungstenite_close(frame.as_ref())),
        event => panic!("{event:?}"),
    }
}

/// Sends a conversation with tungstenite.
fn send_with_tungstenite(tungstenite: &mut WebSocket<MemoryTransport>, conversation: &Conversation) {
    let mut in_message = false;
    for call in &conversation.calls {
        let message = match call {
            SendCall::Message(MessageKind::Text, data) => Message::text(String::from_utf8(data.clone()).unwrap()),
            SendCall::Message(MessageKind::Binary, data) => Message::binary(data.clone()),
            SendCall::Fragment(kind, data, last) => {
                let opcode = match kind {
                    _ if in_message => Data::Continue,
                    MessageKind::Text => Data::Text,
                    MessageKind::Binary => Data::Binary,
                };
                in_message = !last;
                Message::Frame(Frame::message(data.clone(), OpCode::Data(opcode), *last))
            }
            SendCall::Ping(data) => Message::Ping(data.clone().into()),
            SendCall::Pong(data) => Message::Pong(data.clone().into()),
            SendCall::Close(frame) => Message::Close(tungstenite_close(frame.as_ref())),
        };
        tungstenite.send(message).unwrap();
    }
}

fn payloads_of_pings(events: &[Event<'_>]) -> Vec<Vec<u8>> {
    let pings = events.iter().filter_map(|event| match event {
        Event::Ping(data) => Some(data.to_vec()),
        _ => None,
    });
    pings.collect()
}

/// This crate receives what tungstenite sends, and tungstenite receives the replies.
fn tungstenite_sends(role: Role, conversation: &Conversation, seed: u8) {
    let mut tungstenite = tungstenite_endpoint(peer_of(role), usize::from(seed) + 1);
    send_with_tungstenite(&mut tungstenite, conversation);
    let sent = std::mem::take(&mut tungstenite.get_mut().outgoing);
    let mut connection = open(role, Config::default());
    let outcome = feed_cut(&mut connection, &sent, &cuts(seed, sent.len()));
    let expected = conversation.events();
    assert_eq!((&outcome.events, outcome.error), (&expected, None));
    let mut general = without_fast_paths(open(role, Config::default()));
    assert_eq!(feed_cut(&mut general, &sent, &cuts(seed, sent.len())), outcome);

    tungstenite.get_mut().incoming.extend(&outcome.out);
    let (mut replies, is_closed) = read_all(&mut tungstenite);
    if let Some(Event::Close(frame)) = expected.last() {
        let echo = frame.as_ref().map(|frame| CloseFrame::new(frame.code, ""));
        assert_eq!(replies.pop(), Some(Message::Close(tungstenite_close(echo.as_ref()))));
        assert_eq!(connection.state(), State::Closed);
        // Tungstenite's server closes the transport first, its client waits for this crate's server
        // (section 7.1.1).
        assert_eq!(is_closed, role == Role::Client);
    }
    let pongs: Vec<Message> = payloads_of_pings(&expected)
        .into_iter()
        .map(|data| Message::Pong(data.into()))
        .collect();
    assert_eq!(replies, pongs);
}

/// Tungstenite receives what this crate sends, and this crate receives the replies.
fn this_crate_sends(role: Role, conversation: &Conversation, fragment_size: u8, seed: u8) {
    let (mut connection, mut out) = (open(role, with_fragment_size(fragment_size)), Vec::new());
    conversation.send(&mut connection, &mut out);
    let mut general = without_fast_paths(open(role, with_fragment_size(fragment_size)));
    let mut out_of_general_path = Vec::new();
    conversation.send(&mut general, &mut out_of_general_path);
    assert_eq!(out, out_of_general_path);
    let mut tungstenite = tungstenite_endpoint(peer_of(role), usize::from(seed) + 1);
    tungstenite.get_mut().incoming.extend(&out);
    let (messages, _) = read_all(&mut tungstenite);
    let expected = conversation.events();
    assert_eq!(messages, expected.iter().map(tungstenite_message).collect::<Vec<_>>());

    let replies = std::mem::take(&mut tungstenite.get_mut().outgoing);
    check_replies(&mut connection, &replies, &expected);
}

fn check_replies(connection: &mut Connection, replies: &[u8], sent: &[Event<'_>]) {
    let outcome = feed(connection, replies);
    assert_eq!(outcome.error, None);
    assert_eq!(frames(connection.role(), &outcome.out), []);
    let mut events = outcome.events;
    if let Some(Event::Close(frame)) = sent.last() {
        // Tungstenite also echoes the reason.
        assert_eq!(
            events.pop(),
            Some(Event::Close(frame.clone().map(CloseFrame::into_owned)))
        );
        assert_eq!(connection.state(), State::Closed);
        assert!(connection.close_status().unwrap().is_clean());
    }
    let pongs: Vec<Event<'_>> = payloads_of_pings(sent)
        .into_iter()
        .map(|data| Event::Pong(data.into()))
        .collect();
    assert_eq!(events, pongs);
}

proptest! {
    #![proptest_config(streams::cases(128))]

    /// R072 R075 R079 R093 R095 R104 R105: A server receives what tungstenite's client sends, which
    /// receives the replies.
    #[test]
    fn s6_2_a_server_receives_what_tungstenites_client_sends(conversation in streams::conversation(), seed in any::<u8>()) {
        tungstenite_sends(Role::Server, &conversation, seed);
    }

    /// R072 R075 R079 R093 R095 R104: A client receives what tungstenite's server sends, which
    /// receives the replies.
    #[test]
    fn s6_2_a_client_receives_what_tungstenites_server_sends(conversation in streams::conversation(), seed in any::<u8>()) {
        tungstenite_sends(Role::Client, &conversation, seed);
    }

    /// R059 R066 R071 R072 R103: Tungstenite's server receives what a client sends in frames of any
    /// size.
    #[test]
    fn s6_1_tungstenites_server_receives_what_a_client_sends(
        conversation in streams::conversation(), fragment_size in any::<u8>(), seed in any::<u8>(),
    ) {
        this_crate_sends(Role::Client, &conversation, fragment_size, seed);
    }

    /// R061 R066 R072 R103: Tungstenite's client receives what a server sends in frames of any
    /// size.
    #[test]
    fn s6_1_tungstenites_client_receives_what_a_server_sends(
        conversation in streams::conversation(), fragment_size in any::<u8>(), seed in any::<u8>(),
    ) {
        this_crate_sends(Role::Server, &conversation, fragment_size, seed);
    }
}

/// R088 R123: Every code that both crates permit arrives, in both directions and roles.
#[test]
fn s7_4_close_codes_arrive_in_both_directions() {
    let codes = (1000..5000).filter(|&code| protocol::frame::coding::CloseCode::from(code).is_allowed());
    let mut tried = 0;
    for code in codes {
        for role in [Role::Server, Role::Client] {
            let frame = CloseFrame::new(code, "why, «then»");
            let conversation = Conversation {
                calls: vec![SendCall::Close(Some(frame))],
            };
            // "1010 ... is not used by the server" (section 7.4.1): a server neither sends nor
            // echoes it.
            if code != 1010 {
                tungstenite_sends(role, &conversation, 0);
                this_crate_sends(role, &conversation, 0, 0);
                tried += 1;
            }
        }
    }
    assert_eq!(
        tried,
        2 * (4 + 7 - 1 + 2000),
        "1000 to 1003, 1007 to 1013 less 1010, 3000 to 4999"
    );
}
