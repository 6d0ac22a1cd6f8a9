//! PBFT: the rules, why they are safe, where they differ from the source, and their limits.
//!
//! # What it is
//! One long instance decides a sequence of byte strings, one for each **height**, among validators with power W, of
//! which less than W/3 may do anything. Time is divided into **views**; view v is led by **primary** v mod n. The
//! primary proposes a value for each height; validators **prepare** one proposal for each height of a view, and
//! **commit** to what more than 2W/3 have prepared. Commits of more than 2W/3 decide. Heights go through this side by
//! side. A primary that does not do its work is given up by a **view change**.
//!
//! ```text
//!   primary   ── pre-prepare(v,h) ──┐
//!   others                          ├── prepare(v,h) ──── commit(v,h) ──── decided
//!   ...
//!   no progress: view change(v+1) ──── new view(v+1) ──── prepare(v+1,h) for what was prepared, ...
//! ```
//!
//! Source: M. Castro and B. Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999, in the version with signatures;
//! the rules on time as sharpened in "Practical Byzantine Fault Tolerance and Proactive Recovery", TOCS 2002.
//!
//! # Messages
//! * **PB-W1** Votes name phase, view, height and the payload's root. The primary's prepare for a height of its own
//!   view is its pre-prepare; see *Deviations*. A view change names, signed, what its sender knows to be prepared; the
//!   votes that prove it travel beside it. A new view carries the signed parts of a quorum, and one proof for each
//!   value that it proposes again. (`vote`, `change`, `message`)
//!
//! # The normal case
//! * **PB-A1** A validator prepares at most one value for each height of a view: the first that the view's primary
//!   proposed, if the application finds it valid in that primary's name. (`cast`, `absorb`)
//! * **PB-A2** What a new view proposes again needs neither the application's word nor its value here to be voted for:
//!   a quorum has prepared it, so honest validators of more than W/3 found it valid, in the name of whoever proposed
//!   it first, and keep its value until it is executed. Whoever lacks the value pulls it. (`slot`, `turn`, `serve`)
//! * **PB-A3** A validator commits, in the view in which it is, to what a quorum has prepared in that view, and only
//!   after it has noted the proof. (`cast`)
//! * **PB-L1** The primary of an open view proposes for one height after the other, up to the high mark, without
//!   waiting for decisions, while commands wait. (`cast`)
//! * **PB-N1** A null request is the empty payload. Only new views propose it, where nothing was prepared below
//!   something that was. No primary may propose it by itself: it is no valid payload. Executed, it is an empty block.
//!   (`change`)
//!
//! # Safety
//! * **PB-D1** Nothing is said before everything that was written before is durable: an accepted value before its
//!   prepare, a proof before its commit, a view change, an opening and an entered view before anything follows from
//!   them. (`mod`: every message names the last record.)
//! * **PB-D2** After a restart all of that is in force at once; nothing is said before its signatures have been checked
//!   again; then what was said is said again, with the same bytes. Records that do not hold silence their owner.
//!   (`recover`)
//! * **PB-D3** Whoever has lost its journal follows and says nothing, before its low mark covers every height that it may
//!   have voted on, and a height above is decided, say in view v; then nothing of views up to v + 1. When such a view
//!   ends for it, it leaves for v + 2. Otherwise it would contradict view changes that it does not remember, or leave
//!   out of one what it had committed to. (`oblivion`)
//! * **PB-V1** Whoever leaves a view accepts and votes for nothing in it or below any more, and tells of each height
//!   above its low mark what it knows to be prepared there in the highest view. (`turn`)
//! * **PB-V2** A new view stands on the view changes of a quorum. It starts above the highest low mark among them, and
//!   proposes for each height up to the highest that is claimed the value of the claim of the **highest view**, or a
//!   null request. (`change`)
//! * **PB-V3** Everyone computes that from the same view changes, and takes no new view in which anything differs, or
//!   anything claimed is unproven. (`change`, `screen`)
//! * **PB-V4** A view takes new values only above everything that it has proposed again. (`absorb`, `cast`)
//! * **PB-E1** Evidence, each by two signatures: two votes of one phase, view and height; two view changes to one view;
//!   two openings of one view. Only the first of two votes counts. (`evidence`, `absorb`, `turn`)
//! * **PB-S1** *Agreement.* No two certificates of a height prove different values. A certificate is a quorum of commits
//!   of one view, and verifies alone.
//!
//! *Why PB-S1 holds.* Quorums share an honest validator. In one view, two values prepared by quorums would have an
//! honest validator that prepared both, against PB-A1. Let d be committed by a quorum C in view v, and suppose that it
//! was decided; by induction over views w > v, no quorum prepares anything but d in w. The new view w stands on a
//! quorum Q of view changes. C and Q share an honest validator; it committed d in v (PB-A3) before it left v (PB-V1),
//! so it claims d, or what was prepared in a view between, which by induction is d as well; unless its low mark is
//! above the height, and then the height is not open any more in w (PB-V2, PB-V4). All claims of views above v in Q
//! are proven by quorums, hence d by induction; claims below v lose (PB-V2). Choosing the lowest view instead would let
//! a stale claim win.
//!
//! # Marks
//! * **PB-M1** The low mark is the last stable checkpoint; below it nothing is kept. Nothing is voted for or decided
//!   above the high mark, which the hands set and the end of the epoch clips. Votes and proposals of one window above
//!   it are kept: a primary reaches checkpoints first, and dropping its next messages would cost a view. (`marks`)
//! * **PB-M2** When the low mark rises, the current view is written again before older records are forgotten. (`mod`)
//!
//! # Time
//! * **PB-T1** The timer of a view runs only while something is owed: a command waits here, a height is proposed,
//!   decided above a gap, or voted for by more than W/3. What a single validator can say makes us pull, not leave. An
//!   idle instance has no timer. (`clock`)
//! * **PB-T2** The timer starts anew with each decision and each execution. It doubles with each view in a row in which
//!   nothing was decided. After leaving, it starts when a quorum has left for that view or beyond. A command that is
//!   passed over for 32 deadlines ends the view as well, whatever else is executed. (`clock`, `pace`)
//! * **PB-T3** Until its view opens, a replica says its view change, or its opening, again each period and to whoever
//!   connects, and pulls. (`clock`, `turn`)
//! * **PB-T4** When more than W/3 has left for higher views, one follows at once, to the highest view that at least
//!   one honest validator among them wants. (`turn`)
//!
//! # Pull
//! Summaries name the view, what is lacking and whose votes are here; diffs bring the opening of the current view,
//! view changes, proposals, votes, certificates and values, within a budget of bytes. A replica that slept for ten
//! views is told the last opening, and enters.
//!
//! # Deviations
//! * **PB-W1** The source signs pre-prepares and prepares apart. Here a primary signs only its prepare. An honest
//!   primary prepares nothing in its own view but what it proposes, so nobody can turn another signature of its into a
//!   proposal. It saves a kind of message, and makes two proposals a double vote.
//! * Heights that are decided here are not voted on again in a new view. Whoever lacks the decision pulls the
//!   certificate, or its hands fetch the block. If nobody honest has decided, all of a quorum votes again.
//! * A replica that lacks a value commits to it all the same when a quorum has prepared it.
//! * The source joins the *lowest* view of those that left; the highest that an honest one wants saves the views
//!   between.
//! * Commits prove more than prepares, so a claim may be proven by either.
//! * Checkpoints, state transfer, requests and replies are the hands'.
//!
//! # Limits
//! * At most 2,048 heights between the marks, so that a view change can name all that is prepared.
//! * Of each validator one vote for each phase and height of the current view, one of later views, one view change.
//! * Primaries can be foreseen by everyone, hence attacked one after another.
