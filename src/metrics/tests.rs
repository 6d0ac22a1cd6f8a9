//! What a scrape shows: every promised name, every series beforehand, and events where they belong.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Actor, Bound, Direction, Limit, MessageKind, Metrics, PeerState,
    table::{PREFIX, Shape, TABLE},
};
use crate::{
    protocol::{self, ProtocolName},
    replica::{self, Fate},
    types::{Digest, Height, Time, ValidatorIndex},
};

/// What DESIGN.md promises, written down a second time on purpose: the table must not be able to lose a name.
const PROMISED: &str = "height decisions_total{protocol} decision_seconds commit_seconds rounds_per_decision \
    commands_total{outcome} mempool_commands mempool_bytes votes_total{kind} messages_total{kind,direction} \
    message_bytes_total{kind,direction} rejected_messages_total{reason} verify_seconds storage_sync_seconds \
    mailbox_depth{actor} mailbox_refused_total{actor} peers{state} round_timeouts_total equivocations_total \
    sync_blocks_total diff_requests_total{direction} validator_missed_total{validator} mesh_peers \
    mempool_capacity_bytes disk_free_bytes clock_offset_seconds state_root_mismatch build_info";

fn metrics() -> Metrics {
    Metrics::new(ProtocolName::Streamlette, 4)
}

/// The value of one series, by its exact text.
fn sample(metrics: &Metrics, series: &str) -> f64 {
    let text = metrics.encode();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{PREFIX}{series} ")));
    value.unwrap_or_else(|| panic!("no sample of {series}")).parse().unwrap()
}

#[test]
fn every_promised_name_has_a_sample_with_its_labels_at_the_first_scrape() {
    let text = metrics().encode();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for promise in PROMISED.split_whitespace() {
        let (name, labels) = promise.split_once('{').unwrap_or((promise, "}"));
        let is_named = |line: &&&str| {
            let rest = line.strip_prefix(PREFIX).and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| ["{", " ", "_bucket", "_sum", "_count"].iter().any(|next| rest.starts_with(next)))
        };
        let sample = samples.iter().find(is_named).unwrap_or_else(|| panic!("no sample of {name}"));
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            assert!(sample.contains(&format!("{label}=\"")), "{name} has no label {label}: {sample}");
        }
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(samples.iter().any(|line| line.starts_with(name)), "no sample of {name}");
    }
}

#[test]
fn registry_and_table_name_the_same_metrics_of_the_same_shape() {
    let text = metrics().encode();
    let registered: BTreeSet<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_prefix(PREFIX)?.split_once(' ')).collect();
    let listed: BTreeSet<(&str, &str)> = TABLE.iter().map(|row| (row.name, row.shape.as_str())).collect();
    assert_eq!(registered, listed);
    assert_eq!(listed.len(), TABLE.len(), "a name occurs twice");
}

#[test]
fn every_combination_of_label_values_exists_beforehand() {
    let text = metrics().encode();
    for row in TABLE.iter().filter(|row| row.name != "build_info" && !matches!(row.shape, Shape::Histogram(_))) {
        let expected: usize = row.labels.iter().map(|axis| axis.values(4).len()).product();
        let start = format!("{PREFIX}{}", row.name);
        let has_name = |line: &&str| line.strip_prefix(&start).is_some_and(|rest| rest.starts_with(['{', ' ']));
        assert_eq!(text.lines().filter(has_name).count(), expected, "{}", row.name);
    }
}

#[test]
fn names_and_bounds_follow_the_conventions() {
    for row in TABLE {
        assert_eq!(row.name.ends_with("_total"), row.shape == Shape::Counter, "{}", row.name);
        assert!(row.help.ends_with('.') && !row.unit.is_empty(), "{}", row.name);
        if let Shape::Histogram(bounds) = row.shape {
            assert!(row.labels.is_empty() && bounds.is_sorted_by(|a, b| a < b), "{}", row.name);
        }
    }
}

