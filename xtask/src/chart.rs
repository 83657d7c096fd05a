//! `cargo xtask chart`: writes what is generated from the chart's values, or checks that it is current.
//!
//! The comments of `values.yaml` are the source of the schema that Helm checks values with and of the table in the chart's
//! README, so that neither can say something else than the defaults.

mod schema;
mod table;
mod values;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::values::Values;
use crate::flags::Chart;
use crate::project::Project;

/// A generated file.
struct Generated {
    /// Path in the chart.
    name: &'static str,
    text: String,
}

/// Writes the files, or with `--check` fails when one of them would change.
pub(crate) fn run(project: &Project, flags: Chart) -> Result<()> {
    let Chart { check } = flags;
    let folder = project.root().join("charts/wallarm-sidecar");
    for Generated { name, text } in generate(&folder)? {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|current| current == text) {
            continue;
        }
        if check {
            bail!("{} is not current: run cargo xtask chart", project.relative(&path));
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("chart: wrote {}", project.relative(&path));
    }
    println!("chart: schema and table of values are current");
    Ok(())
}

fn generate(folder: &Path) -> Result<Vec<Generated>> {
    let read =
        |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("reading {name} of the chart"));
    let values = Values::parse(&read("values.yaml")?)?;
    Ok(vec![
        Generated {
            name: "values.schema.json",
            text: schema::of(&values)?,
        },
        Generated {
            name: "README.md",
            text: table::replace(&read("README.md")?, &values)?,
        },
    ])
}
