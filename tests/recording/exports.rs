//! HAR and pcap of what the committed recordings do not have.

use sockless::recording::Recording;

const START: &str = "sockless recording 1\nat 951782400.000000\nupgraded_server\n";

fn har(lines: &str) -> String {
    Recording::parse(&format!("{START}{lines}")).unwrap().to_har()
}

/// The data of each message, in the order of the recording.
fn messages(lines: &str) -> Vec<String> {
    let har = har(lines);
    let messages = har.split("{\"type\":").skip(1);
    messages
        .map(|message| message.split("}").next().unwrap().to_owned())
        .collect()
}

/// Messages are put together, those that were sent by any call too.
#[test]
fn a_har_has_whole_messages() {
    let lines = "\
receive \"\"
event chunk text \"on\" more
send_fragment text \"tw\" more
receive \"\"
event chunk text \"e\" end
send_fragment_header text \"o\" end
send_in_place text \"three\"
send_prepared text \"\\\"four\\\"\\n\"
prepared_frame binary 0x35
send text \"refused\"
error \"no\"
send_header binary 6
truncated
";
    let data = [
        ("receive", 1, "one"),
        ("send", 1, "two"),
        ("send", 1, "three"),
        ("send", 1, "\\\"four\\\"\\u000a"),
        ("send", 2, "NQ=="),
        // Its payload is not in the recording: `<redacted>`.
        ("send", 2, "PHJlZGFjdGVkPg=="),
    ];
    let expected = data.map(|(kind, opcode, data)| {
        format!("\"{kind}\",\"time\":951782400.000000,\"opcode\":{opcode},\"data\":\"{data}\"")
    });
    assert_eq!(messages(lines), expected);
}

/// A message of which a part was redacted is unknown as a whole.
#[test]
fn a_har_says_which_messages_are_redacted() {
    let lines = "\
send_fragment text \"a\" more
send_fragment text <5> more
send_fragment text \"b\"+0x63 end
";
    let expected = "\"send\",\"time\":951782400.000000,\"opcode\":1,\"data\":\"<redacted>\"";
    assert_eq!(messages(lines), [expected]);
}

#[test]
fn a_har_has_dates_of_all_months_and_leap_years() {
    for (seconds, date) in [
        (0_u64, "1970-01-01T00:00:00.000Z"),
        (68_169_599, "1972-02-28T23:59:59.000Z"),
        (68_169_600, "1972-02-29T00:00:00.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (951_868_800, "2000-03-01T00:00:00.000Z"),
        (1_798_761_599, "2026-12-31T23:59:59.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        (u64::MAX, "9999-12-31T23:59:59.000Z"),
    ] {
        let text = format!("sockless recording 1\nat {seconds}.000000\nupgraded_server\nping \"\"\n");
        let har = Recording::parse(&text).unwrap().to_har();
        assert!(
            har.contains(&format!("\"startedDateTime\":\"{date}\"")),
            "{date}: {har}"
        );
    }
}

/// Payload that was written from where it is follows its header; payload that the connection never
/// had is a gap.
#[test]
fn a_pcap_has_borrowed_payload_and_gaps() {
    let pcap = |lines: &str| Recording::parse(&format!("{START}{lines}")).unwrap().to_pcap().unwrap();
    let contains = |file: &[u8], part: &[u8]| file.windows(part.len()).any(|window| window == part);
    let borrowed = pcap("send_in_place text \"hello\"\nborrowed \"\\x81\\x05hello\"\n");
    assert!(contains(&borrowed, b"\x81\x05hello"));
    // The sequence number of the Pong is that after the missing five bytes.
    let [with, without, refused] = [
        "send_header binary 5\nout 0x8205\npong \"\"\nout 0x8a00\n",
        "send_header binary 0\nout 0x8200\npong \"\"\nout 0x8a00\n",
        "send_header binary 5\nerror \"no\"\nsend binary \"\"\nout 0x8200\npong \"\"\nout 0x8a00\n",
    ]
    .map(|lines| {
        let file = pcap(lines);
        let at = file.windows(2).rposition(|window| window == [0x8A, 0]).unwrap();
        // A header of TCP has 20 bytes, of which the sequence number is the second word.
        u32::from_be_bytes(file[at - 16..at - 12].try_into().unwrap())
    });
    assert_eq!(with, without + 5);
    assert_eq!(refused, without);
}
