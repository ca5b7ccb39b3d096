//! Sends a file of any size as one message, and receives it, in little memory: on threads.
//!
//! ```text
//! cargo run --release --bin upload -- serve
//! cargo run --release --bin upload -- send ws://127.0.0.1:9010/ --random 1073741824
//! ```

mod transfer;

use std::{
    fs::File,
    io::{BufRead, Read, Write},
    net::TcpStream,
    process::ExitCode,
    thread,
};

use sockless::{
    Accept, CloseCode, MessageKind,
    adapter::std_net::{self, MaybeTlsStream},
};
use sockless_applications::{AnyError, run, serve_each_on_threads};

use self::transfer::{BUFFER_SIZE, Outcome, Random, Receipt, Task, Transfer, peak_memory, server_config};

fn main() -> ExitCode {
    run("upload", transfer::HELP, |args| match Task::parse(args)? {
        Task::Serve { listen } => serve_each_on_threads("upload", &listen, receive),
        Task::SendFile { url, path } => {
            let file = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
            let len = file.metadata()?.len();
            send(&url, file, len)
        }
        Task::SendRandom { url, len } => send(&url, Random::new(len), len),
    })
}

/// Receives messages, and answers each with a receipt.
fn receive(tcp: TcpStream) -> Result<(), AnyError> {
    let mut ws = std_net::incoming(tcp, server_config())?.accept(&Accept::new())?;
    while let Some(mut message) = ws.reader()? {
        let mut transfer = Transfer::new(None);
        loop {
            // What has arrived, without a copy. A real server writes it to a file.
            let data = message.fill_buf()?;
            if data.is_empty() {
                break;
            }
            transfer.add(data);
            let len = data.len();
            message.consume(len);
        }
        let receipt = transfer.finish();
        println!("received {receipt}{}", peak_memory());
        ws.send(receipt.to_string())?;
    }
    Ok(())
}

/// Sends one message in a thread, and receives meanwhile: Pings are answered, and the server may
/// say early that it does not want the message.
fn send(url: &str, source: impl Read + Send, len: u64) -> Result<(), AnyError> {
    let (mut reader, writer) = std_net::connect(url)?.split()?;
    let outcome = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = send_message(&writer, source, len);
            if sent.is_err() {
                // A message that was begun cannot be taken back. This also ends `recv` below.
                let _result = writer.close(CloseCode::INTERNAL_ERROR, "the upload has failed");
            }
            sent
        });
        let answer = reader.recv();
        let sent = sending
            .join()
            .unwrap_or_else(|_| Err("the thread that sends has panicked".into()));
        Outcome { sent, answer }
    });
    let receipt = outcome.check()?;
    writer.close(CloseCode::NORMAL, "")?;
    while reader.recv()?.is_some() {}
    println!("sent {receipt}{}", peak_memory());
    Ok(())
}

fn send_message(
    writer: &std_net::Writer<MaybeTlsStream>,
    mut source: impl Read,
    len: u64,
) -> Result<Receipt, AnyError> {
    let mut transfer = Transfer::new(Some(len));
    let mut message = writer.writer(MessageKind::Binary)?;
    let mut buf = vec![0; BUFFER_SIZE];
    loop {
        let data = match source.read(&mut buf)? {
            0 => break,
            len => &buf[..len],
        };
        transfer.add(data);
        message.write_all(data)?;
    }
    message.finish()?;
    Ok(transfer.finish())
}
