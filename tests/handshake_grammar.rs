//! The grammars that the opening handshake shares with HTTP and URLs: lists (RFC 9110, section
//! 5.6.1), lengths (RFC 9112, section 6.3), hosts and request targets (RFC 3986).

use sockless::{
    ClientRequest, Config, Request,
    error::{LocalHandshakeError, RequestError, ResponseError},
};
use support::{
    heads::{
        REQUEST_FIELDS, admitted, assert_denied, assert_fails, head, listed, opened, plain, refusal, request_with,
        response_with, with,
    },
    quoted,
};

const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

fn denied(name: &str, lines: &[&str], error: RequestError) {
    assert_denied(&Config::default(), &request_with(name, lines), error);
    let fields = with(&REQUEST_FIELDS, name, lines);
    assert_eq!(
        Request::from_list("GET", "/", listed(&fields)),
        Err(error),
        "{name}: {lines:?}"
    );
}

// Lists.

/// R207: A server ignores empty elements of a list as long as one element remains, in one line or
/// over several. An empty value is taken as absent.
#[test]
fn f65_a_server_ignores_empty_elements() {
    let table: [(&[&str], &[&str]); 13] = [
        (&["a,"], &["a"]),
        (&["a, "], &["a"]),
        (&[", a"], &["a"]),
        (&[",a"], &["a"]),
        (&["a,,b"], &["a", "b"]),
        (&["a, \t, ,b"], &["a", "b"]),
        (&[",,,a,,,b,,,"], &["a", "b"]),
        (&["a", ""], &["a"]),
        (&["", "a"], &["a"]),
        (&[",", "a", ","], &["a"]),
        (&["a,", ",b"], &["a", "b"]),
        (&[""], &[]),
        (&[" \t "], &[]),
    ];
    for (lines, expected) in table {
        let request = admitted(&request_with(PROTOCOL, lines));
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), expected, "{lines:?}");
        assert_eq!(request.choose_subprotocol(&["", "a"]), expected.first().copied());
        let request = admitted(&request_with(EXTENSIONS, lines));
        let names: Vec<&str> = request.extensions().map(|extension| extension.name()).collect();
        assert_eq!(names, expected, "{lines:?}");
        for name in [PROTOCOL, EXTENSIONS] {
            let fields = with(&REQUEST_FIELDS, name, lines);
            let request = Request::from_list("GET", "/", listed(&fields)).unwrap();
            assert_eq!(
                request.subprotocols().count() + request.extensions().count(),
                expected.len()
            );
        }
    }
    // Parameters belong to their element.
    let request = admitted(&request_with(EXTENSIONS, &[",a; b=c ,, d;e,"]));
    let params: Vec<usize> = request
        .extensions()
        .map(|extension| extension.params().count())
        .collect();
    assert_eq!(params, [1, 1]);
    // `Upgrade` and `Connection` too.
    for (name, lines) in [
        ("Upgrade", &["websocket,"][..]),
        ("Upgrade", &[",, websocket ,"]),
        ("Upgrade", &["", "websocket"]),
        ("Connection", &["Upgrade,"]),
        ("Connection", &["keep-alive,,Upgrade"]),
        ("Connection", &[",", "Upgrade"]),
    ] {
        assert!(admitted(&request_with(name, lines)).is_upgrade(), "{name}: {lines:?}");
    }
}

/// R207: A list that has nothing but empty elements is refused, also if its commas are those that
/// join its lines.
#[test]
fn f65_a_server_refuses_a_list_of_empty_elements() {
    for lines in [&[","][..], &[", ,"], &[" ,,\t"], &["", ""], &[",", ""]] {
        denied(PROTOCOL, lines, RequestError::EmptySubprotocolList);
        denied(EXTENSIONS, lines, RequestError::EmptyExtensionList);
    }
    // What is not empty has to be valid, and positions count elements that are not empty.
    denied(PROTOCOL, &["a,, b c"], RequestError::InvalidSubprotocol { position: 2 });
    denied(
        PROTOCOL,
        &["a,,b, a,"],
        RequestError::RepeatedSubprotocol { position: 3 },
    );
    denied(
        EXTENSIONS,
        &["a,,;"],
        RequestError::InvalidExtensions { value: quoted(";") },
    );
    denied(
        EXTENSIONS,
        &["a,;,"],
        RequestError::InvalidExtensions { value: quoted(";,") },
    );
    denied(
        EXTENSIONS,
        &["a;,"],
        RequestError::InvalidExtensions { value: quoted("a;,") },
    );
}

