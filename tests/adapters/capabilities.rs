//! What the engine can do, and the call of each adapter that does it: the table in
//! docs/EMBEDDING.md. A call that is named there compiles here.
//!
//! `BLESS=1 cargo test --all-features capabilities` writes the table.

use std::{collections::BTreeMap, fs, net::TcpStream, path::Path};

use sockless::{
    MessageKind, PreparedMessage,
    adapter::{Parts, std_net},
};

/// Every capability, with the functions of the engine that have it.
const CAPABILITIES: &[(&str, &[&str])] = &[
    ("receive a message", &["receive"]),
    (
        "receive a message without a copy",
        &["receive", "receive_whole", "wanted"],
    ),
    (
        "receive and answer the messages of one read",
        &["receive", "send_text", "send_binary"],
    ),
    ("receive the pieces of a message", &["receive"]),
    ("receive one message as a reader", &["receive"]),
    ("receive every event", &["receive", "receive_eof"]),
    ("receive binary messages as bytes", &["receive"]),
    ("change the limit of messages", &["set_max_message_size"]),
    ("return the memory of a message", &["recycle"]),
    ("send a message", &["send_text", "send_binary"]),
    ("append a message, and write it later", &["send_text", "send_binary"]),
    ("send a prepared message", &["send_prepared", "prepared_frame"]),
    ("append a prepared message", &["send_prepared"]),
    ("send a fragment", &["send_fragment"]),
    ("send a fragment with reserved bits", &["send_fragment_with"]),
    ("send one message as a writer", &["send_fragment"]),
    ("send bytes as binary messages", &["send_binary"]),
    ("send a Ping", &["ping"]),
    ("send a Pong", &["pong"]),
    ("start the closing handshake", &["close"]),
    ("compress or not, by message", &["set_compression"]),
    ("count the unwritten output", &[]),
    ("see how the connection was closed", &["close_status"]),
    ("see what was negotiated", &["negotiated"]),
    ("see the round-trip time", &[]),
    ("continue with bytes that were read ahead", &["receive"]),
    ("get the transport back, with all bytes", &["into_parts"]),
    ("join the halves again", &[]),
    ("call the engine", &[]),
];

/// Functions of the engine that an adapter calls for its user, or that have no place in the table.
const NOT_LISTED: &[(&str, &str)] = &[
    ("server", "constructor"),
    ("client", "constructor"),
    ("upgraded_server", "constructor"),
    ("upgraded_client", "constructor"),
    ("accept", "`Incoming`"),
    ("reject", "`Incoming`"),
    ("teardown", "the adapter closes the transport"),
    ("send_header", "for loops with a vectored write"),
    ("send_in_place", "for loops whose messages are made in a buffer"),
    ("send_fragment_header", "for loops with a vectored write"),
    ("assembled_len", "for deadlines of a loop"),
    ("message_reserved_bits", "`Chunk::reserved`, or `engine_mut`"),
    ("role", "known to who has opened the connection"),
    ("state", "`close_status`, and the results of the calls"),
    ("delivery", "known to who has set it"),
    ("borrow_deflate_state", "`engine_mut`"),
    ("return_deflate_state", "`engine_mut`"),
    ("disable_fast_paths", "for tests"),
];