#[test]
fn protocol_events_are_counted() {
    let metrics = metrics();
    let digest = Digest::new([0; 32]);
    let (age, height) = (Duration::from_millis(3), Height::FIRST);
    for event in [
        protocol::Event::RoundEntered { round: 0, leader: ValidatorIndex::new(0) },
        protocol::Event::Proposed { round: 0, id: digest },
        protocol::Event::VoteCast { height, round: 0, target: digest },
        protocol::Event::VoteCounted { height, round: 0, validator: ValidatorIndex::new(1) },
        protocol::Event::Notarized { round: 0, id: digest },
        protocol::Event::RoundTimedOut { round: 0 },
        protocol::Event::Concluded { rounds: 2, payload: digest },
        protocol::Event::Equivocated { validator: ValidatorIndex::new(1), round: 0 },
        protocol::Event::Fatal { what: "two roots".to_owned() },
    ] {
        metrics.protocol(ProtocolName::Streamlette, age, &event);
    }
    for series in [
        "proposals_total",
        "votes_total{kind=\"cast\"}",
        "votes_total{kind=\"received\"}",
        "validator_votes_total{validator=\"1\"}",
        "round_timeouts_total",
        "decisions_total{protocol=\"streamlette\"}",
        "decision_seconds_count",
        "decision_seconds_bucket{le=\"0.004\"}",
        "rounds_per_decision_bucket{le=\"2\"}",
        "equivocations_total",
        "fatal_total",
    ] {
        assert_eq!(sample(&metrics, series), 1.0, "{series}");
    }
    assert_eq!(sample(&metrics, "decision_seconds_bucket{le=\"0.002\"}"), 0.0);
    assert_eq!(sample(&metrics, "rejected_messages_total{reason=\"late\"}"), 0.0);
}

#[test]
fn replica_events_and_views_are_told() {
    let metrics = metrics();
    let latencies = vec![Duration::from_millis(1), Duration::from_millis(9)];
    metrics.replica(&replica::Event::Committed { height: Height::new(7), commands: 5, latencies });
    metrics.replica(&replica::Event::Refused { fate: Fate::Full });
    metrics.replica(&replica::Event::Synced { height: Height::new(8) });
    assert_eq!(sample(&metrics, "height"), 7.0);
    assert_eq!(sample(&metrics, "commands_total{outcome=\"committed\"}"), 5.0);
    assert_eq!(sample(&metrics, "commands_total{outcome=\"full\"}"), 1.0);
    assert_eq!(sample(&metrics, "commit_seconds_count"), 2.0);
    assert_eq!(sample(&metrics, "sync_blocks_total"), 1.0);
    let (executed, target) = (Height::new(8), Height::new(20));
    metrics.replica(&replica::Event::Syncing { is_syncing: true, executed, target });
    assert_eq!((sample(&metrics, "syncing"), sample(&metrics, "target_height")), (1.0, 20.0));
    let in_window = vec![Height::new(10), Height::new(11)];
    let view = replica::View { executed: Height::new(9), in_window, mempool_bytes: 300, ..Default::default() };
    metrics.view(&view);
    assert_eq!(sample(&metrics, "height"), 9.0);
    assert_eq!(sample(&metrics, "live_instances"), 2.0);
    assert_eq!(sample(&metrics, "mempool_bytes"), 300.0);
    assert_eq!(sample(&metrics, "syncing"), 0.0);
}

