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
    cmd!(
        shell,
        "cargo build --locked -p waf-playground --profile wasm --target wasm32-unknown-unknown"
    )
    .run()?;
    let bindgen = wasm_bindgen(project)?;
    let module = project.target().join("wasm32-unknown-unknown/wasm/waf_playground.wasm");
    let site = project.target().join("playground");
    fresh_folder(&site)?;
    let pkg = site.join("pkg");
    cmd!(shell, "{bindgen} --target web --no-typescript --out-dir {pkg} {module}").run()?;
    copy_files(&project.root().join("wasm-filter/playground/www"), &site)?;
    Ok(site)
}

/// The wasm-bindgen program of exactly the library's version: the two speak a private format.
fn wasm_bindgen(project: &Project) -> Result<PathBuf> {
    let lock = fs::read_to_string(project.root().join("Cargo.lock"))?;
    let version = locked_version(&lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")?;
    let root = project.tools().join(format!("wasm-bindgen-{version}"));
    let program = root.join("bin/wasm-bindgen");
    if !program.is_file() {
        println!("setup: cargo install wasm-bindgen-cli {version} (joins module and page; takes some minutes, once)");
        let shell = project.shell()?;
        // Not --locked: its list pins versions that a registry may lack, and any compatible ones will do.
        cmd!(
            shell,
            "cargo install --quiet wasm-bindgen-cli --version {version} --root {root}"
        )
        .quiet()
        .run()
        .context("installing wasm-bindgen-cli")?;
    }
    Ok(program)
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let lock = lock.parse::<toml::Table>().ok()?;
    lock.get("package")?
        .as_array()?
        .iter()
        .find(|entry| entry.get("name").and_then(toml::Value::as_str) == Some(package))?
        .get("version")?
        .as_str()
        .map(str::to_owned)
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

    #[test]
    fn version_comes_from_the_lock_file() {
        let lock = "[[package]]\nname = 'a'\nversion = '1.2.3'\n[[package]]\nname = 'b'\nversion = '2.0.0'\n";
        assert_eq!(locked_version(lock, "b").as_deref(), Some("2.0.0"));
        assert_eq!(locked_version(lock, "c"), None);
    }
}
