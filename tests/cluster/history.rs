//! What clients saw, and whether one register for each key could have shown it to them.
//!
//! Clients record every operation from its call to its answer. Positions come from one counter, so that "before" is
//! real time. A write whose answer never came may have happened at any later moment or never; it is given an end after
//! everything else, where nobody sees it, which says the same (Herlihy and Wing, 1990, section 2). A read without an
//! answer says nothing and is dropped. The search is `todc-utils`' (Wing and Gong with Lowe's memory); that it can find
//! something is shown below.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use todc_utils::{
    History as Actions, WGLChecker,
    linearizability::history::Action::{Call, Response},
    specifications::Specification,
};

/// A value of a key; `None` for an absent key.
pub type Value = Option<u64>;

/// What a client asked for, and what it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A put, or with `None` a delete.
    Write {
        /// What the key has from then on.
        value: Value,
        /// Whether the key had a value before; `None` without an answer.
        existed: Option<bool>,
    },
    /// A linearizable read.
    Read {
        /// What it saw.
        value: Value,
    },
}

/// One operation in time.
#[derive(Clone, Copy, Debug)]
struct Entry {
    operation: Operation,
    called: u64,
    /// `None` while the answer is open.
    answered: Option<u64>,
}

/// An operation under way.
#[derive(Debug)]
pub struct Ticket {
    key: String,
    place: usize,
}

/// The operations of all clients, by key.
#[derive(Debug, Default)]
pub struct History {
    clock: AtomicU64,
    keys: Mutex<BTreeMap<String, Vec<Entry>>>,
}

impl History {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Records that a write begins.
    pub fn call(&self, key: &str, value: Value) -> Ticket {
        self.begin(key, Operation::Write { value, existed: None })
    }

    /// Records that a read begins.
    pub fn call_read(&self, key: &str) -> Ticket {
        self.begin(key, Operation::Read { value: None })
    }

    fn begin(&self, key: &str, operation: Operation) -> Ticket {
        let mut keys = self.keys.lock().unwrap();
        let entries = keys.entry(key.to_owned()).or_default();
        entries.push(Entry { operation, called: self.now(), answered: None });
        Ticket { key: key.to_owned(), place: entries.len() - 1 }
    }

    /// Records the answer to a write.
    pub fn written(&self, ticket: &Ticket, existed: bool) {
        self.answer(ticket, |operation| {
            let Operation::Write { value, .. } = operation else { panic!("{ticket:?} is no write") };
            Operation::Write { value, existed: Some(existed) }
        });
    }

    /// Records the answer to a read.
    pub fn read(&self, ticket: &Ticket, value: Value) {
        self.answer(ticket, |_| Operation::Read { value });
    }

    fn answer(&self, ticket: &Ticket, with: impl Fn(Operation) -> Operation) {
        let mut keys = self.keys.lock().unwrap();
        let entry = &mut keys.get_mut(&ticket.key).expect("called before")[ticket.place];
        entry.operation = with(entry.operation);
        entry.answered = Some(self.now());
    }

    /// All keys.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().keys().cloned().collect()
    }

    /// How many writes were never answered.
    pub fn open_writes(&self) -> usize {
        let is_open = |entry: &&Entry| entry.answered.is_none() && matches!(entry.operation, Operation::Write { .. });
        self.keys.lock().unwrap().values().flatten().filter(is_open).count()
    }

    /// Fails unless each key behaved like one register.
    #[track_caller]
    pub fn assert_linearizable(&self) {
        for (key, entries) in self.keys.lock().unwrap().iter() {
            assert!(is_linearizable(entries), "the history of {key} is not linearizable:\n{}", show(entries));
        }
    }

    /// Takes out and checks the keys that `is_over` names and on which nothing is open, so that a long run needs
    /// little memory. Returns how many operations were checked.
    #[track_caller]
    pub fn settle(&self, is_over: impl Fn(&str) -> bool) -> usize {
        let mut keys = self.keys.lock().unwrap();
        let is_done = |entries: &[Entry]| entries.iter().all(|entry| entry.answered.is_some());
        let done: Vec<_> = keys.extract_if(.., |key, entries| is_over(key) && is_done(entries)).collect();
        drop(keys);
        for (key, entries) in &done {
            assert!(is_linearizable(entries), "the history of {key} is not linearizable:\n{}", show(entries));
        }
        done.iter().map(|(_, entries)| entries.len()).sum()
    }
}

