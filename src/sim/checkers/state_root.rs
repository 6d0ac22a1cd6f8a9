//! `state-root`: whoever has executed a height has the same header there, and with it the same state and history.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::{app::Header, types::Height};

/// See the file's header.
#[derive(Debug, Default)]
pub struct EqualStates {
    headers: BTreeMap<Height, Header>,
}

impl Checker for EqualStates {
    fn id(&self) -> &'static str {
        "state-root"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Executed { node, header, .. } = sight else { return Ok(()) };
        let known = self.headers.entry(header.height).or_insert_with(|| (*header).clone());
        if known != *header {
            return Err(format!("node {node} came to {header:?}, others to {known:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::checkers::planted::executed;

    #[test]
    fn another_state_is_noticed() {
        let mut checker = EqualStates::default();
        executed(&mut checker, 1, 0, 0).unwrap();
        executed(&mut checker, 1, 0, 0).unwrap();
        executed(&mut checker, 1, 1, 0).unwrap_err();
    }
}
