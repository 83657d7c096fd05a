//! What a request costs: `cargo bench -p waf-engine [-- NAME]`. Prints one line per request and stage; NAME keeps those
//! whose names contain it.
//!
//! Budgets (docs of the design): a browser's GET at most 10 µs, a JSON body at most 1 µs per leaf value, all native.

#![allow(clippy::print_stdout)]

use std::{hint::black_box, time::Instant};

use waf_engine::{
    Body, Engine, Inspection, Request, Scratch, Settings,
    detect::{self, Fuel, Place, Signs, Value},
    prefilter::Classes,
};

const USER_AGENT: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

const SENTENCE: &[u8] = b"The quick brown fox jumps over the lazy dog, then rests under an old tree until morning. ";

const BROWSER: &[(&[u8], &[u8])] = &[
    (b"host", b"shop.example.com"),
    (b"user-agent", USER_AGENT),
    (
        b"accept",
        b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    ),
    (b"accept-language", b"en-US,en;q=0.9,de;q=0.8"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"cache-control", b"max-age=0"),
    (
        b"sec-ch-ua",
        b"\"Not/A)Brand\";v=\"8\", \"Chromium\";v=\"126\", \"Google Chrome\";v=\"126\"",
    ),
    (b"sec-ch-ua-mobile", b"?0"),
    (b"sec-ch-ua-platform", b"\"Windows\""),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
    (b"sec-fetch-user", b"?1"),
    (b"upgrade-insecure-requests", b"1"),
    (
        b"referer",
        b"https://shop.example.com/catalogue/shoes?page=2&sort=price",
    ),
    (
        b"cookie",
        b"session=7f3c9a2be1d84b1c9a55; _ga=GA1.2.1034567890.1718000000; theme=dark; consent=%7B%22ads%22%3Afalse%7D",
    ),
    (b"x-request-id", b"550e8400-e29b-41d4-a716-446655440000"),
];

