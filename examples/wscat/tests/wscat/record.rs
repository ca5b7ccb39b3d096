//! Conversations that are recorded.

use std::{env, fs, process};

use sockless::recording::Recording;

use crate::{process::wscat, server::echo};

/// Runs the program with a file to record to, and returns what it recorded.
fn recorded(name: &str, more: &[&str]) -> String {
    let path = env::temp_dir().join(format!("wscat-{}-{name}.txt", process::id()));
    let url = echo();
    let args = [&["--wait", "0", "--record", path.to_str().unwrap(), &url], more].concat();
    let run = wscat(&args, "one\ns3cret\n");
    run.exits(0);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    text
}

#[test]
fn a_recorded_conversation_replays() {
    let text = recorded("all", &["-u", "ann:p4ss", "--deflate"]);
    let recording = Recording::parse(&text).unwrap();
    assert!(recording.replay().unwrap().close_status().unwrap().is_clean());
    let conversation = recording.conversation().to_string();
    assert!(conversation.contains("sent      text \"s3cret\""), "{conversation}");
}

#[test]
fn a_redacted_one_has_no_secrets() {
    let text = recorded("redacted", &["-u", "ann:p4ss", "--redact"]);
    assert!(!text.contains("s3cret") && !text.contains("YW5u"), "{text}");
    assert!(text.contains("send text <6>"), "{text}");
}

#[test]
fn a_recording_that_cannot_be_made_is_said() {
    let run = wscat(&["--record", "/no/such/folder/file", "ws://127.0.0.1:1/"], "");
    run.says("cannot record to /no/such/folder/file").exits(2);
    // What is wrong with the rest is found before: an older recording stays.
    let path = env::temp_dir().join(format!("wscat-{}-older.txt", process::id()));
    fs::write(&path, "older").unwrap();
    let run = wscat(&["--record", path.to_str().unwrap(), "ws://ann@127.0.0.1:1/"], "");
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    run.says("use --user").exits(2);
    assert_eq!(text, "older");
    wscat(&["--redact", "ws://127.0.0.1:1/"], "")
        .says("--redact needs --record")
        .exits(2);
}
