use proptest::prelude::*;
use prost::Message;
use waf_engine::{Engine, Settings};
use waf_policy::{FilterConfig, Limits};
use waf_proto::v1::{self, ReportHitsRequest};

use super::*;
use crate::host::{GrpcTarget, Status, fake::FakeHost};

const ATTACK: &[u8] = b"/view?file=../../../../etc/passwd";
const FORM_ATTACK: &[u8] = b"a=1&file=../../../../etc/passwd";
const FORM: (&[u8], &[u8]) = (b"content-type", b"application/x-www-form-urlencoded");

struct Bench {
    vm: Rc<Vm<FakeHost>>,
    stream: Stream<FakeHost>,
}

impl Bench {
    fn new(mode: Mode, hold_headers: bool) -> Bench {
        let limits = Limits {
            max_body_bytes: 1000,
            ..Limits::default()
        };
        let config = FilterConfig {
            mode,
            hold_headers,
            limits,
            ..FilterConfig::default()
        };
        let vm = Vm::new(FakeHost::default());
        vm.with_reporter(|reporter, _, _| reporter.configure(GrpcTarget::cluster("c"), String::new()));
        vm.host
            .properties
            .borrow_mut()
            .insert("source.address".to_owned(), b"[2001:db8::7]:4711".to_vec());
        let engine = Engine::new(Settings::from(&config));
        let plugin = Some(Rc::new(Plugin { config, engine }));
        let stream = Stream::new(Rc::clone(&vm), plugin);
        Bench { vm, stream }
    }

    fn head(&mut self, target: &[u8], fields: &[(&[u8], &[u8])], end_of_stream: bool) -> Flow {
        let mut pairs: Vec<(&[u8], &[u8])> = vec![
            (b":method", b"POST"),
            (b":authority", b"shop"),
            (b":path", target),
            (b"x-request-id", b"id-1"),
        ];
        pairs.extend(fields);
        self.vm.host.set_headers(&pairs);
        self.stream.request_headers(end_of_stream)
    }

    /// The host holds this much of the body now.
    fn held(&mut self, body: &[u8], end_of_stream: bool) -> Flow {
        *self.vm.host.body.borrow_mut() = body.to_vec();
        self.stream.request_body(body.len(), end_of_stream)
    }

    fn response(&mut self, status: u32) {
        self.vm.host.status.set(status);
        let code = u64::from(status).to_le_bytes().to_vec();
        self.vm
            .host
            .properties
            .borrow_mut()
            .insert("response.code".to_owned(), code);
        self.stream.response_headers();
    }

    fn end(mut self) -> Vec<v1::Hit> {
        self.stream.log();
        self.vm
            .with_reporter(|reporter, host, metrics| reporter.tick(host, metrics));
        drop(self.stream);
        assert_eq!(self.vm.held_bytes(), 0);
        let calls = self.vm.host.calls.borrow();
        let call = calls.first();
        call.map_or_else(Vec::new, |call| {
            ReportHitsRequest::decode(call.message.as_slice()).unwrap().hits
        })
    }

    fn n_replies(&self) -> usize {
        self.vm.host.replies.borrow().len()
    }

    fn log_field(&self) -> Option<String> {
        self.vm.host.text_property("wallarm")
    }
}

