//! The committed code is what the `.proto` files generate. `UPDATE_EXPECT=1` writes it anew.

use std::{env, fs, path::Path};

#[test]
fn generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protos = ["waf/v1/hit.proto", "waf/v1/report.proto", "waf/v1/query.proto"];
    let descriptors = protox::compile(protos, [root.join("proto")]).expect("the .proto files compile");
    let out = tempfile::tempdir().expect("a temporary folder");
    let descriptor_file = out.path().join("descriptor.bin");
    tonic_prost_build::configure()
        .out_dir(out.path())
        .file_descriptor_set_path(&descriptor_file)
        .codec_path("crate::codec::BoundedCodec")
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .compile_fds(descriptors.clone())
        .expect("code is generated");
    fs::write(&descriptor_file, prost::Message::encode_to_vec(&descriptors)).expect("descriptor is written");

    let committed = root.join("src/gen");
    for file in ["waf.v1.rs", "descriptor.bin"] {
        let (new, old) = (
            fs::read(out.path().join(file)).unwrap(),
            fs::read(committed.join(file)).unwrap_or_default(),
        );
        if new == old {
            continue;
        }
        assert!(
            env::var_os("UPDATE_EXPECT").is_some(),
            "src/gen/{file} is stale; run the test with UPDATE_EXPECT=1"
        );
        fs::write(committed.join(file), new).unwrap();
    }
}
