//! The documents, byte for byte, and Envoy's own opinion of each.

use expect_test::expect_file;

use crate::{process::Deployment, scenarios};

fn pretty(json: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(json).unwrap();
    format!("{document:#}\n")
}

#[test]
fn documents_are_as_committed() {
    for (name, sidecar) in scenarios() {
        expect_file![format!("../golden/{name}/bootstrap.json")]
            .assert_eq(&pretty(&envoy::bootstrap(&sidecar).to_json()));
        for filter in envoy::filter_configs(&sidecar) {
            expect_file![format!("../golden/{name}/{}", filter.file)].assert_eq(&pretty(&filter.to_json()));
        }
        for certificate in envoy::tls_resources(&sidecar) {
            expect_file![format!("../golden/{name}/{}", certificate.file)].assert_eq(&pretty(&certificate.to_json()));
        }
    }
}

#[test]
fn envoy_accepts_every_document() {
    for (name, sidecar) in scenarios() {
        let deployment = Deployment::new(sidecar);
        let (ok, output) = deployment.validate();
        assert!(ok, "{name}:\n{output}");
    }
}

#[test]
fn validation_can_fail() {
    let mut deployment = Deployment::new(envoy::Sidecar::default());
    deployment.edit_bootstrap(|text| text.replace("original_ip_detection_extensions", "original_ip_detection"));
    let (ok, output) = deployment.validate();
    assert!(!ok && output.contains("original_ip_detection"), "{output}");
}
