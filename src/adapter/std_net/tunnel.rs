//! A tunnel through a proxy.

use alloc::vec::Vec;
use std::{io::Read, net::TcpStream};

use super::limit::{Limit, keep_timeouts};
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
    let exchanged = keep_timeouts(tcp, || exchange(tcp, &out, &mut connect, limit));
    exchanged.map_err(|error| tunnel::tunnel_error(&mut connect, error))
}

fn exchange(mut tcp: &TcpStream, out: &[u8], connect: &mut Connect, limit: Limit) -> Result<Vec<u8>, Error> {
    limit.write_all(tcp, out)?;
    let mut buf = [0; tunnel::READ_LEN];
    loop {
        let len = limit.read(tcp, || tcp.read(&mut buf))?;
        if let Some(unread) = tunnel::received(connect, buf.get_mut(..len).unwrap_or_default())? {
            return Ok(unread);
        }
    }
}
