//! A case: an endpoint, and what it receives.

use sockless::{Config, Role, deflate::DeflateConfig, handshake::Negotiated};
use support::{
    Length, frames, header,
    laws::{
        conversation::Conversation,
        options::{self, Cursor},
    },
    params, peer_of,
    random::Rng,
    upgraded, with_deflate,
};

/// The limit on a message, if it is not small: a length that is announced can be completed.
pub(crate) const LARGE_LIMIT: u64 = 1 << 17;

/// Code points that are cut, too long, too large or surrogates, and bytes that are not in UTF-8.
const INVALID_TEXT: [&[u8]; 14] = [
    b"\x80",
    b"\xC0\xAF",
    b"\xC1\xBF",
    b"\xC3",
    b"\xE0\x80\xAF",
    b"\xE0\x9F",
    b"\xE2\x82",
    b"\xED\xA0\x80",
    b"\xED\xBF",
    b"\xF0\x80\x80\x80",
    b"\xF0\x9D\x84",
    b"\xF4\x90\x80\x80",
    b"\xF5",
    b"\xFF",
];

/// The codes around each end of a range, and all that have a name.
const CLOSE_CODES: [u16; 27] = [
    0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016,
    2999, 3000, 3999, 4000, 4999, 5000, 65535,
];

/// DEFLATE data that ends in another way than with the empty block of a flush, or is invalid.
const DEFLATE_DATA: [&[u8]; 12] = [
    b"",
    b"\x00",
    b"\x01\x00\x00\xFF\xFF",
    b"\x01\x01\x00\xFE\xFFa",
    b"\x00\x01\x00\xFE\xFFa",
    b"\x00\x05\x00\xFA\xFFa",
    b"\x03\x00",
    b"\x02\x00",
    b"\xF3H\xCD\xC9\xC9\x07\x00",
    b"\xF2H\xCD\xC9\xC9\x07\x04",
    b"\x02\x13",
    b"\x06",
];

/// The parameters of permessage-deflate, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    pub(crate) bits: u8,
    pub(crate) takeover: bool,
}

