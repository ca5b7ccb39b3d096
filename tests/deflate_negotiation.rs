//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1).

use sockless::{
    Accept, ClientRequest, Config, Connection, Event, Request,
    deflate::{DeflateConfig, DeflateParams, WindowBits},
    error::ResponseError,
};
use support::{
    feed,
    heads::{self, REQUEST_FIELDS, request_and},
    quoted, reserved_bits,
};

fn config(deflate: &DeflateConfig) -> Config {
    Config::new().deflate(deflate.clone())
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// server_no_context_takeover, client_no_context_takeover, server_max_window_bits,
/// client_max_window_bits.
type Params = (bool, bool, u8, u8);

fn params(params: DeflateParams) -> Params {
    (
        params.server_no_context_takeover,
        params.client_no_context_takeover,
        params.server_max_window_bits.get(),
        params.client_max_window_bits.get(),
    )
}

/// The `Sec-WebSocket-Extensions` of a server's response to header lines with offers, and the
/// negotiated parameters.
fn server_response(deflate: &DeflateConfig, offers: &[&str]) -> (Option<String>, Option<Params>) {
    let offers = offers.iter().map(|offer| ("Sec-WebSocket-Extensions", *offer));
    let fields = REQUEST_FIELDS.into_iter().chain(offers);
    let fields = fields.map(|(name, value)| (name, value.as_bytes()));
    let request = Request::from_list("GET", "/", fields).unwrap();
    let (fields, negotiated) = request.acceptance(&Accept::new(), &config(deflate)).unwrap();
    let answers: Vec<String> = fields
        .into_iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions"))
        .map(|(_, value)| value)
        .collect();
    assert!(answers.len() <= 1, "at most one line: {answers:?}");
    (answers.into_iter().next(), negotiated.deflate.map(params))
}

/// The `Sec-WebSocket-Extensions` of a client's request.
fn client_offer(deflate: &DeflateConfig) -> Option<String> {
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let (fields, _) = request.fields([7; 16], &config(deflate)).unwrap();
    fields
        .into_iter()
        .find(|(name, _)| name == "Sec-WebSocket-Extensions")
        .map(|(_, value)| value)
}

/// The parameters that a client takes from a server's response, or its error.
fn client_check(deflate: &DeflateConfig, answers: &[&str]) -> Result<Option<Params>, ResponseError> {
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let (fields, expected) = request.fields([7; 16], &config(deflate)).unwrap();
    let key = &fields.iter().find(|(name, _)| name == "Sec-WebSocket-Key").unwrap().1;
    let fields = heads::with(&REQUEST_FIELDS, "Sec-WebSocket-Key", &[key]);
    let fields = fields.into_iter().map(|(name, value)| (name, value.as_bytes()));
    let probe = Request::from_list("GET", "/", fields).unwrap();
    let (mut response, _) = probe.acceptance(&Accept::new(), &Config::default()).unwrap();
    response.extend(
        answers
            .iter()
            .map(|answer| ("Sec-WebSocket-Extensions".into(), (*answer).into())),
    );
    let fields = response.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    expected.check(fields).map(|negotiated| negotiated.deflate.map(params))
}

/// R031 R134: A client offers the same as browsers. Without a configuration of compression, it
/// offers nothing.
#[test]
fn s7_1_the_default_offer_is_that_of_browsers() {
    let default = DeflateConfig::default();
    assert_eq!(
        client_offer(&default).as_deref(),
        Some("permessage-deflate; client_max_window_bits")
    );
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let (fields, _) = request.fields([7; 16], &Config::default()).unwrap();
    assert!(fields.iter().all(|(name, _)| name != "Sec-WebSocket-Extensions"));
}

/// R141 R159: An offer has an element for each configuration, the preferred one first. Window bits
/// are 8 to 15.
#[test]
fn s5_an_offer_has_the_configured_parameters() {
    for (deflate, expected) in [
        (
            DeflateConfig::new().server_no_context_takeover(true),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
        ),
        (
            DeflateConfig::new().client_no_context_takeover(true),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits",
        ),
        (
            DeflateConfig::new().server_max_window_bits(bits(9)),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits",
        ),
        (
            DeflateConfig::new().client_max_window_bits(bits(8)),
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            DeflateConfig::new().server_max_window_bits(bits(10)).fallback(true),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits, \
             permessage-deflate; client_max_window_bits",
        ),
        (
            DeflateConfig::new().server_no_context_takeover(true).fallback(true),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits, \
             permessage-deflate; client_max_window_bits",
        ),
        (
            DeflateConfig::new().fallback(true),
            "permessage-deflate; client_max_window_bits",
        ),
    ] {
        assert_eq!(client_offer(&deflate).as_deref(), Some(expected));
    }
    assert_eq!(WindowBits::new(7), None);
    assert_eq!(WindowBits::new(16), None);
    assert_eq!((WindowBits::MIN.get(), WindowBits::MAX.get()), (8, 15));
}

/// R142 R149 R151 R153 R154 R156 R158 R160 R161 R128 R129: A server's response to an offer that it
/// accepts, and the negotiated parameters.
#[test]
fn s7_1_a_server_accepts_an_offer() {
    let default = DeflateConfig::default();
    let small = DeflateConfig::new()
        .server_max_window_bits(bits(10))
        .client_max_window_bits(bits(11));
    let without_takeover = DeflateConfig::new()
        .server_no_context_takeover(true)
        .client_no_context_takeover(true);
    for (deflate, offer, expected, negotiated) in [
        (
            &default,
            "permessage-deflate",
            "permessage-deflate",
            (false, false, 15, 15),
        ),
        // The response has no window bits that the offer does not require.
        (
            &default,
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate",
            (false, false, 15, 15),
        ),
        (
            &default,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            (true, true, 15, 15),
        ),
        (
            &default,
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8",
            (false, false, 8, 15),
        ),
        (
            &default,
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=9",
            (false, false, 15, 9),
        ),
        (
            &default,
            "permessage-deflate; server_max_window_bits=\"12\"",
            "permessage-deflate; server_max_window_bits=12",
            (false, false, 12, 15),
        ),
        (
            &small,
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=11",
            (false, false, 10, 11),
        ),
        (
            &small,
            "permessage-deflate; client_max_window_bits=10; server_max_window_bits=12",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10",
            (false, false, 10, 10),
        ),
        (
            &without_takeover,
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            (true, true, 15, 15),
        ),
    ] {
        let found = server_response(deflate, &[offer]);
        assert_eq!(found, (Some(expected.into()), Some(negotiated)), "{offer}");
    }
}

/// R144 R145 R146 R147 R155: An offer that is unknown, invalid, repeated or unsupported is
/// declined, and the next offer is tried. If none is left, the connection opens without compression
/// (F21, F22).
#[test]
fn s7_an_invalid_offer_is_declined() {
    let default = DeflateConfig::default();
    for invalid in [
        "permessage-deflate; foo",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=0",
        "permessage-deflate; server_max_window_bits=-1",
        "permessage-deflate; server_max_window_bits=99999",
        "permessage-deflate; server_max_window_bits=99999999999999999999",
        "permessage-deflate; server_max_window_bits=1e1",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=\"16\"",
        "permessage-deflate; client_max_window_bits=010",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bitsX=9",
        "permessage-deflate; constructor",
        "permessage-deflat",
        "x-webkit-deflate-frame",
    ] {
        assert_eq!(server_response(&default, &[invalid]), (None, None), "{invalid}");
        let both = format!("{invalid}, permessage-deflate; server_max_window_bits=9");
        let second = (
            Some("permessage-deflate; server_max_window_bits=9".into()),
            Some((false, false, 9, 15)),
        );
        assert_eq!(server_response(&default, &[&both]), second, "{invalid}");
        assert_eq!(
            server_response(&default, &[invalid, "permessage-deflate; server_max_window_bits=9"]),
            second,
            "{invalid}"
        );
    }
    // Without client_max_window_bits in the offer, the server cannot limit the client's window.
    let small = DeflateConfig::new().client_max_window_bits(bits(10));
    assert_eq!(server_response(&small, &["permessage-deflate"]), (None, None));
    assert!(
        server_response(
            &small,
            &["permessage-deflate, permessage-deflate; client_max_window_bits"]
        )
        .0
        .is_some()
    );
}

/// F85: A window of 8 bits is announced as 9, unless the peer has said 8. What this end sends uses
/// 8 all the same.
#[test]
fn f85_a_window_of_8_bits_is_announced_as_9() {
    let smallest = DeflateConfig::new()
        .server_max_window_bits(bits(8))
        .client_max_window_bits(bits(8));
    for (offer, answer, negotiated) in [
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=9",
            (false, false, 8, 9),
        ),
        (
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            (false, false, 8, 9),
        ),
        (
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            (false, false, 8, 9),
        ),
        (
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
            (false, false, 8, 8),
        ),
    ] {
        let found = server_response(&smallest, &[offer]);
        assert_eq!(found, (Some(answer.into()), Some(negotiated)), "{offer}");
    }
    assert_eq!(
        client_offer(&smallest).as_deref(),
        Some("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9")
    );
    for (answer, negotiated) in [
        ("permessage-deflate; server_max_window_bits=9", (false, false, 9, 8)),
        (
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            (false, false, 9, 8),
        ),
        (
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
            (false, false, 8, 8),
        ),
    ] {
        assert_eq!(client_check(&smallest, &[answer]), Ok(Some(negotiated)), "{answer}");
    }
}

