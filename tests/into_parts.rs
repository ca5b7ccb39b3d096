//! `Connection::into_parts` in every phase: what was taken from the transport is in an event or in
//! `unread`, or `lossless` is false.

use sockless::{Accept, ClientRequest, Config, Connection, Delivery, Event, Role, State, handshake::Negotiated};
use support::{
    REQUEST, ROLES, feed, frame,
    heads::{RESPONSE_FIELDS, SEED, head, undecided},
    open, peer_of,
};

/// The events of `input`. A request is accepted.
fn events(connection: &mut Connection, input: &[u8]) -> Vec<Event<'static>> {
    let mut bytes = input.to_vec();
    let mut input = &mut bytes[..];
    let mut events = Vec::new();
    while let Ok(Some(event)) = connection.receive(&mut input, &mut Vec::new()) {
        let event = event.into_owned();
        if let Event::Request(request) = &event {
            connection.accept(request, &Accept::new(), &mut Vec::new()).unwrap();
        }
        events.push(event);
    }
    events
}

fn client() -> Connection {
    let request = ClientRequest::new("ws://example.com/").unwrap();
    Connection::client(&request, Config::new(), SEED, &mut Vec::new()).unwrap()
}

/// The connection that continues after `first`.
fn successor(role: Role, state: State) -> Connection {
    match (role, state) {
        (Role::Client, State::Opening) => client(),
        (Role::Server, State::Opening) => Connection::server(Config::new()),
        (Role::Client, _) => Connection::upgraded_client(&Negotiated::default(), Config::new(), SEED),
        (Role::Server, _) => Connection::upgraded_server(&Negotiated::default(), Config::new()),
    }
}

/// F81: After any number of bytes of a stream from its first byte to its end, either a successor
/// that reads `unread` and the rest of the stream reports the remaining events, or `lossless` is
/// false. It is true for as long as nothing is lost.
#[test]
fn f81_parts_are_complete_or_say_that_they_are_not() {
    let frames = |sender: Role| {
        [
            frame(sender, 0x81, b"whole"),
            frame(sender, 0x01, "größe".as_bytes()),
            frame(sender, 0x89, b"ping"),
            frame(sender, 0x80, b"end"),
            frame(sender, 0x88, &[3, 232]),
        ]
        .concat()
    };
    let response = head("HTTP/1.1 101 Switching Protocols", &RESPONSE_FIELDS);
    let interim = head("HTTP/1.1 103 Early Hints", &[("Link", "</a>")]);
    let refusal = head("HTTP/1.1 401 Unauthorized", &[("Content-Length", "10")]);
    let mut lossy = 0;
    for (role, stream) in [
        (Role::Server, [REQUEST.as_bytes(), &frames(Role::Client)].concat()),
        (Role::Client, [&response[..], &frames(Role::Server)].concat()),
        (Role::Client, [&interim[..], &response, &frames(Role::Server)].concat()),
        (Role::Client, [&refusal[..], b"0123456789"].concat()),
    ] {
        let make = || successor(role, State::Opening);
        let whole = events(&mut make(), &stream);
        assert!(whole.len() == 1 || whole.len() == 5, "{whole:?}");
        for cut in 0..=stream.len() {
            let mut first = make();
            let mut found = events(&mut first, &stream[..cut]);
            let state = first.state();
            let parts = first.into_parts();
            let rest = [&parts.unread[..], &stream[cut..]].concat();
            found.extend(events(&mut successor(role, state), &rest));
            if parts.lossless {
                assert_eq!(found, whole, "{role:?}, cut at {cut}, {state:?}");
            } else {
                lossy += 1;
                let in_interim = stream.starts_with(&interim) && cut >= interim.len() && state == State::Opening;
                let in_refusal = stream.starts_with(&refusal) && cut >= refusal.len();
                let is_closed = matches!(state, State::Closing | State::Closed);
                assert!(
                    in_interim || in_refusal || is_closed,
                    "{role:?}, cut at {cut}, {state:?}"
                );
            }
        }
    }
    assert!(lossy > 0);
}

/// F81: A server that has not decided yet returns the frames after the request.
#[test]
fn f81_early_data_is_not_lost() {
    let early = frame(Role::Client, 0x81, b"early");
    let (mut server, _request) = undecided(Config::new(), REQUEST.as_bytes());
    assert_eq!(events(&mut server, &early), []);
    let parts = server.into_parts();
    assert!(parts.lossless);
    assert_eq!(parts.unread, early);
}

/// F81: What follows a Close frame or a failure is discarded, and the parts say so.
#[test]
fn f81_discarded_input_is_lost() {
    for role in ROLES {
        let peer = peer_of(role);
        for end in [frame(peer, 0x88, &[3, 232]), frame(peer, 0x83, b"")] {
            let mut connection = open(role, Config::new());
            feed(&mut connection, &[&end[..], b"more"].concat());
            let parts = connection.into_parts();
            assert_eq!((parts.unread, parts.lossless), (vec![], false));
        }
    }
}

/// F81: Invalid text whose valid beginning was delivered is lost with the connection.
#[test]
fn f81_invalid_text_after_a_chunk_is_lost() {
    for role in ROLES {
        let mut connection = open(role, Config::new().delivery(Delivery::Chunks));
        let mut bytes = frame(peer_of(role), 0x81, b"ab\xffcd");
        let mut input = &mut bytes[..];
        let event = connection.receive(&mut input, &mut Vec::new()).unwrap();
        assert!(
            matches!(&event, Some(Event::Chunk(chunk)) if chunk.as_bytes() == b"ab"),
            "{event:?}"
        );
        assert!(!connection.into_parts().lossless);
    }
}
