//! What the tests of the opening handshake share: heads written by hand, ways to feed them, a
//! reader of answers.

use sockless::{
    ClientRequest, ClosedBy, Config, Connection, Event, ProtocolError, Request, State, Teardown,
    error::{LocalHandshakeError, RequestError, ResponseError},
    handshake::{Refusal, Response},
};

use crate::{Outcome, feed, feed_bytewise, quoted, quoted_to};

/// The key of the RFC's sample (section 1.3; with erratum 3150, which it needs to be canonical).
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to [`KEY`] (section 4.2.2, step 5.4).
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The 16 bytes that [`KEY`] encodes.
pub const NONCE: [u8; 16] = *b"the sample nonce";

/// The seed of the clients here.
pub const SEED: [u8; 32] = [0; 32];
/// The key that a client makes of [`SEED`]: the first bytes of TC1 for ChaCha8 with 256 bits in
/// draft-strombergson-chacha-test-vectors.
pub const CLIENT_KEY: &str = "PgDvL4lfQNZ/W7joHwmloQ==";
/// The answer to [`CLIENT_KEY`], computed by another implementation.
pub const CLIENT_ACCEPT: &str = "A7H9HYh1mE/+oRL0Kip7NajRQmU=";

/// Names and values of header fields.
pub type Fields<'a> = Vec<(&'a str, &'a str)>;

/// A request, and no more than RFC 6455 asks for.
pub const REQUEST: &str = "GET / HTTP/1.1\r\n\
    Host: example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// What a browser sends.
pub const BROWSER_REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\n\
    Host: example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=31d4d96e407aad42; theme=dark; consent=yes\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// The fields of [`REQUEST`] (section 4.2.1).
pub const REQUEST_FIELDS: [(&str, &str); 5] = [
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
];

/// The pseudo-headers of an extended CONNECT (RFC 8441, section 5).
pub const CONNECT_FIELDS: [(&str, &str); 5] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/"),
];

/// [`CONNECT_FIELDS`] with another value of one pseudo-header.
pub fn connect_with<'a>(name: &str, value: &'a str) -> Fields<'a> {
    let fields = CONNECT_FIELDS.into_iter();
    fields
        .map(|(other, old)| (other, if other == name { value } else { old }))
        .collect()
}

/// [`CONNECT_FIELDS`] without one pseudo-header.
pub fn connect_without(name: &str) -> Fields<'static> {
    CONNECT_FIELDS.into_iter().filter(|(other, _)| *other != name).collect()
}

/// A valid extended CONNECT.
pub fn connect_request() -> Request<'static> {
    let headers = [("sec-websocket-version", &b"13"[..])];
    Request::from_connect(CONNECT_FIELDS, headers).unwrap()
}

/// The fields that a response to [`CLIENT_KEY`] needs (section 4.1).
pub const RESPONSE_FIELDS: [(&str, &str); 3] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", CLIENT_ACCEPT),
];

/// The fields, but with those of one name replaced by one for each of the values.
pub fn with<'a>(fields: &[(&'a str, &'a str)], name: &'a str, values: &[&'a str]) -> Fields<'a> {
    let others = fields.iter().copied().filter(|(other, _)| *other != name);
    others.chain(values.iter().map(|value| (name, *value))).collect()
}

/// Fields as a head has them that another HTTP implementation has parsed.
pub fn listed<'a>(fields: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    fields.iter().map(|(name, value)| (*name, value.as_bytes()))
}

/// A head: its first line, its fields, and the blank line.
pub fn head(line: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for (name, value) in fields {
        text += &format!("{name}: {value}\r\n");
    }
    (text + "\r\n").into_bytes()
}

