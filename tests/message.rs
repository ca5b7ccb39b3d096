//! The type `Message`: what it is, and what it is made of and turned into.

use std::borrow::Cow;

use sockless::{Message, MessageKind};

/// Each question has the same answer for what is borrowed and for what is owned.
#[test]
fn a_message_knows_its_kind_and_its_length() {
    for message in [Message::text("Hi"), Message::from(String::from("Hi"))] {
        assert!(message.is_text() && !message.is_binary() && !message.is_empty());
        assert_eq!((message.kind(), message.len()), (MessageKind::Text, 2));
        assert_eq!((message.as_text(), message.as_ref()), (Some("Hi"), &b"Hi"[..]));
        assert_eq!(message.to_string(), "Hi");
        assert_eq!(format!("{message:?}"), r#"Text("Hi")"#);
    }
    for message in [Message::binary(&b"\0\xFF"[..]), Message::from(vec![0, 0xFF])] {
        assert!(message.is_binary() && !message.is_text() && !message.is_empty());
        assert_eq!((message.kind(), message.len()), (MessageKind::Binary, 2));
        assert_eq!((message.as_text(), message.as_ref()), (None, &b"\0\xFF"[..]));
        assert_eq!(message.to_string(), "2 bytes");
        assert_eq!(format!("{message:?}"), r#"Binary("\x00\xff")"#);
    }
    assert!(Message::text("").is_empty() && Message::binary(vec![]).is_empty());
    assert_eq!(Message::binary(vec![1]).to_string(), "1 byte");
    assert_eq!(Message::binary(vec![]).to_string(), "0 bytes");
}

/// The payload comes out as it went in, also as text where it is text.
#[test]
fn a_message_is_turned_into_its_payload() {
    let (text, binary) = (|| Message::text("Hi"), || Message::binary(&b"Hi"[..]));
    assert_eq!(Vec::from(text()), b"Hi");
    assert_eq!(Vec::from(binary()), b"Hi");
    assert_eq!(text().into_text().unwrap(), "Hi");
    assert_eq!(String::try_from(text()).unwrap(), "Hi");
    assert_eq!(String::try_from(binary()).unwrap_err().into_message(), binary());
    assert_eq!(text().into_owned(), text());
    assert!(matches!(text().into_owned(), Message::Text(Cow::Owned(_))));
}

/// The same with `Bytes`.
#[cfg(feature = "bytes")]
#[test]
fn a_message_is_made_of_bytes() {
    use bytes::Bytes;

    let message = Message::from(Bytes::from_static(b"Hi"));
    assert_eq!(message, Message::binary(&b"Hi"[..]));
    assert_eq!(Bytes::from(message), "Hi");
    assert_eq!(Bytes::from(Message::text("Hi")), "Hi");
}
