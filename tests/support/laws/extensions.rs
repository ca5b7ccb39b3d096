//! The law of the negotiation of extensions: any offers and any answers (RFC 6455, section 9.1; RFC
//! 7692, sections 5 and 7.1).

use std::collections::BTreeMap;

use allocation_counter::measure;
use sockless::{
    Accept, ClientRequest, Config, Connection, Event, Request,
    deflate::{DeflateConfig, DeflateParams, WindowBits},
    handshake::Extension,
};

use super::{heads, options::Cursor};
use crate::{feed, heads::REQUEST_FIELDS};

/// What one end demands and permits.
#[derive(Clone, Copy, Debug)]
struct Wishes {
    server_bits: u8,
    client_bits: u8,
    server_no_takeover: bool,
    client_no_takeover: bool,
    fallback: bool,
}

impl Wishes {
    fn read(cursor: &mut Cursor<'_>) -> Self {
        let [bits, flags] = cursor.array();
        let flag = |bit: u32| flags >> bit & 1 == 1;
        // Mostly the default.
        let size = |bits: u8, is_set: bool| if is_set { 8 + bits % 8 } else { 15 };
        Self {
            server_bits: size(bits % 16, flag(3)),
            client_bits: size(bits / 16, flag(4)),
            server_no_takeover: flag(0),
            client_no_takeover: flag(1),
            fallback: flag(2),
        }
    }

    fn config(self) -> Config {
        let bits = |bits| WindowBits::new(bits).unwrap();
        let deflate = DeflateConfig::new()
            .threshold(0)
            .server_max_window_bits(bits(self.server_bits))
            .client_max_window_bits(bits(self.client_bits))
            .server_no_context_takeover(self.server_no_takeover)
            .client_no_context_takeover(self.client_no_takeover)
            .fallback(self.fallback);
        Config::new().deflate(deflate)
    }
}

/// For any offers, a server answers within what was offered; for any answer, a client takes what is
/// within its offer, and nothing else; and two ends with any settings understand each other. The
/// grammar is that of a slow parser, and what is printed is parsed again.
pub fn extensions(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let server = Wishes::read(&mut cursor);
    let client = Wishes::read(&mut cursor);
    // A header has no control characters.
    let value: Vec<u8> = cursor
        .rest()
        .iter()
        .map(|byte| {
            if *byte == 127 || *byte < 32 && *byte != b'\t' {
                b';'
            } else {
                *byte
            }
        })
        .collect();
    check_grammar(&value);
    let heap = measure(|| {
        check_answer_of_server(server, &value);
        check_answer_to_client(client, &value);
    });
    // What the check itself holds is the most of it.
    let bound = 400 * value.len() + (16 << 10);
    assert!(heap.bytes_max <= bound as u64, "{} > {bound}", heap.bytes_max);
    check_both(server, client);
}

/// What is reported of a valid list is what a slow parser finds, and is printed and parsed again.
fn check_grammar(value: &[u8]) {
    let reported: Vec<heads::Extension> = Extension::parse(value)
        .map(|extension| heads::owned(&extension))
        .collect();
    let Some(expected) = heads::extensions(value) else {
        return;
    };
    assert_eq!(reported, expected);
    let print = |(name, parameters): &heads::Extension| {
        let parameters = parameters.iter().map(|(name, value)| match value {
            Some(value) => format!("; {name}={value}"),
            None => format!(";{name}"),
        });
        format!("{name}{}", parameters.collect::<String>())
    };
    let printed = reported.iter().map(print).collect::<Vec<_>>().join(", ");
    let again = Extension::parse(printed.as_bytes()).map(|extension| heads::owned(&extension));
    assert_eq!(again.collect::<Vec<_>>(), reported);
}

