//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).

use alloc::{borrow::Cow, string::String};

use crate::http::{is_tchar, is_token};

/// An element of a `Sec-WebSocket-Extensions` header: an extension with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    params: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The name, as sent.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The parameters in their order, each a name and perhaps a value. A quoted value comes without its quotes.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)> + use<'a> {
        let mut cursor = self.params;
        core::iter::from_fn(move || param(&mut cursor).ok().flatten())
    }
}

/// A parameter: a name and perhaps a value.
type Param<'a> = (&'a str, Option<Cow<'a, str>>);

/// The bytes do not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The elements of one header value; iteration ends at the first that is malformed.
pub(crate) fn extensions(value: &[u8]) -> impl Iterator<Item = Result<Extension<'_>, Malformed>> {
    let mut cursor = Some(value);
    core::iter::from_fn(move || {
        let at = cursor.as_mut()?;
        let found = extension(at);
        skip_white(at);
        let found = match (found, at.split_first()) {
            (Ok(found), Some((b',', behind))) => {
                *at = behind;
                return Some(Ok(found));
            }
            (Ok(found), None) => Ok(found),
            (Ok(_), Some(_)) | (Err(Malformed), _) => Err(Malformed),
        };
        cursor = None;
        Some(found)
    })
}

/// Whether each of the header values follows the grammar.
pub(crate) fn are_well_formed<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> bool {
    values.all(|value| extensions(value).all(|extension| extension.is_ok()))
}

/// `extension = extension-token *( ";" extension-param )`
fn extension<'a>(cursor: &mut &'a [u8]) -> Result<Extension<'a>, Malformed> {
    skip_white(cursor);
    let name = token(cursor).ok_or(Malformed)?;
    let from = *cursor;
    while param(cursor)?.is_some() {}
    let params = from.get(..from.len() - cursor.len()).unwrap_or_default();
    Ok(Extension { name, params })
}

/// `";" extension-param`, where `extension-param = token [ "=" (token | quoted-string) ]`, or nothing.
fn param<'a>(cursor: &mut &'a [u8]) -> Result<Option<Param<'a>>, Malformed> {
    skip_white(cursor);
    if !skip(cursor, b';') {
        return Ok(None);
    }
    skip_white(cursor);
    let name = token(cursor).ok_or(Malformed)?;
    skip_white(cursor);
    if !skip(cursor, b'=') {
        return Ok(Some((name, None)));
    }
    skip_white(cursor);
    let value = if skip(cursor, b'"') {
        quoted(cursor)?
    } else {
        Cow::Borrowed(token(cursor).ok_or(Malformed)?)
    };
    Ok(Some((name, Some(value))))
}

/// The rest of a quoted-string. "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
fn quoted<'a>(cursor: &mut &'a [u8]) -> Result<Cow<'a, str>, Malformed> {
    let mut text = String::new();
    loop {
        let (&byte, behind) = cursor.split_first().ok_or(Malformed)?;
        *cursor = behind;
        let byte = match byte {
            b'"' => break,
            b'\\' => {
                let (&escaped, behind) = cursor.split_first().ok_or(Malformed)?;
                *cursor = behind;
                escaped
            }
            byte => byte,
        };
        text.push(char::from(byte));
    }
    if is_token(text.as_bytes()) {
        Ok(Cow::Owned(text))
    } else {
        Err(Malformed)
    }
}

fn token<'a>(cursor: &mut &'a [u8]) -> Option<&'a str> {
    let len = cursor.iter().position(|&byte| !is_tchar(byte)).unwrap_or(cursor.len());
    let (token, behind) = cursor.split_at(len);
    *cursor = behind;
    core::str::from_utf8(token).ok().filter(|token| !token.is_empty())
}

fn skip_white(cursor: &mut &[u8]) {
    while skip(cursor, b' ') || skip(cursor, b'\t') {}
}

fn skip(cursor: &mut &[u8], byte: u8) -> bool {
    match cursor.split_first() {
        Some((&first, behind)) if first == byte => {
            *cursor = behind;
            true
        }
        _ => false,
    }
}
