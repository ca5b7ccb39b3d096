#![no_main]

use support::laws::url::{decoded, url};
use url::{Host, Position, Url};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(request) = url(data) {
        let text = String::from_utf8_lossy(data);
        compare(request.host(), request.port(), request.target(), &text);
    }
});

/// What is accepted is what the WHATWG URL Standard reads, but for the differences that
/// `fuzz/README.md` lists. It accepts much more.
fn compare(host: &str, port: u16, target: &str, text: &str) {
    // A host that is percent-encoded, ends in a number, or has a label in Punycode is read in
    // another way, or not at all.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|char: char| char.is_ascii_digit());
    let has_punycode = host.to_ascii_lowercase().contains("xn--");
    if host.contains('%') || is_number || has_punycode {
        return;
    }
    let Ok(parsed) = Url::parse(text) else {
        panic!("{text:?} is no URL");
    };
    let other_host = match parsed.host() {
        Some(Host::Domain(domain)) => domain.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => {
            assert_eq!(host.parse(), Ok(address));
            host.to_owned()
        }
        None => panic!("{text:?} has no host"),
    };
    assert_eq!(host.to_ascii_lowercase(), other_host.to_ascii_lowercase());
    assert_eq!(Some(port), parsed.port_or_known_default());
    // Segments of dots are removed, also if they are percent-encoded.
    let path = target.split('?').next().unwrap_or_default();
    let is_dots = |segment: &str| matches!(&decoded(segment)[..], b"." | b"..");
    if !path.split('/').any(is_dots) {
        let other_target = &parsed[Position::BeforePath..Position::AfterQuery];
        assert_eq!(decoded(target), decoded(other_target));
    }
}
