//! The binary `provision`: arguments to exit code; the library does the work.

fn main() -> std::process::ExitCode {
    provisioner::environment::without_empty_variables();
    provisioner::cli::run(std::env::args_os())
}
