//! The recorder, and a replay with the same result.

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Delivery, Event, InputBuffer, MessageKind, PreparedMessage, State,
    frame::{Header, ReservedBits},
    handshake::{Negotiated, Scheme},
    recording::{Recording, ReplayError},
};

#[cfg(feature = "deflate")]
use super::SEED;
use super::{Ends, Tape, replay};

fn request() -> ClientRequest {
    ClientRequest::new("wss://example.com:8443/chat?room=1")
        .unwrap()
        .origin("https://example.com:8443")
        .subprotocol("chat.v2")
        .subprotocol("chat.v1")
        .header("Authorization", "Bearer mF_9.B5f-4.1JqM")
        .header("Cookie", "id=\"1\"")
        .extension("x-checksum", ReservedBits::RSV2)
}

/// Calls of every kind, on both ends, are the same in a replay.
#[test]
fn every_call_replays() {
    let config = Config::new().max_message_size(100_000);
    let headers = [("Set-Cookie", "id=2")];
    let extensions = [("x-checksum", ReservedBits::RSV2)];
    let accept = Accept::new()
        .subprotocol(Some("chat.v1"))
        .headers(&headers)
        .origins(&["https://other.example", "https://example.com:8443"])
        .public_scheme(Scheme::Https)
        .hosts(&["example.com"])
        .config(&config)
        .extensions(&extensions);
    let mut ends = Ends::open(&request(), Config::new(), &accept);
    let news = PreparedMessage::binary(&[0, 1, 2, 255]);
    for end in [&mut ends.client, &mut ends.server] {
        let (mut out, mut buf) = (Vec::new(), [&[0; Header::MAX_LEN][..], b"in place"].concat());
        end.send_text("hello \"you\" \u{e9}\r\n", &mut out).unwrap();
        end.send_binary(&[0; 70], &mut out).unwrap();
        end.send_fragment(MessageKind::Text, b"one", false, &mut out).unwrap();
        end.ping(b"ping", &mut out).unwrap();
        end.send_fragment_with(MessageKind::Text, b"two", true, ReservedBits::RSV2, &mut out)
            .unwrap();
        let frame = end.send_in_place(MessageKind::Text, &mut buf).unwrap();
        out.extend_from_slice(frame);
        let mut payload = *b"fragment";
        end.send_fragment_header(MessageKind::Binary, &mut payload, true, &mut out)
            .unwrap();
        out.extend_from_slice(&payload);
        end.send_prepared(&news, &mut out).unwrap();
        out.extend_from_slice(end.prepared_frame(&news).unwrap_or_default());
        end.pong(b"", &mut out).unwrap();
        end.set_max_message_size(50_000);
        end.ping(&[0; 126], &mut out).unwrap_err();
        // The payload is not the recorder's.
        let _header = end.send_header(MessageKind::Binary, 5, &mut Vec::new());
        match end.role() {
            sockless::Role::Client => ends.to_server.append(&mut out),
            sockless::Role::Server => ends.to_client.append(&mut out),
        }
    }
    assert_eq!(ends.server_receives().len(), 8);
    assert_eq!(ends.client_receives().len(), 10);
    ends.client.close(None, "reason", &mut ends.to_server).unwrap_err();
    ends.client
        .close(CloseCode::NORMAL, "bye", &mut ends.to_server)
        .unwrap();
    ends.server_receives();
    ends.client_receives();
    ends.client.receive_eof().unwrap();
    for (tape, end) in ends.tapes.iter().zip([&ends.client, &ends.server]) {
        let replayed = replay(tape);
        assert_eq!(replayed.state(), State::Closed);
        assert_eq!(replayed.close_status(), end.close_status());
    }
}

#[test]
fn rejections_and_refusals_replay() {
    let mut ends = Ends::new(&request(), Config::new(), |recorder| recorder);
    let Some(Event::Request(request)) = ends.server_receives().pop() else {
        panic!()
    };
    let not_allowed = Accept::new().origins(&[]);
    ends.server
        .accept(&request, &not_allowed, &mut ends.to_client)
        .unwrap_err();
    ends.server
        .reject(404, &[("Retry-After", "5")], b"not here", &mut ends.to_client)
        .unwrap();
    assert!(matches!(ends.client_receives()[..], [Event::Refused(_)]));
    ends.tapes.iter().for_each(|tape| _ = replay(tape));
}

