use super::*;

/// `OB-5`.
#[test]
fn votes_only_for_sound_payloads() {
    let chain = Chain::new(1);
    let good = [command(1, 1, kv::put(b"k", b"1")), command(1, 2, kv::put(b"k", b"1"))];
    assert_eq!(chain.validate(1, &good), Verdict::Valid);
    assert_eq!(chain.validate(1, &[]), Verdict::Valid);

    let twice = [good[0].clone(), good[1].clone(), good[0].clone()];
    assert_eq!(chain.validate(1, &twice), Verdict::Invalid);
    assert_eq!(chain.validate(1, &[command(1, 1, "nonsense".into())]), Verdict::Invalid);
    assert_eq!(chain.validate(1, &[command(1, 1, kv::put(b"k", &[0; 1020]))]), Verdict::Invalid);
    let large: Vec<_> = (0..5).map(|sequence| command(1, sequence, kv::put(b"k", &[0; 900]))).collect();
    assert_eq!(chain.validate(1, &large[..4]), Verdict::Valid);
    assert_eq!(chain.validate(1, &large), Verdict::Invalid);
    let expiring = [Command { expires_at_height: Some(Height::new(1)), ..good[0].clone() }];
    assert_eq!(chain.validate(1, &expiring), Verdict::Valid);
    assert_eq!(chain.validate(2, &expiring), Verdict::Invalid);

    let validate = |proposer: u16, bytes: &[u8]| {
        chain.executor.validate(&chain.rows, Height::FIRST, ValidatorIndex::new(proposer), bytes, &mut |_| true)
    };
    let bytes = codec::encode(&payload(&good));
    assert_eq!(validate(0, &bytes), Verdict::Valid);
    assert_eq!(validate(1, &bytes), Verdict::Invalid, "names another proposer");
    assert_eq!(validate(0, &bytes[..bytes.len() - 1]), Verdict::Invalid);
    assert_eq!(validate(0, &[bytes, vec![0]].concat()), Verdict::Invalid);
    let stranger = codec::encode(&Payload { proposer: ValidatorIndex::new(4), ..Payload::default() });
    assert_eq!(validate(4, &stranger), Verdict::Invalid);
}

#[test]
fn votes_again_for_a_command_only_until_its_height_is_settled() {
    let mut chain = Chain::new(2);
    let once = [command(1, 1, kv::put(b"k", b"1"))];
    chain.run_to(4);
    chain.run(&once);
    // Executed at 5: settled for heights from 5 + 2 + 1 on, forgotten when 5 + retention is executed.
    assert_eq!(chain.validate(7, &once), Verdict::Valid);
    assert_eq!(chain.validate(8, &once), Verdict::Invalid);
    assert_eq!(chain.validate(9, &once), Verdict::Undecided, "6 is not executed here");
    assert_eq!(chain.validate(9, &[command(1, 2, "bad".into())]), Verdict::Invalid, "whatever 6 brings");
    chain.run_to(5 + RETENTION - 1);
    assert_eq!(chain.validate(5 + RETENTION, &once), Verdict::Invalid);
    assert_eq!(chain.validate(5 + RETENTION + 1, &once), Verdict::Valid, "forgotten");
    let other = [command(1, 1, kv::put(b"k", b"2"))];
    assert_eq!(chain.validate(9, &other), Verdict::Valid, "a conflict is for execution to refuse");
}

/// `OB-11`, `SL-V5`: one command that its client has not signed spoils a payload; what is executed is not checked again.
#[test]
fn a_payload_with_an_unsigned_command_is_invalid_where_genesis_requires_signatures() {
    let genesis = Genesis { client_signatures: ClientSignatures::Required, ..genesis(1) };
    let mut chain = Chain::of(Box::new(kv::KeyValue), genesis);
    let (key, id) = (SecretKey::from_seed(&[9; 32]), chain.genesis.chain_id());
    let signed = |sequence| Command::signed(&key, &id, sequence, None, kv::put(b"k", b"v"));
    let unsigned = Command { signature: None, ..signed(2) };
    let forged = Command { sequence: 3, ..signed(2) };
    assert_eq!(chain.validate(1, &[signed(1), signed(2)]), Verdict::Valid);
    assert_eq!(chain.validate(1, &[signed(1), unsigned.clone()]), Verdict::Invalid);
    assert_eq!(chain.validate(1, &[signed(1), forged]), Verdict::Invalid);
    assert_eq!(chain.run(&[unsigned]), [Status::Applied], "what was decided was voted for");
    // Where genesis does not require them they are refused.
    assert_eq!(Chain::new(1).validate(1, &[signed(1)]), Verdict::Invalid);
}
