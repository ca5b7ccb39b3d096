//! Frames as bytes, encoded and decoded without the crate.

use sockless::Role;

/// Both roles.
pub const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// The mask key of frames from [`frame`].
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of `sender`. `first` is its first byte (FIN, reserved bits, opcode), and the length has
/// its shortest form.
pub fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u64;
    let mut bytes = header(first, sender == Role::Client, Length::shortest(len), len);
    if sender == Role::Client {
        bytes.extend_from_slice(&KEY);
        bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// The form of a length (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 7 bits
    Short,
    /// 7 + 16 bits
    Medium,
    /// 7 + 64 bits
    Long,
}

impl Length {
    /// The shortest form of a length.
    pub const fn shortest(len: u64) -> Self {
        match len {
            0..126 => Self::Short,
            126..65_536 => Self::Medium,
            _ => Self::Long,
        }
    }
}

/// A header without its mask key. The length may have any form.
pub fn header(first: u8, masked: bool, form: Length, len: u64) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match form {
        Length::Short => bytes.push(mask | u8::try_from(len).unwrap()),
        Length::Medium => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        Length::Long => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&len.to_be_bytes());
        }
    }
    bytes
}

/// The frames in `bytes`, which `sender` has sent: first bytes and payloads.
pub fn frames(sender: Role, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(
            second & 0x80 != 0,
            sender == Role::Client,
            "a client masks its frames, a server does not"
        );
        let (len, rest) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (
                usize::try_from(u64::from_be_bytes(rest[..8].try_into().unwrap())).unwrap(),
                &rest[8..],
            ),
            short => (usize::from(short), rest),
        };
        let (key, rest) = if sender == Role::Client {
            rest.split_at(4)
        } else {
            (&[0; 4][..], rest)
        };
        let payload = rest[..len]
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        frames.push((*first, payload));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "an incomplete frame: {bytes:?}");
    frames
}

/// What a role is called.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

/// The other role.
pub fn peer_of(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}