/// What the other tests do not choose for a request or an acceptance.
#[test]
fn choices_replay() {
    let request = ClientRequest::new("ws://h/")
        .unwrap()
        .subprotocol("chat")
        .require_subprotocol(true);
    let accept = Accept::new().subprotocol(Some("chat")).any_origin();
    #[cfg(feature = "deflate")]
    let accept = accept.decline_deflate();
    let ends = Ends::open(&request, Config::new(), &accept);
    let [client, server] = ends.tapes.each_ref().map(Tape::text);
    assert!(client.contains("\nwith require_subprotocol\n"), "{client}");
    assert!(server.contains("\nwith any_origin\n"), "{server}");
    assert_eq!(server.contains("\nwith decline_deflate\n"), cfg!(feature = "deflate"));
    ends.tapes.iter().for_each(|tape| _ = replay(tape));
}

/// A replay requires what the client has required.
#[test]
fn a_required_subprotocol_is_required_in_a_replay() {
    let request = ClientRequest::new("ws://h/").unwrap().subprotocol("chat");
    let mut ends = Ends::new(&request.require_subprotocol(true), Config::new(), |recorder| recorder);
    let Some(Event::Request(request)) = ends.server_receives().pop() else {
        panic!()
    };
    ends.server
        .accept(&request, &Accept::new(), &mut ends.to_client)
        .unwrap();
    let mut input = &mut ends.to_client[..];
    ends.client.receive(&mut input, &mut ends.to_server).unwrap_err();
    assert_eq!(replay(&ends.tapes[0]).close_status(), ends.client.close_status());
}

/// The answer of another server is not in a recording, which says so.
#[test]
fn a_forwarded_answer_is_recorded_by_its_name() {
    let request = ClientRequest::new("ws://h/").unwrap();
    let mut upstream = Ends::new(&request, Config::new(), |recorder| recorder);
    let Some(Event::Request(asked)) = upstream.server_receives().pop() else {
        panic!()
    };
    upstream
        .server
        .accept(&asked, &Accept::new(), &mut upstream.to_client)
        .unwrap();
    let Some(Event::Open(response)) = upstream.client_receives().pop() else {
        panic!()
    };
    let ends = Ends::open(&request, Config::new(), &Accept::new().forwarding(&response));
    let text = ends.tapes[1].text();
    let replayed = Recording::parse(&text).unwrap().replay();
    assert!(text.contains("\nwith forwarding\naccept\n"), "{text}");
    assert!(matches!(replayed, Err(ReplayError::Impossible { .. })), "{replayed:?}");
}

/// Negotiated elsewhere, with an extension of the caller's own; chunks have its bits. An empty
/// Close frame.
#[test]
fn an_upgraded_connection_replays() {
    let request = ClientRequest::new("ws://h/").unwrap();
    let request = request.subprotocol("chat").extension("x-mark", ReservedBits::RSV2);
    let extensions = [("x-mark", ReservedBits::RSV2)];
    let accept = Accept::new().subprotocol(Some("chat")).extensions(&extensions);
    let negotiated = Ends::open(&request, Config::new(), &accept).server.negotiated();
    let tape = Tape::default();
    let config = Config::new().delivery(Delivery::Chunks);
    let mut server = tape.recorder().upgraded_server(&negotiated, config);
    let (mut bytes, mut out) = (*b"\xa1\x81\0\0\0\0a\x88\x80\0\0\0\0", Vec::new());
    let mut input = &mut bytes[..];
    while server.receive(&mut input, &mut out).unwrap().is_some() {}
    let text = tape.text();
    assert!(
        text.contains("\nwith subprotocol \"chat\"\nwith reserved 010\nupgraded_server\n"),
        "{text}"
    );
    assert!(text.contains("\nevent chunk text \"a\" end 010\n"), "{text}");
    assert!(text.contains("\nevent close none \"\"\n"), "{text}");
    assert_eq!(replay(&tape).negotiated(), negotiated);
}

