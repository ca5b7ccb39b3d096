//! WebSockets over HTTP/2 on the loopback interface: the client of this package, and a server on
//! hyper.

#[path = "../carrier/mod.rs"]
mod carrier;
mod deadlines;
mod endings;
mod http1;
mod refusals;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use sockless::{
    Accept, ClientRequest, Config,
    adapter::{self, Settings, hyper},
};
use sockless_http2::{
    STREAM_WINDOW,
    client::{Error, Http2 as Carrier, WebSocket},
    server,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc::UnboundedSender},
};

use crate::carrier::{End, Ends, config, endings::is_eof, serve, settings};

/// How many WebSockets one connection carries besides one that is stalled.
const MANY: usize = 999;

/// Whether a connection or a stream was lost. A server on hyper does not tell a reset from the end
/// of the stream.
fn is_lost(error: &adapter::Error) -> bool {
    matches!(error, adapter::Error::Io(_)) || is_eof(error)
}

/// A server in the same process. It echoes messages, except those of `/unread`, which it does not
/// receive.
struct Server {
    address: SocketAddr,
    ends: Ends,
    /// Makes the server end all connections, after the streams that are open (GOAWAY).
    shutdown: Arc<Notify>,
    /// Makes the server drop all connections.
    drop: Arc<Notify>,
    /// How many connections have ended.
    ended: Arc<Mutex<usize>>,
}

impl Server {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let (send, ends) = Ends::new();
        let (shutdown, drop, ended) = <(Arc<Notify>, Arc<Notify>, Arc<Mutex<usize>>)>::default();
        let server = Self {
            address,
            ends,
            shutdown: shutdown.clone(),
            drop: drop.clone(),
            ended: ended.clone(),
        };
        tokio::spawn(async move {
            loop {
                let (tcp, send) = (server::accept(&listener).await, send.clone());
                let (shutdown, drop, ended) = (shutdown.clone(), drop.clone(), ended.clone());
                tokio::spawn(async move {
                    let service = hyper_service(move |request| respond(request, &send));
                    let builder = server::builder();
                    let connection = builder.serve_connection_with_upgrades(hyper_util::rt::TokioIo::new(tcp), service);
                    let mut connection = std::pin::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => {}
                        () = drop.notified() => {}
                        () = shutdown.notified() => {
                            connection.as_mut().graceful_shutdown();
                            let _error = connection.await;
                        }
                    }
                    *ended.lock().unwrap() += 1;
                });
            }
        });
        server
    }

    async fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    async fn connect(&self) -> Carrier {
        Carrier::connect(self.tcp().await).await.unwrap()
    }

    async fn open(&self, carrier: &Carrier, path: &str, config: Config) -> Result<WebSocket, Error> {
        let request = ClientRequest::new(&format!("ws://{}{path}", self.address))?;
        let (ws, _response) = carrier.open(&request, config, settings()).await?;
        Ok(ws)
    }
}

fn hyper_service(
    respond: impl Fn(Request<::hyper::body::Incoming>) -> Response<String>,
) -> impl ::hyper::service::Service<
    Request<::hyper::body::Incoming>,
    Response = Response<String>,
    Error = std::io::Error,
    Future = std::future::Ready<std::io::Result<Response<String>>>,
> {
    ::hyper::service::service_fn(move |request| std::future::ready(Ok(respond(request))))
}

/// Accepts every WebSocket, with compression if the client offers it.
fn respond<B>(mut request: Request<B>, ends: &UnboundedSender<End>) -> Response<String> {
    let (path, ends) = (request.uri().path().to_owned(), ends.clone());
    let settings = Settings::new().config(config(true));
    match hyper::upgrade(&mut request, &Accept::new(), settings) {
        Ok((response, upgrade)) => {
            tokio::spawn(async move {
                let end = match upgrade.await {
                    Ok(ws) => serve(ws, &path).await,
                    Err(error) => Err(error),
                };
                let _closed = ends.send((path, end));
            });
            response
        }
        Err(rejection) => rejection.into_http(),
    }
}
