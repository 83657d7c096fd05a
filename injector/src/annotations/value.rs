//! How values are written: one function per kind of value.

use std::{collections::BTreeSet, num::NonZeroU16, str::FromStr};

use envoy::Compression;
use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use waf_policy::{Application, Parser, ParserSet};

use crate::settings::{Concurrency, Quantity};

/// Most application ports of one pod.
pub(super) const MAX_PORTS: usize = 8;

/// A value that cannot be used.
#[derive(Debug)]
pub(super) enum Reject {
    /// What is allowed says everything.
    NotAllowed,
    /// With a reason.
    Because(String),
}

/// Warnings about a value that can be used.
pub(super) type Taken = Result<Vec<String>, Reject>;

pub(super) fn any<T: FromStr>(value: &str) -> Result<T, Reject> {
    value.parse().map_err(|_| Reject::NotAllowed)
}

/// `true` and `false`, in any case.
pub(super) fn flag(value: &str) -> Result<bool, Reject> {
    any(&value.to_ascii_lowercase())
}

pub(super) fn on_off(value: &str) -> Result<bool, Reject> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Reject::NotAllowed),
    }
}

pub(super) fn application(value: &str) -> Result<Application, Reject> {
    any::<i32>(value)?.try_into().map_err(|_| Reject::NotAllowed)
}

/// Ports with commas between them, none of them twice.
pub(super) fn ports(value: &str) -> Result<Vec<NonZeroU16>, Reject> {
    let ports = value
        .split(',')
        .map(|port| any(port.trim()))
        .collect::<Result<Vec<_>, _>>()?;
    if ports.len() > MAX_PORTS {
        return Err(Reject::Because(format!("these are {} ports", ports.len())));
    }
    match ports.iter().collect::<BTreeSet<_>>().len() == ports.len() {
        true => Ok(ports),
        false => Err(Reject::Because("a port stands there twice".to_owned())),
    }
}

/// A path that can be matched as it stands.
pub(super) fn path(value: &str) -> Result<String, Reject> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    match value.len() <= 128 && value.starts_with('/') && value.bytes().all(is_plain) {
        true => Ok(value.to_owned()),
        false => Err(Reject::NotAllowed),
    }
}

pub(super) fn image(value: &str) -> Result<String, Reject> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._:@".contains(&byte);
    match (1..=512).contains(&value.len()) && value.bytes().all(is_plain) {
        true => Ok(value.to_owned()),
        false => Err(Reject::NotAllowed),
    }
}

pub(super) fn name(value: &str) -> Result<String, Reject> {
    match value.is_empty() || value.len() > 253 {
        true => Err(Reject::NotAllowed),
        false => Ok(value.to_owned()),
    }
}

pub(super) fn quantity(value: &str) -> Result<Quantity, Reject> {
    serde_json::from_value(Value::from(value)).map_err(|_| Reject::NotAllowed)
}

pub(super) fn concurrency(value: &str) -> Result<Concurrency, Reject> {
    value.parse().map_err(|_| Reject::NotAllowed)
}

/// A number and a unit of NGINX.
pub(super) fn duration(value: &str) -> Result<(), Reject> {
    let number = ["ms", "s", "m", "h"].iter().find_map(|unit| value.strip_suffix(unit));
    match number.is_some_and(|number| number.parse::<u32>().is_ok()) {
        true => Ok(()),
        false => Err(Reject::NotAllowed),
    }
}

pub(super) fn parsers(value: &str) -> Result<ParserSet, Reject> {
    let names = value.split(';').map(str::trim).filter(|name| !name.is_empty());
    let parsers = names.map(|name| {
        name.parse::<Parser>()
            .map_err(|error| Reject::Because(error.to_string()))
    });
    parsers.collect()
}

/// A list of objects, or an object whose keys are their names.
fn objects<T: DeserializeOwned>(value: &str) -> Result<Vec<Value>, Reject> {
    let because = |error: serde_json::Error| Reject::Because(error.to_string());
    let named = |(name, mut object): (String, Value)| {
        if let Some(members) = object.as_object_mut() {
            members.entry("name").or_insert(Value::String(name));
        }
        object
    };
    let items: Vec<Value> = match serde_json::from_str(value).map_err(because)? {
        Value::Array(items) => items,
        Value::Object(members) => members.into_iter().map(named).collect(),
        _ => return Err(Reject::NotAllowed),
    };
    for item in &items {
        serde_json::from_value::<T>(item.clone()).map_err(because)?;
        if item["name"].as_str().is_none_or(str::is_empty) {
            return Err(Reject::Because("an item has no name".to_owned()));
        }
    }
    Ok(items)
}

