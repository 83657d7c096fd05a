//! Writes what fuzzing begins with: one file per case and kind of target, below the folder given.
//!
//! `value/` has values after one byte that selects the place, `message/` whole requests as text: method and target, headers,
//! an empty line, the body.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result};
use waf_cases::{PLACES, Request};

fn main() -> Result<()> {
    let folder = env::args_os()
        .nth(1)
        .context("missing argument: folder for the seeds")?;
    let folder = Path::new(&folder);
    for kind in ["value", "message"] {
        fs::create_dir_all(folder.join(kind))?;
    }
    for (position, case) in waf_cases::load()?.iter().enumerate() {
        let name = format!("{}-{}", case.file, case.name);
        if let Some(value) = &case.value {
            let place = u8::try_from(position % 12)?;
            fs::write(
                folder.join("value").join(&name),
                [&[place][..], value.as_bytes()].concat(),
            )?;
            for place in PLACES {
                let request = waf_cases::place(value, place)?;
                fs::write(
                    folder.join("message").join(format!("{name}-{place}")),
                    message(&request),
                )?;
            }
        }
        fs::write(folder.join("message").join(&name), message(&case.request()?))?;
    }
    Ok(())
}

fn message(request: &Request) -> Vec<u8> {
    let Request {
        method,
        target,
        headers,
        body,
    } = request;
    let mut message = format!("{method} {target}\n");
    for (name, value) in headers {
        message += &format!("{name}: {value}\n");
    }
    message.push('\n');
    [message.as_bytes(), body].concat()
}
