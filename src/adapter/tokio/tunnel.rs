//! A tunnel through a proxy.

use alloc::vec::Vec;
use std::io;

use tokio::net::TcpStream;

use super::limit::Limit;
use crate::{
    ClientRequest, Config,
    adapter::{Error, tunnel},
    proxy::{Connect, Proxy},
};

/// Asks a proxy for a tunnel to a server. Returns the first bytes that came through it, if there
/// are any.
pub(super) async fn open(
    tcp: &TcpStream,
    proxy: &Proxy,
    request: &ClientRequest,
    config: &Config,
    limit: Limit,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut connect = proxy.connect(request.host(), request.port(), config, &mut out)?;
    let exchanged = limit.run(exchange(tcp, &out, &mut connect)).await;
    exchanged.map_err(|error| tunnel::tunnel_error(&mut connect, error))
}

async fn exchange(tcp: &TcpStream, mut out: &[u8], connect: &mut Connect) -> Result<Vec<u8>, Error> {
    while !out.is_empty() {
        tcp.writable().await?;
        let len = unless_spurious(tcp.try_write(out))?.unwrap_or_default();
        out = out.get(len..).unwrap_or_default();
    }
    let mut buf = [0; tunnel::READ_LEN];
    loop {
        tcp.readable().await?;
        let Some(len) = unless_spurious(tcp.try_read(&mut buf))? else {
            continue;
        };
        if let Some(unread) = tunnel::received(connect, buf.get_mut(..len).unwrap_or_default())? {
            return Ok(unread);
        }
    }
}

/// `None`: the stream was not ready, although the runtime has said so.
fn unless_spurious(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
