//! `cargo xtask playground`: the engine in a web page, on this machine only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tiny_http::{Header, Request, Response, Server};
use xshell::cmd;

use crate::flags::Playground;
use crate::process::fresh_folder;
use crate::project::Project;
use crate::setup;

/// Builds the page and, unless only checking, serves it until Ctrl-C.
pub(crate) fn run(project: &Project, flags: Playground) -> Result<()> {
    let Playground { port, check } = flags;
    setup::ensure(project)?;
    let site = build(project)?;
    if check {
        println!("playground: built in {}", project.relative(&site));
        return Ok(());
    }
    let server = Server::http(("127.0.0.1", port))
        .map_err(|error| anyhow!("port {port}: {error}; choose another with --port"))?;
    println!("playground: http://127.0.0.1:{port}/ (Ctrl-C to stop)");
    for request in server.incoming_requests() {
        // A browser that went away is no reason to stop.
        let _ = answer(&site, request);
    }
    Ok(())
}

/// Compiles the crate and puts page and module into one folder.
fn build(project: &Project) -> Result<PathBuf> {
    let shell = project.shell()?;
    // The builder reads from a section that stripping takes away which features of Wasm the module uses.
    let keep = "profile.wasm.strip='debuginfo'";
    cmd!(
        shell,
        "cargo build --locked --config {keep} -p waf-playground --profile wasm --target wasm32-unknown-unknown"
    )
    .run()?;
    let module = project.target().join("wasm32-unknown-unknown/wasm/waf_playground.wasm");
    let site = project.target().join("playground");
    fresh_folder(&site)?;
    let pkg = site.join("pkg");
    // This program once more, with the builder compiled in.
    cmd!(
        shell,
        "cargo run --locked --quiet -p xtask --features page-builder -- build-page {module} {pkg}"
    )
    .run()?;
    copy_files(&project.root().join("wasm-filter/playground/www"), &site)?;
    Ok(site)
}

/// Writes the script that a page imports and the module that the script loads.
#[cfg(feature = "page-builder")]
pub(crate) fn build_page(module: &Path, folder: &Path) -> Result<()> {
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .web(true)?
        .omit_default_module_path(false)
        .typescript(false)
        .generate(folder)
        .with_context(|| format!("joining {} and its page", module.display()))
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn answer(site: &Path, request: Request) -> Result<()> {
    let Some((path, content_type)) = file_for(request.url()) else {
        return Ok(request.respond(Response::empty(404))?);
    };
    match fs::read(site.join(path)) {
        Ok(bytes) => {
            let header = Header::from_bytes("Content-Type", content_type).map_err(|()| anyhow!("bad content type"))?;
            Ok(request.respond(Response::from_data(bytes).with_header(header))?)
        }
        Err(_) => Ok(request.respond(Response::empty(404))?),
    }
}

/// The file behind a URL and its type. Only plain names of known types: nothing outside the folder can be asked for.
fn file_for(url: &str) -> Option<(&str, &'static str)> {
    let path = url.split('?').next()?.strip_prefix('/')?;
    let path = if path.is_empty() { "index.html" } else { path };
    let is_plain = path.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    let content_type = match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => return None,
    };
    is_plain.then_some((path, content_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_page_are_served() {
        let check = |url: &str, expected: Option<&str>| assert_eq!(file_for(url).map(|(path, _)| path), expected);
        check("/", Some("index.html"));
        check("/pkg/waf_playground_bg.wasm?v=1", Some("pkg/waf_playground_bg.wasm"));
        check("/../Cargo.toml", None);
        check("/..%2fpage.html", None);
        check("//etc/x.html", None);
        check("/.git/x.json", None);
        check("/pkg", None);
    }
}
