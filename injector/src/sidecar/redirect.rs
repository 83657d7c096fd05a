//! The init container that redirects the application's ports to the sidecar.

use k8s_openapi::api::core::v1::{Container, SecurityContext};

use super::{container, hardened, mount, value_env};
use crate::{
    names::{IPTABLES, RUN_VOLUME},
    plan::Plan,
    settings::Settings,
};

/// Redirects new connections to the application's ports, for both families. Only what arrives from outside the pod
/// passes this chain; connections over loopback, such as the sidecar's own, do not. Running it twice changes nothing.
///
/// `nft` where kernel and image have it, `iptables` on top of nftables otherwise, and the older `iptables-legacy` at
/// last. IPv6 may be missing only where no address of the pod is reachable from elsewhere.
const SCRIPT: &str = r#"set -u
rules() {
  for pair in $REDIRECTS; do
    echo "tcp dport ${pair%%:*} redirect to :${pair##*:}"
  done
}
native() {
  command -v nft >/dev/null || return 1
  printf 'add table %s wallarm_sidecar\ndelete table %s wallarm_sidecar\ntable %s wallarm_sidecar {\nchain prerouting {\ntype nat hook prerouting priority -100;\n%s\n}\n}\n' \
    "$1" "$1" "$1" "$(rules)" | nft -f -
}
xtables() {
  command -v "$1" >/dev/null || return 1
  for pair in $REDIRECTS; do
    rule="PREROUTING -p tcp --dport ${pair%%:*} -j REDIRECT --to-ports ${pair##*:}"
    "$1" -w -t nat -C $rule 2>/dev/null || "$1" -w -t nat -A $rule || return 1
  done
}
redirect() {
  native "$1" || xtables "$2" || xtables "$2-legacy"
}
redirect ip iptables || exit 1
reach=none
if [ -e /proc/net/if_inet6 ]; then
  while read -r address index length scope flags name; do
    if [ "$name" != lo ] && [ "$reach" != global ]; then
      if [ "$scope" = 00 ]; then reach=global; else reach=link; fi
    fi
  done </proc/net/if_inet6
fi
if [ "$reach" != none ]; then
  redirect ip6 ip6tables || [ "$reach" = link ] || exit 1
fi
"#;

/// The only container with a capability. It ends when the rules are there.
pub(super) fn container_of(plan: &Plan, settings: &Settings) -> Container {
    let pairs = plan.sidecar.ingresses();
    let pairs = pairs.map(|ingress| format!("{}:{}", ingress.app.port(), ingress.port));
    let run_dir = &plan.sidecar.paths.run_dir;
    Container {
        name: IPTABLES.to_owned(),
        command: Some(["/bin/sh", "-c", SCRIPT].map(str::to_owned).into()),
        env: Some(vec![
            value_env("REDIRECTS", pairs.collect::<Vec<_>>().join(" ")),
            // The root file system is read-only.
            value_env("XTABLES_LOCKFILE", format!("{run_dir}/xtables.lock")),
        ]),
        volume_mounts: Some(vec![mount(RUN_VOLUME, run_dir, None)]),
        security_context: Some(SecurityContext {
            run_as_user: Some(0),
            run_as_group: Some(0),
            run_as_non_root: Some(false),
            ..hardened(Some(vec!["NET_ADMIN".to_owned(), "NET_RAW".to_owned()]))
        }),
        ..container(&plan.image, &plan.iptables_resources, settings)
    }
}
