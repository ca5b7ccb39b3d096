//! The laws of the opening handshake: any head of a peer, against a slow check that is written from
//! the RFCs.

use allocation_counter::measure;
use sockless::{
    Accept, ClientRequest, Config, Connection, Event, ProtocolError, Request, Role, State, frame::ReservedBits,
};

use super::{
    heads::{self, Found, Head, HeadLimits, is_authority, is_token},
    options::{Cursor, cuts},
};
use crate::{
    Outcome,
    heads::{Answer, CLIENT_ACCEPT, SEED, assert_failed},
    peer_of,
};

/// The limits and settings of an end, and two ways to cut what it receives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) limits: HeadLimits,
    max_body: usize,
    plain_requests: bool,
    /// A client: what it offers.
    offers_subprotocols: bool,
    requires_subprotocol: bool,
    offers_extension: bool,
    pub(super) seeds: [u8; 2],
}

impl Options {
    const LEN: usize = 3;

    pub(super) fn read(data: &[u8]) -> (Self, &[u8]) {
        let mut cursor = Cursor::new(data);
        let [bits, first, second] = cursor.array::<{ Self::LEN }>();
        let bit = |bit: u32| bits >> bit & 1 == 1;
        let options = Self {
            limits: match bits % 4 {
                0 => HeadLimits { bytes: 300, fields: 8 },
                1 => HeadLimits {
                    bytes: 1000,
                    fields: 200,
                },
                _ => HeadLimits {
                    bytes: 16 << 10,
                    fields: 128,
                },
            },
            max_body: if bit(0) { 16 } else { 1000 },
            plain_requests: bit(2),
            offers_subprotocols: bit(3),
            requires_subprotocol: bit(4),
            offers_extension: bit(5),
            seeds: [first, second],
        };
        (options, cursor.rest())
    }

    pub(super) fn config(self) -> Config {
        Config::new()
            .max_head_size(self.limits.bytes)
            .max_headers(self.limits.fields)
            .max_refusal_body(self.max_body)
            .plain_requests(self.plain_requests)
    }

    pub(super) fn request(self) -> ClientRequest {
        let mut request = ClientRequest::new("ws://example.com/").unwrap();
        if self.offers_subprotocols {
            request = request.subprotocol("a").subprotocol("b");
        }
        if self.offers_extension {
            request = request.extension("x-own; p", ReservedBits::RSV2);
        }
        request.require_subprotocol(self.requires_subprotocol)
    }

    fn open(self, role: Role) -> Connection {
        match role {
            Role::Server => Connection::server(self.config()),
            Role::Client => Connection::client(&self.request(), self.config(), SEED, &mut Vec::new()).unwrap(),
        }
    }

    /// The outcome for any cut, and that of the end of the transport after it.
    fn run(self, role: Role, input: &[u8]) -> Outcome {
        let [mut first, second] = self.seeds.map(|seed| {
            let mut connection = self.open(role);
            let outcome = feed(&mut connection, input, &cuts(seed, input.len()));
            (connection, outcome)
        });
        assert_eq!(first.1, second.1, "the cut matters");
        if let Some(error) = first.1.error.filter(|error| is_of_handshake(*error)) {
            assert_failed(&mut first.0, error);
        }
        self.check_memory(role, input);
        first.1
    }

    /// Until there is a head, no more memory is held than the limits on it allow.
    fn check_memory(self, role: Role, input: &[u8]) {
        let mut connection = self.open(role);
        let (mut input, mut out) = (input.to_vec(), Vec::with_capacity(4096));
        let cuts = cuts(self.seeds[1], input.len());
        let heap = measure(|| {
            let mut rest = &mut input[..];
            let mut from = 0;
            for to in cuts.iter().copied().chain([rest.len()]) {
                let (mut piece, after) = std::mem::take(&mut rest).split_at_mut(to - from);
                (from, rest) = (to, after);
                if !matches!(connection.receive(&mut piece, &mut out), Ok(None)) {
                    return;
                }
            }
        });
        // A head and a body that grow by doubling, the slots of many fields, the elements of a list
        // in order, and an error with its text.
        let slots = if self.limits.fields > 128 {
            32 * self.limits.fields
        } else {
            0
        };
        let bound = 3 * (self.limits.bytes + self.max_body) + slots + 8 * self.limits.bytes + 4096;
        assert!(heap.bytes_max <= bound as u64, "{} > {bound}", heap.bytes_max);
    }
}

