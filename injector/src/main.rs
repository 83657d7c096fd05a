//! The executable: reads the command line, runs, and maps failures to exit codes.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use injector::{
    args::{Cli, Command, LogFormat, LogLevel},
    render::RenderError,
};
use tracing::{Level, error, info};

/// Input that cannot be used: arguments, settings, certificate. Source: `EX_USAGE` of sysexits.h.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EX_USAGE } else { 0 };
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return code.into();
        }
    };
    init_logging(cli.log_level, cli.log_format);
    match cli.command {
        Command::Render(render) => match render.run() {
            Ok((text, warnings)) => print(&text, &warnings),
            Err(error) => {
                let code = if error.is::<RenderError>() { 1 } else { EX_USAGE };
                // A closed pipe is the reader's choice.
                let _ = writeln!(io::stderr(), "injector: {error:#}");
                code.into()
            }
        },
        Command::Serve(serve) => {
            info!(
                version = env!("CARGO_PKG_VERSION"),
                profile = if cfg!(debug_assertions) { "debug" } else { "release" },
                "Injector."
            );
            match serve.prepare() {
                Ok(server) => match server.run() {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => {
                        error!(error = format!("{error:#}"), "Cannot serve.");
                        ExitCode::FAILURE
                    }
                },
                Err(error) => {
                    error!(error = format!("{error:#}"), "Cannot start.");
                    EX_USAGE.into()
                }
            }
        }
    }
}

fn print(text: &str, warnings: &[String]) -> ExitCode {
    for warning in warnings {
        // A closed pipe is the reader's choice.
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn init_logging(level: LogLevel, format: LogFormat) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(Level::from(level))
        .with_writer(io::stderr)
        .with_ansi(format == LogFormat::TextColor);
    match format {
        LogFormat::Json => lines.json().init(),
        LogFormat::Text | LogFormat::TextColor => lines.init(),
    }
}
