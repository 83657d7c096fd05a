//! `cargo xtask images`: the three container images, with Docker or Podman.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::flags::Images;
use crate::project::Project;

/// Name of each image, as the chart has it, and the folder of its Dockerfile.
const IMAGES: [(&str, &str); 3] = [("proxy", "envoy"), ("injector", "injector"), ("analytics", "analytics")];

/// Programs that build images, the first that answers is taken.
const ENGINES: [&str; 2] = ["docker", "podman"];

pub(crate) fn run(project: &Project, flags: Images) -> Result<()> {
    let Images {
        registry,
        platform,
        push,
    } = flags;
    let engine = ENGINES.into_iter().find(|engine| answers(engine)).with_context(|| {
        format!(
            "no engine to build images with: neither {} is installed and running",
            ENGINES.join(" nor ")
        )
    })?;
    for (name, folder) in IMAGES {
        let tag = tag(registry.as_deref(), name);
        println!("images: {engine} builds {tag}");
        let run = |arguments: Vec<OsString>| {
            let status = Command::new(engine)
                .args(arguments)
                .current_dir(project.root())
                .status();
            let status = status.with_context(|| format!("starting {engine}"))?;
            ensure!(status.success(), "{engine} failed for {tag} ({status})");
            Ok(())
        };
        run(build(folder, &tag, platform.as_deref()))?;
        if push {
            run(vec!["push".into(), tag.clone().into()])?;
        }
    }
    Ok(())
}

/// Whether an engine is there and does not only wait for a service that is away.
fn answers(engine: &str) -> bool {
    let status = Command::new(engine)
        .arg("info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn tag(registry: Option<&str>, name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match registry {
        Some(registry) => format!("{}/wallarm-sidecar/{name}:{version}", registry.trim_end_matches('/')),
        None => format!("wallarm-sidecar/{name}:{version}"),
    }
}

fn build(folder: &str, tag: &str, platform: Option<&str>) -> Vec<OsString> {
    let mut arguments = vec!["build", "--file"]
        .into_iter()
        .map(OsString::from)
        .collect::<Vec<_>>();
    arguments.push(format!("{folder}/Dockerfile").into());
    arguments.extend(["--tag".into(), tag.into()]);
    if let Some(platform) = platform {
        arguments.extend(["--platform".into(), platform.into()]);
    }
    arguments.push(".".into());
    arguments
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn tags_are_those_of_the_chart() {
        let project = Project::find().unwrap();
        let values = fs::read_to_string(project.root().join("charts/wallarm-sidecar/values.yaml")).unwrap();
        let chart = fs::read_to_string(project.root().join("charts/wallarm-sidecar/Chart.yaml")).unwrap();
        for (name, folder) in IMAGES {
            let tag = tag(None, name);
            let (image, version) = tag.split_once(':').unwrap();
            assert!(values.contains(&format!("image: {image}\n")), "{image}");
            assert!(chart.contains(&format!("appVersion: {version}\n")), "{version}");
            let dockerfile = fs::read_to_string(project.root().join(folder).join("Dockerfile")).unwrap();
            // A number, so that a kubelet can check that it is not root.
            let user = dockerfile.lines().rev().find_map(|line| line.strip_prefix("USER "));
            let is_nonroot = user == Some("65532:65532") || dockerfile.contains("distroless/cc-debian12:nonroot\n");
            assert!(is_nonroot, "{folder}: {user:?}");
        }
        assert_eq!(
            tag(Some("registry.example/team/"), "proxy"),
            "registry.example/team/wallarm-sidecar/proxy:0.1.0"
        );
    }

    #[test]
    fn platform_is_passed_on() {
        let arguments = build("envoy", "a:1", Some("linux/arm64"));
        let expected = [
            "build",
            "--file",
            "envoy/Dockerfile",
            "--tag",
            "a:1",
            "--platform",
            "linux/arm64",
            ".",
        ];
        assert_eq!(arguments, expected.map(OsString::from));
    }
}