/// R141 R142 R057 R132: Of several offers, the first acceptable one is accepted, and no other.
#[test]
fn s5_1_the_first_acceptable_offer_is_accepted() {
    let default = DeflateConfig::default();
    let found = server_response(
        &default,
        &[
            "x-other; a=\"b\", permessage-deflate; server_no_context_takeover",
            "permessage-deflate",
        ],
    );
    assert_eq!(
        found,
        (
            Some("permessage-deflate; server_no_context_takeover".into()),
            Some((true, false, 15, 15))
        )
    );
}

/// R150 R151 R152 R153 R154 R157 R158 R161 R163 R164: The parameters that a client takes from a
/// response that matches its offer.
#[test]
fn s7_1_a_client_accepts_a_response_that_matches_its_offer() {
    let default = DeflateConfig::default();
    let strict = DeflateConfig::new()
        .server_no_context_takeover(true)
        .server_max_window_bits(bits(10))
        .client_max_window_bits(bits(12))
        .client_no_context_takeover(true);
    for (deflate, answer, negotiated) in [
        (&default, "permessage-deflate", (false, false, 15, 15)),
        (
            &default,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            (true, true, 15, 15),
        ),
        (
            &default,
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=9",
            (false, false, 8, 9),
        ),
        // The client keeps its own limits although the response does not repeat them.
        (
            &strict,
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
            (true, true, 9, 12),
        ),
        (
            &strict,
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=\"11\"",
            (true, true, 10, 11),
        ),
    ] {
        assert_eq!(client_check(deflate, &[answer]), Ok(Some(negotiated)), "{answer}");
    }
    assert_eq!(client_check(&default, &[]), Ok(None), "a server may decline");
    assert_eq!(
        client_check(&strict, &[]),
        Ok(None),
        "a server may also decline a strict offer"
    );
    let fallback = DeflateConfig::new().server_max_window_bits(bits(9)).fallback(true);
    assert_eq!(
        client_check(&fallback, &["permessage-deflate"]),
        Ok(Some((false, false, 15, 15)))
    );
    assert_eq!(
        client_check(&fallback, &["permessage-deflate; server_max_window_bits=9"]),
        Ok(Some((false, false, 9, 15)))
    );
}