/// R207: A client ignores empty elements too, and takes an empty value as absent.
#[test]
fn f65_a_client_ignores_empty_elements() {
    let offer = || plain().subprotocol("a").subprotocol("b");
    for line in ["a", "a,", ", a", ",,a ,\t,"] {
        let response = opened(&offer(), &response_with(PROTOCOL, &[line]));
        assert_eq!(response.subprotocol(), Some("a"), "{line}");
    }
    for line in ["", "\t"] {
        let response = opened(&offer(), &response_with(PROTOCOL, &[line]));
        assert_eq!(response.subprotocol(), None, "{line:?}");
        opened(&plain(), &response_with(PROTOCOL, &[line]));
        opened(&plain(), &response_with(EXTENSIONS, &[line]));
        assert_fails(
            &offer().require_subprotocol(true),
            &response_with(PROTOCOL, &[line]),
            ResponseError::MissingSubprotocol,
        );
    }
    for line in [",", ", ,"] {
        assert_fails(
            &offer(),
            &response_with(PROTOCOL, &[line]),
            ResponseError::EmptySubprotocolList,
        );
        assert_fails(
            &plain(),
            &response_with(EXTENSIONS, &[line]),
            ResponseError::EmptyExtensionList,
        );
    }
    assert_fails(
        &plain(),
        &response_with(EXTENSIONS, &["", ""]),
        ResponseError::EmptyExtensionList,
    );
    // The header occurs once in a response (R051).
    assert_fails(
        &offer(),
        &response_with(PROTOCOL, &["a", ""]),
        ResponseError::SeveralSubprotocols,
    );
    assert_fails(
        &offer(),
        &response_with(PROTOCOL, &["a,,b"]),
        ResponseError::SeveralSubprotocols,
    );
    for lines in [&["upgrade,"][..], &[",upgrade"], &["", "keep-alive,, upgrade"]] {
        opened(&plain(), &response_with("Connection", lines));
    }
}

/// R207: So does a client that has offered permessage-deflate.
#[test]
#[cfg(feature = "deflate")]
fn f65_a_client_ignores_empty_elements_beside_permessage_deflate() {
    use sockless::{ProtocolError, deflate::DeflateConfig};
    use support::heads::hear;

    let config = Config::new().deflate(DeflateConfig::new());
    for lines in [
        &["permessage-deflate,"][..],
        &[", permessage-deflate"],
        &["permessage-deflate", ""],
        &["", ",permessage-deflate,,"],
    ] {
        let outcome = hear(&plain(), &config, &response_with(EXTENSIONS, lines));
        assert_eq!((outcome.error, outcome.events.len()), (None, 1), "{lines:?}");
    }
    let outcome = hear(&plain(), &config, &response_with(EXTENSIONS, &[", ,"]));
    assert_eq!(
        outcome.error,
        Some(ProtocolError::Response(ResponseError::EmptyExtensionList))
    );
}

// Lengths.

