//! Messages: what they are made of, what they become, and how they are shown.

use std::borrow::Cow;

use sockless::{Message, MessageKind};

/// Whether the payload is borrowed.
fn is_borrowed(message: &Message<'_>) -> bool {
    matches!(
        message,
        Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_))
    )
}

#[test]
fn a_message_is_made_of_text() {
    let owned = "text".to_owned();
    let borrowed = [
        Message::text("text"),
        Message::from("text"),
        Message::from(&owned),
        Message::from(Cow::Borrowed("text")),
    ];
    let moved = [
        Message::from(owned.clone()),
        Message::from(owned.clone().into_boxed_str()),
        Message::from(Cow::<str>::Owned(owned.clone())),
    ];
    assert!(borrowed.iter().all(is_borrowed) && !moved.iter().any(is_borrowed));
    for message in borrowed.into_iter().chain(moved) {
        assert_eq!(message, Message::Text("text".into()));
        assert!(message.is_text() && !message.is_binary() && !message.is_empty());
        assert_eq!((message.kind(), message.len()), (MessageKind::Text, 4));
        assert_eq!((message.as_text(), message.as_bytes()), (Some("text"), &b"text"[..]));
        assert_eq!(message.as_ref(), b"text");
        assert_eq!(String::try_from(message.clone()).as_deref(), Ok("text"));
        assert_eq!(message.clone().into_text().as_deref(), Ok("text"));
        assert_eq!(Vec::from(message.clone()), b"text");
        assert!(!is_borrowed(&message.into_owned()));
    }
}

#[test]
fn a_message_is_made_of_bytes() {
    let owned = b"data".to_vec();
    let borrowed = [
        Message::binary(&b"data"[..]),
        Message::from(b"data"),
        Message::from(&owned[..]),
        Message::from(&owned),
        Message::from(Cow::Borrowed(&b"data"[..])),
    ];
    let moved = [
        Message::from(*b"data"),
        Message::from(owned.clone()),
        Message::from(owned.clone().into_boxed_slice()),
        Message::from(Cow::<[u8]>::Owned(owned.clone())),
    ];
    assert!(borrowed.iter().all(is_borrowed) && !moved.iter().any(is_borrowed));
    for message in borrowed.into_iter().chain(moved) {
        assert_eq!(message, Message::Binary(b"data".into()));
        assert!(message.is_binary() && !message.is_text() && !message.is_empty());
        assert_eq!((message.kind(), message.len()), (MessageKind::Binary, 4));
        // Also of bytes that are UTF-8.
        assert_eq!((message.as_text(), message.as_bytes()), (None, &b"data"[..]));
        assert_eq!(message.as_ref(), b"data");
        for error in [
            String::try_from(message.clone()).unwrap_err(),
            message.clone().into_text().unwrap_err(),
        ] {
            assert_eq!(error.into_message(), message);
        }
        assert_eq!(Vec::from(message.clone()), b"data");
        assert!(!is_borrowed(&message.into_owned()));
    }
}

#[test]
fn an_empty_message_is_empty() {
    for message in [Message::text(""), Message::binary(&[][..])] {
        assert!(message.is_empty() && message.as_bytes().is_empty());
    }
}

#[cfg(feature = "bytes")]
#[test]
fn a_message_is_made_of_bytes_and_becomes_them() {
    use bytes::Bytes;

    assert_eq!(
        Message::from(Bytes::from_static(b"data")),
        Message::Binary(b"data".into())
    );
    // Nothing else holds the bytes: they are moved.
    let data = vec![1; 100];
    let at = data.as_ptr();
    let message = Message::from(Bytes::from(data));
    assert_eq!(message.as_bytes().as_ptr(), at);
    assert_eq!(Bytes::from(message).as_ptr(), at);
    assert_eq!(Bytes::from(Message::text("text")), "text");
}

/// `Display` is for a user, `Debug` for a log: escaped, and cut off.
#[test]
fn a_message_is_shown() {
    let text = Message::text("a\u{1b}[2J\"");
    assert_eq!(
        (&*format!("{text}"), &*format!("{text:>9}|")),
        ("a\u{1b}[2J\"", "   a\u{1b}[2J\"|")
    );
    assert_eq!(format!("{text:?}"), r#"Text("a\x1b[2J\"")"#);
    for (len, shown) in [(0, "0 bytes"), (1, "1 byte"), (2, "2 bytes")] {
        assert_eq!(Message::binary(vec![0; len]).to_string(), shown);
    }
    let long = format!("{:?}", Message::binary(vec![b'a'; 65]));
    assert_eq!(long, format!("Binary(\"{}\"... (65 bytes))", "a".repeat(64)));
}