/// A buffer that has no room for a header is no call of a recording.
#[test]
fn a_call_that_cannot_be_repeated_is_not_recorded() {
    let tape = Tape::default();
    let mut server = tape.recorder().upgraded_server(&Negotiated::default(), Config::new());
    let before = tape.text();
    server.send_in_place(MessageKind::Binary, &mut [0; 3]).unwrap_err();
    assert_eq!(tape.text(), before);
    server.ping(b"still recorded", &mut Vec::new()).unwrap();
    replay(&tape);
    assert!(tape.text().contains("\nping \"still recorded\"\n"));
}

/// Bytes before the response, input in pieces, chunks, an error, the end of the transport.
#[test]
fn input_in_any_cut_replays() {
    let mut stream = support::REQUEST.as_bytes().to_vec();
    stream.extend_from_slice(b"\x01\x85\0\0\0\0hello\x80\x80\0\0\0\0\x89\x81\0\0\0\0p\x81\x84\0\0\0\0ab\xFFc");
    for delivery in [Delivery::Messages, Delivery::Chunks] {
        for cut in 1..stream.len() {
            let tape = Tape::default();
            let mut server = tape.recorder().server(Config::new().delivery(delivery));
            let (mut bytes, mut out, mut request, mut failed) = (stream.clone(), Vec::new(), None, false);
            // An empty input at the end, for what has arrived before the response.
            for part in bytes.chunks_mut(cut).chain([&mut [][..]]) {
                let mut input = &mut part[..];
                loop {
                    match server.receive(&mut input, &mut out) {
                        Ok(Some(Event::Request(found))) => request = Some(found.into_owned()),
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => {
                            failed = true;
                            break;
                        }
                    }
                }
                if let Some(request) = request.take() {
                    server.accept(&request, &Accept::new(), &mut out).unwrap();
                }
            }
            let _error = server.receive_eof();
            assert!(failed);
            assert_eq!(replay(&tape).close_status(), server.close_status());
        }
    }
}

