//! Conversations that are recorded.

use std::{env, fs, process};

use sockless::recording::Recording;

use crate::{http2, process::wscat, server::echo, tls};

/// Runs the program with a file to record to, and returns what it recorded.
fn recorded(name: &str, url: &str, more: &[&str]) -> String {
    let path = env::temp_dir().join(format!("wscat-{}-{name}.txt", process::id()));
    let args = [&["--wait", "0", "--record", path.to_str().unwrap(), url], more].concat();
    let run = wscat(&args, "one\ns3cret\n");
    run.exits(0);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    text
}

#[test]
fn a_recorded_conversation_replays() {
    let text = recorded("all", &echo(), &["-u", "ann:p4ss", "--deflate"]);
    let recording = Recording::parse(&text).unwrap();
    assert!(recording.replay().unwrap().close_status().unwrap().is_clean());
    let conversation = recording.conversation().to_string();
    assert!(conversation.contains("sent      text \"s3cret\""), "{conversation}");
}

#[test]
fn one_over_http2_replays() {
    let url = format!("ws://{}/", http2::serve(None));
    let text = recorded("http2", &url, &["--http2", "--deflate"]);
    let recording = Recording::parse(&text).unwrap();
    assert!(recording.replay().unwrap().close_status().unwrap().is_clean());
    let conversation = recording.conversation().to_string();
    assert!(conversation.contains("sent      text \"s3cret\""), "{conversation}");
    let text = recorded("http2-redacted", &url, &["--http2", "--redact"]);
    assert!(!text.contains("s3cret") && text.contains("send text <6>"), "{text}");
}

#[test]
fn a_redacted_one_has_no_secrets() {
    let text = recorded("redacted", &echo(), &["-u", "ann:p4ss", "--redact"]);
    assert!(!text.contains("s3cret") && !text.contains("YW5u"), "{text}");
    assert!(text.contains("send text <6>"), "{text}");
}

#[test]
fn a_recording_that_cannot_be_made_is_said() {
    let run = wscat(&["--record", "/no/such/folder/file", "ws://127.0.0.1:1/"], "");
    run.says("cannot record to /no/such/folder/file").exits(2);
    wscat(&["--redact", "ws://127.0.0.1:1/"], "")
        .says("--redact needs --record")
        .exits(2);
}

/// Neither a wrong command line nor a server that cannot be reached costs an older recording. One
/// that refuses is recorded.
#[test]
fn without_a_connection_an_older_recording_stays() {
    let path = env::temp_dir().join(format!("wscat-{}-older.txt", process::id()));
    let older = "older, and longer than what is recorded of the refusal\n".repeat(1000);
    let record = |args: &[&str], says: &str, status: i32| {
        fs::write(&path, &older).unwrap();
        let run = wscat(&[args, &["--record", path.to_str().unwrap()]].concat(), "");
        run.says(says).exits(status);
        fs::read_to_string(&path).unwrap()
    };
    let secure = format!("wss://localhost:{}/", tls::secure_echo().0);
    let http1 = echo();
    for (args, says, status) in [
        (&["ws://ann@127.0.0.1:1/"][..], "use --user", 2),
        (&["ws://127.0.0.1:1/"], "cannot connect to 127.0.0.1:1", 1),
        (&["--ca", "/nowhere.pem", &secure], "--ca /nowhere.pem", 2),
        (&[&secure], "not signed by a trusted authority", 1),
        (&["--http2", &http1], "", 1),
    ] {
        assert!(record(args, says, status) == older, "{args:?}");
    }
    let refused = format!("ws://{}/refused", http2::serve(None));
    let text = record(&[&refused], "refused with status 401", 5);
    fs::remove_file(&path).unwrap();
    let recording = Recording::parse(&text).unwrap();
    assert!(recording.conversation().to_string().contains("401"), "{text}");
}
