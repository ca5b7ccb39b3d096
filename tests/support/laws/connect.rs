//! The laws of CONNECT: the extended one of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220), with any list
//! of fields in both directions, and that which asks a proxy for a tunnel, with any answer.

use allocation_counter::measure;
use sockless::{
    Accept, Config, Request,
    error::ResponseError,
    proxy::{Proxy, ProxyError},
};

use super::{
    handshake::{
        Options, Response, accepted_offers, final_head, has_origin_and_no_body, has_version_and_offers, refused,
    },
    heads::{Found, Head, is_authority},
    options::{Cursor, cuts},
};
use crate::heads::Answer;

/// For any fields of an extended CONNECT or of the response to it, and for any answer of a proxy:
/// each is accepted if and only if a slow check accepts it.
pub fn connect(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let choice = cursor.byte();
    let (options, rest) = Options::read(cursor.rest());
    match choice % 4 {
        0 | 1 => request(rest),
        2 => response(options, rest),
        _ => proxy(options, rest),
    }
}

type Field = (String, Vec<u8>);

/// Names and values: one of each in a line, with the first colon between them that is not the first
/// byte. HTTP/2 and HTTP/3 allow no control characters in them.
fn fields(bytes: &[u8]) -> Vec<Field> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let fields = lines.map(|line| {
        let line: Vec<u8> = line
            .iter()
            .map(|byte| if *byte < 32 || *byte == 127 { b'\t' } else { *byte })
            .collect();
        let colon = line.iter().skip(1).position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.map_or(line.len(), |at| at + 1));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        (String::from_utf8_lossy(name).into_owned(), value.to_vec())
    });
    fields.collect()
}

fn listed(fields: &[Field]) -> impl Iterator<Item = (&str, &[u8])> {
    fields.iter().map(|(name, value)| (&name[..], &value[..]))
}

/// The fields as a head. Values have no white space around them.
fn head_of(fields: &[Field]) -> Head {
    let trimmed = fields
        .iter()
        .map(|(name, value)| (name.clone(), value.trim_ascii().to_vec()));
    Head {
        words: Default::default(),
        fields: trimmed.collect(),
        len: 0,
    }
}

/// Fields that only a connection of HTTP/1.1 has (RFC 9113, section 8.2.2).
fn has_connection_fields(head: &Head) -> bool {
    head.fields
        .iter()
        .any(|(name, value)| match &name.to_ascii_lowercase()[..] {
            "connection" | "upgrade" | "keep-alive" | "proxy-connection" | "transfer-encoding" => true,
            "te" => !value.eq_ignore_ascii_case(b"trailers"),
            _ => false,
        })
}

fn request(bytes: &[u8]) {
    let (pseudo, headers): (Vec<Field>, Vec<Field>) =
        fields(bytes).into_iter().partition(|(name, _)| name.starts_with(':'));
    let pseudo: Vec<(String, String)> = pseudo
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let of_pseudo = || pseudo.iter().map(|(name, value)| (&name[..], &value[..]));
    let head = head_of(&headers);
    let mut result = None;
    let heap = measure(|| result = Some(Request::from_connect(of_pseudo(), listed(&headers))));
    // A list of the fields, and the elements of a list in order. A field has at least two bytes.
    let bound = 64 * bytes.len() + 4096;
    assert!(heap.bytes_max <= bound as u64, "{} > {bound}", heap.bytes_max);
    let result = result.unwrap();
    let Some((authority, path)) = valid_pseudo_headers(&pseudo).filter(|(authority, _)| is_valid(&head, authority))
    else {
        let error = result.expect_err("it is not valid");
        let (status, fields) = error.connect_response();
        assert!(matches!(status, 400 | 405 | 501), "{status}");
        assert!(fields.iter().all(|(name, _)| *name == name.to_ascii_lowercase()));
        return;
    };
    let request = result.expect("it is valid");
    assert_eq!(
        (request.host(), request.target(), request.method()),
        (authority, path, "CONNECT")
    );
    assert_eq!(request.acceptance_status(), 200);
    let (answer, _) = request.acceptance(&Accept::new().any_origin(), &Config::new()).unwrap();
    assert_eq!(answer, []);
    // A pseudo-header is not a header.
    let moved = pseudo.iter().map(|(name, value)| (&name[..], value.as_bytes()));
    assert!(Request::from_connect(of_pseudo(), listed(&headers).chain(moved)).is_err());
}

/// `:authority` and `:path`, if all pseudo-headers are valid (RFC 8441, sections 4 and 5).
fn valid_pseudo_headers(pseudo: &[(String, String)]) -> Option<(&str, &str)> {
    let value = |name: &str| {
        let mut values = pseudo.iter().filter(|(other, _)| other == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(&value[..]),
            _ => None,
        }
    };
    let (authority, path) = (value(":authority")?, value(":path")?);
    let is_valid = pseudo.len() == 5
        && value(":method")? == "CONNECT"
        && value(":protocol")?.eq_ignore_ascii_case("websocket")
        && ["http", "https"].contains(&&value(":scheme")?.to_ascii_lowercase()[..])
        && is_authority(authority.as_bytes())
        && path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_valid.then_some((authority, path))
}