/// A buffer keeps incomplete messages; `receive_whole` leaves them to the caller.
#[test]
fn what_is_left_in_a_buffer_is_recorded_once() {
    let mut stream = Vec::new();
    for len in [3, 300, 20_000] {
        stream.extend(support::frame(sockless::Role::Client, 0x81, &vec![b'a'; len]));
    }
    let tape = Tape::default();
    let mut server = tape.recorder().upgraded_server(&Negotiated::default(), Config::new());
    let (mut buffer, mut out, mut lens) = (InputBuffer::new(), Vec::new(), Vec::new());
    for part in stream.chunks(1000) {
        let mut part = part;
        while !part.is_empty() {
            let read = std::io::Read::read(&mut part, buffer.room()).unwrap();
            buffer.filled(read);
            while let Some(Event::Text(text)) = buffer.receive(&mut server, &mut out).unwrap() {
                lens.push(text.len());
            }
        }
    }
    assert_eq!(lens, [3, 300, 20_000]);
    let text = tape.text();
    let recorded: usize = text
        .lines()
        .filter_map(|line| line.strip_prefix("receive "))
        .map(str::len)
        .sum();
    assert!(recorded > stream.len() && recorded < 3 * stream.len(), "{recorded}");
    replay(&tape);
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_replay() {
    use sockless::deflate::{DeflateConfig, WindowBits};

    let deflate = DeflateConfig::new()
        .level(9)
        .client_max_window_bits(WindowBits::MIN)
        .threshold(1);
    let config = Config::new().deflate(deflate);
    let mut ends = Ends::open(&ClientRequest::new("ws://h/").unwrap(), config, &Accept::new());
    for enabled in [true, false, true] {
        ends.client.set_compression(enabled);
        let text = "compressed, or not, ".repeat(20);
        ends.client.send_text(&text, &mut ends.to_server).unwrap();
        assert!(enabled == (ends.to_server.len() < 100));
        assert_eq!(ends.server_receives().len(), 1);
    }
    for (tape, end) in ends.tapes.iter().zip([&ends.client, &ends.server]) {
        assert_eq!(replay(tape).negotiated(), end.negotiated());
        assert!(end.negotiated().deflate.is_some());
    }
    assert_eq!(ends.tapes[0].text().matches("set compression").count(), 2);
    // What was negotiated elsewhere.
    let tape = Tape::default();
    let (negotiated, mut out) = (ends.client.negotiated(), Vec::new());
    let mut client = tape.recorder().upgraded_client(&negotiated, Config::new(), SEED);
    client.send_text(&"a".repeat(100), &mut out).unwrap();
    assert!(out.len() < 50);
    replay(&tape);
}

/// A caller that loses what a call has left in its input, or changes it, has a fault, which the
/// recording has to show.
#[test]
fn what_a_caller_loses_is_not_recorded() {
    let tape = Tape::default();
    let mut server = tape.recorder().upgraded_server(&Negotiated::default(), Config::new());
    let messages = *b"\x82\x81\0\0\0\0a\x82\x81\0\0\0\0b\x82\x81\0\0\0\0c";
    let mut out = Vec::new();
    // The last one begins within a frame.
    for lost in [0, 7, 14, 21, 15] {
        let mut bytes = messages;
        let mut input = &mut bytes[..];
        server.receive(&mut input, &mut out).unwrap();
        assert_eq!(input.len(), 14);
        let mut bytes = messages[lost..].to_vec();
        let mut input = &mut bytes[..];
        while let Ok(Some(_)) = server.receive(&mut input, &mut out) {}
    }
    assert!(server.close_status().is_some());
    replay(&tape);
}

/// The feature takes no auto trait from a type.
#[test]
fn recorded_types_have_the_auto_traits_of_others() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    const fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    // The streams of `zlib-rs` are not unwind safe.
    #[cfg(not(feature = "zlib-rs"))]
    check::<sockless::Connection>();
    #[cfg(feature = "std")]
    check::<sockless::adapter::Settings>();
}

/// A replay names the line that differs.
#[test]
fn a_difference_is_found_at_its_line() {
    let mut ends = Ends::open(&request(), Config::new(), &Accept::new());
    ends.client.send_text("hello", &mut ends.to_server).unwrap();
    ends.server_receives();
    let text = ends.tapes[1].text();
    let changes = [
        ("event text \"hello\"", "event text \"jello\""),
        ("event text \"hello\"", "event text \"hello\"\nout 0x8a00"),
        ("event text \"hello\"\n", ""),
        ("event request GET \"/chat?room=1\"", "event request GET \"/chat\""),
        ("101 Switching", "101 switching"),
    ];
    for (from, to) in changes {
        let changed = text.replacen(from, to, 1);
        let at = 1 + text
            .lines()
            .zip(changed.lines())
            .take_while(|(one, other)| one == other)
            .count();
        let Err(ReplayError::Difference { line, .. }) = Recording::parse(&changed).unwrap().replay() else {
            panic!("{from} -> {to}")
        };
        assert_eq!(line, at, "{from} -> {to}");
    }
    let changed = text.replacen("\"hello\"", "\"jello\"", 1);
    let error = Recording::parse(&changed).unwrap().replay().unwrap_err().to_string();
    assert!(
        error.contains("recorded `event text \"jello\"`, replayed `event text \"hello\"`"),
        "{error}"
    );
}

#[test]
fn a_recording_stops_at_its_limit() {
    for limit in [0, 2000, 3000] {
        let mut ends = Ends::new(&request(), Config::new(), |recorder| recorder.limit(limit));
        for _ in 0..50 {
            ends.server_receives();
            let _not_open = ends.client.send_text("hello", &mut ends.to_server);
        }
        let text = ends.tapes[0].text();
        assert!(
            text.ends_with("truncated\n") && text.len() < limit as usize + 100,
            "{text}"
        );
        assert_eq!(text.matches("truncated").count(), 1);
        let recording = Recording::parse(&text).unwrap();
        assert!(limit == 0 || recording.replay().is_ok());
    }
}
