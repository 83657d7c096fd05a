//! The same requests through the engine natively and through the compiled module in Envoy; whole verdicts are compared.
//!
//! In monitoring mode the module reports every finding of a request: point, payload, stamps, span and decoders, and limits.
//! The engine promises the same for the same bytes wherever it runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use anyhow::{Context, ensure};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, Verdict, point::Key};
use waf_policy::{FilterConfig, Mode};
use waf_proto::v1::{Hit, point_element};

use crate::{
    app::App,
    client::http1::Connection,
    collector::Collector,
    proxy::{Proxy, Setup},
};

/// A request as clients send it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Tells it from others, for people.
    pub name: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: Vec<u8>,
    /// Names and values; `Host` and `Content-Length` are added.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
}

/// What came of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Requests that reached both engines.
    pub n_compared: usize,
    /// Of these, requests with findings.
    pub n_found: usize,
    /// Requests that cannot be sent, or that Envoy refused before the module saw them, because they are no HTTP.
    pub refused: Vec<String>,
    /// Requests that were judged differently, with both verdicts.
    pub differences: Vec<String>,
}

/// Requests between two looks at the reports. The module keeps 256 KiB of them, many times what these can need.
const AT_A_TIME: usize = 64;

const AUTHORITY: &str = "shop.example";

