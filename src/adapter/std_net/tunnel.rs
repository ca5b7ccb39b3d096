//! A tunnel through a proxy.

use alloc::vec::Vec;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::limit::Limit;
use crate::{
    ClientRequest, Config,
    adapter::{Error, tunnel},
    proxy::{Connect, Proxy},
};

/// Asks a proxy for a tunnel to a server. Returns the first bytes that came through it, if there
/// are any.
pub(super) fn open(
    tcp: &TcpStream,
    proxy: &Proxy,
    request: &ClientRequest,
    config: &Config,
    limit: Limit,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut connect = proxy.connect(request.host(), request.port(), config, &mut out)?;
    let unread = exchange(tcp, &out, &mut connect, limit).map_err(|error| tunnel::lost(&mut connect, error))?;
    // The socket was made for this connection. What is set by its owner would limit every call.
    tcp.set_read_timeout(None)?;
    tcp.set_write_timeout(None)?;
    Ok(unread)
}

fn exchange(mut tcp: &TcpStream, mut out: &[u8], connect: &mut Connect, limit: Limit) -> Result<Vec<u8>, Error> {
    while !out.is_empty() {
        let len = limit.write(tcp, || (&mut &*tcp).write(out))?;
        out = out.get(len..).unwrap_or_default();
    }
    let mut buf = [0; tunnel::READ_LEN];
    loop {
        let len = limit.read(tcp, || tcp.read(&mut buf))?;
        if len == 0 {
            connect.receive_eof()?;
        }
        let mut input = buf.get_mut(..len).unwrap_or_default();
        if connect.receive(&mut input)?.is_some() {
            return Ok(input.to_vec());
        }
    }
}
