//! The header fields of a head.

use alloc::{borrow::Cow, vec::Vec};
use core::{fmt, slice};

use super::syntax::{find, split_line};
use crate::escaped::{Escaped, RedactedValue};

/// The header fields of a request or response in their order: names as sent, values without
/// surrounding white space.
///
/// Field names are compared without regard to ASCII case (RFC 9110, section 5.1).
///
/// The `Debug` output replaces secrets with `<redacted>`: the values of `Authorization`,
/// `Proxy-Authorization`, `Cookie`, `Set-Cookie` and `Sec-WebSocket-Protocol`, which can be a
/// bearer token, and the query strings of URLs in `Location`, `Content-Location` and `Referer`.
#[derive(Clone)]
pub struct Headers<'a>(Fields<'a>);

#[derive(Clone)]
enum Fields<'a> {
    /// The lines of a valid head after its first line.
    Lines(&'a [u8]),
    /// The fields of a head that another HTTP implementation has parsed.
    Parsed(slice::Iter<'a, Field<'a>>),
}

/// A field of a head that another HTTP implementation has parsed.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

impl<'a> Headers<'a> {
    /// Returns the fields of a head that the parser has accepted.
    pub(crate) fn from_head(head: &'a [u8]) -> Self {
        Self(Fields::Lines(split_line(head).1))
    }

    pub(crate) fn from_fields(fields: &'a [Field<'a>]) -> Self {
        Self(Fields::Parsed(fields.iter()))
    }

    /// Returns the value of the first field with the given name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// Returns the values of all fields with the given name, in their order.
    pub(crate) fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        self.0
            .clone()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((core::str::from_utf8(name).ok()?, value))
    }
}

/// Names are bytes here, so that a search for one name does not validate the others as UTF-8.
impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(rest) => {
                let (line, next) = split_line(rest);
                *rest = next;
                let (name, value) = line.split_at(find(line, b':')?);
                let value = value.split_first().map_or(value, |(_colon, value)| value);
                Some((name, value.trim_ascii()))
            }
            Self::Parsed(fields) => fields.next().map(|(name, value)| (name.as_bytes(), value.trim_ascii())),
        }
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.clone()
                    .map(|(name, value)| (Escaped(name.as_bytes()), RedactedValue { name, value })),
            )
            .finish()
    }
}

/// Appends a header field.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
