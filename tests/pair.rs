//! A client and a server of this crate, connected in memory.

use sockless::{Accept, ClientRequest, CloseCode, Config, Connection, Event, State, handshake::Negotiated};
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

/// F80: What the opening handshake has negotiated can be asked for at both ends, from then on: the
/// subprotocol, and permessage-deflate. Before, and after a rejection, it is nothing.
#[test]
fn f80_negotiated_can_be_asked_for() {
    #[allow(unused_mut, reason = "mutable only with permessage-deflate")]
    let mut configs = vec![Config::new()];
    #[cfg(feature = "deflate")]
    configs.push(Config::new().deflate(sockless::deflate::DeflateConfig::new()));
    for config in configs {
        for subprotocol in [None, Some("chat.v1")] {
            for rejected in [false, true] {
                let request = ClientRequest::new("ws://h/").unwrap();
                let request = request.subprotocol("chat.v2").subprotocol("chat.v1");
                let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
                let mut client = Connection::client(&request, config.clone(), [1; 32], &mut to_server).unwrap();
                let mut server = Connection::server(config.clone());
                assert_eq!(server.negotiated(), Negotiated::default());
                let Ok(Some(Event::Request(request))) = server.receive(&mut &mut to_server[..], &mut to_client) else {
                    panic!("no request");
                };
                if rejected {
                    server.reject(403, &[], b"", &mut to_client).unwrap();
                } else {
                    let accept = Accept::new().subprotocol(subprotocol);
                    server.accept(&request, &accept, &mut to_client).unwrap();
                }
                assert_eq!(client.negotiated(), Negotiated::default());
                assert!(
                    client
                        .receive(&mut &mut to_client[..], &mut to_server)
                        .unwrap()
                        .is_some()
                );
                for end in [&client, &server] {
                    let negotiated = end.negotiated();
                    assert_eq!(negotiated.subprotocol.as_deref(), subprotocol.filter(|_| !rejected));
                    #[cfg(feature = "deflate")]
                    assert_eq!(negotiated.deflate.is_some(), !rejected && config != Config::new());
                }
                assert_eq!(client.negotiated(), server.negotiated());

                // An engine that continues knows it too, and so does one that is closed.
                let mut next = Connection::upgraded_server(&server.negotiated(), config.clone());
                next.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
                assert_eq!(next.negotiated(), server.negotiated());
            }
        }
    }
}
