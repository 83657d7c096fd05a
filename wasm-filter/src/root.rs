//! The life of a configuration: parse, check, put into force, keep the last good one; and the reporter's clock.

use std::rc::Rc;

use waf_engine::{Engine, Settings};
use waf_policy::FilterConfig;

use crate::{
    host::{CallToken, GrpcTarget, Host, LogLevel},
    http::Stream,
    metrics::Counter,
    report::TICK,
    vm::{Plugin, Vm},
};

/// A root context: one configuration of the plugin in one VM.
#[derive(Debug)]
pub struct Root<H: Host> {
    vm: Rc<Vm<H>>,
    plugin: Option<Rc<Plugin>>,
}

impl<H: Host> Root<H> {
    /// A root context that has no configuration yet.
    pub fn new(vm: Rc<Vm<H>>) -> Root<H> {
        Root { vm, plugin: None }
    }

    /// Reads the plugin configuration. False refuses it: Envoy then keeps what it had, and so do we.
    pub fn configure(&mut self) -> bool {
        match self.load() {
            Ok(plugin) => {
                self.plugin = Some(Rc::new(plugin));
                true
            }
            Err(reason) => {
                self.vm.metrics.add(&self.vm.host, Counter::ConfigRejected, 1);
                self.vm.host.log(LogLevel::Error, &format!("wallarm: {reason}"));
                false
            }
        }
    }

    fn load(&self) -> Result<Plugin, String> {
        let host = &self.vm.host;
        let json = host
            .plugin_configuration()
            .map_err(|status| format!("cannot read the plugin configuration: {status}"))?;
        let (config, unknown) = FilterConfig::from_json(&json).map_err(|error| error.to_string())?;
        let target = match config.postanalytics_cluster.as_str() {
            "" => None,
            name => Some(GrpcTarget::cluster(name).ok_or_else(|| {
                format!(
                    "plugin configuration, key postanalytics_cluster: the name is longer than {} bytes",
                    GrpcTarget::MAX_NAME_BYTES
                )
            })?),
        };
        host.set_tick_period(TICK)
            .map_err(|status| format!("cannot set the tick period: {status}"))?;
        if !unknown.is_empty() {
            let keys = unknown.join(", ");
            host.log(
                LogLevel::Warn,
                &format!("wallarm: plugin configuration has keys that this version ignores: {keys}"),
            );
        }
        let node = match config.node.as_str() {
            "" => host
                .property(&["xds", "node", "id"])
                .map(|id| String::from_utf8_lossy(&id).into_owned())
                .unwrap_or_default(),
            name => name.to_owned(),
        };
        self.vm.with_reporter(|reporter, _, _| reporter.configure(target, node));
        let engine = Engine::new(Settings::from(&config));
        Ok(Plugin { config, engine })
    }

    /// Time to send what waits.
    pub fn tick(&self) {
        self.vm
            .with_reporter(|reporter, host, metrics| reporter.tick(host, metrics));
    }

    /// A gRPC call has ended; 0 is success.
    pub fn grpc_answer(&self, token: CallToken, grpc_status: u32) {
        self.vm
            .with_reporter(|reporter, host, metrics| reporter.answer(token, grpc_status, host, metrics));
    }

    /// A new request under this configuration.
    pub fn new_stream(&self) -> Stream<H> {
        Stream::new(Rc::clone(&self.vm), self.plugin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::{Status, fake::FakeHost},
        http::Flow,
    };

    fn root(json: &str) -> Root<FakeHost> {
        let vm = Vm::new(FakeHost::default());
        *vm.host.configuration.borrow_mut() = json.as_bytes().to_vec();
        Root::new(vm)
    }

    #[test]
    fn bad_configuration_is_refused_with_one_line_and_the_old_one_stays() {
        let mut root = root(r#"{"mode":"block"}"#);
        assert!(root.configure());
        *root.vm.host.configuration.borrow_mut() = br#"{"mode":"blocking"}"#.to_vec();
        assert!(!root.configure());
        assert_eq!(root.plugin.as_ref().unwrap().config.mode, waf_policy::Mode::Block);
        assert_eq!(
            *root.vm.host.lines.borrow(),
            [(
                LogLevel::Error,
                r#"wallarm: plugin configuration, key mode: mode "blocking" is not one of off, monitoring, safe_blocking, block"#
                    .to_owned()
            )]
        );
        assert_eq!(root.vm.host.counter("wallarm_config_rejected_total"), 1);
    }

    #[test]
    fn hopeless_cluster_name_is_refused() {
        let name = "x".repeat(126);
        assert!(!root(&format!(r#"{{"postanalytics_cluster":"{name}"}}"#)).configure());
    }

    #[test]
    fn unknown_keys_are_named_once() {
        let mut root = root(r#"{"a":1,"b":2}"#);
        assert!(root.configure());
        assert_eq!(
            *root.vm.host.lines.borrow(),
            [(
                LogLevel::Warn,
                "wallarm: plugin configuration has keys that this version ignores: a, b".to_owned()
            )]
        );
    }

    #[test]
    fn host_failures_refuse_the_configuration() {
        let mut root = root("{}");
        for status in 1..=13 {
            root.vm.host.failure.set(Some(Status(status)));
            assert!(!root.configure());
            root.tick();
        }
    }

    #[test]
    fn stream_without_configuration_is_harmless() {
        let root = root("not json");
        let mut stream = root.new_stream();
        stream.log();
        assert_eq!(stream.request_headers(false), Flow::Continue);
        assert_eq!(stream.request_body(10, true), Flow::Continue);
        assert_eq!(stream.request_trailers(), Flow::Continue);
        stream.response_headers();
        stream.log();
        assert_eq!(root.vm.host.counter("wallarm_requests_total"), 0);
    }
}