/// Sends all messages and compares.
///
/// # Errors
///
/// Parts that cannot be started, and reports that do not arrive. A difference is no error.
pub async fn compare(messages: &[Message]) -> anyhow::Result<Comparison> {
    let app = App::start().await?;
    let collector = Collector::start((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let config = FilterConfig {
        mode: Mode::Monitoring,
        ..FilterConfig::default()
    };
    let proxy = Proxy::start(Setup {
        postanalytics: collector.address(),
        ..Setup::new(app.address(), config.clone())
    })
    .await?;
    let engine = Engine::new(Settings::from(&config));
    let mut scratch = Scratch::default();
    let mut comparison = Comparison::default();
    for (position, messages) in messages.chunks(AT_A_TIME).enumerate() {
        let mut native = Vec::new();
        for (n, message) in messages.iter().enumerate() {
            if !message.is_http() {
                comparison.refused.push(message.name.clone());
                continue;
            }
            let id = format!("{position}-{n}");
            // Envoy closes the connection of a request that it refuses.
            let mut connection = proxy.connect().await?;
            if send(&mut connection, message, &id).await? == 400 {
                comparison.refused.push(message.name.clone());
                continue;
            }
            // Envoy removes a `Referer` that it cannot read as a URL, so the module may not have seen it.
            let verdicts =
                [true, false].map(|has_referer| of_verdict(&inspect(&engine, &mut scratch, message, &id, has_referer)));
            native.push((message, id, verdicts));
        }
        // Hits arrive in order, so those before this one have arrived when it has.
        let last = format!("/last-of-{position}");
        proxy
            .connect()
            .await?
            .get(&format!("{last}?q=../../../../etc/passwd"))
            .await?;
        collector.wait_for(&last, 1).await.with_context(|| proxy.log())?;
        let mut reported: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for hit in collector.hits() {
            reported.entry(hit.request_id.clone()).or_default().extend(of_hit(&hit));
        }
        for (message, id, [native, without_referer]) in native {
            let mut reported = reported.remove(&id).unwrap_or_default();
            reported.sort();
            comparison.n_compared += 1;
            comparison.n_found += usize::from(!native.is_empty());
            if reported != native && reported != without_referer {
                let mut text = format!("{}\n", message.name);
                for (engine, lines) in [("native", &native), ("module", &reported)] {
                    for line in lines {
                        let _ = writeln!(text, "  {engine}: {line}");
                    }
                }
                comparison.differences.push(text);
            }
        }
    }
    let n_dropped = proxy.stat("wasmcustom.wallarm_report_hits_dropped_total").await?;
    ensure!(
        n_dropped == 0,
        "{n_dropped} hits were dropped, so that nothing can be said"
    );
    Ok(comparison)
}

impl Message {
    /// Whether a client can send it: a line break in a field makes it two.
    fn is_http(&self) -> bool {
        let fields = self.headers.iter().flat_map(|(name, value)| [name, value]);
        let mut bytes = fields.chain([&self.target]).flatten();
        !bytes.any(|b| matches!(b, b'\r' | b'\n' | 0))
    }
}

async fn send(connection: &mut Connection, message: &Message, id: &str) -> anyhow::Result<u16> {
    let mut bytes = [
        message.method.as_bytes(),
        b" ",
        &message.target,
        b" HTTP/1.1\r\nhost: ",
        AUTHORITY.as_bytes(),
    ]
    .concat();
    bytes.extend(format!("\r\nx-request-id: {id}\r\n").bytes());
    for (name, value) in &message.headers {
        bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    if !message.body.is_empty() {
        bytes.extend(format!("content-length: {}\r\n", message.body.len()).bytes());
    }
    bytes.extend([b"\r\n", message.body.as_slice()].concat());
    connection.send(bytes).await?;
    let response = connection.response().await;
    Ok(response.with_context(|| message.name.clone())?.status)
}

fn inspect(engine: &Engine, scratch: &mut Scratch, message: &Message, id: &str, has_referer: bool) -> Verdict {
    // As Envoy hands them over: names in lower case, values without blanks around them.
    let names: Vec<Vec<u8>> = message
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let values = message.headers.iter().map(|(_, value)| value.trim_ascii());
    let mut headers: Vec<(&[u8], &[u8])> = names.iter().map(Vec::as_slice).zip(values).collect();
    headers.retain(|(name, _)| has_referer || *name != b"referer");
    headers.push((b"x-request-id", id.as_bytes()));
    let request = Request {
        method: message.method.as_bytes(),
        scheme: b"http",
        authority: AUTHORITY.as_bytes(),
        target: &message.target,
        headers: &headers,
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&request, scratch, &mut inspection);
    let body = Body {
        bytes: &message.body,
        is_complete: true,
    };
    engine.inspect_body(body, scratch, &mut inspection);
    inspection.verdict().clone()
}

/// One line per finding, in an order of its own.
fn of_verdict(verdict: &Verdict) -> Vec<String> {
    let limits: Vec<&str> = verdict.limits.names().collect();
    let mut lines = Vec::new();
    for hit in verdict.hits() {
        for finding in hit.findings {
            let point = finding.point.0.iter().map(|(element, key)| {
                let key = match key {
                    Key::None => String::new(),
                    Key::Name(name) => name.escape_ascii().to_string(),
                    Key::Index(index) => index.to_string(),
                };
                (element.as_str().to_owned(), key)
            });
            let stamps: Vec<u32> = finding.stamps.iter().map(|stamp| stamp.id).collect();
            let decoders: Vec<String> = finding
                .decoders
                .iter()
                .map(|decoder| decoder.as_str().to_owned())
                .collect();
            let span = (finding.span.start as u32, finding.span.end as u32);
            let attack_type = hit.attack_type.to_string();
            lines.push(line(
                &attack_type,
                &point.collect::<Vec<_>>(),
                &decoders,
                &stamps,
                span,
                &finding.payload,
                &limits,
            ));
        }
    }
    lines.sort();
    lines
}

fn of_hit(hit: &Hit) -> Vec<String> {
    let limits: Vec<&str> = hit.limits.iter().map(String::as_str).collect();
    let lines = hit.findings.iter().map(|finding| {
        let point = finding.point.iter().map(|element| {
            let key = match &element.key {
                None => String::new(),
                Some(point_element::Key::Name(name)) => name.escape_ascii().to_string(),
                Some(point_element::Key::Index(index)) => index.to_string(),
            };
            (element.element.clone(), key)
        });
        let span = (finding.span_start, finding.span_end);
        let point = point.collect::<Vec<_>>();
        line(
            &hit.attack_type,
            &point,
            &finding.decoders,
            &finding.stamps,
            span,
            &finding.payload,
            &limits,
        )
    });
    lines.collect()
}

fn line(
    attack_type: &str,
    point: &[(String, String)],
    decoders: &[String],
    stamps: &[u32],
    span: (u32, u32),
    payload: &[u8],
    limits: &[&str],
) -> String {
    let payload = payload.escape_ascii();
    format!("{attack_type} at {point:?} by {decoders:?}: {stamps:?} {span:?} \"{payload}\" limits {limits:?}")
}