/// R214: Equal lengths count as one, whether they are in one line or in several; others are an
/// error, one for each rule.
#[test]
fn f66_equal_lengths_of_a_refusal_are_one() {
    let refused = |lines: &[&str]| {
        let fields: Vec<(&str, &str)> = lines.iter().map(|line| ("Content-Length", *line)).collect();
        [&head("HTTP/1.1 500 x", &fields)[..], b"sorry, and more"].concat()
    };
    for lines in [
        &["5"][..],
        &["5, 5"],
        &["5,5,5"],
        &["5", "5"],
        &["5, 5", "5"],
        &["05, 5"],
        &["5,"],
        &[", 5"],
        &["5", ""],
    ] {
        let refused = refusal(&Config::default(), &refused(lines));
        assert_eq!(
            (&refused.body[..], refused.is_complete),
            (&b"sorry"[..], true),
            "{lines:?}"
        );
    }
    let different = |value: &str| ResponseError::DifferentContentLengths { value: quoted(value) };
    let invalid = |value: &str| ResponseError::InvalidContentLength { value: quoted(value) };
    for (lines, error) in [
        (&["5, 6"][..], different("6")),
        (&["5,6"], different("6")),
        (&["5", "5, 6"], different("6")),
        (&["6", "5"], different("5")),
        (&["5, 5, x"], invalid("5, 5, x")),
        (&["5", "x"], invalid("x")),
        (&["5 5"], invalid("5 5")),
        (&["5; 5"], invalid("5; 5")),
        (&[""], invalid("")),
        (&[","], invalid(",")),
        (&["18446744073709551616, 18446744073709551616"], {
            invalid("18446744073709551616, 18446744073709551616")
        }),
    ] {
        assert_fails(&plain(), &refused(lines), error);
    }
}

/// R214: In a request, any way to write 0 announces no body.
#[test]
fn f66_equal_lengths_of_a_request_are_one() {
    for lines in [
        &["0"][..],
        &["00"],
        &["0, 0"],
        &["0,00"],
        &["0", "0"],
        &["0", "0, 0"],
        &["0,"],
    ] {
        admitted(&request_with("Content-Length", lines));
    }
    let body = |value: &str| RequestError::ContentLength { value: quoted(value) };
    let different = |value: &str| RequestError::DifferentContentLengths { value: quoted(value) };
    let invalid = |value: &str| RequestError::InvalidContentLength { value: quoted(value) };
    for (lines, error) in [
        (&["5"][..], body("5")),
        (&["5, 5"], body("5, 5")),
        (&["5", "5"], body("5")),
        (&["0, 1"], different("1")),
        (&["0", "5"], different("5")),
        (&["5", "0"], different("0")),
        (&["00x"], invalid("00x")),
        (&["-0"], invalid("-0")),
        (&["+0"], invalid("+0")),
        (&[""], invalid("")),
        (&[","], invalid(",")),
        (&["0, x"], invalid("0, x")),
        (&["18446744073709551616"], invalid("18446744073709551616")),
    ] {
        denied("Content-Length", lines, error);
    }
}

// Hosts.

/// Addresses that are not IPv6 addresses, in the brackets that say so.
const INVALID_ADDRESSES: [&str; 16] = [
    "[....]",
    "[:::]",
    "[12345::]",
    "[]",
    "[:]",
    "[::1::2]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[::g]",
    "[1.2.3.4]",
    "[::1.2.3]",
    "[::1.2.3.256]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[v1.x]",
    "[h]",
];

/// R213: An IP literal in a URL is a valid IPv6 address.
#[test]
fn f72_an_ip_literal_in_a_url_is_an_address() {
    for host in INVALID_ADDRESSES {
        for (authority, rest) in [
            (host.to_owned(), ""),
            (host.to_owned(), "/p"),
            (format!("{host}:81"), "/?q"),
        ] {
            let error = LocalHandshakeError::InvalidHost {
                host: quoted(&authority),
            };
            assert_eq!(ClientRequest::new(&format!("ws://{authority}{rest}")), Err(error));
            assert_eq!(ClientRequest::from_parts(&authority, "/"), Err(error));
        }
    }
    for address in [
        "::",
        "::1",
        "2001:DB8::1",
        "1:2:3:4:5:6:7:8",
        "::ffff:1.2.3.4",
        "fe80::1",
    ] {
        let request = ClientRequest::new(&format!("ws://[{address}]:81/")).unwrap();
        assert_eq!((request.host(), request.port()), (address, 81));
    }
}

