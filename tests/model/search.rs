//! All states within so many ticks, by the model checker `stateright`.

use std::time::Instant;

use stateright::{Checker as _, HasDiscoveries, Model as _, Property};

use crate::{
    rules::{Model, Rules, Vote},
    state::{Id, State},
};

const AGREEMENT: &str = "SL-S1 agreement";

impl stateright::Model for Model {
    type State = State;
    type Action = Vote;

    fn init_states(&self) -> Vec<State> {
        vec![State::of(self.honest)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Vote>) {
        for voter in 0..self.honest {
            // Voters are sorted: the next one of equals does nothing that this one does not.
            if voter > 0 && state.voters[voter - 1] == state.voters[voter] {
                continue;
            }
            for tick in 0..self.ticks {
                self.votes_in(state, voter, tick, actions);
            }
        }
    }

    fn next_state(&self, state: &State, vote: Vote) -> Option<State> {
        let mut next = self.cast(state, vote);
        next.sort_voters();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(AGREEMENT, |model: &Self, state: &State| model.is_agreed(state)),
            Property::always("SL-F1 twins", |model: &Self, state: &State| model.has_no_notarized_twins(state)),
            Property::always("SL-F1 rivals", |model: &Self, state: &State| model.has_no_rivals(state)),
            // What must be reachable, or nothing of the above would say anything.
            Property::sometimes("SL-S2 decides", |model: &Self, state: &State| {
                model.decisions(state).iter().any(|decision| decision.is_shortcut)
            }),
            Property::sometimes("three decide", |model: &Self, state: &State| {
                model.decisions(state).iter().any(|decision| !decision.is_shortcut)
            }),
            // No reason to stop: one liar brings it about.
            Property::sometimes("a rival of the last of three", |model: &Self, state: &State| {
                let lasts = state.messages.iter().filter(|message| {
                    message.parent.is_some_and(|parent| model.decisions(state).iter().any(|it| it.middle == parent))
                });
                lasts.into_iter().any(|last| model.is_notarized(state, last.id) && model.has_rival(state, last.id))
            }),
        ]
    }
}

impl Model {
    /// The votes of one validator in one tick: for what is there, and for one more message if there may be one.
    fn votes_in(&self, state: &State, voter: usize, tick: u32, actions: &mut Vec<Vote>) {
        let ids = tick * self.twins..(tick + 1) * self.twins;
        let known = state.messages.iter().filter(|message| ids.contains(&message.id));
        let of_known = known.clone().map(|message| Vote { voter, id: message.id, parent: message.parent });
        actions.extend(of_known.filter(|vote| self.allows(state, *vote).is_ok()));
        let Some(id) = ids.clone().find(|id| state.get(*id).is_none()) else { return };
        let parents = state.messages.iter().map(|message| Some(message.id)).chain([None]);
        for parent in parents.filter(|parent: &Option<Id>| {
            // Of one leader, on one parent, there is one Solicit.
            parent.is_none() || known.clone().all(|twin| twin.parent != *parent)
        }) {
            let vote = Vote { voter, id, parent };
            actions.extend(Some(vote).filter(|vote| self.allows(state, *vote).is_ok()));
        }
    }
}

/// Four validators, one of which lies.
fn four(rules: Rules, ticks: u32, twins: u32) -> Model {
    Model { rules, honest: 3, liars: 1, ticks, twins }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Visits every state of a scope, in all of which everything must hold; says how many there were.
fn visit(ticks: u32, twins: u32) -> String {
    let started = Instant::now();
    let checker = four(Rules::Ours, ticks, twins).checker().threads(threads()).spawn_bfs().join();
    checker.assert_properties();
    format!("{ticks} ticks of {twins}: {} states in {:.1?}", checker.unique_state_count(), started.elapsed())
}

#[test]
fn no_order_of_votes_for_twins_breaks_agreement() {
    println!("{}", visit(4, 2));
}

/// `THALWEG_SCOPE=7x1` asks for more ticks, or more twins in each, than every check can afford.
#[test]
fn no_order_of_votes_for_single_messages_breaks_agreement() {
    let scope = std::env::var("THALWEG_SCOPE").unwrap_or_else(|_| "6x1".into());
    let (ticks, twins) = scope.split_once('x').expect("THALWEG_SCOPE is TICKSxTWINS");
    println!("{}", visit(ticks.parse().expect("a number of ticks"), twins.parse().expect("a number of twins")));
}

/// The checker is alive, and each rule is needed: without it, two values are decided.
#[test]
fn without_any_one_of_the_rules_two_values_are_decided() {
    for rules in Rules::MUTANTS {
        let started = Instant::now();
        // From small scopes to larger ones, and deep before wide: what breaks agreement takes many votes.
        let refuted = [(2, 2), (3, 2), (5, 1), (6, 1)].into_iter().find_map(|(ticks, twins)| {
            let wanted = HasDiscoveries::AnyOf([AGREEMENT].into());
            let checker = four(rules, ticks, twins).checker().threads(threads()).finish_when(wanted).spawn_dfs().join();
            let votes = checker.discovery(AGREEMENT)?.into_actions();
            Some((ticks, twins, votes, checker.unique_state_count()))
        });
        let (ticks, twins, votes, states) = refuted.unwrap_or_else(|| panic!("{rules:?} was not refuted"));
        let (votes, time) = (votes.len(), started.elapsed());
        println!("{rules:?}: by {votes} votes in {ticks} ticks of {twins}, {states} states, {time:.1?}");
    }
}
