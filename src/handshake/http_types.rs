//! Conversions from and to the types of the `http` crate (feature `http`).

use alloc::{string::String, vec::Vec};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

use super::{
    accept::Accept, client_request::ClientRequest, expected::Expected, negotiated::Negotiated, request::Request,
};
use crate::{
    config::Config,
    error::{LocalHandshakeError, RequestError, ResponseError},
};

impl<'b> Request<'b> {
    /// Checks a request that hyper, axum or another user of the `http` crate has parsed, by the rules of
    /// RFC 6455, section 4.2.1, without writing and parsing it again.
    ///
    /// # Errors
    /// The rule that the request breaks; [`RequestError::to_http`] is the answer.
    pub fn from_http<B>(request: &'b http::Request<B>) -> Result<Self, RequestError> {
        if request.version() != Version::HTTP_11 {
            return Err(RequestError::HttpVersion);
        }
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        Self::from_list(request.method().as_str(), target, fields(request.headers()))
    }

    /// The 101 response that accepts the request, and what is then negotiated, for
    /// [`Connection::upgraded_server`](crate::Connection::upgraded_server).
    ///
    /// # Errors
    /// As [`Connection::accept`](crate::Connection::accept).
    pub fn to_http_response(
        &self,
        accept: &Accept<'_>,
        config: &Config,
    ) -> Result<(http::Response<()>, Negotiated), LocalHandshakeError> {
        let (list, negotiated) = self.acceptance(accept, config)?;
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = header_map(list)?;
        Ok((response, negotiated))
    }
}

impl RequestError {
    /// The response that answers the error, with the headers that belong to its status. It ends the connection: what
    /// follows an upgrade that was refused is ambiguous to a proxy between, and could be smuggled past it.
    #[must_use]
    pub fn to_http(self) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        match self.status() {
            405 => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            426 => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close, Upgrade"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        response
    }
}

impl ClientRequest {
    /// The request as the `http` crate has it, and what its response has to fit.
    ///
    /// `nonce` is fresh for every connection, from a strong source of randomness (section 4.1, step 7).
    ///
    /// # Errors
    /// What of the request cannot be sent.
    pub fn to_http(
        &self,
        nonce: [u8; 16],
        config: &Config,
    ) -> Result<(http::Request<()>, Expected), LocalHandshakeError> {
        let (list, expected) = self.fields(nonce, config)?;
        let mut request = http::Request::new(());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.target().parse().map_err(|_| LocalHandshakeError::Target)?;
        *request.headers_mut() = header_map(list)?;
        Ok((request, expected))
    }
}

impl Expected {
    /// Judges a response that was parsed into the types of the `http` crate: [`check`](Self::check), and the version.
    /// `None`: its status is not 101, so that it opens no WebSocket and means what HTTP says.
    ///
    /// # Errors
    /// The rule that the response breaks; the connection must not be used.
    pub fn check_http<B>(&self, response: &http::Response<B>) -> Result<Option<Negotiated>, ResponseError> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(None);
        }
        if response.version() != Version::HTTP_11 {
            return Err(ResponseError::HttpVersion);
        }
        self.check(fields(response.headers())).map(Some)
    }
}

fn fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn header_map(list: Vec<(String, String)>) -> Result<HeaderMap, LocalHandshakeError> {
    let mut headers = HeaderMap::with_capacity(list.len());
    for (name, value) in list {
        let name = HeaderName::try_from(name).map_err(|_| LocalHandshakeError::HeaderName)?;
        let value = HeaderValue::try_from(value).map_err(|_| LocalHandshakeError::HeaderValue)?;
        headers.append(name, value);
    }
    Ok(headers)
}
