//! Another implementation as the other end: what tungstenite sends arrives here, and what is sent here arrives there.

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
        conversation::{Conversation, Step},
        options::{cuts, fragments_of},
    },
    open, peer_of, without_fast_paths,
};

/// A transport in memory that gives and takes a few bytes at a time.
#[derive(Debug)]
struct Wire {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    piece: usize,
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buf.len().min(self.piece);
        self.incoming.read(&mut buf[..len])
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let len = buf.len().min(self.piece);
        self.outgoing.extend_from_slice(&buf[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: Role, piece: usize) -> WebSocket<Wire> {
    let wire = Wire {
        incoming: VecDeque::new(),
        outgoing: Vec::new(),
        piece,
    };
    let role = match role {
        Role::Client => protocol::Role::Client,
        Role::Server => protocol::Role::Server,
    };
    WebSocket::from_raw_socket(wire, role, None)
}

/// Everything that has arrived at theirs, and whether it says that the connection is closed.
fn read_all(theirs: &mut WebSocket<Wire>) -> (Vec<Message>, bool) {
    let mut messages = Vec::new();
    loop {
        match theirs.read() {
            Ok(message) => messages.push(message),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (messages, false),
            Err(Error::ConnectionClosed) => return (messages, true),
            Err(error) => panic!("{error} after {messages:?}"),
        }
    }
}

fn their_close(frame: Option<&CloseFrame<'_>>) -> Option<protocol::CloseFrame> {
    frame.map(|frame| protocol::CloseFrame {
        code: frame.code.0.into(),
        reason: frame.reason.to_string().into(),
    })
}

/// An event in their words.
fn message(event: &Event<'_>) -> Message {
    match event {
        Event::Text(text) => Message::text(text.to_string()),
        Event::Binary(data) => Message::binary(data.to_vec()),
        Event::Ping(data) => Message::Ping(data.to_vec().into()),
        Event::Pong(data) => Message::Pong(data.to_vec().into()),
        Event::Close(frame) => Message::Close(their_close(frame.as_ref())),
        event => panic!("{event:?}"),
    }
}

/// Sends a conversation through theirs.
fn send_theirs(theirs: &mut WebSocket<Wire>, conversation: &Conversation) {
    let mut in_message = false;
    for step in &conversation.steps {
        let message = match step {
            Step::Message(MessageKind::Text, data) => Message::text(String::from_utf8(data.clone()).unwrap()),
            Step::Message(MessageKind::Binary, data) => Message::binary(data.clone()),
            Step::Fragment(kind, data, last) => {
                let opcode = match kind {
                    _ if in_message => Data::Continue,
                    MessageKind::Text => Data::Text,
                    MessageKind::Binary => Data::Binary,
                };
                in_message = !last;
                Message::Frame(Frame::message(data.clone(), OpCode::Data(opcode), *last))
            }
            Step::Ping(data) => Message::Ping(data.clone().into()),
            Step::Pong(data) => Message::Pong(data.clone().into()),
            Step::Close(frame) => Message::Close(their_close(frame.as_ref())),
        };
        theirs.send(message).unwrap();
    }
}

fn pongs(events: &[Event<'_>]) -> Vec<Vec<u8>> {
    let pings = events.iter().filter_map(|event| match event {
        Event::Ping(data) => Some(data.to_vec()),
        _ => None,
    });
    pings.collect()
}

/// What they send, we receive; what we answer, they receive.
fn they_send(our_role: Role, conversation: &Conversation, seed: u8) {
    let mut theirs = theirs(peer_of(our_role), usize::from(seed) + 1);
    send_theirs(&mut theirs, conversation);
    let sent = std::mem::take(&mut theirs.get_mut().outgoing);
    let mut ours = open(our_role, Config::default());
    let outcome = feed_cut(&mut ours, &sent, &cuts(seed, sent.len()));
    let expected = conversation.events();
    assert_eq!((&outcome.events, outcome.error), (&expected, None));
    let mut general = without_fast_paths(open(our_role, Config::default()));
    assert_eq!(feed_cut(&mut general, &sent, &cuts(seed, sent.len())), outcome);

    theirs.get_mut().incoming.extend(&outcome.out);
    let (mut answers, closed) = read_all(&mut theirs);
    if let Some(Event::Close(frame)) = expected.last() {
        let echo = frame.as_ref().map(|frame| CloseFrame::new(frame.code, ""));
        assert_eq!(answers.pop(), Some(Message::Close(their_close(echo.as_ref()))));
        assert_eq!(ours.state(), State::Closed);
        // Their server closes the transport first, their client waits for us to do so (section 7.1.1).
        assert_eq!(closed, our_role == Role::Client);
    }
    let pongs: Vec<Message> = pongs(&expected)
        .into_iter()
        .map(|data| Message::Pong(data.into()))
        .collect();
    assert_eq!(answers, pongs);
}

/// What we send, they receive; what they answer, we receive.
fn we_send(our_role: Role, conversation: &Conversation, fragment_size: u8, seed: u8) {
    let (mut ours, mut out) = (open(our_role, fragments_of(fragment_size)), Vec::new());
    conversation.send(&mut ours, &mut out);
    let mut general = without_fast_paths(open(our_role, fragments_of(fragment_size)));
    let mut same = Vec::new();
    conversation.send(&mut general, &mut same);
    assert_eq!(out, same);
    let mut theirs = theirs(peer_of(our_role), usize::from(seed) + 1);
    theirs.get_mut().incoming.extend(&out);
    let (messages, _) = read_all(&mut theirs);
    let expected = conversation.events();
    assert_eq!(messages, expected.iter().map(message).collect::<Vec<_>>());

    let answers = std::mem::take(&mut theirs.get_mut().outgoing);
    check_answers(&mut ours, &answers, &expected);
}

fn check_answers(ours: &mut Connection, answers: &[u8], sent: &[Event<'_>]) {
    let outcome = feed(ours, answers);
    assert_eq!(outcome.error, None);
    assert_eq!(frames(ours.role(), &outcome.out), []);
    let mut events = outcome.events;
    if let Some(Event::Close(frame)) = sent.last() {
        // They repeat the reason as well.
        assert_eq!(
            events.pop(),
            Some(Event::Close(frame.clone().map(CloseFrame::into_owned)))
        );
        assert_eq!(ours.state(), State::Closed);
        assert!(ours.close_status().unwrap().is_clean());
    }
    let pongs: Vec<Event<'_>> = pongs(sent).into_iter().map(|data| Event::Pong(data.into())).collect();
    assert_eq!(events, pongs);
}

proptest! {
    #![proptest_config(streams::cases(128))]

    /// R072 R075 R079 R093 R095 R104 R105: what tungstenite's client sends arrives at our server, and the answers there.
    #[test]
    fn s6_2_what_their_client_sends_our_server_receives(conversation in streams::conversation(), seed in any::<u8>()) {
        they_send(Role::Server, &conversation, seed);
    }

    /// R072 R075 R079 R093 R095 R104: what tungstenite's server sends arrives at our client, and the answers there.
    #[test]
    fn s6_2_what_their_server_sends_our_client_receives(conversation in streams::conversation(), seed in any::<u8>()) {
        they_send(Role::Client, &conversation, seed);
    }

    /// R059 R066 R071 R072 R103: what our client sends in frames of any size arrives at tungstenite's server.
    #[test]
    fn s6_1_what_our_client_sends_their_server_receives(
        conversation in streams::conversation(), fragment_size in any::<u8>(), seed in any::<u8>(),
    ) {
        we_send(Role::Client, &conversation, fragment_size, seed);
    }

    /// R061 R066 R072 R103: what our server sends in frames of any size arrives at tungstenite's client.
    #[test]
    fn s6_1_what_our_server_sends_their_client_receives(
        conversation in streams::conversation(), fragment_size in any::<u8>(), seed in any::<u8>(),
    ) {
        we_send(Role::Server, &conversation, fragment_size, seed);
    }
}

/// R088 R123: every code that both allow, in both directions and roles.
#[test]
fn s7_4_close_codes_arrive_in_both_directions() {
    let codes = (1000..5000).filter(|&code| protocol::frame::coding::CloseCode::from(code).is_allowed());
    let mut tried = 0;
    for code in codes {
        for role in [Role::Server, Role::Client] {
            let frame = CloseFrame::new(code, "why, «then»");
            let conversation = Conversation {
                steps: vec![Step::Close(Some(frame))],
            };
            // "1010 ... is not used by the server" (section 7.4.1): a server neither sends nor repeats it.
            if code != 1010 {
                they_send(role, &conversation, 0);
                we_send(role, &conversation, 0, 0);
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