#[test]
fn attack_in_the_head_is_blocked_at_once() {
    let mut bench = Bench::new(Mode::Block, true);
    assert_eq!(bench.head(ATTACK, &[], false), Flow::Pause);
    assert_eq!(bench.n_replies(), 1);
    let reply = bench.vm.host.replies.borrow()[0].clone();
    assert_eq!((reply.status, reply.details), (403, "wallarm_block"));
    assert!(reply.body.contains("id-1"));
    assert!(
        bench
            .log_field()
            .unwrap()
            .starts_with("blocked ptrav [\"get\",\"file\"")
    );
    assert_eq!(bench.vm.host.header_fetches.get(), 1);

    // Our own reply passes the response phases; what is left of the request does not change anything.
    assert_eq!(bench.held(b"more", true), Flow::Pause);
    bench.response(403);
    let vm = Rc::clone(&bench.vm);
    let hits = bench.end();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].attack_type, "ptrav");
    assert_eq!(hits[0].action(), v1::Action::Blocked);
    assert_eq!(hits[0].remote_addr, "2001:db8::7");
    assert_eq!(
        (hits[0].method.as_slice(), hits[0].host.as_slice()),
        (&b"POST"[..], &b"shop"[..])
    );
    assert_eq!(
        (hits[0].path.as_slice(), hits[0].request_id.as_str()),
        (&b"/view"[..], "id-1")
    );
    assert_eq!((hits[0].response_status, hits[0].mode.as_str()), (403, "block"));
    assert_eq!(vm.host.counter("wallarm_requests_total"), 1);
    assert_eq!(vm.host.counter("wallarm_requests_blocked_total"), 1);
    assert_eq!(vm.host.counter("wallarm_hits_total.type=ptrav.action=blocked"), 1);
    assert_eq!(vm.host.counter("wallarm_verdicts_late_total"), 0);
}

#[test]
fn monitoring_never_pauses_and_records() {
    let mut bench = Bench::new(Mode::Monitoring, true);
    assert_eq!(bench.head(ATTACK, &[FORM], false), Flow::Continue);
    assert_eq!(bench.held(&FORM_ATTACK[..10], false), Flow::Continue);
    assert_eq!(bench.held(&FORM_ATTACK[10..], true), Flow::Continue);
    bench.response(200);
    assert_eq!(bench.n_replies(), 0);
    let hits = bench.end();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].action(), v1::Action::Monitored);
    assert_eq!(hits[0].response_status, 200);
    assert_eq!(hits[0].findings.len(), 2, "{hits:?}");
}

#[test]
fn off_fetches_nothing() {
    let mut bench = Bench::new(Mode::Off, true);
    assert_eq!(bench.head(ATTACK, &[], false), Flow::Continue);
    assert_eq!(bench.held(FORM_ATTACK, true), Flow::Continue);
    assert_eq!(bench.vm.host.header_fetches.get(), 0);
    assert!(bench.end().is_empty());
}

#[test]
fn clean_request_leaves_no_trace() {
    let mut bench = Bench::new(Mode::Block, true);
    assert_eq!(bench.head(b"/", &[], true), Flow::Continue);
    bench.response(200);
    assert_eq!((bench.log_field(), bench.n_replies()), (None, 0));
    assert!(bench.end().is_empty());
}

#[test]
fn held_body_is_judged_at_its_end() {
    for (body, expected) in [
        (&b"a=1&file=readme.txt"[..], Flow::Continue),
        (FORM_ATTACK, Flow::Pause),
    ] {
        let mut bench = Bench::new(Mode::Block, true);
        assert_eq!(bench.head(b"/", &[FORM], false), Flow::Pause);
        assert_eq!(bench.held(&body[..5], false), Flow::Pause);
        assert_eq!(bench.held(body, false), Flow::Pause);
        assert_eq!(bench.held(body, true), expected);
        assert_eq!(bench.n_replies(), usize::from(expected == Flow::Pause));
        assert_eq!(bench.vm.host.counter("wallarm_verdicts_late_total"), 0);
    }
}

#[test]
fn trailers_end_a_body() {
    let mut bench = Bench::new(Mode::Block, true);
    bench.head(b"/", &[FORM], false);
    assert_eq!(bench.held(FORM_ATTACK, false), Flow::Pause);
    assert_eq!(bench.stream.request_trailers(), Flow::Pause);
    assert_eq!(bench.n_replies(), 1);

    let mut bench = Bench::new(Mode::Monitoring, true);
    bench.head(b"/", &[FORM], false);
    assert_eq!(bench.held(FORM_ATTACK, false), Flow::Continue);
    assert_eq!(bench.stream.request_trailers(), Flow::Continue);
    assert_eq!(bench.end().len(), 1);
}