/// One key.
struct Register;

impl Specification for Register {
    type State = Value;
    type Operation = Operation;

    fn init() -> Value {
        None
    }

    fn apply(operation: &Operation, state: &Value) -> (bool, Value) {
        match *operation {
            Operation::Read { value } => (value == *state, *state),
            Operation::Write { value, existed } => match existed {
                Some(existed) if existed != state.is_some() => (false, *state),
                _ => (true, value),
            },
        }
    }
}

fn is_linearizable(entries: &[Entry]) -> bool {
    let counted =
        entries.iter().filter(|entry| entry.answered.is_some() || matches!(entry.operation, Operation::Write { .. }));
    // Each operation is a process of its own: a client goes on when an answer stays open.
    let mut actions: Vec<_> = counted
        .enumerate()
        .flat_map(|(process, entry)| {
            let end = entry.answered.unwrap_or(u64::MAX);
            [(entry.called, process, Call(entry.operation)), (end, process, Response(entry.operation))]
        })
        .collect();
    actions.sort_by_key(|(at, ..)| *at);
    let actions: Vec<_> = actions.into_iter().map(|(_, process, action)| (process, action)).collect();
    actions.is_empty() || WGLChecker::<Register>::is_linearizable(Actions::from_actions(actions))
}

fn show(entries: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let end = entry.answered.map_or("open".to_owned(), |at| at.to_string());
        format!("  {} to {end}: {:?}", entry.called, entry.operation)
    };
    let mut lines: Vec<_> = entries.iter().collect();
    lines.sort_by_key(|entry| entry.called);
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

mod tests {
    use super::*;

    fn put(history: &History, value: u64, existed: bool) {
        let ticket = history.call("k", Some(value));
        history.written(&ticket, existed);
    }

    fn read(history: &History, value: Value) {
        let ticket = history.call_read("k");
        history.read(&ticket, value);
    }

    fn verdict(history: &History) -> bool {
        is_linearizable(&history.keys.lock().unwrap()["k"])
    }

    #[test]
    fn a_register_is_linearizable() {
        let history = History::default();
        read(&history, None);
        put(&history, 1, false);
        read(&history, Some(1));
        let delete = history.call("k", None);
        history.written(&delete, true);
        read(&history, None);
        assert!(verdict(&history));
    }

    #[test]
    fn a_stale_read_is_found() {
        let history = History::default();
        put(&history, 1, false);
        put(&history, 2, true);
        read(&history, Some(1));
        assert!(!verdict(&history));
    }

    #[test]
    fn a_lost_write_is_found() {
        let history = History::default();
        put(&history, 1, false);
        read(&history, None);
        assert!(!verdict(&history));
    }

    #[test]
    fn a_write_that_happens_twice_is_found() {
        let history = History::default();
        put(&history, 1, false);
        put(&history, 2, true);
        read(&history, Some(2));
        read(&history, Some(1));
        assert!(!verdict(&history));
    }

    #[test]
    fn a_wrong_word_on_what_was_there_is_found() {
        let history = History::default();
        put(&history, 1, false);
        put(&history, 2, false);
        assert!(!verdict(&history));
    }

    #[test]
    fn reads_that_go_back_during_a_write_are_found() {
        let history = History::default();
        let writing = history.call("k", Some(1));
        read(&history, Some(1));
        read(&history, None);
        history.written(&writing, false);
        assert!(!verdict(&history));
    }

    #[test]
    fn an_open_write_may_have_happened_at_any_time_or_never() {
        for seen in [vec![None, None], vec![None, Some(1)], vec![Some(1), Some(1)]] {
            let history = History::default();
            let _open = history.call("k", Some(1));
            seen.iter().for_each(|value| read(&history, *value));
            assert!(verdict(&history), "{seen:?}");
        }
        let history = History::default();
        let _open = history.call("k", Some(1));
        read(&history, Some(1));
        read(&history, None);
        assert!(!verdict(&history), "it cannot be undone");
    }

    #[test]
    fn settling_checks_and_forgets() {
        let history = History::default();
        put(&history, 1, false);
        let _open = history.call("open", Some(1));
        assert_eq!(history.settle(|_| true), 1);
        assert_eq!(history.keys(), ["open"]);
    }
}
