//! Hexadecimal text.

use std::fmt::Write;

/// Reads pairs of digits. White space, colons and commas between bytes are skipped, and so is `0x`
/// in front.
///
/// # Errors
/// What is wrong with the text.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = text.strip_prefix(b"0x").unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for &character in text {
        let digit = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'f' => character - b'a' + 10,
            b'A'..=b'F' => character - b'A' + 10,
            b' ' | b'\t' | b':' | b',' if high.is_none() => continue,
            _ => return Err(format!("\"{}\" is not a hexadecimal digit", character.escape_ascii())),
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err("the last byte has only one hexadecimal digit".to_owned()),
    }
}

/// Returns the bytes in hexadecimal, with a separator between them.
pub(crate) fn format(bytes: &[u8], separator: &str) -> String {
    let mut out = String::with_capacity(bytes.len() * (2 + separator.len()));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        // Writing to a `String` does not fail.
        let _result = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn what_is_written_is_read() {
        let bytes = [0x00, 0xff, 0x10, 0x0a];
        for separator in ["", " ", ":", ", "] {
            assert_eq!(parse(format(&bytes, separator).as_bytes()), Ok(bytes.to_vec()));
        }
        assert_eq!(parse(b"0xABcd"), Ok(vec![0xab, 0xcd]));
        assert_eq!(parse(b""), Ok(vec![]));
    }

    #[test]
    fn what_is_not_hexadecimal_is_an_error() {
        for text in ["0", "0g", "0 0", "00 1", "é0"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
