//! Text of the peer, fit for a terminal.

use std::fmt::Write;

/// Appends bytes in which nothing controls a terminal. What is not UTF-8 is written as `\xff`.
///
/// A line break begins a new line with an indent, so that no line of the peer looks like one of
/// this program.
pub(crate) fn push_escaped(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => out.push_str("\n  "),
                '\t' => out.push('\t'),
                _ if is_unsafe(character) => out.extend(character.escape_default()),
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a `String` does not fail.
            let _result = write!(out, "\\x{byte:02x}");
        }
    }
}

/// Returns bytes in one line, in which nothing controls a terminal.
pub(crate) fn escaped_line(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = match line.split_last() {
            Some((b'\n', text)) => (text, "\\n"),
            _ => (line, ""),
        };
        push_escaped(text, &mut out);
        out.push_str(end);
    }
    out
}

/// Whether a character can control a terminal, or the order in which it shows others.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::{escaped_line, push_escaped};

    fn escaped(bytes: &[u8]) -> String {
        let mut out = String::new();
        push_escaped(bytes, &mut out);
        out
    }

    #[test]
    fn nothing_controls_a_terminal() {
        let cases: [(&[u8], &str); 6] = [
            (b"\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            (b"a\rb\x08\x7f", r"a\rb\u{8}\u{7f}"),
            ("\u{9b}2J".as_bytes(), r"\u{9b}2J"),
            ("\u{202e}txt.exe".as_bytes(), r"\u{202e}txt.exe"),
            (b"a\xff\xc3", r"a\xff\xc3"),
            ("naïve ✓\t\\n".as_bytes(), "naïve ✓\t\\n"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(escaped(bytes), expected);
            assert_eq!(escaped_line(bytes), expected);
        }
    }

    #[test]
    fn a_line_break_cannot_begin_a_line_of_this_program() {
        assert_eq!(escaped(b"a\n* closed"), "a\n  * closed");
        assert_eq!(escaped_line(b"a\n* closed\n"), r"a\n* closed\n");
    }
}
