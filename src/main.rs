//! The `thalweg` binary.

fn main() -> std::process::ExitCode {
    thalweg::cli::main()
}
