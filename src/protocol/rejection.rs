//! Why something that a peer sent was refused.

/// A peer's lie, mistake or lateness. Counted by reason, never logged above debug for each message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Rejection {
    /// Not the canonical encoding of a frame.
    #[error("malformed")]
    Malformed,
    /// Larger than its kind may be.
    #[error("too large")]
    TooLarge,
    /// A signature does not hold.
    #[error("bad signature")]
    BadSignature,
    /// The signer is no member of the set.
    #[error("unknown signer")]
    UnknownSigner,
    /// For another instance, chain or protocol.
    #[error("foreign instance")]
    ForeignInstance,
    /// The signer does not lead that round.
    #[error("not the leader")]
    NotLeader,
    /// Of a round too far ahead.
    #[error("far future")]
    FarFuture,
    /// Its parent or target is not here (yet).
    #[error("unknown parent")]
    UnknownParent,
    /// Its round is not above its parent's, or its depth or root contradict its parent.
    #[error("contradicts its parent")]
    WrongAncestry,
    /// A vote's round is not its target's.
    #[error("contradicts its target")]
    WrongTarget,
    /// The payload does not hash to the root in the header.
    #[error("wrong payload")]
    WrongPayload,
    /// Votes that should be a quorum are none.
    #[error("no quorum")]
    NoQuorum,
    /// A further twin in a round without the votes that would admit it.
    #[error("too many twins")]
    TooManyTwins,
    /// More than its sender may send.
    #[error("over the rate")]
    OverRate,
    /// The height is over.
    #[error("late")]
    Late,
    /// Sent before, word for word.
    #[error("replayed")]
    Replayed,
}

impl Rejection {
    /// All reasons, so that metrics can create their labels beforehand.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::TooLarge,
        Self::BadSignature,
        Self::UnknownSigner,
        Self::ForeignInstance,
        Self::NotLeader,
        Self::FarFuture,
        Self::UnknownParent,
        Self::WrongAncestry,
        Self::WrongTarget,
        Self::WrongPayload,
        Self::NoQuorum,
        Self::TooManyTwins,
        Self::OverRate,
        Self::Late,
        Self::Replayed,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::BadSignature => "bad_signature",
            Self::UnknownSigner => "unknown_signer",
            Self::ForeignInstance => "foreign_instance",
            Self::NotLeader => "not_leader",
            Self::FarFuture => "far_future",
            Self::UnknownParent => "unknown_parent",
            Self::WrongAncestry => "wrong_ancestry",
            Self::WrongTarget => "wrong_target",
            Self::WrongPayload => "wrong_payload",
            Self::NoQuorum => "no_quorum",
            Self::TooManyTwins => "too_many_twins",
            Self::OverRate => "over_rate",
            Self::Late => "late",
            Self::Replayed => "replayed",
        }
    }
}
