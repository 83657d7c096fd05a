//! What the engine has to say about a request.

use std::{fmt, ops::Range};

use waf_policy::AttackType;

use crate::{
    RawSpan,
    detect::Stamp,
    point::{Element, PointPath},
};

/// One value that carries enough signs of one attack type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The attack type.
    pub attack_type: AttackType,
    /// Where the value stands.
    pub point: PointPath,
    /// Decoders between the raw bytes and the value, outermost first. They are part of `point` as well.
    pub decoders: Vec<Element>,
    /// Every sign that counted, strongest first.
    pub stamps: Vec<&'static Stamp>,
    /// The strongest sign with some context, as decoded; at most [`Finding::MAX_PAYLOAD_BYTES`].
    pub payload: Vec<u8>,
    /// Where in the decoded value the strongest sign stands, in bytes.
    pub span: Range<usize>,
    /// Where in the raw request the value comes from.
    pub raw: RawSpan,
    /// Sum of weights.
    pub weight: u32,
}

impl Finding {
    /// Longest payload kept, in bytes.
    pub const MAX_PAYLOAD_BYTES: usize = 256;

    /// The reason in one sentence, from the strongest sign.
    pub fn reason(&self) -> &'static str {
        self.stamps.first().map_or("", |stamp| stamp.reason)
    }
}

/// All findings of one attack type in one request: what is reported.
#[derive(Clone, Debug)]
pub struct Hit<'v> {
    /// The attack type.
    pub attack_type: AttackType,
    /// The findings, strongest first; never empty.
    pub findings: Vec<&'v Finding>,
}

/// Limits that a request ran into. Each is shown in the verdict and counted by a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitFlags {
    /// The body was longer than what is inspected.
    pub body: bool,
    /// More points than are inspected.
    pub points: bool,
    /// Values nested deeper than is decoded.
    pub depth: bool,
    /// Decoders produced more bytes than allowed.
    pub decoded_bytes: bool,
    /// Entities or compressed content had more to give than is expanded.
    pub expansion: bool,
    /// The allowance of work was used up.
    pub fuel: bool,
}

impl LimitFlags {
    /// Names of the limits that were reached.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let LimitFlags {
            body,
            points,
            depth,
            decoded_bytes,
            expansion,
            fuel,
        } = self;
        [
            (body, "body"),
            (points, "points"),
            (depth, "depth"),
            (decoded_bytes, "decoded_bytes"),
            (expansion, "expansion"),
            (fuel, "fuel"),
        ]
        .into_iter()
        .filter_map(|(reached, name)| reached.then_some(name))
    }

    /// Whether any limit was reached.
    pub fn any(self) -> bool {
        self != LimitFlags::default()
    }
}

/// What was found in a request so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Findings in order of discovery; at most [`Verdict::MAX_FINDINGS`], and one per type and point.
    pub findings: Vec<Finding>,
    /// Limits that were reached.
    pub limits: LimitFlags,
    /// What GraphQL documents there were.
    pub gql: GqlSummary,
}

/// The GraphQL documents of a request, counted for limits on them. Maxima are over documents.
///
/// Source: Wallarm documentation, "GraphQL API Protection".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GqlSummary {
    /// Documents, as in a batch.
    pub n_documents: usize,
    /// Longest document, in bytes.
    pub max_document_bytes: usize,
    /// Deepest nesting of selections; 1 without any.
    pub max_depth: usize,
    /// Most aliases.
    pub max_aliases: usize,
    /// Longest string, in bytes.
    pub max_value_bytes: usize,
    /// Whether the schema is asked for.
    pub is_introspection: bool,
}

impl Verdict {
    /// Most findings kept of one request.
    pub const MAX_FINDINGS: usize = 32;

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The attack mask of access logs: one bit per attack type.
    pub fn attack_mask(&self) -> u64 {
        self.findings
            .iter()
            .fold(0, |mask, finding| mask | finding.attack_type.mask())
    }

    /// One hit per attack type, in order of type number.
    pub fn hits(&self) -> Vec<Hit<'_>> {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for finding in &self.findings {
            match hits.iter_mut().find(|hit| hit.attack_type == finding.attack_type) {
                Some(hit) => hit.findings.push(finding),
                None => hits.push(Hit {
                    attack_type: finding.attack_type,
                    findings: vec![finding],
                }),
            }
        }
        hits.sort_by_key(|hit| hit.attack_type);
        for hit in &mut hits {
            hit.findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        }
        hits
    }
}

impl fmt::Display for Verdict {
    /// One line per finding, for tests and people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let payload = String::from_utf8_lossy(&finding.payload);
            writeln!(
                f,
                "{} {} {:?} from {}: {}",
                finding.attack_type,
                finding.point,
                payload,
                finding.raw,
                finding.reason()
            )?;
        }
        for limit in self.limits.names() {
            writeln!(f, "limit {limit}")?;
        }
        Ok(())
    }
}
