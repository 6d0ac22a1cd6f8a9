//! The vote and finality rules of Streamlette at small scope: every interleaving of four validators, one of which lies,
//! and every step of simulated runs.
//!
//! What votes here is production's own [`thalweg::protocol::streamlette::Safety`], so the code that is checked is the code
//! that runs. What judges it is restated from the paper: quorums, ancestry and finality have no production code in them,
//! and a test compares that finality with what certificates are accepted.
//!
//! | file | what |
//! |---|---|
//! | `state` | messages, votes, and what follows from them |
//! | `rules` | whose rules the honest follow: ours, or ours with one of them missing |
//! | `search` | all states within so many ticks: agreement holds, and breaks without each of the rules |
//! | `finality` | what the model calls decided is what a certificate can prove, and nothing else |
//! | `replay` | every honest vote and decision of a simulated run is a step that the model allows |

mod finality;
mod replay;
mod rules;
mod search;
mod state;
