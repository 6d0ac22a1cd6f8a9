//! A bank on four replicas in one process: an application of its own, without HTTP and without sockets.
//!
//! `cargo run --example bank`

use std::{error::Error, time::Duration};

use thalweg::{
    Replica,
    app::{Application, CheckError, Receipt, State, Status},
    config::{ApplicationName, Genesis, NetworkSection, peer_id},
    crypto::SecretKey,
    node::create_store,
    types::{Height, Power, Validator},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Accounts by name. A command reads `from to amount`; the bank itself has no limit.
struct Bank;

fn parse(body: &[u8]) -> Option<(&str, &str, u64)> {
    let mut words = std::str::from_utf8(body).ok()?.split(' ');
    let transfer = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(transfer)
}

fn balance(state: &State<'_>, name: &str) -> u64 {
    state.get(name.as_bytes()).and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?))).unwrap_or(0)
}

impl Application for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn genesis(&self, _: &mut State<'_>) {}

    fn check(&self, body: &[u8]) -> Result<(), CheckError> {
        parse(body).map(drop).ok_or_else(|| CheckError("a transfer reads: from to amount".into()))
    }

    fn execute(&self, state: &mut State<'_>, _: Height, body: &[u8]) -> Receipt {
        let refused = |why: &'static str| Receipt { status: Status::Refused, result: why.into() };
        let Some((from, to, amount)) = parse(body) else { return refused("no transfer") };
        if from != "bank" {
            let Some(rest) = balance(state, from).checked_sub(amount) else { return refused("not enough money") };
            state.put(from.as_bytes(), rest.to_be_bytes());
        }
        let sum = balance(state, to).saturating_add(amount);
        state.put(to.as_bytes(), sum.to_be_bytes());
        Receipt { status: Status::Applied, result: "done".into() }
    }

    fn query(&self, state: &State<'_>, name: &[u8]) -> Result<Option<bytes::Bytes>, CheckError> {
        Ok(Some(balance(state, &String::from_utf8_lossy(name)).to_string().into()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Keys from fixed seeds, so that the example is short: real ones come from the operating system's randomness.
    let keys: Vec<_> = (0..4).map(|i| (SecretKey::from_seed(&[i; 32]), SecretKey::from_seed(&[i + 100; 32]))).collect();
    let validator = |key: &SecretKey| Validator { public_key: key.public_key(), power: Power::new(1) };
    let mut genesis = Genesis::new("bank", 0, keys.iter().map(|(key, _)| validator(key)).collect());
    genesis.application = ApplicationName::Embedded;
    let address = |i: usize| format!("/memory/{}", 7_000 + i);
    let peer = |i: usize| format!("{}/p2p/{}", address(i), peer_id(&keys[i].1.public_key()));

    let dir = tempfile::tempdir()?;
    let mut replicas = Vec::new();
    for (i, (validator_key, peer_key)) in keys.iter().cloned().enumerate() {
        let store = dir.path().join(format!("replica{i}"));
        create_store(&store, &genesis)?;
        let peers = (0..4).filter(|other| *other != i).map(peer).collect();
        let network = NetworkSection { listen: vec![address(i)], peers, ..NetworkSection::default() };
        let parts = Replica::builder().app(Bank).genesis(genesis.clone()).network(network).store(store);
        replicas.push(parts.validator_key(validator_key).peer_key(peer_key).build()?.start()?);
    }

    let transfers = ["bank ada 100", "ada bob 30", "bob ada 1000"];
    for (replica, transfer) in replicas.iter().zip(transfers) {
        let committed = replica.submit(transfer)?.wait(PATIENCE)?;
        eprintln!("height {}: {transfer}: {:?}", committed.height, committed.receipt.result);
    }
    let height = replicas[2].height();
    for replica in &replicas {
        assert!(replica.wait_for_height(height, PATIENCE), "all replicas follow");
        let balances = [replica.query("ada")?.value, replica.query("bob")?.value];
        assert_eq!(balances, [Some("70".into()), Some("30".into())]);
    }
    eprintln!("ada has 70 and bob 30, on all four");
    for block in replicas[3].follow(Height::FIRST).take_while(|block| block.header.height < height) {
        eprintln!("height {} holds {} commands", block.header.height, block.commands.len());
    }
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
