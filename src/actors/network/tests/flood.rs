//! Many strangers, and garbage at full speed by all ways at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{flooder, raw::Raw, *};
use crate::protocol::Rejection;

/// `NW-C1`
#[tokio::test]
async fn crowd_of_strangers_keeps_no_validator_out() {
    let mut settings = validator(1);
    settings.limits.connections_max = 16;
    settings.limits.arrivals_per_second = 1_000;
    settings.timings.grace = Duration::from_millis(100);
    let known = NodeKey::from_seed([2; 32]).peer_id();
    settings.peers = vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{known}").parse().unwrap()];
    let mut node = Node::start(settings).await;
    // Two of one origin, of eight places for those who come from outside.
    let mut crowd = Vec::new();
    for seed in 100..110 {
        crowd.extend(Raw::try_connect(&node, NodeKey::from_seed([seed; 32])).await);
    }
    assert_eq!(crowd.len(), 2);
    assert_eq!(node.port.gauges().refused_connections(Refusal::PerOrigin), 8);
    let _validator = Node::dialing(validator(2), &[&node]).await;
    node.sees_validator(2).await;
    assert!(crowd.iter().all(Raw::is_connected), "its place was free");
}

#[tokio::test]
async fn silent_sockets_are_few_and_given_up() {
    let mut settings = validator(1);
    settings.limits.pending_max = 8;
    settings.timings.handshake_timeout = Duration::from_millis(300);
    let node = Node::start(settings).await;
    let mut parts = node.address.iter();
    let (Some(libp2p::multiaddr::Protocol::Ip4(ip)), Some(libp2p::multiaddr::Protocol::Tcp(port))) =
        (parts.next(), parts.next())
    else {
        panic!("tcp on ip4")
    };
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(tokio::net::TcpStream::connect((ip, port)).await.unwrap());
    }
    node.is_soon("refusals", |port| port.gauges().refused_connections(Refusal::Pending) >= 18).await;
    for mut socket in sockets {
        let mut bytes = [0; 100];
        let ended = tokio::io::AsyncReadExt::read(&mut socket, &mut bytes);
        assert!(!matches!(timeout(PATIENCE, ended).await.expect("given up"), Ok(1..)));
    }
    Raw::connect(&node, 50).await;
}

/// The garbage has its effect on its sender only: validators stay connected and go on exchanging frames.
#[tokio::test]
async fn garbage_at_full_speed_is_counted_by_reason_while_validators_go_on() {
    let mut settings = validator(1);
    // Not for long, so that every kind of garbage has its turn.
    settings.timings.block_for = Duration::from_millis(50);
    let mut first = Node::start(settings).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    first.sees_validator(2).await;
    second.sees_validator(1).await;
    first.has_substreams(1).await;
    second.has_substreams(1).await;
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = {
        let (stop, address) = (Arc::clone(&stop), first.address.to_string());
        tokio::task::spawn_blocking(move || flooder::flood(&address, &stop))
    };
    let reasons = [
        Rejection::Malformed,
        Rejection::TooLarge,
        Rejection::BadSignature,
        Rejection::ForeignInstance,
        Rejection::OverRate,
    ];
    let mut number = 0;
    let exchange = async {
        let gauges = first.port.gauges();
        while reasons.iter().any(|reason| gauges.rejected(*reason) == 0) || number < 100 {
            number += 1;
            first.port.send(To::Validators(vec![public_key(2)]), &frame(number), 0);
            let (_, ticket) = second.receives(&frame(number)).await;
            second.port.judge(ticket, Judgement::Accept);
            second.port.send(To::Validators(vec![public_key(1)]), &frame(number), 0);
            loop {
                match first.next().await {
                    NetworkEvent::Frame { frame: received, ticket, .. } => {
                        first.port.judge(ticket, Judgement::Accept);
                        if received == frame(number) {
                            break;
                        }
                    }
                    NetworkEvent::PeerUp { validator: Some(_), .. } => panic!("a validator came anew: it was lost"),
                    _ => {}
                }
            }
        }
    };
    let is_over = timeout(3 * PATIENCE, exchange).await;
    stop.store(true, Ordering::Relaxed);
    let sent = timeout(PATIENCE, flooding).await.expect("stops in time").unwrap();
    assert!(is_over.is_ok(), "not all reasons were seen: {sent:?} {:#?}", first.port.gauges());
    assert!(sent.connections > 5 && sent.messages > 5, "{sent:?}");
    first.is_soon("only the validator stays", |port| port.peers().len() == 1).await;
    assert_eq!(first.port.gauges().level(Level::InboundBytes), 0);
    assert_eq!(first.port.gauges().dropped(Dropped::Inbound), 0);
}