#[test]
fn large_body_is_judged_by_its_first_part_and_flows_on() {
    let mut clean = b"a=".to_vec();
    clean.resize(1500, b'x');
    let mut bench = Bench::new(Mode::Block, true);
    bench.head(b"/", &[FORM], false);
    assert_eq!(bench.held(&clean[..900], false), Flow::Pause);
    assert_eq!(bench.held(&clean, false), Flow::Continue);
    assert_eq!(bench.held(FORM_ATTACK, true), Flow::Continue);
    assert_eq!(bench.log_field().unwrap(), "pass limits=body");
    let vm = Rc::clone(&bench.vm);
    assert!(bench.end().is_empty());
    assert_eq!(vm.host.counter("wallarm_limits_reached_total.reason=body"), 1);

    let attack = [FORM_ATTACK, b"&a=", &clean].concat();
    let mut bench = Bench::new(Mode::Block, true);
    bench.head(b"/", &[FORM], false);
    assert_eq!(bench.held(&attack, false), Flow::Pause);
    assert_eq!(bench.n_replies(), 1);
}

#[test]
fn compatible_mode_blocks_late_and_says_so() {
    let mut bench = Bench::new(Mode::Block, false);
    assert_eq!(bench.head(b"/", &[FORM], false), Flow::Continue);
    assert_eq!(bench.held(&FORM_ATTACK[..10], false), Flow::Continue);
    assert_eq!(bench.held(&FORM_ATTACK[10..], false), Flow::Continue);
    assert_eq!(bench.held(b"", true), Flow::Pause);
    assert_eq!(bench.n_replies(), 1);
    assert!(bench.log_field().unwrap().ends_with(" late"));
    let vm = Rc::clone(&bench.vm);
    assert_eq!(bench.end()[0].action(), v1::Action::Blocked);
    assert_eq!(vm.host.counter("wallarm_verdicts_late_total"), 1);
}

#[test]
fn compatible_mode_judges_with_the_last_byte_when_the_length_is_known() {
    let length = FORM_ATTACK.len().to_string();
    let mut bench = Bench::new(Mode::Block, false);
    bench.head(b"/", &[FORM, (b"content-length", length.as_bytes())], false);
    assert_eq!(bench.held(FORM_ATTACK, false), Flow::Pause);
    assert_eq!(bench.n_replies(), 1);
}

#[test]
fn response_that_has_begun_is_not_cut() {
    let mut bench = Bench::new(Mode::Block, false);
    bench.head(b"/", &[FORM], false);
    bench.held(&FORM_ATTACK[..20], false);
    bench.response(200);
    assert_eq!(bench.held(&FORM_ATTACK[20..], true), Flow::Continue);
    assert_eq!(bench.n_replies(), 0);
    assert!(bench.log_field().unwrap().starts_with("monitored") && bench.log_field().unwrap().ends_with("late"));
    assert_eq!(bench.end()[0].action(), v1::Action::Monitored);
}

#[test]
fn body_that_never_ends_is_judged_when_the_request_does() {
    let mut bench = Bench::new(Mode::Monitoring, true);
    bench.head(b"/", &[FORM], false);
    bench.held(FORM_ATTACK, false);
    let hits = bench.end();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].limits, ["body"]);
}

#[test]
fn websocket_is_never_paused_and_not_inspected_after_101() {
    let upgrade: [(&[u8], &[u8]); 2] = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")];
    let mut bench = Bench::new(Mode::Block, true);
    assert_eq!(bench.head(b"/ws", &upgrade, false), Flow::Continue);
    assert_eq!(bench.held(b"", false), Flow::Continue);
    bench.response(101);
    assert_eq!(bench.held(FORM_ATTACK, false), Flow::Continue);
    assert!(bench.end().is_empty());

    // Who only pretends to upgrade is judged like everybody else.
    let mut bench = Bench::new(Mode::Block, true);
    let length = FORM_ATTACK.len().to_string();
    let fields = [
        upgrade[0],
        upgrade[1],
        FORM,
        (&b"content-length"[..], length.as_bytes()),
    ];
    bench.head(b"/", &fields, false);
    assert_eq!(bench.held(FORM_ATTACK, false), Flow::Pause);
    assert_eq!(bench.n_replies(), 1);
}

