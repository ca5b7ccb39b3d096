//! Sends a file of any size as one message, and receives it, in little memory: in tasks of tokio.
//!
//! ```text
//! cargo run --release --bin upload_tokio -- serve
//! cargo run --release --bin upload_tokio -- send ws://127.0.0.1:9010/ --random 1073741824
//! ```

mod transfer;

use std::process::ExitCode;

use sockless::{Accept, CloseCode, MessageKind, adapter};
use sockless_applications::{AnyError, bind, run_async, serve_each};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use self::transfer::{BUFFER_SIZE, Outcome, Random, Receipt, Task, Transfer, peak_memory, server_config};

fn main() -> ExitCode {
    run_async("upload_tokio", transfer::HELP, |args| async {
        match Task::parse(args)? {
            Task::Serve { listen } => serve(&listen).await,
            Task::SendFile { url, path } => {
                let file = File::open(&path).await.map_err(|error| format!("{path}: {error}"))?;
                let len = file.metadata().await?.len();
                send(&url, file, len).await
            }
            Task::SendRandom { url, len } => send(&url, Random::new(len), len).await,
        }
    })
}

async fn serve(listen: &str) -> Result<(), AnyError> {
    let listener = bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    serve_each("upload_tokio", listener, receive).await;
    Ok(())
}

/// Receives messages, and answers each with a receipt.
async fn receive(tcp: TcpStream) -> Result<(), AnyError> {
    let incoming = adapter::tokio::incoming(tcp, server_config()).await?;
    let mut ws = incoming.accept(&Accept::new()).await?;
    let mut buf = vec![0; BUFFER_SIZE];
    loop {
        let Some(mut message) = ws.reader().await? else {
            return Ok(());
        };
        let mut transfer = Transfer::new(None);
        loop {
            match message.read(&mut buf).await? {
                0 => break,
                // A real server writes it to a file.
                len => transfer.add(&buf[..len]),
            }
        }
        drop(message);
        let receipt = transfer.finish();
        println!("received {receipt}{}", peak_memory());
        ws.send(receipt.to_string()).await?;
    }
}

/// Sends one message, and receives meanwhile: Pings are answered, and the server may say early that
/// it does not want the message.
async fn send(url: &str, source: impl AsyncRead + Unpin, len: u64) -> Result<(), AnyError> {
    let (mut reader, writer) = adapter::tokio::connect(url).await?.split();
    let sending = async {
        let sent = send_message(&writer, source, len).await;
        if sent.is_err() {
            // A message that was begun cannot be taken back. This also ends `recv` below.
            let _result = writer.close(CloseCode::INTERNAL_ERROR, "the upload has failed").await;
        }
        sent
    };
    let (sent, answer) = tokio::join!(sending, reader.recv());
    let receipt = Outcome { sent, answer }.check()?;
    writer.close(CloseCode::NORMAL, "").await?;
    while reader.recv().await?.is_some() {}
    println!("sent {receipt}{}", peak_memory());
    Ok(())
}

async fn send_message(
    writer: &adapter::tokio::Writer<adapter::tokio::MaybeTlsStream>,
    mut source: impl AsyncRead + Unpin,
    len: u64,
) -> Result<Receipt, AnyError> {
    let mut transfer = Transfer::new(Some(len));
    let mut message = writer.writer(MessageKind::Binary)?;
    let mut buf = vec![0; BUFFER_SIZE];
    loop {
        let data = match source.read(&mut buf).await? {
            0 => break,
            len => &buf[..len],
        };
        transfer.add(data);
        message.write_all(data).await?;
    }
    message.finish().await?;
    Ok(transfer.finish())
}

impl AsyncRead for Random {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let len = self.get_mut().fill(buf.initialize_unfilled());
        buf.advance(len);
        std::task::Poll::Ready(Ok(()))
    }
}
