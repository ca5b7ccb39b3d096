//! Connections of the adapters that are recorded by an option.

use std::{io::Write, net::TcpListener, thread};

use sockless::{
    Accept, ClientRequest, Config,
    adapter::{Settings, std_net},
    recording::Recording,
};

use super::{Tape, replay};

fn settings(tape: &Tape) -> Settings {
    let tape = tape.clone();
    Settings::from(Config::new().max_message_size(1 << 20)).record(move || Some(tape.recorder()))
}

/// All that both ends of a connection over TCP do, with messages that leave in pieces and in a
/// vectored write if they are not recorded.
fn recorded_over_tcp() -> [Tape; 2] {
    let tapes = [Tape::default(), Tape::default()];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server_settings = settings(&tapes[1]);
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let incoming = std_net::incoming(tcp, server_settings).unwrap();
        let mut ws = incoming.accept(&Accept::new()).unwrap();
        while let Some(message) = ws.recv().unwrap() {
            ws.send(message).unwrap();
        }
    });
    let request = ClientRequest::new(&url).unwrap();
    let (mut ws, _response) = std_net::connect_with(&request, settings(&tapes[0])).unwrap();
    for len in [0, 1, 1000, 100_000] {
        let text = "é".repeat(len);
        ws.send(&*text).unwrap();
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(&*text));
    }
    let mut writer = ws.writer(sockless::MessageKind::Binary).unwrap();
    for _ in 0..3 {
        writer.write_all(&[7; 20_000]).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(ws.recv().unwrap().unwrap().len(), 60_000);
    ws.close(sockless::CloseCode::NORMAL, "").unwrap();
    assert!(ws.recv().unwrap().is_none());
    server.join().unwrap();
    tapes
}

#[test]
fn a_blocking_connection_replays() {
    for tape in recorded_over_tcp() {
        let replayed = replay(&tape);
        assert!(replayed.close_status().unwrap().is_clean());
        let text = tape.text();
        // All payload is in the output: none was written from elsewhere.
        assert!(!text.contains("send_header"), "{text}");
        let har = Recording::parse(&text).unwrap().to_har();
        assert_eq!(har.matches("\"opcode\":1,").count(), 8);
        assert_eq!(har.matches("\"opcode\":2,").count(), 2);
    }
}

#[test]
fn settings_with_the_same_recorders_are_equal() {
    let tape = Tape::default();
    let settings = settings(&tape);
    assert_eq!(settings, settings.clone());
    assert_ne!(settings, self::settings(&tape));
    assert!(format!("{settings:?}").contains("Recorders"));
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_polled_connection_replays() {
    use sockless::adapter::tokio;

    let tapes = [Tape::default(), Tape::default()];
    let listener = ::tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server_settings = settings(&tapes[1]);
    let server = ::tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let incoming = tokio::incoming(tcp, server_settings).await.unwrap();
        let mut ws = incoming.accept(&Accept::new()).await.unwrap();
        while let Some(message) = ws.recv().await.unwrap() {
            ws.send(message).await.unwrap();
        }
    });
    let request = ClientRequest::new(&url).unwrap();
    let (mut ws, _response) = tokio::connect_with(&request, settings(&tapes[0])).await.unwrap();
    for len in [0, 1, 1000, 100_000] {
        let data = vec![len as u8; len];
        ws.send(&data[..]).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_bytes(), data);
    }
    ws.close(sockless::CloseCode::NORMAL, "").await.unwrap();
    assert!(ws.recv().await.unwrap().is_none());
    server.await.unwrap();
    for tape in &tapes {
        assert!(replay(tape).close_status().unwrap().is_clean());
    }
}

/// The answer to a request that an acceptance does not allow is the adapter's.
#[test]
fn a_request_that_is_not_allowed_replays() {
    let tape = Tape::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server_settings = settings(&tape);
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let incoming = std_net::incoming(tcp, server_settings).unwrap();
        incoming.accept(&Accept::new()).map(drop).unwrap_err();
    });
    let request = ClientRequest::new(&url).unwrap().origin("https://other.example");
    std_net::connect_with(&request, Settings::default())
        .map(drop)
        .unwrap_err();
    server.join().unwrap();
    replay(&tape);
    let text = tape.text();
    assert!(text.contains("\nreject_not_allowed\nout "), "{text}");
    // Without the acceptance, there is nothing to repeat.
    let without = Recording::parse("sockless recording 1\nserver\nreject_not_allowed\n").unwrap();
    let error = without.replay().unwrap_err().to_string();
    assert!(error.ends_with(": no request was not allowed"), "{error}");
}
