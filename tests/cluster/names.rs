//! A peer that moves: from one moment on its name leads to another address. The names are answered for by the test, to
//! nodes in network namespaces of their own that ask there.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    audit::audit,
    cluster::{Cluster, ON_ALL_ADDRESSES, PATIENCE},
    load::Load,
    partitions::{Network, system},
};

/// How long an answer may be remembered: longer than this test, so that whoever remembers it never finds the new one.
const TTL_SECONDS: u32 = 3_600;

/// A server of IPv4 addresses, gone when dropped.
struct NameServer {
    names: Arc<Mutex<BTreeMap<String, Ipv4Addr>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    fn start(at: &str) -> Self {
        let socket = UdpSocket::bind((at, 53)).expect("the bridge is ours");
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (names, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (names, is_over) = (Arc::clone(&names), Arc::clone(&is_over));
            move || {
                let mut query = [0; 512];
                while !is_over.load(Ordering::Relaxed) {
                    let Ok((length, asker)) = socket.recv_from(&mut query) else { continue };
                    if let Some(answer) = answer(&query[..length], &names) {
                        let _ = socket.send_to(&answer, asker);
                    }
                }
            }
        });
        Self { names, is_over, thread: Some(thread) }
    }

    fn lead(&self, name: &str, to: &str) {
        self.names.lock().unwrap().insert(name.to_owned(), to.parse().unwrap());
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The answer to a query of one question (RFC 1035, section 4.1): the name's address, or none of the type asked for.
fn answer(query: &[u8], names: &Mutex<BTreeMap<String, Ipv4Addr>>) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let (question, is_v4) = (query.get(HEADER..at + 4)?, query.get(at..at + 2)? == [0, 1]);
    let address = names.lock().unwrap().get(&labels.join(".")).copied();
    let found = address.filter(|_| is_v4);
    // Answers, authoritatively; 3: no such name.
    let code = if address.is_none() { 3 } else { 0 };
    let mut answer = query[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]);
    answer.extend(question);
    if let Some(address) = found {
        // The name is the one at the start of the question; type A, class IN.
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(TTL_SECONDS.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

#[test]
fn a_peer_that_moved_is_found_again_by_its_name() {
    const MOVED: usize = 3;
    let network = Network::create(4);
    // The bridge: reached from everywhere, hidden from nobody.
    let server_address = network.address(253);
    let server = NameServer::start(&server_address);
    // The others are nobody's: none may be waited for.
    network.ask_for_names_at(&[&network.address(201), &server_address, &network.address(202)]);
    let mut places = network.places();
    for (node, place) in places.iter_mut().enumerate() {
        place.name = format!("node{node}.thalweg.test");
        server.lead(&place.name, &place.host);
    }
    let mut cluster = Cluster::start_at(&places);
    let load = Load::start(&cluster.https()[..MOVED], 8);
    load.more(100, PATIENCE);

    cluster.kill(&[MOVED]);
    let (old, new) = (network.address(MOVED), network.address(100));
    let space = network.space(MOVED);
    system(&format!("ip -n {space} addr del {old}/24 dev eth0"));
    system(&format!("ip -n {space} addr add {new}/24 dev eth0"));
    server.lead(&places[MOVED].name, &new);
    cluster.move_to(MOVED, &new);
    // It knows nobody, so that the others have to find it.
    cluster.spawn(&[MOVED], &[ON_ALL_ADDRESSES, ("THALWEG__NETWORK__PEERS", "")]);
    cluster.wait_until_ready(&[MOVED]);
    // And it is no mere follower: without it there is no quorum.
    cluster.kill(&[0]);
    load.more(50, PATIENCE);
    cluster.spawn(&[0], &[ON_ALL_ADDRESSES]);
    cluster.wait_until_ready(&[0, 1, 2, MOVED]);
    let outcome = load.finish();
    audit(cluster, outcome);
}
