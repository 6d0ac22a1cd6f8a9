//! What is fuzzed, an entry for each target. Each takes any bytes and panics when something that must hold does not.
//!
//! Called by the fuzz targets, which the fuzzer feeds, and by `tests/fuzz`, which plays the seeds and their neighbours in
//! every check.

mod command;
#[cfg(feature = "node")]
mod http;
pub mod pbft;
mod schedule;
#[path = "../../tests/protocol/world.rs"]
pub mod world;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
pub use command::command;
#[cfg(feature = "node")]
pub use http::http;
pub use pbft::pbft;
pub use schedule::step;
use thalweg::{
    app::Block,
    config::Genesis,
    crypto::{Transcript, seeded_rng},
    journal::{Disk as _, Entry, Journal, Salt},
    protocol::{self, Certificate, Input, streamlette},
    replica::{
        CertificateDocument,
        wire::{Frame, Request, Response},
    },
    sim::disk::SimDisk,
    types::{Digest, Height, codec},
};
use world::{BUDGET, Body, Letter, World};

/// Bytes of the wire: whatever is accepted is the one encoding of its value.
pub fn frame(data: &[u8]) {
    if let Ok(frame) = codec::decode::<Frame>(data) {
        assert_eq!(codec::encode(&frame), data);
    }
    if let Ok(request) = codec::decode::<Request>(data) {
        assert_eq!(codec::encode(&request), data);
    }
    if let Ok(response) = codec::decode::<Response>(data) {
        assert_eq!(codec::encode(&response), data);
    }
}

/// A message and a summary of a peer, at a replica that is in the middle of an instance.
pub fn instance(data: &[u8]) {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(0, "value");
    for message in [world.lead(&header, Some(&payload)), world.votes(&header, &[2])] {
        world.tell(0, 1, message);
    }
    if let Ok(message) = codec::decode(data) {
        world.hand_over(Letter { from: 3, to: 1, body: Body::Message(message) });
    }
    if let Ok(message) = codec::decode::<streamlette::Message>(data) {
        world.tell(3, 1, message);
    }
    let Ok(summary) = codec::decode::<protocol::Summary>(data) else { return };
    for budget in [BUDGET, 300, 0] {
        world.wire.clear();
        world.input(1, Input::Pull { asker: 3, summary: summary.clone(), budget });
        for answer in world.wire.iter().filter_map(Letter::message) {
            assert!(codec::encode(answer).len() <= budget.max(64), "an answer beyond {budget} bytes");
        }
    }
    world.next_deadline();
}

/// Rot in a journal, three bytes each: where, and which bits. What can still be opened holds the beginning of what was
/// written, but for decided blocks, which peers have (`JN-1`): nothing else, nothing out of order.
pub fn journal(data: &[u8]) {
    let chain = Digest::new([5; 32]);
    let written = entries();
    let mut disk = image().clone();
    let segments = disk.segments().expect("a simulated disk that works");
    for rot in data.chunks_exact(3) {
        let segment = segments[usize::from(rot[0]) % segments.len()];
        let length = disk.bytes(segment).map_or(0, <[u8]>::len);
        // Most of what matters is in the first bytes of sectors.
        let place = usize::from(rot[0]) << 8 | usize::from(rot[1]);
        let offset = if rot[1] % 2 == 0 { (place >> 9) * 4096 + usize::from(rot[1] >> 1) } else { place * 3 };
        disk.rot(segment, offset % length, rot[2]);
    }
    let Ok((_, recovered)) = Journal::open(disk, chain) else { return };
    let mut left = recovered.entries.iter().peekable();
    let mut lost = 0;
    for entry in &written {
        match left.next_if(|found| *found == entry) {
            Some(_) => {}
            None if left.peek().is_none() => break,
            None => {
                assert!(matches!(entry, Entry::Decided { .. }), "left out in the middle: {entry:?}");
                lost += 1;
            }
        }
    }
    assert!(left.next().is_none(), "entries that nobody wrote, or not in that order");
    assert!(lost <= recovered.lost, "{lost} blocks are missing, {} are said to be", recovered.lost);
}

/// JSON of a certificate. Whatever verifies proves what was decided once, in the only instance that anybody signed in.
pub fn certificate(data: &[u8]) {
    let decided = decided();
    let mut rng = seeded_rng(1);
    if let Ok(certificate) = serde_json::from_slice::<Certificate>(data)
        && let Ok(root) = certificate.verify(Height::FIRST, &decided.electorate, &mut rng)
    {
        assert_eq!(root, decided.root, "a value that nobody voted for is proven");
    }
    if let Ok(document) = serde_json::from_slice::<CertificateDocument>(data) {
        document.verify(&decided.genesis, &mut rng).expect_err("nobody ever signed on that chain");
    }
}

