//! The documents of the project, compiled so that they are found beside the code and their links are checked.
//!
//! Start with [`architecture`]; [`glossary`] fixes the words; [`rules`] lists the rule ids that no folder's header
//! declares; [`api`] says what the OpenAPI document cannot; [`network`] lists what floods, lies and slowness cost
//! whom; [`metrics`] and [`logs`] are what a node tells its operator, [`runbooks`] what to do about it; [`protocols`]
//! shows on paper how other protocols sit on the contract of an instance, [`conformance`] lists what each one that is
//! built must show; [`figures`] has what was measured. What would cost more than a day to undo is argued in
//! [`decisions`].

/// Where things live, what runs, and the way of a message.
pub mod architecture {
    #![doc = include_str!("architecture.md")]
}

/// One word, one meaning.
pub mod glossary {
    #![doc = include_str!("glossary.md")]
}

/// Five protocols on one contract, on paper.
pub mod protocols {
    #![doc = include_str!("protocols.md")]
}

/// What every registered protocol shows, and by which tests.
pub mod conformance {
    #![doc = include_str!("conformance.md")]
}

/// The HTTP interface: answers, limits, reads that are proven.
pub mod api {
    #![doc = include_str!("api.md")]
}

/// Pitfalls and answers, limits, penalties, how peers are found.
pub mod network {
    #![doc = include_str!("network.md")]
}

/// Every metric, made from the code's table.
pub mod metrics {
    #![doc = include_str!("metrics.md")]
}

/// What a node writes to its log, and how to follow a height through all of them.
pub mod logs {
    #![doc = include_str!("logs.md")]
}

/// What to do about each alert, and how everyday things are done.
pub mod runbooks {
    #![doc = include_str!("runbooks.md")]
}

/// What may differ between versions, and how a chain is upgraded while it decides.
pub mod upgrades {
    #![doc = include_str!("upgrades.md")]
}

/// What was measured: the bench table, and where the processor goes.
pub mod figures {
    #![doc = include_str!("figures.md")]
}

/// The rules of the ordering brain, by id.
pub mod rules {
    #![doc = include_str!("rules.md")]
}

/// Choices that are costly to undo, with what was rejected.
pub mod decisions {
    /// 0001: a leader's signature is its vote.
    pub mod d0001 {
        #![doc = include_str!("decisions/0001-leader-signature-is-its-vote.md")]
    }

    /// 0002: rows behind the journal.
    pub mod d0002 {
        #![doc = include_str!("decisions/0002-rows-behind-the-journal.md")]
    }
}
