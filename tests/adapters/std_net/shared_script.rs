//! A scripted transport for whole connections and for halves.

use std::{
    io::{self, Read, Write},
    sync::{Arc, Mutex},
};

use sockless::{
    Config, Delivery, Role,
    adapter::{
        Error,
        std_net::{Reader, WebSocket, Writer},
    },
};
use support::{frames, open};

use super::ScriptedTransport;

/// A scripted transport of which halves have one handle each.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedScript(Arc<Mutex<ScriptedTransport>>);

impl SharedScript {
    pub(super) fn new(script: ScriptedTransport) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    /// The frames that `role` has written.
    pub(super) fn frames(&self, role: Role) -> Vec<(u8, Vec<u8>)> {
        frames(role, &self.0.lock().unwrap().written)
    }
}

impl Read for SharedScript {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().read(buf)
    }
}

impl Write for SharedScript {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Halves = (Reader<SharedScript, SharedScript>, Writer<SharedScript>);

/// Opens a connection over a script.
pub(super) fn whole(role: Role, delivery: Delivery, script: &SharedScript) -> WebSocket<SharedScript> {
    let engine = open(role, Config::new().delivery(delivery));
    WebSocket::upgraded(script.clone(), engine, Config::default())
}

pub(super) fn halves(role: Role, delivery: Delivery, script: &SharedScript) -> Halves {
    let ws = whole(role, delivery, script);
    ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap()
}

/// Cuts bytes into reads.
pub(super) fn reads(input: &[u8], len: usize) -> SharedScript {
    SharedScript::new(ScriptedTransport::reading(input.chunks(len).map(<[u8]>::to_vec)))
}

/// The error of the adapter in an I/O error.
pub(super) fn inner(error: &io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

/// The only message among frames, of which the first has the given first byte.
pub(super) fn joined(frames: &[(u8, Vec<u8>)], opcode: u8) -> Vec<u8> {
    for (at, (first, payload)) in frames.iter().enumerate() {
        let fin = if at + 1 == frames.len() { 0x80 } else { 0 };
        assert_eq!(
            *first,
            fin | if at == 0 { opcode } else { 0 },
            "frame {at} of {}",
            frames.len()
        );
        assert!(payload.len() <= 16 << 10);
    }
    frames.iter().flat_map(|(_, payload)| payload.clone()).collect()
}
