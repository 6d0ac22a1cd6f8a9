//! `real-time`: the order of heights is that of the clients' clocks. Whoever submits a command after another client was
//! told of a height finds its own above that height.
//!
//! With `exactly-once`, by which each command takes effect at one height everywhere, this makes the history of the
//! clients' writes linearizable.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::types::{Digest, Height};

/// See the file's header.
#[derive(Debug, Default)]
pub struct RealTime {
    /// The highest height that any client was told.
    told: Height,
    /// What it was when each command was submitted.
    floors: BTreeMap<Digest, Height>,
}

impl Checker for RealTime {
    fn id(&self) -> &'static str {
        "real-time"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Submitted { command } => {
                self.floors.insert(*command, self.told);
            }
            Sight::Answered { command, height, .. } => {
                if let Some(floor) = self.floors.get(command).filter(|floor| height <= floor) {
                    return Err(format!("{command:?} is at {height}, though submitted after an answer of {floor}"));
                }
                self.told = self.told.max(*height);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_in_the_past_is_noticed() {
        let [one, other] = [1, 2].map(|byte| Digest::new([byte; 32]));
        let answered = |command, height| Sight::Answered { node: 0, command, height: Height::new(height) };
        let mut checker = RealTime::default();
        checker.see(&Sight::Submitted { command: one }).unwrap();
        checker.see(&answered(one, 5)).unwrap();
        checker.see(&Sight::Submitted { command: other }).unwrap();
        checker.see(&answered(one, 5)).unwrap();
        checker.see(&answered(other, 5)).unwrap_err();
        checker.see(&answered(other, 6)).unwrap();
    }
}
