//! What is sent.

use std::fmt::Write as _;

/// A kind of request, all of them clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A page, with the header fields of a browser.
    Get,
    /// An API call of 1 KB with 38 leaf values.
    Json1Kb,
    /// An API call of 10 KB with 395 leaf values.
    Json10Kb,
}

impl Workload {
    pub(crate) const ALL: [Workload; 3] = [Workload::Get, Workload::Json1Kb, Workload::Json10Kb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::Get => "GET",
            Workload::Json1Kb => "POST 1 KB JSON",
            Workload::Json10Kb => "POST 10 KB JSON",
        }
    }

    /// Most CPU per request, as a multiple of the empty filter's.
    pub(crate) fn cpu_budget(self) -> f64 {
        match self {
            Workload::Get => 1.25,
            Workload::Json1Kb => 1.5,
            Workload::Json10Kb => 2.5,
        }
    }

    /// The whole request.
    pub(crate) fn request(self) -> Vec<u8> {
        let (start, body) = match self {
            Workload::Get => ("GET /catalog/shoes?page=2&sort=price&color=dark+blue", String::new()),
            Workload::Json1Kb => ("POST /api/orders", json(38, 1024)),
            Workload::Json10Kb => ("POST /api/orders", json(395, 10 * 1024)),
        };
        let mut request = format!(
            "{start} HTTP/1.1\r\n\
             host: shop.example.com\r\n\
             user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
             accept-language: en-US,en;q=0.5\r\n\
             accept-encoding: gzip, deflate, br\r\n\
             referer: https://shop.example.com/catalog/shoes?page=1\r\n\
             cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=light; cart=3\r\n\
             sec-fetch-dest: document\r\n\
             sec-fetch-mode: navigate\r\n\
             sec-fetch-site: same-origin\r\n"
        );
        if !body.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(
                request,
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
        }
        request.push_str("\r\n");
        request.push_str(&body);
        request.into_bytes()
    }
}

/// An order with this many leaf values, filled up to about this many bytes.
fn json(n_leaves: usize, n_bytes: usize) -> String {
    let value = |i: usize| match i % 5 {
        0 => i.to_string(),
        1 => format!("\"item {i} of the order\""),
        2 => format!("{}.{:02}", i * 3, i % 100),
        3 => i.is_multiple_of(2).to_string(),
        _ => format!("\"2026-03-{:02}T10:00:00Z\"", 1 + i % 28),
    };
    let mut body = String::from("{\"items\":[");
    for i in 0..n_leaves - 1 {
        if i > 0 {
            body.push(',');
        }
        let _ = write!(body, "{{\"k{i}\":{}}}", value(i));
    }
    body.push_str("],\"note\":\"");
    let text = "please leave the parcel at the front door and ring twice ";
    body.extend(text.chars().cycle().take(n_bytes.saturating_sub(body.len() + 2)));
    body.push_str("\"}");
    body
}