pub(super) fn volumes(value: &str) -> Result<Vec<Value>, Reject> {
    objects::<Volume>(value)
}

pub(super) fn mounts(value: &str) -> Result<Vec<VolumeMount>, Reject> {
    let mounts = objects::<VolumeMount>(value)?.into_iter().map(serde_json::from_value);
    let mounts: Vec<VolumeMount> = mounts
        .collect::<Result<_, _>>()
        .map_err(|error| Reject::Because(error.to_string()))?;
    match mounts.iter().all(|mount| mount.mount_path.starts_with('/')) {
        true => Ok(mounts),
        false => Err(Reject::Because("a mountPath is not absolute".to_owned())),
    }
}

/// A piece of Envoy configuration in YAML or JSON.
pub(super) fn fragment<T: DeserializeOwned>(value: &str) -> Result<T, Reject> {
    let because = |reason: String| Reject::Because(reason);
    let members: Map<String, Value> = serde_norway::from_str(value).map_err(|error| because(error.to_string()))?;
    serde_path_to_error::deserialize(Value::Object(members)).map_err(|error| because(error.to_string()))
}

/// A list of texts in the manner of YAML: `['a', 'b']`. A single text stands for a list of one.
pub(super) fn texts(value: &str) -> Result<Vec<String>, Reject> {
    let list = serde_norway::from_str::<Vec<String>>(value);
    list.or_else(|_| serde_norway::from_str(value).map(|text: String| vec![text]))
        .map_err(|_| Reject::NotAllowed)
}

/// Files that NGINX would include.
pub(super) fn includes(value: &str) -> Result<Vec<String>, Reject> {
    let files = texts(value)?;
    match files.iter().all(|file| file.starts_with('/')) {
        true => Ok(files),
        false => Err(Reject::Because("a path is not absolute".to_owned())),
    }
}

/// Modules of NGINX that have no Envoy equivalent here. They are named, not refused: a pod without them still works.
const MODULES_WITHOUT_EQUIVALENT: [&str; 7] = [
    "brotli_static",
    "geoip2",
    "auth_digest",
    "influxdb",
    "modsecurity",
    "opentracing",
    "gzip_static",
];

pub(super) fn extra_filters(value: &str) -> Result<(Vec<Compression>, Vec<String>), Reject> {
    let (mut compressions, mut warnings) = (Vec::new(), Vec::new());
    for name in texts(value)? {
        match name.as_str() {
            "brotli" | "brotli_filter" => compressions.push(Compression::Brotli),
            "gzip" => compressions.push(Compression::Gzip),
            name if MODULES_WITHOUT_EQUIVALENT.contains(&name) => {
                warnings.push(format!(
                    "{name} is a module of NGINX that Envoy has no equivalent of; it has no effect"
                ));
            }
            _ => return Err(Reject::NotAllowed),
        }
    }
    compressions.dedup();
    Ok((compressions, warnings))
}

/// Block pages, with semicolons between them.
///
/// Source: Wallarm documentation, "Configuration of the blocking page and error code".
pub(super) fn block_page(value: &str) -> Result<(), Reject> {
    for page in value.split(';').map(str::trim).filter(|page| !page.is_empty()) {
        let because = |reason: &str| Reject::Because(format!("{page:?} {reason}"));
        let mut words = page.split_whitespace();
        let target = words.next().unwrap_or_default();
        let is_file = target.starts_with("&/") && (target.ends_with(".html") || target.ends_with(".htm"));
        let is_variable = target.len() > 2 && target.starts_with("&$");
        let is_redirect = target.starts_with('/') || (target.len() > 1 && target.starts_with('@'));
        if !is_file && !is_variable && !is_redirect {
            return Err(because("begins neither with &/FILE.html, &$VARIABLE, /URL nor @NAME"));
        }
        for word in words {
            match word.split_once('=') {
                Some(("response_code", code)) if !is_redirect => match code.parse::<u16>() {
                    Ok(200..=599) => {}
                    _ => return Err(because("has a response_code that is not from 200 to 599")),
                },
                Some(("type", types)) => {
                    if !types
                        .split(',')
                        .all(|name| ["attack", "acl_ip", "acl_source"].contains(&name))
                    {
                        return Err(because("has a type that is not attack, acl_ip or acl_source"));
                    }
                }
                _ => return Err(because("has a parameter other than response_code and type")),
            }
        }
    }
    Ok(())
}
