//! The input and the expected output of the tests with faulty transports.

use sockless::{Config, Connection, Event, Message, Role, adapter::AsMessage};

use crate::{feed, frame, open};

/// The response of a server to a complete request.
pub fn server_response(request: &[u8]) -> Vec<u8> {
    feed(&mut Connection::server(Config::default()), request).out
}

/// The frames of `peer`: messages, fragments, Pings, and a Close frame at the end.
pub fn peer_input(peer: Role) -> Vec<u8> {
    [
        frame(peer, 0x81, "aé€😀".as_bytes()),
        frame(peer, 0x02, &[7; 300]),
        frame(peer, 0x89, b"ping"),
        frame(peer, 0x80, &[8; 100]),
        frame(peer, 0x82, b""),
        frame(peer, 0x89, b"pong"),
        frame(peer, 0x82, &[9; 5000]),
        frame(peer, 0x88, &[3, 232]),
    ]
    .concat()
}

/// The messages that are complete in `input`.
pub fn complete_messages(role: Role, input: &[u8]) -> Vec<Message<'static>> {
    let events = feed(&mut open(role, Config::default()), input).events;
    let message = |event| match event {
        Event::Text(text) => Some(Message::Text(text.into_owned().into())),
        Event::Binary(data) => Some(Message::Binary(data.into_owned().into())),
        _ => None,
    };
    events.into_iter().filter_map(message).collect()
}

/// Messages to send.
pub fn outgoing_messages() -> [Message<'static>; 3] {
    [
        Message::Text("abc".into()),
        Message::from(vec![5; 900]),
        Message::from(vec![6; 200]),
    ]
}

/// The expected output: the sent messages, and then the replies to `input`.
pub fn expected_output(role: Role, sent: &[Message<'static>], input: &[u8]) -> Vec<u8> {
    let (mut engine, mut out) = (open(role, Config::default()), Vec::new());
    for message in sent {
        match message.as_message() {
            Message::Text(text) => engine.send_text(&text, &mut out).unwrap(),
            Message::Binary(data) => engine.send_binary(&data, &mut out).unwrap(),
        }
    }
    out.extend(feed(&mut engine, input).out);
    out
}
