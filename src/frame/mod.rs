//! Frames on the wire (RFC 6455, section 5.2): the header codec, and a streaming decoder that
//! checks every rule which concerns frames alone and needs no allocator.

pub(crate) mod decoder;
#[cfg(feature = "alloc")]
pub(crate) mod fast_path;
pub(crate) mod header;
mod meter;
pub(crate) mod opcode;
pub(crate) mod payload;
pub(crate) mod wire;

pub use self::{
    decoder::{Decoder, Item},
    header::Header,
    meter::{Meter, Traffic},
    opcode::Opcode,
};
pub use crate::reserved_bits::ReservedBits;
