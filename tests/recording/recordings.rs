//! The committed recordings replay. To add one, put the text of a recorder in `tests/recordings`.

use std::{fs, path::Path};

use sockless::recording::{Recording, ReplayError};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings");

/// The names and the texts of all recordings.
pub(crate) fn recordings() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(FOLDER)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".txt") {
            found.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    assert!(found.len() >= 3);
    found
}

#[test]
fn committed_recordings_replay() {
    for (name, text) in recordings() {
        let recording = Recording::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let needs_deflate = text.contains("with config deflate");
        if needs_deflate && (cfg!(feature = "zlib-rs") || cfg!(not(feature = "deflate"))) {
            // `miniz_oxide` has compressed what it has.
            continue;
        }
        let replayed = recording.replay();
        if name.starts_with("redacted") {
            assert!(matches!(replayed, Err(ReplayError::Redacted { .. })), "{name}");
        } else {
            replayed.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// `BLESS=1` writes what the tests of this folder record, for a change of the format.
#[cfg(all(feature = "deflate", not(feature = "zlib-rs")))]
#[test]
fn the_recorder_writes_what_is_committed() {
    for (name, text) in written() {
        check(name, text.as_bytes());
        let recording = Recording::parse(&text).unwrap();
        // `tests/recordings/check` has other programs read these.
        check(&name.replace(".txt", ".har"), recording.to_har().as_bytes());
        if let Ok(pcap) = recording.to_pcap() {
            check(&name.replace(".txt", ".pcap"), &pcap);
        }
        check(
            &name.replace(".txt", ".log"),
            recording.conversation().to_string().as_bytes(),
        );
    }
}

#[cfg(all(feature = "deflate", not(feature = "zlib-rs")))]
fn check(name: &str, bytes: &[u8]) {
    support::check_committed(
        Path::new(FOLDER).join(name),
        bytes,
        "cargo test --features recording recordings",
    );
}

/// Both ends of a chat with compression, a server whose client breaks the protocol, one that
/// refuses a request, and a client that is redacted.
#[cfg(all(feature = "deflate", not(feature = "zlib-rs")))]
fn written() -> [(&'static str, String); 5] {
    use super::{Ends, Tape};
    use sockless::deflate::DeflateConfig;
    use sockless::handshake::Negotiated;
    use sockless::{Accept, ClientRequest, CloseCode, Config, Event};

    let request = ClientRequest::new("ws://example.com/chat")
        .unwrap()
        .subprotocol("chat.v1");
    let config = Config::new().deflate(DeflateConfig::new());
    let mut ends = Ends::open(&request, config, &Accept::new().subprotocol(Some("chat.v1")));
    ends.client.send_text("hello", &mut ends.to_server).unwrap();
    let Some(Event::Text(text)) = ends.server_receives().pop() else {
        panic!()
    };
    ends.server.send_text(&text.repeat(50), &mut ends.to_client).unwrap();
    ends.server.ping(b"are you there", &mut ends.to_client).unwrap();
    ends.client_receives();
    ends.server
        .close(CloseCode::GOING_AWAY, "restart", &mut ends.to_client)
        .unwrap();
    ends.client_receives();
    ends.server_receives();
    ends.server.receive_eof().unwrap();
    let [client, server] = ends.tapes.map(|tape| tape.text());

    let tape = Tape::default();
    let mut broken = tape.recorder().upgraded_server(&Negotiated::default(), Config::new());
    let (mut bytes, mut out) = (*b"\x82\x81\0\0\0\0a\x81\x82\0\0\0\0\xC3(", Vec::new());
    let mut input = &mut bytes[..];
    while let Ok(Some(_event)) = broken.receive(&mut input, &mut out) {}

    let refused_tape = Tape::default();
    let mut refused = refused_tape.recorder().server(Config::new());
    let mut bytes =
        *b"GET /secret HTTP/1.1\r\nHost: example.com\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut input = &mut bytes[..];
    let Ok(Some(Event::Request(request))) = refused.receive(&mut input, &mut out) else {
        panic!()
    };
    refused.accept(&request, &Accept::new(), &mut out).unwrap_err();
    refused
        .reject(403, &[], b"pages of other sites may not connect\n", &mut out)
        .unwrap();

    let request = ClientRequest::new("wss://example.com/room/7?token=1").unwrap();
    let mut redacted = Ends::new(&request.header("Cookie", "id=2"), Config::new(), |recorder| {
        recorder.redact(true)
    });
    let Some(Event::Request(request)) = redacted.server_receives().pop() else {
        panic!()
    };
    redacted
        .server
        .accept(&request, &Accept::new(), &mut redacted.to_client)
        .unwrap();
    redacted.client_receives();
    redacted.client.send_text("hello", &mut redacted.to_server).unwrap();
    redacted.server_receives();
    [
        ("redacted.txt", redacted.tapes[0].text()),
        ("client.txt", client),
        ("server.txt", server),
        ("invalid_utf8.txt", tape.text()),
        ("foreign_origin.txt", refused_tape.text()),
    ]
}
