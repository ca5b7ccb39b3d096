//! The law of URLs: what a client makes of any text.

use allocation_counter::measure;
use sockless::{ClientRequest, Config, Request, error::LocalHandshakeError, proxy::Proxy};

use super::heads::is_authority;

/// For any text: a URL is accepted if and only if a slow check accepts it, and its parts are those
/// that the check finds. What is accepted is accepted again after it was printed, and by a server.
/// Returns the request, if the text is a URL.
pub fn url(data: &[u8]) -> Option<ClientRequest> {
    let text = &String::from_utf8_lossy(data)[..];
    if let Ok(proxy) = Proxy::new(text) {
        assert!(proxy.port() > 0 && !proxy.host().is_empty());
    }
    from_parts(text);
    let mut parsed = None;
    let heap = measure(|| parsed = Some(ClientRequest::new(text)));
    // The host, and the target, of which a byte may become three.
    let bound = 8 * text.len() + 512;
    assert!(heap.bytes_max <= bound as u64, "{} > {bound}", heap.bytes_max);
    let (request, parts) = match (parsed.unwrap(), Parts::find(text)) {
        (Ok(request), Some(parts)) => (request, parts),
        (Err(error), None) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
        (result, parts) => panic!("{text:?}: {result:?}, where {parts:?} is expected"),
    };
    assert_eq!(request.is_secure(), parts.secure);
    assert_eq!(request.host(), parts.host.trim_matches(['[', ']']));
    assert_eq!(request.port(), parts.port);
    let target = request.target();
    assert!(target.starts_with('/') && target.bytes().all(is_uri_byte), "{target}");
    assert_eq!(decoded(target), decoded(&parts.resource));
    check_printed(&request, &parts);
    check_received(&request);
    Some(request)
}

/// The parts of a URL.
#[derive(Debug)]
struct Parts {
    secure: bool,
    /// With brackets.
    host: String,
    port: u16,
    /// The path, which is not empty, and the query.
    resource: String,
}

impl Parts {
    /// RFC 6455, section 3, and RFC 3986, with the strictness that docs/DESIGN.md describes.
    fn find(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match &scheme.to_ascii_lowercase()[..] {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = (&rest[..end], &rest[end..]);
        if !is_authority(authority.as_bytes()) || !is_resource(resource) {
            return None;
        }
        let bracket = authority.rfind(']').unwrap_or(0);
        let colon = authority[bracket..]
            .find(':')
            .map_or(authority.len(), |at| bracket + at);
        let default_port = if secure { 443 } else { 80 };
        let slash = if resource.starts_with('/') { "" } else { "/" };
        Some(Self {
            secure,
            host: authority[..colon].to_owned(),
            port: authority
                .get(colon + 1..)
                .unwrap_or_default()
                .parse()
                .unwrap_or(default_port),
            resource: format!("{slash}{resource}"),
        })
    }
}

fn is_resource(resource: &str) -> bool {
    let path = resource.split('?').next().unwrap_or_default();
    !resource.contains('#')
        && !resource.ends_with(' ')
        && !path.contains('\\')
        && !resource.bytes().any(|byte| byte < 32 || byte == 127)
}

/// Whether RFC 3986 lets a byte be in a path or a query.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

/// The bytes that a target stands for.
pub fn decoded(target: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), target.as_bytes());
    while let Some((first, next)) = rest.split_first() {
        let digits = next.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits {
            Some(digits) if *first == b'%' => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                rest = &next[2..];
            }
            _ => {
                bytes.push(*first);
                rest = next;
            }
        }
    }
    bytes
}

/// What is printed is the same URL.
fn check_printed(request: &ClientRequest, parts: &Parts) {
    let scheme = if parts.secure { "wss" } else { "ws" };
    let printed = format!("{scheme}://{}:{}{}", parts.host, request.port(), request.target());
    assert_eq!(ClientRequest::new(&printed).as_ref(), Ok(request), "{printed}");
}

/// A server accepts the request, and finds the same host and target.
fn check_received(request: &ClientRequest) {
    let (fields, _) = request.fields([5; 16], &Config::new()).unwrap();
    let fields = fields.iter().map(|(name, value)| (&name[..], value.as_bytes()));
    let received = Request::from_list("GET", request.target(), fields).unwrap();
    assert_eq!(received.target(), request.target());
    let default_port = if request.is_secure() { 443 } else { 80 };
    let host = match request.host() {
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let expected = match request.port() {
        port if port == default_port => host,
        port => format!("{host}:{port}"),
    };
    assert_eq!(received.host(), expected);
}

/// The same for a host and a target that come apart.
fn from_parts(text: &str) {
    let (host, target) = text.split_once(' ').unwrap_or((text, "/"));
    match ClientRequest::from_parts(host, target) {
        Ok(request) => {
            assert!(is_authority(host.as_bytes()) && target.starts_with('/') && is_resource(target));
            let (fields, _) = request.fields([5; 16], &Config::new()).unwrap();
            let fields = fields.iter().map(|(name, value)| (&name[..], value.as_bytes()));
            Request::from_list("GET", request.target(), fields).unwrap();
        }
        Err(error) => {
            assert!(
                !is_authority(host.as_bytes()) || !target.starts_with('/') || !is_resource(target),
                "{error}"
            );
            assert!(!matches!(error, LocalHandshakeError::InvalidScheme { .. }));
        }
    }
}
