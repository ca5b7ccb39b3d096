//! The laws of the opening handshake: any head of a peer, against a slow check that is written from
//! the RFCs.

mod request;
mod response;
mod sha1;

use allocation_counter::measure;
use sockless::{ClientRequest, Config, Connection, ProtocolError, Role, frame::ReservedBits};

pub use self::{request::handshake_request, response::handshake_response};
pub(super) use self::{
    request::{has_origin_and_no_body, has_version_and_offers},
    response::{Response, accepted_offers, final_head, refused},
};
use super::{
    heads::HeadLimits,
    options::{Cursor, cuts},
};
use crate::{
    Outcome, feed_cut,
    heads::{assert_failed, dial, plain},
};

/// The limits and settings of an end, and two ways to cut what it receives.
#[derive(Clone, Copy, Debug)]
pub(in crate::laws) struct Options {
    pub(in crate::laws) limits: HeadLimits,
    pub(super) max_body: usize,
    pub(super) plain_requests: bool,
    /// A client: what it offers.
    pub(super) offers_subprotocols: bool,
    pub(super) requires_subprotocol: bool,
    pub(super) offers_extension: bool,
    pub(in crate::laws) seeds: [u8; 2],
}

impl Options {
    const LEN: usize = 3;

    pub(in crate::laws) fn read(data: &[u8]) -> (Self, &[u8]) {
        let mut cursor = Cursor::new(data);
        let [bits, first, second] = cursor.array::<{ Self::LEN }>();
        let bit = |bit: u32| bits >> bit & 1 == 1;
        let options = Self {
            limits: match bits % 4 {
                0 => HeadLimits { bytes: 300, fields: 8 },
                1 => HeadLimits {
                    bytes: 1000,
                    fields: 200,
                },
                _ => HeadLimits {
                    bytes: 16 << 10,
                    fields: 128,
                },
            },
            max_body: if bit(0) { 16 } else { 1000 },
            plain_requests: bit(2),
            offers_subprotocols: bit(3),
            requires_subprotocol: bit(4),
            offers_extension: bit(5),
            seeds: [first, second],
        };
        (options, cursor.rest())
    }

    pub(in crate::laws) fn config(self) -> Config {
        Config::new()
            .max_head_size(self.limits.bytes)
            .max_headers(self.limits.fields)
            .max_refusal_body(self.max_body)
            .plain_requests(self.plain_requests)
    }

    pub(in crate::laws) fn request(self) -> ClientRequest {
        let mut request = plain();
        if self.offers_subprotocols {
            request = request.subprotocol("a").subprotocol("b");
        }
        if self.offers_extension {
            request = request.extension("x-own; p", ReservedBits::RSV2);
        }
        request.require_subprotocol(self.requires_subprotocol)
    }

    pub(super) fn open(self, role: Role) -> Connection {
        match role {
            Role::Server => Connection::server(self.config()),
            Role::Client => dial(&self.request(), &self.config()),
        }
    }

    /// The outcome for any cut, and that of the end of the transport after it.
    pub(super) fn run(self, role: Role, input: &[u8]) -> Outcome {
        let [mut first, second] = self.seeds.map(|seed| {
            let mut connection = self.open(role);
            let outcome = feed_cut(&mut connection, input, &cuts(seed, input.len()));
            (connection, outcome)
        });
        assert_eq!(first.1, second.1, "the cut matters");
        if let Some(error) = first.1.error.filter(|error| is_of_handshake(*error)) {
            assert_failed(&mut first.0, error);
        }
        self.check_memory(role, input);
        first.1
    }

    /// Until there is a head, no more memory is held than the limits on it allow.
    fn check_memory(self, role: Role, input: &[u8]) {
        let mut connection = self.open(role);
        let (mut input, mut out) = (input.to_vec(), Vec::with_capacity(4096));
        let cuts = cuts(self.seeds[1], input.len());
        let heap = measure(|| {
            let mut rest = &mut input[..];
            let mut from = 0;
            for to in cuts.iter().copied().chain([rest.len()]) {
                let (mut piece, after) = std::mem::take(&mut rest).split_at_mut(to - from);
                (from, rest) = (to, after);
                if !matches!(connection.receive(&mut piece, &mut out), Ok(None)) {
                    return;
                }
            }
        });
        // A head and a body that grow by doubling, the slots of many fields, the elements of a list
        // in order, and an error with its text.
        let slots = if self.limits.fields > 128 {
            32 * self.limits.fields
        } else {
            0
        };
        let bound = 3 * (self.limits.bytes + self.max_body) + slots + 8 * self.limits.bytes + 4096;
        assert!(heap.bytes_max <= bound as u64, "{} > {bound}", heap.bytes_max);
    }
}

fn is_of_handshake(error: ProtocolError) -> bool {
    matches!(error, ProtocolError::Request(_) | ProtocolError::Response(_))
}
