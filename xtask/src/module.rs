//! The proxy-wasm modules: how they are built, how large ours may be, and what it may ask of its host.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{Parser, Payload};

use crate::project::Project;

/// Largest module, in bytes. Envoy compiles 1 MB in 1.2 to 2.1 CPU-seconds at every start of a pod.
const MAX_MODULE_BYTES: u64 = 1_500_000;

/// What the module may import: module and name.
///
/// The proxy-wasm functions are those that its Rust SDK links in, used or not. Of WASI there is only what the standard
/// library needs to start, to seed a hash map and to end; above all no clock, no file and no socket. Anything else is a
/// host call that nobody decided on, and a proxy that lacks it refuses to load the module.
const ALLOWED_IMPORTS: [(&str, &[&str]); 2] = [
    (
        "env",
        &[
            "proxy_add_header_map_value",
            "proxy_call_foreign_function",
            "proxy_close_stream",
            "proxy_continue_stream",
            "proxy_define_metric",
            "proxy_dequeue_shared_queue",
            "proxy_done",
            "proxy_enqueue_shared_queue",
            "proxy_get_buffer_bytes",
            "proxy_get_current_time_nanoseconds",
            "proxy_get_header_map_pairs",
            "proxy_get_header_map_value",
            "proxy_get_property",
            "proxy_get_shared_data",
            "proxy_get_status",
            "proxy_grpc_call",
            "proxy_grpc_cancel",
            "proxy_grpc_close",
            "proxy_grpc_send",
            "proxy_grpc_stream",
            "proxy_http_call",
            "proxy_increment_metric",
            "proxy_log",
            "proxy_register_shared_queue",
            "proxy_remove_header_map_value",
            "proxy_replace_header_map_value",
            "proxy_resolve_shared_queue",
            "proxy_send_local_response",
            "proxy_set_buffer_bytes",
            "proxy_set_effective_context",
            "proxy_set_header_map_pairs",
            "proxy_set_property",
            "proxy_set_shared_data",
            "proxy_set_tick_period_milliseconds",
        ],
    ),
    (
        "wasi_snapshot_preview1",
        &[
            "environ_get",
            "environ_sizes_get",
            "fd_write",
            "proc_exit",
            "random_get",
        ],
    ),
];

/// Builds a module as it is shipped.
pub(crate) fn build(project: &Project, package: &str) -> Result<()> {
    let status = Command::new("cargo")
        .args([
            "build",
            "--locked",
            "--profile",
            "wasm",
            "--target",
            "wasm32-wasip1",
            "-p",
        ])
        .arg(package)
        .current_dir(project.root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "building {package} failed ({status})");
    Ok(())
}

/// Checks size and imports of our module.
pub(crate) fn check(project: &Project) -> Result<()> {
    let path = project.wasm_module();
    let bytes = fs::read(&path).with_context(|| format!("reading {}", project.relative(&path)))?;
    let imports = imports(&bytes)?;
    println!(
        "module: {} bytes of at most {MAX_MODULE_BYTES}, {} imports",
        bytes.len(),
        imports.len()
    );
    ensure!(
        bytes.len() as u64 <= MAX_MODULE_BYTES,
        "the module has {} bytes, more than {MAX_MODULE_BYTES}",
        bytes.len()
    );
    let foreign = foreign(&imports);
    if !foreign.is_empty() {
        bail!(
            "the module imports what the allow-list in xtask does not name: {}",
            foreign.join(", ")
        );
    }
    Ok(())
}

fn imports(module: &[u8]) -> Result<Vec<(String, String)>> {
    let mut imports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                let import = import?;
                imports.push((import.module.to_owned(), import.name.to_owned()));
            }
        }
    }
    Ok(imports)
}

fn foreign(imports: &[(String, String)]) -> Vec<String> {
    imports
        .iter()
        .filter(|(module, name)| {
            !ALLOWED_IMPORTS
                .iter()
                .any(|(allowed, names)| allowed == module && names.contains(&name.as_str()))
        })
        .map(|(module, name)| format!("{module}.{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with one imported function of type `() -> ()`.
    fn module(module: &str, name: &str) -> Vec<u8> {
        let mut import = vec![1, u8::try_from(module.len()).unwrap()];
        import.extend(module.bytes());
        import.push(u8::try_from(name.len()).unwrap());
        import.extend(name.bytes());
        import.extend([0, 0]);
        let mut wasm = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02".to_vec();
        wasm.push(u8::try_from(import.len()).unwrap());
        wasm.extend(import);
        wasm
    }

    fn check_import(from: &str, name: &str, is_foreign: bool) {
        let imports = imports(&module(from, name)).unwrap();
        assert_eq!(imports, [(from.to_owned(), name.to_owned())]);
        assert_eq!(!foreign(&imports).is_empty(), is_foreign, "{from}.{name}");
    }

    #[test]
    fn only_listed_imports_are_allowed() {
        check_import("env", "proxy_log", false);
        check_import("wasi_snapshot_preview1", "fd_write", false);
        check_import("wasi_snapshot_preview1", "clock_time_get", true);
        check_import("wasi_snapshot_preview1", "path_open", true);
        check_import("wasi_snapshot_preview1", "proxy_log", true);
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(imports(b"no module").is_err());
    }
}
