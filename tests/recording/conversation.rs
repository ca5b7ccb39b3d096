//! The conversation of a recording, for a person.

use sockless::recording::Recording;

/// The conversation of an upgraded server, without its first line.
fn conversation(lines: &str) -> String {
    let text = format!("sockless recording 1\nupgraded_server\n{lines}\n");
    let recording = Recording::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let conversation = recording.conversation().to_string();
    conversation.split_once('\n').unwrap().1.to_owned()
}

/// The payload of a control frame has up to 125 bytes.
#[test]
fn it_shows_64_bytes_of_what_is_replied() {
    let (payload, shown) = ("a".repeat(125), "a".repeat(64));
    let replies = [
        (
            format!("receive \"\\x89\\xfd\\x00\\x00\\x00\\x00{payload}\"\nout \"\\x8a}}{payload}\""),
            format!("pong \"{shown}\"... (125 bytes)"),
        ),
        (
            format!("receive 0x888000000000\nout \"\\x88}}\\x03\\xe8{}\"", &payload[2..]),
            format!("close 1000 \"{shown}\"... (123 bytes)"),
        ),
        (
            "receive 0x888000000000\nout \"\\x88\\x04\\x03\\xe8a\\x1b\"".into(),
            "close 1000 \"a\\x1b\"".into(),
        ),
        ("receive 0x888000000000\nout 0x880203e8".into(), "close 1000".into()),
    ];
    for (lines, reply) in replies {
        assert_eq!(conversation(&lines), format!("    0.000000  replied   {reply}\n"));
    }
}

/// A text may have been written to look like another one, or to move the cursor.
#[test]
fn it_escapes_what_cannot_be_seen() {
    let error = |text: &str| conversation(&format!("receive_eof\nerror {text}"));
    let texts = [
        ("\"\\x1b[2J\"", "\\u{1b}[2J"),
        ("\"\\xe2\\x80\\xaetxt.exe\"", "\\u{202e}txt.exe"),
        ("\"a\\xe2\\x80\\x8bb\"", "a\\u{200b}b"),
        ("\"it's \\\"\\xc3\\xa9\\\" \\\\ \"", "it's \"\u{e9}\" \\ "),
    ];
    for (text, shown) in texts {
        assert_eq!(error(text), format!("    0.000000  ended     the transport: {shown}\n"));
    }
}

/// Each call and each event has its words.
#[test]
fn it_shows_every_call_and_event() {
    let cases = [
        ("send_in_place text \"a\"", "sent      text \"a\""),
        ("send_prepared binary 0x00ff", "sent      binary 0x00ff"),
        ("prepared_frame text \"b\"", "sent      text \"b\""),
        ("send_fragment text \"c\" more", "sent      text fragment \"c\""),
        (
            "send_fragment text \"c\" end 010",
            "sent      text fragment \"c\" (end)",
        ),
        (
            "send_fragment_header binary \"d\" end",
            "sent      binary fragment \"d\" (end)",
        ),
        ("send_header binary 5", "sent      header of binary (5 bytes)"),
        ("ping \"e\"", "sent      ping \"e\""),
        ("pong \"f\"", "sent      pong \"f\""),
        ("close none \"\"", "sent      close"),
        ("close 4000 \"g\"", "sent      close 4000 \"g\""),
        ("reject_not_allowed", "rejected  the request, which is not allowed"),
        ("send text \"h\"\nerror \"no\"", "failed    text \"h\": no"),
        (
            "receive \"\"\nevent chunk text \"i\" more",
            "received  text chunk \"i\"",
        ),
        (
            "receive \"\"\nevent chunk text \"i\" end 010",
            "received  text chunk \"i\" (end)",
        ),
        ("receive \"\"\nevent pong \"j\"", "received  pong \"j\""),
        ("receive \"\"\nevent close none \"\"", "received  close"),
        ("receive \"\"\nout 0x8103616263", "replied   Text (3 bytes)"),
        ("receive \"\"\nout <5>", "replied   (5 bytes, redacted)"),
        ("receive_eof", "ended     the transport"),
    ];
    for (lines, shown) in cases {
        assert_eq!(conversation(lines), format!("    0.000000  {shown}\n"), "{lines}");
    }
    let truncated = conversation("truncated");
    assert_eq!(truncated, "              the rest was not recorded: it was too long\n");
}

/// A head has a line for each of its fields.
#[test]
fn it_shows_heads() {
    let head = "\"HTTP/1.1 403 Forbidden\\r\\nContent-Length: 2\\r\\n\\r\\nno\"";
    let indent = " ".repeat(24);
    let shown = format!("{indent}HTTP/1.1 403 Forbidden\n{indent}Content-Length: 2\n");
    let cases = [
        (
            format!("reject 403 \"no\"\nout {head}"),
            format!("rejected  with 403 \"no\"\n{shown}"),
        ),
        (
            format!("receive \"\"\nerror \"wrong\"\nout {head}"),
            format!("failed    wrong\n    0.000000  replied   with a response\n{shown}"),
        ),
        (
            "receive_eof\nevent refused incomplete \"n\" 403 \"Server\" \"s\"".to_owned(),
            format!(
                "ended     the transport\n    0.000000  received  response 403: refused with \"n\" and more\n\
                 {indent}Server: \"s\"\n"
            ),
        ),
    ];
    for (lines, shown) in cases {
        assert_eq!(conversation(&lines), format!("    0.000000  {shown}"), "{lines}");
    }
}

/// Payload is cut off after 64 bytes: a text where a character begins.
#[test]
fn it_cuts_off_payload() {
    let mixed = conversation(&format!("ping \"{}\\xc3\\xa9b\"", "a".repeat(63)));
    let shown = format!("    0.000000  sent      ping \"{}\"... (66 bytes)\n", "a".repeat(63));
    assert_eq!(mixed, shown);
    let binary = conversation(&format!("ping 0x{}", "ff".repeat(65)));
    let shown = format!("    0.000000  sent      ping 0x{}... (65 bytes)\n", "ff".repeat(64));
    assert_eq!(binary, shown);
}
