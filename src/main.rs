//! The `thalweg` binary.

/// Many small rows and messages are made on one thread and dropped on another, where glibc's allocator is slow.
#[cfg(feature = "node")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    thalweg::cli::main()
}
