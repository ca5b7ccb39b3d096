//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).

use alloc::{borrow::Cow, string::String};

use crate::http::{is_tchar, is_token};

/// An extension with its parameters, as a `Sec-WebSocket-Extensions` header lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    parameters: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Returns the extensions in the value of a `Sec-WebSocket-Extensions` header, up to the first
    /// that violates the grammar: for a caller with an HTTP implementation of its own.
    ///
    /// ```
    /// use sockless::handshake::Extension;
    ///
    /// let mut extensions = Extension::parse(b"x-own; level=3, permessage-deflate");
    /// let own = extensions.next().expect("there are two");
    /// assert_eq!(own.name(), "x-own");
    /// assert_eq!(own.params().next(), Some(("level", Some("3".into()))));
    /// ```
    pub fn parse(value: &'a [u8]) -> impl Iterator<Item = Self> + Clone {
        parse_extensions(value).map_while(Result::ok)
    }

    /// Returns the name, as sent.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the parameters in their order, each a name with an optional value. A quoted value
    /// comes without its quotes.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)> + use<'a> {
        let mut rest = self.parameters;
        core::iter::from_fn(move || parse_parameter(&mut rest).ok().flatten())
    }

    /// Returns the name with its parameters, as in the header.
    pub(crate) fn to_text(self) -> String {
        let mut text = String::from(self.name);
        text.push_str(&String::from_utf8_lossy(self.parameters.trim_ascii_end()));
        text
    }

    /// Returns the bytes of the parameters, without the semicolon before the first one.
    pub(crate) fn raw_parameters(&self) -> &'a [u8] {
        let parameters = self.parameters.trim_ascii();
        parameters.strip_prefix(b";").unwrap_or(parameters).trim_ascii()
    }
}

/// The name of a parameter and its optional value.
type Parameter<'a> = (&'a str, Option<Cow<'a, str>>);

/// The bytes violate the grammar.
struct SyntaxError;

/// A list of extensions that violates the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidExtensions<'a> {
    /// The list from the invalid extension on.
    pub(crate) rest: &'a [u8],
}

/// Returns the extensions in a header value. The first error is the last item. Empty elements are
/// ignored (RFC 9110, section 5.6.1.2).
pub(crate) fn parse_extensions(
    value: &[u8],
) -> impl Iterator<Item = Result<Extension<'_>, InvalidExtensions<'_>>> + Clone {
    let mut unparsed = Some(value);
    core::iter::from_fn(move || {
        let mut value = unparsed?;
        while let [b',' | b' ' | b'\t', next @ ..] = value {
            value = next;
        }
        if value.is_empty() {
            return None;
        }
        let mut rest = value;
        let extension = parse_extension(&mut rest);
        unparsed = None;
        Some(match (extension, rest.split_first()) {
            (Ok(extension), Some((b',', next))) => {
                unparsed = Some(next);
                Ok(extension)
            }
            (Ok(extension), None) => Ok(extension),
            (Ok(_), Some(_)) | (Err(SyntaxError), _) => Err(InvalidExtensions {
                rest: value.trim_ascii(),
            }),
        })
    })
}

/// Parses `extension = extension-token *( ";" extension-param )`.
fn parse_extension<'a>(rest: &mut &'a [u8]) -> Result<Extension<'a>, SyntaxError> {
    let name = parse_token(rest)?;
    let start = *rest;
    while parse_parameter(rest)?.is_some() {}
    let parameters = start.get(..start.len() - rest.len()).unwrap_or_default();
    Ok(Extension { name, parameters })
}

/// Parses `";" extension-param`, where
/// `extension-param = token [ "=" (token | quoted-string) ]`. Returns `None` without a semicolon.
fn parse_parameter<'a>(rest: &mut &'a [u8]) -> Result<Option<Parameter<'a>>, SyntaxError> {
    skip_white_space(rest);
    if !skip_byte(rest, b';') {
        return Ok(None);
    }
    skip_white_space(rest);
    let name = parse_token(rest)?;
    skip_white_space(rest);
    if !skip_byte(rest, b'=') {
        return Ok(Some((name, None)));
    }
    skip_white_space(rest);
    let value = if skip_byte(rest, b'"') {
        parse_quoted_token(rest)?
    } else {
        Cow::Borrowed(parse_token(rest)?)
    };
    Ok(Some((name, Some(value))))
}

/// Parses a quoted string after its first quote. "the value after quoted-string unescaping MUST
/// conform to the 'token' ABNF"
fn parse_quoted_token<'a>(rest: &mut &'a [u8]) -> Result<Cow<'a, str>, SyntaxError> {
    let mut text = String::new();
    loop {
        let byte = match next_byte(rest)? {
            b'"' => break,
            b'\\' => next_byte(rest)?,
            byte => byte,
        };
        text.push(char::from(byte));
    }
    if is_token(text.as_bytes()) {
        Ok(Cow::Owned(text))
    } else {
        Err(SyntaxError)
    }
}

fn next_byte(rest: &mut &[u8]) -> Result<u8, SyntaxError> {
    let (&byte, next) = rest.split_first().ok_or(SyntaxError)?;
    *rest = next;
    Ok(byte)
}

fn parse_token<'a>(rest: &mut &'a [u8]) -> Result<&'a str, SyntaxError> {
    let len = rest.iter().position(|&byte| !is_tchar(byte)).unwrap_or(rest.len());
    let (token, next) = rest.split_at(len);
    *rest = next;
    match core::str::from_utf8(token) {
        Ok(token) if !token.is_empty() => Ok(token),
        _ => Err(SyntaxError),
    }
}

fn skip_white_space(rest: &mut &[u8]) {
    while skip_byte(rest, b' ') || skip_byte(rest, b'\t') {}
}

/// Removes `byte` from the front of `rest`. Returns whether it was there.
fn skip_byte(rest: &mut &[u8], byte: u8) -> bool {
    match rest.split_first() {
        Some((&first, next)) if first == byte => {
            *rest = next;
            true
        }
        _ => false,
    }
}