/// The values of one field of [`REQUEST_FIELDS`], or of a further one, and the error that they
/// cause. The rules are the same for heads and for parsed requests.
pub fn request_edits() -> [(&'static str, &'static [&'static str], Option<RequestError>); 22] {
    [
        ("x", &["y"], None),
        ("Host", &[], Some(RequestError::MissingHost)),
        ("Host", &["a", "b"], Some(RequestError::RepeatedHost)),
        ("Origin", &["a", "b"], Some(RequestError::RepeatedOrigin)),
        ("Upgrade", &[], Some(RequestError::MissingUpgrade)),
        (
            "Upgrade",
            &["h2c"],
            Some(RequestError::InvalidUpgrade { value: quoted("h2c") }),
        ),
        ("Upgrade", &["h2c, WebSocket"], None),
        ("Upgrade", &["h2c", "WebSocket"], None),
        (
            "Connection",
            &["close"],
            Some(RequestError::InvalidConnection { value: quoted("close") }),
        ),
        ("Connection", &["keep-alive", "upgrade"], None),
        ("Connection", &["keep-alive, upgrade"], None),
        ("Sec-WebSocket-Key", &["x"], Some(RequestError::InvalidKey { len: 1 })),
        ("Sec-WebSocket-Key", &[KEY, KEY], Some(RequestError::RepeatedKey)),
        (
            "Sec-WebSocket-Version",
            &["8"],
            Some(RequestError::UnsupportedVersion { version: quoted("8") }),
        ),
        (
            "Sec-WebSocket-Version",
            &["13", "13"],
            Some(RequestError::RepeatedVersion),
        ),
        ("Sec-WebSocket-Protocol", &["a, b", "c"], None),
        (
            "Sec-WebSocket-Protocol",
            &["a", "a"],
            Some(RequestError::RepeatedSubprotocol { position: 2 }),
        ),
        ("Sec-WebSocket-Extensions", &["a; b=\"c\"", "d"], None),
        (
            "Sec-WebSocket-Extensions",
            &["a;"],
            Some(RequestError::InvalidExtensions { value: quoted("a;") }),
        ),
        ("Content-Length", &["0"], None),
        (
            "Content-Length",
            &["1"],
            Some(RequestError::ContentLength { value: quoted("1") }),
        ),
        (
            "Transfer-Encoding",
            &["chunked"],
            Some(RequestError::TransferEncoding {
                value: quoted("chunked"),
            }),
        ),
    ]
}

/// A valid request, but with the fields of one name replaced.
pub fn request_with(name: &str, values: &[&str]) -> Vec<u8> {
    head("GET / HTTP/1.1", &with(&REQUEST_FIELDS, name, values))
}

/// A valid request.
pub fn request() -> Vec<u8> {
    REQUEST.into()
}

/// A valid request with more lines at its end.
pub fn request_and(lines: &str) -> String {
    let fields = REQUEST.strip_suffix("\r\n").expect("a head ends with a blank line");
    format!("{fields}{lines}\r\n")
}

/// A valid request of exactly `len` bytes.
pub fn request_of_len(len: usize) -> Vec<u8> {
    let bare = request_with("X", &[""]).len();
    let bytes = request_with("X", &["x".repeat(len - bare).as_str()]);
    assert_eq!(bytes.len(), len);
    bytes
}

/// A valid request of exactly `count` fields, those that it needs at the end.
pub fn request_of_fields(count: usize) -> Vec<u8> {
    let names: Vec<String> = (REQUEST_FIELDS.len()..count)
        .map(|number| format!("X-{number}"))
        .collect();
    let mut fields: Fields<'_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    fields.extend(REQUEST_FIELDS);
    assert_eq!(fields.len(), count);
    head("GET / HTTP/1.1", &fields)
}

/// A valid response to [`CLIENT_KEY`], but with the fields of one name replaced.
pub fn response_with(name: &str, values: &[&str]) -> Vec<u8> {
    head(
        "HTTP/1.1 101 Switching Protocols",
        &with(&RESPONSE_FIELDS, name, values),
    )
}

/// A valid response to [`CLIENT_KEY`].
pub fn response() -> Vec<u8> {
    head("HTTP/1.1 101 Switching Protocols", &RESPONSE_FIELDS)
}

/// What a server that accepts everything makes of the input: whole and byte by byte, which has to
/// be the same. An error has to stay.
pub fn serve(config: &Config, input: &[u8]) -> Outcome {
    both_ways(|| Connection::server(config.clone()), input)
}

/// What a client with [`SEED`] makes of the input: whole and byte by byte, which has to be the
/// same. An error has to stay.
pub fn hear(request: &ClientRequest, config: &Config, input: &[u8]) -> Outcome {
    both_ways(|| dial(request, config), input)
}

fn both_ways(make: impl Fn() -> Connection, input: &[u8]) -> Outcome {
    let (mut whole, mut bytewise) = (make(), make());
    let outcome = feed(&mut whole, input);
    let dripped = feed_bytewise(&mut bytewise, input);
    assert_eq!(outcome, dripped, "the cut matters: {}", input.escape_ascii());
    if let Some(error) = outcome.error {
        for mut connection in [whole, bytewise] {
            assert_failed(&mut connection, error);
        }
    }
    outcome
}

/// A connection that has failed says so, and says it again whatever comes.
pub fn assert_failed(connection: &mut Connection, error: ProtocolError) {
    assert_eq!(connection.state(), State::Closed, "{error}");
    assert_eq!(connection.teardown(), Some(Teardown::Close), "{error}");
    let status = connection.close_status().expect("a failure is a close status");
    assert_eq!((status.by, status.error), (ClosedBy::Us, Some(error)));
    let again = feed(connection, &request());
    assert_eq!(
        (again.error, again.events, again.out),
        (Some(error), Vec::new(), Vec::new()),
        "sticky"
    );
    assert_eq!(connection.receive_eof(), Err(Box::new(error)), "sticky");
}

/// A client with [`SEED`] that has sent its request.
pub fn dial(request: &ClientRequest, config: &Config) -> Connection {
    Connection::client(request, config.clone(), SEED, &mut Vec::new()).unwrap()
}

/// Feeds input without deciding on a request.
pub fn drain(
    connection: &mut Connection,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<Vec<Event<'static>>, ProtocolError> {
    let mut input = input.to_vec();
    let mut rest = &mut input[..];
    let mut events = Vec::new();
    while let Some(event) = connection.receive(&mut rest, out).map_err(|error| *error)? {
        events.push(event.into_owned());
    }
    assert!(rest.is_empty(), "`None` means that the input is empty");
    Ok(events)
}

/// A server that waits for a decision on the request, and the request.
pub fn undecided(config: Config, request: &[u8]) -> (Connection, Request<'static>) {
    let mut server = Connection::server(config);
    let mut events = drain(&mut server, request, &mut Vec::new()).unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    match events.remove(0) {
        Event::Request(request) => (server, request),
        other => panic!("{other:?}"),
    }
}

/// A request that a server lets through; it is accepted with a 101.
pub fn admitted(input: &[u8]) -> Request<'static> {
    let mut outcome = serve(&Config::default(), input);
    assert_eq!(outcome.error, None, "{}", input.escape_ascii());
    assert_eq!(outcome.events.len(), 1, "{}", input.escape_ascii());
    assert!(outcome.out.starts_with(b"HTTP/1.1 101 "), "{}", input.escape_ascii());
    match outcome.events.remove(0) {
        Event::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Asserts that a server rejects the request with the error and its status. Returns the answer.
pub fn assert_denied(config: &Config, input: &[u8], error: RequestError) -> Answer {
    let shown = &input[..input.len().min(512)];
    let outcome = serve(config, input);
    assert_eq!(
        outcome.error,
        Some(ProtocolError::Request(error)),
        "{}",
        shown.escape_ascii()
    );
    assert!(outcome.events.is_empty(), "{}", shown.escape_ascii());
    let answer = Answer::read(&outcome.out);
    assert_eq!(answer.status, error.status(), "{}", shown.escape_ascii());
    if input.starts_with(b"HEAD ") {
        answer.assert_closes();
        assert!(answer.body.is_empty(), "{answer:?}");
    } else {
        answer.assert_ends_the_connection();
    }
    answer
}

/// The response that opens a client's connection.
pub fn opened(request: &ClientRequest, input: &[u8]) -> Response<'static> {
    let mut outcome = hear(request, &Config::default(), input);
    assert_eq!(outcome.error, None, "{}", input.escape_ascii());
    assert_eq!(outcome.events.len(), 1, "{}", input.escape_ascii());
    assert!(outcome.out.is_empty());
    match outcome.events.remove(0) {
        Event::Open(response) => response,
        other => panic!("{other:?}"),
    }
}

/// Asserts that the response fails a client's connection, and that the client sends nothing.
pub fn assert_fails(request: &ClientRequest, input: &[u8], error: ResponseError) {
    let outcome = hear(request, &Config::default(), input);
    let shown = &input[..input.len().min(512)];
    assert_eq!(
        outcome.error,
        Some(ProtocolError::Response(error)),
        "{}",
        shown.escape_ascii()
    );
    assert!(outcome.events.is_empty(), "{}", shown.escape_ascii());
    assert!(outcome.out.is_empty(), "{}", shown.escape_ascii());
}

/// The refusal that the response is to a client. Nothing else is reported, nothing is sent, what
/// follows is discarded.
pub fn refusal(config: &Config, input: &[u8]) -> Refusal {
    let mut outcome = hear(&plain(), config, input);
    let shown = &input[..input.len().min(512)];
    assert_eq!(outcome.error, None, "{}", shown.escape_ascii());
    assert_eq!(outcome.events.len(), 1, "{}", shown.escape_ascii());
    assert!(outcome.out.is_empty(), "{}", shown.escape_ascii());
    match outcome.events.remove(0) {
        Event::Refused(refusal) => *refusal,
        other => panic!("{other:?}"),
    }
}

/// A request for nothing in particular.
pub fn plain() -> ClientRequest {
    ClientRequest::new("ws://example.com/").unwrap()
}

/// An HTTP message, taken apart without help of the crate.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status line or request line.
    pub line: String,
    /// The number in a status line.
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one message: lines that end with CR LF, fields as `name: value`, and all that follows
    /// as the body.
    pub fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let text = std::str::from_utf8(&bytes[..end - 4]).unwrap();
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let fields = lines
            .map(|line| line.split_once(": ").expect("name: value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>();
        assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text:?}");
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_default();
        Self {
            line,
            status,
            fields,
            body: bytes[end..].to_vec(),
        }
    }

    /// The values of the fields with a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The one value of the field with a name.
    pub fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref values => panic!("{name}: {values:?}"),
        }
    }

    /// Nothing can follow: the connection closes.
    pub fn assert_closes(&self) {
        let options: Vec<&str> = self.one("Connection").split(", ").collect();
        assert_eq!(options[0], "close", "{self:?}");
        assert_eq!(
            options.contains(&"Upgrade"),
            !self.all("Upgrade").is_empty(),
            "Upgrade is named by Connection, if it is there (RFC 9110, section 7.8): {self:?}"
        );
        assert!(self.all("Transfer-Encoding").is_empty(), "{self:?}");
    }

    /// Nothing can follow, and nothing is ambiguous: the connection closes and the length is that
    /// of the body.
    pub fn assert_ends_the_connection(&self) {
        self.assert_closes();
        match (self.status, &self.all("Content-Length")[..]) {
            (204 | 304, []) => assert!(self.body.is_empty(), "{self:?}"),
            (_, [length]) => assert_eq!(*length, self.body.len().to_string(), "{self:?}"),
            _ => panic!("{self:?}"),
        }
    }
}

/// Base64 (RFC 4648, section 4), canonical.
pub fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0, "{text}");
    let digits = text.trim_end_matches('=');
    assert!(text.len() - digits.len() <= 2, "{text}");
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in digits.chars() {
        bits = bits << 6 | u32::try_from(ALPHABET.find(digit).expect("a digit of base64")).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    assert_eq!(bits, 0, "canonical: {text}");
    bytes
}

/// The error of a header that the handshake itself sets.
pub fn reserved(name: &str) -> LocalHandshakeError {
    LocalHandshakeError::ReservedHeader { name: quoted(name) }
}

/// The error of a header name that is not a token. It quotes the name up to a colon.
pub fn invalid_name(name: &str) -> LocalHandshakeError {
    LocalHandshakeError::InvalidHeaderName {
        name: quoted_to(name, name.find(':').unwrap_or(name.len())),
    }
}

/// The error of a header whose value has a control character.
pub fn invalid_value(name: &str) -> LocalHandshakeError {
    LocalHandshakeError::InvalidHeaderValue { name: quoted(name) }
}
