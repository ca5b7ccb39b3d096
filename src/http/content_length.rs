//! `Content-Length` (RFC 9110, section 8.6; RFC 9112, section 6.3).

use super::syntax::list_elements;

/// An error in the Content-Length headers of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentLengthError<'a> {
    /// The value of a header is not a number below 2^64, nor a list of such numbers.
    Invalid(&'a [u8]),
    /// A value differs from the first one.
    Different(&'a [u8]),
}

/// Returns the length that the values of all Content-Length headers give, or `None` without such a
/// header.
///
/// A list of equal numbers, in one header or several, counts as one number: "in which case, the
/// message is processed with that single value" (RFC 9112, section 6.3, item 5).
pub(crate) fn content_length<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<u64>, ContentLengthError<'a>> {
    let mut length = None;
    let mut empty = None;
    for value in values {
        let mut is_empty = true;
        for element in list_elements(value) {
            is_empty = false;
            let number = parse_number(element).ok_or(ContentLengthError::Invalid(value))?;
            if *length.get_or_insert(number) != number {
                return Err(ContentLengthError::Different(element));
            }
        }
        if is_empty {
            empty = Some(value);
        }
    }
    match (length, empty) {
        (None, Some(value)) => Err(ContentLengthError::Invalid(value)),
        (length, _) => Ok(length),
    }
}

/// Parses `1*DIGIT`.
fn parse_number(text: &[u8]) -> Option<u64> {
    let is_number = text.iter().all(u8::is_ascii_digit);
    let text = core::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok()
}
