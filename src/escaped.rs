//! `Debug` output of untrusted bytes and of secrets.

use core::fmt;

/// Bytes, printed in double quotes and escaped, at most [`MAX_LEN`](Self::MAX_LEN) of them.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl Escaped<'_> {
    const MAX_LEN: usize = 64;
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..Self::MAX_LEN) {
            Some(front) if self.0.len() > Self::MAX_LEN => {
                write!(f, "\"{}\"... ({} bytes)", front.escape_ascii(), self.0.len())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// A secret, printed as `<redacted>`.
pub(crate) struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A URL or request target, printed up to its query, its fragment, or its user name and password.
pub(crate) struct RedactedUrl<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (public, rest) = self.0.split_at(public_len(self.0));
        let Some(&first) = rest.first() else {
            return Escaped(public).fmt(f);
        };
        let shown = public.get(..Escaped::MAX_LEN).unwrap_or(public);
        write!(f, "\"{}", shown.escape_ascii())?;
        if shown.len() < public.len() {
            f.write_str("...")?;
        }
        f.write_str(match first {
            b'?' => "?<redacted>\"",
            b'#' => "#<redacted>\"",
            _ => "<redacted>\"",
        })
    }
}

/// Returns how many bytes of a URL or request target precede everything that can be a secret: the
/// user name, the password, the query and the fragment.
///
/// A password may hold a `/`, `?` or `#` by mistake. So a URL that has an `@` anywhere, and is not
/// just a path, ends after its scheme here.
pub(crate) fn public_len(url: &[u8]) -> usize {
    let is_path = url.starts_with(b"/");
    if !is_path && url.contains(&b'@') {
        let is_in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let scheme_len = url.iter().take_while(|byte| is_in_scheme(byte)).count();
        let has_scheme = url.get(scheme_len..).is_some_and(|rest| rest.starts_with(b"://"));
        return if has_scheme { scheme_len + 3 } else { 0 };
    }
    url.iter()
        .position(|byte| matches!(byte, b'?' | b'#'))
        .unwrap_or(url.len())
}

/// The value of a header field, printed unless it is a secret.
pub(crate) struct RedactedValue<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a [u8],
}

impl RedactedValue<'_> {
    /// Browsers can send a bearer token as a subprotocol only, so that list can be a secret too.
    const SECRETS: [&'static str; 5] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "sec-websocket-protocol",
    ];
    const URLS: [&'static str; 3] = ["location", "content-location", "referer"];
}

impl fmt::Debug for RedactedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_one_of = |names: &[&str]| names.iter().any(|name| self.name.eq_ignore_ascii_case(name));
        if is_one_of(&Self::SECRETS) {
            Redacted.fmt(f)
        } else if is_one_of(&Self::URLS) {
            RedactedUrl(self.value).fmt(f)
        } else {
            Escaped(self.value).fmt(f)
        }
    }
}

/// A list of header fields, printed without the values that are secrets.
pub(crate) struct RedactedFields<'a, T>(pub(crate) &'a [(T, T)]);

impl<T: AsRef<str>> fmt::Debug for RedactedFields<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        f.debug_map()
            .entries(fields.map(|(name, value)| {
                let value = value.as_bytes();
                (Escaped(name.as_bytes()), RedactedValue { name, value })
            }))
            .finish()
    }
}