#[test]
fn grpc_flows() {
    let mut bench = Bench::new(Mode::Block, true);
    let fields: [(&[u8], &[u8]); 1] = [(b"content-type", b"application/grpc")];
    assert_eq!(bench.head(b"/pkg.Service/Call", &fields, false), Flow::Continue);
    for _ in 0..10 {
        assert_eq!(bench.held(b"\0\0\0\0\x02\x08\x01", false), Flow::Continue);
    }
    assert_eq!(bench.stream.request_trailers(), Flow::Continue);
}

#[test]
fn many_slow_uploads_share_one_allowance() {
    let mut bench = Bench::new(Mode::Monitoring, true);
    let mut greedy = Held::new(Rc::clone(&bench.vm));
    assert_eq!(greedy.take(usize::MAX), crate::vm::MAX_HELD_BYTES);
    bench.head(ATTACK, &[FORM], false);
    assert_eq!(bench.held(FORM_ATTACK, true), Flow::Continue);
    drop(greedy);
    let hits = bench.end();
    assert_eq!((hits.len(), hits[0].path.as_slice()), (1, &b""[..]));
    assert_eq!(hits[0].limits, ["body"]);
}

#[test]
fn reply_that_the_host_refuses_lets_the_request_pass_and_is_counted() {
    let mut bench = Bench::new(Mode::Block, true);
    bench.head(b"/", &[FORM], false);
    *bench.vm.host.body.borrow_mut() = FORM_ATTACK.to_vec();
    bench.vm.host.failure.set(Some(Status::INTERNAL_FAILURE));
    assert_eq!(bench.stream.request_body(FORM_ATTACK.len(), true), Flow::Continue);
    bench.vm.host.failure.set(None);
    assert!(bench.end().is_empty(), "the body could not be read");
}

#[derive(Clone, Debug)]
enum Step {
    Head(Vec<u8>, u8, bool),
    Body(Vec<u8>, bool),
    Trailers,
    Response(u32),
    Log,
    Fail(Option<u32>),
}

fn step() -> impl Strategy<Value = Step> {
    let body = prop_oneof![
        Just(FORM_ATTACK.to_vec()),
        proptest::collection::vec(any::<u8>(), 0..1200)
    ];
    prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..60), 0u8..5, any::<bool>())
            .prop_map(|(target, kind, eos)| Step::Head(target, kind, eos)),
        (body, any::<bool>()).prop_map(|(bytes, eos)| Step::Body(bytes, eos)),
        Just(Step::Trailers),
        prop_oneof![Just(101u32), Just(200), Just(0)].prop_map(Step::Response),
        Just(Step::Log),
        proptest::option::of(0u32..16).prop_map(Step::Fail),
    ]
}

proptest! {
    /// Whatever order of callbacks, content and host failures: no panic, every byte given back.
    #[test]
    fn any_order_of_events_is_survived(
        mode in prop_oneof![Just(Mode::Monitoring), Just(Mode::Block)],
        hold: bool,
        steps in proptest::collection::vec(step(), 0..12),
    ) {
        let mut bench = Bench::new(mode, hold);
        for step in steps {
            match step {
                Step::Head(target, kind, eos) => {
                    let fields: &[(&[u8], &[u8])] = match kind {
                        0 => &[],
                        1 => &[FORM],
                        2 => &[(b"content-type", b"application/grpc")],
                        3 => &[(b"connection", b"upgrade"), (b"upgrade", b"x")],
                        _ => &[(b"content-length", b"7"), (b"content-type", b"application/json")],
                    };
                    bench.head(&target, fields, eos);
                }
                Step::Body(bytes, eos) => {
                    bench.held(&bytes, eos);
                }
                Step::Trailers => {
                    bench.stream.request_trailers();
                }
                Step::Response(status) => bench.response(status),
                Step::Log => bench.stream.log(),
                Step::Fail(status) => bench.vm.host.failure.set(status.map(Status)),
            }
        }
        bench.vm.host.failure.set(None);
        bench.end();
    }
}
