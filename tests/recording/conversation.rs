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
