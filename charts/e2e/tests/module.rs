//! The module as a file. Its size and its imports are checked where it is built.

use e2e::module::Module;

#[test]
fn shipped_module_cannot_be_made_to_trap() -> anyhow::Result<()> {
    let contains = |module: Module, needle: &[u8]| -> anyhow::Result<bool> {
        Ok(module.bytes()?.windows(needle.len()).any(|window| window == needle))
    };
    assert!(contains(Module::Trapping, b"x-wallarm-test-trap")?);
    assert!(!contains(Module::Shipped, b"x-wallarm-test-trap")?);
    Ok(())
}