fn is_of_handshake(error: ProtocolError) -> bool {
    matches!(error, ProtocolError::Request(_) | ProtocolError::Response(_))
}

/// Receives input in pieces. A server accepts each handshake, and answers any other request.
fn feed(connection: &mut Connection, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut piece = input[from..to].to_vec();
        from = to;
        let mut rest = &mut piece[..];
        loop {
            match connection.receive(&mut rest, &mut outcome.out) {
                Ok(Some(event)) => {
                    let out = &mut outcome.out;
                    match &event {
                        Event::Request(request) if request.is_upgrade() => {
                            let accept = Accept::new().any_origin();
                            connection.accept(request, &accept, out).unwrap();
                        }
                        Event::Request(_) => connection.reject(200, &[("X", "y")], b"plain", out).unwrap(),
                        _ => {}
                    }
                    outcome.events.push(event.into_owned());
                }
                Ok(None) => break,
                Err(error) => {
                    outcome.error = Some(*error);
                    return outcome;
                }
            }
        }
    }
    outcome
}

/// The outcome of any request of a client does not depend on the cuts. It is accepted if and only
/// if a slow check accepts it, and what it says is reported. A refusal is a well-formed response,
/// and the memory is bounded by the limits.
pub fn handshake_request(data: &[u8]) {
    let (options, input) = Options::read(data);
    let outcome = options.run(Role::Server, input);
    let is_head_request = input
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .is_some_and(|start| input[start..].starts_with(b"HEAD "));
    match expected_request(options, input) {
        Expected::Incomplete => {
            assert_eq!(
                (outcome.events, outcome.error, &outcome.out[..]),
                (vec![], None, &[][..])
            );
            let mut server = options.open(Role::Server);
            feed(&mut server, input, &[]);
            assert_eq!(server.state(), State::Opening);
            assert_eq!(server.receive_eof(), Err(Box::new(ProtocolError::HandshakeEof)));
        }
        Expected::Refused => {
            let Some(ProtocolError::Request(error)) = outcome.error else {
                panic!("{outcome:?}");
            };
            assert_eq!(outcome.events, []);
            let answer = Answer::read(&outcome.out);
            assert_eq!(answer.status, error.status());
            answer.assert_closes();
            if is_head_request {
                assert_eq!(answer.body, b"");
            } else {
                answer.assert_ends_the_connection();
                assert_eq!(answer.body, format!("{error}\n").into_bytes());
            }
            let expects_names = answer.status == 426;
            assert_eq!(answer.all("Sec-WebSocket-Version") == ["13"], expects_names);
        }
        Expected::Head(head) => {
            let Some(Event::Request(request)) = outcome.events.first() else {
                panic!("{outcome:?}");
            };
            check_request(request, &head);
            let answer = Answer::read(&outcome.out);
            if request.is_upgrade() {
                assert_eq!(answer.status, 101);
                assert_eq!(
                    answer.one("Sec-WebSocket-Accept").as_bytes(),
                    accept_key(head.values("sec-websocket-key")[0])
                );
                assert!(answer.all("Content-Length").is_empty() && answer.all("Sec-WebSocket-Extensions").is_empty());
            } else {
                assert_eq!((answer.status, outcome.error), (200, None));
                assert_eq!(answer.body, if is_head_request { &b""[..] } else { b"plain" });
            }
        }
    }
}

