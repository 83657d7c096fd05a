//! The program `analytics`: the postanalytics service, and the command line that asks it.

use std::{io::Write, process::ExitCode};

use analytics::{cli::Cli, server::ServeError};
use clap::Parser;

/// Exit status for settings that cannot work: EX_USAGE of sysexits.h.
const BAD_CONFIGURATION: u8 = 64;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let error = match cli.run() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    // Nothing is left to report to when standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    match error.downcast_ref::<ServeError>() {
        Some(error) if error.is_configuration() => ExitCode::from(BAD_CONFIGURATION),
        _ => ExitCode::FAILURE,
    }
}
