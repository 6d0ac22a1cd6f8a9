//! What a doctor finds: sentences for people, each with the figures that it follows from and what to try.
//!
//! Pure: an [`Examination`] goes in, findings come out, the most telling first. Nothing is said of what is usual: votes
//! are always missing for a moment, so they are a finding only when nothing has been decided for [`STUCK_MS`].

use std::time::Duration;

use super::port::{Examination, PeerView, SILENT, ValidatorView};
use crate::{protocol::Abstention, replica::View, types::ValidatorIndex};

/// When nothing has been decided for longer although a height is wanted, it is stuck.
const STUCK_MS: u64 = 2_000;
/// Clocks that differ by more are worth a finding: votes do not need them, but the times in blocks do.
const CLOCK_MS: u64 = 1_000;
/// For how long a peer of another chain is worth a finding.
const FOREIGN_MS: u64 = 120_000;

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What, with the figures.
    pub words: String,
    /// What to try.
    pub advice: &'static str,
}

/// All that is wrong, the most telling first.
pub fn findings(view: &View, examined: &Examination, missing: &[ValidatorIndex]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |words: String, advice: &'static str| found.push(Finding { words, advice });
    if let Some(warning) = &examined.disk_warning {
        add(
            warning.clone(),
            "make room on the disk of the data directory; the log of this node may not be what fills it",
        );
    }
    let wait = "wait: it ends by itself as soon as a quorum of the others answers and decides";
    match view.abstention {
        Some(Abstention::Everywhere) => add("rejoining: this node asks the others how far they are".into(), wait),
        Some(Abstention::Through(last)) => {
            add(format!("rejoining: this node votes above height {last} only"), wait);
        }
        None => {}
    }
    if view.sync.is_some() {
        let words =
            format!("behind: height {} of {} is executed, blocks are being fetched", view.executed, view.target);
        add(words, "wait: it is catching up; `thalweg status` shows how long that takes");
    }
    connections(examined, &mut add);
    votes(examined, missing, &mut add);
    strangers(examined, &mut add);
    clocks(examined, &mut add);
    if examined.mesh_peers == 0 && !examined.peers.is_empty() {
        let words = "no peer is in the gossip mesh: only substreams between validators carry messages";
        add(
            words.into(),
            "nothing while blocks are decided; otherwise restart this node's network by restarting the node",
        );
    }
    for queue in examined.queues.iter().filter(|queue| queue.depth > queue.depth_max / 2) {
        let words = format!("{} messages wait for the {}, of {} at most", queue.depth, queue.actor, queue.depth_max);
        add(words, "give this node more processor time, or a faster disk if it is storage that is slow");
    }
    // A quarter of it is kept for what other validators forward.
    if view.mempool_bytes > examined.mempool_bytes_max / 10 * 7 {
        let (bytes, most) = (view.mempool_bytes, examined.mempool_bytes_max);
        let words = format!(
            "the mempool is full, or nearly: {} commands of {bytes} bytes wait, {most} bytes at most; clients are answered \
             429 from three quarters on",
            view.mempool_commands
        );
        add(words, "if blocks are decided, send less or raise mempool.bytes_max; if not, mend what stands above first");
    }
    found
}

/// When a validator was last heard.
fn heard(examined: &Examination, index: ValidatorIndex) -> String {
    if examined.validators.iter().any(|validator| validator.index == index && validator.is_self) {
        return "this node".to_owned();
    }
    let peer = examined.peers.iter().find(|peer| peer.validator == Some(index));
    let ms = match peer {
        Some(peer) => peer.last_heard_ms_ago,
        None => examined.gone_ms_ago.get(&index).copied(),
    };
    ms.map_or_else(|| "not heard since the start".to_owned(), |ms| format!("last heard {} ago", span(ms)))
}

