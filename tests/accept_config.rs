//! Limits, delivery and compression that a server chooses when it accepts a request.

use std::num::NonZeroUsize;

use sockless::{Accept, Config, Connection, Event, Role, State};
use support::{Outcome, REQUEST, frame, frames, too_big, without_fast_paths};

/// A route with settings that all differ from the defaults.
fn route() -> Config {
    Config::new()
        .max_message_size(10)
        .max_fragments(2)
        .fragment_size(NonZeroUsize::new(3))
        .delivery(sockless::Delivery::Chunks)
        .auto_pong(false)
        .auto_close(false)
}

/// Receives a request and `frames` in pieces that end at `cuts`, accepts the request as `accept`
/// says, and sends "abcd".
fn run(mut server: Connection, accept: &Accept<'_>, frames: &[u8], cuts: &[usize]) -> Outcome {
    let input = [REQUEST.as_bytes(), frames].concat();
    let (mut outcome, mut from) = (Outcome::default(), 0);
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut piece = input[from..to].to_vec();
        from = to;
        let mut rest = &mut piece[..];
        loop {
            match server.receive(&mut rest, &mut outcome.out) {
                Ok(Some(Event::Request(request))) => {
                    server.accept(&request, accept, &mut outcome.out).unwrap();
                    outcome.out.clear();
                    server.send_text("abcd", &mut outcome.out).unwrap();
                }
                Ok(Some(event)) => outcome.events.push(event.into_owned()),
                Ok(None) => break,
                Err(error) => {
                    outcome.error = Some(*error);
                    return outcome;
                }
            }
        }
    }
    outcome
}

/// A connection with the settings of an acceptance behaves as one that was created with them, for
/// any cut, and whatever it was created with.
#[test]
fn the_settings_of_an_acceptance_replace_those_of_the_connection() {
    let streams = [
        frame(Role::Client, 0x82, &[0; 11]),
        [0x02, 0x00, 0x80]
            .map(|first| frame(Role::Client, first, b"x"))
            .concat(),
        [frame(Role::Client, 0x81, b"hi"), frame(Role::Client, 0x89, b"?")].concat(),
        [frame(Role::Client, 0x81, b"hi"), frame(Role::Client, 0x88, &[])].concat(),
    ];
    let (route, other) = (route(), Config::new());
    for stream in &streams {
        let bytewise = (1..REQUEST.len() + stream.len()).collect();
        for cuts in [vec![], vec![REQUEST.len()], vec![REQUEST.len() + 3], bytewise] {
            for (chosen, default) in [(&route, &other), (&other, &route)] {
                let server = Connection::server(chosen.clone().max_head_size(1000));
                let expected = run(server, &Accept::new(), stream, &cuts);
                let accept = Accept::new().config(chosen);
                let server = || Connection::server(default.clone());
                assert_eq!(run(server(), &accept, stream, &cuts), expected, "{stream:x?} {cuts:?}");
                let general = run(without_fast_paths(server()), &accept, stream, &cuts);
                assert_eq!(general, expected, "{stream:x?} {cuts:?}");
            }
        }
    }
    // The settings have their effect at all.
    let outcome = run(
        Connection::server(other),
        &Accept::new().config(&route),
        &streams[0],
        &[],
    );
    assert_eq!(outcome.error, Some(too_big(11, 10)));
    let sent = frames(Role::Server, &outcome.out);
    assert_eq!(sent[..2], [(0x01, b"abc".to_vec()), (0x80, b"d".to_vec())]);
}

/// An acceptance that cannot be sent changes no settings.
#[test]
fn a_failed_acceptance_changes_nothing() {
    let route = route();
    let mut server = Connection::server(Config::new());
    let (mut head, mut out) = (REQUEST.as_bytes().to_vec(), Vec::new());
    let mut input = &mut head[..];
    let Ok(Some(Event::Request(request))) = server.receive(&mut input, &mut out) else {
        panic!()
    };
    let failing = Accept::new().config(&route).subprotocol(Some("not offered"));
    assert!(server.accept(&request, &failing, &mut out).is_err());
    assert_eq!(server.state(), State::Opening);
    server.accept(&request, &Accept::new(), &mut out).unwrap();
    out.clear();
    server.send_text("abcd", &mut out).unwrap();
    assert_eq!(frames(Role::Server, &out), [(0x81, b"abcd".to_vec())]);
}

/// A limit that is set on the connection before the acceptance is replaced too.
#[test]
fn the_acceptance_replaces_an_earlier_limit() {
    let config = Config::new().max_message_size(10);
    let mut server = Connection::server(Config::new());
    server.set_max_message_size(5);
    let stream = [frame(Role::Client, 0x82, &[0; 10]), frame(Role::Client, 0x82, &[0; 11])].concat();
    let outcome = run(server, &Accept::new().config(&config), &stream, &[]);
    assert_eq!((outcome.events.len(), outcome.error), (1, Some(too_big(11, 10))));
}

