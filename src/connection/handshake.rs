//! The opening handshake of a connection (RFC 6455, section 4).

use alloc::{boxed::Box, vec::Vec};
use core::mem;

use super::{Connection, opening::ResponseKind, recorded::recorded};
#[cfg(feature = "recording")]
use crate::recorder::Call;
use crate::{
    config::Config,
    deflate::DeflateConfig,
    error::{LocalHandshakeError, ProtocolError, RequestError},
    event::Event,
    handshake::{
        Accept, Negotiated, Refusal, Request,
        answer::{write_acceptance, write_error, write_rejection},
        refusal_body::BodyProgress,
    },
    state::{Command, Permission, Signal},
};

impl Connection {
    pub(super) fn receive_request<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let Some(opening) = &mut self.opening else {
            return Ok(None);
        };
        let found = match opening.head.read(input) {
            Ok(None) => return Ok(None),
            Ok(Some(head)) => {
                opening.is_head = is_head(&head);
                Request::from_head(head, opening.max_headers, opening.plain_requests)
            }
            Err(error) => {
                opening.is_head = is_head(opening.head.collected());
                Err(error.into())
            }
        };
        match found {
            Ok(request) => {
                self.signal(Signal::Requested);
                Ok(Some(Event::Request(request)))
            }
            Err(error) => Err(self.fail(error.into(), out)),
        }
    }

    /// Keeps what a client sends before it has the response. A client must not do that (RFC 6455,
    /// section 4.1), but the bytes are read already.
    pub(super) fn receive_early<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let bytes = mem::take(input);
        if let Some(opening) = &mut self.opening {
            if bytes.len() > opening.max_head_size - opening.early.len() {
                let limit = opening.max_head_size;
                return Err(self.fail(RequestError::TooMuchEarlyData { limit }.into(), out));
            }
            opening.early.extend_from_slice(bytes);
        }
        Ok(None)
    }

    /// Takes the next event from what arrived before `accept`.
    pub(super) fn replay_early(&mut self, out: &mut Vec<u8>) -> Result<Option<Event<'static>>, Box<ProtocolError>> {
        let Some(opening) = &mut self.opening else {
            return Ok(None);
        };
        let mut early = mem::take(&mut opening.early);
        let mut input = early.get_mut(opening.early_read..).unwrap_or_default();
        let event = self.receive_frames(&mut input, out)?.map(Event::into_owned);
        let rest = input.len();
        match &mut self.opening {
            Some(opening) if rest > 0 => {
                opening.early_read = early.len() - rest;
                opening.early = early;
            }
            _ => self.opening = None,
        }
        Ok(event)
    }

    pub(super) fn receive_response<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        loop {
            let Some(opening) = &mut self.opening else {
                return Ok(None);
            };
            if opening.refusal.is_some() {
                return self.receive_refusal(input, out);
            }
            let found = match opening.head.read(input) {
                Ok(None) => return Ok(None),
                Ok(Some(head)) => opening.check_response(head),
                Err(error) => Err(error.into()),
            };
            match found {
                Ok(ResponseKind::Interim | ResponseKind::Refused) => {}
                Ok(ResponseKind::Open(response, negotiated)) => {
                    let opening = self.opening.take();
                    self.apply(
                        negotiated,
                        opening.as_ref().and_then(|opening| opening.deflate.as_ref()),
                    );
                    self.signal(Signal::Accepted);
                    return Ok(Some(Event::Open(response)));
                }
                Err(error) => return Err(self.fail(error.into(), out)),
            }
        }
    }

    fn receive_refusal<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let Some((_, body)) = self.opening.as_mut().and_then(|opening| opening.refusal.as_mut()) else {
            return Ok(None);
        };
        match body.read(input) {
            Ok(BodyProgress::Incomplete) => Ok(None),
            Ok(BodyProgress::Complete) => Ok(self.refused(true)),
            Ok(BodyProgress::Truncated) => Ok(self.refused(false)),
            Err(error) => Err(self.fail(error.into(), out)),
        }
    }

    pub(super) fn refused(&mut self, is_complete: bool) -> Option<Event<'static>> {
        let (response, body) = self.opening.as_mut()?.refusal.take()?;
        self.signal(Signal::Refused);
        Some(Event::Refused(Box::new(Refusal {
            response,
            body: body.into_data(),
            is_complete,
        })))
    }

    /// Server: accepts the request of [`Event::Request`]; the connection is open (RFC 6455, section
    /// 4.2.2).
    ///
    /// If the client has sent more before the response, the next [`receive`](Self::receive) returns
    /// its events first; call it, with empty input if there is none, if the decision was not made
    /// in the loop around it.
    ///
    /// [`Accept::config`] chooses limits, delivery and compression by the request.
    ///
    /// # Errors
    /// Returns [`NotAllowed`](LocalHandshakeError::NotAllowed) for a request that the acceptance
    /// does not allow, by default one of a web page of another origin; otherwise the part of the
    /// acceptance that cannot be sent: a subprotocol that was not offered, a header that is
    /// malformed or belongs to the handshake. Nothing has changed; accept in another way, or
    /// reject.
    pub fn accept(
        &mut self,
        request: &Request<'_>,
        accept: &Accept<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LocalHandshakeError> {
        recorded!(
            self,
            out,
            Call::Accept {
                choices: &accept.choices(),
                config: accept.chosen_config(),
            },
            self.accept(request, accept, out)
        );
        self.check_answer()?;
        let deflate = self.opening.as_ref().and_then(|opening| opening.deflate.as_ref());
        let negotiated = write_acceptance(request, accept, deflate, out)?;
        let deflate = self.opening.as_mut().and_then(|opening| opening.deflate.take());
        let deflate = match accept.chosen_config() {
            Some(config) => {
                self.configure(config);
                config.deflate_settings()
            }
            None => deflate.as_ref(),
        };
        self.apply(negotiated, deflate);
        self.opening.take_if(|opening| opening.early.is_empty());
        self.signal(Signal::Accepted);
        Ok(())
    }

    /// Server: answers the request of [`Event::Request`] with another status than 101; the
    /// connection is closed, and what the client sends is discarded (RFC 6455, section 4.2.2).
    ///
    /// `status` is 200 to 599: 401 with `WWW-Authenticate`, 403 for a foreign origin, 404 for an
    /// unknown target, 3xx with `Location`. `Connection: close` and the length of the body are
    /// added. The response to HEAD has the length of the body, and not the body.
    ///
    /// # Errors
    /// Returns the part of the response that cannot be sent. Nothing has changed.
    pub fn reject(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), LocalHandshakeError> {
        recorded!(
            self,
            out,
            Call::Reject { status, headers, body },
            self.reject(status, headers, body, out)
        );
        self.check_answer()?;
        let to_head = self.opening.as_ref().is_some_and(|opening| opening.is_head);
        write_rejection(status, headers, body, to_head, out)?;
        self.signal(Signal::Refused);
        Ok(())
    }

    /// Server: answers the request of [`Event::Request`] with the status and the text of an error,
    /// as that to an invalid request; see [`reject`](Self::reject).
    #[cfg(feature = "std")]
    pub(crate) fn reject_with_error(
        &mut self,
        error: RequestError,
        out: &mut Vec<u8>,
    ) -> Result<(), LocalHandshakeError> {
        recorded!(self, out, Call::RejectNotAllowed, self.reject_with_error(error, out));
        self.check_answer()?;
        self.write_error(error, out);
        self.signal(Signal::Refused);
        Ok(())
    }

    /// Appends the response to a request that is invalid or not allowed.
    pub(super) fn write_error(&self, error: RequestError, out: &mut Vec<u8>) {
        let to_head = self.opening.as_ref().is_some_and(|opening| opening.is_head);
        write_error(error, to_head, out);
    }

    const fn check_answer(&self) -> Result<(), LocalHandshakeError> {
        match self.phase.permits(Command::Answer) {
            Permission::Granted => Ok(()),
            Permission::TooEarly | Permission::TooLate => Err(LocalHandshakeError::NoRequest),
        }
    }

    /// Applies the settings that [`Accept::config`] chose, before the first frame is received.
    fn configure(&mut self, config: &Config) {
        self.auto_pong = config.auto_pong;
        self.auto_close = config.auto_close;
        self.receiver.configure(config);
        self.sender.configure(config);
    }

    /// Applies and keeps what was negotiated.
    pub(super) fn apply(&mut self, negotiated: Negotiated, config: Option<&DeflateConfig>) {
        let mut reserved = negotiated.reserved;
        if let Some((receive, send, threshold)) = negotiated.directions(self.role(), config) {
            self.receiver.allow_compressed(receive);
            self.sender.allow_compressed(send, threshold);
            reserved.rsv1 = false;
        }
        if !reserved.is_empty() {
            self.receiver.allow_reserved(reserved);
        }
        self.deflate = negotiated.deflate_params();
        self.subprotocol = negotiated.subprotocol;
    }
}

/// Returns whether a request, of which these are the first bytes, has the method HEAD.
fn is_head(request: &[u8]) -> bool {
    request.starts_with(b"HEAD ")
}
