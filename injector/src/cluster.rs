//! What the cluster can do that a pod does not say.

/// Minor version of Kubernetes 1 that runs native sidecars (init containers with `restartPolicy: Always`) without a
/// feature gate. Source: <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>.
const NATIVE_SIDECARS_SINCE: (u32, u32) = (1, 29);

/// The cluster that pods are admitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Whether init containers with `restartPolicy: Always` run along with the application. Older versions ignore the
    /// field and would wait for the sidecar to end before the application starts.
    pub native_sidecars: bool,
}

impl Cluster {
    /// The cluster whose API server says that it has this version, as in `GET /version`.
    ///
    /// Vendors append to the numbers (`29+`); only the leading digits count. Without any, the version is taken for the
    /// newest.
    pub fn of_version(major: &str, minor: &str) -> Cluster {
        let number = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..end].parse().ok()
        };
        match number(major).zip(number(minor)) {
            Some(version) => Cluster {
                native_sidecars: version >= NATIVE_SIDECARS_SINCE,
            },
            None => Cluster::default(),
        }
    }
}

impl Default for Cluster {
    /// A cluster of a version that is still maintained.
    fn default() -> Self {
        Cluster { native_sidecars: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_decide() {
        for (major, minor, native) in [
            ("1", "28", false),
            ("1", "28+", false),
            ("1", "29", true),
            ("1", "29+", true),
            ("1", "137", true),
            ("2", "0", true),
            ("0", "99", false),
            ("", "", true),
            ("1", "next", true),
            ("1", "99999999999", true),
        ] {
            assert_eq!(
                Cluster::of_version(major, minor).native_sidecars,
                native,
                "{major}.{minor}"
            );
        }
    }
}
