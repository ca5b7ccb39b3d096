//! An extension of your own (RFC 6455, section 9): each frame of a message with the bit RSV2 ends
//! with a checksum of its payload. A client and a server negotiate it, in memory.
//!
//! ```text
//! cargo run --example checksum_extension
//! ```
//!
//! It finds what TCP's own checksum lets pass: about one in 65,536 damaged segments.

use std::error::Error;

use sockless::{
    Accept, Chunk, ClientRequest, CloseCode, Config, Connection, Delivery, Event, MessageKind, Request, SendError,
    frame::ReservedBits,
};

/// The name of the extension. One that is not registered begins with "x-".
const NAME: &str = "x-checksum";

/// The offer and the answer: the name with the parameter that says which checksum it is.
const EXTENSION: &str = "x-checksum; algorithm=fletcher-32";

/// The bit of frames that end with a checksum.
const BIT: ReservedBits = ReservedBits::RSV2;

/// The checksum takes eight hexadecimal digits, so that a text stays one.
const LEN: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut client, mut server) = connect()?;
    let mut wire = Vec::new();
    send(&mut client, "a first ", false, &mut wire)?;
    send(&mut client, "and a second fragment", true, &mut wire)?;
    println!("received: {:?}", receive(&mut server, &mut wire)?);

    // One bit is damaged on the way, in the payload of the frame, which begins after 6 bytes.
    wire.clear();
    send(&mut client, "one bit makes a difference", true, &mut wire)?;
    wire[6] ^= 1;
    println!("received: {:?}", receive(&mut server, &mut wire)?);
    Ok(())
}

/// Opens a connection on which both ends have the extension.
pub fn connect() -> Result<(Connection, Connection), Box<dyn Error>> {
    // The checksums are of frames, so frames are delivered, and not only whole messages.
    let config = Config::new().delivery(Delivery::Chunks);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let request = ClientRequest::new("ws://example.com/")?.extension(EXTENSION, BIT);
    let seed = [0x5E; 32]; // an application takes 32 bytes from the operating system
    let mut client = Connection::client(&request, config.clone(), seed, &mut to_server)?;

    let mut server = Connection::server(config);
    let mut input = &mut to_server[..];
    let Some(Event::Request(request)) = server.receive(&mut input, &mut to_client)? else {
        return Err("no request".into());
    };
    let answer = [(EXTENSION, BIT)];
    let accept = match offers_checksum(&request) {
        true => Accept::new().extensions(&answer),
        false => Accept::new(),
    };
    server.accept(&request, &accept, &mut to_client)?;

    let mut input = &mut to_client[..];
    let Some(Event::Open(response)) = client.receive(&mut input, &mut to_server)? else {
        return Err("no response".into());
    };
    // That the server answers an offer, the engine has checked; the parameters are ours.
    if !response.extensions().any(|extension| extension.name() == NAME) {
        return Err("the server has no checksums".into());
    }
    Ok((client, server))
}

/// Whether the client offers the extension with a checksum that is known here.
fn offers_checksum(request: &Request<'_>) -> bool {
    request.extensions().any(|offer| {
        let mut params = offer.params();
        offer.name() == NAME && params.any(|param| param == ("algorithm", Some("fletcher-32".into())))
    })
}

/// Sends a fragment with its checksum.
pub fn send(connection: &mut Connection, text: &str, fin: bool, out: &mut Vec<u8>) -> Result<(), SendError> {
    let payload = format!("{text}{}", digits(text));
    connection.send_fragment_with(MessageKind::Text, payload.as_bytes(), fin, BIT, out)
}

/// Receives what has arrived, and checks it. Returns the messages; or, if a checksum is wrong,
/// closes the connection and returns `None`.
pub fn receive(connection: &mut Connection, input: &mut [u8]) -> Result<Option<Vec<String>>, Box<dyn Error>> {
    let (mut messages, mut message, mut frame, mut out) = (Vec::new(), String::new(), String::new(), Vec::new());
    let mut input = input;
    while let Some(event) = connection.receive(&mut input, &mut out)? {
        let Event::Chunk(chunk) = event else { continue };
        frame.push_str(chunk.data.as_text().unwrap_or_default());
        if chunk.frame_end {
            let Some(text) = check(&frame, &chunk) else {
                connection.close(CloseCode::INVALID_DATA, "wrong checksum", &mut out)?;
                // Here `out` would be written.
                return Ok(None);
            };
            message.push_str(text);
            frame.clear();
        }
        if chunk.message_end {
            messages.push(std::mem::take(&mut message));
        }
    }
    Ok(Some(messages))
}

/// Returns the payload without its checksum; `None` if that is wrong.
fn check<'a>(payload: &'a str, chunk: &Chunk<'_>) -> Option<&'a str> {
    if chunk.reserved != BIT {
        return Some(payload);
    }
    let (text, checksum) = payload.split_at_checked(payload.len().checked_sub(LEN)?)?;
    (checksum == digits(text)).then_some(text)
}

fn digits(text: &str) -> String {
    format!("{:08x}", fletcher32(text.as_bytes()))
}

/// Fletcher's checksum: the sum of the bytes, and the sum of these sums.
fn fletcher32(bytes: &[u8]) -> u32 {
    let (sum, sums) = bytes.iter().fold((0_u32, 0_u32), |(sum, sums), byte| {
        let sum = (sum + u32::from(*byte)) % 65_535;
        (sum, (sums + sum) % 65_535)
    });
    sums << 16 | sum
}