fn is_valid(head: &Head, authority: &str) -> bool {
    let is_host = match head.values("host")[..] {
        [] => true,
        [host] => is_authority(host) && host.eq_ignore_ascii_case(authority.as_bytes()),
        _ => false,
    };
    is_host && !has_connection_fields(head) && has_origin_and_no_body(head) && has_version_and_offers(head)
}

fn response(options: Options, bytes: &[u8]) {
    let (_, expected) = options.request().connect_fields(&options.config()).unwrap();
    let (status, rest) = bytes.split_at(bytes.len().min(2));
    let status = match status {
        [high, low] if *high >= 128 => 100 * u16::from(high % 8) + u16::from(*low % 100),
        _ => 200,
    };
    let fields = fields(rest);
    let head = head_of(&fields);
    let checked = expected.check_response(status, listed(&fields));
    match status {
        200..=299 => {
            let accepted = accepted_offers(options, &head).filter(|_| !has_connection_fields(&head));
            match (checked, accepted) {
                (Ok(Some(negotiated)), Some(subprotocol)) => assert_eq!(negotiated.subprotocol.as_deref(), subprotocol),
                (Err(_), None) => {}
                (checked, accepted) => panic!("{checked:?}, where {accepted:?} is expected"),
            }
        }
        101 => assert_eq!(checked, Err(ResponseError::SwitchingProtocols)),
        _ => assert_eq!(checked, Ok(None)),
    }
}

/// What a proxy's answer says.
#[derive(Debug, PartialEq)]
enum Tunnel {
    Incomplete,
    /// With what has come through it.
    Open(u16, Vec<u8>),
    Failed(ProxyError),
}

fn proxy(options: Options, input: &[u8]) {
    let [first, second] = options.seeds.map(|seed| ask(options, input, &cuts(seed, input.len())));
    assert_eq!(first, second, "the cut matters");
    let (tunnel, eof) = first;
    let (status, head, rest) = match final_head(input, options.limits) {
        Ok(found) => found,
        Err(Found::Incomplete) => {
            assert_eq!((tunnel, eof), (Tunnel::Incomplete, Err(ProxyError::UnexpectedEof)));
            return;
        }
        Err(_) => {
            assert!(matches!(tunnel, Tunnel::Failed(error) if !matches!(error, ProxyError::Refused(_))));
            return;
        }
    };
    match status {
        101 => assert_eq!(tunnel, Tunnel::Failed(ProxyError::SwitchingProtocols)),
        200..=299 => assert_eq!((tunnel, eof), (Tunnel::Open(status, rest.to_vec()), Ok(()))),
        _ => check_refusal(options, status, &head, rest, (tunnel, eof)),
    }
}

/// Asks for a tunnel, and returns what the answer says, before and after the end of the transport.
fn ask(options: Options, input: &[u8], cuts: &[usize]) -> (Tunnel, Result<(), ProxyError>) {
    let mut head = Vec::new();
    let proxy = Proxy::new("http://user:password@proxy.example:3128").unwrap();
    let mut connect = proxy.connect("::1", 443, &options.config(), &mut head).unwrap();
    let head = Answer::read(&head);
    assert_eq!(
        (&head.line[..], head.one("Host")),
        ("CONNECT [::1]:443 HTTP/1.1", "[::1]:443")
    );
    let mut tunnel = Tunnel::Incomplete;
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut piece = input[from..to].to_vec();
        from = to;
        let mut rest = &mut piece[..];
        let mut result = Ok(None);
        let heap = measure(|| result = connect.receive(&mut rest));
        // A head and a body that grow by doubling, and the slots of many fields.
        let bound = 8 * (options.limits.bytes + 2000) + 32 * 200 + 4096;
        assert!(heap.bytes_max <= bound as u64, "{} > {bound}", heap.bytes_max);
        match (result, &mut tunnel) {
            (Ok(None), Tunnel::Open(_, through)) => through.extend_from_slice(rest),
            (Ok(None), Tunnel::Incomplete) => assert!(rest.is_empty(), "`None` means that the input is empty"),
            (Ok(Some(response)), Tunnel::Incomplete) => tunnel = Tunnel::Open(response.status(), rest.to_vec()),
            (Err(error), Tunnel::Incomplete) => tunnel = Tunnel::Failed(error),
            (Err(error), Tunnel::Failed(first)) => assert_eq!(error, *first, "an error is repeated"),
            (result, tunnel) => panic!("{result:?} after {tunnel:?}"),
        }
    }
    let eof = connect.receive_eof();
    if let Tunnel::Failed(error) = &tunnel {
        assert_eq!(eof.as_ref(), Err(error), "an error is repeated");
    }
    (tunnel, eof)
}

fn check_refusal(options: Options, status: u16, head: &Head, rest: &[u8], found: (Tunnel, Result<(), ProxyError>)) {
    let (tunnel, eof) = found;
    let Err(ProxyError::Refused(refusal)) = eof else {
        panic!("{eof:?}");
    };
    assert_eq!(refusal.response.status(), status);
    match refused(options, status, head, rest) {
        Response::Refused { body, is_complete, .. } => {
            assert_eq!(refusal.body, body);
            assert_eq!(tunnel != Tunnel::Incomplete, is_complete.is_some());
            if let Some(is_complete) = is_complete {
                assert_eq!(refusal.is_complete, is_complete);
            }
        }
        // The status and the headers say more than an error in the body.
        _ => assert!(!refusal.is_complete && tunnel != Tunnel::Incomplete),
    }
}
