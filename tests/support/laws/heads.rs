//! A slow and simple reader of heads (RFC 9112), with which the laws compare the handshakes.
//!
//! It takes everything that a peer has sent, and looks at it anew each time. It is written with
//! lists of lines, elements and words.

use sockless::handshake;

/// How much of a head has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The first bytes may become a head.
    Incomplete,
    /// No head begins like that, it is too long, or it has too many fields.
    Invalid,
    Head(Head),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The words of the first line: at most three.
    pub words: [String; 3],
    pub fields: Vec<(String, Vec<u8>)>,
    /// With the empty lines before it.
    pub len: usize,
}

/// Limits of a configuration.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    pub bytes: usize,
    pub fields: usize,
}

/// Reads the head at the front. `is_first_line` judges the words of its first line.
pub fn read(bytes: &[u8], limits: HeadLimits, is_first_line: fn(&[&[u8]]) -> bool) -> Found {
    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if skipped > limits.bytes {
        return Found::Invalid;
    }
    let (room, rest) = (limits.bytes - skipped, &bytes[skipped..]);
    if rest.is_empty() {
        return Found::Incomplete;
    }
    if !is_tchar(rest[0]) {
        return Found::Invalid;
    }
    let lines: Vec<&[u8]> = rest[..room.min(rest.len())]
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .collect();
    let content = |line: &[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).to_vec()
    };
    let first_line = lines.first().map(|line| content(line));
    let words: Option<Vec<&[u8]>> = first_line
        .as_ref()
        .map(|line| line.splitn(3, |byte| *byte == b' ').collect());
    if words.as_ref().is_some_and(|words| !is_first_line(words)) {
        return Found::Invalid;
    }
    let Some(blank) = lines.iter().position(|line| content(line).is_empty()) else {
        return if rest.len() >= room {
            Found::Invalid
        } else {
            Found::Incomplete
        };
    };
    let mut fields = Vec::new();
    for line in &lines[1..blank] {
        let line = content(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Found::Invalid;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || value.iter().any(|byte| *byte != b'\t' && (*byte < 32 || *byte == 127)) {
            return Found::Invalid;
        }
        fields.push((String::from_utf8(name.to_vec()).unwrap(), trim(value).to_vec()));
    }
    if fields.len() > limits.fields {
        return Found::Invalid;
    }
    let mut words = words
        .unwrap()
        .into_iter()
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let [first, second, third] = [(); 3].map(|()| words.next().unwrap_or_default());
    Found::Head(Head {
        words: [first, second, third],
        fields,
        len: skipped + lines[..=blank].iter().map(|line| line.len()).sum::<usize>(),
    })
}

impl Head {
    /// The values of the fields with a name.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| &value[..])
            .collect()
    }

    /// The values joined to one list, and its elements that are not empty (RFC 9110, section
    /// 5.6.1).
    pub fn list(&self, name: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
        let joined = self.values(name).join(&b',');
        let elements = joined.split(|byte| *byte == b',').map(|element| trim(element).to_vec());
        let elements = elements.filter(|element| !element.is_empty()).collect();
        (joined, elements)
    }

    /// Whether a list names a token, in any case.
    pub fn names(&self, name: &str, token: &str) -> bool {
        let (_, elements) = self.list(name);
        elements
            .iter()
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether a list has commas and nothing else.
    pub fn has_only_commas(&self, name: &str) -> bool {
        let (joined, elements) = self.list(name);
        joined.contains(&b',') && elements.is_empty()
    }
}

fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(start, |last| last + 1);
    &value[start..end]
}

/// RFC 9110, section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_tchar(*byte))
}

/// Whether a text is `uri-host [ ":" port ]` with a host (RFC 3986, section 3.2), and the port is
/// empty or a number from 1 to 65535.
pub fn is_authority(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let (host_is_valid, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        if !port.is_empty() && !port.starts_with(':') {
            return false;
        }
        (
            address.parse::<std::net::Ipv6Addr>().is_ok(),
            port.trim_start_matches(':'),
        )
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        (!host.is_empty() && is_reg_name(host), port)
    };
    if text.contains("::") && !text.starts_with('[') || text.contains("]::") {
        return false;
    }
    let number = port.trim_start_matches('0');
    let port_is_valid = port.is_empty()
        || port.bytes().all(|byte| byte.is_ascii_digit())
            && number.len() <= 5
            && number.parse::<u32>().is_ok_and(|number| (1..=65_535).contains(&number));
    host_is_valid && port_is_valid
}

fn is_reg_name(text: &str) -> bool {
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let used = match char {
            '%' => {
                let digits = rest.as_bytes().get(1..3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return false;
                }
                3
            }
            _ if char.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(char) => 1,
            _ => return false,
        };
        rest = &rest[used..];
    }
    true
}

/// An extension: its name, and its parameters with optional values.
pub type Extension = (String, Vec<(String, Option<String>)>);

/// An extension of the crate, to compare with.
pub fn owned(extension: &handshake::Extension<'_>) -> Extension {
    let parameters = extension
        .params()
        .map(|(name, value)| (name.into(), value.map(|value| value.into_owned())));
    (extension.name().to_owned(), parameters.collect())
}

/// The extensions of one header value. `None` if the grammar of RFC 6455, section 9.1, is violated.
pub fn extensions(value: &[u8]) -> Option<Vec<Extension>> {
    let words = words(value)?;
    let mut extensions = Vec::new();
    for element in words.split(|word| *word == Word::Other(b',')) {
        if element.is_empty() {
            continue;
        }
        let mut parts = element.split(|word| *word == Word::Other(b';'));
        let Some([Word::Token(name)]) = parts.next() else {
            return None;
        };
        let mut parameters = Vec::new();
        for part in parts {
            parameters.push(match part {
                [Word::Token(name)] => (name.clone(), None),
                [
                    Word::Token(name),
                    Word::Other(b'='),
                    Word::Token(value) | Word::Quoted(value),
                ] => (name.clone(), Some(value.clone())),
                _ => return None,
            });
        }
        extensions.push((name.clone(), parameters));
    }
    Some(extensions)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Token(String),
    /// The token in a quoted string.
    Quoted(String),
    Other(u8),
}

fn words(value: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = value;
    while let Some((first, next)) = rest.split_first() {
        match first {
            b' ' | b'\t' => rest = next,
            b'"' => {
                let (mut text, mut at) = (Vec::new(), 0);
                loop {
                    match next.get(at)? {
                        b'"' => break,
                        b'\\' => {
                            text.push(*next.get(at + 1)?);
                            at += 2;
                        }
                        byte => {
                            text.push(*byte);
                            at += 1;
                        }
                    }
                }
                if !is_token(&text) {
                    return None;
                }
                words.push(Word::Quoted(String::from_utf8(text).ok()?));
                rest = &next[at + 1..];
            }
            byte if is_tchar(*byte) => {
                let len = rest.iter().take_while(|byte| is_tchar(**byte)).count();
                words.push(Word::Token(String::from_utf8(rest[..len].to_vec()).ok()?));
                rest = &rest[len..];
            }
            byte => {
                words.push(Word::Other(*byte));
                rest = next;
            }
        }
    }
    Some(words)
}
