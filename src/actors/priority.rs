//! Which threads go first.

/// Lets all other threads go before the calling one: for work that can wait while the others have something to do.
pub(super) fn yield_to_others() {
    // Elsewhere a priority is the process's. One that cannot be lowered is as good as before.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}
