//! What a connection keeps until it is open.

use alloc::{borrow::Cow, boxed::Box, vec::Vec};

use crate::{
    config::Config,
    deflate::DeflateConfig,
    error::ResponseError,
    handshake::{Expected, Negotiated, Response, refusal_body::RefusalBody},
    http::{HeadKind, HeadReader},
};

/// What only the opening handshake needs.
pub(super) struct Opening {
    pub(super) head: HeadReader,
    pub(super) max_head_size: usize,
    pub(super) max_headers: usize,
    pub(super) max_refusal_body: usize,
    pub(super) plain_requests: bool,
    /// Server: whether the request has the method HEAD.
    pub(super) is_head: bool,
    pub(super) deflate: Option<DeflateConfig>,
    /// Client: what the response is checked against.
    pub(super) expected: Option<Expected>,
    /// Client: an interim response has come.
    pub(super) had_interim: bool,
    /// Client: a refusal whose body is not whole yet.
    pub(super) refusal: Option<(Response<'static>, RefusalBody)>,
    /// Server: bytes that came before `accept`, and how many of them are processed.
    pub(super) early: Vec<u8>,
    pub(super) early_read: usize,
}

/// What kind of response a head begins.
pub(super) enum ResponseKind<'b> {
    Open(Response<'b>, Negotiated),
    /// 100 to 199 but 101: a final response follows (RFC 9110, section 15.2).
    Interim,
    /// Any other status; the body follows.
    Refused,
}

impl Opening {
    pub(super) fn new(config: &Config, expected: Option<Expected>) -> Box<Self> {
        let kind = match expected {
            Some(_) => HeadKind::Response,
            None => HeadKind::Request,
        };
        Box::new(Self {
            head: HeadReader::new(kind, config.max_head_size),
            max_head_size: config.max_head_size,
            max_headers: config.max_headers,
            max_refusal_body: config.max_refusal_body,
            plain_requests: config.plain_requests,
            is_head: false,
            deflate: config.deflate_settings().cloned(),
            expected,
            had_interim: false,
            refusal: None,
            early: Vec::new(),
            early_read: 0,
        })
    }

    /// Returns whether bytes were taken that are in no event and in no field: an interim response,
    /// or a part of a refusal.
    pub(super) fn is_lossy(&self) -> bool {
        self.refusal.is_some() || self.had_interim
    }

    /// Checks the head of a response.
    pub(super) fn check_response<'b>(&mut self, head: Cow<'b, [u8]>) -> Result<ResponseKind<'b>, ResponseError> {
        let len = head.len();
        let response = Response::parse(head, self.max_headers)?;
        match response.status() {
            101 => {
                let negotiated = match &self.expected {
                    Some(expected) => response.check(expected)?,
                    None => Negotiated::default(),
                };
                Ok(ResponseKind::Open(response, negotiated))
            }
            100..=199 => {
                // All heads together stay within the limit, so that this cannot go on for ever.
                self.head.continue_after(len);
                self.had_interim = true;
                Ok(ResponseKind::Interim)
            }
            _ => {
                let body = RefusalBody::new(&response, self.max_refusal_body)?;
                self.refusal = Some((response.into_owned(), body));
                Ok(ResponseKind::Refused)
            }
        }
    }
}
