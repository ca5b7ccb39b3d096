//! The grammar of header fields (RFC 9110, section 5), and the search for a byte.

/// Returns the index of the first `byte`. Compares eight bytes at a time, because a search byte by
/// byte would take as long as the rest of the handshake.
#[inline]
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    const LOW_BITS: u64 = u64::MAX / 0xFF;
    const HIGH_BITS: u64 = LOW_BITS << 7;
    let pattern = LOW_BITS * u64::from(byte);
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, next)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word) ^ pattern;
        // The lowest bit that is set belongs to the first byte that the XOR has made zero.
        let found = word.wrapping_sub(LOW_BITS) & !word & HIGH_BITS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        rest = next;
        at += 8;
    }
    Some(at + rest.iter().position(|&other| other == byte)?)
}

/// Splits off the first line. The line feed belongs to neither part.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match find(bytes, b'\n') {
        Some(at) => {
            let (line, rest) = bytes.split_at(at);
            (line, rest.get(1..).unwrap_or_default())
        }
        None => (bytes, &[]),
    }
}

/// Returns whether a byte is a `tchar` (RFC 9110, section 5.6.2).
pub(crate) const fn is_tchar(byte: u8) -> bool {
    /// A bit for each ASCII character. One test of a bit replaces the comparisons with each range.
    const TCHARS: u128 = {
        let (mut set, mut byte) = (0, 0);
        while byte < 128 {
            if matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~')
            {
                set |= 1 << byte;
            }
            byte += 1;
        }
        set
    };
    byte < 128 && TCHARS >> byte & 1 != 0
}

/// Returns whether `text` is a `token` (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

/// Returns whether `text` is a `field-value`: it has no control character except the tab (RFC 9110,
/// section 5.5).
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7F))
}

/// Returns the elements of a comma-separated list without quoted strings.
///
/// "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110,
/// section 5.6.1.2). The limit on the head limits them.
pub(crate) fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let elements = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty())
}

/// Whether a list header has elements and commas. All its values are one list, joined by commas
/// (RFC 9110, section 5.2).
#[derive(Clone, Copy, Default)]
pub(crate) struct ListShape {
    has_value: bool,
    has_comma: bool,
    has_element: bool,
}

impl ListShape {
    /// Adds the value of the next header.
    pub(crate) fn add(&mut self, value: &[u8]) {
        if value.iter().any(|byte| !matches!(byte, b',' | b' ' | b'\t')) {
            self.has_element = true;
        } else {
            // Beside an element, commas do not matter.
            self.has_comma |= self.has_value || !value.is_empty();
        }
        self.has_value = true;
    }

    pub(crate) const fn has_element(self) -> bool {
        self.has_element
    }

    /// Returns whether the list has commas and no element. A single value that is empty has
    /// neither: it counts as a header that is absent.
    pub(crate) const fn has_only_empty_elements(self) -> bool {
        self.has_comma && !self.has_element
    }
}

/// Returns whether a comma-separated list has the token, without regard to ASCII case.
pub(crate) fn list_has(value: &[u8], token: &str) -> bool {
    list_elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}
