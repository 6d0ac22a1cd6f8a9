//! Bugs on demand, so that the simulator can show that it would find them.
//!
//! A line of a rule asks whether its bug [`is`] planted. Without the feature `planted` the answer is a constant, and
//! nothing of it is in the program. With it, the simulator plants one bug in its own thread for one world; nothing else
//! ever does. `crate::sim::planted` lists the bugs and who must find them.

#[cfg(feature = "planted")]
thread_local! {
    static BUG: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Whether a bug is planted in this thread.
#[cfg(feature = "planted")]
pub fn is(bug: &str) -> bool {
    BUG.get() == Some(bug)
}

/// Whether a bug is planted: none ever is.
#[cfg(not(feature = "planted"))]
pub const fn is(_bug: &str) -> bool {
    false
}

/// Plants a bug in this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<&'static str>) {
    BUG.set(bug);
}

/// Plants a bug in this thread: nothing, in this build.
#[cfg(not(feature = "planted"))]
pub const fn plant(_bug: Option<&'static str>) {}
