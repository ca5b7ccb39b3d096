//! What is sent, and what is written.

use sockless::Message;

use crate::{
    process::wscat,
    server::{accepting, echo, sending},
};

/// Answers each message with its kind and its bytes, as text.
fn describing() -> String {
    accepting(|mut ws| {
        while let Ok(Some(message)) = ws.recv() {
            let kind = match message {
                Message::Text(_) => "text",
                Message::Binary(_) => "binary",
            };
            ws.send(format!("{kind} {}", message.as_bytes().escape_ascii()))
                .unwrap();
        }
    })
}

/// Sends one binary message, then waits for the client to close.
fn sending_binary() -> String {
    accepting(|mut ws| {
        ws.send(&b"\x00\xffa\n"[..]).unwrap();
        while let Ok(Some(_)) = ws.recv() {}
    })
}

#[test]
fn each_line_is_a_message_and_the_answers_come_in_order() {
    let run = wscat(&["--wait", "0", &describing()], "one\ntwo\r\n\nn\u{e4}ive");
    assert_eq!(run.exits(0), "text one\ntext two\ntext \ntext n\\xc3\\xa4ive\n");
    assert_eq!(run.stderr, "");
}

#[test]
fn lines_are_sent_as_binary_messages() {
    let run = wscat(&["--binary", "--wait", "0", &describing()], &b"a\xff\nb"[..]);
    assert_eq!(run.exits(0), "binary a\\xff\nbinary b\n");
}

#[test]
fn lines_in_hexadecimal_are_sent_as_binary_messages() {
    let run = wscat(&["--hex", "--wait", "0", &describing()], "00ff\n0x61 62\n\n");
    assert_eq!(run.exits(0), "binary \\x00\\xff\nbinary ab\nbinary \n");
}

#[test]
fn binary_messages_are_shown_as_the_options_say() {
    for (option, expected) in [
        ("--text", &b"00ff610a\n"[..]),
        ("--hex", b"00ff610a\n"),
        ("--binary", b"\x00\xffa\n\n"),
        ("--raw", b"\x00\xffa\n"),
    ] {
        let run = wscat(&[option, "--wait", "0", &sending_binary()], "");
        run.exits(0);
        assert_eq!(run.stdout, expected, "{option}");
    }
}

#[test]
fn text_goes_to_a_pipe_as_it_is() {
    let url = sending(&["\u{1b}[2Jred\n", "two"], 1000, "");
    assert_eq!(
        wscat(&["--wait", "forever", &url], "").exits(0),
        "\u{1b}[2Jred\n\ntwo\n"
    );
    assert_eq!(
        wscat(&["--raw", "--wait", "forever", &url], "").exits(0),
        "\u{1b}[2Jred\ntwo"
    );
}

#[test]
fn a_line_that_cannot_be_sent_ends_the_program_with_its_number() {
    let run = wscat(&[&echo()], &b"fine\n\xff\nlost\n"[..]);
    assert_eq!(run.exits(2), "fine\n");
    run.says("line 2 of the input was not sent: it is not UTF-8: use --binary");
    let run = wscat(&["--hex", &echo()], "00\n0\n");
    assert_eq!(run.exits(2), "00\n");
    run.says("line 2 of the input was not sent: the last byte has only one hexadecimal digit");
}

/// More than fits between the two programs: sending must not wait until everything is received.
#[test]
fn much_input_and_as_much_output_do_not_block_each_other() {
    let line = "x".repeat(64 << 10);
    let input = format!("{line}\n").repeat(400);
    let run = wscat(&["--wait", "0", &echo()], input.clone());
    assert!(run.exits(0) == input, "all of it comes back");
}

#[test]
fn messages_are_compressed_if_both_ends_offer_it() {
    let run = wscat(&["-v", "--deflate", "--wait", "0", &echo()], "hello\n");
    assert_eq!(run.exits(0), "hello\n");
    run.says("permessage-deflate");
    let run = wscat(&["-v", "--wait", "0", &echo()], "hello\n");
    assert!(!run.stderr.contains("permessage-deflate"), "{}", run.stderr);
}

#[test]
fn a_message_above_the_limit_ends_the_connection() {
    let url = sending(&["four", "fifth"], 1000, "");
    let run = wscat(&["--max-message-size", "4", "--wait", "forever", &url], "");
    assert_eq!(run.exits(4), "four\n");
    run.says("the connection was lost");
}