/// What an adapter has for a capability.
enum Cell {
    /// The name of a method.
    Call(&'static str),
    /// Why there is none.
    Gap(&'static str),
}

use Cell::{Call, Gap};

/// Calls a method in code that is compiled and not run, and names it.
macro_rules! call {
    ($connection:ty, $method:ident($($argument:expr),*)) => {{
        let _call = |connection: $connection| {
            _ = connection.$method($($argument),*);
        };
        Call(stringify!($method))
    }};
}

/// One column: for a whole connection, or for both halves of one.
type Column = BTreeMap<&'static str, Cell>;

const REUNITE: &str = "`reunite` first";

/// The columns of one adapter: of a whole connection, and of its halves, whose cells for bytes are
/// given.
macro_rules! columns {
    ($whole:ty, $reader:ty, $writer:ty, $receive_bytes:expr, $send_bytes:expr) => {{
        type Whole = $whole;
        type Reader = $reader;
        type Writer = $writer;
        let whole = BTreeMap::from([
            ("receive a message", call!(&mut Whole, recv())),
            ("receive a message without a copy", call!(&mut Whole, recv_with(|_| ()))),
            (
                "receive and answer the messages of one read",
                call!(&mut Whole, recv_batch(|message, batch| batch.feed(message))),
            ),
            ("receive the pieces of a message", call!(&mut Whole, recv_chunk())),
            ("receive one message as a reader", call!(&mut Whole, reader())),
            ("receive every event", call!(&mut Whole, recv_event())),
            ("receive binary messages as bytes", call!(Whole, into_byte_stream())),
            (
                "change the limit of messages",
                call!(&mut Whole, set_max_message_size(1)),
            ),
            ("return the memory of a message", call!(&mut Whole, recycle("".into()))),
            ("send a message", call!(&mut Whole, send(""))),
            ("append a message, and write it later", call!(&mut Whole, feed(""))),
            (
                "send a prepared message",
                call!(&mut Whole, send_prepared(&PreparedMessage::text(""))),
            ),
            (
                "append a prepared message",
                call!(&mut Whole, feed_prepared(&PreparedMessage::text(""))),
            ),
            (
                "send a fragment",
                call!(&mut Whole, send_fragment(MessageKind::Text, b"", true)),
            ),
            ("send a fragment with reserved bits", Gap("`engine_mut`")),
            (
                "send one message as a writer",
                call!(&mut Whole, writer(MessageKind::Text)),
            ),
            ("send bytes as binary messages", call!(Whole, into_byte_stream())),
            ("send a Ping", call!(&mut Whole, ping(b""))),
            ("send a Pong", call!(&mut Whole, pong(b""))),
            ("start the closing handshake", call!(&mut Whole, close(None, ""))),
            #[cfg(feature = "deflate")]
            ("compress or not, by message", call!(&mut Whole, set_compression(true))),
            ("count the unwritten output", call!(&Whole, pending_bytes())),
            ("see how the connection was closed", call!(&Whole, close_status())),
            ("see what was negotiated", call!(&Whole, negotiated())),
            ("see the round-trip time", call!(&Whole, round_trip())),
            (
                "continue with bytes that were read ahead",
                call!(Whole, read_ahead(b"")),
            ),
            ("get the transport back, with all bytes", call!(Whole, into_parts())),
            ("join the halves again", {
                let _whole = |reader, writer| drop(Whole::reunite(reader, writer));
                Call("reunite")
            }),
            ("call the engine", call!(&mut Whole, engine_mut())),
        ]);
        let halves = BTreeMap::from([
            ("receive a message", call!(&mut Reader, recv())),
            (
                "receive a message without a copy",
                call!(&mut Reader, recv_with(|_| ())),
            ),
            (
                "receive and answer the messages of one read",
                Gap("`recv_with`, and `feed` of the writer"),
            ),
            ("receive the pieces of a message", call!(&mut Reader, recv_chunk())),
            ("receive one message as a reader", call!(&mut Reader, reader())),
            ("receive every event", call!(&mut Reader, recv_event())),
            ("receive binary messages as bytes", $receive_bytes),
            (
                "change the limit of messages",
                call!(&mut Reader, set_max_message_size(1)),
            ),
            ("return the memory of a message", call!(&mut Reader, recycle("".into()))),
            ("send a message", call!(&Writer, send(""))),
            ("append a message, and write it later", call!(&Writer, feed(""))),
            (
                "send a prepared message",
                call!(&Writer, send_prepared(&PreparedMessage::text(""))),
            ),
            (
                "append a prepared message",
                call!(&Writer, feed_prepared(&PreparedMessage::text(""))),
            ),
            (
                "send a fragment",
                call!(&Writer, send_fragment(MessageKind::Text, b"", true)),
            ),
            ("send a fragment with reserved bits", Gap(REUNITE)),
            (
                "send one message as a writer",
                call!(&Writer, writer(MessageKind::Text)),
            ),
            ("send bytes as binary messages", $send_bytes),
            ("send a Ping", call!(&Writer, ping(b""))),
            ("send a Pong", call!(&Writer, pong(b""))),
            ("start the closing handshake", call!(&Writer, close(None, ""))),
            #[cfg(feature = "deflate")]
            ("compress or not, by message", call!(&Writer, set_compression(true))),
            ("count the unwritten output", call!(&Writer, pending_bytes())),
            ("see how the connection was closed", {
                let _reader = call!(&Reader, close_status());
                call!(&Writer, close_status())
            }),
            ("see what was negotiated", {
                let _reader = call!(&Reader, negotiated());
                call!(&Writer, negotiated())
            }),
            ("see the round-trip time", call!(&Reader, round_trip())),
            ("continue with bytes that were read ahead", Gap("before `split`")),
            ("get the transport back, with all bytes", Gap(REUNITE)),
            ("join the halves again", {
                let _whole = |reader: Reader, writer: Writer| drop(Whole::reunite(reader, writer));
                Call("reunite")
            }),
            ("call the engine", Gap(REUNITE)),
        ]);
        [whole, halves]
    }};
}

/// The columns of the blocking adapter.
fn std_columns() -> [Column; 2] {
    let _parts: fn(std_net::WebSocket<TcpStream>) -> Parts<TcpStream> = std_net::WebSocket::into_parts;
    columns!(
        std_net::WebSocket<TcpStream>,
        std_net::Reader<TcpStream, TcpStream>,
        std_net::Writer<TcpStream>,
        call!(Reader, into_byte_reader()),
        call!(Writer, into_byte_writer())
    )
}

/// All columns, with their headings.
#[cfg(all(feature = "tokio", feature = "futures-io"))]
fn columns() -> Vec<(&'static str, Column)> {
    use sockless::adapter::{futures_io, tokio};

    const SPLIT_BYTES: &str = "`into_byte_stream`, and `split` of the runtime";
    let [std_whole, std_halves] = std_columns();
    let [tokio_whole, tokio_halves] = columns!(
        tokio::WebSocket<::tokio::net::TcpStream>,
        tokio::Reader<::tokio::net::TcpStream>,
        tokio::Writer<::tokio::net::TcpStream>,
        Gap(SPLIT_BYTES),
        Gap(SPLIT_BYTES)
    );
    let [futures_whole, futures_halves] = columns!(
        futures_io::WebSocket<smol::net::TcpStream, ()>,
        futures_io::Reader<smol::net::TcpStream, ()>,
        futures_io::Writer<smol::net::TcpStream, ()>,
        Gap(SPLIT_BYTES),
        Gap(SPLIT_BYTES)
    );
    vec![
        ("`std_net`", std_whole),
        ("halves", std_halves),
        ("`tokio`", tokio_whole),
        ("halves", tokio_halves),
        ("`futures_io`", futures_whole),
        ("halves", futures_halves),
    ]
}

/// Without the polled adapters, the methods of the blocking one are checked alone.
#[cfg(not(all(feature = "tokio", feature = "futures-io")))]
fn columns() -> Vec<(&'static str, Column)> {
    let [whole, halves] = std_columns();
    vec![("`std_net`", whole), ("halves", halves)]
}

/// Writes the table.
fn table(columns: &[(&str, Column)]) -> String {
    let mut table = String::from("| to | the engine |");
    for (heading, _) in columns {
        table += &format!(" {heading} |");
    }
    table += &format!("\n|{}\n", "---|".repeat(columns.len() + 2));
    for (capability, functions) in CAPABILITIES {
        let functions: Vec<String> = functions.iter().map(|name| format!("`{name}`")).collect();
        table += &format!("| {capability} | {} |", functions.join(", "));
        for (_, column) in columns {
            table += &match column.get(capability) {
                Some(Call(method)) => format!(" `{method}` |"),
                Some(Gap(reason)) => format!(" {reason} |"),
                None => String::from(" |"),
            };
        }
        table += "\n";
    }
    table
}

/// Each adapter has each capability, or a reason why not; and nothing in a column is not listed.
#[test]
fn each_adapter_has_each_capability() {
    assert_eq!(table(&columns()).lines().count(), CAPABILITIES.len() + 2);
    for (heading, column) in columns() {
        for (capability, _) in CAPABILITIES {
            let has_deflate = cfg!(feature = "deflate") || *capability != "compress or not, by message";
            assert_eq!(column.contains_key(capability), has_deflate, "{heading}: {capability}");
        }
        for (capability, cell) in &column {
            let (Call(text) | Gap(text)) = cell;
            assert!(!text.is_empty(), "{heading}: {capability}");
            assert!(
                CAPABILITIES.iter().any(|(name, _)| name == capability),
                "{heading}: {capability}"
            );
        }
    }
}

/// Every public function of the engine is in the table, or has a reason why not.
#[test]
fn every_function_of_the_engine_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/connection");
    let mut functions = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().map(str::trim_start) {
            let name = line
                .strip_prefix("pub fn ")
                .or_else(|| line.strip_prefix("pub const fn "));
            if let Some(name) = name {
                functions.push(name.split(['(', '<']).next().unwrap().to_owned());
            }
        }
    }
    assert!(functions.len() > 20, "{functions:?}");
    for function in &functions {
        let is_in_table = CAPABILITIES.iter().any(|(_, names)| names.contains(&&**function));
        let has_reason = NOT_LISTED.iter().any(|(name, _)| name == function);
        assert!(
            is_in_table != has_reason,
            "{function} is in the table, or has a reason why not"
        );
    }
    let names = CAPABILITIES.iter().flat_map(|(_, names)| names.iter());
    for name in names.chain(NOT_LISTED.iter().map(|(name, _)| name)) {
        assert!(
            functions.iter().any(|function| function == name),
            "{name} is no function of the engine"
        );
    }
}

/// The table in the page is the one that this file makes.
#[cfg(all(feature = "tokio", feature = "futures-io", feature = "deflate"))]
#[test]
fn the_table_of_the_page_agrees_with_the_adapters() {
    const BEGIN: &str = "<!-- The table is written by tests/adapters/capabilities.rs. -->\n\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/EMBEDDING.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the place of the table");
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let expected = format!("{before}{BEGIN}{}\n{after}", table(&columns()));
    support::check_committed(path, expected, "cargo test --all-features capabilities");
}