#[cfg(feature = "deflate")]
mod compression {
    use sockless::{Request, deflate::DeflateConfig};
    use support::heads::BROWSER_REQUEST;

    use super::*;

    /// The value of the extension header in the response, with the settings of the connection and
    /// those of the acceptance.
    fn answer(connection: &Config, accept: &Accept<'_>) -> (Option<String>, Vec<u8>) {
        let mut server = Connection::server(connection.clone());
        let (mut head, mut out) = (BROWSER_REQUEST.as_bytes().to_vec(), Vec::new());
        let mut input = &mut head[..];
        let Ok(Some(Event::Request(request))) = server.receive(&mut input, &mut out) else {
            panic!()
        };
        server.accept(&request, accept, &mut out).unwrap();
        let head = String::from_utf8(std::mem::take(&mut out)).unwrap();
        let header = |line: &str| line.strip_prefix("Sec-WebSocket-Extensions: ").map(String::from);
        server.send_text(&"a".repeat(100), &mut out).unwrap();
        (head.lines().find_map(header), out)
    }

    /// The settings of permessage-deflate are those of the acceptance: on, off, and how.
    #[test]
    fn compression_is_chosen_by_the_acceptance() {
        let (off, on) = (Config::new(), Config::new().deflate(DeflateConfig::new()));
        let no_takeover = Config::new().deflate(DeflateConfig::new().server_no_context_takeover(true));
        let never = Config::new().deflate(DeflateConfig::new().threshold(101));
        for default in [&off, &on, &no_takeover, &never] {
            let (header, sent) = answer(default, &Accept::new().config(&off));
            assert_eq!((header, sent[0]), (None, 0x81));
            let (header, sent) = answer(default, &Accept::new().config(&on));
            assert_eq!((header.as_deref(), sent[0]), (Some("permessage-deflate"), 0xC1));
            let (header, _) = answer(default, &Accept::new().config(&no_takeover));
            assert_eq!(
                header.as_deref(),
                Some("permessage-deflate; server_no_context_takeover")
            );
            let (header, sent) = answer(default, &Accept::new().config(&never));
            assert_eq!((header.as_deref(), sent[0]), (Some("permessage-deflate"), 0x81));
            let (header, _) = answer(default, &Accept::new().config(&on).decline_deflate());
            assert_eq!(header, None);
        }
    }

    /// The same for a server that uses another HTTP implementation.
    #[test]
    fn compression_is_chosen_by_the_acceptance_of_a_parsed_request() {
        let headers: [(&str, &[u8]); 6] = [
            ("host", b"example.com"),
            ("upgrade", b"websocket"),
            ("connection", b"Upgrade"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", b"13"),
            ("sec-websocket-extensions", b"permessage-deflate"),
        ];
        let request = Request::from_list("GET", "/", headers).unwrap();
        let (off, on) = (Config::new(), Config::new().deflate(DeflateConfig::new()));
        for default in [&off, &on] {
            for (chosen, is_on) in [(&off, false), (&on, true)] {
                let accept = Accept::new().config(chosen);
                let (_, negotiated) = request.acceptance(&accept, default).unwrap();
                assert_eq!(negotiated.deflate.is_some(), is_on);
            }
        }
    }
}

/// An adapter keeps to the settings of the acceptance: its limits, and its delivery.
#[cfg(feature = "std")]
#[test]
fn an_adapter_takes_the_settings_of_an_acceptance() {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use sockless::{
        ClientRequest, Message,
        adapter::{
            Error, Settings,
            std_net::{Incoming, WebSocket},
        },
    };

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let (mut client, _) = WebSocket::client(stream, &request, Settings::new()).unwrap();
        client.send(&b"0123456789"[..]).unwrap();
        client.send(&b"0123456789-"[..]).unwrap();
        while let Ok(Some(_)) = client.recv() {}
    });
    let config = Config::new().max_message_size(10).delivery(sockless::Delivery::Chunks);
    let incoming = Incoming::new(listener.accept().unwrap().0, Settings::new()).unwrap();
    let mut server = incoming.accept(&Accept::new().config(&config)).unwrap();
    let chunk = server.recv_chunk().unwrap().unwrap();
    assert_eq!(chunk.data, Message::from(b"0123456789"));
    let Err(Error::Protocol(error)) = server.recv_chunk() else {
        panic!()
    };
    assert_eq!(*error, too_big(11, 10));
    client.join().unwrap();
}