/// The parameters of permessage-deflate, if each is known, occurs once, and has a valid value.
fn deflate_parameters((name, parameters): &heads::Extension, is_offer: bool) -> Option<BTreeMap<&str, u8>> {
    let mut found = BTreeMap::new();
    for (parameter, value) in parameters {
        let sizes = ["8", "9", "10", "11", "12", "13", "14", "15"];
        let size = value
            .as_deref()
            .and_then(|value| sizes.iter().position(|size| *size == value))
            .map(|at| 8 + at as u8);
        let number = match &parameter[..] {
            "server_no_context_takeover" | "client_no_context_takeover" if value.is_none() => 1,
            "client_max_window_bits" if value.is_none() && is_offer => 15,
            "server_max_window_bits" | "client_max_window_bits" => size?,
            _ => return None,
        };
        if found.insert(&parameter[..], number).is_some() {
            return None;
        }
    }
    (name == "permessage-deflate").then_some(found)
}

/// RFC 7692, sections 7.1.1 and 7.1.2: what a server may answer to an offer.
fn answers(offer: &BTreeMap<&str, u8>, answer: &BTreeMap<&str, u8>) -> bool {
    let no_takeover = "server_no_context_takeover";
    let size_fits = |name: &str| match (offer.get(name), answer.get(name)) {
        (Some(offered), Some(answered)) => answered <= offered,
        (None, Some(_)) => name == "server_max_window_bits",
        (Some(_), None) => name == "client_max_window_bits",
        (None, None) => true,
    };
    (!offer.contains_key(no_takeover) || answer.contains_key(no_takeover))
        && size_fits("server_max_window_bits")
        && size_fits("client_max_window_bits")
}

fn check_answer_of_server(wishes: Wishes, value: &[u8]) {
    let fields = REQUEST_FIELDS.iter().map(|(name, value)| (*name, value.as_bytes()));
    let offers = heads::extensions(value);
    let received = Request::from_list("GET", "/", fields.chain([("sec-websocket-extensions", value)]));
    let is_valid = offers
        .as_ref()
        .is_some_and(|offers| !offers.is_empty() || !value.contains(&b','));
    assert_eq!(received.is_ok(), is_valid, "{received:?}");
    let (Ok(received), Some(offers)) = (received, offers) else {
        return;
    };
    let (fields, negotiated) = received.acceptance(&Accept::new(), &wishes.config()).unwrap();
    let offers: Vec<_> = offers
        .iter()
        .filter_map(|offer| deflate_parameters(offer, true))
        .collect();
    // A client that cannot be asked for a smaller window is declined, if one is demanded.
    let can_be_met =
        |offer: &&BTreeMap<&str, u8>| offer.contains_key("client_max_window_bits") || wishes.client_bits == 15;
    let first = offers.iter().find(can_be_met);
    let answer = fields.iter().find(|(name, _)| name == "Sec-WebSocket-Extensions");
    let (Some((_, answer)), Some(offer)) = (answer, first) else {
        assert!(answer.is_none() && first.is_none() && negotiated.deflate.is_none());
        return;
    };
    let answer = heads::extensions(answer.as_bytes()).unwrap();
    let [answer] = &answer[..] else {
        panic!("{answer:?}");
    };
    let answer = deflate_parameters(answer, false).unwrap();
    assert!(answers(offer, &answer), "{offer:?} {answer:?}");
    let params = negotiated.deflate.unwrap();
    let has = |name: &str| answer.contains_key(name);
    assert_eq!(params.server_no_context_takeover, has("server_no_context_takeover"));
    assert_eq!(params.client_no_context_takeover, has("client_no_context_takeover"));
    // What is sent may use a smaller window than was said.
    let said = |name: &str| answer.get(name).copied().unwrap_or(15);
    assert!(params.server_max_window_bits.get() <= said("server_max_window_bits").min(wishes.server_bits));
    assert_eq!(params.client_max_window_bits.get(), said("client_max_window_bits"));
    assert!(params.client_max_window_bits.get() <= wishes.client_bits.max(9));
    assert!(!wishes.server_no_takeover || params.server_no_context_takeover);
    assert!(!wishes.client_no_takeover || params.client_no_context_takeover);
}

fn request() -> ClientRequest {
    ClientRequest::new("wss://example.com/").unwrap()
}

