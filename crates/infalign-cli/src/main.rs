//! The program `infalign`: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    infalign_cli::main()
}
