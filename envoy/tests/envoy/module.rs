//! A WebAssembly module that does nothing, small enough to be written by hand.

/// Follows proxy-wasm ABI 0.2.1, lets every request pass, and refuses configurations of [`CONFIG_LIMIT_BYTES`] or more.
///
/// ```wat
/// (module
///   (memory (export "memory") 2)
///   (func (export "proxy_abi_version_0_2_1"))
///   (func (export "malloc") (param i32) (result i32) i32.const 1024)
///   (func (export "proxy_on_configure") (param i32 i32) (result i32) local.get 1  i32.const 4096  i32.lt_u))
/// ```
pub(crate) fn module() -> Vec<u8> {
    let types = [
        &[3][..],
        &[0x60, 0, 0],
        &[0x60, 1, 0x7f, 1, 0x7f],
        &[0x60, 2, 0x7f, 0x7f, 1, 0x7f],
    ]
    .concat();
    let export = |name: &str, kind: u8| [&[name.len() as u8], name.as_bytes(), &[kind >> 4, kind & 15]].concat();
    let exports = [
        vec![4],
        export("memory", 0x20),
        export("proxy_abi_version_0_2_1", 0x00),
        export("malloc", 0x01),
        export("proxy_on_configure", 0x02),
    ]
    .concat();
    let code = [
        &[3][..],
        &[2, 0, 0x0b],
        &[5, 0, 0x41, 0x80, 0x08, 0x0b],
        &[8, 0, 0x20, 1, 0x41, 0x80, 0x20, 0x49, 0x0b],
    ]
    .concat();
    let section = |id: u8, body: &[u8]| [&[id, body.len() as u8], body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(3, &[3, 0, 1, 2]),
        section(5, &[1, 0, 2]),
        section(7, &exports),
        section(10, &code),
    ]
    .concat()
}

/// Length of the shortest configuration that the module refuses.
pub(crate) const CONFIG_LIMIT_BYTES: usize = 4096;
