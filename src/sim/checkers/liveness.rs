//! `liveness`: at the end of a world, long after its faults have ended, every command that a client waits for has been
//! answered, and every validator that is up has the same tip.

use std::collections::BTreeSet;

use super::{Checker, Sight};
use crate::types::Digest;

/// See the file's header.
#[derive(Debug, Default)]
pub struct Liveness {
    waiting: BTreeSet<Digest>,
}

impl Checker for Liveness {
    fn id(&self) -> &'static str {
        "liveness"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Submitted { command } => {
                self.waiting.insert(*command);
            }
            Sight::Answered { command, .. } => {
                self.waiting.remove(command);
            }
            Sight::End { now, tips } => {
                if let Some(command) = self.waiting.first() {
                    return Err(format!("{} commands unanswered at {now:?}, {command:?} first", self.waiting.len()));
                }
                if let Some(pair) = tips.windows(2).find(|pair| pair[0].hash() != pair[1].hash()) {
                    return Err(format!("tips differ at {now:?}: {} and {}", pair[0].height, pair[1].height));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::Header,
        sim::checkers::planted::header,
        types::{Height, Time},
    };

    fn end(checker: &mut Liveness, tips: &[Header]) -> Result<(), String> {
        checker.see(&Sight::End { now: Time::ZERO, tips })
    }

    #[test]
    fn a_command_without_an_answer_is_noticed() {
        let (mut checker, command) = (Liveness::default(), Digest::new([0; 32]));
        checker.see(&Sight::Submitted { command }).unwrap();
        end(&mut checker, &[]).unwrap_err();
        checker.see(&Sight::Answered { node: 0, command, height: Height::FIRST }).unwrap();
        end(&mut checker, &[]).unwrap();
    }

    #[test]
    fn a_validator_that_stays_behind_is_noticed() {
        let mut checker = Liveness::default();
        end(&mut checker, &[header(2, 0), header(2, 0)]).unwrap();
        end(&mut checker, &[header(2, 0), header(1, 0)]).unwrap_err();
    }
}
