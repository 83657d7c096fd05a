//! Everything that people and CI run: `cargo xtask <verb>`, one file per verb.
//!
//! This crate knows no product crate. It builds their binaries and runs them as a person would, so what works here works
//! without it.

mod bench;
mod chart;
mod e2e;
mod eval;
mod flags;
mod fuzz;
mod http;
mod images;
mod module;
mod playground;
mod process;
mod project;
mod setup;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::flags::{Verb, Xtask};
use crate::project::Project;

fn main() -> ExitCode {
    let Xtask { verb } = Xtask::parse();
    match run(verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    let project = Project::find()?;
    match verb {
        Verb::Setup => setup::run(&project),
        Verb::Up(flags) => up::run(&project, flags),
        Verb::Test(flags) => test::run(&project, flags),
        Verb::E2e(flags) => e2e::run(&project, flags),
        Verb::Images(flags) => images::run(&project, flags),
        Verb::Chart(flags) => chart::run(&project, flags),
        Verb::Tidy => tidy::run(&project),
        Verb::Eval(flags) => eval::run(&project, flags),
        Verb::Bench(flags) => bench::run(&project, flags),
        Verb::Fuzz(flags) => fuzz::run(&project, flags),
        Verb::Playground(flags) => playground::run(&project, flags),
        Verb::Child(flags) => process::become_child(flags),
        #[cfg(feature = "page-builder")]
        Verb::BuildPage { module, folder } => playground::build_page(&module, &folder),
    }
}
