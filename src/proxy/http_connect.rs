//! The answer to CONNECT.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, mem};

use super::ProxyError;
use crate::{
    config::Config,
    handshake::{
        Refusal, Response,
        refusal_body::{BodyProgress, RefusalBody},
    },
    http::{HeadError, HeadKind, HeadReader},
};

/// Waits for a proxy to open a tunnel: returned by [`Proxy::connect`](super::Proxy::connect).
///
/// Memory grows with the answer, up to [`Config::max_head_size`] and
/// [`Config::max_refusal_body`].
pub struct Connect {
    state: TunnelState,
    max_headers: usize,
    max_refusal_body: usize,
}

enum TunnelState {
    /// The final response has not come.
    Head(HeadReader),
    /// The tunnel is refused, and the body is not complete.
    Body(Box<(Response<'static>, RefusalBody)>),
    /// The tunnel is open.
    Open,
    Failed(ProxyError),
}

impl Connect {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            state: TunnelState::Head(HeadReader::new(HeadKind::Response, config.max_head_size)),
            max_headers: config.max_headers,
            max_refusal_body: config.max_refusal_body,
        }
    }

    /// Takes the proxy's answer off the front of `input`. Returns it once it opens the tunnel. The
    /// rest of `input` came through the tunnel then, and further calls take nothing.
    ///
    /// Returns `None` while the answer is incomplete.
    ///
    /// # Errors
    /// The proxy refuses the tunnel ([`ProxyError::Refused`], with the status, the headers and the
    /// start of the body), or its answer is invalid. Further calls return the same.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Result<Option<Response<'static>>, ProxyError> {
        loop {
            match &mut self.state {
                TunnelState::Head(reader) => match reader.read(input) {
                    Ok(None) => return Ok(None),
                    Ok(Some(head)) => {
                        let len = head.len();
                        let response = match Response::parse(head, self.max_headers) {
                            Ok(response) => response.into_owned(),
                            Err(error) => return Err(self.fail(error.into())),
                        };
                        if let Some(response) = self.decide(response, len)? {
                            return Ok(Some(response));
                        }
                    }
                    Err(error) => return Err(self.fail(error.into())),
                },
                TunnelState::Body(refused) => match refused.1.read(input) {
                    Ok(BodyProgress::Incomplete) => return Ok(None),
                    Ok(progress) => return Err(self.refuse(progress == BodyProgress::Complete)),
                    // The status and the headers say more than an error in the body.
                    Err(_) => return Err(self.refuse(false)),
                },
                TunnelState::Open => return Ok(None),
                TunnelState::Failed(error) => return Err(error.clone()),
            }
        }
    }

    /// Tells that the proxy has closed the connection.
    ///
    /// # Errors
    /// The tunnel was not open: [`ProxyError::UnexpectedEof`], or what has come of a refusal.
    pub fn receive_eof(&mut self) -> Result<(), ProxyError> {
        match &self.state {
            TunnelState::Head(_) => Err(self.fail(ProxyError::UnexpectedEof)),
            TunnelState::Body(refused) => {
                let is_complete = refused.1.ends_with_transport();
                Err(self.refuse(is_complete))
            }
            TunnelState::Open => Ok(()),
            TunnelState::Failed(error) => Err(error.clone()),
        }
    }

    /// Decides on a response with a head of `len` bytes. Returns it if it opens the tunnel.
    fn decide(&mut self, response: Response<'static>, len: usize) -> Result<Option<Response<'static>>, ProxyError> {
        match response.status() {
            // "Any 2xx (Successful) response indicates that the sender (and all inbound proxies)
            // will switch to tunnel mode immediately after the response header section", and "A
            // client MUST ignore any Content-Length or Transfer-Encoding header fields received in
            // a successful response to CONNECT."
            200..=299 => {
                self.state = TunnelState::Open;
                return Ok(Some(response));
            }
            101 => return Err(self.fail(ProxyError::SwitchingProtocols)),
            100..=199 => {
                // All heads together stay within the limit, so that this cannot go on for ever.
                if let TunnelState::Head(reader) = &mut self.state {
                    reader.continue_after(len);
                }
            }
            _ => match RefusalBody::new(&response, self.max_refusal_body) {
                Ok(body) => self.state = TunnelState::Body(Box::new((response, body))),
                Err(_) => {
                    return Err(self.fail(ProxyError::Refused(Box::new(Refusal {
                        response,
                        body: Vec::new(),
                        is_complete: false,
                    }))));
                }
            },
        }
        Ok(None)
    }

    /// Ends with the refusal, and what has come of its body.
    fn refuse(&mut self, is_complete: bool) -> ProxyError {
        match mem::replace(&mut self.state, TunnelState::Open) {
            TunnelState::Body(refused) => {
                let (response, body) = *refused;
                self.fail(ProxyError::Refused(Box::new(Refusal {
                    response,
                    body: body.into_data(),
                    is_complete,
                })))
            }
            _ => self.fail(ProxyError::UnexpectedEof),
        }
    }

    fn fail(&mut self, error: ProxyError) -> ProxyError {
        self.state = TunnelState::Failed(error.clone());
        error
    }
}

impl From<HeadError> for ProxyError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::FirstByte { byte } => Self::InvalidFirstByte { byte },
            HeadError::FirstLine { line } => Self::InvalidStatusLine { line },
            HeadError::Version { version } => Self::UnsupportedHttpVersion { version },
            HeadError::HeaderLine { number } => Self::InvalidHeaderLine { number },
            HeadError::TooLong { limit } => Self::HeadTooLong { limit },
            HeadError::TooManyHeaders { limit } => Self::TooManyHeaders { limit },
        }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            TunnelState::Head(_) => "waiting for the head",
            TunnelState::Body(_) => "waiting for the body of a refusal",
            TunnelState::Open => "open",
            TunnelState::Failed(_) => "failed",
        };
        f.debug_struct("Connect")
            .field("state", &format_args!("{state}"))
            .finish_non_exhaustive()
    }
}
