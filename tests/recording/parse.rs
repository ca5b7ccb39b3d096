//! The parser: it takes any text, and says what is wrong in which line.

use sockless::recording::{Recording, ReplayError};

const START: &str = "sockless recording 1\nupgraded_server\n";

fn error_of(text: &str) -> String {
    Recording::parse(text).unwrap_err().to_string()
}

#[test]
fn an_error_names_the_line_and_what_is_expected() {
    let cases = [
        (
            "",
            "line 1 of the recording has \"\" where the line `sockless recording 1` is expected",
        ),
        (
            "sockless recording 2",
            "line 1 of the recording has \"sockless recording 2\" where the name of a line is expected",
        ),
        (
            "# a comment\n\nsockless recording 1\n",
            "line 4 of the recording has \"\" where server, client, upgraded_server or upgraded_client, or an \
             argument of it, is expected",
        ),
    ];
    for (text, error) in cases {
        assert_eq!(error_of(text), error);
    }
    let lines = [
        ("recieve \"\"", "recieve \\\"\\\"\" where the name of a line"),
        ("receive", "\" where data, as in"),
        ("receive \"abc", "abc\" where data"),
        ("receive \"\\q\"", "where data"),
        ("receive \"\\x4\"", "where data"),
        ("receive 0x", "where data"),
        ("receive 0x123", "where data"),
        ("receive 0x0A", "where data"),
        ("receive \"a\"+", "where data"),
        ("receive <99999999999999999999>", "where data"),
        ("receive <+1>", "where data"),
        ("receive \"\u{e9}\"", "where data"),
        ("receive \"a\" b", "\"b\" where the end of the line"),
        ("send txt \"a\"", "where text or binary"),
        ("send_fragment text \"a\" fin", "where end or more"),
        ("send_fragment text \"a\" end 012", "where three reserved bits"),
        ("close x \"\"", "where a close code or none"),
        ("close 65536 \"\"", "where a close code or none"),
        ("at 1", "where a time"),
        ("at 1.5", "where a time"),
        ("at +1.000000", "where a time"),
        ("at 1.+00000", "where a time"),
        ("event pung \"\"", "where the name of an event"),
        ("event request G\u{1b}[2JT \"/\"", "where a method"),
        ("event open 101 \"a\"", "where the value of a header field"),
        ("with cookies \"a\"", "where the name of an argument"),
        ("set auto_pong 1", "where the name of a setting"),
        ("server", "where a call, or what"),
        (
            "with any_origin\nout \"\"",
            "line 4 of the recording has \"out \\\"\\\"\" where the call after",
        ),
        ("truncated\nreceive_eof", "where the end of the recording"),
    ];
    for (line, expected) in lines {
        let error = error_of(&format!("{START}{line}\n"));
        let number = if line.contains('\n') { 4 } else { 3 };
        assert!(
            error.starts_with(&format!("line {number} of the recording has ")),
            "{error}"
        );
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let cases = [
        (
            "sockless recording 1\nclient\n",
            "line 2 of the recording cannot be replayed: the seed is missing",
        ),
        (
            "sockless recording 1\nwith seed \"a\"\nclient\n",
            "line 2 of the recording cannot be replayed: the seed must have 32 bytes, but has 1",
        ),
        (
            "sockless recording 1\nwith config max_size 1\nserver\n",
            "line 2 of the recording cannot be replayed: there is no setting \"max_size\"",
        ),
        (
            "sockless recording 1\nwith config auto_pong 2\nserver\n",
            "line 2 of the recording cannot be replayed: the setting auto_pong must be 0 to 1, but is 2",
        ),
        (
            "sockless recording 1\nwith config max_fragments 4294967296\nserver\n",
            "line 2 of the recording cannot be replayed: the setting max_fragments must be 0 to 4294967295, \
             but is 4294967296",
        ),
        #[cfg(feature = "deflate")]
        (
            "sockless recording 1\nwith config deflate.client_max_window_bits 7\nserver\n",
            "line 2 of the recording cannot be replayed: the setting deflate.client_max_window_bits must be 8 to 15, \
             but is 7",
        ),
        #[cfg(not(feature = "deflate"))]
        (
            "sockless recording 1\nwith config deflate.level 9\nserver\n",
            "line 2 of the recording cannot be replayed: the feature deflate is off",
        ),
        (
            "sockless recording 1\nserver\naccept\n",
            "line 3 of the recording cannot be replayed: there is no request",
        ),
        (
            "sockless recording 1\nupgraded_server\nsend text \"\\xff\"\n",
            "line 3 of the recording cannot be replayed: it has a text that is not UTF-8",
        ),
        (
            "sockless recording 1\nserver\nreceive <5>\n",
            "line 3 of the recording is redacted: it cannot be replayed",
        ),
        (
            "sockless recording 1\ntruncated\n",
            "line 2 of the recording cannot be replayed: it does not begin",
        ),
        (
            "sockless recording 1\nwith seed \"\"\nserver\n",
            "line 2 of the recording cannot be replayed: the seed must have 32 bytes, but has 0",
        ),
        (
            "sockless recording 1\nwith seed 0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e\nserver\n",
            "line 3 of the recording cannot be replayed: a server has no seed",
        ),
        (
            "sockless recording 1\nserver\nwith forwarding\naccept\n",
            "line 3 of the recording cannot be replayed: the acceptance passes on the answer of another server, \
             which was not recorded",
        ),
        #[cfg(feature = "deflate")]
        (
            "sockless recording 1\nwith deflate 16 15 0 0\nupgraded_server\n",
            "line 2 of the recording cannot be replayed: the window of the server must have 8 to 15 bits, but has 16",
        ),
        #[cfg(feature = "deflate")]
        (
            "sockless recording 1\nwith deflate 15 7 0 0\nupgraded_server\n",
            "line 2 of the recording cannot be replayed: the window of the client must have 8 to 15 bits, but has 7",
        ),
    ];
    for (text, error) in cases {
        let replayed = Recording::parse(text).unwrap().replay();
        assert_eq!(replayed.unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn a_flag_is_0_or_1() {
    let flags = [
        "chunks",
        "auto_pong",
        "auto_close",
        "plain_requests",
        #[cfg(feature = "deflate")]
        "deflate",
        #[cfg(feature = "deflate")]
        "deflate.server_no_context_takeover",
        #[cfg(feature = "deflate")]
        "deflate.client_no_context_takeover",
        #[cfg(feature = "deflate")]
        "deflate.fallback",
        #[cfg(feature = "deflate")]
        "deflate.release",
        #[cfg(feature = "deflate")]
        "deflate.low_memory",
    ];
    for flag in flags {
        for value in [2, 7, u64::MAX] {
            let text = format!("sockless recording 1\nwith config {flag} {value}\nserver\n");
            let error = Recording::parse(&text).unwrap().replay().unwrap_err();
            assert!(matches!(error, ReplayError::Impossible { line: 2, .. }), "{error}");
        }
    }
}

/// The recorder never writes `deflate 0`: it is the default.
#[cfg(feature = "deflate")]
#[test]
fn deflate_0_is_no_compression() {
    for before in ["", "with config deflate 1\nwith config deflate.level 9\n"] {
        let text = format!("sockless recording 1\n{before}with config deflate 0\nserver\n");
        let Err(ReplayError::Difference { replayed, .. }) = Recording::parse(&text).unwrap().replay() else {
            panic!("{text}")
        };
        assert_eq!(replayed, "server");
    }
}

/// Lines may end with CR LF, as a text does that was sent by mail.
#[test]
fn line_ends_of_both_kinds_are_read() {
    let text = format!("{START}receive 0x818000000000\nevent text \"\"\n");
    for text in [text.clone(), text.replace('\n', "\r\n")] {
        Recording::parse(&text).unwrap().replay().unwrap();
    }
}

#[cfg(feature = "laws")]
mod laws {
    use proptest::prelude::*;
    use support::laws::recording::recording;

    use crate::recording::recordings;

    /// A committed recording with lines and bytes that were changed.
    fn changed() -> impl Strategy<Value = Vec<u8>> {
        let texts: Vec<String> = recordings().into_iter().map(|(_, text)| text).collect();
        let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, 0x20..0x7F_u8), 0..4);
        (prop::sample::select(texts), changes).prop_map(|(text, changes)| {
            let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            for (index, kind, byte) in changes {
                let at = index.index(lines.len());
                match kind {
                    0 if lines.len() > 1 => _ = lines.remove(at),
                    1 => lines.insert(at, lines[at].clone()),
                    2 => lines.swap(at, 0),
                    3 => {
                        let len = lines[at].len();
                        lines[at][index.index(len)] = byte;
                    }
                    _ => {
                        let len = lines[at].len();
                        lines[at].truncate(1 + index.index(len));
                    }
                }
            }
            lines.join(&b'\n')
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_changed_recording_is_parsed_and_replayed_without_panic(text in changed()) {
            recording(&text);
        }

        #[test]
        fn any_text_is_parsed(text in "(sockless recording 1\n)?((with|send|receive|event|close|at|set) [ -~]{0,20}\n){0,4}") {
            recording(text.as_bytes());
        }
    }
}