/// JSON of a genesis: what is valid reads back the same.
pub fn genesis(data: &[u8]) {
    let Ok(genesis) = serde_json::from_slice::<Genesis>(data) else { return };
    let text = serde_json::to_vec(&genesis).expect("what was read can be written");
    let again: Genesis = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(again, genesis);
    if let Ok(set) = genesis.validate() {
        assert_eq!(again.chain_id(), genesis.chain_id());
        let history = Digest::new([0; 32]);
        let ids = [Height::FIRST, Height::FIRST.next()].map(|height| genesis.instance_id(height, &set, &history));
        assert_ne!(ids[0], ids[1]);
    }
}

/// What the journal of [`journal`] holds: the records of a validator's votes, and a block with a body of its own.
fn entries() -> Vec<Entry> {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_all();
    let instance = world.electorate.id;
    let record = |record: &protocol::Record| {
        let record = record.clone();
        Entry::Instance { height: Height::FIRST, instance, record }
    };
    let mut entries: Vec<Entry> = world.replicas[1].disk.iter().map(record).collect();
    let (payload, certificate) = (Bytes::from(vec![7; 40_000]), Certificate::of_nothing());
    entries.insert(1, Entry::Decided { block: Block { height: Height::FIRST, payload, certificate } });
    entries
}

fn image() -> &'static SimDisk {
    static IMAGE: OnceLock<SimDisk> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let salt = Salt::new([9; 16]);
        let mut journal = Journal::create(SimDisk::default(), Digest::new([5; 32]), salt).expect("room");
        for entry in entries() {
            journal.append(&entry);
            journal.flush().expect("a simulated disk that works");
        }
        journal.into_disk()
    })
}

struct Decided {
    electorate: protocol::Electorate,
    root: Digest,
    genesis: Arc<Genesis>,
    certificate: Certificate,
}

fn decided() -> &'static Decided {
    static DECIDED: OnceLock<Decided> = OnceLock::new();
    DECIDED.get_or_init(|| {
        let mut world = World::running(4, 0..4);
        world.demand(0);
        world.deliver_all();
        let (payload, certificate) = world.replicas[1].decided.clone().expect("nothing goes wrong");
        let root = Transcript::new("thalweg payload v1").bytes(&payload).finish();
        let genesis = serde_json::from_str(include_str!("../../config/genesis.example.json")).expect("our own example");
        let certificate = Certificate::Streamlette(certificate);
        Decided { electorate: world.electorate, root, genesis: Arc::new(genesis), certificate }
    })
}

/// Inputs to begin with, by target and name: what honest replicas say, write and decide.
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut world = World::running(4, 0..3);
    world.demand(0);
    for (at, letter) in world.wire.clone().into_iter().enumerate().take(1) {
        if let Body::Message(message) = letter.body {
            seeds.push(("instance", format!("message{at}"), codec::encode(&message)));
            let frame = Frame::Instance { height: Height::FIRST, instance: world.electorate.id, message };
            seeds.push(("frame", format!("proposal{at}"), codec::encode(&frame)));
        }
    }
    world.lose_if(Letter::is_vote);
    world.next_deadline();
    let pull = world.wire.iter().find_map(|letter| match &letter.body {
        Body::Pull(summary) => Some(summary.clone()),
        Body::Message(_) => None,
    });
    if let Some(summary) = pull {
        seeds.push(("instance", "summary".into(), codec::encode(&summary)));
        let request = Request::Diff { height: Height::FIRST, instance: world.electorate.id, summary };
        seeds.push(("frame", "request".into(), codec::encode(&request)));
    }
    let (header, payload) = world.proposal(0, "value");
    for (name, message) in [
        ("diff", world.lead(&header, Some(&payload))),
        ("votes", world.votes(&header, &[0, 2, 3])),
        ("want", world.want(3, 7)),
    ] {
        seeds.push(("instance", name.into(), codec::encode(&message)));
    }
    let certificate = serde_json::to_vec_pretty(&decided().certificate).expect("a certificate is JSON");
    seeds.push(("certificate", "decided".into(), certificate));
    seeds.push(("genesis", "example".into(), include_bytes!("../../config/genesis.example.json").to_vec()));
    seeds.push(("journal", "nothing".into(), Vec::new()));
    seeds.push(("journal", "header".into(), vec![0, 0, 1]));
    seeds.push(("journal", "index".into(), vec![4, 64, 255, 6, 64, 255]));
    seeds.extend(schedule::seeds().map(|(name, bytes)| ("step", name, bytes)));
    seeds.extend(pbft::seeds().into_iter().map(|(name, bytes)| ("pbft", name, bytes)));
    seeds.extend(command::seeds().into_iter().map(|(name, bytes)| ("command", name, bytes)));
    #[cfg(feature = "node")]
    seeds.extend(http::seeds().into_iter().map(|(name, bytes)| ("http", name, bytes)));
    seeds
}