fn list(examined: &Examination, validators: &[ValidatorIndex]) -> String {
    let names: Vec<_> =
        validators.iter().map(|index| format!("validator {index} ({})", heard(examined, *index))).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

/// What is wrong with the ways to the other validators. A listener is not told who is a validator.
fn connections(examined: &Examination, add: &mut impl FnMut(String, &'static str)) {
    if !examined.validators.iter().any(|validator| validator.is_self) {
        if examined.peers.is_empty() {
            add("no peer is connected".into(), "check the addresses under network.peers and that their ports are open");
        }
        return;
    }
    let is_gone = |validator: &&ValidatorView| !validator.is_self && !validator.is_connected;
    let gone: Vec<_> = examined.validators.iter().filter(is_gone).map(|validator| validator.index).collect();
    let power = |is_counted: fn(&ValidatorView) -> bool| {
        let counted = examined.validators.iter().filter(|validator| is_counted(validator));
        counted.fold(0_u64, |sum, validator| sum.saturating_add(validator.power.get()))
    };
    match (examined.is_quorum_connected, gone.is_empty()) {
        (false, _) => {
            let words = format!(
                "the validators in reach are no quorum: power {} of {}, {} needed; not connected: {}",
                power(|validator| validator.is_self || validator.is_connected),
                power(|_| true),
                examined.power_needed,
                list(examined, &gone)
            );
            add(
                words,
                "start the validators that are down; if they run, look for what cuts them off: firewall, address, route",
            );
        }
        (true, false) => {
            let words = format!("not connected, while a quorum is: {}", list(examined, &gone));
            add(words, "see whether it runs: while it is away, fewer others may fail before nothing is decided");
        }
        (true, true) => {}
    }
    for PeerView { validator, last_heard_ms_ago, .. } in &examined.peers {
        if let (Some(validator), Some(ms)) =
            (validator, last_heard_ms_ago.filter(|ms| Duration::from_millis(*ms) > SILENT))
        {
            let words = format!("validator {validator} is connected, but was last heard {} ago", span(ms));
            add(words, "look at the machine of who is silent: stopped, out of processor time, or its way here is cut");
        }
    }
}

/// Whose votes are missing, when nothing has been decided for a while although somebody waits.
fn votes(examined: &Examination, missing: &[ValidatorIndex], add: &mut impl FnMut(String, &'static str)) {
    let is_stuck = examined.last_executed_ms_ago.is_none_or(|ms| ms > STUCK_MS);
    let Some(instance) = examined.instance.as_ref().filter(|it| it.view.is_wanted && !missing.is_empty() && is_stuck)
    else {
        return;
    };
    let (height, round) = (instance.height, instance.view.round);
    let leader = |who: Option<ValidatorIndex>| who.map(|leader| format!("validator {leader}"));
    let under = leader(instance.view.leader).map(|leader| format!(" under {leader}")).unwrap_or_default();
    let next = leader(instance.view.next_leader).map(|leader| format!("; {leader} leads next")).unwrap_or_default();
    let since = match examined.last_executed_ms_ago {
        Some(ms) => format!("; the last height was executed {} ago", span(ms)),
        None => "; nothing was executed since the start".to_owned(),
    };
    let words = format!(
        "height {height} is in round {round}{under}; votes of power {} of {} needed are here, missing: {}{next}{since}",
        examined.power_voted,
        examined.power_needed,
        list(examined, missing)
    );
    add(words, "ask the doctors of those whose votes are missing: `thalweg doctor --node URL,URL`");
}

/// Who speaks of another chain, or is of another version.
fn strangers(examined: &Examination, add: &mut impl FnMut(String, &'static str)) {
    if let Some(ms) = examined.last_foreign_ms_ago.filter(|ms| *ms < FOREIGN_MS) {
        let words = format!(
            "peers of another chain were turned away {} times since the start, the last one {} ago: their genesis is another",
            examined.foreign_peers,
            span(ms)
        );
        add(words, "compare chain_id in /v1/status of all nodes; who differs has another genesis file");
    }
    let others = examined.peers.iter().filter(|peer| peer.validator.is_some() && !peer.agent.is_empty());
    let own = crate::agent();
    for peer in others.filter(|peer| peer.agent != own) {
        let validator = peer.validator.map(|validator| validator.to_string()).unwrap_or_default();
        let words = format!("validator {validator} runs {}, this node {own}", peer.agent);
        add(words, "finish the upgrade; until then see in its notes what the two versions may differ in");
    }
}

/// Whose clock is wrong: this node's when most others say so, otherwise the other's.
fn clocks(examined: &Examination, add: &mut impl FnMut(String, &'static str)) {
    let ahead = |peer: &PeerView| Some((peer.validator?, peer.clock_ahead_ms?));
    let told: Vec<_> = examined.peers.iter().filter_map(ahead).collect();
    let wrong: Vec<_> = told.iter().filter(|(_, ms)| ms.unsigned_abs() > CLOCK_MS).collect();
    let advice = "set the clock by NTP; blocks carry times, so a wrong clock is seen by clients";
    let side = |ms: i64| if ms > 0 { "ahead of" } else { "behind" };
    if wrong.len() > 1 && 2 * wrong.len() > told.len() {
        let mut all: Vec<_> = wrong.iter().map(|(_, ms)| -ms).collect();
        all.sort_unstable();
        let median = all[all.len() / 2];
        let (length, side) = (span(median.unsigned_abs()), side(median));
        add(
            format!("this node's clock is {length} {side} those of {} of {} validators", wrong.len(), told.len()),
            advice,
        );
        return;
    }
    for (validator, ms) in wrong {
        add(
            format!("the clock of validator {validator} is {} {} this node's", span(ms.unsigned_abs()), side(*ms)),
            advice,
        );
    }
}

/// A length of time, in the unit that people would use.
fn span(ms: u64) -> String {
    match ms {
        0..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}