#[test]
fn figures_of_actors_land_in_their_own_series() {
    let metrics = metrics();
    metrics.messages(MessageKind::Vote, Direction::Out, 1, 111);
    metrics.mailbox(Actor::Storage).set(3);
    metrics.mailbox_refused(Actor::Replica);
    metrics.peers(PeerState::Validator, 3);
    metrics.diff_requests(Direction::In, 1);
    for validator in [2, 9].map(ValidatorIndex::new) {
        metrics.replica(&replica::Event::TurnMissed { height: Height::FIRST, validator });
    }
    metrics.verified(16, Duration::from_micros(300));
    metrics.clock_offset(-0.25);
    metrics.replica(&replica::Event::Diverged { height: Height::FIRST, validator: ValidatorIndex::new(1) });
    for (series, value) in [
        ("messages_total{direction=\"out\",kind=\"vote\"}", 1.0),
        ("messages_total{direction=\"in\",kind=\"vote\"}", 0.0),
        ("message_bytes_total{direction=\"out\",kind=\"vote\"}", 111.0),
        ("mailbox_depth{actor=\"storage\"}", 3.0),
        ("mailbox_refused_total{actor=\"replica\"}", 1.0),
        ("peers{state=\"validator\"}", 3.0),
        ("diff_requests_total{direction=\"in\"}", 1.0),
        ("validator_missed_total{validator=\"2\"}", 1.0),
        ("validator_missed_total{validator=\"3\"}", 0.0),
        ("verified_signatures_total", 16.0),
        ("verify_seconds_bucket{le=\"0.0004\"}", 1.0),
        ("clock_offset_seconds", -0.25),
        ("state_root_mismatch", 1.0),
    ] {
        assert_eq!(sample(&metrics, series), value, "{series}");
    }
    metrics.replica(&replica::Event::Stabilised { height: Height::FIRST });
    assert_eq!(sample(&metrics, "state_root_mismatch"), 0.0);
}

#[test]
fn silence_is_told_of_others_and_by_validators_only() {
    let metrics = metrics();
    let at = |ms| Time::ZERO.plus(Duration::from_millis(ms));
    let me = ValidatorIndex::new(0);
    metrics.validator_heard(ValidatorIndex::new(1), at(4_000));
    metrics.validator_heard(ValidatorIndex::new(9), at(4_000));
    metrics.validators_are_silent(Some(me), at(5_500));
    let silence = |validator: u16| sample(&metrics, &format!("validator_silent_seconds{{validator=\"{validator}\"}}"));
    assert!(silence(0).is_nan(), "of oneself");
    assert_eq!((silence(1), silence(2)), (1.5, 5.5), "who was never heard is silent since the start");
    metrics.validators_are_silent(None, at(6_000));
    assert!((0..4).all(|validator| silence(validator).is_nan()), "a listener cannot tell");
    metrics.spare_validators(None);
    assert!(sample(&metrics, "spare_validators").is_nan());
    metrics.spare_validators(Some(-1));
    assert_eq!(sample(&metrics, "spare_validators"), -1.0);
}

#[test]
fn figures_of_disk_and_bounds_land_in_their_own_series() {
    let metrics = metrics();
    metrics.disk(10, 100);
    metrics.disk_warning(7);
    metrics.storage(33, 44);
    metrics.dropped(Bound::Outbound, 3);
    metrics.dropped(Bound::Outbound, 5);
    metrics.limited(Limit::Bytes);
    metrics.ready(true);
    metrics.command_invalid();
    metrics.synced_to_disk(Duration::from_millis(700));
    for (series, value) in [
        ("disk_free_bytes", 10.0),
        ("disk_size_bytes", 100.0),
        ("disk_warning_bytes", 7.0),
        ("journal_bytes", 33.0),
        ("unwritten_bytes", 44.0),
        ("dropped_total{bound=\"outbound\"}", 5.0),
        ("limited_requests_total{limit=\"bytes\"}", 1.0),
        ("ready", 1.0),
        ("validators", 4.0),
        ("commands_total{outcome=\"invalid\"}", 1.0),
        ("storage_sync_seconds_bucket{le=\"0.5\"}", 0.0),
        ("storage_sync_seconds_bucket{le=\"1\"}", 1.0),
    ] {
        assert_eq!(sample(&metrics, series), value, "{series}");
    }
}
