//! Names and messages, which other people typed.

/// The longest name, in characters. A longer one is cut.
const MAX_NAME: usize = 32;
/// The longest message, in characters. A longer one is not sent to the others.
pub(crate) const MAX_MESSAGE: usize = 2000;

/// Returns the name in the query of a request: `name=Ana%20B` is `Ana B`.
pub(crate) fn name_in(query: &str) -> Option<String> {
    let name = query.split('&').find_map(|pair| pair.strip_prefix("name="))?;
    let name = clean_name(&percent_decoded(name));
    (!name.is_empty()).then_some(name)
}

/// Returns a name of letters, digits, single spaces and a few other characters.
///
/// It has no control characters and no markup. It has no colon and no parentheses: those separate
/// a name from a message and from the number of the guest.
fn clean_name(name: &str) -> String {
    let is_allowed = |c: &char| c.is_alphanumeric() || c.is_whitespace() || "-_.'".contains(*c);
    let name: String = name.chars().filter(is_allowed).take(4 * MAX_NAME).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = name.chars().take(MAX_NAME).collect();
    name.trim_end().to_owned()
}

/// Returns a message in one line. Control characters and line separators become spaces: with a line
/// break, one guest could write what looks like the line of another.
///
/// # Errors
/// The message is too long: a text for the guest.
pub(crate) fn clean_message(message: &str) -> Result<String, String> {
    let len = message.chars().count();
    if len > MAX_MESSAGE {
        return Err(format!(
            "a message may have at most {MAX_MESSAGE} characters, and this one has {len}"
        ));
    }
    let is_line_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    Ok(message.replace(is_line_break, " "))
}

/// Decodes a value of a query. What is not UTF-8 becomes U+FFFD.
fn percent_decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                hex_digit(*high) << 4 | hex_digit(*low)
            }
            (first, _) => *first,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the value of an ASCII hexadecimal digit.
const fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_and_cleaned() {
        for (query, name) in [
            ("", None),
            ("name=", None),
            ("name=%20%00%0A", None),
            ("other=1", None),
            ("other=1&name=Ana&name=Bob", Some("Ana")),
            ("name=Ana%20B", Some("Ana B")),
            ("name=Ana++B+", Some("Ana B")),
            ("name=%C3%84nne-Marie%20O'Neill", Some("Änne-Marie O'Neill")),
            ("name=%E6%9D%8E%E5%9B%9B", Some("李四")),
            // A byte that is no UTF-8, and percent signs that encode nothing.
            ("name=a%FFb%", Some("ab")),
            ("name=a%zzb%4", Some("azzb4")),
            // A line break, an escape sequence of terminals, NUL, and a reversed direction.
            ("name=a%0D%0Ab%1B[31mc%00%E2%80%AEd", Some("a b31mcd")),
            (
                "name=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
                Some("img srcx onerroralert1"),
            ),
            ("name=guest%202:%20hello", Some("guest 2 hello")),
        ] {
            assert_eq!(name_in(query).as_deref(), name, "{query}");
        }
    }

    #[test]
    fn f71_long_names_are_cut() {
        let long = format!("name={}", "ab%C3%A9".repeat(10_000));
        assert_eq!(name_in(&long).unwrap().chars().count(), MAX_NAME);
        let cut_after_a_space = format!("name={}+b", "a".repeat(MAX_NAME - 1));
        assert_eq!(name_in(&cut_after_a_space).unwrap(), "a".repeat(MAX_NAME - 1));
    }

    #[test]
    fn messages_are_one_line() {
        assert_eq!(
            clean_message("a\r\nguest 2: b\tc\0\u{1b}\u{2028}d").unwrap(),
            "a  guest 2: b c   d"
        );
        assert_eq!(clean_message("你好 🦀 👩‍👩‍👧").unwrap(), "你好 🦀 👩‍👩‍👧");
    }

    #[test]
    fn f71_long_messages_are_refused() {
        assert!(clean_message(&"é".repeat(MAX_MESSAGE)).is_ok());
        assert_eq!(
            clean_message(&"é".repeat(MAX_MESSAGE + 1)).unwrap_err(),
            "a message may have at most 2000 characters, and this one has 2001"
        );
    }
}
