//! Conversions from and to the types of the `http` crate (feature `http`).

use alloc::{format, string::String, vec::Vec};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

use super::{
    accept::Accept,
    client_request::ClientRequest,
    expected::Expected,
    fields::{connection_of_rejection, headers_of_status, name_excerpt},
    negotiated::Negotiated,
    request::Request,
};
use crate::{
    config::Config,
    error::{Excerpt, LocalHandshakeError, RequestError, ResponseError},
};

impl<'b> Request<'b> {
    /// Checks a request that hyper, axum or another user of the `http` crate has parsed (RFC 6455,
    /// section 4.2.1).
    ///
    /// # Errors
    /// Returns the first error in the request. [`RequestError::to_http`] is the response.
    pub fn from_http<B>(request: &'b http::Request<B>) -> Result<Self, RequestError> {
        if request.version() != Version::HTTP_11 {
            return Err(RequestError::UnsupportedHttpVersion {
                version: version_excerpt(request.version()),
            });
        }
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        Self::from_list(request.method().as_str(), target, fields(request.headers()))
    }

    /// Returns the response with status 101 that accepts the request, and the result of the
    /// handshake for [`Connection::upgraded_server`](crate::Connection::upgraded_server).
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::accept`](crate::Connection::accept).
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
    /// Returns the response to the invalid request, with the headers that its status requires and
    /// without a body.
    ///
    /// The response closes the connection: an intermediary may take the bytes after a rejected
    /// request for another request, or for frames.
    #[must_use]
    pub fn to_http(self) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let list = headers_of_status(self.status());
        let connection = HeaderValue::from_static(connection_of_rejection(list));
        response.headers_mut().insert(header::CONNECTION, connection);
        for (name, value) in list {
            // The names are valid.
            if let Ok(name) = HeaderName::try_from(*name) {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}

impl ClientRequest {
    /// Converts to a request of the `http` crate. Returns the conditions that its response must
    /// meet with it.
    ///
    /// `nonce` must come from a strong source of randomness, and must be new for every connection
    /// (RFC 6455, section 4.1, step 7).
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the request.
    pub fn to_http(
        &self,
        nonce: [u8; 16],
        config: &Config,
    ) -> Result<(http::Request<()>, Expected), LocalHandshakeError> {
        let (list, expected) = self.fields(nonce, config)?;
        let mut request = http::Request::new(());
        *request.method_mut() = Method::GET;
        // The crate accepts every byte that `ClientRequest` does, but limits the length.
        *request.uri_mut() = self.target().parse().map_err(|_| LocalHandshakeError::TargetTooLong {
            len: self.target().len(),
        })?;
        *request.headers_mut() = header_map(list)?;
        Ok((request, expected))
    }
}

impl Expected {
    /// Checks a response of the `http` crate, as [`check`](Self::check) does.
    ///
    /// Returns `None` for another status than 101. Such a response is not a WebSocket handshake:
    /// the caller handles it as HTTP does.
    ///
    /// # Errors
    /// Returns the first error in the response. The connection must not be used.
    pub fn check_http<B>(&self, response: &http::Response<B>) -> Result<Option<Negotiated>, ResponseError> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(None);
        }
        if response.version() != Version::HTTP_11 {
            return Err(ResponseError::UnsupportedHttpVersion {
                version: version_excerpt(response.version()),
            });
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
        let excerpt = name_excerpt(&name);
        let name = HeaderName::try_from(name).map_err(|_| LocalHandshakeError::InvalidHeaderName { name: excerpt })?;
        let value =
            HeaderValue::try_from(value).map_err(|_| LocalHandshakeError::InvalidHeaderValue { name: excerpt })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn version_excerpt(version: Version) -> Excerpt {
    Excerpt::new(format!("{version:?}").as_bytes())
}