/// What a request says, and what is reported of it.
fn check_request(request: &Request<'_>, head: &Head) {
    let [method, target, _] = &head.words;
    assert_eq!((request.method(), request.target()), (&method[..], &target[..]));
    let fields = request.headers().map(|(name, value)| (name.to_owned(), value.to_vec()));
    assert_eq!(fields.collect::<Vec<_>>(), head.fields);
    let text = |name: &str| {
        head.values(name)
            .first()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(request.origin(), text("origin").as_deref());
    let host = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.split(['/', '?']).next().unwrap_or_default().into(),
        _ => text("host").unwrap_or_default(),
    };
    assert_eq!(request.host(), host);
    if request.is_upgrade() {
        let (_, subprotocols) = head.list("sec-websocket-protocol");
        let reported: Vec<Vec<u8>> = request.subprotocols().map(|name| name.into()).collect();
        assert_eq!(reported, subprotocols);
        let values = head.values("sec-websocket-extensions").into_iter();
        let extensions: Vec<_> = values.flat_map(|value| heads::extensions(value).unwrap()).collect();
        let reported = request.extensions().map(|extension| {
            let parameters = extension
                .params()
                .map(|(name, value)| (name.into(), value.map(|value| value.into_owned())));
            (extension.name().to_owned(), parameters.collect::<Vec<_>>())
        });
        assert_eq!(reported.collect::<Vec<_>>(), extensions);
    }
}

/// What a slow check says of an input.
#[derive(Debug)]
enum Expected {
    Incomplete,
    Refused,
    Head(Head),
}

/// RFC 6455, section 4.2.1, and RFC 9112, with the strictness that docs/DESIGN.md describes.
fn expected_request(options: Options, input: &[u8]) -> Expected {
    let is_request_line = |words: &[&[u8]]| match words {
        [method, target, version] => {
            let is_target_byte = |byte: &u8| byte.is_ascii_graphic() || !byte.is_ascii();
            is_token(method)
                && !target.is_empty()
                && target.iter().all(is_target_byte)
                && std::str::from_utf8(target).is_ok()
                && (*version == b"HTTP/1.0" || *version == b"HTTP/1.1")
        }
        _ => false,
    };
    let head = match heads::read(input, options.limits, is_request_line) {
        Found::Incomplete => return Expected::Incomplete,
        Found::Invalid => return Expected::Refused,
        Found::Head(head) => head,
    };
    let is_handshake = !options.plain_requests || head.names("upgrade", "websocket");
    let is_valid = if is_handshake {
        is_valid_request(&head, &["GET"], "HTTP/1.1") && is_valid_handshake(&head)
    } else {
        is_valid_request(&head, &["GET", "HEAD", "OPTIONS"], &head.words[2].clone())
    };
    if is_valid {
        Expected::Head(head)
    } else {
        Expected::Refused
    }
}

