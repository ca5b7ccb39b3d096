//! A client and a server of this crate, connected in memory.

use sockless::{CloseCode, Config, Event, State};
use support::pair::Pair;

#[test]
fn client_and_server_exchange_messages_and_close_cleanly() {
    for piece in [usize::MAX, 1, 7] {
        let mut pair = Pair::connecting(Config::default(), Config::default());
        pair.max_piece = piece;
        pair.deliver_all();
        pair.client.take_events();
        pair.server.take_events();
        pair.client.engine.send_text("hello", &mut pair.client.out).unwrap();
        pair.server.engine.ping(b"?", &mut pair.server.out).unwrap();
        pair.deliver_all();
        assert_eq!(
            pair.server.take_events(),
            [Event::Text("hello".into()), Event::Pong(b"?"[..].into())]
        );
        assert_eq!(pair.client.take_events(), [Event::Ping(b"?"[..].into())]);
        pair.client
            .engine
            .close(CloseCode::NORMAL, "", &mut pair.client.out)
            .unwrap();
        pair.deliver_all();
        for end in [&pair.client, &pair.server] {
            assert_eq!(end.engine.state(), State::Closed);
            assert!(end.engine.close_status().unwrap().is_clean());
        }
    }
}