/// R213: So it is in a request, in the Host header and in an absolute target.
#[test]
fn f72_an_ip_literal_in_a_request_is_an_address() {
    for host in INVALID_ADDRESSES {
        for host in [host.to_owned(), format!("{host}:81")] {
            denied("Host", &[&host], RequestError::InvalidHost { host: quoted(&host) });
            let target = format!("http://{host}/");
            let input = head(&format!("GET {target} HTTP/1.1"), &REQUEST_FIELDS);
            let error = RequestError::InvalidTarget {
                target: quoted(&target),
            };
            assert_denied(&Config::default(), &input, error);
        }
    }
    for target in ["http://h:x/", "http://:80/", "http:///p", "http://a b/", "https://h:0"] {
        let error = Request::from_list("GET", target, listed(&REQUEST_FIELDS)).map(|_| ());
        assert_eq!(error, Err(RequestError::InvalidTarget { target: quoted(target) }));
    }
    for target in ["http://[::1]:81/", "https://h", "http://h?q", "HTTP://h:/"] {
        admitted(&head(&format!("GET {target} HTTP/1.1"), &REQUEST_FIELDS));
    }
}

/// A client takes what browsers take in a path and a query, and percent-encodes what RFC 3986 does
/// not allow there.
#[test]
fn f72_a_target_is_percent_encoded_where_needed() {
    let table = [
        ("/?a[]=1", "/?a%5B%5D=1"),
        ("/a|b?c|d", "/a%7Cb?c%7Cd"),
        ("/{a}?{b}", "/%7Ba%7D?%7Bb%7D"),
        ("/a^b`c", "/a%5Eb%60c"),
        ("/<a>?\"b\"", "/%3Ca%3E?%22b%22"),
        ("/?a\\b", "/?a%5Cb"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/caf\u{e9}?\u{1F600}", "/caf%C3%A9?%F0%9F%98%80"),
        ("/50%?50%&%zz&%4", "/50%25?50%25&%25zz&%254"),
        // What is encoded stays as it is.
        ("/%5b%5B%20?%7c", "/%5b%5B%20?%7c"),
        ("/a:b@c;d=e,f!$&'()*+~._-/?:@/?", "/a:b@c;d=e,f!$&'()*+~._-/?:@/?"),
    ];
    for (given, target) in table {
        let request = ClientRequest::new(&format!("ws://h{given}")).unwrap();
        assert_eq!(request.target(), target);
        assert_eq!(ClientRequest::from_parts("h", given).unwrap().target(), target);
        // The server takes it in either form, if it is ASCII without a space.
        admitted(&head(&format!("GET {target} HTTP/1.1"), &REQUEST_FIELDS));
        if given.bytes().all(|byte| byte.is_ascii_graphic()) {
            let request = admitted(&head(&format!("GET {given} HTTP/1.1"), &REQUEST_FIELDS));
            assert_eq!(request.target(), given);
        }
    }
}

/// R004: What cannot be meant, or what parsers read in different ways, is an error: control
/// characters, a space at the end, a backslash in the path.
#[test]
fn f72_what_is_ambiguous_in_a_target_is_refused() {
    for (target, offset) in [
        ("/a\tb", 2),
        ("/a\r\nX: y", 2),
        ("/?\0", 2),
        ("/\u{7f}", 1),
        ("/a ", 2),
        ("/?a ", 3),
        ("/a\\b", 2),
        ("/a\\?b", 2),
    ] {
        let public_len = target.find('?').unwrap_or(target.len());
        let error = LocalHandshakeError::InvalidTargetByte {
            target: support::quoted_to(target, public_len),
            byte: target.as_bytes()[offset],
            offset,
        };
        assert_eq!(ClientRequest::new(&format!("ws://h{target}")), Err(error), "{target:?}");
        assert_eq!(ClientRequest::from_parts("h", target), Err(error), "{target:?}");
    }
}
