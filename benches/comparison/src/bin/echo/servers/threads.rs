//! Blocking servers, with a thread for each connection.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use super::{bare::Session, floor::Floor};

fn serve(listener: TcpListener, echo: fn(TcpStream)) {
    for tcp in listener.incoming() {
        let tcp = tcp.unwrap();
        tcp.set_nodelay(true).unwrap();
        thread::spawn(move || echo(tcp));
    }
}

pub fn sockless(listener: TcpListener) {
    serve(listener, |tcp| {
        let mut ws = sockless::adapter::std_net::accept(tcp).unwrap();
        while let Ok(Some(message)) = ws.recv() {
            ws.feed(&message).unwrap();
            ws.recycle(message);
        }
    });
}

pub fn sockless_batch(listener: TcpListener) {
    serve(listener, |tcp| {
        let mut ws = sockless::adapter::std_net::accept(tcp).unwrap();
        while let Ok(Some(_)) = ws.recv_batch(|message, batch| batch.feed(message)) {}
    });
}

pub fn tungstenite(listener: TcpListener) {
    serve(listener, |tcp| {
        let mut ws = tungstenite::accept(tcp).unwrap();
        while let Ok(message) = ws.read() {
            if message.is_text() || message.is_binary() {
                ws.send(message).unwrap();
            }
        }
    });
}

/// The floor of the blocking servers.
pub fn floor(listener: TcpListener) {
    serve(listener, |mut tcp| {
        let (mut session, mut input, mut out) = (Floor::default(), vec![0; 64 << 10], Vec::new());
        while let Ok(n @ 1..) = tcp.read(&mut input) {
            session.receive(&mut input[..n], &mut out);
            tcp.write_all(&out).unwrap();
            out.clear();
        }
    });
}