/// The error of a response with invalid parameters.
fn invalid_parameters(response: &str) -> ResponseError {
    let (_, parameters) = response.split_once("; ").unwrap_or_default();
    ResponseError::InvalidExtensionParameters {
        parameters: quoted(parameters),
    }
}

/// R025 R143 R148 R150 R155 R157 R161: Any response that does not match the offer fails the client
/// (F22, F25).
#[test]
fn s7_1_a_client_fails_on_a_response_that_does_not_match_its_offer() {
    let default = DeflateConfig::default();
    for invalid in [
        "permessage-deflate; foo",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=99999",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    ] {
        assert_eq!(
            client_check(&default, &[invalid]),
            Err(invalid_parameters(invalid)),
            "{invalid}"
        );
    }
    let strict = DeflateConfig::new()
        .server_no_context_takeover(true)
        .server_max_window_bits(bits(10))
        .client_max_window_bits(bits(12));
    for invalid in [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=13",
    ] {
        assert_eq!(
            client_check(&strict, &[invalid]),
            Err(invalid_parameters(invalid)),
            "{invalid}"
        );
    }
    let second = |name: &str| ResponseError::SecondExtension { name: quoted(name) };
    let rows = [
        (
            &["permessage-deflate, permessage-deflate"][..],
            second("permessage-deflate"),
        ),
        (
            &["permessage-deflate", "permessage-deflate; server_max_window_bits=9"],
            second("permessage-deflate"),
        ),
        (
            &["x-other"],
            ResponseError::ExtensionNotOffered {
                name: quoted("x-other"),
            },
        ),
        (&["permessage-deflate, x-other"], second("x-other")),
        (
            &["permessage-deflate;"],
            ResponseError::InvalidExtensions {
                value: quoted("permessage-deflate;"),
            },
        ),
    ];
    for (extensions, error) in rows {
        assert_eq!(client_check(&default, extensions), Err(error), "{extensions:?}");
    }
}

/// R101 R134 R063: Without an offer a server accepts none, it can decline for one connection, and
/// then RSV1 fails the connection (F44).
#[test]
fn f44_compression_is_used_only_if_it_was_negotiated() {
    let offered = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let hello = support::frame(
        sockless::Role::Client,
        0xC1,
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    );
    let on = config(&DeflateConfig::default());
    for (config, offer, declines, negotiated) in [
        (on.clone(), offered, false, true),
        (on.clone(), offered, true, false),
        (on, "", false, false),
        (Config::default(), offered, false, false),
    ] {
        let mut server = Connection::server(config);
        let mut head = request_and(offer).into_bytes();
        let (mut input, mut out) = (&mut head[..], Vec::new());
        let Ok(Some(Event::Request(request))) = server.receive(&mut input, &mut out) else {
            panic!("expected a request");
        };
        let accept = if declines {
            Accept::new().decline_deflate()
        } else {
            Accept::new()
        };
        server.accept(&request, &accept, &mut out).unwrap();
        let answered = out.windows(18).any(|window| window == b"permessage-deflate");
        assert_eq!(answered, negotiated);
        let outcome = feed(&mut server, &hello);
        if negotiated {
            assert_eq!(outcome.events, [Event::Text("Hello".into())]);
        } else {
            assert_eq!(outcome.error, Some(reserved_bits(0xC1)));
        }
    }
}
