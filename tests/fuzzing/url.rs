//! URLs, valid and hostile.

use proptest::{collection::vec, prelude::*};
use support::laws::url::url;

use crate::streams::{cases, damage_bytes};

const URLS: [&str; 24] = [
    "ws://example.com/",
    "wss://example.com:443/chat?room=1",
    "HTTP://a:80",
    "https://[::1]:8080?q",
    "ws://[2001:db8::ff00:42:8329]/%C3%A4",
    "ws://a%20b/ä b",
    "ws://user:password@a/",
    "ws://a:0/",
    "ws://a:65536/",
    "ws://a:00080/",
    "ws://a:/x",
    "ws:///x",
    "ws://:80/",
    "ws://a/#fragment",
    "ws://a\\b/",
    "ws://a/b\\c",
    "ws://a/?b\\c",
    "ws://a/ ",
    "ws://a/%",
    "ws://a/%4",
    "ws://[::1%25eth0]/",
    "ftp://a/",
    "a:1 /b?[c]|{d}",
    "http://user:pass%40@proxy:3128",
];

proptest! {
    #![proptest_config(cases(3000))]

    /// R001 R002 R003 R004 R009: Any text is a URL if and only if a slow check says so; its parts
    /// are what the check finds, and a server finds the same (F72).
    #[test]
    fn s3_a_url_agrees_with_a_slow_check(
        text in prop_oneof![
            prop::sample::select(&URLS[..]).prop_map(String::from),
            "(ws|wss|http|https)://[a-z0-9%:.\\[\\]@]{0,12}[/?#]?[ -~ä]{0,8}",
        ],
        damage in vec(any::<(u8, u16, u8)>(), 0..4),
    ) {
        let mut bytes = text.into_bytes();
        for (kind, at, value) in damage {
            damage_bytes(&mut bytes, kind, at, value % 128);
        }
        url(&bytes);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    URLS.iter().map(|url| url.as_bytes().to_vec()).collect()
}
