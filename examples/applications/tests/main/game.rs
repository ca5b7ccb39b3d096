//! `game`: its clients, and clients that do not follow the rules.

use sockless::{
    CloseCode,
    adapter::{
        Error,
        std_net::{self, MaybeTlsStream, WebSocket},
    },
};

use crate::process::Process;

const GAME: &str = env!("CARGO_BIN_EXE_game");
/// The protobuf of a `Join` with the name `x`, and its id.
const JOIN: [u8; 5] = [0, 1, 0x0A, 1, b'x'];

#[test]
fn players_see_each_other() {
    let (_server, url) = Process::serve(GAME, &["serve"]);
    let mut ada = Process::start(GAME, &["play", &url, "Ada"]);
    assert_eq!(ada.line(), "Ada is at 0, 0");
    let mut bob = Process::start(GAME, &["play", &url, "Bob"]);
    assert_eq!(bob.line(), "Ada is at 0, 0");
    for player in [&ada, &bob] {
        assert_eq!(player.line(), "Bob is at 0, 0");
    }
    ada.input(["1 -2".into(), "what?".into(), "10 10".into()]);
    for player in [&ada, &bob] {
        assert_eq!(player.line(), "Ada is at 1, -2");
        assert_eq!(player.line(), "Ada is at 11, 8");
    }
    bob.input(["2147483647 0".into(), "1 0".into()]);
    for player in [&ada, &bob] {
        assert_eq!(player.line(), "Bob is at 2147483647, 0");
        assert_eq!(player.line(), "Bob is at 2147483647, 0");
    }
    let (status, _, stderr) = ada.end();
    assert_eq!(status, Some(0));
    assert_eq!(stderr, "game: \"what?\" is no step; one is `1 -2`\n");
    assert_eq!(bob.line(), "Ada has left");
    let (status, _, stderr) = bob.end();
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
}

/// Sends messages, and returns the code with which the server closes.
fn code_after(ws: &mut WebSocket<MaybeTlsStream>, messages: &[&[u8]]) -> CloseCode {
    for message in messages {
        ws.send(*message).unwrap();
    }
    loop {
        match ws.recv() {
            Ok(Some(_)) => {}
            Err(Error::Closed(status)) => return status.code(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn mistakes_have_a_code_each() {
    let (server, url) = Process::serve(GAME, &["serve"]);
    let step: &[u8] = &[0, 2, 8, 2];
    let too_long = [&JOIN[..], &[0; 1020]].concat();
    for (messages, code) in [
        (&[step][..], CloseCode::POLICY_VIOLATION),
        (&[&JOIN, &JOIN], CloseCode::POLICY_VIOLATION),
        (&[&[]], CloseCode::INVALID_DATA),
        (&[&[0, 9]], CloseCode::INVALID_DATA),
        (&[&JOIN, &[0, 2, 0xFF]], CloseCode::INVALID_DATA),
        (&[&too_long], CloseCode::TOO_BIG),
    ] {
        let mut ws = std_net::connect(&url).unwrap();
        assert_eq!(code_after(&mut ws, messages), code, "{messages:?}");
    }
    let mut ws = std_net::connect(&url).unwrap();
    ws.send("text").unwrap();
    assert_eq!(code_after(&mut ws, &[]), CloseCode::UNSUPPORTED_DATA);
    for text in [
        "the message id 9 is not known",
        "a message of 0 bytes has no id",
        "a text message",
    ] {
        server.wait_for_error(text, 1);
    }
}

#[test]
fn another_path_is_refused() {
    let (_server, url) = Process::serve(GAME, &["serve"]);
    let url = url.replace("/connect", "/elsewhere");
    let Err(Error::Refused(refusal)) = std_net::connect(&url) else {
        panic!("not refused")
    };
    assert_eq!(
        (refusal.response.status(), &refusal.body[..]),
        (404, &b"the game is at /connect\n"[..])
    );
}

#[test]
fn a_player_that_does_not_answer_pings_is_disconnected() {
    let (server, url) = Process::serve(GAME, &["serve", "--read-deadline", "1"]);
    let mut silent = std_net::connect(&url).unwrap();
    silent.send(JOIN).unwrap();
    let player = Process::start(GAME, &["play", &url, "Ada"]);
    while player.line() != "x has left" {}
    server.wait_for_error("did not answer a Ping within Timeouts::pong = 500ms", 1);
    assert_eq!(player.end().0, Some(0));
    drop(silent);
}

/// The game goes on, and the others see that the player has left.
#[test]
fn a_player_that_does_not_read_is_disconnected() {
    let (server, url) = Process::serve(GAME, &["serve"]);
    let mut not_reading = std_net::connect(&url).unwrap();
    not_reading.send(JOIN).unwrap();
    let mut player = std_net::connect(&url).unwrap();
    player.send(JOIN).unwrap();
    // Until the queue of a player is full, or the sockets are: `player` reads all.
    let left = [0, 4, 0x0A, 1, b'x'];
    loop {
        for _ in 0..5 {
            player.feed([0, 2, 8, 2]).unwrap();
        }
        let mut has_left = false;
        for _ in 0..5 {
            has_left |= player.recv().unwrap().unwrap().as_bytes() == left;
        }
        if has_left {
            break;
        }
    }
    drop(not_reading);
    drop(server);
}