fn main() {
    let engine = Engine::new(Settings::default());
    let json = |n_records: usize| {
        let record = |n: usize| {
            format!(
                r#"{{"id":{n},"sku":"AB-{n:05}","name":"Walking shoe, size {}","price":79.9,"in_stock":true}}"#,
                36 + n % 12
            )
        };
        let records: Vec<String> = (0..n_records).map(record).collect();
        format!(
            r#"{{"cart":"c-1001","currency":"EUR","items":[{}]}}"#,
            records.join(",")
        )
    };
    let (json_small, json_large) = (json(11), json(115));
    let form = "name=Ada+Lovelace&email=ada%40example.com&street=12+St+James+Square&city=London&zip=SW1Y+4JH&\
                message=Please+leave+the+parcel+with+the+neighbour%2C+thank+you.&newsletter=yes";
    let text = SENTENCE.repeat(720);

    println!("{:<34} {:>10} {:>10} {:>10}", "request", "bytes", "ns", "MB/s");
    request(
        &engine,
        "GET from a browser",
        b"GET",
        BROWSER,
        b"/catalogue/shoes/item-1042.html?color=dark+blue&size=42&ref=home",
        b"",
    );
    request(
        &engine,
        "GET from a program",
        b"GET",
        &[(b"host", b"a"), (b"accept", b"*/*")],
        b"/healthz",
        b"",
    );
    let api: &[(&[u8], &[u8])] = &[(b"host", b"api.example.com"), (b"content-type", b"application/json")];
    request(
        &engine,
        "JSON, 57 leaf values",
        b"POST",
        api,
        b"/cart",
        json_small.as_bytes(),
    );
    request(
        &engine,
        "JSON, 577 leaf values",
        b"POST",
        api,
        b"/cart",
        json_large.as_bytes(),
    );
    let forms: &[(&[u8], &[u8])] = &[(b"content-type", b"application/x-www-form-urlencoded")];
    request(&engine, "form, 7 fields", b"POST", forms, b"/address", form.as_bytes());
    request(
        &engine,
        "text, 64 KB",
        b"POST",
        &[(b"content-type", b"text/plain")],
        b"/notes",
        &text,
    );
    request(
        &engine,
        "attack in a query",
        b"GET",
        BROWSER,
        b"/item?id=1%27%20union%20select%20password%20from%20users--%20",
        b"",
    );

    println!("\n{:<34} {:>10} {:>10} {:>10}", "stage", "bytes", "ns", "MB/s");
    let values: &[(&str, &[u8], Place)] = &[
        ("word", b"blue", Place::Query),
        ("sentence", SENTENCE, Place::Query),
        ("user agent", USER_AGENT, Place::UserAgent),
        ("text, 64 KB", &text, Place::RawBody),
    ];
    for (name, bytes, place) in values {
        let title = format!("classes of {name}");
        let ns = measure(&title, || {
            black_box(Classes::of(black_box(bytes)));
        });
        line(&title, bytes.len(), ns);
        let value = Value { bytes, place: *place };
        let (mut ptrav, mut rce) = (detect::ptrav::Scratch::default(), detect::rce::Scratch::default());
        let (mut sqli, mut xss) = (detect::sqli::Scratch::default(), detect::xss::Scratch::default());
        let mut signs = Signs::default();
        let mut detector = |detector: &str, scan: &mut dyn FnMut(&mut Fuel, &mut Signs)| {
            let title = format!("{detector} on {name}");
            let ns = measure(&title, || {
                signs.clear();
                scan(&mut Fuel::new(u64::MAX), &mut signs);
            });
            line(&title, bytes.len(), ns);
        };
        detector("ptrav", &mut |fuel, signs| {
            detect::ptrav::scan(&value, &mut ptrav, fuel, signs)
        });
        detector("rce", &mut |fuel, signs| {
            detect::rce::scan(&value, &mut rce, fuel, signs)
        });
        detector("sqli", &mut |fuel, signs| {
            detect::sqli::scan(&value, &mut sqli, fuel, signs)
        });
        detector("xss", &mut |fuel, signs| {
            detect::xss::scan(&value, &mut xss, fuel, signs)
        });
    }
}

fn request(engine: &Engine, name: &str, method: &[u8], headers: &[(&[u8], &[u8])], target: &[u8], body: &[u8]) {
    let request = Request {
        method,
        scheme: b"https",
        authority: b"shop.example.com",
        target,
        headers,
    };
    let body = Body {
        bytes: body,
        is_complete: true,
    };
    let mut scratch = Scratch::default();
    let ns = measure(name, || {
        let mut inspection = Inspection::default();
        engine.inspect_head(black_box(&request), &mut scratch, &mut inspection);
        engine.inspect_body(black_box(body), &mut scratch, &mut inspection);
        black_box(inspection.verdict().is_clean());
    });
    let n_head: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    line(name, n_head + target.len() + body.bytes.len(), ns);
}

/// Nanoseconds per call: the fastest of several batches, so that other work on the machine does not count.
fn measure(name: &str, mut call: impl FnMut()) -> Option<f64> {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return None;
    }
    const BATCHES: u32 = 15;
    let started = Instant::now();
    let mut n_calls = 0u32;
    while started.elapsed().as_millis() < 20 {
        call();
        n_calls += 1;
    }
    let mut fastest = f64::INFINITY;
    for _ in 0..BATCHES {
        let started = Instant::now();
        for _ in 0..n_calls.div_ceil(4) {
            call();
        }
        fastest = fastest.min(started.elapsed().as_nanos() as f64 / f64::from(n_calls.div_ceil(4)));
    }
    Some(fastest)
}

fn line(name: &str, n_bytes: usize, ns: Option<f64>) {
    let Some(ns) = ns else { return };
    println!(
        "{name:<34} {n_bytes:>10} {ns:>10.0} {:>10.0}",
        n_bytes as f64 * 1e3 / ns
    );
}