fn check_answer_to_client(wishes: Wishes, value: &[u8]) {
    let (fields, expected) = request().connect_fields(&wishes.config()).unwrap();
    let offers = fields
        .headers
        .iter()
        .find(|(name, _)| name == "sec-websocket-extensions");
    let offers = heads::extensions(offers.unwrap().1.as_bytes()).unwrap();
    let offers: Vec<_> = offers
        .iter()
        .map(|offer| deflate_parameters(offer, true).unwrap())
        .collect();
    let checked = expected.check_response(200, [("sec-websocket-extensions", value)]);
    let answers_found = heads::extensions(value);
    let accepted = match answers_found.as_deref() {
        None => Err(()),
        Some([]) if value.contains(&b',') => Err(()),
        Some([]) => Ok(None),
        Some([answer]) => deflate_parameters(answer, false)
            .filter(|answer| offers.iter().any(|offer| answers(offer, answer)))
            .map(Some)
            .ok_or(()),
        Some(_) => Err(()),
    };
    let (negotiated, answer) = match (checked, accepted) {
        (Ok(negotiated), Ok(answer)) => (negotiated.unwrap(), answer),
        (Err(_), Err(())) => return,
        (checked, accepted) => panic!("{checked:?}, where {accepted:?} is expected"),
    };
    let Some(answer) = answer else {
        assert_eq!(negotiated.deflate, None);
        return;
    };
    let params = negotiated.deflate.unwrap();
    let said = |name: &str| answer.get(name).copied().unwrap_or(15);
    assert_eq!(params.server_max_window_bits.get(), said("server_max_window_bits"));
    assert_eq!(
        params.server_no_context_takeover,
        answer.contains_key("server_no_context_takeover")
    );
    assert!(params.client_max_window_bits.get() <= said("client_max_window_bits").min(wishes.client_bits));
    assert!(params.client_no_context_takeover || !answer.contains_key("client_no_context_takeover"));
}

/// Two ends with any settings, and messages in both directions.
fn check_both(server: Wishes, client: Wishes) {
    let (fields, expected) = request().connect_fields(&client.config()).unwrap();
    let pseudo = fields.pseudo_headers.iter().map(|(name, value)| (*name, &value[..]));
    let headers = fields.headers.iter().map(|(name, value)| (&name[..], value.as_bytes()));
    let received = Request::from_connect(pseudo, headers).unwrap();
    let (answer, of_server) = received.acceptance(&Accept::new(), &server.config()).unwrap();
    let answer = answer.iter().map(|(name, value)| (&name[..], value.as_bytes()));
    let of_client = expected.check_response(200, answer).unwrap().unwrap();
    assert_eq!(of_server.deflate.is_some(), of_client.deflate.is_some());
    if let (Some(of_server), Some(of_client)) = (of_server.deflate, of_client.deflate) {
        check_views(of_server, of_client);
    }
    let mut at_server = Connection::upgraded_server(&of_server, server.config());
    let mut at_client = Connection::upgraded_client(&of_client, client.config(), [6; 32]);
    for round in 0..2 {
        // Repeated at a distance of more than the smallest windows.
        let text = format!(
            "{}{}{}",
            "abc".repeat(40),
            "x0y1z2".repeat(90 + round),
            "abc".repeat(40)
        );
        let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
        at_client.send_text(&text, &mut from_client).unwrap();
        at_server.send_text(&text, &mut from_server).unwrap();
        let expected = [Event::Text(text.into())];
        assert_eq!(feed(&mut at_server, &from_client).events, expected);
        assert_eq!(feed(&mut at_client, &from_server).events, expected);
    }
}

/// What an end sends by its own view, the other one can receive by its view.
fn check_views(of_server: DeflateParams, of_client: DeflateParams) {
    assert!(of_server.server_max_window_bits <= of_client.server_max_window_bits);
    assert!(of_client.client_max_window_bits <= of_server.client_max_window_bits);
    assert!(of_server.server_no_context_takeover || !of_client.server_no_context_takeover);
    assert!(of_client.client_no_context_takeover || !of_server.client_no_context_takeover);
}
