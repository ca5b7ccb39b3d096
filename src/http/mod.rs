//! HTTP/1.1 heads (RFC 9112).

mod content_length;
mod head_error;
mod head_reader;
mod headers;
mod parse;
mod syntax;

pub use self::headers::Headers;
pub(crate) use self::{
    content_length::{ContentLengthError, content_length},
    head_error::{HeadError, HeadKind, is_tls},
    head_reader::HeadReader,
    headers::{Field, write_field},
    parse::{parse_request, parse_response},
    syntax::{ListShape, is_field_value, is_tchar, is_token, list_elements, list_has},
};
