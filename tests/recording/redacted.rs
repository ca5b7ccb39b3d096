//! A redacted recording has no secret, whatever is made of it.

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Event, ProtocolError,
    frame::ReservedBits,
    handshake::Negotiated,
    recording::{Recorder, Recording, ReplayError},
};

use super::{Ends, SEED, Tape};

/// Every secret of this file has it.
const SECRET: &str = "s3cr3t";

fn redacting(recorder: Recorder) -> Recorder {
    recorder.redact(true)
}

fn request() -> ClientRequest {
    ClientRequest::new("wss://example.com:8443/room-s3cr3t?token=s3cr3t")
        .unwrap()
        .origin("https://example.com:8443")
        .subprotocol("bearer.s3cr3t")
        .header("Authorization", "Bearer s3cr3t")
        .header("Proxy-Authorization", "Basic s3cr3t")
        .header("Cookie", "id=s3cr3t")
        .header("X-Api-Key", "s3cr3t")
        .extension("x-checksum", ReservedBits::RSV2)
}

/// Checks all that can be made of what is on a tape, and returns its text.
fn without_secrets(tape: &Tape) -> String {
    let text = tape.text();
    let recording = Recording::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let shown = format!("{recording:?} {:?}", recording.conversation());
    let forms = [
        &text,
        &recording.conversation().to_string(),
        &recording.to_har(),
        &shown,
    ];
    for form in forms {
        // In hexadecimal, in base64, and the seed.
        for secret in [SECRET, "733363723374", "czNjcjN0", "^^^^", "5e5e5e"] {
            assert!(!form.contains(secret), "{secret} in {form}");
        }
    }
    for error in [recording.replay().map(drop), recording.to_pcap().map(drop)] {
        let error = error.unwrap_err();
        assert!(matches!(error, ReplayError::Redacted { line: 2.. }), "{error}\n{text}");
        assert!(!format!("{error} {error:?}").contains(SECRET));
    }
    text
}

#[test]
fn a_conversation_of_both_ends() {
    let mut ends = Ends::new(&request(), Config::new(), redacting);
    let Some(Event::Request(request)) = ends.server_receives().pop() else {
        panic!()
    };
    let headers = [("Set-Cookie", "id=s3cr3t"), ("X-Session", "s3cr3t")];
    // Refused by this end: the text of the error has what was not offered.
    let not_offered = Accept::new().subprotocol(Some("s3cr3t"));
    ends.server
        .accept(&request, &not_offered, &mut ends.to_client)
        .unwrap_err();
    let accept = Accept::new().subprotocol(Some("bearer.s3cr3t")).headers(&headers);
    ends.server.accept(&request, &accept, &mut ends.to_client).unwrap();
    ends.client_receives();
    ends.client
        .send_text("passw\u{f6}rd s3cr3t", &mut ends.to_server)
        .unwrap();
    ends.client.send_binary(b"s3cr3t", &mut ends.to_server).unwrap();
    ends.client.ping(b"s3cr3t", &mut ends.to_server).unwrap();
    ends.client
        .close(CloseCode::NORMAL, "s3cr3t", &mut ends.to_server)
        .unwrap();
    ends.server_receives();
    ends.client_receives();
    ends.client.send_text("s3cr3t", &mut ends.to_server).unwrap_err();
    let [client, server] = ends.tapes.each_ref().map(without_secrets);
    for public in [
        "with url \"wss://example.com:8443\"+<25>",
        "send text <16>",
        "close 1000 <6>",
        "\"Host\" \"example.com:8443\"",
    ] {
        assert!(
            client.contains(public) || server.contains(public),
            "{public} not in {client}{server}"
        );
    }
    assert!(server.contains("event request GET <25> "), "{server}");
    let conversation = Recording::parse(&client).unwrap().conversation().to_string();
    assert!(conversation.contains("text (16 bytes, redacted)"), "{conversation}");
}

/// What errors quote of the head of a peer, of its body, and of what the application has passed.
#[test]
fn texts_of_errors() {
    let heads = [
        "GET /s3cr3t HTTP/9.9\r\n\r\n",
        "GET /s3cr3t s3cr3t HTTP/1.1\r\n\r\n",
        "s3cr3t\r\n\r\n",
        "GET / HTTP/1.1\r\ns3cr3t s3cr3t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: s3cr3t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: s3cr3t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: s3cr3t\r\n\r\n",
    ];
    for head in heads {
        let tape = Tape::default();
        let mut server = tape.recorder().redact(true).server(Config::new());
        let (mut bytes, mut out) = (head.as_bytes().to_vec(), Vec::new());
        assert!(server.receive(&mut &mut bytes[..], &mut out).is_err(), "{head}");
        assert!(without_secrets(&tape).contains("\nerror \""));
    }
    let responses = [
        "HTTP/1.1 s3cr3t\r\n\r\n",
        "HTTP/1.1 101 s3cr3t\r\nUpgrade: s3cr3t\r\n\r\n",
        "HTTP/1.1 101 s3cr3t\r\nUpgrade: websocket\r\nConnection: s3cr3t\r\n\r\n",
        "HTTP/1.1 101 s3cr3t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3cr3t\r\n\r\n",
        "HTTP/1.1 404 s3cr3t\r\nContent-Length: s3cr3t\r\n\r\n",
        "HTTP/1.1 404 s3cr3t\r\nTransfer-Encoding: chunked\r\n\r\ns3cr3t\r\n",
        "HTTP/1.1 404 s3cr3t\r\nSet-Cookie: s3cr3t\r\nContent-Length: 6\r\n\r\ns3cr3t",
    ];
    for response in responses {
        let (tape, mut out) = (Tape::default(), Vec::new());
        let client = tape
            .recorder()
            .redact(true)
            .client(&request(), Config::new(), SEED, &mut out);
        let (mut client, mut bytes) = (client.unwrap(), response.as_bytes().to_vec());
        let received = client
            .receive(&mut &mut bytes[..], &mut out)
            .map(|event| event.is_some());
        assert!(received.is_err() || received == Ok(true), "{response}");
        drop(client);
        without_secrets(&tape);
    }
}

/// Receives until nothing is left, or until the connection fails.
fn receive_all(connection: &mut Connection, mut input: &mut [u8]) -> Result<(), Box<ProtocolError>> {
    while connection.receive(&mut input, &mut Vec::new())?.is_some() {}
    Ok(())
}

/// Violations, of which the bytes are not there, and rejections.
#[test]
fn violations_and_rejections() {
    let tape = Tape::default();
    let negotiated = Negotiated::default();
    let mut server = tape.recorder().redact(true).upgraded_server(&negotiated, Config::new());
    let mut bytes = *b"\x01\x86\0\0\0\0s3cr3t\x82\x86\0\0\0\0s3cr3t";
    assert!(receive_all(&mut server, &mut bytes).is_err());
    without_secrets(&tape);

    let tape = Tape::default();
    let mut server = tape.recorder().redact(true).server(Config::new());
    let mut bytes = support::REQUEST.as_bytes().to_vec();
    assert!(receive_all(&mut server, &mut bytes).is_ok());
    let headers = [
        ("Location", "https://example.com/?s3cr3t"),
        ("WWW-Authenticate", "Digest nonce=s3cr3t"),
    ];
    server.reject(401, &headers, b"s3cr3t", &mut Vec::new()).unwrap();
    without_secrets(&tape);
}
