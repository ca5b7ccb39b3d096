//! The command line of both examples.

use std::net::SocketAddr;

use sockless::{Config, deflate::DeflateConfig};

pub const USAGE: &str =
    "usage: axum|hyper [--listen ADDR] [--max-message-size BYTES] [--deflate] [--deflate-threshold BYTES]";

pub fn parse(mut args: impl Iterator<Item = String>) -> Option<(SocketAddr, Config)> {
    let (mut listen, mut config) = (SocketAddr::from(([127, 0, 0, 1], 9002)), Config::new());
    let mut deflate: Option<DeflateConfig> = None;
    while let Some(name) = args.next() {
        match name.as_str() {
            "--listen" => listen = args.next()?.parse().ok()?,
            "--max-message-size" => config = config.max_message_size(args.next()?.parse().ok()?),
            "--deflate" => _ = deflate.get_or_insert_default(),
            "--deflate-threshold" => deflate = Some(deflate.unwrap_or_default().threshold(args.next()?.parse().ok()?)),
            _ => return None,
        }
    }
    Some((listen, config.deflate(deflate)))
}
