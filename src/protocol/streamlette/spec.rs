//! Streamlette: the rules, why they are safe, where they differ from the source, and their limits.
//!
//! # What it is
//! An instance agrees on one byte string among validators with power W, of which less than W/3 may do anything. It
//! grows a tree of messages. A **Proposal** carries a value and stands on the virtual genesis; a **Solicit** carries
//! nothing and stands on a Proposal or a Solicit. Validators **vote** for messages; a message with votes of more than
//! 2W/3 is **notarized**. Each **tick** has one leader, which may make one message. Three adjacent notarized messages
//! of successive ticks decide the Proposal they stand on.
//!
//! ```text
//!   genesis ── P@0 ── s@1                        decided: genesis counts as tick −1
//!      └────── P'@2                s@5 ── s@6 ── s@7     also decides, whatever lies between
//! ```
//!
//! Source: T.-H. H. Chan and E. Shi, "Streamlet: Textbook Streamlined Blockchains", ePrint 2020/088, for the vote
//! and finality rules; the one-shot use with pull-diffs follows the `streamlette` library. SPEC.md sections 1, 2, 6.
//!
//! # Messages
//! * **SL-W1** A vote names its tick and its target. A Proposal's id hashes a header with the payload's root. A
//!   Solicit names its root and its depth, which are checked against its parent when it enters the tree, so
//!   certificates have constant size. Solicits travel with the quorum of their parent, outside the id. (`message`,
//!   `tree`)
//! * **SL-W2** Whoever still sends something about a decided instance gets its certificate, at most one in each pull
//!   interval. (`serve`)
//! * **SL-W3** A leader's signature on its message is its vote for it; see *Deviations*. (`message`)
//!
//! # Safety
//! * **SL-V1** A validator votes for m when m.tick is above the tick of its last vote and m's parent is at least as
//!   deep as every parent it voted on before (its *lock*). (`safety`, the only place that decides it)
//! * **SL-V2** A vote, and a leader's message, which carries one, leaves only after its record is durable, and enters
//!   the own tree, counts, certificates and diffs only then. The seat signs after `Durable` and hands it back.
//! * **SL-V3** A vote's record holds what justifies it: the target, its ancestors, and the votes that notarize its
//!   parent; for a Proposal the value. After a restart all of it is in the tree and served. (`journal`, `recover`)
//! * **SL-V4** Votes go to messages of the current tick only, looked at again whenever the tree changes. (`cast`)
//! * **SL-V5** The application's verdict gates votes for Proposals only. (`cast`)
//! * **SL-I4** Two messages of a tick are kept whoever voted for them; a further one when verified votes of more than
//!   W/3 come with it, in one item. All votes count for their target; a second one in a tick is evidence as well.
//!   (`tree`, `absorb`)
//! * **SL-F1** Fatal, as it takes more than W/3 of liars: two notarized messages of a tick; another notarized message
//!   at the depth of a decided middle one; two decided values. Reported, never asserted. (`absorb`, `serve`)
//! * **SL-S1** *Agreement.* No two certificates of an instance prove different values.
//! * **SL-S2** *Shortcut.* A Proposal of tick 0 and a Solicit of tick 1 on it, both notarized, decide.
//!
//! *Why SL-S1 holds.* Let b1 ← b2 ← b3 be notarized at ticks t, t+1, t+2 and depths d, d+1, d+2, and suppose some
//! c ≠ b2 of depth d+1 is notarized. Quorums share an honest validator, which by SL-V1 votes at most once in a tick,
//! in ascending ticks.
//! 1. c.tick < t: it voted for c before b1, so its lock was at least d; but b1's parent has depth d−1.
//! 2. c.tick > t+2: it voted for b3 before c, so its lock was at least d+1; but c's parent has depth d.
//! 3. c.tick in t..t+2: it voted for c and for that b in one tick. Impossible, unless c is that b, and then c has
//!    another depth or is b2.
//!
//! So b2 is the only notarized message of its depth. Honest votes go only to children of notarized messages, so every
//! notarized message deep enough stands on b2, and with it every other decision: the values are equal. The genesis is
//! the only thing of depth −1 and needs no votes, so it may play b1 at tick −1 (SL-S2): then d = −1, case 1 cannot
//! occur, and the rest is the same. Nothing here needs clocks, ticks in step, or ancestors seen by everyone. What it
//! needs is that an honest validator never forgets its two numbers (SL-V2).
//!
//! Voting late, as the original does, is safe only with SL-V1: without it, votes withheld until both chains are
//! complete notarize both.
//!
//! # Time
//! * **SL-T0** `Want(t)`: a signed wish to go on to tick t; of each validator the highest counts, at any tick. A vote
//!   of tick t counts as one. Diffs carry them. (`wants`)
//! * **SL-T1** A notarized message of tick t ≥ current: current = t + 1, at once. (`turn`)
//! * **SL-T2** At the deadline of t: durably, then Want(t + 1), or the start of the next segment if nothing came of
//!   this segment's leader. One stays in t and goes on voting, and says everything again each period. (`turn`)
//! * **SL-T3** More than W/3 want t' above the own wish and tick: Want(t') at once. (`turn`)
//! * **SL-T4** More than 2W/3 want t' above the current tick: current = t'. There is no other way forward. (`turn`)
//! * **SL-T5** Timers run only while the instance is *wanted*: it is the lowest undecided height, and something
//!   verified was seen of it or waits on it, or a command has been waiting for `forward_after`. (`turn`)
//! * **SL-L1** The owner leads ticks 0 and 1, then everyone five ticks in turn. The leader extends the longest
//!   notarized chain of the highest tick, ties by id. (`leader`, `cast`)
//!
//! *Why it ends.* The highest honest tick was entered by a notarized message, which can be passed on, or by wishes of
//! more than 2W/3, of which more than W/3 are honest, durable and pulled. SL-T3 spreads them, SL-T4 fires everywhere
//! within two pulls; liars alone trigger neither. Once a deadline, which doubles with each fruitless segment, exceeds
//! two pulls, a proposal and a vote, the first honest segment decides.
//!
//! # What arrives
//! Every message is brought into the form of a diff and screened before any signature is checked (`screen`): known
//! things are ignored, wrong ones rejected, partly known ones trimmed. For each vote at most one check is under way;
//! votes beyond a quorum are held unchecked (`desk`) until a check fails, the same validator votes for a twin, or the
//! tick's deadline passes. Held votes are never counted, served or put into certificates. Being early, late or
//! without a known parent is no lie: it is ignored, counted, and repaired by pulling.
//!
//! # Deviations
//! * **SL-W3** The source signs messages and votes apart. Here a leader signs only its vote for its message. The id
//!   hashes the header with tick, leader and instance, so that signature names one header; an honest leader votes, in
//!   a tick it leads, only for its own message (nobody else's can enter the tree for that tick), so nobody can turn
//!   another signature of its into the authentication of a header it did not make. SL-V1 and SL-V2 apply to it as to
//!   any vote. It saves one signature and one check for each tick, and makes twins a double vote, hence evidence.
//! * A leader votes for its own value without asking the application, which has just built it.
//! * SL-T3 also compares with the current tick: whoever is beyond t' already was brought there by something it can
//!   pass on, a notarized message or wishes of a quorum, and need not wish for t'.
//! * A certificate and a diff carry as many votes as make a quorum, not all.
//!
//! # Limits
//! * Messages outside of 8 ticks around the current one are taken only with a quorum, and dropped when they fall out
//!   of it, unless they are under something notarized or the last thing we voted for.
//! * At most 4,096 messages in a tree. An adversary that controls all delivery could fill it by notarizing thousands
//!   of ticks of which no three are successive; the instance then takes nothing new, which is safe, and ends by a
//!   certificate from elsewhere.
//! * At most 8 held votes of each voter; one waiting leader's message for each tick of the window.
//! * The leaders after the owner can be foreseen by everyone, hence attacked one after another.