impl Deflate {
    pub(crate) fn negotiated(self) -> Negotiated {
        with_deflate(params(self.bits, !self.takeover))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The role of the endpoint.
    pub(crate) role: Role,
    /// The endpoint has sent a Close frame before.
    pub(crate) closes_first: bool,
    /// The engine may take its fast paths.
    pub(crate) fast_paths: bool,
    pub(crate) deflate: Option<Deflate>,
    /// The limit on the size of a message.
    pub(crate) limit: u64,
    /// The seed of [`options::cuts`].
    pub(crate) cuts: u8,
    /// What the peer sends. Damage may have moved the borders of the frames.
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Case {
    pub(crate) fn stream(&self) -> Vec<u8> {
        self.frames.concat()
    }

    pub(crate) fn cuts(&self, len: usize) -> Vec<usize> {
        options::cuts(self.cuts, len)
    }

    /// A valid conversation, in three of four cases with damage at up to three places.
    pub(crate) fn generate(random: &mut Rng) -> Self {
        let role = random.pick(&support::ROLES);
        let bytes = random.below(56);
        let conversation = Conversation::read(&mut Cursor::new(&random.bytes(bytes)));
        let frames = conversation.frames(0).into_iter();
        let mut frames: Vec<_> = frames
            .map(|(first, payload)| Frame::new(random, role, first, payload))
            .collect();
        if random.one_in(3) {
            let body = close_body(random);
            frames.push(Frame::new(random, role, 0x88, body));
        }
        let limit = limit(random, &frames);
        let damage = random.below(4);
        for _ in 0..damage {
            damage_frames(random, role, &mut frames);
        }
        Self::new(random, role, frames, damage > 0, limit)
    }

    /// The same with permessage-deflate, without a limit.
    pub(crate) fn generate_compressed(random: &mut Rng) -> Self {
        let role = random.pick(&support::ROLES);
        let damage = random.below(4);
        let deflate = Deflate {
            // An inflater may accept what is beyond a smaller window.
            bits: if damage == 0 { 9 + random.byte() % 7 } else { 15 },
            takeover: !random.one_in(3),
        };
        let bytes = random.below(56);
        let conversation = Conversation::read(&mut Cursor::new(&random.bytes(bytes)));
        let config = Config::new().deflate(DeflateConfig::new().threshold(0).level(random.byte() % 10));
        let (mut sender, mut sent) = (upgraded(peer_of(role), &deflate.negotiated(), config), Vec::new());
        conversation.send(&mut sender, &mut sent);
        let frames = frames(peer_of(role), &sent).into_iter();
        let mut frames: Vec<_> = frames
            .map(|(first, payload)| Frame::new(random, role, first, payload))
            .collect();
        for _ in 0..damage {
            if random.one_in(2) {
                damage_deflate(random, role, &mut frames);
            } else {
                damage_frames(random, role, &mut frames);
            }
        }
        Self {
            deflate: Some(deflate),
            ..Self::new(random, role, frames, damage > 0, u64::MAX)
        }
    }

    fn new(random: &mut Rng, role: Role, frames: Vec<Frame>, is_damaged: bool, limit: u64) -> Self {
        let mut frames: Vec<_> = frames.iter().map(Frame::encode).collect();
        if is_damaged && random.one_in(2) {
            damage_bytes(random, &mut frames);
        }
        Self {
            role,
            closes_first: random.one_in(8),
            fast_paths: !random.one_in(4),
            deflate: None,
            limit,
            cuts: random.byte(),
            frames,
        }
    }
}

/// A frame before it is encoded. Anything can be wrong with it.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    /// The form of the length, and the length, if they are not those of the payload.
    length: Option<(Length, u64)>,
    payload: Vec<u8>,
}

impl Frame {
    /// A frame for `receiver`.
    fn new(random: &mut Rng, receiver: Role, first: u8, payload: Vec<u8>) -> Self {
        Self {
            first,
            mask: (receiver == Role::Server).then(|| key(random)),
            length: None,
            payload,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let len = self.payload.len() as u64;
        let (form, len) = self.length.unwrap_or((Length::shortest(len), len));
        let mut bytes = header(self.first, self.mask.is_some(), form, len);
        bytes.extend(self.mask.iter().flatten());
        let key = self.mask.unwrap_or_default();
        bytes.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        bytes
    }
}

fn key(random: &mut Rng) -> [u8; 4] {
    if random.one_in(8) {
        return [0; 4];
    }
    (random.next_u64() as u32).to_be_bytes()
}

/// Mostly large, and otherwise around the length of a frame or of all.
fn limit(random: &mut Rng, frames: &[Frame]) -> u64 {
    if frames.is_empty() || !random.one_in(4) {
        return LARGE_LIMIT;
    }
    let len = if random.one_in(2) {
        frames[random.below(frames.len())].payload.len()
    } else {
        frames.iter().map(|frame| frame.payload.len()).sum()
    };
    (len + random.below(3)).saturating_sub(1) as u64
}

fn close_body(random: &mut Rng) -> Vec<u8> {
    if random.one_in(6) {
        let len = random.below(2);
        return random.bytes(len);
    }
    let code = match random.below(4) {
        0 => random.next_u64() as u16,
        1 => 1000 + random.below(4000) as u16,
        _ => random.pick(&CLOSE_CODES),
    };
    let mut reason = match random.below(4) {
        0 => Vec::new(),
        1 => "why, «then»".into(),
        2 => vec![b'x'; 123],
        _ => "€".into(),
    };
    if random.one_in(4) {
        reason.splice(0..0, random.pick(&INVALID_TEXT).iter().copied());
    }
    [&code.to_be_bytes()[..], &reason].concat()
}

fn damage_frames(random: &mut Rng, receiver: Role, frames: &mut Vec<Frame>) {
    let kind = random.below(14);
    let at = random.below(frames.len() + 1);
    let inserted = match kind {
        // Any first byte: opcode, reserved bits, FIN.
        0 | 1 => {
            let (first, len) = (random.byte(), random.below(4));
            let payload = random.bytes(len);
            Frame::new(random, receiver, first, payload)
        }
        2 | 3 => {
            let body = close_body(random);
            Frame::new(random, receiver, 0x88, body)
        }
        // A control frame that is too long.
        4 => {
            let (first, len) = (0x88 + random.byte() % 3, 126 + random.below(80));
            Frame::new(random, receiver, first, vec![3; len])
        }
        // Any length: it may be large, not in the shortest form, or not that of the payload.
        5 => {
            let first = random.pick(&[0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89]);
            let mut frame = Frame::new(random, receiver, first, vec![b'a'; 20]);
            frame.length = Some((Length::Long, u64::MAX >> random.below(64)));
            frame
        }
        _ => return damage_frame(random, frames, kind, at),
    };
    frames.insert(at, inserted);
}

/// Damages the frame at `at`, if there is one.
fn damage_frame(random: &mut Rng, frames: &mut Vec<Frame>, kind: usize, at: usize) {
    if at == frames.len() {
        return;
    }
    let frame = &mut frames[at];
    let len = frame.payload.len();
    match kind {
        6 => frame.first ^= 1 << random.below(8),
        7 => {
            let form = if len < 65_536 && random.one_in(2) {
                Length::Medium
            } else {
                Length::Long
            };
            frame.length = Some((form, len as u64));
        }
        8 => frame.mask = frame.mask.xor(Some([1, 2, 3, 4])),
        9 => {
            let within = random.below(len + 1);
            let invalid = random.pick(&INVALID_TEXT);
            frame.payload.splice(within..within, invalid.iter().copied());
        }
        // Nothing follows, and it is not the end of a message.
        10 => {
            frame.payload.truncate(random.below(len + 1));
            frame.payload.extend(random.pick(&INVALID_TEXT));
            frame.first &= 0x7F;
            frames.truncate(at + 1);
        }
        11 => drop(frames.remove(at)),
        12 => frames.insert(at, frames[at].clone()),
        _ => {
            let other = random.below(frames.len());
            frames.swap(at, other);
        }
    }
}

/// Damages compressed data, or inserts a message with some.
fn damage_deflate(random: &mut Rng, receiver: Role, frames: &mut Vec<Frame>) {
    let at = random.below(frames.len() + 1);
    let kind = random.below(6);
    if kind < 2 || at == frames.len() || frames[at].payload.is_empty() {
        let data = match random.below(4) {
            // A block with codes of its own.
            0 => [&[0x04 | random.byte() & 0x29], &random.bytes(24)[..]].concat(),
            _ => random.pick(&DEFLATE_DATA).to_vec(),
        };
        let first = random.pick(&[0xC1, 0xC2, 0x41]);
        return frames.insert(at, Frame::new(random, receiver, first, data));
    }
    let payload = &mut frames[at].payload;
    let within = random.below(payload.len());
    match kind {
        2 => payload[within] ^= 1 << random.below(8),
        3 => payload[0] ^= 1,
        4 => payload.truncate(within),
        _ => payload.extend(random.pick(&DEFLATE_DATA)),
    }
}

fn damage_bytes(random: &mut Rng, frames: &mut Vec<Vec<u8>>) {
    if frames.is_empty() {
        return;
    }
    let at = random.below(frames.len());
    let frame = &mut frames[at];
    if frame.is_empty() {
        return;
    }
    // Mostly in the header.
    let end = if random.one_in(3) {
        frame.len()
    } else {
        frame.len().min(14)
    };
    let within = random.below(end);
    match random.below(8) {
        0 => frame[within] ^= 1 << random.below(8),
        1 => frame[within] = random.byte(),
        2 => frame.insert(within, random.byte()),
        3 => drop(frame.remove(within)),
        _ => {
            frame.truncate(within);
            frames.truncate(at + 1);
        }
    }
}