fn is_valid_request(head: &Head, methods: &[&str], version: &str) -> bool {
    let [method, target, head_version] = &head.words;
    let absolute = target
        .split_once("://")
        .filter(|(scheme, _)| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let is_target = match absolute {
        Some(authority) => is_authority(authority.as_bytes()),
        None => target.starts_with('/') || target == "*" && method == "OPTIONS",
    };
    let is_host = match head.values("host")[..] {
        [] => head_version == "HTTP/1.0",
        [host] => is_authority(host),
        _ => false,
    };
    methods.contains(&&method[..])
        && head_version == version
        && is_target
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && is_host
        && has_origin_and_no_body(head)
}

/// At most one origin, and no announced body.
pub(super) fn has_origin_and_no_body(head: &Head) -> bool {
    let origin = head.values("origin");
    let (_, lengths) = head.list("content-length");
    origin.len() <= 1
        && origin.iter().all(|origin| origin.is_ascii())
        && head.values("transfer-encoding").is_empty()
        && head.values("content-length").is_empty() == lengths.is_empty()
        && lengths.iter().all(|length| length.iter().all(|digit| *digit == b'0'))
}

fn is_valid_handshake(head: &Head) -> bool {
    let is_key = |key: &[u8]| {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/';
        key.len() == 24 && key[..22].iter().all(is_digit) && key[22..] == *b"=="
    };
    head.names("upgrade", "websocket")
        && head.names("connection", "upgrade")
        && matches!(head.values("sec-websocket-key")[..], [key] if is_key(key))
        && has_version_and_offers(head)
}

/// The version, and valid lists of subprotocols and extensions.
pub(super) fn has_version_and_offers(head: &Head) -> bool {
    let (_, subprotocols) = head.list("sec-websocket-protocol");
    let is_unique = |(at, name): (usize, &Vec<u8>)| !subprotocols[..at].contains(name);
    let extensions = head.values("sec-websocket-extensions");
    head.values("sec-websocket-version") == [b"13"]
        && subprotocols.iter().all(|name| is_token(name))
        && subprotocols.iter().enumerate().all(is_unique)
        && !head.has_only_commas("sec-websocket-protocol")
        && extensions.iter().all(|value| heads::extensions(value).is_some())
        && !head.has_only_commas("sec-websocket-extensions")
}

/// The answer to a key (RFC 6455, section 4.2.2, step 5.4).
fn accept_key(key: &[u8]) -> Vec<u8> {
    let digest = sha1(&[key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat());
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for three in digest.chunks(3) {
        let mut bytes = [0; 4];
        bytes[1..=three.len()].copy_from_slice(three);
        let number = u32::from_be_bytes(bytes);
        for place in 0..=three.len() {
            text.push(alphabet[(number >> (18 - 6 * place)) as usize % 64]);
        }
    }
    text.push(b'=');
    text
}

/// SHA-1 (RFC 3174, section 6.1).
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = [message, &[0x80]].concat();
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(8 * message.len() as u64).to_be_bytes());
    let mut state = [0x6745_2301_u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks(64) {
        let mut words: Vec<u32> = block
            .chunks(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
        for at in 16..80 {
            words.push((words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.iter().enumerate() {
            let (mixed, constant) = match at / 20 {
                0 => (b & c | !b & d, 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => (b & c | b & d | c & d, 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
            };
            let next = [a.rotate_left(5), mixed, e, *word, constant]
                .iter()
                .fold(0_u32, |sum, part| sum.wrapping_add(*part));
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (place, word) in digest.chunks_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// The outcome of any response of a server does not depend on the cuts. It opens the connection if
/// and only if a slow check accepts it; another status is a refusal with the body that the check
/// reads. A client sends nothing, and the memory is bounded by the limits.
pub fn handshake_response(data: &[u8]) {
    let (options, input) = Options::read(data);
    let outcome = options.run(Role::Client, input);
    let mut client = options.open(Role::Client);
    feed(&mut client, input, &[]);
    let eof = client.receive_eof();
    match expected_response(options, input) {
        Response::Incomplete => {
            assert_eq!(
                (outcome.events, outcome.error, &outcome.out[..]),
                (vec![], None, &[][..])
            );
            assert_eq!(eof, Err(Box::new(ProtocolError::HandshakeEof)));
        }
        Response::Invalid => {
            assert!(matches!(outcome.error, Some(ProtocolError::Response(_))), "{outcome:?}");
            assert_eq!((outcome.events, &outcome.out[..]), (vec![], &[][..]));
        }
        Response::Open {
            head,
            subprotocol,
            frames,
        } => {
            let mut events = outcome.events.into_iter();
            let Some(Event::Open(response)) = events.next() else {
                panic!("{:?}", outcome.error);
            };
            let fields = response
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_vec()));
            assert_eq!((response.status(), fields.collect::<Vec<_>>()), (101, head.fields));
            assert_eq!(response.subprotocol(), subprotocol);
            // What follows is frames.
            let mut negotiated = sockless::handshake::Negotiated::default();
            if response.extensions().next().is_some() {
                negotiated.reserved = ReservedBits::RSV2;
            }
            let mut open = crate::upgraded(Role::Client, &negotiated, options.config());
            let rest = crate::feed(&mut open, frames);
            assert_eq!((events.collect::<Vec<_>>(), outcome.error), (rest.events, rest.error));
            let sent = |bytes: &[u8]| crate::frames(peer_of(Role::Server), bytes);
            assert_eq!(sent(&outcome.out), sent(&rest.out));
        }
        Response::Refused {
            status,
            body,
            is_complete,
        } => {
            assert_eq!((outcome.error, &outcome.out[..]), (None, &[][..]));
            let refusal = match (is_complete, outcome.events.into_iter().next(), eof) {
                (Some(_), Some(Event::Refused(refusal)), Ok(None)) => refusal,
                (None, None, Ok(Some(Event::Refused(refusal)))) => refusal,
                other => panic!("{other:?}"),
            };
            assert_eq!((refusal.response.status(), &refusal.body), (status, &body));
            if let Some(is_complete) = is_complete {
                assert_eq!(refusal.is_complete, is_complete);
            }
        }
    }
}

/// What a slow check says of a response.
pub(super) enum Response<'a> {
    Incomplete,
    Invalid,
    Open {
        head: Head,
        subprotocol: Option<&'static str>,
        frames: &'a [u8],
    },
    /// `None`: the end of the body has not arrived.
    Refused {
        status: u16,
        body: Vec<u8>,
        is_complete: Option<bool>,
    },
}

/// RFC 6455, section 4.1, and RFC 9112, with the strictness that docs/DESIGN.md describes.
fn expected_response(options: Options, input: &[u8]) -> Response<'_> {
    let (mut rest, mut limits) = (input, options.limits);
    loop {
        let head = match heads::read(rest, limits, is_status_line) {
            Found::Incomplete => return Response::Incomplete,
            Found::Invalid => return Response::Invalid,
            Found::Head(head) => head,
        };
        rest = &rest[head.len..];
        match head.words[1].parse().unwrap() {
            101 => {
                return match accepted(options, &head) {
                    Some(subprotocol) => Response::Open {
                        head,
                        subprotocol,
                        frames: rest,
                    },
                    None => Response::Invalid,
                };
            }
            // All heads together stay within the limit.
            100..=199 => limits.bytes -= head.len,
            status => return refused(options, status, &head, rest),
        }
    }
}

/// Whether a line is a status line (RFC 9112, section 4).
pub(super) fn is_status_line(words: &[&[u8]]) -> bool {
    let is_reason = |reason: &[u8]| reason.iter().all(|byte| *byte == b'\t' || *byte >= 32 && *byte != 127);
    match words {
        [version, status, reason @ ..] => {
            (*version == b"HTTP/1.0" || *version == b"HTTP/1.1")
                && status.len() == 3
                && status.iter().all(u8::is_ascii_digit)
                && reason.iter().all(|reason| is_reason(reason))
        }
        _ => false,
    }
}

/// The subprotocol of an acceptance, if it is one.
fn accepted(options: Options, head: &Head) -> Option<Option<&'static str>> {
    let upgrade = head.values("upgrade");
    let is_valid = head.words[0] == "HTTP/1.1"
        && matches!(upgrade[..], [value] if value.eq_ignore_ascii_case(b"websocket"))
        && head.names("connection", "upgrade")
        && head.values("sec-websocket-accept") == [CLIENT_ACCEPT.as_bytes()];
    accepted_offers(options, head).filter(|_| is_valid)
}

/// The subprotocol of an acceptance, if what it accepts was offered.
pub(super) fn accepted_offers(options: Options, head: &Head) -> Option<Option<&'static str>> {
    let mut extensions = Vec::new();
    for value in head.values("sec-websocket-extensions") {
        extensions.extend(heads::extensions(value)?);
    }
    let allowed = if options.offers_extension { &["x-own"][..] } else { &[] };
    let are_offered = extensions.len() <= allowed.len()
        && extensions.iter().all(|(name, _)| allowed.contains(&&name[..]))
        && !head.has_only_commas("sec-websocket-extensions");
    let offered = if options.offers_subprotocols {
        &["a", "b"][..]
    } else {
        &[]
    };
    let subprotocol = match head.values("sec-websocket-protocol")[..] {
        [] | [b""] if options.requires_subprotocol && !offered.is_empty() => return None,
        [] | [b""] => None,
        [_] => match &head.list("sec-websocket-protocol").1[..] {
            [chosen] => Some(*offered.iter().find(|offered| offered.as_bytes() == chosen)?),
            _ => return None,
        },
        _ => return None,
    };
    are_offered.then_some(subprotocol)
}

/// The body of a refusal (RFC 9112, section 6.3).
pub(super) fn refused<'a>(options: Options, status: u16, head: &Head, rest: &[u8]) -> Response<'a> {
    let max = options.max_body;
    let cut = |bytes: &[u8]| bytes[..max.min(bytes.len())].to_vec();
    let refused = |body: Vec<u8>, is_complete| Response::Refused {
        status,
        body,
        is_complete,
    };
    if matches!(status, 204 | 304) {
        return refused(vec![], Some(true));
    }
    if !head.values("transfer-encoding").is_empty() {
        if head.names("transfer-encoding", "chunked") {
            return chunked(status, rest, max);
        }
        return refused(cut(rest), (rest.len() > max).then_some(false));
    }
    let (_, lengths) = head.list("content-length");
    if head.values("content-length").is_empty() {
        return refused(cut(rest), (rest.len() > max).then_some(false));
    }
    let parse = |text: &Vec<u8>| {
        let is_number = text.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(text)
            .ok()
            .filter(|_| is_number)?
            .parse::<u64>()
            .ok()
    };
    let Some(lengths) = lengths.iter().map(parse).collect::<Option<Vec<_>>>() else {
        return Response::Invalid;
    };
    match lengths[..] {
        [] => Response::Invalid,
        [first, ref others @ ..] if others.iter().all(|other| *other == first) => {
            let len = usize::try_from(first).unwrap_or(usize::MAX).min(rest.len());
            let body = &rest[..len];
            let is_complete = if len > max {
                Some(false)
            } else {
                (body.len() as u64 == first).then_some(true)
            };
            refused(cut(body), is_complete)
        }
        _ => Response::Invalid,
    }
}

/// A body in chunks (RFC 9112, section 7.1).
fn chunked<'a>(status: u16, mut rest: &[u8], max: usize) -> Response<'a> {
    let mut body = Vec::new();
    let refused = |mut body: Vec<u8>, is_complete| {
        body.truncate(max);
        Response::Refused {
            status,
            body,
            is_complete,
        }
    };
    /// The longest line.
    const MAX_LINE: usize = 256;
    loop {
        let line = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest, |end| &rest[..=end]);
        if line.len() > MAX_LINE + usize::from(line.ends_with(b"\n")) {
            return Response::Invalid;
        }
        if !line.ends_with(b"\n") {
            return refused(body, None);
        }
        rest = &rest[line.len()..];
        let digits: Vec<u8> = line.iter().copied().take_while(u8::is_ascii_hexdigit).collect();
        let after = &line[digits.len()..];
        if digits.is_empty() || digits.len() > 16 || !is_rest_of_chunk_size(after) {
            return Response::Invalid;
        }
        let size = u64::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap();
        if size == 0 {
            return refused(body, Some(true));
        }
        let taken = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        body.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
        if body.len() > max {
            return refused(body, Some(false));
        }
        if (taken as u64) < size {
            return refused(body, None);
        }
        let line = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest, |end| &rest[..=end]);
        if line.len() > MAX_LINE + usize::from(line.ends_with(b"\n")) {
            return Response::Invalid;
        }
        if !line.ends_with(b"\n") {
            return refused(body, None);
        }
        if !line.trim_ascii_end().is_empty() {
            return Response::Invalid;
        }
        rest = &rest[line.len()..];
    }
}

/// What may follow the digits of a chunk size: white space, an extension, and the end of the line.
fn is_rest_of_chunk_size(after: &[u8]) -> bool {
    let Some(line) = after.strip_suffix(b"\r\n") else {
        return false;
    };
    let spaces = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line = &line[spaces..];
    line.is_empty() || line.starts_with(b";") && !line.contains(&b'\r')
}
