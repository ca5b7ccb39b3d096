//! Export to pcap: the bytes as segments of a TCP connection that was never there.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    Recording, ReplayError,
    entry::{CallLine, ConstructorLine, Entry, OutcomeLine},
};

/// How many bytes a packet carries.
const MAX_SEGMENT: usize = 16 << 10;

const FIN: u8 = 1;
const SYN: u8 = 1 << 1;
const PSH: u8 = 1 << 3;
const ACK: u8 = 1 << 4;

/// The link type of packets that begin with the header of IPv4 or IPv6.
const LINKTYPE_RAW: u32 = 101;

impl Recording<'_> {
    /// Returns the recording as a pcap file, for Wireshark and `tshark`: all bytes in and out, as
    /// segments of a TCP connection from 192.0.2.1 port 49152 to 192.0.2.2 port 80, with correct
    /// checksums. It is without TLS, whatever the connection had.
    ///
    /// Wireshark finds the WebSocket by the opening handshake. A recording of an upgraded
    /// connection has none: choose WebSocket with "Decode As", or `-d tcp.port==80,websocket`.
    /// Payload that the connection never had, of `send_header`, is a segment that is missing.
    ///
    /// # Errors
    /// Returns [`Redacted`](ReplayError::Redacted) if the recording does not have the bytes.
    pub fn to_pcap(self) -> Result<Vec<u8>, ReplayError> {
        let mut pcap = Pcap::new();
        let mut at = Duration::ZERO;
        // Payload that is known by its length: the call may fail, so it follows the header.
        let mut unknown_len = 0;
        for entry in self.entries() {
            let Ok((line, entry)) = entry else { continue };
            let bytes = |data: super::field::Data<'_>| {
                let redacted = ReplayError::Redacted { line: line.number };
                data.to_bytes().ok_or(redacted)
            };
            match entry {
                Entry::At(now) => at = now,
                Entry::Call(CallLine::Constructor(constructor)) => pcap.begin(at, constructor),
                Entry::Call(CallLine::Receive(data)) => pcap.data(at, !pcap.is_client, &bytes(data)?),
                Entry::Call(CallLine::SendHeader(_, len)) => unknown_len = len,
                Entry::Outcome(OutcomeLine::Out(data)) => {
                    pcap.data(at, pcap.is_client, &bytes(data)?);
                    pcap.gap(core::mem::take(&mut unknown_len));
                }
                Entry::Outcome(OutcomeLine::Borrowed(data)) => pcap.data(at, pcap.is_client, &bytes(data)?),
                Entry::Outcome(OutcomeLine::Error(_)) => unknown_len = 0,
                _ => {}
            }
        }
        pcap.end(at);
        Ok(pcap.file)
    }
}

#[derive(Default)]
struct Pcap {
    file: Vec<u8>,
    /// Whether it is the client that was recorded.
    is_client: bool,
    /// The next sequence number of the server, and of the client.
    sequence: [u32; 2],
    packets: u16,
}

impl Pcap {
    /// Returns a file with its header.
    fn new() -> Self {
        // The magic number of times in microseconds, version 2.4, the longest packet.
        let words = [0xA1B2_C3D4, 2 | 4 << 16, 0, 0, u16::MAX.into(), LINKTYPE_RAW];
        Self {
            file: words.map(u32::to_le_bytes).concat(),
            ..Self::default()
        }
    }

    fn begin(&mut self, at: Duration, constructor: ConstructorLine) {
        self.is_client = constructor.is_client();
        self.packet(at, true, SYN, &[]);
        self.packet(at, false, SYN | ACK, &[]);
        self.packet(at, true, ACK, &[]);
    }

    fn data(&mut self, at: Duration, from_client: bool, bytes: &[u8]) {
        for segment in bytes.chunks(MAX_SEGMENT) {
            self.packet(at, from_client, PSH | ACK, segment);
        }
    }

    /// Payload that was not recorded.
    fn gap(&mut self, len: u64) {
        // Sequence numbers begin again after 2^32.
        if let Some(sequence) = self.sequence.get_mut(usize::from(self.is_client)) {
            *sequence = sequence.wrapping_add(len as u32);
        }
    }

    fn end(&mut self, at: Duration) {
        self.packet(at, false, FIN | ACK, &[]);
        self.packet(at, true, FIN | ACK, &[]);
        self.packet(at, false, ACK, &[]);
    }

    fn packet(&mut self, at: Duration, from_client: bool, flags: u8, payload: &[u8]) {
        let [from, to] = [usize::from(from_client), usize::from(!from_client)];
        let (addresses, ports) = match from_client {
            true => ([192, 0, 2, 1, 192, 0, 2, 2], [49152_u16, 80]),
            false => ([192, 0, 2, 2, 192, 0, 2, 1], [80, 49152]),
        };
        let [sequence, acknowledged] = [from, to].map(|side| self.sequence.get(side).copied().unwrap_or_default());
        let acknowledged = if flags & ACK > 0 { acknowledged } else { 0 };

        let mut tcp = Vec::with_capacity(20 + payload.len());
        tcp.extend(ports.map(u16::to_be_bytes).concat());
        tcp.extend([sequence, acknowledged].map(u32::to_be_bytes).concat());
        // The length of the header in words, the window, the checksum, no urgent data.
        tcp.extend_from_slice(&[5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        tcp.extend_from_slice(payload);
        // A payload of a packet has less than 64 KiB.
        let tcp_len = u16::try_from(tcp.len()).unwrap_or(u16::MAX);
        let pseudo_header = [&addresses[..], &[0, 6], &tcp_len.to_be_bytes()].concat();
        set_checksum(&mut tcp, 16, &pseudo_header);

        let mut ip = Vec::with_capacity(20);
        ip.extend_from_slice(&[0x45, 0]);
        ip.extend_from_slice(&(tcp_len + 20).to_be_bytes());
        ip.extend_from_slice(&self.packets.to_be_bytes());
        // Not to be fragmented, 64 hops, TCP, the checksum.
        ip.extend_from_slice(&[1 << 6, 0, 64, 6, 0, 0]);
        ip.extend_from_slice(&addresses);
        set_checksum(&mut ip, 10, &[]);

        let len = u32::from(tcp_len) + 20;
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, at.subsec_micros(), len, len] {
            self.file.extend_from_slice(&word.to_le_bytes());
        }
        self.file.append(&mut ip);
        self.file.append(&mut tcp);
        self.packets = self.packets.wrapping_add(1);
        let counted = u32::from(flags & (SYN | FIN) > 0);
        if let Some(sequence) = self.sequence.get_mut(from) {
            *sequence = sequence.wrapping_add(u32::from(tcp_len) - 20 + counted);
        }
    }
}

/// Writes the checksum of the Internet protocols (RFC 1071) of `before` and `header` at an offset
/// of the header, where it is zero.
fn set_checksum(header: &mut [u8], at: usize, before: &[u8]) {
    let words = before.chunks(2).chain(header.chunks(2));
    let sum = words.fold(0_u32, |sum, word| {
        let word = match word {
            [high, low] => u16::from_be_bytes([*high, *low]),
            [high] => u16::from_be_bytes([*high, 0]),
            _ => 0,
        };
        sum + u32::from(word)
    });
    let sum = (sum & u32::from(u16::MAX)) + (sum >> 16);
    let sum = (sum & u32::from(u16::MAX)) + (sum >> 16);
    if let Some(place) = header.get_mut(at..at + 2) {
        place.copy_from_slice(&(!sum as u16).to_be_bytes());
    }
}
