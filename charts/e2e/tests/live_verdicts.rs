//! The module judges as the engine does natively: every case of the corpus, and every value of it in another place.

use e2e::verdicts::{Message, compare};
use waf_cases::PLACES;

fn message(name: String, request: waf_cases::Request) -> Message {
    let headers = request.headers.into_iter();
    Message {
        name,
        method: request.method,
        target: request.target.into_bytes(),
        headers: headers
            .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
            .collect(),
        body: request.body,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_module_judges_as_the_engine_does_natively() -> anyhow::Result<()> {
    let mut messages = Vec::new();
    for (position, case) in waf_cases::load()?.iter().enumerate() {
        messages.push(message(case.to_string(), case.request()?));
        if let Some(value) = &case.value {
            let place = PLACES[position % PLACES.len()];
            messages.push(message(format!("{case} in {place}"), waf_cases::place(value, place)?));
        }
    }
    let comparison = compare(&messages).await?;
    assert!(
        comparison.differences.is_empty(),
        "{} of {} requests:\n{}",
        comparison.differences.len(),
        comparison.n_compared,
        comparison.differences.concat()
    );
    // Line breaks in header fields and the like never reach the module.
    assert!(
        comparison.refused.len() * 20 < messages.len(),
        "refused by Envoy: {:?}",
        comparison.refused
    );
    assert!(
        comparison.n_found * 3 > comparison.n_compared,
        "{} found",
        comparison.n_found
    );
    Ok(())
}
