//! Servers in threads.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use sockless::{
    Accept, CloseCode, Config,
    adapter::std_net::{self, Incoming, WebSocket},
    deflate::DeflateConfig,
};

pub(crate) type Ws = WebSocket<TcpStream>;

/// Serves each connection in a thread. Returns the address.
pub(crate) fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming() {
            let (tcp, serve) = (tcp.unwrap(), serve.clone());
            thread::spawn(move || serve(tcp));
        }
    });
    address.to_string()
}

/// Serves requests. Returns the URL.
pub(crate) fn requests(serve: impl Fn(Incoming<TcpStream>) + Clone + Send + 'static) -> String {
    let address = listen(move |tcp| {
        let config = Config::new().deflate(DeflateConfig::new());
        serve(std_net::incoming(tcp, config).unwrap());
    });
    format!("ws://{address}/")
}

/// Accepts all requests. Returns the URL.
pub(crate) fn accepting(serve: impl Fn(Ws) + Clone + Send + 'static) -> String {
    requests(move |incoming| serve(incoming.accept(&Accept::new()).unwrap()))
}

/// Sends everything back.
pub(crate) fn echo() -> String {
    accepting(|mut ws| {
        while let Ok(Some(message)) = ws.recv() {
            ws.send(message).unwrap();
        }
    })
}

/// Sends messages as they are, then closes with a code.
pub(crate) fn sending(messages: &'static [&'static str], code: impl Into<Option<u16>>, reason: &'static str) -> String {
    let code = code.into();
    accepting(move |mut ws| {
        for message in messages {
            ws.send(message).unwrap();
        }
        ws.close(code.map(CloseCode), reason).unwrap();
        while let Ok(Some(_)) = ws.recv() {}
    })
}
